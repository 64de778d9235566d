//! The plan: everything that is decided before any work. What `--dry-run` prints and what is executed are this value.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use v8_archive::{ArchiveName, Format, Sha256};

use crate::error::{Error, IoContext as _, Kind, Result};
use crate::flags::{self, SourceKind, What};
use crate::gyp;
use crate::layers::{self, Arguments};
use crate::matrix::{Chosen, Matrix, State, Target};
use crate::paths::Cache;
use crate::source::depot::{self, Platform};
use crate::source::{self, Origin, Pins, SourcePlan, Start, node};
use crate::toolchain::emulator;
use crate::toolchain::pins::Host;
use crate::toolchain::sdk::{self, Sdk};

/// Counts the ways in which this tool has turned the same inputs into archives: raise it when their bytes change.
const RECIPE: u32 = 5;

/// One archive to be made.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// A Rust target triple of `targets.toml`.
    pub target: String,
    /// A variant of `targets.toml`.
    pub variant: String,
    /// V8's version.
    pub v8_version: String,
    /// SHA-256 over everything that can change a byte of the archive.
    pub build_id: Sha256,
    /// The archive's path.
    pub archive: PathBuf,
    /// ninja's folder.
    pub out: PathBuf,
    /// Whether building is refused, and why.
    pub planned_only: Option<String>,
    /// The SDK that the user handed in for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sdk: Option<Sdk>,
    /// What this machine lacks to build it; looked for in those of `all` alone.
    #[serde(skip)]
    pub missing_here: Option<String>,
    /// Whether the target was named itself, and is not only one of `all`.
    #[serde(skip)]
    pub by_name: bool,
    /// V8's tree.
    pub source: SourcePlan,
    /// GN arguments by name, each with its layer and reason.
    pub gn_args: Arguments,
    /// The same for the build files of Node, where those build V8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gyp: Option<gyp::Settings>,
    /// What programs can do with the archive.
    pub features: BTreeMap<String, bool>,
    /// The format of the archive.
    #[serde(skip)]
    pub format: Format,
    /// The row of `targets.toml`.
    #[serde(skip)]
    pub row: Target,
}

/// Everything that plans are made from.
pub struct Inputs<'a> {
    /// The repository with layers, patches and the C interface.
    pub repository: &'a Path,
    /// `targets.toml`.
    pub matrix: &'a Matrix,
    /// The user's cache folder.
    pub cache: &'a Cache,
    /// This machine.
    pub host: Option<Host>,
    /// What the compiler says of itself, if it is not the pinned one.
    pub own_clang: Option<String>,
    /// What was asked of V8's own repositories, and what was found there, for the source `depot-tools`.
    pub depot: Option<(&'a depot::Asked, &'a depot::Looked)>,
    /// The tree of Node that was found, for the source `node`.
    pub node: Option<&'a node::Looked>,
    /// Folders with SDKs.
    pub sdks: &'a sdk::Folders,
    /// Another version of the `v8` package than the pinned one.
    pub another: Option<&'a Pins>,
}

/// The plans for what the user asked for, in that order. Starts nothing and writes nothing.
pub fn plans(inputs: &Inputs<'_>, what: &What) -> Result<Vec<Plan>> {
    chosen(inputs.matrix, inputs.host, what)?.iter().map(|chosen| plan(inputs, what, chosen)).collect()
}

/// The targets that the user asked for, or this machine's own.
pub fn chosen(matrix: &Matrix, host: Option<Host>, what: &What) -> Result<Vec<Chosen>> {
    let targets =
        if what.targets.is_empty() { vec![own_target(matrix, host)?] } else { what.targets.clone() };
    matrix.choose(&targets)
}

