//! Configuring and compiling with small fake programs: what they are told, what becomes of what they say, in seconds.

mod plain;

use std::time::Duration;

use super::configure::OVERLAY;
use super::*;
use crate::caches::Store;
use crate::layers;
use crate::plan;
use crate::toolchain::pins::Host;
use crate::toolchain::testing::{Folder, SCCACHE};

/// A tree, a toolchain of fakes which write into `log`, and the plan of a real target.
struct World {
    folder: Folder,
    plan: Plan,
    toolchain: Toolchain,
}

/// Writes ninja's files as GN does: flags in one line, a flag twice, and one that only looks like a flag of ours.
const GN: &str = r#"echo "gn $*" >> "$LOG"
out=$2; mkdir -p "$out/obj/v8"
printf '  command = clang ${cflags} -c ${in} -o ${out}\n  cflags = -Wall -fnew -O3 -Wnew\n' > "$out/toolchain.ninja"
printf '  cflags_cc = -fnew -fnew=1 -fnew\n  ldflags = -fnew\n' > "$out/obj/v8/base.ninja"
touch -t 202001010000 "$out/toolchain.ninja""#;

/// Answers as clang does: unknown arguments hide unknown warnings.
const CLANG: &str = r#"echo "clang++ $*" >> "$LOG"
case " $* " in
  *" -fnew "*) echo "error: unknown argument: '-fnew'" >&2; exit 1 ;;
  *" -Wnew "*) echo "warning: unknown warning option '-Wnew' [-Wunknown-warning-option]" >&2 ;;
esac"#;

impl World {
    /// `ninja` is what ninja does when it builds.
    fn new(ninja: &str) -> World {
        let folder = Folder::new();
        let here = folder.path().to_owned();
        let log = format!("LOG='{}'\n", here.join("log").display());
        let ninja = format!(
            "{log}case \" $* \" in *' -t compdb '*) echo '[]'; exit 0 ;; esac\necho \"ninja $*\" >> \"$LOG\"\n{ninja}"
        );
        let toolchain = Toolchain {
            llvm: here.join("llvm"),
            gn: folder.program("gn", &format!("{log}{GN}")),
            ninja: folder.program("ninja", &ninja),
            sccache: folder.program("sccache", &format!("{log}{SCCACHE}")),
            zig: here.join("zig"),
            companions: Default::default(),
            clang_major: 22,
            entries: Vec::new(),
        };
        folder.program("llvm/bin/clang++", &format!("{log}{CLANG}"));
        fs::create_dir_all(here.join("tree/third_party")).unwrap();
        let mut plan = any_plan();
        plan.source.folder = here.join("tree");
        plan.out = here.join("tree/out/x");
        World { folder, plan, toolchain }
    }

    fn configure(&self) -> Result<Build> {
        configure(&self.plan, &self.toolchain)
    }

    fn compile(&self, deadline: Option<Duration>) -> Result<Statistics> {
        let deadline = deadline.map(|time| Instant::now() + time);
        let cache = Choice { store: Store::Local, mode: Mode::ReadWrite };
        let options = Options {
            jobs: std::num::NonZeroU32::new(3),
            deadline,
            precompile: false,
            cache: &cache,
            cluster: None,
        };
        compile(
            &self.plan,
            &self.configure()?,
            &self.toolchain,
            &self.folder.path().join("objects"),
            &options,
        )
    }

    /// The lines of the log that begin with a program's name, without this world's paths.
    fn calls(&self, program: &str) -> Vec<String> {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let log = log.replace(&self.folder.path().display().to_string(), "<here>");
        log.lines()
            .filter_map(|line| line.strip_prefix(program)?.strip_prefix(' '))
            .map(str::to_owned)
            .collect()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.plan.out.join(name)).unwrap()
    }
}

fn any_plan() -> Plan {
    // This machine's own: others are built with more arguments.
    let host = Host::current().unwrap().name();
    plan::testing::every_target().into_iter().find(|plan| plan.row.host == host).unwrap()
}

