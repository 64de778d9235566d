//! What gn, ninja and the compiler say of a tree, without compiling anything in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::compile::{self, configure};
use crate::error::{Error, IoContext as _, Result};
use crate::package;
use crate::plan::Plan;
use crate::process;
use crate::toolchain::Toolchain;

/// What is configured of a V8 on which our own part of the tree does not fit.
pub const V8_ALONE: &str = "//v8:v8_monolith";

/// An argument of a `declare_args()` that GN has read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Declared {
    /// As GN prints it, in this configuration.
    pub default: String,
    /// The comment above it.
    pub comment: String,
    /// `//v8/gni/v8.gni`
    pub file: String,
}

/// What was said of one tree.
#[derive(Debug, Default)]
pub struct Said {
    /// What `gn gen` said if it failed; all else is empty then.
    pub failure: Option<String>,
    /// All arguments that can be set, by name.
    pub declared: BTreeMap<String, Declared>,
    /// The compiler's flags that ours does not know.
    pub unknown_flags: BTreeSet<String>,
    /// What a program that includes V8's headers must define alike, with values.
    pub defines: BTreeMap<String, String>,
    /// The C++ standard that V8's headers are compiled by: `c++23`.
    pub standard: Option<String>,
    /// All files that the library is made of, relative to the tree; headers are not known before they are compiled.
    pub inputs: BTreeSet<String>,
}

/// Configures the plan's target in the tree at `root`, in a folder of its own, and asks. `only` is a target to configure
/// instead of all that an archive is made of.
///
/// # Errors
/// If a program cannot be run or is not understood. That `gn gen` fails is an answer.
pub fn ask(plan: &Plan, toolchain: &Toolchain, root: &Path, only: Option<&str>) -> Result<Said> {
    let name = if only.is_some() { "roll-v8-alone" } else { "roll" };
    let out = root.join("out").join(format!("{name}-{}-{}", plan.target, plan.variant));
    fs::create_dir_all(&out).or_io("create", &out)?;
    let _overlay = configure::link_overlay(root, &toolchain.llvm)?;
    let args = configure::arguments_text(plan, toolchain);
    let args_path = out.join("args.gn");
    fs::write(&args_path, args).or_io("write", &args_path)?;

    let gn = |arguments: &[&str]| {
        let mut gn = process::command(&toolchain.gn);
        gn.args(arguments).arg(&out).arg(format!("--root={}", root.display()));
        gn.arg("--dotfile=libv8/dotfile.gn").args(only.map(|only| format!("--root-target={only}")));
        gn.current_dir(root).env("PATH", toolchain.path()?);
        Ok::<_, Error>(gn)
    };
    let generated = process::output(&mut gn(&["gen"])?)?;
    if !generated.status.success() {
        let said = String::from_utf8_lossy(&generated.stdout).replace(&root.display().to_string(), "//");
        // That is this machine's fault: a full disk.
        if said.contains("Failed to write") {
            return Err(Error::failed(format!("gn cannot write below {}: {}", out.display(), said.trim())));
        }
        return Ok(Said { failure: Some(said.trim().to_owned()), ..Said::default() });
    }
    // Some defaults are the tree's own place.
    let listed =
        process::read(&mut gn(&["args", "--list", "--json"])?)?.replace(&root.display().to_string(), "//");
    let unknown = configure::drop_unknown_flags(&out, &toolchain.clangxx(), &plan.row.clang_target)?;
    let ninja = |arguments: &[&str]| {
        let mut ninja = process::command(&toolchain.ninja);
        ninja.arg("-C").arg(&out).args(arguments).env("PATH", toolchain.path()?);
        process::output(&mut ninja)
    };
    let inputs =
        ninja(&["-t", "inputs", if only.is_some() { "v8_monolith" } else { compile::library(plan) }])?;
    let inside = |line: &str| package::inside(root, &out, line.trim());
    let inputs = String::from_utf8_lossy(&inputs.stdout).lines().filter_map(inside).collect();

    // The header that states them is made by a script of V8's; versions that are older have only the compiler's arguments.
    let header = Path::new("gen/v8/include/v8-gn.h");
    let made = ninja(&[&header.to_string_lossy()])?;
    let header = if made.status.success() {
        fs::read_to_string(out.join(header)).unwrap_or_default()
    } else {
        String::new()
    };
    let rules = fs::read_to_string(out.join("obj/libv8/interface.ninja")).unwrap_or_default();
    Ok(Said {
        failure: None,
        declared: declared(&listed)?,
        unknown_flags: unknown.into_iter().collect(),
        defines: defines(&header, &rules),
        standard: rules
            .split_whitespace()
            .find_map(|word| word.strip_prefix("-std=c++"))
            .map(|of| format!("c++{of}")),
        inputs,
    })
}

