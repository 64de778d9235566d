//! Makes `.github/workflows/*.yml` from templates, `targets.toml` and `ci/actions.toml`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;

use super::jobs;
use crate::error::{Error, IoContext as _, Kind, Result};
use crate::matrix::Matrix;
use crate::paths::write_whole;

/// Where the files go, in the repository.
pub const FOLDER: &str = ".github/workflows";

/// The files, each with its template. A template holds `@key@` where a value goes.
const TEMPLATES: &[(&str, &str)] = &[
    ("nightly.yml", include_str!("nightly.yml.in")),
    ("test.yml", include_str!("test.yml.in")),
    ("v8.yml", include_str!("v8.yml.in")),
];

const HEAD: &str = "# Written by `cargo xtask ci workflow` from targets.toml, ci/actions.toml and a template in xtask/src/ci: \
change those.\n";

/// `ci/actions.toml`; its head documents every key.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Actions {
    actions: BTreeMap<String, Action>,
    image: Image,
    chain: Chain,
}

/// `[actions.NAME]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Action {
    repository: String,
    version: String,
    commit: String,
    source: String,
}

/// `[image]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Image {
    name: String,
    version: String,
    digest: String,
    source: String,
}

/// `[chain]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Chain {
    deadline: String,
    timeout_minutes: u32,
    max_rounds: u32,
    max_cache: String,
}

impl Actions {
    fn parse(text: &str) -> Result<Actions> {
        let actions: Actions = toml::from_str(text)
            .map_err(|error| Error::usage(format!("ci/actions.toml: {}", error.to_string().trim_end())))?;
        let is_hex = |text: &str, digits: usize| {
            text.len() == digits && text.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c))
        };
        let mut faults = Vec::new();
        for (name, action) in &actions.actions {
            if !is_hex(&action.commit, 40) {
                faults.push(format!("{name}: commit {:?} is no full digest of 40 digits", action.commit));
            }
            if action.source.is_empty() {
                faults.push(format!("{name} does not say where its digest comes from"));
            }
        }
        let digest = &actions.image.digest;
        if !digest.strip_prefix("sha256:").is_some_and(|digits| is_hex(digits, 64)) {
            faults.push(format!("image: digest {digest:?} is no sha256: with 64 digits"));
        }
        if actions.image.source.is_empty() {
            faults.push("image does not say where its digest comes from".to_owned());
        }
        if faults.is_empty() { Ok(actions) } else { Err(Error::all(Kind::Usage, "ci/actions.toml", &faults)) }
    }

    /// `owner/name[/path]@commit # version`: by digest for the machine, by version for people.
    fn reference(&self, key: &str) -> Option<String> {
        let (name, path) = key.split_once('/').unwrap_or((key, ""));
        let Action { repository, version, commit, .. } = self.actions.get(name)?;
        let path = if path.is_empty() { String::new() } else { format!("/{path}") };
        Some(format!("{repository}{path}@{commit} # {version}"))
    }
}

/// Every file with its text.
pub fn files(repository: &Path, matrix: &Matrix) -> Result<BTreeMap<&'static str, String>> {
    let path = repository.join("ci/actions.toml");
    let actions = Actions::parse(&fs::read_to_string(&path).or_io("read", &path)?)?;
    TEMPLATES
        .iter()
        .map(|(name, template)| {
            let text = fill(template, |key| value(key, &actions, matrix))
                .map_err(|key| Error::failed(format!("the template of {name} has an unknown @{key}@")))?;
            Ok((*name, format!("{HEAD}{text}")))
        })
        .collect()
}

/// Puts a value in the place of each `@key@`; an unknown key is the error. A key is lower-case letters, `_`, `-` and `/`.
fn fill(template: &str, value: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let is_key =
        |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_lowercase() || b"_-/".contains(&c));
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('@') {
        out.push_str(before);
        match after.split_once('@') {
            Some((key, behind)) if is_key(key) => {
                out.push_str(&value(key).ok_or_else(|| key.to_owned())?);
                rest = behind;
            }
            _ => {
                out.push('@');
                rest = after;
            }
        }
    }
    Ok(out + rest)
}

