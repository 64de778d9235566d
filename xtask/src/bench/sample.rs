//! Compiles a few files of a finished build both ways: what precompiled headers and sccache bring, without hours of building.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use v8_archive::Sha256;

use super::objects::{self, Comparison};
use crate::caches::Choice;
use crate::compile::compilations;
use crate::distribute::{Cluster, Dispatcher};
use crate::error::{Error, IoContext as _, Result};
use crate::paths::remove_folder;
use crate::pch::journal::{self, Entry, Event};
use crate::pch::policy::{self, Policy};
use crate::pch::{Compilation, Groups, shim, without_wrapper};
use crate::sccache::{Server, Settings};
use crate::toolchain::Toolchain;
use crate::{process, signals};

/// What a sample has shown.
#[derive(Debug)]
pub struct Sampled {
    /// Files that were compiled.
    pub files: usize,
    /// C++ compiles of the whole build.
    pub of: usize,
    /// CPU of the plain compiles, in seconds.
    pub plain_s: f64,
    /// CPU of ours: sccache, its preprocessing, making the headers, compiling.
    pub ours_s: f64,
    /// What of that went into making headers.
    pub headers_s: f64,
    /// The part of the headers that falls to the sample: of each target's as much as of its files.
    pub headers_share_s: f64,
    /// Whether the objects are equal.
    pub comparison: Comparison,
}

impl Sampled {
    /// The result as a table; it says in each line that it is a sample's.
    pub fn text(&self) -> String {
        let ratio = |cpu_s: f64| format!("{cpu_s:>9.1}{:>8.3}", cpu_s / self.plain_s);
        format!(
            "a sample of {} of the {} C++ compiles of the build, not the build: CPU in seconds, and the ratio to plain\n\
             plain                       {}\n\
             ours, headers whole         {}   every header made for the sample alone\n\
             ours, headers by their part {}   as much of each target's headers as of its files is in the sample\n\
             {}",
            self.files,
            self.of,
            ratio(self.plain_s),
            ratio(self.ours_s),
            ratio(self.ours_s - self.headers_s + self.headers_share_s),
            self.comparison.text()
        )
    }
}

/// Compiles `count` files of the finished build in `from`, one after the other, each plain and at once again as `build-v8`
/// does: a machine that is shared with others changes its speed within minutes.
///
/// Both ways have a folder of their own beside `from`, so at the same depth, with a link to its generated files; `from`
/// itself is only read. The cache is empty, so every file is a miss. With a cluster that is the second way; its own CPU time
/// is not known here.
pub fn run(from: &Path, toolchain: &Toolchain, count: usize, cluster: Option<&Cluster>) -> Result<Sampled> {
    let all = built(from, toolchain)?;
    let chosen = choose(&all, count, all.len() / 2);
    let folders = ["plain", "ours"].map(|name| beside(from, name));
    for folder in &folders {
        prepare(from, folder, &chosen)?;
    }
    let [plain, ours] = &folders;
    let cpu_s = || {
        process::children_cpu_s().ok_or_else(|| {
            Error::usage("CPU time of programs is not known on this system, so there is nothing to measure")
        })
    };
    let start_s = cpu_s()?;
    let cache = beside(from, "cache");
    remove_folder(&cache)?;
    let server = Server::start(&Settings {
        program: &toolchain.sccache,
        local: &cache,
        out: ours,
        precompile: true,
        choice: &Choice::default(),
    })?;
    let dispatcher = cluster.map(|cluster| Dispatcher::start(cluster, toolchain, &cache, ours)).transpose();
    let dispatcher = dispatcher.map_err(Error::failed)?;
    let with = |shell: &mut Command| {
        server.prepare(shell);
        shell.envs(dispatcher.as_ref().map(Dispatcher::variable));
    };
    let mut plain_s = 0.0;
    let mut both = || -> Result<()> {
        for (index, one) in chosen.iter().enumerate() {
            eprintln!("  {} of {}: {}", index + 1, chosen.len(), one.output);
            let before_s = cpu_s()?;
            compile(plain, toolchain, without_wrapper(&one.command), &|_| ())?;
            plain_s += cpu_s()? - before_s;
            compile(ours, toolchain, &one.command, &with)?;
        }
        Ok(())
    };
    let outcome = both();
    // The server's cost is known when it has ended.
    drop(server.finish());
    if let Some(report) = dispatcher.map(Dispatcher::finish) {
        eprintln!("{report}");
    }
    outcome?;
    let end_s = cpu_s()?;

    let headers = headers_of(journal::read(ours));
    Ok(Sampled {
        files: chosen.len(),
        of: all.len(),
        plain_s,
        ours_s: end_s - start_s - plain_s,
        headers_s: headers.values().sum(),
        headers_share_s: share(&headers, &by_target(chosen.iter().copied()), &by_target(&all)),
        comparison: objects::compare(plain, ours)?,
    })
}

