//! `draft.json`: what was decided when a release was begun. It is the first file of a release, so that whoever goes on
//! after a kill, on another day, makes the same bytes of everything else.

use serde::{Deserialize, Serialize};
use v8_archive::Sha256;
use v8_archive::index::{Absent, Index, Moment};

use super::archive::Archive;
use crate::error::{Error, Result};

/// Its name in a release.
pub const DRAFT_FILE: &str = "draft.json";

/// An archive takes 200 bytes.
pub const MAX_DRAFT_BYTES: u64 = 1 << 20;

const FORMAT: u32 = 1;

/// `draft.json`. Unknown keys are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    format: u32,
    /// The release's name.
    pub release: String,
    /// Its number.
    pub number: u64,
    /// V8's version.
    pub v8_version: String,
    /// When it was begun.
    pub created: Moment,
    /// When its index expires.
    pub expires: Moment,
    /// Digest of the index it replaces.
    pub previous: Option<Sha256>,
    /// Its archives.
    pub archives: Vec<Named>,
    /// What it has not.
    pub absent: Vec<Absent>,
}

/// A file and its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Its name.
    pub name: String,
    /// Its digest.
    pub sha256: Sha256,
}

impl Draft {
    /// The file's bytes.
    pub fn to_json(&self) -> String {
        // Strings and numbers only: nothing here can fail to serialise.
        let mut json = serde_json::to_string_pretty(self).expect("a draft has only string keys");
        json.push('\n');
        json
    }

    /// Reads the file's bytes; `origin` is what errors call it.
    ///
    /// # Errors
    /// If it is none.
    pub fn from_json(json: &[u8], origin: &str) -> Result<Draft> {
        let fail = |why: String| Error::failed(format!("{origin}: {why}"));
        let draft: Draft =
            serde_json::from_slice(json).map_err(|error| fail(format!("not a draft: {error}")))?;
        if draft.format != FORMAT {
            return Err(fail(format!("format {}, but this tool reads format {FORMAT}", draft.format)));
        }
        Ok(draft)
    }
}

/// What is to be published.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// The name that was asked for; without one, the next revision.
    pub release: Option<&'a str>,
    /// V8's version.
    pub v8_version: &'a str,
    /// The archives, sorted by name.
    pub archives: &'a [Archive],
    /// What is absent, sorted.
    pub absent: &'a [Absent],
    /// The present.
    pub now: Moment,
    /// When an index that is begun now expires.
    pub expires: Moment,
}

/// The newest release of a store, its index verified.
#[derive(Debug, Clone)]
pub struct Newest {
    /// The index.
    pub index: Index,
    /// Its digest.
    pub sha256: Sha256,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The newest release is just this.
    Published,
    /// A new release.
    Begin(Draft),
    /// One that was begun.
    GoOn(Draft),
}

