//! The files of one release on their way into a store: put, read back, compared.

use std::fs;
use std::path::Path;

use v8_archive::Sha256;
use v8_archive::digest::SizedSha256;
use v8_archive::index::{INDEX_FILE, Index, MAX_SIGNATURE_BYTES, SIGNATURE_FILE, Trust};

use super::key::SigningKey;
use crate::error::{Error, IoContext as _, Kind, Result};
use crate::signals;
use crate::store::{Put, Store};

/// What was put so far, and what is expected of it.
pub struct Upload<'a> {
    store: &'a Store,
    release: &'a str,
    folder: &'a Path,
    total: usize,
    expected: Vec<(String, SizedSha256)>,
}

impl<'a> Upload<'a> {
    /// Nothing yet; `total` files are for progress, `folder` is for what is written and read meanwhile.
    pub fn new(store: &'a Store, release: &'a str, folder: &'a Path, total: usize) -> Upload<'a> {
        Upload { store, release, folder, total, expected: Vec::new() }
    }

    /// A file that must be there.
    pub fn expect(&mut self, name: &str, size_bytes: u64, sha256: Sha256) {
        self.expected.push((name.to_owned(), SizedSha256 { size_bytes, sha256 }));
    }

    /// Puts a file, and says so in one line.
    pub fn file(&mut self, name: &str, from: &Path, expected: SizedSha256) -> Result<()> {
        if signals::stop_wanted() {
            let done = self.expected.len();
            return Err(Error::stopped(format!(
                "{done} of {} files of {} are there",
                self.total, self.release
            ))
            .help("run the same command again"));
        }
        let put = match self.store.put(self.release, name, from, expected) {
            Err(error) => {
                // An answer can be lost after the file was stored: what is there now decides.
                let there = self.read(name, expected.size_bytes);
                settled(error, there.ok().flatten(), expected)?
            }
            put => put?,
        };
        self.expected.push((name.to_owned(), expected));
        let word = match put {
            Put::Stored => "put",
            Put::AlreadyThere => "there",
        };
        eprintln!("[{}/{}] {word} {}/{name}", self.expected.len(), self.total, self.release);
        Ok(())
    }

    /// Puts a file of these bytes.
    pub fn text(&mut self, name: &str, text: &str) -> Result<()> {
        let path = self.folder.join("put");
        fs::write(&path, text).or_io("write", &path)?;
        self.file(name, &path, sized(text))
    }

    /// Puts the signature of the index. One that is there is as good, if it holds: no two are the same.
    pub fn signature(&mut self, index: &str, key: &SigningKey, trust: &Trust<'_>) -> Result<()> {
        let origin = format!("{}: {}/{INDEX_FILE}", self.store, self.release);
        let parsed =
            Index::from_json(index.as_bytes(), &origin).map_err(|error| Error::failed(error.to_string()))?;
        let comment = v8_archive::index::trusted_comment(&parsed.release, parsed.number);
        let put = match self.signature_there()? {
            Some(_) => Ok(()),
            None => self.text(SIGNATURE_FILE, &key.sign(index.as_bytes(), &comment)?),
        };
        // Another publisher of the same may have put his between our two looks.
        let there = match (self.signature_there()?, put) {
            (Some(there), _) => there,
            (None, Err(error)) => return Err(error),
            (None, Ok(())) => {
                return Err(Error::failed(format!("{origin}: the signature was put, and is not there")));
            }
        };
        Index::verified(index.as_bytes(), &there, trust, &origin).map_err(|error| {
            Error::failed(error.to_string())
                .help("with the key that has signed it, or as the next revision, it can be published")
        })?;
        self.expected.retain(|(name, _)| name != SIGNATURE_FILE);
        self.expected.push((SIGNATURE_FILE.to_owned(), sized(&there)));
        Ok(())
    }

    fn signature_there(&self) -> Result<Option<String>> {
        let to = self.folder.join("read");
        match self.store.read(self.release, SIGNATURE_FILE, &to, MAX_SIGNATURE_BYTES)? {
            None => Ok(None),
            Some(_) => fs::read_to_string(&to).or_io("read", &to).map(Some),
        }
    }

    /// Reads everything that was put, and compares.
    ///
    /// # Errors
    /// All files that came back otherwise, together.
    pub fn read_back(&self) -> Result<()> {
        eprintln!("reading back {} files of {} from {}", self.expected.len(), self.release, self.store);
        let mut faults = Vec::new();
        for (name, expected) in &self.expected {
            match self.read(name, expected.size_bytes) {
                Ok(Some(there)) if there == *expected => {}
                Ok(Some(there)) => faults.push(format!(
                    "{name}: SHA-256 {} ({} bytes) was put, {} ({} bytes) came back",
                    expected.sha256, expected.size_bytes, there.sha256, there.size_bytes
                )),
                Ok(None) => faults.push(format!("{name}: it is not there")),
                Err(error) => faults.push(format!("{name}: {}", error.message())),
            }
        }
        if faults.is_empty() {
            return Ok(());
        }
        let what = format!("{} does not give back what belongs to release {}", self.store, self.release);
        Err(Error::all(Kind::Failed, &what, &faults).help(
            "nothing of it may be used; find out who changed the store, then publish the next revision",
        ))
    }

    /// A release holds what its index names: whatever else is there was put by somebody else.
    pub fn nothing_else(&self) -> Result<()> {
        let listed = self.store.list(self.release)?;
        let mut faults = Vec::new();
        for (name, expected) in &self.expected {
            match listed.iter().find(|it| it.name == *name) {
                Some(it) if it.size_bytes == expected.size_bytes => {}
                Some(it) => {
                    faults.push(format!("{name}: {} bytes, expected {}", it.size_bytes, expected.size_bytes))
                }
                None => faults.push(format!("{name}: it is not there")),
            }
        }
        let is_expected = |name: &str| self.expected.iter().any(|(expected, _)| expected == name);
        faults.extend(
            listed
                .iter()
                .filter(|it| !is_expected(&it.name))
                .map(|it| format!("{}: no file of this release", it.name)),
        );
        if faults.is_empty() {
            return Ok(());
        }
        let what = format!("{} holds something else in release {}", self.store, self.release);
        Err(Error::all(Kind::Failed, &what, &faults).help("publish it as the next revision, with --release"))
    }

    fn read(&self, name: &str, max_bytes: u64) -> Result<Option<SizedSha256>> {
        let to = self.folder.join("read");
        self.store.read(self.release, name, &to, max_bytes)
    }
}

/// Whether a put that failed has put the file all the same.
fn settled(error: Error, there: Option<SizedSha256>, expected: SizedSha256) -> Result<Put> {
    if there == Some(expected) {
        eprintln!("the store said: {}; the file is there all the same", error.message());
        return Ok(Put::Stored);
    }
    Err(error)
}

fn sized(text: &str) -> SizedSha256 {
    SizedSha256 { size_bytes: text.len() as u64, sha256: Sha256::of_bytes(text.as_bytes()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f48_after_an_error_the_digest_decides() {
        let error = || Error::failed("500 Internal Server Error");
        assert_eq!(settled(error(), Some(sized("file")), sized("file")).unwrap(), Put::Stored);
        for there in [None, Some(sized("fil")), Some(sized("elif"))] {
            assert!(settled(error(), there, sized("file")).unwrap_err().to_string().contains("500"));
        }
    }
}
