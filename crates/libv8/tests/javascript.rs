//! JavaScript that any embedder relies on, in the real V8 of the archive.

use libv8::{Error, Feature, Isolate, has_feature};

/// Each row on an isolate of its own: `String(value)` is what is expected.
fn check(rows: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (source, expected) in rows {
        let value = Isolate::new().expect("an isolate without limits").eval(source);
        if value.as_deref() != Ok(expected) {
            wrong.push(format!("{source}\n  gives {value:?}\n  not   {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_language() {
    check(&[
        ("6 * 7", "42"),
        ("0.1 + 0.2", "0.30000000000000004"),
        ("1n << 64n", "18446744073709551616"),
        ("(-7n) / 2n", "-3"),
        ("'a\\u{1F600}b'.length", "4"),
        ("'日本'.normalize().length", "2"),
        ("/^(?<y>\\d{4})-(?<m>\\d\\d)$/.exec('2026-11').groups.m", "11"),
        ("JSON.stringify({ a: [1, 'x', null] })", r#"{"a":[1,"x",null]}"#),
        ("function* g() { yield 1; yield* [2, 3] } [...g()]", "1,2,3"),
        ("class A { #n = 4; get n() { return this.#n } } new A().n", "4"),
        ("let { a, ...rest } = { a: 1, b: 2 }; Object.keys(rest)", "b"),
        ("new Map([[NaN, 'nan']]).get(NaN)", "nan"),
        ("Array.from(new Float64Array([1.5, -0]), x => Object.is(x, -0))", "false,true"),
        ("new Date(Date.UTC(2026, 10, 20)).toISOString()", "2026-11-20T00:00:00.000Z"),
        (
            "const s = new SharedArrayBuffer(8); Atomics.add(new Int32Array(s), 0, 5); new Int32Array(s)[0]",
            "5",
        ),
        ("try { (function f() { f() })() } catch (e) { e.constructor.name }", "RangeError"),
        ("undefined", "undefined"),
        ("", "undefined"),
    ]);
}

#[test]
fn promises_and_microtasks() {
    check(&[
        ("(async () => { let n = 0; for await (const x of [1, 2]) n += x; return n })()", "3"),
        ("Promise.all([1, Promise.resolve(2)]).then(all => all.join('+'))", "1+2"),
    ]);
    let mut isolate = Isolate::new().unwrap();
    isolate
        .eval("var order = []; Promise.resolve().then(() => order.push('micro')); order.push('script')")
        .unwrap();
    assert_eq!(isolate.eval("order").unwrap(), "script,micro");
    isolate.run_microtasks().unwrap();

    let pending = isolate.eval("new Promise(() => {})");
    assert!(matches!(&pending, Err(Error::Invalid(what)) if what.contains("pending")), "{pending:?}");
    let rejected = isolate.eval("Promise.reject(new TypeError('no'))");
    assert!(
        matches!(&rejected, Err(Error::Exception { message, .. }) if message == "TypeError: no"),
        "{rejected:?}"
    );
}

#[test]
fn webassembly_where_the_archive_has_it() {
    // (module (func (export "f") (result i32) i32.const 42))
    let source = "const bytes = new Uint8Array([0,97,115,109,1,0,0,0,1,5,1,96,0,1,127,3,2,1,0,7,5,1,1,102,0,0,10,6,1,4,0,65,42,11]);
                  new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports.f()";
    let value = Isolate::new().unwrap().eval(source);
    if has_feature(Feature::WebAssembly) {
        assert_eq!(value.as_deref(), Ok("42"));
    } else {
        assert!(
            matches!(&value, Err(Error::Exception { message, .. }) if message.contains("WebAssembly")),
            "{value:?}"
        );
    }
}

#[test]
fn intl_where_the_archive_has_it() {
    if !has_feature(Feature::Intl) {
        assert_eq!(Isolate::new().unwrap().eval("typeof Intl").as_deref(), Ok("undefined"));
        return;
    }
    check(&[
        ("new Intl.DateTimeFormat('de', { timeZone: 'UTC' }).format(0)", "1.1.1970"),
        // \p{…} takes its tables from ICU.
        ("/[\\p{L}--[a-z]]/v.test('a') + ',' + /[\\p{L}--[a-z]]/v.test('é')", "false,true"),
        ("new Intl.NumberFormat('de').format(1234567.5)", "1.234.567,5"),
        ("new Intl.NumberFormat('ar-EG').format(123)", "١٢٣"),
        (
            "new Intl.DateTimeFormat('ja', { dateStyle: 'long', timeZone: 'Asia/Tokyo' }).format(0)",
            "1970年1月1日",
        ),
        (
            "new Date(0).toLocaleString('en-US', { timeZone: 'America/New_York', hour: 'numeric', hour12: false })",
            "19",
        ),
        ("['z', 'ä', 'a'].sort(new Intl.Collator('de').compare)", "a,ä,z"),
        ("'İ'.toLocaleLowerCase('tr')", "i"),
    ]);
}

#[test]
fn json_and_inspected_values() {
    let mut isolate = Isolate::new().unwrap();
    for (source, json) in [
        ("({ a: [1, 'x\\n'] })", r#"{"a":[1,"x\n"]}"#),
        ("undefined", "null"),
        ("(() => 1)", "null"),
        ("NaN", "null"),
        ("'\\ud800'", r#""\ud800""#),
    ] {
        assert_eq!(isolate.eval_json(source).as_deref(), Ok(json), "{source}");
    }
    for no_json in ["1n", "const o = {}; o.o = o; o"] {
        let error = isolate.eval_json(no_json);
        assert!(
            matches!(&error, Err(Error::Exception { message, .. }) if message.starts_with("TypeError")),
            "{error:?}"
        );
    }
    assert_eq!(isolate.inspect("1n").as_deref(), Ok("1n"));
    let text = isolate.inspect("const c = { s: 'x' }; c.c = c; [c, 2n]").unwrap();
    assert!(text.contains("Circular") && text.contains("2n"), "{text}");
}

#[test]
fn calls() {
    let mut isolate = Isolate::new().unwrap();
    isolate
        .eval("var counter = { n: 1, add(by) { this.n += by; return { n: this.n } } }; async function later(x) { return x }; function boom() { throw new RangeError('boom') }")
        .unwrap();
    assert_eq!(
        isolate.call("counter.add", "[41]").as_deref(),
        Ok(r#"{"n":42}"#),
        "`this` is what stands before the dot"
    );
    assert_eq!(isolate.call("later", r#"["日本"]"#).as_deref(), Ok(r#""日本""#));
    assert_eq!(isolate.call("Math.max", "").as_deref(), Ok("null"), "-Infinity has no JSON");
    for (function, arguments) in
        [("nothing", "[]"), ("counter.n", "[]"), ("a.b.c", "[]"), ("Math.max", "{}"), ("Math.max", "[1")]
    {
        let error = isolate.call(function, arguments);
        assert!(matches!(error, Err(Error::Invalid(_))), "{function}({arguments}): {error:?}");
    }
    let thrown = isolate.call("boom", "[]");
    assert!(
        matches!(&thrown, Err(Error::Exception { message, .. }) if message == "RangeError: boom"),
        "{thrown:?}"
    );
}

#[cfg(feature = "serde")]
#[test]
fn values_of_rust() {
    let mut isolate = Isolate::new().unwrap();
    isolate.eval("function swap(a, b) { return [b, a] }").unwrap();
    assert_eq!(isolate.call_as::<_, (String, i32)>("swap", &(1, "one")), Ok(("one".to_owned(), 1)));
    assert_eq!(isolate.eval_as::<Option<u8>>("undefined"), Ok(None));
    let error = isolate.eval_as::<u8>("300");
    assert!(matches!(&error, Err(Error::Invalid(what)) if what.contains("u8")), "{error:?}");
    let error = isolate.call_as::<_, u8>("swap", &5);
    assert!(matches!(error, Err(Error::Invalid(_))), "a number is no list of arguments: {error:?}");
}
