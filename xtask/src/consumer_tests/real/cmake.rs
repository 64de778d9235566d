//! CMake: a project with programs over both interfaces; versions, components and targets that do not fit; the CPS file.

use super::*;

impl User {
    fn cmake(&self) -> Command {
        process::command(&self.tools.cmake)
    }

    /// Configures into `build`, for the user's C compiler and the pinned clang.
    fn configure(&self, source: &Path, build: &Path, more: &[String]) -> Command {
        let mut command = self.cmake();
        command.arg("-S").arg(source).arg("-B").arg(build).args(["-G", "Ninja"]);
        command.arg(format!("-DCMAKE_MAKE_PROGRAM={}", self.tools.ninja.display()));
        command.arg(format!("-DCMAKE_PREFIX_PATH={}", self.archive.display()));
        command.arg(format!("-DCMAKE_CXX_COMPILER={}", self.clangxx.display()));
        command.arg(format!("-DCMAKE_CXX_COMPILER_TARGET={}", self.clang_target));
        command.args(more);
        command
    }

    fn build(&self, build: &Path) {
        good(self.cmake().arg("--build").arg(build));
    }

    /// A project of these lines behind `project()`.
    fn project(&self, name: &str, languages: &str, lines: &str) -> PathBuf {
        let folder = self.path(name);
        fs::create_dir_all(&folder).unwrap();
        let text =
            format!("cmake_minimum_required(VERSION 3.18)\nproject(p LANGUAGES {languages})\n{lines}\n");
        fs::write(folder.join("CMakeLists.txt"), text).unwrap();
        folder
    }
}

#[test]
fn cmake_builds_programs_over_both_interfaces() {
    let Some(user) = User::new() else { return };
    let build = user.path("a build");
    good(&mut user.configure(&example("cmake"), &build, &[]));
    user.build(&build);
    user.prints_the_value(&build.join("hello"));
    user.prints_the_value(&build.join("hello-c"));
    // The same build folder configures again.
    good(&mut user.configure(&example("cmake"), &build, &[]));
}

#[test]
fn cmakes_cps_reader_builds_programs_over_both_interfaces() {
    let Some(user) = User::new() else { return };
    // CMake 4.4 takes macros, folders, standard and libraries out of such a file, and no flag: those are written by hand.
    let lines = format!(
        "find_package(libv8 15.2 REQUIRED)\n\
         add_executable(hello \"{hello}\")\ntarget_link_libraries(hello PRIVATE libv8::v8)\n\
         target_compile_options(hello PRIVATE {flags})\ntarget_link_options(hello PRIVATE -nostdlib++)\n\
         add_executable(hello-c \"{hello_c}\")\ntarget_link_libraries(hello-c PRIVATE libv8::capi)\n",
        hello = example("cmake/hello.cc").display(),
        flags = user.descriptor.cxx.flags.join(" "),
        hello_c = example("pkg-config/hello.c").display(),
    );
    let (source, build) = (user.project("cps", "C CXX", &lines), user.path("cps-build"));
    good(&mut user.configure(&source, &build, &[]));
    user.build(&build);
    user.prints_the_value(&build.join("hello"));
    user.prints_the_value(&build.join("hello-c"));
    let newer = user.project("cps-newer", "C", "find_package(libv8 15.3 REQUIRED)");
    let said = bad(&mut user.configure(&newer, &user.path("cps-newer-build"), &[]));
    assert!(said.contains("requested version \"15.3\""), "{said}");
}

/// What is asked for, and what must stand in what CMake then says; nothing: it must be found.
const ASKED: &[(&str, Option<&str>)] = &[
    ("", None),
    ("15", None),
    ("15.2", None),
    ("15.2.124.1 EXACT", None),
    ("15.1...<15.3", None),
    ("15.2 COMPONENTS snapshot", None),
    ("OPTIONAL_COMPONENTS nonsense", None),
    ("14", Some("version: 15.2.124.1")),
    ("15.1", Some("version: 15.2.124.1")),
    ("15.3", Some("version: 15.2.124.1")),
    ("15.2.125", Some("version: 15.2.124.1")),
    ("15.2.124 EXACT", Some("version: 15.2.124.1")),
    ("15.0...<15.2", Some("version: 15.2.124.1")),
    ("COMPONENTS snapshot nonsense", Some("V8 has no component nonsense (components are features: ")),
];

