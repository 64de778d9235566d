//! The table against all of `gn-args/`, and the settings of every target whole.

use super::*;
use crate::layers::{self, Argument};
use crate::matrix::Matrix;
use crate::source::{Kind, V8Version};
use crate::{env, paths, snapshot};

fn is_linux(row: &Target) -> bool {
    ["glibc", "musl"].contains(&row.libc.family.as_str())
}

/// The arguments of each target and variant.
fn all() -> Vec<(String, String, Target, Arguments)> {
    let repository = paths::repository();
    let matrix = Matrix::load(&repository).unwrap();
    let of_target = |(triple, row): (&String, &Target)| {
        let of_variant = |(name, variant): (&String, &crate::matrix::Variant)| {
            let layers = row.layers.iter().chain(&variant.layers);
            let arguments =
                layers::merge(&repository.join("gn-args"), layers, Kind::Node, V8Version([13, 6, 233, 17]))
                    .unwrap();
            (triple.clone(), name.clone(), row.clone(), arguments)
        };
        matrix.variants.iter().map(of_variant).collect::<Vec<_>>()
    };
    matrix.targets.iter().flat_map(of_target).collect()
}

const PLACES: Places<'_> =
    Places { overlay: "third_party/overlay", to_tree: "../../..", clang_major: 22, with_sccache: true };

#[test]
fn rows_are_sorted_and_each_is_of_some_layer() {
    assert!(TABLE.is_sorted_by_key(|(name, _)| name));
    let all = all();
    for (name, _) in TABLE {
        let is_known = all.iter().any(|(.., row, arguments)| is_linux(row) && arguments.contains_key(*name));
        assert!(is_known, "no layer has {name}");
    }
}

#[test]
fn every_linux_target_is_translated_and_no_other() {
    let folder = paths::repository().join("xtask/tests/snapshots/gyp");
    let mut count = 0;
    for (triple, variant, row, arguments) in all() {
        let settings = translate(&arguments);
        if !is_linux(&row) {
            let error = settings.unwrap_err().to_string();
            assert!(error.contains("target_os") || error.contains("use_sysroot"), "{triple}: {error}");
            continue;
        }
        let settings = settings.unwrap();
        let text = format!("{}configure {}\n", settings.file(&row, &PLACES), settings.configure().join(" "));
        snapshot::check(&folder.join(format!("{triple}-{variant}.gypi")), &text, env::update_snapshots());
        count += 1;
    }
    assert_eq!(count, std::fs::read_dir(&folder).unwrap().count(), "one snapshot for each, and no other");
}

fn with(changes: &[(&str, Option<&str>)]) -> Result<Settings> {
    let (.., mut arguments) =
        all().into_iter().find(|(_, variant, row, _)| is_linux(row) && variant == "lite").unwrap();
    for (name, value) in changes {
        match value {
            Some(value) => drop(arguments.insert(
                (*name).to_owned(),
                Argument {
                    value: (*value).to_owned(),
                    reason: "a test".to_owned(),
                    layer: "test".to_owned(),
                    overrides: Vec::new(),
                },
            )),
            None => drop(arguments.remove(*name)),
        }
    }
    translate(&arguments)
}

#[test]
fn what_the_table_does_not_know_is_refused_all_at_once() {
    let check = |changes: &[(&str, Option<&str>)], expected: &[&str]| {
        let error = with(changes).unwrap_err().to_string();
        for part in expected {
            assert!(error.contains(part), "{error}");
        }
    };
    check(
        &[("v8_new", Some("true")), ("is_debug", Some("true"))],
        &[
            "v8_new (test.gn): xtask/src/gyp/mod.rs has no row for it",
            "is_debug = true (test.gn): Node's build files know only false",
        ],
    );
    check(&[("v8_enable_maglev", Some("2"))], &["v8_enable_maglev = 2 (test.gn): gyp has no such value"]);
    check(&[("target_cpu", Some("\"arm\""))], &["target_cpu = arm (test.gn): gyp has no such value"]);
    check(&[("target_cpu", None)], &["target_cpu is not set"]);
}

#[test]
fn values_arrive() {
    let settings = with(&[("v8_enable_maglev", Some("true")), ("v8_jitless", Some("false"))]).unwrap();
    assert_eq!(settings.variables["v8_enable_maglev"], "1");
    assert_eq!(settings.defines, [""; 0]);
    assert_eq!(with(&[]).unwrap().defines, ["V8_JITLESS"]);
    assert_eq!(settings.left_out(), ["v8_zlib"]);
    assert_eq!(with(&[("v8_use_zlib", Some("true"))]).unwrap().left_out(), [""; 0]);
    assert!(settings.configure().contains(&"--with-intl=none".to_owned()));
    let intl = with(&[("v8_enable_i18n_support", Some("true"))]).unwrap();
    assert!(intl.configure().contains(&"--with-intl=full-icu".to_owned()));
}

#[test]
fn programs_of_another_processor_are_started_by_the_emulator() {
    let request = with(&[]).unwrap().request("/tree", "out/a", Some("overlay/bin/qemu"));
    assert_eq!(request["variables"]["emulator"], "../../overlay/bin/qemu");
    assert_eq!(request["settings"], json!(["out/a/libv8.gypi"]));
    assert_eq!(with(&[]).unwrap().request("/tree", "out/a", None)["variables"]["emulator"], Value::Null);
}
