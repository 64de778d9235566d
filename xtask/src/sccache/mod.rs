//! sccache: one server of our own for each build, on a private socket, ended with the build, however that ends.
//!
//! A cache that fails costs time, never the build. So the server is asked to start with the shared store and, if that
//! is not there, without; while the build runs a thread asks the store whether it still answers and, if it does not,
//! replaces the server by one with the local folder alone. Clients, which compile by themselves if they lose their
//! server, know of the local folder only: they see no password, and a server that one of them starts can start.

mod counts;
mod probe;
mod report;
mod socket;

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

pub use counts::Counts;
pub use report::{Fill, Report};
use socket::START_LIMIT;
pub use socket::{NoServer, Socket};

use crate::caches::{self, Choice, Mode, Store};
use crate::error::{Error, IoContext as _, Result};
use crate::pch;
use crate::process::{self, Tied};
use probe::Probe;

/// A server that a client started, because ours was gone, dies by itself this long after its last compile.
const IDLE_TIMEOUT_S: &str = "60";

/// What is still to be sent to the store at the end has this long.
const FLUSH_LIMIT: Duration = Duration::from_secs(20);

/// A store is asked this often, and given up when it has not answered so many times, one after the other.
const PROBE_PAUSE: Duration = Duration::from_secs(2);
const PROBES: u32 = 3;

/// What a server is started for.
pub struct Settings<'a> {
    /// sccache.
    pub program: &'a Path,
    /// The local folder.
    pub local: &'a Path,
    /// The build's folder, two folders below V8's tree.
    pub out: &'a Path,
    /// Whether compilers get precompiled headers.
    pub precompile: bool,
    /// What the user chose.
    pub choice: &'a Choice,
}

/// The server of a build.
pub struct Server {
    shared: Arc<Shared>,
    watch: Option<(mpsc::Sender<()>, std::thread::JoinHandle<()>)>,
    is_stopped: bool,
}

/// What the build and the thread that watches the store both need.
struct Shared {
    program: PathBuf,
    log: PathBuf,
    socket: Socket,
    choice: Choice,
    local: PathBuf,
    local_bytes_before: u64,
    /// For clients: no secrets.
    environment: Vec<(&'static str, OsString)>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    process: Option<Tied>,
    /// Of the servers that have ended.
    before: Counts,
    /// What the one that runs has said last.
    last: Counts,
    uses_store: bool,
    lost_store: Option<String>,
    lost_server: bool,
}

impl Server {
    /// Starts a server for a build. What it writes to stderr is in `sccache.log` of the build's folder.
    pub fn start(settings: &Settings<'_>) -> Result<Server> {
        let Settings { local, out, choice, .. } = *settings;
        std::fs::create_dir_all(local).or_io("create", local)?;
        // A folder below the tree: GN's paths are relative to the build folder, and what is absolute begins with the tree.
        let tree = out.ancestors().nth(2).unwrap_or(out);
        let socket = Socket::new(local, out, "cache")?;
        let mut environment = vec![
            ("SCCACHE_BASEDIRS", tree.into()),
            // Manifests of headers and base folders do not go together in 0.16: a hit would be missed.
            ("SCCACHE_DIRECT", "false".into()),
            ("SCCACHE_IDLE_TIMEOUT", IDLE_TIMEOUT_S.into()),
            // A server that dies costs time, never the build: clang is then run without it.
            ("SCCACHE_IGNORE_SERVER_IO_ERROR", "1".into()),
            // The user's own file of settings is for the user's own builds. There is none of this name.
            ("SCCACHE_CONF", out.join("libv8-no-sccache-conf").into()),
            socket.variable(),
        ];
        // Keys are the same with and without headers because one program makes them.
        environment.push(("LIBV8_PCH", copy_of_ourselves(out)?.into()));
        if !settings.precompile {
            environment.push(("LIBV8_PLAIN_HEADERS", "1".into()));
        }
        environment.extend(caches::variables(&Choice { store: Store::Local, mode: choice.mode }, local));
        let shared = Shared {
            program: settings.program.to_owned(),
            log: out.join("sccache.log"),
            socket,
            choice: choice.clone(),
            local: local.to_owned(),
            // sccache looks only when it is asked for the first object.
            local_bytes_before: size_bytes(choice.folder().unwrap_or(local)),
            environment,
            state: Mutex::default(),
        };
        File::create(&shared.log).or_io("create", &shared.log)?;
        let probe = Probe::of(&choice.store);
        shared.start(probe.as_ref())?;
        let mut server = Server { shared: Arc::new(shared), watch: None, is_stopped: false };
        if let (true, Some(probe)) = (server.shared.state().uses_store, probe) {
            let (stop, stopped) = mpsc::channel();
            let shared = Arc::clone(&server.shared);
            server.watch = Some((stop, std::thread::spawn(move || shared.watch(&probe, &stopped))));
        }
        Ok(server)
    }

