/* A shared library with all of libv8's C interface inside, as a Python, Ruby or Java extension would be. */
#include "plugin.h"

/* Every function is named here, so the linker must find and keep each one. */
static const smoke_interface table = {
    libv8_version,        libv8_interface_version, libv8_has_feature,          libv8_set_flags,
    libv8_isolate_new,    libv8_isolate_free,      libv8_eval,                 libv8_call,
    libv8_run_microtasks, libv8_heap_usage,        libv8_result_status,        libv8_result_text,
    libv8_result_stack,   libv8_result_free,       libv8_terminator_new,       libv8_terminator_clone,
    libv8_terminator_terminate, libv8_terminator_free,
};

#if defined(_WIN32)
/* Names of Windows' libraries are exported one by one; without this, the linker would export every one of V8's. */
__declspec(dllexport) const smoke_interface *smoke_plugin(void);
#else
__attribute__((visibility("default"))) const smoke_interface *smoke_plugin(void);
#endif

const smoke_interface *smoke_plugin(void) { return &table; }
