//! `index.json` and its signature: what a release is, said by whoever holds a trusted key.
//!
//! The documentation of these types is the file's schema. Keys are the fields' names; every key is present; unknown keys
//! are ignored, a key that occurs twice is refused anywhere. Removing a key, or changing what one means, raises
//! [`INDEX_FORMAT`]. Digests are SHA-256: another algorithm is another key, and so one of these is missing.
//!
//! The signature is minisign's (Ed25519 over BLAKE2b, prehashed; the older form is refused), in a file that the `minisign`
//! program takes. Its trusted comment, which is signed too, says release and number: [`trusted_comment`].

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::lock::check_release;
use crate::unique_keys::{FormatOnly, UniqueKeys};
use crate::{ArchiveName, Error, Format, Sha256};

/// The index's name in a release.
pub const INDEX_FILE: &str = "index.json";

/// Its signature's.
pub const SIGNATURE_FILE: &str = "index.json.minisig";

/// The format that this crate writes, and the only one it reads.
pub const INDEX_FORMAT: u32 = 1;

/// A longer index is not read, in bytes. An archive takes 700.
pub const MAX_INDEX_BYTES: u64 = 4 << 20;

/// A longer signature is not read, in bytes. It has some 300.
pub const MAX_SIGNATURE_BYTES: u64 = 4096;

/// The whole of `index.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// [`INDEX_FORMAT`].
    pub format: u32,
    /// V8's version, `-`, and a revision from 1, as in `15.2.124.1-1`.
    pub release: String,
    /// Grows with each release of a store; from 1, below 2^63.
    pub number: u64,
    /// V8's version: four numbers.
    pub v8_version: String,
    /// After this moment the index is no longer believed to be the newest, and `lock` refuses it.
    pub expires: Moment,
    /// Digest of the index that was the newest before; `null` for a store's first release.
    pub previous: Option<Sha256>,
    /// The archives, sorted by name; at least one.
    pub archives: Vec<Archive>,
    /// What was declared to be missing, sorted by target and variant.
    pub absent: Vec<Absent>,
    /// Every other file of the release but this one and its signature, sorted by name.
    pub files: Vec<File>,
}

/// An archive of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Archive {
    /// Its file name.
    pub name: String,
    /// The target, as in the name.
    pub target: String,
    /// The variant, as in the name.
    pub variant: String,
    /// Length of the file in bytes.
    pub size_bytes: u64,
    /// Digest of the file.
    pub sha256: Sha256,
    /// Length of the uncompressed tar stream in bytes.
    pub unpacked_size_bytes: u64,
    /// Digest of that.
    pub unpacked_sha256: Sha256,
    /// The descriptor's `build_id`.
    pub build_id: Sha256,
}

/// A target and variant that the release does not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absent {
    /// The target.
    pub target: String,
    /// The variant.
    pub variant: String,
    /// Why, for people.
    pub reason: String,
}

/// A file beside the archives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Its name.
    pub name: String,
    /// Its length in bytes.
    pub size_bytes: u64,
    /// Its digest.
    pub sha256: Sha256,
}

/// A moment, as in `2027-01-31T12:00:00Z`: RFC 3339 in UTC with whole seconds, so that the order of texts is that of time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Moment(String);

