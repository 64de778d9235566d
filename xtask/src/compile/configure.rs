//! Runs GN, and makes its files fit our compiler and our cache.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use v8_archive::Sha256;

use super::{by_gyp, stale, write_json};
use crate::error::{Error, IoContext as _, Result};
use crate::gyp::Settings;
use crate::layers;
use crate::paths::files_below;
use crate::pch::policy::Policy;
use crate::pch::{self, Compilation, Groups};
use crate::plan::Plan;
use crate::process;
use crate::toolchain::pins::Host;
use crate::toolchain::sdk::Sdk;
use crate::toolchain::{Language, Toolchain, emulator, probe_flags};

/// Where the toolchain's overlay is linked into V8's tree; all paths GN sees are relative to the tree.
pub const OVERLAY: &str = "third_party/libv8-toolchain";

/// What GN was run with; its file is written when everything behind it is done.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Configured {
    /// SHA-256 over args.gn, the toolchain and the way we treat GN's output.
    key: Sha256,
    dropped_flags: Vec<String>,
}

/// A configured build folder.
pub struct Build {
    /// ninja's folder.
    pub out: PathBuf,
    /// Flags of V8's build files that the compiler does not know.
    pub dropped_flags: Vec<String>,
    /// Of ninja's folder, and of the overlay's link.
    _locks: [File; 2],
}

/// What stands in front of the compiler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrapper {
    /// sccache, as every build of ours has it, and behind it the shim with this use of headers.
    Sccache(Policy),
    /// Nothing: the build that ours are measured against.
    None,
}

impl Wrapper {
    /// What every build has.
    pub fn of(plan: &Plan, toolchain: &Toolchain) -> Wrapper {
        Wrapper::Sccache(Policy::of(&plan.v8_version, &toolchain.compiler()))
    }
}

/// Runs GN, or Node's gyp, unless it has been run with the same arguments, and takes out of its files the flags that clang does not know.
pub fn configure(plan: &Plan, toolchain: &Toolchain) -> Result<Build> {
    configure_with(plan, toolchain, Wrapper::of(plan, toolchain))
}

/// As [`configure`], with another program or none in front of the compiler.
pub fn configure_with(plan: &Plan, toolchain: &Toolchain, wrapper: Wrapper) -> Result<Build> {
    let out = &plan.out;
    fs::create_dir_all(out).or_io("create", out)?;
    let lock_path = out.join("libv8.lock");
    let lock = File::create(&lock_path).or_io("create", &lock_path)?;
    if lock.try_lock().is_err() {
        eprintln!("  another process builds {} {}: waiting for it", plan.target, plan.variant);
        lock.lock().or_io("lock", &lock_path)?;
    }
    let locks = [lock, link_overlay(&plan.source.folder, &toolchain.llvm)?];
    if let Some(sdk) = &plan.sdk {
        link(&plan.source.folder.join(sdk_link(sdk)), &sdk.folder)?;
    }
    let policy = match &wrapper {
        Wrapper::Sccache(policy) => Some(policy),
        Wrapper::None => None,
    };
    let generator = match &plan.gyp {
        Some(settings) => {
            Generator::Gyp(settings, by_gyp::Request::new(plan, settings, toolchain, policy.is_some()))
        }
        None => Generator::Gn(args_gn(plan, toolchain, policy.is_some())),
    };
    let compiler = Sha256::of_file(&toolchain.clangxx()).map_err(|error| Error::failed(error.to_string()))?;
    // What starts the compiler by its bytes, as sccache has it in its keys; sysroots are part of the toolchain's key.
    let made_by = format!("{} {} {}", toolchain.compiler(), compiler.sha256, toolchain.key());
    let removed = stale::remove(out, &made_by, policy)?;
    if removed > 0 {
        eprintln!("  {removed} objects of another toolchain, or another way with headers, are made again");
    }
    let pch = out.join(pch::shim::FOLDER);
    fs::create_dir_all(&pch).or_io("create", &pch)?;
    let recipe = format!("3\n{}\n{}", toolchain.llvm.display(), generator.text());
    let key = Sha256::of_bytes(recipe.as_bytes());
    let mark = out.join("libv8-configured.json");
    let known: Option<Configured> = fs::read(&mark).ok().and_then(|text| serde_json::from_slice(&text).ok());
    let groups = pch.join(pch::shim::GROUPS_FILE);
    if let Some(known) = known.filter(|known| known.key == key && groups.is_file()) {
        return Ok(Build { out: out.clone(), dropped_flags: known.dropped_flags, _locks: locks });
    }
    eprintln!("configuring {}", out.display());
    generator.run(plan, toolchain)?;
    let dropped_flags = drop_unknown_flags(out, &toolchain.clangxx(), &plan.row.clang_target)?;

    let compilations = compilations(toolchain, out, &["cxx", "cc", "asm"])?;
    write_json(&groups, &Groups::from_compilations(&compilations))?;
    write_json(&mark, &Configured { key, dropped_flags: dropped_flags.clone() })?;
    Ok(Build { out: out.clone(), dropped_flags, _locks: locks })
}

