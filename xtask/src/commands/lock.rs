//! `lock`: the pins of a store's newest release become `crates/libv8/prebuilt.toml`.

use std::fs;
use std::path::Path;

use v8_archive::index::{Index, Trust, TrustedKey};
use v8_archive::lock::{Lock as Pins, Pin, Release};
use v8_archive::{ArchiveName, Sha256};

use super::publish::Work;
use crate::error::{Error, IoContext as _, Result};
use crate::flags::Lock;
use crate::paths;
use crate::publish;
use crate::store::Store;
use crate::workspace::Workspace;

/// Whom `lock` believes without `--key`.
pub const KEYS_FILE: &str = "crates/libv8/release-keys.pub";

/// Verifies the newest release's index, and writes what it pins.
pub fn run(flags: &Lock) -> Result<()> {
    let workspace = Workspace::open()?;
    // The default is the repository's wherever one stands; a path of the user's is his own.
    let is_default = flags.file == Path::new("crates/libv8/prebuilt.toml");
    let path = if is_default { workspace.repository.join(&flags.file) } else { flags.file.clone() };
    let shown = flags.file.display();
    let before = read(&path)?;
    let text = pins(flags, &workspace, &before)?.to_text();
    let is_same = fs::read_to_string(&path).is_ok_and(|there| there == text);
    if is_same {
        eprintln!("{shown} is what {} has", store_name(flags, &before)?);
    } else if flags.check {
        let from = store_name(flags, &before)?;
        return Err(Error::failed(format!("{shown} is not what the newest release of {from} makes it"))
            .help(format!("cargo xtask lock --from {from}   writes it")));
    } else {
        paths::write_whole(&path, &text)?;
        eprintln!("review it like code: git diff {shown}");
    }
    println!("{}", path.display());
    Ok(())
}

/// The keys given with `--key`, else those of the committed file.
///
/// # Errors
/// Usage, if a text is neither a key nor a file of keys.
pub fn trusted_keys(repository: &Path, given: &[String]) -> Result<Vec<TrustedKey>> {
    let of_file = |path: &Path| {
        let text = fs::read_to_string(path).or_io("read", path)?;
        TrustedKey::parse_all(&text, &path.display().to_string())
            .map_err(|error| Error::usage(error.to_string()))
    };
    if given.is_empty() {
        let committed = repository.join(KEYS_FILE);
        return if committed.exists() { of_file(&committed) } else { Ok(Vec::new()) };
    }
    let mut keys = Vec::new();
    for text in given {
        match (TrustedKey::parse(text), Path::new(text)) {
            (Ok(key), _) => keys.push(key),
            (Err(_), path) if path.is_file() => keys.extend(of_file(path)?),
            (Err(why), _) => {
                return Err(Error::usage(format!("--key: {why}, and no file"))
                    .help("give the line of a .pub file that begins with RW, or the file"));
            }
        }
    }
    Ok(keys)
}

fn read(path: &Path) -> Result<Option<Pins>> {
    match fs::read_to_string(path) {
        Ok(text) => {
            let pins = Pins::parse(&text, &path.display().to_string());
            pins.map(Some).map_err(|error| Error::failed(error.to_string()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", path, &error)),
    }
}

/// What `--from` says, or the folder that the committed lock fetches from.
fn store_name(flags: &Lock, before: &Option<Pins>) -> Result<String> {
    if let Some(from) = &flags.from {
        return Ok(from.clone());
    }
    let file = flags.file.display();
    let help = "cargo xtask lock --from STORE   with the store that publish has written to";
    let Some(release) = before.as_ref().and_then(|pins| pins.release.as_ref()) else {
        return Err(
            Error::usage(format!("{file} pins no release yet, so it is not known where to look")).help(help)
        );
    };
    folder_of(&release.origin).ok_or_else(|| {
        let origin = &release.origin;
        Error::usage(format!(
            "{file} says where consumers fetch ({origin}), which does not say which store that is"
        ))
        .help(help)
    })
}

/// The store whose origin this is, if it is a folder's.
fn folder_of(origin: &str) -> Option<String> {
    let path = origin.strip_prefix("file://")?.strip_suffix("/{release}/{name}")?;
    let mut bytes = Vec::new();
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            other => other,
        });
    }
    Some(format!("dir:{}", String::from_utf8(bytes).ok()?))
}

