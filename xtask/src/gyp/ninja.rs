//! What gyp's ninja files lack for an archive. Pure: texts in, texts out.
//!
//! * gyp puts objects of all targets that compile sources of one folder into one folder; here each target has its own, as
//!   with GN, for that is what precompiled headers are made for.
//! * Its static libraries are thin, and each holds one target. Here one library holds all objects that a program needs.
//! * The programs of the build are linked with our C++ runtime.
//! * The name of each source stands on its command line: see `compile/configure.rs`.

use std::collections::{BTreeMap, BTreeSet};

/// Everything below ninja's folder that is read and written: path relative to it, and text.
pub type Files = BTreeMap<String, String>;

/// The main file.
const MAIN: &str = "build.ninja";

/// The target of libv8.gyp whose inputs are what a program needs.
const COMPLETE: &str = "libv8_complete";

/// What each program of the build is linked with, beside its own.
const RUNTIME: [&str; 3] = ["libcxx", "libcxxabi", "libunwind"];

/// Targets that Node's gyp files link into every program, and of which nothing is needed when V8 has its snapshot.
const OF_MKSNAPSHOT: [&str; 4] =
    ["v8_compiler_for_mksnapshot_source_set", "v8_init", "v8_initializers", "v8_initializers_slow"];

/// What the archive is made by.
pub struct Wanted<'a> {
    /// The library, relative to ninja's folder.
    pub library: &'a str,
    /// ninja's target for it.
    pub target: &'a str,
    /// Targets whose objects are left out, beside those of mksnapshot.
    pub left_out: &'a [&'a str],
    /// A program that is put in front of ICU's own tools, which Node's gyp files start as they are.
    pub emulator: Option<&'a str>,
}

/// One `build` statement.
#[derive(Debug, PartialEq, Eq)]
struct Step<'a> {
    outputs: Vec<&'a str>,
    rule: &'a str,
    inputs: Vec<&'a str>,
    /// From ` |` or ` ||` on.
    rest: &'a str,
}

/// Rewrites the files that gyp wrote.
///
/// # Errors
/// What is not as gyp writes it, in a sentence.
pub fn prepare(files: &Files, wanted: &Wanted<'_>) -> Result<Files, String> {
    let mut files: Files = files.iter().map(|(path, text)| (path.clone(), joined(text))).collect();
    for (path, text) in &mut files {
        if path != MAIN {
            *text = with_own_folder(path, text)?;
        }
    }
    let libraries = libraries(&files);
    let of_runtime: Vec<&str> = RUNTIME
        .iter()
        .map(|name| {
            libraries.iter().find(|(_, library)| library.target == *name).map(|(path, _)| path.as_str())
        })
        .collect::<Option<_>>()
        .ok_or("gyp made no libraries of the C++ runtime")?;
    let complete = files
        .values()
        .flat_map(|text| steps(text))
        .find(|step| step.rule == "link" && step.outputs == [COMPLETE])
        .ok_or_else(|| format!("gyp made no {COMPLETE}"))?;
    let mut objects: BTreeSet<&str> = BTreeSet::new();
    for input in complete.inputs.iter().chain(complete.rest.split_whitespace().collect::<Vec<_>>().iter()) {
        if input.ends_with(".o") {
            objects.insert(input);
        } else if let Some(library) = libraries.get(*input) {
            let is_needed = !OF_MKSNAPSHOT.contains(&library.target.as_str())
                && !wanted.left_out.contains(&library.target.as_str())
                && library.target != "libunwind";
            objects.extend(library.objects.iter().map(String::as_str).filter(|_| is_needed));
        }
    }
    let objects: Vec<String> = objects.into_iter().map(str::to_owned).collect();
    let of_runtime: String = of_runtime.iter().map(|path| format!(" {path}")).collect();
    let mut done = Files::new();
    for (path, text) in &files {
        let lines = text.lines().map(|line| match step(line) {
            Some(step) if step.outputs == [COMPLETE] && step.rule == "link" => {
                format!("build {COMPLETE}: phony {}", wanted.library)
            }
            Some(step) if step.rule == "link" => with_inputs(line, &of_runtime),
            _ => line.to_owned(),
        });
        done.insert(path.clone(), lines.map(|line| line + "\n").collect());
    }
    let main = done.get_mut(MAIN).ok_or("gyp made no build.ninja")?;
    let named = main.replace(" -c $in ", " -frandom-seed=$in -c $in ");
    if named == *main {
        return Err("gyp's rules do not compile with `-c $in`".to_owned());
    }
    // gyp links by the C driver, and with sccache in front of it.
    let driver = named.lines().find_map(|line| line.strip_prefix("cxx = ")?.split_whitespace().last());
    let driver = driver.ok_or("gyp names no compiler for C++")?;
    let linked = named.lines().map(|line| match line {
        "ld = $cc" => format!("ld = {driver}\n"),
        _ => format!("{line}\n"),
    });
    *main = linked.collect();
    main.push_str(&archive(wanted, &objects));
    if let Some(emulator) = wanted.emulator {
        for text in done.values_mut() {
            *text = emulated(text, emulator);
        }
    }
    Ok(done)
}

