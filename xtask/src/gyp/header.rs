//! `v8-gn.h` for a V8 that gyp built: V8's own build files make it, Node's do not.
//!
//! Which macros belong in it, V8's BUILD.gn says; which of them the library was compiled with, ninja's files say.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The lists of BUILD.gn with macros that V8's public headers test.
const LISTS: [&str; 2] = ["external_cppgc_defines = [", "external_v8_defines = ["];

/// What the headers of an archive are to be compiled with: macro, and its value if the library has it.
pub type Macros = BTreeMap<String, Option<String>>;

/// Those of BUILD.gn with the values that `defines` (`NAME`, `NAME=VALUE`) has; an error says what is not as expected.
pub fn macros(build_gn: &str, defines: &[String]) -> Result<Macros, String> {
    let mut found = Macros::new();
    for list in LISTS {
        // The first is the whole list; what is enabled of it has a name that ends alike.
        let at = build_gn
            .lines()
            .position(|line| line == list)
            .ok_or_else(|| format!("BUILD.gn has no {list}"))?;
        for line in build_gn.lines().skip(at + 1).take_while(|line| *line != "]") {
            let word = line.trim().trim_end_matches(',').trim_matches('"');
            let name = word.split('=').next().unwrap_or_default();
            let is_macro = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            if !is_macro {
                return Err(format!("BUILD.gn lists {line:?} where a macro is expected"));
            }
            let value = defines.iter().find_map(|define| match define.split_once('=') {
                Some((of, value)) if of == name => Some(value.to_owned()),
                None if define == name => Some("1".to_owned()),
                _ => None,
            });
            found.insert(name.to_owned(), value);
        }
    }
    Ok(found)
}

/// The header: defines what the library has, and refuses what it has not, and other values.
pub fn text(macros: &Macros) -> String {
    let mut text = "// The settings that V8 was compiled with, where its public headers depend on them. Written by libv8 packager\n\
                    // from ninja's files; v8config.h includes it if V8_GN_HEADER is defined.\n"
        .to_owned();
    for (name, value) in macros {
        let _ = match value {
            Some(value) => write!(
                text,
                "\n#ifndef {name}\n#define {name} {value}\n#elif {name} != {value}\n#error \"{name} is not {value}, as in the library\"\n#endif\n"
            ),
            None => {
                write!(
                    text,
                    "\n#ifdef {name}\n#error \"{name} is defined, and the library has it not\"\n#endif\n"
                )
            }
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUILD_GN: &str = "external_cppgc_defines = [\n  \"CPPGC_CAGED_HEAP\",\n]\n\nexternal_v8_defines = [\n  \
        \"V8_FIELDS=${v8_fields}\",\n  \"V8_COMPRESS_POINTERS\",\n  \"V8_ENABLE_CHECKS\",\n]\n\
        enabled_external_v8_defines = [\n  \"V8_FIELDS=${v8_fields}\",\n]\n";

    #[test]
    fn values_are_those_of_ninjas_files() {
        let defines = ["V8_FIELDS=1", "NDEBUG", "V8_ENABLE_CHECKS"].map(str::to_owned);
        let found = macros(BUILD_GN, &defines).unwrap();
        let found: Vec<_> = found.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
        let expected = [
            ("CPPGC_CAGED_HEAP", None),
            ("V8_COMPRESS_POINTERS", None),
            ("V8_ENABLE_CHECKS", Some("1")),
            ("V8_FIELDS", Some("1")),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_build_gn_of_another_form_is_refused() {
        let check = |text: &str, expected: &str| assert_eq!(macros(text, &[]).unwrap_err(), expected);
        check("", "BUILD.gn has no external_cppgc_defines = [");
        check(
            "external_cppgc_defines = [\n  \"A\" + b,\n]\n",
            "BUILD.gn lists \"  \\\"A\\\" + b,\" where a macro is expected",
        );
    }

    #[test]
    fn a_consumer_with_other_settings_does_not_compile() {
        let macros = Macros::from([("A".to_owned(), Some("2".to_owned())), ("B".to_owned(), None)]);
        let header = text(&macros);
        assert!(header.contains("#ifndef A\n#define A 2\n#elif A != 2\n#error"), "{header}");
        assert!(header.contains("#ifdef B\n#error"), "{header}");
    }
}
