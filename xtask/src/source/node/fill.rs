//! Writes the tree: Node's files of V8 in their own places, and the C++ runtime where trees of Chromium's shape have it.

use std::path::Path;

use super::Looked;
use super::files;
use crate::error::{Error, Result};
use crate::source::{Cargo, write_new};

/// What of the `v8` package is the C++ runtime; libc++'s numbers are read by headers of llvm-libc.
const RUNTIME: [&str; 7] = [
    "buildtools/third_party/libc++/",
    "buildtools/third_party/libc++abi/",
    "buildtools/third_party/libunwind/",
    "third_party/libc++/",
    "third_party/libc++abi/",
    "third_party/libunwind/",
    "third_party/llvm-libc/",
];

/// What a release has and a distribution's sources may lack: a file of it, and what it is for.
const NEEDED: [(&str, &str); 5] = [
    ("tools/gyp/pylib/gyp/__init__.py", "gyp, which makes ninja's files"),
    ("deps/v8/third_party/jinja2/__init__.py", "jinja2, which makes the inspector's sources"),
    ("deps/v8/third_party/markupsafe/__init__.py", "markupsafe, which jinja2 needs"),
    ("deps/v8/third_party/simdutf/simdutf.cpp", "simdutf, which V8 is compiled with"),
    ("deps/icu-small/source/common/unicode/uvernum.h", "ICU, for variants with Intl"),
];

/// Writes everything at `root`, which is not there yet; `work` is for whatever else has to be written.
///
/// # Errors
/// What cannot be read or written; cargo's; a tree that lacks what releases have.
pub fn fill(looked: &Looked, cargo: &Cargo, root: &Path, work: &Path, say: &dyn Fn(&str)) -> Result<()> {
    say(&format!("unpacking V8 {} of Node {}", looked.v8_version, looked.node_version));
    files::visit(&looked.place, &mut |file| write_new(&root.join(file.path), file.bytes, file.executable))?;
    let lacking: Vec<String> = NEEDED
        .iter()
        .filter(|(path, _)| !root.join(path).is_file())
        .map(|(path, what)| format!("there is no {path}: {what}"))
        .collect();
    if !lacking.is_empty() {
        return Err(Error::all(
            crate::error::Kind::Usage,
            &format!("Node {} is not as it was released", looked.node_version),
            &lacking,
        )
        .help(
            "a release's tarball has all of it; ci/node-from-debian fills Debian's sources (ci/README.md)",
        ));
    }
    say(&format!("unpacking the C++ runtime of {} {}", looked.runtime.package, looked.runtime.version));
    cargo.package(&looked.runtime, work)?.visit(&mut |file| {
        if RUNTIME.iter().any(|folder| file.path.starts_with(folder)) {
            write_new(&root.join(file.path), file.bytes, file.executable)?;
        }
        Ok(())
    })
}
