//! A file that comes out of a store: counted, digested, limited, and under its name only when it is whole.

use std::fs::{self, File};
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};

use v8_archive::digest::{Hasher, SizedSha256};

use crate::error::{Error, IoContext as _, Result};

/// Takes bytes as they come. Dropped before [`Receiver::finish`], it leaves nothing.
pub struct Receiver {
    to: PathBuf,
    partial: PathBuf,
    file: File,
    hasher: Hasher,
    received_bytes: u64,
    max_bytes: u64,
    is_finished: bool,
}

impl Receiver {
    /// Nothing received yet; a file that is at `to` stays until [`Receiver::finish`].
    pub fn new(to: &Path, max_bytes: u64) -> Result<Receiver> {
        let partial = to.with_added_extension("partial");
        let file = File::create(&partial).or_io("create", &partial)?;
        let (to, hasher) = (to.to_owned(), Hasher::new());
        Ok(Receiver { to, partial, file, hasher, received_bytes: 0, max_bytes, is_finished: false })
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// If they are more than the limit, or cannot be written.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.received_bytes += bytes.len() as u64;
        if self.received_bytes > self.max_bytes {
            let name = self.to.file_name().unwrap_or_default().to_string_lossy();
            return Err(Error::failed(format!(
                "{name} is longer than the {} bytes it may have",
                self.max_bytes
            )));
        }
        self.hasher.update(bytes);
        self.file.write_all(bytes).or_io("write", &self.partial)
    }

    /// Takes all of a reader; `origin` is what an error calls it.
    pub fn write_all_of(&mut self, mut reader: impl Read, origin: &Path) -> Result<()> {
        let mut chunk = vec![0; 64 * 1024];
        loop {
            match reader.read(&mut chunk) {
                Ok(0) => return Ok(()),
                Ok(count) => self.write(&chunk[..count])?,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("read", origin, &error)),
            }
        }
    }

    /// Gives the file its name.
    pub fn finish(mut self) -> Result<SizedSha256> {
        fs::rename(&self.partial, &self.to).or_io("create", &self.to)?;
        self.is_finished = true;
        Ok(std::mem::take(&mut self.hasher).finish())
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if !self.is_finished {
            // On the way out of another error, which is worth reporting.
            let _ = fs::remove_file(&self.partial);
        }
    }
}
