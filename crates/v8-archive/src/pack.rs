//! A folder and a descriptor become an archive: same input, same bytes.
//!
//! Neither clock, user, modes, host path nor the order of folders reach the archive. The compressors are pinned by
//! `Cargo.lock`; another version of one may give other bytes, which is why [`Packed::tar`] is worth a pin as well.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use lzma_rust2::{LzmaOptions, XzOptions, XzWriter};

use crate::deflate::Deflate;
use crate::digest::{Hasher, HashingWriter, SizedSha256};
use crate::path::{self, PathSet};
use crate::temporary::Temporary;
use crate::{DESCRIPTOR_FILE, Descriptor, Error, Format, Sha256, descriptor, gzip, tar, zip};

/// How to compress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackOptions {
    /// zstd's level, 1 to 22. 19: the highest without "ultra", whose gain was not worth its memory.
    pub zstd_level: i32,
    /// Threads for zstd; 0 counts as 1. Changes the time and memory it takes, never the bytes.
    pub threads: u32,
}

impl Default for PackOptions {
    fn default() -> Self {
        Self { zstd_level: 19, threads: 1 }
    }
}

/// A finished archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// The file.
    pub path: PathBuf,
    /// Its length in bytes.
    pub size_bytes: u64,
    /// Its digest.
    pub sha256: Sha256,
    /// Length and digest of the uncompressed tar stream; equal for all formats (for a zip, of the tar it could have been).
    pub tar: SizedSha256,
    /// The descriptor as it is in the archive, with `files`.
    pub descriptor: Descriptor,
}

/// zstd's window: 2^27 bytes hold most of V8's library, and are what `zstd --long` needs no option to read.
const WINDOW_LOG: u32 = 27;

/// Packs all files of `folder` to `out_dir/<name of the descriptor>.<format>`, replacing one of that name.
///
/// `descriptor.files` is filled here, `descriptor.name` must be right. Folders are carried by the files in them; an empty one is not.
/// A failure leaves no file behind, and one that was there before untouched.
///
/// # Errors
/// [`Error::Input`] for anything that is neither file nor folder, a path an archive may not hold ([`path::check`]), a file that is too large
/// for the format or changes meanwhile, or a `V8.json`; [`Error::Descriptor`] if the descriptor would not be read back; [`Error::Io`].
pub fn pack(
    folder: &Path,
    descriptor: &Descriptor,
    out_dir: &Path,
    format: Format,
    options: &PackOptions,
) -> Result<Packed, Error> {
    let mut descriptor = descriptor.clone();
    descriptor.files = list_files(folder)?;
    let json = descriptor.to_json().into_bytes();
    // What cannot be read must not be written.
    Descriptor::from_json(&json, DESCRIPTOR_FILE)?;
    let target = out_dir.join(descriptor.archive_name(format)?.to_string());
    let contents = Contents { folder, json: &json, files: &descriptor.files };

    let (temporary, file) = Temporary::file(&target)?;
    let in_file = |error| pack_error(&target, error);
    let (file, tar) = match format {
        Format::TarZst => contents.write_zst(file, options).map_err(in_file)?,
        Format::TarGz => contents.write_gz(file).map_err(in_file)?,
        Format::TarXz => contents.write_xz(file).map_err(in_file)?,
        Format::Zip => {
            let file = contents.write_zip(file).map_err(in_file)?;
            let mut tar = HashingWriter::new(io::sink());
            contents.write_tar(&mut tar).map_err(in_file)?;
            (file, tar.finish().1)
        }
    };
    file.sync_all().map_err(Error::io("sync", temporary.path()))?;
    // Its lock tells others to leave it alone, to the end; but Windows lets nobody read what is locked.
    let _locked = (!cfg!(windows)).then_some(file);
    // Read back, rather than hashed on the way: what is announced is what the disk returns.
    let SizedSha256 { size_bytes, sha256 } = Sha256::of_file(temporary.path())?;
    temporary.keep(&target)?;
    Ok(Packed { path: target, size_bytes, sha256, tar, descriptor })
}

/// An error about the input travels through `Write` as the payload of an `io::Error`.
fn pack_error(target: &Path, error: io::Error) -> Error {
    error.downcast::<Error>().unwrap_or_else(Error::io("write", target))
}

/// All files below a folder, sorted by path, measured.
fn list_files(folder: &Path) -> Result<Vec<descriptor::File>, Error> {
    let mut paths = Vec::new();
    collect(folder, "", &mut paths)?;
    paths.sort();
    let mut set = PathSet::default();
    paths
        .into_iter()
        .map(|path| {
            let full_path = folder.join(&path);
            let input = |why: String| Error::Input { path: full_path.clone(), why };
            if path == DESCRIPTOR_FILE {
                return Err(input(
                    "pack writes this file itself\nhelp: move it out of the folder".to_owned(),
                ));
            }
            path::check(&path).map_err(|why| input(why.to_owned()))?;
            set.add_file(&path).map_err(|clash| input(clash.to_string()))?;
            let SizedSha256 { size_bytes, sha256 } = Sha256::of_file(&full_path)?;
            Ok(descriptor::File { path, size_bytes, sha256 })
        })
        .collect()
}

