//! `source`: fetches and patches V8's tree alone.

use crate::error::Result;
use crate::flags::Source;
use crate::source::{self, Cargo};
use crate::workspace::Workspace;

/// Prints the tree's folder.
pub fn run(flags: &Source) -> Result<()> {
    for plan in Workspace::open()?.plans(&flags.what)? {
        let tree = source::prepare(&plan.source, &Cargo::of_user()?, &|line| eprintln!("{line}"))?;
        println!("{}", tree.root.display());
    }
    Ok(())
}
