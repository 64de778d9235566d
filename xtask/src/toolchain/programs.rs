//! The programs of the system that the toolchain needs: found on an explicit PATH, all that is missing reported together.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Error, Kind, Result};
use crate::process;

/// The least Python that the scripts of V8's build run on.
const PYTHON_MINIMUM: (u32, u32) = (3, 9);

/// Where programs are looked for. A value, so that tests put small programs of their own there.
#[derive(Debug, Clone)]
pub struct Programs {
    folders: Vec<PathBuf>,
}

/// A Python that is new enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Python {
    /// The program.
    pub path: PathBuf,
    /// Whether it has pip.
    pub pip: bool,
}

impl Programs {
    /// Looks in `folders`, first to last.
    pub fn new(folders: Vec<PathBuf>) -> Programs {
        Programs { folders }
    }

    /// The first executable of this name.
    pub fn find(&self, name: &str) -> Option<PathBuf> {
        self.all(name).next()
    }

    fn all(&self, name: &str) -> impl Iterator<Item = PathBuf> {
        let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
        self.folders.iter().map(move |folder| folder.join(&file)).filter(|path| is_executable(path))
    }

    /// A command for `name`, which finds its own helpers on the same PATH.
    pub fn command(&self, name: &str) -> Command {
        let mut command = process::command(self.find(name).unwrap_or_else(|| name.into()));
        if let Ok(path) = std::env::join_paths(&self.folders) {
            command.env("PATH", path);
        }
        command.env("LC_ALL", "C");
        command
    }

    /// The first Python that is new enough and has pip, else the first that is new enough; `Err` says what is wrong.
    pub fn python(&self) -> Result<Python, String> {
        let (least_major, least_minor) = PYTHON_MINIMUM;
        let mut without_pip = None;
        let mut too_old = None;
        for path in self.all("python3") {
            let Some(version) = python_version(&path) else { continue };
            if version < PYTHON_MINIMUM {
                too_old.get_or_insert(format!("{} is {}.{}", path.display(), version.0, version.1));
                continue;
            }
            if succeeds(process::command(&path).args(["-m", "pip", "--version"])) {
                return Ok(Python { path, pip: true });
            }
            without_pip.get_or_insert(path);
        }
        match (without_pip, too_old) {
            (Some(path), _) => Ok(Python { path, pip: false }),
            (None, Some(old)) => Err(format!("python3 {least_major}.{least_minor} or later ({old})")),
            (None, None) => Err(format!("python3 {least_major}.{least_minor} or later")),
        }
    }
}

/// The error for everything that is missing, of exit status 2, or nothing.
pub fn report(missing: &[String]) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::all(Kind::Usage, "missing on this machine", missing)
        .help("install what is missing (Debian: apt-get install python3 python3-pip git), then run the same command again"))
}

/// Whether a command starts and ends with status 0.
pub fn succeeds(command: &mut Command) -> bool {
    process::output(command).is_ok_and(|out| out.status.success())
}

fn python_version(path: &Path) -> Option<(u32, u32)> {
    let print = "import sys; print(sys.version_info[0], sys.version_info[1])";
    let text = process::read(process::command(path).args(["-c", print])).ok()?;
    let (major, minor) = text.trim().split_once(' ')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn is_executable(path: &Path) -> bool {
    let Ok(metadata) = path.metadata() else { return false };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        metadata.is_file() && metadata.permissions().mode() & 0o111 != 0
    }
    #[cfg(not(unix))]
    metadata.is_file()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::toolchain::testing::Folder;

    fn python(folder: &Folder, dir: &str, version: &str, pip: bool) -> PathBuf {
        let status = if pip { 0 } else { 1 };
        folder.program(
            &format!("{dir}/python3"),
            &format!("[ \"$1\" = -c ] && echo '{version}' || exit {status}"),
        );
        folder.path().join(dir)
    }

    #[test]
    fn a_python_with_pip_is_preferred() {
        let folder = Folder::new();
        let path = vec![
            python(&folder, "a", "3 12", false),
            python(&folder, "b", "3 8", true),
            python(&folder, "c", "3 11", true),
        ];
        let expected = Python { path: folder.path().join("c/python3"), pip: true };
        assert_eq!(Programs::new(path.clone()).python(), Ok(expected));
        let expected = Python { path: folder.path().join("a/python3"), pip: false };
        assert_eq!(Programs::new(path[..2].to_vec()).python(), Ok(expected));
    }

    #[test]
    fn an_old_python_is_named_with_its_version() {
        let folder = Folder::new();
        let old = Programs::new(vec![python(&folder, "b", "3 8", true)]).python().unwrap_err();
        assert_eq!(
            old,
            format!("python3 3.9 or later ({} is 3.8)", folder.path().join("b/python3").display())
        );
    }
}
