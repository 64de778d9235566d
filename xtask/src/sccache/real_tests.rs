//! sccache as it is, against redis, S3 and WebDAV servers as they are: reached, written, hit, dead, hung, poisoned.
//!
//! `cargo xtask test` says where sccache is and where servers may be fetched to; without that nothing is tested here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::real_servers::Servers;
use super::*;
use crate::env;

/// A machine with a local folder, and a build with some sources in C.
struct Machine {
    folder: tempfile::TempDir,
    program: PathBuf,
    servers: &'static Servers,
}

/// What a build has brought.
struct Built {
    report: Report,
    objects: BTreeMap<String, Vec<u8>>,
    log: String,
    time: Duration,
}

const PASSWORD: &str = "s3cret-of-the-test";

impl Machine {
    /// Nothing if the tests are not to run.
    fn new() -> Option<Machine> {
        let (Some(program), Some(servers)) = (env::test_sccache(), env::test_servers()) else {
            eprintln!(
                "NOT TESTED: LIBV8_TEST_SCCACHE and LIBV8_TEST_SERVERS are not set, as cargo xtask test does"
            );
            return None;
        };
        let servers = Servers::in_folder(&servers);
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("tree/out/x")).unwrap();
        Some(Machine { folder, program, servers })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn forget(&self) {
        crate::paths::remove_folder(&self.path().join("local")).unwrap();
    }

    fn start(&self, store: &str, mode: Mode) -> Server {
        let choice = Choice { store: caches::parse_store(store).unwrap(), mode };
        let settings = Settings {
            program: &self.program,
            local: &self.path().join("local"),
            out: &self.path().join("tree/out/x"),
            precompile: false,
            choice: &choice,
        };
        Server::start(&settings).unwrap()
    }

    /// Compiles these sources behind sccache, or without it, two at once.
    fn compile(&self, server: Option<&Server>, names: &[&str]) -> BTreeMap<String, Vec<u8>> {
        let out = self.path().join("tree/out/x");
        let one = |name: &str| {
            let source = out.join(format!("{name}.c"));
            std::fs::write(&source, format!("int {name}(int x) {{ return x * {}; }}\n", name.len())).unwrap();
            let object = out.join(format!("{name}.o"));
            let mut command = match server {
                Some(_) => process::command(&self.program),
                None => process::command("cc"),
            };
            if let Some(server) = server {
                server.prepare(&mut command);
                command.arg("cc");
            }
            let name_c = format!("{name}.c");
            command.args(["-c", &name_c, "-o", &format!("{name}.o")]).current_dir(&out);
            process::read(&mut command).unwrap();
            let bytes = std::fs::read(&object).unwrap();
            std::fs::remove_file(&object).unwrap();
            (name.to_owned(), bytes)
        };
        let halves = names.split_at(names.len() / 2);
        std::thread::scope(|scope| {
            let first = scope.spawn(|| halves.0.iter().map(|name| one(name)).collect::<Vec<_>>());
            let second: Vec<_> = halves.1.iter().map(|name| one(name)).collect();
            first.join().unwrap().into_iter().chain(second).collect()
        })
    }

    /// A whole build; `during` is called between its two halves.
    fn build(&self, store: &str, mode: Mode, during: impl FnOnce()) -> Built {
        let started = Instant::now();
        let server = self.start(store, mode);
        let mut objects = self.compile(Some(&server), &["one", "three"]);
        during();
        objects.extend(self.compile(Some(&server), &["fifteen", "eighteen"]));
        let report = server.finish();
        let log = std::fs::read_to_string(self.path().join("tree/out/x/sccache.log")).unwrap();
        assert_eq!(objects, self.compile(None, &["one", "three", "fifteen", "eighteen"]), "objects are cc's");
        Built { report, objects, log, time: started.elapsed() }
    }

    /// Written by one machine, and hit by another, which knows neither.
    fn is_shared_through(&self, store: &str) {
        let first = self.build(store, Mode::ReadWrite, || {}).report;
        assert_eq!(first.lost_store, None, "{store}");
        let counts = &first.counts;
        assert_eq!((counts.hits, counts.misses, counts.store_writes), (0, 4, 4), "{store}: {first:?}");
        self.forget();
        let second = self.build(store, Mode::ReadWrite, || {}).report;
        assert_eq!((second.counts.hits, second.counts.store_hits), (4, 4), "{store}: {second:?}");
        // What came from the store is local from now on.
        let third = self.build(store, Mode::ReadWrite, || {}).report;
        assert_eq!((third.counts.hits, third.counts.store_hits), (4, 0), "{store}: {third:?}");
        assert!(third.local_bytes_before > 0 && !third.lost_server, "{third:?}");
    }
}

