//! `source`: fetches and patches V8's tree alone; shows what it is made of; carries it to a machine without network.

use std::collections::BTreeSet;

use crate::bundle;
use crate::error::Result;
use crate::flags::Source;
use crate::source::{self, Cargo, Origin};
use crate::workspace::Workspace;

/// Prints the folder of each tree; targets with the same patches share one.
pub fn run(flags: &Source) -> Result<()> {
    let workspace = Workspace::open()?;
    if let Some(file) = &flags.from_bundle {
        bundle::read(file, &workspace.cache)?;
        let plans = workspace.buildable(&flags.what)?;
        workspace.toolchain(&flags.what, &plans)?;
    }
    if let Some(file) = &flags.bundle {
        bundle::write(&workspace, &flags.what, &workspace.buildable(&flags.what)?, file)?;
        println!("{}", file.display());
        return Ok(());
    }
    let mut printed = BTreeSet::new();
    for plan in workspace.plans(&flags.what)?.iter().filter(|plan| plan.is_wanted()) {
        if flags.dry_run {
            if printed.insert(plan.source.folder.clone()) {
                print!("{}", made_of(&plan.source));
            }
            continue;
        }
        let tree = source::prepare(&plan.source, &Cargo::of_user()?, &|line| eprintln!("{line}"))?;
        if printed.insert(tree.root.clone()) {
            println!("{}", tree.root.display());
        }
    }
    Ok(())
}

/// What a tree is made of, for people.
fn made_of(plan: &source::SourcePlan) -> String {
    let there = if plan.present { ", there already" } else { "" };
    let mut text = format!("{}{there}\n", plan.folder.display());
    match &plan.origin {
        Origin::Crate { package, icu_data } => {
            for pin in [package, icu_data] {
                text.push_str(&format!(
                    "{} {} of cargo's registry, sha256 {}\n",
                    pin.package, pin.version, pin.sha256
                ));
            }
        }
        Origin::DepotTools { checkout } => text.push_str(&checkout.table()),
        Origin::Node { node } => text.push_str(&node.table()),
    }
    plan.patches.iter().for_each(|patch| text.push_str(&format!("patch {}\n", patch.name)));
    text
}
