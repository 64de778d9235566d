//! What came of a smoke run, for people.

use std::fmt;
use std::path::PathBuf;

use super::transcript::Failure;
use crate::error::{Error, Kind, Result};

/// One program's outcome.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProgramReport {
    /// As in the plan.
    pub name: String,
    /// Where and how it ran.
    pub how: String,
    /// Checks that answered as they must.
    pub passed: usize,
    /// Rows the archive has no feature for.
    pub skipped: usize,
    /// Checks that answered otherwise.
    pub failures: Vec<Failure>,
    /// Checks that never began, or have no answer.
    pub unanswered: usize,
    /// Whether it was linked, and nothing here runs it.
    pub is_linked_only: bool,
    /// How the program itself failed: not built, killed, crashed, ended early.
    pub fault: Option<String>,
    /// What all its commands printed.
    pub log: PathBuf,
}

/// All programs' outcomes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SmokeReport {
    /// In the plan's order.
    pub programs: Vec<ProgramReport>,
    /// Programs that are not run, and why.
    pub left_out: Vec<(String, String)>,
    /// The demonstration's script and answer, from the first program that gave it.
    pub demonstration: Option<(String, String)>,
}

impl ProgramReport {
    /// Whether everything that was to be checked was checked and held.
    pub fn is_good(&self) -> bool {
        let has_checked = self.passed > 0 || self.is_linked_only;
        self.failures.is_empty() && self.unanswered == 0 && self.fault.is_none() && has_checked
    }
}

impl SmokeReport {
    /// Everything that failed, as one error (exit status 1) with all rows of all programs.
    pub fn verdict(&self) -> Result<()> {
        let mut faults = Vec::new();
        for program in self.programs.iter().filter(|program| !program.is_good()) {
            let log = format!("log: {}", program.log.display());
            match &program.fault {
                Some(fault) => faults.push(format!("{}: {fault}\n    {log}", program.name)),
                None if program.failures.is_empty() => {
                    faults.push(format!("{}: it checked nothing\n    {log}", program.name))
                }
                None => {}
            }
            for failure in &program.failures {
                let Failure { name, source, expected, got } = failure;
                let source = source.trim().replace('\n', "\n              ");
                faults.push(format!(
                    "{}: {name}\n    source:   {source}\n    expected: {expected}\n    got:      {got}\n    {log}",
                    program.name
                ));
            }
        }
        if faults.is_empty() && !self.programs.is_empty() {
            return Ok(());
        }
        if self.programs.is_empty() {
            faults.push("no program was run".to_owned());
        }
        Err(Error::all(Kind::Failed, "the archive does not do what it must", &faults))
    }
}

impl fmt::Display for SmokeReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<20}{:>8}{:>9}{:>8}  ran", "program", "passed", "skipped", "failed")?;
        for program in &self.programs {
            // A program that could not be built or checked nothing has failed, even with no row to show for it.
            let failed = (program.failures.len() + program.unanswered).max(usize::from(!program.is_good()));
            let ProgramReport { name, how, passed, skipped, .. } = program;
            writeln!(f, "{name:<20}{passed:>8}{skipped:>9}{failed:>8}  {how}")?;
        }
        for (name, reason) in &self.left_out {
            writeln!(f, "{name:<20}  left out: {reason}")?;
        }
        if let Some((source, answer)) = &self.demonstration {
            writeln!(f, "{source}\n  = {answer}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(name: &str) -> ProgramReport {
        ProgramReport {
            name: name.into(),
            how: "natively".into(),
            passed: 70,
            skipped: 2,
            log: format!("/log/{name}.log").into(),
            ..Default::default()
        }
    }

    fn failure(name: &str, source: &str) -> Failure {
        Failure {
            name: name.into(),
            source: source.into(),
            expected: "value \"2\"".into(),
            got: "value \"3\"".into(),
        }
    }

    #[test]
    fn all_good() {
        let report = SmokeReport {
            programs: vec![program("capi"), program("cxx")],
            left_out: vec![("interface_test".into(), "there is no file".into())],
            demonstration: Some(("[1n<<64n]".into(), "[18446744073709551616n]".into())),
        };
        report.verdict().expect("nothing failed");
        assert_eq!(
            report.to_string(),
            "program               passed  skipped  failed  ran\n\
             capi                      70        2       0  natively\n\
             cxx                       70        2       0  natively\n\
             interface_test        left out: there is no file\n\
             [1n<<64n]\n  = [18446744073709551616n]\n"
        );
    }

    #[test]
    fn every_failing_row_is_told() {
        let mut cxx = program("cxx");
        cxx.failures = vec![failure("one", "1 + 1"), failure("two", "\nf();\ng();\n")];
        let mut host = program("host");
        host.fault = Some("ended with signal 11 in the row `three`; 5 checks after it were not run".into());
        host.unanswered = 6;
        let report = SmokeReport { programs: vec![program("capi"), cxx, host], ..Default::default() };
        let error = report.verdict().expect_err("two programs failed");
        assert_eq!(error.exit_code(), 1);
        assert_eq!(
            error.to_string(),
            "error: the archive does not do what it must:\n  \
             cxx: one\n    source:   1 + 1\n    expected: value \"2\"\n    got:      value \"3\"\n    log: /log/cxx.log\n  \
             cxx: two\n    source:   f();\n              g();\n    expected: value \"2\"\n    got:      value \"3\"\n    log: /log/cxx.log\n  \
             host: ended with signal 11 in the row `three`; 5 checks after it were not run\n    log: /log/host.log"
        );
        assert_eq!(
            report.to_string(),
            "program               passed  skipped  failed  ran\n\
             capi                      70        2       0  natively\n\
             cxx                       70        2       2  natively\n\
             host                      70        2       6  natively\n"
        );
    }

    /// No program, or one that checked nothing, is no success.
    #[test]
    fn nothing_is_not_good() {
        SmokeReport::default().verdict().expect_err("no program was run");
        let empty = ProgramReport { passed: 0, ..program("capi") };
        let linked = ProgramReport { is_linked_only: true, ..empty.clone() };
        SmokeReport { programs: vec![linked.clone()], ..Default::default() }.verdict().unwrap();
        let failed = ProgramReport { fault: Some("it cannot be built".into()), ..linked };
        SmokeReport { programs: vec![failed], ..Default::default() }.verdict().unwrap_err();
        let report = SmokeReport { programs: vec![empty], ..Default::default() };
        assert!(
            report
                .verdict()
                .expect_err("it checked nothing")
                .to_string()
                .contains("capi: it checked nothing")
        );
    }
}
