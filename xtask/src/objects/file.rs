//! One file with the objects of a cell, for CI caches that take no thousands of entries.
//!
//! A tar file in the one form of `v8-archive`, not compressed, since objects are zstd already:
//!
//! * `cache.json`, the first entry: [`Index`];
//! * `objects/<key>` for each of its entries, in its order, with just that size.
//!
//! So a file has one right length and one right header at each place, and whatever else is in one is refused. The same
//! objects give the same bytes: neither times nor the machine are in it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use v8_archive::Sha256;
use v8_archive::digest::{HashingWriter, SizedSha256};
use v8_archive::tar;

use super::{Cell, Key, Object, Record};
use crate::error::{Error, IoContext as _, Result};
use crate::paths::Cache;

/// The number of this format.
pub const FORMAT: u32 = 1;

const INDEX_FILE: &str = "cache.json";

/// A million entries: what is read into memory has a limit.
const MAX_INDEX_BYTES: u64 = 256 << 20;

/// `cache.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// [`FORMAT`]; another one is refused.
    pub format: u32,
    /// What wrote the file, for people.
    pub tool: String,
    /// V8's version, for people: keys decide what hits.
    pub v8_version: String,
    /// The target that used the objects.
    pub target: String,
    /// The variant that used them.
    pub variant: String,
    /// Sorted by key.
    pub entries: Vec<Entry>,
}

/// An object of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// sccache's name of it.
    pub key: Key,
    /// Its length in bytes.
    pub size_bytes: u64,
    /// Its digest.
    pub sha256: Sha256,
}

impl Index {
    /// Whose objects they are.
    pub fn cell(&self) -> Cell {
        Cell { target: self.target.clone(), variant: self.variant.clone() }
    }
}

/// What became of the objects.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Carried {
    /// Written to the file, or to the cache.
    pub written: usize,
    /// Left out: for `max_size_bytes` at an export, because they are there at an import.
    pub left: usize,
    /// Length of the file in bytes.
    pub file_bytes: u64,
}

/// Writes the objects of a cell to `to`, replacing it; of more than fit, those used longest ago are left out.
pub fn export(
    cache: &Cache,
    cell: &Cell,
    v8_version: &str,
    to: &Path,
    max_size_bytes: Option<u64>,
) -> Result<Carried> {
    let record = Record::of(cache, cell);
    if !record.exists() {
        return Err(Error::usage(format!(
            "nothing is known of objects of {cell} in {}",
            cache.sccache().display()
        ))
        .help(format!("cargo xtask build-v8 --target {} --variant {}", cell.target, cell.variant)));
    }
    let all = record.objects()?;
    let there = all.len();
    let objects = newest(all, max_size_bytes.unwrap_or(u64::MAX));
    let sccache = cache.sccache();
    let entry = |object: &Object| -> Result<Entry> {
        let SizedSha256 { size_bytes, sha256 } =
            Sha256::of_file(&object.key.place(&sccache)).map_err(read_error)?;
        Ok(Entry { key: object.key.clone(), size_bytes, sha256 })
    };
    let index = Index {
        format: FORMAT,
        tool: concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION")).to_owned(),
        v8_version: v8_version.to_owned(),
        target: cell.target.clone(),
        variant: cell.variant.clone(),
        entries: objects.iter().map(entry).collect::<Result<_>>()?,
    };
    let partial = partial_beside(to)?;
    let file_bytes = write(&index, &sccache, &partial).inspect_err(|_| {
        // The first error is worth telling; a leftover has a name that says what it is.
        let _ = fs::remove_file(&partial);
    })?;
    fs::rename(&partial, to).or_io("create", to)?;
    Ok(Carried { written: index.entries.len(), left: there - index.entries.len(), file_bytes })
}

/// The objects used last that fit into a file of that size, sorted by key.
fn newest(mut objects: Vec<Object>, max_size_bytes: u64) -> Vec<Object> {
    objects.sort_by(|one, other| other.used.cmp(&one.used).then_with(|| one.key.cmp(&other.key)));
    // An entry of cache.json has at most 180 bytes besides the header, the data and the padding.
    let cost = |object: &Object| entry_bytes(object.size_bytes) + 180;
    let mut left_bytes = max_size_bytes.saturating_sub(4096 + tar::END.len() as u64);
    let fits = objects.iter().take_while(|object| {
        let rest = left_bytes.checked_sub(cost(object));
        left_bytes = rest.unwrap_or(0);
        rest.is_some()
    });
    let count = fits.count();
    objects.truncate(count);
    objects.sort_by(|one, other| one.key.cmp(&other.key));
    objects
}

