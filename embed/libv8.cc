// The functions of libv8.h: isolates, calls, results, terminators.
#include "libv8.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "call.h"
#include "engine.h"
#include "limits.h"
#include "v8.h"

struct libv8_terminator {
  std::shared_ptr<libv8::CallState> state;
};

namespace {

using libv8::Call;
using libv8::Enter;

// V8 starts in less, but a heap this small has no room for a program either.
constexpr size_t kLeastHeapBytes = size_t{4} << 20;

// V8 keeps an argument count in 16 bits and needs a few for itself.
constexpr uint32_t kMostArguments = 65'000;

std::string_view View(const char* data, size_t size_bytes) {
  return data == nullptr ? std::string_view() : std::string_view(data, size_bytes);
}

bool IsFormat(libv8_format format) {
  return format == LIBV8_STRING || format == LIBV8_JSON || format == LIBV8_INSPECT;
}

bool IsPlainIdentifier(std::string_view text) {
  if (text.empty() || (text[0] >= '0' && text[0] <= '9')) return false;
  for (const unsigned char c : text) {
    const bool part = c == '_' || c == '$' || c >= 0x80 || (c >= '0' && c <= '9') ||
                      (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!part) return false;
  }
  return true;
}

// A top-level `const f = …` or `class C` is no property of the global object; scripts see
// it all the same, so a script is how to look for it. Empty without an exception if there
// is no such binding.
v8::MaybeLocal<v8::Value> FindLexical(Call& call, std::string_view name) {
  v8::TryCatch try_catch(call.isolate());
  v8::Local<v8::String> source;
  v8::Local<v8::Script> script;
  v8::Local<v8::Value> value;
  if (IsPlainIdentifier(name) && call.NewString(name, "the function's name", &source) &&
      v8::Script::Compile(call.context(), source).ToLocal(&script) &&
      script->Run(call.context()).ToLocal(&value)) {
    return value;
  }
  return {};
}

// Walks "a.b.c" from the global object. False with the result set if there is no function.
bool FindFunction(Call& call, std::string_view path, v8::Local<v8::Value>* receiver,
                  v8::Local<v8::Function>* function) {
  v8::Local<v8::Value> at = call.context()->Global();
  *receiver = v8::Undefined(call.isolate());
  const std::string quoted = "\"" + std::string(path) + "\"";
  for (size_t start = 0; start <= path.size();) {
    const size_t dot = std::min(path.find('.', start), path.size());
    const std::string_view name = path.substr(start, dot - start);
    v8::Local<v8::String> key;
    v8::Local<v8::Object> object;
    v8::Local<v8::Value> next;
    if (!call.NewString(name, "the function's name", &key)) return false;
    if (at->IsNullOrUndefined()) {
      call.Fail(LIBV8_INVALID, "no such function: " + quoted);
      return false;
    }
    // A primitive on the way ("text.slice") is wrapped for the look-up, but stays `this`.
    if (!at->ToObject(call.context()).ToLocal(&object) ||
        !object->Get(call.context(), key).ToLocal(&next)) {
      call.Threw();
      return false;
    }
    if (start == 0 && next->IsUndefined()) {
      v8::Local<v8::Value> lexical;
      if (FindLexical(call, name).ToLocal(&lexical)) next = lexical;
      if (call.Stopped()) return false;
    }
    if (start != 0) *receiver = at;
    at = next;
    start = dot + 1;
  }
  if (!at->IsFunction()) {
    call.Fail(LIBV8_INVALID, at->IsUndefined() ? "no such function: " + quoted
                                               : "not a function: " + quoted);
    return false;
  }
  *function = at.As<v8::Function>();
  return true;
}

// Reads a JSON array. False with the result set if the text is none.
bool ParseArguments(Call& call, std::string_view json, v8::LocalVector<v8::Value>* arguments) {
  if (json.empty()) return true;
  v8::Local<v8::String> text;
  v8::Local<v8::Value> parsed;
  if (!call.NewString(json, "the arguments", &text)) return false;
  if (!v8::JSON::Parse(call.context(), text).ToLocal(&parsed)) {
    call.Threw();
    if (!call.Stopped()) call.Blame("the arguments are not JSON: ");
    return false;
  }
  if (!parsed->IsArray()) {
    call.Fail(LIBV8_INVALID, "the arguments are not a JSON array");
    return false;
  }
  v8::Local<v8::Array> array = parsed.As<v8::Array>();
  if (array->Length() > kMostArguments) {
    call.Fail(LIBV8_INVALID, std::to_string(array->Length()) + " arguments, V8 takes at most " +
                                 std::to_string(kMostArguments));
    return false;
  }
  for (uint32_t i = 0; i < array->Length(); ++i) {
    v8::Local<v8::Value> argument;
    if (!array->Get(call.context(), i).ToLocal(&argument)) {
      call.Threw();
      return false;
    }
    arguments->push_back(argument);
  }
  return true;
}

// What the caller's struct has of ours; later fields keep their defaults.
libv8_options ReadOptions(const libv8_options* given) {
  libv8_options options = {.struct_size_bytes = sizeof(libv8_options)};
  if (given != nullptr) {
    std::memcpy(&options, given, std::min(given->struct_size_bytes, sizeof options));
  }
  return options;
}

const char* Text(const std::string& text, size_t* length_bytes) {
  if (length_bytes != nullptr) *length_bytes = text.size();
  return text.c_str();
}

}  // namespace

