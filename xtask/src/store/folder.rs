//! A folder as a store: `<root>/<release>/<name>`, and `<root>/latest.json`.
//!
//! Whoever writes holds a lock on `<root>/.lock`, which the system takes from a killed process; so there is at most one
//! half-written file for each name, under a name of its own, and the next one who puts that file writes over it. Readers
//! need no lock: every file appears by a rename.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use v8_archive::Sha256;
use v8_archive::digest::SizedSha256;

use super::pointer::MAX_POINTER_BYTES;
use super::{Listed, POINTER_FILE, Pointer, Put, Receiver, Version, lost_update, other_bytes};
use crate::error::{Error, IoContext as _, Result};

/// A folder, which need not exist before the first put.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// Writes nothing.
    pub fn open(path: &Path) -> Result<Folder> {
        Ok(Folder { root: std::path::absolute(path).or_io("make absolute", path)? })
    }

    /// Its absolute path.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// See [`Store::latest`](super::Store::latest). The version is the digest of the file.
    pub fn latest(&self) -> Result<Option<(Pointer, Version)>> {
        let path = self.root.join(POINTER_FILE);
        let Some(file) = open_if_there(&path)? else { return Ok(None) };
        let size_bytes = file.metadata().or_io("read", &path)?.len();
        if size_bytes > MAX_POINTER_BYTES {
            let path = path.display();
            return Err(Error::failed(format!(
                "{path} has {size_bytes} bytes, and may have {MAX_POINTER_BYTES}"
            )));
        }
        let json = fs::read(&path).or_io("read", &path)?;
        let pointer = Pointer::from_json(&json, &path.display())?;
        Ok(Some((pointer, Version(Sha256::of_bytes(&json).to_string()))))
    }

    /// See [`Store::read`](super::Store::read).
    pub fn read(&self, release: &str, name: &str, to: &Path, max_bytes: u64) -> Result<Option<SizedSha256>> {
        let path = self.root.join(release).join(name);
        let Some(file) = open_if_there(&path)? else { return Ok(None) };
        let mut receiver = Receiver::new(to, max_bytes)?;
        receiver.write_all_of(file, &path)?;
        receiver.finish().map(Some)
    }

    /// See [`Store::list`](super::Store::list).
    pub fn list(&self, release: &str) -> Result<Vec<Listed>> {
        let folder = self.root.join(release);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::io("read", &folder, &error)),
        };
        let mut listed = Vec::new();
        for entry in entries {
            let entry = entry.or_io("read", &folder)?;
            let size_bytes = entry.metadata().or_io("read", &entry.path())?.len();
            let name = entry.file_name().to_string_lossy().into_owned();
            // What a killed put has left begins with a dot, and no name of a store does.
            if !name.starts_with('.') {
                listed.push(Listed { name, size_bytes });
            }
        }
        Ok(listed)
    }

    /// See [`Store::put`](super::Store::put).
    pub fn put(&self, release: &str, name: &str, from: &Path, expected: SizedSha256) -> Result<Put> {
        let _lock = self.lock()?;
        let folder = self.root.join(release);
        let path = folder.join(name);
        if path.exists() {
            let there = Sha256::of_file(&path).map_err(|error| Error::failed(error.to_string()))?;
            return if there == expected {
                Ok(Put::AlreadyThere)
            } else {
                let root = self.root.display().to_string();
                Err(other_bytes(&root, release, name, there, expected))
            };
        }
        fs::create_dir_all(&folder).or_io("create", &folder)?;
        let partial = folder.join(format!(".{name}"));
        // Not more than was promised: a source that grows meanwhile is an error and not a full disk.
        let mut receiver = Receiver::new(&partial, expected.size_bytes)?;
        receiver.write_all_of(File::open(from).or_io("read", from)?, from)?;
        let copied = receiver.finish()?;
        if copied != expected {
            let _ = fs::remove_file(&partial);
            return Err(super::changed(from, expected, copied));
        }
        File::open(&partial).and_then(|file| file.sync_all()).or_io("sync", &partial)?;
        fs::rename(&partial, &path).or_io("create", &path)?;
        sync_folder(&folder)?;
        Ok(Put::Stored)
    }

    /// See [`Store::commit`](super::Store::commit).
    pub fn commit(&self, pointer: &Pointer, replacing: Option<&Version>) -> Result<()> {
        let _lock = self.lock()?;
        let there = self.latest()?;
        if there.as_ref().is_some_and(|(there, _)| there == pointer) {
            return Ok(());
        }
        if there.as_ref().map(|(_, version)| version) != replacing {
            let root = self.root.display().to_string();
            return Err(lost_update(&root, pointer, there.as_ref().map(|(pointer, _)| pointer)));
        }
        let path = self.root.join(POINTER_FILE);
        let partial = self.root.join(format!(".{POINTER_FILE}"));
        let mut file = File::create(&partial).or_io("create", &partial)?;
        file.write_all(pointer.to_json().as_bytes())
            .and_then(|()| file.sync_all())
            .or_io("write", &partial)?;
        fs::rename(&partial, &path).or_io("create", &path)?;
        sync_folder(&self.root)
    }

    /// A `file://` URL with two holes.
    pub fn origin(&self) -> String {
        let mut url = String::from("file://");
        let path = self.root.to_string_lossy().replace('\\', "/");
        if !path.starts_with('/') {
            // C:/…
            url.push('/');
        }
        for byte in path.trim_end_matches('/').bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' | b':' => {
                    url.push(char::from(byte))
                }
                other => url.push_str(&format!("%{other:02X}")),
            }
        }
        url + "/{release}/{name}"
    }

    fn lock(&self) -> Result<File> {
        fs::create_dir_all(&self.root).or_io("create", &self.root)?;
        let path = self.root.join(".lock");
        let file = File::options().create(true).append(true).open(&path).or_io("open", &path)?;
        file.lock().or_io("lock", &path)?;
        Ok(file)
    }
}

