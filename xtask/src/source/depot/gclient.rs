//! gclient in place of our own resolver: started so that it asks nothing, updates nothing and reports nothing, with a time
//! limit; its working tree is then ours.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::deps::What;
use super::super::write_new;
use super::git::git;
use super::{Checkout, Part};
use crate::error::{Error, IoContext as _, Result};
use crate::process::{self, Ended};
use crate::source::tree;

/// For all repositories together.
const LIMIT: Duration = Duration::from_secs(7200);

/// The folder in which gclient works for this checkout; used again, so that it too goes on where it was.
fn folder(checkout: &Checkout) -> PathBuf {
    checkout.store.beside("gclient").join(&checkout.commit)
}

/// Has gclient bring every wanted repository, and gives the folder with them. Files and packages are not its work here:
/// those we fetch and check ourselves.
pub fn sync(checkout: &Checkout, depot_tools: &Path, say: &dyn Fn(&str)) -> Result<PathBuf> {
    let program = depot_tools.join("gclient");
    if !program.is_file() {
        return Err(Error::usage(format!(
            "{} is no depot_tools: there is no gclient",
            depot_tools.display()
        ))
        .help("--gclient takes the folder of depot_tools"));
    }
    let folder = folder(checkout);
    std::fs::create_dir_all(&folder).or_io("create", &folder)?;
    let _lock = tree::lock(&folder.join("lock"), say)?;
    let config = folder.join(".gclient");
    std::fs::write(&config, solution(checkout)).or_io("write", &config)?;
    let log = folder.join("gclient.log");
    process::start_log(&log)?;
    let mut command = process::command(&program);
    command.args(["sync", "--nohooks", "--no-history", "--force", "--jobs", "8"]);
    command.args(["--ignore-dep-type=cipd", "--ignore-dep-type=gcs", "--revision"]);
    command.arg(format!("v8@{}", checkout.commit)).current_dir(&folder);
    environment(checkout, depot_tools, &mut command)?;
    say(&format!("gclient is fetching V8 {} (log: {})", checkout.revision, log.display()));
    let done = process::run_limited(&mut command, LIMIT, &log)?;
    let mut help = format!("the whole log: {}", log.display());
    if done.stderr.contains("ModuleNotFoundError") {
        help.push_str("\n  help: run depot_tools once by itself with a network, so that it fetches its own Python; or put a python3 first on PATH that has these modules");
    }
    match done.ended {
        Ended::With(status) if status.success() => Ok(folder),
        Ended::With(status) => {
            Err(process::failure(&command, status, done.stderr.as_bytes(), done.stdout.as_bytes()).help(help))
        }
        Ended::Killed => {
            let minutes = LIMIT.as_secs() / 60;
            Err(Error::failed(format!("gclient was not done in {minutes} minutes")).help(help))
        }
    }
}

/// `.gclient`: V8 alone, for one system, without the repositories that are left out.
fn solution(checkout: &Checkout) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
    let left_out: String = checkout
        .parts
        .iter()
        .filter(|part| !part.wanted && matches!(part.what, What::Git { .. }))
        .map(|Part { place, .. }| format!("    {}: None,\n", quoted(&format!("v8/{place}"))))
        .collect();
    format!(
        "solutions = [{{\n  'name': 'v8',\n  'url': {},\n  'deps_file': 'DEPS',\n  'managed': False,\n  'custom_deps': {{\n{left_out}  }},\n}}]\n\
         target_os = [{}]\ntarget_os_only = True\ntarget_cpu = [{}]\ntarget_cpu_only = True\n",
        quoted(&checkout.url),
        quoted(checkout.platform.target_os),
        quoted(checkout.platform.target_cpu),
    )
}

