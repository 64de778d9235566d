/* A C program that knows V8 only through a shared library it loads: host PLUGIN ROWS.
 *
 * The main thread loads it and runs the rows; then a second thread, which was not there
 * when V8 started, loads it again, runs them in an isolate of its own and compares. */
#if defined(_WIN32)
#include <windows.h>
#else
#include <dlfcn.h>
#endif
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugin.h"

typedef struct row {
  char name[64];
  libv8_format format;
  const char *source;
  size_t source_bytes;
  char *answer; /* "value NAME ESCAPED": the transcript's line in the main thread */
} row;

static const char *const kStatus[] = {"value", "threw", "terminated", "out-of-memory", "invalid"};
static const char *plugin_path;
static row *rows;
static size_t row_count;

_Noreturn static void fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
  exit(1);
}

static char *escaped(const char *text, size_t bytes) {
  char *out = malloc(2 * bytes + 1), *at = out;
  if (!out) fail("no memory");
  for (size_t i = 0; i < bytes; i++) {
    if (text[i] == '\\' || text[i] == '\n' || text[i] == '\r') {
      *at++ = '\\';
      *at++ = text[i] == '\n' ? 'n' : text[i] == '\r' ? 'r' : '\\';
    } else {
      *at++ = text[i];
    }
  }
  *at = 0;
  return out;
}

static void read_rows(const char *path) {
  FILE *file = fopen(path, "rb");
  char header[160], format[16];
  size_t bytes;
  if (!file) fail("cannot open %s", path);
  while (fgets(header, sizeof header, file)) {
    rows = realloc(rows, (row_count + 1) * sizeof *rows);
    if (!rows) fail("no memory");
    row *next = &rows[row_count++];
    if (sscanf(header, "row %15s %63s %zu", format, next->name, &bytes) != 3) fail("not the header of a row: %s", header);
    char *source = malloc(bytes + 1);
    if (!source || fread(source, 1, bytes + 1, file) != bytes + 1) fail("%s ends within %s", path, next->name);
    next->source = source;
    next->source_bytes = bytes;
    next->format = strcmp(format, "inspect") == 0 ? LIBV8_INSPECT : LIBV8_STRING;
    next->answer = NULL;
  }
  fclose(file);
}

static const smoke_interface *load(void) {
  /* dlsym gives a void *; POSIX, unlike C, lets it be a function. */
  union {
    void *address;
    smoke_interface_function *function;
  } symbol;
#if defined(_WIN32)
  HMODULE library = LoadLibraryA(plugin_path);
  if (!library) fail("%s cannot be loaded: error %lu", plugin_path, GetLastError());
  FARPROC address = GetProcAddress(library, "smoke_plugin");
  memcpy(&symbol, &address, sizeof address);
  if (!address) fail("no smoke_plugin: error %lu", GetLastError());
#else
  void *library = dlopen(plugin_path, RTLD_NOW | RTLD_LOCAL);
  if (!library) fail("%s", dlerror());
  symbol.address = dlsym(library, "smoke_plugin");
  if (!symbol.address) fail("%s", dlerror());
#endif
  return symbol.function();
}

/* The transcript's line of one row; with `print`, its stack is printed before. */
static char *answer_of(const smoke_interface *v8, libv8_isolate *isolate, const row *row, int print) {
  char name[80];
  size_t bytes, name_bytes = (size_t)snprintf(name, sizeof name, "%s.js", row->name);
  libv8_result *result = v8->eval(isolate, row->source, row->source_bytes, name, name_bytes, row->format);
  const char *text = v8->result_stack(result, &bytes);
  if (print && bytes) {
    char *stack = escaped(text, bytes);
    printf("stack %s %s\n", row->name, stack);
    free(stack);
  }
  text = v8->result_text(result, &bytes);
  char *value = escaped(text, bytes);
  const char *status = kStatus[v8->result_status(result)];
  size_t line_bytes = strlen(status) + strlen(row->name) + strlen(value) + 3;
  char *line = malloc(line_bytes);
  if (!line) fail("no memory");
  snprintf(line, line_bytes, "%s %s %s", status, row->name, value);
  free(value);
  v8->result_free(result);
  return line;
}

/* Gives the first row that answers otherwise than in the main thread, or NULL. */
static void *run_again(void *unused) {
  (void)unused;
  const smoke_interface *v8 = load();
  libv8_isolate *isolate = v8->isolate_new(NULL);
  if (!isolate) fail("no isolate in the second thread");
  const row *other = NULL;
  for (size_t i = 0; i < row_count && !other; i++) {
    char *line = answer_of(v8, isolate, &rows[i], 0);
    if (strcmp(line, rows[i].answer) != 0) other = &rows[i];
    free(line);
  }
  v8->isolate_free(isolate);
  return (void *)other;
}

int main(int count, char **arguments) {
  if (count != 3) fail("usage: host PLUGIN ROWS");
  plugin_path = arguments[1];
  setvbuf(stdout, NULL, _IOLBF, 0);
  read_rows(arguments[2]);

  const smoke_interface *v8 = load();
  libv8_isolate *isolate = v8->isolate_new(NULL);
  if (!isolate) fail("no isolate");
  for (size_t i = 0; i < row_count; i++) {
    printf("run %s\n", rows[i].name);
    rows[i].answer = answer_of(v8, isolate, &rows[i], 1);
    puts(rows[i].answer);
  }

  puts("run second-thread");
  pthread_t thread;
  void *other;
  /* What glibc gives without being asked. musl gives 128 KiB, where deep JSON is rightly refused. */
  pthread_attr_t large;
  if (pthread_attr_init(&large) || pthread_attr_setstacksize(&large, 8 << 20)) fail("no stack of 8 MiB");
  if (pthread_create(&thread, &large, run_again, NULL) || pthread_join(thread, &other)) fail("no second thread");
  if (other) {
    printf("value second-thread row %s answers otherwise than in the main thread\n", ((const row *)other)->name);
  } else {
    puts("value second-thread ok");
  }

  puts("run first-isolate-afterwards");
  row last = {"again", LIBV8_STRING, "1n << 70n", 9, NULL};
  char *line = answer_of(v8, isolate, &last, 0);
  printf("value first-isolate-afterwards %s\n", strcmp(line, "value again 1180591620717411303424") == 0 ? "ok" : line);
  v8->isolate_free(isolate);
  puts("end");
  return 0;
}
