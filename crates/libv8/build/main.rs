//! Finds the archive of V8 for this crate, verifies it, and has cargo link it.
//!
//! It never builds V8, starts no program, and writes to `OUT_DIR` and its cache only. The order of places: `LIBV8_ARCHIVE`;
//! the workspace's `artifacts`, when the crate is in its workspace; the cache; `LIBV8_MIRROR`, or else the lock's origin.

mod cache;
#[cfg_attr(not(feature = "fetch"), allow(dead_code, reason = "for servers"))]
mod env;
mod fetch;
mod find;
mod link;
#[cfg(feature = "fetch")]
mod network;
#[cfg_attr(not(feature = "fetch"), allow(dead_code, reason = "for servers"))]
mod partial;
mod pinned;
mod sources;
#[cfg_attr(not(feature = "fetch"), allow(dead_code, reason = "for servers"))]
mod step;
mod unpacked;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use v8_archive::{Descriptor, Lock};

use fetch::{Failure, Http, Tried, TriedKind};
use find::{Choice, Place, Seen, Wanted};
use link::System;
use pinned::Pinned;

/// The V8 this crate is for.
const V8_VERSION: &str = include_str!("../V8_VERSION").trim_ascii();
/// The crate's own lock.
const LOCK: &str = include_str!("../prebuilt.toml");

