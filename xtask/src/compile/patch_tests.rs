//! Patches left out: what a header of `patches/` says goes wrong without its patch does go wrong, and does not with it.
//!
//! Each test makes a tree of V8 with the series up to its patch, and one with the series up to the patch before. Such a
//! tree is links to the real one, with the touched files as the package has them and the patches put on by the code that
//! always does it. `cargo xtask test` says that V8 is built; without that nothing is tested here.

mod sdks;
mod windows;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::OnceLock;

use super::configure::{compilations, configure};
use crate::flags::What;
use crate::matrix::Target;
use crate::pch::{Compilation, without_wrapper};
use crate::plan::Plan;
use crate::source::patch::{self, Patch};
use crate::source::{self, Cargo, Kind, Origin};
use crate::toolchain::Toolchain;
use crate::workspace::Workspace;
use crate::{env, paths, process};

/// Patches that change what V8 does when it runs: the tests with V8, or `smoke`, run the JavaScript of their headers.
const ELSEWHERE: [(u32, &str, &str); 4] = [
    (3, "smoke/interface_test.c", "new Array(3e7).fill(0)"),
    (5, "smoke/capi.rs", "for (;;) keep.push(new Array(100)"),
    (9, "smoke/cxx.cc", "\"worker-stack\", WorkerStack"),
    (12, "smoke/interface_test.c", "lone surrogate out"),
];

/// Patches of Node's V8, which the tests do not build: what fails without them where an archive of it is built.
const OF_NODE: [(u32, &str); 6] = [
    (20, "mksnapshot of lite does not link: it has no compiler"),
    (21, "libc++ does not compile for musl"),
    (22, "the worker of smoke/cxx.cc, as of 9"),
    (23, "`verify`: nothing provides __clear_cache"),
    (24, "the row of smoke/interface_test.c, as of 3"),
    (25, "the loop of smoke/capi.rs, as of 5"),
];

/// A V8 that is built, and what its tree was before patches.
struct World {
    workspace: Workspace,
    toolchain: Toolchain,
    /// The build that is there: this machine's.
    native: Plan,
    patches: Vec<Patch>,
    /// Every file that a patch touches, as the package has it; empty where a patch makes the file.
    original: BTreeMap<String, Option<Vec<u8>>>,
}

/// Nothing if the tests are not to run.
fn world() -> Option<&'static World> {
    static WORLD: OnceLock<Option<World>> = OnceLock::new();
    WORLD
        .get_or_init(|| {
            let Some(variant) = env::test_build() else {
                eprintln!("NOT TESTED: LIBV8_TEST_BUILD is not set, as cargo xtask test does");
                return None;
            };
            let workspace = Workspace::open().unwrap();
            let what = What::of(Vec::new(), &variant);
            let mut plans = workspace.plans(&what).unwrap();
            let toolchain = workspace.toolchain(&what, &plans).unwrap();
            let native = plans.remove(0);
            let patches = Patch::read_all(&paths::repository().join("patches")).unwrap();
            let touched: Vec<&str> =
                patches.iter().flat_map(|patch| &patch.diffs).map(|diff| diff.path.as_str()).collect();
            let Origin::Crate { package, .. } = &native.source.origin else { panic!("the registry's tree") };
            let scratch = tempfile::tempdir().unwrap();
            let mut original: BTreeMap<_, _> =
                touched.iter().map(|path| ((*path).to_owned(), None)).collect();
            let package = Cargo::of_user().unwrap().package(package, scratch.path()).unwrap();
            package
                .visit(&mut |file| {
                    if let Some(bytes) = original.get_mut(file.path) {
                        *bytes = Some(file.bytes.to_vec());
                    }
                    Ok(())
                })
                .unwrap();
            Some(World { workspace, toolchain, native, patches, original })
        })
        .as_ref()
}

/// A tree with a part of a target's series.
struct Tree {
    folder: tempfile::TempDir,
    plan: Plan,
    toolchain: &'static Toolchain,
}

impl World {
    /// The target with musl for this processor.
    fn musl(&self, processor: &str) -> &str {
        self.target("musl", processor)
    }

