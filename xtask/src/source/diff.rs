//! Git-format unified diffs, read strictly: every line must be accounted for.
//!
//! Read by ourselves, because the tools that exist are lenient where a build must not be: `git apply` exits 0 without
//! doing anything inside another repository's subdirectory, `patch` guesses with fuzz, and both, like the `diffy`
//! package, drop lines after a hunk whose header counts too few.

/// What one patch does to one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileDiff {
    /// The file, relative to the tree, `/` between its parts, without the diff's `a/` and `b/`.
    pub path: String,
    /// Whether the file is changed, made or removed.
    pub action: Action,
    /// The places, in the file's order; never empty.
    pub hunks: Vec<Hunk>,
}

/// Whether a diff changes a file, makes it or removes it; renames and mode changes are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The file is there before and after.
    Modify,
    /// The file must not be there before.
    Create {
        /// Mode 100755 instead of 100644.
        executable: bool,
    },
    /// The file must not be there after, and its whole text is in the diff.
    Delete,
}

/// One place of a file. Lines keep their line end, which only a file's last line may lack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hunk {
    /// Index (from 0) of the first line in the file before the patch.
    pub old_start: usize,
    /// What the place holds before.
    pub old: Vec<String>,
    /// What the place holds after.
    pub new: Vec<String>,
}

/// Reads the diffs of a patch file's body, whose first line is line `first_line` (from 1) of the file.
///
/// # Errors
/// A sentence that begins with the line number, for anything that is not exactly a diff as `git diff` writes it of
/// text files that are changed, made or removed.
pub fn parse(body: &str, first_line: usize) -> Result<Vec<FileDiff>, String> {
    let lines: Vec<&str> = body.split_inclusive('\n').collect();
    let mut reader = Reader { lines: &lines, at: 0, first_line };
    let mut diffs = Vec::new();
    while reader.peek().is_some() {
        diffs.push(reader.file()?);
    }
    let mut paths: Vec<&str> = diffs.iter().map(|diff| diff.path.as_str()).collect();
    paths.sort_unstable();
    if let Some(twice) = paths.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(format!("the file {} stands in it twice", twice[0]));
    }
    Ok(diffs)
}

