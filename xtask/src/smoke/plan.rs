//! What `smoke` will do, as a value: files to write, programs to build and run, and what each has to answer.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use v8_archive::Descriptor;
use v8_archive::descriptor::LibcFamily;

use super::link::Link;
use super::machine::Machine;
use super::matrix::{self, Form, Tool};
use super::rust::{Foreign, Libc};
use super::table::{Expectation, FEATURES, Format, Table, encode};
use super::transcript::Check;
use crate::consumer::utf8;
use crate::error::{Error, Result};
use crate::source::{Kind, V8Version};

/// For the whole of one program that runs as it is. The longest, out of memory without a JIT, takes a few seconds.
const RUN_LIMIT: Duration = Duration::from_secs(60);

/// Rows of the table that programs run which try a linker, not V8.
const FEW_ROWS: usize = 3;

/// The demonstration's name in transcripts.
pub const DEMONSTRATION: &str = "demonstration";

/// The behaviours of `smoke/capi.rs`, `smoke/host.c` and `smoke/cxx.cc`: one that is missing from a transcript has failed.
const CAPI: &[&str] = &[
    "version-and-features",
    "call-with-json",
    "call-refused",
    "exception-stack",
    "out-of-memory",
    "terminate-endless-loop",
    "terminate-idle",
    "recursion-and-on",
    "eight-threads",
    "small-stack-thread",
    "isolate-moves",
    "impossible-options",
];
const HOST: &[&str] = &["second-thread", "first-isolate-afterwards"];
const CXX: &[&str] =
    &["function-into-v8", "string-out-of-v8", "backing-stores", "native-function", "worker-stack"];

/// What compiles and links. Paths may have spaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linker {
    /// The toolchain's `bin/clang`, with lld beside it.
    pub clang: PathBuf,
    /// The toolchain's `bin/clang++`.
    pub clangxx: PathBuf,
    /// The Rust target triple, for rustc.
    pub target: String,
    /// The same target as clang calls it (musl's triples differ).
    pub clang_target: String,
    /// The sysroot of that target.
    pub sysroot: PathBuf,
    /// The user's rustc, which links with the user's own linker; `None` if it cannot build for `target`.
    pub rustc: Option<PathBuf>,
    /// Rust for a target that is not this machine's, in place of `rustc`.
    pub rust: Option<Foreign>,
    /// The user's own C++ compiler, with a C++ library that is not V8's; `None` if there is none for `target`.
    pub system_cxx: Option<PathBuf>,
    /// GNU's linker for the target's processor; or why there is none.
    pub gnu_ld: Result<PathBuf, String>,
    /// Zig as a compiler and linker, with its own C library; `None` if it has none for `target`.
    pub zig: Option<Zig>,
    /// What starts programs of the target.
    pub machine: Machine,
}

/// Zig as users know it: `zig cc`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zig {
    /// The program.
    pub program: PathBuf,
    /// Its name of the target; for glibc with the floor.
    pub target: String,
    /// Where it keeps what it makes: absolute, and kept between runs.
    pub cache: PathBuf,
}

/// From what a plan is made.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// Of the archive.
    pub descriptor: &'a Descriptor,
    /// The archive's file.
    pub archive: &'a Path,
    /// What compiles and links.
    pub linker: &'a Linker,
    /// The rows.
    pub table: &'a Table,
    /// The repository: `smoke/` is in it.
    pub repository: &'a Path,
    /// Made, filled and removed by the run. Absolute: rustc and clang are given paths below it.
    pub scratch: &'a Path,
    /// One log for each program is left here.
    pub logs: &'a Path,
}

/// A command as a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// The program to start.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Variables beside those that every command gets.
    pub environment: Vec<(&'static str, String)>,
    /// After this long it is killed.
    pub limit: Duration,
}

/// How a program says what it found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Speaks {
    /// The transcript of `smoke/README.md`, which has to answer these checks.
    Transcript(Vec<Check>),
    /// What cargo's test programs say, with an exit status of 0 if all passed.
    Tests,
    /// Lines with `failed` in them and exit status 1, or one line `N checks passed...` and 0.
    Lines,
}

