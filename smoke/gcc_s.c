/* A stand-in for libgcc_s.so.1 to link against: its unwinder's names (Itanium C++ ABI, exception handling, level I), and
 * no code. The archive leaves the unwinder to the program, every glibc system has one, and our sysroots do not: what
 * runs is the system's own, found by the soname this is linked with, as with the sysroots' stubs of glibc. */
#define STUB(name) \
  void name(void); \
  void name(void) {}

STUB(_Unwind_Backtrace)
STUB(_Unwind_DeleteException)
STUB(_Unwind_FindEnclosingFunction)
STUB(_Unwind_ForcedUnwind)
STUB(_Unwind_GetCFA)
STUB(_Unwind_GetDataRelBase)
STUB(_Unwind_GetGR)
STUB(_Unwind_GetIP)
STUB(_Unwind_GetIPInfo)
STUB(_Unwind_GetLanguageSpecificData)
STUB(_Unwind_GetRegionStart)
STUB(_Unwind_GetTextRelBase)
STUB(_Unwind_RaiseException)
STUB(_Unwind_Resume)
STUB(_Unwind_Resume_or_Rethrow)
STUB(_Unwind_SetGR)
STUB(_Unwind_SetIP)
