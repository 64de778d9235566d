// One call from C into JavaScript: scopes, limits, microtasks, and how it ended.
#include "call.h"

#include <optional>
#include <utility>

#include "engine.h"
#include "format.h"

namespace libv8 {

Call::Call(libv8_isolate& owner, v8::Local<v8::Context> context, v8::TryCatch& try_catch,
           libv8_result& result)
    : owner_(owner),
      isolate_(owner.isolate),
      context_(context),
      try_catch_(try_catch),
      result_(result) {}

bool Call::Stopped() const { return owner_.state->requested() || owner_.heap->reached(); }

void Call::Fail(libv8_status status, std::string text) {
  result_.status = status;
  result_.text = std::move(text);
}

void Call::Blame(const char* what) {
  Fail(LIBV8_INVALID, what + std::move(result_.text));
  result_.stack.clear();
}

bool Call::NewString(std::string_view text, const char* what, v8::Local<v8::String>* string) {
  // V8 compares bytes with its limit in UTF-16 units, before it decodes them.
  if (text.size() > v8::String::kMaxLength) {
    Fail(LIBV8_INVALID, std::string(what) + " has " + std::to_string(text.size()) +
                            " bytes, a V8 string holds at most " +
                            std::to_string(v8::String::kMaxLength));
    return false;
  }
  return v8::String::NewFromUtf8(isolate_, text.data(), v8::NewStringType::kNormal,
                                 static_cast<int>(text.size()))
      .ToLocal(string);
}

void Call::Threw() {
  if (Stopped()) return;
  if (!try_catch_.HasCaught() || try_catch_.HasTerminated()) {
    Fail(LIBV8_INVALID, "V8 gave neither a value nor an exception");
    return;
  }
  // Reset before JavaScript runs again, so that Describe starts from a clean V8.
  v8::Local<v8::Value> exception = try_catch_.Exception();
  v8::Local<v8::Message> message = try_catch_.Message();
  try_catch_.Reset();
  Describe(exception, message);
}

void Call::Describe(v8::Local<v8::Value> exception, v8::Local<v8::Message> message) {
  ExceptionText described =
      DescribeException(context_, exception, message, [this] { return Stopped(); });
  result_.stack = std::move(described.stack);
  Fail(LIBV8_EXCEPTION, std::move(described.text));
}

void Call::RunMicrotasks(v8::Local<v8::Promise> awaited) {
  while (!Stopped()) {
    isolate_->PerformMicrotaskCheckpoint();
    if (Stopped()) return;
    const bool wait = !awaited.IsEmpty() && awaited->State() == v8::Promise::kPending &&
                      isolate_->HasPendingBackgroundTasks();
    if (!RunForegroundTask(isolate_, wait)) return;
  }
}

void Call::Settle(v8::MaybeLocal<v8::Value> completion, libv8_format format) {
  v8::Local<v8::Value> value;
  if (!completion.ToLocal(&value)) {
    Threw();
    RunMicrotasks();
    return;
  }
  if (value->IsPromise()) {
    v8::Local<v8::Promise> promise = value.As<v8::Promise>();
    RunMicrotasks(promise);
    if (Stopped()) return;
    switch (promise->State()) {
      case v8::Promise::kPending:
        return Fail(LIBV8_INVALID, "the promise is still pending");
      case v8::Promise::kRejected:
        return Describe(promise->Result(),
                        v8::Exception::CreateMessage(isolate_, promise->Result()));
      case v8::Promise::kFulfilled:
        value = promise->Result();
    }
  } else {
    RunMicrotasks();
    if (Stopped()) return;
  }
  std::optional<std::string> text = Format(context_, value, format);
  if (!text) return Threw();
  result_.text = *std::move(text);
  // A toString or toJSON may have queued more.
  RunMicrotasks();
}

libv8_result* Enter(libv8_isolate* owner, const std::function<void(Call&)>& body) {
  auto result = std::make_unique<libv8_result>();
  auto fail = [&result](libv8_status status, std::string text) {
    *result = {.status = status, .text = std::move(text), .stack = {}};
    return result.release();
  };
  if (owner == nullptr) return fail(LIBV8_INVALID, "the isolate is NULL");
  v8::Isolate* isolate = owner->isolate;

  v8::Locker locker(isolate);
  v8::Isolate::Scope isolate_scope(isolate);
  if (!SetStackLimit(isolate, owner->stack_limit_bytes)) {
    return fail(LIBV8_EXCEPTION,
                "RangeError: the thread has too little stack left to enter V8; "
                "give it at least 128 KiB");
  }
  const std::string limit_text =
      "the heap limit of " + std::to_string(owner->heap_limit_bytes) + " bytes was reached";
  if (!owner->heap->Admit()) {
    return fail(LIBV8_OUT_OF_MEMORY,
                limit_text + ", and more than twice as much is still alive: free the isolate");
  }

  bool terminated = false;
  owner->state->Begin();
  {
    v8::HandleScope handle_scope(isolate);
    v8::Local<v8::Context> context = owner->context.Get(isolate);
    v8::Context::Scope context_scope(context);
    v8::TryCatch try_catch(isolate);
    Call call(*owner, context, try_catch, *result);
    body(call);
    terminated = owner->state->End();
    // Nobody terminates any more: what is still pending must not hit the next call.
    if (terminated || owner->heap->reached()) isolate->CancelTerminateExecution();
  }
  if (owner->heap->Settle()) return fail(LIBV8_OUT_OF_MEMORY, limit_text);
  // Also if JavaScript was done by then: whoever was told 1 by terminate relies on it.
  if (terminated) return fail(LIBV8_TERMINATED, "the call was terminated");
  return result.release();
}

}  // namespace libv8
