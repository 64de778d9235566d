//! An archive that is still coming: hashed as it grows, never longer than its pin, kept for the next run.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use v8_archive::digest::Hasher;
use v8_archive::lock::Pin;

/// As much as is read from a disk or a server at a time.
pub const CHUNK_BYTES: usize = 64 * 1024;

/// A file under a temporary name in the cache; whoever has it holds the archive's lock.
pub struct Partial<'a> {
    path: PathBuf,
    file: File,
    hasher: Hasher,
    have_bytes: u64,
    pin: &'a Pin,
    /// Whether some of it is from an earlier request or process: then wrong bytes may be ours, not the server's.
    resumed: bool,
}

/// Why bytes were not taken.
pub enum Refused {
    /// More than the pin says.
    TooMuch,
    /// The disk.
    Disk(String),
}

impl<'a> Partial<'a> {
    /// Goes on with what is at `path`, if it can be a beginning of the archive.
    ///
    /// # Errors
    /// Names the path.
    pub fn open(path: &Path, pin: &'a Pin) -> Result<Self, String> {
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(false).open(path);
        let file = file.map_err(|error| disk("create", path, &error))?;
        let mut partial = Partial {
            path: path.to_owned(),
            file,
            hasher: Hasher::new(),
            have_bytes: 0,
            pin,
            resumed: false,
        };
        partial.read_on().map_err(|error| disk("read", path, &error))?;
        if partial.have_bytes > pin.size_bytes {
            partial.restart()?;
        }
        Ok(partial)
    }

    fn read_on(&mut self) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK_BYTES];
        // One byte too many is enough to see that it is no beginning.
        let mut reader = (&self.file).take(self.pin.size_bytes + 1);
        loop {
            let count = reader.read(&mut chunk)?;
            if count == 0 {
                break;
            }
            self.hasher.update(&chunk[..count]);
            self.have_bytes += count as u64;
        }
        self.resumed = self.have_bytes > 0;
        Ok(())
    }

    /// How much is there, in bytes.
    pub fn have_bytes(&self) -> u64 {
        self.have_bytes
    }

    /// Whether its length is the pin's.
    pub fn is_full(&self) -> bool {
        self.have_bytes == self.pin.size_bytes
    }

    /// Whether some of it came another time.
    pub fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// What comes next is of another answer than what is there.
    pub fn resume(&mut self) {
        self.resumed = self.have_bytes > 0;
    }

    /// Forgets everything.
    ///
    /// # Errors
    /// Names the path.
    pub fn restart(&mut self) -> Result<(), String> {
        let emptied = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        emptied.map_err(|error| disk("empty", &self.path, &error))?;
        (self.hasher, self.have_bytes, self.resumed) = (Hasher::new(), 0, false);
        Ok(())
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// [`Refused`]; nothing of `bytes` is added then.
    pub fn add(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        if self.have_bytes + bytes.len() as u64 > self.pin.size_bytes {
            return Err(Refused::TooMuch);
        }
        if let Err(error) = self.file.write_all(bytes) {
            // Part of it may be there; what was hashed must be what is on the disk.
            let _ = self.file.set_len(self.have_bytes);
            return Err(Refused::Disk(disk("write", &self.path, &error)));
        }
        self.hasher.update(bytes);
        self.have_bytes += bytes.len() as u64;
        Ok(())
    }

    /// Its digest, if that is not the pin's.
    pub fn wrong_digest(&self) -> Option<String> {
        let found = self.hasher.clone().finish().sha256;
        (found != self.pin.sha256).then(|| found.to_string())
    }

    /// Gives it its name, once it is safe on the disk.
    ///
    /// # Errors
    /// Names the path.
    pub fn store(self, to: &Path, verified: impl FnOnce()) -> Result<(), String> {
        self.file.sync_all().map_err(|error| disk("sync", &self.path, &error))?;
        verified();
        // Windows renames no open file.
        drop(self.file);
        fs::rename(&self.path, to).map_err(|error| disk("rename to", to, &error))?;
        sync_folder(to)
    }

    /// Removes it: what is in it is known to be wrong, or it is empty.
    pub fn remove(self) {
        drop(self.file);
        // If that fails, the next run finds it wrong again.
        let _ = fs::remove_file(&self.path);
    }
}

/// Makes a name that was just given survive a power cut, where the system offers that.
///
/// # Errors
/// Names the folder.
pub fn sync_folder(path: &Path) -> Result<(), String> {
    if let Some(folder) = path.parent()
        && cfg!(unix)
    {
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(|error| disk("sync", folder, &error))?;
    }
    Ok(())
}

/// A disk that refuses is the end of it: another place would not help.
pub fn disk(action: &str, path: &Path, error: &io::Error) -> String {
    let help = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "\nhelp: free some space, or set LIBV8_CACHE_DIR to a folder on another disk"
        }
        io::ErrorKind::FileTooLarge => "\nhelp: raise the limit on the size of files (ulimit -f)",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "\nhelp: set LIBV8_CACHE_DIR to a folder that can be written"
        }
        _ => "\nhelp: set LIBV8_CACHE_DIR to another folder if this one cannot serve",
    };
    format!("cannot {action} {}: {error}{help}", path.display())
}
