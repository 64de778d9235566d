/* What GCC's crtbegin.o defines on every system and our sysroots' does not, since lld defines it by itself: by its address
 * the C library tells which library a destructor belongs to (Itanium C++ ABI, 3.3.6). GNU ld needs one to be there. */
extern void *const __dso_handle;
__attribute__((visibility("hidden"))) void *const __dso_handle = (void *)&__dso_handle;
