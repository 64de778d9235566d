//! The plan as a whole, and the doing with small fake programs: compilers that write shell scripts instead of programs.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use v8_archive::descriptor::{Cxx, CxxRuntime, Libc, LibcFamily, Library, Source, TlsModel};
use v8_archive::{Descriptor, Format, PackOptions, Sha256};

use super::plan::{SmokePlan, Speaks};
use super::table::Expectation;
use super::transcript::Check;
use super::{Emulator, Inputs, Linker, Machine, Table, Zig, run};
use crate::process;
use crate::smoke::rust::Foreign;
use crate::toolchain::{pins, rust::Rust};

fn descriptor(variant: &str) -> Descriptor {
    let whole = variant == "release";
    Descriptor {
        format: v8_archive::FORMAT,
        name: format!("libv8-15.2.124.1-x86_64-unknown-linux-gnu-{variant}"),
        v8_version: "15.2.124.1".into(),
        target: "x86_64-unknown-linux-gnu".into(),
        variant: variant.into(),
        build_id: Sha256::of_bytes(b"id"),
        source: Source {
            kind: "crate".into(),
            package: "v8".into(),
            version: "152.2.0".into(),
            sha256: Sha256::of_bytes(b"source"),
        },
        patches: vec![],
        gn_args: BTreeMap::new(),
        defines: vec!["V8_GN_HEADER".into()],
        cxx: Cxx {
            standard: "c++23".into(),
            flags: vec!["-fno-rtti".into(), "-nostdinc++".into()],
            defines: vec!["_LIBCPP_HARDENING_MODE=_LIBCPP_HARDENING_MODE_EXTENSIVE".into()],
            include_dirs: vec!["include".into(), "include/c++/v1".into()],
        },
        libraries: vec![Library { name: "v8".into(), path: "lib/libv8.a".into() }],
        system_libraries: vec!["pthread".into(), "m".into()],
        frameworks: vec![],
        cxx_runtime: CxxRuntime { name: "libc++".into(), abi_namespace: "__Cr".into(), bundled: true },
        tls_model: TlsModel::LocalDynamic,
        libc: Libc { family: LibcFamily::Glibc, floor: "2.28".into() },
        features: [("jit", whole), ("webassembly", whole), ("intl", whole), ("temporal", false)]
            .map(|(name, on)| (name.to_owned(), on))
            .into(),
        toolchain: vec![],
        dropped_flags: vec![],
        licenses: vec![],
        files: vec![],
    }
}

const TABLE: &str = r#"
[[row]]
name = "one"
source = "1 + 1"
expect = "2"
[[row]]
name = "two"
source = "throw new TypeError('x')"
throws = "TypeError: x"
stack = "at two.js:1:7"
[[row]]
name = "three"
needs = ["intl", "webassembly"]
source = "typeof Intl"
expect = "object"
"#;

fn table() -> Table {
    Table::parse(TABLE, Path::new("table.toml")).unwrap_or_else(|error| panic!("{error}"))
}

fn plan(descriptor: &Descriptor, linker: &Linker, folder: &Path) -> SmokePlan {
    let inputs = Inputs {
        descriptor,
        archive: &folder.join("libv8.tar.zst"),
        linker,
        table: &table(),
        repository: &folder.join("repository"),
        scratch: &folder.join("cache/smoke"),
        logs: &folder.join("logs"),
    };
    SmokePlan::new(&inputs).unwrap_or_else(|error| panic!("{error}"))
}

fn linker(folder: &Path) -> Linker {
    Linker {
        clang: folder.join("bin/clang"),
        clangxx: folder.join("bin/clang++"),
        target: "x86_64-unknown-linux-gnu".into(),
        clang_target: "x86_64-linux-gnu".into(),
        sysroot: folder.join("sysroot"),
        rustc: Some(folder.join("bin/rustc")),
        rust: None,
        system_cxx: Some(folder.join("bin/c++")),
        gnu_ld: Ok(folder.join("bin/ld")),
        zig: Some(Zig {
            program: folder.join("bin/zig"),
            target: "x86_64-linux-gnu.2.28".into(),
            cache: folder.join("cache/zig"),
        }),
        machine: Machine::default(),
    }
}

