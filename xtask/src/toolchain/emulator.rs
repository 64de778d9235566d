//! QEMU's user-mode emulators, which run a target's programs on a machine of another processor.
//!
//! They are no part of the toolchain's key: what a program prints does not depend on the emulator's version. So an emulator's folder is named
//! by its own pins, and only plans for another processor fetch it.

use std::fs;
use std::path::{Path, PathBuf};

use super::pins::{DebianPin, Host, QemuTool, Sha256, debian_architecture};
use super::plan::Packages;
use super::programs::Programs;
use super::{apt, overlay};
use crate::error::{Error, IoContext as _, Result};
use crate::process;

/// The processor's glibc, in the emulator's folder.
pub const RUNTIME: &str = "root";

/// Where things lie for [`make`].
pub struct Job<'a> {
    /// The pins.
    pub qemu: &'a QemuTool,
    /// This machine.
    pub host: Host,
    /// The emulated processor, as triples begin with it.
    pub processor: &'a str,
    /// The user's mirror of Debian.
    pub mirror: Option<&'a str>,
    /// Where verified files lie.
    pub downloads: &'a Path,
    /// A folder for apt's state.
    pub scratch: &'a Path,
}

/// The name of the launcher in the overlay's `bin/`.
pub fn launcher(processor: &str) -> String {
    format!("qemu-{processor}")
}

/// The folder of an emulator and its runtime, relative to the overlay.
pub fn folder(qemu: &QemuTool, host: Host, processor: &str) -> PathBuf {
    let pins: Vec<&str> = pins(qemu, host, processor).map(|pin| pin.sha256.as_str()).collect();
    let digest = Sha256::of_bytes(pins.join(" ").as_bytes());
    Path::new("qemu").join(format!("{processor}-{}", &digest.as_str()[..16]))
}

/// All packages: the emulator's, then the runtime's.
pub fn pins<'a>(qemu: &'a QemuTool, host: Host, processor: &str) -> impl Iterator<Item = &'a DebianPin> {
    let packages = host.qemu_packages(qemu).unwrap_or_default();
    packages.iter().chain(qemu.runtime.get(processor).into_iter().flatten())
}

/// Fetches and unpacks into `to`: `qemu-<processor>`, and `root/` with the processor's glibc.
pub fn make(job: &Job<'_>, programs: &Programs, to: &Path) -> Result<()> {
    let Job { qemu, host, processor, .. } = *job;
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
        };
        apt::unpack(&job, programs, root)
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

/// Writes `bin/qemu-<processor>`, which starts the emulator with the runtime as the root of what programs load.
pub fn write_launcher(overlay: &Path, emulator: &Packages) -> Result<()> {
    let name = launcher(&emulator.name);
    let folder = emulator.folder.display();
    let text = format!("#!/bin/sh\nd=${{0%/*}}/../{folder}\nexec \"$d/{name}\" -L \"$d/root\" \"$@\"\n");
    overlay::write_scripts(overlay, &[(&name, text)])
}
