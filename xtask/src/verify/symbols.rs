//! Checks on the symbols of the whole library: what it needs, what it must not define, what it must define.

use crate::library::private::{is_runtime_name, is_shared_name};

use v8_archive::Descriptor;
use v8_archive::descriptor::LibcFamily;

use super::glibc::{Answer, Table, Version};
use super::{Archive, C_HEADER, Found, machine_of, musl};

/// The unwinder's interface. A library has neither these nor need of them, unless the descriptor names `gcc_s`: see
/// `embed/unwind.c`.
/// From the Itanium C++ ABI (exception handling, level I) and libgcc's `libgcc-std.ver.in`.
const UNWINDER: &[&str] = &[
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
const LINKER: &[&str] = &[
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

/// The C library of a target.
enum Libc {
    Glibc { table: Table, floor: Version },
    Musl(musl::Table),
}

impl Libc {
    /// None if the descriptor's target or floor is unreadable, which is the descriptor check's to say.
    fn of(descriptor: &Descriptor) -> Option<Libc> {
        let machine = machine_of(&descriptor.target)?;
        match descriptor.libc.family {
            LibcFamily::Glibc => {
                Some(Libc::Glibc { table: Table::of(machine)?, floor: descriptor.libc.floor.parse().ok()? })
            }
            LibcFamily::Musl => musl::Table::of(machine).map(Libc::Musl),
            LibcFamily::Ucrt | LibcFamily::LibSystem => None,
        }
    }

    fn contains(&self, symbol: &str) -> bool {
        match self {
            Libc::Glibc { table, .. } => table.contains(symbol),
            Libc::Musl(table) => table.contains(symbol),
        }
    }
}

/// Who provides a symbol that the library needs and does not define.
enum Provider {
    Known,
    TooNew(Version),
    NotLinked(&'static str),
    /// Nobody, and why one might have thought so.
    Nobody(&'static str),
}

struct Needs<'a> {
    libc: Libc,
    /// glibc's names, to say of a symbol that it is glibc's alone.
    glibc: Option<Table>,
    libraries: &'a [String],
    /// Sections whose bounds the linker defines: those with the name of a C variable.
    sections: std::collections::BTreeSet<&'a str>,
}

impl<'a> Needs<'a> {
    /// None as for [`Libc::of`].
    fn of(archive: &'a Archive<'_>) -> Option<Needs<'a>> {
        let descriptor = archive.descriptor;
        let objects = archive.library.objects();
        Some(Needs {
            libc: Libc::of(descriptor)?,
            glibc: machine_of(&descriptor.target).and_then(Table::of),
            libraries: &descriptor.system_libraries,
            sections: objects
                .flat_map(|(_, object)| object.sections.iter().map(|section| section.name))
                .collect(),
        })
    }

    fn provider(&self, symbol: &str) -> Provider {
        let bound = ["__start_", "__stop_"].iter().find_map(|prefix| symbol.strip_prefix(prefix));
        if LINKER.contains(&symbol)
            || COMPILER_RUNTIME.contains(&symbol)
            || bound.is_some_and(|section| self.sections.contains(section))
        {
            return Provider::Known;
        }
        if symbol.starts_with(OUTLINE_ATOMICS) {
            return Provider::Nobody(
                ", being an atomic operation out of line: compile with -mno-outline-atomics",
            );
        }
        let named = if symbol.starts_with("__atomic_") {
            Some("atomic")
        } else {
            UNWINDER.contains(&symbol).then_some("gcc_s")
        };
        if let Some(library) = named {
            let is_linked = self.libraries.iter().any(|name| name == library);
            return if is_linked { Provider::Known } else { Provider::NotLinked(library) };
        }
        match &self.libc {
            Libc::Glibc { table, floor } => match table.answer(symbol, *floor, self.libraries) {
                Answer::Provided => Provider::Known,
                Answer::TooNew(since) => Provider::TooNew(since),
                Answer::NotLinked(library) => Provider::NotLinked(library),
                Answer::Unknown => Provider::Nobody(""),
            },
            Libc::Musl(table) if table.contains(symbol) => Provider::Known,
            Libc::Musl(_) => match &self.glibc {
                Some(glibc) if glibc.contains(symbol) => {
                    Provider::Nobody(" but glibc, and the target's is musl")
                }
                _ => Provider::Nobody(""),
            },
        }
    }
}

/// Every needed symbol is in the library, in a system library that the descriptor names, or in what every program has.
///
/// Weak references do not count: the code that makes them copes with their absence.
pub fn undefined(archive: &Archive<'_>, found: &mut Found<'_>) {
    let Some(needs) = Needs::of(archive) else { return };
    for (symbol, place) in archive.symbols.needed.iter().filter(|(_, place)| !place.weak) {
        let member = place.member;
        match needs.provider(symbol) {
            Provider::Known | Provider::TooNew(_) => {}
            Provider::NotLinked(library) => found.add(
                *symbol,
                format!("needed by {member}, is in lib{library}, which the descriptor's system_libraries do not name"),
            ),
            Provider::Nobody(but) => found.add(*symbol, format!("needed by {member}, no library has it{but}")),
        }
    }
}

/// Every needed symbol of the C library is there at the version the descriptor promises.
///
/// musl's list is of one version, and says nothing of older ones.
pub fn libc_floor(archive: &Archive<'_>, found: &mut Found<'_>) {
    let Some(needs) = Needs::of(archive) else { return };
    let floor = &archive.descriptor.libc.floor;
    if matches!(needs.libc, Libc::Musl(_)) {
        let known = musl::Table::version();
        if floor.parse::<Version>().is_ok_and(|floor| floor < known) {
            found.add("libc.floor", format!("{floor} is promised, but musl's symbols are known for {known}"));
        }
    }
    for (symbol, place) in archive.symbols.needed.iter().filter(|(_, place)| !place.weak) {
        if let Provider::TooNew(since) = needs.provider(symbol) {
            let member = place.member;
            found.add(
                *symbol,
                format!("needed by {member}, glibc has it since {since}, the descriptor's floor is {floor}"),
            );
        }
    }
}

/// No definition that would replace the program's own: of the C library, of the unwinder, of `operator new`.
///
/// * C library: weak or strong, since the first library on the command line that has a symbol wins, and ours comes before
///   libc: all of the program would allocate (or copy memory) by V8's copy.
/// * Unwinder: there is one for a process, and the program has it already. With LLVM's in the library every exception of a
///   program linked by `g++ -static` ends in `terminate`, since its frames are registered with libgcc's; linked dynamically,
///   the program exports ours in libgcc_s' place to all its libraries.
/// * `operator new` and `delete`: only strong. A program may replace them (C++ standard, [replacement.functions]), so libc++
///   defines them weak, and weak they give way to the program's or to another library's. Likewise what the library shares
///   with another C++ runtime (`library/private.rs`): strong, it would be there twice in a program that is linked statically.
///
/// Not judged: the rest of libc++abi (`__cxa_throw`, `std::runtime_error`), which an archive bundles on purpose and which carries no
/// inline namespace. A C++ program that has libstdc++ as well must name it before this library: the first one has the symbols.
pub fn leaks(archive: &Archive<'_>, found: &mut Found<'_>) {
    let libc = Libc::of(archive.descriptor);
    let defined = &archive.symbols.defined;
    for (symbol, place) in defined {
        let member = place.member;
        let is_operator = ["_Znw", "_Zna", "_Zdl", "_Zda"].iter().any(|prefix| symbol.starts_with(prefix));
        let whose = if UNWINDER.contains(symbol) {
            "the unwinder"
        } else if is_operator && !place.weak {
            "the program's operator new and delete (it should be weak)"
        } else if is_shared_name(symbol) && !place.weak {
            "the program's C++ runtime (it should be weak)"
        } else if is_runtime_name(symbol) {
            "the program's C++ runtime"
        } else if libc.as_ref().is_some_and(|libc| libc.contains(symbol)) {
            "the C library"
        } else {
            continue;
        };
        found.add(*symbol, format!("defined by {member}, would replace that of {whose}"));
    }
}

/// Every function of the C interface that the archive's own header declares is defined.
pub fn interface(archive: &Archive<'_>, found: &mut Found<'_>) {
    // Without the header there is nothing to compare; the headers check says so.
    let Some(header) = &archive.c_header else { return };
    let functions = declared_functions(header);
    if functions.is_empty() {
        found.add(C_HEADER, "declares no function");
    }
    let defined = &archive.symbols.defined;
    for function in functions.iter().filter(|function| !defined.contains_key(**function)) {
        found.add(*function, format!("declared by {C_HEADER}, defined by no member"));
    }
}

/// The names before a parenthesis that begin with `libv8_`, outside comments.
fn declared_functions(header: &str) -> Vec<&str> {
    let mut functions = Vec::new();
    let mut rest = header;
    while !rest.is_empty() {
        let (code, comment) = rest.split_once("/*").unwrap_or((rest, ""));
        for code in code.lines().map(|line| line.split("//").next().unwrap_or(line)) {
            for (parenthesis, _) in code.match_indices('(') {
                let before = code[..parenthesis].trim_end();
                let name =
                    before.rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or(before);
                if name.starts_with("libv8_") {
                    functions.push(name);
                }
            }
        }
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    functions
}

/// A feature of the descriptor, the beginning of mangled names that only builds with it define, and whether builds without it never do.
const FEATURES: &[(&str, &str, bool)] = &[
    // v8::internal::wasm::WasmEngine
    ("webassembly", "_ZN2v88internal4wasm10WasmEngine", true),
    // v8::internal::Intl
    ("intl", "_ZN2v88internal4Intl", true),
    // v8::internal::compiler::Pipeline; a build may carry the compiler and yet be told never to use it.
    ("jit", "_ZN2v88internal8compiler8Pipeline", false),
];

/// The features the descriptor promises are in the library, and those it denies are not.
pub fn features(archive: &Archive<'_>, found: &mut Found<'_>) {
    let defined = &archive.symbols.defined;
    for (feature, prefix, decides) in FEATURES {
        let present = defined.range(*prefix..).next().is_some_and(|(symbol, _)| symbol.starts_with(prefix));
        match archive.descriptor.features.get(*feature) {
            None => found.add(*feature, "the descriptor does not say whether it is there"),
            Some(true) if !present => {
                found.add(*feature, format!("promised by the descriptor, but no symbol begins with {prefix}"))
            }
            Some(false) if present && *decides => {
                found.add(*feature, format!("denied by the descriptor, but symbols begin with {prefix}"));
            }
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_functions_of_a_header_are_found_outside_comments() {
        let header = "/* libv8_not() */ const char *libv8_version(void);\nint\nlibv8_two (int x,\n  int y); // libv8_no()\n\
                      struct libv8_options { int x; };\n/* libv8_a()\n libv8_b() */ void libv8_three(libv8_options *o);";
        assert_eq!(declared_functions(header), ["libv8_version", "libv8_two", "libv8_three"]);
    }

    #[test]
    fn the_real_header_is_understood() {
        let functions = declared_functions(include_str!("../../../embed/libv8.h"));
        assert!(
            functions.contains(&"libv8_eval") && functions.contains(&"libv8_terminator_free"),
            "{functions:?}"
        );
        assert!(!functions.contains(&"libv8_options"));
    }

    #[test]
    fn lists_do_not_overlap_with_glibcs() {
        let table = Table::of(crate::library::read::Machine::X86_64).unwrap();
        for symbol in UNWINDER.iter().chain(COMPILER_RUNTIME) {
            assert!(!table.contains(symbol), "{symbol}");
        }
    }
}
