//! Everything that can go wrong here, in one enum; each error names its object and both values.

use std::path::{Path, PathBuf};
use std::{fmt, io};

/// What went wrong. The text is lower case, without full stop, and may end in a line `help: …`.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused something.
    Io {
        /// The verb, as in `read`.
        action: &'static str,
        /// The file or folder; for an entry of an archive, the archive's path with the entry's joined to it.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A text is not an archive's name, or not a part of one.
    Name {
        /// The text.
        given: String,
        /// The rule it breaks.
        why: String,
    },
    /// A text is not a SHA-256.
    Digest {
        /// The text.
        given: String,
    },
    /// A `V8.json` cannot be used.
    Descriptor {
        /// Where it was found.
        origin: String,
        /// What is wrong with it.
        why: String,
    },
    /// A `prebuilt.toml` is not exactly what it has to be.
    Lock {
        /// Where it was found.
        origin: String,
        /// The line, from 1; 0 if it is about the whole.
        line: usize,
        /// What is wrong there.
        why: String,
    },
    /// A release's index, its signature or a key cannot be used.
    #[cfg(feature = "index")]
    Index {
        /// Where it was found.
        origin: String,
        /// What is wrong with it.
        why: String,
    },
    /// An archive is not exactly what it has to be.
    #[cfg(feature = "unpack")]
    Archive {
        /// The archive.
        path: PathBuf,
        /// The first fault found.
        fault: crate::Fault,
    },
    /// The archive's format was left out when this program was compiled.
    #[cfg(feature = "unpack")]
    FormatLeftOut {
        /// The archive.
        path: PathBuf,
        /// The Cargo feature of `v8-archive` that is missing.
        feature: &'static str,
    },
    /// The folder to unpack to is there already.
    #[cfg(feature = "unpack")]
    DestinationExists {
        /// The folder.
        path: PathBuf,
    },
    /// What is to be packed cannot be.
    #[cfg(feature = "pack")]
    Input {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl Error {
    /// For `map_err`: names what was being done to which path.
    pub(crate) fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        move |source| Error::Io { action, path: path.as_ref().to_owned(), source }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Io { action, path, source } => write!(f, "cannot {action} {}: {source}", path.display()),
            Error::Name { given, why } => write!(f, "'{given}' is not valid in an archive's name: {why}"),
            Error::Digest { given } => {
                write!(f, "'{given}' is not a SHA-256: expected 64 digits of 0-9 and a-f")
            }
            Error::Descriptor { origin, why } => write!(f, "{origin}: {why}"),
            #[cfg(feature = "index")]
            Error::Index { origin, why } => write!(f, "{origin}: {why}"),
            Error::Lock { origin, line, why } => write!(f, "{origin}:{line}: {why}"),
            #[cfg(feature = "unpack")]
            Error::Archive { path, fault } => {
                write!(f, "{}: {fault}", path.display())?;
                write!(f, "\nhelp: do not use this file; `cargo xtask verify FILE` lists all its faults")
            }
            #[cfg(feature = "unpack")]
            Error::FormatLeftOut { path, feature } => {
                write!(f, "{}: this program was compiled without .{feature} archives", path.display())?;
                write!(f, "\nhelp: cargo add v8-archive --features {feature}, or use the .tar.zst archive")
            }
            #[cfg(feature = "unpack")]
            Error::DestinationExists { path } => {
                write!(f, "{} exists; an archive is unpacked to a new folder only", path.display())
            }
            #[cfg(feature = "pack")]
            Error::Input { path, why } => write!(f, "cannot pack {}: {why}", path.display()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // Its text is already part of ours; a chain would print it twice. The kind is what callers ask for.
            Error::Io { source, .. } => source.source(),
            _ => None,
        }
    }
}
