//! Whole builds in folders of their own: plain, ours, warm, and one that is killed at half.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use super::Cost;
use crate::caches::Choice;
use crate::compile::{self, Options, Statistics, Wrapper, plain};
use crate::error::{Error, IoContext as _, Result};
use crate::paths::{remove_file, remove_folder};
use crate::pch::policy::Policy;
use crate::plan::Plan;
use crate::sccache::{Server, Settings};
use crate::toolchain::Toolchain;
use crate::{ninja, process, signals};

/// The folders of a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// ninja and the compiler, without sccache and without headers.
    Plain,
    /// As `build-v8` does it, with a cache that was empty.
    Ours,
    /// The same with the cache that [`Kind::Ours`] filled.
    Warm,
    /// The same with an empty cache, killed at half.
    Resume,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Plain => "plain",
            Kind::Ours => "ours",
            Kind::Warm => "warm",
            Kind::Resume => "resume",
        }
    }
}

/// Builds one plan over and over.
pub struct Builds<'a> {
    /// What `build-v8` would build; its own folder is not touched.
    pub plan: &'a Plan,
    /// The toolchain.
    pub toolchain: &'a Toolchain,
    /// Processes at once; nothing for ninja's own choice.
    pub jobs: Option<NonZeroU32>,
}

impl Builds<'_> {
    /// The same plan in a folder of its own, beside the usual one: at the same depth, so that commands are the same.
    pub fn plan_for(&self, kind: Kind) -> Plan {
        Plan { out: self.beside(kind.name()), ..self.plan.clone() }
    }

    fn beside(&self, name: &str) -> PathBuf {
        let own = self.plan.out.file_name().unwrap_or_default().to_string_lossy();
        self.plan.out.with_file_name(format!("{own}-bench-{name}"))
    }

    /// sccache's folder for a kind.
    fn objects(&self, kind: Kind) -> PathBuf {
        // A warm build finds what ours left.
        let kind = if kind == Kind::Warm { Kind::Ours } else { kind };
        self.beside(&format!("{}-cache", kind.name()))
    }

    /// From nothing; [`Kind::Warm`] keeps the cache.
    pub fn fresh(&self, kind: Kind) -> Result<Cost> {
        let plan = self.plan_for(kind);
        remove_folder(&plan.out)?;
        if kind != Kind::Warm {
            remove_folder(&self.objects(kind))?;
        }
        self.again(kind)
    }

    /// In the folder as it is.
    pub fn again(&self, kind: Kind) -> Result<Cost> {
        self.make(kind, self.wrapper(kind))
    }

    fn make(&self, kind: Kind, wrapper: Wrapper) -> Result<Cost> {
        let plan = self.plan_for(kind);
        let build = compile::configure_with(&plan, self.toolchain, wrapper)?;
        eprintln!("compiling in {}", plan.out.display());
        let statistics = match kind {
            Kind::Plain => plain::compile_plain(&plan, &build, self.toolchain, self.jobs)?,
            _ => {
                let cache = Choice::default();
                let options = Options {
                    jobs: self.jobs,
                    deadline: None,
                    precompile: true,
                    cache: &cache,
                    cluster: None,
                };
                compile::compile(&plan, &build, self.toolchain, &self.objects(kind), &options)?
            }
        };
        eprintln!("compiled: {} steps", statistics.steps);
        Ok(Cost::from(&statistics))
    }

    /// [`Kind::Ours`] as it is, with what another use of headers changes made again.
    pub fn remake(&self, policy: Policy) -> Result<()> {
        self.make(Kind::Ours, Wrapper::Sccache(policy)).map(drop)
    }

    /// From where it is to its end, after an interruption too; so what it costs is no measure of a build.
    pub fn complete(&self, kind: Kind) -> Result<()> {
        self.again(kind)?;
        remove_file(&self.plan_for(kind).out.join(compile::STATISTICS))
    }

    /// Goes on with a plain build that was stopped since this machine was started; nothing if there is none.
    pub fn stopped_plain(&self) -> Result<Option<Cost>> {
        let is_known = plain::stopped(&self.plan_for(Kind::Plain), self.toolchain).is_some();
        if is_known { self.again(Kind::Plain).map(Some) } else { Ok(None) }
    }

    /// What the plain build that is there has cost, if it is whole and was made since this machine was started.
    ///
    /// It takes hours, and does not depend on anything of ours: a measurement after it need not make it again.
    pub fn kept_plain(&self) -> Option<Cost> {
        let statistics = self.plan_for(Kind::Plain).out.join(compile::STATISTICS);
        if !self.is_there(Kind::Plain) || !plain::is_of_this_start(&statistics) {
            return None;
        }
        let statistics: Statistics = serde_json::from_slice(&fs::read(statistics).ok()?).ok()?;
        Some(Cost::from(&statistics))
    }

    fn wrapper(&self, kind: Kind) -> Wrapper {
        match kind {
            Kind::Plain => Wrapper::None,
            _ => Wrapper::of(self.plan, self.toolchain),
        }
    }

    /// Whether a kind's folder holds the whole library of this very plan.
    pub fn is_there(&self, kind: Kind) -> bool {
        compile::is_built(&self.plan_for(kind))
    }

    /// From nothing, killed (SIGKILL) when half of the steps are done, and run again; the cost of both together.
    ///
    /// Killed are ninja and all of its process group; sccache's server is stopped as one is
    /// whose build is gone, and what it was compiling is lost.
    pub fn killed_and_resumed(&self) -> Result<Cost> {
        let plan = self.plan_for(Kind::Resume);
        remove_folder(&plan.out)?;
        remove_folder(&self.objects(Kind::Resume))?;
        let build = compile::configure(&plan, self.toolchain)?;
        let (started, cpu_before_s) = (Instant::now(), process::children_cpu_s());
        let server = Server::start(&Settings {
            program: &self.toolchain.sccache,
            local: &self.objects(Kind::Resume),
            out: &build.out,
            precompile: true,
            choice: &Choice::default(),
        })?;
        let mut command = compile::ninja_command(&build, self.toolchain, self.jobs)?;
        command.arg(compile::NINJA_TARGET);
        server.prepare(&mut command);
        let killed = kill_at_half(command);
        drop(server.finish());
        let steps = killed?;
        eprintln!("killed at step {steps}");
        let half = Cost {
            wall_s: started.elapsed().as_secs_f64(),
            cpu_s: process::children_cpu_s().zip(cpu_before_s).map(|(after, before)| after - before),
            peak_bytes: None,
            steps,
        };
        Ok(half.and_then(self.again(Kind::Resume)?))
    }
}

