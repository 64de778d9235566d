//! V8's own repositories: what of them a static V8 needs, fetched without depot_tools.
//!
//! [`look`] fetches V8 and the DEPS files, [`decide`] says what belongs to the tree, [`fill`] fetches that and writes it.
//! The tree has the shape of Chromium's: V8 in `v8/`, and what DEPS puts below V8 beside it.

mod fill;
mod gclient;
mod git;
mod look;
mod named;
mod objects;
mod resolve;
mod select;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

pub use self::fill::fill;
pub use self::git::Store;
use self::git::at_once;
#[cfg(test)]
pub use self::git::git;
pub use self::look::{Looked, look, remembered};
pub use self::named::named;
pub use self::objects::Pinned;
pub use self::resolve::{Platform, is_commit};
use super::deps::{Package, What};
use super::{CratePin, V8Version, sha256};
use crate::error::{Error, Kind, Result};
use crate::paths::Cache;

/// What the user and `targets.toml` ask for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// V8's repository.
    pub url: String,
    /// A version, another tag, or a commit.
    pub revision: String,
    /// The commit of that revision, if `targets.toml` pins it.
    pub commit: Option<String>,
    /// Paths that are fetched too, though nothing needs them.
    pub with: Vec<String>,
    /// Instances of CIPD packages, by `package@version`: a version is a tag, and names no bytes.
    pub cipd: BTreeMap<String, String>,
    /// Where else it comes from.
    pub mirrors: Mirrors,
    /// depot_tools, if gclient is to fetch instead of us.
    pub gclient: Option<PathBuf>,
    /// The user's cache folder.
    pub cache: Cache,
}

/// Addresses to be asked in place of upstream's; only they are asked then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirrors {
    /// In place of scheme and host of every repository.
    pub git: Option<String>,
    /// In place of Google's storage.
    pub gcs: String,
    /// In place of Chromium's package service.
    pub cipd: String,
}

impl Mirrors {
    /// A repository's address to be asked.
    pub fn repository(&self, url: &str) -> String {
        let Some(mirror) = &self.git else { return url.to_owned() };
        let path =
            url.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map_or(url, |(_, path)| path);
        format!("{}/{path}", mirror.trim_end_matches('/'))
    }
}

/// What a tree is made of, and what is left out of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checkout {
    /// V8's repository.
    pub url: String,
    /// What was asked for.
    pub revision: String,
    /// Its commit.
    pub commit: String,
    /// Everything that DEPS names, by place; V8 itself is among them.
    pub parts: Vec<Part>,
    /// Hooks of DEPS that nobody runs here, by name.
    pub hooks: Vec<String>,
    /// Files that gclient would write: where, and what is in them.
    #[serde(skip)]
    pub gn_args: Option<(String, String)>,
    #[serde(skip)]
    mirrors: Mirrors,
    #[serde(skip)]
    gclient: Option<PathBuf>,
    #[serde(skip)]
    platform: Platform,
    #[serde(skip)]
    store: Store,
    #[serde(skip)]
    downloads: PathBuf,
}

/// One path of the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    /// Where it lies in our tree.
    pub place: String,
    /// What lies there.
    pub what: What,
    /// Whether it is fetched.
    pub wanted: bool,
    /// Why, or why not.
    pub why: String,
    /// Bytes to be fetched, where that is known: DEPS says it of files, and of repositories only having them does.
    pub size_bytes: Option<u64>,
}

