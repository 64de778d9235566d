//! A release as a manifest of a registry: a layer for each file, with its name where `oras pull` looks for it.

use std::collections::BTreeMap;

use oci_client::manifest::{OCI_IMAGE_MEDIA_TYPE, OciDescriptor, OciImageManifest};
use v8_archive::Sha256;
use v8_archive::digest::SizedSha256;

use crate::error::{Error, Result};
use crate::store::Pointer;

/// What this kind of artifact is called.
pub const ARTIFACT_TYPE: &str = "application/vnd.libv8.release.v1";
const FILE_TYPE: &str = "application/vnd.libv8.file.v1";
const TITLE: &str = "org.opencontainers.image.title";
const VERSION: &str = "org.opencontainers.image.version";
/// `latest.json` in one line.
const POINTER: &str = "vnd.libv8.latest";

/// The configuration of an artifact that has none, as the image specification has it.
pub const EMPTY: &[u8] = b"{}";
const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";

/// A manifest may have four megabytes, says the distribution specification.
pub const MAX_BYTES: usize = 4 << 20;

/// What a manifest says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Release {
    /// By name.
    pub files: BTreeMap<String, SizedSha256>,
    /// Of a release that has been committed.
    pub pointer: Option<Pointer>,
}

impl Release {
    /// The same bytes for the same release, always.
    pub fn to_json(&self) -> Vec<u8> {
        let descriptor = |media_type: &str, of: SizedSha256| OciDescriptor {
            media_type: media_type.to_owned(),
            digest: digest(of.sha256),
            // A file has no more bytes than the signed kind of the same width can count.
            size: i64::try_from(of.size_bytes).unwrap_or(i64::MAX),
            urls: None,
            annotations: None,
            ..OciDescriptor::default()
        };
        let layer = |(name, of): (&String, &SizedSha256)| OciDescriptor {
            annotations: Some(BTreeMap::from([(TITLE.to_owned(), name.clone())])),
            ..descriptor(FILE_TYPE, *of)
        };
        let annotations = self.pointer.as_ref().map(|pointer| {
            let line = pointer.to_json().split_whitespace().collect::<Vec<_>>().join(" ");
            BTreeMap::from([(VERSION.to_owned(), pointer.release.clone()), (POINTER.to_owned(), line)])
        });
        let empty = SizedSha256 { size_bytes: EMPTY.len() as u64, sha256: Sha256::of_bytes(EMPTY) };
        let manifest = OciImageManifest {
            media_type: Some(OCI_IMAGE_MEDIA_TYPE.to_owned()),
            artifact_type: Some(ARTIFACT_TYPE.to_owned()),
            config: descriptor(EMPTY_TYPE, empty),
            layers: self.files.iter().map(layer).collect(),
            annotations,
            ..OciImageManifest::default()
        };
        // Strings, numbers and lists of them.
        serde_json::to_vec(&manifest).expect("a manifest has only string keys")
    }

    /// Reads a manifest; `origin` is what errors call it.
    ///
    /// # Errors
    /// If it is none of ours, or names a file that no store can have.
    pub fn from_json(json: &[u8], origin: &str) -> Result<Release> {
        let fail = |why: &str| Error::failed(format!("{origin}: {why}"));
        if json.len() > MAX_BYTES {
            return Err(fail(&format!("a manifest of {} bytes, and it may have {MAX_BYTES}", json.len())));
        }
        let manifest: OciImageManifest =
            serde_json::from_slice(json).map_err(|error| fail(&format!("not a manifest: {error}")))?;
        if manifest.artifact_type.as_deref() != Some(ARTIFACT_TYPE) {
            let what = manifest.artifact_type.as_deref().unwrap_or("something without a type");
            return Err(fail(&format!("it is {what:?} and no {ARTIFACT_TYPE}")));
        }
        let mut release = Release::default();
        for layer in &manifest.layers {
            let name = layer.annotations.as_ref().and_then(|annotations| annotations.get(TITLE));
            let name = name.ok_or_else(|| fail(&format!("layer {} has no name", layer.digest)))?;
            crate::store::checked(&[name]).map_err(|error| fail(error.message()))?;
            let sha256 = layer.digest.strip_prefix("sha256:").and_then(|digits| digits.parse().ok());
            let sha256 = sha256.ok_or_else(|| fail(&format!("{name} has the digest {:?}", layer.digest)))?;
            let size_bytes =
                u64::try_from(layer.size).map_err(|_| fail(&format!("{name} has {} bytes", layer.size)))?;
            if release.files.insert(name.clone(), SizedSha256 { size_bytes, sha256 }).is_some() {
                return Err(fail(&format!("{name} is there twice")));
            }
        }
        let pointer = manifest.annotations.as_ref().and_then(|annotations| annotations.get(POINTER));
        release.pointer = pointer.map(|json| Pointer::from_json(json.as_bytes(), &origin)).transpose()?;
        Ok(release)
    }
}

/// As registries write it.
pub fn digest(sha256: Sha256) -> String {
    format!("sha256:{sha256}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Release {
        let sized =
            |bytes: &[u8]| SizedSha256 { size_bytes: bytes.len() as u64, sha256: Sha256::of_bytes(bytes) };
        Release {
            files: BTreeMap::from([("b".to_owned(), sized(b"2")), ("a.zst".to_owned(), sized(b""))]),
            pointer: Some(Pointer::to("1.2.3.4-1", 7, Sha256::of_bytes(b"index"))),
        }
    }

    #[test]
    fn a_release_comes_back_and_is_always_the_same() {
        let (release, json) = (sample(), sample().to_json());
        assert_eq!(Release::from_json(&json, "x").unwrap(), release);
        assert_eq!(json, release.to_json());
        let draft = Release { pointer: None, ..sample() };
        assert_eq!(Release::from_json(&draft.to_json(), "x").unwrap(), draft);
        let text = String::from_utf8(json).unwrap();
        for part in ["\"artifactType\":\"application/vnd.libv8.release.v1\"", "\"schemaVersion\":2"] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn what_is_no_release_is_refused() {
        let text = String::from_utf8(sample().to_json()).unwrap();
        let check = |from: &str, to: &str, expected: &str| {
            assert!(text.contains(from), "{from} is not in {text}");
            let error = Release::from_json(text.replace(from, to).as_bytes(), "x").unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check("release.v1", "other.v1", "and no application/vnd.libv8.release.v1");
        check("\"a.zst\"", "\"../a\"", "cannot be a name");
        check("\"a.zst\"", "\"b\"", "b is there twice");
        check("image.title", "image.titel", "has no name");
        check("sha256:e3b0", "sha512:e3b0", "has the digest");
        check("\"size\":0", "\"size\":-1", "a.zst has -1 bytes");
        check("\\\"number\\\": 7", "\\\"number\\\": -7", "not a pointer");
        check("{", "[", "not a manifest");
        let long = format!("{}{text}", " ".repeat(MAX_BYTES));
        assert!(Release::from_json(long.as_bytes(), "x").unwrap_err().to_string().contains("it may have"));
    }
}
