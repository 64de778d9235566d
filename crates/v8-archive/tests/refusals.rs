//! Every way in which an archive can be other than what `pack` writes is refused, and leaves nothing behind.

mod support;

use std::fs;

use lzma_rust2::CheckType;
use support::{
    Raw, ZipHeaders, crc32, descriptor, descriptor_of, folder, gz, names, noise, raw, stored, tar,
    with_descriptor, write, xz, xz_with, zip, zst, zst_with,
};
use v8_archive::{
    Error, Format, Limits, PackOptions, Sha256, open, pack, unpack, verify_contents, verify_contents_with,
};

/// Unpacking must fail with the text; nothing may be left.
fn refused_with(archive: &[u8], limits: &Limits, expected: &str) {
    let at = folder();
    let path = write(at.path.join("a"), archive);
    match unpack(&path, &at.path.join("out"), limits) {
        Ok(_) => panic!("accepted, expected: {expected}"),
        Err(error) => assert!(error.to_string().contains(expected), "{error}\nexpected: {expected}"),
    }
    assert_eq!(names(&at.path), ["a"], "something was left behind");
}

fn refused(archive: &[u8], expected: &str) {
    refused_with(archive, &Limits::default(), expected);
}

fn accepted(archive: &[u8], limits: &Limits) {
    let at = folder();
    let path = write(at.path.join("a"), archive);
    unpack(&path, &at.path.join("out"), limits).unwrap();
    assert_eq!(names(&at.path), ["a", "out"]);
}

/// The formats of the same entries.
fn all_formats(entries: &[Raw]) -> [Vec<u8>; 4] {
    let tar = tar(entries);
    [zst(&tar), gz(&tar), xz(&tar), zip(entries, |_, _| {})]
}

/// A good archive with these entries behind its own.
fn good_and(more: Vec<Raw>) -> Vec<Raw> {
    let mut entries = vec![raw("include/v8.h", "header"), raw("lib/libv8.a", noise(3000))];
    entries.extend(more);
    with_descriptor(entries)
}

#[test]
fn archives_made_by_hand_are_accepted() {
    // Else every refusal below could be one of something else.
    for archive in all_formats(&good_and(vec![raw("to be empty", "")])) {
        accepted(&archive, &Limits::default());
    }
}

#[test]
fn f24_the_descriptor_of_another_target_is_refused() {
    let other = v8_archive::Descriptor { target: "aarch64-unknown-linux-gnu".into(), ..descriptor() };
    for archive in all_formats(&[raw("V8.json", other.to_json())]) {
        refused(&archive, "make 'libv8-15.2.124.1-aarch64-unknown-linux-gnu-release'");
    }
}

#[test]
fn f28_bad_paths_are_refused() {
    let check = |path: &str, expected: &str| {
        // Listed, so that the path is the only fault; and not listed, so that the list is not what protects.
        for entry in [raw(path, "evil"), raw(path, "evil").unlisted()] {
            for archive in all_formats(&good_and(vec![entry])) {
                refused(&archive, expected);
            }
        }
    };
    check("../evil", "'..'");
    check("lib/../../evil", "'..'");
    check("/tmp/evil", "absolute");
    check("C:/evil", "drive letter");
    check("\\\\host\\evil", "backslash");
    check("..\\evil", "backslash");
    check("evil.", "dot or space");
    check("evil ", "dot or space");
    check("lib/CON", "Windows device");
    check("evi\x1b[2Jl", "control character");
    check("\u{202e}evil", "outside ASCII");
    // Which of the two is the second depends on whether it is listed.
    check("Include/other.h", "nclude' in case only");
    check("include/V8.h", "8.h' in case only");
    check("include/v8.h/evil", "'include/v8.h' is a file and a folder");
    check("v8.json", "differs from 'V8.json' in case only");
}

#[test]
fn f28_a_nul_or_a_byte_that_is_not_utf8_in_a_path_is_refused() {
    let nul = good_and(vec![raw("good\0/../../evil", "evil").unlisted()]);
    refused(&zst(&tar(&nul)), "entry 'good': not a libv8 archive");
    refused(&zip(&nul, |_, _| {}), "control character");
    for archive in all_formats(&good_and(vec![raw(b"\xff", "evil").unlisted()])) {
        refused(&archive, "not a libv8 archive");
    }
}

