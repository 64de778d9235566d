//! What a build was like, put together from what its folder says: ninja's log, the shim's journal, `build.json`.

mod lanes;
mod ninja_log;
mod page;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::compile::Statistics;
use crate::error::{Error, IoContext as _, Result};
use crate::pch::Groups;
use crate::pch::journal::{self, Event};
use crate::pch::shim;

pub use page::html;

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    /// Compiled with a precompiled header.
    WithHeader,
    /// Compiled as it stands.
    Plain,
    /// Compiled with a header, which failed, and then as it stands.
    Again,
    /// Compiled by another machine.
    Away,
    /// Not compiled in this folder: the cache had it.
    Cached,
    /// A compile of which nothing is known: it went past the shim, which alone tells a hit from a miss.
    Unknown,
    /// No compile: generated, archived, linked.
    Other,
}

impl How {
    /// All, in the order of the legend.
    pub const ALL: [How; 7] =
        [How::WithHeader, How::Plain, How::Again, How::Away, How::Cached, How::Unknown, How::Other];
}

/// One step of ninja on the time axis of all runs, one after the other, without the time between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its first output, relative to ninja's folder.
    pub output: String,
    /// The GN target of an object, as `//v8:v8_base`; empty for what is no object of a target.
    pub target: String,
    /// What became of it.
    pub how: How,
    /// Milliseconds from the start of the first run.
    pub start_ms: u64,
    /// Milliseconds from the start of the first run.
    pub end_ms: u64,
    /// User and system time of the compiler, where it is known.
    pub cpu_ms: Option<u64>,
    /// Which of the processes that ran at once, from 0.
    pub lane: usize,
}

/// One run of ninja.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// When it began, in milliseconds since 1970.
    pub began_ms: u64,
    /// Where it begins on the axis of all runs.
    pub start_ms: u64,
    /// How long it took, up to the end of its last step.
    pub length_ms: u64,
    /// Its steps that no later run did again.
    pub steps: usize,
}

/// Precompiling for one GN target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Headers {
    /// As `//v8:v8_base`.
    pub target: String,
    /// How long it took, waiting for the processor included.
    pub wall_ms: u64,
    /// User and system time.
    pub cpu_ms: u64,
}

/// Everything the page shows.
#[derive(Debug, Clone)]
pub struct Report {
    /// The target triple.
    pub target: String,
    /// The variant.
    pub variant: String,
    /// All runs that made what is there now.
    pub runs: Vec<Run>,
    /// All steps in the order of their start.
    pub steps: Vec<Step>,
    /// Processes at once, at most.
    pub lanes: usize,
    /// What it cost to precompile, by target.
    pub headers: Vec<Headers>,
    /// `build.json`, which is about the last run that did something.
    pub statistics: Option<Statistics>,
}

/// Reads what a build left in `out`, ninja's folder; writes nothing.
pub fn read(out: &Path, target: &str, variant: &str) -> Result<Report> {
    let log = out.join(".ninja_log");
    let build = || {
        format!("cargo xtask build-v8 --target {target} --variant {variant}   builds, a deadline is enough")
    };
    if !log.is_file() {
        return Err(Error::usage(format!(
            "there is no build of {target} {variant}: {} is not there",
            log.display()
        ))
        .help(build()));
    }
    let text = fs::read_to_string(&log).or_io("read", &log)?;
    let runs = ninja_log::parse(&text)
        .map_err(|fault| Error::failed(format!("{} is no log of ninja's: {fault}", log.display())))?;
    if runs.is_empty() {
        return Err(Error::usage(format!("no step of {target} {variant} has ended yet")).help(build()));
    }
    let groups = fs::read(out.join(shim::FOLDER).join(shim::GROUPS_FILE)).ok();
    let groups: Groups = groups.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
    let statistics = fs::read(out.join("build.json")).ok();
    let statistics = statistics.and_then(|text| serde_json::from_slice(&text).ok());
    Ok(assemble(target, variant, &runs, &journal::read(out), &groups, statistics))
}

/// How far the clocks of ninja's log (a file's time) and of the journal may be apart.
const CLOCKS_DIFFER_MS: u64 = 1500;

