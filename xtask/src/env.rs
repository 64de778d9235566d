//! Every environment variable the tool reads, each with what it is for; nothing else reads the environment.

use std::ffi::OsString;
use std::path::PathBuf;

/// A variable, its meaning for `--help` and the README, and its value when it is set and not empty.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
fn get(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Name and meaning of every variable that is read, in the order in which `--help` and the README list them.
pub const TABLE: &[(&str, &str)] = &[
    ("LIBV8_CACHE_DIR", "where downloads, the toolchain, V8's tree, objects and sccache's folder are kept"),
    (
        "LIBV8_CLANG",
        "a folder with bin/clang++ and bin/ld.lld of your own, instead of the pinned ones (as --clang)",
    ),
    ("LIBV8_GN", "a gn of your own, instead of the pinned one"),
    (
        "SDKROOT, LIBV8_WINDOWS_SDK",
        "folders with an SDK of yours: macOS', instead of the headers that Zig has; Windows', as xwin lays it out",
    ),
    (
        "LIBV8_CACHE",
        "where compiled objects are shared: redis://, rediss://, s3://, webdav:// or webdavs://, behind the local folder; \
         or file:///, in its place",
    ),
    ("LIBV8_CACHE_MODE", "read-only or read-write: whether compiled objects are kept, in any cache"),
    (
        "LIBV8_DISTRIBUTE_TOKEN, LIBV8_DISTRIBUTE_TOKEN_FILE",
        "the token of clients of --distribute's cluster, or a file that holds it",
    ),
    (
        "LIBV8_SIGNING_KEY, LIBV8_SIGNING_KEY_FILE",
        "the secret key of minisign that signs releases: its text, or a file that holds it",
    ),
    ("LIBV8_SIGNING_KEY_PASSWORD", "the password of that key, if it has one"),
    (
        "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN",
        "who you are where releases lie on S3, and where LIBV8_CACHE does",
    ),
    (
        "AWS_PROFILE, AWS_SHARED_CREDENTIALS_FILE, AWS_CONFIG_FILE",
        "for releases: which entry of Amazon's files says it, and which files those are instead of ~/.aws/…",
    ),
    ("AWS_REGION, AWS_DEFAULT_REGION", "for releases: where the bucket is"),
    (
        "AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_S3, AWS_VIRTUAL_HOSTED_STYLE_REQUEST, AWS_ALLOW_HTTP",
        "for releases: an S3 server of your own; true if buckets are part of its name, and if it may be plain http \
         although it is another machine",
    ),
    (
        "LIBV8_REGISTRY_USER, LIBV8_REGISTRY_PASSWORD, LIBV8_REGISTRY_PASSWORD_FILE",
        "who you are where releases lie in an OCI registry; the password, or a file that holds it",
    ),
    (
        "LIBV8_REGISTRY_TOKEN, LIBV8_REGISTRY_TOKEN_FILE",
        "instead of them: a token that the registry takes as it is, or a file that holds it",
    ),
    ("DOCKER_CONFIG", "without any of them: the folder of the file that docker login has written"),
    (
        "GITHUB_TOKEN, GH_TOKEN, GITHUB_TOKEN_FILE",
        "who you are where releases lie on GitHub: a token that may write contents, or a file that holds it",
    ),
    ("GITHUB_API_URL", "another GitHub than github.com, as https://HOST/api/v3"),
    (
        "HTTP_PROXY, HTTPS_PROXY, ALL_PROXY",
        "with one of them, a shared cache is not asked whether it answers: only sccache speaks to it",
    ),
    ("CI", "set by CI systems: progress is then a line now and then"),
    (
        "CARGO, RUSTC, CARGO_HOME",
        "set by cargo or by you: the same Rust and the same registry are used again",
    ),
    ("PATH", "where python3, git and the like are looked for"),
    (
        "XDG_CACHE_HOME, HOME, LOCALAPPDATA, USERPROFILE",
        "where your cache folder is, by your system's convention",
    ),
    (
        "LIBV8_PCH, LIBV8_PLAIN_HEADERS, LIBV8_DISTRIBUTE, LIBV8_AWAY",
        "set by the tool itself for the compilers it starts; not to be set by hand",
    ),
    ("CARGO_MAKEFLAGS", "set by sccache for those compilers: how many may run at once"),
    ("UPDATE_SNAPSHOTS", "1 lets the tool's own tests write their snapshots instead of comparing them"),
    (
        "LIBV8_TEST_SCCACHE, LIBV8_TEST_SERVERS",
        "for the tool's own tests: sccache, and a folder to fetch real cache servers into",
    ),
    (
        "LIBV8_TEST_LLVM, LIBV8_TEST_ZIG, LIBV8_TEST_TOOL",
        "for the tool's own tests of a cluster: the overlay, the compiler inside it, and the tool",
    ),
    ("LIBV8_TEST_ARCHIVE", "for the tool's own tests of build systems: the folder of an unpacked archive"),
    (
        "LIBV8_TEST_BUILD",
        "for the tool's own tests of patches: the variant of which a finished build is there",
    ),
    (
        "LIBV8_TEST_RELEASE",
        "for the tool's own tests of releases: an archive of this machine's target; those of its variant beside it are published too",
    ),
    (
        "LIBV8_TEST_DEPOT_TOOLS",
        "for the tool's own tests of DEPS: depot_tools, whose gclient must make the same tree",
    ),
    (
        "LIBV8_ABILISTS",
        "for the tool's own tests: Zig's list of glibc's symbols, which the committed tables must equal",
    ),
];

/// Those whose values are secrets, or hold one: no program that we start gets them, but for those that need them.
pub const SECRETS: &[&str] = &[
    "LIBV8_CACHE",
    "LIBV8_DISTRIBUTE_TOKEN",
    "LIBV8_SIGNING_KEY",
    "LIBV8_SIGNING_KEY_PASSWORD",
    "LIBV8_REGISTRY_PASSWORD",
    "LIBV8_REGISTRY_TOKEN",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "GITHUB_TOKEN",
    "GH_TOKEN",
];

/// Those [`SECRETS`] that are set and not of this tool alone: who the user is at Amazon and GitHub.
pub fn logins() -> impl Iterator<Item = (&'static str, OsString)> {
    SECRETS.iter().filter(|name| !name.starts_with("LIBV8_")).filter_map(|name| Some((*name, get(name)?)))
}

/// `LIBV8_CACHE_DIR`.
pub fn cache_dir() -> Option<PathBuf> {
    get("LIBV8_CACHE_DIR").map(PathBuf::from)
}

/// `LIBV8_CLANG`.
pub fn clang() -> Option<PathBuf> {
    get("LIBV8_CLANG").map(PathBuf::from)
}

/// `SDKROOT`.
pub fn apple_sdk() -> Option<PathBuf> {
    get("SDKROOT").map(PathBuf::from)
}

/// `LIBV8_WINDOWS_SDK`.
pub fn windows_sdk() -> Option<PathBuf> {
    get("LIBV8_WINDOWS_SDK").map(PathBuf::from)
}

/// `LIBV8_GN`.
pub fn gn() -> Option<PathBuf> {
    get("LIBV8_GN").map(PathBuf::from)
}

/// `LIBV8_CACHE`.
pub fn cache() -> Option<OsString> {
    get("LIBV8_CACHE")
}

/// `LIBV8_CACHE_MODE`.
pub fn cache_mode() -> Option<OsString> {
    get("LIBV8_CACHE_MODE")
}

/// The variables `AWS_…` that are set, of those in the table.
#[cfg(feature = "store-s3")]
pub fn aws() -> std::collections::BTreeMap<&'static str, OsString> {
    let names = TABLE.iter().flat_map(|(names, _)| names.split(", ")).filter(|name| name.starts_with("AWS_"));
    names.filter_map(|name| Some((name, get(name)?))).collect()
}

