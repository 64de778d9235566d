// JavaScript values and exceptions as UTF-8 text.
#ifndef LIBV8_FORMAT_H_
#define LIBV8_FORMAT_H_

#include <functional>
#include <optional>
#include <string>

#include "libv8.h"
#include "v8.h"

namespace libv8 {

// Appends the string's UTF-8; an unpaired surrogate becomes U+FFFD.
void AppendUtf8(v8::Isolate* isolate, v8::Local<v8::String> string, std::string& out);

// The value in the format asked for. Nothing if JavaScript threw or was stopped: the
// first two formats run the value's own toString, toJSON and getters.
std::optional<std::string> Format(v8::Local<v8::Context> context, v8::Local<v8::Value> value,
                                  libv8_format format);

// The value for people, on one line; runs none of the value's code. See libv8.h.
std::string Inspect(v8::Local<v8::Context> context, v8::Local<v8::Value> value);

struct ExceptionText {
  std::string text;   // "TypeError: x is not a function"
  std::string stack;  // the same and its frames; empty if neither is known
};

// Describes what was thrown; `message` says where and may be empty. `stopped` is asked
// after each step that runs JavaScript (toString, a getter for stack): a termination
// inside one ends that step only, and the next could run for ever just as well.
ExceptionText DescribeException(v8::Local<v8::Context> context, v8::Local<v8::Value> exception,
                                v8::Local<v8::Message> message,
                                const std::function<bool()>& stopped);

}  // namespace libv8

#endif  // LIBV8_FORMAT_H_
