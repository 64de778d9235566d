//! Puts a patch on a tree: exactly where it says, wholly or not at all, never with fuzz and never by moving a hunk.

use std::path::Path;

use super::diff::{Action, FileDiff, Hunk};
use super::patch::Patch;
use crate::error::{Error, IoContext as _, Result};

/// How one hunk fits the file.
#[derive(Debug, PartialEq, Eq)]
enum Fit {
    /// The place holds what it held before the patch.
    Ready,
    /// The place holds what it holds after the patch.
    There,
    /// Neither, or not clear which; why.
    Not(String),
}

/// Applies `patch` to the tree at `root`. Nothing is written unless every hunk of every file fits.
///
/// # Errors
/// The first hunk that does not fit, with patch, file, number of the hunk and the first line that differs; or that the
/// patch, or a part of it, is there already.
pub fn apply(patch: &Patch, root: &Path) -> Result<()> {
    let mut writes = Vec::new();
    let (mut there, mut ready) = (Vec::new(), Vec::new());
    let mut misfit = None;
    for diff in &patch.diffs {
        let text = read(patch, root, &diff.path)?;
        let (fits, after) = examine(diff, text.as_deref());
        for (at, fit) in fits.into_iter().enumerate() {
            let hunk = format!("{} hunk {} of {}", diff.path, at + 1, diff.hunks.len());
            match fit {
                Fit::Ready => ready.push(hunk),
                Fit::There => there.push(hunk),
                Fit::Not(why) => misfit = misfit.or(Some(format!("{hunk}: {why}"))),
            }
        }
        writes.push((diff, after));
    }
    let fault = |what: String| Error::failed(format!("patch {} does not apply: {what}", patch.name));
    match (misfit, there.is_empty(), ready.is_empty()) {
        (Some(misfit), _, _) => return Err(fault(misfit)),
        (None, false, true) => {
            return Err(fault("the tree has all of it already".to_owned())
                .help("if V8 has taken it up, narrow the v8= of its Applies-to line, or remove it"));
        }
        (None, false, false) => {
            return Err(fault(format!(
                "the tree has a part of it already\n  there: {}\n  missing: {}",
                there.join(", "),
                ready.join(", ")
            )));
        }
        (None, true, _) => {}
    }
    for (diff, after) in writes {
        let path = root.join(&diff.path);
        match after {
            Some(text) => write(&path, text.as_bytes(), diff.action)?,
            None => std::fs::remove_file(&path).or_io("remove", &path)?,
        }
    }
    Ok(())
}

/// The file's text, `None` if it is not there.
fn read(patch: &Patch, root: &Path, path: &str) -> Result<Option<String>> {
    let place = root.join(path);
    let bytes = match std::fs::read(&place) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("read", &place, &error)),
    };
    let fault = |what: &str| Error::failed(format!("patch {} does not apply: {path} {what}", patch.name));
    if bytes.contains(&b'\r') {
        return Err(fault("has carriage returns, a patch cannot")
            .help("get the source again without line end conversion"));
    }
    String::from_utf8(bytes).map(Some).map_err(|_| fault("is not UTF-8"))
}

fn write(path: &Path, bytes: &[u8], action: Action) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).or_io("create", folder)?;
    }
    match action {
        Action::Create { executable } => super::unpack::write_new(path, bytes, executable),
        // Written in place: the mode stays, and the tree is a copy that nobody else has.
        Action::Modify | Action::Delete => std::fs::write(path, bytes).or_io("write", path),
    }
}

/// How each hunk fits, and the file's text afterwards (`None`: no file), which means something only if all are ready.
fn examine(diff: &FileDiff, text: Option<&str>) -> (Vec<Fit>, Option<String>) {
    let lines: Vec<&str> = text.unwrap_or_default().split_inclusive('\n').collect();
    let gone = || Fit::Not("the file is not there".to_owned());
    match (diff.action, text) {
        (Action::Modify, None) => (diff.hunks.iter().map(|_| gone()).collect(), None),
        (Action::Modify, Some(_)) => modify(&diff.hunks, &lines),
        (Action::Create { .. }, None) => (vec![Fit::Ready], Some(diff.hunks[0].new.concat())),
        (Action::Create { .. }, Some(_)) if lines == diff.hunks[0].new => (vec![Fit::There], None),
        (Action::Create { .. }, Some(_)) => {
            (vec![Fit::Not("the file is there already, with another text".to_owned())], None)
        }
        (Action::Delete, None) => (vec![Fit::There], None),
        (Action::Delete, Some(_)) if lines == diff.hunks[0].old => (vec![Fit::Ready], None),
        (Action::Delete, Some(_)) => (vec![Fit::Not(difference(&diff.hunks[0], &lines, 0))], None),
    }
}

