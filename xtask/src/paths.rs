//! Where everything lies: in the repository, and in the user's cache folder.

use std::path::{Path, PathBuf};

use v8_archive::Sha256;

use crate::env;
use crate::error::{Error, IoContext as _, Result};

/// The repository this tool was built from.
pub fn repository() -> PathBuf {
    // The manifest lies in <repository>/xtask.
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies inside the repository").to_path_buf()
}

/// Removes a folder with all that is in it, if it is there.
pub fn remove_folder(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("remove", folder, &error))
        }
        _ => Ok(()),
    }
}

/// Removes a file, if it is there.
pub fn remove_file(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path, &error)),
        _ => Ok(()),
    }
}

/// Writes a file under a temporary name first, so that it is whole or not there.
pub fn write_whole(path: &Path, bytes: impl AsRef<[u8]>) -> Result<()> {
    let partial = path.with_added_extension("partial");
    std::fs::write(&partial, bytes).or_io("write", &partial)?;
    std::fs::rename(&partial, path).or_io("create", path)
}

/// All files below a folder whose names end with a dot and `extension`, in no order.
pub fn files_below(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut found = all_files(folder)?;
    found.retain(|path| path.extension().is_some_and(|its| its == extension));
    Ok(found)
}

/// All files below a folder, in no order.
pub fn all_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).or_io("read", &folder)? {
            let path = entry.or_io("read", &folder)?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    Ok(found)
}

/// A name for what we keep of a folder that is not ours: 16 hexadecimal digits.
pub fn short_name(folder: &Path) -> String {
    let mut digest = Sha256::of_bytes(folder.as_os_str().as_encoded_bytes()).to_string();
    digest.truncate(16);
    digest
}

/// The user's cache folder and what lies where in it.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
    /// Where compiled objects lie, if not in it.
    objects: Option<PathBuf>,
}

impl Cache {
    /// `LIBV8_CACHE_DIR`, or `libv8` in the user's own cache folder. Writes nothing.
    pub fn locate() -> Result<Cache> {
        let root = match (env::cache_dir(), env::user_cache_dir()) {
            (Some(own), _) => std::path::absolute(&own).or_io("make absolute", &own)?,
            (None, Some(user)) => user.join("libv8"),
            (None, None) => {
                return Err(Error::usage("there is no home folder to keep a cache in")
                    .help("set LIBV8_CACHE_DIR to a folder"));
            }
        };
        Ok(Cache::at(root))
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Verified downloads, one folder for each SHA-256.
    pub fn downloads(&self) -> PathBuf {
        self.root.join("downloads")
    }

    /// Unpacked toolchains, one folder for each set of pins.
    pub fn toolchains(&self) -> PathBuf {
        self.root.join("toolchain")
    }

    /// V8's trees: pristine ones, and patched ones with their build folders.
    pub fn sources(&self) -> PathBuf {
        self.root.join("source")
    }

    /// Commits of V8's own repositories and of what DEPS names, one bare repository for each.
    pub fn depot(&self) -> PathBuf {
        self.root.join("depot")
    }

    /// sccache's local folder, or the one in its place.
    pub fn sccache(&self) -> PathBuf {
        self.objects.clone().unwrap_or_else(|| self.root.join("sccache"))
    }

    /// Which objects of that folder each cell of the matrix has used: one list for each.
    pub fn used(&self) -> PathBuf {
        let of_local = self.root.join("used");
        match &self.objects {
            Some(folder) => of_local.join(short_name(folder)),
            None => of_local,
        }
    }

    /// The same with compiled objects in a folder of the user's, if there is one; nothing else is written there.
    #[must_use]
    pub fn with_objects(&self, folder: Option<&Path>) -> Cache {
        Cache { objects: folder.map(Path::to_owned), ..self.clone() }
    }

    /// Archives that `link-line` has unpacked, by their digests.
    pub fn unpacked(&self) -> PathBuf {
        self.root.join("unpacked")
    }

    /// What `publish` and `lock` make and read meanwhile.
    pub fn publishing(&self) -> PathBuf {
        self.root.join("publish")
    }

    /// A cache in a folder of its own: another machine's, as `ci simulate` plays it, or a test's.
    pub fn at(root: PathBuf) -> Cache {
        Cache { root, objects: None }
    }
}
