//! The plain build that ours are measured against: its cost is that of all its parts, or is not known.

use super::*;
use crate::compile::plain::{compile_plain, stopped};

/// A ninja that takes its time, and fails until it is told otherwise.
const NINJA: &str = "touch \"$2/.ninja_log\"; n=0; while [ $n -lt 150000 ]; do n=$((n+1)); done
    test -e \"$LOG.fail\" && exit 1; echo '[1/1] a'";

struct Plain {
    world: World,
}

impl Plain {
    fn new() -> Plain {
        Plain { world: World::new(NINJA) }
    }

    /// One run, which fails or does not; its statistics and whether they were written down.
    fn run(&self, fails: bool) -> Option<(Statistics, bool)> {
        let World { folder, plan, toolchain } = &self.world;
        let mark = folder.path().join("log.fail");
        if fails {
            fs::write(&mark, "").unwrap();
        } else {
            let _ = fs::remove_file(&mark);
        }
        let build = configure_with(plan, toolchain, Wrapper::None).unwrap();
        let statistics = compile_plain(plan, &build, toolchain, None);
        assert_eq!(statistics.is_err(), fails);
        let statistics = statistics.ok()?;
        // As text: reading a number again may round it.
        let text = fs::read_to_string(plan.out.join(STATISTICS));
        let is_kept = text.is_ok_and(|text| text == serde_json::to_string_pretty(&statistics).unwrap());
        Some((statistics, is_kept))
    }

    fn stopped(&self) -> Option<Statistics> {
        stopped(&self.world.plan, &self.world.toolchain)
    }
}

#[test]
fn one_that_was_stopped_goes_on_and_counts_all_parts() {
    let plain = Plain::new();
    assert!(plain.run(true).is_none());
    let first = plain.stopped().unwrap();
    assert!(plain.run(true).is_none());
    let second = plain.stopped().unwrap();
    let (whole, is_kept) = plain.run(false).unwrap();
    assert!(first.wall_s > 0.0 && first.cpu_s.unwrap() > 0.0, "{first:?}");
    assert!(second.wall_s > first.wall_s && second.cpu_s > first.cpu_s, "{first:?} {second:?}");
    assert!(whole.wall_s > second.wall_s && whole.cpu_s > second.cpu_s, "{second:?} {whole:?}");
    assert!(is_kept);
    assert_eq!(plain.stopped(), None, "a whole build has no parts: what a later run adds is not their sum");
}

#[test]
fn another_plans_or_toolchains_part_is_none_of_it() {
    let mut plain = Plain::new();
    plain.run(true);
    plain.world.toolchain.llvm = plain.world.folder.path().join("another/llvm");
    assert_eq!(plain.stopped(), None, "its objects are made again");
    plain.world.toolchain.llvm = plain.world.folder.path().join("llvm");
    assert!(plain.stopped().is_some());
    plain.world.plan.build_id = Sha256::of_bytes(b"another argument");
    assert_eq!(plain.stopped(), None);
    let (_, is_kept) = plain.run(false).unwrap();
    assert!(!is_kept, "nobody knows what the objects have cost that are there");
}

#[test]
fn what_was_killed_has_no_known_cost() {
    let plain = Plain::new();
    plain.run(true);
    let part = plain.world.plan.out.join("build-part.json");
    let seen = plain.world.folder.path().join("seen");
    let look = format!("test -e '{}' && touch '{}'; exit 1", part.display(), seen.display());
    plain.world.folder.program("ninja", &look);
    plain.run(true);
    assert!(
        part.is_file() && !seen.exists(),
        "while ninja runs there is none, for who is killed leaves it so"
    );
    fs::remove_file(&part).unwrap();
    plain.run(true);
    assert_eq!(plain.stopped(), None, "the later part alone is not the cost");
}
