//! What sccache's key of a compile is made of, without running the preprocessor.
//!
//! sccache takes its key from what `clang -E` prints, which costs 0.6 s of CPU for a file of V8, hit or miss. That text
//! follows from the compiler, its command line and the files it reads. So what we answer to `-E` is a digest of these: of
//! the flags, and of every file that the plain source can reach by its include directives, whatever the conditions in
//! between, with its path. Precompiled headers have no part in it. Equal digests mean equal preprocessed texts; the
//! other way round a changed comment is a miss, which costs a compile and nothing else.
//!
//! Where the text alone does not tell what would be read (`#include MACRO`, say), the compiler is asked after all.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::UNIX_EPOCH;

use v8_archive::Sha256;

use super::policy::Policy;
use super::scan::{self, Kind};
use super::shim::FOLDER;
use crate::process;

/// The file in [`FOLDER`] that remembers what was found in each header: several processes append, a line at a time.
const MEMORY: &str = "reads.log";

/// A run of the preprocessor that sccache asks for, taken from its command line.
#[derive(Debug, Default, PartialEq)]
pub struct Preprocess {
    source: String,
    /// The list of headers that is wanted beside the text, and the object it is written for.
    dependencies: Option<(String, String)>,
    /// Whether headers of the system are left out of that list.
    without_system: bool,
    /// What may change the text; no path of this machine.
    flags: Vec<String>,
    /// `-I`, in order.
    dirs: Vec<String>,
    /// `-isystem`, in order.
    system_dirs: Vec<String>,
    /// `-include`, `-imacros`.
    forced: Vec<String>,
    /// The compiler's own headers.
    resource_dir: String,
    /// What decides where the compiler looks besides: all but the above.
    other: Vec<OsString>,
}

