// LIBV8_INSPECT: a value written out for people, without running any of its code.
//
// Own enumerable properties only; accessors are named, not called; a Proxy is not
// looked into, as every look would run its traps.
#include <cmath>
#include <cstdio>

#include "format.h"

namespace libv8 {
namespace {

constexpr int kMostDepth = 5;           // of objects in objects; deeper ones are named
constexpr uint32_t kMostItems = 100;    // of one object; the others are counted
constexpr int kMostValues = 10'000;     // in the whole text, as depth and items multiply

class Inspector {
 public:
  explicit Inspector(v8::Local<v8::Context> context)
      : isolate_(v8::Isolate::GetCurrent()), context_(context), ancestors_(isolate_) {}

  void Write(v8::Local<v8::Value> value) {
    if (++values_ > kMostValues) {
      out_ += "…";
      return;
    }
    v8::HandleScope scope(isolate_);
    if (value->IsString()) {
      WriteQuoted(value.As<v8::String>());
    } else if (value->IsNumber() && value.As<v8::Number>()->Value() == 0 &&
               std::signbit(value.As<v8::Number>()->Value())) {
      out_ += "-0";
    } else if (value->IsObject()) {
      WriteObject(value.As<v8::Object>());
    } else {
      WritePlain(value);
      if (value->IsBigInt()) out_ += "n";
    }
  }

  std::string Take() { return std::move(out_); }

 private:
  // What V8 itself prints of a value without running code: "Symbol(x)", "1",
  // "TypeError: message", "#<Object>".
  void WritePlain(v8::Local<v8::Value> value) {
    v8::Local<v8::String> text;
    if (value->ToDetailString(context_).ToLocal(&text)) AppendUtf8(isolate_, text, out_);
  }

  void WriteQuoted(v8::Local<v8::String> string) {
    std::string text;
    AppendUtf8(isolate_, string, text);
    out_ += '"';
    for (const char c : text) {
      switch (c) {
        case '"': out_ += "\\\""; break;
        case '\\': out_ += "\\\\"; break;
        case '\n': out_ += "\\n"; break;
        case '\r': out_ += "\\r"; break;
        case '\t': out_ += "\\t"; break;
        default:
          if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
            char escape[8];
            std::snprintf(escape, sizeof escape, "\\x%02x", static_cast<unsigned char>(c));
            out_ += escape;
          } else {
            out_ += c;
          }
      }
    }
    out_ += '"';
  }

  void WriteObject(v8::Local<v8::Object> object) {
    if (WriteLeaf(object)) return;
    for (const v8::Local<v8::Object> ancestor : ancestors_) {
      if (ancestor == object) {
        out_ += "[Circular]";
        return;
      }
    }
    if (ancestors_.size() >= kMostDepth) {
      out_ += "[";
      out_ += object->IsArray() ? "Array" : ConstructorName(object);
      out_ += "]";
      return;
    }
    ancestors_.push_back(object);
    WriteContainer(object);
    ancestors_.pop_back();
  }

  // Objects that are written as one word. False if it is none of them.
  bool WriteLeaf(v8::Local<v8::Object> object) {
    if (object->IsProxy()) {
      out_ += "[Proxy]";
    } else if (object->IsFunction()) {
      v8::Local<v8::Value> name = object.As<v8::Function>()->GetDebugName();
      const bool named = name->IsString() && name.As<v8::String>()->Length() > 0;
      out_ += named ? "[Function: " : "[Function (anonymous)";
      if (named) AppendUtf8(isolate_, name.As<v8::String>(), out_);
      out_ += "]";
    } else if (object->IsNativeError()) {
      out_ += "[";
      WritePlain(object);
      out_ += "]";
    } else if (object->IsDate()) {
      v8::Local<v8::Date> date = object.As<v8::Date>();
      if (std::isnan(date->ValueOf())) {
        out_ += "Invalid Date";
      } else {
        AppendUtf8(isolate_, date->ToISOString(), out_);
      }
    } else if (object->IsRegExp()) {
      WriteRegExp(object.As<v8::RegExp>());
    } else if (object->IsNumberObject()) {
      WriteBoxed("Number", v8::Number::New(isolate_, object.As<v8::NumberObject>()->ValueOf()));
    } else if (object->IsStringObject()) {
      WriteBoxed("String", object.As<v8::StringObject>()->ValueOf());
    } else if (object->IsBooleanObject()) {
      WriteBoxed("Boolean",
                 v8::Boolean::New(isolate_, object.As<v8::BooleanObject>()->ValueOf()));
    } else if (object->IsBigIntObject()) {
      WriteBoxed("BigInt", object.As<v8::BigIntObject>()->ValueOf());
    } else if (object->IsSymbolObject()) {
      WriteBoxed("Symbol", object.As<v8::SymbolObject>()->ValueOf());
    } else if (object->IsArrayBuffer()) {
      WriteSized("ArrayBuffer", object.As<v8::ArrayBuffer>()->ByteLength());
    } else if (object->IsSharedArrayBuffer()) {
      WriteSized("SharedArrayBuffer", object.As<v8::SharedArrayBuffer>()->ByteLength());
    } else if (object->IsDataView()) {
      WriteSized("DataView", object.As<v8::DataView>()->ByteLength());
    } else {
      return false;
    }
    return true;
  }

