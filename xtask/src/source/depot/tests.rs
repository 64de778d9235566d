//! What is decided from DEPS texts, whole; objects and packages by their digests.

use std::io::Write as _;

use super::super::deps::Object;
use super::objects::{Pinned, instance_sha256, place_object, place_package};
use super::resolve::Texts;
use super::*;
use crate::{env, paths, snapshot};

const V8: &str = include_str!("samples/v8.DEPS");
const BUILD: &str = include_str!("samples/build.DEPS");
const COMMIT: &str = "0000000000000000000000000000000000000008";

fn commit() -> String {
    COMMIT.to_owned()
}

fn asked(with: &[&str]) -> Asked {
    Asked {
        url: "https://example.org/v8/v8.git".to_owned(),
        revision: "1.2.3.4".to_owned(),
        commit: None,
        with: with.iter().map(|path| (*path).to_owned()).collect(),
        cipd: BTreeMap::new(),
        mirrors: Mirrors {
            git: None,
            gcs: "https://gcs.example".to_owned(),
            cipd: "https://cipd.example".to_owned(),
        },
        gclient: None,
        cache: Cache::at(PathBuf::from("cache")),
    }
}

fn looked(v8: &str) -> Looked {
    Looked {
        commit: commit(),
        v8_version: V8Version([1, 2, 3, 4]),
        texts: Texts::from([
            ("v8".to_owned(), Some(v8.to_owned())),
            ("v8/build".to_owned(), Some(BUILD.to_owned())),
            ("v8/buildtools".to_owned(), None),
        ]),
        sizes: BTreeMap::from([(commit(), 40 << 20)]),
    }
}

const LINUX: Platform = Platform { target_os: "linux", target_cpu: "x64", host_os: "linux", host_cpu: "x64" };
const WINDOWS: Platform =
    Platform { target_os: "win", target_cpu: "arm64", host_os: "mac", host_cpu: "arm64" };

fn check(name: &str, text: &str) {
    let folder = paths::repository().join("xtask/src/source/depot/samples");
    snapshot::check(&folder.join(name), text, env::update_snapshots());
}

#[test]
fn what_a_static_v8_needs_and_does_without() {
    let triple = |os: &str| {
        let matrix = crate::matrix::Matrix::load(&paths::repository()).unwrap();
        matrix.targets.keys().find(|triple| triple.contains(os)).cloned().unwrap()
    };
    for (name, os, platform) in [("linux.txt", "-linux-", LINUX), ("windows.txt", "-windows-", WINDOWS)] {
        let checkout = decide(&asked(&["buildtools/tool"]), &looked(V8), &triple(os), platform).unwrap();
        let (path, text) = checkout.gn_args.clone().unwrap();
        check(name, &format!("{}\n{path}:\n{text}\n\n{}", checkout.table(), checkout.identity()));
    }
}

#[test]
fn what_cannot_be_decided_is_refused() {
    let check = |text: &str, with: &[&str], expected: &str| {
        let result = decide(&asked(with), &looked(text), "x", LINUX);
        let error = result.map(|checkout| checkout.table()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    let git = "use_relative_paths = True\ndeps = {'third_party/a': 'https://example.org/a.git@main'}\n";
    check(git, &[], "third_party/a is wanted at main, which is no commit: what it is may change");
    check(git, &["third_party/b"], "--with third_party/b: DEPS names no such path");
    check("deps = {'other/a': 'https://example.org/a@1'}\n", &[], "other/a is not below V8's folder");
    let cipd = "use_relative_paths = True\ndeps = {'tool': {'dep_type': 'cipd', 'packages': \
                [{'package': 'tool/${{platform}}', 'version': 'version:1'}]}}\n";
    check(
        cipd,
        &["tool"],
        "the package tool/linux-amd64 is wanted at version:1, a tag, which names no bytes",
    );
    let twice = "use_relative_paths = True\ndeps = {'build': 'https://example.org/a@1', 'build/x': 'https://example.org/x@1'}\n\
                 recursedeps = ['build']\n";
    let mut looked = looked(twice);
    looked.texts.insert(
        "v8/build".to_owned(),
        Some("use_relative_paths = True\ndeps = {'x': 'https://example.org/x@2'}".to_owned()),
    );
    let error = decide(&asked(&[]), &looked, "x", LINUX).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("v8/build/x is named a second time, and differently"), "{error}");
    let mut asked = asked(&[]);
    asked.revision = "1.2.3.5".to_owned();
    let error = decide(&asked, &looked, "x", LINUX).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("V8's tag 1.2.3.5 is V8 1.2.3.4"), "{error}");
}

