//! Decides which headers go into the precompiled header of a GN target, from what its own files include.
//!
//! No list is kept by hand: a list rots with the next V8. The rule: a header that some source of the build
//! includes by itself (so it can stand alone), that guards against being included twice, and that a good part
//! of the target's sources reach.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Component, Path, PathBuf};

use super::Group;

/// Share of a target's sources that must reach a header before it is precompiled for all of them.
///
/// Measured on V8 15.2: a lower share makes the header itself slower to build and to load, and pulls names into
/// files that never asked for them; a higher one leaves parsing on the table.
const MINIMUM_SHARE: f64 = 0.3;

/// A target with fewer sources cannot win back what its header costs to build.
const MINIMUM_SOURCES: usize = 8;

/// The headers that are worth precompiling for a group, and what each of its sources reaches.
pub struct Choice<'a> {
    scanner: Scanner<'a>,
    /// Every file that a source reaches, each after those it includes itself.
    order: Vec<usize>,
    /// The chosen ones in that order, with their spelling.
    chosen: Vec<(usize, String)>,
    /// What each source reaches.
    closures: Vec<(&'a String, HashSet<usize>)>,
}

impl<'a> Choice<'a> {
    /// The text of a header that includes what is chosen, but nothing that is one of `without` or includes it.
    pub fn text(&mut self, without: &HashSet<usize>) -> String {
        let mut text = String::new();
        for (id, spelling) in &self.chosen {
            if !without.contains(id) && self.scanner.closure(*id).is_disjoint(without) {
                text.push_str(&format!("#include {spelling}\n"));
            }
        }
        text
    }

    /// The file that declares `word`: the first to mention it, because files come after those they need.
    pub fn declaring(&self, word: &str) -> Option<usize> {
        let is_part = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
        let mentions = |text: &str| {
            text.match_indices(word).any(|(at, _)| {
                !is_part(text[..at].chars().next_back()) && !is_part(text[at + word.len()..].chars().next())
            })
        };
        self.order.iter().copied().find(|id| {
            std::fs::read(&self.scanner.files[*id].path)
                .is_ok_and(|text| mentions(&String::from_utf8_lossy(&text)))
        })
    }

    /// The sources worth compiling with a precompiled header, told apart by whether they reach all of `files`.
    pub fn sources(&self, files: &HashSet<usize>) -> (BTreeSet<String>, BTreeSet<String>) {
        let count =
            |closure: &HashSet<usize>| self.chosen.iter().filter(|(id, _)| closure.contains(id)).count();
        // A source that reaches next to nothing gains nothing.
        let worthwhile = self.closures.iter().filter(|(_, closure)| count(closure) * 4 >= self.chosen.len());
        let (all, rest): (Vec<_>, Vec<_>) = worthwhile.partition(|(_, closure)| files.is_subset(closure));
        let names = |list: Vec<&(&String, _)>| list.into_iter().map(|(name, _)| (*name).clone()).collect();
        (names(all), names(rest))
    }
}

/// What to precompile for `group`, or nothing where it would not pay.
///
/// `directory` is ninja's folder, which all paths are relative to. `stand_alone` are the sources of the whole build:
/// what one of them includes by itself can be included by itself.
pub fn choose<'a>(
    directory: &'a Path,
    group: &'a Group,
    stand_alone: impl Iterator<Item = &'a String>,
) -> Option<Choice<'a>> {
    if group.sources.len() < MINIMUM_SOURCES {
        return None;
    }
    let mut scanner = Scanner::new(directory, &group.include_dirs);
    let mut spelled: HashMap<usize, String> = HashMap::new();
    for source in stand_alone {
        let Some(source) = scanner.file(&directory.join(source)) else { continue };
        for (spelling, header) in scanner.includes(source) {
            spelled.entry(header).or_insert(spelling);
        }
    }
    // Headers in the order in which a compiler that read all sources one after the other would be done with them:
    // a header comes after those it needs. Objects are equal only if declarations keep that order.
    let (mut order, mut done) = (Vec::new(), HashSet::new());
    let mut counts: HashMap<usize, usize> = HashMap::new();
    let mut closures = Vec::new();
    for name in &group.sources {
        let Some(source) = scanner.file(&directory.join(name)) else { continue };
        scanner.visit(source, &mut done, &mut order);
        let closure = scanner.closure(source);
        for header in &closure {
            *counts.entry(*header).or_default() += 1;
        }
        closures.push((name, closure));
    }
    let needed = (group.sources.len() as f64 * MINIMUM_SHARE).ceil() as usize;
    let chosen: Vec<(usize, String)> = order
        .iter()
        .filter(|id| scanner.files[**id].guarded && counts.get(id).is_some_and(|count| *count >= needed))
        .filter_map(|id| Some((*id, spelled.get(id)?.clone())))
        .collect();
    (!chosen.is_empty()).then_some(Choice { scanner, order, chosen, closures })
}

