//! `prebuilt.toml`: what is written is read, and nothing else is.

use v8_archive::Sha256;
use v8_archive::lock::{self, Lock, Pin, Release};

const ZERO: &str = "0000000000000000000000000000000000000000000000000000000000000000";

fn pin(name: &str) -> Pin {
    Pin {
        name: name.parse().unwrap(),
        size_bytes: 21_000_000,
        sha256: Sha256::of_bytes(b"file"),
        unpacked_size_bytes: 180_000_000,
        unpacked_sha256: Sha256::of_bytes(b"tar"),
        build_id: Sha256::of_bytes(b"id"),
    }
}

fn sample() -> Lock {
    Lock {
        v8_version: "15.2.124.1".into(),
        release: Some(Release {
            name: "15.2.124.1-1".into(),
            number: 7,
            index_sha256: Sha256::of_bytes(b"index"),
            origin: "https://example.org/libv8/{release}/{name}".into(),
        }),
        archives: vec![
            pin("libv8-15.2.124.1-aarch64-unknown-linux-gnu-release.tar.zst"),
            pin("libv8-15.2.124.1-x86_64-unknown-linux-gnu-release.tar.zst"),
            pin("libv8-15.2.124.1-x86_64-unknown-linux-gnu-release.zip"),
        ],
    }
}

#[test]
fn what_is_written_is_read() {
    let lock = sample();
    let text = lock.to_text();
    assert_eq!(Lock::parse(&text, "x").unwrap(), lock);
    let head = format!(
        "# Written by `cargo xtask lock`; review it like code.\nformat = 1\nrelease = \"15.2.124.1-1\"\nnumber = 7\n\
         v8_version = \"15.2.124.1\"\nindex_sha256 = \"{}\"\n\
         origin = \"https://example.org/libv8/{{release}}/{{name}}\"\n\n[[archive]]\n\
         name = \"libv8-15.2.124.1-aarch64-unknown-linux-gnu-release.tar.zst\"\nsize_bytes = 21000000\n\
         sha256 = \"{}\"\nunpacked_size_bytes = 180000000\nunpacked_sha256 = \"{}\"\nbuild_id = \"{}\"\n\n[[archive]]\n",
        Sha256::of_bytes(b"index"),
        Sha256::of_bytes(b"file"),
        Sha256::of_bytes(b"tar"),
        Sha256::of_bytes(b"id"),
    );
    assert!(text.starts_with(&head), "{text}");
    // A person may add remarks, and a checkout may have changed the ends of lines.
    let remarked = text.replace("\n[[", "\n# A remark.\n[[").replace('\n', "\r\n");
    assert_eq!(Lock::parse(&remarked, "x").unwrap(), lock);
}

#[test]
fn nothing_published_is_a_lock_too() {
    let empty = Lock::empty("15.2.124.1");
    assert!(empty.is_empty() && !sample().is_empty());
    assert_eq!(Lock::parse(&empty.to_text(), "x").unwrap(), empty);
    assert_eq!(Lock::parse("format = 1\nv8_version = \"15.2.124.1\"", "x").unwrap(), empty);
}

#[test]
fn a_pin_is_found_by_its_stem_the_default_format_first() {
    let lock = sample();
    let stem = "libv8-15.2.124.1-x86_64-unknown-linux-gnu-release";
    assert_eq!(lock.pin(stem), Some(&lock.archives[1]));
    assert_eq!(lock.pin("libv8-15.2.124.1-x86_64-unknown-linux-gnu-lite"), None);
}

