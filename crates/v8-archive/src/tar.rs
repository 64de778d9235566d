//! The one form of tar: ustar headers of regular files, zero padding, two zero blocks at the end.
//!
//! The `tar` crate (0.4.46) reads far more than our policy allows: links, devices, GNU and PAX extensions. Of two
//! sizes it takes PAX's (since 0.4.45, RUSTSEC-2026-0068), where other readers take the header's. Here no extension is accepted,
//! so there is no second size, name or owner to disagree about.

use std::io::{self, Read};

use crate::Fault;
use crate::entries::{Budget, Decompress, RawEntry};
use crate::path::split_ustar;

/// Headers take one, and data are filled up to a whole number of them.
pub const BLOCK_BYTES: usize = 512;

/// What ends a tar stream.
pub const END: [u8; 2 * BLOCK_BYTES] = [0; 2 * BLOCK_BYTES];

/// Largest file of a ustar header: eleven octal digits.
pub const MAX_FILE_BYTES: u64 = (1 << 33) - 1;

/// The one header of a file; `None` if path or size do not fit one.
pub fn header(path: &str, size_bytes: u64) -> Option<[u8; BLOCK_BYTES]> {
    let (prefix, name) = split_ustar(path)?;
    if size_bytes > MAX_FILE_BYTES {
        return None;
    }
    let mut header = [0; BLOCK_BYTES];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, name.as_bytes());
    put(100, b"0000644\0"); // mode
    put(108, b"0000000\0"); // user
    put(116, b"0000000\0"); // group
    put(124, format!("{size_bytes:011o}\0").as_bytes());
    put(136, b"00000000000\0"); // time: 1970
    put(148, b"        "); // the checksum counts itself as spaces
    put(156, b"0"); // regular file
    put(257, b"ustar\x0000");
    put(329, b"0000000\0"); // device
    put(337, b"0000000\0");
    put(345, prefix.as_bytes());
    let sum = checksum(&header);
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    Some(header)
}

/// Sum of all bytes, those of the checksum itself counted as spaces.
fn checksum(header: &[u8; BLOCK_BYTES]) -> u32 {
    header
        .iter()
        .enumerate()
        .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) })
        .sum()
}

/// Number of zero bytes after a file's data.
pub fn padding_bytes(size_bytes: u64) -> usize {
    (size_bytes.wrapping_neg() % BLOCK_BYTES as u64) as usize
}

/// Reads a tar stream forwards.
pub(crate) struct TarEntries {
    stream: Box<dyn Decompress>,
    budget: Budget,
    /// Of the current entry's data.
    left_bytes: u64,
    padding_bytes: usize,
}

impl TarEntries {
    pub(crate) fn new(stream: Box<dyn Decompress>, budget: Budget) -> Self {
        Self { stream, budget, left_bytes: 0, padding_bytes: 0 }
    }

    /// The next entry; the data of the one before must have been read to its end.
    pub(crate) fn next(&mut self) -> io::Result<Option<RawEntry>> {
        if self.left_bytes != 0 {
            return Err(Fault::corrupt("a tar entry was not read to its end").into());
        }
        let mut padding = [0; BLOCK_BYTES];
        self.read_exact(self.padding_bytes, &mut padding)?;
        if padding != [0; BLOCK_BYTES] {
            return Err(Fault::corrupt("the padding after a file is not zero").into());
        }
        self.padding_bytes = 0;
        let mut found = [0; BLOCK_BYTES];
        self.read_exact(BLOCK_BYTES, &mut found)?;
        if found == [0; BLOCK_BYTES] {
            self.read_exact(BLOCK_BYTES, &mut found)?;
            if found != [0; BLOCK_BYTES] {
                return Err(Fault::Trailing.into());
            }
            self.stream.finish()?;
            return Ok(None);
        }
        self.budget.count_entry()?;
        let entry = parse(&found)?;
        self.left_bytes = entry.size_bytes;
        self.padding_bytes = padding_bytes(entry.size_bytes);
        Ok(Some(entry))
    }

    /// Data of the current entry; 0 at its end.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.left_bytes).unwrap_or(usize::MAX));
        if wanted == 0 {
            return Ok(0);
        }
        let count = self.stream.read(&mut buffer[..wanted])?;
        if count == 0 {
            return Err(Fault::Truncated.into());
        }
        self.left_bytes -= count as u64;
        self.budget.spend(count as u64)?;
        Ok(count)
    }

    fn read_exact(&mut self, count: usize, block: &mut [u8; BLOCK_BYTES]) -> io::Result<()> {
        self.stream.read_exact(&mut block[..count])?;
        Ok(self.budget.spend(count as u64)?)
    }
}

/// Accepts a header only if it is the one we would write; else says what is foreign in it.
fn parse(found: &[u8; BLOCK_BYTES]) -> Result<RawEntry, Fault> {
    let text = |at: usize, length: usize| {
        let field = &found[at..at + length];
        let end = field.iter().position(|byte| *byte == 0).unwrap_or(length);
        String::from_utf8_lossy(&field[..end]).into_owned()
    };
    let octal = |at: usize, length: usize| u64::from_str_radix(text(at, length).trim(), 8).ok();
    let (prefix, name) = (text(345, 155), text(0, 100));
    let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
    let size_bytes = octal(124, 12);
    if let Some(size_bytes) = size_bytes
        && header(&path, size_bytes).is_some_and(|expected| expected == *found)
    {
        return Ok(RawEntry { path, size_bytes });
    }

    if octal(148, 8) != Some(checksum(found).into()) {
        return Err(Fault::corrupt("the checksum of a tar header"));
    }
    let entry = path.escape_debug().to_string();
    let not_canonical = |why: &str| Err(Fault::NotCanonical { entry: entry.clone(), why: why.to_owned() });
    let kind = match found[156] {
        b'0' => {
            if octal(100, 8).is_some_and(|mode| mode & 0o7000 != 0) {
                return not_canonical("it has a setuid, setgid or sticky bit");
            }
            if size_bytes.is_none() {
                return not_canonical("its size is not eleven octal digits");
            }
            return not_canonical(
                "mode, owner, time, name or padding of its tar header differ from what pack writes",
            );
        }
        b'1' => "hard link",
        b'2' => "symbolic link",
        b'3' => "character device",
        b'4' => "block device",
        b'5' => "folder",
        b'6' => "fifo",
        b'x' | b'g' => "PAX extension",
        b'L' | b'K' => "GNU long name",
        b'S' => "sparse file",
        _ => "tar entry of another type",
    };
    Err(Fault::NotAFile { entry, kind })
}