/// The user's home folder.
#[cfg(any(feature = "store-s3", feature = "store-oci"))]
pub fn home() -> Option<PathBuf> {
    get(if cfg!(windows) { "USERPROFILE" } else { "HOME" }).map(PathBuf::from)
}

/// `LIBV8_REGISTRY_USER`.
#[cfg(feature = "store-oci")]
pub fn registry_user() -> Option<OsString> {
    get("LIBV8_REGISTRY_USER")
}

/// `LIBV8_REGISTRY_PASSWORD`.
#[cfg(feature = "store-oci")]
pub fn registry_password() -> Option<OsString> {
    get("LIBV8_REGISTRY_PASSWORD")
}

/// `LIBV8_REGISTRY_PASSWORD_FILE`.
#[cfg(feature = "store-oci")]
pub fn registry_password_file() -> Option<PathBuf> {
    get("LIBV8_REGISTRY_PASSWORD_FILE").map(PathBuf::from)
}

/// `LIBV8_REGISTRY_TOKEN`.
#[cfg(feature = "store-oci")]
pub fn registry_token() -> Option<OsString> {
    get("LIBV8_REGISTRY_TOKEN")
}

/// `LIBV8_REGISTRY_TOKEN_FILE`.
#[cfg(feature = "store-oci")]
pub fn registry_token_file() -> Option<PathBuf> {
    get("LIBV8_REGISTRY_TOKEN_FILE").map(PathBuf::from)
}

