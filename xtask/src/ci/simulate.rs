//! Plays CI's chain of jobs here: for each slice an empty machine, the cache file in, a build until the deadline, the
//! cache file out, again, until the archive is whole.
//!
//! A machine is a cache folder of its own. What travels is the cache file alone: no ninja state and no object of the
//! build folder, since a few thousand hits cost minutes, and a build folder is ten times larger and full of times that a
//! copy does not keep. cargo's registry is the user's own on every machine.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant, SystemTime};

use crate::error::{Error, IoContext as _, Result};
use crate::flags::Simulate;
use crate::objects::{self, Cell};
use crate::paths::{Cache, remove_folder};
use crate::process::Tied;
use crate::workspace::Workspace;
use crate::{ninja, process, signals};

/// In the folder of chains: what is in it is theirs, and may be removed by the next one. Locked while one is played.
const MARK_FILE: &str = "libv8-simulate";

/// CONFIG_HZ of Linux is 100 or more.
const TICK: Duration = Duration::from_millis(10);

/// What a slice did.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// From 1.
    pub slice: u32,
    /// Where ninja stood at the end: steps done and steps in all; nothing if it was not reached.
    pub steps: Option<(u32, u32)>,
    /// Objects of the cache file that the build used.
    pub hits: usize,
    /// Objects that were compiled.
    pub misses: usize,
    /// User and system time of the build and all it started, in seconds, where it is known.
    pub cpu_s: Option<f64>,
    /// Of the build, in seconds.
    pub wall_s: f64,
    /// Length of the cache file that the slice left.
    pub file_bytes: u64,
    /// Whether the archive is whole.
    pub whole: bool,
}

/// Everything a chain needs, so that a test can play one with a program of its own.
struct Chain<'a> {
    /// In place of this tool; only `build-v8` is asked of it.
    program: PathBuf,
    cell: &'a Cell,
    v8_version: &'a str,
    folder: PathBuf,
    /// Whether the user has named it: then there may be something else in it.
    is_users: bool,
    /// Given to every machine.
    downloads: Option<PathBuf>,
    flags: &'a Simulate,
    /// Whether somebody has asked us to stop.
    stop_wanted: &'a dyn Fn() -> bool,
}

/// Plays the chain to its end. A slice that adds nothing is an error: the next one would add nothing either.
pub fn run(workspace: &Workspace, cell: &Cell, flags: &Simulate) -> Result<Vec<Row>> {
    let program = process::this_program()?;
    let folder = flags.folder.clone().unwrap_or_else(|| workspace.cache.root().join("simulate"));
    let chain = Chain {
        program,
        cell,
        v8_version: &workspace.matrix.v8.version,
        folder: std::path::absolute(&folder).or_io("make absolute", &folder)?,
        is_users: flags.folder.is_some(),
        downloads: flags.keep_downloads.then(|| workspace.cache.downloads()),
        flags,
        stop_wanted: &signals::stop_wanted,
    };
    signals::listen()?;
    chain.play()
}