/// The linker of a machine that tries programs for musl on another processor.
fn foreign_linker(folder: &Path) -> Linker {
    let emulator = |command: &[&str], version: &str| Emulator {
        command: command.iter().map(|word| word.replace("<t>", &folder.display().to_string())).collect(),
        version: format!("qemu-aarch64 version {version} (Debian)"),
    };
    Linker {
        target: "aarch64-unknown-linux-musl".into(),
        clang_target: "aarch64-linux-musl".into(),
        rustc: None,
        system_cxx: None,
        gnu_ld: Ok(folder.join("gnu-ld-aarch64/run")),
        zig: Some(Zig { target: "aarch64-linux-musl".into(), ..linker(folder).zig.expect("it is there") }),
        machine: Machine {
            cannot_run: None,
            emulator: Some(emulator(&["<t>/bin/qemu-aarch64"], "10.0.13")),
            pages: Some(emulator(&["<t>/pages/qemu-aarch64-static", "-L", "<t>/root"], "7.2.22")),
            musl: Some(folder.join("musl/libc.so")),
        },
        ..linker(folder)
    }
}

fn musl_descriptor() -> Descriptor {
    Descriptor {
        target: "aarch64-unknown-linux-musl".into(),
        libc: Libc { family: LibcFamily::Musl, floor: "1.2.5".into() },
        system_libraries: vec!["c".into()],
        ..descriptor("release")
    }
}

