//! What the tests of this folder share: a folder of their own, small programs, small wheels.

use std::fs;
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use sha2::Digest as _;

use super::pins::{FilePin, Sha256};

/// A folder with a space in its name, removed at the end.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("libv8 toolchain-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A script of sh, executable.
    pub fn program(&self, name: &str, body: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let text = path.with_extension("text");
        fs::write(&text, format!("#!/bin/sh\n{body}\n")).unwrap();
        // Written by another process: a file that we had open for writing is busy (ETXTBSY) for as long as a child that
        // another test forks at this moment still has it.
        crate::process::read(crate::process::command("cp").arg(&text).arg(&path)).unwrap();
        super::make_executable(&path).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The pin of these bytes.
pub fn pin(file: &str, bytes: &[u8]) -> FilePin {
    let mut hasher = sha2::Sha256::new();
    hasher.update(bytes);
    FilePin { file: file.into(), size_bytes: bytes.len() as u64, sha256: Sha256::of(hasher) }
}

/// A wheel with these entries: name, mode, text. A mode of a link makes a link.
pub fn wheel(entries: &[(&str, u32, &str)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, mode, text) in entries {
        let options = zip::write::SimpleFileOptions::default().unix_permissions(mode & 0o777);
        if mode & 0o170_000 == 0o120_000 {
            zip.add_symlink(*name, *text, options).unwrap();
        } else {
            zip.start_file(*name, options).unwrap();
            zip.write_all(text.as_bytes()).unwrap();
        }
    }
    zip.finish().unwrap().into_inner()
}

/// A fake sccache for `sh`, which writes what it is asked into `$LOG`. Its server, as ours starts it, is a process in the
/// foreground with the socket that it is told. What else it is called with is a compile: the caller's to append.
pub const SCCACHE: &str = r#"if test "$SCCACHE_START_SERVER" = 1; then
  echo "sccache server" >> "$LOG"
  exec python3 -c 'import os, socket, sys
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen()
open(sys.argv[2], "w").write(str(os.getpid()))
while True: s.accept()[0].close()' "$SCCACHE_SERVER_UDS" "$LOG.pid"
fi
echo "sccache $*" >> "$LOG"
case "$1" in
  --show-stats) echo '{"stats": {"cache_hits": {"counts": {"C/C++": 2}}, "cache_misses": {"counts": {"C/C++": 1}}}}' ;;
  --stop-server) kill "$(cat "$LOG.pid")" ;;
esac"#;
