// V8 as the process has it: flags, the one platform, what the library was built with.
#include "engine.h"

#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <vector>

#include "libplatform/libplatform.h"

namespace libv8 {
namespace {

// V8's own default of --stack-size (src/flags/flag-definitions.h); no API tells it.
constexpr size_t kV8StackBytes = 984 * 1024;

// Allocated once and leaked on purpose: threads may still be inside V8 while the
// process runs its destructors.
struct Engine {
  std::mutex mutex;
  bool started = false;
  size_t stack_bytes = kV8StackBytes;
  v8::Platform* platform = nullptr;
};

Engine& TheEngine() {
  static Engine& engine = *new Engine;
  return engine;
}

std::vector<std::string> SplitAtSpace(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  std::vector<std::string> words;
  for (size_t at = text.find_first_not_of(kSpace); at != text.npos;) {
    const size_t end = std::min(text.find_first_of(kSpace, at), text.size());
    words.emplace_back(text.substr(at, end - at));
    at = text.find_first_not_of(kSpace, end);
  }
  return words;
}

// "--stack_size=500" → "stack-size". V8 takes either sign, with one dash or two.
std::string FlagName(std::string_view word) {
  word.remove_prefix(std::min(word.find_first_not_of('-'), word.size()));
  std::string name(word.substr(0, word.find('=')));
  for (char& c : name) {
    if (c == '_') c = '-';
  }
  return name;
}

// The value of --stack-size in bytes, or `otherwise`. V8 has checked the number.
size_t StackBytesFrom(const std::vector<std::string>& words, size_t otherwise) {
  constexpr size_t kUnitBytes = 1024;
  size_t bytes = otherwise;
  for (size_t i = 0; i < words.size(); ++i) {
    if (FlagName(words[i]) != "stack-size") continue;
    const size_t equals = words[i].find('=');
    if (equals != std::string::npos) {
      bytes = std::strtoul(words[i].c_str() + equals + 1, nullptr, 10) * kUnitBytes;
    } else if (i + 1 < words.size()) {
      bytes = std::strtoul(words[i + 1].c_str(), nullptr, 10) * kUnitBytes;
    }
  }
  return bytes;
}

[[noreturn]] void Die(const char* what, const char* location, const char* detail) {
  std::fprintf(stderr, "libv8: fatal: %s in %s: %s\n", what, location ? location : "V8",
               detail ? detail : "no detail");
  std::fflush(stderr);
  std::abort();
}

}  // namespace

void StartEngine() {
  static std::once_flag once;
  std::call_once(once, [] {
    Engine& engine = TheEngine();
    std::lock_guard lock(engine.mutex);
    engine.started = true;
    // ICU's data is in the library; the call only checks that it is.
    if (!v8::V8::InitializeICU()) Die("cannot load ICU's data", "libv8_isolate_new", nullptr);
    engine.platform = v8::platform::NewDefaultPlatform().release();
    v8::V8::InitializePlatform(engine.platform);
    v8::V8::Initialize();
  });
}

bool SetEngineFlags(std::string_view flags) {
  Engine& engine = TheEngine();
  std::lock_guard lock(engine.mutex);
  if (engine.started) return false;

  const std::vector<std::string> words = SplitAtSpace(flags);
  for (const std::string& word : words) {
    const std::string name = FlagName(word);
    // V8 answers these by printing and leaving the process; at "--" it stops reading.
    if (name == "help" || name == "print-feature-flags-json" || name.empty()) return false;
  }

  // V8 takes what it knows out of argv; an unknown flag or a bad value stays in it.
  std::vector<std::string> copies = words;
  std::vector<char*> argv = {nullptr};
  for (std::string& word : copies) argv.push_back(word.data());
  int argc = static_cast<int>(argv.size());
  v8::V8::SetFlagsFromCommandLine(&argc, argv.data(), /*remove_flags=*/true);
  if (argc > 1) return false;
  engine.stack_bytes = StackBytesFrom(words, engine.stack_bytes);
  return true;
}

size_t DefaultStackBytes() {
  Engine& engine = TheEngine();
  std::lock_guard lock(engine.mutex);
  return engine.stack_bytes;
}

bool RunForegroundTask(v8::Isolate* isolate, bool wait) {
  return v8::platform::PumpMessageLoop(
      TheEngine().platform, isolate,
      wait ? v8::platform::MessageLoopBehavior::kWaitForWork
           : v8::platform::MessageLoopBehavior::kDoNotWait);
}

void ForgetIsolate(v8::Isolate* isolate) {
  v8::platform::NotifyIsolateShutdown(TheEngine().platform, isolate);
}

bool HasFeature(std::string_view name) {
#ifdef LIBV8_FEATURE_JIT
  if (name == "jit") return true;
#endif
#ifdef LIBV8_FEATURE_WEBASSEMBLY
  if (name == "webassembly") return true;
#endif
#ifdef LIBV8_FEATURE_INTL
  if (name == "intl") return true;
#endif
#ifdef LIBV8_FEATURE_SNAPSHOT
  if (name == "snapshot") return true;
#endif
#ifdef V8_ENABLE_SANDBOX
  if (name == "sandbox") return true;
#endif
#ifdef V8_COMPRESS_POINTERS
  if (name == "pointer_compression") return true;
#endif
  return false;
}

void OnFatalError(const char* location, const char* message) {
  Die("V8 failed", location, message);
}

void OnOutOfMemory(const char* location, const v8::OOMDetails& details) {
  Die(details.is_heap_oom ? "the JavaScript heap is full" : "the process is out of memory",
      location, details.detail);
}

}  // namespace libv8
