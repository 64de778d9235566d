//! Moves the pins, keeping every comment of `targets.toml`, and writes patches whose places have only moved.

use std::path::{Path, PathBuf};

use toml_edit::{DocumentMut, Item, TableLike, value};

use super::Trial;
use crate::error::{Error, IoContext as _, Result};
use crate::matrix::Matrix;
use crate::paths::write_whole;
use crate::source::{Kind, Origin, SourcePlan, V8Version};
use crate::workspace::Workspace;

/// Writes what can be written; gives the files that changed. `targets.toml` comes last: until it is there, the same roll can
/// be done again, and finds at their places the patches that are written already.
///
/// # Errors
/// A `targets.toml` that would no longer be read, and I/O.
pub fn apply(workspace: &Workspace, to: &SourcePlan, trial: &Trial) -> Result<Vec<PathBuf>> {
    let path = workspace.repository.join("targets.toml");
    let text = std::fs::read_to_string(&path).or_io("read", &path)?;
    let moved = moved(&text, to)?;
    let after = Matrix::parse(&moved)?;
    let patches = trial.refreshed.iter().map(|patch| (patch.path.clone(), patch.text.clone()));
    let mut writes: Vec<(PathBuf, String)> = patches.collect();
    // The same as before if the pins of a source have moved that is not the default.
    let version = workspace.repository.join("crates/libv8/V8_VERSION");
    writes.extend([(version, format!("{}\n", after.v8.version)), (path, moved)]);
    let mut written = Vec::new();
    for (path, text) in writes {
        if std::fs::read_to_string(&path).or_io("read", &path)? != text {
            write_whole(&path, text)?;
            written.push(path);
        }
    }
    Ok(written)
}

/// The other V8s that `targets.toml` pins once it has been rolled to this one: patches go on being put on them.
///
/// # Errors
/// As for [`apply`].
pub fn staying(repository: &Path, to: &SourcePlan) -> Result<Vec<(Kind, V8Version)>> {
    let path = repository.join("targets.toml");
    let text = std::fs::read_to_string(&path).or_io("read", &path)?;
    let after = Matrix::parse(&moved(&text, to)?)?;
    let registry = std::iter::once(after.source_pins()?).chain(after.other_pins()?);
    let mut pins: Vec<_> = registry.map(|pins| (Kind::Crate, pins.v8_version)).collect();
    // A tag of another name, or a commit, does not say its version.
    pins.extend(after.sources.depot.revision.parse().ok().map(|version| (Kind::DepotTools, version)));
    pins.retain(|(_, version)| *version != to.v8_version);
    Ok(pins)
}

/// `targets.toml` with the pins of this V8. `[v8]` belongs to the default source.
fn moved(text: &str, to: &SourcePlan) -> Result<String> {
    let fault = |what: String| Error::failed(format!("targets.toml: {what}"));
    let mut document: DocumentMut = text.parse().map_err(|error| fault(format!("{error}")))?;
    let version = to.v8_version.to_string();
    let before = document["v8"]["version"].as_str().unwrap_or_default().to_owned();
    let is_default = document["v8"].get("source").and_then(Item::as_str) == Some(to.kind.name());
    if is_default {
        set(&mut document["v8"], "version", &version)?;
    }
    let sources = &mut document["sources"];
    if let Origin::Crate { package, icu_data } = &to.origin {
        let pins = &mut sources["crate"];
        set(pins, "version", &package.version)?;
        set(pins, "sha256", &package.sha256)?;
        let data = &mut pins["icu_data"];
        set(data, "version", &icu_data.version)?;
        set(data, "sha256", &icu_data.sha256)?;
        // It is the default now.
        if let Some(others) = pins.get_mut("others").and_then(Item::as_array_of_tables_mut) {
            others.retain(|other| other.get("version").and_then(Item::as_str) != Some(&package.version));
        }
        // Both sources are of one V8, as long as nobody has moved one of them alone.
        let upstream = &mut sources["depot-tools"];
        if is_default && upstream["revision"].as_str() == Some(&before) {
            set(upstream, "revision", &version)?;
            table(upstream)?.remove("commit");
        }
    } else if let Origin::DepotTools { checkout } = &to.origin {
        let upstream = &mut sources["depot-tools"];
        set(upstream, "revision", &version)?;
        table(upstream)?.insert("commit", value(checkout.commit.as_str()));
    } else {
        return Err(fault("this source has no pins that roll moves".to_owned()));
    }
    Ok(document.to_string())
}

/// Sets a string that is there, and keeps what stands around it.
fn set(item: &mut Item, key: &str, text: &str) -> Result<()> {
    let old = table(item)?.get_mut(key).and_then(Item::as_value_mut);
    let old =
        old.ok_or_else(|| Error::failed(format!("targets.toml has no {key} where roll would write it")))?;
    let decor = old.decor().clone();
    *old = text.into();
    *old.decor_mut() = decor;
    Ok(())
}

