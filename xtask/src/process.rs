//! The one place where other programs are started.

use std::ffi::OsStr;
use std::io::Write as _;
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
    let quote = |word: &OsStr| {
        let word = word.to_string_lossy().into_owned();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:+,@%".contains(c);
        if !word.is_empty() && word.chars().all(plain) { word } else { format!("'{}'", word.replace('\'', r"'\''")) }
    };
    std::iter::once(command.get_program()).chain(command.get_args()).map(quote).collect::<Vec<_>>().join(" ")
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
        return Err(failure(command, out.status, &out.stderr, &out.stdout).help(format!("the whole log: {}", log.display())));
    }
    Ok(())
}

/// The error for a command that ended badly: the command, the status, and the last lines of what it said.
pub fn failure(command: &Command, status: ExitStatus, stderr: &[u8], stdout: &[u8]) -> Error {
    let said = if stderr.trim_ascii().is_empty() { stdout } else { stderr };
    let text = String::from_utf8_lossy(said);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let tail = lines[lines.len().saturating_sub(12)..].join("\n  ");
    Error::failed(format!("{} ended with {status}\n  {tail}", display(command)))
}
