//! ninja's own record of a build, `.ninja_log`: which output was made when, over all runs that made what is there now.

use std::collections::BTreeMap;

/// A step as ninja ran it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its first output, relative to ninja's folder.
    pub output: String,
    /// Milliseconds from the start of its run.
    pub start_ms: u64,
    /// Milliseconds from the start of its run.
    pub end_ms: u64,
}

/// One run of ninja: from its start to its last finished step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// When it began, in milliseconds since 1970.
    pub began_ms: u64,
    /// When its last step ended, from its start.
    pub length_ms: u64,
    /// Its steps in the order of their start; those that a later run did again are left out.
    pub steps: Vec<Step>,
}

/// A line of the file.
struct Line<'a> {
    start_ms: u64,
    end_ms: u64,
    /// When its command began, in nanoseconds since 1970; for a `restat` rule a time of its output.
    mtime_ns: u64,
    output: &'a str,
    hash: &'a str,
}

/// Reads version 7 of the format (ninja 1.12 and later: start, end, mtime, output, hash of the command, by tabs).
///
/// All runs are given, one after the other, and of an output that was made several times only the last time: together
/// that is how the folder came to be what it is. Steps that were interrupted are in no log.
///
/// A run begins where the end of a step lies before the end of the one above it: ninja writes a line as soon as its step
/// ends. ninja now and then writes its log anew, in no order, when most lines are of outputs made again; then runs cannot
/// be told by the order of lines, but a step's time of day less its start is still the start of its run, and that is taken.
pub fn parse(text: &str) -> Result<Vec<Run>, String> {
    let mut rows = text.lines();
    match rows.next() {
        Some("# ninja log v7") => {}
        other => return Err(format!("its first line is {other:?}, not \"# ninja log v7\"")),
    }
    // A last line without its end was cut off by a crash: ninja does not read it either.
    let whole = text.ends_with('\n');
    let count = text.lines().count() - 1;
    let mut lines = Vec::with_capacity(count);
    for (index, row) in rows.enumerate() {
        match parse_line(row) {
            Some(line) => lines.push(line),
            None if index + 1 == count && !whole => {}
            None => return Err(format!("its line {} is {row:?}", index + 2)),
        }
    }
    let runs = runs(&lines);
    let mut last: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (run, members) in runs.iter().enumerate() {
        for line in members {
            last.insert(lines[*line].output, (run, *line));
        }
    }
    let is_last = |run: usize, line: usize| last.get(lines[line].output) == Some(&(run, line));
    let made = runs.iter().enumerate().map(|(run, members)| {
        let began_ms = median(members.iter().map(|line| lines[*line].began_ms()).collect());
        let length_ms = members.iter().map(|line| lines[*line].end_ms).max().unwrap_or(0);
        // A step with several outputs has a line for each, with the same times and the same hash.
        let mut steps: BTreeMap<(u64, u64, &str), &str> = BTreeMap::new();
        for line in members.iter().filter(|line| is_last(run, **line)).map(|line| &lines[*line]) {
            steps.entry((line.start_ms, line.end_ms, line.hash)).or_insert(line.output);
        }
        let steps = steps.into_iter().map(|((start_ms, end_ms, _), output)| Step {
            output: output.to_owned(),
            start_ms,
            end_ms,
        });
        Run { began_ms, length_ms, steps: steps.collect() }
    });
    Ok(made.filter(|run| !run.steps.is_empty()).collect())
}

fn parse_line(row: &str) -> Option<Line<'_>> {
    let mut fields = row.split('\t');
    let line = Line {
        start_ms: fields.next()?.parse().ok()?,
        end_ms: fields.next()?.parse().ok()?,
        mtime_ns: fields.next()?.parse().ok()?,
        output: fields.next()?,
        hash: fields.next()?,
    };
    (fields.next().is_none() && line.start_ms <= line.end_ms).then_some(line)
}

impl Line<'_> {
    fn began_ms(&self) -> u64 {
        (self.mtime_ns / 1_000_000).saturating_sub(self.start_ms)
    }
}

