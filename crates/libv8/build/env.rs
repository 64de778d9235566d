//! Every environment variable the build script reads.

#![expect(clippy::disallowed_methods, reason = "this is the one place")]

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

/// `LIBV8_ARCHIVE`: an archive, an unpacked one, or a folder of archives.
pub fn archive() -> Option<PathBuf> {
    from_user("LIBV8_ARCHIVE").map(PathBuf::from)
}

/// `LIBV8_VARIANT`: which variant of a folder of archives.
pub fn variant() -> Option<String> {
    // What is not UTF-8 is no variant; replaced characters show in the error that follows.
    from_user("LIBV8_VARIANT").map(|variant| variant.to_string_lossy().into_owned())
}

/// `DOCS_RS`: docs.rs builds documentation, links nothing, and has no archive.
pub fn is_docs_rs() -> bool {
    from_user("DOCS_RS").is_some()
}

/// `TARGET`: the triple cargo builds for.
pub fn target() -> String {
    from_cargo("TARGET").into_string().expect("cargo's triples are UTF-8")
}

/// `CARGO_CFG_TARGET_FEATURE`: whether programs are linked without shared libraries.
pub fn is_crt_static() -> bool {
    // Cargo leaves it out if there are no features at all.
    env::var("CARGO_CFG_TARGET_FEATURE").is_ok_and(|all| all.split(',').any(|name| name == "crt-static"))
}

/// `OUT_DIR`: the only folder this script may write to.
pub fn out_dir() -> PathBuf {
    from_cargo("OUT_DIR").into()
}

/// `CARGO_MANIFEST_DIR`: the folder of this crate.
pub fn manifest_dir() -> PathBuf {
    from_cargo("CARGO_MANIFEST_DIR").into()
}

/// A variable the user may set. An empty one counts as none: CI systems cannot always unset.
fn from_user(name: &str) -> Option<OsString> {
    println!("cargo::rerun-if-env-changed={name}");
    env::var_os(name).filter(|value| !value.is_empty())
}

/// A variable cargo sets for build scripts. It runs them again by itself when one changes; asking for it would do
/// harm, since cargo compares with its own environment, which has these when a program under `cargo run` starts it.
fn from_cargo(name: &str) -> OsString {
    env::var_os(name).unwrap_or_else(|| panic!("cargo sets {name} for build scripts"))
}