/// What makes ninja's files, and what it is told.
enum Generator<'a> {
    /// GN, with args.gn.
    Gn(String),
    /// Node's configure and gyp.
    Gyp(&'a Settings, by_gyp::Request),
}

impl Generator<'_> {
    fn text(&self) -> String {
        match self {
            Generator::Gn(args) => args.clone(),
            Generator::Gyp(_, request) => request.text(),
        }
    }

    fn run(&self, plan: &Plan, toolchain: &Toolchain) -> Result<()> {
        let args = match self {
            Generator::Gn(args) => args,
            Generator::Gyp(settings, request) => return request.generate(plan, settings, toolchain),
        };
        let out = &plan.out;
        let args_path = out.join("args.gn");
        fs::write(&args_path, args).or_io("write", &args_path)?;
        let root = format!("--root={}", plan.source.folder.display());
        let mut gn = process::command(&toolchain.gn);
        gn.arg("gen").arg(out).args([&root, "--dotfile=libv8/dotfile.gn", "--fail-on-unused-args"]);
        gn.current_dir(&plan.source.folder).env("PATH", toolchain.path()?);
        process::run_logged(&mut gn, &out.join("gn.log"))?;
        toolchains(out)?.iter().try_for_each(|folder| name_sources_in_keys(&folder.join("toolchain.ninja")))
    }
}

/// `args.gn` of a build, with or without sccache in front of the compiler.
fn args_gn(plan: &Plan, toolchain: &Toolchain, with_sccache: bool) -> String {
    let wrapper = format!("cc_wrapper = \"../../{OVERLAY}/bin/sccache\"\n");
    let wrapper = if with_sccache { wrapper.as_str() } else { "" };
    own_arguments(plan, toolchain) + wrapper + &cross_arguments_here(plan)
}

/// The arguments of the plan, and where the compiler is.
fn own_arguments(plan: &Plan, toolchain: &Toolchain) -> String {
    let of_toolchain = || format!("{OVERLAY}/sysroots/{}", plan.row.sysroot);
    let sdk = match (plan.row.libc.family.as_str(), &plan.sdk) {
        ("libSystem", sdk) => {
            format!("mac_sdk_path = \"//{}\"\n", sdk.as_ref().map_or_else(of_toolchain, sdk_link))
        }
        ("msvc", Some(sdk)) => format!("windows_sdk_xwin = \"//{}\"\n", sdk_link(sdk)),
        _ => String::new(),
    };
    format!(
        "{}\n# Of this machine's toolchain; part of no build id.\n{sdk}\
         clang_base_path = \"//{OVERLAY}\"\nclang_version = \"{}\"\n",
        layers::args_gn(&plan.gn_args),
        toolchain.clang_major,
    )
}

/// Where the tree has the user's SDK, as a link. Another SDK has another name, so that ninja compiles anew.
fn sdk_link(sdk: &Sdk) -> String {
    format!("third_party/libv8-{}", sdk.name())
}

/// `args.gn` of a build without anything in front of the compiler.
pub fn arguments_text(plan: &Plan, toolchain: &Toolchain) -> String {
    own_arguments(plan, toolchain) + &cross_arguments_here(plan)
}

fn cross_arguments_here(plan: &Plan) -> String {
    Host::current().and_then(|host| cross_arguments(plan, host)).unwrap_or_default()
}

/// How a build goes whose programs this machine cannot run: those that run during it are the target's own, started by an emulator.
///
/// Without that GN would compile V8 twice, once for this machine. They are the machine's arguments, as the compiler's place is: the bytes made
/// are those of a build on the target's own processor.
pub(super) fn cross_arguments(plan: &Plan, host: Host) -> Option<String> {
    let cpu = plan.gn_args.get("target_cpu")?.value.trim_matches('"');
    if plan.runs_programs_of_the_machine() && host.linux_processor() == Some("x86_64") && cpu == "arm64" {
        // GN itself would take a mksnapshot that makes code for x86-64, and say nothing of it, for Microsoft's ABI.
        return Some(format!("v8_snapshot_toolchain = \"//build/toolchain/linux:clang_x64_v8_{cpu}\"\n"));
    }
    let name = plan.emulator(host)?;
    let toolchain = match (name, cpu) {
        (emulator::WINE, "x64") => "mingw:x64".to_owned(),
        // Wine runs Windows' programs of x86-64 alone. One of these that makes code for another processor is of the same system: of the
        // same sizes of types, the same calls and the same unwinding data in the snapshot, as a program of Linux would not be.
        (emulator::WINE, _) => format!("mingw:x64_v8_{cpu}"),
        _ => format!("linux:clang_{cpu}"),
    };
    let launcher = emulator::launcher(name);
    Some(format!(
        "v8_snapshot_toolchain = \"//build/toolchain/{toolchain}\"\n\
         v8_emulator = \"//{OVERLAY}/bin/{launcher}\"\n"
    ))
}