  void WriteRegExp(v8::Local<v8::RegExp> regexp) {
    out_ += "/";
    AppendUtf8(isolate_, regexp->GetSource(), out_);
    out_ += "/";
    constexpr struct {
      v8::RegExp::Flags flag;
      char letter;
    } kLetters[] = {
        {v8::RegExp::kHasIndices, 'd'}, {v8::RegExp::kGlobal, 'g'},
        {v8::RegExp::kIgnoreCase, 'i'}, {v8::RegExp::kLinear, 'l'},
        {v8::RegExp::kMultiline, 'm'},  {v8::RegExp::kDotAll, 's'},
        {v8::RegExp::kUnicode, 'u'},    {v8::RegExp::kUnicodeSets, 'v'},
        {v8::RegExp::kSticky, 'y'},
    };
    for (const auto& [flag, letter] : kLetters) {
      if (regexp->GetFlags() & flag) out_ += letter;
    }
  }

  void WriteBoxed(const char* type, v8::Local<v8::Value> value) {
    out_ += "[";
    out_ += type;
    out_ += ": ";
    Write(value);
    out_ += "]";
  }

  void WriteSized(const char* type, size_t size_bytes) {
    out_ += type;
    out_ += "(" + std::to_string(size_bytes) + ")";
  }

  void WriteContainer(v8::Local<v8::Object> object) {
    if (object->IsArray()) {
      WriteArray(object.As<v8::Array>());
    } else if (object->IsTypedArray()) {
      WriteTypedArray(object.As<v8::TypedArray>());
    } else if (object->IsMap()) {
      v8::Local<v8::Map> map = object.As<v8::Map>();
      WriteEntries(object, map->Size(), map->AsArray(), /*stride=*/2);
    } else if (object->IsSet()) {
      v8::Local<v8::Set> set = object.As<v8::Set>();
      WriteEntries(object, set->Size(), set->AsArray(), /*stride=*/1);
    } else if (object->IsPromise()) {
      WritePromise(object.As<v8::Promise>());
    } else {
      const std::string name = ConstructorName(object);
      if (name != "Object") out_ += name + " ";
      WriteProperties(object);
    }
  }

  void WriteArray(v8::Local<v8::Array> array) {
    const uint32_t length = array->Length();
    bool first = true;
    uint32_t holes = 0;
    auto flush_holes = [&] {
      if (holes == 0) return;
      Separate(first);
      out_ += "<" + std::to_string(holes) + " empty>";
      holes = 0;
    };
    out_ += "[";
    uint32_t i = 0;
    for (; i < length && i < kMostItems; ++i) {
      v8::HandleScope scope(isolate_);
      v8::Local<v8::String> key;
      if (!v8::Integer::NewFromUnsigned(isolate_, i)->ToString(context_).ToLocal(&key)) break;
      if (!array->HasOwnProperty(context_, key).FromMaybe(false)) {
        ++holes;
        continue;
      }
      flush_holes();
      Separate(first);
      WriteProperty(array, key);
    }
    flush_holes();
    WriteRest(first, length - i);
    out_ += "]";
  }

  void WriteTypedArray(v8::Local<v8::TypedArray> array) {
    const size_t length = array->Length();
    WriteSized(ConstructorName(array).c_str(), length);
    out_ += " [";
    bool first = true;
    size_t i = 0;
    for (; i < length && i < kMostItems; ++i) {
      v8::HandleScope scope(isolate_);
      // No getter can stand at an index of a typed array.
      v8::Local<v8::Value> element;
      if (!array->Get(context_, static_cast<uint32_t>(i)).ToLocal(&element)) break;
      Separate(first);
      Write(element);
    }
    WriteRest(first, length - i);
    out_ += "]";
  }

