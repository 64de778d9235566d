// What keeps JavaScript from taking the process with it: stack, heap, termination.
#include "limits.h"

#include <algorithm>
#include <cstdint>

#if defined(_WIN32)
#include <windows.h>
#else
#include <pthread.h>
#if defined(__linux__)
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif
#endif

namespace libv8 {
namespace {

// Kept free below the limit for what V8 runs without looking at it: the garbage
// collector, runtime functions, ICU, making the RangeError. V8 itself reckons with
// 40 KB (1 MB less its default of 984 KB); the rest is for signal handlers.
constexpr size_t kReserveBytes = 64 * 1024;

// Below this much between frame and limit, even compiling `1` overflows.
constexpr size_t kUsefulBytes = 16 * 1024;

// The largest object V8's heap can hold is about 1 GiB (FixedArray::kMaxLength
// pointers, a two-byte string of String::kMaxLength). V8 does not say how much it is
// about to allocate, so one raise must be enough for that. It is address space; only
// what the one allocation touches becomes memory.
constexpr size_t kRaiseBytes = (size_t{1} << 30) + (size_t{64} << 20);

// A few raises in one call, for builtins that go on allocating without looking whether
// they are to stop; then V8's own abort, with our line, before the machine suffers.
constexpr size_t kMostRaises = 2;

struct Stack {
  uintptr_t lowest = 0;  // the first address JavaScript may use, above the guard
  uintptr_t highest = 0;
};

Stack FindStack() {
  Stack stack;
#if defined(_WIN32)
  ULONG_PTR low = 0, high = 0;
  GetCurrentThreadStackLimits(&low, &high);
  stack = {low, high};
#elif defined(__APPLE__)
  stack.highest = reinterpret_cast<uintptr_t>(pthread_get_stackaddr_np(pthread_self()));
  stack.lowest = stack.highest - pthread_get_stacksize_np(pthread_self());
#elif defined(__linux__)
  pthread_attr_t attributes;
  if (pthread_getattr_np(pthread_self(), &attributes) != 0) return stack;
  void* lowest = nullptr;
  size_t size = 0, guard = 0;
  pthread_attr_getstack(&attributes, &lowest, &size);
  pthread_attr_getguardsize(&attributes, &guard);
  pthread_attr_destroy(&attributes);
  stack.lowest = reinterpret_cast<uintptr_t>(lowest);
  stack.highest = stack.lowest + size;
  // glibc before 2.27, and musl, count the guard as stack.
  stack.lowest += guard;
#if !defined(__GLIBC__)
  // musl reports of the main thread's stack what is mapped by now, some 130 KiB, and
  // not what it may grow to.
  rlimit limit;
  if (syscall(SYS_gettid) == getpid() && getrlimit(RLIMIT_STACK, &limit) == 0) {
    constexpr rlim_t kUsualBytes = 8 << 20;
    const rlim_t bytes = std::min<rlim_t>(limit.rlim_cur, kUsualBytes);
    stack.lowest = std::min<uintptr_t>(stack.lowest, stack.highest - bytes);
  }
#endif
#endif
  return stack;
}

// The stack that `frame` is on; all zero if it is none the system knows, such as a
// coroutine's.
Stack StackOf(uintptr_t frame) {
  // Kept for each thread: for the main thread glibc reads /proc/self/maps every time.
  thread_local Stack stack;
  if (stack.highest == 0) stack = FindStack();
  if (frame <= stack.lowest || frame > stack.highest) return Stack();
  return stack;
}

v8::HeapStatistics HeapStatisticsOf(v8::Isolate* isolate) {
  v8::HeapStatistics statistics;
  isolate->GetHeapStatistics(&statistics);
  return statistics;
}

}  // namespace

bool SetStackLimit(v8::Isolate* isolate, size_t wanted_bytes) {
  const uintptr_t frame = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  uintptr_t limit = frame > wanted_bytes ? frame - wanted_bytes : 1;
  if (const Stack stack = StackOf(frame); stack.highest != 0) {
    limit = std::max(limit, stack.lowest + kReserveBytes);
    if (limit + kUsefulBytes > frame) return false;
  }
  isolate->SetStackLimit(limit);
  return true;
}

HeapGuard::HeapGuard(v8::Isolate* isolate)
    : isolate_(isolate), limit_bytes_(HeapStatisticsOf(isolate).heap_size_limit()) {
  isolate_->AddNearHeapLimitCallback(OnNearLimit, this);
}

// Called by V8 inside a garbage collection, on the thread that runs JavaScript.
size_t HeapGuard::OnNearLimit(void* self, size_t current_bytes, size_t initial_bytes) {
  HeapGuard& guard = *static_cast<HeapGuard*>(self);
  if (!guard.reached_) {
    guard.reached_ = true;
    guard.initial_bytes_ = initial_bytes;
    guard.call_bytes_ = current_bytes;
  }
  guard.isolate_->TerminateExecution();
  return std::max(current_bytes, std::min(current_bytes + kRaiseBytes,
                                          guard.call_bytes_ + kMostRaises * kRaiseBytes));
}

bool HeapGuard::Admit() {
  if (!overfull_) return true;
  Recover();
  return UsedBytes() / 2 <= limit_bytes_;
}

bool HeapGuard::Settle() {
  // V8 looks at its limit when the old generation grows. The first large object after
  // a collection is young whatever its size, so a call can end far beyond the limit
  // without V8 having asked; the next call must not pay for that.
  const bool reached = reached_;
  if (!reached && UsedBytes() / 2 <= limit_bytes_) return false;
  Recover();
  return reached || overfull_;
}

size_t HeapGuard::UsedBytes() const { return HeapStatisticsOf(isolate_).used_heap_size(); }

void HeapGuard::Recover() {
  isolate_->LowMemoryNotification();
  // Removing is the one way to lower the limit. V8 leaves a quarter of slack above
  // what is alive, so an isolate that keeps too much gets a little room to let go.
  isolate_->RemoveNearHeapLimitCallback(OnNearLimit, initial_bytes_);
  isolate_->AddNearHeapLimitCallback(OnNearLimit, this);
  // The collection itself may have met the limit once more.
  isolate_->CancelTerminateExecution();
  reached_ = false;
  overfull_ = UsedBytes() > limit_bytes_;
}

void CallState::Begin() {
  std::lock_guard lock(mutex_);
  in_call_ = true;
  requested_ = false;
}

bool CallState::End() {
  std::lock_guard lock(mutex_);
  in_call_ = false;
  return requested_;
}

void CallState::Detach() {
  std::lock_guard lock(mutex_);
  isolate_ = nullptr;
}

bool CallState::Terminate() {
  // Held across the call into V8: Detach, and with it Dispose, waits for it.
  std::lock_guard lock(mutex_);
  if (isolate_ == nullptr || !in_call_) return false;
  requested_ = true;
  isolate_->TerminateExecution();
  return true;
}

}  // namespace libv8
