//! The libraries of a Windows sysroot, as zig makes them for its own links: MinGW's start files and its part of the C library, compiled, and
//! import libraries of Windows' own, from lists of their symbols.

use std::path::{Path, PathBuf};

use super::sysroot::{EMPTY_ARCHIVE, Job, copy, file_name, find, write, zig};
use crate::error::{Error, Result};
use crate::process;

/// What import libraries of the C library are called; Windows has it in a dozen of them.
const UCRT: &str = "api-ms-win-crt-";

/// Names that compilers ask for in each link, of parts that `libmingw32.a` has, or that Windows' C library needs no library for.
const EMPTY_LIBRARIES: [&str; 6] = ["mingwex", "moldname", "m", "pthread", "gcc_eh", "gcc_s"];

/// Fills `lib`; gives the compiler's runtime. About 30 s of CPU.
pub fn libraries(job: &Job<'_>, lib: &Path) -> Result<PathBuf> {
    let named: Vec<String> = job.recipe.libraries.iter().map(|name| format!("-l{name}")).collect();
    let program = link(job, &["libv8-probe.exe"], &named)?;
    let library = link(job, &["libv8-probe.dll", "-shared"], &[])?;
    copy(&find(&program, "crt2.obj")?, &lib.join("crt2.o"))?;
    copy(&find(&library, "dllcrt2.obj")?, &lib.join("dllcrt2.o"))?;
    let mingw = lib.join("libmingw32.a");
    copy(&find(&program, "libmingw32.lib")?, &mingw)?;
    // Zig writes a part of the C library anew; who links one part needs the other.
    add(job, &mingw, &[find(&program, "zigc.lib")?])?;
    let ucrt: Vec<PathBuf> =
        program.iter().filter(|input| file_name(input).starts_with(UCRT)).cloned().collect();
    if ucrt.is_empty() {
        return Err(Error::failed(format!("zig links no {UCRT}* into a program for this target")));
    }
    add(job, &lib.join("libucrt.a"), &ucrt)?;
    // Whoever asks for the older C library by its name gets this one: two of them in one process free each other's memory.
    copy(&lib.join("libucrt.a"), &lib.join("libmsvcrt.a"))?;
    for name in EMPTY_LIBRARIES {
        write(lib, &format!("lib{name}.a"), EMPTY_ARCHIVE)?;
    }
    for name in &job.recipe.libraries {
        copy(&find(&program, &format!("{name}.lib"))?, &lib.join(format!("lib{name}.a")))?;
    }
    find(&program, "compiler_rt.lib")
}

/// Puts the members of libraries into another, which need not be there.
fn add(job: &Job<'_>, to: &Path, from: &[PathBuf]) -> Result<()> {
    process::read(zig(job).args(["ar", "qcsL"]).arg(to).args(from)).map(drop)
}

/// Lets zig link an empty program or library, and gives the files that it put into the link.
fn link(job: &Job<'_>, out: &[&str], more: &[String]) -> Result<Vec<PathBuf>> {
    write(job.scratch, "main.c", "int main(void) { return 0; }\n")?;
    let mut command = zig(job);
    // Without optimisation zig adds a runtime of its own checks.
    command.args(["cc", "-target", &job.recipe.zig_target, "-O2", "-fno-sanitize=all", "main.c", "-o"]);
    command.args(out).args(more).arg("--verbose");
    let done = process::output(&mut command)?;
    if !done.status.success() {
        return Err(process::failure(&command, done.status, &done.stderr, &done.stdout));
    }
    let inputs = inputs(&String::from_utf8_lossy(&done.stderr), out[0], job.scratch);
    if inputs.is_empty() {
        return Err(Error::failed(format!("{} printed no lld-link line", process::display(&command))));
    }
    Ok(inputs)
}

/// The objects and libraries of the link of `out` in what zig says; relative names belong to `base`.
fn inputs(said: &str, out: &str, base: &Path) -> Vec<PathBuf> {
    let out = format!(" -OUT:{out} ");
    let line = said.lines().rfind(|line| line.starts_with("lld-link ") && line.contains(&out));
    let words = line.unwrap_or_default().split_whitespace().skip(1);
    let is_file = |word: &&str| !word.starts_with('-') && (word.ends_with(".obj") || word.ends_with(".lib"));
    words.filter(is_file).map(|word| base.join(word)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_of_zigs_own_link() {
        // As printed by zig 0.17.0, shortened.
        let said = "zig clang …\n\
            lld-link -lldmingw -MACHINE:X64 -OUT:libv8-probe.exe -IMPLIB:./main.lib local/o/5/main.obj \
            -ALTERNATENAME:__image_base__=__ImageBase global/o/1/crt2.obj global/o/2/libmingw32.lib\n\
            lld-link -DLL -OUT:libv8-probe.dll global/o/3/dllcrt2.obj\n";
        let paths = |names: &[&str]| names.iter().map(|name| Path::new("/b").join(name)).collect::<Vec<_>>();
        let of_program = ["local/o/5/main.obj", "global/o/1/crt2.obj", "global/o/2/libmingw32.lib"];
        assert_eq!(inputs(said, "libv8-probe.exe", Path::new("/b")), paths(&of_program));
        assert_eq!(inputs(said, "libv8-probe.dll", Path::new("/b")), paths(&["global/o/3/dllcrt2.obj"]));
        assert_eq!(inputs("warning: nothing linked\n", "x", Path::new("/b")), paths(&[]));
    }
}
