//! A release: draft, upload, read back and compare, index and signature, and only then the pointer that makes it the newest.
//!
//! Whatever is made here depends on the draft and the archives alone, and the draft is read back from the store if there
//! is one. So the same command goes on after a kill at any point, and says so when there is nothing to do. Until
//! the pointer is written nobody can see that there is a release; after that everything it names is there.

mod archive;
mod cells;
mod draft;
mod files;
mod inputs;
mod key;
mod page;
mod provenance;
#[cfg(all(test, target_os = "linux", feature = "store-s3", feature = "store-oci"))]
mod real_release;
#[cfg(test)]
mod real_tests;
mod sbom;
#[cfg(test)]
mod tests;
mod upload;

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use v8_archive::Sha256;
use v8_archive::index::{
    INDEX_FILE, Index, MAX_INDEX_BYTES, MAX_SIGNATURE_BYTES, Moment, SIGNATURE_FILE, Trust, TrustedKey,
};

use crate::error::{Error, IoContext as _, Result};
use crate::store::{Pointer, Store, Version};

pub use archive::{Archive, open_all};
pub use cells::Selection;
pub use draft::{Decision, Draft, Newest, Wanted};
pub use files::Generated;
pub use inputs::icu_data;
pub use key::{SigningKey, new_key};

use draft::{DRAFT_FILE, MAX_DRAFT_BYTES};
use upload::Upload;

/// The present, as releases write it; `later_s` seconds from now.
pub fn moment(later_s: u64) -> Moment {
    let then = SystemTime::now() + std::time::Duration::from_secs(later_s);
    Moment::parse(&humantime::format_rfc3339_seconds(then).to_string())
        .expect("a clock between 1970 and 9999")
}

/// A decided release: all of its files but the signature.
#[derive(Debug)]
pub struct Release {
    /// What it is.
    pub draft: Draft,
    /// Whether its draft was in the store.
    pub is_begun: bool,
    /// The small files, in the order in which they are put.
    pub files: Vec<Generated>,
    /// The index.
    pub index: Index,
    /// The pointer's state that it replaces.
    pub replacing: Option<Version>,
}

/// What to do, before anything is done.
#[derive(Debug)]
pub enum Plan {
    /// The newest release is just this one; its pointer.
    Published(Box<Index>),
    /// To be uploaded.
    Upload(Box<Release>),
}

/// Reads the store, and decides. `keys` are believed to have signed the newest release there; `folder` is for what is read.
///
/// # Errors
/// If the newest release cannot be believed, or the name is taken.
pub fn plan(store: &Store, wanted: &Wanted<'_>, keys: &[TrustedKey], folder: &Path) -> Result<Plan> {
    let latest = store.latest()?;
    let newest = match &latest {
        None => None,
        Some((pointer, _)) => Some(newest(store, pointer, Trust { keys, now: None, seen: None }, folder)?),
    };
    let mut draft_of = |release: &str| draft_in(store, release, folder);
    let (draft, is_begun) = match draft::decide(wanted, newest.as_ref(), &mut draft_of)? {
        Decision::Published => {
            let index = newest.expect("it was compared with the newest").index;
            return Ok(Plan::Published(Box::new(index)));
        }
        Decision::Begin(draft) => (draft, false),
        Decision::GoOn(draft) => (draft, true),
    };
    let files = files::generated(&draft, wanted.archives);
    let index = files::index(&draft, wanted.archives, &files);
    // What would be refused later must not be signed now.
    Index::from_json(index.to_json().as_bytes(), INDEX_FILE)
        .map_err(|error| Error::failed(error.to_string()))?;
    let replacing = latest.map(|(_, version)| version);
    Ok(Plan::Upload(Box::new(Release { draft, is_begun, files, index, replacing })))
}

