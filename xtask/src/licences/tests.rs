//! The committed table against its texts and a real build's folders; the rules against small tables.

use super::*;

/// Folders of the tree from which the release and lite builds read or compile anything; licenses/README.md has the
/// command that makes the list.
const COMPILED_FOLDERS: &str = include_str!("../../tests/data/compiled-folders.txt");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the repository's root")
}

fn real_table() -> Table {
    load(root()).unwrap_or_else(|faults| panic!("{faults}"))
}

fn small_table() -> Table {
    let row = |name: &str, paths: &str| {
        format!("[[part]]\nname='{name}'\nspdx='MIT'\nfile='{name}.txt'\npaths={paths}\nsource='s'\n")
    };
    let text = [
        row("v8", "['v8']"),
        row("siphash", "['v8/third_party/siphash']"),
        row("fdlibm", "['v8/src/base/ieee754.cc']"),
        row("icu", "['third_party/icu']"),
        "[[ignored]]\npath='out'\nwhy='w'\n".to_owned(),
    ];
    check(&text.concat(), &["v8.txt", "siphash.txt", "fdlibm.txt", "icu.txt"].map(str::to_owned).into())
        .unwrap()
}

fn names(parts: Vec<&Part>) -> Vec<&str> {
    parts.into_iter().map(|part| part.name.as_str()).collect()
}

#[test]
fn every_text_is_a_notice() {
    for part in real_table().parts {
        let text = std::fs::read_to_string(part.text_path(root())).unwrap();
        let words = text.to_lowercase();
        assert!(words.contains("copyright") || words.contains("license"), "{}: no notice", part.file);
        assert!(text.len() > 900, "{}: {} bytes are too few for a licence", part.file, text.len());
        assert!(!text.contains('\r') && text.ends_with('\n'), "{}: line ends", part.file);
    }
}

#[test]
fn every_origin_names_a_package_and_a_file_and_no_address() {
    for part in real_table().parts {
        for origin in part.source.split("; ") {
            assert!(origin.contains(" package ") && origin.contains(": "), "{}: `{origin}`", part.name);
            assert!(!origin.contains("://"), "{}: `{origin}`", part.name);
        }
    }
}

#[test]
fn every_compiled_folder_is_covered() {
    let files: Vec<String> = COMPILED_FOLDERS.lines().map(|folder| format!("{folder}/any.cc")).collect();
    let parts = match real_table().parts_for(files.iter().map(String::as_str)) {
        Ok(parts) => names(parts).join(" "),
        Err(uncovered) => panic!("{}", uncovered.join("\n")),
    };
    assert_eq!(
        parts,
        "v8 chromium inspector_protocol python-listsort fp16 utf8-decoder siphash rapidhash valgrind vtune \
         googletest icu abseil highway simdutf fast_float dragonbox libcxx libcxx-ryu libcxxabi libunwind llvm-libc"
    );
}

#[test]
fn the_list_of_compiled_folders_is_sorted() {
    let lines: Vec<&str> = COMPILED_FOLDERS.lines().collect();
    assert!(lines.len() > 300, "{} lines", lines.len());
    assert!(lines.is_sorted_by(|a, b| a < b));
}

#[test]
fn the_longest_path_decides() {
    let check = |sources: &[&str], expected: &[&str]| {
        assert_eq!(names(small_table().parts_for(sources.iter().copied()).unwrap()), expected, "{sources:?}");
    };
    check(&["v8/src/api/api.cc"], &["v8"]);
    check(&["v8/third_party/siphash/halfsiphash.cc"], &["siphash"]);
    check(&["v8/src/base/ieee754.cc"], &["fdlibm"]);
    check(&["v8/src/base/ieee754.cc2"], &["v8"]);
    check(&["out/release/gen/torque.cc", "out/release/gen/third_party/new/x.cc"], &[]);
    check(&["third_party/icu/a.cpp", "v8/a.cc", "third_party/icu/b.cpp", "v8/b.cc"], &["v8", "icu"]);
}

#[test]
fn a_source_that_no_part_covers_is_refused() {
    let check = |source: &str| {
        let known = "v8/src/api/api.cc";
        assert_eq!(
            small_table().parts_for([source, known, source].into_iter()),
            Err(vec![source.to_owned()])
        );
    };
    check("v8/third_party/new/x.cc");
    check("v8/src/third_party/new/x.cc");
    check("third_party/new/x.cc");
    check("third_party/icu/third_party/new/x.cc");
    check("third_party/icu/third-party/new/x.cc");
    check("third_party/icu/3rdparty/new/x.cc");
    check("third_party/icu-new/x.cc");
    check("v8x/x.cc");
    check("../v8/x.cc");
    check("v8/../third_party/new/x.cc");
    check("/usr/include/stdio.h");
    check("");
}

#[test]
fn all_uncovered_sources_are_reported_sorted() {
    let sources = ["third_party/b/b.h", "v8/a.cc", "third_party/a/a.h"];
    assert_eq!(
        small_table().parts_for(sources.into_iter()),
        Err(vec!["third_party/a/a.h".to_owned(), "third_party/b/b.h".to_owned()])
    );
}

#[test]
fn a_path_that_the_tree_does_not_have_is_stale() {
    let tree = std::env::temp_dir().join(format!("licences-stale-{}", std::process::id()));
    std::fs::create_dir_all(tree.join("v8/third_party/siphash")).unwrap();
    let table = small_table();
    let stale = table.stale_paths(&tree);
    std::fs::remove_dir_all(&tree).unwrap();
    assert_eq!(stale, ["third_party/icu", "v8/src/base/ieee754.cc"]);
}

