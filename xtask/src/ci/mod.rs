//! What CI runs: the cells of the matrix, the workflows made of them, and their chain of jobs played here.

pub mod lint;
pub mod simulate;
pub mod workflow;

use std::path::Path;

use serde::Serialize;
use v8_archive::{ArchiveName, Format};

use crate::error::{Error, Kind, Result};
use crate::matrix::Matrix;

/// One job: a target in a variant, on a runner. Its fields are the keys of a GitHub Actions matrix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Job {
    /// A Rust target triple.
    pub target: String,
    /// A variant.
    pub variant: String,
    /// The label of the machine.
    pub runner: String,
}

/// All jobs, in the order of `targets.toml`'s names: what a release is made of. With `all` also of targets that are planned only.
pub fn jobs(matrix: &Matrix, all: bool) -> Vec<Job> {
    let targets = matrix.targets.iter().filter(|(_, row)| all || row.is_built());
    let job = |target: &String, variant: &String, runner: &String| Job {
        target: target.clone(),
        variant: variant.clone(),
        runner: runner.clone(),
    };
    targets
        .flat_map(|(target, row)| {
            matrix.variants.keys().map(move |variant| job(target, variant, &row.runner))
        })
        .collect()
}

/// Refuses a folder without the archive of every job. An incomplete set is no failure of the tool: exit status 75.
///
/// Archives of something else are a failure: a release must not carry what nobody asked for.
pub fn complete(matrix: &Matrix, folder: &Path) -> Result<usize> {
    let jobs = jobs(matrix, false);
    let mut expected = Vec::new();
    for job in &jobs {
        let name = ArchiveName::new(&matrix.v8.version, &job.target, &job.variant, Format::TarZst)
            .map_err(|error| Error::usage(error.to_string()))?;
        expected.push(name.to_string());
    }
    let mut found: Vec<String> = match std::fs::read_dir(folder) {
        Ok(entries) => {
            entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
        }
        // No job has handed anything over yet.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(Error::io("read", folder, &error)),
    };
    found.sort();
    let foreign: Vec<String> = found.iter().filter(|name| !expected.contains(name)).cloned().collect();
    if !foreign.is_empty() {
        return Err(Error::all(
            Kind::Failed,
            &format!("{} holds what is in no release", folder.display()),
            &foreign,
        ));
    }
    let missing: Vec<String> = expected.iter().filter(|name| !found.contains(name)).cloned().collect();
    if missing.is_empty() {
        return Ok(expected.len());
    }
    let what = format!("{} of {} archives are not there", missing.len(), expected.len());
    Err(Error::all(Kind::Stopped, &what, &missing))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::State;
    use crate::paths;
    use crate::toolchain::testing::Folder;

    fn matrix() -> Matrix {
        Matrix::load(&paths::repository()).unwrap()
    }

    #[test]
    fn jobs_are_what_can_be_built() {
        let matrix = matrix();
        let built = matrix.targets.values().filter(|row| row.state != State::Planned).count();
        assert_eq!(jobs(&matrix, false).len(), built * matrix.variants.len());
        assert_eq!(jobs(&matrix, true).len(), matrix.targets.len() * matrix.variants.len());
        for job in jobs(&matrix, false) {
            assert_ne!(matrix.target(&job.target).unwrap().state, State::Planned, "{}", job.target);
        }
    }

    #[test]
    fn a_set_is_complete_or_refused() {
        let (matrix, folder) = (matrix(), Folder::new());
        let archives = folder.path().join("archives");
        let jobs = jobs(&matrix, false);
        let check = |expected: Option<u8>| {
            let result = complete(&matrix, &archives);
            assert_eq!(result.as_ref().err().map(Error::exit_code), expected, "{result:?}");
            result.err().map(|error| error.to_string()).unwrap_or_default()
        };
        assert!(check(Some(75)).contains(&format!("{0} of {0} archives", jobs.len())), "no folder yet");
        std::fs::create_dir(&archives).unwrap();
        let name = |job: &Job| format!("libv8-{}-{}-{}.tar.zst", matrix.v8.version, job.target, job.variant);
        for (number, job) in jobs.iter().enumerate() {
            assert!(check(Some(75)).contains(&name(job)), "{number} of them are there");
            std::fs::write(archives.join(name(job)), "").unwrap();
        }
        check(None);
        std::fs::write(archives.join("libv8-0.0.0.0-x-y.tar.zst"), "").unwrap();
        assert!(check(Some(1)).contains("libv8-0.0.0.0-x-y.tar.zst"));
    }
}