#[test]
fn f28_over_long_paths_are_refused() {
    let long = "n/".repeat(150) + "evil";
    refused(&zip(&good_and(vec![raw(&long, "evil")]), |_, _| {}), "too long");
    refused(&zip(&good_and(vec![raw(&long, "evil").unlisted()]), |_, _| {}), "too long");
}

/// A tar entry of another kind, which points out of the folder, is refused as `expected`.
fn kind_refused(kind: u8, behind: Vec<Raw>, expected: &str) {
    let link = raw("link", "").edit(move |header| {
        header[156] = kind;
        header[157..161].copy_from_slice(b"/tmp");
    });
    let tar = tar(&good_and([link].into_iter().chain(behind).collect()));
    refused(&zst(&tar), expected);
    refused(&gz(&tar), expected);
}

#[test]
fn f29_links_are_refused_with_what_would_go_through_them() {
    let symbolic = "entry 'link' is a symbolic link";
    kind_refused(b'2', vec![raw("link/evil", "evil").unlisted()], symbolic);
    // RUSTSEC-2026-0067: a folder of the link's name, whose mode would be given to what the link points to.
    let folder = raw("link", "").unlisted().edit(|header| {
        header[156] = b'5';
        header[100..107].copy_from_slice(b"0000777");
    });
    kind_refused(b'2', vec![folder], symbolic);
    kind_refused(b'1', vec![raw("link", "evil").unlisted()], "entry 'link' is a hard link");
    // The folder before the link, and alone.
    kind_refused(b'5', vec![raw("link", "").kind(b'2').unlisted()], "entry 'link' is a folder");
}

#[test]
#[cfg(unix)]
fn f29_a_link_in_place_of_the_destination_is_not_followed() {
    let at = folder();
    let path = write(at.path.join("a"), zst(&tar(&good_and(vec![]))));
    fs::create_dir(at.path.join("elsewhere")).unwrap();
    for target in ["elsewhere", "nowhere"] {
        let out = at.path.join("out");
        std::os::unix::fs::symlink(at.path.join(target), &out).unwrap();
        let error = unpack(&path, &out, &Limits::default()).unwrap_err();
        assert!(matches!(error, Error::DestinationExists { .. }), "{error}");
        fs::remove_file(&out).unwrap();
        assert_eq!(names(&at.path.join("elsewhere")), [""; 0]);
        assert_eq!(names(&at.path), ["a", "elsewhere"]);
    }
}

#[test]
fn f30_devices_fifos_and_sparse_files_are_refused() {
    kind_refused(b'3', vec![], "entry 'link' is a character device");
    kind_refused(b'4', vec![], "entry 'link' is a block device");
    kind_refused(b'6', vec![], "entry 'link' is a fifo");
    kind_refused(b'S', vec![], "entry 'link' is a sparse file");
    kind_refused(b'7', vec![], "entry 'link' is a tar entry of another type");
    kind_refused(b'\0', vec![], "entry 'link' is a tar entry of another type");
}

#[test]
fn f30_headers_that_pack_does_not_write_are_refused() {
    let check = |at: usize, field: &'static [u8], expected: &str| {
        let entry = raw("file", "x").edit(move |header| header[at..at + field.len()].copy_from_slice(field));
        refused(&zst(&tar(&good_and(vec![entry]))), expected);
    };
    check(100, b"0004755", "entry 'file': not a libv8 archive: it has a setuid, setgid or sticky bit");
    check(100, b"0001644", "setuid, setgid or sticky");
    check(100, b"0000755", "mode, owner, time");
    check(108, b"0001750", "mode, owner, time");
    check(136, b"14000000000", "mode, owner, time");
    check(157, b"/etc/passwd", "mode, owner, time");
    check(265, b"root", "mode, owner, time");
    check(257, b"ustar  \0", "mode, owner, time");
    check(500, b"x", "mode, owner, time");
    check(124, b"\x80\0\0\0\0\0\0\0\0\0\0\x01", "its size is not eleven octal digits");
    check(124, b"0000000000 ", "mode, owner, time");
}

#[test]
fn f31_pax_and_gnu_extensions_are_refused() {
    // RUSTSEC-2026-0068: PAX says 512 more than the header, so that a second header hides in the data.
    let hidden = tar(&[raw("evil", "evil")]);
    for (kind, expected) in
        [(b'x', "PAX extension"), (b'g', "PAX extension"), (b'L', "GNU long name"), (b'K', "GNU long name")]
    {
        let entries =
            vec![raw("PaxHeaders/file", "13 size=1024\n").kind(kind).unlisted(), raw("file", &hidden)];
        refused(&gz(&tar(&good_and(entries))), expected);
    }
}