/// The plans that can be built, and those of `all` that cannot. What was named itself must be buildable.
pub fn buildable(plans: Vec<Plan>) -> Result<(Vec<Plan>, Vec<Plan>)> {
    let (can, cannot): (Vec<Plan>, Vec<Plan>) =
        plans.into_iter().partition(|plan| plan.planned_only.is_none());
    match cannot.iter().filter(|plan| plan.by_name).collect::<Vec<_>>().as_slice() {
        [] if can.is_empty() => Err(Error::usage("none of these targets can be built")
            .help("cargo xtask targets   lists all of them, with what each can do today")),
        [] => Ok((can, cannot)),
        [one] => Err(Error::usage(one.refusal()).help(format!(
            "cargo xtask plan --target {} --variant {}   shows the plan",
            one.target, one.variant
        ))),
        many => {
            let refusals: Vec<String> = many.iter().map(|plan| plan.refusal()).collect();
            let targets: String = many.iter().map(|plan| format!(" --target {}", plan.target)).collect();
            Err(Error::all(Kind::Usage, "these cannot be built", &refusals)
                .help(format!("cargo xtask plan{targets} --variant {}   shows the plans", many[0].variant)))
        }
    }
}

/// SHA-256 over the table of licences and all texts, which are part of every archive.
fn licences_digest(folder: &Path) -> Result<Sha256> {
    let mut paths = vec![folder.join("parts.toml")];
    let texts = folder.join("texts");
    for entry in std::fs::read_dir(&texts).or_io("read", &texts)? {
        paths.push(entry.or_io("read", &texts)?.path());
    }
    paths.sort();
    let mut list = String::new();
    for path in paths {
        let bytes = std::fs::read(&path).or_io("read", &path)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        list.push_str(&format!("{name} {}\n", Sha256::of_bytes(&bytes)));
    }
    Ok(Sha256::of_bytes(list.as_bytes()))
}

/// The row of `targets.toml` that is this machine.
fn own_target(matrix: &Matrix, host: Option<Host>) -> Result<String> {
    let name = host.map(Host::name);
    let row = matrix.targets.iter().find(|(_, row)| Some(row.host.as_str()) == name);
    row.map(|(triple, _)| triple.clone()).ok_or_else(|| {
        Error::usage("this machine is no row of targets.toml")
            .help("name a target: --target TRIPLE; cargo xtask targets lists them")
    })
}

/// What DEPS calls a target and this machine. Which repositories belong to a tree must not hang on who makes it, so on a
/// machine that is no row of `targets.toml` the most usual one stands in.
pub fn platform(target: &str, host: Option<Host>) -> Result<Platform> {
    let named = |triple: &str| {
        let has = |word: &str| triple.split('-').any(|part| part == word);
        let os = [("linux", "linux"), ("darwin", "mac"), ("macos", "mac"), ("windows", "win")];
        let os = os.into_iter().find(|(word, _)| has(word)).map(|(_, os)| os);
        let cpu = [("x86_64", "x64"), ("aarch64", "arm64")];
        os.zip(cpu.into_iter().find(|(word, _)| has(word)).map(|(_, cpu)| cpu))
    };
    let (target_os, target_cpu) =
        named(target).ok_or_else(|| Error::usage(format!("DEPS has no name for the target {target}")))?;
    let (host_os, host_cpu) = host.and_then(|host| named(host.name())).unwrap_or(("linux", "x64"));
    Ok(Platform { target_os, target_cpu, host_os, host_cpu })
}

