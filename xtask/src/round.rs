//! A round over several plans, one after the other: one that fails does not lose the others, and a table says what became of each.

use std::time::Instant;

use crate::compile::Statistics;
use crate::error::{Error, Kind, Result};
use crate::plan::Plan;
use crate::process;

/// What has become of a plan.
#[derive(Debug)]
pub enum State {
    /// There is work left.
    Open,
    /// Its archive was made, verified, and has run.
    Built,
    /// All that was so before.
    NothingToDo,
    /// The work failed, with an error that has been shown if there are other plans.
    Failed(Error),
    /// The deadline or a signal stopped it.
    Stopped(Error),
    /// One of `all` that cannot be built.
    LeftOut,
}

/// What a plan cost and gave, as far as it is known.
#[derive(Debug, Default)]
pub struct Figures {
    /// Steps of ninja.
    pub steps: Option<u32>,
    /// Compiles that a cache answered, and compiles in all.
    pub hits: Option<(u64, u64)>,
    /// User and system time of everything done for it, in seconds.
    pub cpu_s: Option<f64>,
    /// Wall time, in seconds.
    pub wall_s: f64,
    /// Length of the archive.
    pub archive_bytes: Option<u64>,
    /// What ran its programs.
    pub ran: Option<String>,
}

impl Figures {
    /// What compiling was like.
    pub fn compiled(&mut self, statistics: &Statistics) {
        self.steps = Some(statistics.steps);
        self.hits = Some((statistics.cache_hits, statistics.cache_hits + statistics.cache_misses));
        if statistics.cpu_s.is_none() {
            // What a server did that is no child of ours is in no sum.
            self.cpu_s = None;
        }
    }
}

/// One plan of the round.
#[derive(Debug)]
struct Row {
    plan: Plan,
    state: State,
    figures: Figures,
}

/// All plans of a command.
#[derive(Debug)]
pub struct Round {
    rows: Vec<Row>,
}

impl Round {
    /// `plans` are worked on, in that order; `left_out` only stands in the table.
    pub fn new(plans: Vec<Plan>, left_out: Vec<Plan>) -> Round {
        let row =
            |plan, state| Row { plan, state, figures: Figures { cpu_s: Some(0.0), ..Figures::default() } };
        let open = plans.into_iter().map(|plan| row(plan, State::Open));
        let rows = open.chain(left_out.into_iter().map(|plan| row(plan, State::LeftOut))).collect();
        Round { rows }
    }

    /// The plans with work left.
    pub fn open(&self) -> Vec<Plan> {
        let open = self.rows.iter().filter(|row| matches!(row.state, State::Open));
        open.map(|row| row.plan.clone()).collect()
    }

    /// Whether one plan is all there is: then its error is the command's, and there is no table.
    pub fn is_single(&self) -> bool {
        self.rows.len() == 1
    }

    /// Does `work` for each plan with work left. After one that fails come the others; after one that was stopped comes none.
    pub fn each(&mut self, work: &mut dyn FnMut(&Plan, &mut Figures) -> Result<State>) {
        if self.rows.iter().any(|row| matches!(row.state, State::Stopped(_))) {
            return;
        }
        let is_single = self.is_single();
        for row in self.rows.iter_mut().filter(|row| matches!(row.state, State::Open)) {
            let (started, cpu_before_s) = (Instant::now(), process::own_and_children_cpu_s());
            let result = work(&row.plan, &mut row.figures);
            row.figures.wall_s += started.elapsed().as_secs_f64();
            let before_s = row.figures.cpu_s.zip(cpu_before_s);
            let after_s = process::own_and_children_cpu_s();
            row.figures.cpu_s =
                before_s.zip(after_s).map(|((sum_s, before_s), after_s)| sum_s + after_s - before_s);
            match result {
                Ok(state) => row.state = state,
                Err(error) if error.exit_code() == 75 => {
                    row.state = State::Stopped(error);
                    return;
                }
                Err(error) => {
                    let error = if is_single { error } else { error.about(&name(&row.plan)) };
                    if !is_single {
                        eprintln!("{error}");
                    }
                    row.state = State::Failed(error);
                }
            }
        }
    }