#[test]
fn f31_a_tar_in_the_tar_is_only_data() {
    let hidden = raw("tar.tar", tar(&[raw("../evil", "evil")]));
    for archive in all_formats(&good_and(vec![hidden])) {
        accepted(&archive, &Limits::default());
    }
}

#[test]
fn f32_an_entry_twice_is_refused() {
    for archive in all_formats(&good_and(vec![raw("include/v8.h", "header").unlisted()])) {
        refused(&archive, "entry 'include/v8.h': the path occurs twice");
    }
    for archive in all_formats(&good_and(vec![raw("V8.json", "{}").unlisted()])) {
        refused(&archive, "entry 'V8.json': the path occurs twice");
    }
    for archive in all_formats(&good_and(vec![raw("include/v8.h", "header")])) {
        refused(&archive, "entry 'include/v8.h': the path occurs twice");
    }
}

#[test]
fn archive_and_descriptor_must_agree() {
    let check = |spoil: fn(&mut Vec<Raw>), expected: &str| {
        let mut entries = good_and(vec![]);
        spoil(&mut entries);
        for archive in all_formats(&entries) {
            refused(&archive, expected);
        }
    };
    check(|entries| entries.push(raw("more", "x")), "entry 'more': not listed in V8.json");
    check(|entries| drop(entries.pop()), "entry 'lib/libv8.a': listed in V8.json, but missing");
    check(|entries| entries[1].data = b"HEADER".to_vec(), "entry 'include/v8.h': has sha256 ");
    check(|entries| entries[1].data = b"short".to_vec(), "entry 'include/v8.h': has 5 bytes, expected 6");
    check(|entries| entries[1].data.push(b'x'), "entry 'include/v8.h': has 7 bytes, expected 6");
    check(|entries| entries.swap(0, 1), "the first entry is 'include/v8.h', expected 'V8.json'");
    check(|entries| drop(entries.remove(0)), "the first entry is 'include/v8.h', expected 'V8.json'");
}

/// Found by `cargo xtask fuzz`: the same files in another order were accepted, so that one archive had many forms.
#[test]
fn files_in_another_order_are_refused() {
    let mut entries = good_and(vec![]);
    entries.swap(1, 2);
    for archive in all_formats(&entries) {
        refused(
            &archive,
            "entry 'include/v8.h': not a libv8 archive: it stands behind 'lib/libv8.a', but files are sorted by path",
        );
    }
    let mut entries = good_and(vec![]);
    let mut descriptor = descriptor_of(&entries[1..]);
    descriptor.files.reverse();
    entries[0] = raw("V8.json", descriptor.to_json());
    for archive in all_formats(&entries) {
        refused(
            &archive,
            "entry 'include/v8.h': not a libv8 archive: V8.json lists it behind 'lib/libv8.a', but files are sorted by path",
        );
    }
}

#[test]
fn f33_limits_hold() {
    let archives = all_formats(&good_and(vec![]));
    for archive in &archives {
        let limits = Limits::default();
        refused_with(
            archive,
            &Limits { max_entries: 2, ..limits.clone() },
            "too many entries: 3, the limit is 2",
        );
        accepted(archive, &Limits { max_entries: 3, ..limits.clone() });
        refused_with(archive, &Limits { max_total_bytes: 3000, ..limits.clone() }, "too many bytes in all");
        refused_with(
            archive,
            &Limits { max_descriptor_bytes: 100, ..limits.clone() },
            "too many bytes of V8.json",
        );
    }
}

#[test]
fn f33_bombs_are_refused_before_they_are_unpacked() {
    let at = folder();
    write(at.path.join("in/zeros"), vec![0; 4 << 20]);
    for format in Format::ALL {
        let options = PackOptions { zstd_level: 3, threads: 1 };
        let packed = pack(&at.path.join("in"), &descriptor(), &at.path, format, &options).unwrap();
        let archive = fs::read(&packed.path).unwrap();
        refused(&archive, "too many unpacked bytes for a packed one");
        accepted(&archive, &Limits { max_ratio: 1_000_000, ..Limits::default() });
    }
}

