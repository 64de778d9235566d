//! `bench`: measures builds on this machine, and compares their objects.

use crate::bench::{self, Builds, Kind, Row, objects};
use crate::compile;
use crate::distribute::Cluster;
use crate::error::{Error, Result};
use crate::flags::{Bench, Measure};
use crate::plan::Plan;
use crate::signals;
use crate::source::{self, Cargo};
use crate::toolchain::Toolchain;
use crate::workspace::Workspace;

/// Prints a table; exit status 1 if objects that were compared differ.
pub fn run(flags: &Bench) -> Result<()> {
    if let [plain, ours] = flags.compare.as_slice() {
        return report(&objects::compare(plain, ours)?);
    }
    let workspace = Workspace::open()?;
    let what = flags.which.what();
    let plans = workspace.buildable(&what)?;
    signals::listen()?;
    let toolchain = workspace.toolchain(&what, &plans)?;
    for plan in &plans {
        match flags.sample {
            Some(count) => sample(flags, plan, &toolchain, count.get())?,
            None => {
                source::prepare(&plan.source, &Cargo::of_user()?, &|line| eprintln!("{line}"))?;
                let builds = Builds { plan, toolchain: &toolchain, jobs: flags.jobs };
                if flags.objects_identical {
                    identical(&builds, flags.learn)?;
                } else {
                    measure(&builds, flags)?;
                }
            }
        }
    }
    Ok(())
}

fn sample(flags: &Bench, plan: &Plan, toolchain: &Toolchain, count: usize) -> Result<()> {
    if flags.from.is_none() && !compile::is_built(plan) {
        return Err(Error::usage(format!("there is no finished build of {} {}", plan.target, plan.variant))
            .help(format!(
                "cargo xtask build-v8 --target {} --variant {}   makes one",
                plan.target, plan.variant
            )));
    }
    let from = flags.from.as_ref().unwrap_or(&plan.out);
    if flags.objects_identical {
        let seed = flags.seed.as_deref().unwrap_or_default();
        return report(&bench::plain_again(from, toolchain, count, seed)?);
    }
    let cluster = flags.distribute.as_ref().map(Cluster::of_user).transpose()?;
    let sampled = bench::sample(from, toolchain, count, cluster.as_ref())?;
    print!("{}", sampled.text());
    sampled.comparison.verdict()
}

/// Builds both ways, unless that has been done, and compares all objects.
fn identical(builds: &Builds<'_>, learn: bool) -> Result<()> {
    for kind in [Kind::Plain, Kind::Ours] {
        if !builds.is_there(kind) {
            builds.complete(kind)?;
        }
    }
    if learn {
        return report(&bench::learn(builds)?);
    }
    report(&objects::compare(&builds.plan_for(Kind::Plain).out, &builds.plan_for(Kind::Ours).out)?)
}

fn report(comparison: &objects::Comparison) -> Result<()> {
    print!("{}", comparison.text());
    comparison.verdict()
}

const PLAIN: &str = "cold, plain ninja";
const OURS: &str = "cold, ours";

/// What was asked for, and what that needs; printed as it comes, so that hours are not lost with the last of them.
fn measure(builds: &Builds<'_>, flags: &Bench) -> Result<()> {
    let wanted = |measure: Measure| flags.only.is_empty() || flags.only.contains(&measure);
    let mut rows: Vec<Row> = Vec::new();
    let mut add = |name, cost, base| {
        rows.push(Row { name, cost, base });
        print!("\n{}", bench::table(&rows));
    };
    if wanted(Measure::Cold) {
        let kept = match flags.keep_plain {
            true => builds.kept_plain().map_or_else(|| builds.stopped_plain(), |kept| Ok(Some(kept)))?,
            false => None,
        };
        let plain = match kept {
            Some(kept) => kept,
            None => builds.fresh(Kind::Plain)?,
        };
        add(PLAIN, plain, None);
    }
    // Everything else stands on a cold build of ours in this very run.
    add(OURS, builds.fresh(Kind::Ours)?, Some(PLAIN));
    if wanted(Measure::Noop) {
        add("nothing to do", builds.again(Kind::Ours)?, Some(PLAIN));
    }
    if wanted(Measure::Warm) {
        add("warm, fresh folder", builds.fresh(Kind::Warm)?, Some(PLAIN));
    }
    if wanted(Measure::Resume) {
        add("killed at half, resumed", builds.killed_and_resumed()?, Some(OURS));
    }
    Ok(())
}