fn table(item: &mut Item) -> Result<&mut dyn TableLike> {
    item.as_table_like_mut().ok_or_else(|| Error::failed("targets.toml: a pin is no table"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths::Cache;
    use crate::roll::patches::Refreshed;
    use crate::source::testing::{depot_plan_of, plan_of};
    use crate::toolchain::Programs;

    #[test]
    fn pins_move_and_comments_stay() {
        let text = std::fs::read_to_string(crate::paths::repository().join("targets.toml")).unwrap();
        let new = moved(&text, &plan_of("16.1.2.3", "161.0.0", "0.79.0")).unwrap();
        let (before, after) = (Matrix::parse(&text).unwrap(), Matrix::parse(&new).unwrap());
        let pins = after.source_pins().unwrap();
        assert_eq!(pins.v8_version.to_string(), "16.1.2.3");
        assert_eq!((pins.v8.version.as_str(), pins.icu_data.version.as_str()), ("161.0.0", "0.79.0"));
        assert_eq!((pins.v8.sha256, pins.icu_data.sha256), ("a".repeat(64), "b".repeat(64)));
        assert_eq!(after.sources.depot.revision, "16.1.2.3");
        assert_eq!(before.tools.zig.version, after.tools.zig.version);
        // Nothing but these lines is another one.
        let changed: Vec<(&str, &str)> =
            text.lines().zip(new.lines()).filter(|(old, new)| old != new).collect();
        assert_eq!(text.lines().count(), new.lines().count());
        assert_eq!(changed.len(), 5, "{changed:?}");
        // Once more changes nothing.
        assert_eq!(moved(&new, &plan_of("16.1.2.3", "161.0.0", "0.79.0")).unwrap(), new);
    }

    #[test]
    fn what_was_another_version_is_the_default_then() {
        let text = std::fs::read_to_string(crate::paths::repository().join("targets.toml")).unwrap();
        let other = Matrix::parse(&text).unwrap().sources.registry.others.remove(0);
        let new = moved(&text, &plan_of(&other.v8, &other.version, "0.77.0")).unwrap();
        let after = Matrix::parse(&new).unwrap();
        assert_eq!(after.sources.registry.version, other.version);
        assert!(after.sources.registry.others.iter().all(|left| left.version != other.version));
    }

    #[test]
    fn upstreams_revision_stays_where_it_was_moved_alone() {
        let text = std::fs::read_to_string(crate::paths::repository().join("targets.toml")).unwrap();
        let own = "\nrevision = \"15.0.1.1\"\ncommit = \"0123456789012345678901234567890123456789\"\n";
        let version = Matrix::parse(&text).unwrap().v8.version;
        let text = text.replacen(&format!("\nrevision = \"{version}\"\n"), own, 1);
        let new = moved(&text, &plan_of("16.1.2.3", "161.0.0", "0.79.0")).unwrap();
        let after = Matrix::parse(&new).unwrap();
        assert_eq!(after.sources.depot.revision, "15.0.1.1");
        assert!(after.sources.depot.commit.is_some());
    }

    #[test]
    fn pins_of_the_other_source_move_alone() {
        let text = std::fs::read_to_string(crate::paths::repository().join("targets.toml")).unwrap();
        let before = Matrix::parse(&text).unwrap();
        let to = depot_plan_of("16.1.2.3", &"c".repeat(40));
        let after = Matrix::parse(&moved(&text, &to).unwrap()).unwrap();
        assert_eq!(after.sources.depot.revision, "16.1.2.3");
        assert_eq!(after.sources.depot.commit, Some("c".repeat(40)));
        // The default source is built as before.
        assert_eq!(after.v8.version, before.v8.version);
        assert_eq!(after.source_pins().unwrap(), before.source_pins().unwrap());
        // If it is the default, V8's version is its.
        let text = text.replacen("source = \"crate\"", "source = \"depot-tools\"", 1);
        let after = Matrix::parse(&moved(&text, &to).unwrap()).unwrap();
        assert_eq!([after.v8.version, after.sources.depot.revision], ["16.1.2.3", "16.1.2.3"]);
    }

    #[test]
    fn what_stays_pinned_beside_a_new_v8() {
        let repository = crate::paths::repository();
        let before = Matrix::load(&repository).unwrap();
        let others: Vec<_> =
            before.other_pins().unwrap().iter().map(|pins| (Kind::Crate, pins.v8_version)).collect();
        assert!(!others.is_empty());
        assert_eq!(staying(&repository, &plan_of("16.1.2.3", "161.0.0", "0.79.0")).unwrap(), others);
        let mut all = vec![(Kind::Crate, before.source_pins().unwrap().v8_version)];
        all.extend(&others);
        assert_eq!(staying(&repository, &depot_plan_of("16.1.2.3", &"c".repeat(40))).unwrap(), all);
    }

    #[test]
    fn f38_what_cannot_be_written_leaves_the_pins_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let text = std::fs::read_to_string(crate::paths::repository().join("targets.toml")).unwrap();
        std::fs::create_dir_all(root.join("crates/libv8")).unwrap();
        std::fs::write(root.join("targets.toml"), &text).unwrap();
        std::fs::write(root.join("crates/libv8/V8_VERSION"), "1.2.3.4\n").unwrap();
        let workspace = Workspace {
            repository: root.to_owned(),
            matrix: Matrix::parse(&text).unwrap(),
            cache: Cache::at(root.join("cache")),
            programs: Programs::new(Vec::new()),
        };
        let patch = root.join("0001-a.patch");
        let refreshed = vec![Refreshed { path: patch.clone(), text: "new".to_owned() }];
        let trial = Trial { refreshed, ..Trial::default() };
        let to = plan_of("16.1.2.3", "161.0.0", "0.79.0");
        let read = || std::fs::read_to_string(root.join("targets.toml")).unwrap();
        assert!(apply(&workspace, &to, &trial).is_err(), "there is no such patch");
        assert_eq!(read(), text);
        std::fs::write(&patch, "old").unwrap();
        assert_eq!(apply(&workspace, &to, &trial).unwrap().len(), 3);
        assert_ne!(read(), text);
    }

    #[test]
    fn a_file_without_the_pins_is_refused() {
        let error =
            moved("[v8]\nversion = \"1.2.3.4\"\n[sources]\n", &plan_of("16.1.2.3", "161.0.0", "0.79.0"));
        assert!(error.unwrap_err().to_string().contains("targets.toml"));
    }
}
