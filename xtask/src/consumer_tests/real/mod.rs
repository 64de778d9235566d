//! An archive as its users use it: by the real tools, until JavaScript's result is printed; and refused where it does not fit.
//!
//! `cargo xtask test` says where an unpacked archive is and where tools may be fetched to; without that nothing is tested here.

mod cmake;
mod compile_time;
mod others;
mod pkg_config;
mod tools;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use v8_archive::Descriptor;

use self::tools::Tools;
use crate::{env, paths, process};

/// JavaScript, and what it is.
const SOURCE: &str = "[1, 2, 3].map(x => x * 14).at(-1) + ' ' + 'κόσμε'.length";
const VALUE: &str = "42 5\n";

/// A user with an unpacked archive, in a folder of their own.
struct User {
    folder: tempfile::TempDir,
    descriptor: Descriptor,
    archive: PathBuf,
    clangxx: PathBuf,
    clang_target: String,
    tools: &'static Tools,
}

impl User {
    /// Nothing if the tests are not to run.
    fn new() -> Option<User> {
        let (Some(from), Some(llvm), Some(tools)) =
            (env::test_archive(), env::test_llvm(), env::test_servers())
        else {
            eprintln!(
                "NOT TESTED: LIBV8_TEST_ARCHIVE, LIBV8_TEST_LLVM and LIBV8_TEST_SERVERS are not set, as cargo xtask test does"
            );
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        // Nothing may depend on where it is, nor on what its path is made of.
        let archive = folder.path().join("an archive/of V8+1");
        copy(&from, &archive);
        let json = fs::read(archive.join("V8.json")).unwrap();
        let descriptor = Descriptor::from_json(&json, "V8.json").unwrap();
        let matrix = crate::matrix::Matrix::load(&paths::repository()).unwrap();
        let clang_target = matrix.targets[&descriptor.target].clang_target.clone();
        let tools = Tools::in_folder(&tools);
        Some(User { folder, descriptor, archive, clangxx: llvm.join("bin/clang++"), clang_target, tools })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The pinned clang, as a user's: it makes programs for this system.
    fn clangxx(&self) -> Vec<String> {
        vec![self.clangxx.display().to_string(), format!("--target={}", self.clang_target)]
    }

    /// That the program prints the value of its argument.
    #[track_caller]
    fn prints_the_value(&self, program: &Path) {
        assert_eq!(good(process::command(program).arg(SOURCE)), VALUE, "{}", program.display());
    }
}

fn example(name: &str) -> PathBuf {
    paths::repository().join("examples").join(name)
}

/// What a program that must end well prints.
#[track_caller]
fn good(command: &mut Command) -> String {
    match process::read(command) {
        Ok(said) => said,
        Err(error) => panic!("{error}"),
    }
}

/// All that a program says that must not end well.
#[track_caller]
fn bad(command: &mut Command) -> String {
    let out = process::output(command).unwrap();
    let said = [out.stdout, out.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(!out.status.success(), "{} ended well:\n{said}", process::display(command));
    said
}

/// By hard links, where the file system has them.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else if fs::hard_link(&from, &to).is_err() {
            fs::copy(&from, &to).unwrap();
        }
    }
}
