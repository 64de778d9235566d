//! What runs in place of clang during a build: answers sccache, and adds the precompiled header of the file's GN target.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::{ExitCode, Stdio};

use object::{Object as _, ObjectSymbol as _};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Groups;
use super::choose::{self, Choice};
use super::journal::{Event, Stopwatch};
use super::key::Preprocess;
use super::policy::{Policy, Way};
use crate::distribute::send;
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
    if env::is_away() {
        return away(program, rest);
    }
    if let Some(text) = Preprocess::parse(rest).and_then(|wanted| wanted.answer(program)) {
        print!("{text}");
        return ExitCode::SUCCESS;
    }
    let Some(compile) = Compile::parse(rest) else { return plain(program, rest) };
    let watch = Stopwatch::start();
    if let Some(said) = send::compile(rest, &compile.object) {
        // Nothing can be done about a closed stderr.
        let _ = std::io::stderr().write_all(&said);
        watch.note(Event::Away, &compile.object);
        return ExitCode::SUCCESS;
    }
    let is_plain = env::wants_plain_headers() || send::is_rarely_here(&compile.object);
    let header = if is_plain { None } else { compile.precompiled(program) };
    let watch = Stopwatch::start();
    let Some(header) = header else {
        let code = plain(program, rest);
        watch.note(Event::Plain, &compile.object);
        return code;
    };
    let out = process::command(program).args(compile.arguments(&header)).stdout(Stdio::inherit()).output();
    if let Ok(out) = out
        && out.status.success()
    {
        // Nothing can be done about a closed stderr.
        let _ = std::io::stderr().write_all(&out.stderr);
        watch.note(Event::WithHeader, &compile.object);
        return ExitCode::SUCCESS;
    }
    note_fallback(&compile.object);
    let code = plain(program, rest);
    watch.note(Event::Again, &compile.object);
    code
}

/// For the server that knows the cluster: what it preprocesses is what travels. When it cannot send that away it would compile here,
/// past the count of those who may; the shim that asked it does that better.
fn away(program: &OsString, rest: &[OsString]) -> ExitCode {
    if rest.iter().any(|word| word == "-c") {
        eprintln!("the cluster did not compile it");
        return ExitCode::FAILURE;
    }
    plain(program, rest)
}

/// Runs the compiler as if we were not there.
fn plain(program: &OsString, arguments: &[OsString]) -> ExitCode {
    // A signal leaves no code; 1 then, as a shell's clang would be seen by sccache.
    match process::command(program).args(arguments).stdin(Stdio::inherit()).status() {
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
                // A module's name would make the header belong to that module; the seed names the source.
                _ if text.starts_with("-fmodule-name=") || text.starts_with("-frandom-seed=") => {}
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
        arguments
            .extend(["-include-pch", header, "-c", &self.source, "-o", &self.object].map(OsString::from));
        arguments
    }

    /// The precompiled header for this compile, built now if it is the first of its group to need it.
    ///
    /// The key holds the tree's absolute path, in the `-B` and `-resource-dir` that the overlay's script adds, and that is
    /// as it must be: clang writes absolute paths of all that was included into a header. In a moved tree it refuses one
    /// ("could not find file … referenced by AST file"), or, in a copied one, takes its own files for others and says
    /// "redefinition". So a header is of use in the folder that it was made for and nowhere else.
    fn precompiled(&self, compiler: &OsString) -> Option<String> {
        let directory = std::env::current_dir().ok()?;
        if !self.dependencies.is_empty() && !Path::new(&self.dependencies).is_file() {
            return None;
        }
        let relative = Path::new(&self.object).strip_prefix(&directory).unwrap_or(Path::new(&self.object));
        let relative = relative.to_str()?.replace('\\', "/");
        // Without a policy: with care.
        let instantiate = match Policy::read(Path::new("")).unwrap_or_default().way(&relative) {
            Way::Plain => return None,
            Way::Late => false,
            Way::Instantiated => true,
        };
        let group = relative.rsplit_once('/')?.0;
        let mut digest = Sha256::new();
        for flag in &self.flags {
            digest.update(flag.as_encoded_bytes());
            digest.update([0]);
        }
        let key: String = digest.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        let builder = Builder {
            compiler,
            flags: &self.flags,
            stem: format!(
                "{FOLDER}/{}-{key}{}",
                group.replace('/', "."),
                if instantiate { "" } else { "-late" }
            ),
            instantiate,
        };
        let prepared: Prepared = match builder.finished() {
            Some(prepared) => prepared,
            None => {
                // The first compile of a target builds its headers; the others wait here. The lock dies with its holder.
                let lock = File::create(format!("{}.lock", builder.stem)).ok()?;
                lock.lock().ok()?;
                match builder.finished() {
                    Some(prepared) => prepared,
                    None => {
                        let watch = Stopwatch::start();
                        let prepared = builder.prepare(&directory, group)?;
                        watch.note(Event::Headers, group);
                        prepared
                    }
                }
            }
        };
        prepared.header_for(&self.source, &builder.stem)
    }
}

/// Fewer sources than this do not win back a second header.
const MINIMUM_INERT: usize = 8;

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
    /// Whether templates are instantiated once for all, in the header.
    instantiate: bool,
}

