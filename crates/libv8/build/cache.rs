//! The cache: archives by digest and the folders they were unpacked to, shared between projects and processes.
//!
//! For each pin there is `<stem>-<digest>` (the folder that is linked), the archive of the same name, and while it is
//! fetched `.part` and `.etag`. Everything appears under its name by one rename, under the lock `.lock`, which dies with its
//! holder. A run trusts nothing that lies here: from the pin to the archive, to its descriptor, to each file, all digests
//! are computed again before anything is linked. So who only reads needs no lock, and a cache may be read-only or copied.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use v8_archive::lock::Pin;
use v8_archive::{Descriptor, Format, Limits, Sha256};

use crate::partial::{disk, sync_folder};
use crate::step::{Report, Step};
use crate::unpacked::{self, Unpacked};

/// Hexadecimal digits of the digest in names: enough to tell archives apart, short enough for Windows' limit on paths.
const NAME_DIGITS: usize = 16;
/// How long another process may take to fetch an archive before its lock is an error.
const LOCK_LIMIT: Duration = Duration::from_secs(3600);
/// How often the lock is tried.
const LOCK_INTERVAL: Duration = Duration::from_millis(50);

/// The names that belong to one pin.
pub struct Slot {
    root: PathBuf,
    name: String,
    extension: &'static str,
    is_own: bool,
}

/// What lies in a slot.
pub enum Found {
    /// All of it, verified.
    Whole(Unpacked),
    /// The archive, verified; its folder is absent or damaged.
    Archive(Descriptor),
    /// No archive, or one that is damaged for this reason.
    Nothing { damage: Option<String> },
}

impl Slot {
    /// That of `pin` in the cache at `root`.
    pub fn new(root: &Path, pin: &Pin) -> Slot {
        let name = format!("{}-{}", pin.name.stem(), &pin.sha256.to_string()[..NAME_DIGITS]);
        Slot { root: root.to_owned(), name, extension: pin.name.format().extension(), is_own: false }
    }

    /// The same in a folder of this project alone, whose processes cargo already keeps apart.
    pub fn own(root: &Path, pin: &Pin) -> Slot {
        Slot { is_own: true, ..Slot::new(root, pin) }
    }

    fn path(&self, extension: &str) -> PathBuf {
        self.root.join(format!("{}.{extension}", self.name))
    }

    /// Where the archive lies.
    pub fn archive(&self) -> PathBuf {
        self.path(self.extension)
    }

    /// Where its folder lies.
    pub fn folder(&self) -> PathBuf {
        self.root.join(&self.name)
    }

    /// Where the archive grows.
    pub fn partial(&self) -> PathBuf {
        self.path("part")
    }

    /// What its server called that state of it, and the server.
    pub fn validator(&self) -> PathBuf {
        self.path("etag")
    }

    /// Looks, and verifies whatever is there. What cannot be read is not there.
    pub fn look(&self, pin: &Pin) -> Found {
        let archive = self.archive();
        if fs::metadata(&archive).is_err() {
            return Found::Nothing { damage: None };
        }
        let damage = |why: String| Found::Nothing { damage: Some(why) };
        match Sha256::of_file(&archive) {
            Ok(found) if (found.size_bytes, found.sha256) == (pin.size_bytes, pin.sha256) => {}
            Ok(found) => {
                return damage(format!(
                    "it has {} bytes and sha256 {}, pinned are {} and {}",
                    found.size_bytes, found.sha256, pin.size_bytes, pin.sha256
                ));
            }
            Err(error) => return damage(error.to_string()),
        }
        let descriptor = match v8_archive::open(&archive) {
            Ok(reader) => reader.into_descriptor(),
            Err(error) => return damage(error.to_string()),
        };
        match unpacked::from_folder(&self.folder(), |found| {
            if *found == descriptor { Ok(()) } else { Err("another descriptor".to_owned()) }
        }) {
            Ok(unpacked) => Found::Whole(unpacked),
            Err(_) => Found::Archive(descriptor),
        }
    }

    /// Waits until no other process works here; the lock goes with the file. The error says why the cache cannot be written.
    pub fn lock(&self, report: Report<'_>) -> Result<File, String> {
        self.lock_by(&File::try_lock, report)
    }

