//! A release read by the programs of others: minisign, and the schemas of CycloneDX, in-toto and SLSA. apt and pip fetch
//! them the first time.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::SigningKey;
use super::tests::{archives, draft};
use super::{files, key, provenance, sbom};
use crate::sccache::real_servers::Servers;
use crate::toolchain::testing::Folder;
use crate::{env, process};

/// A folder with what `fetch` puts there, fetched once.
fn fetched(name: &str, fetch: impl FnOnce(&Path)) -> Option<PathBuf> {
    let Some(servers) = env::test_servers() else {
        eprintln!("NOT TESTED: LIBV8_TEST_SERVERS is not set, as cargo xtask test does");
        return None;
    };
    fs::create_dir_all(&servers).unwrap();
    let lock = fs::File::create(servers.join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    let done = servers.join(name);
    if !done.exists() {
        let partial = servers.join(format!("{name}.partial"));
        crate::paths::remove_folder(&partial).unwrap();
        fs::create_dir_all(&partial).unwrap();
        fetch(&partial);
        fs::rename(&partial, &done).unwrap();
    }
    Some(done)
}

#[test]
fn bills_of_materials_and_provenance_are_valid_by_their_schemas() {
    let packages = ["cyclonedx-python-lib[json-validation]", "in-toto-attestation"];
    let Some(python) = fetched("schemas", |to| Servers::fetch_python(&packages, to)) else { return };
    let folder = Folder::new();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let script = write("schemas.py", include_str!("schemas.py"));
    let check = |paths: &[PathBuf]| {
        let mut command = process::command("python3");
        process::read(command.env("PYTHONPATH", &python).arg(&script).args(paths))
    };
    let mut good = Vec::new();
    for archive in archives(&folder) {
        good.push(write(&files::sbom_file(&archive), &sbom::json(&archive)));
        good.push(write(&files::provenance_file(&archive), &provenance::json(&archive)));
    }
    let said = check(&good).unwrap();
    assert_eq!(said.matches("is valid").count(), 4, "{said}");
    // The refusal as well: a wrong type, a field that the specification does not have.
    for (path, from, to) in
        [(&good[0], "\"version\": 1\n", "\"version\": \"one\"\n"), (&good[1], "\"buildType\"", "\"kind\"")]
    {
        let text = fs::read_to_string(path).unwrap();
        let spoiled = text.replacen(from, to, 1);
        assert_ne!(spoiled, text);
        let name = format!("spoiled {}", path.file_name().unwrap().to_string_lossy());
        let error = check(&[write(&name, &spoiled)]).unwrap_err().to_string();
        assert!(!error.contains("is valid"), "{error}");
    }
}

#[test]
fn the_minisign_program_takes_our_signature_and_we_take_its_key() {
    let Some(debian) = fetched("minisign", |to| Servers::fetch_debian(&["minisign", "libsodium23"], to))
    else {
        return;
    };
    let folder = Folder::new();
    let path = |name: &str| folder.path().join(name);
    let libraries = fs::read_dir(debian.join("usr/lib")).unwrap().flatten().map(|entry| entry.path());
    let libraries: Vec<PathBuf> = libraries.filter(|path| path.is_dir()).collect();
    let minisign = |arguments: &[&str]| {
        let mut command: Command = process::command(debian.join("usr/bin/minisign"));
        command.env("LD_LIBRARY_PATH", std::env::join_paths(&libraries).unwrap()).current_dir(folder.path());
        process::read(command.args(arguments))
    };
    let archives = archives(&folder);
    let draft = draft(&archives, &[]);
    let json = files::index(&draft, &archives, &files::generated(&draft, &archives)).to_json();
    fs::write(path("index.json"), &json).unwrap();
    let comment = v8_archive::index::trusted_comment(&draft.release, draft.number);

    // Our key, our signature, its eyes.
    key::new_key(&path("ours")).unwrap();
    let ours = SigningKey::from_text(&fs::read_to_string(path("ours")).unwrap());
    fs::write(path("index.json.minisig"), ours.sign(json.as_bytes(), &comment).unwrap()).unwrap();
    let said = minisign(&["-Vm", "index.json", "-p", "ours.pub"]).unwrap();
    assert!(said.contains(&format!("Trusted comment: {comment}")), "{said}");
    fs::write(path("index.json"), json.replacen("lite", "like", 1)).unwrap();
    assert!(minisign(&["-Vm", "index.json", "-p", "ours.pub"]).is_err());
    fs::write(path("index.json"), &json).unwrap();

    // Its key, without a password, since it asks the terminal for one.
    minisign(&["-G", "-W", "-p", "its.pub", "-s", "its.key"]).unwrap();
    let its = SigningKey::from_text(&fs::read_to_string(path("its.key")).unwrap());
    fs::write(path("index.json.minisig"), its.sign(json.as_bytes(), &comment).unwrap()).unwrap();
    minisign(&["-Vm", "index.json", "-p", "its.pub"]).unwrap();
    assert!(minisign(&["-Vm", "index.json", "-p", "ours.pub"]).is_err());
}
