//! Plans and trees from packages that the tests pack themselves: no network, and no cargo unless a test says so.

use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::testing::{pack, store};
use super::tree::Tree;
use super::*;

const VERSION_H: &str = "#define V8_MAJOR_VERSION 15\n#define V8_MINOR_VERSION 2\n#define V8_BUILD_NUMBER 124\n#define V8_PATCH_LEVEL 1\n";
const PATCH: &str = "Why: test\nUpstream: not reported\nApplies-to: source=crate; v8=>=15; target=*-linux-*\n\n\
                     diff --git a/v8/a.cc b/v8/a.cc\n--- a/v8/a.cc\n+++ b/v8/a.cc\n@@ -1,2 +1,3 @@\n int a;\n+int two;\n int b;\n";
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// A repository, cargo's home and an empty cache in one folder, with a blank in its name as the field has them.
struct World {
    folder: tempfile::TempDir,
    pins: Pins,
}

impl World {
    fn new() -> World {
        World::with("78", VERSION_H)
    }

    fn with(icu: &str, version_h: &str) -> World {
        let folder = tempfile::Builder::new().prefix("libv8 ü ").tempdir().unwrap();
        let icu_version = format!("{{\"major_version\": \"{icu}\"}}");
        let v8: &[(&str, &str, u32)] = &[
            ("v8/include/v8-version.h", version_h, 0o644),
            ("v8/a.cc", "int a;\nint b;\n", 0o644),
            ("v8/tools/run.py", "#!\n", 0o755),
            ("third_party/icu/version.json", &icu_version, 0o644),
            ("tests/left.rs", "", 0o644),
            ("rust-toolchain.toml", "", 0o644),
        ];
        let world = World {
            pins: Pins {
                v8: pack(folder.path(), "v8", "152.2.0", v8),
                icu_data: pack(
                    folder.path(),
                    "deno_core_icudata",
                    "0.78.0",
                    &[("src/icudtl.dat", "data", 0o644)],
                ),
                v8_version: V8Version([15, 2, 124, 1]),
            },
            folder,
        };
        for (name, text) in
            [("patches/0001-two.patch", PATCH), ("embed/BUILD.gn", "group"), ("embed/libv8.h", "h")]
        {
            world.write(name, text);
        }
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn crate_file(&self) -> PathBuf {
        self.path("home/registry/cache/mirror-1/v8-152.2.0.crate")
    }

    /// A cargo that cannot be started: whoever gets a package has it from the cache.
    fn no_cargo(&self) -> Cargo {
        Cargo {
            program: "no-cargo-here".into(),
            home: self.path("home"),
            config_folder: self.path(""),
            downloads: None,
        }
    }

    fn plan(&self) -> SourcePlan {
        plan(Start::Crate(&self.pins), TARGET, self.folder.path(), &self.path("cache")).unwrap()
    }

    fn prepare(&self) -> Result<Tree> {
        prepare(&self.plan(), &self.no_cargo(), &|_| ())
    }

    /// The error of preparing, after which no tree has the name, and nothing else is in the way.
    #[track_caller]
    fn refused(&self) -> Error {
        let error = self.prepare().unwrap_err();
        assert!(!self.plan().folder.exists());
        assert_eq!(World::files(&self.path("cache")).len(), 1, "the lock");
        error
    }

    /// Every file of a tree, relative and sorted.
    fn files(root: &Path) -> Vec<String> {
        fn walk(folder: &Path, root: &Path, into: &mut Vec<String>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, root, into);
                } else {
                    into.push(path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/"));
                }
            }
        }
        let mut files = Vec::new();
        walk(root, root, &mut files);
        files.sort();
        files
    }
}

