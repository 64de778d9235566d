//! Where releases live: folders of files that never change, and one small pointer to the newest of them.
//!
//! A store is as dumb as it can be. Its files are immutable: [`Store::put`] takes the bytes that are there already, and
//! refuses others. The only thing ever overwritten is `latest.json`, and [`Store::commit`] does that only while it still
//! is what the caller has read. None of it is trusted: what a release is, its signed index says.
//!
//! Every store passes the tests of `suite.rs`.

mod address;
mod folder;
#[cfg(feature = "store-github")]
mod github;
#[cfg(feature = "store-oci")]
mod oci;
mod pointer;
mod receive;
#[cfg(any(feature = "store-s3", feature = "store-oci", feature = "store-github"))]
mod remote;
#[cfg(feature = "store-s3")]
mod s3;
#[cfg(test)]
pub mod suite;
#[cfg(all(test, any(feature = "store-s3", feature = "store-oci", feature = "store-github")))]
mod testing;

use std::fmt;
use std::path::Path;

use v8_archive::digest::SizedSha256;

use crate::error::{Error, Result};

pub use address::Address;
pub use folder::Folder;
#[cfg(feature = "store-github")]
pub use github::GitHub;
#[cfg(feature = "store-oci")]
pub use oci::Oci;
pub use pointer::{POINTER_FILE, Pointer, Version};
pub use receive::Receiver;
#[cfg(feature = "store-s3")]
pub use s3::S3;

/// A place for releases.
#[derive(Debug)]
pub enum Store {
    /// A folder, local or mounted.
    Folder(Folder),
    /// A bucket of S3.
    #[cfg(feature = "store-s3")]
    S3(S3),
    /// A repository of a registry of containers.
    #[cfg(feature = "store-oci")]
    Oci(Oci),
    /// The releases of a repository of GitHub.
    #[cfg(feature = "store-github")]
    GitHub(GitHub),
}

/// A file of a release, as a store lists it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// Its name, without folder.
    pub name: String,
    /// Its length in bytes.
    pub size_bytes: u64,
}

/// What became of a file that was to be put into a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It is there now.
    Stored,
    /// The same bytes were there.
    AlreadyThere,
}

/// The feature of this tool that the store named by a text needs, if it was compiled without.
pub fn lacks(text: &str) -> Option<&'static str> {
    let (feature, is_there) = match Address::parse(text).ok()? {
        Address::Folder(_) => return None,
        Address::S3 { .. } => ("store-s3", cfg!(feature = "store-s3")),
        Address::Oci { .. } => ("store-oci", cfg!(feature = "store-oci")),
        Address::GitHub { .. } => ("store-github", cfg!(feature = "store-github")),
    };
    (!is_there).then_some(feature)
}

impl Store {
    /// Opens what `--to` and `--from` name. A folder need not exist; nothing is written yet.
    ///
    /// # Errors
    /// Usage, if the text names no store, or one that this build of the tool cannot speak to.
    pub fn open(text: &str) -> Result<Store> {
        match Address::parse(text)? {
            Address::Folder(path) => Folder::open(&path).map(Store::Folder),
            #[cfg(feature = "store-s3")]
            Address::S3 { bucket, prefix } => S3::open(&bucket, &prefix).map(Store::S3),
            #[cfg(not(feature = "store-s3"))]
            Address::S3 { .. } => Err(left_out(text, "store-s3")),
            #[cfg(feature = "store-oci")]
            Address::Oci { host, name } => Oci::open(&host, &name).map(Store::Oci),
            #[cfg(not(feature = "store-oci"))]
            Address::Oci { .. } => Err(left_out(text, "store-oci")),
            #[cfg(feature = "store-github")]
            Address::GitHub { owner, repository } => GitHub::open(&owner, &repository).map(Store::GitHub),
            #[cfg(not(feature = "store-github"))]
            Address::GitHub { .. } => Err(left_out(text, "store-github")),
        }
    }

