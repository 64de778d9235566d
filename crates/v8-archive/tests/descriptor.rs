//! `V8.json`: its one spelling, what is tolerated and what is refused.

mod support;

use support::descriptor;
use v8_archive::{Descriptor, Format};

fn parse(json: &str) -> Result<Descriptor, String> {
    Descriptor::from_json(json.as_bytes(), "x/V8.json").map_err(|error| error.to_string())
}

#[test]
fn the_text_is_stable() {
    let json = descriptor().to_json();
    assert_eq!(parse(&json).unwrap(), descriptor());
    // The whole file: a change here is a change of every archive.
    let zero = v8_archive::Sha256::of_bytes(b"").to_string();
    assert_eq!(json.replace(&zero, "…"), include_str!("descriptor.json"));
    assert_eq!(
        descriptor().archive_name(Format::Zip).unwrap().to_string(),
        format!("{}.zip", descriptor().name)
    );
}

#[test]
fn unknown_keys_are_tolerated() {
    let json = descriptor().to_json().replacen('{', r#"{ "new": {"a": [1, null, 1.5]}, "#, 1);
    assert_eq!(parse(&json).unwrap(), descriptor());
}

#[test]
fn another_format_is_refused_with_both_values() {
    let check = |format: &str, expected: &str| {
        // Nothing else of an unknown format can be asked for.
        assert_eq!(parse(&format!("{{\"format\": {format}}}")).unwrap_err(), expected);
    };
    check(
        "2",
        "x/V8.json: descriptor format 2, but this program reads format 1\nhelp: use a newer version of the program",
    );
    check(
        "0",
        "x/V8.json: descriptor format 0, but this program reads format 1\nhelp: use an older version of the program",
    );
    check(
        "-1",
        "x/V8.json: invalid descriptor: invalid value: integer `-1`, expected u64 at line 1 column 13",
    );
}

#[test]
fn f25_duplicate_keys_are_refused_everywhere() {
    let check = |from: &str, to: &str, key: &str| {
        let json = descriptor().to_json();
        assert!(json.contains(from), "{from}");
        let error = parse(&json.replacen(from, to, 1)).unwrap_err();
        assert!(error.contains(&format!("the key '{key}' occurs twice in one object")), "{error}");
    };
    check("\"format\": 1,", "\"format\": 1, \"format\": 1,", "format");
    check("\"format\": 1,", "\"format\": 1, \"form\\u0061t\": 2,", "format");
    check("\"kind\": \"crate\",", "\"kind\": \"crate\", \"kind\": \"node\",", "kind");
    check("\"is_debug\": false,", "\"is_debug\": false, \"is_debug\": true,", "is_debug");
    check("\"jit\": true", "\"jit\": true, \"jit\": false", "jit");
    check("\"format\": 1,", "\"format\": 1, \"new\": [{\"a\": 1, \"a\": 2}],", "a");
}

#[test]
fn a_missing_key_or_a_wrong_type_is_named() {
    let json = descriptor().to_json();
    let error = parse(&json.replacen("\"variant\"", "\"varian\"", 1)).unwrap_err();
    assert!(error.contains("missing field `variant`"), "{error}");
    let error = parse(&json.replacen("\"glibc\"", "\"newlib\"", 1)).unwrap_err();
    assert!(
        error.contains("unknown variant `newlib`, expected one of `glibc`, `musl`, `ucrt`, `libSystem`"),
        "{error}"
    );
    let error = parse(&(json.clone() + "{}")).unwrap_err();
    assert!(error.contains("trailing characters"), "{error}");
    let error = parse(&json.replacen("15.2.124.1\",", "15.2.124\",", 1)).unwrap_err();
    assert!(error.contains("'15.2.124'"), "{error}");
}
