//! Which symbols macOS has: what an object for it may leave undefined.
//!
//! A program links libSystem, which is many libraries in one, and the frameworks that it names. The list of libSystem's is
//! committed, so that `verify` works without a toolchain; `darwin/generate.rs` makes it from the stub library
//! (`lib/libc/darwin/libSystem.tbd`) that Zig's wheel carries. That is of one SDK, and stubs carry no versions: what is newer than
//! an archive's lowest macOS is for the compiler to say, which knows it from Apple's headers (`-Wunguarded-availability`).
//!
//! Zig has no stubs of frameworks. The few functions that V8 takes from CoreFoundation stand here by hand.

#[cfg(test)]
mod generate;

use std::collections::BTreeSet;

use super::list;
use crate::library::read::Machine;

/// The committed list.
const LIST: &str = include_str!("darwin.txt");

/// CoreFoundation's functions that Abseil and ICU ask the system's time zone with; there since Mac OS X 10.0.
const CORE_FOUNDATION: &[&str] = &[
    "CFRelease",
    "CFRetain",
    "CFStringGetCString",
    "CFStringGetCStringPtr",
    "CFStringGetLength",
    "CFStringGetMaximumSizeForEncoding",
    "CFTimeZoneCopyDefault",
    "CFTimeZoneCopySystem",
    "CFTimeZoneGetName",
    "CFTimeZoneResetSystem",
];

/// Frameworks that are for everybody's programs, from Apple's documentation: as far as V8 and its parts know any. All others
/// are faults until they are added here; what lies in `PrivateFrameworks` may vanish with any update of macOS.
pub const PUBLIC_FRAMEWORKS: &[&str] = &[
    "ApplicationServices",
    "CoreFoundation",
    "CoreServices",
    "Foundation",
    "IOKit",
    "OpenDirectory",
    "Security",
];

/// macOS' symbols on one processor, as C names them.
pub struct Table(BTreeSet<&'static str>);

impl Table {
    /// The committed list for a processor, if there is one.
    pub fn of(machine: Machine) -> Option<Table> {
        list::of_processor(LIST, machine).map(Table)
    }

    /// Whether libSystem has a symbol.
    pub fn contains(&self, symbol: &str) -> bool {
        self.0.contains(symbol)
    }

    /// The framework that has a symbol, if one of those known here does.
    pub fn framework(symbol: &str) -> Option<&'static str> {
        CORE_FOUNDATION.contains(&symbol).then_some("CoreFoundation")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libsystems_symbols_are_told_from_others() {
        let both = [Machine::X86_64, Machine::Aarch64].map(|machine| Table::of(machine).unwrap());
        let check = |symbol: &str, expected: [bool; 2]| {
            assert_eq!(both.each_ref().map(|table| table.contains(symbol)), expected, "{symbol}");
        };
        for symbol in [
            "memcpy",
            "pthread_create",
            "mach_vm_map",
            "__error",
            "pow",
            "dladdr",
            "_tlv_bootstrap",
            "__udivti3",
        ] {
            check(symbol, [true, true]);
        }
        // Names of before 64-bit files are on the older processor alone.
        check("fstat$INODE64", [true, false]);
        for symbol in ["mmap64", "__errno_location", "CFRelease", "__isPlatformVersionAtLeast"] {
            check(symbol, [false, false]);
        }
        assert_eq!(Table::framework("CFRelease"), Some("CoreFoundation"));
        assert_eq!(Table::framework("memcpy"), None);
    }
}