impl Chain<'_> {
    fn play(&self) -> Result<Vec<Row>> {
        let file = self.folder.join("objects.cache");
        let _lock = enter(&self.folder, self.is_users)?;
        // From nothing: what an earlier chain left would be its work, and not this one's.
        for left in [&file, &self.folder.join("artifacts")] {
            if left.is_dir() {
                remove_folder(left)?;
            } else if left.exists() {
                fs::remove_file(left).or_io("remove", left)?;
            }
        }
        let mut rows: Vec<Row> = Vec::new();
        loop {
            let row = self.slice(rows.len() as u32 + 1, &file)?;
            eprintln!("{}", line(&row));
            let (whole, misses) = (row.whole, row.misses);
            rows.push(row);
            if whole {
                return Ok(rows);
            }
            if (self.stop_wanted)() {
                return Err(Error::stopped("interrupted; a chain begins anew, since its machines are empty"));
            }
            if misses == 0 {
                return Err(Error::failed(format!(
                    "slice {} added no object: {} is too short to get further\n{}",
                    rows.len(),
                    ninja::minutes(self.flags.slice),
                    table(&rows).trim_end()
                ))
                .help("give a longer --slice"));
            }
        }
    }

    fn slice(&self, number: u32, file: &Path) -> Result<Row> {
        let machine = self.folder.join(format!("machine-{number}"));
        remove_folder(&machine)?;
        let cache = Cache::at(machine.clone());
        fs::create_dir_all(&machine).or_io("create", &machine)?;
        if let Some(downloads) = &self.downloads {
            fs::create_dir_all(downloads).or_io("create", downloads)?;
            link(downloads, &cache.downloads())?;
        }
        let imported = if file.exists() { objects::import(&cache, file)?.0.entries } else { Vec::new() };
        // Files get times of a clock that lags by a tick of the kernel, 10 ms at most: what was imported must lie before
        // this moment, and what is used from now on behind it.
        std::thread::sleep(2 * TICK);
        let began = SystemTime::now() - TICK;
        let (started, cpu_before_s) = (Instant::now(), process::children_cpu_s());
        let build = self.build(&machine);
        eprintln!("slice {number}: $ LIBV8_CACHE_DIR={} {}", machine.display(), process::display(&build));
        let status = self.to_its_end(&build)?;
        let wall_s = started.elapsed().as_secs_f64();
        let cpu_s = process::children_cpu_s().zip(cpu_before_s).map(|(after, before)| after - before);
        let whole = match status.code() {
            Some(0) => true,
            Some(75) => false,
            _ => {
                return Err(Error::failed(format!("{} ended with {status}", process::display(&build)))
                    .help(format!("its machine is kept: {}", machine.display())));
            }
        };
        let there = objects::list(&cache.sccache())?;
        let old =
            |object: &&objects::Object| imported.binary_search_by(|entry| entry.key.cmp(&object.key)).is_ok();
        let (old, new): (Vec<_>, Vec<_>) = there.iter().partition(old);
        let file_bytes = if whole || !there.is_empty() {
            objects::export(&cache, self.cell, self.v8_version, file, None)?.file_bytes
        } else {
            0
        };
        let row = Row {
            slice: number,
            steps: last_step(&machine)?,
            hits: old.iter().filter(|object| object.used >= began).count(),
            misses: new.len(),
            cpu_s,
            wall_s,
            file_bytes,
            whole,
        };
        // The machine is gone, as a runner is.
        remove_folder(&machine)?;
        Ok(row)
    }

    fn build(&self, machine: &Path) -> Command {
        let mut build = process::command(&self.program);
        build.args(["build-v8", "--target", &self.cell.target, "--variant", &self.cell.variant]);
        build.arg("--deadline").arg(format!("{}s", self.flags.slice.as_secs()));
        build.arg("--output").arg(self.folder.join("artifacts"));
        if let Some(jobs) = self.flags.jobs {
            build.arg("--jobs").arg(jobs.to_string());
        }
        // An empty machine has no store of the user's behind it, and writes into its own folder.
        build.env("LIBV8_CACHE_DIR", machine).env_remove("LIBV8_CACHE").env_remove("LIBV8_CACHE_MODE");
        build
    }

    /// Waits for a build, which is told when we are to stop, and ends with us however we end: the next chain empties its folder.
    fn to_its_end(&self, build: &Command) -> Result<ExitStatus> {
        let mut tied = Tied::spawn(&mut process::tied_politely(build))?;
        let mut is_told = false;
        while !tied.wait(Duration::from_millis(200)) {
            if !is_told && (self.stop_wanted)() {
                tied.interrupt();
                is_told = true;
            }
        }
        tied.finish()
    }
}

/// A new folder, or one in which a chain was played. Another one, the repository say with its `artifacts/`, is left as it is.
///
/// While the file that is returned is open, no other chain is played there.
fn enter(folder: &Path, is_users: bool) -> Result<File> {
    fs::create_dir_all(folder).or_io("create", folder)?;
    let mark = folder.join(MARK_FILE);
    let is_empty = fs::read_dir(folder).or_io("read", folder)?.next().is_none();
    if is_users && !is_empty && !mark.is_file() {
        return Err(Error::usage(format!("{} is not empty", folder.display()))
            .help("name a new folder: a chain removes what an earlier one left there"));
    }
    let file = File::create(&mark).or_io("create", &mark)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(Error::failed(format!("another chain is being played in {}", folder.display()))
                .help("wait for it, or name another --folder"))
        }
        Err(TryLockError::Error(error)) => Err(Error::io("lock", &mark, &error)),
    }
}

/// Where ninja stood: the last `[done/total]` in the one build log of a machine.
fn last_step(machine: &Path) -> Result<Option<(u32, u32)>> {
    let trees = fs::read_dir(machine.join("source")).into_iter().flatten().flatten();
    let outs = trees.flat_map(|tree| fs::read_dir(tree.path().join("out")).into_iter().flatten().flatten());
    let Some(log) = outs.map(|out| ninja::log_path(&out.path())).find(|log| log.is_file()) else {
        return Ok(None);
    };
    let bytes = fs::read(&log).or_io("read", &log)?;
    let text = String::from_utf8_lossy(&bytes);
    let step = |line: &str| {
        let (done, total) = line.strip_prefix('[')?.split_once("] ")?.0.split_once('/')?;
        Some((done.parse().ok()?, total.parse().ok()?))
    };
    Ok(text.lines().rev().find_map(step))
}