#[test]
fn all_faults_of_the_table_are_reported_together() {
    let table = "
        [[part]]
        name = 'a'
        spdx = 'GPL-3.0-only'
        file = 'a.txt'
        paths = ['a', 'a', '/b', 'c/', 'd/../e']
        source = 's'

        [[part]]
        name = 'a'
        spdx = 'MIT'
        file = 'lost.txt'
        paths = []
        source = 's'

        [[part]]
        name = 'b'
        colour = 'red'

        [[ignored]]
        path = 'out'
    ";
    let texts = ["a.txt", "unused.txt"].map(str::to_owned).into();
    let expected = "\
licenses/parts.toml: [[part]] number 3: unknown field `colour`, expected one of `name`, `spdx`, `file`, `paths`, `source`, `applies_to`
licenses/parts.toml: [[ignored]] number 1: missing field `why`
licenses/parts.toml: part `a`: spdx `GPL-3.0-only`: `GPL-3.0-only` is no accepted licence
licenses/parts.toml: part `a`: no paths
licenses/parts.toml: part `a`: licenses/texts/lost.txt is missing
licenses/texts/unused.txt: no part of licenses/parts.toml names it
licenses/parts.toml: `/b` is no path from the tree's root with `/` between names
licenses/parts.toml: `c/` is no path from the tree's root with `/` between names
licenses/parts.toml: `d/../e` is no path from the tree's root with `/` between names
licenses/parts.toml: name `a` is given twice
licenses/parts.toml: path `a` is given twice
help: the head of licenses/parts.toml says what it may hold, licenses/README.md where texts come from";
    assert_eq!(check(table, &texts).unwrap_err().to_string(), expected);
}

#[test]
fn an_unknown_kind_of_row_is_refused() {
    let faults = check("part = []\nignored = []\nextra = 1\n", &BTreeSet::new()).unwrap_err();
    assert!(faults.0[0].contains("unknown field `extra`"), "{faults}");
}

#[test]
fn expressions_are_checked() {
    let check = |expression: &str, expected: Result<(), &str>| {
        assert_eq!(check_expression(expression), expected.map_err(str::to_owned), "{expression}");
    };
    check("MIT", Ok(()));
    check("Apache-2.0 WITH LLVM-exception OR BSL-1.0", Ok(()));
    check("(Apache-2.0 OR MIT) AND BSD-3-Clause", Ok(()));
    check("((MIT))", Ok(()));
    check("", Err("a licence is missing at the end"));
    check("mit", Err("`mit` is no accepted licence"));
    check("MIT AND", Err("a licence is missing at the end"));
    check("MIT MIT", Err("`MIT` where AND or OR is expected"));
    check("(MIT", Err("a parenthesis is not closed"));
    check("MIT)", Err("`)` where AND or OR is expected"));
    check("Apache-2.0 WITH", Err("`` is no accepted exception"));
    check("Apache-2.0 WITH GCC-exception-3.1", Err("`GCC-exception-3.1` is no accepted exception"));
}

#[test]
fn files_of_nodes_tree_are_looked_for_where_the_table_has_them() {
    let check = |path: &str, expected: &str| {
        assert_eq!(usual_path(Kind::Node, path), expected);
        assert_eq!(usual_path(Kind::Crate, path), path);
    };
    check("deps/v8/src/api/api.cc", "v8/src/api/api.cc");
    check("deps/v8/third_party/abseil-cpp/absl/base/log.cc", "third_party/abseil-cpp/absl/base/log.cc");
    check("deps/v8/third_party/siphash/halfsiphash.cc", "v8/third_party/siphash/halfsiphash.cc");
    check("deps/icu-small/source/common/uchar.cpp", "third_party/icu/source/common/uchar.cpp");
    check(
        "tools/icu/patches/78/source/i18n/dtfmtsym.cpp",
        "third_party/icu/patches/78/source/i18n/dtfmtsym.cpp",
    );
    check("libv8/libv8.cc", "libv8/libv8.cc");
    let table = real_table();
    for path in [
        "deps/v8/src/api/api.cc",
        "deps/icu-small/source/i18n/calendar.cpp",
        "third_party/libc++/src/src/any.cpp",
    ] {
        let usual = usual_path(Kind::Node, path);
        assert_eq!(table.parts_for(std::iter::once(usual.as_str())).unwrap().len(), 1, "{path}");
    }
}

#[test]
fn a_row_can_be_for_some_versions_and_sources() {
    let part = "[[part]]\nname='xsum'\nspdx='MIT'\nfile='xsum.txt'\npaths=['x.cc']\nsource='s'\n";
    let ignored = "[[ignored]]\npath='out'\nwhy='w'\n";
    let count = |text: &str, v8: [u32; 4]| {
        let table = check(text, &BTreeSet::from(["xsum.txt".to_owned()])).unwrap();
        let table = table.for_tree(Kind::Crate, V8Version(v8));
        (table.parts.len(), table.ignored.len())
    };
    let says = "applies_to='source=crate; v8=>=14.2'\n";
    assert_eq!(count(&format!("{part}{says}{ignored}"), [14, 0, 365, 5]), (0, 1));
    assert_eq!(count(&format!("{part}{says}{ignored}"), [14, 2, 231, 5]), (1, 1));
    assert_eq!(count(&format!("{part}{ignored}{says}"), [14, 0, 365, 5]), (1, 0));
    let bad = format!("{part}applies_to='v8=*'\n{ignored}");
    let faults = check(&bad, &BTreeSet::from(["xsum.txt".to_owned()])).unwrap_err();
    assert!(faults.to_string().contains("applies_to: it does not say source"), "{faults}");
}
