//! Makes the committed tables from Zig's list of glibc's symbols; a test, because nothing but this repository needs it.

use std::collections::BTreeMap;

use super::{TABLES, Version};
use crate::env;
use crate::verify::list::generate::{compare, push_group};

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
         # xtask/src/verify/glibc/generate.rs; a line is a library (as for -l) and a version, the indented lines below it are symbols.\n",
    );
    for ((library, version), symbols) in groups {
        push_group(&mut out, &format!("{library} {version}"), symbols);
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

/// `cargo xtask test` gives the list once the toolchain is there; without one there is nothing to compare with.
#[test]
fn the_committed_tables_are_zigs() {
    let Some(abilists) = env::abilists() else { return };
    let list = std::fs::read(&abilists).unwrap_or_else(|error| panic!("{}: {error}", abilists.display()));
    for (_, target, file, text) in TABLES {
        let new = generate(&list, target).expect("a list in the form of Zig 0.12 to 0.17");
        compare(file, &new, text);
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
