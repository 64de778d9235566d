//! `--source depot-tools` from end to end: real repositories, made here, over `file://` and `git daemon`; killed, gone on
//! with, and compared with what gclient makes.

#![cfg(unix)]
#![expect(clippy::disallowed_methods, reason = "starts the tool itself, git, and gclient's own settings")]

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const VERSION_H: &str = "#define V8_MAJOR_VERSION 1\n#define V8_MINOR_VERSION 0\n#define V8_BUILD_NUMBER 0\n#define V8_PATCH_LEVEL 1\n";
const HOST: &str = "https://chromium.googlesource.com";

/// A mirror with V8 and its parts, and a cache, in a folder with a blank in its name as the field has them.
struct World {
    folder: tempfile::TempDir,
    /// The commits of the parts, by place.
    commits: BTreeMap<String, String>,
}

impl World {
    fn new() -> World {
        World::with_objects("")
    }

    /// `entries` are further lines of V8's `deps`.
    fn with_objects(entries: &str) -> World {
        let folder = tempfile::Builder::new().prefix("libv8 depot ").tempdir().unwrap();
        let mut world = World { folder, commits: BTreeMap::new() };
        std::fs::write(
            world.path("gitconfig"),
            "[user]\nname = a\nemail = a@b\n[protocol \"file\"]\nallow = always\n",
        )
        .unwrap();
        let build = "use_relative_paths = True\ndeps = {'inner': Var('url') + '/inner.git@INNER'}\nvars = {'url': 'https://overridden.example'}\n";
        let inner = world.repository("inner.git", "build/inner", &[("inner.txt", "inner\n")]);
        let build = build.replace("INNER", &inner);
        world.repository(
            "build.git",
            "build",
            &[
                ("DEPS", &build),
                ("BUILD.gn", "group\n"),
                ("util/lastchange.py", "#!\n"),
                ("config/a.gni", "a\n"),
            ],
        );
        world.repository(
            "icu.git",
            "third_party/icu",
            &[("common/icudtl.dat", "data"), ("a b ü.txt", "x\n")],
        );
        world.repository("left.git", "test/data", &[("large.bin", "never fetched\n")]);
        let commits = &world.commits;
        let deps = format!(
            "use_relative_paths = True\ngit_dependencies = 'SYNC'\n\
             gclient_gn_args_file = 'build/config/gclient_args.gni'\ngclient_gn_args = ['checkout_src_internal']\n\
             vars = {{'url': '{HOST}', 'checkout_src_internal': False}}\n\
             deps = {{\n  'build': Var('url') + '/build.git@{}',\n  'third_party/icu': '{{url}}/icu.git@{}',\n\
             'test/data': Var('url') + '/left.git@{}',\n{entries}}}\n\
             hooks = [{{'name': 'lastchange', 'action': ['python3', 'build/util/lastchange.py']}}]\n\
             recursedeps = ['build']\n",
            commits["build"], commits["third_party/icu"], commits["test/data"]
        );
        let files = [
            ("DEPS", deps.as_str()),
            ("include/v8-version.h", VERSION_H),
            (".gitattributes", "*.bat text eol=crlf\n*.gn export-subst\nhidden export-ignore\n"),
            ("run.bat", "echo\n"),
            ("hidden", "$Format:%H$\n"),
            ("tools/run.py", "#!\n"),
            ("link", "-> include"),
        ];
        world.repository("v8/v8.git", "v8", &files);
        let v8 = world.path("mirror/v8/v8.git");
        world.git(&v8, &["tag", "-a", "-m", "V8", "1.0.0.1"]);
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn git(&self, folder: &Path, arguments: &[&str]) -> String {
        let mut git = Command::new("git");
        git.arg("-C").arg(folder).args(arguments).env("GIT_CONFIG_GLOBAL", self.path("gitconfig"));
        git.env("GIT_AUTHOR_DATE", "1723023372 +0200").env("GIT_COMMITTER_DATE", "1723023372 +0200");
        let out = git.output().unwrap();
        assert!(out.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap().trim().to_owned()
    }

    /// A repository of the mirror with these files: `-> x` is a link to x, `#!` begins a program. Gives its commit.
    fn repository(&mut self, name: &str, place: &str, files: &[(&str, &str)]) -> String {
        let folder = self.path("mirror").join(name);
        std::fs::create_dir_all(&folder).unwrap();
        self.git(&folder, &["init", "--quiet"]);
        for (path, text) in files {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            match text.strip_prefix("-> ") {
                Some(target) => std::os::unix::fs::symlink(target, &path).unwrap(),
                None => std::fs::write(&path, text).unwrap(),
            }
            if text.starts_with("#!") {
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            }
        }
        self.git(&folder, &["add", "--all"]);
        self.git(&folder, &["commit", "--quiet", "-m", "one\n\nCr-Commit-Position: refs/heads/main@{#7}"]);
        // One that nobody asks for: what is fetched is the named commit, and not the newest.
        let commit = self.git(&folder, &["rev-parse", "HEAD"]);
        if place != "v8" {
            std::fs::write(folder.join("later"), "later\n").unwrap();
            self.git(&folder, &["add", "--all"]);
            self.git(&folder, &["commit", "--quiet", "-m", "two"]);
        }
        self.commits.insert(place.to_owned(), commit.clone());
        commit
    }

    fn file_mirror(&self) -> String {
        format!("git=file://{}", self.path("mirror").display())
    }

    fn command(&self, cache: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(["source", "--source", "depot-tools", "--revision", "1.0.0.1"]).args(arguments);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.folder.path());
        command.env("LIBV8_CACHE_DIR", self.path(cache)).env("GIT_CONFIG_GLOBAL", self.path("gitconfig"));
        command.current_dir(self.folder.path());
        command
    }

    fn run(&self, cache: &str, arguments: &[&str]) -> Output {
        self.command(cache, arguments).output().unwrap()
    }

    /// The tree that a run prints.
    fn tree(&self, cache: &str, arguments: &[&str]) -> PathBuf {
        let out = self.run(cache, arguments);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        PathBuf::from(String::from_utf8(out.stdout).unwrap().trim_end())
    }
}

/// Every file of a folder: its mode, and its bytes or where it leads; without our own and the stamp.
fn contents(root: &Path) -> BTreeMap<String, (u32, String)> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            let metadata = std::fs::symlink_metadata(&path).unwrap();
            if metadata.is_dir() {
                folders.push(path);
            } else if metadata.is_symlink() {
                found.insert(name, (0, std::fs::read_link(&path).unwrap().to_str().unwrap().to_owned()));
            } else if !name.starts_with("libv8/") && name != "libv8-source.json" {
                let text = String::from_utf8(std::fs::read(&path).unwrap()).unwrap();
                found.insert(name, (metadata.mode() & 0o111, text));
            }
        }
    }
    found
}

