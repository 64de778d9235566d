//! `smoke FILE`: links programs with an archive and runs JavaScript with them.

use std::path::{Path, PathBuf};

use crate::env;
use crate::error::{Error, IoContext as _, Result};
use crate::flags::{Smoke, What};
use crate::matrix::Target;
use crate::plan::Plan;
use crate::smoke::{self, Emulator, Foreign, Linker, Machine, Zig};
use crate::toolchain::pins::Libc;
use crate::toolchain::rust::{self, Compiler};
use crate::toolchain::{Programs, Toolchain, companion, emulator};
use crate::workspace::Workspace;

/// Exit status 1 if a program fails or gives a wrong answer.
pub fn run(flags: &Smoke) -> Result<()> {
    let workspace = Workspace::open()?;
    let descriptor = open(&flags.file)?;
    let what = What { clang: flags.clang.clone(), ..What::of(vec![descriptor.target], &descriptor.variant) };
    let toolchain = workspace.toolchain(&what, &workspace.plans(&what)?)?;
    match link_and_run(&workspace, &flags.file, &toolchain)?.demonstration {
        Some((source, result)) => println!("ran     {source}\n     →  {result}"),
        None => println!("{LINKED_ONLY}"),
    }
    Ok(())
}

/// What is said of an archive whose programs this machine cannot run.
pub const LINKED_ONLY: &str = "linked  its programs are not run here";

/// What ran with an archive.
#[derive(Debug)]
pub struct Ran {
    /// The expression that was shown and its result, if the archive can run it.
    pub demonstration: Option<(String, String)>,
    /// What ran the programs, for people; none if nothing here does.
    pub how: Option<String>,
}

/// Makes what [`link_and_run`] would take a minute for, Rust for the target: a fault in it is told before V8 is compiled.
pub fn prepare(workspace: &Workspace, plan: &Plan, toolchain: &Toolchain) -> Result<()> {
    let Plan { target, row, .. } = plan;
    if workspace.host()?.name() == row.host || plan.runs_programs_of_the_machine() {
        return Ok(());
    }
    let sysroot = workspace.matrix.tools.sysroots.get(&row.sysroot);
    foreign_rust(row, sysroot.map(|sysroot| sysroot.libc), target, toolchain).map(drop)
}

