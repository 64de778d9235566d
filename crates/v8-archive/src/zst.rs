//! Reads `.zst`: exactly one frame, with content size and checksum, with a window we can afford.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};

use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

use crate::entries::Decompress;
use crate::{Fault, Limits};

/// The first bytes of a frame (RFC 8878, 3.1.1).
pub(crate) const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

pub(crate) struct ZstReader {
    decoder: StreamingDecoder<BufReader<File>, FrameDecoder>,
    /// What the frame says it will give, less what it gave.
    left_bytes: u64,
}

/// What a frame says of itself before any of it is decoded.
struct FrameHeader {
    /// Number of bytes before the first block.
    length: usize,
    window_bytes: u64,
    content_bytes: u64,
}

impl ZstReader {
    /// `file` stands at its start.
    pub(crate) fn new(mut file: File, limits: &Limits) -> io::Result<Self> {
        let header = read_header(&mut file, limits)?;
        file.rewind()?;
        let decoder =
            StreamingDecoder::new_with_max_window_size(BufReader::new(file), limits.max_window_bytes)
                .map_err(Fault::corrupt)?;
        Ok(Self { decoder, left_bytes: header.content_bytes })
    }
}

/// Reads a frame's header and holds it against the limits, before the decoder takes memory.
fn read_header(file: &mut File, limits: &Limits) -> io::Result<FrameHeader> {
    let mut start = Vec::new();
    file.take(18).read_to_end(&mut start)?;
    let header = parse_header(&start)?;
    Fault::limit("bytes of zstd window", header.window_bytes, limits.max_window_bytes)?;
    Fault::limit("bytes in all", header.content_bytes, limits.max_total_bytes)?;
    Ok(header)
}

/// Content size and checksum are optional in zstd and ours always have them; bits that decoders ignore must be zero.
fn parse_header(start: &[u8]) -> Result<FrameHeader, Fault> {
    let byte = |at: usize| start.get(at).copied().map(u64::from).ok_or(Fault::Truncated);
    let descriptor = byte(4)?;
    let single_segment = descriptor & 0x20 != 0;
    let not_canonical = |why: &str| Fault::NotCanonical { entry: String::new(), why: why.to_owned() };
    if descriptor & 0x04 == 0 {
        return Err(not_canonical("its zstd frame has no checksum"));
    }
    if descriptor & 0x1b != 0 {
        return Err(not_canonical("its zstd frame has a dictionary or reserved bits"));
    }
    let (window_bytes, size_at) = if single_segment {
        (None, 5)
    } else {
        let (exponent, mantissa) = (byte(5)? >> 3, byte(5)? & 7);
        let base = 1u64 << (10 + exponent);
        (Some(base + base / 8 * mantissa), 6)
    };
    let little_endian =
        |count: usize| (0..count).try_fold(0, |sum, n| Ok(sum | byte(size_at + n)? << (8 * n)));
    let (content_bytes, size_bytes) = match descriptor >> 6 {
        0 if single_segment => (little_endian(1)?, 1),
        0 => return Err(not_canonical("its zstd frame has no content size")),
        1 => (little_endian(2)? + 256, 2),
        2 => (little_endian(4)?, 4),
        _ => (little_endian(8)?, 8),
    };
    let window_bytes = window_bytes.unwrap_or(content_bytes);
    Ok(FrameHeader { length: size_at + size_bytes, window_bytes, content_bytes })
}

impl Read for ZstReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.decoder.read(buffer).map_err(Fault::corrupt)?;
        self.left_bytes = self
            .left_bytes
            .checked_sub(count as u64)
            .ok_or_else(|| Fault::corrupt("the zstd frame is longer than its content size"))?;
        Ok(count)
    }
}

impl Decompress for ZstReader {
    fn finish(&mut self) -> io::Result<()> {
        if self.read(&mut [0])? != 0 {
            return Err(Fault::Trailing.into());
        }
        if self.left_bytes != 0 {
            return Err(Fault::corrupt("the zstd frame is shorter than its content size").into());
        }
        // The decoder computes both and compares them not.
        let decoder = &self.decoder.decoder;
        match (decoder.get_checksum_from_data(), decoder.get_calculated_checksum()) {
            (Some(expected), Some(actual)) if expected == actual => {}
            (expected, actual) => {
                return Err(Fault::corrupt(format_args!(
                    "zstd checksum {actual:08x?}, expected {expected:08x?}"
                ))
                .into());
            }
        }
        match self.decoder.get_mut().read(&mut [0])? {
            0 => Ok(()),
            _ => Err(Fault::Trailing.into()),
        }
    }
}

/// The content's beginning, without the rest.
///
/// The decoder gives nothing away until it holds a whole window or has seen the frame's last block; with our window
/// that is nearly the whole library. Blocks depend on earlier ones only, so the first few become a frame of their own when
/// the last of them says that it is the last.
pub(crate) struct ZstFront {
    content: Cursor<Vec<u8>>,
    /// Whether these are all blocks.
    pub(crate) whole: bool,
}

/// No block holds more, packed or unpacked (RFC 8878, 3.1.1.2.4).
const MAX_BLOCK_BYTES: u32 = 128 << 10;

impl ZstFront {
    /// Decodes at most `max_blocks` blocks.
    pub(crate) fn new(mut file: File, limits: &Limits, max_blocks: usize) -> io::Result<Self> {
        let header = read_header(&mut file, limits)?;
        file.seek(SeekFrom::Start(header.length as u64))?;
        let mut source = BufReader::new(file);
        // The smallest window that this notation has for what the frame asks: no size, no checksum, which are of all blocks.
        let exponent = header.window_bytes.max(1 << 10).next_power_of_two().trailing_zeros() as u8 - 10;
        let mut frame = [&MAGIC[..], &[0, exponent << 3]].concat();
        let mut whole = false;
        for number in 1..=max_blocks {
            let mut block = [0; 4];
            source.read_exact(&mut block[..3])?;
            let block = u32::from_le_bytes(block);
            let size = block >> 3;
            if size > MAX_BLOCK_BYTES {
                return Err(Fault::corrupt("a zstd block over 128 KiB").into());
            }
            whole = block & 1 != 0;
            let ends = u32::from(whole || number == max_blocks);
            frame.extend_from_slice(&(block & !1 | ends).to_le_bytes()[..3]);
            // A block of one repeated byte holds that byte alone.
            let packed_bytes = if block >> 1 & 3 == 1 { 1 } else { u64::from(size) };
            if (&mut source).take(packed_bytes).read_to_end(&mut frame)? as u64 != packed_bytes {
                return Err(Fault::Truncated.into());
            }
            if whole {
                break;
            }
        }
        let window_limit = limits.max_window_bytes.saturating_mul(2);
        let mut decoder = StreamingDecoder::new_with_max_window_size(frame.as_slice(), window_limit)
            .map_err(Fault::corrupt)?;
        let mut content = Vec::new();
        decoder.read_to_end(&mut content).map_err(Fault::corrupt)?;
        Ok(Self { content: Cursor::new(content), whole })
    }
}

impl Read for ZstFront {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.content.read(buffer)
    }
}

impl Decompress for ZstFront {
    /// There is more, which is not looked at: nothing was verified.
    fn finish(&mut self) -> io::Result<()> {
        Err(Fault::Truncated.into())
    }
}