    /// The target with this libc for this processor.
    fn target(&self, family: &str, processor: &str) -> &str {
        let targets = &self.workspace.matrix.targets;
        let is_it =
            |(name, row): &(&String, &Target)| row.libc.family == family && name.starts_with(processor);
        targets.iter().find(is_it).unwrap().0
    }

    /// The trees of a target with the patch of this number as the last, and without it.
    fn with_and_without(&'static self, number: u32, target: &str) -> [Tree; 2] {
        [number, number - 1].map(|last| self.tree(last, target))
    }

    fn tree(&'static self, last: u32, target: &str) -> Tree {
        let variant = env::test_build().unwrap();
        let mut plans = self.workspace.plans(&What::of(vec![target.to_owned()], &variant)).unwrap();
        let mut plan = plans.remove(0);
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("tree");
        self.link(&self.native.source.folder, &root, "");
        for patch in patch::series(&self.patches, Kind::Crate, plan.source.v8_version, target) {
            if number(patch) <= last {
                source::apply_patch(patch, &root).unwrap();
            }
        }
        plan.source.folder = root.clone();
        plan.out = root.join("out/tried");
        fs::create_dir_all(&plan.out).unwrap();
        Tree { folder, plan, toolchain: &self.toolchain }
    }

    /// Links to everything in `from`; what a patch touches is a copy of what the package has. `below` is the path in the tree.
    fn link(&self, from: &Path, to: &Path, below: &str) {
        fs::create_dir(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let path = format!("{below}{name}");
            let inside = format!("{path}/");
            if let Some(bytes) = self.original.get(&path) {
                if let Some(bytes) = bytes {
                    fs::write(to.join(&name), bytes).unwrap();
                }
            } else if self.original.keys().any(|touched| touched.starts_with(&inside)) {
                self.link(&from.join(&name), &to.join(&name), &inside);
            } else if path != "out" {
                symlink(from.join(&name), to.join(&name)).unwrap();
            }
        }
    }
}

fn number(patch: &Patch) -> u32 {
    patch.name[..4].parse().unwrap()
}

impl Tree {
    /// What GN makes of it, or what it says.
    fn configured(&self) -> Result<Vec<Compilation>, String> {
        configure(&self.plan, self.toolchain).map_err(|error| error.to_string())?;
        Ok(compilations(self.toolchain, &self.plan.out, &["cxx", "cc", "asm"]).unwrap())
    }

    /// Compiles one file as the finished build does, which is `world`'s; what the compiler says if it refuses.
    fn compiled_as_built(&self, world: &World, file: &str) -> Result<(), String> {
        let all = compilations(self.toolchain, &world.native.out, &["cxx"]).unwrap();
        symlink(world.native.out.join("gen"), self.plan.out.join("gen")).unwrap();
        self.run(&all, file, "-fsyntax-only").map(drop)
    }

    /// Compiles one file for another libc, with Zig's headers of it in place of a sysroot or an SDK, which only cross builds make, and with
    /// more arguments; what the compiler prints.
    fn compiled(&self, file: &str, more: &str) -> Result<String, String> {
        let all = self.configured()?;
        let mut settings = process::command(&self.toolchain.ninja);
        settings.arg("-C").arg(&self.plan.out).arg("gen/v8/include/v8-gn.h");
        process::read(settings.env("PATH", self.toolchain.path().unwrap())).unwrap();
        let sysroot = if self.plan.row.libc.family == "libSystem" {
            "-isysroot /nowhere"
        } else {
            "--sysroot=/nowhere"
        };
        self.run(&all, file, &format!("{sysroot} {} {more}", self.zig_headers()))
    }

    /// Whether a file compiles so; what the compiler says if it does not.
    fn checked(&self, file: &str) -> Result<(), String> {
        self.compiled(file, "-fsyntax-only").map(drop)
    }

    /// The symbols that a file, compiled so, leaves to others.
    fn undefined(&self, file: &str) -> Vec<String> {
        let object = self.folder.path().join("object.o");
        self.compiled(file, &format!("-o '{}'", object.display())).unwrap();
        let bytes = fs::read(object).unwrap();
        let parsed = object::File::parse(bytes.as_slice()).unwrap();
        use object::{Object as _, ObjectSymbol as _};
        let undefined = parsed.symbols().filter(|symbol| symbol.is_undefined());
        undefined.map(|symbol| symbol.name().unwrap().to_owned()).collect()
    }

