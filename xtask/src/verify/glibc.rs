//! Which symbols each version of glibc has, in which library: what an object may leave undefined.
//!
//! A static library carries no symbol versions, so "needs glibc 2.34" can only be told by a table. The tables lie
//! beside this file and are committed, so that `verify` works without a toolchain; `glibc/generate.rs` makes them from the
//! list (`lib/libc/glibc/abilists`) that Zig's wheel carries, which merges glibc's own `*.abilist` files of all versions.

#[cfg(test)]
mod generate;

use std::collections::BTreeMap;

use super::list;
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
        for (heading, names) in list::sections(text) {
            let (library, version) = heading.split_once(' ').expect("a table's heading is `library version`");
            let here = (library, version.parse().expect("a table's version is one"));
            names.into_iter().for_each(|name| symbols.entry(name).or_default().push(here));
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
}