fn plan(inputs: &Inputs<'_>, what: &What, chosen: &Chosen) -> Result<Plan> {
    let Inputs { repository, matrix, cache, .. } = *inputs;
    let target = chosen.target.as_str();
    let row = matrix.target(target)?;
    let variant = matrix.variant(&what.variant)?;
    let sources = cache.sources();
    let source = match (what.source.unwrap_or(matrix.v8.source), inputs.depot) {
        (SourceKind::Crate, _) => {
            let pinned = matrix.source_pins()?;
            source::plan(Start::Crate(inputs.another.unwrap_or(&pinned)), target, repository, &sources)?
        }
        (SourceKind::DepotTools, Some((asked, looked))) => {
            let platform = platform(target, inputs.host)?;
            source::plan(Start::DepotTools(asked, looked, platform), target, repository, &sources)?
        }
        (SourceKind::DepotTools, None) => {
            return Err(Error::failed("V8's own repositories have not been looked at"));
        }
        (SourceKind::Node, _) => {
            let node = inputs.node.ok_or_else(|| Error::failed("Node's tree has not been looked at"))?;
            source::plan(Start::Node(node), target, repository, &sources)?
        }
    };
    let layers = row.layers.iter().chain(&variant.layers);
    let gn_args = layers::merge(&repository.join("gn-args"), layers, source.kind, source.v8_version)?;
    let planned_only = match row.state {
        State::Planned => Some(row.reason.clone().unwrap_or_default()),
        State::Run | State::Built => not_from(source.kind, &row.libc.family).map(str::to_owned),
    };
    let gyp = match &source.origin {
        // What is planned only is refused by its row, which says more.
        Origin::Node { .. } if planned_only.is_some() => gyp::translate(&gn_args).ok(),
        Origin::Node { .. } => Some(gyp::translate(&gn_args)?),
        Origin::Crate { .. } | Origin::DepotTools { .. } => None,
    };
    let known = matrix.variants.values().flat_map(|variant| &variant.features);
    let features = known.map(|name| (name.clone(), variant.features.contains(name))).collect();

    let format = match what.archive_format {
        flags::Format::TarZst => Format::TarZst,
        flags::Format::TarGz => Format::TarGz,
        flags::Format::TarXz => Format::TarXz,
        flags::Format::Zip => Format::Zip,
    };
    let version = &source.v8_version.to_string();
    let name = ArchiveName::new(version, target, &what.variant, format)
        .map_err(|error| Error::usage(error.to_string()))?;
    let output = what.output.clone().unwrap_or_else(|| repository.join("artifacts"));
    let output = std::path::absolute(&output).map_err(|error| Error::io("make absolute", &output, &error))?;

    let compiler = inputs.own_clang.clone().unwrap_or_else(|| format!("zig {}", matrix.tools.zig.version));
    let values: BTreeMap<&String, &String> =
        gn_args.iter().map(|(name, argument)| (name, &argument.value)).collect();
    let mut identity = serde_json::json!({
        "recipe": RECIPE, "target": target, "variant": what.variant, "v8": version, "source": source.key,
        "gn_args": values, "compiler": compiler, "sysroot": matrix.tools.sysroots.get(&row.sysroot),
        "libc": [&row.libc.family, &row.libc.floor], "link": [&row.system_libraries, &row.frameworks],
        "features": features, "licenses": licences_digest(&repository.join("licenses"))?,
    });
    let processor = target.split('-').next().unwrap_or_default();
    let (sdk, sdk_fault) = match inputs.sdks.sdk_for(&row.libc.family, processor) {
        Ok(sdk) => (sdk, None),
        Err(fault) => (None, Some(fault)),
    };
    if let Some(sdk) = &sdk {
        identity["sdk"] = sdk.digest.clone().into();
    }
    let mut out = source.folder.join("out").join(format!("{target}-{}", what.variant));
    if let Some(gyp) = &gyp {
        identity["gyp"] = serde_json::to_value(gyp).expect("strings only");
        // gyp appends the name of its configuration.
        out.push(gyp::CONFIGURATION);
    }
    Ok(Plan {
        target: target.to_owned(),
        variant: what.variant.clone(),
        v8_version: version.clone(),
        build_id: Sha256::of_bytes(identity.to_string().as_bytes()),
        archive: output.join(name.to_string()),
        out,
        // What the user can do something about goes first.
        planned_only: sdk_fault.or(planned_only),
        sdk,
        missing_here: None,
        by_name: chosen.by_name,
        source,
        gn_args,
        gyp,
        features,
        format,
        row: row.clone(),
    })
}

/// Why V8 of this source is not built for a system yet, by the family of its C library.
fn not_from(source: source::Kind, libc_family: &str) -> Option<&'static str> {
    match (source, libc_family) {
        (source::Kind::Crate, _) | (_, "glibc" | "musl") => None,
        (source::Kind::Node, _) => Some("the V8 of Node.js is built for Linux alone so far"),
        (source::Kind::DepotTools, "ucrt") => Some("V8's own repositories are not patched for MinGW so far"),
        (source::Kind::DepotTools, _) => None,
    }
}

impl Plan {
    /// Why it is not built: what this machine lacks, or `targets.toml` says that it is planned only.
    pub fn refusal(&self) -> String {
        match &self.missing_here {
            Some(missing) => format!("{} cannot be built here: {missing}", self.target),
            None => {
                format!(
                    "{} is planned only: {}",
                    self.target,
                    self.planned_only.as_deref().unwrap_or_default()
                )
            }
        }
    }

