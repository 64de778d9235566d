//! A small archive without fault, for the tests to spoil. Its objects are made without a compiler.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use object::write::{MachOBuildVersion, Mangling, Object, Relocation, Symbol, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, RelocationFlags, SectionFlags, SectionKind, SymbolFlags,
    SymbolKind, SymbolScope, elf, macho, pe,
};
use v8_archive::descriptor::{Cxx, CxxRuntime, Libc, LibcFamily, Library, License, Source, TlsModel};
use v8_archive::{Descriptor, FORMAT, Format, PackOptions, Sha256};

use crate::consumer::{self, check};

/// The target of the sample.
pub const TARGET: &str = "x86_64-unknown-linux-gnu";

/// An object of the sample's library.
#[derive(Clone)]
pub struct Part {
    pub format: BinaryFormat,
    pub architecture: Architecture,
    pub defined: Vec<&'static str>,
    pub weakly_defined: Vec<&'static str>,
    pub needed: Vec<&'static str>,
    pub weakly_needed: Vec<&'static str>,
    pub ifunc: Option<&'static str>,
    /// Kinds of relocations of `.data`, as [`crate::library::read::Section::relocations`] has them.
    pub relocations: Vec<u32>,
    /// Of ELF: flags of `.note.GNU-stack`; none: no such section.
    pub stack_flags: Option<u64>,
    /// Further sections: name, type, bytes. Of Mach-O the name begins with the segment's.
    pub sections: Vec<(&'static str, u32, &'static [u8])>,
    /// Of COFF: when it was made.
    pub time: u32,
    /// Of Mach-O: platform and lowest version.
    pub system: Option<(u32, u32)>,
    /// Of Mach-O: what it needs, without an underscore before the name.
    pub unprefixed: Vec<&'static str>,
    /// The whole object instead of all this.
    pub raw: Option<Vec<u8>>,
}

impl Part {
    pub fn new() -> Part {
        Part {
            format: BinaryFormat::Elf,
            architecture: Architecture::X86_64,
            defined: Vec::new(),
            weakly_defined: Vec::new(),
            needed: Vec::new(),
            weakly_needed: Vec::new(),
            ifunc: None,
            relocations: Vec::new(),
            stack_flags: Some(0),
            sections: Vec::new(),
            time: 0,
            system: Some((macho::PLATFORM_MACOS.0, 12 << 16)),
            unprefixed: Vec::new(),
            raw: None,
        }
    }

    pub fn bytes(&self) -> Vec<u8> {
        if let Some(raw) = &self.raw {
            return raw.clone();
        }
        let names = match self.format {
            BinaryFormat::MachO => [("__TEXT", "__text"), ("__DATA", "__data")],
            _ => [("", ".text"), ("", ".data")],
        };
        let mut object = Object::new(self.format, self.architecture, Endianness::Little);
        let [text, data] = names.map(|(segment, name)| {
            let kind = if name.ends_with("text") { SectionKind::Text } else { SectionKind::Data };
            object.add_section(segment.into(), name.into(), kind)
        });
        object.append_section_data(text, &[0x90; 16], 16);
        object.append_section_data(data, &[0; 8], 8);
        let symbol = |name: &str, section, weak, flags| Symbol {
            name: name.as_bytes().to_vec(),
            value: 0,
            size: 0,
            kind: SymbolKind::Text,
            scope: SymbolScope::Dynamic,
            weak,
            section,
            flags,
        };
        let here = SymbolSection::Section(text);
        for (names, section, weak) in [
            (&self.defined, here, false),
            (&self.weakly_defined, here, true),
            (&self.needed, SymbolSection::Undefined, false),
            (&self.weakly_needed, SymbolSection::Undefined, true),
        ] {
            for name in names {
                object.add_symbol(symbol(name, section, weak, SymbolFlags::None));
            }
        }
        if let Some(name) = self.ifunc {
            let st_info = elf::SymbolInfo::new(elf::STB_GLOBAL, elf::STT_GNU_IFUNC);
            let flags = SymbolFlags::Elf { st_info, st_other: elf::SymbolOther(0) };
            object.add_symbol(symbol(name, here, false, flags));
        }
        let start = object.section_symbol(text);
        for r_type in &self.relocations {
            let flags = match self.format {
                BinaryFormat::Elf => RelocationFlags::Elf { r_type: elf::RelocationType(*r_type) },
                BinaryFormat::Coff => RelocationFlags::Coff { typ: pe::RelocationType(*r_type as u16) },
                _ => RelocationFlags::MachO {
                    r_type: macho::RelocationType(*r_type as u8),
                    r_length: (*r_type >> 8) as u8,
                    r_pcrel: *r_type >> 16 != 0,
                },
            };
            object.add_relocation(data, Relocation { offset: 0, symbol: start, addend: 0, flags }).unwrap();
        }
        let is_elf = self.format == BinaryFormat::Elf;
        let note = self.stack_flags.filter(|_| is_elf);
        let note = note.map(|flags| (".note.GNU-stack", elf::SHT_PROGBITS.0, flags, [].as_slice()));
        let others = self.sections.iter().map(|(name, kind, bytes)| (*name, *kind, 0, *bytes));
        for (name, kind, flags, bytes) in others.chain(note) {
            let (segment, name) = name.split_once(',').unwrap_or(("", name));
            let id = object.add_section(segment.into(), name.into(), SectionKind::ReadOnlyData);
            object.section_mut(id).flags = match self.format {
                BinaryFormat::Elf => {
                    SectionFlags::Elf { sh_type: elf::SectionType(kind), sh_flags: elf::SectionFlags(flags) }
                }
                BinaryFormat::Coff => SectionFlags::Coff { characteristics: pe::SectionFlags(kind) },
                _ => SectionFlags::None,
            };
            object.append_section_data(id, bytes, 1);
        }
        if let Some((platform, lowest)) = self.system.filter(|_| self.format == BinaryFormat::MachO) {
            let mut version = MachOBuildVersion::default();
            (version.platform, version.minos) = (macho::Platform(platform), macho::Version(lowest));
            object.set_macho_build_version(version);
        }
        object.set_mangling(Mangling::None);
        for name in &self.unprefixed {
            object.add_symbol(symbol(name, SymbolSection::Undefined, false, SymbolFlags::None));
        }
        let mut bytes = object.write().unwrap();
        if self.format == BinaryFormat::Coff {
            bytes[4..8].copy_from_slice(&self.time.to_le_bytes());
        }
        bytes
    }
}

