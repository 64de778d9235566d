//! `fuzz [TARGET…]`: spoiled input for readers, for a bounded time.

use crate::error::Result;
use crate::flags::Fuzz;
use crate::fuzz;

/// Exit status 1 if a reader did what none may.
pub fn run(flags: &Fuzz) -> Result<()> {
    fuzz::run(flags)
}