impl Preprocess {
    /// Nothing for anything but the preprocessing of one file of C++ with flags whose meaning is known here.
    pub fn parse(arguments: &[OsString]) -> Option<Preprocess> {
        let mut one = Preprocess::default();
        let (mut preprocesses, mut is_cpp, mut list, mut object) = (false, false, None, None);
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let text = word.to_str()?;
            let mut value = || words.next()?.to_str().map(str::to_owned);
            match text {
                "-E" => preprocesses = true,
                "-x" if value()? == "c++" => is_cpp = true,
                "-MF" => list = Some(value()?),
                "-MT" | "-MQ" => object = Some(value()?),
                "-MMD" => one.without_system = true,
                "-MD" => {}
                "-I" => one.dirs.push(value()?),
                "-isystem" => one.system_dirs.push(value()?),
                "-include" | "-imacros" => one.forced.push(value()?),
                "-resource-dir" => {
                    one.resource_dir = value()?;
                    one.other.extend([word.clone(), one.resource_dir.clone().into()]);
                }
                "-mllvm" | "-D" | "-U" => one.flags.extend([text.to_owned(), value()?]),
                // These change where headers are looked for, or the text, in ways that nobody needs here.
                _ if [
                    "-F",
                    "-X",
                    "-i",
                    "-c",
                    "-S",
                    "-M",
                    "-o",
                    "-C",
                    "-fmodules",
                    "-fprebuilt",
                    "-trigraphs",
                    "@",
                ]
                .iter()
                .any(|prefix| text.starts_with(prefix))
                    && !text.starts_with("-isystem") =>
                {
                    return None;
                }
                _ if text.starts_with("-I") => one.dirs.push(text[2..].to_owned()),
                _ if text.starts_with("-isystem") => {
                    one.system_dirs.push(text["-isystem".len()..].to_owned())
                }
                // It names the source, as sccache's key does.
                _ if text.starts_with("-frandom-seed=") => {}
                _ if text.starts_with("-fmodule-name=") => one.flags.push(text.to_owned()),
                _ if text.starts_with("-B") => one.other.push(word.clone()),
                _ if text.starts_with('-') => {
                    one.flags.push(text.to_owned());
                    if !text.starts_with("-D") && !text.starts_with("-W") {
                        one.other.push(word.clone());
                    }
                }
                // Zig's name of the compiler inside it.
                "clang" if one.other.is_empty() && one.source.is_empty() => one.other.push(word.clone()),
                _ if one.source.is_empty() => one.source = text.to_owned(),
                _ => return None,
            }
        }
        one.dependencies = list.zip(object);
        // A folder that is both counts as the system's only, and later; nobody needs that either.
        let is_plain = one.dirs.iter().all(|dir| !one.system_dirs.contains(dir));
        (preprocesses && is_cpp && is_plain && !one.source.is_empty()).then_some(one)
    }

    /// The text for sccache, once the list of headers is written for ninja; nothing if the compiler must be asked.
    pub fn answer(&self, compiler: &OsString) -> Option<String> {
        let own_dirs = self.compilers_own_dirs(compiler)?;
        self.digest(
            own_dirs,
            &Path::new(FOLDER).join(MEMORY),
            &Policy::read(Path::new("")).unwrap_or_default(),
        )
    }

    /// The same with the compiler's own folders and the policy known.
    fn digest(&self, own_dirs: Vec<String>, memory_file: &Path, policy: &Policy) -> Option<String> {
        let memory = fs::read_to_string(memory_file).unwrap_or_default();
        let mut reach = Reach::new(self, own_dirs, &memory);
        let is_known = reach.follow_all().is_some();
        reach.remember(memory_file);
        if !is_known {
            return None;
        }
        if let Some((list, object)) = &self.dependencies {
            let mut text = escaped(object) + ":";
            let wanted = reach.found.iter().filter(|(_, one)| !(self.without_system && one.is_system));
            for (path, _) in wanted {
                text.push_str(" \\\n  ");
                text.push_str(&escaped(path));
            }
            fs::write(list, text + "\n").ok()?;
        }
        // An object that was kept before its name came onto a list is not what a build with that list makes.
        let way = self.dependencies.as_ref().map(|(_, object)| policy.way(object));
        let mut text = format!("libv8 key 2, {way:?}\n");
        for flag in &self.flags {
            text.push_str(&format!("{flag}\n"));
        }
        let own = normal(&self.resource_dir);
        for (path, one) in &reach.found {
            let shown = match path.strip_prefix(&own) {
                Some(rest) if !own.is_empty() => format!("<{rest}>"),
                _ => path.clone(),
            };
            text.push_str(&format!("{shown}\t{}\n", one.digest));
        }
        Some(format!("libv8 key 2\n{}\n", Sha256::of_bytes(text.as_bytes())))
    }

    /// Where the compiler looks without being told; asked of it once for each set of flags.
    fn compilers_own_dirs(&self, compiler: &OsString) -> Option<Vec<String>> {
        let asked = self.other.clone();
        let name: Vec<u8> = asked.iter().flat_map(|word| [word.as_encoded_bytes(), b"\0"].concat()).collect();
        let file = format!("{FOLDER}/dirs-{}.json", &Sha256::of_bytes(&name).to_string()[..12]);
        if let Some(known) = fs::read(&file).ok().and_then(|text| serde_json::from_slice(&text).ok()) {
            return Some(known);
        }
        let out =
            process::command(compiler).args(asked).args(["-x", "c++", "-E", "-v", "-"]).output().ok()?;
        let dirs = search_list(&String::from_utf8_lossy(&out.stderr)).filter(|_| out.status.success())?;
        let partial = format!("{file}.{}", std::process::id());
        fs::write(&partial, serde_json::to_vec(&dirs).ok()?).ok()?;
        fs::rename(partial, file).ok()?;
        Some(dirs)
    }
}

/// The list of folders in what `clang -v` says; nothing if there is none, or if it holds frameworks.
fn search_list(said: &str) -> Option<Vec<String>> {
    let list = said.split_once("#include <...> search starts here:\n")?.1;
    let dirs = list.split_once("End of search list.")?.0.lines().map(|line| line.trim().to_owned());
    let dirs: Vec<String> = dirs.collect();
    (!dirs.iter().any(|dir| dir.ends_with("(framework directory)"))).then_some(dirs)
}

