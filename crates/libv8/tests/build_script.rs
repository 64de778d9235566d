//! The build script's modules, on small archives without V8 in them. Needs no archive of V8 and links none.

use std::fs;
use std::path::{Path, PathBuf};

use v8_archive::Sha256;
use v8_archive::descriptor::Library;

use archives::{Folder, TARGET, VERSION, descriptor};

use link::System;

#[path = "support/archives.rs"]
mod archives;
#[path = "../build/find.rs"]
mod find;
#[path = "../build/link.rs"]
mod link;
#[path = "../build/unpacked.rs"]
mod unpacked;

use find::{Choice, Place, Seen, Wanted};

fn wanted(variant: Option<&str>) -> Wanted {
    Wanted { v8_version: VERSION.into(), target: TARGET.into(), variant: variant.map(str::to_owned) }
}

/// Looks in a folder with these names, as `LIBV8_ARCHIVE` says or by default; gives the choice or the error.
fn choose(given: bool, variant: Option<&str>, names: &[&str]) -> Result<Choice, String> {
    let path = PathBuf::from("/a/b");
    let place = if given { Place::Given(path) } else { Place::Default(path) };
    wanted(variant).choose(&place, &Seen::Folder(names.iter().map(|name| (*name).to_owned()).collect()))
}

fn archive(name: &str, variant: &str) -> Result<Choice, String> {
    Ok(Choice::Archive { path: Path::new("/a/b").join(name), variant: Some(variant.to_owned()) })
}

const RELEASE: &str = "libv8-15.2.124.1-x86_64-unknown-linux-gnu-release.tar.zst";
const LITE: &str = "libv8-15.2.124.1-x86_64-unknown-linux-gnu-lite.tar.zst";
const LITE_ZIP: &str = "libv8-15.2.124.1-x86_64-unknown-linux-gnu-lite.zip";
const MUSL: &str = "libv8-15.2.124.1-x86_64-unknown-linux-musl-release.tar.zst";
const OLD: &str = "libv8-15.1.0.0-x86_64-unknown-linux-gnu-release.tar.zst";

#[test]
fn a_folder_gives_the_archive_of_exactly_this_version_target_and_variant() {
    let all = ["README.md", OLD, MUSL, LITE_ZIP, LITE, RELEASE, "libv8-x.part"];
    for given in [true, false] {
        assert_eq!(choose(given, None, &all), archive(RELEASE, "release"));
        assert_eq!(choose(given, Some("release"), &all), archive(RELEASE, "release"));
        assert_eq!(choose(given, Some("lite"), &all), archive(LITE, "lite"), "the first format wins");
        assert_eq!(choose(given, Some("lite"), &[RELEASE, LITE_ZIP]), archive(LITE_ZIP, "lite"));
    }
}

