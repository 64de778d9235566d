//! What is asked for a target, and what rustc and its linker are told.

use super::*;
use crate::matrix::Matrix;
use crate::paths;
use crate::toolchain::testing::Folder;

#[test]
fn only_a_machine_that_runs_the_pinned_rustc_asks_for_it() {
    let tools = Matrix::load(&paths::repository()).unwrap().tools;
    let pinned = tools.companions[COMPILER].processor.clone();
    for host in [Host::LinuxX64, Host::LinuxX64Musl, Host::LinuxArm64, Host::LinuxArm64Musl, Host::MacArm64] {
        let runs = host.linux_processor() == Some(pinned.as_str());
        for (processor, is_musl) in
            [("x86_64", false), ("x86_64", true), ("aarch64", false), ("aarch64", true)]
        {
            let wanted = wanted(&tools, host, processor, is_musl);
            let mut expected = Vec::new();
            if runs {
                expected.push(COMPILER.to_owned());
            }
            if runs && !is_musl && processor != pinned {
                expected.push(std_of(processor));
            }
            assert_eq!(wanted, expected, "{} for {processor}, musl: {is_musl}", host.name());
        }
    }
}

#[test]
fn a_rustc_has_a_target_if_the_library_is_in_its_folder() {
    let folder = Folder::new();
    let libdir = folder.path().join("lib dir");
    let script = format!("echo '{}'", libdir.display());
    let rustc = folder.program("rustc", &script).into_os_string();
    assert!(!has_std(&rustc, "t"), "there is no such folder");
    fs::create_dir(&libdir).unwrap();
    fs::write(libdir.join("libstdc.rlib"), "").unwrap();
    assert!(!has_std(&rustc, "t"));
    fs::write(libdir.join("libstd-0123.rlib"), "").unwrap();
    assert!(has_std(&rustc, "t"));
    assert!(!has_std(&folder.program("none", "exit 1").into_os_string(), "t"));
    assert!(!has_std(&folder.path().join("absent").into_os_string(), "t"));
}

/// Programs that write what they are told, and a job with a rustc of the user's own.
#[test]
fn the_linker_is_told_the_target_after_all_else_and_rustc_as_it_is() {
    let folder = Folder::new();
    let here = folder.path();
    let clang = folder.program("bin/clang", "echo \"clang $*\"");
    let runtime = here.join("runtime");
    let unwinder = runtime.join("usr/lib/some-linux-gnu/libgcc_s.so.1");
    fs::create_dir_all(unwinder.parent().unwrap()).unwrap();
    fs::write(&unwinder, "").unwrap();
    let own = folder.program("own rustc", "echo \"rustc $*\"").into_os_string();
    let job = Job {
        triple: "t-u-linux-gnu",
        clang_target: "t-linux-gnu",
        clang: &clang,
        sysroot: &here.join("sys root"),
        libc: Libc::Glibc,
        compiler: Compiler::Own(&own),
        runtime: Some(&runtime),
        zig_lib: here,
        cargo: OsString::from("cargo"),
        to: &here.join("made"),
    };
    let rust = make(&job).unwrap();
    let run =
        |program: &Path| process::read(process::command(program).args(["a.o", "--sysroot=/x"])).unwrap();
    assert_eq!(run(&rust.rustc), "rustc a.o --sysroot=/x\n");
    let linked = run(&rust.cc).replace(&here.display().to_string(), "<here>");
    assert_eq!(
        linked,
        "clang a.o --sysroot=/x --target=t-linux-gnu --sysroot=<here>/sys root -fuse-ld=lld \
         -Wno-unused-command-line-argument -Wl,--allow-shlib-undefined\n"
    );
    let script = fs::read_to_string(rust.libraries.join("libgcc_s.so")).unwrap();
    assert_eq!(script, format!("INPUT ( \"{}\" )\n", unwinder.display()));
    assert_eq!(make(&Job { runtime: None, ..job.clone() }).unwrap(), rust, "what is there is taken");
    let flags = rust.flags().join(" ").replace(&here.display().to_string(), "<here>");
    assert_eq!(flags, "-C linker=<here>/made/cc -L native=<here>/made/lib");
    let without = Job { runtime: None, to: &here.join("other"), ..job };
    assert_eq!(make(&without).unwrap_err().exit_code(), 1, "no unwinder");
    assert!(!here.join("other").exists(), "a half of it is left");
}

/// cargo, clang, llvm-ar and rustc do as little as they can; cargo writes down what it is told.
#[test]
fn the_standard_library_is_built_from_what_came_with_its_sources() {
    for has_copies in [true, false] {
        let folder = Folder::new();
        let here = folder.path();
        let clang = folder.program("bin/clang", "for last; do :; done; echo object > \"$last\"");
        folder.program("bin/llvm-ar", "exit 0");
        let pinned = folder.program("companion/run", "echo 'host: h-linux'");
        let library = here.join("companion/root").join("usr/lib/rustlib/src/rust/library/.cargo");
        fs::create_dir_all(&library).unwrap();
        if has_copies {
            fs::write(library.join("config.toml"), "").unwrap();
        }
        let cargo = "echo \"$*\" > \"${0%/*}/told\"; m=$CARGO_TARGET_DIR/t-linux-musl/release/deps; mkdir -p \"$m\"; \
                     touch \"$m/libstd-1.rlib\" \"$m/libempty-1.rlib\"";
        let job = Job {
            triple: "t-linux-musl",
            clang_target: "t-linux-musl",
            clang: &clang,
            sysroot: here,
            libc: Libc::Musl,
            compiler: Compiler::Pinned(&pinned, None),
            runtime: None,
            zig_lib: here,
            cargo: folder.program("cargo", cargo).into_os_string(),
            to: &here.join("made"),
        };
        make(&job).unwrap();
        let target = here.join("made/sysroot/lib/rustlib/t-linux-musl/lib");
        assert!(target.join("libstd-1.rlib").is_file() && !target.join("libempty-1.rlib").exists());
        let told = fs::read_to_string(here.join("told")).unwrap();
        let copies = "sysroot/lib/rustlib/src/rust/library/.cargo/config.toml\n";
        assert_eq!(told.contains(" --offline --config ") && told.ends_with(copies), has_copies, "{told}");
    }
}
