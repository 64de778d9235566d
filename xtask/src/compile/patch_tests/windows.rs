//! What V8 built with MinGW's headers would be without each of its patches.

use std::fs;

use super::{Tree, world};
use crate::compile::{compilations, library};
use crate::pch::Compilation;
use crate::process;

#[test]
fn p0030_windows_needs_no_visual_studio() {
    let Some(world) = world() else { return };
    let [with, without] = world.with_and_without(30, world.target("ucrt", "x86_64"));
    // GN reads files at once, so which of those that ask for Visual Studio fails first differs from run to run.
    let asks = |error: &str| {
        ["vs_toolchain.py", "visual_studio_version.gni", "win_toolchain_data.gni"]
            .iter()
            .any(|file| error.contains(file))
    };
    // All is read, up to the argument that the next patch brings.
    let error = with.configured().unwrap_err();
    assert!(error.contains("v8_emulator") && !asks(&error), "{error}");
    let error = without.configured().unwrap_err();
    assert!(asks(&error), "{error}");
}

#[test]
fn p0031_windows_has_the_steps_of_a_native_build() {
    let Some(world) = world() else { return };
    let native = compilations(&world.toolchain, &world.native.out, &["cxx", "cc", "asm"]).unwrap().len();
    let [with, without] = world.with_and_without(31, world.target("ucrt", "x86_64"));
    let cross = with.configured().unwrap();
    assert!(cross.len().abs_diff(native) * 20 < native, "{} compiles, {native} natively", cross.len());
    let is_foreign = |one: &&Compilation| !one.command.contains(&with.plan.row.clang_target);
    assert_eq!(cross.iter().find(is_foreign).map(|one| &one.command), None);
    let error = without.configured().unwrap_err();
    assert!(error.contains("v8_emulator"), "{error}");
}

#[test]
fn p0032_v8s_base_compiles_with_mingws_headers() {
    let Some(world) = world() else { return };
    let [with, without] = world.with_and_without(32, world.target("ucrt", "x86_64"));
    for (file, fault) in [
        ("platform/platform-win32.cc", "VersionHelpers.h"),
        ("platform/time.cc", "ClockNow"),
        ("platform/semaphore.cc", "bits.h"),
        ("division-by-constant.cc", "export-template.h"),
    ] {
        let file = format!("v8/src/base/{file}");
        assert_eq!(with.checked(&file), Ok(()));
        let error = without.checked(&file).unwrap_err();
        assert!(error.contains(fault), "{file}: {error}");
    }
}

#[test]
fn p0033_the_archive_has_no_unwinder_for_windows() {
    let Some(world) = world() else { return };
    // With it, what libc++abi asks is there; without, it is libunwind's alone.
    let asks = |tree: &Tree| {
        let undefined = tree.undefined("third_party/libc++abi/src/src/cxa_personality.cpp");
        undefined.into_iter().find(|name| name.ends_with("_specific_handler")).unwrap()
    };
    let [with, without] = world.with_and_without(33, world.target("ucrt", "x86_64"));
    assert_eq!(asks(&with), "_Unwind_specific_handler");
    let mut inputs = process::command(&world.toolchain.ninja);
    inputs.arg("-C").arg(&with.plan.out).args(["-t", "query", library(&with.plan)]);
    let inputs = process::read(&mut inputs).unwrap();
    assert!(inputs.contains("obj/libv8/windows/unwind/unwind.o"), "{inputs}");
    assert_eq!(asks(&without), "_GCC_specific_handler");
}

#[test]
fn p0034_registers_are_saved_for_mingw() {
    let Some(world) = world() else { return };
    let [with, without] = world.with_and_without(34, world.target("ucrt", "x86_64"));
    let file = "v8/src/heap/base/asm/x64/push_registers_asm.cc";
    assert_eq!(with.checked(file), Ok(()));
    let error = without.checked(file).unwrap_err();
    assert!(error.contains("masm based version"), "{error}");
}

/// That without it V8 does not start under wine 8.0 is what `mksnapshot` shows in every build for Windows.
#[test]
fn p0035_a_placeholder_is_asked_for_before_v8_relies_on_them() {
    let Some(world) = world() else { return };
    let [with, without] = world.with_and_without(35, world.target("ucrt", "x86_64"));
    let asks = |tree: &Tree| {
        let file = "v8/src/base/platform/platform-win32.cc";
        let assembly = tree.compiled(file, "-S -o -").unwrap();
        // The function, and what is written inside it.
        let mut own = assembly.split(".seh_endproc").filter(|function| {
            let start = function.lines().find(|line| line.starts_with(".seh_proc"));
            start.is_some_and(|line| line.contains("2OS22CanReserveAddressSpaceEv"))
        });
        own.any(|function| function.contains("VirtualFree"))
    };
    assert!(asks(&with) && !asks(&without));
}

/// It cannot be compiled without what torque writes. What `verify` says of an archive without the patch: that it exports.
#[test]
fn p0036_no_object_exports_for_the_program() {
    let Some(world) = world() else { return };
    let [with, without] = world.with_and_without(36, world.target("ucrt", "x86_64"));
    let exports = |tree: &Tree| {
        let source = tree.folder.path().join("tree/v8/src/diagnostics/unwinding-info-win64.cc");
        fs::read_to_string(source).unwrap().contains("__declspec(dllexport)")
    };
    assert!(!exports(&with) && exports(&without));
}