/// What the tree of this world must hold.
fn expected(world: &World) -> BTreeMap<String, (u32, String)> {
    let deps = std::fs::read_to_string(world.path("mirror/v8/v8.git/DEPS")).unwrap();
    let build = std::fs::read_to_string(world.path("mirror/build.git/DEPS")).unwrap();
    let last_change =
        format!("LASTCHANGE={}-refs/heads/main@{{#7}}\nLASTCHANGE_YEAR=2024\n", world.commits["build"]);
    let files: &[(&str, u32, &str)] = &[
        ("build/BUILD.gn", 0, "group\n"),
        ("build/DEPS", 0, &build),
        ("build/config/a.gni", 0, "a\n"),
        ("build/config/gclient_args.gni", 0, "# Generated from 'DEPS'\ncheckout_src_internal = false"),
        ("build/inner/inner.txt", 0, "inner\n"),
        ("build/util/LASTCHANGE", 0, &last_change),
        ("build/util/LASTCHANGE.committime", 0, "1723023372"),
        ("build/util/lastchange.py", 0o111, "#!\n"),
        ("third_party/icu/a b ü.txt", 0, "x\n"),
        ("third_party/icu/common/icudtl.dat", 0, "data"),
        ("v8/.gitattributes", 0, "*.bat text eol=crlf\n*.gn export-subst\nhidden export-ignore\n"),
        ("v8/DEPS", 0, &deps),
        ("v8/hidden", 0, "$Format:%H$\n"),
        ("v8/include/v8-version.h", 0, VERSION_H),
        ("v8/link", 0, "include"),
        ("v8/run.bat", 0, "echo\r\n"),
        ("v8/tools/run.py", 0o111, "#!\n"),
    ];
    files.iter().map(|(name, mode, text)| ((*name).to_owned(), (*mode, (*text).to_owned()))).collect()
}

