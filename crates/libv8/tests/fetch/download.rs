//! F01 to F07, F14, F15: servers that do it wrong.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::case::Case;
use crate::server::{End, Server, answer, whole};

/// A server whose first answers are of `rude`, and all others right.
pub fn first(
    times: usize,
    case: &Case,
    rude: impl Fn(&crate::server::Request, &[u8], &mut dyn std::io::Write) -> End + Send + Sync + 'static,
) -> Server {
    let bytes = case.bytes.clone();
    Server::new(
        move |request, out| {
            if request.number < times { rude(request, &bytes, out) } else { whole(request, &bytes, out) }
        },
    )
}

#[test]
fn a_right_server_gives_the_archive_once() {
    let case = Case::new();
    let server = Server::of(case.bytes.clone());
    let first = case.must(&server.url());
    assert_eq!(case.must(&server.url()), first);
    let requests = server.requests();
    assert_eq!(requests.len(), 1, "the second time it is in the cache");
    assert_eq!(requests[0].path, format!("/mirror/15.2.124.1-1/{}", case.pin.name));
    assert_eq!(requests[0].header("accept-encoding"), Some("identity"));
    assert_eq!(requests[0].header("authorization"), None);
    let mut names: Vec<String> = fs::read_dir(case.cache())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let stem = format!("{}-{}", case.pin.name.stem(), &case.pin.sha256.to_string()[..16]);
    assert_eq!(names, [stem.clone(), format!("{stem}.lock"), format!("{stem}.tar.zst")]);
}

#[test]
fn f01_a_truncated_body_under_a_right_length_is_gone_on_with() {
    let case = Case::new();
    let server = first(1, &case, |_, bytes, out| {
        answer(
            out,
            "200 OK",
            &[("Content-Length", &bytes.len().to_string()), ("ETag", "\"x\"")],
            &bytes[..300_000],
        )
    });
    case.must(&server.url());
    let requests = server.requests();
    assert_eq!((requests.len(), requests[1].from()), (2, Some(300_000)));

    // For ever: an error that says how far it came, and what came is kept.
    let case = Case::new();
    let server = Server::new({
        let bytes = case.bytes.clone();
        move |request, out| {
            let from = request.from().unwrap_or(0);
            let range = format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len());
            let length = (bytes.len() - from).to_string();
            let status = if from == 0 { "200 OK" } else { "206 Partial Content" };
            answer(
                out,
                status,
                &[("Content-Length", &length), ("Content-Range", &range)],
                &bytes[from..][..10],
            )
        }
    });
    let why = case.misses(&server.url());
    assert!(why.contains(&format!("broke off after 30 of {} bytes", case.bytes.len())), "{why}");
    assert!(why.contains("(3 requests)"), "{why}");
    assert_eq!(fs::read(case.slot().partial()).unwrap(), case.bytes[..30]);
}

#[test]
fn f02_a_truncated_chunked_body_is_gone_on_with() {
    let case = Case::new();
    let server = first(1, &case, |_, bytes, out| {
        let mut body = format!("{:x}\r\n", 200_000).into_bytes();
        body.extend_from_slice(&bytes[..200_000]);
        body.extend_from_slice(b"\r\n8000\r\n123");
        answer(out, "200 OK", &[("Transfer-Encoding", "chunked")], &body)
    });
    case.must(&server.url());
    assert!(case.said().contains("the answer broke off after 200003 of"), "{}", case.said());

    // One that ends in order, and too early, is another file.
    let case = Case::new();
    let server = Server::new(|_, out| {
        answer(out, "200 OK", &[("Transfer-Encoding", "chunked")], b"3\r\nabc\r\n0\r\n\r\n")
    });
    let why = case.stops(&server.url());
    assert!(why.contains("not the file that was pinned: it ends after 3 bytes, pinned are"), "{why}");
}

