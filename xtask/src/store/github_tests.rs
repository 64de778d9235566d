//! GitHub Releases against a server that behaves as GitHub's documentation says, and breaks as GitHub does.

use std::fs;
use std::time::{Duration, Instant};

use super::super::testing::github::{GitHub as Server, TOKEN, Trouble, json_answer};
use super::super::testing::{Answer, quick};
use super::super::{Store, suite};
use super::*;
use crate::toolchain::testing::Folder;

fn open(server: &Server, token: Option<&str>) -> Store {
    let base = format!("http://127.0.0.1:{}", server.port);
    Store::GitHub(GitHub::at(&base, token.map(Secret::new), "o", "r", quick()).unwrap())
}

fn put(store: &Store, release: &str, name: &str, bytes: &[u8]) -> Result<Put> {
    let folder = Folder::new();
    let path = folder.path().join("put");
    fs::write(&path, bytes).unwrap();
    store.put(release, name, &path, Sha256::of_file(&path).unwrap())
}

fn read(store: &Store, release: &str, name: &str) -> Result<Option<Vec<u8>>> {
    let folder = Folder::new();
    let to = folder.path().join("got");
    Ok(store.read(release, name, &to, 1 << 20)?.map(|_| fs::read(&to).unwrap()))
}

fn pointer(release: &str, number: u64) -> Pointer {
    Pointer::to(release, number, Sha256::of_bytes(release.as_bytes()))
}

#[track_caller]
fn none_broken(server: &Server) {
    assert_eq!(server.faults(), Vec::<String>::new());
}

#[test]
fn github_is_a_store() {
    for (page, says_digests) in [(2, true), (100, false)] {
        let server = Server::start(page, says_digests);
        let open = || open(&server, Some(TOKEN));
        suite::run_one_by_one(&open);
        suite::f44_two_publishers_put_other_bytes(&open);
        none_broken(&server);
    }
}

#[test]
fn f47_what_an_upload_has_left_is_removed_and_uploaded_again() {
    let server = Server::start(100, true);
    suite::interrupted_upload(&|| open(&server, Some(TOKEN)), &|release, name| {
        server.leave_starter(release, name)
    });
    server.trouble(&[("POST", "name=c", Trouble::Starter), ("POST", "name=c", Trouble::Starter)]);
    let store = open(&server, Some(TOKEN));
    assert_eq!(put(&store, suite::INTERRUPTED, "c", b"third time").unwrap(), Put::Stored);
    assert_eq!(read(&store, suite::INTERRUPTED, "c").unwrap().unwrap(), b"third time");
    // A server that never gets further has an end.
    let always = ("POST", "name=d", Trouble::Starter);
    server.trouble(&[always.clone(), always.clone(), always.clone(), always]);
    let error = put(&store, suite::INTERRUPTED, "d", b"never").unwrap_err().to_string();
    assert!(error.contains("cannot upload d to release 9.0.0.6-1") && error.contains("502"), "{error}");
    assert_eq!(store.list(suite::INTERRUPTED).unwrap().len(), 3);
    none_broken(&server);
}

#[test]
fn f48_what_github_has_done_before_it_failed_is_found() {
    for says_digests in [true, false] {
        let server = Server::start(100, says_digests);
        let store = open(&server, Some(TOKEN));
        server.trouble(&[
            ("POST", "/releases", Trouble::DoneAnd502),
            ("POST", "name=index.json", Trouble::DoneAnd502),
            ("POST", "name=latest.json", Trouble::DoneAnd502),
            ("PATCH", "/releases/", Trouble::DoneAnd502),
        ]);
        assert_eq!(put(&store, "9.0.0.9-1", "index.json", b"{}").unwrap(), Put::Stored);
        assert_eq!(server.releases("9.0.0.9-1").len(), 1);
        store.commit(&pointer("9.0.0.9-1", 1), None).unwrap();
        assert_eq!(store.latest().unwrap().unwrap().0, pointer("9.0.0.9-1", 1));
        assert_eq!(store.list("9.0.0.9-1").unwrap().len(), 1);
        none_broken(&server);
    }
}

