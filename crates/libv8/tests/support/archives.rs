//! Small archives without V8 in them, and folders that vanish.

#![allow(dead_code, reason = "each test program uses its part")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use v8_archive::descriptor::{Cxx, CxxRuntime, Libc, LibcFamily, Library, Source, TlsModel};
use v8_archive::{Descriptor, FORMAT, Format, PackOptions, Packed, Sha256};

pub const VERSION: &str = "15.2.124.1";
pub const TARGET: &str = "x86_64-unknown-linux-gnu";

/// A new folder in the one that cargo gives to integration tests; removed when dropped.
pub struct Folder {
    pub path: PathBuf,
}

impl Folder {
    pub fn new() -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test é+ {} {}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir(&path).unwrap();
        Folder { path }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A failed test must not be hidden by a second panic.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// An archive in `work` whose library is `library`.
pub fn pack(work: &Path, variant: &str, library: &[u8]) -> Packed {
    let files = Folder::new();
    for (path, bytes) in
        [("lib/libv8.a", library), ("include/libv8.h", b"/* */"), ("licenses/v8.txt", b"BSD")]
    {
        let path = files.path.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let options = PackOptions { zstd_level: 1, ..PackOptions::default() };
    v8_archive::pack(&files.path, &descriptor(variant), work, Format::TarZst, &options).unwrap()
}

pub fn descriptor(variant: &str) -> Descriptor {
    let sha256 = Sha256::of_bytes(b"");
    Descriptor {
        format: FORMAT,
        name: format!("libv8-{VERSION}-{TARGET}-{variant}"),
        v8_version: VERSION.into(),
        target: TARGET.into(),
        variant: variant.into(),
        build_id: sha256,
        source: Source { kind: "crate".into(), package: "v8".into(), version: "152.2.0".into(), sha256 },
        patches: Vec::new(),
        gn_args: BTreeMap::new(),
        defines: Vec::new(),
        cxx: Cxx {
            standard: "c++20".into(),
            flags: Vec::new(),
            defines: Vec::new(),
            include_dirs: Vec::new(),
        },
        libraries: vec![Library { name: "v8".into(), path: "lib/libv8.a".into() }],
        system_libraries: Vec::new(),
        frameworks: Vec::new(),
        cxx_runtime: CxxRuntime { name: "libc++".into(), abi_namespace: "__Cr".into(), bundled: true },
        tls_model: TlsModel::LocalDynamic,
        libc: Libc { family: LibcFamily::Glibc, floor: "2.28".into() },
        features: BTreeMap::new(),
        toolchain: Vec::new(),
        dropped_flags: Vec::new(),
        licenses: Vec::new(),
        files: Vec::new(),
    }
}

/// Bytes that look random and are always the same (a linear congruential generator).
pub fn noise(count: usize) -> Vec<u8> {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..count).map(|_| next()).collect()
}