/// Runs ninja until half of its steps are done, then kills it; how many were.
fn kill_at_half(mut command: Command) -> Result<u32> {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let program = PathBuf::from(command.get_program());
    let mut child = command.spawn().or_io("start", &program)?;
    let pipe = child.stdout.take().expect("piped above");
    let mut at = None;
    for line in BufReader::new(pipe).split(b'\n').map_while(|line| line.ok()) {
        let Some((done, total)) = ninja::progress(&String::from_utf8_lossy(&line)) else { continue };
        if signals::stop_wanted() || u64::from(done) * 2 >= u64::from(total) {
            at = Some((done, total));
            break;
        }
    }
    kill(&mut child, &program)?;
    if signals::stop_wanted() {
        return Err(Error::stopped("interrupted; a measurement begins anew with the same command"));
    }
    match at {
        Some((done, total)) if done < total => Ok(done),
        _ => Err(Error::failed("ninja ended before half of its steps were done, so nothing was killed")
            .help("cargo xtask build-v8   shows why, if it fails too")),
    }
}

fn kill(child: &mut std::process::Child, program: &Path) -> Result<()> {
    #[cfg(unix)]
    if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        // It may have ended by itself in this moment.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    #[cfg(not(unix))]
    let _ = child.kill();
    child.wait().or_io("wait for", program).map(drop)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn at_half(script: &str) -> Result<u32> {
        let mut command = process::command("sh");
        command.args(["-c", script]);
        kill_at_half(command)
    }

    #[test]
    fn ninja_is_killed_with_its_children_when_half_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let late = folder.path().join("late");
        let script = format!(
            "(sleep 2; touch '{}') & echo '[1/4] a'; echo noise; echo '[2/4] b'; sleep 30",
            late.display()
        );
        let started = Instant::now();
        assert_eq!(at_half(&script).unwrap(), 2);
        assert!(started.elapsed().as_secs() < 20, "nobody waited for the end");
        std::thread::sleep(std::time::Duration::from_millis(2500));
        assert!(!late.exists(), "the child was killed too");
    }

    #[test]
    fn a_build_that_ends_before_half_measures_nothing() {
        for script in ["echo '[1/4] a'; exit 1", "echo '[1/1] a'", "true"] {
            assert_eq!(at_half(script).unwrap_err().exit_code(), 1, "{script}");
        }
    }
}
