//! vcpkg's overlay port, which installs the archive that it lies in.

use serde_json::json;
use v8_archive::Descriptor;

use super::{processor, system};

/// `vcpkg.json`.
pub fn manifest(descriptor: &Descriptor) -> String {
    let processor = match processor(descriptor) {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => other,
    };
    let system = match system(descriptor.libc.family) {
        "Darwin" => "osx".to_owned(),
        other => other.to_lowercase(),
    };
    let value = json!({
        "name": "v8",
        "version": descriptor.v8_version,
        "description": format!("V8 as a static library, with a C interface ({})", descriptor.name),
        "license": "BSD-3-Clause",
        "supports": format!("{system} & {processor} & static"),
    });
    format!("{value:#}\n")
}

/// `portfile.cmake`. The build id in it is what makes vcpkg install another archive again.
pub fn port(descriptor: &Descriptor) -> String {
    format!(
        "# {}, for vcpkg: vcpkg install v8 --overlay-ports=FOLDER/vcpkg, where FOLDER is the unpacked archive.\n\
         # Build id: {}\n\
         vcpkg_check_linkage(ONLY_STATIC_LIBRARY)\n\
         # One library for both kinds of build, and CMake's files where they find it.\n\
         set(VCPKG_BUILD_TYPE release)\n\
         set(VCPKG_POLICY_SKIP_LIB_CMAKE_MERGE_CHECK enabled)\n\
         get_filename_component(archive \"${{CURRENT_PORT_DIR}}/../..\" ABSOLUTE)\n\
         file(INSTALL \"${{archive}}/include\" \"${{archive}}/lib\" DESTINATION \"${{CURRENT_PACKAGES_DIR}}\")\n\
         file(INSTALL \"${{archive}}/V8.json\" DESTINATION \"${{CURRENT_PACKAGES_DIR}}/share/v8\")\n\
         file(GLOB licenses \"${{archive}}/licenses/*\")\n\
         vcpkg_install_copyright(FILE_LIST ${{licenses}})\n",
        descriptor.name, descriptor.build_id,
    )
}