/// An archive before it is packed.
#[derive(Clone)]
pub struct Sample {
    pub descriptor: Descriptor,
    pub files: BTreeMap<&'static str, Vec<u8>>,
    /// Of [`consumer::files`], which are made of the descriptor as it is when it is packed: these are left out.
    pub without: Vec<&'static str>,
    /// The objects of `lib/libv8.a`, by name.
    pub parts: BTreeMap<&'static str, Part>,
    /// Written as `lib/libv8.a` instead of the library of `parts`.
    pub library: Option<Vec<u8>>,
    pub format: Format,
    /// The name of the file instead of the descriptor's.
    pub file_name: Option<&'static str>,
}

impl Sample {
    /// An archive in which nothing is wrong.
    pub fn good() -> Sample {
        let zero = Sha256::of_bytes(b"");
        let text = |text: &str| text.to_owned();
        let name = format!("libv8-15.2.124.1-{TARGET}-release");
        let descriptor = Descriptor {
            format: FORMAT,
            name,
            v8_version: text("15.2.124.1"),
            target: text(TARGET),
            variant: text("release"),
            build_id: zero,
            source: Source {
                kind: text("crate"),
                package: text("v8"),
                version: text("152.2.0"),
                sha256: zero,
            },
            patches: Vec::new(),
            gn_args: BTreeMap::new(),
            defines: vec![text("V8_GN_HEADER")],
            cxx: Cxx {
                standard: text("c++20"),
                flags: Vec::new(),
                defines: Vec::new(),
                include_dirs: vec![text("include"), text("include/c++")],
            },
            libraries: vec![Library { name: text("v8"), path: text("lib/libv8.a") }],
            system_libraries: vec![text("pthread"), text("m")],
            frameworks: Vec::new(),
            cxx_runtime: CxxRuntime { name: text("libc++"), abi_namespace: text("__Cr"), bundled: true },
            tls_model: TlsModel::LocalDynamic,
            libc: Libc { family: LibcFamily::Glibc, floor: text("2.28") },
            features: [("jit", true), ("webassembly", true), ("intl", false)]
                .map(|(name, is)| (text(name), is))
                .into(),
            toolchain: Vec::new(),
            dropped_flags: Vec::new(),
            licenses: vec![License {
                part: text("v8"),
                spdx: text("BSD-3-Clause"),
                file: text("licenses/v8.txt"),
                source: text("v8/LICENSE"),
            }],
            files: Vec::new(),
        };
        let api = Part {
            defined: vec!["libv8_version", "_ZN2v88internal8compiler8Pipeline3RunEv"],
            weakly_defined: vec!["_Znwm", "_ZdlPv"],
            needed: vec!["_ZN2v88internal4wasm10WasmEngine3RunEv", "memcpy", "pow", "__start_numbers"],
            weakly_needed: vec!["__gcov_dump", "gettid"],
            // R_X86_64_64, R_X86_64_DTPOFF32
            relocations: vec![1, 21],
            sections: vec![("numbers", 1, b"1"), (".rodata", 1, b"../../v8/src/api.cc\0/tmp/perf-%d.map\0")],
            ..Part::new()
        };
        let wasm = Part {
            defined: vec!["_ZN2v88internal4wasm10WasmEngine3RunEv"],
            needed: vec!["pthread_create", "__udivti3", "__tls_get_addr", "stat64"],
            ..Part::new()
        };
        let files = [
            ("include/v8.h", "#include \"v8-gn.h\"\n"),
            ("include/v8-gn.h", "#define V8_INTL_SUPPORT\n"),
            ("include/libv8.h", "const char *libv8_version(void);\n"),
            (check::CONFIG, "#ifndef V8CONFIG_H_\n#define V8CONFIG_H_\n#endif\n"),
            ("include/c++/vector", "// vector\n"),
            ("licenses/v8.txt", "Copyright\n"),
        ];
        let guarded = |path: &str, text: &str| match path {
            check::CONFIG => check::guarded(text).unwrap().into_bytes(),
            _ => text.as_bytes().to_vec(),
        };
        Sample {
            descriptor,
            files: files.map(|(path, text)| (path, guarded(path, text))).into(),
            without: Vec::new(),
            parts: [("api.o", api), ("wasm.o", wasm)].into(),
            library: None,
            format: Format::TarZst,
            file_name: None,
        }
    }

