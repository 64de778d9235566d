//! What is fuzzed: every reader of bytes that others wrote, and what must hold for whatever it is given.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path};

use clap::ValueEnum;
use v8_archive::index::{Trust, TrustedKey};
use v8_archive::{DESCRIPTOR_FILE, Descriptor, Format, Index, Limits, Lock, PackOptions, Sha256};

use crate::library::private::make_private;
use crate::library::read::Library;
use crate::objects;
use crate::paths::Cache;
use crate::sccache::Counts;
use crate::source::patch::Patch;

/// The build script's own file: tool and embedding crate share no module.
#[path = "../../../crates/libv8/build/network/cargo_config.rs"]
#[allow(dead_code, reason = "which files are read is the build script's business")]
mod cargo_config;

/// An index, and its signature by a key that signs nothing else; its secret half was not kept.
pub const INDEX: &str = include_str!("index.json");
const PUBLIC_KEY: &str = "RWT3vV7qZ/Ef7CeEXIcATToDDOeyT4SwRm/L77PakbqMpnG/xR12Lgpm";
pub const SIGNATURE: &str = "\
untrusted comment: signature from rsign secret key
RUT3vV7qZ/Ef7Mdx7za+4wSkfGz9mYV7P/gnVko1XSmd0RahcWH38yFG2v0m+8zh6Ppg3UKF5G6zU2q6gok9yYIMAsJvwrCnkAk=
trusted comment: libv8 release 15.2.124.1-2 number 7
COUsqZqywrq6wr6rFL2pbAz7LF2UCflkkbXJi1pUbbpEeh/SIUetzgfEUETy6RanMelJ24kh9Rvst4e17I4+DA==
";

/// A reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// Unpacking a .tar.zst
    ArchiveTarZst,
    /// Unpacking a .tar.gz
    ArchiveTarGz,
    /// Unpacking a .tar.xz
    ArchiveTarXz,
    /// Unpacking a .zip
    ArchiveZip,
    /// V8.json
    Descriptor,
    /// A file of patches/
    Patch,
    /// A file of cache import
    CacheFile,
    /// What sccache says it has done
    CacheStatistics,
    /// A static library and its objects
    Library,
    /// index.json of a release
    Index,
    /// index.json.minisig
    Signature,
    /// prebuilt.toml
    Lock,
    /// A config.toml of cargo, as the build script of libv8 reads it
    CargoConfiguration,
    /// Shows that a panic is found
    #[value(hide = true)]
    PlantedPanic,
    /// Shows that memory without limit is found
    #[value(hide = true)]
    PlantedMemory,
    /// Shows that a hang is found
    #[value(hide = true)]
    PlantedHang,
    /// Shows that a file outside is found
    #[value(hide = true)]
    PlantedLeak,
}

impl Target {
    /// Those that are readers.
    pub const REAL: [Target; 13] = [
        Target::ArchiveTarZst,
        Target::ArchiveTarGz,
        Target::ArchiveTarXz,
        Target::ArchiveZip,
        Target::Descriptor,
        Target::Patch,
        Target::CacheFile,
        Target::CacheStatistics,
        Target::Library,
        Target::Index,
        Target::Signature,
        Target::Lock,
        Target::CargoConfiguration,
    ];

