//! Runs ninja and listens to it: progress, the whole log in a file, and a stop that loses nothing.

use std::io::{BufRead as _, BufReader, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::error::{Error, IoContext as _, Result};
use crate::memory::{Peak, Sampler};
use crate::process::{self, Tied};
use crate::{env, signals};

/// How a run of ninja ended.
#[derive(Debug)]
pub struct Outcome {
    /// Steps that ran in this run; 0 when everything was there.
    pub steps: u32,
    /// Set when it did not end well.
    pub failure: Option<Failure>,
    /// Memory of all that ran, sampled each second, where it is known.
    pub memory: Option<Peak>,
}

/// Why a run has made a part only.
#[derive(Debug)]
pub struct Failure {
    /// If every step that failed did so inside sccache, and not by the compiler: what they were to make, as ninja names it.
    pub inside_sccache: Vec<String>,
    /// What to say of it.
    pub error: Error,
}

/// Where a run stands: `[done/total] what`, as ninja prints it on a pipe.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    done: u32,
    total: u32,
    what: String,
}

impl Step {
    fn parse(line: &str) -> Option<Step> {
        let (counts, what) = line.strip_prefix('[')?.split_once("] ")?;
        let (done, total) = counts.split_once('/')?;
        Some(Step { done: done.parse().ok()?, total: total.parse().ok()?, what: what.to_owned() })
    }
}

/// Steps done and steps in all, if `line` is one that ninja prints at the end of a step.
pub fn progress(line: &str) -> Option<(u32, u32)> {
    Step::parse(line).map(|step| (step.done, step.total))
}

/// Runs `command`, which is ninja, with everything it prints in `log`.
///
/// `more` is asked now and then for what else is worth saying of the progress.
///
/// Past `deadline`, or when the user or the system asks us to stop, ninja is interrupted: it drops the steps under way
/// whole, and the next run goes on from there. That is a failure with [`Error::stopped`], exit status 75.
///
/// # Errors
///
/// Ninja cannot be run, or the log not be written.
pub fn run(
    command: Command,
    log: &Path,
    deadline: Option<Instant>,
    more: &dyn Fn() -> String,
) -> Result<Outcome> {
    let mut file = std::fs::File::create(log).or_io("create", log)?;
    writeln!(file, "$ {}", process::display(&command)).or_io("write", log)?;
    // A ninja that outlived us would build in the folder beside that of the next run.
    let mut tied = process::tied_politely(&command);
    let mut child = Tied::spawn(tied.stdout(Stdio::piped()).stderr(Stdio::piped()))?;
    let (stdout, stderr) = child.output().expect("piped above");
    let (sender, lines) = mpsc::channel();
    let readers: Vec<_> = [Box::new(stdout) as Box<dyn std::io::Read + Send>, Box::new(stderr)]
        .into_iter()
        .map(|pipe| {
            let sender = sender.clone();
            std::thread::spawn(move || {
                // Lines may hold bytes of any encoding: compilers quote sources.
                for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                    if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                        break;
                    }
                }
            })
        })
        .collect();
    drop(sender);

    let mut progress = Progress::new(more);
    let mut failures = Failures::default();
    let mut memory = Sampler::of_own_children();
    let mut stop: Option<&str> = None;
    loop {
        memory.tick();
        match lines.recv_timeout(Duration::from_millis(200)) {
            Ok(line) => {
                writeln!(file, "{line}").or_io("write", log)?;
                if let Some(step) = Step::parse(&line) {
                    progress.step(step);
                }
                failures.line(&line);
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
        if stop.is_none() {
            stop = if signals::stop_wanted() {
                Some("interrupted")
            } else if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                Some("the deadline is reached")
            } else {
                None
            };
            if stop.is_some() {
                // It ends its own children and removes what they left half-written.
                child.interrupt();
            }
        }
    }
    for reader in readers {
        // A reader ends when its pipe does; it cannot panic on what it reads.
        let _ = reader.join();
    }
    let status = child.finish()?;
    progress.end();
    let steps = progress.last.as_ref().map_or(0, |step| step.done.saturating_sub(failures.count));
    let mut outcome = Outcome { steps, failure: None, memory: memory.peak() };
    if status.success() {
        return Ok(outcome);
    }
    if let Some(why) = stop {
        let at = progress.last.map_or("before the first step".to_owned(), |step| {
            format!(
                "at step {} of {} ({} %)",
                step.done,
                step.total,
                u64::from(step.done) * 100 / u64::from(step.total.max(1))
            )
        });
        let error = Error::stopped(format!("{why} {at}; nothing is lost, the same command goes on"));
        outcome.failure = Some(Failure { inside_sccache: Vec::new(), error });
        return Ok(outcome);
    }
    let mut error = Error::failed(failures.message(status)).help(format!("the whole log: {}", log.display()));
    if failures.first.is_none() {
        error = error.help("the same command tries again, and keeps what was built");
    }
    let inside_sccache = if failures.by_sccache == failures.count { failures.outputs } else { Vec::new() };
    outcome.failure = Some(Failure { inside_sccache, error });
    Ok(outcome)
}

