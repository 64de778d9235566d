//! Precompiled headers, one for each GN target, that change nothing but the time a build takes.
//!
//! Most of what a V8 build costs is clang reading the same headers 1,500 times. sccache runs the compiler twice:
//! once to preprocess (the cache key comes from what that prints), once to compile. The `clang++` of our toolchain hands
//! each run to this module when `LIBV8_PCH` is set. The first kind is answered without the compiler (`key.rs`), the second
//! gets an `-include-pch`. Keys are made of plain sources, so a cache filled with headers serves builds without, and
//! the other way round.
//! A compile that fails with a header is done again without and counted. Objects have to be equal, bit for bit;
//! nothing here compares them all.

mod choose;
pub mod journal;
mod key;
pub mod policy;
mod scan;
pub mod shim;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The sources of one GN target, as ninja compiles them; the folder of its objects is its name.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Sources, relative to ninja's folder; generated ones need not exist yet.
    pub sources: Vec<String>,
    /// `-I` folders in the order of the command line, relative to ninja's folder.
    pub include_dirs: Vec<String>,
    /// `-D`, as `NAME` or `NAME=VALUE`.
    #[serde(default)]
    pub defines: Vec<String>,
}

/// All groups of a build, by the folder of their objects (`obj/v8/v8_base_without_compiler`).
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Groups(pub BTreeMap<String, Group>);

/// One line of ninja's compilation database.
#[derive(Debug, Deserialize)]
pub struct Compilation {
    /// The command as a shell would take it.
    pub command: String,
    /// The source, relative to ninja's folder.
    pub file: String,
    /// The object, relative to ninja's folder.
    pub output: String,
}

/// The command without sccache in front, if it is.
pub fn without_wrapper(command: &str) -> &str {
    match command.split_once(' ') {
        Some((program, rest)) if program == "sccache" || program.ends_with("/sccache") => rest,
        _ => command,
    }
}

impl Groups {
    /// Sorts the compilations of `ninja -t compdb` by the folder of their objects; only C++ is precompiled.
    pub fn from_compilations(compilations: &[Compilation]) -> Groups {
        let mut groups = Groups::default();
        for compilation in compilations {
            let is_cpp = compilation.file.ends_with(".cc") || compilation.file.ends_with(".cpp");
            let (Some((folder, _)), true) = (compilation.output.rsplit_once('/'), is_cpp) else { continue };
            let group = groups.0.entry(folder.to_owned()).or_default();
            group.sources.push(compilation.file.clone());
            if group.include_dirs.is_empty() {
                let values = |flag: &'static str| {
                    let words = compilation.command.split_whitespace();
                    words.filter_map(move |word| word.strip_prefix(flag)).map(str::to_owned)
                };
                group.include_dirs = values("-I").collect();
                group.defines = values("-D").collect();
            }
        }
        for group in groups.0.values_mut() {
            group.sources.sort();
        }
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compilations_are_grouped_by_gn_target() {
        let one = |command: &str, file: &str, output: &str| Compilation {
            command: command.into(),
            file: file.into(),
            output: output.into(),
        };
        let groups = Groups::from_compilations(&[
            one("clang++ -I../.. -Igen -DX -c b.cc", "b.cc", "obj/v8/base/b.o"),
            one("clang++ -I../.. -Igen -DX -c a.cc", "a.cc", "obj/v8/base/a.o"),
            one("clang -c x.S", "x.S", "obj/v8/base/x.o"),
            one("clang++ -I. -c c.cc", "c.cc", "obj/icu/c.o"),
        ]);
        let base = &groups.0["obj/v8/base"];
        assert_eq!(base.sources, ["a.cc", "b.cc"]);
        assert_eq!(base.include_dirs, ["../..", "gen"]);
        assert_eq!(base.defines, ["X"]);
        assert_eq!(groups.0.len(), 2);
    }
}
