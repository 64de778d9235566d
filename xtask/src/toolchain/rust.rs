//! Rust for a target that the user's own rustc has no standard library for: Debian's rustc in a sysroot of our own, and a
//! linker that knows the target.
//!
//! For another processor's glibc Debian has the standard library ready. For musl and Windows it has none, so cargo builds it,
//! once, from the sources that belong to this rustc (35 s of CPU), `test` included; unwinding there is LLVM's libunwind, out
//! of Zig.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::make_executable;
use super::pins::{Companion, Host, Libc, Sha256, Tools};
use crate::error::{Error, IoContext as _, Result};
use crate::paths::remove_folder;
use crate::process;

/// The row with rustc, the standard library of the machine it runs on, and the library's sources.
pub const COMPILER: &str = "rust";

/// The row with the standard library for another processor's glibc.
pub fn std_of(processor: &str) -> String {
    format!("rust-std-{processor}")
}

/// What compiles and links Rust programs for one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rust {
    /// The compiler, which finds the target's standard library by itself.
    pub rustc: PathBuf,
    /// What it links with: arguments as gcc has them. It compiles C for the target too.
    pub cc: PathBuf,
    /// A folder with libraries that every program links.
    pub libraries: PathBuf,
    /// Of the target.
    pub libc: Libc,
}

impl Rust {
    /// Whether the libc is musl.
    pub fn is_musl(&self) -> bool {
        self.libc == Libc::Musl
    }

    /// Flags of rustc, for cargo's `RUSTFLAGS` as well.
    pub fn flags(&self) -> Vec<String> {
        let mut flags = vec!["-C".to_owned(), format!("linker={}", self.cc.display())];
        if self.is_musl() {
            // The start files and the libc are the sysroot's, not copies of rustc's own.
            flags.extend(["-C".to_owned(), "link-self-contained=no".to_owned()]);
        }
        flags.extend(["-L".to_owned(), format!("native={}", self.libraries.display())]);
        flags
    }
}

/// Whether this rustc has the standard library of a target, as after `rustup target add`.
pub fn has_std(rustc: &OsString, triple: &str) -> bool {
    let asked = process::read(process::command(rustc).args(["--print", "target-libdir", "--target", triple]));
    let Ok(files) = asked.and_then(|folder| {
        let folder = PathBuf::from(folder.trim_end());
        fs::read_dir(&folder).or_io("read", &folder)
    }) else {
        return false;
    };
    files.flatten().any(|file| {
        let name = file.file_name();
        let name = name.to_string_lossy();
        name.starts_with("libstd-") && name.ends_with(".rlib")
    })
}

/// The rows that a target needs on this machine, for a user whose rustc lacks its standard library. `is_built`: no package has it.
pub fn wanted(tools: &Tools, host: Host, processor: &str, is_built: bool) -> Vec<String> {
    let runs_here = |row: &Companion| Some(row.processor.as_str()) == host.linux_processor();
    if !tools.companions.get(COMPILER).is_some_and(runs_here) {
        return Vec::new();
    }
    let std = (!is_built && host.linux_processor() != Some(processor)).then(|| std_of(processor));
    std::iter::once(COMPILER.to_owned())
        .chain(std.filter(|name| tools.companions.contains_key(name)))
        .collect()
}

/// A rustc, with a way to the target's standard library.
#[derive(Debug, Clone, Copy)]
pub enum Compiler<'a> {
    /// The user's own, which has it ([`has_std`]).
    Own(&'a OsString),
    /// The program of the row [`COMPILER`], and the folder of the row [`std_of`]; without the latter it is built.
    Pinned(&'a Path, Option<&'a Path>),
}

/// Counts the ways in which [`make`] has filled its folder.
const RECIPE: u32 = 2;

/// The folder for [`make`]: another compiler or another way, another folder.
pub fn folder(llvm: &Path, triple: &str, compiler: Compiler<'_>) -> PathBuf {
    let what = match compiler {
        Compiler::Own(rustc) => format!("{} {RECIPE}", rustc.to_string_lossy()),
        Compiler::Pinned(program, std) => {
            // The names of their folders hold the digests of the packages.
            let name = |path: &Path| path.strip_prefix(llvm).unwrap_or(path).display().to_string();
            format!("{} {} {RECIPE}", name(program), std.map(name).unwrap_or_default())
        }
    };
    llvm.join("rust").join(format!("{triple}-{}", &Sha256::of_bytes(what.as_bytes()).as_str()[..16]))
}

