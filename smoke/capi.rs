//! A Rust program over libv8's C interface: the table, and what the interface promises beyond it.
//!
//! `capi ROWS VERSION [FEATURE=0|1]...`: the rows, and what the descriptor says of the library.
//! No crate and no libv8.h are used: the declarations below are what a binding would write by hand.

use std::ffi::{CStr, CString, c_char, c_int};
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

#[repr(C)]
struct RawIsolate {
    _opaque: [u8; 0],
}
#[repr(C)]
struct RawResult {
    _opaque: [u8; 0],
}
#[repr(C)]
struct RawTerminator {
    _opaque: [u8; 0],
}
#[repr(C)]
struct Options {
    struct_size_bytes: usize,
    heap_limit_bytes: usize,
    stack_limit_bytes: usize,
}

#[rustfmt::skip]
unsafe extern "C" {
    safe fn libv8_version() -> *const c_char;
    safe fn libv8_interface_version() -> u32;
    fn libv8_has_feature(name: *const c_char) -> c_int;
    fn libv8_isolate_new(options: *const Options) -> *mut RawIsolate;
    fn libv8_isolate_free(isolate: *mut RawIsolate);
    fn libv8_eval(isolate: *mut RawIsolate, source: *const c_char, source_bytes: usize, name: *const c_char, name_bytes: usize, format: c_int) -> *mut RawResult;
    fn libv8_call(isolate: *mut RawIsolate, function: *const c_char, function_bytes: usize, json: *const c_char, json_bytes: usize, format: c_int) -> *mut RawResult;
    fn libv8_heap_usage(isolate: *mut RawIsolate, used_bytes: *mut usize, limit_bytes: *mut usize);
    fn libv8_result_status(result: *const RawResult) -> c_int;
    fn libv8_result_text(result: *const RawResult, length_bytes: *mut usize) -> *const c_char;
    fn libv8_result_stack(result: *const RawResult, length_bytes: *mut usize) -> *const c_char;
    fn libv8_result_free(result: *mut RawResult);
    fn libv8_terminator_new(isolate: *mut RawIsolate) -> *mut RawTerminator;
    fn libv8_terminator_clone(terminator: *const RawTerminator) -> *mut RawTerminator;
    fn libv8_terminator_terminate(terminator: *const RawTerminator) -> c_int;
    fn libv8_terminator_free(terminator: *mut RawTerminator);
}

const STRING: c_int = 0;
const JSON: c_int = 1;
const INSPECT: c_int = 2;

/// libv8_status, in its order, as the words of the transcript.
const STATUS: [&str; 5] = ["value", "threw", "terminated", "out-of-memory", "invalid"];

#[derive(PartialEq, Clone, Debug)]
struct Answer {
    status: &'static str,
    text: String,
    stack: String,
}

struct Isolate(*mut RawIsolate);

// SAFETY: libv8.h: an isolate may be used from any thread, from one at a time; `&mut` would be stricter, but Isolate is not Sync.
unsafe impl Send for Isolate {}

impl Isolate {
    fn new(heap_limit_bytes: usize) -> Isolate {
        Isolate::with(&Options { struct_size_bytes: size_of::<Options>(), heap_limit_bytes, stack_limit_bytes: 0 })
            .expect("libv8_isolate_new gave an isolate")
    }

    fn with(options: &Options) -> Option<Isolate> {
        // SAFETY: the options live through the call.
        let isolate = unsafe { libv8_isolate_new(options) };
        (!isolate.is_null()).then_some(Isolate(isolate))
    }

    fn eval(&self, source: &str, name: &str, format: c_int) -> Answer {
        let (source, name) = (source.as_bytes(), name.as_bytes());
        // SAFETY: the isolate lives; the pointers and lengths are of live slices.
        Answer::take(unsafe {
            libv8_eval(self.0, source.as_ptr().cast(), source.len(), name.as_ptr().cast(), name.len(), format)
        })
    }

    fn call(&self, function: &str, json: &str) -> Answer {
        // SAFETY: as in `eval`.
        Answer::take(unsafe {
            libv8_call(self.0, function.as_ptr().cast(), function.len(), json.as_ptr().cast(), json.len(), JSON)
        })
    }

    /// `eval` for a value that is shown in a message when it is wrong.
    fn expect(&self, source: &str, expected: &str) -> Result<(), String> {
        let got = self.eval(source, "behaviour.js", STRING);
        same(source, &got, "value", expected)
    }
}

