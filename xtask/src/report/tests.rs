//! A small build as a page, whole, and what is said when there is none.

use super::*;
use crate::pch::Group;
use crate::snapshot;

/// A folder of a build in two runs: a header, hits and misses, a file that is no C++, a name that looks like HTML.
fn build() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let began: u64 = 1_795_183_255_000;
    let row = |run: u64, start: u64, end: u64, output: &str| {
        format!("{start}\t{end}\t{}000000\t{output}\t{output}\n", began + run + start)
    };
    let log = [
        "# ninja log v7\n".to_owned(),
        row(0, 0, 120, "gen/a<b>.h"),
        row(0, 120, 4_000, "obj/v8/base/heap.o"),
        row(0, 100, 4_500, "obj/v8/base/isolate.o"),
        row(0, 4_000, 4_700, "obj/v8/base/start.o"),
        row(60_000, 0, 300, "obj/v8/base/api.o"),
        row(60_000, 300, 9_000, "obj/v8/base/odd.o"),
        row(60_000, 5_000, 9_000, "obj/v8/base/far.o"),
        row(60_000, 9_000, 9_900, "obj/libv8/x.a"),
    ];
    fs::write(folder.path().join(".ninja_log"), log.concat()).unwrap();
    fs::create_dir(folder.path().join(shim::FOLDER)).unwrap();
    let entry = |event: &str, at: u64, wall: u64, cpu: u64, name: &str| {
        format!("{event}\t{}\t{wall}\t{cpu}\t{name}\n", began + at)
    };
    let entries = [
        entry("run-with-shim", 0, 0, 0, ""),
        entry("headers", 150, 1_900, 1_800, "obj/v8/base"),
        entry("with-header", 2_100, 1_850, 1_700, "obj/v8/base/heap.o"),
        entry("plain", 130, 4_300, 4_200, "obj/v8/base/isolate.o"),
        entry("run-with-shim", 59_900, 0, 0, ""),
        entry("again", 60_320, 8_600, 8_400, "obj/v8/base/odd.o"),
        entry("away", 65_020, 3_900, 10, "obj/v8/base/far.o"),
    ];
    fs::write(folder.path().join(shim::FOLDER).join("compiles.log"), entries.concat()).unwrap();
    let sources = ["../../v8/heap.cc", "../../v8/isolate.cc", "../../v8/api.cc", "../../v8/odd.cc"];
    let group = Group { sources: sources.map(str::to_owned).to_vec(), ..Group::default() };
    let groups = Groups([("obj/v8/base".to_owned(), group)].into());
    fs::write(folder.path().join(shim::FOLDER).join(shim::GROUPS_FILE), serde_json::to_vec(&groups).unwrap())
        .unwrap();
    let statistics = Statistics {
        steps: 3,
        cpu_s: Some(9.5),
        cache_hits: 1,
        cache_misses: 1,
        peak_memory_bytes: Some(900 << 20),
        largest_process_bytes: Some(700 << 20),
        ..Statistics::default()
    };
    fs::write(folder.path().join("build.json"), serde_json::to_vec(&statistics).unwrap()).unwrap();
    folder
}

#[test]
fn what_became_of_each_step() {
    let folder = build();
    let report = read(folder.path(), "some-target", "lite").unwrap();
    let told: Vec<(&str, &str, How, Option<u64>)> = report
        .steps
        .iter()
        .map(|step| (step.output.as_str(), step.target.as_str(), step.how, step.cpu_ms))
        .collect();
    let base = "//v8:base";
    assert_eq!(
        told,
        [
            ("gen/a<b>.h", "", How::Other, None),
            ("obj/v8/base/isolate.o", base, How::Plain, Some(4_200)),
            ("obj/v8/base/heap.o", base, How::WithHeader, Some(1_700)),
            // No source of C++ has that name, so it went past the shim.
            ("obj/v8/base/start.o", base, How::Unknown, None),
            ("obj/v8/base/api.o", base, How::Cached, None),
            ("obj/v8/base/odd.o", base, How::Again, Some(8_400)),
            // What waiting cost says nothing of the compile.
            ("obj/v8/base/far.o", base, How::Away, None),
            ("obj/libv8/x.a", "", How::Other, None),
        ]
    );
    assert_eq!(report.lanes, 2);
    assert_eq!(report.runs.iter().map(|run| run.start_ms).collect::<Vec<_>>(), [0, 4_700]);
}

#[test]
fn without_the_journal_no_compile_is_called_a_hit() {
    let folder = build();
    let hows = || {
        let report = read(folder.path(), "some-target", "lite").unwrap();
        report.steps.into_iter().map(|step| step.how).collect::<BTreeSet<How>>()
    };
    let journal = folder.path().join(shim::FOLDER).join("compiles.log");
    fs::write(&journal, "run-without\t0\t0\t0\t\n").unwrap();
    assert_eq!(hows(), BTreeSet::from([How::Unknown, How::Other]), "a run without headers");
    fs::remove_file(&journal).unwrap();
    assert_eq!(hows(), BTreeSet::from([How::Unknown, How::Other]), "a build of an older tool");
}

#[test]
fn the_page_whole() {
    let folder = build();
    let page = html(&read(folder.path(), "some-target", "lite").unwrap());
    let path = crate::paths::repository().join("xtask/tests/snapshots/report.html");
    snapshot::check(&path, &page, crate::env::update_snapshots());
}

#[test]
fn the_page_needs_nothing_from_elsewhere_and_runs_nothing() {
    let folder = build();
    let page = html(&read(folder.path(), "some-target", "lite").unwrap());
    for word in ["http:", "https:", "<script", "<link", "url(", "@import", "<img", "<b>"] {
        assert!(!page.contains(word), "{word}");
    }
    let opened = page.matches("<rect").count();
    assert_eq!(opened, page.matches("</rect>").count() + page.matches("height=\"12\"/>").count());
}

#[test]
fn a_build_that_is_not_there_is_refused_with_the_command_that_makes_one() {
    let folder = tempfile::tempdir().unwrap();
    let refusal = |folder: &Path| read(folder, "some-target", "lite").unwrap_err();
    let error = refusal(folder.path());
    assert_eq!(error.exit_code(), 2);
    assert!(
        error.to_string().contains("cargo xtask build-v8 --target some-target --variant lite"),
        "{error}"
    );
    fs::write(folder.path().join(".ninja_log"), "# ninja log v7\n").unwrap();
    assert_eq!(refusal(folder.path()).exit_code(), 2, "nothing has ended yet");
    fs::write(folder.path().join(".ninja_log"), "# ninja log v5\n").unwrap();
    assert_eq!(refusal(folder.path()).exit_code(), 1, "a ninja that is not ours");
}
