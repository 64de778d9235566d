//! GN arguments: the layers of `gn-args/`, merged in order, each argument with the layer that set it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use crate::error::{self, Error, IoContext as _, Result};
use crate::source::applies::{AppliesTo, holds};
use crate::source::{Kind, V8Version};

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
///
/// An argument whose comment has a line `Applies-to: source=…; v8=…` is there for such a V8 alone.
pub fn merge<'a>(
    folder: &Path,
    names: impl IntoIterator<Item = &'a String>,
    source: Kind,
    v8: V8Version,
) -> Result<Arguments> {
    let mut merged = Arguments::new();
    let mut faults = Vec::new();
    for name in names {
        let path = folder.join(format!("{name}.gn"));
        let text = std::fs::read_to_string(&path).or_io("read", &path)?;
        merge_layer(&mut merged, name, &text, (source, v8), &mut faults);
    }
    if faults.is_empty() { Ok(merged) } else { Err(Error::all(error::Kind::Usage, "gn-args", &faults)) }
}

fn merge_layer(
    merged: &mut Arguments,
    layer: &str,
    text: &str,
    (source, v8): (Kind, V8Version),
    faults: &mut Vec<String>,
) {
    let mut reason = String::new();
    let mut applies_to: Option<AppliesTo> = None;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        let mut fault = |what: String| faults.push(format!("{layer}.gn:{}: {what}", number + 1));
        if line.is_empty() {
            reason.clear();
            applies_to = None;
        } else if let Some(says) = line.strip_prefix("# Applies-to:") {
            match AppliesTo::parse(says.trim()) {
                Ok(_) if applies_to.is_some() => fault("Applies-to stands there twice".to_owned()),
                Ok(says) => applies_to = Some(says),
                Err(what) => fault(format!("Applies-to: {what}")),
            }
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
            } else if holds(applies_to.as_ref(), source, v8) {
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
            applies_to = None;
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

    const V8: (Kind, V8Version) = (Kind::Crate, V8Version([15, 2, 124, 1]));

    fn merged(layers: &[(&str, &str)]) -> Result<String, String> {
        let mut merged = Arguments::new();
        let mut faults = Vec::new();
        for (name, text) in layers {
            merge_layer(&mut merged, name, text, V8, &mut faults);
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
    fn an_argument_can_be_for_some_versions_and_sources() {
        let check = |says: &str, expected: Result<&str, &str>| {
            let text = format!("# why\n# Applies-to: {says}\nx = 1\n# why\ny = 2\n");
            assert_eq!(merged(&[("a", &text)]).as_deref().map_err(String::as_str), expected);
        };
        check("source=*; v8=>=15.2", Ok("x = 1\ny = 2\n"));
        check("source=crate; v8=>=15.3", Ok("y = 2\n"));
        check("source=node; v8=*", Ok("y = 2\n"));
        check("v8=*", Err("a.gn:2: Applies-to: it does not say source"));
        check("source=*; v8=*\n# Applies-to: source=*; v8=*", Err("a.gn:3: Applies-to stands there twice"));
        // One argument with two values, each for its own versions, shadows nothing.
        let two =
            "# why\n# Applies-to: source=*; v8=<15\nx = 1\n# why\n# Applies-to: source=*; v8=>=15\nx = 2\n";
        assert_eq!(merged(&[("a", two)]).unwrap(), "x = 2\n");
        let layers: [(&str, &str); 1] = [("a", "# Applies-to: source=*; v8=*\nx = 1\n")];
        assert_eq!(merged(&layers).unwrap_err(), "a.gn:2: x has no reason: write one on the line above");
    }

    #[test]
    fn explain_knows_the_history() {
        let mut merged = Arguments::new();
        for (name, text) in [
            ("a", "# one\nx = 1\n"),
            ("b", "# Overrides a: two\nx = 2\n"),
            ("c", "# Overrides b: three\nx = 3\n"),
        ] {
            merge_layer(&mut merged, name, text, V8, &mut Vec::new());
        }
        assert_eq!(merged["x"].overrides, ["a", "b"]);
        assert_eq!(merged["x"].reason, "Overrides b: three");
    }
}
