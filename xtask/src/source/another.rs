//! Another version of the `v8` package than the one that is built by default. What `targets.toml` does not pin, is looked up:
//! its digest and V8's version as cargo's registry and the package say them.
//!
//! The digest is the registry's own, out of the lock file that cargo writes; cargo checks what it fetches against it, and
//! [`Cargo::package`] does so once more. Who wants to trust a reviewed pin instead moves the pin: `cargo xtask roll`.

use std::path::Path;

use serde::Deserialize;

use super::{Cargo, CratePin, Pins, V8Version, tree};
use crate::error::{Error, IoContext as _, Result};
use crate::paths::remove_folder;
use crate::process;

/// The pins as they would be with this version of the package: those of `known`, if one has it.
///
/// Fetches the package, because V8's version and ICU's stand in it. `scratch` is a folder that is not there; it is made
/// and removed again.
///
/// # Errors
/// A version that is no exact one, cargo's own words, and a package that holds no V8.
pub fn pins(
    pinned: &Pins,
    known: &[Pins],
    version: &str,
    cargo: &dyn Fn() -> Result<Cargo>,
    scratch: &Path,
) -> Result<Pins> {
    if let Some(known) = known.iter().chain([pinned]).find(|known| known.v8.version == version) {
        return Ok(known.clone());
    }
    if !is_exact(version) {
        return Err(Error::usage(format!(
            "{version:?} is no version of the package {}: three numbers, as in {}",
            pinned.v8.package, pinned.v8.version
        ))
        .help(format!("cargo info {}   shows the newest; V8 14.9 is 149.x.y", pinned.v8.package)));
    }
    remove_folder(scratch)?;
    let found = cargo().and_then(|cargo| look(pinned, version, &cargo, scratch));
    remove_folder(scratch)?;
    found
}

fn look(pinned: &Pins, version: &str, cargo: &Cargo, scratch: &Path) -> Result<Pins> {
    let v8 = locked(cargo, &pinned.v8.package, &format!("={version}"), scratch)?;
    let package = cargo.package(&v8, scratch)?;
    let (mut header, mut icu) = (None, None);
    package.visit(&mut |file| {
        match file.path {
            "v8/include/v8-version.h" => header = Some(String::from_utf8_lossy(file.bytes).into_owned()),
            tree::ICU_VERSION => icu = Some(file.bytes.to_vec()),
            _ => {}
        }
        Ok(())
    })?;
    let fault = |what: &str| Error::failed(format!("{} {}: {what}", v8.package, v8.version));
    let header = header.ok_or_else(|| fault("there is no v8/include/v8-version.h in it"))?;
    let v8_version = V8Version::from_header(&header).map_err(|what| fault(&what))?;
    let icu = icu.ok_or_else(|| fault(&format!("there is no {} in it", tree::ICU_VERSION)))?;
    let icu = tree::icu_major(&icu).map_err(|error| fault(&format!("{}: {error}", tree::ICU_VERSION)))?;
    let major = format!("0.{icu}");
    let icu_data = if pinned.icu_data.version.starts_with(&format!("{major}.")) {
        pinned.icu_data.clone()
    } else {
        locked(cargo, &pinned.icu_data.package, &major, scratch)?
    };
    Ok(Pins { v8, icu_data, v8_version })
}

/// What cargo's resolver makes of `requirement`: nothing is fetched but the registry's index.
fn locked(cargo: &Cargo, package: &str, requirement: &str, scratch: &Path) -> Result<CratePin> {
    #[derive(Deserialize)]
    struct Lock {
        package: Vec<Locked>,
    }
    #[derive(Deserialize)]
    struct Locked {
        name: String,
        version: String,
        checksum: Option<String>,
    }
    let folder = scratch.join("lock").join(package);
    std::fs::create_dir_all(&folder).or_io("create", &folder)?;
    let manifest = folder.join("Cargo.toml");
    let text = format!(
        "[workspace]\n[package]\nname = \"libv8-source\"\nedition = \"2024\"\n[lib]\npath = \"lib.rs\"\n\
         [dependencies]\n{package} = \"{requirement}\"\n"
    );
    std::fs::write(&manifest, text).or_io("write", &manifest)?;
    let library = folder.join("lib.rs");
    std::fs::write(&library, "").or_io("write", &library)?;
    let mut command = cargo.command();
    command.args(["generate-lockfile", "--quiet", "--manifest-path"]).arg(&manifest);
    process::read(&mut command).map_err(|error| {
        error.help(format!(
            "cargo must find {package} {requirement} in its registry: try `cargo info {package}`"
        ))
    })?;
    let path = folder.join("Cargo.lock");
    let text = std::fs::read_to_string(&path).or_io("read", &path)?;
    let lock: Lock = toml::from_str(&text)
        .map_err(|error| Error::failed(format!("{} is not understood: {error}", path.display())))?;
    let found = lock.package.into_iter().find(|locked| locked.name == package);
    let (version, sha256) =
        found.and_then(|locked| Some((locked.version, locked.checksum?))).ok_or_else(|| {
            Error::failed(format!("cargo knows no checksum of {package} {requirement}")).help(
                "a registry or a mirror of one has them; a folder or a repository as its replacement has not",
            )
        })?;
    Ok(CratePin { package: package.to_owned(), version, sha256 })
}

