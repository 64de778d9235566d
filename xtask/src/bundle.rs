//! One file with everything that a build on a machine without network needs: V8's source, the toolchain's downloads, data.
//!
//! It is a tar file, with `bundle.json` first, which names every other entry with size and SHA-256. What is taken out of it
//! goes where a download would have gone, and is compared with the pins again when it is used: a bundle is a mirror that
//! travels, and is trusted no more than one.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use v8_archive::Sha256;

use crate::error::{Error, IoContext as _, Kind, Result};
use crate::flags::What;
use crate::paths::{Cache, remove_folder};
use crate::plan::Plan;
use crate::source::depot::{self, Store, is_commit};
use crate::source::{Cargo, Origin, node};
use crate::toolchain::download;
use crate::workspace::Workspace;

const FORMAT: u32 = 1;

/// The first entry.
const LIST: &str = "bundle.json";

/// Longer than any list: an entry takes 200 bytes.
const MAX_LIST_BYTES: u64 = 16 << 20;

/// What is in a bundle.
#[derive(Debug, Serialize, Deserialize)]
struct List {
    format: u32,
    /// For people: the archives it is for.
    archives: Vec<String>,
    entries: Vec<Entry>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    /// `downloads/<sha256>/<name>`, `git/<commit>`, `revisions/<name>`, or `node/<name>`.
    path: String,
    size_bytes: u64,
    sha256: Sha256,
}

/// Where an entry goes.
#[derive(Debug, PartialEq, Eq)]
enum Place<'a> {
    Download {
        sha256: &'a str,
        name: &'a str,
    },
    Commit(&'a str),
    Revision(&'a str),
    /// What a release of Node said of its tarball.
    NodesDigest(&'a str),
}

impl Place<'_> {
    /// None of a path that is not one of ours.
    fn of(path: &str) -> Option<Place<'_>> {
        let is_plain = |name: &str| {
            !name.is_empty()
                && !name.starts_with('.')
                && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.+~:".contains(c))
        };
        let is_digest = |text: &str| text.parse::<Sha256>().is_ok();
        match path.split('/').collect::<Vec<_>>().as_slice() {
            ["downloads", sha256, name] if is_digest(sha256) && is_plain(name) => {
                Some(Place::Download { sha256, name })
            }
            ["git", commit] if is_commit(commit) => Some(Place::Commit(commit)),
            ["revisions", name] if is_plain(name) => Some(Place::Revision(name)),
            ["node", name] if is_plain(name) => Some(Place::NodesDigest(name)),
            _ => None,
        }
    }
}

/// Writes the bundle of these plans: fetches what is missing, makes trees and toolchain, and packs what they were made of.
///
/// # Errors
/// What cannot be fetched, and files that the cache does not have any more, all together.
pub fn write(workspace: &Workspace, what: &What, plans: &[Plan], to: &Path) -> Result<()> {
    let mut toolchain = workspace.toolchain_plan(what, plans)?;
    let made = workspace.toolchain(what, plans)?;
    // What could not be had was named, and is needed by no build.
    toolchain.companions.retain(|part| made.companions.contains_key(&part.name));
    let downloads = workspace.cache.downloads();
    let (mut files, mut faults) = (BTreeSet::new(), Vec::new());
    for pin in toolchain.files() {
        let path = download::place(&downloads, &pin);
        match download::check(&path, &pin) {
            Ok(()) => drop(files.insert((format!("downloads/{}/{}", pin.sha256, pin.file), path))),
            Err(error) => faults.push(error.to_string().trim_start_matches("error: ").to_owned()),
        }
    }
    if !faults.is_empty() {
        return Err(Error::all(
            Kind::Failed,
            "what the toolchain was unpacked from is not there any more",
            &faults,
        )
        .help("cargo xtask clean --downloads   and then the same command: it is fetched anew")
        .help("a package of Debian that was offered no more, so that a newer one was taken: raise its pin in targets.toml"));
    }
    files.extend(sources(workspace, plans)?);
    let archives =
        plans.iter().filter_map(|plan| Some(plan.archive.file_name()?.to_string_lossy().into_owned()));
    pack(archives.collect(), files, to)
}

