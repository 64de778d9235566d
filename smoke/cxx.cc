// A C++ program over V8's own API, compiled with nothing but the archive's headers and descriptor: cxx ROWS.
//
// Beyond the table it hands types of the C++ library over V8's border, in both
// directions: these work only if headers, namespace and hardening mode are the library's.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "libplatform/libplatform.h"
#include "v8.h"

namespace {

std::unique_ptr<v8::Platform> platform;

std::string Escape(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (c == '\\') out += "\\\\";
    else if (c == '\n') out += "\\n";
    else if (c == '\r') out += "\\r";
    else out += c;
  }
  return out;
}

void Say(const std::string& line) {
  std::fwrite((line + "\n").data(), 1, line.size() + 1, stdout);
  std::fflush(stdout);
}

std::string Utf8(v8::Isolate* isolate, v8::Local<v8::Value> value) {
  v8::String::Utf8Value text(isolate, value);
  return *text ? std::string(*text, text.length()) : "<no text>";
}

v8::Local<v8::String> String(v8::Isolate* isolate, const std::string& text) {
  return v8::String::NewFromUtf8(isolate, text.data(), v8::NewStringType::kNormal, static_cast<int>(text.size()))
      .ToLocalChecked();
}

struct Answer {
  std::string status, text, stack;
};

// What `value` was thrown as: the message without V8's "Uncaught ", and the stack.
Answer Thrown(v8::Isolate* isolate, v8::Local<v8::Context> context, v8::Local<v8::Value> value) {
  Answer answer{"threw", Utf8(isolate, value), ""};
  v8::Local<v8::Value> stack;
  if (v8::TryCatch::StackTrace(context, value).ToLocal(&stack) && stack->IsString()) answer.stack = Utf8(isolate, stack);
  return answer;
}

Answer Evaluate(v8::Isolate* isolate, v8::Local<v8::Context> context, const std::string& source, const std::string& name) {
  v8::HandleScope handles(isolate);
  v8::TryCatch tried(isolate);
  v8::ScriptOrigin origin(String(isolate, name));
  v8::Local<v8::Script> script;
  v8::Local<v8::Value> value;
  if (!v8::Script::Compile(context, String(isolate, source), &origin).ToLocal(&script) || !script->Run(context).ToLocal(&value)) {
    return Thrown(isolate, context, tried.Exception());
  }
  isolate->PerformMicrotaskCheckpoint();
  if (!value->IsPromise()) return {"value", Utf8(isolate, value), ""};
  v8::Local<v8::Promise> promise = value.As<v8::Promise>();
  // WebAssembly compiles on the platform's threads and comes back as a task.
  while (promise->State() == v8::Promise::kPending) {
    v8::platform::PumpMessageLoop(platform.get(), isolate, v8::platform::MessageLoopBehavior::kWaitForWork);
    isolate->PerformMicrotaskCheckpoint();
  }
  if (promise->State() == v8::Promise::kRejected) return Thrown(isolate, context, promise->Result());
  return {"value", Utf8(isolate, promise->Result()), ""};
}

void Report(const std::string& name, const Answer& answer) {
  if (!answer.stack.empty()) Say("stack " + name + " " + Escape(answer.stack));
  Say(answer.status + " " + name + " " + Escape(answer.text));
}

void RunRows(v8::Isolate* isolate, v8::Local<v8::Context> context, const char* path) {
  std::ifstream file(path, std::ios::binary);
  std::string header;
  while (std::getline(file, header)) {
    std::istringstream words(header);
    std::string row, format, name;
    size_t bytes = 0;
    words >> row >> format >> name >> bytes;
    std::string source(bytes, '\0');
    file.read(source.data(), static_cast<std::streamsize>(bytes));
    file.get();
    Say("run " + name);
    Report(name, Evaluate(isolate, context, source, name + ".js"));
  }
}

// --- behaviours: each gives "ok", or what was wrong

// std::function into V8, which calls it from inside.
std::string FunctionIntoV8(v8::Isolate* isolate, v8::Local<v8::Context> context) {
  std::vector<std::string> texts = {"short", std::string(1000, 'x'), "日本"};
  size_t next = 0;
  std::function<v8::MaybeLocal<v8::Value>()> give = [&]() -> v8::MaybeLocal<v8::Value> { return String(isolate, texts[next++]); };
  v8::Local<v8::Array> array;
  if (!v8::Array::New(context, texts.size(), give).ToLocal(&array)) return "Array::New gave nothing";
  std::string joined = Utf8(isolate, array);
  return joined == "short," + std::string(1000, 'x') + ",日本" ? "ok" : "the array is " + joined;
}

std::vector<std::string> crash_keys;

// const std::string& out of V8.
std::string StringOutOfV8(v8::Isolate* isolate, v8::Local<v8::Context>) {
  isolate->SetAddCrashKeyCallback([](v8::CrashKeyId, const std::string& value) { crash_keys.push_back(value); });
  if (crash_keys.empty()) return "no crash key came";
  for (const std::string& key : crash_keys) {
    // They are addresses, in hexadecimal.
    if (key.empty() || key.find_first_not_of("0123456789abcdefx") != std::string::npos) return "a crash key is " + Escape(key);
  }
  return "ok";
}

