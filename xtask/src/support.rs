//! What each target can do: `targets.toml` says what is meant to work, `verified.toml` what has. The README's table is made of both.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, IoContext as _, Kind, Result};
use crate::matrix::{Matrix, Target};
use crate::paths::write_whole;

/// The file of results, beside `targets.toml`.
const FILE: &str = "verified.toml";

/// What its first lines say.
const HEAD: &str = "# The last archive of each target and variant that was verified and linked, and how its programs ran.\n\
                    # Written by `cargo xtask targets --record` from what build-v8 left; review it like code.\n";

/// Between these lines of the README the table stands.
const BEGIN: &str = "<!-- Made by `cargo xtask targets --record`. -->\n";
const END: &str = "<!-- End of what is made. -->\n";

/// The command that writes both files.
const RECORD: &str = "cargo xtask targets --record   writes it anew";

/// `verified.toml`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Results {
    /// By target, then by variant.
    targets: BTreeMap<String, BTreeMap<String, Outcome>>,
}

/// What became of the last archive of a target and variant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// V8's version.
    pub v8: String,
    /// The archive's build id; none of one that was made before results were recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_id: Option<String>,
    /// What ran its programs, as in `natively` or `under qemu-aarch64 10.0.13`; none if they were linked and cannot run here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ran: Option<String>,
}

impl Results {
    /// Reads the file; one that is not there has no results.
    pub fn load(repository: &Path) -> Result<Results> {
        let path = repository.join(FILE);
        match std::fs::read_to_string(&path) {
            Ok(text) => toml::from_str(&text)
                .map_err(|error| Error::usage(format!("{FILE}: {}", error.to_string().trim_end()))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Results::default()),
            Err(error) => Err(Error::io("read", &path, &error)),
        }
    }

    /// Takes a result in the place of the last one.
    pub fn set(&mut self, target: &str, variant: &str, outcome: Outcome) {
        self.targets.entry(target.to_owned()).or_default().insert(variant.to_owned(), outcome);
    }

    fn of(&self, target: &str, variant: &str) -> Option<&Outcome> {
        self.targets.get(target)?.get(variant)
    }

    /// The file's text.
    fn text(&self) -> String {
        format!("{HEAD}\n{}", toml::to_string(self).expect("strings in tables"))
    }
}

/// The README's table: a line for each target, a column for each variant.
pub fn table(matrix: &Matrix, results: &Results) -> String {
    let variants: Vec<&String> = matrix.variants.keys().rev().collect();
    let mut heads = vec!["target".to_owned(), "libc, oldest".to_owned()];
    heads.extend(variants.iter().map(|name| format!("`{name}`")));
    heads.push("what is missing".to_owned());
    let mut text = line(&heads) + &format!("|{}\n", "---|".repeat(heads.len()));
    for (triple, row) in &matrix.targets {
        let mut cells = vec![format!("`{triple}`"), format!("{} {}", row.libc.family, row.libc.floor)];
        cells.extend(
            variants.iter().map(|variant| cell(row, results.of(triple, variant), &matrix.v8.version)),
        );
        cells.push(row.reason.clone().unwrap_or_default());
        text.push_str(&line(&cells));
    }
    text
}

fn line(cells: &[String]) -> String {
    let cells: String = cells.iter().map(|cell| format!(" {cell} |").replace("  |", " |")).collect();
    format!("|{cells}\n")
}

/// *run*, *linked*, *built* or *planned only*, with what one has to know of it.
fn cell(row: &Target, outcome: Option<&Outcome>, pinned: &str) -> String {
    let Some(outcome) = outcome else {
        let word = if row.is_built() { "built" } else { "planned only" };
        return format!("*{word}*");
    };
    let mut cell = match outcome.ran.as_deref() {
        None => "*linked*".to_owned(),
        Some("natively") => "*run*".to_owned(),
        // The emulator's version is of no use to readers.
        Some(how) => format!("*run*, {}", how.rsplit_once(' ').map_or(how, |(how, _)| how)),
    };
    if outcome.v8 != pinned {
        cell.push_str(&format!(" (V8 {})", outcome.v8));
    }
    cell
}

/// The README with this table in its place; none if it has no such place.
fn with_table(readme: &str, table: &str) -> Option<String> {
    let (before, rest) = readme.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}{table}{END}{after}"))
}

/// Both files with their new texts.
fn files(repository: &Path, matrix: &Matrix, results: &Results) -> Result<[(&'static str, String); 2]> {
    let path = repository.join("README.md");
    let readme = std::fs::read_to_string(&path).or_io("read", &path)?;
    let readme = with_table(&readme, &table(matrix, results)).ok_or_else(|| {
        Error::failed(format!(
            "README.md has no place for the table, between {} and {}",
            BEGIN.trim(),
            END.trim()
        ))
    })?;
    Ok([(FILE, results.text()), ("README.md", readme)])
}

/// Writes what has changed of both files; gives their names.
pub fn write(repository: &Path, matrix: &Matrix, results: &Results) -> Result<Vec<&'static str>> {
    let mut written = Vec::new();
    for (name, text) in files(repository, matrix, results)? {
        let path = repository.join(name);
        if std::fs::read_to_string(&path).ok().as_ref() != Some(&text) {
            write_whole(&path, text.as_bytes())?;
            written.push(name);
        }
    }
    Ok(written)
}