/// Compares with the committed file beside this one; UPDATE_SNAPSHOTS=1 writes it anew.
#[track_caller]
fn is_as_committed(plan: &SmokePlan, name: &str) {
    let path = crate::paths::repository().join("xtask/src/smoke/plans").join(name);
    let text = plan.to_string();
    if crate::env::update_snapshots() {
        fs::write(&path, &text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        text == committed,
        "{} is not the plan: UPDATE_SNAPSHOTS=1 writes it anew\n{text}",
        path.display()
    );
}

#[test]
fn the_plan_of_this_machines_target() {
    let folder = Path::new("/a b");
    is_as_committed(&plan(&descriptor("release"), &linker(folder), folder), "native.txt");
}

#[test]
fn the_plan_of_musl_on_another_processor() {
    let folder = Path::new("/a b");
    is_as_committed(&plan(&musl_descriptor(), &foreign_linker(folder), folder), "foreign-musl.txt");
}

#[test]
fn the_plan_of_windows_under_wine() {
    let folder = Path::new("/a b");
    let descriptor = Descriptor {
        target: "x86_64-pc-windows-gnullvm".into(),
        libc: Libc { family: LibcFamily::Ucrt, floor: "10.0".into() },
        system_libraries: vec!["winmm".into()],
        ..descriptor("release")
    };
    let rust = Rust {
        rustc: folder.join("rust/rustc"),
        cc: folder.join("rust/cc"),
        libraries: folder.join("rust/lib"),
        libc: pins::Libc::Ucrt,
    };
    let linker = Linker {
        rustc: None,
        rust: Some(Foreign { rust, cargo: folder.join("bin/cargo"), ar: folder.join("bin/ar") }),
        system_cxx: None,
        target: "x86_64-pc-windows-gnullvm".into(),
        clang_target: "x86_64-w64-windows-gnu".into(),
        gnu_ld: Err("GNU's linker is fetched for Linux alone".into()),
        zig: linker(folder).zig.map(|zig| Zig { target: "x86_64-windows-gnu".into(), ..zig }),
        machine: Machine {
            emulator: Some(Emulator {
                command: vec!["/a b/llvm/bin/wine".into()],
                version: "wine version 8.0".into(),
            }),
            ..Machine::default()
        },
        ..linker(folder)
    };
    is_as_committed(&plan(&descriptor, &linker, folder), "wine.txt");
}

#[test]
fn the_plan_of_a_target_that_is_linked_only() {
    let folder = Path::new("/a b");
    let descriptor = Descriptor {
        target: "aarch64-apple-darwin".into(),
        libc: Libc { family: LibcFamily::LibSystem, floor: "12.0".into() },
        system_libraries: vec![],
        ..descriptor("release")
    };
    let linker = Linker {
        target: "aarch64-apple-darwin".into(),
        clang_target: "arm64-apple-macos12.0".into(),
        rustc: None,
        system_cxx: None,
        gnu_ld: Err("no GNU linker".into()),
        zig: linker(folder).zig.map(|zig| Zig { target: "aarch64-macos.12.0".into(), ..zig }),
        machine: Machine { cannot_run: Some("there is no emulator of macOS".into()), ..Machine::default() },
        ..linker(folder)
    };
    let plan = plan(&descriptor, &linker, folder);
    for program in &plan.programs {
        assert_eq!(program.run, None, "{}", program.name);
        let links = program.build.last().expect("it is built");
        assert!(links.program.ends_with("bin/zig"), "{}: {links}", program.name);
    }
    is_as_committed(&plan, "linked-only.txt");
}

/// What this machine lacks for a way of linking is said for each program.
#[test]
fn ways_of_linking_that_cannot_be_tried_are_said() {
    let mut poor = foreign_linker(Path::new("/t"));
    poor.gnu_ld = Err("no GNU linker".into());
    poor.zig = None;
    poor.machine.musl = None;
    poor.machine.pages = None;
    let plan = plan(&musl_descriptor(), &poor, Path::new("/t"));
    let left_out: Vec<_> = plan.left_out.iter().map(|(name, reason)| format!("{name}: {reason}")).collect();
    let (loader, zig) = (
        "no shared library of musl, which is its loader, is here or can be fetched",
        "zig has no libc for aarch64-unknown-linux-musl",
    );
    assert_eq!(
        left_out,
        [
            "capi: no rustc for aarch64-unknown-linux-musl".to_owned(),
            format!("host: {loader}"),
            "exceptions: no c++ for aarch64-unknown-linux-musl".to_owned(),
            "interface_test: there is no /t/repository/smoke/interface_test.c".to_owned(),
            format!("lld-dynamic: {loader}"),
            "gnu-ld-static: no GNU linker".to_owned(),
            "gnu-ld-static-pie: no GNU linker".to_owned(),
            "gnu-ld-dynamic: no GNU linker".to_owned(),
            "gnu-ld-shared: no GNU linker".to_owned(),
            format!("zig-static: {zig}"),
            format!("zig-static-pie: {zig}"),
            format!("zig-dynamic: {zig}"),
            format!("zig-shared: {zig}"),
        ]
    );
}

/// Without a feature its rows are skipped and counted, the library is asked whether it agrees, and the demonstration is without Intl.
#[test]
fn the_plan_of_lite_without_rustc() {
    let without = Linker { rustc: None, system_cxx: None, zig: None, ..linker(Path::new("/t")) };
    let lite = plan(&descriptor("lite"), &without, Path::new("/t"));
    assert_eq!(lite.left_out[0], ("capi".into(), "no rustc for x86_64-unknown-linux-gnu".into()));
    assert_eq!(
        lite.programs.iter().map(|program| (program.name.as_str(), program.skipped)).collect::<Vec<_>>(),
        [("cxx", 1), ("host", 1), ("gnu-ld-dynamic", 0), ("gnu-ld-shared", 0)]
    );
    assert!(!lite.files.iter().any(|(_, text)| text.contains("Intl")), "{:?}", lite.files);
    let lite = plan(&descriptor("lite"), &linker(Path::new("/t")), Path::new("/t"));
    assert_eq!(lite.programs[0].run.as_ref().unwrap().arguments[2..], ["jit=0", "webassembly=0", "intl=0"]);
}

/// A name stands for one check in a transcript, rows and behaviours together.
#[test]
fn no_name_stands_for_two_checks() {
    let repository = crate::paths::repository();
    let folder = Path::new("/t");
    for variant in ["release", "lite"] {
        let inputs = Inputs {
            descriptor: &descriptor(variant),
            archive: folder,
            linker: &linker(folder),
            table: &super::read_table(&repository).unwrap_or_else(|error| panic!("{error}")),
            repository: &repository,
            scratch: folder,
            logs: folder,
        };
        let plan = SmokePlan::new(&inputs).unwrap_or_else(|error| panic!("{error}"));
        for name in ["capi", "cxx", "host"] {
            let mut names: Vec<&str> = checks(&plan, name).iter().map(|check| check.name.as_str()).collect();
            names.sort_unstable();
            let twice: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).collect();
            assert!(twice.is_empty(), "{name} of {variant}: {twice:?}");
        }
    }
}

