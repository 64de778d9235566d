//! The tool that builds, packages and verifies V8: `cargo xtask --help`.

mod env;
mod error;
mod paths;
mod process;
mod toolchain;

fn main() {}
