//! Command lines that compile and link a program with an archive, made out of its descriptor.

use std::path::{Path, PathBuf};
use std::time::Duration;

use v8_archive::Descriptor;

use super::plan::{CommandLine, Inputs};

/// Linking 160 MB of objects with the user's own linker takes seconds; only something that hangs takes minutes.
const BUILD_LIMIT: Duration = Duration::from_secs(300);

/// Repository, cache and temporary folders are made by us or by cargo, whose paths are UTF-8 as well; another path is shown
/// with replacement characters and then not found, which the error names.
pub fn utf8(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Makes command lines out of the descriptor: nothing in them depends on the target but what it and the linker say.
pub struct Link<'a> {
    /// From what everything is made.
    pub inputs: &'a Inputs<'a>,
    /// The unpacked archive.
    pub unpacked: PathBuf,
}

impl Link<'_> {
    /// The program of this name.
    pub fn out(&self, name: &str) -> PathBuf {
        self.inputs.scratch.join(name)
    }

    /// The shared library.
    pub fn plugin(&self) -> PathBuf {
        self.out("libplugin.so")
    }

    fn source(&self, name: &str) -> PathBuf {
        self.inputs.repository.join("smoke").join(name)
    }

    fn command(&self, program: &Path, arguments: Vec<String>) -> CommandLine {
        CommandLine { program: program.to_path_buf(), arguments, limit: BUILD_LIMIT }
    }

    /// The archive's libraries by their paths, then the system's: the order in which a linker must meet them.
    fn libraries(&self) -> Vec<String> {
        let descriptor = self.inputs.descriptor;
        let own = descriptor.libraries.iter().map(|library| utf8(&self.unpacked.join(&library.path)));
        let system = descriptor.system_libraries.iter().map(|name| format!("-l{name}"));
        let frameworks =
            descriptor.frameworks.iter().flat_map(|name| ["-framework".to_owned(), name.clone()]);
        let stubs = self.needs_gcc_s().then(|| format!("-L{}", utf8(&self.stubs())));
        stubs.into_iter().chain(own).chain(system).chain(frameworks).collect()
    }

    /// Whether the archive wants the unwinder of the system's compiler, which no sysroot of ours has.
    fn needs_gcc_s(&self) -> bool {
        self.inputs.descriptor.system_libraries.iter().any(|name| name == "gcc_s")
    }

    /// Where stand-ins for system libraries are built.
    pub fn stubs(&self) -> PathBuf {
        self.inputs.scratch.join("stubs")
    }

    /// The steps, with something to link `-lgcc_s` against made first: see `smoke/gcc_s.c`.
    pub fn with_unwinder(&self, mut steps: Vec<CommandLine>) -> Vec<CommandLine> {
        if self.needs_gcc_s() {
            let mut arguments = self.clang();
            let flags = ["-fPIC", "-shared", "-nostdlib", "-Wl,-soname,libgcc_s.so.1"];
            arguments.extend(flags.map(str::to_owned));
            arguments.extend([
                utf8(&self.source("gcc_s.c")),
                "-o".to_owned(),
                utf8(&self.stubs().join("libgcc_s.so")),
            ]);
            steps.insert(0, self.command(&self.inputs.linker.clang, arguments));
        }
        steps
    }

    fn clang(&self) -> Vec<String> {
        let linker = self.inputs.linker;
        vec![
            format!("--target={}", linker.clang_target),
            format!("--sysroot={}", utf8(&linker.sysroot)),
            "-fuse-ld=lld".to_owned(),
            // What unwinds is in the archive or among the descriptor's system libraries; clang is not to guess.
            "--unwindlib=none".to_owned(),
        ]
    }

    fn c(&self, more: &[&str], source: &Path, out: &Path, libraries: Vec<String>) -> CommandLine {
        let mut arguments = self.clang();
        arguments.extend(["-std=c11", "-O1", "-Wall", "-Wextra", "-pthread"].map(str::to_owned));
        arguments.extend(more.iter().map(|word| (*word).to_owned()));
        arguments.push(format!("-I{}", utf8(&self.unpacked.join("include"))));
        arguments.extend([utf8(source), "-o".to_owned(), utf8(out)]);
        arguments.extend(libraries);
        self.command(&self.inputs.linker.clang, arguments)
    }

    /// `plugin.c`.
    pub fn shared(&self) -> CommandLine {
        // -z defs: nothing may be left for the program that loads it. --exclude-libs: it exports what plugin.c says only.
        let more = ["-fPIC", "-fvisibility=hidden", "-shared", "-Wl,-z,defs", "-Wl,--exclude-libs,ALL"];
        self.c(&more, &self.source("plugin.c"), &self.plugin(), self.libraries())
    }

    /// `host.c`.
    pub fn host(&self) -> CommandLine {
        // POSIX 2008 declares dlopen and pthreads under -std=c11. The program has no V8 in it, and no library but the system's.
        let more = ["-D_POSIX_C_SOURCE=200809L"];
        self.c(&more, &self.source("host.c"), &self.out("host"), vec!["-ldl".to_owned()])
    }

    /// `interface_test.c`.
    pub fn c_program(&self, source: &Path) -> CommandLine {
        self.c(&[], source, &self.out("interface_test"), self.libraries())
    }

    /// `cxx.cc`.
    pub fn cxx(&self) -> CommandLine {
        let Descriptor { cxx, defines, .. } = self.inputs.descriptor;
        let mut arguments = self.clang();
        arguments.extend([format!("-std={}", cxx.standard), "-O1".to_owned(), "-pthread".to_owned()]);
        arguments.extend(cxx.flags.iter().cloned());
        arguments.extend(defines.iter().chain(&cxx.defines).map(|define| format!("-D{define}")));
        // As system folders: V8's headers have warnings that are not the program's.
        arguments.extend(
            cxx.include_dirs
                .iter()
                .flat_map(|folder| ["-isystem".to_owned(), utf8(&self.unpacked.join(folder))]),
        );
        arguments.extend([utf8(&self.source("cxx.cc")), "-o".to_owned(), utf8(&self.out("cxx"))]);
        // The archive carries its C++ library.
        arguments.push("-nostdlib++".to_owned());
        arguments.extend(self.libraries());
        self.command(&self.inputs.linker.clangxx, arguments)
    }

    /// `exceptions.cc`, as a user links it who knows nothing of our toolchain.
    pub fn system_cxx(&self, cxx: &Path) -> CommandLine {
        let mut arguments: Vec<String> = ["-std=c++17", "-O1", "-pthread"].map(str::to_owned).to_vec();
        arguments.push(format!("-I{}", utf8(&self.unpacked.join("include"))));
        arguments.extend([
            utf8(&self.source("exceptions.cc")),
            "-o".to_owned(),
            utf8(&self.out("exceptions")),
        ]);
        arguments.extend(self.libraries().into_iter().filter(|word| !word.starts_with("-L")));
        self.command(cxx, arguments)
    }

    /// `capi.rs`.
    pub fn rust(&self, rustc: &Path) -> CommandLine {
        let descriptor = self.inputs.descriptor;
        let mut arguments: Vec<String> =
            ["--edition", "2024", "--crate-name", "capi", "-O", "--target"].map(str::to_owned).to_vec();
        arguments.push(self.inputs.linker.target.clone());
        // As cargo passes on what a build script prints for rustc-link-search and rustc-link-lib.
        for library in &descriptor.libraries {
            let folder = self.unpacked.join(&library.path);
            let folder = folder.parent().expect("a library lies in a folder of the archive");
            arguments.extend(["-L".to_owned(), format!("native={}", utf8(folder))]);
        }
        let named = |kind: &str, name: &String| ["-l".to_owned(), format!("{kind}={name}")];
        arguments.extend(descriptor.libraries.iter().flat_map(|library| named("static", &library.name)));
        arguments.extend(descriptor.system_libraries.iter().flat_map(|name| named("dylib", name)));
        arguments.extend(descriptor.frameworks.iter().flat_map(|name| named("framework", name)));
        arguments.extend([utf8(&self.source("capi.rs")), "-o".to_owned(), utf8(&self.out("capi"))]);
        self.command(rustc, arguments)
    }
}
