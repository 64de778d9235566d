//! `verify FILE`: opens an archive again and lists all its faults.

use crate::error::Result;
use crate::flags::{Print, Verify};
use crate::verify;

/// Exit status 1 if there is a fault.
pub fn run(flags: &Verify) -> Result<()> {
    verify::run(&flags.file, flags.format == Print::Json)
}
