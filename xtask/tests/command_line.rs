//! The command line as a person meets it: every help text, and every refusal with its exit status, whole.

#![expect(clippy::disallowed_methods, reason = "starts the tool itself, and asks whether to write snapshots")]

#[path = "support/snapshot.rs"]
mod snapshot;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A cache folder of the test's own, with a blank in its name as the field has them.
struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> World {
        World { folder: tempfile::Builder::new().prefix("libv8 test ").tempdir().unwrap() }
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    /// Runs the tool with nothing of this machine's environment but the cache folder.
    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(arguments).env_clear().env("LIBV8_CACHE_DIR", self.cache());
        command.current_dir(self.folder.path()).output().unwrap()
    }

    /// What it was asked, how it ended and what it said, without this machine's paths.
    fn transcript(&self, arguments: &[&str]) -> String {
        let out = self.run(arguments);
        let mut text = format!("$ cargo xtask {}\n", arguments.join(" "));
        text.push_str(&String::from_utf8(out.stdout).unwrap());
        text.push_str(&String::from_utf8(out.stderr).unwrap());
        text.push_str(&format!("[exit status {}]\n\n", out.status.code().unwrap()));
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let text = text.replace(&self.cache().display().to_string(), "<cache>");
        let text = text.replace(&self.folder.path().display().to_string(), "<here>");
        without_keys(&text.replace(&repository.display().to_string(), "<repository>"))
    }
}

/// Folders are named by 16 digits of a key, which changes with every byte of `embed/`.
fn without_keys(text: &str) -> String {
    let is_digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(is_digit) {
        let length = rest[start..].find(|c| !is_digit(c)).unwrap_or(rest.len() - start);
        let (before, run) = (&rest[..start], &rest[start..start + length]);
        out.push_str(before);
        out.push_str(if length == 16 { "<key>" } else { run });
        rest = &rest[start + length..];
    }
    out + rest
}

fn check(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots").join(name);
    snapshot::check(&path, text, std::env::var_os("UPDATE_SNAPSHOTS").is_some());
}

/// The subcommands, as `--help` lists them.
fn subcommands(help: &str) -> Vec<&str> {
    let list = help.split_once("Commands:\n").unwrap().1.split_once("\n\n").unwrap().0;
    list.lines().filter_map(|line| line.split_whitespace().next()).collect()
}

#[test]
fn help_of_every_subcommand() {
    let world = World::new();
    let mut text = world.transcript(&["--help"]);
    let commands = text.clone();
    for command in subcommands(&commands) {
        text.push_str(&world.transcript(&[command, "--help"]));
    }
    check("help.txt", &text);
    assert!(!world.cache().exists(), "help writes nothing");
}

#[test]
fn bad_input_ends_with_2_and_says_what_to_do() {
    let world = World::new();
    let mut text = String::new();
    for line in [
        "bake",
        "build-v8 --target pdp11-unknown-unix",
        "build-v8 --target all --target pdp11-unknown-unix",
        "build-v8 --target all-pdp11",
        "build-v8 --variant turbo",
        "build-v8 --source git",
        "build-v8 --archive-format rar",
        "build-v8 --deadline 90",
        "build-v8 --deadline 1d",
        "build-v8 --jobs 0",
        "build-v8 --jobs many",
        "build-v8 --colour",
        "plan --target pdp11-unknown-unix",
        "plan --format xml",
        "doctor --variant turbo",
        "toolchain --target pdp11-unknown-unix",
        "source --target pdp11-unknown-unix",
        "plan --crate-version 149",
        "plan --source depot-tools --crate-version 149.4.0",
        "roll",
        "roll --to 152.2.0",
        "roll --to 15.2",
        "roll --to 149.4.0 --from 149.4.0",
        "roll --to 149.4.0 --target pdp11-unknown-unix",
        "roll --to 149.4.0 --apply --check",
        "roll --to 149.4.0 --mirror svn=x",
        "package --target x86_64-unknown-linux-gnu",
        "verify",
        "verify no-such-file.tar.zst",
        "link-line",
        "link-line no-such-file.tar.zst",
        "link-line x --language java",
        "smoke",
        "smoke no-such-file.tar.zst",
        "publish",
        "publish --to elsewhere",
        "publish --to oci://me:secret@host/name",
        "publish --to dir:store --target pdp11-unknown-unix",
        "publish --to dir:store --variant turbo",
        "publish --to dir:store --absent x",
        "publish --to dir:store --release 1.2.3.4-1",
        "publish --to dir:store --expires-in 1h",
        "publish --to dir:store",
        "publish --to dir:store --new-key key",
        "lock --from dir:store --key nonsense",
        "test --deadline soon",
        "report --target x86_64-unknown-linux-gnu",
        "report --target all-linux",
        "report --variant turbo",
        "bench --only hot",
        "bench --sample 0",
        "bench --from x",
        "bench --compare one two",
        "bench --objects-identical --compare one",
        "bench --objects-identical --only cold",
        "clean --everything",
        "cache export x.cache",
        "cache export x.cache --target all",
        "cache export x.cache --variant turbo",
        "cache export x.cache --max-size much",
        "cache import",
        "cache import no-such-file",
        "ci matrix --format yaml",
        "ci simulate --slice soon",
        "completions tcsh",
    ] {
        let arguments: Vec<&str> = line.split_whitespace().collect();
        let transcript = world.transcript(&arguments);
        assert!(transcript.ends_with("[exit status 2]\n\n"), "{transcript}");
        text.push_str(&transcript);
    }
    check("refusals.txt", &text);
    assert!(!world.cache().exists(), "a refusal writes nothing");
}

