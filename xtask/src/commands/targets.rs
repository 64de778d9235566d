//! `targets`: what there is, and what each can do today.

use serde_json::json;

use super::build_v8;
use crate::error::Result;
use crate::flags::{Print, Targets, What};
use crate::matrix::State;
use crate::support::{self, Results};
use crate::workspace::Workspace;

/// Lists targets, then variants; or writes down or compares what they have come to.
pub fn run(flags: &Targets) -> Result<()> {
    let workspace = Workspace::open()?;
    if flags.record {
        return record(flags, &workspace);
    }
    if flags.check {
        return support::check(
            &workspace.repository,
            &workspace.matrix,
            &Results::load(&workspace.repository)?,
        );
    }
    list(flags, workspace)
}

/// Takes the mark of every build that this checkout would find finished; results of others stay as they are.
fn record(flags: &Targets, workspace: &Workspace) -> Result<()> {
    let mut results = Results::load(&workspace.repository)?;
    for variant in workspace.matrix.variants.keys() {
        let mut what = What::of(workspace.matrix.targets.keys().cloned().collect(), variant);
        what.output.clone_from(&flags.output);
        for plan in workspace.plans(&what)? {
            if let Some(outcome) = build_v8::outcome(&plan) {
                eprintln!("{} {}: {}", plan.target, variant, outcome.ran.as_deref().unwrap_or("linked"));
                results.set(&plan.target, variant, outcome);
            }
        }
    }
    let written = support::write(&workspace.repository, &workspace.matrix, &results)?;
    if written.is_empty() {
        eprintln!("nothing to write: both files say so already");
    }
    written.iter().for_each(|name| println!("{name}"));
    Ok(())
}

fn list(flags: &Targets, workspace: Workspace) -> Result<()> {
    let matrix = workspace.matrix;
    match flags.format {
        Print::Text => {
            for (triple, target) in &matrix.targets {
                let state = match (target.state, &target.reason) {
                    (State::Run, _) => "run".to_owned(),
                    (State::Built, reason) => {
                        format!("built: {}", reason.as_deref().unwrap_or_default())
                    }
                    (State::Planned, reason) => {
                        format!("planned only: {}", reason.as_deref().unwrap_or_default())
                    }
                };
                println!("{triple:<28}  {} {:<6}  {state}", target.libc.family, target.libc.floor);
            }
            for (name, variant) in &matrix.variants {
                println!("--variant {name:<18}  {}", variant.summary);
            }
        }
        Print::Json => {
            let targets: Vec<_> = matrix
                .targets
                .iter()
                .map(|(triple, target)| {
                    json!({
                        "target": triple,
                        "builds": target.is_built(),
                        "runs": target.state == State::Run,
                        "reason": target.reason,
                        "libc": { "family": target.libc.family, "floor": target.libc.floor },
                    })
                })
                .collect();
            let variants: Vec<_> = matrix
                .variants
                .iter()
                .map(|(name, variant)| json!({ "variant": name, "summary": variant.summary, "features": variant.features }))
                .collect();
            let list = json!({ "v8": matrix.v8.version, "targets": targets, "variants": variants });
            println!("{}", serde_json::to_string_pretty(&list).expect("strings only"));
        }
    }
    Ok(())
}
