//! Keys of small trees, with no compiler.

use std::path::PathBuf;

use super::*;

/// A folder with a source `a.cc`, its headers, and a memory of its own.
struct Tree(tempfile::TempDir);

impl Tree {
    fn new(files: &[(&str, &str)]) -> Tree {
        let tree = Tree(tempfile::tempdir().unwrap());
        for (name, text) in files {
            tree.write(name, text);
        }
        tree
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn command(&self, more: &str) -> Preprocess {
        let at = self.0.path().to_str().unwrap();
        let line = format!(
            "clang|-x|c++|-E|-P|-I{at}/one|-I{at}/two|-isystem|{at}/system|-MMD|-MF|{at}/a.d|-MT|a.o|{more}|{at}/a.cc"
        );
        let words: Vec<OsString> =
            line.split('|').filter(|word| !word.is_empty()).map(OsString::from).collect();
        Preprocess::parse(&words).unwrap()
    }

    fn key(&self, more: &str) -> Option<String> {
        self.key_by(more, &Policy::default())
    }

    fn key_by(&self, more: &str, policy: &Policy) -> Option<String> {
        let own = vec![self.path("own").to_str().unwrap().to_owned()];
        self.command(more).digest(own, &self.path("memory"), policy)
    }

    /// The files of the list for ninja, by name.
    fn listed(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("a.d")).unwrap();
        let (object, list) = text.split_once(':').unwrap();
        assert_eq!(object, "a.o");
        let at = format!("{}/", self.0.path().display());
        list.split_whitespace().filter(|word| *word != "\\").map(|word| word.replace(&at, "")).collect()
    }
}

#[test]
fn the_key_follows_what_is_read_and_nothing_else() {
    let tree = Tree::new(&[
        (
            "a.cc",
            "#include \"b.h\"\n#ifdef X\n#include <c.h>\n#endif\n#if __has_include(<later.h>)\n#endif\n",
        ),
        ("one/b.h", "#include \"beside.h\"\n"),
        ("one/beside.h", "int a;\n"),
        ("two/b.h", "never read: one/b.h is found before\n"),
        ("system/c.h", "#include_next <c.h>\n"),
        ("own/c.h", "int c;\n"),
        ("two/other.h", ""),
    ]);
    let first = tree.key("").unwrap();
    assert_eq!(tree.listed(), ["a.cc", "one/b.h", "one/beside.h"], "the system's are not listed");
    assert_eq!(tree.key("").unwrap(), first, "from memory");
    assert_ne!(tree.key("-DX").unwrap(), first);
    assert_ne!(tree.key("-include|other.h").unwrap(), first);
    let mut last = first;
    for (name, text, changes) in [
        ("two/b.h", "still not read\n", false),
        ("one/beside.h", "int b;\n", true),
        ("own/c.h", "int d;\n", true),
        ("a.cc", "#include \"b.h\"\n#if __has_include(<later.h>)\n#endif\n", true),
        ("two/later.h", "\n", true),
        ("beside.h", "read by nobody: one/beside.h stands beside its includer\n", false),
        ("b.h", "before one/b.h, because it stands beside a.cc\n", true),
    ] {
        tree.write(name, text);
        let key = tree.key("").unwrap();
        assert_eq!(key != last, changes, "{name}");
        last = key;
    }
}

#[test]
fn where_the_text_does_not_tell_the_compiler_is_asked() {
    let tree = Tree::new(&[("a.cc", "#include MACRO\n"), ("one/b.h", "\n")]);
    assert!(tree.key("").is_some(), "nobody defines it, so nothing can be read");
    assert_eq!(tree.key("-DMACRO=<b.h>"), None);
    tree.write("a.cc", "#define MACRO <b.h>\n#include MACRO\n");
    assert_eq!(tree.key(""), None);
    tree.write("a.cc", "asm(\".incbin \\\"x\\\"\");\n");
    assert_eq!(tree.key(""), None);
    assert_eq!(tree.key(""), None, "from memory");
}

#[test]
fn half_a_line_of_the_memory_is_not_believed() {
    let tree = Tree::new(&[("a.cc", "#include <b.h>\n"), ("one/b.h", "int a;\n")]);
    let key = tree.key("").unwrap();
    let memory = fs::read_to_string(tree.path("memory")).unwrap();
    let torn: String = memory
        .lines()
        .filter_map(|line| line.rsplit_once("\ti"))
        .map(|(line, _)| format!("{line}\n"))
        .collect();
    assert!(!torn.is_empty());
    tree.write("memory", &torn);
    assert_eq!(tree.key("").unwrap(), key);
}

#[test]
fn only_what_is_understood_is_answered() {
    let parse = |line: &str| {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        Preprocess::parse(&words)
    };
    assert!(parse("clang --driver-mode=g++ -B/x/bin -x c++ -E -P -DX a.cc").is_some());
    for line in [
        "clang -x c++ -c a.cc",
        "clang -E a.cc",
        "clang -x c -E a.c",
        "clang -x c++ -E a.cc b.cc",
        "clang -x c++ -E -F/frameworks a.cc",
        "clang -x c++ -E -iquote x a.cc",
        "clang -x c++ -E -Xclang -x a.cc",
        "clang -x c++ -E @more a.cc",
        "clang -x c++ -E -Ix -isystem x a.cc",
    ] {
        assert_eq!(parse(line), None, "{line}");
    }
}

#[test]
fn paths_of_the_machine_are_in_no_key() {
    let parse = |at: &str| {
        let line = format!("clang -B{at}/bin -resource-dir {at}/lib -x c++ -E -DX a.cc");
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        Preprocess::parse(&words).unwrap().flags
    };
    assert_eq!(parse("/one"), parse("/two"));
}

#[test]
fn the_search_list_is_read() {
    let said = "clang version 22\n#include \"...\" search starts here:\n#include <...> search starts here:\n /a b\n /c\nEnd of search list.\n";
    assert_eq!(search_list(said).unwrap(), ["/a b", "/c"]);
    assert_eq!(search_list(&said.replace("/c", "/c (framework directory)")), None);
    assert_eq!(search_list("error: unknown argument"), None);
}

#[test]
fn paths_are_normalised_without_the_disk() {
    for (path, expected) in [
        ("/a/b/../../c/./d.h", "/c/d.h"),
        ("../../v8/a.h", "../../v8/a.h"),
        ("gen/../a//b.h", "a/b.h"),
        ("../..", "../.."),
    ] {
        assert_eq!(normal(path), expected);
    }
}

#[test]
fn the_key_follows_how_this_object_meets_its_headers() {
    let tree = Tree::new(&[("a.cc", "")]);
    let mut policy = Policy { instantiate: true, ..Policy::default() };
    let instantiated = tree.key_by("", &policy);
    policy.late.insert("b.o".into());
    assert_eq!(tree.key_by("", &policy), instantiated, "another object's way is nothing to this one");
    policy.late.insert("a.o".into());
    let late = tree.key_by("", &policy);
    policy.plain.insert("a.o".into());
    let plain = tree.key_by("", &policy);
    assert!(instantiated != late && late != plain && plain != instantiated);
    assert!(plain.is_some());
}
