//! A release of real archives, the whole way: put into a folder, a bucket and a registry by the tool itself, killed on the
//! way, locked, and consumed by a fresh project, which cargo builds and whose program runs JavaScript.
//!
//! `cargo xtask test` says where archives and servers are, and has built the tool; without that nothing is tested here.

mod traced;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use v8_archive::{ArchiveName, Lock};

use crate::sccache::real_servers::{Running, Servers};
use crate::toolchain::testing::Folder;
use crate::{env, paths, process, verify};

/// JavaScript, and what it is.
const SOURCE: &str = "[1, 2, 3].map(x => x * 14).at(-1) * 100 + 'κόσμε'.length";
const VALUE: &str = "4205\n";

/// Archives, a key, and the tool that publishes.
struct Publisher {
    folder: Folder,
    /// This machine's archive.
    own: ArchiveName,
    archives: Vec<ArchiveName>,
}

/// Where to publish, and what the tool is told of it.
struct Shop {
    address: String,
    environment: Vec<(&'static str, String)>,
}

/// A project that depends on a copy of this repository's crates.
struct Project {
    folder: PathBuf,
    target: PathBuf,
    own: ArchiveName,
}

impl Publisher {
    /// With `own` and all archives of the same V8 beside it that are without fault.
    fn new(own: &Path) -> Publisher {
        let folder = Folder::new();
        let from = folder.path().join("archives");
        fs::create_dir(&from).unwrap();
        let name = |path: &Path| -> Option<ArchiveName> { path.file_name()?.to_str()?.parse().ok() };
        let own_name = name(own).unwrap();
        let mut archives = Vec::new();
        for entry in fs::read_dir(own.parent().unwrap()).unwrap().flatten() {
            let Some(it) = name(&entry.path()) else { continue };
            if it.v8_version() != own_name.v8_version() || it.format() != own_name.format() {
                continue;
            }
            let faults = verify::check(&entry.path()).unwrap().faults;
            if faults.is_empty() {
                fs::copy(entry.path(), from.join(it.to_string())).unwrap();
                archives.push(it);
            } else {
                // One of another target may be of an older tool.
                eprintln!("left out, since it has {} faults: {it}", faults.len());
                assert_ne!(it, own_name, "{faults:?}");
            }
        }
        archives.sort_by_key(ToString::to_string);
        eprintln!("published are {}", archives.iter().map(ArchiveName::stem).collect::<Vec<_>>().join(", "));
        let publisher = Publisher { folder, own: own_name, archives };
        let key = publisher.path("key");
        good(&mut publisher.tool(&["publish", "--new-key", &key], &[]));
        publisher
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// The tool as a user has it: in its own process, with nothing else in the environment.
    fn tool(&self, words: &[&str], environment: &[(&str, String)]) -> Command {
        let tests = std::env::current_exe().unwrap();
        let profile = tests.parent().and_then(Path::parent).unwrap();
        let mut command = process::command(profile.join(format!("xtask{}", std::env::consts::EXE_SUFFIX)));
        command.args(words).env_clear().current_dir(self.folder.path());
        command.env("LIBV8_CACHE_DIR", self.path("cache"));
        command.env("LIBV8_SIGNING_KEY_FILE", self.path("key"));
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// All archives; a cell that none is of is declared absent.
    fn publish(&self, shop: &Shop) -> Command {
        let mut words = ["publish", "--to", &shop.address, "--from"].map(str::to_owned).to_vec();
        words.push(self.path("archives"));
        let mut of = |flag: &str, values: Vec<&str>| -> Vec<String> {
            let values: std::collections::BTreeSet<&str> = values.into_iter().collect();
            words.extend(values.iter().flat_map(|value| [flag, *value]).map(str::to_owned));
            values.into_iter().map(str::to_owned).collect()
        };
        let targets = of("--target", self.archives.iter().map(ArchiveName::target).collect());
        let variants = of("--variant", self.archives.iter().map(ArchiveName::variant).collect());
        for target in &targets {
            for variant in &variants {
                if !self.archives.iter().any(|it| it.target() == target && it.variant() == variant) {
                    words.extend(["--absent".to_owned(), format!("{target}:{variant}=not on this machine")]);
                }
            }
        }
        self.tool(&words.iter().map(String::as_str).collect::<Vec<_>>(), &shop.environment)
    }

    fn lock(&self, shop: &Shop, file: &Path) -> Command {
        let (file, key) = (file.display().to_string(), self.path("key.pub"));
        self.tool(&["lock", "--from", &shop.address, "--key", &key, "--file", &file], &shop.environment)
    }
}

impl Project {
    /// In a place that stays, so that dependencies are compiled once. `None` as `lock`: with the crate's own.
    fn new(own: &ArchiveName) -> (Project, fs::File) {
        let tests = std::env::current_exe().unwrap();
        let root = tests.ancestors().nth(3).unwrap().join("tmp/a fresh project");
        fs::create_dir_all(&root).unwrap();
        let lock = fs::File::create(root.join("lock")).unwrap();
        lock.lock().unwrap();
        let folder = root.join("project");
        paths::remove_folder(&folder).unwrap();
        let project = Project { target: root.join("target"), folder, own: own.clone() };
        // The crates as somebody has them who has no checkout: without artifacts and targets.toml.
        let repository = paths::repository();
        for part in ["crates/libv8/build", "crates/libv8/src", "crates/v8-archive/src"] {
            copy(&repository.join(part), &project.path("vendor").join(part));
        }
        for name in ["Cargo.toml", "README.md", "V8_VERSION", "prebuilt.toml"] {
            let from = repository.join("crates/libv8").join(name);
            fs::copy(from, project.path("vendor/crates/libv8").join(name)).unwrap();
        }
        for name in ["Cargo.toml", "README.md"] {
            let from = repository.join("crates/v8-archive").join(name);
            fs::copy(from, project.path("vendor/crates/v8-archive").join(name)).unwrap();
        }
        let manifest = fs::read_to_string(repository.join("Cargo.toml")).unwrap();
        let members = r#"members = ["xtask", "#;
        assert!(manifest.contains(members), "{manifest}");
        fs::write(project.path("vendor/Cargo.toml"), manifest.replace(members, "members = [")).unwrap();
        fs::create_dir_all(project.path("fresh/src")).unwrap();
        let manifest = "[package]\nname = \"fresh\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n\
                        [dependencies]\nlibv8 = { path = \"../vendor/crates/libv8\" }\n\n[workspace]\n";
        fs::write(project.path("fresh/Cargo.toml"), manifest).unwrap();
        fs::copy(repository.join("crates/libv8/examples/eval.rs"), project.path("fresh/src/main.rs"))
            .unwrap();
        // The versions that are on this machine.
        fs::copy(repository.join("Cargo.lock"), project.path("fresh/Cargo.lock")).unwrap();
        (project, lock)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn prebuilt(&self) -> PathBuf {
        self.path("vendor/crates/libv8/prebuilt.toml")
    }

    /// `cargo run`, with an empty cache.
    fn run(&self, environment: &[(&str, &str)]) -> Command {
        self.run_by(process::command(env::cargo()), environment)
    }

    /// The same by a command that ends in cargo.
    fn run_by(&self, mut command: Command, environment: &[(&str, &str)]) -> Command {
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            let is_of_the_outer_run = name.starts_with("CARGO_") && name != "CARGO_HOME";
            let is_of_the_network =
                name.to_ascii_lowercase().ends_with("_proxy") || name.starts_with("SSL_CERT");
            if is_of_the_outer_run || is_of_the_network || name.starts_with("LIBV8_") {
                command.env_remove(name);
            }
        }
        let cache = self.path("cache");
        paths::remove_folder(&cache).unwrap();
        command.args(["run", "--offline", "--target", self.own.target(), "--target-dir"]).arg(&self.target);
        command.args(["--", SOURCE]).current_dir(self.path("fresh")).env("PWD", self.path("fresh"));
        command.env("LIBV8_CACHE_DIR", cache).env("LIBV8_VARIANT", self.own.variant());
        command.envs(environment.iter().copied());
        command
    }

    /// That V8 comes from where the lock says, into an empty cache, and runs.
    #[track_caller]
    fn runs(&self, environment: &[(&str, &str)]) {
        assert_eq!(good(&mut self.run(environment)), VALUE);
        let cached = fs::read_dir(self.path("cache/prebuilt")).unwrap().flatten();
        let is_own = |name: String| name.starts_with(&self.own.stem());
        assert!(cached.map(|it| it.file_name().to_string_lossy().into_owned()).any(is_own));
    }
}

/// What a program that must end well prints.
#[track_caller]
fn good(command: &mut Command) -> String {
    process::read(command).unwrap_or_else(|error| panic!("{error}"))
}

/// Exit status, and all that was said.
fn said(command: &mut Command) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = process::output(command).unwrap();
    (status.code(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), &to).unwrap();
        }
    }
}