    /// The newest release, and what identifies this very state of the pointer.
    ///
    /// # Errors
    /// If the store cannot be read, or its `latest.json` is none.
    pub fn latest(&self) -> Result<Option<(Pointer, Version)>> {
        match self {
            Store::Folder(folder) => folder.latest(),
            #[cfg(feature = "store-s3")]
            Store::S3(s3) => s3.latest(),
            #[cfg(feature = "store-oci")]
            Store::Oci(oci) => oci.latest(),
            #[cfg(feature = "store-github")]
            Store::GitHub(github) => github.latest(),
        }
    }

    /// Copies a file of a release to `to`, which is whole or not there; `None` if the store has no such file.
    ///
    /// # Errors
    /// If it is longer than `max_bytes`, cannot be read, or `to` cannot be written.
    pub fn read(&self, release: &str, name: &str, to: &Path, max_bytes: u64) -> Result<Option<SizedSha256>> {
        checked(&[release, name])?;
        match self {
            Store::Folder(folder) => folder.read(release, name, to, max_bytes),
            #[cfg(feature = "store-s3")]
            Store::S3(s3) => s3.read(release, name, to, max_bytes),
            #[cfg(feature = "store-oci")]
            Store::Oci(oci) => oci.read(release, name, to, max_bytes),
            #[cfg(feature = "store-github")]
            Store::GitHub(github) => github.read(release, name, to, max_bytes),
        }
    }

    /// Every whole file of a release, sorted by name; none if there is no such release. What an interrupted upload has
    /// left is not listed.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn list(&self, release: &str) -> Result<Vec<Listed>> {
        checked(&[release])?;
        let mut listed = match self {
            Store::Folder(folder) => folder.list(release),
            #[cfg(feature = "store-s3")]
            Store::S3(s3) => s3.list(release),
            #[cfg(feature = "store-oci")]
            Store::Oci(oci) => oci.list(release),
            #[cfg(feature = "store-github")]
            Store::GitHub(github) => github.list(release),
        }?;
        listed.sort();
        Ok(listed)
    }

    /// Puts a file into a release. It appears whole or not at all, and what is there never changes: the same bytes
    /// are fine, others are an error that names both digests. What an interrupted upload of it has left is replaced.
    ///
    /// # Errors
    /// If `from` is not what `expected` says, other bytes have this name, or the store cannot be written.
    pub fn put(&self, release: &str, name: &str, from: &Path, expected: SizedSha256) -> Result<Put> {
        checked(&[release, name])?;
        match self {
            Store::Folder(folder) => folder.put(release, name, from, expected),
            #[cfg(feature = "store-s3")]
            Store::S3(s3) => s3.put(release, name, from, expected),
            #[cfg(feature = "store-oci")]
            Store::Oci(oci) => oci.put(release, name, from, expected),
            #[cfg(feature = "store-github")]
            Store::GitHub(github) => github.put(release, name, from, expected),
        }
    }

    /// The one commit point: makes a release the newest, if the newest still is `replacing` (`None`: there is none).
    /// If `pointer` already is the newest, nothing is done and nothing is wrong: an answer may have been lost.
    ///
    /// # Errors
    /// If another publisher was faster, or the store cannot be written.
    pub fn commit(&self, pointer: &Pointer, replacing: Option<&Version>) -> Result<()> {
        checked(&[&pointer.release])?;
        match self {
            Store::Folder(folder) => folder.commit(pointer, replacing),
            #[cfg(feature = "store-s3")]
            Store::S3(s3) => s3.commit(pointer, replacing),
            #[cfg(feature = "store-oci")]
            Store::Oci(oci) => oci.commit(pointer, replacing),
            #[cfg(feature = "store-github")]
            Store::GitHub(github) => github.commit(pointer, replacing),
        }
    }

    /// Where consumers read: a URL template, as [`v8_archive::lock`] fills it.
    pub fn origin(&self) -> String {
        match self {
            Store::Folder(folder) => folder.origin(),
            #[cfg(feature = "store-s3")]
            Store::S3(s3) => s3.origin(),
            #[cfg(feature = "store-oci")]
            Store::Oci(oci) => oci.origin(),
            #[cfg(feature = "store-github")]
            Store::GitHub(github) => github.origin(),
        }
    }
}

