//! Checks on what only Mach-O objects have: the system they are for, frameworks, and the names of their symbols.

use super::darwin::PUBLIC_FRAMEWORKS;
use super::{Archive, Found};
use crate::library::read::{MachO, Member, Particular};

/// `PLATFORM_MACOS` (`mach-o/loader.h`).
const MACOS: u32 = 1;

fn objects<'a>(archive: &'a Archive<'_>) -> impl Iterator<Item = (&'a Member<'a>, &'a MachO<'a>)> {
    archive.library.objects().filter_map(|(member, object)| match &object.particular {
        Particular::MachO(macho) => Some((member, macho)),
        _ => None,
    })
}

/// Every object is for macOS, and for none newer than the descriptor's floor. Nothing in it keeps a program from being signed:
/// no bitcode, which `codesign` and the App Store refuse since Xcode 14.
pub fn system(archive: &Archive<'_>, found: &mut Found<'_>) {
    let floor = &archive.descriptor.libc.floor;
    // A floor that is none is the descriptor check's to say.
    let Some(highest) = packed(floor) else { return };
    for (member, object) in objects(archive) {
        if object.systems.is_empty() {
            found.add(&member.name, "does not say for which system it is");
        }
        for system in &object.systems {
            if system.platform != MACOS {
                found.add(
                    &member.name,
                    format!("is for Apple's platform {}, and not for macOS (1)", system.platform),
                );
            } else if system.lowest > highest {
                let lowest = written(system.lowest);
                found.add(&member.name, format!("needs macOS {lowest}, the descriptor's floor is {floor}"));
            }
        }
    }
    for (member, object) in archive.library.objects() {
        if let Some(section) = object.sections.iter().find(|section| section.segment == "__LLVM") {
            found.add(
                &member.name,
                format!("holds bitcode ({}), which keeps programs from being signed", section.name),
            );
        }
    }
}

/// `12.0` → 0x000c0000: the form of load commands.
fn packed(version: &str) -> Option<u32> {
    let mut numbers = version.split('.').map(|number| number.parse::<u8>().ok());
    let major = numbers.next()??;
    let (minor, patch) = (numbers.next().unwrap_or(Some(0))?, numbers.next().unwrap_or(Some(0))?);
    numbers.next().is_none().then(|| u32::from(major) << 16 | u32::from(minor) << 8 | u32::from(patch))
}

fn written(version: u32) -> String {
    format!("{}.{}", version >> 16, version >> 8 & 0xff)
}

/// Only frameworks that Apple documents, and all that objects ask for are the descriptor's.
pub fn frameworks(archive: &Archive<'_>, found: &mut Found<'_>) {
    let descriptor = archive.descriptor;
    for framework in descriptor.frameworks.iter().filter(|name| !PUBLIC_FRAMEWORKS.contains(&name.as_str())) {
        found.add("frameworks", format!("{framework} is not known as a public framework"));
    }
    for (member, object) in objects(archive) {
        for option in &object.options {
            let named = match option.as_slice() {
                ["-framework", name] => descriptor.frameworks.iter().any(|framework| framework == name),
                [word] => word
                    .strip_prefix("-l")
                    .is_some_and(|name| descriptor.system_libraries.iter().any(|l| l == name)),
                _ => false,
            };
            if !named {
                found.add(
                    &member.name,
                    format!("tells the linker {}, the descriptor does not", option.join(" ")),
                );
            }
        }
    }
}

/// Every symbol has the underscore before its name that C and C++ names have: one without is of assembly that forgot it.
pub fn names(archive: &Archive<'_>, found: &mut Found<'_>) {
    for (member, object) in objects(archive) {
        for name in &object.unprefixed {
            found.add(&member.name, format!("{name} has no underscore before its name, so C cannot name it"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_packed_as_load_commands_have_them() {
        let check = |text, expected: Option<u32>| assert_eq!(packed(text), expected, "{text}");
        check("12.0", Some(0x000c_0000));
        check("10.15.4", Some(0x000a_0f04));
        check("11", Some(0x000b_0000));
        check("12.x", None);
        check("1.2.3.4", None);
        assert_eq!(written(0x000a_0f04), "10.15");
    }
}
