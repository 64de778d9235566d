//! Which symbols Windows' own libraries have: what an object for Windows may leave undefined, and which library the
//! descriptor must then name.
//!
//! Their import libraries come with a compiler; what they have is the same with each. The list is committed, so that `verify`
//! works without a toolchain; `windows/generate.rs` makes it from MinGW-w64's `.def` files, which Zig's wheel carries. It
//! is of the newest Windows and says nothing of older ones: UCRT's functions have not changed since Windows 10, and of
//! Windows' own V8 looks newer ones up when it runs.
//!
//! What the two ABIs' compilers bring besides is short and stands here by hand: [`MINGW`] and [`MSVC`].

#[cfg(test)]
mod generate;

use std::collections::BTreeMap;

use super::list;
use crate::library::read::Machine;

/// The committed list.
const LIST: &str = include_str!("windows.txt");

/// The C library of either ABI.
pub const UCRT: &str = "ucrt";

/// What compilers for MinGW's ABI put into every link, as far as the list has it (clang's `lib/Driver/ToolChains/MinGW.cpp`).
pub const DEFAULTS_OF_MINGW: &[&str] = &[UCRT, "kernel32", "advapi32"];

/// What MinGW's own static libraries (libmingw32, libmingwex, its part of libucrt) and compiler-rt have, so that any program
/// for its ABI brings it. From MinGW-w64's `mingw-w64-crt`: names for C, those of its startup code, of stdio's functions,
/// which UCRT has as inline functions only, of `long double`, whose size is not UCRT's, of what UCRT exports by no name of
/// its own, and of checked copies (`ssp/`, which Zig has in compiler-rt, and GCC's MinGW in libssp).
const MINGW: &[&str] = &[
    "___chkstk_ms",
    "__chk_fail",
    "__cxa_atexit",
    "__dso_handle",
    "__dyn_tls_init_callback",
    "__fpclassify",
    "__fpclassifyf",
    "__isnan",
    "__isnanf",
    "__local_stdio_printf_options",
    "__local_stdio_scanf_options",
    "__main",
    "__memcpy_chk",
    "__memset_chk",
    "__signbit",
    "__signbitf",
    "__strtod",
    "_assert",
    "_pei386_runtime_relocator",
    "_snprintf",
    "_snwprintf",
    "_vsnprintf",
    "_vsnwprintf",
    "asprintf",
    "btowc",
    "clock_getres",
    "clock_gettime",
    "feraiseexcept",
    "fprintf",
    "frexpl",
    "fscanf",
    "fseeko64",
    "ftello64",
    "ftruncate64",
    "fwprintf",
    "fwscanf",
    "gettimeofday",
    "nanosleep",
    "printf",
    "scanf",
    "sched_yield",
    "snprintf",
    "snwprintf",
    "sprintf",
    "sscanf",
    "strtold",
    "swprintf",
    "swscanf",
    "tzset",
    "usleep",
    "vasprintf",
    "vfprintf",
    "vfscanf",
    "vfwprintf",
    "vprintf",
    "vscanf",
    "vsnprintf",
    "vsprintf",
    "vsscanf",
    "vswprintf",
    "vwprintf",
    "wcstold",
    "wctob",
    "wprintf",
    "wscanf",
];

/// What Microsoft's `vcruntime` and start files have. From its sources in Visual Studio's `VC/Tools/MSVC/*/crt/src/vcruntime`.
const MSVC: &[&str] = &[
    "??2@YAPEAX_K@Z",
    "??2@YAPEAX_KAEBUnothrow_t@std@@@Z",
    "??2@YAPEAX_KW4align_val_t@std@@@Z",
    "??2@YAPEAX_KW4align_val_t@std@@AEBUnothrow_t@1@@Z",
    "??3@YAXPEAX@Z",
    "??3@YAXPEAXAEBUnothrow_t@std@@@Z",
    "??3@YAXPEAXW4align_val_t@std@@@Z",
    "??3@YAXPEAX_K@Z",
    "??3@YAXPEAX_KW4align_val_t@std@@@Z",
    "??_7type_info@@6B@",
    "??_U@YAPEAX_K@Z",
    "??_U@YAPEAX_KAEBUnothrow_t@std@@@Z",
    "??_U@YAPEAX_KW4align_val_t@std@@@Z",
    "??_V@YAXPEAX@Z",
    "??_V@YAXPEAX_K@Z",
    "??_V@YAXPEAXW4align_val_t@std@@@Z",
    "?nothrow@std@@3Unothrow_t@1@B",
    "_CxxThrowException",
    "_Init_thread_abort",
    "_Init_thread_epoch",
    "_Init_thread_footer",
    "_Init_thread_header",
    "__CxxFrameHandler3",
    "__CxxFrameHandler4",
    "__GSHandlerCheck",
    "__GSHandlerCheck_EH4",
    "__GSHandlerCheck_SEH",
    "__RTDynamicCast",
    "__chkstk",
    "__dyn_tls_on_demand_init",
    "__guard_check_icall_fptr",
    "__guard_dispatch_icall_fptr",
    "__intrinsic_setjmp",
    "__intrinsic_setjmpex",
    "__security_check_cookie",
    "__security_cookie",
    "__tls_guard",
    "_fltused",
];

