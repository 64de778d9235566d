//! Proxies of our own: HTTP's CONNECT and SOCKS 5, both with user and password.

#![allow(dead_code, reason = "each test program uses its part")]

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What was asked for: the target, and the user with password.
pub type Log = Arc<Mutex<Vec<(String, String)>>>;

pub struct Proxy {
    pub port: u16,
    pub log: Log,
}

#[derive(Clone, Copy)]
pub enum Kind {
    Connect,
    Socks5,
}

impl Proxy {
    /// Lets in only `me:secret`.
    pub fn new(kind: Kind) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let log = Log::default();
        let shared = Arc::clone(&log);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let log = Arc::clone(&shared);
                thread::spawn(move || {
                    // A client that goes away is not our business.
                    let _ = match kind {
                        Kind::Connect => connect(client, &log),
                        Kind::Socks5 => socks5(client, &log),
                    };
                });
            }
        });
        Proxy { port, log }
    }

    /// The targets that were let through or not.
    pub fn targets(&self) -> Vec<String> {
        self.log.lock().unwrap().iter().map(|(target, _)| target.clone()).collect()
    }
}

fn connect(mut client: TcpStream, log: &Log) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let user = head.lines().find_map(|line| line.strip_prefix("Proxy-Authorization: ")).unwrap_or_default();
    log.lock().unwrap().push((target.clone(), user.to_owned()));
    if !head.starts_with("CONNECT ") {
        return client.write_all(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n");
    }
    // me:secret
    if user != "Basic bWU6c2VjcmV0" {
        return client.write_all(
            b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n",
        );
    }
    let Ok(server) = TcpStream::connect(&target) else {
        return client.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n");
    };
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    join(client, server)
}

/// RFC 1928 and RFC 1929.
fn socks5(mut client: TcpStream, log: &Log) -> io::Result<()> {
    let mut read = |count: usize| {
        let mut bytes = vec![0; count];
        client.read_exact(&mut bytes).map(|()| bytes)
    };
    let methods = read(2)?[1];
    let offers_password = read(methods.into())?.contains(&2);
    if !offers_password {
        return client.write_all(&[5, 0xff]);
    }
    client.write_all(&[5, 2])?;
    let mut read = |count: usize| {
        let mut bytes = vec![0; count];
        client.read_exact(&mut bytes).map(|()| bytes)
    };
    let length = read(2)?[1];
    let user = read(length.into())?;
    let length = read(1)?[0];
    let password = read(length.into())?;
    let user = format!("{}:{}", String::from_utf8_lossy(&user), String::from_utf8_lossy(&password));
    let is_known = user == "me:secret";
    client.write_all(&[1, u8::from(!is_known)])?;
    if !is_known {
        log.lock().unwrap().push((String::new(), user));
        return Ok(());
    }
    let mut read = |count: usize| {
        let mut bytes = vec![0; count];
        client.read_exact(&mut bytes).map(|()| bytes)
    };
    let host = match read(4)?[3] {
        1 => read(4)?.iter().map(u8::to_string).collect::<Vec<_>>().join("."),
        _ => {
            let length = read(1)?[0];
            String::from_utf8_lossy(&read(length.into())?).into_owned()
        }
    };
    let port = read(2)?;
    let target = format!("{host}:{}", u16::from_be_bytes([port[0], port[1]]));
    log.lock().unwrap().push((target.clone(), user));
    let server = TcpStream::connect(&target)?;
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])?;
    join(client, server)
}

fn join(client: TcpStream, server: TcpStream) -> io::Result<()> {
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    let (mut from_server, mut to_client) = (server, client);
    io::copy(&mut from_server, &mut to_client)?;
    to_client.shutdown(Shutdown::Write)
}
