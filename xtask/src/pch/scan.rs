//! What a file of C or C++ includes, read from its text alone.
//!
//! Of conditions only the simplest are evaluated: what stands behind any other `#if` is told apart, because it may be
//! another system's. Nothing that a compiler would follow is left out, so comments and strings that look like a directive
//! count as one.

/// What was found in a file.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Text {
    /// In the order of the file.
    pub directives: Vec<Directive>,
    /// Whether it guards against being included twice.
    pub guarded: bool,
    /// Why reading it does not tell what a compiler would read, if so.
    pub opaque: Option<&'static str>,
}

/// Something that makes a compiler look for a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    /// Which.
    pub kind: Kind,
    /// With its quotes or angle brackets; for [`Kind::Computed`] the macro's name.
    pub spelling: String,
    /// Whether it stands behind an `#if` other than the guard or one that is known to hold.
    pub conditional: bool,
}

/// The kinds of directives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `#include`, `#import`.
    Include,
    /// `#include_next`: the same name further on.
    Next,
    /// `__has_include`: whether it is there.
    Has,
    /// `#include MACRO`.
    Computed,
}

/// Reads a file's text; `is_set` tells which macros are defined, and not as 0, before its first line.
pub fn scan(text: &str, is_set: &dyn Fn(&str) -> bool) -> Text {
    let mut found = Text::default();
    let mut guard: Option<&str> = None;
    // For each `#if` that is open, whether what follows is read for certain.
    let mut open: Vec<bool> = Vec::new();
    for line in text.lines() {
        if !line.contains('#') && !line.contains("__has_include") {
            continue;
        }
        let conditional = open.contains(&false);
        let start = line.trim_start();
        // A directive may follow a comment; what looks like one in the middle of a line may be one.
        for (at, _) in line.match_indices('#') {
            let after = line[at + 1..].trim_start();
            let before = line[..at].trim();
            let is_first = before.is_empty();
            let is_prose = !is_first && !before.ends_with("*/");
            if after.starts_with("/*") || (is_first && is_splice(after)) {
                found.opaque = Some("a directive in pieces");
            }
            found.include(after, conditional || !is_first, is_prose);
        }
        for (at, _) in line.match_indices("__has_include") {
            // Headers for compilers without it define it.
            if !line[..at].trim_end().ends_with("define") {
                found.has_include(&line[at..], conditional);
            }
        }
        let Some(directive) = start.strip_prefix('#') else { continue };
        let directive = directive.trim_start();
        if let Some(rest) = directive.strip_prefix("define") {
            if open.len() == 1 && guard.is_some() && rest.split_whitespace().next() == guard {
                (found.guarded, open[0]) = (true, true);
            }
        } else if directive.starts_with("pragma once") && open.is_empty() {
            (found.guarded, guard) = (true, guard.or(Some("")));
        } else if let Some(condition) = directive.strip_prefix("if") {
            if open.is_empty() && guard.is_none() {
                guard = Some(condition.strip_prefix("ndef").map_or("", str::trim));
            }
            open.push(holds(condition, is_set));
        } else if directive.starts_with("el") {
            // Either nobody knows of the other branches, or the first is taken.
            if let Some(last) = open.last_mut() {
                *last = false;
            }
        } else if directive.starts_with("endif") {
            open.pop();
        }
    }
    let others = ["%:", "??="].into_iter().flat_map(|other| text.match_indices(other));
    if others.into_iter().any(|(at, other)| is_reading(text[at + other.len()..].trim_start())) {
        found.opaque = Some("another spelling of #");
    }
    if text.contains(".incbin") {
        found.opaque = Some(".incbin");
    }
    found
}

/// Whether a condition holds for certain: `#if NAME`, `#ifdef NAME`, `#if defined(NAME)` of a macro that is set.
fn holds(condition: &str, is_set: &dyn Fn(&str) -> bool) -> bool {
    let condition = condition.split("//").next().unwrap_or_default();
    let condition = condition.strip_prefix("def").unwrap_or(condition).trim();
    let name = condition.strip_prefix("defined").map_or(condition, |rest| {
        let rest = rest.trim();
        rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(rest).trim()
    });
    is_set(name)
}

/// Whether a directive makes a compiler look for a file.
fn is_reading(directive: &str) -> bool {
    ["include", "import", "embed"].iter().any(|word| directive.starts_with(word))
}

/// Whether a word of a directive ends with the line: its other half would stand on the next.
fn is_splice(directive: &str) -> bool {
    let Some(word) = directive.trim_end().strip_suffix('\\') else { return false };
    let word = word.trim_end();
    ["include", "include_next", "import", "embed"].iter().any(|whole| whole.starts_with(word))
}

