//! `toolchain`: fetches and unpacks the toolchain alone.

use crate::error::Result;
use crate::flags::Toolchain;
use crate::workspace::Workspace;

/// Prints the folder, and what is in it.
pub fn run(flags: &Toolchain) -> Result<()> {
    let workspace = Workspace::open()?;
    let plans = workspace.plans(&flags.what)?;
    let toolchain = workspace.toolchain(&flags.what, &plans)?;
    for tool in &toolchain.entries {
        eprintln!("  {} {}", tool.name, tool.version);
    }
    for part in &workspace.toolchain_plan(&flags.what, &plans)?.emulators {
        if let Some(emulator) = toolchain.emulator(&part.name) {
            eprintln!("  {}", emulator.display());
        }
    }
    for plan in plans.iter().filter(|plan| plan.planned_only.is_some()) {
        eprintln!("  {}", plan.refusal());
    }
    println!("{}", toolchain.llvm.display());
    Ok(())
}