/// The C++ compiles of the finished build in `from`.
fn built(from: &Path, toolchain: &Toolchain) -> Result<Vec<Compilation>> {
    if !from.join("gen").is_dir() || !from.join(shim::FOLDER).join(shim::GROUPS_FILE).is_file() {
        return Err(Error::usage(format!("{} is no folder of a finished build", from.display()))
            .help("cargo xtask build-v8   makes one; --from DIR names another"));
    }
    let mut all = cpp(compilations(toolchain, from, &["cxx"])?);
    // GN plans V8's own tests too, which nobody builds and whose sources the package has not.
    all.retain(|compilation| from.join(&compilation.output).is_file());
    Ok(all)
}

/// Compiles `count` files of the finished build in `from` with the compiler alone, and compares them with the build's own.
///
/// Which ones, `seed` says: with the digest of a commit, each commit tries others. As many at once as the machine has
/// processors.
pub fn plain_again(from: &Path, toolchain: &Toolchain, count: usize, seed: &str) -> Result<Comparison> {
    let all = built(from, toolchain)?;
    let digest = *Sha256::of_bytes(seed.as_bytes()).as_bytes();
    let offset = u64::from_le_bytes(digest[..8].try_into().expect("8 bytes")) % all.len().max(1) as u64;
    let chosen = choose(&all, count, offset as usize);
    let plain = beside(from, "plain");
    prepare(from, &plain, &chosen)?;
    let at_once = std::thread::available_parallelism().map_or(1, usize::from);
    let part = |first: usize| -> Result<()> {
        for (index, one) in chosen.iter().enumerate().skip(first).step_by(at_once) {
            eprintln!("  {} of {}: {}", index + 1, chosen.len(), one.output);
            compile(&plain, toolchain, without_wrapper(&one.command), &|_| ())?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..at_once).map(|first| scope.spawn(move || part(first))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("it does not panic"))
    })?;
    let names: Vec<String> = chosen.iter().map(|one| one.output.clone()).collect();
    objects::compare_those(&plain, from, &names)
}

/// The C++ compiles, by GN target and object: an order that no machine and no run changes.
fn cpp(mut all: Vec<Compilation>) -> Vec<Compilation> {
    all.retain(|one| one.file.ends_with(".cc") || one.file.ends_with(".cpp"));
    all.sort_by(|one, other| (target(one), &one.output).cmp(&(target(other), &other.output)));
    all
}

/// The folder of its objects, which stands for a compile's GN target.
fn target(compilation: &Compilation) -> &str {
    compilation.output.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// `count` compiles at equal distances, of which `offset`, below their number, moves all by less than one: of each target
/// as many as it has of all, give or take one. All of them if `count` is too large.
fn choose(all: &[Compilation], count: usize, offset: usize) -> Vec<&Compilation> {
    let count = count.min(all.len());
    (0..count).map(|index| &all[(index * all.len() + offset) / count]).collect()
}

fn by_target<'a>(compilations: impl IntoIterator<Item = &'a Compilation>) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    for compilation in compilations {
        *counts.entry(target(compilation)).or_default() += 1;
    }
    counts
}

