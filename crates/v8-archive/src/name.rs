//! What an archive is called: `libv8-<v8 version>-<triple>-<variant>.<format>`.

use std::fmt;
use std::str::FromStr;

use crate::Error;

/// How the files of an archive are put into one file. The contents are the same in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Format {
    /// `.tar.zst`: what `libv8` reads without further features.
    #[default]
    TarZst,
    /// `.tar.gz`: for systems whose `tar` knows no zstd.
    TarGz,
    /// `.tar.xz`: the smallest, by an eighth; twice the work to unpack, and minutes to pack.
    TarXz,
    /// `.zip`: for Windows and the JVM.
    Zip,
}

impl Format {
    /// All formats, the default first.
    pub const ALL: [Format; 4] = [Format::TarZst, Format::TarGz, Format::TarXz, Format::Zip];

    /// The file name's ending, without the leading dot.
    pub fn extension(self) -> &'static str {
        match self {
            Format::TarZst => "tar.zst",
            Format::TarGz => "tar.gz",
            Format::TarXz => "tar.xz",
            Format::Zip => "zip",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.extension())
    }
}

impl FromStr for Format {
    type Err = Error;

    /// Accepts exactly the [extensions](Format::extension).
    fn from_str(text: &str) -> Result<Self, Error> {
        Format::ALL.into_iter().find(|format| format.extension() == text).ok_or_else(|| Error::Name {
            given: text.to_owned(),
            why: "an archive format is one of tar.zst, tar.gz, tar.xz, zip".to_owned(),
        })
    }
}

/// The parts of an archive's file name. A value of this type is always a valid name.
///
/// ```
/// let name: v8_archive::ArchiveName = "libv8-15.2.124.1-x86_64-unknown-linux-gnu-release.tar.zst".parse()?;
/// assert_eq!(name.target(), "x86_64-unknown-linux-gnu");
/// assert_eq!(name.stem(), "libv8-15.2.124.1-x86_64-unknown-linux-gnu-release");
/// # Ok::<(), v8_archive::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArchiveName {
    v8_version: String,
    target: String,
    variant: String,
    format: Format,
}

impl ArchiveName {
    /// Puts a name together.
    ///
    /// # Errors
    /// [`Error::Name`] if `v8_version` is not four numbers joined by dots (without leading zeros), `target` is not two
    /// or more parts of `[a-z0-9_]+` joined by `-`, or `variant` is not `[a-z0-9_]+`.
    pub fn new(v8_version: &str, target: &str, variant: &str, format: Format) -> Result<Self, Error> {
        let fail = |given: &str, why: &str| Err(Error::Name { given: given.to_owned(), why: why.to_owned() });
        if !is_v8_version(v8_version) {
            return fail(v8_version, "a V8 version is four numbers joined by dots, as in 15.2.124.1");
        }
        if !(target.contains('-') && target.split('-').all(is_word)) {
            return fail(
                target,
                "a target is a triple: parts of [a-z0-9_]+ joined by '-', as in x86_64-unknown-linux-gnu",
            );
        }
        if !is_word(variant) {
            return fail(variant, "a variant is [a-z0-9_]+, as in release");
        }
        Ok(Self { v8_version: v8_version.into(), target: target.into(), variant: variant.into(), format })
    }

    /// The V8 version, as in `15.2.124.1`.
    pub fn v8_version(&self) -> &str {
        &self.v8_version
    }

    /// The Rust target triple.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The variant, as in `release`.
    pub fn variant(&self) -> &str {
        &self.variant
    }

    /// The format.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The name without its extension: equal for all formats of one build, and the descriptor's `name`.
    pub fn stem(&self) -> String {
        let Self { v8_version, target, variant, .. } = self;
        format!("libv8-{v8_version}-{target}-{variant}")
    }

    /// The same name in another format.
    pub fn with_format(self, format: Format) -> Self {
        Self { format, ..self }
    }
}

impl fmt::Display for ArchiveName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.stem(), self.format)
    }
}

impl FromStr for ArchiveName {
    type Err = Error;

    /// Parses a file name (no folders).
    fn from_str(text: &str) -> Result<Self, Error> {
        let fail = |why: String| Error::Name { given: text.to_owned(), why };
        let (stem, format) = Format::ALL
            .into_iter()
            .find_map(|format| Some((text.strip_suffix(format.extension())?.strip_suffix('.')?, format)))
            .ok_or_else(|| fail("it ends in none of .tar.zst, .tar.gz, .tar.xz, .zip".into()))?;
        let rest = stem.strip_prefix("libv8-").ok_or_else(|| fail("it does not begin with libv8-".into()))?;
        // The version holds no '-', the variant neither; what is between is the triple.
        let (v8_version, rest) =
            rest.split_once('-').ok_or_else(|| fail("it has no '-' after the V8 version".into()))?;
        let (target, variant) =
            rest.rsplit_once('-').ok_or_else(|| fail("it has no '-' between target and variant".into()))?;
        Self::new(v8_version, target, variant, format).map_err(|error| match error {
            Error::Name { given, why } => fail(format!("'{given}': {why}")),
            other => other,
        })
    }
}

fn is_v8_version(text: &str) -> bool {
    text.split('.').count() == 4
        && text.split('.').all(|part| {
            // Nine digits fit every u32 comparison anyone will write.
            (1..=9).contains(&part.len())
                && part.bytes().all(|byte| byte.is_ascii_digit())
                && (part == "0" || !part.starts_with('0'))
        })
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips() {
        for text in [
            "libv8-15.2.124.1-x86_64-unknown-linux-gnu-release.tar.zst",
            "libv8-15.2.124.1-aarch64-apple-darwin-lite.tar.gz",
            "libv8-0.0.0.0-x86_64-pc-windows-msvc-ptr_comp2.zip",
        ] {
            assert_eq!(text.parse::<ArchiveName>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn names_the_faulty_part() {
        let check = |text: &str, expected: &str| {
            let error = text.parse::<ArchiveName>().unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(error.contains(text), "{text}: {error}");
        };
        check("libv8-1.2.3.4-a-b-release.tar.bz2", "it ends in none of");
        check("libv8-1.2.3.4-a-b-releasetar.zst", "it ends in none of");
        check("v8-1.2.3.4-a-b-release.zip", "it does not begin with libv8-");
        check("dir/libv8-1.2.3.4-a-b-release.zip", "it does not begin with libv8-");
        check("libv8-1.2.3-a-b-release.zip", "'1.2.3': a V8 version");
        check("libv8-1.2.3.04-a-b-release.zip", "'1.2.3.04': a V8 version");
        check("libv8-1.2.3.+4-a-b-release.zip", "'1.2.3.+4': a V8 version");
        check("libv8-1.2.3.4.zip", "it has no '-' after");
        check("libv8-1.2.3.4-linux.zip", "it has no '-' between");
        check("libv8-1.2.3.4-linux-release.zip", "'linux': a target is a triple");
        check("libv8-1.2.3.4-a--b-release.zip", "'a--b': a target is a triple");
        check("libv8-1.2.3.4-a-B-release.zip", "'a-B': a target is a triple");
        check("libv8-1.2.3.4-a-../b-release.zip", "'a-../b': a target is a triple");
        check("libv8-1.2.3.4-a-b-Release.zip", "'Release': a variant");
        check("libv8-1.2.3.4-a-b-.zip", "'': a variant");
    }
}
