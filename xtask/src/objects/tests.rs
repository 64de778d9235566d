//! Carrying objects from one machine to another, and every file that must not be believed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use v8_archive::tar;

use super::*;
use crate::paths::Cache;
use crate::toolchain::testing::Folder;

fn cell() -> Cell {
    Cell { target: "pdp11-unknown-unix".into(), variant: "release".into() }
}

fn key(number: u32) -> Key {
    Key::try_from(format!("{number:08x}").repeat(8)).unwrap()
}

/// A machine with objects of these numbers, each as long as its number, used at that second of 2001.
fn machine(folder: &Folder, name: &str, numbers: &[u32]) -> Cache {
    let cache = Cache::at(folder.path().join(name));
    for number in numbers {
        let path = key(*number).place(&cache.sccache());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, vec![*number as u8; *number as usize]).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000 + u64::from(*number));
        fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    }
    Record::of(&cache, &cell()).add(numbers.iter().map(|number| key(*number))).unwrap();
    cache
}

fn numbers(cache: &Cache) -> Vec<u64> {
    list(&cache.sccache()).unwrap().iter().map(|object| object.size_bytes).collect()
}

fn exported(folder: &Folder, numbers: &[u32]) -> PathBuf {
    let file = folder.path().join("x.cache");
    export(&machine(folder, "one", numbers), &cell(), "1.2.3.4", &file, None).unwrap();
    file
}

#[test]
fn objects_travel_and_merge() {
    let folder = Folder::new();
    let file = exported(&folder, &[1, 600, 0x300]);
    let other = machine(&folder, "other", &[2, 600]);
    let (index, carried) = import(&other, &file).unwrap();
    assert_eq!((index.cell(), index.v8_version.as_str()), (cell(), "1.2.3.4"));
    assert_eq!((carried.written, carried.left), (2, 1));
    assert_eq!(numbers(&other), [1, 2, 600, 0x300]);
    assert_eq!(fs::read(key(600).place(&other.sccache())).unwrap(), vec![600u32 as u8; 600]);
    assert_eq!(import(&other, &file).unwrap().1.written, 0, "twice is once");
    // What came in a file goes out again, though nothing used it here.
    let again = folder.path().join("y.cache");
    assert_eq!(export(&other, &cell(), "1.2.3.4", &again, None).unwrap().written, 4);
    let left: Vec<_> = fs::read_dir(other.used()).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["pdp11-unknown-unix-release.list"], "nothing temporary is left");
    assert!(fs::read_dir(other.sccache()).unwrap().flatten().all(|entry| entry.file_name().len() == 1));
}

#[test]
fn a_folder_in_place_of_the_local_one_is_what_is_exported_imported_and_written_down() {
    let folder = Folder::new();
    let local = machine(&folder, "one", &[1, 2]);
    let shared = folder.path().join("shared");
    let of_user = |cache: &Cache| {
        let choice = crate::caches::parse_store(&format!("file://{}", shared.display()).replace(' ', "%20"));
        let choice = crate::caches::Choice { store: choice.unwrap(), ..Default::default() };
        cache.with_objects(choice.folder())
    };
    let file = folder.path().join("x.cache");
    let error = export(&of_user(&local), &cell(), "1", &file, None).unwrap_err();
    assert!(error.to_string().contains(&shared.display().to_string()), "of that nothing is known: {error}");
    export(&local, &cell(), "1", &file, None).unwrap();
    let (_, carried) = import(&of_user(&local), &file).unwrap();
    assert_eq!((carried.written, numbers(&of_user(&local))), (2, vec![1, 2]));
    let record = Record::of(&of_user(&local), &cell());
    record.begin().unwrap();
    fs::write(key(1).place(&shared), "x").unwrap();
    record.end().unwrap();
    assert_eq!(export(&of_user(&local), &cell(), "1", &file, None).unwrap().written, 2);
    assert_eq!(export(&local, &cell(), "1", &file, None).unwrap().written, 2, "each has its own list");
    let names = fs::read_dir(&shared).unwrap().flatten().map(|entry| entry.file_name());
    assert!({ names }.all(|name| name.len() == 1), "nothing but objects is in it");
}

#[test]
fn the_same_objects_give_the_same_bytes() {
    let folder = Folder::new();
    let files = [["a", "1"], ["b", "2"]].map(|[machine_name, file]| {
        let order: &[u32] = if machine_name == "a" { &[5, 6, 7] } else { &[7, 5, 6] };
        let file = folder.path().join(file);
        export(&machine(&folder, machine_name, order), &cell(), "1", &file, None).unwrap();
        fs::read(file).unwrap()
    });
    assert_eq!(files[0], files[1]);
}

#[test]
fn what_was_used_longest_ago_is_left_out_first() {
    let folder = Folder::new();
    let cache = machine(&folder, "one", &[100, 200, 300]);
    let file = folder.path().join("x.cache");
    let mut counts = Vec::new();
    for max_size_bytes in [1_000, 7_000, 8_500, 100_000] {
        let carried = export(&cache, &cell(), "1", &file, Some(max_size_bytes)).unwrap();
        assert!(carried.file_bytes <= max_size_bytes || carried.written == 0, "{carried:?}");
        assert_eq!(carried.written + carried.left, 3);
        let kept = verify(&file).unwrap().0.entries;
        assert!(kept.iter().all(|entry| entry.size_bytes > 100 * carried.left as u64), "the newest stay");
        counts.push(carried.written);
    }
    assert_eq!(counts, [0, 1, 2, 3]);
}