#[test]
fn another_archive_is_named_and_not_taken() {
    let names = ["README.md", MUSL, LITE, OLD];
    let text = "\
no archive libv8-15.2.124.1-x86_64-unknown-linux-gnu-release in /a/b
there is: libv8-15.1.0.0-x86_64-unknown-linux-gnu-release.tar.zst, \
libv8-15.2.124.1-x86_64-unknown-linux-gnu-lite.tar.zst, \
libv8-15.2.124.1-x86_64-unknown-linux-musl-release.tar.zst
help: cargo xtask build-v8 --target x86_64-unknown-linux-gnu --variant release; \
or link what is there: LIBV8_VARIANT=lite";
    assert_eq!(choose(false, None, &names), Ok(Choice::Missing { why: text.to_owned() }));
    assert_eq!(choose(true, None, &names), Err(text.to_owned()));

    let text = "\
no archive libv8-15.2.124.1-x86_64-unknown-linux-gnu-ptrcomp in /a/b
help: cargo xtask build-v8 --target x86_64-unknown-linux-gnu --variant ptrcomp";
    assert_eq!(choose(false, Some("ptrcomp"), &["README.md"]), Ok(Choice::Missing { why: text.to_owned() }));

    let many: Vec<String> = (10..30).map(|n| format!("libv8-15.1.0.{n}-{TARGET}-release.zip")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert!(
        choose(true, None, &many)
            .unwrap_err()
            .contains("libv8-15.1.0.17-x86_64-unknown-linux-gnu-release.zip, and 12 more\n")
    );
}

#[test]
fn a_descriptor_makes_a_folder_an_unpacked_archive() {
    for given in [true, false] {
        assert_eq!(
            choose(given, None, &["include", "V8.json", RELEASE]),
            Ok(Choice::Unpacked { path: "/a/b".into(), variant: None })
        );
    }
}

#[test]
fn a_file_that_was_given_is_taken_under_any_name() {
    let given = Place::Given("/a/renamed".into());
    let choice = wanted(None).choose(&given, &Seen::File);
    assert_eq!(choice, Ok(Choice::Archive { path: "/a/renamed".into(), variant: None }));
    let choice = wanted(Some("lite")).choose(&given, &Seen::File);
    assert_eq!(choice, Ok(Choice::Archive { path: "/a/renamed".into(), variant: Some("lite".into()) }));
}

#[test]
fn nothing_at_the_given_place_is_an_error_and_at_the_default_place_is_not() {
    let error = wanted(None).choose(&Place::Given("/a/x.zip".into()), &Seen::Nothing).unwrap_err();
    assert_eq!(
        error,
        "LIBV8_ARCHIVE is /a/x.zip, which does not exist\n\
         help: cargo xtask build-v8 --target x86_64-unknown-linux-gnu --variant release; \
         or unset LIBV8_ARCHIVE, and the workspace's artifacts are used"
    );
    let choice = wanted(None).choose(&Place::Default("/a/artifacts".into()), &Seen::Nothing);
    assert!(matches!(choice, Ok(Choice::Missing { .. })), "{choice:?}");
}

#[test]
fn what_is_no_variant_is_refused() {
    let error = choose(false, Some("../x"), &[]).unwrap_err();
    assert!(error.contains("'../x'"), "{error}");
}

#[test]
fn the_place() {
    let work = Folder::new();
    let workspace = work.path.join("w s");
    let crate_dir = workspace.join("crates/libv8");
    fs::create_dir_all(&crate_dir).unwrap();
    let place = |given: Option<&str>| Place::new(given.map(PathBuf::from), &crate_dir);
    // `vendor/libv8` of someone else's project, with their own `artifacts`.
    fs::create_dir(workspace.join("artifacts")).unwrap();
    assert_eq!(place(None), Ok(None));
    fs::write(workspace.join("targets.toml"), "").unwrap();
    assert_eq!(place(None), Ok(Some(Place::Default(workspace.join("artifacts")))));
    assert_eq!(place(Some("/x")), Ok(Some(Place::Given("/x".into()))));
    let error = place(Some("artifacts/a.zip")).unwrap_err();
    assert!(error.ends_with("help: LIBV8_ARCHIVE=\"$PWD/artifacts/a.zip\""), "{error}");
}

#[test]
fn an_archive_must_be_of_this_version_target_and_variant() {
    let check = |target: &str, version: &str, variant: Option<&str>| {
        let mut descriptor = descriptor("lite");
        (descriptor.target, descriptor.v8_version) = (target.to_owned(), version.to_owned());
        wanted(None).check(Path::new("/a/x.zip"), variant, &descriptor)
    };
    assert_eq!(check(TARGET, VERSION, None), Ok(()));
    assert_eq!(check(TARGET, VERSION, Some("lite")), Ok(()));
    assert_eq!(
        check("aarch64-apple-darwin", "15.2.124.2", Some("release")).unwrap_err(),
        "/a/x.zip is another archive than the one to link\n\
         V8 version: the archive has 15.2.124.2, this crate is for 15.2.124.1\n\
         target: the archive has aarch64-apple-darwin, cargo builds for x86_64-unknown-linux-gnu\n\
         variant: the archive has lite, wanted is release\n\
         help: cargo xtask build-v8 --target x86_64-unknown-linux-gnu --variant release"
    );
    for (target, version, variant) in
        [("a-b", VERSION, None), (TARGET, "15.2.124.10", None), (TARGET, VERSION, Some("x"))]
    {
        let error = check(target, version, variant).unwrap_err();
        assert_eq!(error.lines().count(), 3, "one difference: {error}");
    }
}

#[test]
fn the_descriptor_becomes_lines_for_cargo() {
    let mut descriptor = descriptor("release");
    descriptor.libraries.push(Library { name: "extra".into(), path: "lib/libextra.a".into() });
    descriptor.files = ["lib/libv8.a", "lib/libextra.a"].map(file).to_vec();
    descriptor.system_libraries = vec!["pthread".into(), "dl".into()];
    descriptor.frameworks = vec!["Foundation".into()];
    descriptor.defines = vec!["V8_GN_HEADER".into(), "X=1".into()];
    let expected = "\
cargo::rustc-link-search=native=/o u/t/lib
cargo::rustc-link-lib=static:-bundle=v8
cargo::rustc-link-lib=static:-bundle=extra
cargo::rustc-link-lib=dylib=pthread
cargo::rustc-link-lib=dylib=dl
cargo::rustc-link-lib=framework=Foundation
cargo::metadata=include=/o u/t/include
cargo::metadata=lib=/o u/t/lib
cargo::metadata=descriptor=/o u/t/V8.json
cargo::metadata=version=15.2.124.1
cargo::metadata=defines=V8_GN_HEADER;X=1";
    assert_eq!(link::lines(&descriptor, Path::new("/o u/t"), System::Shared).unwrap().join("\n"), expected);
    let inside = link::lines(&descriptor, Path::new("/o u/t"), System::Static).unwrap().join("\n");
    assert_eq!(inside, expected.replace("rustc-link-lib=dylib=", "rustc-link-lib=static:-bundle="));
    assert_ne!(inside, expected, "there are system libraries");
}

#[test]
fn a_descriptor_cannot_say_other_things_to_cargo() {
    let mut spoiled = descriptor("release");
    spoiled.files = vec![file("lib/libv8.a")];
    spoiled.system_libraries = vec!["m\ncargo::rustc-env=X=1".into()];
    let error = link::lines(&spoiled, Path::new("/o"), System::Shared).unwrap_err();
    assert!(error.contains("line break"), "{error}");

    let error = link::lines(&descriptor("release"), Path::new("/o"), System::Shared).unwrap_err();
    assert!(error.contains("'v8' at lib/libv8.a"), "{error}");
}

#[test]
fn without_an_archive_the_linker_says_why() {
    let Ok(Choice::Missing { why }) = choose(false, None, &[LITE]) else { panic!("nothing fits") };
    let lines = link::lines_without_archive(&why);
    let (link, warnings) = lines.split_last().unwrap();
    assert_eq!(warnings.len(), why.lines().count());
    assert!(warnings.iter().all(|line| line.starts_with("cargo::warning=")));
    assert_eq!(
        link,
        "cargo::rustc-link-lib=static:-bundle=v8 (no archive libv8-15.2.124.1-x86_64-unknown-linux-gnu-release in /a/b \
         there is  libv8-15.2.124.1-x86_64-unknown-linux-gnu-lite.tar.zst \
         help  cargo xtask build-v8 --target x86_64-unknown-linux-gnu --variant release; or link what is there  LIBV8_VARIANT lite)"
    );
}

#[test]
fn an_archive_is_unpacked_once_and_repaired() {
    let work = Folder::new();
    let (out, packed) = (work.path.join("out"), pack(&work.path, "release", "one"));
    fs::create_dir(&out).unwrap();
    let first = unpacked::from_archive(&packed, &out, |_| Ok(())).unwrap();
    assert_eq!(fs::read_to_string(first.root.join("lib/libv8.a")).unwrap(), "one");
    let name = first.root.file_name().unwrap().to_str().unwrap();
    assert_eq!(name, format!("libv8-{}", &Sha256::of_file(&packed).unwrap().sha256.to_string()[..16]));
    assert!(link::lines(&first.descriptor, &first.root, System::Shared).unwrap()[0].ends_with("/lib"));

    // Nothing is written the second time.
    let mark = fs::metadata(&first.root).unwrap().modified().unwrap();
    assert_eq!(unpacked::from_archive(&packed, &out, |_| Ok(())).unwrap(), first);
    assert_eq!(fs::metadata(&first.root).unwrap().modified().unwrap(), mark);

    for spoil in [
        (|root: &Path| fs::write(root.join("lib/libv8.a"), "longer").unwrap()) as fn(&Path),
        // As long as it was: what a flipped bit or a power cut leaves.
        |root| fs::write(root.join("lib/libv8.a"), "two").unwrap(),
        |root| fs::remove_file(root.join("include/libv8.h")).unwrap(),
        |root| fs::write(root.join("V8.json"), "{}").unwrap(),
        |root| fs::remove_file(root.join("V8.json")).unwrap(),
    ] {
        spoil(&first.root);
        assert_eq!(unpacked::from_archive(&packed, &out, |_| Ok(())).unwrap(), first);
        assert_eq!(fs::read_to_string(first.root.join("lib/libv8.a")).unwrap(), "one");
    }
}

#[test]
fn another_archive_takes_the_place_of_the_first() {
    let work = Folder::new();
    let out = work.path.join("out");
    fs::create_dir_all(out.join(".libv8-0123456789abcdef.tmp-1-0")).unwrap();
    fs::create_dir(out.join("mine")).unwrap();
    let first = unpacked::from_archive(&pack(&work.path, "release", "one"), &out, |_| Ok(())).unwrap();
    let second = unpacked::from_archive(&pack(&work.path, "lite", "two"), &out, |_| Ok(())).unwrap();
    assert_eq!(second.descriptor.variant, "lite");
    assert_ne!(first.root, second.root);
    let mut left: Vec<PathBuf> = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().path()).collect();
    left.sort();
    assert_eq!(left, [second.root, out.join("mine")]);
}

