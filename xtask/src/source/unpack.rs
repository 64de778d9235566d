//! The files of a package, none of them used unchecked; and how a file of the tree is written.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::Deserialize;

use super::{CratePin, sha256};
use crate::error::{Error, IoContext as _, Result};

/// Every file's modification time, in seconds since 1970: the one that cargo itself writes into packages.
///
/// In the past and always the same, so that a tree made again on another machine does not make ninja rebuild an
/// output folder that was carried there.
const MODIFIED_S: u64 = 1_153_704_088;

/// More than this is no package of ours: V8's has 15,316 files of 0.2 GB.
const MAX_FILES: usize = 100_000;
const MAX_SIZE_BYTES: u64 = 2 << 30;

/// A package as it was published, its bytes compared with the pin.
#[derive(Debug)]
pub enum Package {
    /// The `.crate` file, in memory: what was checked is what is unpacked, whoever writes to the disk in between.
    Archive {
        /// Folder inside the archive that holds everything: `<package>-<version>`.
        top: String,
        /// The `.crate` file.
        bytes: Vec<u8>,
        /// Where it was read.
        path: PathBuf,
    },
    /// A folder of a directory source (`cargo vendor`), with the SHA-256 of each file.
    Folder {
        /// The package's folder.
        path: PathBuf,
        /// From `.cargo-checksum.json`.
        files: BTreeMap<String, String>,
    },
}

/// One regular file of a package.
#[derive(Debug, Clone, Copy)]
pub struct PackageFile<'a> {
    /// Relative to the package, `/` between its parts, and inside it.
    pub path: &'a str,
    /// The whole of it, checked.
    pub bytes: &'a [u8],
    /// Whether its owner may execute it.
    pub executable: bool,
}

/// What is done with each file.
pub type Visitor<'a> = &'a mut dyn FnMut(&PackageFile<'_>) -> Result<()>;

/// What cargo writes beside a vendored package; more keys may come.
#[derive(Deserialize)]
struct Checksums {
    package: Option<String>,
    files: BTreeMap<String, String>,
}

impl Package {
    /// Reads a `.crate` file and compares it with the pin.
    pub fn open_archive(path: &Path, pin: &CratePin) -> Result<Package> {
        let bytes = std::fs::read(path).or_io("read", path)?;
        let found = sha256(&bytes);
        if found != pin.sha256 {
            return Err(Error::failed(format!(
                "{} is not the {} {} that is pinned\n  pinned: {}\n  found:  {found}",
                path.display(),
                pin.package,
                pin.version,
                pin.sha256
            ))
            .help(format!("remove {} and run this again: cargo fetches it once more", path.display())));
        }
        Ok(Package::Archive {
            top: format!("{}-{}", pin.package, pin.version),
            bytes,
            path: path.to_path_buf(),
        })
    }

    /// Reads the checksums of a vendored package; the files are compared with them when they are visited.
    pub fn open_folder(path: &Path, pin: &CratePin) -> Result<Package> {
        let list = path.join(".cargo-checksum.json");
        let text = std::fs::read(&list).or_io("read", &list)?;
        let sums: Checksums = serde_json::from_slice(&text)
            .map_err(|error| Error::failed(format!("{}: {error}", list.display())))?;
        if sums.package.as_deref() != Some(&pin.sha256) {
            return Err(Error::failed(format!(
                "{} is not of the {} {} that is pinned\n  pinned: {}\n  found:  {}",
                list.display(),
                pin.package,
                pin.version,
                pin.sha256,
                sums.package.as_deref().unwrap_or("none")
            ))
            .help("vendor the package again: cargo vendor"));
        }
        Ok(Package::Folder { path: path.to_path_buf(), files: sums.files })
    }

    /// Calls `visit` with each file, in the package's order.
    ///
    /// # Errors
    /// Anything that is no regular file inside the package's own folder, a file that differs from its checksum, and
    /// what `visit` returns.
    pub fn visit(&self, visit: Visitor<'_>) -> Result<()> {
        match self {
            Package::Archive { top, bytes, path } => visit_archive(top, bytes, path, visit),
            Package::Folder { path, files } => visit_folder(path, files, visit),
        }
    }

    /// One file's bytes, `None` if the package does not have it.
    pub fn read(&self, wanted: &str) -> Result<Option<Vec<u8>>> {
        let mut found = None;
        self.visit(&mut |file| {
            if file.path == wanted {
                found = Some(file.bytes.to_vec());
            }
            Ok(())
        })?;
        Ok(found)
    }
}

fn visit_archive(top: &str, bytes: &[u8], archive: &Path, visit: Visitor<'_>) -> Result<()> {
    let fault = |what: &str| Error::failed(format!("{}: {what}", archive.display()));
    let unreadable = |error: std::io::Error| Error::io("unpack", archive, &error);
    let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(bytes).take(MAX_SIZE_BYTES));
    let mut contents = Vec::new();
    for (count, entry) in tar.entries().map_err(unreadable)?.enumerate() {
        let mut entry = entry.map_err(unreadable)?;
        let name = String::from_utf8(entry.path_bytes().into_owned())
            .map_err(|_| fault("a name that is not UTF-8"))?;
        if count >= MAX_FILES {
            return Err(fault("too many files"));
        }
        if entry.header().entry_type() != tar::EntryType::Regular {
            return Err(fault(&format!("{name} is no regular file")));
        }
        let path = name.strip_prefix(top).and_then(|rest| rest.strip_prefix('/'));
        let path = path
            .filter(|path| stays_inside(path))
            .ok_or_else(|| fault(&format!("{name} is not inside {top}/")))?;
        let mode = entry.header().mode().map_err(unreadable)?;
        contents.clear();
        entry.read_to_end(&mut contents).map_err(unreadable)?;
        visit(&PackageFile { path, bytes: &contents, executable: mode & 0o100 != 0 })?;
    }
    Ok(())
}

