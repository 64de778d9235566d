//! V8's four-part version, and the two small languages of a patch's `Applies-to` line: version ranges and target globs.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// A version of V8 as `v8/include/v8-version.h` states it: major, minor, build, patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct V8Version(pub [u32; 4]);

impl V8Version {
    /// Reads the four `#define`s of the text of `v8/include/v8-version.h`.
    ///
    /// Fails when one of them is missing or no number; the caller knows the path.
    pub fn from_header(text: &str) -> Result<V8Version, String> {
        let number = |name: &str| {
            let mut values = text.lines().filter_map(|line| {
                let mut words = line.split_whitespace();
                let found = words.next() == Some("#define") && words.next() == Some(name);
                if found { words.next() } else { None }
            });
            let value = values.next().ok_or_else(|| format!("no line '#define {name} …'"))?;
            value.parse().map_err(|_| format!("{name} is '{value}', not a number"))
        };
        Ok(V8Version([
            number("V8_MAJOR_VERSION")?,
            number("V8_MINOR_VERSION")?,
            number("V8_BUILD_NUMBER")?,
            number("V8_PATCH_LEVEL")?,
        ]))
    }
}

impl FromStr for V8Version {
    type Err = String;

    fn from_str(text: &str) -> Result<V8Version, String> {
        let parts = parts(text)?;
        let all: [u32; 4] = parts
            .try_into()
            .map_err(|_| format!("'{text}' is no version of V8: it has four parts, as in 15.2.124.1"))?;
        Ok(V8Version(all))
    }
}

impl fmt::Display for V8Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, build, patch] = self.0;
        write!(f, "{major}.{minor}.{build}.{patch}")
    }
}

impl Serialize for V8Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One to four numbers with dots between; leading zeros, signs and empty parts are refused.
fn parts(text: &str) -> Result<Vec<u32>, String> {
    let fault = || format!("'{text}' is no version of V8: one to four numbers with dots between");
    let parts: Vec<u32> = text
        .split('.')
        .map(|part| {
            let canonical =
                part.bytes().all(|byte| byte.is_ascii_digit()) && (part.len() == 1 || !part.starts_with('0'));
            if canonical { part.parse().map_err(|_| fault()) } else { Err(fault()) }
        })
        .collect::<Result<_, String>>()?;
    if parts.len() <= 4 { Ok(parts) } else { Err(fault()) }
}

/// A range of versions: `*`, or comparisons with commas between, all of which must hold.
///
/// `>=15.2` and `<16` fill missing parts with zeros, `=15.2` means every 15.2.x.y. `>` and `<=` do not exist: whether
/// `>15.2` holds for 15.2.1 is read differently by different people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRange(Vec<Comparison>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Comparison {
    AtLeast(V8Version),
    Below(V8Version),
    Prefix(Vec<u32>),
}

impl VersionRange {
    /// Whether every comparison holds.
    pub fn contains(&self, version: V8Version) -> bool {
        self.0.iter().all(|comparison| match comparison {
            Comparison::AtLeast(least) => version >= *least,
            Comparison::Below(limit) => version < *limit,
            Comparison::Prefix(prefix) => version.0.starts_with(prefix),
        })
    }
}

impl FromStr for VersionRange {
    type Err = String;

    fn from_str(text: &str) -> Result<VersionRange, String> {
        if text == "*" {
            return Ok(VersionRange(Vec::new()));
        }
        let filled = |text: &str| {
            let mut all = [0; 4];
            for (slot, part) in all.iter_mut().zip(parts(text)?) {
                *slot = part;
            }
            Ok::<_, String>(V8Version(all))
        };
        let comparison = |text: &str| {
            if let Some(version) = text.strip_prefix(">=") {
                Ok(Comparison::AtLeast(filled(version)?))
            } else if let Some(version) = text.strip_prefix('<').filter(|rest| !rest.starts_with('=')) {
                Ok(Comparison::Below(filled(version)?))
            } else if let Some(version) = text.strip_prefix('=') {
                Ok(Comparison::Prefix(parts(version)?))
            } else {
                Err(format!("'{text}' is no comparison: write >=15.2, <16, =15.2.124.1, or * alone"))
            }
        };
        text.split(',').map(|part| comparison(part.trim())).collect::<Result<_, _>>().map(VersionRange)
    }
}

/// Whether `name` matches `pattern`, where `*` stands for any run of characters and everything else for itself.
pub fn glob(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, rest)) => {
            let Some(name) = name.strip_prefix(head) else { return false };
            (0..=name.len()).filter(|at| name.is_char_boundary(*at)).any(|at| glob(rest, &name[at..]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V8: V8Version = V8Version([15, 2, 124, 1]);

    #[test]
    fn ranges() {
        #[track_caller]
        fn check(range: &str, expected: bool) {
            assert_eq!(range.parse::<VersionRange>().unwrap().contains(V8), expected, "{range}");
        }
        check("*", true);
        check(">=15.0", true);
        check(">=15", true);
        check(">=15.2.124.1", true);
        check(">=15.2.124.2", false);
        check(">=15.3", false);
        check("<16", true);
        check("<15.2.124.1", false);
        check("<15.2.124.2", true);
        check(">=15.0,<15.2", false);
        check(">=15.0, <15.3", true);
        check("=15.2", true);
        check("=15.2.124.1", true);
        check("=15.2.12", false);
        check("=1", false);
    }

    #[test]
    fn ranges_are_refused() {
        for range in [
            "",
            "15",
            ">15",
            "<=15",
            "==15",
            "~15",
            ">=",
            ">=15.",
            ">=15.2.3.4.5",
            ">=015",
            ">=+1",
            "*,<16",
            "<16,",
            ">=15;<16",
        ] {
            assert!(range.parse::<VersionRange>().is_err(), "{range}");
        }
    }

    #[test]
    fn versions() {
        assert_eq!("15.2.124.1".parse::<V8Version>().unwrap(), V8);
        assert_eq!(V8.to_string(), "15.2.124.1");
        for text in ["15.2.124", "15.2.124.1.0", "15.2.124.x", "", "15.2.124.4294967296"] {
            assert!(text.parse::<V8Version>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_header_gives_the_version() {
        let header = "// #define V8_MAJOR_VERSION 9\n#define V8_MAJOR_VERSION 15\n#define V8_MINOR_VERSION 2\n\
                      #define V8_BUILD_NUMBER 124\n#define V8_PATCH_LEVEL 1\n#define V8_IS_CANDIDATE_VERSION 0\n";
        assert_eq!(V8Version::from_header(header).unwrap(), V8);
        let error = V8Version::from_header(&header.replace("V8_BUILD", "V9_BUILD")).unwrap_err();
        assert!(error.contains("V8_BUILD_NUMBER"), "{error}");
    }

    #[test]
    fn globs() {
        for (pattern, name, expected) in [
            ("*", "x86_64-unknown-linux-musl", true),
            ("*-linux-musl", "x86_64-unknown-linux-musl", true),
            ("*-linux-musl", "x86_64-unknown-linux-gnu", false),
            ("*-linux-*", "x86_64-unknown-linux-gnu", true),
            ("x86_64-*-gnu", "x86_64-unknown-linux-gnu", true),
            ("x86_64-*-gnu", "aarch64-unknown-linux-gnu", false),
            ("x86_64", "x86_64-unknown-linux-gnu", false),
        ] {
            assert_eq!(glob(pattern, name), expected, "{pattern} {name}");
        }
    }
}
