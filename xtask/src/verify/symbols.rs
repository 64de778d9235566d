//! Checks on the symbols of the whole library: what it needs, what it must not define, what it must define.

use crate::library::private::{is_operator_name, is_runtime_name, is_shared_name};

use super::glibc::Version;
use super::provider::{Libc, Needs, Provider, UNWINDER};
use super::{Archive, C_HEADER, Found, musl};

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
                format!(
                    "needed by {member}, is in {library}, which the descriptor's system_libraries do not name"
                ),
            ),
            Provider::NoFramework(framework) => found.add(
                *symbol,
                format!(
                    "needed by {member}, is in {framework}, which the descriptor's frameworks do not name"
                ),
            ),
            Provider::Nobody(but) => {
                found.add(*symbol, format!("needed by {member}, no library has it{but}"))
            }
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
        // Microsoft's names of the same: ??2, ??3, ??_U and ??_V.
        let is_operator = is_operator_name(symbol)
            || ["??2@", "??3@", "??_U@", "??_V@"].iter().any(|prefix| symbol.starts_with(prefix));
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

/// A feature of the descriptor, the beginning of mangled names that only builds with it define, what Microsoft's names of
/// the same hold, and whether builds without it never do.
const FEATURES: &[(&str, &str, &str, bool)] = &[
    // v8::internal::wasm::WasmEngine
    ("webassembly", "_ZN2v88internal4wasm10WasmEngine", "@WasmEngine@wasm@internal@v8@@", true),
    // v8::internal::Intl
    ("intl", "_ZN2v88internal4Intl", "@Intl@internal@v8@@", true),
    // v8::internal::compiler::Pipeline; a build may carry the compiler and yet be told never to use it.
    ("jit", "_ZN2v88internal8compiler8Pipeline", "@Pipeline@compiler@internal@v8@@", false),
];

/// The features the descriptor promises are in the library, and those it denies are not.
pub fn features(archive: &Archive<'_>, found: &mut Found<'_>) {
    let defined = &archive.symbols.defined;
    for (feature, prefix, part, decides) in FEATURES {
        let (present, like) = if archive.is_msvc() {
            (defined.keys().any(|symbol| symbol.contains(part)), format!("holds {part}"))
        } else {
            let first = defined.range(*prefix..).next();
            (first.is_some_and(|(symbol, _)| symbol.starts_with(prefix)), format!("begins with {prefix}"))
        };
        match archive.descriptor.features.get(*feature) {
            None => found.add(*feature, "the descriptor does not say whether it is there"),
            Some(true) if !present => {
                found.add(*feature, format!("promised by the descriptor, but no symbol {like}"))
            }
            Some(false) if present && *decides => {
                found.add(*feature, format!("denied by the descriptor, but a symbol {like}"));
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
}
