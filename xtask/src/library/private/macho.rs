//! In Mach-O objects: names are changed in the string table, after the underscore that each of them begins with there.
//!
//! A shared definition gets `N_WEAK_DEF`: the linker then takes a strong one in its place. All definitions of the runtime, the
//! operators new and delete among them, get `N_PEXT`: they are for the program or library that is being linked, and not
//! exported. Otherwise dyld would have one weak definition serve the whole process: V8's operator new for Apple's
//! libraries, or that of another for V8.

use object::macho;
use object::read::macho::{LoadCommandVariant, MachHeader as _, Nlist as _};

use super::{is_operator_name, is_runtime_name, is_shared_name, write_prefixes};

type Header = macho::MachHeader64<object::LittleEndian>;

/// Where `n_type` and `n_desc` are in an entry of the symbol table, after `n_strx`, and after that and `n_sect`.
const TYPE: usize = 4;
const DESCRIPTION: usize = 6;

/// Renames in a Mach-O object.
pub fn make_private(bytes: &mut [u8]) -> object::read::Result<()> {
    let endian = object::LittleEndian;
    let (mut names, mut hidden, mut weak) = (Vec::new(), Vec::new(), Vec::new());
    let mut commands = Header::parse(&*bytes, 0)?.load_commands(endian, &*bytes, 0)?;
    while let Some(command) = commands.next()? {
        let LoadCommandVariant::Symtab(command) = command.variant()? else { continue };
        let symbols = command.symbols::<Header, _>(endian, &*bytes)?;
        let (table, strings) = (command.symoff.get(endian) as usize, command.stroff.get(endian) as usize);
        for (index, symbol) in symbols.iter().enumerate() {
            if symbol.is_stab() || symbol.n_type().0 & macho::N_EXT.0 == 0 {
                continue;
            }
            let name = symbol.name(endian, symbols.strings())?;
            let Some(name) = std::str::from_utf8(name).ok().and_then(|name| name.strip_prefix('_')) else {
                continue;
            };
            let (is_runtime, is_shared) = (is_runtime_name(name), is_shared_name(name));
            if is_runtime {
                names.push(strings + symbol.n_strx(endian) as usize + 1);
            }
            if !symbol.is_definition() {
                continue;
            }
            let own = table + index * size_of_val(symbol);
            if is_runtime || is_shared || is_operator_name(name) {
                hidden.push(own + TYPE);
            }
            if is_shared {
                weak.push(own + DESCRIPTION);
            }
        }
    }
    write_prefixes(bytes, &names);
    for place in hidden {
        bytes[place] |= macho::N_PEXT.0;
    }
    for place in weak {
        // The flag is in the lower byte, which comes first.
        bytes[place] |= macho::N_WEAK_DEF.0 as u8;
    }
    Ok(())
}