impl Text {
    /// Takes what stands behind a `#`; prose is no directive, but is believed if it names a file.
    fn include(&mut self, directive: &str, conditional: bool, is_prose: bool) {
        let word = directive.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or("");
        let kind = match word {
            "include" | "import" => Kind::Include,
            "include_next" => Kind::Next,
            "embed" => return self.opaque = Some("#embed"),
            _ => return,
        };
        let rest = directive[word.len()..].trim_start();
        if let Some(spelling) = quoted(rest) {
            self.directives.push(Directive { kind, spelling, conditional });
        } else if rest.starts_with("/*") {
            self.opaque = Some("a comment inside a directive");
        } else if !is_prose {
            let name = rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or("");
            if !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) {
                self.directives.push(Directive { kind: Kind::Computed, spelling: name.into(), conditional });
            }
        }
    }

    /// Takes `__has_include("a.h")`; its name alone, as in `#ifdef __has_include`, asks for nothing.
    fn has_include(&mut self, text: &str, conditional: bool) {
        let text = text.trim_start_matches("__has_include").trim_start_matches("_next").trim_start();
        let Some(argument) = text.strip_prefix('(') else { return };
        match quoted(argument.trim_start()) {
            Some(spelling) => self.directives.push(Directive { kind: Kind::Has, spelling, conditional }),
            None => self.opaque = Some("__has_include of a macro"),
        }
    }
}

/// `"a.h"` or `<a>` at the beginning of a text.
fn quoted(text: &str) -> Option<String> {
    let close = match text.chars().next()? {
        '<' => '>',
        '"' => '"',
        _ => return None,
    };
    let end = text[1..].find(close)?;
    (end > 0).then(|| text[..end + 2].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn includes_and_guards() {
        let check = |text: &str, certain: &[&str], guarded: bool| {
            let found = scan(text, &|name| name == "SET");
            let kept = found.directives.iter().filter(|one| !one.conditional && one.kind == Kind::Include);
            assert_eq!(kept.map(|one| one.spelling.as_str()).collect::<Vec<_>>(), certain, "{text}");
            assert_eq!((found.guarded, found.opaque), (guarded, None), "{text}");
        };
        check("#include \"a.h\"\n  #  include <b>  // why\n", &["\"a.h\"", "<b>"], false);
        check("#ifndef A_H_\n#define A_H_\n#include \"x.h\"\n#endif\n", &["\"x.h\""], true);
        check("#pragma once\n#include <y>\n#if X\n#include <z>\n#endif\n", &["<y>"], true);
        // A list to be included many times, as V8's object-macros-undef.h.
        check("#undef A\n#ifndef OTHER\n#define A 1\n#endif\n", &[], false);
        // Another system's header.
        check(
            "#ifndef A_H_\n#define A_H_\n#ifdef WIN\n#include <w>\n#endif\n#include <x>\n#endif\n",
            &["<x>"],
            true,
        );
        check("#if SET\n#include <w>\n#else\n#include <v>\n#endif\n", &["<w>"], false);
        check("#ifdef SET\n#if defined(SET)  // yes\n#include <w>\n#endif\n#endif\n", &["<w>"], false);
        check("#ifndef SET\n#include <w>\n#elif SET\n#include <v>\n#endif\n", &[], false);
        check("#if SET && X\n#include <w>\n#elif defined SET\n#include <v>\n#endif\n", &[], false);
        check("#if X\n#include <w>\n#else\n#include <v>\n#endif\n#include <x>\n", &["<x>"], false);
        check("// #include \"no.h\"\n// #include of nothing\n", &[], false);
        check("#ifndef __has_include\n#define __has_include(x) 0\n#endif\nprintf(\"%:\");\n", &[], false);
    }

    #[test]
    fn nothing_that_a_compiler_may_read_is_left_out() {
        let all = |text: &str| -> Vec<(Kind, String)> {
            scan(text, &|_| false).directives.into_iter().map(|one| (one.kind, one.spelling)).collect()
        };
        let one = |kind, name: &str| vec![(kind, name.to_owned())];
        assert_eq!(all("/* x */ #include \"a.h\"\n"), one(Kind::Include, "\"a.h\""));
        assert_eq!(all("*/ # include <a>\n"), one(Kind::Include, "<a>"));
        assert_eq!(all("#import <a>\n"), one(Kind::Include, "<a>"));
        assert_eq!(all("#include_next <a>\n"), one(Kind::Next, "<a>"));
        assert_eq!(all("#if __has_include(<a>)\n"), one(Kind::Has, "<a>"));
        assert_eq!(
            all("#ifdef __has_include\n#if B && \\\n  __has_include(\"b\")\n"),
            one(Kind::Has, "\"b\"")
        );
        assert_eq!(all("#include MACRO\n"), one(Kind::Computed, "MACRO"));
        assert_eq!(all("int include; // # of\n#define A(x) #x\n"), []);
    }

    #[test]
    fn what_cannot_be_told_is_said() {
        for text in [
            "#inc\\\nlude <a>\n",
            "#include \\\n<a>\n",
            "#embed <a>\n",
            "%:include <a>\n",
            "??=include <a>\n",
            "#/**/include <a>\n",
            "#include /* b */ <a>\n",
            "asm(\".incbin \\\"a\\\"\");\n",
            "#if __has_include(MACRO)\n",
        ] {
            assert!(scan(text, &|_| false).opaque.is_some(), "{text}");
        }
    }
}
