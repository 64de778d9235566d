//! No path of the machine that built it: same inputs must give the same bytes, and nobody's folders belong in a library.

use std::collections::BTreeSet;

use super::{Archive, Found};
use crate::library::read::{Object, Particular, Section};

/// Endings of the files that a compiler, an assembler or torque is given; a path with one comes from `__FILE__` or from debug data.
const SOURCES: &[&[u8]] =
    &[b".cc", b".cpp", b".cxx", b".c", b".h", b".hpp", b".inc", b".S", b".s", b".tq", b".js", b".o", b".rs"];

/// Absolute paths of source files in data and debug sections.
///
/// Only whole paths of sources: V8 itself contains `/tmp/perf-%d.map` and `/proc/self/maps`.
pub fn build_paths(archive: &Archive<'_>, found: &mut Found<'_>) {
    for (member, object) in archive.library.objects() {
        let texts = object.sections.iter().filter(|section| holds_text(section)).map(|section| section.bytes);
        let paths: BTreeSet<&str> = texts
            .chain(sources(object).map(str::as_bytes))
            .flat_map(|text| source_paths(text).chain(windows_paths(text)))
            .collect();
        for path in paths {
            found.add(&member.name, format!("contains the path {path} of the machine that built it"));
        }
    }
}

/// The names of its sources that a COFF object has outside of its sections.
fn sources<'a>(object: &'a Object<'_>) -> impl Iterator<Item = &'a str> {
    let coff = match &object.particular {
        Particular::Coff(coff) => Some(coff),
        Particular::Elf | Particular::MachO(_) => None,
    };
    coff.into_iter().flat_map(|coff| coff.sources.iter().copied())
}

fn holds_text(section: &Section<'_>) -> bool {
    const ELF_AND_COFF: [&str; 6] = [".rodata", ".rdata", ".data", ".debug", ".strtab", ".comment"];
    const MACHO: [&str; 4] = ["__cstring", "__const", "__data", "__literal"];
    section.segment == "__DWARF"
        || ELF_AND_COFF.iter().chain(&MACHO).any(|name| section.name.starts_with(name))
}

/// `C:\folder\…\name.cc`, with either kind of stroke, wherever it starts a word.
fn windows_paths(bytes: &[u8]) -> impl Iterator<Item = &str> {
    let in_path = |byte: &u8| byte.is_ascii_alphanumeric() || b"\\/._-+@~ ()".contains(byte);
    let is_stroke = |byte: &u8| b"\\/".contains(byte);
    memchr::memchr_iter(b':', bytes).filter_map(move |colon| {
        let start = colon.checked_sub(1)?;
        let begins = start == 0 || !bytes[start - 1].is_ascii_alphanumeric();
        let rest = bytes.get(colon + 1..)?;
        if !begins || !bytes[start].is_ascii_alphabetic() || !rest.first().is_some_and(is_stroke) {
            return None;
        }
        let length = rest.iter().position(|byte| !in_path(byte)).unwrap_or(rest.len());
        let path = &bytes[start..colon + 1 + length];
        let is_source = SOURCES.iter().any(|ending| path.ends_with(ending));
        let folders = path.iter().filter(|byte| is_stroke(byte)).count();
        (is_source && folders >= 2).then(|| std::str::from_utf8(path).ok()).flatten()
    })
}

/// `/folder/…/name.cc`, wherever it starts a word.
fn source_paths(bytes: &[u8]) -> impl Iterator<Item = &str> {
    let in_path = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+@~ ".contains(byte);
    memchr::memchr_iter(b'/', bytes).filter_map(move |start| {
        // The middle of a relative path (`../../v8/src`), of a URL, or of a comment.
        if start > 0
            && (bytes[start - 1].is_ascii_alphanumeric() || b"/._-+@~:)]}*<\"".contains(&bytes[start - 1]))
        {
            return None;
        }
        // Also ends the search early for most slashes.
        if !bytes.get(start + 1).is_some_and(u8::is_ascii_alphanumeric) {
            return None;
        }
        let rest = &bytes[start..];
        let length = rest.iter().position(|byte| !in_path(byte)).unwrap_or(rest.len());
        let path = &rest[..length];
        let is_source = SOURCES.iter().any(|ending| path.ends_with(ending));
        let folders = path.iter().filter(|byte| **byte == b'/').count();
        (is_source && folders >= 2).then(|| std::str::from_utf8(path).ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        assert_eq!(source_paths(text.as_bytes()).collect::<Vec<_>>(), expected, "{text:?}");
    }

    #[test]
    fn only_whole_absolute_paths_of_sources_count() {
        check("\0/home/me/v8/src/api.cc\0", &["/home/me/v8/src/api.cc"]);
        check("/b/w/x.h\0/root/y.S\0", &["/b/w/x.h", "/root/y.S"]);
        check("a\0/home/my name/x.cc\0", &["/home/my name/x.cc"]);
        check("at /srv/x/y.tq:12", &["/srv/x/y.tq"]);
        check("../../v8/src/api.cc\0", &[]);
        check("/tmp/perf-%d.map\0/proc/self/maps\0/tmp/\0", &[]);
        check("https://chromium.org/v8/x.cc // comment.h", &[]);
        check("/x.cc\0a/b.cc\0", &[]);
    }

    #[test]
    fn paths_of_windows_are_paths_too() {
        let check = |text: &str, expected: &[&str]| {
            assert_eq!(windows_paths(text.as_bytes()).collect::<Vec<_>>(), expected, "{text:?}");
        };
        check("\0C:\\b\\v8\\api.cc\0", &["C:\\b\\v8\\api.cc"]);
        check("d:/b/my v8/api.h\0", &["d:/b/my v8/api.h"]);
        check("https://x.org/a/b.js", &[]);
        check("C:\\api.cc\0 12:/a\0 a:b:c", &[]);
    }
}
