//! The report as one page of HTML: no script, nothing from elsewhere, and every figure of the drawing in a table too.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{How, Report, Step};

/// Width of the drawing and of the column of times left of it, in its own units, which are about a pixel.
const WIDTH: f64 = 1200.0;
const LEFT: f64 = 62.0;
/// Height of a lane, and of the space between two rows of lanes.
const LANE: f64 = 13.0;
const GAP: f64 = 9.0;
/// How wide a step of middling length is to be, so that two thousand of them can be told apart and pointed at.
const STEP: f64 = 18.0;
/// Files in the table of the slowest.
const SLOWEST: usize = 30;

/// The whole page.
pub fn html(report: &Report) -> String {
    let title = format!("libv8 build: {} {}", escape(&report.target), escape(&report.variant));
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>\n{}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n{}{}{}{}{}{}</main>\n</body>\n</html>\n",
        include_str!("page.css"),
        totals(report),
        timeline(report),
        runs(report),
        targets(report),
        slowest(report),
        all_steps(report),
    )
}

/// Class, and words for people.
fn told(how: How) -> (&'static str, &'static str) {
    match how {
        How::WithHeader => ("with-header", "compiled with a precompiled header"),
        How::Plain => ("plain", "compiled as it stands"),
        How::Again => ("again", "compiled twice: its header did not do"),
        How::Away => ("away", "compiled by another machine"),
        How::Cached => ("cached", "not compiled here: from the cache"),
        How::Unknown => ("unknown", "a compile; whether from the cache is not known"),
        How::Other => ("other", "generated, archived or linked"),
    }
}

fn totals(report: &Report) -> String {
    let length_ms: u64 = report.runs.iter().map(|run| run.length_ms).sum();
    let busy_ms: u64 = report.steps.iter().map(Step::length_ms).sum();
    let count = |how: How| report.steps.iter().filter(|step| step.how == how).count();
    let mut text = String::from("<dl>\n");
    let mut card = |name: &str, value: String, more: String| {
        let _ = writeln!(text, "<div><dt>{name}</dt><dd>{value}<small>{more}</small></dd></div>");
    };
    let runs = match report.runs.len() {
        1 => "one run of ninja".to_owned(),
        many => format!("{many} runs of ninja, without the time between them"),
    };
    card("Wall", time(length_ms), runs);
    card(
        "Steps",
        report.steps.len().to_string(),
        format!("{} of their own wall time, up to {} at once", time(busy_ms), report.lanes),
    );
    let known = report.steps.len() - count(How::Other) - count(How::Unknown);
    let from_cache = match known {
        0 => ("not known".to_owned(), "no compile of these runs went through the tool's shim".to_owned()),
        known => (
            format!("{} of {known}", count(How::Cached)),
            format!("compiles; of {} it is not known", count(How::Unknown)),
        ),
    };
    card("From the cache", from_cache.0, from_cache.1);
    let (wall_ms, cpu_ms) =
        report.headers.iter().fold((0, 0), |sum, one| (sum.0 + one.wall_ms, sum.1 + one.cpu_ms));
    let headers = match report.headers.len() {
        0 => ("not known".to_owned(), "nothing was noted of precompiled headers".to_owned()),
        targets => (
            format!("{} CPU", time(cpu_ms)),
            format!("to make them; GN targets: {targets}; wall: {}", time(wall_ms)),
        ),
    };
    card("Precompiled headers", headers.0, headers.1);
    if let Some(statistics) = &report.statistics {
        let cpu = statistics.cpu_s.map_or("not known".to_owned(), |s| time((s * 1000.0) as u64));
        let is_part = if statistics.is_part { ", which was stopped or failed" } else { "" };
        let of_last = format!(
            "user and system, of the last run{is_part}: {} steps, {} hits, {} misses",
            statistics.steps, statistics.cache_hits, statistics.cache_misses
        );
        card("CPU", cpu, of_last);
        let mib = |bytes: u64| format!("{} MiB", bytes >> 20);
        let memory = statistics.peak_memory_bytes.map_or("not known".to_owned(), mib);
        let largest = statistics.largest_process_bytes.map_or("not known".to_owned(), mib);
        card(
            "Memory at most",
            memory,
            format!("of the last run, sampled each second; largest process: {largest}"),
        );
    }
    text + "</dl>\n"
}

