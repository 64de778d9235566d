//! F18 to F20: several mirrors, one that fails, none at all.

use std::fs;
use std::net::TcpListener;

use v8_archive::lock::Lock;

use crate::case::Case;
use crate::fetch::{Failure, Tried, TriedKind};
use crate::network::settings::Settings;
use crate::pinned::{self, is_soft};
use crate::server::{Server, answer};
use crate::sources::{self, Source};

/// A port where nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}/nobody", listener.local_addr().unwrap())
}

#[test]
fn f18_a_network_error_moves_on_and_a_wrong_digest_does_not() {
    let case = Case::new();
    let (right, absent) =
        (Server::of(case.bytes.clone()), Server::new(|_, out| answer(out, "404 Not Found", &[], b"")));
    case.must(&format!("{}, {} {}", nobody(), absent.url(), right.url()));
    assert_eq!((absent.requests().len(), right.requests().len()), (1, 1));

    // What one mirror began, another may finish.
    let case = Case::new();
    let bytes = case.bytes.clone();
    let half = Server::new(move |request, out| {
        let length = if request.number == 0 { 500_000 } else { 0 };
        answer(out, "200 OK", &[("Content-Length", &bytes.len().to_string())], &bytes[..length])
    });
    let other = Server::of(case.bytes.clone());
    case.must(&format!("{} {}", half.url(), other.url()));
    assert!(other.requests().len() == 1);

    let case = Case::new();
    let mut bytes = case.bytes.clone();
    bytes[77] ^= 4;
    let wrong = Server::of(bytes);
    let why = case.stops(&format!("{} {}", wrong.url(), right.url()));
    assert!(why.starts_with(&wrong.url()), "{why}");
    assert_eq!(right.requests().len(), 1, "it was not asked again");
}

#[test]
fn f19_a_mirror_fails_closed() {
    let mut case = Case::new();
    let origin = Server::of(case.bytes.clone());
    case.release.origin = format!("{}/{{release}}/{{name}}", origin.url());
    let mirror = Server::new(|_, out| answer(out, "503 Service Unavailable", &[], b""));
    for place in [mirror.url(), nobody(), case.work.path.join("nothing").to_str().map(file_url).unwrap()] {
        case.misses(&place);
    }
    assert_eq!(origin.connections(), 0);
    // It is there for those who name no mirror.
    case.obtain_with(None, Some(case.cache())).unwrap();
    assert_eq!(origin.connections(), 1);
}

#[test]
fn f20_offline_opens_no_socket() {
    let mut case = Case::new();
    let server = Server::of(case.bytes.clone());
    case.settings.offline = Some("LIBV8_OFFLINE is set");
    let why = case.misses(&format!("{0} {0}", server.url()));
    assert_eq!(why.matches("not asked: LIBV8_OFFLINE is set").count(), 2, "{why}");
    // A proxy would be a socket too.
    let offline = case.settings.offline;
    case.settings = proxy_settings(&server.url());
    case.settings.offline = offline;
    case.misses(&server.url());
    case.misses("http://host.invalid/x");
    assert_eq!(server.connections(), 0);
    // A folder is no socket, and a full cache needs nothing.
    let folder = case.work.path.join("mirror #1 50%");
    fs::create_dir_all(folder.join("15.2.124.1-1")).unwrap();
    fs::write(folder.join("15.2.124.1-1").join(case.pin.name.to_string()), &case.bytes).unwrap();
    case.must(&file_url(folder.to_str().unwrap()));
    fs::remove_dir_all(&folder).unwrap();
    case.must(&server.url());
    assert_eq!(server.connections(), 0);
}

fn proxy_settings(url: &str) -> Settings {
    let network = crate::env::Network { cargo_proxy: Some(url.into()), ..Default::default() };
    Settings::new(&network, &Default::default()).unwrap()
}

