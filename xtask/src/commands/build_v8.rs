//! `build-v8`: from nothing to an archive that has run JavaScript.

use std::time::Instant;

use serde::{Deserialize, Serialize};
use v8_archive::Sha256;

use super::{package, smoke};
use crate::caches::Choice;
use crate::compile::{self, Options};
use crate::distribute::Cluster;
use crate::error::{Error, IoContext as _, Result};
use crate::flags::BuildV8;
use crate::objects::{Cell, Record};
use crate::plan::{self, Plan};
use crate::round::{Figures, Round, State};
use crate::source::{self, Cargo};
use crate::support::Outcome;
use crate::toolchain::Toolchain;
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
    /// What ran it: this machine or an emulator; none if nothing here does. Marks of before this was known lack it.
    #[serde(default)]
    how: Option<String>,
}

const DONE_FILE: &str = "libv8-done.json";

/// Builds every target that was asked for, one after the other; one that fails does not lose the others.
pub fn run(flags: &BuildV8) -> Result<()> {
    let deadline = flags.deadline.map(|time| Instant::now() + time);
    let workspace = Workspace::open()?;
    let cache = Choice::of_user()?;
    let cluster = flags.distribute.as_ref().map(Cluster::of_user).transpose()?;
    let plans = workspace.plans(&flags.what)?;
    if flags.dry_run {
        for plan in &plans {
            print!("{}", plan.text(false));
        }
        return Ok(());
    }
    let (plans, mut left_out) = plan::buildable(plans)?;
    let (plans, not_here) = workspace.buildable_here(&flags.what, plans)?;
    left_out.extend(not_here);
    let mut round = Round::new(plans, left_out);
    round.each(&mut |plan, figures| {
        let Some(done) = done(plan) else { return Ok(State::Open) };
        let end = if done.demonstration.is_some() { "has run" } else { "linked" };
        eprintln!("nothing to do: {} {} is built, verified and {end}", plan.target, plan.variant);
        report(plan, &done, figures);
        Ok(State::NothingToDo)
    });
    let open = round.open();
    if !open.is_empty() {
        signals::listen()?;
        let go_on = |stage: &str| stop_before(stage, deadline, signals::stop_wanted());
        // What is fetched is fetched for all of them before hours of compiling, and what fails for all of them fails once.
        go_on("fetching the toolchain").map_err(|error| error.help(resume_command()))?;
        let toolchain = workspace.toolchain(&flags.what, &open)?;
        round.each(&mut |plan, _| {
            go_on("fetching V8's tree")?;
            source::prepare(&plan.source, &Cargo::of_user()?, &|line| eprintln!("{line}"))?;
            smoke::prepare(&workspace, plan, &toolchain)?;
            Ok(State::Open)
        });
        let options = Options {
            jobs: flags.jobs,
            deadline,
            precompile: !flags.no_pch,
            cache: &cache,
            cluster: cluster.as_ref(),
        };
        let (count, mut number) = (round.open().len(), 0);
        round.each(&mut |plan, figures| {
            number += 1;
            if count > 1 {
                eprintln!("\n== {number} of {count}: {} {}", plan.target, plan.variant);
            }
            let done = build(plan, &workspace, &toolchain, &options, &go_on, figures)?;
            report(plan, &done, figures);
            Ok(State::Built)
        });
    }
    if !round.is_single() {
        print!("\n{}", round.table());
    }
    round.verdict(&resume_command())
}

/// From a tree to an archive that has run, and the mark that says so.
fn build(
    plan: &Plan,
    workspace: &Workspace,
    toolchain: &Toolchain,
    options: &Options<'_>,
    go_on: &dyn Fn(&str) -> Result<()>,
    figures: &mut Figures,
) -> Result<Done> {
    go_on("configuring")?;
    let build = compile::configure(plan, toolchain)?;
    go_on("compiling")?;
    eprintln!("compiling {} {} in {}", plan.target, plan.variant, plan.out.display());
    let cell = Cell { target: plan.target.clone(), variant: plan.variant.clone() };
    let record = Record::of(&workspace.cache.with_objects(options.cache.folder()), &cell);
    record.begin()?;
    let compiled = compile::compile(plan, &build, toolchain, &workspace.cache.sccache(), options);
    // Also of a build that failed or was stopped: its objects are what the next machine goes on from.
    record.end()?;
    let statistics = compiled?;
    eprintln!("compiled: {}", compile::summary(&statistics));
    figures.compiled(&statistics);
    go_on("packing")?;
    let packed = package::pack(workspace, plan, &build, toolchain)?;
    go_on("verifying")?;
    verify::run(&plan.archive, false)?;
    go_on("running JavaScript")?;
    let ran = smoke::link_and_run(workspace, &plan.archive, toolchain)?;
    let done = Done {
        build_id: plan.build_id,
        size_bytes: packed.size_bytes,
        sha256: packed.sha256,
        demonstration: ran.demonstration,
        how: ran.how,
    };
    let mark = plan.out.join(DONE_FILE);
    let text = serde_json::to_vec_pretty(&done).expect("strings and numbers only");
    std::fs::write(&mark, text).or_io("write", &mark)?;
    Ok(done)
}

