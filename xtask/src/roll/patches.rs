//! Each patch on the new tree: whether it applies, has moved, is there already, or meets other text than it was made for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::place::{Place, follow, place};
use super::{Area, Finding, Weight};
use crate::error::{Error, IoContext as _, Result};
use crate::paths::all_files;
use crate::source::diff::{Action, FileDiff, Hunk};
use crate::source::patch::Patch;
use crate::source::{Kind, SourcePlan, V8Version};

/// Both trees before patches, and what of the repository is tried on them.
pub struct Sides<'a> {
    /// The tree that the patches are for.
    pub old: (&'a Path, &'a SourcePlan),
    /// The other.
    pub new: (&'a Path, &'a SourcePlan),
    /// Every target of `targets.toml`.
    pub targets: Vec<&'a str>,
    /// `patches/`
    pub folder: &'a Path,
    /// Other V8s that the repository goes on building: patches must apply to them at the lines they say.
    pub staying: Vec<(Kind, V8Version)>,
}

impl Sides<'_> {
    /// The first of the V8s that stay which this patch is for too.
    fn held_by(&self, patch: &Patch) -> Option<V8Version> {
        let is_for = |(kind, version): &&(Kind, V8Version)| {
            self.targets.iter().any(|target| patch.applies_to(*kind, *version, target))
        };
        self.staying.iter().find(is_for).map(|(_, version)| *version)
    }
}

/// What of the patches can be put on the new tree.
#[derive(Debug, Default)]
pub struct Trial {
    /// Those that hold for it and fit, with the lines at which they do, in order.
    pub fitting: Vec<Patch>,
    /// Those of them whose lines are others now, and which no other V8 needs as they were.
    pub refreshed: Vec<Refreshed>,
}

/// A patch with other line numbers.
#[derive(Debug, PartialEq, Eq)]
pub struct Refreshed {
    /// The file in `patches/`.
    pub path: PathBuf,
    /// Its text as it has to be.
    pub text: String,
}

/// How a whole patch fits.
#[derive(Debug, PartialEq, Eq)]
enum Fit {
    /// Every hunk is where the patch says.
    Applies,
    /// Every hunk has its place; how far each has moved, for people.
    Moved(Vec<String>),
    /// All of it is there.
    Obsolete,
    /// Some hunks have no place, or only some are there already; each with what stands there.
    Conflict(Vec<String>),
}

/// A tree with some patches on it: the files that differ from the disk.
struct Overlay<'a> {
    root: &'a Path,
    changed: BTreeMap<String, Option<String>>,
}

impl Overlay<'_> {
    fn text(&self, path: &str) -> Result<Option<String>> {
        if let Some(text) = self.changed.get(path) {
            return Ok(text.clone());
        }
        let place = self.root.join(path);
        match std::fs::read(&place) {
            Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", &place, &error)),
        }
    }
}

/// Tries every patch that holds for either side, in order, each on what those before it have left.
pub fn check(all: &[Patch], sides: &Sides<'_>) -> Result<(Vec<Finding>, Trial)> {
    let mut old = Overlay { root: sides.old.0, changed: BTreeMap::new() };
    let mut new = Overlay { root: sides.new.0, changed: BTreeMap::new() };
    let (mut findings, mut trial) = (Vec::new(), Trial::default());
    for patch in all {
        let is_in = |(_, plan): &(&Path, &SourcePlan)| {
            let for_target = |target: &&str| patch.applies_to(plan.kind, plan.v8_version, target);
            sides.targets.iter().any(for_target)
        };
        let (was, is) = (is_in(&sides.old), is_in(&sides.new));
        if !was && !is {
            continue;
        }
        let mut tried = Tried::default();
        for diff in &patch.diffs {
            let before = if was { old.text(&diff.path)? } else { None };
            tried.file(diff, before.as_deref(), new.text(&diff.path)?.as_deref(), sides)?;
        }
        let fit = tried.fit();
        if was {
            for diff in &patch.diffs {
                let text = old.text(&diff.path)?;
                let starts: Vec<usize> = diff.hunks.iter().map(|hunk| hunk.old_start).collect();
                old.changed.insert(diff.path.clone(), patched(diff, text.as_deref(), &starts));
            }
        }
        if is && matches!(fit, Fit::Applies | Fit::Moved(_)) {
            for (diff, starts) in patch.diffs.iter().zip(&tried.starts) {
                let text = new.text(&diff.path)?;
                new.changed.insert(diff.path.clone(), patched(diff, text.as_deref(), starts));
            }
            if fit == Fit::Applies {
                trial.fitting.push(patch.clone());
            } else {
                let path = sides.folder.join(format!("{}.patch", patch.name));
                let text = std::fs::read_to_string(&path).or_io("read", &path)?;
                let text = renumber(&text, patch, &tried.starts);
                trial.fitting.push(Patch::parse(&patch.name, text.as_bytes()).map_err(Error::failed)?);
                if sides.held_by(patch).is_none() {
                    trial.refreshed.push(Refreshed { path, text });
                }
            }
        }
        findings.push(finding(patch, fit, is, sides));
    }
    Ok((findings, trial))
}

