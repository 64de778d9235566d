//! One target's sysroot, put together from what zig carries: its merged headers, and the libc that zig itself makes for its own links.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::pins::{Libc, Sysroot};
use super::windows;
use crate::error::{Error, IoContext as _, Result};
use crate::paths::remove_folder;
use crate::process;

/// The parts of a sysroot that clang's driver asks for and that are empty here: zig's start files do their work.
const EMPTY_OBJECTS: [&str; 7] =
    ["crti.o", "crtn.o", "crtbegin.o", "crtbeginS.o", "crtbeginT.o", "crtend.o", "crtendS.o"];

/// The same for MinGW.
const EMPTY_OBJECTS_OF_MINGW: [&str; 2] = ["crtbegin.o", "crtend.o"];

/// A library without members.
pub const EMPTY_ARCHIVE: &str = "!<arch>\n";

/// Where things lie for [`make`].
pub struct Job<'a> {
    /// The zig program; its `lib` lies beside it.
    pub zig: &'a Path,
    /// The recipe.
    pub recipe: &'a Sysroot,
    /// Removed before and after.
    pub scratch: &'a Path,
    /// The finished sysroot; appears whole or not at all.
    pub sysroot: &'a Path,
    /// The compiler's runtime for the target; there before `sysroot` is.
    pub builtins: &'a Path,
}

/// Makes the sysroot: about 20 s of CPU for glibc, none for macOS, 30 s for Windows, 45 s for musl, whose libc zig builds from source.
pub fn make(job: &Job<'_>) -> Result<()> {
    remove_folder(job.scratch)?;
    let root = job.scratch.join(if job.recipe.libc == Libc::Ucrt { "root" } else { "root/usr" });
    let (include, lib) = (root.join("include"), root.join("lib"));
    for folder in [&include, &lib] {
        fs::create_dir_all(folder).or_io("create", folder)?;
    }
    headers(job, &include)?;
    let runtime = match job.recipe.libc {
        Libc::LibSystem => {
            // No start files and no runtime: V8's build links no program for macOS unless it runs there, with Apple's own.
            copy(&zig_lib(job).join("libc/darwin/libSystem.tbd"), &lib.join("libSystem.tbd"))?;
            return place(job);
        }
        Libc::Glibc => glibc(job, &lib)?,
        Libc::Musl => musl(job, &lib)?,
        Libc::Ucrt => windows::libraries(job, &lib)?,
    };
    copy(&runtime, &lib.join("libgcc.a"))?;
    let empty: &[&str] = if job.recipe.libc == Libc::Ucrt { &EMPTY_OBJECTS_OF_MINGW } else { &EMPTY_OBJECTS };
    empty_objects(job, empty, &lib)?;
    if let Some(parent) = job.builtins.parent() {
        fs::create_dir_all(parent).or_io("create", parent)?;
    }
    let new = job.scratch.join("builtins.a");
    copy(&runtime, &new)?;
    fs::rename(&new, job.builtins).or_io("create", job.builtins)?;
    place(job)
}

/// Gives the finished sysroot its name.
fn place(job: &Job<'_>) -> Result<()> {
    if let Some(parent) = job.sysroot.parent() {
        fs::create_dir_all(parent).or_io("create", parent)?;
    }
    fs::rename(job.scratch.join("root"), job.sysroot).or_io("create", job.sysroot)?;
    remove_folder(job.scratch)
}

fn headers(job: &Job<'_>, include: &Path) -> Result<()> {
    let all = zig_lib(job).join("libc/include");
    for name in &job.recipe.headers {
        merge(&all.join(name), include)?;
    }
    if job.recipe.libc == Libc::Glibc {
        // Zig's headers serve every glibc and ask this macro, which zig passes on its command line, for the one that is meant.
        let minor = glibc_minor(&job.recipe.zig_target)?;
        let path = include.join("features.h");
        let text = fs::read_to_string(&path).or_io("read", &path)?;
        fs::write(&path, format!("#define __GLIBC_MINOR__ {minor}\n{text}")).or_io("write", &path)?;
    }
    Ok(())
}

/// The floor's minor version: 28 of `x86_64-linux-gnu.2.28`.
fn glibc_minor(zig_target: &str) -> Result<u32> {
    let minor = zig_target.split_once(".2.").and_then(|(_, minor)| minor.parse().ok());
    minor.ok_or_else(|| Error::usage(format!("'{zig_target}' names no glibc: x86_64-linux-gnu.2.28 would")))
}