/// An error that names what is not as it would be written.
pub fn check(repository: &Path, matrix: &Matrix, results: &Results) -> Result<()> {
    let mut stale = Vec::new();
    for (name, text) in files(repository, matrix, results)? {
        let path = repository.join(name);
        if std::fs::read_to_string(&path).or_io("read", &path)? != text {
            stale.push(name.to_owned());
        }
    }
    if stale.is_empty() {
        return Ok(());
    }
    Err(Error::all(Kind::Failed, "not what targets.toml and verified.toml make it", &stale).help(RECORD))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::State;
    use crate::paths;

    #[test]
    fn the_readmes_table_is_what_the_matrix_and_the_results_make() {
        let repository = paths::repository();
        let matrix = Matrix::load(&repository).unwrap();
        let results = Results::load(&repository).unwrap();
        check(&repository, &matrix, &results).unwrap();
        // What has run is meant to: a row that is planned only and has run is one that nobody looked after.
        for (target, variants) in &results.targets {
            let row = matrix.target(target).unwrap();
            assert!(row.state != State::Planned, "{target} has results and is planned only");
            for variant in variants.keys() {
                matrix.variant(variant).unwrap();
            }
        }
        for (target, row) in matrix.targets.iter().filter(|(_, row)| row.state == State::Run) {
            for variant in matrix.variants.keys().filter(|variant| *variant == "lite") {
                let ran = results.of(target, variant).is_some_and(|outcome| outcome.ran.is_some());
                assert!(ran, "{target} ({:?}) says that it runs, and {FILE} does not", row.state);
            }
        }
    }

    #[test]
    fn a_cell_says_how_far_it_has_come() {
        let matrix = Matrix::load(&paths::repository()).unwrap();
        let row = |state| Target { state, ..matrix.targets.values().next().unwrap().clone() };
        let outcome = |ran: Option<&str>, v8: &str| Outcome {
            v8: v8.to_owned(),
            build_id: None,
            ran: ran.map(str::to_owned),
        };
        let check = |state, outcome: Option<Outcome>, expected: &str| {
            assert_eq!(cell(&row(state), outcome.as_ref(), "15.2.124.1"), expected);
        };
        check(State::Planned, None, "*planned only*");
        check(State::Built, None, "*built*");
        check(State::Built, Some(outcome(None, "15.2.124.1")), "*linked*");
        check(State::Run, Some(outcome(Some("natively"), "15.2.124.1")), "*run*");
        check(
            State::Run,
            Some(outcome(Some("under qemu-aarch64 10.0.13"), "14.9.207.2")),
            "*run*, under qemu-aarch64 (V8 14.9.207.2)",
        );
    }

    #[test]
    fn results_are_kept_and_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let repository = folder.path();
        let matrix = Matrix::load(&paths::repository()).unwrap();
        let readme = format!("# X\n\n{BEGIN}old\n{END}\nmore\n");
        std::fs::write(repository.join("README.md"), &readme).unwrap();
        let mut results = Results::load(repository).unwrap();
        assert_eq!(results, Results::default());
        let (target, variant) = (matrix.targets.keys().next().unwrap(), "lite");
        let outcome =
            |ran: &str| Outcome { v8: matrix.v8.version.clone(), build_id: None, ran: Some(ran.into()) };
        for how in ["natively", "under wine 8.0"] {
            results.set(target, variant, outcome(how));
            assert!(check(repository, &matrix, &results).is_err());
            assert_eq!(write(repository, &matrix, &results).unwrap(), [FILE, "README.md"]);
            check(repository, &matrix, &results).unwrap();
            assert_eq!(write(repository, &matrix, &results).unwrap(), [""; 0]);
            assert_eq!(Results::load(repository).unwrap(), results);
        }
        let text = std::fs::read_to_string(repository.join("README.md")).unwrap();
        assert!(
            text.starts_with("# X\n") && text.ends_with("\nmore\n") && text.contains("under wine"),
            "{text}"
        );
        std::fs::write(repository.join(FILE), "[a]\nlite = { v9 = \"1\" }\n").unwrap();
        assert_eq!(Results::load(repository).unwrap_err().exit_code(), 2);
        std::fs::write(repository.join("README.md"), "# X\n").unwrap();
        assert!(
            write(repository, &matrix, &results).unwrap_err().to_string().contains("no place for the table")
        );
    }
}