/// Nothing is asked, updated or reported; a mirror is git's own `insteadOf`.
fn environment(checkout: &Checkout, depot_tools: &Path, command: &mut std::process::Command) -> Result<()> {
    for (name, value) in [
        ("DEPOT_TOOLS_UPDATE", "0"),
        ("DEPOT_TOOLS_METRICS", "0"),
        ("DEPOT_TOOLS_COLLECT_METRICS", "0"),
        ("GCLIENT_SUPPRESS_GIT_VERSION_WARNING", "1"),
        ("PYTHONDONTWRITEBYTECODE", "1"),
        ("GIT_TERMINAL_PROMPT", "0"),
    ] {
        command.env(name, value);
    }
    // Without the Python that depot_tools fetches for itself when it is first used, the system's has to do.
    if !depot_tools.join(".cipd_bin/vpython3").exists() {
        command.env("VPYTHON_BYPASS", "manually managed python not supported by chrome operations");
    }
    let path = crate::env::path().into_iter().chain(std::iter::once(depot_tools.to_owned()));
    let path = std::env::join_paths(path)
        .map_err(|error| Error::usage(format!("{} cannot be on PATH: {error}", depot_tools.display())))?;
    command.env("PATH", path);
    let Some(mirror) = &checkout.mirrors.git else { return Ok(()) };
    let urls = checkout.parts.iter().filter_map(|part| match &part.what {
        What::Git { url, .. } => {
            let (scheme, rest) = url.split_once("://")?;
            Some(format!("{scheme}://{}/", rest.split('/').next()?))
        }
        _ => None,
    });
    let hosts: std::collections::BTreeSet<String> = urls.collect();
    command.env("GIT_CONFIG_COUNT", hosts.len().to_string());
    for (at, host) in hosts.iter().enumerate() {
        command
            .env(format!("GIT_CONFIG_KEY_{at}"), format!("url.{}/.insteadOf", mirror.trim_end_matches('/')));
        command.env(format!("GIT_CONFIG_VALUE_{at}"), host);
    }
    Ok(())
}

fn repository(folder: &Path, place: &str) -> PathBuf {
    if place == "v8" { folder.join("v8") } else { folder.join("v8").join(place) }
}

/// Copies the tracked files of a part out of gclient's working tree, if that is at the commit.
pub fn copy(folder: &Path, place: &str, commit: &str, to: &Path) -> Result<()> {
    let from = repository(folder, place);
    let run = |arguments: &[&str]| process::read(git(None).arg("-C").arg(&from).args(arguments));
    let head = run(&["rev-parse", "HEAD"])?;
    if head.trim() != commit {
        return Err(Error::failed(format!("gclient left {place} at {}, not at {commit}", head.trim())));
    }
    for line in run(&["ls-files", "--stage", "-z"])?.split_terminator('\0') {
        let (mode, path) = line
            .split_once('\t')
            .map(|(head, path)| (head.split(' ').next().unwrap_or_default(), path))
            .ok_or_else(|| Error::failed(format!("git ls-files printed {line:?}")))?;
        let (source, target) = (from.join(path), to.join(path));
        match mode {
            "100644" | "100755" => {
                write_new(&target, &std::fs::read(&source).or_io("read", &source)?, mode == "100755")?;
            }
            "120000" => {
                if let Some(parent) = target.parent() {
                    std::fs::create_dir_all(parent).or_io("create", parent)?;
                }
                link(&std::fs::read_link(&source).or_io("read", &source)?, &target)?;
            }
            // Where a repository inside this one lies: a folder, as a checkout has it.
            "160000" => std::fs::create_dir_all(&target).or_io("create", &target)?,
            other => return Err(Error::failed(format!("{place}/{path} has the mode {other}"))),
        }
    }
    Ok(())
}

#[cfg(unix)]
fn link(target: &Path, path: &Path) -> Result<()> {
    std::os::unix::fs::symlink(target, path).or_io("create", path)
}

#[cfg(not(unix))]
fn link(_: &Path, path: &Path) -> Result<()> {
    Err(Error::failed(format!("{} is a link", path.display())))
}

/// A commit of gclient's, as text.
pub fn commit(checkout: &Checkout, place: &str, commit: &str) -> Result<String> {
    let from = repository(&folder(checkout), place);
    process::read(git(None).arg("-C").arg(from).args(["cat-file", "commit", commit]))
}