fn modify(hunks: &[Hunk], lines: &[&str]) -> (Vec<Fit>, Option<String>) {
    let holds =
        |at: usize, wanted: &[String]| lines.get(at..at + wanted.len()).is_some_and(|found| found == wanted);
    let mut fits = Vec::new();
    let mut after = String::new();
    let mut copied = 0;
    // Hunks that are there already have moved the lines after them.
    let mut shift = 0_isize;
    for hunk in hunks {
        let at = hunk.old_start.saturating_add_signed(shift);
        fits.push(match (holds(at, &hunk.old), holds(at, &hunk.new)) {
            (true, false) => Fit::Ready,
            (false, true) => {
                shift += hunk.new.len().cast_signed() - hunk.old.len().cast_signed();
                Fit::There
            }
            (true, true) => Fit::Not(format!(
                "line {} holds the text before and after the patch: give the hunk more context",
                at + 1
            )),
            (false, false) => Fit::Not(difference(hunk, lines, at)),
        });
        if fits.last() == Some(&Fit::Ready) && shift == 0 {
            after.extend(lines[copied..at].iter().copied());
            after.extend(hunk.new.iter().map(String::as_str));
            copied = at + hunk.old.len();
        }
    }
    after.extend(lines[copied..].iter().copied());
    (fits, Some(after))
}

