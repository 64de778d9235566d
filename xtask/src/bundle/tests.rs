//! Bundles that come back as they were, and spoiled ones.

use super::*;
use crate::process;
use crate::source::depot::git;
use crate::source::testing::checkout_of;

/// A folder with a file, a repository, and a bundle of both.
struct World {
    folder: tempfile::TempDir,
    commit: String,
    sha256: String,
}

impl World {
    fn new() -> World {
        let folder = tempfile::Builder::new().prefix("libv8 bundle ").tempdir().unwrap();
        let upstream = folder.path().join("upstream");
        fs::create_dir(&upstream).unwrap();
        fs::write(upstream.join("file"), "text\n").unwrap();
        let run = |arguments: &[&str]| {
            let mut git = git(None);
            git.arg("-C").arg(&upstream).args(["-c", "user.name=a", "-c", "user.email=a@b"]).args(arguments);
            process::read(&mut git).unwrap().trim().to_owned()
        };
        run(&["init", "--quiet"]);
        run(&["add", "file"]);
        run(&["commit", "--quiet", "-m", "one"]);
        // Its parent is not in the cache, as with every real commit.
        run(&["commit", "--quiet", "--allow-empty", "-m", "two"]);
        let commit = run(&["rev-parse", "HEAD"]);
        let world = World { sha256: Sha256::of_bytes(b"wheel").to_string(), folder, commit };
        let store = Store::of(&world.cache("first"));
        store.ensure(&format!("file://{}", upstream.display()), &world.commit).unwrap();
        let wheel = world.folder.path().join("wheel");
        fs::write(&wheel, "wheel").unwrap();
        let revision = world.folder.path().join("revision");
        fs::write(&revision, &world.commit).unwrap();
        let files = BTreeSet::from([
            (format!("downloads/{}/a-1:2+b.whl", world.sha256), wheel),
            (format!("git/{}", world.commit), store.pack(&world.commit).unwrap()),
            ("revisions/0123-1.0.0.1".to_owned(), revision),
        ]);
        pack(vec!["archive".to_owned()], files, &world.bundle()).unwrap();
        world
    }

    fn cache(&self, name: &str) -> Cache {
        Cache::at(self.folder.path().join(name))
    }

    fn bundle(&self) -> PathBuf {
        self.folder.path().join("bundle.tar")
    }

    /// Replaces bytes of the same length in the bundle.
    fn spoil(&self, from: &[u8], to: &[u8]) {
        let mut bytes = fs::read(self.bundle()).unwrap();
        let at = bytes.windows(from.len()).rposition(|window| window == from).expect("it is in the bundle");
        bytes[at..at + to.len()].copy_from_slice(to);
        fs::write(self.bundle(), bytes).unwrap();
    }
}

#[test]
fn what_was_packed_is_there_on_the_other_machine() {
    let world = World::new();
    let cache = world.cache("second");
    for _ in 0..2 {
        read(&world.bundle(), &cache).unwrap();
    }
    let wheel = cache.downloads().join(&world.sha256).join("a-1:2+b.whl");
    assert_eq!(fs::read_to_string(wheel).unwrap(), "wheel");
    let store = Store::of(&cache);
    assert_eq!(store.file(&world.commit, "file").unwrap().as_deref(), Some("text\n"));
    let to = world.folder.path().join("tree");
    store.checkout(&world.commit, &to, &world.folder.path().join("index")).unwrap();
    assert_eq!(fs::read_to_string(to.join("file")).unwrap(), "text\n");
    assert_eq!(fs::read_to_string(store.beside("revisions/0123-1.0.0.1")).unwrap(), world.commit);
    // Nothing else is left.
    let left: BTreeSet<_> =
        fs::read_dir(cache.root()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, BTreeSet::from(["depot".into(), "downloads".into()]));
}

#[test]
fn the_same_files_are_the_same_bundle() {
    let world = World::new();
    let first = fs::read(world.bundle()).unwrap();
    let wheel = world.folder.path().join("wheel");
    let name = format!("downloads/{}/a-1:2+b.whl", world.sha256);
    let one = || pack(Vec::new(), BTreeSet::from([(name.clone(), wheel.clone())]), &world.bundle()).unwrap();
    one();
    let second = fs::read(world.bundle()).unwrap();
    one();
    assert_eq!(fs::read(world.bundle()).unwrap(), second);
    assert_ne!(first, second);
}

