//! Configures V8 with GN and compiles it with ninja, under sccache, with precompiled headers.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use v8_archive::Sha256;

use crate::caches::{Choice, Mode};
use crate::error::{Error, IoContext as _, Result};
use crate::layers;
use crate::memory::Peak;
use crate::ninja::{self, Outcome};
use crate::pch::{self, Compilation, Groups};
use crate::plan::Plan;
use crate::process;
use crate::sccache::{Fill, Report, Server, Settings};
use crate::toolchain::{Toolchain, probe_flags};

/// Where the toolchain's overlay is linked into V8's tree; all paths GN sees are relative to the tree.
const OVERLAY: &str = "third_party/libv8-toolchain";

/// ninja's target: the library with everything an archive's needs.
pub const NINJA_TARGET: &str = "default";

/// The finished library, in ninja's folder.
pub const LIBRARY: &str = "obj/libv8/libv8_complete.a";

/// What compiling is to do beyond the plan.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// Processes at once; nothing for ninja's own choice.
    pub jobs: Option<std::num::NonZeroU32>,
    /// When to stop.
    pub deadline: Option<Instant>,
    /// Whether headers are precompiled.
    pub precompile: bool,
    /// Where objects are kept.
    pub cache: &'a Choice,
}

/// What a build was like; written to `build.json` in ninja's folder.
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
    /// More of the caches.
    #[serde(default)]
    pub cache: Report,
    /// The highest sum of resident memory of all processes of the build, sampled each second, where it is known.
    pub peak_memory_bytes: Option<u64>,
    /// The high-water mark of the largest process that was sampled, where it is known.
    pub largest_process_bytes: Option<u64>,
}

/// Written into ninja's folder when a library is whole; it holds the build id that the library was built for.
const BUILT_FILE: &str = "libv8-built";

/// Whether the library of this very plan is built.
pub fn is_built(plan: &Plan) -> bool {
    let built = fs::read_to_string(plan.out.join(BUILT_FILE));
    built.is_ok_and(|id| id == plan.build_id.to_string()) && plan.out.join(LIBRARY).is_file()
}

/// What GN was run with; its file is written when everything behind it is done.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Configured {
    /// SHA-256 over args.gn, the toolchain and the way we treat GN's output.
    key: Sha256,
    dropped_flags: Vec<String>,
}

/// A configured build folder.
pub struct Build {
    /// ninja's folder.
    pub out: PathBuf,
    /// Flags of V8's build files that the compiler does not know.
    pub dropped_flags: Vec<String>,
    _lock: File,
}

/// What stands in front of the compiler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrapper {
    /// sccache, as every build of ours has it.
    Sccache,
    /// Nothing: the build that ours are measured against.
    None,
}

/// Runs GN, unless it has been run with the same arguments, and takes out of its files the flags that clang does not know.
pub fn configure(plan: &Plan, toolchain: &Toolchain) -> Result<Build> {
    configure_with(plan, toolchain, Wrapper::Sccache)
}