/// As GN is about an argument that nothing declares: an error if it is told so, else a warning and status 0.
const GN_THAT_KNOWS_ITS_ARGUMENTS: &str = r#"
if grep -q '^v8_enable_nothing = ' "$2/args.gn"; then
  case " $* " in
    *' --fail-on-unused-args '*) printf 'ERROR at the command-line "--args":1:1: Build argument has no effect.\n'; exit 1 ;;
    *) printf 'WARNING at the command-line "--args":1:1: Build argument has no effect.\n' ;;
  esac
fi
"#;

#[test]
fn f50_an_unknown_gn_argument_fails_each_time() {
    let mut world = World::new("");
    let log = format!("LOG='{}'\n", world.folder.path().join("log").display());
    world.toolchain.gn = world.folder.program("gn", &format!("{log}{GN_THAT_KNOWS_ITS_ARGUMENTS}{GN}"));
    world.configure().unwrap();
    let argument = world.plan.gn_args.values().next().unwrap().clone();
    world.plan.gn_args.insert("v8_enable_nothing".to_owned(), argument);
    for _ in 0..2 {
        let error = world.configure().err().unwrap();
        assert_eq!(error.exit_code(), 1);
        assert!(error.to_string().contains("Build argument has no effect"), "{error}");
    }
    world.plan.gn_args.remove("v8_enable_nothing");
    world.configure().unwrap();
}

#[test]
fn gn_is_told_the_plan_and_the_toolchain() {
    let world = World::new("");
    world.configure().unwrap();
    assert_eq!(
        world.calls("gn"),
        ["gen <here>/tree/out/x --root=<here>/tree --dotfile=libv8/dotfile.gn --fail-on-unused-args"]
    );
    let args = world.read("args.gn");
    let (of_plan, of_machine) = args.split_once("\n\n").unwrap();
    assert_eq!(format!("{of_plan}\n"), layers::args_gn(&world.plan.gn_args));
    assert_eq!(
        of_machine,
        "# Of this machine's toolchain; part of no build id.\n\
         clang_base_path = \"//third_party/libv8-toolchain\"\nclang_version = \"22\"\n\
         cc_wrapper = \"../../third_party/libv8-toolchain/bin/sccache\"\n"
    );
    let overlay = world.plan.source.folder.join(OVERLAY);
    assert_eq!(fs::read_link(overlay).unwrap(), world.toolchain.llvm);
}

#[test]
fn programs_of_the_build_are_the_targets_own_and_emulated_where_they_must_be() {
    let (mut emulated, mut others) = (Vec::new(), Vec::new());
    for plan in plan::testing::every_target() {
        for host in [Host::LinuxX64, Host::LinuxX64Musl, Host::LinuxArm64, Host::MacArm64] {
            let Some(arguments) = configure::cross_arguments(&plan, host) else { continue };
            let processor = plan.target.split('-').next().unwrap();
            let is_arm = processor == "aarch64";
            let cpu = if is_arm { "arm64" } else { "x64" };
            let (toolchain, launcher) = match plan.row.libc.family.as_str() {
                "glibc" | "musl" => (format!("linux:clang_{cpu}"), Some(format!("qemu-{processor}"))),
                // Wine has no emulator: programs for x86-64 that make code for the other processor.
                "ucrt" if is_arm => ("mingw:x64_v8_arm64".to_owned(), Some("wine".to_owned())),
                "ucrt" => ("mingw:x64".to_owned(), Some("wine".to_owned())),
                // Of macOS there is neither, nor of Microsoft's ABI: the machine's own, where GN would not take the right ones.
                _ => ("linux:clang_x64_v8_arm64".to_owned(), None),
            };
            let emulator = launcher.as_ref().map_or(String::new(), |launcher| {
                format!("v8_emulator = \"//third_party/libv8-toolchain/bin/{launcher}\"\n")
            });
            let expected = format!("v8_snapshot_toolchain = \"//build/toolchain/{toolchain}\"\n{emulator}");
            assert_eq!(arguments, expected, "{} on {}", plan.target, host.name());
            if !plan.target.contains("-linux-") {
                others.push(format!("{} {cpu} on {}", plan.row.libc.family, host.name()));
                continue;
            }
            emulated.push(format!("{} on {}", plan.target, host.name()));
        }
    }
    let expected = [
        "aarch64-unknown-linux-gnu on linux-x86_64",
        "aarch64-unknown-linux-gnu on linux-x86_64-musl",
        "aarch64-unknown-linux-gnu on macos-aarch64",
        "aarch64-unknown-linux-musl on linux-x86_64",
        "aarch64-unknown-linux-musl on linux-x86_64-musl",
        "aarch64-unknown-linux-musl on macos-aarch64",
        "x86_64-unknown-linux-gnu on linux-aarch64",
        "x86_64-unknown-linux-gnu on macos-aarch64",
        "x86_64-unknown-linux-musl on linux-aarch64",
        "x86_64-unknown-linux-musl on macos-aarch64",
    ];
    assert_eq!(emulated, expected);
    let all = ["linux-x86_64", "linux-x86_64-musl", "linux-aarch64", "macos-aarch64"];
    let of = |what: &str, hosts: &[&str]| -> Vec<String> {
        hosts.iter().map(|host| format!("{what} on {host}")).collect()
    };
    let mut expected = [
        of("libSystem arm64", &all[..2]),
        of("msvc arm64", &all[..2]),
        of("ucrt arm64", &all),
        of("ucrt x64", &all),
    ]
    .concat();
    expected.sort();
    others.sort();
    assert_eq!(others, expected);
}

