//! A clang of the user's own: what its folder must have, and which one it is.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::pins::Sha256;
use crate::process;

/// What it says of itself, the first line of `clang++ --version`, and behind it 16 digits of what it is: a compiler that was
/// built again says the same, and may make other objects. For keys and build ids. `Err` is what the folder lacks.
pub fn version(folder: &Path) -> Result<String, String> {
    for name in ["clang", "ld.lld", "llvm-ar"] {
        let path = folder.join("bin").join(name);
        if !path.exists() {
            return Err(format!("there is no {}", path.display()));
        }
    }
    let text = process::read(process::command(folder.join("bin/clang++")).arg("--version"));
    let text = text.map_err(|error| error.to_string().trim_start_matches("error: ").to_owned())?;
    Ok(format!("{} [{}]", text.lines().next().unwrap_or_default(), &digest(folder)?.as_str()[..16]))
}

/// Of the driver, and of LLVM's shared libraries, where it is a small one.
fn digest(folder: &Path) -> Result<Sha256, String> {
    let is_library = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_shared = name.contains(".so") || name.ends_with(".dylib");
        is_shared && path.is_file() && ["libclang-cpp", "libLLVM"].iter().any(|start| name.starts_with(start))
    };
    let libraries = fs::read_dir(folder.join("lib")).into_iter().flatten().flatten();
    let libraries = libraries.map(|entry| entry.path()).filter(is_library);
    // Several names are links to one file, and where that lies does not matter.
    let mut files = BTreeSet::new();
    for path in std::iter::once(folder.join("bin/clang++")).chain(libraries) {
        files
            .insert(path.canonicalize().map_err(|error| format!("cannot read {}: {error}", path.display()))?);
    }
    let mut digests = BTreeSet::new();
    for path in files {
        let found = v8_archive::Sha256::of_file(&path).map_err(|error| error.to_string())?;
        digests.insert(found.sha256.to_string());
    }
    Ok(Sha256::of_bytes(digests.into_iter().collect::<Vec<_>>().join(" ").as_bytes()))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::toolchain::plan::clang_major;
    use crate::toolchain::testing::Folder;

    #[test]
    fn a_compiler_that_was_built_again_is_another_one() {
        let folder = Folder::new();
        for name in ["clang", "ld.lld", "llvm-ar"] {
            assert!(version(folder.path()).unwrap_err().contains(name));
            folder.program(&format!("bin/{name}"), "exit 1");
        }
        assert!(version(folder.path()).is_err(), "there is no clang++");
        let lib = folder.path().join("lib");
        fs::create_dir_all(&lib).unwrap();
        folder.program("bin/clang-22", "echo 'clang version 22.1.8'");
        std::os::unix::fs::symlink("clang-22", folder.path().join("bin/clang++")).unwrap();
        let mut all = BTreeSet::new();
        let mut is_new = || all.insert(version(folder.path()).unwrap());
        assert!(is_new());
        assert!(!is_new());
        folder.program("bin/clang-22", "echo 'clang version 22.1.8' # built again");
        assert!(is_new());
        fs::write(lib.join("libLLVM.so.22.1"), "one").unwrap();
        assert!(is_new());
        fs::write(lib.join("libLLVM.so.22.1"), "two").unwrap();
        assert!(is_new());
        // No part of a compiler.
        fs::write(lib.join("libLLVMSupport.a"), "").unwrap();
        std::os::unix::fs::symlink("libLLVM.so.22.1", lib.join("libLLVM-22.so")).unwrap();
        assert!(!is_new());
        assert!(
            all.iter().all(|one| one.starts_with("clang version 22.1.8 [") && clang_major(one) == Some(22))
        );
    }
}