/// What the linker itself and the start files of both ABIs define.
const BOTH: &[&str] = &["__ImageBase", "__chkstk", "_load_config_used", "_tls_index", "_tls_used", "atexit"];

/// Windows' symbols on one processor, by the libraries that have them.
pub struct Table(BTreeMap<&'static str, Vec<&'static str>>);

impl Table {
    /// The committed list for a processor, if there is one.
    pub fn of(machine: Machine) -> Option<Table> {
        let processor = list::processor(machine)?;
        let mut symbols: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (heading, names) in list::sections(LIST) {
            let (library, of) = heading.split_once(' ').expect("a heading is `library processor`");
            if of == "all" || of == processor {
                names.into_iter().for_each(|name| symbols.entry(name).or_default().push(library));
            }
        }
        Some(Table(symbols))
    }

    /// The libraries that have a symbol; none if Windows has it nowhere. `__imp_NAME` is the pointer to NAME in the same.
    pub fn libraries(&self, symbol: &str) -> &[&'static str] {
        self.0.get(symbol.strip_prefix("__imp_").unwrap_or(symbol)).map_or(&[], Vec::as_slice)
    }

    /// Whether every program of an ABI brings a symbol with its compiler.
    pub fn is_of_compiler(symbol: &str, is_msvc: bool) -> bool {
        let symbol = symbol.strip_prefix("__imp_").unwrap_or(symbol);
        let own = if is_msvc { MSVC } else { MINGW };
        BOTH.contains(&symbol) || own.contains(&symbol) || (!is_msvc && symbol.starts_with("__mingw_"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_are_found_in_their_libraries() {
        for machine in [Machine::X86_64, Machine::Aarch64] {
            let table = Table::of(machine).unwrap();
            let check =
                |symbol: &str, expected: &[&str]| assert_eq!(table.libraries(symbol), expected, "{symbol}");
            check("VirtualAlloc", &["kernel32"]);
            check("__imp_VirtualAlloc", &["kernel32"]);
            check("timeGetTime", &["winmm"]);
            check("SymFromAddr", &["dbghelp"]);
            check("RegOpenKeyExW", &["advapi32"]);
            check("__stdio_common_vsprintf", &["ucrt"]);
            check("malloc", &["ucrt"]);
            check("_errno", &["ucrt"]);
            // MinGW's names for functions of UCRT.
            check("strdup", &["ucrt"]);
            // Of msvcrt.dll, which is not UCRT; of Linux; of nobody.
            check("_vsnprintf_l", &[]);
            check("_fstat64i32_of_nobody", &[]);
            check("mmap", &[]);
        }
        let arm = Table::of(Machine::Aarch64).unwrap();
        assert_eq!(
            Table::of(Machine::X86_64).unwrap().libraries("RtlVirtualUnwind"),
            arm.libraries("RtlVirtualUnwind")
        );
    }

    #[test]
    fn the_compilers_libraries_are_told_apart() {
        let check = |symbol, msvc, mingw| {
            assert_eq!([true, false].map(|is| Table::is_of_compiler(symbol, is)), [msvc, mingw], "{symbol}");
        };
        check("___chkstk_ms", false, true);
        check("__mingw_vsnprintf", false, true);
        check("__CxxFrameHandler3", true, false);
        check("_tls_index", true, true);
        check("__imp_atexit", true, true);
        check("__imp_btowc", false, true);
        check("__emutls_get_address", false, false);
    }
}
