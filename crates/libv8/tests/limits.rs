//! Errors, limits and threads, with the real V8 of the archive.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use libv8::{Error, Isolate, TerminateHandle};

const ENDLESS: &str = "for (;;);";

/// Asks until a call was under way. The test's own time limit is the limit.
fn terminate(handle: &TerminateHandle) {
    while !handle.terminate() {
        thread::sleep(Duration::from_millis(1));
    }
}

fn is_usable(isolate: &mut Isolate) {
    assert_eq!(isolate.eval("[1, 2, 3].map(x => x * x)").as_deref(), Ok("1,4,9"));
}

#[test]
fn an_exception_has_its_message_and_stack() {
    let mut isolate = Isolate::new().unwrap();
    let source = "function inner() {\n  null.x\n}\nfunction outer() { inner() }\nouter()";
    let Err(Error::Exception { message, stack }) = isolate.eval_named(source, "dir/a.js") else {
        panic!("null has no properties")
    };
    assert!(message.starts_with("TypeError: "), "{message}");
    let lines: Vec<&str> = stack.lines().collect();
    assert_eq!(lines[0], message);
    assert!(lines[1].contains("inner") && lines[1].contains("dir/a.js:2:8"), "{stack}");
    assert!(lines[2].contains("outer") && lines[2].contains("dir/a.js:4:"), "{stack}");
    is_usable(&mut isolate);
}

#[test]
fn what_is_thrown_need_not_be_an_error() {
    let mut isolate = Isolate::new().unwrap();
    let error = isolate.eval("throw 'plain'").unwrap_err();
    assert!(matches!(&error, Error::Exception { message, .. } if message.contains("plain")), "{error:?}");
    for source in [
        "throw null",
        "throw undefined",
        "throw Symbol('s')",
        "throw { toString() { throw 1 } }",
        "throw Object.create(null)",
    ] {
        let error = isolate.eval(source);
        assert!(matches!(error, Err(Error::Exception { .. })), "{source}: {error:?}");
    }
    is_usable(&mut isolate);
}

#[test]
fn source_that_does_not_compile() {
    let mut isolate = Isolate::new().unwrap();
    for source in ["(", "let x = ", "await 1", "\0", "var 1a"] {
        let error = isolate.eval(source);
        assert!(
            matches!(&error, Err(Error::Exception { message, .. }) if message.starts_with("SyntaxError: ")),
            "{source}: {error:?}"
        );
    }
    is_usable(&mut isolate);
}

#[test]
fn text_of_any_script_and_length_passes_through() {
    let mut isolate = Isolate::new().unwrap();
    for text in ["", "ascii", "naïve", "日本語", "😀\u{0}😀", "مرحبا"] {
        let json = format!("[{text:?}]").replace("\\0", "\\u0000");
        assert_eq!(
            isolate.call("String", &json),
            Ok(format!("{text:?}").replace("\\0", "\\u0000")),
            "{text:?}"
        );
        assert_eq!(isolate.eval(&format!("'{text}'")).as_deref(), Ok(text));
    }
    let long = isolate.eval("'é'.repeat(3_000_000)").unwrap();
    assert_eq!((long.len(), long.chars().count()), (6_000_000, 3_000_000));
    assert_eq!(isolate.eval("'a\\ud800b'").as_deref(), Ok("a\u{FFFD}b"));
}

#[test]
fn deep_recursion_is_a_range_error() {
    let recursion = "(function f() { f() })()";
    let check = |isolate: &mut Isolate| {
        let error = isolate.eval(recursion);
        assert!(
            matches!(&error, Err(Error::Exception { message, .. }) if message.starts_with("RangeError: ")),
            "{error:?}"
        );
        is_usable(isolate);
    };
    check(&mut Isolate::new().unwrap());
    check(&mut Isolate::builder().stack_limit_bytes(200 << 10).build().unwrap());
    // The limit counts from the frame of the call: a thread of another depth, or another size, does not matter.
    let mut isolate = Isolate::new().unwrap();
    thread::Builder::new().stack_size(512 << 10).spawn(move || check(&mut isolate)).unwrap().join().unwrap();
}

#[test]
fn a_larger_stack_limit_recurses_deeper() {
    let depth = |bytes: usize| -> u32 {
        let mut isolate = Isolate::builder().stack_limit_bytes(bytes).build().unwrap();
        let depth = isolate.eval("let n = 0; try { (function f() { n++; f() })() } catch {} n").unwrap();
        depth.parse().unwrap()
    };
    let work = move || assert!(depth(2 << 20) > 3 * depth(400 << 10));
    thread::Builder::new().stack_size(8 << 20).spawn(work).unwrap().join().unwrap();
}

