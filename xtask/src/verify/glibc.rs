//! Which symbols each version of glibc has, in which library: what an object may leave undefined.
//!
//! A static library carries no symbol versions, so "needs glibc 2.34" can only be told by a table. The tables lie
//! beside this file and are committed, so that `verify` works without a toolchain; [`generate`] makes them from the list
//! (`lib/libc/glibc/abilists`) that Zig's wheel carries, which merges glibc's own `*.abilist` files of all versions.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::{Error, IoContext as _, Result};
use crate::library::read::Machine;

/// The committed tables: the processor, its name in Zig's list, the file, the text.
const TABLES: &[(Machine, &str, &str, &str)] = &[
    (Machine::X86_64, "x86_64-linux-gnu", "glibc-x86_64.txt", include_str!("glibc-x86_64.txt")),
    (Machine::Aarch64, "aarch64-linux-gnu", "glibc-aarch64.txt", include_str!("glibc-aarch64.txt")),
];

/// Functions of `libc_nonshared.a`, which `libc.so` (a linker script) brings in before 2.33 or 2.34, where they moved into
/// the shared library. Their calls work with any version; the shared library's list alone would call them new.
/// From glibc 2.28, `io/Makefile`, `stdlib/Makefile`, `nptl/Makefile`: `static-only-routines`.
const NONSHARED: &[&str] = &[
    "__pthread_atfork",
    "at_quick_exit",
    "atexit",
    "fstat",
    "fstat64",
    "fstatat",
    "fstatat64",
    "lstat",
    "lstat64",
    "mknod",
    "mknodat",
    "pthread_atfork",
    "stat",
    "stat64",
];

/// A version of glibc: 2.28 is `(2, 28, 0)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(u8, u8, u8);

impl std::str::FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Version, String> {
        let invalid = || format!("{text} is no version of glibc");
        let mut numbers = text.split('.').map(|number| number.parse::<u8>().map_err(|_| invalid()));
        let version = Version(
            numbers.next().ok_or_else(invalid)??,
            numbers.next().ok_or_else(invalid)??,
            numbers.next().unwrap_or(Ok(0))?,
        );
        if numbers.next().is_some() { Err(invalid()) } else { Ok(version) }
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Version(major, minor, 0) => write!(f, "{major}.{minor}"),
            Version(major, minor, patch) => write!(f, "{major}.{minor}.{patch}"),
        }
    }
}

/// For each symbol the libraries that have it, by their name for `-l`, each with the first version in which it has it.
pub struct Table(BTreeMap<&'static str, Vec<(&'static str, Version)>>);

/// What glibc says about an undefined symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// There at the floor, in a library that is linked.
    Provided,
    /// There at the floor, but in this library, which is not linked.
    NotLinked(&'static str),
    /// Only in a version above the floor.
    TooNew(Version),
    /// Not a symbol of glibc.
    Unknown,
}

impl Table {
    /// The committed table for a processor, if there is one.
    pub fn of(machine: Machine) -> Option<Table> {
        let (.., text) = TABLES.iter().find(|table| table.0 == machine)?;
        Some(Table::parse(text))
    }

    fn parse(text: &'static str) -> Table {
        let mut symbols: BTreeMap<_, Vec<_>> = BTreeMap::new();
        let mut section = None;
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            if let Some(names) = line.strip_prefix("  ") {
                let here = section.expect("a table's names stand below their library and version");
                names.split(' ').for_each(|name| symbols.entry(name).or_default().push(here));
            } else {
                let (library, version) =
                    line.split_once(' ').expect("a table's heading is `library version`");
                section = Some((library, version.parse().expect("a table's version is one")));
            }
        }
        // Linked without being asked for: see NONSHARED.
        for name in NONSHARED {
            symbols.entry(name).or_default().push(("c", Version(2, 0, 0)));
        }
        Table(symbols)
    }

    /// Whether some version of glibc has this symbol, in any library.
    pub fn contains(&self, symbol: &str) -> bool {
        self.0.contains_key(symbol)
    }

    /// What glibc at version `floor` makes of an undefined symbol, if `linked` are the libraries named for `-l`; libc and
    /// the dynamic linker are always there.
    pub fn answer(&self, symbol: &str, floor: Version, linked: &[String]) -> Answer {
        let Some(places) = self.0.get(symbol) else { return Answer::Unknown };
        let mut at_floor =
            places.iter().filter(|(_, since)| *since <= floor).map(|(library, _)| *library).peekable();
        if at_floor.peek().is_none() {
            return Answer::TooNew(
                places.iter().map(|(_, since)| *since).min().expect("each symbol has a place"),
            );
        }
        let is_linked =
            |library: &&str| matches!(*library, "c" | "ld") || linked.iter().any(|name| name == library);
        match at_floor.clone().find(is_linked) {
            Some(_) => Answer::Provided,
            None => Answer::NotLinked(at_floor.next().expect("it was peeked at")),
        }
    }
}

