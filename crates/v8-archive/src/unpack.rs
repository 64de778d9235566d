//! The strict reader: everything that `pack` does not write is refused.
//!
//! Have the file's own digest checked against a pin first ([`Sha256::of_file`](crate::Sha256::of_file)); what follows here
//! protects where the pin itself is of a bad archive, or where there is none.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::digest::Hasher;
use crate::entries::{Depth, Entries, Opening, archive_error};
use crate::path::{self, Clash, PathSet};
use crate::temporary::{RENAME, Temporary};
use crate::{DESCRIPTOR_FILE, Descriptor, Error, Fault, Format, descriptor};

/// How much an archive may take. The defaults leave room for ten times what V8 needs today.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Sum of all files, and of what the container adds, in bytes. 4 GiB.
    pub max_total_bytes: u64,
    /// Number of entries. 20,000 (V8 has about 2,000).
    pub max_entries: u64,
    /// Unpacked bytes for each byte of the archive. 100 (V8's library has 9).
    pub max_ratio: u64,
    /// The zstd window, which is memory the decoder takes, in bytes. 2^27, the window that `pack` uses.
    pub max_window_bytes: u64,
    /// Length of `V8.json`, which is read into memory, in bytes. 16 MiB.
    pub max_descriptor_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_total_bytes: 4 << 30,
            max_entries: 20_000,
            max_ratio: 100,
            max_window_bytes: 1 << 27,
            max_descriptor_bytes: 16 << 20,
        }
    }
}

/// A file of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its path, with `/`.
    pub path: String,
    /// Its length in bytes.
    pub size_bytes: u64,
}

/// An archive of which the descriptor was read.
#[derive(Debug, Clone)]
pub struct Reader {
    path: PathBuf,
    format: Format,
    descriptor: Descriptor,
}

impl Reader {
    /// The archive.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its format, as its first bytes tell.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Its descriptor.
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// Its descriptor.
    pub fn into_descriptor(self) -> Descriptor {
        self.descriptor
    }
}

/// Reads the descriptor, and nothing behind it: cheap, and no statement about the rest.
///
/// # Errors
/// [`Error::Io`], [`Error::FormatLeftOut`], [`Error::Archive`], [`Error::Descriptor`].
pub fn open(path: &Path) -> Result<Reader, Error> {
    let limits = Limits::default();
    // A MiB, then four; V8's descriptor has a third of one.
    let mut zstd_blocks = 8;
    loop {
        let opening = Entries::open(path, &limits, Depth::Front { zstd_blocks })?;
        let whole = opening.whole;
        match Opened::new(path, &limits, opening) {
            Ok(Opened { format, descriptor, .. }) => {
                return Ok(Reader { path: path.to_owned(), format, descriptor });
            }
            Err(Error::Archive { fault: Fault::Truncated, .. }) if !whole => zstd_blocks *= 4,
            Err(error) => return Err(error),
        }
    }
}

/// Unpacks to a new folder, which appears under its name only when everything in it was verified.
///
/// The folder's parent must exist. Files are not synced one by one: after a power cut, a cached folder is judged by
/// [`check_folder`](crate::check_folder).
///
/// # Errors
/// As for [`for_each_entry`]; [`Error::DestinationExists`], also if another process was faster. Nothing is left behind.
pub fn unpack(path: &Path, dest_dir: &Path, limits: &Limits) -> Result<Descriptor, Error> {
    if fs::symlink_metadata(dest_dir).is_ok() {
        return Err(Error::DestinationExists { path: dest_dir.to_owned() });
    }
    let opened = Opened::all(path, limits)?;
    let temporary = Temporary::folder(dest_dir)?;
    let descriptor_path = temporary.path().join(DESCRIPTOR_FILE);
    fs::write(&descriptor_path, &opened.json).map_err(Error::io("write", &descriptor_path))?;
    let descriptor = opened.walk(
        &mut |entry, data| {
            let file_path = temporary.path().join(&entry.path);
            if let Some(parent) = file_path.parent() {
                fs::create_dir_all(parent)?;
            }
            // `create_new`: should two paths meet after all, on a file system we do not know, the second fails.
            let mut file = File::create_new(&file_path)?;
            io::copy(data, &mut file).map(drop)
        },
        &mut |fault| Err(Error::Archive { path: path.to_owned(), fault }),
    )?;
    temporary.keep(dest_dir).map_err(|error| match error {
        Error::Io { action: RENAME, .. } if fs::symlink_metadata(dest_dir).is_ok() => {
            Error::DestinationExists { path: dest_dir.to_owned() }
        }
        other => other,
    })?;
    Ok(descriptor)
}

