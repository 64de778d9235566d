// A C++ program that has its own C++ library beside the one in libv8.a: exceptions, casts and threads stay its own.
//
// Compiled by the user's own c++ (g++ with libstdc++, as a rule), with exceptions and RTTI. Prints a line for each failure.
#include <cstdio>
#include <exception>
#include <functional>
#include <future>
#include <new>
#include <regex>
#include <stdexcept>
#include <string>
#include <typeinfo>
#include <vector>

#include "libv8.h"

// Of the library's libc++, as declared in its <__mutex/once_flag.h>: a function with cleanups that calls one of the program's.
namespace std {
namespace __Cr {
void __call_once(volatile unsigned long& flag, void* argument, void (*function)(void*));
}
}  // namespace std

namespace {

int checks = 0;
int failures = 0;

void check(int line, const char* what, bool holds) {
  ++checks;
  if (holds) return;
  ++failures;
  std::printf("exceptions.cc:%d: failed: %s\n", line, what);
}
#define CHECK(condition) check(__LINE__, #condition, condition)

std::string Eval(const std::string& source) {
  libv8_isolate* isolate = libv8_isolate_new(nullptr);
  libv8_result* result = libv8_eval(isolate, source.data(), source.size(), "", 0, LIBV8_STRING);
  const std::string text = libv8_result_text(result, nullptr);
  const bool good = libv8_result_status(result) == LIBV8_OK;
  libv8_result_free(result);
  libv8_isolate_free(isolate);
  if (!good) throw std::runtime_error(text);
  return text;
}

// Whether `body` throws an Error whose text has `part`.
template <typename Error>
bool Throws(const std::function<void()>& body, const char* part) {
  try {
    body();
  } catch (const Error& error) {
    return std::string(error.what()).find(part) != std::string::npos;
  }
  return false;
}

struct Base {
  virtual ~Base() = default;
};
struct Derived : Base {
  int value = 5;
};
struct Other : virtual Base {};

}  // namespace

int main() {
  CHECK(Eval("6 * 7") == "42");
  CHECK(Throws<std::runtime_error>([] { Eval("throw new Error('thrown')"); }, "Error: thrown"));

  // Thrown by the program, by its C++ library's headers, and inside its C++ library.
  CHECK(Throws<std::exception>([] { throw std::logic_error("own"); }, "own"));
  CHECK(Throws<std::out_of_range>([] { (void)std::string("x").at(5); }, ""));
  CHECK(Throws<std::invalid_argument>([] { (void)std::stoi("x"); }, ""));
  CHECK(Throws<std::length_error>([] { std::vector<int>().reserve(~std::size_t{0}); }, ""));
  CHECK(Throws<std::regex_error>([] { std::regex regex("("); }, ""));
  CHECK(Throws<std::bad_function_call>([] { std::function<void()>()(); }, ""));

  // Across threads, kept, and nested.
  auto future = std::async(std::launch::async, [] { (void)Eval("null.x"); });
  CHECK(Throws<std::runtime_error>([&] { future.get(); }, "TypeError"));
  std::exception_ptr kept;
  try {
    throw std::bad_alloc();
  } catch (...) {
    kept = std::current_exception();
  }
  CHECK(Throws<std::bad_alloc>([&] { std::rethrow_exception(kept); }, ""));
  CHECK(Throws<std::runtime_error>(
      [] {
        try {
          try {
            throw std::runtime_error("inner");
          } catch (...) {
            std::throw_with_nested(std::logic_error("outer"));
          }
        } catch (const std::exception& error) {
          std::rethrow_if_nested(error);
        }
      },
      "inner"));

  // Through a frame of the library's own C++ runtime, which knows nothing of the program's unwinder.
  unsigned long flag = 0;
  CHECK(Throws<std::runtime_error>(
      [&] { std::__Cr::__call_once(flag, nullptr, [](void*) { throw std::runtime_error("through"); }); }, "through"));

  Derived derived;
  Base* base = &derived;
  CHECK(dynamic_cast<Derived*>(base) == &derived && dynamic_cast<Other*>(base) == nullptr);
  CHECK(typeid(*base) == typeid(Derived));
  CHECK(Throws<std::bad_cast>([&] { (void)dynamic_cast<Other&>(*base); }, ""));
  CHECK(std::uncaught_exceptions() == 0);
  CHECK(Eval("[1, 2].map(x => x * 2).join()") == "2,4");

  if (failures == 0) std::printf("%d checks passed beside another C++ library\n", checks);
  return failures == 0 ? 0 : 1;
}
