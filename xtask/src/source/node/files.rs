//! The files of Node's tree that V8 is built from, read from a tarball or a folder; none of them outside it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Component, Path};

use super::Place;
use crate::error::{Error, IoContext as _, Result};
use crate::source::unpack::{PackageFile, Visitor};

/// Longer than any file of V8 or ICU: ICU's data has 32 MB.
const MAX_FILE_BYTES: u64 = 512 << 20;

/// What of Node's tree building V8 reads. Folders end with `/`.
const WANTED: [&str; 12] = [
    "LICENSE",
    "common.gypi",
    "configure.py",
    "deps/icu-small/",
    "deps/v8/",
    "src/node_version.h",
    "tools/configure.d/",
    "tools/getmoduleversion.py",
    "tools/getnapibuildversion.py",
    "tools/gyp/",
    "tools/icu/",
    "tools/v8_gypfiles/",
];

/// What is not, of these.
const UNWANTED: [&str; 3] = ["deps/v8/test/", "deps/v8/tools/turbolizer/", "tools/gyp/test/"];

/// And what of that is: V8 has Torque's own test among the files of its built-ins.
const STILL_WANTED: &str = "deps/v8/test/torque/";

/// Imported by configure, whatever it is asked for.
const MODULES: [&str; 2] = ["tools/gyp_node.py", "tools/utils.py"];

/// Whether a path of Node's tree is of V8's.
pub fn is_wanted(path: &str) -> bool {
    let covers = |one: &&str| if one.ends_with('/') { path.starts_with(*one) } else { path == *one };
    (WANTED.iter().any(covers) || MODULES.contains(&path))
        && (path.starts_with(STILL_WANTED) || !UNWANTED.iter().any(covers))
}

/// Visits every wanted file: those of a folder in the order of their paths, those of a tarball in its own.
///
/// # Errors
/// The visitor's; what cannot be read; a wanted path that is neither a file nor a folder, or leads out of the tree.
pub fn visit(place: &Place, visit: Visitor<'_>) -> Result<()> {
    match place {
        Place::Tarball(path) => visit_tarball(path, visit),
        Place::Folder(path) => visit_folder(path, path, visit),
    }
}

fn visit_tarball(path: &Path, visit: Visitor<'_>) -> Result<()> {
    let mut file = File::open(path).or_io("open", path)?;
    let mut head = [0; 6];
    let count = file.read(&mut head).or_io("read", path)?;
    let file = File::open(path).or_io("open", path)?;
    match &head[..count] {
        [0xfd, b'7', b'z', b'X', b'Z', 0] => untar(lzma_rust2::XzReader::new(file, true), path, visit),
        [0x1f, 0x8b, ..] => untar(flate2::read::MultiGzDecoder::new(file), path, visit),
        _ => Err(Error::usage(format!("{} is neither a .tar.xz nor a .tar.gz", path.display()))),
    }
}

fn untar(packed: impl Read, path: &Path, visit: Visitor<'_>) -> Result<()> {
    let unreadable = |error: std::io::Error| Error::io("unpack", path, &error);
    let fault = |what: String| Error::failed(format!("{}: {what}", path.display()));
    let mut tar = tar::Archive::new(packed);
    let mut bytes = Vec::new();
    for entry in tar.entries().map_err(unreadable)? {
        let mut entry = entry.map_err(unreadable)?;
        let name = entry.path().map_err(unreadable)?.into_owned();
        let Some(relative) = below_top(&name).map_err(&fault)? else { continue };
        let kind = entry.header().entry_type();
        if !is_wanted(&relative) || kind == tar::EntryType::Directory {
            continue;
        }
        if kind != tar::EntryType::Regular {
            return Err(fault(format!("{} is no regular file", name.display())));
        }
        if entry.size() > MAX_FILE_BYTES {
            return Err(fault(format!("{} has {} bytes", name.display(), entry.size())));
        }
        bytes.clear();
        entry.read_to_end(&mut bytes).map_err(unreadable)?;
        let executable = entry.header().mode().is_ok_and(|mode| mode & 0o100 != 0);
        visit(&PackageFile { path: &relative, bytes: &bytes, executable })?;
    }
    Ok(())
}

/// The path below the one folder that a release has at the top; nothing for that folder itself.
fn below_top(name: &Path) -> std::result::Result<Option<String>, String> {
    let mut parts = Vec::new();
    for part in name.components() {
        match part {
            Component::Normal(part) => {
                parts.push(part.to_str().ok_or_else(|| format!("{} is not UTF-8", name.display()))?);
            }
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return Err(format!("{} does not stay inside", name.display()));
            }
        }
    }
    Ok((parts.len() > 1).then(|| parts[1..].join("/")))
}

fn visit_folder(top: &Path, folder: &Path, visit: Visitor<'_>) -> Result<()> {
    let mut entries = BTreeMap::new();
    for entry in std::fs::read_dir(folder).or_io("read", folder)? {
        let entry = entry.or_io("read", folder)?;
        entries.insert(entry.file_name(), entry.path());
    }
    for path in entries.into_values() {
        let relative =
            path.strip_prefix(top).expect("it was found below").to_string_lossy().replace('\\', "/");
        let metadata = path.symlink_metadata().or_io("read", &path)?;
        if metadata.is_dir() {
            let inside = format!("{relative}/");
            let leads = WANTED.iter().chain(&MODULES).any(|one| one.starts_with(&inside));
            if leads || is_wanted(&inside) || STILL_WANTED.starts_with(&inside) {
                visit_folder(top, &path, visit)?;
            }
        } else if is_wanted(&relative) {
            if !metadata.is_file() {
                return Err(Error::failed(format!("{} is no regular file", path.display())));
            }
            let bytes = std::fs::read(&path).or_io("read", &path)?;
            visit(&PackageFile { path: &relative, bytes: &bytes, executable: is_executable(&metadata) })?;
        }
    }
    Ok(())
}

#[cfg(unix)]
fn is_executable(metadata: &std::fs::Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o100 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &std::fs::Metadata) -> bool {
    false
}
