//! Fetches what has to be known before anything can be decided: V8's commit, and the DEPS files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::git::{Store, at_once};
use super::resolve::{self, Missing, Texts};
use super::{Asked, Platform, V8Version, is_commit};
use crate::error::{Error, IoContext as _, Result};
use crate::paths::write_whole;

/// What was found.
#[derive(Debug, Clone)]
pub struct Looked {
    /// V8's commit.
    pub commit: String,
    /// The version that its header states.
    pub v8_version: V8Version,
    /// The DEPS files of V8 and of what they recurse into.
    pub texts: Texts,
    /// What has been fetched, by commit: bytes.
    pub sizes: BTreeMap<String, u64>,
}

/// Looks; fetches V8 and the few repositories that have a DEPS of their own, if the cache has them not.
///
/// # Errors
/// What git says, and what is not understood in DEPS.
pub fn look(asked: &Asked, platforms: &[Platform], say: &dyn Fn(&str)) -> Result<Looked> {
    let store = Store::of(&asked.cache);
    let commit = commit(asked, &store, say)?;
    if !store.has(&commit) {
        say(&format!("fetching V8 {}, commit {commit}", asked.revision));
        store.ensure(&asked.mirrors.repository(&asked.url), &commit)?;
    }
    let header = "include/v8-version.h";
    let text = store.file(&commit, header)?.ok_or_else(|| {
        Error::usage(format!("commit {commit} of {} has no {header}: it is no V8", asked.url))
    })?;
    let v8_version = V8Version::from_header(&text)
        .map_err(|what| Error::failed(format!("{header} of commit {commit}: {what}")))?;
    let mut texts = Texts::from([(resolve::ROOT.to_owned(), store.file(&commit, "DEPS")?)]);
    let mut named = BTreeSet::from([commit.clone()]);
    for platform in platforms {
        loop {
            let resolved = resolve::resolve(&texts, platform)?;
            named.extend(resolved.named.into_values().filter_map(|named| match named.what {
                super::What::Git { revision, .. } => revision,
                _ => None,
            }));
            if resolved.missing.is_empty() {
                break;
            }
            let missing: Vec<(Missing, String)> = resolved
                .missing
                .into_iter()
                .map(|missing| match missing.revision.clone().filter(|revision| is_commit(revision)) {
                    Some(commit) => Ok((missing, commit)),
                    None => Err(Error::failed(format!("{} is wanted without a commit", missing.path))),
                })
                .collect::<Result<_>>()?;
            let absent: Vec<_> = missing.iter().filter(|(_, commit)| !store.has(commit)).collect();
            at_once(
                &absent,
                |(missing, commit)| {
                    store.ensure(&asked.mirrors.repository(&missing.url), commit)?;
                    Ok(format!("{}, for its DEPS", missing.path))
                },
                say,
            )?;
            for (missing, commit) in missing {
                let text = match store.file(&commit, &missing.file)? {
                    None if missing.file != "DEPS" => store.file(&commit, "DEPS")?,
                    text => text,
                };
                texts.insert(missing.path, text);
            }
        }
    }
    let sizes = named.into_iter().filter_map(|commit| Some((commit.clone(), store.size_bytes(&commit)?)));
    Ok(Looked { sizes: sizes.collect(), commit, v8_version, texts })
}

/// The file that keeps which commit a tag was.
pub fn remembered(store: &Store, url: &str, revision: &str) -> PathBuf {
    store.beside("revisions").join(format!("{}-{revision}", &super::sha256(url.as_bytes())[..16]))
}

/// The commit of the revision: as pinned, as it was the first time, or as the server says.
///
/// Whoever can move a tag on the server could give another V8 to those who ask for the first time; so the answer is kept,
/// and said, so that it can be pinned.
fn commit(asked: &Asked, store: &Store, say: &dyn Fn(&str)) -> Result<String> {
    if let Some(commit) = &asked.commit {
        return Ok(commit.clone());
    }
    if is_commit(&asked.revision) {
        return Ok(asked.revision.clone());
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if asked.revision.is_empty()
        || asked.revision.starts_with(['-', '.'])
        || !asked.revision.chars().all(is_plain)
    {
        return Err(Error::usage(format!("{:?} is no version, tag or commit of V8", asked.revision)));
    }
    let file = remembered(store, &asked.url, &asked.revision);
    if let Ok(text) = std::fs::read_to_string(&file)
        && is_commit(text.trim())
    {
        return Ok(text.trim().to_owned());
    }
    let commit = store.tag(&asked.mirrors.repository(&asked.url), &asked.revision)?;
    say(&format!(
        "V8 {} is commit {commit}; to pin it: sources.depot-tools.commit in targets.toml",
        asked.revision
    ));
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).or_io("create", folder)?;
    }
    write_whole(&file, &commit)?;
    Ok(commit)
}
