//! Makes the patched tree: under a temporary name, with a lock, the stamp last, then renamed.

use std::fs::{File, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::patch::Patch;
use super::registry::Cargo;
use super::unpack::{Package, set_modified, write_new};
use super::{CratePin, EmbedFile, Origin, RECIPE, SourcePlan, V8Version, apply, depot, node};
use crate::error::{Error, IoContext as _, Result};
use crate::paths::remove_folder;
use crate::signals;

/// Lies at the root of every whole tree.
const STAMP: &str = "libv8-source.json";

/// What V8's tree says of its ICU.
pub(super) const ICU_VERSION: &str = "third_party/icu/version.json";

/// Where ICU's build files look for the data.
const ICU_DATA: &str = "third_party/icu/common/icudtl.dat";

/// What the `v8` package has for its Rust bindings, and no build of V8 reads. `rust-toolchain.toml` would even make
/// rustup fetch another Rust for every cargo that runs below the tree.
const LEFT_OUT: [&str; 5] = ["benches/", "examples/", "gen/", "tests/", "rust-toolchain.toml"];

/// How often a lock that another process holds is tried.
const LOCK_INTERVAL: Duration = Duration::from_millis(50);

/// A tree that can be built in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// The folder with `v8/`, `build/`, `third_party/`, and `libv8/`.
    pub root: PathBuf,
    /// The version that its `v8/include/v8-version.h` states.
    pub v8_version: V8Version,
    /// The plan's key.
    pub key: String,
}

/// What is in the tree, for people and for [`is_whole`].
#[derive(Serialize)]
struct Stamp<'a> {
    format: u32,
    recipe: u32,
    key: &'a str,
    source: &'static str,
    v8_version: V8Version,
    packages: Vec<&'a CratePin>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkout: Option<depot::Checkout>,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<&'a node::Looked>,
    patches: &'a [Patch],
    embed: &'a [EmbedFile],
}

/// Whether a whole tree with this key lies in `folder`.
///
/// # Errors
/// A folder that has the name, but not the stamp of a tree with this key: nobody but a person can have made it so.
pub fn is_whole(folder: &Path, key: &str) -> Result<bool> {
    #[derive(Deserialize)]
    struct Key {
        key: String,
    }
    let fault = |what: &str| {
        Error::failed(format!("{} {what}", folder.display()))
            .help(format!("remove {} and run this again: the tree is made anew", folder.display()))
    };
    let path = folder.join(STAMP);
    match std::fs::read(&path) {
        Ok(text) => {
            let found: Key =
                serde_json::from_slice(&text).map_err(|_| fault("has a stamp that is not readable"))?;
            if found.key == key {
                Ok(true)
            } else {
                Err(fault(&format!("holds another tree\n  wanted: {key}\n  found:  {}", found.key)))
            }
        }
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("read", &path, &error)),
        Err(_) if folder.exists() => Err(fault(&format!("is no whole tree: there is no {STAMP} in it"))),
        Err(_) => Ok(false),
    }
}

/// The tree of the plan: the one that is there, or a new one. `say` gets a line for each step of the work.
///
/// A second process or thread with the same plan waits for the first. What an interrupted one left is removed.
///
/// # Errors
/// Cargo's, a package that is not the pinned one, versions that do not fit, a patch that does not apply, and I/O. The
/// tree's name is then not taken.
pub fn prepare(plan: &SourcePlan, cargo: &Cargo, say: &dyn Fn(&str)) -> Result<Tree> {
    let tree = Tree { root: plan.folder.clone(), v8_version: plan.v8_version, key: plan.key.clone() };
    if is_whole(&plan.folder, &plan.key)? {
        return Ok(tree);
    }
    let beside = |suffix: &str| {
        let mut name = plan.folder.clone().into_os_string();
        name.push(suffix);
        PathBuf::from(name)
    };
    if let Some(sources) = plan.folder.parent() {
        std::fs::create_dir_all(sources).or_io("create", sources)?;
    }
    // Never removed: whoever waits on a removed file and whoever makes a new one would both hold "the" lock.
    let _lock = lock(&beside(".lock"), say)?;
    if is_whole(&plan.folder, &plan.key)? {
        return Ok(tree);
    }
    let work = beside(".partial");
    remove_folder(&work)?;
    let made = work.join("tree");
    if let Err(error) = make(plan, cargo, &made, &work, say) {
        // Best effort: the next run removes it too, and the first error is the one to tell.
        let _ = remove_folder(&work);
        return Err(error);
    }
    std::fs::rename(&made, &plan.folder).or_io("rename to its place", &made)?;
    remove_folder(&work)?;
    Ok(tree)
}

/// Waits for the lock of this file, and says so.
///
/// # Errors
/// The file's, and a wish to stop meanwhile. The system would wait on after a signal, so this asks again and again.
pub fn lock(path: &Path, say: &dyn Fn(&str)) -> Result<File> {
    let file = File::options().create(true).truncate(false).write(true).open(path).or_io("open", path)?;
    let mut is_said = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if signals::stop_wanted() => {
                let holder = format!("interrupted while another process held {}", path.display());
                return Err(Error::stopped(holder).help("run the same command again"));
            }
            Err(TryLockError::WouldBlock) => {
                if !is_said {
                    say(&format!("waiting for the process that holds {}", path.display()));
                }
                is_said = true;
                thread::sleep(LOCK_INTERVAL);
            }
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", path, &error)),
        }
    }
}

