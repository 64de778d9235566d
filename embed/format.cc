// String and JSON texts of values, and the texts of exceptions.
#include "format.h"

namespace libv8 {
namespace {

// Never runs the value's code, so it is what is left if that code fails.
std::string PlainText(v8::Local<v8::Context> context, v8::Local<v8::Value> value) {
  v8::TryCatch try_catch(v8::Isolate::GetCurrent());
  v8::Local<v8::String> string;
  std::string text;
  if (value->ToDetailString(context).ToLocal(&string)) {
    AppendUtf8(v8::Isolate::GetCurrent(), string, text);
  }
  return text;
}

std::optional<std::string> StringText(v8::Local<v8::Context> context,
                                      v8::Local<v8::Value> value) {
  // String(symbol) is its description, while ToString(symbol) throws.
  if (value->IsSymbol()) return PlainText(context, value);
  v8::Local<v8::String> string;
  if (!value->ToString(context).ToLocal(&string)) return std::nullopt;
  std::string text;
  AppendUtf8(v8::Isolate::GetCurrent(), string, text);
  return text;
}

std::optional<std::string> JsonText(v8::Local<v8::Context> context, v8::Local<v8::Value> value) {
  v8::Local<v8::String> string;
  if (!v8::JSON::Stringify(context, value).ToLocal(&string)) return std::nullopt;
  std::string text;
  AppendUtf8(v8::Isolate::GetCurrent(), string, text);
  // JSON.stringify gives undefined for what JSON cannot say, V8 the text of that. No
  // JSON text is this word, so a toJSON that returns undefined is met here as well.
  if (text == "undefined") text = "null";
  return text;
}

// "    at name:line:column" with a line feed before it; empty if unknown.
std::string FrameOf(v8::Local<v8::Context> context, v8::Local<v8::Message> message) {
  v8::Isolate* isolate = v8::Isolate::GetCurrent();
  if (message.IsEmpty()) return {};
  const int line = message->GetLineNumber(context).FromMaybe(v8::Message::kNoLineNumberInfo);
  if (line == v8::Message::kNoLineNumberInfo) return {};
  std::string frame = "\n    at ";
  v8::Local<v8::Value> name = message->GetScriptResourceName();
  if (name->IsString() && name.As<v8::String>()->Length() > 0) {
    AppendUtf8(isolate, name.As<v8::String>(), frame);
  } else {
    frame += "<anonymous>";
  }
  // Columns count from 0 in V8's messages and from 1 in its stacks.
  frame += ":" + std::to_string(line);
  frame += ":" + std::to_string(message->GetStartColumn(context).FromMaybe(0) + 1);
  return frame;
}

}  // namespace

void AppendUtf8(v8::Isolate* isolate, v8::Local<v8::String> string, std::string& out) {
  const size_t size_bytes = string->Utf8Length(isolate);
  const size_t start = out.size();
  out.resize(start + size_bytes);
  string->WriteUtf8(isolate, out.data() + start, size_bytes,
                    v8::String::WriteFlags::kReplaceInvalidUtf8);
}

std::optional<std::string> Format(v8::Local<v8::Context> context, v8::Local<v8::Value> value,
                                  libv8_format format) {
  switch (format) {
    case LIBV8_STRING:
      return StringText(context, value);
    case LIBV8_JSON:
      return JsonText(context, value);
    case LIBV8_INSPECT:
      return Inspect(context, value);
  }
  return std::nullopt;
}

ExceptionText DescribeException(v8::Local<v8::Context> context, v8::Local<v8::Value> exception,
                                v8::Local<v8::Message> message,
                                const std::function<bool()>& stopped) {
  v8::Isolate* isolate = v8::Isolate::GetCurrent();
  ExceptionText result;
  {
    v8::TryCatch try_catch(isolate);
    result.text = StringText(context, exception).value_or(std::string());
  }
  if (stopped()) return result;
  if (result.text.empty()) result.text = PlainText(context, exception);

  if (exception->IsObject()) {
    v8::TryCatch try_catch(isolate);
    v8::Local<v8::Value> stack;
    if (exception.As<v8::Object>()
            ->Get(context, v8::String::NewFromUtf8Literal(isolate, "stack"))
            .ToLocal(&stack) &&
        stack->IsString()) {
      AppendUtf8(isolate, stack.As<v8::String>(), result.stack);
    }
    if (stopped()) return result;
  }
  // A SyntaxError's own stack has no frame, as nothing ran: the place is in the message.
  // Neither has what is no Error.
  if (result.stack.find("\n    at ") == std::string::npos) {
    if (const std::string frame = FrameOf(context, message); !frame.empty()) {
      if (result.stack.empty()) result.stack = result.text;
      result.stack += frame;
    }
  }
  return result;
}

}  // namespace libv8
