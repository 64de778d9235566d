//! V8's tree: from where, with which patches, under which key; and the tree itself, made once and used again.
//!
//! [`plan`] decides and writes nothing; [`prepare`] does what the plan says. A tree is named by the SHA-256 of all that
//! goes into it, so two plans with the same content share one tree, and a changed patch makes another one.

pub mod another;
pub mod applies;
mod apply;
pub mod depot;
mod deps;
pub mod diff;
pub mod node;
pub mod patch;
pub mod registry;
mod tree;
mod unpack;
pub mod version;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

#[cfg(all(test, target_os = "linux"))]
pub use self::apply::apply as apply_patch;
use self::patch::Patch;
pub use self::registry::Cargo;
pub use self::tree::{lock, prepare};
use self::unpack::set_modified;
pub use self::unpack::write_new;
pub use self::version::V8Version;
use crate::error::{Error, IoContext as _, Result};

/// Counts the ways in which this code has made trees: raise it when the same inputs give another tree.
const RECIPE: u32 = 1;

/// Where a tree of V8 comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The `v8` package of cargo's registry.
    Crate,
    /// The V8 that Node.js carries.
    Node,
    /// V8's own repositories.
    DepotTools,
}

impl Kind {
    /// The name in patches, plans and stamps.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Crate => "crate",
            Kind::Node => "node",
            Kind::DepotTools => "depot-tools",
        }
    }

    /// Where V8 itself lies in a tree.
    pub fn v8_folder(self) -> &'static str {
        match self {
            Kind::Crate | Kind::DepotTools => "v8",
            Kind::Node => "deps/v8",
        }
    }

    /// The opposite of [`Kind::name`].
    pub fn from_name(name: &str) -> Option<Kind> {
        [Kind::Crate, Kind::Node, Kind::DepotTools].into_iter().find(|kind| kind.name() == name)
    }
}

/// One package of cargo's registry, to the byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CratePin {
    /// Name in the registry.
    pub package: String,
    /// The exact version.
    pub version: String,
    /// SHA-256 of the `.crate` file, 64 small hexadecimal digits: the `checksum` that cargo writes into Cargo.lock.
    pub sha256: String,
}

/// What `targets.toml` pins of the source `crate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pins {
    /// The `v8` package.
    pub v8: CratePin,
    /// The package with ICU's data (`src/icudtl.dat`), which the `v8` package leaves out; its version is 0.<ICU's major>.n.
    pub icu_data: CratePin,
    /// The version of V8 that must be in the tree.
    pub v8_version: V8Version,
}

/// A file of the repository's `embed/` folder, which lies in the tree as `libv8/<path>`; those of `embed/node` are in Node's
/// trees only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EmbedFile {
    /// The file's name.
    pub path: String,
    /// SHA-256 of its bytes.
    pub sha256: String,
    #[serde(skip)]
    bytes: Vec<u8>,
}

/// Everything that is decided about a tree before any work; what `--dry-run` prints is what [`prepare`] does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourcePlan {
    /// Where the tree comes from.
    pub kind: Kind,
    /// The version of V8 that the tree must hold.
    pub v8_version: V8Version,
    /// What it is made of.
    #[serde(flatten)]
    pub origin: Origin,
    /// The patches, in the order in which they are applied.
    pub patches: Vec<Patch>,
    /// The files of `libv8/`.
    pub embed: Vec<EmbedFile>,
    /// SHA-256 over all of the above and the recipe's number.
    pub key: String,
    /// Where the tree lies, or will.
    pub folder: PathBuf,
    /// Whether it lies there, whole.
    pub present: bool,
}

/// What a tree is made of, before patches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Origin {
    /// Packages of cargo's registry.
    Crate {
        /// The package with V8.
        package: CratePin,
        /// The package with ICU's data.
        icu_data: CratePin,
    },
    /// V8's own repositories.
    DepotTools {
        /// What of them.
        checkout: Box<depot::Checkout>,
    },
    /// The V8 of a Node.
    Node {
        /// Which.
        node: Box<node::Looked>,
    },
}

impl Origin {
    /// For people and for the descriptor: what was fetched, its own version, and a digest of it.
    pub fn described(&self) -> CratePin {
        match self {
            Origin::Crate { package, .. } => package.clone(),
            Origin::DepotTools { checkout } => checkout.described(),
            Origin::Node { node } => node.described(),
        }
    }

    /// One line for people.
    pub fn line(&self) -> String {
        match self {
            Origin::Crate { package, .. } => {
                format!("{} {} of cargo's registry", package.package, package.version)
            }
            Origin::DepotTools { checkout } => {
                format!("{} at commit {}", checkout.url, checkout.commit)
            }
            Origin::Node { node } => format!("Node {}, sha256 {}", node.node_version, node.sha256),
        }
    }
}