/// Writes the committed tables anew from Zig's `abilists`; gives the paths of those that changed.
///
/// Fails if the list cannot be read or is not in the form of Zig 0.12 to 0.17.
pub fn bless(abilists: &Path) -> Result<Vec<PathBuf>> {
    let list = std::fs::read(abilists).or_io("read", abilists)?;
    let folder = crate::paths::repository().join("xtask/src/verify");
    let mut changed = Vec::new();
    for (_, target, file, text) in TABLES {
        let new = generate(&list, target).ok_or_else(|| {
            Error::failed(format!("{} is not a list of glibc's symbols in Zig's form", abilists.display()))
        })?;
        if new != *text {
            let path = folder.join(file);
            std::fs::write(&path, new).or_io("write", &path)?;
            changed.push(path);
        }
    }
    Ok(changed)
}

/// The table of one target; none if the list is malformed or does not have it.
///
/// The form: libraries (count, names), versions (count, three bytes each), targets (count, names), functions, objects,
/// thread-local objects. Each of the last three is a 16-bit count of inclusions: symbol name (left out while the same symbol
/// goes on), a LEB128 set of targets, for objects a LEB128 size, the library's number (highest bit: the symbol's last
/// inclusion), numbers of versions (highest bit: the last).
fn generate(list: &[u8], target: &str) -> Option<String> {
    let mut input = Input(list);
    let libraries = input.names()?;
    let versions = (0..input.byte()?)
        .map(|_| Some(Version(input.byte()?, input.byte()?, input.byte()?)))
        .collect::<Option<Vec<_>>>()?;
    let target = input.names()?.iter().position(|name| name == target)?;

    let mut first: BTreeMap<(String, String), Version> = BTreeMap::new();
    for sized in [false, true, true] {
        let mut name = None;
        for _ in 0..u16::from_le_bytes([input.byte()?, input.byte()?]) {
            let symbol = match name.take() {
                Some(symbol) => symbol,
                None => input.name()?,
            };
            let targets = input.leb128()?;
            if sized {
                input.leb128()?;
            }
            let library = input.byte()?;
            loop {
                let version = input.byte()?;
                if targets >> target & 1 == 1 {
                    let since = *versions.get(usize::from(version & 0x7f))?;
                    let library = libraries.get(usize::from(library & 0x7f))?;
                    let entry = first.entry((library.clone(), symbol.clone())).or_insert(since);
                    *entry = since.min(*entry);
                }
                if version & 0x80 != 0 {
                    break;
                }
            }
            if library & 0x80 == 0 {
                name = Some(symbol);
            }
        }
    }
    if !input.0.is_empty() {
        return None;
    }

    let mut groups: BTreeMap<(&str, Version), Vec<&str>> = BTreeMap::new();
    for ((library, symbol), version) in &first {
        groups.entry((library, *version)).or_default().push(symbol);
    }
    let mut out = String::from(
        "# glibc's symbols by library and the first version that has them. Made from Zig's lib/libc/glibc/abilists by\n\
         # verify::glibc::bless; a line is a library (as for -l) and a version, the indented lines below it are symbols.\n",
    );
    for ((library, version), symbols) in groups {
        out.push_str(&format!("{library} {version}\n"));
        let mut line = String::from(" ");
        for symbol in symbols {
            if line.len() + 1 + symbol.len() > 120 {
                out.push_str(&line);
                out.push('\n');
                line = String::from(" ");
            }
            line.push(' ');
            line.push_str(symbol);
        }
        out.push_str(&line);
        out.push('\n');
    }
    Some(out)
}