#[test]
fn f44_two_drafts_of_one_release_become_one() {
    let server = Server::start(2, true);
    let store = open(&server, Some(TOKEN));
    // More than a page of others, and an older twin that appears between our look and our draft.
    for other in 0..5 {
        server.publish_other(&format!("other-{other}"), true);
    }
    put(&store, "9.0.0.9-1", "a", b"1").unwrap();
    server.publish_other("9.0.0.9-1", true);
    put(&store, "9.0.0.9-1", "b", b"2").unwrap();
    assert_eq!(store.list("9.0.0.9-1").unwrap().len(), 2, "both are in the older one");
    // The same tag published by somebody else in the meantime.
    server.publish_other("9.0.0.9-1", false);
    let error = put(&store, "9.0.0.9-1", "c", b"3").unwrap_err().to_string();
    assert!(error.contains("it is published, and has no such file"), "{error}");
    none_broken(&server);
}

#[test]
fn f44_the_later_of_two_commits_is_told() {
    let server = Server::start(100, true);
    let (one, other) = (open(&server, Some(TOKEN)), open(&server, Some(TOKEN)));
    for (store, release) in [(&one, "9.0.0.8-1"), (&other, "9.0.0.8-2")] {
        put(store, release, "index.json", release.as_bytes()).unwrap();
    }
    one.commit(&pointer("9.0.0.8-1", 1), None).unwrap();
    let error = other.commit(&pointer("9.0.0.8-2", 1), None).unwrap_err().to_string();
    assert!(error.contains("another publisher was faster") && error.contains("9.0.0.8-1"), "{error}");
    let is_draft = |name: &str| server.releases(name)[0].1;
    assert!(!is_draft("9.0.0.8-1") && is_draft("9.0.0.8-2"));
    none_broken(&server);
}

#[test]
fn a_rate_limit_is_waited_for_if_it_ends_soon() {
    let server = Server::start(100, true);
    let store = open(&server, Some(TOKEN));
    let limit = |status: u16, name: &str, value: &str| {
        let answer = json_answer(status, &json!({ "message": "secondary rate limit" }));
        let answer = answer.with("x-ratelimit-remaining", "0").with(name, value);
        ("POST", "name=", Trouble::Refused(answer))
    };
    server.trouble(&[limit(429, "retry-after", "1"), limit(403, "retry-after", "1")]);
    let started = Instant::now();
    assert_eq!(put(&store, "9.0.0.9-1", "a", b"1").unwrap(), Put::Stored);
    assert!(started.elapsed() >= Duration::from_secs(2), "{:?}", started.elapsed());
    // An hour is too long, whichever way it is said.
    server.trouble(&[limit(403, "x-ratelimit-reset", "9999999999"), limit(429, "retry-after", "3600")]);
    for _ in 0..2 {
        let error = put(&store, "9.0.0.9-1", "b", b"1").unwrap_err().to_string();
        assert!(error.contains("rate limit is reached, for another"), "{error}");
    }
    // One that never ends has an end.
    let again = || limit(429, "retry-after", "0");
    server.trouble(&[again(), again(), again(), again()]);
    let error = put(&store, "9.0.0.9-1", "b", b"1").unwrap_err().to_string();
    assert!(error.contains("rate limit is reached, for another 0 s: secondary rate limit"), "{error}");
    none_broken(&server);
}