#[test]
fn a_tree_is_made_once() {
    let world = World::new();
    let plan = world.plan();
    assert!(!plan.present);
    assert!(!world.path("cache").exists(), "a plan writes nothing");
    let name = plan.folder.file_name().unwrap().to_str().unwrap();
    assert_eq!(name, format!("v8-crate-152.2.0-{}", &plan.key[..16]));

    let tree = world.prepare().unwrap();
    assert_eq!(
        World::files(&tree.root),
        [
            "libv8-source.json",
            "libv8/BUILD.gn",
            "libv8/libv8.h",
            "third_party/icu/common/icudtl.dat",
            "third_party/icu/version.json",
            "v8/a.cc",
            "v8/include/v8-version.h",
            "v8/tools/run.py",
        ]
    );
    assert_eq!(std::fs::read_to_string(tree.root.join("v8/a.cc")).unwrap(), "int a;\nint two;\nint b;\n");
    let times: std::collections::BTreeSet<_> = World::files(&tree.root)
        .iter()
        .map(|file| std::fs::metadata(tree.root.join(file)).unwrap().modified().unwrap())
        .collect();
    assert_eq!(times.len(), 1, "one time for every file, patched ones too");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let executable =
            |file: &str| tree.root.join(file).metadata().unwrap().permissions().mode() & 0o100 != 0;
        assert!(executable("v8/tools/run.py") && !executable("v8/a.cc"));
    }
    let stamp: serde_json::Value =
        serde_json::from_slice(&std::fs::read(tree.root.join("libv8-source.json")).unwrap()).unwrap();
    assert_eq!(stamp["key"], plan.key);
    assert_eq!(stamp["v8_version"], "15.2.124.1");
    assert_eq!(stamp["patches"][0]["name"], "0001-two");
    assert_eq!(stamp["patches"][0]["sha256"], sha256(PATCH.as_bytes()));
    assert_eq!(stamp["packages"][0]["sha256"], world.pins.v8.sha256);
    assert_eq!(World::files(&world.path("cache")).len(), 8 + 1, "the tree and its lock, no leftovers");

    // The second time needs neither the packages nor a step of work.
    std::fs::remove_dir_all(world.path("home")).unwrap();
    assert!(world.plan().present);
    let again = prepare(&world.plan(), &world.no_cargo(), &|line| panic!("{line}")).unwrap();
    assert_eq!(again, tree);
}

#[test]
fn the_key_covers_all_that_goes_in() {
    let world = World::new();
    let key = |world: &World| world.plan().key;
    let first = key(&world);
    assert_eq!(first, key(&world));
    let others: Vec<String> = [
        ("patches/0001-two.patch", PATCH.replace("test", "tests")),
        ("embed/libv8.h", "H".into()),
        ("embed/new.cc", String::new()),
    ]
    .into_iter()
    .map(|(name, text)| {
        world.write(name, &text);
        key(&world)
    })
    .collect();
    let mut pinned = world.pins.clone();
    pinned.icu_data.version = "0.78.1".into();
    let other_pin =
        plan(Start::Crate(&pinned), TARGET, world.folder.path(), &world.path("cache")).unwrap().key;
    // The patch is for Linux only.
    let no_patch =
        plan(Start::Crate(&world.pins), "aarch64-apple-darwin", world.folder.path(), &world.path("cache"))
            .unwrap();
    assert_eq!(no_patch.patches, []);
    let musl = plan(
        Start::Crate(&world.pins),
        "x86_64-unknown-linux-musl",
        world.folder.path(),
        &world.path("cache"),
    )
    .unwrap();
    assert_eq!(musl.key, key(&world), "targets with the same patches share a tree");
    let mut keys = [vec![first, other_pin, no_patch.key], others].concat();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 6);
}

#[test]
fn the_same_tree_with_other_patches() {
    let plan = World::new().plan();
    let sources = plan.folder.parent().unwrap();
    assert_eq!(plan.with_patches(plan.patches.clone(), sources).unwrap(), plan);
    let bare = plan.with_patches(Vec::new(), sources).unwrap();
    assert!(!plan.patches.is_empty() && bare.patches.is_empty());
    assert_ne!((&bare.key, &bare.folder), (&plan.key, &plan.folder));
    assert!(
        bare.folder.ends_with(format!("v8-crate-152.2.0-{}", &bare.key[..16])),
        "{}",
        bare.folder.display()
    );
}