#[test]
fn f33_an_entry_larger_than_its_pinned_size_is_refused_before_it_is_read() {
    let mut entries = good_and(vec![raw("file", "six by")]);
    // Long, and cut off: whoever goes on reading meets the cut.
    entries[3].data = noise(1 << 20);
    let expected = "entry 'file': has 1048576 bytes, expected 6";
    let [zst, gz, xz, zip] = all_formats(&entries);
    // zstd's decoder gives nothing away before it has seen a whole window.
    refused(&zst, expected);
    for archive in [gz, xz, zip] {
        refused(&archive[..archive.len() - (1 << 19)], expected);
    }
}

#[test]
fn f33_a_zip_entry_that_is_longer_than_it_says_is_refused() {
    let entries = good_and(vec![raw("file", "x")]);
    let archive = zip(&entries, |number, headers| {
        if number == 3 {
            headers.data = stored(&noise(5000));
            let length = (headers.data.len() as u32).to_le_bytes();
            headers.local[18..22].copy_from_slice(&length);
            headers.central[20..24].copy_from_slice(&length);
        }
    });
    refused(&archive, "entry 'file' is longer than its zip header says");
}

/// A frame of raw blocks whose header asks for a window of `2^log` bytes.
fn zst_with_window(tar: &[u8], log: u8) -> Vec<u8> {
    let checksum = zst(tar).split_off(zst(tar).len() - 4);
    let mut out = vec![0x28, 0xb5, 0x2f, 0xfd, 0x84, (log - 10) << 3];
    out.extend((tar.len() as u32).to_le_bytes());
    let chunks: Vec<_> = tar.chunks(100_000).collect();
    for (number, chunk) in chunks.iter().enumerate() {
        let last = u32::from(number + 1 == chunks.len());
        out.extend(&((chunk.len() as u32) << 3 | last).to_le_bytes()[..3]);
        out.extend(*chunk);
    }
    out.extend(checksum);
    out
}

#[test]
fn f33_a_large_zstd_window_is_refused() {
    let tar = tar(&good_and(vec![]));
    accepted(&zst_with_window(&tar, 27), &Limits::default());
    refused(&zst_with_window(&tar, 28), "too many bytes of zstd window: 268435456, the limit is 134217728");
    accepted(&zst_with_window(&tar, 28), &Limits { max_window_bytes: 1 << 28, ..Limits::default() });
}

#[test]
fn f34_what_follows_the_end_is_refused() {
    let entries = good_and(vec![]);
    for archive in all_formats(&entries) {
        for more in [&b"\0"[..], b"garbage", &archive, &[0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]] {
            refused(&[&archive, more].concat(), "data follows the end of the archive");
        }
    }
    let tar = tar(&entries);
    for compress in [zst as fn(&[u8]) -> Vec<u8>, gz, xz] {
        refused(&compress(&[&tar[..], &[0]].concat()), "data follows the end of the archive");
        refused(&compress(&[&tar[..], &tar].concat()), "data follows the end of the archive");
        // Two frames that are one tar together.
        let (first, second) = tar.split_at(1024);
        refused(&[compress(first), compress(second)].concat(), "the file ends too early");
        let (data, end) = tar.split_at(tar.len() - 512);
        refused(&compress(data), "the file ends too early");
        refused(&compress(&[data, &[b'x'; 512]].concat()), "data follows the end of the archive");
        assert_eq!(end, [0; 512]);
    }
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0], &zst(&tar)[..]].concat();
    refused(&skippable, "begins like none of zstd, gzip, xz and zip");
}

#[test]
fn f34_padding_must_be_zero() {
    let mut tar = tar(&with_descriptor(vec![raw("file", "x")]));
    let at = tar.len() - 1024 - 1;
    tar[at] = 1;
    refused(&zst(&tar), "padding after a file is not zero");
}

#[test]
fn zstd_frames_without_size_or_checksum_are_refused() {
    let tar = tar(&good_and(vec![]));
    refused(&zst_with(&tar, |encoder| encoder.include_checksum(false).unwrap()), "no checksum");
    refused(&zst_with(&tar, |encoder| encoder.include_contentsize(false).unwrap()), "no content size");
}