#[test]
fn no_token_is_in_any_error_or_goes_to_another_host() {
    let wrong = "ghp_thisIsNotTheRightOne";
    let server = Server::start(100, false);
    let right = open(&server, Some(TOKEN));
    put(&right, "9.0.0.9-1", "index.json", b"{}").unwrap();
    let store = open(&server, Some(wrong));
    let errors = [
        store.latest().map(drop),
        store.list("9.0.0.9-1").map(drop),
        read(&store, "9.0.0.9-1", "index.json").map(drop),
        put(&store, "9.0.0.9-1", "a", b"1").map(drop),
        store.commit(&pointer("9.0.0.9-1", 1), None),
    ];
    for error in errors.map(Result::unwrap_err) {
        let text = format!("{error} {error:?} {store:?}");
        // The server repeats what it was sent.
        assert!(text.contains("Bad credentials: Bearer …") && !text.contains(wrong), "{text}");
        assert!(error.to_string().contains("GITHUB_TOKEN"), "{error}");
    }
    assert!(server.log().iter().all(|line| !line.contains("ghp_")));
    // Uploads and downloads are on other hosts; the server counts a token that comes along.
    assert_eq!(read(&right, "9.0.0.9-1", "index.json").unwrap().unwrap(), b"{}");
    none_broken(&server);
}

#[test]
fn without_a_token_what_is_published_can_be_read() {
    let server = Server::start(100, true);
    let (store, nobody) = (open(&server, Some(TOKEN)), open(&server, None));
    put(&store, "9.0.0.9-1", "index.json", b"{}").unwrap();
    assert_eq!(nobody.latest().unwrap(), None);
    assert_eq!(nobody.list("9.0.0.9-1").unwrap(), [], "a draft is nobody's business");
    store.commit(&pointer("9.0.0.9-1", 1), None).unwrap();
    assert_eq!(nobody.latest().unwrap().unwrap().0, pointer("9.0.0.9-1", 1));
    assert_eq!(read(&nobody, "9.0.0.9-1", "index.json").unwrap().unwrap(), b"{}");
    let error = put(&nobody, "9.0.0.9-2", "a", b"1").unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains("set GITHUB_TOKEN"), "{error}");
    none_broken(&server);
}

#[test]
fn releases_of_others_are_not_taken_for_ours() {
    let server = Server::start(100, true);
    let store = open(&server, Some(TOKEN));
    server.publish_other("v1.0", false);
    let error = store.latest().unwrap_err().to_string();
    assert!(error.contains("v1.0, which has no latest.json"), "{error}");
}

#[test]
fn f01_a_download_that_breaks_off_is_made_again() {
    let server = Server::start(100, true);
    let store = open(&server, Some(TOKEN));
    put(&store, "9.0.0.9-1", "a", b"the whole of it").unwrap();
    let half =
        || ("GET", "/blob/", Trouble::Refused(Answer::new(200, "the wh").with("content-length", "15")));
    server.trouble(&[half(), half(), half()]);
    assert_eq!(read(&store, "9.0.0.9-1", "a").unwrap().unwrap(), b"the whole of it");
    server.trouble(&[half(), half(), half(), half()]);
    let error = read(&store, "9.0.0.9-1", "a").unwrap_err().to_string();
    assert!(error.contains("a of github:o/r: "), "{error}");
    none_broken(&server);
}

#[test]
fn nothing_is_fetched_in_the_clear_from_elsewhere() {
    let server = Server::start(100, true);
    let store = open(&server, Some(TOKEN));
    put(&store, "9.0.0.9-1", "a", b"1").unwrap();
    let redirect = Answer::new(302, "").with("location", "http://example.org/x");
    server.trouble(&[("GET", "/releases/assets/", Trouble::Refused(redirect))]);
    let error = read(&store, "9.0.0.9-1", "a").unwrap_err().to_string();
    assert!(error.contains("http://example.org would be sent keys"), "{error}");
    let error = GitHub::at("http://example.org", None, "o", "r", quick()).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    none_broken(&server);
}

#[test]
fn its_origin_is_where_browsers_go() {
    let check = |base: &str, expected: &str| {
        let origin = GitHub::at(base, None, "o", "r", quick()).unwrap().origin();
        assert_eq!(origin, format!("{expected}/o/r/releases/download/{{release}}/{{name}}"));
    };
    check("https://api.github.com", "https://github.com");
    check("https://api.github.com/", "https://github.com");
    check("https://github.example.org/api/v3", "https://github.example.org");
}