/// What ninja would compile by these rules, in its own order.
pub fn compilations(toolchain: &Toolchain, out: &Path, rules: &[&str]) -> Result<Vec<Compilation>> {
    let mut compdb = process::command(&toolchain.ninja);
    compdb.arg("-C").arg(out).args(["-t", "compdb"]).args(rules);
    serde_json::from_str(&process::read(&mut compdb)?)
        .map_err(|error| Error::failed(format!("ninja's compilation database is not readable: {error}")))
}

/// Makes the toolchain reachable by a path inside the tree, so that no path of the machine reaches a command line. The link
/// stays as it is for as long as the file is open that is given back.
///
/// All builds in a tree share the link, and two of them may want other toolchains: with `--clang`, or of another checkout. The
/// second one waits until the builds with the first are done.
pub fn link_overlay(tree: &Path, llvm: &Path) -> Result<File> {
    let overlay = tree.join(OVERLAY);
    let path = overlay.with_added_extension("lock");
    let lock = File::create(&path).or_io("create", &path)?;
    loop {
        lock.lock_shared().or_io("lock", &path)?;
        if fs::read_link(&overlay).is_ok_and(|there| there == llvm) {
            return Ok(lock);
        }
        lock.unlock().or_io("unlock", &path)?;
        if lock.try_lock().is_err() {
            eprintln!("  another process builds in {} by another toolchain: waiting for it", tree.display());
            lock.lock().or_io("lock", &path)?;
        }
        link(&overlay, llvm)?;
        // A lock cannot be made a shared one in one step: somebody may change the link once more before we look again.
        lock.unlock().or_io("unlock", &path)?;
    }
}

/// Makes `link` a link to a folder, whatever link was there.
fn link(link: &Path, folder: &Path) -> Result<()> {
    if fs::read_link(link).is_ok_and(|old| old == folder) {
        return Ok(());
    }
    match fs::remove_file(link) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(Error::io("remove", link, &error));
        }
        _ => {}
    }
    #[cfg(unix)]
    return std::os::unix::fs::symlink(folder, link).or_io("create", link);
    #[cfg(windows)]
    return std::os::windows::fs::symlink_dir(folder, link).or_io("create", link);
}

/// Takes flags that the compiler does not know out of ninja's files, and says which.
///
/// V8's build files are written for the clang of their week. Which of their flags ours knows is asked of it.
pub fn drop_unknown_flags(out: &Path, clangxx: &Path, clang_target: &str) -> Result<Vec<String>> {
    let mut of_library = Vec::new();
    for folder in toolchains(out)? {
        let rules = fs::read_to_string(folder.join("toolchain.ninja")).unwrap_or_default();
        if rules.contains("/clang-cl ") {
            // By Microsoft's command line an unknown flag is a warning.
            continue;
        }
        let is_librarys = folder == out;
        let unknown = drop_unknown_flags_of(&folder, clangxx, is_librarys.then_some(clang_target))?;
        if is_librarys {
            of_library = unknown;
        }
    }
    Ok(of_library)
}

