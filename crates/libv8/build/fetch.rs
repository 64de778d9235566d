//! A pinned archive comes into the cache: each place is asked in turn, and what it gives is believed by digest only.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use v8_archive::lock::Pin;

use crate::cache::Slot;
#[cfg(feature = "fetch")]
use crate::network::{
    client::{Client, Patience},
    download::Download,
    settings::Settings,
};
use crate::partial::{CHUNK_BYTES, Partial, Refused};
use crate::sources::Source;
use crate::step::{Report, Step};

/// Why a place gave nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Miss {
    /// Another may be asked.
    Next {
        /// The reason.
        why: String,
        /// Whether nobody was there at all.
        unreachable: bool,
    },
    /// It gave something else. No other is asked: who fetches must know of it.
    Wrong {
        /// The reason.
        why: String,
        /// Whether bytes of it are in the partial file.
        spoiled: bool,
    },
    /// Our own disk.
    Disk(String),
}

/// What became of asking a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// The place.
    pub place: String,
    /// The result.
    pub why: String,
    /// How bad that is.
    pub kind: TriedKind,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TriedKind {
    /// It was not asked, as the user wished, or had nothing.
    NotAsked,
    /// Nobody was there.
    Unreachable,
    /// It answered, and gave no archive.
    Failed,
}

/// Why there is no archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// None of these had it.
    Nowhere(Vec<Tried>),
    /// Something that must not be passed over.
    Stop(String),
}

/// Whether servers are asked, and how.
pub enum Http<'a> {
    /// They are not, for this reason.
    Off(&'a str),
    /// They are.
    #[cfg(feature = "fetch")]
    On {
        /// Proxies and certificates.
        settings: &'a Settings,
        /// Limits of time.
        patience: &'a Patience,
    },
}

/// Puts the archive of `pin` into `slot`, whose lock is held.
///
/// # Errors
/// [`Failure`]. What came and may be right is kept for the next run.
pub fn fetch(
    pin: &Pin,
    slot: &Slot,
    sources: &[Source],
    http: &Http<'_>,
    report: Report<'_>,
) -> Result<(), Failure> {
    let mut partial = Partial::open(&slot.partial(), pin).map_err(Failure::Stop)?;
    let mut tried = Vec::new();
    for source in sources {
        let result = match (source, http) {
            (Source::File(path), _) => copy(path, &mut partial, pin, report),
            (Source::Http { .. }, Http::Off(why)) => {
                let why = (*why).to_owned();
                tried.push(Tried { place: source.label(), why, kind: TriedKind::NotAsked });
                continue;
            }
            #[cfg(feature = "fetch")]
            (Source::Http { url, credentials }, Http::On { settings, patience }) => {
                let client = Client::new(settings, patience).map_err(Failure::Stop)?;
                let (credentials, validator) = (credentials.as_deref(), &slot.validator());
                Download { url, credentials, pin, validator, client: &client, patience, report }
                    .run(&mut partial)
            }
        };
        match result {
            Ok(()) => {
                partial.store(&slot.archive(), || report(&Step::Verified)).map_err(Failure::Stop)?;
                let _ = fs::remove_file(slot.validator());
                report(&Step::Stored(slot.archive()));
                return Ok(());
            }
            Err(Miss::Next { why, unreachable }) => {
                let kind = if unreachable { TriedKind::Unreachable } else { TriedKind::Failed };
                tried.push(Tried { place: source.label(), why, kind });
            }
            Err(Miss::Wrong { why, spoiled }) => {
                if spoiled || partial.have_bytes() == 0 {
                    partial.remove();
                }
                return Err(Failure::Stop(why));
            }
            Err(Miss::Disk(why)) => return Err(Failure::Stop(why)),
        }
    }
    if partial.have_bytes() == 0 {
        partial.remove();
    }
    Err(Failure::Nowhere(tried))
}

/// From a folder of this machine.
fn copy(path: &Path, partial: &mut Partial<'_>, pin: &Pin, report: Report<'_>) -> Result<(), Miss> {
    let next = |error: std::io::Error| Miss::Next { why: error.to_string(), unreachable: false };
    let wrong = |what: String, spoiled: bool| {
        let why = format!(
            "{}: this is not the file that was pinned: {what}\n\
             help: a mirror of your own must hold the same bytes as the release",
            path.display()
        );
        Miss::Wrong { why, spoiled }
    };
    let mut file = File::open(path).map_err(next)?;
    let found = file.metadata().map_err(next)?.len();
    if found != pin.size_bytes {
        return Err(wrong(format!("it has {found} bytes, pinned are {}", pin.size_bytes), false));
    }
    report(&Step::Asking { place: path.display().to_string(), have_bytes: 0 });
    partial.restart().map_err(Miss::Disk)?;
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let count = file.read(&mut chunk).map_err(next)?;
        if count == 0 {
            break;
        }
        partial.add(&chunk[..count]).map_err(|refused| match refused {
            Refused::TooMuch => wrong("it grows while it is read".to_owned(), true),
            Refused::Disk(why) => Miss::Disk(why),
        })?;
    }
    match partial.wrong_digest() {
        None => Ok(()),
        Some(sha256) => Err(wrong(format!("it has sha256 {sha256}, pinned is {}", pin.sha256), true)),
    }
}
