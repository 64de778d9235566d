# What an archive holds, as gyp targets: V8 as Node builds it, the C interface,
# the C++ runtime. BUILD.gn is the same for trees of Chromium's shape.
#
# This folder is copied into Node's tree as libv8/node.
{
  'variables': {
    'TREE': '../..',
    'LIBCXX': '<(TREE)/third_party/libc++/src',
    'LIBCXXABI': '<(TREE)/third_party/libc++abi/src',
    'LIBUNWIND': '<(TREE)/third_party/libunwind/src',
  },
  'includes': [
    '../../tools/v8_gypfiles/features.gypi',
  ],
  'targets': [
    {
      # libv8.h, over V8's public headers. Exceptions and RTTI stay off, as in
      # V8.
      'target_name': 'interface',
      'type': 'static_library',
      'dependencies': [
        '<(TREE)/tools/v8_gypfiles/v8.gyp:v8_snapshot',
        '<(TREE)/tools/v8_gypfiles/v8.gyp:v8_libplatform',
      ],
      'include_dirs': [
        '<(TREE)',
        '<(TREE)/deps/v8/include',
      ],
      'sources': [
        '<(TREE)/libv8/call.cc',
        '<(TREE)/libv8/engine.cc',
        '<(TREE)/libv8/format.cc',
        '<(TREE)/libv8/inspect.cc',
        '<(TREE)/libv8/libv8.cc',
        '<(TREE)/libv8/limits.cc',
      ],
      'cflags_cc': [ '-include', '../../../libv8/node/older_v8.h' ],
      'defines': [ 'LIBV8_FEATURE_SNAPSHOT' ],
      'conditions': [
        ['v8_enable_turbofan==1', { 'defines': [ 'LIBV8_FEATURE_JIT' ] }],
        ['v8_enable_webassembly==1', {
          'defines': [ 'LIBV8_FEATURE_WEBASSEMBLY' ],
        }],
        ['v8_enable_i18n_support==1', { 'defines': [ 'LIBV8_FEATURE_INTL' ] }],
      ],
    },
    {
      # Its settings are Chromium's, as in the other sources: a program sees one
      # C++ library, whichever V8 it links.
      'target_name': 'libcxx',
      'type': 'static_library',
      'defines': [
        '_LIBCPP_BUILDING_LIBRARY',
        'LIBCXX_BUILDING_LIBCXXABI',
        'LIBC_NAMESPACE=__llvm_libc_cr',
        '_LIBCPP_OVERRIDABLE_FUNC_VIS=__attribute__((__visibility__("default")))',
      ],
      'include_dirs': [
        '<(LIBCXX)/src',
        '<(TREE)/third_party/llvm-libc/src',
      ],
      'cflags_cc!': [ '-fno-exceptions', '-fno-rtti', '-std=gnu++20', '-fno-strict-aliasing' ],
      'cflags_cc': [ '-fexceptions', '-frtti', '-std=c++26', '-fvisibility=hidden', '-fvisibility-inlines-hidden' ],
      'sources': [
        '<!@(<(python) sources.py <(TREE) buildtools/third_party/libc++/BUILD.gn)',
      ],
    },
    {
      'target_name': 'libcxxabi',
      'type': 'static_library',
      'defines': [
        '_LIBCPP_BUILDING_LIBRARY',
        'LIBCXXABI_SILENT_TERMINATE',
        '_LIBCPP_CONSTINIT=constinit',
        '_LIBCXXABI_USE_FUTEX',
      ],
      'include_dirs': [ '<(LIBCXX)/src' ],
      'cflags_cc!': [ '-fno-exceptions', '-fno-rtti', '-std=gnu++20', '-fno-strict-aliasing' ],
      'cflags_cc': [ '-fexceptions', '-frtti', '-std=c++26', '-fvisibility=hidden', '-fvisibility-inlines-hidden' ],
      'sources': [
        '<!@(<(python) sources.py <(TREE) buildtools/third_party/libc++abi/BUILD.gn)',
      ],
    },
    {
      # For the programs of this build only.
      'target_name': 'libunwind',
      'type': 'static_library',
      'defines': [
        '_LIBUNWIND_IS_NATIVE_ONLY',
        '_LIBUNWIND_DISABLE_VISIBILITY_ANNOTATIONS',
      ],
      'include_dirs': [ '<(LIBUNWIND)/include' ],
      'cflags': [ '-funwind-tables' ],
      'sources': [
        '<!@(<(python) sources.py <(TREE) buildtools/third_party/libunwind/BUILD.gn)',
      ],
    },
    {
      # Never linked: its inputs are what a program needs of V8, and of them the
      # archive is made.
      'target_name': 'libv8_complete',
      'type': 'executable',
      'dependencies': [
        'interface',
        'libcxx',
        'libcxxabi',
      ],
      # In place of the unwinder that libc++abi asks for. Not for the programs of
      # this build: torque throws exceptions and catches them.
      'sources': [ '<(TREE)/libv8/unwind.c' ],
    },
  ],
}
