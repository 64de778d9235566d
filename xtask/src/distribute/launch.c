// The compiler inside the sandbox of sccache-dist's servers, where there is no shell for the overlay's script: starts zig's
// clang as that script does, without a libc. What travels is preprocessed, so neither headers nor a linker are here.

#if defined(__x86_64__)
enum { EXECVE = 59, EXIT = 60 };
__asm__(".globl _start\n_start:\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall begin\n");
static long system_call(long number, const void *one, const void *two, const void *three) {
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(one), "S"(two), "d"(three) : "rcx", "r11", "memory");
  return result;
}
#elif defined(__aarch64__)
enum { EXECVE = 221, EXIT = 93 };
__asm__(".globl _start\n_start:\n\tmov x0, sp\n\tbl begin\n");
static long system_call(long number, const void *one, const void *two, const void *three) {
  register long x8 __asm__("x8") = number;
  register const void *x0 __asm__("x0") = one;
  register const void *x1 __asm__("x1") = two;
  register const void *x2 __asm__("x2") = three;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
  return (long)x0;
}
#else
#error "sccache-dist has no servers for this processor"
#endif

// What the kernel leaves on the stack: the number of arguments, they, a null, the environment (System V ABI, process start).
void begin(const char **stack) {
  static const char *const head[] = {"zig", "clang", "--driver-mode=g++"};
  enum { HEAD = sizeof head / sizeof *head };
  const unsigned long count = (unsigned long)stack[0];
  const char **arguments = stack + 1;
  const char *all[HEAD + count];
  for (unsigned long i = 0; i < HEAD; i++) all[i] = head[i];
  // The last one is the null; the first is our own name.
  for (unsigned long i = 1; i <= count; i++) all[HEAD + i - 1] = arguments[i];
  system_call(EXECVE, "/libv8/zig", all, arguments + count + 1);
  system_call(EXIT, (const void *)127, 0, 0);
  __builtin_unreachable();
}