/// The wish to stop, looked for between stages; inside the longest one, `ninja.rs` looks for it.
fn stop_before(stage: &str, deadline: Option<Instant>, stop_wanted: bool) -> Result<()> {
    let why = match deadline {
        _ if stop_wanted => "interrupted",
        Some(deadline) if Instant::now() >= deadline => "the deadline is reached",
        _ => return Ok(()),
    };
    Err(Error::stopped(format!("{why} before {stage}; nothing is lost, the same command goes on")))
}

/// The mark of a plan whose archive is there, with the digest it had when it ran.
fn done(plan: &Plan) -> Option<Done> {
    let done: Done = serde_json::from_slice(&std::fs::read(plan.out.join(DONE_FILE)).ok()?).ok()?;
    let there = Sha256::of_file(&plan.archive).ok()?;
    (done.build_id == plan.build_id && there.sha256 == done.sha256).then_some(done)
}

/// What the finished build of a plan has come to, if there is one.
pub fn outcome(plan: &Plan) -> Option<Outcome> {
    let done = done(plan)?;
    // Marks of before it was written down are of programs that this machine ran by itself.
    let how = done.how.unwrap_or_else(|| "natively".to_owned());
    Some(Outcome {
        v8: plan.v8_version.clone(),
        build_id: Some(done.build_id.to_string()),
        ran: done.demonstration.is_some().then_some(how),
    })
}

/// stdout gets what a script wants; the last line says what ran.
fn report(plan: &Plan, done: &Done, figures: &mut Figures) {
    figures.archive_bytes = Some(done.size_bytes);
    figures.ran.clone_from(&done.how);
    println!("{}", plan.archive.display());
    println!("size    {} bytes ({:.1} MiB)", done.size_bytes, done.size_bytes as f64 / f64::from(1 << 20));
    println!("sha256  {}", done.sha256);
    match &done.demonstration {
        Some((source, result)) => println!("ran     {source}\n     →  {result}"),
        None => println!("{}", smoke::LINKED_ONLY),
    }
}

/// The command that was typed, which goes on where it stopped.
fn resume_command() -> String {
    let words = std::env::args_os().skip(1).map(|word| process::quote(&word));
    let words: Vec<String> = ["cargo".to_owned(), "xtask".to_owned()].into_iter().chain(words).collect();
    format!("{}   goes on", words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f54_a_stop_is_looked_for_between_stages() {
        let check = |deadline: Option<Instant>, stop_wanted: bool, expected: Option<&str>| {
            let error = stop_before("packing", deadline, stop_wanted).err();
            assert_eq!(error.as_ref().map(Error::exit_code), expected.map(|_| 75));
            assert_eq!(error.map(|error| error.to_string()).as_deref(), expected);
        };
        let (past, future) = (Instant::now(), Instant::now() + std::time::Duration::from_secs(3600));
        check(None, false, None);
        check(Some(future), false, None);
        let reached =
            "stopped: the deadline is reached before packing; nothing is lost, the same command goes on";
        check(Some(past), false, Some(reached));
        let interrupted = "stopped: interrupted before packing; nothing is lost, the same command goes on";
        check(Some(future), true, Some(interrupted));
        check(None, true, Some(interrupted));
    }

    #[test]
    fn f54_a_deadline_that_passes_while_one_target_is_built_stops_before_the_next() {
        let any = || plan::testing::every_target().remove(0);
        let mut round = Round::new(vec![any(), any(), any()], Vec::new());
        let deadline = Some(Instant::now() + std::time::Duration::from_millis(200));
        let mut begun = 0;
        round.each(&mut |_, _| {
            stop_before("configuring", deadline, false)?;
            begun += 1;
            std::thread::sleep(std::time::Duration::from_millis(250));
            Ok(State::Built)
        });
        assert_eq!((begun, round.open().len()), (1, 1), "one is built, one stopped, one not begun");
        let error = round.verdict("again").unwrap_err();
        assert_eq!(error.exit_code(), 75);
        assert!(error.to_string().contains("the deadline is reached before configuring"), "{error}");
    }
}
