//! `publish` and `lock` as a person runs them: the real tool, a real folder, killed, raced, lied to.

#![expect(clippy::disallowed_methods, reason = "starts and kills the tool itself")]

#[path = "../src/consumer/mod.rs"]
#[allow(dead_code, reason = "what the archives of the sample hold for build systems")]
mod consumer;
#[path = "support/publisher.rs"]
mod publisher;
#[path = "../src/verify/sample.rs"]
#[allow(dead_code, reason = "what the tests of `verify` spoil")]
mod sample;

use std::collections::BTreeMap;
use std::fs;
#[cfg(unix)]
use std::io::{BufRead as _, BufReader};
use std::path::Path;
#[cfg(unix)]
use std::process::Command;
use std::process::Stdio;

use publisher::{BOTH, FILES, V8, World, kill_after, release, said};
use sample::TARGET;
use v8_archive::index::Index;
use v8_archive::{Limits, Sha256};

#[test]
fn f43_killed_after_each_upload_it_is_never_visible_in_part_and_the_same_command_completes_it() {
    let mut killed = 0;
    for count in 1..=FILES {
        let world = World::new();
        let was_killed = kill_after(world.publishing(&BOTH), count);
        killed += usize::from(was_killed);
        // Whole or not visible: `newest` compares every file.
        let newest = world.newest();
        assert!(newest.is_none() || count == FILES, "after {count} of {FILES}");
        let (name, said) = world.published(&[]);
        assert_eq!(name, release(1), "{said}");
        let index = world.newest().unwrap();
        assert_eq!((index.number, index.archives.len(), index.files.len()), (1, 2, 8));
        if newest.is_none() {
            assert!(said.contains("going on with release"), "{said}");
            let there = said.matches("] there ").count();
            assert!(there + 1 >= count, "{there} of {count} were there:\n{said}");
        }
        assert_eq!(world.lock().archives.len(), 2);
    }
    assert!(killed >= FILES - 2, "only {killed} of {FILES} were killed");
}

#[test]
fn f43_killed_again_and_again_it_still_completes() {
    let world = World::new();
    for count in [1, 3, 4, 6, 9, 11] {
        kill_after(world.publishing(&BOTH), count);
    }
    world.published(&[]);
    assert_eq!(world.newest().unwrap().number, 1);
}

#[cfg(unix)]
#[test]
fn f54_one_that_waits_for_another_says_so_and_a_signal_ends_it() {
    let world = World::new();
    fs::create_dir_all(world.path("cache/publish")).unwrap();
    let lock = fs::File::create(world.path("cache/publish/lock")).unwrap();
    lock.lock().unwrap();
    let mut child = world.publishing(&BOTH).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    lines.find(|line| line.starts_with("waiting for the process that holds ")).unwrap();
    let told = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(told.success());
    let rest: Vec<String> = lines.collect();
    assert_eq!(child.wait().unwrap().code(), Some(75), "{rest:?}");
    assert!(world.newest().is_none());
    drop(lock);
    world.published(&[]);
}

#[test]
fn running_it_again_is_nothing_and_says_so() {
    let world = World::new();
    let (name, _) = world.published(&[]);
    let before: BTreeMap<String, Vec<u8>> = world
        .names(&name)
        .into_iter()
        .map(|it| (it.clone(), fs::read(world.in_store(&name, &it)).unwrap()))
        .collect();
    for more in [[].as_slice(), &["--release", &name]] {
        let (again, said) = world.published(more);
        assert_eq!(again, name);
        assert!(said.contains("nothing to do: ") && !said.contains("] put "), "{said}");
    }
    assert_eq!(world.names(&name), before.keys().cloned().collect::<Vec<_>>());
    for (it, bytes) in before {
        assert_eq!(fs::read(world.in_store(&name, &it)).unwrap(), bytes, "{it}");
    }
    assert_eq!(world.names(&release(2)), Vec::<String>::new());
}

