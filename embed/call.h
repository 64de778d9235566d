// One call from C into JavaScript: scopes, limits, microtasks, and how it ended.
#ifndef LIBV8_CALL_H_
#define LIBV8_CALL_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "libv8.h"
#include "limits.h"
#include "v8.h"

struct libv8_isolate {
  v8::Isolate* isolate = nullptr;
  v8::Global<v8::Context> context;
  std::unique_ptr<libv8::HeapGuard> heap;
  std::shared_ptr<libv8::CallState> state;
  size_t heap_limit_bytes = 0;
  size_t stack_limit_bytes = 0;
};

struct libv8_result {
  libv8_status status = LIBV8_OK;
  std::string text;
  std::string stack;
};

namespace libv8 {

// What the body of a call works with, inside all of V8's scopes; fills the result.
class Call {
 public:
  Call(libv8_isolate& owner, v8::Local<v8::Context> context, v8::TryCatch& try_catch,
       libv8_result& result);

  v8::Isolate* isolate() const { return isolate_; }
  v8::Local<v8::Context> context() const { return context_; }

  // Whether JavaScript is to stop: asked between steps, since a termination unwinds one.
  bool Stopped() const;

  // Ends the call with the status and text. The body returns next.
  void Fail(libv8_status status, std::string text);
  // Turns what Threw found into LIBV8_INVALID: the caller's mistake, not the script's.
  void Blame(const char* what);
  // Sets the result to what the try-catch holds.
  void Threw();

  // The text as a JavaScript string. False, with the result set, if it is too long.
  bool NewString(std::string_view text, const char* what, v8::Local<v8::String>* string);

  // Microtasks until none is left, and what V8 itself has to do on this thread. While
  // the promise is pending, also waits for V8's background work, such as an
  // asynchronous WebAssembly compilation: nothing else could ever settle it.
  void RunMicrotasks(v8::Local<v8::Promise> awaited = {});

  // The end of every evaluation: microtasks, then the value or the promise's outcome.
  void Settle(v8::MaybeLocal<v8::Value> completion, libv8_format format);

 private:
  void Describe(v8::Local<v8::Value> exception, v8::Local<v8::Message> message);

  libv8_isolate& owner_;
  v8::Isolate* const isolate_;
  const v8::Local<v8::Context> context_;
  v8::TryCatch& try_catch_;
  libv8_result& result_;
};

// Enters V8, runs the body, and decides how the call ended. Never null.
libv8_result* Enter(libv8_isolate* owner, const std::function<void(Call&)>& body);

}  // namespace libv8

#endif  // LIBV8_CALL_H_
