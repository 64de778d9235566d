//! Compares the objects of two build folders, byte for byte, and says in what those that differ do.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, IoContext as _, Result};
use crate::library::read::Object;
use crate::paths::files_below;

/// What came of comparing.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Objects that are in both folders.
    pub compared: usize,
    /// Each object that differs or is in one folder only, with how.
    pub differences: Vec<(String, Vec<String>)>,
}

/// How much of one object's differences is told.
const LIMIT: usize = 8;

/// Compares all `.o` files below `obj/` of two folders. That there is none at all is an error: it would prove nothing.
pub fn compare(plain: &Path, ours: &Path) -> Result<Comparison> {
    let names = [plain, ours].map(objects);
    let [of_plain, of_ours] = names;
    let (of_plain, of_ours) = (of_plain?, of_ours?);
    for (folder, names) in [(plain, &of_plain), (ours, &of_ours)] {
        if names.is_empty() {
            return Err(Error::usage(format!("there is no object below {}", folder.join("obj").display()))
                .help("give folders of ninja's in which a build has ended"));
        }
    }
    compare_those(plain, ours, of_plain.union(&of_ours))
}

/// Compares objects by their names relative to both folders.
pub fn compare_those<'a>(
    plain: &Path,
    ours: &Path,
    names: impl IntoIterator<Item = &'a String>,
) -> Result<Comparison> {
    let mut comparison = Comparison::default();
    for name in names {
        let [of_plain, of_ours] = [plain, ours].map(|folder| folder.join(name));
        let how = match (of_plain.is_file(), of_ours.is_file()) {
            (true, false) => vec!["only in the plain build".to_owned()],
            (false, true) => vec!["only in ours".to_owned()],
            _ => {
                comparison.compared += 1;
                let read = |path: &Path| fs::read(path).or_io("read", path);
                differences(&read(&of_plain)?, &read(&of_ours)?)
            }
        };
        if !how.is_empty() {
            comparison.differences.push((name.clone(), how));
        }
    }
    Ok(comparison)
}

impl Comparison {
    /// One line if all is equal; else each object with how it differs.
    pub fn text(&self) -> String {
        let mut text = format!("objects: {} compared, ", self.compared);
        match self.differences.len() {
            0 => text.push_str("all identical\n"),
            many => text.push_str(&format!("{many} differ\n")),
        }
        for (name, how) in &self.differences {
            text.push_str(&format!("  {name}\n"));
            for line in how {
                text.push_str(&format!("    {line}\n"));
            }
        }
        text
    }

    /// An error, exit status 1, if any object differs.
    pub fn verdict(&self) -> Result<()> {
        match self.differences.len() {
            0 => Ok(()),
            many => Err(Error::failed(format!("{many} objects differ between the plain build and ours"))),
        }
    }
}

/// The objects below `obj/`, relative to the folder.
fn objects(folder: &Path) -> Result<BTreeSet<String>> {
    let relative = |path: PathBuf| {
        path.strip_prefix(folder).expect("it lies below").to_string_lossy().replace('\\', "/")
    };
    Ok(files_below(&folder.join("obj"), "o")?.into_iter().map(relative).collect())
}

/// In what two objects differ: sections, symbols, or else the first byte; nothing if they are equal.
fn differences(plain: &[u8], ours: &[u8]) -> Vec<String> {
    if plain == ours {
        return Vec::new();
    }
    let mut found = Vec::new();
    if let (Ok(plain), Ok(ours)) = (Object::parse(plain), Object::parse(ours)) {
        let (left, right) = (sections(&plain), sections(&ours));
        for (key, bytes) in &left {
            let (name, number) = key;
            let name =
                if *number == 0 { (*name).to_owned() } else { format!("{name} (number {})", number + 1) };
            match right.get(key) {
                None => found.push(format!("section {name}: only in the plain build")),
                Some(other) if other.len() != bytes.len() => {
                    found.push(format!("section {name}: {} bytes, ours {}", bytes.len(), other.len()));
                }
                Some(other) if other != bytes => {
                    found.push(format!(
                        "section {name}: differs from byte {}",
                        first_difference(bytes, other)
                    ));
                }
                Some(_) => {}
            }
        }
        let only_ours = right.keys().filter(|key| !left.contains_key(*key));
        found.extend(only_ours.map(|(name, _)| format!("section {name}: only in ours")));
        let (left, right) = (symbols(&plain), symbols(&ours));
        found.extend(left.difference(&right).map(|name| format!("symbol {name}: only in the plain build")));
        found.extend(right.difference(&left).map(|name| format!("symbol {name}: only in ours")));
    }
    if found.is_empty() {
        found.push(format!(
            "{} bytes, ours {}; they differ from byte {}",
            plain.len(),
            ours.len(),
            first_difference(plain, ours)
        ));
    }
    if found.len() > LIMIT {
        let more = found.len() - LIMIT;
        found.truncate(LIMIT);
        found.push(format!("and {more} more"));
    }
    found
}

