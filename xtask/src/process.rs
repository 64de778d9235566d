//! The one place where other programs are started.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, ExitStatus, Output, Stdio};

use crate::error::{Error, IoContext as _, Result};
use crate::{env, signals};

mod tied;

pub use tied::{Tied, tied, tied_politely};

/// A command for [`run`] and its siblings, without the secrets of our environment; `clippy.toml` sends everybody else here.
///
/// What we start runs what others wrote: V8's scripts while GN configures it, compilers, what was built.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = command_with_secrets(program);
    for name in env::SECRETS {
        command.env_remove(name);
    }
    command
}

/// The same for a program of the user's that fetches: its own helpers may log in by what the user is elsewhere.
pub fn fetcher(program: impl AsRef<OsStr>) -> Command {
    let mut command = command(program);
    command.envs(env::logins());
    command
}

/// The same with our whole environment: for this tool, started again to do what it was asked for.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn command_with_secrets(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    command
}

/// This program, to be started while it runs: on Linux whatever cargo puts in the place of its file meanwhile.
pub fn this_program() -> Result<std::path::PathBuf> {
    if cfg!(target_os = "linux") {
        return Ok(format!("/proc/{}/exe", std::process::id()).into());
    }
    std::env::current_exe()
        .map_err(|error| Error::failed(format!("cannot find this program itself: {error}")))
}

/// The command line as a person would type it, with quotes where they are needed.
pub fn display(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(quote).collect::<Vec<_>>().join(" ")
}

/// A word as a POSIX shell takes it.
pub fn quote(word: &OsStr) -> String {
    let word = word.to_string_lossy().into_owned();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:+,@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Runs to the end and gives stdout and stderr; a start that fails names the program.
pub fn output(command: &mut Command) -> Result<Output> {
    command.output().map_err(|error| Error::failed(format!("cannot start {}: {error}", display(command))))
}

/// Runs to the end; stdout as text. A failure shows the command, its status and the last lines it said.
pub fn read(command: &mut Command) -> Result<String> {
    let out = output(command)?;
    if !out.status.success() {
        return Err(failure(command, out.status, &out.stderr, &out.stdout));
    }
    String::from_utf8(out.stdout)
        .map_err(|_| Error::failed(format!("{} printed something that is not UTF-8", display(command))))
}

/// Runs to the end with its output passed on as it comes; `line` hears each line of stdout too.
pub fn pass_on(command: &mut Command, line: &mut dyn FnMut(&str)) -> Result<()> {
    let cannot = |what: &str, error: std::io::Error, command: &Command| {
        Error::failed(format!("cannot {what} {}: {error}", display(command)))
    };
    eprintln!("$ {}", display(command));
    let mut child =
        command.stdout(Stdio::piped()).spawn().map_err(|error| cannot("start", error, command))?;
    let pipe = child.stdout.take().expect("piped above");
    for bytes in BufReader::new(pipe).split(b'\n') {
        let bytes = bytes.map_err(|error| cannot("read from", error, command))?;
        let text = String::from_utf8_lossy(&bytes);
        println!("{text}");
        line(&text);
    }
    let status = child.wait().map_err(|error| cannot("wait for", error, command))?;
    if status.success() {
        return Ok(());
    }
    Err(Error::failed(format!("{} ended with {status}", display(command))))
}

/// Runs to the end with everything it says appended to `log`, below its command line.
pub fn run_logged(command: &mut Command, log: &Path) -> Result<()> {
    if let Some(folder) = log.parent() {
        std::fs::create_dir_all(folder).or_io("create", folder)?;
    }
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(log).or_io("open", log)?;
    writeln!(file, "$ {}", display(command)).or_io("write", log)?;
    let out = output(command)?;
    file.write_all(&out.stdout).and_then(|()| file.write_all(&out.stderr)).or_io("write", log)?;
    if !out.status.success() {
        return Err(failure(command, out.status, &out.stderr, &out.stdout)
            .help(format!("the whole log: {}", log.display())));
    }
    Ok(())
}

/// User and system time of all children that have ended, and of theirs, in seconds; nothing where it is not known.
pub fn children_cpu_s() -> Option<f64> {
    cpu_s(13..15)
}

/// The same with our own: packing, checking and digests cost too.
pub fn own_and_children_cpu_s() -> Option<f64> {
    cpu_s(11..15)
}

/// Sums fields of `/proc/self/stat`, counted from the third: 11 and 12 are our user and system time, 13 and 14 that of
/// children that were waited for, in ticks (proc_pid_stat(5), fields 14 to 17).
fn cpu_s(fields: std::ops::Range<usize>) -> Option<f64> {
    #[cfg(target_os = "linux")]
    {
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        let mut ticks = 0;
        for field in stat_fields(&stat)?.get(fields)? {
            ticks += field.parse::<u64>().ok()?;
        }
        Some(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = fields;
        None
    }
}

/// When this machine was started, where that is known (proc_stat(5), `btime`).
pub fn machine_started() -> Option<std::time::SystemTime> {
    let stat = std::fs::read_to_string("/proc/stat").ok()?;
    let seconds = stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds))
}