#[test]
fn cmake_finds_what_fits_and_says_why_the_rest_does_not() {
    let Some(user) = User::new() else { return };
    let version = user.descriptor.v8_version.as_str();
    assert_eq!(version, "15.2.124.1", "the table of this test is for it");
    let without: Vec<&String> =
        user.descriptor.features.iter().filter(|(_, is)| !**is).map(|(name, _)| name).collect();
    // One project for all of them: what is not found is said, and the next is looked for.
    let mut lines = String::new();
    let without =
        without.iter().map(|name| (format!("COMPONENTS {name}"), Some("this V8 was built without")));
    let asked = ASKED.iter().map(|(asked, said)| ((*asked).to_owned(), *said)).chain(without);
    let asked: Vec<_> = asked.collect();
    for (index, (words, _)) in asked.iter().enumerate() {
        lines += &format!(
            "message(\"<{index}>\")\nunset(V8_DIR CACHE)\nfind_package(V8 {words} CONFIG)\n\
             message(\"found: ${{V8_FOUND}}; why: ${{V8_NOT_FOUND_MESSAGE}}; considered: ${{V8_CONSIDERED_VERSIONS}}\")\n"
        );
    }
    let source = user.project("asked", "C", &lines);
    let out = process::output(&mut user.configure(&source, &user.path("asked-build"), &[])).unwrap();
    let said = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
    for (index, (words, reason)) in asked.iter().enumerate() {
        let start = format!("<{index}>\n");
        let part = said.split_once(&start).map(|(_, rest)| rest).unwrap_or_default();
        let part = part.split(&format!("<{}>\n", index + 1)).next().unwrap_or_default();
        let is_found = part.contains("found: 1;") || part.contains("found: TRUE;");
        match reason {
            None => assert!(is_found, "{words}: {part}"),
            Some(reason) => assert!(!is_found && part.contains(reason), "{words}: {part}"),
        }
    }
}

#[test]
fn cmake_passes_over_an_archive_for_another_target() {
    let Some(user) = User::new() else { return };
    let source = user.project("foreign", "C", "find_package(V8 CONFIG REQUIRED)");
    // A compiler for another processor and C library: the pinned one, whose headers alone are asked.
    let sysroots = user.clangxx.ancestors().nth(2).unwrap().join("sysroots");
    for (target, sysroot, system, reason) in [
        (
            "x86_64-linux-musl",
            Some("musl_x86_64"),
            "Linux",
            "the compiler makes programs for another C library than glibc",
        ),
        (
            "aarch64-linux-musl",
            Some("musl_aarch64"),
            "Linux",
            "the compiler makes programs of another processor",
        ),
        ("x86_64-linux-gnu", None, "Windows", "this project is for Windows"),
    ] {
        let mut more = vec![
            format!("-DCMAKE_C_COMPILER={}", user.clangxx.with_file_name("clang").display()),
            format!("-DCMAKE_C_COMPILER_TARGET={target}"),
            format!("-DCMAKE_SYSTEM_NAME={system}"),
            "-DCMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY".to_owned(),
        ];
        more.extend(sysroot.map(|name| format!("-DCMAKE_SYSROOT={}", sysroots.join(name).display())));
        if sysroot.is_some_and(|name| !sysroots.join(name).exists()) {
            // The toolchain of a build for this machine alone has only its sysroot.
            eprintln!("NOT TESTED: {target}: no sysroot");
            continue;
        }
        if system == "Windows" {
            more.push("-DCMAKE_C_COMPILER_WORKS=1".to_owned());
        }
        let build = user.path(&format!("foreign-{target}-{system}"));
        let said = bad(&mut user.configure(&source, &build, &more));
        assert!(said.contains(reason) && said.contains(&user.descriptor.target), "{target}: {said}");
    }
}
