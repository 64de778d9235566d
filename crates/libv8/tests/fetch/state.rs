//! F36 to F42: several processes, killed ones, disks that refuse, files that change, odd paths, clocks.

use std::fs::{self, TryLockError};
use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, SystemTime};

use v8_archive::lock::Lock;
use v8_archive::{FolderCheck, Sha256, check_folder};

use crate::cache::Slot;
use crate::case::Case;
use crate::fetch::Http;
use crate::network::client::Patience;
use crate::network::settings::Settings;
use crate::pinned::Pinned;
use crate::server::{Server, whole};
use crate::sources;
use crate::step::Step;

/// The build script's part of a process that a test starts: this program again, running this test alone.
#[test]
fn child_process() {
    let told = |name: &str| std::env::var(format!("LIBV8_TEST_{name}"));
    let Ok(work) = told("WORK").map(PathBuf::from) else { return };
    let lock = Lock::parse(&fs::read_to_string(work.join("prebuilt.toml")).unwrap(), "x").unwrap();
    let (release, pin) = (lock.release.as_ref().unwrap(), &lock.archives[0]);
    let (settings, patience) = (Settings::default(), Patience::default());
    let end_at = told("END_AT").unwrap_or_default();
    let report = |step: &Step| {
        let text = format!("{step:?}");
        println!("step {text}");
        std::io::stdout().flush().unwrap();
        if !end_at.is_empty() && text.starts_with(&end_at) {
            // The parent kills it with SIGKILL: no destructor runs, no buffer is written.
            thread::sleep(Duration::from_secs(60));
        }
    };
    let out_dir = work.join("out");
    let result = Pinned {
        pin,
        release,
        sources: sources::of(Some(&told("MIRROR").unwrap()), release, pin).unwrap(),
        http: Http::On { settings: &settings, patience: &patience },
        cache: Some(told("CACHE").map_or_else(|_| work.join("cache"), PathBuf::from)),
        out_dir: &out_dir,
        report: &report,
    }
    .obtain(|_| Ok(()));
    println!("result {result:?}");
}

/// A process that does what the build script does, on the files of `case`.
fn command(case: &Case, mirror: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let lock = case.work.path.join("prebuilt.toml");
    if !lock.exists() {
        fs::write(lock, case.lock().to_text()).unwrap();
    }
    command
        .args(["state::child_process", "--exact", "--nocapture"])
        .env("LIBV8_TEST_WORK", &case.work.path)
        .env("LIBV8_TEST_MIRROR", mirror)
        .stdout(Stdio::piped());
    command
}

/// What it prints to its end.
fn output(child: Child) -> String {
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

/// Starts one that stays at a step, and returns when it is there.
fn stopped_at(case: &Case, mirror: &str, step: &str) -> Child {
    let mut child = command(case, mirror).env("LIBV8_TEST_END_AT", step).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    let found = lines.any(|line| line.unwrap().contains(&format!("step {step}")));
    assert!(found, "it never came to {step}");
    child
}

fn kill(mut child: Child) {
    // SIGKILL on Unix.
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn f36_of_two_and_of_twenty_processes_one_downloads() {
    for count in [2, 20] {
        let case = Case::new();
        let bytes = case.bytes.clone();
        let server = Server::new(move |request, out| {
            thread::sleep(Duration::from_millis(500));
            whole(request, &bytes, out)
        });
        let children: Vec<Child> =
            (0..count).map(|_| command(&case, &server.url()).spawn().unwrap()).collect();
        for child in children {
            let text = output(child);
            assert!(text.contains("result Ok("), "{text}");
        }
        assert_eq!(server.requests().len(), 1, "{count} processes");
        case.must(&server.url());
    }
}

#[test]
fn f37_the_holder_of_the_lock_is_killed() {
    let case = Case::new();
    let server = Server::of(case.bytes.clone());
    let holder = stopped_at(&case, &server.url(), "Locked");
    let mut waiting = command(&case, &server.url()).spawn().unwrap();
    let mut lines = BufReader::new(waiting.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("step Waiting")), "it waits");
    assert_eq!(server.requests().len(), 0);
    kill(holder);
    assert!(lines.any(|line| line.unwrap().contains("result Ok(")), "it goes on");
    waiting.wait().unwrap();
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn f38_killed_at_each_point_and_run_again() {
    for step in ["Locked", "Asking", "Received", "Verified", "Stored", "Unpacked", "Renamed"] {
        let case = Case::new();
        let server = Server::of(case.bytes.clone());
        kill(stopped_at(&case, &server.url(), step));
        let slot = case.slot();
        // Whatever has its name is whole.
        if slot.archive().exists() {
            assert_eq!(Sha256::of_file(&slot.archive()).unwrap().sha256, case.pin.sha256, "{step}");
        }
        if slot.folder().exists() {
            let (_, faults) = check_folder(&slot.folder(), FolderCheck::Digests).unwrap();
            assert_eq!(faults, [], "{step}");
        }
        let expected = match step {
            "Locked" | "Asking" | "Received" | "Verified" => (false, false),
            "Stored" | "Unpacked" => (true, false),
            _ => (true, true),
        };
        assert_eq!((slot.archive().exists(), slot.folder().exists()), expected, "{step}");
        case.must(&server.url());
        let names = fs::read_dir(case.cache()).unwrap().count();
        assert_eq!(names, 3, "folder, archive and lock: nothing is left over after {step}");
        let again = server.requests();
        match step {
            "Received" => assert_eq!(again.len(), 2, "it goes on where it was"),
            "Verified" | "Stored" | "Unpacked" | "Renamed" => assert_eq!(again.len(), 1, "{step}"),
            _ => {}
        }
    }
}

#[cfg(unix)]
#[test]
fn f39_a_limit_on_file_sizes_is_an_error_that_names_the_file() {
    let case = Case::new();
    let server = Server::of(case.bytes.clone());
    // Without the trap the signal ends it, as kill -9 does; 512-byte blocks.
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; ulimit -f 512; exec \"$0\" \"$@\""]);
    let child = command(&case, &server.url());
    shell.arg(child.get_program()).args(child.get_args());
    shell.envs(child.get_envs().filter_map(|(key, value)| Some((key, value?)))).stdout(Stdio::piped());
    let text = output(shell.spawn().unwrap());
    let partial = case.slot().partial();
    assert!(text.contains("result Err(Stop(") && text.contains("cannot write"), "{text}");
    assert!(
        text.contains(partial.file_name().unwrap().to_str().unwrap()) && text.contains("ulimit -f"),
        "{text}"
    );
    // What came is kept; with room it goes on.
    let have = fs::metadata(&partial).unwrap().len();
    assert!(have > 0 && have <= 512 * 512);
    case.must(&server.url());
    assert_eq!(server.requests()[1].from(), Some(usize::try_from(have).unwrap()));
}