struct Reader<'a> {
    lines: &'a [&'a str],
    at: usize,
    first_line: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.lines.get(self.at).map(|line| line.trim_end_matches('\n'))
    }

    fn fault(&self, what: &str) -> String {
        let found = self.peek().map_or("the end of the file".to_owned(), |line| format!("'{line}'"));
        format!("line {}: {what}, found {found}", self.first_line + self.at)
    }

    /// The rest of the next line if it starts with `prefix`, which is then consumed.
    fn take(&mut self, prefix: &str) -> Option<&'a str> {
        let rest = self.peek()?.strip_prefix(prefix)?;
        self.at += 1;
        Some(rest)
    }

    fn file(&mut self) -> Result<FileDiff, String> {
        let fault = self.fault("expected 'diff --git a/<file> b/<file>'");
        let (old, new) = self
            .take("diff --git a/")
            .and_then(|names| names.split_once(" b/"))
            .ok_or_else(|| fault.clone())?;
        if old != new {
            return Err(format!("{fault}: a rename; write it as a removal and a new file"));
        }
        let path = inside(old).map_err(|why| format!("{fault}: {why}"))?;
        let action = if let Some(mode) = self.take("new file mode ") {
            match mode {
                "100644" => Action::Create { executable: false },
                "100755" => Action::Create { executable: true },
                _ => return Err(format!("{fault}: mode {mode}, neither 100644 nor 100755")),
            }
        } else if self.take("deleted file mode ").is_some() {
            Action::Delete
        } else {
            Action::Modify
        };
        self.take("index ");
        let (from, to) = match action {
            Action::Modify => (format!("--- a/{path}"), format!("+++ b/{path}")),
            Action::Create { .. } => ("--- /dev/null".to_owned(), format!("+++ b/{path}")),
            Action::Delete => (format!("--- a/{path}"), "+++ /dev/null".to_owned()),
        };
        for expected in [from, to] {
            // git appends a tab to a name with a space in it.
            if self.peek().map(|line| line.trim_end_matches('\t')) != Some(&expected) {
                return Err(self.fault(&format!("expected '{expected}'")));
            }
            self.at += 1;
        }
        let mut hunks: Vec<Hunk> = Vec::new();
        while self.peek().is_some_and(|line| line.starts_with("@@")) {
            let fault = self.fault("bad hunk");
            let hunk = self.hunk(&hunks)?;
            let whole = match action {
                // Without a line to recognise, a place cannot be told from any other.
                Action::Modify => !hunk.old.is_empty(),
                Action::Create { .. } => hunk.old.is_empty() && hunks.is_empty(),
                Action::Delete => hunk.new.is_empty() && hunks.is_empty(),
            };
            if !whole || hunk.old == hunk.new {
                return Err(format!(
                    "{fault}: a change needs context, a new or removed file exactly one side"
                ));
            }
            hunks.push(hunk);
        }
        if hunks.is_empty() {
            return Err(self.fault("expected '@@ -… +… @@'"));
        }
        Ok(FileDiff { path, action, hunks })
    }

    fn hunk(&mut self, before: &[Hunk]) -> Result<Hunk, String> {
        let fault =
            self.fault("expected '@@ -<line>,<count> +<line>,<count> @@' that follows the hunk before it");
        let header = self.take("@@ -").and_then(|rest| rest.split_once(" @@")).map(|(ranges, _)| ranges);
        let ranges = header.and_then(|ranges| ranges.split_once(" +"));
        let Some(((old_line, old_count), (new_line, new_count))) =
            ranges.and_then(|(old, new)| Some((range(old)?, range(new)?)))
        else {
            return Err(fault);
        };
        let (mut old, mut new): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
        while old.len() < old_count || new.len() < new_count {
            let Some(line) = self.lines.get(self.at) else {
                return Err(self.fault("the hunk ends before its header's count"));
            };
            // Editors that strip trailing blanks turn an empty context line, a lone blank, into an empty line.
            let (mark, text) =
                if *line == "\n" { (" ", *line) } else { line.split_at_checked(1).unwrap_or(("", "")) };
            let (in_old, in_new) = match mark {
                " " => (true, true),
                "-" => (true, false),
                "+" => (false, true),
                _ => return Err(self.fault("expected a hunk's line with ' ', '-' or '+' before it")),
            };
            if !text.ends_with('\n') {
                return Err(self.fault("the patch file's last line has no line end"));
            }
            self.at += 1;
            let last = self.peek() == Some("\\ No newline at end of file");
            self.at += usize::from(last);
            let text = if last { text.trim_end_matches('\n') } else { text };
            if in_old {
                old.push(text.to_owned());
            }
            if in_new {
                new.push(text.to_owned());
            }
        }
        if old.len() != old_count || new.len() != new_count {
            return Err(format!(
                "{fault}: it counts {old_count} and {new_count} lines, but has {} and {}",
                old.len(),
                new.len()
            ));
        }
        // In an empty range the number is that of the line before it.
        let old_start =
            if old_count == 0 { old_line } else { old_line.checked_sub(1).ok_or_else(|| fault.clone())? };
        let new_start =
            if new_count == 0 { new_line } else { new_line.checked_sub(1).ok_or_else(|| fault.clone())? };
        let in_order = before.last().is_none_or(|last| last.old_start + last.old.len() <= old_start);
        let added: usize = before.iter().map(|hunk| hunk.new.len()).sum();
        let removed: usize = before.iter().map(|hunk| hunk.old.len()).sum();
        if !in_order || old_start + added != new_start + removed {
            return Err(fault);
        }
        Ok(Hunk { old_start, old, new })
    }
}

/// `12,3` or `12` (one line): line from 1, and count.
fn range(text: &str) -> Option<(usize, usize)> {
    let (line, count) = text.split_once(',').unwrap_or((text, "1"));
    // Half of the numbers is far beyond any file, and keeps every sum of two from overflowing.
    let number = |text: &str| text.parse::<usize>().ok().filter(|number| *number < usize::MAX / 4);
    Some((number(line)?, number(count)?))
}

