//! pkg-config, and a compiler that is told the same words by `link-line`: C by the user's compiler, C++ by clang.

use super::*;
use crate::commands::link_line;
use crate::flags::{Language, LinkLine};

impl User {
    fn pkg_config(&self, words: &[&str]) -> String {
        let mut command = process::command(&self.tools.pkg_config);
        command.env("PKG_CONFIG_PATH", self.archive.join("lib/pkgconfig")).args(words);
        good(&mut command).trim().to_owned()
    }

    /// Compiles by a line for a shell, since it has quotes in it, and runs what comes out.
    fn compile(&self, compiler: &[String], source: &Path, line: &str, name: &str) {
        let out = self.path(name);
        let words: Vec<String> = compiler.iter().map(|word| process::quote(word.as_ref())).collect();
        let (source, to) = (process::quote(source.as_ref()), process::quote(out.as_ref()));
        good(process::command("sh").arg("-c").arg(format!("{} {source} {line} -o {to}", words.join(" "))));
        self.prints_the_value(&out);
    }
}

#[test]
fn pkg_config_says_all_that_compilers_need() {
    let Some(user) = User::new() else { return };
    let c = user.pkg_config(&["--cflags", "--libs", "v8-capi"]);
    user.compile(&["cc".to_owned()], &example("pkg-config/hello.c"), &c, "hello-c");
    let cxx = user.pkg_config(&["--cflags", "--libs", "v8"]);
    user.compile(&user.clangxx(), &example("cmake/hello.cc"), &cxx, "hello");
    assert_eq!(user.pkg_config(&["--modversion", "v8"]), user.descriptor.v8_version);
    assert_eq!(user.pkg_config(&["--variable=target", "v8-capi"]), user.descriptor.target);
    user.pkg_config(&["--validate", "v8", "v8-capi"]);
}

#[test]
fn the_example_of_pkg_config_is_made() {
    let Some(user) = User::new() else { return };
    let source = user.path("example");
    copy(&example("pkg-config"), &source);
    // A shell does not take quotes out of what a command gives it, so a Makefile's paths have no spaces.
    let archive = user.path("archive");
    copy(&user.archive, &archive);
    let mut make = process::command("make");
    make.arg("-C").arg(&source).arg(format!("PKG_CONFIG={}", user.tools.pkg_config.display()));
    good(make.arg(format!("PKG_CONFIG_PATH={}", archive.join("lib/pkgconfig").display())));
    user.prints_the_value(&source.join("hello"));
}

#[test]
fn link_line_says_all_that_compilers_need() {
    let Some(user) = User::new() else { return };
    let line = |language| link_line::line(&LinkLine { path: user.archive.clone(), language }).unwrap();
    user.compile(&["cc".to_owned()], &example("pkg-config/hello.c"), &line(Language::C), "hello-c");
    user.compile(&user.clangxx(), &example("cmake/hello.cc"), &line(Language::Cxx), "hello");
}
