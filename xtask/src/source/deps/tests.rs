//! What files of every construct mean, and how everything else is refused.

use std::fmt::Write as _;

use super::*;

fn built_in() -> Variables {
    let mut all = Variables::new();
    all.insert("host_os".to_owned(), Variable::Text("linux".to_owned()));
    all.insert("host_cpu".to_owned(), Variable::Text("x64".to_owned()));
    all.insert("checkout_linux".to_owned(), Variable::Bool(true));
    all.insert("checkout_mac".to_owned(), Variable::Bool(false));
    all
}

/// All that a file says, a line for each thing, with the answers to its conditions.
fn shown(text: &str, inherited: &Variables) -> String {
    let deps = read("DEPS", text, &built_in(), inherited).unwrap_or_else(|error| panic!("{error}"));
    let mut out = String::new();
    let asked = |condition: &Option<String>, line: usize| match condition {
        Some(condition) => {
            let holds = deps.holds("DEPS", Some(condition), line).unwrap_or_else(|error| panic!("{error}"));
            format!(" [{holds}: {condition}]")
        }
        None => String::new(),
    };
    for entry in &deps.entries {
        write!(out, "{}: {}{}", entry.line, entry.path, asked(&entry.condition, entry.line)).unwrap();
        match &entry.what {
            What::Git { url, revision } => writeln!(out, " = git {url} {revision:?}").unwrap(),
            What::Cipd(packages) => {
                out.push_str(" = cipd\n");
                packages.iter().for_each(|one| writeln!(out, "  {} {}", one.name, one.version).unwrap());
            }
            What::Gcs { bucket, objects } => {
                writeln!(out, " = gcs {bucket}").unwrap();
                for one in objects {
                    let Object { name, sha256, size_bytes, generation, output_file, condition } = one;
                    let asked = asked(condition, entry.line);
                    writeln!(
                        out,
                        "  {name} {} {size_bytes} {generation} {output_file:?}{asked}",
                        &sha256[..8]
                    )
                    .unwrap();
                }
            }
        }
    }
    for hook in &deps.hooks {
        writeln!(out, "hook {}{}: {}", hook.name, asked(&hook.condition, 1), hook.action.join(" ")).unwrap();
    }
    writeln!(out, "recurse {:?}", deps.recurse).unwrap();
    writeln!(
        out,
        "relative {}, gn {:?}, from {:?}",
        deps.use_relative_paths, deps.gn_args, deps.gn_args_from
    )
    .unwrap();
    deps.variables.iter().for_each(|(name, value)| writeln!(out, "{name} = {value:?}").unwrap());
    out
}

const WHOLE: &str = include_str!("samples/whole.DEPS");

#[test]
fn a_file_of_every_construct() {
    assert_eq!(shown(WHOLE, &Variables::new()), include_str!("samples/whole.txt"));
}