fn write(index: &Index, sccache: &Path, partial: &Path) -> Result<u64> {
    let in_file = |error: io::Error| Error::io("write", partial, &error);
    let mut out = BufWriter::new(File::create(partial).or_io("create", partial)?);
    let mut put = |name: &str, size_bytes: u64, data: &mut dyn Read| -> Result<SizedSha256> {
        let header = tar::header(name, size_bytes).ok_or_else(|| {
            Error::failed(format!("{name} has {size_bytes} bytes, the limit is {}", tar::MAX_FILE_BYTES))
        })?;
        out.write_all(&header).map_err(in_file)?;
        let mut hashing = HashingWriter::new(&mut out);
        io::copy(&mut data.take(size_bytes), &mut hashing).map_err(in_file)?;
        let digest = hashing.finish().1;
        out.write_all(&[0; tar::BLOCK_BYTES][..tar::padding_bytes(size_bytes)]).map_err(in_file)?;
        Ok(digest)
    };
    let json = serde_json::to_vec(index).expect("strings and numbers only");
    put(INDEX_FILE, json.len() as u64, &mut json.as_slice())?;
    for entry in &index.entries {
        let path = entry.key.place(sccache);
        let mut object = File::open(&path).or_io("open", &path)?;
        let found = put(&entry_name(&entry.key), entry.size_bytes, &mut object)?;
        if found.sha256 != entry.sha256 {
            return Err(Error::failed(format!(
                "{} changed while it was read: SHA-256 {}, then {}",
                path.display(),
                entry.sha256,
                found.sha256
            ))
            .help("export when no build runs"));
        }
    }
    out.write_all(&tar::END).map_err(in_file)?;
    let file = out.into_inner().map_err(|error| in_file(error.into_error()))?;
    file.sync_all().map_err(in_file)?;
    Ok(file.metadata().or_io("read", partial)?.len())
}

/// Adds the objects of a file to the cache, and to the record of its cell; what is there stays.
///
/// Everything is verified before the first object appears. A running sccache server does not see them: import first.
pub fn import(cache: &Cache, from: &Path) -> Result<(Index, Carried)> {
    let (index, file_bytes) = verify(from)?;
    let sccache = cache.sccache();
    // In the same file system as its place, under a name that sccache takes for a leftover of its own.
    let incoming = sccache.join(format!(".sccachetmp-libv8-{}", std::process::id()));
    fs::create_dir_all(&sccache).or_io("create", &sccache)?;
    let mut carried = Carried { file_bytes, ..Carried::default() };
    let mut open = Opened::new(from)?;
    for entry in &index.entries {
        let place = entry.key.place(&sccache);
        if place.exists() {
            open.entry(entry, &mut io::sink())?;
            carried.left += 1;
            continue;
        }
        let folder = place.parent().expect("place() joins names");
        fs::create_dir_all(folder).or_io("create", folder)?;
        let mut out = File::create(&incoming).or_io("create", &incoming)?;
        // Once more: the file may have changed since it was verified.
        open.entry(entry, &mut out).inspect_err(|_| {
            let _ = fs::remove_file(&incoming);
        })?;
        fs::rename(&incoming, &place).or_io("create", &place)?;
        carried.written += 1;
    }
    Record::of(cache, &index.cell()).add(index.entries.iter().map(|entry| entry.key.clone()))?;
    Ok((index, carried))
}

/// Reads a whole file and compares every digest; nothing is written.
pub fn verify(from: &Path) -> Result<(Index, u64)> {
    let mut open = Opened::new(from)?;
    let index = open.index.clone();
    for entry in &index.entries {
        open.entry(entry, &mut io::sink())?;
    }
    open.end()?;
    Ok((index, open.file_bytes))
}

/// A file that stands behind its index.
struct Opened {
    path: PathBuf,
    stream: BufReader<File>,
    index: Index,
    file_bytes: u64,
}

impl Opened {
    fn new(path: &Path) -> Result<Opened> {
        let file = File::open(path).map_err(|error| {
            Error::usage(format!("cannot open {}: {error}", path.display()))
                .help("cargo xtask cache export FILE   makes one")
        })?;
        let file_bytes = file.metadata().or_io("read", path)?.len();
        let mut stream = BufReader::new(file);
        let mut header = [0; tar::BLOCK_BYTES];
        exactly(&mut stream, &mut header, path)?;
        // Eleven octal digits, as ustar has them; that all else is right too, the comparison says.
        let size_bytes =
            std::str::from_utf8(&header[124..135]).ok().and_then(|text| u64::from_str_radix(text, 8).ok());
        let size_bytes = size_bytes
            .filter(|size| tar::header(INDEX_FILE, *size) == Some(header))
            .ok_or_else(|| fault(path, format_args!("its first entry is not {INDEX_FILE}")))?;
        if size_bytes > MAX_INDEX_BYTES {
            return Err(fault(
                path,
                format_args!("{INDEX_FILE} has {size_bytes} bytes, the limit is {MAX_INDEX_BYTES}"),
            ));
        }
        // A promise is not believed before the bytes are there.
        if size_bytes > file_bytes {
            return Err(fault(
                path,
                format_args!("it has {file_bytes} bytes, and {INDEX_FILE} alone {size_bytes}"),
            ));
        }
        let mut json = vec![0; usize::try_from(size_bytes).expect("limited above")];
        exactly(&mut stream, &mut json, path)?;
        padding(&mut stream, size_bytes, path)?;
        let index = parse(&json).map_err(|why| fault(path, format_args!("{INDEX_FILE}: {why}")))?;
        let lengths = index.entries.iter().map(|entry| entry_bytes(entry.size_bytes));
        let expected = entry_bytes(size_bytes) + lengths.sum::<u64>() + tar::END.len() as u64;
        if expected != file_bytes {
            return Err(fault(
                path,
                format_args!("it has {file_bytes} bytes, its {INDEX_FILE} says {expected}"),
            ));
        }
        Ok(Opened { path: path.to_owned(), stream, index, file_bytes })
    }

