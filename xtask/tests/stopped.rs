//! `build-v8` as a person runs it, over small fake programs: stopped by signals, and what those programs are told.

#![cfg(target_os = "linux")]
#![expect(clippy::disallowed_methods, reason = "starts and stops the tool itself")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Configures.
const GN: &str = r#"case "$1" in gen) echo gn >> "$LOG"; mkdir -p "$2/obj"; printf '  cflags = -Wall\n' > "$2/toolchain.ninja" ;; esac"#;

/// Makes three objects, those that are not there. It stops before the second one until `$LOG.go` is there.
const NINJA: &str = r#"case " $* " in *' -t '*) echo '[]'; exit 0 ;; esac
echo "ninja $$" >> "$LOG"
trap 'exit 143' TERM
cd "$2"
for n in 1 2 3; do
  if test -e "obj/$n.o"; then continue; fi
  if test $n = 2 && ! test -e "$LOG.go"; then
    touch "$LOG.waits"
    while :; do sleep 0.05; done
  fi
  echo "step $n" >> "$LOG"; touch "obj/$n.o"; echo "[$n/3] CXX obj/$n.o"
done"#;

/// Its server listens, and says nothing.
const SCCACHE: &str = r#"if test "$SCCACHE_START_SERVER" = 1; then
  exec python3 -c 'import os, socket, sys
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen()
open(sys.argv[2], "a").write("server %d\n" % os.getpid())
while True: s.accept()[0].close()' "$SCCACHE_SERVER_UDS" "$LOG"
fi
case "$1" in --stop-server) kill "$(sed -n 's/^server //p' "$LOG" | tail -n 1)" ;; esac"#;

const CLANG: &str = "echo 'clang version 99.0.0'";

