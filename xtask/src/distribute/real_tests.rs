//! sccache-dist as it is: a scheduler and two servers on loopback, one of which is killed.
//!
//! `cargo xtask test` says where all that is needed lies; without that, and without root, nothing is tested here.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::caches::Choice;
use crate::env;
use crate::sccache::real_servers::{Running, Servers, free_port};
use crate::sccache::{Report as Cached, Server, Settings};
use crate::toolchain::Entry;

const TOKEN: &str = "s3cret-of-clients";

/// A machine with a toolchain and a build folder, and what a cluster needs.
struct Machine {
    folder: tempfile::TempDir,
    toolchain: Toolchain,
    tool: PathBuf,
    bubblewrap: PathBuf,
}

/// A scheduler and its servers.
struct Started {
    scheduler: Running,
    servers: Vec<Running>,
}

impl Machine {
    /// Nothing if the tests are not to run.
    fn new() -> Option<Machine> {
        let (Some(sccache), Some(servers), Some([llvm, zig, tool])) =
            (env::test_sccache(), env::test_servers(), env::test_cluster())
        else {
            eprintln!("NOT TESTED: cargo xtask test sets LIBV8_TEST_LLVM and others, as root");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        // The archive lies beside the overlay, and the toolchain of the user is not to be written to.
        let own = folder.path().join("toolchain/llvm");
        fs::create_dir_all(own.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(llvm, &own).unwrap();
        fs::create_dir_all(folder.path().join("tree/out/x/obj")).unwrap();
        let toolchain = Toolchain {
            llvm: own,
            gn: PathBuf::new(),
            ninja: PathBuf::new(),
            sccache,
            clang_major: 0,
            zig,
            entries: Vec::new(),
            companions: BTreeMap::new(),
        };
        Some(Machine { folder, toolchain, tool, bubblewrap: Servers::in_folder(&servers).bubblewrap() })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn out(&self) -> PathBuf {
        self.path().join("tree/out/x")
    }

    /// Starts a program of the cluster, from the templates that `ci/` has for people.
    fn start(&self, what: &str, name: &str, port: u16, values: &[(&str, &str)]) -> Running {
        let template = crate::paths::repository().join(format!("ci/sccache-dist/{what}.toml"));
        let mut text = fs::read_to_string(template).unwrap();
        for (key, value) in values {
            assert!(text.contains(key), "{what} has no {key}");
            text = text.replace(key, value);
        }
        assert!(!text.contains('@'), "{text}");
        let settings = self.path().join(format!("{name}.toml"));
        fs::write(&settings, text).unwrap();
        let mut command = process::tied(self.toolchain.sccache.with_file_name("sccache-dist"));
        command.arg(what).arg("--config").arg(settings);
        command.envs([("SCCACHE_NO_DAEMON", "1"), ("SCCACHE_LOG", "info")]);
        Running::start(&mut command, port, &self.path().join(format!("{name}.log")))
    }

    fn cluster(&self, servers: usize) -> Started {
        let port = free_port();
        let address = format!("127.0.0.1:{port}");
        let values =
            [("@ADDRESS@", address.as_str()), ("@CLIENT_TOKEN@", TOKEN), ("@SERVER_TOKEN@", "another")];
        let scheduler = self.start("scheduler", "scheduler", port, &values);
        let server = |number: usize| {
            let port = free_port();
            let folder = self.path().join(format!("server{number}"));
            fs::create_dir_all(&folder).unwrap();
            let values = [
                ("@ADDRESS@", format!("127.0.0.1:{port}")),
                ("@SCHEDULER@", format!("http://{address}")),
                ("@SERVER_TOKEN@", "another".to_owned()),
                ("@FOLDER@", folder.display().to_string()),
                ("@BWRAP@", self.bubblewrap.display().to_string()),
            ];
            let values: Vec<(&str, &str)> =
                values.iter().map(|(key, value)| (*key, value.as_str())).collect();
            self.start("server", &format!("server{number}"), port, &values)
        };
        let servers: Vec<Running> = (0..servers).map(server).collect();
        let known = || fs::read_to_string(self.path().join("scheduler.log")).unwrap();
        let started = Instant::now();
        while known().matches("Registered new server").count() < servers.len() {
            assert!(started.elapsed() < Duration::from_secs(60), "{}", known());
            std::thread::sleep(Duration::from_millis(50));
        }
        Started { scheduler, servers }
    }

    fn named(&self, port: u16, token: &str) -> Cluster {
        let address: Address = format!("sccache-dist=http://127.0.0.1:{port}").parse().unwrap();
        Cluster::new(&address, token).unwrap()
    }

    /// The first server, with the real shim and its own folder of objects.
    fn server(&self, local: &str) -> Server {
        let settings = Settings {
            program: &self.toolchain.sccache,
            local: &self.path().join(local),
            out: &self.out(),
            precompile: true,
            choice: &Choice::default(),
        };
        let server = Server::start(&settings).unwrap();
        // This program is the tool's tests, not the tool.
        let shim = self.out().join(pch::shim::FOLDER).join("shim");
        fs::remove_file(&shim).unwrap();
        fs::copy(&self.tool, &shim).unwrap();
        server
    }

    /// Compiles twelve sources, six at once, and calls `after` with the number of those that are done.
    fn compile(
        &self,
        server: Option<&Server>,
        dispatcher: Option<&Dispatcher>,
        after: impl Fn(usize) + Sync,
    ) -> BTreeMap<String, Vec<u8>> {
        let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let work = || {
            let mut objects = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::SeqCst);
                if number >= 12 {
                    return objects;
                }
                objects.push(self.compile_one(number, server, dispatcher));
                after(done.fetch_add(1, Ordering::SeqCst) + 1);
            }
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..6).map(|_| scope.spawn(work)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        })
    }

