//! `fuzz`: spoiled inputs for every reader of foreign bytes. Each reader runs in a child process with limits for memory and
//! time, so that a stack overflow, memory without limit and a hang are found as a panic is.
//!
//! Input number n of a seed is always the same: it follows from seed, target and number, so a fault is reproduced by them,
//! and a test of each commit tries other inputs by taking the commit for a seed. What is found becomes a test of the reader.

mod mutate;
mod objects;
mod seeds;
pub mod target;

use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use self::seeds::Seeds;
pub use self::target::Target;
use crate::error::{Error, IoContext as _, Kind, Result};
use crate::flags::Fuzz;
use crate::paths::{self, remove_folder};
use crate::process::{self, Ended};
use crate::signals;
use crate::workspace::Workspace;

/// One input may take this long; a good one takes a thousandth of it.
const HANG: Duration = Duration::from_secs(6);

/// Written by a child before each input: its number, so that the parent knows at which one it died.
const PROGRESS_FILE: &str = "progress";

/// Fuzzes the targets one after the other; or tries one input of one target; or is the child that does the work.
pub fn run(flags: &Fuzz) -> Result<()> {
    match (flags.targets.as_slice(), &flags.input, &flags.child) {
        ([one], Some(file), _) => alone(*one, file),
        ([one], None, Some(folder)) => child(*one, flags, folder),
        (_, Some(_), _) => {
            Err(Error::usage("--input is for one target").help("cargo xtask fuzz TARGET --input FILE"))
        }
        ([], ..) => parent(flags, &Target::REAL),
        (targets, ..) => parent(flags, targets),
    }
}

