//! The overlay's `bin/`: small scripts that give zig's clang, lld and ar the names under which GN calls them.
//!
//! sccache's key holds the bytes of `clang` and `clang++`. So they name the compiler by version and digest, and hold no path of the machine:
//! equal toolchains give equal keys everywhere.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{IoContext as _, Result};

/// What the scripts start.
#[derive(Debug, Clone)]
pub struct Programs {
    /// The compiler.
    pub compiler: Compiler,
    /// Major version, the name of the folder below `lib/clang`.
    pub clang_major: u32,
    /// sccache, relative to the overlay.
    pub sccache: String,
    /// The Python found on this machine, which may have no `python`.
    pub python: PathBuf,
}

/// Where clang comes from.
#[derive(Debug, Clone)]
pub enum Compiler {
    /// Zig's, unpacked inside the overlay.
    Zig {
        /// Relative to the overlay.
        program: String,
        /// Of the package.
        version: String,
        /// Of the wheel.
        sha256: String,
    },
    /// The user's own folder with `bin/`.
    Own {
        /// The folder.
        folder: PathBuf,
        /// What `clang++ --version` says first.
        version: String,
    },
}

/// File name and text of every script.
pub fn scripts(programs: &Programs) -> Vec<(&'static str, String)> {
    let sccache = format!("#!/bin/sh\nexec \"${{0%/*}}/../{}\" \"$@\"\n", programs.sccache);
    let python = format!("#!/bin/sh\nexec {} \"$@\"\n", quote(&programs.python));
    let mut all = match &programs.compiler {
        Compiler::Zig { program, version, sha256 } => {
            let resources = format!("-B\"$d/bin\" -resource-dir \"$d/lib/clang/{}\"", programs.clang_major);
            let head = format!("#!/bin/sh\n# zig {version}, {sha256}\nd=${{0%/*}}/..\n");
            let zig = format!("\"$d/{program}\"");
            let tool = |name: &str| format!("{head}exec {zig} {name} \"$@\"\n");
            vec![
                ("clang", format!("{head}exec {zig} clang {resources} \"$@\"\n")),
                (
                    "clang++",
                    // LIBV8_PCH may put a program in front that adds a precompiled header.
                    format!(
                        "{head}exec ${{LIBV8_PCH:+\"$LIBV8_PCH\"}} {zig} clang --driver-mode=g++ {resources} \"$@\"\n"
                    ),
                ),
                ("ld.lld", format!("{head}{}", include_str!("ld-windows.sh").replace("@zig@", &zig))),
                ("lld-link", tool("lld-link")),
                ("llvm-ar", tool("ar")),
                ("llvm-ranlib", tool("ranlib")),
                // The same compiler with Microsoft's command line.
                ("clang-cl", format!("{head}exec {zig} clang --driver-mode=cl {resources} \"$@\"\n")),
            ]
        }
        Compiler::Own { folder, version } => {
            let head = format!("#!/bin/sh\n# {}\n", version.replace(['\n', '\r'], " "));
            let own = |name: &str| quote(&folder.join("bin").join(name));
            let tool = |name: &'static str| (name, format!("{head}exec {} \"$@\"\n", own(name)));
            let clangxx = format!("{head}exec ${{LIBV8_PCH:+\"$LIBV8_PCH\"}} {} \"$@\"\n", own("clang++"));
            let others = ["clang", "ld.lld", "lld-link", "llvm-ar", "llvm-ranlib", "clang-cl"].map(tool);
            [("clang++", clangxx)].into_iter().chain(others).collect()
        }
    };
    all.extend([("sccache", sccache), ("python", python.clone()), ("python3", python)]);
    all
}

/// Writes the scripts of [`scripts`] into the overlay's `bin/`.
pub fn write(overlay: &Path, programs: &Programs) -> Result<()> {
    write_scripts(overlay, &scripts(programs))
}

