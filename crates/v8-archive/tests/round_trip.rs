//! What is packed comes back; the same folder gives the same bytes; the standard tools read them.

#![expect(clippy::disallowed_methods, reason = "starts programs that are no part of the tool")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{descriptor, folder, names, noise, tree, write};
use v8_archive::{
    DESCRIPTOR_FILE, Error, FolderCheck, Format, Limits, PackOptions, Packed, check_folder, for_each_entry,
    open, pack, unpack, verify_contents,
};

/// 240 bytes: prefix and name of the tar header are both in use.
fn long_path() -> String {
    format!("{}/{}", "p/".repeat(75) + "q", "n".repeat(89))
}

/// Names with spaces and `+`, an empty file, an empty folder, one of exactly a block, one of many.
fn sample(at: &Path, reverse: bool) -> PathBuf {
    let mut files = vec![
        ("include/c++/vector".to_owned(), b"header".to_vec()),
        ("include/v8.h".to_owned(), vec![]),
        ("include/a b.h".to_owned(), vec![b'x'; 512]),
        ("lib/libv8.a".to_owned(), noise(300_000)),
        (long_path(), b"long".to_vec()),
    ];
    if reverse {
        files.reverse();
    }
    for (path, data) in files {
        write(at.join(path), data);
    }
    fs::create_dir(at.join("empty")).unwrap();
    at.to_owned()
}

fn quick() -> PackOptions {
    PackOptions { zstd_level: 3, threads: 1 }
}

fn pack_sample(at: &Path, format: Format) -> Packed {
    let input = sample(&at.join("in"), false);
    pack(&input, &descriptor(), at, format, &quick()).unwrap()
}

#[test]
fn what_is_packed_comes_back() {
    for format in Format::ALL {
        let at = folder();
        let packed = pack_sample(&at.path, format);
        assert_eq!(packed.path, at.path.join(format!("{}.{format}", descriptor().name)));
        assert_eq!(packed.size_bytes, fs::metadata(&packed.path).unwrap().len());

        let reader = open(&packed.path).unwrap();
        assert_eq!((reader.format(), reader.descriptor()), (format, &packed.descriptor));

        let out = at.path.join("out +é");
        assert_eq!(unpack(&packed.path, &out, &Limits::default()).unwrap(), packed.descriptor);
        let mut found = tree(&out);
        assert_eq!(found.remove(DESCRIPTOR_FILE).unwrap(), packed.descriptor.to_json().into_bytes());
        assert_eq!(found, tree(&at.path.join("in")));
        assert_eq!(check_folder(&out, FolderCheck::Digests).unwrap(), (packed.descriptor.clone(), vec![]));
        assert_eq!(
            verify_contents(&packed.path, &Limits::default()).unwrap(),
            (packed.descriptor.clone(), vec![])
        );

        let mut seen = Vec::new();
        for_each_entry(&packed.path, &Limits::default(), |entry, data| {
            let mut bytes = Vec::new();
            // One is left unread on purpose: its digest must be computed all the same.
            if entry.path != "lib/libv8.a" {
                data.read_to_end(&mut bytes)?;
                assert_eq!(bytes.len() as u64, entry.size_bytes);
            }
            seen.push(entry.path.clone());
            Ok(())
        })
        .unwrap();
        let listed: Vec<_> = packed.descriptor.files.iter().map(|file| file.path.clone()).collect();
        assert_eq!(seen, listed);
        assert!(listed.is_sorted() && listed.contains(&long_path()), "{listed:?}");
        assert_eq!(names(&at.path).len(), 3, "something was left behind: {:?}", names(&at.path));
    }
}

#[test]
fn same_input_same_bytes() {
    let at = folder();
    let first = sample(&at.path.join("first"), false);
    let second = sample(&at.path.join("second"), true);
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    for path in ["include/v8.h", "lib/libv8.a"] {
        fs::File::options().write(true).open(second.join(path)).unwrap().set_modified(old).unwrap();
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(second.join("lib/libv8.a"), fs::Permissions::from_mode(0o750)).unwrap();
        fs::set_permissions(second.join("lib"), fs::Permissions::from_mode(0o700)).unwrap();
    }
    let mut tars = Vec::new();
    for format in Format::ALL {
        let results = [&first, &second].map(|input| {
            let out = at.path.join(format!("{}-{format}", input.file_name().unwrap().display()));
            fs::create_dir(&out).unwrap();
            let packed = pack(input, &descriptor(), &out, format, &quick()).unwrap();
            (fs::read(&packed.path).unwrap(), packed.sha256, packed.tar)
        });
        assert!(results[0] == results[1], "{format}: two copies of a folder gave two archives");
        tars.push(results[0].2);
    }
    assert!(tars.iter().all(|tar| *tar == tars[0]), "the formats disagree on the tar stream: {tars:?}");
}

