//! Whether a shared store answers at all: asked before a build and during it.
//!
//! sccache 0.16 waits 30 seconds for a redis server that is gone, twice for each compile, and for one that hangs for ever.

use std::io::{Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use crate::caches::Store;
use crate::env;

/// A store has this long to accept a connection, and as long again to say something.
const LIMIT: Duration = Duration::from_secs(4);

/// Where a store listens, and what to say to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// `host:port`.
    address: String,
    /// Makes any server of that kind answer; nothing where TLS comes first.
    question: &'static [u8],
}

impl Probe {
    /// Nothing for folders, for AWS's own servers, whose names sccache makes, and behind a proxy.
    pub fn of(store: &Store) -> Option<Probe> {
        const PING: &[u8] = b"PING\r\n";
        const HEAD: &[u8] = b"HEAD / HTTP/1.0\r\n\r\n";
        let endpoint = match store {
            Store::Local | Store::Folder(_) | Store::S3 { endpoint: None, .. } => return None,
            Store::Redis { endpoint, .. } => endpoint,
            Store::S3 { endpoint: Some(endpoint), .. } | Store::WebDav { endpoint, .. } => endpoint,
        };
        let (scheme, host) = endpoint.split_once("://")?;
        let (port, question) = match scheme {
            "redis" => (6379, PING),
            "rediss" => (6379, b"".as_slice()),
            "http" => (80, HEAD),
            "https" => (443, b"".as_slice()),
            _ => return None,
        };
        if scheme.starts_with("http") && env::has_http_proxy() {
            return None;
        }
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
        let address = if has_port { host.to_owned() } else { format!("{host}:{port}") };
        Some(Probe { address, question })
    }

    /// Nothing if the store answers, whatever it says; else why not.
    pub fn fault(&self) -> Option<String> {
        let addresses = match self.address.to_socket_addrs() {
            Ok(addresses) => addresses,
            Err(error) => return Some(error.to_string()),
        };
        let mut fault = "its name has no address".to_owned();
        for address in addresses {
            match self.ask(&address) {
                Ok(()) => return None,
                Err(error) => fault = error.to_string(),
            }
        }
        Some(fault)
    }

    fn ask(&self, address: &std::net::SocketAddr) -> std::io::Result<()> {
        let mut stream = TcpStream::connect_timeout(address, LIMIT)?;
        if self.question.is_empty() {
            return Ok(());
        }
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        stream.write_all(self.question)?;
        match stream.read(&mut [0; 64]) {
            Ok(0) => Err(std::io::Error::other("it closes connections at once")),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                Err(std::io::Error::other("it accepts connections and says nothing"))
            }
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn probe(address: &str) -> Probe {
        Probe { address: address.to_owned(), question: b"PING\r\n" }
    }

    #[test]
    fn a_store_that_answers_one_that_is_gone_and_one_that_hangs_up() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_exact(&mut [0; 6]).unwrap();
            stream.write_all(b"-NOAUTH\r\n").unwrap();
            drop(listener.accept().unwrap());
        });
        assert_eq!(probe(&address).fault(), None);
        assert!(probe(&address).fault().is_some());
        server.join().unwrap();
        let fault = probe(&address).fault().unwrap();
        assert!(fault.contains("refused"), "{fault}");
    }

    #[test]
    fn what_is_asked_where() {
        let check = |text: &str, expected: Option<(&str, &str)>| {
            let store = crate::caches::parse_store(text).unwrap();
            let probe = Probe::of(&store);
            let found = probe.as_ref().map(|probe| {
                (
                    probe.address.as_str(),
                    std::str::from_utf8(&probe.question[..probe.question.len().min(4)]).unwrap(),
                )
            });
            assert_eq!(found, expected, "{text}");
        };
        check("redis://h", Some(("h:6379", "PING")));
        check("rediss://[::1]:7", Some(("[::1]:7", "")));
        check("s3://b", None);
        check("file:///a", None);
        if !env::has_http_proxy() {
            check("s3://b?endpoint=http://h:9", Some(("h:9", "HEAD")));
            check("webdavs://h", Some(("h:443", "")));
        }
    }
}