fn open_if_there(path: &Path) -> Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", path, &error)),
    }
}

/// Makes a new name survive a power cut, where the system offers that.
fn sync_folder(folder: &Path) -> Result<()> {
    if cfg!(unix) {
        File::open(folder).and_then(|file| file.sync_all()).or_io("sync", folder)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::TcpStream;

    use super::super::{Store, suite};
    use super::*;
    use crate::env;
    use crate::sccache::real_servers::Servers;
    use crate::toolchain::testing;

    /// A new folder, and what opens a store in it.
    fn with_store(test: impl FnOnce(&suite::Open<'_>, &Path)) {
        let folder = testing::Folder::new();
        let root = folder.path().join("store");
        test(&|| Store::open(&format!("dir:{}", root.display())).unwrap(), &root);
    }

    #[test]
    fn a_folder_is_a_store() {
        with_store(|open, _| suite::run(open));
    }

    #[test]
    fn f38_what_a_killed_put_has_left_is_not_listed_and_written_over() {
        with_store(|open, root| {
            suite::interrupted_upload(open, &|release, name| {
                fs::create_dir_all(root.join(release)).unwrap();
                fs::write(root.join(release).join(format!(".{name}")), "the first half").unwrap();
                fs::write(root.join(release).join(format!(".{name}.partial")), "the first h").unwrap();
            });
            // Nothing of it is left.
            let mut names: Vec<_> = fs::read_dir(root.join(suite::INTERRUPTED)).unwrap().flatten().collect();
            names.retain(|entry| entry.file_name().to_string_lossy().starts_with('.'));
            assert!(names.is_empty(), "{names:?}");
        });
    }

    #[test]
    fn a_pointer_that_is_too_long_is_not_read() {
        with_store(|open, root| {
            fs::create_dir_all(root).unwrap();
            fs::write(root.join(POINTER_FILE), " ".repeat(5000)).unwrap();
            let error = open().latest().unwrap_err().to_string();
            assert!(error.contains("has 5000 bytes, and may have 4096"), "{error}");
        });
    }

    /// Head and body of an answer.
    fn get(port: u16, path: &str, header: &str) -> (String, Vec<u8>) {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\n{header}connection: close\r\n\r\n")
            .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        (String::from_utf8(answer[..end].to_vec()).unwrap(), answer[end + 4..].to_vec())
    }

    #[test]
    fn any_web_server_gives_a_folder_to_consumers() {
        let Some(servers) = env::test_servers() else {
            eprintln!("NOT TESTED: LIBV8_TEST_SERVERS is not set, as cargo xtask test does");
            return;
        };
        with_store(|open, root| {
            let (store, work) = (open(), testing::Folder::new());
            let (from, bytes) = (work.path().join("a.tar.zst"), vec![7; 300_000]);
            fs::write(&from, &bytes).unwrap();
            let sized = Sha256::of_file(&from).unwrap();
            store.put("9.0.0.1-1", "a.tar.zst", &from, sized).unwrap();
            let pointer = Pointer::to("9.0.0.1-1", 1, sized.sha256);
            store.commit(&pointer, None).unwrap();
            let server = format!("root {:?};\n", root.display().to_string());
            let nginx = Servers::in_folder(&servers).nginx(&server, work.path());
            let (head, got) = get(nginx.port, "/9.0.0.1-1/a.tar.zst", "");
            assert!(head.starts_with("HTTP/1.1 200") && got == bytes, "{head}");
            // As a download goes on that was interrupted.
            let (head, got) = get(nginx.port, "/9.0.0.1-1/a.tar.zst", "range: bytes=299990-\r\n");
            assert!(head.starts_with("HTTP/1.1 206") && got == [7; 10], "{head}");
            let (_, latest) = get(nginx.port, "/latest.json", "");
            assert_eq!(Pointer::from_json(&latest, &"nginx").unwrap(), pointer);
            assert!(get(nginx.port, "/9.0.0.1-2/a.tar.zst", "").0.starts_with("HTTP/1.1 404"));
        });
    }

    #[test]
    fn its_origin_is_a_url_of_any_path() {
        let origin = |path: &str| Folder { root: path.into() }.origin();
        assert_eq!(origin("/srv/libv8"), "file:///srv/libv8/{release}/{name}");
        assert_eq!(origin("/a b/{x}/ü+"), "file:///a%20b/%7Bx%7D/%C3%BC%2B/{release}/{name}");
        assert_eq!(origin("C:\\v8"), "file:///C:/v8/{release}/{name}");
    }
}