/// Where things lie for [`make`].
#[derive(Debug, Clone)]
pub struct Job<'a> {
    /// The Rust target triple.
    pub triple: &'a str,
    /// The same target as clang calls it.
    pub clang_target: &'a str,
    /// The toolchain's clang, with lld beside it.
    pub clang: &'a Path,
    /// The target's sysroot.
    pub sysroot: &'a Path,
    /// The target's libc.
    pub libc: Libc,
    /// Where rustc and the target's standard library come from.
    pub compiler: Compiler<'a>,
    /// The processor's glibc as programs load it, with gcc's unwinder. Not needed for others.
    pub runtime: Option<&'a Path>,
    /// Zig's `lib`, which has the sources of libunwind.
    pub zig_lib: &'a Path,
    /// The user's cargo.
    pub cargo: OsString,
    /// The finished folder.
    pub to: &'a Path,
}

/// Makes `to`, unless it is there: whole or not at all.
pub fn make(job: &Job<'_>) -> Result<Rust> {
    let rust = |folder: &Path| Rust {
        rustc: folder.join("rustc"),
        cc: folder.join("cc"),
        libraries: folder.join("lib"),
        libc: job.libc,
    };
    if job.to.is_dir() {
        return Ok(rust(job.to));
    }
    let new = job.to.with_added_extension(format!("{}.new", std::process::id()));
    remove_folder(&new)?;
    let libraries = new.join("lib");
    fs::create_dir_all(&libraries).or_io("create", &libraries)?;
    scripts(job, &new)?;
    match job.libc {
        Libc::Glibc => unwinder_of_glibc(job, &libraries)?,
        Libc::Musl | Libc::Ucrt => unwinder_of_llvm(job, &libraries)?,
        // It unwinds itself.
        Libc::LibSystem => {}
    }
    if let Compiler::Pinned(compiler, std) = job.compiler {
        let rustlib = new.join("sysroot/lib/rustlib");
        let target = rustlib.join(job.triple);
        fs::create_dir_all(&target).or_io("create", &target)?;
        let there = compiler.with_file_name("root").join("usr/lib/rustlib");
        for name in [host_of(compiler)?.as_str(), "src"] {
            link(&there.join(name), &rustlib.join(name))?;
        }
        match std {
            Some(std) => link(std, &target.join("lib"))?,
            None => {
                build_std(job, &rust(&new), &new.join("build"), &target.join("lib"))?;
                remove_folder(&new.join("build"))?;
            }
        }
    }
    if let Err(error) = fs::rename(&new, job.to) {
        // Another process may have been first.
        remove_folder(&new)?;
        if !job.to.is_dir() {
            return Err(Error::io("create", job.to, &error));
        }
    }
    Ok(rust(job.to))
}

/// The machine that a rustc runs on, as it calls it.
fn host_of(rustc: &Path) -> Result<String> {
    let said = process::read(process::command(rustc).arg("-vV"))?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned);
    host.ok_or_else(|| Error::failed(format!("{} names no host", rustc.display())))
}

fn scripts(job: &Job<'_>, to: &Path) -> Result<()> {
    let word = |path: &Path| process::quote(path.as_os_str());
    // Zig's libc.a lacks memcpy and its like, which its compiler runtime has, and rustc's own has not. A shared libgcc_s that
    // is newer than the floor of the sysroot's glibc names symbols that the system, not the sysroot, must have.
    let end = match job.libc {
        Libc::Glibc => "-Wl,--allow-shlib-undefined",
        Libc::Musl => "-lgcc",
        Libc::Ucrt | Libc::LibSystem => "",
    };
    let cc = format!(
        "#!/bin/sh\nexec {} \"$@\" --target={} --sysroot={} -fuse-ld=lld -Wno-unused-command-line-argument {end}\n",
        word(job.clang),
        job.clang_target,
        word(job.sysroot)
    );
    let rustc = match job.compiler {
        Compiler::Own(rustc) => process::quote(rustc),
        Compiler::Pinned(program, _) => format!("{} --sysroot \"${{0%/*}}/sysroot\"", word(program)),
    };
    let rustc = format!("#!/bin/sh\nexec {rustc} \"$@\"\n");
    for (name, text) in [("cc", cc), ("rustc", rustc)] {
        let path = to.join(name);
        fs::write(&path, text).or_io("write", &path)?;
        make_executable(&path)?;
    }
    Ok(())
}

/// The sysroot has a stub in place of libgcc_s; what unwinds Rust's panics must be the real one.
fn unwinder_of_glibc(job: &Job<'_>, to: &Path) -> Result<()> {
    let none = || Error::failed(format!("no libgcc_s for {} is here to link Rust programs with", job.triple));
    let lib = job.runtime.ok_or_else(none)?.join("usr/lib");
    let folders = fs::read_dir(&lib).or_io("read", &lib)?.flatten();
    let there = folders.map(|folder| folder.path().join("libgcc_s.so.1")).find(|path| path.is_file());
    let script = to.join("libgcc_s.so");
    fs::write(&script, format!("INPUT ( \"{}\" )\n", there.ok_or_else(none)?.display()))
        .or_io("write", &script)
}

