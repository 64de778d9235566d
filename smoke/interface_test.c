/* Every function and status of libv8.h, through plain C.
 *
 * Linked with the archive and run by the smoke command. Prints a line for each failure
 * and exits 1, or one line with the number of checks and exits 0. Fits every variant:
 * what one lacks is asked with libv8_has_feature. Needs POSIX threads.
 */
/* nanosleep and pthread_attr_setstacksize, under -std=c11. */
#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "libv8.h"

static int checks = 0;
static int failures = 0;

#define CHECK(condition) check((condition) != 0, #condition, __LINE__)

static void check(int passed, const char *what, int line) {
  ++checks;
  if (!passed) {
    ++failures;
    printf("interface_test.c:%d: failed: %s\n", line, what);
    fflush(stdout);
  }
}

static libv8_result *eval(libv8_isolate *isolate, const char *source, libv8_format format) {
  return libv8_eval(isolate, source, strlen(source), "test.js", 7, format);
}

static libv8_result *call(libv8_isolate *isolate, const char *function, const char *arguments) {
  return libv8_call(isolate, function, strlen(function), arguments, strlen(arguments), LIBV8_JSON);
}

/* Checks status and the whole text, and frees the result. text NULL: any. */
static void expect(libv8_result *result, libv8_status status, const char *text, int line) {
  ++checks;
  size_t length = 0;
  const char *found = libv8_result_text(result, &length);
  if (libv8_result_status(result) != status ||
      (text != NULL && (length != strlen(text) || memcmp(found, text, length) != 0)) ||
      found[length] != '\0') {
    ++failures;
    printf("interface_test.c:%d: failed: expected %d \"%s\", found %d \"%s\"\n", line, (int)status,
           text ? text : "(any)", (int)libv8_result_status(result), found);
    fflush(stdout);
  }
  libv8_result_free(result);
}

#define EVAL(source, format, status, text) \
  expect(eval(isolate, source, format), status, text, __LINE__)
#define STRING(source, text) EVAL(source, LIBV8_STRING, LIBV8_OK, text)
#define JSON(source, text) EVAL(source, LIBV8_JSON, LIBV8_OK, text)
#define INSPECT(source, text) EVAL(source, LIBV8_INSPECT, LIBV8_OK, text)
#define CALL(function, arguments, status, text) \
  expect(call(isolate, function, arguments), status, text, __LINE__)

/* Whether the result's text (or stack) holds the words; frees nothing. */
static int text_has(const libv8_result *result, const char *words) {
  return strstr(libv8_result_text(result, NULL), words) != NULL;
}
static int stack_has(const libv8_result *result, const char *words) {
  return strstr(libv8_result_stack(result, NULL), words) != NULL;
}

static void sleep_ms(long milliseconds) {
  struct timespec time = {milliseconds / 1000, (milliseconds % 1000) * 1000000};
  nanosleep(&time, NULL);
}

static void test_process(void) {
  static const char stack[] = "--stack-size=900";
  static const char unknown[] = "--no-such-flag-in-any-v8";
  static const char help[] = "--help";
  CHECK(strchr(libv8_version(), '.') != NULL);
  CHECK(libv8_interface_version() == LIBV8_INTERFACE_VERSION);
  CHECK(libv8_has_feature("snapshot") == 1);
  CHECK(libv8_has_feature("no such feature") == 0);
  CHECK(libv8_has_feature(NULL) == 0);
  CHECK(libv8_set_flags(stack, sizeof stack - 1) == 1);
  CHECK(libv8_set_flags(unknown, sizeof unknown - 1) == 0);
  CHECK(libv8_set_flags(help, sizeof help - 1) == 0); /* and not the process's end */
}

static void test_options(void) {
  libv8_options options = {.struct_size_bytes = sizeof options};
  options.heap_limit_bytes = 1 << 20;
  CHECK(libv8_isolate_new(&options) == NULL);
  options.heap_limit_bytes = 0;
  options.stack_limit_bytes = 1;
  CHECK(libv8_isolate_new(&options) == NULL);
  /* A caller whose struct ends before stack_limit_bytes. */
  options.struct_size_bytes = offsetof(libv8_options, stack_limit_bytes);
  libv8_isolate *isolate = libv8_isolate_new(&options);
  CHECK(isolate != NULL);
  STRING("1 + 1", "2");
  libv8_isolate_free(isolate);
  CHECK(libv8_set_flags("--jitless", 9) == 0); /* V8 runs: too late */

  libv8_options small = {.struct_size_bytes = sizeof small, .heap_limit_bytes = 4 << 20};
  isolate = libv8_isolate_new(&small);
  CHECK(isolate != NULL);
  STRING("[1, 2].map(x => x * 2)", "2,4");
  libv8_isolate_free(isolate);

  expect(libv8_eval(NULL, "1", 1, "", 0, LIBV8_STRING), LIBV8_INVALID, NULL, __LINE__);
  libv8_isolate_free(NULL);
  libv8_result_free(NULL);
  libv8_terminator_free(NULL);
}

