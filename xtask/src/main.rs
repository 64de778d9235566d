//! The tool that builds, packages and verifies V8: `cargo xtask --help`.

mod env;
mod error;
mod ninja;
mod signals;
mod licences;
#[cfg_attr(not(test), expect(dead_code, reason = "the subcommands that use it are not wired yet"))]
mod library;
mod paths;
mod pch;
mod process;
#[expect(dead_code, reason = "the subcommands that use it are not wired yet")]
mod verify;
mod smoke;
mod source;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    if pch::shim::is_wanted(arguments.get(1)) {
        return pch::shim::main(&arguments[1..]);
    }
    if arguments.get(1).is_some_and(|a| a == "groups") {
        let db: Vec<pch::Compilation> = serde_json::from_slice(&std::fs::read(&arguments[2]).unwrap()).unwrap();
        println!("{}", serde_json::to_string(&pch::Groups::from_compilations(&db)).unwrap());
    }
    ExitCode::SUCCESS
}
