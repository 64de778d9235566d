//! What every store must do: functions over a store that a test opens, against a real folder or a real server.
//!
//! [`run`] takes a store that is empty or holds releases of other names; it leaves releases behind.

use std::fs;
use std::path::PathBuf;
use std::sync::Barrier;

use v8_archive::Sha256;
use v8_archive::digest::SizedSha256;

use super::{Listed, Pointer, Put, Store};
use crate::error::{Error, Result};
use crate::toolchain::testing::Folder;

/// Opens the store under test once more, as another process would.
pub type Open<'a> = dyn Fn() -> Store + Sync + 'a;

/// The release of [`interrupted_upload`].
pub const INTERRUPTED: &str = "9.0.0.6-1";

/// Every test that needs nothing but the store.
pub fn run(open: &Open<'_>) {
    run_one_by_one(open);
    f44_two_publishers_put_other_bytes(open);
    f44_two_publishers_commit(open);
}

/// Every test in which nothing happens at the same time.
pub fn run_one_by_one(open: &Open<'_>) {
    nothing_is_there(&open());
    f45_same_bytes_are_nothing_and_others_are_refused(&open());
    a_list_has_every_file_and_what_is_read_is_what_was_put(&open());
    a_file_longer_than_its_limit_is_not_read(&open());
    a_source_that_is_not_what_was_promised_is_not_put(&open());
    f46_a_lost_update_is_found(open);
}

/// Files of a test, on this machine.
struct Local {
    folder: Folder,
}

