//! What a program printed, read and judged. The language is described in `smoke/README.md`.

use super::table::Expectation;

/// A row or behaviour that a program has to report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// As in the transcript.
    pub name: String,
    /// For the report of a failure: the row's script, or what stands for it.
    pub source: String,
    /// What it must answer.
    pub expectation: Expectation,
}

/// A check that failed, with all that is needed to look into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The row or behaviour.
    pub name: String,
    /// Its script.
    pub source: String,
    /// What it must answer.
    pub expected: String,
    /// What it answered.
    pub got: String,
}

/// The judgement on one transcript.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    /// Checks that answered as they must.
    pub passed: usize,
    /// Checks that answered otherwise, in order.
    pub failures: Vec<Failure>,
    /// Checks that never began, in order.
    pub not_run: Vec<String>,
    /// The check that had begun and has no answer: where a program crashed or hung.
    pub running: Option<String>,
    /// Whether the program said that it came to its end.
    pub ended: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Answer {
    status: String,
    text: String,
    stack: String,
}

#[derive(Debug, Default)]
struct Transcript {
    /// In the order in which they began.
    ran: Vec<(String, Option<Answer>)>,
    ended: bool,
}

/// Other lines are not the transcript's: V8 prints its own last words to stdout.
const STATUS: [&str; 5] = ["value", "threw", "terminated", "out-of-memory", "invalid"];

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, true) => match chars.next() {
                Some('n') => out.push('\n'),
                Some('r') => out.push('\r'),
                Some(other) => out.push(other),
                None => out.push('\\'),
            },
            (c, false) => out.push(c),
        }
    }
    out
}

fn parse(text: &str) -> Transcript {
    let mut transcript = Transcript::default();
    let mut stack: Option<(&str, String)> = None;
    for line in text.split('\n') {
        // The C library of Windows ends lines so; values have their own escaped.
        let line = line.strip_suffix('\r').unwrap_or(line);
        let mut words = line.splitn(3, ' ');
        let (word, name, rest) =
            (words.next().unwrap_or(""), words.next().unwrap_or(""), words.next().unwrap_or(""));
        match word {
            "end" if line == "end" => transcript.ended = true,
            "run" => transcript.ran.push((name.to_owned(), None)),
            "stack" => stack = Some((name, unescape(rest))),
            _ if STATUS.contains(&word) => {
                // An answer belongs to the check that began last, and to no other.
                if let Some((running, answer @ None)) = transcript.ran.last_mut()
                    && running == name
                {
                    let stack = stack
                        .take()
                        .filter(|(of, _)| *of == name)
                        .map(|(_, stack)| stack)
                        .unwrap_or_default();
                    *answer = Some(Answer { status: word.to_owned(), text: unescape(rest), stack });
                }
            }
            _ => {}
        }
    }
    transcript
}

fn holds(expectation: &Expectation, answer: &Answer) -> bool {
    match expectation {
        Expectation::Value(value) => answer.status == "value" && answer.text == *value,
        Expectation::Throws { message, stack } => {
            answer.status == "threw"
                && answer.text.starts_with(message)
                && stack.as_ref().is_none_or(|stack| answer.stack.contains(stack))
        }
    }
}

fn describe(expectation: &Expectation) -> String {
    match expectation {
        Expectation::Value(value) => format!("value {value:?}"),
        Expectation::Throws { message, stack: None } => format!("threw {message:?}..."),
        Expectation::Throws { message, stack: Some(stack) } => {
            format!("threw {message:?}..., its stack containing {stack:?}")
        }
    }
}

fn describe_answer(answer: &Answer) -> String {
    let stack =
        if answer.stack.is_empty() { String::new() } else { format!(", its stack {:?}", answer.stack) };
    format!("{} {:?}{stack}", answer.status, answer.text)
}

