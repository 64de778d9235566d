//! `link-line PATH`: what a compiler is told in order to use an archive.

use std::fs;
use std::path::{Path, PathBuf};

use v8_archive::{Descriptor, Fault, FolderCheck, Limits, Sha256};

use crate::consumer;
use crate::error::{Error, IoContext as _, Kind, Result};
use crate::flags::{Language, LinkLine};
use crate::paths::Cache;
use crate::process::quote;

/// Prints one line for a shell. A folder or an unpacked archive whose files are not those of its descriptor is refused.
pub fn run(flags: &LinkLine) -> Result<()> {
    println!("{}", line(flags)?);
    Ok(())
}

/// The line.
pub fn line(flags: &LinkLine) -> Result<String> {
    let (descriptor, folder) = if flags.path.is_dir() {
        let folder = std::path::absolute(&flags.path).or_io("make absolute", &flags.path)?;
        (checked(&folder)?, folder)
    } else {
        unpacked(&flags.path, &Cache::locate()?)?
    };
    let mut words = match flags.language {
        Language::C => consumer::c_flags(&folder),
        Language::Cxx => consumer::cxx_flags(&descriptor, &folder),
    };
    words.extend(consumer::libraries(&descriptor, &folder));
    Ok(words.iter().map(|word| quote(word.as_ref())).collect::<Vec<_>>().join(" "))
}

/// The archive's folder in the cache, named by its digest; unpacked if it is not there.
pub fn unpacked(archive: &Path, cache: &Cache) -> Result<(Descriptor, PathBuf)> {
    if !archive.exists() {
        return Err(Error::usage(format!("there is no archive or folder {}", archive.display()))
            .help("cargo xtask build-v8   makes one"));
    }
    let all = cache.unpacked();
    let folder = all.join(&Sha256::of_file(archive).map_err(failed)?.sha256.to_string()[..16]);
    fs::create_dir_all(&all).or_io("create", &all)?;
    match v8_archive::unpack(archive, &folder, &Limits::default()) {
        Ok(descriptor) => Ok((descriptor, folder)),
        Err(v8_archive::Error::DestinationExists { .. }) => Ok((checked(&folder)?, folder)),
        Err(error) => Err(failed(error)),
    }
}

fn failed(error: v8_archive::Error) -> Error {
    Error::failed(error.to_string())
}

fn checked(folder: &Path) -> Result<Descriptor> {
    let (descriptor, faults) = v8_archive::check_folder(folder, FolderCheck::Digests).map_err(failed)?;
    if faults.is_empty() {
        return Ok(descriptor);
    }
    let faults: Vec<String> = faults.iter().map(Fault::to_string).collect();
    let what = format!("{} is not what its V8.json says", folder.display());
    Err(Error::all(Kind::Failed, &what, &faults)
        .help(format!("remove {} and unpack the archive again", folder.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toolchain::testing::Folder;
    use crate::verify::sample::Sample;

    #[test]
    fn an_archive_is_unpacked_once_and_a_changed_file_is_found() {
        let folder = Folder::new();
        let archive = Sample::good().pack(&folder.path().join("made"));
        let cache = Cache::at(folder.path().join("cache"));
        let (descriptor, place) = unpacked(&archive, &cache).unwrap();
        let library = place.join("lib/libv8.a");
        let words = consumer::libraries(&descriptor, &place);
        assert_eq!(words[0], library.display().to_string());
        assert_eq!(words[1..], ["-lpthread", "-lm"]);
        assert_eq!(unpacked(&archive, &cache).unwrap().1, place);

        let mut bytes = fs::read(&library).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&library, bytes).unwrap();
        let error = unpacked(&archive, &cache).unwrap_err().to_string();
        assert!(error.contains("lib/libv8.a") && error.contains("unpack the archive again"), "{error}");
        // Another archive has another place.
        let mut other = Sample::good();
        other.descriptor.features.insert("more".to_owned(), true);
        let other = other.pack(&folder.path().join("made 2"));
        assert_ne!(unpacked(&other, &cache).unwrap().1, place);
    }
}