#[test]
fn every_other_text_is_refused_with_its_line() {
    let check = |from: &str, to: &str, line: usize, expected: &str| {
        let whole = sample().to_text();
        assert!(whole.contains(from), "{from}");
        let error = Lock::parse(&whole.replacen(from, to, 1), "a/prebuilt.toml").unwrap_err().to_string();
        assert!(error.starts_with(&format!("a/prebuilt.toml:{line}: ")), "{error}");
        assert!(error.contains(expected), "{error}");
    };
    check(
        "format = 1",
        "format = 2",
        2,
        "format 2, but this program reads format 1\nhelp: use a newer version",
    );
    check("format = 1", "format = 0", 2, "help: use an older");
    check("format = 1", "format = 01", 2, "format is '01'");
    check("format = 1", "format=1", 2, "expected 'format = …', found 'format=1'");
    check("number = 7", "number = -7", 4, "number is '-7'");
    check("number = 7", "number = +7", 4, "number is '+7'");
    check("number = 7", "number = 9223372036854775808", 4, "not a number from 0 to 9223372036854775807");
    check("number = 7", "number = 0", 7, "number is 0");
    check("number = 7", "number = \"7\"", 4, "number is");
    check("number = 7", "number = 7 # x", 4, "number is '7 # x'");
    check("number = 7", "number = 7\nnumber = 8", 5, "expected 'v8_version = …', found 'number = 8'");
    check("number = 7\n", "", 4, "expected 'number = …', found 'v8_version");
    check("number = 7", "extra = 1", 4, "expected 'number = …', found 'extra = 1'");
    check("\"15.2.124.1-1\"", "'15.2.124.1-1'", 3, "not a plain \"text\"");
    check("\"15.2.124.1-1\"", "\"15.2.124.1\\u002d1\"", 3, "without escapes");
    check("\"15.2.124.1-1\"", "\"\"\"15.2.124.1-1\"\"\"", 3, "without escapes");
    check(
        "\"15.2.124.1-1\"",
        "\"15.2.124.1-01\"",
        5,
        "release is '15.2.124.1-01', but a release of V8 15.2.124.1",
    );
    check("\"15.2.124.1-1\"", "\"15.2.124.2-1\"", 5, "release is '15.2.124.2-1'");
    check("\"15.2.124.1-1\"", "\"15.2.124.1-1/../x\"", 5, "release is");
    check("= \"15.2.124.1\"", "= \"15.2.124\"", 5, "four numbers");
    check("https://example.org", "ftp://example.org", 7, "begins with https://, http:// or file:///");
    check("https://example.org", "https://me:pass@example.org", 7, "a user or a password");
    check("{release}", "{version}", 7, "a placeholder other than");
    check("/{name}", "/x", 7, "has no {name} or {sha256}");
    check("[[archive]]", "[archive]", 9, "expected '[[archive]]', found '[archive]'");
    check("[[archive]]", " [[archive]]", 9, "found ' [[archive]]'");
    check("size_bytes = 21000000", "size_bytes = 0", 15, "a size of 0 bytes");
    check("size_bytes = 21000000", "size_bytes = 21_000_000", 11, "size_bytes is '21_000_000'");
    check("libv8-15.2.124.1-aarch64", "libv8-15.2.124.2-aarch64", 15, "is of V8 15.2.124.2, but");
    check("libv8-15.2.124.1-aarch64", "libv8-15.2.124.1-z_rch64", 23, "archives are sorted, each once");
    check("gnu-release.zip", "gnu-release.tar.zst", 31, "archives are sorted, each once");
    check("gnu-release.zip", "gnu-release.exe", 26, "it ends in none of");
    let digest = Sha256::of_bytes(b"tar").to_string();
    check(&digest, &digest.to_uppercase(), 14, "unpacked_sha256: '");
    check("build_id", "unknown = 1\nbuild_id", 15, "expected 'build_id = …', found 'unknown = 1'");
}

#[test]
fn a_text_that_ends_early_is_refused_wherever_it_ends() {
    let whole = sample().to_text();
    let starts: Vec<usize> = whole.match_indices('\n').map(|(at, _)| at + 1).collect();
    let mut read = Vec::new();
    for start in &starts {
        if let Ok(lock) = Lock::parse(&whole[..*start], "x") {
            read.push(lock.archives.len());
        }
    }
    // Only between archives, twice each because of the empty line; a lock is reviewed, not signed.
    assert_eq!(read, [1, 1, 2, 2, 3]);
    let release = whole.split("\n[[").next().unwrap();
    let error = Lock::parse(release, "x").unwrap_err().to_string();
    assert!(error.contains("release 15.2.124.1-1 has no [[archive]]"), "{error}");
    assert!(Lock::parse("", "x").is_err());
    assert!(Lock::parse("format = 1\nv8_version = \"15.2.124.1\"\nx = 1", "x").is_err());
    assert!(Lock::parse(&"#\n".repeat(1 << 20), "x").unwrap_err().to_string().contains("the limit is"));
}

#[test]
fn a_foreign_text_does_not_reach_the_terminal_as_it_is() {
    let text = format!("\u{1b}[31m{ZERO}{ZERO}");
    let error = Lock::parse(&text, "x").unwrap_err().to_string();
    assert!(error.contains("\\u{1b}[31m0") && error.ends_with("…'") && error.len() < 200, "{error}");
}

#[test]
fn templates() {
    let pin = pin("libv8-1.2.3.4-a-b-c.zip");
    let check = |template: &str, expected: &str| {
        assert_eq!(lock::check_template(template), Ok(()), "{template}");
        assert_eq!(lock::expand(template, "1.2.3.4-9", &pin), expected);
    };
    check("https://h/x/{release}/{name}", "https://h/x/1.2.3.4-9/libv8-1.2.3.4-a-b-c.zip");
    check("https://h/{name}?r={release}", "https://h/libv8-1.2.3.4-a-b-c.zip?r=1.2.3.4-9");
    check("https://h/x", "https://h/x/1.2.3.4-9/libv8-1.2.3.4-a-b-c.zip");
    check("https://h/x/", "https://h/x/1.2.3.4-9/libv8-1.2.3.4-a-b-c.zip");
    check("https://h/v2/x/blobs/sha256:{sha256}", &format!("https://h/v2/x/blobs/sha256:{}", pin.sha256));
    check("file:///x/é+", "file:///x/é+/1.2.3.4-9/libv8-1.2.3.4-a-b-c.zip");
    for template in
        ["", "h/x", "ssh://h", "https://", "file://x", "https://h/{x}", "https://h/ x", "https://h/\n"]
    {
        assert!(lock::check_template(template).is_err(), "{template:?}");
    }
}
