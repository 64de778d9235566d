/* A small C program over libv8.h, for each linker and each form of a program: what runs in one runs in all, so the whole
 * table is run in one only. Prints a line for each failure and exits 1, or one line with the number of checks. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "libv8.h"

static int checks = 0;
static int failures = 0;

static void check(int line, const char *source, libv8_status status, const char *text) {
  libv8_isolate *isolate = libv8_isolate_new(NULL);
  libv8_result *result = libv8_eval(isolate, source, strlen(source), "linked.js", 9, LIBV8_STRING);
  ++checks;
  if (libv8_result_status(result) != status || strcmp(libv8_result_text(result, NULL), text) != 0) {
    ++failures;
    printf("linked.c:%d: failed: %s gives %d \"%s\"\n", line, source, (int)libv8_result_status(result),
           libv8_result_text(result, NULL));
  }
  libv8_result_free(result);
  libv8_isolate_free(isolate);
}
#define VALUE(source, text) check(__LINE__, source, LIBV8_OK, text)
#define THROWS(source, text) check(__LINE__, source, LIBV8_EXCEPTION, text)

/* In the main thread and in another one, whose stack is what the C library gives by default: 128 KiB with musl. */
static void *run(void *unused) {
  VALUE("6 * 7", "42");
  /* Thread-local variables, the clock, long multiplication, sorting, doubles to text and back. */
  VALUE("typeof Date.now() + (3n ** 200n).toString().length + [3, 1, 2].sort() + (0.1).toFixed(20)",
        "number961,2,30.10000000000000000555");
  THROWS("null.x", "TypeError: Cannot read properties of null (reading 'x')");
  THROWS("(function f() { f(); })()", "RangeError: Maximum call stack size exceeded");
  VALUE("Promise.resolve(1).then(x => x + 1)", "2");
  /* Hot enough for the compilers, where there are some. */
  VALUE("let s = 0; for (let i = 0; i < 3e5; i++) s = (s + i * i) % 1009; s", "369");
  return unused;
}

int main(void) {
  pthread_t thread;
  run(NULL);
  if (pthread_create(&thread, NULL, run, NULL) != 0 || pthread_join(thread, NULL) != 0) {
    ++failures;
    printf("linked.c:%d: failed: no second thread\n", __LINE__);
  }
  if (failures == 0) printf("%d checks passed on V8 %s\n", checks, libv8_version());
  return failures == 0 ? 0 : 1;
}
