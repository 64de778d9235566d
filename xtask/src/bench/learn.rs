//! What a comparison teaches: which objects headers may not touch, tried before it is written down.

use std::path::Path;

use super::objects::{Comparison, compare};
use super::{Builds, Kind};
use crate::error::Result;
use crate::pch::policy::Compared;

/// Puts what differs between a plain build and ours on the lists of `compared.toml`, makes those objects again by them, and
/// compares all once more; the lists are written when everything is equal.
///
/// # Errors
///
/// A build fails, or an object differs without a header too.
pub fn learn(builds: &Builds<'_>) -> Result<Comparison> {
    let [plain, ours] = [Kind::Plain, Kind::Ours].map(|kind| builds.plan_for(kind).out);
    let (v8, compiler) = (&builds.plan.v8_version, builds.toolchain.compiler());
    let (comparison, mut lists) = until_equal(&plain, &ours, Compared::of(v8, &compiler)?, &mut |lists| {
        builds.remake(lists.clone().policy(v8, &compiler))
    })?;
    lists.are_identical(&builds.plan.target, &builds.plan.variant, comparison.compared);
    lists.write()?;
    Ok(comparison)
}

/// `remake` makes what lists have changed in ours. An object needs three rounds at most: late, plain, and an error.
fn until_equal(
    plain: &Path,
    ours: &Path,
    mut lists: Compared,
    remake: &mut dyn FnMut(&Compared) -> Result<()>,
) -> Result<(Comparison, Compared)> {
    loop {
        let comparison = compare(plain, ours)?;
        if comparison.differences.is_empty() {
            return Ok((comparison, lists));
        }
        eprint!("{}", comparison.text());
        lists.differ(comparison.differences.iter().map(|(name, _)| name.as_str()))?;
        remake(&lists)?;
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::pch::policy::{Policy, Way};

    const V8: &str = "1.2.3.4";

    fn write(folder: &Path, objects: &[(&str, &str)]) {
        for (name, bytes) in objects {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }

    /// A compiler by which `late.o` is equal without instantiation only, `plain.o` without a header only.
    fn object(policy: &Policy, name: &str) -> &'static str {
        match (policy.way(name), name) {
            (Way::Instantiated, "obj/late.o" | "obj/plain.o") => "another order",
            (Way::Late, "obj/plain.o") => "with a header",
            _ => "plain",
        }
    }

    fn learned(names: &[&str]) -> Result<(Comparison, Compared, usize)> {
        let [plain, ours] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let make = |lists: &Compared, name: &str| object(&lists.clone().policy(V8, "c"), name);
        let lists = Compared::empty(V8, "c");
        for name in names {
            write(plain.path(), &[(name, if *name == "obj/never.o" { "never" } else { "plain" })]);
            write(ours.path(), &[(name, make(&lists, name))]);
        }
        let mut made = 0;
        let (comparison, lists) = until_equal(plain.path(), ours.path(), lists, &mut |lists| {
            made += 1;
            names.iter().for_each(|name| write(ours.path(), &[(name, make(lists, name))]));
            Ok(())
        })?;
        Ok((comparison, lists, made))
    }

    #[test]
    fn an_object_gets_the_first_way_by_which_it_is_equal() {
        let (comparison, lists, made) = learned(&["obj/late.o", "obj/plain.o", "obj/same.o"]).unwrap();
        assert_eq!(comparison.compared, 3);
        let policy = lists.policy(V8, "c");
        let ways = ["obj/late.o", "obj/plain.o", "obj/same.o"].map(|name| policy.way(name));
        assert_eq!(ways, [Way::Late, Way::Plain, Way::Instantiated]);
        assert_eq!(made, 2, "late, and plain");
        assert_eq!(learned(&["obj/same.o"]).unwrap().2, 0);
    }

    #[test]
    fn an_object_that_no_list_mends_is_an_error() {
        let error = learned(&["obj/never.o", "obj/same.o"]).unwrap_err();
        assert!(
            error.to_string().contains("obj/never.o differs without a precompiled header too"),
            "{error}"
        );
    }
}
