//! Whether this checkout's plan is the one an archive was made by, and what of it is another.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use v8_archive::Descriptor;

use crate::package::gn_value;
use crate::plan::Plan;

/// Why two build ids differ, as far as a descriptor can tell; never empty. `tools` are this checkout's, with their versions.
pub fn differences(plan: &Plan, tools: &[(&str, &str)], descriptor: &Descriptor) -> Vec<String> {
    let mut found = Vec::new();
    let mut value = |name: &str, ours: &dyn Debug, its: &dyn Debug| {
        let (ours, its) = (format!("{ours:?}"), format!("{its:?}"));
        if ours != its {
            found.push(format!("{name}: {ours} here, {its} in the archive"));
        }
    };
    let (source, package) = (&descriptor.source, plan.source.origin.described());
    value("V8's version", &plan.v8_version, &descriptor.v8_version);
    value("source", &plan.source.kind.name(), &source.kind);
    value("source's package", &package.package, &source.package);
    value("source's version", &package.version, &source.version);
    value("source's sha256", &package.sha256, &source.sha256.to_string());
    value("libc's floor", &plan.row.libc.floor, &descriptor.libc.floor);
    value("system libraries", &plan.row.system_libraries, &descriptor.system_libraries);
    value("frameworks", &plan.row.frameworks, &descriptor.frameworks);
    let ours = plan.gn_args.iter().map(|(name, argument)| (name.as_str(), gn_value(&argument.value)));
    let its = descriptor.gn_args.iter().map(|(name, value)| (name.as_str(), value.clone()));
    pairs("GN argument", ours, its, &mut found);
    let ours = plan.features.iter().map(|(name, is)| (name.as_str(), is));
    pairs("feature", ours, descriptor.features.iter().map(|(name, is)| (name.as_str(), is)), &mut found);
    let ours = plan.source.patches.iter().map(|patch| (patch.name.as_str(), patch.sha256.clone()));
    let its = descriptor.patches.iter().map(|patch| (patch.name.as_str(), patch.sha256.to_string()));
    pairs("patch", ours, its, &mut found);
    let its = descriptor.toolchain.iter().map(|tool| (tool.name.as_str(), tool.version.as_str()));
    pairs("tool", tools.iter().copied(), its, &mut found);
    if found.is_empty() {
        found.push(
            "what differs is not listed in a descriptor: embed/, licenses/, the package of ICU's data, the sysroot's \
             recipe, or the way in which the tool makes archives"
                .to_owned(),
        );
    }
    found
}

/// Names that only one side has, and values that differ.
fn pairs<'a, T: Debug + PartialEq>(
    what: &str,
    ours: impl Iterator<Item = (&'a str, T)>,
    its: impl Iterator<Item = (&'a str, T)>,
    found: &mut Vec<String>,
) {
    let (ours, its): (BTreeMap<&str, T>, BTreeMap<&str, T>) = (ours.collect(), its.collect());
    for name in ours.keys().chain(its.keys()).copied().collect::<BTreeSet<_>>() {
        match (ours.get(name), its.get(name)) {
            (Some(one), Some(other)) if one == other => {}
            (Some(one), Some(other)) => {
                found.push(format!("{what} {name}: {one:?} here, {other:?} in the archive"));
            }
            (Some(_), None) => found.push(format!("{what} {name}: only here")),
            (None, _) => found.push(format!("{what} {name}: only in the archive")),
        }
    }
}

#[cfg(test)]
mod tests {
    use v8_archive::descriptor::{GnValue, Patch, Tool};
    use v8_archive::{FORMAT, Sha256};

    use super::*;
    use crate::verify::sample::Sample;

    const TOOLS: &[(&str, &str)] = &[("zig", "0.17.0")];

    /// A plan of this repository, and the descriptor that its archive would have.
    fn pair() -> (Plan, Descriptor) {
        let plan = crate::plan::testing::every_target().remove(0);
        let sample = Sample::good().descriptor;
        let digest = |text: &str| text.parse::<Sha256>().unwrap();
        let package = plan.source.origin.described();
        let descriptor = Descriptor {
            format: FORMAT,
            v8_version: plan.v8_version.clone(),
            source: v8_archive::descriptor::Source {
                kind: plan.source.kind.name().to_owned(),
                package: package.package,
                version: package.version,
                sha256: digest(&package.sha256),
            },
            patches: plan
                .source
                .patches
                .iter()
                .map(|patch| Patch { name: patch.name.clone(), sha256: digest(&patch.sha256) })
                .collect(),
            gn_args: plan.gn_args.iter().map(|(name, arg)| (name.clone(), gn_value(&arg.value))).collect(),
            system_libraries: plan.row.system_libraries.clone(),
            frameworks: plan.row.frameworks.clone(),
            libc: v8_archive::descriptor::Libc { floor: plan.row.libc.floor.clone(), ..sample.libc },
            features: plan.features.clone(),
            toolchain: vec![Tool {
                name: "zig".into(),
                version: "0.17.0".into(),
                sha256: Sha256::of_bytes(b""),
            }],
            ..sample
        };
        (plan, descriptor)
    }

    #[test]
    fn what_differs_is_named_with_both_values() {
        let check = |edit: fn(&mut Descriptor), expected: &[&str]| {
            let (plan, mut descriptor) = pair();
            edit(&mut descriptor);
            assert_eq!(differences(&plan, TOOLS, &descriptor), expected);
        };
        let unlisted = "what differs is not listed in a descriptor: embed/, licenses/, the package of ICU's data, the \
                        sysroot's recipe, or the way in which the tool makes archives";
        check(|_| {}, &[unlisted]);
        check(
            |it| it.source.version = "1.0.0".into(),
            &["source's version: \"152.2.0\" here, \"1.0.0\" in the archive"],
        );
        check(
            |it| drop(it.gn_args.insert("is_debug".into(), GnValue::Bool(true))),
            &["GN argument is_debug: Bool(false) here, Bool(true) in the archive"],
        );
        check(|it| drop(it.gn_args.remove("is_debug")), &["GN argument is_debug: only here"]);
        check(
            |it| drop(it.gn_args.insert("odd".into(), GnValue::Integer(1))),
            &["GN argument odd: only in the archive"],
        );
        check(
            |it| it.toolchain[0].version = "0.16.0".into(),
            &["tool zig: \"0.17.0\" here, \"0.16.0\" in the archive"],
        );
        check(
            |it| it.toolchain[0].name = "clang".into(),
            &["tool clang: only in the archive", "tool zig: only here"],
        );
        check(|it| it.frameworks.push("X".into()), &["frameworks: [] here, [\"X\"] in the archive"]);
    }

    #[test]
    fn patches_are_compared_by_name_and_digest() {
        let (plan, descriptor) = pair();
        let first = &plan.source.patches[0];
        let mut removed = descriptor.clone();
        removed.patches.remove(0);
        assert_eq!(differences(&plan, TOOLS, &removed), [format!("patch {}: only here", first.name)]);
        let mut changed = descriptor;
        changed.patches[0].sha256 = Sha256::of_bytes(b"");
        let expected = format!(
            "patch {}: {:?} here, {:?} in the archive",
            first.name,
            first.sha256,
            Sha256::of_bytes(b"").to_string()
        );
        assert_eq!(differences(&plan, TOOLS, &changed), [expected]);
    }
}