/// Decides under which name to publish; `draft_of` reads the draft of a release, if it was begun.
///
/// # Errors
/// If a release of the wanted name has other archives, or was overtaken; or what `draft_of` returns.
pub fn decide(
    wanted: &Wanted<'_>,
    newest: Option<&Newest>,
    draft_of: &mut dyn FnMut(&str) -> Result<Option<Draft>>,
) -> Result<Decision> {
    let named: Vec<Named> =
        wanted.archives.iter().map(|it| Named { name: it.name.clone(), sha256: it.packed.sha256 }).collect();
    if let Some(Newest { index, .. }) = newest
        && wanted.release.is_none_or(|name| name == index.release)
    {
        let there = index.archives.iter().map(|it| Named { name: it.name.clone(), sha256: it.sha256 });
        if there.clone().eq(named.iter().cloned()) && index.absent == wanted.absent {
            return Ok(Decision::Published);
        }
        if wanted.release.is_some() {
            return Err(other_archives(&index.release, &there.collect::<Vec<_>>(), &named));
        }
    }
    let (number, previous) =
        newest.map_or((1, None), |newest| (newest.index.number + 1, Some(newest.sha256)));
    let begin = |release: &str| Draft {
        format: FORMAT,
        release: release.to_owned(),
        number,
        v8_version: wanted.v8_version.to_owned(),
        created: wanted.now.clone(),
        expires: wanted.expires.clone(),
        previous,
        archives: named.clone(),
        absent: wanted.absent.to_vec(),
    };
    if let Some(release) = wanted.release {
        v8_archive::lock::check_release(release, wanted.v8_version).map_err(Error::usage)?;
        let Some(draft) = draft_of(release)? else { return Ok(Decision::Begin(begin(release))) };
        if draft.archives != named || draft.absent != wanted.absent {
            return Err(other_archives(release, &draft.archives, &named));
        }
        return if is_current(&draft, number, previous, wanted) {
            Ok(Decision::GoOn(draft))
        } else {
            Err(Error::failed(format!(
                "release {release} was begun as number {} on {}, to expire at {}; now the next number is {number}, it is {}, and \
                 what is begun now expires at {}: it was published before, overtaken, left too long, or is to expire later \
                 than is asked",
                draft.number, draft.created, draft.expires, wanted.now, wanted.expires
            ))
            .help("publish it as the next revision: leave --release out"))
        };
    }
    // A revision after the newest one's. One that was begun and cannot go on is left behind.
    let first = newest
        .and_then(|newest| revision(&newest.index.release, wanted.v8_version))
        .map_or(1, |last| last + 1);
    for revision in first..first.saturating_add(MAX_REVISIONS) {
        let release = format!("{}-{revision}", wanted.v8_version);
        match draft_of(&release)? {
            None => return Ok(Decision::Begin(begin(&release))),
            Some(draft)
                if draft.archives == named
                    && draft.absent == wanted.absent
                    && is_current(&draft, number, previous, wanted) =>
            {
                return Ok(Decision::GoOn(draft));
            }
            Some(_) => {}
        }
    }
    Err(Error::failed(format!("{MAX_REVISIONS} revisions of {} are taken", wanted.v8_version))
        .help("give one with --release"))
}

/// So many drafts that cannot go on would be a loop of something else.
const MAX_REVISIONS: u32 = 1000;

/// Whether it can go on. The file is not signed, and what it says of time will be: an index that never expires would keep
/// everybody on an old release for ever. So it must be of before, and expire no later than one that is begun now.
fn is_current(draft: &Draft, number: u64, previous: Option<Sha256>, wanted: &Wanted<'_>) -> bool {
    let Wanted { now, expires, .. } = wanted;
    let is_in_time = draft.created <= *now && *now < draft.expires && draft.expires <= *expires;
    draft.number == number && draft.previous == previous && is_in_time
}

/// The revision of a release of this V8.
fn revision(release: &str, v8_version: &str) -> Option<u32> {
    release.strip_prefix(v8_version)?.strip_prefix('-')?.parse().ok()
}

fn other_archives(release: &str, there: &[Named], wanted: &[Named]) -> Error {
    let digest = |list: &[Named], name: &str| {
        let found = list.iter().find(|it| it.name == name).map(|it| it.sha256.to_string());
        found.unwrap_or_else(|| "none".to_owned())
    };
    let mut names: Vec<&str> = there.iter().chain(wanted).map(|it| it.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let mut faults: Vec<String> = names
        .into_iter()
        .map(|name| (name, digest(there, name), digest(wanted, name)))
        .filter(|(_, there, wanted)| there != wanted)
        .map(|(name, there, wanted)| format!("{name}: SHA-256 {there} there, {wanted} wanted"))
        .collect();
    if faults.is_empty() {
        faults.push("other targets and variants are declared absent".to_owned());
    }
    Error::all(crate::error::Kind::Failed, &format!("release {release} has other archives"), &faults).help(
        "a published name never changes its bytes: leave --release out, and it becomes the next revision",
    )
}