#[test]
fn a_bad_cache_ends_with_2_and_its_password_is_not_shown() {
    let world = World::new();
    for (name, value) in [("LIBV8_CACHE", "redis://me:s3cret@host:port"), ("LIBV8_CACHE_MODE", "ro")] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(["build-v8", "--dry-run"]).env_clear();
        let out = command.env("LIBV8_CACHE_DIR", world.cache()).env(name, value).output().unwrap();
        let said = String::from_utf8(out.stderr).unwrap();
        assert_eq!(out.status.code(), Some(2), "{said}");
        assert!(said.contains(&format!("error: {name} is \"")) && said.contains("help: "), "{said}");
        assert!(!said.contains("s3cret"), "{said}");
    }
}

#[test]
fn a_mirror_with_a_password_ends_with_2_and_it_is_not_shown() {
    let mirror = ["--source", "depot-tools", "--mirror", "git=https://ci:s3cret@host/v8"];
    for command in ["plan", "build-v8", "source", "doctor"] {
        let out = World::new().run(&[&[command], &mirror[..]].concat());
        let said = String::from_utf8(out.stderr).unwrap();
        assert_eq!(out.status.code(), Some(2), "{said}");
        assert!(!said.contains("s3cret"), "{said}");
    }
}

#[test]
fn an_archive_that_is_none_is_a_failure_and_no_crash() {
    let world = World::new();
    std::fs::write(world.folder.path().join("no.tar.zst"), "no archive").unwrap();
    check(
        "not-an-archive.txt",
        &["verify", "link-line", "smoke"].map(|command| world.transcript(&[command, "no.tar.zst"])).concat(),
    );
}

#[test]
fn every_planned_target_is_planned_and_not_built() {
    let world = World::new();
    let list = world.run(&["targets", "--format", "json"]).stdout;
    let list: serde_json::Value = serde_json::from_slice(&list).unwrap();
    let targets = list["targets"].as_array().unwrap();
    assert_eq!(targets.len(), 10);
    for row in targets {
        let target = row["target"].as_str().unwrap();
        assert_eq!(world.run(&["plan", "--target", target]).status.code(), Some(0), "{target}");
        if row["builds"] == false {
            let out = world.run(&["build-v8", "--target", target]);
            assert_eq!(out.status.code(), Some(2), "{target}");
            let said = String::from_utf8(out.stderr).unwrap();
            let (reason, help) = said
                .strip_prefix(&format!("error: {target} is planned only: "))
                .and_then(|said| said.split_once('\n'))
                .unwrap_or_else(|| panic!("{said}"));
            // What the user can hand in goes before what the row says.
            let wants_sdk = reason.contains("needs Windows' SDK, and LIBV8_WINDOWS_SDK names no folder");
            assert!(reason == row["reason"] || (wants_sdk && target.ends_with("-msvc")), "{said}");
            let expected =
                format!("  help: cargo xtask plan --target {target} --variant release   shows the plan\n");
            assert_eq!(help, expected);
        }
    }
    assert!(!world.cache().exists(), "planning writes nothing");
}

#[test]
fn a_plan_is_the_dry_run() {
    let world = World::new();
    for variant in ["release", "lite"] {
        let arguments = ["--target", "x86_64-unknown-linux-gnu", "--variant", variant];
        let plan = world.run(&[&["plan"], &arguments[..]].concat());
        let dry_run = world.run(&[&["build-v8", "--dry-run"], &arguments[..]].concat());
        assert_eq!(plan.status.code(), Some(0));
        assert_eq!(plan.stdout, dry_run.stdout);
        let json = world.run(&[&["plan", "--format", "json"], &arguments[..]].concat());
        let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
        assert_eq!(json[0]["variant"], variant);
    }
    assert!(!world.cache().exists(), "planning writes nothing");
}

#[test]
fn clean_of_nothing_says_so_and_clean_removes_only_its_own() {
    let world = World::new();
    check("clean.txt", &world.transcript(&["clean"]));
    let at = |name: &&str| world.cache().join(name);
    let keep = ["downloads/x", "node/x"];
    let lose = ["source/x", "publish/work/x", "bundle/x", "bundle-7/x"];
    let others = ["prebuilt/x", "bundles/x"];
    for file in keep.iter().chain(&lose).chain(&others).map(at) {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, "x").unwrap();
    }
    let are_there = |names: &[&str]| names.iter().all(|name| at(name).exists());
    let are_gone = |names: &[&str]| !names.iter().any(|name| at(name).exists());
    world.run(&["clean", "--dry-run"]);
    assert!(are_there(&lose), "a dry run removes nothing");
    world.run(&["clean"]);
    assert!(are_gone(&lose) && are_there(&keep));
    world.run(&["clean", "--downloads"]);
    assert!(are_gone(&keep) && are_there(&others));
}

#[test]
fn completions_know_every_subcommand() {
    let world = World::new();
    let help = String::from_utf8(world.run(&["--help"]).stdout).unwrap();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = String::from_utf8(world.run(&["completions", shell]).stdout).unwrap();
        for command in subcommands(&help) {
            assert!(script.contains(command), "{command} in {shell}");
        }
    }
}

#[test]
fn keys_are_taken_out_and_nothing_else() {
    assert_eq!(without_keys("v8-152.2.0-0123456789abcdef/out"), "v8-152.2.0-<key>/out");
    assert_eq!(without_keys("0123456789abcdef0"), "0123456789abcdef0");
}

#[test]
fn a_difference_shows_the_lines_that_differ() {
    assert_eq!(snapshot::difference("a\nb\nc\nd\n", "a\nx\nd\n"), "  line 2\n    a\n  - b\n  - c\n  + x\n");
}
