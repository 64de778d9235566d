//! What cargo is told. The descriptor says it all, so there is no `if target` here; whether a program is static is the choice
//! of who builds it.

use std::path::Path;

use v8_archive::{DESCRIPTOR_FILE, Descriptor};

/// How the program holds the system's libraries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// As shared libraries.
    Shared,
    /// Inside: rustc's `crt-static`, the default for musl.
    Static,
}

/// The lines that link the archive unpacked at `root`, and tell `DEP_V8_*` to crates that depend on this one.
///
/// # Errors
/// If the descriptor names a library it has no file for, or a value does not fit in a line for cargo.
pub fn lines(descriptor: &Descriptor, root: &Path, system: System) -> Result<Vec<String>, String> {
    let root = root.to_str().ok_or_else(|| {
        format!("cargo takes only UTF-8 from build scripts, and this folder is not: {}", root.display())
    })?;
    let mut lines = Vec::new();

    for library in &descriptor.libraries {
        if !descriptor.files.iter().any(|file| file.path == library.path) {
            return Err(format!(
                "{root}/{DESCRIPTOR_FILE} names the library '{}' at {}, but has no such file",
                library.name, library.path
            ));
        }
        let folder = library.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let search = format!("rustc-link-search=native={root}/{folder}");
        if !lines.contains(&search) {
            lines.push(search);
        }
    }
    // `-bundle`: the rlib would otherwise hold a second copy of 160 MB, written at each change of this crate.
    lines.extend(
        descriptor.libraries.iter().map(|library| format!("rustc-link-lib=static:-bundle={}", library.name)),
    );
    // A static program would take a shared libc, where the system has one, for every library that follows.
    let kind = if system == System::Static { "static:-bundle" } else { "dylib" };
    lines.extend(descriptor.system_libraries.iter().map(|name| format!("rustc-link-lib={kind}={name}")));
    lines.extend(descriptor.frameworks.iter().map(|name| format!("rustc-link-lib=framework={name}")));

    lines.push(format!("metadata=include={root}/include"));
    lines.push(format!("metadata=lib={root}/lib"));
    lines.push(format!("metadata=descriptor={root}/{DESCRIPTOR_FILE}"));
    lines.push(format!("metadata=version={}", descriptor.v8_version));
    lines.push(format!("metadata=defines={}", descriptor.defines.join(";")));

    match lines.iter().find(|line| line.contains(['\n', '\r'])) {
        Some(line) => Err(format!("{root}/{DESCRIPTOR_FILE} has a line break in a value: {line:?}")),
        None => Ok(lines.into_iter().map(|line| format!("cargo::{line}")).collect()),
    }
}

/// The lines for when there is no archive: what only reads the crate (`cargo check`, clippy, rustdoc) goes on, and
/// what links it fails with the reason in the linker's own words: "unable to find library -lv8 (…)".
pub fn lines_without_archive(why: &str) -> Vec<String> {
    let mut lines: Vec<String> = why.lines().map(|line| format!("cargo::warning={line}")).collect();
    // rustc reads ':' and '=' in a library's name as its own, and a linker's line has one line.
    let name: String = why.chars().map(|c| if matches!(c, ':' | '=' | '\n') { ' ' } else { c }).collect();
    lines.push(format!("cargo::rustc-link-lib=static:-bundle=v8 ({name})"));
    lines
}
