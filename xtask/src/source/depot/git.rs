//! Commits in the cache: one repository for each, fetched at depth 1 by git, whole under its final name or not there.
//!
//! A commit's name is a digest over everything in it, and git checks what it receives by it: where a commit came from does
//! not matter.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::is_commit;
use crate::error::{Error, IoContext as _, Kind, Result};
use crate::paths::{Cache, remove_folder};
use crate::process::{self, Ended};
use crate::source::tree;

/// For one repository: V8's own takes a minute on a usual connection.
const LIMIT: Duration = Duration::from_secs(1800);

/// How often a fetch that failed is tried.
const ATTEMPTS: u32 = 3;

/// The part of the cache with commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// That of the user's cache folder.
    pub fn of(cache: &Cache) -> Store {
        Store { folder: cache.depot() }
    }

    /// A folder in it for something else.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The repository of a commit.
    pub fn repository(&self, commit: &str) -> PathBuf {
        self.folder.join("git").join(commit)
    }

    /// Whether the commit is there, with everything in it.
    pub fn has(&self, commit: &str) -> bool {
        self.repository(commit).is_dir()
    }

    /// How many bytes were fetched for it.
    pub fn size_bytes(&self, commit: &str) -> Option<u64> {
        let packs = std::fs::read_dir(self.repository(commit).join("objects/pack")).ok()?;
        let sizes = packs.flatten().filter(|file| file.path().extension().is_some_and(|end| end == "pack"));
        Some(sizes.filter_map(|file| Some(file.metadata().ok()?.len())).sum())
    }

    /// Makes sure that the commit is there; returns whether it had to be fetched. A second process waits for the first.
    ///
    /// # Errors
    /// What git said, time limits, and I/O. The commit's name is then not taken.
    pub fn ensure(&self, url: &str, commit: &str) -> Result<bool> {
        self.make(commit, &|partial| self.fetch(url, commit, partial))
    }

    /// Makes a commit's repository under a temporary name with `fill`, unless it is there.
    pub fn make(&self, commit: &str, fill: &dyn Fn(&Path) -> Result<()>) -> Result<bool> {
        let place = self.repository(commit);
        if self.has(commit) {
            return Ok(false);
        }
        let folder = self.folder.join("git");
        std::fs::create_dir_all(&folder).or_io("create", &folder)?;
        let _lock = tree::lock(&folder.join(format!("{commit}.lock")), &|line| eprintln!("{line}"))?;
        if self.has(commit) {
            return Ok(false);
        }
        let partial = folder.join(format!("{commit}.partial"));
        // What a killed process left: git's own locks are in it too.
        remove_folder(&partial)?;
        process::read(git(None).args(["init", "--quiet", "--bare"]).arg(&partial))?;
        fill(&partial)?;
        let there = process::read(
            git(Some(&partial)).args(["rev-parse", &format!("{}^{{commit}}", name_of(commit))]),
        )?;
        if there.trim() != commit {
            return Err(Error::failed(format!("git has {} where {commit} was wanted", there.trim())));
        }
        std::fs::rename(&partial, &place).or_io("create", &place)?;
        Ok(true)
    }

    fn fetch(&self, url: &str, commit: &str, partial: &Path) -> Result<()> {
        let log = self.folder.join("log").join(format!("{commit}.log"));
        process::start_log(&log)?;
        let mut attempt = 1;
        loop {
            let mut fetch = git(Some(partial));
            fetch.env("GIT_TERMINAL_PROMPT", "0");
            // A server that brings less than this for a minute is gone. `file://` too speaks the protocol that lets a
            // commit be asked for by its name.
            fetch.args(["-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=60"]);
            fetch.args(["-c", "protocol.version=2", "-c", "gc.auto=0", "-c", "maintenance.auto=false"]);
            // One pack, also of a small repository: that is what a bundle carries.
            fetch.args(["-c", "fetch.unpackLimit=1"]);
            fetch.args(["fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules"]);
            fetch.arg(url).arg(format!("+{commit}:{}", name_of(commit)));
            let done = process::run_limited(&mut fetch, LIMIT, &log)?;
            let error = match done.ended {
                Ended::With(status) if status.success() => return Ok(()),
                Ended::With(status) => {
                    process::failure(&fetch, status, done.stderr.as_bytes(), done.stdout.as_bytes())
                }
                Ended::Killed => {
                    Error::failed(format!("git did not fetch {url} in {} minutes", LIMIT.as_secs() / 60))
                }
            };
            let is_hopeless = ["not our ref", "not found", "does not appear to be a git repository"]
                .iter()
                .any(|words| done.stderr.contains(words));
            if is_hopeless || attempt == ATTEMPTS {
                return Err(error
                    .help(format!("the whole log: {}", log.display()))
                    .help("--mirror git=URL asks another server; what was fetched stays"));
            }
            std::thread::sleep(Duration::from_secs(u64::from(attempt)));
            attempt += 1;
        }
    }

    /// The commit of a tag on the server.
    pub fn tag(&self, url: &str, tag: &str) -> Result<String> {
        // Of this run alone: what the child says goes through files beside it, and another run may ask for another tag.
        let log = self.folder.join("log").join(format!("ls-remote-{tag}-{}.log", std::process::id()));
        process::start_log(&log)?;
        let mut list = git(None);
        list.env("GIT_TERMINAL_PROMPT", "0").args(["ls-remote", url]);
        list.args([format!("refs/tags/{tag}"), format!("refs/tags/{tag}^{{}}")]);
        let done = process::run_limited(&mut list, Duration::from_secs(300), &log)?;
        let Ended::With(status) = done.ended else {
            return Err(Error::failed(format!("{url} did not list its tags in five minutes")));
        };
        if !status.success() {
            return Err(process::failure(&list, status, done.stderr.as_bytes(), done.stdout.as_bytes())
                .help("--mirror git=URL asks another server"));
        }
        std::fs::remove_file(&log).or_io("remove", &log)?;
        commit_of(&done.stdout, tag).map(str::to_owned).ok_or_else(|| {
            Error::usage(format!("{url} has no tag {tag}"))
                .help("--revision takes a version of V8, a tag or a whole commit")
        })
    }

    /// The one pack of a commit's repository.
    pub fn pack(&self, commit: &str) -> Result<PathBuf> {
        let folder = self.repository(commit).join("objects/pack");
        let packs = std::fs::read_dir(&folder).or_io("read", &folder)?.flatten().map(|entry| entry.path());
        let mut packs = packs.filter(|path| path.extension().is_some_and(|end| end == "pack"));
        match (packs.next(), packs.next()) {
            (Some(pack), None) => Ok(pack),
            _ => Err(Error::failed(format!("{} does not hold one pack", folder.display()))
                .help(format!("remove {} and run this again", self.repository(commit).display()))),
        }
    }

    /// Takes a commit out of a pack file. git computes the names of all objects in it anew, and looks whether all are there
    /// that the commit consists of: a pack cannot bring another commit than it says.
    pub fn import(&self, commit: &str, pack: &Path) -> Result<bool> {
        self.make(commit, &|partial| {
            let file = std::fs::File::open(pack).or_io("open", pack)?;
            process::read(git(Some(partial)).args(["index-pack", "--stdin"]).stdin(file))?;
            let shallow = partial.join("shallow");
            std::fs::write(&shallow, format!("{commit}\n")).or_io("write", &shallow)?;
            process::read(git(Some(partial)).args(["rev-list", "--objects", "--quiet", commit]))?;
            process::read(git(Some(partial)).args(["update-ref", &name_of(commit), commit])).map(drop)
        })
    }

    /// A file of a commit; `None` if it has no such file.
    pub fn file(&self, commit: &str, path: &str) -> Result<Option<String>> {
        let mut list = git(Some(&self.repository(commit)));
        list.args(["ls-tree", "--name-only", commit, "--", path]);
        if process::read(&mut list)?.is_empty() {
            return Ok(None);
        }
        process::read(git(Some(&self.repository(commit))).args(["show", &format!("{commit}:{path}")]))
            .map(Some)
    }

    /// The commit itself: who, when, and what it says.
    pub fn commit(&self, commit: &str) -> Result<String> {
        process::read(git(Some(&self.repository(commit))).args(["cat-file", "commit", commit]))
    }

    /// Writes all files of a commit into a folder, as a checkout has them. `index` is a file that may be written.
    pub fn checkout(&self, commit: &str, to: &Path, index: &Path) -> Result<()> {
        std::fs::create_dir_all(to).or_io("create", to)?;
        let command = |arguments: &[&str]| {
            let mut git = git(Some(&self.repository(commit)));
            // Bytes as committed, whatever the user's settings are.
            git.env("GIT_CONFIG_NOSYSTEM", "1")
                .env("GIT_CONFIG_GLOBAL", "/dev/null")
                .env("GIT_ATTR_NOSYSTEM", "1");
            git.env("GIT_INDEX_FILE", index).current_dir(to);
            git.args([
                "-c",
                "core.autocrlf=false",
                "-c",
                "core.bare=false",
                "-c",
                "core.attributesFile=/dev/null",
            ]);
            git.arg("--work-tree").arg(to).args(arguments);
            process::read(&mut git).map(drop)
        };
        command(&["read-tree", commit])?;
        command(&["checkout-index", "--all", "--quiet"])?;
        std::fs::remove_file(index).or_io("remove", index)
    }
}