fn parent(flags: &Fuzz, targets: &[Target]) -> Result<()> {
    let folder = Workspace::open()?.cache.root().join("fuzz");
    let seed = flags.seed.unwrap_or_else(seed_of_commit);
    signals::listen()?;
    let mut faults = Vec::new();
    for target in targets {
        match fuzz(*target, seed, flags, &folder)? {
            Ok((inputs, accepted)) => {
                eprintln!(
                    "{:<20}{inputs} inputs, {accepted} accepted, no fault (seed {seed})",
                    target.name()
                );
            }
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(Error::all(Kind::Failed, "faults were found", &faults)) }
}

/// Another one for each commit; without git always the same.
fn seed_of_commit() -> u64 {
    let mut git = process::command("git");
    git.args(["rev-parse", "HEAD"]).current_dir(paths::repository());
    let commit = process::read(&mut git).unwrap_or_default();
    commit.get(..12).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or(0)
}

/// One target: how many inputs were tried and accepted, or the fault, told for people.
fn fuzz(target: Target, seed: u64, flags: &Fuzz, folder: &Path) -> Result<Result<(u64, u64), String>> {
    // Two runs at once do not meet.
    let folder = folder.join(format!("{}-{}", target.name(), std::process::id()));
    remove_folder(&folder)?;
    fs::create_dir_all(&folder).or_io("create", &folder)?;
    let mut command = process::command(process::this_program()?);
    command.args(["fuzz", &target.name(), "--seed", &seed.to_string(), "--time"]);
    command.arg(format!("{}s", flags.time.as_secs().max(1))).arg("--child").arg(&folder);
    // It ends by itself; the limit is for one that cannot.
    let ran = process::run_limited(&mut command, flags.time + 3 * HANG, &folder.join("log"))?;
    let (number, accepted) = read_progress(&folder)?;
    let verdict = match ran.ended {
        Ended::With(status) if status.success() => Ok((number, accepted)),
        ended => {
            let input = folder.with_file_name(format!("{}-{seed}-{number}", target.name()));
            let bytes = Seeds::new(target, &folder.join("scratch"))?.input(target.seed(seed), number);
            fs::write(&input, bytes).or_io("write", &input)?;
            let said = ran.stderr.lines().filter(|line| !line.trim().is_empty()).take(4).collect::<Vec<_>>();
            let how = match ended {
                Ended::Killed => "it did not end".to_owned(),
                Ended::With(status) => format!("{status}\n    {}", said.join("\n    ")),
            };
            let name = target.name();
            Err(format!("{name}: {how}\n    again: cargo xtask fuzz {name} --input {}", input.display()))
        }
    };
    remove_folder(&folder)?;
    Ok(verdict)
}

/// The number of the input that is tried, from 0 (after the last, how many were), and how many were accepted.
fn read_progress(folder: &Path) -> Result<(u64, u64)> {
    let path = folder.join(PROGRESS_FILE);
    let bytes = fs::read(&path).or_io("read", &path)?;
    let word = |at: usize| {
        let word = bytes.get(at..at + 8).and_then(|word| word.try_into().ok()).map(u64::from_le_bytes);
        word.ok_or_else(|| {
            Error::failed(format!("{} has {} bytes, expected 16", path.display(), bytes.len()))
        })
    };
    Ok((word(0)?, word(8)?))
}

/// Tries one input after the other until the time is up.
fn child(target: Target, flags: &Fuzz, folder: &Path) -> Result<()> {
    let scratch = folder.join("scratch");
    let seeds = Seeds::new(target, &scratch)?;
    fs::create_dir_all(&scratch).or_io("create", &scratch)?;
    let path = folder.join(PROGRESS_FILE);
    let mut file = fs::File::create(&path).or_io("create", &path)?;
    let tried = watch_for_hangs();
    limit_memory()?;
    let seed = target.seed(flags.seed.unwrap_or_default());
    let (end, mut accepted) = (Instant::now() + flags.time, 0);
    for number in 0.. {
        let words = [number, accepted].map(u64::to_le_bytes).concat();
        file.seek(SeekFrom::Start(0)).and_then(|_| file.write_all(&words)).or_io("write", &path)?;
        if Instant::now() >= end {
            break;
        }
        tried.store(number, Ordering::Relaxed);
        accepted += u64::from(target.check(&seeds.input(seed, number), &scratch));
    }
    Ok(())
}

/// Ends this process when an input takes too long; the number of the input that is tried goes into what is returned.
fn watch_for_hangs() -> Arc<AtomicU64> {
    let tried = Arc::new(AtomicU64::new(0));
    let watched = Arc::clone(&tried);
    std::thread::spawn(move || {
        let (mut last, mut since) = (0, Instant::now());
        loop {
            std::thread::sleep(HANG / 20);
            let number = watched.load(Ordering::Relaxed);
            if number != last {
                (last, since) = (number, Instant::now());
            } else if since.elapsed() >= HANG {
                eprintln!("one input took longer than {} s", HANG.as_secs());
                std::process::exit(1);
            }
        }
    });
    tried
}

/// One input of a file, in this process, with what it says.
fn alone(target: Target, file: &Path) -> Result<()> {
    let input = fs::read(file).or_io("read", file)?;
    let scratch: PathBuf = Workspace::open()?.cache.root().join("fuzz/alone");
    remove_folder(&scratch)?;
    fs::create_dir_all(&scratch).or_io("create", &scratch)?;
    limit_memory()?;
    let accepted = target.check(&input, &scratch);
    println!("{} {}", target.name(), if accepted { "accepts it" } else { "refuses it" });
    remove_folder(&scratch)
}

/// From here on an allocation that goes beyond fails, and ends the process. Elsewhere than on Linux it says that it does not.
fn limit_memory() -> Result<()> {
    #[cfg(not(target_os = "linux"))]
    eprintln!("note: on this system the memory of readers has no limit");
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        // Ten times what the readers' own limits add up to.
        const MEMORY_BYTES: u64 = 2 << 30;
        let limit = Rlimit { current: Some(MEMORY_BYTES), maximum: Some(MEMORY_BYTES) };
        setrlimit(Resource::As, limit)
            .map_err(|error| Error::failed(format!("cannot limit the memory of this process: {error}")))?;
    }
    Ok(())
}

impl Target {
    /// Inputs of one target are not those of another, with the same seed.
    fn seed(self, seed: u64) -> u64 {
        self.name().bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
    }
}
