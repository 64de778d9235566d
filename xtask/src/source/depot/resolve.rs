//! From the texts of DEPS files to everything they name, with the answer to each condition. Pure: which texts are still
//! missing is part of the answer, and whoever asks fetches them and asks again.

use std::collections::BTreeMap;

use super::super::deps::{self, Deps, Hook, Object, Package, Variable, Variables, What};
use crate::error::{Error, Result};

/// Where V8 itself lies in gclient's checkout.
pub const ROOT: &str = "v8";

/// DEPS files by the path of their repository in gclient's checkout; `None` for one that has no such file.
pub type Texts = BTreeMap<String, Option<String>>;

/// What DEPS files name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// Everything they name, wanted or not, by path.
    pub named: BTreeMap<String, Named>,
    /// The programs gclient would run, of those whose condition holds.
    pub hooks: Vec<Hook>,
    /// The file of GN arguments: its path, and what it is to hold.
    pub gn_args: Option<(String, String)>,
    /// Repositories whose own DEPS are needed for a whole answer, and what the file is called there.
    pub missing: Vec<Missing>,
}

/// One path of the checkout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// What lies there; of files, those whose own conditions hold.
    pub what: What,
    /// Why it is not wanted here, if it is not: the condition that does not hold.
    pub refused_by: Option<String>,
}

/// A repository whose DEPS has to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Its path in the checkout.
    pub path: String,
    /// Its address.
    pub url: String,
    /// Its commit.
    pub revision: Option<String>,
    /// The file's name in it.
    pub file: String,
}

/// gclient's own variables: the systems and processors that are built for, and the machine that builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Platform {
    /// `linux`, `mac`, `win`.
    pub target_os: &'static str,
    /// `x64`, `arm64`.
    pub target_cpu: &'static str,
    /// As `target_os`.
    pub host_os: &'static str,
    /// As `target_cpu`.
    pub host_cpu: &'static str,
}

impl Platform {
    fn variables(&self) -> Variables {
        let mut all = Variables::new();
        let systems = ["android", "chromeos", "fuchsia", "ios", "linux", "mac", "win"];
        let processors =
            ["arm", "arm64", "x86", "mips", "mips64", "ppc", "riscv64", "s390", "x64", "loong64"];
        for (names, chosen) in [(&systems[..], self.target_os), (&processors[..], self.target_cpu)] {
            for name in names {
                all.insert(format!("checkout_{name}"), Variable::Bool(*name == chosen));
            }
        }
        all.insert("non_git_source".to_owned(), Variable::Bool(true));
        all.insert("host_os".to_owned(), Variable::Text(self.host_os.to_owned()));
        all.insert("host_cpu".to_owned(), Variable::Text(self.host_cpu.to_owned()));
        all
    }
}

/// Everything that `texts` name, beginning with V8's own.
///
/// # Errors
/// What is not understood, with file and line; a path that two files name differently.
pub fn resolve(texts: &Texts, platform: &Platform) -> Result<Resolved> {
    let mut resolved =
        Resolved { named: BTreeMap::new(), hooks: Vec::new(), gn_args: None, missing: Vec::new() };
    let text = texts.get(ROOT).and_then(Option::as_ref).ok_or_else(|| {
        Error::failed("this V8 has no DEPS file").help("--revision names a version, a tag or a commit of V8")
    })?;
    let walk = Walk { texts, built_in: platform.variables() };
    walk.file(Place { path: ROOT, is_relative: true, text }, &Variables::new(), &mut resolved)?;
    Ok(resolved)
}

struct Walk<'a> {
    texts: &'a Texts,
    built_in: Variables,
}

/// A DEPS file, and where its repository lies.
struct Place<'a> {
    path: &'a str,
    /// Whether the file above says paths relative to itself.
    is_relative: bool,
    text: &'a str,
}

