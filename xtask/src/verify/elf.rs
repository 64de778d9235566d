//! Checks on the members of the library as ELF objects.

use std::collections::BTreeSet;

use v8_archive::descriptor::TlsModel;

use super::{Archive, Found, machine_of};
use crate::library::read::{Contents, Machine};

/// Members that are whole objects; no thin library, which names files of the machine that built it (F51).
pub fn members(archive: &Archive<'_>, found: &mut Found<'_>) {
    for (path, reason) in &archive.unreadable {
        found.add(*path, reason);
    }
    if archive.library.members.is_empty() && archive.unreadable.is_empty() {
        found.add("library", "there is no member");
    }
    for member in &archive.library.members {
        match &member.contents {
            Contents::Elf(_) => {}
            Contents::Unknown(reason) => found.add(&member.name, reason),
            Contents::Absent => {
                found.add(&member.name, "is named, but not held: the library is a thin archive")
            }
        }
    }
}

/// Every object is for the processor of the target.
pub fn machine(archive: &Archive<'_>, found: &mut Found<'_>) {
    let target = &archive.descriptor.target;
    for (member, object) in archive.library.objects() {
        if Some(object.machine) != machine_of(target) {
            found.add(&member.name, format!("is for {}, the target is {target}", object.machine));
        }
    }
}

/// No relocation that a linker refuses in a shared library: the 32-bit absolute ones, and local-exec thread-local variables unless
/// the descriptor declares them.
///
/// Only those that are refused whatever their symbol is. PC-relative ones depend on the symbol's visibility in
/// the final link, which `smoke` does.
pub fn shared(archive: &Archive<'_>, found: &mut Found<'_>) {
    let tls_declared = archive.descriptor.tls_model == TlsModel::LocalExec;
    relocations(archive, found, |machine, kind| match (absolute(machine, kind), local_exec(machine, kind)) {
        (Some(name), _) => Some(format!("{name} is an absolute address: it links into no shared library")),
        (_, Some(name)) if !tls_declared => {
            Some(format!("{name} is the local-exec TLS model: it links into no shared library"))
        }
        _ => None,
    });
}

/// No initial-exec thread-local variable if the descriptor declares a model that `dlopen` always accepts.
pub fn tls_model(archive: &Archive<'_>, found: &mut Found<'_>) {
    if matches!(archive.descriptor.tls_model, TlsModel::LocalExec | TlsModel::InitialExec) {
        return;
    }
    relocations(archive, found, |machine, kind| {
        let name = initial_exec(machine, kind)?;
        Some(format!("{name} is the initial-exec TLS model, but the descriptor declares one for dlopen"))
    });
}

/// Reports each kind of relocation in memory sections once for a member and section.
fn relocations(archive: &Archive<'_>, found: &mut Found<'_>, judge: impl Fn(Machine, u32) -> Option<String>) {
    for (member, object) in archive.library.objects() {
        let mut seen = BTreeSet::new();
        for section in object.sections.iter().filter(|section| section.allocated) {
            for kind in &section.relocations {
                if let Some(message) = judge(object.machine, *kind) {
                    seen.insert((section.name, message));
                }
            }
        }
        for (section, message) in seen {
            found.add(&member.name, format!("{section}: {message}"));
        }
    }
}

/// Absolute addresses of less than a pointer's width. Numbers from the psABIs of x86-64 (table 4.9) and AArch64 (5.7.5, 5.7.6).
fn absolute(machine: Machine, kind: u32) -> Option<&'static str> {
    Some(match (machine, kind) {
        (Machine::X86_64, 10) => "R_X86_64_32",
        (Machine::X86_64, 11) => "R_X86_64_32S",
        (Machine::X86_64, 12) => "R_X86_64_16",
        (Machine::X86_64, 14) => "R_X86_64_8",
        (Machine::Aarch64, 258) => "R_AARCH64_ABS32",
        (Machine::Aarch64, 259) => "R_AARCH64_ABS16",
        (Machine::Aarch64, 263..=269) => "R_AARCH64_MOVW_UABS_*",
        (Machine::Aarch64, 270..=272) => "R_AARCH64_MOVW_SABS_*",
        _ => return None,
    })
}

/// Thread-local variables at an offset fixed in the executable.
fn local_exec(machine: Machine, kind: u32) -> Option<&'static str> {
    Some(match (machine, kind) {
        (Machine::X86_64, 18) => "R_X86_64_TPOFF64",
        (Machine::X86_64, 23) => "R_X86_64_TPOFF32",
        (Machine::Aarch64, 544..=559 | 570 | 571) => "R_AARCH64_TLSLE_*",
        _ => return None,
    })
}

/// Thread-local variables at an offset fixed when the program starts.
fn initial_exec(machine: Machine, kind: u32) -> Option<&'static str> {
    Some(match (machine, kind) {
        (Machine::X86_64, 22) => "R_X86_64_GOTTPOFF",
        (Machine::Aarch64, 539..=543) => "R_AARCH64_TLSIE_*",
        _ => return None,
    })
}

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
    relocations(archive, found, |machine, kind| {
        let irelative = matches!((machine, kind), (Machine::X86_64, 37) | (Machine::Aarch64, 1032));
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