fn assemble(
    target: &str,
    variant: &str,
    runs: &[ninja_log::Run],
    entries: &[journal::Entry],
    groups: &Groups,
    statistics: Option<Statistics>,
) -> Report {
    let witness = Witness::new(entries, groups);
    let mut report = Report {
        target: target.to_owned(),
        variant: variant.to_owned(),
        runs: Vec::new(),
        steps: Vec::new(),
        lanes: 0,
        headers: Vec::new(),
        statistics,
    };
    let mut offset_ms = 0;
    for run in runs {
        let lanes = lanes::assign(run.steps.iter().map(|step| (step.start_ms, step.end_ms)));
        for (step, lane) in run.steps.iter().zip(lanes) {
            let (how, cpu_ms) = witness.of(step, run.began_ms);
            report.lanes = report.lanes.max(lane + 1);
            report.steps.push(Step {
                output: step.output.clone(),
                target: gn_target(&step.output).unwrap_or_default(),
                how,
                start_ms: offset_ms + step.start_ms,
                end_ms: offset_ms + step.end_ms,
                cpu_ms,
                lane,
            });
        }
        report.runs.push(Run {
            began_ms: run.began_ms,
            start_ms: offset_ms,
            length_ms: run.length_ms,
            steps: run.steps.len(),
        });
        offset_ms += run.length_ms;
    }
    // Every build of a header counts, also of one that was built anew: that time was spent.
    for entry in entries.iter().filter(|entry| entry.event == Event::Headers) {
        let target = gn_target(&format!("{}/x.o", entry.name)).unwrap_or_else(|| entry.name.clone());
        match report.headers.iter_mut().find(|headers| headers.target == target) {
            Some(known) => {
                known.wall_ms += entry.wall_ms;
                known.cpu_ms += entry.cpu_ms;
            }
            None => {
                report.headers.push(Headers { target, wall_ms: entry.wall_ms, cpu_ms: entry.cpu_ms });
            }
        }
    }
    report
}

/// `obj/v8/v8_base/heap.o` is an object of `//v8:v8_base`; nothing for what is no object.
fn gn_target(output: &str) -> Option<String> {
    let (folder, file) = output.strip_prefix("obj/")?.rsplit_once('/')?;
    let (folder, name) = folder.rsplit_once('/').unwrap_or(("", folder));
    file.ends_with(".o").then(|| format!("//{folder}:{name}"))
}

/// What the journal says of steps.
struct Witness<'a> {
    /// Real compiles by their object, in the order of time.
    compiles: BTreeMap<&'a str, Vec<&'a journal::Entry>>,
    /// When runs began, and whether their C++ compiles went through the shim.
    runs: Vec<(u64, bool)>,
    /// Objects of C++, by folder and name without ending: C and assembly go past the shim.
    cpp: BTreeSet<(&'a str, &'a str)>,
}

impl<'a> Witness<'a> {
    fn new(entries: &'a [journal::Entry], groups: &'a Groups) -> Witness<'a> {
        let mut witness = Witness { compiles: BTreeMap::new(), runs: Vec::new(), cpp: BTreeSet::new() };
        for entry in entries {
            match entry.event {
                Event::RunWithShim => witness.runs.push((entry.start_ms, true)),
                Event::RunWithout => witness.runs.push((entry.start_ms, false)),
                Event::Plain | Event::WithHeader | Event::Again | Event::Away => {
                    witness.compiles.entry(&entry.name).or_default().push(entry);
                }
                Event::Headers => {}
            }
        }
        for (folder, group) in &groups.0 {
            let stems = group.sources.iter().filter_map(|source| Path::new(source).file_stem()?.to_str());
            witness.cpp.extend(stems.map(|stem| (folder.as_str(), stem)));
        }
        witness
    }

    fn of(&self, step: &ninja_log::Step, began_ms: u64) -> (How, Option<u64>) {
        let Some((folder, stem)) = step.output.strip_suffix(".o").and_then(|path| path.rsplit_once('/'))
        else {
            return (How::Other, None);
        };
        let (start_ms, end_ms) = (began_ms + step.start_ms, began_ms + step.end_ms + CLOCKS_DIFFER_MS);
        let during =
            |entry: &&&journal::Entry| (start_ms..=end_ms).contains(&(entry.start_ms + CLOCKS_DIFFER_MS / 2));
        let compile = self.compiles.get(step.output.as_str()).and_then(|list| list.iter().rfind(during));
        if let Some(entry) = compile {
            if entry.event == Event::Away {
                return (How::Away, None);
            }
            let how = match entry.event {
                Event::WithHeader => How::WithHeader,
                Event::Again => How::Again,
                _ => How::Plain,
            };
            // A compiler that used no measurable time does not exist: it is not known.
            return (how, (entry.cpu_ms > 0).then_some(entry.cpu_ms));
        }
        let run = self.runs.iter().rfind(|(run_ms, _)| *run_ms <= start_ms + CLOCKS_DIFFER_MS);
        let was_watched = run.is_some_and(|(_, with_shim)| *with_shim) && self.cpp.contains(&(folder, stem));
        (if was_watched { How::Cached } else { How::Unknown }, None)
    }
}