/// Reads files once and remembers what they include.
struct Scanner<'a> {
    directory: &'a Path,
    include_dirs: &'a [String],
    ids: HashMap<PathBuf, usize>,
    files: Vec<File>,
    closures: HashMap<usize, HashSet<usize>>,
}

struct File {
    path: PathBuf,
    /// The spelling as it stands in the file (`"src/api/api.h"`, `<vector>`), in the order of the file.
    spellings: Vec<String>,
    includes: Option<Vec<(String, usize)>>,
    guarded: bool,
}

impl<'a> Scanner<'a> {
    fn new(directory: &'a Path, include_dirs: &'a [String]) -> Scanner<'a> {
        Scanner { directory, include_dirs, ids: HashMap::new(), files: Vec::new(), closures: HashMap::new() }
    }

    /// The number of a file, read on its first use; nothing if there is no such file.
    fn file(&mut self, path: &Path) -> Option<usize> {
        let path = lexically_normal(path);
        if let Some(id) = self.ids.get(&path) {
            return Some(*id);
        }
        let text = String::from_utf8_lossy(&std::fs::read(&path).ok()?).into_owned();
        let (spellings, guarded) = scan(&text);
        let id = self.files.len();
        self.files.push(File { path: path.clone(), spellings, includes: None, guarded });
        self.ids.insert(path, id);
        Some(id)
    }

    /// What a file includes, as far as it lies in the tree; headers of the system are reached through those.
    fn includes(&mut self, id: usize) -> Vec<(String, usize)> {
        if let Some(known) = &self.files[id].includes {
            return known.clone();
        }
        let here = self.files[id].path.parent().map(Path::to_path_buf).unwrap_or_default();
        let mut found = Vec::new();
        for spelling in self.files[id].spellings.clone() {
            let name = &spelling[1..spelling.len() - 1];
            let beside = spelling.starts_with('"').then(|| here.join(name));
            let mut places: Vec<PathBuf> =
                self.include_dirs.iter().map(|dir| self.directory.join(dir).join(name)).collect();
            // A name found only beside its includer means another file elsewhere, so it cannot be spelled in the header.
            let by_search_path = places.iter().position(|place| place.is_file());
            if let Some(at) = by_search_path {
                if let Some(header) = self.file(&places.swap_remove(at)) {
                    found.push((spelling, header));
                }
            } else if let Some(header) =
                beside.filter(|path| path.is_file()).and_then(|path| self.file(&path))
            {
                self.files[header].guarded = false;
                found.push((spelling, header));
            }
        }
        self.files[id].includes = Some(found.clone());
        found
    }

    /// Every header a source reaches, itself left out.
    fn closure(&mut self, id: usize) -> HashSet<usize> {
        if let Some(known) = self.closures.get(&id) {
            return known.clone();
        }
        let mut seen = HashSet::from([id]);
        let mut stack = vec![id];
        while let Some(next) = stack.pop() {
            for (_, header) in self.includes(next) {
                if seen.insert(header) {
                    stack.push(header);
                }
            }
        }
        seen.remove(&id);
        self.closures.insert(id, seen.clone());
        seen
    }

    /// Appends what a file reaches to `order`, each after what it includes itself.
    fn visit(&mut self, id: usize, done: &mut HashSet<usize>, order: &mut Vec<usize>) {
        if !done.insert(id) {
            return;
        }
        for (_, header) in self.includes(id) {
            self.visit(header, done, order);
        }
        order.push(id);
    }
}

