//! A sample taken with small fake programs: which files are compiled how, where, and what is left alone.

use super::*;
use crate::toolchain::testing::{Folder, SCCACHE};

/// Answers `-t compdb` with three compiles of one target, of which one is C, and one of a test that nobody has built.
const NINJA: &str = r#"cat <<END
[{"directory": "x", "command": "'HERE/sccache-fake' ./clang++ -c a.cc -o obj/v8/base/a.o", "file": "a.cc", "output": "obj/v8/base/a.o"},
 {"directory": "x", "command": "./sccache ./clang++ -c b.cc -o obj/v8/base/b.o", "file": "b.cc", "output": "obj/v8/base/b.o"},
 {"directory": "x", "command": "./sccache ./clang++ -c c.c -o obj/v8/base/c.o", "file": "c.c", "output": "obj/v8/base/c.o"},
 {"directory": "x", "command": "./sccache ./clang++ -c t.cc -o obj/v8/test/t.o", "file": "t.cc", "output": "obj/v8/test/t.o"}]
END"#;

/// A finished build of fakes: `clang++` writes a word and its last argument's source into the object.
fn world(clang: &str) -> (Folder, PathBuf, Toolchain) {
    let folder = Folder::new();
    let here = folder.path().to_owned();
    let from = here.join("tree/out/x");
    fs::create_dir_all(from.join("gen")).unwrap();
    fs::create_dir_all(from.join(shim::FOLDER)).unwrap();
    fs::write(from.join(shim::FOLDER).join(shim::GROUPS_FILE), "{}").unwrap();
    fs::write(from.join(shim::FOLDER).join(policy::FILE), serde_json::to_vec(&Policy::default()).unwrap())
        .unwrap();
    fs::write(from.join("gen/a.h"), "generated").unwrap();
    fs::create_dir_all(from.join("obj/v8/base")).unwrap();
    for name in ["a.o", "b.o", "c.o"] {
        fs::write(from.join("obj/v8/base").join(name), "built").unwrap();
    }
    let toolchain = Toolchain {
        llvm: here.join("llvm"),
        gn: here.join("gn"),
        ninja: folder.program(
            "ninja",
            &NINJA.replace("'HERE/sccache-fake' ./clang++", "sccache clang++").replace("./", ""),
        ),
        sccache: folder.program(
            "llvm/bin/sccache",
            &format!(
                "LOG='{}'\n{SCCACHE}\ncase \"$1\" in -*) ;; *) shift; WRAPPED=1 clang++ \"$@\" ;; esac",
                here.join("log").display()
            ),
        ),
        zig: here.join("zig"),
        companions: Default::default(),
        clang_major: 22,
        entries: Vec::new(),
    };
    folder.program("llvm/bin/clang++", clang);
    (folder, from, toolchain)
}

/// Everything below a folder, as paths.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(folder).unwrap().display().to_string());
            }
        }
    }
    found.sort();
    found
}

/// Reads a generated file, as a real compile does.
const CLANG: &str =
    "cat gen/a.h > /dev/null || exit 1\nfor last; do :; done\necho \"object of $2\" > \"$last\"";

#[test]
fn files_are_compiled_both_ways_and_the_finished_build_is_left_alone() {
    let (folder, from, toolchain) = world(CLANG);
    let before = files(&from);
    let sampled = run(&from, &toolchain, 5, None).unwrap();
    assert_eq!((sampled.files, sampled.of), (2, 2), "C is no part of it");
    assert_eq!(sampled.comparison.text(), "objects: 2 compared, all identical\n");
    assert_eq!(files(&from), before);
    let ours = files(&folder.path().join("tree/out/x-sample-ours"));
    assert!(ours.contains(&"obj/v8/base/a.o".to_owned()), "{ours:?}");
    assert!(ours.contains(&"pch/shim".to_owned()), "the accelerated way has a shim: {ours:?}");
    let plain = files(&folder.path().join("tree/out/x-sample-plain"));
    assert!(!plain.contains(&"pch/shim".to_owned()), "{plain:?}");
    // Once more: folders of the last time are no harm.
    run(&from, &toolchain, 1, None).unwrap();
    assert!(!folder.path().join("tree/out/x-sample-ours/obj/v8/base/a.o").exists(), "b is the middle one");
}

#[test]
fn objects_that_differ_are_found() {
    let (_folder, from, toolchain) =
        world(&format!("{CLANG}\ntest -z \"$WRAPPED\" || echo more >> \"$last\""));
    let sampled = run(&from, &toolchain, 2, None).unwrap();
    assert_eq!(sampled.comparison.differences.len(), 2);
    assert_eq!(sampled.comparison.verdict().unwrap_err().exit_code(), 1);
}

#[test]
fn objects_of_the_finished_build_are_compared_with_plain_ones() {
    let (_folder, from, toolchain) = world(CLANG);
    for name in ["a", "b"] {
        fs::write(from.join(format!("obj/v8/base/{name}.o")), format!("object of {name}.cc\n")).unwrap();
    }
    assert_eq!(
        plain_again(&from, &toolchain, 9, "a commit").unwrap().text(),
        "objects: 2 compared, all identical\n"
    );
    fs::write(from.join("obj/v8/base/b.o"), "another\n").unwrap();
    let found = |seed: &str| plain_again(&from, &toolchain, 1, seed).unwrap().differences.len();
    let by_seed: Vec<usize> = (0..20).map(|seed| found(&seed.to_string())).collect();
    assert!(by_seed.contains(&0) && by_seed.contains(&1), "another seed, another file: {by_seed:?}");
    let plain = plain_again(&from, &toolchain, 2, "").unwrap();
    assert_eq!(plain.compared, 2);
    assert_eq!(plain.differences[0].0, "obj/v8/base/b.o");
}

#[test]
fn a_folder_without_a_build_and_a_compile_that_fails_are_refused() {
    let (folder, from, toolchain) = world("echo 'a.cc:1:1: error: no' >&2; exit 1");
    assert_eq!(run(&folder.path().join("nowhere"), &toolchain, 2, None).unwrap_err().exit_code(), 2);
    let error = run(&from, &toolchain, 2, None).unwrap_err();
    assert_eq!(error.exit_code(), 1);
    assert!(error.to_string().contains("a.cc:1:1: error: no"), "{error}");
}
