//! A small build in the form of gyp's, rewritten whole.

use super::*;

const MAIN_TEXT: &str = "cc = ../bin/sccache ../bin/clang\ncxx = ../bin/sccache ../bin/clang++\nld = $cc\n\nrule cxx\n  \
    command = $cxx -MMD -MF $out.d $defines $cflags -c $in -o $out\n\nrule tool\n  \
    command = cd ../tools/icu; ../../out/x/Release/genccode -e icudt &&  ../../out/x/Release/icupkg a\n";

fn files() -> Files {
    let library = |folder: &str, name: &str, object: &str, source: &str| {
        let text = format!(
            "defines = -DNDEBUG '-DV8_EMBEDDER_STRING=\"-node.1\"' $\n    -DV8_FIELDS=1\n\
             build {object}: cxx {source} || $\n    obj/{folder}/gen.stamp\n\
             build obj/{folder}/{name}.a: alink_thin {object} || $\n    obj/{folder}/gen.stamp\n"
        );
        let target = if name.starts_with("libcxx") || name == "libunwind" { name } else { &name[3..] };
        (format!("obj/{folder}/{target}.ninja"), text)
    };
    let program = |name: &str, object: &str, libraries: &str| {
        format!(
            "build {object}: cxx ../{name}.cc\nbuild {name}: link {object} $\n    {libraries} | $\n    {libraries} || gen.stamp\n"
        )
    };
    let v8 = "tools/v8_gypfiles";
    let mut files = Files::from([
        library(v8, "libv8_base", "obj/deps/v8/src/heap/v8_base.heap.o", "../../../deps/v8/src/heap/heap.cc"),
        library(v8, "libv8_initializers", "obj/gen/torque/v8_initializers.a-csa.o", "gen/torque/a-csa.cc"),
        library(v8, "libv8_zlib", "obj/deps/v8/third_party/zlib/v8_zlib.crc32.o", "../../../crc32.c"),
        library("libv8/node", "libcxx", "obj/third_party/libc++/src/src/libcxx.any.o", "../any.cpp"),
        library("libv8/node", "libcxxabi", "obj/third_party/libc++abi/src/src/libcxxabi.cxa.o", "../cxa.cpp"),
        library("libv8/node", "libunwind", "obj/third_party/libunwind/src/src/libunwind.u.o", "../u.cpp"),
    ]);
    let all =
        ["libv8_base", "libv8_initializers", "libv8_zlib"].map(|name| format!("obj/{v8}/{name}.a")).join(" ");
    let runtime = "obj/libv8/node/libcxx.a obj/libv8/node/libcxxabi.a";
    files
        .insert(format!("obj/{v8}/mksnapshot.ninja"), program("mksnapshot", "obj/a/mksnapshot.main.o", &all));
    files.insert(
        "obj/libv8/node/libv8_complete.ninja".to_owned(),
        program(COMPLETE, "obj/libv8/libv8_complete.unwind.o", &format!("{all} {runtime}")),
    );
    files.insert(MAIN.to_owned(), MAIN_TEXT.to_owned());
    files
}

