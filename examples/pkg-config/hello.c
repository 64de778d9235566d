/* Evaluates its argument as JavaScript through the C interface, and prints the value. */
#include <stdio.h>
#include <string.h>

#include "libv8.h"

int main(int argc, char **argv) {
  const char *source = argc > 1 ? argv[1] : "'hello from C ' + 6 * 7";
  libv8_isolate *isolate = libv8_isolate_new(NULL);
  libv8_result *result;
  int ran;
  if (isolate == NULL) {
    fputs("no isolate could be made\n", stderr);
    return 1;
  }
  result = libv8_eval(isolate, source, strlen(source), "", 0, LIBV8_STRING);
  ran = libv8_result_status(result) == LIBV8_OK;
  fprintf(ran ? stdout : stderr, "%s\n", libv8_result_text(result, NULL));
  libv8_result_free(result);
  libv8_isolate_free(isolate);
  return ran ? 0 : 1;
}
