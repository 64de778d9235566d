//! What runs in place of clang during a build: adds the precompiled header of the file's GN target.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::{ExitCode, Stdio};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::choose::{self, Choice};
use super::Groups;
use crate::{env, process};

/// The folder, inside ninja's, with the headers, and with `groups.json`, which tells that they are wanted.
pub const FOLDER: &str = "pch";

/// The file in [`FOLDER`] with all groups, written before ninja starts.
pub const GROUPS_FILE: &str = "groups.json";

/// The file in [`FOLDER`] with one line for each compile that had to be done again without its header.
pub const FALLBACKS_FILE: &str = "fallbacks.log";

/// Runs the compiler in `arguments` (the program first), with a precompiled header where one helps.
pub fn main(arguments: &[OsString]) -> ExitCode {
    let Some((program, rest)) = arguments.split_first() else { return ExitCode::from(2) };
    if let Some(compile) = Compile::parse(rest)
        && let Some(header) = compile.precompiled(program)
    {
        let out = process::command(program).args(compile.arguments(&header)).stdout(Stdio::inherit()).output();
        if let Ok(out) = out
            && out.status.success()
        {
            // Nothing can be done about a closed stderr.
            let _ = std::io::stderr().write_all(&out.stderr);
            return ExitCode::SUCCESS;
        }
        note_fallback(&compile.object);
    }
    // A signal leaves no code; 1 then, as a shell's clang would be seen by sccache.
    match process::command(program).args(rest).stdin(Stdio::inherit()).status() {
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(error) => {
            eprintln!("cannot start {}: {error}", Path::new(program).display());
            ExitCode::FAILURE
        }
    }
}

/// A C++ compile of one file into one object, taken from its command line.
#[derive(Debug, Default)]
struct Compile {
    source: String,
    object: String,
    /// Where the list of the headers it reads goes; empty if none is wanted.
    dependencies: String,
    /// Everything that a precompiled header must share with the compile: all but input, output and dependency files.
    flags: Vec<OsString>,
}

impl Compile {
    /// Nothing for anything but `-c` of one C++ file into one object: linking, preprocessing, probing the version.
    fn parse(arguments: &[OsString]) -> Option<Compile> {
        let mut compile = Compile::default();
        let mut compiles = false;
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let text = word.to_str()?;
            match text {
                "-E" | "-S" | "-M" | "-MM" | "-emit-llvm" => return None,
                "-c" => compiles = true,
                "-o" => compile.object = words.next()?.to_str()?.to_owned(),
                "-MF" => compile.dependencies = words.next()?.to_str()?.to_owned(),
                "-MT" | "-MQ" => drop(words.next()?),
                "-MD" | "-MMD" => {}
                // sccache names the language of a source it has looked at; the header has its own.
                "-x" if words.next()?.to_str()? == "c++" => {}
                "-x" => return None,
                // A module's name would make the header belong to that module.
                _ if text.starts_with("-fmodule-name=") => {}
                _ if !text.starts_with('-') && (text.ends_with(".cc") || text.ends_with(".cpp")) => {
                    compile.source = text.to_owned();
                }
                _ => compile.flags.push(word.clone()),
            }
        }
        let is_whole = compiles && !compile.source.is_empty() && !compile.object.is_empty();
        is_whole.then_some(compile)
    }

    /// The command line with a precompiled header.
    ///
    /// sccache has asked its preprocessing run for the list of headers, and that one is exact; a compile with a
    /// precompiled header knows only the latter's name, so it must not write the list again.
    fn arguments(&self, header: &str) -> Vec<OsString> {
        let mut arguments = self.flags.clone();
        arguments.extend(["-include-pch", header, "-c", &self.source, "-o", &self.object].map(OsString::from));
        arguments
    }

    /// The precompiled header for this compile, built now if it is the first of its group to need it.
    fn precompiled(&self, compiler: &OsString) -> Option<String> {
        let directory = std::env::current_dir().ok()?;
        if !self.dependencies.is_empty() && !Path::new(&self.dependencies).is_file() {
            return None;
        }
        let relative = Path::new(&self.object).strip_prefix(&directory).unwrap_or(Path::new(&self.object));
        let group = relative.parent()?.to_str()?.replace('\\', "/");
        let mut digest = Sha256::new();
        for flag in &self.flags {
            digest.update(flag.as_encoded_bytes());
            digest.update([0]);
        }
        let key: String = digest.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        let builder =
            Builder { compiler, flags: &self.flags, stem: format!("{FOLDER}/{}-{key}", group.replace('/', ".")) };
        let prepared: Prepared = match builder.finished() {
            Some(prepared) => prepared,
            None => {
                // The first compile of a target builds its headers; the others wait here. The lock dies with its holder.
                let lock = File::create(format!("{}.lock", builder.stem)).ok()?;
                lock.lock().ok()?;
                match builder.finished() {
                    Some(prepared) => prepared,
                    None => builder.prepare(&directory, &group)?,
                }
            }
        };
        prepared.header_for(&self.source, &builder.stem)
    }
}

