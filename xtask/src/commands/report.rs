//! `report`: a build as one page of HTML.

use crate::error::{IoContext as _, Result};
use crate::flags::Report;
use crate::report;
use crate::workspace::Workspace;

/// Writes the page, through a temporary name, and prints its path. Exit status 2 if there is no build.
pub fn run(flags: &Report) -> Result<()> {
    let workspace = Workspace::open()?;
    for plan in workspace.plans(&flags.which.what())? {
        let read = report::read(&plan.out, &plan.target, &plan.variant)?;
        let path = flags.output.clone().unwrap_or_else(|| plan.out.join("report.html"));
        let partial = path.with_extension("html.partial");
        std::fs::write(&partial, report::html(&read)).or_io("write", &partial)?;
        std::fs::rename(&partial, &path).or_io("create", &path)?;
        println!("{}", path.display());
    }
    Ok(())
}
