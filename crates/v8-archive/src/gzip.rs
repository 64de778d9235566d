//! `.gz`: one member with a fixed header.

use std::fs::File;
use std::io::{self, BufReader, Read};

use crate::Fault;
use crate::deflate::Inflate;
use crate::entries::Decompress;

/// The whole header (RFC 1952, 2.3): deflate, no name, no time, best compression, made on no system in particular.
pub(crate) const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255];

pub(crate) struct GzReader {
    source: BufReader<File>,
    inflate: Inflate,
    crc: crc32fast::Hasher,
    /// Modulo 2^32, as the trailer has it.
    size_bytes: u32,
}

impl GzReader {
    /// `file` stands at its start.
    pub(crate) fn new(file: File) -> io::Result<Self> {
        let mut source = BufReader::new(file);
        let mut header = HEADER;
        source.read_exact(&mut header)?;
        if header != HEADER {
            let why = "its gzip header has a name, a time or other fields".to_owned();
            return Err(Fault::NotCanonical { entry: String::new(), why }.into());
        }
        Ok(Self { source, inflate: Inflate::new(), crc: crc32fast::Hasher::new(), size_bytes: 0 })
    }
}

/// What follows the compressed data: checksum and length.
pub(crate) fn trailer(crc: u32, size_bytes: u32) -> [u8; 8] {
    let mut trailer = [0; 8];
    trailer[..4].copy_from_slice(&crc.to_le_bytes());
    trailer[4..].copy_from_slice(&size_bytes.to_le_bytes());
    trailer
}

impl Read for GzReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inflate.read(&mut self.source, buffer)?;
        self.crc.update(&buffer[..count]);
        self.size_bytes = self.size_bytes.wrapping_add(count as u32);
        Ok(count)
    }
}

impl Decompress for GzReader {
    fn finish(&mut self) -> io::Result<()> {
        if self.read(&mut [0])? != 0 {
            return Err(Fault::Trailing.into());
        }
        let mut found = [0; 8];
        self.source.read_exact(&mut found)?;
        if found != trailer(self.crc.clone().finalize(), self.size_bytes) {
            return Err(Fault::corrupt("gzip checksum or length").into());
        }
        match self.source.read(&mut [0])? {
            0 => Ok(()),
            _ => Err(Fault::Trailing.into()),
        }
    }
}