#[test]
fn f55_a_build_by_another_toolchain_in_the_same_tree_waits_for_the_first() {
    let world = World::new("");
    let first = world.configure().unwrap();
    let overlay = world.plan.source.folder.join(OVERLAY);
    let leads_to = || fs::read_link(&overlay).unwrap();
    let beside = |name: &str| Plan { out: world.plan.out.with_file_name(name), ..world.plan.clone() };
    // By the same one it does not.
    drop(configure(&beside("y"), &world.toolchain).unwrap());
    let other = Toolchain { llvm: world.folder.path().join("other"), ..world.toolchain.clone() };
    std::os::unix::fs::symlink(&world.toolchain.llvm, &other.llvm).unwrap();
    let (say, said) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| say.send(configure(&beside("z"), &other).map(drop)).unwrap());
        assert!(said.recv_timeout(Duration::from_millis(500)).is_err(), "it has not waited");
        assert_eq!(leads_to(), world.toolchain.llvm);
        drop(first);
        said.recv_timeout(Duration::from_secs(60)).unwrap().unwrap();
        assert_eq!(leads_to(), other.llvm);
    });
    drop(world.configure().unwrap());
    assert_eq!(leads_to(), world.toolchain.llvm);
}

#[test]
fn flags_of_assembler_are_asked_about_as_assembler() {
    // As clang does: what only the assembler takes is refused for C++.
    let world = World::new("");
    let out = &world.plan.out;
    world.configure().unwrap();
    fs::create_dir_all(out.join("obj")).unwrap();
    let file = out.join("obj/asm.ninja");
    fs::write(&file, "  asmflags = -mmark -Wboth\n  cflags = -Wboth\n").unwrap();
    let clang = world.folder.program(
        "particular clang",
        "case \"$*\" in *-fsyntax-only*-mmark*) echo 'c: error: unsupported' >&2; exit 1;; esac",
    );
    assert_eq!(configure::drop_unknown_flags(out, &clang, "x").unwrap(), [""; 0]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "  asmflags = -mmark -Wboth\n  cflags = -Wboth\n");
}

#[test]
fn flags_that_clang_does_not_know_are_taken_out_and_told() {
    let world = World::new("");
    let build = world.configure().unwrap();
    assert_eq!(build.dropped_flags, ["-Wnew", "-fnew"]);
    assert_eq!(
        world.read("toolchain.ninja"),
        "  command = clang ${cflags} -frandom-seed=${in} -c ${in} -o ${out}\n  cflags = -Wall -O3\n"
    );
    assert_eq!(world.read("obj/v8/base.ninja"), "  cflags_cc = -fnew=1\n  ldflags = -fnew\n");
    let time = fs::metadata(world.plan.out.join("toolchain.ninja")).unwrap().modified().unwrap();
    assert!(time.elapsed().unwrap() > Duration::from_secs(86_400), "ninja would run GN again");
}