/// What a plan of a tree starts from.
#[derive(Debug, Clone)]
pub enum Start<'a> {
    /// The pins of the source `crate`.
    Crate(&'a Pins),
    /// What was asked of the source `depot-tools`, and what was found.
    DepotTools(&'a depot::Asked, &'a depot::Looked, depot::Platform),
    /// The tree of Node that was found for the source `node`.
    Node(&'a node::Looked),
}

/// Decides which tree `target` is built in. Reads the repository's `patches/` and `embed/`, and the stamp of a tree that
/// is there; starts nothing and writes nothing.
///
/// # Errors
/// A pin that is no pin, and every fault of the patches.
pub fn plan(from: Start<'_>, target: &str, repository: &Path, sources: &Path) -> Result<SourcePlan> {
    let (kind, v8_version, origin) = match from {
        Start::Crate(pins) => {
            [&pins.v8, &pins.icu_data].into_iter().try_for_each(check_pin)?;
            let origin = Origin::Crate { package: pins.v8.clone(), icu_data: pins.icu_data.clone() };
            (Kind::Crate, pins.v8_version, origin)
        }
        Start::DepotTools(asked, looked, platform) => {
            let checkout = Box::new(depot::decide(asked, looked, target, platform)?);
            (Kind::DepotTools, looked.v8_version, Origin::DepotTools { checkout })
        }
        Start::Node(looked) => {
            check_pin(&looked.runtime)?;
            (Kind::Node, looked.v8_version, Origin::Node { node: Box::new(looked.clone()) })
        }
    };
    let all = Patch::read_all(&repository.join("patches"))?;
    let patches: Vec<Patch> = patch::series(&all, kind, v8_version, target).into_iter().cloned().collect();
    let mut embed = read_embed(&repository.join("embed"), "")?;
    if kind == Kind::Node {
        embed.extend(read_embed(&repository.join("embed/node"), "node/")?);
    }
    let key = key(kind, v8_version, &origin, &patches, &embed);
    let name = match &origin {
        Origin::Crate { package, .. } => format!("{}-crate-{}", package.package, package.version),
        Origin::DepotTools { .. } => format!("v8-depot-tools-{v8_version}"),
        Origin::Node { node } => format!("v8-node-{}", node.node_version),
    };
    let folder = sources.join(format!("{name}-{}", &key[..16]));
    let present = tree::is_whole(&folder, &key)?;
    Ok(SourcePlan { kind, v8_version, origin, patches, embed, key, folder, present })
}

impl SourcePlan {
    /// The same tree with other patches, which has a key and a folder of its own.
    ///
    /// # Errors
    /// A folder that has its name, but not its stamp.
    pub fn with_patches(&self, patches: Vec<Patch>, sources: &Path) -> Result<SourcePlan> {
        let key = key(self.kind, self.v8_version, &self.origin, &patches, &self.embed);
        let name = self.folder.file_name().unwrap_or_default().to_string_lossy();
        let name = name.rsplit_once('-').map_or(name.as_ref(), |(name, _)| name);
        let folder = sources.join(format!("{name}-{}", &key[..16]));
        let present = tree::is_whole(&folder, &key)?;
        Ok(SourcePlan { patches, key, folder, present, ..self.clone() })
    }
}

fn check_pin(pin: &CratePin) -> Result<()> {
    let plain = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.+".contains(&b))
    };
    let digest = pin.sha256.len() == 64 && pin.sha256.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if plain(&pin.package) && plain(&pin.version) && digest {
        return Ok(());
    }
    Err(Error::usage(format!("bad pin: {} {} with sha256 {:?}", pin.package, pin.version, pin.sha256)))
}

/// Each field with its length before it, so that no two lists of fields have the same bytes.
fn key(kind: Kind, v8_version: V8Version, origin: &Origin, patches: &[Patch], embed: &[EmbedFile]) -> String {
    let mut hash = Sha256::new();
    let mut add = |text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    add(&format!("libv8-source {RECIPE} {}", kind.name()));
    add(&v8_version.to_string());
    match origin {
        Origin::Crate { package, icu_data } => {
            for pin in [package, icu_data] {
                [&pin.package, &pin.version, &pin.sha256].into_iter().for_each(|field| add(field));
            }
        }
        Origin::DepotTools { checkout } => add(&checkout.identity()),
        Origin::Node { node } => node.identity().into_iter().for_each(&mut add),
    }
    add(&format!("{} patches", patches.len()));
    patches.iter().for_each(|patch| [&patch.name, &patch.sha256].into_iter().for_each(|field| add(field)));
    add(&format!("{} files", embed.len()));
    embed.iter().for_each(|file| [&file.path, &file.sha256].into_iter().for_each(|field| add(field)));
    hex(&hash.finalize())
}

/// The files of a folder itself; their paths begin with `prefix`.
fn read_embed(folder: &Path, prefix: &str) -> Result<Vec<EmbedFile>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).or_io("read", folder)? {
        let path = entry.or_io("read", folder)?.path();
        if path.is_dir() {
            continue;
        }
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| Error::usage(format!("{}: the name is not UTF-8", path.display())))?;
        let bytes = std::fs::read(&path).or_io("read", &path)?;
        files.push(EmbedFile { path: format!("{prefix}{name}"), sha256: sha256(&bytes), bytes });
    }
    files.sort_unstable_by(|one, other| one.path.cmp(&other.path));
    Ok(files)
}

/// SHA-256 in small hexadecimal digits.
fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;
