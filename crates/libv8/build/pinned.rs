//! The archive that the lock pins: out of the cache, or fetched into it; and what is said if it is nowhere.

use std::path::{Path, PathBuf};

use v8_archive::lock::{Lock, Pin, Release};
use v8_archive::{ArchiveName, Descriptor};

use crate::cache::{Found, Slot};
use crate::fetch::{self, Failure, Http, Tried, TriedKind};
use crate::sources::Source;
use crate::step::{Report, Step};
use crate::unpacked::{self, Unpacked};

/// What is wanted, and the ways to it.
pub struct Pinned<'a> {
    /// What it must be.
    pub pin: &'a Pin,
    /// The release it is of.
    pub release: &'a Release,
    /// Places to fetch it from.
    pub sources: Vec<Source>,
    /// Whether servers are asked.
    pub http: Http<'a>,
    /// The shared cache, if there is a place for one.
    pub cache: Option<PathBuf>,
    /// This project's own folder, for when the cache cannot be written.
    pub out_dir: &'a Path,
    /// Who is told.
    pub report: Report<'a>,
}

/// The pin of the archive to link; the error says what the lock has instead.
pub fn pin<'a>(lock: &'a Lock, wanted: &ArchiveName) -> Result<(&'a Release, &'a Pin), String> {
    let Some(release) = &lock.release else {
        return Err("no release of this V8 is pinned in this crate".to_owned());
    };
    if let Some(pin) = lock.pin(&wanted.stem()) {
        return Ok((release, pin));
    }
    let mut why = format!("release {} has no {}", release.name, wanted.stem());
    let same = |pin: &&Pin| pin.name.target() == wanted.target();
    let variants: Vec<&str> = lock.archives.iter().filter(same).map(|pin| pin.name.variant()).collect();
    if variants.is_empty() {
        why += &format!("; it has nothing for {}", wanted.target());
    } else {
        why +=
            &format!("; for this target it has {}\nhelp: LIBV8_VARIANT={}", variants.join(", "), variants[0]);
    }
    Err(why)
}

impl Pinned<'_> {
    /// The verified folder, once `accept` agrees with its descriptor.
    ///
    /// # Errors
    /// [`Failure`]; `accept`'s error as it is.
    pub fn obtain(&self, accept: impl Fn(&Descriptor) -> Result<(), String>) -> Result<Unpacked, Failure> {
        let own = self.out_dir.join("prebuilt");
        let mut slot = match &self.cache {
            Some(cache) => Slot::new(cache, self.pin),
            None => Slot::own(&own, self.pin),
        };
        let mut found = slot.look(self.pin);
        if let Found::Whole(unpacked) = found {
            return self.accepted(unpacked, accept);
        }
        let shared = slot.archive();
        let guard = match slot.lock(self.report) {
            Ok(guard) => guard,
            Err(why) => {
                (self.report)(&Step::Unwritable { why });
                slot = Slot::own(&own, self.pin);
                slot.lock(self.report).map_err(Failure::Stop)?
            }
        };
        // An archive in a cache that cannot be written is as good as one that can be fetched.
        let is_shared = slot.archive() != shared && matches!(found, Found::Archive(_));
        if !is_shared {
            found = slot.look(self.pin);
        }
        let archive = if is_shared { shared } else { slot.archive() };
        let descriptor = match found {
            Found::Whole(unpacked) => return self.accepted(unpacked, accept),
            Found::Archive(descriptor) => descriptor,
            Found::Nothing { damage } => {
                if let Some(why) = damage {
                    slot.remove_archive(why, self.report).map_err(Failure::Stop)?;
                }
                fetch::fetch(self.pin, &slot, &self.sources, &self.http, self.report)?;
                // Its digest is the pin's, so what this refuses was published so.
                let reader =
                    v8_archive::open(&archive).map_err(|error| Failure::Stop(unpacked::sentence(error)))?;
                reader.into_descriptor()
            }
        };
        // Before 160 MB are unpacked.
        self.check(&descriptor, &accept)?;
        let unpacked = slot.unpack(&archive, self.pin, self.report).map_err(Failure::Stop)?;
        drop(guard);
        Ok(unpacked)
    }

    fn accepted(
        &self,
        unpacked: Unpacked,
        accept: impl Fn(&Descriptor) -> Result<(), String>,
    ) -> Result<Unpacked, Failure> {
        self.check(&unpacked.descriptor, &accept)?;
        Ok(unpacked)
    }

    fn check(
        &self,
        descriptor: &Descriptor,
        accept: &impl Fn(&Descriptor) -> Result<(), String>,
    ) -> Result<(), Failure> {
        accept(descriptor).map_err(Failure::Stop)?;
        if descriptor.build_id == self.pin.build_id {
            return Ok(());
        }
        Err(Failure::Stop(format!(
            "{} says it is of build {}, but its pin is of build {}\nhelp: the lock is wrong; report it",
            self.pin.name, descriptor.build_id, self.pin.build_id
        )))
    }

    /// What was wanted, every place with its result, and the ways out.
    pub fn story(&self, tried: &[Tried]) -> String {
        let Pin { name, size_bytes, sha256, .. } = self.pin;
        let release = &self.release.name;
        let mut text = format!(
            "no archive of V8 to link: wanted is {name} of release {release}, {size_bytes} bytes, sha256 {sha256}"
        );
        match &self.cache {
            Some(cache) => text += &format!("\n{}: it is not in this cache", cache.display()),
            None => text += "\nthere is no cache folder here (no home folder, no LIBV8_CACHE_DIR)",
        }
        for Tried { place, why, .. } in tried {
            text += &format!("\n{place}: {why}");
        }
        text += &format!(
            "\nhelp: get {name} in any way and set LIBV8_ARCHIVE to it (absolute path), or LIBV8_MIRROR to where it can be fetched"
        );
        text
    }
}

/// Whether a program that only reads this crate may go on (`cargo check`, rustdoc): nobody wished a fetch that failed.
/// A mirror that was named and fails is an error, and so is an answer that is none.
pub fn is_soft(tried: &[Tried], has_mirror: bool) -> bool {
    tried.iter().all(|tried| match tried.kind {
        TriedKind::NotAsked => true,
        TriedKind::Unreachable => !has_mirror,
        TriedKind::Failed => false,
    })
}
