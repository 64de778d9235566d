//! `cache`: compiled objects as one file, from one machine to another.

use crate::caches::Choice;
use crate::error::Result;
use crate::flags::{self, Cache, CacheCommand};
use crate::objects::{self, Carried, Cell, Index, Record};
use crate::paths;
use crate::workspace::Workspace;

/// Exports, imports, or says what there is.
pub fn run(flags: &Cache) -> Result<()> {
    let workspace = Workspace::open()?;
    match &flags.command {
        CacheCommand::Export { file, cell, max_size } => {
            let cell = cell_of(&workspace, cell)?;
            let v8 = &workspace.matrix.v8.version;
            let carried = objects::export(&of_builds(&workspace)?, &cell, v8, file, *max_size)?;
            let Carried { written, left, file_bytes } = carried;
            eprintln!(
                "{written} objects of {cell}, {}; {left} left out for their size",
                mebibytes(file_bytes)
            );
            println!("{}", file.display());
        }
        CacheCommand::Import { files } => {
            let cache = of_builds(&workspace)?;
            // A bad file among several must not leave half of them imported.
            for file in files {
                objects::verify(file)?;
            }
            for file in files {
                let (index, carried) = objects::import(&cache, file)?;
                let Carried { written, left, .. } = carried;
                eprintln!("{}: {written} objects of {}; {left} were there", file.display(), index.cell());
            }
        }
        CacheCommand::Info { file: Some(file) } => {
            let (Index { tool, v8_version, target, variant, entries, .. }, file_bytes) =
                objects::verify(file)?;
            println!("target   {target}\nvariant  {variant}\nV8       {v8_version}\nwritten  by {tool}");
            println!("objects  {} in {}, all whole", entries.len(), mebibytes(file_bytes));
        }
        CacheCommand::Info { file: None } => {
            let cache = of_builds(&workspace)?;
            let all = objects::list(&cache.sccache())?;
            let size_bytes =
                |objects: &[objects::Object]| objects.iter().map(|object| object.size_bytes).sum();
            println!("{}", cache.sccache().display());
            println!("{} objects, {}", all.len(), mebibytes(size_bytes(&all)));
            for cell in cells(&workspace) {
                let record = Record::of(&cache, &cell);
                if record.exists() {
                    let used = record.objects()?;
                    println!("  {cell:<40} {} objects, {}", used.len(), mebibytes(size_bytes(&used)));
                }
            }
        }
    }
    Ok(())
}

/// Where builds keep objects: in a folder that `LIBV8_CACHE` puts in the place of ours, if it does.
fn of_builds(workspace: &Workspace) -> Result<paths::Cache> {
    Ok(workspace.cache.with_objects(Choice::of_user()?.folder()))
}

/// The cell that was asked for; names that are not in the matrix are refused.
pub fn cell_of(workspace: &Workspace, cell: &flags::Cell) -> Result<Cell> {
    let what = flags::What::of(cell.target.iter().cloned().collect(), &cell.variant);
    let plan = workspace.one_plan(&what)?;
    Ok(Cell { target: plan.target, variant: plan.variant })
}

fn cells(workspace: &Workspace) -> impl Iterator<Item = Cell> {
    let variants: Vec<&String> = workspace.matrix.variants.keys().collect();
    workspace.matrix.targets.keys().flat_map(move |target| {
        let cell = |variant: &&String| Cell { target: target.clone(), variant: (*variant).clone() };
        variants.iter().map(cell).collect::<Vec<_>>()
    })
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