/// What was built for one group and one set of flags; on disk as `STEM.json`, written last.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Prepared {
    /// Sources to be compiled with `STEM.full.pch`.
    full: BTreeSet<String>,
    /// Sources to be compiled with `STEM.inert.pch`.
    inert: BTreeSet<String>,
}

impl Prepared {
    fn header_for(&self, source: &str, stem: &str) -> Option<String> {
        if self.full.contains(source) {
            Some(format!("{stem}.full.pch"))
        } else if self.inert.contains(source) {
            Some(format!("{stem}.inert.pch"))
        } else {
            None
        }
    }
}

/// Builds the headers of one group.
struct Builder<'a> {
    compiler: &'a OsString,
    flags: &'a [OsString],
    /// Path of all its files without their endings, relative to ninja's folder.
    stem: String,
}

impl Builder<'_> {
    fn finished(&self) -> Option<Prepared> {
        serde_json::from_slice(&std::fs::read(format!("{}.json", self.stem)).ok()?).ok()
    }

    /// Builds what pays, and says so on disk, also when that is nothing: each target is looked at once.
    ///
    /// Some headers put bytes into every object that includes them (a constant array of V8's WebAssembly, say). A
    /// precompiled header with one of those would put them into objects whose sources never asked. Such headers are
    /// found by compiling nothing but includes; the sources that reach all of them get the full header, the others
    /// get one of headers that leave no trace.
    fn prepare(&self, directory: &Path, group: &str) -> Option<Prepared> {
        let groups: Groups = serde_json::from_slice(&std::fs::read(format!("{FOLDER}/{GROUPS_FILE}")).ok()?).ok()?;
        let sources = groups.0.values().flat_map(|group| &group.sources);
        let mut prepared = Prepared::default();
        if let Some(choice) = groups.0.get(group).and_then(|group| choose::choose(directory, group, sources)) {
            let tracing = self.tracing(&choice);
            let reaches_tracing = |reached: &Vec<usize>| tracing.iter().all(|header| reached.contains(header));
            // A source that reaches next to nothing gains nothing, and its object is the likeliest to change.
            let pays = |reached: &&Vec<usize>| reached.len() * 4 >= choice.headers.len();
            let (full, inert): (Vec<_>, Vec<_>) = choice
                .reached
                .iter()
                .filter(|(_, reached)| pays(reached))
                .partition(|(_, reached)| reaches_tracing(reached));
            if !full.is_empty() && self.precompile("full", &choice.text(|_| true)).is_some() {
                prepared.full = full.into_iter().map(|(source, _)| source.clone()).collect();
            }
            let is_inert = |header| !choice.brings(header, &tracing);
            if inert.len() > 3 && self.precompile("inert", &choice.text(is_inert)).is_some() {
                prepared.inert = inert.into_iter().map(|(source, _)| source.clone()).collect();
            }
        }
        let partial = format!("{}.json.partial", self.stem);
        std::fs::write(&partial, serde_json::to_vec(&prepared).ok()?).ok()?;
        std::fs::rename(partial, format!("{}.json", self.stem)).ok()?;
        Some(prepared)
    }

    /// The headers that leave a trace in an object which includes them and does nothing else.
    fn tracing(&self, choice: &Choice) -> Vec<usize> {
        let mut tracing: Vec<usize> = Vec::new();
        let Some(empty) = self.object_of("") else { return tracing };
        // Each round costs a few compiles; a tree where this does not end has no header worth precompiling.
        for _ in 0..8 {
            let text = |end: usize| choice.text(|header| header < end && !choice.brings(header, &tracing));
            let leaves_trace = |end: usize| self.object_of(&text(end)).is_none_or(|object| object != empty);
            if !leaves_trace(choice.headers.len()) {
                break;
            }
            let (mut inert, mut traced) = (0, choice.headers.len());
            while traced - inert > 1 {
                let middle = inert.midpoint(traced);
                if leaves_trace(middle) { traced = middle } else { inert = middle }
            }
            tracing.push(traced - 1);
        }
        tracing
    }

    /// The object of a source with this text.
    fn object_of(&self, text: &str) -> Option<Vec<u8>> {
        let (source, object) = (format!("{}.probe.cc", self.stem), format!("{}.probe.o", self.stem));
        std::fs::write(&source, text).ok()?;
        self.compile(&["-x", "c++", "-c", &source, "-o", &object])?;
        std::fs::read(object).ok()
    }

    fn precompile(&self, kind: &str, text: &str) -> Option<()> {
        let (header, finished) = (format!("{}.{kind}.h", self.stem), format!("{}.{kind}.pch", self.stem));
        std::fs::write(&header, text).ok()?;
        let partial = format!("{finished}.partial");
        self.compile(&["-x", "c++-header", &header, "-o", &partial])?;
        std::fs::rename(partial, finished).ok()
    }

    /// Runs the compiler; what it says of a failure is kept beside the header.
    fn compile(&self, arguments: &[&str]) -> Option<()> {
        let out = process::command(self.compiler).args(self.flags).args(arguments).output().ok()?;
        if !out.status.success() {
            std::fs::write(format!("{}.log", self.stem), &out.stderr).ok()?;
            return None;
        }
        Some(())
    }
}