fn visit_folder(folder: &Path, files: &BTreeMap<String, String>, visit: Visitor<'_>) -> Result<()> {
    for (name, pinned) in files {
        let path = folder.join(name);
        if !stays_inside(name) {
            return Err(Error::failed(format!("{} is not inside {}", path.display(), folder.display())));
        }
        let bytes = std::fs::read(&path).or_io("read", &path)?;
        let found = sha256(&bytes);
        if found != *pinned {
            return Err(Error::failed(format!(
                "{} was changed\n  .cargo-checksum.json: {pinned}\n  found: {found}",
                path.display()
            ))
            .help("vendor the package again: cargo vendor"));
        }
        visit(&PackageFile { path: name, bytes: &bytes, executable: is_executable(&path)? })?;
    }
    Ok(())
}

/// No absolute path, no `..`, nothing that Windows reads as more than a name.
fn stays_inside(path: &str) -> bool {
    !path.contains(['\\', ':', '\0']) && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

#[cfg(unix)]
fn is_executable(path: &Path) -> Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(std::fs::metadata(path).or_io("look at", path)?.permissions().mode() & 0o100 != 0)
}

#[cfg(not(unix))]
fn is_executable(_: &Path) -> Result<bool> {
    Ok(false)
}

/// Writes a file that is not there yet, with the folders above it and the tree's modification time.
pub fn write_new(path: &Path, bytes: &[u8], executable: bool) -> Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, if executable { 0o777 } else { 0o666 });
    #[cfg(not(unix))]
    let _ = executable;
    let mut file = match options.open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let folder = path.parent().unwrap_or(path);
            std::fs::create_dir_all(folder).or_io("create", folder)?;
            options.open(path)
        }
        opened => opened,
    }
    .or_io("create", path)?;
    file.write_all(bytes).or_io("write", path)?;
    set_modified(&file, path)
}

/// Gives an open file the tree's modification time.
pub fn set_modified(file: &File, path: &Path) -> Result<()> {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(MODIFIED_S);
    file.set_modified(time).or_io("set the time of", path)
}