/// The first failing step: what ninja ran, and the first lines that say "error"; of all, whose fault it was.
#[derive(Default)]
struct Failures {
    first: Option<Vec<String>>,
    in_first: bool,
    count: u32,
    by_sccache: u32,
    /// Whether the step whose output is read now is counted in `by_sccache`.
    is_by_sccache: bool,
    outputs: Vec<String>,
}

impl Failures {
    const SHOWN_LINES: usize = 14;

    fn line(&mut self, line: &str) {
        // sccache begins its own errors so ("sccache: encountered fatal error", "sccache: error: …"); a compiler does not.
        if self.count > 0 && !self.is_by_sccache && is_sccaches_error(line) {
            (self.is_by_sccache, self.by_sccache) = (true, self.by_sccache + 1);
        }
        if let Some(outputs) = line.strip_prefix("FAILED: ") {
            (self.is_by_sccache, self.count) = (false, self.count + 1);
            self.outputs.extend(outputs.split(' ').filter(|word| is_output(word)).map(str::to_owned));
            self.in_first = self.first.is_none();
            if self.in_first {
                self.first = Some(vec![line.to_owned()]);
            }
        } else if line.starts_with('[') && Step::parse(line).is_some() {
            self.in_first = false;
        } else if self.in_first
            && let Some(lines) = &mut self.first
            && lines.len() < 400
        {
            lines.push(line.to_owned());
        }
    }

    fn message(&self, status: std::process::ExitStatus) -> String {
        let Some(lines) = &self.first else { return format!("ninja ended with {status}") };
        let step = lines[0].trim_start_matches("FAILED: ");
        let command = lines.get(1).map_or("", String::as_str);
        let said = &lines[lines.len().min(2)..];
        // What follows the first error explains it; warnings before it do not.
        let start = said.iter().position(|line| line.contains("error")).unwrap_or(0);
        let shown = said[start..].iter().take(Self::SHOWN_LINES).cloned().collect::<Vec<_>>().join("\n    ");
        format!("the build failed at {step}\n    {shown}\n  the command: {command}")
    }
}

fn is_sccaches_error(line: &str) -> bool {
    line.starts_with("sccache: error: ") || line.starts_with("sccache: encountered fatal error")
}

/// ninja 1.13 writes `FAILED: [code=1] a.o b.o `.
fn is_output(word: &str) -> bool {
    !word.is_empty() && !word.starts_with("[code=")
}

/// Says how far the build is: one line that changes on a terminal, a new line now and then elsewhere.
struct Progress<'a> {
    more: &'a dyn Fn() -> String,
    said: Option<(Instant, String)>,
    last: Option<Step>,
    started: Instant,
    first_done: Option<(Instant, u32)>,
    printed: Option<Instant>,
    is_terminal: bool,
}

impl<'a> Progress<'a> {
    fn new(more: &'a dyn Fn() -> String) -> Progress<'a> {
        let is_terminal = std::io::stderr().is_terminal() && !env::is_ci();
        Progress {
            more,
            said: None,
            last: None,
            started: Instant::now(),
            first_done: None,
            printed: None,
            is_terminal,
        }
    }

    fn step(&mut self, step: Step) {
        let pause = if self.is_terminal { Duration::from_millis(100) } else { Duration::from_secs(30) };
        self.first_done.get_or_insert((Instant::now(), step.done));
        let due = self.printed.is_none_or(|printed| printed.elapsed() >= pause) || step.done == step.total;
        self.last = Some(step);
        if due {
            self.print();
        }
    }

    fn print(&mut self) {
        let Some(step) = &self.last else { return };
        // Asking costs a process; a terminal is painted ten times a second.
        let is_fresh = |said: &&(Instant, String)| said.0.elapsed() < Duration::from_secs(5);
        let more = match self.said.as_ref().filter(is_fresh) {
            Some((_, more)) => more.clone(),
            None => self.said.insert((Instant::now(), (self.more)())).1.clone(),
        };
        self.printed = Some(Instant::now());
        let elapsed = self.started.elapsed();
        // Steps differ a hundredfold in cost, so early estimates would be lies.
        let left = match self.first_done {
            Some((since, first)) if step.done > first + 50 && step.done < step.total => {
                let rate = since.elapsed().as_secs_f64() / f64::from(step.done - first);
                format!(
                    ", about {} left",
                    minutes(Duration::from_secs_f64(rate * f64::from(step.total - step.done)))
                )
            }
            _ => String::new(),
        };
        let line = format!("  step {} of {}{more}, {}{left}", step.done, step.total, minutes(elapsed));
        if self.is_terminal {
            let name: String = step.what.chars().take(60).collect();
            eprint!("\r\x1b[K{line}  {name}");
        } else {
            eprintln!("{line}");
        }
    }

    fn end(&self) {
        if self.is_terminal && self.printed.is_some() {
            eprintln!();
        }
    }
}

/// `1 h 05 min`, `12 min`, `40 s`.
pub fn minutes(time: Duration) -> String {
    let s = time.as_secs();
    match (s / 3600, s / 60 % 60) {
        (0, 0) => format!("{s} s"),
        (0, m) => format!("{m} min {:02} s", s % 60),
        (h, m) => format!("{h} h {m:02} min"),
    }
}

/// Where the log of a build lies.
pub fn log_path(out: &Path) -> PathBuf {
    out.join("build.log")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_read_from_ninjas_lines() {
        let check = |line: &str, expected: Option<(u32, u32, &str)>| {
            let step = Step::parse(line).map(|step| (step.done, step.total, step.what));
            assert_eq!(step.as_ref().map(|(done, total, what)| (*done, *total, what.as_str())), expected);
        };
        check("[12/2226] CXX obj/a.o", Some((12, 2226, "CXX obj/a.o")));
        check("[1;31merror: no", None);
        check("ninja: no work to do.", None);
        check("[x/2] y", None);
    }

    #[test]
    fn durations_for_people() {
        let check = |s: u64, expected: &str| assert_eq!(minutes(Duration::from_secs(s)), expected);
        check(40, "40 s");
        check(61, "1 min 01 s");
        check(3_900, "1 h 05 min");
    }
}

#[cfg(all(test, unix))]
mod process_tests {
    use super::*;