    fn zig_headers(&self) -> String {
        let processor = self.plan.target.split('-').next().unwrap();
        let lib = self.toolchain.zig.with_file_name("lib").join("libc/include");
        let folders = match self.plan.row.libc.family.as_str() {
            "ucrt" => vec!["any-windows-any".to_owned()],
            "libSystem" => vec!["any-darwin-any".to_owned()],
            _ => vec![format!("{processor}-linux-musl"), "generic-musl".to_owned()],
        };
        let folders = folders.into_iter();
        folders.map(|name| format!("-idirafter '{}'", lib.join(name).display())).collect::<Vec<_>>().join(" ")
    }

    /// A compile of `all` with more arguments, in this tree.
    fn run(&self, all: &[Compilation], file: &str, more: &str) -> Result<String, String> {
        let wanted = format!("../../{file}");
        let compile =
            all.iter().find(|one| one.file == wanted).unwrap_or_else(|| panic!("nothing compiles {file}"));
        // No object and no list of headers where the build has them.
        let (mut kept, mut words) = (Vec::new(), without_wrapper(&compile.command).split(' '));
        while let Some(word) = words.next() {
            match word {
                "-MF" | "-o" => drop(words.next()),
                "-MD" | "-MMD" => {}
                _ => kept.push(word),
            }
        }
        let script = format!("{} {more}", kept.join(" "));
        process::read(process::command("sh").args(["-c", &script]).current_dir(&self.plan.out))
            .map_err(|error| error.to_string())
    }
}

#[test]
fn every_patch_has_a_test() {
    let own = concat!(
        include_str!("patch_tests.rs"),
        include_str!("patch_tests/sdks.rs"),
        include_str!("patch_tests/windows.rs")
    );
    let patches = Patch::read_all(&paths::repository().join("patches")).unwrap();
    let written = |patch: &Patch| -> Vec<String> {
        let hunks = patch.diffs.iter().flat_map(|diff| &diff.hunks);
        hunks.flat_map(|hunk| hunk.new.iter().filter(|line| !hunk.old.contains(line)).cloned()).collect()
    };
    for patch in &patches {
        let number = number(patch);
        if OF_NODE.iter().any(|(of, _)| *of == number) {
            assert!(patch.why.starts_with("as 00") || patch.name.contains("-node-"), "{}", patch.name);
            continue;
        }
        if (101..200).contains(&number) {
            // For another V8: what is tested is the patch for the pinned one, so it must do the same.
            let first = patches.iter().find(|first| self::number(first) == number - 100);
            let first = first.unwrap_or_else(|| panic!("{} is like no patch", patch.name));
            assert_eq!((&patch.why, written(patch)), (&first.why, written(first)), "{}", patch.name);
            continue;
        }
        let here = own.contains(&format!("fn p{number:04}_"));
        let elsewhere = ELSEWHERE.iter().find(|(of, ..)| *of == number);
        assert!(here != elsewhere.is_some(), "{} has no test, or two", patch.name);
        if let Some((_, file, text)) = elsewhere {
            let path = paths::repository().join(file);
            assert!(fs::read_to_string(path).unwrap().contains(text), "{}: {file} has no {text}", patch.name);
        }
    }
}

#[test]
fn p0001_a_class_that_its_header_did_not_declare() {
    let Some(world) = world() else { return };
    let file = "v8/src/heap/cppgc-internal/gc-info.cc";
    let [with, without] = world.with_and_without(1, &world.native.target);
    assert_eq!(with.compiled_as_built(world, file), Ok(()));
    let error = without.compiled_as_built(world, file).unwrap_err();
    assert!(error.contains("EnsureGCInfoIndexTrait"), "{error}");
}

