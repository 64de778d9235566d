//! The files for build systems, whole: for a target with glibc and one with musl.

mod real;

use std::fmt::Write as _;

use v8_archive::Descriptor;
use v8_archive::descriptor::{Cxx, LibcFamily};

use crate::consumer::{check, files};
use crate::verify::sample::Sample;

/// As archives have it today.
fn descriptor(processor: &str, libc: LibcFamily) -> Descriptor {
    let mut descriptor = Sample::good_for(processor, libc).descriptor;
    descriptor.cxx = Cxx {
        standard: "c++23".to_owned(),
        flags: ["-nostdinc++", "-fno-exceptions", "-fno-rtti"].map(str::to_owned).to_vec(),
        defines: [
            "CR_LIBCXX_REVISION=b16984c",
            "_LIBCPP_HARDENING_MODE=_LIBCPP_HARDENING_MODE_EXTENSIVE",
            "_GNU_SOURCE",
        ]
        .map(str::to_owned)
        .to_vec(),
        include_dirs: ["include", "include/c++/v1"].map(str::to_owned).to_vec(),
    };
    descriptor
}

/// Compares with the committed file beside this one; UPDATE_SNAPSHOTS=1 writes it anew.
fn compare(name: &str, descriptor: &Descriptor) {
    let mut text = String::new();
    for (path, content) in files(descriptor) {
        let _ = write!(text, "==== {path}\n{content}");
    }
    let path = crate::paths::repository().join("xtask/src/consumer_tests/snapshots").join(name);
    if crate::env::update_snapshots() {
        std::fs::write(&path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        text == committed,
        "{name} is not what the descriptor gives: UPDATE_SNAPSHOTS=1 writes it anew\n{text}"
    );
}

#[test]
fn the_files_of_a_glibc_target() {
    compare("glibc.txt", &descriptor("x86_64", LibcFamily::Glibc));
}

#[test]
fn the_files_of_a_musl_target_with_two_libraries() {
    let mut descriptor = descriptor("aarch64", LibcFamily::Musl);
    let second =
        v8_archive::descriptor::Library { name: "more".to_owned(), path: "lib/libmore.a".to_owned() };
    descriptor.libraries.push(second);
    descriptor.features.insert("webassembly".to_owned(), false);
    compare("musl.txt", &descriptor);
}

#[test]
fn nothing_of_a_template_is_left_over() {
    for libc in [LibcFamily::Glibc, LibcFamily::Musl] {
        for (path, text) in files(&descriptor("x86_64", libc)) {
            let left = text.split('@').skip(1).step_by(2).find(|word| {
                !word.is_empty()
                    && word.chars().all(|c| c.is_ascii_lowercase() || c == '_')
                    && *word != "prefix"
            });
            assert_eq!(left, None, "{path}");
        }
    }
}

#[test]
fn v8s_header_is_changed_at_one_place_or_not_at_all() {
    let config = "#ifndef V8CONFIG_H_\n#define V8CONFIG_H_\n\n#include \"v8-gn.h\"\n#endif\n";
    let changed = check::guarded(config).unwrap();
    assert_eq!(
        changed,
        "#ifndef V8CONFIG_H_\n#define V8CONFIG_H_\n\n\
         // Added by libv8 packager: refuses settings that are not those of the library in this archive.\n\
         #include \"libv8-check.h\"  // NOLINT(build/include_directory)\n\n#include \"v8-gn.h\"\n#endif\n"
    );
    assert!(check::is_guarded(&changed) && !check::is_guarded(config));
    assert_eq!(check::guarded("#pragma once\n"), None);
    assert_eq!(check::guarded(&config.repeat(2)), None);
}
