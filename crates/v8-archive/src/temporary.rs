//! Temporary names beside the final one: same folder, so that the last step is a rename.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::Error;

/// What errors call the last step.
pub(crate) const RENAME: &str = "rename to";

/// A file or folder that is removed when dropped, unless it was moved to its final name.
pub(crate) struct Temporary {
    path: PathBuf,
    kept: bool,
}

impl Temporary {
    /// A new, empty folder beside `target`.
    pub(crate) fn folder(target: &Path) -> Result<Self, Error> {
        Self::create(target, "create folder", |path| fs::create_dir(path)).map(|(temporary, ())| temporary)
    }

    /// A new, empty file beside `target`, readable and writable; those that killed processes left there are removed. A lock
    /// on the file, which dies with its holder, says that it is still written.
    #[cfg(feature = "pack")]
    pub(crate) fn file(target: &Path) -> Result<(Self, File), Error> {
        Self::sweep(target);
        let mut options = File::options();
        options.read(true).write(true).create_new(true);
        let (temporary, file) = Self::create(target, "create", |path| options.open(path))?;
        // Where a file system has no locks, nothing is swept either.
        let _ = file.try_lock();
        Ok((temporary, file))
    }

    /// Best effort: what is left is in nobody's way.
    #[cfg(feature = "pack")]
    fn sweep(target: &Path) {
        let (Some(parent), Some(name)) = (target.parent(), target.file_name()) else { return };
        let begin = format!(".{}.tmp-", name.to_string_lossy());
        for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
            let is_ours = entry.file_name().to_string_lossy().starts_with(&begin)
                && entry.file_type().is_ok_and(|kind| kind.is_file());
            let is_left = is_ours
                && File::options().write(true).open(entry.path()).is_ok_and(|file| file.try_lock().is_ok());
            if is_left {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// The process id keeps two programs apart, the counter two threads, and what a killed one left.
    fn create<T>(
        target: &Path,
        action: &'static str,
        create: impl Fn(&Path) -> io::Result<T>,
    ) -> Result<(Self, T), Error> {
        let name = target.file_name().ok_or_else(|| {
            Error::io(action, target)(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the path has no last part",
            ))
        })?;
        let mut count = 0u32;
        loop {
            let mut temporary = OsString::from(".");
            temporary.push(name);
            temporary.push(format!(".tmp-{}-{count}", std::process::id()));
            let path = target.with_file_name(temporary);
            match create(&path) {
                Ok(value) => return Ok((Self { path, kept: false }, value)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && count < 10_000 => count += 1,
                Err(error) => return Err(Error::io(action, &path)(error)),
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Renames it, and makes the name survive a power cut where the system offers that.
    pub(crate) fn keep(mut self, target: &Path) -> Result<(), Error> {
        fs::rename(&self.path, target).map_err(Error::io(RENAME, target))?;
        self.kept = true;
        #[cfg(unix)]
        {
            let parent =
                target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            File::open(parent).and_then(|folder| folder.sync_all()).map_err(Error::io("sync", parent))?;
        }
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.kept {
            // On the way out of another error: that one is worth reporting, and a leftover has a name that says so.
            let _ =
                if self.path.is_dir() { fs::remove_dir_all(&self.path) } else { fs::remove_file(&self.path) };
        }
    }
}
