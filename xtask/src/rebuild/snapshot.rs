//! V8's snapshot and built-in functions, made again by a finished build's own mksnapshot under other conditions: seconds
//! where a whole rebuild takes hours, for the one step of a build whose program is as large as V8.

use std::fs;
use std::path::{Path, PathBuf};

use v8_archive::Sha256;

use super::conditions::CONDITIONS;
use crate::error::{Error, IoContext as _, Kind, Result};
use crate::paths::remove_folder;
use crate::process;
use crate::toolchain::Toolchain;

/// Options of mksnapshot that name a file it writes, relative to ninja's folder.
const OUTPUTS: &[&str] = &["--embedded_src", "--startup_src"];

/// Makes them once for each condition that is possible here, in folders below `scratch`, and compares them with the build's.
/// Gives the conditions that were tried, and those that are not possible.
///
/// # Errors
/// Every file that differs, with its condition; a build that has not finished, or whose mksnapshot runs in an emulator.
pub fn compare(
    out: &Path,
    toolchain: &Toolchain,
    scratch: &Path,
) -> Result<(Vec<&'static str>, Vec<&'static str>)> {
    let mut ninja = process::command(&toolchain.ninja);
    ninja.arg("-C").arg(out).args(["-t", "commands", "-s", "gen/v8/snapshot.cc"]);
    let arguments = arguments(&process::read(&mut ninja)?)?;
    let outputs = outputs(&arguments);
    let (mut tried, mut left_out, mut faults) = (Vec::new(), Vec::new(), Vec::new());
    for (number, condition) in CONDITIONS.iter().enumerate() {
        if !condition.is_possible() {
            left_out.push(condition.name);
            continue;
        }
        // Each in a folder with a name of another length.
        let folder = scratch.join(format!("snapshot-{}", "x".repeat(20 * number)));
        remove_folder(&folder)?;
        for output in &outputs {
            let parent = folder.join(output.parent().unwrap_or(Path::new(".")));
            fs::create_dir_all(&parent).or_io("create", &parent)?;
        }
        let mut command = condition.command(&out.join("mksnapshot"), &arguments);
        process::read(command.current_dir(&folder))?;
        for output in &outputs {
            let digest = |path: PathBuf| {
                Sha256::of_file(&path)
                    .map_err(|error| Error::failed(error.to_string()))
                    .map(|sized| sized.sha256)
            };
            let (expected, found) = (digest(out.join(output))?, digest(folder.join(output))?);
            if found != expected {
                faults.push(format!(
                    "{}: {} has sha256 {found}, expected {expected}",
                    condition.name,
                    output.display()
                ));
            }
        }
        tried.push(condition.name);
        remove_folder(&folder)?;
    }
    if faults.is_empty() {
        Ok((tried, left_out))
    } else {
        Err(Error::all(Kind::Failed, "mksnapshot does not write the same bytes again", &faults))
    }
}

/// mksnapshot's own arguments out of `python ../../v8/tools/run.py ./mksnapshot …`, as ninja says it.
fn arguments(commands: &str) -> Result<Vec<String>> {
    let found = commands.lines().rev().find_map(|line| line.split_once(" ./mksnapshot "));
    let (before, after) =
        found.ok_or_else(|| Error::failed("ninja knows no command that runs mksnapshot"))?;
    if !before.ends_with("run.py") {
        return Err(Error::failed(format!("mksnapshot is started by another program: {before}")));
    }
    Ok(after.split_whitespace().map(str::to_owned).collect())
}

fn outputs(arguments: &[String]) -> Vec<PathBuf> {
    let pairs = arguments.iter().zip(arguments.iter().skip(1));
    pairs.filter(|(option, _)| OUTPUTS.contains(&option.as_str())).map(|(_, path)| path.into()).collect()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::toolchain::testing::Folder;

    /// A finished build whose mksnapshot is this script, and ninja, which says how it is run.
    fn judged(mksnapshot: &str) -> Result<(Vec<&'static str>, Vec<&'static str>)> {
        let folder = Folder::new();
        let line = "python ../../v8/tools/run.py ./mksnapshot --embedded_src gen/v8/embedded.S --startup_src gen/v8/snapshot.cc";
        let toolchain = Toolchain {
            llvm: folder.path().join("llvm"),
            gn: folder.path().join("gn"),
            ninja: folder.program("ninja", &format!("echo '{line}'")),
            sccache: folder.path().join("sccache"),
            zig: folder.path().join("zig"),
            companions: Default::default(),
            clang_major: 22,
            entries: Vec::new(),
        };
        let out = folder.path().join("out");
        folder.program("out/mksnapshot", mksnapshot);
        fs::create_dir_all(out.join("gen/v8")).unwrap();
        fs::write(out.join("gen/v8/embedded.S"), "code\n").unwrap();
        fs::write(out.join("gen/v8/snapshot.cc"), "data\n").unwrap();
        compare(&out, &toolchain, folder.path())
    }

    #[test]
    fn a_snapshot_that_is_always_the_same_passes() {
        let (tried, left_out) = judged("echo code > \"$2\"; echo data > \"$4\"").unwrap();
        assert_eq!(tried.len() + left_out.len(), CONDITIONS.len());
        assert!(tried.len() >= CONDITIONS.len() - 2, "{left_out:?}");
    }

    #[test]
    fn what_reaches_a_snapshot_is_named() {
        let check = |reaches: &str, condition: &str| {
            let script =
                format!("echo code > \"$2\"; echo data > \"$4\"; {reaches} && echo x >> \"$4\"; true");
            let error = judged(&script).unwrap_err().to_string();
            assert!(error.contains(&format!("{condition}: gen/v8/snapshot.cc has sha256 ")), "{error}");
            assert_eq!(error.matches("has sha256").count(), 1, "{error}");
        };
        check("[ \"$TZ\" = Asia/Kathmandu ]", "in another time zone and locale");
        check("[ \"$(umask)\" = 0027 ]", "with umask 027");
        check("[ \"$(nproc)\" = 1 ]", "on one processor");
        check("[ -n \"$LIBV8_PADDING\" ]", "with a larger environment");
    }

    #[test]
    fn a_program_in_an_emulator_is_refused() {
        let error =
            arguments("python ../../v8/tools/run.py qemu ./mksnapshot --x\n").unwrap_err().to_string();
        assert!(error.contains("started by another program"), "{error}");
        assert!(arguments("cc -c x.c\n").is_err());
    }
}
