//! The licence table: which part of the V8 tree a compiled source belongs to, and where that part's text lies.
//!
//! The `v8` package carries no licence files, and an archive without them is not shippable. `licenses/parts.toml`
//! says which part covers which paths; a source that none covers stops the build, so that what the next V8 vendors
//! anew cannot slip into an archive unnoticed.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::source::applies::{AppliesTo, holds};
use crate::source::{Kind, V8Version};

/// Where the table lies in the repository.
const TABLE: &str = "licenses/parts.toml";

/// Where the texts lie in the repository.
const TEXTS: &str = "licenses/texts";

/// SPDX identifiers that may stand in the table. All are permissive and ask no more than that the notice goes along.
/// The list is closed on purpose: another licence in the archive is a person's decision, made by adding a line here.
const ACCEPTED_LICENCES: &[&str] = &[
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ICU",
    "MIT",
    "NAIST-2003",
    "Python-2.0.1",
    "SunPro",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "bzip2-1.0.6",
];

/// Names of folders that hold other people's code.
const VENDORED: &[&str] = &["third_party", "third-party", "3rdparty"];

/// What may follow `WITH`.
const ACCEPTED_EXCEPTIONS: &[&str] = &["LLVM-exception"];

/// One part of the tree with one licence text: a row of `licenses/parts.toml`, whose head describes the fields.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Unique name, as `V8.json` and the archive's table print it.
    pub name: String,
    /// SPDX licence expression.
    pub spdx: String,
    /// File name of the text, under `licenses/texts/`.
    pub file: String,
    /// Files and folders of the tree that are this part's, from the tree's root.
    pub paths: Vec<String>,
    /// The packages and files the text was taken from.
    pub source: String,
    /// The trees that have these paths; all of them without it.
    #[serde(default)]
    pub applies_to: Option<AppliesTo>,
}

impl Part {
    /// The text's place in the repository that lies at `root`.
    pub fn text_path(&self, root: &Path) -> PathBuf {
        root.join(TEXTS).join(&self.file)
    }
}

/// A path whose files are inputs of the build but bring nothing foreign into the archive.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ignored {
    /// A file or folder, from the tree's root.
    pub path: String,
    /// The reason, for the reader.
    pub why: String,
    /// The trees that have this path; all of them without it.
    #[serde(default)]
    pub applies_to: Option<AppliesTo>,
}

/// The whole of `licenses/parts.toml`, in the file's order.
#[derive(Debug)]
pub struct Table {
    /// What can reach an archive.
    pub parts: Vec<Part>,
    /// What is left out on purpose.
    pub ignored: Vec<Ignored>,
}

impl Table {
    /// The rows that hold for the tree of this V8 out of this source.
    pub fn for_tree(mut self, source: Kind, v8: V8Version) -> Table {
        self.parts.retain(|part| holds(part.applies_to.as_ref(), source, v8));
        self.ignored.retain(|row| holds(row.applies_to.as_ref(), source, v8));
        self
    }

    /// The parts that `sources` belong to, in the table's order and each once: the parts whose texts an archive made
    /// of these sources must carry. Sources are what was compiled and included (ninja's inputs and deps) and the
    /// headers that are shipped, relative to the tree's root with `/` between names.
    ///
    /// # Errors
    ///
    /// All sources that no part covers, sorted, each once. One outside the tree (absolute, or with `..`) is among them.
    pub fn parts_for<'s>(&self, sources: impl Iterator<Item = &'s str>) -> Result<Vec<&Part>, Vec<String>> {
        let mut wanted = BTreeSet::new();
        let mut uncovered = BTreeSet::new();
        for source in sources {
            match self.owner(source) {
                Some(Owner::Part(index)) => drop(wanted.insert(index)),
                Some(Owner::Nobody) => {}
                None => drop(uncovered.insert(source)),
            }
        }
        if uncovered.is_empty() {
            Ok(wanted.into_iter().map(|index| &self.parts[index]).collect())
        } else {
            Err(uncovered.into_iter().map(str::to_owned).collect())
        }
    }

    /// The paths of parts that the tree at `tree` does not have, sorted. V8 renames files; a part that is a few files of
    /// `v8/src` would then silently count as V8's own, so a caller that has the tree should refuse it.
    pub fn stale_paths(&self, tree: &Path) -> Vec<&str> {
        let mut stale: Vec<&str> =
            self.parts.iter().flat_map(|part| &part.paths).map(String::as_str).collect();
        stale.retain(|path| !tree.join(path).exists());
        stale.sort_unstable();
        stale
    }

    /// Whose `source` is: of all rows that cover it the one with the longest path decides.
    fn owner(&self, source: &str) -> Option<Owner> {
        if !well_formed(source) {
            return None;
        }
        let parts = self.parts.iter().enumerate().flat_map(|(index, part)| {
            part.paths.iter().map(move |path| (path, Owner::Part(index), Reach::ToVendored))
        });
        let ignored = self.ignored.iter().map(|row| (&row.path, Owner::Nobody, Reach::All));
        parts
            .chain(ignored)
            .filter(|(path, _, reach)| covers(path, *reach, source))
            .max_by_key(|(path, ..)| path.len())
            .map(|(_, owner, _)| owner)
    }
}

