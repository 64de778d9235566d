//! The tool that builds, packages and verifies V8: `cargo xtask --help`.

mod env;
mod error;
mod library;
mod paths;
mod process;
mod verify;

fn main() {}
