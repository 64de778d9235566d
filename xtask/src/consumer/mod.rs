//! What a program that uses an archive tells its compiler and linker, made out of the descriptor alone.
//!
//! `smoke` links its programs with these words, and `link-line` prints them; [`files`] are the same for build systems.
//!
//! Everywhere there are two ways in. `capi` is the C interface: `libv8.h`, any compiler, any C++ library, no flag. `v8` is V8's
//! own interface: its headers pass standard types, so it brings the archive's C++ library, with its flags and macros.

mod bazel;
pub mod check;
mod cmake;
mod cps;
mod pkg_config;
mod vcpkg;

use std::collections::BTreeMap;
use std::path::Path;

use v8_archive::Descriptor;
use v8_archive::descriptor::LibcFamily;

/// For a program that includes `libv8.h`, in C or C++.
pub fn c_flags(folder: &Path) -> Vec<String> {
    vec!["-pthread".to_owned(), format!("-I{}", utf8(&folder.join("include")))]
}

/// For a program that includes V8's own headers, by clang, with the C++ library of the archive.
pub fn cxx_flags(descriptor: &Descriptor, folder: &Path) -> Vec<String> {
    let Descriptor { cxx, defines, .. } = descriptor;
    let mut words = vec![format!("-std={}", cxx.standard), "-pthread".to_owned()];
    words.extend(cxx.flags.iter().cloned());
    words.extend(defines.iter().chain(&cxx.defines).map(|define| format!("-D{define}")));
    // As system folders: V8's headers have warnings that are not the program's.
    words.extend(cxx.include_dirs.iter().flat_map(|name| ["-isystem".to_owned(), utf8(&folder.join(name))]));
    // The archive carries its C++ library.
    words.push("-nostdlib++".to_owned());
    words
}

/// Behind the program's own objects: the archive's libraries by their paths, then the system's, in the order in which a linker
/// must meet them.
pub fn libraries(descriptor: &Descriptor, folder: &Path) -> Vec<String> {
    let own = descriptor.libraries.iter().map(|library| utf8(&folder.join(&library.path)));
    own.chain(system_words(descriptor)).collect()
}

/// Repository, cache and temporary folders are made by us or by cargo, whose paths are UTF-8 as well; another path is shown
/// with replacement characters and then not found, which the error names.
pub fn utf8(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// What an archive holds for the build systems of its users, by path: a function of the descriptor, `files` of which is not
/// looked at.
pub fn files(descriptor: &Descriptor) -> BTreeMap<&'static str, String> {
    [
        (check::HEADER, check::header(descriptor)),
        ("lib/cmake/V8/V8Config.cmake", cmake::config(descriptor)),
        ("lib/cmake/V8/V8ConfigVersion.cmake", cmake::version(descriptor)),
        ("lib/pkgconfig/v8-capi.pc", pkg_config::capi(descriptor)),
        ("lib/pkgconfig/v8.pc", pkg_config::v8(descriptor)),
        ("lib/cps/libv8.cps", cps::package(descriptor)),
        ("BUILD.bazel", bazel::build(descriptor)),
        ("MODULE.bazel", bazel::module(descriptor)),
        ("conanfile.py", include_str!("conanfile.py").to_owned()),
        ("vcpkg/v8/portfile.cmake", vcpkg::port(descriptor)),
        ("vcpkg/v8/vcpkg.json", vcpkg::manifest(descriptor)),
        ("v8.bzl", bazel::constants(descriptor)),
    ]
    .into()
}

/// V8's version up to a number of its four parts: the interface is the same for the first two.
fn version_prefix(descriptor: &Descriptor, parts: usize) -> String {
    descriptor.v8_version.split('.').take(parts).collect::<Vec<_>>().join(".")
}

/// The processor, as targets and compilers call it.
fn processor(descriptor: &Descriptor) -> &str {
    descriptor.target.split('-').next().unwrap_or_default()
}

/// `-l` and `-framework`: what the system gives, in link order.
fn system_words(descriptor: &Descriptor) -> Vec<String> {
    let libraries = descriptor.system_libraries.iter().map(|name| format!("-l{name}"));
    libraries
        .chain(descriptor.frameworks.iter().flat_map(|name| ["-framework".to_owned(), name.clone()]))
        .collect()
}

/// All macros of V8's headers, of V8 and of its C++ library.
pub fn macros(descriptor: &Descriptor) -> impl Iterator<Item = &str> {
    descriptor.defines.iter().chain(&descriptor.cxx.defines).map(String::as_str)
}

/// Features by whether they are there.
fn features(descriptor: &Descriptor, present: bool) -> Vec<&str> {
    descriptor.features.iter().filter(|(_, is)| **is == present).map(|(name, _)| name.as_str()).collect()
}

/// The operating system, as CMake calls it.
fn system(family: LibcFamily) -> &'static str {
    match family {
        LibcFamily::Glibc | LibcFamily::Musl => "Linux",
        LibcFamily::Ucrt => "Windows",
        LibcFamily::LibSystem => "Darwin",
    }
}