/// Uploads a decided release and makes it the newest.
///
/// # Errors
/// If the store refuses a file, has another under its name, or gives back other bytes; if another publisher was faster; if
/// a signal came. The same command goes on.
pub fn publish(
    store: &Store,
    release: &Release,
    archives: &[Archive],
    key: &SigningKey,
    folder: &Path,
) -> Result<()> {
    let Release { draft, index, .. } = release;
    let json = index.to_json();
    let mut upload = Upload::new(store, &draft.release, folder, archives.len() + release.files.len() + 2);

    // The draft first: from here on, others who publish the same go on with it.
    let (first, rest) = release.files.split_first().expect("the draft is a file");
    upload.text(&first.name, &first.text)?;
    for archive in archives {
        upload.file(&archive.name, &archive.path, archive.packed)?;
    }
    for file in rest {
        upload.text(&file.name, &file.text)?;
    }
    upload.read_back()?;
    upload.text(INDEX_FILE, &json)?;
    let trust = Trust { keys: std::slice::from_ref(key.public()), now: None, seen: None };
    upload.signature(&json, key, &trust)?;
    upload.nothing_else()?;

    let pointer = Pointer::to(&draft.release, draft.number, Sha256::of_bytes(json.as_bytes()));
    store.commit(&pointer, release.replacing.as_ref())?;
    // As a consumer meets it from now on.
    match store.latest()? {
        Some((there, _)) if there == pointer => {
            let trust = Trust { now: Some(&moment(0)), ..trust };
            newest(store, &pointer, trust, folder).map(drop)
        }
        Some((there, _)) if there.number > pointer.number => {
            eprintln!("{} was published, and {} already follows it", pointer.release, there.release);
            Ok(())
        }
        there => Err(Error::failed(format!(
            "{store} said that {} is its newest release now, but gives {there:?}",
            pointer.release
        ))),
    }
}

/// Reads every file of the newest release, and compares.
///
/// # Errors
/// The first file that is not what the signed index says.
pub fn audit(store: &Store, index: &Index, folder: &Path) -> Result<()> {
    let mut upload = Upload::new(store, &index.release, folder, 0);
    for it in &index.archives {
        upload.expect(&it.name, it.size_bytes, it.sha256);
    }
    for it in &index.files {
        upload.expect(&it.name, it.size_bytes, it.sha256);
    }
    upload.read_back()
}

/// The release that the pointer names, if a trusted key has signed it.
///
/// # Errors
/// If its index or signature is missing, is not what the pointer says, or is not to be believed.
pub fn newest(store: &Store, pointer: &Pointer, trust: Trust<'_>, folder: &Path) -> Result<Newest> {
    let release = &pointer.release;
    let read = |name: &str, max_bytes: u64| -> Result<String> {
        let bytes = read_small(store, release, name, max_bytes, folder)?.ok_or_else(|| {
            Error::failed(format!("{store}: the newest release is {release}, but it has no {name}"))
        })?;
        String::from_utf8(bytes).map_err(|_| Error::failed(format!("{store}: {release}/{name} is not UTF-8")))
    };
    let json = read(INDEX_FILE, MAX_INDEX_BYTES)?;
    let signature = read(SIGNATURE_FILE, MAX_SIGNATURE_BYTES)?;
    let origin = format!("{store}: {release}/{INDEX_FILE}");
    let index = Index::verified(json.as_bytes(), &signature, &trust, &origin)
        .map_err(|error| Error::failed(error.to_string()))?;
    let sha256 = Sha256::of_bytes(json.as_bytes());
    let said = Pointer::to(&index.release, index.number, sha256);
    if said == *pointer {
        return Ok(Newest { index, sha256 });
    }
    Err(Error::failed(format!(
        "{store}: latest.json names release {release}, number {}, SHA-256 {}; the signed index there is {}, number {}, SHA-256 {sha256}",
        pointer.number, pointer.index_sha256, index.release, index.number
    )))
}

fn draft_in(store: &Store, release: &str, folder: &Path) -> Result<Option<Draft>> {
    let Some(json) = read_small(store, release, DRAFT_FILE, MAX_DRAFT_BYTES, folder)? else {
        return Ok(None);
    };
    let draft = Draft::from_json(&json, &format!("{store}: {release}/{DRAFT_FILE}"))?;
    if draft.release != release {
        return Err(Error::failed(format!(
            "{store}: {release}/{DRAFT_FILE} is the draft of {}",
            draft.release
        )));
    }
    Ok(Some(draft))
}

fn read_small(
    store: &Store,
    release: &str,
    name: &str,
    max_bytes: u64,
    folder: &Path,
) -> Result<Option<Vec<u8>>> {
    let to = folder.join("read");
    match store.read(release, name, &to, max_bytes)? {
        None => Ok(None),
        Some(_) => fs::read(&to).or_io("read", &to).map(Some),
    }
}