fn glibc(job: &Job<'_>, lib: &Path) -> Result<PathBuf> {
    let plain = link(job, &[])?;
    let pie = link(job, &["-pie"])?;
    take(&plain, "crt1.o", lib)?;
    take(&pie, "Scrt1.o", lib)?;
    take(&plain, "libc_nonshared.a", lib)?;
    for stub in plain.iter().filter(|input| file_name(input).contains(".so.")) {
        let name = file_name(stub);
        take(&plain, &name, lib)?;
        let stem = name.split(".so.").next().unwrap_or_default();
        if stem != "libc" && stem != "libld" {
            // Linker scripts where others have links, which not every file system and archive keeps.
            write(lib, &format!("{stem}.so"), &format!("GROUP ( {name} )\n"))?;
        }
    }
    write(lib, "libc.so", "GROUP ( libc.so.6 libc_nonshared.a AS_NEEDED ( libld.so.2 ) )\n")?;
    unwinder_from_elsewhere(lib)?;
    write(lib, "libgcc_s.so", "GROUP ( libgcc.a )\n")?;
    find(&plain, "libcompiler_rt.a")
}

fn musl(job: &Job<'_>, lib: &Path) -> Result<PathBuf> {
    // Only the position-independent libc: it serves plain static programs as well, and each costs 40 s to build.
    let pie = link(job, &["-static", "-pie"])?;
    take(&pie, "rcrt1.o", lib)?;
    let libc = lib.join("libc.a");
    copy(&find(&pie, "libc.a")?, &libc)?;
    // Zig writes a part of musl anew; whoever links -lc needs both parts.
    process::read(zig(job).args(["ar", "qcsL"]).arg(&libc).arg(find(&pie, "libzigc.a")?))?;
    for name in ["m", "pthread", "dl", "rt", "util", "resolv", "crypt", "xnet"] {
        write(lib, &format!("lib{name}.a"), EMPTY_ARCHIVE)?;
    }
    unwinder_from_elsewhere(lib)?;
    crt1_of_musl(job, lib)?;
    find(&pie, "libcompiler_rt.a")
}

/// A plain static link would make zig build the whole libc a second time for this one file.
fn crt1_of_musl(job: &Job<'_>, lib: &Path) -> Result<()> {
    let musl = zig_lib(job).join("libc/musl");
    let processor = job.recipe.processor();
    let mut command = zig(job);
    command.args([
        "cc",
        "-target",
        &job.recipe.zig_target,
        "-O2",
        "-fPIC",
        "-fno-stack-protector",
        "-fno-sanitize=all",
        "-c",
    ]);
    for folder in [&format!("arch/{processor}"), "arch/generic", "src/include", "src/internal"] {
        command.arg("-I").arg(musl.join(folder));
    }
    process::read(command.arg(musl.join("crt/crt1.c")).arg("-o").arg(lib.join("crt1.o")))?;
    copy(&lib.join("crt1.o"), &lib.join("Scrt1.o"))
}

/// clang asks for gcc's unwinder in every link; V8's own libunwind is the one that is meant.
fn unwinder_from_elsewhere(lib: &Path) -> Result<()> {
    write(lib, "libgcc_eh.a", EMPTY_ARCHIVE)
}

fn empty_objects(job: &Job<'_>, names: &[&str], lib: &Path) -> Result<()> {
    let source = job.scratch.join("empty.c");
    fs::write(&source, "").or_io("write", &source)?;
    let first = lib.join(names[0]);
    let mut command = zig(job);
    command
        .args(["cc", "-target", &job.recipe.zig_target, "-fno-sanitize=all", "-g0", "-c"])
        .arg(&source)
        .arg("-o")
        .arg(&first);
    process::read(&mut command)?;
    names[1..].iter().try_for_each(|name| copy(&first, &lib.join(name)))
}

