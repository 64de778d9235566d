//! The smallest objects that have something of all that is read of them, written by hand: good input for `fuzz`.

/// The smallest ELF object with a symbol (elf(5)): header, names, symbols, five section headers.
pub fn elf() -> Vec<u8> {
    let names = b"\0.text\0.rela.text\0.symtab\0.strtab\0f\0";
    let (text, rela, symbols) =
        ([0xc3u8; 8], [[0u64, 1 << 32 | 2, 0]], [[0u64; 3], [34 | 0x12 << 32 | 1 << 48, 0, 8]]);
    let words = |words: &[[u64; 3]]| -> Vec<u8> {
        words.iter().flatten().flat_map(|word| word.to_le_bytes()).collect()
    };
    let parts: [(u32, u32, Vec<u8>, u32, u32, u64); 4] = [
        (1, 1, text.to_vec(), 0, 0, 0),
        (7, 4, words(&rela), 3, 1, 24),
        (18, 2, words(&symbols), 4, 1, 24),
        (26, 3, names.to_vec(), 0, 0, 0),
    ];
    let (mut data, mut headers) = (Vec::new(), vec![0u8; 64]);
    for (name, kind, bytes, link, info, entry_bytes) in parts {
        headers.extend([name, kind].iter().flat_map(|word| word.to_le_bytes()));
        let flags = if kind == 1 { 6u64 } else { 0 };
        let long = [flags, 0, 64 + data.len() as u64, bytes.len() as u64];
        headers.extend(long.iter().flat_map(|word| word.to_le_bytes()));
        headers.extend([link, info].iter().flat_map(|word| word.to_le_bytes()));
        headers.extend([1u64, entry_bytes].iter().flat_map(|word| word.to_le_bytes()));
        data.extend(bytes);
    }
    data.resize(data.len().next_multiple_of(8), 0);
    let mut out = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x01\0\x3e\0\x01\0\0\0".to_vec();
    out.extend([0, 0, 64 + data.len() as u64].iter().flat_map(|word: &u64| word.to_le_bytes()));
    out.extend([0, 0, 0, 0, 64, 0, 0, 0, 0, 0, 64, 0, 5, 0, 4, 0]);
    [out, data, headers].concat()
}

/// The smallest COFF object with the name of a source, a name in the string table, a weak external and directives.
pub fn coff() -> Vec<u8> {
    let directives = b" /EXPORT:f ";
    let (code, header) = (20 + 2 * 40, |name: &[u8; 8], size: usize, at: usize, flags: u32| {
        let words = [0, 0, size as u32, at as u32, at as u32 + size as u32, 0].map(u32::to_le_bytes);
        // One relocation behind the code.
        let relocations = u32::from(name == b".text\0\0\0").to_le_bytes();
        [name.as_slice(), &words.concat(), &relocations, &flags.to_le_bytes()].concat()
    });
    let symbol = |name: [u8; 8], section: i16, class: u8, more: u8| {
        [&name[..], &[0; 4], &section.to_le_bytes(), &[0x20, 0, class, more]].concat()
    };
    let long = |place: u32| {
        let mut name = [0; 8];
        name[4..].copy_from_slice(&place.to_le_bytes());
        name
    };
    let mut alias = [0; 18];
    (alias[0], alias[4]) = (2, 3);
    let symbols = [
        symbol(*b".file\0\0\0", -2, 103, 1),
        [b"a.cc".as_slice(), &[0; 14]].concat(),
        symbol(long(4), 1, 2, 0),
        symbol(*b"f\0\0\0\0\0\0\0", 0, 105, 1),
        alias.to_vec(),
        symbol(*b"needed\0\0", 0, 2, 0),
    ];
    let relocation = [0u8, 0, 0, 0, 5, 0, 0, 0, 4, 0];
    let text = [[0xc3u8; 8].as_slice(), &relocation].concat();
    let table = code + text.len() + directives.len();
    let name = b".weak.f.default.x\0";
    let mut out = [0x64, 0x86, 2, 0].to_vec();
    out.extend([0, table as u32, symbols.len() as u32, 0].map(u32::to_le_bytes).concat());
    out.extend(header(b".text\0\0\0", 8, code, 0x6050_0020));
    out.extend(header(b".drectve", directives.len(), code + text.len(), 0x0010_0a00));
    out.extend([&text, directives.as_slice(), &symbols.concat()].concat());
    out.extend((name.len() as u32 + 4).to_le_bytes());
    out.extend(name);
    out
}

/// The smallest Mach-O object with a section, a relocation, a defined and a needed symbol, a system and an option.
pub fn macho() -> Vec<u8> {
    let words = |words: &[u32]| -> Vec<u8> { words.iter().flat_map(|word| word.to_le_bytes()).collect() };
    let named = |name: &str| {
        let mut field = [0; 16];
        field[..name.len()].copy_from_slice(name.as_bytes());
        field
    };
    // Segment with one section, LC_BUILD_VERSION, LC_LINKER_OPTION, LC_SYMTAB.
    let sizes = [72 + 80, 24, 24, 24];
    let data = 32 + sizes.iter().sum::<u32>();
    let names = b"\0_f\0_g\0";
    let segment = [
        words(&[0x19, sizes[0]]),
        named("").to_vec(),
        words(&[0, 0, 8, 0, data, 0, 8, 0, 7, 7, 1, 0]),
        named("__text").to_vec(),
        named("__TEXT").to_vec(),
        words(&[0, 0, 8, 0, data, 0, data + 8, 1, 0x8000_0400, 0, 0, 0]),
    ];
    let option = [words(&[0x2d, sizes[2], 1]), b"-lSystem\0\0\0\0".to_vec()];
    let commands = [
        segment.concat(),
        words(&[0x32, sizes[1], 1, 12 << 16, 0, 0]),
        option.concat(),
        words(&[2, sizes[3], data + 16, 2, data + 16 + 32, names.len() as u32]),
    ];
    let header = words(&[0xfeed_facf, 0x0100_000c, 0, 1, 4, data - 32, 0x2000, 0]);
    // BRANCH26 to the second symbol; N_SECT | N_EXT in section 1 with N_WEAK_DEF; N_UNDF | N_EXT.
    let rest =
        [vec![0xc0; 8], words(&[0, 0x2d00_0001]), words(&[1, 0x0080_010f, 0, 0, 4, 1, 0, 0]), names.to_vec()];
    [header, commands.concat(), rest.concat()].concat()
}
