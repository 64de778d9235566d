//! What Node sets of V8: read from its gyp files and its configure, as text, and compared with V8's own defaults.

use std::collections::BTreeMap;

use serde::Serialize;

/// One setting that Node has otherwise than V8.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Setting {
    /// Its gyp variable.
    pub name: String,
    /// V8's own value; nothing if V8's gyp files do not know it.
    pub plain: Option<String>,
    /// Node's.
    pub node: String,
    /// The file that sets it.
    pub set_by: &'static str,
}

/// The files that say it.
pub struct Texts<'a> {
    /// V8's defaults.
    pub features: &'a str,
    /// Node's, for its addons too.
    pub common: &'a str,
    /// What Node's configure sets whatever it is asked for.
    pub configure: &'a str,
}

/// Node's version and the number of its addons' interface, out of `src/node_version.h`.
pub fn versions(header: &str) -> Option<(String, u32)> {
    let value = |name: &str| {
        let words = header.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let mut found = words.filter_map(|words| match words.as_slice() {
            ["#define", found, value] if *found == name => value.parse::<u32>().ok(),
            _ => None,
        });
        found.next()
    };
    let [major, minor, patch] =
        ["MAJOR", "MINOR", "PATCH"].map(|part| value(&format!("NODE_{part}_VERSION")));
    Some((format!("{}.{}.{}", major?, minor?, patch?), value("NODE_MODULE_VERSION")?))
}

/// Where Node differs, in the order of names. What hangs on a condition (a processor, an option) is not among it.
pub fn differences(texts: &Texts<'_>) -> Vec<Setting> {
    let plain = assignments(texts.features);
    let mut node: BTreeMap<String, (String, &'static str)> = BTreeMap::new();
    for (name, value) in assignments(texts.common) {
        node.insert(name, (value, "common.gypi"));
    }
    for (name, value) in configured(texts.configure) {
        node.insert(name, (value, "configure.py"));
    }
    let differ = node.into_iter().filter_map(|(name, (value, set_by))| {
        let plain = plain.get(&name).cloned();
        let is_same = match &plain {
            Some(plain) => truth(plain) == truth(&value),
            // A variable that V8's files test without a default is off.
            None => truth(&value) == "0",
        };
        (!is_same).then_some(Setting { name, plain, node: value, set_by })
    });
    differ.collect()
}

/// gyp's conditions take `true` for a word, Node's files take it for 1.
fn truth(value: &str) -> &str {
    match value {
        "true" => "1",
        "false" => "0",
        other => other,
    }
}

/// `'v8_name%': value,` lines of the file's `variables`, those in conditions left out.
fn assignments(text: &str) -> BTreeMap<String, String> {
    /// Inside the file and `variables`.
    const DEPTH: i32 = 2;
    let mut found = BTreeMap::new();
    let mut depth = 0;
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let here = depth;
        depth += line.chars().map(|c| i32::from("{[".contains(c)) - i32::from("}]".contains(c))).sum::<i32>();
        if here != DEPTH {
            continue;
        }
        let Some((name, value)) = line.strip_suffix(',').unwrap_or(line).split_once(':') else { continue };
        let name = name.trim().trim_matches('\'').trim_end_matches('%');
        if let (true, Some(value)) = (name.starts_with("v8_"), literal(value.trim())) {
            found.entry(name.to_owned()).or_insert(value);
        }
    }
    found
}

/// `o['variables']['v8_name'] = value` lines of configure whose value is no expression.
fn configured(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter_map(|line| {
        // What stands further in is under a condition.
        let (name, value) = line.strip_prefix("  o['variables']['")?.split_once("'] = ")?;
        let value = literal(value.split(" #").next()?.trim())?;
        name.starts_with("v8_").then(|| (name.to_owned(), value))
    });
    lines.collect()
}

/// A number or a string.
fn literal(text: &str) -> Option<String> {
    let quoted = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    match quoted {
        Some(inner) if !inner.contains(['\'', '<', '>']) => Some(inner.to_owned()),
        Some(_) => None,
        None => text.parse::<i64>().is_ok().then(|| text.to_owned()),
    }
}