static void test_formats(libv8_isolate *isolate) {
  STRING("[1, [2, 3]]", "1,2,3");
  STRING("({})", "[object Object]");
  STRING("undefined", "undefined");
  STRING("Symbol('s')", "Symbol(s)");
  STRING("", "undefined");
  STRING("let kept = 41; kept + 1", "42");
  STRING("kept", "41"); /* one context for all calls */

  JSON("({a: [1, 'x', null, undefined], d: undefined})", "{\"a\":[1,\"x\",null,null]}");
  JSON("undefined", "null");
  JSON("() => 1", "null");
  JSON("({toJSON() { return undefined; }})", "null");
  JSON("'undefined'", "\"undefined\"");
  EVAL("1n", LIBV8_JSON, LIBV8_EXCEPTION, "TypeError: Do not know how to serialize a BigInt");
  EVAL("1", (libv8_format)9, LIBV8_INVALID, NULL);

  INSPECT("[1n<<64n, 'a']", "[18446744073709551616n, \"a\"]");
  INSPECT("[-0, 0, NaN, null, undefined, true]", "[-0, 0, NaN, null, undefined, true]");
  INSPECT("[1,,,2]", "[1, <2 empty>, 2]");
  INSPECT("({a: 1, 'b c': {}, [Symbol('s')]: 'q\"\\n\\0'})",
          "{a: 1, \"b c\": {}, [Symbol(s)]: \"q\\\"\\n\\x00\"}");
  INSPECT("new class Point { x = 1; }", "Point {x: 1}");
  INSPECT("new Map([['a', new Set([1])]])", "Map(1) {\"a\" => Set(1) {1}}");
  INSPECT("new Uint8Array([1, 2])", "Uint8Array(2) [1, 2]");
  INSPECT("[/a.b/gi, new Date(0), new Date(NaN)]",
          "[/a.b/gi, 1970-01-01T00:00:00.000Z, Invalid Date]");
  INSPECT("[new TypeError('bad'), function f() {}, () => 1, new Number(1)]",
          "[[TypeError: bad], [Function: f], [Function (anonymous)], [Number: 1]]");
  INSPECT("var o = {}; o.self = o; o", "{self: [Circular]}");
  INSPECT("({get a() { throw 1; }, set b(v) {}})", "{a: [Getter], b: [Setter]}");
  INSPECT("new Proxy({}, {ownKeys() { throw 1; }})", "[Proxy]");
  INSPECT("[Promise.resolve(1), [[[[[[1]]]]]]]",
          "[Promise {1}, [[[[[Array]]]]]]");
  libv8_result *long_array = eval(isolate, "new Array(150).fill(0)", LIBV8_INSPECT);
  CHECK(text_has(long_array, "… 50 more]"));
  libv8_result_free(long_array);
}

static void test_strings(libv8_isolate *isolate) {
  static const char with_nul[] = "'a\0b'.length + ':a\0b'";
  libv8_result *result =
      libv8_eval(isolate, with_nul, sizeof with_nul - 1, NULL, 0, LIBV8_STRING);
  size_t length = 0;
  const char *text = libv8_result_text(result, &length);
  CHECK(length == 5 && memcmp(text, "3:a\0b", 6) == 0);
  libv8_result_free(result);

  STRING("'\xff\xfe'", "\xef\xbf\xbd\xef\xbf\xbd");       /* invalid UTF-8 in */
  STRING("'\\ud800'", "\xef\xbf\xbd");                    /* lone surrogate out */
  STRING("'日本'.length + '😀'", "2😀");

  const size_t huge = (size_t)600 << 20; /* more than V8's 2^29-24 */
  char *source = calloc(huge, 1); /* never read, so never memory */
  CHECK(source != NULL);
  if (source != NULL) {
    result = libv8_eval(isolate, source, huge, "", 0, LIBV8_STRING);
    CHECK(libv8_result_status(result) == LIBV8_INVALID && text_has(result, "629145600 bytes"));
    libv8_result_free(result);
    free(source);
  }
}

