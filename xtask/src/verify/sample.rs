//! A small archive without fault, for the tests to spoil. Its objects are made without a compiler.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use object::write::{Object, Relocation, Symbol, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, RelocationFlags, SectionFlags, SectionKind, SymbolFlags,
    SymbolKind, SymbolScope, elf,
};
use v8_archive::descriptor::{Cxx, CxxRuntime, Libc, LibcFamily, Library, License, Source, TlsModel};
use v8_archive::{Descriptor, FORMAT, Format, PackOptions, Sha256};

use crate::consumer::{self, check};

/// The target of the sample.
pub const TARGET: &str = "x86_64-unknown-linux-gnu";

/// An object of the sample's library.
#[derive(Clone)]
pub struct Part {
    pub architecture: Architecture,
    pub defined: Vec<&'static str>,
    pub weakly_defined: Vec<&'static str>,
    pub needed: Vec<&'static str>,
    pub weakly_needed: Vec<&'static str>,
    pub ifunc: Option<&'static str>,
    /// `r_type`s of relocations of `.data`.
    pub relocations: Vec<u32>,
    /// Flags of `.note.GNU-stack`; none: no such section.
    pub stack_flags: Option<u64>,
    /// Further sections: name, type, bytes.
    pub sections: Vec<(&'static str, u32, &'static [u8])>,
}

impl Part {
    pub fn new() -> Part {
        Part {
            architecture: Architecture::X86_64,
            defined: Vec::new(),
            weakly_defined: Vec::new(),
            needed: Vec::new(),
            weakly_needed: Vec::new(),
            ifunc: None,
            relocations: Vec::new(),
            stack_flags: Some(0),
            sections: Vec::new(),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut object = Object::new(BinaryFormat::Elf, self.architecture, Endianness::Little);
        let text = object.add_section(Vec::new(), b".text".to_vec(), SectionKind::Text);
        let data = object.add_section(Vec::new(), b".data".to_vec(), SectionKind::Data);
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
            let flags = RelocationFlags::Elf { r_type: elf::RelocationType(*r_type) };
            object.add_relocation(data, Relocation { offset: 0, symbol: start, addend: 0, flags }).unwrap();
        }
        let note =
            self.stack_flags.map(|flags| (".note.GNU-stack", elf::SHT_PROGBITS.0, flags, [].as_slice()));
        let others = self.sections.iter().map(|(name, kind, bytes)| (*name, *kind, 0, *bytes));
        for (name, kind, flags, bytes) in others.chain(note) {
            let id = object.add_section(Vec::new(), name.as_bytes().to_vec(), SectionKind::ReadOnlyData);
            object.section_mut(id).flags =
                SectionFlags::Elf { sh_type: elf::SectionType(kind), sh_flags: elf::SectionFlags(flags) };
            object.append_section_data(id, bytes, 1);
        }
        object.write().unwrap()
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

    /// An object of the library, to be changed.
    pub fn part(&mut self, name: &'static str) -> &mut Part {
        self.parts.entry(name).or_insert_with(Part::new)
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
        write("lib/libv8.a", &self.library.clone().unwrap_or_else(|| library(&self.parts)));
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

/// A static library of `parts`, in the form that archives carry.
fn library(parts: &BTreeMap<&'static str, Part>) -> Vec<u8> {
    use ar_archive_writer::{ArchiveKind, DEFAULT_OBJECT_READER, NewArchiveMember, write_archive_to_stream};
    let members: Vec<_> = parts
        .iter()
        .map(|(name, part)| NewArchiveMember::new(part.bytes(), &DEFAULT_OBJECT_READER, (*name).to_owned()))
        .collect();
    let mut out = std::io::Cursor::new(Vec::new());
    write_archive_to_stream(&mut out, &members, ArchiveKind::Gnu, false, None).unwrap();
    out.into_inner()
}
