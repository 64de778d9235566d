//! What a program that uses an archive tells its compiler and linker, made out of the descriptor alone.
//!
//! `smoke` links its programs with these words, and `link-line` prints them.

use std::path::Path;

use v8_archive::Descriptor;

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
    let system = descriptor.system_libraries.iter().map(|name| format!("-l{name}"));
    let frameworks = descriptor.frameworks.iter().flat_map(|name| ["-framework".to_owned(), name.clone()]);
    own.chain(system).chain(frameworks).collect()
}

/// Repository, cache and temporary folders are made by us or by cargo, whose paths are UTF-8 as well; another path is shown
/// with replacement characters and then not found, which the error names.
pub fn utf8(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
