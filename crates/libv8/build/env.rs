//! Every environment variable the build script reads, in one table, of which the README's is made.

#![expect(clippy::disallowed_methods, reason = "this is the one place")]

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

/// A variable that a user may set. An empty one counts as none: CI systems cannot always unset.
pub struct Variable {
    /// Its names; the first that is set counts.
    pub names: &'static [&'static str],
    /// For the README.
    pub meaning: &'static str,
    /// Whether it can change which files are linked. The others only say how to reach them: what was fetched once stays the same.
    decides: bool,
}

/// All of them, in the README's order.
pub const VARIABLES: [&Variable; 18] = [
    &ARCHIVE,
    &VARIANT,
    &PREBUILT,
    &MIRROR,
    &CACHE_DIR,
    &OFFLINE,
    &CARGO_OFFLINE,
    &CARGO_PROXY,
    &CARGO_CAINFO,
    &CARGO_HOME,
    &HTTPS_PROXY,
    &HTTP_PROXY,
    &ALL_PROXY,
    &NO_PROXY,
    &CERT_FILE,
    &USER_CACHE,
    &WORKING_DIR,
    &DOCS_RS,
];

const ARCHIVE: Variable = Variable {
    names: &["LIBV8_ARCHIVE"],
    meaning: "absolute path of an archive, of an unpacked archive (a folder with `V8.json`), or of a folder of archives; no other place is looked at then, and what is wrong there is an error",
    decides: true,
};
const VARIANT: Variable = Variable {
    names: &["LIBV8_VARIANT"],
    meaning: "the variant; `release` where names decide. Another one is never taken in its place",
    decides: true,
};
const PREBUILT: Variable = Variable {
    names: &["LIBV8_PREBUILT"],
    meaning: "absolute path of a `prebuilt.toml` in place of the crate's own, for archives you publish yourself",
    decides: true,
};
const MIRROR: Variable = Variable {
    names: &["LIBV8_MIRROR"],
    meaning: "where to fetch archives in place of their origin, which is not asked then: a URL (`https://`, `http://`, `file:///`) below which releases lie, or a template with `{release}`, `{name}` or `{sha256}`; several, separated by blanks or commas, are tried in turn. `https://user:password@host/` is used and never shown, nor is what follows a `?`",
    decides: false,
};
const CACHE_DIR: Variable = Variable {
    names: &["LIBV8_CACHE_DIR"],
    meaning: "absolute path of the cache; what is fetched lies in its `prebuilt`. Default: `libv8` in your cache folder. It may be read-only",
    decides: true,
};
const OFFLINE: Variable = Variable {
    names: &["LIBV8_OFFLINE"],
    meaning: "`1` or `true`: no socket is opened. `0` or `false`: fetch although cargo is offline",
    decides: false,
};
const CARGO_OFFLINE: Variable = Variable {
    names: &["CARGO_NET_OFFLINE"],
    meaning: "`true`: as `LIBV8_OFFLINE`. So is `net.offline` in cargo's configuration; of `cargo --offline` cargo tells no build script",
    decides: false,
};
const CARGO_PROXY: Variable = Variable {
    names: &["CARGO_HTTP_PROXY"],
    meaning: "the proxy, before all others: `[scheme://][user:password@]host[:port]`, of scheme `http`, `https`, `socks5` or `socks5h`. So is `http.proxy` in cargo's configuration",
    decides: false,
};
const CARGO_CAINFO: Variable = Variable {
    names: &["CARGO_HTTP_CAINFO"],
    meaning: "a file of certificates (PEM) to trust in place of the system's. So is `http.cainfo` in cargo's configuration",
    decides: false,
};
const CARGO_HOME: Variable = Variable {
    names: &["CARGO_HOME"],
    meaning: "where cargo's own `config.toml` is; default: `.cargo` in your home folder",
    decides: false,
};
const HTTPS_PROXY: Variable =
    Variable { names: &["HTTPS_PROXY", "https_proxy"], meaning: "the proxy for `https://`", decides: false };
const HTTP_PROXY: Variable = Variable {
    // Upper case is left out as curl does: a web server's CGI sets HTTP_PROXY to what a client sends.
    names: &["http_proxy"],
    meaning: "the proxy for `http://`; lower case only, as for curl",
    decides: false,
};
const ALL_PROXY: Variable = Variable {
    names: &["ALL_PROXY", "all_proxy"],
    meaning: "the proxy where none of those is set",
    decides: false,
};
const NO_PROXY: Variable = Variable {
    names: &["NO_PROXY", "no_proxy"],
    meaning: "hosts to be reached without a proxy, separated by commas: `example.org` and all below it, or `*`",
    decides: false,
};
const CERT_FILE: Variable = Variable {
    names: &["SSL_CERT_FILE"],
    meaning: "as `CARGO_HTTP_CAINFO`, where that is not set; else the system's certificates are trusted",
    decides: false,
};
const USER_CACHE: Variable = Variable {
    names: &["XDG_CACHE_HOME", "LOCALAPPDATA"],
    meaning: "your cache folder; default: `.cache` in your home folder (macOS: `Library/Caches`; Windows has it set)",
    decides: true,
};
const WORKING_DIR: Variable = Variable {
    names: &["PWD"],
    meaning: "where cargo was started: its configuration is looked for there and above, and above the target folder",
    decides: false,
};
const DOCS_RS: Variable = Variable {
    names: &["DOCS_RS"],
    meaning: "set by docs.rs: nothing is looked for or linked",
    decides: true,
};

