//! `latest.json` at a store's root: which release is the newest. The only thing in a store that is ever overwritten.
//!
//! It is not trusted. The signed index says which number a release has; a reader that has seen a higher one refuses it.

use std::fmt;

use serde::{Deserialize, Serialize};
use v8_archive::Sha256;

use crate::error::{Error, Result};

/// The pointer's name at the root of a store.
pub const POINTER_FILE: &str = "latest.json";

/// A pointer is some 200 bytes; whatever is longer is none.
pub const MAX_POINTER_BYTES: u64 = 4096;

const FORMAT: u32 = 1;

/// `latest.json`. Unknown keys are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pointer {
    /// 1.
    format: u32,
    /// The release's name, as in `15.2.124.1-1`.
    pub release: String,
    /// Its number: it grows by one with each release of a store.
    pub number: u64,
    /// The digest of its `index.json`.
    pub index_sha256: Sha256,
}

/// What identifies one state of the pointer, in the store's own terms: an ETag, a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version(pub String);

impl Pointer {
    /// To this release.
    pub fn to(release: &str, number: u64, index_sha256: Sha256) -> Pointer {
        Pointer { format: FORMAT, release: release.to_owned(), number, index_sha256 }
    }

    /// The file's bytes.
    pub fn to_json(&self) -> String {
        // Strings and numbers only: nothing here can fail to serialise.
        let mut json = serde_json::to_string_pretty(self).expect("a pointer has only string keys");
        json.push('\n');
        json
    }

    /// Reads the file's bytes; `origin` is what errors call it.
    ///
    /// # Errors
    /// If it is not JSON, lacks a key, has another format, or names a release that cannot be one.
    pub fn from_json(json: &[u8], origin: &dyn fmt::Display) -> Result<Pointer> {
        let fail = |why: String| Error::failed(format!("{origin}: {why}"));
        let pointer: Pointer = serde_json::from_slice(json)
            .map_err(|error| fail(format!("not a pointer to a release: {error}")))?;
        if pointer.format != FORMAT {
            let format = pointer.format;
            return Err(fail(format!("format {format}, but this tool reads format {FORMAT}")));
        }
        super::checked(&[&pointer.release]).map_err(|error| fail(error.message().to_owned()))?;
        Ok(pointer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_comes_back_and_nothing_else_is_one() {
        let pointer = Pointer::to("15.2.124.1-1", 7, Sha256::of_bytes(b"index"));
        let json = pointer.to_json();
        assert_eq!(Pointer::from_json(json.as_bytes(), &"x").unwrap(), pointer);
        let with_more = json.replacen('{', "{\"colour\": 1,", 1);
        assert_eq!(Pointer::from_json(with_more.as_bytes(), &"x").unwrap(), pointer);
        let check = |from: &str, to: &str, expected: &str| {
            let error =
                Pointer::from_json(json.replace(from, to).as_bytes(), &"the store").unwrap_err().to_string();
            assert!(error.starts_with("error: the store: ") && error.contains(expected), "{error}");
        };
        check("\"format\": 1", "\"format\": 2", "format 2, but this tool reads format 1");
        check("15.2.124.1-1", "../x", "cannot be a name");
        check("\"number\": 7", "\"number\": -7", "not a pointer");
        check("\"number\": 7", "\"number\": 7, \"number\": 8", "duplicate field");
        check("{", "<html>", "not a pointer");
    }
}