/// As [`configure`], with another program or none in front of the compiler.
pub fn configure_with(plan: &Plan, toolchain: &Toolchain, wrapper: Wrapper) -> Result<Build> {
    let out = &plan.out;
    fs::create_dir_all(out).or_io("create", out)?;
    let lock_path = out.join("libv8.lock");
    let lock = File::create(&lock_path).or_io("create", &lock_path)?;
    if lock.try_lock().is_err() {
        eprintln!("  another process builds {} {}: waiting for it", plan.target, plan.variant);
        lock.lock().or_io("lock", &lock_path)?;
    }
    link_overlay(&plan.source.folder, &toolchain.llvm)?;
    let mut args = format!(
        "{}\n# Of this machine's toolchain; part of no build id.\n\
         clang_base_path = \"//{OVERLAY}\"\nclang_version = \"{}\"\n",
        layers::args_gn(&plan.gn_args),
        toolchain.clang_major,
    );
    if wrapper == Wrapper::Sccache {
        args.push_str(&format!("cc_wrapper = \"../../{OVERLAY}/bin/sccache\"\n"));
    }
    let recipe = format!("2\n{}\n{args}", toolchain.llvm.display());
    let key = Sha256::of_bytes(recipe.as_bytes());
    let mark = out.join("libv8-configured.json");
    let known: Option<Configured> = fs::read(&mark).ok().and_then(|text| serde_json::from_slice(&text).ok());
    if let Some(known) = known.filter(|known| known.key == key) {
        return Ok(Build { out: out.clone(), dropped_flags: known.dropped_flags, _lock: lock });
    }
    eprintln!("configuring {}", out.display());
    let args_path = out.join("args.gn");
    fs::write(&args_path, args).or_io("write", &args_path)?;
    let root = format!("--root={}", plan.source.folder.display());
    let mut gn = process::command(&toolchain.gn);
    gn.arg("gen").arg(out).args([&root, "--dotfile=libv8/dotfile.gn", "--fail-on-unused-args"]);
    gn.current_dir(&plan.source.folder).env("PATH", toolchain.path()?);
    process::run_logged(&mut gn, &out.join("gn.log"))?;
    let dropped_flags = drop_unknown_flags(out, &toolchain.clangxx(), &plan.row.clang_target)?;
    name_sources_in_keys(&out.join("toolchain.ninja"))?;

    let mut compdb = process::command(&toolchain.ninja);
    compdb.arg("-C").arg(out).args(["-t", "compdb", "cxx", "cc", "asm"]);
    let compdb = process::read(&mut compdb)?;
    let compilations: Vec<Compilation> = serde_json::from_str(&compdb)
        .map_err(|error| Error::failed(format!("ninja's compilation database is not readable: {error}")))?;
    let folder = out.join(pch::shim::FOLDER);
    fs::create_dir_all(&folder).or_io("create", &folder)?;
    write_json(&folder.join(pch::shim::GROUPS_FILE), &Groups::from_compilations(&compilations))?;
    write_json(&mark, &Configured { key, dropped_flags: dropped_flags.clone() })?;
    Ok(Build { out: out.clone(), dropped_flags, _lock: lock })
}

/// Compiles the library. Stops at the deadline, and when the user or the system wants it, with everything kept.
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
    let fills = Fill::read(sccache_dir);
    let server = Server::start(&Settings {
        program: &toolchain.sccache,
        local: sccache_dir,
        out: &build.out,
        precompile: options.precompile,
        choice: options.cache,
    })?;
    if options.cache.mode == Mode::ReadWrite {
        fill.write(sccache_dir);
    }
    let mut command = ninja_command(build, toolchain, options.jobs)?;
    server.prepare(&mut command);
    pch::journal::begin_run(&build.out, options.precompile)?;
    let outcome = run_ninja(&command, build, &server, options.deadline);
    let mut report = server.finish();
    let (outcome, repeated_steps) = outcome?;
    report.repeated_steps = repeated_steps;
    report.low_because = report.why_low(&fills, &fill);
    let built = build.out.join(BUILT_FILE);
    fs::write(&built, plan.build_id.to_string()).or_io("write", &built)?;
    let fallbacks = build.out.join(pch::shim::FOLDER).join(pch::shim::FALLBACKS_FILE);
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
        cache: report,
        peak_memory_bytes: outcome.memory.map(|peak| peak.total_bytes),
        largest_process_bytes: outcome.memory.map(|peak| peak.process_bytes),
    };
    if outcome.steps > 0 {
        write_json(&build.out.join("build.json"), &statistics)?;
    }
    Ok(statistics)
}

