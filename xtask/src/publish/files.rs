//! Every file of a release but its signature, made from the draft and the archives alone: the same input, the same bytes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use v8_archive::Sha256;
use v8_archive::digest::SizedSha256;
use v8_archive::index::{self, INDEX_FORMAT, Index};

use super::archive::Archive;
use super::draft::{DRAFT_FILE, Draft};
use super::{page, provenance, sbom};

/// The list of digests that `sha256sum -c` takes.
pub const SUMS_FILE: &str = "SHA256SUMS";

/// The texts of all licences.
pub const LICENCES_FILE: &str = "LICENSES.txt";

/// The page for people.
pub const PAGE_FILE: &str = "index.html";

/// A small file of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated {
    /// Its name.
    pub name: String,
    /// Its bytes.
    pub text: String,
}

impl Generated {
    /// Its length and digest.
    pub fn sized(&self) -> SizedSha256 {
        let bytes = self.text.as_bytes();
        SizedSha256 { size_bytes: bytes.len() as u64, sha256: Sha256::of_bytes(bytes) }
    }
}

/// All of them, the draft first, the list of digests last.
pub fn generated(draft: &Draft, archives: &[Archive]) -> Vec<Generated> {
    let file = |name: &str, text: String| Generated { name: name.to_owned(), text };
    let mut files = vec![file(DRAFT_FILE, draft.to_json()), file(LICENCES_FILE, licences(archives))];
    for archive in archives {
        files.push(file(&sbom_file(archive), sbom::json(archive)));
        files.push(file(&provenance_file(archive), provenance::json(archive)));
    }
    files.push(file(PAGE_FILE, page::html(draft, archives)));
    let of_archives = archives.iter().map(|archive| (archive.name.clone(), archive.packed.sha256));
    let of_files = files.iter().map(|file| (file.name.clone(), file.sized().sha256));
    let sums: BTreeMap<String, Sha256> = of_archives.chain(of_files).collect();
    // Two blanks: read as text, which on every system of today is as binary.
    let sums: String = sums.iter().map(|(name, sha256)| format!("{sha256}  {name}\n")).collect();
    files.push(file(SUMS_FILE, sums));
    files
}

/// The name of an archive's bill of materials.
pub fn sbom_file(archive: &Archive) -> String {
    format!("{}.cdx.json", archive.stem())
}

/// The name of an archive's provenance.
pub fn provenance_file(archive: &Archive) -> String {
    format!("{}.intoto.json", archive.stem())
}

/// The index of a release.
pub fn index(draft: &Draft, archives: &[Archive], files: &[Generated]) -> Index {
    let mut listed: Vec<index::File> = files
        .iter()
        .map(|file| {
            let SizedSha256 { size_bytes, sha256 } = file.sized();
            index::File { name: file.name.clone(), size_bytes, sha256 }
        })
        .collect();
    listed.sort_by(|one, other| one.name.cmp(&other.name));
    Index {
        format: INDEX_FORMAT,
        release: draft.release.clone(),
        number: draft.number,
        v8_version: draft.v8_version.clone(),
        expires: draft.expires.clone(),
        previous: draft.previous,
        archives: archives.iter().map(Archive::entry).collect(),
        absent: draft.absent.clone(),
        files: listed,
    }
}

/// Each text once, below the parts and archives that it is of.
fn licences(archives: &[Archive]) -> String {
    let mut texts: BTreeMap<(&str, &str, &str), Vec<&str>> = BTreeMap::new();
    for archive in archives {
        for licence in &archive.descriptor.licenses {
            let text = archive.licences.get(&licence.file).map_or("", String::as_str);
            texts.entry((&licence.part, &licence.spdx, text)).or_default().push(archive.stem());
        }
    }
    let mut out = String::from(
        "Licences of all parts of the archives of this release. Each archive holds those of its own parts.\n",
    );
    for ((part, spdx, text), of) in texts {
        let of = if of.len() == archives.len() { String::new() } else { format!("\nin {}", of.join(", ")) };
        // Writing to a string cannot fail.
        let _ = write!(out, "\n{}\n{part}: {spdx}{of}\n\n{}\n", "=".repeat(100), text.trim_end());
    }
    out
}
