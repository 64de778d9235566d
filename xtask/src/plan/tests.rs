//! Plans of every target and variant, whole: a change of a layer, a patch or a row shows where it arrives.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::{env, paths, snapshot};

/// The plans of all targets in all variants, as this repository has them.
fn all(cache: &str, change: impl FnOnce(&mut Matrix)) -> Vec<Plan> {
    let repository = paths::repository();
    let mut matrix = Matrix::load(&repository).unwrap();
    change(&mut matrix);
    let cache = Cache::at(PathBuf::from(cache));
    let inputs = testing::inputs(&repository, &matrix, &cache);
    let of_variant = |variant: &String| {
        let output = Some(PathBuf::from(cache.root()).join("artifacts"));
        let what = What { output, ..What::of(matrix.targets.keys().cloned().collect(), variant) };
        plans(&inputs, &what).unwrap()
    };
    matrix.variants.keys().flat_map(of_variant).collect()
}

/// What a reviewer reads of a plan; the build id and the tree's key change with every byte of `embed/`, and stay out.
fn review(plan: &Plan) -> String {
    let mut text = format!("{} {} {}\n", plan.v8_version, plan.target, plan.variant);
    let state = plan.planned_only.as_ref().map_or("built".to_owned(), |why| format!("planned only: {why}"));
    text.push_str(&format!("state: {state}\n"));
    let archive = plan.archive.file_name().unwrap().to_string_lossy();
    let out = plan.out.strip_prefix(&plan.source.folder).unwrap().display();
    text.push_str(&format!("archive: {archive}\nbuilt in: <tree>/{out}\n"));
    let source = &plan.source;
    let source::Origin::Crate { package, icu_data } = &source.origin else {
        panic!("{:?} is no package", source.origin);
    };
    for package in [package, icu_data] {
        text.push_str(&format!("source: {} {} {}\n", package.package, package.version, package.sha256));
    }
    source.patches.iter().for_each(|patch| text.push_str(&format!("patch: {}\n", patch.name)));
    for (name, there) in &plan.features {
        text.push_str(&format!("feature: {name} = {there}\n"));
    }
    text.push_str(&format!("libc: {} {}\n", plan.row.libc.family, plan.row.libc.floor));
    let lists = [("system library", &plan.row.system_libraries), ("framework", &plan.row.frameworks)];
    for (what, names) in lists {
        names.iter().for_each(|name| text.push_str(&format!("{what}: {name}\n")));
    }
    for (name, argument) in &plan.gn_args {
        let history =
            argument.overrides.iter().map(|layer| format!(", overrides {layer}")).collect::<String>();
        text.push_str(&format!("gn: {name} = {} ({}{history})\n", argument.value, argument.layer));
    }
    text
}

#[test]
fn every_plan_is_its_snapshot() {
    let folder = paths::repository().join("xtask/tests/snapshots/plans");
    let mut expected = BTreeSet::new();
    for plan in all("cache", |_| {}) {
        let name = format!("{}-{}.txt", plan.target, plan.variant);
        snapshot::check(&folder.join(&name), &review(&plan), env::update_snapshots());
        expected.insert(name);
    }
    let there: BTreeSet<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(there, expected, "one snapshot for each plan, and no other");
}

#[test]
fn each_plan_has_a_build_id_of_its_own_that_names_no_machine() {
    let ids = |cache: &str| -> BTreeMap<String, String> {
        all(cache, |_| {})
            .into_iter()
            .map(|plan| (plan.build_id.to_string(), format!("{} {}", plan.target, plan.variant)))
            .collect()
    };
    let here = ids("here");
    assert_eq!(here.len(), all("here", |_| {}).len(), "two plans share a build id");
    assert_eq!(here, ids("somewhere else"), "the cache folder is part of a build id");
}

#[test]
fn what_changes_bytes_changes_the_build_id() {
    let id =
        |change: fn(&mut Matrix)| all("cache", change).into_iter().map(|plan| plan.build_id).next().unwrap();
    let plain = id(|_| {});
    let check = |what: &str, same: bool, change: fn(&mut Matrix)| {
        assert_eq!(id(change) == plain, same, "{what}");
    };
    fn first(matrix: &mut Matrix) -> &mut Target {
        matrix.targets.values_mut().next().expect("there are targets")
    }
    check("libc floor", false, |matrix| first(matrix).libc.floor = "1.0".into());
    check("system libraries", false, |matrix| first(matrix).system_libraries.push("x".into()));
    check("frameworks", false, |matrix| first(matrix).frameworks.push("x".into()));
    check("a layer less", false, |matrix| drop(first(matrix).layers.pop()));
    check("V8's digest", false, |matrix| matrix.sources.registry.sha256 = "0".repeat(64));
    check("ICU's version", false, |matrix| matrix.sources.registry.icu_data.version = "0.1.0".into());
    check("the compiler", false, |matrix| matrix.tools.zig.version = "9.9.9".into());
    check("ninja", true, |matrix| matrix.tools.ninja.version = "9.9.9".into());
    check("a summary", true, |matrix| {
        matrix.variants.values_mut().for_each(|variant| variant.summary = "other".into());
    });
}

