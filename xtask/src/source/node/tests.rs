//! Releases played from folders, trees by hand, and what is read of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::files::is_wanted;
use super::look::digest_of;
use super::settings::{Texts, differences, versions};
use super::*;
use crate::error::Result;
use crate::source::testing::pack;
use crate::source::{Cargo, sha256};

const FILES: [(&str, &str); 11] = [
    ("LICENSE", "free\n"),
    (
        "common.gypi",
        "{\n  'variables': {\n    'v8_embedder_string': '-node.7',\n    'v8_enable_disassembler': 1,\n    'v8_use_siphash': 'true',  # a reason\n    \
         'conditions': [\n      ['OS == \"win\"', {\n        'v8_enable_trace_maps': 1,\n      }],\n    ],\n  },\n}\n",
    ),
    (
        "configure.py",
        "def configure_v8(o):\n  o['variables']['v8_promise_internal_field_count'] = 1 # hooks\n  \
         o['variables']['v8_enable_lite_mode'] = 1 if options.v8_lite_mode else 0\n  if a:\n    o['variables']['v8_enable_maglev'] = 1\n",
    ),
    (
        "tools/v8_gypfiles/features.gypi",
        "{\n  'variables': {\n    'v8_embedder_string%': '',\n    'v8_enable_disassembler%': 0,\n    'v8_use_siphash%': 0,\n    \
         'v8_promise_internal_field_count%': 0,\n    'v8_enable_maglev%': 0,\n    'v8_enable_trace_maps%': 0,\n  },\n}\n",
    ),
    (
        "src/node_version.h",
        "#define NODE_MAJOR_VERSION 24\n#define NODE_MINOR_VERSION 1\n#define NODE_PATCH_VERSION 2\n#if X\n\
         #define NODE_MODULE_VERSION NODE_EMBEDDER_MODULE_VERSION\n#else\n#define NODE_MODULE_VERSION 137\n#endif\n",
    ),
    (
        "deps/v8/include/v8-version.h",
        "#define V8_MAJOR_VERSION 13\n#define V8_MINOR_VERSION 6\n#define V8_BUILD_NUMBER 233\n#define V8_PATCH_LEVEL 17\n",
    ),
    ("deps/v8/test/mjsunit/a.js", "not wanted\n"),
    ("deps/npm/index.js", "not wanted\n"),
    ("tools/gyp/pylib/gyp/__init__.py", "\n"),
    ("deps/v8/third_party/jinja2/__init__.py", "\n"),
    ("deps/v8/third_party/markupsafe/__init__.py", "\n"),
];

/// The two that are longer than a table's line.
const MORE: [(&str, &str); 2] = [
    ("deps/v8/third_party/simdutf/simdutf.cpp", "\n"),
    ("deps/icu-small/source/common/unicode/uvernum.h", "#define U_ICU_VERSION_MAJOR_NUM 78\n"),
];

pub fn all_files() -> impl Iterator<Item = (&'static str, &'static str)> {
    FILES.into_iter().chain(MORE)
}

