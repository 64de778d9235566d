//! DEPS, the file in which V8 and its parts say which repositories and files belong to a checkout: a small part of
//! Python, read here without Python. Pure: text and variables in, values out.
//!
//! [`read`] gives what a file says; [`condition`] says whether an entry is wanted. The language is that of depot_tools'
//! `gclient_eval.py` as of 2026, less what V8 has not used for years (`deps_os`, `hooks_os`, submodules instead of DEPS),
//! which is refused by name.

mod condition;
mod eval;
mod fields;
mod lex;
mod parse;

use serde::Serialize;

use self::eval::{Data, Value};
pub use self::eval::{Variable, Variables};
use self::fields::{Fields, dict, inside, list, number, path, plain, string, truth};
use crate::error::{Error, Result};

/// What is wrong in a file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    line: usize,
    what: String,
}

impl Fault {
    fn new(line: usize, what: impl Into<String>) -> Fault {
        Fault { line, what: what.into() }
    }

    fn in_file(self, file: &str) -> Error {
        Error::failed(format!("{file}:{}: {}", self.line, self.what))
            .help("this tool reads DEPS itself; --gclient has depot_tools read it")
    }
}

/// What one DEPS file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deps {
    /// What belongs to the checkout, by path, in the order of the file.
    pub entries: Vec<Entry>,
    /// The paths whose own DEPS are read too, and what these files are called.
    pub recurse: Vec<(String, String)>,
    /// Programs that gclient would run afterwards.
    pub hooks: Vec<Hook>,
    /// Whether paths are relative to the folder of this file, and not to the root of the checkout.
    pub use_relative_paths: bool,
    /// The file of GN arguments, and the variables it is to hold.
    pub gn_args: Option<(String, Vec<String>)>,
    /// The path whose DEPS says that in place of this one.
    pub gn_args_from: Option<String>,
    /// The values of all variables, those of the files above and of gclient itself included.
    pub variables: Variables,
}

/// A path of a checkout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it lies, as the file says it.
    pub path: String,
    /// The line of the file.
    pub line: usize,
    /// When it is wanted; without one, always.
    pub condition: Option<String>,
    /// What lies there.
    pub what: What,
}

/// What lies at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// A commit of a repository.
    Git {
        /// The repository.
        url: String,
        /// The commit, a tag or a branch; nothing if the file names none.
        revision: Option<String>,
    },
    /// Files of a bucket of Google's storage.
    Gcs {
        /// The bucket.
        bucket: String,
        /// The files.
        objects: Vec<Object>,
    },
    /// Packages of Chromium's package service.
    Cipd(Vec<Package>),
}

/// One file of a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Object {
    /// Its name in the bucket.
    pub name: String,
    /// SHA-256 of its bytes, 64 small hexadecimal digits.
    pub sha256: String,
    /// Its size.
    pub size_bytes: u64,
    /// Which of several files that had the name.
    pub generation: u64,
    /// What it is called in the checkout, if it is not to be unpacked there.
    pub output_file: Option<String>,
    /// When it is wanted, beside the entry's own condition.
    pub condition: Option<String>,
}

/// A package of CIPD; `${{platform}}` and the like have become `${platform}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// `version:…`, `git_revision:…`, a ref, or an instance's own name, which holds its digest.
    pub version: String,
}

/// A program that gclient would run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hook {
    /// Its name.
    pub name: String,
    /// The command line.
    pub action: Vec<String>,
    /// When it is run; without one, always.
    pub condition: Option<String>,
}

/// Reads a DEPS file. `file` names it in errors; `built_in` are gclient's own variables; `inherited` those of the file that
/// led here, which win over the file's own.
///
/// # Errors
/// Everything that is not understood, with file and line.
pub fn read(file: &str, text: &str, built_in: &Variables, inherited: &Variables) -> Result<Deps> {
    read_values(text, built_in, inherited).map_err(|fault| fault.in_file(file))
}

impl Deps {
    /// Whether an entry, an object or a hook of this file with that condition is wanted.
    ///
    /// # Errors
    /// A condition that is not understood, with file and line.
    pub fn holds(&self, file: &str, condition: Option<&str>, line: usize) -> Result<bool> {
        let Some(condition) = condition else { return Ok(true) };
        condition::holds(condition, line, &self.variables).map_err(|fault| fault.in_file(file))
    }

