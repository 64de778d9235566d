//! V8's real DEPS, over repositories made of the registry's tree: what `--source depot-tools` makes of them is that tree
//! again, and GN compiles it by the same commands. `cargo xtask test` says that V8 is built; without that nothing is tested
//! here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use v8_archive::Sha256;

use super::configure::{OVERLAY, compilations, configure};
use crate::flags::{MirrorKind, SourceKind, Upstream, What};
use crate::paths::Cache;
use crate::plan;
use crate::source::depot::{self, git};
use crate::source::{self, Cargo};
use crate::toolchain::pins::Host;
use crate::workspace::Workspace;
use crate::{env, process};

/// Files of the tree that are not a repository's: gclient's and its hooks', and our stamp.
const WRITTEN: [&str; 5] = [
    "build/config/gclient_args.gni",
    "build/util/LASTCHANGE",
    "build/util/LASTCHANGE.committime",
    "libv8-source.json",
    // Its commits are those of the repositories here.
    "v8/DEPS",
];

#[test]
fn the_tree_of_deps_is_that_of_the_registry() {
    let Some(variant) = env::test_build() else {
        eprintln!("NOT TESTED: LIBV8_TEST_BUILD is not set, as cargo xtask test does");
        return;
    };
    let ours = Workspace::open().unwrap();
    let what = What::of(Vec::new(), &variant);
    let mut plans = ours.plans(&what).unwrap();
    let toolchain = ours.toolchain(&what, &plans).unwrap();
    let native = plans.remove(0);
    let scratch = tempfile::Builder::new().prefix("libv8 depot ").tempdir().unwrap();

    // The repositories hold what the registry's tree is before our patches.
    let bare = native.source.with_patches(Vec::new(), &scratch.path().join("bare")).unwrap();
    let bare = source::prepare(&bare, &Cargo::of_user().unwrap(), &|_| {}).unwrap().root;
    let mirror = scratch.path().join("mirror");
    let platform = plan::platform(&native.target, Host::current()).unwrap();
    let text = fs::read_to_string(bare.join("v8/DEPS")).unwrap();
    let mut with_ours = text.clone();
    for (place, address) in depot::named(&text, &platform).unwrap() {
        // What lies beside V8's folder is for its developers' tools.
        let Some(place) = place.strip_prefix("v8/") else { continue };
        // Files of a bucket are no repository.
        let Some((url, commit)) = address.rsplit_once(' ') else { continue };
        if depot::is_commit(commit) && bare.join(place).is_dir() {
            with_ours = with_ours.replace(commit, &repository(&mirror, url, &bare.join(place)));
        }
    }
    fs::write(bare.join("v8/DEPS"), with_ours).unwrap();
    let v8 = repository(&mirror, &ours.matrix.sources.depot.url, &bare.join("v8"));

    let workspace = Workspace { cache: Cache::at(scratch.path().join("cache")), ..ours };
    let upstream = Upstream {
        revision: Some(v8),
        mirrors: vec![(MirrorKind::Git, format!("file://{}", mirror.display()))],
        ..Upstream::default()
    };
    let what = What { source: Some(SourceKind::DepotTools), upstream, ..what };
    let plan = workspace.plans(&what).unwrap().remove(0);
    assert_eq!(
        plan.source.patches.iter().map(|patch| &patch.name).collect::<Vec<_>>(),
        native.source.patches.iter().map(|patch| &patch.name).collect::<Vec<_>>()
    );
    let root = source::prepare(&plan.source, &Cargo::of_user().unwrap(), &|_| {}).unwrap().root;

    let (found, wanted) = (digests(&root), digests(&native.source.folder));
    let common = found.keys().filter(|path| wanted.contains_key(*path)).count();
    assert!(common > 10_000, "only {common} files in common");
    let differ: Vec<&String> = found
        .iter()
        .filter(|(path, digest)| wanted.get(*path) != Some(*digest))
        .map(|(path, _)| path)
        .collect();
    assert!(differ.iter().all(|path| WRITTEN.contains(&path.as_str())), "{differ:#?}");

    configure(&plan, &toolchain).unwrap();
    let commands = |out: &Path| -> BTreeSet<String> {
        let all = compilations(&toolchain, out, &["cxx", "cc", "asm"]).unwrap();
        all.into_iter().map(|one| one.command).collect()
    };
    let (found, wanted) = (commands(&plan.out), commands(&native.out));
    assert!(wanted.len() > 1000, "{} commands", wanted.len());
    let differ: Vec<&String> = found.symmetric_difference(&wanted).take(4).collect();
    assert!(differ.is_empty(), "{differ:#?}");
}

/// A repository of the mirror with what lies in a folder; gives its commit.
fn repository(mirror: &Path, url: &str, folder: &Path) -> String {
    let path = url.split_once("://").and_then(|(_, rest)| rest.split_once('/')).unwrap().1;
    let at = mirror.join(path);
    fs::create_dir_all(&at).unwrap();
    process::read(git(None).args(["init", "--quiet", "--bare"]).arg(&at)).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = git(Some(&at));
        command.arg("--work-tree").arg(folder).args(["-c", "user.name=a", "-c", "user.email=a@b"]);
        process::read(command.args(arguments)).unwrap()
    };
    run(&["add", "--all", "--force", "."]);
    run(&["commit", "--quiet", "-m", "one"]);
    run(&["rev-parse", "HEAD"]).trim().to_owned()
}

/// Every file of a tree by its digest, or where it leads; without what was built in it, and without the toolchain's link and
/// that link's lock.
fn digests(root: &Path) -> BTreeMap<String, String> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            let path = entry.path();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            let kind = entry.file_type().unwrap();
            if name.starts_with(OVERLAY) {
                continue;
            }
            if kind.is_symlink() {
                found.insert(name, fs::read_link(&path).unwrap().display().to_string());
            } else if kind.is_dir() {
                if name != "out" {
                    folders.push(path);
                }
            } else {
                found.insert(name, Sha256::of_bytes(&fs::read(&path).unwrap()).to_string());
            }
        }
    }
    found
}
