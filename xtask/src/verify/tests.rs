//! For each check archives that are spoiled in one way, and exactly the faults they must give.

use std::collections::BTreeSet;

use object::Architecture;
use v8_archive::Format;
use v8_archive::descriptor::{LibcFamily, TlsModel};

use super::other_formats_tests;
use super::sample::{Sample, TARGET};
use super::{CHECKS, Report, check, print, run};

pub(super) fn report_of(sample: &Sample) -> Report {
    let folder = tempfile::tempdir().unwrap();
    check(&sample.pack(folder.path())).unwrap()
}

pub(super) fn lines(report: &Report) -> Vec<String> {
    report
        .faults
        .iter()
        .map(|fault| format!("{}: {}: {}", fault.check, fault.subject, fault.message))
        .collect()
}

#[test]
fn a_good_archive_has_no_fault_in_any_format() {
    for format in Format::ALL {
        let report = report_of(&Sample { format, ..Sample::good() });
        assert_eq!(
            print::text(&report),
            format!(
                "no fault found: libv8-15.2.124.1-{TARGET}-release.{} (19 checks, 2 members)\n",
                format.extension()
            )
        );
    }
}

/// What is spoiled, and every fault that must then be found.
type Case = (fn(&mut Sample), &'static [&'static str]);

const CASES: &[Case] = &[
    (|s| s.descriptor.libc.floor = "2.x".into(), &["descriptor: libc.floor: \"2.x\" is not a version"]),
    (
        |s| s.file_name = Some("libv8-15.2.124.2-x86_64-unknown-linux-gnu-release.tar.zst"),
        &[
            "descriptor: name: the file is libv8-15.2.124.2-x86_64-unknown-linux-gnu-release, the descriptor says \
             libv8-15.2.124.1-x86_64-unknown-linux-gnu-release",
        ],
    ),
    (
        |s| s.file_name = Some("libv8-15.2.124.1-x86_64-unknown-linux-gnu-release.zip"),
        &["descriptor: name: the file is named .zip, but is a .tar.zst"],
    ),
    (
        |s| s.descriptor.cxx.include_dirs.push("include/c+".into()),
        &["descriptor: cxx.include_dirs: include/c+ holds no file of the archive"],
    ),
    (
        |s| s.descriptor.libraries[0].path = "lib/v8.lib".into(),
        &[
            "descriptor: libraries: lib/v8.lib is not in the archive",
            "descriptor: libraries: lib/v8.lib is not found as v8, but libv8.a is",
            "members: library: there is no member",
            "interface: libv8_version: declared by include/libv8.h, defined by no member",
            "features: webassembly: promised by the descriptor, but no symbol begins with _ZN2v88internal4wasm10WasmEngine",
            "features: jit: promised by the descriptor, but no symbol begins with _ZN2v88internal8compiler8Pipeline",
        ],
    ),
    (|s| drop(s.files.remove("include/v8-gn.h")), &["headers: include/v8-gn.h: is not in the archive"]),
    (|s| drop(s.files.remove("include/libv8.h")), &["headers: include/libv8.h: is not in the archive"]),
    (
        |s| s.descriptor.defines = vec!["V8_GN_HEADERS".into()],
        &[
            "headers: defines: V8_GN_HEADER is missing: v8-gn.h would not be included, and V8's structures have other layouts",
        ],
    ),
    (|s| s.descriptor.licenses.clear(), &["licenses: v8: has no licence in the descriptor"]),
    (
        |s| drop(s.files.remove("licenses/v8.txt")),
        &["licenses: v8: its text \"licenses/v8.txt\" is not in the archive"],
    ),
    (
        |s| drop(s.files.insert("licenses/v8.txt", Vec::new())),
        &["licenses: v8: its text licenses/v8.txt is empty"],
    ),
    (|s| s.descriptor.licenses[0].spdx = " ".into(), &["licenses: v8: has no SPDX expression"]),
    (
        |s| s.without = vec!["v8.bzl", "lib/pkgconfig/v8.pc"],
        &[
            "consumers: lib/pkgconfig/v8.pc: is not in the archive",
            "consumers: v8.bzl: is not in the archive",
        ],
    ),
    (
        |s| drop(s.files.insert("lib/cmake/V8/V8Config.cmake", b"# mine\n".to_vec())),
        &["consumers: lib/cmake/V8/V8Config.cmake: is not what the descriptor makes it"],
    ),
    (
        |s| drop(s.files.insert("include/v8config.h", b"#define V8CONFIG_H_\n".to_vec())),
        &["consumers: include/v8config.h: does not read libv8-check.h first: wrong settings would compile"],
    ),
    (
        |s| drop(s.files.remove("include/v8config.h")),
        &["consumers: include/v8config.h: is not in the archive"],
    ),
    (
        |s| {
            let header =
                |name: &str, size| format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, 644);
            s.library =
                Some(format!("!<thin>\n{}a/b.o/\n\n{}", header("//", 8), header("/0", 1234)).into_bytes());
            s.files.remove("include/libv8.h");
            s.descriptor.features = ["jit", "webassembly", "intl"].map(|name| (name.into(), false)).into();
        },
        &[
            "headers: include/libv8.h: is not in the archive",
            "members: a/b.o: is named, but not held: the library is a thin archive",
        ],
    ),
    (
        |s| s.part("odd.o").sections.push((".text.x", 1, b"")),
        // Nothing is wrong with one more object.
        &[],
    ),
    (
        |s| s.part("arm.o").architecture = Architecture::Aarch64,
        &["machine: arm.o: is for aarch64, the target is x86_64-unknown-linux-gnu"],
    ),
    (
        |s| {
            s.part("x.o").needed.extend([
                "dlsym",
                "__atomic_load_16",
                "__muloti4",
                "_ZN2v84lostEv",
                "__start_letters",
                "_Unwind_Resume",
                "__aarch64_ldadd4_relax",
            ])
        },
        &[
            "undefined: _Unwind_Resume: needed by x.o, is in libgcc_s, which the descriptor's system_libraries do not name",
            "undefined: _ZN2v84lostEv: needed by x.o, no library has it",
            "undefined: __aarch64_ldadd4_relax: needed by x.o, no library has it, being an atomic operation out of line: compile with -mno-outline-atomics",
            "undefined: __atomic_load_16: needed by x.o, is in libatomic, which the descriptor's system_libraries do not name",
            "undefined: __muloti4: needed by x.o, no library has it",
            "undefined: __start_letters: needed by x.o, no library has it",
            "undefined: dlsym: needed by x.o, is in libdl, which the descriptor's system_libraries do not name",
        ],
    ),
    (
        |s| {
            s.part("x.o").needed.extend(["dlsym", "__atomic_load_16", "_Unwind_Resume"]);
            s.descriptor.system_libraries.extend(["dl".into(), "atomic".into(), "gcc_s".into()]);
        },
        &[],
    ),
    (
        // Weak in one member, strong in another: then it is needed.
        |s| s.part("x.o").needed.extend(["gettid", "__isoc23_strtol"]),
        &[
            "libc-floor: __isoc23_strtol: needed by x.o, glibc has it since 2.38, the descriptor's floor is 2.28",
            "libc-floor: gettid: needed by x.o, glibc has it since 2.30, the descriptor's floor is 2.28",
        ],
    ),
    (
        |s| s.descriptor.libc.floor = "2.17".into(),
        // Everything the sample needs is older.
        &[],
    ),
    (
        |s| {
            s.part("x.o").defined.extend(["malloc", "_Znam", "_Unwind_Resume", "_ZSt9terminatev"]);
            s.part("x.o").weakly_defined.extend(["free", "_ZdaPv", "__cxa_throw", "__cxa_guard_acquire"]);
        },
        &[
            "leaks: _Unwind_Resume: defined by x.o, would replace that of the unwinder",
            "leaks: _ZSt9terminatev: defined by x.o, would replace that of the program's C++ runtime (it should be weak)",
            "leaks: _Znam: defined by x.o, would replace that of the program's operator new and delete (it should be weak)",
            "leaks: __cxa_throw: defined by x.o, would replace that of the program's C++ runtime",
            "leaks: free: defined by x.o, would replace that of the C library",
            "leaks: malloc: defined by x.o, would replace that of the C library",
        ],
    ),
    (
        |s| {
            drop(
                s.files.insert("include/libv8.h", b"int libv8_version(void); int libv8_eval(void);".to_vec()),
            )
        },
        &["interface: libv8_eval: declared by include/libv8.h, defined by no member"],
    ),
    (
        |s| drop(s.files.insert("include/libv8.h", b"/* libv8_version() */".to_vec())),
        &["interface: include/libv8.h: declares no function"],
    ),
    (
        |s| {
            s.descriptor.features =
                [("jit".into(), false), ("webassembly".into(), false), ("intl".into(), true)].into()
        },
        &[
            "features: webassembly: denied by the descriptor, but a symbol begins with _ZN2v88internal4wasm10WasmEngine",
            "features: intl: promised by the descriptor, but no symbol begins with _ZN2v88internal4Intl",
        ],
    ),
    (
        |s| {
            s.descriptor.features.remove("intl");
        },
        &["features: intl: the descriptor does not say whether it is there"],
    ),
    (
        // R_X86_64_32S, R_X86_64_TPOFF32
        |s| s.part("x.o").relocations.extend([11, 23]),
        &[
            "shared: x.o: .data: R_X86_64_32S is an absolute address: it links into no shared library",
            "shared: x.o: .data: R_X86_64_TPOFF32 is the local-exec TLS model: it links into no shared library",
        ],
    ),
    (
        |s| {
            s.part("x.o").relocations.push(23);
            s.descriptor.tls_model = TlsModel::LocalExec;
        },
        &[],
    ),
    (
        // R_X86_64_GOTTPOFF
        |s| s.part("x.o").relocations.push(22),
        &[
            "tls-model: x.o: .data: R_X86_64_GOTTPOFF is the initial-exec TLS model, but the descriptor declares one for dlopen",
        ],
    ),
    (
        |s| s.part("x.o").sections.push((".crel.text", 0x4000_0014, b"\0")),
        &["crel: x.o: .crel.text holds relocations as CREL, which few linkers read"],
    ),
    (
        |s| s.part("x.o").ifunc = Some("_ZN2v86chooseEv"),
        &["ifunc: x.o: _ZN2v86chooseEv is an indirect function (STT_GNU_IFUNC)"],
    ),
    // SHF_EXECINSTR
    (|s| s.part("x.o").stack_flags = Some(4), &["stack: x.o: asks for an executable stack"]),
    (
        |s| s.part("x.o").stack_flags = None,
        &["stack: x.o: has no .note.GNU-stack, which GNU ld takes for a wish for an executable stack"],
    ),
    (
        |s| s.part("x.o").sections.push((".rodata.str1.1", 1, b"%s\0/home/me/v8/src/api.cc\0")),
        &["paths: x.o: contains the path /home/me/v8/src/api.cc of the machine that built it"],
    ),
];

