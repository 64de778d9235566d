//! The entries of an archive of any format, read forwards once.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;

use crate::tar::TarEntries;
use crate::zst::{self, ZstFront, ZstReader};
use crate::{Error, Fault, Format, Limits};

/// A decompressor of one stream.
pub(crate) trait Decompress: Read {
    /// Checks that the stream is at its end, that its checksums hold, and that the file ends with it.
    fn finish(&mut self) -> io::Result<()>;
}

/// What a header says.
#[derive(Debug)]
pub(crate) struct RawEntry {
    pub(crate) path: String,
    pub(crate) size_bytes: u64,
}

/// What is left of the limits.
pub(crate) struct Budget {
    limits: Limits,
    /// Length of the archive, for the ratio.
    file_bytes: u64,
    used_bytes: u64,
    entries: u64,
}

impl Budget {
    fn new(limits: &Limits, file_bytes: u64) -> Self {
        Self { limits: limits.clone(), file_bytes, used_bytes: 0, entries: 0 }
    }

    pub(crate) fn count_entry(&mut self) -> Result<(), Fault> {
        self.entries += 1;
        Fault::limit("entries", self.entries, self.limits.max_entries)
    }

    /// Counts unpacked bytes, as they come: what a header promises is not believed.
    pub(crate) fn spend(&mut self, bytes: u64) -> Result<(), Fault> {
        self.used_bytes += bytes;
        Fault::limit("bytes in all", self.used_bytes, self.limits.max_total_bytes)?;
        let ratio_limit_bytes = self.file_bytes.saturating_mul(self.limits.max_ratio);
        if self.used_bytes > ratio_limit_bytes {
            let ratio = self.used_bytes.div_ceil(self.file_bytes.max(1));
            Fault::limit("unpacked bytes for a packed one", ratio, self.limits.max_ratio)?;
        }
        Ok(())
    }
}

pub(crate) enum Entries {
    Tar(TarEntries),
    #[cfg(feature = "zip")]
    Zip(crate::zip::ZipEntries),
}

/// How far an archive will be read.
#[derive(Clone, Copy)]
pub(crate) enum Depth {
    /// To its end, with all that is checked there.
    All,
    /// Its first entry, if it is in this many zstd blocks; the other formats give data as they read.
    Front { zstd_blocks: usize },
}

/// An archive that stands before its first entry.
pub(crate) struct Opening {
    pub(crate) entries: Entries,
    pub(crate) format: Format,
    /// Whether reading at greater depth would give no more.
    pub(crate) whole: bool,
}

impl Entries {
    /// Opens an archive; what it is, its first bytes tell.
    pub(crate) fn open(path: &Path, limits: &Limits, depth: Depth) -> Result<Opening, Error> {
        let mut file = File::open(path).map_err(Error::io("open", path))?;
        let file_bytes = file.metadata().map_err(Error::io("read", path))?.len();
        let mut magic = Vec::new();
        (&mut file).take(4).read_to_end(&mut magic).map_err(Error::io("read", path))?;
        file.rewind().map_err(Error::io("read", path))?;
        let budget = Budget::new(limits, file_bytes);
        let in_archive = |error| archive_error(path, truncated(error));
        if magic == zst::MAGIC {
            let (stream, whole): (Box<dyn Decompress>, bool) = match depth {
                Depth::All => (Box::new(ZstReader::new(file, limits).map_err(in_archive)?), true),
                Depth::Front { zstd_blocks } => {
                    let front = ZstFront::new(file, limits, zstd_blocks).map_err(in_archive)?;
                    let whole = front.whole;
                    (Box::new(front), whole)
                }
            };
            let entries = Entries::Tar(TarEntries::new(stream, budget));
            return Ok(Opening { entries, format: Format::TarZst, whole });
        }
        if magic.starts_with(&[0x1f, 0x8b]) {
            #[cfg(feature = "gz")]
            {
                let stream = crate::gzip::GzReader::new(file).map_err(in_archive)?;
                let entries = Entries::Tar(TarEntries::new(Box::new(stream), budget));
                return Ok(Opening { entries, format: Format::TarGz, whole: true });
            }
            #[cfg(not(feature = "gz"))]
            return Err(Error::FormatLeftOut { path: path.to_owned(), feature: "gz" });
        }
        if magic == *b"\xfd7zX" {
            #[cfg(feature = "xz")]
            {
                let stream = crate::xz::XzReader::new(file, limits).map_err(in_archive)?;
                let entries = Entries::Tar(TarEntries::new(Box::new(stream), budget));
                return Ok(Opening { entries, format: Format::TarXz, whole: true });
            }
            #[cfg(not(feature = "xz"))]
            return Err(Error::FormatLeftOut { path: path.to_owned(), feature: "xz" });
        }
        if magic == *b"PK\x03\x04" {
            #[cfg(feature = "zip")]
            {
                let entries = Entries::Zip(crate::zip::ZipEntries::new(file, budget));
                return Ok(Opening { entries, format: Format::Zip, whole: true });
            }
            #[cfg(not(feature = "zip"))]
            return Err(Error::FormatLeftOut { path: path.to_owned(), feature: "zip" });
        }
        Err(Error::Archive { path: path.to_owned(), fault: Fault::UnknownFormat })
    }

    /// The next entry; the data of the one before must have been read to its end. After the last, the end of the file is
    /// checked before `None` is returned.
    pub(crate) fn next(&mut self) -> io::Result<Option<RawEntry>> {
        match self {
            Entries::Tar(entries) => entries.next(),
            #[cfg(feature = "zip")]
            Entries::Zip(entries) => entries.next(),
        }
        .map_err(truncated)
    }
}

/// The data of the current entry.
impl Read for Entries {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Entries::Tar(entries) => entries.read(buffer),
            #[cfg(feature = "zip")]
            Entries::Zip(entries) => entries.read(buffer),
        }
        .map_err(truncated)
    }
}

/// `read_exact` says so when the file ends; here it becomes a fault, so that an end of file that a visitor meets elsewhere
/// is not taken for ours.
fn truncated(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::UnexpectedEof { Fault::Truncated.into() } else { error }
}

/// Tells a fault of the archive from a failure to read it.
pub(crate) fn archive_error(path: &Path, error: io::Error) -> Error {
    match error.downcast::<Fault>() {
        Ok(fault) => Error::Archive { path: path.to_owned(), fault },
        Err(error) => Error::io("read", path)(error),
    }
}
