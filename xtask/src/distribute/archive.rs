//! The toolchain as sccache-dist's servers take it: a gzipped tar file with a compiler that needs nothing else.
//!
//! Equal toolchains give equal bytes, by which a server knows what it has.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use v8_archive::Sha256;

use crate::error::{Error, IoContext as _, Result};
use crate::process;

/// The compiler's path inside.
pub const COMPILER: &str = "/libv8/clang++";

/// What starts zig's clang where there is no shell.
const LAUNCHER: &str = include_str!("launch.c");

/// How the launcher is compiled: without a libc, and without anything that names this machine.
const FLAGS: [&str; 10] = [
    "-O2",
    "-ffreestanding",
    "-fno-stack-protector",
    "-fno-ident",
    "-nostdlib",
    "-static",
    "-s",
    "-fuse-ld=lld",
    "-Wl,--build-id=none",
    "-Wno-unused-command-line-argument",
];

/// Raised when the same inputs give another archive.
const RECIPE: u32 = 1;

/// The archive of a toolchain, made if it is not in `folder`. `zig` is the one inside the overlay `llvm`.
pub fn prepare(llvm: &Path, zig: &Path, folder: &Path) -> Result<PathBuf> {
    // The folder is that of one toolchain, so nothing of it has to be in the name.
    let recipe = Sha256::of_bytes(format!("{RECIPE} {FLAGS:?} {LAUNCHER}").as_bytes()).to_string();
    let finished = folder.join(format!("toolchain-{}.tar.gz", &recipe[..12]));
    if finished.is_file() {
        return Ok(finished);
    }
    fs::create_dir_all(folder).or_io("create", folder)?;
    let id = std::process::id();
    let [source, launcher, partial] =
        ["c", "launcher", "partial"].map(|ending| folder.join(format!("{id}.{ending}")));
    fs::write(&source, LAUNCHER).or_io("write", &source)?;
    process::read(process::command(llvm.join("bin/clang")).args(FLAGS).arg("-o").args([&launcher, &source]))?;
    let file = File::create(&partial).or_io("create", &partial)?;
    let members = [("libv8/clang++", launcher.as_path()), ("libv8/zig", zig)];
    write(file, &members).map_err(|error| Error::io("pack the toolchain into", &partial, &error))?;
    fs::rename(&partial, &finished).or_io("create", &finished)?;
    for temporary in [source, launcher] {
        fs::remove_file(&temporary).or_io("remove", &temporary)?;
    }
    Ok(finished)
}

/// Programs, without times and owners.
fn write(to: impl Write, members: &[(&str, &Path)]) -> std::io::Result<()> {
    // The fastest level: it is sent once to each server, and smaller by a tenth is not worth a minute.
    let gzip = flate2::GzBuilder::new().mtime(0).write(to, flate2::Compression::fast());
    let mut tar = tar::Builder::new(gzip);
    for (name, path) in members {
        let file = File::open(path)?;
        let mut header = tar::Header::new_ustar();
        header.set_path(name)?;
        header.set_size(file.metadata()?.len());
        header.set_mode(0o755);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        header.set_cksum();
        tar.append(&header, file)?;
    }
    tar.into_inner()?.finish()?.flush()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn an_archive_knows_no_time_and_its_programs_can_be_run() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("zig");
        let packed = || {
            // Another time, and another mode.
            fs::write(&program, "a compiler").unwrap();
            let mut bytes = Vec::new();
            write(&mut bytes, &[("libv8/zig", &program)]).unwrap();
            bytes
        };
        let first = packed();
        fs::remove_file(&program).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(1100));
        assert_eq!(first, packed());
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(first.as_slice()));
        let mut entry = archive.entries().unwrap().next().unwrap().unwrap();
        assert_eq!(
            (entry.path().unwrap().to_str(), entry.header().mode().unwrap()),
            (Some("libv8/zig"), 0o755)
        );
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        assert_eq!(text, "a compiler");
    }
}