/// One program: built, run, judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// As in the report, and of its log.
    pub name: String,
    /// One after the other.
    pub build: Vec<CommandLine>,
    /// After the builds; none of a program that this machine cannot run.
    pub run: Option<CommandLine>,
    /// Where and how it runs, or why it does not, for people.
    pub how: String,
    /// How its output is judged.
    pub speaks: Speaks,
    /// Rows of the table that the archive has no feature for.
    pub skipped: usize,
    /// stdout and stderr of all its commands.
    pub log: PathBuf,
}

/// Everything that will be done, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmokePlan {
    /// What is unpacked,
    pub archive: PathBuf,
    /// and where, inside `scratch`.
    pub unpacked: PathBuf,
    /// Removed at the end.
    pub scratch: PathBuf,
    /// Files written to `scratch` before the first program: path and text.
    pub files: Vec<(PathBuf, String)>,
    /// The programs.
    pub programs: Vec<Program>,
    /// Programs that are not run, and why.
    pub left_out: Vec<(String, String)>,
}

/// Which V8 an archive holds.
fn v8_of(descriptor: &Descriptor) -> Result<(Kind, V8Version)> {
    let kind = &descriptor.source.kind;
    let source = Kind::from_name(kind).ok_or_else(|| {
        Error::failed(format!("the archive's V8.json names a source {kind:?} that is none"))
    })?;
    let v8 = descriptor
        .v8_version
        .parse()
        .map_err(|what| Error::failed(format!("the archive's V8.json: {what}")))?;
    Ok((source, v8))
}

