// Included before each source of the C interface: the names of today's V8, for
// the older one that Node carries.

#ifndef LIBV8_NODE_OLDER_V8_H_
#define LIBV8_NODE_OLDER_V8_H_

#include "deps/v8/include/v8-primitive.h"
#include "deps/v8/include/v8-version.h"

#if V8_MAJOR_VERSION < 14
// The names without V2 still belong to what they took the place of.
#define Utf8Length Utf8LengthV2
#define WriteUtf8 WriteUtf8V2
#endif

#endif  // LIBV8_NODE_OLDER_V8_H_