/// What making headers cost, by target, in seconds of CPU. A target can have several: for other flags, and for another way.
fn headers_of(journal: Vec<Entry>) -> BTreeMap<String, f64> {
    let mut headers = BTreeMap::new();
    for entry in journal.into_iter().filter(|entry| entry.event == Event::Headers) {
        *headers.entry(entry.name).or_default() += entry.cpu_ms as f64 / 1000.0;
    }
    headers
}

/// Of each target's headers as much as of its files is in the sample.
fn share(
    headers: &BTreeMap<String, f64>,
    sampled: &BTreeMap<&str, usize>,
    all: &BTreeMap<&str, usize>,
) -> f64 {
    let part = |(target, cpu_s): (&String, &f64)| {
        let (sampled, all) = (sampled.get(target.as_str())?, all.get(target.as_str())?);
        Some(cpu_s * *sampled as f64 / *all as f64)
    };
    headers.iter().filter_map(part).sum()
}

fn beside(from: &Path, name: &str) -> PathBuf {
    let own = from.file_name().unwrap_or_default().to_string_lossy();
    from.with_file_name(format!("{own}-sample-{name}"))
}

/// A fresh folder in which compiles of `from` find all they read.
fn prepare(from: &Path, folder: &Path, chosen: &[&Compilation]) -> Result<()> {
    remove_folder(folder)?;
    let headers = folder.join(shim::FOLDER);
    fs::create_dir_all(&headers).or_io("create", &headers)?;
    // Read once here, so that a file the shim cannot read is no silent build without headers.
    copy::<Groups>(&from.join(shim::FOLDER), &headers, shim::GROUPS_FILE)?;
    copy::<Policy>(&from.join(shim::FOLDER), &headers, policy::FILE)?;
    let from = std::path::absolute(from).or_io("make absolute", from)?;
    let link = folder.join("gen");
    #[cfg(unix)]
    std::os::unix::fs::symlink(from.join("gen"), &link).or_io("create", &link)?;
    #[cfg(windows)]
    std::os::windows::fs::symlink_dir(from.join("gen"), &link).or_io("create", &link)?;
    for compilation in chosen {
        let objects = folder.join(target(compilation));
        fs::create_dir_all(&objects).or_io("create", &objects)?;
    }
    Ok(())
}

/// Copies a file of JSON that holds a `T`.
fn copy<T: serde::de::DeserializeOwned>(from: &Path, to: &Path, name: &str) -> Result<()> {
    let (from, to) = (from.join(name), to.join(name));
    let text = fs::read(&from).or_io("read", &from)?;
    serde_json::from_slice::<T>(&text)
        .map_err(|error| Error::failed(format!("{} is not readable: {error}", from.display())))?;
    fs::write(&to, text).or_io("write", &to)
}