/// A tarball of a release with these files.
pub fn tarball(files: impl Iterator<Item = (&'static str, &'static str)>) -> Vec<u8> {
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (name, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(text.len() as u64);
        tar.append_data(&mut header, format!("node-v24.1.2/{name}"), text.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

fn runtime() -> CratePin {
    CratePin { package: "v8".into(), version: "1.0.0".into(), sha256: "0".repeat(64) }
}

pub fn asked(folder: &Path) -> Asked {
    Asked {
        version: "24.1.2".to_owned(),
        url: format!("file://{}", folder.join("dist").display()),
        sha256: None,
        given: None,
        runtime: runtime(),
        cache: Cache::at(folder.join("cache")),
    }
}

/// A mirror of one release, whose list says this digest of the tarball.
fn release(folder: &Path, bytes: &[u8], digest: &str) {
    let dist = folder.join("dist/v24.1.2");
    fs::create_dir_all(&dist).unwrap();
    fs::write(dist.join("node-v24.1.2.tar.xz"), bytes).unwrap();
    let list = format!("{}  node-v24.1.2.tar.gz\n{digest}  node-v24.1.2.tar.xz\n", "a".repeat(64));
    fs::write(dist.join("SHASUMS256.txt"), list).unwrap();
}

pub fn quiet(_: &str) {}

fn looked(folder: &Path) -> Looked {
    let bytes = tarball(all_files());
    release(folder, &bytes, &sha256(&bytes));
    look(&asked(folder), &quiet).unwrap()
}

#[test]
fn a_release_is_checked_against_its_list_and_read() {
    let folder = tempfile::tempdir().unwrap();
    let looked = looked(folder.path());
    assert_eq!((looked.node_version.as_str(), looked.module_version), ("24.1.2", 137));
    assert_eq!(looked.v8_version, V8Version([13, 6, 233, 17]));
    assert_eq!(
        looked.table(),
        "Node 24.1.2 carries V8 13.6.233.17; its addons are of interface 137\n\
         Node sets of V8, where V8 itself sets otherwise:\n  \
         v8_embedder_string                         \"-node.7\", not \"\"  (common.gypi)\n  \
         v8_enable_disassembler                     \"1\", not \"0\"  (common.gypi)\n  \
         v8_promise_internal_field_count            \"1\", not \"0\"  (configure.py)\n  \
         v8_use_siphash                             \"true\", not \"0\"  (common.gypi)\n\
         the C++ runtime beside it is that of v8 1.0.0 of cargo's registry\n"
    );
    // What was kept is enough: the mirror may go.
    fs::remove_dir_all(folder.path().join("dist")).unwrap();
    assert_eq!(look(&asked(folder.path()), &quiet).unwrap(), looked);
}

#[test]
fn a_bundle_carries_a_release_and_what_its_list_said() {
    let folder = tempfile::tempdir().unwrap();
    let looked = looked(folder.path());
    let asked = asked(folder.path());
    let carried = looked.carried(&asked.cache);
    let names: Vec<&str> = carried.iter().map(|(name, _)| name.as_str()).collect();
    let tarball = format!("downloads/{}/node-v24.1.2.tar.xz", looked.sha256);
    assert_eq!(names, [tarball.as_str(), "node/node-v24.1.2.tar.xz.sha256"]);
    // Elsewhere, with nothing but these files, the same tree is found.
    let other = tempfile::tempdir().unwrap();
    for (name, path) in carried {
        let to = other.path().join("cache").join(name);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(path, to).unwrap();
    }
    let elsewhere =
        Asked { cache: Cache::at(other.path().join("cache")), url: "file:///nowhere".to_owned(), ..asked };
    assert_eq!(look(&elsewhere, &quiet).unwrap().table(), looked.table());
    // What the user has given is the user's to take along.
    let given = other.path().join("node-v24.1.2.tar.xz");
    fs::copy(looked.carried(&Cache::at(folder.path().join("cache")))[0].1.clone(), &given).unwrap();
    let of_user = look(&Asked { given: Some(given), ..elsewhere }, &quiet).unwrap();
    assert_eq!(of_user.carried(&Cache::at(other.path().join("cache"))), []);
}

#[test]
fn f04_a_tarball_of_another_digest_is_refused_and_kept_aside() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = tarball(all_files());
    release(folder.path(), &bytes, &"b".repeat(64));
    let error = look(&asked(folder.path()), &quiet).unwrap_err().to_string();
    assert!(error.contains("is not what its release names"), "{error}");
    assert!(error.contains(&"b".repeat(64)) && error.contains(&sha256(&bytes)), "{error}");
    let refused = folder.path().join("cache/downloads/refused/node-v24.1.2.tar.xz");
    assert_eq!(fs::read(refused).unwrap(), bytes);
    // A list that was wrong is not kept: once the server is right, so is the answer.
    release(folder.path(), &bytes, &sha256(&bytes));
    look(&asked(folder.path()), &quiet).unwrap();
}

#[test]
fn the_pin_of_targets_toml_goes_before_what_a_server_says() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = tarball(all_files());
    release(folder.path(), &bytes, &sha256(&bytes));
    let pinned = Asked { sha256: Some("c".repeat(64)), ..asked(folder.path()) };
    let error = look(&pinned, &quiet).unwrap_err().to_string();
    assert!(error.contains(&"c".repeat(64)), "{error}");
}

#[test]
fn a_list_that_changes_later_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    looked(folder.path());
    // The same server, another tarball with a list that fits it; the cache has lost the first.
    let other = tarball(all_files().filter(|(name, _)| *name != "LICENSE"));
    release(folder.path(), &other, &sha256(&other));
    fs::remove_dir_all(folder.path().join("cache/downloads")).unwrap();
    let error = look(&asked(folder.path()), &quiet).unwrap_err().to_string();
    assert!(error.contains("is not what its release names"), "{error}");
}

