//! An archive that is fit to be published: verified, digested, its licences read.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use v8_archive::digest::SizedSha256;
use v8_archive::{Descriptor, Limits, Sha256, index};

use crate::error::{Error, IoContext as _, Kind, Result};
use crate::source::CratePin;
use crate::verify;

/// The uncompressed tar stream may have as much.
const MAX_UNPACKED_BYTES: u64 = 4 << 30;

/// A verified archive.
#[derive(Debug, Clone)]
pub struct Archive {
    /// The file.
    pub path: PathBuf,
    /// Its name.
    pub name: String,
    /// Its length and digest.
    pub packed: SizedSha256,
    /// Those of the uncompressed tar stream.
    pub unpacked: SizedSha256,
    /// Its `V8.json`.
    pub descriptor: Descriptor,
    /// The text of each licence, by its path in the archive.
    pub licences: BTreeMap<String, String>,
    /// The package with ICU's data that it was made with, if that is known: its descriptor does not name it.
    pub icu_data: Option<CratePin>,
}

impl Archive {
    /// The name without its ending.
    pub fn stem(&self) -> &str {
        &self.descriptor.name
    }

    /// Its entry in the index.
    pub fn entry(&self) -> index::Archive {
        index::Archive {
            name: self.name.clone(),
            target: self.descriptor.target.clone(),
            variant: self.descriptor.variant.clone(),
            size_bytes: self.packed.size_bytes,
            sha256: self.packed.sha256,
            unpacked_size_bytes: self.unpacked.size_bytes,
            unpacked_sha256: self.unpacked.sha256,
            build_id: self.descriptor.build_id,
        }
    }
}

/// Opens and verifies all of them, in the order given.
///
/// # Errors
/// The faults of all of them, together.
pub fn open_all(paths: &[PathBuf]) -> Result<Vec<Archive>> {
    let mut archives = Vec::new();
    let mut faults = Vec::new();
    for (number, path) in paths.iter().enumerate() {
        eprintln!("[{}/{}] verify {}", number + 1, paths.len(), path.display());
        match verify::check(path) {
            Ok(report) if report.faults.is_empty() => archives.push(open(path)?),
            Ok(verify::Report { faults: its, .. }) => faults.push(format!(
                "{}: {} faults, the first is {}: {}",
                path.display(),
                its.len(),
                its[0].subject,
                its[0].message
            )),
            Err(error) => faults.push(error.message().to_owned()),
        }
    }
    if faults.is_empty() {
        return Ok(archives);
    }
    Err(Error::all(Kind::Failed, "these archives are not fit to be published", &faults)
        .help("cargo xtask verify FILE   lists all faults of one"))
}

fn open(path: &Path) -> Result<Archive> {
    let failed = |error: v8_archive::Error| Error::failed(error.to_string());
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let packed = Sha256::of_file(path).map_err(failed)?;
    let mut licences = BTreeMap::new();
    let wanted = v8_archive::open(path).map_err(failed)?.into_descriptor().licenses;
    let descriptor = v8_archive::for_each_entry(path, &Limits::default(), |entry, data| {
        if wanted.iter().any(|licence| licence.file == entry.path) {
            let mut bytes = Vec::new();
            data.read_to_end(&mut bytes)?;
            licences.insert(entry.path.clone(), String::from_utf8_lossy(&bytes).into_owned());
        }
        Ok(())
    })
    .map_err(failed)?;
    let unpacked = unpacked(path)?;
    Ok(Archive { path: path.to_owned(), name, packed, unpacked, descriptor, licences, icu_data: None })
}

/// Length and digest of what zstd unpacks.
fn unpacked(path: &Path) -> Result<SizedSha256> {
    use std::io::Read as _;
    let file = File::open(path).or_io("read", path)?;
    let decoder = zstd::stream::read::Decoder::new(file).and_then(|mut decoder| {
        decoder.window_log_max(27)?;
        Ok(decoder)
    });
    let sized = decoder
        .and_then(|decoder| Sha256::of_reader(decoder.take(MAX_UNPACKED_BYTES)))
        .or_io("unpack", path)?;
    if sized.size_bytes == MAX_UNPACKED_BYTES {
        return Err(Error::failed(format!(
            "{} unpacks to {MAX_UNPACKED_BYTES} bytes or more",
            path.display()
        )));
    }
    Ok(sized)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toolchain::testing::Folder;
    use crate::verify::sample::Sample;

    #[test]
    fn an_archive_is_what_was_packed() {
        let folder = Folder::new();
        let path = Sample::good().pack(folder.path());
        let archive = open_all(std::slice::from_ref(&path)).unwrap().remove(0);
        let again = v8_archive::pack(
            &folder.path().join("content"),
            &Sample::good().descriptor,
            folder.path(),
            v8_archive::Format::TarZst,
            &v8_archive::PackOptions { zstd_level: 1, threads: 1 },
        )
        .unwrap();
        assert_eq!((archive.unpacked, archive.packed.sha256), (again.tar, again.sha256));
        assert_eq!(archive.licences["licenses/v8.txt"], "Copyright\n");
        assert_eq!(archive.entry().name, path.file_name().unwrap().to_string_lossy());
    }

    #[test]
    fn faults_of_all_archives_are_told_together() {
        let folder = Folder::new();
        let mut paths = Vec::new();
        for variant in ["lite", "release"] {
            let mut sample = Sample::good();
            sample.descriptor.name = sample.descriptor.name.replace("release", variant);
            sample.descriptor.variant = variant.to_owned();
            sample.files.remove("licenses/v8.txt");
            paths.push(sample.pack(&folder.path().join(variant)));
        }
        let error = open_all(&paths).unwrap_err().to_string();
        assert!(error.contains("not fit to be published"), "{error}");
        assert!(error.contains("-lite.tar.zst: ") && error.contains("-release.tar.zst: "), "{error}");
    }
}