/// The first line at which the hunk's old text and the file differ, and where else its text would be found.
fn difference(hunk: &Hunk, lines: &[&str], at: usize) -> String {
    let differs =
        |&offset: &usize| lines.get(at + offset).copied() != hunk.old.get(offset).map(String::as_str);
    let offset = (0..=hunk.old.len()).find(differs).unwrap_or_default();
    let show = |line: Option<&str>| line.map_or("the end of the file".to_owned(), |line| format!("{line:?}"));
    let wanted = show(hunk.old.get(offset).map(String::as_str));
    let found = show(lines.get(at + offset).copied());
    let mut text = format!("line {}\n  wanted: {wanted}\n  found:  {found}", at + offset + 1);
    let elsewhere = |(_, window): &(usize, &[&str])| *window == hunk.old;
    if let Some((other, _)) = lines.windows(hunk.old.len().max(1)).enumerate().find(elsewhere) {
        text.push_str(&format!(
            "\n  its text is at line {}: make the patch again for this version of V8",
            other + 1
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n";

    /// Two hunks in `dir/x`, a new file, a removed file.
    fn patch() -> Patch {
        Patch::parse(
            "0001-two",
            b"Why: test\nUpstream: not reported\nApplies-to: source=*; v8=*; target=*\n\n\
              diff --git a/dir/x b/dir/x\n--- a/dir/x\n+++ b/dir/x\n\
              @@ -1,3 +1,4 @@\n a\n+NEW\n b\n c\n@@ -8,3 +9,3 @@ f\n h\n-i\n+I\n j\n\
              diff --git a/made/y b/made/y\nnew file mode 100755\n--- /dev/null\n+++ b/made/y\n@@ -0,0 +1 @@\n+y\n\
              diff --git a/gone b/gone\ndeleted file mode 100644\n--- a/gone\n+++ /dev/null\n@@ -1 +0,0 @@\n-gone\n",
        )
        .unwrap()
    }

    fn tree(x: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("dir")).unwrap();
        std::fs::write(root.path().join("dir/x"), x).unwrap();
        std::fs::write(root.path().join("gone"), "gone\n").unwrap();
        root
    }

    /// The error of applying to a tree, which is then as it was.
    #[track_caller]
    fn refused(root: &Path) -> String {
        let look = || ["dir/x", "made/y", "gone"].map(|name| std::fs::read(root.join(name)).ok());
        let before = look();
        let error = apply(&patch(), root).unwrap_err().to_string();
        assert_eq!(look(), before);
        assert!(error.contains("patch 0001-two does not apply: "), "{error}");
        error
    }

    #[test]
    fn a_patch_applies_once() {
        let root = tree(FILE);
        apply(&patch(), root.path()).unwrap();
        let text = std::fs::read_to_string(root.path().join("dir/x")).unwrap();
        assert_eq!(text, "a\nNEW\nb\nc\nd\ne\nf\ng\nh\nI\nj\n");
        assert_eq!(std::fs::read_to_string(root.path().join("made/y")).unwrap(), "y\n");
        assert!(!root.path().join("gone").exists());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(root.path().join("made/y")).unwrap().permissions().mode();
            assert_eq!(mode & 0o100, 0o100);
        }
        let error = refused(root.path());
        assert!(error.contains("the tree has all of it already"), "{error}");
    }

    #[test]
    fn f52_partly_applied() {
        let check = |x: &str, there: &str, missing: &str| {
            let error = refused(tree(x).path());
            assert!(error.contains("a part of it already"), "{error}");
            assert!(error.contains(&format!("there: {there}\n  missing: {missing}")), "{error}");
        };
        let rest = "made/y hunk 1 of 1, gone hunk 1 of 1";
        check(
            "a\nNEW\nb\nc\nd\ne\nf\ng\nh\ni\nj\n",
            "dir/x hunk 1 of 2",
            &format!("dir/x hunk 2 of 2, {rest}"),
        );
        check("a\nb\nc\nd\ne\nf\ng\nh\nI\nj\n", "dir/x hunk 2 of 2", &format!("dir/x hunk 1 of 2, {rest}"));
    }

    #[test]
    fn f52_no_fuzz_and_no_moving() {
        let check = |x: &str, expected: &str| {
            let error = refused(tree(x).path());
            assert!(error.contains(expected), "{error}");
        };
        // A context line differs: `patch` would apply it with fuzz.
        check(
            &FILE.replace("c\n", "C\n"),
            "dir/x hunk 1 of 2: line 3\n  wanted: \"c\\n\"\n  found:  \"C\\n\"",
        );
        // The text lies elsewhere: `git apply` would move the hunk.
        check(
            &FILE.replace("e\n", "e\nextra\n"),
            "dir/x hunk 2 of 2: line 8\n  wanted: \"h\\n\"\n  found:  \"g\\n\"\n  its text is at line 9",
        );
        check("a\nb\nc\n", "dir/x hunk 2 of 2: line 8\n  wanted: \"h\\n\"\n  found:  the end of the file");
        check(FILE.trim_end(), "hunk 2 of 2: line 10\n  wanted: \"j\\n\"\n  found:  \"j\"");
    }

    #[test]
    fn f52_a_missing_or_unexpected_file() {
        let root = tree(FILE);
        std::fs::remove_file(root.path().join("dir/x")).unwrap();
        let error = refused(root.path());
        assert!(error.contains("dir/x hunk 1 of 2: the file is not there"), "{error}");
        let root = tree(FILE);
        std::fs::create_dir(root.path().join("made")).unwrap();
        std::fs::write(root.path().join("made/y"), "other\n").unwrap();
        let error = refused(root.path());
        assert!(error.contains("made/y hunk 1 of 1: the file is there already"), "{error}");
        let root = tree(FILE);
        std::fs::write(root.path().join("gone"), "gone\nmore\n").unwrap();
        let error = refused(root.path());
        assert!(
            error.contains("gone hunk 1 of 1: line 2\n  wanted: the end of the file\n  found:  \"more\\n\""),
            "{error}"
        );
    }

    #[test]
    fn f52_crlf_files_are_refused() {
        let error = refused(tree(&FILE.replace('\n', "\r\n")).path());
        assert!(error.contains("dir/x has carriage returns"), "{error}");
    }

    #[test]
    fn f52_a_hunk_at_the_end_is_not_applied_twice() {
        let text = b"Why: test\nUpstream: not reported\nApplies-to: source=*; v8=*; target=*\n\n\
                     diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1,2 @@\n one\n+two\n";
        let patch = Patch::parse("0001-end", text).unwrap();
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("x"), "one\n").unwrap();
        apply(&patch, root.path()).unwrap();
        let error = apply(&patch, root.path()).unwrap_err().to_string();
        assert!(error.contains("holds the text before and after the patch"), "{error}");
        assert_eq!(std::fs::read_to_string(root.path().join("x")).unwrap(), "one\ntwo\n");
    }

    #[test]
    fn f52_nothing_is_skipped_inside_another_repository() {
        // Where `git apply` prints "Skipped patch" and exits 0.
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join(".git")).unwrap();
        let inner = root.path().join("sub");
        std::fs::create_dir_all(inner.join("dir")).unwrap();
        std::fs::write(inner.join("dir/x"), FILE).unwrap();
        std::fs::write(inner.join("gone"), "gone\n").unwrap();
        apply(&patch(), &inner).unwrap();
        assert!(std::fs::read_to_string(inner.join("dir/x")).unwrap().contains("NEW"));
    }
}
