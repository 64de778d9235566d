//! Kinds of relocations, by number: which are absolute addresses, which are of which TLS model.

use crate::library::Format;
use crate::library::read::macho::relocation;
use crate::library::read::{Machine, Object};

/// Absolute addresses that no shared library can have, wherever it is loaded.
///
/// ELF: of less than a pointer's width; numbers from the psABIs of x86-64 (table 4.9) and AArch64 (5.7.5, 5.7.6). COFF:
/// likewise (Microsoft's PE format, "Type Indicators"). Mach-O: likewise (`mach-o/x86_64/reloc.h`, `mach-o/arm64/reloc.h`),
/// and a pointer in `__TEXT`, which dyld never writes to.
pub fn absolute(object: &Object<'_>, segment: &str, kind: u32) -> Option<&'static str> {
    const POINTER: u32 = relocation(0, 3, false);
    const WORD: u32 = relocation(0, 2, false);
    Some(match (object.format(), object.machine, kind) {
        (Format::Elf, Machine::X86_64, 10) => "R_X86_64_32",
        (Format::Elf, Machine::X86_64, 11) => "R_X86_64_32S",
        (Format::Elf, Machine::X86_64, 12) => "R_X86_64_16",
        (Format::Elf, Machine::X86_64, 14) => "R_X86_64_8",
        (Format::Elf, Machine::Aarch64, 258) => "R_AARCH64_ABS32",
        (Format::Elf, Machine::Aarch64, 259) => "R_AARCH64_ABS16",
        (Format::Elf, Machine::Aarch64, 263..=269) => "R_AARCH64_MOVW_UABS_*",
        (Format::Elf, Machine::Aarch64, 270..=272) => "R_AARCH64_MOVW_SABS_*",
        (Format::Coff, Machine::X86_64, 2) => "IMAGE_REL_AMD64_ADDR32",
        (Format::Coff, Machine::Aarch64, 1) => "IMAGE_REL_ARM64_ADDR32",
        (Format::MachO, Machine::X86_64, WORD) => "X86_64_RELOC_UNSIGNED of 32 bits",
        (Format::MachO, Machine::Aarch64, WORD) => "ARM64_RELOC_UNSIGNED of 32 bits",
        (Format::MachO, _, POINTER) if segment == "__TEXT" => "a pointer in __TEXT",
        _ => return None,
    })
}

/// Thread-local variables at an offset fixed in the executable.
pub fn local_exec(object: &Object<'_>, kind: u32) -> Option<&'static str> {
    Some(match (object.format(), object.machine, kind) {
        (Format::Elf, Machine::X86_64, 18) => "R_X86_64_TPOFF64",
        (Format::Elf, Machine::X86_64, 23) => "R_X86_64_TPOFF32",
        (Format::Elf, Machine::Aarch64, 544..=559 | 570 | 571) => "R_AARCH64_TLSLE_*",
        _ => return None,
    })
}

/// Thread-local variables at an offset fixed when the program starts.
pub fn initial_exec(object: &Object<'_>, kind: u32) -> Option<&'static str> {
    Some(match (object.format(), object.machine, kind) {
        (Format::Elf, Machine::X86_64, 22) => "R_X86_64_GOTTPOFF",
        (Format::Elf, Machine::Aarch64, 539..=543) => "R_AARCH64_TLSIE_*",
        _ => return None,
    })
}
