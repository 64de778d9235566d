//! `clean`: removes what the tool keeps in the cache folder, and nothing else.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{IoContext as _, Result};
use crate::flags::Clean;
use crate::source::node;
use crate::workspace::Workspace;

/// Without flags: V8's trees with their build folders. Objects stay in sccache's folder, so the next build is quick.
pub fn run(flags: &Clean) -> Result<()> {
    let cache = Workspace::open()?.cache;
    let root = cache.root();
    let mut folders: Vec<PathBuf> = [cache.sources(), cache.unpacked(), cache.publishing()]
        .into_iter()
        .chain(["smoke", "logs", "simulate", "zig", "rebuild", "fuzz", "sockets"].map(|name| root.join(name)))
        .chain(bundles(root)?)
        .collect();
    if flags.objects {
        folders.extend([cache.sccache(), cache.used()]);
    }
    if flags.downloads {
        folders.extend([cache.downloads(), cache.depot(), cache.toolchains()]);
        folders.extend([root.join("linters"), node::folder(&cache)]);
    }
    let mut total_bytes = 0;
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        let bytes = size_bytes(folder)?;
        total_bytes += bytes;
        let verb = if flags.dry_run { "would remove" } else { "removing" };
        eprintln!("{verb} {} ({} MiB)", folder.display(), bytes >> 20);
        if !flags.dry_run {
            fs::remove_dir_all(folder).or_io("remove", folder)?;
        }
    }
    if total_bytes == 0 {
        eprintln!("nothing to remove in {}", root.display());
    }
    Ok(())
}

/// What was read or written of a bundle by a process that was killed: each has a folder of its own.
fn bundles(root: &Path) -> Result<Vec<PathBuf>> {
    if !root.is_dir() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(root).or_io("read", root)?.flatten();
    let is_ours = |name: &str| name == "bundle" || name.starts_with("bundle-");
    let mut found: Vec<PathBuf> = entries
        .filter(|entry| is_ours(&entry.file_name().to_string_lossy()))
        .map(|entry| entry.path())
        .collect();
    found.sort();
    Ok(found)
}

/// What a folder holds; links are not followed.
fn size_bytes(folder: &Path) -> Result<u64> {
    let mut total = 0;
    for entry in fs::read_dir(folder).or_io("read", folder)? {
        let entry = entry.or_io("read", folder)?;
        let metadata = entry.metadata().or_io("read", &entry.path())?;
        total += if metadata.is_dir() { size_bytes(&entry.path())? } else { metadata.len() };
    }
    Ok(total)
}
