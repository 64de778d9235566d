//! The C interface of the archive, declared by hand from `embed/libv8.h`.
//!
//! By hand, because a generator would bring libclang to every embedder for twenty functions; `tests/header.rs`
//! compares this file with the header name by name, type by type and value by value.
#![expect(non_camel_case_types, reason = "the names are the header's")]

use core::ffi::{c_char, c_int, c_uint};
use core::marker::{PhantomData, PhantomPinned};

/// The `LIBV8_INTERFACE_VERSION` of the header that this file was written from.
pub const LIBV8_INTERFACE_VERSION: u32 = 1;

/// How a call ended. An integer and no Rust enum: a value unknown here, from a newer library, is then no
/// undefined behaviour.
pub type libv8_status = c_uint;
pub const LIBV8_OK: libv8_status = 0;
pub const LIBV8_EXCEPTION: libv8_status = 1;
pub const LIBV8_TERMINATED: libv8_status = 2;
pub const LIBV8_OUT_OF_MEMORY: libv8_status = 3;
pub const LIBV8_INVALID: libv8_status = 4;

/// What text a value is turned into.
pub type libv8_format = c_uint;
pub const LIBV8_STRING: libv8_format = 0;
pub const LIBV8_JSON: libv8_format = 1;
pub const LIBV8_INSPECT: libv8_format = 2;

/// A type known to C only: of no size here, neither `Send`, `Sync` nor `Unpin`.
macro_rules! opaque {
    ($($name:ident)*) => {$(
        #[repr(C)]
        pub struct $name {
            _bytes: [u8; 0],
            _neither_send_nor_sync: PhantomData<(*mut u8, PhantomPinned)>,
        }
    )*};
}
opaque!(libv8_isolate libv8_result libv8_terminator);

#[repr(C)]
pub struct libv8_options {
    pub struct_size_bytes: usize,
    pub heap_limit_bytes: usize,
    pub stack_limit_bytes: usize,
}

unsafe extern "C" {
    pub fn libv8_version() -> *const c_char;
    pub fn libv8_interface_version() -> u32;
    pub fn libv8_has_feature(name: *const c_char) -> c_int;
    pub fn libv8_set_flags(flags: *const c_char, length_bytes: usize) -> c_int;

    pub fn libv8_isolate_new(options: *const libv8_options) -> *mut libv8_isolate;
    pub fn libv8_isolate_free(isolate: *mut libv8_isolate);

    pub fn libv8_eval(
        isolate: *mut libv8_isolate,
        source: *const c_char,
        source_bytes: usize,
        name: *const c_char,
        name_bytes: usize,
        format: libv8_format,
    ) -> *mut libv8_result;
    pub fn libv8_call(
        isolate: *mut libv8_isolate,
        function: *const c_char,
        function_bytes: usize,
        arguments_json: *const c_char,
        arguments_bytes: usize,
        format: libv8_format,
    ) -> *mut libv8_result;
    pub fn libv8_run_microtasks(isolate: *mut libv8_isolate) -> *mut libv8_result;
    pub fn libv8_heap_usage(isolate: *mut libv8_isolate, used_bytes: *mut usize, limit_bytes: *mut usize);

    pub fn libv8_result_status(result: *const libv8_result) -> libv8_status;
    pub fn libv8_result_text(result: *const libv8_result, length_bytes: *mut usize) -> *const c_char;
    pub fn libv8_result_stack(result: *const libv8_result, length_bytes: *mut usize) -> *const c_char;
    pub fn libv8_result_free(result: *mut libv8_result);

    pub fn libv8_terminator_new(isolate: *mut libv8_isolate) -> *mut libv8_terminator;
    pub fn libv8_terminator_clone(terminator: *const libv8_terminator) -> *mut libv8_terminator;
    pub fn libv8_terminator_terminate(terminator: *const libv8_terminator) -> c_int;
    pub fn libv8_terminator_free(terminator: *mut libv8_terminator);
}