/// What is left of a list to read; every method gives `None` at a premature end.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn leb128(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn name(&mut self) -> Option<String> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        let name = String::from_utf8(self.0[..end].to_vec()).ok()?;
        self.0 = &self.0[end + 1..];
        Some(name)
    }

    fn names(&mut self) -> Option<Vec<String>> {
        (0..self.byte()?).map(|_| self.name()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(machine: Machine, symbol: &str, floor: &str, linked: &[&str], expected: Answer) {
        let linked: Vec<String> = linked.iter().map(|name| (*name).to_owned()).collect();
        let answer = Table::of(machine).unwrap().answer(symbol, floor.parse().unwrap(), &linked);
        assert_eq!(answer, expected, "{symbol} at {floor} with {linked:?}");
    }

    #[test]
    fn a_symbol_must_be_there_at_the_floor_in_a_linked_library() {
        for machine in [Machine::X86_64, Machine::Aarch64] {
            check(machine, "memcpy", "2.17", &[], Answer::Provided);
            check(machine, "fcntl64", "2.28", &[], Answer::Provided);
            check(machine, "fcntl64", "2.27", &[], Answer::TooNew(Version(2, 28, 0)));
            check(machine, "pthread_create", "2.28", &["pthread"], Answer::Provided);
            check(machine, "pthread_create", "2.28", &["dl"], Answer::NotLinked("pthread"));
            check(machine, "pthread_create", "2.34", &[], Answer::Provided);
            check(machine, "pow", "2.28", &["m"], Answer::Provided);
            check(machine, "__isoc23_strtol", "2.28", &[], Answer::TooNew(Version(2, 38, 0)));
            check(machine, "arc4random", "2.28", &[], Answer::TooNew(Version(2, 36, 0)));
            check(machine, "__libc_stack_end", "2.28", &[], Answer::Provided);
            check(machine, "stat64", "2.28", &[], Answer::Provided);
            check(machine, "v8_no_such_symbol", "2.28", &[], Answer::Unknown);
        }
    }

    #[test]
    fn versions_are_numbers() {
        assert!("2.4".parse::<Version>().unwrap() < "2.28".parse().unwrap());
        assert!("2.2.5".parse::<Version>().unwrap() < "2.3".parse().unwrap());
        for invalid in ["", "2", "2.x", "2.1.2.3", "two"] {
            assert!(invalid.parse::<Version>().is_err(), "{invalid}");
        }
    }

    /// Two libraries, two versions, two targets; `f` is in `c` since 2.1 and in `m` since 2.2.5, `g` not on the second target.
    fn small_list() -> Vec<u8> {
        let mut list = b"\x02c\0m\0\x02\x02\x01\x00\x02\x02\x05\x02one\0two\0".to_vec();
        list.extend(b"\x03\0f\0\x03\x00\x80\x02\x81\x81g\0\x01\x80\x00\x81");
        list.extend(b"\x01\0object\0\x03\x08\x80\x81\x00\x00");
        list
    }

    #[test]
    fn a_table_is_generated_from_zigs_list() {
        let body = |target| {
            let table = generate(&small_list(), target).unwrap();
            table
                .lines()
                .filter(|line| !line.starts_with('#'))
                .map(|line| format!("{line}\n"))
                .collect::<String>()
        };
        assert_eq!(body("one"), "c 2.1\n  f g\nc 2.2.5\n  object\n");
        assert_eq!(body("two"), "c 2.1\n  f\nc 2.2.5\n  object\nm 2.2.5\n  f\n");
        assert_eq!(generate(&small_list(), "three"), None);
    }

    #[test]
    fn a_cut_or_longer_list_is_refused() {
        let list = small_list();
        for length in 0..list.len() {
            assert_eq!(generate(&list[..length], "one"), None, "{length} bytes");
        }
        assert_eq!(generate(&[list.as_slice(), b"\0"].concat(), "one"), None);
    }
}
