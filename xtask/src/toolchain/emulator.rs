//! QEMU's user-mode emulators, which run a target's programs on a machine of another processor, and wine, which runs those of Windows.
//!
//! They are no part of the toolchain's key: what a program prints does not depend on the emulator's version. So an emulator's folder is named
//! by its own pins, and only plans that need one fetch it.

use std::fs;
use std::path::{Path, PathBuf};

use super::pins::{DebianPin, Host, Sha256, Tools, debian_architecture};
use super::plan::Packages;
use super::programs::Programs;
use super::{apt, overlay, wine};
use crate::error::{Error, IoContext as _, Result};
use crate::process;

/// The emulator of Windows; the others are named by the processor that they emulate, as triples begin with it.
pub const WINE: &str = "wine";

/// The processor's glibc, in the emulator's folder.
pub const RUNTIME: &str = "root";

/// What `host` needs to run programs of a target, if it cannot by itself. Nothing for systems of which there is no emulator.
pub fn needed<'a>(target: &'a str, libc_family: &str, host: Host) -> Option<&'a str> {
    let processor = target.split('-').next().unwrap_or_default();
    match libc_family {
        "glibc" | "musl" => (host.linux_processor() != Some(processor)).then_some(processor),
        // Wine emulates no processor: what runs during a build for another one is x86-64's as well.
        "ucrt" => (host != Host::WindowsX64).then_some(WINE),
        _ => None,
    }
}

/// Why `host` runs no programs of a target, with or without what [`needed`] names. They are linked only.
pub fn cannot_run(target: &str, libc_family: &str, host: Host) -> Option<&'static str> {
    let processor = target.split('-').next().unwrap_or_default();
    match (libc_family, host) {
        ("glibc" | "musl", _) => None,
        ("ucrt" | "msvc", _) if processor != "x86_64" => {
            Some("neither wine nor Windows emulates its processor")
        }
        ("msvc", Host::WindowsX64) | ("ucrt", _) => None,
        ("msvc", _) => Some("programs of Microsoft's ABI are not run under wine"),
        ("libSystem", Host::MacX64) if processor == "x86_64" => None,
        ("libSystem", Host::MacArm64) if processor == "aarch64" => None,
        _ => Some("there is no emulator of macOS"),
    }
}

/// The name of the launcher in the overlay's `bin/`.
pub fn launcher(name: &str) -> String {
    if name == WINE { WINE.to_owned() } else { format!("qemu-{name}") }
}

/// For people.
pub fn described(name: &str) -> String {
    if name == WINE { WINE.to_owned() } else { format!("emulator of {name}") }
}

/// The folder of an emulator and its runtime, relative to the overlay.
pub fn folder(tools: &Tools, host: Host, name: &str) -> PathBuf {
    let pins: Vec<&str> = pins(tools, host, name).map(|pin| pin.sha256.as_str()).collect();
    let digest = Sha256::of_bytes(pins.join(" ").as_bytes());
    let kind = if name == WINE { WINE.to_owned() } else { format!("qemu/{name}") };
    PathBuf::from(format!("{kind}-{}", &digest.as_str()[..16]))
}

/// All packages: the emulator's, then the runtime's. None if there is no such emulator for this machine.
pub fn pins<'a>(tools: &'a Tools, host: Host, name: &str) -> impl Iterator<Item = &'a DebianPin> {
    let (packages, runtime) = if name == WINE {
        (wine::pins(tools, host), None)
    } else {
        let runtime = tools.qemu.runtime.get(name).filter(|_| tools.qemu.programs.contains_key(name));
        (runtime.and_then(|_| host.qemu_packages(&tools.qemu)), runtime)
    };
    packages.unwrap_or_default().iter().chain(runtime.filter(|_| packages.is_some()).into_iter().flatten())
}

/// Where things lie for [`make`].
pub struct Job<'a> {
    /// The pins.
    pub tools: &'a Tools,
    /// This machine.
    pub host: Host,
    /// The emulated processor, as triples begin with it, or [`WINE`].
    pub name: &'a str,
    /// The user's mirror of Debian.
    pub mirror: Option<&'a str>,
    /// Where verified files lie.
    pub downloads: &'a Path,
    /// A folder for apt's state.
    pub scratch: &'a Path,
}

/// Fetches and unpacks into `to`, as [`write_launcher`] expects it.
pub fn make(job: &Job<'_>, programs: &Programs, to: &Path) -> Result<()> {
    if job.name == WINE { wine::make(job, programs, to) } else { qemu(job, programs, to) }
}