/// As a browser writes it.
pub fn file_url(path: &str) -> String {
    let escaped: String = path
        .bytes()
        .map(|byte| match byte {
            b'/' | b'.' | b'-' | b'_' => char::from(byte).to_string(),
            _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect();
    format!("file://{escaped}")
}

#[test]
fn a_folder_with_wrong_bytes_is_refused_as_a_server_is() {
    let case = Case::new();
    let folder = case.work.path.join("mirror/15.2.124.1-1");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(case.pin.name.to_string());
    let url = file_url(case.work.path.join("mirror").to_str().unwrap());
    let mut bytes = case.bytes.clone();
    bytes[9] ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert!(case.stops(&url).contains("this is not the file that was pinned: it has sha256"));
    fs::write(&path, &bytes[1..]).unwrap();
    assert!(case.stops(&url).contains(&format!("it has {} bytes, pinned are", bytes.len() - 1)));
    fs::remove_file(&path).unwrap();
    assert!(case.misses(&url).contains("No such file"));
}

#[test]
fn queries_of_mirrors_and_signed_redirects_stand_in_no_error_and_no_file() {
    let mut case = Case::new();
    // A private mirror's token, and what a store signs: either gives the file to whoever reads the log.
    let store = Server::new(|_, out| answer(out, "200 OK", &[("Content-Length", "7")], b"another"));
    let signed = format!("http://127.0.0.1:{}/x?X-Amz-Signature=SECRET", store.port);
    let server = Server::new(move |_, out| answer(out, "302 Found", &[("Location", &signed)], b""));
    let mirror = format!("{}/{{name}}?token=SECRET", server.url());
    let mut said = case.stops(&mirror);
    assert!(said.contains("?…: this is not the file") && said.contains("(from http://127.0.0.1"), "{said}");
    assert!(server.requests()[0].path.ends_with("?token=SECRET"), "it is asked all the same");

    for (location, expected) in [
        ("/again?sig=SECRET", "redirected more than 5 times"),
        ("https://me:SECRET@h/x?SECRET", "redirected to 'https://h/x?…', which is no URL"),
    ] {
        let server = Server::new(move |_, out| answer(out, "302 Found", &[("Location", location)], b""));
        let why = case.misses(&format!("{}/{{name}}?token=SECRET", server.url()));
        assert!(why.contains(expected), "{why}");
        said += &why;
    }
    // What broke off is kept, with a mark that says whose it is.
    let half = Server::new(|_, out| {
        answer(out, "200 OK", &[("Transfer-Encoding", "chunked"), ("ETag", "\"2\"")], b"5\r\nhello")
    });
    said += &case.misses(&format!("{}/{{name}}?token=SECRET", half.url()));
    said += &fs::read_to_string(case.slot().validator()).unwrap();
    case.settings.offline = Some("LIBV8_OFFLINE is set");
    said += &case.misses(&mirror);
    said += &case.said();
    assert!(!said.contains("SECRET"), "{said}");
}

#[test]
fn mirrors_are_read_strictly_and_not_repeated() {
    let case = Case::new();
    let of = |mirror: &str| sources::of(Some(mirror), &case.release, &case.pin);
    let http = |url: &str, credentials: Option<&str>| Source::Http {
        url: url.to_owned(),
        credentials: credentials.map(str::to_owned),
    };
    let name = case.pin.name.to_string();
    assert_eq!(
        of("https://u:p%40ss@h:1/a/,\n http://h/{name}?{release}  file:///x%20y/{name}").unwrap(),
        [
            http(&format!("https://h:1/a/15.2.124.1-1/{name}"), Some("u:p@ss")),
            http(&format!("http://h/{name}?15.2.124.1-1"), None),
            Source::File(format!("/x y/{name}").into()),
        ]
    );
    for mirror in [
        "ftp://secret@h",
        "https://",
        "https:///x",
        "https://secret@/x",
        "https://secret:%zz@h/x",
        "https://h/{secret}",
        "/secret",
        ",",
        "https://ok/x secret",
        "https://sécret/x",
        "file:///%ffsecret/x",
        "file:///secret%00",
    ] {
        let error = of(mirror).unwrap_err();
        assert!(error.starts_with("LIBV8_MIRROR") && !error.contains("secret"), "{mirror}: {error}");
    }
}

#[test]
fn the_story_says_what_was_wanted_every_place_and_the_ways_out() {
    let case = Case::new();
    let absent = Server::new(|_, out| answer(out, "404 Not Found", &[], b""));
    let Err(Failure::Nowhere(tried)) = case.obtain(&absent.url()) else { panic!("it is not there") };
    let report = |_: &crate::step::Step| {};
    let out_dir = case.work.path.join("out");
    let story = pinned::Pinned {
        pin: &case.pin,
        release: &case.release,
        sources: Vec::new(),
        http: crate::fetch::Http::Off(""),
        cache: Some("/c".into()),
        out_dir: &out_dir,
        report: &report,
    }
    .story(&tried);
    let name = case.pin.name.to_string();
    assert_eq!(
        story,
        format!(
            "no archive of V8 to link: wanted is {name} of release 15.2.124.1-1, {} bytes, sha256 {}\n\
             /c: it is not in this cache\n\
             {}/15.2.124.1-1/{name}: HTTP 404: it has no such file\n\
             help: check the address; a mirror may not have this release yet: compare with its index.html\n\
             help: get {name} in any way and set LIBV8_ARCHIVE to it (absolute path), or LIBV8_MIRROR to where it can be fetched",
            case.pin.size_bytes,
            case.pin.sha256,
            absent.url()
        )
    );
}

#[test]
fn a_machine_without_a_network_may_check_and_a_named_mirror_must_work() {
    let tried = |kind| Tried { place: "x".into(), why: "y".into(), kind };
    let check = |kinds: &[TriedKind], has_mirror, expected| {
        let tried: Vec<Tried> = kinds.iter().map(|kind| tried(*kind)).collect();
        assert_eq!(is_soft(&tried, has_mirror), expected, "{kinds:?} {has_mirror}");
    };
    check(&[TriedKind::NotAsked], true, true);
    check(&[TriedKind::NotAsked, TriedKind::Unreachable], false, true);
    check(&[TriedKind::Unreachable], true, false);
    check(&[TriedKind::Unreachable, TriedKind::Failed], false, false);

    let mut case = Case::new();
    case.release.origin = format!("{}/{{name}}", nobody());
    let Err(Failure::Nowhere(tried)) = case.obtain_with(None, Some(case.cache())) else {
        panic!("nobody is there")
    };
    assert_eq!(tried[0].kind, TriedKind::Unreachable, "{tried:?}");
    assert!(tried[0].why.starts_with("no connection: "), "{tried:?}");
}

#[test]
fn what_the_lock_lacks_is_said_with_what_it_has() {
    let case = Case::new();
    let name = |text: &str| format!("libv8-15.2.124.1-{text}.tar.zst").parse().unwrap();
    let lock = case.lock();
    assert_eq!(pinned::pin(&lock, &case.pin.name), Ok((&case.release, &case.pin)));
    let error = pinned::pin(&lock, &name("x86_64-unknown-linux-gnu-lite")).unwrap_err();
    assert_eq!(
        error,
        "release 15.2.124.1-1 has no libv8-15.2.124.1-x86_64-unknown-linux-gnu-lite; \
         for this target it has release\nhelp: LIBV8_VARIANT=release"
    );
    let error = pinned::pin(&lock, &name("a-b-release")).unwrap_err();
    assert!(error.ends_with("it has nothing for a-b"), "{error}");
    assert!(pinned::pin(&Lock::empty("15.2.124.1"), &case.pin.name).is_err());
}
