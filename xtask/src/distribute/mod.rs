//! Compiles made by an sccache-dist cluster, with the objects and the cache keys of compiles made here.
//!
//! sccache sends to a cluster what its preprocessing run printed, and what ours prints is a digest (`pch/key.rs`). So there
//! are two servers: the usual one, which looks into the caches by the usual keys; and one that knows the cluster and no
//! cache. For what is in no cache the first one starts the compiler, as ever; the shim in its place hands the compile to the
//! second (`send.rs`), for which it preprocesses in earnest. A hit is neither preprocessed nor sent; what the cluster
//! compiled is kept as if it had been compiled here; and what it did not compile is compiled here, by the same shim.

mod archive;
mod cluster;
mod report;
pub mod send;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;

pub use cluster::{Address, Cluster};
pub use report::Report;

use crate::caches;
use crate::error::{Error, IoContext as _, Result};
use crate::pch;
use crate::process::{self, Tied};
use crate::sccache::{NoServer, Socket};
use crate::toolchain::Toolchain;
use report::{Status, fault};
use send::Way;

/// The folder inside ninja's for all that belongs to the second server.
pub const FOLDER: &str = "distribute";

/// The first compile of a cluster takes the toolchain along, 63 MiB.
const FIRST_LIMIT: Duration = Duration::from_secs(180);

/// What is compiled there and here before the build.
const PROBE: &str = "extern \"C\" int libv8_probe(int x) { return x * 3 + __COUNTER__; }\n";

/// The part of sccache's file of settings that can be said nowhere else (docs/Distributed.md of 0.16).
#[derive(Serialize)]
struct SettingsFile<'a> {
    dist: DistSection<'a>,
}

#[derive(Serialize)]
struct DistSection<'a> {
    scheduler_url: &'a str,
    cache_dir: PathBuf,
    auth: Auth<'a>,
    toolchains: [PathOverride<'a>; 1],
}

#[derive(Serialize)]
struct Auth<'a> {
    r#type: &'static str,
    token: &'a str,
}

#[derive(Serialize)]
struct PathOverride<'a> {
    r#type: &'static str,
    compiler_executable: &'a Path,
    archive: &'a Path,
    archive_compiler_executable: &'static str,
}

/// The second server.
pub struct Dispatcher {
    process: Tied,
    /// Removed after the process has ended.
    _socket: Socket,
    way: Way,
    folder: PathBuf,
    url: String,
    /// How many compiles the cluster can make at once.
    pub processors: u32,
    /// What it had done before the build.
    before: BTreeMap<String, u64>,
}

impl Dispatcher {
    /// Starts the second server for ninja's folder `out`, in which the first one runs already with the objects in `local`,
    /// and has the cluster compile something. The error is why there is no use in it; the build then goes on without.
    pub fn start(
        cluster: &Cluster,
        toolchain: &Toolchain,
        local: &Path,
        out: &Path,
    ) -> Result<Dispatcher, String> {
        Dispatcher::try_start(cluster, toolchain, local, out).map_err(|error| {
            let text = error.to_string();
            let why = text.strip_prefix("error: ").unwrap_or(&text).replace('\n', " ");
            eprintln!(
                "WARNING: {} cannot be used ({why}): everything is compiled on this machine",
                cluster.url
            );
            why
        })
    }