/// The numbers of the lines of each run, in the order of time.
fn runs(lines: &[Line<'_>]) -> Vec<Vec<usize>> {
    let mut by_order: Vec<Vec<usize>> = Vec::new();
    let mut previous_end_ms = u64::MAX;
    for (index, line) in lines.iter().enumerate() {
        if line.end_ms < previous_end_ms {
            by_order.push(Vec::new());
        }
        previous_end_ms = line.end_ms;
        by_order.last_mut().expect("the first line begins a run").push(index);
    }
    // In no order every second line begins a "run".
    if by_order.len() <= 8 || by_order.len() * 4 <= lines.len() {
        return by_order;
    }
    let mut order: Vec<usize> = (0..lines.len()).collect();
    order.sort_by_key(|index| lines[*index].began_ms());
    let mut by_time: Vec<Vec<usize>> = Vec::new();
    let mut previous_ms = None;
    for index in order {
        let began_ms = lines[index].began_ms();
        // Starts within one run agree to a few milliseconds; a person takes longer to start the next.
        if previous_ms.is_none_or(|previous_ms| began_ms > previous_ms + 500) {
            by_time.push(Vec::new());
        }
        previous_ms = Some(began_ms);
        by_time.last_mut().expect("the first line begins a run").push(index);
    }
    by_time
}

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of start, end, mtime in milliseconds, output, hash.
    fn log(lines: &[(u64, u64, u64, &str, &str)]) -> String {
        let row = |(start, end, mtime_ms, output, hash): &(u64, u64, u64, &str, &str)| {
            format!("{start}\t{end}\t{mtime_ms}000000\t{output}\t{hash}\n")
        };
        std::iter::once("# ninja log v7\n".to_owned()).chain(lines.iter().map(row)).collect()
    }

    /// `began+length: output start..end, …` for each run.
    fn check(lines: &[(u64, u64, u64, &str, &str)], expected: &[&str]) {
        let runs = parse(&log(lines)).unwrap();
        let told: Vec<String> = runs
            .iter()
            .map(|run| {
                let steps = run
                    .steps
                    .iter()
                    .map(|step| format!("{} {}..{}", step.output, step.start_ms, step.end_ms));
                format!("{}+{}: {}", run.began_ms, run.length_ms, steps.collect::<Vec<_>>().join(", "))
            })
            .collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn runs_are_told_apart_and_a_step_counts_where_it_ran_last() {
        check(&[], &[]);
        check(&[(5, 9, 1005, "a.o", "1"), (2, 10, 1002, "b.o", "2")], &["1000+10: b.o 2..10, a.o 5..9"]);
        check(
            &[(5, 9, 1005, "a.o", "1"), (9, 20, 1009, "b.o", "2"), (1, 4, 5001, "b.o", "2")],
            &["1000+20: a.o 5..9", "5000+4: b.o 1..4"],
        );
        check(&[(5, 9, 1005, "a.o", "1"), (1, 4, 5001, "a.o", "2")], &["5000+4: a.o 1..4"]);
    }

    #[test]
    fn a_step_with_several_outputs_is_one() {
        check(&[(5, 9, 1005, "a.h", "1"), (5, 9, 1005, "a.cc", "1")], &["1000+9: a.h 5..9"]);
        check(&[(5, 9, 1005, "a.o", "1"), (5, 9, 1005, "b.o", "2")], &["1000+9: a.o 5..9, b.o 5..9"]);
    }

    #[test]
    fn a_log_that_ninja_wrote_anew_is_sorted_by_time() {
        // Two runs, at 1000 and at 90000, mixed.
        let names: Vec<String> = (0..40).map(|index| format!("{index}.o")).collect();
        let mixed: Vec<(u64, u64, u64, &str, &str)> = (0..40u64)
            .map(|index| {
                let start = (index * 17) % 40;
                let began = if index % 2 == 0 { 1000 } else { 90_000 };
                (start, start + 1, began + start, names[index as usize].as_str(), "1")
            })
            .collect();
        let runs = parse(&log(&mixed)).unwrap();
        let told: Vec<(u64, usize)> = runs.iter().map(|run| (run.began_ms, run.steps.len())).collect();
        assert_eq!(told, [(1000, 20), (90_000, 20)]);
    }

    #[test]
    fn another_format_is_refused_and_half_a_last_line_is_not() {
        assert!(parse("# ninja log v6\n").unwrap_err().contains("v6"));
        assert!(parse("").is_err());
        let good = log(&[(5, 9, 1005, "a.o", "1")]);
        assert_eq!(parse(&format!("{good}7\t9\t10")).unwrap().len(), 1);
        assert!(parse(&format!("{good}7\t9\t10\n")).unwrap_err().contains("line 3"));
        assert!(parse(&format!("{good}9\t7\t10\tb.o\t2\n")).is_err(), "it ends before it begins");
    }
}