/// Compiles libunwind: 1 s of CPU. `libgcc_s.so`, which dynamic programs ask for, is the same.
fn unwinder_of_llvm(job: &Job<'_>, to: &Path) -> Result<()> {
    let folder = job.zig_lib.join("libunwind");
    let c = ["-x", "c", "-fexceptions"].as_slice();
    let cxx = ["-x", "c++", "-std=c++17", "-fno-exceptions", "-fno-rtti", "-nostdinc++"].as_slice();
    let assembly = ["-x", "assembler-with-cpp"].as_slice();
    let mut objects = Vec::new();
    let is_windows = job.libc == Libc::Ucrt;
    // Windows unwinds by tables of its own; there, what is a part of each program is exported by none.
    let own: &[&str] = if is_windows { &["-D_LIBUNWIND_DISABLE_VISIBILITY_ANNOTATIONS"] } else { &["-fPIC"] };
    for (source, flags) in is_windows.then_some(("Unwind-seh.cpp", cxx)).into_iter().chain([
        ("libunwind.cpp", cxx),
        ("UnwindLevel1.c", c),
        ("UnwindLevel1-gcc-ext.c", c),
        ("UnwindRegistersSave.S", assembly),
        ("UnwindRegistersRestore.S", assembly),
    ]) {
        let object = to.join(source).with_extension("o");
        let mut command = process::command(job.clang);
        command.args([&format!("--target={}", job.clang_target), "-O2", "-funwind-tables", "-c"]);
        command.args(own).arg("--sysroot").arg(job.sysroot).arg("-D_LIBUNWIND_IS_NATIVE_ONLY");
        command.arg("-I").arg(folder.join("include")).args(flags).arg(folder.join("src").join(source));
        process::read(command.arg("-o").arg(&object))?;
        objects.push(object);
    }
    let ar = job.clang.with_file_name("llvm-ar");
    process::read(process::command(&ar).arg("rcs").arg(to.join("libunwind.a")).args(&objects))?;
    objects.iter().try_for_each(|object| fs::remove_file(object).or_io("remove", object))?;
    let script = to.join("libgcc_s.so");
    fs::write(&script, "INPUT ( libunwind.a )\n").or_io("write", &script)
}

/// Has cargo build the standard library for an empty crate, and takes the libraries it made.
fn build_std(job: &Job<'_>, rust: &Rust, scratch: &Path, to: &Path) -> Result<()> {
    eprintln!("building Rust's standard library for {}", job.triple);
    let source = scratch.join("src");
    fs::create_dir_all(&source).or_io("create", &source)?;
    let manifest = scratch.join("Cargo.toml");
    let text = "[package]\nname = \"empty\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n";
    fs::write(&manifest, text).or_io("write", &manifest)?;
    fs::write(source.join("lib.rs"), "").or_io("write", &source)?;
    let mut command = process::command(&job.cargo);
    command.args(["build", "--release", "-Zbuild-std=std,panic_unwind,test", "--target", job.triple]);
    // What the standard library stands on comes with its sources, as copies that its own Cargo.lock has the digests of. cargo
    // would find this file only in a folder above the one it runs in. A package without it leaves cargo's registry.
    let vendored = rust.rustc.with_file_name("sysroot/lib/rustlib/src/rust/library/.cargo/config.toml");
    if vendored.is_file() {
        command.arg("--offline").arg("--config").arg(&vendored);
    }
    command.current_dir(scratch).env("RUSTC", &rust.rustc).env("RUSTC_BOOTSTRAP", "1");
    command.env("CARGO_TARGET_DIR", scratch.join("target"));
    // The user's settings for their own rustc are not for this one.
    for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER"] {
        command.env_remove(name);
    }
    process::read(&mut command)?;
    fs::create_dir_all(to).or_io("create", to)?;
    let made = scratch.join("target").join(job.triple).join("release/deps");
    for file in fs::read_dir(&made).or_io("read", &made)?.flatten() {
        let name = file.file_name();
        let text = name.to_string_lossy();
        if text.ends_with(".rlib") && !text.starts_with("libempty-") {
            fs::rename(file.path(), to.join(&name)).or_io("move", &file.path())?;
        }
    }
    Ok(())
}

#[cfg(unix)]
fn link(from: &Path, to: &Path) -> Result<()> {
    std::os::unix::fs::symlink(from, to).or_io("create", to)
}

#[cfg(not(unix))]
fn link(_: &Path, to: &Path) -> Result<()> {
    Err(Error::failed(format!("cannot make the link {} on this system", to.display())))
}

#[cfg(test)]
#[path = "rust_tests.rs"]
mod tests;