/// Links every program, and runs it if this machine can.
pub fn link_and_run(workspace: &Workspace, archive: &Path, toolchain: &Toolchain) -> Result<Ran> {
    // A build script of cargo is started elsewhere.
    let archive = &std::path::absolute(archive).or_io("make absolute", archive)?;
    let descriptor = open(archive)?;
    let row = workspace.matrix.target(&descriptor.target)?;
    if row.libc.family == "msvc" {
        return Err(Error::failed("how programs are linked by Microsoft's linker is not known here yet"));
    }
    let host = workspace.host()?;
    let is_own = host.name() == row.host;
    let programs = Programs::new(env::path());
    let processor = descriptor.target.split('-').next().unwrap_or_default();
    let is_foreign = host.linux_processor() != Some(processor);
    let companion = |name: &str| toolchain.companions.get(name).cloned();
    let is_linux = matches!(row.libc.family.as_str(), "glibc" | "musl");
    let gnu_ld = match companion(&companion::gnu_ld(processor)) {
        _ if !is_linux => Err("GNU's linker is fetched for Linux alone".to_owned()),
        Some(program) => Ok(program),
        None if is_foreign => Err(format!("no GNU linker for {processor} can be fetched")),
        // Debian's `ld` is GNU's unless somebody chose another.
        None => ["ld.bfd", "ld"]
            .iter()
            .find_map(|name| programs.find(name))
            .ok_or_else(|| "there is no ld on PATH".to_owned()),
    };
    let sysroot = workspace.matrix.tools.sysroots.get(&row.sysroot);
    let zig = sysroot.map(|sysroot| Zig {
        program: toolchain.zig.clone(),
        // Both processors of macOS have one sysroot.
        target: match sysroot.zig_target.split_once('-') {
            Some((_, system)) => format!("{processor}-{system}"),
            None => sysroot.zig_target.clone(),
        },
        cache: workspace.cache.root().join("zig"),
    });
    let musl = companion(&companion::musl(processor)).filter(|_| row.libc.family == "musl");
    // The launcher knows where the runtime is.
    let cannot_run = emulator::cannot_run(&descriptor.target, &row.libc.family, host);
    let emulator = emulator::needed(&descriptor.target, &row.libc.family, host);
    let emulator = emulator.filter(|_| cannot_run.is_none()).and_then(|name| toolchain.emulator(name));
    // What another target of the same command asked for is in the toolchain as well.
    let pages = companion(&companion::pages(processor)).filter(|_| is_linux);
    let pages = pages.zip(companion(&companion::runtime(processor)));
    let machine = Machine {
        cannot_run: cannot_run.map(str::to_owned),
        emulator: emulator.map(|program| Emulator::new(&program)).transpose()?,
        pages: pages
            .map(|(program, root)| Emulator::of_pages(&program, &root, programs.find("setarch")))
            .transpose()?,
        musl,
    };
    let rust = if is_own {
        None
    } else {
        foreign_rust(row, sysroot.map(|sysroot| sysroot.libc), &descriptor.target, toolchain)?
    };
    let how = machine.cannot_run.is_none().then(|| machine.how(None));
    let (mut clang_target, mut system) = (row.clang_target.clone(), toolchain.sysroot(&row.sysroot));
    if row.libc.family == "libSystem" {
        clang_target.push_str(&row.libc.floor);
        // One of the user's own stands in its place.
        system = env::apple_sdk().unwrap_or(system);
    }
    let linker = Linker {
        clang: toolchain.clang(),
        clangxx: toolchain.clangxx(),
        target: descriptor.target,
        clang_target,
        sysroot: system,
        rustc: is_own.then(|| PathBuf::from(env::rustc())),
        rust,
        system_cxx: programs.find("c++").filter(|_| is_own),
        gnu_ld,
        zig,
        machine,
    };
    let plan = smoke::plan(archive, &linker, &workspace.cache)?;
    let report = smoke::run(&plan, &mut |line| eprintln!("{line}"))?;
    eprint!("{report}");
    report.verdict()?;
    Ok(Ran { demonstration: report.demonstration, how })
}

/// Rust for a target that is not this machine's: the user's own if it has the target, else Debian's if that was fetched.
fn foreign_rust(
    row: &Target,
    libc: Option<Libc>,
    triple: &str,
    toolchain: &Toolchain,
) -> Result<Option<Foreign>> {
    // A linker for macOS that takes rustc's words is none of the toolchain's.
    let Some(libc) = libc.filter(|libc| *libc != Libc::LibSystem) else { return Ok(None) };
    let processor = triple.split('-').next().unwrap_or_default();
    let (own, is_built) = (env::rustc(), libc != Libc::Glibc);
    let companion = |name: &str| toolchain.companions.get(name).map(PathBuf::as_path);
    let compiler = match companion(rust::COMPILER) {
        _ if rust::has_std(&own, triple) => Compiler::Own(&own),
        Some(program) => match companion(&rust::std_of(processor)) {
            None if !is_built => return Ok(None),
            std => Compiler::Pinned(program, std.filter(|_| !is_built)),
        },
        None => return Ok(None),
    };
    let (clang, sysroot) = (toolchain.clang(), toolchain.sysroot(&row.sysroot));
    let rust = rust::make(&rust::Job {
        triple,
        clang_target: &row.clang_target,
        clang: &clang,
        sysroot: &sysroot,
        libc,
        compiler,
        runtime: companion(&companion::runtime(processor)),
        zig_lib: &toolchain.zig.with_file_name("lib"),
        cargo: env::cargo(),
        to: &rust::folder(&toolchain.llvm, triple, compiler),
    })?;
    Ok(Some(Foreign { rust, cargo: env::cargo().into(), ar: clang.with_file_name("llvm-ar") }))
}

fn open(archive: &Path) -> Result<v8_archive::Descriptor> {
    if !archive.is_file() {
        return Err(Error::usage(format!("there is no archive {}", archive.display()))
            .help("cargo xtask build-v8   makes one"));
    }
    let reader = v8_archive::open(archive).map_err(|error| Error::failed(error.to_string()))?;
    Ok(reader.into_descriptor())
}