#[test]
fn a_tarball_and_the_folder_it_unpacks_to_say_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("node");
    for (name, text) in all_files() {
        let path = tree.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let of_folder = Asked { given: Some(tree.clone()), version: "1.1.1".to_owned(), ..asked(folder.path()) };
    let found = look(&of_folder, &quiet).unwrap();
    let packed = looked(folder.path());
    assert_eq!(found.table(), packed.table());
    // A change of a file that is read makes another tree; of one that is not, none.
    fs::write(tree.join("deps/npm/index.js"), "changed").unwrap();
    assert_eq!(look(&of_folder, &quiet).unwrap().sha256, found.sha256);
    fs::write(tree.join("deps/v8/include/v8.h"), "changed").unwrap();
    assert_ne!(look(&of_folder, &quiet).unwrap().sha256, found.sha256);
}

#[test]
fn what_is_no_tree_of_nodes_is_refused_with_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let check = |given: PathBuf, expected: &str| {
        let asked = Asked { given: Some(given), ..asked(folder.path()) };
        let error = look(&asked, &quiet).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(folder.path().join("nowhere"), "there is no ");
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    check(
        empty,
        "it is no tree of Node's: there is no deps/v8/include/v8-version.h, no src/node_version.h, no common.gypi, \
         no tools/v8_gypfiles/features.gypi, no configure.py",
    );
    let text = folder.path().join("a.txt");
    fs::write(&text, "0123456789").unwrap();
    check(text, "is neither a .tar.xz nor a .tar.gz");
    let wrong = Asked { version: "24".to_owned(), ..asked(folder.path()) };
    assert!(look(&wrong, &quiet).unwrap_err().to_string().contains("three numbers"));
}

#[test]
fn a_release_of_another_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = tarball(all_files());
    release(folder.path(), &bytes, &sha256(&bytes));
    fs::rename(folder.path().join("dist/v24.1.2"), folder.path().join("dist/v24.1.3")).unwrap();
    let dist = folder.path().join("dist/v24.1.3");
    fs::rename(dist.join("node-v24.1.2.tar.xz"), dist.join("node-v24.1.3.tar.xz")).unwrap();
    fs::write(dist.join("SHASUMS256.txt"), format!("{} *node-v24.1.3.tar.xz\n", sha256(&bytes))).unwrap();
    let asked = Asked { version: "24.1.3".to_owned(), ..asked(folder.path()) };
    let error = look(&asked, &quiet).unwrap_err().to_string();
    assert!(error.contains("it is Node 24.1.2, not 24.1.3"), "{error}");
}

/// The tree of the release whose runtime is this package.
fn filled(folder: &Path, looked: Looked) -> Result<PathBuf> {
    let files: Vec<(&str, &str, u32)> = vec![
        ("third_party/libc++/src/include/vector", "vector\n", 0o644),
        ("third_party/abseil-cpp/a.h", "not wanted\n", 0o644),
        ("buildtools/third_party/libc++/__config_site", "site\n", 0o644),
    ];
    let runtime = pack(folder, "v8", "1.0.0", &files);
    let cargo = Cargo {
        program: "false".into(),
        home: folder.join("home"),
        config_folder: folder.to_owned(),
        downloads: None,
    };
    let root = folder.join("tree");
    fill(&Looked { runtime, ..looked }, &cargo, &root, &folder.join("work"), &quiet)?;
    Ok(root)
}