/// Sections by name and how many of that name came before: one for each function may have the same.
fn sections<'data>(object: &Object<'data>) -> BTreeMap<(&'data str, usize), &'data [u8]> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let numbered = object.sections.iter().map(|section| {
        let count = counts.entry(section.name).or_default();
        *count += 1;
        ((section.name, *count - 1), section.bytes)
    });
    numbered.collect()
}

/// Names of the symbols that others can see, with whether they are defined.
fn symbols<'data>(object: &Object<'data>) -> BTreeSet<&'data str> {
    object.symbols.iter().filter(|symbol| symbol.defined).map(|symbol| symbol.name).collect()
}

fn first_difference(one: &[u8], other: &[u8]) -> usize {
    one.iter().zip(other).position(|(one, other)| one != other).unwrap_or(one.len().min(other.len()))
}

#[cfg(test)]
mod tests {
    use object::write::{Object as NewObject, Symbol, SymbolSection};
    use object::{Architecture, BinaryFormat, Endianness, SymbolFlags, SymbolKind, SymbolScope};

    use super::*;

    /// An ELF object with one function of these bytes.
    fn elf(symbol: &str, code: &[u8]) -> Vec<u8> {
        let mut object = NewObject::new(BinaryFormat::Elf, Architecture::X86_64, Endianness::Little);
        let section = object.section_id(object::write::StandardSection::Text);
        let value = object.append_section_data(section, code, 1);
        object.add_symbol(Symbol {
            name: symbol.into(),
            value,
            size: code.len() as u64,
            kind: SymbolKind::Text,
            scope: SymbolScope::Linkage,
            weak: false,
            section: SymbolSection::Section(section),
            flags: SymbolFlags::None,
        });
        object.write().unwrap()
    }

    #[test]
    fn an_object_says_in_what_it_differs() {
        let base = elf("f", b"abc");
        assert_eq!(differences(&base, &elf("f", b"abc")), [""; 0]);
        assert_eq!(differences(&base, &elf("f", b"abX")), ["section .text: differs from byte 2"]);
        let longer = differences(&base, &elf("f", b"abcd"));
        assert!(longer.contains(&"section .text: 3 bytes, ours 4".to_owned()), "{longer:?}");
        let renamed = differences(&base, &elf("g", b"abc"));
        assert!(renamed.contains(&"symbol f: only in the plain build".to_owned()), "{renamed:?}");
        assert!(renamed.contains(&"symbol g: only in ours".to_owned()), "{renamed:?}");
        assert_eq!(differences(b"no object", b"no Object"), ["9 bytes, ours 9; they differ from byte 3"]);
        assert_eq!(differences(b"cut", b"cut off"), ["3 bytes, ours 7; they differ from byte 3"]);
    }

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        folder
    }

    #[test]
    fn folders_are_compared_whole() {
        let (one, two) = (elf("f", b"abc"), elf("f", b"abX"));
        let plain = folder(&[
            ("obj/v8/a.o", &one),
            ("obj/b.o", &one),
            ("obj/only.o", &one),
            ("obj/x.a", b"1"),
            ("gen/y.o", b"1"),
        ]);
        let ours =
            folder(&[("obj/v8/a.o", &two), ("obj/b.o", &one), ("obj/x.a", b"2"), ("obj/more.o", &one)]);
        let comparison = compare(plain.path(), ours.path()).unwrap();
        let expected = "objects: 2 compared, 3 differ
  obj/more.o
    only in ours
  obj/only.o
    only in the plain build
  obj/v8/a.o
    section .text: differs from byte 2
";
        assert_eq!(comparison.text(), expected);
        assert_eq!(comparison.verdict().unwrap_err().exit_code(), 1);
        let same = compare(plain.path(), plain.path()).unwrap();
        assert_eq!(same.text(), "objects: 3 compared, all identical\n");
        same.verdict().unwrap();
    }

    #[test]
    fn folders_without_objects_prove_nothing() {
        let (some, none) = (folder(&[("obj/a.o", b"1")]), folder(&[("obj/a.a", b"1")]));
        for (plain, ours) in [(&some, &none), (&none, &some)] {
            assert_eq!(compare(plain.path(), ours.path()).unwrap_err().exit_code(), 2);
        }
        let nowhere = some.path().join("nowhere");
        assert_eq!(compare(some.path(), &nowhere).unwrap_err().exit_code(), 1);
    }
}
