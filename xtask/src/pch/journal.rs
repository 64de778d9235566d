//! What the shim did, a line for each: the only witness of which compiles were real, since ninja's log has no word for that.
//!
//! The shim runs for what sccache does not find, so a C++ object without a line in a run that had a shim came out of
//! the cache. Times are wall-clock times, as ninja's own log has them, so that both can be laid side by side.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::shim::FOLDER;
use crate::error::{IoContext as _, Result};
use crate::process;

/// The file in [`FOLDER`].
const FILE: &str = "compiles.log";

/// What a line tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A run of ninja began, whose compiles go through the shim.
    RunWithShim,
    /// A run of ninja began, of whose compiles nothing will stand here.
    RunWithout,
    /// A compile without a precompiled header.
    Plain,
    /// A compile with one.
    WithHeader,
    /// A compile that failed with its header and was done again without; its time is that of both.
    Again,
    /// A compile that another machine made; its time is that of waiting, and that of preprocessing is not known.
    Away,
    /// The precompiled headers of a target were built, or it was found that none pays.
    Headers,
}

/// Names of events in the file.
const NAMES: [(Event, &str); 7] = [
    (Event::RunWithShim, "run-with-shim"),
    (Event::RunWithout, "run-without"),
    (Event::Plain, "plain"),
    (Event::WithHeader, "with-header"),
    (Event::Again, "again"),
    (Event::Away, "away"),
    (Event::Headers, "headers"),
];

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What happened.
    pub event: Event,
    /// When it began, in milliseconds since 1970.
    pub start_ms: u64,
    /// How long it took, in milliseconds.
    pub wall_ms: u64,
    /// User and system time of the compiler, in milliseconds; 0 where it is not known.
    pub cpu_ms: u64,
    /// The object, or the folder of a target's objects, relative to ninja's folder; empty for a run.
    pub name: String,
}

impl Entry {
    fn parse(line: &str) -> Option<Entry> {
        let mut fields = line.split('\t');
        let name = fields.next()?;
        let event = NAMES.iter().find(|(_, its_name)| *its_name == name)?.0;
        let mut number = || fields.next()?.parse().ok();
        let (start_ms, wall_ms, cpu_ms) = (number()?, number()?, number()?);
        let name = fields.next()?.to_owned();
        fields.next().is_none().then_some(Entry { event, start_ms, wall_ms, cpu_ms, name })
    }

    fn line(&self) -> String {
        let name = NAMES.iter().find(|(event, _)| *event == self.event).expect("all are listed").1;
        format!("{name}\t{}\t{}\t{}\t{}\n", self.start_ms, self.wall_ms, self.cpu_ms, self.name)
    }
}

/// Measures what the compiler is doing from now on.
pub struct Stopwatch {
    start_ms: u64,
    started: Instant,
    cpu_s: Option<f64>,
}

impl Stopwatch {
    /// Starts.
    pub fn start() -> Stopwatch {
        Stopwatch { start_ms: now_ms(), started: Instant::now(), cpu_s: process::children_cpu_s() }
    }

    /// Stops and writes a line. Several processes append, a line at a time; a lost line only makes a report poorer.
    pub fn note(self, event: Event, name: &str) {
        let cpu_s = process::children_cpu_s().zip(self.cpu_s).map_or(0.0, |(after, before)| after - before);
        let entry = Entry {
            event,
            start_ms: self.start_ms,
            wall_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            cpu_ms: (cpu_s * 1000.0).round() as u64,
            name: name.to_owned(),
        };
        if let Ok(mut file) = File::options().create(true).append(true).open(Path::new(FOLDER).join(FILE)) {
            let _ = file.write_all(entry.line().as_bytes());
        }
    }
}

/// Says in `out`, ninja's folder, that a run begins, and whether its compiles go through the shim.
pub fn begin_run(out: &Path, with_shim: bool) -> Result<()> {
    let event = if with_shim { Event::RunWithShim } else { Event::RunWithout };
    let entry = Entry { event, start_ms: now_ms(), wall_ms: 0, cpu_ms: 0, name: String::new() };
    let folder = out.join(FOLDER);
    fs::create_dir_all(&folder).or_io("create", &folder)?;
    let path = folder.join(FILE);
    let mut file = File::options().create(true).append(true).open(&path).or_io("open", &path)?;
    file.write_all(entry.line().as_bytes()).or_io("write", &path)
}

/// All lines of a build folder in the order of time; none if there is no file. Lines that cannot be read are left out.
pub fn read(out: &Path) -> Vec<Entry> {
    let text = fs::read(out.join(FOLDER).join(FILE)).unwrap_or_default();
    let mut entries: Vec<Entry> = String::from_utf8_lossy(&text).lines().filter_map(Entry::parse).collect();
    entries.sort_by_key(|entry| entry.start_ms);
    entries
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_written_as_it_is_read() {
        for (event, _) in NAMES {
            let entry = Entry { event, start_ms: 1, wall_ms: 2, cpu_ms: 3, name: "obj/a b.o".into() };
            assert_eq!(Entry::parse(entry.line().trim_end()), Some(entry));
        }
    }

    #[test]
    fn half_a_line_is_none() {
        for line in ["", "plain\t1\t2", "plain\t1\t2\tx\ta.o", "plan\t1\t2\t3\ta.o", "plain\t1\t2\t3\ta.o\t"]
        {
            assert_eq!(Entry::parse(line), None, "{line:?}");
        }
    }

    #[test]
    fn runs_stand_in_the_order_of_time_and_a_torn_line_between_them_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(folder.path()).is_empty());
        begin_run(folder.path(), true).unwrap();
        let path = folder.path().join(FOLDER).join(FILE);
        let torn = fs::read_to_string(&path).unwrap() + "plain\t7\t2\t3\tobj/a.o\nwith-hea";
        fs::write(&path, torn + "\n").unwrap();
        begin_run(folder.path(), false).unwrap();
        let events: Vec<Event> = read(folder.path()).iter().map(|entry| entry.event).collect();
        assert_eq!(events, [Event::Plain, Event::RunWithShim, Event::RunWithout]);
    }
}