static void test_exceptions(libv8_isolate *isolate) {
  libv8_result *result =
      eval(isolate, "function thrower() {\n  null.x;\n}\nthrower()", LIBV8_STRING);
  CHECK(libv8_result_status(result) == LIBV8_EXCEPTION);
  CHECK(strncmp(libv8_result_text(result, NULL), "TypeError: Cannot read", 22) == 0);
  CHECK(stack_has(result, "at thrower (test.js:2:8)"));
  CHECK(stack_has(result, "at test.js:4:1"));
  libv8_result_free(result);

  result = eval(isolate, "let 1", LIBV8_STRING);
  CHECK(libv8_result_status(result) == LIBV8_EXCEPTION && text_has(result, "SyntaxError: "));
  CHECK(stack_has(result, "\n    at test.js:1:5"));
  libv8_result_free(result);

  result = eval(isolate, "\n throw 1", LIBV8_STRING);
  CHECK(stack_has(result, "1\n    at test.js:2:2"));
  expect(result, LIBV8_EXCEPTION, "1", __LINE__);
  EVAL("throw undefined", LIBV8_STRING, LIBV8_EXCEPTION, "undefined");
  EVAL("throw Symbol('s')", LIBV8_STRING, LIBV8_EXCEPTION, "Symbol(s)");
  EVAL("throw {toString() { throw 2; }}", LIBV8_STRING, LIBV8_EXCEPTION, "[object Object]");
  EVAL("throw {get stack() { throw 3; }, toString: () => 'own'}", LIBV8_STRING, LIBV8_EXCEPTION,
       "own");
  EVAL("({toString() { throw new Error('in format'); }})", LIBV8_STRING, LIBV8_EXCEPTION,
       "Error: in format");
  result = eval(isolate, "1", LIBV8_STRING);
  size_t length = 1;
  CHECK(libv8_result_stack(result, &length)[0] == '\0' && length == 0);
  libv8_result_free(result);
}

static void test_promises(libv8_isolate *isolate) {
  STRING("Promise.resolve(7)", "7");
  STRING("(async () => { let n = 0; for (let i = 0; i < 5; i++) { await 0; n++; } return n; })()",
         "5");
  EVAL("Promise.reject(new RangeError('no'))", LIBV8_STRING, LIBV8_EXCEPTION, "RangeError: no");
  EVAL("new Promise(r => { globalThis.resolve = r; })", LIBV8_STRING, LIBV8_INVALID,
       "the promise is still pending");
  /* Microtasks run after the value, before the next call. */
  STRING("var ran = 0; Promise.resolve().then(() => { ran = 1; }); ran", "0");
  STRING("ran", "1");
  EVAL("Promise.resolve().then(() => { ran = 2; }); throw 1", LIBV8_STRING, LIBV8_EXCEPTION, "1");
  STRING("ran", "2");
  expect(libv8_run_microtasks(isolate), LIBV8_OK, "", __LINE__);
  if (libv8_has_feature("webassembly")) {
    STRING("WebAssembly.compile(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]))",
           "[object WebAssembly.Module]");
  } else {
    STRING("typeof WebAssembly", "undefined");
  }
  STRING("typeof Intl", libv8_has_feature("intl") ? "object" : "undefined");
}

static void test_calls(libv8_isolate *isolate) {
  CALL("Math.max", "[1, 3, 2]", LIBV8_OK, "3");
  CALL("parseInt", "[\"12\"]", LIBV8_OK, "12");
  STRING("var deep = {er: {base: 2, times(n) { return this.base * n; }}};"
         "const arrow = (...all) => all; var text = 'abc'; 0", "0");
  CALL("deep.er.times", "[21]", LIBV8_OK, "42");
  CALL("arrow", "", LIBV8_OK, "[]");
  CALL("arrow", "[]", LIBV8_OK, "[]");
  CALL("arrow", "[null, {\"a\": [1]}, \"x\"]", LIBV8_OK, "[null,{\"a\":[1]},\"x\"]");
  CALL("text.toUpperCase", "", LIBV8_OK, "\"ABC\"");
  CALL("deep.nothing", "", LIBV8_INVALID, "no such function: \"deep.nothing\"");
  CALL("nothing.at.all", "", LIBV8_INVALID, "no such function: \"nothing.at.all\"");
  CALL("", "", LIBV8_INVALID, "no such function: \"\"");
  CALL("deep.er", "", LIBV8_INVALID, "not a function: \"deep.er\"");
  CALL("arrow", "{}", LIBV8_INVALID, "the arguments are not a JSON array");
  libv8_result *result = call(isolate, "arrow", "[1,");
  CHECK(text_has(result, "the arguments are not JSON: SyntaxError: "));
  CHECK(libv8_result_stack(result, NULL)[0] == '\0');
  expect(result, LIBV8_INVALID, NULL, __LINE__);
  CALL("decodeURIComponent", "[\"%\"]", LIBV8_EXCEPTION, "URIError: URI malformed");
}