#[test]
fn a_tag_of_a_package_can_be_pinned() {
    let text = "use_relative_paths = True\ndeps = {'tool': {'dep_type': 'cipd', 'packages': \
                [{'package': 'tool/${{os}}/${{arch}}', 'version': 'version:1'}]}}\n";
    let mut asked = asked(&["tool"]);
    asked.cipd.insert("tool/linux/amd64@version:1".to_owned(), INSTANCE.to_owned());
    let checkout = decide(&asked, &looked(text), "x", LINUX).unwrap();
    assert!(checkout.identity().contains(&format!("tool cipd {INSTANCE}\n")), "{}", checkout.identity());
}

/// The name of an instance whose digest is that of no bytes at all.
const INSTANCE: &str = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFUC";

#[test]
fn an_instance_says_its_digest() {
    assert_eq!(instance_sha256(INSTANCE), Some(sha256(b"")));
    for wrong in
        ["", "version:1", "latest", &INSTANCE[..43], &INSTANCE.replace("UC", "UB"), &format!("{INSTANCE}A")]
    {
        assert_eq!(instance_sha256(wrong), None, "{wrong}");
    }
}

#[test]
fn mirrors_stand_in_place_of_scheme_and_host() {
    let mirrors = |git: &str| Mirrors { git: Some(git.to_owned()), ..asked(&[]).mirrors };
    let check = |git: &str, url: &str, expected: &str| assert_eq!(mirrors(git).repository(url), expected);
    check("file:///m", "https://a.example/v8/v8.git", "file:///m/v8/v8.git");
    check("git://h:1/m/", "https://a.example/v8", "git://h:1/m/v8");
    assert_eq!(asked(&[]).mirrors.repository("https://a.example/v8"), "https://a.example/v8");
}

/// A file of a folder that stands for a mirror.
fn pinned(folder: &std::path::Path, bytes: &[u8], stated: &[u8]) -> Pinned {
    std::fs::write(folder.join("object"), bytes).unwrap();
    Pinned {
        name: "object".to_owned(),
        sha256: sha256(stated),
        size_bytes: Some(stated.len() as u64),
        url: format!("file://{}/object", folder.display()),
        named_by: "DEPS names",
    }
}

#[test]
fn f04_f18_a_wrong_digest_is_refused_with_both_values_and_kept_beside() {
    let folder = tempfile::tempdir().unwrap();
    let downloads = folder.path().join("downloads");
    let pinned = pinned(folder.path(), b"wrong", b"right");
    for _ in 0..2 {
        let error = pinned.ensure(&downloads).unwrap_err().to_string();
        assert!(error.contains(&sha256(b"right")) && error.contains(&sha256(b"wrong")), "{error}");
        assert!(!pinned.place(&downloads).exists());
    }
    assert_eq!(std::fs::read(downloads.join("refused/object")).unwrap(), b"wrong");
}

#[test]
fn f40_a_file_that_was_changed_in_the_cache_is_fetched_again() {
    let folder = tempfile::tempdir().unwrap();
    let downloads = folder.path().join("downloads");
    let pinned = pinned(folder.path(), b"right", b"right");
    let path = pinned.ensure(&downloads).unwrap();
    std::fs::write(&path, b"other").unwrap();
    assert_eq!(std::fs::read(pinned.ensure(&downloads).unwrap()).unwrap(), b"right");
    // Nothing is asked of the mirror for a file that is there and right.
    std::fs::remove_file(folder.path().join("object")).unwrap();
    pinned.ensure(&downloads).unwrap();
}

