//! `report`: a build as one page of HTML.

use crate::error::Result;
use crate::flags::Report;
use crate::paths::write_whole;
use crate::report;
use crate::workspace::Workspace;

/// Writes the page, through a temporary name, and prints its path. Exit status 2 if there is no build.
pub fn run(flags: &Report) -> Result<()> {
    let workspace = Workspace::open()?;
    let plan = workspace.one_plan(&flags.which.what())?;
    let read = report::read(&plan.out, &plan.target, &plan.variant)?;
    let path = flags.output.clone().unwrap_or_else(|| plan.out.join("report.html"));
    write_whole(&path, report::html(&read))?;
    println!("{}", path.display());
    Ok(())
}
