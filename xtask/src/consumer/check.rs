//! `libv8-check.h`: whoever compiles V8's headers with other settings than the library's is told so by the compiler.
//!
//! A macro that differs changes the layout of V8's or the C++ library's classes: the program links, and corrupts memory.
//! `v8-gn.h`, which V8 makes, refuses other values of its own macros; but it is read only if `V8_GN_HEADER` is defined, and
//! says nothing of the C++ library.

use std::fmt::Write as _;

use v8_archive::Descriptor;
use v8_archive::descriptor::LibcFamily;

use super::{macros, processor};

/// Where it lies in an archive.
pub const HEADER: &str = "include/libv8-check.h";

/// V8's header that every other one includes, in an archive.
pub const CONFIG: &str = "include/v8config.h";

/// The line of V8's [`CONFIG`] behind which ours stands: before anything else is read.
const GUARD: &str = "#define V8CONFIG_H_\n";

/// What is added there.
const INCLUDE: &str = "\n\
// Added by libv8 packager: refuses settings that are not those of the library in this archive.\n\
#include \"libv8-check.h\"  // NOLINT(build/include_directory)\n";

/// V8's [`CONFIG`] with our line in it; nothing if V8 changed it so that there is no one place for it.
pub fn guarded(config: &str) -> Option<String> {
    let (before, after) = config.split_once(GUARD)?;
    (!after.contains(GUARD)).then(|| format!("{before}{GUARD}{INCLUDE}{after}"))
}

/// Whether a [`CONFIG`] has our line at its place.
pub fn is_guarded(config: &str) -> bool {
    config.contains(&format!("{GUARD}{INCLUDE}"))
}

/// What must hold of the compiler for the library to be linked: a condition of the preprocessor, true if it does not, and
/// what is wrong then. `<limits.h>` must have been read, which on Linux says which C library it is.
pub fn target_faults(descriptor: &Descriptor) -> Vec<(String, String)> {
    let mut faults = Vec::new();
    let mut add = |condition: String, what: String| {
        faults.push((
            condition,
            format!("libv8: this archive is for {}; the compiler makes {what}", descriptor.target),
        ));
    };
    let system = match descriptor.libc.family {
        LibcFamily::Glibc | LibcFamily::Musl => "__linux__",
        LibcFamily::Ucrt => "_WIN32",
        LibcFamily::LibSystem => "__APPLE__",
    };
    add(format!("!defined({system})"), "programs of another operating system".to_owned());
    match processor(descriptor) {
        "x86_64" => add(
            "!(defined(__x86_64__) || defined(_M_X64)) || defined(__ILP32__)".to_owned(),
            "programs of another processor".to_owned(),
        ),
        "aarch64" => add(
            "!(defined(__aarch64__) || defined(_M_ARM64)) || defined(__ILP32__)".to_owned(),
            "programs of another processor".to_owned(),
        ),
        // Nothing is known of it that the linker would not say.
        _ => {}
    }
    match descriptor.libc.family {
        LibcFamily::Glibc => {
            add("!defined(__GLIBC__)".to_owned(), "programs for another C library than glibc".to_owned());
            if let Some((major, minor)) = descriptor.libc.floor.split_once('.') {
                add(
                    format!(
                        "defined(__GLIBC__) && __GLIBC__ * 1000 + __GLIBC_MINOR__ < {major} * 1000 + {minor}"
                    ),
                    format!("programs for a glibc older than {}", descriptor.libc.floor),
                );
            }
        }
        LibcFamily::Musl => add("defined(__GLIBC__)".to_owned(), "programs for glibc".to_owned()),
        LibcFamily::Ucrt | LibcFamily::LibSystem => {}
    }
    faults
}

/// The faults as lines of C: `#if`, `#error`, `#endif`.
pub fn target_lines(descriptor: &Descriptor) -> String {
    let mut text = "#include <limits.h>\n".to_owned();
    for (condition, message) in target_faults(descriptor) {
        let _ = write!(text, "#if {condition}\n#error \"{message}\"\n#endif\n");
    }
    text
}

