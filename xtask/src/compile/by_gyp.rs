//! Runs Node's configure and gyp, and makes their files fit an archive.

use std::fs;
use std::path::Path;

use super::configure::OVERLAY;
use super::{NINJA_TARGET, library, write_json};
use crate::error::{Error, IoContext as _, Result};
use crate::gyp::ninja::{self, Files, Wanted};
use crate::gyp::{Places, SETTINGS_FILE, Settings, header};
use crate::paths::{files_below, write_whole};
use crate::plan::Plan;
use crate::process;
use crate::toolchain::pins::Host;
use crate::toolchain::{Toolchain, emulator};

/// In the tree: what runs configure and gyp.
const SCRIPT: &str = "libv8/node/generate.py";

/// The file that [`SCRIPT`] is given, in the folder above ninja's.
const REQUEST: &str = "request.json";

/// From ninja's folder to the tree's root: `out/<target>-<variant>/Release`.
const TO_TREE: &str = "../../..";

/// What gyp is asked for; decided before anything is written.
pub struct Request {
    settings: String,
    request: serde_json::Value,
    emulator: Option<String>,
}

impl Request {
    /// Of this plan, with or without sccache in front of the compiler.
    pub fn new(plan: &Plan, settings: &Settings, toolchain: &Toolchain, with_sccache: bool) -> Request {
        let places =
            Places { overlay: OVERLAY, to_tree: TO_TREE, clang_major: toolchain.clang_major, with_sccache };
        let emulator = Host::current().and_then(|host| plan.emulator(host));
        let emulator = emulator.map(|name| format!("{OVERLAY}/bin/{}", emulator::launcher(name)));
        let above = plan.out.parent().unwrap_or(Path::new(""));
        let out =
            above.strip_prefix(&plan.source.folder).unwrap_or(above).to_string_lossy().replace('\\', "/");
        Request {
            settings: settings.file(&plan.row, &places),
            request: settings.request(&plan.source.folder.display().to_string(), &out, emulator.as_deref()),
            emulator,
        }
    }

    /// Everything that ninja's files follow from, for the key of a configured folder.
    pub fn text(&self) -> String {
        format!("gyp 1\n{}\n{}", self.settings, self.request)
    }

    /// Runs both, and rewrites what they wrote.
    pub fn generate(&self, plan: &Plan, settings: &Settings, toolchain: &Toolchain) -> Result<()> {
        let above = plan.out.parent().unwrap_or(Path::new(""));
        let request = above.join(REQUEST);
        write_whole(&above.join(SETTINGS_FILE), &self.settings)?;
        write_json(&request, &self.request)?;
        let bin = toolchain.llvm.join("bin");
        // What it asks of them is the processor, which it takes for the machine's.
        let compiler =
            |name: &str| format!("{} --target={}", bin.join(name).display(), plan.row.clang_target);
        let mut python = process::command("python3");
        python.arg(SCRIPT).arg(&request).current_dir(&plan.source.folder).env("PATH", toolchain.path()?);
        for (name, program) in [("CC", "clang"), ("CXX", "clang++")] {
            python.env(name, compiler(program));
        }
        // They would be taken for wishes.
        for name in ["CC_host", "CXX_host", "CFLAGS", "CXXFLAGS", "LDFLAGS", "PYTHONPATH"] {
            python.env_remove(name);
        }
        process::run_logged(&mut python, &plan.out.join("gyp.log"))?;
        self.rewrite(plan, settings)?;
        write_header(plan)
    }

    fn rewrite(&self, plan: &Plan, settings: &Settings) -> Result<()> {
        let out = &plan.out;
        let mut files = Files::new();
        let main = out.join("build.ninja");
        for path in files_below(&out.join("obj"), "ninja")?.into_iter().chain([main]) {
            let relative =
                path.strip_prefix(out).expect("it lies below").to_string_lossy().replace('\\', "/");
            files.insert(relative, fs::read_to_string(&path).or_io("read", &path)?);
        }
        let emulator = self.emulator.as_ref().map(|emulator| format!("../../{emulator}"));
        let wanted = Wanted {
            library: library(plan),
            target: NINJA_TARGET,
            left_out: settings.left_out(),
            emulator: emulator.as_deref(),
        };
        let done = ninja::prepare(&files, &wanted).map_err(|what| {
            Error::failed(format!("{}: {what}", out.display()))
                .help("this Node's gyp files are new to xtask/src/gyp/ninja.rs")
        })?;
        for (relative, text) in done {
            let path = out.join(relative);
            fs::write(&path, text).or_io("write", &path)?;
        }
        Ok(())
    }
}

/// `v8-gn.h`, where GN would write it.
fn write_header(plan: &Plan) -> Result<()> {
    let base = plan.out.join("obj/tools/v8_gypfiles/v8_base_without_compiler.ninja");
    let defines = ninja::defines(&fs::read_to_string(&base).or_io("read", &base)?);
    let build = plan.source.folder.join(plan.source.kind.v8_folder()).join("BUILD.gn");
    let text = fs::read_to_string(&build).or_io("read", &build)?;
    let macros = header::macros(&text, &defines)
        .map_err(|what| Error::failed(format!("{}: {what}", build.display())))?;
    let path = plan.out.join("gen/v8/include/v8-gn.h");
    let folder = path.parent().expect("it lies in a folder");
    fs::create_dir_all(folder).or_io("create", folder)?;
    let new = header::text(&macros);
    // ninja compiles anew what includes a newer file.
    if fs::read_to_string(&path).is_ok_and(|old| old == new) {
        return Ok(());
    }
    write_whole(&path, new)
}