/// Reads all files but `V8.json` in one pass, in the archive's order. What `visit` does not read is read after it.
///
/// `visit` sees data before its digest is known: do nothing with it that cannot be undone if this returns an error.
///
/// # Errors
/// [`Error::Io`] (also for what `visit` returns), [`Error::FormatLeftOut`], [`Error::Descriptor`], and [`Error::Archive`] with the first fault.
pub fn for_each_entry(
    path: &Path,
    limits: &Limits,
    mut visit: impl FnMut(&Entry, &mut dyn Read) -> io::Result<()>,
) -> Result<Descriptor, Error> {
    Opened::all(path, limits)?
        .walk(&mut visit, &mut |fault| Err(Error::Archive { path: path.to_owned(), fault }))
}

/// All faults of an archive, in one pass. A fault after which nothing can be read, as of the compression, is the last of the list.
///
/// # Errors
/// As for [`open`]: there is nothing to judge an archive by without its descriptor.
pub fn verify_contents(path: &Path, limits: &Limits) -> Result<(Descriptor, Vec<Fault>), Error> {
    verify_contents_with(path, limits, |_, _| Ok(()))
}

/// Like [`verify_contents`], and shows each listed file of the right length to `visit`, as [`for_each_entry`] does.
///
/// # Errors
/// As for [`open`]; [`Error::Io`] also for what `visit` returns.
pub fn verify_contents_with(
    path: &Path,
    limits: &Limits,
    mut visit: impl FnMut(&Entry, &mut dyn Read) -> io::Result<()>,
) -> Result<(Descriptor, Vec<Fault>), Error> {
    let opened = Opened::all(path, limits)?;
    let descriptor = opened.descriptor.clone();
    let mut faults = Vec::new();
    let walked = opened.walk(&mut visit, &mut |fault| {
        faults.push(fault);
        Ok(())
    });
    match walked {
        Ok(_) => {}
        Err(Error::Archive { fault, .. }) => faults.push(fault),
        Err(error) => return Err(error),
    }
    Ok((descriptor, faults))
}

/// An archive that stands behind its descriptor.
struct Opened<'a> {
    path: &'a Path,
    format: Format,
    entries: Entries,
    json: Vec<u8>,
    descriptor: Descriptor,
}

/// Called with each file.
type Visit<'a> = &'a mut dyn FnMut(&Entry, &mut dyn Read) -> io::Result<()>;
/// Called with each fault after which reading can go on; returns the error if it should not.
type Report<'a> = &'a mut dyn FnMut(Fault) -> Result<(), Error>;

impl<'a> Opened<'a> {
    /// To be read to its end.
    fn all(path: &'a Path, limits: &Limits) -> Result<Self, Error> {
        Self::new(path, limits, Entries::open(path, limits, Depth::All)?)
    }

    fn new(path: &'a Path, limits: &Limits, opening: Opening) -> Result<Self, Error> {
        let Opening { mut entries, format, .. } = opening;
        let in_archive = |error| archive_error(path, error);
        let fail = |fault| Error::Archive { path: path.to_owned(), fault };
        let first = entries
            .next()
            .map_err(in_archive)?
            .map_or_else(Default::default, |entry| (entry.path, entry.size_bytes));
        if first.0 != DESCRIPTOR_FILE {
            return Err(fail(Fault::DescriptorNotFirst { found: first.0 }));
        }
        Fault::limit("bytes of V8.json", first.1, limits.max_descriptor_bytes).map_err(fail)?;
        let mut json = Vec::new();
        entries.read_to_end(&mut json).map_err(in_archive)?;
        let origin = format!("{}: {DESCRIPTOR_FILE}", path.display());
        let descriptor = Descriptor::from_json(&json, &origin)?;
        Ok(Self { path, format, entries, json, descriptor })
    }