/// Whether a process of this machine names the path on its command line.
fn is_in_use(path: &Path) -> bool {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|process| std::fs::read(process.path().join("cmdline")).ok())
        .any(|line| String::from_utf8_lossy(&line).contains(&path.display().to_string()))
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what} did not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_tree_over_file_and_over_git_daemon_is_what_the_repositories_hold() {
    let world = World::new();
    let over_file = world.tree("cache", &["--mirror", &world.file_mirror()]);
    assert_eq!(contents(&over_file), expected(&world));
    assert!(
        !world.path("cache/depot/git").join(&world.commits["test/data"]).exists(),
        "left out, and yet fetched"
    );
    let times: Vec<_> = ["v8/DEPS", "build/util/LASTCHANGE"]
        .iter()
        .map(|name| over_file.join(name).metadata().unwrap().modified().unwrap())
        .collect();
    assert_eq!(times[0], times[1]);

    // A second run does nothing, and asks nobody.
    std::fs::rename(world.path("mirror"), world.path("away")).unwrap();
    assert_eq!(world.tree("cache", &["--mirror", &world.file_mirror()]), over_file);
    std::fs::rename(world.path("away"), world.path("mirror")).unwrap();

    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    // By its own name: a killed `git daemon` would leave it behind.
    let git = Command::new("git").arg("--exec-path").output().unwrap();
    let mut daemon =
        Command::new(Path::new(String::from_utf8(git.stdout).unwrap().trim()).join("git-daemon"));
    daemon.args(["--reuseaddr", "--export-all", "--listen=127.0.0.1"]);
    daemon.arg(format!("--port={port}")).arg(format!("--base-path={}", world.path("mirror").display()));
    daemon.stdout(Stdio::null()).stderr(Stdio::null());
    let _daemon = Killed(daemon.spawn().unwrap());
    wait_until("git daemon", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    let over_daemon = world.tree("other cache", &["--mirror", &format!("git=git://127.0.0.1:{port}")]);
    assert_eq!(contents(&over_daemon), expected(&world));
    assert_eq!(over_daemon.file_name(), over_file.file_name(), "the same contents have the same key");
    let stamp = |tree: &Path| std::fs::read_to_string(tree.join("libv8-source.json")).unwrap();
    assert_eq!(stamp(&over_daemon), stamp(&over_file));
}

#[test]
fn f38_f54_killed_while_it_fetches_it_goes_on() {
    let world = World::new();
    // A server that thinks for two seconds before it sends.
    let hook = world.path("slow.sh");
    std::fs::write(&hook, "#!/bin/sh\nsleep 2\nexec \"$@\"\n").unwrap();
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
    let usual = std::fs::read_to_string(world.path("gitconfig")).unwrap();
    let slow = format!("{usual}[uploadpack]\npackObjectsHook = \"'{}'\"\n", hook.display());
    std::fs::write(world.path("slow config"), slow).unwrap();
    let git = world.path("cache/depot/git");
    let place = |name: &str| git.join(&world.commits[name]);
    let mirror = world.file_mirror();
    for (done, next) in [("nothing", "v8"), ("v8", "build"), ("build", "third_party/icu")] {
        let mut command = world.command("cache", &["--mirror", &mirror]);
        command
            .env("GIT_CONFIG_GLOBAL", world.path("slow config"))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut tool = Killed(command.spawn().unwrap());
        let partial = git.join(format!("{}.partial", world.commits[next]));
        wait_until(next, || partial.join("objects").is_dir());
        tool.0.kill().unwrap();
        tool.0.wait().unwrap();
        wait_until("the end of git", || !is_in_use(&partial));
        assert!(partial.is_dir() && !place(next).exists(), "{next}");
        // Git's own locks, as a kill in the wrong moment leaves them.
        std::fs::write(partial.join("shallow.lock"), "").unwrap();
        if done != "nothing" {
            assert!(place(done).is_dir(), "{done}");
        }
    }
    let kept = ["v8", "build"].map(|name| place(name).metadata().unwrap().ino());
    let tree = world.tree("cache", &["--mirror", &mirror]);
    assert_eq!(contents(&tree), expected(&world));
    assert_eq!(
        ["v8", "build"].map(|name| place(name).metadata().unwrap().ino()),
        kept,
        "fetched a second time"
    );
}

/// A file of the storage: what DEPS says of it, and what the mirror has.
fn object_world(has: &str) -> World {
    let entry = "  'third_party/files': {'dep_type': 'gcs', 'bucket': 'files', 'objects': [{'object_name': 'a/b', \
                 'output_file': 'b.txt', 'sha256sum': 'SHA', 'size_bytes': 5, 'generation': 1}]},\n";
    // SHA-256 of "right".
    let sha256 = "27042f4e6eca7d0b2a7ee4026df2ecfa51d3339e6d122aa099118ecd8563bad9";
    let world = World::with_objects(&entry.replace("SHA", sha256));
    std::fs::create_dir_all(world.path("storage/files/a")).unwrap();
    std::fs::write(world.path("storage/files/a/b"), has).unwrap();
    world
}

#[test]
fn f04_a_file_with_another_digest_is_refused_and_there_is_no_tree() {
    let world = object_world("wrong");
    let (git, gcs) = (world.file_mirror(), format!("gcs=file://{}", world.path("storage").display()));
    let none = "cipd=file:///none";
    let arguments = ["--mirror", &git, "--mirror", &gcs, "--mirror", none, "--with", "third_party/files"];
    let out = world.run("cache", &arguments);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(1), "{said}");
    assert!(said.contains("is not what DEPS names\n  wanted: sha256 27042f4e"), "{said}");
    assert!(out.stdout.is_empty());
    let trees = std::fs::read_dir(world.path("cache/source")).unwrap();
    assert!(trees.flatten().all(|entry| entry.path().extension().is_some_and(|end| end == "lock")));
    // The mirror is mended: the same command goes on.
    std::fs::write(world.path("storage/files/a/b"), "right").unwrap();
    let tree = world.tree("cache", &arguments);
    assert_eq!(std::fs::read_to_string(tree.join("third_party/files/b.txt")).unwrap(), "right");
}