#[test]
fn f51_f56_each_spoiled_archive_gives_exactly_its_faults() {
    for (number, (spoil, expected)) in CASES.iter().enumerate() {
        let mut sample = Sample::good();
        spoil(&mut sample);
        assert_eq!(lines(&report_of(&sample)), *expected, "case {number}");
    }
}

#[test]
fn every_check_has_a_spoiled_archive() {
    let others = other_formats_tests::CASES.iter().flat_map(|(_, _, faults)| *faults);
    let tested: BTreeSet<_> = CASES
        .iter()
        .flat_map(|(_, faults)| *faults)
        .chain(others)
        .filter_map(|fault| fault.split(':').next())
        .collect();
    // The contents have a test of their own below: pack cannot write such an archive.
    let all: BTreeSet<_> = CHECKS.iter().map(|check| check.name).filter(|name| *name != "contents").collect();
    assert_eq!(tested, all);
}

/// Processor, libc, what is spoiled, and every fault that must then be found.
type CrossCase = (&'static str, LibcFamily, fn(&mut Sample), &'static [&'static str]);

const CROSS_CASES: &[CrossCase] = &[
    ("aarch64", LibcFamily::Glibc, |_| {}, &[]),
    ("aarch64", LibcFamily::Musl, |_| {}, &[]),
    ("x86_64", LibcFamily::Musl, |_| {}, &[]),
    (
        "aarch64",
        LibcFamily::Musl,
        |s| s.part("api.o").architecture = Architecture::X86_64,
        &[
            "machine: api.o: is for x86_64, the target is aarch64-unknown-linux-musl",
            "stack: api.o: has no .note.GNU-stack, which GNU ld takes for a wish for an executable stack",
        ],
    ),
    (
        // ABS32, MOVW_UABS_G3, TLSLE_ADD_TPREL_HI12, TLSIE_ADR_GOTTPREL_PAGE21.
        "aarch64",
        LibcFamily::Glibc,
        |s| s.part("api.o").relocations.extend([258, 269, 549, 541]),
        &[
            "shared: api.o: .data: R_AARCH64_ABS32 is an absolute address: it links into no shared library",
            "shared: api.o: .data: R_AARCH64_MOVW_UABS_* is an absolute address: it links into no shared library",
            "shared: api.o: .data: R_AARCH64_TLSLE_* is the local-exec TLS model: it links into no shared library",
            "tls-model: api.o: .data: R_AARCH64_TLSIE_* is the initial-exec TLS model, but the descriptor declares one for dlopen",
        ],
    ),
    (
        // R_AARCH64_IRELATIVE
        "aarch64",
        LibcFamily::Musl,
        |s| s.part("api.o").relocations.push(1032),
        &["ifunc: api.o: .data: IRELATIVE resolves an indirect function"],
    ),
    (
        "aarch64",
        LibcFamily::Glibc,
        |s| {
            s.part("api.o").needed.extend([
                "__aarch64_cas8_acq_rel",
                "__addtf3",
                "__clear_cache",
                "arc4random",
            ])
        },
        &[
            "undefined: __aarch64_cas8_acq_rel: needed by api.o, no library has it, being an atomic operation out of line: compile with -mno-outline-atomics",
            "libc-floor: arc4random: needed by api.o, glibc has it since 2.36, the descriptor's floor is 2.28",
        ],
    ),
    (
        "x86_64",
        LibcFamily::Musl,
        |s| {
            s.part("api.o").needed.extend([
                "fopen64",
                "backtrace",
                "__libc_stack_end",
                "__memcpy_chk",
                "lost",
            ]);
            s.part("api.o").weakly_needed.push("mallinfo2");
        },
        &[
            "undefined: __libc_stack_end: needed by api.o, no library has it but glibc, and the target's is musl",
            "undefined: __memcpy_chk: needed by api.o, no library has it but glibc, and the target's is musl",
            "undefined: backtrace: needed by api.o, no library has it but glibc, and the target's is musl",
            "undefined: fopen64: needed by api.o, no library has it but glibc, and the target's is musl",
            "undefined: lost: needed by api.o, no library has it",
        ],
    ),
    (
        "aarch64",
        LibcFamily::Musl,
        |s| {
            s.descriptor.libc.floor = "1.2.3".into();
            s.part("api.o").defined.extend(["malloc", "fopen64"]);
        },
        &[
            "libc-floor: libc.floor: 1.2.3 is promised, but musl's symbols are known for 1.2.5",
            "leaks: malloc: defined by api.o, would replace that of the C library",
        ],
    ),
];

#[test]
fn f56_each_spoiled_archive_of_another_target_gives_exactly_its_faults() {
    for (number, (processor, libc, spoil, expected)) in CROSS_CASES.iter().enumerate() {
        let mut sample = Sample::good_for(processor, *libc);
        spoil(&mut sample);
        let report = report_of(&sample);
        assert_eq!(lines(&report), *expected, "case {number}");
        assert_eq!(report.skipped, [], "case {number}");
    }
}

#[test]
fn the_command_fails_with_status_1_if_there_are_faults() {
    let folder = tempfile::tempdir().unwrap();
    let mut sample = Sample::good();
    run(&sample.pack(folder.path()), true).unwrap();
    sample.part("x.o").stack_flags = None;
    let error = run(&sample.pack(&folder.path().join("bad")), false).unwrap_err();
    assert_eq!(error.exit_code(), 1);
    assert_eq!(
        error.to_string(),
        format!(
            "error: the archive is not fit for use: 1 fault in libv8-15.2.124.1-{TARGET}-release.tar.zst"
        )
    );
    let missing = run(&folder.path().join("missing.zip"), false).unwrap_err();
    assert_eq!(missing.exit_code(), 2);
}

#[test]
fn what_was_not_checked_is_said() {
    let mut sample = Sample::good();
    sample.descriptor.name = sample.descriptor.name.replace("x86_64", "riscv64gc");
    sample.descriptor.target = sample.descriptor.target.replace("x86_64", "riscv64gc");
    let report = report_of(&sample);
    assert_eq!(lines(&report), [""; 0]);
    let skipped: BTreeSet<_> = report.skipped.iter().map(|skipped| skipped.check).collect();
    let made: BTreeSet<_> = report.checks.iter().copied().collect();
    assert_eq!(made, BTreeSet::from(["contents", "descriptor", "headers", "licenses", "consumers"]));
    assert!(skipped.is_superset(&["undefined", "crel", "paths"].into()) && !skipped.contains("crt"));
    let said = "not checked: undefined: riscv64gc-unknown-linux-gnu: not a processor known here\n";
    assert!(print::text(&report).contains(said), "{}", print::text(&report));
}

#[test]
fn objects_that_are_none_and_libraries_that_are_none_are_found() {
    let spoil = |library: &[u8]| {
        let mut sample = Sample::good();
        sample.library = Some(library.to_vec());
        sample.descriptor.features = ["jit", "webassembly", "intl"].map(|name| (name.into(), false)).into();
        sample.files.insert("include/libv8.h", b"void libv8_version(void);".to_vec());
        lines(&report_of(&sample)).into_iter().filter(|line| line.starts_with("members")).collect::<Vec<_>>()
    };
    assert_eq!(spoil(b"!<arch>\n"), ["members: library: there is no member"]);
    assert!(spoil(b"hello")[0].starts_with("members: lib/libv8.a: not a static library"));
    let header = format!("{:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", "x.o/", 0, 0, 0, 644, 4);
    assert_eq!(spoil(format!("!<arch>\n{header}abcd").as_bytes()), ["members: x.o: not an object"]);
    let elf = [format!("!<arch>\n{header}").as_bytes(), b"\x7fELF"].concat();
    assert!(spoil(&elf)[0].starts_with("members: x.o: a damaged ELF object"), "{:?}", spoil(&elf));
}

#[test]
fn a_flipped_byte_is_found_wherever_it_is() {
    for format in Format::ALL {
        let folder = tempfile::tempdir().unwrap();
        let path = Sample { format, ..Sample::good() }.pack(folder.path());
        let good = std::fs::read(&path).unwrap();
        for step in 0..40 {
            let mut bad = good.clone();
            let place = step * (good.len() - 1) / 39;
            bad[place] ^= 0x20;
            std::fs::write(&path, &bad).unwrap();
            // Without a readable descriptor there is an error instead of a report.
            if let Ok(report) = check(&path) {
                let found = report.faults.iter().any(|fault| fault.check == "contents");
                assert!(found, "{format}: byte {place} of {}: {:?}", good.len(), lines(&report));
            }
        }
    }
}
