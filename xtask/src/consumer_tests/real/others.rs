//! Python by ctypes, and Conan.

use super::*;

#[test]
fn python_calls_a_shared_library_of_the_users_by_ctypes() {
    let Some(user) = User::new() else { return };
    let library = user.path("libevaluate.so");
    let mut command = process::command("cc");
    command.args(["-fPIC", "-shared", "-fvisibility=hidden", "-Wl,--exclude-libs,ALL", "-Wl,-z,defs"]);
    command.args(crate::consumer::c_flags(&user.archive)).arg(example("python/evaluate.c"));
    command.args(crate::consumer::libraries(&user.descriptor, &user.archive));
    good(command.arg("-o").arg(&library));
    let mut python = process::command("python3");
    assert_eq!(good(python.arg(example("python/evaluate.py")).arg(&library).arg(SOURCE)), VALUE);
}

#[test]
fn conan_packs_the_archive_and_cmake_finds_it() {
    let Some(user) = User::new() else { return };
    let conan = |words: &[&str]| {
        let mut command = process::command("python3");
        command.args(["-c", "from conans.conan import run; run()"]).args(words);
        command.env("PYTHONPATH", &user.tools.python).env("CONAN_HOME", user.path("conan home"));
        // Nothing is asked of a server.
        command.env("CONAN_NON_INTERACTIVE", "1").current_dir(user.folder.path());
        command
    };
    good(&mut conan(&["profile", "detect"]));
    good(&mut conan(&["remote", "remove", "*"]));
    let archive = user.archive.display().to_string();
    let windows = bad(&mut conan(&["export-pkg", &archive, "-s", "os=Windows"]));
    assert!(windows.contains(&format!("this archive is for {}", user.descriptor.target)), "{windows}");
    good(&mut conan(&["export-pkg", &archive]));

    let project = user.path("project");
    copy(&example("cmake"), &project.join("cmake"));
    copy(&example("pkg-config"), &project.join("pkg-config"));
    let requires =
        format!("[requires]\nv8/{}\n[generators]\nCMakeToolchain\nCMakeDeps\n", user.descriptor.v8_version);
    fs::write(project.join("conanfile.txt"), requires).unwrap();
    let (source, generated) = (project.display().to_string(), user.path("generated").display().to_string());
    good(&mut conan(&["install", &source, "--output-folder", &generated]));
    let build = user.path("conan build");
    let mut cmake = process::command(&user.tools.cmake);
    cmake.arg("-S").arg(project.join("cmake")).arg("-B").arg(&build).args(["-G", "Ninja"]);
    cmake.arg(format!("-DCMAKE_MAKE_PROGRAM={}", user.tools.ninja.display()));
    cmake.arg(format!("-DCMAKE_TOOLCHAIN_FILE={generated}/conan_toolchain.cmake"));
    cmake.arg(format!("-DCMAKE_CXX_COMPILER={}", user.clangxx.display()));
    cmake.arg(format!("-DCMAKE_CXX_COMPILER_TARGET={}", user.clang_target));
    cmake.args(["-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_CXX_FLAGS_INIT="]);
    good(&mut cmake);
    good(process::command(&user.tools.cmake).arg("--build").arg(&build));
    user.prints_the_value(&build.join("hello"));
    user.prints_the_value(&build.join("hello-c"));
}
