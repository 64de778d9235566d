//! What is being done, as it happens: a line each on stderr, which cargo shows with `-vv` and when the script fails.

use std::fmt;
use std::path::PathBuf;

/// Everything between these can be interrupted; the next run goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Another process has this archive's lock.
    Waiting(PathBuf),
    /// The lock is ours.
    Locked,
    /// A file in the cache was not what it has to be, and was removed.
    Removed { path: PathBuf, why: String },
    /// A place is asked.
    Asking { place: String, have_bytes: u64 },
    /// A quarter more has come.
    Received { bytes: u64, of_bytes: u64 },
    /// It will be asked again.
    Again { why: String, wait_ms: u128 },
    /// All bytes are there and right, under a temporary name.
    Verified,
    /// The archive has its name in the cache.
    Stored(PathBuf),
    /// It is unpacked, under a temporary name.
    Unpacked,
    /// The folder has its name.
    Renamed(PathBuf),
    /// The cache cannot be written; `OUT_DIR` serves.
    Unwritable { why: String },
    /// `OUT_DIR` cannot be locked, and serves without.
    NoLock { why: String },
}

/// Told of each step.
pub type Report<'a> = &'a dyn Fn(&Step);

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Waiting(path) => write!(f, "another process fetches it; waiting for {}", path.display()),
            Step::Locked => f.write_str("looking into the cache"),
            Step::Removed { path, why } => write!(f, "removed {}: {why}", path.display()),
            Step::Asking { place, have_bytes: 0 } => write!(f, "fetching {place}"),
            Step::Asking { place, have_bytes } => write!(f, "fetching {place}, from byte {have_bytes}"),
            Step::Received { bytes, of_bytes } => write!(f, "{bytes} of {of_bytes} bytes"),
            Step::Again { why, wait_ms } => write!(f, "{why}; again in {wait_ms} ms"),
            Step::Verified => f.write_str("size and sha256 are right"),
            Step::Stored(path) => write!(f, "stored {}", path.display()),
            Step::Unpacked => f.write_str("unpacked"),
            Step::Renamed(path) => write!(f, "ready: {}", path.display()),
            Step::Unwritable { why } => write!(f, "{why}; this project's own folder is used"),
            Step::NoLock { why } => write!(f, "{why}; cargo's own lock has to do"),
        }
    }
}