    /// As on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().expect("none is skipped").get_name().to_owned()
    }

    /// The format, of those that are archives.
    pub fn format(self) -> Option<Format> {
        match self {
            Target::ArchiveTarZst => Some(Format::TarZst),
            Target::ArchiveTarGz => Some(Format::TarGz),
            Target::ArchiveTarXz => Some(Format::TarXz),
            Target::ArchiveZip => Some(Format::Zip),
            _ => None,
        }
    }

    /// A tar stream in the target's container, whose own checksums are right.
    pub fn wrap(self, tar: &[u8]) -> Vec<u8> {
        match self {
            Target::ArchiveTarZst => zst(tar),
            Target::ArchiveTarXz => xz(tar),
            _ => gz(tar),
        }
    }

    /// Gives an input to the reader, and panics if what must hold does not; `true` if the reader accepted it. `scratch` is an
    /// empty folder, and is again afterwards.
    pub fn check(self, input: &[u8], scratch: &Path) -> bool {
        let accepted = match self {
            Target::ArchiveTarZst | Target::ArchiveTarGz | Target::ArchiveTarXz | Target::ArchiveZip => {
                archive(self, input, scratch)
            }
            Target::Descriptor => descriptor(input),
            Target::Patch => patch(input),
            Target::CacheFile => cache_file(input, scratch),
            Target::CacheStatistics => statistics(input),
            Target::Library => library(input),
            Target::Index => index(input),
            Target::Signature => signature(input),
            Target::Lock => lock(input),
            Target::CargoConfiguration => {
                std::str::from_utf8(input).is_ok_and(|text| cargo_config::parse(text).is_ok())
            }
            Target::PlantedPanic => {
                assert!(input == b"planted", "a planted fault");
                true
            }
            Target::PlantedMemory => vec![1u8; 1 << 40].iter().any(|byte| *byte == 0),
            Target::PlantedHang => loop {
                std::thread::sleep(std::time::Duration::from_secs(1));
            },
            Target::PlantedLeak => {
                fs::write(scratch.join("planted"), input).expect("the scratch folder is ours");
                true
            }
        };
        assert_eq!(names(scratch), BTreeSet::new(), "something was left behind, or written outside");
        accepted
    }
}

/// Small, so that what would go on for long ends soon.
const LIMITS: Limits = Limits {
    max_total_bytes: 16 << 20,
    max_entries: 64,
    max_ratio: 1000,
    max_window_bytes: 1 << 27,
    max_descriptor_bytes: 1 << 20,
};

/// An archive is unpacked whole or not at all; what was accepted is, byte for byte, what `pack` makes of the same files.
fn archive(target: Target, input: &[u8], scratch: &Path) -> bool {
    let [file, out, again] = ["archive", "out", "again"].map(|name| scratch.join(name));
    fs::write(&file, input).expect("the scratch folder is ours");
    // Both ways in: the descriptor alone, and everything.
    let opened = v8_archive::open(&file);
    let unpacked = v8_archive::unpack(&file, &out, &LIMITS);
    let listed = v8_archive::verify_contents(&file, &LIMITS);
    let left: BTreeSet<String> = names(scratch);
    fs::remove_file(&file).expect("it was written above");
    let Ok(descriptor) = unpacked else {
        assert_eq!(left, set(["archive"]), "a refused archive left something behind");
        assert!(
            listed.is_err() || !listed.is_ok_and(|(_, faults)| faults.is_empty()),
            "refused, but without fault"
        );
        return false;
    };
    assert_eq!(left, set(["archive", "out"]));
    assert!(listed.is_ok_and(|(_, faults)| faults.is_empty()), "unpacked, but faulty");
    assert!(opened.is_ok_and(|reader| *reader.descriptor() == descriptor), "opened and unpacked differ");

    // Exactly the listed files, all of them regular.
    let mut expected: BTreeSet<String> = descriptor.files.iter().map(|file| file.path.clone()).collect();
    expected.insert(DESCRIPTOR_FILE.to_owned());
    let mut found = BTreeSet::new();
    regular_files(&out, "", &mut found);
    assert_eq!(found, expected);

    // The one form: from the files alone, the same tar stream.
    let json = fs::read(out.join(DESCRIPTOR_FILE)).expect("it was found");
    fs::remove_file(out.join(DESCRIPTOR_FILE)).expect("it was found");
    if json == descriptor.to_json().into_bytes() {
        fs::create_dir(&again).expect("the scratch folder is ours");
        let format = target.format().expect("an archive");
        let options = PackOptions { zstd_level: 1, threads: 1 };
        let packed = v8_archive::pack(&out, &descriptor, &again, format, &options).expect("it was accepted");
        assert_eq!(packed.descriptor, descriptor, "packed again it has another descriptor");
        if let Some(stream) = stream(target, input) {
            assert_eq!(packed.tar.sha256, Sha256::of_bytes(&stream), "packed again it is another tar stream");
        }
        fs::remove_dir_all(&again).expect("it was made above");
    }
    fs::remove_dir_all(&out).expect("it was unpacked above");
    true
}