/// Where the table looks for a file of a tree: trees of Node have V8 and ICU in places of their own.
pub fn usual_path(kind: Kind, path: &str) -> String {
    const NODES: [(&str, &str); 9] = [
        ("deps/icu-small/", "third_party/icu/"),
        // Node's changes of ICU.
        ("tools/icu/", "third_party/icu/"),
        ("deps/v8/third_party/abseil-cpp/", "third_party/abseil-cpp/"),
        ("deps/v8/third_party/fast_float/", "third_party/fast_float/"),
        ("deps/v8/third_party/fp16/", "third_party/fp16/"),
        ("deps/v8/third_party/highway/", "third_party/highway/"),
        ("deps/v8/third_party/simdutf/", "third_party/simdutf/"),
        ("deps/v8/third_party/zlib/", "third_party/zlib/"),
        ("deps/v8/", "v8/"),
    ];
    let moved = NODES.iter().find_map(|(from, to)| Some(format!("{to}{}", path.strip_prefix(from)?)));
    moved.filter(|_| kind == Kind::Node).unwrap_or_else(|| path.to_owned())
}

/// Whose a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// The part with this index in the table.
    Part(usize),
    /// A row of `[[ignored]]` covers it.
    Nobody,
}

/// How far below a path its row counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Everything: what the build generates lies below `out` in folders named like its sources'.
    All,
    /// Down to the next folder of [`VENDORED`]: what is vendored anew below a known folder has a licence of its own and
    /// must not inherit that folder's.
    ToVendored,
}

/// Whether `source` is `path`, or lies below it and within `reach`.
fn covers(path: &str, reach: Reach, source: &str) -> bool {
    match source.strip_prefix(path) {
        Some("") => true,
        Some(rest) if rest.starts_with('/') => match reach {
            Reach::All => true,
            Reach::ToVendored => rest.split('/').all(|name| !VENDORED.contains(&name)),
        },
        _ => false,
    }
}

/// Whether `path` is relative, inside the tree and written in one way only.
fn well_formed(path: &str) -> bool {
    !path.contains('\\') && path.split('/').all(|name| !matches!(name, "" | "." | ".."))
}

/// Everything that is wrong with the table or its texts, in the order in which it was found. Never empty.
#[derive(Debug, PartialEq, Eq)]
pub struct Faults(pub Vec<String>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in &self.0 {
            writeln!(f, "{fault}")?;
        }
        write!(f, "help: the head of {TABLE} says what it may hold, licenses/README.md where texts come from")
    }
}

impl std::error::Error for Faults {}

/// Reads the table of the repository at `root` and compares it with the texts that lie there.
///
/// # Errors
///
/// All faults together: a file that cannot be read, an unknown or missing key, a licence that is not accepted, a
/// malformed path, a name, text or path given twice, a text that is missing or that no part names.
pub fn load(root: &Path) -> Result<Table, Faults> {
    let table =
        std::fs::read_to_string(root.join(TABLE)).map_err(|e| Faults(vec![format!("{TABLE}: {e}")]))?;
    let texts = list_texts(&root.join(TEXTS)).map_err(|e| Faults(vec![format!("{TEXTS}: {e}")]))?;
    check(&table, &texts)
}

