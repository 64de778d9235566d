//! Where two archives of one plan differ: the descriptor's key, the file, the library's member, the section, the byte.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;
use v8_archive::{Descriptor, Sha256};

use crate::library::read::{Contents, Library, Member};

/// An archive, as far as it is compared.
#[derive(Debug, Clone)]
pub struct Side {
    /// Its descriptor.
    pub descriptor: Descriptor,
    /// Bytes of at least those files whose digests differ from the other side's.
    pub files: BTreeMap<String, Vec<u8>>,
}

/// One difference: the place from the large to the small, and what is there instead of what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// As in `["lib/libv8.a", "heap.o", ".text"]`.
    pub place: Vec<String>,
    /// As in `byte 0x10 of 0x400: 90, expected cc`.
    pub what: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place.join(": "), self.what)
    }
}

fn difference(place: &[&str], what: impl Into<String>) -> Difference {
    Difference { place: place.iter().map(|&part| part.to_owned()).collect(), what: what.into() }
}

/// Paths of the files that both have, with other bytes.
pub fn differing<'a>(expected: &'a Descriptor, found: &'a Descriptor) -> BTreeSet<&'a str> {
    let found = digests(found);
    let differs = |(path, digest): &(&str, Sha256)| found.get(path).is_some_and(|other| other != digest);
    digests(expected).into_iter().filter(differs).map(|(path, _)| path).collect()
}

fn digests(descriptor: &Descriptor) -> BTreeMap<&str, Sha256> {
    descriptor.files.iter().map(|file| (file.path.as_str(), file.sha256)).collect()
}

/// All differences, in the order of the archive: the descriptor, then its files; of a library, one for each member. Empty
/// for archives of the same contents.
pub fn compare(expected: &Side, found: &Side) -> Vec<Difference> {
    let mut differences = Vec::new();
    let [before, after] = [expected, found].map(|side| {
        // The list of files follows from the files.
        let listless = Descriptor { files: Vec::new(), ..side.descriptor.clone() };
        serde_json::to_value(listless).expect("a descriptor has only string keys")
    });
    compare_values(&mut vec!["V8.json".to_owned()], &before, &after, &mut differences);

    let [before, after] = [expected, found].map(|side| digests(&side.descriptor));
    let differing = differing(&expected.descriptor, &found.descriptor);
    for path in before.keys().chain(after.keys()).copied().collect::<BTreeSet<_>>() {
        if !after.contains_key(path) {
            differences.push(difference(&[path], "is missing"));
        } else if !before.contains_key(path) {
            differences.push(difference(&[path], "was not in it"));
        } else if differing.contains(path) {
            let [before, after] =
                [expected, found].map(|side| side.files.get(path).map_or(&[][..], Vec::as_slice));
            let is_library = expected.descriptor.libraries.iter().any(|library| library.path == path);
            match is_library.then(|| (Library::parse(before), Library::parse(after))) {
                Some((Ok(one), Ok(other))) => {
                    let of_members = compare_libraries(path, &one, &other);
                    if of_members.is_empty() {
                        let what = format!("outside of its members: {}", bytes(before, after));
                        differences.push(difference(&[path], what));
                    }
                    differences.extend(of_members);
                }
                _ => differences.push(difference(&[path], bytes(before, after))),
            }
        }
    }
    differences
}

/// Each key whose value differs.
fn compare_values(place: &mut Vec<String>, expected: &Value, found: &Value, into: &mut Vec<Difference>) {
    let mut below = |key: String, expected: &Value, found: &Value| {
        place.push(key);
        compare_values(place, expected, found, into);
        place.pop();
    };
    match (expected, found) {
        (Value::Object(one), Value::Object(other)) => {
            for key in one.keys().chain(other.keys()).collect::<BTreeSet<_>>() {
                let value = |map: &serde_json::Map<_, _>| map.get(key).cloned().unwrap_or(Value::Null);
                below(key.clone(), &value(one), &value(other));
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (number, (one, other)) in one.iter().zip(other).enumerate() {
                below(number.to_string(), one, other);
            }
        }
        _ if expected == found => {}
        _ => into.push(Difference { place: place.clone(), what: format!("{found}, expected {expected}") }),
    }
}

fn compare_libraries(path: &str, expected: &Library<'_>, found: &Library<'_>) -> Vec<Difference> {
    let [before, after] = [expected, found].map(by_name);
    let mut differences = Vec::new();
    for name in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
        match (before.get(name), after.get(name)) {
            (Some(one), Some(other)) if one.bytes == other.bytes => {}
            (Some(one), Some(other)) => {
                let (section, what) = compare_members(one, other);
                let place: Vec<&str> = [path, &name.0].into_iter().chain(section).collect();
                differences.push(difference(&place, what));
            }
            (Some(_), None) => differences.push(difference(&[path, &name.0], "is missing")),
            (None, _) => differences.push(difference(&[path, &name.0], "was not in it")),
        }
    }
    let names =
        |library: &Library<'_>| library.members.iter().map(|member| member.name.clone()).collect::<Vec<_>>();
    let (one, other) = (names(expected), names(found));
    if let (true, Some(at)) = (differences.is_empty(), one.iter().zip(&other).position(|(a, b)| a != b)) {
        let what =
            format!("its members are in another order: {} is {}, expected {}", at + 1, other[at], one[at]);
        differences.push(difference(&[path], what));
    }
    differences
}