fn link(to: &Path, from: &Path) -> Result<()> {
    #[cfg(unix)]
    return std::os::unix::fs::symlink(to, from).or_io("create", from);
    #[cfg(windows)]
    return std::os::windows::fs::symlink_dir(to, from).or_io("create", from);
}

const HEAD: &str = "slice         steps    hits  misses     CPU s    wall s  cache MiB";

fn line(row: &Row) -> String {
    let steps = row.steps.map_or("-".to_owned(), |(done, total)| format!("{done}/{total}"));
    let cpu = row.cpu_s.map_or("-".to_owned(), |cpu_s| format!("{cpu_s:.1}"));
    format!(
        "{:>5}  {steps:>12}  {:>6}  {:>6}  {cpu:>8}  {:>8.1}  {:>9.1}",
        row.slice,
        row.hits,
        row.misses,
        row.wall_s,
        row.file_bytes as f64 / f64::from(1 << 20)
    )
}

/// What each slice added, and the sum.
pub fn table(rows: &[Row]) -> String {
    let wall_s: f64 = rows.iter().map(|row| row.wall_s).sum();
    // A sum with an unknown part is unknown.
    let cpu = rows
        .iter()
        .map(|row| row.cpu_s)
        .sum::<Option<f64>>()
        .map_or("-".to_owned(), |sum| format!("{sum:.1}"));
    let hits: usize = rows.iter().map(|row| row.hits).sum();
    let misses: usize = rows.iter().map(|row| row.misses).sum();
    let lines: String = rows.iter().map(|row| line(row) + "\n").collect();
    format!("{HEAD}\n{lines}  all  {:>12}  {hits:>6}  {misses:>6}  {cpu:>8}  {wall_s:>8.1}\n", "")
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::flags;
    use crate::toolchain::testing::Folder;

    /// A build of five objects that gets three new ones done in a slice; it reads and writes as sccache does.
    const BUILD: &str = r#"
cell=$3-$5; new=0; log=$LIBV8_CACHE_DIR/source/tree/out/$cell; mkdir -p "$LIBV8_CACHE_DIR/used" "$log"
: > "$LIBV8_CACHE_DIR/used/$cell.since"; echo "$*" >> "${0%/*}/calls"
for n in 1 2 3 4 5; do
  key=$(printf '%064d' $n); folder=$LIBV8_CACHE_DIR/sccache/0/0; mkdir -p "$folder"
  if test -e "$folder/$key"; then touch "$folder/$key"; continue; fi
  if test $new = $PER_SLICE; then echo "stopped" >&2; exit 75; fi
  echo "object $n" > "$folder/$key"; new=$((new+1)); echo "[$n/5] CXX $n.o" >> "$log/build.log"
done
mkdir -p "$9"; echo archive > "$9/archive""#;

    struct World {
        folder: Folder,
        program: PathBuf,
        cell: Cell,
        flags: Simulate,
    }

    impl World {
        fn new(per_slice: u32) -> World {
            let folder = Folder::new();
            let program = folder.program("build", &format!("PER_SLICE={per_slice}\n{BUILD}"));
            let flags = Simulate {
                cell: flags::Cell { target: None, variant: "v".into() },
                slice: Duration::from_secs(300),
                jobs: std::num::NonZeroU32::new(2),
                keep_downloads: false,
                folder: None,
            };
            World { folder, program, cell: Cell { target: "t".into(), variant: "v".into() }, flags }
        }

        fn chain<'a>(&'a self, stop_wanted: &'a dyn Fn() -> bool) -> Chain<'a> {
            Chain {
                program: self.program.clone(),
                cell: &self.cell,
                v8_version: "1",
                folder: self.folder.path().join("chain"),
                is_users: true,
                downloads: None,
                flags: &self.flags,
                stop_wanted,
            }
        }

        fn play(&self) -> Result<Vec<Row>> {
            self.chain(&|| false).play()
        }
    }

    #[test]
    fn each_slice_goes_on_from_the_file_of_the_one_before() {
        let world = World::new(3);
        let rows = world.play().unwrap();
        let told: Vec<_> =
            rows.iter().map(|row| (row.slice, row.steps, row.hits, row.misses, row.whole)).collect();
        assert_eq!(told, [(1, Some((3, 5)), 0, 3, false), (2, Some((5, 5)), 3, 2, true)]);
        assert!(rows[0].file_bytes > 0 && rows[1].file_bytes > rows[0].file_bytes);
        let chain = world.folder.path().join("chain");
        let mut left: Vec<_> =
            fs::read_dir(&chain).unwrap().flatten().map(|entry| entry.file_name()).collect();
        left.sort();
        assert_eq!(left, ["artifacts", "libv8-simulate", "objects.cache"], "machines are gone");
        let calls = fs::read_to_string(world.folder.path().join("calls")).unwrap();
        let expected = format!(
            "build-v8 --target t --variant v --deadline 300s --output {} --jobs 2",
            chain.join("artifacts").display()
        );
        assert_eq!(calls.lines().collect::<Vec<_>>(), [&expected, &expected]);
        assert_eq!(world.play().unwrap().len(), 2, "a second chain begins from nothing");
    }

    #[test]
    fn a_chain_without_progress_ends() {
        let error = World::new(0).play().unwrap_err();
        assert_eq!(error.exit_code(), 1);
        let text = error.to_string();
        assert!(text.contains("slice 1 added no object: 5 min 00 s is too short"), "{text}");
    }

    #[test]
    fn a_folder_of_the_users_own_is_left_as_it_is() {
        let world = World::new(3);
        let archive = world.folder.path().join("chain/artifacts/libv8.tar.zst");
        fs::create_dir_all(archive.parent().unwrap()).unwrap();
        fs::write(&archive, "hours").unwrap();
        let error = world.play().unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("chain is not empty"), "{error}");
        assert!(archive.is_file() && !world.folder.path().join("chain/libv8-simulate").exists());
    }

    #[test]
    fn two_chains_are_not_played_in_one_folder() {
        let world = World::new(3);
        let held = enter(&world.folder.path().join("chain"), true).unwrap();
        let error = world.play().unwrap_err();
        assert_eq!(error.exit_code(), 1);
        assert!(error.to_string().contains("another chain is being played in"), "{error}");
        drop(held);
        world.play().unwrap();
    }

    #[test]
    fn f54_a_stop_is_passed_on_to_the_build() {
        let world = World::new(3);
        let [ready, told] = ["ready", "told"].map(|name| world.folder.path().join(name));
        let (begin, end) =
            (format!("touch '{}'", ready.display()), format!("touch \"{}\"; exit 75", told.display()));
        let waits = "i=0; while [ $i -lt 600 ]; do sleep 0.1; i=$((i+1)); done";
        fs::write(&world.program, format!("#!/bin/sh\ntrap '{end}' TERM\n{begin}\n{waits}\n")).unwrap();
        let error = world.chain(&|| ready.exists()).play().unwrap_err();
        assert_eq!(error.exit_code(), 75);
        assert!(told.exists(), "it was waited for");
    }

    #[test]
    fn machines_have_no_store_of_the_users() {
        let world = World::new(3);
        let build = world.chain(&|| false).build(Path::new("/machine"));
        let envs: Vec<_> = build.get_envs().collect();
        let [cache, folder, mode, machine] =
            ["LIBV8_CACHE", "LIBV8_CACHE_DIR", "LIBV8_CACHE_MODE", "/machine"].map(std::ffi::OsStr::new);
        for wanted in [(cache, None), (folder, Some(machine)), (mode, None)] {
            assert!(envs.contains(&wanted), "{wanted:?} of {envs:?}");
        }
    }

    #[test]
    fn a_build_that_fails_keeps_its_machine() {
        let world = World::new(3);
        fs::write(&world.program, "#!/bin/sh\nexit 1\n").unwrap();
        let text = world.play().unwrap_err().to_string();
        assert!(text.contains("ended with exit status: 1") && text.contains("machine-1"), "{text}");
        assert!(world.folder.path().join("chain/machine-1").is_dir());
    }

    #[test]
    fn a_table_has_a_line_for_each_slice_and_the_sum() {
        let row = |slice, cpu_s| Row {
            slice,
            steps: Some((12, 2226)),
            hits: 7,
            misses: 5,
            cpu_s,
            wall_s: 60.0,
            file_bytes: 3 << 20,
            whole: false,
        };
        let expected = "\
slice         steps    hits  misses     CPU s    wall s  cache MiB
    1       12/2226       7       5     100.5      60.0        3.0
    2       12/2226       7       5     100.5      60.0        3.0
  all                    14      10     201.0     120.0
";
        assert_eq!(table(&[row(1, Some(100.5)), row(2, Some(100.5))]), expected);
        assert!(
            table(&[row(1, Some(1.0)), row(2, None)])
                .contains("  all                    14      10         -")
        );
    }
}
