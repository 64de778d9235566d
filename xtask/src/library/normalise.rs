//! Makes the library an archive carries, `lib/libv8.a` or `lib/v8.lib`, from the one ninja made: the same objects give the same bytes.
//!
//! * Members are sorted by name, those of one name are numbered in the order of their SHA-256: the order in which GN lists
//!   objects does not matter.
//! * Names become unique: ninja's are base names and repeat (V8 has several `heap.o`), and tools that unpack a library
//!   (`ar x`, rustc when it bundles) keep only one file of each name. The first keeps its name, the next is `heap.2.o`.
//! * Time, owner and group are 0, the mode 0644; the symbol table is written anew.
//! * A member whose name and bytes are both another's is left out: no linker could ever have taken it.
//! * An object that defines nothing is left out: ICU has files for other systems, of which only the name remains. sccache
//!   takes one such object for all of them, so that the names inside would depend on which was compiled first.
//! * Names of the C++ runtime become the library's own: see `private.rs`.
//! * Nothing else is removed, renamed inside, or stripped; what should not be in the library is for `verify` to say.
//!
//! How the library itself is laid out follows from its objects and from its name:
//!
//! * ELF, and COFF as `libv8.a` (MinGW's ABI): GNU's, with one table of symbols (`/`) and one of long names (`//`). ld.bfd,
//!   lld in all its guises and rustc read it; rustc and GNU's ar write no other there.
//! * COFF as `v8.lib` (Microsoft's ABI): with the second table (`/` again, sorted), which Microsoft's link.exe and lib.exe
//!   write and search; lld-link reads both.
//! * Mach-O: Apple's, with `__.SYMDEF` and long names before the contents (`#1/…`); members begin at multiples of eight,
//!   without which Apple's linker refuses or copies them. ld64.lld, ld64 and Apple's newer ld read it.

use std::collections::BTreeSet;
use std::io::Cursor;
use std::path::Path;

use ar_archive_writer::{
    ArchiveKind, DEFAULT_OBJECT_READER, NewArchiveMember, ObjectReader, write_archive_to_stream,
};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, IoContext as _, Result};
use crate::library::Format;
use crate::library::private::make_private;
use crate::library::read::{Contents, Library, Object};

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Normalised {
    /// Members of the new library.
    pub members: usize,
    /// Members left out because name and bytes were another's.
    pub duplicates: usize,
    /// Objects left out because they define nothing.
    pub empty: usize,
    /// Size of the new library.
    pub size_bytes: u64,
}

/// Reads the library `input` and writes its normal form to `output`, under a temporary name first.
///
/// Fails if a file cannot be read or written, if `input` is no static library, is thin, or is empty.
pub fn normalise(input: &Path, output: &Path) -> Result<Normalised> {
    let bytes = std::fs::read(input).or_io("read", input)?;
    let is_lib = output.extension().is_some_and(|extension| extension == "lib");
    let (library, normalised) =
        normalise_bytes(&bytes, is_lib).map_err(|fault| fault.into_error(&input.display().to_string()))?;
    let mut temporary = output.as_os_str().to_owned();
    temporary.push(".part");
    let temporary = Path::new(&temporary);
    std::fs::write(temporary, library).or_io("write", temporary)?;
    std::fs::rename(temporary, output).or_io("rename to", output)?;
    Ok(normalised)
}

/// Why a library cannot be normalised.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fault {
    Unreadable(String),
    Thin { first: String },
    Empty,
}

impl Fault {
    fn into_error(self, library: &str) -> Error {
        match self {
            Fault::Unreadable(reason) => Error::failed(format!("cannot package {library}: {reason}")),
            Fault::Thin { first } => Error::failed(format!(
                "cannot package {library}: it is a thin archive, which names files ({first}, …) instead of holding them"
            ))
            .help("package the library of a GN target with `complete_static_lib = true`"),
            Fault::Empty => Error::failed(format!("cannot package {library}: it has no members")),
        }
    }
}

