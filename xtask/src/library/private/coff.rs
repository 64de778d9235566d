//! In COFF objects: a name of up to eight bytes stands in the symbol's own record, a longer one in the string table; it is
//! changed where it stands. Also `.refptr.NAME`, MinGW's pointer to NAME: linkers keep one pointer of that name for a whole
//! program, which would be to another runtime's NAME.
//!
//! COFF has no weak definition. LLVM writes in its place what is written here for a shared one: the definition becomes
//! `.weak.NAME.default.libv8`, and NAME a new symbol, at the end of the table so that no other one's number changes: a weak
//! external with that definition as its default (Microsoft's PE format, "Auxiliary Format 3"). References inside of the
//! same object stay to the definition. So unlike in ELF the object grows, by two records and a name for each.

use object::pe;
use object::read::SymbolIndex;
use object::read::coff::{CoffHeader, Symbol as _};

use super::{is_runtime_name, is_shared_name, write_prefixes};
use crate::library::read::coff::{DEFAULT, State, state};

/// What may stand before a name.
const BEFORE: &[&str] = &[".refptr.", "__imp_"];

/// Where a header has the number of symbols: after the place of the table, which is as long.
const NUMBER_OF_SYMBOLS: usize = 12;
const NUMBER_OF_SYMBOLS_BIG: usize = 52;

/// Renames in a COFF object.
pub fn make_private(bytes: &mut Vec<u8>) -> object::read::Result<()> {
    match object::FileKind::parse(bytes.as_slice())? {
        object::FileKind::CoffBig => {
            make_private_in::<pe::AnonObjectHeaderBigobj>(bytes, NUMBER_OF_SYMBOLS_BIG)
        }
        _ => make_private_in::<pe::ImageFileHeader>(bytes, NUMBER_OF_SYMBOLS),
    }
}

fn make_private_in<Header: CoffHeader>(bytes: &mut Vec<u8>, number_at: usize) -> object::read::Result<()> {
    let header = Header::parse(bytes.as_slice(), &mut 0)?;
    let symbols = header.symbols(bytes.as_slice())?;
    let record_bytes = size_of::<Header::Symbol>();
    let table = header.pointer_to_symbol_table() as usize;
    let strings = table + symbols.len() * record_bytes;

    let (mut names, mut shared) = (Vec::new(), Vec::new());
    for (index, symbol) in symbols.iter() {
        let Some(state) = state::<Header>(&symbols, index, symbol)? else { continue };
        let Ok(name) = std::str::from_utf8(symbol.name(symbols.strings())?) else { continue };
        let before = BEFORE.iter().find(|before| name.starts_with(**before)).map_or(0, |before| before.len());
        let own = table + index.0 * record_bytes;
        if is_runtime_name(&name[before..]) {
            let raw = symbol.raw_name();
            let start = match raw {
                [0, 0, 0, 0, offset @ ..] => strings + u32::from_le_bytes(*offset) as usize,
                _ => own,
            };
            names.push(start + before);
        } else if is_shared_name(name) && state == State::Defined {
            shared.push((own, index, format!("{DEFAULT}{name}.default.libv8")));
        }
    }
    write_prefixes(bytes, &names);

    let text_bytes = match bytes.get(strings..strings + 4) {
        Some(size) => u32::from_le_bytes(size.try_into().expect("four bytes were taken")),
        None => return Ok(()),
    };
    let (mut records, mut text) = (Vec::new(), Vec::new());
    for (own, index, default) in &shared {
        let definition = *own..own + record_bytes;
        records.extend(weak_external(&bytes[definition], *index));
        let place = text_bytes.saturating_add(text.len() as u32);
        bytes[*own..own + 4].fill(0);
        bytes[own + 4..own + 8].copy_from_slice(&place.to_le_bytes());
        text.extend(default.as_bytes());
        text.push(0);
    }
    let number = symbols_in(bytes, number_at) + 2 * shared.len() as u32;
    bytes[number_at..number_at + 4].copy_from_slice(&number.to_le_bytes());
    let longer = text_bytes.saturating_add(text.len() as u32);
    bytes[strings..strings + 4].copy_from_slice(&longer.to_le_bytes());
    let end = (strings + text_bytes as usize).clamp(strings + 4, bytes.len());
    bytes.splice(end..end, text);
    bytes.splice(strings..strings, records);
    Ok(())
}

fn symbols_in(bytes: &[u8], number_at: usize) -> u32 {
    u32::from_le_bytes(bytes[number_at..number_at + 4].try_into().expect("four bytes were taken"))
}

/// The two records of a weak external with the name and type of `definition`, which is the symbol of number `default`.
fn weak_external(definition: &[u8], default: SymbolIndex) -> Vec<u8> {
    let mut records = vec![0; 2 * definition.len()];
    let (own, aux) = records.split_at_mut(definition.len());
    let end = definition.len();
    own[..8].copy_from_slice(&definition[..8]);
    // Value and section stay 0; the last four bytes are type, class, number of further records.
    own[end - 4..end - 2].copy_from_slice(&definition[end - 4..end - 2]);
    own[end - 2] = pe::IMAGE_SYM_CLASS_WEAK_EXTERNAL.0;
    own[end - 1] = 1;
    aux[..4].copy_from_slice(&(default.0 as u32).to_le_bytes());
    aux[4..8].copy_from_slice(&pe::IMAGE_WEAK_EXTERN_SEARCH_ALIAS.0.to_le_bytes());
    records
}