/// Writes those scripts that differ, each through a temporary name.
pub fn write_scripts(overlay: &Path, scripts: &[(&str, String)]) -> Result<()> {
    let bin = overlay.join("bin");
    fs::create_dir_all(&bin).or_io("create", &bin)?;
    for (name, text) in scripts {
        let path = bin.join(name);
        // An old modification time of an unchanged compiler is what ninja and sccache want to see.
        if fs::read(&path).is_ok_and(|there| there == text.as_bytes()) {
            continue;
        }
        let new = bin.join(format!(".{name}.new"));
        fs::write(&new, text).or_io("write", &new)?;
        super::make_executable(&new)?;
        fs::rename(&new, &path).or_io("create", &path)?;
    }
    Ok(())
}

/// A path as one word of sh.
fn quote(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', r"'\''"))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::process;
    use crate::toolchain::testing::Folder;

    fn zig(python: &str) -> Programs {
        let compiler =
            Compiler::Zig { program: "zig/zig".into(), version: "0.17.0".into(), sha256: "5d0c".into() };
        Programs { compiler, clang_major: 22, sccache: "sccache/sccache".into(), python: python.into() }
    }

    #[test]
    fn the_compiler_scripts_word_for_word() {
        let scripts = scripts(&zig("/usr/bin/python3"));
        assert_eq!(
            scripts[1].1,
            "#!/bin/sh\n# zig 0.17.0, 5d0c\nd=${0%/*}/..\nexec ${LIBV8_PCH:+\"$LIBV8_PCH\"} \"$d/zig/zig\" clang --driver-mode=g++ -B\"$d/bin\" -resource-dir \"$d/lib/clang/22\" \"$@\"\n"
        );
        let names: Vec<&str> = scripts.iter().map(|(name, _)| *name).collect();
        let expected = [
            "clang",
            "clang++",
            "ld.lld",
            "lld-link",
            "llvm-ar",
            "llvm-ranlib",
            "clang-cl",
            "sccache",
            "python",
            "python3",
        ];
        assert_eq!(names, expected);
        assert_eq!(scripts[8].1, "#!/bin/sh\nexec '/usr/bin/python3' \"$@\"\n");
    }

    /// Runs a script of an overlay whose path has a space, with a zig that prints its arguments.
    fn run(name: &str, pch: Option<&str>) -> String {
        let folder = Folder::new();
        folder.program("over lay/zig/zig", "printf 'zig'; for a; do printf '|%s' \"${a##*/over lay}\"; done");
        let wrapper = folder.program("a pch", "printf 'pch '; exec \"$@\"");
        let overlay = folder.path().join("over lay");
        write(&overlay, &zig("/bin/false")).unwrap();
        let mut command = process::command(overlay.join("bin").join(name));
        command.args(["a b", "c"]).env_remove("LIBV8_PCH");
        match pch {
            Some("") => drop(command.env("LIBV8_PCH", "")),
            Some(_) => drop(command.env("LIBV8_PCH", wrapper)),
            None => {}
        }
        process::read(&mut command).unwrap()
    }

    #[test]
    fn scripts_find_their_folder_and_keep_words_together() {
        assert_eq!(run("llvm-ar", None), "zig|ar|a b|c");
        let plain = "zig|clang|--driver-mode=g++|/bin/../bin|-resource-dir|/bin/../lib/clang/22|a b|c";
        assert_eq!(run("clang++", None), plain);
        assert_eq!(run("clang++", Some("")), plain);
        assert_eq!(run("clang++", Some("a pch")), format!("pch {plain}"));
    }

    /// What lld-link is told when clang links for Windows with these words, in a folder with `a lib/libx.a`.
    fn linked_for_windows(words: &[&str]) -> Result<String> {
        linked_in(&Folder::new(), words)
    }

    fn linked_in(folder: &Folder, words: &[&str]) -> Result<String> {
        folder.program("zig/zig", "shift; for a; do printf '%s|' \"$a\"; done");
        fs::create_dir(folder.path().join("a lib")).unwrap();
        fs::write(folder.path().join("a lib/libx.a"), "").unwrap();
        write(folder.path(), &zig("/bin/false")).unwrap();
        let mut command = process::command(folder.path().join("bin/ld.lld"));
        process::read(command.args(words).current_dir(folder.path()))
    }

    #[test]
    fn gnus_words_become_lld_links() {
        let words = [
            "-m",
            "i386pep",
            "-Bdynamic",
            "-o",
            "a b.exe",
            "a.o",
            "-La lib",
            "-lx",
            "-lnone",
            "--gc-sections",
        ];
        let more = ["--stack", "2097152", "-L", "c", "-l", "x", "/x.def", "--subsystem=console", "-shared"];
        let said = linked_for_windows(&[&words[..], &more[..]].concat()).unwrap();
        let expected = "-lldmingw|-nologo|-machine:x64|-alternatename:__image_base__=__ImageBase|-dynamicbase|-nxcompat|\
            -highentropyva|-debug:none|-timestamp:0|-opt:noref|-opt:noicf|-out:a b.exe|a.o|-libpath:a lib|a lib/libx.a|\
            none.lib|-opt:ref|-stack:2097152|-libpath:c|a lib/libx.a|-def:/x.def|-subsystem:console|-dll|";
        assert_eq!(said, expected);
        let error = linked_for_windows(&["-m", "arm64pe", "--wrap", "x"]).unwrap_err().to_string();
        assert!(error.contains("what --wrap is for Windows is not known here"), "{error}");
        // For Linux the words stay.
        assert_eq!(linked_for_windows(&["-m", "elf_x86_64", "-lx"]).unwrap(), "-m|elf_x86_64|-lx|");
    }

    /// As clang's `Command::writeResponseFile` writes them, from 64 KiB of words on: mksnapshot's link has more.
    #[test]
    fn words_in_a_file_are_read_as_clang_writes_them() {
        let check = |words: &[&str], expected: &str| {
            let folder = Folder::new();
            let quoted = |word: &&str| format!("\"{}\" ", word.replace('\\', r"\\").replace('"', "\\\""));
            let text: String = words.iter().map(quoted).collect();
            fs::write(folder.path().join("the words.txt"), text).unwrap();
            let said = linked_in(&folder, &["@the words.txt"]).unwrap();
            assert!(said.ends_with(expected), "{said}");
        };
        let special = r#"a$HOME`b`\$c\"'d*.o"#;
        let words = ["-m", "i386pep", "-o", "a b.exe", special, "-La lib", "-lx", "two\nlines.o"];
        check(&words, &format!("|-out:a b.exe|{special}|-libpath:a lib|a lib/libx.a|two\nlines.o|"));
        let many: Vec<String> =
            (0..3000).map(|number| format!("obj/v8/a_library/an_object_{number}.o")).collect();
        let words: Vec<&str> = ["-m", "arm64pe"].into_iter().chain(many.iter().map(String::as_str)).collect();
        check(&words, &format!("|-opt:noicf|{}|", many.join("|")));
        // For Linux the file is lld's to read, as it was.
        check(&["-m", "elf_x86_64", "a.o"], "@the words.txt|");
        assert!(linked_for_windows(&["@nothing"]).is_err());
    }

    #[test]
    fn an_equal_script_is_not_written_again() {
        let folder = Folder::new();
        write(folder.path(), &zig("/bin/false")).unwrap();
        let modified =
            |name: &str| fs::metadata(folder.path().join("bin").join(name)).unwrap().modified().unwrap();
        let before = (modified("clang++"), modified("python"));
        std::thread::sleep(std::time::Duration::from_millis(20));
        write(folder.path(), &zig("/bin/true")).unwrap();
        assert_eq!(modified("clang++"), before.0);
        assert_ne!(modified("python"), before.1);
    }
}
