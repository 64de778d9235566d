//! `V8.json`: its one spelling, what is tolerated and what is refused.

mod support;

use support::descriptor;
use v8_archive::descriptor::{GnValue, Libc, LibcFamily, TlsModel};
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
    check("-1", "x/V8.json: invalid descriptor: format: expected a number below 2^64, found -1");
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
    assert!(error.contains("no JSON at line ") && error.contains("end of file expected"), "{error}");
    let error = parse(&json.replacen("15.2.124.1\",", "15.2.124\",", 1)).unwrap_err();
    assert!(error.contains("'15.2.124'"), "{error}");
}

#[test]
fn the_place_of_a_wrong_value_is_named() {
    let check = |from: &str, to: &str, expected: &str| {
        let json = descriptor().to_json();
        assert!(json.contains(from), "{from}");
        let error = parse(&json.replacen(from, to, 1)).unwrap_err();
        assert_eq!(error, format!("x/V8.json: invalid descriptor: {expected}"));
    };
    check("\"kind\": \"crate\"", "\"kind\": 7", "source: kind: expected a text, found 7");
    check(
        "\"is_debug\": false",
        "\"is_debug\": null",
        "gn_args: is_debug: expected a value of GN, found null",
    );
    check("\"jit\": true", "\"jit\": 1.5", "features: jit: expected true or false, found 1.5");
    check("\"format\": 1,", "\"format\": 1.0,", "format: expected a number below 2^64, found 1.0");
    for text in
        ["", "{", "[]", "nul", "{\"format\": 1e0}", "{\"format\": 01}", "{\"format\": \"1\"}", "\u{feff}{}"]
    {
        assert!(parse(text).is_err(), "{text}");
    }
    let deep = "[".repeat(100_000);
    assert!(parse(&format!("{{\"x\": {deep}")).unwrap_err().contains("depth"));
    assert!(Descriptor::from_json(b"{\"format\": 1, \"name\": \"\xff\"}", "x").is_err(), "no UTF-8");
}

#[test]
fn our_reader_and_serdes_agree() {
    let mut all = vec![descriptor()];
    for tls_model in [
        TlsModel::LocalExec,
        TlsModel::InitialExec,
        TlsModel::LocalDynamic,
        TlsModel::GlobalDynamic,
        TlsModel::Platform,
    ] {
        all.push(Descriptor { tls_model, ..descriptor() });
    }
    for family in [LibcFamily::Glibc, LibcFamily::Musl, LibcFamily::Ucrt, LibcFamily::LibSystem] {
        all.push(Descriptor { libc: Libc { family, floor: "\"\\\u{1}é\u{1f600}/".into() }, ..descriptor() });
    }
    let values = [
        GnValue::Bool(true),
        GnValue::Integer(i64::MIN),
        GnValue::Integer(i64::MAX),
        GnValue::List(vec![GnValue::String("a".into()), GnValue::List(vec![GnValue::Integer(-1)])]),
    ];
    for value in values {
        let mut one = descriptor();
        one.gn_args.insert("x".into(), value);
        all.push(one);
    }
    for one in all {
        let json = one.to_json();
        assert_eq!(parse(&json).unwrap(), one);
        assert_eq!(serde_json::from_str::<Descriptor>(&json).unwrap(), one);
    }
}
