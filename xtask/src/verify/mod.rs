//! `verify FILE` opens a finished archive again and lists all its faults, from the file alone: no toolchain, no build folder.
//!
//! A check is one function of [`CHECKS`]; `tests.rs` holds an archive spoiled for each of them.
//!
//! Not checked: whether it links and runs (`smoke`); the processor baseline (clang writes no note of it into objects); line
//! tables; the objects of Windows and macOS: the report names what it left out.

mod elf;
pub mod glibc;
mod musl;
mod package;
mod paths;
mod print;
#[cfg(test)]
pub mod sample;
mod symbols;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use v8_archive::descriptor::LibcFamily;
use v8_archive::{Descriptor, Limits};

use crate::consumer;
use crate::consumer::check;
use crate::error::{Error, Kind, Result};
use crate::library::read::{Library, Machine, SymbolTable};

/// The C interface's header in an archive.
const C_HEADER: &str = "include/libv8.h";

/// One fault of an archive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Fault {
    /// The check that found it: a name of [`CHECKS`].
    pub check: &'static str,
    /// What it is about: a file of the archive, a member of the library, a symbol, a key of the descriptor.
    pub subject: String,
    /// What is wrong with it.
    pub message: String,
}

/// A check that could not be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// The check.
    pub check: &'static str,
    /// Why not.
    pub reason: String,
}

/// What [`check`] found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The file's name.
    pub name: String,
    /// The checks that were made.
    pub checks: Vec<&'static str>,
    /// Those that were not, with the reason.
    pub skipped: Vec<Skipped>,
    /// Members of the archive's libraries.
    pub members: usize,
    /// All faults: those of one check together, in the order of [`CHECKS`].
    pub faults: Vec<Fault>,
}

/// An archive in memory, as far as the checks look at it.
struct Archive<'data> {
    file_name: String,
    format: v8_archive::Format,
    descriptor: &'data Descriptor,
    /// What the contract crate says: container, listed files, sizes, digests.
    contents: &'data [v8_archive::Fault],
    /// Every file of the descriptor's list, with its size in bytes.
    files: BTreeMap<&'data str, u64>,
    /// The text of [`C_HEADER`], if it is there.
    c_header: Option<String>,
    /// Bytes of the files that consumers of the archive read first: [`consumer::files`], and V8's own header that reads ours.
    for_consumers: BTreeMap<&'data str, &'data [u8]>,
    /// The members of all libraries together.
    library: &'data Library<'data>,
    /// What they define and need; V8 has some 200,000 symbols, so they are sorted once.
    symbols: SymbolTable<'data, 'data>,
    /// Libraries that could not be read: path and reason.
    unreadable: Vec<(&'data str, String)>,
}

/// Where a check puts its faults: subject and message.
struct Found<'list> {
    check: &'static str,
    list: &'list mut Vec<Fault>,
}

impl Found<'_> {
    fn add(&mut self, subject: impl Into<String>, message: impl Into<String>) {
        self.list.push(Fault { check: self.check, subject: subject.into(), message: message.into() });
    }
}

/// A check: its name, to which archives it applies, and the function that makes it.
struct Check {
    name: &'static str,
    applies: fn(&Descriptor) -> Result<(), String>,
    run: fn(&Archive<'_>, &mut Found<'_>),
}

/// All checks, in the order in which their faults are reported.
const CHECKS: &[Check] = &[
    Check { name: "contents", applies: always, run: package::contents },
    Check { name: "descriptor", applies: always, run: package::descriptor },
    Check { name: "headers", applies: always, run: package::headers },
    Check { name: "licenses", applies: always, run: package::licenses },
    Check { name: "consumers", applies: always, run: package::consumers },
    Check { name: "members", applies: elf_target, run: elf::members },
    Check { name: "machine", applies: elf_target, run: elf::machine },
    Check { name: "undefined", applies: elf_target, run: symbols::undefined },
    Check { name: "libc-floor", applies: elf_target, run: symbols::libc_floor },
    Check { name: "leaks", applies: elf_target, run: symbols::leaks },
    Check { name: "interface", applies: elf_target, run: symbols::interface },
    Check { name: "features", applies: elf_target, run: symbols::features },
    Check { name: "shared", applies: elf_target, run: elf::shared },
    Check { name: "tls-model", applies: elf_target, run: elf::tls_model },
    Check { name: "crel", applies: elf_target, run: elf::crel },
    Check { name: "ifunc", applies: elf_target, run: elf::ifunc },
    Check { name: "stack", applies: elf_target, run: elf::stack },
    Check { name: "paths", applies: elf_target, run: paths::build_paths },
];