/// A machine on which everything is there already: V8's tree, which is empty, and a toolchain of scripts.
struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> World {
        let world = World { folder: tempfile::Builder::new().prefix("libv8 stopped ").tempdir().unwrap() };
        // Without apt: nothing is to be fetched for `smoke`.
        for name in ["sh", "git", "python3"] {
            world.script(&world.path("bin").join(name), &format!("exec {name} \"$@\""));
        }
        for name in ["clang", "clang++", "ld.lld", "llvm-ar"] {
            world.script(&world.path("clang/bin").join(name), CLANG);
        }
        world.script(&world.path("gn"), GN);

        let plan = world.said(&["plan", "--format", "json", "--variant", "lite"]);
        let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
        let source = &plan[0]["source"];
        let tree = Path::new(source["folder"].as_str().unwrap());
        fs::create_dir_all(tree.join("third_party")).unwrap();
        let stamp = serde_json::json!({ "key": source["key"] });
        fs::write(tree.join("libv8-source.json"), stamp.to_string()).unwrap();

        let doctor = world.said(&["doctor", "--variant", "lite"]);
        let toolchain = doctor.lines().find_map(|line| line.strip_prefix("toolchain  ")).unwrap();
        let toolchain = Path::new(toolchain);
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let matrix: toml::Table =
            toml::from_str(&fs::read_to_string(repository.join("targets.toml")).unwrap()).unwrap();
        let sysroot = matrix["targets"][plan[0]["target"].as_str().unwrap()]["sysroot"].as_str().unwrap();
        for part in ["llvm/zig", "tools/gn", &format!("llvm/sysroots/{sysroot}")] {
            fs::create_dir_all(toolchain.join(part)).unwrap();
        }
        for (name, body) in [("ninja", NINJA), ("sccache", SCCACHE)] {
            let row = &matrix["tools"][name];
            let program =
                row["program"].as_str().unwrap().replace("{version}", row["version"].as_str().unwrap());
            world.script(&toolchain.join("tools").join(name).join(program), body);
        }
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A script that finds all programs of this machine, and writes down its name and its environment.
    fn script(&self, path: &Path, body: &str) {
        let draft = self.path("draft");
        let user = std::env::var("PATH").unwrap();
        let (log, name) = (self.path("log"), path.file_name().unwrap().to_str().unwrap());
        let head = format!(
            "PATH='{user}'; LOG='{}'\n{{ echo '== {name}'; env; }} >> \"$LOG.environment\"",
            log.display()
        );
        fs::write(&draft, format!("#!/bin/sh\n{head}\n{body}\n")).unwrap();
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // By another process: what we had open for writing cannot be started while a child of another test still has it.
        assert!(Command::new("cp").arg(&draft).arg(path).status().unwrap().success());
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(arguments).current_dir(self.folder.path()).env_clear();
        command.env("PATH", self.path("bin")).env("HOME", self.folder.path()).env("CARGO", env!("CARGO"));
        command.env("LIBV8_CACHE_DIR", self.path("cache"));
        command.env("LIBV8_CLANG", self.path("clang")).env("LIBV8_GN", self.path("gn"));
        command
    }

    fn build(&self) -> Command {
        self.command(&["build-v8", "--variant", "lite"])
    }

    fn said(&self, arguments: &[&str]) -> String {
        let out = self.command(arguments).output().unwrap();
        assert!(out.status.success(), "{}", stderr(&out));
        String::from_utf8(out.stdout).unwrap()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Runs the build to the end of ninja; there is no library to be packed then.
    fn finish(&self, mut build: Command) -> String {
        fs::write(self.path("log.go"), "").unwrap();
        let said = stderr(&build.output().unwrap());
        assert!(said.contains("compiled: 3 steps") && said.contains("there is no finished build"), "{said}");
        said
    }
}

fn stderr(out: &Output) -> String {
    String::from_utf8(out.stderr.clone()).unwrap()
}

/// Waits until it is so.
#[track_caller]
fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < Duration::from_secs(120), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// An orphan that has ended may stay in the table of processes, as a zombie.
fn has_ended(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_none_or(|(_, rest)| rest.trim_start().starts_with('Z'))
}

/// What a signal to the tool in the middle of ninja's work comes to: no process is left, and the same command goes on.
#[track_caller]
fn stopped_by(signal: &str, exit_code: Option<i32>) {
    let world = World::new();
    let child = world.build().stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("ninja is at its second step", || world.path("log.waits").exists());
    let kill = format!("kill -{signal} {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    let out = child.wait_with_output().unwrap();
    let said = stderr(&out);
    assert_eq!(out.status.code(), exit_code, "{said}");
    if exit_code.is_some() {
        assert!(said.contains("stopped: interrupted at step 1 of 3 (33 %); nothing is lost"), "{said}");
        assert!(said.contains("cargo xtask build-v8 --variant lite   goes on"), "{said}");
    }
    let log = world.log();
    let pid = |name: &str| log.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim();
    for name in ["ninja", "server"] {
        wait_until(&format!("the end of {name}"), || has_ended(pid(name)));
    }
    world.finish(world.build());
    let log = world.log();
    let work: Vec<&str> =
        log.lines().filter(|line| !line.starts_with("ninja ") && !line.starts_with("server ")).collect();
    assert_eq!(work, ["gn", "step 1", "step 2", "step 3"], "nothing is done twice");
}

#[test]
fn f54_after_a_sigint_the_same_command_goes_on() {
    stopped_by("INT", Some(75));
}

#[test]
fn f54_after_a_sigterm_the_same_command_goes_on() {
    stopped_by("TERM", Some(75));
}

#[test]
fn f54_after_a_kill_9_the_same_command_goes_on() {
    stopped_by("KILL", None);
}

#[test]
fn no_program_of_a_build_finds_a_secret_in_its_environment() {
    const SECRET: &str = "s3cret-of-the-test";
    let world = World::new();
    let mut build = world.build();
    // Nothing listens there.
    build.env("LIBV8_CACHE", format!("redis://:{SECRET}@127.0.0.1:1"));
    for name in
        ["LIBV8_DISTRIBUTE_TOKEN", "LIBV8_SIGNING_KEY_PASSWORD", "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN"]
    {
        build.env(name, SECRET);
    }
    build.env("OF_THE_USER", "heard");
    let said = world.finish(build);
    assert!(said.contains("note: redis://127.0.0.1:1/0 cannot be used"), "{said}");
    let environment = fs::read_to_string(world.path("log.environment")).unwrap();
    for program in ["gn", "clang++", "ninja", "sccache", "sh"] {
        assert!(environment.contains(&format!("== {program}\n")), "{program}\n{environment}");
    }
    assert!(environment.contains("OF_THE_USER=heard"), "{environment}");
    assert!(!environment.contains(SECRET) && !said.contains(SECRET), "{said}\n{environment}");
}
