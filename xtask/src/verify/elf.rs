//! Checks on what only ELF objects have.

use super::objects::relocations;
use super::{Archive, Found};
use crate::library::read::Machine;

/// No CREL section: GNU ld and older lld cannot read them, and LLVM calls the number experimental.
pub fn crel(archive: &Archive<'_>, found: &mut Found<'_>) {
    const SHT_CREL: u32 = 0x4000_0014;
    for (member, object) in archive.library.objects() {
        for section in object.sections.iter().filter(|section| section.kind == SHT_CREL) {
            found.add(
                &member.name,
                format!("{} holds relocations as CREL, which few linkers read", section.name),
            );
        }
    }
}

/// No indirect function: musl has none (loading fails), and with glibc its resolver runs before the program is relocated.
pub fn ifunc(archive: &Archive<'_>, found: &mut Found<'_>) {
    for (member, object) in archive.library.objects() {
        for symbol in object.symbols.iter().filter(|symbol| symbol.ifunc && symbol.defined) {
            found.add(&member.name, format!("{} is an indirect function (STT_GNU_IFUNC)", symbol.name));
        }
    }
    relocations(archive, found, |object, _, kind| {
        let irelative = matches!((object.machine, kind), (Machine::X86_64, 37) | (Machine::Aarch64, 1032));
        irelative.then(|| "IRELATIVE resolves an indirect function".to_owned())
    });
}

/// No object that asks for an executable stack.
pub fn stack(archive: &Archive<'_>, found: &mut Found<'_>) {
    const NOTE: &str = ".note.GNU-stack";
    for (member, object) in archive.library.objects() {
        match object.sections.iter().find(|section| section.name == NOTE) {
            Some(note) if note.executable => found.add(&member.name, "asks for an executable stack"),
            // GNU ld takes a missing note for such a request on x86 only (elf_backend_default_execstack).
            None if object.machine == Machine::X86_64 => {
                found.add(
                    &member.name,
                    format!("has no {NOTE}, which GNU ld takes for a wish for an executable stack"),
                );
            }
            _ => {}
        }
    }
}
