//! A report for people, and for programs.

use super::Report;

/// Faults of one check that are written out; the rest is counted.
const SHOWN: usize = 20;

/// For people: the faults grouped by check, then one line that says how it ended.
pub fn text(report: &Report) -> String {
    let mut out = String::new();
    for check in &report.checks {
        let faults: Vec<_> = report.faults.iter().filter(|fault| fault.check == *check).collect();
        if faults.is_empty() {
            continue;
        }
        out.push_str(&format!("{check}: {}\n", counted(faults.len(), "fault")));
        for fault in faults.iter().take(SHOWN) {
            out.push_str(&format!("  {}: {}\n", fault.subject, fault.message));
        }
        if faults.len() > SHOWN {
            out.push_str(&format!("  … and {} more\n", faults.len() - SHOWN));
        }
    }
    for skipped in &report.skipped {
        out.push_str(&format!("not checked: {}: {}\n", skipped.check, skipped.reason));
    }
    let verdict = match report.faults.len() {
        0 => "no fault found".to_owned(),
        faults => counted(faults, "fault"),
    };
    let (checks, members) = (counted(report.checks.len(), "check"), counted(report.members, "member"));
    out.push_str(&format!("{verdict}: {} ({checks}, {members})\n", report.name));
    out
}

/// For programs: every fault, one JSON object.
pub fn json(report: &Report) -> String {
    serde_json::to_string_pretty(report).expect("a report has only strings and numbers")
}

/// `1 fault`, `2 faults`.
pub fn counted(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::{Fault, Skipped};

    fn report(faults: usize) -> Report {
        let fault =
            |number| Fault { check: "crel", subject: format!("{number}.o"), message: "bad".to_owned() };
        Report {
            name: "x.zip".to_owned(),
            checks: vec!["contents", "crel"],
            skipped: vec![Skipped { check: "stack", reason: "no stack".to_owned() }],
            members: 1,
            faults: (0..faults).map(fault).collect(),
        }
    }

    #[test]
    fn few_faults_are_all_written_and_many_counted() {
        assert_eq!(
            text(&report(0)),
            "not checked: stack: no stack\nno fault found: x.zip (2 checks, 1 member)\n"
        );
        assert_eq!(
            text(&report(1)),
            "crel: 1 fault\n  0.o: bad\nnot checked: stack: no stack\n1 fault: x.zip (2 checks, 1 member)\n"
        );
        let many = text(&report(57));
        assert!(many.starts_with("crel: 57 faults\n  0.o: bad\n"), "{many}");
        assert!(many.contains("  19.o: bad\n  … and 37 more\nnot checked"), "{many}");
    }

    #[test]
    fn json_has_every_fault() {
        let value: serde_json::Value = serde_json::from_str(&json(&report(57))).unwrap();
        assert_eq!(value["faults"].as_array().unwrap().len(), 57);
        assert_eq!(value["faults"][56]["subject"], "56.o");
    }
}