/// Members by name, and by their number among those of one name.
fn by_name<'library, 'data>(
    library: &'library Library<'data>,
) -> BTreeMap<(String, usize), &'library Member<'data>> {
    let mut members = BTreeMap::new();
    for member in &library.members {
        let number = (0..).find(|number| !members.contains_key(&(member.name.clone(), *number)));
        members.insert((member.name.clone(), number.expect("there are as many numbers")), member);
    }
    members
}

/// The section in which two members first differ, if they are objects and it is in one, and what is different there.
fn compare_members<'a>(expected: &'a Member<'_>, found: &'a Member<'_>) -> (Option<&'a str>, String) {
    let (Contents::Object(one), Contents::Object(other)) = (&expected.contents, &found.contents) else {
        return (None, bytes(expected.bytes, found.bytes));
    };
    let pairs = || one.sections.iter().zip(&other.sections);
    if let Some((a, b)) = pairs().find(|(a, b)| a.name != b.name) {
        return (None, format!("has the section {}, expected {}", b.name, a.name));
    }
    if one.sections.len() != other.sections.len() {
        return (None, format!("has {} sections, expected {}", other.sections.len(), one.sections.len()));
    }
    // Code and data tell more than the names and tables that follow from them.
    let differing = || pairs().filter(|(a, b)| a.bytes != b.bytes);
    match differing().find(|(a, _)| a.allocated).or_else(|| differing().next()) {
        Some((a, b)) => (Some(a.name), bytes(a.bytes, b.bytes)),
        None => (None, format!("outside of its sections: {}", bytes(expected.bytes, found.bytes))),
    }
}