fn always(_: &Descriptor) -> Result<(), String> {
    Ok(())
}

/// The processor of a target, from the first word of its triple.
fn machine_of(target: &str) -> Option<Machine> {
    match target.split('-').next() {
        Some("x86_64") => Some(Machine::X86_64),
        Some("aarch64") => Some(Machine::Aarch64),
        _ => None,
    }
}

fn elf_target(descriptor: &Descriptor) -> Result<(), String> {
    match descriptor.libc.family {
        LibcFamily::Glibc | LibcFamily::Musl if machine_of(&descriptor.target).is_some() => Ok(()),
        LibcFamily::Glibc | LibcFamily::Musl => {
            Err(format!("{}: not a processor known here", descriptor.target))
        }
        LibcFamily::Ucrt | LibcFamily::LibSystem => Err("only ELF objects are read so far".to_owned()),
    }
}

/// Opens the archive `path` and makes every check.
///
/// Fails if the file cannot be read, or holds no descriptor to judge it by; faults of the archive are in the report.
pub fn check(path: &Path) -> Result<Report> {
    let opened = v8_archive::open(path).map_err(|error| Error::failed(error.to_string()))?;
    let format = opened.format();
    let mut wanted: Vec<String> =
        opened.descriptor().libraries.iter().map(|library| library.path.clone()).collect();
    let for_consumers = consumer::files(opened.descriptor());
    wanted.extend(for_consumers.keys().copied().chain([C_HEADER, check::CONFIG]).map(str::to_owned));

    // One pass over the file: what the checks look into is kept, the rest is only digested.
    let mut kept: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let (descriptor, contents) =
        v8_archive::verify_contents_with(path, &Limits::default(), |entry, reader| {
            if wanted.contains(&entry.path) {
                let mut bytes = Vec::with_capacity(usize::try_from(entry.size_bytes).unwrap_or(0));
                reader.read_to_end(&mut bytes)?;
                kept.insert(entry.path.clone(), bytes);
            }
            Ok(())
        })
        .map_err(|error| Error::failed(error.to_string()))?;

    let mut library = Library { thin: false, members: Vec::new() };
    let mut unreadable = Vec::new();
    if elf_target(&descriptor).is_ok() {
        for part in &descriptor.libraries {
            // A library that is not in the archive is a fault of its contents.
            let Some(bytes) = kept.get(&part.path) else { continue };
            match Library::parse(bytes) {
                Ok(read) => {
                    library.thin |= read.thin;
                    library.members.extend(read.members);
                }
                Err(reason) => unreadable.push((part.path.as_str(), reason)),
            }
        }
    }
    let archive = Archive {
        file_name: path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        format,
        descriptor: &descriptor,
        contents: &contents,
        files: descriptor.files.iter().map(|file| (file.path.as_str(), file.size_bytes)).collect(),
        c_header: kept.get(C_HEADER).map(|bytes| String::from_utf8_lossy(bytes).into_owned()),
        for_consumers: for_consumers
            .keys()
            .copied()
            .chain([check::CONFIG])
            .filter_map(|path| Some((path, kept.get(path)?.as_slice())))
            .collect(),
        symbols: library.symbol_table(),
        library: &library,
        unreadable,
    };
    Ok(report(&archive))
}

/// [`check`] as a command: prints the report to stdout; a fault is an error with status 1, a file that is not there one with 2.
pub fn run(path: &Path, json: bool) -> Result<()> {
    if !path.is_file() {
        return Err(
            Error::usage(format!("there is no file {}", path.display())).help("give the path of an archive")
        );
    }
    let report = check(path)?;
    if json {
        println!("{}", print::json(&report));
    } else {
        print!("{}", print::text(&report));
    }
    if report.faults.is_empty() {
        return Ok(());
    }
    let count = print::counted(report.faults.len(), "fault");
    Err(Error::all(Kind::Failed, "the archive is not fit for use", &[format!("{count} in {}", report.name)]))
}

fn report(archive: &Archive<'_>) -> Report {
    let mut report = Report {
        name: archive.file_name.clone(),
        checks: Vec::new(),
        skipped: Vec::new(),
        members: archive.library.members.len(),
        faults: Vec::new(),
    };
    for check in CHECKS {
        match (check.applies)(archive.descriptor) {
            Ok(()) => {
                report.checks.push(check.name);
                (check.run)(archive, &mut Found { check: check.name, list: &mut report.faults });
            }
            Err(reason) => report.skipped.push(Skipped { check: check.name, reason }),
        }
    }
    report
}
