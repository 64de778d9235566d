//! Where a server and its clients meet: a place that no other build knows and no other user reaches.

use std::ffi::{OsStr, OsString};
use std::path::Path;
#[cfg(unix)]
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
#[cfg(unix)]
use crate::paths::short_name;
use crate::process::Tied;

/// A server has this long to reach its store or its scheduler, and to listen.
pub const START_LIMIT: Duration = Duration::from_secs(20);

/// Why no server answers at a socket.
#[derive(Debug)]
pub enum NoServer {
    /// Its program cannot be started.
    NotStarted(Error),
    /// It has ended.
    Ended,
    /// It runs, and has not answered within [`START_LIMIT`].
    Silent,
}

impl Socket {
    /// Starts a server that is told of this place, and waits until it answers.
    pub fn start(&self, server: &mut Command) -> Result<Tied, NoServer> {
        // Whoever answers from now on has been started since.
        self.clear();
        let mut process = Tied::spawn(server).map_err(NoServer::NotStarted)?;
        let started = Instant::now();
        loop {
            // In this order: who answers in the place of a server that has ended is not taken for it.
            let is_served = self.is_served();
            if process.ended().is_some() {
                return Err(NoServer::Ended);
            }
            if is_served {
                return Ok(process);
            }
            if started.elapsed() >= START_LIMIT {
                return Err(NoServer::Silent);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// A socket in a folder of ours that nobody else may enter: sccache asks no client who it is, and runs what it is told to.
///
/// (An abstract socket of Linux has no owner, and everybody is shown its name.)
#[cfg(unix)]
#[derive(Debug)]
pub struct Socket {
    path: PathBuf,
    /// For who made it: removed in the end.
    folder: Option<PathBuf>,
}

#[cfg(unix)]
impl Socket {
    /// The place of a server of the build in `out`, which nobody else builds in; `role` tells its servers apart.
    ///
    /// It lies beside sccache's folder `local`: inside it every file would be an object. Where no socket can be, it lies among
    /// temporary files: the length of its path is limited (unix(7): 107 bytes), and not all file systems have sockets or modes.
    pub fn new(local: &Path, out: &Path, role: &str) -> Result<Socket> {
        let folder = local.with_file_name("sockets").join(format!("{}-{role}", short_name(out)));
        // What is there was left behind by a kill -9. If it cannot be removed, the folder cannot be made.
        let _ = std::fs::remove_dir_all(&folder);
        let temporary = || std::env::temp_dir().join(format!("libv8-{:016x}", fastrand::u64(..)));
        Socket::in_folder(folder).or_else(|_| Socket::in_folder(temporary())).map_err(|(folder, error)| {
            Error::failed(format!("{} cannot hold a socket: {error}", folder.display()))
                .help("set LIBV8_CACHE_DIR to a folder with a shorter path, or on another disk")
        })
    }

    /// In a new folder, if it can hold one.
    fn in_folder(folder: PathBuf) -> Result<Socket, (PathBuf, std::io::Error)> {
        match private_folder(&folder) {
            Ok(()) => Ok(Socket { path: folder.join("s"), folder: Some(folder) }),
            Err(error) => Err((folder, error)),
        }
    }

    /// In sccache's words.
    pub fn variable(&self) -> (&'static str, OsString) {
        ("SCCACHE_SERVER_UDS", self.path.clone().into())
    }

    /// What [`variable`](Socket::variable) has said.
    pub fn of_variable(value: &OsStr) -> Option<Socket> {
        Some(Socket { path: value.into(), folder: None })
    }

    /// Whether a server listens.
    pub fn is_served(&self) -> bool {
        std::os::unix::net::UnixStream::connect(&self.path).is_ok()
    }

    /// Whoever has listened here is reached no more.
    fn clear(&self) {
        // It may never have been there.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(unix)]
impl Drop for Socket {
    fn drop(&mut self) {
        if let Some(folder) = &self.folder {
            // If that fails the next server of this build does it.
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

/// Makes a folder that only we may enter, and tries whether a socket can be in it, by a name that can be said in a variable.
#[cfg(unix)]
fn private_folder(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    let other = |what: &str| std::io::Error::other(what.to_owned());
    if folder.to_str().is_none() {
        return Err(other("its name is not UTF-8"));
    }
    if let Some(parent) = folder.parent() {
        std::fs::create_dir_all(parent)?;
    }
    std::fs::DirBuilder::new().mode(0o700).create(folder)?;
    let try_out = || {
        if std::fs::metadata(folder)?.permissions().mode() & 0o077 != 0 {
            return Err(other("its file system does not keep modes"));
        }
        let path = folder.join("s");
        std::os::unix::net::UnixListener::bind(&path)?;
        std::fs::remove_file(&path)
    };
    try_out().inspect_err(|_| drop(std::fs::remove_dir_all(folder)))
}

/// Elsewhere a port that was free a moment ago: sccache has nothing else there.
#[cfg(not(unix))]
#[derive(Debug)]
pub struct Socket(u16);

#[cfg(not(unix))]
impl Socket {
    /// Names are of no use here.
    pub fn new(_: &Path, _: &Path, _: &str) -> Result<Socket> {
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
    pub fn of_variable(value: &OsStr) -> Option<Socket> {
        Some(Socket(value.to_str()?.parse().ok()?))
    }

    /// Whether a server listens.
    pub fn is_served(&self) -> bool {
        std::net::TcpStream::connect(("127.0.0.1", self.0)).is_ok()
    }

    /// Nothing is left of a port.
    fn clear(&self) {}
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::net::UnixListener;

    use super::*;

    fn mode(folder: &Path) -> u32 {
        fs::metadata(folder).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_socket_is_reached_by_its_owner_alone_and_leaves_nothing_behind() {
        let cache = tempfile::tempdir().unwrap();
        let sockets = cache.path().join("sockets");
        let place = |role: &str| Socket::new(&cache.path().join("sccache"), Path::new("/tree/out/x"), role);
        let (one, other) = (place("cache").unwrap(), place("away").unwrap());
        assert_ne!(one.variable(), other.variable());
        for socket in [&one, &other] {
            assert!(socket.path.starts_with(&sockets), "{socket:?}");
            assert_eq!(mode(socket.path.parent().unwrap()), 0o700, "{socket:?}");
            assert!(!socket.is_served());
            let client = Socket::of_variable(&socket.variable().1).unwrap();
            let _server = UnixListener::bind(&socket.path).unwrap();
            assert!(socket.is_served() && client.is_served());
            drop(client);
            assert!(socket.is_served(), "a client removes nothing");
            socket.clear();
            assert!(!socket.is_served(), "although it listens");
        }
        drop((one, other));
        assert_eq!(fs::read_dir(sockets).unwrap().count(), 0);
    }

    #[test]
    fn what_a_killed_build_has_left_behind_is_replaced() {
        let cache = tempfile::tempdir().unwrap();
        let place = || Socket::new(&cache.path().join("sccache"), Path::new("/tree/out/x"), "cache").unwrap();
        let killed = place();
        let _server = UnixListener::bind(&killed.path).unwrap();
        let folder = killed.path.parent().unwrap().to_owned();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        std::mem::forget(killed);
        let next = place();
        assert_eq!((next.path.parent().unwrap(), mode(&folder)), (folder.as_path(), 0o700));
        assert!(!next.is_served());
    }

    #[test]
    fn a_path_that_is_too_long_for_a_socket_is_not_used() {
        let cache = tempfile::tempdir().unwrap();
        let local = cache.path().join("long/".repeat(30)).join("sccache");
        let socket = Socket::new(&local, Path::new("/tree/out/x"), "cache").unwrap();
        let folder = socket.path.parent().unwrap().to_owned();
        assert!(folder.starts_with(std::env::temp_dir()) && !folder.starts_with(cache.path()), "{folder:?}");
        assert_eq!(mode(&folder), 0o700);
        drop(socket);
        assert!(!folder.exists());
        assert_eq!(fs::read_dir(local.with_file_name("sockets")).unwrap().count(), 0);
    }
}