impl SmokePlan {
    /// Decides everything; reads and writes nothing but for looking whether `smoke/interface_test.c` exists.
    ///
    /// Fails if the descriptor does not state a feature that rows need.
    pub fn new(inputs: &Inputs<'_>) -> Result<SmokePlan> {
        let (rows, skipped) = inputs.table.select(&inputs.descriptor.features, v8_of(inputs.descriptor)?)?;
        let (plain, shown) =
            (inputs.scratch.join("rows.txt"), inputs.scratch.join("rows-and-demonstration.txt"));
        let text: String = rows.iter().map(|row| encode(Format::String, &row.name, &row.source)).collect();
        let demonstration = demonstration(inputs.descriptor);
        let mut checks: Vec<Check> = rows
            .iter()
            .map(|row| Check {
                name: row.name.clone(),
                source: row.source.clone(),
                expectation: row.expectation.clone(),
            })
            .collect();
        let cxx_checks = [checks.clone(), behaviours(CXX, "smoke/cxx.cc")].concat();
        let shown_text = text.clone() + &encode(Format::Inspect, DEMONSTRATION, &demonstration.source);
        checks.push(demonstration);

        let few: String =
            rows.iter().take(FEW_ROWS).map(|row| encode(Format::String, &row.name, &row.source)).collect();
        let few_rows = inputs.scratch.join("rows-few.txt");
        let few_checks = [&checks[..rows.len().min(FEW_ROWS)], &behaviours(HOST, "smoke/host.c")].concat();

        let link = Link { inputs, unpacked: inputs.scratch.join("archive") };
        let mut all = All { link: &link, programs: Vec::new(), left_out: Vec::new() };
        let (usual, usual_tool) = (link.usual(), link.tool());
        let transcript = |checks| Speaks::Transcript(checks);
        let about = [vec![utf8(&shown)], about(inputs.descriptor)].concat();
        let capi = transcript([checks.clone(), behaviours(CAPI, "smoke/capi.rs")].concat());
        match (&inputs.linker.rustc, &inputs.linker.rust) {
            (Some(rustc), None) => {
                let build = vec![link.rust("capi", rustc, usual, &[])];
                all.add("capi", build, Start::of(usual, about), capi, skipped);
            }
            (_, Some(foreign)) => {
                let musl = inputs.linker.machine.musl.as_deref();
                let forms = [
                    ("capi", "crate", usual, Libc::Usual),
                    ("capi-dynamic", "crate-dynamic", Form::Dynamic, Libc::Shared),
                ];
                // One form is all there is without musl.
                for (name, tests, form, libc) in
                    forms.into_iter().take(if foreign.rust.is_musl() { 2 } else { 1 })
                {
                    if !all.can_be(name, Tool::Lld, form) {
                        continue;
                    }
                    let build = vec![link.rust(name, &foreign.rust.rustc, form, &foreign.flags(libc, musl))];
                    all.add(name, build, Start::of(form, about.clone()), capi.clone(), skipped);
                    all.add_tests(tests, foreign.crate_tests(inputs, libc));
                }
            }
            (None, None) => all.leave_out("capi", format!("no rustc for {}", inputs.linker.target)),
        }
        let rows = || Start::of(usual, vec![utf8(&plain)]);
        all.add("cxx", link.cxx(), rows(), transcript(cxx_checks.clone()), skipped);
        let plugin = |tool, rows: &Path| Start::of(Form::Shared, vec![utf8(&link.plugin(tool)), utf8(rows)]);
        if all.can_be("host", usual_tool, Form::Shared) {
            let build = vec![link.shared(usual_tool), link.host(usual_tool, &link.out("host"))];
            let speaks = transcript([checks, behaviours(HOST, "smoke/host.c")].concat());
            all.add("host", build, plugin(usual_tool, &shown), speaks, skipped);
        }
        match (&inputs.linker.system_cxx, &inputs.linker.zig) {
            (Some(cxx), _) => {
                all.add("exceptions", vec![link.system_cxx(cxx)], Start::of(usual, vec![]), Speaks::Lines, 0)
            }
            (None, Some(zig)) => {
                all.add("exceptions", vec![link.zig_cxx(zig)], Start::of(usual, vec![]), Speaks::Lines, 0)
            }
            (None, None) => all.leave_out("exceptions", format!("no c++ for {}", inputs.linker.target)),
        }
        let test = inputs.repository.join("smoke/interface_test.c");
        let has_test = test.is_file();
        if has_test {
            let build = vec![link.c_program(&test)];
            all.add("interface_test", build, Start::of(usual, vec![]), Speaks::Lines, 0);
        } else {
            all.leave_out("interface_test", format!("there is no {}", test.display()));
        }
        for (tool, form) in matrix::combinations(inputs.descriptor.libc.family) {
            let name = format!("{}-{}", tool.name(), form.name());
            if !all.can_be(&name, tool, form) {
                continue;
            }
            if form == Form::Shared {
                let build = vec![link.shared(tool), link.host(tool, &link.out_by(tool, form))];
                all.add(&name, build, plugin(tool, &few_rows), transcript(few_checks.clone()), 0);
            } else {
                let build = vec![link.small(tool, form)];
                all.add(&name, build, Start::of(form, vec![]), Speaks::Lines, 0);
            }
        }
        // The same programs once more, on another machine, as it were.
        for bytes in inputs.linker.machine.other_pages() {
            let name = |program| format!("{program}-{}k", bytes >> 10);
            let again =
                |program, start: Start| Start { page_bytes: Some(*bytes), program: Some(program), ..start };
            all.add(&name("cxx"), vec![], again("cxx", rows()), transcript(cxx_checks.clone()), skipped);
            if has_test {
                let start = again("interface_test", Start::of(usual, vec![]));
                all.add(&name("interface_test"), vec![], start, Speaks::Lines, 0);
            }
        }
        let All { programs, left_out, .. } = all;
        Ok(SmokePlan {
            archive: inputs.archive.to_path_buf(),
            unpacked: link.unpacked.clone(),
            scratch: inputs.scratch.to_path_buf(),
            files: vec![(plain, text), (shown, shown_text), (few_rows, few)],
            programs,
            left_out,
        })
    }
}

/// How a program of the plan is started.
struct Start {
    form: Form,
    arguments: Vec<String>,
    page_bytes: Option<u32>,
    /// Another program of the plan, which is run once more.
    program: Option<&'static str>,
}

impl Start {
    fn of(form: Form, arguments: Vec<String>) -> Start {
        Start { form, arguments, page_bytes: None, program: None }
    }
}

/// The programs so far.
struct All<'a> {
    link: &'a Link<'a>,
    programs: Vec<Program>,
    left_out: Vec<(String, String)>,
}

