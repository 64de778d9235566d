//! A report for people: as text, and as Markdown for a pull request. Findings that need nobody are one line for each kind.

use std::fmt::Write as _;

use super::{Area, Finding, Report, Weight};

const AREAS: [(Area, &str); 8] = [
    (Area::Patches, "Patches"),
    (Area::Configure, "gn gen"),
    (Area::Arguments, "GN arguments"),
    (Area::Flags, "Compiler flags"),
    (Area::Defines, "Macros that programs share with the library"),
    (Area::Minimums, "What V8 is built with"),
    (Area::Dependencies, "Dependencies"),
    (Area::Licences, "Licences"),
];

/// More lines than these of a conflict or a comment help nobody; JSON has all of them.
const DETAIL_LINES: usize = 60;

/// `V8 15.2.124.1 → 14.9.207.2: 3 findings would stop a build, 20 are to be looked at`
fn head(report: &Report) -> String {
    let count = |weight| report.findings.iter().filter(|finding| finding.weight == weight).count();
    format!(
        "V8 {} → {}: {} would stop a build, {} to look at, {} for the record",
        report.from.v8_version,
        report.to.v8_version,
        count(Weight::Blocks),
        count(Weight::Look),
        count(Weight::Note)
    )
}

/// What both of them are of.
fn about(report: &Report) -> String {
    format!("{} → {}; {} for {}", report.from.tree, report.to.tree, report.variant, report.targets.join(", "))
}

/// For a terminal.
pub fn text(report: &Report) -> String {
    let mut text = format!("{}\n{}\n", head(report), about(report));
    for (area, name) in AREAS {
        let all: Vec<&Finding> = report.findings.iter().filter(|finding| finding.area == area).collect();
        let _ = writeln!(text, "\n{name}{}", if all.is_empty() { ": nothing" } else { "" });
        for finding in all.iter().filter(|finding| finding.weight != Weight::Note) {
            let mark = if finding.weight == Weight::Blocks { "STOP" } else { "look" };
            let _ = writeln!(text, "  {mark}  {}: {}", finding.subject, finding.what);
            for line in detail(finding) {
                let _ = writeln!(text, "          {line}");
            }
        }
        for (kind, subjects) in notes(&all) {
            let _ = writeln!(text, "  note  {kind}: {subjects}");
        }
    }
    text
}

/// For a pull request.
pub fn markdown(report: &Report) -> String {
    let mut text = format!("## {}\n\n{}\n", head(report), about(report));
    for (area, name) in AREAS {
        let all: Vec<&Finding> = report.findings.iter().filter(|finding| finding.area == area).collect();
        if all.is_empty() {
            continue;
        }
        let _ = writeln!(text, "\n### {name}\n");
        for finding in all.iter().filter(|finding| finding.weight != Weight::Note) {
            let mark = if finding.weight == Weight::Blocks { "**stops a build**" } else { "look" };
            let _ = writeln!(text, "- {mark}: `{}` {}", finding.subject, finding.what);
            let lines = detail(finding);
            if !lines.is_empty() {
                let fence = fence(&lines);
                let _ = writeln!(text, "\n  {fence}text");
                lines.iter().for_each(|line| text.push_str(&format!("  {line}\n")));
                let _ = writeln!(text, "  {fence}\n");
            }
        }
        for (kind, subjects) in notes(&all) {
            let _ = writeln!(text, "- {kind}: {subjects}");
        }
    }
    text
}

/// A fence that no line of the text ends.
fn fence(lines: &[String]) -> String {
    let longest = lines.iter().map(|line| line.chars().take_while(|c| *c == '`').count()).max().unwrap_or(0);
    "`".repeat((longest + 1).max(3))
}

fn detail(finding: &Finding) -> Vec<String> {
    let all: Vec<&str> = finding.detail.lines().collect();
    let mut lines: Vec<String> = all.iter().take(DETAIL_LINES).map(|line| (*line).to_owned()).collect();
    if all.len() > DETAIL_LINES {
        lines.push(format!("… {} lines more; --format json has them", all.len() - DETAIL_LINES));
    }
    lines
}

/// Of those for the record, every kind with its subjects.
fn notes(all: &[&Finding]) -> Vec<(&'static str, String)> {
    let mut kinds: Vec<&'static str> = Vec::new();
    let notes: Vec<&&Finding> = all.iter().filter(|finding| finding.weight == Weight::Note).collect();
    for finding in &notes {
        if !kinds.contains(&finding.kind) {
            kinds.push(finding.kind);
        }
    }
    let subjects = |kind| {
        let of_kind = notes.iter().filter(|finding| finding.kind == kind);
        of_kind.map(|finding| finding.subject.as_str()).collect::<Vec<_>>().join(", ")
    };
    kinds.into_iter().map(|kind| (kind, subjects(kind))).collect()
}

#[cfg(test)]
#[path = "print_tests.rs"]
mod tests;
