//! The files of `patches/`: a header that says why, from where and for what, and a diff.
//!
//! ```text
//! Why: what goes wrong without it
//! Upstream: https://… | commit <sha> | not reported
//! Applies-to: source=crate,node; v8=>=15.0,<16; target=*-linux-musl
//!
//! diff --git a/v8/src/… b/v8/src/…
//! ```
//!
//! A longer value goes on in lines that start with a blank. [`AppliesTo`] says what `source` and `v8` are; `target` is
//! globs; commas stand between. Paths are those of the tree that V8 is built in, so V8's own begin with `v8/`.

use std::path::Path;

use serde::Serialize;

use super::applies::{AppliesTo, keyed, list};
use super::diff::{self, FileDiff};
use super::version::{V8Version, glob};
use super::{Kind, sha256};
use crate::error::{self, Error, IoContext as _, Result};

/// One file of `patches/`, read and checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Patch {
    /// The file's name without `.patch`: `0001-short-name`.
    pub name: String,
    /// SHA-256 of the file's bytes, in hexadecimal.
    pub sha256: String,
    /// What goes wrong without it.
    #[serde(skip)]
    pub why: String,
    /// A link, `commit <sha>`, or `not reported`.
    #[serde(skip)]
    pub upstream: String,
    #[serde(skip)]
    applies_to: AppliesTo,
    /// Globs.
    #[serde(skip)]
    targets: Vec<String>,
    /// What it does to each file.
    #[serde(skip)]
    pub diffs: Vec<FileDiff>,
}

impl Patch {
    /// Reads one patch; `name` is the file's name without `.patch`. An error names the patch and the line.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Patch, String> {
        let fault = |what: &str| format!("patches/{name}.patch: {what}");
        let (number, short) = name.split_once('-').unwrap_or((name, ""));
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if number.len() != 4
            || !number.bytes().all(|b| b.is_ascii_digit())
            || short.is_empty()
            || !short.bytes().all(plain)
        {
            return Err(fault("the name is not NNNN-short-name.patch in small letters"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| fault("it is not UTF-8"))?;
        if let Some(line) = text.split('\n').position(|line| line.contains('\r')) {
            return Err(fault(&format!("line {}: a carriage return; a patch has LF line ends", line + 1)));
        }
        let body_at = if text.starts_with("diff --git ") {
            0
        } else {
            text.find("\ndiff --git ").map_or(text.len(), |at| at + 1)
        };
        let (header, body) = text.split_at(body_at);
        let [why, upstream, applies_to] = fields(header).map_err(|what| fault(&what))?;
        if body.is_empty() {
            return Err(fault("there is no 'diff --git' line in it"));
        }
        if !upstream_is_known(&upstream) {
            return Err(fault(&format!(
                "Upstream: '{upstream}' is no https:// link, 'commit <sha>' or 'not reported'"
            )));
        }
        let (applies_to, targets) =
            parse_applies_to(&applies_to).map_err(|what| fault(&format!("Applies-to: {what}")))?;
        let diffs = diff::parse(body, header.lines().count() + 1).map_err(|what| fault(&what))?;
        Ok(Patch { name: name.to_owned(), sha256: sha256(bytes), why, upstream, applies_to, targets, diffs })
    }

    /// Whether it is for this target, with whatever V8.
    pub fn is_for(&self, target: &str) -> bool {
        self.targets.iter().any(|pattern| glob(pattern, target))
    }

    /// Whether it belongs to the tree of this V8 out of this source for this target.
    pub fn applies_to(&self, source: Kind, v8: V8Version, target: &str) -> bool {
        self.applies_to.contains(source, v8) && self.is_for(target)
    }

    /// Reads every patch of the folder, in the order of the numbers. All faults are reported together.
    ///
    /// A folder that is not there holds no patches; a file that is neither a patch nor `README.md` is a fault, since a
    /// misspelt ending would otherwise leave a patch out silently.
    pub fn read_all(folder: &Path) -> Result<Vec<Patch>> {
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::io("read", folder, &error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            names.push(entry.or_io("read", folder)?.file_name().to_string_lossy().into_owned());
        }
        names.sort_unstable();
        let (mut patches, mut faults) = (Vec::<Patch>::new(), Vec::new());
        for file in names.iter().filter(|name| *name != "README.md") {
            let path = folder.join(file);
            let Some(name) = file.strip_suffix(".patch") else {
                faults.push(format!("{} is neither NNNN-short-name.patch nor README.md", path.display()));
                continue;
            };
            match Patch::parse(name, &std::fs::read(&path).or_io("read", &path)?) {
                Ok(patch) => {
                    if let Some(other) = patches.iter().find(|other| other.name[..4] == patch.name[..4]) {
                        faults.push(format!("{} and {} have the same number", other.name, patch.name));
                    }
                    patches.push(patch);
                }
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() {
            Ok(patches)
        } else {
            Err(Error::all(error::Kind::Usage, "bad patches", &faults))
        }
    }
}

/// The patches that apply to a tree, in the order in which they do.
pub fn series<'a>(patches: &'a [Patch], source: Kind, v8: V8Version, target: &str) -> Vec<&'a Patch> {
    patches.iter().filter(|patch| patch.applies_to(source, v8, target)).collect()
}

/// `source=…; v8=…; target=…`: what it holds for, and the globs.
fn parse_applies_to(text: &str) -> Result<(AppliesTo, Vec<String>), String> {
    let [source, v8, target] = keyed(text.split(';'), '=', ["source", "v8", "target"])?;
    let targets = list(&target);
    let plain = |pattern: &String| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"*-_.".contains(&byte);
        !pattern.is_empty() && pattern.bytes().all(known)
    };
    if let Some(bad) = targets.iter().find(|pattern| !plain(pattern)) {
        return Err(format!("'{bad}' is no target, nor one with * in it"));
    }
    Ok((AppliesTo::of(&source, &v8)?, targets))
}

