//! `fuzz` finds what it is for: a panic, memory without limit, a hang, a file left behind, each planted in a reader.

#![expect(clippy::disallowed_methods, reason = "starts the tool itself")]

use std::path::PathBuf;
use std::process::Command;

fn fuzz(arguments: &[&str]) -> (Option<i32>, String, tempfile::TempDir) {
    let cache = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.arg("fuzz").args(arguments).env("LIBV8_CACHE_DIR", cache.path());
    let out = command.output().unwrap();
    (out.status.code(), String::from_utf8_lossy(&out.stderr).into_owned(), cache)
}

/// The planted fault is found, said, and found again by the input that is kept.
fn found(target: &str, expected: &str) {
    let (code, said, cache) = fuzz(&[target, "--time", "2s", "--seed", "7"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&format!("faults were found: {target}: ")) && said.contains(expected), "{said}");
    let input = said.split(" --input ").nth(1).unwrap().lines().next().unwrap();
    assert!(PathBuf::from(input).is_file(), "{said}");
    assert!(input.starts_with(&cache.path().display().to_string()), "{said}");
    if target != "planted-hang" {
        let (code, _, _) = fuzz(&[target, "--input", input]);
        assert_ne!(code, Some(0));
    }
}

#[test]
fn a_panic_is_found() {
    found("planted-panic", "a planted fault");
}

#[test]
fn memory_without_limit_is_found() {
    found("planted-memory", "memory allocation of 1099511627776 bytes failed");
}

#[test]
fn a_hang_is_found() {
    found("planted-hang", "one input took longer than 6 s");
}

#[test]
fn a_file_left_behind_is_found() {
    found("planted-leak", "something was left behind, or written outside");
}

#[test]
fn every_reader_stands_a_second_of_it() {
    // Another seed for each commit is for `cargo xtask test`; this one is the same for everybody.
    let (code, said, cache) = fuzz(&["--time", "1s", "--seed", "1"]);
    assert_eq!(code, Some(0), "{said}");
    let lines: Vec<&str> = said.lines().filter(|line| line.contains(" inputs, ")).collect();
    assert!(lines.len() >= 8, "{said}");
    for line in lines {
        let numbers: Vec<u64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        assert!(numbers[0] > 10 && numbers[1] > 0, "tried and accepted: {line}");
    }
    assert_eq!(std::fs::read_dir(cache.path().join("fuzz")).unwrap().count(), 0, "nothing is left");
}