#[test]
fn f13_a_corrupt_partial_file_is_thrown_away_and_fetched_once_more() {
    let folder = tempfile::tempdir().unwrap();
    let downloads = folder.path().join("downloads");
    let pinned = pinned(folder.path(), b"right", b"right");
    for left in ["wrong", "wr"] {
        std::fs::create_dir_all(&downloads).unwrap();
        std::fs::write(downloads.join(format!(".{}.partial", pinned.sha256)), left).unwrap();
        assert_eq!(std::fs::read(pinned.ensure(&downloads).unwrap()).unwrap(), b"right");
        std::fs::remove_file(pinned.place(&downloads)).unwrap();
    }
}

fn object(name: &str, output_file: Option<&str>) -> Object {
    Object {
        name: name.to_owned(),
        sha256: String::new(),
        size_bytes: 0,
        generation: 1,
        output_file: output_file.map(str::to_owned),
        condition: None,
    }
}

/// A tar file with these entries: path, kind, contents or where it leads.
fn tarred(entries: &[(&str, tar::EntryType, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, kind, text) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_mode(0o755);
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        if *kind == tar::EntryType::Regular {
            header.set_size(text.len() as u64);
            header.set_cksum();
            tar.append(&header, text.as_bytes()).unwrap();
        } else {
            header.set_size(0);
            if !text.is_empty() {
                header.set_link_name(text).unwrap();
            }
            header.set_cksum();
            tar.append(&header, std::io::empty()).unwrap();
        }
    }
    tar.into_inner().unwrap()
}

#[cfg(unix)]
#[test]
fn a_tar_file_is_unpacked_and_another_is_placed_under_its_name() {
    use tar::EntryType::{Directory, Regular, Symlink};
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("packed");
    let to = folder.path().join("to");
    let entries =
        [("./bin/", Directory, ""), ("./bin/clang", Regular, "program"), ("./bin/clang++", Symlink, "clang")];
    let packed = tarred(&entries);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&packed).unwrap();
    std::fs::write(&file, gzip.finish().unwrap()).unwrap();
    place_object(&object("Linux_x64/clang-1.tar.gz", None), &file, &to).unwrap();
    assert_eq!(std::fs::read(to.join("bin/clang++")).unwrap(), b"program");

    std::fs::write(&file, b"MZ").unwrap();
    place_object(&object("49458d", Some("clang-format.exe")), &file, &to).unwrap();
    assert_eq!(std::fs::read(to.join("clang-format.exe")).unwrap(), b"MZ");
}

#[cfg(unix)]
#[test]
fn f28_f29_f30_what_leads_out_of_the_folder_is_refused() {
    use tar::EntryType::{Char, Link, Regular, Symlink};
    let check = |entries: &[(&str, tar::EntryType, &str)], expected: &str| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("packed");
        std::fs::write(&file, tarred(entries)).unwrap();
        let error = place_object(&object("a.tar", None), &file, &folder.path().join("to")).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!folder.path().join("out").exists());
    };
    check(&[("../out", Regular, "x")], "../out does not stay inside");
    check(&[("a", Symlink, "../../etc")], "the link a leads out, to ../../etc");
    check(&[("a", Symlink, "/etc/passwd")], "the link a leads out, to /etc/passwd");
    check(&[("a", Link, "b")], "a is neither a file, a folder nor a link");
    check(&[("a", Char, "")], "a is neither a file, a folder nor a link");
}

#[test]
fn a_package_is_unpacked_without_the_services_own_files() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("packed.zip");
    let mut zip = zip::ZipWriter::new(std::fs::File::create(&file).unwrap());
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, text) in [(".cipdpkg/manifest.json", "{}"), ("gn", "program")] {
        zip.start_file(name, options.unix_permissions(0o755)).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap();
    let to = folder.path().join("to");
    place_package(&file, &to).unwrap();
    assert_eq!(std::fs::read(to.join("gn")).unwrap(), b"program");
    assert!(!to.join(".cipdpkg").exists());
}
