//! Which archive of a folder is linked: decided from what is wanted and what was seen.

use std::path::{Path, PathBuf};

use v8_archive::{ArchiveName, DESCRIPTOR_FILE, Descriptor, Format};

/// The variant that is linked when none is asked for.
const DEFAULT_VARIANT: &str = "release";
/// How many other archives an error lists.
const LISTED: usize = 8;

/// What must be linked.
pub struct Wanted {
    /// The V8 this crate is for.
    pub v8_version: String,
    /// The triple cargo builds for.
    pub target: String,
    /// What `LIBV8_VARIANT` says.
    pub variant: Option<String>,
}

/// Where to look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// What `LIBV8_ARCHIVE` says: what is wrong there is an error.
    Given(PathBuf),
    /// The workspace's `artifacts`: an archive may be absent as long as nothing is linked.
    Default(PathBuf),
}

/// What is there.
pub enum Seen {
    /// Nothing of that name.
    Nothing,
    /// A file.
    File,
    /// A folder with these names in it.
    Folder(Vec<String>),
}

/// What to link.
#[derive(Debug, PartialEq, Eq)]
pub enum Choice {
    /// This file. Its descriptor must have this variant, if one is named.
    Archive { path: PathBuf, variant: Option<String> },
    /// This folder, which is an unpacked archive.
    Unpacked { path: PathBuf, variant: Option<String> },
    /// Nothing, for this reason; only at the default place.
    Missing { why: String },
}

impl Place {
    /// `given` is `LIBV8_ARCHIVE`; `manifest_dir` is the folder of this crate. `None` outside of the workspace, where a folder
    /// called `artifacts` is someone else's.
    ///
    /// # Errors
    /// If `given` is relative: to which folder, only the shell that set it knows.
    pub fn new(given: Option<PathBuf>, manifest_dir: &Path) -> Result<Option<Place>, String> {
        match given {
            Some(path) if path.is_relative() => Err(format!(
                "LIBV8_ARCHIVE is '{0}', which is not absolute, and cargo starts build scripts in another folder\n\
                 help: LIBV8_ARCHIVE=\"$PWD/{0}\"",
                path.display()
            )),
            Some(path) => Ok(Some(Place::Given(path))),
            // crates/libv8 → the workspace; by name rather than by `..`, so that messages are easy to read.
            None => {
                let workspace = manifest_dir.parent().and_then(Path::parent).unwrap_or(manifest_dir);
                let is_ours = workspace.join("targets.toml").is_file();
                Ok(is_ours.then(|| Place::Default(workspace.join("artifacts"))))
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        match self {
            Place::Given(path) | Place::Default(path) => path,
        }
    }
}

impl Wanted {
    /// The variant whose name is looked for in a folder.
    fn variant(&self) -> &str {
        self.variant.as_deref().unwrap_or(DEFAULT_VARIANT)
    }

    /// The command that makes the archive.
    fn command(&self) -> String {
        format!("cargo xtask build-v8 --target {} --variant {}", self.target, self.variant())
    }

    /// What the archive is called, in the default format.
    ///
    /// # Errors
    /// If target or variant is malformed.
    pub fn name(&self) -> Result<ArchiveName, String> {
        ArchiveName::new(&self.v8_version, &self.target, self.variant(), Format::default())
            .map_err(|error| error.to_string())
    }

    /// Chooses at `place`, where `seen` is.
    ///
    /// # Errors
    /// If there is nothing to choose at a place that was given, or the wanted variant or target is malformed.
    pub fn choose(&self, place: &Place, seen: &Seen) -> Result<Choice, String> {
        let path = place.path();
        let named = self.name()?;
        let names = match (place, seen) {
            (Place::Given(_), Seen::File) => {
                return Ok(Choice::Archive { path: path.to_owned(), variant: self.variant.clone() });
            }
            (Place::Given(_), Seen::Nothing) => {
                return Err(format!(
                    "LIBV8_ARCHIVE is {}, which does not exist\n\
                     help: {}; or unset LIBV8_ARCHIVE, and the workspace's artifacts are used",
                    path.display(),
                    self.command()
                ));
            }
            (_, Seen::Folder(names)) => names.as_slice(),
            (Place::Default(_), Seen::Nothing | Seen::File) => &[],
        };
        if names.iter().any(|name| name == DESCRIPTOR_FILE) {
            return Ok(Choice::Unpacked { path: path.to_owned(), variant: self.variant.clone() });
        }
        for format in Format::ALL {
            let name = named.clone().with_format(format).to_string();
            if names.contains(&name) {
                return Ok(Choice::Archive {
                    path: path.join(name),
                    variant: Some(self.variant().to_owned()),
                });
            }
        }
        let why = self.not_among(path, names, &named);
        match place {
            Place::Given(_) => Err(why),
            Place::Default(_) => Ok(Choice::Missing { why }),
        }
    }

    /// Compares what an archive says of itself with what is wanted.
    ///
    /// # Errors
    /// Names the file and every difference with both values.
    pub fn check(&self, path: &Path, variant: Option<&str>, descriptor: &Descriptor) -> Result<(), String> {
        let rows = [
            (
                "V8 version",
                descriptor.v8_version.as_str(),
                Some(self.v8_version.as_str()),
                "this crate is for",
            ),
            ("target", &descriptor.target, Some(&self.target), "cargo builds for"),
            ("variant", &descriptor.variant, variant, "wanted is"),
        ];
        let mut differences = String::new();
        for (what, found, wanted, who) in rows {
            if let Some(wanted) = wanted
                && wanted != found
            {
                differences += &format!("\n{what}: the archive has {found}, {who} {wanted}");
            }
        }
        if differences.is_empty() {
            return Ok(());
        }
        Err(format!(
            "{} is another archive than the one to link{differences}\nhelp: {}",
            path.display(),
            self.command()
        ))
    }

    /// Why nothing in the folder at `path` is the archive `named`, and what would be.
    fn not_among(&self, path: &Path, names: &[String], named: &ArchiveName) -> String {
        let mut others: Vec<ArchiveName> = names.iter().filter_map(|name| name.parse().ok()).collect();
        others.sort();
        let mut text = format!("no archive {} in {}", named.stem(), path.display());
        if !others.is_empty() {
            let listed: Vec<String> = others.iter().take(LISTED).map(ArchiveName::to_string).collect();
            text += &format!("\nthere is: {}", listed.join(", "));
            if others.len() > LISTED {
                text += &format!(", and {} more", others.len() - LISTED);
            }
        }
        text += &format!("\nhelp: {}", self.command());
        // Another variant is never taken in silence: it may lack what the program needs, Intl for one.
        let same =
            |other: &&ArchiveName| other.v8_version() == self.v8_version && other.target() == self.target;
        if let Some(other) = others.iter().find(same) {
            text += &format!("; or link what is there: LIBV8_VARIANT={}", other.variant());
        }
        text
    }
}
