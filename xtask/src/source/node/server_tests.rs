//! A release that comes over HTTP, from a server on loopback that plays nodejs.org.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::tests::{all_files, asked, quiet, tarball};
use super::*;
use crate::source::sha256;

const SUMS: &str = "/dist/v24.1.2/SHASUMS256.txt";
const TARBALL: &str = "/dist/v24.1.2/node-v24.1.2.tar.xz";

/// What a server has, and what it was asked for: path, and `Range` if there was one.
struct Server {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// `cut_at`: the first answer with the tarball ends there, as if the connection broke.
    fn new(list: String, bytes: Vec<u8>, cut_at: Option<usize>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/dist", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&asked);
        std::thread::spawn(move || {
            let mut cut_at = cut_at;
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Some((path, from)) = request(&stream) else { continue };
                heard.lock().unwrap().push(from.map_or(path.clone(), |from| format!("{path} from {from}")));
                let body: &[u8] = match path.as_str() {
                    SUMS => list.as_bytes(),
                    TARBALL => &bytes,
                    _ => {
                        let _ = stream.write_all(
                            b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                        );
                        continue;
                    }
                };
                let (status, range, rest) = match from {
                    Some(from) => (
                        "206 Partial Content",
                        format!("Content-Range: bytes {from}-{}/{}\r\n", body.len() - 1, body.len()),
                        &body[from..],
                    ),
                    None => ("200 OK", String::new(), body),
                };
                let head = format!(
                    "HTTP/1.1 {status}\r\n{range}ETag: \"a\"\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    rest.len()
                );
                let end = if path == TARBALL { cut_at.take().unwrap_or(rest.len()) } else { rest.len() };
                // The client may have gone; that is its own test's matter.
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&rest[..end]));
            }
        });
        Server { url, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// Path and first byte of a request.
fn request(stream: &TcpStream) -> Option<(String, Option<usize>)> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let path = lines.next()?.ok()?.split_whitespace().nth(1)?.to_owned();
    let mut from = None;
    for line in lines.map_while(|line| line.ok()).take_while(|line| !line.is_empty()) {
        if let Some(range) = line.to_ascii_lowercase().strip_prefix("range: bytes=") {
            from = range.trim_end_matches('-').parse().ok();
        }
    }
    Some((path, from))
}

fn list(digest: &str) -> String {
    format!("{}  node-v24.1.2.tar.gz\n{digest}  node-v24.1.2.tar.xz\n", "a".repeat(64))
}

#[test]
fn a_release_is_fetched_once_and_its_list_asked_once() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = tarball(all_files());
    let server = Server::new(list(&sha256(&bytes)), bytes, None);
    let asked = Asked { url: server.url.clone(), ..asked(folder.path()) };
    let first = look(&asked, &quiet).unwrap();
    assert_eq!(look(&asked, &quiet).unwrap(), first);
    assert_eq!(server.asked(), [SUMS, TARBALL]);
}

#[test]
fn f08_a_tarball_whose_connection_broke_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = tarball(all_files());
    let server = Server::new(list(&sha256(&bytes)), bytes, Some(100));
    let asked = Asked { url: server.url.clone(), ..asked(folder.path()) };
    look(&asked, &quiet).unwrap();
    assert_eq!(server.asked(), [SUMS.to_owned(), TARBALL.to_owned(), format!("{TARBALL} from 100")]);
}

#[test]
fn f05_a_page_in_place_of_the_list_names_no_digest() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::new("<html>sign in</html>\n".to_owned(), Vec::new(), None);
    let asked = Asked { url: server.url.clone(), ..asked(folder.path()) };
    let error = look(&asked, &quiet).unwrap_err().to_string();
    assert!(error.contains("SHASUMS256.txt names no node-v24.1.2.tar.xz"), "{error}");
    assert_eq!(server.asked(), [SUMS], "nothing is fetched that could not be checked");
}

#[test]
fn f06_a_version_that_does_not_exist_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::new(String::new(), Vec::new(), None);
    let asked = Asked { url: server.url.clone(), version: "99.0.0".to_owned(), ..asked(folder.path()) };
    let error = look(&asked, &quiet).unwrap_err().to_string();
    assert!(error.contains("404"), "{error}");
}
