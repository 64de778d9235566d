//! What `smoke` will do, as a value: files to write, programs to build and run, and what each has to answer.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use v8_archive::Descriptor;

use super::link::{Link, utf8};
use super::table::{Expectation, FEATURES, Format, Table, encode};
use super::transcript::Check;
use crate::error::Result;

/// For the whole of one program. The longest, out of memory without a JIT, takes a few seconds.
const RUN_LIMIT: Duration = Duration::from_secs(60);

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
const CXX: &[&str] = &["function-into-v8", "string-out-of-v8", "backing-stores", "native-function"];

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
    /// The user's own C++ compiler, with a C++ library that is not V8's; `None` if there is none for `target`.
    pub system_cxx: Option<PathBuf>,
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
    /// After this long it is killed.
    pub limit: Duration,
}

/// How a program says what it found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Speaks {
    /// The transcript of `smoke/README.md`, which has to answer these checks.
    Transcript(Vec<Check>),
    /// Lines with `failed` in them and exit status 1, or one line `N checks passed...` and 0.
    Lines,
}

/// One program: built, run, judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// As in the report, and of its log.
    pub name: &'static str,
    /// One after the other.
    pub build: Vec<CommandLine>,
    /// After the builds.
    pub run: CommandLine,
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
    /// Where stand-ins for system libraries are built, inside `scratch`.
    pub stubs: PathBuf,
    /// Files written to `scratch` before the first program: path and text.
    pub files: Vec<(PathBuf, String)>,
    /// The programs.
    pub programs: Vec<Program>,
    /// Programs that are not run, and why.
    pub left_out: Vec<(&'static str, String)>,
}

impl SmokePlan {
    /// Decides everything; reads and writes nothing but for looking whether `smoke/interface_test.c` exists.
    ///
    /// Fails if the descriptor does not state a feature that rows need.
    pub fn new(inputs: &Inputs<'_>) -> Result<SmokePlan> {
        let (rows, skipped) = inputs.table.select(&inputs.descriptor.features)?;
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

        let link = Link { inputs, unpacked: inputs.scratch.join("archive") };
        let program = |name: &'static str, build, run: Vec<String>, speaks: Speaks, skipped| Program {
            name,
            build,
            run: CommandLine { program: link.out(name), arguments: run, limit: RUN_LIMIT },
            speaks,
            skipped,
            log: inputs.logs.join(format!("{name}.log")),
        };
        let (mut programs, mut left_out) = (Vec::new(), Vec::new());
        match &inputs.linker.rustc {
            Some(rustc) => {
                let speaks = Speaks::Transcript([checks.clone(), behaviours(CAPI, "smoke/capi.rs")].concat());
                let arguments = [vec![utf8(&shown)], about(inputs.descriptor)].concat();
                programs.push(program("capi", vec![link.rust(rustc)], arguments, speaks, skipped));
            }
            None => left_out.push(("capi", format!("no rustc for {}", inputs.linker.target))),
        }
        programs.push(program(
            "cxx",
            link.with_unwinder(vec![link.cxx()]),
            vec![utf8(&plain)],
            Speaks::Transcript(cxx_checks),
            skipped,
        ));
        let speaks = Speaks::Transcript([checks, behaviours(HOST, "smoke/host.c")].concat());
        let arguments = vec![utf8(&link.plugin()), utf8(&shown)];
        programs.push(program(
            "host",
            link.with_unwinder(vec![link.shared(), link.host()]),
            arguments,
            speaks,
            skipped,
        ));
        match &inputs.linker.system_cxx {
            Some(cxx) => {
                let build = vec![link.system_cxx(cxx)];
                programs.push(program("exceptions", build, Vec::new(), Speaks::Lines, 0));
            }
            None => left_out.push(("exceptions", format!("no c++ for {}", inputs.linker.target))),
        }
        let test = inputs.repository.join("smoke/interface_test.c");
        if test.is_file() {
            programs.push(program(
                "interface_test",
                link.with_unwinder(vec![link.c_program(&test)]),
                Vec::new(),
                Speaks::Lines,
                0,
            ));
        } else {
            left_out.push(("interface_test", format!("there is no {}", test.display())));
        }
        Ok(SmokePlan {
            archive: inputs.archive.to_path_buf(),
            unpacked: link.unpacked.clone(),
            scratch: inputs.scratch.to_path_buf(),
            stubs: link.stubs(),
            files: vec![(plain, text), (shown, shown_text)],
            programs,
            left_out,
        })
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
            writeln!(f, "{}", program.name)?;
            for command in program.build.iter().chain([&program.run]) {
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
