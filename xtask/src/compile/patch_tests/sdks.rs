//! The patches for macOS, with the headers that Zig has of it, and for Microsoft's ABI, with an SDK that has folders only.

use super::{Tree, World, world};
use crate::process;
use crate::toolchain::sdk::Folders;

/// The trees of a target of macOS with the patch of this number as the last, and without it.
fn trees(world: &'static World, number: u32) -> [Tree; 2] {
    world.with_and_without(number, world.target("libSystem", "aarch64"))
}

#[test]
fn p0040_an_sdk_needs_no_xcode() {
    let Some(world) = world() else { return };
    let [with, without] = trees(world, 40);
    with.configured().unwrap();
    let error = without.configured().unwrap_err();
    assert!(error.contains("build/config/mac/mac_sdk.gni"), "{error}");
}

#[test]
fn p0041_v8s_base_compiles_with_apples_published_headers() {
    let Some(world) = world() else { return };
    let [with, without] = trees(world, 41);
    for (file, header) in [
        ("v8/src/base/platform/platform-darwin.cc", "mach/mach_vm.h"),
        ("v8/src/base/platform/platform-posix.cc", "sys/syscall.h"),
        ("v8/src/libsampler/sampler.cc", "sys/syscall.h"),
    ] {
        with.checked(file).unwrap();
        let error = without.checked(file).unwrap_err();
        assert!(error.contains(header), "{file}: {error}");
    }
}

/// ICU is not in every variant, so that it is compiled by hand.
#[test]
fn p0042_icu_compiles_with_apples_published_headers() {
    let Some(world) = world() else { return };
    let tried = |tree: &Tree| {
        let script = format!(
            "'{}' --target={} -fsyntax-only -std=c++20 -nostdinc++ -isysroot /nowhere -DU_COMMON_IMPLEMENTATION \
             -D_LIBCPP_HARDENING_MODE=_LIBCPP_HARDENING_MODE_NONE -I../../third_party/icu/source/common \
             -isystem ../../buildtools/third_party/libc++ -isystem ../../third_party/libc++/src/include {} \
             ../../third_party/icu/source/common/putil.cpp",
            tree.toolchain.clangxx().display(),
            tree.plan.row.clang_target,
            tree.zig_headers()
        );
        process::read(process::command("sh").args(["-c", &script]).current_dir(&tree.plan.out))
            .map_err(|error| error.to_string())
    };
    let [with, without] = trees(world, 42);
    tried(&with).unwrap();
    let error = tried(&without).unwrap_err();
    assert!(error.contains("tzfile.h"), "{error}");
}

#[test]
fn p0043_no_framework_is_wanted() {
    let Some(world) = world() else { return };
    let file = "third_party/abseil-cpp/absl/time/internal/cctz/src/time_zone_lookup.cc";
    let [with, without] = trees(world, 43);
    with.checked(file).unwrap();
    let error = without.checked(file).unwrap_err();
    assert!(error.contains("CoreFoundation/CFTimeZone.h"), "{error}");
}

#[test]
fn p0044_a_library_wants_no_runtime_of_the_compiler() {
    let Some(world) = world() else { return };
    let inputs = |tree: &Tree| {
        tree.configured().unwrap();
        let mut query = process::command(&tree.toolchain.ninja);
        query.arg("-C").arg(&tree.plan.out).args(["-t", "query", crate::compile::library(&tree.plan)]);
        process::read(&mut query).unwrap()
    };
    let [with, without] = trees(world, 44).map(|tree| inputs(&tree));
    assert!(!with.contains("libclang_rt") && without.contains("libclang_rt.osx.a"), "{with}");
}

#[test]
fn p0045_an_sdk_needs_no_visual_studio() {
    let Some(world) = world() else { return };
    let sdk = tempfile::tempdir().unwrap();
    for folder in ["include/ucrt", "include/um", "include/shared", "lib/ucrt/aarch64", "lib/um/aarch64"] {
        std::fs::create_dir_all(sdk.path().join("sdk").join(folder)).unwrap();
    }
    for folder in ["include", "lib/aarch64"] {
        std::fs::create_dir_all(sdk.path().join("crt").join(folder)).unwrap();
    }
    for version in ["sdk/include/shared/sdkddkver.h", "crt/include/crtversion.h"] {
        std::fs::write(sdk.path().join(version), "").unwrap();
    }
    let folders = Folders { windows: Some(sdk.path().to_owned()), apple: None };
    let [with, without] =
        [45, 39].map(|last| world.tree(last, world.target("msvc", "aarch64"))).map(|mut tree| {
            tree.plan.sdk = folders.sdk_for("msvc", "aarch64").unwrap();
            tree
        });
    let compilations = with.configured().unwrap();
    // mksnapshot makes code for the target's processor.
    let programs = with.plan.out.join("clang_x64_v8_arm64/toolchain.ninja");
    assert!(programs.is_file() || std::env::consts::ARCH != "x86_64");
    let libv8 = compilations.iter().find(|one| one.file.ends_with("libv8/libv8.cc")).unwrap();
    assert!(
        libv8.command.contains("clang-cl") && libv8.command.contains("third_party/libv8-sdk-"),
        "{libv8:?}"
    );
    // Packing finds the library and its objects by these names.
    let mut inputs = process::command(&with.toolchain.ninja);
    inputs.arg("-C").arg(&with.plan.out).args(["-t", "inputs", crate::compile::library(&with.plan)]);
    let inputs = process::read(&mut inputs).unwrap();
    let object = format!("obj/libv8/interface/libv8{}", crate::compile::object_ending(&with.plan));
    assert!(inputs.lines().any(|line| line == object), "{object}: {inputs}");
    let error = without.configured().unwrap_err();
    assert!(error.contains("vs_toolchain") || error.contains("WINDOWSSDKDIR"), "{error}");
}