/// Time runs from left to right and then on in the next row, as text does: a build of hours stays readable.
fn timeline(report: &Report) -> String {
    let length_ms: u64 = report.runs.iter().map(|run| run.length_ms).sum();
    let row_ms = row_ms(&report.steps);
    let rows = length_ms.div_ceil(row_ms).max(1);
    let row_height = report.lanes as f64 * LANE + GAP;
    let scale = (WIDTH - LEFT) / row_ms as f64;
    let y_of = |row: u64, lane: usize| row as f64 * row_height + lane as f64 * LANE;
    let mut text = format!(
        "<h2 id=\"timeline\">What ran when</h2>\n<p class=\"quiet\">Each row is {}, read like lines of text; the {} lanes of a row \
         are the processes that ninja kept going at once. ninja does not say on which core a step ran. A vertical line is where ninja was \
         started again. Point at a step for its name; the same stands in the <a href=\"#steps\">table of all steps</a>.</p>\n<ul class=\"legend\">\n",
        time(row_ms),
        report.lanes
    );
    for how in How::ALL {
        let count = report.steps.iter().filter(|step| step.how == how).count();
        let (class, words) = told(how);
        if count > 0 {
            let _ = writeln!(text, "<li><i class=\"{class}\"></i>{words}: {count}</li>");
        }
    }
    let _ = writeln!(
        text,
        "</ul>\n<div class=\"drawing\" tabindex=\"0\" role=\"region\" aria-labelledby=\"timeline\">\n\
         <svg viewBox=\"0 0 {WIDTH} {:.0}\" role=\"img\" aria-label=\"{} steps on {} lanes in {}; the table of all steps says the same\">",
        rows as f64 * row_height,
        report.steps.len(),
        report.lanes,
        time(length_ms)
    );
    for row in 0..rows {
        let y = y_of(row, 0);
        let width = scale * (length_ms - row * row_ms).min(row_ms) as f64;
        let _ = writeln!(text, "<text x=\"0\" y=\"{:.1}\">{}</text>", y + 10.0, clock(row * row_ms));
        for lane in 0..report.lanes {
            let _ = writeln!(
                text,
                "<rect class=\"lane\" x=\"{LEFT}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{}\"/>",
                y_of(row, lane),
                LANE - 1.0
            );
        }
    }
    for step in &report.steps {
        let (class, words) = told(step.how);
        // A step that goes on in the next row is drawn in both.
        for row in step.start_ms / row_ms..=(step.end_ms.max(step.start_ms + 1) - 1) / row_ms {
            let (from, to) = (step.start_ms.max(row * row_ms), step.end_ms.min((row + 1) * row_ms));
            let x = LEFT + (from - row * row_ms) as f64 * scale;
            let width = (to.saturating_sub(from) as f64 * scale - 0.6).max(0.6);
            let y = y_of(row, step.lane);
            let _ = writeln!(
                text,
                "<rect class=\"step {class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{}\"><title>{}\n{}{}: {words}</title></rect>",
                LANE - 1.0,
                escape(&step.output),
                time(step.length_ms()),
                cpu(step).map_or(String::new(), |cpu| format!(", {cpu} CPU")),
            );
            // About six units a letter; the name would only be noise in less.
            let letters = (width / 6.0) as usize;
            if letters >= 8 {
                let name: String = file_name(&step.output).chars().take(letters - 1).collect();
                let _ = writeln!(
                    text,
                    "<text class=\"name\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                    x + 3.0,
                    y + 9.5,
                    escape(&name)
                );
            }
        }
    }
    for run in report.runs.iter().skip(1) {
        let row = run.start_ms / row_ms;
        let x = LEFT + (run.start_ms - row * row_ms) as f64 * scale;
        let (top, bottom) = (y_of(row, 0) - 3.0, y_of(row, report.lanes) + 2.0);
        let _ = writeln!(text, "<path class=\"run\" d=\"M{x:.1} {top:.1}V{bottom:.1}\"/>");
    }
    text + "</svg>\n</div>\n"
}

