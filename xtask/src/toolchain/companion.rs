//! Packages of Debian that only `smoke` needs: musl's loader, GNU's linker for another processor, an emulator of large pages.
//!
//! Like emulators they are in no key, and their folders are named by their own pins. Unlike them they can be missing, on a machine without apt
//! or when Debian does not offer them any more: `smoke` then says which ways of linking it left out.

use std::fs;
use std::path::{Path, PathBuf};

use super::apt::{self, Fault};
use super::pins::{Companion, Host, Sha256, Tools, debian_architecture};
use super::programs::Programs;
use crate::error::{Error, IoContext as _, Result};
use crate::paths::remove_folder;

/// The row with musl's shared library, which is also its loader: sysroots have the static library only.
pub fn musl(processor: &str) -> String {
    format!("musl-{processor}")
}

/// The row with GNU's linker for another processor than this machine's.
pub fn gnu_ld(processor: &str) -> String {
    format!("gnu-ld-{processor}")
}

/// The row with an emulator that shows programs pages of other sizes than this machine's, as QEMU does up to release 8.
pub fn pages(processor: &str) -> String {
    format!("pages-{processor}")
}

/// The name under which [`super::Toolchain::companions`] has the folder of what emulated programs load; no row.
pub fn runtime(processor: &str) -> String {
    format!("runtime-{processor}")
}

/// The rows that programs of a target are tried with on this machine.
pub fn wanted(tools: &Tools, host: Host, processor: &str, is_musl: bool) -> Vec<String> {
    // Their packages are programs: for the processor they stand for, and of no use on another.
    let runs_here = |name: &String| {
        let row = tools.companions.get(name);
        row.is_some_and(|row| Some(row.processor.as_str()) == host.linux_processor())
    };
    let foreign = host.linux_processor() != Some(processor);
    let loader = Some(musl(processor)).filter(|name| is_musl && tools.companions.contains_key(name));
    let programs = [gnu_ld(processor), pages(processor)];
    loader.into_iter().chain(programs.into_iter().filter(|name| foreign && runs_here(name))).collect()
}

/// The folder of a row, relative to the overlay.
pub fn folder(name: &str, row: &Companion) -> PathBuf {
    let pins: Vec<&str> = row.packages.iter().map(|pin| pin.sha256.as_str()).collect();
    let digest = Sha256::of_bytes(pins.join(" ").as_bytes());
    Path::new("companions").join(format!("{name}-{}", &digest.as_str()[..16]))
}

/// Where things lie for [`make`].
pub struct Job<'a> {
    /// The pins.
    pub row: &'a Companion,
    /// The user's mirror of Debian.
    pub mirror: Option<&'a str>,
    /// Where verified files lie.
    pub downloads: &'a Path,
    /// A folder for apt's state.
    pub scratch: &'a Path,
}

/// Fetches and unpacks into `to`, where [`program`] then finds what it is for.
pub fn make(job: &Job<'_>, programs: &Programs, to: &Path) -> Result<(), Fault> {
    let Job { row, mirror, downloads, scratch } = *job;
    let unknown = || Error::failed(format!("no processor of Debian: {}", row.processor));
    let job = apt::Job {
        suites: &row.suites,
        keyring: &row.keyring,
        packages: &row.packages,
        architecture: debian_architecture(&row.processor).ok_or_else(unknown)?,
        mirror,
        downloads,
        scratch,
        help: "raise its pin in [tools.companions] of targets.toml to what Debian offers",
        exact: row.exact,
    };
    let root = to.join("root");
    apt::unpack(&job, programs, &root)?;
    let there = root.join(&row.program);
    if !there.exists() {
        return Err(Error::failed(format!("the packages hold no {}", row.program)).into());
    }
    if !row.own_libc {
        // It needs nothing beside it, and may be one of a hundred.
        let alone = program(row, to);
        fs::rename(&there, &alone).or_io("move", &there)?;
        return Ok(remove_folder(&root)?);
    }
    let launcher = to.join(LAUNCHER);
    fs::write(&launcher, launcher_script(&root, &row.program)?).or_io("write", &launcher)?;
    Ok(super::make_executable(&launcher)?)
}

/// Starts a program through the loader and the libc that were unpacked beside it in `root`: the host's libc is older than it needs.
fn launcher_script(root: &Path, program: &str) -> Result<String> {
    let lib = root.join("usr/lib");
    for folder in fs::read_dir(&lib).or_io("read", &lib)?.flatten().filter(|entry| entry.path().is_dir()) {
        for file in fs::read_dir(folder.path()).or_io("read", &folder.path())?.flatten() {
            let (folder, name) = (folder.file_name(), file.file_name());
            let (folder, name) = (folder.to_string_lossy(), name.to_string_lossy());
            if name.starts_with("ld-linux-") {
                return Ok(format!(
                    "#!/bin/sh\nr=${{0%/*}}/root\nexec \"$r/usr/lib/{folder}/{name}\" --library-path \"$r/usr/lib/{folder}\" \"$r/{program}\" \"$@\"\n"
                ));
            }
        }
    }
    Err(Error::failed(format!("the packages of {program} hold no ld-linux-* below {}", lib.display())))
}

/// Starts a program that needs a newer libc than the host may have.
const LAUNCHER: &str = "run";

/// What a row's packages are for, in the folder that [`make`] filled.
pub fn program(row: &Companion, folder: &Path) -> PathBuf {
    let name = row.program.rsplit('/').next().unwrap_or(&row.program);
    folder.join(if row.own_libc { LAUNCHER } else { name })
}
