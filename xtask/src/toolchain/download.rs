//! A pinned file in the cache: nothing is given out before its size and SHA-256 match.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use sha2::Digest as _;

use super::pins::{FilePin, Sha256};
use crate::error::{Error, IoContext as _, Result};
use crate::paths::remove_folder;

/// Where the file of `pin` lies once it is there.
pub fn place(downloads: &Path, pin: &FilePin) -> PathBuf {
    downloads.join(pin.sha256.as_str()).join(&pin.file)
}

/// The verified file of `pin`; `fetch` is called at most once, with an empty folder, and leaves a file named as the pin says.
///
/// A file of the cache that has changed is moved away and fetched once more. A fetched file with other bytes is an error that names both
/// values: no second origin is asked.
pub fn ensure(downloads: &Path, pin: &FilePin, fetch: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let path = place(downloads, pin);
    if path.exists() {
        match check(&path, pin) {
            Ok(()) => return Ok(path),
            Err(error) => {
                let away = refuse(downloads, &path, pin)?;
                let what = error.to_string();
                eprintln!(
                    "{}; moved to {}, fetched again",
                    what.trim_start_matches("error: "),
                    away.display()
                );
            }
        }
    }
    let incoming = downloads.join(format!(".incoming-{}", pin.sha256));
    remove_folder(&incoming)?;
    fs::create_dir_all(&incoming).or_io("create", &incoming)?;
    fetch(&incoming)?;
    let fetched = incoming.join(&pin.file);
    if let Err(error) = check(&fetched, pin) {
        if fetched.exists() {
            let away = refuse(downloads, &fetched, pin)?;
            return Err(error.help(format!("it is kept for you to look at: {}", away.display())));
        }
        return Err(error);
    }
    let folder = path.parent().expect("place() joins two names");
    fs::create_dir_all(folder).or_io("create", folder)?;
    fs::rename(&fetched, &path).or_io("create", &path)?;
    remove_folder(&incoming)?;
    Ok(path)
}

/// Compares a file with its pin.
pub fn check(path: &Path, pin: &FilePin) -> Result<()> {
    let size_bytes = fs::metadata(path).or_io("read", path)?.len();
    if size_bytes != pin.size_bytes {
        return Err(Error::failed(format!(
            "{} has {size_bytes} bytes, its pin says {}",
            path.display(),
            pin.size_bytes
        )));
    }
    let digest = digest(path)?;
    if digest != pin.sha256 {
        return Err(Error::failed(format!(
            "{} has SHA-256 {digest}, its pin says {}",
            path.display(),
            pin.sha256
        )));
    }
    Ok(())
}

fn digest(path: &Path) -> Result<Sha256> {
    let mut file = File::open(path).or_io("open", path)?;
    let mut hasher = sha2::Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer).or_io("read", path)? {
            0 => return Ok(Sha256::of(hasher)),
            n => hasher.update(&buffer[..n]),
        }
    }
}

fn refuse(downloads: &Path, path: &Path, pin: &FilePin) -> Result<PathBuf> {
    let folder = downloads.join("refused");
    fs::create_dir_all(&folder).or_io("create", &folder)?;
    let away = folder.join(&pin.file);
    fs::rename(path, &away).or_io("move away", path)?;
    Ok(away)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toolchain::testing::{Folder, pin};

    #[test]
    fn a_right_file_is_fetched_once() {
        let folder = Folder::new();
        let wanted = pin("a.whl", b"right");
        let put = |dir: &Path| fs::write(dir.join("a.whl"), b"right").or_io("write", dir);
        let first = ensure(folder.path(), &wanted, put).unwrap();
        assert_eq!(fs::read(&first).unwrap(), b"right");
        let again = ensure(folder.path(), &wanted, |_| panic!("fetched twice")).unwrap();
        assert_eq!(again, first);
    }

    #[test]
    fn f04_wrong_bytes_are_refused_with_both_values() {
        let folder = Folder::new();
        let wanted = pin("a.whl", b"right");
        let error =
            ensure(folder.path(), &wanted, |dir| fs::write(dir.join("a.whl"), b"wrong").or_io("write", dir));
        let text = error.unwrap_err().to_string();
        assert!(text.contains(wanted.sha256.as_str()), "{text}");
        assert!(text.contains(pin("", b"wrong").sha256.as_str()), "{text}");
        assert!(!place(folder.path(), &wanted).exists());
        assert_eq!(fs::read(folder.path().join("refused/a.whl")).unwrap(), b"wrong");
    }

    #[test]
    fn f01_a_short_file_is_refused_with_both_sizes() {
        let folder = Folder::new();
        let error = ensure(folder.path(), &pin("a.whl", b"right"), |dir| {
            fs::write(dir.join("a.whl"), b"rig").or_io("write", dir)
        });
        let text = error.unwrap_err().to_string();
        assert!(text.contains("has 3 bytes, its pin says 5"), "{text}");
    }

    #[test]
    fn f13_a_file_that_changed_in_the_cache_is_fetched_once_more() {
        let folder = Folder::new();
        let wanted = pin("a.whl", b"right");
        let path = place(folder.path(), &wanted);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, b"wrong").unwrap();
        ensure(folder.path(), &wanted, |dir| fs::write(dir.join("a.whl"), b"right").or_io("write", dir))
            .unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"right");
        assert_eq!(fs::read(folder.path().join("refused/a.whl")).unwrap(), b"wrong");
    }
}