  void WriteEntries(v8::Local<v8::Object> object, size_t size, v8::Local<v8::Array> items,
                    uint32_t stride) {
    WriteSized(ConstructorName(object).c_str(), size);
    out_ += " {";
    bool first = true;
    uint32_t i = 0;
    for (; i < items->Length() && i < kMostItems * stride; i += stride) {
      v8::HandleScope scope(isolate_);
      v8::Local<v8::Value> key, value;
      if (!items->Get(context_, i).ToLocal(&key)) break;
      Separate(first);
      Write(key);
      if (stride == 1) continue;
      if (!items->Get(context_, i + 1).ToLocal(&value)) break;
      out_ += " => ";
      Write(value);
    }
    WriteRest(first, (items->Length() - i) / stride);
    out_ += "}";
  }

  void WritePromise(v8::Local<v8::Promise> promise) {
    out_ += "Promise {";
    switch (promise->State()) {
      case v8::Promise::kPending:
        out_ += "<pending>";
        break;
      case v8::Promise::kRejected:
        out_ += "<rejected> ";
        [[fallthrough]];
      case v8::Promise::kFulfilled:
        Write(promise->Result());
    }
    out_ += "}";
  }

  void WriteProperties(v8::Local<v8::Object> object) {
    out_ += "{";
    bool first = true;
    v8::Local<v8::Array> names;
    if (object
            ->GetOwnPropertyNames(context_, v8::ONLY_ENUMERABLE,
                                  v8::KeyConversionMode::kConvertToString)
            .ToLocal(&names)) {
      uint32_t i = 0;
      for (; i < names->Length() && i < kMostItems; ++i) {
        v8::HandleScope scope(isolate_);
        v8::Local<v8::Value> name;
        if (!names->Get(context_, i).ToLocal(&name)) break;
        Separate(first);
        WriteKey(name.As<v8::Name>());
        out_ += ": ";
        WriteProperty(object, name.As<v8::Name>());
      }
      WriteRest(first, names->Length() - i);
    }
    out_ += "}";
  }

  void WriteKey(v8::Local<v8::Name> name) {
    if (name->IsSymbol()) {
      out_ += "[";
      WritePlain(name);
      out_ += "]";
      return;
    }
    std::string text;
    AppendUtf8(isolate_, name.As<v8::String>(), text);
    bool bare = !text.empty();
    for (const unsigned char c : text) {
      bare = bare && (c == '_' || c == '$' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                      (c >= 'A' && c <= 'Z') || c >= 0x80);
    }
    if (bare) {
      out_ += text;
    } else {
      WriteQuoted(name.As<v8::String>());
    }
  }

  // Through the descriptor, which alone tells an accessor from a value without a call.
  void WriteProperty(v8::Local<v8::Object> object, v8::Local<v8::Name> name) {
    v8::Local<v8::Value> descriptor;
    if (!object->GetOwnPropertyDescriptor(context_, name).ToLocal(&descriptor) ||
        !descriptor->IsObject()) {
      out_ += "<unavailable>";
      return;
    }
    v8::Local<v8::Value> value, get, set;
    if (OwnValue(descriptor.As<v8::Object>(), "value", &value)) {
      Write(value);
      return;
    }
    const bool has_get =
        OwnValue(descriptor.As<v8::Object>(), "get", &get) && get->IsFunction();
    const bool has_set =
        OwnValue(descriptor.As<v8::Object>(), "set", &set) && set->IsFunction();
    out_ += has_get && has_set ? "[Getter/Setter]" : has_get ? "[Getter]" : "[Setter]";
  }

  // Asks for the own property first: Object.prototype is the page's to change.
  bool OwnValue(v8::Local<v8::Object> object, const char* name, v8::Local<v8::Value>* value) {
    v8::Local<v8::String> key;
    return v8::String::NewFromUtf8(isolate_, name).ToLocal(&key) &&
           object->HasOwnProperty(context_, key).FromMaybe(false) &&
           object->Get(context_, key).ToLocal(value);
  }

  std::string ConstructorName(v8::Local<v8::Object> object) {
    std::string name;
    AppendUtf8(isolate_, object->GetConstructorName(), name);
    return name;
  }

  void Separate(bool& first) {
    if (!first) out_ += ", ";
    first = false;
  }

  void WriteRest(bool& first, size_t count) {
    if (count == 0) return;
    Separate(first);
    out_ += "… " + std::to_string(count) + " more";
  }

  v8::Isolate* const isolate_;
  const v8::Local<v8::Context> context_;
  v8::LocalVector<v8::Object> ancestors_;
  int values_ = 0;
  std::string out_;
};

}  // namespace

std::string Inspect(v8::Local<v8::Context> context, v8::Local<v8::Value> value) {
  // Nothing here runs JavaScript, but running out of memory still leaves exceptions.
  v8::TryCatch try_catch(v8::Isolate::GetCurrent());
  Inspector inspector(context);
  inspector.Write(value);
  return inspector.Take();
}

}  // namespace libv8