fn value(key: &str, actions: &Actions, matrix: &Matrix) -> Option<String> {
    let Actions { image: Image { name, version, digest, .. }, chain, .. } = actions;
    Some(match key {
        "version" => matrix.v8.version.clone(),
        // A tag beside a digest is for people: the digest decides.
        "image" => format!("{name}:{version}@{digest}"),
        "deadline" => chain.deadline.clone(),
        "timeout_minutes" => chain.timeout_minutes.to_string(),
        "max_rounds" => chain.max_rounds.to_string(),
        "max_cache" => chain.max_cache.clone(),
        "cells" => cells(matrix),
        "macs" => {
            let macs = matrix.targets.iter().filter(|(_, row)| row.host.starts_with("macos-"));
            macs.map(|(triple, _)| triple.as_str()).collect::<Vec<_>>().join(" ")
        }
        // Jobs that build nothing run where the others do.
        "runner" => jobs(matrix, true).first()?.runner.clone(),
        action => actions.reference(action)?,
    })
}

/// The matrix: names of targets, variants and runners have no character that YAML takes for something else.
fn cells(matrix: &Matrix) -> String {
    let cell = |job: super::Job| {
        format!(
            "          - target: {}\n            variant: {}\n            runner: {}",
            job.target, job.variant, job.runner
        )
    };
    jobs(matrix, false).into_iter().map(cell).collect::<Vec<_>>().join("\n")
}

/// What of the files on disk is not what would be written: missing, different, or written by nobody.
pub fn differences(repository: &Path, files: &BTreeMap<&'static str, String>) -> Result<Vec<String>> {
    let folder = repository.join(FOLDER);
    let mut differing = Vec::new();
    for (name, text) in files {
        match fs::read_to_string(folder.join(name)) {
            Ok(there) if there == *text => {}
            Ok(_) => differing.push(format!("{FOLDER}/{name} differs")),
            Err(_) => differing.push(format!("{FOLDER}/{name} is missing")),
        }
    }
    for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !files.contains_key(name.as_str()) {
            differing.push(format!("{FOLDER}/{name} comes from no template"));
        }
    }
    Ok(differing)
}

