//! `publish`: a complete, signed release in a store.

use std::fs::{self, File};
use std::path::PathBuf;

use v8_archive::index::{Index, Moment};

use crate::error::{Error, IoContext as _, Result};
use crate::flags::Publish;
use crate::paths::{self, Cache};
use crate::publish::{self, Archive, Draft, Plan, Release, Selection, SigningKey, Wanted};
use crate::signals;
use crate::source;
use crate::store::Store;
use crate::workspace::Workspace;

use super::lock::trusted_keys;

/// Verifies all archives, decides, and publishes; or makes a key.
pub fn run(flags: &Publish) -> Result<()> {
    if let Some(file) = &flags.new_key {
        let public = publish::new_key(file)?;
        eprintln!(
            "keep {} secret; who is to believe your releases needs {}",
            file.display(),
            public.display()
        );
        println!("{}", public.display());
        return Ok(());
    }
    signals::listen()?;
    let workspace = Workspace::open()?;
    let store = Store::open(flags.to.as_deref().unwrap_or_default())?;
    let selection = Selection::new(&workspace.matrix, &flags.targets, &flags.variants, &flags.absent)?;
    let v8_version = &workspace.matrix.v8.version;
    if let Some(release) = &flags.release {
        v8_archive::lock::check_release(release, v8_version).map_err(Error::usage)?;
    }
    // A dry run needs no key, except to believe what is in the store.
    let key = match SigningKey::from_environment() {
        Ok(key) => Some(key),
        Err(_) if flags.dry_run => None,
        Err(error) => return Err(error),
    };
    let mut keys = trusted_keys(&workspace.repository, &flags.keys)?;
    keys.extend(key.as_ref().map(|key| key.public().clone()));
    let folder = flags.from.clone().unwrap_or_else(|| workspace.repository.join("artifacts"));
    let paths = selection.find(&folder, v8_version)?;
    let mut archives = publish::open_all(&paths)?;
    archives.sort_by(|one, other| one.name.cmp(&other.name));
    for archive in &mut archives {
        archive.icu_data = publish::icu_data(&workspace, &archive.descriptor)?;
    }

    let work = Work::begin(&workspace.cache)?;
    let wanted = Wanted {
        release: flags.release.as_deref(),
        v8_version,
        archives: &archives,
        absent: &selection.absent,
        now: publish::moment(0),
        expires: publish::moment(flags.expires_in),
    };
    let (release, key) = match (publish::plan(&store, &wanted, &keys, &work.folder)?, key) {
        (Plan::Published(index), _) => {
            return nothing_to_do(&store, &index, &wanted.now, flags.dry_run, &work);
        }
        (Plan::Upload(release), _) if flags.dry_run => {
            print!("{}", shown(&store, &release, &archives));
            return Ok(());
        }
        (Plan::Upload(release), Some(key)) => (release, key),
        (Plan::Upload(_), None) => unreachable!("without a key there is a dry run only"),
    };
    let name = &release.draft.release;
    let word = if release.is_begun { "going on with" } else { "beginning" };
    let Draft { number, expires, .. } = &release.draft;
    eprintln!("{word} release {name} (number {number}, expires {expires}) in {store}");
    publish::publish(&store, &release, &archives, &key, &work.folder)?;
    eprintln!("{name} is the newest release of {store}\n  cargo xtask lock --from {store}   pins it");
    println!("{name}");
    Ok(())
}

fn nothing_to_do(store: &Store, index: &Index, now: &Moment, is_dry: bool, work: &Work) -> Result<()> {
    let Index { release, expires, .. } = index;
    if !is_dry {
        publish::audit(store, index, &work.folder)?;
    }
    eprintln!("nothing to do: {release} is the newest release of {store}, with just these archives");
    if now >= expires {
        return Err(Error::failed(format!(
            "the index of {release} has expired at {expires}, and lock refuses it"
        ))
        .help(format!(
            "cargo xtask publish --release {}   publishes the same archives anew",
            next(release)
        )));
    }
    println!("{release}");
    Ok(())
}

/// The revision after this one.
fn next(release: &str) -> String {
    let (version, revision) = release.rsplit_once('-').unwrap_or((release, "0"));
    format!("{version}-{}", revision.parse::<u32>().unwrap_or(0).saturating_add(1))
}

/// The whole plan, for people.
fn shown(store: &Store, release: &Release, archives: &[Archive]) -> String {
    let Release { draft, is_begun, files, .. } = release;
    let begun = if *is_begun { ", begun before" } else { "" };
    let mut text = format!("release  {} (number {}{begun})\nstore    {store}\n", draft.release, draft.number);
    match draft.previous {
        Some(previous) => text.push_str(&format!("replaces the index with SHA-256 {previous}\n")),
        None => text.push_str("replaces nothing: it is the store's first\n"),
    }
    text.push_str(&format!("expires  {}\n", draft.expires));
    for Archive { name, packed, .. } in archives {
        text.push_str(&format!("put      {name}  {} bytes  SHA-256 {}\n", packed.size_bytes, packed.sha256));
    }
    for file in files {
        let sized = file.sized();
        text.push_str(&format!(
            "put      {}  {} bytes  SHA-256 {}\n",
            file.name, sized.size_bytes, sized.sha256
        ));
    }
    for absent in &draft.absent {
        text.push_str(&format!("absent   {} {}: {}\n", absent.target, absent.variant, absent.reason));
    }
    text + "sign     index.json\ncommit   latest.json\n"
}

/// A folder for what is made and read meanwhile, for one process at a time; gone at the end.
pub struct Work {
    /// The folder.
    pub folder: PathBuf,
    _lock: File,
}

impl Work {
    /// Waits for another `publish` or `lock` that works in it, and says so.
    pub fn begin(cache: &Cache) -> Result<Work> {
        let root = cache.publishing();
        fs::create_dir_all(&root).or_io("create", &root)?;
        let lock = source::lock(&root.join("lock"), &|line| eprintln!("{line}"))?;
        let folder = root.join("work");
        // What a killed process has left.
        paths::remove_folder(&folder)?;
        fs::create_dir_all(&folder).or_io("create", &folder)?;
        Ok(Work { folder, _lock: lock })
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // The next one removes it as well.
        let _ = paths::remove_folder(&self.folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_revision() {
        assert_eq!(next("15.2.124.1-1"), "15.2.124.1-2");
        assert_eq!(next("15.2.124.1-99"), "15.2.124.1-100");
    }
}
