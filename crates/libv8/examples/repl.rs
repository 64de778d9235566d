//! JavaScript line by line in one isolate: `cargo run -p libv8 --example repl`.
//!
//! Input that is not complete goes on in the next line; an empty line ends it all the same. `.exit` or the end of
//! input leaves. Ctrl-C ends the program: std has no way to catch it, and a signal crate is not worth it here.

use std::io::{self, BufRead, IsTerminal, Write};

use libv8::{Error, Isolate};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut isolate = Isolate::new()?;
    let is_interactive = io::stdin().is_terminal();
    let mut out = io::stdout();
    if is_interactive {
        writeln!(out, "V8 {}; .exit leaves", libv8::version())?;
    }
    let mut source = String::new();
    let mut lines = io::stdin().lock().lines();
    loop {
        if is_interactive {
            write!(out, "{}", if source.is_empty() { "> " } else { "… " })?;
            out.flush()?;
        }
        let line = lines.next().transpose()?;
        if source.is_empty() && line.as_deref().is_some_and(|line| line.trim() == ".exit") {
            return Ok(());
        }
        let may_go_on = line.as_deref().is_some_and(|line| !line.trim().is_empty());
        source.push_str(line.as_deref().unwrap_or_default());
        source.push('\n');
        if !source.trim().is_empty() {
            match isolate.inspect(&source) {
                Err(Error::Exception { message, .. }) if may_go_on && is_incomplete(&message) => continue,
                Ok(value) => writeln!(out, "{value}")?,
                Err(Error::Exception { message, stack }) => {
                    eprintln!("{}", if stack.is_empty() { message } else { stack });
                }
                Err(error) => eprintln!("error: {error}"),
            }
        }
        source.clear();
        if line.is_none() {
            return Ok(());
        }
    }
}

/// Source that did not compile has run nothing, so that it may be given again with another line.
fn is_incomplete(message: &str) -> bool {
    ["SyntaxError: Unexpected end of input", "SyntaxError: Unterminated template literal"].contains(&message)
}
