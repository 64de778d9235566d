//! What can be read in both trees without any program: what V8 is made of, and the tools it asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{Area, Finding, Weight};
use crate::error::{Error, IoContext as _, Result};
use crate::source::depot::{self, Platform};
use crate::toolchain::Toolchain;

/// Folders with a folder for each part that is not V8's own.
const VENDORED: [&str; 3] = ["third_party", "buildtools/third_party", "v8/third_party"];

/// A statement of a tree that a build depends on.
struct Statement {
    /// What it is of, for people.
    name: &'static str,
    /// The file.
    path: &'static str,
    /// What stands before the value, at the start of a line after blanks and a brace.
    before: &'static str,
    /// How a change weighs.
    weight: Weight,
}

/// Where V8's build files say what they were last built with.
const STATEMENTS: [Statement; 5] = [
    Statement { name: "gn", path: "v8/DEPS", before: "'gn_version': '", weight: Weight::Note },
    Statement {
        name: "clang",
        path: "tools/clang/scripts/update.py",
        before: "CLANG_REVISION = '",
        weight: Weight::Note,
    },
    Statement {
        name: "clang's major",
        path: "tools/clang/scripts/update.py",
        before: "RELEASE_VERSION = '",
        weight: Weight::Look,
    },
    Statement {
        name: "libc++",
        path: "buildtools/deps_revisions.gni",
        before: "libcxx_revision = \"",
        weight: Weight::Note,
    },
    Statement {
        name: "ICU",
        path: "third_party/icu/version.json",
        before: "\"major_version\": \"",
        weight: Weight::Look,
    },
];

/// Compares the trees at `old` and `new`.
pub fn check(old: &Path, new: &Path, toolchain: &Toolchain) -> Result<Vec<Finding>> {
    let mut findings = minimums(old, new, toolchain.clang_major)?;
    findings.extend(folders(old, new)?);
    findings.extend(repositories(old, new)?);
    Ok(findings)
}

fn minimums(old: &Path, new: &Path, clang_major: u32) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for Statement { name, path, before, weight } in &STATEMENTS {
        let value =
            |root: &Path| Ok::<_, Error>(read(&root.join(path))?.and_then(|text| stated(&text, before)));
        let (was, is) = (value(old)?, value(new)?);
        let Some(is) = is.filter(|is| Some(is) != was.as_ref()) else { continue };
        let was = was.as_deref().unwrap_or("not stated");
        let mut what = format!("was {was}, and is {is} ({path})");
        if *name == "clang's major" {
            what.push_str(&format!("; ours is {clang_major}"));
        }
        findings.push(Finding::new(Area::Minimums, *weight, "changed", name, what));
    }
    Ok(findings)
}

/// What stands between `before` and the next quotation mark, in the first line that begins with it.
fn stated(text: &str, before: &str) -> Option<String> {
    let rest = text.lines().find_map(|line| line.trim_start_matches([' ', '{']).strip_prefix(before))?;
    let end = rest.find(['\'', '"'])?;
    Some(rest[..end].to_owned())
}

/// Folders of vendored parts that are new or gone.
fn folders(old: &Path, new: &Path) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for folder in VENDORED {
        let names = |root: &Path| names(&root.join(folder));
        let (was, is) = (names(old)?, names(new)?);
        let finding = |weight, kind, name: &String, what: &str| {
            Finding::new(Area::Dependencies, weight, kind, &format!("{folder}/{name}"), what.to_owned())
        };
        let new = "V8's tree begins to carry it";
        findings.extend(is.difference(&was).map(|name| finding(Weight::Look, "new", name, new)));
        let gone = "V8's tree no longer carries it";
        findings.extend(was.difference(&is).map(|name| finding(Weight::Look, "gone", name, gone)));
    }
    Ok(findings)
}