/// The include directives of a file, and whether it guards against a second inclusion.
///
/// Conditions are not evaluated: what stands behind an `#if` (other than the guard) is left out, because it may be
/// another system's.
fn scan(text: &str) -> (Vec<String>, bool) {
    let mut spellings = Vec::new();
    let mut guard: Option<&str> = None;
    let mut guarded = false;
    let mut depth = 0usize;
    for line in text.lines() {
        let Some(directive) = line.trim_start().strip_prefix('#') else { continue };
        let directive = directive.trim_start();
        if let Some(rest) = directive.strip_prefix("include") {
            let rest = rest.trim_start();
            let close = if rest.starts_with('<') { '>' } else { '"' };
            if depth <= usize::from(guarded)
                && rest.starts_with(['<', '"'])
                && let Some(end) = rest[1..].find(close)
            {
                spellings.push(rest[..end + 2].to_owned());
            }
        } else if let Some(rest) = directive.strip_prefix("define") {
            guarded |= depth == 1 && guard.is_some() && rest.split_whitespace().next() == guard;
        } else if directive.starts_with("pragma once") && depth == 0 {
            // No level of its own, but neither does anything follow it that is not of the header.
            return (scan_unguarded(text), true);
        } else if directive.starts_with("if") {
            if depth == 0 && guard.is_none() {
                guard = Some(directive.strip_prefix("ifndef").map_or("", str::trim));
            }
            depth += 1;
        } else if directive.starts_with("endif") {
            depth = depth.saturating_sub(1);
        }
    }
    (spellings, guarded)
}

/// The unconditional includes of a file without an include guard of the old kind.
fn scan_unguarded(text: &str) -> Vec<String> {
    let without = text.replace("#pragma once", "");
    scan(&without).0
}

/// `a/../b` → `b`: the same header is reached by many spellings, and a lookup for each on disk is slow.
fn lexically_normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir if normal.file_name().is_some() => {
                normal.pop();
            }
            Component::CurDir => {}
            other => normal.push(other),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scan_finds_includes_and_guards() {
        let check = |text: &str, spellings: &[&str], guarded: bool| {
            let (found, guard) = scan(text);
            assert_eq!(found, spellings, "{text}");
            assert_eq!(guard, guarded, "{text}");
        };
        check("#include \"a.h\"\n  #  include <b>  // why\n", &["\"a.h\"", "<b>"], false);
        check("#ifndef A_H_\n#define A_H_\n#include \"x.h\"\n#endif\n", &["\"x.h\""], true);
        check("#pragma once\n", &[], true);
        // A list to be included many times, as V8's object-macros-undef.h.
        check("#undef A\n#ifndef OTHER\n#define A 1\n#endif\n", &[], false);
        // Another system's header.
        check(
            "#ifndef A_H_\n#define A_H_\n#ifdef WIN\n#include <w>\n#endif\n#include <x>\n#endif\n",
            &["<x>"],
            true,
        );
        check("#if X\n#include <w>\n#else\n#include <v>\n#endif\n#include <x>\n", &["<x>"], false);
        check("#include MACRO\n// #include \"no.h\"\n", &[], false);
    }

    #[test]
    fn paths_are_normalised_without_the_disk() {
        assert_eq!(lexically_normal(Path::new("/a/b/../../c/./d.h")), Path::new("/c/d.h"));
        assert_eq!(lexically_normal(Path::new("../../v8/a.h")), Path::new("../../v8/a.h"));
    }
}
