//! Static libraries: what is in one ([`read`]), and the form in which an archive carries it ([`normalise`]).

#[cfg(test)]
mod linked_tests;
pub mod normalise;
pub mod private;
pub mod read;

use std::fmt;

use v8_archive::descriptor::LibcFamily;

/// The format of objects and of the library that holds them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Linux.
    Elf,
    /// Windows.
    Coff,
    /// macOS.
    MachO,
}

impl Format {
    /// That of a system, by its C library.
    pub fn of_system(libc: LibcFamily) -> Format {
        match libc {
            LibcFamily::Glibc | LibcFamily::Musl => Format::Elf,
            LibcFamily::Ucrt => Format::Coff,
            LibcFamily::LibSystem => Format::MachO,
        }
    }

    /// As which an object begins; none if as none of them.
    pub fn of_object(bytes: &[u8]) -> Option<Format> {
        match bytes {
            [0x7f, b'E', b'L', b'F', ..] => Some(Format::Elf),
            _ if read::macho::is_object(bytes) => Some(Format::MachO),
            _ if read::coff::is_object(bytes) => Some(Format::Coff),
            _ => None,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Elf => "ELF",
            Format::Coff => "COFF",
            Format::MachO => "Mach-O",
        })
    }
}

/// An ELF object for tests: the name of its source, if any, and symbols, each with whether it is defined here.
#[cfg(test)]
pub fn test_object(file: Option<&str>, symbols: &[(&str, bool)]) -> Vec<u8> {
    test_object_of(Format::Elf, file, symbols)
}

/// The same of any format; names are C's.
#[cfg(test)]
pub fn test_object_of(format: Format, file: Option<&str>, symbols: &[(&str, bool)]) -> Vec<u8> {
    use object::write::{Object, StandardSection, Symbol, SymbolSection};
    let format = match format {
        Format::Elf => object::BinaryFormat::Elf,
        Format::Coff => object::BinaryFormat::Coff,
        Format::MachO => object::BinaryFormat::MachO,
    };
    let mut object = Object::new(format, object::Architecture::X86_64, object::Endianness::Little);
    if let Some(file) = file {
        object.add_file_symbol(file.into());
    }
    let text = object.section_id(StandardSection::Text);
    for (name, is_defined) in symbols {
        let (mut value, mut section) = (0, SymbolSection::Undefined);
        if *is_defined {
            value = object.append_section_data(text, &[0xc3], 1);
            section = SymbolSection::Section(text);
        }
        object.add_symbol(Symbol {
            name: (*name).into(),
            value,
            size: 1,
            kind: object::SymbolKind::Text,
            scope: object::SymbolScope::Linkage,
            weak: false,
            section,
            flags: object::SymbolFlags::None,
        });
    }
    object.write().unwrap()
}

/// For tests: a library in GNU's format, written by hand: members in the order given, with a time and an owner.
#[cfg(test)]
pub fn by_hand(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = b"!<arch>\n".to_vec();
    for (name, bytes) in members {
        let name = format!("{name}/");
        out.extend(format!("{name:<16}1700000000  1000  1000  100755  {:<10}`\n", bytes.len()).as_bytes());
        out.extend(*bytes);
        if bytes.len() % 2 == 1 {
            out.push(b'\n');
        }
    }
    out
}
