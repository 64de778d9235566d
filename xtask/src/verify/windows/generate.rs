//! Makes the committed list from MinGW-w64's `.def` files; a test, because nothing but this repository needs it.

use std::collections::BTreeSet;
use std::path::Path;

use super::{LIST, UCRT};
use crate::verify::list::generate::{by_processor, compare, push_group};
use crate::{env, process};

/// The libraries of the list by their names for `-l`: those that V8's build files name, and those that libc++, ICU and
/// Abseil are known to use.
const LIBRARIES: &[&str] =
    &["advapi32", "bcrypt", "dbghelp", "kernel32", "psapi", "shlwapi", UCRT, "winmm", "ws2_32"];

/// The names that a `.def` file exports; none if it has a line of unknown form.
///
/// A line is a name and what is special of it: its number, that it is data, the function behind it.
fn exports(text: &str) -> Option<BTreeSet<String>> {
    let mut lines = text.lines().map(|line| line.split(';').next().unwrap_or("").trim());
    lines.find(|line| *line == "EXPORTS")?;
    let mut names = BTreeSet::new();
    for line in lines.filter(|line| !line.is_empty()) {
        let mut words = line.split_whitespace();
        let name = words.next()?.trim_matches('"');
        let known = |word: &str| {
            matches!(word, "DATA" | "PRIVATE" | "CONSTANT" | "NONAME" | "==") || word.starts_with('@')
        };
        // Behind `==` stands the name in the DLL.
        let mut expected = true;
        for word in words {
            expected &= known(word) || !word.contains('=');
        }
        // `NAME=OTHER` renames inside the DLL; `NAME@8` says what only 32-bit calls need.
        let name = name.split('=').next()?;
        let name = match name.rsplit_once('@') {
            Some((name, bytes)) if bytes.parse::<u8>().is_ok() => name,
            _ => name,
        };
        if !expected || name.is_empty() {
            return None;
        }
        names.insert(name.to_owned());
    }
    Some(names)
}

/// The file of a library: plain, or for the C preprocessor.
fn definition(folder: &Path, library: &str, processor: &str, zig: &Path) -> String {
    let stem = if library == UCRT { "ucrtbase" } else { library };
    let plain = folder.join(format!("lib-common/{stem}.def"));
    if let Ok(text) = std::fs::read_to_string(&plain) {
        return text;
    }
    let mut command = process::command(zig);
    command.args(["clang", "-E", "-P", "-x", "c", "-w"]).arg(format!("--target={processor}-w64-windows-gnu"));
    command.arg("-I").arg(folder.join("def-include")).arg(plain.with_extension("def.in"));
    process::read(&mut command).unwrap()
}

/// `cargo xtask test` gives the place of Zig's list of glibc's symbols; MinGW's files lie beside it.
#[test]
fn the_committed_list_of_windows_is_zigs() {
    let Some(abilists) = env::abilists() else { return };
    let lib = abilists.ancestors().nth(3).expect("it lies in lib/libc/glibc");
    let (folder, zig) = (lib.join("libc/mingw"), lib.with_file_name("zig"));
    let mut out = String::from(
        "# Symbols of Windows' libraries on all processors, and on one only. Made from MinGW-w64's .def files in Zig's\n\
         # lib/libc/mingw by xtask/src/verify/windows/generate.rs.\n",
    );
    for library in LIBRARIES {
        let of = |processor: &str| {
            let text = definition(&folder, library, processor, &zig);
            exports(&text).unwrap_or_else(|| panic!("{library}.def has a line of unknown form"))
        };
        let groups = by_processor(|processor| Some(of(processor))).expect("there are processors");
        for (heading, names) in groups.iter().filter(|(_, names)| !names.is_empty()) {
            push_group(&mut out, &format!("{library} {heading}"), names.iter().map(String::as_str));
        }
    }
    compare("windows.txt", &out, LIST);
}

#[test]
fn definitions_are_understood() {
    let text = "LIBRARY \"X.dll\"\n; of nobody\nEXPORTS\na\nb DATA ; why\nc == _c\nd @3 NONAME\n; cgets == _cgets\ne=other.e\nf@8\n?g@@YAXXZ\n";
    let names: Vec<String> = exports(text).unwrap().into_iter().collect();
    assert_eq!(names, ["?g@@YAXXZ", "a", "b", "c", "d", "e", "f"]);
    for bad in ["a\n", "EXPORTS\na b=c\n"] {
        assert_eq!(exports(bad), None, "{bad}");
    }
}
