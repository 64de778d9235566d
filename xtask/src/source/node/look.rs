//! Finds Node's tree, and reads what it says of its V8.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::files;
use super::settings::{self, Texts};
use super::{Asked, Looked, Place, folder};
use crate::error::{Error, IoContext as _, Result};
use crate::http;
use crate::paths::{Cache, write_whole};
use crate::source::depot::Pinned;
use crate::source::unpack::PackageFile;
use crate::source::{V8Version, hex};

/// What a release says of its files' digests.
const SUMS: &str = "SHASUMS256.txt";

/// Longer than any such list, which has a line of 100 bytes for each of some 50 files.
const MAX_SUMS_BYTES: u64 = 1 << 20;

const V8_VERSION: &str = "deps/v8/include/v8-version.h";
const NODE_VERSION: &str = "src/node_version.h";
const COMMON: &str = "common.gypi";
const FEATURES: &str = "tools/v8_gypfiles/features.gypi";
const CONFIGURE: &str = "configure.py";

/// Looks; fetches the release if the cache has it not.
///
/// # Errors
/// What a server says; a tarball that is not what the release's own list or `targets.toml` names; a tree that is no
/// Node's, or lacks what releases have.
pub fn look(asked: &Asked, say: &dyn Fn(&str)) -> Result<Looked> {
    let (place, known) = match &asked.given {
        Some(path) if path.is_dir() => (Place::Folder(path.clone()), None),
        Some(path) if path.is_file() => (Place::Tarball(path.clone()), None),
        Some(path) => {
            return Err(Error::usage(format!("there is no {}", path.display()))
                .help("--node-tree takes a release's tarball, or the folder that is unpacked from it"));
        }
        None => {
            let (path, sha256) = release(asked, say)?;
            (Place::Tarball(path), Some(sha256))
        }
    };
    let (sha256, texts) = read(&place, known, asked)?;
    let of = |name: &str| texts.get(name).map(String::as_str).unwrap_or_default();
    let fault = |what: String| {
        let (Place::Tarball(path) | Place::Folder(path)) = &place;
        Error::usage(format!("{}: {what}", path.display())).help(
            "a release of Node has all of it; sources that a distribution has stripped have not (ci/README.md)",
        )
    };
    let lacking: Vec<&str> = [V8_VERSION, NODE_VERSION, COMMON, FEATURES, CONFIGURE]
        .into_iter()
        .filter(|name| !texts.contains_key(*name))
        .collect();
    if !lacking.is_empty() {
        return Err(fault(format!("it is no tree of Node's: there is no {}", lacking.join(", no "))));
    }
    let v8_version =
        V8Version::from_header(of(V8_VERSION)).map_err(|what| fault(format!("{V8_VERSION}: {what}")))?;
    let (node_version, module_version) = settings::versions(of(NODE_VERSION))
        .ok_or_else(|| fault(format!("{NODE_VERSION} does not say what version it is")))?;
    if asked.given.is_none() && node_version != asked.version {
        return Err(fault(format!("it is Node {node_version}, not {}", asked.version)));
    }
    let texts = Texts { features: of(FEATURES), common: of(COMMON), configure: of(CONFIGURE) };
    Ok(Looked {
        node_version,
        module_version,
        v8_version,
        sha256,
        settings: settings::differences(&texts),
        runtime: asked.runtime.clone(),
        place,
    })
}

/// The release's tarball in the cache, and its digest, which it was found to have.
fn release(asked: &Asked, say: &dyn Fn(&str)) -> Result<(PathBuf, String)> {
    let Asked { version, url, .. } = asked;
    let numbers: Vec<&str> = version.split('.').collect();
    if numbers.len() != 3 || numbers.iter().any(|number| number.parse::<u32>().is_err()) {
        return Err(Error::usage(format!("Node's versions are three numbers, not {version:?}")));
    }
    let name = format!("node-v{version}.tar.xz");
    let base = format!("{}/v{version}", url.trim_end_matches('/'));
    let kept = kept_digest_file(&asked.cache, &name);
    let known = asked.sha256.clone().or_else(|| Some(fs::read_to_string(&kept).ok()?.trim().to_owned()));
    let sha256 = match &known {
        Some(known) => known.clone(),
        None => listed_digest(asked, &base, &name, say)?,
    };
    let url = format!("{base}/{name}");
    let pinned = Pinned { name, sha256, size_bytes: None, url, named_by: "its release names" };
    let downloads = asked.cache.downloads();
    if !pinned.place(&downloads).exists() {
        say(&format!("fetching Node {version}"));
    }
    let tarball = pinned.ensure(&downloads)?;
    if known.is_none() {
        // Not before: a list that does not fit its tarball is asked again.
        write_whole(&kept, format!("{}\n", pinned.sha256))?;
        say(&format!(
            "{} is sha256 {}, says the release; that is kept, and can be pinned in targets.toml",
            pinned.name, pinned.sha256
        ));
    }
    Ok((tarball, pinned.sha256))
}