#[test]
fn f44_two_publishers_race_and_both_are_told_the_truth() {
    let one = World::new();
    let other = one.another();
    other.archive("lite", "other");
    let start = |world: &World| {
        world.publishing(&BOTH).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let children = [start(&one), start(&other)];
    let outs = children.map(|child| child.wait_with_output().unwrap());
    let won = outs.iter().filter(|out| out.status.success()).count();
    let all = outs.iter().map(said).collect::<Vec<_>>().join("\n----\n");
    assert!(won >= 1, "{all}");
    for out in outs.iter().filter(|out| !out.status.success()) {
        assert_eq!(out.status.code(), Some(1), "{all}");
        assert!(said(out).contains("error: ") && said(out).contains("help: "), "{all}");
    }
    let index = one.newest().expect("somebody has won");
    assert_eq!(index.number, won as u64, "{all}");
    // Who has lost publishes as the next revision, with the same command.
    for (world, out) in [&one, &other].into_iter().zip(&outs).filter(|(_, out)| !out.status.success()) {
        let (name, _) = world.published(&[]);
        let index = world.newest().unwrap();
        assert_eq!((index.release, index.number), (name, 2), "{}", said(out));
    }
}

#[test]
fn f45_other_bytes_under_a_published_name_are_refused_and_become_the_next_revision() {
    let world = World::new();
    let (first, _) = world.published(&[]);
    let before = world.newest().unwrap();
    world.archive("lite", "2");
    let lite = &before.archives[0];
    let wanted = Sha256::of_file(&Path::new(&world.path("archives")).join(&lite.name)).unwrap().sha256;
    let said = world.refused(&["--release", &first], 1, &["has other archives", "never changes its bytes"]);
    assert!(
        said.contains(&format!("{}: SHA-256 {} there, {wanted} wanted", lite.name, lite.sha256)),
        "{said}"
    );
    assert_eq!(world.newest().unwrap(), before);
    let (second, _) = world.published(&[]);
    assert_eq!(second, release(2));
    let after = world.newest().unwrap();
    let json = fs::read(world.in_store(&first, "index.json")).unwrap();
    assert_eq!((after.number, after.previous), (2, Some(Sha256::of_bytes(&json))));
    // The first one is where it was.
    assert_eq!(Index::from_json(&json, "x").unwrap(), before);
}

#[test]
fn f45_a_flipped_bit_in_the_store_is_found_by_the_next_run() {
    let world = World::new();
    let (name, _) = world.published(&[]);
    for file in
        world.newest().unwrap().archives.iter().map(|it| it.name.clone()).chain(["SHA256SUMS".to_owned()])
    {
        let path = world.in_store(&name, &file);
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let found = Sha256::of_bytes(&bytes).to_string();
        world.refused(&[], 1, &["does not give back what belongs to release", &file, &found]);
        bytes[middle] ^= 1;
        fs::write(&path, &bytes).unwrap();
    }
    world.published(&[]);
    // The same in a draft: what is there is not what is to be published.
    let world = World::new();
    kill_after(world.publishing(&BOTH), 4);
    let lite = world.names(&release(1)).into_iter().find(|name| name.ends_with("lite.tar.zst")).unwrap();
    let path = world.in_store(&release(1), &lite);
    let mut bytes = fs::read(&path).unwrap();
    bytes[100] ^= 1;
    fs::write(&path, &bytes).unwrap();
    world.refused(&[], 1, &["has another", &lite, &Sha256::of_bytes(&bytes).to_string()]);
    assert!(world.newest().is_none());
}

#[test]
fn f46_a_draft_that_was_overtaken_is_not_published() {
    let world = World::new();
    // Everything but the pointer is there; then somebody else publishes.
    kill_after(world.publishing(&BOTH), 10);
    assert!(world.newest().is_none());
    let other = world.another();
    other.archive("lite", "other");
    let (second, _) = other.published(&[]);
    assert_eq!((second, other.newest().unwrap().number), (release(2), 1));
    world.refused(&["--release", &release(1)], 1, &["was begun as number 1", "now the next number is 2"]);
    let (third, _) = world.published(&[]);
    assert_eq!((third, world.newest().unwrap().number), (release(3), 2));
}

#[test]
fn f49_what_was_published_is_fetched_by_its_lock_from_a_clean_cache() {
    let world = World::new();
    world.published(&[]);
    let lock = world.lock();
    let release = lock.release.clone().unwrap();
    assert_eq!(release.number, 1);
    for pin in &lock.archives {
        let url = release.url(pin);
        let path = url.strip_prefix("file://").unwrap().replace("%20", " ");
        let there = Sha256::of_file(Path::new(&path)).unwrap();
        assert_eq!((there.size_bytes, there.sha256), (pin.size_bytes, pin.sha256));
        let clean = world.folder.path().join(pin.name.variant());
        let descriptor = v8_archive::unpack(Path::new(&path), &clean, &Limits::default()).unwrap();
        assert_eq!((descriptor.name, descriptor.build_id), (pin.name.stem(), pin.build_id));
    }
    // Locking again is nothing; --check agrees, and tells when it does not.
    let before = fs::read(world.path("lock.toml")).unwrap();
    for more in [[].as_slice(), &["--check"]] {
        let out = world.lock_with(more);
        assert!(out.status.success() && said(&out).contains("is what dir:"), "{}", said(&out));
    }
    // Without a store, the one that it was made from.
    let (file, key) = (world.path("lock.toml"), world.path("key.pub"));
    let out = world.run_with(&["lock", "--file", &file, "--key", &key], &[]);
    assert!(out.status.success() && said(&out).contains("is what dir:"), "{}", said(&out));
    world.archive("lite", "2");
    world.published(&[]);
    let out = world.lock_with(&["--check"]);
    assert_eq!(out.status.code(), Some(1));
    assert!(said(&out).contains("help: cargo xtask lock --from dir:"), "{}", said(&out));
    assert_eq!(fs::read(world.path("lock.toml")).unwrap(), before);
    assert_eq!(world.lock().release.unwrap().number, 2);
}

#[test]
fn f21_f22_f27_lock_believes_trusted_keys_and_goes_only_forwards() {
    let world = World::new();
    world.published(&[]);
    let refused = |more: &[&str], status: i32, expected: &str| {
        let out = world.lock_with(more);
        assert_eq!(out.status.code(), Some(status), "{}", said(&out));
        assert!(said(&out).contains(expected), "{}", said(&out));
        assert!(!Path::new(&world.path("lock.toml")).exists());
    };
    let stranger = World::new();
    refused(&["--key", &stranger.path("key.pub")], 1, "signed by none of the trusted keys");
    refused(&["--key", "nonsense"], 2, "is not a public key of minisign, and no file");
    // The old key and the new one while they are rotated.
    let out = world.lock_with(&["--key", &stranger.path("key.pub"), "--key", &world.path("key.pub")]);
    assert!(out.status.success(), "{}", said(&out));

    // A store that gives an older release than the one that is pinned.
    world.archive("lite", "2");
    let first = fs::read(world.store.join("latest.json")).unwrap();
    world.published(&[]);
    assert_eq!(world.lock().release.unwrap().number, 2);
    let second = fs::read(world.store.join("latest.json")).unwrap();
    fs::write(world.store.join("latest.json"), first).unwrap();
    let out = world.lock_with(&[]);
    assert_eq!(out.status.code(), Some(1));
    assert!(said(&out).contains("has the number 1, but number 2 was seen before"), "{}", said(&out));
    fs::write(world.store.join("latest.json"), second).unwrap();

    // Without a signature.
    let signature = world.in_store(&release(2), "index.json.minisig");
    let text = fs::read_to_string(&signature).unwrap();
    for (spoiled, expected) in [("", "it is not signed"), ("<html>", "none of minisign")] {
        fs::write(&signature, spoiled).unwrap();
        let out = world.lock_with(&[]);
        assert_eq!(out.status.code(), Some(1));
        assert!(said(&out).contains(expected), "{}", said(&out));
    }
    fs::remove_file(&signature).unwrap();
    let out = world.lock_with(&[]);
    assert!(said(&out).contains("it has no index.json.minisig"), "{}", said(&out));
    fs::write(&signature, text).unwrap();
    assert_eq!(world.lock().release.unwrap().number, 2);
}

#[test]
fn a_store_whose_newest_release_somebody_else_signed_is_not_continued_unless_he_is_named() {
    let one = World::new();
    one.published(&[]);
    let other = World { store: one.store.clone(), ..World::new() };
    other.archive("lite", "other");
    other.refused(&[], 1, &["signed by none of the trusted keys"]);
    let (name, _) = other.published(&["--key", &one.path("key.pub")]);
    assert_eq!((name, other.newest().unwrap().number), (release(2), 2));
}

#[test]
fn a_missing_cell_refuses_the_release_unless_it_is_declared_absent() {
    let world = World::new();
    let lite = format!("libv8-{}-{TARGET}-lite.tar.zst", V8.trim());
    fs::remove_file(Path::new(&world.path("archives")).join(&lite)).unwrap();
    world.refused(&[], 1, &["archives of the release are missing", &lite, "--absent"]);
    assert!(!world.store.exists(), "nothing was begun");
    let absent = format!("{TARGET}:lite=its <builder> is ill");
    world.published(&["--absent", &absent]);
    let index = world.newest().unwrap();
    assert_eq!((index.archives.len(), index.absent[0].reason.as_str()), (1, "its <builder> is ill"));
    let page = fs::read_to_string(world.in_store(&release(1), "index.html")).unwrap();
    assert!(page.contains(&format!("<li>{TARGET} lite: its &lt;builder&gt; is ill</li>")), "{page}");
    // An archive that is not fit for use is not published either.
    let world = World::new();
    let path = Path::new(&world.path("archives")).join(&lite);
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 5;
    bytes[last] ^= 1;
    fs::write(&path, bytes).unwrap();
    world.refused(&[], 1, &["not fit to be published", &lite]);
    assert!(!world.store.exists(), "nothing was begun");
}

#[test]
fn a_dry_run_shows_exactly_what_is_put_and_puts_nothing() {
    let world = World::new();
    let (shown, _) = world.published(&["--dry-run"]);
    assert!(!world.store.exists());
    world.published(&[]);
    let index = world.newest().unwrap();
    for it in &index.archives {
        assert!(
            shown.contains(&format!("put      {}  {} bytes  SHA-256 {}", it.name, it.size_bytes, it.sha256)),
            "{shown}"
        );
    }
    // Files with the time of the release in them differ by that.
    for it in index.files.iter().filter(|it| it.name.contains(".json") && it.name != "draft.json") {
        assert!(
            shown.contains(&format!("put      {}  {} bytes  SHA-256 {}", it.name, it.size_bytes, it.sha256)),
            "{shown}"
        );
    }
    assert_eq!(shown.matches("\nput      ").count(), FILES - 2);
}

#[test]
fn no_secret_is_in_what_is_said_or_written() {
    let world = World::new();
    let password = "correct-horse-battery-staple";
    let out = world.run_with(
        &["publish", "--new-key", &world.path("locked")],
        &[("LIBV8_SIGNING_KEY_PASSWORD", password)],
    );
    assert!(out.status.success(), "{}", said(&out));
    let text = fs::read_to_string(world.path("locked")).unwrap();
    let key = text.lines().nth(1).unwrap();
    let mut all = said(&out);
    let to = format!("dir:{}", world.store.display());
    let from = world.path("archives");
    let mut arguments = vec!["publish", "--to", &to, "--from", &from, "--target", TARGET];
    let public = format!("{}.pub", world.path("locked"));
    for environment in [
        vec![("LIBV8_SIGNING_KEY", text.as_str())],
        vec![("LIBV8_SIGNING_KEY", key), ("LIBV8_SIGNING_KEY_PASSWORD", "not-it-at-all")],
        vec![("LIBV8_SIGNING_KEY", &key[..100]), ("LIBV8_SIGNING_KEY_PASSWORD", password)],
        vec![
            ("LIBV8_SIGNING_KEY", key),
            ("LIBV8_SIGNING_KEY_FILE", "x"),
            ("LIBV8_SIGNING_KEY_PASSWORD", password),
        ],
        vec![],
    ] {
        let out = world.run_with(&arguments, &environment);
        assert_eq!(out.status.code(), Some(2), "{}", said(&out));
        all.push_str(&said(&out));
    }
    let good = [("LIBV8_SIGNING_KEY", key), ("LIBV8_SIGNING_KEY_PASSWORD", password)];
    for release in [None, None, Some("15.2.124.1-x")] {
        arguments.extend(release.map(|name| ["--release", name]).into_iter().flatten());
        let out = world.run_with(&arguments, &good);
        assert_eq!(out.status.success(), release.is_none(), "{}", said(&out));
        all.push_str(&said(&out));
    }
    let out = world.lock_with(&["--key", &public]);
    assert!(out.status.success(), "{}", said(&out));
    for folder in
        [world.store.join(release(1)), world.store.clone(), world.folder.path().join("cache/publish")]
    {
        for entry in fs::read_dir(folder).unwrap().flatten().filter(|entry| entry.path().is_file()) {
            all.push_str(&String::from_utf8_lossy(&fs::read(entry.path()).unwrap()));
        }
    }
    for secret in [key, &key[..60], &key[60..120], password, "not-it-at-all"] {
        assert!(!all.contains(secret), "{secret} is in\n{all}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_list_of_digests_is_what_sha256sum_takes() {
    let world = World::new();
    world.published(&[]);
    let folder = world.store.join(release(1));
    let check = |folder: &Path| {
        std::process::Command::new("sha256sum")
            .args(["--strict", "-c", "SHA256SUMS"])
            .current_dir(folder)
            .output()
    };
    let out = check(&folder).unwrap();
    assert!(out.status.success(), "{}", said(&out));
    // Everything but itself, the index and its signature.
    assert_eq!(said(&out).matches(": OK\n").count(), FILES - 3, "{}", said(&out));
    fs::write(folder.join("LICENSES.txt"), "none").unwrap();
    assert!(!check(&folder).unwrap().status.success());
}