static const char kRecursion[] = "(function f(n) { return f(n + 1) + 1; })(0)";

static void test_recursion(libv8_isolate *isolate) {
  EVAL(kRecursion, LIBV8_STRING, LIBV8_EXCEPTION, "RangeError: Maximum call stack size exceeded");
  /* V8's parser recurses as well. */
  EVAL("eval('('.repeat(200000))", LIBV8_STRING, LIBV8_EXCEPTION,
       "RangeError: Maximum call stack size exceeded");
  STRING("1 + 1", "2");
}

static void test_memory(void) {
  const size_t limit_bytes = (size_t)32 << 20;
  libv8_options options = {.struct_size_bytes = sizeof options, .heap_limit_bytes = limit_bytes};
  libv8_isolate *isolate = libv8_isolate_new(&options);
  CHECK(isolate != NULL);
  size_t used = 0, limit = 0;
  libv8_heap_usage(isolate, &used, &limit);
  CHECK(used > 0 && used < limit && limit == limit_bytes);
  libv8_heap_usage(isolate, NULL, NULL);

  for (int round = 0; round < 3; ++round) { /* the isolate stays usable, again and again */
    EVAL("var list = []; for (;;) list.push({a: list.length, b: [1, 2, 3]})", LIBV8_STRING,
         LIBV8_OUT_OF_MEMORY, "the heap limit of 33554432 bytes was reached");
    STRING("list = null; 'alive'", "alive");
  }
  /* V8 compiles such a loop in full, and must leave in it what a termination goes through. */
  EVAL("var list = []; for (;;) list.push(new Array(100))", LIBV8_STRING, LIBV8_OUT_OF_MEMORY,
       "the heap limit of 33554432 bytes was reached");
  /* One object larger than the whole limit may come and go; V8 looks when it collects. */
  STRING("list = null; new Array(3e7).fill(0).length", "30000000");
  STRING("(() => { const s = 'ab'.repeat(1e8); return s.charAt(1e8); })()", "a");
  EVAL("'x'.repeat(2 ** 30)", LIBV8_STRING, LIBV8_EXCEPTION, "RangeError: Invalid string length");
  /* More than a process can address: what Linux refuses before, wine gives, and fills with zeros until the machine is full. */
  EVAL("new ArrayBuffer(2 ** 50)", LIBV8_STRING, LIBV8_OUT_OF_MEMORY, NULL);
  /* In a microtask, and caught by nobody. */
  EVAL("(async () => { await 0; try { var l = []; for (;;) l.push([l.length]); } finally {"
       " for (;;); } })()", LIBV8_STRING, LIBV8_OUT_OF_MEMORY, NULL);
  STRING("1 + 1", "2");
  libv8_heap_usage(isolate, &used, NULL);
  CHECK(used < limit_bytes);
  /* What stays referenced is far beyond the limit: no further call may add to it. */
  EVAL("var kept = new Array(3e7).fill(0); 0", LIBV8_STRING, LIBV8_OUT_OF_MEMORY, NULL);
  libv8_result *refused = eval(isolate, "1", LIBV8_STRING);
  CHECK(text_has(refused, "free the isolate"));
  expect(refused, LIBV8_OUT_OF_MEMORY, NULL, __LINE__);
  libv8_isolate_free(isolate);
}

/* Terminates until a call under way was hit; counts the hits. */
static void *terminate_soon(void *argument) {
  libv8_terminator *terminator = argument;
  sleep_ms(50);
  while (!libv8_terminator_terminate(terminator)) sleep_ms(1);
  libv8_terminator_free(terminator);
  return NULL;
}

static void expect_terminated(libv8_isolate *isolate, libv8_terminator *terminator,
                              const char *source, int line) {
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, terminate_soon, libv8_terminator_clone(terminator)) == 0);
  expect(eval(isolate, source, LIBV8_STRING), LIBV8_TERMINATED, NULL, line);
  pthread_join(thread, NULL);
}

