//! A fresh project and the real cargo: fetch, verify, hand over to the linker's side, in all the ways that people have it.
//!
//! The archive is a small one and the project a library, so that nothing is linked; `examples.rs` links V8.

#![cfg(feature = "fetch")]
#![expect(clippy::disallowed_methods, reason = "tests start programs")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use v8_archive::lock::{Lock, Pin, Release};

use archives::{Folder, TARGET, VERSION, noise};
use authority::Authority;
use proxy::{Kind, Proxy};
use server::{Server, whole};

#[path = "support/archives.rs"]
mod archives;
#[path = "support/authority.rs"]
mod authority;
#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/server.rs"]
mod server;

/// A release in a folder as a store has it, and the project that wants it.
struct Story {
    work: Folder,
    pin: Pin,
    bytes: Vec<u8>,
    project: PathBuf,
}

impl Story {
    fn new() -> Story {
        let work = Folder::new();
        let release = work.path.join("store/15.2.124.1-1");
        fs::create_dir_all(&release).unwrap();
        let packed = archives::pack(&release, "release", &noise(300_000));
        let pin = Pin {
            name: packed.path.file_name().unwrap().to_str().unwrap().parse().unwrap(),
            size_bytes: packed.size_bytes,
            sha256: packed.sha256,
            unpacked_size_bytes: packed.tar.size_bytes,
            unpacked_sha256: packed.tar.sha256,
            build_id: packed.descriptor.build_id,
        };
        let project = work.path.join("project");
        let story = Story { bytes: fs::read(&packed.path).unwrap(), work, pin, project };
        story.write_project(&story.project);
        story
    }

