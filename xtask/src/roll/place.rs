//! Where a hunk's place is in another version of the file: as it stands, moved, taken up already, or changed.

use std::ops::Range;

use similar::{Algorithm, DiffOp, capture_diff_slices};

use crate::source::diff::Hunk;

/// How a hunk fits another version of its file. Line numbers are indices from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Exactly where the patch says.
    There,
    /// The same text, once, at this line.
    Moved(usize),
    /// The text after the patch stands there, at this line: upstream did the same.
    Done(usize),
    /// Neither: the text was changed, or stands there several times.
    Changed,
}

/// Places `hunk` in `lines`, at `after` or below, where the hunk before it ended.
pub fn place(hunk: &Hunk, lines: &[&str], after: usize) -> Place {
    let holds =
        |at: usize, wanted: &[String]| lines.get(at..at + wanted.len()).is_some_and(|found| found == wanted);
    let fits = |at: usize| holds(at, &hunk.old) && !holds(at, &hunk.new);
    if hunk.old_start >= after && fits(hunk.old_start) {
        return Place::There;
    }
    let only = |found: &dyn Fn(usize) -> bool| {
        let mut all = (after..lines.len()).filter(|at| found(*at));
        all.next().filter(|_| all.next().is_none())
    };
    // What is nothing but taken away leaves its context alone, which proves nothing of what stood in it.
    let leaves_more_than_it_finds = hunk.new.len() > hunk.old.len();
    if let Some(at) = only(&fits) {
        return Place::Moved(at);
    }
    match only(&|at| holds(at, &hunk.new)) {
        Some(at) if leaves_more_than_it_finds || !contains(lines, &removed(hunk)) => Place::Done(at),
        _ => Place::Changed,
    }
}

/// The longest run of lines that the hunk takes away.
fn removed(hunk: &Hunk) -> Vec<&str> {
    let ops = capture_diff_slices(Algorithm::Myers, &hunk.old, &hunk.new);
    let runs =
        ops.iter().map(|op| op.old_range()).zip(&ops).filter(|(_, op)| !matches!(op, DiffOp::Equal { .. }));
    let longest = runs.map(|(range, _)| range).max_by_key(|range| range.len()).unwrap_or(0..0);
    hunk.old[longest].iter().map(String::as_str).collect()
}

fn contains(lines: &[&str], wanted: &[&str]) -> bool {
    !wanted.is_empty() && lines.windows(wanted.len()).any(|window| window == wanted)
}

/// Lines that are shown before and behind a place that is gone.
const AROUND: usize = 4;

/// The lines of the new file that stand for `range` of the old one.
pub fn follow(old: &[&str], new: &[&str], range: Range<usize>) -> Range<usize> {
    let ops = capture_diff_slices(Algorithm::Myers, old, new);
    let start =
        ops.iter().find(|op| op.old_range().contains(&range.start)).map_or(new.len(), |op| match op {
            DiffOp::Equal { old_index, new_index, .. } => new_index + (range.start - old_index),
            other => other.new_range().start,
        });
    let last = range.end.saturating_sub(1);
    let end = ops.iter().find(|op| op.old_range().contains(&last)).map_or(start, |op| match op {
        DiffOp::Equal { old_index, new_index, .. } => new_index + (last - old_index) + 1,
        other => other.new_range().end,
    });
    if end > start {
        return start..end;
    }
    // All of it went: what stands around its place says more than nothing.
    start.saturating_sub(AROUND)..(start + AROUND).min(new.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<&str> {
        text.split_inclusive('\n').collect()
    }

    fn hunk(old_start: usize, old: &str, new: &str) -> Hunk {
        let owned = |text: &str| lines(text).into_iter().map(str::to_owned).collect();
        Hunk { old_start, old: owned(old), new: owned(new) }
    }

    #[test]
    fn places() {
        let check = |file: &str, hunk: &Hunk, after: usize, expected: Place| {
            assert_eq!(place(hunk, &lines(file), after), expected, "{file}");
        };
        let adds = hunk(1, "b\nc\n", "b\nNEW\nc\n");
        check("a\nb\nc\nd\n", &adds, 0, Place::There);
        check("a\na\na\nb\nc\nd\n", &adds, 0, Place::Moved(3));
        check("b\nc\nd\n", &adds, 0, Place::Moved(0));
        check("b\nc\nd\n", &adds, 1, Place::Changed);
        check("a\nb\nNEW\nc\nd\n", &adds, 0, Place::Done(1));
        check("a\nb\nother\nc\nd\n", &adds, 0, Place::Changed);
        // Which of two it would be nobody knows.
        check("x\nx\nb\nc\nb\nc\n", &adds, 0, Place::Changed);
        check("", &adds, 0, Place::Changed);

        let takes = hunk(0, "a\nGONE\nb\n", "a\nb\n");
        check("a\nGONE\nb\n", &takes, 0, Place::There);
        check("x\na\nb\n", &takes, 0, Place::Done(1));
        // What was to go has only moved.
        check("a\nb\nGONE\n", &takes, 0, Place::Changed);

        // A line after which nothing is said: the text before the patch stands in the text after it.
        let ends = hunk(0, "one\n", "one\ntwo\n");
        check("one\n", &ends, 0, Place::There);
        check("one\ntwo\n", &ends, 0, Place::Done(0));
    }

    #[test]
    fn a_range_is_followed() {
        let check = |old: &str, new: &str, range: Range<usize>, expected: &str| {
            let new = lines(new);
            assert_eq!(new[follow(&lines(old), &new, range)].concat(), expected);
        };
        check("a\nb\nc\nd\n", "x\na\nb\nc\nd\n", 1..3, "b\nc\n");
        check("a\nb\nc\nd\n", "a\nb\nNEW\nc\nd\n", 1..3, "b\nNEW\nc\n");
        check("a\nb\nc\nd\n", "a\nB\nd\n", 1..3, "B\n");
        check("a\nb\nc\nd\n", "a\nd\n", 1..3, "a\nd\n");
        check("a\nb\n", "", 0..2, "");
    }
}
