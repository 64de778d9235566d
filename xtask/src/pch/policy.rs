//! How far precompiled headers may go with a V8 and a compiler: `compared.toml` says what has been proven equal.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::shim::FOLDER;
use crate::error::{Error, IoContext as _, Result};
use crate::paths::{repository, write_whole};

/// The file in [`FOLDER`], written before ninja starts.
pub const FILE: &str = "policy.json";

/// What the compilers of a build are to do.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Whether a header's templates are instantiated in the header.
    pub instantiate: bool,
    /// Objects, relative to ninja's folder, whose sources instantiate for themselves all the same.
    pub late: BTreeSet<String>,
    /// Objects that are compiled without a header.
    pub plain: BTreeSet<String>,
}

/// How a source meets its target's headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It reads all of them itself.
    Plain,
    /// They are precompiled, and it instantiates their templates itself.
    Late,
    /// They are precompiled with their templates instantiated.
    Instantiated,
}

/// `compared.toml`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compared {
    v8: String,
    compiler: String,
    late: BTreeSet<String>,
    plain: BTreeSet<String>,
    #[serde(default)]
    identical: Vec<Identical>,
}

/// A build of which every object was compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Identical {
    target: String,
    variant: String,
    objects: usize,
}

impl Compared {
    /// Nothing is known yet.
    #[cfg(test)]
    pub fn empty(v8: &str, compiler: &str) -> Compared {
        let [late, plain] = [BTreeSet::new(), BTreeSet::new()];
        Compared { v8: v8.to_owned(), compiler: compiler.to_owned(), late, plain, identical: Vec::new() }
    }

    /// As it was when this program was compiled.
    pub fn here() -> Compared {
        toml::from_str(include_str!("compared.toml")).expect("a test reads it")
    }

    /// The lists for a V8 and a compiler, which a comparison may add to.
    ///
    /// # Errors
    ///
    /// The lists are another V8's or compiler's. A build with those has not instantiated in headers, and its comparison
    /// would say nothing of one that does.
    pub fn of(v8: &str, compiler: &str) -> Result<Compared> {
        let known = Compared::here();
        if known.v8 == v8 && known.compiler == compiler {
            return Ok(known);
        }
        let (found, wanted) =
            (format!("V8 {} and {}", known.v8, known.compiler), format!("V8 {v8} and {compiler}"));
        Err(Error::usage(format!("xtask/src/pch/compared.toml is for {found}, this build for {wanted}"))
            .help(
                "write the build's names there first: only then are objects made as they are to be compared",
            ))
    }

    /// For a version of V8 and a compiler, by its name and version.
    pub fn policy(self, v8: &str, compiler: &str) -> Policy {
        Policy {
            instantiate: self.v8 == v8 && self.compiler == compiler,
            late: self.late,
            // An object that differs with one V8 is likely to differ with the next.
            plain: self.plain,
        }
    }

    /// Puts objects that differ a list further: to `late`, from there to `plain`.
    ///
    /// # Errors
    ///
    /// One stands on `plain` already: no header has touched it.
    pub fn differ<'a>(&mut self, objects: impl IntoIterator<Item = &'a str>) -> Result<()> {
        for object in objects.into_iter().map(of_any_toolchain) {
            if self.plain.contains(object) {
                return Err(Error::failed(format!("{object} differs without a precompiled header too"))
                    .help(
                        "something else than headers differs between the two builds: flags, inputs or time",
                    ));
            }
            if self.late.remove(object) {
                self.plain.insert(object.to_owned());
            } else {
                self.late.insert(object.to_owned());
            }
        }
        Ok(())
    }

    /// Remembers a build whose objects are all equal.
    pub fn are_identical(&mut self, target: &str, variant: &str, objects: usize) {
        self.identical.retain(|known| (known.target.as_str(), known.variant.as_str()) != (target, variant));
        self.identical.push(Identical { target: target.to_owned(), variant: variant.to_owned(), objects });
        self.identical.sort();
    }

    /// Whether every object of a build was found equal.
    pub fn knows(&self, target: &str, variant: &str) -> bool {
        self.identical.iter().any(|known| known.target == target && known.variant == variant)
    }

    /// Writes it into the repository, below the comment that the file begins with.
    pub fn write(&self) -> Result<()> {
        let path = repository().join("xtask/src/pch/compared.toml");
        let text = fs::read_to_string(&path).or_io("read", &path)?;
        write_whole(&path, self.text(&text))
    }

    fn text(&self, before: &str) -> String {
        let comment = before.lines().take_while(|line| line.starts_with('#')).flat_map(|line| [line, "\n"]);
        comment.collect::<String>() + &toml::to_string_pretty(self).expect("strings and numbers only")
    }
}

