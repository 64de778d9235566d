// V8 as the process has it: flags, the one platform, what the library was built with.
#ifndef LIBV8_ENGINE_H_
#define LIBV8_ENGINE_H_

#include <cstddef>
#include <string_view>

#include "v8.h"

namespace libv8 {

// Starts V8 on the first call, whichever thread makes it; later calls wait for that
// one and return. V8 is never stopped: it cannot be started a second time, and a
// library does not know when the last of its embedders in the process is done.
void StartEngine();

// Applies V8 command-line flags. False if V8 has started, or if a flag is unknown,
// has a bad value, or would end the process (--help).
bool SetEngineFlags(std::string_view flags);

// Native stack that JavaScript may use if an isolate does not say: V8's own default,
// or what the flag --stack-size asked for.
size_t DefaultStackBytes();

// Runs one task that V8 posted to the isolate's thread (the end of a WebAssembly
// compilation, a FinalizationRegistry's callbacks). With `wait`, sleeps until there is
// one. False if there was none.
bool RunForegroundTask(v8::Isolate* isolate, bool wait);

// Must precede isolate->Dispose(), or the platform keeps the isolate's task queue.
void ForgetIsolate(v8::Isolate* isolate);

// The names are documented at libv8_has_feature.
bool HasFeature(std::string_view name);

// Both print one line to standard error and abort: V8 cannot go on after them.
void OnFatalError(const char* location, const char* message);
void OnOutOfMemory(const char* location, const v8::OOMDetails& details);

}  // namespace libv8

#endif  // LIBV8_ENGINE_H_
