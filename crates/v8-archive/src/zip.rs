//! The one form of zip: deflated regular files back to back, sizes in front, no extensions, the directory at the end.
//!
//! A zip says everything twice, and readers differ in which they believe. Here the file is read forwards, and the directory must
//! be, byte for byte, the one that follows from what was read; so there are no two opinions.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

use crate::Fault;
use crate::deflate::Inflate;
use crate::entries::{Budget, RawEntry};

const LOCAL: [u8; 4] = *b"PK\x03\x04";
const CENTRAL: [u8; 4] = *b"PK\x01\x02";
const END: [u8; 4] = *b"PK\x05\x06";

/// Length of a local header before the name.
pub(crate) const LOCAL_BYTES: usize = 30;
/// Deflate; the version of the format that introduced it; 1980-01-01 00:00.
const METHOD: u16 = 8;
const VERSION: u16 = 20;
const TIME_AND_DATE: [u16; 2] = [0, 0x21];
/// Made on Unix (3): the upper half of the attributes is the mode of a regular file, 0644.
const MADE_BY: u16 = 3 << 8 | VERSION;
const ATTRIBUTES: u32 = 0o100644 << 16;

/// What headers say of a file. Without zip64, sizes and offsets end at 4 GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) crc: u32,
    pub(crate) packed_bytes: u32,
    pub(crate) size_bytes: u32,
}

/// The header before a file's data.
pub(crate) fn local_header(path: &str, member: Member) -> Vec<u8> {
    let mut header = LOCAL.to_vec();
    put_common(&mut header, path, member);
    header.extend_from_slice(path.as_bytes());
    header
}

/// The file's record in the directory.
pub(crate) fn central_header(path: &str, member: Member, offset: u32) -> Vec<u8> {
    let mut header = CENTRAL.to_vec();
    put16(&mut header, &[MADE_BY]);
    put_common(&mut header, path, member);
    put16(&mut header, &[0, 0, 0]); // comment, disk, internal attributes
    put32(&mut header, &[ATTRIBUTES, offset]);
    header.extend_from_slice(path.as_bytes());
    header
}

/// The end of the file.
pub(crate) fn end_record(count: u16, directory_bytes: u32, directory_offset: u32) -> Vec<u8> {
    let mut record = END.to_vec();
    put16(&mut record, &[0, 0, count, count]);
    put32(&mut record, &[directory_bytes, directory_offset]);
    put16(&mut record, &[0]); // comment
    record
}

/// The fields that both headers share, up to the length of the (absent) extra field.
fn put_common(header: &mut Vec<u8>, path: &str, member: Member) {
    put16(header, &[VERSION, 0, METHOD]); // 0: no flags
    put16(header, &TIME_AND_DATE);
    put32(header, &[member.crc, member.packed_bytes, member.size_bytes]);
    // When writing, path::check keeps paths below 65,536 bytes; when reading, the name came with such a length (and one that
    // grew by not being UTF-8 no longer is the name that was read).
    put16(header, &[path.len() as u16, 0]);
}