#[test]
fn a_mirror_that_lacks_a_commit_and_an_unknown_tag_are_told() {
    let world = World::new();
    std::fs::remove_dir_all(world.path("mirror/icu.git")).unwrap();
    let mirror = world.file_mirror();
    let check = |arguments: &[&str], status: i32, expected: &str| {
        let out = world.run("cache", arguments);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(status), "{said}");
        assert!(said.contains(expected), "{said}");
    };
    check(&["--mirror", &mirror], 1, "--mirror git=URL asks another server; what was fetched stays");
    let mut other = world.command("cache", &["--mirror", &mirror]);
    let said = other.args(["--revision", "9.9.9.9"]).output().unwrap();
    // The flag is there twice.
    assert_eq!(said.status.code(), Some(2));
    let mut unknown = Command::new(env!("CARGO_BIN_EXE_xtask"));
    unknown.args(["source", "--source", "depot-tools", "--revision", "9.9.9.9", "--mirror", &mirror]);
    let out = unknown.env("LIBV8_CACHE_DIR", world.path("cache")).output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(2), "{said}");
    assert!(said.contains("has no tag 9.9.9.9"), "{said}");
}

#[test]
fn the_table_says_what_is_fetched_and_what_is_left_out() {
    let world = object_world("right");
    let mirror = world.file_mirror();
    let out = world.run("cache", &["--mirror", &mirror, "--dry-run", "--target", "x86_64-unknown-linux-gnu"]);
    let text = String::from_utf8(out.stdout).unwrap();
    let line = |place: &str| {
        text.lines().find(|line| line.trim_start().starts_with(place)).unwrap_or(&text).to_owned()
    };
    assert!(
        line("third_party/icu").contains("git ") && line("third_party/icu").contains("Intl, and its data")
    );
    assert!(line("third_party/files").contains("not in parts.toml: --with fetches it"), "{text}");
    assert!(line("test/data").contains("V8's own tests and benchmarks"), "{text}");
    assert!(
        text.contains("written by this tool: build/util/LASTCHANGE, build/config/gclient_args.gni"),
        "{text}"
    );
    // The parts that have no DEPS are not fetched for that.
    assert!(!world.path("cache/depot/git").join(&world.commits["third_party/icu"]).exists());
}

/// With LIBV8_TEST_DEPOT_TOOLS, a folder of depot_tools.
#[test]
fn the_tree_is_that_of_gclient() {
    let Some(depot_tools) = std::env::var_os("LIBV8_TEST_DEPOT_TOOLS").map(PathBuf::from) else {
        eprintln!("NOT TESTED: LIBV8_TEST_DEPOT_TOOLS names no folder of depot_tools");
        return;
    };
    let world = World::new();
    let mirror = world.file_mirror();
    let ours = world.tree("cache", &["--mirror", &mirror]);
    let tools = depot_tools.to_str().unwrap();
    let theirs = world.tree("gclient cache", &["--mirror", &mirror, "--gclient", tools]);
    assert_eq!(contents(&theirs), contents(&ours));
    assert_eq!(theirs.file_name(), ours.file_name());
    // What gclient itself has written is what we write.
    let folder = world.path("gclient cache/depot/gclient").join(&world.commits["v8"]).join("v8");
    let generated = "build/config/gclient_args.gni";
    assert_eq!(std::fs::read(folder.join(generated)).unwrap(), std::fs::read(ours.join(generated)).unwrap());
    assert!(!folder.join("test/data").exists(), "left out, and yet fetched");
}