#[test]
fn out_of_memory_is_an_error_and_the_isolate_goes_on() {
    let mut isolate = Isolate::builder().heap_limit_bytes(32 << 20).build().unwrap();
    assert!(isolate.heap_usage().limit_bytes < 64 << 20, "{:?}", isolate.heap_usage());
    for source in [
        "(() => { const a = []; for (;;) a.push(new Array(1000).fill(0)) })()",
        "(() => { let s = 'x'; const m = new Map(); for (let i = 0; ; i++) m.set(i, s + i) })()",
        // Catching is no way out.
        "(() => { const a = []; for (;;) try { a.push({ a: [a.length] }) } catch {} })()",
    ] {
        assert_eq!(isolate.eval(source), Err(Error::OutOfMemory), "{source}");
        is_usable(&mut isolate);
    }
}

#[test]
fn impossible_limits_are_refused() {
    let limits = |heap, stack| Isolate::builder().heap_limit_bytes(heap).stack_limit_bytes(stack).build();
    for (bytes, error) in [(1, limits(1, 0)), (1 << 20, limits(1 << 20, 0)), (1000, limits(0, 1000))] {
        assert!(
            matches!(&error, Err(Error::Invalid(what)) if what.contains(&bytes.to_string())),
            "{error:?}"
        );
    }
}

#[test]
fn another_thread_terminates() {
    let mut isolate = Isolate::new().unwrap();
    let handle = isolate.terminate_handle();
    assert!(!handle.terminate(), "nothing runs");
    // That request is gone: it does not hit this call.
    is_usable(&mut isolate);
    for source in [
        ENDLESS,
        "for (;;) try { for (;;); } catch {} finally { for (;;); }",
        "(async () => { for (;;) await 0 })()",
    ] {
        let watchdog = thread::spawn({
            let handle = handle.clone();
            move || terminate(&handle)
        });
        assert_eq!(isolate.eval(source), Err(Error::Terminated), "{source}");
        watchdog.join().unwrap();
        is_usable(&mut isolate);
    }
    drop(isolate);
    assert!(!handle.terminate(), "the isolate is gone");
    assert!(!handle.clone().terminate());
}

#[test]
fn a_call_is_terminated_too() {
    let mut isolate = Isolate::new().unwrap();
    isolate.eval("function forever() { for (;;); }").unwrap();
    let handle = isolate.terminate_handle();
    let watchdog = thread::spawn(move || terminate(&handle));
    assert_eq!(isolate.call("forever", "[]"), Err(Error::Terminated));
    watchdog.join().unwrap();
}

#[test]
fn terminating_races_with_dropping() {
    for _ in 0..50 {
        let mut isolate = Isolate::new().unwrap();
        let handle = isolate.terminate_handle();
        let (stop, stopped) = mpsc::channel::<()>();
        let racer = thread::spawn(move || {
            while stopped.try_recv() == Err(mpsc::TryRecvError::Empty) {
                handle.terminate();
            }
        });
        let value = isolate.eval("1 + 1");
        assert!(matches!(&value, Ok(two) if two == "2") || value == Err(Error::Terminated), "{value:?}");
        drop(isolate);
        drop(stop);
        racer.join().unwrap();
    }
}

#[test]
fn threads_each_with_an_isolate() {
    let threads: Vec<_> = (0..8)
        .map(|n| {
            thread::spawn(move || {
                let mut isolate = Isolate::new().unwrap();
                isolate.eval(&format!("var mine = {n}; var sum = 0")).unwrap();
                for _ in 0..100 {
                    isolate.eval("sum += mine; [...Array(100).keys()].map(x => ({ x }))").unwrap();
                }
                isolate.eval("sum").unwrap()
            })
        })
        .collect();
    let sums: Vec<String> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(sums, ["0", "100", "200", "300", "400", "500", "600", "700"]);
}

#[test]
fn an_isolate_moves_from_thread_to_thread() {
    let mut isolate = Isolate::builder().heap_limit_bytes(64 << 20).build().unwrap();
    isolate.eval("var visits = 0").unwrap();
    for visit in 1..=20 {
        isolate = thread::spawn(move || {
            assert_eq!(isolate.eval("++visits"), Ok(visit.to_string()));
            isolate
        })
        .join()
        .unwrap();
    }
    // Dropped in another thread than it was made in.
    thread::spawn(move || drop(isolate)).join().unwrap();
}

#[test]
fn isolates_share_nothing() {
    let (mut a, mut b) = (Isolate::new().unwrap(), Isolate::new().unwrap());
    a.eval("var secret = 1; Array.prototype.extra = 2").unwrap();
    assert_eq!(b.eval("typeof secret + ',' + typeof [].extra").as_deref(), Ok("undefined,undefined"));
    assert_eq!(a.eval("secret + [].extra").as_deref(), Ok("3"));
}
