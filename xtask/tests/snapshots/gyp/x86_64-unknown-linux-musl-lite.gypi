# Written by cargo xtask for this target and variant.
{
  "make_global_settings": [
    [
      "CC",
      "third_party/overlay/bin/clang"
    ],
    [
      "CXX",
      "third_party/overlay/bin/clang++"
    ],
    [
      "LINK",
      "third_party/overlay/bin/clang++"
    ],
    [
      "AR",
      "third_party/overlay/bin/llvm-ar"
    ],
    [
      "CC_wrapper",
      "third_party/overlay/bin/sccache"
    ],
    [
      "CXX_wrapper",
      "third_party/overlay/bin/sccache"
    ]
  ],
  "target_defaults": {
    "cflags": [
      "--target=x86_64-linux-musl",
      "--sysroot=../../../third_party/overlay/sysroots/musl_x86_64",
      "-no-canonical-prefixes",
      "-ffile-compilation-dir=.",
      "-fno-ident",
      "-ffp-contract=off",
      "-fdata-sections",
      "-ffunction-sections",
      "-g0",
      "-Wno-builtin-macro-redefined"
    ],
    "cflags_cc": [
      "-nostdinc++",
      "-I../../../buildtools/third_party/libc++",
      "-isystem../../../third_party/libc++/src/include",
      "-isystem../../../third_party/libc++abi/src/include"
    ],
    "defines": [
      "V8_JITLESS",
      "__DATE__=",
      "__TIME__=",
      "__TIMESTAMP__=",
      "_LIBCPP_DISABLE_VISIBILITY_ANNOTATIONS",
      "_LIBCPP_HARDENING_MODE=_LIBCPP_HARDENING_MODE_EXTENSIVE",
      "_LIBCPP_INSTRUMENTED_WITH_ASAN=0",
      "_LIBCXXABI_DISABLE_VISIBILITY_ANNOTATIONS"
    ],
    "ldflags": [
      "--target=x86_64-linux-musl",
      "--sysroot=../../../third_party/overlay/sysroots/musl_x86_64",
      "-no-canonical-prefixes",
      "-fuse-ld=lld",
      "-nostdlib++",
      "--unwindlib=none",
      "-rtlib=compiler-rt",
      "-static"
    ],
    "libraries": [
      "../../../third_party/overlay/lib/clang/22/lib/x86_64-unknown-linux-musl/libclang_rt.builtins.a",
      "-lpthread"
    ],
    "libraries!": [
      "-latomic"
    ]
  },
  "variables": {
    "v8_enable_gdbjit": "0",
    "v8_enable_i18n_support": "0",
    "v8_enable_lite_mode": "1",
    "v8_enable_maglev": "0",
    "v8_enable_pointer_compression": "0",
    "v8_enable_sandbox": "0",
    "v8_enable_sparkplug": "0",
    "v8_enable_temporal_support": "0",
    "v8_enable_turbofan": "0",
    "v8_enable_webassembly": "0",
    "v8_postmortem_support": "0",
    "v8_random_seed": "314159265",
    "v8_use_zlib": "0"
  }
}
configure --shared --ninja --without-npm --without-ssl --dest-os=linux --no-cross-compiling --dest-cpu=x64 --with-intl=none