    fn write_project(&self, folder: &Path) {
        let own = Path::new(env!("CARGO_MANIFEST_DIR"));
        let manifest = format!(
            "[package]\nname = \"fresh\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n\
             [dependencies]\nlibv8 = {{ path = {:?} }}\n\n[workspace]\n",
            own.to_str().unwrap()
        );
        fs::create_dir_all(folder.join("src")).unwrap();
        fs::write(folder.join("Cargo.toml"), manifest).unwrap();
        fs::write(folder.join("src/lib.rs"), "//! Fresh.\npub use libv8::Isolate;\n").unwrap();
        // The versions that were tested, and that are on this machine.
        fs::copy(own.join("../../Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    }

    fn write_lock(&self, origin: &str) {
        let release = Release {
            name: format!("{VERSION}-1"),
            number: 1,
            index_sha256: self.pin.sha256,
            origin: origin.to_owned(),
        };
        let lock =
            Lock { v8_version: VERSION.into(), release: Some(release), archives: vec![self.pin.clone()] };
        fs::write(self.work.path.join("prebuilt.toml"), lock.to_text()).unwrap();
    }

    /// Cargo in `folder`; what it compiles is kept between tests and runs.
    fn cargo(&self, folder: &Path, target: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO"));
        command.args(arguments).args(["--offline", "--target", TARGET]).current_dir(folder);
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            let is_of_the_outer_run = name.starts_with("CARGO_") && name != "CARGO_HOME";
            let is_of_the_network =
                name.to_ascii_lowercase().ends_with("_proxy") || name.starts_with("SSL_CERT");
            if is_of_the_outer_run || is_of_the_network || name.starts_with("LIBV8_") {
                command.env_remove(name);
            }
        }
        command
            .env("PWD", folder)
            .env("CARGO_TARGET_DIR", target)
            .env("LIBV8_PREBUILT", self.work.path.join("prebuilt.toml"))
            .env("LIBV8_CACHE_DIR", self.work.path.join("cache"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

/// Shared by all tests here and by later runs: compiling the dependencies is most of the time.
fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("fresh-project")
}

#[track_caller]
fn good(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}");
    text
}

#[track_caller]
fn bad(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{text}");
    text
}

/// The steps one after the other, since cargo would do so anyway.
#[test]
fn a_fresh_project() {
    let story = Story::new();
    f49_a_release_is_fetched_from_a_clean_cache(&story);
    without_the_network(&story);
    through_an_authenticating_proxy_with_a_private_authority(&story);
    f04_wrong_bytes_end_the_build(&story);
    f36_twenty_builds_at_once(&story);
}

/// Every embedder compiles them. On all systems, and with what `v8-archive` itself is counted.
#[test]
fn few_crates_are_compiled_for_the_build_script() {
    let count = |features: &[&str], target: &[&str]| -> Vec<String> {
        let mut command = Command::new(env!("CARGO"));
        command.args([
            "tree",
            "--offline",
            "-p",
            "libv8",
            "-e",
            "build,normal",
            "--prefix",
            "none",
            "--no-dedupe",
        ]);
        let output =
            command.args(features).args(target).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let mut names: Vec<String> =
            text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect();
        names.retain(|name| !name.is_empty() && !name.starts_with('[') && name != "libv8");
        names.sort();
        names.dedup();
        names
    };
    let everywhere = ["--target", "all"];
    assert_eq!(
        count(&["--no-default-features"], &everywhere),
        ["hifijson", "hmac-sha256", "ruzstd", "twox-hash", "v8-archive"]
    );
    let formats = count(&["--no-default-features", "--features", "gz,zip"], &everywhere);
    assert!(formats.len() < 10, "{formats:?}");
    // TLS is most of it; other systems have their own few for certificates.
    let fetching = count(&[], &[]);
    assert!(fetching.len() <= 40, "{}: {fetching:?}", fetching.len());
}

fn f49_a_release_is_fetched_from_a_clean_cache(story: &Story) {
    let server = Server::of(story.bytes.clone());
    story.write_lock(&format!("http://127.0.0.1:{}/libv8/{{release}}/{{name}}", server.port));
    let build = || story.cargo(&story.project, &target(), &["build", "-v"]).output().unwrap();
    good(&build());
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].path, format!("/libv8/15.2.124.1-1/{}", story.pin.name));
    // Nothing has changed: cargo does not even start the script.
    let text = good(&build());
    assert!(text.contains("Fresh libv8 "), "{text}");
    // A cache that was cleaned is filled again.
    fs::remove_dir_all(story.work.path.join("cache")).unwrap();
    good(&build());
    assert_eq!(server.requests().len(), 2);
    // A clean project needs the cache only, and cargo's other ways work as well.
    good(&story.cargo(&story.project, &target(), &["clean", "-p", "libv8"]).output().unwrap());
    good(&build());
    good(&story.cargo(&story.project, &target(), &["check"]).output().unwrap());
    assert_eq!(server.requests().len(), 2);
    assert!(!story.project.join("target").exists());
}

/// F20, by cargo's own switch.
fn without_the_network(story: &Story) {
    let server = Server::of(story.bytes.clone());
    let url = format!("http://127.0.0.1:{}/{{name}}", server.port);
    story.write_lock(&url);
    fs::create_dir_all(story.project.join(".cargo")).unwrap();
    let config = format!("[net]\noffline = true\n[http]\nproxy = \"127.0.0.1:{}\"\n", server.port);
    fs::write(story.project.join(".cargo/config.toml"), config).unwrap();
    let empty = story.work.path.join("empty cache");
    let cargo = |arguments: &[&str]| {
        let mut command = story.cargo(&story.project, &target(), arguments);
        command.env("LIBV8_CACHE_DIR", &empty);
        command
    };
    // Who only reads the crate needs no archive.
    let text = good(&cargo(&["check"]).output().unwrap());
    let place = url.replace("{name}", &story.pin.name.to_string());
    let expected = [
        format!("warning: libv8@0.1.0: no archive of V8 to link: wanted is {}", story.pin.name),
        format!("warning: libv8@0.1.0: {}: it is not in this cache", empty.join("prebuilt").display()),
        format!("warning: libv8@0.1.0: {place}: not asked: net.offline is set in cargo's configuration"),
        "warning: libv8@0.1.0: help: get libv8-".to_owned(),
    ];
    expected.iter().for_each(|line| assert!(text.contains(line), "{line}\n{text}"));
    // A copied folder is all it takes.
    let copy = story.work.path.join("copied folder");
    fs::create_dir(&copy).unwrap();
    fs::copy(
        story.work.path.join("store/15.2.124.1-1").join(story.pin.name.to_string()),
        copy.join(story.pin.name.to_string()),
    )
    .unwrap();
    good(&cargo(&["build"]).env("LIBV8_ARCHIVE", &copy).output().unwrap());
    assert!(!empty.exists() || !empty.join("prebuilt").join(story.pin.name.stem()).exists());
    let mirror = format!("file://{}", encoded(&story.work.path.join("store")));
    good(&cargo(&["build"]).env("LIBV8_MIRROR", &mirror).output().unwrap());
    // docs.rs has neither network nor archive.
    fs::remove_dir_all(&empty).unwrap();
    let text = good(&cargo(&["check"]).env("DOCS_RS", "1").output().unwrap());
    assert!(!text.contains("warning: libv8"), "{text}");
    assert_eq!(server.connections(), 0);
    fs::remove_dir_all(story.project.join(".cargo")).unwrap();
}

fn encoded(path: &Path) -> String {
    let path = path.to_str().unwrap();
    path.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"/.-_".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

/// All of it out of cargo's configuration.
fn through_an_authenticating_proxy_with_a_private_authority(story: &Story) {
    let (authority, proxy) = (Authority::new(), Proxy::new(Kind::Connect));
    let bytes = story.bytes.clone();
    let server =
        Server::tls(authority.server("localhost", |_| {}), move |request, out| whole(request, &bytes, out));
    story.write_lock(&format!("https://localhost:{}/{{name}}", server.port));
    fs::create_dir_all(story.project.join(".cargo")).unwrap();
    authority.file(&story.project);
    let config =
        format!("[http]\nproxy = \"http://me:secret@127.0.0.1:{}\"\ncainfo = \"ca.pem\"\n", proxy.port);
    fs::write(story.project.join(".cargo/config.toml"), config).unwrap();
    let mut command = story.cargo(&story.project, &target(), &["build", "-vv"]);
    let text = good(&command.env("LIBV8_CACHE_DIR", story.work.path.join("by proxy")).output().unwrap());
    assert!(text.contains("libv8: fetching https://localhost:"), "{text}");
    assert!(!text.contains("secret"), "{text}");
    assert_eq!(proxy.targets(), [format!("localhost:{}", server.port)]);
    fs::remove_dir_all(story.project.join(".cargo")).unwrap();
}

fn f04_wrong_bytes_end_the_build(story: &Story) {
    let mut bytes = story.bytes.clone();
    bytes[1000] ^= 1;
    let server = Server::of(bytes);
    story.write_lock(&format!("http://127.0.0.1:{}/{{name}}", server.port));
    let mut command = story.cargo(&story.project, &target(), &["check"]);
    let text = bad(&command.env("LIBV8_CACHE_DIR", story.work.path.join("wrong")).output().unwrap());
    let line = format!(
        "error: libv8@0.1.0: http://127.0.0.1:{}/{}: this is not the file",
        server.port, story.pin.name
    );
    assert!(text.contains(&line) && text.contains("error: libv8@0.1.0: help: do not use it"), "{text}");
}

fn f36_twenty_builds_at_once(story: &Story) {
    let bytes = story.bytes.clone();
    let server = Server::new(move |request, out| {
        thread::sleep(Duration::from_secs(2));
        whole(request, &bytes, out)
    });
    story.write_lock(&format!("http://127.0.0.1:{}/{{name}}", server.port));
    let cache = story.work.path.join("cache of twenty");
    let children: Vec<_> = (0..20)
        .map(|number| {
            let project = story.work.path.join(format!("project {number}"));
            story.write_project(&project);
            let own = project.join("target");
            copy(&target(), &own);
            let mut command = story.cargo(&project, &own, &["build"]);
            command.env("LIBV8_CACHE_DIR", &cache).spawn().unwrap()
        })
        .collect();
    for child in children {
        good(&child.wait_with_output().unwrap());
    }
    assert_eq!(server.requests().len(), 1);
}

/// A target folder with all that was compiled. Libraries are linked: compilers put new ones in their place. The rest, which
/// cargo writes in place, is copied with its times.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (source, copied) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy(&source, &copied);
        } else if source.parent().is_some_and(|folder| folder.ends_with("deps")) {
            fs::hard_link(&source, &copied).unwrap();
        } else {
            fs::copy(&source, &copied).unwrap();
            let time = fs::metadata(&source).unwrap().modified().unwrap();
            fs::File::options().write(true).open(&copied).unwrap().set_modified(time).unwrap();
        }
    }
}