/// `DOCKER_CONFIG`: the folder of `config.json`.
#[cfg(feature = "store-oci")]
pub fn docker_config() -> Option<PathBuf> {
    get("DOCKER_CONFIG").map(PathBuf::from)
}

/// `GITHUB_TOKEN`, or `GH_TOKEN` as GitHub's own program has it.
#[cfg(feature = "store-github")]
pub fn github_token() -> Option<OsString> {
    get("GITHUB_TOKEN").or_else(|| get("GH_TOKEN"))
}

/// `GITHUB_TOKEN_FILE`.
#[cfg(feature = "store-github")]
pub fn github_token_file() -> Option<PathBuf> {
    get("GITHUB_TOKEN_FILE").map(PathBuf::from)
}

/// `GITHUB_API_URL`.
#[cfg(feature = "store-github")]
pub fn github_api_url() -> Option<OsString> {
    get("GITHUB_API_URL")
}

/// The names of all variables, to keep some of them from the programs we start; a name that is not UTF-8 is none of those.
pub fn names() -> Vec<String> {
    std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect()
}

/// Whether HTTP goes through a proxy: sccache reaches its stores through it, and we would not.
pub fn has_http_proxy() -> bool {
    ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"]
        .iter()
        .any(|name| get(name).is_some() || get(&name.to_ascii_lowercase()).is_some())
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
        get("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
            .or_else(|| Some(home()?.join(".cache")))
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

/// `LIBV8_PCH`: set by the tool itself for the compilers it starts, never by a user.
pub fn pch() -> Option<PathBuf> {
    get("LIBV8_PCH").map(PathBuf::from)
}

/// `LIBV8_PLAIN_HEADERS`: set beside `LIBV8_PCH` where headers are not to be precompiled.
pub fn wants_plain_headers() -> bool {
    get("LIBV8_PLAIN_HEADERS").is_some()
}

/// `LIBV8_DISTRIBUTE`: set beside `LIBV8_PCH` where compiles are sent away, the socket for that.
pub fn distribute() -> Option<OsString> {
    get("LIBV8_DISTRIBUTE")
}

/// `LIBV8_AWAY`: set beside `LIBV8_PCH` for the server that sends compiles away; nothing is compiled below it.
pub fn is_away() -> bool {
    get("LIBV8_AWAY").is_some()
}

/// `CARGO_MAKEFLAGS`, as sccache sets it for its compilers.
pub fn job_server() -> Option<OsString> {
    get("CARGO_MAKEFLAGS")
}

/// `LIBV8_DISTRIBUTE_TOKEN`.
pub fn distribute_token() -> Option<OsString> {
    get("LIBV8_DISTRIBUTE_TOKEN")
}

/// `LIBV8_DISTRIBUTE_TOKEN_FILE`.
pub fn distribute_token_file() -> Option<PathBuf> {
    get("LIBV8_DISTRIBUTE_TOKEN_FILE").map(PathBuf::from)
}

/// `LIBV8_SIGNING_KEY`.
pub fn signing_key() -> Option<OsString> {
    get("LIBV8_SIGNING_KEY")
}

/// `LIBV8_SIGNING_KEY_FILE`.
pub fn signing_key_file() -> Option<PathBuf> {
    get("LIBV8_SIGNING_KEY_FILE").map(PathBuf::from)
}

/// `LIBV8_SIGNING_KEY_PASSWORD`.
pub fn signing_key_password() -> Option<OsString> {
    get("LIBV8_SIGNING_KEY_PASSWORD")
}

/// The `rustc` that cargo uses: `RUSTC`, or the one on `PATH`.
pub fn rustc() -> OsString {
    get("RUSTC").unwrap_or_else(|| "rustc".into())
}

/// Cargo's home folder: `CARGO_HOME`, or `.cargo` in the user's home.
pub fn cargo_home() -> Option<PathBuf> {
    let home = || get(if cfg!(windows) { "USERPROFILE" } else { "HOME" }).map(PathBuf::from);
    get("CARGO_HOME").map(PathBuf::from).or_else(|| Some(home()?.join(".cargo")))
}

/// `UPDATE_SNAPSHOTS`: whether tests write what they would compare with.
#[cfg(test)]
pub fn update_snapshots() -> bool {
    get("UPDATE_SNAPSHOTS").is_some()
}

/// `LIBV8_TEST_SCCACHE`.
#[cfg(test)]
pub fn test_sccache() -> Option<PathBuf> {
    get("LIBV8_TEST_SCCACHE").map(PathBuf::from)
}

/// `LIBV8_TEST_ARCHIVE`.
#[cfg(test)]
pub fn test_archive() -> Option<PathBuf> {
    get("LIBV8_TEST_ARCHIVE").map(PathBuf::from)
}

/// `LIBV8_TEST_BUILD`.
#[cfg(all(test, target_os = "linux"))]
pub fn test_build() -> Option<String> {
    get("LIBV8_TEST_BUILD")?.into_string().ok()
}

/// `LIBV8_TEST_RELEASE`.
#[cfg(all(test, target_os = "linux", feature = "store-s3", feature = "store-oci"))]
pub fn test_release() -> Option<PathBuf> {
    get("LIBV8_TEST_RELEASE").map(PathBuf::from)
}

/// `LIBV8_TEST_LLVM`.
#[cfg(test)]
pub fn test_llvm() -> Option<PathBuf> {
    get("LIBV8_TEST_LLVM").map(PathBuf::from)
}

/// `LIBV8_TEST_SERVERS`.
#[cfg(test)]
pub fn test_servers() -> Option<PathBuf> {
    get("LIBV8_TEST_SERVERS").map(PathBuf::from)
}

/// `LIBV8_TEST_LLVM`, `LIBV8_TEST_ZIG` and `LIBV8_TEST_TOOL`.
#[cfg(test)]
pub fn test_cluster() -> Option<[PathBuf; 3]> {
    Some([get("LIBV8_TEST_LLVM")?.into(), get("LIBV8_TEST_ZIG")?.into(), get("LIBV8_TEST_TOOL")?.into()])
}

/// `LIBV8_ABILISTS`: Zig's list of glibc's symbols.
#[cfg(test)]
pub fn abilists() -> Option<PathBuf> {
    get("LIBV8_ABILISTS").map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn what_sounds_like_a_secret_is_one() {
        let sounds = |name: &&str| {
            let is_file = name.ends_with("_FILE");
            !is_file && ["TOKEN", "PASSWORD", "KEY", "SECRET"].iter().any(|word| name.contains(word))
        };
        let named = TABLE.iter().flat_map(|(names, _)| names.split(", "));
        // The addresses of shared stores hold passwords.
        let wanted: BTreeSet<&str> = named.filter(sounds).chain(["LIBV8_CACHE"]).collect();
        assert_eq!(wanted, SECRETS.iter().copied().collect());
    }

    #[test]
    fn the_table_names_what_is_read() {
        // Those of Amazon's are read out of the table itself.
        let named = TABLE.iter().flat_map(|(names, _)| names.split(", "));
        let named: BTreeSet<&str> = named.filter(|name| !name.starts_with("AWS_")).collect();
        // Names are the only literals in capitals after the table.
        let code = include_str!("env.rs").split_once("\n];\n").expect("the table ends").1;
        let code = code.split_once("mod tests {").expect("the tests follow").0;
        let is_name = |text: &&str| {
            !text.starts_with("AWS_")
                && text.len() > 1
                // A part of names.
                && !text.ends_with('_')
                && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
        };
        let mut read: BTreeSet<&str> = code.split('"').skip(1).step_by(2).filter(is_name).collect();
        // This test starts the tool, and is no part of it.
        let of_depot = include_str!("../tests/depot.rs").split('"');
        read.extend(of_depot.filter(|text| text.starts_with("LIBV8_TEST_") && is_name(text)));
        assert_eq!(named, read);
    }

    #[test]
    fn the_readme_lists_the_table_in_its_order() {
        let readme = std::fs::read_to_string(crate::paths::repository().join("README.md")).unwrap();
        let listed = readme.split_once("\n| variable | meaning |\n|---|---|\n").expect("there is a table").1;
        let names = |line: &str| Some(line.strip_prefix("| ")?.split_once(" | ")?.0.replace('`', ""));
        let listed: Vec<String> = listed.lines().map_while(names).collect();
        assert_eq!(listed, TABLE.iter().map(|(names, _)| *names).collect::<Vec<_>>());
    }
}
