/* libv8.h: a small C interface to V8, compiled into every libv8 archive.
 *
 * No consumer of this header needs a C++ compiler or V8's own headers.
 *
 * Threads: an isolate may be used from any thread, but from one at a time; the
 * caller serialises (the interface enters and leaves a v8::Locker in each call,
 * so a mistake waits instead of corrupting memory). The one exception is
 * libv8_terminator: its functions may be called from any thread at any time,
 * also after its isolate is gone.
 *
 * Strings: UTF-8, given as pointer and length in bytes, never NUL-terminated
 * unless stated. Invalid UTF-8 in source text is replaced by U+FFFD, as V8 does.
 * An unpaired surrogate in a result becomes U+FFFD.
 *
 * Ownership: what a function named *_new or returning a non-const pointer gives
 * is freed with the matching *_free, exactly once. Passing NULL to *_free is nothing.
 */
#ifndef LIBV8_H_
#define LIBV8_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Raised when a function or the meaning of one changes. Compare with
 * libv8_interface_version() to find a header that is not this library's. */
#define LIBV8_INTERFACE_VERSION 1

typedef struct libv8_isolate libv8_isolate;
typedef struct libv8_result libv8_result;
typedef struct libv8_terminator libv8_terminator;

/* How a call ended. */
typedef enum libv8_status {
  LIBV8_OK = 0,            /* a value; see libv8_result_text                       */
  LIBV8_EXCEPTION = 1,     /* JavaScript threw, or did not compile                 */
  LIBV8_TERMINATED = 2,    /* stopped by libv8_terminator_terminate                */
  LIBV8_OUT_OF_MEMORY = 3, /* the heap limit was reached, or an ArrayBuffer was larger than
                              the system has memory for; the isolate stays usable, unless
                              twice the limit is still referenced: then each call ends so
                              at once, and freeing it is all that helps              */
  LIBV8_INVALID = 4        /* the call itself was wrong: no such function, bad JSON */
} libv8_status;

/* What text a value is turned into. */
typedef enum libv8_format {
  LIBV8_STRING = 0, /* String(value): "1,2", "[object Object]"            */
  LIBV8_JSON = 1,   /* JSON.stringify(value); undefined, functions → null */
  LIBV8_INSPECT = 2 /* for people, on one line, running none of the value's code:
                       strings in double quotes, 1n, -0, Symbol(x), [1, "a"], {a: 1},
                       Point {x: 1}, Map(1) {"a" => 1}, Uint8Array(2) [1, 2], /a/g,
                       2026-01-31T00:00:00.000Z, [TypeError: message], [Function: f],
                       [Getter], [Proxy], [Circular]; own enumerable properties only;
                       what is large or deep is cut short with "…"                  */
} libv8_format;

typedef struct libv8_options {
  size_t struct_size_bytes;   /* sizeof(libv8_options): lets the struct grow          */
  size_t heap_limit_bytes;    /* of the JavaScript heap, without the contents of ArrayBuffers
                                 and WebAssembly memories; 0: V8's default. One large object
                                 may exceed it, by 1 GiB at the most: if it is still alive
                                 when the call ends, the call is LIBV8_OUT_OF_MEMORY      */
  size_t stack_limit_bytes;   /* of native stack JavaScript may use, counted from the frame of
                                 each call, at least 32 KiB; 0: V8's default (984 KiB, or what
                                 --stack-size says). Never beyond the thread's own stack less
                                 64 KiB; more is a RangeError                            */
} libv8_options;

/* "15.2.124.1": the version of V8 in this library, NUL-terminated, static. */
const char *libv8_version(void);
/* LIBV8_INTERFACE_VERSION of the library, as opposed to this header's. */
uint32_t libv8_interface_version(void);
/* 1 if the library has the feature, else 0. Known names, NUL-terminated:
 * "jit", "webassembly", "intl", "snapshot", "sandbox", "pointer_compression". */
int libv8_has_feature(const char *name);
/* V8's command-line flags, "--stack-size=500 --jitless"; only before the first isolate.
 * 1 if taken, 0 if it was too late (then none is taken) or if a flag is unknown or has a bad value (then
 * V8 may have taken others, as it cannot check without setting; it says on stderr what a bad value is). */
int libv8_set_flags(const char *flags, size_t length_bytes);

/* A new isolate with one context. options may be NULL. V8 is started on the first call, in any
 * thread, once for the process and never stopped. NULL if the options are impossible (a heap limit under
 * 4 MiB, a stack limit under 32 KiB) or if the thread has too little stack left (128 KiB in all is enough).
 * Where the system gives V8 no memory at all, V8 ends the process with a line on stderr, here and later. */
libv8_isolate *libv8_isolate_new(const libv8_options *options);
/* Disposes of the isolate. Not while another thread is in a call on it. */
void libv8_isolate_free(libv8_isolate *isolate);

/* Compiles and runs source as a classic script named name (for stacks; may be empty),
 * then runs microtasks until none is left, and gives the script's completion value.
 * If it is a promise, the promise's state decides: fulfilled gives its value,
 * rejected is LIBV8_EXCEPTION, pending is LIBV8_INVALID "the promise is still pending" (work that V8 does in
 * the background, such as compiling WebAssembly, is waited for first). Never NULL. */
libv8_result *libv8_eval(libv8_isolate *isolate, const char *source, size_t source_bytes,
                         const char *name, size_t name_bytes, libv8_format format);

/* Calls a global function by its name, dotted paths allowed ("Math.max"; `this` is what stands before the
 * last dot; top-level const, let and class are found too), with the elements of arguments_json, a JSON array
 * ("[1,\"a\"]"; empty: no argument; at most 65,000). Otherwise as libv8_eval. */
libv8_result *libv8_call(libv8_isolate *isolate, const char *function, size_t function_bytes,
                         const char *arguments_json, size_t arguments_bytes, libv8_format format);

/* Runs microtasks until none is left. libv8_eval and libv8_call have done it already. LIBV8_OK, with no text,
 * or how the microtasks were ended: LIBV8_TERMINATED, LIBV8_OUT_OF_MEMORY. */
libv8_result *libv8_run_microtasks(libv8_isolate *isolate);

/* Waits for a call under way. Bytes in use and the limit of the isolate's JavaScript heap. Either pointer may be NULL. */
void libv8_heap_usage(libv8_isolate *isolate, size_t *used_bytes, size_t *limit_bytes);

libv8_status libv8_result_status(const libv8_result *result);
/* The value, or the error's message ("TypeError: x is not a function"). Lives as long as the result.
 * Also NUL-terminated, beyond *length_bytes, which may be NULL. */
const char *libv8_result_text(const libv8_result *result, size_t *length_bytes);
/* The JavaScript stack of an exception ("TypeError: …\n    at f (a.js:1:2)"; of what is no Error and of
 * a SyntaxError: the message and "    at name:line:column"), else empty. */
const char *libv8_result_stack(const libv8_result *result, size_t *length_bytes);
void libv8_result_free(libv8_result *result);

/* A handle that can stop the isolate's JavaScript from another thread. */
libv8_terminator *libv8_terminator_new(libv8_isolate *isolate);
libv8_terminator *libv8_terminator_clone(const libv8_terminator *terminator);
/* Ends the call under way on the isolate with LIBV8_TERMINATED. 1 if a call was under way, 0 if the isolate
 * was idle or is gone (then nothing happens: a later call is not hit). */
int libv8_terminator_terminate(const libv8_terminator *terminator);
void libv8_terminator_free(libv8_terminator *terminator);

#ifdef __cplusplus
}
#endif

#endif /* LIBV8_H_ */
