//! `targets`: what there is, and what each can do today.

use serde_json::json;

use crate::error::Result;
use crate::flags::{Print, Targets};
use crate::matrix::State;
use crate::workspace::Workspace;

/// Lists targets, then variants.
pub fn run(flags: &Targets) -> Result<()> {
    let matrix = Workspace::open()?.matrix;
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
                        "builds": target.state != State::Planned,
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