#[test]
fn what_is_configured_is_configured_once_until_something_changes() {
    let mut world = World::new("");
    drop(world.configure().unwrap());
    let asked = world.calls("clang++").len();
    assert_eq!(world.configure().unwrap().dropped_flags, ["-Wnew", "-fnew"], "they are remembered");
    assert_eq!((world.calls("gn").len(), world.calls("clang++").len()), (1, asked));
    world.plan.gn_args.pop_first();
    drop(world.configure().unwrap());
    assert_eq!(world.calls("gn").len(), 2, "another argument");
    world.toolchain.clang_major = 23;
    drop(world.configure().unwrap());
    assert_eq!(world.calls("gn").len(), 3, "another compiler");
}

#[test]
fn another_sysroot_behind_the_same_paths_makes_everything_anew_once() {
    let mut world = World::new("");
    drop(world.configure().unwrap());
    let out = world.plan.out.clone();
    let made = ["obj/v8/a.o", "pch/obj.v8-0123456789ab.json"];
    let make = || made.map(|name| fs::write(out.join(name), "").unwrap());
    let left = || made.into_iter().filter(|name| out.join(name).exists()).count();
    make();
    drop(world.configure().unwrap());
    assert_eq!(left(), 2, "the same toolchain");
    // The same compiler and the same arguments: only the folder is named by another key.
    let compiler = fs::read(world.toolchain.clangxx()).unwrap();
    world.toolchain.llvm = world.folder.path().join("0123456789abcdef/llvm");
    let program = world.folder.program("0123456789abcdef/llvm/bin/clang++", "");
    fs::write(program, compiler).unwrap();
    drop(world.configure().unwrap());
    assert_eq!(left(), 0, "another one");
    assert!(out.join(pch::shim::FOLDER).join(pch::shim::GROUPS_FILE).is_file());
    make();
    drop(world.configure().unwrap());
    assert_eq!(left(), 2, "once");
}

#[test]
fn gn_that_fails_is_shown_with_its_log_and_asked_again() {
    let mut world = World::new("");
    let good = world.toolchain.gn.clone();
    world.toolchain.gn = world.folder.program("bad gn", "echo 'ERROR at //BUILD.gn:1:1: no'; exit 1");
    let error = world.configure().err().expect("gn failed");
    assert_eq!(error.exit_code(), 1);
    let text = error.to_string();
    assert!(text.contains("ERROR at //BUILD.gn:1:1: no") && text.contains("gn.log"), "{text}");
    world.toolchain.gn = good;
    world.configure().unwrap();
    assert_eq!(world.calls("gn").len(), 1);
}

#[test]
fn a_build_has_a_server_of_its_own_and_stops_it() {
    let world = World::new(
        "echo '[1/2] CXX a.o'; echo '[2/2] AR b.a'; echo \"env $NINJA_STATUS$SCCACHE_DIR\" >> \"$LOG\"",
    );
    let statistics = world.compile(None).unwrap();
    assert_eq!((statistics.steps, statistics.cache_hits, statistics.cache_misses), (2, 2, 1));
    assert_eq!(world.calls("ninja"), ["-C <here>/tree/out/x -j 3 default"]);
    assert_eq!(world.calls("env"), ["[%f/%t] <here>/objects"]);
    // Progress asks for counts too, as often as it is printed.
    let mut calls = world.calls("sccache");
    calls.dedup();
    assert_eq!(calls, ["server", "--show-stats --stats-format=json", "--stop-server"]);
    let kept: Statistics = serde_json::from_str(&world.read("build.json")).unwrap();
    assert_eq!((kept.steps, kept.cache_hits, kept.cache_misses), (2, 2, 1));
}

#[test]
fn a_run_with_nothing_to_do_keeps_the_statistics_of_the_one_that_had() {
    let world =
        World::new("if test -e \"$LOG.first\"; then exit 0; fi; touch \"$LOG.first\"; echo '[1/1] CXX a.o'");
    assert_eq!(world.compile(None).unwrap().steps, 1);
    let first = world.read("build.json");
    assert_eq!(world.compile(None).unwrap().steps, 0);
    assert_eq!(world.read("build.json"), first);
}

