//! A publisher for tests: archives without fault, a key, a cache, and a store that several may share.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use v8_archive::index::{Index, Trust, TrustedKey};
use v8_archive::{Lock, Sha256};

use crate::sample::{Sample, TARGET};

/// The version in the name of every archive and release.
pub const V8: &str = include_str!("../../../crates/libv8/V8_VERSION");

/// A publisher: archives, a key, a cache; and a store that several of them may share.
pub struct World {
    pub folder: tempfile::TempDir,
    pub store: PathBuf,
}

/// A release of both variants of one target: ten files, the index and its signature.
pub const BOTH: [&str; 2] = ["--target", TARGET];
pub const FILES: usize = 12;

impl World {
    pub fn new() -> World {
        let folder = tempfile::Builder::new().prefix("libv8 publish ").tempdir().unwrap();
        let store = folder.path().join("the store");
        let world = World { folder, store };
        world.archive("lite", "1");
        world.archive("release", "1");
        let out = world.run_with(&["publish", "--new-key", &world.path("key")], &[]);
        assert!(out.status.success(), "{}", said(&out));
        world
    }

    /// Another publisher with the same key and the same store.
    pub fn another(&self) -> World {
        let world = World { store: self.store.clone(), ..World::new() };
        for name in ["key", "key.pub"] {
            fs::copy(self.path(name), world.path(name)).unwrap();
        }
        world
    }

    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Makes an archive without fault; another text is other bytes.
    pub fn archive(&self, variant: &str, text: &str) {
        let mut sample = Sample::good();
        let version = V8.trim();
        sample.descriptor.v8_version = version.to_owned();
        sample.descriptor.variant = variant.to_owned();
        sample.descriptor.name = format!("libv8-{version}-{TARGET}-{variant}");
        sample.files.insert("include/made.h", text.as_bytes().to_vec());
        let made = sample.pack(&self.folder.path().join("made"));
        fs::create_dir_all(self.path("archives")).unwrap();
        fs::rename(&made, Path::new(&self.path("archives")).join(made.file_name().unwrap())).unwrap();
        fs::remove_dir_all(self.path("made")).unwrap();
    }

    pub fn command(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(arguments).current_dir(self.folder.path()).env_clear();
        command.env("LIBV8_CACHE_DIR", self.path("cache")).envs(environment.iter().copied());
        command
    }

    pub fn run_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
        self.command(arguments, environment).output().unwrap()
    }

    pub fn publishing(&self, more: &[&str]) -> Command {
        let (to, from) = (format!("dir:{}", self.store.display()), self.path("archives"));
        let mut arguments = vec!["publish", "--to", &to, "--from", &from];
        arguments.extend(more);
        self.command(&arguments, &[("LIBV8_SIGNING_KEY_FILE", &self.path("key"))])
    }

    pub fn publish(&self, more: &[&str]) -> Output {
        self.publishing(&[&BOTH, more].concat()).output().unwrap()
    }

    /// Publishes, and gives the name of the release and what was said.
    pub fn published(&self, more: &[&str]) -> (String, String) {
        let out = self.publish(more);
        assert!(out.status.success(), "{}", said(&out));
        (String::from_utf8_lossy(&out.stdout).trim().to_owned(), said(&out))
    }

    /// Publishes in vain.
    pub fn refused(&self, more: &[&str], status: i32, expected: &[&str]) -> String {
        let out = self.publish(more);
        let said = said(&out);
        assert_eq!(out.status.code(), Some(status), "{said}");
        expected.iter().for_each(|part| assert!(said.contains(part), "{part:?} is missing:\n{said}"));
        said
    }

    pub fn lock_with(&self, more: &[&str]) -> Output {
        let (from, key, file) =
            (format!("dir:{}", self.store.display()), self.path("key.pub"), self.path("lock.toml"));
        let mut arguments = vec!["lock", "--file", &file, "--from", &from];
        if !more.contains(&"--key") {
            arguments.extend(["--key", &key]);
        }
        arguments.extend(more);
        self.run_with(&arguments, &[])
    }

    pub fn lock(&self) -> Lock {
        let out = self.lock_with(&[]);
        assert!(out.status.success(), "{}", said(&out));
        Lock::parse(&fs::read_to_string(self.path("lock.toml")).unwrap(), "lock.toml").unwrap()
    }

    pub fn in_store(&self, release: &str, name: &str) -> PathBuf {
        self.store.join(release).join(name)
    }

    /// Names of a release's files, what a killed process has left included.
    pub fn names(&self, release: &str) -> Vec<String> {
        let entries = fs::read_dir(self.store.join(release)).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.map(|it| it.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// The newest release, of which every file is what the signed index says; `None` if there is none.
    pub fn newest(&self) -> Option<Index> {
        let pointer = fs::read_to_string(self.store.join("latest.json")).ok()?;
        let pointer: serde_json::Value = serde_json::from_str(&pointer).unwrap();
        let release = pointer["release"].as_str().unwrap();
        let read = |name: &str| fs::read_to_string(self.in_store(release, name)).unwrap();
        let (json, signature) = (read("index.json"), read("index.json.minisig"));
        assert_eq!(pointer["index_sha256"], Sha256::of_bytes(json.as_bytes()).to_string());
        let keys =
            TrustedKey::parse_all(&fs::read_to_string(self.path("key.pub")).unwrap(), "key.pub").unwrap();
        let trust = Trust { keys: &keys, now: None, seen: None };
        let index = Index::verified(json.as_bytes(), &signature, &trust, "index.json").unwrap();
        assert_eq!((index.release.as_str(), index.number), (release, pointer["number"].as_u64().unwrap()));
        let archives = index.archives.iter().map(|it| (&it.name, it.size_bytes, it.sha256));
        let files = index.files.iter().map(|it| (&it.name, it.size_bytes, it.sha256));
        let mut names = vec!["index.json".to_owned(), "index.json.minisig".to_owned()];
        for (name, size_bytes, sha256) in archives.chain(files) {
            let there = Sha256::of_file(&self.in_store(release, name)).unwrap();
            assert_eq!((there.size_bytes, there.sha256), (size_bytes, sha256), "{name}");
            names.push(name.clone());
        }
        names.sort();
        assert_eq!(self.names(release), names, "nothing else is there");
        Some(index)
    }
}

pub fn said(out: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
}

pub fn release(revision: u32) -> String {
    format!("{}-{revision}", V8.trim())
}

/// Runs a command and kills it, as `kill -9` does, when it has said `count` lines that begin with `[`, those of `verify`
/// aside. Gives whether it was killed before its end.
pub fn kill_after(mut command: Command, count: usize) -> bool {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let mut steps = lines.filter(|line| line.starts_with('[') && !line.contains("] verify "));
    let is_alive = steps.nth(count.wrapping_sub(1)).is_some();
    child.kill().unwrap();
    let status = child.wait().unwrap();
    is_alive && !status.success()
}
