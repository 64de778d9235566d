//! Wine, which runs the programs of a Windows target: Debian's packages in a private root, with a Windows folder of its own.
//!
//! Nothing of the user's is read or written: not `~/.wine`, not a display, not the home folder. What wine calls its prefix is made once, when
//! it is unpacked, and lies beside it.

use std::fs;
use std::path::Path;

use super::apt;
use super::emulator::Job;
use super::pins::{DebianPin, Host, Tools, debian_architecture};
use super::programs::Programs;
use crate::error::{Error, IoContext as _, Result};
use crate::paths::remove_folder;
use crate::process;

/// Where the packages are unpacked.
const ROOT: &str = "root";

/// A script inside the folder, which is what the overlay's starts.
const START: &str = "start";

/// Wine and what it loads, on the machines that it is pinned for: their processor's Windows programs are what it runs.
pub fn pins(tools: &Tools, host: Host) -> Option<&[DebianPin]> {
    let wine = tools.wine.as_ref()?;
    (host.linux_processor() == Some(wine.processor.as_str())).then_some(wine.packages.as_slice())
}

/// Fetches and unpacks into `to`, and makes the prefix: about 50 s.
pub fn make(job: &Job<'_>, programs: &Programs, to: &Path) -> Result<()> {
    let none = || Error::failed(format!("no wine is pinned for {}", job.host.name()));
    let wine = job.tools.wine.as_ref().ok_or_else(none)?;
    let root = to.join(ROOT);
    let unpack = apt::Job {
        suites: &wine.suites,
        keyring: &wine.keyring,
        packages: pins(job.tools, job.host).ok_or_else(none)?,
        architecture: debian_architecture(&wine.processor).ok_or_else(none)?,
        mirror: job.mirror,
        downloads: job.downloads,
        scratch: job.scratch,
        help: "raise its pin in [tools.wine] of targets.toml to what Debian offers",
        exact: false,
    };
    apt::unpack(&unpack, programs, &root)?;
    let lib = root.join("usr/lib");
    let own = lib.join(format!("{}-linux-gnu", wine.processor));
    let windows = own.join("wine").join(format!("{}-windows", wine.processor));
    // A script in its place looks for the server where the package would be installed.
    let server = lib.join("wine/wineserver");
    fs::rename(lib.join("wine/wineserver64"), &server).or_io("replace", &server)?;
    let start = to.join(START);
    fs::write(&start, start_script(&wine.program, &wine.processor)).or_io("write", &start)?;
    super::make_executable(&start)?;
    let prefix = to.join("prefix");
    let system = prefix.join("drive_c/windows/system32");
    for folder in [&system, &to.join("home")] {
        fs::create_dir_all(folder).or_io("create", folder)?;
    }
    // Windows' own libraries are made with this one, which is no part of Windows, and which wine therefore looks for in the prefix alone.
    let zlib = root.join(format!("usr/{}-w64-mingw32/lib/zlib1.dll", wine.processor));
    fs::copy(&zlib, system.join("zlib1.dll")).or_io("copy", &zlib)?;
    process::read(process::command(&start).arg(windows.join("wineboot.exe")).arg("--init"))?;
    // It writes the registry when it ends, which is some seconds after its last program.
    process::read(process::command(&start).args(["wineserver", "--wait"]))?;
    // Half of it all is for programs of 32 bits, and asked for by nothing but what makes the prefix.
    remove_folder(&own.join("wine/i386-windows"))?;
    remove_folder(&prefix.join("drive_c/windows/syswow64"))?;
    share(&windows, &system)?;
    if prefix.join("system.reg").is_file() {
        return Ok(());
    }
    Err(Error::failed(format!("wine left no registry in {}", prefix.display())))
}

/// The prefix has a copy of each library, 600 MB of them: the same files under two names are enough.
fn share(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from).or_io("read", from)?.flatten() {
        let (library, copy) = (entry.path(), to.join(entry.file_name()));
        let size = |path: &Path| fs::metadata(path).map(|data| data.len()).ok();
        if size(&copy).is_some() && size(&copy) == size(&library) {
            fs::remove_file(&copy).or_io("remove", &copy)?;
            fs::hard_link(&library, &copy).or_io("link", &copy)?;
        }
    }
    Ok(())
}

