//! `smoke/table.toml`: the JavaScript rows, strictly parsed, and the file in which a program is given them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

use crate::error::{self, Error, Result};
use crate::source::applies::{AppliesTo, holds};
use crate::source::{Kind, V8Version};

/// The features a row may name: those that `libv8_has_feature` documents.
pub const FEATURES: &[&str] = &["jit", "webassembly", "intl", "snapshot", "sandbox", "pointer_compression"];

/// Programs keep names in fixed buffers of this size (`host.c`), their terminating NUL included.
const NAME_LIMIT_BYTES: usize = 64;

/// What a row must answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expectation {
    /// `String(value)`, the whole of it.
    Value(String),
    /// How the error's message starts, and what its stack contains.
    Throws { message: String, stack: Option<String> },
}

/// One script and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Unique; `<name>.js` is the script's name.
    pub name: String,
    /// Features without which the row is skipped.
    pub needs: Vec<String>,
    /// Features with which the row is skipped.
    pub lacks: Vec<String>,
    /// The V8s that it is run with; all of them without it.
    pub applies_to: Option<AppliesTo>,
    /// A classic script.
    pub source: String,
    /// Its answer.
    pub expectation: Expectation,
}

/// All rows, in the file's order: some read what an earlier one left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// In the file's order.
    pub rows: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RowText {
    name: String,
    #[serde(default)]
    needs: Vec<String>,
    #[serde(default)]
    lacks: Vec<String>,
    applies_to: Option<AppliesTo>,
    source: String,
    expect: Option<String>,
    throws: Option<String>,
    stack: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TableText {
    row: Vec<RowText>,
}

impl Table {
    /// Parses the text of `path`, which only names the file in errors. All faults of the rows are told together.
    pub fn parse(text: &str, path: &Path) -> Result<Table> {
        let table: TableText =
            toml::from_str(text).map_err(|error| Error::usage(format!("{}: {error}", path.display())))?;
        let (mut rows, mut faults, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
        for text in table.row {
            if !seen.insert(text.name.clone()) {
                faults.push(format!("{}: the name occurs twice", text.name));
            }
            let name = text.name.clone();
            match Row::check(text) {
                Ok(row) => rows.push(row),
                Err(fault) => faults.push(format!("{name}: {fault}")),
            }
        }
        if rows.is_empty() && faults.is_empty() {
            faults.push("no row".to_owned());
        }
        if faults.is_empty() {
            Ok(Table { rows })
        } else {
            Err(Error::all(
                error::Kind::Usage,
                &format!("{} is not a table of rows", path.display()),
                &faults,
            ))
        }
    }

    /// The rows to run on a library with these features, and how many are skipped. A feature that a row names and the
    /// descriptor does not state is an error: the row would be skipped, or run, by accident.
    pub fn select(
        &self,
        features: &BTreeMap<String, bool>,
        (source, v8): (Kind, V8Version),
    ) -> Result<(Vec<&Row>, usize)> {
        let named: BTreeSet<&String> =
            self.rows.iter().flat_map(|row| row.needs.iter().chain(&row.lacks)).collect();
        let unknown: Vec<String> = named
            .into_iter()
            .filter(|name| !features.contains_key(*name))
            .map(|name| format!("`{name}`"))
            .collect();
        if !unknown.is_empty() {
            return Err(Error::all(
                error::Kind::Failed,
                "the archive's V8.json does not state a feature that rows need",
                &unknown,
            ));
        }
        let runs = |row: &&Row| {
            row.needs.iter().all(|name| features[name])
                && !row.lacks.iter().any(|name| features[name])
                && holds(row.applies_to.as_ref(), source, v8)
        };
        let rows: Vec<&Row> = self.rows.iter().filter(runs).collect();
        let skipped = self.rows.len() - rows.len();
        Ok((rows, skipped))
    }
}

impl Row {
    fn check(text: RowText) -> Result<Row, String> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if text.name.is_empty() || text.name.len() >= NAME_LIMIT_BYTES || !text.name.chars().all(plain) {
            return Err(format!("a name is up to {} characters of [a-z0-9-]", NAME_LIMIT_BYTES - 1));
        }
        if let Some(name) =
            text.needs.iter().chain(&text.lacks).find(|name| !FEATURES.contains(&name.as_str()))
        {
            return Err(format!("`{name}` is no feature; known are {}", FEATURES.join(", ")));
        }
        let expectation = match (text.expect, text.throws, text.stack) {
            (Some(value), None, None) => Expectation::Value(value),
            (None, Some(message), stack) if !message.is_empty() => Expectation::Throws { message, stack },
            (Some(_), None, Some(_)) => return Err("`stack` goes with `throws`".to_owned()),
            _ => return Err("exactly one of `expect` and a non-empty `throws` is wanted".to_owned()),
        };
        Ok(Row {
            name: text.name,
            needs: text.needs,
            lacks: text.lacks,
            applies_to: text.applies_to,
            source: text.source,
            expectation,
        })
    }
}

/// What text a program turns a row's value into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `String(value)`.
    String,
    /// `LIBV8_INSPECT`.
    Inspect,
}