/// Lets zig link an empty program, and gives the files it put into the link, in order.
fn link(job: &Job<'_>, flags: &[&str]) -> Result<Vec<PathBuf>> {
    fs::write(job.scratch.join("main.c"), "int main(void) { return 0; }\n").or_io("write", job.scratch)?;
    let mut command = zig(job);
    command
        .args(["cc", "-target", &job.recipe.zig_target, "main.c", "-o", "libv8-probe", "--verbose"])
        .args(flags);
    let out = process::output(&mut command)?;
    if !out.status.success() {
        return Err(process::failure(&command, out.status, &out.stderr, &out.stdout));
    }
    let inputs = inputs(&String::from_utf8_lossy(&out.stderr), job.scratch);
    if inputs.is_empty() {
        return Err(Error::failed(format!("{} printed no ld.lld line", process::display(&command))));
    }
    Ok(inputs)
}

/// The objects and libraries of the last link in what zig says; relative names belong to `base`, and hold no space because of it.
fn inputs(said: &str, base: &Path) -> Vec<PathBuf> {
    let line = said.lines().rfind(|line| line.starts_with("ld.lld ") && line.contains(" -o libv8-probe "));
    let is_file = |word: &&str| word.ends_with(".o") || word.ends_with(".a") || word.contains(".so");
    let words = line.unwrap_or_default().split_whitespace().filter(is_file);
    words.filter(|word| !word.starts_with("/lib")).map(|word| base.join(word)).collect()
}

/// Zig with its caches inside the scratch folder, which is also where it runs: what it prints is then relative, without the user's spaces.
pub fn zig(job: &Job<'_>) -> Command {
    let mut command = process::command(job.zig);
    command
        .current_dir(job.scratch)
        .env("ZIG_GLOBAL_CACHE_DIR", "global")
        .env("ZIG_LOCAL_CACHE_DIR", "local");
    command
}

fn zig_lib(job: &Job<'_>) -> PathBuf {
    job.zig.with_file_name("lib")
}

pub fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

pub fn find(inputs: &[PathBuf], name: &str) -> Result<PathBuf> {
    let found = inputs.iter().find(|input| file_name(input) == name).cloned();
    found.ok_or_else(|| Error::failed(format!("zig links no {name} into a program for this target")))
}

fn take(inputs: &[PathBuf], name: &str, lib: &Path) -> Result<()> {
    copy(&find(inputs, name)?, &lib.join(name))
}

pub fn write(folder: &Path, name: &str, text: &str) -> Result<()> {
    let path = folder.join(name);
    fs::write(&path, text).or_io("write", &path)
}

pub fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).map(drop).or_io("copy", from)
}

/// Copies a tree over another.
pub fn merge(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).or_io("create", to)?;
    for entry in fs::read_dir(from).or_io("read", from)? {
        let entry = entry.or_io("read", from)?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() { merge(&from, &to)? } else { copy(&from, &to)? }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_of_zigs_own_link() {
        // As printed by zig 0.17.0, shortened.
        let said = "zig clang …\n\
            ld.lld -r -o global/o/1/crt1.o global/o/2/start-2.33.o\n\
            ld.lld --entry _start -o libv8-probe global/o/1/crt1.o --dynamic-linker /lib64/ld-linux-x86-64.so.2 local/o/3/main.o \
            --as-needed -L/ global/o/4/libc.so.6 global/o/5/libc_nonshared.a\n";
        let expected =
            ["global/o/1/crt1.o", "local/o/3/main.o", "global/o/4/libc.so.6", "global/o/5/libc_nonshared.a"];
        assert_eq!(inputs(said, Path::new("/b")), expected.map(|name| Path::new("/b").join(name)));
        assert_eq!(inputs("warning: nothing linked\n", Path::new("/b")), [""; 0].map(PathBuf::from));
    }

    #[test]
    fn the_floor_is_read_from_zigs_target() {
        assert_eq!(glibc_minor("x86_64-linux-gnu.2.28").unwrap(), 28);
        assert!(glibc_minor("x86_64-linux-gnu").is_err());
    }

    #[test]
    fn later_headers_win() {
        let folder = crate::toolchain::testing::Folder::new();
        let at = |name: &str| folder.path().join(name);
        for (file, text) in [("a/sys/x.h", "a"), ("a/y.h", "a"), ("b/sys/x.h", "b")] {
            fs::create_dir_all(at(file).parent().unwrap()).unwrap();
            fs::write(at(file), text).unwrap();
        }
        merge(&at("a"), &at("to")).unwrap();
        merge(&at("b"), &at("to")).unwrap();
        assert_eq!(fs::read_to_string(at("to/sys/x.h")).unwrap(), "b");
        assert_eq!(fs::read_to_string(at("to/y.h")).unwrap(), "a");
    }
}
