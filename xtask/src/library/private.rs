//! Gives the library's own C++ runtime names of its own, so that it and another one can live in one program.
//!
//! libc++ keeps its classes in the namespace `std::__Cr`, but not those that C++ programs share across libraries
//! (`std::exception`, `std::runtime_error`, …), and libc++abi's functions have the names that the Itanium C++ ABI gives
//! them. A linker that met both ours and libstdc++'s would take some of each: an exception that one throws is then not
//! caught by the other, and the process ends. A Rust program with a C++ dependency, or any program of g++, is such a one.
//!
//! So these names get another beginning, of the same length, in every object: `__cxa_throw` becomes `v8cxa_throw`, and
//! `_ZNSt13runtime_error…` becomes `v8NSt13runtime_error…`. Nothing else in an object changes, not even its size.
//!
//! The unwinder's names (`_Unwind_Resume`, …) are treated alike: `embed/unwind.c` defines what the library has in its place.
//!
//! Kept are names of which any one definition serves all: operators new and delete, which a program may replace, and
//! what a compiler calls in code without exceptions. They become weak, so that a program whose own runtime is linked
//! statically (`g++ -static`, `zig c++`) has its own and no name twice. C++ code that includes V8's headers needs no more than those, since it
//! is compiled without exceptions and RTTI, as `cxx.flags` of `V8.json` says.
//!
//! How that is done in [`elf`], [`coff`] and [`macho`] stands there. Microsoft's names of the same things are not touched:
//! objects for its ABI hold no C++ runtime, but take that of `vcruntime`, as the program does.

mod coff;
mod elf;
mod macho;

use crate::library::Format;

/// What a private name begins with, in place of `__`, `_Z` or `_U`.
const PREFIX: &[u8; 2] = b"v8";

/// Names that stay although they are of the C++ runtime: see the head of this file.
const SHARED: &[&str] = &[
    // Of libc, which libc++abi calls.
    "__cxa_atexit",
    "__cxa_finalize",
    "__cxa_thread_atexit_impl",
    // What compilers call for static and thread-local variables and for virtual functions without a body.
    "__cxa_deleted_virtual",
    "__cxa_guard_abort",
    "__cxa_guard_acquire",
    "__cxa_guard_release",
    "__cxa_pure_virtual",
    "__cxa_thread_atexit",
    // The argument of `new (std::nothrow)`, and the end of a program that libc++'s headers call.
    "_ZSt7nothrow",
    "_ZSt9terminatev",
];

/// Whether a symbol is of the C++ runtime and keeps its name: another runtime's definition takes its place.
pub fn is_shared_name(name: &str) -> bool {
    SHARED.contains(&name)
}

/// Whether a symbol is of the C++ runtime, and another runtime in the same program would have it too.
///
/// Source of the forms: the Itanium C++ ABI, 3.3 (runtime), 2.9 (RTTI), 5.1 (`St` is `std::`, and `St4__Cr` libc++'s own).
pub fn is_runtime_name(name: &str) -> bool {
    if is_shared_name(name) {
        return false;
    }
    // The latter is the unwinder's on Windows: what libc++abi's personality calls.
    if name.starts_with("_Unwind_") || name == "_GCC_specific_handler" {
        return true;
    }
    if let Some(rest) = name.strip_prefix("__") {
        return rest.starts_with("cxa_") || rest.starts_with("gxx_") || rest == "dynamic_cast";
    }
    let Some(rest) = name.strip_prefix("_Z") else { return false };
    // Type information, its name, virtual table, virtual table table.
    let is_data = ["TI", "TS", "TV", "TT"].iter().find_map(|kind| rest.strip_prefix(kind));
    let entity = is_data.unwrap_or(rest);
    let nested = entity.strip_prefix('N').map(|nested| nested.trim_start_matches(['r', 'V', 'K']));
    let is_std = |text: &str| text.starts_with("St") && !text.starts_with("St4__Cr");
    let is_abi = |text: &str| text.starts_with("10__cxxabiv1");
    // Type information of `int`, `char*` and the like, which are one or two pointers and qualifiers around a letter.
    let is_builtin = is_data.is_some()
        && matches!(entity.trim_start_matches(['P', 'K']).trim_start_matches('D').as_bytes(), [b'a'..=b'z']);
    is_builtin || is_std(entity) || nested.is_some_and(|nested| is_std(nested) || is_abi(nested))
}

/// Whether a symbol is an operator new or delete, which a program may replace.
pub fn is_operator_name(name: &str) -> bool {
    ["_Znw", "_Zna", "_Zdl", "_Zda"].iter().any(|prefix| name.starts_with(prefix))
}

/// Renames in a relocatable object; what is no such object stays as it is. An error says how the object is damaged.
pub fn make_private(bytes: &mut Vec<u8>) -> Result<(), String> {
    let done = match Format::of_object(bytes) {
        None => Ok(()),
        Some(Format::Elf) => elf::make_private(bytes),
        Some(Format::Coff) => coff::make_private(bytes),
        Some(Format::MachO) => macho::make_private(bytes),
    };
    done.map_err(|error| error.to_string())
}