#[cfg(target_os = "linux")]
#[test]
fn f39_a_full_disk_and_a_read_only_one() {
    // Both need a file system of our own, which a machine may forbid to users.
    let unshare = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["-rm", "sh", "-c", script]).stderr(Stdio::null());
        command
    };
    if !unshare("mount -t tmpfs x /mnt").status().is_ok_and(|status| status.success()) {
        eprintln!("not tested: this machine mounts nothing for its users");
        return;
    }
    let run = |case: &Case, server: &Server, mount: &str| {
        let child = command(case, &server.url());
        let mut shell = unshare(&format!("{mount} && exec \"$0\" \"$@\""));
        shell.arg(child.get_program()).args(child.get_args());
        shell.envs(child.get_envs().filter_map(|(key, value)| Some((key, value?)))).stdout(Stdio::piped());
        output(shell.env("LIBV8_TEST_CACHE", case.cache()).spawn().unwrap())
    };
    let case = Case::new();
    let server = Server::of(case.bytes.clone());
    fs::create_dir(case.cache()).unwrap();
    let on_cache = format!("'{}'", case.cache().display());
    let text = run(&case, &server, &format!("mount -t tmpfs -o size=256k x {on_cache}"));
    assert!(text.contains("result Err(Stop(") && text.contains("No space left"), "{text}");
    assert!(text.contains("help: free some space, or set LIBV8_CACHE_DIR"), "{text}");

    // A read-only cache that is empty: the project's own folder serves. One that is filled: it is linked from there.
    let mount = format!("mount --bind {on_cache} {on_cache} && mount -o remount,bind,ro {on_cache}");
    let text = run(&case, &server, &mount);
    assert!(text.contains("step Unwritable") && text.contains("Read-only file system"), "{text}");
    assert!(text.contains("result Ok(") && text.contains("/out/prebuilt/"), "{text}");
    case.must(&server.url());
    let before = server.requests().len();
    let text = run(&case, &server, &mount);
    assert!(
        text.contains("result Ok(") && text.contains("/cache/libv8-") && !text.contains("step "),
        "{text}"
    );
    // The folder is damaged there and cannot be mended: the archive is unpacked elsewhere.
    fs::write(case.slot().folder().join("include/libv8.h"), "/**/").unwrap();
    fs::remove_dir_all(case.work.path.join("out/prebuilt")).unwrap();
    let text = run(&case, &server, &mount);
    assert!(text.contains("result Ok(") && text.contains("/out/prebuilt/"), "{text}");
    assert_eq!(server.requests().len(), before, "nothing was fetched");
}

