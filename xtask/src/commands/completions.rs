//! `completions SHELL`: a script for the shell.

use clap::CommandFactory as _;

use crate::error::Result;
use crate::flags::{Completions, Flags};

/// Prints the script.
#[expect(clippy::unnecessary_wraps, reason = "every subcommand has the same shape")]
pub fn run(flags: &Completions) -> Result<()> {
    clap_complete::generate(flags.shell, &mut Flags::command(), "xtask", &mut std::io::stdout());
    Ok(())
}
