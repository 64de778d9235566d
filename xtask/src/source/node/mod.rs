//! The V8 that Node.js carries: out of a release's tarball, or of a tree that the user has.
//!
//! [`look`] finds the bytes and reads what Node says of its V8; [`fill`] writes the tree: of Node what building V8 needs, in
//! Node's own places, and beside it the C++ runtime of the `v8` package, which is every archive's.

mod files;
mod fill;
mod look;
mod settings;

use std::path::PathBuf;

use serde::Serialize;

pub use self::fill::fill;
pub use self::look::look;
pub use self::settings::Setting;
use super::{CratePin, V8Version};
use crate::paths::Cache;

/// What the user and `targets.toml` ask for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Node's version, three numbers.
    pub version: String,
    /// Where releases lie: `<url>/v<version>/`.
    pub url: String,
    /// SHA-256 of that version's tarball, if `targets.toml` pins it.
    pub sha256: Option<String>,
    /// A tarball or a folder, in place of a release.
    pub given: Option<PathBuf>,
    /// The package whose C++ runtime is laid beside Node's V8.
    pub runtime: CratePin,
    /// The user's cache folder.
    pub cache: Cache,
}

/// A tree of Node that was looked at, and what it says of its V8.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Looked {
    /// Node's version, as its own header states it.
    pub node_version: String,
    /// `NODE_MODULE_VERSION`: the number of the interface that Node's addons are compiled for.
    pub module_version: u32,
    /// The version that V8's header states.
    #[serde(skip)]
    pub v8_version: V8Version,
    /// SHA-256 of the tarball, or over all files of the folder that are read.
    pub sha256: String,
    /// What Node sets of V8, and V8 itself does not.
    pub settings: Vec<Setting>,
    /// The package with the C++ runtime.
    pub runtime: CratePin,
    #[serde(skip)]
    place: Place,
}

/// What is kept of releases: what their lists said, and what was read of them.
pub fn folder(cache: &Cache) -> PathBuf {
    cache.root().join("node")
}

/// Where the files are read.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Tarball(PathBuf),
    Folder(PathBuf),
}

impl Looked {
    /// What the tree's contents follow from.
    pub fn identity(&self) -> [&str; 4] {
        let CratePin { package, version, sha256 } = &self.runtime;
        [&self.sha256, package, version, sha256]
    }

    /// For the descriptor.
    pub fn described(&self) -> CratePin {
        CratePin {
            package: "node".to_owned(),
            version: self.node_version.clone(),
            sha256: self.sha256.clone(),
        }
    }

    /// What of the cache this is made of, for a bundle: names in it, and files. Nothing for what the user has given.
    pub fn carried(&self, cache: &Cache) -> Vec<(String, PathBuf)> {
        let Place::Tarball(path) = &self.place else { return Vec::new() };
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if *path != cache.downloads().join(&self.sha256).join(&name) {
            return Vec::new();
        }
        let digest = look::kept_digest_file(cache, &name);
        let mut carried = vec![(format!("downloads/{}/{name}", self.sha256), path.clone())];
        if digest.is_file() {
            carried.push((format!("node/{name}.sha256"), digest));
        }
        carried
    }

    /// The path that it was read from.
    pub fn source(&self) -> std::path::Display<'_> {
        let (Place::Tarball(path) | Place::Folder(path)) = &self.place;
        path.display()
    }

    /// For people: what it is, and what Node does to V8.
    pub fn table(&self) -> String {
        let mut text = format!(
            "Node {} carries V8 {}; its addons are of interface {}\nNode sets of V8, where V8 itself sets otherwise:\n",
            self.node_version, self.v8_version, self.module_version
        );
        for Setting { name, plain, node, set_by } in &self.settings {
            let plain = plain.as_deref().map_or("unset".to_owned(), |value| format!("{value:?}"));
            text.push_str(&format!("  {name:<42} {node:?}, not {plain}  ({set_by})\n"));
        }
        let CratePin { package, version, .. } = &self.runtime;
        text.push_str(&format!(
            "the C++ runtime beside it is that of {package} {version} of cargo's registry\n"
        ));
        text
    }
}

/// A tree that was looked at, for the tests of whoever plans with one.
#[cfg(test)]
pub fn looked_for_tests() -> Looked {
    let setting = |name: &str, plain: &str, node: &str, set_by| Setting {
        name: name.to_owned(),
        plain: Some(plain.to_owned()),
        node: node.to_owned(),
        set_by,
    };
    Looked {
        node_version: "24.21.0".to_owned(),
        module_version: 137,
        v8_version: V8Version([13, 6, 233, 17]),
        sha256: "24".repeat(32),
        settings: vec![
            setting("v8_embedder_string", "", "-node.53", "common.gypi"),
            setting("v8_promise_internal_field_count", "0", "1", "configure.py"),
        ],
        runtime: CratePin {
            package: "v8".to_owned(),
            version: "152.2.0".to_owned(),
            sha256: "15".repeat(32),
        },
        place: Place::Tarball("node-v24.21.0.tar.xz".into()),
    }
}

#[cfg(all(test, feature = "downloads"))]
mod server_tests;
#[cfg(test)]
mod tests;