#[test]
fn f03_endless_data_is_cut_at_the_pinned_size() {
    let case = Case::new();
    let cut = Arc::new(AtomicBool::new(false));
    let server = Server::new({
        let (cut, bytes) = (Arc::clone(&cut), case.bytes.clone());
        move |_, out| {
            answer(out, "200 OK", &[], &bytes);
            // 2 GiB and not the disk's end.
            for _ in 0..32_768 {
                if out.write_all(&[0; 65_536]).is_err() {
                    cut.store(true, Ordering::SeqCst);
                    break;
                }
            }
            End::Close
        }
    });
    let why = case.stops(&server.url());
    assert!(why.contains(&format!("it sends more than the pinned {} bytes", case.bytes.len())), "{why}");
    let start = Instant::now();
    while !cut.load(Ordering::SeqCst) {
        assert!(start.elapsed() < Duration::from_secs(10), "we hung up");
        thread::yield_now();
    }
}

#[test]
fn f04_wrong_bytes_of_the_right_length_are_refused() {
    for at in [0, 100_000, usize::MAX] {
        let case = Case::new();
        let mut bytes = case.bytes.clone();
        let at = at.min(bytes.len() - 1);
        bytes[at] ^= 1;
        let server = Server::of(bytes);
        let why = case.stops(&server.url());
        assert!(why.contains("it has sha256 ") && why.contains(&case.pin.sha256.to_string()), "{why}");
        assert!(why.contains(&server.url()) && why.contains("\nhelp: do not use it"), "{why}");
        assert_eq!(server.requests().len(), 1, "it is not asked for the same bytes again");
    }
}

#[test]
fn f05_a_page_in_place_of_the_archive_is_called_one() {
    for headers in [vec![("Content-Length", "20")], vec![]] {
        let case = Case::new();
        let server = Server::new(move |_, out| {
            let mut headers = headers.clone();
            headers.push(("Content-Type", "text/html; charset=utf-8"));
            answer(out, "200 OK", &headers, b"<html>sign in</html>")
        });
        let why = case.stops(&server.url());
        assert!(why.contains("it is a page for people, not the archive of"), "{why}");
    }
}

#[test]
fn f06_each_status_has_a_sentence_and_a_remedy() {
    let check = |status: &'static str, sentence: &str, requests: usize| {
        let case = Case::new();
        let server = Server::new(move |_, out| answer(out, status, &[("Content-Length", "0")], b""));
        let why = case.misses(&server.url());
        assert!(why.contains(&format!("HTTP {}: {sentence}", &status[..3])), "{why}");
        assert!(why.contains("\nhelp: "), "{why}");
        assert_eq!(server.requests().len(), requests, "{status}");
    };
    check("401 Unauthorized", "it wants a user and a password", 1);
    check("403 Forbidden", "it forbids this", 1);
    check("404 Not Found", "it has no such file", 1);
    check("407 Proxy Authentication Required", "a proxy wants a user", 1);
    check("410 Gone", "the file was taken away for good", 1);
    check("418 I'm a teapot", "this is no answer to a request for a file", 1);
    check("429 Too Many Requests", "too many requests", 3);
    check("500 Internal Server Error", "it has a fault of its own (internal error)", 3);
    check("502 Bad Gateway", "the server behind it gave it a bad answer", 3);
    check("503 Service Unavailable", "it is overloaded or being maintained", 3);
    check("504 Gateway Timeout", "the server behind it does not answer", 3);
}