/// What the release's list says of a file. Once the file was found to be that, nobody is asked again: a release never
/// changes.
fn listed_digest(asked: &Asked, base: &str, name: &str, say: &dyn Fn(&str)) -> Result<String> {
    let folder = folder(&asked.cache);
    fs::create_dir_all(&folder).or_io("create", &folder)?;
    let partial = folder.join(format!(".{SUMS}.{}", std::process::id()));
    let url = format!("{base}/{SUMS}");
    say(&format!("asking {url}"));
    let request = http::Request { url: &url, to: &partial, max_bytes: MAX_SUMS_BYTES, is_exact: false };
    let fetched = http::fetch(&request).and_then(|()| fs::read_to_string(&partial).or_io("read", &partial));
    // Best effort: a list is asked for anew each time, and the first error is the one to tell.
    let _ = fs::remove_file(&partial);
    digest_of(&fetched?, name).ok_or_else(|| Error::failed(format!("{url} names no {name}")))
}

/// Where the answer of a release's list is kept.
pub(super) fn kept_digest_file(cache: &Cache, name: &str) -> PathBuf {
    folder(cache).join(format!("{name}.sha256"))
}

/// The digest of a file in a list of `digest  name` lines; nothing unless exactly one line names it.
pub(super) fn digest_of(list: &str, name: &str) -> Option<String> {
    let mut found = list.lines().filter_map(|line| {
        let (digest, of) = line.split_once(char::is_whitespace)?;
        let is_digest = digest.len() == 64 && digest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        // `*` marks a file that was read as bytes.
        (is_digest && of.trim_start().trim_start_matches('*') == name).then(|| digest.to_owned())
    });
    let first = found.next()?;
    found.all(|other| other == first).then_some(first)
}

/// The digest of all that is read, unless it is `known`, and the few texts that plans are made from.
///
/// A tarball is unpacked once for that: the texts are kept by its digest.
fn read(place: &Place, known: Option<String>, asked: &Asked) -> Result<(String, BTreeMap<String, String>)> {
    let mut texts = BTreeMap::new();
    let mut take = |file: &PackageFile<'_>| {
        if [V8_VERSION, NODE_VERSION, COMMON, FEATURES, CONFIGURE].contains(&file.path) {
            texts.insert(file.path.to_owned(), String::from_utf8_lossy(file.bytes).into_owned());
        }
    };
    match place {
        Place::Tarball(path) => {
            let of_file = || v8_archive::Sha256::of_file(path).map(|file| file.sha256.to_string());
            let sha256 = known.map_or_else(of_file, Ok).map_err(|error| Error::failed(error.to_string()))?;
            let kept = kept_texts(&folder(&asked.cache), &sha256);
            if let Some(known) = fs::read(&kept).ok().and_then(|text| serde_json::from_slice(&text).ok()) {
                return Ok((sha256, known));
            }
            files::visit(place, &mut |file| {
                take(file);
                Ok(())
            })?;
            let folder = kept.parent().expect("it lies in a folder");
            fs::create_dir_all(folder).or_io("create", folder)?;
            write_whole(&kept, serde_json::to_vec(&texts).expect("strings only"))?;
            Ok((sha256, texts))
        }
        Place::Folder(_) => {
            let mut hash = Sha256::new();
            files::visit(place, &mut |file| {
                take(file);
                for field in [file.path.as_bytes(), &[u8::from(file.executable)], file.bytes] {
                    hash.update((field.len() as u64).to_le_bytes());
                    hash.update(field);
                }
                Ok(())
            })?;
            Ok((hex(&hash.finalize()), texts))
        }
    }
}

fn kept_texts(folder: &Path, sha256: &str) -> PathBuf {
    folder.join(format!("{sha256}.json"))
}
