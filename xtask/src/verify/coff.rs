//! Checks on what only COFF objects have: the time in their header, what they tell the linker, and which C library that is.

use super::{Archive, Found};
use crate::library::read::{Coff, Member, Particular};

/// Microsoft's libraries of C and C++ by the switch that a compiler chooses one with; `d` is for debugging.
const CRTS: &[(&str, &str)] =
    &[("libcmt", "/MT"), ("libcmtd", "/MTd"), ("msvcrt", "/MD"), ("msvcrtd", "/MDd")];

/// What every object of Microsoft's ABI asks for besides: C's older names, and none of them changes what is linked.
const HARMLESS: &[&str] = &["oldnames", "uuid"];

/// What an object may tell the linker: of itself, and not of the program. From Microsoft's list of `.drectve` options and
/// lld's `COFF/DriverUtils.cpp`.
const OF_OBJECTS: &[&str] =
    &["aligncomm", "alternatename", "defaultlib", "exclude-symbols", "failifmismatch", "guardsym", "include"];

fn objects<'a>(archive: &'a Archive<'_>) -> impl Iterator<Item = (&'a Member<'a>, &'a Coff<'a>)> {
    archive.library.objects().filter_map(|(member, object)| match &object.particular {
        Particular::Coff(coff) => Some((member, coff)),
        _ => None,
    })
}

/// The options of `.drectve`, each with its value; names in lower case and without what stands before them.
fn options<'a>(coff: &Coff<'a>) -> Vec<(String, &'a str)> {
    let mut quoted = false;
    let words = coff.directives.split(move |c: char| {
        quoted ^= c == '"';
        c.is_ascii_whitespace() && !quoted
    });
    words
        .filter(|word| !word.is_empty())
        .map(|word| {
            let (name, value) = word.split_once(':').unwrap_or((word, ""));
            (name.trim_start_matches(['/', '-']).to_ascii_lowercase(), value.trim_matches('"'))
        })
        .collect()
}

/// A library's name as for `-l`: the linker adds the ending, and does not look at capitals.
fn library_name(value: &str) -> String {
    let name = value.to_ascii_lowercase();
    name.strip_suffix(".lib").unwrap_or(&name).to_owned()
}

/// No time in the header of an object: same sources, same bytes (`/Brepro`).
pub fn time(archive: &Archive<'_>, found: &mut Found<'_>) {
    for (member, coff) in objects(archive) {
        if coff.time != 0 {
            found.add(&member.name, format!("holds the time {} at which it was compiled", coff.time));
        }
    }
}

/// No object that tells the linker what would hold for the whole program: exports, libraries that the descriptor does not
/// name, stack sizes.
pub fn directives(archive: &Archive<'_>, found: &mut Found<'_>) {
    let named = &archive.descriptor.system_libraries;
    for (member, coff) in objects(archive) {
        for (option, value) in options(coff) {
            let library = library_name(value);
            match option.as_str() {
                "export" => {
                    found.add(
                        &member.name,
                        format!("exports {value} from every program that is linked with it"),
                    );
                }
                "defaultlib" => {
                    let known =
                        HARMLESS.contains(&library.as_str()) || CRTS.iter().any(|crt| crt.0 == library);
                    if !known && !named.contains(&library) {
                        found.add(
                            &member.name,
                            format!(
                                "asks for {library}, which the descriptor's system_libraries do not name"
                            ),
                        );
                    }
                }
                option if OF_OBJECTS.contains(&option) => {}
                option => {
                    found.add(
                        &member.name,
                        format!("tells the linker {option}, which would hold for the program"),
                    );
                }
            }
        }
    }
}

/// Every object asks for the C library that the descriptor names: of Microsoft's ABI `libcmt` (compiled with /MT) or
/// `msvcrt` (/MD), one of which stands in its system_libraries; of MinGW's none of them, as its compiler links UCRT itself.
///
/// That it is UCRT, and not the older msvcrt.dll, follows from its functions: see `undefined`.
pub fn crt(archive: &Archive<'_>, found: &mut Found<'_>) {
    let named: Vec<_> = CRTS
        .iter()
        .filter(|crt| archive.descriptor.system_libraries.iter().any(|name| name == crt.0))
        .collect();
    let expected = match named.as_slice() {
        [crt] if archive.is_msvc() && !crt.0.ends_with('d') => Some(**crt),
        [] if !archive.is_msvc() => None,
        _ => {
            let wanted = if archive.is_msvc() { "one of libcmt and msvcrt" } else { "none of Microsoft's" };
            let names: Vec<&str> = named.iter().map(|crt| crt.0).collect();
            found.add("system_libraries", format!("name {names:?} as C library, expected {wanted}"));
            return;
        }
    };
    for (member, coff) in objects(archive) {
        for (option, value) in options(coff) {
            let (asked, compiled) = match option.as_str() {
                "defaultlib" => {
                    let Some(crt) = CRTS.iter().find(|crt| crt.0 == library_name(value)) else { continue };
                    (crt.0, crt.1)
                }
                // Microsoft's headers: `RuntimeLibrary=MT_StaticRelease`.
                "failifmismatch" => {
                    let Some(("RuntimeLibrary", kind)) = value.split_once('=') else { continue };
                    let switch = kind.split('_').next().unwrap_or(kind);
                    let Some(crt) = CRTS.iter().find(|crt| crt.1[1..] == *switch) else { continue };
                    (crt.0, crt.1)
                }
                _ => continue,
            };
            match expected {
                Some(crt) if crt.0 == asked => {}
                Some(crt) => found.add(
                    &member.name,
                    format!(
                        "is compiled with {compiled}, for {asked}, the descriptor names {} ({})",
                        crt.0, crt.1
                    ),
                ),
                None => {
                    found.add(&member.name, format!("asks for Microsoft's {asked}, the target's is MinGW's"))
                }
            }
        }
    }
}
