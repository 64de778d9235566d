//! Who provides the symbols that a library needs: its C library, the libraries and frameworks that the descriptor names, the
//! compiler, the linker.

use std::collections::BTreeSet;

use v8_archive::Descriptor;
use v8_archive::descriptor::LibcFamily;

use super::glibc::{Answer, Version};
use super::{Archive, darwin, glibc, is_msvc, machine_of, musl, windows};

/// The unwinder's interface. A library has neither these nor need of them, unless the descriptor names `gcc_s`: see
/// `embed/unwind.c`.
/// From the Itanium C++ ABI (exception handling, level I) and libgcc's `libgcc-std.ver.in`.
pub const UNWINDER: &[&str] = &[
    "_Unwind_Backtrace",
    "_Unwind_DeleteException",
    "_Unwind_FindEnclosingFunction",
    "_Unwind_Find_FDE",
    "_Unwind_ForcedUnwind",
    "_Unwind_GetCFA",
    "_Unwind_GetDataRelBase",
    "_Unwind_GetGR",
    "_Unwind_GetIP",
    "_Unwind_GetIPInfo",
    "_Unwind_GetLanguageSpecificData",
    "_Unwind_GetRegionStart",
    "_Unwind_GetTextRelBase",
    "_Unwind_RaiseException",
    "_Unwind_Resume",
    "_Unwind_Resume_or_Rethrow",
    "_Unwind_SetGR",
    "_Unwind_SetIP",
    "__deregister_frame",
    "__register_frame",
];

/// Helpers of the compiler that libgcc.a, compiler-rt and Rust's `compiler_builtins` all have, so that any program brings them.
/// (`__clear_cache`: of AArch64; compiler_builtins has it where its C parts are compiled.)
/// Not here, and so a fault: `__muloti4`, which clang emits and libgcc has not. (`__extendhfsf2`, `__truncsfhf2`:
/// libgcc has them for x86-64 since GCC 12, compiler_builtins always.)
const COMPILER_RUNTIME: &[&str] = &[
    "__addtf3",
    "__ashlti3",
    "__ashrti3",
    "__clear_cache",
    "__divmodti4",
    "__divtf3",
    "__divti3",
    "__eqtf2",
    "__extenddftf2",
    "__extendhfsf2",
    "__extendsftf2",
    "__fixdfti",
    "__fixsfti",
    "__fixtfdi",
    "__fixtfsi",
    "__fixunsdfti",
    "__fixunssfti",
    "__fixunstfdi",
    "__fixunstfsi",
    "__floatditf",
    "__floatsitf",
    "__floattidf",
    "__floattisf",
    "__floatunditf",
    "__floatunsitf",
    "__floatuntidf",
    "__floatuntisf",
    "__getf2",
    "__gttf2",
    "__letf2",
    "__lshrti3",
    "__lttf2",
    "__modti3",
    "__multf3",
    "__multi3",
    "__netf2",
    "__popcountdi2",
    "__subtf3",
    "__truncdfhf2",
    "__truncsfhf2",
    "__trunctfdf2",
    "__trunctfsf2",
    "__udivmodti4",
    "__udivti3",
    "__umodti3",
    "__unordtf2",
];

/// Atomic operations out of line on AArch64, which ask at run time what the processor has. Not every program has them: libgcc
/// before GCC 9.3 lacks them, and those of libgcc and compiler-rt are initialised each in its own way.
const OUTLINE_ATOMICS: &str = "__aarch64_";

/// What the linker itself or the start files define. Sources: the default script of GNU ld (`ld --verbose`), crtbegin.o.
const LINKER_OF_ELF: &[&str] = &[
    "_DYNAMIC",
    "_GLOBAL_OFFSET_TABLE_",
    "__bss_start",
    "__dso_handle",
    "__ehdr_start",
    "__executable_start",
    "__init_array_end",
    "__init_array_start",
    "__fini_array_end",
    "__fini_array_start",
    "_edata",
    "_end",
    "_etext",
    "edata",
    "end",
    "etext",
];

/// The same of macOS. Source: the manual of ld(1), and `lld/MachO/SyntheticSections.cpp`.
const LINKER_OF_MACOS: &[&str] =
    &["__dso_handle", "_mh_bundle_header", "_mh_dylib_header", "_mh_execute_header"];

/// What code that asks for the system's version calls. It is in clang's own library, which only clang links.
const OF_CLANG: &[&str] = &["__isOSVersionAtLeast", "__isPlatformVersionAtLeast"];

/// The C library of a target.
pub enum Libc {
    Glibc { table: glibc::Table, floor: Version },
    Musl(musl::Table),
    Windows(windows::Table),
    Darwin(darwin::Table),
}

impl Libc {
    /// None if the descriptor's target or floor is unreadable, which is the descriptor check's to say.
    pub fn of(descriptor: &Descriptor) -> Option<Libc> {
        let machine = machine_of(&descriptor.target)?;
        match descriptor.libc.family {
            LibcFamily::Glibc => {
                let (table, floor) = (glibc::Table::of(machine)?, descriptor.libc.floor.parse().ok()?);
                Some(Libc::Glibc { table, floor })
            }
            LibcFamily::Musl => musl::Table::of(machine).map(Libc::Musl),
            LibcFamily::Ucrt => windows::Table::of(machine).map(Libc::Windows),
            LibcFamily::LibSystem => darwin::Table::of(machine).map(Libc::Darwin),
        }
    }

    /// Whether it has a symbol; of Windows, whether UCRT or another of its libraries has.
    pub fn contains(&self, symbol: &str) -> bool {
        match self {
            Libc::Glibc { table, .. } => table.contains(symbol),
            Libc::Musl(table) => table.contains(symbol),
            Libc::Windows(table) => !table.libraries(symbol).is_empty(),
            Libc::Darwin(table) => table.contains(symbol),
        }
    }
}

