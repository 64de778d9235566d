//! The loop that builds, with work of the tests' own: what is done after what, what is said, and how the command ends.

use super::*;
use crate::plan;

/// Plans of a real target under other names.
fn plans(names: &[&str]) -> Vec<Plan> {
    let plan = plan::testing::every_target().remove(0);
    let named = |name: &&str| Plan { target: (*name).to_owned(), variant: "v".to_owned(), ..plan.clone() };
    names.iter().map(named).collect()
}

/// Results by target: `ok`, or an error of this exit status.
fn result(target: &str, results: &[(&str, u8)]) -> Result<State> {
    match results.iter().find(|(name, _)| *name == target).map(|(_, status)| status) {
        None | Some(0) => Ok(State::Built),
        Some(1) => Err(Error::failed("no such file").help("the whole log: build.log")),
        Some(2) => Err(Error::usage("a patch does not apply")),
        Some(_) => Err(Error::stopped("the deadline is reached at step 1 of 2 (50 %)")),
    }
}

/// Which targets were worked on, their results in the table, and the command's exit status with what it says.
fn play(names: &[&str], results: &[(&str, u8)]) -> (Vec<String>, Vec<String>, u8, String) {
    let mut round = Round::new(plans(names), Vec::new());
    let mut worked = Vec::new();
    round.each(&mut |plan, _| {
        worked.push(plan.target.clone());
        result(&plan.target, results)
    });
    let told = round.rows.iter().map(|row| row.cells()[2].clone()).collect();
    let verdict = round.verdict("cargo xtask build-v8   goes on");
    let status = verdict.as_ref().err().map_or(0, Error::exit_code);
    (worked, told, status, verdict.err().map(|error| error.to_string()).unwrap_or_default())
}

#[test]
fn one_that_fails_does_not_lose_the_others() {
    let all = ["one", "two", "three", "four"];
    let check = |results: &[(&str, u8)], worked: usize, told: [&str; 4], status: u8, said: &str| {
        let (was_worked, was_told, was_status, was_said) = play(&all, results);
        assert_eq!(was_worked, all[..worked], "{results:?}");
        assert_eq!(
            (was_told, was_status, was_said),
            (told.map(str::to_owned).to_vec(), status, said.to_owned())
        );
    };
    check(&[], 4, ["built"; 4], 0, "");
    check(
        &[("two", 1)],
        4,
        ["built", "FAILED", "built", "built"],
        1,
        "error: 1 of 4 targets failed, as said above: two v\n  help: cargo xtask build-v8   goes on",
    );
    check(
        &[("one", 1), ("four", 2)],
        4,
        ["FAILED", "built", "built", "FAILED"],
        1,
        "error: 2 of 4 targets failed, as said above:\n  one v\n  four v\n  help: cargo xtask build-v8   goes on",
    );
    check(
        &[("three", 2)],
        4,
        ["built", "built", "FAILED", "built"],
        2,
        "error: 1 of 4 targets failed, as said above: three v\n  help: cargo xtask build-v8   goes on",
    );
}

#[test]
fn f54_after_a_stop_comes_no_other_and_the_exit_status_is_75_whatever_failed() {
    let said = "stopped: two v: the deadline is reached at step 1 of 2 (50 %)\n  help: cargo xtask build-v8   goes on";
    for (one, told) in [(0, "built"), (1, "FAILED")] {
        let (worked, table, status, was_said) = play(&["one", "two", "three"], &[("one", one), ("two", 75)]);
        assert_eq!(worked, ["one", "two"]);
        assert_eq!(table, [told, "STOPPED", "not begun"]);
        assert_eq!((status, was_said.as_str()), (75, said));
    }
}

#[test]
fn the_error_of_a_single_plan_is_the_commands() {
    let check = |result: u8, expected: &str| {
        let (_, _, status, said) = play(&["one"], &[("one", result)]);
        assert_eq!((status, said.as_str()), (result, expected));
    };
    check(0, "");
    check(1, "error: no such file\n  help: the whole log: build.log");
    check(2, "error: a patch does not apply");
    check(
        75,
        "stopped: the deadline is reached at step 1 of 2 (50 %)\n  help: cargo xtask build-v8   goes on",
    );
}

#[test]
fn a_later_stage_is_for_those_that_came_through_the_earlier_ones() {
    let mut round = Round::new(plans(&["one", "two", "three"]), Vec::new());
    let mut stage = |name: &str, results: &[(&str, u8)], goes_on: bool| {
        let mut worked = Vec::new();
        round.each(&mut |plan, _| {
            worked.push(plan.target.clone());
            result(&plan.target, results).map(|state| if goes_on { State::Open } else { state })
        });
        (name.to_owned(), worked, round.open().into_iter().map(|plan| plan.target).collect::<Vec<_>>())
    };
    let lists = |name: &str, worked: &[&str], open: &[&str]| {
        let owned = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        (name.to_owned(), owned(worked), owned(open))
    };
    assert_eq!(
        stage("trees", &[("one", 1)], true),
        lists("trees", &["one", "two", "three"], &["two", "three"])
    );
    assert_eq!(stage("build", &[("two", 75)], false), lists("build", &["two"], &["three"]));
    assert_eq!(stage("more", &[], false), lists("more", &[], &["three"]), "stopped is stopped");
}

