//! A server on loopback that does what a test tells it, rude things included: a thread for each connection, one request on
//! each, plain or with TLS.

#![allow(dead_code, reason = "each test program uses its part")]

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What a client asked.
#[derive(Debug, Clone)]
pub struct Request {
    /// From 0, in the order of arrival.
    pub number: usize,
    pub path: String,
    headers: Vec<(String, String)>,
}

impl Request {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The first byte that is asked for.
    pub fn from(&self) -> Option<usize> {
        self.header("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }
}

/// How a connection ends.
pub enum End {
    /// In order.
    Close,
    /// With RST: plain connections only.
    Reset,
}

type Handler = dyn Fn(&Request, &mut dyn Write) -> End + Send + Sync;

pub struct Server {
    pub port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
    connections: Arc<AtomicUsize>,
}

impl Server {
    /// Answers each request by `handler`.
    pub fn new(handler: impl Fn(&Request, &mut dyn Write) -> End + Send + Sync + 'static) -> Server {
        Server::start(None, Arc::new(handler))
    }

    /// The same over TLS.
    pub fn tls(
        config: Arc<ServerConfig>,
        handler: impl Fn(&Request, &mut dyn Write) -> End + Send + Sync + 'static,
    ) -> Server {
        Server::start(Some(config), Arc::new(handler))
    }

    /// Gives `file` as servers of files do: ranges, and an ETag that is its length.
    pub fn of(file: Vec<u8>) -> Server {
        Server::new(move |request, out| whole(request, &file, out))
    }

    fn start(tls: Option<Arc<ServerConfig>>, handler: Arc<Handler>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(AtomicUsize::new(0));
        let (seen, count) = (Arc::clone(&requests), Arc::clone(&connections));
        // It ends with the test program.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                count.fetch_add(1, Ordering::SeqCst);
                let (tls, handler, seen) = (tls.clone(), Arc::clone(&handler), Arc::clone(&seen));
                thread::spawn(move || match tls {
                    None => plain(stream, &*handler, &seen),
                    Some(config) => encrypted(stream, config, &*handler, &seen),
                });
            }
        });
        Server { port, requests, connections }
    }

    /// A mirror's URL.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mirror", self.port)
    }

    /// What was asked so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// How many connections were accepted, with or without a request.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// The last byte of the request is left unread until the end: a socket that is closed with unread bytes resets.
fn plain(mut stream: TcpStream, handler: &Handler, seen: &Mutex<Vec<Request>>) {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut head = vec![0; 16 << 10];
    let length = loop {
        let Ok(count) = stream.peek(&mut head) else { return };
        if count == 0 {
            return;
        }
        if let Some(at) = find_end(&head[..count]) {
            break at;
        }
        thread::sleep(Duration::from_millis(1));
    };
    head.truncate(length);
    if stream.read_exact(&mut vec![0; length - 1]).is_err() {
        return;
    }
    let end = handle(&head, &mut stream, handler, seen);
    if let End::Close = end {
        let _ = stream.read(&mut [0]);
        let _ = stream.shutdown(Shutdown::Write);
        // Until the client has read it all: closing earlier could reset.
        let _ = stream.read(&mut [0]);
    }
}

fn encrypted(stream: TcpStream, config: Arc<ServerConfig>, handler: &Handler, seen: &Mutex<Vec<Request>>) {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
    let mut head = Vec::new();
    while find_end(&head).is_none() {
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk) {
            Ok(count) if count > 0 => head.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // A client that does not trust us.
            _ => return,
        }
    }
    let _ = handle(&head, &mut stream, handler, seen);
    stream.conn.send_close_notify();
    let _ = stream.flush();
    let _ = stream.sock.shutdown(Shutdown::Write);
    let _ = stream.sock.read(&mut [0]);
}

fn find_end(head: &[u8]) -> Option<usize> {
    head.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

fn handle(head: &[u8], out: &mut dyn Write, handler: &Handler, seen: &Mutex<Vec<Request>>) -> End {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.lines();
    let path = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let mut seen = seen.lock().unwrap();
    let request = Request { number: seen.len(), path, headers };
    seen.push(request.clone());
    drop(seen);
    handler(&request, out)
}

/// An answer with a status line, headers, and a body as it is.
pub fn answer(out: &mut dyn Write, status: &str, headers: &[(&str, &str)], body: &[u8]) -> End {
    let mut head = format!("HTTP/1.1 {status}\r\n");
    for (key, value) in headers {
        head += &format!("{key}: {value}\r\n");
    }
    head += "Connection: close\r\n\r\n";
    // A client that hangs up is part of many tests.
    let _ = out.write_all(head.as_bytes()).and_then(|()| out.write_all(body)).and_then(|()| out.flush());
    End::Close
}

/// As servers of files answer.
pub fn whole(request: &Request, file: &[u8], out: &mut dyn Write) -> End {
    let mark = format!("\"{}\"", file.len());
    let fits = request.header("if-range").is_none_or(|wanted| wanted == mark);
    match request.from().filter(|_| fits) {
        Some(from) if from >= file.len() => {
            let range = format!("bytes */{}", file.len());
            answer(
                out,
                "416 Range Not Satisfiable",
                &[("Content-Range", &range), ("Content-Length", "0")],
                b"",
            )
        }
        Some(from) => {
            let range = format!("bytes {from}-{}/{}", file.len() - 1, file.len());
            let length = (file.len() - from).to_string();
            let headers = [("Content-Range", range.as_str()), ("Content-Length", &length), ("ETag", &mark)];
            answer(out, "206 Partial Content", &headers, &file[from..])
        }
        None => {
            let length = file.len().to_string();
            answer(out, "200 OK", &[("Content-Length", &length), ("ETag", &mark)], file)
        }
    }
}