/// The tar stream in an archive that was accepted, by another reader than ours where there is one.
fn stream(target: Target, input: &[u8]) -> Option<Vec<u8>> {
    use std::io::Read as _;
    let mut stream = Vec::new();
    match target {
        Target::ArchiveTarGz => {
            flate2::read::GzDecoder::new(input).read_to_end(&mut stream).expect("it was accepted");
            Some(stream)
        }
        Target::ArchiveTarXz => {
            let mut decoder = lzma_rust2::XzReader::new(input, false);
            decoder.read_to_end(&mut stream).expect("it was accepted");
            Some(stream)
        }
        // By zstd's own library, which is stricter: it refuses reserved bits that are not zero, and ours does not look at
        // them. They say nothing, the frame's checksum and the digest of every file were right: that is no fault.
        Target::ArchiveTarZst => zstd::stream::decode_all(input).ok(),
        _ => None,
    }
}

/// `V8.json` that is accepted can be written and read again.
fn descriptor(input: &[u8]) -> bool {
    let Ok(descriptor) = Descriptor::from_json(input, "fuzz") else { return false };
    let text = descriptor.to_json();
    let again = Descriptor::from_json(text.as_bytes(), "fuzz").expect("what is written can be read");
    assert_eq!(again, descriptor);
    assert_eq!(again.to_json(), text);
    descriptor.archive_name(Format::TarZst).expect("its name was checked");
    true
}

/// An accepted patch stays inside the tree, and holds no more lines than its file.
fn patch(input: &[u8]) -> bool {
    let Ok(patch) = Patch::parse("0001-fuzz", input) else { return false };
    let lines: usize =
        patch.diffs.iter().flat_map(|diff| &diff.hunks).map(|hunk| hunk.old.len().max(hunk.new.len())).sum();
    assert!(lines <= input.split(|byte| *byte == b'\n').count(), "{lines} lines out of fewer");
    for diff in &patch.diffs {
        let plain = Path::new(&diff.path).components().all(|part| matches!(part, Component::Normal(_)));
        assert!(plain && !diff.path.is_empty(), "the patch leaves the tree: {:?}", diff.path);
    }
    true
}

/// A cache file comes in whole or not at all.
fn cache_file(input: &[u8], scratch: &Path) -> bool {
    let (file, cache) = (scratch.join("file"), Cache::at(scratch.join("cache")));
    fs::write(&file, input).expect("the scratch folder is ours");
    let imported = objects::import(&cache, &file);
    let there = objects::list(&cache.sccache()).expect("the scratch folder is ours");
    fs::remove_file(&file).expect("it was written above");
    let accepted = match imported {
        Ok((index, _)) => {
            let keys = |keys: Vec<String>| keys.into_iter().collect::<BTreeSet<_>>();
            assert_eq!(
                keys(there.iter().map(|object| object.key.to_string()).collect()),
                keys(index.entries.iter().map(|entry| entry.key.to_string()).collect())
            );
            let known = set(["sccache", "used"]);
            assert!(names(cache.root()).is_subset(&known), "{:?}", names(cache.root()));
            true
        }
        Err(_) => {
            assert!(there.is_empty(), "a refused file left {} objects", there.len());
            false
        }
    };
    crate::paths::remove_folder(cache.root()).expect("the scratch folder is ours");
    accepted
}

