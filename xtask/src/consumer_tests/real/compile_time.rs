//! Whoever compiles V8's headers with other settings than the library's is told which, by the compiler.

use super::*;

/// The start of a program, as users write it: the C++ library first.
const PROGRAM: &str = "#include <memory>\n#include \"v8.h\"\nint main() { return 0; }\n";
/// Nothing but V8's header, for what is refused before anything else is read.
const V8_ONLY: &str = "#include \"v8.h\"\n";

impl User {
    fn compile_headers(&self, compiler: &[String], words: &[String], program: &str) -> Command {
        let source = self.path("program.cc");
        fs::write(&source, program).unwrap();
        let mut command = process::command(&compiler[0]);
        command.args(&compiler[1..]).arg("-fsyntax-only").args(words).arg(source);
        command
    }

    /// That these words do not compile, and that the compiler then says this.
    #[track_caller]
    fn refused(&self, words: &[String], program: &str, expected: &str) {
        let said = bad(&mut self.compile_headers(&self.clangxx(), words, program));
        assert!(
            said.contains(expected),
            "not said: {expected}\n{}",
            said.chars().take(4000).collect::<String>()
        );
    }
}

#[test]
fn a_setting_that_is_not_the_librarys_does_not_compile() {
    let Some(user) = User::new() else { return };
    let words: Vec<String> = crate::consumer::cxx_flags(&user.descriptor, &user.archive)
        .into_iter()
        .filter(|word| word != "-nostdlib++")
        .collect();
    good(&mut user.compile_headers(&user.clangxx(), &words, PROGRAM));

    for define in crate::consumer::macros(&user.descriptor) {
        let (name, value) = define.split_once('=').unwrap_or((define, ""));
        let word = format!("-D{define}");
        // Forgotten. Some compilers define this one themselves.
        let without: Vec<String> = words.iter().filter(|it| **it != word).cloned().collect();
        let mut without_it = without.clone();
        without_it.push(format!("-U{name}"));
        // The hardening mode has no default here: the C++ library itself says so, before V8 is read.
        user.refused(&without_it, PROGRAM, name);
        if !value.is_empty() {
            let mut other = without;
            other.push(match name {
                "_LIBCPP_HARDENING_MODE" => format!("-D{name}=_LIBCPP_HARDENING_MODE_NONE"),
                _ => format!("-D{name}=7"),
            });
            user.refused(&other, PROGRAM, &format!("libv8: {name} is not {value}"));
        }
    }

    // Every macro that V8 itself has in its header, in the other state: on if it is off, another value if it is on.
    let header = fs::read_to_string(user.archive.join("include/v8-gn.h")).unwrap();
    let settings: Vec<&str> = header
        .lines()
        .filter_map(|line| line.strip_prefix("#ifndef ").or(line.strip_prefix("#ifdef ")))
        .collect();
    assert!(settings.len() > 30, "{settings:?}");
    for name in settings {
        let mut other = words.clone();
        other.extend([format!("-D{name}=4711"), "-Wfatal-errors".to_owned()]);
        user.refused(&other, V8_ONLY, &format!("\"{name} "));
    }
    // The only one of V8's headers that is not in it, and says something about them.
    let mut other = words;
    other.push("-DV8_LOWER_LIMITS_MODE".to_owned());
    user.refused(&other, V8_ONLY, "libv8: V8_LOWER_LIMITS_MODE is defined");
}

#[test]
fn another_cxx_library_does_not_compile() {
    let Some(user) = User::new() else { return };
    let include = format!("-I{}", user.archive.join("include").display());
    // As somebody who knows V8's headers, and not how this library was made.
    let naive = ["-std=c++20".to_owned(), include.clone()];
    let said = bad(&mut user.compile_headers(&["g++".to_owned()], &naive, PROGRAM));
    for expected in ["libv8: V8_GN_HEADER is not defined", "libv8: the C++ library is not this archive's"] {
        assert!(said.contains(expected), "{said}");
    }
    // With every macro, but the system's C++ library.
    let mut words = vec!["-std=c++20".to_owned(), include];
    words.extend(crate::consumer::macros(&user.descriptor).map(|define| format!("-D{define}")));
    let said = bad(&mut user.compile_headers(&["g++".to_owned()], &words, PROGRAM));
    assert!(said.contains("libv8: the C++ library is not this archive's"), "{said}");
    assert!(!said.contains("is not defined"), "{said}");
}

#[test]
fn the_c_interface_needs_no_setting_at_all() {
    let Some(user) = User::new() else { return };
    let source = user.path("c.c");
    fs::write(&source, "#include <libv8.h>\n").unwrap();
    let include = user.archive.join("include");
    for (compiler, language) in [("cc", "c"), ("g++", "c++")] {
        let mut command = process::command(compiler);
        command.args(["-x", language, "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only"]);
        good(command.arg("-I").arg(&include).arg(&source));
    }
}
