//! Files that DEPS names by digest: Google's storage and CIPD packages. Fetched, checked, unpacked; a wrong digest is an
//! error, and no other server is asked.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use v8_archive::Sha256;

use super::super::deps::{Object, Package};
use super::Mirrors;
use crate::error::{Error, IoContext as _, Result};
use crate::http;
use crate::source::tree;

/// CIPD does not say how large a package is; Android's emulator, the largest of V8's, has 0.9 GB.
const MAX_CIPD_BYTES: u64 = 4 << 30;

const DEPS: &str = "DEPS names";

/// A file of known digest.
#[derive(Debug, Clone)]
pub struct Pinned {
    /// What it is called in the cache.
    pub name: String,
    /// SHA-256 in small hexadecimal digits.
    pub sha256: String,
    /// Its size, where that is known.
    pub size_bytes: Option<u64>,
    /// Where it comes from.
    pub url: String,
    /// Who states the digest, for people: "… is not what DEPS names".
    pub named_by: &'static str,
}

impl Pinned {
    /// A file of a bucket.
    pub fn object(bucket: &str, object: &Object, mirrors: &Mirrors) -> Pinned {
        let base = mirrors.gcs.trim_end_matches('/');
        let mut url = format!("{base}/{bucket}/{}", object.name);
        if !url.starts_with("file://") {
            url.push_str(&format!("?generation={}", object.generation));
        }
        Pinned {
            // As gclient has it, so that objects of one folder do not meet.
            name: object.name.replace('/', "_"),
            sha256: object.sha256.clone(),
            size_bytes: Some(object.size_bytes),
            url,
            named_by: DEPS,
        }
    }

    /// An instance of a package, whose name is its digest.
    pub fn package(package: &Package, mirrors: &Mirrors) -> Result<Pinned> {
        let sha256 = instance_sha256(&package.version).ok_or_else(|| {
            Error::failed(format!("{} is no instance of the package {}", package.version, package.name))
        })?;
        let url = format!("{}/dl/{}/+/{}", mirrors.cipd.trim_end_matches('/'), package.name, package.version);
        let name = format!("{}.zip", package.name.replace('/', "_"));
        Ok(Pinned { name, sha256, size_bytes: None, url, named_by: DEPS })
    }

    /// Where it lies once it is there.
    pub fn place(&self, downloads: &Path) -> PathBuf {
        downloads.join(&self.sha256).join(&self.name)
    }

    /// The file in the cache, fetched and checked.
    ///
    /// # Errors
    /// HTTP's; another size or digest than stated, with both values: the file is then kept beside, and never used.
    pub fn ensure(&self, downloads: &Path) -> Result<PathBuf> {
        let place = self.place(downloads);
        fs::create_dir_all(downloads).or_io("create", downloads)?;
        let _lock =
            tree::lock(&downloads.join(format!(".{}.lock", self.sha256)), &|line| eprintln!("{line}"))?;
        if place.exists() {
            if self.check(&place)?.is_none() {
                return Ok(place);
            }
            // It was right when it came here: somebody changed it since.
            fs::remove_file(&place).or_io("remove", &place)?;
        }
        let partial = downloads.join(format!(".{}.partial", self.sha256));
        let request = http::Request {
            url: &self.url,
            to: &partial,
            max_bytes: self.size_bytes.unwrap_or(MAX_CIPD_BYTES),
            is_exact: self.size_bytes.is_some(),
        };
        let was_begun = partial.metadata().is_ok_and(|metadata| metadata.len() > 0);
        http::fetch(&request)?;
        let mut wrong = self.check(&partial)?;
        if wrong.is_some() && was_begun {
            // What an earlier run left may be at fault, and not the server.
            fs::remove_file(&partial).or_io("remove", &partial)?;
            http::fetch(&request)?;
            wrong = self.check(&partial)?;
        }
        if let Some(found) = wrong {
            let refused = downloads.join("refused");
            fs::create_dir_all(&refused).or_io("create", &refused)?;
            let away = refused.join(&self.name);
            fs::rename(&partial, &away).or_io("move away", &partial)?;
            return Err(Error::failed(format!(
                "{} is not what {}\n  wanted: {}\n  found:  {found}",
                self.url,
                self.named_by,
                self.stated()
            ))
            .help(format!("it is kept for you to look at: {}", away.display())));
        }
        let folder = place.parent().expect("place() joins two names");
        fs::create_dir_all(folder).or_io("create", folder)?;
        fs::rename(&partial, &place).or_io("create", &place)?;
        Ok(place)
    }

    /// What is wrong with a file: its digest and size, if they are not those stated.
    fn check(&self, path: &Path) -> Result<Option<String>> {
        let of_file = Sha256::of_file(path).map_err(|error| Error::failed(error.to_string()))?;
        let size_bytes = fs::metadata(path).or_io("read", path)?.len();
        let found = format!("sha256 {}, {size_bytes} bytes", of_file.sha256);
        let is_right = of_file.sha256.to_string() == self.sha256
            && self.size_bytes.is_none_or(|stated_bytes| stated_bytes == size_bytes);
        Ok((!is_right).then_some(found))
    }