/// Decides what the tree is made of. Pure.
///
/// # Errors
/// What of DEPS is not understood; a wanted repository without a commit; a `--with` that DEPS does not name.
pub fn decide(asked: &Asked, looked: &Looked, target: &str, platform: Platform) -> Result<Checkout> {
    if let Ok(version) = asked.revision.parse::<V8Version>()
        && version != looked.v8_version
    {
        let error = Error::usage(format!("V8's tag {version} is V8 {}", looked.v8_version));
        return Err(match &asked.commit {
            Some(commit) => error.help(format!("targets.toml pins {commit} as its commit")),
            None => error.help(format!(
                "remove {}, which keeps what a server said of the tag, and one is asked anew",
                remembered(&Store::of(&asked.cache), &asked.url, &asked.revision).display()
            )),
        });
    }
    let resolved = resolve::resolve(&looked.texts, &platform)?;
    let mut parts = vec![Part {
        place: resolve::ROOT.to_owned(),
        what: What::Git { url: asked.url.clone(), revision: Some(looked.commit.clone()) },
        wanted: true,
        why: format!("V8 {}", looked.v8_version),
        size_bytes: looked.sizes.get(&looked.commit).copied(),
    }];
    let rows = select::rows()?;
    let mut faults = Vec::new();
    for (path, named) in resolved.named {
        let Some(place) = path.strip_prefix("v8/").map(str::to_owned) else {
            faults.push(format!("{path} is not below V8's folder"));
            continue;
        };
        let choice = match named.refused_by {
            _ if asked.with.contains(&place) => select::Choice { wanted: true, why: "--with".to_owned() },
            Some(why) => select::Choice { wanted: false, why },
            None => select::choose(&rows, &place, &named.what, target),
        };
        let mut part =
            Part { place, what: named.what, wanted: choice.wanted, why: choice.why, size_bytes: None };
        if part.wanted {
            faults.extend(fix(&mut part, asked, &platform));
        }
        part.size_bytes = match &part.what {
            What::Git { revision: Some(commit), .. } => looked.sizes.get(commit).copied(),
            other => resolve::described(other).1,
        };
        parts.push(part);
    }
    let unknown = asked.with.iter().filter(|place| !parts.iter().any(|part| part.place == **place));
    faults.extend(unknown.map(|place| format!("--with {place}: DEPS names no such path")));
    if !faults.is_empty() {
        return Err(Error::all(Kind::Usage, &format!("V8 {}", asked.revision), &faults)
            .help("cargo xtask source --source depot-tools --dry-run   lists what DEPS names"));
    }
    parts.sort_by(|one, other| one.place.cmp(&other.place));
    Ok(Checkout {
        url: asked.url.clone(),
        revision: asked.revision.clone(),
        commit: looked.commit.clone(),
        parts,
        hooks: resolved.hooks.into_iter().map(|hook| hook.name).filter(|name| name != "lastchange").collect(),
        gn_args: resolved.gn_args.and_then(|(path, text)| Some((path.strip_prefix("v8/")?.to_owned(), text))),
        mirrors: asked.mirrors.clone(),
        gclient: asked.gclient.clone(),
        platform,
        store: Store::of(&asked.cache),
        downloads: asked.cache.downloads(),
    })
}

/// Makes a wanted part name exactly the bytes it consists of; a fault if it cannot.
fn fix(part: &mut Part, asked: &Asked, platform: &Platform) -> Option<String> {
    let place = &part.place;
    match &mut part.what {
        What::Git { revision: Some(revision), .. } if is_commit(revision) => None,
        What::Git { revision, .. } => {
            let revision = revision.as_deref().unwrap_or("no revision");
            Some(format!("{place} is wanted at {revision}, which is no commit: what it is may change"))
        }
        What::Gcs { objects, .. } if objects.is_empty() => {
            Some(format!("{place} has no file for this host and target"))
        }
        What::Gcs { .. } => None,
        What::Cipd(packages) => packages.iter_mut().find_map(|package| {
            package.name = expanded(&package.name, platform);
            let pinned = asked.cipd.get(&format!("{}@{}", package.name, package.version));
            if let Some(instance) = pinned {
                package.version = instance.clone();
            }
            objects::instance_sha256(&package.version).is_none().then(|| {
                let Package { name, version } = package;
                format!("{place}: the package {name} is wanted at {version}, a tag, which names no bytes; pin its instance in [sources.depot-tools.cipd] of targets.toml")
            })
        }),
    }
}

/// `${platform}` and the like, as CIPD has them for the machine that builds.
fn expanded(name: &str, platform: &Platform) -> String {
    let os = if platform.host_os == "win" { "windows" } else { platform.host_os };
    let arch = if platform.host_cpu == "x64" { "amd64" } else { platform.host_cpu };
    name.replace("${platform}", &format!("{os}-{arch}")).replace("${os}", os).replace("${arch}", arch)
}