    /// The same for another target; `processor` is the triple's first word, `libc` its last.
    pub fn good_for(processor: &str, libc: LibcFamily) -> Sample {
        let mut sample = Sample::good();
        let last = if libc == LibcFamily::Musl { "musl" } else { "gnu" };
        let target = format!("{processor}-unknown-linux-{last}");
        sample.descriptor.name = sample.descriptor.name.replace(TARGET, &target);
        sample.descriptor.target = target;
        if libc == LibcFamily::Musl {
            sample.descriptor.libc = Libc { family: libc, floor: "1.2.5".to_owned() };
            sample.descriptor.system_libraries = vec!["c".to_owned()];
            // Large files have no names of their own there.
            sample.part("wasm.o").needed.retain(|name| *name != "stat64");
        }
        if processor == "aarch64" {
            for part in sample.parts.values_mut() {
                part.architecture = Architecture::Aarch64;
                // R_AARCH64_ABS64, R_AARCH64_TLSDESC_CALL; a missing stack note is no fault there.
                part.relocations = vec![257, 569];
                part.stack_flags = None;
            }
        }
        sample
    }

    /// The same for a target of Windows or macOS.
    pub fn good_on(target: &str) -> Sample {
        let mut sample = Sample::good();
        let text = |text: &str| text.to_owned();
        sample.descriptor.name = sample.descriptor.name.replace(TARGET, target);
        sample.descriptor.target = text(target);
        sample.descriptor.tls_model = TlsModel::Platform;
        let is_macos = target.ends_with("-apple-darwin");
        let is_msvc = target.ends_with("-msvc");
        let (family, floor) =
            if is_macos { (LibcFamily::LibSystem, "12.0") } else { (LibcFamily::Ucrt, "10.0") };
        sample.descriptor.libc = Libc { family, floor: text(floor) };
        sample.descriptor.system_libraries = match (is_macos, is_msvc) {
            (true, _) => Vec::new(),
            (false, false) => vec![text("winmm")],
            (false, true) => ["kernel32", "winmm", "libcmt"].map(text).to_vec(),
        };
        if is_macos {
            sample.descriptor.frameworks = vec![text("CoreFoundation")];
        }
        if is_msvc {
            sample.descriptor.libraries[0].path = text("lib/v8.lib");
        }
        for part in sample.parts.values_mut() {
            part.format = if is_macos { BinaryFormat::MachO } else { BinaryFormat::Coff };
            if target.starts_with("aarch64") {
                part.architecture = Architecture::Aarch64;
            }
            part.weakly_needed.clear();
        }
        let [wasm, pipeline, own_new] = if is_msvc {
            [
                "?Run@WasmEngine@wasm@internal@v8@@QEAAXXZ",
                "?Run@Pipeline@compiler@internal@v8@@QEAAXXZ",
                "_ours",
            ]
        } else {
            ["_ZN2v88internal4wasm10WasmEngine3RunEv", "_ZN2v88internal8compiler8Pipeline3RunEv", "_Znwy"]
        };
        let system: [&[&str]; 2] = match (is_macos, is_msvc) {
            (true, _) => [&["CFRelease", "pow"], &["pthread_create", "_tlv_bootstrap"]],
            (false, false) => {
                [&["__imp_VirtualAlloc", "__mingw_vsnprintf"], &["timeGetTime", "___chkstk_ms"]]
            }
            (false, true) => [&["__imp_VirtualAlloc", "??2@YAPEAX_K@Z"], &["timeGetTime", "__chkstk"]],
        };
        // Pointers: IMAGE_REL_*_ADDR64, *_RELOC_UNSIGNED of eight bytes.
        let pointer = match (is_macos, target.starts_with("aarch64")) {
            (true, _) => 3 << 8,
            (false, false) => 1,
            (false, true) => 14,
        };
        let constants = if is_macos { "__TEXT,__cstring" } else { ".rdata" };
        let api = sample.part("api.o");
        api.defined = vec!["libv8_version", pipeline];
        api.weakly_defined = vec![own_new];
        api.needed = [&[wasm, "memcpy"], system[0]].concat();
        api.relocations = vec![pointer];
        // IMAGE_SCN_CNT_INITIALIZED_DATA | IMAGE_SCN_MEM_READ
        api.sections = vec![(constants, 0x4000_0040, b"../../v8/src/api.cc\0C:\\Windows\0")];
        let other = sample.part("wasm.o");
        other.defined = vec![wasm];
        other.needed = [&["__udivti3"], system[1]].concat();
        // GNU's names are of libgcc; Microsoft's runtime has no such helper.
        if is_msvc {
            other.needed.remove(0);
        }
        sample
    }