/// The overlay's script, which names the folder.
pub fn launcher_script(folder: &Path) -> String {
    format!("#!/bin/sh\nexec \"${{0%/*}}/../{}/{START}\" \"$@\"\n", folder.display())
}

/// Starts wine with the prefix, as absolute as it wants it. V8's build files start programs without `.exe`, as Windows lets them. Its messages are for those who debug wine; the libraries left out want a
/// display, or to be downloaded.
fn start_script(program: &str, processor: &str) -> String {
    format!(
        "#!/bin/sh\n\
         d=$(cd \"${{0%/*}}\" && pwd -P) || exit 1\n\
         export WINEPREFIX=\"$d/prefix\" HOME=\"$d/home\" WINEDEBUG=\"${{WINEDEBUG--all}}\"\n\
         export WINEDLLOVERRIDES='mscoree,mshtml,winemenubuilder.exe=;winex11.drv='\n\
         export LD_LIBRARY_PATH=\"$d/{ROOT}/usr/lib/{processor}-linux-gnu\"\n\
         unset DISPLAY WAYLAND_DISPLAY WINEARCH WINESERVER WINELOADER WINEDLLPATH\n\
         case $1 in\n\
         --version) v=$(\"$d/{ROOT}/{program}\" --version) && exec echo \"wine version ${{v#wine-}}\" ;;\n\
         wineserver) shift && exec \"$d/{ROOT}/usr/lib/wine/wineserver\" \"$@\" ;;\n\
         esac\n\
         p=$1\n\
         shift\n\
         [ -f \"$p\" ] || [ ! -f \"$p.exe\" ] || p=$p.exe\n\
         exec \"$d/{ROOT}/{program}\" \"$p\" \"$@\"\n"
    )
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::toolchain::testing::Folder;

    #[test]
    fn programs_see_nothing_of_the_user_and_may_lack_their_ending() {
        let folder = Folder::new();
        folder.program(
            &format!("x/{ROOT}/bin/wine64"),
            "echo \"$WINEPREFIX|$HOME|$DISPLAY|$WINEDEBUG\"; for a; do echo \"$a\"; done",
        );
        fs::write(folder.path().join("x/start"), start_script("bin/wine64", "x86_64")).unwrap();
        fs::create_dir(folder.path().join("bin")).unwrap();
        fs::write(folder.path().join("bin/wine"), launcher_script(Path::new("x"))).unwrap();
        fs::write(folder.path().join("torque.exe"), "").unwrap();
        for name in ["x/start", "bin/wine"] {
            super::super::make_executable(&folder.path().join(name)).unwrap();
        }
        let mut command = process::command(folder.path().join("bin/wine"));
        command.current_dir(folder.path()).args(["./torque", "a b"]).env_remove("WINEDEBUG");
        let said = process::read(command.env("DISPLAY", ":0").env("WINEPREFIX", "/nowhere")).unwrap();
        let own = folder.path().canonicalize().unwrap().join("x");
        let own = own.display();
        assert_eq!(said, format!("{own}/prefix|{own}/home||-all\n./torque.exe\na b\n"));
    }

    #[test]
    fn a_library_that_is_there_twice_is_one_file() {
        use std::os::unix::fs::MetadataExt as _;
        let folder = Folder::new();
        let at = |name: &str| folder.path().join(name);
        for (file, text) in [("a/x.dll", "12"), ("b/x.dll", "12"), ("a/y.dll", "1"), ("b/y.dll", "other")] {
            fs::create_dir_all(at(file).parent().unwrap()).unwrap();
            fs::write(at(file), text).unwrap();
        }
        share(&at("a"), &at("b")).unwrap();
        let links = |name: &str| fs::metadata(at(name)).unwrap().nlink();
        assert_eq!((links("b/x.dll"), links("b/y.dll")), (2, 1));
        assert_eq!(fs::read_to_string(at("b/y.dll")).unwrap(), "other");
    }
}
