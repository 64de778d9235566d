//! Committed lists of symbols: headings, and below each, indented, the symbols that belong to it. `#` begins a comment.

#[cfg(test)]
pub mod generate;

use std::collections::BTreeSet;

use crate::library::read::Machine;

/// The processors, as headings name them.
pub const PROCESSORS: &[(Machine, &str)] = &[(Machine::X86_64, "x86_64"), (Machine::Aarch64, "aarch64")];

/// What headings call a processor, if there are lists for it.
pub fn processor(machine: Machine) -> Option<&'static str> {
    PROCESSORS.iter().find(|processor| processor.0 == machine).map(|processor| processor.1)
}

/// Each heading with its symbols, in the list's order.
pub fn sections(list: &'static str) -> Vec<(&'static str, Vec<&'static str>)> {
    let mut sections: Vec<(_, Vec<_>)> = Vec::new();
    for line in list.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        match line.strip_prefix("  ") {
            Some(names) => {
                let (_, symbols) = sections.last_mut().expect("a list's symbols stand below their heading");
                symbols.extend(names.split(' '));
            }
            None => sections.push((line, Vec::new())),
        }
    }
    sections
}

/// The symbols of one processor, out of a list whose headings are `all` and processors.
pub fn of_processor(list: &'static str, machine: Machine) -> Option<BTreeSet<&'static str>> {
    let processor = processor(machine)?;
    let ours = sections(list).into_iter().filter(|(heading, _)| *heading == "all" || *heading == processor);
    Some(ours.flat_map(|(_, symbols)| symbols).collect())
}