/// Runs ninja, and once more what failed inside sccache; gives the steps of all runs, and how many were run again.
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
    let (mut steps, mut memory, mut repeated) = (0, None, BTreeSet::new());
    let higher = |one: Option<Peak>, other: Option<Peak>| match one.zip(other) {
        Some((one, other)) => Some(one.or_higher(other)),
        None => one.or(other),
    };
    loop {
        let outcome = run(&[], &ninja::log_path(&build.out))?;
        steps += outcome.steps;
        memory = higher(memory, outcome.memory);
        let Some(broken) = outcome.broken else {
            let repeated = u32::try_from(repeated.len()).unwrap_or(u32::MAX);
            return Ok((Outcome { steps, broken: None, memory }, repeated));
        };
        // Ninja knows nothing of our patience: what has been repeated is not repeated a second time.
        if broken.outputs.is_empty() || broken.outputs.iter().any(|output| repeated.contains(output)) {
            return Err(broken.error);
        }
        eprintln!("note: sccache failed at {}; trying that once more", broken.outputs.join(", "));
        let outcome = run(&broken.outputs, &build.out.join("build-repeated.log"))?;
        steps += outcome.steps;
        memory = higher(memory, outcome.memory);
        if let Some(broken) = outcome.broken {
            return Err(broken.error);
        }
        repeated.extend(broken.outputs);
    }
}

/// ninja without a target; what the compiler's wrapper needs is the caller's to add.
pub fn ninja_command(
    build: &Build,
    toolchain: &Toolchain,
    jobs: Option<std::num::NonZeroU32>,
) -> Result<std::process::Command> {
    let mut command = process::command(&toolchain.ninja);
    command.arg("-C").arg(&build.out);
    if let Some(jobs) = jobs {
        command.args(["-j", &jobs.to_string()]);
    }
    // One line for each finished step, however long: the log is for machines too.
    command.env("NINJA_STATUS", "[%f/%t] ").env("PATH", toolchain.path()?);
    Ok(command)
}

/// Compiles the library with ninja and the compiler alone, in a folder configured with [`Wrapper::None`].
pub fn compile_plain(
    plan: &Plan,
    build: &Build,
    toolchain: &Toolchain,
    jobs: Option<std::num::NonZeroU32>,
) -> Result<Statistics> {
    let started = Instant::now();
    let cpu_before_s = process::children_cpu_s();
    let mut command = ninja_command(build, toolchain, jobs)?;
    command.arg(NINJA_TARGET);
    pch::journal::begin_run(&build.out, false)?;
    let outcome = ninja::run(command, &ninja::log_path(&build.out), None, &String::new)?;
    let built = build.out.join(BUILT_FILE);
    fs::write(&built, plan.build_id.to_string()).or_io("write", &built)?;
    Ok(Statistics {
        steps: outcome.steps,
        wall_s: started.elapsed().as_secs_f64(),
        cpu_s: process::children_cpu_s().zip(cpu_before_s).map(|(after, before)| after - before),
        peak_memory_bytes: outcome.memory.map(|peak| peak.total_bytes),
        largest_process_bytes: outcome.memory.map(|peak| peak.process_bytes),
        ..Statistics::default()
    })
}

/// Writes to a temporary name first, so that a mark is whole or not there.
fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_vec_pretty(value).expect("strings and numbers only");
    let partial = path.with_extension("json.partial");
    fs::write(&partial, text).or_io("write", &partial)?;
    fs::rename(&partial, path).or_io("create", path)
}

/// Makes the toolchain reachable by a path inside the tree, so that no path of the machine reaches a command line.
fn link_overlay(tree: &Path, llvm: &Path) -> Result<()> {
    let link = tree.join(OVERLAY);
    if fs::read_link(&link).is_ok_and(|old| old == llvm) {
        return Ok(());
    }
    match fs::remove_file(&link) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(Error::io("remove", &link, &error));
        }
        _ => {}
    }
    #[cfg(unix)]
    return std::os::unix::fs::symlink(llvm, &link).or_io("create", &link);
    #[cfg(windows)]
    return std::os::windows::fs::symlink_dir(llvm, &link).or_io("create", &link);
}

/// Takes flags that the compiler does not know out of ninja's files, and says which.
///
/// V8's build files are written for the clang of their week. Which of their flags ours knows is asked of it.
fn drop_unknown_flags(out: &Path, clangxx: &Path, clang_target: &str) -> Result<Vec<String>> {
    let mut files: BTreeMap<PathBuf, String> = BTreeMap::new();
    let mut flags: BTreeSet<String> = BTreeSet::new();
    for path in ninja_files(out)? {
        let text = fs::read_to_string(&path).or_io("read", &path)?;
        for line in text.lines() {
            if let Some(words) = flag_words(line) {
                flags.extend(words.filter(|word| is_askable(word)).map(str::to_owned));
            }
        }
        files.insert(path, text);
    }
    let mut asked: Vec<String> = flags.into_iter().collect();
    asked.push(format!("--target={clang_target}"));
    let unknown = probe_flags(clangxx, &asked)?;
    for (path, text) in files {
        let new: String = text.lines().map(|line| without(line, &unknown) + "\n").collect();
        if new != text {
            rewrite(&path, &new)?;
        }
    }
    Ok(unknown)
}

