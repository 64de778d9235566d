//! The examples, as a person runs them. They link V8.

#![expect(clippy::disallowed_methods, reason = "starts programs that are no part of the tool")]

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// Starts an example with `stdin`; gives status, stdout, stderr.
fn run(example: &str, arguments: &[&str], stdin: &str) -> (i32, String, String) {
    let mut child = Command::new(program(example))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{error}: `cargo test -p libv8` builds the example {example} first"));
    // An example that needs no input may be gone already: not this test's business.
    let _ = child.stdin.take().expect("it is piped").write_all(stdin.as_bytes());
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().expect("no signal ends an example"), text(stdout), text(stderr))
}

/// Cargo puts examples beside the folder of this test's own program.
fn program(example: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let profile = own.parent().and_then(|deps| deps.parent()).expect("target/<profile>/deps/<test>");
    profile.join("examples").join(format!("{example}{}", std::env::consts::EXE_SUFFIX))
}

#[test]
fn eval_prints_the_value() {
    for (arguments, stdin) in [(&["1n << 64n"][..], ""), (&["-"], "1n << 64n"), (&[], "1n <<\n64n")] {
        assert_eq!(run("eval", arguments, stdin), (0, "18446744073709551616n\n".to_owned(), String::new()));
    }
}

#[test]
fn eval_tells_values_from_failures_from_bad_usage() {
    let (status, stdout, stderr) = run("eval", &["(function f() { null.x })()"], "");
    assert_eq!((status, stdout.as_str()), (1, ""));
    assert!(stderr.starts_with("TypeError: ") && stderr.contains("    at f ("), "{stderr}");

    let (status, stdout, stderr) = run("eval", &["1", "2"], "");
    assert_eq!((status, stdout.as_str()), (2, ""));
    assert!(stderr.contains("usage: eval"), "{stderr}");

    let (status, stdout, stderr) = run("eval", &["--help"], "");
    assert_eq!((status, stderr.as_str()), (0, ""));
    assert!(stdout.starts_with("usage: eval"), "{stdout}");
}

#[test]
fn repl_keeps_its_globals_and_joins_lines() {
    let input = "let a = 20n\nfunction f(x) {\n  return x * 2n\n}\nf(a)\n\nnull.x\n`two\nlines`.length\n.exit\n'not run'\n";
    let (status, stdout, stderr) = run("repl", &[], input);
    assert_eq!((status, stdout.as_str()), (0, "undefined\nundefined\n40n\n9\n"), "{stderr}");
    assert!(stderr.starts_with("TypeError: "), "{stderr}");
}

#[test]
fn repl_ends_what_is_not_complete_at_an_empty_line_and_at_the_end() {
    let (status, stdout, stderr) = run("repl", &[], "f(\n\n1 + 1\n[1,");
    assert_eq!((status, stdout.as_str()), (0, "2\n"));
    assert_eq!(stderr.matches("SyntaxError: ").count(), 2, "{stderr}");
}