#[test]
fn real_redis_is_reached_written_and_hit_and_its_password_stands_nowhere() {
    let Some(machine) = Machine::new() else { return };
    let redis = machine.servers.redis(PASSWORD, machine.path());
    let store = format!("redis://:{PASSWORD}@127.0.0.1:{}/2?prefix=v8", redis.port);
    machine.is_shared_through(&store);
    let keys = machine.servers.redis_cli(&redis, PASSWORD, &["-n", "2", "keys", "*"]);
    assert!(keys.lines().all(|key| key.contains("v8")) && keys.lines().count() == 5, "{keys}");

    // Untrusted: takes, and writes neither there nor here.
    machine.servers.redis_cli(&redis, PASSWORD, &["-n", "2", "flushdb"]);
    let built = machine.build(&store, Mode::ReadOnly, || {});
    assert_eq!(built.report.counts.hits, 4, "from the local folder");
    machine.forget();
    let built = machine.build(&store, Mode::ReadOnly, || {});
    assert_eq!((built.report.counts.hits, built.report.counts.misses), (0, 4));
    assert_eq!(machine.servers.redis_cli(&redis, PASSWORD, &["-n", "2", "keys", "*"]).trim(), "");
    assert_eq!(machine.build(&store, Mode::ReadOnly, || {}).report.counts.hits, 0, "nothing was kept");

    let server = machine.start(&store, Mode::ReadWrite);
    let mut command = process::command("env");
    server.prepare(&mut command);
    let environment = process::read(&mut command).unwrap();
    drop(server);
    let said = format!("{environment} {} {:?}", built.log, built.report);
    assert!(environment.contains("SCCACHE_DIR=") && !said.contains(PASSWORD), "{said}");
}

#[test]
fn real_s3_is_reached_written_and_hit() {
    let Some(machine) = Machine::new() else { return };
    let s3 = machine.servers.s3(machine.path());
    // The credentials are those of AWS_ACCESS_KEY_ID, which `cargo xtask test` sets: any do.
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", s3.port)).unwrap();
    stream.write_all(b"PUT /v8-objects HTTP/1.0\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.lines().next().unwrap().contains(" 200 "), "{answer}");
    let store = format!("s3://v8-objects/a/b?endpoint=http://127.0.0.1:{}&region=us-east-1", s3.port);
    machine.is_shared_through(&store);
}

#[test]
fn real_webdav_is_reached_written_and_hit() {
    let Some(machine) = Machine::new() else { return };
    let webdav = machine.servers.webdav("me", PASSWORD, machine.path());
    machine.is_shared_through(&format!("webdav://me:{PASSWORD}@127.0.0.1:{}/objects/v8", webdav.port));
    assert!(machine.path().join("webdav/objects/v8").is_dir());
}

#[test]
fn real_folder_in_place_of_the_local_one() {
    let Some(machine) = Machine::new() else { return };
    let store = format!("file://{}", machine.path().join("shared").display());
    assert_eq!(machine.build(&store, Mode::ReadWrite, || {}).report.counts.misses, 4);
    machine.forget();
    assert_eq!(machine.build(&store, Mode::ReadWrite, || {}).report.counts.hits, 4);
}

#[test]
fn real_folder_of_other_things_is_left_alone() {
    let Some(machine) = Machine::new() else { return };
    let folder = machine.path().join("papers");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("thesis"), "kept").unwrap();
    let built = machine.build(&format!("file://{}", folder.display()), Mode::ReadWrite, || {});
    assert!(built.report.lost_store.unwrap().contains("thesis"));
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
}

#[test]
fn f53_real_redis_that_is_down_or_refuses_costs_seconds() {
    let Some(machine) = Machine::new() else { return };
    let mut redis = machine.servers.redis(PASSWORD, machine.path());
    let wrong = machine.build(&format!("redis://:wrong@127.0.0.1:{}", redis.port), Mode::ReadWrite, || {});
    let why = wrong.report.lost_store.unwrap();
    assert!(wrong.report.counts.misses == 4 && !why.is_empty(), "{why}");
    redis.kill();
    machine.forget();
    let store = format!("redis://:{PASSWORD}@127.0.0.1:{}", redis.port);
    let down = machine.build(&store, Mode::ReadWrite, || {});
    assert!(down.report.lost_store.unwrap().contains("refused"), "{}", down.log);
    assert_eq!(down.report.counts.misses, 4);
    assert!(down.time < Duration::from_secs(30), "{:?}", down.time);
    let again = machine.build(&store, Mode::ReadWrite, || {});
    assert_eq!((again.report.counts.hits, again.report.lost_server), (4, false), "the local folder serves");
}

#[test]
fn f53_real_redis_that_dies_in_the_middle_costs_seconds() {
    let Some(machine) = Machine::new() else { return };
    let mut redis = machine.servers.redis(PASSWORD, machine.path());
    let store = format!("redis://:{PASSWORD}@127.0.0.1:{}", redis.port);
    let built = machine.build(&store, Mode::ReadWrite, || redis.kill());
    assert!(built.report.lost_store.is_some() && !built.report.lost_server, "{:?}", built.report);
    assert_eq!(built.objects.len(), 4);
    assert!(built.time < Duration::from_secs(60), "{:?}", built.time);
}