/// How much time a row holds: a round number, such that the middle step is [`STEP`] wide or a little less.
fn row_ms(steps: &[Step]) -> u64 {
    let mut lengths: Vec<u64> = steps.iter().map(Step::length_ms).collect();
    lengths.sort_unstable();
    let middle = lengths.get(lengths.len() / 2).copied().unwrap_or(0) as f64;
    let wanted_ms = middle * (WIDTH - LEFT) / STEP;
    let round_s = [1, 2, 5, 10, 15, 30, 60, 120, 180, 300, 600, 1200, 1800, 3600];
    let first = round_s.iter().map(|s| s * 1000).find(|ms| *ms as f64 >= wanted_ms);
    first.unwrap_or(3_600_000)
}

fn runs(report: &Report) -> String {
    let mut text = table(
        "Runs of ninja",
        "What later runs did again is left out of the earlier ones.",
        &["Began (UTC)", "Wall", "Steps"],
    );
    for run in &report.runs {
        let _ = writeln!(
            text,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td></tr>",
            date(run.began_ms),
            time(run.length_ms),
            run.steps
        );
    }
    text + "</tbody>\n</table></div>\n"
}

#[derive(Default)]
struct Sums {
    steps: usize,
    compiled: usize,
    cached: usize,
    wall_ms: u64,
    cpu_ms: u64,
    header_ms: u64,
}

fn targets(report: &Report) -> String {
    let mut sums: BTreeMap<&str, Sums> = BTreeMap::new();
    for step in &report.steps {
        let sum = sums.entry(&step.target).or_default();
        sum.steps += 1;
        sum.wall_ms += step.length_ms();
        sum.cpu_ms += step.cpu_ms.unwrap_or(0);
        sum.cached += usize::from(step.how == How::Cached);
        sum.compiled +=
            usize::from(matches!(step.how, How::WithHeader | How::Plain | How::Again | How::Away));
    }
    for headers in &report.headers {
        sums.entry(&headers.target).or_default().header_ms += headers.cpu_ms;
    }
    let total_ms: u64 = report.steps.iter().map(Step::length_ms).sum::<u64>().max(1);
    let mut rows: Vec<(&str, Sums)> = sums.into_iter().collect();
    rows.sort_by_key(|(_, sum)| std::cmp::Reverse(sum.wall_ms));
    let mut text = table(
        "Time by GN target",
        "Wall time of the steps, added up; a step that made the target's precompiled headers has their time too. CPU is that of the \
         compilers that are known to have run.",
        &["Target", "Steps", "Compiled", "From the cache", "Wall", "Share", "", "CPU", "Headers, CPU"],
    );
    for (target, sum) in rows {
        let name = if target.is_empty() { "generated, archived, linked" } else { target };
        let share = sum.wall_ms as f64 * 100.0 / total_ms as f64;
        let known = |ms: u64| if ms == 0 { "–".to_owned() } else { time(ms) };
        // Where nothing is known of any compile, 0 would be a claim.
        let is_known = sum.compiled + sum.cached > 0;
        let count = |count: usize| if is_known { count.to_string() } else { "–".to_owned() };
        let _ = writeln!(
            text,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{share:.1} %</td>\
             <td class=\"bar\"><i style=\"width:{share:.1}%\"></i></td><td>{}</td><td>{}</td></tr>",
            escape(name),
            sum.steps,
            count(sum.compiled),
            count(sum.cached),
            time(sum.wall_ms),
            known(sum.cpu_ms),
            known(sum.header_ms)
        );
    }
    text + "</tbody>\n</table></div>\n"
}

fn slowest(report: &Report) -> String {
    let mut steps: Vec<&Step> = report.steps.iter().collect();
    steps.sort_by_key(|step| (std::cmp::Reverse(step.length_ms()), &step.output));
    steps.truncate(SLOWEST);
    let mut text = table("The slowest", "By wall time.", &["Output", "Wall", "CPU", "What became of it"]);
    for step in steps {
        text.push_str(&row(step, false));
    }
    text + "</tbody>\n</table></div>\n"
}

fn all_steps(report: &Report) -> String {
    let mut text =
        String::from("<details id=\"steps\">\n<summary>All steps in the order of their start</summary>\n");
    text.push_str(&table(
        "",
        "Times from the start of the first run, without the time between runs.",
        &["Output", "Began", "Lane", "Wall", "CPU", "What became of it"],
    ));
    for step in &report.steps {
        text.push_str(&row(step, true));
    }
    text + "</tbody>\n</table></div>\n</details>\n"
}