#[test]
fn a_feature_that_is_not_stated_is_refused() {
    let mut unknown = descriptor("release");
    unknown.features.remove("intl");
    let folder = Path::new("/t");
    let inputs = Inputs {
        descriptor: &unknown,
        archive: folder,
        linker: &linker(folder),
        table: &table(),
        repository: folder,
        scratch: folder,
        logs: folder,
    };
    let error = SmokePlan::new(&inputs).expect_err("intl is unknown").to_string();
    assert_eq!(error, "error: the archive's V8.json does not state a feature that rows need: `intl`");
}

/// The plan and the programs' sources each name the behaviours: a program that has one more or less is found here.
#[test]
fn programs_have_the_behaviours_of_the_plan() {
    let plan = plan(&descriptor("release"), &linker(Path::new("/t")), Path::new("/t"));
    for (program, file, before, after) in [
        ("capi", "capi.rs", "    (\"", "\", "),
        ("cxx", "cxx.cc", "    {\"", "\", "),
        ("host", "host.c", "puts(\"run ", "\");"),
    ] {
        let source =
            fs::read_to_string(crate::paths::repository().join("smoke").join(file)).expect("it is readable");
        let name = |line: &str| line.split_once(before)?.1.split_once(after).map(|(name, _)| name.to_owned());
        let found: Vec<String> = source.lines().filter_map(name).collect();
        let program = plan.programs.iter().find(|other| other.name == program).expect("it is in the plan");
        let Speaks::Transcript(checks) = &program.speaks else { panic!("{file} writes a transcript") };
        let planned: Vec<&str> = checks
            .iter()
            .filter(|check| check.source.starts_with("(the behaviour"))
            .map(|check| check.name.as_str())
            .collect();
        assert_eq!(found, planned, "{file}");
    }
}

// --- doing

