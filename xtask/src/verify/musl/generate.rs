//! Makes the committed list from Zig's; a test, because nothing but this repository needs it.

use std::collections::BTreeSet;

use super::LIST;
use crate::env;
use crate::verify::list::generate::{by_processor, compare, push_group};

/// The symbols that musl's shared library has on one processor; none if the list has a line of unknown form.
///
/// The form is assembly for the C preprocessor, whose conditions ask only whether a name is defined.
fn symbols(list: &str, defined: &[&str]) -> Option<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    // Whether each enclosing condition holds.
    let mut conditions: Vec<bool> = Vec::new();
    for line in list.lines() {
        let (word, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        match word {
            "#ifdef" => conditions.push(defined.contains(&rest)),
            "#if" => conditions.push(all_undefined(rest, defined)?),
            "#else" => {
                let last = conditions.last_mut()?;
                *last = !*last;
            }
            "#endif" => drop(conditions.pop()?),
            _ if conditions.contains(&false) => {}
            ".globl" | ".weak" | "WEAK64" | "WEAKTIME64" => drop(found.insert(rest.to_owned())),
            "#define" | ".bss" | ".data" | ".rodata" | ".section" | ".text" | ".protected" | ".type"
            | ".size" | "" => {}
            _ if rest.is_empty() && word.ends_with(':') => {}
            _ => return None,
        }
    }
    conditions.is_empty().then_some(found)
}

/// `!defined(A) && !defined(B)`.
fn all_undefined(condition: &str, defined: &[&str]) -> Option<bool> {
    let mut holds = true;
    for term in condition.split(" && ") {
        let name = term.strip_prefix("!defined(")?.strip_suffix(')')?;
        holds &= !defined.contains(&name);
    }
    Some(holds)
}

/// The file's text: what all processors have, then what only some have.
fn generate(list: &str) -> Option<String> {
    let groups = by_processor(|processor| {
        let (architecture, family) = (format!("ARCH_{processor}"), format!("FAMILY_{}", &processor[..3]));
        symbols(list, &["PTR64", &architecture, &family])
    })?;
    let mut out = String::from(
        "# musl's symbols on all processors, and on one only. Made from Zig's lib/libc/musl/libc.S by\n\
         # xtask/src/verify/musl/generate.rs.\n",
    );
    for (heading, symbols) in groups {
        push_group(&mut out, heading, symbols.iter().map(String::as_str));
    }
    Some(out)
}

/// `cargo xtask test` gives glibc's list once the toolchain is there, and musl's lies beside it.
#[test]
fn the_committed_list_is_zigs() {
    let Some(abilists) = env::abilists() else { return };
    let path = abilists.ancestors().nth(2).expect("it lies in lib/libc/glibc").join("musl/libc.S");
    let list = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let new = generate(&list).expect("a list in the form of Zig 0.15 to 0.17");
    compare("musl.txt", &new, LIST);
}

#[test]
fn conditions_are_understood() {
    let list = "#ifdef PTR64\n#define WEAK64 .weak\n#else\n#define WEAK64 .globl\n#endif\n.bss\n.weak a\n.type a, %object;\n\
                a:\n#if !defined(ARCH_aarch64) && !defined(ARCH_arm)\n.globl b\nb:\n#endif\n#ifdef FAMILY_x86\n\
                #ifdef ARCH_i386\n.globl no\n#endif\nWEAK64 c\nc:\n#endif\n";
    let body: Vec<String> =
        generate(list).unwrap().lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
    assert_eq!(body, ["aarch64", " ", "all", "  a", "x86_64", "  b c"]);
    for bad in ["#endif\n", "#ifdef X\n", ".hidden x\n", "#if defined(X)\n#endif\n"] {
        assert_eq!(generate(&format!("{list}{bad}")), None, "{bad}");
    }
}
