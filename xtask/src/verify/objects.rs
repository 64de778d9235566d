//! Checks on the members of the library as objects, whatever their format is.

use std::collections::BTreeSet;

use v8_archive::descriptor::TlsModel;

use super::relocations::{absolute, initial_exec, local_exec};
use super::{Archive, Found, machine_of};
use crate::library::Format;
use crate::library::read::{ArchiveKind, Contents, Object};

/// Members that are whole objects of the system's format; no thin library, which names files of the machine that built it (F51).
pub fn members(archive: &Archive<'_>, found: &mut Found<'_>) {
    for (path, reason) in &archive.unreadable {
        found.add(*path, reason);
    }
    if archive.library.members.is_empty() && archive.unreadable.is_empty() {
        found.add("library", "there is no member");
    }
    let expected = Format::of_system(archive.descriptor.libc.family);
    for member in &archive.library.members {
        match &member.contents {
            Contents::Object(object) if object.format() == expected => {}
            Contents::Object(object) => found.add(
                &member.name,
                format!(
                    "is an object of {}, those of {} are of {expected}",
                    object.format(),
                    archive.descriptor.target
                ),
            ),
            Contents::Unknown(reason) => found.add(&member.name, reason),
            Contents::Absent => {
                found.add(&member.name, "is named, but not held: the library is a thin archive")
            }
        }
    }
}

/// The library's own table of symbols is of the form that the system's linker reads, and has every definition: see the head
/// of `library/normalise.rs`.
pub fn index(archive: &Archive<'_>, found: &mut Found<'_>) {
    let library = archive.library;
    if library.members.is_empty() || library.thin {
        return;
    }
    let format = Format::of_system(archive.descriptor.libc.family);
    let (expected, of) = match format {
        Format::Elf => (ArchiveKind::Gnu, "GNU's"),
        Format::Coff if archive.is_msvc() => (ArchiveKind::Coff, "Microsoft's"),
        Format::Coff => (ArchiveKind::Gnu, "GNU's"),
        Format::MachO => (ArchiveKind::Bsd, "Apple's"),
    };
    if library.kind != expected {
        found.add("library", format!("its table of symbols is not of {of} form ({:?})", library.kind));
        return;
    }
    let names: BTreeSet<&[u8]> = library.index.iter().copied().collect();
    for (member, object) in library.objects() {
        let lacking = |symbol: &str| match format {
            Format::MachO => !names.contains(format!("_{symbol}").as_bytes()),
            Format::Elf | Format::Coff => !names.contains(symbol.as_bytes()),
        };
        let mut symbols = object.symbols.iter().filter(|symbol| symbol.defined && lacking(symbol.name));
        if let Some(symbol) = symbols.next() {
            let more = symbols.count();
            found.add(
                &member.name,
                format!("{} (and {more} more) is not in the library's table of symbols", symbol.name),
            );
        }
        if format == Format::MachO && member.offset % 8 != 0 {
            found.add(&member.name, "does not begin at a multiple of 8, which Apple's linker wants");
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

/// No relocation that a linker refuses in a shared library: absolute addresses of less than a pointer's width or, on macOS, in
/// code; and of ELF local-exec thread-local variables unless the descriptor declares them.
///
/// Only those that are refused whatever their symbol is. PC-relative ones depend on the symbol's visibility in
/// the final link, which `smoke` does.
pub fn shared(archive: &Archive<'_>, found: &mut Found<'_>) {
    let tls_declared = archive.descriptor.tls_model == TlsModel::LocalExec;
    relocations(archive, found, |object, segment, kind| {
        match (absolute(object, segment, kind), local_exec(object, kind)) {
            (Some(name), _) => {
                Some(format!("{name} is an absolute address: it links into no shared library"))
            }
            (_, Some(name)) if !tls_declared => {
                Some(format!("{name} is the local-exec TLS model: it links into no shared library"))
            }
            _ => None,
        }
    });
}

/// No initial-exec thread-local variable if the descriptor declares a model that `dlopen` always accepts; Windows and macOS
/// have one model, and the descriptor says so.
pub fn tls_model(archive: &Archive<'_>, found: &mut Found<'_>) {
    let declared = archive.descriptor.tls_model;
    let has_models = Format::of_system(archive.descriptor.libc.family) == Format::Elf;
    if has_models == (declared == TlsModel::Platform) {
        let models =
            if has_models { "the system has several" } else { "the system has only its own (platform)" };
        found.add("tls_model", format!("{declared:?} is declared, but {models}"));
    }
    if matches!(declared, TlsModel::LocalExec | TlsModel::InitialExec) {
        return;
    }
    relocations(archive, found, |object, _, kind| {
        let name = initial_exec(object, kind)?;
        Some(format!("{name} is the initial-exec TLS model, but the descriptor declares one for dlopen"))
    });
}

/// Reports each kind of relocation in memory sections once for a member and section; `judge` has the object, the section's
/// segment and the kind.
pub fn relocations(
    archive: &Archive<'_>,
    found: &mut Found<'_>,
    judge: impl Fn(&Object<'_>, &str, u32) -> Option<String>,
) {
    for (member, object) in archive.library.objects() {
        let mut seen = BTreeSet::new();
        for section in object.sections.iter().filter(|section| section.allocated) {
            for kind in &section.relocations {
                if let Some(message) = judge(object, section.segment, *kind) {
                    seen.insert((section.name, message));
                }
            }
        }
        for (section, message) in seen {
            found.add(&member.name, format!("{section}: {message}"));
        }
    }
}