    /// Makes a command, and so every client it starts, use this server and no other.
    pub fn prepare(&self, command: &mut Command) {
        caches::clean(command, false);
        command.envs(self.shared.environment.iter().map(|(name, value)| (name, value)));
    }

    /// What has been done so far; a server that does not answer adds nothing.
    pub fn counts(&self) -> Counts {
        self.shared.counts()
    }

    /// Ends the server, with everything sent that was to be sent, and says how it served.
    pub fn finish(mut self) -> Report {
        self.stop()
    }

    /// A second time there is nothing to do, and nothing to say.
    fn stop(&mut self) -> Report {
        if std::mem::replace(&mut self.is_stopped, true) {
            return Report::default();
        }
        if let Some((stop, thread)) = self.watch.take() {
            drop(stop);
            let _ = thread.join();
        }
        self.shared.stop()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// An entry that sccache has not made: it takes every file below its folder for an object, and deletes the oldest ones.
///
/// Its own are folders named by one hexadecimal digit, and `preprocessor`.
fn other_than_objects(folder: &Path) -> std::io::Result<Option<String>> {
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let is_digit = name.len() == 1 && name.chars().all(|c| c.is_ascii_hexdigit());
        if !is_digit && name != "preprocessor" && !name.starts_with(".sccachetmp") {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// What is in a folder, as far as it can be read.
fn size_bytes(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size_bytes(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

/// A copy of this program, which compilers run behind: cargo may replace the program while ninja runs.
fn copy_of_ourselves(out: &Path) -> Result<PathBuf> {
    let own = process::this_program()?;
    let folder = out.join(pch::shim::FOLDER);
    std::fs::create_dir_all(&folder).or_io("create", &folder)?;
    let shim = folder.join("shim");
    let partial = shim.with_extension("partial");
    std::fs::copy(&own, &partial).or_io("copy this program to", &partial)?;
    std::fs::rename(&partial, &shim).or_io("create", &shim)?;
    Ok(shim)
}

impl Shared {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // Each change is whole by itself.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// With the store if it can be had, else with the local folder.
    fn start(&self, probe: Option<&Probe>) -> Result<()> {
        let mut state = self.state();
        if matches!(self.choice.store, Store::Local) {
            state.process = Some(self.launch(&self.choice).map_err(|why| self.refused(&why))?);
        } else {
            let answer = probe.and_then(Probe::fault).map_or(Ok(()), Err);
            match answer.and_then(|()| self.launch(&self.choice)) {
                Ok(process) => (state.process, state.uses_store) = (Some(process), true),
                Err(why) => {
                    eprintln!(
                        "note: {} cannot be used ({why}): the local folder alone is",
                        self.choice.store
                    );
                    let local = Choice { store: Store::Local, mode: self.choice.mode };
                    state.process = Some(self.launch(&local).map_err(|why| self.refused(&why))?);
                    state.lost_store = Some(why);
                }
            }
        }
        drop(state);
        Ok(())
    }

    fn refused(&self, why: &str) -> Error {
        Error::failed(format!("sccache does not start: {why}"))
            .help(format!("what it said: {}", self.log.display()))
    }

    /// Starts a server and waits until it listens.
    fn launch(&self, choice: &Choice) -> Result<Tied, String> {
        let io = |error: std::io::Error| error.to_string();
        if let Some(folder) = choice.folder() {
            std::fs::create_dir_all(folder).map_err(io)?;
            if let Some(other) = other_than_objects(folder).map_err(io)? {
                return Err(format!("it holds {other:?}, which is no part of a cache"));
            }
        }
        let mut log = File::options().append(true).open(&self.log).map_err(io)?;
        let begin = log.seek(std::io::SeekFrom::End(0)).map_err(io)?;
        writeln!(log, "server with {}", choice.store).map_err(io)?;
        let mut command = process::tied(&self.program);
        caches::clean(&mut command, matches!(choice.store, Store::S3 { is_anonymous: false, .. }));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.envs(caches::variables(choice, &self.local));
        command.envs([("SCCACHE_START_SERVER", "1"), ("SCCACHE_NO_DAEMON", "1"), ("SCCACHE_LOG", "error")]);
        if cfg!(unix) {
            // It ends with us. A link of ten minutes is no reason to end before.
            command.env("SCCACHE_IDLE_TIMEOUT", "0");
        }
        command.stdout(log.try_clone().map_err(io)?).stderr(log);
        self.socket.start(&mut command).map_err(|why| match why {
            NoServer::NotStarted(error) => error.to_string(),
            NoServer::Ended => self.last_fault(begin),
            NoServer::Silent => format!("no answer in {} s", START_LIMIT.as_secs()),
        })
    }

    /// Why a server ended: what it has written since `begin`, without the way there.
    fn last_fault(&self, begin: u64) -> String {
        let mut text = Vec::new();
        if let Ok(mut log) = File::open(&self.log) {
            let _ = log.seek(std::io::SeekFrom::Start(begin)).and_then(|_| log.read_to_end(&mut text));
        }
        fault_in(&String::from_utf8_lossy(&text)).unwrap_or_else(|| "it ended at once".to_owned())
    }

    fn client(&self) -> Command {
        let mut command = process::command(&self.program);
        caches::clean(&mut command, false);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    fn counts(&self) -> Counts {
        let mut state = self.state();
        self.look(&mut state);
        let mut all = state.before.clone();
        all += &state.last;
        all
    }

    /// Asks the server what it has done, and sees whether it is still there.
    fn look(&self, state: &mut State) {
        if state.process.as_mut().is_some_and(|process| process.ended().is_some()) {
            state.process = None;
            state.lost_server = true;
            let last = std::mem::take(&mut state.last);
            state.before += &last;
        }
        let said = process::read(self.client().args(["--show-stats", "--stats-format=json"]));
        if let Some(counts) = said.ok().and_then(|text| Counts::parse(&text)) {
            state.last = counts;
        }
    }

    /// Replaces the server when the store has stopped answering.
    fn watch(&self, probe: &Probe, stopped: &mpsc::Receiver<()>) {
        let mut unanswered = 0;
        while stopped.recv_timeout(PROBE_PAUSE) == Err(mpsc::RecvTimeoutError::Timeout) {
            let Some(why) = probe.fault() else {
                unanswered = 0;
                continue;
            };
            unanswered += 1;
            if unanswered == PROBES {
                self.give_up_store(why);
                return;
            }
        }
    }

    fn give_up_store(&self, why: String) {
        eprintln!("note: {} no longer answers ({why}): the local folder alone is used", self.choice.store);
        let mut state = self.state();
        self.look(&mut state);
        let last = std::mem::take(&mut state.last);
        state.before += &last;
        (state.lost_store, state.uses_store) = (Some(why), false);
        // It waits for the store, and who waits for it compiles alone as soon as it is gone.
        state.process = None;
        let local = Choice { store: Store::Local, mode: self.choice.mode };
        // A client may have been faster, and its server does as well; without any, compiles go on alone.
        state.process = self.launch(&local).ok();
        state.lost_server |= state.process.is_none();
    }

    fn stop(&self) -> Report {
        let started = Instant::now();
        loop {
            let pending = self.counts().store_pending;
            let is_done = pending == 0 || !self.state().uses_store || self.choice.mode == Mode::ReadOnly;
            if is_done || started.elapsed() >= FLUSH_LIMIT {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let counts = self.counts();
        // Also one that a client has started.
        let _ = process::read(self.client().arg("--stop-server"));
        let mut state = self.state();
        if let Some(mut process) = state.process.take() {
            // sccache gives its clients ten seconds; what is left then is killed.
            process.wait(Duration::from_secs(15));
        }
        Report {
            store: self.choice.store.to_string(),
            is_read_only: self.choice.mode == Mode::ReadOnly,
            lost_store: state.lost_store.clone(),
            lost_server: state.lost_server,
            local_bytes_before: self.local_bytes_before,
            counts,
            ..Report::default()
        }
    }
}

/// The reason in what sccache wrote: opendal's stands behind the last `=>`, others behind `Error:` or `error:`.
fn fault_in(text: &str) -> Option<String> {
    let behind = |mark: &str| {
        let line = text.lines().rev().find(|line| line.contains(mark))?;
        let fault = line.rsplit_once(mark)?.1.trim().trim_matches('"');
        (!fault.is_empty()).then(|| fault.chars().take(200).collect::<String>())
    };
    behind(" => ").or_else(|| behind("rror: "))
}

#[cfg(all(test, target_os = "linux"))]
pub mod real_servers;
#[cfg(all(test, target_os = "linux"))]
mod real_tests;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fault_is_told_without_the_way_there() {
        let check =
            |text: &str, expected: Option<&str>| assert_eq!(fault_in(text).as_deref(), expected, "{text}");
        check("server with x\n", None);
        check(
            "[ERROR] service=redis: read failed (temporary) => get connection from pool failed\n   0: x\n",
            Some("get connection from pool failed"),
        );
        check("sccache: error: Cache level 's3'\n", Some("Cache level 's3'"));
    }

    #[cfg(unix)]
    #[test]
    fn who_answers_in_the_place_of_a_server_that_ended_is_not_taken_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let [local, out, log] = ["local", "out", "log"].map(|name| folder.path().join(name));
        let socket = Socket::new(&local, &out, "cache").unwrap();
        let _other = std::os::unix::net::UnixListener::bind(Path::new(&socket.variable().1)).unwrap();
        File::create(&log).unwrap();
        let shared = Shared {
            program: "false".into(),
            log,
            socket,
            choice: Choice::default(),
            local,
            local_bytes_before: 0,
            environment: Vec::new(),
            state: Mutex::default(),
        };
        assert_eq!(shared.launch(&shared.choice).unwrap_err(), "it ended at once");
    }
}