/// Reads what `gn args --list --json` prints, behind its warnings.
fn declared(listed: &str) -> Result<BTreeMap<String, Declared>> {
    #[derive(Deserialize)]
    struct Listed {
        name: String,
        default: Value,
        #[serde(default)]
        comment: String,
    }
    #[derive(Deserialize)]
    struct Value {
        value: String,
        #[serde(default)]
        file: String,
    }
    let start = if listed.starts_with('[') { Some(0) } else { listed.find("\n[").map(|at| at + 1) };
    let json = start.map_or("", |start| &listed[start..]);
    let all: Vec<Listed> = serde_json::from_str(json)
        .map_err(|error| Error::failed(format!("gn's list of arguments is not understood: {error}")))?;
    let named = |listed: Listed| {
        let Value { value, file } = listed.default;
        (listed.name, Declared { default: value, comment: listed.comment.trim().to_owned(), file })
    };
    Ok(all.into_iter().map(named).collect())
}

/// The macros of V8's generated header, and of the C++ library as the compiler is told them.
fn defines(header: &str, rules: &str) -> BTreeMap<String, String> {
    let is_of_interest = |name: &str| {
        ["V8_", "CPPGC_", "_LIBCPP_", "CR_LIBCXX_"].iter().any(|prefix| name.starts_with(prefix))
            && name != "V8_GN_HEADER"
    };
    let of_header = header.lines().filter_map(|line| {
        let rest = line.strip_prefix("#define ")?;
        let (name, value) = rest.split_once(' ').unwrap_or((rest, ""));
        // The script of V8 13 writes `#define NAME=0 1` for a macro with a value.
        Some(name.split_once('=').unwrap_or((name, value)))
    });
    let of_rules = rules.lines().filter_map(|line| line.trim_start().strip_prefix("defines = "));
    let of_rules = of_rules.flat_map(str::split_whitespace).filter_map(|word| {
        let rest = word.strip_prefix("-D")?;
        Some(rest.split_once('=').unwrap_or((rest, "1")))
    });
    let all = of_rules.chain(of_header).filter(|(name, _)| is_of_interest(name));
    all.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_arguments() {
        let json = r#"[ { "comment": "Why.\n", "current": { "value": "2" }, "default": { "file": "//a.gni",
            "line": 3, "value": "1" }, "name": "x" } ]"#;
        let expected = Declared { default: "1".into(), comment: "Why.".into(), file: "//a.gni".into() };
        for before in ["", "WARNING at build arg file:\nx = [\n\n"] {
            let found = declared(&format!("{before}{json}\n")).unwrap();
            assert_eq!(found, BTreeMap::from([("x".to_owned(), expected.clone())]));
        }
        assert!(declared("ERROR\n").unwrap_err().to_string().contains("not understood"));
    }

    #[test]
    fn macros() {
        let header =
            "#ifndef V8_A\n#define V8_A 0\n#endif\n#define V8_B\n#define V8_C=0 1\n#define OTHER 1\n";
        let rules = "cflags = -DV8_NOT\ndefines = -DNDEBUG -DCR_LIBCXX_REVISION=abc -DV8_GN_HEADER -DV8_A -D_LIBCPP_X\n";
        let found = defines(header, rules);
        let found: Vec<String> = found.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(found, ["CR_LIBCXX_REVISION=abc", "V8_A=0", "V8_B=", "V8_C=0", "_LIBCPP_X=1"]);
    }
}