    /// The same with the lock of `try_lock`, for tests: some file systems of clusters have none, and cargo goes on there too.
    pub fn lock_by(
        &self,
        try_lock: &dyn Fn(&File) -> Result<(), TryLockError>,
        report: Report<'_>,
    ) -> Result<File, String> {
        fs::create_dir_all(&self.root)
            .map_err(|error| format!("cannot create {}: {error}", self.root.display()))?;
        let path = self.path("lock");
        let mut options = File::options();
        let file = options.write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(|error| format!("cannot create {}: {error}", path.display()))?;
        let start = Instant::now();
        let mut waits = false;
        loop {
            match try_lock(&file) {
                Ok(()) => break,
                Err(TryLockError::Error(error)) if self.is_own => {
                    report(&Step::NoLock { why: format!("cannot lock {}: {error}", path.display()) });
                    break;
                }
                Err(TryLockError::WouldBlock) if start.elapsed() < LOCK_LIMIT => {
                    if !waits {
                        report(&Step::Waiting(path.clone()));
                    }
                    waits = true;
                    thread::sleep(LOCK_INTERVAL);
                }
                Err(error) => return Err(format!("cannot lock {}: {error}", path.display())),
            }
        }
        // A lock file of better times may still be written where nothing else is.
        let probe = self.path("probe");
        let probed = File::create(&probe).and_then(|_| fs::remove_file(&probe));
        probed.map_err(|error| format!("cannot create {}: {error}", probe.display()))?;
        report(&Step::Locked);
        Ok(file)
    }

    /// Unpacks `archive` into this slot, whose lock is held.
    ///
    /// # Errors
    /// Names the path. There is no folder under its name then.
    pub fn unpack(&self, archive: &Path, pin: &Pin, report: Report<'_>) -> Result<Unpacked, String> {
        let folder = self.folder();
        self.sweep(report)?;
        let temporary = self.root.join(format!(".{}", self.name));
        let mut limits = Limits::default();
        if pin.name.format() != Format::Zip {
            limits.max_total_bytes = pin.unpacked_size_bytes;
        }
        let descriptor = v8_archive::unpack(archive, &temporary, &limits).map_err(|error| match error {
            v8_archive::Error::Io { action, path, source } => disk(action, &path, &source),
            other => unpacked::sentence(other),
        })?;
        let paths = watched(&descriptor, &temporary);
        paths.iter().try_for_each(|path| settle(path).map_err(|error| disk("sync", path, &error)))?;
        report(&Step::Unpacked);
        fs::rename(&temporary, &folder).map_err(|error| disk("rename to", &folder, &error))?;
        sync_folder(&folder)?;
        report(&Step::Renamed(folder.clone()));
        Ok(Unpacked { root: folder, descriptor })
    }

    /// Removes a damaged folder, and what a process that was killed left here.
    fn sweep(&self, report: Report<'_>) -> Result<(), String> {
        let (folder, hidden) = (self.folder(), format!(".{}", self.name));
        if fs::symlink_metadata(&folder).is_ok() {
            // Away under another name first: half a folder must not be found under this one.
            let away = self.root.join(format!("{hidden}.damaged"));
            if fs::symlink_metadata(&away).is_ok() {
                fs::remove_dir_all(&away).map_err(|error| disk("remove", &away, &error))?;
            }
            fs::rename(&folder, &away).map_err(|error| disk("rename", &folder, &error))?;
            report(&Step::Removed { path: folder, why: "it is not what the archive holds".to_owned() });
        }
        let entries = fs::read_dir(&self.root).map_err(|error| disk("read", &self.root, &error))?;
        for entry in entries {
            let path = entry.map_err(|error| disk("read", &self.root, &error))?.path();
            // Also the temporary names of `v8_archive::unpack`, which begin with two dots then.
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with(&hidden) || name.starts_with(&format!(".{hidden}")) {
                fs::remove_dir_all(&path).map_err(|error| disk("remove", &path, &error))?;
            }
        }
        Ok(())
    }

    /// Removes an archive that is damaged.
    ///
    /// # Errors
    /// Names the path.
    pub fn remove_archive(&self, why: String, report: Report<'_>) -> Result<(), String> {
        let path = self.archive();
        fs::remove_file(&path).map_err(|error| disk("remove", &path, &error))?;
        report(&Step::Removed { path, why });
        Ok(())
    }
}

/// The files of an unpacked archive that cargo watches: if one vanishes (a cache was cleaned), the script runs again.
pub fn watched(descriptor: &Descriptor, root: &Path) -> Vec<PathBuf> {
    let libraries = descriptor.libraries.iter().map(|library| root.join(&library.path));
    std::iter::once(root.join(v8_archive::DESCRIPTOR_FILE)).chain(libraries).collect()
}

/// Safe on the disk, and older than any run of this script: cargo runs it again for what is younger.
fn settle(path: &Path) -> std::io::Result<()> {
    let file = File::options().write(true).open(path)?;
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000))?;
    file.sync_all()
}
