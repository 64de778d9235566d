//! The faults that a chain of fetch, build and publish meets in the field: each has a test whose name begins with its number.
//!
//! `cargo test -p xtask --test faults -- --nocapture` prints which test stands for which fault. A test of two faults is
//! called `f29_f30_…`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Number and fault.
const FAULTS: &[(u8, &str)] = &[
    (1, "a truncated body under a right Content-Length"),
    (2, "a truncated chunked body"),
    (3, "endless data: cut at the pinned size"),
    (4, "wrong bytes of the right length"),
    (5, "an HTML page with status 200"),
    (6, "404, 403, 410, 429, 500, 502, 503: each its own sentence"),
    (7, "a stall, a slow drip"),
    (8, "a reset in the middle, then resumed with 206"),
    (9, "a server that ignores Range"),
    (10, "206 with a wrong Content-Range"),
    (11, "416 on a complete partial file"),
    (12, "the file changed between attempts"),
    (13, "a corrupt partial file on disk"),
    (14, "a proxy that adds Content-Encoding"),
    (15, "redirects to plain http, to another host, in a loop"),
    (16, "proxies of every kind, with authentication"),
    (17, "a private CA; expired and self-signed certificates"),
    (18, "a list of mirrors: a wrong digest ends it, a network error moves on"),
    (19, "a mirror fails closed"),
    (20, "offline: no socket is opened"),
    (21, "unsigned, wrong key, another key of the same id, another file's signature"),
    (22, "an older signed index than the last one seen"),
    (23, "an expired index"),
    (24, "the entry of another target or variant put in place"),
    (25, "duplicate keys in JSON or TOML"),
    (26, "an unknown digest algorithm"),
    (27, "keys rotated from old to new"),
    (28, "paths that lead out, or are not the same file everywhere"),
    (29, "links, and what goes through them"),
    (30, "devices, fifos, sparse files, setuid bits"),
    (31, "a PAX size against the header's; a tar in the tar"),
    (32, "an entry twice"),
    (33, "bombs: ratio, total, entries, pinned size, zstd window"),
    (34, "trailing garbage, concatenated frames"),
    (35, "the same for zip"),
    (36, "two processes fetch the same file, then twenty"),
    (37, "the holder of a lock is killed"),
    (38, "kill -9 at each checkpoint, then run again"),
    (39, "ENOSPC, EROFS, EACCES, file-size limit"),
    (40, "a cached file changed after it was verified"),
    (41, "a cache on another file system; odd and long paths"),
    (42, "clock jumps"),
    (43, "kill -9 after k of n uploads, then again"),
    (44, "two publishers race"),
    (45, "the same name with other bytes"),
    (46, "the index is last, conditional on the one it replaces"),
    (47, "an upload left half-way by the server"),
    (48, "500 after it was stored"),
    (49, "after publishing, the real consumer fetches it from a clean cache"),
    (50, "an unknown GN argument"),
    (51, "a thin archive"),
    (52, "a patch applied already, in part, with fuzz, with CRLF, or skipped silently"),
    (53, "the cache server dies, is down, or gives another object"),
    (54, "interrupted: SIGINT, SIGTERM, kill -9, power"),
    (55, "two targets at once in one tree"),
    (56, "libc floor, banned symbols, TPOFF and IRELATIVE, CREL, processor baseline"),
];

/// The numbers that a test's name begins with: `f29_f30_links` is of 29 and 30.
fn numbers_of(name: &str) -> Vec<u8> {
    let number = |word: &str| match word.as_bytes() {
        [b'f', tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => Some((tens - b'0') * 10 + (ones - b'0')),
        _ => None,
    };
    name.split('_').map_while(number).collect()
}

/// Names of the functions of a source that are marked as tests; other attributes may stand between.
fn tests_of(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        let name = ["fn ", "async fn "].iter().find_map(|start| line.strip_prefix(start));
        if line == "#[test]" || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if let (true, Some(name)) = (is_test, name) {
            found.push(name.split('(').next().unwrap_or_default());
            is_test = false;
        }
    }
    found
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !["target", ".git", "artifacts"].contains(&name.as_str()) {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Number → the tests of this repository, each as `file: name`.
fn tests_by_number() -> BTreeMap<u8, Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut files = Vec::new();
    sources(root, &mut files);
    files.sort();
    let mut by_number: BTreeMap<u8, Vec<String>> = BTreeMap::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for name in tests_of(&text) {
            for number in numbers_of(name) {
                let file = file.strip_prefix(root).unwrap().display();
                by_number.entry(number).or_default().push(format!("{file}: {name}"));
            }
        }
    }
    by_number
}

#[test]
fn every_fault_has_a_test_of_its_number() {
    let tests = tests_by_number();
    let mut faults = Vec::new();
    for (number, what) in FAULTS {
        println!("F{number:02} {what}");
        match tests.get(number) {
            Some(tests) => tests.iter().for_each(|test| println!("      {test}")),
            None => faults.push(format!("F{number:02} has no test f{number:02}_…: {what}")),
        }
    }
    let known: Vec<u8> = FAULTS.iter().map(|(number, _)| *number).collect();
    assert_eq!(known, (1..=56).collect::<Vec<_>>());
    faults.extend(
        tests.iter().filter(|(number, _)| !known.contains(number)).map(|(_, tests)| tests.join(", ")),
    );
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn numbers_are_read_from_the_beginning_of_a_name() {
    let check = |name: &str, expected: &[u8]| assert_eq!(numbers_of(name), expected, "{name}");
    check("f28_paths", &[28]);
    check("f01_f34_cut", &[1, 34]);
    check("f5_x", &[]);
    check("of_f28_x", &[]);
    check("f28", &[28]);
    check("f280_x", &[]);
}

#[test]
fn only_what_is_marked_is_a_test() {
    let text = concat!(
        "#[te",
        "st]\n#[cfg(unix)]\nfn f01_a() {}\nfn f02_b() {}\n    #[te",
        "st]\n    fn f03_c() {\n"
    );
    assert_eq!(tests_of(text), ["f01_a", "f03_c"]);
}
