//! Patches against small trees: every way in which one can fit another version, and what is written of it.

use super::*;
use crate::source::testing::plan_of;

const OLD: &str = "a\nb\nc\nd\ne\nf\ng\nh\n";

/// Changes `c` and `g` of `dir/x`.
fn body(first: usize, second: usize) -> String {
    format!(
        "diff --git a/dir/x b/dir/x\n--- a/dir/x\n+++ b/dir/x\n@@ -{},3 +{},4 @@\n b\n+NEW\n c\n d\n@@ -{},2 +{},2 @@\n f\n-g\n+G\n",
        first,
        first,
        second,
        second + 1
    )
}

struct World {
    folder: tempfile::TempDir,
}

impl World {
    /// Patches with what they apply to; the old tree has [`OLD`], the new one `new`.
    fn new(patches: &[(&str, &str, String)], new: Option<&str>) -> World {
        let world = World { folder: tempfile::tempdir().unwrap() };
        for (name, says, body) in patches {
            let text = format!("Why: x\nUpstream: not reported\nApplies-to: {says}\n\n{body}");
            world.write(&format!("patches/{name}.patch"), &text);
        }
        world.write("old/dir/x", OLD);
        world.write("new/dir/other", "");
        if let Some(new) = new {
            world.write("new/dir/x", new);
        }
        world
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn check(&self) -> (Vec<Finding>, Trial) {
        let root = self.folder.path();
        let (old, new) = (plan_of("15.2.1.1", "152.0.0", "0.78.0"), plan_of("15.3.1.1", "153.0.0", "0.78.0"));
        let sides = Sides {
            old: (&root.join("old"), &old),
            new: (&root.join("new"), &new),
            targets: vec!["one-linux-gnu"],
            folder: &root.join("patches"),
            staying: vec![
                (Kind::Crate, "14.9.1.1".parse().unwrap()),
                (Kind::DepotTools, "15.1.1.1".parse().unwrap()),
            ],
        };
        check(&Patch::read_all(&root.join("patches")).unwrap(), &sides).unwrap()
    }
}

const ALL: &str = "source=*; v8=>=15.2; target=*";

/// One patch, the new text of its file, and the kind and detail of what is found.
fn found(new: Option<&str>) -> (Finding, Trial) {
    let (mut findings, trial) = World::new(&[("0001-a", ALL, body(2, 6))], new).check();
    assert_eq!(findings.len(), 1);
    (findings.remove(0), trial)
}

#[test]
fn it_applies_as_it_is() {
    let (finding, trial) = found(Some(&format!("{OLD}more\n")));
    assert_eq!((finding.kind, finding.weight), ("applies", Weight::Note));
    assert_eq!((trial.fitting.len(), trial.refreshed.len()), (1, 0));
}

#[test]
fn it_has_moved_and_its_new_lines_are_written() {
    let (finding, trial) = found(Some("x\nx\na\nb\nc\nd\ne\ny\nf\ng\nh\n"));
    assert_eq!((finding.kind, finding.weight), ("moved", Weight::Blocks));
    assert_eq!(finding.detail, "dir/x hunk 1 of 2: line 2 → 4\ndir/x hunk 2 of 2: line 6 → 9");
    let [refreshed] = trial.refreshed.as_slice() else { panic!("one patch") };
    let head = format!("Why: x\nUpstream: not reported\nApplies-to: {ALL}\n\n");
    assert_eq!(refreshed.text, head + &body(4, 9));
    // What was written applies as it is.
    let world = World::new(&[("0001-a", ALL, body(4, 9))], Some("x\nx\na\nb\nc\nd\ne\ny\nf\ng\nh\n"));
    assert_eq!(world.check().0[0].kind, "applies");
}

#[test]
fn what_another_v8_needs_as_it_is_is_not_renumbered() {
    let moved = format!("x\n{OLD}");
    let check = |says: &str, other: Option<&str>| {
        let (findings, trial) = World::new(&[("0001-a", says, body(2, 6))], Some(&moved)).check();
        assert_eq!((findings[0].kind, findings[0].weight), ("moved", Weight::Blocks));
        let expected = match other {
            None => "applies at other lines: --apply writes them".to_owned(),
            Some(other) => format!(
                "applies at other lines, and V8 {other} needs it as it is: make a copy of it for V8 15.3.1.1, and end the v8= of this one"
            ),
        };
        assert_eq!(findings[0].what, expected, "{says}");
        // What comes after it is tried all the same.
        assert_eq!((trial.fitting.len(), trial.refreshed.len()), (1, usize::from(other.is_none())));
    };
    check("source=crate; v8=>=15.2; target=*", None);
    check("source=crate; v8=>=14.9; target=*", Some("14.9.1.1"));
    check("source=crate,depot-tools; v8=>=15; target=*", Some("15.1.1.1"));
    check("source=crate; v8=>=15; target=*", None);
}

#[test]
fn upstream_did_it() {
    let (finding, trial) = found(Some("x\na\nb\nNEW\nc\nd\ne\nf\nG\nh\n"));
    assert_eq!((finding.kind, finding.weight), ("obsolete", Weight::Blocks));
    assert_eq!((trial.fitting.len(), trial.refreshed.len()), (0, 0));
}

#[test]
fn upstream_did_a_part_of_it() {
    let (finding, trial) = found(Some("a\nb\nNEW\nc\nd\ne\nf\ng\nh\n"));
    assert_eq!((finding.kind, finding.detail.as_str()), ("conflict", "1 of 2 hunks are there already"));
    assert!(trial.fitting.is_empty());
}

#[test]
fn a_conflict_has_three_sides() {
    let (finding, trial) = found(Some("x\na\nb\nC\nd\ne\nf\ng\nh\n"));
    assert_eq!((finding.kind, finding.weight), ("conflict", Weight::Blocks));
    assert_eq!(
        finding.detail,
        "dir/x hunk 1 of 2: line 3\n<<<<<<< with the patch\nb\nNEW\nc\nd\n||||||| V8 15.2.1.1\nb\nc\nd\n=======\nb\nC\nd\n\
         >>>>>>> V8 15.3.1.1"
    );
    assert!(trial.fitting.is_empty() && trial.refreshed.is_empty());
}

#[test]
fn a_file_that_is_gone() {
    let (finding, _) = found(None);
    assert_eq!((finding.kind, finding.detail.as_str()), ("conflict", "dir/x: the file is not there"));
    let world = World::new(&[("0001-a", ALL, body(2, 6))], None);
    world.write("new/dir/sub/x", OLD);
    assert_eq!(world.check().0[0].detail, "dir/x: the file is not there; a file of this name is dir/sub/x");
}

#[test]
fn a_patch_is_tried_on_what_those_before_it_leave() {
    let second =
        "diff --git a/dir/x b/dir/x\n--- a/dir/x\n+++ b/dir/x\n@@ -2,3 +2,3 @@\n b\n-NEW\n+NEWER\n c\n"
            .to_owned();
    let patches = [("0001-a", ALL, body(2, 6)), ("0002-b", ALL, second)];
    let (findings, trial) = World::new(&patches, Some(&format!("x\n{OLD}"))).check();
    assert_eq!(findings.iter().map(|f| f.kind).collect::<Vec<_>>(), ["moved", "moved"]);
    assert!(
        trial.refreshed[1].text.contains("@@ -3,3 +3,3 @@\n b\n-NEW\n+NEWER\n"),
        "{}",
        trial.refreshed[1].text
    );
}

#[test]
fn ranges_decide_what_is_wanted() {
    let patches = [
        ("0001-old", "source=*; v8=<15.3; target=*", body(2, 6)),
        ("0002-new", "source=*; v8=>=15.3; target=*", body(2, 6)),
        ("0003-never", "source=*; v8==14.9; target=*", body(2, 6)),
        ("0004-node", "source=node; v8=*; target=*", body(2, 6)),
        ("0005-elsewhere", "source=*; v8=*; target=*-apple-*", body(2, 6)),
    ];
    let (findings, trial) = World::new(&patches, Some(OLD)).check();
    let found: Vec<_> = findings.iter().map(|f| (f.subject.as_str(), f.kind, f.weight)).collect();
    assert_eq!(found, [("0001-old", "applies", Weight::Look), ("0002-new", "applies", Weight::Note)]);
    assert!(findings[0].what.starts_with("is not for V8 15.3.1.1; if it were, it applies as it is"));
    assert_eq!(trial.fitting.iter().map(|patch| patch.name.as_str()).collect::<Vec<_>>(), ["0002-new"]);
}

#[test]
fn files_that_are_made_and_removed() {
    let made =
        "diff --git a/made b/made\nnew file mode 100644\n--- /dev/null\n+++ b/made\n@@ -0,0 +1 @@\n+y\n";
    let gone = "diff --git a/dir/x b/dir/x\ndeleted file mode 100644\n--- a/dir/x\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-a\n-b\n";
    let kind = |body: &str, made: Option<&str>, x: Option<&str>| {
        let world = World::new(&[("0001-a", ALL, body.to_owned())], x);
        if let Some(made) = made {
            world.write("new/made", made);
        }
        world.check().0[0].kind
    };
    assert_eq!(kind(made, None, None), "applies");
    assert_eq!(kind(made, Some("y\n"), None), "obsolete");
    assert_eq!(kind(made, Some("z\n"), None), "conflict");
    assert_eq!(kind(gone, None, Some("a\nb\n")), "applies");
    assert_eq!(kind(gone, None, None), "obsolete");
    assert_eq!(kind(gone, None, Some("a\nc\n")), "conflict");
}