#[test]
fn p0002_the_unwinder_is_not_in_the_library() {
    let Some(world) = world() else { return };
    let [with, without] = world.with_and_without(2, &world.native.target);
    with.configured().unwrap();
    let mut inputs = process::command(&world.toolchain.ninja);
    inputs.arg("-C").arg(&with.plan.out).args(["-t", "query", super::library(&with.plan)]);
    let inputs = process::read(&mut inputs).unwrap();
    assert!(inputs.contains("/libc++abi/") && !inputs.contains("/libunwind/"), "{inputs}");
    let error = without.configured().unwrap_err();
    assert!(error.contains("//libv8:v8_complete") && error.contains("common_deps"), "{error}");
}

#[test]
fn p0004_no_header_of_a_sanitizer_is_wanted() {
    let Some(world) = world() else { return };
    let file = "v8/src/sandbox/testing.cc";
    let [with, without] = world.with_and_without(4, &world.native.target);
    assert_eq!(with.compiled_as_built(world, file), Ok(()));
    let error = without.compiled_as_built(world, file).unwrap_err();
    assert!(error.contains("sanitizer/"), "{error}");
}

#[test]
fn p0006_clang_is_told_of_musl() {
    let Some(world) = world() else { return };
    let targets = |tree: &Tree| {
        let all = tree.configured().unwrap();
        let of = |one: &Compilation| {
            one.command.split(' ').find_map(|word| word.strip_prefix("--target=")).unwrap().to_owned()
        };
        all.iter().map(of).collect::<std::collections::BTreeSet<_>>()
    };
    let [with, without] = world.with_and_without(6, world.musl("x86_64"));
    let musl = world.musl("x86_64");
    assert_eq!(targets(&with), [musl.to_owned()].into());
    assert_eq!(targets(&without), [musl.replace("musl", "gnu")].into());
}

#[test]
fn p0007_locales_compile_for_musl() {
    let Some(world) = world() else { return };
    let tried = |tree: &Tree| {
        let script = format!(
            "echo '#include <locale>' | '{}' --target={} -x c++ -std=c++23 -fsyntax-only -nostdinc++ --sysroot=/nowhere -D_LIBCPP_HARDENING_MODE=_LIBCPP_HARDENING_MODE_NONE \
             -isystem ../../buildtools/third_party/libc++ -isystem ../../third_party/libc++/src/include {} -",
            tree.toolchain.clangxx().display(),
            tree.plan.row.clang_target,
            tree.zig_headers()
        );
        process::read(process::command("sh").args(["-c", &script]).current_dir(&tree.plan.out))
            .map_err(|error| error.to_string())
    };
    let [with, without] = world.with_and_without(7, world.musl("x86_64"));
    tried(&with).unwrap();
    let error = tried(&without).unwrap_err();
    assert!(error.contains("__locale"), "{error}");
}

#[test]
fn p0008_a_cross_build_has_the_steps_of_a_native_one() {
    let Some(world) = world() else { return };
    let steps = |tree: &Tree| tree.configured().map(|all| all.len());
    let [with, without] = world.with_and_without(8, world.musl("aarch64"));
    let native = compilations(&world.toolchain, &world.native.out, &["cxx", "cc", "asm"]).unwrap().len();
    let cross = steps(&with).unwrap();
    assert!(cross.abs_diff(native) * 20 < native, "{cross} compiles, {native} natively");
    let error = steps(&without).unwrap_err();
    assert!(error.contains("v8_emulator"), "{error}");
}

#[test]
fn p0010_the_limit_of_the_main_stack_is_asked() {
    let Some(world) = world() else { return };
    let [with, without] = world.with_and_without(10, world.musl("x86_64"));
    let asks = |tree: &Tree| {
        tree.undefined("v8/src/base/platform/platform-posix.cc").contains(&"getrlimit".to_owned())
    };
    assert_eq!((asks(&with), asks(&without)), (true, false));
}

#[test]
fn p0011_no_function_of_a_runtime_library_is_wanted() {
    let Some(world) = world() else { return };
    let [with, without] = world.with_and_without(11, world.musl("aarch64"));
    let wants = |tree: &Tree| {
        let undefined = tree.undefined("v8/src/codegen/arm64/cpu-arm64.cc");
        undefined.contains(&"__clear_cache".to_owned())
    };
    assert_eq!((wants(&with), wants(&without)), (false, true));
}
