//! SHA-256 of bytes, files and streams.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::str::FromStr;

#[cfg(feature = "serde")]
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::Error;

/// Read this much at a time: large enough for the hash to dominate, small enough for any stack and cache.
const CHUNK_BYTES: usize = 64 * 1024;

/// A SHA-256 digest; written as 64 lower-case hexadecimal digits everywhere.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256([u8; 32]);

/// A digest and the number of bytes it is of: what a pin holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SizedSha256 {
    /// Number of bytes hashed.
    pub size_bytes: u64,
    /// Their digest.
    pub sha256: Sha256,
}

impl Sha256 {
    /// The digest of bytes in memory.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new();
        hasher.update(bytes);
        hasher.finish().sha256
    }

    /// Reads to the end.
    ///
    /// # Errors
    /// The reader's own.
    pub fn of_reader(mut reader: impl Read) -> io::Result<SizedSha256> {
        let mut hasher = Hasher::new();
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            match reader.read(&mut chunk) {
                Ok(0) => return Ok(hasher.finish()),
                Ok(count) => hasher.update(&chunk[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads a whole file.
    ///
    /// # Errors
    /// [`Error::Io`] naming the path.
    pub fn of_file(path: &Path) -> Result<SizedSha256, Error> {
        File::open(path).and_then(Self::of_reader).map_err(Error::io("read", path))
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for Sha256 {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// The one of three that was compiled in; they differ in speed and in what they cost to compile.
#[cfg(feature = "ring")]
mod backend {
    /// Assembly: as quick in a build script, which is compiled without optimisation.
    #[derive(Clone)]
    pub(super) struct Sha256(ring::digest::Context);

    impl Default for Sha256 {
        fn default() -> Self {
            Self(ring::digest::Context::new(&ring::digest::SHA256))
        }
    }

    impl Sha256 {
        pub(super) fn update(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }

        pub(super) fn finish(self) -> [u8; 32] {
            self.0.finish().as_ref().try_into().expect("SHA-256 has 32 bytes")
        }
    }
}

#[cfg(all(feature = "sha2", not(feature = "ring")))]
mod backend {
    use sha2::Digest as _;

    /// The processor's own instructions.
    #[derive(Clone, Default)]
    pub(super) struct Sha256(sha2::Sha256);

    impl Sha256 {
        pub(super) fn update(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }

        pub(super) fn finish(self) -> [u8; 32] {
            self.0.finalize().into()
        }
    }
}

#[cfg(not(any(feature = "sha2", feature = "ring")))]
mod backend {
    /// Portable.
    #[derive(Clone)]
    pub(super) struct Sha256(hmac_sha256::Hash);

    impl Default for Sha256 {
        fn default() -> Self {
            Self(hmac_sha256::Hash::new())
        }
    }

    impl Sha256 {
        pub(super) fn update(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }

        pub(super) fn finish(self) -> [u8; 32] {
            self.0.finalize()
        }
    }
}

/// Counts and hashes what it is given.
#[derive(Clone, Default)]
pub struct Hasher {
    inner: backend::Sha256,
    size_bytes: u64,
}

impl Hasher {
    /// Nothing hashed yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.inner.update(bytes);
        self.size_bytes += bytes.len() as u64;
    }

    /// Size and digest of everything added.
    pub fn finish(self) -> SizedSha256 {
        SizedSha256 { size_bytes: self.size_bytes, sha256: Sha256(self.inner.finish()) }
    }
}

/// Passes bytes on and hashes those that were accepted.
pub struct HashingWriter<W> {
    inner: W,
    hasher: Hasher,
}

impl<W: Write> HashingWriter<W> {
    /// Wraps a writer.
    pub fn new(inner: W) -> Self {
        Self { inner, hasher: Hasher::new() }
    }

    /// The writer, and size and digest of what went through. Does not flush.
    pub fn finish(self) -> (W, SizedSha256) {
        (self.inner, self.hasher.finish())
    }
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Sha256 {
    type Err = Error;

    /// Exactly 64 digits of `[0-9a-f]`. Upper case is refused, so that a digest has one spelling and can be searched for.
    fn from_str(text: &str) -> Result<Self, Error> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let mut bytes = [0; 32];
        let valid = text.len() == 64
            && text.as_bytes().chunks(2).zip(&mut bytes).all(|(pair, byte)| {
                let (Some(high), Some(low)) = (digit(pair[0]), digit(pair[1])) else { return false };
                *byte = high << 4 | low;
                true
            });
        valid.then_some(Self(bytes)).ok_or_else(|| Error::Digest { given: text.to_owned() })
    }
}

#[cfg(feature = "serde")]
impl Serialize for Sha256 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "serde")]
impl<'de> Deserialize<'de> for Sha256 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // FIPS 180-2, appendix B.1.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn agrees_with_the_standard() {
        assert_eq!(Sha256::of_bytes(b"abc").to_string(), ABC);
        let mut writer = HashingWriter::new(Vec::new());
        writer.write_all(b"a").unwrap();
        writer.write_all(b"bc").unwrap();
        let (bytes, sized) = writer.finish();
        assert_eq!(
            (bytes.as_slice(), sized.size_bytes, sized.sha256.to_string().as_str()),
            (&b"abc"[..], 3, ABC)
        );
        assert_eq!(Sha256::of_reader(&b"abc"[..]).unwrap(), sized);
    }

    #[cfg(all(feature = "sha2", feature = "ring"))]
    #[test]
    fn all_ways_of_computing_agree() {
        use sha2::Digest as _;
        let bytes: Vec<u8> = (0..10_000u32).map(|n| (n * n % 251) as u8).collect();
        for length in (0..300).chain([9_999, 10_000]) {
            let bytes = &bytes[..length];
            let (portable, instructions) =
                (hmac_sha256::Hash::hash(bytes), <[u8; 32]>::from(sha2::Sha256::digest(bytes)));
            assert_eq!(Sha256::of_bytes(bytes), Sha256(portable), "{length} bytes");
            assert_eq!(Sha256::of_bytes(bytes), Sha256(instructions), "{length} bytes");
        }
    }

    #[test]
    fn has_one_spelling() {
        assert_eq!(ABC.parse::<Sha256>().unwrap().to_string(), ABC);
        for text in ["", &ABC[1..], &format!("{ABC}0"), &ABC.to_uppercase(), &ABC.replace("ba", "é")] {
            let error = text.parse::<Sha256>().unwrap_err().to_string();
            assert!(error.contains(&format!("'{text}'")), "{error}");
        }
    }

    #[test]
    fn an_unreadable_file_is_named() {
        let error = Sha256::of_file(Path::new("no such file")).unwrap_err().to_string();
        assert!(error.starts_with("cannot read no such file: "), "{error}");
    }
}
