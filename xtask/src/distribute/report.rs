//! What a cluster says of itself, what sccache says of it, and what it did for a build.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// What a cluster did for a build; part of `build.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// The scheduler.
    pub url: String,
    /// Why everything was compiled here, if it was.
    pub unused: Option<String>,
    /// Compiles by server.
    pub servers: BTreeMap<String, u64>,
    /// Compiles that came back and were made here.
    pub returned: u64,
    /// Why the last of them did, as far as that is known.
    pub because: Option<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(why) = &self.unused {
            return write!(f, "{} was not used: {why}", self.url);
        }
        let by_server: Vec<String> =
            self.servers.iter().map(|(name, count)| format!("{name} {count}")).collect();
        let total: u64 = self.servers.values().sum();
        write!(f, "{total} compiles by {}", self.url)?;
        if total > 0 {
            write!(f, " ({})", by_server.join(", "))?;
        }
        if self.returned > 0 {
            write!(f, ", {} came back and were made here", self.returned)?;
            if let Some(why) = &self.because {
                write!(f, " (the last one: {why})")?;
            }
        }
        Ok(())
    }
}

/// What a scheduler says of its cluster.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) servers: u64,
    pub(super) processors: u32,
    pub(super) under_way: u64,
}

impl Status {
    /// From `--dist-status` of 0.16: `{"SchedulerStatus":["http://…/",{"num_servers":2,"num_cpus":4,"in_progress":0}]}`.
    pub(super) fn parse(text: &str) -> Result<Status, String> {
        let value: serde_json::Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let Some(status) = value.get("SchedulerStatus").and_then(|pair| pair.get(1)) else {
            return Err("the scheduler cannot be reached".to_owned());
        };
        let number = |name: &str| status.get(name).and_then(serde_json::Value::as_u64).unwrap_or(0);
        let processors = u32::try_from(number("num_cpus")).unwrap_or(u32::MAX);
        let status = Status { servers: number("num_servers"), processors, under_way: number("in_progress") };
        if status.servers == 0 { Err("it has no server".to_owned()) } else { Ok(status) }
    }
}

/// The reason in a line of sccache's log, if it tells why a compile was not made by the cluster.
pub(super) fn fault(line: &str) -> Option<String> {
    let marks = ["falling back to local: ", "http error status: "];
    let (_, why) = marks.iter().find_map(|mark| line.split_once(mark))?;
    Some(why.trim().chars().take(300).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_scheduler_says() {
        let good = r#"{"SchedulerStatus":["http://h/",{"num_servers":2,"num_cpus":4,"in_progress":1}]}"#;
        assert_eq!(Status::parse(good), Ok(Status { servers: 2, processors: 4, under_way: 1 }));
        let none = r#"{"SchedulerStatus":["http://h/",{"num_servers":0,"num_cpus":0,"in_progress":0}]}"#;
        assert_eq!(Status::parse(none), Err("it has no server".to_owned()));
        let gone = r#"{"NotConnected":["http://h/","enabled, not connected, will retry in 9.9s"]}"#;
        assert_eq!(Status::parse(gone), Err("the scheduler cannot be reached".to_owned()));
        assert!(Status::parse("no json").is_err());
    }

    #[test]
    fn faults_are_told_without_the_way_there() {
        let check =
            |line: &str, expected: Option<&str>| assert_eq!(fault(line).as_deref(), expected, "{line}");
        check(
            "[… WARN …] [a.o]: Could not perform distributed compile, falling back to local: no job",
            Some("no job"),
        );
        check("[… ERROR …] [\"a.o\"] http error status: 401 Unauthorized", Some("401 Unauthorized"));
        check("[… WARN …] State reset. Will recreate", None);
    }

    #[test]
    fn reports() {
        let mut report = Report { url: "http://h".into(), ..Report::default() };
        assert_eq!(report.to_string(), "0 compiles by http://h");
        report.servers = [("a:1".to_owned(), 5), ("b:1".to_owned(), 7)].into();
        report.returned = 2;
        assert_eq!(
            report.to_string(),
            "12 compiles by http://h (a:1 5, b:1 7), 2 came back and were made here"
        );
        report.because = Some("no route".into());
        assert!(report.to_string().ends_with(" came back and were made here (the last one: no route)"));
        report.unused = Some("it has no server".into());
        assert_eq!(report.to_string(), "http://h was not used: it has no server");
    }
}