#[test]
fn bad_pins_are_refused() {
    let world = World::new();
    let check = |change: &dyn Fn(&mut CratePin)| {
        let mut pins = world.pins.clone();
        change(&mut pins.v8);
        let error = plan(Start::Crate(&pins), TARGET, world.folder.path(), &world.path("cache")).unwrap_err();
        assert!(error.to_string().contains("bad pin"), "{error}");
    };
    check(&|pin| pin.version = "../1".into());
    check(&|pin| pin.package = String::new());
    check(&|pin| pin.sha256.make_ascii_uppercase());
    check(&|pin| pin.sha256.truncate(63));
}

#[test]
#[cfg(unix)]
fn f04_a_changed_byte_in_the_package_is_named() {
    let world = World::new();
    let mut bytes = std::fs::read(world.crate_file()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(world.crate_file(), &bytes).unwrap();
    // Cargo is asked first: it might fetch the right bytes from another registry. `true` fetches nothing.
    let cargo = Cargo { program: "true".into(), ..world.no_cargo() };
    let error = prepare(&world.plan(), &cargo, &|_| ()).unwrap_err().to_string();
    for expected in [
        "v8-152.2.0.crate is not the v8 152.2.0 that is pinned",
        &world.pins.v8.sha256,
        &sha256(&bytes),
        "help: remove ",
    ] {
        assert!(error.contains(expected), "{error}");
    }
    assert!(!world.plan().folder.exists());

    // The right bytes in another registry's folder are as good.
    let other = world.path("home/registry/cache/empty-2/v8-152.2.0.crate");
    bytes[middle] ^= 1;
    std::fs::write(other, &bytes).unwrap();
    world.prepare().unwrap();
}

#[test]
fn versions_that_do_not_fit_are_named() {
    let error = World::with("77", VERSION_H).refused();
    assert_eq!(error.exit_code(), 2);
    let error = error.to_string();
    assert!(error.contains("the data of ICU 77, deno_core_icudata 0.78.0 has that of ICU 78"), "{error}");

    let error = World::with("78", &VERSION_H.replace("124", "125")).refused().to_string();
    assert!(error.contains("v8 152.2.0 is not V8 15.2.124.1, but 15.2.125.1"), "{error}");
}

#[test]
fn f52_a_patch_that_does_not_fit_leaves_everything_as_it_was() {
    let world = World::new();
    let package = std::fs::read(world.crate_file()).unwrap();
    world.write("patches/0002-other.patch", &PATCH.replace(" int b;", " int c;"));
    let error = world.refused().to_string();
    assert!(error.contains("patch 0002-other does not apply: v8/a.cc hunk 1 of 1: line 2"), "{error}");
    assert_eq!(std::fs::read(world.crate_file()).unwrap(), package);
    std::fs::remove_file(world.path("patches/0002-other.patch")).unwrap();
    world.prepare().unwrap();
}

#[test]
fn f38_an_interrupted_copy_is_made_anew() {
    let world = World::new();
    let folder = world.plan().folder;
    let partial = format!("{}.partial/tree", folder.strip_prefix(world.folder.path()).unwrap().display());
    world.write(&format!("{partial}/v8/a.cc"), "half");
    world.write(&format!("{partial}/v8/stale"), "");
    let tree = world.prepare().unwrap();
    assert_eq!(World::files(&tree.root).len(), 8);
    assert!(!world.path(&partial).parent().unwrap().exists());
}

#[test]
fn f40_a_tree_without_its_stamp_is_not_used() {
    let world = World::new();
    let root = world.prepare().unwrap().root;
    let stamp = root.join("libv8-source.json");
    for (text, expected) in [
        (Some("{"), "has a stamp that is not readable"),
        (Some("{\"key\":\"1\"}"), "holds another tree"),
        (None, "is no whole tree"),
    ] {
        match text {
            Some(text) => std::fs::write(&stamp, text).unwrap(),
            None => std::fs::remove_file(&stamp).unwrap(),
        }
        let error = plan(Start::Crate(&world.pins), TARGET, world.folder.path(), &world.path("cache"))
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected) && error.contains("help: remove "), "{error}");
    }
}

