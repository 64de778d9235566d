//! `ci`: what continuous integration runs, made from `targets.toml`, and its chain of jobs played here.

use serde_json::json;

use super::cache::cell_of;
use crate::ci::{self, lint, simulate, workflow};
use crate::error::Result;
use crate::flags::{Ci, CiCommand, Print};
use crate::workspace::Workspace;

/// Prints, writes, lints, or plays.
pub fn run(flags: &Ci) -> Result<()> {
    let workspace = Workspace::open()?;
    match &flags.command {
        CiCommand::Matrix { format, all } => {
            let jobs = ci::jobs(&workspace.matrix, *all);
            match format {
                // One line: what goes through $GITHUB_OUTPUT has no other.
                Print::Json => println!("{}", json!({ "include": jobs })),
                Print::Text => {
                    for job in jobs {
                        println!("{:<28}  {:<10}  {}", job.target, job.variant, job.runner);
                    }
                }
            }
        }
        CiCommand::Workflow { check } => {
            let differing = workflow::run(&workspace.repository, &workspace.matrix, *check)?;
            match differing.as_slice() {
                [] => eprintln!(
                    "nothing to do: {} is what targets.toml and ci/actions.toml say",
                    workflow::FOLDER
                ),
                some => some.iter().for_each(|difference| eprintln!("{difference}: written")),
            }
        }
        CiCommand::Lint => lint::run(&workspace)?,
        CiCommand::Complete { folder } => {
            let count = ci::complete(&workspace.matrix, folder)?;
            eprintln!("all {count} archives are there");
        }
        CiCommand::Simulate(flags) => {
            let cell = cell_of(&workspace, &flags.cell)?;
            let rows = simulate::run(&workspace, &cell, flags)?;
            print!("{}", simulate::table(&rows));
        }
    }
    Ok(())
}