/// A folder of its own for one test, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        // With a space in it, as a user's may have.
        let path = std::env::temp_dir().join(format!("xtask smoke {} {name}", std::process::id()));
        fs::create_dir_all(path.join("bin")).expect("a folder can be made");
        Folder(path)
    }

    /// Written by a child: a file that this process had open for writing cannot be started (ETXTBSY) while the child of another
    /// test's thread, between its fork and exec, still holds it.
    fn script(&self, path: &str, text: &str) {
        let draft = self.0.join("draft");
        fs::write(&draft, format!("#!/bin/sh\n{text}\n")).expect("a script can be written");
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o755))
            .expect("a script can be made executable");
        let copied = process::output(process::command("cp").arg(&draft).arg(self.0.join(path)));
        assert!(copied.is_ok_and(|output| output.status.success()), "cannot copy {path}");
    }

    /// A plan over a small real archive. Each compiler makes a "program" out of `<program>.sh`, so that a test says what it does.
    fn plan(&self) -> SmokePlan {
        self.plan_with(b"!<arch>\n")
    }

    /// The same with a library.
    fn plan_with(&self, library: &[u8]) -> SmokePlan {
        let content = self.0.join("content");
        fs::create_dir_all(content.join("lib")).expect("a folder can be made");
        fs::write(content.join("lib/libv8.a"), library).expect("a file can be written");
        let descriptor = descriptor("release");
        let packed = v8_archive::pack(
            &content,
            &descriptor,
            &self.0,
            Format::TarZst,
            &PackOptions { zstd_level: 1, threads: 1 },
        )
        .unwrap_or_else(|error| panic!("{error}"));
        let compiler = format!(
            r#"while [ "$1" != -o ]; do shift; done
name=${{2##*/}}; echo "compiling $name" >&2
case "$name" in *.so) : > "$2"; exit 0;; esac
cp '{0}/'"$name".sh "$2""#,
            self.0.display()
        );
        for name in ["clang", "clang++", "rustc", "c++", "zig"] {
            self.script(&format!("bin/{name}"), &compiler);
        }
        let mut plan = plan(&descriptor, &linker(&self.0), &self.0);
        plan.archive = packed.path;
        for program in &plan.programs {
            let said = match &program.speaks {
                Speaks::Tests => "test result: ok. 3 passed; 0 failed; 0 ignored\\n".to_owned(),
                Speaks::Transcript(checks) => format!("{}echo end\n", good(checks)),
                Speaks::Lines => "echo '3 checks passed'\n".to_owned(),
            };
            self.program(&program.name, &said, "exit 0");
        }
        plan
    }

    fn program(&self, name: &str, transcript: &str, end: &str) {
        self.script(&format!("{name}.sh"), &format!("{transcript}{end}"));
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// A script's lines that print a good transcript, without its `end`.
fn good(checks: &[Check]) -> String {
    let line = |check: &Check| match &check.expectation {
        Expectation::Value(value) => format!("echo 'run {0}'; echo 'value {0} {value}'\n", check.name),
        Expectation::Throws { message, stack } => {
            let stack = stack.as_deref().unwrap_or("");
            format!("echo 'run {0}'; echo 'stack {0} {stack}'; echo 'threw {0} {message}'\n", check.name)
        }
    };
    checks.iter().map(line).collect()
}

#[test]
fn programs_that_nothing_here_runs_are_linked() {
    let folder = Folder::new("linked only");
    let mut plan = folder.plan();
    plan.programs.iter_mut().for_each(|program| program.run = None);
    let report = run(&plan, &mut |_| {}).unwrap();
    report.verdict().unwrap();
    assert_eq!((report.programs.len(), report.demonstration), (plan.programs.len(), None));
    folder.script("bin/clang++", "exit 1");
    let error = run(&plan, &mut |_| {}).unwrap().verdict().unwrap_err();
    assert!(error.to_string().contains("cxx: it cannot be built"), "{error}");
}

fn checks<'a>(plan: &'a SmokePlan, name: &str) -> &'a [Check] {
    let program = plan.programs.iter().find(|program| program.name == name).expect("it is in the plan");
    let Speaks::Transcript(checks) = &program.speaks else { panic!("{name} writes a transcript") };
    checks
}

#[track_caller]
fn outcome(plan: &SmokePlan) -> (String, Option<String>) {
    let report = run(plan, &mut |_| {}).unwrap_or_else(|error| panic!("{error}"));
    assert!(!plan.scratch.exists(), "the scratch folder is left");
    (report.to_string(), report.verdict().err().map(|error| error.to_string()))
}

#[test]
fn good_programs_pass() {
    let folder = Folder::new("good");
    let plan = folder.plan();
    let (table, error) = outcome(&plan);
    assert_eq!(error, None);
    assert_eq!(
        table.lines().take(5).collect::<Vec<_>>(),
        [
            "program               passed  skipped  failed  ran",
            "capi                      16        0       0  natively",
            "cxx                        8        0       0  natively",
            "host                       6        0       0  natively",
            "exceptions                 3        0       0  natively",
        ]
    );
    assert!(table.ends_with("\n  = [18446744073709551616n, \"1.1.1970\", \"日本\"]\n"), "{table}");
    let log = fs::read_to_string(&plan.programs[0].log).expect("a log is left");
    assert!(
        log.contains("compiling capi") && log.contains("value one 2") && log.contains("bin/rustc"),
        "{log}"
    );
}

