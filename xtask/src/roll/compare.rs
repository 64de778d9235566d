//! What GN and the compiler say of two trees, compared. Pure.

use std::collections::BTreeSet;
use std::path::Path;

use super::gn::{Declared, Said};
use super::{Area, Finding, Weight};
use crate::layers::Arguments;
use crate::licences::Table;

/// The arguments we set, and those we leave alone.
pub fn arguments(old: &Said, new: &Said, ours_before: &Arguments, ours: &Arguments) -> Vec<Finding> {
    let finding = |weight, kind, name: &str, what| Finding::new(Area::Arguments, weight, kind, name, what);
    let mut findings = Vec::new();
    for (name, argument) in ours {
        let set = format!("{}.gn sets {}", argument.layer, argument.value);
        match (old.declared.get(name), new.declared.get(name)) {
            (_, None) => {
                let what = format!("there is no such argument, and {set}: gn gen would refuse it");
                findings.push(finding(Weight::Blocks, "gone", name, what));
            }
            (Some(old), Some(new)) if old.default != new.default => {
                let is_default = same(&new.default, &argument.value);
                let (weight, rest) = if is_default {
                    (Weight::Note, format!("which {}.gn sets anyway", argument.layer))
                } else {
                    (Weight::Look, set)
                };
                let what = format!("its default was {}, and is {}, {rest}", old.default, new.default);
                findings.push(finding(weight, "default-changed", name, what));
            }
            _ => {}
        }
    }
    for (name, argument) in ours_before.iter().filter(|(name, _)| !ours.contains_key(*name)) {
        let what = format!("{}.gn does not set it for this V8, as its Applies-to line says", argument.layer);
        findings.push(finding(Weight::Note, "left-out", name, what));
    }
    let is_ours = |name: &String| ours.contains_key(name) || MACHINE.contains(&name.as_str());
    for (name, before) in old.declared.iter().filter(|(name, _)| !is_ours(name)) {
        match new.declared.get(name) {
            None => {
                let what = format!("there is no such argument any more; it was {}", before.default);
                findings.push(finding(Weight::Note, "dropped", name, what));
            }
            Some(now) if now.default != before.default => {
                let what = format!("its default was {}, and is {}", before.default, now.default);
                let weight = if matters(name, now) { Weight::Look } else { Weight::Note };
                let changed = finding(weight, "default-changed", name, what);
                findings.push(changed.detail(now.comment.clone()));
            }
            Some(_) => {}
        }
    }
    for (name, now) in new.declared.iter().filter(|(name, _)| !old.declared.contains_key(*name)) {
        if is_ours(name) {
            continue;
        }
        let what = format!("new in {}: {} unless it is set", now.file, now.default);
        let weight = if matters(name, now) { Weight::Look } else { Weight::Note };
        findings.push(finding(weight, "new", name, what).detail(now.comment.clone()));
    }
    findings
}

/// Arguments that say where the toolchain is, and no layer sets.
const MACHINE: &[&str] =
    &["clang_base_path", "clang_version", "cc_wrapper", "v8_emulator", "v8_snapshot_toolchain"];

/// Whether an argument that no layer sets is worth a look by itself: V8's own, and Chromium's configuration of compilers.
/// Which commit of something is built, [`super::tree`] says.
fn matters(name: &str, declared: &Declared) -> bool {
    ["//v8/", "//build/config/"].iter().any(|folder| declared.file.starts_with(folder))
        && !name.ends_with("_revision")
}

/// Whether GN means the same by both.
fn same(one: &str, other: &str) -> bool {
    one.trim() == other.trim()
}

/// Flags that our compiler does not know: they are left out of every command.
pub fn flags(old: &Said, new: &Said) -> Vec<Finding> {
    let finding = |weight, kind, flag: &String, what: &str| {
        Finding::new(Area::Flags, weight, kind, flag, what.to_owned())
    };
    let (old, new) = (&old.unknown_flags, &new.unknown_flags);
    let unknown = "V8's build files begin to use it, and our clang does not know it: it is left out";
    let gone = "our clang does not know it; V8's build files no longer use it";
    let begin = new.difference(old).map(|flag| finding(Weight::Look, "unknown", flag, unknown));
    begin.chain(old.difference(new).map(|flag| finding(Weight::Note, "no-longer-used", flag, gone))).collect()
}

/// Macros that programs with V8's headers must define as the library was compiled.
pub fn defines(old: &Said, new: &Said) -> Vec<Finding> {
    let finding = |weight, kind, name: &str, what| Finding::new(Area::Defines, weight, kind, name, what);
    // The library's macros are V8's; without its header there is nothing of one side to compare.
    if old.defines.is_empty() || new.defines.is_empty() {
        let what = "not known: the C interface's part of the tree was not configured".to_owned();
        return vec![finding(Weight::Note, "not-known", "macros", what)];
    }
    let names: BTreeSet<&String> = old.defines.keys().chain(new.defines.keys()).collect();
    let difference = |name: &String| {
        let weight = if name.starts_with("CR_LIBCXX") { Weight::Note } else { Weight::Look };
        match (old.defines.get(name), new.defines.get(name)) {
            (Some(was), Some(is)) if was != is => {
                Some(finding(weight, "changed", name, format!("was {was}, and is {is}")))
            }
            (None, Some(is)) => Some(finding(weight, "new", name, format!("is defined now, as {is:?}"))),
            (Some(was), None) => {
                Some(finding(weight, "gone", name, format!("is no longer defined; it was {was:?}")))
            }
            _ => None,
        }
    };
    names.into_iter().filter_map(difference).collect()
}