#[test]
fn threads_do_not_change_the_bytes() {
    let at = folder();
    // At level 1 zstd's unit of parallel work is some MiB: enough of it for two workers to share.
    write(at.path.join("in/lib/libv8.a"), noise(12 << 20));
    let digests = [0, 1, 2, 3].map(|threads| {
        let options = PackOptions { zstd_level: 1, threads };
        pack(&at.path.join("in"), &descriptor(), &at.path, Format::TarZst, &options).unwrap().sha256
    });
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
}

/// Golden digest: a change of it is a change of every archive, to be made on purpose.
#[test]
fn the_tar_stream_is_what_it_was() {
    let at = folder();
    let packed = pack_sample(&at.path, Format::TarZst);
    assert_eq!(packed.tar.sha256.to_string(), GOLDEN_TAR);
}

const GOLDEN_TAR: &str = "0420b170be73241dea6f9f23e195acacaa2ffecbd4a301b4bf743bb7635d4dba";

/// Runs a program that must be there; the test is about it.
fn run(program: &str, arguments: &[&Path]) -> String {
    let output =
        Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && error.is_empty(), "{program}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

#[cfg(unix)]
#[test]
fn standard_tools_read_it() {
    for format in Format::ALL {
        let at = folder();
        let packed = pack_sample(&at.path, format);
        let out = at.path.join("out");
        fs::create_dir(&out).unwrap();
        match format {
            Format::TarZst => {
                // The C library; `zstd` and `tar --zstd` are not on every machine.
                let tar = zstd::stream::decode_all(fs::File::open(&packed.path).unwrap()).unwrap();
                assert_eq!(tar.len() as u64, packed.tar.size_bytes);
                let tar = write(at.path.join("a.tar"), tar);
                run("tar", &[Path::new("-xf"), &tar, Path::new("-C"), &out]);
            }
            Format::TarGz => {
                run("gzip", &[Path::new("--test"), &packed.path]);
                run("tar", &[Path::new("-xzf"), &packed.path, Path::new("-C"), &out]);
                let list = "import sys, tarfile
for m in tarfile.open(sys.argv[1]):
    assert (m.isreg(), m.mode, m.mtime, m.uid, m.gid, m.uname, m.gname) == (True, 0o644, 0, 0, 0, '', ''), vars(m)
    print(m.name)";
                let listed = run("python3", &[Path::new("-c"), Path::new(list), &packed.path]);
                assert_eq!(listed.lines().next(), Some(DESCRIPTOR_FILE));
            }
            Format::TarXz => {
                // Python's is the library of xz itself.
                let list = "import sys, tarfile
t = tarfile.open(sys.argv[1], 'r:xz')
t.extractall(sys.argv[2], filter='data') if hasattr(tarfile, 'data_filter') else t.extractall(sys.argv[2])";
                run("python3", &[Path::new("-c"), Path::new(list), &packed.path, &out]);
            }
            Format::Zip => {
                let extract = "import sys, zipfile
z = zipfile.ZipFile(sys.argv[1])
assert z.testzip() is None
for m in z.infolist():
    assert (m.date_time, m.external_attr >> 16, m.flag_bits) == ((1980, 1, 1, 0, 0, 0), 0o100644, 0), m
z.extractall(sys.argv[2])";
                run("python3", &[Path::new("-c"), Path::new(extract), &packed.path, &out]);
            }
        }
        let mut found = tree(&out);
        assert_eq!(found.remove(DESCRIPTOR_FILE).unwrap(), packed.descriptor.to_json().into_bytes());
        assert_eq!(found, tree(&at.path.join("in")), "{format}");
    }
}

#[test]
fn f36_of_several_that_unpack_at_once_one_does_and_the_others_find_it_there() {
    let at = folder();
    let packed = pack_sample(&at.path, Format::TarZst);
    let out = at.path.join("out");
    let start = std::sync::Barrier::new(8);
    let one = || {
        start.wait();
        unpack(&packed.path, &out, &Limits::default())
    };
    let results: Vec<_> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..8).map(|_| scope.spawn(one)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let (done, found): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    assert_eq!(done.len(), 1);
    for error in found.into_iter().map(Result::unwrap_err) {
        assert!(matches!(&error, Error::DestinationExists { path } if *path == out), "{error}");
    }
    assert_eq!(check_folder(&out, FolderCheck::Digests).unwrap(), (packed.descriptor, vec![]));
    assert_eq!(names(&at.path).len(), 3, "something was left behind: {:?}", names(&at.path));
}

#[test]
fn f38_what_a_killed_packer_left_is_removed_and_what_another_writes_is_not() {
    let at = folder();
    let name = descriptor().archive_name(Format::TarZst).unwrap();
    let temporary = |suffix: &str| write(at.path.join(format!(".{name}.tmp-{suffix}")), "half of an archive");
    let (left, written) = (temporary("1-0"), temporary("2-0"));
    let writer = fs::File::options().write(true).open(&written).unwrap();
    writer.lock().unwrap();
    let of_another = write(at.path.join(".libv8-other.tar.zst.tmp-1-0"), "");
    pack_sample(&at.path, Format::TarZst);
    assert!(!left.exists() && written.exists() && of_another.exists(), "{:?}", names(&at.path));
}

#[test]
fn f39_a_refused_output_names_its_path_and_leaves_nothing() {
    let at = folder();
    let input = sample(&at.path.join("in"), false);
    let missing = at.path.join("no such folder");
    let error = pack(&input, &descriptor(), &missing, Format::TarZst, &quick()).unwrap_err();
    assert!(matches!(&error, Error::Io { path, .. } if path.starts_with(&missing)), "{error}");

    let packed = pack(&input, &descriptor(), &at.path, Format::TarZst, &quick()).unwrap();
    let error = unpack(&packed.path, &missing.join("x"), &Limits::default()).unwrap_err();
    assert!(matches!(&error, Error::Io { path, .. } if path.starts_with(&missing)), "{error}");

    let error = unpack(&packed.path, &input, &Limits::default()).unwrap_err();
    assert!(matches!(&error, Error::DestinationExists { path } if *path == input), "{error}");

    // The disk fails in the middle: the visitor's error comes back, with the entry's path, not as a fault of the archive.
    let error =
        for_each_entry(&packed.path, &Limits::default(), |_, _| Err(std::io::ErrorKind::StorageFull.into()));
    assert!(
        matches!(error, Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::StorageFull)
    );
    let error =
        for_each_entry(
            &packed.path,
            &Limits::default(),
            |_, _| Err(std::io::ErrorKind::UnexpectedEof.into()),
        );
    assert!(
        matches!(error, Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::UnexpectedEof)
    );
}

#[test]
fn f40_a_changed_folder_is_found() {
    let at = folder();
    let packed = pack_sample(&at.path, Format::TarZst);
    let out = at.path.join("out");
    unpack(&packed.path, &out, &Limits::default()).unwrap();
    let faults = |check| {
        let (_, faults) = check_folder(&out, check).unwrap();
        faults.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    fs::remove_file(out.join("include/a b.h")).unwrap();
    fs::write(out.join("include/c++/vector"), b"HEADER").unwrap();
    fs::write(out.join("lib/libv8.a"), b"").unwrap();
    let sizes = faults(FolderCheck::Sizes);
    assert_eq!(
        sizes,
        [
            "entry 'include/a b.h': listed in V8.json, but missing",
            "entry 'lib/libv8.a': has 0 bytes, expected 300000"
        ]
    );
    assert_eq!(faults(FolderCheck::Digests).len(), 3);
}

#[test]
fn what_an_archive_may_not_hold_is_not_packed() {
    let check = |expected: &str, spoil: &dyn Fn(&Path)| {
        let at = folder();
        let input = sample(&at.path.join("in"), false);
        spoil(&input);
        let error = pack(&input, &descriptor(), &at.path, Format::TarZst, &quick()).unwrap_err();
        assert!(matches!(error, Error::Input { .. }) && error.to_string().contains(expected), "{error}");
        assert_eq!(names(&at.path), ["in"], "something was left behind");
    };
    check("V8.json: pack writes this file itself", &|input| drop(write(input.join("V8.json"), "")));
    check("c.: a part of the path ends in a dot", &|input| drop(write(input.join("c."), "")));
    check("é: the path holds a character outside ASCII", &|input| drop(write(input.join("é"), "")));
    check("too long", &|input| drop(write(input.join("n".repeat(101)), "")));
    #[cfg(target_os = "linux")]
    {
        check("include/v8.h: the path differs from 'include/V8.h' in case only", &|input| {
            fs::remove_file(input.join("include/a b.h")).unwrap();
            drop(write(input.join("include/V8.h"), ""));
        });
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::symlink;
        check("lib/link: it is a symbolic link", &|input| {
            symlink("libv8.a", input.join("lib/link")).unwrap()
        });
        check("dirlink: it is a symbolic link", &|input| symlink("lib", input.join("dirlink")).unwrap());
        check("socket: it is a device", &|input| {
            drop(std::os::unix::net::UnixListener::bind(input.join("socket")).unwrap());
        });
    }
}

#[test]
fn a_descriptor_that_could_not_be_read_is_not_written() {
    let at = folder();
    let input = sample(&at.path.join("in"), false);
    let other = v8_archive::Descriptor { variant: "debug".into(), ..descriptor() };
    let error = pack(&input, &other, &at.path, Format::TarZst, &quick()).unwrap_err().to_string();
    assert!(error.contains("make 'libv8-15.2.124.1-x86_64-unknown-linux-gnu-debug'"), "{error}");
    assert_eq!(names(&at.path), ["in"]);
}