fn row(step: &Step, with_place: bool) -> String {
    let place = format!("<td>{}</td><td>{}</td>", clock(step.start_ms), step.lane + 1);
    format!(
        "<tr><th scope=\"row\">{}</th>{}<td>{}</td><td>{}</td><td class=\"left\">{}</td></tr>\n",
        escape(&step.output),
        if with_place { place.as_str() } else { "" },
        time(step.length_ms()),
        cpu(step).unwrap_or("–".to_owned()),
        told(step.how).1
    )
}

/// The beginning of a table, up to its body.
fn table(title: &str, caption: &str, columns: &[&str]) -> String {
    let heading = if title.is_empty() { String::new() } else { format!("<h2>{title}</h2>\n") };
    let mut text =
        format!("{heading}<div class=\"table\"><table>\n<caption>{caption}</caption>\n<thead><tr>");
    for (index, column) in columns.iter().enumerate() {
        let class = if index == 0 || column.starts_with("What") { " class=\"left\"" } else { "" };
        // A column of bars says nothing that the one before it does not.
        let cell = if column.is_empty() {
            "<td></td>".to_owned()
        } else {
            format!("<th scope=\"col\"{class}>{column}</th>")
        };
        text.push_str(&cell);
    }
    text + "</tr></thead>\n<tbody>\n"
}

impl Step {
    fn length_ms(&self) -> u64 {
        self.end_ms - self.start_ms
    }
}

fn cpu(step: &Step) -> Option<String> {
    step.cpu_ms.map(time)
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// `0.41 s`, `12.3 s`, `3 min 05 s`, `1 h 05 min`.
fn time(ms: u64) -> String {
    let s = ms as f64 / 1000.0;
    match ms {
        0..10_000 => format!("{s:.2} s"),
        10_000..60_000 => format!("{s:.1} s"),
        _ => crate::ninja::minutes(std::time::Duration::from_millis(ms)),
    }
}

/// `0:04:05`.
fn clock(ms: u64) -> String {
    let s = ms / 1000;
    format!("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
}

/// `2026-11-20 14:00:55`, of milliseconds since 1970, in UTC.
fn date(ms: u64) -> String {
    let (s, mut days) = (ms / 1000, ms / 86_400_000);
    let is_leap =
        |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let mut month = 0;
    let lengths = [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    format!("{year}-{:02}-{:02} {:02}:{:02}:{:02}", month + 1, days + 1, s / 3600 % 24, s / 60 % 60, s % 60)
}

/// Text as it may stand in HTML, in attributes too.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_dates_for_people() {
        let check = |ms: u64, expected: &str| assert_eq!(time(ms), expected);
        check(412, "0.41 s");
        check(12_340, "12.3 s");
        check(185_000, "3 min 05 s");
        assert_eq!(clock(3_905_000), "1:05:05");
        for (ms, expected) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_400_000, "2000-02-29 00:00:00"),
            (1_709_251_199_000, "2024-02-29 23:59:59"),
            (1_795_183_255_348, "2026-11-20 14:00:55"),
        ] {
            assert_eq!(date(ms), expected);
        }
    }

    #[test]
    fn nothing_of_a_name_is_taken_for_html() {
        assert_eq!(escape("a<b>&\"c\"'d'"), "a&lt;b&gt;&amp;&quot;c&quot;&#39;d&#39;");
    }

    #[test]
    fn a_row_is_as_long_as_makes_a_step_of_middling_length_visible() {
        let steps = |ms: u64| {
            vec![Step {
                output: String::new(),
                target: String::new(),
                how: How::Other,
                start_ms: 0,
                end_ms: ms,
                cpu_ms: None,
                lane: 0,
            }]
        };
        for (ms, expected_ms) in
            [(0, 1000), (100, 10_000), (2_800, 180_000), (60_000, 3_600_000), (600_000, 3_600_000)]
        {
            assert_eq!(row_ms(&steps(ms)), expected_ms, "{ms}");
        }
        assert_eq!(row_ms(&[]), 1000);
    }
}