impl Local {
    fn new() -> Local {
        Local { folder: Folder::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> (PathBuf, SizedSha256) {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        (path, sized(bytes))
    }
}

fn sized(bytes: &[u8]) -> SizedSha256 {
    SizedSha256 { size_bytes: bytes.len() as u64, sha256: Sha256::of_bytes(bytes) }
}

fn put(store: &Store, release: &str, name: &str, bytes: &[u8]) -> Result<Put> {
    let local = Local::new();
    let (path, expected) = local.file("put", bytes);
    store.put(release, name, &path, expected)
}

/// The file's bytes, of which the store says the right digest.
fn get(store: &Store, release: &str, name: &str) -> Option<Vec<u8>> {
    let local = Local::new();
    let to = local.path("got");
    let there = store.read(release, name, &to, 1 << 20).unwrap();
    let bytes = there.is_some().then(|| fs::read(&to).unwrap());
    assert_eq!(there, bytes.as_deref().map(sized));
    assert_eq!(to.exists(), bytes.is_some());
    bytes
}

fn listed(name: &str, bytes: &[u8]) -> Listed {
    Listed { name: name.to_owned(), size_bytes: bytes.len() as u64 }
}

fn nothing_is_there(store: &Store) {
    assert_eq!(store.list("9.0.0.0-1").unwrap(), []);
    assert_eq!(get(store, "9.0.0.0-1", "SHA256SUMS"), None);
    let origin = store.origin();
    v8_archive::lock::check_template(&origin).unwrap();
    assert!(origin.contains("{name}") || origin.contains("{sha256}"), "{origin}");
    // Names are looked at before the store is asked.
    let error = store.list("../x").unwrap_err();
    assert_eq!(error.exit_code(), 2, "{error}");
}

/// F45.
pub fn f45_same_bytes_are_nothing_and_others_are_refused(store: &Store) {
    let release = "9.0.0.1-1";
    assert_eq!(put(store, release, "a.tar.zst", b"one").unwrap(), Put::Stored);
    assert_eq!(put(store, release, "a.tar.zst", b"one").unwrap(), Put::AlreadyThere);
    for other in [b"two".as_slice(), b"longer", b""] {
        let error = put(store, release, "a.tar.zst", other).unwrap_err();
        assert_eq!(error.exit_code(), 1, "{error}");
        for part in
            [&sized(b"one").sha256.to_string(), &sized(other).sha256.to_string(), "a.tar.zst", release]
        {
            assert!(error.to_string().contains(part), "{part} is missing: {error}");
        }
        assert!(error.to_string().contains("next revision"), "{error}");
    }
    assert_eq!(get(store, release, "a.tar.zst").unwrap(), b"one");
    assert_eq!(store.list(release).unwrap(), [listed("a.tar.zst", b"one")]);
    // The same name in another release is another file.
    assert_eq!(put(store, "9.0.0.1-2", "a.tar.zst", b"two").unwrap(), Put::Stored);
    assert_eq!(get(store, release, "a.tar.zst").unwrap(), b"one");
    assert_eq!(get(store, "9.0.0.1-2", "a.tar.zst").unwrap(), b"two");
}

fn a_list_has_every_file_and_what_is_read_is_what_was_put(store: &Store) {
    let release = "9.0.0.2-1";
    // Larger than a buffer, and the empty file.
    let large: Vec<u8> = (0..300_000u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>()[..1 << 20].to_vec();
    let files: [(&str, &[u8]); 4] =
        [("index.json", b"{}\n"), ("SHA256SUMS", b""), ("index.json.minisig", b"x"), ("b_1.tar.zst", &large)];
    for (name, bytes) in files {
        assert_eq!(put(store, release, name, bytes).unwrap(), Put::Stored, "{name}");
    }
    let mut expected = files.map(|(name, bytes)| listed(name, bytes));
    expected.sort();
    assert_eq!(store.list(release).unwrap(), expected);
    for (name, bytes) in files {
        assert_eq!(get(store, release, name).as_deref(), Some(bytes), "{name}");
    }
    assert_eq!(get(store, release, "index.jso"), None);
    // A release whose name begins alike has none of them.
    assert_eq!(store.list("9.0.0.2-11").unwrap(), []);
    assert_eq!(store.list("9.0.0.2").unwrap(), []);
}

fn a_file_longer_than_its_limit_is_not_read(store: &Store) {
    let release = "9.0.0.3-1";
    put(store, release, "a", b"0123456789").unwrap();
    let local = Local::new();
    let to = local.path("got");
    let error = store.read(release, "a", &to, 9).unwrap_err().to_string();
    assert!(error.contains("longer than the 9 bytes"), "{error}");
    assert_eq!(fs::read_dir(local.folder.path()).unwrap().count(), 0, "nothing is left");
    assert!(store.read(release, "a", &to, 10).unwrap().is_some());
}

fn a_source_that_is_not_what_was_promised_is_not_put(store: &Store) {
    let release = "9.0.0.4-1";
    let local = Local::new();
    let (path, right) = local.file("put", b"0123456789");
    // Other bytes, fewer, more.
    for promised in [sized(b"9876543210"), sized(b"01234567890"), sized(b"012345678")] {
        let error = store.put(release, "a", &path, promised).unwrap_err();
        assert_eq!(error.exit_code(), 1, "{error}");
        assert_eq!(store.list(release).unwrap(), []);
        assert_eq!(get(store, release, "a"), None);
    }
    assert_eq!(store.put(release, "a", &path, right).unwrap(), Put::Stored);
    assert_eq!(get(store, release, "a").unwrap(), b"0123456789");
}

/// What a killed upload has left, made by `leave(release, name)`, is not there for readers, and the next upload goes on.
pub fn interrupted_upload(open: &Open<'_>, leave: &dyn Fn(&str, &str)) {
    put(&open(), INTERRUPTED, "b", b"another file").unwrap();
    leave(INTERRUPTED, "a.tar.zst");
    let store = open();
    assert_eq!(store.list(INTERRUPTED).unwrap(), [listed("b", b"another file")]);
    assert_eq!(get(&store, INTERRUPTED, "a.tar.zst"), None);
    assert_eq!(put(&store, INTERRUPTED, "a.tar.zst", b"the whole of it").unwrap(), Put::Stored);
    assert_eq!(get(&store, INTERRUPTED, "a.tar.zst").unwrap(), b"the whole of it");
    let expected = [listed("a.tar.zst", b"the whole of it"), listed("b", b"another file")];
    assert_eq!(store.list(INTERRUPTED).unwrap(), expected);
}

/// Runs both at the same time, and says who was first: `true` if it was the first one. Exactly one must win.
fn race<T: Send>(
    open: &Open<'_>,
    one: impl FnOnce(&Store) -> Result<T> + Send,
    other: impl FnOnce(&Store) -> Result<T> + Send,
) -> (bool, Error) {
    let start = Barrier::new(2);
    let (one, other) = std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            let store = open();
            start.wait();
            other(&store)
        });
        let store = open();
        start.wait();
        (one(&store), other.join().unwrap())
    });
    match (one, other) {
        (Ok(_), Err(error)) => (true, error),
        (Err(error), Ok(_)) => (false, error),
        (Ok(_), Ok(_)) => panic!("both have won"),
        (Err(one), Err(other)) => panic!("both have lost: {one}; {other}"),
    }
}