/// What the trees of the plans are made of: names in the bundle, and files.
fn sources(workspace: &Workspace, plans: &[Plan]) -> Result<BTreeSet<(String, PathBuf)>> {
    let (cargo, store) = (Cargo::of_user()?, Store::of(&workspace.cache));
    let downloads = workspace.cache.downloads();
    let mut files = BTreeSet::new();
    for plan in plans {
        crate::source::prepare(&plan.source, &cargo, &|line| eprintln!("{line}"))?;
        let packages = match &plan.source.origin {
            Origin::Crate { package, icu_data } => vec![package, icu_data],
            Origin::Node { node } => vec![&node.runtime],
            Origin::DepotTools { .. } => Vec::new(),
        };
        for pin in packages {
            let name = format!("{}-{}.crate", pin.package, pin.version);
            let path = downloads.join(&pin.sha256).join(&name);
            if !path.is_file() {
                let bytes = cargo.packed(pin, &workspace.cache.root().join("bundle"))?;
                fs::create_dir_all(downloads.join(&pin.sha256)).or_io("create", &downloads)?;
                crate::paths::write_whole(&path, bytes)?;
            }
            files.insert((format!("downloads/{}/{name}", pin.sha256), path));
        }
        match &plan.source.origin {
            Origin::Crate { .. } => {}
            Origin::Node { node } => {
                let carried = node.carried(&workspace.cache);
                if carried.is_empty() {
                    eprintln!("note: take {} along yourself, and name it with --node-tree", node.source());
                }
                files.extend(carried);
            }
            Origin::DepotTools { checkout } => {
                let (commits, objects) = checkout.carried()?;
                for commit in commits {
                    files.insert((format!("git/{commit}"), store.pack(&commit)?));
                }
                for path in objects {
                    let relative =
                        path.strip_prefix(&downloads).unwrap_or(&path).to_string_lossy().into_owned();
                    files.insert((format!("downloads/{relative}"), path));
                }
                let path = depot::remembered(&store, &checkout.url, &checkout.revision);
                if let (true, Some(name)) = (path.is_file(), path.file_name()) {
                    files.insert((format!("revisions/{}", name.to_string_lossy()), path));
                }
            }
        }
    }
    Ok(files)
}

fn pack(archives: Vec<String>, files: BTreeSet<(String, PathBuf)>, to: &Path) -> Result<()> {
    let mut entries = Vec::new();
    for (name, path) in &files {
        let of_file = Sha256::of_file(path).map_err(|error| Error::failed(error.to_string()))?;
        let size_bytes = fs::metadata(path).or_io("read", path)?.len();
        if Place::of(name).is_none() {
            return Err(Error::failed(format!("{} has no place in a bundle", path.display())));
        }
        entries.push(Entry { path: name.clone(), size_bytes, sha256: of_file.sha256 });
    }
    let list = List { format: FORMAT, archives, entries };
    let text = serde_json::to_vec_pretty(&list).expect("strings and numbers only");
    let partial = to.with_added_extension("partial");
    let mut tar = tar::Builder::new(File::create(&partial).or_io("create", &partial)?);
    let mut add = |name: &str, size_bytes: u64, reader: &mut dyn io::Read, path: &Path| {
        let mut header = tar::Header::new_ustar();
        header.set_size(size_bytes);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, reader).or_io("pack", path)
    };
    add(LIST, text.len() as u64, &mut text.as_slice(), &partial)?;
    for ((name, path), entry) in files.iter().zip(&list.entries) {
        add(name, entry.size_bytes, &mut File::open(path).or_io("open", path)?, path)?;
    }
    let file = tar.into_inner().or_io("write", &partial)?;
    file.sync_all().or_io("write", &partial)?;
    fs::rename(&partial, to).or_io("create", to)
}