/// What became of the hunks of one patch.
#[derive(Default)]
struct Tried {
    /// For each file, where its hunks begin now.
    starts: Vec<Vec<usize>>,
    there: usize,
    done: usize,
    moved: Vec<String>,
    conflicts: Vec<String>,
}

impl Tried {
    fn file(
        &mut self,
        diff: &FileDiff,
        old: Option<&str>,
        new: Option<&str>,
        sides: &Sides<'_>,
    ) -> Result<()> {
        let mut starts: Vec<usize> = diff.hunks.iter().map(|hunk| hunk.old_start).collect();
        let lines: Vec<&str> = new.unwrap_or_default().split_inclusive('\n').collect();
        match (diff.action, new) {
            (Action::Create { .. }, None) => self.there += 1,
            (Action::Delete, None) => self.done += 1,
            (Action::Create { .. }, Some(_)) if lines == diff.hunks[0].new => self.done += 1,
            (Action::Delete, Some(_)) if lines == diff.hunks[0].old => self.there += 1,
            (Action::Create { .. } | Action::Delete, Some(_)) => {
                self.conflicts.push(format!("{}: the file has another text", diff.path));
            }
            (Action::Modify, None) => {
                let elsewhere = same_name(&diff.path, sides.new.0)?;
                let hint = match elsewhere.as_slice() {
                    [] => String::new(),
                    places => format!("; a file of this name is {}", places.join(", ")),
                };
                self.conflicts.push(format!("{}: the file is not there{hint}", diff.path));
            }
            (Action::Modify, Some(_)) => {
                let mut after = 0;
                for (at, hunk) in diff.hunks.iter().enumerate() {
                    let name = format!("{} hunk {} of {}", diff.path, at + 1, diff.hunks.len());
                    match place(hunk, &lines, after) {
                        Place::There => {
                            self.there += 1;
                            after = hunk.old_start + hunk.old.len();
                        }
                        Place::Moved(start) => {
                            self.moved.push(format!("{name}: line {} → {}", hunk.old_start + 1, start + 1));
                            starts[at] = start;
                            after = start + hunk.old.len();
                        }
                        Place::Done(start) => {
                            self.done += 1;
                            after = start + hunk.new.len();
                        }
                        Place::Changed => {
                            self.conflicts.push(three_sides(&name, hunk, old, &lines, sides));
                        }
                    }
                }
            }
        }
        self.starts.push(starts);
        Ok(())
    }

    fn fit(&mut self) -> Fit {
        let fits = self.there + self.moved.len();
        if self.conflicts.is_empty() && self.done > 0 && fits > 0 {
            let parts = format!("{} of {} hunks are there already", self.done, self.done + fits);
            return Fit::Conflict(vec![parts]);
        }
        match (self.conflicts.is_empty(), self.done, self.moved.is_empty()) {
            (false, ..) => Fit::Conflict(std::mem::take(&mut self.conflicts)),
            (true, 0, true) => Fit::Applies,
            (true, 0, false) => Fit::Moved(std::mem::take(&mut self.moved)),
            (true, ..) => Fit::Obsolete,
        }
    }
}

/// The hunk's place in both versions and what the patch makes of it, as git shows a conflict with all three sides.
fn three_sides(name: &str, hunk: &Hunk, old: Option<&str>, new: &[&str], sides: &Sides<'_>) -> String {
    let before: Vec<&str> = old.unwrap_or_default().split_inclusive('\n').collect();
    let range = hunk.old_start..hunk.old_start + hunk.old.len();
    // Without the old file, because the patch is not for it, the same lines are shown.
    let there = match before.get(range.clone()) {
        Some(_) => follow(&before, new, range),
        None => range.start.min(new.len())..range.end.min(new.len()),
    };
    let whole = |lines: &[String]| {
        lines.iter().map(|line| line.trim_end_matches('\n').to_owned() + "\n").collect::<String>()
    };
    let found: String =
        new[there.clone()].iter().map(|line| line.trim_end_matches('\n').to_owned() + "\n").collect();
    format!(
        "{name}: line {}\n<<<<<<< with the patch\n{}||||||| V8 {}\n{}=======\n{found}>>>>>>> V8 {}",
        there.start + 1,
        whole(&hunk.new),
        sides.old.1.v8_version,
        whole(&hunk.old),
        sides.new.1.v8_version,
    )
}

