//! pkg-config's files. Paths start at `${pcfiledir}`, the folder of the file itself: an archive works where it is unpacked.

use v8_archive::Descriptor;

use super::{features, macros, system_words};

/// `v8-capi.pc`: the C interface.
pub fn capi(descriptor: &Descriptor) -> String {
    // The files themselves and not -L and -l: no other libv8 of the system can come in between.
    let mut libraries: Vec<String> =
        descriptor.libraries.iter().map(|library| format!("${{prefix}}/{}", library.path)).collect();
    libraries.extend(system_words(descriptor));
    format!(
        "{}Name: V8, C interface\n\
         Description: JavaScript through libv8.h, for any compiler ({})\n\
         Version: {}\n\
         Cflags: -I${{prefix}}/include\n\
         Libs: {}\n",
        head(descriptor),
        descriptor.name,
        descriptor.v8_version,
        libraries.join(" "),
    )
}

/// `v8.pc`: V8's own interface.
pub fn v8(descriptor: &Descriptor) -> String {
    let cxx = &descriptor.cxx;
    let mut flags = vec![format!("-std={}", cxx.standard)];
    flags.extend(cxx.flags.iter().cloned());
    flags.extend(macros(descriptor).map(|define| format!("-D{define}")));
    flags.extend(cxx.include_dirs.iter().map(|folder| format!("-isystem ${{prefix}}/{folder}")));
    format!(
        "{}Name: V8\n\
         Description: V8's own C++ interface, with the C++ library it was compiled with ({})\n\
         Version: {version}\n\
         Requires: v8-capi = {version}\n\
         Cflags: {}\n\
         Libs: -nostdlib++\n",
        head(descriptor),
        descriptor.name,
        flags.join(" "),
        version = descriptor.v8_version,
    )
}

fn head(descriptor: &Descriptor) -> String {
    format!(
        "prefix=${{pcfiledir}}/../..\ntarget={}\nvariant={}\nfeatures={}\n\n",
        descriptor.target,
        descriptor.variant,
        features(descriptor, true).join(" "),
    )
}
