//! Deflate as streams, over miniz_oxide.

use std::io::{self, BufRead};

use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZError, MZFlush, MZStatus};

use crate::Fault;

/// Decompresses one deflate stream; the source is given with each call.
pub(crate) struct Inflate {
    state: Box<InflateState>,
    ended: bool,
}

impl Inflate {
    pub(crate) fn new() -> Self {
        Self { state: InflateState::new_boxed(DataFormat::Raw), ended: false }
    }

    /// Like `Read::read`; 0 means that the stream ended, with the source standing behind its last byte.
    pub(crate) fn read(&mut self, source: &mut impl BufRead, buffer: &mut [u8]) -> io::Result<usize> {
        while !self.ended && !buffer.is_empty() {
            let input = source.fill_buf()?;
            let at_end = input.is_empty();
            let result = inflate(&mut self.state, input, buffer, MZFlush::None);
            source.consume(result.bytes_consumed);
            match result.status {
                Ok(MZStatus::StreamEnd) => self.ended = true,
                // `Buf` is no progress for want of input or room.
                Ok(MZStatus::Ok) | Err(MZError::Buf) => {}
                Ok(MZStatus::NeedDict) | Err(_) => return Err(Fault::corrupt("invalid deflate data").into()),
            }
            if result.bytes_written > 0 {
                return Ok(result.bytes_written);
            }
            if at_end && !self.ended {
                return Err(Fault::Truncated.into());
            }
        }
        Ok(0)
    }
}

#[cfg(feature = "pack")]
pub(crate) use writer::Deflate;

#[cfg(feature = "pack")]
mod writer {
    use std::io::{self, Write};

    use miniz_oxide::deflate::core::CompressorOxide;
    use miniz_oxide::deflate::stream::deflate;
    use miniz_oxide::{DataFormat, MZError, MZFlush, MZStatus};

    /// The level of gzip -9. It is not a parameter: nobody asked for a second.
    const LEVEL: u8 = 9;

    /// Compresses into a writer.
    pub(crate) struct Deflate<W: Write> {
        inner: W,
        state: Box<CompressorOxide>,
        out: Vec<u8>,
    }

    impl<W: Write> Deflate<W> {
        pub(crate) fn new(inner: W) -> Self {
            let mut state = Box::<CompressorOxide>::default();
            state.set_format_and_level(DataFormat::Raw, LEVEL);
            Self { inner, state, out: vec![0; 64 * 1024] }
        }

        /// Ends the stream and gives the writer back.
        pub(crate) fn finish(mut self) -> io::Result<W> {
            while self.step(&[], MZFlush::Finish)?.1 != MZStatus::StreamEnd {}
            Ok(self.inner)
        }

        fn step(&mut self, input: &[u8], flush: MZFlush) -> io::Result<(usize, MZStatus)> {
            let result = deflate(&mut self.state, input, &mut self.out, flush);
            self.inner.write_all(&self.out[..result.bytes_written])?;
            match result.status {
                Ok(status) => Ok((result.bytes_consumed, status)),
                Err(MZError::Buf) => Ok((result.bytes_consumed, MZStatus::Ok)),
                Err(error) => Err(io::Error::other(format!("deflate: {error:?}"))),
            }
        }
    }

    impl<W: Write> Write for Deflate<W> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut count = 0;
            // A full output buffer can leave all input untouched; `write` must not say 0 to bytes.
            while count == 0 && !bytes.is_empty() {
                count = self.step(bytes, MZFlush::None)?.0;
            }
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            self.inner.flush()
        }
    }
}
