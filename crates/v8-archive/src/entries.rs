//! The entries of an archive of any format, read forwards once.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;

use crate::tar::TarEntries;
use crate::zst::{self, ZstReader};
use crate::{Error, Fault, Limits};

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

impl Entries {
    /// Opens an archive; what it is, its first bytes tell.
    pub(crate) fn open(path: &Path, limits: &Limits) -> Result<(Self, crate::Format), Error> {
        let mut file = File::open(path).map_err(Error::io("open", path))?;
        let file_bytes = file.metadata().map_err(Error::io("read", path))?.len();
        let mut magic = Vec::new();
        (&mut file).take(4).read_to_end(&mut magic).map_err(Error::io("read", path))?;
        file.rewind().map_err(Error::io("read", path))?;
        let budget = Budget::new(limits, file_bytes);
        let in_archive = |error| archive_error(path, error);
        if magic == zst::MAGIC {
            let stream = ZstReader::new(file, limits).map_err(in_archive)?;
            return Ok((Entries::Tar(TarEntries::new(Box::new(stream), budget)), crate::Format::TarZst));
        }
        if magic.starts_with(&[0x1f, 0x8b]) {
            #[cfg(feature = "gz")]
            {
                let stream = crate::gzip::GzReader::new(file).map_err(in_archive)?;
                return Ok((Entries::Tar(TarEntries::new(Box::new(stream), budget)), crate::Format::TarGz));
            }
            #[cfg(not(feature = "gz"))]
            return Err(Error::FormatLeftOut { path: path.to_owned(), feature: "gz" });
        }
        if magic == *b"PK\x03\x04" {
            #[cfg(feature = "zip")]
            return Ok((Entries::Zip(crate::zip::ZipEntries::new(file, budget)), crate::Format::Zip));
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
    }
}

/// Tells a fault of the archive from a failure to read it.
pub(crate) fn archive_error(path: &Path, error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return Error::Archive { path: path.to_owned(), fault: Fault::Truncated };
    }
    match error.downcast::<Fault>() {
        Ok(fault) => Error::Archive { path: path.to_owned(), fault },
        Err(error) => Error::io("read", path)(error),
    }
}
