//! Compiles V8 with ninja, under sccache, with precompiled headers.

use std::collections::BTreeSet;
use std::fs;
use std::num::NonZeroU32;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use v8_archive::Sha256;

use crate::caches::{Choice, Mode};
use crate::distribute::{self, Cluster, Dispatcher};
use crate::error::{IoContext as _, Result};
use crate::ninja::{self, Outcome};
use crate::paths::{short_name, write_whole};
use crate::pch;
use crate::plan::Plan;
use crate::process;
use crate::sccache::{Fill, Report, Server, Settings};
use crate::toolchain::Toolchain;

mod by_gyp;
pub mod configure;
#[cfg(all(test, unix))]
mod depot_tests;
#[cfg(all(test, target_os = "linux"))]
mod patch_tests;
pub mod plain;
mod stale;

pub use configure::{Build, Wrapper, compilations, configure, configure_with};

/// ninja's target: the library with everything an archive's needs.
pub const NINJA_TARGET: &str = "default";

/// The finished library, in ninja's folder, as the toolchain of GN's names it that makes it.
pub fn library(plan: &Plan) -> &'static str {
    if is_by_clang_cl(plan) { "obj/libv8/v8_complete.lib" } else { "obj/libv8/libv8_complete.a" }
}

/// The ending of its objects.
pub fn object_ending(plan: &Plan) -> &'static str {
    if is_by_clang_cl(plan) { ".obj" } else { ".o" }
}

/// Whether the compiler is told by Microsoft's command line, and its files named as theirs.
fn is_by_clang_cl(plan: &Plan) -> bool {
    plan.row.libc.family == "msvc"
}

/// What compiling is to do beyond the plan.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// Processes at once; nothing for ninja's own choice.
    pub jobs: Option<NonZeroU32>,
    /// When to stop.
    pub deadline: Option<Instant>,
    /// Whether headers are precompiled.
    pub precompile: bool,
    /// Where objects are kept.
    pub cache: &'a Choice,
    /// Who compiles what is in no cache, if not this machine.
    pub cluster: Option<&'a Cluster>,
}

/// What a build was like; written to [`STATISTICS`] in ninja's folder.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    /// Steps of ninja in this run.
    pub steps: u32,
    /// Wall time of this run of ninja, in seconds.
    pub wall_s: f64,
    /// User and system time of ninja, sccache, the compiler and all else it started, in seconds, where it is known.
    pub cpu_s: Option<f64>,
    /// Compiles that sccache answered from its cache.
    pub cache_hits: u64,
    /// Compiles that it had to make.
    pub cache_misses: u64,
    /// Results that it could not keep.
    pub cache_write_errors: u64,
    /// Compiles that only worked without their precompiled header.
    pub header_fallbacks: usize,
    /// Whether the run was stopped or failed, so that it is not that of a whole library.
    #[serde(default)]
    pub is_part: bool,
    /// More of the caches.
    #[serde(default)]
    pub cache: Report,
    /// What a cluster did, if one was to.
    #[serde(default)]
    pub cluster: Option<distribute::Report>,
    /// The highest sum of resident memory of all processes of the build, sampled each second, where it is known.
    pub peak_memory_bytes: Option<u64>,
    /// The high-water mark of the largest process that was sampled, where it is known.
    pub largest_process_bytes: Option<u64>,
}

/// What the last run of ninja that did something was like, in its folder.
pub const STATISTICS: &str = "build.json";

/// Written into ninja's folder when a library is whole; it holds the build id that the library was built for.
const BUILT_FILE: &str = "libv8-built";

/// Whether the library of this very plan is built.
pub fn is_built(plan: &Plan) -> bool {
    let built = fs::read_to_string(plan.out.join(BUILT_FILE));
    built.is_ok_and(|id| id == plan.build_id.to_string()) && plan.out.join(library(plan)).is_file()
}

fn mark_built(plan: &Plan, build: &Build) -> Result<()> {
    let built = build.out.join(BUILT_FILE);
    fs::write(&built, plan.build_id.to_string()).or_io("write", &built)
}