/// The names of a folder's files, without the ending that selects them.
fn stems(folder: &str, ending: &str) -> BTreeSet<String> {
    std::fs::read_dir(paths::repository().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == ending))
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect()
}

#[test]
fn every_layer_is_read_by_somebody() {
    let matrix = Matrix::load(&paths::repository()).unwrap();
    let used: BTreeSet<String> = matrix
        .targets
        .values()
        .flat_map(|target| &target.layers)
        .chain(matrix.variants.values().flat_map(|variant| &variant.layers))
        .cloned()
        .collect();
    assert_eq!(used, stems("gn-args", "gn"));
}

#[test]
fn every_patch_applies_to_some_target() {
    let others = Matrix::load(&paths::repository()).unwrap().sources.registry.others;
    let of_another = |other: &crate::matrix::OtherVersion| {
        all("cache", |matrix| {
            matrix.v8.version.clone_from(&other.v8);
            matrix.sources.registry.version.clone_from(&other.version);
        })
    };
    let plans = all("cache", |_| {}).into_iter().chain(others.iter().flat_map(of_another));
    let plans = plans.chain(of_node(|_| {}, "lite"));
    let used: BTreeSet<String> = plans.flat_map(|plan| plan.source.patches).map(|patch| patch.name).collect();
    assert_eq!(used, stems("patches", "patch"));
}

#[test]
fn every_archive_says_of_every_feature_whether_it_is_there() {
    let plans = all("cache", |_| {});
    let names = |plan: &Plan| plan.features.keys().cloned().collect::<Vec<_>>();
    assert!(
        plans.iter().all(|plan| names(plan) == names(&plans[0])),
        "a feature is true or false everywhere"
    );
}

#[test]
fn a_planned_target_is_planned_and_refused() {
    for plan in all("cache", |_| {}) {
        match (&plan.planned_only, buildable(vec![plan.clone()])) {
            (None, Ok((can, cannot))) => assert_eq!((can.len(), cannot.len()), (1, 0)),
            (Some(reason), Err(error)) => {
                assert_eq!(error.exit_code(), 2);
                assert!(error.to_string().contains(reason.as_str()), "{error}");
            }
            (state, result) => panic!("{}: {state:?} and {result:?}", plan.target),
        }
    }
}

/// The first two targets can be built and the others cannot; `by_name` are the numbers of those that were named.
fn four(by_name: &[usize]) -> Result<(Vec<Plan>, Vec<Plan>)> {
    let reason = |number: usize| (number >= 2).then(|| format!("reason {number}"));
    let plans = all("cache", |_| {}).into_iter().take(4).enumerate().map(|(number, plan)| Plan {
        planned_only: reason(number),
        by_name: by_name.contains(&number),
        ..plan
    });
    buildable(plans.collect())
}

#[test]
fn all_leaves_out_what_cannot_be_built_and_a_name_does_not() {
    for by_name in [&[] as &[usize], &[0], &[0, 1]] {
        let (can, cannot) = four(by_name).unwrap();
        assert_eq!((can.len(), cannot.len()), (2, 2));
        assert!(can.iter().all(Plan::is_wanted) && !cannot.iter().any(Plan::is_wanted));
    }
    let check = |by_name: &[usize], named: &[&str], not_named: &[&str]| {
        let error = four(by_name).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        let text = error.to_string();
        named.iter().for_each(|reason| assert!(text.contains(reason), "{text}"));
        not_named.iter().for_each(|reason| assert!(!text.contains(reason), "{text}"));
    };
    check(&[0, 2], &["reason 2"], &["reason 3"]);
    check(&[3, 2], &["reason 2", "reason 3"], &[]);
    let none = all("cache", |_| {}).into_iter().take(2).map(|plan| Plan {
        planned_only: Some("reason".to_owned()),
        by_name: false,
        ..plan
    });
    assert_eq!(buildable(none.collect()).unwrap_err().exit_code(), 2);
}

/// GN would look for Visual Studio, for want of the patches that tell it of MinGW, and nobody would know why.
#[test]
fn a_source_without_the_patches_of_a_system_is_refused() {
    let plans = testing::every_target();
    for plan in &plans {
        let of_system =
            |patch: &&source::patch::Patch| !plans.iter().all(|other| patch.is_for(&other.target));
        let version = plan.source.v8_version;
        let lacks = |kind| {
            let mut of_system = plan.source.patches.iter().filter(of_system);
            of_system.any(|patch| !patch.applies_to(kind, version, &plan.target))
        };
        let refused = |kind| not_from(kind, &plan.row.libc.family).is_some();
        let kind = source::Kind::DepotTools;
        assert_eq!(lacks(kind), refused(kind), "{}", plan.target);
        assert!(!refused(source::Kind::Crate));
    }
}

