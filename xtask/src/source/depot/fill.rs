//! Fetches what a checkout names and writes the tree.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::super::deps::What;
use super::super::{set_modified, write_new};
use super::objects::{self, Pinned};
use super::{Checkout, Part, at_once, gclient, mib};
use crate::error::{Error, IoContext as _, Result};

/// The repository whose date `LASTCHANGE` has: that of the script which upstream makes it by.
const LASTCHANGE_OF: &str = "build";

/// Writes everything at `root`, which is not there yet; `work` is for whatever else has to be written. What was fetched
/// stays in the cache, however this ends: the next run goes on.
///
/// # Errors
/// What could not be fetched, all together; what is not what DEPS names.
pub fn fill(checkout: &Checkout, root: &Path, work: &Path, say: &dyn Fn(&str)) -> Result<()> {
    let by_gclient = checkout.gclient.as_deref();
    let gclients = by_gclient.map(|tools| gclient::sync(checkout, tools, say)).transpose()?;
    fetch(checkout, by_gclient.is_none(), say)?;
    say(&format!("writing the tree of V8 {}", checkout.revision));
    std::fs::create_dir_all(root).or_io("create", root)?;
    // In the order of places: what lies inside another part comes after it.
    for part in checkout.wanted() {
        let to = root.join(&part.place);
        match &part.what {
            What::Git { revision: Some(commit), .. } => match &gclients {
                Some(folder) => gclient::copy(folder, &part.place, commit, &to)?,
                None => checkout.store.checkout(commit, &to, &work.join("index"))?,
            },
            What::Git { revision: None, .. } => {
                return Err(Error::failed(format!("{} is wanted without a commit", part.place)));
            }
            What::Gcs { bucket, objects } => {
                for object in objects {
                    let pinned = Pinned::object(bucket, object, &checkout.mirrors);
                    objects::place_object(object, &pinned.ensure(&checkout.downloads)?, &to)?;
                }
            }
            What::Cipd(packages) => {
                for package in packages {
                    let pinned = Pinned::package(package, &checkout.mirrors)?;
                    objects::place_package(&pinned.ensure(&checkout.downloads)?, &to)?;
                }
            }
        }
    }
    generated(checkout, root)?;
    set_times(root)
}

/// Something to be fetched.
enum Item<'a> {
    Commit { place: &'a str, url: &'a str, commit: &'a str },
    File(Pinned),
}

fn fetch(checkout: &Checkout, with_git: bool, say: &dyn Fn(&str)) -> Result<()> {
    let mut items = Vec::new();
    for Part { place, what, .. } in checkout.wanted() {
        match what {
            What::Git { url, revision: Some(commit) } if with_git && !checkout.store.has(commit) => {
                items.push(Item::Commit { place, url, commit });
            }
            What::Git { .. } => {}
            What::Gcs { bucket, objects } => items.extend(
                objects.iter().map(|object| Item::File(Pinned::object(bucket, object, &checkout.mirrors))),
            ),
            What::Cipd(packages) => {
                for package in packages {
                    items.push(Item::File(Pinned::package(package, &checkout.mirrors)?));
                }
            }
        }
    }
    if !items.is_empty() {
        say(&format!("fetching {} parts of V8 {}", items.len(), checkout.revision));
    }
    let one = |item: &Item<'_>| match item {
        Item::Commit { place, url, commit } => {
            let url = checkout.mirrors.repository(url);
            checkout.store.ensure(&url, commit).map_err(|error| error.about(place))?;
            Ok(format!("{place}, {}", mib(checkout.store.size_bytes(commit).unwrap_or(0))))
        }
        Item::File(pinned) => {
            let path = pinned.ensure(&checkout.downloads)?;
            Ok(format!("{}, {}", pinned.name, mib(path.metadata().or_io("read", &path)?.len())))
        }
    };
    at_once(&items, one, say)
}