#[test]
fn f39_a_cache_that_cannot_be_made_is_replaced_by_the_projects_own() {
    let case = Case::new();
    let server = Server::of(case.bytes.clone());
    fs::write(case.work.path.join("file"), "").unwrap();
    for cache in [Some(case.work.path.join("file/cache")), None] {
        let unpacked = case.obtain_with(Some(&server.url()), cache).unwrap();
        assert!(unpacked.root.starts_with(case.work.path.join("out/prebuilt")), "{unpacked:?}");
    }
    assert_eq!(server.requests().len(), 1);
    assert!(case.said().contains("this project's own folder is used"), "{}", case.said());
}

#[cfg(unix)]
#[test]
fn f39_a_cache_that_may_not_be_written() {
    use std::os::unix::fs::PermissionsExt as _;
    let case = Case::new();
    let server = Server::of(case.bytes.clone());
    fs::create_dir(case.cache()).unwrap();
    fs::set_permissions(case.cache(), fs::Permissions::from_mode(0o555)).unwrap();
    // Permissions do not bind root.
    let is_bound = fs::File::create(case.cache().join("probe")).is_err();
    let unpacked = case.obtain(&server.url()).unwrap();
    assert_eq!(unpacked.root.starts_with(case.work.path.join("out")), is_bound);
    fs::set_permissions(case.cache(), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn f39_a_file_system_without_locks_serves_as_the_projects_own_folder() {
    let case = Case::new();
    let report = |step: &Step| case.steps.lock().unwrap().push(step.clone());
    for kind in [ErrorKind::Unsupported, ErrorKind::Other] {
        let no_lock = |_: &fs::File| Err(TryLockError::Error(kind.into()));
        let why = case.slot().lock_by(&no_lock, &report).unwrap_err();
        assert!(why.starts_with("cannot lock "), "others use a cache at the same time: {why}");
        Slot::own(&case.work.path.join("out"), &case.pin).lock_by(&no_lock, &report).unwrap();
    }
    assert_eq!(case.said().matches("cargo's own lock has to do").count(), 2, "{}", case.said());
}

#[test]
fn f40_a_cached_file_that_changed_is_found_and_mended() {
    let flip = |path: &Path, at: usize| {
        let mut bytes = fs::read(path).unwrap();
        bytes[at] ^= 1;
        fs::write(path, bytes).unwrap();
    };
    let case = Case::new();
    let server = Server::of(case.bytes.clone());
    let root = case.must(&server.url()).root;
    let spoils: [(&str, &dyn Fn()); 6] = [
        ("a bit of the library", &|| flip(&root.join("lib/libv8.a"), 350_000)),
        ("its end", &|| fs::write(root.join("lib/libv8.a"), b"x").unwrap()),
        ("a header", &|| flip(&root.join("include/libv8.h"), 0)),
        ("a file less", &|| fs::remove_file(root.join("licenses/v8.txt")).unwrap()),
        ("a bit of the descriptor", &|| flip(&root.join("V8.json"), 30)),
        ("the folder", &|| fs::remove_dir_all(&root).unwrap()),
    ];
    for (what, spoil) in spoils {
        spoil();
        assert_eq!(case.must(&server.url()).root, root, "{what}");
        assert_eq!(server.requests().len(), 1, "{what}: the archive is still right");
    }
    // Library and descriptor that agree with each other: only the archive knows better.
    let text = fs::read_to_string(root.join("V8.json")).unwrap();
    let library = fs::read(root.join("lib/libv8.a")).unwrap();
    let other: Vec<u8> = library.iter().map(|byte| !byte).collect();
    let digest = |bytes: &[u8]| Sha256::of_bytes(bytes).to_string();
    fs::write(root.join("lib/libv8.a"), &other).unwrap();
    fs::write(root.join("V8.json"), text.replace(&digest(&library), &digest(&other))).unwrap();
    case.must(&server.url());
    assert_eq!(server.requests().len(), 1);

    flip(&case.slot().archive(), 1000);
    case.must(&server.url());
    assert_eq!(server.requests().len(), 2, "the archive had to be fetched again");
    assert!(case.said().contains("removed ") && case.said().contains("it has 7"), "{}", case.said());
}

#[test]
fn f40_a_damaged_archive_is_not_used_when_no_other_can_be_had() {
    let mut case = Case::new();
    let server = Server::of(case.bytes.clone());
    case.must(&server.url());
    let mut bytes = case.bytes.clone();
    bytes[1] ^= 1;
    fs::write(case.slot().archive(), bytes).unwrap();
    case.settings.offline = Some("a test");
    assert!(case.obtain(&server.url()).is_err());
    assert!(!case.slot().archive().exists());
}

#[cfg(target_os = "linux")]
#[test]
fn f41_a_cache_on_another_file_system() {
    use std::os::unix::fs::MetadataExt as _;
    let case = Case::new();
    let server = Server::of(case.bytes.clone());
    let memory = Path::new("/dev/shm");
    let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev()).ok();
    let devices = (device(memory), device(&case.work.path));
    assert!(
        devices.0.is_some() && devices.0 != devices.1,
        "Linux has memory as a file system there: {devices:?}"
    );
    let cache = memory.join(format!("libv8 test {}", std::process::id()));
    let unpacked = case.obtain_with(Some(&server.url()), Some(cache.clone()));
    let is_there = unpacked.as_ref().is_ok_and(|unpacked| unpacked.root.starts_with(&cache));
    // A mirror on the other one.
    let url = format!("file://{}", case.work.path.join("mirror").display().to_string().replace(' ', "%20"));
    fs::create_dir_all(case.work.path.join("mirror/15.2.124.1-1")).unwrap();
    fs::write(case.work.path.join("mirror/15.2.124.1-1").join(case.pin.name.to_string()), &case.bytes)
        .unwrap();
    let copied = case.obtain_with(Some(&url), Some(cache.join("second")));
    fs::remove_dir_all(&cache).unwrap();
    assert!(is_there, "{unpacked:?}");
    assert!(copied.is_ok(), "{copied:?}");
}

#[test]
fn f41_odd_and_very_long_paths() {
    let case = Case::new();
    let server = Server::of(case.bytes.clone());
    let base = case.work.path.clone();
    assert!(base.to_str().unwrap().contains(" é+"), "also all other tests here");
    for name in ["a b", "日本", "x+y=z", "#%20?", "-rf", "quote'\"", "$HOME", "trailing."] {
        let unpacked = case.obtain_with(Some(&server.url()), Some(base.join(name))).unwrap();
        assert!(unpacked.root.starts_with(base.join(name)));
    }
    // Windows has its own limit.
    let depth = if cfg!(windows) { 0 } else { 12 };
    let deep = (0..depth).fold(base, |path, _| path.join("d".repeat(250)));
    let unpacked = case.obtain_with(Some(&server.url()), Some(deep.clone())).unwrap();
    assert!(unpacked.root.starts_with(&deep) && (cfg!(windows) || deep.as_os_str().len() > 3000));

    // Too long for the system: the project's own folder serves.
    let too_deep = (0..20).fold(deep, |path, _| path.join("d".repeat(250)));
    let unpacked = case.obtain_with(Some(&server.url()), Some(too_deep)).unwrap();
    assert!(unpacked.root.starts_with(case.work.path.join("out")));
}

#[test]
fn f42_no_clock_is_believed() {
    let mut case = Case::new();
    let server = Server::of(case.bytes.clone());
    let root = case.must(&server.url()).root;
    let watched = [root.join("V8.json"), root.join("lib/libv8.a")];
    let age = |path: &PathBuf| fs::metadata(path).unwrap().modified().unwrap();
    // Cargo runs a build script again for files that are younger than its last run.
    assert!(watched.iter().all(|path| age(path) < SystemTime::now() - Duration::from_secs(86_400 * 365)));
    let jumps = [SystemTime::UNIX_EPOCH, SystemTime::now() + Duration::from_secs(86_400 * 365 * 20)];
    for time in jumps {
        for path in [case.slot().archive(), root.join("V8.json"), root.join("lib/libv8.a")] {
            fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
        }
        case.must(&server.url());
    }
    assert_eq!(server.requests().len(), 1);
    // A partial file of the future is gone on with.
    fs::remove_dir_all(case.cache()).unwrap();
    fs::create_dir(case.cache()).unwrap();
    fs::write(case.slot().partial(), &case.bytes[..1000]).unwrap();
    let partial = fs::File::options().write(true).open(case.slot().partial()).unwrap();
    partial.set_modified(jumps[1]).unwrap();
    case.steps = Default::default();
    case.must(&server.url());
    assert_eq!(server.requests()[1].from(), Some(1000));

    // Certificates aside, whose dates TLS checks, nothing asks what time it is: waits are measured by a clock that cannot jump.
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("build")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            files += 1;
            assert!(!fs::read_to_string(&path).unwrap().contains("SystemTime::now"), "{}", path.display());
        }
    }
    assert!(files > 10);
}

#[test]
fn a_lock_of_nobody_is_no_obstacle_and_a_folder_in_its_place_is_survived() {
    let case = Case::new();
    let server = Server::of(case.bytes.clone());
    let slot = case.slot();
    let lock = slot.archive().to_str().unwrap().replace(".tar.zst", ".lock");
    fs::create_dir_all(lock).unwrap();
    let unpacked = case.obtain(&server.url()).unwrap();
    assert!(unpacked.root.starts_with(case.work.path.join("out")), "the cache is of no use");
}