fn wanted(emulator: Option<&'static str>) -> Wanted<'static> {
    Wanted { library: "obj/libv8/all.a", target: "default", left_out: &["v8_zlib"], emulator }
}

#[test]
fn the_archive_is_of_all_objects_that_a_program_needs() {
    let done = prepare(&files(), &wanted(None)).unwrap();
    let main = &done[MAIN];
    let archive = main.lines().find(|line| line.starts_with("build obj/libv8/all.a")).unwrap();
    assert_eq!(
        archive,
        "build obj/libv8/all.a: libv8_archive obj/libv8/libcxx/third_party-libc++-src-src-any.o \
         obj/libv8/libcxxabi/third_party-libc++abi-src-src-cxa.o obj/libv8/libv8_complete/unwind.o \
         obj/v8/v8_base/heap-heap.o"
    );
    assert!(main.ends_with("\nbuild default: phony obj/libv8/all.a\n"), "{main}");
    assert!(main.contains("rspfile_content = $in\n"), "a command line has an end");
    let complete = &done["obj/libv8/node/libv8_complete.ninja"];
    assert!(complete.ends_with("\nbuild libv8_complete: phony obj/libv8/all.a\n"), "{complete}");
}

#[test]
fn objects_lie_in_a_folder_of_their_target_and_programs_get_the_runtime() {
    let done = prepare(&files(), &wanted(None)).unwrap();
    assert_eq!(
        done["obj/tools/v8_gypfiles/v8_base.ninja"],
        "defines = -DNDEBUG '-DV8_EMBEDDER_STRING=\"-node.1\"' -DV8_FIELDS=1\n\
         build obj/v8/v8_base/heap-heap.o: cxx ../../../deps/v8/src/heap/heap.cc || obj/tools/v8_gypfiles/gen.stamp\n\
         build obj/tools/v8_gypfiles/libv8_base.a: alink_thin obj/v8/v8_base/heap-heap.o || obj/tools/v8_gypfiles/gen.stamp\n"
    );
    let program = &done["obj/tools/v8_gypfiles/mksnapshot.ninja"];
    let libraries = "obj/tools/v8_gypfiles/libv8_base.a obj/tools/v8_gypfiles/libv8_initializers.a \
                     obj/tools/v8_gypfiles/libv8_zlib.a";
    assert_eq!(
        program.lines().nth(1).unwrap(),
        format!(
            "build mksnapshot: link obj/v8/mksnapshot/a-main.o {libraries} obj/libv8/node/libcxx.a \
             obj/libv8/node/libcxxabi.a obj/libv8/node/libunwind.a | {libraries} || gen.stamp"
        )
    );
}

#[test]
fn the_main_file_names_sources_and_links_by_the_cxx_driver() {
    let done = prepare(&files(), &wanted(None)).unwrap();
    let main = &done[MAIN];
    assert!(main.contains("-frandom-seed=$in -c $in -o $out\n"), "{main}");
    assert!(main.contains("\nld = ../bin/clang++\n"), "{main}");
    assert!(
        main.contains("; ../../out/x/Release/genccode -e icudt &&  ../../out/x/Release/icupkg a\n"),
        "{main}"
    );
}

#[test]
fn icus_tools_are_started_by_the_emulator() {
    let done = prepare(&files(), &wanted(Some("../../qemu"))).unwrap();
    let command = done[MAIN].lines().find(|line| line.contains("genccode")).unwrap();
    assert_eq!(
        command,
        "  command = cd ../tools/icu; ../../qemu ../../out/x/Release/genccode -e icudt &&  ../../qemu ../../out/x/Release/icupkg a"
    );
}

#[test]
fn what_gyp_did_not_write_is_refused() {
    let check = |change: &dyn Fn(&mut Files), expected: &str| {
        let mut files = files();
        change(&mut files);
        assert_eq!(prepare(&files, &wanted(None)).unwrap_err(), expected);
    };
    check(
        &|files| drop(files.remove("obj/libv8/node/libcxx.ninja")),
        "gyp made no libraries of the C++ runtime",
    );
    check(&|files| drop(files.remove("obj/libv8/node/libv8_complete.ninja")), "gyp made no libv8_complete");
    check(&|files| drop(files.remove(MAIN)), "gyp made no build.ninja");
    let no_rules: &dyn Fn(&mut Files) = &|files| drop(files.insert(MAIN.to_owned(), "cxx = c\n".to_owned()));
    check(no_rules, "gyp's rules do not compile with `-c $in`");
}

#[test]
fn two_objects_never_get_one_name() {
    let mut files = files();
    let text = "build obj/deps/v8/src/a/t.b-c.o: cxx x.cc\nbuild obj/deps/v8/src/a-b/t.c.o: cxx y.cc\n";
    files.insert("obj/tools/v8_gypfiles/t.ninja".to_owned(), text.to_owned());
    assert_eq!(
        prepare(&files, &wanted(None)).unwrap_err(),
        "obj/tools/v8_gypfiles/t.ninja: two objects would be obj/v8/t/a-b-c.o"
    );
}

#[test]
fn macros_are_read_from_a_targets_file() {
    let found = defines(&files()["obj/tools/v8_gypfiles/v8_base.ninja"]);
    assert_eq!(found, ["NDEBUG", "V8_EMBEDDER_STRING=\"-node.1\"", "V8_FIELDS=1"]);
}
