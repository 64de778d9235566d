//! Makes an archive out of a finished build: library, headers, licences, descriptor.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use v8_archive::descriptor::{
    Cxx, CxxRuntime, Descriptor, GnValue, Libc, LibcFamily, Library, License, Patch, Source, TlsModel, Tool,
};
use v8_archive::pack::{PackOptions, Packed};
use v8_archive::{FORMAT, Sha256};

use crate::compile::{self, Build};
use crate::consumer::{self, check};
use crate::error::{Error, IoContext as _, Result};
use crate::gyp;
use crate::library::Format;
use crate::library::normalise::normalise;
use crate::licences;
use crate::paths::remove_folder;
use crate::plan::Plan;
use crate::process;
use crate::toolchain::Toolchain;

/// zstd's level. 19 is the highest that every decoder is expected to read with its default memory.
const ZSTD_LEVEL: i32 = 19;

/// Packs the archive of a finished build. Same build, same bytes.
pub fn package(
    plan: &Plan,
    build: &Build,
    toolchain: &Toolchain,
    repository: &Path,
    threads: u32,
) -> Result<Packed> {
    must_be_built(plan)?;
    let library = build.out.join(compile::library(plan));
    let stage = build.out.join("archive");
    remove_folder(&stage)?;
    let tree = &plan.source.folder;
    stage_headers(tree, plan.source.kind.v8_folder(), &build.out, &stage)?;
    let packed_library = stage.join("lib").join(&plan.row.library);
    make_parent(&packed_library)?;
    normalise(&library, &packed_library)?;
    let licenses = stage_licences(plan, build, toolchain, repository, &stage)?;
    let descriptor = descriptor(plan, build, toolchain, licenses)?;
    stage_for_consumers(&descriptor, &stage)?;

    let output = plan.archive.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(output).or_io("create", output)?;
    let options = PackOptions { zstd_level: ZSTD_LEVEL, threads };
    let packed = v8_archive::pack(&stage, &descriptor, output, plan.format, &options)
        .map_err(|error| Error::failed(error.to_string()))?;
    remove_folder(&stage)?;
    Ok(packed)
}

/// Refuses a plan whose library is not built.
pub fn must_be_built(plan: &Plan) -> Result<()> {
    if compile::is_built(plan) {
        return Ok(());
    }
    Err(Error::usage(format!("there is no finished build of this plan in {}", plan.out.display())).help(
        format!("cargo xtask build-v8 --target {} --variant {}   builds it", plan.target, plan.variant),
    ))
}