fn put16(bytes: &mut Vec<u8>, values: &[u16]) {
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

fn put32(bytes: &mut Vec<u8>, values: &[u32]) {
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

/// Reads a zip forwards.
pub(crate) struct ZipEntries {
    source: BufReader<File>,
    budget: Budget,
    /// The directory that follows from what was read.
    directory: Vec<u8>,
    count: u16,
    offset: u64,
    current: Option<Current>,
}

/// The entry whose data is being read.
struct Current {
    path: String,
    member: Member,
    inflate: Inflate,
    crc: crc32fast::Hasher,
    left_packed_bytes: u64,
    left_bytes: u64,
}

impl ZipEntries {
    /// `file` stands at its start.
    pub(crate) fn new(file: File, budget: Budget) -> Self {
        let source = BufReader::new(file);
        Self { source, budget, directory: Vec::new(), count: 0, offset: 0, current: None }
    }

    /// The next entry; the data of the one before must have been read to its end.
    pub(crate) fn next(&mut self) -> io::Result<Option<RawEntry>> {
        self.end_current()?;
        let mut fixed = [0; LOCAL_BYTES];
        self.source.read_exact(&mut fixed[..4])?;
        if fixed[..4] == CENTRAL {
            self.check_directory()?;
            return Ok(None);
        }
        if fixed[..4] != LOCAL {
            return Err(Fault::corrupt("no zip header where one has to be").into());
        }
        self.budget.count_entry()?;
        self.source.read_exact(&mut fixed[4..])?;
        let u16_at = |at: usize| u16::from_le_bytes([fixed[at], fixed[at + 1]]);
        let u32_at = |at: usize| u32::from_le_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]]);
        let mut name = vec![0; u16_at(26).into()];
        self.source.read_exact(&mut name)?;
        let path = String::from_utf8_lossy(&name).into_owned();
        let member = Member { crc: u32_at(14), packed_bytes: u32_at(18), size_bytes: u32_at(22) };
        if local_header(&path, member) != [&fixed[..], &name].concat() {
            let entry = path.escape_debug().to_string();
            let why = match () {
                () if u16_at(6) & 1 != 0 => "it is encrypted",
                () if u16_at(6) & 8 != 0 => "its sizes follow its data",
                () if u16_at(8) != METHOD => "its compression method is not deflate",
                () if u16_at(28) != 0 => "its zip header has an extra field",
                () => "version, flags, time or name of its zip header differ from what pack writes",
            };
            return Err(Fault::NotCanonical { entry, why: why.to_owned() }.into());
        }
        if path.ends_with('/') {
            return Err(Fault::NotAFile { entry: path, kind: "folder" }.into());
        }
        let too_large = |_| Fault::corrupt("the zip is over 4 GiB or has over 65535 entries");
        let offset = u32::try_from(self.offset).map_err(too_large)?;
        self.directory.extend(central_header(&path, member, offset));
        self.count =
            self.count.checked_add(1).ok_or_else(|| Fault::corrupt("the zip has over 65535 entries"))?;
        self.offset += (LOCAL_BYTES + name.len()) as u64 + u64::from(member.packed_bytes);
        let size_bytes = member.size_bytes.into();
        self.current = Some(Current {
            path: path.clone(),
            member,
            inflate: Inflate::new(),
            crc: crc32fast::Hasher::new(),
            left_packed_bytes: member.packed_bytes.into(),
            left_bytes: size_bytes,
        });
        Ok(Some(RawEntry { path, size_bytes }))
    }

    /// Data of the current entry; 0 at its end.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(current) = &mut self.current else { return Ok(0) };
        let mut packed = (&mut self.source).take(current.left_packed_bytes);
        let count = current.inflate.read(&mut packed, buffer)?;
        current.left_packed_bytes = packed.limit();
        current.left_bytes = current.left_bytes.checked_sub(count as u64).ok_or_else(|| {
            Fault::corrupt(format_args!("entry '{}' is longer than its zip header says", current.path))
        })?;
        current.crc.update(&buffer[..count]);
        self.budget.spend(count as u64)?;
        Ok(count)
    }

    /// Checks that the entry's data ended where its header says, with the checksum it says.
    fn end_current(&mut self) -> io::Result<()> {
        // Also lets the decoder see the end of a stream whose data has been read.
        if self.read(&mut [0])? != 0 {
            return Err(Fault::corrupt("a zip entry was not read to its end").into());
        }
        let Some(current) = self.current.take() else { return Ok(()) };
        let path = &current.path;
        if current.left_bytes != 0 || current.left_packed_bytes != 0 {
            return Err(
                Fault::corrupt(format_args!("entry '{path}' is shorter than its zip header says")).into()
            );
        }
        let (expected, actual) = (current.member.crc, current.crc.finalize());
        if actual != expected {
            return Err(Fault::corrupt(format_args!(
                "entry '{path}' has crc {actual:08x}, expected {expected:08x}"
            ))
            .into());
        }
        Ok(())
    }

    /// The signature of the first record was read already.
    fn check_directory(&mut self) -> io::Result<()> {
        let too_large = |_| Fault::corrupt("the zip is over 4 GiB");
        let directory_bytes = u32::try_from(self.directory.len()).map_err(too_large)?;
        let mut expected = std::mem::take(&mut self.directory);
        expected.extend(end_record(
            self.count,
            directory_bytes,
            u32::try_from(self.offset).map_err(too_large)?,
        ));
        let mut found = CENTRAL.to_vec();
        (&mut self.source).take(expected.len() as u64 - 4).read_to_end(&mut found)?;
        if found != expected {
            if expected.starts_with(&found) {
                return Err(Fault::Truncated.into());
            }
            return Err(directory_fault(&found, &expected).into());
        }
        match self.source.fill_buf()?.is_empty() {
            true => Ok(()),
            false => Err(Fault::Trailing.into()),
        }
    }
}

/// Says what is foreign in the first record that differs.
fn directory_fault(found: &[u8], expected: &[u8]) -> Fault {
    let u16_at =
        |bytes: &[u8], at: usize| bytes.get(at..at + 2).map_or(0, |b| u16::from_le_bytes([b[0], b[1]]));
    let mut at = 0;
    while expected[at..].starts_with(&CENTRAL) {
        let length = 46 + usize::from(u16_at(expected, at + 28));
        if found.get(at..at + length) != Some(&expected[at..at + length]) {
            let entry = String::from_utf8_lossy(&expected[at + 46..at + length]).into_owned();
            // The upper half of the attributes is the mode, if the record is where we expect it.
            let kind = match u16_at(found, at + 40) & 0o170000 {
                0o120000 => "symbolic link",
                0o040000 => "folder",
                0o010000 => "fifo",
                0o020000 | 0o060000 => "device",
                _ => {
                    let why = "its record in the zip directory differs from what pack writes".to_owned();
                    return Fault::NotCanonical { entry, why };
                }
            };
            return Fault::NotAFile { entry, kind };
        }
        at += length;
    }
    let why = "the end of its zip directory differs from what pack writes".to_owned();
    Fault::NotCanonical { entry: String::new(), why }
}
