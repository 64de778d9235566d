//! Rust programs for a target that is not this machine's: the C interface from `smoke/capi.rs`, and the embedding crate itself.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::plan::{CommandLine, Inputs};
use crate::consumer::utf8;
use crate::toolchain::rust::Rust;

/// The crate's tests of JavaScript and of limits are compiled and linked before they run, and cargo compiles with them what
/// only its other tests need: on two busy cores that alone took longer than ten minutes.
const TEST_LIMIT: Duration = Duration::from_secs(1800);

/// Compiler, linker and cargo for the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreign {
    /// Compiler and linker.
    pub rust: Rust,
    /// The user's cargo.
    pub cargo: PathBuf,
    /// An archiver for C code of dependencies.
    pub ar: PathBuf,
}

/// How a target's programs hold its libc. Targets with glibc are always dynamic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Libc {
    /// As rustc does without being asked: static for musl.
    Usual,
    /// musl as a shared library, from this folder.
    Shared,
}

impl Foreign {
    /// Flags of rustc; `musl` is musl's shared library, if there is one.
    pub fn flags(&self, libc: Libc, musl: Option<&Path>) -> Vec<String> {
        let mut flags = Vec::new();
        if let (Libc::Shared, Some(folder)) = (libc, musl.and_then(Path::parent)) {
            // The first folder with a libc wins, and the sysroot has the static one.
            flags.extend(["-C".to_owned(), "target-feature=-crt-static".to_owned()]);
            flags.extend(["-L".to_owned(), format!("native={}", utf8(folder))]);
        }
        flags.extend(self.rust.flags());
        flags
    }

    /// `cargo test` of `crates/libv8` with the archive, on the machine of the inputs; where that cannot run them, they are built.
    pub fn crate_tests(&self, inputs: &Inputs<'_>, libc: Libc) -> CommandLine {
        let linker = inputs.linker;
        let is_static = self.rust.is_musl() && libc == Libc::Usual;
        // Without a program, what is put in front of one.
        let (runner, mut words) = linker.machine.start(Path::new(""), is_static, None);
        words.insert(0, utf8(&runner));
        words.retain(|word| !word.is_empty());
        let mut arguments: Vec<String> =
            ["test", "--locked", "--package", "libv8", "--manifest-path"].map(str::to_owned).to_vec();
        arguments.push(utf8(&inputs.repository.join("Cargo.toml")));
        arguments.extend(["--target".to_owned(), linker.target.clone()]);
        // Beside the scratch folder, which is removed: dependencies are compiled once.
        let folder = inputs.scratch.with_file_name(format!("crate-{}", linker.target));
        arguments.extend(["--target-dir".to_owned(), utf8(&folder)]);
        arguments.extend(["--test", "javascript", "--test", "limits"].map(str::to_owned));
        arguments.extend(linker.machine.cannot_run.iter().map(|_| "--no-run".to_owned()));
        if !words.is_empty() {
            let words = serde_json::to_string(&words).expect("strings only");
            arguments.extend(["--config".to_owned(), format!("target.{}.runner={words}", linker.target)]);
        }
        let flags = self.flags(libc, linker.machine.musl.as_deref()).join("\u{1f}");
        let environment = vec![
            ("RUSTC", utf8(&self.rust.rustc)),
            ("RUSTC_WRAPPER", String::new()),
            // For the target alone, since there is a --target; the user's own flags are not for it.
            ("CARGO_ENCODED_RUSTFLAGS", flags),
            ("TARGET_CC", utf8(&self.rust.cc)),
            ("TARGET_AR", utf8(&self.ar)),
            ("LIBV8_ARCHIVE", utf8(inputs.archive)),
            ("LIBV8_VARIANT", inputs.descriptor.variant.clone()),
        ];
        let limit = TEST_LIMIT * linker.machine.patience();
        CommandLine { program: self.cargo.clone(), arguments, environment, limit }
    }
}

/// Tests that passed and that failed, by the lines `test result: ok. 3 passed; 0 failed; …` of test programs.
pub fn count(output: &str) -> (usize, usize) {
    let (mut passed, mut failed) = (0, 0);
    for line in output.lines().filter(|line| line.starts_with("test result: ")) {
        let number = |name: &str| -> usize {
            let before = line.split_once(name).map_or("", |(before, _)| before.trim_end());
            before.rsplit(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0)
        };
        passed += number("passed;");
        failed += number("failed;");
    }
    (passed, failed)
}
