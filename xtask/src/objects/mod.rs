//! Objects of sccache's folder: which of them a cell of the matrix has used, and one file that carries them.
//!
//! All cells share one sccache folder, because they share host tools (torque, mksnapshot's compiler, ICU): a folder for
//! each would compile those again. So what belongs to a cell is written down ([`Record`]), and not where it lies.

mod file;
mod record;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use v8_archive::Sha256;

use crate::error::{Error, Result};

pub use file::{Carried, Index, export, import, verify};
pub use record::Record;

/// One target in one variant: what a CI job builds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// A Rust target triple of `targets.toml`.
    pub target: String,
    /// A variant of `targets.toml`.
    pub variant: String,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.target, self.variant)
    }
}

/// The name of an object: 64 hexadecimal digits, so that no name leads out of a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Key(String);

impl Key {
    /// Where sccache keeps it: `a/b/ab…`, two folders named by the first two digits.
    ///
    /// Source: `make_key_path` of sccache 0.16, seen on disk.
    pub fn place(&self, sccache: &Path) -> PathBuf {
        sccache.join(&self.0[..1]).join(&self.0[1..2]).join(&self.0)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Key {
    type Error = String;

    fn try_from(text: String) -> Result<Key, String> {
        // sccache's digests are BLAKE3's; they are written like ours.
        match text.parse::<Sha256>() {
            Ok(_) => Ok(Key(text)),
            Err(_) => Err(format!("{text:?} is no key of sccache: expected 64 digits of 0-9 and a-f")),
        }
    }
}

impl From<Key> for String {
    fn from(key: Key) -> String {
        key.0
    }
}

/// An object that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its name.
    pub key: Key,
    /// Its length in bytes.
    pub size_bytes: u64,
    /// When it was written or read last: sccache sets the time of modification at each hit.
    pub used: SystemTime,
}

/// All objects of a folder, sorted by key; none if there is no folder. What sccache keeps beside them is passed over.
pub fn list(sccache: &Path) -> Result<Vec<Object>> {
    let mut objects = Vec::new();
    for first in entries(sccache)? {
        for second in entries(&first)? {
            for path in entries(&second)? {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let Ok(key) = Key::try_from(name) else { continue };
                if key.place(sccache) != path {
                    continue;
                }
                // Gone meanwhile: sccache drops what was used longest ago.
                let Ok(metadata) = path.metadata() else { continue };
                let used = metadata.modified().map_err(|error| Error::io("read", &path, &error))?;
                objects.push(Object { key, size_bytes: metadata.len(), used });
            }
        }
    }
    objects.sort_by(|one, other| one.key.cmp(&other.key));
    Ok(objects)
}

/// What is in a folder; nothing if there is none, or if it is a file.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    match std::fs::read_dir(folder) {
        Ok(entries) => Ok(entries.flatten().map(|entry| entry.path()).collect()),
        Err(error) if [NotFound, NotADirectory].contains(&error.kind()) => Ok(Vec::new()),
        Err(error) => Err(Error::io("read", folder, &error)),
    }
}

#[cfg(test)]
mod tests;