#[test]
fn an_archive_that_is_refused_or_spoiled_leaves_nothing() {
    let work = Folder::new();
    let (out, packed) = (work.path.join("out"), pack(&work.path, "release", "one"));
    fs::create_dir(&out).unwrap();
    let error = unpacked::from_archive(&packed, &out, |_| Err("not this".into())).unwrap_err();
    assert_eq!(error, "not this");

    let whole = fs::read(&packed).unwrap();
    for length in [0, 10, whole.len() / 2, whole.len() - 1] {
        fs::write(&packed, &whole[..length]).unwrap();
        let error = unpacked::from_archive(&packed, &out, |_| Ok(())).unwrap_err();
        assert!(error.contains(packed.to_str().unwrap()), "{length}: {error}");
    }
    let error = unpacked::from_archive(&work.path.join("absent"), &out, |_| Ok(())).unwrap_err();
    assert!(error.contains("absent"), "{error}");
    assert_eq!(fs::read_dir(&out).unwrap().count(), 0);
}

#[test]
fn an_unpacked_archive_is_verified_by_its_digests() {
    let work = Folder::new();
    let root = work.path.join("moved here");
    v8_archive::unpack(&pack(&work.path, "lite", "one"), &root, &v8_archive::Limits::default()).unwrap();
    let taken = unpacked::from_folder(&root, |_| Ok(())).unwrap();
    assert_eq!((taken.root.as_path(), taken.descriptor.variant.as_str()), (root.as_path(), "lite"));
    assert_eq!(unpacked::from_folder(&root, |_| Err("not this".into())), Err("not this".into()));

    // The same size, another content.
    fs::write(root.join("lib/libv8.a"), "two").unwrap();
    let error = unpacked::from_folder(&root, |_| Ok(())).unwrap_err();
    assert!(
        error.contains("moved here") && error.contains("lib/libv8.a") && error.contains("\nhelp: "),
        "{error}"
    );
}

/// An archive in `work` whose library is the text `library`.
fn pack(work: &Path, variant: &str, library: &str) -> PathBuf {
    archives::pack(work, variant, library.as_bytes()).path
}

fn file(path: &str) -> v8_archive::descriptor::File {
    v8_archive::descriptor::File { path: path.into(), size_bytes: 0, sha256: Sha256::of_bytes(b"") }
}