    /// A variable as GN writes it. As for gclient, a string that is no `Str()` is evaluated like a condition.
    ///
    /// # Errors
    /// A variable that is not there, or cannot be evaluated.
    pub fn gn_value(&self, file: &str, name: &str) -> Result<String> {
        let fault = |what: String| Fault::new(1, what).in_file(file);
        let quoted = |text: &str| {
            let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$");
            if text.contains('\n') {
                Err(fault(format!("the variable '{name}' has several lines")))
            } else {
                Ok(format!("\"{escaped}\""))
            }
        };
        match self.variables.get(name) {
            None => Err(fault(format!("gclient_gn_args names the variable '{name}', which is not defined"))),
            Some(Variable::Bool(value)) => Ok(value.to_string()),
            Some(Variable::Constant(text)) => quoted(text),
            Some(Variable::Text(text)) => {
                match condition::value(text, 1, &self.variables).map_err(|fault| fault.in_file(file))? {
                    Variable::Bool(value) => Ok(value.to_string()),
                    Variable::Text(text) | Variable::Constant(text) => quoted(&text),
                }
            }
        }
    }
}

fn read_values(text: &str, built_in: &Variables, inherited: &Variables) -> Result<Deps, Fault> {
    let assignments = parse::file(text)?;
    let own = eval::vars(&assignments)?;
    let mut raw = own.clone();
    raw.extend(built_in.clone());
    for (name, there) in &mut raw {
        if let Some(new) = inherited.get(name) {
            *there = overridden(there, new);
        }
    }
    let vars_line = assignments.iter().find(|one| one.name == "vars").map_or(1, |one| one.line);
    let mut variables = Variables::new();
    for (name, value) in own {
        let value = match value {
            Variable::Text(text) => {
                let text = eval::format(&text, &raw)
                    .map_err(|what| Fault::new(vars_line, format!("the variable '{name}': {what}")))?;
                Variable::Text(text)
            }
            other => other,
        };
        variables.insert(name, value);
    }
    for (name, new) in inherited {
        let value = variables.get(name).map_or_else(|| new.clone(), |there| overridden(there, new));
        variables.insert(name.clone(), value);
    }
    variables.extend(built_in.clone());

    let mut deps = Deps {
        entries: Vec::new(),
        recurse: Vec::new(),
        hooks: Vec::new(),
        use_relative_paths: false,
        gn_args: None,
        gn_args_from: None,
        variables,
    };
    let (mut gn_file, mut gn_names) = (None, Vec::new());
    for (name, value) in eval::assignments(&assignments, &raw)? {
        match name.as_str() {
            "deps" => deps.entries = dict(value)?.into_iter().filter_map(entry).collect::<Result<_, _>>()?,
            "recursedeps" => {
                deps.recurse = list(value)?.into_iter().map(recursion).collect::<Result<_, _>>()?
            }
            "hooks" | "pre_deps_hooks" => {
                for value in list(value)? {
                    deps.hooks.push(hook(value)?);
                }
            }
            "use_relative_paths" => deps.use_relative_paths = truth(value)?,
            "gclient_gn_args_file" => gn_file = Some(path(value)?),
            "gclient_gn_args" => gn_names = list(value)?.into_iter().map(string).collect::<Result<_, _>>()?,
            "gclient_gn_args_from" => deps.gn_args_from = Some(path(value)?),
            "git_dependencies" => match (value.line, string(value)?.as_str()) {
                // With SYNC, submodules say the same as DEPS.
                (_, "DEPS" | "SYNC") => {}
                (line, other) => {
                    return Err(Fault::new(
                        line,
                        format!("git_dependencies = '{other}': only DEPS and SYNC are read"),
                    ));
                }
            },
            // For presubmit checks, and for gclient's own choices.
            "include_rules"
            | "skip_child_includes"
            | "specific_include_rules"
            | "noparent"
            | "allowed_hosts"
            | "new_usages_require_review"
            | "recursion"
            | "target_os"
            | "use_relative_hooks" => {}
            _ => {
                return Err(Fault::new(
                    value.line,
                    format!("'{name}' is nothing that this tool knows of DEPS"),
                ));
            }
        }
    }
    deps.gn_args = gn_file.map(|file| (file, gn_names));
    Ok(deps)
}