    /// Whether there is anything to fetch for it: `all` does not ask for what cannot be built.
    pub fn is_wanted(&self) -> bool {
        self.by_name || self.planned_only.is_none()
    }

    /// Whether torque and mksnapshot are the machine's own programs, and not the target's: of macOS there is no emulator.
    ///
    /// The snapshot is right all the same. mksnapshot is V8 for the target's processor, with a simulator of it
    /// (`v8_snapshot_toolchain` is `clang_x64_v8_arm64`), and GN compiles it with the target's `V8_TARGET_OS_…`, which is
    /// all that code generation asks of a system: which registers are free (x18 is macOS'), and how large pages are. It is
    /// told `--target_os=mac`, by which it writes `embedded.S` in Mach-O's form. And the layout of V8's objects hangs on
    /// the width of pointers and on the arguments of GN, which are the same for both.
    pub fn runs_programs_of_the_machine(&self) -> bool {
        matches!(self.row.libc.family.as_str(), "libSystem" | "msvc")
    }

    /// What this machine needs to run programs of the target: a name in [`toolchain::Wanted::emulators`].
    ///
    /// [`toolchain::Wanted::emulators`]: crate::toolchain::Wanted
    pub fn emulator(&self, host: Host) -> Option<&str> {
        emulator::needed(&self.target, &self.row.libc.family, host)
    }

    /// For people; with `explain`, each GN argument has its layer and reason.
    pub fn text(&self, explain: bool) -> String {
        let mut text = format!("{} {} {}\n", self.v8_version, self.target, self.variant);
        let mut line = |name: &str, value: String| text.push_str(&format!("  {name:<14}{value}\n"));
        let there = if self.source.present { ", there already" } else { "" };
        line("source", format!("{}{there}", self.source.origin.line()));
        for patch in &self.source.patches {
            line("patch", patch.name.clone());
        }
        if let Some(sdk) = &self.sdk {
            line("SDK", format!("{}, {}", sdk.folder.display(), sdk.name()));
        }
        line("build id", self.build_id.to_string());
        line("tree", self.source.folder.display().to_string());
        line("builds in", self.out.display().to_string());
        line("archive", self.archive.display().to_string());
        if let Some(reason) = &self.planned_only {
            line("planned only", reason.clone());
        }
        text.push_str("  GN arguments\n");
        for (name, argument) in &self.gn_args {
            text.push_str(&format!("    {name} = {}", argument.value));
            if explain {
                text.push_str(&format!("\n      {}.gn: {}", argument.layer, argument.reason));
            }
            text.push('\n');
        }
        if let Origin::DepotTools { checkout } = &self.source.origin {
            text.push_str(&checkout.table());
        }
        if let Origin::Node { node } = &self.source.origin {
            text.push_str(&node.table());
        }
        if let Some(gyp) = &self.gyp {
            text.push_str("  gyp settings\n");
            text.push_str(&gyp.lines());
        }
        text
    }
}

/// Plans for the tests of whoever works with them.
#[cfg(test)]
pub mod testing {
    use super::*;

    const NO_SDK: &sdk::Folders = &sdk::Folders { windows: None, apple: None };

    /// Those of the default source, on no machine in particular.
    pub fn inputs<'a>(repository: &'a Path, matrix: &'a Matrix, cache: &'a Cache) -> Inputs<'a> {
        Inputs {
            repository,
            matrix,
            cache,
            host: None,
            own_clang: None,
            depot: None,
            node: None,
            another: None,
            sdks: NO_SDK,
        }
    }

    /// One for each target of this repository, in its first variant.
    pub fn every_target() -> Vec<Plan> {
        let repository = crate::paths::repository();
        let matrix = Matrix::load(&repository).unwrap();
        let cache = Cache::at("cache".into());
        let inputs = inputs(&repository, &matrix, &cache);
        let variant = matrix.variants.keys().next().unwrap();
        plans(&inputs, &What::of(matrix.targets.keys().cloned().collect(), variant)).unwrap()
    }
}

#[cfg(test)]
mod tests;