/// The commit of a tag in lines of `commit name`; an annotated tag has one of its own, and that of its commit ends in `^{}`.
fn commit_of<'a>(listing: &'a str, tag: &str) -> Option<&'a str> {
    let named = |name: &str| {
        let lines = listing.lines().filter_map(|line| line.split_once('\t'));
        lines.filter(|(commit, _)| is_commit(commit)).find(|(_, its)| *its == name).map(|(commit, _)| commit)
    };
    let name = format!("refs/tags/{tag}");
    named(&format!("{name}^{{}}")).or_else(|| named(&name))
}

/// What keeps a commit from being taken for garbage.
pub fn name_of(commit: &str) -> String {
    format!("refs/libv8/{commit}")
}

/// git, in a repository or none; never that of the folder we are run in.
pub fn git(repository: Option<&Path>) -> Command {
    let mut command = process::fetcher("git");
    for name in [
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    ] {
        command.env_remove(name);
    }
    if let Some(repository) = repository {
        command.arg("--git-dir").arg(repository);
    }
    command
}

/// Does work for each item, some at a time, and says a line for each that is done. All that fails is reported together;
/// after a wish to stop, no other item is begun.
pub fn at_once<T: Sync>(
    items: &[T],
    work: impl Fn(&T) -> Result<String> + Sync,
    say: &dyn Fn(&str),
) -> Result<()> {
    const THREADS: usize = 8;
    let (next, stopped) = (AtomicUsize::new(0), AtomicBool::new(false));
    let faults: Mutex<Vec<Error>> = Mutex::new(Vec::new());
    let (send, lines) = std::sync::mpsc::channel::<String>();
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..THREADS.min(items.len()) {
            let send = send.clone();
            let (next, stopped, faults, work) = (&next, &stopped, &faults, &work);
            scope.spawn(move || {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if stopped.load(Ordering::Relaxed) {
                        return;
                    }
                    match work(item) {
                        // The receiver lives until all threads have ended.
                        Ok(line) => drop(send.send(line)),
                        Err(error) => {
                            if error.exit_code() == 75 {
                                stopped.store(true, Ordering::Relaxed);
                            }
                            faults.lock().expect("no thread panics with it").push(error);
                        }
                    }
                }
            });
        }
        drop(send);
        for (count, line) in lines.iter().enumerate() {
            say(&format!("{} of {}, {} s: {line}", count + 1, items.len(), start.elapsed().as_secs()));
        }
    });
    let mut faults = faults.into_inner().expect("no thread panics with it");
    if let Some(at) = faults.iter().position(|error| error.exit_code() == 75) {
        return Err(faults.swap_remove(at));
    }
    match faults.len() {
        0 => Ok(()),
        1 => Err(faults.remove(0)),
        count => {
            let texts: Vec<String> = faults
                .iter()
                .map(|error| error.to_string().trim_start_matches("error: ").to_owned())
                .collect();
            Err(Error::all(Kind::Failed, &format!("{count} of {} could not be fetched", items.len()), &texts))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commit_of_a_tag_is_that_of_its_own_line() {
        let [one, two, three] = ["1", "2", "3"].map(|digit| digit.repeat(40));
        let listing = format!(
            "{one}\trefs/tags/1.0.0.1\n{two}\trefs/tags/1.0.0.1^{{}}\n{three}\trefs/other/refs/tags/1.0.0.1\n{three}\trefs/tags/light\n"
        );
        assert_eq!(commit_of(&listing, "1.0.0.1"), Some(two.as_str()));
        assert_eq!(commit_of(&listing, "light"), Some(three.as_str()));
        assert_eq!(commit_of(&listing, "1.0.0.2"), None);
        assert_eq!(commit_of("", "light"), None);
    }

    /// Each asks again and again for a tag of its own, as two processes with one cache do.
    #[test]
    fn f36_two_that_ask_for_tags_at_once_keep_their_own_commits() {
        let folder = tempfile::tempdir().unwrap();
        let upstream = folder.path().join("upstream");
        let run = |arguments: &[&str]| {
            let mut git = git(None);
            git.arg("-C").arg(folder.path()).args(["-c", "user.name=a", "-c", "user.email=a@b"]);
            process::read(git.args(arguments)).unwrap().trim().to_owned()
        };
        run(&["init", "--quiet", "upstream"]);
        let tags = ["1.0.0.1", "1.0.0.2"].map(|tag| {
            run(&["-C", "upstream", "commit", "--quiet", "--allow-empty", "-m", tag]);
            run(&["-C", "upstream", "tag", tag]);
            (tag, run(&["-C", "upstream", "rev-parse", "HEAD"]))
        });
        let store = Store::of(&Cache::at(folder.path().join("cache")));
        std::thread::scope(|scope| {
            for (tag, commit) in &tags {
                let (store, upstream) = (&store, upstream.display().to_string());
                scope.spawn(move || {
                    (0..8).for_each(|_| assert_eq!(store.tag(&upstream, tag).unwrap(), *commit))
                });
            }
        });
        assert_eq!(std::fs::read_dir(store.beside("log")).unwrap().count(), 0, "a log of what went well");
    }
}