#[test]
fn the_tree_has_nodes_files_of_v8_and_the_runtime_beside_them() {
    let folder = tempfile::tempdir().unwrap();
    let root = filled(folder.path(), looked(folder.path())).unwrap();
    let mut there = BTreeMap::new();
    let mut open = vec![root.clone()];
    while let Some(inside) = open.pop() {
        for entry in fs::read_dir(inside).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                there.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut expected: BTreeMap<String, String> = all_files()
        .filter(|(_, text)| *text != "not wanted\n")
        .map(|(name, text)| (name.to_owned(), text.to_owned()))
        .collect();
    expected.insert("third_party/libc++/src/include/vector".to_owned(), "vector\n".to_owned());
    expected.insert("buildtools/third_party/libc++/__config_site".to_owned(), "site\n".to_owned());
    assert_eq!(there, expected);
}

#[test]
fn a_stripped_tarball_is_told_apart_from_a_release() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = tarball(FILES.into_iter());
    release(folder.path(), &bytes, &sha256(&bytes));
    let error = filled(folder.path(), look(&asked(folder.path()), &quiet).unwrap()).unwrap_err().to_string();
    for part in
        ["Node 24.1.2 is not as it was released", "simdutf.cpp: simdutf", "uvernum.h: ICU", "ci/README.md"]
    {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn f28_a_tarball_that_leads_out_of_its_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    let mut header = tar::Header::new_gnu();
    header.set_size(1);
    header.set_mode(0o644);
    let name = b"node-v1.1.1/../../deps/v8/x";
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_cksum();
    tar.append(&header, b"x".as_slice()).unwrap();
    let path = folder.path().join("node.tar.gz");
    fs::write(&path, tar.into_inner().unwrap().finish().unwrap()).unwrap();
    let asked = Asked { given: Some(path), ..asked(folder.path()) };
    let error = look(&asked, &quiet).unwrap_err().to_string();
    assert!(error.contains("does not stay inside"), "{error}");
}

#[test]
fn lists_of_digests() {
    let one = "1".repeat(64);
    let check = |list: &str, expected: Option<&str>| {
        assert_eq!(digest_of(list, "a.tar.xz").as_deref(), expected, "{list:?}");
    };
    check(&format!("{one}  a.tar.xz\n"), Some(&one));
    check(&format!("{}  b\r\n{one} *a.tar.xz\r\n", "2".repeat(64)), Some(&one));
    check(&format!("{one}  a.tar.xz\n{one}  a.tar.xz\n"), Some(&one));
    check(&format!("{one}  a.tar.xz\n{}  a.tar.xz\n", "2".repeat(64)), None);
    check(&format!("{one}  dir/a.tar.xz\n"), None);
    check(&format!("{}  a.tar.xz\n", "A".repeat(64)), None);
    check("<html>no such page</html>", None);
    check("", None);
}

#[test]
fn which_files_are_v8s() {
    for (path, expected) in [
        ("deps/v8/src/api/api.cc", true),
        ("deps/v8/test/torque/test-torque.tq", true),
        ("deps/v8/test/cctest/a.cc", false),
        ("deps/v8", false),
        ("deps/icu-small/LICENSE", true),
        ("deps/openssl/a.c", false),
        ("tools/gyp_node.py", true),
        ("tools/gyp/pylib/gyp/input.py", true),
        ("tools/lint-md/a.mjs", false),
        ("common.gypi", true),
        ("node.gyp", false),
        ("test/common.gypi", false),
    ] {
        assert_eq!(is_wanted(path), expected, "{path}");
    }
}

#[test]
fn a_header_without_a_number_is_no_version() {
    assert_eq!(versions("#define NODE_MAJOR_VERSION 24\n"), None);
}

#[test]
fn words_and_numbers_for_on_and_off_are_the_same() {
    let texts = |common| Texts { features: "{\n'v': {\n'v8_a%': 1,\n},}", common, configure: "" };
    assert_eq!(differences(&texts("{\n'v': {\n'v8_a%': 'true',\n'v8_b%': 0,\n},}")), []);
    let found = differences(&texts("{\n'v': {\n'v8_a': 'false',\n'v8_c': '<(d)',\n},}"));
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].name.as_str(), found[0].node.as_str()), ("v8_a", "false"));
}