impl Drop for Isolate {
    fn drop(&mut self) {
        // SAFETY: it is freed once, and no call is under way, since a call borrows it.
        unsafe { libv8_isolate_free(self.0) }
    }
}

impl Answer {
    fn take(result: *mut RawResult) -> Answer {
        assert!(!result.is_null(), "libv8.h: the result is never NULL");
        let text = |get: unsafe extern "C" fn(*const RawResult, *mut usize) -> *const c_char| {
            let mut length_bytes = 0;
            // SAFETY: the result lives until the end of this function.
            let start = unsafe { get(result, &mut length_bytes) };
            // SAFETY: libv8.h: length_bytes bytes, and a NUL beyond them.
            let bytes = unsafe { std::slice::from_raw_parts(start.cast::<u8>(), length_bytes + 1) };
            assert_eq!(bytes[length_bytes], 0, "libv8.h: NUL-terminated beyond the length");
            String::from_utf8(bytes[..length_bytes].to_vec()).expect("libv8.h: text is UTF-8")
        };
        let (message, stack) = (text(libv8_result_text), text(libv8_result_stack));
        // SAFETY: as above.
        let status = unsafe { libv8_result_status(result) };
        // SAFETY: it is freed once, and nothing borrowed is left.
        unsafe { libv8_result_free(result) };
        Answer { status: STATUS[usize::try_from(status).expect("a status of libv8.h")], text: message, stack }
    }
}

struct Terminator(*mut RawTerminator);

// SAFETY: libv8.h: its functions may be called from any thread at any time.
unsafe impl Send for Terminator {}

impl Terminator {
    fn new(isolate: &Isolate) -> Terminator {
        // SAFETY: the isolate lives.
        Terminator(unsafe { libv8_terminator_new(isolate.0) })
    }

    fn terminate(&self) -> bool {
        // SAFETY: the terminator lives.
        unsafe { libv8_terminator_terminate(self.0) == 1 }
    }
}

impl Clone for Terminator {
    fn clone(&self) -> Terminator {
        // SAFETY: the terminator lives.
        Terminator(unsafe { libv8_terminator_clone(self.0) })
    }
}

impl Drop for Terminator {
    fn drop(&mut self) {
        // SAFETY: it is freed once.
        unsafe { libv8_terminator_free(self.0) }
    }
}

// --- the transcript

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).expect("stdout takes the transcript");
}

fn escape(text: &str) -> String {
    text.replace('\\', r"\\").replace('\n', r"\n").replace('\r', r"\r")
}

fn report(name: &str, answer: &Answer) {
    if !answer.stack.is_empty() {
        say(&format!("stack {name} {}", escape(&answer.stack)));
    }
    say(&format!("{} {name} {}", answer.status, escape(&answer.text)));
}

fn same(what: &str, got: &Answer, status: &str, text: &str) -> Result<(), String> {
    if got.status == status && (got.text == text || (status != "value" && got.text.starts_with(text))) {
        return Ok(());
    }
    Err(format!("{what}: expected {status} {text:?}, got {} {:?}", got.status, got.text))
}

fn run_rows(file: &[u8]) {
    let isolate = Isolate::new(0);
    let mut rest = file;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let header = std::str::from_utf8(&rest[..end]).expect("a header is text");
        let ["row", format, name, bytes] = header.split(' ').collect::<Vec<_>>()[..] else {
            panic!("not the header of a row: {header}")
        };
        let format = if format == "inspect" { INSPECT } else { STRING };
        let length: usize = bytes.parse().expect("a length in bytes");
        let source = std::str::from_utf8(&rest[end + 1..][..length]).expect("the source is UTF-8");
        rest = &rest[end + 1 + length + 1..];
        say(&format!("run {name}"));
        report(name, &isolate.eval(source, &format!("{name}.js"), format));
    }
}

// --- behaviours

type Behaviour = fn(&[String]) -> Result<(), String>;

/// Told by name in xtask/src/smoke/plan.rs, which refuses a transcript that lacks one.
const BEHAVIOURS: &[(&str, Behaviour)] = &[
    ("version-and-features", version_and_features),
    ("call-with-json", call_with_json),
    ("call-refused", call_refused),
    ("exception-stack", exception_stack),
    ("out-of-memory", out_of_memory),
    ("terminate-endless-loop", terminate_endless_loop),
    ("terminate-idle", terminate_idle),
    ("recursion-and-on", recursion_and_on),
    ("eight-threads", eight_threads),
    ("small-stack-thread", small_stack_thread),
    ("isolate-moves", isolate_moves),
    ("impossible-options", impossible_options),
];

