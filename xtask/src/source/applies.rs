//! What something in this repository holds for: the language of `Applies-to`, which patches, layers and tables share.
//!
//! `source=crate,node; v8=>=15.0,<16`: `source` is `*` or names, `v8` a [`VersionRange`]. Commas stand between several.

use serde::{Deserialize, Deserializer};

use super::Kind;
use super::version::{V8Version, VersionRange};

/// Sources and versions of V8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliesTo {
    /// `None` for every source.
    sources: Option<Vec<Kind>>,
    v8: VersionRange,
}

impl AppliesTo {
    /// Reads `source=…; v8=…`, in any order.
    pub fn parse(text: &str) -> Result<AppliesTo, String> {
        let [source, v8] = keyed(text.split(';'), '=', ["source", "v8"])?;
        AppliesTo::of(&source, &v8)
    }

    /// Reads the two values.
    pub fn of(source: &str, v8: &str) -> Result<AppliesTo, String> {
        let known = |name: &String| Kind::from_name(name).ok_or_else(|| format!("'{name}' is no source"));
        let sources = match source {
            "*" => None,
            names => Some(list(names).iter().map(known).collect::<Result<_, _>>()?),
        };
        Ok(AppliesTo { sources, v8: v8.parse()? })
    }

    /// Whether it holds for V8 of this version out of this source.
    pub fn contains(&self, source: Kind, v8: V8Version) -> bool {
        self.sources.as_ref().is_none_or(|sources| sources.contains(&source)) && self.v8.contains(v8)
    }
}

impl<'de> Deserialize<'de> for AppliesTo {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<AppliesTo, D::Error> {
        let text = String::deserialize(deserializer)?;
        AppliesTo::parse(&text).map_err(|what| serde::de::Error::custom(format!("applies_to: {what}")))
    }
}

/// Whether what says this, or nothing, holds.
pub fn holds(says: Option<&AppliesTo>, source: Kind, v8: V8Version) -> bool {
    says.is_none_or(|says| says.contains(source, v8))
}

/// What stands between commas.
pub fn list(value: &str) -> Vec<String> {
    value.split(',').map(|item| item.trim().to_owned()).collect()
}

/// Exactly these keys, each once, in any order, each with a value.
pub fn keyed<'a, const N: usize>(
    items: impl Iterator<Item = &'a str>,
    mark: char,
    keys: [&str; N],
) -> Result<[String; N], String> {
    let mut values: [Option<String>; N] = [const { None }; N];
    for item in items {
        let (key, value) = item.split_once(mark).unwrap_or((item, ""));
        let (key, value) = (key.trim(), value.trim());
        let at = keys.iter().position(|known| *known == key);
        let at = at.ok_or_else(|| format!("'{key}' is not one of {}", keys.join(", ")))?;
        if value.is_empty() {
            return Err(format!("'{key}' has no value"));
        }
        if values[at].replace(value.to_owned()).is_some() {
            return Err(format!("'{key}' stands in it twice"));
        }
    }
    let missing: Vec<&str> =
        keys.iter().zip(&values).filter(|(_, value)| value.is_none()).map(|(key, _)| *key).collect();
    if missing.is_empty() {
        Ok(values.map(Option::unwrap_or_default))
    } else {
        Err(format!("it does not say {}", missing.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_holds_for() {
        let check = |text: &str, source: Kind, v8: &str, expected: bool| {
            let says = AppliesTo::parse(text).unwrap();
            assert_eq!(says.contains(source, v8.parse().unwrap()), expected, "{text} {v8}");
        };
        check("source=*; v8=*", Kind::Node, "13.6.233.17", true);
        check("source=crate; v8=*", Kind::Node, "13.6.233.17", false);
        check("source=crate, node; v8=>=13", Kind::Node, "13.6.233.17", true);
        check("v8=>=14.9,<15.2; source=crate", Kind::Crate, "15.2.124.1", false);
        check("v8=>=14.9,<15.2; source=crate", Kind::Crate, "15.1.0.0", true);
    }

    #[test]
    fn anything_else_is_refused() {
        let check = |text: &str, expected: &str| {
            let error = AppliesTo::parse(text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        };
        check("source=crate", "it does not say v8");
        check("source=crate; v8=", "'v8' has no value");
        check("source=crates; v8=*", "'crates' is no source");
        check("source=crate; v8=15", "'15' is no comparison");
        check("source=crate; v8=*; target=*", "'target' is not one of source, v8");
        check("v8=*; source=*; v8=*", "'v8' stands in it twice");
    }
}