/// Where two runs of bytes first differ, with a few bytes of both.
fn bytes(expected: &[u8], found: &[u8]) -> String {
    let Some(at) = expected.iter().zip(found).position(|(a, b)| a != b) else {
        return format!("has {} bytes, expected {}, and begins alike", found.len(), expected.len());
    };
    let hex = |bytes: &[u8]| -> String {
        let words = bytes[at..].iter().take(8).map(|byte| format!("{byte:02x}"));
        words.collect::<Vec<_>>().join(" ")
    };
    format!("byte {at:#x} of {:#x}: {}, expected {}", found.len(), hex(found), hex(expected))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::{by_hand as library, test_object};
    use crate::verify::sample::Sample;

    /// Two archives with these files each; `lib/libv8.a` is the library.
    fn check(expected: &[(&str, &[u8])], found: &[(&str, &[u8])], differences: &[&str]) {
        let [one, other] = [expected, found].map(|files| side(files, |_| {}));
        assert_eq!(lines(&one, &other), differences);
    }

    fn lines(expected: &Side, found: &Side) -> Vec<String> {
        compare(expected, found).iter().map(ToString::to_string).collect()
    }

    fn side(files: &[(&str, &[u8])], edit: impl Fn(&mut Descriptor)) -> Side {
        let mut descriptor = Sample::good().descriptor;
        descriptor.files = files
            .iter()
            .map(|(path, bytes)| v8_archive::descriptor::File {
                path: (*path).to_owned(),
                size_bytes: bytes.len() as u64,
                sha256: Sha256::of_bytes(bytes),
            })
            .collect();
        edit(&mut descriptor);
        let files = files.iter().map(|(path, bytes)| ((*path).to_owned(), bytes.to_vec())).collect();
        Side { descriptor, files }
    }

    const LIBRARY: &str = "lib/libv8.a";

    #[test]
    fn equal_archives_have_no_difference() {
        let files = [("a", &b"1"[..]), (LIBRARY, b"!<arch>\n")];
        check(&files, &files, &[]);
    }

    #[test]
    fn a_file_is_named_with_the_first_byte() {
        check(
            &[("a", b"123"), ("b", b"1")],
            &[("a", b"1x3"), ("b", b"1")],
            &["a: byte 0x1 of 0x3: 78 33, expected 32 33"],
        );
        check(&[("a", b"123")], &[("a", b"12")], &["a: has 2 bytes, expected 3, and begins alike"]);
        check(&[("a", b""), ("b", b"")], &[("b", b""), ("c", b"")], &["a: is missing", "c: was not in it"]);
    }

    #[test]
    fn a_member_is_named() {
        let one = library(&[("a.o", b"same"), ("heap.o", b"1234"), ("z.o", b"z")]);
        let check = |members: &[(&str, &[u8])], differences: &[&str]| {
            check(&[(LIBRARY, &one)], &[(LIBRARY, &library(members))], differences);
        };
        check(
            &[("a.o", b"same"), ("heap.o", b"1299"), ("z.o", b"z")],
            &["lib/libv8.a: heap.o: byte 0x2 of 0x4: 39 39, expected 33 34"],
        );
        check(&[("a.o", b"same"), ("heap.o", b"1234")], &["lib/libv8.a: z.o: is missing"]);
        check(
            &[("a.o", b"same"), ("b.o", b""), ("heap.o", b"1234"), ("z.o", b"z")],
            &["lib/libv8.a: b.o: was not in it"],
        );
        check(
            &[("heap.o", b"1234"), ("a.o", b"same"), ("z.o", b"z")],
            &["lib/libv8.a: its members are in another order: 1 is heap.o, expected a.o"],
        );
        check(
            &[("a.o", b"other"), ("heap.o", b"1234"), ("z.o", b"y")],
            &[
                "lib/libv8.a: a.o: byte 0x0 of 0x5: 6f 74 68 65 72, expected 73 61 6d 65",
                "lib/libv8.a: z.o: byte 0x0 of 0x1: 79, expected 7a",
            ],
        );
        // Two of one name: the second is meant.
        let twice = |last: &'static [u8]| library(&[("h.o", b"1"), ("h.o", last)]);
        self::check(
            &[(LIBRARY, &twice(b"2"))],
            &[(LIBRARY, &twice(b"3"))],
            &["lib/libv8.a: h.o: byte 0x0 of 0x1: 33, expected 32"],
        );
    }

    #[test]
    fn what_is_outside_of_all_members_is_found() {
        let one = library(&[("a.o", b"1234")]);
        // The time in the member's header.
        let mut other = one.clone();
        other[8 + 16] ^= 1;
        check(
            &[(LIBRARY, &one)],
            &[(LIBRARY, &other)],
            &[
                "lib/libv8.a: outside of its members: byte 0x18 of 0x48: 30 37 30 30 30 30 30 30, expected 31 37 30 30 30 30 30 30",
            ],
        );
        check(
            &[(LIBRARY, &one)],
            &[(LIBRARY, b"no library")],
            &["lib/libv8.a: byte 0x0 of 0xa: 6e 6f 20 6c 69 62 72 61, expected 21 3c 61 72 63 68 3e 0a"],
        );
    }

    #[test]
    fn a_section_is_named() {
        let one = test_object(Some("a.cc"), &[("first", true)]);
        let renamed = test_object(Some("a.cc"), &[("fIrst", true)]);
        let found = lines(
            &side(&[(LIBRARY, &library(&[("a.o", &one)]))], |_| {}),
            &side(&[(LIBRARY, &library(&[("a.o", &renamed)]))], |_| {}),
        );
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("lib/libv8.a: a.o: .strtab: byte 0x"), "{found:?}");
        assert!(found[0].contains(": 49 72 73 74"), "{found:?}");
    }

    /// An object with a section that is not loaded before one that is.
    fn two_sections(comment: &[u8], data: &[u8]) -> Vec<u8> {
        use object::write::Object;
        use object::{Architecture, BinaryFormat, Endianness, SectionKind};
        let mut object = Object::new(BinaryFormat::Elf, Architecture::X86_64, Endianness::Little);
        let parts =
            [(".comment", SectionKind::OtherString, comment), (".rodata", SectionKind::ReadOnlyData, data)];
        for (name, kind, bytes) in parts {
            let id = object.add_section(Vec::new(), name.into(), kind);
            object.append_section_data(id, bytes, 1);
        }
        library(&[("a.o", &object.write().unwrap())])
    }

    #[test]
    fn what_is_loaded_goes_before_what_is_not() {
        let one = two_sections(b"clang 1", b"12");
        check(
            &[(LIBRARY, &one)],
            &[(LIBRARY, &two_sections(b"clang 2", b"19"))],
            &["lib/libv8.a: a.o: .rodata: byte 0x1 of 0x2: 39, expected 32"],
        );
        check(
            &[(LIBRARY, &one)],
            &[(LIBRARY, &two_sections(b"clang 2", b"12"))],
            &["lib/libv8.a: a.o: .comment: byte 0x6 of 0x7: 32, expected 31"],
        );
    }

    #[test]
    fn a_key_of_the_descriptor_is_named() {
        let one = side(&[], |_| {});
        let found = |edit: fn(&mut Descriptor)| lines(&one, &side(&[], edit));
        assert_eq!(
            found(|descriptor| descriptor.libc.floor = "2.31".into()),
            ["V8.json: libc: floor: \"2.31\", expected \"2.28\""]
        );
        assert_eq!(
            found(|descriptor| descriptor.dropped_flags.push("-fnew".into())),
            ["V8.json: dropped_flags: [\"-fnew\"], expected []"]
        );
        assert_eq!(
            found(|descriptor| descriptor.features.extend([("flying".into(), true)])),
            ["V8.json: features: flying: true, expected null"]
        );
    }
}