/// `include/`: V8's own headers, ours, and the C++ library's that V8's interface is compiled with.
fn stage_headers(tree: &Path, v8: &str, out: &Path, stage: &Path) -> Result<()> {
    let include = stage.join("include");
    let is_header = |path: &Path| path.extension().is_some_and(|extension| extension == "h");
    copy_folder(&tree.join(v8).join("include"), &include, &is_header)?;
    for (from, name) in
        [(out.join("gen/v8/include/v8-gn.h"), "v8-gn.h"), (tree.join("libv8/libv8.h"), "libv8.h")]
    {
        copy_file(&from, &include.join(name))?;
    }
    // As LLVM itself lays them out: the library's, the ABI's, and the site's configuration in one folder.
    let cxx = include.join("c++/v1");
    let is_needed = |path: &Path| {
        // A second copy of all headers for C++03, which V8's own headers cannot be compiled with.
        if path.iter().any(|part| part == "__cxx03") {
            return false;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // Templates of files that are made when the library is configured, and what only clang modules read.
        !name.ends_with(".in") && !name.ends_with(".txt") && !name.ends_with(".modulemap")
    };
    copy_folder(&tree.join("third_party/libc++/src/include"), &cxx, &is_needed)?;
    copy_folder(&tree.join("third_party/libc++abi/src/include"), &cxx, &is_needed)?;
    for name in ["__config_site", "__assertion_handler"] {
        copy_file(&tree.join("buildtools/third_party/libc++").join(name), &cxx.join(name))?;
    }
    Ok(())
}

/// What the archive says to the compilers and build systems of its users, and the line of V8's headers that has them look.
fn stage_for_consumers(descriptor: &Descriptor, stage: &Path) -> Result<()> {
    let config = stage.join(check::CONFIG);
    let text = fs::read_to_string(&config).or_io("read", &config)?;
    let guarded = check::guarded(&text).ok_or_else(|| {
        Error::failed(format!(
            "{} has not the one include guard behind which libv8-check.h is read",
            config.display()
        ))
        .help("look at this V8's include/v8config.h, and change xtask/src/consumer/check.rs")
    })?;
    fs::write(&config, guarded).or_io("write", &config)?;
    for (path, text) in consumer::files(descriptor) {
        let path = stage.join(path);
        make_parent(&path)?;
        fs::write(&path, text).or_io("write", &path)?;
    }
    Ok(())
}

/// `licenses/`: the text of every part that a compiled file belongs to. A file of no known part is an error.
fn stage_licences(
    plan: &Plan,
    build: &Build,
    toolchain: &Toolchain,
    repository: &Path,
    stage: &Path,
) -> Result<Vec<License>> {
    let table = licences::load(repository).map_err(|faults| Error::usage(faults.to_string()))?;
    let table = table.for_tree(plan.source.kind, plan.source.v8_version);
    let stale = table.stale_paths(&plan.source.folder);
    // The table's paths are those of the pinned V8; Node's is an older one.
    if !stale.is_empty() && plan.source.kind != crate::source::Kind::Node {
        return Err(Error::usage(format!(
            "licenses/parts.toml names what this V8 has not: {}",
            stale.join(", ")
        ))
        .help("see licenses/README.md for what to do at a new V8"));
    }
    let inputs = inputs(plan, build, toolchain)?;
    let unused = plan.gyp.as_ref().map_or(&[][..], gyp::Settings::unused_folders);
    let inputs: BTreeSet<String> = inputs
        .iter()
        .filter(|path| !unused.iter().any(|folder| path.starts_with(folder)))
        .map(|path| licences::usual_path(plan.source.kind, path))
        .collect();
    let parts = table.parts_for(inputs.iter().map(String::as_str)).map_err(|uncovered| {
        Error::usage(format!("no part of licenses/parts.toml covers: {}", uncovered.join(", ")))
            .help("see licenses/README.md for what to do at a new V8")
    })?;
    let mut licenses = Vec::new();
    for part in parts {
        let from = part.text_path(repository);
        let file = format!("licenses/{}", from.file_name().unwrap_or_default().to_string_lossy());
        copy_file(&from, &stage.join(&file))?;
        licenses.push(License {
            part: part.name.clone(),
            spdx: part.spdx.clone(),
            file,
            source: part.source.clone(),
        });
    }
    Ok(licenses)
}

/// Everything that the library is made of, relative to the tree: sources, and the headers they read.
fn inputs(plan: &Plan, build: &Build, toolchain: &Toolchain) -> Result<BTreeSet<String>> {
    let ninja = |arguments: &[&str]| {
        let mut command = process::command(&toolchain.ninja);
        command.arg("-C").arg(&build.out).args(arguments);
        process::read(&mut command)
    };
    let sources = ninja(&["-t", "inputs", compile::library(plan)])?;
    let ending = compile::object_ending(plan);
    let objects: BTreeSet<&str> = sources.lines().filter(|line| line.ends_with(ending)).collect();
    let deps = ninja(&["-t", "deps"])?;
    let mut found: BTreeSet<String> = BTreeSet::new();
    let mut add = |path: &str| found.extend(inside(&plan.source.folder, &build.out, path.trim()));
    sources.lines().for_each(&mut add);
    let mut wanted = false;
    for line in deps.lines() {
        if let Some(header) = line.strip_prefix("    ") {
            if wanted {
                add(header);
            }
        } else if let Some((object, _)) = line.split_once(": #deps") {
            wanted = objects.contains(object);
        }
    }
    Ok(found)
}

/// A path as ninja knows it, relative to the tree; nothing if it lies outside, or was generated.
pub fn inside(tree: &Path, out: &Path, path: &str) -> Option<String> {
    let mut normal = PathBuf::new();
    for part in out.join(path).components() {
        match part {
            std::path::Component::ParentDir => drop(normal.pop()),
            other => normal.push(other),
        }
    }
    let relative = normal.strip_prefix(tree).ok()?;
    let text = relative.to_str()?.replace('\\', "/");
    // What is generated is made from inputs that are in the list themselves.
    (!text.starts_with("out/")).then_some(text)
}

fn descriptor(
    plan: &Plan,
    build: &Build,
    toolchain: &Toolchain,
    licenses: Vec<License>,
) -> Result<Descriptor> {
    let digest = |text: &str| {
        text.parse::<Sha256>().map_err(|error| Error::failed(format!("{text:?} is no SHA-256: {error}")))
    };
    let patches = plan
        .source
        .patches
        .iter()
        .map(|patch| Ok(Patch { name: patch.name.clone(), sha256: digest(&patch.sha256)? }));
    // Of these, only what decides bytes of the library: gn, ninja and sccache do not.
    let tools = toolchain.entries.iter().filter(|entry| entry.name == "zig" || entry.name == "clang");
    let tools = tools.filter_map(|entry| {
        let sha256 = entry.sha256.as_deref()?;
        Some(digest(sha256).map(|sha256| Tool {
            name: entry.name.clone(),
            version: entry.version.clone(),
            sha256,
        }))
    });
    let described = plan.source.origin.described();
    let family = libc_family(&plan.row.libc.family)?;
    let mut descriptor = Descriptor {
        format: FORMAT,
        name: String::new(),
        v8_version: plan.v8_version.clone(),
        target: plan.target.clone(),
        variant: plan.variant.clone(),
        build_id: plan.build_id,
        source: Source {
            kind: plan.source.kind.name().to_owned(),
            package: described.package,
            version: described.version,
            sha256: digest(&described.sha256)?,
        },
        patches: patches.collect::<Result<_>>()?,
        gn_args: plan
            .gn_args
            .iter()
            .map(|(name, argument)| (name.clone(), gn_value(&argument.value)))
            .collect(),
        defines: vec!["V8_GN_HEADER".to_owned()],
        cxx: cxx(plan, build, toolchain)?,
        libraries: vec![Library { name: "v8".to_owned(), path: format!("lib/{}", plan.row.library) }],
        system_libraries: plan.row.system_libraries.clone(),
        frameworks: plan.row.frameworks.clone(),
        cxx_runtime: CxxRuntime {
            name: "libc++".to_owned(),
            abi_namespace: "__Cr".to_owned(),
            bundled: true,
        },
        tls_model: match Format::of_system(family) {
            Format::Elf => TlsModel::LocalDynamic,
            Format::Coff | Format::MachO => TlsModel::Platform,
        },
        libc: Libc { family, floor: plan.row.libc.floor.clone() },
        features: plan.features.clone(),
        toolchain: tools.collect::<Result<_>>()?,
        dropped_flags: build.dropped_flags.clone(),
        licenses,
        files: Vec::new(),
    };
    descriptor.name =
        descriptor.archive_name(plan.format).map_err(|error| Error::failed(error.to_string()))?.stem();
    Ok(descriptor)
}

/// The value of a GN argument as a descriptor has it.
pub fn gn_value(text: &str) -> GnValue {
    match text {
        "true" => GnValue::Bool(true),
        "false" => GnValue::Bool(false),
        _ => match text.parse() {
            Ok(number) => GnValue::Integer(number),
            Err(_) => GnValue::String(text.trim_matches('"').to_owned()),
        },
    }
}

fn libc_family(name: &str) -> Result<LibcFamily> {
    match name {
        "glibc" => Ok(LibcFamily::Glibc),
        "musl" => Ok(LibcFamily::Musl),
        "ucrt" | "msvc" => Ok(LibcFamily::Ucrt),
        "libSystem" => Ok(LibcFamily::LibSystem),
        _ => Err(Error::usage(format!("targets.toml names an unknown libc {name:?}"))),
    }
}

/// What a C++ program that uses V8's headers must be compiled with: asked of the build, not kept by hand.
fn cxx(plan: &Plan, build: &Build, toolchain: &Toolchain) -> Result<Cxx> {
    let mut command = process::command(&toolchain.ninja);
    let object = format!("obj/libv8/interface/libv8{}", compile::object_ending(plan));
    command.arg("-C").arg(&build.out).args(["-t", "commands", "-s", &object]);
    let line = process::read(&mut command)?;
    let words: Vec<&str> = line.split_whitespace().collect();
    let standard = cxx_standard(&words);
    // The C++ library's layout depends on these; V8's own come with v8-gn.h.
    let mut defines: Vec<String> = words
        .iter()
        .filter_map(|word| word.strip_prefix("-D"))
        .filter(|define| {
            ["_LIBCPP", "_LIBCXXABI", "CR_LIBCXX"].iter().any(|prefix| define.starts_with(prefix))
        })
        .map(str::to_owned)
        .collect();
    defines.sort();
    defines.dedup();
    if plan.row.libc.family == "glibc" {
        // V8's own flags; with them the headers see 64-bit file offsets as the library does.
        defines.push("_GNU_SOURCE".to_owned());
    }
    Ok(Cxx {
        standard,
        flags: ["-nostdinc++", "-fno-exceptions", "-fno-rtti"].map(str::to_owned).to_vec(),
        defines,
        include_dirs: ["include", "include/c++/v1"].map(str::to_owned).to_vec(),
    })
}

/// The standard that a compiler is told, by its own command line or by Microsoft's.
fn cxx_standard(words: &[&str]) -> String {
    let mut told =
        words.iter().rev().filter_map(|word| word.strip_prefix("-std=").or(word.strip_prefix("/std:")));
    let standard = told.next().unwrap_or("c++20");
    // V8's headers are of the standard's language, whatever extensions V8 itself is compiled with.
    standard.replace("gnu++", "c++").replace("preview", "")
}

fn make_parent(path: &Path) -> Result<()> {
    let parent = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent).or_io("create", parent)
}