impl Walk<'_> {
    fn file(&self, place: Place<'_>, inherited: &Variables, out: &mut Resolved) -> Result<()> {
        let file = format!("{}/DEPS", place.path);
        let deps = deps::read(&file, place.text, &self.built_in, inherited)?;
        // As gclient has it: a file without use_relative_paths below one that has it is relative to its parent folder.
        let prefix = match (deps.use_relative_paths, place.is_relative) {
            (true, _) => Some(place.path),
            (false, true) if place.path != ROOT => place.path.rsplit_once('/').map(|(parent, _)| parent),
            (false, _) => None,
        };
        let whole = |path: &str| prefix.map_or_else(|| path.to_owned(), |prefix| format!("{prefix}/{path}"));
        if place.path == ROOT {
            if deps.gn_args_from.is_some() {
                return Err(Error::failed(format!(
                    "{file}: gclient_gn_args_from is not supported in V8's own DEPS"
                ))
                .help("this tool reads DEPS itself; --gclient has depot_tools read it"));
            }
            if let Some((path, names)) = &deps.gn_args {
                out.gn_args = Some((whole(path), gn_args(&deps, &file, names)?));
            }
        }
        for hook in &deps.hooks {
            if deps.holds(&file, hook.condition.as_deref(), 0)? {
                out.hooks.push(hook.clone());
            }
        }
        for entry in &deps.entries {
            let path = whole(&entry.path);
            let holds = deps.holds(&file, entry.condition.as_deref(), entry.line)?;
            let mut named = Named {
                what: entry.what.clone(),
                refused_by: entry.condition.as_ref().filter(|_| !holds).map(|text| format!("only if {text}")),
            };
            if let What::Gcs { objects, .. } = &mut named.what {
                let mut kept = Vec::new();
                for object in objects.drain(..) {
                    if deps.holds(&file, object.condition.as_deref(), entry.line)? {
                        kept.push(object);
                    }
                }
                if kept.is_empty() && named.refused_by.is_none() {
                    named.refused_by = Some("none of its files is for this host and target".to_owned());
                }
                *objects = kept;
            }
            match out.named.get(&path) {
                Some(other) if *other != named => {
                    return Err(Error::failed(format!(
                        "{file}:{}: {path} is named a second time, and differently",
                        entry.line
                    )));
                }
                _ => out.named.insert(path.clone(), named),
            };
            let recursion = deps.recurse.iter().find(|(recursed, _)| *recursed == entry.path);
            let (Some((_, name)), true, What::Git { url, revision }) = (recursion, holds, &entry.what) else {
                continue;
            };
            match self.texts.get(&path) {
                Some(Some(text)) => {
                    let below = Place { path: &path, is_relative: deps.use_relative_paths, text };
                    self.file(below, &deps.variables, out)?;
                }
                Some(None) => {}
                None => out.missing.push(Missing {
                    path,
                    url: url.clone(),
                    revision: revision.clone(),
                    file: name.clone(),
                }),
            }
        }
        Ok(())
    }
}

/// The text of the file of GN arguments, to the byte as gclient writes it.
fn gn_args(deps: &Deps, file: &str, names: &[String]) -> Result<String> {
    let mut lines = vec!["# Generated from 'DEPS'".to_owned()];
    for name in names {
        lines.push(format!("{name} = {}", deps.gn_value(file, name)?));
    }
    Ok(lines.join("\n"))
}

/// For lists: what lies at a path, in a word, and how large it is if DEPS says so.
pub fn described(what: &What) -> (String, Option<u64>) {
    let short = |revision: &Option<String>| {
        let revision = revision.as_deref().unwrap_or("no commit");
        revision.get(..12).filter(|_| is_commit(revision)).unwrap_or(revision).to_owned()
    };
    match what {
        What::Git { revision, .. } => (format!("git {}", short(revision)), None),
        What::Gcs { objects, .. } => {
            let size_bytes = objects.iter().map(|object: &Object| object.size_bytes).sum();
            (format!("gcs, {} files", objects.len()), Some(size_bytes))
        }
        What::Cipd(packages) => {
            let first = packages.first().map_or("", |package: &Package| package.name.as_str());
            (format!("cipd {first}"), None)
        }
    }
}

/// Whether a revision is a whole commit's name, which says what is in it.
pub fn is_commit(revision: &str) -> bool {
    [40, 64].contains(&revision.len()) && revision.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}
