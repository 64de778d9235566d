//! GN arguments for Node's gyp files: one table, and the file of settings that gyp is given.
//!
//! Node's V8 is built by Node's own build files. What `gn-args/` decides holds for it too: each argument has a row in
//! [`TABLE`] that says what it is there. What no row knows is refused, so that no decision is lost on the way.

pub mod header;
pub mod ninja;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Value, json};

use self::Meaning::{Always, Any, Cpu, Define, Variable};
use crate::error::{Error, Kind, Result};
use crate::layers::Arguments;
use crate::matrix::Target;

/// What gyp calls the one that is optimised and without assertions; its folder has that name.
pub const CONFIGURATION: &str = "Release";

/// What a GN argument is in gyp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// A variable of Node's gyp files, 0 or 1.
    Variable(&'static str),
    /// A macro of V8 that Node's gyp files never define, and we do if the argument is true.
    Define(&'static str),
    /// So it is by Node's gyp files or our settings, and in no other way.
    Always(&'static str),
    /// The processor.
    Cpu,
    /// Nothing: a place that gyp is told by the compiler's flags.
    Any,
}

/// Every argument of `gn-args/` for Linux, in the order of names.
const TABLE: &[(&str, Meaning)] = &[
    ("clang_use_chrome_plugins", Always("false")),
    ("enable_rust", Always("false")),
    ("enable_rust_cxx", Always("false")),
    // ICU's data is linked, unless configure is told a folder for it.
    ("icu_use_data_file", Always("false")),
    ("is_component_build", Always("false")),
    ("is_debug", Always("false")),
    // configure's --enable-lto, which we do not give.
    ("is_official_build", Always("false")),
    ("symbol_level", Always("0")),
    ("target_cpu", Cpu),
    ("target_sysroot_dir", Any),
    ("treat_warnings_as_errors", Always("false")),
    ("use_clang_modules", Always("false")),
    // libv8.gyp and our settings bring it.
    ("use_custom_libcxx", Always("true")),
    ("use_custom_libunwind", Always("true")),
    ("use_dummy_lastchange", Always("true")),
    ("use_glib", Always("false")),
    ("use_llvm_libatomic", Always("false")),
    ("use_musl", Always("true")),
    ("use_sysroot", Always("true")),
    ("v8_enable_fuzztest", Always("false")),
    ("v8_enable_i18n_support", Variable("v8_enable_i18n_support")),
    ("v8_enable_lite_mode", Variable("v8_enable_lite_mode")),
    ("v8_enable_maglev", Variable("v8_enable_maglev")),
    ("v8_enable_pointer_compression", Variable("v8_enable_pointer_compression")),
    ("v8_enable_sandbox", Variable("v8_enable_sandbox")),
    ("v8_enable_sparkplug", Variable("v8_enable_sparkplug")),
    ("v8_enable_temporal_support", Variable("v8_enable_temporal_support")),
    ("v8_enable_turbofan", Variable("v8_enable_turbofan")),
    ("v8_enable_webassembly", Variable("v8_enable_webassembly")),
    // Written by `header` from what gyp made.
    ("v8_generate_external_defines_header", Always("true")),
    ("v8_jitless", Define("V8_JITLESS")),
    ("v8_monolithic", Always("true")),
    // configure's --shared: position-independent code, and V8_TLS_USED_IN_LIBRARY.
    ("v8_monolithic_for_shared_library", Always("true")),
    ("v8_use_external_startup_data", Always("false")),
    ("v8_use_zlib", Variable("v8_use_zlib")),
];

/// What Node sets, and an archive does not, whatever is asked for: variable, value, why.
const FIXED: [(&str, &str, &str); 3] = [
    // Node takes another seed for each build of it: no two archives would be the same. This is V8's own.
    ("v8_random_seed", "314159265", "same inputs, same bytes"),
    // Its names (__jit_debug_register_code) are also LLVM's, and a program may have both.
    ("v8_enable_gdbjit", "0", "no names that are not V8's own"),
    ("v8_postmortem_support", "0", "data for debuggers of Node's own programs"),
];

/// What a plan says of gyp.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Settings {
    /// gyp's name of the processor.
    pub cpu: String,
    /// gyp variables by name.
    pub variables: BTreeMap<String, String>,
    /// Macros for every compile.
    pub defines: Vec<String>,
}

/// What the arguments are for Node's gyp files. Pure.
///
/// # Errors
/// Arguments that the table does not know, and values that gyp cannot have, all together.
pub fn translate(arguments: &Arguments) -> Result<Settings> {
    let mut variables: BTreeMap<String, String> =
        FIXED.iter().map(|(name, value, _)| ((*name).to_owned(), (*value).to_owned())).collect();
    let (mut cpu, mut defines, mut faults) = (None, Vec::new(), Vec::new());
    for (name, argument) in arguments {
        let value = argument.value.trim_matches('"');
        let truth = match value {
            "true" => Some("1"),
            "false" => Some("0"),
            _ => None,
        };
        let meaning = TABLE.iter().find(|(row, _)| row == name).map(|(_, meaning)| *meaning);
        match (meaning, truth) {
            (Some(Variable(variable)), Some(truth)) => {
                variables.insert(variable.to_owned(), truth.to_owned());
            }
            (Some(Define(macro_name)), Some("1")) => defines.push(macro_name.to_owned()),
            (Some(Define(_)), Some(_)) | (Some(Any), _) => {}
            (Some(Always(only)), _) if only == value => {}
            (Some(Always(only)), _) => {
                faults.push(format!(
                    "{name} = {value} ({}.gn): Node's build files know only {only}",
                    argument.layer
                ));
            }
            (Some(Cpu), _) if ["x64", "arm64"].contains(&value) => cpu = Some(value.to_owned()),
            (Some(_), _) => {
                faults.push(format!("{name} = {value} ({}.gn): gyp has no such value", argument.layer))
            }
            (None, _) => {
                faults
                    .push(format!("{name} ({}.gn): xtask/src/gyp/mod.rs has no row for it", argument.layer));
            }
        }
    }
    match cpu {
        Some(cpu) if faults.is_empty() => Ok(Settings { cpu, variables, defines }),
        Some(_) => {
            Err(Error::all(Kind::Usage, "the source node cannot be built with these GN arguments", &faults))
        }
        None => {
            faults.push("target_cpu is not set".to_owned());
            Err(Error::all(Kind::Usage, "the source node cannot be built with these GN arguments", &faults))
        }
    }
}

/// Where things are, seen from ninja's folder and from the tree.
pub struct Places<'a> {
    /// The overlay, relative to the tree.
    pub overlay: &'a str,
    /// From ninja's folder to the tree: `../../..`.
    pub to_tree: &'a str,
    /// Major version of clang, which its folder of resources is called by.
    pub clang_major: u32,
    /// Whether sccache stands in front of the compiler.
    pub with_sccache: bool,
}