/// The rule that makes the library, and the target's name.
fn archive(wanted: &Wanted<'_>, objects: &[String]) -> String {
    let Wanted { library, target, .. } = wanted;
    format!(
        "\nrule libv8_archive\n  command = rm -f $out && $ar rcs $out @$out.rsp\n  description = AR $out\n  \
         rspfile = $out.rsp\n  rspfile_content = $in\n\nbuild {library}: libv8_archive {}\nbuild {target}: phony {library}\n",
        objects.join(" ")
    )
}

/// A static library of one target.
struct Library {
    target: String,
    objects: Vec<String>,
}

fn libraries(files: &Files) -> BTreeMap<String, Library> {
    let mut found = BTreeMap::new();
    for step in files.values().flat_map(|text| steps(text)) {
        if let ([path], "alink" | "alink_thin") = (step.outputs.as_slice(), step.rule) {
            let file = path.rsplit('/').next().unwrap_or_default();
            let stem = file.strip_suffix(".a").unwrap_or(file);
            // gyp puts `lib` in front unless a target's name begins with it.
            let target = if stem.starts_with("libcxx") || stem == "libunwind" {
                stem
            } else {
                stem.strip_prefix("lib").unwrap_or(stem)
            };
            let objects = step.inputs.iter().map(|object| (*object).to_owned()).collect();
            found.insert((*path).to_owned(), Library { target: target.to_owned(), objects });
        }
    }
    found
}

/// Lines that end in `$` go on in the next one.
fn joined(text: &str) -> String {
    let mut done = String::with_capacity(text.len());
    let mut goes_on = false;
    for line in text.lines() {
        let line = if goes_on { line.trim_start() } else { line };
        // `$$` is a dollar sign.
        let dollars = line.bytes().rev().take_while(|byte| *byte == b'$').count();
        goes_on = dollars % 2 == 1;
        if goes_on {
            done.push_str(&line[..line.len() - 1]);
        } else {
            done.push_str(line);
            done.push('\n');
        }
    }
    done
}

fn steps(text: &str) -> impl Iterator<Item = Step<'_>> {
    text.lines().filter_map(step)
}

fn step(line: &str) -> Option<Step<'_>> {
    let (outputs, rest) = line.strip_prefix("build ")?.split_once(": ")?;
    let (rule, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let end = rest.find(" |").unwrap_or(rest.len());
    Some(Step {
        outputs: outputs.split_whitespace().take_while(|word| *word != "|").collect(),
        rule,
        inputs: rest[..end].split_whitespace().collect(),
        rest: &rest[end..],
    })
}

