//! Checks on the archive as a package: container, descriptor, headers, licences.

use v8_archive::ArchiveName;

use super::{Archive, C_HEADER, Found, is_msvc};
use crate::consumer::{self, check};

/// Container, listed files, sizes and digests, as the contract crate judges them.
pub fn contents(archive: &Archive<'_>, found: &mut Found<'_>) {
    for fault in archive.contents {
        found.add(&archive.file_name, fault.to_string());
    }
}

/// The descriptor agrees with the file's name and with the archive's files.
pub fn descriptor(archive: &Archive<'_>, found: &mut Found<'_>) {
    let descriptor = archive.descriptor;
    match archive.file_name.parse::<ArchiveName>() {
        Ok(name) => {
            if name.stem() != descriptor.name {
                found.add(
                    "name",
                    format!("the file is {}, the descriptor says {}", name.stem(), descriptor.name),
                );
            }
            if name.format() != archive.format {
                found.add(
                    "name",
                    format!("the file is named .{}, but is a .{}", name.format(), archive.format),
                );
            }
        }
        Err(error) => found.add("name", format!("the file's name is not an archive's: {error}")),
    }
    if descriptor.libraries.is_empty() {
        found.add("libraries", "there is no library to link");
    }
    for library in &descriptor.libraries {
        if !archive.files.contains_key(library.path.as_str()) {
            found.add("libraries", format!("{} is not in the archive", library.path));
        }
    }
    for folder in &descriptor.cxx.include_dirs {
        let prefix = format!("{}/", folder.trim_end_matches('/'));
        if !archive.files.keys().any(|path| path.starts_with(&prefix)) {
            found.add("cxx.include_dirs", format!("{folder} holds no file of the archive"));
        }
    }
    for library in &descriptor.libraries {
        let name = &library.name;
        let expected = if is_msvc(descriptor) { format!("{name}.lib") } else { format!("lib{name}.a") };
        if library.path.rsplit('/').next() != Some(&expected) {
            found.add("libraries", format!("{} is not found as {name}, but {expected} is", library.path));
        }
    }
    if descriptor.libc.floor.split('.').any(|number| number.parse::<u8>().is_err()) {
        found.add("libc.floor", format!("{:?} is not a version", descriptor.libc.floor));
    }
}

/// The headers that users of either interface include.
pub fn headers(archive: &Archive<'_>, found: &mut Found<'_>) {
    // V8's own entry header, and the one that carries the macros this library was built with.
    for path in ["include/v8.h", "include/v8-gn.h", C_HEADER] {
        if !archive.files.contains_key(path) {
            found.add(path, "is not in the archive");
        }
    }
    let is_gn_header = |define: &String| define == "V8_GN_HEADER" || define.starts_with("V8_GN_HEADER=");
    if !archive.descriptor.defines.iter().any(is_gn_header) {
        found.add(
            "defines",
            "V8_GN_HEADER is missing: v8-gn.h would not be included, and V8's structures have other layouts",
        );
    }
}

/// Every part has a licence, and every licence its text.
pub fn licenses(archive: &Archive<'_>, found: &mut Found<'_>) {
    let licenses = &archive.descriptor.licenses;
    if !licenses.iter().any(|license| license.part == "v8") {
        found.add("v8", "has no licence in the descriptor");
    }
    for license in licenses {
        if license.spdx.trim().is_empty() {
            found.add(&license.part, "has no SPDX expression");
        }
        match archive.files.get(license.file.as_str()) {
            None => found.add(&license.part, format!("its text {:?} is not in the archive", license.file)),
            Some(0) => found.add(&license.part, format!("its text {} is empty", license.file)),
            Some(_) => {}
        }
    }
}

/// What build systems and compilers read is what the descriptor says, and V8's headers have compilers read it.
pub fn consumers(archive: &Archive<'_>, found: &mut Found<'_>) {
    for (path, expected) in consumer::files(archive.descriptor) {
        match archive.for_consumers.get(path) {
            None => found.add(path, "is not in the archive"),
            Some(bytes) if *bytes != expected.as_bytes() => {
                found.add(path, "is not what the descriptor makes it")
            }
            Some(_) => {}
        }
    }
    match archive.for_consumers.get(check::CONFIG) {
        None => found.add(check::CONFIG, "is not in the archive"),
        Some(bytes) if !check::is_guarded(&String::from_utf8_lossy(bytes)) => {
            found.add(check::CONFIG, "does not read libv8-check.h first: wrong settings would compile");
        }
        Some(_) => {}
    }
}
