//! Archives made by hand, byte by byte, without the code under test.

// Each test program uses a part of this.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use v8_archive::descriptor::{
    Cxx, CxxRuntime, File, GnValue, Libc, LibcFamily, Library, License, Patch, Source, TlsModel, Tool,
};
use v8_archive::{Descriptor, FORMAT, Sha256};

/// A folder whose path has a space, a `+` and a letter outside ASCII in it (F41); removed with the value.
pub struct Folder {
    _root: TempDir,
    pub path: PathBuf,
}

pub fn folder() -> Folder {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("ä b+c");
    fs::create_dir(&path).unwrap();
    Folder { _root: root, path }
}

pub fn write(path: PathBuf, data: impl AsRef<[u8]>) -> PathBuf {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, data).unwrap();
    path
}

/// Names in a folder, sorted.
pub fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// All files below a folder, by path.
pub fn tree(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for name in names(folder) {
        let path = folder.join(&name);
        if path.is_dir() {
            files.extend(tree(&path).into_iter().map(|(rest, data)| (format!("{name}/{rest}"), data)));
        } else {
            files.insert(name, fs::read(path).unwrap());
        }
    }
    files
}

/// Bytes that do not compress, always the same (Marsaglia's xorshift64).
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 88_172_645_463_325_252u64;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .collect()
}

pub fn descriptor() -> Descriptor {
    let sha256 = Sha256::of_bytes(b"");
    let list = |words: &str| words.split(' ').map(str::to_owned).collect::<Vec<_>>();
    Descriptor {
        format: FORMAT,
        name: "libv8-15.2.124.1-x86_64-unknown-linux-gnu-release".into(),
        v8_version: "15.2.124.1".into(),
        target: "x86_64-unknown-linux-gnu".into(),
        variant: "release".into(),
        build_id: sha256,
        source: Source { kind: "crate".into(), package: "v8".into(), version: "152.2.0".into(), sha256 },
        patches: vec![Patch { name: "0001-a.patch".into(), sha256 }],
        gn_args: [
            ("target_cpu".to_owned(), GnValue::String("x64".into())),
            ("is_debug".to_owned(), GnValue::Bool(false)),
            ("symbol_level".to_owned(), GnValue::Integer(0)),
            ("list".to_owned(), GnValue::List(vec![GnValue::String("a".into())])),
        ]
        .into(),
        defines: list("V8_GN_HEADER"),
        cxx: Cxx {
            standard: "c++20".into(),
            flags: list("-nostdinc++ -fno-rtti"),
            defines: list("A=1"),
            include_dirs: list("include include/c++"),
        },
        libraries: vec![Library { name: "v8".into(), path: "lib/libv8.a".into() }],
        system_libraries: list("pthread dl m"),
        frameworks: vec![],
        cxx_runtime: CxxRuntime { name: "libc++".into(), abi_namespace: "__Cr".into(), bundled: true },
        tls_model: TlsModel::LocalDynamic,
        libc: Libc { family: LibcFamily::Glibc, floor: "2.28".into() },
        features: [("jit".to_owned(), true), ("intl".to_owned(), false)].into(),
        toolchain: vec![Tool { name: "clang".into(), version: "22.1.8".into(), sha256 }],
        dropped_flags: vec![],
        licenses: vec![License {
            part: "v8".into(),
            spdx: "BSD-3-Clause".into(),
            file: "licenses/v8.txt".into(),
            source: "v8/LICENSE".into(),
        }],
        files: vec![],
    }
}

/// Changes a header in place.
type Edit = Box<dyn Fn(&mut [u8])>;

/// One entry of an archive made by hand.
pub struct Raw {
    pub path: Vec<u8>,
    pub data: Vec<u8>,
    /// Changes the tar header before its checksum is made.
    pub edit: Edit,
    /// Whether V8.json lists it.
    pub listed: bool,
}

pub fn raw(path: impl AsRef<[u8]>, data: impl AsRef<[u8]>) -> Raw {
    let (path, data) = (path.as_ref().to_vec(), data.as_ref().to_vec());
    Raw { path, data, edit: Box::new(|_| {}), listed: true }
}

impl Raw {
    pub fn edit(mut self, edit: impl Fn(&mut [u8]) + 'static) -> Self {
        self.edit = Box::new(edit);
        self
    }

    pub fn kind(self, kind: u8) -> Self {
        self.edit(move |header| header[156] = kind)
    }

    pub fn unlisted(mut self) -> Self {
        self.listed = false;
        self
    }
}

/// `V8.json` for the entries.
pub fn descriptor_of(entries: &[Raw]) -> Descriptor {
    let file = |entry: &Raw| File {
        path: String::from_utf8_lossy(&entry.path).into_owned(),
        size_bytes: entry.data.len() as u64,
        sha256: Sha256::of_bytes(&entry.data),
    };
    let mut files: Vec<File> = entries.iter().filter(|entry| entry.listed).map(file).collect();
    files.sort_by(|one, other| one.path.cmp(&other.path));
    Descriptor { files, ..descriptor() }
}

