//! Makes the committed list from Zig's stub library; a test, because nothing but this repository needs it.

use std::collections::BTreeSet;

use super::LIST;
use crate::env;
use crate::verify::list::generate::{by_processor, compare, push_group};

/// The parts of libSystem whose functions headers declare. Left out are parts for Apple's own programs, such as
/// `libcorecrypto` and `libxpc`, which make half of the file.
const PARTS: &[&str] = &[
    "libSystem.B",
    "libcompiler_rt",
    "libcopyfile",
    "libdispatch",
    "libdyld",
    "libmacho",
    "libremovefile",
    "libsystem_asl",
    "libsystem_blocks",
    "libsystem_c",
    "libsystem_info",
    "libsystem_kernel",
    "libsystem_m",
    "libsystem_malloc",
    "libsystem_notify",
    "libsystem_platform",
    "libsystem_pthread",
    "libsystem_trace",
    "libunwind",
];

/// What names of C functions may end with, for the variant of one that headers choose.
const VARIANTS: &[&str] = &["$DARWIN_EXTSN", "$INODE64", "$UNIX2003"];

/// The symbols of the parts on one processor; none if the stub library is not of the form known here.
///
/// The form (TBD 4) is YAML documents, one for each part, of which only this is read: `install-name: 'path'`, and below
/// `exports:` and `reexports:` pairs of `targets: [ … ]` and `symbols: [ … ]`, `weak-symbols: [ … ]`, `thread-local-symbols: [ … ]`.
fn symbols(stubs: &str, processor: &str) -> Option<BTreeSet<String>> {
    let is_ours = |target: &str| {
        let (cpu, system) = target.split_once('-').unwrap_or((target, ""));
        let cpu_is = match processor {
            "aarch64" => cpu == "arm64" || cpu == "arm64e",
            other => cpu == other,
        };
        system == "macos" && cpu_is
    };
    let mut found = BTreeSet::new();
    for part in stubs.split("--- !tapi-tbd").skip(1) {
        let name = part.split_once("install-name:")?.1.trim_start().strip_prefix('\'')?.split('\'').next()?;
        let stem = name.rsplit('/').next()?.strip_suffix(".dylib")?;
        if !PARTS.contains(&stem) {
            continue;
        }
        let mut ours = false;
        let mut rest = part.split_once("\nexports:").map_or("", |(_, rest)| rest);
        while let Some((before, after)) = rest.split_once(": ") {
            let key = before.rsplit([' ', '\n', ']']).next()?;
            let after = after.trim_start();
            let Some((items, next)) = after.strip_prefix('[').and_then(|list| list.split_once(']')) else {
                rest = after;
                continue;
            };
            let mut items =
                items.split(',').map(|item| item.trim().trim_matches('\'')).filter(|item| !item.is_empty());
            match key {
                "targets" => ours = items.any(is_ours),
                "symbols" | "weak-symbols" | "thread-local-symbols" if ours => {
                    found.extend(items.filter_map(c_name).map(str::to_owned));
                }
                _ => {}
            }
            rest = next;
        }
    }
    (!found.is_empty()).then_some(found)
}

/// A symbol's name in C; none if C code cannot have it, or only to stay with an older system.
fn c_name(symbol: &str) -> Option<&str> {
    let name = symbol.strip_prefix('_')?;
    let variant = name.find('$').map_or("", |place| &name[place..]);
    (variant.is_empty() || VARIANTS.contains(&variant)).then_some(name)
}

/// The file's text: what all processors have, then what only some have.
fn generate(stubs: &str) -> Option<String> {
    let groups = by_processor(|processor| symbols(stubs, processor))?;
    let mut out = String::from(
        "# libSystem's symbols on all processors, and on one only, as C names them. Made from Zig's\n\
         # lib/libc/darwin/libSystem.tbd by xtask/src/verify/darwin/generate.rs.\n",
    );
    for (heading, symbols) in groups {
        push_group(&mut out, heading, symbols.iter().map(String::as_str));
    }
    Some(out)
}

/// `cargo xtask test` gives the place of Zig's list of glibc's symbols; Darwin's stubs lie beside it.
#[test]
fn the_committed_list_of_macos_is_zigs() {
    let Some(abilists) = env::abilists() else { return };
    let path = abilists.ancestors().nth(2).expect("it lies in lib/libc/glibc").join("darwin/libSystem.tbd");
    let stubs = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let new = generate(&stubs).expect("a stub library in the form of Zig 0.17");
    compare("darwin.txt", &new, LIST);
}

#[test]
fn stubs_are_understood() {
    let part = |name: &str, body: &str| {
        format!(
            "--- !tapi-tbd\ntbd-version: 4\ntargets: [ x ]\ninstall-name: '/usr/lib/{name}.dylib'\n{body}"
        )
    };
    let stubs = part(
        "libunwind",
        "reexported-libraries:\n  - targets: [ x86_64-macos ]\n    libraries: [ '/no' ]\nexports:\n  - targets: [ x86_64-macos, arm64e-maccatalyst ]\n    symbols: [ _a, '_b$INODE64',\n  '_c$1050', odd ]\n  \
         - targets: [ x86_64-macos, arm64e-macos ]\n    symbols: [ _d ]\n    weak-symbols: [ _e ]\n    objc-classes: [ _F ]\n",
    ) + &part("libxpc", "exports:\n  - targets: [ x86_64-macos ]\n    symbols: [ _no ]\n...\n");
    let body: Vec<String> =
        generate(&stubs).unwrap().lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
    assert_eq!(body, ["aarch64", " ", "all", "  d e", "x86_64", "  a b$INODE64"]);
    assert_eq!(generate("nothing"), None);
}