static void test_terminate(void) {
  libv8_isolate *isolate = libv8_isolate_new(NULL);
  CHECK(isolate != NULL);
  libv8_terminator *terminator = libv8_terminator_new(isolate);
  CHECK(libv8_terminator_terminate(terminator) == 0); /* idle: nothing … */
  STRING("1 + 1", "2");                               /* … and nothing later */
  expect_terminated(isolate, terminator, "for (;;);", __LINE__);
  STRING("1 + 1", "2");
  expect_terminated(isolate, terminator, "try { for (;;); } catch { } finally { for (;;); }",
                    __LINE__);
  expect_terminated(isolate, terminator,
                    "(function again() { return Promise.resolve().then(again); })()", __LINE__);
  expect_terminated(isolate, terminator, "throw {toString() { for (;;); }, get stack() { for (;;); }}",
                    __LINE__);
  expect_terminated(isolate, terminator, "({toString() { for (;;); }})", __LINE__);
  expect_terminated(isolate, terminator, "/^(a+)+$/.test('a'.repeat(60) + 'b')", __LINE__);
  STRING("Promise.resolve('after').then(x => x)", "after");
  libv8_isolate_free(isolate);
  CHECK(libv8_terminator_terminate(terminator) == 0); /* outlives its isolate */
  libv8_terminator_free(terminator);
}

/* All of an isolate's life on another thread, or one handed over: see the callers. */
static void *on_small_stack(void *argument) {
  libv8_isolate *isolate = argument;
  libv8_isolate *own = NULL;
  if (isolate == NULL) isolate = own = libv8_isolate_new(NULL);
  CHECK(isolate != NULL);
  if (isolate == NULL) return NULL;
  STRING("[3, 1, 2].sort().join()", "1,2,3");
  EVAL(kRecursion, LIBV8_STRING, LIBV8_EXCEPTION, "RangeError: Maximum call stack size exceeded");
  STRING("JSON.stringify({a: /x/u.test('x')})", "{\"a\":true}");
  libv8_isolate_free(own);
  return NULL;
}

static void test_threads(libv8_isolate *isolate) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 128 * 1024);
  pthread_t thread;
  CHECK(pthread_create(&thread, &attributes, on_small_stack, NULL) == 0);
  pthread_join(thread, NULL);
  CHECK(pthread_create(&thread, &attributes, on_small_stack, isolate) == 0);
  pthread_join(thread, NULL);
  pthread_attr_destroy(&attributes);
  /* The small thread's stack limit has not stayed with the isolate. */
  STRING("(function f(n) { return n === 0 ? 'deep' : f(n - 1); })(4000)", "deep");
}

/* A script that keeps an isolate busy, and its answer: garbage, sorting, text, long numbers, recursion to its end. */
static const char kBusy[] =
    "let out = ''; for (let round = 0; round < 3; round++) {"
    "  const all = Array.from({length: 5000}, (_, i) => ({key: (i * 7919) % 5003, text: 'x' + i}));"
    "  all.sort((a, b) => a.key - b.key);"
    "  out += all[round].text + JSON.parse(JSON.stringify(all)).length + (3n ** 500n % 1000007n);"
    "  try { (function f() { f(); })(); } catch (error) { out += error.name; }"
    "} out";
static const char kBusyAnswer[] =
    "x05000905607RangeErrorx41405000905607RangeErrorx32775000905607RangeError";

/* 1: the answer of an isolate of this thread's own was right. */
static void *busy(void *unused) {
  (void)unused;
  libv8_isolate *isolate = libv8_isolate_new(NULL);
  if (isolate == NULL) return NULL;
  libv8_result *result = eval(isolate, kBusy, LIBV8_STRING);
  const int good = libv8_result_status(result) == LIBV8_OK &&
                   strcmp(libv8_result_text(result, NULL), kBusyAnswer) == 0;
  libv8_result_free(result);
  libv8_isolate_free(isolate);
  return good ? (void *)kBusyAnswer : NULL;
}

/* One isolate in a thread, then eight at the same time, with stacks as the C library makes them. */
static void test_isolates(void) {
  pthread_t threads[8];
  for (int count = 1; count <= 8; count += 7) {
    for (int i = 0; i < count; i++) CHECK(pthread_create(&threads[i], NULL, busy, NULL) == 0);
    for (int i = 0; i < count; i++) {
      void *answer = NULL;
      pthread_join(threads[i], &answer);
      CHECK(answer == (void *)kBusyAnswer);
    }
  }
}

int main(void) {
  test_process();
  test_options();
  libv8_isolate *isolate = libv8_isolate_new(NULL);
  CHECK(isolate != NULL);
  if (isolate == NULL) return 1;
  test_formats(isolate);
  test_strings(isolate);
  test_exceptions(isolate);
  test_promises(isolate);
  test_calls(isolate);
  test_recursion(isolate);
  test_threads(isolate);
  libv8_isolate_free(isolate);
  test_isolates();
  test_memory();
  test_terminate();
  if (failures != 0) {
    printf("%d of %d checks failed\n", failures, checks);
    return 1;
  }
  printf("%d checks passed on V8 %s\n", checks, libv8_version());
  return 0;
}
