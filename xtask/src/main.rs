//! The tool that builds, packages and verifies V8: `cargo xtask --help`.

mod env;
mod error;
#[cfg_attr(not(test), expect(dead_code, reason = "the subcommands that use it are not wired yet"))]
mod library;
mod paths;
mod process;
#[expect(dead_code, reason = "the subcommands that use it are not wired yet")]
mod verify;

fn main() {}