/// A path as a list of dependencies for make has it.
fn escaped(path: &str) -> String {
    path.replace('$', "$$").replace('#', "\\#").replace(' ', "\\ ")
}

/// `a/../b` → `b`.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "." => {}
            "" if !parts.is_empty() => {}
            ".." if parts.last().is_some_and(|last| !matches!(*last, ".." | "")) => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

/// A file that is reached.
struct Found {
    digest: String,
    is_system: bool,
}

/// What was found in a file, on one line of the memory: path, size, time, digest, then the directives, then a full stop,
/// which tells that the line is whole.
struct Record {
    digest: String,
    directives: Vec<(Kind, String)>,
}

/// Everything that a source can reach.
struct Reach<'a> {
    wanted: &'a Preprocess,
    /// All folders in the order of the search; the first few are not the system's.
    dirs: Vec<&'a str>,
    own_dirs: Vec<String>,
    memory: HashMap<&'a str, &'a str>,
    /// Lines to be remembered.
    new: String,
    /// Whether a folder has an entry of this name: most names are not in most folders.
    entries: HashMap<(String, String), bool>,
    /// Where a name was found: the number of its folder, and the path.
    names: HashMap<String, Vec<(usize, String)>>,
    found: BTreeMap<String, Found>,
    computed: HashSet<String>,
}

