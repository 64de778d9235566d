//! Rules of the repository that no compiler enforces. Each has a spoiled example, so that it cannot fall silent, and
//! exceptions by name with their reason, which must still be needed.

use std::path::{Path, PathBuf};

use self::version::{V8Version, VersionRange, glob};

#[path = "../src/source/version.rs"]
mod version;

/// A file of the repository; its path has `/` everywhere.
struct File {
    path: String,
    text: String,
    is_executable: bool,
}

impl File {
    fn new(path: &str, text: &str) -> File {
        File { path: path.to_owned(), text: text.to_owned(), is_executable: false }
    }

    fn ends_with(&self, endings: &[&str]) -> bool {
        endings.iter().any(|ending| self.path.ends_with(ending))
    }

    /// The faults of all lines for which `fault` has one, with their numbers.
    fn lines(&self, fault: impl Fn(&str) -> Option<String>) -> Vec<String> {
        let numbered = self.text.lines().enumerate();
        numbered.filter_map(|(number, line)| Some(format!("line {}: {}", number + 1, fault(line)?))).collect()
    }
}

/// What rules know of the repository beyond the file they look at.
struct Facts {
    triples: Vec<String>,
    v8_version: String,
    /// Every source with each version of V8 that it is pinned to; `None` where the pin does not say V8's version.
    v8s: Vec<(&'static str, Option<V8Version>)>,
}

struct Rule {
    name: &'static str,
    check: fn(&File, &Facts) -> Vec<String>,
    /// Files, or folders that end in `/`, and why the rule does not hold there.
    exceptions: &'static [(&'static str, &'static str)],
    /// A path and a text that the rule must refuse, and what it says.
    spoiled: (&'static str, &'static str, &'static str),
}

const SOURCES: &[&str] = &[".rs", ".cc", ".c", ".h"];

const RULES: &[Rule] = &[
    Rule {
        name: "a target triple is written by hand in targets.toml and nowhere else",
        check: |file, facts| {
            if file.path.ends_with(".md") {
                // What people type and read.
                return Vec::new();
            }
            let code = if file.path.ends_with(".rs") { code_of(&file.text) } else { file.text.clone() };
            File::new(&file.path, &code).lines(|line| {
                let triple = facts.triples.iter().find(|triple| line.contains(triple.as_str()))?;
                Some(format!("the triple {triple}"))
            })
        },
        exceptions: &[
            ("targets.toml", "the one place"),
            ("verified.toml", "made from targets.toml and finished builds; a test compares"),
            ("xtask/src/pch/compared.toml", "a record of what was compared, written by bench"),
            (".github/workflows/", "made from targets.toml; a test compares"),
            ("crates/v8-archive/src/name.rs", "an example in an error"),
            ("crates/libv8/tests/", "archives made for a test"),
            ("crates/v8-archive/tests/", "archives made for a test"),
            ("xtask/src/fuzz/index.json", "an example with its signature"),
            ("xtask/tests/", "snapshots, command lines, and what a compiler said"),
            ("xtask/src/compile/pipeline_tests.rs", "a test"),
            ("patches/0006-musl-by-its-own-triple.patch", "lines of V8's build files"),
            ("xtask/src/consumer_tests/snapshots/", "snapshots of files for build systems"),
            ("xtask/src/smoke/plans/", "snapshots of command lines"),
            ("xtask/src/smoke/tests.rs", "a test"),
            ("xtask/src/source/tests.rs", "a test"),
            ("xtask/src/library/linked_tests.rs", "a test"),
            ("xtask/src/verify/other_formats_tests.rs", "a test"),
            ("xtask/src/verify/tests.rs", "a test"),
            ("xtask/src/verify/sample.rs", "archives made for a test"),
        ],
        spoiled: (
            "xtask/src/x.rs",
            "//! X.\nfn f() { g(\"x86_64-unknown-linux-gnu\") }\n",
            "line 2: the triple x86_64-unknown-linux-gnu",
        ),
    },
    Rule {
        name: "the first line of a source says what it is",
        check: |file, _| {
            let is_source = file.ends_with(SOURCES) || file.ends_with(&[".toml", ".gn", ".sh", "/run"]);
            let is_manifest = file.path.ends_with("/Cargo.toml");
            let is_comment = ["//", "#", "/*"].iter().any(|start| file.text.starts_with(start));
            let is_attribute = file.text.starts_with("#[") || file.text.starts_with("#include");
            if !is_source || is_manifest || (is_comment && !is_attribute) {
                return Vec::new();
            }
            vec![format!("begins with {:?}", file.text.lines().next().unwrap_or_default())]
        },
        exceptions: &[],
        spoiled: ("xtask/src/x.rs", "use x;\n", "begins with \"use x;\""),
    },
    Rule {
        name: "a source has at most 450 lines",
        check: |file, _| {
            let count = file.text.lines().count();
            let is_long = file.ends_with(SOURCES) && count > 450;
            is_long.then(|| format!("{count} lines: probably two ideas")).into_iter().collect()
        },
        exceptions: &[
            ("crates/v8-archive/tests/refusals.rs", "one table of all that is refused"),
            ("xtask/src/smoke/tests.rs", "one story with its small fake programs"),
            ("xtask/src/source/tests.rs", "one story with its small fake packages"),
        ],
        spoiled: ("x.rs", LONG, "451 lines: probably two ideas"),
    },
    Rule {
        name: "the embedding crate and the matrix mean the same V8",
        check: |file, facts| {
            let is_other = file.path == "crates/libv8/V8_VERSION" && file.text.trim_end() != facts.v8_version;
            is_other
                .then(|| format!("{:?}, but targets.toml {:?}", file.text.trim_end(), facts.v8_version))
                .into_iter()
                .collect()
        },
        exceptions: &[],
        spoiled: ("crates/libv8/V8_VERSION", "1.2.3.4\n", "\"1.2.3.4\", but targets.toml \"15.2.124.1\""),
    },
    Rule {
        name: "what is for some V8s is for one that is pinned",
        check: |file, facts| {
            file.lines(|line| {
                let says = match file.path.split_once('/') {
                    Some(("patches", name)) if name.ends_with(".patch") => line.strip_prefix("Applies-to: "),
                    Some(("gn-args", name)) if name.ends_with(".gn") => line.strip_prefix("# Applies-to: "),
                    Some(("licenses", "parts.toml") | ("smoke", "table.toml")) => {
                        line.strip_prefix("applies_to = \"").and_then(|rest| rest.strip_suffix('"'))
                    }
                    _ => None,
                }?;
                (!applies_somewhere(says, facts)).then(|| format!("{says}: no V8 of targets.toml"))
            })
        },
        exceptions: &[],
        spoiled: (
            "patches/0001-x.patch",
            "Why: x\nApplies-to: source=crate; v8=>=1.2,<1.3; target=*\n",
            "line 2: source=crate; v8=>=1.2,<1.3; target=*: no V8 of targets.toml",
        ),
    },
    Rule {
        name: "nothing is left for later",
        check: |file, _| {
            if !file.path.ends_with(".rs") {
                return Vec::new();
            }
            let words = [
                concat!("to", "do!"),
                concat!("unimple", "mented!"),
                concat!("db", "g!("),
                concat!("#[ig", "nore"),
            ];
            file.lines(|line| Some((*words.iter().find(|word| line.contains(**word))?).to_owned()))
        },
        exceptions: &[],
        spoiled: ("x.rs", concat!("//! X.\nfn f() { to", "do!() }\n"), concat!("line 2: to", "do!")),
    },
    Rule {
        name: "a lint is silenced with a reason",
        check: |file, _| {
            if !file.path.ends_with(".rs") {
                return Vec::new();
            }
            let starts = ["#[allow(", "#![allow(", "#[expect(", "#![expect("];
            let attributes = starts.iter().flat_map(|start| file.text.match_indices(start).map(|(at, _)| at));
            let ends = |at: &usize| file.text[*at..].split(")]").next().unwrap_or_default().to_owned();
            // A quotation mark before it makes it the text of this rule.
            let is_code = |at: &usize| !file.text[..*at].ends_with('"');
            attributes
                .filter(is_code)
                .map(|at| ends(&at))
                .filter(|text| !text.contains("reason = "))
                .collect()
        },
        exceptions: &[],
        spoiled: ("x.rs", concat!("//! X.\n#!", "[allow(dead_code)]\n"), concat!("#!", "[allow(dead_code")),
    },
    Rule {
        name: "no path of a machine",
        check: |file, _| {
            let paths = [concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/t", "mp/")];
            file.lines(|line| Some((*paths.iter().find(|path| line.contains(**path))?).to_owned()))
        },
        exceptions: &[
            ("ci/Dockerfile", "the home of the image's own user"),
            ("crates/v8-archive/tests/refusals.rs", "a path that must be refused"),
            ("xtask/src/verify/paths.rs", "paths that must be found"),
            ("xtask/src/verify/sample.rs", "a path that V8 itself contains"),
            ("xtask/src/verify/tests.rs", "a path that must be found"),
        ],
        spoiled: ("ci/x.sh", concat!("# X.\ncd /ho", "me/me/v8\n"), concat!("line 2: /ho", "me/")),
    },
    Rule {
        name: "no package registry is named: the user's own configuration says where they are",
        check: |file, _| {
            let hosts = [
                concat!("py", "pi.org"),
                concat!("python", "hosted.org"),
                concat!("crates", ".io"),
                concat!("npm", "js.org"),
                concat!("deb.debi", "an.org"),
            ];
            file.lines(|line| Some((*hosts.iter().find(|host| line.contains(**host))?).to_owned()))
        },
        exceptions: &[("Cargo.lock", "cargo's own name of its index")],
        spoiled: (
            "ci/x.sh",
            concat!("# X.\npip install -i https://py", "pi.org/simple x\n"),
            concat!("line 2: py", "pi.org"),
        ),
    },
    Rule {
        name: "a dependency says what it is for",
        check: |file, _| {
            if !file.path.ends_with("/Cargo.toml") {
                return Vec::new();
            }
            let mut faults = Vec::new();
            let (mut in_table, mut previous) = (false, "");
            for line in file.text.lines() {
                if line.starts_with('[') {
                    in_table = line.trim_end_matches(']').ends_with("dependencies");
                } else if in_table
                    && line.contains(" = ")
                    && !line.starts_with('#')
                    && !previous.starts_with('#')
                {
                    faults.push(format!("no comment above {line}"));
                }
                previous = line;
            }
            faults
        },
        exceptions: &[],
        spoiled: (
            "x/Cargo.toml",
            "[dev-dependencies]\n# Y.\ny = \"1\"\nx = \"1\"\n",
            "no comment above x = \"1\"",
        ),
    },
    Rule {
        name: "what begins with #! can be executed, and nothing else",
        check: |file, _| {
            // Windows has no such bit; git keeps it there, and the machine that made the change is rarely alone.
            let is_wrong = cfg!(unix) && file.text.starts_with("#!/") != file.is_executable;
            is_wrong.then(|| format!("executable: {}", file.is_executable)).into_iter().collect()
        },
        exceptions: &[],
        spoiled: ("ci/x.sh", "#!/bin/sh\n", "executable: false"),
    },
    Rule {
        name: "text has no blanks at the ends of lines, no tabs, and a last line",
        check: |file, _| {
            if !file.ends_with(&[".rs", ".toml", ".gn", ".md", ".sh"]) {
                return Vec::new();
            }
            let mut faults = file.lines(|line| {
                if line.ends_with([' ', '\t', '\r']) {
                    return Some("ends with a blank".to_owned());
                }
                line.contains('\t').then(|| "a tab".to_owned())
            });
            if !file.text.ends_with('\n') || file.text.ends_with("\n\n") {
                faults.push("its end is not one line's end".to_owned());
            }
            faults
        },
        exceptions: &[],
        spoiled: ("README.md", "# X \n", "line 1: ends with a blank"),
    },
];

/// 451 lines.
const LONG: &str = {
    const BYTES: [u8; 451] = [b'\n'; 451];
    match std::str::from_utf8(&BYTES) {
        Ok(text) => text,
        Err(_) => unreachable!(),
    }
};

/// What is compiled into a program: no comments, and nothing from the first test module on. Lines keep their numbers.
fn code_of(text: &str) -> String {
    let end = text.find("\n#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    let code = text[..end].lines().map(|line| if line.trim_start().starts_with("//") { "" } else { line });
    code.collect::<Vec<_>>().join("\n")
}

/// Whether a source, a version and a target of `targets.toml` are all in it. What is badly written is refused by its reader.
fn applies_somewhere(says: &str, facts: &Facts) -> bool {
    let value = |key: &str| {
        let mut pairs = says.split(';').filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(name, _)| *name == key).map_or("*", |(_, value)| value)
    };
    let range: VersionRange = value("v8").parse().unwrap_or_else(|fault| panic!("{says}: {fault}"));
    let any = |key: &str, wanted: &str| value(key).split(',').any(|pattern| glob(pattern.trim(), wanted));
    facts.triples.iter().any(|triple| any("target", triple))
        && facts.v8s.iter().any(|(source, version)| {
            any("source", source) && version.is_none_or(|version| range.contains(version))
        })
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn facts() -> Facts {
    let text = std::fs::read_to_string(repository().join("targets.toml")).unwrap();
    let matrix: toml::Table = toml::from_str(&text).unwrap();
    let version = |text: &toml::Value| text.as_str().unwrap().parse::<V8Version>().ok();
    let sources = matrix["sources"].as_table().unwrap();
    let others = sources["crate"].get("others").and_then(toml::Value::as_array);
    let mut v8s = vec![
        ("crate", version(&matrix["v8"]["version"])),
        ("depot-tools", version(&sources["depot-tools"]["revision"])),
    ];
    v8s.extend(others.into_iter().flatten().map(|other| ("crate", version(&other["v8"]))));
    v8s.extend(sources.contains_key("node").then_some(("node", None)));
    Facts {
        v8s,
        triples: matrix["targets"].as_table().unwrap().keys().cloned().collect(),
        v8_version: matrix["v8"]["version"].as_str().unwrap().to_owned(),
    }
}

/// All files but git's and those that git ignores (`target`, archives).
fn files() -> Vec<File> {
    let root = repository();
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let relative = path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
            if [".git", "target"].contains(&relative.as_str())
                || (relative.starts_with("artifacts/") && relative != "artifacts/README.md")
            {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = String::from_utf8(std::fs::read(&path).unwrap());
            let text = text.unwrap_or_else(|_| panic!("{relative} is not UTF-8: everything here is text"));
            found.push(File { is_executable: is_executable(&path), path: relative, text });
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

#[cfg(unix)]
fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o111 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &Path) -> bool {
    false
}

fn covers(exception: &str, path: &str) -> bool {
    exception == path || (exception.ends_with('/') && path.starts_with(exception))
}

#[test]
fn the_repository_is_tidy() {
    let (facts, files) = (facts(), files());
    assert!(files.len() > 150, "only {} files were found", files.len());
    let mut faults = Vec::new();
    for rule in RULES {
        for file in &files {
            let is_exception = rule.exceptions.iter().any(|(exception, _)| covers(exception, &file.path));
            if !is_exception {
                let found = (rule.check)(file, &facts);
                faults.extend(found.iter().map(|fault| format!("{}: {fault} ({})", file.path, rule.name)));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn every_rule_refuses_its_spoiled_example() {
    let facts = facts();
    for rule in RULES {
        let (path, text, expected) = rule.spoiled;
        assert_eq!((rule.check)(&File::new(path, text), &facts), [expected], "{}", rule.name);
    }
}

#[test]
fn every_exception_is_needed() {
    let (facts, files) = (facts(), files());
    for rule in RULES {
        for (exception, _) in rule.exceptions {
            let mut covered = files.iter().filter(|file| covers(exception, &file.path));
            let is_needed = covered.any(|file| !(rule.check)(file, &facts).is_empty());
            assert!(is_needed, "{exception} needs no exception: {}", rule.name);
        }
    }
}

#[test]
fn what_applies_nowhere() {
    let v8s = vec![
        ("crate", Some("15.2.124.1".parse().unwrap())),
        ("crate", Some("14.9.207.2".parse().unwrap())),
        ("node", None),
    ];
    let facts =
        Facts { triples: vec!["a-linux-gnu".into(), "a-linux-musl".into()], v8_version: String::new(), v8s };
    for (says, expected) in [
        ("source=*; v8=*; target=*", true),
        ("source=crate; v8=>=15.2; target=*-musl", true),
        ("source=crate; v8==14.9; target=b-*,*-gnu", true),
        ("source=crate; v8==14.8; target=*", false),
        ("source=crate; v8=>=15.0,<15.2; target=*", false),
        ("source=crate; v8=*; target=*-windows-*", false),
        ("source=depot-tools; v8=*; target=*", false),
        ("source=node; v8==13.6; target=*", true),
        ("source=crate; v8=>=14", true),
    ] {
        assert_eq!(applies_somewhere(says, &facts), expected, "{says}");
    }
}

#[test]
fn code_is_what_is_compiled_into_the_program() {
    let text = "//! A.\nfn a() {}\n    // b\n#[cfg(test)]\nmod tests {\n    c\n}\n";
    assert_eq!(code_of(text), "//! A.\nfn a() {}\n    // b".replace("//! A.", "").replace("    // b", ""));
}
