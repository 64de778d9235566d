//! CMake's package: `V8Config.cmake` and `V8ConfigVersion.cmake` out of the templates beside this file.

use v8_archive::Descriptor;

use super::{check, features, macros, system, system_words, version_prefix};

/// `V8Config.cmake`: components and targets.
pub fn config(descriptor: &Descriptor) -> String {
    let list = |words: &mut dyn Iterator<Item = String>| words.collect::<Vec<_>>().join(";");
    let (on, off) = (features(descriptor, true), features(descriptor, false));
    let all: Vec<&str> = descriptor.features.keys().map(String::as_str).collect();
    let folders =
        list(&mut descriptor.cxx.include_dirs.iter().map(|folder| format!("${{_v8_prefix}}/{folder}")));
    let files: Vec<String> =
        descriptor.libraries.iter().map(|library| format!("\"{}\"", library.path)).collect();
    fill(
        include_str!("V8Config.cmake.in"),
        &[
            ("name", &descriptor.name),
            ("minor", &version_prefix(descriptor, 2)),
            ("target", &descriptor.target),
            ("variant", &descriptor.variant),
            ("on_list", &on.join(";")),
            ("off_list", &off.join(";")),
            ("on", &on.join(", ")),
            ("all", &all.join(", ")),
            ("library_files", &files.join(" ")),
            ("import_libraries", &import_libraries(descriptor)),
            ("cxx_feature", &cxx_feature(&descriptor.cxx.standard)),
            ("cxx_flags", &list(&mut descriptor.cxx.flags.iter().cloned())),
            ("defines", &list(&mut macros(descriptor).map(str::to_owned))),
            ("include_dirs", &folders),
        ],
    )
}

/// `V8ConfigVersion.cmake`: version and target.
pub fn version(descriptor: &Descriptor) -> String {
    let number = |index: usize| descriptor.v8_version.split('.').nth(index).unwrap_or("0").to_owned();
    fill(
        include_str!("V8ConfigVersion.cmake.in"),
        &[
            ("name", &descriptor.name),
            ("version", &descriptor.v8_version),
            ("major", &number(0)),
            ("minor_number", &number(1)),
            ("target", &descriptor.target),
            ("system", system(descriptor.libc.family)),
            ("id", &descriptor.build_id.to_string()[..16]),
            ("target_lines", &check::target_lines(descriptor)),
        ],
    )
}

/// The first library is `V8::capi`; those it needs have names of their own.
fn import_libraries(descriptor: &Descriptor) -> String {
    let target = |index: usize| match index {
        0 => "V8::capi".to_owned(),
        _ => format!("V8::{}", descriptor.libraries[index].name),
    };
    let mut text = String::new();
    for (index, library) in descriptor.libraries.iter().enumerate() {
        let mut needs: Vec<String> = Vec::new();
        if index == 0 {
            needs.extend((1..descriptor.libraries.len()).map(target));
        }
        needs.extend(system_words(descriptor));
        let name = target(index);
        text += &format!(
            "  add_library({name} STATIC IMPORTED)\n  set_target_properties({name} PROPERTIES\n    \
             IMPORTED_LOCATION \"${{_v8_prefix}}/{}\"\n    \
             INTERFACE_INCLUDE_DIRECTORIES \"${{_v8_prefix}}/include\"\n    \
             INTERFACE_LINK_LIBRARIES \"{}\")\n",
            library.path,
            needs.join(";"),
        );
    }
    text.trim_end().to_owned()
}

/// `c++23` as CMake's features call it.
fn cxx_feature(standard: &str) -> String {
    standard.replace("c++", "cxx_std_")
}

/// Puts values in the place of `@name@`.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(template.to_owned(), |text, (name, value)| text.replace(&format!("@{name}@"), value))
}
