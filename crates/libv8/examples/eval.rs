//! Runs JavaScript and prints its value: `cargo run -p libv8 --example eval -- '6 * 7'`.

use std::io::{self, Read, Write};
use std::process::ExitCode;

use libv8::{Error, Isolate};

const USAGE: &str = "\
usage: eval [SOURCE | -]

Runs SOURCE, or standard input, as JavaScript and prints its value as people read it.
Exit status: 0 a value, 1 no value (the reason, with its stack, on standard error), 2 bad usage.
";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let source = match arguments.as_slice() {
        [] => read_stdin(),
        [one] if one == "-" => read_stdin(),
        [one] if one == "--help" || one == "-h" => return print(USAGE),
        [one] => one.to_str().map(str::to_owned).ok_or_else(|| "the source is not UTF-8".to_owned()),
        several => Err(format!("one source is run, {} are given: quote it for the shell", several.len())),
    };
    let source = match source {
        Ok(source) => source,
        Err(why) => {
            eprint!("error: {why}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match Isolate::new().and_then(|mut isolate| isolate.inspect(&source)) {
        Ok(value) => print(&(value + "\n")),
        Err(Error::Exception { message, stack }) => {
            eprintln!("{}", if stack.is_empty() { message } else { stack });
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn read_stdin() -> Result<String, String> {
    let mut source = String::new();
    match io::stdin().read_to_string(&mut source) {
        Ok(_) => Ok(source),
        Err(error) => Err(format!("cannot read standard input: {error}")),
    }
}

/// Unlike `print!`, a reader that went away (`| head`) is a failure and no panic.
fn print(text: &str) -> ExitCode {
    let mut out = io::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
