//! Good inputs, each made by the program's own writer, and what is done with them before a reader sees them.

use std::fs;
use std::path::Path;

use fastrand::Rng;
use v8_archive::{Descriptor, Lock, PackOptions, tar};

use super::mutate::mutate;
use super::objects::{coff, elf, macho};
use super::target::{self, Target};
use crate::error::{Error, IoContext as _, Result};
use crate::objects::{self, Cell, Key, Record};
use crate::paths::{self, Cache};

/// A descriptor with every key: the contract's own example.
const DESCRIPTOR: &str = include_str!("../../../crates/v8-archive/tests/descriptor.json");

/// What sccache 0.16 says of itself, with each kind of count that is read.
const STATISTICS: &str = r#"{"stats":{"compile_requests":12,"cache_hits":{"counts":{"C/C++":3,"Assembler":1},"adv_counts":{}},
"cache_misses":{"counts":{"C/C++":5},"adv_counts":{}},"cache_write_errors":2,"cache_timeouts":1,"cache_read_errors":2,
"cache_errors":{"counts":{"C/C++":1},"adv_counts":{}},"not_cached":{"-E":4},
"multi_level":[{"hits":1,"writes":5,"write_failures":0},{"hits":3,"writes":2,"write_failures":1}]}}"#;

/// As `lock` writes it.
const LOCK: &str = "# Written by `cargo xtask lock`; review it like code.
format = 1
release = \"15.2.124.1-1\"
number = 7
v8_version = \"15.2.124.1\"
index_sha256 = \"0000000000000000000000000000000000000000000000000000000000000000\"
origin = \"https://example.org/libv8/{release}/{name}\"

[[archive]]
name = \"libv8-15.2.124.1-a-b-release.tar.zst\"
size_bytes = 21000000
sha256 = \"0000000000000000000000000000000000000000000000000000000000000000\"
unpacked_size_bytes = 180000000
unpacked_sha256 = \"0000000000000000000000000000000000000000000000000000000000000000\"
build_id = \"0000000000000000000000000000000000000000000000000000000000000000\"
";

const CARGO_CONFIGURATION: &str = r#"[net]
offline = true
[http]
proxy = "user:password@proxy.example:8080" # comment
cainfo = 'certificates/ca.pem'
[source.x]
replace-with = { a = [1, 0x2, 1e3, 1979-05-27T07:32:00Z], "b.c" = """\u00e9""" }
"#;

/// Deep in brackets, where a reader that calls itself runs out of stack.
const DEEP: &[u8] = &[b'['; 1 << 16];

/// Words of the formats, and of those who attack them.
const WORDS: &[&[u8]] = &[
    DEEP,
    b"{\"a\":",
    b"[[",
    b"]]",
    b" = ",
    b"#",
    b"trusted comment: ",
    b"file:///",
    b"{name}",
    b"\n\n",
    b"../",
    b"/",
    b"\\",
    b"\0",
    b"CON",
    b"V8.json",
    b"\"",
    b"{",
    b"}",
    b"[",
    b"]",
    b"null",
    b"-1",
    b"1e999",
    b"\\u0000",
    b"ustar\x0000",
    b"2",
    b"x",
    b"L",
    b"0000755",
    b"77777777777",
    b"PK\x03\x04",
    b"PK\x01\x02",
    b"PK\x05\x06",
    b"\x28\xb5\x2f\xfd",
    b"\x1f\x8b\x08",
    b"diff --git a/",
    b"--- a/",
    b"+++ b/",
    b"@@ -1 +1 @@\n",
    b"\\ No newline",
    b"new file mode ",
    b"\r\n",
    b"/dev/null",
    b"!<arch>\n",
    b"!<thin>\n",
    b"//",
    b"`\n",
    b"\x7fELF\x02\x01\x01",
];

/// Good inputs of one target.
pub struct Seeds {
    target: Target,
    good: Vec<Vec<u8>>,
    /// Of the archive formats: the tar streams inside, which checksums would else protect from being spoiled.
    inner: Vec<Vec<u8>>,
}

impl Seeds {
    /// Makes them, with files in `scratch`, which are removed again.
    pub fn new(target: Target, scratch: &Path) -> Result<Seeds> {
        fs::create_dir_all(scratch).or_io("create", scratch)?;
        let seeds = Seeds { target, good: good(target, scratch)?, inner: inner(target, scratch)? };
        paths::remove_folder(scratch)?;
        Ok(seeds)
    }