#[test]
fn what_all_leaves_out_is_in_the_table_with_its_reason_and_is_no_failure() {
    let planned = plans(&["apple"])
        .into_iter()
        .map(|plan| Plan { planned_only: Some("no headers".to_owned()), ..plan });
    let not_here =
        plans(&["pear"]).into_iter().map(|plan| Plan { missing_here: Some("no SDK".to_owned()), ..plan });
    let mut round = Round::new(plans(&["one"]), planned.chain(not_here).collect());
    assert!(!round.is_single(), "one of several is told from one");
    round.each(&mut |plan, _| {
        assert_eq!(plan.target, "one", "what is left out is worked on");
        Ok(State::Built)
    });
    let table = round.table();
    assert!(table.contains("\napple   v        planned only"), "{table}");
    assert!(table.contains("\npear    v        not here"), "{table}");
    let reasons =
        "\nnot built: apple is planned only: no headers\nnot built: pear cannot be built here: no SDK\n";
    assert!(table.ends_with(reasons), "{table}");
    round.verdict("again").unwrap();
}

#[test]
fn time_is_that_of_all_stages() {
    let mut round = Round::new(plans(&["one"]), Vec::new());
    let pause = std::time::Duration::from_millis(20);
    for last in [false, true] {
        round.each(&mut |_, _| {
            std::thread::sleep(pause);
            Ok(if last { State::Built } else { State::Open })
        });
    }
    assert!(round.rows[0].figures.wall_s >= 0.04, "{:?}", round.rows[0].figures);
    assert_eq!(round.rows[0].figures.cpu_s.is_some(), cfg!(target_os = "linux"));
}

#[test]
fn cpu_that_is_not_known_is_not_guessed() {
    let mut round = Round::new(plans(&["one", "two"]), Vec::new());
    round.each(&mut |plan, figures| {
        let cpu_s = (plan.target == "one").then_some(5.0);
        figures.compiled(&Statistics {
            steps: 7,
            cache_hits: 2,
            cache_misses: 3,
            cpu_s,
            ..Statistics::default()
        });
        Ok(State::Built)
    });
    let cpu = |row: &Row| row.cells()[5].clone();
    assert_eq!(cpu(&round.rows[1]), "-");
    assert_eq!(cpu(&round.rows[0]) == "-", cfg!(not(target_os = "linux")));
    assert_eq!(round.rows[0].cells()[3..5], ["7".to_owned(), "2/5".to_owned()]);
    let table = round.table();
    let sum = table.lines().last().unwrap();
    assert_eq!(sum.split_whitespace().nth(1), Some("-"), "a part of a sum is no sum: {table}");
}

#[test]
fn a_table_has_a_line_for_each_plan_and_the_sums() {
    let mut round = Round::new(plans(&["one-gnu", "two-musl", "three", "four", "five"]), Vec::new());
    let results = [
        (
            State::Built,
            Some(2218),
            Some((2000, 2196)),
            Some(310.26),
            200.04,
            Some(19 << 20),
            Some("natively"),
        ),
        (State::NothingToDo, None, None, Some(0.1), 0.1, Some(20 << 20), Some("by qemu-aarch64")),
        (State::Failed(Error::failed("no")), Some(3), Some((0, 3)), Some(9.0), 8.0, None, None),
        (State::Stopped(Error::stopped("no")), None, None, Some(1.0), 1.0, None, None),
        (State::Open, None, None, Some(0.0), 0.0, None, None),
    ];
    for (row, (state, steps, hits, cpu_s, wall_s, archive_bytes, ran)) in round.rows.iter_mut().zip(results) {
        row.state = state;
        row.figures = Figures { steps, hits, cpu_s, wall_s, archive_bytes, ran: ran.map(str::to_owned) };
    }
    let expected = "
target    variant  result         steps       hits  CPU s  wall s  archive MiB  ran
one-gnu   v        built           2218  2000/2196  310.3   200.0         19.0  natively
two-musl  v        nothing to do      -          -      -       -         20.0  by qemu-aarch64
three     v        FAILED             3        0/3    9.0     8.0            -  -
four      v        STOPPED            -          -    1.0     1.0            -  -
five      v        not begun          -          -      -       -            -  -
all                                                 320.4   209.1
";
    assert_eq!(format!("\n{}", round.table()), expected);
}
