//! Finds the archive of V8 for this crate, verifies it, and has cargo link it.
//!
//! It never builds V8, starts no program, opens no socket, and writes to `OUT_DIR` only.

mod env;
mod find;
mod link;
mod unpacked;

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;

use find::{Choice, Place, Seen, Wanted};
use link::System;

/// The V8 this crate is for.
const V8_VERSION: &str = include_str!("../V8_VERSION").trim_ascii();

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
    let wanted = Wanted { v8_version: V8_VERSION.to_owned(), target: env::target(), variant: env::variant() };
    let place = Place::new(env::archive(), &env::manifest_dir())?;
    if env::is_docs_rs() {
        return Ok(Vec::new());
    }

    // A folder is watched with all it holds; one that does not exist makes cargo ask again each time.
    println!("cargo::rerun-if-changed={}", place.path().display());
    let accept = |path: &Path, variant: Option<String>| {
        let (wanted, path) = (&wanted, path.to_owned());
        move |descriptor: &_| wanted.check(&path, variant.as_deref(), descriptor)
    };
    let unpacked = match wanted.choose(&place, &look(place.path())?)? {
        Choice::Missing { why } => return Ok(link::lines_without_archive(&why)),
        Choice::Archive { path, variant } => {
            unpacked::from_archive(&path, &env::out_dir(), accept(&path, variant))?
        }
        Choice::Unpacked { path, variant } => unpacked::from_folder(&path, accept(&path, variant))?,
    };
    let system = if env::is_crt_static() { System::Static } else { System::Shared };
    link::lines(&unpacked.descriptor, &unpacked.root, system)
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