impl All<'_> {
    fn add(&mut self, name: &str, build: Vec<CommandLine>, start: Start, speaks: Speaks, skipped: usize) {
        let (inputs, machine) = (self.link.inputs, &self.link.inputs.linker.machine);
        let file = self.link.out(start.program.unwrap_or(name));
        let (program, mut arguments) = machine.start(&file, start.form.is_static(), start.page_bytes);
        arguments.extend(start.arguments);
        self.programs.push(Program {
            name: name.to_owned(),
            build,
            run: machine.cannot_run.is_none().then(|| CommandLine {
                program,
                arguments,
                environment: Vec::new(),
                limit: RUN_LIMIT * machine.patience(),
            }),
            how: machine.how(start.page_bytes),
            speaks,
            skipped,
            log: inputs.logs.join(format!("{name}.log")),
        });
    }

    /// cargo's tests: a command that builds by itself what it runs.
    fn add_tests(&mut self, name: &str, mut run: CommandLine) {
        let (inputs, machine) = (self.link.inputs, &self.link.inputs.linker.machine);
        let mut build = Vec::new();
        if inputs.descriptor.libc.family == LibcFamily::Ucrt && machine.emulator.is_some() {
            build.push(self.link.random_numbers());
            // As Windows names it; wine gives programs the whole file system as Z:.
            run.environment.push(("WINEPATH", format!("Z:{}", utf8(inputs.scratch).replace('/', "\\"))));
        }
        let run = if machine.cannot_run.is_none() {
            Some(run)
        } else {
            build.push(run);
            None
        };
        self.programs.push(Program {
            name: name.to_owned(),
            build,
            run,
            how: machine.how(None),
            speaks: Speaks::Tests,
            skipped: 0,
            log: inputs.logs.join(format!("{name}.log")),
        });
    }

    fn leave_out(&mut self, name: &str, reason: String) {
        self.left_out.push((name.to_owned(), reason));
    }

    /// Whether this machine has what a program of this form by this linker needs; if not, it is left out.
    fn can_be(&mut self, name: &str, tool: Tool, form: Form) -> bool {
        let linker = self.link.inputs.linker;
        let is_musl = self.link.inputs.descriptor.libc.family == LibcFamily::Musl;
        let reason = match (tool, &linker.gnu_ld, &linker.zig) {
            (Tool::GnuLd, Err(reason), _) => reason.clone(),
            (Tool::Zig, _, None) => format!("zig has no libc for {}", linker.target),
            _ if is_musl && !form.is_static() && linker.machine.musl.is_none() => {
                "no shared library of musl, which is its loader, is here or can be fetched".to_owned()
            }
            _ => return true,
        };
        self.leave_out(name, reason);
        false
    }
}

/// A line that shows a person what the archive can do. Its date is told in UTC, which programs are run in.
fn demonstration(descriptor: &Descriptor) -> Check {
    let intl = descriptor.features.get("intl") == Some(&true);
    let (source, expected) = if intl {
        (
            r#"[1n<<64n, new Intl.DateTimeFormat("de").format(0), "日本".normalize()]"#,
            r#"[18446744073709551616n, "1.1.1970", "日本"]"#,
        )
    } else {
        (r#"[1n<<64n, "日本".normalize()]"#, r#"[18446744073709551616n, "日本"]"#)
    };
    Check {
        name: DEMONSTRATION.to_owned(),
        source: source.to_owned(),
        expectation: Expectation::Value(expected.to_owned()),
    }
}

fn behaviours(names: &[&str], file: &str) -> Vec<Check> {
    let check = |name: &&str| Check {
        name: (*name).to_owned(),
        source: format!("(the behaviour of this name in {file})"),
        expectation: Expectation::Value("ok".to_owned()),
    };
    names.iter().map(check).collect()
}

/// What the descriptor says of the library, for `capi` to hold against what the library says of itself.
fn about(descriptor: &Descriptor) -> Vec<String> {
    let stated = FEATURES
        .iter()
        .filter_map(|name| Some(format!("{name}={}", u8::from(*descriptor.features.get(*name)?))));
    std::iter::once(descriptor.v8_version.clone()).chain(stated).collect()
}

impl fmt::Display for SmokePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "unpack {} to {}", self.archive.display(), self.unpacked.display())?;
        for (path, text) in &self.files {
            writeln!(f, "write {} ({} bytes)", path.display(), text.len())?;
        }
        for program in &self.programs {
            writeln!(f, "{}, {}", program.name, program.how)?;
            for command in program.build.iter().chain(&program.run) {
                writeln!(f, "  {command}")?;
            }
            if let Speaks::Transcript(checks) = &program.speaks {
                writeln!(f, "  checks: {}, rows skipped: {}", checks.len(), program.skipped)?;
            }
        }
        for (name, reason) in &self.left_out {
            writeln!(f, "{name}\n  left out: {reason}")?;
        }
        writeln!(f, "remove {}", self.scratch.display())
    }
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at most {} s)", crate::process::display(&self.command()), self.limit.as_secs())
    }
}