/// Kills it, as `kill -9` does, when it has said a line with `moment` in it.
#[track_caller]
fn kill_at(command: &mut Command, moment: &str) {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains(moment)), "it never said {moment:?}");
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success(), "it was killed after {moment:?}");
}

/// Killed in the middle and before its end, it is nothing to anybody; the same command completes it, and what is pinned is it.
fn f43_f49_killed_completed_and_consumed(publisher: &Publisher, shop: &Shop, project: &Project) {
    for moment in [&format!("put {}-1/{}", publisher.own.v8_version(), publisher.own), "/index.json"] {
        kill_at(&mut publisher.publish(shop), moment);
        let file = publisher.folder.path().join("none.toml");
        let (status, text) = said(&mut publisher.lock(shop, &file));
        assert!(status == Some(1) && text.contains("has no release") && !file.exists(), "{text}");
    }
    let release = good(&mut publisher.publish(shop));
    assert_eq!(release, format!("{}-1\n", publisher.own.v8_version()));
    let (status, text) = said(&mut publisher.publish(shop));
    assert!(status == Some(0) && text.contains("nothing to do"), "{text}");

    let _ = fs::remove_file(project.prebuilt());
    good(&mut publisher.lock(shop, &project.prebuilt()));
    let lock = Lock::parse(&fs::read_to_string(project.prebuilt()).unwrap(), "prebuilt.toml").unwrap();
    let names: Vec<_> = lock.archives.iter().map(|pin| pin.name.to_string()).collect();
    assert_eq!(names, publisher.archives.iter().map(ToString::to_string).collect::<Vec<_>>());
    project.runs(&[]);
    eprintln!("consumed from {}", shop.address);
}