/// The C++ standard, which programs with V8's headers must be compiled by.
pub fn standard(old: &Said, new: &Said) -> Option<Finding> {
    let (was, is) = old.standard.as_ref().zip(new.standard.as_ref())?;
    let what = format!("V8's headers were compiled as {was}, and are as {is}");
    (was != is).then(|| Finding::new(Area::Minimums, Weight::Look, "changed", "C++ standard", what))
}

/// What packaging would refuse after hours of compiling: paths of the table that are gone, sources that no part covers.
pub fn licences(table: &Table, tree: &Path, inputs: &BTreeSet<String>) -> Vec<Finding> {
    let finding = |kind, path: &str, what: &str| {
        Finding::new(Area::Licences, Weight::Blocks, kind, path, what.to_owned())
    };
    let gone = "licenses/parts.toml names it, and this V8 has it not";
    let mut findings: Vec<Finding> =
        table.stale_paths(tree).into_iter().map(|path| finding("gone", path, gone)).collect();
    let uncovered = table.parts_for(inputs.iter().map(String::as_str)).err().unwrap_or_default();
    let covered = "is compiled, and no part of licenses/parts.toml covers it";
    findings.extend(uncovered.iter().map(|path| finding("uncovered", path, covered)));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::Argument;

    fn said(declared: &[(&str, &str, &str)]) -> Said {
        let declared = declared.iter().map(|(name, default, file)| {
            let declared =
                Declared { default: (*default).into(), comment: String::new(), file: (*file).into() };
            ((*name).to_owned(), declared)
        });
        Said { declared: declared.collect(), ..Said::default() }
    }

    fn ours(set: &[(&str, &str)]) -> Arguments {
        let argument = |value: &str| Argument {
            value: value.into(),
            layer: "base".into(),
            reason: "why".into(),
            overrides: Vec::new(),
        };
        set.iter().map(|(name, value)| ((*name).to_owned(), argument(value))).collect()
    }

    fn lines(findings: Vec<Finding>) -> Vec<String> {
        findings.into_iter().map(|f| format!("{:?} {} {}: {}", f.weight, f.kind, f.subject, f.what)).collect()
    }

    #[test]
    fn arguments_that_are_set() {
        let check = |old: &Said, new: &Said, expected: &[&str]| {
            let set = ours(&[("x", "true")]);
            assert_eq!(lines(arguments(old, new, &set, &set)), expected);
        };
        let with = |default: &str| said(&[("x", default, "//v8/a.gni")]);
        check(&with("false"), &with("false"), &[]);
        check(&said(&[]), &with("false"), &[]);
        let gone = "Blocks gone x: there is no such argument, and base.gn sets true: gn gen would refuse it";
        check(&with("false"), &said(&[]), &[gone]);
        check(&said(&[]), &said(&[]), &[gone]);
        check(
            &with("false"),
            &with("true"),
            &["Note default-changed x: its default was false, and is true, which base.gn sets anyway"],
        );
        check(
            &with("true"),
            &with("false"),
            &["Look default-changed x: its default was true, and is false, base.gn sets true"],
        );
        let old = with("false");
        let found = lines(arguments(&old, &old, &ours(&[("x", "1")]), &ours(&[])));
        assert_eq!(
            found,
            ["Note left-out x: base.gn does not set it for this V8, as its Applies-to line says"]
        );
    }

    #[test]
    fn arguments_that_are_left_alone() {
        let none = ours(&[]);
        let old = said(&[
            ("a", "1", "//build/a.gni"),
            ("b", "false", "//v8/b.gni"),
            ("c", "1", "//build/config/c.gni"),
            ("clang_version", "\"1\"", "//c"),
        ]);
        let new = said(&[
            ("a", "2", "//build/a.gni"),
            ("c", "2", "//build/config/c.gni"),
            ("clang_version", "\"2\"", "//c"),
            ("n_off", "false", "//third_party/n.gni"),
            ("n_on", "true", "//third_party/n.gni"),
            ("v8_n", "false", "//v8/BUILD.gn"),
        ]);
        assert_eq!(
            lines(arguments(&old, &new, &none, &none)),
            [
                "Note default-changed a: its default was 1, and is 2",
                "Note dropped b: there is no such argument any more; it was false",
                "Look default-changed c: its default was 1, and is 2",
                "Note new n_off: new in //third_party/n.gni: false unless it is set",
                "Note new n_on: new in //third_party/n.gni: true unless it is set",
                "Look new v8_n: new in //v8/BUILD.gn: false unless it is set",
            ]
        );
    }

    #[test]
    fn flags_and_macros() {
        let mut old = said(&[]);
        let mut new = said(&[]);
        assert_eq!(defines(&old, &new)[0].kind, "not-known");
        old.unknown_flags = ["-fa", "-fb"].map(str::to_owned).into();
        new.unknown_flags = ["-fb", "-fc"].map(str::to_owned).into();
        let kinds: Vec<_> = flags(&old, &new).into_iter().map(|f| (f.weight, f.kind, f.subject)).collect();
        assert_eq!(
            kinds,
            [(Weight::Look, "unknown", "-fc".to_owned()), (Weight::Note, "no-longer-used", "-fa".to_owned())]
        );
        let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect();
        old.defines = map(&[("CR_LIBCXX_REVISION", "1"), ("V8_A", "0"), ("V8_B", "1")]);
        new.defines = map(&[("CR_LIBCXX_REVISION", "2"), ("V8_A", "1"), ("V8_C", "")]);
        assert_eq!(
            lines(defines(&old, &new)),
            [
                "Note changed CR_LIBCXX_REVISION: was 1, and is 2",
                "Look changed V8_A: was 0, and is 1",
                "Look gone V8_B: is no longer defined; it was \"1\"",
                "Look new V8_C: is defined now, as \"\"",
            ]
        );
    }
}
