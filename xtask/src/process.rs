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

/// A command for [`Tied::spawn`]: `program`, started so that it can be told when we die. Arguments may follow.
///
/// A shell reads from a pipe whose other end only we hold, and becomes the program; its helper waits for the end of the pipe
/// and then kills the whole process group. A kill -9 of ours closes the pipe too. (Linux has a signal for the death of a
/// parent, but it comes when the thread ends that started the child, and only to the child itself.)
pub fn tied(program: impl AsRef<OsStr>) -> Command {
    tied_by("KILL", program.as_ref())
}

/// The command `original`, for [`Tied::spawn`], except that SIGTERM tells it of our death: it has children of its own to end.
pub fn tied_politely(original: &Command) -> Command {
    let mut tied = tied_by("TERM", original.get_program());
    repeat(original, &mut tied);
    tied
}

fn tied_by(signal: &str, program: &OsStr) -> Command {
    if cfg!(unix) {
        let mut command = command("sh");
        // The helper must not hold our pipes open: their end tells us that the program has ended.
        command.arg("-c").arg(format!(
            r#"exec 3<&0 </dev/null; {{ read -r line <&3 || kill -{signal} -$$; }} >/dev/null 2>&1 & exec "$0" "$@" 3<&-"#
        ));
        command.arg(program);
        command
    } else {
        command(program)
    }
}

/// A child, in a process group of its own, that ends when we do, however we end (on Unix; elsewhere when this is dropped).
///
/// A Ctrl-C does not reach it: who serves others must end after them.
#[derive(Debug)]
pub struct Tied {
    child: std::process::Child,
    lifeline: Option<std::process::ChildStdin>,
}

impl Tied {
    /// Starts what [`tied`] made.
    pub fn spawn(command: &mut Command) -> Result<Tied> {
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(command, 0);
        let mut child = command
            .stdin(Stdio::piped())
            .spawn()
            .map_err(|error| Error::failed(format!("cannot start {}: {error}", display(command))))?;
        Ok(Tied { lifeline: child.stdin.take(), child })
    }

    /// What it writes, if that was asked for; once.
    pub fn output(&mut self) -> Option<(std::process::ChildStdout, std::process::ChildStderr)> {
        self.child.stdout.take().zip(self.child.stderr.take())
    }

    /// Its number, which is that of its group too.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end, however long that takes.
    pub fn finish(&mut self) -> Result<ExitStatus> {
        let status = self
            .child
            .wait()
            .map_err(|error| Error::failed(format!("cannot wait for process {}: {error}", self.id())))?;
        self.release();
        Ok(status)
    }

    /// The helper must not kill whoever gets the number of a process that has ended.
    fn release(&mut self) {
        if let Some(mut lifeline) = self.lifeline.take() {
            // It may be gone already.
            let _ = lifeline.write_all(b"\n");
        }
    }

    /// Ends it at once.
    #[cfg(not(unix))]
    pub fn kill(&mut self) {
        // It may have ended by itself in this moment.
        let _ = self.child.kill();
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().ok().flatten();
        if status.is_some() {
            self.release();
        }
        status
    }

    /// Waits for its end, for at most `limit`, so that its cost is in [`children_cpu_s`]; whether it came.
    pub fn wait(&mut self, limit: std::time::Duration) -> bool {
        let start = std::time::Instant::now();
        while self.ended().is_none() {
            if start.elapsed() >= limit {
                return false;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        true
    }
}

impl Drop for Tied {
    fn drop(&mut self) {
        if self.ended().is_some() {
            return;
        }
        #[cfg(unix)]
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw) {
            // Its helper and its own children too. An error means that they have just ended.
            let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    fn is_alive(pid: &str) -> bool {
        // An orphan that has ended stays in the table until the first process asks, which in a container may be a test.
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let is_zombie = stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('Z'));
        !is_zombie && output(command("kill").args(["-0", pid])).unwrap().status.success()
    }

    /// The number that a process has written into a file, once it has.
    fn number_in(file: &Path) -> String {
        let started = Instant::now();
        while !file.exists() && started.elapsed() < Duration::from_secs(30) {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::fs::read_to_string(file).unwrap().trim().to_owned()
    }

    fn must_end(pid: &str) {
        let started = Instant::now();
        while is_alive(pid) {
            assert!(started.elapsed() < Duration::from_secs(10), "{pid} lives on");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// A script that writes its number into `file`, whole, and goes on as `rest`.
    fn numbered(file: &Path, rest: &str) -> String {
        let file = file.display();
        format!("echo $$ > {file}.new; mv {file}.new {file}; {rest}")
    }

    #[test]
    fn f54_a_tied_child_ends_within_seconds_of_a_kill_9_of_its_parent() {
        let folder = tempfile::tempdir().unwrap();
        let [parent, child] = ["parent", "child"].map(|name| folder.path().join(name));
        let words: Vec<String> = tied("sh").get_args().map(quote).collect();
        // As we do it: the parent has the one writing end of a pipe, and the child is in a group of its own.
        let script = format!(
            "sh -c {} | setsid sh {} -c {}",
            quote(OsStr::new(&numbered(&parent, "exec sleep 60"))),
            words.join(" "),
            quote(OsStr::new(&numbered(&child, "exec sleep 61"))),
        );
        let mut whole = command("sh").args(["-c", &script]).spawn().unwrap();
        let [parent, child] = [parent, child].map(|file| number_in(&file));
        assert!(is_alive(&child));
        read(command("kill").args(["-9", &parent])).unwrap();
        must_end(&child);
        whole.wait().unwrap();
    }

    #[test]
    fn f54_a_politely_tied_child_can_end_its_own_children() {
        let folder = tempfile::tempdir().unwrap();
        let [child, ended] = ["child", "ended"].map(|name| folder.path().join(name));
        // Its number says that the trap is set.
        let script = format!(
            "trap 'echo > {}; exit 0' TERM; {}",
            ended.display(),
            numbered(&child, "sleep 63 & wait")
        );
        let mut tied = Tied::spawn(&mut tied_politely(command("sh").args(["-c", &script]))).unwrap();
        let pid = number_in(&child);
        // What the kernel does to our end of the pipe when we are killed.
        tied.lifeline = None;
        assert!(tied.wait(Duration::from_secs(20)), "{pid} lives on");
        assert!(ended.exists(), "it was killed, or not told at all");
    }

    #[test]
    fn a_tied_child_is_killed_when_it_is_dropped_with_its_own_children() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("grandchild");
        let script = format!("sh -c {} & wait", quote(OsStr::new(&numbered(&file, "exec sleep 62"))));
        let mut child = Tied::spawn(tied("sh").args(["-c", &script])).unwrap();
        let grandchild = number_in(&file);
        assert!(!child.wait(Duration::from_millis(20)));
        drop(child);
        must_end(&grandchild);
    }

    #[test]
    fn a_tied_child_that_ends_by_itself_is_waited_for() {
        let mut child = Tied::spawn(tied("sh").args(["-c", "exit 7"])).unwrap();
        assert!(child.wait(Duration::from_secs(20)));
        assert_eq!(child.ended().and_then(|status| status.code()), Some(7));
    }
}
