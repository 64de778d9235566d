//! The one place where other programs are started.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, ExitStatus, Output, Stdio};

use crate::error::{Error, IoContext as _, Result};

/// A command for [`run`] and its siblings; `clippy.toml` sends everybody else here.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    command
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

/// From now on, descendants that lose their parent become our children (Linux only; elsewhere nothing).
pub fn adopt_orphans() {
    #[cfg(target_os = "linux")]
    // Refused only by kernels older than 3.4; the build's cost is then not known.
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
}

/// Waits, for at most three seconds, until no adopted child is left, so that their cost is in [`children_cpu_s`].
///
/// Children that we started ourselves are left to who waits for them: a test runs beside other tests.
pub fn reap_adopted() {
    #[cfg(target_os = "linux")]
    for _ in 0..60 {
        let adopted = adopted_children();
        if adopted.is_empty() {
            return;
        }
        for pid in adopted {
            // It may live on, which the next turn sees.
            let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::NOHANG);
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

/// Children of another session: a daemon makes one of its own, and what we start stays in ours.
#[cfg(target_os = "linux")]
fn adopted_children() -> Vec<rustix::process::Pid> {
    let own = std::process::id();
    // Not getsid(2): in a container the leader of our session may have no number, and rustix takes 0 for a fault of ours.
    let Some((_, session)) = parent_and_session("self") else { return Vec::new() };
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let is_adopted = |pid: &i32| {
        parent_and_session(&pid.to_string())
            .is_some_and(|(parent, its_session)| parent == own && its_session != session)
    };
    pids.filter(is_adopted).filter_map(rustix::process::Pid::from_raw).collect()
}

/// The parent and the session of a process; 0 stands for one outside our PID namespace.
///
/// Source: fields 4 and 6 of `/proc/<pid>/stat`, proc_pid_stat(5).
#[cfg(target_os = "linux")]
fn parent_and_session(process: &str) -> Option<(u32, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The second field is the program's name, which may hold spaces and brackets.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    Some((fields.get(1)?.parse().ok()?, fields.get(3)?.parse().ok()?))
}

/// User and system time of all children that have ended, and of theirs, in seconds; nothing where it is not known.
///
/// Source: fields 16 and 17 of `/proc/self/stat`, proc_pid_stat(5).
pub fn children_cpu_s() -> Option<f64> {
    #[cfg(target_os = "linux")]
    {
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        // The second field is the program's name, which may hold spaces and brackets.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks: u64 = fields.get(13)?.parse::<u64>().ok()? + fields.get(14)?.parse::<u64>().ok()?;
        Some(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
    }
    #[cfg(not(target_os = "linux"))]
    None
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

/// Runs to the end or to `limit`, then kills it. Its command line, stderr and stdout are appended to `log`.
///
/// Only the process itself is killed, so it stays in our process group and a Ctrl-C reaches it. It writes to files beside the
/// log and not to pipes: a grandchild that outlives the kill cannot keep us waiting for the end of a pipe, and what was said
/// before a crash of ours is kept.
pub fn run_limited(command: &mut Command, limit: std::time::Duration, log: &Path) -> Result<Limited> {
    let paths = [log.with_extension("stderr"), log.with_extension("stdout")];
    let [stderr, stdout] = [0, 1].map(|i| std::fs::File::create(&paths[i]).or_io("create", &paths[i]));
    command.stderr(stderr?).stdout(stdout?);
    let program = command.get_program().to_owned();
    let mut child = command
        .spawn()
        .map_err(|error| Error::failed(format!("cannot start {}: {error}", display(command))))?;
    let start = std::time::Instant::now();
    let ended = loop {
        if let Some(status) = child.try_wait().or_io("wait for", Path::new(&program))? {
            break Ended::With(status);
        }
        if start.elapsed() >= limit {
            // An error here means that it ended by itself in the meantime.
            drop(child.kill());
            child.wait().or_io("wait for", Path::new(&program))?;
            break Ended::Killed;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    };
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

/// Runs to the end with its output passed on, and gives the status; a start that fails names the program.
pub fn status(command: &mut Command) -> Result<ExitStatus> {
    command.status().map_err(|error| Error::failed(format!("cannot start {}: {error}", display(command))))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_is_adopted_and_our_own_child_is_not() {
        adopt_orphans();
        let mut own = command("sleep").arg("30").spawn().unwrap();
        // The shell ends at once and leaves a process in a session of its own.
        read(command("sh").args(["-c", "setsid sleep 0.3 >&- 2>&- &"])).unwrap();
        let started = std::time::Instant::now();
        while adopted_children().is_empty() && started.elapsed().as_secs() < 5 {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert!(!adopted_children().is_empty(), "the daemon is ours");
        reap_adopted();
        assert!(adopted_children().is_empty(), "it has ended and was waited for");
        assert_eq!(own.try_wait().unwrap(), None, "our own child is left alone");
        own.kill().unwrap();
        own.wait().unwrap();
    }
}
