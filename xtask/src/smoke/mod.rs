//! `smoke FILE`: programs linked with a finished archive run a table of JavaScript, and behave.
//!
//! [`SmokePlan`] decides, [`run`] does, [`SmokeReport`] tells. Only a program that was linked with the archive and ran
//! shows what no look into it can: a missing runtime function, a wrong define, an object of other flags.

mod link;
mod machine;
mod matrix;
mod plan;
mod report;
mod rust;
mod table;
// The fake programs are shell scripts.
#[cfg(all(test, unix))]
mod tests;
mod transcript;

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Command;

pub use machine::{Emulator, Machine};
pub use plan::{Inputs, Linker, SmokePlan, Zig};
pub use report::{ProgramReport, SmokeReport};
pub use rust::Foreign;
pub use table::Table;

use crate::error::{Error, IoContext as _, Result};
use crate::paths::{self, Cache};
use crate::process::{self, Ended};
use plan::{CommandLine, DEMONSTRATION, Program, Speaks};
use transcript::Failure;

/// Reads `smoke/table.toml` of the repository.
pub fn read_table(repository: &Path) -> Result<Table> {
    let path = repository.join("smoke/table.toml");
    Table::parse(&fs::read_to_string(&path).or_io("read", &path)?, &path)
}

/// The plan for an archive of this machine's cache and repository: scratch in `<cache>/smoke`, logs in `<cache>/logs/smoke`.
///
/// Reads the table and the archive's descriptor; fails if either is not what it must be.
pub fn plan(archive: &Path, linker: &Linker, cache: &Cache) -> Result<SmokePlan> {
    let repository = paths::repository();
    let table = read_table(&repository)?;
    let reader = v8_archive::open(archive).map_err(|error| Error::failed(error.to_string()))?;
    let descriptor = reader.descriptor();
    SmokePlan::new(&Inputs {
        descriptor,
        archive,
        linker,
        table: &table,
        repository: &repository,
        scratch: &cache.root().join("smoke").join(&descriptor.name),
        logs: &cache.root().join("logs/smoke").join(&descriptor.name),
    })
}

/// Unpacks, builds, runs and judges every program of the plan, and removes the scratch folder whatever comes.
///
/// A program that cannot be built, crashes or hangs is a line of the report ([`SmokeReport::verdict`]), not an error of
/// this function: all programs are tried. `tell` is given a line before each longer step.
pub fn run(plan: &SmokePlan, tell: &mut dyn FnMut(&str)) -> Result<SmokeReport> {
    let _scratch = Scratch::make(&plan.scratch)?;
    tell(&format!("unpacking {}", plan.archive.display()));
    v8_archive::unpack(&plan.archive, &plan.unpacked, &v8_archive::Limits::default())
        .map_err(|error| Error::failed(error.to_string()))?;
    for (path, text) in &plan.files {
        fs::write(path, text).or_io("write", path)?;
    }
    let mut report = SmokeReport { left_out: plan.left_out.clone(), ..SmokeReport::default() };
    for program in &plan.programs {
        let what = match (program.build.is_empty(), &program.run) {
            (_, None) => "building",
            (true, Some(_)) => "running",
            (false, Some(_)) => "building and running",
        };
        tell(&format!("{what} {}, {}", program.name, program.how));
        let (outcome, demonstration) = program.execute()?;
        report.programs.push(outcome);
        report.demonstration = report.demonstration.or(demonstration);
    }
    Ok(report)
}

