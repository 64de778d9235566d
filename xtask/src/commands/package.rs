//! `package`: packs an archive from a finished build.

use v8_archive::pack::Packed;

use crate::compile::{self, Build};
use crate::error::Result;
use crate::flags::Package;
use crate::package;
use crate::plan::Plan;
use crate::toolchain::Toolchain;
use crate::workspace::Workspace;

/// Packs what was built for each plan.
pub fn run(flags: &Package) -> Result<()> {
    let workspace = Workspace::open()?;
    let plans = workspace.buildable(&flags.what)?;
    for plan in &plans {
        package::must_be_built(plan)?;
    }
    let toolchain = workspace.toolchain(&flags.what, &plans)?;
    for plan in &plans {
        let build = compile::configure(plan, &toolchain)?;
        let packed = pack(&workspace, plan, &build, &toolchain)?;
        println!("{}\nsha256  {}", packed.path.display(), packed.sha256);
    }
    Ok(())
}

/// Packs one archive with as many threads as the machine has, and says its sizes.
pub fn pack(workspace: &Workspace, plan: &Plan, build: &Build, toolchain: &Toolchain) -> Result<Packed> {
    eprintln!("packing {}", plan.archive.display());
    let threads =
        std::thread::available_parallelism().map_or(1, |count| u32::try_from(count.get()).unwrap_or(1));
    let packed = package::package(plan, build, toolchain, &workspace.repository, threads)?;
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    eprintln!(
        "packed: library {:.1} MiB, archive {:.1} MiB, {} files",
        mib(package::library_bytes(&packed)),
        mib(packed.size_bytes),
        packed.descriptor.files.len()
    );
    Ok(packed)
}