/// Counts are numbers, however large; adding them is what a build does with two servers.
fn statistics(input: &[u8]) -> bool {
    let Some(counts) = std::str::from_utf8(input).ok().and_then(Counts::parse) else { return false };
    let mut sum = counts.clone();
    sum += &counts;
    sum.hits >= counts.hits
}

/// An accepted index can be written and read again.
fn index(input: &[u8]) -> bool {
    let Ok(index) = Index::from_json(input, "fuzz") else { return false };
    let again = Index::from_json(index.to_json().as_bytes(), "fuzz").expect("what is written can be read");
    assert_eq!(again, index);
    true
}

/// Only the one signature is accepted, whatever stands around it.
fn signature(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else { return false };
    let keys = [TrustedKey::parse(PUBLIC_KEY).expect("it is one")];
    let trust = Trust { keys: &keys, now: None, seen: None };
    if Index::verified(INDEX.as_bytes(), text, &trust, "fuzz").is_err() {
        return false;
    }
    // The first line is a comment that nobody signs.
    let signed = |text: &str| text.lines().skip(1).take(3).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(signed(text), signed(SIGNATURE), "another signature is accepted");
    true
}

/// An accepted lock has one text, but for comments and empty lines.
fn lock(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else { return false };
    let Ok(lock) = Lock::parse(text, "fuzz") else { return false };
    let lines = |text: &str| {
        let said = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        said.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(lines(&lock.to_text()), lines(text), "written again it is another lock");
    assert_eq!(Lock::parse(&lock.to_text(), "fuzz").expect("what is written can be read"), lock);
    true
}

/// Members and sections lie inside the file, and what is changed in an object.
fn library(input: &[u8]) -> bool {
    let Ok(library) = Library::parse(input) else { return false };
    let bytes: usize = library.members.iter().map(|member| member.bytes.len()).sum();
    assert!(bytes <= input.len(), "{bytes} bytes of members in {} of a file", input.len());
    drop(library.symbol_table());
    for member in &library.members {
        // An error says how it is damaged; anything else is a fault.
        let _ = make_private(&mut member.bytes.to_vec());
    }
    true
}

fn set<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Paths of all files below a folder; anything else than files and folders is a fault.
fn regular_files(folder: &Path, prefix: &str, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type().expect("it was just listed");
        assert!(kind.is_file() || kind.is_dir(), "{path} is neither file nor folder");
        if kind.is_dir() {
            regular_files(&entry.path(), &format!("{path}/"), found);
        } else {
            found.insert(path);
        }
    }
}

/// A gzip member of stored blocks with the header that `pack` writes (RFC 1951, 3.2.4; RFC 1952).
fn gz(tar: &[u8]) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255];
    for chunk in tar.chunks(0xffff) {
        let length = chunk.len() as u16;
        out.push(0);
        out.extend(length.to_le_bytes().into_iter().chain((!length).to_le_bytes()));
        out.extend(chunk);
    }
    out.extend([1, 0, 0, 0xff, 0xff]);
    let mut crc = flate2::Crc::new();
    crc.update(tar);
    out.extend(crc.sum().to_le_bytes().into_iter().chain((tar.len() as u32).to_le_bytes()));
    out
}

/// A stream of xz, with the checksum that `pack` writes.
fn xz(tar: &[u8]) -> Vec<u8> {
    let make = || {
        let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(0))?;
        std::io::Write::write_all(&mut encoder, tar)?;
        encoder.finish()
    };
    make().expect("all of it is in memory")
}

/// A zstd frame with what `pack` writes: checksum and content size.
fn zst(tar: &[u8]) -> Vec<u8> {
    let make = || {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1)?;
        encoder.include_checksum(true)?;
        encoder.set_pledged_src_size(Some(tar.len() as u64))?;
        std::io::Write::write_all(&mut encoder, tar)?;
        encoder.finish()
    };
    make().expect("all of it is in memory")
}
