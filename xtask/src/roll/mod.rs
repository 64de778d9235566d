//! What a new V8 breaks, found without compiling: patches, GN arguments, flags, dependencies, licences, what it asks for.

pub mod apply;
mod compare;
mod gn;
mod patches;
mod place;
mod print;
mod tree;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

pub use self::patches::Trial;
pub use self::print::{markdown, text};
use crate::error::{IoContext as _, Result};
use crate::flags::What;
use crate::paths::remove_folder;
use crate::plan::Plan;
use crate::source::patch::Patch;
use crate::source::{self, Cargo};
use crate::workspace::Workspace;
use crate::{licences, toolchain::Toolchain};

/// Raised when a key of the JSON goes or changes its meaning.
const FORMAT: u32 = 1;

/// What was found between two versions of V8.
#[derive(Debug, Serialize)]
pub struct Report {
    /// [`FORMAT`]
    pub format: u32,
    /// `crate` or `depot-tools`.
    pub source: &'static str,
    /// The V8 that the repository is for.
    pub from: Side,
    /// The V8 that was asked about.
    pub to: Side,
    /// The variant whose GN arguments were tried.
    pub variant: String,
    /// The targets that were configured.
    pub targets: Vec<String>,
    /// What was found, by area, the gravest first.
    pub findings: Vec<Finding>,
}

/// One of the two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Side {
    /// V8's version.
    pub v8_version: String,
    /// What the tree is made of: a package and its version, or a commit.
    pub tree: String,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// What it is about.
    pub area: Area,
    /// How grave it is.
    pub weight: Weight,
    /// A word for programs: `conflict`, `gone`, `new`, …
    pub kind: &'static str,
    /// The patch, argument, flag, path.
    pub subject: String,
    /// One sentence.
    pub what: String,
    /// More, in lines; empty if there is none.
    pub detail: String,
}

/// What a finding is about, in the order in which they are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Area {
    /// A file of `patches/`.
    Patches,
    /// `gn gen` as a whole.
    Configure,
    /// A GN argument.
    Arguments,
    /// A flag of the compiler.
    Flags,
    /// A macro that programs with V8's headers must agree on.
    Defines,
    /// The least gn, clang, libc++ or ICU.
    Minimums,
    /// What V8's tree is made of.
    Dependencies,
    /// `licenses/parts.toml`.
    Licences,
}

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weight {
    /// A build would stop here.
    Blocks,
    /// A build may go on, and be another one.
    Look,
    /// For the record.
    Note,
}

impl Finding {
    fn new(area: Area, weight: Weight, kind: &'static str, subject: &str, what: String) -> Finding {
        Finding { area, weight, kind, subject: subject.to_owned(), what, detail: String::new() }
    }

    /// Says which targets it is for, if it is not for all.
    fn of_targets(mut self, targets: &[&str], all: usize) -> Finding {
        if targets.len() < all {
            self.what = format!("{} (for {})", self.what, targets.join(", "));
        }
        self
    }

    fn detail(mut self, text: String) -> Finding {
        self.detail = text;
        self
    }
}

impl Report {
    /// What stops a build.
    pub fn blockers(&self) -> usize {
        self.findings.iter().filter(|finding| finding.weight == Weight::Blocks).count()
    }
}

/// What a report is made from: the plans of both versions, target by target.
pub struct Asked<'a> {
    /// The repository and the caches.
    pub workspace: &'a Workspace,
    /// What was asked for.
    pub what: &'a What,
    /// Of the version that the repository is for.
    pub from: &'a [Plan],
    /// Of the other one.
    pub to: &'a [Plan],
}

/// Finds everything; also gives what [`apply`] writes.
///
/// # Errors
/// What keeps it from looking: a tree or a toolchain that cannot be had. What a build would trip over is a finding.
pub fn look(asked: &Asked<'_>, say: &dyn Fn(&str)) -> Result<(Report, Trial)> {
    let sources = asked.workspace.cache.sources();
    std::fs::create_dir_all(&sources).or_io("create", &sources)?;
    // Each removes its trees, which the next one may have begun to use.
    let _lock = source::lock(&sources.join("roll.lock"), say)?;
    let trees = Trees { sources, made: RefCell::default(), say };
    let found = look_with(asked, &trees);
    trees.remove()?;
    found
}

fn look_with(asked: &Asked<'_>, trees: &Trees<'_>) -> Result<(Report, Trial)> {
    let Asked { workspace, what, from, to } = *asked;
    let say = trees.say;
    let toolchain = workspace.toolchain(what, to)?;
    let (old, new) = (trees.of(&from[0], Vec::new())?, trees.of(&to[0], Vec::new())?);

    say("trying the patches");
    let all = Patch::read_all(&workspace.repository.join("patches"))?;
    let sides = patches::Sides {
        old: (&old, &from[0].source),
        new: (&new, &to[0].source),
        targets: workspace.matrix.targets.keys().map(String::as_str).collect(),
        folder: &workspace.repository.join("patches"),
        staying: apply::staying(&workspace.repository, &to[0].source)?,
    };
    let (mut findings, trial) = patches::check(&all, &sides)?;
    findings.extend(tree::check(&old, &new, &toolchain)?);

    let mut configured: BTreeMap<Finding, Vec<&str>> = BTreeMap::new();
    for (from, to) in from.iter().zip(to) {
        say(&format!("configuring {} with V8 {} and {}", to.target, from.v8_version, to.v8_version));
        for finding in configure(asked, &toolchain, (from, to), &trial, trees)? {
            configured.entry(finding).or_default().push(&to.target);
        }
    }
    findings.extend(configured.into_iter().map(|(finding, of)| finding.of_targets(&of, to.len())));
    findings.sort();
    let side = |plan: &Plan| Side { v8_version: plan.v8_version.clone(), tree: plan.source.origin.line() };
    let report = Report {
        format: FORMAT,
        source: to[0].source.kind.name(),
        from: side(&from[0]),
        to: side(&to[0]),
        variant: to[0].variant.clone(),
        targets: to.iter().map(|plan| plan.target.clone()).collect(),
        findings,
    };
    Ok((report, trial))
}