/// The normal form of the library `bytes`; `is_lib`: for Microsoft's linker, if it holds COFF objects.
fn normalise_bytes(bytes: &[u8], is_lib: bool) -> Result<(Vec<u8>, Normalised), Fault> {
    let library = Library::parse(bytes).map_err(Fault::Unreadable)?;
    let first = library.members.first().ok_or(Fault::Empty)?;
    if library.thin || library.members.iter().any(|member| matches!(member.contents, Contents::Absent)) {
        return Err(Fault::Thin { first: first.name.clone() });
    }

    let filled: Vec<_> = library.members.iter().filter(|member| !is_empty(&member.contents)).collect();
    let empty = library.members.len() - filled.len();
    let mut sorted = Vec::with_capacity(filled.len());
    for member in &filled {
        let mut bytes = member.bytes.to_vec();
        make_private(&mut bytes).map_err(|reason| {
            Fault::Unreadable(format!("its member {} is damaged: {reason}", member.name))
        })?;
        sorted.push((member.name.as_str(), Sha256::digest(&bytes), bytes));
    }
    sorted.sort_unstable_by(|a, b| (a.0, a.1.as_slice()).cmp(&(b.0, b.1.as_slice())));
    sorted.dedup_by(|a, b| (a.0, a.1) == (b.0, b.1));
    let duplicates = filled.len() - sorted.len();

    let names = unique_names(sorted.iter().map(|(name, ..)| *name));
    let mut members: Vec<_> = std::iter::zip(names, &sorted)
        .map(|(name, (_, _, bytes))| NewArchiveMember::new(bytes, &OBJECT_READER, name))
        .collect();
    // By the new names, so that the normal form of a normal form is itself.
    members.sort_by(|a, b| a.member_name.cmp(&b.member_name));
    // Everything is in memory, so what can fail is the writer itself: a symbol table of a damaged object, a member over 10 GB.
    let format = library.objects().next().map(|(_, object)| object.format());
    let mut out = Cursor::new(Vec::with_capacity(bytes.len()));
    write_archive_to_stream(&mut out, &members, layout(format, is_lib), false, None)
        .map_err(|error| Fault::Unreadable(error.to_string()))?;
    let out = out.into_inner();
    let size_bytes = out.len() as u64;
    Ok((out, Normalised { members: members.len(), duplicates, empty, size_bytes }))
}

/// The layout for objects of a format; GNU's if there are none.
fn layout(format: Option<Format>, is_lib: bool) -> ArchiveKind {
    match format {
        Some(Format::MachO) => ArchiveKind::Darwin,
        Some(Format::Coff) if is_lib => ArchiveKind::Coff,
        Some(Format::Coff | Format::Elf) | None => ArchiveKind::Gnu,
    }
}

/// What goes into the table of symbols: of COFF, by our own reader, since the writer's takes a weak reference for a
/// definition. A linker would fetch the member for it, and have the address 0 where another library has the function.
const OBJECT_READER: ObjectReader = ObjectReader { get_symbols, ..DEFAULT_OBJECT_READER };

fn get_symbols(bytes: &[u8], add: &mut dyn FnMut(&[u8]) -> std::io::Result<()>) -> std::io::Result<bool> {
    if Format::of_object(bytes) != Some(Format::Coff) {
        return (DEFAULT_OBJECT_READER.get_symbols)(bytes, add);
    }
    let object = Object::parse(bytes).map_err(std::io::Error::other)?;
    for symbol in object.symbols.iter().filter(|symbol| symbol.defined) {
        add(symbol.name.as_bytes())?;
    }
    Ok(true)
}

/// Whether no linker could take anything from an object: it defines no symbol, and nothing of it is loaded.
fn is_empty(contents: &Contents<'_>) -> bool {
    let Contents::Object(object) = contents else { return false };
    let nothing_loaded = object.sections.iter().all(|section| !section.allocated || section.bytes.is_empty());
    nothing_loaded && object.symbols.iter().all(|symbol| !symbol.defined)
}