impl fmt::Display for Store {
    /// As `--to` takes it; never holds a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Store::Folder(folder) => write!(f, "dir:{}", folder.root().display()),
            #[cfg(feature = "store-s3")]
            Store::S3(s3) => write!(f, "{s3}"),
            #[cfg(feature = "store-oci")]
            Store::Oci(oci) => write!(f, "{oci}"),
            #[cfg(feature = "store-github")]
            Store::GitHub(github) => write!(f, "{github}"),
        }
    }
}

/// Names become paths, keys, tags and parts of URLs; this is what all of them take as it stands.
fn checked(names: &[&str]) -> Result<()> {
    let is_plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
    match names.iter().find(|name| {
        name.is_empty() || name.len() > 128 || name.starts_with(['.', '-']) || !name.bytes().all(is_plain)
    }) {
        Some(name) => Err(Error::usage(format!(
            "{name:?} cannot be a name in a store: it is 1 to 128 of A-Z a-z 0-9 . _ - and begins with neither . nor -"
        ))),
        None => Ok(()),
    }
}

/// The error of an address that only a feature of cargo's speaks to.
#[cfg(not(all(feature = "store-s3", feature = "store-oci", feature = "store-github")))]
fn left_out(text: &str, feature: &str) -> Error {
    Error::usage(format!("{text:?}: this tool was built without the feature {feature}"))
        .help(format!("cargo run --package xtask --features {feature} -- …   or use dir:PATH"))
}

/// The error of a put whose file is not what was promised.
pub fn changed(from: &Path, expected: SizedSha256, there: SizedSha256) -> Error {
    Error::failed(format!(
        "{} changed while it was published: SHA-256 {} ({} bytes) was expected, {} ({} bytes) was read",
        from.display(),
        expected.sha256,
        expected.size_bytes,
        there.sha256,
        there.size_bytes
    ))
}

/// The error of a put whose name has other bytes; `there` is what the store has.
pub fn other_bytes(
    store: &str,
    release: &str,
    name: &str,
    there: SizedSha256,
    expected: SizedSha256,
) -> Error {
    Error::failed(format!(
        "{store} has another {name} in release {release}: SHA-256 {} ({} bytes) is there, {} ({} bytes) was to be put",
        there.sha256, there.size_bytes, expected.sha256, expected.size_bytes
    ))
    .help("a published name never changes its bytes: publish it as the next revision, with --release")
}

/// The error of a commit that would overwrite what another publisher has made the newest.
pub fn lost_update(store: &str, wanted: &Pointer, there: Option<&Pointer>) -> Error {
    let there = match there {
        Some(there) => format!("release {} (number {})", there.release, there.number),
        None => "none".to_owned(),
    };
    Error::failed(format!(
        "another publisher was faster: the newest release of {store} is now {there}, which is not the one that {} \
         (number {}) was to replace; nothing was changed",
        wanted.release, wanted.number
    ))
    .help("publish it as the next revision: the number in its signed index is taken")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(not(any(feature = "store-s3", feature = "store-oci", feature = "store-github")))]
    fn an_address_names_the_feature_that_it_lacks() {
        for (text, feature) in
            [("s3://b", "store-s3"), ("oci://h/n", "store-oci"), ("github:o/r", "store-github")]
        {
            let error = Store::open(text).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(&format!("without the feature {feature}\n")), "{error}");
            assert_eq!(lacks(text), Some(feature));
        }
    }

    #[test]
    fn names_that_mean_something_to_a_path_or_a_url_are_refused() {
        let long = "a".repeat(129);
        for name in
            ["", ".", "..", ".x", "-x", "a/b", "a\\b", "a b", "a%2f", "a?b", "a#b", "a\0", "ä", "a:b", &long]
        {
            let error = checked(&["good-1.2.3", name]).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{name:?}");
            assert!(error.to_string().contains("cannot be a name in a store"), "{error}");
        }
        checked(&["15.2.124.1-1", "SHA256SUMS", "index.json.minisig", &"a".repeat(128)]).unwrap();
    }
}