#[test]
fn failing_rows_of_all_programs_are_told() {
    let folder = Folder::new("rows");
    let plan = folder.plan();
    let bad = good(checks(&plan, "cxx"))
        .replace("value one 2", "value one 3")
        .replace("at two.js", "at elsewhere.js");
    folder.program("cxx", &bad, "echo end");
    let bad =
        good(checks(&plan, "host")).replace("value second-thread ok", "value second-thread row one differs");
    folder.program("host", &bad, "echo end");
    let (table, error) = outcome(&plan);
    let error = error.expect("rows failed");
    for part in [
        "cxx: one\n    source:   1 + 1\n    expected: value \"2\"\n    got:      value \"3\"",
        "cxx: two\n    source:   throw new TypeError('x')\n",
        "its stack \"at elsewhere.js:1:7\"",
        "host: second-thread\n",
        "got:      value \"row one differs\"",
    ] {
        assert!(error.contains(part), "{part}\n---\n{error}");
    }
    assert!(
        table.contains("capi                      16        0       0")
            && table.contains("cxx                        6        0       2"),
        "{table}"
    );
}

/// As a cache would give it that has mixed up two keys: nothing but its code is other.
#[test]
fn f53_an_object_of_other_flags_in_the_library_is_found_by_linking_and_running() {
    let folder = Folder::new("flags");
    let said = |program: &str, words: &[&str]| {
        process::read(process::command(program).args(words).current_dir(&folder.0))
            .unwrap_or_else(|error| panic!("{error}"))
    };
    let write = |name: &str, text: &str| fs::write(folder.0.join(name), text).expect("a file can be written");
    write("sum.c", "int sum(void) { return SUM; }\n");
    for (flag, error_in) in [("-DSUM=2", None), ("-DSUM=3", Some("got:      value \"3\""))] {
        said("cc", &["-c", flag, "sum.c", "-o", "sum.o"]);
        drop(fs::remove_file(folder.0.join("sum.a")));
        said("ar", &["rcs", "sum.a", "sum.o"]);
        let plan = folder.plan_with(&fs::read(folder.0.join("sum.a")).expect("it is there"));
        let transcript = said("sh", &["-c", &format!("{}echo end", good(checks(&plan, "cxx")))]);
        let format = transcript.replace("value one 2", "value one %d");
        let main =
            format!("#include <stdio.h>\nint sum(void);\nint main(void) {{ printf({format:?}, sum()); }}\n");
        write("main.c", &main);
        folder.script(
            "cxx.link",
            &format!(
                "exec cc '{}/main.c' '{}/lib/libv8.a' -o \"$1\"",
                folder.0.display(),
                plan.unpacked.display()
            ),
        );
        let compiler = fs::read_to_string(folder.0.join("bin/clang++")).expect("it is there");
        let own = format!("case \"$name\" in cxx) exec '{}/cxx.link' \"$2\";; *.so)", folder.0.display());
        folder.script("bin/clang++", &compiler.replace("case \"$name\" in *.so)", &own));
        let error = outcome(&plan).1;
        assert_eq!(error.is_some(), error_in.is_some(), "{flag}: {error:?}");
        assert!(error_in.is_none_or(|part| error.unwrap_or_default().contains(part)), "{flag}");
    }
}

#[test]
fn a_crash_names_its_row() {
    let folder = Folder::new("crash");
    let plan = folder.plan();
    folder.program(
        "cxx",
        &good(&checks(&plan, "cxx")[..1]),
        "echo 'run two'; printf '#\\n# Fatal error in , line 0\\n#\\n' >&2; kill -SEGV $$",
    );
    let (table, error) = outcome(&plan);
    let error = error.expect("it crashed");
    assert!(
        error.contains("cxx: ended with signal: 11")
            && error.contains(", saying \"# Fatal error in , line 0\""),
        "{error}"
    );
    assert!(error.contains(" in the row `two`; not run: 6, `three` first\n    log: "), "{error}");
    assert!(
        table.contains("cxx                        1        0       7")
            && table.contains("host                       6        0       0"),
        "{table}"
    );
}

