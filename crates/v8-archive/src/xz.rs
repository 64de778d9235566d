//! `.xz`: one stream with a checksum of eight bytes, read with a dictionary that we can afford.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek};

use crate::entries::Decompress;
use crate::{Fault, Limits};

/// The whole header of a stream (the .xz file format 1.2.1, 2.1.1): with a CRC-64 of what is compressed, and its own CRC-32.
const HEADER: [u8; 12] = [0xfd, b'7', b'z', b'X', b'Z', 0, 0, 4, 0xe6, 0xd6, 0xb4, 0x46];

pub(crate) struct XzReader {
    decoder: lzma_rust2::XzReader<BufReader<File>>,
    limit_bytes: u64,
}

impl XzReader {
    /// `file` stands at its start.
    pub(crate) fn new(mut file: File, limits: &Limits) -> io::Result<Self> {
        let mut header = HEADER;
        file.read_exact(&mut header)?;
        if header != HEADER {
            let why = "its xz stream has no checksum of eight bytes".to_owned();
            return Err(Fault::NotCanonical { entry: String::new(), why }.into());
        }
        file.rewind()?;
        // The decoder's own tables are counted too, and are small.
        let limit_kib = u32::try_from(limits.max_window_bytes.div_ceil(1024) + 1024).unwrap_or(u32::MAX);
        let decoder = lzma_rust2::XzReader::new_mem_limit(BufReader::new(file), false, limit_kib);
        Ok(Self { decoder, limit_bytes: limits.max_window_bytes })
    }
}

impl Read for XzReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.decoder.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::OutOfMemory => {
                Fault::corrupt(format_args!("{error}, the limit is {} bytes", self.limit_bytes)).into()
            }
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported => {
                Fault::corrupt(error).into()
            }
            _ => error,
        })
    }
}

impl Decompress for XzReader {
    fn finish(&mut self) -> io::Result<()> {
        // At its end the decoder has read index and footer, and compared block and checksums with them.
        if self.read(&mut [0])? != 0 {
            return Err(Fault::Trailing.into());
        }
        match self.decoder.inner_mut().read(&mut [0])? {
            0 => Ok(()),
            _ => Err(Fault::Trailing.into()),
        }
    }
}