    fn compile_one(
        &self,
        number: usize,
        server: Option<&Server>,
        dispatcher: Option<&Dispatcher>,
    ) -> (String, Vec<u8>) {
        let (name, object) = (format!("source{number}.cc"), format!("obj/source{number}.o"));
        // The name of the file, and a compiler's own header, stand in what travels.
        let text = format!(
            "#include <stdarg.h>\n#define PLACE __FILE__\nnamespace {{ template <int N> struct Sum {{ static constexpr int value \
             = N + Sum<N - 1>::value; }}; template <> struct Sum<0> {{ static constexpr int value = {number}; }}; }}\n\
             const char *place{number}(va_list) {{ return Sum<{}>::value > 0 ? PLACE : nullptr; }}\n",
            800 + number
        );
        fs::write(self.out().join(&name), text).unwrap();
        let compiler = self.toolchain.clangxx();
        let mut command =
            process::command(if server.is_some() { &self.toolchain.sccache } else { &compiler });
        if let Some(server) = server {
            server.prepare(&mut command);
            command.envs(dispatcher.map(Dispatcher::variable)).arg(&compiler);
        }
        command.args(["-O2", "-Wall", "-Werror", "-MMD", "-MF"]).arg(format!("{object}.d"));
        process::read(command.args(["-c", &name, "-o", &object]).current_dir(self.out())).unwrap();
        let bytes = fs::read(self.out().join(&object)).unwrap();
        fs::remove_file(self.out().join(&object)).unwrap();
        assert!(
            server.is_none() || self.out().join(format!("{object}.d")).is_file(),
            "ninja's list of headers"
        );
        (object, bytes)
    }

    /// A whole build with a cluster.
    fn distributed(&self, local: &str, port: u16, after: impl Fn(usize) + Sync) -> (Report, Cached) {
        let server = self.server(local);
        let cluster = self.named(port, TOKEN);
        let dispatcher =
            Dispatcher::start(&cluster, &self.toolchain, &self.path().join(local), &self.out()).unwrap();
        assert!(dispatcher.processors > 0);
        let objects = self.compile(Some(&server), Some(&dispatcher), after);
        assert_eq!(objects, self.compile(None, None, |_| ()), "objects are those of a compiler here");
        let mut command = process::command("env");
        server.prepare(&mut command);
        let environment = process::read(command.envs([dispatcher.variable()])).unwrap();
        assert!(environment.contains("LIBV8_DISTRIBUTE=") && !environment.contains(TOKEN), "{environment}");
        let (cached, report) = (server.finish(), dispatcher.finish());
        let mut files = vec![self.out()];
        while let Some(path) = files.pop() {
            if path.is_dir() {
                files.extend(fs::read_dir(path).unwrap().flatten().map(|entry| entry.path()));
            } else if !path.ends_with("pch/shim") {
                let text = fs::read(&path).unwrap();
                assert!(memchr::memmem::find(&text, TOKEN.as_bytes()).is_none(), "{}", path.display());
            }
        }
        (report, cached)
    }
}

