// Evaluates its argument as JavaScript through V8's own interface, and prints the value.
#include <cstdio>
#include <memory>

#include "libplatform/libplatform.h"
#include "v8.h"

// Whether the script ran; prints its value, or what it threw.
static bool Evaluate(v8::Isolate* isolate, const char* source) {
  v8::Isolate::Scope isolate_scope(isolate);
  v8::HandleScope handles(isolate);
  v8::Local<v8::Context> context = v8::Context::New(isolate);
  v8::Context::Scope context_scope(context);
  v8::TryCatch caught(isolate);
  v8::Local<v8::String> text;
  v8::Local<v8::Script> script;
  v8::Local<v8::Value> value;
  if (!v8::String::NewFromUtf8(isolate, source).ToLocal(&text) ||
      !v8::Script::Compile(context, text).ToLocal(&script) || !script->Run(context).ToLocal(&value)) {
    v8::String::Utf8Value thrown(isolate, caught.Exception());
    std::fprintf(stderr, "%s\n", *thrown ? *thrown : "an exception without a text");
    return false;
  }
  v8::String::Utf8Value result(isolate, value);
  std::puts(*result ? *result : "a value without a text");
  return true;
}

int main(int argc, char** argv) {
  std::unique_ptr<v8::Platform> platform = v8::platform::NewDefaultPlatform();
  v8::V8::InitializePlatform(platform.get());
  v8::V8::Initialize();
  std::unique_ptr<v8::ArrayBuffer::Allocator> allocator(v8::ArrayBuffer::Allocator::NewDefaultAllocator());
  v8::Isolate::CreateParams params;
  params.array_buffer_allocator = allocator.get();
  v8::Isolate* isolate = v8::Isolate::New(params);
  const bool ran = Evaluate(isolate, argc > 1 ? argv[1] : "'hello from V8 ' + 6 * 7");
  isolate->Dispose();
  v8::V8::Dispose();
  v8::V8::DisposePlatform();
  return ran ? 0 : 1;
}