/// Holds a transcript against what it had to contain. A check that is not in it has not passed.
pub fn judge(text: &str, checks: &[Check]) -> Verdict {
    let transcript = parse(text);
    let mut verdict = Verdict { ended: transcript.ended, ..Verdict::default() };
    for check in checks {
        match transcript.ran.iter().find(|(name, _)| *name == check.name) {
            None => verdict.not_run.push(check.name.clone()),
            Some((name, None)) => verdict.running = Some(name.clone()),
            Some((_, Some(answer))) if holds(&check.expectation, answer) => verdict.passed += 1,
            Some((name, Some(answer))) => verdict.failures.push(Failure {
                name: name.clone(),
                source: check.source.clone(),
                expected: describe(&check.expectation),
                got: describe_answer(answer),
            }),
        }
    }
    verdict
}

/// The text that `name` answered, for the demonstration.
pub fn answer(text: &str, name: &str) -> Option<String> {
    parse(text).ran.into_iter().find(|(ran, _)| ran == name)?.1.map(|answer| answer.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checks() -> Vec<Check> {
        let check =
            |name: &str, expectation| Check { name: name.into(), source: format!("{name}()"), expectation };
        vec![
            check("a", Expectation::Value("1\n\\2".into())),
            check(
                "b",
                Expectation::Throws { message: "TypeError: x".into(), stack: Some("at f (b.js:1:2)".into()) },
            ),
            check("c", Expectation::Value(String::new())),
        ]
    }

    const GOOD: &str = "run a\nvalue a 1\\n\\\\2\nrun b\nstack b TypeError: x y\\n    at f (b.js:1:2)\nthrew b TypeError: x y\nrun c\nvalue c \nend\n";

    #[track_caller]
    fn check(text: &str, expected: Verdict) {
        assert_eq!(judge(text, &checks()), expected);
    }

    #[test]
    fn a_good_transcript_passes() {
        check(GOOD, Verdict { passed: 3, ended: true, ..Verdict::default() });
        assert_eq!(answer(GOOD, "a").as_deref(), Some("1\n\\2"));
        assert_eq!(answer(GOOD, "z"), None);
    }

    #[test]
    fn every_wrong_answer_is_told() {
        let text = "run a\nvalue a 2\nrun b\nstack b TypeError: x\nthrew b TypeError: x\nrun c\nout-of-memory c heap\nend\n";
        let failure = |name: &str, expected: &str, got: &str| Failure {
            name: name.into(),
            source: format!("{name}()"),
            expected: expected.into(),
            got: got.into(),
        };
        check(
            text,
            Verdict {
                failures: vec![
                    failure("a", r#"value "1\n\\2""#, r#"value "2""#),
                    failure(
                        "b",
                        r#"threw "TypeError: x"..., its stack containing "at f (b.js:1:2)""#,
                        r#"threw "TypeError: x", its stack "TypeError: x""#,
                    ),
                    failure("c", r#"value """#, r#"out-of-memory "heap""#),
                ],
                ended: true,
                ..Verdict::default()
            },
        );
    }

    /// The same text is not the same answer when it was thrown.
    #[test]
    fn the_status_counts() {
        let verdict = judge(&GOOD.replace("value c", "threw c").replace("threw b", "value b"), &checks());
        assert_eq!((verdict.passed, verdict.failures.len()), (1, 2));
    }

    #[test]
    fn what_did_not_run_has_not_passed() {
        let not_run = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        check("", Verdict { not_run: not_run(&["a", "b", "c"]), ..Verdict::default() });
        check("end\n", Verdict { not_run: not_run(&["a", "b", "c"]), ended: true, ..Verdict::default() });
        check(
            "run a\nvalue a 1\\n\\\\2\nrun b\n# Fatal error in v8::Isolate\n",
            Verdict { passed: 1, running: Some("b".into()), not_run: not_run(&["c"]), ..Verdict::default() },
        );
        // An answer without its `run`, or after another began, is nobody's.
        check("value a 1\\n\\\\2\n", Verdict { not_run: not_run(&["a", "b", "c"]), ..Verdict::default() });
    }

    #[test]
    fn a_stack_belongs_to_the_next_line_of_its_name() {
        let text = GOOD.replace("stack b", "stack a");
        assert_eq!(judge(&text, &checks()).failures.len(), 1);
    }
}
