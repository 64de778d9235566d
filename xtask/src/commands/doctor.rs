//! `doctor`: what is there, what is missing, and what would be fetched.

use crate::error::Result;
use crate::flags::Doctor;
use crate::source;
use crate::toolchain::{self, Origin};
use crate::workspace::Workspace;

/// Exit status 2 if something is missing that the tool cannot fetch.
pub fn run(flags: &Doctor) -> Result<()> {
    let workspace = Workspace::open()?;
    println!("cache      {}", workspace.cache.root().display());
    if workspace.plans_fetch(&flags.what) {
        // By the programs that may be missing.
        toolchain::report(&workspace.toolchain_survey(&flags.what, &[])?.1)?;
    }
    let plans = workspace.plans(&flags.what)?;
    let (toolchain, missing) = workspace.toolchain_survey(&flags.what, &plans)?;
    println!("toolchain  {}", toolchain::folder(&workspace.cache, &toolchain.key).display());
    if toolchain.python.as_os_str().is_empty() {
        println!("python     missing");
    } else {
        println!("python     {}", toolchain.python.display());
    }
    let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
    let pinned = |ready, fetch_bytes| match (ready, fetch_bytes) {
        (true, _) => "there".to_owned(),
        (false, 0) => "downloaded, not unpacked yet".to_owned(),
        (false, bytes) => format!("would be fetched: {}", mib(bytes)),
    };
    for part in &toolchain.parts {
        let state = match (&part.origin, part.ready, part.fetch_bytes) {
            (Origin::Own(path), ..) => format!("your own: {}", path.display()),
            (Origin::Path(path), ..) => format!("found: {}", path.display()),
            (Origin::Built, false, _) => "would be built by cargo".to_owned(),
            (Origin::Pinned | Origin::Built, ready, bytes) => pinned(ready, bytes),
        };
        println!("{:<10} {:<32} {state}", part.name, part.version);
    }
    for (name, _, ready) in &toolchain.sysroots {
        println!("{:<10} {name:<32} {}", "sysroot", if *ready { "there" } else { "would be made" });
    }
    let emulators = toolchain.emulators.iter().map(|part| ("emulator", part));
    let companions = toolchain.companions.iter().map(|part| ("companion", part));
    for (kind, part) in emulators.chain(companions) {
        let state = pinned(part.ready, part.fetch_bytes);
        println!("{kind:<10} {:<32} {state}", format!("{} {}", part.name, part.version));
    }
    let mut trees = std::collections::BTreeSet::new();
    for plan in plans.iter().filter(|plan| plan.is_wanted() && trees.insert(&plan.source.folder)) {
        let package = plan.source.origin.described();
        let state = match (&plan.source.origin, plan.source.present) {
            (_, true) => "there",
            (source::Origin::Crate { .. }, false) => "would be fetched by cargo: about 39 MiB",
            (source::Origin::Node { .. }, false) => "would be unpacked out of Node's tarball",
            (source::Origin::DepotTools { .. }, false) => "would be fetched by git: about 50 MiB",
        };
        println!("{:<10} {:<32} {state}", "source", format!("{} {}", package.package, package.version));
    }
    for (plan, reason) in
        plans.iter().filter_map(|plan| plan.planned_only.as_ref().map(|reason| (plan, reason)))
    {
        println!("{:<10} {:<32} planned only: {reason}", "target", plan.target);
    }
    toolchain::report(&missing)?;
    let mut wanted = plans.iter().filter(|plan| plan.is_wanted());
    if toolchain.is_ready() && wanted.all(|plan| plan.source.present) {
        println!("all is there");
    } else {
        println!("to fetch   {}, and V8's tree", mib(toolchain.fetch_bytes()));
    }
    Ok(())
}