/// The path, if it stays in the tree on every platform.
fn inside(path: &str) -> Result<String, &'static str> {
    if path.contains(['\\', ':', '"', '\0']) {
        return Err("a name with \\, : or \" in it means something else elsewhere");
    }
    if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err("the path leaves the tree");
    }
    Ok(path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODIFY: &str = "diff --git a/x/y.cc b/x/y.cc\nindex 1..2 100644\n--- a/x/y.cc\n+++ b/x/y.cc\n\
                          @@ -3,2 +3,3 @@ int main() {\n one\n+two\n three\n";

    #[test]
    fn a_change_a_new_file_a_removed_file() {
        let text = format!(
            "{MODIFY}diff --git a/new b/new\nnew file mode 100755\nindex 0..1\n--- /dev/null\n+++ b/new\n@@ -0,0 +1 @@\n+n\n\
             \\ No newline at end of file\ndiff --git a/old b/old\ndeleted file mode 100644\n--- a/old\n+++ /dev/null\n\
             @@ -1,2 +0,0 @@\n-a\n-b\n"
        );
        let lines = |lines: &[&str]| lines.iter().map(|&line| line.to_owned()).collect::<Vec<_>>();
        let diffs = parse(&text, 1).unwrap();
        assert_eq!(
            diffs,
            [
                FileDiff {
                    path: "x/y.cc".into(),
                    action: Action::Modify,
                    hunks: vec![Hunk {
                        old_start: 2,
                        old: lines(&["one\n", "three\n"]),
                        new: lines(&["one\n", "two\n", "three\n"])
                    }],
                },
                FileDiff {
                    path: "new".into(),
                    action: Action::Create { executable: true },
                    hunks: vec![Hunk { old_start: 0, old: vec![], new: lines(&["n"]) }],
                },
                FileDiff {
                    path: "old".into(),
                    action: Action::Delete,
                    hunks: vec![Hunk { old_start: 0, old: lines(&["a\n", "b\n"]), new: vec![] }],
                },
            ]
        );
    }

    #[test]
    fn everything_else_is_refused() {
        #[track_caller]
        fn check(from: &str, to: &str, expected: &str) {
            let text = MODIFY.replacen(from, to, 1);
            assert_ne!(text, MODIFY);
            let error = parse(&text, 10).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        check("a/x/y.cc b/x/y.cc", "a/x/y.cc b/x/z.cc", "line 10: expected 'diff --git a/<file> b/<file>'");
        check("a/x/y.cc b/x/y.cc", "a/../y.cc b/../y.cc", "leaves the tree");
        check("a/x/y.cc b/x/y.cc", "a//y.cc b//y.cc", "leaves the tree");
        check("a/x/y.cc b/x/y.cc", "a/C:\\y.cc b/C:\\y.cc", "means something else");
        check("a/x/y.cc b/x/y.cc", "x/y.cc x/y.cc", "line 10: expected 'diff --git");
        check(
            "index 1..2 100644",
            "old mode 100644",
            "line 11: expected '--- a/x/y.cc', found 'old mode 100644'",
        );
        check("--- a/x/y.cc", "--- a/x/z.cc", "line 12: expected '--- a/x/y.cc'");
        check("@@ -3,2 +3,3 @@", "@@ -3,2 +3,4 @@", "line 18: the hunk ends before its header's count");
        // A count that is too small must not drop the lines after it.
        check("@@ -3,2 +3,3 @@", "@@ -3,1 +3,2 @@", "line 17: expected 'diff --git");
        check("@@ -3,2 +3,3 @@", "@@ -3,2 +5,3 @@", "line 14: expected '@@");
        check("@@ -3,2 +3,3 @@", "@@ -0,2 +0,3 @@", "line 14: expected '@@");
        check("+two", "+two\n*odd", "line 17: expected a hunk's line");
        check(" three\n", " three", "no line end");
        check(
            " one\n+two\n three\n",
            "+one\n+two\n+three\n",
            "line 18: the hunk ends before its header's count",
        );
    }

    #[test]
    fn a_change_without_context_is_refused() {
        let text = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -3,0 +4 @@\n+two\n";
        assert!(parse(text, 1).unwrap_err().contains("a change needs context"));
        let nothing = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -3 +3 @@\n two\n";
        assert!(parse(nothing, 1).unwrap_err().contains("a change needs context"));
        assert!(parse("diff --git a/x b/x\nnew file mode 100644\nindex 0..0\n", 1).is_err());
    }

    #[test]
    fn a_file_twice_is_refused() {
        assert_eq!(parse(&MODIFY.repeat(2), 1).unwrap_err(), "the file x/y.cc stands in it twice");
    }
}