#[test]
fn a_hanging_program_is_killed() {
    let folder = Folder::new("hang");
    let mut plan = folder.plan();
    plan.programs[1].run.as_mut().unwrap().limit = Duration::from_millis(200);
    folder.program("cxx", &good(&checks(&plan, "cxx")[..2]), "echo 'run three'; exec sleep 30");
    let start = Instant::now();
    let (_, error) = outcome(&plan);
    assert!(start.elapsed() < Duration::from_secs(20), "it was waited for");
    let error = error.expect("it hung");
    assert!(
        error.contains("cxx: was killed after its limit of 0 s in the row `three`; not run: 5"),
        "{error}"
    );
}

/// Exit status 0 is not enough.
#[test]
fn an_early_end_is_a_failure() {
    let folder = Folder::new("early");
    let plan = folder.plan();
    folder.program("capi", "", "exit 0");
    folder.program("cxx", &good(checks(&plan, "cxx")), "exit 0");
    folder.program("host", &good(checks(&plan, "host")), "echo end; exit 3");
    let (_, error) = outcome(&plan);
    let error = error.expect("all three failed");
    assert!(
        error.contains("capi: ended with exit status 0 before its end; not run: 16, `one` first"),
        "{error}"
    );
    assert!(error.contains("cxx: ended with exit status 0 before its end\n"), "{error}");
    assert!(error.contains("host: ended with exit status: 3\n"), "{error}");
}

#[test]
fn a_program_that_cannot_be_built_is_told_and_the_others_run() {
    let folder = Folder::new("build");
    let plan = folder.plan();
    folder.script("bin/clang++", "echo noise >&2; echo 'ld.lld: error: undefined symbol: x' >&2; exit 1");
    let (table, error) = outcome(&plan);
    let error = error.expect("cxx was not built");
    assert!(
        error.contains(
            "cxx: it cannot be built: clang++ ended with exit status: 1, saying \"ld.lld: error: undefined symbol: x\"\n    log: "
        ),
        "{error}"
    );
    assert!(
        table.contains("cxx                        0        0       1")
            && table.contains("host                       6        0       0"),
        "{table}"
    );
    let log = fs::read_to_string(&plan.programs[1].log).expect("a log is left");
    assert!(log.contains("undefined symbol: x"), "{log}");
}

/// What a killed run left is removed; a run that is still going is not disturbed.
#[test]
fn the_scratch_folder_is_one_runs_at_a_time() {
    let folder = Folder::new("scratch");
    let plan = folder.plan();
    fs::create_dir_all(plan.scratch.join("archive/left")).expect("a folder can be made");
    assert_eq!(outcome(&plan).1, None);
    let lock = fs::File::create(plan.scratch.with_added_extension("lock")).expect("the lock can be opened");
    lock.lock().expect("nobody holds it");
    let error = run(&plan, &mut |_| {}).expect_err("it is held").to_string();
    assert!(error.contains("another run uses"), "{error}");
}

#[test]
fn interface_test_speaks_in_lines() {
    let folder = Folder::new("lines");
    fs::create_dir_all(folder.0.join("repository/smoke")).expect("a folder can be made");
    fs::write(folder.0.join("repository/smoke/interface_test.c"), "").expect("a file can be written");
    let plan = folder.plan();
    folder.program("interface_test", "echo '12 checks passed on V8 15'\n", "exit 0");
    let (table, error) = outcome(&plan);
    assert_eq!(error, None);
    assert!(table.contains("interface_test            12        0       0"), "{table}");
    folder.program("interface_test", "echo 'interface_test.c:7: failed: a != NULL'\n", "exit 1");
    let error = outcome(&plan).1.expect("a check failed");
    assert!(
        error.contains("interface_test: interface_test.c:7\n") && error.contains("got:      a != NULL"),
        "{error}"
    );
    folder.program("interface_test", "", "exit 0");
    assert!(outcome(&plan).1.expect("nothing was checked").contains("interface_test: it checked nothing"));
}