/// Compiles the library. Stops at the deadline, and when the user or the system wants it, with everything kept.
///
/// Also of a build that is stopped or fails it is said what came from the cache, and why not more: it is the slow ones of which
/// that is asked.
pub fn compile(
    plan: &Plan,
    build: &Build,
    toolchain: &Toolchain,
    sccache_dir: &Path,
    options: &Options<'_>,
) -> Result<Statistics> {
    let started = Instant::now();
    let cpu_before_s = process::children_cpu_s();
    let compiler = fs::read(toolchain.clangxx()).or_io("read", &toolchain.clangxx())?;
    let fill = Fill {
        compiler: Sha256::of_bytes(&compiler).to_string(),
        target: plan.target.clone(),
        variant: plan.variant.clone(),
        build_id: plan.build_id.to_string(),
    };
    // What lies beside a folder of the user's is the user's.
    let fills_of = match options.cache.folder() {
        Some(folder) => sccache_dir.with_file_name(format!("sccache-{}", short_name(folder))),
        None => sccache_dir.to_owned(),
    };
    let fills = Fill::read(&fills_of);
    let server = Server::start(&Settings {
        program: &toolchain.sccache,
        local: sccache_dir,
        out: &build.out,
        precompile: options.precompile,
        choice: options.cache,
    })?;
    if options.cache.mode == Mode::ReadWrite {
        fill.write(&fills_of);
    }
    let cluster = options
        .cluster
        .map(|cluster| (cluster, Dispatcher::start(cluster, toolchain, sccache_dir, &build.out)));
    let dispatcher = cluster.as_ref().and_then(|(_, started)| started.as_ref().ok());
    let mut command = ninja_command(build, toolchain, jobs(options.jobs, dispatcher))?;
    server.prepare(&mut command);
    command.envs(dispatcher.map(Dispatcher::variable));
    pch::journal::begin_run(&build.out, true)?;
    let fallbacks = build.out.join(pch::shim::FOLDER).join(pch::shim::FALLBACKS_FILE);
    write_whole(&fallbacks, "")?;
    let ran = run_ninja(&command, build, &server, options.deadline);
    let mut report = server.finish();
    let cluster = cluster.map(|(cluster, started)| match started {
        Ok(dispatcher) => dispatcher.finish(),
        Err(why) => cluster.unused(why),
    });
    let (outcome, repeated_steps) = ran?;
    report.repeated_steps = repeated_steps;
    report.low_because = report.why_low(&fills, &fill);
    let cpu_s = process::children_cpu_s().zip(cpu_before_s).map(|(after, before)| after - before);
    let statistics = Statistics {
        steps: outcome.steps,
        wall_s: started.elapsed().as_secs_f64(),
        // A server that a client has started is no child of ours.
        cpu_s: cpu_s.filter(|_| !report.lost_server),
        cache_hits: report.counts.hits,
        cache_misses: report.counts.misses,
        cache_write_errors: report.counts.write_errors,
        header_fallbacks: fs::read_to_string(fallbacks).map_or(0, |text| text.lines().count()),
        is_part: outcome.failure.is_some(),
        cache: report,
        cluster,
        peak_memory_bytes: outcome.memory.map(|peak| peak.total_bytes),
        largest_process_bytes: outcome.memory.map(|peak| peak.process_bytes),
    };
    let file = build.out.join(STATISTICS);
    let Some(failure) = outcome.failure else {
        mark_built(plan, build)?;
        if outcome.steps > 0 {
            write_json(&file, &statistics)?;
        }
        return Ok(statistics);
    };
    if outcome.steps > 0 || statistics.cache_hits + statistics.cache_misses > 0 {
        eprintln!("compiled until then: {}", summary(&statistics));
        // A full disk is not what is to be told of a build that failed.
        let _ = write_json(&file, &statistics);
    }
    Err(failure.error)
}

/// As many steps as the cluster and this machine have processors: sccache counts the compilers that run here, and who waits for
/// the cluster is none.
fn jobs(wanted: Option<NonZeroU32>, dispatcher: Option<&Dispatcher>) -> Option<NonZeroU32> {
    wanted.or_else(|| {
        let here = std::thread::available_parallelism().map_or(1, usize::from);
        NonZeroU32::new(dispatcher?.processors.saturating_add(u32::try_from(here).unwrap_or(1)))
    })
}

