//! The tool that builds, packages and verifies V8: `cargo xtask --help`.

mod bench;
mod bundle;
mod caches;
mod ci;
mod commands;
mod compile;
mod consumer;
#[cfg(test)]
mod consumer_tests;
mod distribute;
mod env;
mod error;
mod flags;
mod fuzz;
mod gyp;
mod http;
mod layers;
mod library;
mod licences;
mod matrix;
mod memory;
mod ninja;
mod objects;
mod package;
mod paths;
mod pch;
mod plan;
mod process;
mod publish;
mod rebuild;
mod report;
mod roll;
mod round;
mod sccache;
mod signals;
mod smoke;
#[cfg(test)]
#[path = "../tests/support/snapshot.rs"]
mod snapshot;
mod source;
mod store;
mod support;
mod toolchain;
mod verify;
mod workspace;

use std::process::ExitCode;

use clap::Parser as _;
use flags::{Command, Flags};

/// The feature of this tool that a command needs, if it was compiled without.
fn lacks(command: &Command) -> Option<&'static str> {
    // The clients of stores come together: a part of them shares code that the rest does not use.
    let store = |address: &Option<String>| address.as_deref().and_then(store::lacks).map(|_| "stores");
    match command {
        Command::Publish(flags) => store(&flags.to),
        Command::Lock(flags) => store(&flags.from),
        // All of them begin with plans, for which Node's release is read.
        Command::BuildV8(flags) => flags.what.lacks(),
        Command::Plan(flags) => flags.what.lacks(),
        Command::Doctor(flags) => flags.what.lacks(),
        Command::Toolchain(flags) => flags.what.lacks(),
        Command::Source(flags) => flags.what.lacks(),
        Command::Package(flags) => flags.what.lacks(),
        _ => None,
    }
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    if pch::shim::is_wanted(arguments.get(1)) {
        return pch::shim::main(&arguments[1..]);
    }
    let command = Flags::parse().command;
    let result = match command {
        _ if let Some(feature) = lacks(&command) => match commands::again::with_feature(feature) {
            Ok(code) => return code,
            Err(error) => Err(error),
        },
        Command::BuildV8(flags) => commands::build_v8::run(&flags),
        Command::Plan(flags) => commands::plan::run(&flags),
        Command::Doctor(flags) => commands::doctor::run(&flags),
        Command::Toolchain(flags) => commands::toolchain::run(&flags),
        Command::Source(flags) => commands::source::run(&flags),
        Command::Roll(flags) => commands::roll::run(&flags),
        Command::Package(flags) => commands::package::run(&flags),
        Command::Verify(flags) => commands::verify::run(&flags),
        Command::LinkLine(flags) => commands::link_line::run(&flags),
        Command::Smoke(flags) => commands::smoke::run(&flags),
        Command::Publish(flags) => commands::publish::run(&flags),
        Command::Lock(flags) => commands::lock::run(&flags),
        // Its last line is the sum of all tests, so it prints its own errors.
        Command::Test(flags) => return commands::test::run(&flags),
        Command::Targets(flags) => commands::targets::run(&flags),
        Command::Fuzz(flags) => commands::fuzz::run(&flags),
        Command::Report(flags) => commands::report::run(&flags),
        Command::Bench(flags) => commands::bench::run(&flags),
        Command::Clean(flags) => commands::clean::run(&flags),
        Command::Completions(flags) => commands::completions::run(&flags),
        Command::Cache(flags) => commands::cache::run(&flags),
        Command::Ci(flags) => commands::ci::run(&flags),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(error.exit_code())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_fetches_nodes_release_has_the_client_for_it() {
        let needed = (!cfg!(feature = "downloads")).then_some("downloads");
        for name in ["build-v8", "plan", "doctor", "toolchain", "source", "package"] {
            let check = |more: &[&str], expected: Option<&str>| {
                let flags = Flags::parse_from(["xtask", name].iter().chain(more));
                assert_eq!(lacks(&flags.command), expected, "{name} {more:?}");
            };
            check(&["--source", "node"], needed);
            check(&["--source", "node", "--mirror", "node=file:///a"], None);
            check(&[], None);
        }
    }
}