fn upstream_is_known(text: &str) -> bool {
    let commit =
        |sha: &str| (12..=64).contains(&sha.len()) && sha.bytes().all(|byte| byte.is_ascii_hexdigit());
    let link = |rest: &str| rest.contains('.') && !rest.contains(char::is_whitespace);
    text == "not reported"
        || text.strip_prefix("https://").is_some_and(link)
        || text.strip_prefix("commit ").is_some_and(commit)
}

/// The three fields of the header, joined where they go over several lines.
fn fields(header: &str) -> Result<[String; 3], String> {
    let mut joined: Vec<String> = Vec::new();
    for line in header.lines().filter(|line| !line.trim().is_empty()) {
        match joined.last_mut() {
            Some(last) if line.starts_with([' ', '\t']) => {
                last.push(' ');
                last.push_str(line.trim());
            }
            _ => joined.push(line.trim_end().to_owned()),
        }
    }
    keyed(joined.iter().map(String::as_str), ':', ["Why", "Upstream", "Applies-to"])
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "Why: the file is compiled\n  for nothing\nUpstream: not reported\nApplies-to: source=crate,node; v8=>=15.0; target=*\n\n";
    const BODY: &str = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1,2 @@\n+two\n one\n";

    fn parse(text: &str) -> Result<Patch, String> {
        Patch::parse("0007-a-name", text.as_bytes())
    }

    #[test]
    fn a_header_and_a_diff() {
        let patch = parse(&format!("{HEADER}{BODY}")).unwrap();
        assert_eq!(patch.why, "the file is compiled for nothing");
        assert_eq!(patch.upstream, "not reported");
        assert_eq!(patch.diffs.len(), 1);
        assert_eq!(patch.sha256, sha256(format!("{HEADER}{BODY}").as_bytes()));
    }

    #[test]
    fn a_bad_header_is_refused() {
        #[track_caller]
        fn check(from: &str, to: &str, expected: &str) {
            let text = format!("{HEADER}{BODY}");
            let bad = text.replacen(from, to, 1);
            assert_ne!(text, bad);
            let error = parse(&bad).unwrap_err();
            assert!(error.contains("patches/0007-a-name.patch: ") && error.contains(expected), "{error}");
        }
        check("Why: the file is compiled\n  for nothing\n", "", "it does not say Why");
        check("Why: the file is compiled\n  for nothing\n", "Why:\n", "'Why' has no value");
        check("Upstream: not reported\n", "", "it does not say Upstream");
        check("not reported", "ask me", "'ask me' is no https:// link");
        check("not reported", "commit main", "is no https:// link");
        check("Upstream", "Up", "'Up' is not one of Why, Upstream, Applies-to");
        check(
            "Upstream: not reported\n",
            "Upstream: not reported\nUpstream: not reported\n",
            "'Upstream' stands in it twice",
        );
        check("source=crate,node; ", "", "Applies-to: it does not say source");
        check("crate,node", "crate,nod", "'nod' is no source");
        check("source=", "sauce=", "'sauce' is not one of source, v8, target");
        check("v8=>=15.0", "v8=>15.0", "'>15.0' is no comparison");
        check("target=*", "target=", "'target' has no value");
        check("target=*", "target=[a-z]*", "'[a-z]*' is no target");
        check(BODY, "", "there is no 'diff --git' line");
        check("@@ -1 +1,2 @@", "@@ -1 +1,3 @@", "line 12: the hunk ends before");
    }

    #[test]
    fn f52_crlf_patches_are_refused() {
        let error = parse(&format!("{HEADER}{BODY}").replace('\n', "\r\n")).unwrap_err();
        assert!(error.contains("line 1: a carriage return"), "{error}");
        let error = parse(&format!("{HEADER}{BODY}").replace(" one\n", " one\r\n")).unwrap_err();
        assert!(error.contains("line 11: a carriage return"), "{error}");
    }

    #[test]
    fn names_are_strict() {
        for name in ["1-x", "00001-x", "0001", "0001-", "0001-X", "0001-a_b", "x001-a"] {
            let error = Patch::parse(name, format!("{HEADER}{BODY}").as_bytes()).unwrap_err();
            assert!(error.contains("NNNN-short-name"), "{error}");
        }
    }

    #[test]
    fn which_patches_apply() {
        let named = |number: u32, applies_to: &str| {
            let text = format!("Why: x\nUpstream: https://crbug.com/1\nApplies-to: {applies_to}\n{BODY}");
            Patch::parse(&format!("{number:04}-p"), text.as_bytes()).unwrap()
        };
        let patches = [
            named(1, "source=*; v8=*; target=*"),
            named(2, "source=crate; v8=*; target=*"),
            named(3, "source=node,depot-tools; v8=*; target=*"),
            named(4, "target=*; source=*; v8=>=15.0,<15.3"),
            named(5, "source=*; v8=*; target=*-linux-musl"),
            named(6, "source=*; v8=*; target=x86_64-*-gnu, aarch64-*-gnu"),
        ];
        let check = |source, v8: [u32; 4], target, expected: &[&str]| {
            let series = series(&patches, source, V8Version(v8), target);
            assert_eq!(series.iter().map(|patch| &patch.name[3..4]).collect::<Vec<_>>(), expected);
        };
        check(Kind::Crate, [15, 2, 124, 1], "x86_64-unknown-linux-gnu", &["1", "2", "4", "6"]);
        check(Kind::Crate, [15, 3, 0, 0], "x86_64-unknown-linux-gnu", &["1", "2", "6"]);
        check(Kind::Node, [13, 6, 233, 17], "aarch64-unknown-linux-musl", &["1", "3", "5"]);
        check(Kind::DepotTools, [15, 0, 0, 0], "aarch64-apple-darwin", &["1", "3", "4"]);
    }

    #[test]
    fn every_patch_of_the_repository_reads() {
        let patches = Patch::read_all(&crate::paths::repository().join("patches")).unwrap();
        assert!(!patches.is_empty());
    }

    #[test]
    fn all_faults_of_a_folder_are_told_at_once() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("0001-a.patch", format!("{HEADER}{BODY}")),
            ("0001-b.patch", format!("{HEADER}{BODY}")),
            ("0002-c.patch", BODY.to_owned()),
            ("0003-d.patch.orig", format!("{HEADER}{BODY}")),
            ("README.md", String::new()),
        ] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let error = Patch::read_all(folder.path()).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        let error = error.to_string();
        for expected in [
            "0001-a and 0001-b have the same number",
            "0002-c.patch: it does not say Why, Upstream, Applies-to",
            "0003-d.patch.orig is neither",
        ] {
            assert!(error.contains(expected), "{error}");
        }
        assert_eq!(Patch::read_all(&folder.path().join("none")).unwrap(), []);
    }
}