impl Moment {
    /// Reads exactly that form.
    ///
    /// # Errors
    /// What was given, and the form.
    pub fn parse(text: &str) -> Result<Self, String> {
        let shape = "dddd-dd-ddTdd:dd:ddZ";
        let fits =
            |(given, wanted): (u8, u8)| if wanted == b'd' { given.is_ascii_digit() } else { given == wanted };
        let is_shaped = text.len() == shape.len() && text.bytes().zip(shape.bytes()).all(fits);
        let within = |at: usize, least: u8, most: u8| {
            let value = text.get(at..at + 2).and_then(|part| part.parse::<u8>().ok());
            value.is_some_and(|value| (least..=most).contains(&value))
        };
        if is_shaped
            && within(5, 1, 12)
            && within(8, 1, 31)
            && within(11, 0, 23)
            && within(14, 0, 59)
            && within(17, 0, 59)
        {
            return Ok(Self(text.to_owned()));
        }
        Err(format!("'{}' is not a moment as in 2027-01-31T12:00:00Z", text.escape_debug()))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Moment::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// Whom to believe, and what one knows already.
#[derive(Debug, Clone, Copy)]
pub struct Trust<'a> {
    /// Any of them may have signed: an old and a new one while keys are rotated.
    pub keys: &'a [TrustedKey],
    /// The present; `None` accepts an index that has expired.
    pub now: Option<&'a Moment>,
    /// Number and digest of the newest index that was accepted before.
    pub seen: Option<(u64, Sha256)>,
}

impl Index {
    /// Reads an index that a trusted key has signed, that has not expired, and that is not older than one seen before.
    /// Nothing of it is looked at before the signature holds.
    ///
    /// # Errors
    /// [`Error::Index`] naming `origin`.
    pub fn verified(json: &[u8], signature: &str, trust: &Trust<'_>, origin: &str) -> Result<Self, Error> {
        let fail = |why: String| Error::Index { origin: origin.to_owned(), why };
        let comment = check_signature(json, signature, trust.keys).map_err(fail)?;
        let index = Self::from_json(json, origin)?;
        let expected = trusted_comment(&index.release, index.number);
        if comment != expected {
            return Err(fail(format!(
                "its signature is of '{}', but it is '{expected}'",
                comment.escape_debug()
            )));
        }
        if let Some(now) = trust.now
            && *now >= index.expires
        {
            let Index { release, expires, .. } = &index;
            return Err(fail(format!(
                "release {release} has expired at {expires}, and it is {now}: somebody may keep a newer one from you\n\
                 help: ask who publishes it for a new release; look at this machine's clock"
            )));
        }
        if let Some((number, sha256)) = trust.seen {
            let Index { release, number: its, .. } = &index;
            if *its < number {
                return Err(fail(format!(
                    "release {release} has the number {its}, but number {number} was seen before: it is an older one"
                )));
            }
            let actual = Sha256::of_bytes(json);
            if *its == number && actual != sha256 {
                return Err(fail(format!(
                    "release {release} has the number {number}, which another index had: SHA-256 {sha256} then, {actual} now"
                )));
            }
        }
        Ok(index)
    }

    /// Reads an index without asking who wrote it.
    ///
    /// # Errors
    /// [`Error::Index`] if it is not JSON, has another [`INDEX_FORMAT`], a key twice, lacks one, or is not what the
    /// documentation of its fields says; above all if an archive's name is not of its target and variant.
    pub fn from_json(json: &[u8], origin: &str) -> Result<Self, Error> {
        let fail = |why: String| Error::Index { origin: origin.to_owned(), why };
        let invalid = |error: serde_json::Error| fail(format!("invalid index: {error}"));
        if json.len() as u64 > MAX_INDEX_BYTES {
            return Err(fail(format!("{} bytes, the limit is {MAX_INDEX_BYTES}", json.len())));
        }
        serde_json::from_slice::<UniqueKeys>(json).map_err(invalid)?;
        let found = serde_json::from_slice::<FormatOnly>(json).map_err(invalid)?.format;
        if found != u64::from(INDEX_FORMAT) {
            let which = if found > u64::from(INDEX_FORMAT) { "a newer" } else { "an older" };
            return Err(fail(format!(
                "index format {found}, but this program reads format {INDEX_FORMAT}\nhelp: use {which} version of the program"
            )));
        }
        let index: Self = serde_json::from_slice(json).map_err(invalid)?;
        index.check().map_err(fail)?;
        Ok(index)
    }

    /// The one JSON text of this value: two spaces, keys in the order of these types, a newline at the end.
    pub fn to_json(&self) -> String {
        // Strings and numbers only: nothing here can fail to serialise.
        let mut json = serde_json::to_string_pretty(self).expect("an index has only string keys");
        json.push('\n');
        json
    }