/// Puts the name of each source on its command line, where sccache's key comes from.
///
/// The key holds the preprocessed text without the names of files, and objects hold the name of their source: two
/// sources with the same text (empty ones, for this target) would get one object, whichever came first. Clang takes
/// `-frandom-seed` for GCC's sake and does nothing with it.
fn name_sources_in_keys(path: &Path) -> Result<()> {
    let text = fs::read_to_string(path).or_io("read", path)?;
    rewrite(path, &text.replace(" -c ${in} ", " -frandom-seed=${in} -c ${in} "))
}

/// Replaces a file of ninja's and keeps its time: ninja runs GN again if a build file is older than what GN read.
fn rewrite(path: &Path, text: &str) -> Result<()> {
    let time = fs::metadata(path).and_then(|metadata| metadata.modified()).or_io("read", path)?;
    fs::write(path, text).or_io("write", path)?;
    let file = File::options().append(true).open(path).or_io("open", path)?;
    file.set_modified(time).or_io("set the time of", path)
}

fn ninja_files(out: &Path) -> Result<Vec<PathBuf>> {
    let mut found = vec![out.join("toolchain.ninja")];
    let mut folders = vec![out.join("obj")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).or_io("read", &folder)? {
            let path = entry.or_io("read", &folder)?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "ninja") {
                found.push(path);
            }
        }
    }
    Ok(found)
}

/// The flags of a line such as `  cflags_cc = -std=c++23 …`.
fn flag_words(line: &str) -> Option<impl Iterator<Item = &str>> {
    let (name, value) = line.trim_start().split_once(" = ")?;
    matches!(name, "cflags" | "cflags_c" | "cflags_cc" | "asmflags").then(|| value.split_whitespace())
}

/// Flags that stand alone and may be unknown; `-Xclang` and `-mllvm` take a second word, whose order must stay.
fn is_askable(word: &str) -> bool {
    ["-f", "-W", "-m", "-g"].iter().any(|prefix| word.starts_with(prefix))
        && !word.starts_with("-mllvm")
        && !word.starts_with("-fmodule")
        && !word.contains(['$', '"', '\'', '\\'])
}

fn without(line: &str, unknown: &[String]) -> String {
    if flag_words(line).is_none() {
        return line.to_owned();
    }
    let words = line.split(' ').filter(|word| !unknown.iter().any(|flag| flag == word));
    words.collect::<Vec<_>>().join(" ")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_taken_out_whole() {
        let check = |line: &str, unknown: &[&str], expected: &str| {
            let unknown: Vec<String> = unknown.iter().map(|&flag| flag.to_owned()).collect();
            assert_eq!(without(line, &unknown), expected);
        };
        check("  cflags = -Wall -fnew -O3", &["-fnew"], "  cflags = -Wall -O3");
        check("  cflags = -fnew -fnew", &["-fnew"], "  cflags =");
        check("  cflags = -fnew=x -O3", &["-fnew"], "  cflags = -fnew=x -O3");
        check("  ldflags = -fnew", &["-fnew"], "  ldflags = -fnew");
        check("build a.o: cxx -fnew", &["-fnew"], "build a.o: cxx -fnew");
    }

    #[test]
    fn only_lone_flags_are_asked_about() {
        for (flag, expected) in
            [("-fno-x", true), ("-Wfoo", true), ("-mllvm", false), ("-DX", false), ("-fx=${y}", false)]
        {
            assert_eq!(is_askable(flag), expected, "{flag}");
        }
    }
}

#[cfg(all(test, unix))]
mod pipeline_tests;
