//! What the environment and cargo's own files say, and the README's table of it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::archives::Folder;
use crate::env::{self, Network};
use crate::network::cargo_config::{self, CargoConfig};
use crate::network::settings::Settings;

#[test]
fn the_readme_has_the_table_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(path).unwrap();
    let table = env::table();
    assert!(readme.contains(&format!("\n\n{table}\n")), "the README lacks this table:\n{table}");
}

#[test]
fn one_file_of_cargos() {
    let check = |text: &str, offline: Option<bool>, proxy: Option<&str>, cainfo: Option<&str>| {
        let expected = CargoConfig {
            offline,
            proxy: proxy.map(str::to_owned),
            cainfo: cainfo.map(PathBuf::from),
            passed_over: Vec::new(),
        };
        assert_eq!(cargo_config::parse(text), Ok(expected), "{text}");
    };
    check("", None, None, None);
    check(
        "[net]\noffline = true # x\n[http]\nproxy = 'h:1'\ncainfo = \"a.pem\"\n",
        Some(true),
        Some("h:1"),
        Some("a.pem"),
    );
    check("net.offline = false\nhttp = { proxy = \"\\u0068\" }", Some(false), Some("h"), None);
    check(
        "[net]\noffline = \"true\"\n[http]\nproxy = 1\ncainfo = \"\"\n[[x]]\n[future.thing]\na = 1",
        None,
        None,
        None,
    );
}

#[test]
fn a_file_that_is_no_toml_is_passed_over_and_told() {
    assert!(cargo_config::parse("[net\noffline = true").is_err());
    let work = Folder::new();
    fs::create_dir(work.path.join(".cargo")).unwrap();
    fs::write(work.path.join(".cargo/config.toml"), "[net\n").unwrap();
    let config = cargo_config::read(&[&work.path], None);
    assert_eq!(config.passed_over.len(), 1);
    assert!(config.passed_over[0].contains(".cargo/config.toml: "), "{:?}", config.passed_over);
    // A huge one too.
    fs::write(work.path.join(".cargo/config.toml"), "#".repeat(2 << 20)).unwrap();
    assert_eq!(cargo_config::read(&[&work.path], None).passed_over.len(), 1);
}

#[test]
fn the_nearest_file_wins_and_cargos_home_comes_last() {
    let work = Folder::new();
    let write = |folder: &str, name: &str, text: &str| {
        let folder = work.path.join(folder);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), text).unwrap();
    };
    write("a/b/.cargo", "config.toml", "net.offline = true");
    write("a/.cargo", "config.toml", "net.offline = false\nhttp.cainfo = 'certs/ca.pem'");
    write("a/.cargo", "config", "net.offline = false\nhttp.cainfo = 'older.pem'");
    write("home", "config.toml", "http.proxy = 'p:1'\nhttp.cainfo = '/x'");
    write("other/.cargo", "config.toml", "http.proxy = 'q:2'");
    let at = |starts: &[&str]| {
        let starts: Vec<PathBuf> = starts.iter().map(|start| work.path.join(start)).collect();
        let starts: Vec<&Path> = starts.iter().map(PathBuf::as_path).collect();
        let config = cargo_config::read(&starts, Some(&work.path.join("home")));
        (config.offline, config.proxy, config.cainfo)
    };
    let older = work.path.join("a/older.pem");
    assert_eq!(at(&["a/b/c/not there"]), (Some(true), Some("p:1".into()), Some(older.clone())));
    assert_eq!(at(&["a"]), (Some(false), Some("p:1".into()), Some(older.clone())));
    assert_eq!(at(&["a/b", "other/x"]), (Some(true), Some("q:2".into()), Some(older)));
    // A relative start is a shell's whim.
    assert_eq!(cargo_config::read(&[Path::new("a")], None).offline, None);
}

#[test]
fn f20_offline_by_each_switch() {
    let check = |ours: Option<&str>, cargos: Option<&str>, file: Option<bool>, expected: Option<&str>| {
        let network = Network {
            offline: ours.map(str::to_owned),
            cargo_offline: cargos.map(str::to_owned),
            ..Network::default()
        };
        let config = CargoConfig { offline: file, ..CargoConfig::default() };
        assert_eq!(Settings::new(&network, &config).unwrap().offline, expected);
    };
    check(None, None, None, None);
    check(Some("1"), Some("false"), Some(false), Some("LIBV8_OFFLINE is set"));
    check(Some("0"), Some("true"), Some(true), None);
    check(None, Some("true"), None, Some("CARGO_NET_OFFLINE is set"));
    check(None, Some("false"), Some(true), None);
    check(None, None, Some(true), Some("net.offline is set in cargo's configuration"));
    let network = Network { offline: Some("yes".into()), ..Network::default() };
    let error = Settings::new(&network, &CargoConfig::default()).unwrap_err();
    assert_eq!(error, "LIBV8_OFFLINE is 'yes', neither 1 or true nor 0 or false");
}