fn copy_file(from: &Path, to: &Path) -> Result<()> {
    make_parent(to)?;
    fs::copy(from, to).or_io("copy", from).map(drop)
}

fn copy_folder(from: &Path, to: &Path, wanted: &dyn Fn(&Path) -> bool) -> Result<()> {
    for entry in fs::read_dir(from).or_io("read", from)? {
        let path = entry.or_io("read", from)?.path();
        let to = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy_folder(&path, &to, wanted)?;
        } else if wanted(&path) {
            copy_file(&path, &to)?;
        }
    }
    Ok(())
}

/// How large the libraries in an archive are.
pub fn library_bytes(packed: &Packed) -> u64 {
    let libraries = &packed.descriptor.libraries;
    let is_library = |path: &str| libraries.iter().any(|library| library.path == path);
    packed.descriptor.files.iter().filter(|file| is_library(&file.path)).map(|file| file.size_bytes).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_is_what_the_compiler_is_told_last() {
        assert_eq!(cxx_standard(&["clang++", "-std=c++17", "-std=gnu++23"]), "c++23");
        assert_eq!(cxx_standard(&["clang-cl", "/std:c++23preview", "/TP"]), "c++23");
        assert_eq!(cxx_standard(&["clang++", "-c", "x.cc"]), "c++20");
    }

    #[test]
    fn paths_of_ninja_become_paths_of_the_tree() {
        let check = |path: &str, expected: Option<&str>| {
            let found = inside(Path::new("/c/tree"), Path::new("/c/tree/out/x"), path);
            assert_eq!(found.as_deref(), expected, "{path}");
        };
        check("../../v8/src/a.cc", Some("v8/src/a.cc"));
        check("../../third_party/x/../y/b.h", Some("third_party/y/b.h"));
        check("gen/v8/torque.cc", None);
        check("/usr/include/stdio.h", None);
        check("/c/tree/v8/a.h", Some("v8/a.h"));
    }

    #[test]
    fn headers_are_those_that_a_user_of_v8_may_read() {
        let folder = tempfile::tempdir().unwrap();
        let [tree, stage] = ["tree", "stage"].map(|name| folder.path().join(name));
        let cxx = "third_party/libc++/src/include";
        for path in [
            "v8/include/v8.h",
            "v8/include/OWNERS",
            "libv8/libv8.h",
            "out/x/gen/v8/include/v8-gn.h",
            &format!("{cxx}/vector"),
            &format!("{cxx}/__vector/vector.h"),
            &format!("{cxx}/__cxx03/__vector/vector.h"),
            &format!("{cxx}/module.modulemap"),
            &format!("{cxx}/CMakeLists.txt"),
            "third_party/libc++abi/src/include/cxxabi.h",
            "buildtools/third_party/libc++/__config_site",
            "buildtools/third_party/libc++/__assertion_handler",
        ] {
            let path = tree.join(path);
            make_parent(&path).unwrap();
            fs::write(&path, "").unwrap();
        }
        stage_headers(&tree, "v8", &tree.join("out/x"), &stage).unwrap();
        let mut found = Vec::new();
        let mut folders = vec![stage.join("include")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.push(path.strip_prefix(&stage).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        found.sort();
        assert_eq!(
            found,
            [
                "include/c++/v1/__assertion_handler",
                "include/c++/v1/__config_site",
                "include/c++/v1/__vector/vector.h",
                "include/c++/v1/cxxabi.h",
                "include/c++/v1/vector",
                "include/libv8.h",
                "include/v8-gn.h",
                "include/v8.h",
            ]
        );
    }

    #[test]
    fn gn_values_keep_their_kind() {
        assert_eq!(gn_value("true"), GnValue::Bool(true));
        assert_eq!(gn_value("3"), GnValue::Integer(3));
        assert_eq!(gn_value("\"x64\""), GnValue::String("x64".to_owned()));
    }
}