/// Three numbers with dots between.
fn is_exact(version: &str) -> bool {
    let is_number =
        |part: &str| !part.is_empty() && part.len() < 10 && part.bytes().all(|b| b.is_ascii_digit());
    version.split('.').count() == 3 && version.split('.').all(is_number)
}

#[cfg(all(test, unix))]
mod tests {
    use super::super::testing::pack;
    use super::*;
    use crate::toolchain::testing::Folder;

    const HEADER: &str = "#define V8_MAJOR_VERSION 14\n#define V8_MINOR_VERSION 9\n#define V8_BUILD_NUMBER 207\n\
                          #define V8_PATCH_LEVEL 2\n";

    /// A cargo that knows checksums, its home, and pins of another version.
    struct World {
        folder: Folder,
        home: tempfile::TempDir,
        cargo: Cargo,
        pinned: Pins,
        known: Vec<Pins>,
    }

    impl World {
        /// `icu` is the major that the package wants; without a header it holds no V8.
        fn new(icu: &str, header: Option<&str>) -> World {
            let (folder, home) = (Folder::new(), tempfile::tempdir().unwrap());
            let version_json = format!("{{ \"major_version\": \"{icu}\"}}");
            let mut files = vec![("third_party/icu/version.json", version_json.as_str(), 0o644)];
            files.extend(header.map(|text| ("v8/include/v8-version.h", text, 0o644)));
            let v8 = pack(home.path(), "v8", "149.4.0", &files);
            let text = format!(
                "while [ $# -gt 1 ]; do shift; done\nlock=${{1%.toml}}.lock\n\
                 case $(cat $1) in\n\
                 *'v8 = \"=149.4.0\"'*) printf '[[package]]\\nname = \"v8\"\\nversion = \"149.4.0\"\\nchecksum = \"{}\"\\n';;\n\
                 *'icudata = \"0.77\"'*) printf '[[package]]\\nname = \"icudata\"\\nversion = \"0.77.3\"\\nchecksum = \"{}\"\\n';;\n\
                 *) echo 'error: no matching package' >&2; exit 101;;\nesac > $lock",
                v8.sha256,
                "7".repeat(64)
            );
            let cargo = Cargo {
                program: folder.program("cargo", &text).into(),
                home: home.path().join("home"),
                config_folder: home.path().to_path_buf(),
                downloads: None,
            };
            let pin = |package: &str, version: &str| CratePin {
                package: package.into(),
                version: version.into(),
                sha256: "1".repeat(64),
            };
            let pinned = Pins {
                v8: pin("v8", "152.2.0"),
                icu_data: pin("icudata", "0.78.0"),
                v8_version: V8Version([15, 2, 124, 1]),
            };
            let known = vec![Pins { v8: pin("v8", "150.0.0"), ..pinned.clone() }];
            World { folder, home, cargo, pinned, known }
        }

        fn pins(&self, version: &str) -> Result<Pins> {
            let scratch = self.home.path().join("scratch");
            let found = pins(&self.pinned, &self.known, version, &|| Ok(self.cargo.clone()), &scratch);
            assert!(!scratch.exists(), "nothing is left behind");
            found
        }
    }

    #[test]
    fn the_registry_and_the_package_say_what_pins_would() {
        let world = World::new("77", Some(HEADER));
        let found = world.pins("149.4.0").unwrap();
        assert_eq!(found.v8_version, V8Version([14, 9, 207, 2]));
        assert_eq!((found.v8.version.as_str(), found.icu_data.version.as_str()), ("149.4.0", "0.77.3"));
        assert_eq!(found.icu_data.sha256, "7".repeat(64));
        // The same ICU: the reviewed pin stays.
        let world = World::new("78", Some(HEADER));
        assert_eq!(world.pins("149.4.0").unwrap().icu_data, world.pinned.icu_data);
        // What is pinned is not asked for.
        assert_eq!(world.pins("152.2.0").unwrap(), world.pinned);
        assert_eq!(world.pins("150.0.0").unwrap(), world.known[0]);
        drop(world.folder);
    }

    #[test]
    fn what_is_no_v8_is_refused() {
        let check = |world: &World, version: &str, code: u8, expected: &str| {
            let error = world.pins(version).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
            assert_eq!(error.exit_code(), code);
        };
        let world = World::new("77", None);
        check(&world, "149.4.0", 1, "v8 149.4.0: there is no v8/include/v8-version.h in it");
        check(&world, "149.5.0", 1, "error: no matching package");
        for version in ["149", "149.4", "149.4.0-x", "149.4.x", "^149.4.0", "", "1.2.3.4"] {
            check(&world, version, 2, "is no version of the package v8: three numbers, as in 152.2.0");
        }
    }

    #[test]
    fn f04_a_package_that_is_not_the_registrys_is_refused() {
        let world = World::new("77", Some(HEADER));
        let path = world.home.path().join("home/registry/cache/mirror-1/v8-149.4.0.crate");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[40] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let error = world.pins("149.4.0").unwrap_err().to_string();
        assert!(error.contains("is not the v8 149.4.0 that is pinned"), "{error}");
    }
}
