//! `source`: fetches and patches V8's tree alone.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::flags::Source;
use crate::source::{self, Cargo};
use crate::workspace::Workspace;

/// Prints the folder of each tree; targets with the same patches share one.
pub fn run(flags: &Source) -> Result<()> {
    let mut printed = BTreeSet::new();
    for plan in Workspace::open()?.plans(&flags.what)?.iter().filter(|plan| plan.is_wanted()) {
        let tree = source::prepare(&plan.source, &Cargo::of_user()?, &|line| eprintln!("{line}"))?;
        if printed.insert(tree.root.clone()) {
            println!("{}", tree.root.display());
        }
    }
    Ok(())
}
