//! `roll`: what another V8 would break; and moving to it.

use std::time::Instant;

use crate::error::{Error, Result};
use crate::flags::{Roll, RollFormat, SourceKind};
use crate::roll::{self, Asked};
use crate::workspace::Workspace;

/// Prints what was found. That a build would stop is an answer, unless `--check` makes it a failure.
pub fn run(flags: &Roll) -> Result<()> {
    let started = Instant::now();
    let workspace = Workspace::open()?;
    let kind = flags.source.unwrap_or(workspace.matrix.v8.source);
    let is_depot = kind == SourceKind::DepotTools;
    if !is_depot && kind != SourceKind::Crate {
        return Err(Error::usage("roll is for --source crate and --source depot-tools"));
    }
    let say = |line: &str| eprintln!("{line}");
    let what = flags.what(Some(&flags.to), is_depot);
    let to = workspace.plans(&what)?;
    let from = workspace.plans(&flags.what(flags.from.as_ref(), is_depot))?;
    if to[0].source.origin == from[0].source.origin {
        return Err(Error::usage(format!("{} is the V8 to start from", from[0].source.origin.line()))
            .help("--to names another version"));
    }
    let (report, trial) =
        roll::look(&Asked { workspace: &workspace, what: &what, from: &from, to: &to }, &say)?;
    match flags.format {
        RollFormat::Text => print!("{}", roll::text(&report)),
        RollFormat::Markdown => print!("{}", roll::markdown(&report)),
        RollFormat::Json => {
            println!("{}", serde_json::to_string_pretty(&report).expect("strings and numbers only"))
        }
    }
    eprintln!("looked in {} s; nothing was compiled", started.elapsed().as_secs());
    if flags.apply {
        let written = roll::apply::apply(&workspace, &to[0].source, &trial)?;
        for path in written {
            eprintln!("wrote {}", path.display());
        }
        eprintln!("what is left to do by hand: ARCHITECTURE.md, \"Where do I touch?\", a V8 version");
    }
    let blockers = report.blockers();
    if flags.check && blockers > 0 {
        return Err(Error::failed(format!(
            "{} would stop a build of V8 {}",
            if blockers == 1 { "one finding".to_owned() } else { format!("{blockers} findings") },
            report.to.v8_version
        ))
        .help("mend them, or have --apply write what it can"));
    }
    Ok(())
}