#[test]
fn f33_a_large_xz_dictionary_is_refused() {
    let tar = tar(&good_and(vec![]));
    let with_dictionary = |bytes: u32| {
        let mut archive = xz_with(&tar, |options| options.lzma_options.dict_size = 1 << 20);
        // The block's header: length, flags, filter, length of its properties, and the dictionary as 2^(n / 2 + 12).
        assert_eq!(archive[12..17], [2, 0, 0x21, 1, 16]);
        archive[16] = (bytes.trailing_zeros() as u8 - 12) * 2;
        let sum = crc32(&archive[12..20]).to_le_bytes();
        archive[20..24].copy_from_slice(&sum);
        archive
    };
    accepted(&with_dictionary(1 << 27), &Limits::default());
    refused(&with_dictionary(1 << 28), "the limit is 134217728 bytes");
    accepted(&with_dictionary(1 << 28), &Limits { max_window_bytes: 1 << 28, ..Limits::default() });
}

#[test]
fn xz_streams_with_another_checksum_or_none_are_refused() {
    let tar = tar(&good_and(vec![]));
    for check in [CheckType::None, CheckType::Crc32, CheckType::Sha256] {
        refused(&xz_with(&tar, |options| options.set_check_sum_type(check)), "no checksum of eight bytes");
    }
}

#[test]
fn gzip_headers_with_a_name_or_time_are_refused() {
    let mut archive = gz(&tar(&good_and(vec![])));
    archive[4] = 1;
    refused(&archive, "its gzip header has a name, a time");
}

#[test]
fn f35_a_zip_is_refused_as_a_tar_is() {
    // F28 to F34 above are tried in all formats where zip can say them at all; here is what a zip says its own way.
    let with_mode = |mode: u16| {
        let edit = move |number, headers: &mut ZipHeaders| {
            if number == 3 {
                headers.central[40..42].copy_from_slice(&mode.to_le_bytes());
            }
        };
        zip(&good_and(vec![raw("link", "/etc/passwd")]), edit)
    };
    accepted(&with_mode(0o100644), &Limits::default());
    refused(&with_mode(0o120777), "entry 'link' is a symbolic link");
    refused(&with_mode(0o010644), "entry 'link' is a fifo");
    refused(&with_mode(0o020644), "entry 'link' is a device");
    refused(&with_mode(0o060644), "entry 'link' is a device");
    refused(&with_mode(0o104755), "its record in the zip directory differs");
    // The directory names another file than stands before the data; readers differ in which they believe.
    let renamed = zip(&good_and(vec![raw("name", "x")]), |number, headers| {
        if number == 3 {
            let at = headers.central.len() - 4;
            headers.central[at..].copy_from_slice(b"evil");
        }
    });
    refused(&renamed, "entry 'name': not a libv8 archive: its record in the zip directory differs");
}

#[test]
fn f35_zip_headers_that_pack_does_not_write_are_refused() {
    let check = |edit: fn(&mut ZipHeaders), expected: &str| {
        let edit = |number, headers: &mut ZipHeaders| {
            if number == 2 {
                edit(headers)
            }
        };
        refused(&zip(&good_and(vec![]), edit), expected);
    };
    let entry = "entry 'lib/libv8.a'";
    check(|h| (h.local[6], h.central[8]) = (1, 1), &format!("{entry}: not a libv8 archive: it is encrypted"));
    check(|h| (h.local[6], h.central[8]) = (8, 8), "its sizes follow its data");
    check(|h| (h.local[8], h.central[10]) = (0, 0), "its compression method is not deflate");
    check(|h| (h.local[10], h.central[12]) = (1, 1), "version, flags, time");
    check(
        |h| {
            h.local[28] = 4;
            h.local.extend([0xfe, 0xca, 0, 0]);
        },
        "its zip header has an extra field",
    );
    check(|h| h.central[41] = 0o120000u16.to_be_bytes()[0], &format!("{entry} is a symbolic link"));
    check(|h| h.central[41] = 0o040000u16.to_be_bytes()[0], &format!("{entry} is a folder"));
    check(|h| h.central[41] |= 0o004000u16.to_be_bytes()[0], "its record in the zip directory differs");
    check(|h| *h.central.last_mut().unwrap() = b'b', "its record in the zip directory differs");
    check(|h| h.central[16] ^= 1, "its record in the zip directory differs");
    check(|h| h.central.clear(), "zip directory differs");
    check(|h| h.local.clear(), "no zip header where one has to be");
    check(
        |h| {
            h.data.push(0);
            let length = (h.data.len() as u32).to_le_bytes();
            h.local[18..22].copy_from_slice(&length);
            h.central[20..24].copy_from_slice(&length);
        },
        "entry 'lib/libv8.a' is shorter than its zip header says",
    );
    check(
        |h| {
            let crc = (crc32(b"other")).to_le_bytes();
            h.local[14..18].copy_from_slice(&crc);
            h.central[16..20].copy_from_slice(&crc);
        },
        "entry 'lib/libv8.a' has crc",
    );
    refused(&zip(&good_and(vec![raw("folder/", "").unlisted()]), |_, _| {}), "entry 'folder/' is a folder");
    let mut with_comment = zip(&good_and(vec![]), |_, _| {});
    let at = with_comment.len() - 2;
    with_comment[at] = 1;
    with_comment.push(b'c');
    refused(&with_comment, "the end of its zip directory differs");
}