/// Writes [`PREFIX`] at each place, all of which were found in these bytes.
fn write_prefixes(bytes: &mut [u8], places: &[usize]) {
    for place in places {
        bytes[*place..place + PREFIX.len()].copy_from_slice(PREFIX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::{test_object, test_object_of};

    #[test]
    fn names_of_the_runtime_are_told_from_all_others() {
        let check = |name: &str, expected: bool| assert_eq!(is_runtime_name(name), expected, "{name}");
        for name in [
            "__cxa_throw",
            "__cxa_demangle",
            "__gxx_personality_v0",
            "_Unwind_RaiseException",
            "_GCC_specific_handler",
            "__dynamic_cast",
            "_ZSt13set_terminatePFvvE",
            "_ZNSt13runtime_errorC2EPKc",
            "_ZNSt13runtime_errorC2ERKNSt4__Cr12basic_stringIcNS0_11char_traitsIcEENS0_9allocatorIcEEEE",
            "_ZNKSt9exception4whatEv",
            "_ZTISt9exception",
            "_ZTSSt9exception",
            "_ZTVN10__cxxabiv120__si_class_type_infoE",
            "_ZTIi",
            "_ZTIPKc",
            "_ZTSDn",
            "_ZNK10__cxxabiv117__class_type_info12search_above",
        ] {
            check(name, true);
        }
        for name in [
            "_Znwm",
            "_ZdlPvm",
            "__cxa_guard_acquire",
            "__cxa_atexit",
            "_ZSt7nothrow",
            "_ZSt9terminatev",
            "_ZNSt4__Cr6vectorIiE3atEm",
            "_ZNKSt4__Cr8functionIFvvEEclEv",
            "_ZTVNSt4__Cr13__shared_countE",
            "_ZTINSt4__Cr12bad_weak_ptrE",
            "_ZN2v87Isolate3NewERKNS0_12CreateParamsE",
            "_ZTVN2v88internal4HeapE",
            "_ZN2v88internal3fooESt9nothrow_t",
            "libv8_eval",
            "memcpy",
            "__stack_chk_fail",
            "",
        ] {
            check(name, false);
        }
    }

    #[test]
    fn definitions_and_references_are_renamed_alike_and_nothing_else() {
        use object::{Object as _, ObjectSymbol as _};
        let before = test_object(
            None,
            &[
                ("__cxa_throw", true),
                ("_Znwm", true),
                ("DW.ref.__gxx_personality_v0", true),
                ("__gxx_personality_v0", false),
                ("_ZNSt13runtime_errorC2EPKc", false),
                ("_Unwind_Resume", false),
                ("memcpy", false),
            ],
        );
        let mut after = before.clone();
        make_private(&mut after).unwrap();
        let file = object::File::parse(after.as_slice()).unwrap();
        let names: Vec<&str> =
            file.symbols().filter(|symbol| symbol.is_global()).map(|symbol| symbol.name().unwrap()).collect();
        // The writer, as LLVM's, lets one string be the end of another.
        assert_eq!(
            names,
            [
                "v8cxa_throw",
                "_Znwm",
                "DW.ref.v8gxx_personality_v0",
                "v8gxx_personality_v0",
                "v8NSt13runtime_errorC2EPKc",
                "v8nwind_Resume",
                "memcpy"
            ]
        );
        let changed = std::iter::zip(&before, &after).filter(|(old, new)| old != new).count();
        assert_eq!((before.len(), changed), (after.len(), 8));
        // What is private already stays as it is.
        let again = after.clone();
        make_private(&mut after).unwrap();
        assert_eq!(after, again);
    }

    #[test]
    fn shared_definitions_become_weak_and_references_stay_strong() {
        use object::{Object as _, ObjectSymbol as _};
        let mut bytes =
            test_object(None, &[("_ZSt9terminatev", true), ("__cxa_guard_acquire", false), ("other", true)]);
        make_private(&mut bytes).unwrap();
        let file = object::File::parse(bytes.as_slice()).unwrap();
        let weak = file.symbols().filter(|symbol| symbol.is_global());
        let weak: Vec<_> = weak.map(|symbol| (symbol.name().unwrap(), symbol.is_weak())).collect();
        assert_eq!(weak, [("_ZSt9terminatev", true), ("__cxa_guard_acquire", false), ("other", false)]);
    }

    #[test]
    fn what_is_no_object_stays_as_it_is() {
        let mut bytes = b"__cxa_throw".to_vec();
        make_private(&mut bytes).unwrap();
        assert_eq!(bytes, b"__cxa_throw");
    }

    /// Names of either kind in the three formats, and what becomes of each: its name, whether it is defined, and weak.
    #[test]
    fn every_format_is_treated_alike() {
        use crate::library::read::Object;
        let symbols = [
            ("__cxa_throw", true),
            // Of eight bytes or fewer, which COFF writes into the symbol itself.
            ("_ZTIi", false),
            ("_Unwind_Resume", false),
            ("_ZSt9terminatev", true),
            ("__cxa_guard_acquire", false),
            ("libv8_eval", true),
        ];
        for format in [Format::Elf, Format::Coff, Format::MachO] {
            let mut bytes = test_object_of(format, Some("a.cc"), &symbols);
            make_private(&mut bytes).unwrap();
            let object = Object::parse(&bytes).unwrap();
            let mut found: Vec<_> =
                object.symbols.iter().map(|symbol| (symbol.name, symbol.defined, symbol.weak)).collect();
            found.sort_unstable();
            let expected = [
                ("_ZSt9terminatev", true, true),
                ("__cxa_guard_acquire", false, false),
                ("libv8_eval", true, false),
                ("v8TIi", false, false),
                ("v8cxa_throw", true, false),
                ("v8nwind_Resume", false, false),
            ];
            assert_eq!(found, expected, "{format}");
            let again = bytes.clone();
            make_private(&mut bytes).unwrap();
            assert!(bytes == again, "{format}: private twice is not private once");
        }
    }

    #[test]
    fn mingws_pointers_to_the_runtime_are_renamed_with_it() {
        use crate::library::read::Object;
        let names = [".refptr._ZTVN10__cxxabiv117__class_type_infoE", ".refptr.stdout", "__imp___cxa_throw"];
        let mut bytes = test_object_of(Format::Coff, None, &names.map(|name| (name, true)));
        make_private(&mut bytes).unwrap();
        let object = Object::parse(&bytes).unwrap();
        let found: Vec<&str> = object.symbols.iter().map(|symbol| symbol.name).collect();
        assert_eq!(
            found,
            [".refptr.v8TVN10__cxxabiv117__class_type_infoE", ".refptr.stdout", "__imp_v8cxa_throw"]
        );
    }

    /// The definition keeps its number and its section, so that relocations and exception tables stay true.
    #[test]
    fn a_shared_definition_of_coff_becomes_the_default_of_a_weak_external() {
        use object::{Object as _, ObjectSymbol as _};
        let mut bytes = test_object_of(Format::Coff, None, &[("f", true), ("_ZSt9terminatev", true)]);
        let before = bytes.len();
        make_private(&mut bytes).unwrap();
        let file = object::File::parse(bytes.as_slice()).unwrap();
        let found: Vec<_> = file
            .symbols()
            .filter(|symbol| symbol.is_global())
            .map(|symbol| (symbol.index().0, symbol.name().unwrap(), symbol.section_index().is_some()))
            .collect();
        let [(_, "f", true), (own, default, true), (last, "_ZSt9terminatev", false)] = found[..] else {
            panic!("{found:?}");
        };
        assert_eq!(default, ".weak._ZSt9terminatev.default.libv8");
        assert!(last > own);
        assert_eq!(bytes.len() - before, 2 * 18 + default.len() + 1);
    }

    #[test]
    fn the_runtime_of_mach_o_is_not_exported() {
        use object::{Object as _, ObjectSymbol as _, SymbolFlags, macho};
        let symbols = [("__cxa_throw", true), ("_Znwm", true), ("_ZTIi", false), ("libv8_eval", true)];
        let mut bytes = test_object_of(Format::MachO, None, &symbols);
        // The writer makes every symbol private: undone, so that there is something to see.
        let file = object::File::parse(bytes.as_slice()).unwrap();
        let table = file.symbols().count();
        let start = usize::try_from(u32::from_le_bytes(symoff(&bytes))).unwrap();
        for index in 0..table {
            bytes[start + 16 * index + 4] &= !macho::N_PEXT.0;
        }
        make_private(&mut bytes).unwrap();
        let file = object::File::parse(bytes.as_slice()).unwrap();
        let mut found: Vec<_> = file
            .symbols()
            .filter(|symbol| symbol.is_global())
            .map(|symbol| {
                let SymbolFlags::MachO { n_type, .. } = symbol.flags() else { panic!("{symbol:?}") };
                (symbol.name().unwrap(), n_type.0 & macho::N_PEXT.0 != 0)
            })
            .collect();
        found.sort_unstable();
        assert_eq!(
            found,
            [("__Znwm", true), ("_libv8_eval", false), ("_v8TIi", false), ("_v8cxa_throw", true)]
        );
    }

    /// `symoff` of LC_SYMTAB (2), which `object` does not give away.
    fn symoff(bytes: &[u8]) -> [u8; 4] {
        let mut at = 32;
        while bytes[at] != 2 {
            at += u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap()) as usize;
        }
        bytes[at + 8..at + 12].try_into().unwrap()
    }
}