/// `heap.o, heap.o, heap.2.o` → `heap.o, heap.3.o, heap.2.o`: a name that stood alone is never taken from its member.
fn unique_names<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Vec<String> {
    let given: BTreeSet<&str> = names.clone().collect();
    let mut used: BTreeSet<String> = BTreeSet::new();
    names
        .map(|name| {
            let (stem, extension) = name.rsplit_once('.').unwrap_or((name, "o"));
            let mut unique = name.to_owned();
            let mut number = 2;
            while !used.insert(unique.clone()) {
                // Skip a numbered name that some member brings along.
                unique = loop {
                    let candidate = format!("{stem}.{number}.{extension}");
                    number += 1;
                    if !given.contains(candidate.as_str()) {
                        break candidate;
                    }
                };
            }
            unique
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::{by_hand as library, test_object, test_object_of};

    fn check_names(names: &[&str], expected: &[&str]) {
        assert_eq!(unique_names(names.iter().copied()), expected, "{names:?}");
    }

    #[test]
    fn names_become_unique_and_keep_their_extension() {
        check_names(&["a.o", "b.o"], &["a.o", "b.o"]);
        check_names(&["a.o", "a.o", "a.o"], &["a.o", "a.2.o", "a.3.o"]);
        check_names(&["a.2.o", "a.o", "a.o"], &["a.2.o", "a.o", "a.3.o"]);
        check_names(&["a.o", "a.o", "a.2.o"], &["a.o", "a.3.o", "a.2.o"]);
        check_names(&["a", "a"], &["a", "a.2.o"]);
    }

    #[test]
    fn the_order_of_the_objects_does_not_reach_the_bytes() {
        let parts: [(&str, &[u8]); 4] =
            [("heap.o", b"one"), ("heap.o", b"two"), ("api.o", b"three"), ("heap.o", b"0")];
        let mut shuffled = parts;
        shuffled.reverse();
        shuffled.swap(0, 2);
        let (first, normalised) = normalise_bytes(&library(&parts), false).unwrap();
        let (second, _) = normalise_bytes(&library(&shuffled), false).unwrap();
        assert_eq!(first, second);
        assert_eq!(
            normalised,
            Normalised { members: 4, duplicates: 0, empty: 0, size_bytes: first.len() as u64 }
        );
        // What is normal already stays as it is.
        assert_eq!(normalise_bytes(&first, false).unwrap().0, first);
    }

    #[test]
    fn every_object_is_kept_and_only_exact_duplicates_go() {
        let (bytes, normalised) =
            normalise_bytes(&library(&[("b.o", b"1"), ("a.o", b"1"), ("b.o", b"1"), ("b.o", b"22")]), false)
                .unwrap();
        assert_eq!((normalised.members, normalised.duplicates), (3, 1));
        let library = Library::parse(&bytes).unwrap();
        let names: Vec<_> = library.members.iter().map(|member| member.name.as_str()).collect();
        assert_eq!(names, ["a.o", "b.2.o", "b.o"]);
        // Which `b.o` keeps its name is the digests' choice.
        let contents: BTreeSet<_> = library.members.iter().map(|member| member.bytes).collect();
        assert_eq!(contents, BTreeSet::from([b"1".as_slice(), b"22"]));
    }

    #[test]
    fn times_owners_and_modes_are_normalised() {
        let (bytes, _) = normalise_bytes(&library(&[("a.o", b"1")]), false).unwrap();
        let archive = object::read::archive::ArchiveFile::parse(&*bytes).unwrap();
        for member in archive.members() {
            let member = member.unwrap();
            assert_eq!(
                (member.date(), member.uid(), member.gid(), member.mode()),
                (Some(0), Some(0), Some(0), Some(0o644))
            );
        }
    }

    #[test]
    fn f51_a_thin_archive_is_refused() {
        let header = |name: &str, size| format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, 644);
        let thin = format!("!<thin>\n{}a/b.o/\n\n{}", header("//", 8), header("/0", 1234));
        let fault = normalise_bytes(thin.as_bytes(), false).unwrap_err();
        assert_eq!(fault, Fault::Thin { first: "a/b.o".to_owned() });
        assert_eq!(
            fault.into_error("obj/libv8.a").to_string(),
            "error: cannot package obj/libv8.a: it is a thin archive, which names files (a/b.o, …) instead of holding them\n  \
             help: package the library of a GN target with `complete_static_lib = true`"
        );
    }

    #[test]
    fn what_is_no_library_is_refused() {
        assert_eq!(normalise_bytes(b"!<arch>\n", false).unwrap_err(), Fault::Empty);
        assert!(matches!(normalise_bytes(b"\x7fELF", false).unwrap_err(), Fault::Unreadable(_)));
        let mut cut = library(&[("a.o", b"12345678")]);
        cut.truncate(cut.len() - 3);
        assert!(matches!(normalise_bytes(&cut, false).unwrap_err(), Fault::Unreadable(_)));
    }

    #[test]
    fn the_file_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let (input, output) = (folder.path().join("in.a"), folder.path().join("out.a"));
        std::fs::write(&input, b"no library").unwrap();
        normalise(&input, &output).unwrap_err();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        std::fs::write(&input, library(&[("a.o", b"1")])).unwrap();
        let normalised = normalise(&input, &output).unwrap();
        assert_eq!(std::fs::metadata(&output).unwrap().len(), normalised.size_bytes);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn objects_that_define_nothing_are_left_out() {
        let empty = test_object(Some("windtfmt.cpp"), &[]);
        let full = test_object(Some("a.cc"), &[("a", true)]);
        let (_, normalised) = normalise_bytes(&library(&[("e.o", &empty), ("a.o", &full)]), false).unwrap();
        assert_eq!((normalised.members, normalised.empty), (1, 1));
    }

    #[test]
    fn each_system_has_its_own_layout() {
        use object::read::archive::ArchiveKind;
        let check = |format, is_lib, expected: ArchiveKind| {
            let one = test_object_of(format, Some("a.cc"), &[("f", true), ("g", false)]);
            let two = test_object_of(format, Some("b.cc"), &[("a_name_of_more_than_eight_bytes", true)]);
            // Whatever the archiver's own layout was.
            let (bytes, normalised) =
                normalise_bytes(&library(&[("b.o", &two), ("a.o", &one)]), is_lib).unwrap();
            assert_eq!(normalised.members, 2, "{format}");
            let read = Library::parse(&bytes).unwrap();
            assert_eq!(read.kind, expected, "{format}");
            let prefix = if format == Format::MachO { "_" } else { "" };
            let index: BTreeSet<_> = read.index.iter().map(|name| String::from_utf8_lossy(name)).collect();
            assert_eq!(
                index,
                ["f", "a_name_of_more_than_eight_bytes"].map(|name| format!("{prefix}{name}").into()).into(),
                "{format}"
            );
            if format == Format::MachO {
                assert!(read.members.iter().all(|member| member.offset % 8 == 0), "{:?}", read.members);
            }
            assert!(normalise_bytes(&bytes, is_lib).unwrap().0 == bytes, "{format}: normal twice");
        };
        check(Format::Elf, false, ArchiveKind::Gnu);
        check(Format::Elf, true, ArchiveKind::Gnu);
        check(Format::Coff, false, ArchiveKind::Gnu);
        check(Format::Coff, true, ArchiveKind::Coff);
        check(Format::MachO, false, ArchiveKind::Bsd);
    }

    /// As a weak external, which the writer's own reader takes for a definition.
    #[test]
    fn a_weak_reference_of_coff_is_not_in_the_table_of_symbols() {
        use object::write::{Object as NewObject, StandardSection, Symbol, SymbolSection};
        let mut object = NewObject::new(
            object::BinaryFormat::Coff,
            object::Architecture::X86_64,
            object::Endianness::Little,
        );
        let text = object.section_id(StandardSection::Text);
        let value = object.append_section_data(text, &[0xc3], 1);
        for (name, section) in
            [("needed", SymbolSection::Undefined), ("defined", SymbolSection::Section(text))]
        {
            object.add_symbol(Symbol {
                name: name.into(),
                value,
                size: 1,
                kind: object::SymbolKind::Text,
                scope: object::SymbolScope::Linkage,
                weak: true,
                section,
                flags: object::SymbolFlags::None,
            });
        }
        let (bytes, _) = normalise_bytes(&library(&[("a.o", &object.write().unwrap())]), true).unwrap();
        assert_eq!(Library::parse(&bytes).unwrap().index, [b"defined"]);
    }
}