#[test]
fn a_compile_that_fails_is_shown_and_the_server_stopped() {
    let world = World::new(
        "echo 'FAILED: [code=1] obj/a.o'; echo 'clang++ -c a.cc'; echo 'a.cc:7:1: error: no such thing'; exit 1",
    );
    let error = world.compile(None).unwrap_err();
    assert_eq!(error.exit_code(), 1);
    let text = error.to_string();
    assert!(text.contains("a.cc:7:1: error: no such thing\n  the command: clang++ -c a.cc"), "{text}");
    assert!(text.contains("build.log"), "{text}");
    assert_eq!(world.calls("sccache").last().unwrap(), "--stop-server");
    let kept: Statistics = serde_json::from_str(&world.read("build.json")).unwrap();
    assert_eq!((kept.is_part, kept.cache_hits, kept.cache_misses), (true, 2, 1), "of a failure most of all");
}

#[test]
fn compiles_without_their_header_are_counted_in_each_run_by_itself() {
    let world = World::new(
        "echo '[1/1] CXX a.o'; if test -e \"$LOG.first\"; then exit 0; fi; touch \"$LOG.first\"
         printf 'obj/a.o\\nobj/b.o\\n' >> \"$2/pch/fallbacks.log\"",
    );
    let counts = [(); 2].map(|()| world.compile(None).unwrap().header_fallbacks);
    assert_eq!(counts, [2, 0]);
}

#[test]
fn f53_what_fails_inside_sccache_is_tried_once_more_without_looking_into_caches() {
    let world = World::new(
        "echo \"env recache=$SCCACHE_RECACHE\" >> \"$LOG\"
         case \"$*\" in *obj/a.o*) touch \"$LOG.mended\"; echo '[1/1] CXX obj/a.o'; exit 0 ;; esac
         if test -e \"$LOG.mended\"; then echo '[1/1] AR b.a'; exit 0; fi
         echo '[1/3] CXX z.o'; echo '[2/3] CXX a.o'; echo 'FAILED: [code=254] obj/a.o '; echo 'sccache clang++ -c a.cc'
         echo 'sccache: encountered fatal error'; echo 'sccache: error: no such object'; exit 1",
    );
    let statistics = world.compile(None).unwrap();
    assert_eq!((statistics.steps, statistics.cache.repeated_steps), (3, 1));
    let calls = ["default", "obj/a.o", "default"].map(|target| format!("-C <here>/tree/out/x -j 3 {target}"));
    assert_eq!(world.calls("ninja"), calls);
    assert_eq!(world.calls("env"), ["recache=", "recache=1", "recache="]);
    assert!(summary(&statistics).contains("; 1 steps failed inside sccache and were run again"));
    let kept: Statistics = serde_json::from_str(&world.read("build.json")).unwrap();
    assert_eq!(kept.cache.repeated_steps, 1);
}

#[test]
fn f53_what_fails_inside_sccache_twice_is_an_error() {
    let world = World::new(
        "echo '[1/3] CXX a.o'; echo 'FAILED: [code=254] obj/a.o '; echo 'sccache clang++ -c a.cc'
         echo 'sccache: error: no such object'; exit 1",
    );
    let error = world.compile(None).unwrap_err();
    assert_eq!((error.exit_code(), world.calls("ninja").len()), (1, 2));
    assert!(error.to_string().contains("sccache: error: no such object"), "{error}");
}

#[test]
fn f54_a_deadline_stops_with_75_and_the_same_call_goes_on() {
    let world = World::new(
        "if test -e \"$LOG.first\"; then echo '[2/2] AR b.a'; exit 0; fi; touch \"$LOG.first\"
         trap 'exit 143' TERM; echo '[1/2] CXX a.o'; i=0; while [ $i -lt 100 ]; do sleep 0.1; i=$((i+1)); done",
    );
    let error = world.compile(Some(Duration::from_millis(500))).unwrap_err();
    assert_eq!(error.exit_code(), 75);
    assert!(error.to_string().contains("at step 1 of 2 (50 %)"), "{error}");
    assert_eq!(world.calls("sccache").last().unwrap(), "--stop-server");
    let kept = || serde_json::from_str::<Statistics>(&world.read("build.json")).unwrap();
    assert_eq!((kept().is_part, kept().steps, kept().cache_hits), (true, 1, 2));
    assert_eq!(world.compile(None).unwrap().steps, 2);
    assert!(!kept().is_part);
    assert_eq!(world.calls("gn").len(), 1, "what was configured stays");
}
