//! What can be wrong with an archive, or with a folder it was unpacked to.

use std::{fmt, io};

use crate::path::Clash;
use crate::{DESCRIPTOR_FILE, Sha256};

/// One fault. Those about one file name it; those about values hold both.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It begins like no archive of ours.
    UnknownFormat,
    /// Its end is missing.
    Truncated,
    /// Something follows its end: another frame, another archive, garbage.
    Trailing,
    /// It cannot be decompressed, or a checksum of the container is wrong.
    Corrupt {
        /// What the decoder says.
        why: String,
    },
    /// The container is valid, but not as `pack` writes it.
    NotCanonical {
        /// The entry; empty if it is not about one.
        entry: String,
        /// What differs.
        why: String,
    },
    /// An entry that is not a regular file.
    NotAFile {
        /// Its path.
        entry: String,
        /// What it is.
        kind: &'static str,
    },
    /// A path that is not the same file everywhere; see [`path::check`](crate::path::check).
    Path {
        /// The path.
        entry: String,
        /// The rule it breaks.
        why: &'static str,
    },
    /// A path that meets another.
    Clash {
        /// The path.
        entry: String,
        /// The other, and how they meet.
        clash: Clash,
    },
    /// The first entry is not the descriptor.
    DescriptorNotFirst {
        /// What is first.
        found: String,
    },
    /// An entry the descriptor does not list.
    NotListed {
        /// Its path.
        entry: String,
    },
    /// A file that the descriptor lists, and that is not there.
    Missing {
        /// Its path.
        entry: String,
    },
    /// The length differs from the descriptor's.
    Size {
        /// The path.
        entry: String,
        /// The descriptor's, in bytes.
        expected: u64,
        /// Its own, in bytes.
        actual: u64,
    },
    /// The digest differs from the descriptor's.
    Digest {
        /// The path.
        entry: String,
        /// The descriptor's.
        expected: Sha256,
        /// Its own.
        actual: Sha256,
    },
    /// More than [`Limits`](crate::Limits) allow.
    Limit {
        /// What there is too much of, and its unit.
        of: &'static str,
        /// How much there is, at least.
        actual: u64,
        /// How much is allowed.
        limit: u64,
    },
}

impl Fault {
    pub(crate) fn corrupt(why: impl fmt::Display) -> Self {
        Fault::Corrupt { why: why.to_string() }
    }

    pub(crate) fn limit(of: &'static str, actual: u64, limit: u64) -> Result<(), Self> {
        if actual > limit { Err(Fault::Limit { of, actual, limit }) } else { Ok(()) }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::UnknownFormat => write!(f, "begins like none of zstd, gzip, xz and zip"),
            Fault::Truncated => write!(f, "the file ends too early"),
            Fault::Trailing => write!(f, "data follows the end of the archive"),
            Fault::Corrupt { why } => write!(f, "the file is corrupt: {why}"),
            Fault::NotCanonical { entry, why } if entry.is_empty() => write!(f, "not a libv8 archive: {why}"),
            Fault::NotCanonical { entry, why } => write!(f, "entry '{entry}': not a libv8 archive: {why}"),
            Fault::NotAFile { entry, kind } => {
                write!(f, "entry '{entry}' is a {kind}, but an archive holds regular files only")
            }
            // Control characters must not reach a terminal.
            Fault::Path { entry, why } => write!(f, "entry '{}': {why}", entry.escape_debug()),
            Fault::Clash { entry, clash } => write!(f, "entry '{entry}': {clash}"),
            Fault::DescriptorNotFirst { found } => {
                write!(f, "the first entry is '{}', expected '{DESCRIPTOR_FILE}'", found.escape_debug())
            }
            Fault::NotListed { entry } => {
                write!(f, "entry '{}': not listed in {DESCRIPTOR_FILE}", entry.escape_debug())
            }
            Fault::Missing { entry } => {
                write!(f, "entry '{entry}': listed in {DESCRIPTOR_FILE}, but missing")
            }
            Fault::Size { entry, expected, actual } => {
                write!(f, "entry '{entry}': has {actual} bytes, expected {expected}")
            }
            Fault::Digest { entry, expected, actual } => {
                write!(f, "entry '{entry}': has sha256 {actual}, expected {expected}")
            }
            Fault::Limit { of, actual, limit } => write!(f, "too many {of}: {actual}, the limit is {limit}"),
        }
    }
}

impl std::error::Error for Fault {}

/// Faults travel through `Read` as the payload of an `io::Error`.
impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        io::Error::new(io::ErrorKind::InvalidData, fault)
    }
}
