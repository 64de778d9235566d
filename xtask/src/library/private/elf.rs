//! In ELF objects: names are changed in the string table, and the binding of a shared definition in its entry of the
//! symbol table.

use object::elf;
use object::read::elf::{FileHeader as _, SectionHeader as _, Sym as _};

use super::{is_runtime_name, is_shared_name, write_prefixes};

type Elf64 = elf::FileHeader64<object::LittleEndian>;

/// Renames in a relocatable ELF object.
pub fn make_private(bytes: &mut [u8]) -> object::read::Result<()> {
    let places = places(bytes)?;
    write_prefixes(bytes, &places.names);
    for (place, info) in places.bindings {
        bytes[place] = info;
    }
    Ok(())
}

/// Where a file is changed.
#[derive(Default)]
struct Places {
    /// Where the names that become private begin.
    names: Vec<usize>,
    /// `st_info` of each shared definition, and what it becomes.
    bindings: Vec<(usize, u8)>,
}

/// Where in the file something changes.
///
/// A string table lets a name be the end of a longer string (`DW.ref.__gxx_personality_v0`): that one changes too, in
/// every object alike, and is still one and the same everywhere.
fn places(bytes: &[u8]) -> object::read::Result<Places> {
    /// Where `st_info` is in an entry of the symbol table, after the four bytes of `st_name`.
    const INFO: usize = 4;
    let header = Elf64::parse(bytes)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, bytes)?;
    let symbols = sections.symbols(endian, bytes, elf::SHT_SYMTAB)?;
    let Ok(strings) = sections.section(symbols.string_section()) else { return Ok(Places::default()) };
    let table = sections.section(symbols.section())?.sh_offset(endian) as usize;
    let start = strings.sh_offset(endian) as usize;
    let mut places = Places::default();
    for (index, symbol) in symbols.iter().enumerate().filter(|(_, symbol)| !symbol.is_local()) {
        let Ok(name) = std::str::from_utf8(symbol.name(endian, symbols.strings())?) else { continue };
        if is_runtime_name(name) {
            places.names.push(start + symbol.st_name(endian) as usize);
        } else if is_shared_name(name) && !symbol.is_undefined(endian) {
            let info = elf::SymbolInfo::new(elf::STB_WEAK, symbol.st_type());
            places.bindings.push((table + index * size_of_val(symbol) + INFO, info.0));
        }
    }
    Ok(places)
}
