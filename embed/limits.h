// What keeps JavaScript from taking the process with it: stack, heap, termination.
#ifndef LIBV8_LIMITS_H_
#define LIBV8_LIMITS_H_

#include <atomic>
#include <cstddef>
#include <mutex>

#include "v8.h"

namespace libv8 {

// The least native stack an isolate can be limited to, in bytes.
inline constexpr size_t kLeastStackBytes = 32 * 1024;

// Gives JavaScript `wanted_bytes` of native stack below the caller's frame, or less
// where this thread's stack ends earlier. False if so little is left that V8 must not
// be entered. Inside a v8::Locker, in every call: a Locker of another thread leaves
// V8 with that thread's limit, and a first one with a default that assumes 1 MB.
bool SetStackLimit(v8::Isolate* isolate, size_t wanted_bytes);

// The isolate's heap limit, turned from V8's abort into an error.
//
// At the limit V8 asks whether it may have more, and aborts if not. The guard says yes
// once, by enough for the allocation in hand, and terminates the JavaScript; after the
// call it collects garbage and puts the old limit back.
class HeapGuard {
 public:
  explicit HeapGuard(v8::Isolate* isolate);
  HeapGuard(const HeapGuard&) = delete;
  HeapGuard& operator=(const HeapGuard&) = delete;

  // Whether a call may start. False while what is still alive from calls that ran out
  // of memory is more than twice the limit: each of them adds to it, and only a bound
  // on that bounds the process.
  bool Admit();
  // Whether the call under way reached the limit.
  bool reached() const { return reached_; }
  // Whether the call that has ended was too much: it reached the limit, or it leaves
  // more alive than the limit allows. With no handle scope open and the termination
  // cancelled.
  bool Settle();

 private:
  static size_t OnNearLimit(void* self, size_t current_bytes, size_t initial_bytes);

  size_t UsedBytes() const;
  void Recover();

  v8::Isolate* const isolate_;
  // Of the whole heap, as V8 divided what it was given.
  const size_t limit_bytes_;
  bool reached_ = false;
  // More was alive than the limit allows when the last call ended.
  bool overfull_ = false;
  // V8's limit of the old generation: at the start (0 while it was never raised), and
  // when this call reached it.
  size_t initial_bytes_ = 0;
  size_t call_bytes_ = 0;
};

// Shared by an isolate and its terminators, and outlives whichever goes first.
class CallState {
 public:
  explicit CallState(v8::Isolate* isolate) : isolate_(isolate) {}
  CallState(const CallState&) = delete;
  CallState& operator=(const CallState&) = delete;

  void Begin();
  // Whether the call was asked to stop. Afterwards Terminate no longer touches V8, so
  // that the caller can cancel a termination still pending and no later call is hit.
  bool End();
  void Detach();
  bool Terminate();
  bool requested() const { return requested_.load(std::memory_order_relaxed); }

 private:
  std::mutex mutex_;
  v8::Isolate* isolate_;
  bool in_call_ = false;
  // Written under the mutex; atomic because the call reads it between its steps.
  std::atomic<bool> requested_ = false;
};

}  // namespace libv8

#endif  // LIBV8_LIMITS_H_