    /// The next entry, which must be this one; its data go to `out`.
    fn entry(&mut self, entry: &Entry, out: &mut dyn io::Write) -> Result<()> {
        let path = self.path.clone();
        let name = entry_name(&entry.key);
        let mut header = [0; tar::BLOCK_BYTES];
        exactly(&mut self.stream, &mut header, &path)?;
        if tar::header(&name, entry.size_bytes) != Some(header) {
            return Err(fault(&path, format_args!("the header of {name} is not the one that export writes")));
        }
        let mut hashing = HashingWriter::new(out);
        let count =
            io::copy(&mut (&mut self.stream).take(entry.size_bytes), &mut hashing).or_io("copy", &path)?;
        let found = hashing.finish().1;
        if count != entry.size_bytes || found.sha256 != entry.sha256 {
            return Err(fault(
                &path,
                format_args!(
                    "{name} has {count} bytes and SHA-256 {}, {INDEX_FILE} says {} and {}",
                    found.sha256, entry.size_bytes, entry.sha256
                ),
            ));
        }
        padding(&mut self.stream, entry.size_bytes, &path)
    }

    fn end(&mut self) -> Result<()> {
        let mut end = [0; tar::END.len()];
        exactly(&mut self.stream, &mut end, &self.path)?;
        if end == tar::END {
            Ok(())
        } else {
            Err(fault(&self.path, format_args!("its last two blocks are not zero")))
        }
    }
}

fn parse(json: &[u8]) -> Result<Index, String> {
    /// Only what every format has.
    #[derive(Deserialize)]
    struct AnyFormat {
        format: u32,
    }
    let AnyFormat { format } = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    if format != FORMAT {
        return Err(format!("format {format}, this tool reads {FORMAT}"));
    }
    let index: Index = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    let keys: BTreeSet<&Key> = index.entries.iter().map(|entry| &entry.key).collect();
    if !index.entries.is_sorted_by(|one, other| one.key < other.key) {
        return Err(format!("{} entries with {} keys are not sorted", index.entries.len(), keys.len()));
    }
    if let Some(entry) = index.entries.iter().find(|entry| entry.size_bytes > tar::MAX_FILE_BYTES) {
        return Err(format!(
            "{} has {} bytes, the limit is {}",
            entry.key,
            entry.size_bytes,
            tar::MAX_FILE_BYTES
        ));
    }
    // A file of ours is named by it.
    let is_plain = |text: &str| {
        !text.is_empty() && text.bytes().all(|c| c.is_ascii_alphanumeric() || b"_-".contains(&c))
    };
    if let Some(name) = [&index.target, &index.variant].into_iter().find(|name| !is_plain(name)) {
        return Err(format!("{name:?} is no name of a target or a variant"));
    }
    Ok(index)
}

fn entry_name(key: &Key) -> String {
    format!("objects/{key}")
}

/// Header, data and padding.
fn entry_bytes(size_bytes: u64) -> u64 {
    tar::BLOCK_BYTES as u64 + size_bytes + tar::padding_bytes(size_bytes) as u64
}

fn padding(stream: &mut impl Read, size_bytes: u64, path: &Path) -> Result<()> {
    let mut block = [0; tar::BLOCK_BYTES];
    exactly(stream, &mut block[..tar::padding_bytes(size_bytes)], path)?;
    if block == [0; tar::BLOCK_BYTES] {
        Ok(())
    } else {
        Err(fault(path, format_args!("its padding is not zero")))
    }
}

fn exactly(stream: &mut impl Read, buffer: &mut [u8], path: &Path) -> Result<()> {
    stream.read_exact(buffer).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            fault(path, format_args!("it ends {} bytes or less before a part of it does", buffer.len()))
        }
        _ => Error::io("read", path, &error),
    })
}

fn fault(path: &Path, what: std::fmt::Arguments<'_>) -> Error {
    Error::failed(format!("{} is no usable cache file: {what}", path.display()))
        .help("nothing was imported; a build without it costs time only")
}

fn read_error(error: v8_archive::Error) -> Error {
    Error::failed(error.to_string())
}

/// A temporary name in the same folder; the process id keeps two programs apart.
fn partial_beside(to: &Path) -> Result<PathBuf> {
    let name =
        to.file_name().ok_or_else(|| Error::usage(format!("{} is no name of a file", to.display())))?;
    Ok(to.with_file_name(format!(".{}.partial-{}", name.to_string_lossy(), std::process::id())))
}