fn pins(flags: &Lock, workspace: &Workspace, before: &Option<Pins>) -> Result<Pins> {
    let keys = trusted_keys(&workspace.repository, &flags.keys)?;
    if keys.is_empty() {
        return Err(Error::usage(format!(
            "there is no key to believe: {KEYS_FILE} has none, and --key was not given"
        ))
        .help("cargo xtask lock --key FILE.pub   with the public key of who publishes"));
    }
    let store = Store::open(&store_name(flags, before)?)?;
    let Some((pointer, _)) = store.latest()? else {
        return Err(Error::failed(format!("{store} has no release"))
            .help(format!("cargo xtask publish --to {store}   makes one")));
    };
    let now = publish::moment(0);
    let seen = before.as_ref().and_then(|pins| pins.release.as_ref());
    let seen = seen.map(|release| (release.number, release.index_sha256));
    let work = Work::begin(&workspace.cache)?;
    let newest =
        publish::newest(&store, &pointer, Trust { keys: &keys, now: Some(&now), seen }, &work.folder)?;
    let origin = flags.origin.clone().unwrap_or_else(|| store.origin());
    let v8_version = &workspace.matrix.v8.version;
    if newest.index.v8_version != *v8_version {
        return Err(Error::failed(format!(
            "release {} is of V8 {}, but targets.toml says {v8_version}",
            newest.index.release, newest.index.v8_version
        ))
        .help("publish this V8 first, or pin that one in targets.toml and crates/libv8/V8_VERSION"));
    }
    lock_of(&newest.index, newest.sha256, origin)
}

/// The lock that an index makes.
fn lock_of(index: &Index, index_sha256: Sha256, origin: String) -> Result<Pins> {
    let pin = |archive: &v8_archive::index::Archive| -> Result<Pin> {
        let name: ArchiveName =
            archive.name.parse().map_err(|error: v8_archive::Error| Error::failed(error.to_string()))?;
        Ok(Pin {
            name,
            size_bytes: archive.size_bytes,
            sha256: archive.sha256,
            unpacked_size_bytes: archive.unpacked_size_bytes,
            unpacked_sha256: archive.unpacked_sha256,
            build_id: archive.build_id,
        })
    };
    let release = Release { name: index.release.clone(), number: index.number, index_sha256, origin };
    let pins = Pins {
        v8_version: index.v8_version.clone(),
        release: Some(release),
        archives: index.archives.iter().map(pin).collect::<Result<_>>()?,
    };
    // What the build script would refuse must not be written.
    Pins::parse(&pins.to_text(), "the lock file").map_err(|error| Error::usage(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toolchain::testing::Folder;

    #[test]
    fn the_store_of_an_origin() {
        for path in ["/srv/libv8", "/a b/{x}/ü+"] {
            let store = format!("dir:{path}");
            let origin = Store::open(&store).unwrap().origin();
            assert_eq!(folder_of(&origin), Some(store), "{origin}");
        }
        for other in ["https://host/{release}/{name}", "file:///srv/{name}", "file:///a%2/{release}/{name}"] {
            assert_eq!(folder_of(other), None, "{other}");
        }
    }

    #[test]
    fn keys_are_given_as_text_or_as_files() {
        let folder = Folder::new();
        let keys: Vec<String> = (0..3)
            .map(|_| minisign::KeyPair::generate_unencrypted_keypair().unwrap().pk.to_base64())
            .collect();
        let file = folder.path().join("both.pub");
        fs::write(&file, format!("untrusted comment: old\n{}\n# new\n{}\n", keys[0], keys[1])).unwrap();
        let given = [file.display().to_string(), keys[2].clone()];
        let read: Vec<String> =
            trusted_keys(folder.path(), &given).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(read, keys);
        assert!(trusted_keys(folder.path(), &[]).unwrap().is_empty());
        let error = trusted_keys(folder.path(), &["no-such-file".to_owned()]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(
            error.to_string().contains("'no-such-file' is not a public key of minisign, and no file"),
            "{error}"
        );
        fs::create_dir_all(folder.path().join("crates/libv8")).unwrap();
        fs::copy(&file, folder.path().join(KEYS_FILE)).unwrap();
        assert_eq!(trusted_keys(folder.path(), &[]).unwrap().len(), 2);
    }
}