/// What hooks and gclient itself would have written.
fn generated(checkout: &Checkout, root: &Path) -> Result<()> {
    let mut files: Vec<(PathBuf, String)> = Vec::new();
    let of = checkout.wanted().find(|part| part.place == LASTCHANGE_OF);
    if let Some(What::Git { revision: Some(commit), .. }) = of.map(|part| &part.what) {
        let object = match &checkout.gclient {
            Some(_) => gclient::commit(checkout, LASTCHANGE_OF, commit)?,
            None => checkout.store.commit(commit)?,
        };
        let (text, time) = last_change(commit, &object)
            .ok_or_else(|| Error::failed(format!("the commit {commit} says no time")))?;
        files.push((root.join("build/util/LASTCHANGE"), text));
        files.push((root.join("build/util/LASTCHANGE.committime"), time));
    }
    if let Some((path, text)) = &checkout.gn_args {
        files.push((root.join(path), text.clone()));
    }
    for (path, text) in files {
        // A repository may have one of its own, which then gives way, as it would to the hook.
        if path.exists() {
            std::fs::remove_file(&path).or_io("remove", &path)?;
        }
        write_new(&path, text.as_bytes(), false)?;
    }
    Ok(())
}

/// `LASTCHANGE` and `LASTCHANGE.committime`, as `build/util/lastchange.py` writes them.
fn last_change(commit: &str, object: &str) -> Option<(String, String)> {
    let (head, message) = object.split_once("\n\n").unwrap_or((object, ""));
    let committer = head.lines().find_map(|line| line.strip_prefix("committer "))?;
    let time_s: i64 = committer.rsplit_once("> ")?.1.split_whitespace().next()?.parse().ok()?;
    let position = message.lines().rev().find_map(|line| line.strip_prefix("Cr-Commit-Position:"));
    let position = position.and_then(|line| line.split_whitespace().last());
    let revision = position.map_or_else(|| commit.to_owned(), |position| format!("{commit}-{position}"));
    Some((format!("LASTCHANGE={revision}\nLASTCHANGE_YEAR={}\n", year(time_s)), time_s.to_string()))
}

/// The year of a time since 1970, in UTC: the proleptic Gregorian calendar by days since 0000-03-01.
fn year(time_s: i64) -> i64 {
    let days = time_s.div_euclid(86_400) + 719_468;
    let era = days.div_euclid(146_097);
    let day = days.rem_euclid(146_097);
    let of_era = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * of_era + of_era / 4 - of_era / 100);
    // Years that begin in March: January and February belong to the next one.
    era * 400 + of_era + i64::from(of_year >= 306)
}

/// Gives every file the tree's time: ninja and sccache must not see when a tree was made.
fn set_times(folder: &Path) -> Result<()> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).or_io("read", &folder)? {
            let entry = entry.or_io("read", &folder)?;
            let (path, kind) = (entry.path(), entry.file_type().or_io("read", &folder)?);
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                set_modified(&File::open(&path).or_io("open", &path)?, &path)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn years() {
        let check = |time_s: i64, expected: i64| assert_eq!(year(time_s), expected, "{time_s}");
        check(0, 1970);
        check(-1, 1969);
        check(1_723_023_372, 2024);
        check(1_735_689_599, 2024);
        check(1_735_689_600, 2025);
        check(951_868_799, 2000);
        check(4_102_444_799, 2099);
    }

    #[test]
    fn last_changes() {
        let check = |object: &str, expected: Option<(&str, &str)>| {
            let found = last_change("abc", object);
            assert_eq!(found.as_ref().map(|(text, time)| (text.as_str(), time.as_str())), expected);
        };
        let head = "tree 1\nauthor A <a@b> 1 +0000\ncommitter C D <c@d> 1723023372 +0200\n\n";
        check(&format!("{head}text\n"), Some(("LASTCHANGE=abc\nLASTCHANGE_YEAR=2024\n", "1723023372")));
        check(
            &format!(
                "{head}text\n\nCr-Commit-Position: refs/heads/main@{{#1}}\nCr-Commit-Position: refs/heads/x@{{#2}}\n"
            ),
            Some(("LASTCHANGE=abc-refs/heads/x@{#2}\nLASTCHANGE_YEAR=2024\n", "1723023372")),
        );
        check("tree 1\n\ntext\n", None);
    }
}