#[test]
fn f55_of_two_at_once_one_works() {
    let world = World::new();
    let (plan, cargo) = (world.plan(), world.no_cargo());
    let unpacked = AtomicUsize::new(0);
    let both = std::sync::Barrier::new(2);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                both.wait();
                let say = |line: &str| {
                    if line.starts_with("unpacking") {
                        unpacked.fetch_add(1, Ordering::SeqCst);
                    }
                };
                prepare(&plan, &cargo, &say).unwrap();
            });
        }
    });
    assert_eq!(unpacked.into_inner(), 1);
}

#[test]
fn f36_the_second_waits_and_says_so() {
    let world = World::new();
    let (plan, cargo) = (world.plan(), world.no_cargo());
    std::fs::create_dir_all(world.path("cache")).unwrap();
    let lock = std::fs::File::create(format!("{}.lock", plan.folder.display())).unwrap();
    lock.lock().unwrap();
    let lock = Mutex::new(Some(lock));
    let first = Mutex::new(None);
    // The lock's holder lets go when it is waited for.
    let say = |line: &str| {
        first.lock().unwrap().get_or_insert_with(|| line.to_owned());
        drop(lock.lock().unwrap().take());
    };
    prepare(&plan, &cargo, &say).unwrap();
    assert!(first.into_inner().unwrap().unwrap().starts_with("waiting for the process that holds "));
}