    /// Input number `number` of a seed: always the same for the same three.
    pub fn input(&self, seed: u64, number: u64) -> Vec<u8> {
        let mut rng = Rng::with_seed(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let pick = |all: &[Vec<u8>], rng: &mut Rng| all[rng.usize(..all.len())].clone();
        if !self.inner.is_empty() && rng.bool() {
            let mut tar = pick(&self.inner, &mut rng);
            mutate(&mut tar, WORDS, &self.inner, &mut rng);
            if rng.bool() {
                mend_checksums(&mut tar);
            }
            return self.target.wrap(&tar);
        }
        let mut bytes = pick(&self.good, &mut rng);
        mutate(&mut bytes, WORDS, &self.good, &mut rng);
        bytes
    }
}

fn good(target: Target, scratch: &Path) -> Result<Vec<Vec<u8>>> {
    let failed = |error: v8_archive::Error| Error::failed(error.to_string());
    match target {
        Target::ArchiveTarZst | Target::ArchiveTarGz | Target::ArchiveTarXz | Target::ArchiveZip => {
            let format = target.format().expect("one of the four");
            let descriptor = descriptor()?;
            let files: [(&str, &[u8]); 3] = [
                ("include/v8.h", b"#include \"v8-gn.h\"\n"),
                ("lib/libv8.a", b"!<arch>\n"),
                ("licenses/empty", b""),
            ];
            for (path, bytes) in files {
                let path = scratch.join("content").join(path);
                let parent = path.parent().expect("it was joined");
                fs::create_dir_all(parent).or_io("create", parent)?;
                fs::write(&path, bytes).or_io("write", &path)?;
            }
            let options = PackOptions { zstd_level: 1, threads: 1 };
            let packed = v8_archive::pack(&scratch.join("content"), &descriptor, scratch, format, &options)
                .map_err(failed)?;
            Ok(vec![fs::read(&packed.path).or_io("read", &packed.path)?])
        }
        Target::Descriptor => Ok(vec![example().into_bytes(), descriptor()?.to_json().into_bytes()]),
        Target::Patch => {
            let folder = paths::repository().join("patches");
            let files = paths::files_below(&folder, "patch")?;
            files.iter().map(|path| fs::read(path).or_io("read", path)).collect()
        }
        Target::CacheFile => {
            let cache = Cache::at(scratch.join("cache"));
            let cell = Cell { target: "one".into(), variant: "release".into() };
            let keys: Vec<Key> =
                (0..3).map(|n| Key::try_from(format!("{n:x}").repeat(64)).expect("64 digits")).collect();
            for (number, key) in keys.iter().enumerate() {
                let place = key.place(&cache.sccache());
                let parent = place.parent().expect("place() joins names");
                fs::create_dir_all(parent).or_io("create", parent)?;
                fs::write(&place, vec![b'o'; 700 * number]).or_io("write", &place)?;
            }
            Record::of(&cache, &cell).add(keys)?;
            let file = scratch.join("objects.cache");
            objects::export(&cache, &cell, "1.2.3.4", &file, None)?;
            Ok(vec![fs::read(&file).or_io("read", &file)?])
        }
        Target::CacheStatistics => Ok(vec![STATISTICS.into()]),
        Target::Library => Ok(vec![
            library(&[("a.o", &elf()), ("b.o", &elf()), ("text", b"no object")]),
            library(&[("a.o", &coff())]),
            library(&[("a.o", &macho())]),
        ]),
        Target::Index => Ok(vec![target::INDEX.into()]),
        Target::Signature => Ok(vec![target::SIGNATURE.into()]),
        Target::Lock => Ok(vec![LOCK.into(), Lock::empty("1.2.3.4").to_text().into_bytes()]),
        Target::CargoConfiguration => Ok(vec![CARGO_CONFIGURATION.into()]),
        Target::PlantedPanic | Target::PlantedMemory | Target::PlantedHang | Target::PlantedLeak => {
            Ok(vec![b"planted".to_vec()])
        }
    }
}

/// The tar streams of the archive formats: of a good archive, and one whose descriptor lists what no archive may hold.
fn inner(target: Target, _scratch: &Path) -> Result<Vec<Vec<u8>>> {
    if !matches!(target, Target::ArchiveTarZst | Target::ArchiveTarGz | Target::ArchiveTarXz) {
        return Ok(Vec::new());
    }
    let stream = |files: &[(&str, &[u8])]| -> Result<Vec<u8>> {
        let mut descriptor = descriptor()?;
        descriptor.files = files
            .iter()
            .map(|(path, bytes)| v8_archive::descriptor::File {
                path: (*path).to_owned(),
                size_bytes: bytes.len() as u64,
                sha256: v8_archive::Sha256::of_bytes(bytes),
            })
            .collect();
        let json = descriptor.to_json();
        let mut out = Vec::new();
        for (path, bytes) in [(v8_archive::DESCRIPTOR_FILE, json.as_bytes())].iter().chain(files) {
            let size_bytes = bytes.len() as u64;
            out.extend(tar::header(path, size_bytes).expect("short"));
            out.extend(*bytes);
            out.resize(out.len() + tar::padding_bytes(size_bytes), 0);
        }
        out.extend(tar::END);
        Ok(out)
    };
    Ok(vec![
        stream(&[("a", b"1"), ("b/c", b"22"), ("b/d", b"")])?,
        stream(&[("b", b"1"), ("a", b"22")])?,
        stream(&[("../a", b"1")])?,
        stream(&[("a", b"1"), ("a/b", b"1"), ("A", b"1")])?,
    ])
}

/// The example has no digits in place of digests.
fn example() -> String {
    DESCRIPTOR.replace('…', &"0".repeat(64))
}

fn descriptor() -> Result<Descriptor> {
    let mut descriptor = Descriptor::from_json(example().as_bytes(), "the example")
        .map_err(|error| Error::failed(error.to_string()))?;
    descriptor.files.clear();
    Ok(descriptor)
}

/// Makes the checksum of every block right that looks like a header.
fn mend_checksums(tar: &mut [u8]) {
    for block in tar.chunks_exact_mut(tar::BLOCK_BYTES).filter(|block| block[257..262] == *b"ustar") {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    }
}

/// A static library in GNU's format.
fn library(members: &[(&str, &[u8])]) -> Vec<u8> {
    use ar_archive_writer::{ArchiveKind, DEFAULT_OBJECT_READER, NewArchiveMember, write_archive_to_stream};
    let members: Vec<_> = members
        .iter()
        .map(|(name, bytes)| NewArchiveMember::new(bytes, &DEFAULT_OBJECT_READER, (*name).to_owned()))
        .collect();
    let mut out = std::io::Cursor::new(Vec::new());
    write_archive_to_stream(&mut out, &members, ArchiveKind::Gnu, false, None)
        .expect("all of it is in memory");
    out.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::read::{Contents, Library};

    #[test]
    fn every_reader_accepts_its_seeds() {
        let folder = tempfile::tempdir().unwrap();
        for target in Target::REAL {
            let scratch = folder.path().join("scratch");
            let seeds = Seeds::new(target, &scratch).unwrap();
            assert!(!scratch.exists() && !seeds.good.is_empty(), "{target:?}");
            fs::create_dir(&scratch).unwrap();
            for good in &seeds.good {
                assert!(target.check(good, &scratch), "{target:?} refuses its own seed");
            }
            let any = seeds.inner.iter().filter(|tar| target.check(&target.wrap(tar), &scratch)).count();
            assert_eq!(any > 0, !seeds.inner.is_empty(), "{target:?}");
            paths::remove_folder(&scratch).unwrap();
        }
    }

    /// The lowest two bits of the byte that says how a block's sequences are coded are reserved (RFC 8878, 3.1.1.3.2.1).
    #[test]
    fn reserved_bits_of_zstd_are_no_fault() {
        let folder = tempfile::tempdir().unwrap();
        let scratch = folder.path().join("scratch");
        let seeds = Seeds::new(Target::ArchiveTarZst, &scratch).unwrap();
        fs::create_dir(&scratch).unwrap();
        // Where that byte stands is zstd's business: it is the one that only the strict reader minds.
        let only_strict = |frame: &[u8]| {
            zstd::stream::decode_all(frame).is_err() && Target::ArchiveTarZst.check(frame, &scratch)
        };
        let good = &seeds.good[0];
        let found = (0..good.len()).any(|at| {
            let mut frame = good.clone();
            frame[at] |= 1;
            only_strict(&frame)
        });
        assert!(found, "our reader has become strict: `stream` can expect that both accept");
    }

    #[test]
    fn an_input_follows_from_seed_and_number() {
        let folder = tempfile::tempdir().unwrap();
        let seeds = || Seeds::new(Target::ArchiveTarGz, &folder.path().join("scratch")).unwrap();
        assert_eq!(seeds().input(1, 77), seeds().input(1, 77));
        assert_ne!(seeds().input(1, 77), seeds().input(2, 77));
    }

    /// Every part of the readers has something to read in them.
    #[test]
    fn the_objects_made_by_hand_are_such() {
        let check = |bytes: Vec<u8>, sections: &[&str], symbols: &[(&str, bool, bool)], relocation: u32| {
            let bytes = library(&[("a.o", &bytes)]);
            let library = Library::parse(&bytes).unwrap();
            let Contents::Object(object) = &library.members[0].contents else {
                panic!("{:?}", library.members)
            };
            let names: Vec<&str> = object.sections.iter().map(|section| section.name).collect();
            let found: Vec<_> =
                object.symbols.iter().map(|symbol| (symbol.name, symbol.defined, symbol.weak)).collect();
            assert_eq!((names.as_slice(), found.as_slice()), (sections, symbols));
            assert!(object.sections[0].relocations.contains(&relocation), "{:?}", object.sections[0]);
            format!("{:?}", object.particular)
        };
        check(elf(), &[".text", ".rela.text", ".symtab", ".strtab"], &[("f", true, false)], 2);
        let said = check(coff(), &[".text", ".drectve"], &[("f", true, true), ("needed", false, false)], 4);
        assert!(said.contains("/EXPORT:f") && said.contains("a.cc"), "{said}");
        let relocation = crate::library::read::macho::relocation(2, 2, true);
        let said = check(macho(), &["__text"], &[("f", true, true), ("g", false, false)], relocation);
        assert!(said.contains("-lSystem") && said.contains("platform: 1"), "{said}");
    }
}