    fn walk(mut self, visit: Visit<'_>, report: Report<'_>) -> Result<Descriptor, Error> {
        let mut listing = Listing::new(&self.descriptor.files, report)?;
        let mut last: Option<&str> = None;
        while let Some(raw) = self.entries.next().map_err(|error| archive_error(self.path, error))? {
            let entry = Entry { path: raw.path, size_bytes: raw.size_bytes };
            match listing.take(&entry) {
                Ok(expected) => {
                    let mut data = HashingReader { inner: &mut self.entries, hasher: Hasher::new() };
                    visit(&entry, &mut data).map_err(|error| visit_error(self.path, &entry, error))?;
                    io::copy(&mut data, &mut io::sink()).map_err(|error| archive_error(self.path, error))?;
                    let actual = data.hasher.finish();
                    // The size was compared before: an entry gives exactly what its header says, or an error.
                    if actual.sha256 != expected.sha256 {
                        let (expected, actual) = (expected.sha256, actual.sha256);
                        report(Fault::Digest { entry: entry.path.clone(), expected, actual })?;
                    }
                    if let Some(last) =
                        last.replace(&expected.path).filter(|last| *last > entry.path.as_str())
                    {
                        let why = format!("it stands behind '{last}', but files are sorted by path");
                        report(Fault::NotCanonical { entry: entry.path, why })?;
                    }
                }
                Err(fault) => {
                    report(fault)?;
                    io::copy(&mut self.entries, &mut io::sink())
                        .map_err(|error| archive_error(self.path, error))?;
                }
            }
        }
        for entry in listing.waiting.into_keys() {
            report(Fault::Missing { entry: entry.to_owned() })?;
        }
        Ok(self.descriptor)
    }
}

/// A fault of the archive reaches us through the visitor, if it reads; all else is the visitor's own.
fn visit_error(path: &Path, entry: &Entry, error: io::Error) -> Error {
    match archive_error(path, error) {
        Error::Io { source, .. } => Error::Io { action: "process", path: path.join(&entry.path), source },
        error => error,
    }
}

/// The files of a descriptor that were not met yet, and all of them.
pub(crate) struct Listing<'a> {
    pub(crate) waiting: BTreeMap<&'a str, &'a descriptor::File>,
    paths: PathSet,
}

impl<'a> Listing<'a> {
    /// Reports the paths of the list that no archive may hold, and those that are out of order.
    pub(crate) fn new(files: &'a [descriptor::File], report: Report<'_>) -> Result<Self, Error> {
        let mut listing = Self { waiting: BTreeMap::new(), paths: PathSet::default() };
        listing.paths.add_file(DESCRIPTOR_FILE).expect("the set is empty");
        for (number, file) in files.iter().enumerate() {
            if let Some(last) = files[..number].last().filter(|last| last.path > file.path) {
                let why = format!(
                    "{DESCRIPTOR_FILE} lists it behind '{}', but files are sorted by path",
                    last.path
                );
                report(Fault::NotCanonical { entry: file.path.clone(), why })?;
            }
            match listing.judge_path(&file.path) {
                Ok(()) => drop(listing.waiting.insert(&file.path, file)),
                Err(fault) => report(fault)?,
            }
        }
        Ok(listing)
    }

    /// The listed file that an entry is, once.
    fn take(&mut self, entry: &Entry) -> Result<&'a descriptor::File, Fault> {
        let Some(file) = self.waiting.remove(entry.path.as_str()) else {
            // The most precise of: twice, a clash, a bad path; or else simply foreign.
            self.judge_path(&entry.path)?;
            return Err(Fault::NotListed { entry: entry.path.clone() });
        };
        if file.size_bytes != entry.size_bytes {
            let (expected, actual) = (file.size_bytes, entry.size_bytes);
            return Err(Fault::Size { entry: entry.path.clone(), expected, actual });
        }
        Ok(file)
    }

    fn judge_path(&mut self, path: &str) -> Result<(), Fault> {
        path::check(path).map_err(|why| Fault::Path { entry: path.to_owned(), why })?;
        self.paths.add_file(path).map_err(|clash: Clash| Fault::Clash { entry: path.to_owned(), clash })
    }
}

/// Hashes what passes.
struct HashingReader<'a> {
    inner: &'a mut Entries,
    hasher: Hasher,
}

impl Read for HashingReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}
