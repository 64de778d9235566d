//! `verify FILE`: opens an archive again and lists all its faults; `--rebuild` also builds it again and compares.

use crate::error::Result;
use crate::flags::{Print, Verify};
use crate::{rebuild, verify};

/// Exit status 1 if there is a fault, or if a build gives another archive. One that is damaged is not built again.
pub fn run(flags: &Verify) -> Result<()> {
    verify::run(&flags.file, flags.format == Print::Json)?;
    if flags.rebuild { rebuild::run(&flags.file, &flags.how) } else { Ok(()) }
}
