//! What a program did to the system, by strace: in which folders it wrote, and which programs it started.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What is looked for: calls with paths in them, and those that make processes and threads.
pub const ARGUMENTS: [&str; 6] = ["-ff", "--seccomp-bpf", "-y", "-s", "9999", "--trace=%file,%process"];

/// Calls of these kinds that change nothing.
const READING: [&str; 17] = [
    "access",
    "chdir",
    "exit",
    "exit_group",
    "faccessat",
    "faccessat2",
    "getcwd",
    "getxattr",
    "lstat",
    "newfstatat",
    "readlink",
    "readlinkat",
    "stat",
    "statfs",
    "statx",
    "wait4",
    "waitid",
];

/// Calls that change what their paths name.
const WRITING: [&str; 24] = [
    "chmod",
    "chown",
    "creat",
    "fchmodat",
    "fchmodat2",
    "fchownat",
    "lchown",
    "link",
    "linkat",
    "mkdir",
    "mkdirat",
    "mknod",
    "mknodat",
    "removexattr",
    "rename",
    "renameat",
    "renameat2",
    "rmdir",
    "setxattr",
    "symlink",
    "symlinkat",
    "truncate",
    "unlink",
    "unlinkat",
];

/// One line of a log.
struct Call<'log> {
    name: &'log str,
    arguments: &'log str,
    result: &'log str,
}

impl Call<'_> {
    /// `None` for what is no call: signals, the end of a thread.
    fn read(line: &str) -> Option<Call<'_>> {
        let (name, rest) = line.split_once('(')?;
        let (arguments, result) = rest.rsplit_once(") = ").unwrap_or((rest, ""));
        let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        is_name.then_some(Call { name, arguments, result })
    }

    /// The thread or process that was made.
    fn child(&self) -> Option<u32> {
        let makes = ["clone", "clone3", "fork", "vfork"].contains(&self.name);
        makes.then(|| self.result.split(' ').next()?.parse().ok()).flatten()
    }

    fn writes(&self) -> bool {
        let opens = ["open", "openat", "openat2"].contains(&self.name);
        let flags = ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_TMPFILE"];
        WRITING.contains(&self.name)
            || self.name.starts_with("utime")
            || self.name.starts_with("futime")
            || opens && flags.iter().any(|flag| self.arguments.contains(flag))
    }

    fn is_known(&self) -> bool {
        let opens = self.name.starts_with("open");
        let makes_thread = self.name.starts_with("clone") && self.arguments.contains("CLONE_THREAD");
        opens || makes_thread || self.writes() || READING.contains(&self.name)
    }

    /// All paths in it, absolute: a relative one follows its folder, `5</folder>, "name"`.
    fn paths(&self) -> Vec<PathBuf> {
        let (mut found, mut folder, mut rest) = (Vec::new(), None, self.arguments);
        while let Some(at) = rest.find(['<', '"']) {
            let end = if rest.as_bytes()[at] == b'<' { '>' } else { '"' };
            let Some((text, after)) = rest[at + 1..].split_once(end) else { break };
            rest = after;
            if end == '>' {
                folder = Some(text);
                // No name follows: the file itself.
                if !after.starts_with(", \"") {
                    found.push(text.into());
                }
            } else {
                found.push(Path::new(folder.take().unwrap_or_default()).join(text));
            }
        }
        found
    }
}

/// What the program did that it may not do: `log` gives the log of a thread, the first of which ran the program.
fn faults(first: u32, log: &dyn Fn(u32) -> String, allowed: &[PathBuf]) -> Vec<String> {
    let (mut faults, mut threads) = (Vec::new(), vec![first]);
    while let Some(thread) = threads.pop() {
        let text = log(thread);
        let mut lines = text.lines();
        if thread == first {
            // What cargo's child did before it became the program.
            lines.by_ref().find(|line| line.starts_with("execve(") && line.ends_with(" = 0"));
        }
        for (line, call) in lines.filter_map(|line| Some((line, Call::read(line)?))) {
            threads.extend(call.child());
            let is_allowed = |path: &PathBuf| {
                let goes_up = path.components().any(|part| part.as_os_str() == "..");
                !goes_up && (path == Path::new("/dev/null") || allowed.iter().any(|it| path.starts_with(it)))
            };
            if !call.is_known() || call.writes() && !call.paths().iter().all(is_allowed) {
                faults.push(line.to_owned());
            }
        }
    }
    faults
}