/// Runs ninja, and once more what failed inside sccache; gives what came of all runs, and how many steps were run again.
///
/// The second time sccache does not look into its caches: an entry that it cannot take apart would break it again.
fn run_ninja(
    command: &Command,
    build: &Build,
    server: &Server,
    deadline: Option<Instant>,
) -> Result<(Outcome, u32)> {
    let hits = || format!(", {} from the cache", server.counts().hits);
    let run = |targets: &[String], log: &Path| {
        let mut again = process::copy(command);
        if targets.is_empty() {
            again.arg(NINJA_TARGET);
        } else {
            again.args(targets).env("SCCACHE_RECACHE", "1");
        }
        ninja::run(again, log, deadline, &hits)
    };
    let (mut sum, mut repeated) = (Outcome { steps: 0, failure: None, memory: None }, BTreeSet::new());
    let mut add = |outcome: Outcome| {
        sum.steps += outcome.steps;
        sum.memory = match sum.memory.zip(outcome.memory) {
            Some((one, other)) => Some(one.or_higher(other)),
            None => sum.memory.or(outcome.memory),
        };
        outcome.failure
    };
    let failure = loop {
        let Some(failure) = add(run(&[], &ninja::log_path(&build.out))?) else { break None };
        let outputs = &failure.inside_sccache;
        // Ninja knows nothing of our patience: what has been repeated is not repeated a second time.
        if outputs.is_empty() || outputs.iter().any(|output| repeated.contains(output)) {
            break Some(failure);
        }
        eprintln!("note: sccache failed at {}; trying that once more", outputs.join(", "));
        if let Some(failure) = add(run(outputs, &build.out.join("build-repeated.log"))?) {
            break Some(failure);
        }
        repeated.extend(failure.inside_sccache);
    };
    Ok((Outcome { failure, ..sum }, u32::try_from(repeated.len()).unwrap_or(u32::MAX)))
}

/// ninja without a target; what the compiler's wrapper needs is the caller's to add.
pub fn ninja_command(build: &Build, toolchain: &Toolchain, jobs: Option<NonZeroU32>) -> Result<Command> {
    let mut command = process::command(&toolchain.ninja);
    command.arg("-C").arg(&build.out);
    if let Some(jobs) = jobs {
        command.args(["-j", &jobs.to_string()]);
    }
    // One line for each finished step, however long: the log is for machines too.
    command.env("NINJA_STATUS", "[%f/%t] ").env("PATH", toolchain.path()?);
    Ok(command)
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    write_whole(path, serde_json::to_vec_pretty(value).expect("strings and numbers only"))
}

/// Says in a line how the cache served a build.
pub fn summary(statistics: &Statistics) -> String {
    let asked = statistics.cache_hits + statistics.cache_misses;
    let rate = (statistics.cache_hits * 100).checked_div(asked).unwrap_or(0);
    let mut text = format!(
        "{} steps in {}{}; {} of {asked} compiles from the cache ({rate} %)",
        statistics.steps,
        ninja::minutes(std::time::Duration::from_secs_f64(statistics.wall_s)),
        statistics.cpu_s.map_or(String::new(), |cpu_s| format!(" ({cpu_s:.0} s of CPU)")),
        statistics.cache_hits,
    );
    if let Some((total, largest)) = statistics.peak_memory_bytes.zip(statistics.largest_process_bytes) {
        text.push_str(&format!(
            "; at most {} MiB of memory, {} MiB in one process",
            total >> 20,
            largest >> 20
        ));
    }
    if let Some(cluster) = &statistics.cluster {
        text.push_str(&format!("; {cluster}"));
    }
    for remark in statistics.cache.remarks() {
        text.push_str("; ");
        text.push_str(&remark);
    }
    if statistics.header_fallbacks > 0 {
        text.push_str(&format!("; {} compiles needed their plain headers", statistics.header_fallbacks));
    }
    if let Some(why) = &statistics.cache.low_because {
        text.push_str(&format!("\n  few compiles came from the cache: {why}"));
    }
    text
}

#[cfg(all(test, unix))]
mod pipeline_tests;