/// For one of GN's toolchains, which compiles for `clang_target`, or for what its own flags say.
fn drop_unknown_flags_of(folder: &Path, clangxx: &Path, clang_target: Option<&str>) -> Result<Vec<String>> {
    let mut files: BTreeMap<PathBuf, String> = BTreeMap::new();
    let mut flags: BTreeMap<String, Language> = BTreeMap::new();
    let mut said = None;
    let targets = files_below(&folder.join("obj"), "ninja")?;
    let rules = [folder.join("toolchain.ninja")].into_iter().filter(|path| path.is_file());
    for path in rules.chain(targets) {
        let text = fs::read_to_string(&path).or_io("read", &path)?;
        for line in text.lines() {
            let assembler = line.trim_start().starts_with("asmflags");
            for word in flag_words(line).into_iter().flatten() {
                if word.starts_with("--target=") {
                    said = Some(word.to_owned());
                }
                if !is_askable(word) {
                    continue;
                }
                let language = flags.entry(word.to_owned()).or_insert(Language::Assembler);
                if !assembler {
                    *language = Language::Cxx;
                }
            }
        }
        files.insert(path, text);
    }
    let target = clang_target.map(|target| format!("--target={target}")).or(said);
    let mut unknown = Vec::new();
    for language in [Language::Cxx, Language::Assembler] {
        let of_language = flags.iter().filter(|(_, of)| **of == language);
        let mut asked: Vec<String> = of_language.map(|(flag, _)| flag.clone()).collect();
        if !asked.is_empty() {
            asked.extend(target.clone());
            unknown.extend(probe_flags(clangxx, language, &asked)?);
        }
    }
    for (path, text) in files {
        let new: String = text.lines().map(|line| without(line, &unknown) + "\n").collect();
        if new != text {
            rewrite(&path, &new)?;
        }
    }
    Ok(unknown)
}

/// The folders of GN's toolchains: ninja's own for the target's, and below it one for each that makes programs of the build.
fn toolchains(out: &Path) -> Result<Vec<PathBuf>> {
    let mut folders = vec![out.to_owned()];
    for entry in fs::read_dir(out).or_io("read", out)? {
        let path = entry.or_io("read", out)?.path();
        if path.join("toolchain.ninja").is_file() {
            folders.push(path);
        }
    }
    // Flags are asked for in the order of files.
    folders.sort();
    Ok(folders)
}

/// Puts the name of each source on its command line, where sccache's key comes from.
///
/// The key holds the preprocessed text without the names of files, and objects hold the name of their source: two
/// sources with the same text (empty ones, for this target) would get one object, whichever came first. Clang takes
/// `-frandom-seed` for GCC's sake and does nothing with it.
fn name_sources_in_keys(path: &Path) -> Result<()> {
    let text = fs::read_to_string(path).or_io("read", path)?;
    rewrite(path, &text.replace(" -c ${in} ", " -frandom-seed=${in} -c ${in} "))
}

/// Replaces a file of ninja's and keeps its time: ninja runs GN again if a build file is older than what GN read.
fn rewrite(path: &Path, text: &str) -> Result<()> {
    let time = fs::metadata(path).and_then(|metadata| metadata.modified()).or_io("read", path)?;
    fs::write(path, text).or_io("write", path)?;
    let file = File::options().append(true).open(path).or_io("open", path)?;
    file.set_modified(time).or_io("set the time of", path)
}

/// The flags of a line such as `  cflags_cc = -std=c++23 …`.
fn flag_words(line: &str) -> Option<impl Iterator<Item = &str>> {
    let (name, value) = line.trim_start().split_once(" = ")?;
    matches!(name, "cflags" | "cflags_c" | "cflags_cc" | "asmflags").then(|| value.split_whitespace())
}

/// Flags that stand alone and may be unknown; `-Xclang` and `-mllvm` take a second word, whose order must stay.
fn is_askable(word: &str) -> bool {
    ["-f", "-W", "-m", "-g"].iter().any(|prefix| word.starts_with(prefix))
        && !word.starts_with("-mllvm")
        && !word.starts_with("-fmodule")
        && !word.contains(['$', '"', '\'', '\\'])
}

fn without(line: &str, unknown: &[String]) -> String {
    if flag_words(line).is_none() {
        return line.to_owned();
    }
    let words = line.split(' ').filter(|word| !unknown.iter().any(|flag| flag == word));
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_taken_out_whole() {
        let check = |line: &str, unknown: &[&str], expected: &str| {
            let unknown: Vec<String> = unknown.iter().map(|&flag| flag.to_owned()).collect();
            assert_eq!(without(line, &unknown), expected);
        };
        check("  cflags = -Wall -fnew -O3", &["-fnew"], "  cflags = -Wall -O3");
        check("  cflags = -fnew -fnew", &["-fnew"], "  cflags =");
        check("  cflags = -fnew=x -O3", &["-fnew"], "  cflags = -fnew=x -O3");
        check("  ldflags = -fnew", &["-fnew"], "  ldflags = -fnew");
        check("build a.o: cxx -fnew", &["-fnew"], "build a.o: cxx -fnew");
    }

    #[test]
    fn only_lone_flags_are_asked_about() {
        for (flag, expected) in
            [("-fno-x", true), ("-Wfoo", true), ("-mllvm", false), ("-DX", false), ("-fx=${y}", false)]
        {
            assert_eq!(is_askable(flag), expected, "{flag}");
        }
    }
}
