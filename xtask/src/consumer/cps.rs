//! The Common Package Specification's file (<https://cps-org.github.io/cps/>), read by CMake since 4.3 and by others.
//!
//! The package is called `libv8`: CMake prefers such a file to `V8Config.cmake`, which can say more, for the same name.

use serde_json::{Map, Value, json};
use v8_archive::Descriptor;
use v8_archive::descriptor::LibcFamily;

use super::{macros, processor, system, version_prefix};

/// The version of the specification that is written.
const CPS_VERSION: &str = "0.13.0";

/// `libv8.cps`.
pub fn package(descriptor: &Descriptor) -> String {
    let at = |path: &str| format!("@prefix@/{path}");
    let mut components = Map::new();
    let mut further = Vec::new();
    for library in descriptor.libraries.iter().skip(1) {
        further.push(format!(":{}", library.name));
        components.insert(library.name.clone(), json!({ "type": "archive", "location": at(&library.path) }));
    }
    let first = descriptor.libraries.first().map(|library| at(&library.path));
    let frameworks: Vec<&str> =
        descriptor.frameworks.iter().flat_map(|name| ["-framework", name.as_str()]).collect();
    components.insert(
        "capi".to_owned(),
        json!({
            "type": "archive",
            "description": "the C interface, libv8.h: any compiler, any C++ library, no flag",
            "location": first,
            "includes": [at("include")],
            "requires": further,
            "link_libraries": descriptor.system_libraries,
            "link_flags": frameworks,
        }),
    );
    let defines: Map<String, Value> = macros(descriptor)
        .map(|define| match define.split_once('=') {
            Some((name, value)) => (name.to_owned(), json!(value)),
            None => (define.to_owned(), Value::Null),
        })
        .collect();
    let folders: Vec<String> = descriptor.cxx.include_dirs.iter().map(|folder| at(folder)).collect();
    components.insert(
        "v8".to_owned(),
        json!({
            "type": "interface",
            "description": "V8's own interface, with the C++ library that it was compiled with",
            "requires": [":capi"],
            "compile_features": [descriptor.cxx.standard],
            "compile_flags": { "c++": descriptor.cxx.flags },
            "definitions": { "c++": defines },
            "includes": { "c++": folders },
            "link_flags": ["-nostdlib++"],
        }),
    );
    let runtime = match descriptor.libc.family {
        LibcFamily::Glibc => "gnu",
        LibcFamily::Musl => "musl",
        LibcFamily::Ucrt => "microsoft",
        LibcFamily::LibSystem => "apple",
    };
    let value = json!({
        "cps_version": CPS_VERSION,
        "name": "libv8",
        "description": format!("V8 as a static library ({})", descriptor.name),
        "license": "BSD-3-Clause",
        "version": descriptor.v8_version,
        "version_schema": "simple",
        "compat_version": version_prefix(descriptor, 2),
        "platform": {
            "isa": processor(descriptor),
            "kernel": system(descriptor.libc.family).to_lowercase(),
            "c_runtime_vendor": runtime,
            "c_runtime_version": descriptor.libc.floor,
        },
        "cps_path": "@prefix@/lib/cps",
        "default_components": ["capi"],
        "components": components,
    });
    format!("{value:#}\n")
}