    fn run_script(script: &str, deadline: Option<Duration>) -> (Result<Outcome>, String) {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("build.log");
        let mut command = process::command("sh");
        command.args(["-c", script]);
        let outcome = run(command, &log, deadline.map(|time| Instant::now() + time), &String::new);
        (outcome, std::fs::read_to_string(&log).unwrap())
    }

    #[test]
    fn a_good_run_counts_its_steps_and_keeps_the_log() {
        let (outcome, log) = run_script("echo '[1/2] CXX a.o'; echo warning >&2; echo '[2/2] AR b.a'", None);
        assert_eq!(outcome.unwrap().steps, 2);
        assert!(log.contains("[2/2] AR b.a") && log.contains("warning"), "{log}");
    }

    #[test]
    fn a_failure_names_the_step_and_its_first_error() {
        let script = "echo '[1/9] CXX a.o'; echo 'FAILED: [code=1] b.o'; echo 'clang++ -c b.cc'; echo 'b.cc:1:1: warning: w'; \
                      echo 'b.cc:2:1: error: e'; echo '[2/9] CXX c.o'; echo 'FAILED: d.o'; exit 1";
        let error = run_script(script, None).0.unwrap().failure.unwrap().error;
        assert_eq!(error.exit_code(), 1);
        let text = error.to_string();
        assert!(text.contains("failed at [code=1] b.o\n    b.cc:2:1: error: e"), "{text}");
        assert!(text.contains("the command: clang++ -c b.cc") && !text.contains("d.o"), "{text}");
        assert!(text.contains("build.log"), "{text}");
    }

    #[test]
    fn steps_that_fail_inside_sccache_are_told_apart_from_those_of_the_compiler() {
        let step = |name: &str, said: &str| {
            format!("echo 'FAILED: [code=2] {name} '; echo 'sccache clang++'; echo '{said}'; ")
        };
        let (ours, theirs) =
            ("sccache: error: failed to execute compile", "a.cc:1:1: error: sccache: error: x");
        let (outcome, _) = run_script(
            &format!("echo '[3/9] CXX z.o'; {}{}exit 1", step("a.o", ours), step("b.o", ours)),
            None,
        );
        let outcome = outcome.unwrap();
        assert_eq!(outcome.steps, 1, "what failed is no step that was made");
        let failure = outcome.failure.unwrap();
        assert_eq!(failure.inside_sccache, ["a.o", "b.o"]);
        assert!(failure.error.to_string().contains("failed to execute compile"), "{}", failure.error);
        let (outcome, _) = run_script(&format!("{}{}exit 1", step("a.o", ours), step("b.o", theirs)), None);
        let failure = outcome.unwrap().failure.unwrap();
        assert_eq!((failure.error.exit_code(), failure.inside_sccache), (1, vec![]));
    }

    #[test]
    fn f54_a_deadline_stops_with_75_and_the_place() {
        let script = "trap 'exit 143' TERM; echo '[3/12] CXX a.o'; i=0; while [ $i -lt 100 ]; do sleep 0.1; i=$((i+1)); done";
        let outcome = run_script(script, Some(Duration::from_millis(400))).0.unwrap();
        assert_eq!(outcome.steps, 3, "they are done");
        let error = outcome.failure.unwrap().error;
        assert_eq!(error.exit_code(), 75);
        assert!(error.to_string().contains("at step 3 of 12 (25 %)"), "{error}");
    }
}