/// The whole of [`HEADER`].
pub fn header(descriptor: &Descriptor) -> String {
    let name = &descriptor.name;
    let namespace = &descriptor.cxx_runtime.abi_namespace;
    let mut text = format!(
        "// What {name} was compiled with, for the compiler to compare.\n\
         //\n\
         // A program that is compiled with something else would link, and corrupt memory. V8.json says what it needs to be\n\
         // told; lib/cmake, lib/pkgconfig and lib/cps tell it. v8config.h includes this file before anything else.\n\
         \n\
         #ifndef LIBV8_CHECK_H_\n\
         #define LIBV8_CHECK_H_\n\
         \n\
         {}\n",
        target_lines(descriptor)
    );
    for define in macros(descriptor) {
        let macro_name = define.split_once('=').map_or(define, |(name, _)| name);
        let _ = write!(
            text,
            "#ifndef {macro_name}\n#error \"libv8: {macro_name} is not defined; compile with -D{define} (V8.json)\"\n\
             #endif\n"
        );
    }
    // Settings of V8's headers that v8-gn.h does not know; only what the library has not is certain.
    if descriptor.features.get("webassembly") == Some(&false) {
        let _ = write!(
            text,
            "#ifdef V8_ENABLE_WEBASSEMBLY\n\
             #error \"libv8: V8_ENABLE_WEBASSEMBLY is defined, but this library has no WebAssembly\"\n#endif\n"
        );
    }
    if !matches!(
        descriptor.gn_args.get("v8_lower_limits_mode"),
        Some(v8_archive::descriptor::GnValue::Bool(true))
    ) {
        text.push_str(
            "#ifdef V8_LOWER_LIMITS_MODE\n\
             #error \"libv8: V8_LOWER_LIMITS_MODE is defined, but this library has V8's usual limits\"\n#endif\n",
        );
    }
    let _ = write!(
        text,
        "\n\
         // The C++ library: that of include/c++/v1, not the system's.\n\
         #if !__has_include(<__config_site>)\n\
         #error \"libv8: the C++ library is not this archive's; compile with -nostdinc++ and its include/c++/v1 (V8.json)\"\n\
         #endif\n\
         #include <version>\n\
         #if !defined(_LIBCPP_ABI_NAMESPACE)\n\
         #error \"libv8: the C++ library is not this archive's; compile with -nostdinc++ and its include/c++/v1 (V8.json)\"\n\
         #endif\n\
         \n\
         // Values of macros are compared as text, with what they themselves stand for.\n\
         #define LIBV8_CHECK_TEXT_(...) #__VA_ARGS__\n\
         #define LIBV8_CHECK_TEXT(...) LIBV8_CHECK_TEXT_(__VA_ARGS__)\n\
         #define LIBV8_CHECK_SAME(found, expected, message) \\\n  \
           static_assert(__builtin_strcmp(LIBV8_CHECK_TEXT(found), LIBV8_CHECK_TEXT(expected)) == 0, message)\n\
         LIBV8_CHECK_SAME(_LIBCPP_ABI_NAMESPACE, {namespace},\n    \
         \"libv8: the C++ library is not this archive's: its namespace is not {namespace}\");\n"
    );
    for (macro_name, value) in macros(descriptor).filter_map(|define| define.split_once('=')) {
        let _ = write!(
            text,
            "LIBV8_CHECK_SAME({macro_name}, {value},\n    \
             \"libv8: {macro_name} is not {value}, as in the library (V8.json)\");\n"
        );
    }
    text.push_str(
        "#undef LIBV8_CHECK_SAME\n#undef LIBV8_CHECK_TEXT\n#undef LIBV8_CHECK_TEXT_\n\n#endif  // LIBV8_CHECK_H_\n",
    );
    text
}