#[test]
fn f04_f33_f34_a_spoiled_bundle_is_refused() {
    let check = |spoil: &dyn Fn(&World), expected: &str| {
        let world = World::new();
        spoil(&world);
        let error = read(&world.bundle(), &world.cache("second")).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(!Store::of(&world.cache("second")).has(&world.commit), "{expected}");
    };
    check(&|world| world.spoil(b"wheel\0", b"whee1\0"), "is not what bundle.json says\n  wanted: sha256 ");
    check(&|world| world.spoil(b"PACK", b"PICK"), "is not what bundle.json says\n  wanted: sha256 ");
    check(&|world| world.spoil(b"bundle.json", b"bundle.jsom"), "archive header checksum mismatch");
    check(&|world| fs::write(world.bundle(), b"").unwrap(), "is no bundle");
    check(
        &|world| {
            let bytes = fs::read(world.bundle()).unwrap();
            fs::write(world.bundle(), &bytes[..2048]).unwrap();
        },
        "",
    );
}

/// Digests in the list are only as good as who wrote it: what an entry says of itself is checked as well.
#[test]
fn a_bundle_that_lies_in_its_own_list_is_refused_too() {
    let world = World::new();
    let wheel = world.folder.path().join("wheel");
    let check = |name: String, expected: &str| {
        pack(Vec::new(), BTreeSet::from([(name, wheel.clone())]), &world.bundle()).unwrap();
        let error = read(&world.bundle(), &world.cache("third")).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(format!("downloads/{}/a.whl", Sha256::of_bytes(b"other")), "has the digest");
    check(format!("git/{}", world.commit), "index-pack");
    // Another commit's pack under this name.
    let store = Store::of(&world.cache("first"));
    let other = world.commit.chars().rev().collect::<String>();
    let files = BTreeSet::from([(format!("git/{other}"), store.pack(&world.commit).unwrap())]);
    pack(Vec::new(), files, &world.bundle()).unwrap();
    let error = read(&world.bundle(), &world.cache("third")).unwrap_err().to_string();
    assert!(error.contains("rev-list"), "{error}");
    assert!(!Store::of(&world.cache("third")).has(&other));
}

#[test]
fn f01_a_list_that_states_no_possible_length_is_refused() {
    let world = World::new();
    let path = format!("downloads/{}/a.whl", world.sha256);
    let sha256 = Sha256::of_bytes(b"wheel");
    let entries = vec![Entry { path: path.clone(), size_bytes: u64::MAX, sha256 }];
    let list = serde_json::to_vec(&List { format: FORMAT, archives: Vec::new(), entries }).unwrap();
    let mut tar = tar::Builder::new(File::create(world.bundle()).unwrap());
    for (name, bytes) in [(LIST, list.as_slice()), (path.as_str(), b"wheel".as_slice())] {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, bytes).unwrap();
    }
    drop(tar.into_inner().unwrap());
    let error = read(&world.bundle(), &world.cache("third")).unwrap_err().to_string();
    assert!(error.contains("is not what bundle.json says"), "{error}");
}

#[test]
fn commits_that_a_tree_did_not_come_from_are_fetched_for_the_bundle() {
    let world = World::new();
    let cache = world.cache("fourth");
    let url = format!("file://{}", world.folder.path().join("upstream").display());
    let checkout = checkout_of("1.0.0.1", &url, &world.commit, &cache);
    assert_eq!(checkout.carried().unwrap(), (vec![world.commit.clone()], Vec::new()));
    assert!(Store::of(&cache).pack(&world.commit).unwrap().is_file());
}

#[test]
fn places() {
    let digest = "a".repeat(64);
    for wrong in [
        "",
        "downloads",
        "downloads/x/y",
        "git/HEAD",
        "git/../x",
        "revisions/..",
        "revisions/.x",
        "other/x",
        &format!("downloads/{digest}/.."),
        &format!("downloads/{digest}/a/b"),
        &format!("/downloads/{digest}/a"),
    ] {
        assert_eq!(Place::of(wrong), None, "{wrong}");
    }
    assert_eq!(
        Place::of(&format!("downloads/{digest}/a.whl")),
        Some(Place::Download { sha256: &digest, name: "a.whl" })
    );
}