impl Checkout {
    /// What the tree's contents follow from, a line for each part: the same lines are the same bytes.
    pub fn identity(&self) -> String {
        let mut lines = String::new();
        for Part { place, what, .. } in self.wanted() {
            match what {
                What::Git { revision, .. } => {
                    lines.push_str(&format!("{place} git {}\n", revision.as_deref().unwrap_or_default()));
                }
                What::Gcs { objects, .. } => objects.iter().for_each(|object| {
                    let file = object.output_file.as_deref().unwrap_or_default();
                    lines.push_str(&format!("{place} gcs {} {file}\n", object.sha256));
                }),
                What::Cipd(packages) => packages
                    .iter()
                    .for_each(|package| lines.push_str(&format!("{place} cipd {}\n", package.version))),
            }
        }
        if let Some((path, text)) = &self.gn_args {
            lines.push_str(&format!("{path} file {}\n", sha256(text.as_bytes())));
        }
        lines
    }

    /// For the descriptor: V8's repository, its commit, and a digest of all commits and files beside it.
    pub fn described(&self) -> CratePin {
        let name = self.url.rsplit('/').next().unwrap_or_default().trim_end_matches(".git");
        CratePin {
            package: name.to_owned(),
            version: self.commit.clone(),
            sha256: sha256(self.identity().as_bytes()),
        }
    }

    /// The same without what only this machine's cache knows: for the stamp, which two machines write alike.
    pub fn without_sizes(&self) -> Checkout {
        let mut same = self.clone();
        let of_git = |part: &&mut Part| matches!(part.what, What::Git { .. });
        same.parts.iter_mut().filter(of_git).for_each(|part| part.size_bytes = None);
        same
    }

    fn wanted(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(|part| part.wanted)
    }

    /// Everything in the cache that the tree is made of, for a bundle: commits, and files by digest. What is missing is
    /// fetched.
    pub fn carried(&self) -> Result<(Vec<String>, Vec<PathBuf>)> {
        let (mut commits, mut files) = (Vec::new(), Vec::new());
        for part in &self.parts {
            match &part.what {
                // DEPS files are read from some that are not in the tree.
                What::Git { url, revision: Some(commit) } if part.wanted || self.store.has(commit) => {
                    // A tree that gclient fetched, or that is older than the cache, was made of commits that are not here.
                    if self.store.ensure(&self.mirrors.repository(url), commit)? {
                        eprintln!("fetched {} at {commit}, for the bundle", part.place);
                    }
                    commits.push(commit.clone());
                }
                What::Gcs { bucket, objects } if part.wanted => {
                    for object in objects {
                        files.push(Pinned::object(bucket, object, &self.mirrors).ensure(&self.downloads)?);
                    }
                }
                What::Cipd(packages) if part.wanted => {
                    for package in packages {
                        files.push(Pinned::package(package, &self.mirrors)?.ensure(&self.downloads)?);
                    }
                }
                What::Git { .. } | What::Gcs { .. } | What::Cipd(_) => {}
            }
        }
        Ok((commits, files))
    }

    /// The table of `--dry-run`: what is fetched, what is not, why, and how large it is where that is known.
    pub fn table(&self) -> String {
        let mut text = format!("V8 {} is commit {} of {}\n", self.revision, self.commit, self.url);
        for (title, wanted) in [("fetched", true), ("left out", false)] {
            let parts: Vec<&Part> = self.parts.iter().filter(|part| part.wanted == wanted).collect();
            let known: u64 = parts.iter().filter_map(|part| part.size_bytes).sum();
            let unknown = parts.iter().filter(|part| part.size_bytes.is_none()).count();
            let more = if unknown > 0 { format!(", and {unknown} of unknown size") } else { String::new() };
            text.push_str(&format!("\n{title}: {} parts, {}{more}\n", parts.len(), mib(known)));
            for part in parts {
                let (what, _) = resolve::described(&part.what);
                let size = part.size_bytes.map_or_else(|| "?".to_owned(), mib);
                text.push_str(&format!("  {:<42} {:<34} {size:>10}  {}\n", part.place, what, part.why));
            }
        }
        text.push_str("\nwritten by this tool: build/util/LASTCHANGE");
        if let Some((path, _)) = &self.gn_args {
            text.push_str(&format!(", {path}"));
        }
        text.push_str(&format!("\nhooks not run: {}\n", self.hooks.join(", ")));
        text
    }
}

/// A size for people.
fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests;