/// `LIBV8_ARCHIVE`.
pub fn archive() -> Option<PathBuf> {
    from_user(&ARCHIVE).map(PathBuf::from)
}

/// `LIBV8_VARIANT`.
pub fn variant() -> Option<String> {
    text(&VARIANT)
}

/// `LIBV8_PREBUILT`.
pub fn prebuilt() -> Option<PathBuf> {
    from_user(&PREBUILT).map(PathBuf::from)
}

/// `LIBV8_MIRROR`.
pub fn mirror() -> Option<String> {
    text(&MIRROR)
}

/// `LIBV8_CACHE_DIR`.
pub fn cache_dir() -> Option<PathBuf> {
    from_user(&CACHE_DIR).map(PathBuf::from)
}

/// The folder for caches, by the system's convention.
pub fn user_cache_dir() -> Option<PathBuf> {
    // A relative one is to be ignored, says the specification of XDG.
    let set = from_user(&USER_CACHE).map(PathBuf::from).filter(|path| path.is_absolute());
    if cfg!(windows) {
        set
    } else if cfg!(target_os = "macos") {
        env::home_dir().map(|home| home.join("Library/Caches"))
    } else {
        set.or_else(|| env::home_dir().map(|home| home.join(".cache")))
    }
    .filter(|path| path.is_absolute())
}

/// Whether `DOCS_RS` is set: docs.rs builds documentation, links nothing, and has no archive.
pub fn is_docs_rs() -> bool {
    from_user(&DOCS_RS).is_some()
}

/// What the environment says of the network, unjudged.
#[derive(Debug, Default, Clone)]
pub struct Network {
    /// `LIBV8_OFFLINE`.
    pub offline: Option<String>,
    /// `CARGO_NET_OFFLINE`.
    pub cargo_offline: Option<String>,
    /// `CARGO_HTTP_PROXY`.
    pub cargo_proxy: Option<String>,
    /// `CARGO_HTTP_CAINFO`.
    pub cargo_cainfo: Option<PathBuf>,
    /// `HTTPS_PROXY`.
    pub https_proxy: Option<String>,
    /// `http_proxy`.
    pub http_proxy: Option<String>,
    /// `ALL_PROXY`.
    pub all_proxy: Option<String>,
    /// `NO_PROXY`.
    pub no_proxy: Option<String>,
    /// `SSL_CERT_FILE`.
    pub cert_file: Option<PathBuf>,
    /// `PWD`.
    pub working_dir: Option<PathBuf>,
    /// `CARGO_HOME`, or where it is by default.
    pub cargo_home: Option<PathBuf>,
}

impl Network {
    /// Reads them.
    pub fn read() -> Network {
        Network {
            offline: text(&OFFLINE),
            cargo_offline: text(&CARGO_OFFLINE),
            cargo_proxy: text(&CARGO_PROXY),
            cargo_cainfo: from_user(&CARGO_CAINFO).map(PathBuf::from),
            https_proxy: text(&HTTPS_PROXY),
            http_proxy: text(&HTTP_PROXY),
            all_proxy: text(&ALL_PROXY),
            no_proxy: text(&NO_PROXY),
            cert_file: from_user(&CERT_FILE).map(PathBuf::from),
            working_dir: from_user(&WORKING_DIR).map(PathBuf::from),
            cargo_home: from_user(&CARGO_HOME)
                .map(PathBuf::from)
                .or_else(|| env::home_dir().map(|home| home.join(".cargo"))),
        }
    }
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

/// `OUT_DIR`: the only folder beside the cache that this script may write to.
pub fn out_dir() -> PathBuf {
    from_cargo("OUT_DIR").into()
}

/// `CARGO_MANIFEST_DIR`: the folder of this crate.
pub fn manifest_dir() -> PathBuf {
    from_cargo("CARGO_MANIFEST_DIR").into()
}

/// What is not UTF-8 is no value that any of these may have; replaced characters show in the error that follows.
fn text(variable: &Variable) -> Option<String> {
    from_user(variable).map(|value| value.to_string_lossy().into_owned())
}

fn from_user(variable: &Variable) -> Option<OsString> {
    if variable.decides {
        variable.names.iter().for_each(|name| println!("cargo::rerun-if-env-changed={name}"));
    }
    variable.names.iter().find_map(|name| env::var_os(name).filter(|value| !value.is_empty()))
}

/// A variable cargo sets for build scripts. It runs them again by itself when one changes; asking for it would do
/// harm, since cargo compares with its own environment, which has these when a program under `cargo run` starts it.
fn from_cargo(name: &str) -> OsString {
    env::var_os(name).unwrap_or_else(|| panic!("cargo sets {name} for build scripts"))
}

/// The README's table.
#[cfg_attr(not(test), expect(dead_code, reason = "a test compares it with the README"))]
pub fn table() -> String {
    let mut text = "| variable | meaning |\n|---|---|\n".to_owned();
    for Variable { names, meaning, .. } in VARIABLES {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        text += &format!("| {} | {meaning} |\n", names.join(", "));
    }
    text
}
