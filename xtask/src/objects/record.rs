//! Which objects a cell has used: written down after each compile, however it ended.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use super::{Cell, Key, Object, list};
use crate::error::{Error, IoContext as _, Result};
use crate::paths::{Cache, write_whole};

/// The list of a cell, and the mark of a compile that has begun.
///
/// sccache does not say which objects a client used, but sets the time of each at a hit and at a write. So a compile
/// begins with an empty file, the mark; what is newer was used. A compile that was killed leaves its mark, and the next
/// one keeps it, so nothing is missed. Another cell compiled at the same time is counted too: the file is then larger
/// than it need be, and not wrong.
#[derive(Debug)]
pub struct Record {
    sccache: PathBuf,
    list: PathBuf,
    mark: PathBuf,
}

impl Record {
    /// The record of a cell; nothing is read or written.
    pub fn of(cache: &Cache, cell: &Cell) -> Record {
        let place = |end: &str| cache.used().join(format!("{cell}.{end}"));
        Record { sccache: cache.sccache(), list: place("list"), mark: place("since") }
    }

    /// Before a compile.
    pub fn begin(&self) -> Result<()> {
        if self.mark.exists() {
            return Ok(());
        }
        if let Some(folder) = self.mark.parent() {
            fs::create_dir_all(folder).or_io("create", folder)?;
        }
        fs::write(&self.mark, "").or_io("write", &self.mark)
    }

    /// After a compile, also one that failed or was stopped.
    pub fn end(&self) -> Result<()> {
        let keys: Vec<Key> = self.objects()?.into_iter().map(|object| object.key).collect();
        self.write(keys)?;
        match fs::remove_file(&self.mark) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io("remove", &self.mark, &error))
            }
            _ => Ok(()),
        }
    }

    /// Adds objects that came in a file: they belong to the cell, though nothing has used them here yet.
    pub fn add(&self, keys: impl IntoIterator<Item = Key>) -> Result<()> {
        let mut all = self.keys()?;
        all.extend(keys);
        self.write(all)
    }

    /// Whether this machine knows anything of the cell.
    pub fn exists(&self) -> bool {
        self.list.exists() || self.mark.exists()
    }

    /// The objects of the cell that are still there, sorted by key.
    pub fn objects(&self) -> Result<Vec<Object>> {
        let listed = self.keys()?;
        let since = self.mark.metadata().and_then(|metadata| metadata.modified()).ok();
        let mut objects = list(&self.sccache)?;
        objects
            .retain(|object| listed.contains(&object.key) || since.is_some_and(|since| object.used >= since));
        Ok(objects)
    }

    fn keys(&self) -> Result<BTreeSet<Key>> {
        let text = match fs::read_to_string(&self.list) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
            text => text.or_io("read", &self.list)?,
        };
        // A line that is none was written by nobody: it costs an object, never the build.
        Ok(text.lines().filter_map(|line| Key::try_from(line.to_owned()).ok()).collect())
    }

    fn write(&self, keys: impl IntoIterator<Item = Key>) -> Result<()> {
        if let Some(folder) = self.list.parent() {
            fs::create_dir_all(folder).or_io("create", folder)?;
        }
        let text: String = keys.into_iter().map(|key| format!("{key}\n")).collect();
        write_whole(&self.list, text)
    }
}
