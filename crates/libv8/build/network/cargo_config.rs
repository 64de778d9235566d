//! What cargo's configuration files say of the network: cargo itself tells build scripts none of it.

use std::fs;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

/// Longer files are not read, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// The three settings; the file nearest to where cargo was started wins, for each by itself.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct CargoConfig {
    /// `net.offline`.
    pub offline: Option<bool>,
    /// `http.proxy`.
    pub proxy: Option<String>,
    /// `http.cainfo`, absolute.
    pub cainfo: Option<PathBuf>,
    /// Files that could not be used, and why: cargo itself would have complained, so they are told and passed over.
    pub passed_over: Vec<String>,
}

/// Reads the configuration for someone who started cargo in one of `starts`: `.cargo/config.toml` (and `.cargo/config`)
/// there and in every folder above, then `config.toml` of `cargo_home`.
pub fn read(starts: &[&Path], cargo_home: Option<&Path>) -> CargoConfig {
    let mut config = CargoConfig::default();
    let mut folders: Vec<PathBuf> = Vec::new();
    for folder in starts.iter().filter(|start| start.is_absolute()).flat_map(|start| start.ancestors()) {
        let folder = folder.join(".cargo");
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    folders.extend(cargo_home.map(Path::to_owned));
    for folder in folders {
        // The name without an ending is the older one, and counts where both are.
        let Some(path) =
            ["config", "config.toml"].iter().map(|name| folder.join(name)).find(|path| path.is_file())
        else {
            continue;
        };
        let is_small = fs::metadata(&path).is_ok_and(|metadata| metadata.len() <= MAX_BYTES);
        let text =
            if is_small { fs::read_to_string(&path) } else { Err(std::io::ErrorKind::FileTooLarge.into()) };
        let read = text.map_err(|error| error.to_string()).and_then(|text| parse(&text));
        match read {
            Ok(found) => {
                // A relative path in such a file counts from the folder above `.cargo`.
                let base = folder.parent().unwrap_or(&folder);
                config.offline = config.offline.or(found.offline);
                config.proxy = config.proxy.or(found.proxy);
                config.cainfo = config.cainfo.or(found.cainfo.map(|path| base.join(path)));
            }
            Err(why) => config.passed_over.push(format!("{}: {why}", path.display())),
        }
    }
    config
}

/// One file. Unknown keys are cargo's business, and so are values of a kind that ours do not have.
pub fn parse(text: &str) -> Result<CargoConfig, String> {
    let document = DeTable::parse(text).map_err(|error| error.message().to_owned())?;
    let value = |section: &str, key: &str| document.get_ref().get(section)?.get_ref().get(key);
    let text = |section, key| value(section, key)?.get_ref().as_str().filter(|text| !text.is_empty());
    Ok(CargoConfig {
        offline: value("net", "offline").and_then(|value| value.get_ref().as_bool()),
        proxy: text("http", "proxy").map(str::to_owned),
        cainfo: text("http", "cainfo").map(PathBuf::from),
        passed_over: Vec::new(),
    })
}
