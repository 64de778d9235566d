//! Measures builds on this machine: what a build costs, how two of them compare, whether their objects are equal.
//!
//! All folders lie in V8's tree beside the build folders, so in the cache folder, and `cargo xtask clean` removes them.

mod builds;
mod learn;
pub mod objects;
mod sample;

use crate::compile::Statistics;

pub use builds::{Builds, Kind};
pub use learn::learn;
pub use sample::{plain_again, run as sample};

/// One row of the result.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What was measured.
    pub name: &'static str,
    /// What it cost.
    pub cost: Cost,
    /// The row that it is compared with, if that was measured in the same run.
    pub base: Option<&'static str>,
}

/// What a build cost.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cost {
    /// Wall time, in seconds.
    pub wall_s: f64,
    /// User and system time of all processes, in seconds, where it is known.
    pub cpu_s: Option<f64>,
    /// Resident memory of all processes together at most, sampled each second, where it is known.
    pub peak_bytes: Option<u64>,
    /// Steps of ninja.
    pub steps: u32,
}

impl From<&Statistics> for Cost {
    fn from(statistics: &Statistics) -> Cost {
        Cost {
            wall_s: statistics.wall_s,
            cpu_s: statistics.cpu_s,
            peak_bytes: statistics.peak_memory_bytes,
            steps: statistics.steps,
        }
    }
}

impl Cost {
    /// Of two builds, one after the other: times and steps add up, memory does not.
    #[must_use]
    pub fn and_then(self, other: Cost) -> Cost {
        Cost {
            wall_s: self.wall_s + other.wall_s,
            cpu_s: self.cpu_s.zip(other.cpu_s).map(|(one, two)| one + two),
            peak_bytes: self.peak_bytes.max(other.peak_bytes),
            steps: self.steps + other.steps,
        }
    }
}

/// The table of all rows; a ratio is of CPU, to a row of this very run, or not there.
pub fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<24}{:>8}{:>11}{:>11}{:>12}{:>8}  {}\n",
        "", "steps", "wall s", "CPU s", "memory MiB", "ratio", "of"
    );
    for row in rows {
        let base = row.base.and_then(|name| rows.iter().find(|other| other.name == name));
        let ratio =
            base.and_then(|base| Some(row.cost.cpu_s? / base.cost.cpu_s.filter(|cpu_s| *cpu_s > 0.0)?));
        let known = |value: Option<f64>, digits: usize| {
            value.map_or("-".to_owned(), |value| format!("{value:.digits$}"))
        };
        let line = format!(
            "{:<24}{:>8}{:>11.1}{:>11}{:>12}{:>8}  {}",
            row.name,
            row.cost.steps,
            row.cost.wall_s,
            known(row.cost.cpu_s, 1),
            known(row.cost.peak_bytes.map(|bytes| (bytes >> 20) as f64), 0),
            known(ratio, 3),
            if ratio.is_some() { row.base.unwrap_or_default() } else { "" }
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(wall_s: f64, cpu_s: f64) -> Cost {
        Cost { wall_s, cpu_s: Some(cpu_s), peak_bytes: Some(3 << 20), steps: 7 }
    }

    #[test]
    fn ratios_are_of_cpu_and_only_to_what_was_measured_in_the_same_run() {
        let row = |name, cost, base| Row { name, cost, base };
        let rows = [
            row("plain", cost(100.0, 200.0), None),
            row("ours", cost(40.0, 70.0), Some("plain")),
            row("warm", Cost { cpu_s: None, ..cost(9.0, 0.0) }, Some("plain")),
            row("resumed", cost(41.0, 71.4), Some("never measured")),
        ];
        let expected = "
                           steps     wall s      CPU s  memory MiB   ratio  of
plain                          7      100.0      200.0           3       -
ours                           7       40.0       70.0           3   0.350  plain
warm                           7        9.0          -           3       -
resumed                        7       41.0       71.4           3       -
";
        assert_eq!(format!("\n{}", table(&rows)), expected);
    }

    #[test]
    fn two_builds_one_after_the_other() {
        let sum = cost(1.0, 2.0).and_then(cost(3.0, 5.0));
        assert_eq!(sum, Cost { wall_s: 4.0, cpu_s: Some(7.0), peak_bytes: Some(3 << 20), steps: 14 });
        let unknown = cost(1.0, 2.0).and_then(Cost { cpu_s: None, ..cost(1.0, 1.0) });
        assert_eq!(unknown.cpu_s, None, "a part of a sum is no sum");
    }
}