fn collect(folder: &Path, prefix: &str, paths: &mut Vec<String>) -> Result<(), Error> {
    for entry in fs::read_dir(folder).map_err(Error::io("read folder", folder))? {
        let entry = entry.map_err(Error::io("read folder", folder))?;
        let full_path = entry.path();
        let input = |why: &str| Error::Input { path: full_path.clone(), why: why.to_owned() };
        let name = entry.file_name().into_string().map_err(|_| input("the path is not unicode"))?;
        let path = format!("{prefix}{name}");
        // Does not follow links.
        let kind = entry.file_type().map_err(Error::io("read", &full_path))?;
        if kind.is_dir() {
            collect(&full_path, &format!("{path}/"), paths)?;
        } else if kind.is_file() {
            paths.push(path);
        } else if kind.is_symlink() {
            return Err(input("it is a symbolic link, but an archive holds regular files only"));
        } else {
            return Err(input("it is a device, fifo or socket, but an archive holds regular files only"));
        }
    }
    Ok(())
}

/// What goes into the archive, in order: the descriptor, then the files.
struct Contents<'a> {
    folder: &'a Path,
    json: &'a [u8],
    files: &'a [descriptor::File],
}

impl Contents<'_> {
    fn write_zst(&self, file: File, options: &PackOptions) -> io::Result<(File, SizedSha256)> {
        let mut encoder = zstd::stream::write::Encoder::new(file, options.zstd_level)?;
        encoder.window_log(WINDOW_LOG)?;
        encoder.long_distance_matching(true)?;
        encoder.include_checksum(true)?;
        encoder.include_contentsize(true)?;
        encoder.set_pledged_src_size(Some(self.tar_bytes()))?;
        // Without a worker zstd cuts the input otherwise, and gives other bytes than with any number of them.
        encoder.multithread(options.threads.max(1))?;
        let mut tar = HashingWriter::new(encoder);
        self.write_tar(&mut tar)?;
        let (encoder, digest) = tar.finish();
        Ok((encoder.finish()?, digest))
    }

    fn write_gz(&self, mut file: File) -> io::Result<(File, SizedSha256)> {
        file.write_all(&gzip::HEADER)?;
        let crc = CrcWriter { inner: Deflate::new(BufWriter::new(file)), crc: crc32fast::Hasher::new() };
        let mut tar = HashingWriter::new(crc);
        self.write_tar(&mut tar)?;
        let (CrcWriter { inner, crc }, digest) = tar.finish();
        let mut out = inner.finish()?;
        // RFC 1952: the length modulo 2^32.
        out.write_all(&gzip::trailer(crc.finalize(), digest.size_bytes as u32))?;
        Ok((out.into_inner()?, digest))
    }

    fn write_xz(&self, file: File) -> io::Result<(File, SizedSha256)> {
        let mut options = XzOptions::with_preset(9);
        // `xz -9e`, without memory for more than there is.
        options.lzma_options.nice_len = LzmaOptions::NICE_LEN_MAX;
        options.lzma_options.depth_limit = 512;
        let enough = self.tar_bytes().next_power_of_two().max(lzma_rust2::DICT_SIZE_MIN.into());
        let dictionary = &mut options.lzma_options.dict_size;
        *dictionary = u32::try_from(enough).unwrap_or(u32::MAX).min(*dictionary);
        let mut tar = HashingWriter::new(XzWriter::new(BufWriter::new(file), options)?);
        self.write_tar(&mut tar)?;
        let (encoder, digest) = tar.finish();
        Ok((encoder.finish()?.into_inner()?, digest))
    }

    /// Length of what `write_tar` writes.
    fn tar_bytes(&self) -> u64 {
        let entry = |size: u64| tar::BLOCK_BYTES as u64 + size + tar::padding_bytes(size) as u64;
        let files: u64 = self.files.iter().map(|file| entry(file.size_bytes)).sum();
        entry(self.json.len() as u64) + files + tar::END.len() as u64
    }

    fn write_tar(&self, out: &mut impl Write) -> io::Result<()> {
        self.for_each(&mut |file, data| {
            let header = tar::header(&file.path, file.size_bytes)
                .ok_or_else(|| self.too_large(file, "a file in a tar", tar::MAX_FILE_BYTES))?;
            out.write_all(&header)?;
            io::copy(data, out)?;
            out.write_all(&[0; tar::BLOCK_BYTES][..tar::padding_bytes(file.size_bytes)])
        })?;
        out.write_all(&tar::END)
    }

    fn write_zip(&self, file: File) -> io::Result<File> {
        let mut out = BufWriter::new(file);
        let mut directory = Vec::new();
        let mut count = 0u16;
        self.for_each(&mut |file, data| {
            let too_large = || self.too_large(file, "a zip", u32::MAX.into());
            let offset = u32::try_from(out.stream_position()?).map_err(|_| too_large())?;
            let size_bytes = u32::try_from(file.size_bytes).map_err(|_| too_large())?;
            // Checksum and packed size are known after the data, and stand before it: room first, then back.
            let mut member = zip::Member { crc: 0, packed_bytes: 0, size_bytes };
            let header = zip::local_header(&file.path, member);
            out.write_all(&header)?;
            let mut packed = CrcWriter { inner: Deflate::new(&mut out), crc: crc32fast::Hasher::new() };
            io::copy(data, &mut packed)?;
            let CrcWriter { inner, crc } = packed;
            inner.finish()?;
            let end = out.stream_position()?;
            let packed_bytes = end - u64::from(offset) - header.len() as u64;
            member.crc = crc.finalize();
            member.packed_bytes = u32::try_from(packed_bytes).map_err(|_| too_large())?;
            out.seek(SeekFrom::Start(offset.into()))?;
            out.write_all(&zip::local_header(&file.path, member))?;
            out.seek(SeekFrom::Start(end))?;
            directory.extend(zip::central_header(&file.path, member, offset));
            count =
                count.checked_add(1).ok_or_else(|| io::Error::other("a zip holds at most 65535 files"))?;
            Ok(())
        })?;
        let too_large = |_| io::Error::other("a zip holds at most 4 GiB; use tar.zst");
        let offset = u32::try_from(out.stream_position()?).map_err(too_large)?;
        let directory_bytes = u32::try_from(directory.len()).map_err(too_large)?;
        directory.extend(zip::end_record(count, directory_bytes, offset));
        out.write_all(&directory)?;
        Ok(out.into_inner()?)
    }

    /// Opens each file in turn, and makes sure that what was written is what was measured.
    fn for_each(
        &self,
        write: &mut dyn FnMut(&descriptor::File, &mut dyn Read) -> io::Result<()>,
    ) -> io::Result<()> {
        let json = descriptor::File {
            path: DESCRIPTOR_FILE.to_owned(),
            size_bytes: self.json.len() as u64,
            sha256: Sha256::of_bytes(self.json),
        };
        write(&json, &mut &*self.json)?;
        for file in self.files {
            let path = self.folder.join(&file.path);
            let source =
                File::open(&path).map_err(|error| io::Error::other(Error::io("read", &path)(error)))?;
            // One byte more than expected is enough to see that a file grew, and keeps a growing one from filling the disk.
            let mut data = Measured { inner: source.take(file.size_bytes + 1), hasher: Hasher::new() };
            write(file, &mut data)?;
            let SizedSha256 { size_bytes, sha256 } = data.hasher.finish();
            if (size_bytes, sha256) != (file.size_bytes, file.sha256) {
                let why = "it changed while it was packed".to_owned();
                return Err(io::Error::other(Error::Input { path, why }));
            }
        }
        Ok(())
    }

    fn too_large(&self, file: &descriptor::File, container: &str, limit: u64) -> io::Error {
        let path = self.folder.join(&file.path);
        let size = file.size_bytes;
        let why = format!("{size} bytes here, but {container} ends at {limit}; use another format");
        io::Error::other(Error::Input { path, why })
    }
}

/// Hashes what is read.
struct Measured<R> {
    inner: R,
    hasher: Hasher,
}

impl<R: Read> Read for Measured<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}

/// Sums what is written.
struct CrcWriter<W> {
    inner: W,
    crc: crc32fast::Hasher,
}

impl<W: Write> Write for CrcWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.crc.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_changes_between_measuring_and_packing_is_an_error() {
        let check = |changed: &str| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("file");
            fs::write(&path, "before").unwrap();
            let files = list_files(folder.path()).unwrap();
            fs::write(&path, changed).unwrap();
            let contents = Contents { folder: folder.path(), json: b"{}", files: &files };
            let result = contents.write_tar(&mut io::sink());
            if changed == "before" {
                return result.unwrap();
            }
            let error = pack_error(Path::new("target"), result.unwrap_err()).to_string();
            assert!(error.ends_with("file: it changed while it was packed"), "{changed}: {error}");
        };
        check("before");
        check("BEFORE");
        check("less");
        check("before and after");
    }
}
