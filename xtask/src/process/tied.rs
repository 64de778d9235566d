//! A child that ends when we do.

use std::ffi::OsStr;
use std::io::Write as _;
use std::process::{Command, ExitStatus, Stdio};

use super::{command, display, repeat};
use crate::error::{Error, Result};

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
    copy("TERM", original)
}

/// The same with the signal named.
pub fn copy(signal: &str, original: &Command) -> Command {
    let mut tied = tied_by(signal, original.get_program());
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

    /// Asks it to stop, and to end its own children; where that cannot be asked, it ends at once.
    ///
    /// Not by SIGINT, which a shell makes its background jobs ignore.
    pub fn interrupt(&mut self) {
        #[cfg(unix)]
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw) {
            // It may have ended by itself in this moment.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        #[cfg(not(unix))]
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
    use crate::process::{Ended, output, quote, read, run_limited};
    use std::path::Path;
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
    fn a_program_that_takes_too_long_is_killed_with_what_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("grandchild");
        let mut script = command("sh");
        script.arg("-c").arg(format!("sh -c '{}' & wait", numbered(&file, "exec sleep 61")));
        let done = run_limited(&mut script, Duration::from_secs(2), &folder.path().join("log")).unwrap();
        assert!(matches!(done.ended, Ended::Killed));
        must_end(&number_in(&file));
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
