//! Every environment variable the tool reads, each with what it is for; nothing else reads the environment.

use std::ffi::OsString;
use std::path::PathBuf;

/// A variable, its meaning for `--help` and the README, and its value when it is set and not empty.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
fn get(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Name and meaning of every variable, in the order in which the README lists them.
pub const TABLE: &[(&str, &str)] = &[
    ("LIBV8_CACHE_DIR", "where downloads, the toolchain, V8's tree, objects and sccache's folder are kept"),
    ("LIBV8_CLANG", "a folder with bin/clang++ and bin/ld.lld of your own, instead of the pinned ones (as --clang)"),
    ("LIBV8_GN", "a gn of your own, instead of the pinned one"),
    ("CI", "set by CI systems: progress is then a line now and then"),
];

/// `LIBV8_CACHE_DIR`.
pub fn cache_dir() -> Option<PathBuf> {
    get("LIBV8_CACHE_DIR").map(PathBuf::from)
}

/// `LIBV8_CLANG`.
pub fn clang() -> Option<PathBuf> {
    get("LIBV8_CLANG").map(PathBuf::from)
}

/// `LIBV8_GN`.
pub fn gn() -> Option<PathBuf> {
    get("LIBV8_GN").map(PathBuf::from)
}

/// The user's own cache folder, by the platform's convention (XDG Base Directory, Apple's, Windows').
pub fn user_cache_dir() -> Option<PathBuf> {
    let home = || get(if cfg!(windows) { "USERPROFILE" } else { "HOME" }).map(PathBuf::from);
    if cfg!(windows) {
        get("LOCALAPPDATA").map(PathBuf::from)
    } else if cfg!(target_os = "macos") {
        home().map(|home| home.join("Library/Caches"))
    } else {
        // The specification says that a relative XDG_CACHE_HOME is to be ignored.
        get("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute()).or_else(|| Some(home()?.join(".cache")))
    }
}

/// `PATH`, split.
pub fn path() -> Vec<PathBuf> {
    get("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default()
}

/// The `cargo` that started us, so that the same toolchain is used again.
pub fn cargo() -> OsString {
    get("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Whether a CI system runs us.
pub fn is_ci() -> bool {
    get("CI").is_some()
}
