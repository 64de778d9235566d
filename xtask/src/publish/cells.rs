//! The declared set: targets × variants of a release, each an archive or absent with a reason.

use std::path::{Path, PathBuf};

use v8_archive::index::Absent;
use v8_archive::{ArchiveName, Format};

use crate::error::{Error, Kind, Result};
use crate::matrix::Matrix;
use crate::objects::Cell;

/// Which archives are published, and what is declared to be missing; both sorted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// What there must be.
    pub cells: Vec<Cell>,
    /// What there is not, with the reason.
    pub absent: Vec<Absent>,
}

impl Selection {
    /// These targets (none: every one that is built) in these variants (none: all), less what is absent.
    ///
    /// # Errors
    /// Usage: a name that is not in the matrix, something absent that was not selected or has no reason, or nothing left.
    pub fn new(
        matrix: &Matrix,
        targets: &[String],
        variants: &[String],
        absent: &[String],
    ) -> Result<Selection> {
        let targets: Vec<String> = if targets.is_empty() {
            let built = matrix.targets.iter().filter(|(_, row)| row.is_built());
            built.map(|(triple, _)| triple.clone()).collect()
        } else {
            matrix.choose(targets)?.into_iter().map(|chosen| chosen.target).collect()
        };
        variants.iter().try_for_each(|name| matrix.variant(name).map(drop))?;
        let variants = matrix.variants.keys().filter(|name| variants.is_empty() || variants.contains(name));
        let cell =
            |target: &String, variant: &String| Cell { target: target.clone(), variant: variant.clone() };
        let mut cells: Vec<Cell> =
            variants.flat_map(|name| targets.iter().map(move |it| cell(it, name))).collect();
        cells.sort_by(|one, other| order(one).cmp(&order(other)));

        let mut absences: Vec<Absent> = Vec::new();
        for text in absent {
            let Absent { target, variant, reason } = parse_absent(text)?;
            let declared = cells.iter().position(|cell| cell.target == target && cell.variant == variant);
            let Some(at) = declared else {
                return Err(Error::usage(format!(
                    "--absent {text:?}: {target} {variant} is not in this release, or was named twice"
                ))
                .help("cargo xtask targets   lists targets and variants"));
            };
            cells.remove(at);
            absences.push(Absent { target, variant, reason });
        }
        if cells.is_empty() {
            return Err(Error::usage("no archive is left in this release"));
        }
        absences.sort_by(|one, other| (&one.target, &one.variant).cmp(&(&other.target, &other.variant)));
        Ok(Selection { cells, absent: absences })
    }

    /// The archive of each cell in a folder.
    ///
    /// # Errors
    /// All that is missing, together; or an archive that is there though it is declared absent.
    pub fn find(&self, folder: &Path, v8_version: &str) -> Result<Vec<PathBuf>> {
        let path = |target: &str, variant: &str| -> Result<PathBuf> {
            let name = ArchiveName::new(v8_version, target, variant, Format::TarZst)
                .map_err(|error| Error::usage(error.to_string()))?;
            Ok(folder.join(name.to_string()))
        };
        for Absent { target, variant, .. } in &self.absent {
            let there = path(target, variant)?;
            if there.exists() {
                return Err(Error::usage(format!(
                    "{target} {variant} is declared absent, but {} is there",
                    there.display()
                ))
                .help("leave --absent out, or give --from a folder without it"));
            }
        }
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for Cell { target, variant } in &self.cells {
            let path = path(target, variant)?;
            if path.is_file() {
                found.push(path);
            } else {
                missing.push(format!("{target} {variant}: no file {}", path.display()));
            }
        }
        if missing.is_empty() {
            return Ok(found);
        }
        let what = format!("{} of {} archives of the release are missing", missing.len(), self.cells.len());
        let Cell { target, variant } =
            self.cells.iter().find(|cell| is_among(cell, &missing)).unwrap_or(&self.cells[0]);
        Err(Error::all(Kind::Failed, &what, &missing)
            .help(format!("cargo xtask build-v8 --target {target} --variant {variant}   makes the first"))
            .help(format!("--absent '{target}:{variant}=REASON' publishes without it, and says so; --target and --variant select")))
    }
}

fn is_among(cell: &Cell, missing: &[String]) -> bool {
    let start = format!("{} {}: ", cell.target, cell.variant);
    missing.iter().any(|text| text.starts_with(&start))
}

/// As archives' names are sorted.
fn order(cell: &Cell) -> (&str, &str) {
    (&cell.target, &cell.variant)
}

