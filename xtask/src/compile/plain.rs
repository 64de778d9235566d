//! A build by ninja and the compiler alone, and what it has cost, also in parts: what ours are measured against.

use std::fs;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::{Build, NINJA_TARGET, STATISTICS, Statistics, mark_built, ninja_command, write_json};
use crate::error::Result;
use crate::paths::remove_file;
use crate::plan::Plan;
use crate::toolchain::Toolchain;
use crate::{ninja, pch, process};

/// What the parts of a build have cost that was stopped, in ninja's folder; there only while the build is not whole.
const PART_FILE: &str = "build-part.json";

#[derive(Debug, Serialize, Deserialize)]
struct Part {
    /// What the objects are of: another plan's cost is none of ours.
    build_id: String,
    /// What made them: objects of another toolchain are made again.
    toolchain: String,
    cost: Statistics,
}

/// Compiles the library in a folder configured with [`super::Wrapper::None`].
///
/// One that was stopped goes on, and what its parts cost is added up: too much by what the steps cost that were dropped
/// with each stop. Steps and memory are those of the last part. Where it is not known what the objects have cost that are there
/// (their ninja was killed, or the arguments have changed since), cost is that of this part, and is not written down.
pub fn compile_plain(
    plan: &Plan,
    build: &Build,
    toolchain: &Toolchain,
    jobs: Option<NonZeroU32>,
) -> Result<Statistics> {
    let started = Instant::now();
    let cpu_before_s = process::children_cpu_s();
    let mut command = ninja_command(build, toolchain, jobs)?;
    command.arg(NINJA_TARGET);
    pch::journal::begin_run(&build.out, false)?;
    let is_new = !build.out.join(".ninja_log").exists();
    let nothing = Statistics { cpu_s: Some(0.0), ..Statistics::default() };
    let earlier = stopped(plan, toolchain).or(is_new.then(|| nothing.clone()));
    let file = build.out.join(PART_FILE);
    // Who is killed leaves objects of which nobody knows what they have cost.
    remove_file(&file)?;
    let outcome = ninja::run(command, &ninja::log_path(&build.out), None, &String::new)?;
    let cpu_s = process::children_cpu_s().zip(cpu_before_s).map(|(after, before)| after - before);
    let is_known = earlier.is_some();
    let earlier = earlier.unwrap_or(nothing);
    let mut statistics = Statistics {
        wall_s: earlier.wall_s + started.elapsed().as_secs_f64(),
        cpu_s: earlier.cpu_s.zip(cpu_s).map(|(earlier, now)| earlier + now),
        ..earlier
    };
    if let Some(failure) = outcome.failure {
        if is_known {
            let (build_id, toolchain) = (plan.build_id.to_string(), toolchain.key().into_owned());
            write_json(&file, &Part { build_id, toolchain, cost: statistics })?;
        }
        return Err(failure.error);
    }
    statistics.steps = outcome.steps;
    statistics.peak_memory_bytes = outcome.memory.map(|peak| peak.total_bytes);
    statistics.largest_process_bytes = outcome.memory.map(|peak| peak.process_bytes);
    if is_known {
        write_json(&build.out.join(STATISTICS), &statistics)?;
    } else {
        remove_file(&build.out.join(STATISTICS))?;
    }
    mark_built(plan, build)?;
    Ok(statistics)
}

/// What the parts of this very build have cost, if it was stopped since this machine was started.
pub fn stopped(plan: &Plan, toolchain: &Toolchain) -> Option<Statistics> {
    let file = plan.out.join(PART_FILE);
    let part: Part = serde_json::from_slice(&fs::read(&file).ok()?).ok()?;
    let is_ours = part.build_id == plan.build_id.to_string() && part.toolchain == toolchain.key();
    (is_ours && is_of_this_start(&file)).then_some(part.cost)
}

/// Whether a file was written since this machine was started: what an earlier start measured may be another machine's.
pub fn is_of_this_start(path: &Path) -> bool {
    let made = fs::metadata(path).and_then(|data| data.modified()).ok();
    made.zip(process::machine_started()).is_some_and(|(made, started)| made >= started)
}