fn list_texts(folder: &Path) -> std::io::Result<BTreeSet<String>> {
    std::fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

/// The rows as they are read, each still to be checked, so that one bad row does not hide the next.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    part: Vec<toml::Value>,
    ignored: Vec<toml::Value>,
}

/// The part of [`load`] that decides: from the table's text and the names of the files under `licenses/texts/`.
fn check(table: &str, texts: &BTreeSet<String>) -> Result<Table, Faults> {
    let file: File = toml::from_str(table).map_err(|e| Faults(vec![format!("{TABLE}: {e}")]))?;
    let mut faults = Vec::new();
    let parts: Vec<Part> = rows("part", file.part, &mut faults);
    let ignored: Vec<Ignored> = rows("ignored", file.ignored, &mut faults);

    for part in &parts {
        if let Err(why) = check_expression(&part.spdx) {
            faults.push(format!("{TABLE}: part `{}`: spdx `{}`: {why}", part.name, part.spdx));
        }
        if part.paths.is_empty() {
            faults.push(format!("{TABLE}: part `{}`: no paths", part.name));
        }
        if !texts.contains(&part.file) {
            faults.push(format!("{TABLE}: part `{}`: {TEXTS}/{} is missing", part.name, part.file));
        }
    }
    let named: BTreeSet<&String> = parts.iter().map(|part| &part.file).collect();
    for text in texts.iter().filter(|text| !named.contains(text)) {
        faults.push(format!("{TEXTS}/{text}: no part of {TABLE} names it"));
    }

    let paths = || parts.iter().flat_map(|part| &part.paths).chain(ignored.iter().map(|row| &row.path));
    for path in paths().filter(|path| !well_formed(path)) {
        faults.push(format!("{TABLE}: `{path}` is no path from the tree's root with `/` between names"));
    }
    report_repeated("name", parts.iter().map(|part| &part.name), &mut faults);
    report_repeated("file", parts.iter().map(|part| &part.file), &mut faults);
    report_repeated("path", paths(), &mut faults);

    if faults.is_empty() { Ok(Table { parts, ignored }) } else { Err(Faults(faults)) }
}

fn rows<T: DeserializeOwned>(kind: &str, rows: Vec<toml::Value>, faults: &mut Vec<String>) -> Vec<T> {
    let mut good = Vec::new();
    for (row, number) in rows.into_iter().zip(1..) {
        match row.try_into() {
            Ok(row) => good.push(row),
            Err(e) => {
                faults.push(format!("{TABLE}: [[{kind}]] number {number}: {}", e.to_string().trim_end()))
            }
        }
    }
    good
}

fn report_repeated<'a>(what: &str, values: impl Iterator<Item = &'a String>, faults: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for value in values {
        if !seen.insert(value) {
            faults.push(format!("{TABLE}: {what} `{value}` is given twice"));
        }
    }
}

/// Whether `expression` is an SPDX licence expression of accepted identifiers: `id`, `id WITH exception`, `AND`, `OR`
/// and parentheses. Precedence does not matter here, since nothing is decided from the expression.
fn check_expression(expression: &str) -> Result<(), String> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let mut open = 0;
    loop {
        while words.next_if_eq(&"(").is_some() {
            open += 1;
        }
        match words.next() {
            Some(licence) if ACCEPTED_LICENCES.contains(&licence) => {}
            Some(licence) => return Err(format!("`{licence}` is no accepted licence")),
            None => return Err("a licence is missing at the end".to_owned()),
        }
        if words.next_if_eq(&"WITH").is_some() {
            match words.next() {
                Some(exception) if ACCEPTED_EXCEPTIONS.contains(&exception) => {}
                other => return Err(format!("`{}` is no accepted exception", other.unwrap_or_default())),
            }
        }
        while open > 0 && words.next_if_eq(&")").is_some() {
            open -= 1;
        }
        match words.next() {
            Some("AND" | "OR") => {}
            Some(word) => return Err(format!("`{word}` where AND or OR is expected")),
            None if open > 0 => return Err("a parenthesis is not closed".to_owned()),
            None => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
