//! F08 to F13: gone on with, or started over.

use std::fs;
use std::thread;
use std::time::Duration;

use crate::case::Case;
use crate::download::first;
use crate::fetch::Failure;
use crate::places::file_url;
use crate::server::{End, Server, answer, whole};

#[test]
fn f08_a_reset_in_the_middle_is_resumed() {
    let case = Case::new();
    let server = first(1, &case, |_, bytes, out| {
        answer(
            out,
            "200 OK",
            &[("Content-Length", &bytes.len().to_string()), ("ETag", &format!("\"{}\"", bytes.len()))],
            &bytes[..400_000],
        );
        thread::sleep(Duration::from_millis(300));
        End::Reset
    });
    case.must(&server.url());
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[1].from(), Some(400_000), "{}", case.said());
    assert_eq!(requests[1].header("if-range"), Some(format!("\"{}\"", case.bytes.len()).as_str()));
}

#[test]
fn f09_a_server_that_ignores_the_range_starts_over() {
    let case = Case::new();
    let bytes = case.bytes.clone();
    let server = Server::new(move |request, out| {
        let body = if request.number == 0 { &bytes[..300_000] } else { &bytes[..] };
        answer(out, "200 OK", &[("Content-Length", &bytes.len().to_string())], body)
    });
    case.must(&server.url());
    assert_eq!(server.requests()[1].from(), Some(300_000));
}

#[test]
fn f09_what_has_come_outlives_an_answer_that_is_another_file() {
    // A network that wants a sign-in, a mirror with another file, a proxy that packs: in the middle of the archive.
    for (headers, stops) in [
        (vec![("Content-Length", "20"), ("Content-Type", "text/html")], true),
        (vec![("Content-Length", "20")], true),
        (vec![("Content-Encoding", "gzip")], false),
    ] {
        let case = Case::new();
        let server = first(9, &case, move |request, bytes, out| match request.number {
            0 => answer(out, "200 OK", &[("Content-Length", &bytes.len().to_string())], &bytes[..400_000]),
            _ => answer(out, "200 OK", &headers, b"<html>sign in</html>"),
        });
        let failure = case.obtain(&server.url()).unwrap_err();
        assert_eq!(matches!(failure, Failure::Stop(_)), stops, "{failure:?}");
        assert_eq!(fs::read(case.slot().partial()).unwrap(), case.bytes[..400_000]);
        let right = Server::of(case.bytes.clone());
        case.must(&right.url());
        assert_eq!(right.requests()[0].from(), Some(400_000));
    }
    // A folder in the place of a mirror, with a file of another length.
    let case = Case::new();
    let folder = case.work.path.join("mirror").join(&case.release.name);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(case.pin.name.to_string()), b"short").unwrap();
    fs::create_dir(case.cache()).unwrap();
    fs::write(case.slot().partial(), &case.bytes[..1000]).unwrap();
    let mirror = file_url(case.work.path.join("mirror").to_str().unwrap());
    assert!(matches!(case.obtain(&mirror), Err(Failure::Stop(_))));
    assert_eq!(fs::read(case.slot().partial()).unwrap(), case.bytes[..1000]);
}

#[test]
fn f10_a_wrong_content_range_starts_over() {
    for range in [
        "bytes 0-{last}/{size}",
        "bytes 299999-{last}/{size}",
        "bytes 300000-300001/{size}",
        "bytes 300000-18446744073709551615/*",
        "chunks 1",
        "",
    ] {
        let case = Case::new();
        let bytes = case.bytes.clone();
        let (size, last) = (bytes.len(), bytes.len() - 1);
        let range = range.replace("{last}", &last.to_string()).replace("{size}", &size.to_string());
        let server = Server::new(move |request, out| match request.number {
            0 => answer(out, "200 OK", &[("Content-Length", &size.to_string())], &bytes[..300_000]),
            1 => answer(out, "206 Partial Content", &[("Content-Range", &range)], &bytes[300_000..]),
            _ => whole(request, &bytes, out),
        });
        case.must(&server.url());
        let requests = server.requests();
        assert_eq!((requests.len(), requests[1].from(), requests[2].from()), (3, Some(300_000), None));
        assert!(
            case.said().contains("asked for bytes from 300000 on, it answered with the range"),
            "{}",
            case.said()
        );
    }
}

