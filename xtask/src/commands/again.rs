//! A command that needs a client which the tool is compiled without runs once more, in a tool that has it.

use std::process::ExitCode;

use crate::error::{Error, Result};
use crate::{env, paths, process};

/// Has cargo compile this tool with all clients and run it with the arguments of this process, which it replaces where the
/// system can do that.
///
/// # Errors
/// If cargo cannot be started.
pub fn with_feature(feature: &str) -> Result<ExitCode> {
    eprintln!(
        "this needs a client that the tool is compiled without: cargo compiles it, which takes minutes once"
    );
    let mut command = process::command_with_secrets(env::cargo());
    command.args(["run", "--quiet", "--package", "xtask", "--features", feature, "--manifest-path"]);
    command.arg(paths::repository().join("Cargo.toml")).arg("--").args(std::env::args_os().skip(1));
    #[cfg(unix)]
    {
        let error = std::os::unix::process::CommandExt::exec(&mut command);
        Err(Error::failed(format!("cannot start {}: {error}", process::display(&command))))
    }
    #[cfg(not(unix))]
    {
        let status = process::status(&mut command)?;
        let code = status.code().and_then(|code| u8::try_from(code).ok());
        code.map(ExitCode::from)
            .ok_or_else(|| Error::failed(format!("{} ended with {status}", process::display(&command))))
    }
}