    fn check(&self) -> Result<(), String> {
        check_release(&self.release, &self.v8_version)?;
        if self.number == 0 || self.number > i64::MAX as u64 {
            return Err(format!("number is {}, and may be from 1 to {}", self.number, i64::MAX));
        }
        if self.archives.is_empty() {
            return Err(format!("release {} has no archive", self.release));
        }
        let mut cells = BTreeSet::new();
        for archive in &self.archives {
            archive.check(&self.v8_version)?;
            cells.insert((archive.target.as_str(), archive.variant.as_str()));
        }
        for Absent { target, variant, .. } in &self.absent {
            ArchiveName::new(&self.v8_version, target, variant, Format::default())
                .map_err(|error| error.to_string())?;
            if !cells.insert((target, variant)) {
                return Err(format!("{target} {variant} is absent, but it is there too or absent twice"));
            }
        }
        sorted("archive", self.archives.iter().map(|archive| &archive.name))?;
        sorted("file", self.files.iter().map(|file| &file.name))?;
        for File { name, .. } in &self.files {
            let is_plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
            if name.is_empty() || name.starts_with(['.', '-']) || !name.bytes().all(is_plain) {
                return Err(format!("'{}' cannot be the name of a file of a release", name.escape_debug()));
            }
            if [INDEX_FILE, SIGNATURE_FILE].contains(&name.as_str())
                || self.archives.iter().any(|archive| archive.name == *name)
            {
                return Err(format!("{name} is listed as a file beside the archives"));
            }
        }
        Ok(())
    }
}

impl Archive {
    fn check(&self, v8_version: &str) -> Result<(), String> {
        let name: ArchiveName = self.name.parse().map_err(|error: Error| error.to_string())?;
        let (target, variant) = (self.target.as_str(), self.variant.as_str());
        if (name.v8_version(), name.target(), name.variant()) != (v8_version, target, variant) {
            return Err(format!(
                "{name} stands in the place of V8 {v8_version} for {target}, variant {variant}"
            ));
        }
        if self.size_bytes == 0 || self.unpacked_size_bytes == 0 {
            return Err(format!("{name} has a size of 0 bytes"));
        }
        Ok(())
    }
}

fn sorted<'a>(what: &str, names: impl Iterator<Item = &'a String>) -> Result<(), String> {
    let names: Vec<&String> = names.collect();
    match names.windows(2).find(|pair| pair[0] >= pair[1]) {
        Some(pair) => {
            Err(format!("the {what} {} stands after {}: they are sorted, each once", pair[1], pair[0]))
        }
        None => Ok(()),
    }
}

/// What the trusted comment of a release's signature says.
pub fn trusted_comment(release: &str, number: u64) -> String {
    format!("libv8 release {release} number {number}")
}

/// A public key of minisign that may sign releases.
#[derive(Debug, Clone)]
pub struct TrustedKey {
    text: String,
    key: minisign_verify::PublicKey,
}

impl TrustedKey {
    /// Reads one key: the line beginning with `RW`.
    ///
    /// # Errors
    /// The rule that is broken.
    pub fn parse(text: &str) -> Result<Self, String> {
        let key = minisign_verify::PublicKey::from_base64(text.trim())
            .map_err(|_| format!("'{}' is not a public key of minisign", text.trim().escape_debug()))?;
        Ok(Self { text: text.trim().to_owned(), key })
    }

    /// Reads a file of keys: one a line, as minisign writes them; lines of comment begin with `#` or `untrusted comment:`.
    ///
    /// # Errors
    /// [`Error::Index`] naming `origin` and the line. A file without any key is no error here.
    pub fn parse_all(text: &str, origin: &str) -> Result<Vec<Self>, Error> {
        let is_comment =
            |line: &str| line.is_empty() || line.starts_with('#') || line.starts_with("untrusted comment:");
        let lines = text.lines().map(str::trim).enumerate().filter(|(_, line)| !is_comment(line));
        let key = |(number, line)| {
            let fail = |why| Error::Index { origin: format!("{origin}:{}", number + 1), why };
            Self::parse(line).map_err(fail)
        };
        lines.map(key).collect()
    }
}

impl fmt::Display for TrustedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Finds a key that has signed these bytes; gives the trusted comment.
fn check_signature(bytes: &[u8], signature: &str, keys: &[TrustedKey]) -> Result<String, String> {
    use minisign_verify::Error as Bad;
    if signature.trim().is_empty() {
        return Err("it is not signed: the signature is empty".to_owned());
    }
    if signature.len() as u64 > MAX_SIGNATURE_BYTES {
        return Err(format!(
            "its signature has {} bytes, the limit is {MAX_SIGNATURE_BYTES}",
            signature.len()
        ));
    }
    let signature = minisign_verify::Signature::decode(signature)
        .map_err(|error| format!("its signature is none of minisign: {error}"))?;
    let mut forged = None;
    for trusted in keys {
        match trusted.key.verify(bytes, &signature, false) {
            Ok(()) => return Ok(signature.trusted_comment().to_owned()),
            Err(Bad::UnexpectedKeyId) => {}
            Err(Bad::UnexpectedAlgorithm) => {
                return Err("its signature is of minisign's old form, without a digest first".to_owned());
            }
            Err(_) => forged = Some(trusted),
        }
    }
    if let Some(key) = forged {
        return Err(format!(
            "its signature says to be of the key {key}, but that key has not signed this file\n\
             help: do not use this release, and tell who publishes it"
        ));
    }
    let known: Vec<&str> = keys.iter().map(|key| key.text.as_str()).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Err(format!("it is signed by none of the trusted keys; those are: {known}"))
}