#[test]
fn f11_a_complete_partial_file_needs_no_request_and_416_starts_over() {
    let case = Case::new();
    let server = Server::of(case.bytes.clone());
    fs::create_dir(case.cache()).unwrap();
    fs::write(case.slot().partial(), &case.bytes).unwrap();
    case.must(&server.url());
    assert_eq!(server.requests().len(), 0);

    let case = Case::new();
    let server = first(1, &case, |_, bytes, out| {
        let range = format!("bytes */{}", bytes.len());
        answer(out, "416 Range Not Satisfiable", &[("Content-Length", "0"), ("Content-Range", &range)], b"")
    });
    fs::create_dir(case.cache()).unwrap();
    fs::write(case.slot().partial(), &case.bytes[..case.bytes.len() - 1]).unwrap();
    case.must(&server.url());
    let requests = server.requests();
    assert_eq!((requests.len(), requests[1].from()), (2, None));
}

#[test]
fn f12_a_file_that_changed_between_attempts_starts_over() {
    let case = Case::new();
    // The first half is of another file of the same length, whose mark says so.
    let server = first(1, &case, |_, bytes, out| {
        let other: Vec<u8> = bytes.iter().map(|byte| !byte).collect();
        let headers = [("Content-Length", &*bytes.len().to_string()), ("ETag", "\"old\"")];
        answer(out, "200 OK", &headers, &other[..400_000])
    });
    case.must(&server.url());
    let requests = server.requests();
    assert_eq!((requests.len(), requests[1].header("if-range")), (2, Some("\"old\"")));

    // Without marks the digest finds it, and one whole answer decides.
    let case = Case::new();
    let bytes = case.bytes.clone();
    let server = Server::new(move |request, out| {
        let (size, from) = (bytes.len(), request.from().unwrap_or(0));
        let other: Vec<u8> = bytes.iter().map(|byte| !byte).collect();
        let range = format!("bytes {from}-{}/{size}", size - 1);
        match (request.number, from) {
            (0, _) => answer(out, "200 OK", &[("Content-Length", &size.to_string())], &other[..400_000]),
            (_, 0) => whole(request, &bytes, out),
            _ => answer(out, "206 Partial Content", &[("Content-Range", &range)], &bytes[from..]),
        }
    });
    case.must(&server.url());
    assert_eq!(server.requests().len(), 3);
    assert!(case.said().contains("put together from several answers it has sha256"), "{}", case.said());
}

#[test]
fn f13_a_corrupt_partial_file_is_found_and_fetched_once_more() {
    for length in [400_000, usize::MAX] {
        let case = Case::new();
        let server = Server::of(case.bytes.clone());
        let mut corrupt = case.bytes[..length.min(case.bytes.len())].to_vec();
        corrupt[1000] ^= 1;
        fs::create_dir(case.cache()).unwrap();
        fs::write(case.slot().partial(), &corrupt).unwrap();
        case.must(&server.url());
        let last = server.requests().pop().unwrap();
        assert_eq!(last.from(), None, "from the start");
    }
    // Longer than the archive: no beginning of it.
    let case = Case::new();
    let server = Server::of(case.bytes.clone());
    fs::create_dir(case.cache()).unwrap();
    fs::write(case.slot().partial(), [case.bytes.as_slice(), b"x"].concat()).unwrap();
    case.must(&server.url());
    assert_eq!((server.requests().len(), server.requests()[0].from()), (1, None));

    // Once: a server that gives wrong bytes is not given a third chance.
    let case = Case::new();
    let mut bytes = case.bytes.clone();
    bytes[5] ^= 1;
    let server = Server::of(bytes);
    fs::create_dir(case.cache()).unwrap();
    fs::write(case.slot().partial(), &case.bytes[..400_000]).unwrap();
    assert!(case.obtain(&server.url()).is_ok(), "the rest was right");
    fs::remove_dir_all(case.cache()).unwrap();
    fs::create_dir(case.cache()).unwrap();
    fs::write(case.slot().partial(), b"123").unwrap();
    let why = case.stops(&server.url());
    assert!(why.contains("it has sha256"), "{why}");
    assert_eq!(server.requests().len(), 3);
}
