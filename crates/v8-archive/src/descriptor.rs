//! `V8.json`, the first entry of every archive: all a consumer needs to compile and link, all a reviewer asks.
//!
//! The documentation of these types is the file's schema. Keys are the fields' names; every key is present; unknown
//! keys are ignored, so that adding one does not break older readers. Removing a key, or changing what one
//! means, raises [`FORMAT`], and a reader refuses a format it does not know. A key that occurs twice is refused anywhere in
//! the file, since readers of JSON disagree on which of the two counts.

use std::collections::BTreeMap;

#[cfg(feature = "serde")]
use serde::{Deserialize, Serialize};

use crate::{ArchiveName, Error, Format, Sha256, read};

/// The descriptor's path in an archive.
pub const DESCRIPTOR_FILE: &str = "V8.json";

/// The format that this crate writes, and the only one it reads.
pub const FORMAT: u32 = 1;

/// The whole of `V8.json`. All paths are relative to the folder that holds it, with `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
pub struct Descriptor {
    /// [`FORMAT`].
    pub format: u32,
    /// The archive's name without extension ([`ArchiveName::stem`]); equal in all formats of one build.
    pub name: String,
    /// V8's version: four numbers, as in `15.2.124.1`.
    pub v8_version: String,
    /// The Rust target triple of the objects in the library.
    pub target: String,
    /// The variant of `targets.toml`, as in `release`.
    pub variant: String,
    /// Digest over everything that can change the bytes of the archive: source, patches, arguments, toolchain.
    pub build_id: Sha256,
    /// Where the V8 tree came from.
    pub source: Source,
    /// The patches applied to it, in this order.
    pub patches: Vec<Patch>,
    /// The arguments GN was given, machine paths excepted; those that are not named have V8's default.
    pub gn_args: BTreeMap<String, GnValue>,
    /// Macros that every user of V8's C++ headers must define, as `NAME` or `NAME=value`. A missing one is at best
    /// an abort in `V8::Initialize`, at worst silent corruption of memory.
    pub defines: Vec<String>,
    /// What a user of V8's C++ headers must further tell the compiler. Users of `libv8.h` need none of it.
    pub cxx: Cxx,
    /// The libraries of the archive, in link order.
    pub libraries: Vec<Library>,
    /// Libraries of the system, linked after `libraries`, in this order: names as for `-l`.
    pub system_libraries: Vec<String>,
    /// Frameworks of macOS, linked after those: names as for `-framework`. Empty elsewhere.
    pub frameworks: Vec<String>,
    /// The C++ runtime the library was compiled against.
    pub cxx_runtime: CxxRuntime,
    /// How the library reaches its thread-local variables; says whether it may be part of a shared library.
    pub tls_model: TlsModel,
    /// The C library it was compiled against.
    pub libc: Libc,
    /// What V8 can do in this build: `jit`, `webassembly`, `intl`, … A name that is absent is unknown, not `false`.
    pub features: BTreeMap<String, bool>,
    /// The tools that made the archive, sorted by name.
    pub toolchain: Vec<Tool>,
    /// Flags of V8's build files that were taken away because the compiler does not know them, sorted.
    pub dropped_flags: Vec<String>,
    /// The licence of V8 and of every third-party part, sorted by part.
    pub licenses: Vec<License>,
    /// Every file of the archive but `V8.json` itself, sorted by path. [`pack`](crate::pack) fills it.
    pub files: Vec<File>,
}

/// Where a V8 tree came from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
pub struct Source {
    /// `crate`, `node` or `depot-tools`; open, so that a new kind needs no new format.
    pub kind: String,
    /// What was fetched, as in `v8` (the package of cargo's registry).
    pub package: String,
    /// Its own version, as in `152.2.0`.
    pub version: String,
    /// Digest of the packed form, as fetched.
    pub sha256: Sha256,
}

/// One applied patch.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
pub struct Patch {
    /// File name, as in `0001-short-name.patch`.
    pub name: String,
    /// Digest of the patch file.
    pub sha256: Sha256,
}

/// The value of a GN argument, as the JSON value of the same shape.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
#[cfg_attr(feature = "serde", serde(untagged))]
pub enum GnValue {
    /// `true` or `false`.
    Bool(bool),
    /// GN's integers have 64 bits.
    Integer(i64),
    /// Without GN's quotes and escapes.
    String(String),
    /// A list.
    List(Vec<GnValue>),
}

/// How to compile against V8's C++ headers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
pub struct Cxx {
    /// The lowest standard, as in `c++20`.
    pub standard: String,
    /// Further flags, in order, as in `-nostdinc++`.
    pub flags: Vec<String>,
    /// Macros of the C++ library (those of V8 are in [`Descriptor::defines`]).
    pub defines: Vec<String>,
    /// Folders of the archive, in search order.
    pub include_dirs: Vec<String>,
}

