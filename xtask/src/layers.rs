//! GN arguments: the layers of `gn-args/`, merged in order, each argument with the layer that set it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use crate::error::{Error, IoContext as _, Kind, Result};

/// One argument, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Argument {
    /// As GN reads it: `true`, `"x64"`.
    pub value: String,
    /// The layer that set it.
    pub layer: String,
    /// Why, in that layer's words.
    pub reason: String,
    /// The layers whose value it replaced, the first one first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<String>,
}

/// Arguments by name.
pub type Arguments = BTreeMap<String, Argument>;

/// Reads and merges `names` from `folder`. All faults of all layers are reported together.
///
/// An argument that an earlier layer has set may be set again only below a reason that begins with `Overrides NAME:`,
/// NAME being that layer: shadowing in silence is how a build loses what a reviewer believes it has.
pub fn merge<'a>(folder: &Path, names: impl IntoIterator<Item = &'a String>) -> Result<Arguments> {
    let mut merged = Arguments::new();
    let mut faults = Vec::new();
    for name in names {
        let path = folder.join(format!("{name}.gn"));
        let text = std::fs::read_to_string(&path).or_io("read", &path)?;
        merge_layer(&mut merged, name, &text, &mut faults);
    }
    if faults.is_empty() { Ok(merged) } else { Err(Error::all(Kind::Usage, "gn-args", &faults)) }
}

fn merge_layer(merged: &mut Arguments, layer: &str, text: &str, faults: &mut Vec<String>) {
    let mut reason = String::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        let mut fault = |what: String| faults.push(format!("{layer}.gn:{}: {what}", number + 1));
        if line.is_empty() {
            reason.clear();
        } else if let Some(comment) = line.strip_prefix('#') {
            if !reason.is_empty() {
                reason.push(' ');
            }
            reason.push_str(comment.trim());
        } else if let Some((name, value)) = line.split_once(" = ") {
            let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            if name.is_empty() || !name.chars().all(is_name) {
                fault(format!("{name:?} is no name of a GN argument"));
            } else if reason.is_empty() {
                fault(format!("{name} has no reason: write one on the line above"));
            } else {
                let mut overrides = Vec::new();
                if let Some(earlier) = merged.get(name) {
                    if !reason.starts_with(&format!("Overrides {}:", earlier.layer)) {
                        fault(format!(
                            "{name} is {} in layer {}; to replace it, begin the reason with \"Overrides {}:\"",
                            earlier.value, earlier.layer, earlier.layer
                        ));
                    }
                    overrides = [earlier.overrides.clone(), vec![earlier.layer.clone()]].concat();
                }
                let argument = Argument {
                    value: value.trim().to_owned(),
                    layer: layer.to_owned(),
                    reason: std::mem::take(&mut reason),
                    overrides,
                };
                merged.insert(name.to_owned(), argument);
            }
            reason.clear();
        } else {
            fault(format!("{line:?} is neither `name = value` nor a comment"));
        }
    }
}

/// The text of an `args.gn`.
pub fn args_gn(arguments: &Arguments) -> String {
    arguments.iter().map(|(name, argument)| format!("{name} = {}\n", argument.value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(layers: &[(&str, &str)]) -> Result<String, String> {
        let mut merged = Arguments::new();
        let mut faults = Vec::new();
        for (name, text) in layers {
            merge_layer(&mut merged, name, text, &mut faults);
        }
        if faults.is_empty() { Ok(args_gn(&merged)) } else { Err(faults.join("\n")) }
    }

    #[test]
    fn layers_merge_in_order() {
        let check = |layers: &[(&str, &str)], expected: Result<&str, &str>| {
            assert_eq!(merged(layers).as_deref().map_err(String::as_str), expected);
        };
        check(&[("a", "# why\nx = 1\n"), ("b", "# why\ny = \"s\"\n")], Ok("x = 1\ny = \"s\"\n"));
        check(&[("a", "# why\nx = 1\n"), ("b", "# Overrides a: more\nx = 2\n")], Ok("x = 2\n"));
        check(
            &[("a", "# why\nx = 1\n"), ("b", "# why\nx = 2\n")],
            Err("b.gn:2: x is 1 in layer a; to replace it, begin the reason with \"Overrides a:\""),
        );
        // Twice in one layer is shadowing too.
        check(
            &[("a", "# why\nx = 1\n# why\nx = 1\n")],
            Err("a.gn:4: x is 1 in layer a; to replace it, begin the reason with \"Overrides a:\""),
        );
        check(&[("a", "x = 1\n")], Err("a.gn:1: x has no reason: write one on the line above"));
        check(&[("a", "# head\n\nx = 1\n")], Err("a.gn:3: x has no reason: write one on the line above"));
        check(&[("a", "# why\nx=1\n")], Err("a.gn:2: \"x=1\" is neither `name = value` nor a comment"));
        check(&[("a", "# why\nX y = 1\n")], Err("a.gn:2: \"X y\" is no name of a GN argument"));
    }

    #[test]
    fn explain_knows_the_history() {
        let mut merged = Arguments::new();
        for (name, text) in [
            ("a", "# one\nx = 1\n"),
            ("b", "# Overrides a: two\nx = 2\n"),
            ("c", "# Overrides b: three\nx = 3\n"),
        ] {
            merge_layer(&mut merged, name, text, &mut Vec::new());
        }
        assert_eq!(merged["x"].overrides, ["a", "b"]);
        assert_eq!(merged["x"].reason, "Overrides b: three");
    }
}