/// An object's name without the folder of its GN toolchain: what differs for one differs for the other.
fn of_any_toolchain(object: &str) -> &str {
    object.find("/obj/").map_or(object, |at| &object[at + 1..])
}

impl Policy {
    /// For a version of V8 and a compiler, by its name and version.
    pub fn of(v8: &str, compiler: &str) -> Policy {
        Compared::here().policy(v8, compiler)
    }

    /// How an object is compiled.
    pub fn way(&self, object: &str) -> Way {
        let object = of_any_toolchain(object);
        if self.plain.contains(object) {
            Way::Plain
        } else if !self.instantiate || self.late.contains(object) {
            Way::Late
        } else {
            Way::Instantiated
        }
    }

    /// For the compilers of a build, into its folder.
    pub fn write(&self, out: &Path) -> Result<()> {
        let folder = out.join(FOLDER);
        fs::create_dir_all(&folder).or_io("create", &folder)?;
        write_whole(&folder.join(FILE), serde_json::to_vec_pretty(self).expect("strings and booleans only"))
    }

    /// What stands in ninja's folder.
    pub fn read(out: &Path) -> Option<Policy> {
        serde_json::from_slice(&fs::read(out.join(FOLDER).join(FILE)).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_compared_is_as_the_tool_would_write_it() {
        let known = Compared::here();
        let text = include_str!("compared.toml");
        assert_eq!(known.text(text), text);
        let mut all = known.plain.iter().chain(&known.late);
        assert!(all.all(|object| object.starts_with("obj/") && object.ends_with(".o")));
        assert!(known.plain.is_disjoint(&known.late), "one way for each");
    }

    #[test]
    fn another_v8_or_compiler_is_treated_with_care() {
        let Compared { v8, compiler, .. } = Compared::here();
        assert!(Policy::of(&v8, &compiler).instantiate);
        assert!(!Policy::of("1.2.3.4", &compiler).instantiate);
        assert!(!Policy::of(&v8, "zig 99.0.0").instantiate);
    }

    #[test]
    fn what_differs_goes_a_list_further_each_time() {
        let way =
            |known: &Compared, object: &str| known.clone().policy(&known.v8, &known.compiler).way(object);
        let mut known = Compared::empty("1.2.3.4", "clang");
        assert_eq!(way(&known, "obj/a/b.o"), Way::Instantiated);
        known.differ(["clang_x64/obj/a/b.o"]).unwrap();
        assert_eq!(way(&known, "obj/a/b.o"), Way::Late);
        assert_eq!(way(&known, "clang_x64/obj/a/b.o"), Way::Late, "for each toolchain");
        assert_eq!(way(&known, "obj/a/c.o"), Way::Instantiated);
        known.differ(["obj/a/b.o"]).unwrap();
        assert_eq!(way(&known, "obj/a/b.o"), Way::Plain);
        assert!(known.differ(["obj/a/b.o"]).unwrap_err().to_string().contains("obj/a/b.o differs without"));
        known.are_identical("t", "lite", 3);
        known.are_identical("t", "lite", 4);
        assert!(known.knows("t", "lite") && !known.knows("t", "release"));
        assert_eq!(known.identical, [Identical { target: "t".into(), variant: "lite".into(), objects: 4 }]);
    }
}
