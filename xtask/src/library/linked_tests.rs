//! Libraries of the real compiler for Windows and macOS, linked by the real linkers: what is private and what is weak is
//! what linkers take for it. `cargo xtask test` says where the toolchain lies; without one there is nothing to link with.

use std::path::{Path, PathBuf};

use super::Format;
use super::normalise::normalise;
use super::read::Library;
use crate::{env, process};

/// A library with a runtime of its own: what becomes private, and what becomes weak.
const LIBRARY: &str = "extern \"C\" int __cxa_throw() { return 1; }\n\
                       extern \"C\" int __cxa_guard_acquire(long long *) { return 1; }\n\
                       extern \"C\" int libv8_x() { static long long g; return __cxa_throw() + __cxa_guard_acquire(&g); }\n";

/// A program with another one.
const PROGRAM: &str = "extern \"C\" int libv8_x();\n\
                       extern \"C\" int __cxa_throw() { return 2; }\n\
                       extern \"C\" int __cxa_guard_acquire(long long *) { return 2; }\n\
                       extern \"C\" int start() { return libv8_x() + __cxa_throw(); }\n";

/// A program that takes what it needs of the runtime from the library.
const WITHOUT: &str = "extern \"C\" int libv8_x();\n\
                       extern \"C\" int __cxa_guard_acquire(long long *);\n\
                       extern \"C\" int start() { return libv8_x() + __cxa_guard_acquire(0); }\n";

struct Machine {
    zig: PathBuf,
    folder: PathBuf,
    target: &'static str,
}

impl Machine {
    fn run(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = process::command(&self.zig);
        command.args(arguments).current_dir(&self.folder);
        let cache = self.folder.join("cache");
        command.env("ZIG_GLOBAL_CACHE_DIR", &cache).env("ZIG_LOCAL_CACHE_DIR", &cache);
        process::read(&mut command).map_err(|error| error.to_string())
    }

    fn compile(&self, name: &str, text: &str) {
        std::fs::write(self.folder.join(format!("{name}.cc")), text).unwrap();
        let target = format!("--target={}", self.target);
        let (source, object) = (format!("{name}.cc"), format!("{name}.o"));
        let flags = ["-O1", "-ffunction-sections", "-fno-exceptions"];
        self.run(&[["clang", &target].as_slice(), &flags, &["-c", &source, "-o", &object]].concat()).unwrap();
    }

    fn link(&self, program: &str, library: &str) -> Result<String, String> {
        if self.target.contains("apple") {
            let target =
                if self.target.starts_with("arm64") { "aarch64-macos.12.0" } else { "x86_64-macos.12.0" };
            self.run(&[
                "cc",
                "-target",
                target,
                "-nostdlib",
                "-Wl,-e,_start",
                program,
                library,
                "-o",
                "program",
            ])
        } else {
            let switches = ["/entry:start", "/subsystem:console", "/nodefaultlib", "/out:program.exe"];
            self.run(&[["lld-link"].as_slice(), &switches, &[program, library]].concat())
        }
    }
}

fn check(target: &'static str, format: Format, name: &str) {
    let Some(abilists) = env::abilists() else { return };
    let lib = abilists.ancestors().nth(3).expect("it lies in lib/libc/glibc");
    let folder = tempfile::tempdir().unwrap();
    let machine = Machine { zig: lib.with_file_name("zig"), folder: folder.path().to_owned(), target };
    for (name, text) in [("library", LIBRARY), ("program", PROGRAM), ("without", WITHOUT)] {
        machine.compile(name, text);
    }
    machine.run(&["ar", "rc", "plain.a", "library.o"]).unwrap();
    let (plain, normal) = (folder.path().join("plain.a"), folder.path().join(name));
    normalise(&plain, &normal).unwrap();

    let fault = machine.link("program.o", "plain.a").unwrap_err();
    assert!(fault.contains("duplicate symbol"), "{target}: {fault}");
    for program in ["program.o", "without.o"] {
        machine.link(program, name).unwrap_or_else(|error| panic!("{target}: {program}: {error}"));
    }
    check_objects(&normal, format);
}

/// What a real compiler writes is read whole.
fn check_objects(path: &Path, format: Format) {
    let bytes = std::fs::read(path).unwrap();
    let library = Library::parse(&bytes).unwrap();
    let (_, object) = library.objects().next().unwrap();
    assert_eq!(object.format(), format);
    let mut symbols: Vec<_> =
        object.symbols.iter().map(|symbol| (symbol.name, symbol.defined, symbol.weak)).collect();
    symbols.sort_unstable();
    assert_eq!(
        symbols,
        [("__cxa_guard_acquire", true, true), ("libv8_x", true, false), ("v8cxa_throw", true, false)]
    );
}

#[test]
fn two_runtimes_in_a_program_of_windows_by_zigs_linkers() {
    check("x86_64-w64-windows-gnu", Format::Coff, "libv8.a");
    check("aarch64-w64-windows-gnu", Format::Coff, "libv8.a");
    // The names of C, which both ABIs share, by Microsoft's layout of the library.
    check("x86_64-pc-windows-msvc", Format::Coff, "v8.lib");
}

#[test]
fn two_runtimes_in_a_program_of_macos_by_zigs_linkers() {
    check("x86_64-apple-macos12.0", Format::MachO, "libv8.a");
    check("arm64-apple-macos12.0", Format::MachO, "libv8.a");
}
