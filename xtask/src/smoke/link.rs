//! Command lines that compile and link a program with an archive, made out of its descriptor.

use std::path::{Path, PathBuf};
use std::time::Duration;

use v8_archive::descriptor::LibcFamily;

use super::matrix::{Form, Tool};
use super::plan::{CommandLine, Inputs, Zig};
use crate::consumer::{self, utf8};

/// Linking 160 MB of objects with the user's own linker takes seconds; only something that hangs takes minutes.
const BUILD_LIMIT: Duration = Duration::from_secs(300);

/// Zig compiles a libc, and for C++ a libc++, when it first links for a target: two minutes of CPU.
const ZIG_LIMIT: Duration = Duration::from_secs(1200);

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

    fn source(&self, name: &str) -> PathBuf {
        self.inputs.repository.join("smoke").join(name)
    }

    fn command(&self, program: &Path, arguments: Vec<String>) -> CommandLine {
        CommandLine { program: program.to_path_buf(), arguments, environment: Vec::new(), limit: BUILD_LIMIT }
    }

    fn libraries(&self) -> Vec<String> {
        consumer::libraries(self.inputs.descriptor, &self.unpacked)
    }

    /// The form in which programs are linked that are linked once.
    pub fn usual(&self) -> Form {
        Form::usual(self.inputs.descriptor.libc.family)
    }

    /// What links the programs that are linked once.
    pub fn tool(&self) -> Tool {
        Tool::usual(self.inputs.descriptor.libc.family)
    }

    /// What clang compiles for.
    fn target(&self) -> Vec<String> {
        let linker = self.inputs.linker;
        vec![format!("--target={}", linker.clang_target), format!("--sysroot={}", utf8(&linker.sysroot))]
    }

    fn clang(&self, tool: Tool, form: Form) -> Vec<String> {
        let linker = self.inputs.linker;
        let mut words = self.target();
        words.push(match (tool, &linker.gnu_ld) {
            (Tool::GnuLd, Ok(program)) => format!("--ld-path={}", utf8(program)),
            _ => "-fuse-ld=lld".to_owned(),
        });
        // What unwinds is in the archive or among the descriptor's system libraries; clang is not to guess.
        words.push("--unwindlib=none".to_owned());
        words.extend(self.form(form).iter().map(|word| (*word).to_owned()));
        // The sysroot has musl's static library only; the first folder with a libc wins.
        if let Some(folder) =
            linker.machine.musl.as_deref().and_then(Path::parent).filter(|_| !form.is_static())
        {
            words.push(format!("-L{}", utf8(folder)));
        }
        words
    }

    fn form(&self, form: Form) -> &'static [&'static str] {
        match form {
            Form::Static => &["-static"],
            Form::StaticPie => &["-static-pie"],
            Form::Dynamic => &[],
            // Windows leaves nothing for others, and exports what is said to be.
            Form::Shared if self.inputs.descriptor.libc.family == LibcFamily::Ucrt => &["-shared"],
            // -z defs: nothing may be left for the program that loads it. --exclude-libs: it exports what plugin.c says only.
            Form::Shared => {
                &["-fPIC", "-fvisibility=hidden", "-shared", "-Wl,-z,defs", "-Wl,--exclude-libs,ALL"]
            }
        }
    }

    fn c(&self, tool: Tool, form: Form, more: &[&str], source: &Path, out: &Path) -> CommandLine {
        let linker = self.inputs.linker;
        let (program, mut arguments) = match (tool, &linker.zig) {
            (Tool::Zig, Some(zig)) => (&zig.program, self.zig(zig, "cc", form)),
            _ => (&linker.clang, self.clang(tool, form)),
        };
        arguments.extend(["-std=c11", "-O1", "-Wall", "-Wextra"].map(str::to_owned));
        arguments.extend(more.iter().map(|word| (*word).to_owned()));
        arguments.extend(consumer::c_flags(&self.unpacked));
        arguments.push(utf8(source));
        if tool == Tool::GnuLd {
            arguments.push(utf8(&self.source("dso_handle.c")));
        }
        arguments.extend(["-o".to_owned(), utf8(out)]);
        let command = self.command(program, arguments);
        if tool == Tool::Zig { self.with_zigs_cache(command) } else { command }
    }

    /// The same with the archive's libraries behind it.
    fn linked(&self, mut command: CommandLine) -> CommandLine {
        command.arguments.extend(self.libraries());
        command
    }

    fn zig(&self, zig: &Zig, driver: &str, form: Form) -> Vec<String> {
        let mut words = vec![driver.to_owned(), "-target".to_owned(), zig.target.clone()];
        // Zig's own checks of undefined behaviour are not what is tried here.
        words.push("-fno-sanitize=all".to_owned());
        match form {
            // In zig's words; clang's own are not understood.
            Form::StaticPie => words.extend(["-static", "-pie"].map(str::to_owned)),
            // Without it programs for musl are static.
            Form::Dynamic => words.push("-dynamic".to_owned()),
            // It knows no --exclude-libs.
            Form::Shared if self.inputs.descriptor.libc.family == LibcFamily::Ucrt => {
                words.push("-shared".to_owned())
            }
            Form::Shared => words.extend(["-fPIC", "-fvisibility=hidden", "-shared"].map(str::to_owned)),
            Form::Static => {
                words.extend(self.form(form).iter().map(|word| (*word).to_owned()));
            }
        }
        words
    }

    /// Zig makes the target's libc when it first links, and keeps it.
    fn with_zigs_cache(&self, mut command: CommandLine) -> CommandLine {
        if let Some(zig) = &self.inputs.linker.zig {
            command.environment =
                ["ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR"].map(|name| (name, utf8(&zig.cache))).to_vec();
            command.limit = ZIG_LIMIT;
        }
        command
    }

    /// A file of this tool and form.
    pub fn out_by(&self, tool: Tool, form: Form) -> PathBuf {
        self.out(&format!("{}-{}", tool.name(), form.name()))
    }

    /// The shared library.
    pub fn plugin(&self, tool: Tool) -> PathBuf {
        self.out(&format!("libplugin-{}.so", tool.name()))
    }

    /// `plugin.c`.
    pub fn shared(&self, tool: Tool) -> CommandLine {
        self.linked(self.c(tool, Form::Shared, &[], &self.source("plugin.c"), &self.plugin(tool)))
    }

    /// `host.c`.
    pub fn host(&self, tool: Tool, out: &Path) -> CommandLine {
        // POSIX 2008 declares dlopen and pthreads under -std=c11. The program has no V8 in it, and no library but the system's.
        let more = ["-D_POSIX_C_SOURCE=200809L"];
        let mut command = self.c(tool, Form::Dynamic, &more, &self.source("host.c"), out);
        if self.inputs.descriptor.libc.family != LibcFamily::Ucrt {
            command.arguments.push("-ldl".to_owned());
        }
        command
    }

    /// `bcryptprimitives.c`, which programs of Rust's find by its name.
    pub fn random_numbers(&self) -> CommandLine {
        let out = self.out("bcryptprimitives.dll");
        let mut command = self.c(self.tool(), Form::Shared, &[], &self.source("bcryptprimitives.c"), &out);
        command.arguments.push("-ladvapi32".to_owned());
        command
    }

    /// `linked.c`.
    pub fn small(&self, tool: Tool, form: Form) -> CommandLine {
        self.linked(self.c(tool, form, &[], &self.source("linked.c"), &self.out_by(tool, form)))
    }

    /// `interface_test.c`.
    pub fn c_program(&self, source: &Path) -> CommandLine {
        self.linked(self.c(self.tool(), self.usual(), &[], source, &self.out("interface_test")))
    }

    /// `cxx.cc`, compiled by clang with the archive's C++ library.
    pub fn cxx(&self) -> Vec<CommandLine> {
        let clang = |mut words: Vec<String>, out: &Path| {
            words.push("-O1".to_owned());
            words.extend(consumer::cxx_flags(self.inputs.descriptor, &self.unpacked));
            words.extend([utf8(&self.source("cxx.cc")), "-o".to_owned(), utf8(out)]);
            self.command(&self.inputs.linker.clangxx, words)
        };
        match (self.tool(), &self.inputs.linker.zig) {
            // Zig compiles C++ with a library of its own, so it links only.
            (Tool::Zig, Some(zig)) => {
                let object = self.out("cxx.o");
                let mut link = self.zig(zig, "cc", self.usual());
                link.extend([utf8(&object), "-o".to_owned(), utf8(&self.out("cxx"))]);
                let link = self.with_zigs_cache(self.command(&zig.program, link));
                let compile = [self.target(), vec!["-c".to_owned()]].concat();
                vec![clang(compile, &object), self.linked(link)]
            }
            _ => vec![self.linked(clang(self.clang(self.tool(), self.usual()), &self.out("cxx")))],
        }
    }

    /// `exceptions.cc`, as a user links it who knows nothing of our toolchain.
    pub fn system_cxx(&self, cxx: &Path) -> CommandLine {
        self.command(cxx, self.exceptions())
    }

    /// `exceptions.cc` for a target that the system has no C++ compiler for: zig's has a C++ library and an unwinder of its own.
    pub fn zig_cxx(&self, zig: &Zig) -> CommandLine {
        let arguments = [self.zig(zig, "c++", self.usual()), self.exceptions()].concat();
        self.with_zigs_cache(self.command(&zig.program, arguments))
    }

    fn exceptions(&self) -> Vec<String> {
        let mut arguments: Vec<String> = ["-std=c++17", "-O1"].map(str::to_owned).to_vec();
        arguments.extend(consumer::c_flags(&self.unpacked));
        arguments.extend([
            utf8(&self.source("exceptions.cc")),
            "-o".to_owned(),
            utf8(&self.out("exceptions")),
        ]);
        arguments.extend(self.libraries());
        arguments
    }

    /// `capi.rs`, as the program `name`.
    pub fn rust(&self, name: &str, rustc: &Path, form: Form, flags: &[String]) -> CommandLine {
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
        // As the crate's build script: a static program must not meet a shared libc.
        let kind = if form.is_static() { "static:-bundle" } else { "dylib" };
        arguments.extend(descriptor.system_libraries.iter().flat_map(|name| named(kind, name)));
        arguments.extend(descriptor.frameworks.iter().flat_map(|name| named("framework", name)));
        arguments.extend(flags.iter().cloned());
        arguments.extend([utf8(&self.source("capi.rs")), "-o".to_owned(), utf8(&self.out(name))]);
        self.command(rustc, arguments)
    }
}