/// The entries with their descriptor in front.
pub fn with_descriptor(mut entries: Vec<Raw>) -> Vec<Raw> {
    let json = descriptor_of(&entries).to_json();
    entries.insert(0, raw("V8.json", json));
    entries
}

pub fn tar(entries: &[Raw]) -> Vec<u8> {
    let mut out = Vec::new();
    for entry in entries {
        let mut header = vec![0; 512];
        header[..entry.path.len()].copy_from_slice(&entry.path);
        for (at, text) in [(100, "0000644"), (108, "0000000"), (116, "0000000"), (136, "00000000000")] {
            header[at..at + text.len()].copy_from_slice(text.as_bytes());
        }
        header[124..135].copy_from_slice(format!("{:011o}", entry.data.len()).as_bytes());
        header[156] = b'0';
        header[257..265].copy_from_slice(b"ustar\x0000");
        header[329..336].copy_from_slice(b"0000000");
        header[337..344].copy_from_slice(b"0000000");
        (entry.edit)(&mut header);
        header[148..156].copy_from_slice(b"        ");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        out.extend(header);
        out.extend(&entry.data);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out.resize(out.len() + 1024, 0);
    out
}

pub fn zst(tar: &[u8]) -> Vec<u8> {
    zst_with(tar, |_| {})
}

pub fn zst_with(tar: &[u8], edit: impl Fn(&mut zstd::stream::write::Encoder<Vec<u8>>)) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.set_pledged_src_size(Some(tar.len() as u64)).unwrap();
    edit(&mut encoder);
    std::io::Write::write_all(&mut encoder, tar).unwrap();
    encoder.finish().unwrap()
}

pub fn gz(tar: &[u8]) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255];
    out.extend(stored(tar));
    out.extend(crc32(tar).to_le_bytes());
    out.extend((tar.len() as u32).to_le_bytes());
    out
}

pub fn xz(tar: &[u8]) -> Vec<u8> {
    xz_with(tar, |_| {})
}

pub fn xz_with(tar: &[u8], edit: impl Fn(&mut lzma_rust2::XzOptions)) -> Vec<u8> {
    let mut options = lzma_rust2::XzOptions::with_preset(1);
    edit(&mut options);
    let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
    std::io::Write::write_all(&mut encoder, tar).unwrap();
    encoder.finish().unwrap()
}

/// Deflate, in blocks that are not compressed.
pub fn stored(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for chunk in data.chunks(65_535) {
        out.push(0);
        out.extend((chunk.len() as u16).to_le_bytes());
        out.extend((!(chunk.len() as u16)).to_le_bytes());
        out.extend(chunk);
    }
    out.extend([1, 0, 0, 0xff, 0xff]);
    out
}

/// The slow way, from the polynomial.
pub fn crc32(data: &[u8]) -> u32 {
    !data.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
    })
}

/// The two headers of an entry of a zip, to be changed before they are written.
pub struct ZipHeaders {
    pub local: Vec<u8>,
    pub central: Vec<u8>,
    pub data: Vec<u8>,
}

/// `edit` is called with each entry's number; fields are where the format puts them.
pub fn zip(entries: &[Raw], edit: impl Fn(usize, &mut ZipHeaders)) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (number, entry) in entries.iter().enumerate() {
        let data = stored(&entry.data);
        let mut common = vec![20, 0, 0, 0, 8, 0, 0, 0, 0x21, 0];
        common.extend(crc32(&entry.data).to_le_bytes());
        common.extend((data.len() as u32).to_le_bytes());
        common.extend((entry.data.len() as u32).to_le_bytes());
        common.extend((entry.path.len() as u16).to_le_bytes());
        common.extend([0, 0]);
        let local = [b"PK\x03\x04", &common[..], &entry.path].concat();
        let offset = (out.len() as u32).to_le_bytes();
        let attributes = (0o100644u32 << 16).to_le_bytes();
        let central =
            [b"PK\x01\x02\x14\x03", &common[..], &[0; 6], &attributes, &offset, &entry.path].concat();
        let mut headers = ZipHeaders { local, central, data };
        edit(number, &mut headers);
        out.extend(headers.local);
        out.extend(headers.data);
        directory.extend(headers.central);
    }
    let count = (entries.len() as u16).to_le_bytes();
    let (directory_bytes, offset) =
        ((directory.len() as u32).to_le_bytes(), (out.len() as u32).to_le_bytes());
    out.extend(&directory);
    out.extend([b"PK\x05\x06", &[0; 4][..], &count, &count, &directory_bytes, &offset, &[0; 2]].concat());
    out
}