    /// The table, with a line for each plan and the sums.
    pub fn table(&self) -> String {
        let heads = ["target", "variant", "result", "steps", "hits", "CPU s", "wall s", "archive MiB", "ran"];
        let mut lines = vec![heads.map(str::to_owned)];
        lines.extend(self.rows.iter().map(Row::cells));
        let worked = || self.rows.iter().map(|row| &row.figures);
        let mut sum = [const { String::new() }; 9];
        sum[0] = "all".to_owned();
        sum[5] = known(worked().map(|figures| figures.cpu_s).sum::<Option<f64>>(), 1);
        sum[6] = format!("{:.1}", worked().map(|figures| figures.wall_s).sum::<f64>());
        lines.push(sum);
        let widths: [usize; 9] = std::array::from_fn(|column| {
            lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0)
        });
        let mut text = String::new();
        for line in lines {
            let mut row = String::new();
            for (column, (cell, width)) in line.iter().zip(widths).enumerate() {
                // Figures are read from their last digit.
                let is_figure = (3..=7).contains(&column);
                row.push_str(&if is_figure {
                    format!("{cell:>width$}  ")
                } else {
                    format!("{cell:<width$}  ")
                });
            }
            text.push_str(row.trim_end());
            text.push('\n');
        }
        for row in self.rows.iter().filter(|row| matches!(row.state, State::LeftOut)) {
            text.push_str(&format!("not built: {}\n", row.plan.refusal()));
        }
        text
    }

    /// An error if a plan was stopped or has failed. `again` is the command that goes on.
    ///
    /// Stopped wins over failed: there are plans that nobody has tried yet, and the same command tries the failed ones too.
    pub fn verdict(self, again: &str) -> Result<()> {
        let is_single = self.is_single();
        let count = self.rows.iter().filter(|row| !matches!(row.state, State::LeftOut)).count();
        let (mut failed, mut errors) = (Vec::new(), Vec::new());
        for row in self.rows {
            match row.state {
                State::Stopped(error) if is_single => return Err(error.help(again)),
                State::Stopped(error) => return Err(error.about(&name(&row.plan)).help(again)),
                State::Failed(error) => {
                    failed.push(name(&row.plan));
                    errors.push(error);
                }
                State::Open | State::Built | State::NothingToDo | State::LeftOut => {}
            }
        }
        match errors.len() {
            0 => Ok(()),
            1 if is_single => Err(errors.remove(0)),
            number => {
                let what = format!("{number} of {count} targets failed, as said above");
                let is_input = errors.iter().all(|error| error.exit_code() == 2);
                Err(Error::all(if is_input { Kind::Usage } else { Kind::Failed }, &what, &failed).help(again))
            }
        }
    }
}

impl Row {
    fn cells(&self) -> [String; 9] {
        let figures = &self.figures;
        let result = match &self.state {
            State::Open => "not begun",
            State::Built => "built",
            State::NothingToDo => "nothing to do",
            State::Failed(_) => "FAILED",
            State::Stopped(_) => "STOPPED",
            State::LeftOut if self.plan.missing_here.is_some() => "not here",
            State::LeftOut => "planned only",
        };
        let was_worked_on = !matches!(self.state, State::Open | State::LeftOut | State::NothingToDo);
        let times = |text: String| if was_worked_on { text } else { "-".to_owned() };
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        [
            self.plan.target.clone(),
            self.plan.variant.clone(),
            result.to_owned(),
            or_dash(figures.steps.map(|steps| steps.to_string())),
            or_dash(figures.hits.map(|(hits, of)| format!("{hits}/{of}"))),
            times(known(figures.cpu_s, 1)),
            times(format!("{:.1}", figures.wall_s)),
            known(figures.archive_bytes.map(|bytes| bytes as f64 / f64::from(1 << 20)), 1),
            or_dash(figures.ran.clone()),
        ]
    }
}

fn name(plan: &Plan) -> String {
    format!("{} {}", plan.target, plan.variant)
}

fn known(value: Option<f64>, digits: usize) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.digits$}"))
}

#[cfg(test)]
mod tests;