fn main() -> ExitCode {
    match run() {
        Ok(lines) => {
            for line in lines {
                println!("{line}");
            }
            ExitCode::SUCCESS
        }
        Err(why) => {
            for line in why.lines() {
                println!("cargo::error={line}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<Vec<String>, String> {
    println!("cargo::rerun-if-changed=V8_VERSION");
    println!("cargo::rerun-if-changed=prebuilt.toml");
    let wanted = Wanted { v8_version: V8_VERSION.to_owned(), target: env::target(), variant: env::variant() };
    let place = Place::new(env::archive(), &env::manifest_dir())?;
    if env::is_docs_rs() {
        return Ok(Vec::new());
    }
    let mut missing = None;
    if let Some(place) = &place {
        // A folder is watched with all it holds; one that does not exist makes cargo ask again each time.
        println!("cargo::rerun-if-changed={}", place.path().display());
        match wanted.choose(place, &look(place.path())?)? {
            Choice::Missing { why } => missing = Some(why),
            Choice::Archive { path, variant } => {
                let accept = |found: &Descriptor| wanted.check(&path, variant.as_deref(), found);
                let unpacked = unpacked::from_archive(&path, &env::out_dir(), accept)?;
                return link::lines(&unpacked.descriptor, &unpacked.root, system());
            }
            Choice::Unpacked { path, variant } => {
                let accept = |found: &Descriptor| wanted.check(&path, variant.as_deref(), found);
                let unpacked = unpacked::from_folder(&path, accept)?;
                return link::lines(&unpacked.descriptor, &unpacked.root, system());
            }
        }
    }
    from_lock(&wanted, missing)
}

/// `missing` is what the workspace's own folder says of its lack.
fn from_lock(wanted: &Wanted, missing: Option<String>) -> Result<Vec<String>, String> {
    let lock = read_lock()?;
    if lock.v8_version != wanted.v8_version {
        return Err(format!(
            "the lock is of V8 {}, this crate is for {}\nhelp: cargo xtask lock",
            lock.v8_version, wanted.v8_version
        ));
    }
    let (release, pin) = match pinned::pin(&lock, &wanted.name()?) {
        Ok(found) => found,
        Err(why) => {
            let own = || format!("{why}\nhelp: set LIBV8_ARCHIVE to an archive, or to a folder of archives");
            return Ok(link::lines_without_archive(&missing.unwrap_or_else(own)));
        }
    };
    let mirror = env::mirror();
    let sources = sources::of(mirror.as_deref(), release, pin)?;
    let (cache, out_dir) = (cache_dir()?, env::out_dir());
    #[cfg(feature = "fetch")]
    let (settings, patience) = (settings(&out_dir)?, network::client::Patience::default());
    #[cfg(feature = "fetch")]
    let not_asked = settings.offline.map(|why| format!("not asked: {why}"));
    #[cfg(feature = "fetch")]
    let http = match &not_asked {
        Some(why) => Http::Off(why),
        None => Http::On { settings: &settings, patience: &patience },
    };
    #[cfg(not(feature = "fetch"))]
    let http = Http::Off("not asked: libv8 is compiled without its feature `fetch`");

    let report = |step: &step::Step| eprintln!("libv8: {step}");
    let pinned = Pinned { pin, release, sources, http, cache, out_dir: &out_dir, report: &report };
    match pinned.obtain(|found| wanted.check(Path::new(&pin.name.to_string()), None, found)) {
        Ok(unpacked) => {
            for path in cache::watched(&unpacked.descriptor, &unpacked.root) {
                println!("cargo::rerun-if-changed={}", path.display());
            }
            link::lines(&unpacked.descriptor, &unpacked.root, system())
        }
        Err(Failure::Stop(why)) => Err(why),
        Err(Failure::Nowhere(mut tried)) => {
            if let Some(why) = missing {
                let why = why.lines().next().unwrap_or_default().to_owned();
                tried.insert(0, Tried { place: "the workspace".to_owned(), why, kind: TriedKind::NotAsked });
            }
            let story = pinned.story(&tried);
            if !pinned::is_soft(&tried, mirror.is_some()) {
                return Err(story);
            }
            // A path that never exists: cargo asks again each time.
            println!("cargo::rerun-if-changed={}", out_dir.join("no-archive-yet").display());
            Ok(link::lines_without_archive(&story))
        }
    }
}

fn read_lock() -> Result<Lock, String> {
    let Some(path) = env::prebuilt() else {
        return Lock::parse(LOCK, "prebuilt.toml of libv8").map_err(|error| error.to_string());
    };
    if path.is_relative() {
        return Err(format!("LIBV8_PREBUILT is '{}', which is not absolute", path.display()));
    }
    println!("cargo::rerun-if-changed={}", path.display());
    let text = fs::read_to_string(&path);
    let text = text.map_err(|error| format!("cannot read {} (LIBV8_PREBUILT): {error}", path.display()))?;
    Lock::parse(&text, &path.display().to_string()).map_err(|error| error.to_string())
}

fn cache_dir() -> Result<Option<PathBuf>, String> {
    let root = match env::cache_dir() {
        Some(path) if path.is_relative() => {
            return Err(format!("LIBV8_CACHE_DIR is '{}', which is not absolute", path.display()));
        }
        Some(path) => Some(path),
        None => env::user_cache_dir().map(|path| path.join("libv8")),
    };
    Ok(root.map(|root| root.join("prebuilt")))
}

/// Cargo's configuration counts where cargo was started; the folder of its target is mostly below that.
#[cfg(feature = "fetch")]
fn settings(out_dir: &Path) -> Result<network::settings::Settings, String> {
    let network = env::Network::read();
    let starts: Vec<&Path> = network.working_dir.as_deref().into_iter().chain([out_dir]).collect();
    let config = network::cargo_config::read(&starts, network.cargo_home.as_deref());
    config.passed_over.iter().for_each(|why| eprintln!("libv8: passed over {why}"));
    network::settings::Settings::new(&network, &config)
}

fn system() -> System {
    if env::is_crt_static() { System::Static } else { System::Shared }
}

fn look(path: &Path) -> Result<Seen, String> {
    let fail = |error| format!("cannot read {}: {error}", path.display());
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Seen::Nothing),
        Err(error) => return Err(fail(error)),
    };
    if !metadata.is_dir() {
        return Ok(Seen::File);
    }
    let entries = fs::read_dir(path).map_err(fail)?;
    // A name that is not UTF-8 is not one of ours.
    let names = entries.map(|entry| entry.map(|entry| entry.file_name().into_string().ok()));
    let names: Result<Vec<_>, _> = names.filter_map(Result::transpose).collect();
    Ok(Seen::Folder(names.map_err(fail)?))
}