fn sum(report: &Report) -> u64 {
    report.servers.values().sum()
}

#[test]
fn real_cluster_makes_the_objects_of_this_machine_for_the_caches_of_this_machine() {
    let Some(machine) = Machine::new() else { return };
    let cluster = machine.cluster(2);
    let (report, cached) = machine.distributed("one", cluster.scheduler.port, |_| ());
    assert_eq!((sum(&report), report.servers.len(), report.returned), (12, 2, 0), "{report:?}");
    assert_eq!((cached.counts.hits, cached.counts.misses), (0, 12), "{cached:?}");

    // Without a cluster, out of the same folder.
    let server = machine.server("one");
    machine.compile(Some(&server), None, |_| ());
    let counts = server.finish().counts;
    assert_eq!((counts.hits, counts.misses), (12, 0), "what the cluster compiled is there for everybody");

    // And the other way round.
    let server = machine.server("two");
    machine.compile(Some(&server), None, |_| ());
    server.finish();
    let (report, cached) = machine.distributed("two", cluster.scheduler.port, |_| ());
    assert_eq!((sum(&report), cached.counts.hits), (0, 12), "nothing is sent that is in a cache: {report:?}");
}

#[test]
fn real_cluster_whose_server_and_scheduler_die_in_the_middle_costs_no_object() {
    let Some(machine) = Machine::new() else { return };
    let mut cluster = machine.cluster(2);
    let port = cluster.scheduler.port;
    let servers = std::sync::Mutex::new(&mut cluster.servers);
    let (report, _) = machine.distributed("one", port, |done| {
        if done == 3 {
            servers.lock().unwrap()[0].kill();
        }
    });
    assert_eq!(sum(&report) + report.returned, 12, "{report:?}");
    assert!(sum(&report) >= 3, "{report:?}");

    let scheduler = std::sync::Mutex::new(&mut cluster.scheduler);
    let (report, cached) = machine.distributed("two", port, |done| {
        if done == 3 {
            scheduler.lock().unwrap().kill();
        }
    });
    assert_eq!(sum(&report) + report.returned, 12, "{report:?}");
    assert!(report.returned >= 1 && cached.counts.misses == 12, "{report:?} {cached:?}");
}

#[test]
fn real_cluster_that_cannot_be_used_is_not_used() {
    let Some(machine) = Machine::new() else { return };
    let _server = machine.server("one");
    let start = |port: u16, token: &str| {
        let cluster = machine.named(port, token);
        Dispatcher::start(&cluster, &machine.toolchain, &machine.path().join("one"), &machine.out())
            .err()
            .expect("it cannot")
    };
    assert_eq!(start(free_port(), TOKEN), "the scheduler cannot be reached");
    let cluster = machine.cluster(0);
    assert_eq!(start(cluster.scheduler.port, TOKEN), "it has no server");
    drop(cluster);
    let cluster = machine.cluster(1);
    let why = start(cluster.scheduler.port, "wrong");
    assert!(why.starts_with("a first compile failed: ") && why.contains("401"), "{why}");
    let mut own = machine.toolchain.clone();
    own.entries.push(Entry { name: "clang".into(), version: String::new(), sha256: None });
    let good = machine.named(cluster.scheduler.port, TOKEN);
    let refused = Dispatcher::start(&good, &own, &machine.path().join("one"), &machine.out()).err().unwrap();
    assert!(refused.contains("--clang"), "{refused}");
}
