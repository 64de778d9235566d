//! Whether a folder still is what was unpacked to it.

use std::fs;
use std::path::Path;

use crate::unpack::Listing;
use crate::{DESCRIPTOR_FILE, Descriptor, Error, Fault, Sha256};

/// How closely a folder is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FolderCheck {
    /// Every listed file is there and has its length: milliseconds; finds what a power cut or a full disk did.
    Sizes,
    /// Its digest too: reads everything; finds any change.
    Digests,
}

/// Reads the `V8.json` of a folder and looks for each file that it lists. Further files are no fault: a folder is not sealed.
///
/// # Errors
/// [`Error::Io`] and [`Error::Descriptor`] if there is no usable `V8.json`, [`Error::Io`] if a file cannot be read.
pub fn check_folder(dir: &Path, check: FolderCheck) -> Result<(Descriptor, Vec<Fault>), Error> {
    let descriptor_path = dir.join(DESCRIPTOR_FILE);
    let json = fs::read(&descriptor_path).map_err(Error::io("read", &descriptor_path))?;
    let descriptor = Descriptor::from_json(&json, &descriptor_path.display().to_string())?;
    let mut faults = Vec::new();
    // A path that no archive may hold is not looked for: it could lead out of the folder.
    let listing = Listing::new(&descriptor.files, &mut |fault| {
        faults.push(fault);
        Ok(())
    })?;
    for (path, file) in listing.waiting {
        let entry = path.to_owned();
        let full_path = dir.join(path);
        // A link may be how a user moved a cache to another disk: what counts is what is read through it.
        let Ok(metadata) = fs::metadata(&full_path) else {
            faults.push(Fault::Missing { entry });
            continue;
        };
        if !metadata.is_file() {
            faults.push(Fault::NotAFile { entry, kind: "folder or device" });
        } else if metadata.len() != file.size_bytes {
            faults.push(Fault::Size { entry, expected: file.size_bytes, actual: metadata.len() });
        } else if check == FolderCheck::Digests {
            let actual = Sha256::of_file(&full_path)?.sha256;
            if actual != file.sha256 {
                faults.push(Fault::Digest { entry, expected: file.sha256, actual });
            }
        }
    }
    Ok((descriptor, faults))
}