impl Settings {
    /// For people: what gyp is told beyond Node's own settings.
    pub fn lines(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.variables {
            let _ = writeln!(text, "    {name} = {value}");
        }
        for define in &self.defines {
            let _ = writeln!(text, "    -D{define}");
        }
        text
    }

    /// Targets of Node's gyp files that are compiled, and that this V8 does not use.
    pub fn left_out(&self) -> &'static [&'static str] {
        if self.is_on("v8_use_zlib") { &[] } else { &["v8_zlib"] }
    }

    /// The folders of [`Settings::left_out`]: what lies there is in programs of the build alone.
    pub fn unused_folders(&self) -> &'static [&'static str] {
        if self.is_on("v8_use_zlib") { &[] } else { &["deps/v8/third_party/zlib/"] }
    }

    /// Whether a variable is set to 1, or not set.
    fn is_on(&self, variable: &str) -> bool {
        self.variables.get(variable).is_none_or(|value| value == "1")
    }

    /// Arguments of Node's configure: of what it decides only V8 is built.
    pub fn configure(&self) -> Vec<String> {
        let mut arguments: Vec<String> = [
            "--shared",
            "--ninja",
            "--without-npm",
            "--without-ssl",
            "--dest-os=linux",
            // The programs of the build are the target's, under an emulator if need be: one set of steps, none twice.
            "--no-cross-compiling",
        ]
        .map(str::to_owned)
        .to_vec();
        arguments.push(format!("--dest-cpu={}", self.cpu));
        let intl = if self.is_on("v8_enable_i18n_support") { "full-icu" } else { "none" };
        arguments.push(format!("--with-intl={intl}"));
        arguments
    }

    /// The file that gyp reads after Node's own.
    pub fn file(&self, row: &Target, places: &Places<'_>) -> String {
        let Places { overlay, to_tree, clang_major, with_sccache } = places;
        let beside = format!("{to_tree}/{overlay}");
        let target = format!("--target={}", row.clang_target);
        let sysroot = format!("--sysroot={beside}/sysroots/{}", row.sysroot);
        let is_musl = row.libc.family == "musl";

        let mut tools = vec![
            ["CC".to_owned(), format!("{overlay}/bin/clang")],
            ["CXX".to_owned(), format!("{overlay}/bin/clang++")],
            ["LINK".to_owned(), format!("{overlay}/bin/clang++")],
            ["AR".to_owned(), format!("{overlay}/bin/llvm-ar")],
        ];
        if *with_sccache {
            tools.extend(
                ["CC", "CXX"].map(|name| [format!("{name}_wrapper"), format!("{overlay}/bin/sccache")]),
            );
        }
        let mut defines = self.defines.clone();
        defines.extend(
            [
                "__DATE__=",
                "__TIME__=",
                "__TIMESTAMP__=",
                "_LIBCPP_DISABLE_VISIBILITY_ANNOTATIONS",
                "_LIBCPP_HARDENING_MODE=_LIBCPP_HARDENING_MODE_EXTENSIVE",
                "_LIBCPP_INSTRUMENTED_WITH_ASAN=0",
                "_LIBCXXABI_DISABLE_VISIBILITY_ANNOTATIONS",
            ]
            .map(str::to_owned),
        );
        let mut flags = vec![target.clone(), sysroot.clone()];
        flags.extend(
            [
                "-no-canonical-prefixes",
                "-ffile-compilation-dir=.",
                "-fno-ident",
                // JavaScript's arithmetic knows no fused operations; V8's own build files say it too.
                "-ffp-contract=off",
                "-fdata-sections",
                "-ffunction-sections",
                "-g0",
                "-Wno-builtin-macro-redefined",
            ]
            .map(str::to_owned),
        );
        if self.cpu == "arm64" {
            // They would call the compiler's runtime library, of which the archive has nothing.
            flags.push("-mno-outline-atomics".to_owned());
        }
        let runtime = [
            "-nostdinc++".to_owned(),
            format!("-I{to_tree}/buildtools/third_party/libc++"),
            format!("-isystem{to_tree}/third_party/libc++/src/include"),
            format!("-isystem{to_tree}/third_party/libc++abi/src/include"),
        ];
        let mut link = vec![target, sysroot];
        link.extend(
            ["-no-canonical-prefixes", "-fuse-ld=lld", "-nostdlib++", "--unwindlib=none"].map(str::to_owned),
        );
        if is_musl {
            link.extend(["-rtlib=compiler-rt", "-static"].map(str::to_owned));
        }
        let builtins = format!(
            "{beside}/lib/clang/{clang_major}/lib/{}/libclang_rt.builtins.a",
            with_vendor(&row.clang_target)
        );
        let settings = json!({
            "make_global_settings": tools,
            "variables": self.variables,
            "target_defaults": {
                "defines": defines,
                "cflags": flags,
                "cflags_cc": runtime,
                "ldflags": link,
                "libraries": [builtins, "-lpthread"],
                // In compiler-rt's builtins.
                "libraries!": ["-latomic"],
            },
        });
        format!("# Written by cargo xtask for this target and variant.\n{}\n", python(&settings))
    }

    /// What `embed/node/generate.py` is asked for; `out` is relative to the tree.
    pub fn request(&self, tree: &str, out: &str, emulator: Option<&str>) -> Value {
        let mut variables = json!({
            "python": "python3",
            "component": "static_library",
            "library": "static_library",
            "configuring_node": "1",
        });
        if let Some(emulator) = emulator {
            // Seen from the folders of gyp files, all of which lie two below the tree.
            variables["emulator"] = json!(format!("../../{emulator}"));
        }
        json!({
            "tree": tree,
            "out": out,
            "configure": self.configure(),
            "settings": [format!("{out}/{SETTINGS_FILE}")],
            "variables": variables,
        })
    }
}

/// The name of [`Settings::file`], in the folder above ninja's.
pub const SETTINGS_FILE: &str = "libv8.gypi";

/// clang's folders are called by triples of four parts.
fn with_vendor(triple: &str) -> String {
    match triple.split('-').collect::<Vec<_>>().as_slice() {
        [cpu, system, libc] => format!("{cpu}-unknown-{system}-{libc}"),
        _ => triple.to_owned(),
    }
}

/// JSON without `true`, `false` and `null` is Python, of which gyp files are made.
fn python(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("strings only")
}

#[cfg(test)]
mod tests;