/// Counts a compile that only worked without its header; several processes append, a line at a time.
fn note_fallback(object: &str) {
    let log = Path::new(FOLDER).join(FALLBACKS_FILE);
    if let Ok(mut file) = File::options().create(true).append(true).open(log) {
        // A lost line only makes the count too small.
        let _ = file.write_all(format!("{object}\n").as_bytes());
    }
}

/// Whether this process was started in place of clang: `LIBV8_PCH` is set, and the compiler is the first argument.
pub fn is_wanted(first_argument: Option<&OsString>) -> bool {
    let compiler = first_argument.map(Path::new).and_then(Path::file_stem);
    env::pch().is_some() && compiler.is_some_and(|name| name == "zig" || name == "clang" || name == "clang++")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Option<Compile> {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        Compile::parse(&words)
    }

    #[test]
    fn compiles_are_told_from_everything_else() {
        // As ninja writes it, and as sccache does.
        for line in [
            "clang -MMD -MF a.o.d -DX -fmodule-name=//v8:a -c ../a.cc -o obj/v8/a/a.o",
            "clang -x c++ -c -o obj/v8/a/a.o -MMD -MF a.o.d -MT a.o -DX -fmodule-name=//v8:a ../a.cc",
        ] {
            let compile = parse(line).unwrap();
            assert_eq!((compile.source.as_str(), compile.object.as_str()), ("../a.cc", "obj/v8/a/a.o"));
            assert_eq!(compile.dependencies, "a.o.d");
            assert_eq!(compile.flags, ["clang", "-DX"]);
            let with = compile.arguments("pch/x.pch");
            assert_eq!(with, ["clang", "-DX", "-include-pch", "pch/x.pch", "-c", "../a.cc", "-o", "obj/v8/a/a.o"]);
        }
        for line in [
            "clang -E -x c++ a.cc -o a.i",
            "clang --version",
            "clang a.o b.o -o a",
            "clang -c a.S -o obj/a.o",
            "clang -x c -c a.cc -o obj/a.o",
        ] {
            assert!(parse(line).is_none(), "{line}");
        }
    }
}
