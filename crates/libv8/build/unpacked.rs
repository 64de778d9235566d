//! An archive becomes a verified folder.

use std::fs;
use std::path::{Path, PathBuf};

use v8_archive::{Descriptor, Error, FolderCheck, Limits, Sha256};

/// Our folders in `OUT_DIR` begin so; the digest of their archive follows. A dot stands before it in the temporary names
/// of `v8_archive::unpack`, of which one is left if it was killed.
const PREFIX: &str = "libv8-";
/// Hexadecimal digits of the digest in a folder's name: enough to tell archives apart, short enough for Windows'
/// limit on paths. What the folder holds is verified by the whole digests of the descriptor.
const NAME_DIGITS: usize = 16;

/// A folder whose files are those its descriptor lists.
#[derive(Debug, PartialEq)]
pub struct Unpacked {
    /// Where it is.
    pub root: PathBuf,
    /// Its `V8.json`.
    pub descriptor: Descriptor,
}

/// Unpacks `archive` below `out_dir`, unless that was done already, once `accept` agrees with its descriptor.
///
/// # Errors
/// Names the archive and its fault; `accept`'s error as it is. There is no half unpacked folder afterwards.
pub fn from_archive(
    archive: &Path,
    out_dir: &Path,
    accept: impl FnOnce(&Descriptor) -> Result<(), String>,
) -> Result<Unpacked, String> {
    // The descriptor is the first entry: a wrong archive is refused before 160 MB are unpacked.
    let expected = v8_archive::open(archive).map_err(sentence)?.into_descriptor();
    accept(&expected)?;
    let digest = Sha256::of_file(archive).map_err(sentence)?.sha256.to_string();
    let root = out_dir.join(format!("{PREFIX}{}", &digest[..NAME_DIGITS]));

    let present = is_whole(&root, &expected);
    remove_folders(out_dir, present.then_some(root.as_path()))?;
    let descriptor = if present {
        expected.clone()
    } else {
        v8_archive::unpack(archive, &root, &Limits::default()).map_err(sentence)?
    };
    if descriptor != expected {
        return Err(format!("{} was changed while it was read\nhelp: run cargo again", archive.display()));
    }
    Ok(Unpacked { root, descriptor })
}

/// Takes an unpacked archive where it is, verified by its digests, once `accept` agrees with its descriptor.
///
/// # Errors
/// Names the folder and all its faults; `accept`'s error as it is.
pub fn from_folder(
    root: &Path,
    accept: impl FnOnce(&Descriptor) -> Result<(), String>,
) -> Result<Unpacked, String> {
    let (descriptor, faults) = v8_archive::check_folder(root, FolderCheck::Digests).map_err(sentence)?;
    accept(&descriptor)?;
    if !faults.is_empty() {
        let faults: String = faults.iter().map(|fault| format!("\n{fault}")).collect();
        return Err(format!(
            "{} is not the archive it was unpacked from{faults}\nhelp: unpack it again, or give LIBV8_ARCHIVE the archive itself",
            root.display()
        ));
    }
    Ok(Unpacked { root: root.to_owned(), descriptor })
}

/// Whether an earlier run left the archive of `expected` at `root`, and each of its files is still what it was: what has
/// happened to the disk since is not for a linker to find out.
fn is_whole(root: &Path, expected: &Descriptor) -> bool {
    v8_archive::check_folder(root, FolderCheck::Digests)
        .is_ok_and(|(descriptor, faults)| faults.is_empty() && descriptor == *expected)
}

/// Removes what earlier archives left in `out_dir`, except `keep`: 160 MB for each version and variant ever linked.
fn remove_folders(out_dir: &Path, keep: Option<&Path>) -> Result<(), String> {
    let fail = |path: &Path, error| format!("cannot remove {}: {error}", path.display());
    for entry in
        fs::read_dir(out_dir).map_err(|error| format!("cannot read {}: {error}", out_dir.display()))?
    {
        let path = entry.map_err(|error| format!("cannot read {}: {error}", out_dir.display()))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_ours = name.strip_prefix('.').unwrap_or(&name).starts_with(PREFIX);
        if is_ours && Some(path.as_path()) != keep {
            fs::remove_dir_all(&path).map_err(|error| fail(&path, error))?;
        }
    }
    Ok(())
}

/// v8-archive speaks to who programs with it; this is for who runs cargo.
pub fn sentence(error: Error) -> String {
    match error {
        Error::FormatLeftOut { path, feature } => format!(
            "{}: libv8 reads .{feature} archives with its feature `{feature}` only\n\
             help: cargo add libv8 --features {feature}, or use the .tar.zst archive",
            path.display()
        ),
        other => other.to_string(),
    }
}
