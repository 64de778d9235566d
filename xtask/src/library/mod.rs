//! Static libraries: what is in one ([`read`]), and the form in which an archive carries it ([`normalise`]).

pub mod normalise;
pub mod private;
pub mod read;

/// An ELF object for tests: the name of its source, if any, and symbols, each with whether it is defined here.
#[cfg(test)]
pub fn test_object(file: Option<&str>, symbols: &[(&str, bool)]) -> Vec<u8> {
    use object::write::{Object, StandardSection, Symbol, SymbolSection};
    let mut object =
        Object::new(object::BinaryFormat::Elf, object::Architecture::X86_64, object::Endianness::Little);
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
