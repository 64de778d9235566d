//! Which flags a compiler does not know, found by asking it.

use std::path::Path;

use crate::error::{Error, Result};
use crate::process;

/// What the flags are for: some are known for one language only (`-mmark-bti-property` for assembler).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// C and C++.
    Cxx,
    /// Assembler with a preprocessor.
    Assembler,
}

/// Those of `flags` that `clangxx` does not know, in their order.
///
/// One run names all unknown arguments, but hides the unknown warnings behind them: a second run finds those.
pub fn probe_flags(clangxx: &Path, language: Language, flags: &[String]) -> Result<Vec<String>> {
    let mut unknown: Vec<String> = Vec::new();
    loop {
        let known: Vec<&String> = flags.iter().filter(|flag| !unknown.contains(flag)).collect();
        let mut command = process::command(clangxx);
        command.args(match language {
            Language::Cxx => ["-fsyntax-only", "-x", "c++"].as_slice(),
            // Its flags reach only the assembler proper, so that it has to run.
            Language::Assembler => &["-c", "-x", "assembler-with-cpp", "-o", "-"],
        });
        command.arg("-Wunknown-warning-option").args(&known);
        // V8 asks for colours, which would stand in the middle of the messages.
        command.args(["-fno-color-diagnostics", "-"]);
        let out = process::output(&mut command)?;
        let said = String::from_utf8_lossy(&out.stderr);
        let named = unknown_in(&said);
        let new: Vec<String> =
            known.into_iter().filter(|flag| named.contains(&flag.as_str())).cloned().collect();
        if new.is_empty() {
            if !out.status.success() {
                return Err(process::failure(&command, out.status, &out.stderr, &out.stdout));
            }
            if let Some(strange) = named.first() {
                return Err(Error::failed(format!(
                    "{} does not know '{strange}', which is not its argument",
                    clangxx.display()
                )));
            }
            return Ok(flags.iter().filter(|flag| unknown.contains(flag)).cloned().collect());
        }
        unknown.extend(new);
    }
}

/// The flags that clang's messages call unknown.
fn unknown_in(stderr: &str) -> Vec<&str> {
    let phrases =
        ["error: unknown argument: '", "error: unknown argument '", "warning: unknown warning option '"];
    stderr
        .lines()
        .filter_map(|line| {
            phrases
                .iter()
                .find_map(|phrase| line.split_once(phrase)?.1.split_once('\''))
                .map(|(flag, _)| flag)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_clang_22() {
        // As printed by the clang 22.1.8 of zig 0.17.0, and by a clang under its own name.
        let said = "zig: error: unknown argument: '-fno-lifetime-dse'\n\
                    zig: error: unknown argument: '-fsanitize-ignore-for-ubsan-feature=array-bounds'\n\
                    clang: error: unknown argument '-fmodule'; did you mean '-fmodules'?\n\
                    warning: unknown warning option '-Wfoo' [-Wunknown-warning-option]\n\
                    warning: unknown warning option '-Wno-foo'; did you mean '-Wno-for'? [-Wunknown-warning-option]\n\
                    error: something else: '-x'\n";
        let flags = [
            "-fno-lifetime-dse",
            "-fsanitize-ignore-for-ubsan-feature=array-bounds",
            "-fmodule",
            "-Wfoo",
            "-Wno-foo",
        ];
        assert_eq!(unknown_in(said), flags);
    }

    #[cfg(unix)]
    #[test]
    fn warnings_hidden_behind_errors_are_found_too() {
        let folder = crate::toolchain::testing::Folder::new();
        let clang = folder.program(
            "clang++",
            "case \"$*\" in *-fnew*) echo \"c: error: unknown argument: '-fnew'\" >&2; exit 1;; \
             *-Wnew*) echo \"warning: unknown warning option '-Wnew' [-W]\" >&2;; esac",
        );
        let flags = ["-O2", "-Wnew", "-fnew"].map(str::to_owned);
        assert_eq!(probe_flags(&clang, Language::Cxx, &flags).unwrap(), ["-Wnew", "-fnew"]);
        assert_eq!(probe_flags(&clang, Language::Cxx, &flags[..1]).unwrap(), [""; 0]);
    }

    #[cfg(unix)]
    #[test]
    fn another_failure_is_not_taken_for_an_answer() {
        let folder = crate::toolchain::testing::Folder::new();
        let clang = folder.program("clang++", "echo 'c: error: no such file' >&2; exit 1");
        let error = probe_flags(&clang, Language::Cxx, &["-O2".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("no such file"), "{error}");
    }
}