fn compile(
    folder: &Path,
    toolchain: &Toolchain,
    command: &str,
    prepare: &dyn Fn(&mut Command),
) -> Result<()> {
    if signals::stop_wanted() {
        return Err(Error::stopped("interrupted; a measurement begins anew with the same command"));
    }
    let mut shell = process::command("sh");
    shell.args(["-c", command]).current_dir(folder).env("PATH", toolchain.path()?);
    prepare(&mut shell);
    process::read(&mut shell).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compilation(file: &str, output: &str) -> Compilation {
        Compilation {
            command: format!("x/sccache clang++ -c {file} -o {output}"),
            file: file.into(),
            output: output.into(),
        }
    }

    /// A build with targets of these sizes.
    fn build(sizes: &[(&str, usize)]) -> Vec<Compilation> {
        let files = sizes.iter().flat_map(|(target, size)| {
            (0..*size)
                .map(move |index| compilation(&format!("{index}.cc"), &format!("obj/{target}/{index:03}.o")))
        });
        // ninja's order is another one.
        cpp(files.collect::<Vec<_>>().into_iter().rev().chain([compilation("a.c", "obj/c/a.o")]).collect())
    }

    #[test]
    fn a_sample_has_of_each_target_what_it_has_of_the_build() {
        let check = |sizes: &[(&str, usize)], count: usize, expected: &[&str]| {
            let all = build(sizes);
            let names: Vec<&str> =
                choose(&all, count, all.len() / 2).iter().map(|one| one.output.as_str()).collect();
            assert_eq!(names, expected);
        };
        check(&[("a", 4), ("b", 4)], 2, &["obj/a/002.o", "obj/b/002.o"]);
        check(&[("b", 6), ("a", 2)], 4, &["obj/a/001.o", "obj/b/001.o", "obj/b/003.o", "obj/b/005.o"]);
        check(&[("a", 3)], 1, &["obj/a/001.o"]);
        check(&[("a", 2)], 9, &["obj/a/000.o", "obj/a/001.o"]);
        check(&[], 3, &[]);
        let all = build(&[("torque", 248), ("base", 900), ("small", 9)]);
        let counts = by_target(choose(&all, 40, all.len() / 2));
        assert_eq!(counts, BTreeMap::from([("obj/base", 31), ("obj/torque", 9)]), "in proportion");
    }

    #[test]
    fn headers_count_by_the_part_of_their_files() {
        let headers = BTreeMap::from([
            ("obj/a".to_owned(), 10.0),
            ("obj/b".to_owned(), 8.0),
            ("obj/c".to_owned(), 5.0),
        ]);
        let sampled = BTreeMap::from([("obj/a", 2), ("obj/b", 4)]);
        let all = BTreeMap::from([("obj/a", 20), ("obj/b", 4), ("obj/c", 7)]);
        assert_eq!(share(&headers, &sampled, &all), 1.0 + 8.0);
    }

    #[test]
    fn all_headers_of_a_target_count() {
        let entry = |event, name: &str, cpu_ms| Entry {
            event,
            start_ms: 0,
            wall_ms: 9,
            cpu_ms,
            name: name.to_owned(),
        };
        let journal = vec![
            entry(Event::Headers, "obj/a", 1500),
            entry(Event::WithHeader, "obj/a/x.o", 7000),
            entry(Event::Headers, "obj/b", 250),
            entry(Event::Headers, "obj/a", 500),
        ];
        assert_eq!(headers_of(journal), [("obj/a".to_owned(), 2.0), ("obj/b".to_owned(), 0.25)].into());
    }

    #[test]
    fn the_plain_command_is_ours_without_sccache() {
        for (command, expected) in [
            ("../../x/sccache ../../x/clang++ -DA=\"b c\" -c a.cc", "../../x/clang++ -DA=\"b c\" -c a.cc"),
            ("sccache clang++ -c a.cc", "clang++ -c a.cc"),
            ("clang++ -c sccache a.cc", "clang++ -c sccache a.cc"),
        ] {
            assert_eq!(without_wrapper(command), expected);
        }
    }

    #[test]
    fn the_result_says_that_it_is_a_samples() {
        let sampled = Sampled {
            files: 2,
            of: 1490,
            plain_s: 20.0,
            ours_s: 18.0,
            headers_s: 12.0,
            headers_share_s: 1.0,
            comparison: Comparison { compared: 2, differences: Vec::new() },
        };
        let expected = "\
a sample of 2 of the 1490 C++ compiles of the build, not the build: CPU in seconds, and the ratio to plain
plain                            20.0   1.000
ours, headers whole              18.0   0.900   every header made for the sample alone
ours, headers by their part       7.0   0.350   as much of each target's headers as of its files is in the sample
objects: 2 compared, all identical
";
        assert_eq!(sampled.text(), expected);
    }
}

#[cfg(all(test, unix))]
mod pipeline_tests;