/// Reads the logs `NAME.PID` in a folder. Gives how many processes had the program called `program`, and what they did that
/// they may not do: write elsewhere than below `allowed`, or start a program.
pub fn check(folder: &Path, program: &str, allowed: &[PathBuf]) -> (usize, Vec<String>) {
    let logs: Vec<PathBuf> = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()).collect();
    let number = |path: &Path| -> u32 { path.extension().unwrap().to_str().unwrap().parse().unwrap() };
    let read = |thread: u32| {
        let path = logs.iter().find(|path| number(path) == thread);
        fs::read_to_string(path.unwrap_or_else(|| panic!("no log of {thread}"))).unwrap()
    };
    let start = |line: &str| {
        let it = line.strip_prefix("execve(\"").and_then(|rest| rest.split('"').next());
        line.ends_with(" = 0") && it.is_some_and(|path| path.ends_with(program))
    };
    let started: BTreeSet<u32> =
        logs.iter().map(|path| number(path)).filter(|thread| read(*thread).lines().any(start)).collect();
    let faults = started.iter().flat_map(|first| faults(*first, &read, allowed)).collect();
    (started.len(), faults)
}

#[test]
fn a_write_elsewhere_and_a_program_are_found() {
    let check = |lines: &[&str], expected: &[&str]| {
        let first = format!(
            "chdir(\"/b\") = 0\nexecve(\"/a/script\", [\"x\"], 0x7f /* 1 vars */) = 0\n{}\n",
            lines.join("\n")
        );
        let log = |thread: u32| {
            if thread == 1 { first.clone() } else { "mkdir(\"/elsewhere\", 0777) = 0\n".to_owned() }
        };
        assert_eq!(faults(1, &log, &["/a".into(), "/out".into()]), expected);
    };
    check(
        &[
            r#"openat(AT_FDCWD</b>, "/etc/ssl", O_RDONLY|O_CLOEXEC) = 3</etc/ssl>"#,
            r#"openat(AT_FDCWD</b>, "/a/new", O_WRONLY|O_CREAT|O_CLOEXEC, 0666) = 3</a/new>"#,
            r#"mkdir("/a/b", 0777) = -1 EEXIST (File exists)"#,
            r#"unlinkat(5</out/x>, "file", 0) = 0"#,
            r#"utimensat(4</a/V8.json>, NULL, [UTIME_OMIT, {tv_sec=1}], 0) = 0"#,
            r#"rename("/a/x", "/out/y") = 0"#,
            "+++ exited with 0 +++",
        ],
        &[],
    );
    for line in [
        r#"openat(AT_FDCWD</b>, "new", O_RDWR|O_CREAT|O_CLOEXEC, 0666) = 3</b/new>"#,
        r#"mkdir("/ab", 0777) = -1 EACCES (Permission denied)"#,
        r#"unlinkat(5</b>, "file", 0) = 0"#,
        r#"utimensat(4</b/V8.json>, NULL, NULL, 0) = 0"#,
        r#"rename("/a/x", "/b/y") = 0"#,
        r#"rename("/a/x", "/a/../b/y") = 0"#,
        r#"execve("/bin/sh", ["sh"], 0x7f /* 1 vars */) = 0"#,
        r#"vfork() = -1 EAGAIN (Resource temporarily unavailable)"#,
        r#"a_new_call("/a/x") = 0"#,
    ] {
        check(&[line], &[line]);
    }
    let thread = "clone3({flags=CLONE_VM|CLONE_THREAD, exit_signal=0} => {parent_tid=[2]}, 88) = 2";
    check(&[thread], &[r#"mkdir("/elsewhere", 0777) = 0"#]);
}