/// F44: of two that put other bytes under one name, one is refused and the other's are there.
pub fn f44_two_publishers_put_other_bytes(open: &Open<'_>) {
    for round in 0..5 {
        let release = format!("9.0.0.5-{}", round + 1);
        let (one, other) = (vec![b'1'; 200_000], vec![b'2'; 200_000]);
        let (first, error) =
            race(open, |store| put(store, &release, "a", &one), |store| put(store, &release, "a", &other));
        assert!(error.to_string().contains("next revision"), "{error}");
        assert!(get(&open(), &release, "a").unwrap() == if first { one } else { other });
    }
}

/// The number after the newest one's, and a pointer to it.
fn next(store: &Store, release: &str) -> Pointer {
    let number = store.latest().unwrap().map_or(1, |(pointer, _)| pointer.number + 1);
    Pointer::to(release, number, Sha256::of_bytes(release.as_bytes()))
}

/// F46.
pub fn f46_a_lost_update_is_found(open: &Open<'_>) {
    let store = open();
    let before = store.latest().unwrap();
    let stale = before.map(|(_, version)| version);

    let first = next(&store, "9.0.0.7-1");
    put(&store, &first.release, "index.json", b"1").unwrap();
    store.commit(&first, stale.as_ref()).unwrap();
    let (there, version) = open().latest().unwrap().unwrap();
    assert_eq!(there, first);
    // The answer may have been lost: once more is nothing.
    store.commit(&first, stale.as_ref()).unwrap();
    assert_eq!(open().latest().unwrap().unwrap(), (first.clone(), version.clone()));

    // Who has read the state before, or has read that there is nothing, is told.
    let second = next(&store, "9.0.0.7-2");
    put(&store, &second.release, "index.json", b"2").unwrap();
    for replacing in [stale.as_ref(), None] {
        let error = open().commit(&second, replacing).unwrap_err();
        assert_eq!(error.exit_code(), 1, "{error}");
        let text = error.to_string();
        assert!(text.contains("another publisher was faster"), "{text}");
        assert!(text.contains("9.0.0.7-1") && text.contains("9.0.0.7-2"), "{text}");
        assert_eq!(open().latest().unwrap().unwrap(), (first.clone(), version.clone()));
    }
    store.commit(&second, Some(&version)).unwrap();
    assert_eq!(open().latest().unwrap().unwrap().0, second);
    // A state that comes back is told from the one before it by its number, so the old version is of no use.
    assert!(store.commit(&first, Some(&version)).is_err());
}

/// F44: of two that commit at the same time, one wins, and the other is told.
pub fn f44_two_publishers_commit(open: &Open<'_>) {
    for round in 0..5 {
        let store = open();
        let replacing = store.latest().unwrap().map(|(_, version)| version);
        let [one, other] = [1, 2].map(|which| next(&store, &format!("9.0.0.8-{}", 10 * round + which)));
        for pointer in [&one, &other] {
            put(&store, &pointer.release, "index.json", pointer.release.as_bytes()).unwrap();
        }
        let (first, error) = race(
            open,
            |store| store.commit(&one, replacing.as_ref()),
            |store| store.commit(&other, replacing.as_ref()),
        );
        assert!(error.to_string().contains("another publisher was faster"), "{error}");
        assert_eq!(open().latest().unwrap().unwrap().0, if first { one } else { other });
    }
}