#[test]
fn f01_f34_a_cut_archive_is_refused_wherever_it_is_cut() {
    for archive in all_formats(&good_and(vec![])) {
        for length in (0..archive.len()).step_by(97).chain(archive.len() - 30..archive.len()) {
            refused(&archive[..length], "");
        }
    }
}

#[test]
fn f04_a_flipped_byte_is_found_wherever_it_is() {
    let at = folder();
    write(at.path.join("in/include/v8.h"), "int main();\n".repeat(30));
    write(at.path.join("in/lib/libv8.a"), noise(2000));
    for format in Format::ALL {
        let options = PackOptions { zstd_level: 3, threads: 1 };
        let packed = pack(&at.path.join("in"), &descriptor(), &at.path, format, &options).unwrap();
        let archive = fs::read(&packed.path).unwrap();
        let length = archive.len();
        for position in (0..length).step_by(23).chain(0..40).chain(length - 40..length) {
            let mut spoiled = archive.clone();
            spoiled[position] ^= 0xff;
            let path = write(at.path.join("spoiled"), &spoiled);
            let found = match verify_contents(&path, &Limits::default()) {
                Ok((_, faults)) => !faults.is_empty(),
                Err(_) => true,
            };
            assert!(found, "{format}: byte {position} of {length} was flipped unseen");
        }
    }
}

#[test]
fn verify_lists_all_faults_in_one_pass() {
    let mut entries = good_and(vec![raw("gone", "x"), raw("../evil", "evil").unlisted()]);
    entries[1].data = b"HEADER".to_vec();
    entries.retain(|entry| entry.path != b"gone");
    entries.push(raw("more", "x"));
    entries.push(raw("more", "x"));
    for archive in all_formats(&entries) {
        let at = folder();
        let path = write(at.path.join("a"), &archive);
        let mut visited = Vec::new();
        let (found, faults) = verify_contents_with(&path, &Limits::default(), |entry, _| {
            visited.push(entry.path.clone());
            Ok(())
        })
        .unwrap();
        assert_eq!(found.files.len(), 3);
        assert_eq!(visited, ["include/v8.h", "lib/libv8.a"]);
        let [expected, actual] = ["header", "HEADER"].map(|data| Sha256::of_bytes(data.as_bytes()));
        let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(
            faults,
            [
                format!("entry 'include/v8.h': has sha256 {actual}, expected {expected}"),
                "entry '../evil': the path has a part '.' or '..'".into(),
                "entry 'more': not listed in V8.json".into(),
                "entry 'more': the path occurs twice".into(),
                "entry 'gone': listed in V8.json, but missing".into(),
            ]
        );
        let error = unpack(&path, &at.path.join("out"), &Limits::default()).unwrap_err().to_string();
        assert!(error.contains(&faults[0]) && error.contains("\nhelp: "), "{error}");
    }
}

#[test]
fn open_reads_the_descriptor_and_nothing_behind_it() {
    // A descriptor of over a MiB, so that the first try is too short.
    let many = |number: usize| raw(format!("include/{number:099}"), noise(number % 7));
    let entries = good_and((0..6_000).map(many).chain([raw("tail", noise(2 << 20))]).collect());
    let expected = descriptor_of(&entries[1..]);
    for archive in all_formats(&entries) {
        let at = folder();
        let path = write(at.path.join("a"), &archive[..archive.len() - (1 << 20)]);
        assert_eq!(open(&path).unwrap().into_descriptor(), expected);
        assert!(matches!(
            unpack(&path, &at.path.join("out"), &Limits::default()),
            Err(Error::Archive { .. })
        ));
    }
}