    fn stated(&self) -> String {
        let size = self
            .size_bytes
            .map_or_else(|| "a size that is not stated".to_owned(), |size| format!("{size} bytes"));
        format!("sha256 {}, {size}", self.sha256)
    }
}

/// The SHA-256 in the name of an instance: base64 for URLs of the digest and the number 2, which means SHA-256.
pub fn instance_sha256(instance: &str) -> Option<String> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'-' => Some(62),
        b'_' => Some(63),
        _ => None,
    };
    let digits: Vec<u8> = instance.bytes().map(value).collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits
        .chunks_exact(4)
        .flat_map(|four| {
            let joined = four.iter().fold(0u32, |joined, digit| joined << 6 | u32::from(*digit));
            joined.to_be_bytes()[1..].to_vec()
        })
        .collect();
    let (digest, kind) = (bytes.get(..32)?, bytes.get(32)?);
    (digits.len() == 44 && *kind == 2).then(|| super::super::hex(digest))
}

/// Puts a fetched file where DEPS wants it: a tar file is unpacked, as gclient does, another is there under its name.
pub fn place_object(object: &Object, file: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).or_io("create", to)?;
    let mut head = [0; 6];
    let count = File::open(file).and_then(|mut file| file.read(&mut head)).or_io("read", file)?;
    let open = || File::open(file).or_io("open", file);
    match &head[..count] {
        [0xfd, b'7', b'z', b'X', b'Z', 0] => untar(lzma_rust2::XzReader::new(open()?, true), file, to),
        [0x1f, 0x8b, ..] if [".tar.gz", ".tgz"].iter().any(|end| object.name.ends_with(end)) => {
            untar(flate2::read::MultiGzDecoder::new(open()?), file, to)
        }
        _ if object.name.ends_with(".tar") => untar(open()?, file, to),
        _ => {
            let name =
                object.output_file.clone().unwrap_or_else(|| format!(".{}", object.name.replace('/', "_")));
            let path = to.join(name);
            fs::copy(file, &path).map(drop).or_io("create", &path)
        }
    }
}

/// Regular files, folders, and links that stay below `to`; all else is refused.
fn untar(packed: impl Read, file: &Path, to: &Path) -> Result<()> {
    let unreadable = |error: std::io::Error| Error::io("unpack", file, &error);
    let fault = |what: String| Error::failed(format!("{}: {what}", file.display()));
    let mut tar = tar::Archive::new(packed);
    tar.set_preserve_mtime(false);
    for entry in tar.entries().map_err(unreadable)? {
        let mut entry = entry.map_err(unreadable)?;
        let path = entry.path().map_err(unreadable)?.into_owned();
        if entry.header().entry_type() == tar::EntryType::Symlink {
            let target = entry.link_name().map_err(unreadable)?.unwrap_or_default().into_owned();
            if !link_stays_inside(&path, &target) {
                return Err(fault(format!("the link {} leads out, to {}", path.display(), target.display())));
            }
        } else if !matches!(entry.header().entry_type(), tar::EntryType::Regular | tar::EntryType::Directory)
        {
            return Err(fault(format!("{} is neither a file, a folder nor a link", path.display())));
        }
        if !entry.unpack_in(to).map_err(unreadable)? {
            return Err(fault(format!("{} does not stay inside", path.display())));
        }
    }
    Ok(())
}

fn link_stays_inside(path: &Path, target: &Path) -> bool {
    let mut depth = 0i64;
    let parent = path.parent().unwrap_or(Path::new(""));
    for part in parent.components().chain(target.components()) {
        match part {
            Component::Normal(_) => depth += 1,
            Component::ParentDir => depth -= 1,
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return false,
        }
        if depth < 0 {
            return false;
        }
    }
    true
}

/// Unpacks a CIPD package: a zip file, whose `.cipdpkg/` is the service's own.
pub fn place_package(file: &Path, to: &Path) -> Result<()> {
    let fault = |what: String| Error::failed(format!("{}: {what}", file.display()));
    let opened = File::open(file).or_io("open", file)?;
    let mut zip = zip::ZipArchive::new(opened).map_err(|error| fault(error.to_string()))?;
    for at in 0..zip.len() {
        let mut entry = zip.by_index(at).map_err(|error| fault(error.to_string()))?;
        let path =
            entry.enclosed_name().ok_or_else(|| fault(format!("{:?} does not stay inside", entry.name())))?;
        if path.starts_with(".cipdpkg") || entry.is_dir() {
            continue;
        }
        if !entry.is_file() {
            return Err(fault(format!("{} is no regular file", path.display())));
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(|error| Error::io("unpack", file, &error))?;
        let is_executable = entry.unix_mode().is_some_and(|mode| mode & 0o100 != 0);
        super::super::write_new(&to.join(path), &bytes, is_executable)?;
    }
    Ok(())
}
