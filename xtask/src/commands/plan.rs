//! `plan`: the same value as `build-v8 --dry-run`.

use crate::error::Result;
use crate::flags::{Plan, Print};
use crate::workspace::Workspace;

/// Prints the plans for what was asked for.
pub fn run(flags: &Plan) -> Result<()> {
    let plans = Workspace::open()?.plans(&flags.what)?;
    match flags.format {
        Print::Text => plans.iter().for_each(|plan| print!("{}", plan.text(flags.explain))),
        Print::Json => {
            println!("{}", serde_json::to_string_pretty(&plans).expect("strings, numbers and paths only"))
        }
    }
    Ok(())
}
