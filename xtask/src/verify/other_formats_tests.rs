//! Archives for Windows and macOS that are spoiled in one way, and exactly the faults they must give.

use ar_archive_writer::{ArchiveKind, DEFAULT_OBJECT_READER, NewArchiveMember, write_archive_to_stream};
use object::{Architecture, BinaryFormat};

use super::sample::Sample;
use super::tests::{lines, report_of};

const MINGW: &str = "x86_64-pc-windows-gnullvm";
const MINGW_ARM: &str = "aarch64-pc-windows-gnullvm";
const MSVC: &str = "x86_64-pc-windows-msvc";
const MACOS: &str = "x86_64-apple-darwin";
const MACOS_ARM: &str = "aarch64-apple-darwin";

/// `.drectve`'s IMAGE_SCN_LNK_INFO | IMAGE_SCN_LNK_REMOVE | IMAGE_SCN_ALIGN_1BYTES.
const DIRECTIVES: u32 = 0x0010_0a00;

/// The target, what is spoiled, and every fault that must then be found.
pub type Case = (&'static str, fn(&mut Sample), &'static [&'static str]);

pub const CASES: &[Case] = &[
    (MINGW, |_| {}, &[]),
    (MINGW_ARM, |_| {}, &[]),
    (MSVC, |_| {}, &[]),
    ("aarch64-pc-windows-msvc", |_| {}, &[]),
    (MACOS, |_| {}, &[]),
    (MACOS_ARM, |_| {}, &[]),
    (
        MSVC,
        |s| s.descriptor.libraries[0].name = "libv8".into(),
        &["descriptor: libraries: lib/v8.lib is not found as libv8, but libv8.lib is"],
    ),
    (
        MACOS,
        |s| s.descriptor.libc.floor = "Monterey".into(),
        &["descriptor: libc.floor: \"Monterey\" is not a version"],
    ),
    (
        MINGW,
        |s| s.part("linux.o").format = BinaryFormat::Elf,
        &["members: linux.o: is an object of ELF, those of x86_64-pc-windows-gnullvm are of COFF"],
    ),
    (MACOS, |s| s.library = laid_out(s, ArchiveKind::Darwin), &[]),
    (
        MACOS,
        |s| s.library = laid_out(s, ArchiveKind::Gnu),
        &["index: library: its table of symbols is not of Apple's form (Gnu)"],
    ),
    (
        MSVC,
        |s| s.library = laid_out(s, ArchiveKind::Gnu),
        &["index: library: its table of symbols is not of Microsoft's form (Gnu)"],
    ),
    (
        MINGW,
        |s| s.library = laid_out(s, ArchiveKind::Coff),
        &["index: library: its table of symbols is not of GNU's form (Coff)"],
    ),
    (
        MINGW,
        |s| s.library = laid_out(s, ArchiveKind::Gnu).map(with_another_first_symbol),
        &["index: api.o: libv8_version (and 0 more) is not in the library's table of symbols"],
    ),
    (
        MINGW_ARM,
        |s| s.part("x.o").architecture = Architecture::X86_64,
        &["machine: x.o: is for x86_64, the target is aarch64-pc-windows-gnullvm"],
    ),
    (
        MSVC,
        |s| s.part("x.o").architecture = Architecture::I386,
        &["machine: x.o: is for COFF machine 0x14c, the target is x86_64-pc-windows-msvc"],
    ),
    (
        MACOS,
        |s| s.part("x.o").architecture = Architecture::Aarch64,
        &["machine: x.o: is for aarch64, the target is x86_64-apple-darwin"],
    ),
    (
        MINGW,
        |s| {
            s.part("x.o").needed.extend([
                "SymFromAddr",
                "__imp_WSAStartup",
                "mmap",
                "_ftol2_of_msvcrt",
                "_Unwind_Resume",
                "pthread_create",
                "__emutls_get_address",
                "__GSHandlerCheck",
                "__aarch64_cas8_acq_rel",
            ]);
            s.part("x.o").weakly_needed.push("of_nobody");
        },
        &[
            "undefined: SymFromAddr: needed by x.o, is in dbghelp.lib, which the descriptor's system_libraries do not name",
            "undefined: _Unwind_Resume: needed by x.o, is in libunwind, which the descriptor's system_libraries do not name",
            "undefined: __GSHandlerCheck: needed by x.o, no library has it",
            "undefined: __aarch64_cas8_acq_rel: needed by x.o, no library has it, being an atomic operation out of line: compile with -mno-outline-atomics",
            "undefined: __emutls_get_address: needed by x.o, no library has it, being an emulated thread-local variable: compile with -fno-emulated-tls",
            "undefined: __imp_WSAStartup: needed by x.o, is in ws2_32.lib, which the descriptor's system_libraries do not name",
            "undefined: _ftol2_of_msvcrt: needed by x.o, no library has it",
            "undefined: mmap: needed by x.o, no library has it",
            "undefined: pthread_create: needed by x.o, is in libpthread, which the descriptor's system_libraries do not name",
        ],
    ),
    (
        MINGW,
        |s| {
            s.part("x.o").needed.extend(["SymFromAddr", "_Unwind_Resume", "pthread_create"]);
            s.descriptor.system_libraries.extend(["dbghelp", "unwind", "pthread"].map(str::to_owned));
        },
        &[],
    ),
    (
        MSVC,
        |s| s.part("x.o").needed.extend(["___chkstk_ms", "_Init_thread_header", "_ZdlPv"]),
        &[
            "undefined: _ZdlPv: needed by x.o, no library has it",
            "undefined: ___chkstk_ms: needed by x.o, no library has it",
        ],
    ),
    (
        MACOS_ARM,
        |s| {
            s.descriptor.frameworks.clear();
            s.part("x.o").needed.extend([
                "mmap64",
                "fstat$INODE64",
                "__isPlatformVersionAtLeast",
                "_mh_execute_header",
            ]);
            s.part("x.o").weakly_needed.push("os_of_the_future");
        },
        &[
            "undefined: CFRelease: needed by api.o, is in CoreFoundation, which the descriptor's frameworks do not name",
            "undefined: __isPlatformVersionAtLeast: needed by x.o, no library has it but clang's own (libclang_rt.osx), which other linkers' programs lack: do without __builtin_available",
            "undefined: fstat$INODE64: needed by x.o, no library has it",
            "undefined: mmap64: needed by x.o, no library has it",
        ],
    ),
    (
        MINGW,
        |s| {
            s.part("x.o").defined.extend(["malloc", "_Znwm", "_ZSt9terminatev", "_GCC_specific_handler"]);
            s.part("x.o").weakly_defined.extend(["GetTickCount", "_ZdlPv", "__cxa_guard_acquire"]);
        },
        &[
            "leaks: GetTickCount: defined by x.o, would replace that of the C library",
            "leaks: _GCC_specific_handler: defined by x.o, would replace that of the program's C++ runtime",
            "leaks: _ZSt9terminatev: defined by x.o, would replace that of the program's C++ runtime (it should be weak)",
            "leaks: _Znwm: defined by x.o, would replace that of the program's operator new and delete (it should be weak)",
            "leaks: malloc: defined by x.o, would replace that of the C library",
        ],
    ),
    (
        MSVC,
        |s| s.part("x.o").defined.push("??3@YAXPEAX@Z"),
        &[
            "leaks: ??3@YAXPEAX@Z: defined by x.o, would replace that of the program's operator new and delete (it should be weak)",
        ],
    ),
    (
        MACOS,
        |s| s.part("x.o").defined.extend(["__cxa_throw", "pthread_create"]),
        &[
            "leaks: __cxa_throw: defined by x.o, would replace that of the program's C++ runtime",
            "leaks: pthread_create: defined by x.o, would replace that of the C library",
        ],
    ),
    (
        MSVC,
        |s| {
            s.descriptor.features =
                [("jit".into(), false), ("webassembly".into(), false), ("intl".into(), true)].into()
        },
        &[
            "features: webassembly: denied by the descriptor, but a symbol holds @WasmEngine@wasm@internal@v8@@",
            "features: intl: promised by the descriptor, but no symbol holds @Intl@internal@v8@@",
        ],
    ),
    (
        // IMAGE_REL_AMD64_ADDR32
        MINGW,
        |s| s.part("x.o").relocations.push(2),
        &[
            "shared: x.o: .data: IMAGE_REL_AMD64_ADDR32 is an absolute address: it links into no shared library",
        ],
    ),
    (
        // ARM64_RELOC_UNSIGNED of four bytes
        MACOS_ARM,
        |s| s.part("x.o").relocations.push(2 << 8),
        &[
            "shared: x.o: __data: ARM64_RELOC_UNSIGNED of 32 bits is an absolute address: it links into no shared library",
        ],
    ),
    (
        MACOS,
        |s| s.descriptor.tls_model = v8_archive::descriptor::TlsModel::LocalDynamic,
        &["tls-model: tls_model: LocalDynamic is declared, but the system has only its own (platform)"],
    ),
    (
        MINGW,
        |s| s.part("x.o").time = 1_795_294_322,
        &["time: x.o: holds the time 1795294322 at which it was compiled"],
    ),
    (
        MINGW,
        |s| {
            s.part("x.o").sections.push((
                ".drectve",
                DIRECTIVES,
                b" -exclude-symbols:_ZTW2tl -export:f,DATA /DEFAULTLIB:\"Winmm.lib\" /defaultlib:gdi32 /STACK:2097152\0",
            ))
        },
        &[
            "directives: x.o: exports f,DATA from every program that is linked with it",
            "directives: x.o: asks for gdi32, which the descriptor's system_libraries do not name",
            "directives: x.o: tells the linker stack, which would hold for the program",
        ],
    ),
    (
        MSVC,
        |s| {
            let text = b"/FAILIFMISMATCH:\"RuntimeLibrary=MT_StaticRelease\" /DEFAULTLIB:LIBCMT.lib /DEFAULTLIB:\"OLDNAMES\"";
            s.part("api.o").sections.push((".drectve", DIRECTIVES, text));
            let text = b" /FAILIFMISMATCH:\"RuntimeLibrary=MD_DynamicRelease\" /DEFAULTLIB:msvcrt.lib";
            s.part("x.o").sections.push((".drectve", DIRECTIVES, text));
        },
        &[
            "crt: x.o: is compiled with /MD, for msvcrt, the descriptor names libcmt (/MT)",
            "crt: x.o: is compiled with /MD, for msvcrt, the descriptor names libcmt (/MT)",
        ],
    ),
    (
        MSVC,
        |s| s.descriptor.system_libraries.push("msvcrt".into()),
        &[
            "crt: system_libraries: name [\"libcmt\", \"msvcrt\"] as C library, expected one of libcmt and msvcrt",
        ],
    ),
    (
        MSVC,
        |s| drop(s.descriptor.system_libraries.pop()),
        &["crt: system_libraries: name [] as C library, expected one of libcmt and msvcrt"],
    ),
    (
        MINGW,
        |s| s.part("x.o").sections.push((".drectve", DIRECTIVES, b"/DEFAULTLIB:libcmtd.lib")),
        &["crt: x.o: asks for Microsoft's libcmtd, the target's is MinGW's"],
    ),
    (
        MACOS,
        |s| {
            s.part("new.o").system = Some((1, 13 << 16 | 1 << 8));
            s.part("old.o").system = Some((1, 11 << 16));
            s.part("phone.o").system = Some((2, 12 << 16));
            s.part("silent.o").system = None;
            s.part("x.o").sections.push(("__LLVM,__bitcode", 0, b"\0"));
        },
        &[
            "system: new.o: needs macOS 13.1, the descriptor's floor is 12.0",
            "system: phone.o: is for Apple's platform 2, and not for macOS (1)",
            "system: silent.o: does not say for which system it is",
            "system: x.o: holds bitcode (__bitcode), which keeps programs from being signed",
        ],
    ),
    (
        MACOS_ARM,
        |s| {
            s.descriptor.frameworks.push("SkyLight".into());
            s.part("x.o").raw = Some(with_options(&[
                &["-framework", "Foundation"],
                &["-lz"],
                &["-framework", "CoreFoundation"],
            ]));
        },
        &[
            "frameworks: frameworks: SkyLight is not known as a public framework",
            "frameworks: x.o: tells the linker -framework Foundation, the descriptor does not",
            "frameworks: x.o: tells the linker -lz, the descriptor does not",
        ],
    ),
    (
        MACOS,
        |s| s.part("x.o").unprefixed.push("memcpy"),
        &["names: x.o: memcpy has no underscore before its name, so C cannot name it"],
    ),
    (
        MACOS,
        |s| s.part("x.o").sections.push(("__DWARF,__debug_str", 0, b"\0/b/w/v8/src/api.cc\0")),
        &["paths: x.o: contains the path /b/w/v8/src/api.cc of the machine that built it"],
    ),
    (
        MSVC,
        |s| s.part("x.o").sections.push((".debug$S", 0x4200_0040, b"\x01\x11C:\\b\\w\\v8\\api.cc\0")),
        &["paths: x.o: contains the path C:\\b\\w\\v8\\api.cc of the machine that built it"],
    ),
];

#[test]
fn f51_f56_each_spoiled_archive_of_windows_and_macos_gives_exactly_its_faults() {
    for (number, (target, spoil, expected)) in CASES.iter().enumerate() {
        let mut sample = Sample::good_on(target);
        spoil(&mut sample);
        let report = report_of(&sample);
        assert_eq!(lines(&report), *expected, "case {number}: {target}");
        assert_eq!(report.skipped, [], "case {number}");
    }
}

/// The smallest Mach-O object for AArch64 that tells the linker something: header, LC_BUILD_VERSION, LC_LINKER_OPTION.
fn with_options(options: &[&[&str]]) -> Vec<u8> {
    let words = |words: &[u32]| -> Vec<u8> { words.iter().flat_map(|word| word.to_le_bytes()).collect() };
    let mut commands = words(&[0x32, 24, 1, 12 << 16, 0, 0]);
    for option in options {
        let mut text = option.join("\0").into_bytes();
        text.push(0);
        text.resize((text.len() + 12).next_multiple_of(8) - 12, 0);
        commands.extend(words(&[0x2d, text.len() as u32 + 12, option.len() as u32]));
        commands.extend(text);
    }
    let header = [0xfeed_facf, 0x0100_000c, 0, 1, options.len() as u32 + 1, commands.len() as u32, 0, 0];
    [words(&header), commands].concat()
}

/// The library of a sample, as another archiver lays it out.
fn laid_out(sample: &Sample, kind: ArchiveKind) -> Option<Vec<u8>> {
    let parts = sample.parts.iter();
    let members: Vec<_> = parts
        .map(|(name, part)| NewArchiveMember::new(part.bytes(), &DEFAULT_OBJECT_READER, (*name).to_owned()))
        .collect();
    let mut out = std::io::Cursor::new(Vec::new());
    write_archive_to_stream(&mut out, &members, kind, false, None).unwrap();
    Some(out.into_inner())
}

/// One byte of the name of a library's first symbol, of which there is one in the table and one in its object.
fn with_another_first_symbol(mut library: Vec<u8>) -> Vec<u8> {
    let name = b"libv8_version";
    let place = library.windows(name.len()).position(|bytes| bytes == name).unwrap();
    library[place] = b'm';
    library
}