fn version_and_features(arguments: &[String]) -> Result<(), String> {
    // SAFETY: libv8.h: static and NUL-terminated.
    let version = unsafe { CStr::from_ptr(libv8_version()) }.to_str().map_err(|error| error.to_string())?;
    if version != arguments[0] || libv8_interface_version() != 1 {
        return Err(format!("the library says V8 {version}, interface {}; its descriptor says {}, 1", libv8_interface_version(), arguments[0]));
    }
    for argument in &arguments[1..] {
        let (name, expected) = argument.split_once('=').ok_or("FEATURE=0|1")?;
        let c_name = CString::new(name).map_err(|error| error.to_string())?;
        // SAFETY: NUL-terminated and alive.
        let got = unsafe { libv8_has_feature(c_name.as_ptr()) };
        if got.to_string() != expected {
            return Err(format!("libv8_has_feature(\"{name}\") is {got}, the descriptor says {expected}"));
        }
    }
    Ok(())
}

fn call_with_json(_: &[String]) -> Result<(), String> {
    let isolate = Isolate::new(0);
    isolate.expect("function add(a, b) { return { sum: a + b.x, s: b.s }; } var o = { n: 5, get() { return this.n; } }; async function later(x) { await null; return x * 2; } 1", "1")?;
    same("add", &isolate.call("add", r#"[1, {"x": 41, "s": "日本"}]"#), "value", r#"{"sum":42,"s":"日本"}"#)?;
    same("Math.max", &isolate.call("Math.max", "[1, 9, 3]"), "value", "9")?;
    same("o.get", &isolate.call("o.get", ""), "value", "5")?;
    same("later", &isolate.call("later", "[21]"), "value", "42")
}

fn call_refused(_: &[String]) -> Result<(), String> {
    let isolate = Isolate::new(0);
    same("no such function", &isolate.call("no.such", "[]"), "invalid", "")?;
    same("bad JSON", &isolate.call("Math.max", "[1,"), "invalid", "")?;
    same("no array", &isolate.call("Math.max", r#"{"0": 1}"#), "invalid", "")?;
    same("a promise for ever", &isolate.eval("new Promise(() => {})", "p.js", STRING), "invalid", "")?;
    isolate.expect("6 * 7", "42")
}

fn exception_stack(_: &[String]) -> Result<(), String> {
    let isolate = Isolate::new(0);
    let got = isolate.eval("function g() { throw new TypeError('no') }\ng()", "dir/a.js", STRING);
    same("g()", &got, "threw", "TypeError: no")?;
    let expected = "TypeError: no\n    at g (dir/a.js:1:22)\n    at dir/a.js:2:1";
    if got.stack != expected {
        return Err(format!("expected the stack {expected:?}, got {:?}", got.stack));
    }
    Ok(())
}

fn out_of_memory(_: &[String]) -> Result<(), String> {
    let limit_bytes = 32 << 20;
    let isolate = Isolate::new(limit_bytes);
    for round in 1..=3 {
        let got = isolate.eval("{ const keep = []; for (;;) keep.push(new Array(100).fill(keep.length + 0.5)); }", "oom.js", STRING);
        same(&format!("allocation without end, round {round}"), &got, "out-of-memory", "")?;
        isolate.expect("[1n << 64n, 'still', [3, 1, 2].sort()].join(' ')", "18446744073709551616 still 1,2,3")?;
    }
    let got = isolate.eval("{ let s = 'ab'; const keep = new Map(); for (let i = 0; ; i++) keep.set('k' + i, s + i + s); }", "oom.js", STRING);
    same("a map without end", &got, "out-of-memory", "")?;
    let (mut used_bytes, mut now_bytes) = (0, 0);
    // SAFETY: the isolate and both places live.
    unsafe { libv8_heap_usage(isolate.0, &mut used_bytes, &mut now_bytes) };
    if used_bytes == 0 || used_bytes > limit_bytes || now_bytes > 2 * limit_bytes {
        return Err(format!("after it {used_bytes} bytes are in use with a limit of {now_bytes}, which was set to {limit_bytes}"));
    }
    isolate.expect("1 + 1", "2")
}

fn terminate_endless_loop(_: &[String]) -> Result<(), String> {
    let isolate = Isolate::new(0);
    for source in ["for (;;) {}", "try { for (;;) {} } finally { for (;;) {} }", "(async () => { for (;;) await null; })()"] {
        let terminator = Terminator::new(&isolate).clone();
        let done = AtomicBool::new(false);
        let got = std::thread::scope(|scope| {
            scope.spawn(|| {
                let terminator = terminator;
                // A terminate that comes before the call has begun is nothing, so it is tried again.
                std::thread::sleep(Duration::from_millis(20));
                while !done.load(Ordering::Acquire) {
                    terminator.terminate();
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
            let got = isolate.eval(source, "endless.js", STRING);
            done.store(true, Ordering::Release);
            got
        });
        same(source, &got, "terminated", "")?;
        isolate.expect("'usable'", "usable")?;
    }
    Ok(())
}

fn terminate_idle(_: &[String]) -> Result<(), String> {
    let isolate = Isolate::new(0);
    let terminator = Terminator::new(&isolate);
    if terminator.terminate() {
        return Err("terminating an idle isolate said that a call was under way".into());
    }
    isolate.expect("let n = 0; for (let i = 0; i < 1e5; i++) n += i; n", "4999950000")?;
    drop(isolate);
    if terminator.terminate() {
        return Err("terminating an isolate that is gone said that a call was under way".into());
    }
    Ok(())
}

fn recursion_and_on(_: &[String]) -> Result<(), String> {
    let isolate = Isolate::new(0);
    isolate.expect("function f() { return f(); } 0", "0")?;
    for _ in 0..3 {
        let message = "RangeError: Maximum call stack size exceeded";
        same("f()", &isolate.eval("f()", "deep.js", STRING), "threw", message)?;
        same("call f", &isolate.call("f", "[]"), "threw", message)?;
    }
    isolate.expect("'usable'", "usable")
}

fn eight_threads(_: &[String]) -> Result<(), String> {
    let threads: Vec<_> = (1..=8u64)
        .map(|k| {
            std::thread::spawn(move || {
                let isolate = Isolate::new(0);
                let source = format!("{{ let s = 0; for (let i = 0; i < 100000; i++) s += i * {k}; [s, JSON.stringify({{ k: {k} }}), typeof seen, globalThis.seen = {k}].join(' ') }}");
                let expected = format!("{} {{\"k\":{k}}} undefined {k}", 4_999_950_000 * k);
                (0..3).try_for_each(|round| {
                    let expected = if round == 0 { expected.clone() } else { expected.replace("undefined", "number") };
                    isolate.expect(&source, &expected)
                })
            })
        })
        .collect();
    threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a thread panicked".to_owned())?)
}

/// musl gives threads 128 KiB, and JavaScript must notice where that ends.
fn small_stack_thread(_: &[String]) -> Result<(), String> {
    let work = || {
        let isolate = Isolate::new(0);
        isolate.expect("JSON.stringify([1, 2].map(x => x * 2))", "[2,4]")?;
        let deep = isolate.eval("(function f() { return f() + 1; })()", "deep.js", STRING);
        same("recursion on a stack of 128 KiB", &deep, "threw", "RangeError: Maximum call stack size exceeded")?;
        isolate.expect("'usable'", "usable")
    };
    let thread = std::thread::Builder::new().stack_size(128 << 10).spawn(work).map_err(|error| error.to_string())?;
    thread.join().map_err(|_| "the thread panicked".to_owned())?
}

fn isolate_moves(_: &[String]) -> Result<(), String> {
    let isolate = Isolate::new(0);
    isolate.expect("var count = 1", "undefined")?;
    let (sender, receiver) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let said = isolate.expect("++count", "2");
        sender.send(isolate).map_err(|error| error.to_string())?;
        said
    });
    let back = receiver.recv().map_err(|error| error.to_string())?;
    thread.join().map_err(|_| "the thread panicked".to_owned())??;
    back.expect("++count", "3")
}

fn impossible_options(_: &[String]) -> Result<(), String> {
    let options = Options { struct_size_bytes: size_of::<Options>(), heap_limit_bytes: 1 << 20, stack_limit_bytes: 0 };
    match Isolate::with(&options) {
        None => Ok(()),
        Some(_) => Err("an isolate with a heap limit of 1 MiB was made; libv8.h says NULL under 4 MiB".into()),
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [rows, about @ ..] = &arguments[..] else { panic!("usage: capi ROWS VERSION [FEATURE=0|1]...") };
    run_rows(&std::fs::read(rows).unwrap_or_else(|error| panic!("cannot read {rows}: {error}")));
    for (name, behaviour) in BEHAVIOURS {
        say(&format!("run {name}"));
        let text = behaviour(about).err().unwrap_or_else(|| "ok".into());
        report(name, &Answer { status: "value", text, stack: String::new() });
    }
    say("end");
}