/// Writes what differs, and says what; with `check` nothing is written, and a difference is the failure.
pub fn run(repository: &Path, matrix: &Matrix, check: bool) -> Result<Vec<String>> {
    let files = files(repository, matrix)?;
    let differing = differences(repository, &files)?;
    if check && !differing.is_empty() {
        return Err(Error::all(
            Kind::Failed,
            "the workflows are not what targets.toml and ci/actions.toml say",
            &differing,
        )
        .help("cargo xtask ci workflow   writes them anew"));
    }
    let folder = repository.join(FOLDER);
    for (name, text) in files {
        let path = folder.join(name);
        if fs::read_to_string(&path).is_ok_and(|there| there == text) {
            continue;
        }
        fs::create_dir_all(&folder).or_io("create", &folder)?;
        write_whole(&path, text)?;
    }
    Ok(differing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths;
    use crate::toolchain::testing::Folder;

    fn matrix() -> Matrix {
        Matrix::load(&paths::repository()).unwrap()
    }

    #[test]
    fn the_committed_workflows_are_what_is_generated() {
        run(&paths::repository(), &matrix(), true).unwrap();
    }

    #[test]
    fn a_difference_names_the_command_that_mends_it_and_the_command_mends_it() {
        let folder = Folder::new();
        let ci = folder.path().join("ci");
        fs::create_dir(&ci).unwrap();
        fs::copy(paths::repository().join("ci/actions.toml"), ci.join("actions.toml")).unwrap();
        let check = || run(folder.path(), &matrix(), true);
        let error = check().unwrap_err();
        assert_eq!(error.exit_code(), 1);
        let text = error.to_string();
        assert!(
            text.contains("v8.yml is missing") && text.contains("help: cargo xtask ci workflow"),
            "{text}"
        );
        assert_eq!(run(folder.path(), &matrix(), false).unwrap().len(), TEMPLATES.len());
        check().unwrap();
        let file = folder.path().join(FOLDER).join("v8.yml");
        fs::write(&file, fs::read_to_string(&file).unwrap() + "#").unwrap();
        assert!(check().unwrap_err().to_string().contains("v8.yml differs"));
        run(folder.path(), &matrix(), false).unwrap();
        fs::write(folder.path().join(FOLDER).join("other.yml"), "").unwrap();
        assert!(check().unwrap_err().to_string().contains("other.yml comes from no template"));
    }

    #[test]
    fn rules_of_every_workflow() {
        for (name, text) in files(&paths::repository(), &matrix()).unwrap() {
            assert!(text.contains("\npermissions: {}\n"), "{name}: no job has a permission it does not name");
            for line in text.lines().map(str::trim) {
                if let Some(action) = line.strip_prefix("uses: ") {
                    let commit = action.split_once('@').and_then(|(_, rest)| rest.split_once(" # v"));
                    assert!(commit.is_some_and(|(commit, _)| commit.len() == 40), "{name}: {line}");
                }
            }
            let checkouts = text.matches("uses: actions/checkout@").count();
            assert_eq!(text.matches("persist-credentials: false").count(), checkouts, "{name}");
            assert!(
                scripts(&text).all(|script| !script.contains("${{")),
                "{name}: an expression in a script"
            );
        }
    }

    /// The text of every `run:`.
    fn scripts(text: &str) -> impl Iterator<Item = String> {
        let lines: Vec<&str> = text.lines().collect();
        let mut all = Vec::new();
        for (at, line) in lines.iter().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let Some(first) = line.trim_start().strip_prefix("run: ") else { continue };
            let inside =
                |line: &&&str| line.trim().is_empty() || line.len() - line.trim_start().len() > indent;
            let rest: Vec<&str> = lines[at + 1..].iter().take_while(inside).copied().collect();
            all.push(format!("{first}\n{}", rest.join("\n")));
        }
        assert!(!all.is_empty());
        all.into_iter()
    }

    #[test]
    fn every_buildable_cell_is_in_the_workflow_and_no_other() {
        let matrix = matrix();
        let text = &files(&paths::repository(), &matrix).unwrap()["v8.yml"];
        let cells: Vec<&str> =
            text.lines().filter_map(|line| line.trim().strip_prefix("- target: ")).collect();
        assert_eq!(cells, jobs(&matrix, false).iter().map(|job| job.target.as_str()).collect::<Vec<_>>());
    }

    #[test]
    fn templates_are_filled() {
        let known = |key: &str| (key == "a-b/c").then(|| "X".to_owned());
        let check = |template: &str, expected: Result<&str, &str>| {
            assert_eq!(
                fill(template, known),
                expected.map(str::to_owned).map_err(str::to_owned),
                "{template}"
            );
        };
        check("1 @a-b/c@ 2", Ok("1 X 2"));
        check("me@host @a-b/c@@", Ok("me@host X@"));
        check("@nobody@", Err("nobody"));
        check("${{ x }}", Ok("${{ x }}"));
    }

    #[test]
    fn pins_that_can_move_are_refused() {
        let text = fs::read_to_string(paths::repository().join("ci/actions.toml")).unwrap();
        let check = |from: &str, to: &str, expected: &str| {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text, "{from}");
            let error = Actions::parse(&changed).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(expected), "{error}");
        };
        check(
            "commit = \"3d3c42e5aac5ba805825da76410c181273ba90b1\"",
            "commit = \"v7\"",
            "checkout: commit \"v7\" is no full digest",
        );
        check("digest = \"sha256:", "digest = \"", "is no sha256:");
        check("version = \"v7.0.1\"\n", "", "missing field `version`");
        check("[image]\n", "[image]\ncolour = 1\n", "unknown field `colour`");
        assert_eq!(
            Actions::parse(&text).unwrap().reference("cache/save").unwrap(),
            "actions/cache/save@27d5ce7f107fe9357f9df03efb73ab90386fccae # v5.0.5"
        );
    }
}
