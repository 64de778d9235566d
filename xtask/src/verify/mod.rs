//! `verify FILE` opens a finished archive again and lists all its faults, from the file alone: no toolchain, no build folder.
//!
//! A check is one function of [`CHECKS`]; `tests.rs` holds an archive spoiled for each of them.
//!
//! Checks are for all systems, or for the objects of one format: `applies` says which. Not checked: whether it links and runs
//! (`smoke`); the processor baseline (clang writes no note of it into objects); line tables.

mod coff;
mod darwin;
mod elf;
pub mod glibc;
mod list;
mod macho;
mod musl;
mod objects;
#[cfg(test)]
mod other_formats_tests;
mod package;
mod paths;
mod print;
mod provider;
mod relocations;
#[cfg(test)]
pub mod sample;
mod symbols;
#[cfg(test)]
mod tests;
mod windows;

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use v8_archive::descriptor::LibcFamily;
use v8_archive::{Descriptor, Limits};

use crate::consumer;
use crate::consumer::check;
use crate::error::{Error, Kind, Result};
use crate::library::Format;
use crate::library::read::{ArchiveKind, Library, Machine, SymbolTable};

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

impl Archive<'_> {
    /// Whether it is for Microsoft's ABI and linker, and not MinGW's.
    fn is_msvc(&self) -> bool {
        is_msvc(self.descriptor)
    }
}

/// Whether a target has Microsoft's ABI: its triple's last word says so.
fn is_msvc(descriptor: &Descriptor) -> bool {
    descriptor.target.ends_with("-msvc")
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

/// Whether a check is made of an archive.
enum Applies {
    Yes,
    /// It is about something that this archive's system has not.
    No,
    /// It should be made and cannot be, for this reason.
    Unknown(String),
}

/// A check: its name, to which archives it applies, and the function that makes it.
struct Check {
    name: &'static str,
    applies: fn(&Descriptor) -> Applies,
    run: fn(&Archive<'_>, &mut Found<'_>),
}

/// All checks, in the order in which their faults are reported.
const CHECKS: &[Check] = &[
    Check { name: "contents", applies: always, run: package::contents },
    Check { name: "descriptor", applies: always, run: package::descriptor },
    Check { name: "headers", applies: always, run: package::headers },
    Check { name: "licenses", applies: always, run: package::licenses },
    Check { name: "consumers", applies: always, run: package::consumers },
    Check { name: "members", applies: known, run: objects::members },
    Check { name: "index", applies: known, run: objects::index },
    Check { name: "machine", applies: known, run: objects::machine },
    Check { name: "undefined", applies: known, run: symbols::undefined },
    Check { name: "libc-floor", applies: with_versions, run: symbols::libc_floor },
    Check { name: "leaks", applies: known, run: symbols::leaks },
    Check { name: "interface", applies: known, run: symbols::interface },
    Check { name: "features", applies: known, run: symbols::features },
    Check { name: "shared", applies: known, run: objects::shared },
    Check { name: "tls-model", applies: known, run: objects::tls_model },
    Check { name: "crel", applies: elf_only, run: elf::crel },
    Check { name: "ifunc", applies: elf_only, run: elf::ifunc },
    Check { name: "stack", applies: elf_only, run: elf::stack },
    Check { name: "time", applies: coff_only, run: coff::time },
    Check { name: "directives", applies: coff_only, run: coff::directives },
    Check { name: "crt", applies: coff_only, run: coff::crt },
    Check { name: "system", applies: macho_only, run: macho::system },
    Check { name: "frameworks", applies: macho_only, run: macho::frameworks },
    Check { name: "names", applies: macho_only, run: macho::names },
    Check { name: "paths", applies: known, run: paths::build_paths },
];

fn always(_: &Descriptor) -> Applies {
    Applies::Yes
}

/// The processor of a target, from the first word of its triple.
fn machine_of(target: &str) -> Option<Machine> {
    match target.split('-').next() {
        Some("x86_64") => Some(Machine::X86_64),
        Some("aarch64") => Some(Machine::Aarch64),
        _ => None,
    }
}

fn known(descriptor: &Descriptor) -> Applies {
    match machine_of(&descriptor.target) {
        Some(_) => Applies::Yes,
        None => Applies::Unknown(format!("{}: not a processor known here", descriptor.target)),
    }
}

fn only(format: Format, descriptor: &Descriptor) -> Applies {
    if Format::of_system(descriptor.libc.family) == format { known(descriptor) } else { Applies::No }
}

fn elf_only(descriptor: &Descriptor) -> Applies {
    only(Format::Elf, descriptor)
}

fn coff_only(descriptor: &Descriptor) -> Applies {
    only(Format::Coff, descriptor)
}

fn macho_only(descriptor: &Descriptor) -> Applies {
    only(Format::MachO, descriptor)
}

/// The symbols of Windows and macOS are known without versions; each object of macOS says its lowest system itself.
fn with_versions(descriptor: &Descriptor) -> Applies {
    match descriptor.libc.family {
        LibcFamily::Glibc | LibcFamily::Musl => known(descriptor),
        LibcFamily::Ucrt | LibcFamily::LibSystem => Applies::No,
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
                // It grows with what comes: the size is only what the file promises.
                let mut bytes = Vec::new();
                reader.read_to_end(&mut bytes)?;
                kept.insert(entry.path.clone(), bytes);
            }
            Ok(())
        })
        .map_err(|error| Error::failed(error.to_string()))?;

    let mut library =
        Library { thin: false, kind: ArchiveKind::Unknown, index: Vec::new(), members: Vec::new() };
    let mut unreadable = Vec::new();
    if matches!(known(&descriptor), Applies::Yes) {
        for part in &descriptor.libraries {
            // A library that is not in the archive is a fault of its contents.
            let Some(bytes) = kept.get(&part.path) else { continue };
            match Library::parse(bytes) {
                Ok(read) => {
                    library.thin |= read.thin;
                    library.kind = read.kind;
                    library.index.extend(read.index);
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
            Applies::No => {}
            Applies::Yes => {
                report.checks.push(check.name);
                (check.run)(archive, &mut Found { check: check.name, list: &mut report.faults });
            }
            Applies::Unknown(reason) => report.skipped.push(Skipped { check: check.name, reason }),
        }
    }
    report
}