/// Plans of Node's V8, for all targets.
fn of_node(change: impl FnOnce(&mut node::Looked), variant: &str) -> Vec<Plan> {
    let repository = paths::repository();
    let matrix = Matrix::load(&repository).unwrap();
    let cache = Cache::at(PathBuf::from("cache"));
    let mut looked = node::looked_for_tests();
    change(&mut looked);
    let inputs = Inputs { node: Some(&looked), ..testing::inputs(&repository, &matrix, &cache) };
    let output = Some(PathBuf::from("/artifacts"));
    let source = Some(SourceKind::Node);
    let targets = matrix.targets.keys().cloned().collect();
    plans(&inputs, &What { output, source, ..What::of(targets, variant) }).unwrap()
}

#[test]
fn plans_of_nodes_v8_are_their_snapshots() {
    let folder = paths::repository().join("xtask/tests/snapshots/node-plans");
    for plan in ["lite", "release"].into_iter().flat_map(|variant| of_node(|_| {}, variant)) {
        assert_eq!(plan.gyp.is_some(), plan.planned_only.is_none(), "{}", plan.target);
        if plan.planned_only.is_some() {
            continue;
        }
        assert!(plan.out.ends_with(format!("{}-{}/Release", plan.target, plan.variant)));
        // Both change with every byte of embed/.
        let text = plan
            .text(false)
            .replace(&plan.build_id.to_string(), "<build id>")
            .replace(&plan.source.key[..16], "<key>")
            .replace('\\', "/");
        snapshot::check(
            &folder.join(format!("{}-{}.txt", plan.target, plan.variant)),
            &text,
            env::update_snapshots(),
        );
    }
}

#[test]
fn all_linux_targets_share_one_tree_of_node() {
    let trees: BTreeSet<PathBuf> = of_node(|_| {}, "lite")
        .into_iter()
        .filter(|plan| plan.planned_only.is_none())
        .map(|plan| plan.source.folder)
        .collect();
    assert_eq!(trees.len(), 1, "{trees:?}");
}

#[test]
fn another_tarball_or_runtime_is_another_archive_of_nodes_v8() {
    let id = |change: &dyn Fn(&mut node::Looked)| of_node(change, "lite")[0].build_id;
    let first = id(&|_| {});
    assert_eq!(id(&|_| {}), first);
    assert_ne!(id(&|looked| looked.sha256 = "25".repeat(32)), first);
    assert_ne!(id(&|looked| looked.runtime.sha256 = "16".repeat(32)), first);
    let crates = all("cache", |_| {});
    assert!(crates.iter().all(|plan| plan.build_id != first && plan.gyp.is_none()));
}

/// The compiler is told the lowest macOS by GN, users by the descriptor.
#[test]
fn the_lowest_macos_is_one_number() {
    let of_macos: Vec<Plan> =
        all("cache", |_| {}).into_iter().filter(|plan| plan.row.libc.family == "libSystem").collect();
    assert!(!of_macos.is_empty());
    for plan in of_macos {
        let expected = format!("{:?}", plan.row.libc.floor);
        for name in ["mac_deployment_target", "mac_min_system_version"] {
            assert_eq!(plan.gn_args[name].value, expected, "{} {name}", plan.target);
        }
    }
}

#[test]
fn an_sdk_is_part_of_the_build_id_and_its_want_refuses_the_plan() {
    let repository = paths::repository();
    let matrix = Matrix::load(&repository).unwrap();
    let cache = Cache::at(PathBuf::from("cache"));
    let sdk = tempfile::tempdir().unwrap();
    let folders = crate::toolchain::sdk::Folders { windows: None, apple: Some(sdk.path().to_owned()) };
    let of_user = Inputs { sdks: &folders, ..testing::inputs(&repository, &matrix, &cache) };
    let of_none = testing::inputs(&repository, &matrix, &cache);
    let what = What::of(vec!["all".to_owned()], matrix.variants.keys().next().unwrap());
    let ids = |inputs: &Inputs<'_>| -> BTreeMap<String, Sha256> {
        plans(inputs, &what).unwrap().into_iter().map(|plan| (plan.target, plan.build_id)).collect()
    };
    let refused: Vec<Plan> = plans(&of_user, &what)
        .unwrap()
        .into_iter()
        .filter(|plan| plan.row.libc.family == "libSystem")
        .collect();
    assert!(
        refused.iter().all(|plan| plan.planned_only.as_ref().unwrap().contains("which has no usr/include"))
    );
    let without = ids(&of_none);
    for path in
        ["usr/include/stdio.h", "usr/lib/libSystem.tbd", "System/Library/Frameworks/x", "SDKSettings.json"]
    {
        let path = sdk.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "{}").unwrap();
    }
    let with = ids(&of_user);
    let changed: Vec<&String> = without.keys().filter(|target| without[*target] != with[*target]).collect();
    let of_macos: Vec<&String> = refused.iter().map(|plan| &plan.target).collect();
    assert_eq!(changed, of_macos);
    for plan in plans(&of_user, &what).unwrap() {
        assert_eq!(
            plan.text(false).contains("\n  SDK "),
            plan.row.libc.family == "libSystem",
            "{}",
            plan.target
        );
    }
}