/// A variable keeps being `Str()`, whoever gives it a value.
fn overridden(there: &Variable, new: &Variable) -> Variable {
    match there {
        Variable::Constant(_) => Variable::Constant(new.text().to_owned()),
        _ => new.clone(),
    }
}

/// `None` is how a file above takes an entry out.
fn entry((path, value): (String, Value)) -> Option<Result<Entry, Fault>> {
    (value.data != Data::None).then(|| read_entry(path, value))
}

fn read_entry(path: String, value: Value) -> Result<Entry, Fault> {
    let line = value.line;
    inside(&path, line)?;
    if let Data::Text(url) = &value.data {
        return Ok(Entry { path, line, condition: None, what: git(url) });
    }
    let mut fields = Fields::of(value)?;
    let condition = fields.optional("condition", string)?;
    let kind = fields.optional("dep_type", string)?;
    let what = match kind.as_deref() {
        None | Some("git") => git(&fields.wanted("url", string)?),
        Some("cipd") => What::Cipd(
            list(fields.wanted("packages", Ok)?)?.into_iter().map(package).collect::<Result<_, _>>()?,
        ),
        Some("gcs") => What::Gcs {
            bucket: fields.wanted("bucket", plain)?,
            objects: list(fields.wanted("objects", Ok)?)?
                .into_iter()
                .map(object)
                .collect::<Result<_, _>>()?,
        },
        Some(other) => return Err(Fault::new(line, format!("dep_type '{other}': there are git, cipd, gcs"))),
    };
    fields.end()?;
    Ok(Entry { path, line, condition, what })
}

/// `https://host/path@revision`; an `@` in front of the path is a user's name.
fn git(url: &str) -> What {
    let host_at = url.find("://").map_or(0, |at| at + 3);
    let path_at = url[host_at..].find('/').map_or(0, |at| host_at + at);
    match url[path_at..].rsplit_once('@') {
        Some((path, revision)) => {
            What::Git { url: format!("{}{path}", &url[..path_at]), revision: Some(revision.to_owned()) }
        }
        None => What::Git { url: url.to_owned(), revision: None },
    }
}

fn object(value: Value) -> Result<Object, Fault> {
    let line = value.line;
    let mut fields = Fields::of(value)?;
    let object = Object {
        name: fields.wanted("object_name", plain)?,
        sha256: fields.wanted("sha256sum", string)?,
        size_bytes: fields.wanted("size_bytes", number)?,
        generation: fields.wanted("generation", number)?,
        output_file: fields.optional("output_file", path)?,
        condition: fields.optional("condition", string)?,
    };
    fields.end()?;
    if object.sha256.len() == 64 && object.sha256.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        Ok(object)
    } else {
        Err(Fault::new(line, format!("{:?} is no SHA-256 in small hexadecimal digits", object.sha256)))
    }
}

fn package(value: Value) -> Result<Package, Fault> {
    let mut fields = Fields::of(value)?;
    let package =
        Package { name: fields.wanted("package", plain)?, version: fields.wanted("version", string)? };
    fields.end()?;
    Ok(package)
}

fn hook(value: Value) -> Result<Hook, Fault> {
    let mut fields = Fields::of(value)?;
    let hook = Hook {
        name: fields.optional("name", string)?.unwrap_or_default(),
        action: list(fields.wanted("action", Ok)?)?.into_iter().map(string).collect::<Result<_, _>>()?,
        condition: fields.optional("condition", string)?,
    };
    fields.optional("pattern", string)?;
    fields.optional("cwd", string)?;
    fields.end()?;
    Ok(hook)
}

/// `'path'`, or `('path', 'file')`.
fn recursion(value: Value) -> Result<(String, String), Fault> {
    let line = value.line;
    match value.data {
        Data::List(values) => match <[Value; 2]>::try_from(values) {
            Ok([first, second]) => Ok((path(first)?, path(second)?)),
            Err(values) => {
                Err(Fault::new(line, format!("{} values where path and file stand", values.len())))
            }
        },
        data => Ok((path(Value { line, data })?, "DEPS".to_owned())),
    }
}

#[cfg(test)]
mod tests;