/// One row in the file a program reads, as `smoke/README.md` describes it: the length comes before the source, so that no program
/// needs a parser and no source needs an escape.
pub fn encode(format: Format, name: &str, source: &str) -> String {
    let format = match format {
        Format::String => "string",
        Format::Inspect => "inspect",
    };
    format!("row {format} {name} {}\n{source}\n", source.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const V8: (Kind, V8Version) = (Kind::Crate, V8Version([15, 2, 124, 1]));

    fn table() -> Table {
        let path = crate::paths::repository().join("smoke/table.toml");
        Table::parse(&std::fs::read_to_string(&path).expect("smoke/table.toml is readable"), &path)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    #[track_caller]
    fn refused(text: &str, expected: &str) {
        let error = Table::parse(text, Path::new("t.toml")).expect_err("it is refused");
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(error.exit_code(), 2);
    }

    #[test]
    fn the_table_is_whole() {
        let table = table();
        assert!(table.rows.len() >= 60, "{} rows", table.rows.len());
        for feature in ["intl", "webassembly"] {
            assert!(table.rows.iter().any(|row| row.needs.contains(&feature.to_owned())), "{feature}");
            assert!(
                table.rows.iter().any(|row| row.lacks.contains(&feature.to_owned())),
                "without {feature}"
            );
        }
    }

    /// All rows share one context: a `let`, `const` or `class` outside of a block would be there for the next row.
    #[test]
    fn rows_keep_their_names_to_themselves() {
        for row in table().rows {
            let leaks = |line: &str| ["let ", "const ", "class "].iter().any(|word| line.starts_with(word));
            let throws = matches!(row.expectation, Expectation::Throws { .. });
            assert!(throws || !row.source.lines().any(leaks), "{}", row.name);
        }
    }

    /// The answer must not depend on where the machine stands.
    #[test]
    fn dates_name_their_time_zone() {
        for row in table().rows {
            let date = row.source.contains("DateTimeFormat") && !row.source.contains("timeZone:");
            let local = [
                "getHours",
                "getTimezoneOffset",
                "toLocaleTimeString",
                "Date.now",
                "new Date()",
                "Math.random",
            ];
            assert!(!date && !local.iter().any(|word| row.source.contains(word)), "{}", row.name);
        }
    }

    #[test]
    fn faults_are_refused() {
        let row = |rest: &str| format!("[[row]]\nname = \"a\"\nsource = \"1\"\n{rest}\n");
        refused(&row(""), "exactly one of `expect`");
        refused(&row("expect = \"1\"\nthrows = \"x\""), "exactly one of `expect`");
        refused(&row("throws = \"\""), "exactly one of `expect`");
        refused(&row("expect = \"1\"\nstack = \"x\""), "`stack` goes with `throws`");
        refused(&row("expect = \"1\"\nneeds = [\"webasm\"]"), "`webasm` is no feature");
        refused(&row("expects = \"1\""), "unknown field");
        refused(&row("expect = \"1\"").repeat(2), "a: the name occurs twice");
        refused("[[row]]\nname = \"A b\"\nsource = \"1\"\nexpect = \"1\"", "[a-z0-9-]");
        refused("row = []", "no row");
    }

    #[test]
    fn all_faults_are_told_together() {
        let text =
            "[[row]]\nname = \"a\"\nsource = \"1\"\n[[row]]\nname = \"B\"\nsource = \"1\"\nexpect = \"\"";
        refused(text, "a: exactly one");
        refused(text, "B: a name is");
    }

    #[test]
    fn features_select_rows() {
        let features =
            |on: bool| ["intl", "webassembly"].map(|name| (name.to_owned(), on)).into_iter().collect();
        let table = table();
        for on in [true, false] {
            let (rows, skipped) = table.select(&features(on), V8).expect("every feature is stated");
            assert_eq!(rows.len() + skipped, table.rows.len());
            assert_eq!(rows.iter().any(|row| row.name == "webassembly"), on);
            assert_eq!(rows.iter().any(|row| row.name == "no-webassembly"), !on);
        }
        let error = table
            .select(&BTreeMap::from([("intl".to_owned(), true)]), V8)
            .expect_err("webassembly is not stated");
        assert!(error.to_string().contains("`webassembly`"), "{error}");
    }

    #[test]
    fn a_row_can_be_for_some_versions_and_sources() {
        let text = |says: &str| {
            format!("[[row]]\nname = \"a\"\nsource = \"1\"\nexpect = \"1\"\napplies_to = \"{says}\"\n")
        };
        let check = |says: &str, expected: usize| {
            let table = Table::parse(&text(says), Path::new("t.toml")).unwrap();
            let (rows, skipped) = table.select(&BTreeMap::new(), V8).unwrap();
            assert_eq!((rows.len(), skipped), (expected, 1 - expected), "{says}");
        };
        check("source=*; v8=>=15.2", 1);
        check("source=*; v8=>=15.3", 0);
        check("source=node; v8=*", 0);
        refused(&text("v8=15"), "applies_to: it does not say source");
    }

    /// Reads the file as the programs do.
    fn decode(mut text: &str) -> Vec<(String, String)> {
        let mut rows = Vec::new();
        while let Some((header, rest)) = text.split_once('\n') {
            let words: Vec<&str> = header.split(' ').collect();
            assert_eq!((words.len(), words[0]), (4, "row"), "{header}");
            let length: usize = words[3].parse().expect("a length");
            rows.push((words[2].to_owned(), rest[..length].to_owned()));
            assert_eq!(&rest[length..=length], "\n");
            text = &rest[length + 1..];
        }
        rows
    }

    #[test]
    fn the_rows_file_carries_every_row_unchanged() {
        let table = table();
        let text: String =
            table.rows.iter().map(|row| encode(Format::String, &row.name, &row.source)).collect();
        let expected: Vec<_> = table.rows.into_iter().map(|row| (row.name, row.source)).collect();
        assert_eq!(decode(&text), expected);
        assert_eq!(encode(Format::Inspect, "x", "日\n"), "row inspect x 4\n日\n\n");
    }
}
