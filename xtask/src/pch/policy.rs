//! How far precompiled headers may go with a V8 and a compiler: `compared.toml` says what has been proven equal.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use v8_archive::Sha256;

use super::shim::FOLDER;

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
    /// A digest of the two lists. It is part of every key: an object that was kept before its name came onto a list is not
    /// what a build with that list makes.
    pub edition: String,
}

/// `compared.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Compared {
    v8: String,
    compiler: String,
    late: Vec<String>,
    plain: Vec<String>,
}

impl Policy {
    /// For a version of V8 and a compiler, by its name and version.
    pub fn of(v8: &str, compiler: &str) -> Policy {
        let known = compared();
        let lists = format!("{:?}\n{:?}", known.late, known.plain);
        Policy {
            edition: Sha256::of_bytes(lists.as_bytes()).to_string()[..12].to_owned(),
            instantiate: known.v8 == v8 && known.compiler == compiler,
            late: known.late.into_iter().collect(),
            // An object that differs with one V8 is likely to differ with the next.
            plain: known.plain.into_iter().collect(),
        }
    }

    /// What stands in ninja's folder, where a compiler runs; the careful one if nothing does.
    pub fn read() -> Policy {
        let text = fs::read(Path::new(FOLDER).join(FILE));
        text.ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
    }
}

fn compared() -> Compared {
    toml::from_str(include_str!("compared.toml")).expect("a test reads it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_compared_is_in_order() {
        let known = compared();
        assert!(known.plain.is_sorted() && known.late.is_sorted());
        let mut all = known.plain.iter().chain(&known.late);
        assert!(all.all(|object| object.starts_with("obj/") && object.ends_with(".o")));
        assert!(!known.plain.iter().any(|object| known.late.contains(object)), "one way for each");
    }

    #[test]
    fn another_v8_or_compiler_is_treated_with_care() {
        let Compared { v8, compiler, .. } = compared();
        assert!(Policy::of(&v8, &compiler).instantiate);
        assert!(!Policy::of("1.2.3.4", &compiler).instantiate);
        assert!(!Policy::of(&v8, "zig 99.0.0").instantiate);
    }
}