    /// An object of the library, to be changed.
    pub fn part(&mut self, name: &'static str) -> &mut Part {
        let like = self.parts.values().next().cloned().unwrap_or_else(Part::new);
        let new = || Part { format: like.format, architecture: like.architecture, ..Part::new() };
        self.parts.entry(name).or_insert_with(new)
    }

    /// Packs it into `folder`; gives the archive's path.
    pub fn pack(&self, folder: &Path) -> PathBuf {
        let content = folder.join("content");
        std::fs::create_dir_all(folder).unwrap();
        let write = |path: &str, bytes: &[u8]| {
            let path = content.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        };
        for (path, text) in consumer::files(&self.descriptor) {
            if !self.without.contains(&path) {
                write(path, text.as_bytes());
            }
        }
        for (path, bytes) in &self.files {
            write(path, bytes);
        }
        let is_msvc = self.descriptor.target.ends_with("-msvc");
        let path = if is_msvc { "lib/v8.lib" } else { "lib/libv8.a" };
        write(path, &self.library.clone().unwrap_or_else(|| library(&self.parts, path)));
        let options = PackOptions { zstd_level: 1, ..PackOptions::default() };
        let packed = v8_archive::pack(&content, &self.descriptor, folder, self.format, &options).unwrap();
        match self.file_name {
            None => packed.path,
            Some(name) => {
                let path = folder.join(name);
                std::fs::rename(&packed.path, &path).unwrap();
                path
            }
        }
    }
}

/// A static library of `parts`, laid out as archives carry it.
fn library(parts: &BTreeMap<&'static str, Part>, path: &str) -> Vec<u8> {
    use ar_archive_writer::{ArchiveKind, DEFAULT_OBJECT_READER, NewArchiveMember, write_archive_to_stream};
    let kind = match parts.values().next().map(|part| part.format) {
        Some(BinaryFormat::MachO) => ArchiveKind::Darwin,
        _ if path.ends_with(".lib") => ArchiveKind::Coff,
        _ => ArchiveKind::Gnu,
    };
    let members: Vec<_> = parts
        .iter()
        .map(|(name, part)| NewArchiveMember::new(part.bytes(), &DEFAULT_OBJECT_READER, (*name).to_owned()))
        .collect();
    let mut out = std::io::Cursor::new(Vec::new());
    write_archive_to_stream(&mut out, &members, kind, false, None).unwrap();
    out.into_inner()
}
