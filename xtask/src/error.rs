//! The one error type of the tool: what went wrong, what to do next, and the exit status.

use std::fmt;
use std::io::ErrorKind;
use std::path::Path;

/// What every function of the tool that can fail returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// How a failure ends the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The user's input is wrong: exit status 2.
    Usage,
    /// The work itself failed: exit status 1.
    Failed,
    /// Stopped on purpose before the end, nothing lost, run again: exit status 75 (`EX_TEMPFAIL` of sysexits.h).
    Stopped,
}

/// A failure, told to a person: one sentence, and the command that mends it if there is one.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    help: Vec<String>,
}

impl Error {
    /// The work failed: exit status 1.
    pub fn failed(message: impl Into<String>) -> Error {
        Error { kind: Kind::Failed, message: message.into(), help: Vec::new() }
    }

    /// The input was wrong: exit status 2.
    pub fn usage(message: impl Into<String>) -> Error {
        Error { kind: Kind::Usage, message: message.into(), help: Vec::new() }
    }

    /// Stopped before the end, to be run again: exit status 75.
    pub fn stopped(message: impl Into<String>) -> Error {
        Error { kind: Kind::Stopped, message: message.into(), help: Vec::new() }
    }

    /// An I/O error with its path: `verb` is what was tried, as in "cannot read".
    pub fn io(verb: &str, path: &Path, error: &std::io::Error) -> Error {
        let failed = Error::failed(format!("cannot {verb} {}: {error}", path.display()));
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => failed.help(
                "there is no more room: make some and run the same command again, which goes on; `cargo xtask clean` \
                 removes what the cache folder need not keep",
            ),
            _ => failed,
        }
    }

    /// Adds a `help:` line: what to do next, with a command that can be pasted.
    #[must_use]
    pub fn help(mut self, line: impl Into<String>) -> Error {
        self.help.push(line.into());
        self
    }

    /// Says in front what it is about: one target among several.
    #[must_use]
    pub fn about(mut self, what: &str) -> Error {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// Several faults of one kind, reported together; `what` is the sentence above them.
    pub fn all(kind: Kind, what: &str, faults: &[String]) -> Error {
        let message = match faults {
            [one] => format!("{what}: {one}"),
            many => format!("{what}:\n  {}", many.join("\n  ")),
        };
        Error { kind, message, help: Vec::new() }
    }

    /// What went wrong, without help.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The exit status of the process.
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            Kind::Usage => 2,
            Kind::Failed => 1,
            Kind::Stopped => 75,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.kind == Kind::Stopped { "stopped" } else { "error" };
        write!(f, "{word}: {}", self.message)?;
        for line in &self.help {
            write!(f, "\n  help: {line}")?;
        }
        Ok(())
    }
}

/// Gives an I/O result its path.
pub trait IoContext<T> {
    /// Names what was tried ("read", "create") and on which path.
    fn or_io(self, verb: &str, path: &Path) -> Result<T>;
}

impl<T> IoContext<T> for std::io::Result<T> {
    fn or_io(self, verb: &str, path: &Path) -> Result<T> {
        self.map_err(|error| Error::io(verb, path, &error))
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_has_a_way_out() {
        let full = Path::new("/dev/full");
        let error = std::fs::write(full, "a line").or_io("write", full).unwrap_err().to_string();
        assert!(error.starts_with("error: cannot write /dev/full: No space left"), "{error}");
        assert!(error.contains("\n  help: there is no more room: make some"), "{error}");
        let absent = Path::new("/nowhere");
        assert!(!std::fs::read(absent).or_io("read", absent).unwrap_err().to_string().contains("help"));
    }
}
