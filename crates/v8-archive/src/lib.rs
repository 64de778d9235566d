//! The contract between the tool that makes libv8 archives and the crate that links them.
//!
//! * [`name`]: what an archive is called, and what the name says;
//! * [`descriptor`]: `V8.json`, the first entry of every archive;
//! * [`digest`]: SHA-256, of files and streams;
//! * [`lock`]: `prebuilt.toml`, the pins of a release;
//! * [`index`] (feature `index`): the signed index of a release;
//! * [`pack`](mod@pack) (feature `pack`): a folder and a descriptor become an archive; same input, same bytes;
//! * [`unpack`](mod@unpack) (feature `unpack`, default): the strict reader;
//! * [`tar`] (feature `unpack`): the one form of tar header that both take.
//!
//! Nothing here opens a socket, reads an environment variable, starts a process or looks at a clock.
//!
//! An archive holds regular files in exactly one canonical form. The reader rebuilds each header from
//! the entry's path and size and compares bytes, so whatever a general tar or zip can also express
//! (links, devices, extensions, owners, modes, comments, a second central directory) is refused
//! without a list of what to refuse.
//!
//! SHA-256 and the decompressors are slow when unoptimised, as dependencies of build scripts are by default, also in release
//! builds: tens of seconds for the 160 MB of V8, most of them SHA-256. An embedder shortens that with
//! `[profile.dev.build-override] opt-level = 2`, and the same for `release`.

pub mod descriptor;
pub mod digest;
mod error;
#[cfg(feature = "index")]
pub mod index;
pub mod lock;
pub mod name;
pub mod path;
mod read;
#[cfg(feature = "index")]
mod unique_keys;

#[cfg(any(feature = "gz", feature = "zip"))]
mod deflate;
#[cfg(feature = "gz")]
mod gzip;
#[cfg(feature = "unpack")]
pub mod tar;
#[cfg(feature = "unpack")]
mod temporary;
#[cfg(feature = "xz")]
mod xz;
#[cfg(feature = "zip")]
mod zip;
#[cfg(feature = "unpack")]
mod zst;

#[cfg(feature = "unpack")]
mod entries;
#[cfg(feature = "unpack")]
mod fault;
#[cfg(feature = "unpack")]
mod folder;
#[cfg(feature = "pack")]
pub mod pack;
#[cfg(feature = "unpack")]
pub mod unpack;

pub use descriptor::{DESCRIPTOR_FILE, Descriptor, FORMAT};
pub use digest::Sha256;
pub use error::Error;
#[cfg(feature = "unpack")]
pub use fault::Fault;
#[cfg(feature = "unpack")]
pub use folder::{FolderCheck, check_folder};
#[cfg(feature = "index")]
pub use index::Index;
pub use lock::Lock;
pub use name::{ArchiveName, Format};
#[cfg(feature = "pack")]
pub use pack::{PackOptions, Packed, pack};
#[cfg(feature = "unpack")]
pub use unpack::{
    Entry, Limits, Reader, for_each_entry, open, unpack, verify_contents, verify_contents_with,
};
