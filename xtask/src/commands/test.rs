//! `test`: everything that must hold before a change is merged, with a V8 that is built and runs JavaScript.

mod runner;

use std::process::{Command, ExitCode};
use std::time::Duration;

use super::{build_v8, link_line};
use crate::bench;
use crate::ci::lint;
use crate::error::Result;
use crate::flags::{BuildV8, Fuzz, Test, What};
use crate::fuzz;
use crate::paths::Cache;
use crate::pch::policy::Compared;
use crate::rebuild;
use crate::workspace::Workspace;
use crate::{env, paths, process};
use runner::{Runner, Sum};

/// A step that needs what is built or fetched for this target and variant.
type Step = (&'static str, fn(&What, &mut Sum) -> Result<()>);

const BEFORE_V8: &[Step] = &[("real caches", test_caches), ("readers of releases", test_readers)];

const CLUSTER: &str = "real cluster";

const WITH_V8: &[Step] = &[
    ("tests with V8", test_with_v8),
    ("build systems", test_consumers),
    ("a release, published and consumed", test_release),
    ("patches left out", test_patches),
    ("V8's own repositories", test_depot),
    ("equal objects", test_objects),
    ("glibc's tables", test_tables),
    ("equal snapshots", test_snapshots),
];

/// Runs all steps that make sense, also after one has failed; exit status 1 if any has.
pub fn run(flags: &Test) -> ExitCode {
    let mut runner = Runner::default();
    let format = ["fmt", "--all", "--check"];
    let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    let features = ["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"];
    for (name, arguments) in
        [("format", format.as_slice()), ("lints", &clippy), ("lints with all features", &features)]
    {
        // rustup's minimal profile and some distributions have neither; both are for those who change the tool.
        if process::read(&mut cargo(&[arguments[0], "--version"])).is_ok() {
            runner.step(name, |_| process::pass_on(&mut cargo(arguments), &mut |_| {}));
        } else {
            runner.leave_out(name, "not installed: rustup component add rustfmt clippy");
        }
    }
    let tool = ["test", "-p", "xtask", "-p", "v8-archive", "--features", "xtask/stores,xtask/downloads"];
    runner.step("tests of the tool", |sum| sum.run(&mut cargo(&tool)));
    // With the features of the step with V8, so that all it needs is compiled once.
    let without_v8 = ["build_script", "fetch", "header", "cargo"].map(|name| ["--test", name]);
    runner.step("tests without V8", |sum| {
        sum.run(cargo(&["test", "-p", "libv8", "--all-features"]).args(without_v8.as_flattened()))
    });

    let fuzz = Fuzz { targets: Vec::new(), time: FUZZ, seed: None, input: None, child: None };
    runner.step("spoiled input", |_| fuzz::run(&fuzz));

    match Workspace::open().and_then(|workspace| Ok((lint::lacks(&workspace)?, workspace))) {
        Ok((Some(lack), _)) => runner.leave_out("workflows", lack),
        Ok((None, workspace)) => drop(runner.step("workflows", |_| lint::run(&workspace))),
        Err(error) => drop(runner.step("workflows", |_| Err(error))),
    }

    let what = What::of(Vec::new(), &flags.variant);
    let build = format!("build of V8, {}", flags.variant);
    let again = "the same archive again";
    // Stores need nothing, the others sccache of the toolchain; so a build that takes longer than it may does not leave
    // them out.
    runner.step("real stores", test_stores);
    if flags.no_v8 {
        let names = BEFORE_V8.iter().chain(WITH_V8).map(|(name, _)| *name);
        names.chain([CLUSTER, &build, again]).for_each(|name| runner.leave_out(name, "--no-v8"));
    } else {
        for (name, run) in BEFORE_V8 {
            runner.step(name, |sum| run(&what, sum));
        }
        match cluster_lacks() {
            Some(lack) => runner.leave_out(CLUSTER, lack),
            None => drop(runner.step(CLUSTER, |sum| test_cluster(&what, sum))),
        }
        let build_flags = BuildV8 {
            what: what.clone(),
            jobs: None,
            deadline: Some(flags.deadline),
            no_pch: false,
            distribute: None,
            dry_run: false,
        };
        if runner.step(&build, |_| build_v8::run(&build_flags)) {
            for (name, run) in WITH_V8 {
                runner.step(name, |sum| run(&what, sum));
            }
            if flags.rebuild {
                runner.step(again, |_| test_rebuild(&what, flags.deadline));
            } else {
                runner.leave_out(again, "it takes as long as a build from nothing: --rebuild");
            }
        } else {
            let names = WITH_V8.iter().map(|(name, _)| *name).chain([again]);
            names.for_each(|name| runner.leave_out(name, "V8 is not built"));
        }
    }
    let good = runner.is_good(flags.deadline_is_no_failure);
    eprint!("\n{runner}");
    println!("{}", runner.total());
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The embedding crate with the archive that was just built: doc tests, examples, JavaScript, limits.
fn test_with_v8(what: &What, sum: &mut Sum) -> Result<()> {
    let plans = Workspace::open()?.plans(what)?;
    for plan in &plans {
        let mut command = cargo(&["test", "-p", "libv8", "--all-features"]);
        sum.run(command.env("LIBV8_ARCHIVE", &plan.archive))?;
    }
    Ok(())
}

/// The archive that was just built, as users of C, C++ and Python have it; pip fetches their tools the first time.
fn test_consumers(what: &What, sum: &mut Sum) -> Result<()> {
    let workspace = Workspace::open()?;
    let plans = workspace.plans(what)?;
    let toolchain = workspace.toolchain(what, &plans)?;
    for plan in &plans {
        let (_, folder) = link_line::unpacked(&plan.archive, &workspace.cache)?;
        let mut command = test_tool("consumer_tests::real");
        command.env("LIBV8_TEST_ARCHIVE", folder).env("LIBV8_TEST_LLVM", &toolchain.llvm);
        sum.run(command.env("LIBV8_TEST_SERVERS", workspace.cache.downloads().join("test-servers")))?;
    }
    Ok(())
}

/// V8 without each of the patches, as far as what they are for shows when it is configured or a file is compiled.
fn test_patches(what: &What, sum: &mut Sum) -> Result<()> {
    // The trees are made of links.
    if !cfg!(target_os = "linux") {
        return Ok(());
    }
    sum.run(test_tool("compile::patch_tests").env("LIBV8_TEST_BUILD", &what.variant))
}

/// `--source depot-tools` over repositories made of the tree that V8 was just built in.
fn test_depot(what: &What, sum: &mut Sum) -> Result<()> {
    // Paths of Windows are no file:// of git's.
    if !cfg!(unix) {
        return Ok(());
    }
    sum.run(test_tool("compile::depot_tests").env("LIBV8_TEST_BUILD", &what.variant))
}

/// The archive that was just built and those of its variant beside it, published to real stores and consumed by cargo.
fn test_release(what: &What, sum: &mut Sum) -> Result<()> {
    if !cfg!(target_os = "linux") {
        return Ok(());
    }
    let workspace = Workspace::open()?;
    // The tests start it.
    let tool = ["build", "--quiet", "-p", "xtask", "--features", "stores,downloads"];
    process::pass_on(&mut cargo(&tool), &mut |_| {})?;
    for plan in &workspace.plans(what)? {
        let mut command = test_tool("publish::real_release");
        command.env("LIBV8_TEST_RELEASE", &plan.archive);
        sum.run(command.env("LIBV8_TEST_SERVERS", workspace.cache.downloads().join("test-servers")))?;
    }
    Ok(())
}

/// A few objects of the build that was just made, compared with those that the compiler alone makes of the same files.
///
/// Each commit looks at other files.
fn test_objects(what: &What, _: &mut Sum) -> Result<()> {
    let workspace = Workspace::open()?;
    let plans = workspace.plans(what)?;
    let toolchain = workspace.toolchain(what, &plans)?;
    let mut git = process::command("git");
    git.args(["rev-parse", "HEAD"]).current_dir(paths::repository());
    // A copy without git's folder is tested as well: always with the same files.
    let commit = process::read(&mut git).unwrap_or_default();
    for plan in &plans {
        let comparison = bench::plain_again(&plan.out, &toolchain, OBJECTS, &commit)?;
        eprint!("{}", comparison.text());
        if Compared::here().knows(&plan.target, &plan.variant) {
            comparison.verdict()?;
        } else if !comparison.differences.is_empty() {
            eprintln!(
                "no failure yet: of {} {} not every object has been compared\n  \
                 cargo xtask bench --objects-identical --learn --variant {}   does it, in hours",
                plan.target, plan.variant, plan.variant
            );
        }
    }
    Ok(())
}

/// For each reader of what others wrote; each commit tries other inputs.
const FUZZ: Duration = Duration::from_secs(3);

/// Compiles of a few seconds each.
const OBJECTS: usize = 24;

/// What `verify` knows of each system's C library, compared with the lists inside the toolchain, which is only there now; and
/// libraries for systems that are not this machine's, by its compiler and linkers.
fn test_tables(what: &What, sum: &mut Sum) -> Result<()> {
    let workspace = Workspace::open()?;
    let toolchain = workspace.toolchain(what, &workspace.plans(what)?)?;
    let zig = toolchain.llvm.join("zig").join(workspace.matrix.tools.zig.program(workspace.host()?));
    let mut command = test_tool("_zigs");
    sum.run(command.env("LIBV8_ABILISTS", zig.with_file_name("lib").join("libc/glibc/abilists")))
}

/// The snapshot of the build that was just made, made again under other conditions.
fn test_snapshots(what: &What, _: &mut Sum) -> Result<()> {
    let workspace = Workspace::open()?;
    let plans = workspace.plans(what)?;
    let toolchain = workspace.toolchain(what, &plans)?;
    for plan in &plans {
        let (tried, left_out) = rebuild::snapshot::compare(&plan.out, &toolchain, &plan.out)?;
        eprintln!("the same snapshot {}", tried.join(", "));
        if !left_out.is_empty() {
            eprintln!("not possible on this machine: {}", left_out.join(", "));
        }
    }
    Ok(())
}

/// The whole archive once more.
fn test_rebuild(what: &What, deadline: Duration) -> Result<()> {
    for plan in &Workspace::open()?.plans(what)? {
        rebuild::under_other_conditions(&plan.archive, deadline)?;
    }
    Ok(())
}

/// sccache against real servers on loopback; apt and pip fetch them the first time.
fn test_caches(what: &What, sum: &mut Sum) -> Result<()> {
    if !cfg!(target_os = "linux") {
        return Ok(());
    }
    let workspace = Workspace::open()?;
    let toolchain = workspace.toolchain(what, &workspace.plans(what)?)?;
    let mut command = test_tool("sccache::real_tests");
    command.env("LIBV8_TEST_SCCACHE", &toolchain.sccache);
    // The S3 server takes any; no session of the user's may go with them.
    command
        .env("AWS_ACCESS_KEY_ID", "any")
        .env("AWS_SECRET_ACCESS_KEY", "any")
        .env_remove("AWS_SESSION_TOKEN");
    sum.run(command.env("LIBV8_TEST_SERVERS", workspace.cache.downloads().join("test-servers")))
}

/// A release read by minisign and by the schemas of its formats; apt and pip fetch them the first time.
fn test_readers(_: &What, sum: &mut Sum) -> Result<()> {
    if !cfg!(target_os = "linux") {
        return Ok(());
    }
    let servers = Workspace::open()?.cache.downloads().join("test-servers");
    let mut command = test_tool("publish::real_tests");
    sum.run(command.env("LIBV8_TEST_SERVERS", servers))
}

/// Stores against real servers on loopback; apt and pip fetch them the first time.
fn test_stores(sum: &mut Sum) -> Result<()> {
    if !cfg!(target_os = "linux") {
        return Ok(());
    }
    let mut command = test_tool("store::");
    sum.run(command.env("LIBV8_TEST_SERVERS", Cache::locate()?.downloads().join("test-servers")))
}

/// Why servers of sccache-dist cannot run on this machine.
fn cluster_lacks() -> Option<&'static str> {
    if !cfg!(target_os = "linux") {
        return Some("sccache-dist's servers are for Linux");
    }
    let is_root = process::read(process::command("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if !is_root {
        return Some("not tested: sccache-dist's servers start as root only");
    }
    // As a server does for each compile. Containers often forbid it, also to their root.
    let script = "set -e; d=$(mktemp -d); trap 'rm -rf $d' EXIT; cd $d; mkdir l u w t; \
                  unshare --mount mount -t overlay overlay -o lowerdir=l,upperdir=u,workdir=w t";
    let can_mount = process::read(process::command("sh").args(["-c", script])).is_ok();
    (!can_mount).then_some("not tested: overlay file systems cannot be mounted here")
}

/// sccache-dist's scheduler and servers on loopback; apt fetches their sandbox the first time.
fn test_cluster(what: &What, sum: &mut Sum) -> Result<()> {
    let workspace = Workspace::open()?;
    let toolchain = workspace.toolchain(what, &workspace.plans(what)?)?;
    let mut command = test_tool("distribute::real_tests");
    command.env("LIBV8_TEST_SCCACHE", &toolchain.sccache).env("LIBV8_TEST_LLVM", &toolchain.llvm);
    command.env("LIBV8_TEST_ZIG", &toolchain.zig).env("LIBV8_TEST_TOOL", process::this_program()?);
    sum.run(command.env("LIBV8_TEST_SERVERS", workspace.cache.downloads().join("test-servers")))
}

/// Some of the tool's own tests, with the clients of all stores as in the step with all of them: compiled once.
fn test_tool(filter: &str) -> Command {
    cargo(&["test", "-p", "xtask", "--features", "stores,downloads", "--bins", filter])
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = process::command(env::cargo());
    command.args(arguments).current_dir(paths::repository());
    command
}
