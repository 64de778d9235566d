//! Which paths an archive may hold: those that mean the same file on every system we have.

use std::collections::BTreeMap;
use std::fmt;

/// Longest last part that a ustar header holds without a prefix.
const NAME_BYTES: usize = 100;
/// Longest leading part.
const PREFIX_BYTES: usize = 155;

/// Names that Windows gives to devices in every folder, with any extension.
/// Source: Microsoft, "Naming Files, Paths, and Namespaces"; the superscript digits it lists too are not ASCII.
const DEVICES: [&str; 22] = [
    "con", "prn", "aux", "nul", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9",
    "lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
];

/// Checks a path of a file in an archive: parts joined by `/`, of printable ASCII without `\ : * ? " < > |`, none empty,
/// `.` or `..`, ending in a dot or space, or named like a device of Windows; short enough for a ustar header.
///
/// ASCII only, because file systems disagree on when two other names are equal (case, normal forms).
///
/// # Errors
/// The rule it breaks, to be put after the path.
pub fn check(path: &str) -> Result<(), &'static str> {
    if path.is_empty() {
        return Err("the path is empty");
    }
    if path.starts_with('/') {
        return Err("the path is absolute");
    }
    if path.bytes().any(|byte| byte.is_ascii_control()) {
        return Err("the path holds a control character");
    }
    if !path.is_ascii() {
        return Err("the path holds a character outside ASCII");
    }
    if path.contains('\\') {
        return Err("the path holds a backslash");
    }
    if path.as_bytes().get(1) == Some(&b':') {
        return Err("the path has a drive letter");
    }
    if path.bytes().any(|byte| br#":*?"<>|"#.contains(&byte)) {
        return Err("the path holds a character that Windows forbids");
    }
    for part in path.split('/') {
        match part {
            "" => return Err("the path has an empty part"),
            "." | ".." => return Err("the path has a part '.' or '..'"),
            _ if part.ends_with(['.', ' ']) => return Err("a part of the path ends in a dot or space"),
            _ => {}
        }
        // Windows ignores the extension, and spaces before it.
        let base = part.split('.').next().unwrap_or(part).trim_end().to_ascii_lowercase();
        if DEVICES.contains(&base.as_str()) {
            return Err("a part of the path is the name of a Windows device");
        }
    }
    if split_ustar(path).is_none() {
        return Err("the path is too long for a tar header: 100 bytes, or 155, a slash and 100");
    }
    Ok(())
}

/// Prefix and name of a ustar header. Deterministic: no prefix if the path is short, else the shortest that does.
pub(crate) fn split_ustar(path: &str) -> Option<(&str, &str)> {
    if path.len() <= NAME_BYTES {
        return Some(("", path));
    }
    path.match_indices('/')
        .map(|(at, _)| (&path[..at], &path[at + 1..]))
        .find(|(prefix, name)| name.len() <= NAME_BYTES && prefix.len() <= PREFIX_BYTES)
}

/// Files of one archive, and the folders they imply; finds those that would meet on some file system.
#[derive(Default)]
pub struct PathSet {
    /// Lower-case path → the path, and whether it is a file.
    paths: BTreeMap<String, (String, bool)>,
}

/// Why two paths cannot be in one archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Clash {
    /// It was added before.
    Twice,
    /// This path, or folder, differs in case only.
    Case(String),
    /// This is a file here and a folder there.
    FileAndFolder(String),
}

/// To be put after the path.
impl fmt::Display for Clash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Clash::Twice => write!(f, "the path occurs twice"),
            Clash::Case(other) => write!(f, "the path differs from '{other}' in case only"),
            Clash::FileAndFolder(other) => write!(f, "'{other}' is a file and a folder"),
        }
    }
}

impl PathSet {
    /// Adds a file.
    ///
    /// # Errors
    /// The clash with one that was added before; the set may then hold folders of the refused path.
    pub fn add_file(&mut self, path: &str) -> Result<(), Clash> {
        for (at, _) in path.match_indices('/') {
            self.add(&path[..at], false)?;
        }
        self.add(path, true)
    }

    fn add(&mut self, path: &str, is_file: bool) -> Result<(), Clash> {
        match self.paths.get(&path.to_ascii_lowercase()) {
            None => {
                self.paths.insert(path.to_ascii_lowercase(), (path.to_owned(), is_file));
                Ok(())
            }
            Some((other, _)) if other != path => Err(Clash::Case(other.clone())),
            Some((other, other_is_file)) if *other_is_file != is_file => {
                Err(Clash::FileAndFolder(other.clone()))
            }
            Some(_) if is_file => Err(Clash::Twice),
            Some(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f28_paths_that_are_not_the_same_everywhere_are_refused() {
        let check = |path: &str, expected: &str| match check(path) {
            Ok(()) => assert_eq!(expected, "", "{path:?} was accepted"),
            Err(why) => assert!(!expected.is_empty() && why.contains(expected), "{path:?}: {why}"),
        };
        check("include/c++/__config", "");
        check("lib/lib v8+(1),[2].a", "");
        check("a/..b/.c", "");
        check("console/com10/nullptr.h", "");
        check("", "empty");
        check("/etc/passwd", "absolute");
        check("//host/share", "absolute");
        check("\\\\host\\share", "backslash");
        check("a\\..\\b", "backslash");
        check("..", "'..'");
        check("a/../b", "'..'");
        check("./a", "'.'");
        check("a//b", "empty part");
        check("a/", "empty part");
        check("C:/a", "drive letter");
        check("c:a", "drive letter");
        check("a/b:stream", "Windows forbids");
        check("a*", "Windows forbids");
        check("a\0b", "control");
        check("a\nb", "control");
        check("a\x7f", "control");
        check("h\u{e9}", "outside ASCII");
        check("a./b", "dot or space");
        check("a /b", "dot or space");
        check("a/b ", "dot or space");
        check("CON", "device");
        check("a/nul.txt", "device");
        check("a/NUL .txt", "device");
        check("Com1/a", "device");
        check(&"a".repeat(100), "");
        check(&"a".repeat(101), "too long");
        check(&format!("{}/{}", "a".repeat(155), "b".repeat(100)), "");
        check(&format!("{}/{}", "a".repeat(156), "b".repeat(100)), "too long");
        check(&"a/".repeat(200), "empty part");
        check(&format!("{}b", "a/".repeat(200)), "too long");
    }

    #[test]
    fn f28_names_that_meet_on_some_file_system_are_refused() {
        let check = |paths: &[&str], expected: Option<Clash>| {
            let mut set = PathSet::default();
            assert_eq!(paths.iter().find_map(|path| set.add_file(path).err()), expected, "{paths:?}");
        };
        check(&["a/b", "a/c", "b"], None);
        check(&["a/b", "a/b"], Some(Clash::Twice));
        check(&["a/b", "a/B"], Some(Clash::Case("a/b".into())));
        check(&["a/b", "A/c"], Some(Clash::Case("a".into())));
        check(&["a/b", "a"], Some(Clash::FileAndFolder("a".into())));
        check(&["a", "a/b"], Some(Clash::FileAndFolder("a".into())));
    }
}