// unique_ptr out of V8, shared_ptr into it and back; the deleter runs once, here.
std::string BackingStores(v8::Isolate* isolate, v8::Local<v8::Context> context) {
  static int deleted = 0;
  static unsigned char bytes[16] = {1, 2, 3};
  v8::HandleScope handles(isolate);
  std::unique_ptr<v8::BackingStore> own = v8::ArrayBuffer::NewBackingStore(isolate, 8);
  static_cast<unsigned char*>(own->Data())[7] = 9;
  std::shared_ptr<v8::BackingStore> shared = std::move(own);
  std::shared_ptr<v8::BackingStore> foreign = v8::ArrayBuffer::NewBackingStore(
      bytes, sizeof bytes, [](void*, size_t, void*) { deleted++; }, nullptr);
  context->Global()->Set(context, String(isolate, "own"), v8::ArrayBuffer::New(isolate, shared)).Check();
  v8::Local<v8::ArrayBuffer> buffer = v8::ArrayBuffer::New(isolate, foreign);
  context->Global()->Set(context, String(isolate, "foreign"), buffer).Check();
  std::string sum = Evaluate(isolate, context, "new Uint8Array(foreign)[5] = 77; new Uint8Array(own)[7] + new Uint8Array(foreign)[2]", "b.js").text;
  if (sum != "12" || bytes[5] != 77) return "the sum is " + sum;
  if (buffer->GetBackingStore() != foreign) return "another backing store came back";
  buffer->Detach(v8::Local<v8::Value>()).Check();
  foreign.reset();
  return deleted == 1 ? "ok" : "the deleter ran " + std::to_string(deleted) + " times";
}

void Multiply(const v8::FunctionCallbackInfo<v8::Value>& info) {
  v8::Isolate* isolate = info.GetIsolate();
  if (!info[0]->IsNumber()) {
    isolate->ThrowException(v8::Exception::TypeError(String(isolate, "multiply: not a number")));
    return;
  }
  info.GetReturnValue().Set(info[0].As<v8::Number>()->Value() * info[1].As<v8::Number>()->Value());
}

std::string NativeFunction(v8::Isolate* isolate, v8::Local<v8::Context> context) {
  v8::Local<v8::Function> function = v8::FunctionTemplate::New(isolate, Multiply)->GetFunction(context).ToLocalChecked();
  context->Global()->Set(context, String(isolate, "multiply"), function).Check();
  const char* source = "{ let s = 0; for (let i = 0; i < 20000; i++) s += multiply(i, 2); let e; try { multiply('a') } catch (x) { e = x } s + ' ' + e }";
  std::string got = Evaluate(isolate, context, source, "n.js").text;
  return got == "399980000 TypeError: multiply: not a number" ? "ok" : got;
}

// V8 takes a thread to have about 1 MB of stack; a libc gives what it likes (musl 128 KiB) unless it is told.
std::string WorkerStack(v8::Isolate*, v8::Local<v8::Context>) {
  static std::atomic<int> reached{0};
  struct Deep : v8::Task {
    void Run() override {
      constexpr size_t kBytes = 900 * 1024;
      volatile char* bytes = static_cast<volatile char*>(__builtin_alloca(kBytes));
      for (size_t page = kBytes; page >= 4096; page -= 4096) bytes[page - 4096] = 1;
      reached = 1;
    }
  };
  platform->PostTaskOnWorkerThread(v8::TaskPriority::kUserVisible, std::make_unique<Deep>());
  for (int i = 0; i < 10000 && !reached; i++) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return reached ? "ok" : "the task has not run in ten seconds";
}

using Behaviour = std::string (*)(v8::Isolate*, v8::Local<v8::Context>);
// Told by name in xtask/src/smoke/plan.rs, which refuses a transcript that lacks one.
const std::pair<const char*, Behaviour> kBehaviours[] = {
    {"function-into-v8", FunctionIntoV8},
    {"string-out-of-v8", StringOutOfV8},
    {"backing-stores", BackingStores},
    {"native-function", NativeFunction},
    {"worker-stack", WorkerStack},
};

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    std::fputs("usage: cxx ROWS\n", stderr);
    return 1;
  }
  platform = v8::platform::NewDefaultPlatform();
  v8::V8::InitializePlatform(platform.get());
  v8::V8::Initialize();
  v8::Isolate::CreateParams parameters;
  parameters.array_buffer_allocator_shared = std::shared_ptr<v8::ArrayBuffer::Allocator>(v8::ArrayBuffer::Allocator::NewDefaultAllocator());
  v8::Isolate* isolate = v8::Isolate::New(parameters);
  isolate->SetMicrotasksPolicy(v8::MicrotasksPolicy::kExplicit);
  isolate->SetCaptureStackTraceForUncaughtExceptions(true);
  {
    v8::Isolate::Scope entered(isolate);
    v8::HandleScope handles(isolate);
    v8::Local<v8::Context> context = v8::Context::New(isolate);
    v8::Context::Scope inside(context);
    RunRows(isolate, context, arguments[1]);
    for (const auto& [name, behaviour] : kBehaviours) {
      Say(std::string("run ") + name);
      Report(name, {"value", behaviour(isolate, context), ""});
    }
  }
  isolate->Dispose();
  v8::V8::Dispose();
  v8::V8::DisposePlatform();
  Say("end");
  return 0;
}