/// `TARGET:VARIANT=REASON`.
fn parse_absent(text: &str) -> Result<Absent> {
    let parts = text.split_once('=').and_then(|(cell, reason)| Some((cell.split_once(':')?, reason.trim())));
    match parts {
        Some(((target, variant), reason)) if !reason.is_empty() && !reason.contains(char::is_control) => {
            let [target, variant, reason] = [target, variant, reason].map(str::to_owned);
            Ok(Absent { target, variant, reason })
        }
        _ => Err(Error::usage(format!("--absent {text:?} is not TARGET:VARIANT=REASON"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths;
    use crate::toolchain::testing::Folder;

    fn matrix() -> Matrix {
        Matrix::load(&paths::repository()).unwrap()
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn the_declared_set_is_what_is_built() {
        let matrix = matrix();
        let all = Selection::new(&matrix, &[], &[], &[]).unwrap();
        // CI makes exactly these.
        let mut made: Vec<Cell> = crate::ci::jobs(&matrix, false)
            .into_iter()
            .map(|job| Cell { target: job.target, variant: job.variant })
            .collect();
        made.sort_by(|one, other| order(one).cmp(&order(other)));
        assert_eq!(all.cells, made);
        assert!(all.cells.is_sorted_by_key(|cell| (cell.target.clone(), cell.variant.clone())));
        let linux = Selection::new(&matrix, &texts(&["all-linux"]), &texts(&["lite"]), &[]).unwrap();
        assert!(linux.cells.iter().all(|cell| cell.variant == "lite" && cell.target.contains("linux")));
        assert_eq!(linux.cells.len(), 4);
    }

    #[test]
    fn what_is_absent_is_declared_with_a_reason() {
        let matrix = matrix();
        let target = matrix.targets.keys().find(|triple| triple.contains("musl")).unwrap();
        let absent = format!("{target}:release=no = release V8 yet");
        let selection =
            Selection::new(&matrix, &texts(&["all-linux"]), &[], std::slice::from_ref(&absent)).unwrap();
        assert_eq!(selection.cells.len(), 7);
        assert_eq!(selection.absent[0].reason, "no = release V8 yet");
        let check = |absent: &[&str], expected: &str| {
            let error = Selection::new(&matrix, &texts(&["all-linux"]), &[], &texts(absent)).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(expected), "{error}");
        };
        check(&["x"], "is not TARGET:VARIANT=REASON");
        check(&[&format!("{target}:release=")], "is not TARGET:VARIANT=REASON");
        check(&[&format!("{target}:release= ")], "is not TARGET:VARIANT=REASON");
        check(&[&format!("{target}:turbo=x")], "is not in this release");
        check(&[&absent, &absent], "or was named twice");
        let one = Selection::new(&matrix, std::slice::from_ref(target), &texts(&["release"]), &[absent])
            .unwrap_err();
        assert!(one.to_string().contains("no archive is left"), "{one}");
        assert!(Selection::new(&matrix, &[], &texts(&["turbo"]), &[]).is_err());
    }

    #[test]
    fn all_that_is_missing_is_named_together() {
        let (matrix, folder) = (matrix(), Folder::new());
        let version = matrix.v8.version.clone();
        let selection = Selection::new(&matrix, &texts(&["all-linux"]), &texts(&["lite"]), &[]).unwrap();
        let path = |cell: &Cell| {
            folder.path().join(format!("libv8-{version}-{}-{}.tar.zst", cell.target, cell.variant))
        };
        std::fs::write(path(&selection.cells[0]), "").unwrap();
        let error = selection.find(folder.path(), &version).unwrap_err();
        assert_eq!(error.exit_code(), 1);
        assert!(error.to_string().contains("3 of 4 archives of the release are missing"), "{error}");
        for cell in &selection.cells[1..] {
            assert!(
                error.to_string().contains(&format!("{} {}: no file", cell.target, cell.variant)),
                "{error}"
            );
        }
        let help = format!("build-v8 --target {} --variant lite", selection.cells[1].target);
        assert!(error.to_string().contains(&help), "{error}");
        selection.cells.iter().for_each(|cell| std::fs::write(path(cell), "").unwrap());
        assert_eq!(selection.find(folder.path(), &version).unwrap().len(), 4);
        let absent = format!("{}:lite=not built", selection.cells[0].target);
        let without = Selection::new(&matrix, &texts(&["all-linux"]), &texts(&["lite"]), &[absent]).unwrap();
        let error = without.find(folder.path(), &version).unwrap_err().to_string();
        assert!(error.contains("is declared absent, but"), "{error}");
    }
}