/// A library of the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
pub struct Library {
    /// The name as for `-l`, as in `v8`.
    pub name: String,
    /// Its file, as in `lib/libv8.a`.
    pub path: String,
}

/// A C++ runtime library.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
pub struct CxxRuntime {
    /// As in `libc++`.
    pub name: String,
    /// The inline namespace of `std`, as in `__Cr`. A C++ user whose own runtime has another cannot pass standard types.
    pub abi_namespace: String,
    /// Whether its objects are in the archive's libraries, so that nothing further is linked for it.
    pub bundled: bool,
}

/// How compiled code reaches thread-local variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum TlsModel {
    /// Executables only: a shared library with this does not link.
    LocalExec,
    /// Shared libraries that are present at program start; `dlopen` may fail.
    InitialExec,
    /// Everywhere.
    LocalDynamic,
    /// Everywhere.
    GlobalDynamic,
    /// The platform has only one way (Windows, macOS); it works everywhere.
    Platform,
}

/// A C library and the lowest version that has all the library needs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
pub struct Libc {
    /// Which.
    pub family: LibcFamily,
    /// Its lowest version, as in `2.28`; for `libSystem` the lowest macOS.
    pub floor: String,
}

/// The C libraries of our targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
pub enum LibcFamily {
    /// GNU.
    #[cfg_attr(feature = "serde", serde(rename = "glibc"))]
    Glibc,
    /// Alpine's and others'.
    #[cfg_attr(feature = "serde", serde(rename = "musl"))]
    Musl,
    /// Windows'.
    #[cfg_attr(feature = "serde", serde(rename = "ucrt"))]
    Ucrt,
    /// macOS'.
    #[cfg_attr(feature = "serde", serde(rename = "libSystem"))]
    LibSystem,
}

/// A tool that took part in the build.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
pub struct Tool {
    /// As in `clang`.
    pub name: String,
    /// As in `22.1.8`.
    pub version: String,
    /// Digest of the package it was unpacked from.
    pub sha256: Sha256,
}

/// The licence of one part.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
pub struct License {
    /// As in `icu`.
    pub part: String,
    /// SPDX expression.
    pub spdx: String,
    /// The text, as in `licenses/icu.txt`.
    pub file: String,
    /// Where the text comes from.
    pub source: String,
}

/// A file of the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
pub struct File {
    /// Path in the archive; see [`path`](crate::path) for the rules.
    pub path: String,
    /// Length in bytes.
    pub size_bytes: u64,
    /// Digest of the content.
    pub sha256: Sha256,
}

impl Descriptor {
    /// Reads a `V8.json`; `origin` is what errors call it.
    ///
    /// # Errors
    /// [`Error::Descriptor`] if it is not JSON, has an unknown [`FORMAT`], a key twice, or lacks one; or if `name` is not
    /// what version, target and variant make it (the descriptor of another archive, put in place).
    pub fn from_json(json: &[u8], origin: &str) -> Result<Self, Error> {
        let fail = |why: String| Error::Descriptor { origin: origin.to_owned(), why };
        let invalid = |why: String| fail(format!("invalid descriptor: {why}"));
        let value = read::parse(json).map_err(invalid)?;
        // First, since the rest of an unknown format cannot be judged.
        let found = read::format(&value).map_err(invalid)?;
        if found != u64::from(FORMAT) {
            return Err(fail(format!(
                "descriptor format {found}, but this program reads format {FORMAT}\nhelp: use {} version of the program",
                if found > u64::from(FORMAT) { "a newer" } else { "an older" },
            )));
        }
        let descriptor = read::descriptor(&value).map_err(invalid)?;
        let expected = descriptor.archive_name(Format::default())?.stem();
        if descriptor.name != expected {
            let name = &descriptor.name;
            return Err(fail(format!("name is '{name}', but version, target and variant make '{expected}'")));
        }
        Ok(descriptor)
    }

    /// The one JSON text of this value: two spaces, keys in the order of these types, maps sorted, a newline at the end.
    #[cfg(feature = "serde")]
    pub fn to_json(&self) -> String {
        // Strings, numbers and maps with string keys only: nothing here can fail to serialise.
        let mut json = serde_json::to_string_pretty(self).expect("a descriptor has only string keys");
        json.push('\n');
        json
    }

    /// The name of the archive in a format.
    ///
    /// # Errors
    /// [`Error::Name`] if version, target or variant is malformed.
    pub fn archive_name(&self, format: Format) -> Result<ArchiveName, Error> {
        ArchiveName::new(&self.v8_version, &self.target, &self.variant, format)
    }
}