/// Who provides a symbol that the library needs and does not define.
pub enum Provider {
    Known,
    TooNew(Version),
    /// A library of the system, by its file's name.
    NotLinked(String),
    NoFramework(&'static str),
    /// Nobody, and why one might have thought so.
    Nobody(&'static str),
}

/// What a library may need, by its descriptor.
pub struct Needs<'a> {
    pub libc: Libc,
    /// glibc's names, to say of a symbol that it is glibc's alone.
    glibc: Option<glibc::Table>,
    descriptor: &'a Descriptor,
    /// Sections whose bounds the linker defines: those with the name of a C variable.
    sections: BTreeSet<&'a str>,
}

impl<'a> Needs<'a> {
    /// None as for [`Libc::of`].
    pub fn of(archive: &'a Archive<'_>) -> Option<Needs<'a>> {
        let objects = archive.library.objects();
        Some(Needs {
            libc: Libc::of(archive.descriptor)?,
            glibc: machine_of(&archive.descriptor.target).and_then(glibc::Table::of),
            descriptor: archive.descriptor,
            sections: objects
                .flat_map(|(_, object)| object.sections.iter().map(|section| section.name))
                .collect(),
        })
    }

    pub fn provider(&self, symbol: &str) -> Provider {
        if COMPILER_RUNTIME.contains(&symbol) {
            return Provider::Known;
        }
        if symbol.starts_with(OUTLINE_ATOMICS) {
            return Provider::Nobody(
                ", being an atomic operation out of line: compile with -mno-outline-atomics",
            );
        }
        match &self.libc {
            Libc::Glibc { .. } | Libc::Musl(_) => self.of_linux(symbol),
            Libc::Windows(table) => self.of_windows(symbol, table),
            Libc::Darwin(table) => self.of_macos(symbol, table),
        }
    }

    fn is_linked(&self, library: &str) -> bool {
        self.descriptor.system_libraries.iter().any(|name| name == library)
    }

    fn of_linux(&self, symbol: &str) -> Provider {
        let bound = ["__start_", "__stop_"].iter().find_map(|prefix| symbol.strip_prefix(prefix));
        if LINKER_OF_ELF.contains(&symbol) || bound.is_some_and(|section| self.sections.contains(section)) {
            return Provider::Known;
        }
        let not_linked = |library| Provider::NotLinked(format!("lib{library}"));
        let named = if symbol.starts_with("__atomic_") {
            Some("atomic")
        } else {
            UNWINDER.contains(&symbol).then_some("gcc_s")
        };
        if let Some(library) = named {
            return if self.is_linked(library) { Provider::Known } else { not_linked(library) };
        }
        let of_glibc = |symbol| self.glibc.as_ref().is_some_and(|glibc| glibc.contains(symbol));
        match &self.libc {
            Libc::Glibc { table, floor } => {
                match table.answer(symbol, *floor, &self.descriptor.system_libraries) {
                    Answer::Provided => Provider::Known,
                    Answer::TooNew(since) => Provider::TooNew(since),
                    Answer::NotLinked(library) => not_linked(library),
                    Answer::Unknown => Provider::Nobody(""),
                }
            }
            libc if libc.contains(symbol) => Provider::Known,
            _ if of_glibc(symbol) => Provider::Nobody(" but glibc, and the target's is musl"),
            _ => Provider::Nobody(""),
        }
    }

    fn of_windows(&self, symbol: &str, table: &windows::Table) -> Provider {
        let is_msvc = is_msvc(self.descriptor);
        let libraries = table.libraries(symbol);
        let is_linked = |library: &&str| {
            let is_default = if is_msvc {
                *library == windows::UCRT
            } else {
                windows::DEFAULTS_OF_MINGW.contains(library)
            };
            is_default || self.is_linked(library)
        };
        if windows::Table::is_of_compiler(symbol, is_msvc) || libraries.iter().any(is_linked) {
            return Provider::Known;
        }
        if UNWINDER.contains(&symbol) && !is_msvc {
            return if self.is_linked("unwind") {
                Provider::Known
            } else {
                Provider::NotLinked("libunwind".to_owned())
            };
        }
        if symbol.starts_with("pthread_") && !is_msvc {
            // MinGW-w64's own threads, which its compilers link for C++ only.
            return if self.is_linked("pthread") {
                Provider::Known
            } else {
                Provider::NotLinked("libpthread".to_owned())
            };
        }
        match libraries.first() {
            Some(library) => Provider::NotLinked(format!("{library}.lib")),
            None if symbol.starts_with("__emutls_") => {
                Provider::Nobody(", being an emulated thread-local variable: compile with -fno-emulated-tls")
            }
            None => Provider::Nobody(""),
        }
    }

    fn of_macos(&self, symbol: &str, table: &darwin::Table) -> Provider {
        if LINKER_OF_MACOS.contains(&symbol) || table.contains(symbol) {
            return Provider::Known;
        }
        if OF_CLANG.contains(&symbol) {
            return Provider::Nobody(
                " but clang's own (libclang_rt.osx), which other linkers' programs lack: do without __builtin_available",
            );
        }
        match darwin::Table::framework(symbol) {
            Some(framework) if self.descriptor.frameworks.iter().any(|name| name == framework) => {
                Provider::Known
            }
            Some(framework) => Provider::NoFramework(framework),
            None => Provider::Nobody(""),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_do_not_overlap_with_glibcs() {
        let table = glibc::Table::of(crate::library::read::Machine::X86_64).unwrap();
        for symbol in UNWINDER.iter().chain(COMPILER_RUNTIME) {
            assert!(!table.contains(symbol), "{symbol}");
        }
    }
}