/// `qemu-<processor>`, and `root/` with the processor's glibc.
fn qemu(job: &Job<'_>, programs: &Programs, to: &Path) -> Result<()> {
    let Job { tools, host, name: processor, .. } = *job;
    let qemu = &tools.qemu;
    let none = || Error::failed(format!("no emulator of {processor} is pinned for {}", host.name()));
    let packages = host.qemu_packages(qemu).ok_or_else(none)?;
    let program = qemu.programs.get(processor).ok_or_else(none)?;
    let unpack = |packages, architecture, root: &Path| {
        let job = apt::Job {
            suites: &qemu.suites,
            keyring: &qemu.keyring,
            packages,
            architecture,
            mirror: job.mirror,
            downloads: job.downloads,
            scratch: job.scratch,
            help: "raise its pin in [tools.qemu] of targets.toml to what Debian offers",
            exact: false,
        };
        apt::unpack(&job, programs, root).map_err(Error::from)
    };
    let all = to.join("package");
    unpack(packages, host.debian_architecture().ok_or_else(none)?, &all)?;
    // The package has forty emulators, of which one is needed.
    let (from, name) = (all.join(program), to.join(launcher(processor)));
    fs::rename(&from, &name).or_io("move", &from)?;
    crate::paths::remove_folder(&all)?;

    let root = to.join(RUNTIME);
    let runtime = qemu.runtime.get(processor).ok_or_else(none)?;
    unpack(runtime, debian_architecture(processor).ok_or_else(none)?, &root)?;
    // A program names its loader /lib/…, which Debian's base-files, no part of this, makes a link.
    #[cfg(unix)]
    for folder in ["lib", "lib64"] {
        let (link, target) = (root.join(folder), Path::new("usr").join(folder));
        if !link.exists() && root.join(&target).is_dir() {
            std::os::unix::fs::symlink(&target, &link).or_io("create", &link)?;
        }
    }
    process::read(process::command(&name).arg("--version")).map(drop)
}

/// Writes `bin/qemu-<processor>`, which starts the emulator with the runtime as the root of what programs load, or `bin/wine`.
pub fn write_launcher(overlay: &Path, emulator: &Packages) -> Result<()> {
    let name = launcher(&emulator.name);
    let text = if name == WINE {
        wine::launcher_script(&emulator.folder)
    } else {
        let folder = emulator.folder.display();
        format!("#!/bin/sh\nd=${{0%/*}}/../{folder}\nexec \"$d/{name}\" -L \"$d/root\" \"$@\"\n")
    };
    overlay::write_scripts(overlay, &[(&name, text)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::Matrix;
    use crate::paths;

    #[test]
    fn every_target_is_run_here_or_says_why_not() {
        let matrix = Matrix::load(&paths::repository()).unwrap();
        let not_run_on = |host: Host| -> Vec<&str> {
            let rows = matrix.targets.iter().map(|(target, row)| (target.as_str(), row.libc.family.as_str()));
            let not_run = rows.filter(|(target, family)| {
                let natively = matrix.targets[*target].host == host.name();
                let why_not = cannot_run(target, family, host);
                // What is neither run as it is nor by an emulator is linked only, and nothing else is.
                assert!(!(natively && why_not.is_some()), "{target}");
                assert!(natively || why_not.is_some() || starts(target, family, host), "{target}");
                why_not.is_some()
            });
            not_run.map(|(target, _)| target).collect()
        };
        let starts_not = [
            "aarch64-apple-darwin",
            "aarch64-pc-windows-gnullvm",
            "aarch64-pc-windows-msvc",
            "x86_64-apple-darwin",
            "x86_64-pc-windows-msvc",
        ];
        assert_eq!(not_run_on(Host::LinuxX64), starts_not);
        assert_eq!(not_run_on(Host::MacArm64).len(), 4);
        assert_eq!(not_run_on(Host::WindowsX64).len(), 4);
    }

    /// Whether this machine's system and processor start it, or an emulator does.
    fn starts(target: &str, libc_family: &str, host: Host) -> bool {
        let is_linux = matches!(libc_family, "glibc" | "musl");
        let itself =
            is_linux && host.linux_processor().is_some_and(|processor| target.starts_with(processor));
        let windows = libc_family == "ucrt" && host == Host::WindowsX64;
        itself || windows || needed(target, libc_family, host).is_some()
    }
}
