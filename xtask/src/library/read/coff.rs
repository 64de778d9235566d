//! COFF objects, of the usual form and of the one for more than 65,279 sections (`/bigobj`).

use object::pe;
use object::read::SymbolIndex;
use object::read::coff::{CoffHeader, Symbol as _, SymbolTable};

use super::{Damage, Machine, Object, Particular, Section, Symbol, text};
use crate::library::Format;

/// What only COFF objects have.
#[derive(Debug)]
pub struct Coff<'data> {
    /// When it was made, in seconds since 1970: 0 if the compiler was asked to leave that out.
    pub time: u32,
    /// What it tells the linker (`.drectve`), as one line.
    pub directives: &'data str,
    /// The names of its sources (`.file`).
    pub sources: Vec<&'data str>,
}

/// Whether bytes begin as a COFF object does: the form has no magic number, only the processor's.
pub fn is_object(bytes: &[u8]) -> bool {
    use object::FileKind;
    matches!(FileKind::parse(bytes), Ok(FileKind::Coff | FileKind::CoffBig))
}

/// Reads a COFF object.
pub fn parse(bytes: &[u8]) -> Result<Object<'_>, Damage> {
    match object::FileKind::parse(bytes)? {
        object::FileKind::CoffBig => parse_form::<pe::AnonObjectHeaderBigobj>(bytes, 0),
        _ => {
            let time = pe::ImageFileHeader::parse(bytes, &mut 0)?.time_date_stamp;
            parse_form::<pe::ImageFileHeader>(bytes, time.get(object::LittleEndian))
        }
    }
}

fn parse_form<Header: CoffHeader>(bytes: &[u8], time: u32) -> Result<Object<'_>, Damage> {
    let mut offset = 0;
    let header = Header::parse(bytes, &mut offset)?;
    let machine = match header.machine() {
        pe::IMAGE_FILE_MACHINE_AMD64 => Machine::X86_64,
        pe::IMAGE_FILE_MACHINE_ARM64 => Machine::Aarch64,
        other => Machine::Other(Format::Coff, other.0.into()),
    };
    let symbols = header.symbols(bytes)?;
    let strings = symbols.strings();

    let mut sections = Vec::new();
    let mut coff = Coff { time, directives: "", sources: Vec::new() };
    for section in header.sections(bytes, offset)?.iter() {
        let flags = section.characteristics.get(object::LittleEndian);
        let dropped = pe::IMAGE_SCN_LNK_INFO.0 | pe::IMAGE_SCN_LNK_REMOVE.0 | pe::IMAGE_SCN_MEM_DISCARDABLE.0;
        let data =
            section.coff_data(bytes).map_err(|()| Damage("a section lies outside of the file".to_owned()))?;
        let name = text(section.name(strings)?);
        if name == ".drectve" {
            coff.directives = text(data).trim_start_matches('\u{feff}').trim_matches(['\0', ' ']);
        }
        let relocations = section.coff_relocations(bytes)?;
        sections.push(Section {
            name,
            segment: "",
            kind: flags.0,
            allocated: flags.0 & dropped == 0,
            executable: flags.0 & pe::IMAGE_SCN_MEM_EXECUTE.0 != 0,
            bytes: data,
            relocations: relocations
                .iter()
                .map(|entry| entry.typ.get(object::LittleEndian).0.into())
                .collect(),
        });
    }

    let mut visible = Vec::new();
    for (index, symbol) in symbols.iter() {
        if symbol.storage_class() == pe::IMAGE_SYM_CLASS_FILE {
            coff.sources.push(text(symbols.aux_file_name(index, symbol.number_of_aux_symbols())?));
        }
        let Some(state) = state::<Header>(&symbols, index, symbol)? else { continue };
        let name = text(symbol.name(strings)?);
        // What the compiler calls the definition behind a weak symbol; the name holds another's, so that it is unique.
        if name.starts_with(DEFAULT) {
            continue;
        }
        let (defined, weak) = match state {
            State::Defined => (true, false),
            State::WeaklyDefined => (true, true),
            State::Needed => (false, false),
            State::WeaklyNeeded => (false, true),
        };
        visible.push(Symbol { name, defined, weak, ifunc: false });
    }
    Ok(Object { machine, particular: Particular::Coff(coff), sections, symbols: visible })
}

/// With what the names begin of the definitions behind weak symbols, as LLVM makes them.
pub const DEFAULT: &str = ".weak.";

/// What a symbol is that other objects can see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Defined here.
    Defined,
    /// A weak external whose default is defined here.
    WeaklyDefined,
    /// Defined elsewhere.
    Needed,
    /// A weak external whose default is nothing (the address 0), or another's symbol.
    WeaklyNeeded,
}

/// What a symbol is; none if no other object sees it.
///
/// COFF knows no weak definition: LLVM writes a weak external with a default in its place, for a weak reference as well,
/// and the same kind of search for both. The default alone tells them apart.
pub fn state<'data, Header: CoffHeader>(
    symbols: &SymbolTable<'data, &'data [u8], Header>,
    index: SymbolIndex,
    symbol: &Header::Symbol,
) -> object::read::Result<Option<State>> {
    let defined =
        |symbol: &Header::Symbol| symbol.section_number() != pe::IMAGE_SYM_UNDEFINED || symbol.value() != 0;
    Ok(Some(match symbol.storage_class() {
        pe::IMAGE_SYM_CLASS_EXTERNAL if defined(symbol) => State::Defined,
        pe::IMAGE_SYM_CLASS_EXTERNAL => State::Needed,
        pe::IMAGE_SYM_CLASS_WEAK_EXTERNAL => {
            let aux = symbols.aux_weak_external(index)?;
            let default = symbols.symbol(aux.default_symbol())?;
            let nothing = default.section_number() == pe::IMAGE_SYM_ABSOLUTE && default.value() == 0;
            if defined(default) && !nothing { State::WeaklyDefined } else { State::WeaklyNeeded }
        }
        _ => return Ok(None),
    }))
}
