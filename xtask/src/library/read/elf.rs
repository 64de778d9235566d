//! ELF objects.

use std::collections::BTreeSet;

use object::elf;
use object::read::elf::{FileHeader as _, SectionHeader as _, Sym as _};

use super::{Damage, Machine, Object, Particular, Section, Symbol, text};
use crate::library::Format;

type Elf64 = elf::FileHeader64<object::LittleEndian>;

/// Reads a relocatable, 64-bit, little-endian ELF object.
pub fn parse(bytes: &[u8]) -> Result<Object<'_>, Damage> {
    let endian = object::LittleEndian;
    let header = Elf64::parse(bytes)?;
    header.endian()?;
    let machine = match header.e_machine(endian) {
        elf::EM_X86_64 => Machine::X86_64,
        elf::EM_AARCH64 => Machine::Aarch64,
        other => Machine::Other(Format::Elf, other.0.into()),
    };
    let table = header.sections(endian, bytes)?;

    let mut sections = Vec::with_capacity(table.len());
    for section in table.iter().skip(1) {
        let flags = section.sh_flags(endian);
        sections.push(Section {
            name: text(table.section_name(endian, section)?),
            segment: "",
            kind: section.sh_type(endian).0,
            allocated: flags.contains(elf::SHF_ALLOC),
            executable: flags.contains(elf::SHF_EXECINSTR),
            bytes: section.data(endian, bytes)?,
            relocations: BTreeSet::new(),
        });
    }
    for section in table.iter() {
        if let Some((relocations, _)) = section.rela(endian, bytes)? {
            // Section numbers count the null section, which is not in our list.
            let target = section.info_link(endian).0.checked_sub(1).and_then(|index| sections.get_mut(index));
            if let Some(target) = target {
                target.relocations.extend(relocations.iter().map(|entry| entry.r_type(endian, false).0));
            }
        }
    }

    let symbols = table.symbols(endian, bytes, elf::SHT_SYMTAB)?;
    let mut visible = Vec::new();
    for symbol in symbols.iter().skip(1).filter(|symbol| !symbol.is_local()) {
        let name = symbol.name(endian, symbols.strings())?;
        visible.push(Symbol {
            name: text(name),
            defined: !symbol.is_undefined(endian),
            weak: symbol.is_weak(),
            ifunc: symbol.st_type() == elf::STT_GNU_IFUNC,
        });
    }
    Ok(Object { machine, particular: Particular::Elf, sections, symbols: visible })
}
