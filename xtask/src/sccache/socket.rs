//! Where a server and its clients meet: a place that no other build knows.

use std::ffi::OsString;
#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt as _;

use crate::error::{Error, Result};

/// On Linux an abstract socket: no file to be left behind, and no limit on the length of its folder's path.
#[cfg(target_os = "linux")]
#[derive(Debug)]
pub struct Socket(String);

#[cfg(target_os = "linux")]
impl Socket {
    /// A place of this name.
    pub fn new(name: &str) -> Result<Socket> {
        std::os::unix::net::SocketAddr::from_abstract_name(name)
            .map(|_| Socket(name.to_owned()))
            .map_err(|error| Error::failed(format!("{name:?} is no name of a socket: {error}")))
    }

    /// In sccache's words.
    pub fn variable(&self) -> (&'static str, OsString) {
        ("SCCACHE_SERVER_UDS", format!("\\x00{}", self.0).into())
    }

    /// What [`variable`](Socket::variable) has said.
    pub fn of_variable(value: &std::ffi::OsStr) -> Option<Socket> {
        Some(Socket(value.to_str()?.strip_prefix("\\x00")?.to_owned()))
    }

    /// Whether a server listens.
    pub fn is_served(&self) -> bool {
        std::os::unix::net::SocketAddr::from_abstract_name(&self.0)
            .and_then(|address| std::os::unix::net::UnixStream::connect_addr(&address))
            .is_ok()
    }
}

/// Elsewhere a port that was free a moment ago.
#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
pub struct Socket(u16);

#[cfg(not(target_os = "linux"))]
impl Socket {
    /// The name is of no use here.
    pub fn new(_: &str) -> Result<Socket> {
        std::net::TcpListener::bind(("127.0.0.1", 0))
            .and_then(|listener| listener.local_addr())
            .map(|address| Socket(address.port()))
            .map_err(|error| Error::failed(format!("no port of this machine is free: {error}")))
    }

    /// In sccache's words.
    pub fn variable(&self) -> (&'static str, OsString) {
        ("SCCACHE_SERVER_PORT", self.0.to_string().into())
    }

    /// What [`variable`](Socket::variable) has said.
    pub fn of_variable(value: &std::ffi::OsStr) -> Option<Socket> {
        Some(Socket(value.to_str()?.parse().ok()?))
    }

    /// Whether a server listens.
    pub fn is_served(&self) -> bool {
        std::net::TcpStream::connect(("127.0.0.1", self.0)).is_ok()
    }
}