impl<'a> Reach<'a> {
    fn new(wanted: &'a Preprocess, own_dirs: Vec<String>, memory: &'a str) -> Reach<'a> {
        let whole = memory.lines().filter_map(|line| line.strip_suffix("\t."));
        Reach {
            wanted,
            dirs: wanted.dirs.iter().chain(&wanted.system_dirs).map(String::as_str).collect(),
            own_dirs,
            memory: whole.filter_map(|line| line.split_once('\t')).collect(),
            new: String::new(),
            entries: HashMap::new(),
            names: HashMap::new(),
            found: BTreeMap::new(),
            computed: HashSet::new(),
        }
    }

    /// Nothing if some file does not tell what it reads.
    fn follow_all(&mut self) -> Option<()> {
        let mut stack = vec![(normal(&self.wanted.source), false)];
        for name in &self.wanted.forced {
            stack.extend(self.look_for(&format!("\"{name}\""), Kind::Include, "", false));
        }
        let mut seen = HashSet::new();
        while let Some((path, is_system)) = stack.pop() {
            if !seen.insert(path.clone()) {
                continue;
            }
            let record = self.read(&path)?;
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            for (kind, spelling) in &record.directives {
                if *kind == Kind::Computed {
                    self.computed.insert(spelling.clone());
                } else {
                    stack.extend(self.look_for(spelling, *kind, folder, is_system));
                }
            }
            self.found.insert(path, Found { digest: record.digest, is_system });
        }
        self.computed_are_never_reached()
    }

    /// `#include MACRO` is an error where the macro is not defined; where it may be, only the compiler knows.
    fn computed_are_never_reached(&self) -> Option<()> {
        if self.computed.is_empty() {
            return Some(());
        }
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let defines = |text: &str| {
            let name = text.trim_start();
            self.computed.contains(&name[..name.find(|c| !is_word(c)).unwrap_or(name.len())])
        };
        if self.wanted.flags.iter().any(|flag| defines(flag.trim_start_matches("-D"))) {
            return None;
        }
        for path in self.found.keys() {
            let text = fs::read(path).ok()?;
            let text = String::from_utf8_lossy(&text);
            if text.match_indices("define").any(|(at, word)| defines(&text[at + word.len()..])) {
                return None;
            }
        }
        Some(())
    }

    /// The file or, for `#include_next`, the files that a name may lead to, and whether they are the system's.
    fn look_for(
        &mut self,
        spelling: &str,
        kind: Kind,
        folder: &str,
        from_system: bool,
    ) -> Vec<(String, bool)> {
        let name = &spelling[1..spelling.len() - 1];
        if name.starts_with('/') {
            return if self.has("", name) { vec![(normal(name), from_system)] } else { Vec::new() };
        }
        if spelling.starts_with('"') && kind != Kind::Next && self.has(folder, name) {
            return vec![(normal(&join(folder, name)), from_system)];
        }
        if !self.names.contains_key(name) {
            let mut all = Vec::new();
            for number in 0..self.dirs.len() + self.own_dirs.len() {
                let dir = self.dir(number).to_owned();
                if self.has(&dir, name) {
                    all.push((number, normal(&join(&dir, name))));
                }
            }
            self.names.insert(name.to_owned(), all);
        }
        let first_of_system = self.wanted.dirs.len();
        let all = self.names[name].iter().map(|(number, path)| (path.clone(), *number >= first_of_system));
        if kind == Kind::Next { all.collect() } else { all.take(1).collect() }
    }

    fn dir(&self, number: usize) -> &str {
        self.dirs.get(number).copied().unwrap_or_else(|| &self.own_dirs[number - self.dirs.len()])
    }

    /// Whether there is such a file below a folder.
    fn has(&mut self, folder: &str, name: &str) -> bool {
        if let Some((first, _)) = name.split_once('/')
            && !folder.is_empty()
        {
            let key = (folder.to_owned(), first.to_owned());
            let is_there =
                self.entries.entry(key).or_insert_with(|| fs::metadata(join(folder, first)).is_ok());
            if !*is_there {
                return false;
            }
        }
        fs::metadata(join(folder, name)).is_ok_and(|data| data.is_file())
    }

    /// What a file includes, from memory if it has not changed since; nothing if its text does not tell.
    fn read(&mut self, path: &str) -> Option<Record> {
        let data = fs::metadata(path).ok()?;
        let time = data.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_nanos();
        let stamp = format!("{}\t{time}\t", data.len());
        if let Some(known) = self.memory.get(path).and_then(|line| line.strip_prefix(&stamp)) {
            return Record::parse(known);
        }
        let bytes = fs::read(path).ok()?;
        let digest = Sha256::of_bytes(&bytes);
        let text = scan::scan(&String::from_utf8_lossy(&bytes), &|_| false);
        let mut line = digest.to_string();
        if text.opaque.is_some() || text.directives.iter().any(|one| one.spelling.contains('\t')) {
            line.push_str("\t!");
        }
        for one in &text.directives {
            line.push('\t');
            line.push(mark(one.kind));
            line.push_str(&one.spelling);
        }
        if !path.contains(['\t', '\n']) {
            self.new.push_str(&format!("{path}\t{stamp}{line}\t.\n"));
        }
        Record::parse(&line)
    }

    /// Appends what was new. A lost line is found again by the next who needs it.
    fn remember(&self, file: &Path) {
        if self.new.is_empty() {
            return;
        }
        if let Ok(mut file) = File::options().create(true).append(true).open(file) {
            let _ = file.write_all(format!("\n{}", self.new).as_bytes());
        }
    }
}

impl Record {
    fn parse(line: &str) -> Option<Record> {
        let mut fields = line.split('\t');
        let digest = fields.next()?.to_owned();
        let directives = fields.map(|field| {
            let kind = KINDS.iter().find(|(_, mark)| field.starts_with(*mark))?.0;
            Some((kind, field[1..].to_owned()))
        });
        Some(Record { digest, directives: directives.collect::<Option<_>>()? })
    }
}

/// How a kind is written in the memory.
const KINDS: [(Kind, char); 4] =
    [(Kind::Include, 'i'), (Kind::Next, 'n'), (Kind::Has, 'h'), (Kind::Computed, 'c')];

fn mark(kind: Kind) -> char {
    KINDS.iter().find(|(one, _)| *one == kind).expect("all are listed").1
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

#[cfg(test)]
mod tests;
