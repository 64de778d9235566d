//! `src/ffi.rs` says what `embed/libv8.h` says: functions, types, values, layout. Links no V8.

use std::collections::BTreeMap;
use std::mem::offset_of;

#[path = "../src/ffi.rs"]
#[expect(dead_code, reason = "declarations are compared, not called")]
mod ffi;

const HEADER: &str = include_str!("../../../embed/libv8.h");
const FFI: &str = include_str!("../src/ffi.rs");

/// Name → "(name: type, …) -> type", in Rust's words.
type Signatures = BTreeMap<String, String>;

#[test]
fn every_function_is_declared_alike() {
    let (header, ours) = (c_functions(HEADER), rust_functions(FFI));
    assert!(header.len() >= 18, "the header was not understood: {header:#?}");
    assert_eq!(ours, header);
}

#[test]
fn every_value_is_the_same() {
    let (header, ours) = (c_values(HEADER), rust_values(FFI));
    assert!(header.contains_key("LIBV8_INVALID") && header.contains_key("LIBV8_INTERFACE_VERSION"));
    assert_eq!(ours, header);
}

/// Every field of libv8_options is a size_t, so its order is its layout.
#[test]
fn the_options_have_the_same_layout() {
    let (_, body) = HEADER.split_once("typedef struct libv8_options {").expect("libv8_options is there");
    let (body, _) = body.split_once('}').expect("the struct ends");
    let body = without_comments(body);
    let fields: Vec<&str> = body.split(';').map(str::trim).filter(|field| !field.is_empty()).collect();

    let word = size_of::<usize>();
    let mut ours = [
        (offset_of!(ffi::libv8_options, struct_size_bytes), "size_t struct_size_bytes"),
        (offset_of!(ffi::libv8_options, heap_limit_bytes), "size_t heap_limit_bytes"),
        (offset_of!(ffi::libv8_options, stack_limit_bytes), "size_t stack_limit_bytes"),
    ];
    ours.sort();
    assert_eq!(ours.map(|(offset, _)| offset), std::array::from_fn(|n| n * word));
    assert_eq!(ours.map(|(_, field)| field).as_slice(), fields);
    assert_eq!(size_of::<ffi::libv8_options>(), fields.len() * word);
}

#[test]
fn the_comparison_sees_differences() {
    let c = c_functions(
        "/* int no(void); */ size_t libv8_a(const libv8_x *x, /* y */ char *y);\nvoid libv8_b(void);",
    );
    let mut rust = rust_functions(
        "pub fn libv8_a(\n x: *const libv8_x,\n y: *mut c_char,\n ) -> usize;\npub fn libv8_b();",
    );
    assert_eq!(c, rust);
    rust.insert("libv8_b".into(), "(x: usize)".into());
    assert_ne!(c, rust);
}

fn c_functions(header: &str) -> Signatures {
    let code = without_comments(header);
    let code: String =
        code.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line} ")).collect();
    // A statement with parentheses and without braces is a function: the header has no function pointers.
    let functions = code.split([';', '{', '}']).filter_map(|statement| statement.trim().strip_suffix(')'));
    functions
        .map(|statement| {
            let (head, parameters) = statement.split_once('(').expect("a ) has its (");
            let (name, result) = c_declaration(head);
            let parameters: Vec<String> = parameters
                .split(',')
                .filter(|parameter| parameter.trim() != "void")
                .map(c_declaration)
                .map(|(name, kind)| format!("{name}: {kind}"))
                .collect();
            (name, signature(&parameters, &result))
        })
        .collect()
}

/// "const char *name" → ("name", "*const c_char").
fn c_declaration(text: &str) -> (String, String) {
    let text = text.replace('*', " * ");
    let mut words: Vec<&str> = text.split_whitespace().collect();
    let name = words.pop().expect("a declaration has a name");
    let kind = match words.as_slice() {
        ["const", pointee, "*"] => format!("*const {}", c_type(pointee)),
        [pointee, "*"] => format!("*mut {}", c_type(pointee)),
        [plain] => c_type(plain),
        _ => panic!("not understood in libv8.h: {text}"),
    };
    (name.to_owned(), kind)
}

fn c_type(name: &str) -> String {
    match name {
        "void" => "()",
        "char" => "c_char",
        "int" => "c_int",
        "size_t" => "usize",
        "uint32_t" => "u32",
        ours if ours.starts_with("libv8_") => ours,
        other => panic!("a type without a twin in Rust: {other}"),
    }
    .to_owned()
}

fn rust_functions(source: &str) -> Signatures {
    let mut functions = Signatures::new();
    for function in source.split("pub fn ").skip(1) {
        let (function, _) = function.split_once(';').expect("a declaration ends");
        let (name, rest) = function.split_once('(').expect("a function has parameters");
        let (parameters, result) = rest.rsplit_once(')').expect("a ( has its )");
        let parameters: Vec<String> =
            parameters.split(',').map(|p| p.trim().to_owned()).filter(|p| !p.is_empty()).collect();
        let result = result.trim().strip_prefix("-> ").unwrap_or("()");
        functions.insert(name.to_owned(), signature(&parameters, result));
    }
    functions
}

fn signature(parameters: &[String], result: &str) -> String {
    format!("({}) -> {result}", parameters.join(", "))
}

fn c_values(header: &str) -> BTreeMap<String, u32> {
    let code = without_comments(header);
    let defines = code.lines().filter_map(|line| line.strip_prefix("#define ")?.split_once(' '));
    let enumerators = code.split([',', '{', '}']).filter_map(|part| part.split_once('='));
    defines.chain(enumerators).map(value).collect()
}

fn rust_values(source: &str) -> BTreeMap<String, u32> {
    let constants = source.lines().filter_map(|line| line.strip_prefix("pub const ")?.strip_suffix(';'));
    constants
        .map(|constant| {
            let (name, rest) = constant.split_once(':').expect("a constant has a type");
            let (_, number) = rest.split_once('=').expect("a constant has a value");
            value((name, number))
        })
        .collect()
}

fn value((name, number): (&str, &str)) -> (String, u32) {
    (
        name.trim().to_owned(),
        number.trim().parse().unwrap_or_else(|_| panic!("{name} is no number: {number}")),
    )
}

fn without_comments(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some((before, comment)) = rest.split_once("/*") {
        code.push_str(before);
        (_, rest) = comment.split_once("*/").expect("a comment ends");
    }
    code + rest
}