/// What GN, ninja and the compiler say of both trees.
fn configure(
    asked: &Asked<'_>,
    toolchain: &Toolchain,
    (from, to): (&Plan, &Plan),
    trial: &Trial,
    trees: &Trees<'_>,
) -> Result<Vec<Finding>> {
    let is_of = |plan: &Plan, patch: &Patch| patch.is_for(&plan.target);
    let fitting = trial.fitting.iter().filter(|patch| is_of(to, patch)).cloned().collect();
    let (old, new) = (trees.of(from, from.source.patches.clone())?, trees.of(to, fitting)?);
    let (mut old_said, mut new_said) =
        (gn::ask(from, toolchain, &old, None)?, gn::ask(to, toolchain, &new, None)?);
    let mut findings = Vec::new();
    let mut fails = |said: &gn::Said, plan: &Plan, weight| {
        let Some(said) = &said.failure else { return };
        let sentence = format!("fails for {} with V8 {}", plan.target, plan.v8_version);
        findings
            .push(Finding::new(Area::Configure, weight, "failed", "gn gen", sentence).detail(said.clone()));
    };
    fails(&new_said, to, Weight::Blocks);
    fails(&old_said, from, Weight::Look);
    if new_said.failure.is_some() || old_said.failure.is_some() {
        // Both are asked the same, or everything that our part brings would be a difference.
        let root = Some(gn::V8_ALONE);
        (old_said, new_said) = (gn::ask(from, toolchain, &old, root)?, gn::ask(to, toolchain, &new, root)?);
        if let Some(said) = new_said.failure.as_ref().or(old_said.failure.as_ref()) {
            let sentence = format!("fails for {} with V8 alone too: its arguments are not known", to.target);
            let finding = Finding::new(Area::Configure, Weight::Blocks, "failed-alone", "gn gen", sentence);
            findings.push(finding.detail(said.clone()));
            return Ok(findings);
        }
        let sentence = format!("what follows is of V8 alone for {}", to.target);
        findings.push(Finding::new(Area::Configure, Weight::Note, "v8-alone", "gn gen", sentence));
    }
    findings.extend(compare::arguments(&old_said, &new_said, &from.gn_args, &to.gn_args));
    findings.extend(compare::flags(&old_said, &new_said));
    findings.extend(compare::defines(&old_said, &new_said));
    findings.extend(compare::standard(&old_said, &new_said));
    let table = licences::load(&asked.workspace.repository)
        .map_err(|faults| crate::error::Error::usage(faults.to_string()))?
        .for_tree(to.source.kind, to.source.v8_version);
    findings.extend(compare::licences(&table, &new, &new_said.inputs));
    Ok(findings)
}

/// The trees that are looked at; those that no build asked for are removed again.
struct Trees<'a> {
    sources: PathBuf,
    made: RefCell<Vec<PathBuf>>,
    say: &'a dyn Fn(&str),
}

impl Trees<'_> {
    /// The plan's tree with other patches.
    fn of(&self, plan: &Plan, patches: Vec<Patch>) -> Result<PathBuf> {
        let source = plan.source.with_patches(patches, &self.sources)?;
        if !source.present && source.folder != plan.source.folder {
            self.made.borrow_mut().push(source.folder.clone());
        }
        Ok(source::prepare(&source, &Cargo::of_user()?, self.say)?.root)
    }

    fn remove(&self) -> Result<()> {
        self.made.borrow().iter().try_for_each(|folder| remove_folder(folder))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_says_for_which_targets_it_is() {
        let finding = || Finding::new(Area::Arguments, Weight::Blocks, "gone", "use_musl", "gone".to_owned());
        assert_eq!(finding().of_targets(&["a", "b"], 2).what, "gone");
        assert_eq!(finding().of_targets(&["a", "b"], 3).what, "gone (for a, b)");
    }

    #[test]
    fn findings_stand_by_area_and_the_gravest_first() {
        let finding = |area, weight| Finding::new(area, weight, "x", "x", String::new());
        let mut all = [
            finding(Area::Licences, Weight::Blocks),
            finding(Area::Patches, Weight::Note),
            finding(Area::Patches, Weight::Blocks),
        ];
        all.sort();
        let order: Vec<_> = all.iter().map(|finding| (finding.area, finding.weight)).collect();
        let expected = [
            (Area::Patches, Weight::Blocks),
            (Area::Patches, Weight::Note),
            (Area::Licences, Weight::Blocks),
        ];
        assert_eq!(order, expected);
    }
}
