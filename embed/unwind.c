/* The end of exceptions inside the library, in place of an unwinder.
 *
 * libc++ and libc++abi are compiled with exceptions (torque, which is built from the same objects, throws some), so they
 * name the Itanium C++ ABI's unwinder. V8, ICU and whoever uses V8's headers are compiled without: nobody can catch what
 * these two throw, and the end is std::terminate whatever an unwinder does. So no archive needs one: not libgcc_s, which
 * systems with musl may lack, nor a copy of LLVM's, which would take libgcc's place in the whole process.
 *
 * xtask/src/library/private.rs gives these names, in this file and in all that refer to them, a beginning of the library's
 * own: a program's unwinder and this one never meet. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* As in the ABI's level I; types that are only passed on are left incomplete. */
struct _Unwind_Context;
struct _Unwind_Exception {
  uint64_t exception_class;
  void (*cleanup)(int reason, struct _Unwind_Exception *exception);
};
enum { kForeignExceptionCaught = 1, kEndOfStack = 5 };

int _Unwind_RaiseException(struct _Unwind_Exception *exception);
void _Unwind_DeleteException(struct _Unwind_Exception *exception);
void *_Unwind_GetLanguageSpecificData(struct _Unwind_Context *context);
_Noreturn void _Unwind_Resume(struct _Unwind_Exception *exception);
_Noreturn uintptr_t _Unwind_GetIP(struct _Unwind_Context *context);
_Noreturn uintptr_t _Unwind_GetRegionStart(struct _Unwind_Context *context);
_Noreturn void _Unwind_SetGR(struct _Unwind_Context *context, int index, uintptr_t value);
_Noreturn void _Unwind_SetIP(struct _Unwind_Context *context, uintptr_t value);

/* Nobody catches it: libc++abi then says which exception it was, and ends the process. */
int _Unwind_RaiseException(struct _Unwind_Exception *exception) {
  (void)exception;
  return kEndOfStack;
}

void _Unwind_DeleteException(struct _Unwind_Exception *exception) {
  if (exception->cleanup) exception->cleanup(kForeignExceptionCaught, exception);
}

/* Asked by libc++abi's personality routine, which the program's own unwinder calls when an exception of the program, or
 * the end of a thread that is cancelled, goes through frames of libc++. `context` is then of a form unknown here. "There is
 * none" makes the routine let it pass. */
void *_Unwind_GetLanguageSpecificData(struct _Unwind_Context *context) {
  (void)context;
  return NULL;
}

/* The rest is called only once a handler or a cleanup was found, and none ever is. */
_Noreturn void _Unwind_Resume(struct _Unwind_Exception *exception) {
  (void)exception;
  abort();
}

_Noreturn uintptr_t _Unwind_GetIP(struct _Unwind_Context *context) {
  (void)context;
  abort();
}

_Noreturn uintptr_t _Unwind_GetRegionStart(struct _Unwind_Context *context) {
  (void)context;
  abort();
}

_Noreturn void _Unwind_SetGR(struct _Unwind_Context *context, int index, uintptr_t value) {
  (void)context, (void)index, (void)value;
  abort();
}

_Noreturn void _Unwind_SetIP(struct _Unwind_Context *context, uintptr_t value) {
  (void)context, (void)value;
  abort();
}
