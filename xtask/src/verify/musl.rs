//! Which symbols musl has: what an object for musl may leave undefined.
//!
//! musl's symbols carry no versions, and none has been taken away since 1.0, so one list of one version says all. It is
//! committed, so that `verify` works without a toolchain; `musl/generate.rs` makes it from the list of musl's shared library
//! (`lib/libc/musl/libc.S`) that Zig's wheel carries. musl's static library defines all of these too.

#[cfg(test)]
mod generate;

use std::collections::BTreeSet;

use super::list;
use crate::library::read::Machine;
use crate::verify::glibc::Version;

/// The committed list, and the version of musl whose it is.
const LIST: &str = include_str!("musl.txt");
const VERSION: &str = "1.2.5";

/// musl's symbols on one processor.
pub struct Table(BTreeSet<&'static str>);

impl Table {
    /// The committed list for a processor, if there is one.
    pub fn of(machine: Machine) -> Option<Table> {
        list::of_processor(LIST, machine).map(Table)
    }

    /// Whether musl has this symbol.
    pub fn contains(&self, symbol: &str) -> bool {
        self.0.contains(symbol)
    }

    /// The version of musl whose list this is: for an older one nothing can be said.
    pub fn version() -> Version {
        VERSION.parse().expect("a constant, tested below")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn musls_symbols_are_told_from_glibcs() {
        let both = [Machine::X86_64, Machine::Aarch64].map(|machine| Table::of(machine).unwrap());
        let check = |symbol: &str, expected: [bool; 2]| {
            assert_eq!(both.each_ref().map(|table| table.contains(symbol)), expected, "{symbol}");
        };
        for symbol in
            ["memcpy", "pthread_getattr_np", "dl_iterate_phdr", "__errno_location", "environ", "pow"]
        {
            check(symbol, [true, true]);
        }
        // What glibc has alone: the names of large files, which musl gave up in 1.2.4; fortified functions; its own inside.
        for symbol in [
            "fopen64",
            "stat64",
            "mmap64",
            "__memcpy_chk",
            "__libc_stack_end",
            "backtrace",
            "__isoc23_strtol",
        ] {
            check(symbol, [false, false]);
        }
        check("arch_prctl", [true, false]);
        assert_eq!(Table::version(), "1.2.5".parse().unwrap());
    }
}