/// A `build` line with more inputs, before those that no command sees.
fn with_inputs(line: &str, more: &str) -> String {
    match line.find(" | ").or_else(|| line.find(" || ")) {
        Some(at) => format!("{}{more}{}", &line[..at], &line[at..]),
        None => format!("{line}{more}"),
    }
}

/// The objects of one target's file in a folder of that target.
fn with_own_folder(path: &str, text: &str) -> Result<String, String> {
    let stem = path.strip_suffix(".ninja").ok_or_else(|| format!("{path} is no file of ninja's"))?;
    let target = stem.rsplit('/').next().unwrap_or_default();
    // The folders that GN's targets of the same name have.
    let folder =
        stem.replacen("obj/tools/v8_gypfiles/", "obj/v8/", 1).replacen("obj/libv8/node/", "obj/libv8/", 1);
    let mut renamed: BTreeMap<&str, String> = BTreeMap::new();
    let mut taken = BTreeSet::new();
    for step in steps(text).filter(|step| matches!(step.rule, "cc" | "cxx" | "cc_s" | "asm")) {
        let [object] = step.outputs.as_slice() else {
            return Err(format!("{path}: a compile with several outputs"));
        };
        let new = format!("{folder}/{}", flat(object, target));
        if !taken.insert(new.clone()) {
            return Err(format!("{path}: two objects would be {new}"));
        }
        renamed.insert(object, new);
    }
    let lines = text.lines().map(|line| {
        let words = line.split(' ').map(|word| {
            let (word, colon) = word.strip_suffix(':').map_or((word, ""), |word| (word, ":"));
            format!("{}{colon}", renamed.get(word).map_or(word, String::as_str))
        });
        words.collect::<Vec<_>>().join(" ") + "\n"
    });
    Ok(lines.collect())
}

/// `obj/deps/v8/src/heap/v8_base.heap.o` of the target `v8_base` → `heap-heap.o`.
fn flat(object: &str, target: &str) -> String {
    let (folder, file) = object.rsplit_once('/').unwrap_or(("", object));
    let file = file.strip_prefix(target).and_then(|rest| rest.strip_prefix('.')).unwrap_or(file);
    let folder = folder.trim_start_matches("obj").trim_start_matches('/');
    let ours = ["deps/v8/src", "deps/v8", "libv8", "gen"].into_iter().find_map(|known| {
        let rest = folder.strip_prefix(known)?;
        (rest.is_empty() || rest.starts_with('/')).then(|| rest.trim_start_matches('/'))
    });
    match ours.unwrap_or(folder) {
        "" => file.to_owned(),
        folder => format!("{}-{file}", folder.replace('/', "-")),
    }
}

/// ICU's tools are the target's programs too, but Node's gyp files start them as if they were this machine's.
fn emulated(text: &str, emulator: &str) -> String {
    let is_tool = |word: &str| {
        let name = word.rsplit('/').next().unwrap_or_default();
        word.contains('/') && ["genccode", "genrb", "iculslocs", "icupkg"].contains(&name)
    };
    let lines = text.lines().map(|line| {
        if !line.trim_start().starts_with("command = ") {
            return line.to_owned() + "\n";
        }
        let mut before = "";
        let words = line.split(' ').map(|word| {
            let starts = matches!(before, "&&" | ";") || before.ends_with(';');
            if !word.is_empty() {
                before = word;
            }
            if starts && is_tool(word) { format!("{emulator} {word}") } else { word.to_owned() }
        });
        words.collect::<Vec<_>>().join(" ") + "\n"
    });
    lines.collect()
}

/// The macros of a target's file: `NAME` and `NAME=VALUE`.
pub fn defines(text: &str) -> Vec<String> {
    let text = joined(text);
    let line = text.lines().find_map(|line| line.strip_prefix("defines = ")).unwrap_or_default();
    let words = line.split_whitespace().map(|word| word.trim_matches('\''));
    words.filter_map(|word| word.strip_prefix("-D")).map(str::to_owned).collect()
}

#[cfg(test)]
#[path = "ninja_tests.rs"]
mod tests;