/// The fields of `/proc/<pid>/stat` from the third on, the state; the second is the program's name, which may hold spaces
/// and brackets.
#[cfg(target_os = "linux")]
pub fn stat_fields(stat: &str) -> Option<Vec<&str>> {
    Some(stat.rsplit_once(')')?.1.split_whitespace().collect())
}

/// The error for a command that ended badly: the command, the status, and the last lines of what it said.
pub fn failure(command: &Command, status: ExitStatus, stderr: &[u8], stdout: &[u8]) -> Error {
    let said = if stderr.trim_ascii().is_empty() { stdout } else { stderr };
    let text = String::from_utf8_lossy(said);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let tail = lines[lines.len().saturating_sub(12)..].join("\n  ");
    Error::failed(format!("{} ended with {status}\n  {tail}", display(command)))
}

/// How a command with a time limit came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By itself, or by a signal that was not ours.
    With(ExitStatus),
    /// By us, at its limit.
    Killed,
}

/// Begins a log anew, with the folders above it.
pub fn start_log(log: &Path) -> Result<()> {
    if let Some(folder) = log.parent() {
        std::fs::create_dir_all(folder).or_io("create", folder)?;
    }
    std::fs::File::create(log).or_io("create", log).map(drop)
}

/// What a command with a time limit did.
#[derive(Debug)]
pub struct Limited {
    /// How it came to its end.
    pub ended: Ended,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

/// Runs to the end or to `limit`, then kills it with all it has started. Its command line, stderr and stdout are appended to
/// `log`. It ends when we do, however we end; a wish to stop ends it too, and is an error.
///
/// It writes to files beside the log and not to pipes: what was said before a crash of ours is kept.
pub fn run_limited(command: &mut Command, limit: std::time::Duration, log: &Path) -> Result<Limited> {
    let paths = [log.with_extension("stderr"), log.with_extension("stdout")];
    let [stderr, stdout] = [0, 1].map(|i| std::fs::File::create(&paths[i]).or_io("create", &paths[i]));
    let mut tied = tied::copy("KILL", command);
    let mut child = Tied::spawn(tied.stderr(stderr?).stdout(stdout?))?;
    let start = std::time::Instant::now();
    let ended = loop {
        if let Some(status) = child.ended() {
            break Ended::With(status);
        }
        if signals::stop_wanted() {
            let program = command.get_program().display();
            return Err(Error::stopped(format!(
                "interrupted while {program} ran; nothing is lost, the same command goes on"
            )));
        }
        if start.elapsed() >= limit {
            break Ended::Killed;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    };
    drop(child);
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(log).or_io("open", log)?;
    writeln!(file, "$ {}", display(command)).or_io("write", log)?;
    let mut said = paths.iter().map(|path| -> Result<String> {
        let bytes = std::fs::read(path).or_io("read", path)?;
        file.write_all(&bytes).or_io("write", log)?;
        std::fs::remove_file(path).or_io("remove", path)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    });
    let (stderr, stdout) = (said.next().expect("of two")?, said.next().expect("of two")?);
    Ok(Limited { ended, stdout, stderr })
}

/// The same program, arguments, environment and folder, to be started again.
pub fn copy(original: &Command) -> Command {
    let mut copy = command(original.get_program());
    repeat(original, &mut copy);
    copy
}

/// Appends the arguments of `original`, and gives its environment and folder.
fn repeat(original: &Command, to: &mut Command) {
    to.args(original.get_args());
    for (name, value) in original.get_envs() {
        match value {
            Some(value) => to.env(name, value),
            None => to.env_remove(name),
        };
    }
    if let Some(folder) = original.get_current_dir() {
        to.current_dir(folder);
    }
}

/// Runs to the end with its output passed on, and gives the status; a start that fails names the program.
pub fn status(command: &mut Command) -> Result<ExitStatus> {
    command.status().map_err(|error| Error::failed(format!("cannot start {}: {error}", display(command))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_program_gets_a_secret_but_this_tool_itself() {
        let again = command_with_secrets("x");
        assert_eq!(again.get_envs().count(), 0);
        for started in [command("x"), copy(&again), tied("x"), tied_politely(&again)] {
            for secret in env::SECRETS {
                let is_away = started.get_envs().any(|(name, value)| name == *secret && value.is_none());
                assert!(is_away, "{started:?} gets {secret}");
            }
        }
    }
}