impl Builder<'_> {
    fn finished(&self) -> Option<Prepared> {
        serde_json::from_slice(&std::fs::read(format!("{}.json", self.stem)).ok()?).ok()
    }

    /// Builds what pays, and says so on disk, also when that is nothing: each target is looked at once.
    ///
    /// Some headers put bytes into every object that includes them (a constant array of V8's WebAssembly, say). A
    /// precompiled header with one of those would put them into objects whose sources never asked. So an empty source
    /// is compiled with each header; what then stands in its object leads to the file that declares it. The sources
    /// that reach all such files get the full header, the others get one of headers that leave no trace.
    fn prepare(&self, directory: &Path, group: &str) -> Option<Prepared> {
        let groups: Groups =
            serde_json::from_slice(&std::fs::read(format!("{FOLDER}/{GROUPS_FILE}")).ok()?).ok()?;
        let sources = groups.0.values().flat_map(|group| &group.sources);
        let mut prepared = Prepared::default();
        if let Some(mut choice) =
            groups.0.get(group).and_then(|group| choose::choose(directory, group, sources))
        {
            let mut tracing = HashSet::new();
            if self.precompile("full", &choice.text(&tracing)).is_some()
                && let Some(found) = self.trace("full", &choice)
            {
                tracing.extend(found);
                let (full, rest) = choice.sources(&tracing);
                prepared.full = full;
                // Two headers for a handful of sources cost more than they save.
                for _ in 0..3 {
                    if rest.len() < MINIMUM_INERT
                        || self.precompile("inert", &choice.text(&tracing)).is_none()
                    {
                        break;
                    }
                    let Some(found) = self.trace("inert", &choice) else { break };
                    if found.is_empty() {
                        prepared.inert = rest;
                        break;
                    }
                    tracing.extend(found);
                }
            }
        }
        let partial = format!("{}.json.partial", self.stem);
        std::fs::write(&partial, serde_json::to_vec(&prepared).ok()?).ok()?;
        std::fs::rename(partial, format!("{}.json", self.stem)).ok()?;
        Some(prepared)
    }

    /// The files whose declarations stand in the object of an empty source that is compiled with a header; nothing
    /// if that cannot be told, which is no header to use.
    fn trace(&self, kind: &str, choice: &Choice) -> Option<HashSet<usize>> {
        let (source, object) = (format!("{}.probe.cc", self.stem), format!("{}.probe.o", self.stem));
        std::fs::write(&source, "").ok()?;
        self.compile(&["-x", "c++", "-c", &source, "-o", &object])?;
        let plain = std::fs::read(&object).ok()?;
        let header = format!("{}.{kind}.pch", self.stem);
        self.compile(&["-include-pch", &header, "-x", "c++", "-c", &source, "-o", &object])?;
        let with = std::fs::read(&object).ok()?;
        if plain == with {
            return Some(HashSet::new());
        }
        let file = object::File::parse(with.as_slice()).ok()?;
        let names =
            file.symbols().filter(|symbol| symbol.is_definition()).filter_map(|symbol| symbol.name().ok());
        let files: HashSet<usize> =
            names.map(|name| choice.declaring(last_identifier(name)?)).collect::<Option<_>>()?;
        // Bytes without a symbol cannot be traced to a file.
        (!files.is_empty()).then_some(files)
    }

    fn precompile(&self, kind: &str, text: &str) -> Option<()> {
        let (header, finished) = (format!("{}.{kind}.h", self.stem), format!("{}.{kind}.pch", self.stem));
        std::fs::write(&header, text).ok()?;
        let partial = format!("{finished}.partial");
        let mut arguments = vec!["-x", "c++-header", &header, "-o", &partial];
        if self.instantiate {
            // Thousands of functions of templates that headers use are otherwise made again in every compile: 1.8 s for
            // an empty source with the headers of V8's base, 0.1 s so.
            arguments.push("-fpch-instantiate-templates");
        }
        self.compile(&arguments)?;
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

/// The last name in a mangled one: `_ZN2v88internal4wasmL4kAbcE` is `kAbc` (Itanium C++ ABI, 5.1.2: lengths before names).
fn last_identifier(mangled: &str) -> Option<&str> {
    let rest = mangled.strip_prefix("_Z")?;
    let (mut at, mut last) = (0, None);
    while at < rest.len() {
        let digits = rest[at..].bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            at += 1;
            continue;
        }
        let length: usize = rest[at..at + digits].parse().ok()?;
        let start = at + digits;
        last = Some(rest.get(start..start + length)?);
        at = start + length;
    }
    last
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
    fn names_are_read_from_mangled_ones() {
        assert_eq!(
            last_identifier("_ZN2v88internal4wasmL26kCompilationPriorityStringE"),
            Some("kCompilationPriorityString")
        );
        assert_eq!(last_identifier("_ZL3abc"), Some("abc"));
        assert_eq!(last_identifier("main"), None);
        assert_eq!(last_identifier("_Z9x"), None);
    }

    #[test]
    fn compiles_are_told_from_everything_else() {
        // As ninja writes it, and as sccache does.
        for line in [
            "clang -MMD -MF a.o.d -DX -fmodule-name=//v8:a -frandom-seed=../a.cc -c ../a.cc -o obj/v8/a/a.o",
            "clang -x c++ -c -o obj/v8/a/a.o -MMD -MF a.o.d -MT a.o -DX -fmodule-name=//v8:a ../a.cc",
        ] {
            let compile = parse(line).unwrap();
            assert_eq!((compile.source.as_str(), compile.object.as_str()), ("../a.cc", "obj/v8/a/a.o"));
            assert_eq!(compile.dependencies, "a.o.d");
            assert_eq!(compile.flags, ["clang", "-DX"]);
            let with = compile.arguments("pch/x.pch");
            assert_eq!(
                with,
                ["clang", "-DX", "-include-pch", "pch/x.pch", "-c", "../a.cc", "-o", "obj/v8/a/a.o"]
            );
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