#[test]
fn f53_real_redis_that_hangs_in_the_middle_costs_seconds() {
    let Some(machine) = Machine::new() else { return };
    let redis = machine.servers.redis(PASSWORD, machine.path());
    let store = format!("redis://:{PASSWORD}@127.0.0.1:{}", redis.port);
    let built = machine.build(&store, Mode::ReadWrite, || redis.freeze());
    assert!(built.report.lost_store.is_some() && !built.report.lost_server, "{:?}", built.report);
    assert!(built.time < Duration::from_secs(90), "{:?}", built.time);
}

#[test]
fn f53_real_server_that_dies_in_the_middle_is_missed_by_nobody() {
    let Some(machine) = Machine::new() else { return };
    let server =
        machine.start(&format!("file://{}", machine.path().join("shared").display()), Mode::ReadWrite);
    machine.compile(Some(&server), &["one"]);
    assert_eq!(server.counts().misses, 1);
    // Ours is killed; a client starts another, with the local folder.
    let id = server.shared.state().process.as_ref().unwrap().id().to_string();
    process::read(process::command("kill").args(["-9", &id])).unwrap();
    // One after the other: two clients at once would start two, and only the later one is asked.
    let mut objects = machine.compile(Some(&server), &["one"]);
    objects.extend(machine.compile(Some(&server), &["three"]));
    assert_eq!(objects, machine.compile(None, &["one", "three"]));
    let report = server.finish();
    assert!(report.lost_server && (report.counts.hits, report.counts.misses) == (0, 3), "{report:?}");
}

/// What no cache notices: an entry that is whole, under the key of another. Linking and running tells.
#[test]
fn f53_real_entries_of_two_sources_that_have_been_swapped_are_hits_and_do_not_link() {
    let Some(machine) = Machine::new() else { return };
    let folder = machine.path().join("shared");
    let store = format!("file://{}", folder.display());
    let build = || {
        let server = machine.start(&store, Mode::ReadWrite);
        let objects = machine.compile(Some(&server), &["one", "three"]);
        (objects, server.finish().counts.hits)
    };
    let (good, _) = build();
    let mut entries = crate::paths::all_files(&folder).unwrap();
    // Its own notes have shorter names.
    entries.retain(|path| path.file_name().unwrap().len() >= 32);
    let [first, second] = entries.as_slice() else { panic!("{entries:?}") };
    let other = machine.path().join("other");
    for (from, to) in [(first, &other), (second, first), (&other, second)] {
        std::fs::rename(from, to).unwrap();
    }
    let (swapped, hits) = build();
    assert_eq!((hits, &swapped["one"], &swapped["three"]), (2, &good["three"], &good["one"]));

    let run = |object: &[u8]| {
        std::fs::write(machine.path().join("object.o"), object).unwrap();
        let main = "int one(int); int main(void) { return one(2) != 6; }\n";
        std::fs::write(machine.path().join("main.c"), main).unwrap();
        let mut link = process::command("cc");
        link.args(["main.c", "object.o", "-o", "main"]).current_dir(machine.path());
        process::read(&mut link)
            .and_then(|_| process::read(&mut process::command(machine.path().join("main"))))
    };
    run(&good["one"]).unwrap();
    assert!(run(&swapped["one"]).is_err());
}

#[test]
fn f53_real_poison_in_every_entry_costs_compiles_and_no_object() {
    let Some(machine) = Machine::new() else { return };
    let redis = machine.servers.redis(PASSWORD, machine.path());
    let store = format!("redis://:{PASSWORD}@127.0.0.1:{}", redis.port);
    machine.build(&store, Mode::ReadWrite, || {});
    let keys = machine.servers.redis_cli(&redis, PASSWORD, &["keys", "*"]);
    for key in keys.lines() {
        machine.servers.redis_cli(
            &redis,
            PASSWORD,
            &["set", key, "PK\u{3}\u{4} no archive, though it begins as one"],
        );
    }
    let mut entries = vec![machine.path().join("local")];
    while let Some(path) = entries.pop() {
        if path.is_dir() {
            entries.extend(std::fs::read_dir(path).unwrap().flatten().map(|entry| entry.path()));
        } else {
            std::fs::write(path, [7; 600]).unwrap();
        }
    }
    let poisoned = machine.build(&store, Mode::ReadWrite, || {}).report;
    assert_eq!((poisoned.counts.hits, poisoned.counts.misses), (0, 4), "{poisoned:?}");
    // The bad entries have been replaced, here and there.
    machine.forget();
    assert_eq!(machine.build(&store, Mode::ReadWrite, || {}).report.counts.store_hits, 4);
}