extern "C" {

const char* libv8_version(void) { return v8::V8::GetVersion(); }

uint32_t libv8_interface_version(void) { return LIBV8_INTERFACE_VERSION; }

int libv8_has_feature(const char* name) { return name != nullptr && libv8::HasFeature(name); }

int libv8_set_flags(const char* flags, size_t length_bytes) {
  return libv8::SetEngineFlags(View(flags, length_bytes));
}

libv8_isolate* libv8_isolate_new(const libv8_options* given) {
  const libv8_options options = ReadOptions(given);
  if (options.heap_limit_bytes != 0 && options.heap_limit_bytes < kLeastHeapBytes) return nullptr;
  if (options.stack_limit_bytes != 0 && options.stack_limit_bytes < libv8::kLeastStackBytes) {
    return nullptr;
  }
  libv8::StartEngine();

  v8::Isolate::CreateParams params;
  params.array_buffer_allocator_shared.reset(v8::ArrayBuffer::Allocator::NewDefaultAllocator());
  params.fatal_error_callback = libv8::OnFatalError;
  params.oom_error_callback = libv8::OnOutOfMemory;
  params.constraints.ConfigureDefaultsFromHeapSize(0, options.heap_limit_bytes);
  v8::Isolate* isolate = v8::Isolate::New(params);
  if (isolate == nullptr) return nullptr;

  auto owner = std::make_unique<libv8_isolate>();
  owner->isolate = isolate;
  owner->heap = std::make_unique<libv8::HeapGuard>(isolate);
  owner->state = std::make_shared<libv8::CallState>(isolate);
  owner->stack_limit_bytes = options.stack_limit_bytes != 0 ? options.stack_limit_bytes
                                                            : libv8::DefaultStackBytes();
  bool made = false;
  {
    v8::Locker locker(isolate);
    v8::Isolate::Scope isolate_scope(isolate);
    isolate->SetMicrotasksPolicy(v8::MicrotasksPolicy::kExplicit);
    v8::HeapStatistics statistics;
    isolate->GetHeapStatistics(&statistics);
    owner->heap_limit_bytes = options.heap_limit_bytes != 0 ? options.heap_limit_bytes
                                                            : statistics.heap_size_limit();
    if (libv8::SetStackLimit(isolate, owner->stack_limit_bytes)) {
      v8::HandleScope handle_scope(isolate);
      v8::Local<v8::Context> context = v8::Context::New(isolate);
      made = !context.IsEmpty() && !owner->heap->reached();
      if (made) owner->context.Reset(isolate, context);
    }
  }
  if (!made) {
    libv8_isolate_free(owner.release());
    return nullptr;
  }
  return owner.release();
}

void libv8_isolate_free(libv8_isolate* owner) {
  if (owner == nullptr) return;
  owner->state->Detach();
  {
    v8::Locker locker(owner->isolate);
    v8::Isolate::Scope isolate_scope(owner->isolate);
    owner->context.Reset();
  }
  libv8::ForgetIsolate(owner->isolate);
  owner->isolate->Dispose();
  // Last: V8 may call the heap guard until here.
  delete owner;
}

libv8_result* libv8_eval(libv8_isolate* isolate, const char* source, size_t source_bytes,
                         const char* name, size_t name_bytes, libv8_format format) {
  return Enter(isolate, [&](Call& call) {
    if (!IsFormat(format)) return call.Fail(LIBV8_INVALID, "no such format");
    v8::Local<v8::String> source_text, name_text;
    if (!call.NewString(View(source, source_bytes), "the source", &source_text) ||
        !call.NewString(View(name, name_bytes), "the script's name", &name_text)) {
      return;
    }
    v8::ScriptOrigin origin(name_text);
    v8::Local<v8::Script> script;
    if (!v8::Script::Compile(call.context(), source_text, &origin).ToLocal(&script)) {
      return call.Threw();
    }
    call.Settle(script->Run(call.context()), format);
  });
}

libv8_result* libv8_call(libv8_isolate* isolate, const char* function, size_t function_bytes,
                         const char* arguments_json, size_t arguments_bytes,
                         libv8_format format) {
  return Enter(isolate, [&](Call& call) {
    if (!IsFormat(format)) return call.Fail(LIBV8_INVALID, "no such format");
    v8::Local<v8::Value> receiver;
    v8::Local<v8::Function> callee;
    v8::LocalVector<v8::Value> arguments(call.isolate());
    if (!FindFunction(call, View(function, function_bytes), &receiver, &callee) ||
        !ParseArguments(call, View(arguments_json, arguments_bytes), &arguments)) {
      return;
    }
    call.Settle(callee->Call(call.isolate(), call.context(), receiver,
                             static_cast<int>(arguments.size()), arguments.data()),
                format);
  });
}

libv8_result* libv8_run_microtasks(libv8_isolate* isolate) {
  return Enter(isolate, [](Call& call) { call.RunMicrotasks(); });
}

void libv8_heap_usage(libv8_isolate* owner, size_t* used_bytes, size_t* limit_bytes) {
  size_t used = 0, limit = 0;
  if (owner != nullptr) {
    v8::Locker locker(owner->isolate);
    v8::Isolate::Scope isolate_scope(owner->isolate);
    v8::HeapStatistics statistics;
    owner->isolate->GetHeapStatistics(&statistics);
    used = statistics.used_heap_size();
    limit = owner->heap_limit_bytes;
  }
  if (used_bytes != nullptr) *used_bytes = used;
  if (limit_bytes != nullptr) *limit_bytes = limit;
}

libv8_status libv8_result_status(const libv8_result* result) { return result->status; }

const char* libv8_result_text(const libv8_result* result, size_t* length_bytes) {
  return Text(result->text, length_bytes);
}

const char* libv8_result_stack(const libv8_result* result, size_t* length_bytes) {
  return Text(result->stack, length_bytes);
}

void libv8_result_free(libv8_result* result) { delete result; }

libv8_terminator* libv8_terminator_new(libv8_isolate* isolate) {
  return isolate == nullptr ? nullptr : new libv8_terminator{isolate->state};
}

libv8_terminator* libv8_terminator_clone(const libv8_terminator* terminator) {
  return terminator == nullptr ? nullptr : new libv8_terminator{terminator->state};
}

int libv8_terminator_terminate(const libv8_terminator* terminator) {
  return terminator != nullptr && terminator->state->Terminate();
}

void libv8_terminator_free(libv8_terminator* terminator) { delete terminator; }

}  // extern "C"
