//! `smoke FILE`: links programs with an archive and runs JavaScript with them.

use std::path::{Path, PathBuf};

use crate::env;
use crate::error::{Error, Result};
use crate::flags::{Format, Smoke, What};
use crate::smoke::{self, Linker};
use crate::toolchain::{Programs, Toolchain};
use crate::workspace::Workspace;

/// Exit status 1 if a program fails or gives a wrong answer.
pub fn run(flags: &Smoke) -> Result<()> {
    let workspace = Workspace::open()?;
    let descriptor = open(&flags.file)?;
    let what = What {
        targets: vec![descriptor.target],
        variant: descriptor.variant,
        source: None,
        output: None,
        archive_format: Format::TarZst,
        clang: flags.clang.clone(),
    };
    let toolchain = workspace.toolchain(&what, &workspace.plans(&what)?)?;
    let demonstration = link_and_run(&workspace, &flags.file, &toolchain)?;
    if let Some((source, result)) = demonstration {
        println!("ran     {source}\n     →  {result}");
    }
    Ok(())
}

/// Links and runs every program; the expression that was shown and its result, if the archive can run it.
pub fn link_and_run(
    workspace: &Workspace,
    archive: &Path,
    toolchain: &Toolchain,
) -> Result<Option<(String, String)>> {
    let descriptor = open(archive)?;
    let row = workspace.matrix.target(&descriptor.target)?;
    let is_own = workspace.host().is_ok_and(|host| host.name() == row.host);
    let linker = Linker {
        clang: toolchain.clang(),
        clangxx: toolchain.clangxx(),
        target: descriptor.target,
        clang_target: row.clang_target.clone(),
        sysroot: toolchain.sysroot(&row.sysroot),
        rustc: Some(PathBuf::from(env::rustc())),
        system_cxx: Programs::new(env::path()).find("c++").filter(|_| is_own),
    };
    let plan = smoke::plan(archive, &linker, &workspace.cache)?;
    let report = smoke::run(&plan, &mut |line| eprintln!("{line}"))?;
    eprint!("{report}");
    report.verdict()?;
    Ok(report.demonstration)
}

fn open(archive: &Path) -> Result<v8_archive::Descriptor> {
    if !archive.is_file() {
        return Err(Error::usage(format!("there is no archive {}", archive.display()))
            .help("cargo xtask build-v8   makes one"));
    }
    let reader = v8_archive::open(archive).map_err(|error| Error::failed(error.to_string()))?;
    Ok(reader.into_descriptor())
}