impl CommandLine {
    /// For [`process`]. Programs find no time zone and no locale of the user's.
    fn command(&self) -> Command {
        let mut command = process::command(&self.program);
        command.args(&self.arguments).env("TZ", "UTC").env("LC_ALL", "C");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs to its end or limit: stdout, and a sentence on how it ended if it ended badly, with the lines that matter.
    fn execute(&self, log: &Path) -> Result<(String, Result<(), String>)> {
        let mut command = self.command();
        let done = process::run_limited(&mut command, self.limit, log)?;
        let how = match done.ended {
            Ended::With(status) if status.success() => return Ok((done.stdout, Ok(()))),
            Ended::With(status) => format!("ended with {status}"),
            Ended::Killed => format!("was killed after its limit of {} s", self.limit.as_secs()),
        };
        let said = match telling(&done.stderr) {
            Some(line) => format!(", saying \"{line}\""),
            None => String::new(),
        };
        Ok((done.stdout, Err(how + &said)))
    }
}

/// The line of stderr that tells most: a linker's or compiler's first error, V8's or Rust's last words, else the last line.
fn telling(stderr: &str) -> Option<&str> {
    let first = |word: &str| stderr.lines().find(|line| line.contains(word));
    let last = || stderr.lines().rev().find(|line| line.chars().any(char::is_alphanumeric));
    // GNU's linker names what is missing, and clang then says that the linker failed.
    first("undefined reference to")
        .or_else(|| first("error: "))
        .or_else(|| first("Fatal error"))
        .or_else(|| first("panicked at"))
        .or_else(last)
        .map(str::trim)
}

impl Program {
    /// Its report, and the demonstration's script and answer if it gave one.
    fn execute(&self) -> Result<(ProgramReport, Option<(String, String)>)> {
        let mut report = ProgramReport {
            name: self.name.clone(),
            how: self.how.clone(),
            skipped: self.skipped,
            log: self.log.clone(),
            ..ProgramReport::default()
        };
        process::start_log(&self.log)?;
        for step in &self.build {
            if let (_, Err(how)) = step.execute(&self.log)? {
                // The log has the whole command; here the line of the linker is what matters.
                let tool = step.program.file_name().unwrap_or(step.program.as_os_str()).display();
                report.fault = Some(format!("it cannot be built: {tool} {how}"));
                return Ok((report, None));
            }
        }
        let Some(run) = &self.run else {
            return Ok((ProgramReport { is_linked_only: true, ..report }, None));
        };
        let (output, ended) = run.execute(&self.log)?;
        let demonstration = match &self.speaks {
            Speaks::Lines => {
                judge_lines(&output, &mut report);
                report.fault = ended.err();
                None
            }
            Speaks::Tests => {
                let (passed, failed) = rust::count(&output);
                report.passed = passed;
                report.fault = ended
                    .err()
                    .or_else(|| (failed > 0 || passed == 0).then(|| "ran no test, or not well".to_owned()));
                None
            }
            Speaks::Transcript(checks) => {
                let verdict = transcript::judge(&output, checks);
                report.unanswered = verdict.not_run.len() + usize::from(verdict.running.is_some());
                report.fault = fault(&verdict, ended);
                (report.passed, report.failures) = (verdict.passed, verdict.failures);
                let source =
                    checks.iter().find(|check| check.name == DEMONSTRATION).map(|check| check.source.clone());
                source.and_then(|source| Some((source, transcript::answer(&output, DEMONSTRATION)?)))
            }
        };
        Ok((report, demonstration))
    }
}

/// What is wrong with the run as such: how it ended, in which row, and what it left undone.
fn fault(verdict: &transcript::Verdict, ended: Result<(), String>) -> Option<String> {
    let mut sentence = match (ended, verdict.ended) {
        (Err(how), _) => how,
        (Ok(()), false) => "ended with exit status 0 before its end".to_owned(),
        (Ok(()), true) if verdict.not_run.is_empty() && verdict.running.is_none() => return None,
        (Ok(()), true) => "did not run everything".to_owned(),
    };
    if let Some(row) = &verdict.running {
        sentence += &format!(" in the row `{row}`");
    }
    if let [first, ..] = &verdict.not_run[..] {
        sentence += &format!("; not run: {}, `{first}` first", verdict.not_run.len());
    }
    Some(sentence)
}

/// A program that judges itself says "N checks passed on V8 ..." or a line for each failure.
fn judge_lines(output: &str, report: &mut ProgramReport) {
    for line in output.lines() {
        if let Some((place, what)) = line.split_once(": failed: ") {
            report.failures.push(Failure {
                name: place.to_owned(),
                source: format!("smoke/{place}"),
                expected: "the check holds".to_owned(),
                got: what.to_owned(),
            });
        } else if let Some((count, _)) = line.split_once(" checks passed") {
            report.passed = count.parse().unwrap_or(0);
        }
    }
}

/// A folder that is removed at the end; a file beside it keeps a second run on the same folder out.
struct Scratch {
    path: PathBuf,
    lock: File,
}

impl Scratch {
    fn make(path: &Path) -> Result<Scratch> {
        let lock_path = path.with_added_extension("lock");
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).or_io("create", parent)?;
        }
        let lock = File::create(&lock_path).or_io("create", &lock_path)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::failed(format!("another run uses {}", path.display()))
                    .help("wait for it, then run this again"));
            }
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", &lock_path, &error)),
        }
        // What a killed run left: nobody uses it, since nobody holds the lock.
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io("remove", path, &error));
            }
            _ => {}
        }
        fs::create_dir(path).or_io("create", path)?;
        Ok(Scratch { path: path.to_path_buf(), lock })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Removed best-effort: a failure here must not hide the report, and the next run removes it first.
        drop(fs::remove_dir_all(&self.path));
        // Not left to the file's closing: a child that another thread is just starting holds the file open until its exec.
        drop(self.lock.unlock());
    }
}
