//! Decides which headers go into the precompiled header of a GN target, from what its own files include.
//!
//! No list is kept by hand: a list rots with the next V8. The rule: a header that some source of the build
//! includes by itself (so it can stand alone), that guards against being included twice, and that a good part
//! of the target's sources reach.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Component, Path, PathBuf};

use super::Group;
use super::scan::{Directive, Kind, scan};

/// Share of a target's sources that must reach a header before it is precompiled for all of them.
///
/// What a source does not use of a header costs it next to nothing, so a few users are enough to win back the time that
/// a header takes to build. Measured on V8 15.2 with shares of 0.3, 0.1 and 0.04: `js-create-lowering.cc` 5.3, 1.7 and 1.9 s,
/// `heap.cc` (0.1 and 0.04) 6.5 and 5.0 s; the headers of V8's base 16 and 22 s, once.
const MINIMUM_SHARE: f64 = 0.04;

/// A target with fewer sources cannot win back what its header costs to build.
const MINIMUM_SOURCES: usize = 8;

/// The headers that are worth precompiling for a group, and what each of its sources reaches.
pub struct Choice<'a> {
    scanner: Scanner<'a>,
    /// Every header that a source may reach, each after those it includes itself.
    order: Vec<usize>,
    /// The chosen ones in that order, with their spelling.
    chosen: Vec<(usize, String)>,
    /// What each source reaches for certain.
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

    /// The sources worth compiling with a precompiled header, told apart by whether they reach all of `files` for certain.
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
    let mut scanner = Scanner::new(directory, group);
    let mut spelled: HashMap<usize, String> = HashMap::new();
    for source in stand_alone {
        let Some(source) = scanner.file(&directory.join(source)) else { continue };
        for include in scanner.includes(source, Follow::Certain) {
            spelled.entry(include.header).or_insert(include.directive.spelling);
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
        closures.push((name, scanner.closure(source, Follow::Certain)));
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
    /// Macros that the command line sets.
    set: HashSet<&'a str>,
    ids: HashMap<PathBuf, usize>,
    files: Vec<File>,
    closures: HashMap<(usize, Follow), HashSet<usize>>,
}

/// An include directive that leads to a file of the tree.
#[derive(Debug, Clone)]
struct Include {
    directive: Directive,
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
    directives: Vec<Directive>,
    includes: Option<Vec<Include>>,
    guarded: bool,
}

impl<'a> Scanner<'a> {
    fn new(directory: &'a Path, group: &'a Group) -> Scanner<'a> {
        let Group { include_dirs, defines, .. } = group;
        let set = defines.iter().filter(|one| !one.ends_with("=0") && !one.ends_with('='));
        let set = set.map(|one| one.split('=').next().unwrap_or_default()).collect();
        Scanner {
            directory,
            include_dirs,
            set,
            ids: HashMap::new(),
            files: Vec::new(),
            closures: HashMap::new(),
        }
    }

    /// The number of a file, read on its first use; nothing if there is no such file.
    fn file(&mut self, path: &Path) -> Option<usize> {
        let path = lexically_normal(path);
        if let Some(id) = self.ids.get(&path) {
            return Some(*id);
        }
        let text =
            scan(&String::from_utf8_lossy(&std::fs::read(&path).ok()?), &|name| self.set.contains(name));
        let directives = text.directives.into_iter().filter(|one| one.kind == Kind::Include).collect();
        let id = self.files.len();
        self.files.push(File { path: path.clone(), directives, includes: None, guarded: text.guarded });
        self.ids.insert(path, id);
        Some(id)
    }

    /// What a file includes, as far as it lies in the tree; headers of the system are reached through those.
    fn includes(&mut self, id: usize, follow: Follow) -> Vec<Include> {
        if self.files[id].includes.is_none() {
            let directives = self.files[id].directives.clone();
            let found = directives.into_iter().filter_map(|directive| self.resolve(id, directive)).collect();
            self.files[id].includes = Some(found);
        }
        let known = self.files[id].includes.as_deref().unwrap_or_default();
        let followed = |include: &&Include| follow == Follow::Possible || !include.directive.conditional;
        known.iter().filter(followed).cloned().collect()
    }

    /// The file that an include directive leads to.
    fn resolve(&mut self, from: usize, directive: Directive) -> Option<Include> {
        let name = &directive.spelling[1..directive.spelling.len() - 1];
        let on_search_path = self.include_dirs.iter().map(|dir| self.directory.join(dir).join(name));
        if let Some(path) = on_search_path.into_iter().find(|path| path.is_file()) {
            let header = self.file(&path)?;
            return Some(Include { directive, header });
        }
        // A name found only beside its includer means another file elsewhere, so it cannot be spelled in the header.
        let beside = self.files[from].path.parent()?.join(name);
        if !directive.spelling.starts_with('"') || !beside.is_file() {
            return None;
        }
        let header = self.file(&beside)?;
        self.files[header].guarded = false;
        Some(Include { directive, header })
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
    fn paths_are_normalised_without_the_disk() {
        assert_eq!(lexically_normal(Path::new("/a/b/../../c/./d.h")), Path::new("/c/d.h"));
        assert_eq!(lexically_normal(Path::new("../../v8/a.h")), Path::new("../../v8/a.h"));
    }
}
