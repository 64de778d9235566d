//! How much memory the processes of a build hold: sampled once a second, so that it costs next to nothing.
//!
//! Source: `/proc/<pid>/stat` and `/proc/<pid>/status` (proc_pid_stat(5), proc_pid_status(5)); elsewhere than on Linux
//! nothing is known. Peaks between two samples are not seen, and pages that processes share count once for each.

use std::time::{Duration, Instant};

#[cfg(target_os = "linux")]
use crate::process;

/// The highest values seen, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Peak {
    /// Resident memory of all processes together.
    pub total_bytes: u64,
    /// The high-water mark of the largest one, as the system keeps it, up to the last sample of that process.
    pub process_bytes: u64,
}

impl Peak {
    /// The higher of both, each by itself.
    #[must_use]
    pub fn or_higher(self, other: Peak) -> Peak {
        Peak {
            total_bytes: self.total_bytes.max(other.total_bytes),
            process_bytes: self.process_bytes.max(other.process_bytes),
        }
    }
}

/// Looks at the descendants of one process now and then.
#[derive(Debug)]
pub struct Sampler {
    root: u32,
    next: Instant,
    peak: Option<Peak>,
}

impl Sampler {
    /// Watches all descendants of this process: ninja and sccache's server, with theirs.
    pub fn of_own_children() -> Sampler {
        Sampler { root: std::process::id(), next: Instant::now(), peak: None }
    }

    /// Takes a sample if the last one is a second old.
    pub fn tick(&mut self) {
        if Instant::now() < self.next {
            return;
        }
        self.next = Instant::now() + Duration::from_secs(1);
        if let Some(now) = sample(self.root) {
            self.peak = Some(self.peak.unwrap_or_default().or_higher(now));
        }
    }

    /// The highest values of all samples; nothing where they are not known.
    pub fn peak(&self) -> Option<Peak> {
        self.peak
    }
}

#[cfg(target_os = "linux")]
fn sample(root: u32) -> Option<Peak> {
    let page_bytes = rustix::param::page_size() as u64;
    let entries = std::fs::read_dir("/proc").ok()?.flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    // A process that ends while we look is not counted.
    let processes: Vec<(u32, u32, u64)> = pids
        .filter_map(|pid| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let (parent, pages) = parent_and_resident_pages(&stat)?;
            Some((pid, parent, pages * page_bytes))
        })
        .collect();
    let mut peak = Peak::default();
    for (pid, resident_bytes) in descendants(root, &processes) {
        peak.total_bytes += resident_bytes;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        peak.process_bytes = peak.process_bytes.max(high_water_bytes(&status).unwrap_or(resident_bytes));
    }
    Some(peak)
}

#[cfg(not(target_os = "linux"))]
fn sample(_: u32) -> Option<Peak> {
    None
}

/// Fields 4 and 24 of `/proc/<pid>/stat`.
#[cfg(target_os = "linux")]
fn parent_and_resident_pages(stat: &str) -> Option<(u32, u64)> {
    let fields = process::stat_fields(stat)?;
    Some((fields.get(1)?.parse().ok()?, fields.get(21)?.parse().ok()?))
}

/// `VmHWM` of `/proc/<pid>/status`.
#[cfg(target_os = "linux")]
fn high_water_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

/// All processes below `root`, without itself; `processes` are number, parent, and resident bytes.
#[cfg(target_os = "linux")]
fn descendants(root: u32, processes: &[(u32, u32, u64)]) -> Vec<(u32, u64)> {
    let mut found = Vec::new();
    let mut parents = vec![root];
    while let Some(parent) = parents.pop() {
        for (pid, _, bytes) in processes.iter().filter(|(_, its_parent, _)| *its_parent == parent) {
            found.push((*pid, *bytes));
            parents.push(*pid);
        }
    }
    found
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_from_proc() {
        let stat = "7 (a (b) c) S 5 7 7 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 9 1000 42 184 1\n";
        assert_eq!(parent_and_resident_pages(stat), Some((5, 42)));
        assert_eq!(parent_and_resident_pages("7 (a"), None);
        assert_eq!(high_water_bytes("Name:\ta\nVmHWM:\t    12 kB\n"), Some(12 * 1024));
        assert_eq!(high_water_bytes("Name:\ta\n"), None, "a kernel thread has none");
    }

    #[test]
    fn only_descendants_count() {
        let processes = [(1, 0, 1), (2, 1, 10), (3, 2, 100), (4, 0, 1000), (5, 4, 10_000)];
        let mut found = descendants(1, &processes);
        found.sort_unstable();
        assert_eq!(found, [(2, 10), (3, 100)]);
    }

    #[test]
    fn a_child_with_much_memory_is_seen() {
        // The shell holds a string of 32 MiB in a variable while its child sleeps.
        let script = "x=$(head -c 33554432 /dev/zero | tr '\\0' x); sleep 30; echo \"$x\"";
        let mut child = process::command("sh").args(["-c", script]).spawn().unwrap();
        let started = Instant::now();
        let mut peak = Peak::default();
        while peak.process_bytes < 32 << 20 && started.elapsed().as_secs() < 20 {
            peak = peak.or_higher(sample(std::process::id()).unwrap());
            std::thread::sleep(Duration::from_millis(50));
        }
        // Its child sleeps on for a while; it holds nothing of ours.
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(peak.process_bytes >= 32 << 20 && peak.total_bytes >= 32 << 20, "{peak:?}");
    }
}