/// Takes everything out of a bundle into the cache; what the cache has is left as it is.
///
/// # Errors
/// A file that is no bundle, or not as it was written: nothing of a bad entry is used.
pub fn read(from: &Path, cache: &Cache) -> Result<()> {
    let scratch = cache.root().join(format!("bundle-{}", std::process::id()));
    let done = read_into(from, cache, &scratch);
    remove_folder(&scratch)?;
    done
}

fn read_into(from: &Path, cache: &Cache, scratch: &Path) -> Result<()> {
    let unreadable = |error: io::Error| Error::io("read", from, &error);
    let fault = |what: String| Error::failed(format!("{}: {what}", from.display()));
    fs::create_dir_all(scratch).or_io("create", scratch)?;
    let mut tar = tar::Archive::new(File::open(from).or_io("open", from)?);
    let mut packed = tar.entries().map_err(unreadable)?;
    let first = packed.next().transpose().map_err(unreadable)?;
    let Some(first) = first.filter(|entry| &*entry.path_bytes() == LIST.as_bytes()) else {
        return Err(fault(format!("is no bundle: it does not begin with {LIST}")));
    };
    let mut text = Vec::new();
    first.take(MAX_LIST_BYTES).read_to_end(&mut text).map_err(unreadable)?;
    let list: List = serde_json::from_slice(&text).map_err(|error| fault(format!("{LIST}: {error}")))?;
    if list.format != FORMAT {
        return Err(fault(format!("has format {}, and this tool reads {FORMAT}", list.format)));
    }
    let mut wanted = list.entries.iter();
    for entry in packed {
        let entry = entry.map_err(unreadable)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let Some(stated) = wanted.next().filter(|stated| stated.path == name) else {
            return Err(fault(format!("{name} is not what {LIST} names next")));
        };
        let place = Place::of(&name).ok_or_else(|| fault(format!("{name} has no place in a cache")))?;
        if !entry.header().entry_type().is_file() {
            return Err(fault(format!("{name} is no regular file")));
        }
        let path = scratch.join("entry");
        let mut file = File::create(&path).or_io("create", &path)?;
        io::copy(&mut entry.take(stated.size_bytes.saturating_add(1)), &mut file).map_err(unreadable)?;
        file.flush().and_then(|()| file.sync_all()).or_io("write", &path)?;
        let found = Sha256::of_file(&path).map_err(|error| Error::failed(error.to_string()))?.sha256;
        let size_bytes = fs::metadata(&path).or_io("read", &path)?.len();
        if (size_bytes, found) != (stated.size_bytes, stated.sha256) {
            return Err(fault(format!(
                "{name} is not what {LIST} says\n  wanted: sha256 {}, {} bytes\n  found:  sha256 {found}, {size_bytes} bytes",
                stated.sha256, stated.size_bytes
            )));
        }
        match place {
            Place::Download { sha256, .. } if found.to_string() != sha256 => {
                return Err(fault(format!("{name} has the digest {found}")));
            }
            Place::Download { sha256, name } => keep(&path, &cache.downloads().join(sha256), name)?,
            Place::Revision(name) => keep(&path, &Store::of(cache).beside("revisions"), name)?,
            Place::NodesDigest(name) => keep(&path, &node::folder(cache), name)?,
            Place::Commit(commit) => drop(Store::of(cache).import(commit, &path)?),
        }
    }
    match wanted.next() {
        Some(missing) => Err(fault(format!("ends before {}", missing.path))),
        None => Ok(()),
    }
}

fn keep(path: &Path, folder: &Path, name: &str) -> Result<()> {
    let to = folder.join(name);
    if to.exists() {
        return Ok(());
    }
    fs::create_dir_all(folder).or_io("create", folder)?;
    fs::rename(path, &to).or_io("create", &to)
}

#[cfg(test)]
mod tests;