    fn try_start(cluster: &Cluster, toolchain: &Toolchain, local: &Path, out: &Path) -> Result<Dispatcher> {
        let folder = out.join(FOLDER);
        crate::paths::remove_folder(&folder)?;
        fs::create_dir_all(&folder).or_io("create", &folder)?;
        if toolchain.entries.iter().any(|entry| entry.name == "clang") {
            let why = "only the pinned compiler can be sent, and --clang or LIBV8_CLANG names another";
            return Err(Error::failed(why));
        }
        let own = toolchain.llvm.parent().unwrap_or(&toolchain.llvm);
        let archive = archive::prepare(&toolchain.llvm, &toolchain.zig, &own.join(FOLDER))?;
        let compiler = toolchain.clangxx();
        let compiler = fs::canonicalize(&compiler).or_io("find", &compiler)?;
        let socket = Socket::new(local, out, "away")?;
        let way = Way {
            sccache: toolchain.sccache.clone(),
            compiler,
            socket: socket.variable().1,
            shim: out.join(pch::shim::FOLDER).join("shim"),
            nothing: folder.join("nothing"),
        };
        let settings = SettingsFile {
            dist: DistSection {
                scheduler_url: &cluster.url,
                cache_dir: folder.join("toolchains"),
                auth: Auth { r#type: "token", token: &cluster.token.0 },
                toolchains: [PathOverride {
                    r#type: "path_override",
                    compiler_executable: &way.compiler,
                    archive: &archive,
                    archive_compiler_executable: archive::COMPILER,
                }],
            },
        };
        let file = folder.join("sccache.toml");
        let text = toml::to_string(&settings).expect("strings only");
        write_secret(&file, &text).or_io("write", &file)?;
        let process = launch(&way, &socket, &file, &folder.join("server.log"));
        // It holds the token, and is read once.
        fs::remove_file(&file).or_io("remove", &file)?;
        let mut dispatcher = Dispatcher {
            process: process?,
            _socket: socket,
            way,
            folder,
            url: cluster.url.clone(),
            processors: 0,
            before: BTreeMap::new(),
        };
        let said = process::read(dispatcher.way.client().arg("--dist-status"))?;
        let status = Status::parse(&said).map_err(Error::failed)?;
        let started = Instant::now();
        dispatcher.try_out()?;
        eprintln!(
            "distributing to {}: {} servers with {} processors, {} compiles under way; a first one was made there in {:.1} s, \
             with the same object as here",
            cluster.url,
            status.servers,
            status.processors,
            status.under_way,
            started.elapsed().as_secs_f64()
        );
        dispatcher.processors = status.processors;
        dispatcher.before = dispatcher.by_server();
        Ok(dispatcher)
    }

    /// Compiles a small source there and here.
    ///
    /// A scheduler says that it is well to everybody; whether it takes our token, and whether a server can run our compiler in
    /// its sandbox, shows in a compile alone.
    fn try_out(&self) -> Result<()> {
        let source = self.folder.join("probe.cc");
        fs::write(&source, PROBE).or_io("write", &source)?;
        let words = ["-O2", "-fno-ident", "-c", "probe.cc", "-o"];
        let mut there = self.way.client();
        there.arg(&self.way.compiler).args(words).arg("there.o").current_dir(&self.folder);
        let out =
            send::output_within(&mut there, FIRST_LIMIT).map_err(|error| Error::failed(error.to_string()))?;
        if !out.as_ref().is_some_and(|out| out.status.success()) {
            let why = self.last_fault().unwrap_or_else(|| match out {
                Some(out) => {
                    String::from_utf8_lossy(&out.stderr).lines().next().unwrap_or_default().to_owned()
                }
                None => format!("no answer in {} s", FIRST_LIMIT.as_secs()),
            });
            return Err(Error::failed(format!("a first compile failed: {why}")));
        }
        let mut here = process::command(&self.way.compiler);
        process::read(here.args(words).arg("here.o").current_dir(&self.folder).env_remove("LIBV8_PCH"))?;
        let [there, here] =
            ["there.o", "here.o"].map(|name| fs::read(self.folder.join(name)).unwrap_or_default());
        if here.is_empty() || there != here {
            return Err(Error::failed(
                "the first object that was compiled there differs from the one compiled here",
            ));
        }
        Ok(())
    }

    /// Why the last compile came back, as far as the server has said so.
    fn last_fault(&self) -> Option<String> {
        let log = fs::read(self.folder.join("server.log")).ok()?;
        String::from_utf8_lossy(&log).lines().rev().find_map(fault)
    }

    /// What makes the shim send compiles away.
    pub fn variable(&self) -> (&'static str, &std::ffi::OsStr) {
        ("LIBV8_DISTRIBUTE", &self.way.socket)
    }

    /// Compiles by server, as sccache counts them; none if it does not answer.
    fn by_server(&self) -> BTreeMap<String, u64> {
        let said = process::read(self.way.client().args(["--show-stats", "--stats-format=json"]));
        let value: Option<serde_json::Value> = said.ok().and_then(|text| serde_json::from_str(&text).ok());
        let counts = value.as_ref().and_then(|value| value.get("stats")?.get("dist_compiles")?.as_object());
        let counts = counts.into_iter().flatten();
        counts.filter_map(|(name, count)| Some((name.clone(), count.as_u64()?))).collect()
    }

    /// Ends the server, and says what the cluster did.
    pub fn finish(mut self) -> Report {
        let mut servers = self.by_server();
        for (name, count) in &mut servers {
            *count -= self.before.get(name).copied().unwrap_or(0).min(*count);
        }
        servers.retain(|_, count| *count > 0);
        let returned = fs::read_to_string(self.folder.join(send::RETURNED_FILE)).unwrap_or_default();
        let returned = returned.lines().count() as u64;
        let because = self.last_fault().filter(|_| returned > 0);
        // Also one that a client has started.
        let _ = process::read(self.way.client().arg("--stop-server"));
        self.process.wait(Duration::from_secs(15));
        Report { url: self.url.clone(), unused: None, servers, returned, because }
    }
}

/// Starts the server with the cluster, and waits until it listens.
fn launch(way: &Way, socket: &Socket, settings: &Path, log: &Path) -> Result<Tied> {
    let file = File::create(log).or_io("create", log)?;
    let mut command = process::tied(&way.sccache);
    caches::clean(&mut command, false);
    command.envs([
        ("SCCACHE_SERVER_UDS", way.socket.as_os_str()),
        ("SCCACHE_CONF", settings.as_os_str()),
        ("SCCACHE_DIR", way.nothing.as_os_str()),
        ("SCCACHE_START_SERVER", "1".as_ref()),
        ("SCCACHE_NO_DAEMON", "1".as_ref()),
        ("SCCACHE_IDLE_TIMEOUT", "0".as_ref()),
        // Why a compile comes back is a warning.
        ("SCCACHE_LOG", "warn".as_ref()),
    ]);
    command.stdout(file.try_clone().or_io("open", log)?).stderr(file);
    socket.start(&mut command).map_err(|why| match why {
        NoServer::NotStarted(error) => error,
        NoServer::Ended | NoServer::Silent => {
            Error::failed(format!("sccache does not start; what it said: {}", log.display()))
        }
    })
}

/// Only we may read it.
fn write_secret(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
}

#[cfg(all(test, target_os = "linux"))]
mod real_tests;