#[test]
fn f06_retry_after_is_honoured_within_a_bound() {
    let case = Case::new();
    let busy = |_: &crate::server::Request, _: &[u8], out: &mut dyn std::io::Write| {
        answer(out, "503 Service Unavailable", &[("Content-Length", "0"), ("Retry-After", "1")], b"")
    };
    let server = first(1, &case, busy);
    let start = Instant::now();
    case.must(&server.url());
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert!(case.said().contains("again in 1000 ms"), "{}", case.said());

    let case = Case::new();
    let server = Server::new(|_, out| {
        answer(out, "429 Too Many Requests", &[("Content-Length", "0"), ("Retry-After", "86400")], b"")
    });
    let why = case.misses(&server.url());
    assert!(why.contains("it asks to wait 86400 s"), "{why}");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn f07_a_stall_is_left_and_gone_on_with() {
    let mut case = Case::new();
    case.patience.stall = Duration::from_millis(300);
    let server = first(1, &case, |_, bytes, out| {
        answer(out, "200 OK", &[("Content-Length", &bytes.len().to_string())], &bytes[..300_000]);
        thread::sleep(Duration::from_secs(3));
        End::Close
    });
    let start = Instant::now();
    case.must(&server.url());
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert_eq!(server.requests()[1].from(), Some(300_000));

    // Also one that never begins to answer.
    let server = Server::new(|_, _| {
        thread::sleep(Duration::from_secs(3));
        End::Close
    });
    let mut case = Case::new();
    case.patience.stall = Duration::from_millis(100);
    let why = case.misses(&server.url());
    assert!(why.contains("no answer in time (3 requests)"), "{why}");
}

#[test]
fn f07_a_slow_drip_is_left() {
    let mut case = Case::new();
    case.patience.window = Duration::from_millis(200);
    case.patience.least_bytes = 20_000;
    let server = Server::new({
        let bytes = case.bytes.clone();
        move |_, out| {
            answer(out, "200 OK", &[("Content-Length", &bytes.len().to_string())], b"");
            for piece in bytes.chunks(100) {
                if out.write_all(piece).and_then(|()| out.flush()).is_err() {
                    break;
                }
                thread::sleep(Duration::from_millis(20));
            }
            End::Close
        }
    });
    let why = case.misses(&server.url());
    assert!(why.contains("only ") && why.contains(" bytes in 0."), "{why}");
}

#[test]
fn f14_a_proxy_that_packs_is_refused() {
    let case = Case::new();
    let server = first(9, &case, |_, bytes, out| {
        answer(
            out,
            "200 OK",
            &[("Content-Length", &bytes.len().to_string()), ("Content-Encoding", "gzip")],
            bytes,
        )
    });
    let why = case.misses(&server.url());
    assert!(why.contains("packs what it sends (gzip), though asked not to"), "{why}");
    assert_eq!(server.requests().len(), 1);
    // A word for nothing is none.
    let server = first(9, &case, |_, bytes, out| {
        answer(
            out,
            "200 OK",
            &[("Content-Length", &bytes.len().to_string()), ("Content-Encoding", "identity")],
            bytes,
        )
    });
    case.must(&server.url());
}

#[test]
fn f15_redirects_are_followed_to_other_hosts_without_credentials_and_not_for_ever() {
    let case = Case::new();
    let other = Server::of(case.bytes.clone());
    let target = format!("http://localhost:{}/there", other.port);
    let server = Server::new(move |request, out| {
        assert_eq!(request.header("authorization"), Some("Basic bWU6cMOkc3M="), "me:päss");
        match request.number {
            0 => answer(out, "302 Found", &[("Location", "../x/y?z=1"), ("Content-Length", "0")], b""),
            1 => answer(out, "307 Temporary Redirect", &[("Location", "/absolute")], b""),
            _ => answer(out, "301 Moved Permanently", &[("Location", &target)], b""),
        }
    });
    case.must(&server.url().replace("http://", "http://me:p%C3%A4ss@"));
    let paths: Vec<String> = server.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(paths[1..], ["/mirror/15.2.124.1-1/../x/y?z=1", "/absolute"]);
    let requests = other.requests();
    assert_eq!((requests[0].path.as_str(), requests[0].header("authorization")), ("/there", None));
    assert!(!case.said().contains("päss"), "{}", case.said());

    let case = Case::new();
    let server = Server::new(|_, out| answer(out, "302 Found", &[("Location", "/again")], b""));
    let why = case.misses(&server.url());
    assert!(why.contains("redirected more than 5 times, the last time to http://127.0.0.1"), "{why}");
    assert_eq!(server.requests().len(), 6);

    for (location, expected) in
        [("", "a redirect without"), ("ftp://h/x", "redirected to 'ftp://h/x', which is no URL")]
    {
        let case = Case::new();
        let server = Server::new(move |_, out| {
            let headers = [("Location", location)];
            answer(out, "302 Found", &headers[..usize::from(!location.is_empty())], b"")
        });
        let why = case.misses(&server.url());
        assert!(why.contains(expected), "{why}");
    }
}
