//! Mach-O objects, 64-bit and for one processor.

use std::collections::BTreeSet;

use object::macho;
use object::read::macho::{LoadCommandVariant, MachHeader as _, Nlist as _, Section as _, Segment as _};

use super::{Damage, Machine, Object, Particular, Section, Symbol, text};
use crate::library::Format;

type Header = macho::MachHeader64<object::LittleEndian>;

/// What only Mach-O objects have.
#[derive(Debug)]
pub struct MachO<'data> {
    /// For which systems it was compiled.
    pub systems: Vec<System>,
    /// What it tells the linker (`LC_LINKER_OPTION`): the words of one option each.
    pub options: Vec<Vec<&'data str>>,
    /// Visible symbols without the underscore before their name, which no C or C++ code can have.
    pub unprefixed: Vec<&'data str>,
}

/// A system that an object was compiled for (`LC_BUILD_VERSION`, or the older `LC_VERSION_MIN_…`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct System {
    /// Its number: 1 is macOS.
    pub platform: u32,
    /// The lowest version, as 0xMMMMmmpp.
    pub lowest: u32,
}

/// `r_type`, `r_length` (its logarithm in bytes) and `r_pcrel` of a relocation as one number.
pub const fn relocation(kind: u8, length: u8, relative: bool) -> u32 {
    kind as u32 | (length as u32) << 8 | (relative as u32) << 16
}

/// Whether bytes begin as a 64-bit, little-endian Mach-O file does.
pub fn is_object(bytes: &[u8]) -> bool {
    bytes.starts_with(&macho::MH_MAGIC_64.to_le_bytes())
}

/// Reads a relocatable Mach-O object.
pub fn parse(bytes: &[u8]) -> Result<Object<'_>, Damage> {
    let endian = object::LittleEndian;
    let header = Header::parse(bytes, 0)?;
    if header.filetype(endian) != macho::MH_OBJECT {
        return Err(Damage("it is a program or a library".to_owned()));
    }
    let machine = match (header.cputype(endian), header.cpusubtype(endian).id()) {
        (macho::CPU_TYPE_X86_64, macho::CPU_SUBTYPE_X86_64_ALL) => Machine::X86_64,
        (macho::CPU_TYPE_ARM64, macho::CPU_SUBTYPE_ARM64_ALL) => Machine::Aarch64,
        (kind, subtype) => Machine::Other(Format::MachO, u64::from(kind.0) << 32 | u64::from(subtype.0)),
    };

    let mut particular = MachO { systems: Vec::new(), options: Vec::new(), unprefixed: Vec::new() };
    let (mut sections, mut symbols) = (Vec::new(), Vec::new());
    let mut commands = header.load_commands(endian, bytes, 0)?;
    while let Some(command) = commands.next()? {
        match command.variant()? {
            LoadCommandVariant::Segment64(segment, rest) => {
                for section in segment.sections(endian, rest)? {
                    let flags = section.flags(endian);
                    sections.push(Section {
                        name: text(section.name()),
                        segment: text(section.segment_name()),
                        kind: flags.0,
                        allocated: section.segment_name() != b"__DWARF"
                            && section.segment_name() != b"__LLVM",
                        executable: flags.0 & macho::S_ATTR_PURE_INSTRUCTIONS.0 != 0,
                        bytes: section.data(endian, bytes, section.offset(endian).into())?,
                        relocations: relocations(section.relocations(endian, bytes)?, machine),
                    });
                }
            }
            LoadCommandVariant::Symtab(table) => {
                let table = table.symbols::<Header, _>(endian, bytes)?;
                let strings = table.strings();
                for symbol in table.iter() {
                    let flags = symbol.n_type();
                    if symbol.is_stab() || flags.0 & macho::N_EXT.0 == 0 {
                        continue;
                    }
                    let name = text(symbol.name(endian, strings)?);
                    let description = symbol.n_desc(endian).0;
                    let defined = !symbol.is_undefined();
                    let weak = if defined { macho::N_WEAK_DEF } else { macho::N_WEAK_REF };
                    if !name.starts_with('_') {
                        particular.unprefixed.push(name);
                    }
                    symbols.push(Symbol {
                        name: name.strip_prefix('_').unwrap_or(name),
                        // A common symbol is undefined, with its size as value.
                        defined: defined || symbol.n_value(endian) != 0,
                        weak: description & weak.0 != 0,
                        ifunc: false,
                    });
                }
            }
            LoadCommandVariant::BuildVersion(version, _) => particular.systems.push(System {
                platform: version.platform.get(endian).0,
                lowest: version.minos.get(endian).0,
            }),
            LoadCommandVariant::VersionMin(version) => particular.systems.push(System {
                // The other commands of this kind are for other systems, whose numbers are 2 to 4.
                platform: if command.cmd() == macho::LC_VERSION_MIN_MACOSX {
                    macho::PLATFORM_MACOS.0
                } else {
                    0
                },
                lowest: version.version.get(endian).0,
            }),
            LoadCommandVariant::LinkerOption(option) => {
                let count = option.count.get(endian) as usize;
                let words = command.raw_data().get(size_of_val(option)..).unwrap_or_default();
                particular.options.push(words.split(|byte| *byte == 0).take(count).map(text).collect());
            }
            _ => {}
        }
    }
    Ok(Object { machine, particular: Particular::MachO(particular), sections, symbols })
}

/// The kinds of relocations, without those that come in pairs: a difference of two addresses is none itself.
fn relocations(entries: &[macho::Relocation<object::LittleEndian>], machine: Machine) -> BTreeSet<u32> {
    let (subtractor, addend) = match machine {
        Machine::X86_64 => (macho::X86_64_RELOC_SUBTRACTOR, None),
        _ => (macho::ARM64_RELOC_SUBTRACTOR, Some(macho::ARM64_RELOC_ADDEND)),
    };
    let mut kinds = BTreeSet::new();
    let mut entries = entries.iter().map(|entry| entry.info(object::LittleEndian));
    while let Some(entry) = entries.next() {
        if entry.r_type == subtractor {
            entries.next();
        } else if Some(entry.r_type) != addend {
            kinds.insert(relocation(entry.r_type.0, entry.r_length, entry.r_pcrel));
        }
    }
    kinds
}