#[test]
fn f28_f29_only_regular_files_of_the_package_are_unpacked() {
    let check = |kind: tar::EntryType, name: &str, expected: &str| {
        let world = World::new();
        let mut tar =
            tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        // By hand: the builder refuses such names.
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(0);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append(&header, std::io::empty()).unwrap();
        let bytes = tar.into_inner().unwrap().finish().unwrap();
        let pins = Pins { v8: store(world.folder.path(), "v8", "152.2.0", &bytes), ..world.pins.clone() };
        let plan = plan(Start::Crate(&pins), TARGET, world.folder.path(), &world.path("cache")).unwrap();
        let error = prepare(&plan, &world.no_cargo(), &|_| ()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(!plan.folder.exists());
        assert!(!world.path("cache/evil").exists() && !world.path("evil").exists());
    };
    let regular = tar::EntryType::Regular;
    check(regular, "v8-152.2.0/../evil", "is not inside v8-152.2.0/");
    check(regular, "../evil", "is not inside v8-152.2.0/");
    check(regular, "/evil", "is not inside v8-152.2.0/");
    check(regular, "v8-152.2.0/C:\\evil", "is not inside v8-152.2.0/");
    check(regular, "v8-152.2.0evil", "is not inside v8-152.2.0/");
    check(tar::EntryType::Symlink, "v8-152.2.0/x", "is no regular file");
    check(tar::EntryType::Link, "v8-152.2.0/x", "is no regular file");
    check(tar::EntryType::Fifo, "v8-152.2.0/x", "is no regular file");
}

#[test]
fn f32_a_file_twice_is_refused() {
    let world = World::new();
    let files = &[("v8/a.cc", "1", 0o644), ("v8/a.cc", "2", 0o644)];
    let pins = Pins { v8: pack(world.folder.path(), "v8", "152.2.0", files), ..world.pins.clone() };
    let plan = plan(Start::Crate(&pins), TARGET, world.folder.path(), &world.path("cache")).unwrap();
    let error = prepare(&plan, &world.no_cargo(), &|_| ()).unwrap_err().to_string();
    assert!(error.contains("cannot create ") && error.contains("a.cc"), "{error}");
}

/// A real cargo, whose packages come from a vendored folder.
mod with_cargo {
    use super::*;

    fn vendored() -> (World, Cargo) {
        let world = World::new();
        for (package, version) in [("v8", "152.2.0"), ("deno_core_icudata", "0.78.0")] {
            let pin = if package == "v8" { &world.pins.v8 } else { &world.pins.icu_data };
            let manifest =
                format!("[package]\nname = \"{package}\"\nversion = \"{version}\"\nedition = \"2021\"\n");
            let mut files = vec![("Cargo.toml", manifest.as_str()), ("src/lib.rs", "")];
            match package {
                "v8" => files.extend([
                    ("v8/include/v8-version.h", VERSION_H),
                    ("v8/a.cc", "int a;\nint b;\n"),
                    ("third_party/icu/version.json", "{\"major_version\": \"78\"}"),
                ]),
                _ => files.push(("src/icudtl.dat", "data")),
            }
            let mut sums = serde_json::Map::new();
            for (name, text) in files {
                world.write(&format!("vendor/{package}/{name}"), text);
                sums.insert(name.into(), sha256(text.as_bytes()).into());
            }
            let sums = serde_json::json!({ "package": pin.sha256, "files": sums });
            world.write(&format!("vendor/{package}/.cargo-checksum.json"), &sums.to_string());
        }
        world.write(
            "project/.cargo/config.toml",
            "[source.crates-io]\nreplace-with = \"vendored\"\n[source.vendored]\ndirectory = \"../vendor\"\n",
        );
        std::fs::remove_dir_all(world.path("home")).unwrap();
        std::fs::create_dir_all(world.path("home")).unwrap();
        let cargo = Cargo {
            program: env::cargo(),
            home: world.path("home"),
            config_folder: world.path("project"),
            downloads: None,
        };
        (world, cargo)
    }

    use crate::env;

    #[test]
    fn a_vendored_package_is_used() {
        let (world, cargo) = vendored();
        let tree = prepare(&world.plan(), &cargo, &|_| ()).unwrap();
        assert_eq!(std::fs::read_to_string(tree.root.join("v8/a.cc")).unwrap(), "int a;\nint two;\nint b;\n");
        assert_eq!(
            std::fs::read_to_string(tree.root.join("third_party/icu/common/icudtl.dat")).unwrap(),
            "data"
        );
        let pristine = std::fs::read_to_string(world.path("vendor/v8/v8/a.cc")).unwrap();
        assert_eq!(pristine, "int a;\nint b;\n");
    }

    #[test]
    fn f40_a_changed_vendored_file_is_named() {
        let (world, cargo) = vendored();
        world.write("vendor/v8/v8/a.cc", "int a;\nint B;\n");
        let error = prepare(&world.plan(), &cargo, &|_| ()).unwrap_err().to_string();
        assert!(error.contains("a.cc was changed") && error.contains("cargo vendor"), "{error}");
    }

    #[test]
    fn another_vendored_package_is_named() {
        let (mut world, cargo) = vendored();
        world.pins.v8.sha256 = "0".repeat(64);
        let error = prepare(&world.plan(), &cargo, &|_| ()).unwrap_err().to_string();
        assert!(error.contains("is not of the v8 152.2.0 that is pinned"), "{error}");
    }

    #[test]
    fn cargos_own_words_are_shown_with_help() {
        let (mut world, cargo) = vendored();
        world.pins.v8.version = "152.2.9".into();
        let error = prepare(&world.plan(), &cargo, &|_| ()).unwrap_err().to_string();
        for expected in [
            "cargo metadata",
            "152.2.9",
            "help: cargo must be able to fetch v8 152.2.9: try `cargo info v8@152.2.9`",
            "HTTPS_PROXY",
        ] {
            assert!(error.contains(expected), "{error}");
        }
    }
}

#[test]
fn f01_a_cut_package_is_named() {
    let world = World::new();
    let bytes = std::fs::read(world.crate_file()).unwrap();
    let mut file = std::fs::File::create(world.crate_file()).unwrap();
    file.write_all(&bytes[..bytes.len() / 2]).unwrap();
    let pins = Pins {
        v8: store(world.folder.path(), "v8", "152.2.0", &bytes[..bytes.len() / 2]),
        ..world.pins.clone()
    };
    let plan = plan(Start::Crate(&pins), TARGET, world.folder.path(), &world.path("cache")).unwrap();
    let error = prepare(&plan, &world.no_cargo(), &|_| ()).unwrap_err().to_string();
    assert!(error.contains("cannot unpack ") && error.contains("v8-152.2.0.crate"), "{error}");
}