#[test]
fn variables_of_the_file_above_win_and_str_stays_str() {
    let mut above = Variables::new();
    above.insert("checkout_big".to_owned(), Variable::Bool(true));
    above.insert("host".to_owned(), Variable::Text("https://above.example".to_owned()));
    above.insert("instance".to_owned(), Variable::Text("linux".to_owned()));
    above.insert("only_above".to_owned(), Variable::Bool(true));
    // The file's own word for this machine's system does not count.
    above.insert("host_os".to_owned(), Variable::Text("mac".to_owned()));
    let text = "vars = {'checkout_big': False, 'host': 'x', 'instance': Str('y'), 'url': Var('host') + '/z'}\n\
                deps = {'a': {'url': Var('host') + '@1', 'condition': 'checkout_big and only_above'}}\n";
    let expected = "\
2: a [true: checkout_big and only_above] = git https://above.example Some(\"1\")
recurse []
relative false, gn None, from None
checkout_big = Bool(true)
checkout_linux = Bool(true)
checkout_mac = Bool(false)
host = Text(\"https://above.example\")
host_cpu = Text(\"x64\")
host_os = Text(\"linux\")
instance = Constant(\"linux\")
only_above = Bool(true)
url = Text(\"https://above.example/z\")
";
    assert_eq!(shown(text, &above), expected);
}

#[test]
fn conditions() {
    let text = "vars = {'yes': True, 'no': False, 'either': 'no or yes', 'name': Str('a-b'), 'loop': 'pool', 'pool': 'loop'}";
    let deps = read("DEPS", text, &built_in(), &Variables::new()).unwrap();
    let check = |condition: &str, expected: Result<bool, &str>| {
        let found = deps.holds("DEPS", Some(condition), 7).map_err(|error| error.to_string());
        let found = found.map_err(|text| text.lines().next().unwrap_or_default().to_owned());
        assert_eq!(found, expected.map_err(|what| format!("error: DEPS:7: {what}")), "{condition}");
    };
    check("yes", Ok(true));
    check("not no", Ok(true));
    check("not not no", Ok(false));
    check("yes and no or yes", Ok(true));
    check("yes and (no or no)", Ok(false));
    check("either", Ok(true));
    check("yes == True", Ok(true));
    check("host_os == \"linux\"", Ok(true));
    check("host_os == 'mac'", Ok(false));
    check("host_os != \"linux\" or host_cpu == \"x64\"", Ok(true));
    check("not host_os == \"linux\"", Ok(false));
    check("host_cpu in (\"arm64\", \"x64\")", Ok(true));
    check("host_cpu in (\"arm64\",)", Ok(false));
    check("name == \"a-b\"", Ok(true));
    check("(yes\n  and yes)", Ok(true));
    check("unknown == \"unknown\"", Ok(true));
    check("unknown", Err("the condition \"unknown\" is the string \"unknown\", neither true nor false"));
    check("yes or unknown", Err("'or' of the string \"unknown\", which is neither true nor false"));
    check("no and host_os", Err("'and' of the string \"linux\", which is neither true nor false"));
    check("not 'a'", Err("'not' of the string \"a\", which is neither true nor false"));
    check("loop", Err("the variable 'loop' is defined by itself"));
    check("yes == no == yes", Err("a comparison of three in the condition \"yes == no == yes\""));
    check("yes < no", Err("unexpected '<' in the condition \"yes < no\""));
    check("1", Err("an expression that no condition has"));
    check("f(yes)", Err("an expression that no condition has"));
    check("'a' + 'b' == 'ab'", Err("an expression that no condition has"));
    check("yes in (\"a\", \"b\")", Err("true cannot be compared with a list of strings"));
    check("yes no", Err("unexpected 'no' in the condition \"yes no\""));
    check("yes) or (no", Err("unexpected ')' in the condition \"yes) or (no\""));
    check("", Err("unexpected the end in the condition \"\""));
    check("()", Err("the condition \"()\" is a list of strings, neither true nor false"));
    check("yes and", Err("unexpected the end in the condition \"yes and\""));
}

#[test]
fn what_is_not_understood_is_refused_with_file_and_line() {
    let check = |text: &str, expected: &str| {
        let error = read("v8/DEPS", text, &built_in(), &Variables::new()).err();
        let text = error.map_or_else(|| "understood".to_owned(), |error| error.to_string());
        assert_eq!(text.lines().next().unwrap_or_default(), format!("error: v8/DEPS:{expected}"));
    };
    // What Python has and DEPS has not.
    check("import os\n", "1: '=' is missing before 'os'");
    check("\n\nfor a in b:\n", "3: '=' is missing before 'a'");
    check("a = [x for x in y]\n", "1: ',' or ']' is missing before 'for'");
    check("deps = {'a': open('b')}\n", "1: the function 'open': there are Var and Str only");
    check("deps = {'a': os}\n", "1: the name 'os', which is none of True, False, None");
    check("deps = {\n 'a': f'b',\n}\n", "2: a string with the prefix 'f'");
    check("vars = {'a': 1.5}\n", "1: a number that is not plain and whole");
    check("vars = {'a': -1}\n", "1: unexpected '-'");
    check("deps = 'a' if True else 'b'\n", "1: unexpected 'if'");
    check("deps = {} or {}\n", "1: an expression that stands in conditions only");
    check("deps = {}; hooks = []\n", "1: unexpected ';'");
    check("deps['a'] = 'b'\n", "1: '=' is missing before '['");
    check("deps = 'a' * 3\n", "1: unexpected '*'");
    // What is broken.
    check("deps = {'a': 'b\n'}\n", "1: a string without an end");
    check("deps = {\n'a' 'b'\n", "3: ':' is missing before the end");
    check("deps = {'a': 'b' 'c' 'd'\n 'e': 'f'}\n", "2: ',' or '}' is missing before ':'");
    check("deps = ['a'\n", "2: ',' or ']' is missing before the end");
    check("deps = {}\ndeps = {}\n", "2: 'deps' is assigned a second time");
    check("deps = {'a': 'b',\n 'a': 'c'}\n", "2: the key 'a' is there twice");
    check("deps = {'a': '\\x41'}\n", "1: the escape '\\x'");
    check("vars = {'a': 99999999999999999999}\n", "1: the number 99999999999999999999 is too large");
    check(&format!("a = {}", "[".repeat(1000)), "1: brackets nest deeper than 64");
    // Variables.
    check("deps = {'a': Var('b')}\n", "1: the variable 'b' is not defined in vars");
    check("deps = {\n 'a': '{b}/c'}\n", "2: the variable 'b' is not defined in vars");
    check("deps = {'a': '{b'}\n", "1: a single bracket in \"{b\"");
    check("deps = {'a': '{b!r}'}\n", "1: '{b!r}' is more than the name of a variable");
    check("vars = {'b': '{c}'}\n", "1: the variable 'b': the variable 'c' is not defined in vars");
    check("vars = {\n 'b': ['c']}\n", "2: the variable 'b' is a list, not a string or a truth value");
    check("vars = ['b']\n", "1: 'vars' is no dictionary");
    check("vars = {'b': Str(Var('c'))}\n", "1: Str takes a string as it stands");
    check("deps = {'a': Var('b', 'c')}\n", "1: Var takes one argument, and has 2");
    check("deps = {'a': '%s' % ()}\n", "1: too few values for \"%s\"");
    check("deps = {'a': '%s' % ('b', 'c')}\n", "1: too many values for \"%s\"");
    check("deps = {'a': '%r' % 'b'}\n", "1: '%r' in \"%r\"");
    check("deps = {'a': 'b' + []}\n", "1: a string + a list");
    // The words of DEPS.
    check("deps_os = {}\n", "1: 'deps_os' is nothing that this tool knows of DEPS");
    check(
        "git_dependencies = 'SUBMODULES'\n",
        "1: git_dependencies = 'SUBMODULES': only DEPS and SYNC are read",
    );
    check("deps = {'a': {'url': 'b', 'colour': 1}}\n", "1: the key 'colour' is not known here");
    check("deps = {'a': {'condition': 'b'}}\n", "1: 'url' is missing");
    check("deps = {'a': {'dep_type': 'svn'}}\n", "1: dep_type 'svn': there are git, cipd, gcs");
    check("deps = {'../a': 'b'}\n", "1: the path \"../a\" does not stay inside");
    check("deps = {'/a': 'b'}\n", "1: the path \"/a\" does not stay inside");
    check("deps = {'a': 3}\n", "1: a number where a dictionary stands");
    check("hooks = [{'action': 'a'}]\n", "1: a string where a list stands");
    check("recursedeps = [('a', 'b', 'c')]\n", "1: 3 values where path and file stand");
    let gcs = |object: &str| {
        format!("deps = {{'a': {{'dep_type': 'gcs', 'bucket': 'b', 'objects': [{object}]}}}}\n")
    };
    let rest = "'size_bytes': 1, 'generation': 1";
    check(&gcs("{'object_name': 'a'}"), "1: 'sha256sum' is missing");
    check(
        &gcs(&format!("{{'object_name': 'a', 'sha256sum': 'AB', {rest}}}")),
        "1: \"AB\" is no SHA-256 in small hexadecimal digits",
    );
    check(
        &gcs(&format!("{{'object_name': 'a?b', 'sha256sum': 'AB', {rest}}}")),
        "1: \"a?b\" is no plain name",
    );
    check(
        &gcs(&format!("{{'object_name': 'a', 'sha256sum': 'AB', {rest}, 'output_file': '../x'}}")),
        "1: the path \"../x\" does not stay inside",
    );
}
