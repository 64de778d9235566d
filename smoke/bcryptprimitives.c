/* The library of Windows that Rust's standard library takes its random numbers from, for wine: 8.0 has none. Programs that
 * import it do not start without. */
#include <windows.h>
/* After windows.h, which it needs. */
#include <ntsecapi.h>

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T size_bytes);

BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T size_bytes) {
  while (size_bytes > 0) {
    const ULONG part = size_bytes < 0x10000 ? (ULONG)size_bytes : 0x10000;
    if (!RtlGenRandom(data, part)) return FALSE;
    data += part;
    size_bytes -= part;
  }
  return TRUE;
}
