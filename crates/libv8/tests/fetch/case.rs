//! An archive, its pin, an empty cache, and the build script's code let loose on them.

use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use v8_archive::lock::{Lock, Pin, Release};

use crate::archives::{self, Folder, VERSION, noise};
use crate::cache::Slot;
use crate::fetch::{Failure, Http};
use crate::network::client::Patience;
use crate::network::settings::Settings;
use crate::pinned::Pinned;
use crate::sources;
use crate::step::Step;
use crate::unpacked::Unpacked;

/// Bytes of the library: what does not compress, enough for several chunks and for progress to count.
const LIBRARY_BYTES: usize = 700_000;

pub struct Case {
    pub work: Folder,
    pub pin: Pin,
    pub release: Release,
    /// The archive's bytes.
    pub bytes: Vec<u8>,
    pub settings: Settings,
    pub patience: Patience,
    /// What was reported, in order.
    pub steps: Mutex<Vec<Step>>,
}

impl Case {
    pub fn new() -> Case {
        let work = Folder::new();
        let packed = archives::pack(&work.path, "release", &noise(LIBRARY_BYTES));
        fs::create_dir(work.path.join("out")).unwrap();
        let pin = Pin {
            name: packed.path.file_name().unwrap().to_str().unwrap().parse().unwrap(),
            size_bytes: packed.size_bytes,
            sha256: packed.sha256,
            unpacked_size_bytes: packed.tar.size_bytes,
            unpacked_sha256: packed.tar.sha256,
            build_id: packed.descriptor.build_id,
        };
        let release = Release {
            name: format!("{VERSION}-1"),
            number: 1,
            index_sha256: pin.sha256,
            // Nobody listens there: whoever asks the origin behind a mirror's back fails.
            origin: "http://127.0.0.1:9/{release}/{name}".into(),
        };
        let patience = Patience {
            connect: Duration::from_secs(10),
            stall: Duration::from_secs(10),
            window: Duration::from_secs(10),
            least_bytes: 1,
            back_off: Duration::from_millis(1),
            longest_wait: Duration::from_secs(2),
            requests: 3,
        };
        let bytes = fs::read(&packed.path).unwrap();
        let steps = Mutex::new(Vec::new());
        Case { work, pin, release, bytes, settings: Settings::default(), patience, steps }
    }

    /// The lock that a user would commit.
    pub fn lock(&self) -> Lock {
        let release = Some(self.release.clone());
        Lock { v8_version: VERSION.into(), release, archives: vec![self.pin.clone()] }
    }

    pub fn cache(&self) -> PathBuf {
        self.work.path.join("cache")
    }

    pub fn slot(&self) -> Slot {
        Slot::new(&self.cache(), &self.pin)
    }

    /// What the build script does, with these mirrors.
    pub fn obtain(&self, mirror: &str) -> Result<Unpacked, Failure> {
        self.obtain_with(Some(mirror), Some(self.cache()))
    }

    pub fn obtain_with(&self, mirror: Option<&str>, cache: Option<PathBuf>) -> Result<Unpacked, Failure> {
        let not_asked = self.settings.offline.map(|why| format!("not asked: {why}"));
        let http = match &not_asked {
            Some(why) => Http::Off(why),
            None => Http::On { settings: &self.settings, patience: &self.patience },
        };
        let out_dir = self.work.path.join("out");
        let report = |step: &Step| self.steps.lock().unwrap().push(step.clone());
        let sources = sources::of(mirror, &self.release, &self.pin).unwrap();
        let (pin, release) = (&self.pin, &self.release);
        Pinned { pin, release, sources, http, cache, out_dir: &out_dir, report: &report }.obtain(|_| Ok(()))
    }

    /// It must work, and be exactly the archive; gives the folder.
    #[track_caller]
    pub fn must(&self, mirror: &str) -> Unpacked {
        let unpacked = self.obtain(mirror).unwrap_or_else(|failure| panic!("{failure:?}\n{:?}", self.said()));
        assert_eq!(fs::read(unpacked.root.join("lib/libv8.a")).unwrap(), noise(LIBRARY_BYTES));
        assert_eq!(fs::read(self.slot().archive()).unwrap(), self.bytes);
        unpacked
    }

    /// It must fail, leave no archive and no folder, and stop at once; gives the reason.
    #[track_caller]
    pub fn stops(&self, mirror: &str) -> String {
        let Err(Failure::Stop(why)) = self.obtain(mirror) else {
            panic!("it did not stop: {:?}", self.said())
        };
        self.assert_nothing_is_trusted();
        assert!(!self.slot().partial().exists(), "wrong bytes are not kept");
        why
    }

    /// It must find nothing, and leave no archive and no folder; gives what each place said.
    #[track_caller]
    pub fn misses(&self, mirror: &str) -> String {
        let Err(Failure::Nowhere(tried)) = self.obtain(mirror) else { panic!("{:?}", self.said()) };
        self.assert_nothing_is_trusted();
        tried.iter().map(|tried| format!("{}: {}\n", tried.place, tried.why)).collect()
    }

    #[track_caller]
    fn assert_nothing_is_trusted(&self) {
        let slot = self.slot();
        assert!(!slot.archive().exists() && !slot.folder().exists());
    }

    /// What was reported, as people see it.
    pub fn said(&self) -> String {
        self.steps.lock().unwrap().iter().map(|step| format!("{step}\n")).collect()
    }
}