/// Makes the whole tree at `root`, which is not there yet; `work` is for whatever else has to be written.
fn make(plan: &SourcePlan, cargo: &Cargo, root: &Path, work: &Path, say: &dyn Fn(&str)) -> Result<()> {
    match &plan.origin {
        Origin::Crate { package, icu_data } => {
            say(&format!("getting {} {} from cargo's registry", package.package, package.version));
            let v8 = cargo.package(package, work)?;
            let data = cargo.package(icu_data, work)?;
            say(&format!("unpacking V8 {}", plan.v8_version));
            v8.visit(&mut |file| {
                if LEFT_OUT.iter().any(|left_out| file.path.starts_with(left_out)) {
                    return Ok(());
                }
                write_new(&root.join(file.path), file.bytes, file.executable)
            })?;
            check_version(plan, root)?;
            add_icu_data(icu_data, &data, root)?;
        }
        Origin::DepotTools { checkout } => {
            std::fs::create_dir_all(work).or_io("create", work)?;
            depot::fill(checkout, root, work, say)?;
            check_version(plan, root)?;
        }
        Origin::Node { node } => {
            node::fill(node, cargo, root, work, say)?;
            check_version(plan, root)?;
        }
    }

    for patch in &plan.patches {
        say(&format!("applying {}", patch.name));
        apply::apply(patch, root)?;
        for path in patch.diffs.iter().map(|diff| root.join(&diff.path)).filter(|path| path.exists()) {
            let file = File::options().write(true).open(&path).or_io("open", &path)?;
            set_modified(&file, &path)?;
        }
    }
    for file in &plan.embed {
        write_new(&root.join("libv8").join(&file.path), &file.bytes, false)?;
    }
    write_stamp(plan, &root.join(STAMP))
}

fn check_version(plan: &SourcePlan, root: &Path) -> Result<()> {
    let path = root.join(plan.kind.v8_folder()).join("include/v8-version.h");
    let text = std::fs::read_to_string(&path).or_io("read", &path)?;
    let found =
        V8Version::from_header(&text).map_err(|what| Error::failed(format!("{}: {what}", path.display())))?;
    if found == plan.v8_version {
        return Ok(());
    }
    let described = plan.origin.described();
    Err(Error::usage(format!(
        "{} {} is not V8 {}, but {found}",
        described.package, described.version, plan.v8_version
    ))
    .help("targets.toml pins V8's version beside the package's: make them agree"))
}

/// The major that the text of [`ICU_VERSION`] states.
pub(super) fn icu_major(text: &[u8]) -> serde_json::Result<String> {
    #[derive(Deserialize)]
    struct IcuVersion {
        major_version: String,
    }
    serde_json::from_slice(text).map(|icu: IcuVersion| icu.major_version)
}

/// Data of another ICU makes V8 start without any locale, so the majors are compared.
fn add_icu_data(pin: &CratePin, package: &Package, root: &Path) -> Result<()> {
    let path = root.join(ICU_VERSION);
    let text = std::fs::read(&path).or_io("read", &path)?;
    let wanted = icu_major(&text).map_err(|error| Error::failed(format!("{}: {error}", path.display())))?;
    let found = pin.version.strip_prefix("0.").and_then(|rest| rest.split('.').next()).unwrap_or("?");
    if found != wanted {
        return Err(Error::usage(format!(
            "V8's tree wants the data of ICU {}, {} {} has that of ICU {found}",
            wanted, pin.package, pin.version
        ))
        .help(format!("pin {} 0.{}.… in targets.toml", pin.package, wanted)));
    }
    let data = package
        .read("src/icudtl.dat")?
        .ok_or_else(|| Error::failed(format!("{} {} has no src/icudtl.dat", pin.package, pin.version)))?;
    write_new(&root.join(ICU_DATA), &data, false)
}

fn write_stamp(plan: &SourcePlan, path: &Path) -> Result<()> {
    let (packages, checkout, node) = match &plan.origin {
        Origin::Crate { package, icu_data } => (vec![package, icu_data], None, None),
        Origin::DepotTools { checkout } => (Vec::new(), Some(checkout.without_sizes()), None),
        Origin::Node { node } => (Vec::new(), None, Some(node.as_ref())),
    };
    let stamp = Stamp {
        format: 1,
        recipe: RECIPE,
        key: &plan.key,
        source: plan.kind.name(),
        v8_version: plan.v8_version,
        packages,
        checkout,
        node,
        patches: &plan.patches,
        embed: &plan.embed,
    };
    let mut text = serde_json::to_string_pretty(&stamp)
        .map_err(|error| Error::failed(format!("cannot write {}: {error}", path.display())))?;
    text.push('\n');
    let mut file = File::create_new(path).or_io("create", path)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).or_io("write", path)?;
    set_modified(&file, path)
}
