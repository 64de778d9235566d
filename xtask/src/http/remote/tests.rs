//! Faults of servers, played by one on loopback.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::*;

/// A server that answers the nth connection by the nth script, and the last one for ever; what was asked is kept.
struct Server {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn new(scripts: Vec<Vec<u8>>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&asked);
        std::thread::spawn(move || {
            let mut at = 0;
            for stream in listener.incoming() {
                let mut stream: TcpStream = stream.unwrap();
                let mut head = String::new();
                for line in BufReader::new(stream.try_clone().unwrap()).lines() {
                    let line = line.unwrap_or_default();
                    if line.is_empty() {
                        break;
                    }
                    head.push_str(&line.to_ascii_lowercase());
                    head.push('\n');
                }
                heard.lock().unwrap().push(head);
                // The client may have gone; that is its own test's matter.
                let _ = stream.write_all(&scripts[at]);
                at = (at + 1).min(scripts.len() - 1);
            }
        });
        Server { address, asked }
    }

    /// The `Range` of each request.
    fn ranges(&self) -> Vec<Option<String>> {
        let asked = self.asked.lock().unwrap();
        let range =
            |head: &String| Some(head.lines().find_map(|line| line.strip_prefix("range: "))?.to_owned());
        asked.iter().map(range).collect()
    }
}

fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}\r\n").into_bytes();
    text.extend(body);
    text
}

fn whole(body: &[u8]) -> Vec<u8> {
    answer("200 OK", &format!("Content-Length: {}\r\n", body.len()), body)
}

struct Outcome {
    result: Result<()>,
    file: Vec<u8>,
    ranges: Vec<Option<String>>,
}

/// Fetches ten bytes from such a server, with these bytes in the partial file.
fn get(partial: &[u8], scripts: Vec<Vec<u8>>) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("file");
    fs::write(&to, partial).unwrap();
    let server = Server::new(scripts);
    let url = format!("{}/file", server.address);
    let result = fetch(&Request { url: &url, to: &to, max_bytes: 10, is_exact: true });
    Outcome { result, file: fs::read(&to).unwrap_or_default(), ranges: server.ranges() }
}

fn error(outcome: &Outcome) -> String {
    outcome.result.as_ref().unwrap_err().to_string()
}

const BODY: &[u8] = b"0123456789";

#[test]
fn a_whole_file_is_fetched_at_once() {
    let outcome = get(b"", vec![whole(BODY)]);
    outcome.result.unwrap();
    assert_eq!((outcome.file.as_slice(), outcome.ranges), (BODY, vec![None]));
}

#[test]
fn f01_f08_a_broken_body_is_gone_on_with() {
    let first = answer("200 OK", "Content-Length: 10\r\n", b"0123");
    let rest =
        answer("206 Partial Content", "Content-Length: 6\r\nContent-Range: bytes 4-9/10\r\n", b"456789");
    let outcome = get(b"", vec![first, rest]);
    outcome.result.unwrap();
    assert_eq!(outcome.file, BODY);
    assert_eq!(outcome.ranges, [None, Some("bytes=4-".to_owned())]);
}

#[test]
fn f02_a_chunked_body_that_ends_early_is_gone_on_with() {
    let first = answer("200 OK", "Transfer-Encoding: chunked\r\n", b"4\r\n0123\r\n");
    let rest =
        answer("206 Partial Content", "Content-Length: 6\r\nContent-Range: bytes 4-9/10\r\n", b"456789");
    let outcome = get(b"", vec![first, rest]);
    outcome.result.unwrap();
    assert_eq!(outcome.file, BODY);
}

#[test]
fn f03_endless_data_is_cut() {
    let outcome = get(b"", vec![answer("200 OK", "", &[b'x'; 1 << 20])]);
    assert!(error(&outcome).contains("sends more than 10 bytes"), "{}", error(&outcome));
    assert!(outcome.file.len() <= 10, "{}", outcome.file.len());
}

#[test]
fn f06_each_status_has_its_sentence() {
    let check = |status: &str, expected: &str, times: usize| {
        let outcome = get(b"", vec![answer(status, "Retry-After: 0\r\nContent-Length: 0\r\n", b"")]);
        let text = error(&outcome);
        assert!(text.contains(expected), "{status}: {text}");
        assert_eq!(outcome.ranges.len(), times, "{status}");
        assert!(outcome.file.is_empty(), "{status}");
    };
    check("404 Not Found", "the server does not have it", 1);
    check("410 Gone", "the server does not have it", 1);
    check("403 Forbidden", "the server does not let us", 1);
    check("418 I'm a teapot", "not the file that was asked for", 1);
}

#[test]
fn f06_a_busy_server_is_asked_again() {
    let busy = answer("503 Service Unavailable", "Retry-After: 0\r\nContent-Length: 0\r\n", b"");
    let outcome = get(b"", vec![busy, whole(BODY)]);
    outcome.result.unwrap();
    assert_eq!((outcome.file.as_slice(), outcome.ranges.len()), (BODY, 2));
}

#[test]
fn f09_a_server_without_ranges_is_not_appended() {
    let outcome = get(b"0123", vec![whole(BODY)]);
    outcome.result.unwrap();
    assert_eq!(outcome.file, BODY);
    assert_eq!(outcome.ranges, [Some("bytes=4-".to_owned())]);
}

#[test]
fn f10_f11_another_part_than_asked_for_starts_over() {
    let wrong =
        answer("206 Partial Content", "Content-Length: 4\r\nContent-Range: bytes 0-3/10\r\n", b"0123");
    let refused = answer("416 Range Not Satisfiable", "Content-Length: 0\r\n", b"");
    for first in [wrong, refused] {
        let outcome = get(b"0123", vec![first, whole(BODY)]);
        outcome.result.unwrap();
        assert_eq!(outcome.file, BODY);
        assert_eq!(outcome.ranges, [Some("bytes=4-".to_owned()), None]);
    }
}

#[test]
fn f13_a_partial_file_that_is_too_long_is_thrown_away() {
    let outcome = get(&[b'x'; 11], vec![whole(BODY)]);
    outcome.result.unwrap();
    assert_eq!((outcome.file.as_slice(), outcome.ranges), (BODY, vec![None]));
}

#[test]
fn f15_a_loop_of_redirects_ends() {
    let outcome = get(b"", vec![answer("302 Found", "Location: /again\r\nContent-Length: 0\r\n", b"")]);
    assert!(error(&outcome).contains("too many redirects"), "{}", error(&outcome));
}