#[test]
fn a_record_holds_what_was_used_since_its_beginning() {
    let folder = Folder::new();
    let cache = machine(&folder, "one", &[1]);
    let record = Record::of(&cache, &Cell { target: "t".into(), variant: "v".into() });
    assert!(!record.exists());
    record.begin().unwrap();
    let touch = |number: u32| {
        let path = key(number).place(&cache.sccache());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "new").unwrap();
    };
    let keys = || record.objects().unwrap().into_iter().map(|object| object.key).collect::<Vec<_>>();
    touch(2);
    assert_eq!(keys(), [key(2)], "while it runs, or after it was killed");
    record.begin().unwrap();
    touch(3);
    record.end().unwrap();
    assert_eq!(keys(), [key(2), key(3)], "a second beginning forgets nothing");
    touch(4);
    assert_eq!(keys(), [key(2), key(3)], "what another cell does later is not its own");
    fs::remove_file(key(2).place(&cache.sccache())).unwrap();
    assert_eq!(keys(), [key(3)], "what sccache dropped is gone");
}

#[test]
fn a_cell_of_which_nothing_is_known_is_refused() {
    let folder = Folder::new();
    let error = export(&Cache::at(folder.path().join("no")), &cell(), "1", Path::new("x"), None).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains("cargo xtask build-v8 --target pdp11-unknown-unix"), "{error}");
}

/// A file with this `cache.json` and these entries, by the same writer of headers.
fn made(json: &str, entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let all = std::iter::once(("cache.json", json.as_bytes())).chain(entries.iter().copied());
    for (name, data) in all {
        bytes.extend(tar::header(name, data.len() as u64).unwrap());
        bytes.extend(data);
        bytes.extend(vec![0; tar::padding_bytes(data.len() as u64)]);
    }
    bytes.extend(tar::END);
    bytes
}

#[test]
fn f53_a_file_that_is_not_right_is_refused_and_nothing_changes() {
    let folder = Folder::new();
    let good = fs::read(exported(&folder, &[1, 600])).unwrap();
    let other = machine(&folder, "other", &[2]);
    let check = |what: &str, bytes: &[u8], expected: &[&str]| {
        let file = folder.path().join("bad.cache");
        fs::write(&file, bytes).unwrap();
        let error = import(&other, &file).expect_err(what);
        assert_eq!(error.exit_code(), 1, "{what}");
        let text = error.to_string();
        assert!(expected.iter().all(|part| text.contains(part)), "{what}: {text}");
        assert_eq!(numbers(&other), [2], "{what}");
        assert_eq!(Record::of(&other, &cell()).objects().unwrap().len(), 1, "{what}");
    };
    check("empty", b"", &["it ends"]);
    check("text", &[b'x'; 2000], &["its first entry is not cache.json"]);
    let (all, half) = (good.len().to_string(), (good.len() / 2).to_string());
    check("half", &good[..good.len() / 2], &[&half, &all]);
    check("longer", &[&good[..], b"x"].concat(), &[&(good.len() + 1).to_string(), &all]);
    // The last object's data end right before its padding and the two blocks of the end.
    let at = good.len() - tar::END.len() - tar::padding_bytes(600) - 1;
    let mut flipped = good.clone();
    flipped[at] ^= 1;
    check("a byte of an object", &flipped, &["has 600 bytes and SHA-256", "cache.json says 600 and"]);
    let mut flipped = good.clone();
    flipped[at + 1] ^= 1;
    check("a byte of padding", &flipped, &["its padding is not zero"]);
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() = 1;
    check("a byte of the end", &flipped, &["its last two blocks are not zero"]);

    let index = |entries: &str, format: u32, target: &str| {
        format!(
            r#"{{"format":{format},"tool":"x","v8_version":"1","target":"{target}","variant":"v","entries":[{entries}]}}"#
        )
    };
    let entry = |key: &str, size: u64| {
        format!(r#"{{"key":"{key}","size_bytes":{size},"sha256":"{}"}}"#, v8_archive::Sha256::of_bytes(b"x"))
    };
    let (first, second) = (key(1).to_string(), key(9).to_string());
    check("format", &made(&index("", 2, "t"), &[]), &["format 2, this tool reads 1"]);
    check("no json", &made("{", &[]), &["cache.json: EOF"]);
    let path = "../../../../etc/passwd";
    check("path", &made(&index(&entry(path, 1), 1, "t"), &[]), &[path, "is no key of sccache"]);
    check("target", &made(&index("", 1, "../t"), &[]), &["../t", "is no name of a target"]);
    let twice = format!("{0},{0}", entry(&first, 1));
    check("twice", &made(&index(&twice, 1, "t"), &[]), &["2 entries with 1 keys"]);
    let huge = tar::MAX_FILE_BYTES + 1;
    check(
        "huge",
        &made(&index(&entry(&first, huge), 1, "t"), &[]),
        &[&huge.to_string(), &tar::MAX_FILE_BYTES.to_string()],
    );
    let one = index(&entry(&first, 1), 1, "t");
    let other_name = made(&one, &[(&format!("objects/{second}"), b"x")]);
    check("another name", &other_name, &["the header of objects/00000001"]);
    check("leads out", &made(&one, &[("../x", b"x")]), &["the header of objects/00000001"]);
}

#[test]
fn a_file_that_is_not_there_is_bad_input() {
    let folder = Folder::new();
    let error = import(&Cache::at(folder.path().join("c")), &folder.path().join("no")).unwrap_err();
    assert_eq!(error.exit_code(), 2);
}