/// Other files of the tree with the same name, at most three.
fn same_name(path: &str, root: &Path) -> Result<Vec<String>> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let top = path.split('/').next().unwrap_or_default();
    if top == path || !root.join(top).is_dir() {
        return Ok(Vec::new());
    }
    let mut found: Vec<String> = all_files(&root.join(top))?
        .into_iter()
        .filter(|file| file.file_name().is_some_and(|its| its == name))
        .filter_map(|file| Some(file.strip_prefix(root).ok()?.to_string_lossy().replace('\\', "/")))
        .collect();
    found.sort();
    found.truncate(3);
    Ok(found)
}

/// The file with the hunks put in at these lines; nothing if it is to go.
fn patched(diff: &FileDiff, text: Option<&str>, starts: &[usize]) -> Option<String> {
    match diff.action {
        Action::Create { .. } => return Some(diff.hunks[0].new.concat()),
        Action::Delete => return None,
        Action::Modify => {}
    }
    let lines: Vec<&str> = text?.split_inclusive('\n').collect();
    let (mut after, mut copied) = (String::new(), 0);
    for (hunk, &start) in diff.hunks.iter().zip(starts) {
        after.extend(lines.get(copied..start)?.iter().copied());
        after.extend(hunk.new.iter().map(String::as_str));
        copied = start + hunk.old.len();
    }
    after.extend(lines.get(copied..)?.iter().copied());
    Some(after)
}

/// The patch's text with other line numbers in the heads of its hunks, and nothing else changed.
fn renumber(text: &str, patch: &Patch, starts: &[Vec<usize>]) -> String {
    let mut heads = Vec::new();
    for (diff, starts) in patch.diffs.iter().zip(starts) {
        let mut shift = 0_isize;
        for (hunk, &start) in diff.hunks.iter().zip(starts) {
            let (old, new) =
                (range(start, hunk.old.len()), range(start.saturating_add_signed(shift), hunk.new.len()));
            heads.push(format!("@@ -{old} +{new} @@\n"));
            shift += hunk.new.len().cast_signed() - hunk.old.len().cast_signed();
        }
    }
    let mut heads = heads.into_iter();
    let body = text.find("diff --git ").unwrap_or(text.len());
    // A line of a hunk begins with a blank, + or -, so none of them is a head.
    let of_body = |line: &str| match line.starts_with("@@ -") {
        true => heads.next().unwrap_or_else(|| line.to_owned()),
        false => line.to_owned(),
    };
    text[..body].to_owned() + &text[body..].split_inclusive('\n').map(of_body).collect::<String>()
}

/// A line, counted from 1 if there is one, and how many: as git writes it.
fn range(start: usize, count: usize) -> String {
    match count {
        0 => format!("{start},0"),
        1 => format!("{}", start + 1),
        _ => format!("{},{count}", start + 1),
    }
}

fn finding(patch: &Patch, fit: Fit, is_wanted: bool, sides: &Sides<'_>) -> Finding {
    let to = sides.new.1.v8_version;
    let moved = match sides.held_by(patch) {
        _ if !is_wanted => "applies at other lines".to_owned(),
        None => "applies at other lines: --apply writes them".to_owned(),
        Some(other) => format!(
            "applies at other lines, and V8 {other} needs it as it is: make a copy of it for V8 {to}, and end the v8= of this one"
        ),
    };
    let (kind, weight, what, detail) = match fit {
        Fit::Applies => ("applies", Weight::Note, "applies as it is".to_owned(), String::new()),
        Fit::Moved(lines) => ("moved", Weight::Blocks, moved, lines.join("\n")),
        Fit::Obsolete => (
            "obsolete",
            Weight::Blocks,
            format!("is there already: V8 {to} has all of it; end the v8= of its Applies-to line"),
            String::new(),
        ),
        Fit::Conflict(places) => {
            let what = format!("does not apply: V8 {to} has other text in {} places", places.len());
            let what = what.replace("in 1 places", "in one place");
            ("conflict", Weight::Blocks, what, places.join("\n"))
        }
    };
    if is_wanted {
        return Finding::new(Area::Patches, weight, kind, &patch.name, what).detail(detail);
    }
    let weight = if kind == "obsolete" { Weight::Note } else { Weight::Look };
    let what = format!("is not for V8 {to}; if it were, it {what}");
    Finding::new(Area::Patches, weight, kind, &patch.name, what).detail(detail)
}

#[cfg(test)]
#[path = "patches_tests.rs"]
mod tests;
