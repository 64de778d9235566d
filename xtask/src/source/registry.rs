//! A package of cargo's registry, got by cargo itself: its checksums, and the user's mirror, proxy, credentials and
//! offline setting then hold, and we have no HTTP of our own to get wrong.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::CratePin;
use super::unpack::Package;
use crate::error::{Error, IoContext as _, Result};
use crate::paths::{self, Cache};
use crate::{env, process};

/// The cargo to ask.
#[derive(Debug, Clone)]
pub struct Cargo {
    /// The program.
    pub program: OsString,
    /// Its home folder, where it keeps what it has fetched.
    pub home: PathBuf,
    /// The folder it is run in. It reads `.cargo/config.toml` there and above: the mirror of a project holds for us too.
    pub config_folder: PathBuf,
    /// Downloads of ours by digest, where the packages of a bundle lie.
    pub downloads: Option<PathBuf>,
}

impl Cargo {
    /// The cargo that started us, in the repository.
    pub fn of_user() -> Result<Cargo> {
        let home = env::cargo_home().ok_or_else(|| {
            Error::usage("there is no home folder, and so none of cargo's").help("set CARGO_HOME to a folder")
        })?;
        Ok(Cargo {
            program: env::cargo(),
            home,
            config_folder: paths::repository(),
            downloads: Some(Cache::locate()?.downloads()),
        })
    }

    /// The pinned package, fetched if cargo does not have it. `scratch` is a folder of ours that may be written to.
    ///
    /// `cargo info` fetches exactly one package; `cargo fetch` and `cargo vendor` would bring the 90 others too with
    /// which the bindings in the `v8` package are built, and which nobody needs here. What it does not document is
    /// where the `.crate` file then lies (`<home>/registry/cache/<registry>/`, for ten years now), and it knows no
    /// vendored packages. So, if nothing lies there, `cargo metadata` on a manifest with one dependency is asked,
    /// which is documented to fetch all of them and to tell the package's folder.
    ///
    /// # Errors
    /// What cargo said; or bytes other than the pinned ones, with both digests.
    pub fn package(&self, pin: &CratePin, scratch: &Path) -> Result<Package> {
        let file = format!("{}-{}.crate", pin.package, pin.version);
        let ours = self.downloads.as_ref().map(|downloads| downloads.join(&pin.sha256).join(file));
        if let Some(ours) = ours.filter(|path| path.is_file()) {
            return Package::open_archive(&ours, pin);
        }
        if let Some(Ok(package)) = self.cached(pin)? {
            return Ok(package);
        }
        let mut info = self.command();
        info.args(["info", "--quiet"]).arg(format!("{}@{}", pin.package, pin.version));
        // Its failure may only mean a vendored package; if it means more, `cargo metadata` fails and says it.
        process::output(&mut info)?;
        match self.cached(pin)? {
            Some(found) => found,
            None => self.resolved(pin, scratch),
        }
    }

    /// The pinned package's `.crate` file, for a bundle.
    ///
    /// # Errors
    /// As [`Cargo::package`]; and a vendored package, which is a folder.
    pub fn packed(&self, pin: &CratePin, scratch: &Path) -> Result<Vec<u8>> {
        match self.package(pin, scratch)? {
            Package::Archive { bytes, .. } => Ok(bytes),
            Package::Folder { path, .. } => Err(Error::failed(format!(
                "{} is a vendored folder, not the packed form of {}",
                path.display(),
                pin.package
            ))
            .help("make the bundle where cargo has a registry")),
        }
    }

    /// A command of this cargo, with the user's configuration.
    pub fn command(&self) -> std::process::Command {
        let mut command = process::fetcher(&self.program);
        command.current_dir(&self.config_folder).env("CARGO_HOME", &self.home);
        command
    }

    /// The package from `<home>/registry/cache/*/`: the outer result is about looking, the inner one about the bytes.
    ///
    /// Each registry and mirror has a folder there, and any of them may hold the pinned bytes.
    fn cached(&self, pin: &CratePin) -> Result<Option<Result<Package>>> {
        let cache = self.home.join("registry").join("cache");
        let registries = match std::fs::read_dir(&cache) {
            Ok(registries) => registries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("read", &cache, &error)),
        };
        let mut found = None;
        for registry in registries {
            let path =
                registry.or_io("read", &cache)?.path().join(format!("{}-{}.crate", pin.package, pin.version));
            if path.is_file() {
                let package = Package::open_archive(&path, pin);
                if package.is_ok() {
                    return Ok(Some(package));
                }
                found = Some(package);
            }
        }
        Ok(found)
    }

    /// The package as cargo resolves it: from a mirror with a layout of its own, or vendored.
    fn resolved(&self, pin: &CratePin, scratch: &Path) -> Result<Package> {
        #[derive(Deserialize)]
        struct Metadata {
            packages: Vec<Found>,
        }
        #[derive(Deserialize)]
        struct Found {
            name: String,
            version: String,
            manifest_path: PathBuf,
        }
        let folder = scratch.join(&pin.package);
        std::fs::create_dir_all(&folder).or_io("create", &folder)?;
        let manifest = folder.join("Cargo.toml");
        let text = format!(
            "[workspace]\n[package]\nname = \"libv8-source\"\nedition = \"2024\"\n[lib]\npath = \"lib.rs\"\n\
             [dependencies]\n{} = \"={}\"\n",
            pin.package, pin.version
        );
        std::fs::write(&manifest, text).or_io("write", &manifest)?;
        let library = folder.join("lib.rs");
        std::fs::write(&library, "").or_io("write", &library)?;

        let mut metadata = self.command();
        metadata.args(["metadata", "--format-version", "1", "--manifest-path"]).arg(&manifest);
        let text = process::read(&mut metadata).map_err(|error| {
            error
                .help(format!("cargo must be able to fetch {} {}: try `cargo info {0}@{1}`", pin.package, pin.version))
                .help("behind a proxy set HTTPS_PROXY, for a mirror [source] in cargo's config.toml; offline, fetch once with a network")
        })?;
        let metadata: Metadata = serde_json::from_str(&text).map_err(|error| {
            Error::failed(format!("cargo metadata printed what is not understood: {error}"))
        })?;
        let found =
            metadata.packages.iter().find(|found| found.name == pin.package && found.version == pin.version);
        let found = found.and_then(|found| found.manifest_path.parent()).ok_or_else(|| {
            Error::failed(format!("cargo metadata does not name {} {}", pin.package, pin.version))
        })?;
        if found.join(".cargo-checksum.json").is_file() {
            return Package::open_folder(found, pin);
        }
        self.cached(pin)?.unwrap_or_else(|| {
            Err(Error::failed(format!(
                "cargo has {} {} in {}, but neither its .crate file nor a .cargo-checksum.json to check it by",
                pin.package,
                pin.version,
                found.display()
            ))
            .help("use a registry, a mirror or a vendored folder as the source of cargo's packages"))
        })
    }
}
