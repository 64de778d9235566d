//! Servers of the tests' own on loopback: what is rude, and what cannot be had. One request for a connection.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::remote::Limits;

#[cfg(feature = "store-github")]
pub mod github;

/// A request, read to its end.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET`.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// In their order, with names in small letters.
    pub headers: Vec<(String, String)>,
    /// All of it.
    pub body: Vec<u8>,
}

/// What is sent back.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// 200.
    pub status: u16,
    /// With a `Content-Length` only if it is to be wrong.
    pub headers: Vec<(String, String)>,
    /// All of it.
    pub body: Vec<u8>,
}

/// A server that ends with this.
pub struct Server {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
}

/// What a proxy does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Passes it on.
    None,
    /// Passes it on, and answers with this status instead.
    AfterStored(u16),
    /// Answers with this status, and passes nothing on.
    Before(u16),
    /// Passes half of its body on, and hangs up on both sides.
    HalfTheBody,
    /// Passes it on without its conditions.
    WithoutConditions,
}

/// A proxy in front of a real server, which it gives one request at a time: some test servers look at a condition and
/// write in two steps.
pub struct Proxy {
    /// Where it listens.
    pub port: u16,
    seen: Arc<Mutex<Vec<Request>>>,
}

/// So that a test of failures takes no minutes.
pub fn quick() -> Limits {
    Limits {
        wait: Duration::from_millis(10),
        request: Duration::from_secs(20),
        longest_wait: Duration::from_secs(3),
        ..Limits::default()
    }
}

impl Request {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(its, _)| its == name).map(|(_, value)| value.as_str())
    }

    fn read(stream: &mut TcpStream) -> Option<Request> {
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() > 64 * 1024 || stream.read(&mut byte).ok()? == 0 {
                return None;
            }
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).ok()?;
        let mut lines = head.split("\r\n");
        let mut words = lines.next()?.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut request = Request { method, target, headers, body: Vec::new() };
        let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
        if request.header("transfer-encoding").is_some() {
            request.body = read_chunks(stream)?;
        } else {
            request.body = vec![0; length];
            stream.read_exact(&mut request.body).ok()?;
        }
        Some(request)
    }

    fn head_for_upstream(&self) -> String {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            if !["connection", "content-length", "transfer-encoding"].contains(&name.as_str()) {
                head += &format!("{name}: {value}\r\n");
            }
        }
        head + &format!("content-length: {}\r\nconnection: close\r\n\r\n", self.body.len())
    }
}

fn read_chunks(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let (mut line, mut byte) = (Vec::new(), [0]);
        while !line.ends_with(b"\r\n") {
            stream.read_exact(&mut byte).ok()?;
            line.push(byte[0]);
        }
        let size = usize::from_str_radix(std::str::from_utf8(&line).ok()?.trim(), 16).ok()?;
        let mut chunk = vec![0; size + 2];
        stream.read_exact(&mut chunk).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(&chunk[..size]);
    }
}

impl Answer {
    /// With a body, of no type.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Answer {
        Answer { status, headers: Vec::new(), body: body.into() }
    }

    /// One more header.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Answer {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    fn write(&self, stream: &mut TcpStream) {
        let mut head = format!("HTTP/1.1 {} Status\r\n", self.status);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        let has_length = self.headers.iter().any(|(name, _)| name == "content-length");
        if self.status != 204 && !has_length {
            head += &format!("content-length: {}\r\n", self.body.len());
        }
        // Whoever has hung up needs no answer.
        let _ = stream.write_all((head + "connection: close\r\n\r\n").as_bytes());
        let _ = stream.write_all(&self.body);
    }
}

/// Each connection has a thread; `None` hangs up.
pub fn listen(on: TcpListener, answer: impl Fn(Request) -> Option<Answer> + Send + Sync + 'static) -> Server {
    serve(on, move |request, stream| {
        if let Some(answer) = answer(request) {
            answer.write(stream);
        }
    })
}

/// A free port, taken.
pub fn port() -> (TcpListener, u16) {
    let on = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = on.local_addr().unwrap().port();
    (on, port)
}

fn serve(on: TcpListener, work: impl Fn(Request, &mut TcpStream) + Send + Sync + 'static) -> Server {
    let (port, work) = (on.local_addr().unwrap().port(), Arc::new(work));
    std::thread::spawn(move || {
        for stream in on.incoming() {
            let Ok(mut stream) = stream else { break };
            let work = Arc::clone(&work);
            std::thread::spawn(move || {
                stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
                if let Some(request) = Request::read(&mut stream) {
                    work(request, &mut stream);
                }
            });
        }
    });
    Server { port }
}

impl Proxy {
    /// In front of what listens on `upstream`; `decide` sees every request, and may count.
    pub fn start(upstream: u16, decide: impl Fn(&Request) -> Fault + Send + Sync + 'static) -> Proxy {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let turn = Mutex::new(());
        let server = serve(port().0, move |mut request, stream| {
            log.lock().unwrap().push(request.clone());
            let fault = decide(&request);
            if fault == Fault::WithoutConditions {
                request.headers.retain(|(name, _)| !name.starts_with("if-"));
            }
            if let Fault::Before(status) = fault {
                return Answer::new(status, "the proxy's own answer").write(stream);
            }
            let _turn = turn.lock().unwrap();
            let mut behind = TcpStream::connect(("127.0.0.1", upstream)).unwrap();
            behind.write_all(request.head_for_upstream().as_bytes()).unwrap();
            if fault == Fault::HalfTheBody {
                behind.write_all(&request.body[..request.body.len() / 2]).unwrap();
                return;
            }
            let _ = behind.write_all(&request.body);
            let mut answer = Vec::new();
            let _ = behind.read_to_end(&mut answer);
            match fault {
                Fault::AfterStored(status) => Answer::new(status, "the proxy's own answer").write(stream),
                _ => drop(stream.write_all(&answer)),
            }
        });
        Proxy { port: server.port, seen }
    }

    /// Every request so far.
    pub fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }
}
