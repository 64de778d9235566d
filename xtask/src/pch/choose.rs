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
/// A lower share makes the header itself slower to build and to load, and pulls names into files that never asked for
/// them; a higher one leaves parsing on the table. Chosen by judgement: other shares have not been measured yet.
const MINIMUM_SHARE: f64 = 0.3;

/// A target with fewer sources cannot win back what its header costs to build.
const MINIMUM_SOURCES: usize = 8;

/// The headers that are worth precompiling for a group, and what each of its sources reaches.
pub struct Choice<'a> {
    scanner: Scanner<'a>,
    /// Every header that a source may reach, each after those it includes itself.
    order: Vec<usize>,
    /// The chosen ones in that order, with their spelling.
    chosen: Vec<(usize, String)>,
    /// What each source may reach.
    closures: Vec<(&'a String, HashSet<usize>)>,
}

impl<'a> Choice<'a> {
    /// The text of a header that includes what is chosen, but nothing that is one of `without` or includes it.
    pub fn text(&mut self, without: &HashSet<usize>) -> String {
        let mut text = String::new();
        for (id, spelling) in &self.chosen {
            if !without.contains(id) && self.scanner.closure(*id, Follow::Possible).is_disjoint(without) {
                text.push_str(&format!("#include {spelling}\n"));
            }
        }
        text
    }

    /// The header that declares `word`: the first to mention it, because files come after those they need.
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
        for include in scanner.includes(source, Follow::Certain) {
            spelled.entry(include.header).or_insert(include.spelling.text);
        }
    }
    // Headers in the order in which a compiler that read all sources one after the other would be done with them:
    // a header comes after those it needs. Objects are equal only if declarations keep that order.
    let (mut order, mut done) = (Vec::new(), HashSet::new());
    let (mut possible, mut possible_done) = (Vec::new(), HashSet::new());
    let mut counts: HashMap<usize, usize> = HashMap::new();
    let mut closures = Vec::new();
    for name in &group.sources {
        let Some(source) = scanner.file(&directory.join(name)) else { continue };
        scanner.visit(source, Follow::Certain, &mut done, &mut order);
        scanner.visit(source, Follow::Possible, &mut possible_done, &mut possible);
        for header in scanner.closure(source, Follow::Certain) {
            *counts.entry(header).or_default() += 1;
        }
        // A source itself is no header of another.
        possible.pop_if(|last| *last == source);
        closures.push((name, scanner.closure(source, Follow::Possible)));
    }
    let needed = (group.sources.len() as f64 * MINIMUM_SHARE).ceil() as usize;
    let chosen: Vec<(usize, String)> = order
        .iter()
        .filter(|id| scanner.files[**id].guarded && counts.get(id).is_some_and(|count| *count >= needed))
        .filter_map(|id| Some((*id, spelled.get(id)?.clone())))
        .collect();
    (!chosen.is_empty()).then_some(Choice { scanner, order: possible, chosen, closures })
}

/// Reads files once and remembers what they include.
struct Scanner<'a> {
    directory: &'a Path,
    include_dirs: &'a [String],
    ids: HashMap<PathBuf, usize>,
    files: Vec<File>,
    closures: HashMap<(usize, Follow), HashSet<usize>>,
}

/// An include directive: `"src/api/api.h"` or `<vector>`, and whether it stands behind an `#if`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Spelling {
    text: String,
    conditional: bool,
}

/// An include directive that leads to a file of the tree.
#[derive(Debug, Clone)]
struct Include {
    spelling: Spelling,
    header: usize,
}

/// Which include directives are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Follow {
    /// Those that every compiler follows.
    Certain,
    /// Also those behind an `#if`, which some compiler may follow.
    Possible,
}

struct File {
    path: PathBuf,
    /// In the order of the file.
    spellings: Vec<Spelling>,
    includes: Option<Vec<Include>>,
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
    fn includes(&mut self, id: usize, follow: Follow) -> Vec<Include> {
        if self.files[id].includes.is_none() {
            let spellings = self.files[id].spellings.clone();
            let found = spellings.into_iter().filter_map(|spelling| self.resolve(id, spelling)).collect();
            self.files[id].includes = Some(found);
        }
        let known = self.files[id].includes.as_deref().unwrap_or_default();
        let followed = |include: &&Include| follow == Follow::Possible || !include.spelling.conditional;
        known.iter().filter(followed).cloned().collect()
    }

    /// The file that an include directive leads to.
    fn resolve(&mut self, from: usize, spelling: Spelling) -> Option<Include> {
        let name = &spelling.text[1..spelling.text.len() - 1];
        let on_search_path = self.include_dirs.iter().map(|dir| self.directory.join(dir).join(name));
        if let Some(path) = on_search_path.into_iter().find(|path| path.is_file()) {
            let header = self.file(&path)?;
            return Some(Include { spelling, header });
        }
        // A name found only beside its includer means another file elsewhere, so it cannot be spelled in the header.
        let beside = self.files[from].path.parent()?.join(name);
        if !spelling.text.starts_with('"') || !beside.is_file() {
            return None;
        }
        let header = self.file(&beside)?;
        self.files[header].guarded = false;
        Some(Include { spelling, header })
    }

    /// Every header a file reaches, itself left out.
    fn closure(&mut self, id: usize, follow: Follow) -> HashSet<usize> {
        if let Some(known) = self.closures.get(&(id, follow)) {
            return known.clone();
        }
        let mut seen = HashSet::from([id]);
        let mut stack = vec![id];
        while let Some(next) = stack.pop() {
            for include in self.includes(next, follow) {
                if seen.insert(include.header) {
                    stack.push(include.header);
                }
            }
        }
        seen.remove(&id);
        self.closures.insert((id, follow), seen.clone());
        seen
    }

    /// Appends what a file reaches to `order`, each after what it includes itself.
    fn visit(&mut self, id: usize, follow: Follow, done: &mut HashSet<usize>, order: &mut Vec<usize>) {
        if !done.insert(id) {
            return;
        }
        for include in self.includes(id, follow) {
            self.visit(include.header, follow, done, order);
        }
        order.push(id);
    }
}

/// The include directives of a file, and whether it guards against a second inclusion.
///
/// Conditions are not evaluated: what stands behind an `#if` (other than the guard) may be another system's.
fn scan(text: &str) -> (Vec<Spelling>, bool) {
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
            if rest.starts_with(['<', '"'])
                && let Some(end) = rest[1..].find(close)
            {
                let conditional = depth > usize::from(guarded);
                spellings.push(Spelling { text: rest[..end + 2].to_owned(), conditional });
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

/// The includes of a file without an include guard of the old kind.
fn scan_unguarded(text: &str) -> Vec<Spelling> {
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
            let certain = found.iter().filter(|spelling| !spelling.conditional);
            assert_eq!(
                certain.map(|spelling| spelling.text.as_str()).collect::<Vec<_>>(),
                spellings,
                "{text}"
            );
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
