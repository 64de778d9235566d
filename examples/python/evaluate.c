/* A shared library of one's own over the C interface: one function, which evaluate.py calls by ctypes.
 *
 *   cc -fPIC -shared -fvisibility=hidden -Wl,--exclude-libs,ALL evaluate.c LINE -o libevaluate.so
 *
 * where LINE is what `cargo xtask link-line ARCHIVE` prints, or `pkg-config --cflags --libs v8-capi`.
 * It exports nothing of V8's, so that another V8 in the same process is none of its business. */
#include <stdlib.h>
#include <string.h>

#include "libv8.h"

#define EXPORT __attribute__((visibility("default")))

/* The value of `source` as text, or what it threw, to be given to evaluate_free; *ran says which. NULL without memory. */
EXPORT char *evaluate(const char *source, int *ran) {
  libv8_isolate *isolate = libv8_isolate_new(NULL);
  libv8_result *result;
  char *text = NULL;
  *ran = 0;
  if (isolate == NULL) return NULL;
  result = libv8_eval(isolate, source, strlen(source), "", 0, LIBV8_STRING);
  *ran = libv8_result_status(result) == LIBV8_OK;
  text = strdup(libv8_result_text(result, NULL));
  libv8_result_free(result);
  libv8_isolate_free(isolate);
  return text;
}

EXPORT void evaluate_free(char *text) { free(text); }
