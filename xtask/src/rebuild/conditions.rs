//! Conditions under which a program runs and which must not reach what it writes: user, file modes, time zone, locale,
//! addresses, number of processors, environment.

use std::path::Path;
use std::process::Command;

use crate::process;

/// One condition: what the program is started by, and the variables it gets.
pub struct Condition {
    /// As in `with umask 027`.
    pub name: &'static str,
    /// A program and arguments that start the one behind them; may be empty.
    prefix: &'static [&'static str],
    variables: &'static [(&'static str, &'static str)],
}

/// Which of them a whole build gets too: without processors, which would double its time, and without fixed addresses, since
/// any other build has random ones.
const WHOLE: &[&str] = &["with umask 027", "as another user", "in another time zone and locale"];

/// All conditions.
pub const CONDITIONS: &[Condition] = &[
    Condition {
        name: "with umask 027",
        prefix: &["sh", "-c", "umask 027; exec \"$@\"", "sh"],
        variables: &[],
    },
    // In a user namespace: another number, the same rights on files.
    Condition { name: "as another user", prefix: &["unshare", "--user", "--map-user=4711"], variables: &[] },
    Condition {
        name: "in another time zone and locale",
        prefix: &[],
        variables: &[("TZ", "Asia/Kathmandu"), ("LC_ALL", "tr_TR.UTF-8"), ("LANG", "tr_TR.UTF-8")],
    },
    Condition {
        name: "without random addresses",
        prefix: &["setarch", "--addr-no-randomize"],
        variables: &[],
    },
    Condition { name: "on one processor", prefix: &["taskset", "--cpu-list", "0"], variables: &[] },
    Condition { name: "with a larger environment", prefix: &[], variables: &[("LIBV8_PADDING", PADDING)] },
];

/// Moves the stack by four pages.
const PADDING: &str = {
    const BYTES: [u8; 16 << 10] = [b'x'; 16 << 10];
    match std::str::from_utf8(&BYTES) {
        Ok(text) => text,
        Err(_) => unreachable!(),
    }
};

impl Condition {
    /// Whether this machine can bring it about: a container may forbid it, a system lack the program.
    pub fn is_possible(&self) -> bool {
        let mut command = self.command(Path::new("true"), &[]);
        process::output(&mut command).is_ok_and(|output| output.status.success())
    }

    /// The program under this condition.
    pub fn command(&self, program: &Path, arguments: &[String]) -> Command {
        combined([self].into_iter(), program, arguments)
    }
}

fn combined<'a>(
    conditions: impl Iterator<Item = &'a Condition> + Clone,
    program: &Path,
    arguments: &[String],
) -> Command {
    let mut words = conditions.clone().flat_map(|condition| condition.prefix);
    let mut command = match words.next() {
        Some(first) => {
            let mut command = process::command(first);
            command.args(words).arg(program);
            command
        }
        None => process::command(program),
    };
    command.args(arguments);
    for (name, value) in conditions.flat_map(|condition| condition.variables) {
        command.env(name, value);
    }
    command
}

/// The program under all conditions of a whole build that are possible here, and their names.
pub fn all_at_once(program: &Path, arguments: &[String]) -> (Command, Vec<&'static str>) {
    let wanted = CONDITIONS.iter().filter(|condition| WHOLE.contains(&condition.name));
    let possible: Vec<&Condition> = wanted.filter(|condition| condition.is_possible()).collect();
    let command = combined(possible.iter().copied(), program, arguments);
    (command, possible.iter().map(|condition| condition.name).collect())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    fn said(condition: &Condition, script: &str) -> String {
        let arguments = ["-c".to_owned(), script.to_owned()];
        process::read(&mut condition.command(Path::new("sh"), &arguments)).unwrap().trim().to_owned()
    }

    #[test]
    fn each_condition_holds_for_the_program() {
        for condition in CONDITIONS {
            if !condition.is_possible() {
                // A container may forbid these; the others are always possible.
                assert!(["as another user", "without random addresses"].contains(&condition.name));
                continue;
            }
            let (script, expected) = match condition.name {
                "with umask 027" => ("umask", "0027"),
                "as another user" => ("id -u", "4711"),
                "in another time zone and locale" => {
                    ("echo $TZ $LC_ALL $LANG", "Asia/Kathmandu tr_TR.UTF-8 tr_TR.UTF-8")
                }
                "without random addresses" => ("cat /proc/self/personality", "00040000"),
                "on one processor" => ("nproc", "1"),
                "with a larger environment" => ("echo ${#LIBV8_PADDING}", "16384"),
                other => panic!("{other} is not tested"),
            };
            assert_eq!(said(condition, script), expected, "{}", condition.name);
        }
    }

    #[test]
    fn a_whole_build_gets_several_at_once() {
        let script = "echo $(umask) $TZ".to_owned();
        let (mut command, names) = all_at_once(Path::new("sh"), &["-c".to_owned(), script]);
        assert_eq!(process::read(&mut command).unwrap().trim(), "0027 Asia/Kathmandu");
        assert!(names.len() >= WHOLE.len() - 1, "{names:?}");
    }
}
