//! Finding Debian's mirror, and reading what apt says.

use super::*;

#[track_caller]
fn check(name: &str, text: &str, expected: Option<&str>) {
    assert_eq!(debian_mirror(&[(name.into(), text.into())]).as_deref(), expected);
}

#[test]
fn mirrors_of_deb822() {
    let two = "Types: deb\n# a comment\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\nComponents: main\n\n\
               Types: deb\nURIs: http://mirror.example/security\nSuites: bookworm-security\n";
    check("debian.sources", two, Some("http://mirror.example/debian"));
    check("x.sources", "Types: deb\nURIs: http://m.example/s\nSuites: bookworm-security\n", None);
    check("x.sources", "Types: deb-src\nURIs: http://m.example/d\nSuites: sid\n", None);
    check("x.sources", "Enabled: no\nTypes: deb\nURIs: http://m.example/d\nSuites: sid\n", None);
    check("node.sources", "Types: deb\nURIs: https://n.example/node_20.x\nSuites: nodistro\n", None);
    check(
        "x.sources",
        "types: deb deb-src\nuris: http://m.example/d http://o.example\nsuites: trixie\n",
        Some("http://m.example/d"),
    );
}

#[test]
fn mirrors_of_one_line_lists() {
    check("sources.list", "deb http://m.example/debian bookworm main\n", Some("http://m.example/debian"));
    check(
        "sources.list",
        "deb [arch=amd64 signed-by=/k] http://m.example/debian sid main # x\n",
        Some("http://m.example/debian"),
    );
    check(
        "sources.list",
        "# deb http://m.example/debian sid main\ndeb-src http://m.example/debian sid main\n",
        None,
    );
    check("sources.list", "deb http://m.example/debian-security bookworm-security main\n", None);
}

fn stanza(version: &str, digit: &str) -> String {
    format!("Package: gn\nVersion: {version}\nSize: 7\nSHA256: {}\n", digit.repeat(64))
}

/// Versions of one digit stand in for dpkg's order.
fn offered(versions: &[(&str, &str)]) -> Result<(String, String)> {
    let pin = DebianPin {
        package: "gn".into(),
        version: "5".into(),
        size_bytes: 7,
        sha256: Sha256::try_from("a".repeat(64)).unwrap(),
    };
    let shown: Vec<String> = versions.iter().map(|(version, digit)| stanza(version, digit)).collect();
    let offer = choose(&pin, &shown.join("\n"), |left, right| Ok(left >= right))?;
    Ok((offer.version, offer.file.sha256.as_str()[..1].to_owned()))
}

#[test]
fn the_pinned_version_wins_with_the_pinned_digest() {
    assert_eq!(offered(&[("9", "b"), ("5", "c")]).unwrap(), ("5".into(), "a".into()));
}

#[test]
fn a_newer_version_is_taken_with_the_digest_of_the_signed_index() {
    assert_eq!(offered(&[("6", "b"), ("8", "c"), ("7", "d")]).unwrap(), ("8".into(), "c".into()));
}

#[test]
fn an_older_version_is_refused() {
    let error = offered(&[("4", "b")]).err().unwrap().to_string();
    assert!(error.contains("no gn of version 5 or later"), "{error}");
}
