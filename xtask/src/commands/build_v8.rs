//! `build-v8`: from nothing to an archive that has run JavaScript.

use std::time::Instant;

use serde::{Deserialize, Serialize};
use v8_archive::Sha256;

use super::{package, smoke};
use crate::caches::Choice;
use crate::compile::{self, Options};
use crate::error::{Error, IoContext as _, Result};
use crate::flags::BuildV8;
use crate::plan::Plan;
use crate::source::{self, Cargo};
use crate::workspace::Workspace;
use crate::{process, signals, verify};

/// Written into ninja's folder when an archive has been verified and has run JavaScript.
#[derive(Debug, Serialize, Deserialize)]
struct Done {
    build_id: Sha256,
    size_bytes: u64,
    sha256: Sha256,
    /// What ran from it, and what it gave.
    demonstration: Option<(String, String)>,
}

const DONE_FILE: &str = "libv8-done.json";

/// Builds every target that was asked for, one after the other.
pub fn run(flags: &BuildV8) -> Result<()> {
    let deadline = flags.deadline.map(|time| Instant::now() + time);
    let workspace = Workspace::open()?;
    let cache = Choice::of_user()?;
    let plans = workspace.plans(&flags.what)?;
    if flags.dry_run {
        for plan in &plans {
            print!("{}", plan.text(false));
        }
        return Ok(());
    }
    for plan in &plans {
        plan.must_be_buildable()?;
    }
    if let Some(all_done) = plans.iter().map(done).collect::<Option<Vec<_>>>() {
        for (plan, done) in plans.iter().zip(&all_done) {
            eprintln!("nothing to do: {} {} is built, verified and has run", plan.target, plan.variant);
            report(plan, done);
        }
        return Ok(());
    }
    signals::listen()?;
    let toolchain = workspace.toolchain(&flags.what, &plans)?;
    let options = Options { jobs: flags.jobs, deadline, precompile: !flags.no_pch, cache: &cache };
    for plan in &plans {
        let resume = |error: Error| error.help(resume_command());
        source::prepare(&plan.source, &Cargo::of_user()?, &|line| eprintln!("{line}"))?;
        let build = compile::configure(plan, &toolchain)?;
        eprintln!("compiling {} {} in {}", plan.target, plan.variant, plan.out.display());
        let statistics = compile::compile(plan, &build, &toolchain, &workspace.cache.sccache(), &options)
            .map_err(|error| if error.exit_code() == 75 { resume(error) } else { error })?;
        eprintln!("compiled: {}", compile::summary(&statistics));
        let packed = package::pack(&workspace, plan, &build, &toolchain)?;
        verify::run(&plan.archive, false)?;
        let demonstration = smoke::link_and_run(&workspace, &plan.archive, &toolchain)?;
        let done = Done {
            build_id: plan.build_id,
            size_bytes: packed.size_bytes,
            sha256: packed.sha256,
            demonstration,
        };
        let mark = plan.out.join(DONE_FILE);
        let text = serde_json::to_vec_pretty(&done).expect("strings and numbers only");
        std::fs::write(&mark, text).or_io("write", &mark)?;
        report(plan, &done);
    }
    Ok(())
}

/// The mark of a plan whose archive is there, with the digest it had when it ran.
fn done(plan: &Plan) -> Option<Done> {
    let done: Done = serde_json::from_slice(&std::fs::read(plan.out.join(DONE_FILE)).ok()?).ok()?;
    let there = Sha256::of_file(&plan.archive).ok()?;
    (done.build_id == plan.build_id && there.sha256 == done.sha256).then_some(done)
}

/// stdout gets what a script wants; the last line says what ran.
fn report(plan: &Plan, done: &Done) {
    println!("{}", plan.archive.display());
    println!("size    {} bytes ({:.1} MiB)", done.size_bytes, done.size_bytes as f64 / f64::from(1 << 20));
    println!("sha256  {}", done.sha256);
    if let Some((source, result)) = &done.demonstration {
        println!("ran     {source}\n     →  {result}");
    }
}

/// The command that was typed, which goes on where it stopped.
fn resume_command() -> String {
    let words = std::env::args_os().skip(1).map(|word| process::quote(&word));
    let words: Vec<String> = ["cargo".to_owned(), "xtask".to_owned()].into_iter().chain(words).collect();
    format!("{}   goes on", words.join(" "))
}
