//! Bazel's files at the archive's root: a module that others depend on by `local_path_override` or `archive_override`.

use v8_archive::Descriptor;

use super::{macros, processor, system, system_words};

/// `MODULE.bazel`.
pub fn module(descriptor: &Descriptor) -> String {
    format!(
        "\"\"\"{}, for Bazel: see BUILD.bazel.\"\"\"\n\n\
         module(name = \"v8\", version = \"{}\")\n\n\
         bazel_dep(name = \"platforms\", version = \"0.0.11\")\n\
         bazel_dep(name = \"rules_cc\", version = \"0.1.1\")\n",
        descriptor.name, descriptor.v8_version,
    )
}

/// `BUILD.bazel`.
pub fn build(descriptor: &Descriptor) -> String {
    let os = match system(descriptor.libc.family) {
        "Darwin" => "macos".to_owned(),
        other => other.to_lowercase(),
    };
    let mut libraries = String::new();
    let mut names = Vec::new();
    for library in &descriptor.libraries {
        let name = format!("{}_library", library.name);
        libraries += &format!(
            "\ncc_import(\n    name = \"{name}\",\n    static_library = \"{}\",\n    \
             visibility = [\"//visibility:private\"],\n)\n",
            library.path
        );
        names.push(format!(":{name}"));
    }
    format!(
        "\"\"\"{name}\n\n\
         :capi  the C interface, libv8.h: any compiler, any C++ library, no flag\n\
         :v8    V8's own interface, v8.h: by clang, with the C++ library of the archive. Bazel hands no flags of the\n       \
                compiler on to those who depend on it: theirs are COPTS of v8.bzl.\n\
         \"\"\"\n\n\
         load(\"@rules_cc//cc:defs.bzl\", \"cc_import\", \"cc_library\")\n\
         load(\":v8.bzl\", \"DEFINES\", \"LINKOPTS\")\n\n\
         package(default_visibility = [\"//visibility:public\"])\n\n\
         exports_files([\"V8.json\"])\n\n\
         COMPATIBLE = [\n    \"@platforms//cpu:{cpu}\",\n    \"@platforms//os:{os}\",\n]\n\
         {libraries}\n\
         cc_library(\n    name = \"capi\",\n    hdrs = [\"include/libv8.h\"],\n    includes = [\"include\"],\n    \
         linkopts = LINKOPTS,\n    target_compatible_with = COMPATIBLE,\n    deps = {deps},\n)\n\n\
         cc_library(\n    name = \"v8\",\n    hdrs = glob([\"include/**\"]),\n    defines = DEFINES,\n    \
         includes = {includes},\n    linkopts = [\"-nostdlib++\"],\n    target_compatible_with = COMPATIBLE,\n    \
         deps = [\":capi\"],\n)\n",
        name = descriptor.name,
        cpu = processor(descriptor),
        deps = list(4, names),
        includes = list(4, descriptor.cxx.include_dirs.iter().cloned()),
    )
}

/// `v8.bzl`: what rules of others need to be told.
pub fn constants(descriptor: &Descriptor) -> String {
    let mut copts = vec![format!("-std={}", descriptor.cxx.standard)];
    copts.extend(descriptor.cxx.flags.iter().cloned());
    format!(
        "\"\"\"What {} needs of a compiler.\"\"\"\n\n\
         # `copts` of every C++ rule that depends on :v8.\nCOPTS = {}\n\n\
         # Handed on by :v8.\nDEFINES = {}\n\n\
         # Handed on by :capi.\nLINKOPTS = {}\n",
        descriptor.name,
        list(0, copts),
        list(0, macros(descriptor).map(str::to_owned)),
        list(0, system_words(descriptor)),
    )
}

/// A list in Starlark as buildifier writes it, behind `indent` spaces: one item a line, unless there is only one.
fn list(indent: usize, items: impl IntoIterator<Item = String>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| format!("{item:?}")).collect();
    if items.len() < 2 {
        return format!("[{}]", items.concat());
    }
    let (inner, outer) = (" ".repeat(indent + 4), " ".repeat(indent));
    format!("[\n{}{outer}]", items.iter().map(|item| format!("{inner}{item},\n")).collect::<String>())
}
