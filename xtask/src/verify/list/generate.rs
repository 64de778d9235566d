//! What the tests that make the committed lists share.

use std::collections::{BTreeMap, BTreeSet};

use super::PROCESSORS;
use crate::{env, paths};

/// What all processors have as `all`, and by processor what only it has; `None` if `symbols` gives that for one.
pub fn by_processor(
    mut symbols: impl FnMut(&str) -> Option<BTreeSet<String>>,
) -> Option<BTreeMap<&'static str, BTreeSet<String>>> {
    let mut groups = BTreeMap::new();
    for (_, processor) in PROCESSORS {
        groups.insert(*processor, symbols(processor)?);
    }
    let all = groups.values().cloned().reduce(|all, some| &all & &some)?;
    groups.values_mut().for_each(|group| *group = &*group - &all);
    groups.insert("all", all);
    Some(groups)
}

/// A heading, and below it what belongs to it, indented, in lines of 120 columns.
pub fn push_group<'a>(out: &mut String, heading: &str, symbols: impl IntoIterator<Item = &'a str>) {
    out.push_str(&format!("{heading}\n"));
    let mut line = String::from(" ");
    for symbol in symbols {
        if line.len() + 1 + symbol.len() > 120 {
            out.push_str(&line);
            out.push('\n');
            line = String::from(" ");
        }
        line.push(' ');
        line.push_str(symbol);
    }
    out.push_str(&line);
    out.push('\n');
}

/// Compares a list of this folder with what Zig's files give, or writes it anew.
pub fn compare(file: &str, new: &str, committed: &str) {
    if env::update_snapshots() {
        std::fs::write(paths::repository().join("xtask/src/verify").join(file), new).unwrap();
    } else {
        assert!(new == committed, "{file} is not what Zig's files give: UPDATE_SNAPSHOTS=1 writes it anew");
    }
}
