/* What the shared library of plugin.c exports: one function, which gives the C interface it carries. */
#ifndef SMOKE_PLUGIN_H_
#define SMOKE_PLUGIN_H_

#include "libv8.h"

typedef struct smoke_interface {
  const char *(*version)(void);
  uint32_t (*interface_version)(void);
  int (*has_feature)(const char *name);
  int (*set_flags)(const char *flags, size_t length_bytes);
  libv8_isolate *(*isolate_new)(const libv8_options *options);
  void (*isolate_free)(libv8_isolate *isolate);
  libv8_result *(*eval)(libv8_isolate *isolate, const char *source, size_t source_bytes, const char *name,
                        size_t name_bytes, libv8_format format);
  libv8_result *(*call)(libv8_isolate *isolate, const char *function, size_t function_bytes,
                        const char *arguments_json, size_t arguments_bytes, libv8_format format);
  libv8_result *(*run_microtasks)(libv8_isolate *isolate);
  void (*heap_usage)(libv8_isolate *isolate, size_t *used_bytes, size_t *limit_bytes);
  libv8_status (*result_status)(const libv8_result *result);
  const char *(*result_text)(const libv8_result *result, size_t *length_bytes);
  const char *(*result_stack)(const libv8_result *result, size_t *length_bytes);
  void (*result_free)(libv8_result *result);
  libv8_terminator *(*terminator_new)(libv8_isolate *isolate);
  libv8_terminator *(*terminator_clone)(const libv8_terminator *terminator);
  int (*terminator_terminate)(const libv8_terminator *terminator);
  void (*terminator_free)(libv8_terminator *terminator);
} smoke_interface;

/* The name that host.c gives to dlsym. */
typedef const smoke_interface *smoke_interface_function(void);

#endif /* SMOKE_PLUGIN_H_ */
