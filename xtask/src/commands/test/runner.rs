//! Steps of `test`, one after the other: each has its turn, and their tests are added up.

use std::fmt;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::{ninja, process, signals};

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Good,
    Failed,
    /// At the deadline, or by the user.
    Stopped,
    NotRun(&'static str),
}

#[derive(Debug)]
struct Step {
    name: String,
    time: Duration,
    outcome: Outcome,
}

/// Runs steps, and remembers how each ended.
#[derive(Debug, Default)]
pub struct Runner {
    steps: Vec<Step>,
    sum: Sum,
}

impl Runner {
    /// Whether the step ended well.
    pub fn step(&mut self, name: &str, work: impl FnOnce(&mut Sum) -> Result<()>) -> bool {
        if signals::stop_wanted() {
            self.leave_out(name, "interrupted");
            return false;
        }
        eprintln!("\n== {name}");
        let started = Instant::now();
        let failed_before = self.sum.failed;
        let outcome = match work(&mut self.sum) {
            Ok(()) => Outcome::Good,
            Err(error) if error.exit_code() == 75 => {
                eprintln!("{}", boxed(&error));
                Outcome::Stopped
            }
            Err(error) => {
                eprintln!("{error}");
                // A step without tests of its own, or whose tests do not compile, is one failure.
                if self.sum.failed == failed_before {
                    self.sum.failed += 1;
                }
                Outcome::Failed
            }
        };
        let good = outcome == Outcome::Good;
        self.steps.push(Step { name: name.to_owned(), time: started.elapsed(), outcome });
        good
    }

    /// A step that cannot run counts as one test skipped, so that nobody takes it for one that passed.
    pub fn leave_out(&mut self, name: &str, why: &'static str) {
        self.sum.skipped += 1;
        self.steps.push(Step { name: name.to_owned(), time: Duration::ZERO, outcome: Outcome::NotRun(why) });
    }

    pub fn is_good(&self, stopped_is_good: bool) -> bool {
        self.steps.iter().all(|step| match step.outcome {
            Outcome::Good => true,
            Outcome::Failed | Outcome::NotRun("interrupted") => false,
            Outcome::Stopped => stopped_is_good && !signals::stop_wanted(),
            // What stands in its way is itself a step that ended badly, or the user's own wish.
            Outcome::NotRun(_) => true,
        })
    }

    pub fn total(&self) -> &Sum {
        &self.sum
    }
}

impl fmt::Display for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            let result = match step.outcome {
                Outcome::Good => "ok".to_owned(),
                Outcome::Failed => "FAILED".to_owned(),
                Outcome::Stopped => "STOPPED before its end".to_owned(),
                Outcome::NotRun(why) => format!("not run: {why}"),
            };
            writeln!(f, "  {:<22} {:>12}  {result}", step.name, ninja::minutes(step.time))?;
        }
        Ok(())
    }
}

/// An error that nobody may overlook in a long log.
fn boxed(error: &Error) -> String {
    let text = error.to_string();
    let width = text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
    let edge = "#".repeat(width + 4);
    let lines: Vec<String> = text.lines().map(|line| format!("# {line:<width$} #")).collect();
    format!("{edge}\n{}\n{edge}", lines.join("\n"))
}

/// What all test programs say together.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Sum {
    passed: u32,
    failed: u32,
    skipped: u32,
}

impl Sum {
    pub fn run(&mut self, command: &mut Command) -> Result<()> {
        process::pass_on(command, &mut |line| self.line(line))
    }

    /// Adds a line such as `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; …`.
    fn line(&mut self, line: &str) {
        let Some((_, counts)) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        for part in counts.split("; ") {
            let Some((number, name)) = part.split_once(' ') else { continue };
            let Ok(number) = number.parse::<u32>() else { continue };
            match name {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.skipped += number,
                _ => {}
            }
        }
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_test_programs_are_added_up() {
        let mut sum = Sum::default();
        for line in [
            "running 3 tests",
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 7 filtered out; finished in 0.10s",
            "test result: FAILED. 2 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test result: ok",
            "5 passed; 5 failed",
        ] {
            sum.line(line);
        }
        assert_eq!(sum.to_string(), "14 passed, 3 failed, 1 skipped");
    }

    #[test]
    fn a_failure_leaves_the_other_steps_their_turn() {
        let mut runner = Runner::default();
        assert!(runner.step("one", |sum| {
            sum.line("test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out");
            Ok(())
        }));
        assert!(!runner.step("two", |_| Err(Error::failed("no"))));
        assert!(runner.step("three", |_| Ok(())));
        runner.leave_out("four", "V8 is not built");
        assert_eq!(runner.total().to_string(), "2 passed, 1 failed, 1 skipped");
        assert!(!runner.is_good(true));
        let results: Vec<String> = runner
            .to_string()
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(
            results,
            ["one 0 s ok", "two 0 s FAILED", "three 0 s ok", "four 0 s not run: V8 is not built"]
        );
    }

    #[test]
    fn a_failed_test_is_counted_once() {
        let mut runner = Runner::default();
        runner.step("one", |sum| {
            sum.line("test result: FAILED. 2 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out");
            Err(Error::failed("cargo test ended with 101"))
        });
        assert_eq!(runner.total().to_string(), "2 passed, 3 failed, 0 skipped");
    }

    #[test]
    fn a_deadline_is_a_failure_unless_it_is_said_not_to_be() {
        let mut runner = Runner::default();
        assert!(
            !runner.step("build", |_| Err(Error::stopped("the deadline is reached at step 1 of 4 (25 %)")))
        );
        assert!(!runner.is_good(false));
        assert!(runner.is_good(true));
    }

    #[test]
    fn a_box_is_as_wide_as_its_longest_line() {
        let error = Error::stopped("25 %").help("again");
        let expected = "\
#################
# stopped: 25 % #
#   help: again #
#################";
        assert_eq!(boxed(&error), expected);
    }
}