fn names(folder: &Path) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    if !folder.is_dir() {
        return Ok(found);
    }
    for entry in std::fs::read_dir(folder).or_io("read", folder)? {
        let entry = entry.or_io("read", folder)?;
        if entry.file_type().or_io("look at", &entry.path())?.is_dir() {
            found.insert(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(found)
}

/// What DEPS wants on Linux: other repositories, other commits.
fn repositories(old: &Path, new: &Path) -> Result<Vec<Finding>> {
    let platform = Platform { target_os: "linux", target_cpu: "x64", host_os: "linux", host_cpu: "x64" };
    let finding = |weight, kind, path: &str, what| Finding::new(Area::Dependencies, weight, kind, path, what);
    let mut sides = Vec::new();
    for root in [old, new] {
        let text = read(&root.join("v8/DEPS"))?;
        match text.map(|text| depot::named(&text, &platform)) {
            Some(Ok(named)) => sides.push(named),
            // The package might leave it out one day; a DEPS that this tool cannot read is one for --source depot-tools.
            None => return Ok(Vec::new()),
            Some(Err(error)) => {
                let what = format!("is not understood: {}", error.message());
                return Ok(vec![finding(Weight::Note, "not-understood", "v8/DEPS", what)]);
            }
        }
    }
    let (was, is): (&BTreeMap<String, String>, &BTreeMap<String, String>) = (&sides[0], &sides[1]);
    let paths: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    let difference = |path: &String| {
        let name = format!("DEPS {path}");
        match (was.get(path), is.get(path)) {
            (None, Some(what)) => {
                Some(finding(Weight::Note, "new", &name, format!("begins to be wanted: {what}")))
            }
            (Some(what), None) => {
                Some(finding(Weight::Note, "gone", &name, format!("is no longer wanted: {what}")))
            }
            (Some(was), Some(is)) if was != is => {
                Some(finding(Weight::Note, "changed", &name, format!("was {was}, and is {is}")))
            }
            _ => None,
        }
    };
    Ok(paths.into_iter().filter_map(difference).collect())
}

fn read(path: &Path) -> Result<Option<String>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", path, &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        root
    }

    fn lines(findings: Vec<Finding>) -> Vec<String> {
        findings.into_iter().map(|f| format!("{:?} {} {}: {}", f.weight, f.kind, f.subject, f.what)).collect()
    }

    #[test]
    fn tools_and_their_versions() {
        // The second one is for builds with tomorrow's clang.
        let update = |revision: &str, major: &str| {
            format!(
                "# Do not change CLANG_REVISION = '0'\nCLANG_REVISION = '{revision}'\nRELEASE_VERSION = '{major}'\n\
                 if x:\n    RELEASE_VERSION = '99'\n"
            )
        };
        let icu = "{ \"major_version\": \"78\"}";
        let one = tree(&[
            ("tools/clang/scripts/update.py", &update("a-1", "23")),
            ("third_party/icu/version.json", icu),
        ]);
        let two = tree(&[
            ("tools/clang/scripts/update.py", &update("a-2", "24")),
            ("third_party/icu/version.json", icu),
            ("buildtools/deps_revisions.gni", "  libcxx_revision = \"ab\"\n"),
        ]);
        assert_eq!(
            lines(minimums(one.path(), two.path(), 22).unwrap()),
            [
                "Note changed clang: was a-1, and is a-2 (tools/clang/scripts/update.py)",
                "Look changed clang's major: was 23, and is 24 (tools/clang/scripts/update.py); ours is 22",
                "Note changed libc++: was not stated, and is ab (buildtools/deps_revisions.gni)",
            ]
        );
        assert_eq!(lines(minimums(two.path(), two.path(), 22).unwrap()), [""; 0]);
    }

    #[test]
    fn what_a_tree_is_made_of() {
        let deps = |text: &str| format!("deps = {{\n{text}}}\n");
        let one = tree(&[
            ("third_party/a/x", ""),
            ("third_party/b/x", ""),
            ("third_party/file", ""),
            ("v8/DEPS", &deps("'k': 'https://h/k.git@1',\n'l': 'https://h/l.git@1',\n")),
        ]);
        let two = tree(&[
            ("third_party/b/x", ""),
            ("v8/third_party/c/x", ""),
            ("v8/DEPS", &deps("'l': 'https://h/l.git@2',\n'm': 'https://h/m.git@1',\n")),
        ]);
        assert_eq!(
            lines(folders(one.path(), two.path()).unwrap()),
            [
                "Look gone third_party/a: V8's tree no longer carries it",
                "Look new v8/third_party/c: V8's tree begins to carry it",
            ]
        );
        assert_eq!(
            lines(repositories(one.path(), two.path()).unwrap()),
            [
                "Note gone DEPS k: is no longer wanted: https://h/k.git 1",
                "Note changed DEPS l: was https://h/l.git 1, and is https://h/l.git 2",
                "Note new DEPS m: begins to be wanted: https://h/m.git 1",
            ]
        );
        let bad = tree(&[("v8/DEPS", "deps = f(\n")]);
        assert_eq!(repositories(one.path(), bad.path()).unwrap()[0].kind, "not-understood");
        let none = tree(&[]);
        assert_eq!(repositories(one.path(), none.path()).unwrap(), []);
    }
}