/// Nothing but a copy of the store, and a web server in front of it; then a bit of it is another.
fn from_a_copy_offline_and_over_http(publisher: &Publisher, store: &Path, project: &Project, web: &Running) {
    let moved = publisher.folder.path().join("a copy");
    fs::rename(store, &moved).unwrap();
    let path = moved.display().to_string().replace(' ', "%20");
    project.runs(&[("LIBV8_MIRROR", &format!("file://{path}")), ("LIBV8_OFFLINE", "1")]);
    fs::rename(&moved, store).unwrap();

    let url = format!("http://127.0.0.1:{}/libv8", web.port);
    project.runs(&[("LIBV8_MIRROR", &url)]);

    let archive = store.join(format!("{}-1/{}", publisher.own.v8_version(), publisher.own));
    let bytes = fs::read(&archive).unwrap();
    for place in [0, bytes.len() / 2, bytes.len() - 1] {
        let mut spoiled = bytes.clone();
        spoiled[place] ^= 1;
        fs::write(&archive, spoiled).unwrap();
        let (status, text) = said(&mut project.run(&[("LIBV8_MIRROR", &url)]));
        assert!(status == Some(101) && text.contains("this is not the file"), "byte {place}: {text}");
    }
    fs::write(&archive, bytes).unwrap();
}

/// Beside its cache and `OUT_DIR`, whatever the files' modes would let it do; in a real build by cargo.
fn it_writes_to_its_own_folders_and_starts_nothing(servers: &Servers, project: &Project, url: &str) {
    let logs = project.path("logs");
    fs::create_dir(&logs).unwrap();
    let mut command = servers.strace();
    command.args(traced::ARGUMENTS).arg("-o").arg(logs.join("log")).arg(env::cargo());
    let (status, text) = said(&mut project.run_by(command, &[("LIBV8_MIRROR", url)]));
    if text.contains("Operation not permitted") && text.contains("ptrace") {
        eprintln!("NOT TESTED: what the build script writes, since processes may not be traced here");
        return;
    }
    assert!(status == Some(0) && text.starts_with(VALUE), "{text}");
    let mut allowed = vec![project.path("cache")];
    let builds = project.target.join(project.own.target()).join("debug/build");
    allowed.extend(fs::read_dir(builds).unwrap().flatten().map(|entry| entry.path().join("out")));
    let (count, faults) = traced::check(&logs, "/build-script-main", &allowed);
    assert_eq!(count, 1, "libv8's build script ran once");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    eprintln!("traced: it wrote to its own folders, and started nothing");
}

#[test]
fn f43_f49_a_release_is_killed_completed_and_consumed_from_every_store() {
    let (Some(own), Some(servers)) = (env::test_release(), env::test_servers()) else {
        eprintln!(
            "NOT TESTED: LIBV8_TEST_RELEASE and LIBV8_TEST_SERVERS are not set, as cargo xtask test does"
        );
        return;
    };
    let (publisher, servers) = (Publisher::new(&own), Servers::in_folder(&servers));
    let work = publisher.folder.path();
    let (project, _lock) = Project::new(&publisher.own);

    let store = work.join("store");
    let folder = Shop { address: format!("dir:{}", store.display()), environment: Vec::new() };
    f43_f49_killed_completed_and_consumed(&publisher, &folder, &project);
    let web =
        servers.nginx(&format!("location /libv8/ {{ alias {:?}; }}", format!("{}/", store.display())), work);
    from_a_copy_offline_and_over_http(&publisher, &store, &project, &web);
    let url = format!("http://127.0.0.1:{}/libv8", web.port);
    it_writes_to_its_own_folders_and_starts_nothing(servers, &project, &url);

    let amazon = servers.s3(work);
    make_bucket(&amazon);
    let environment = vec![
        ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", amazon.port)),
        ("AWS_ACCESS_KEY_ID", "AKIAOFTHETEST".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "of-the-test".to_owned()),
    ];
    let bucket = Shop { address: "s3://libv8/a/b".to_owned(), environment };
    f43_f49_killed_completed_and_consumed(&publisher, &bucket, &project);

    let registry = servers.registry(None, work);
    let address = format!("oci://127.0.0.1:{}/team/libv8", registry.port);
    f43_f49_killed_completed_and_consumed(&publisher, &Shop { address, environment: Vec::new() }, &project);
}

/// A bucket that everybody may read, as consumers do; the server takes other requests without a signature too.
fn make_bucket(server: &Running) {
    let policy = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*",
        "Action": "s3:GetObject", "Resource": "arn:aws:s3:::libv8/*"}]}"#;
    for (target, body) in [("/libv8", ""), ("/libv8?policy", policy)] {
        let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
        let length = body.len();
        write!(
            stream,
            "PUT {target} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
    }
}
