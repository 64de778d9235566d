//! A `libv8_result`, turned into a `Result`.

use std::ffi::c_char;
use std::ptr::NonNull;

use crate::{Error, ffi};

/// Owns what libv8_eval, libv8_call and libv8_run_microtasks give.
pub(crate) struct Outcome {
    raw: NonNull<ffi::libv8_result>,
}

impl Outcome {
    /// Takes ownership of `raw`.
    ///
    /// # Safety
    /// `raw` comes from a function of libv8.h that gives a result to be freed, and nobody else frees it.
    pub(crate) unsafe fn own(raw: *mut ffi::libv8_result) -> Outcome {
        Outcome { raw: NonNull::new(raw).expect("libv8.h says that a result is never NULL") }
    }

    /// The value's text, or why there is none.
    pub(crate) fn into_result(self) -> Result<String, Error> {
        // SAFETY: `raw` is live until `self` is dropped at the end of this function.
        let status = unsafe { ffi::libv8_result_status(self.raw.as_ptr()) };
        match status {
            ffi::LIBV8_OK => Ok(self.string(ffi::libv8_result_text)),
            ffi::LIBV8_EXCEPTION => Err(Error::Exception {
                message: self.string(ffi::libv8_result_text),
                stack: self.string(ffi::libv8_result_stack),
            }),
            ffi::LIBV8_TERMINATED => Err(Error::Terminated),
            ffi::LIBV8_OUT_OF_MEMORY => Err(Error::OutOfMemory),
            ffi::LIBV8_INVALID => Err(Error::Invalid(self.string(ffi::libv8_result_text))),
            unknown => Err(Error::Invalid(format!(
                "libv8 answered with status {unknown}, which this crate does not know: {}",
                self.string(ffi::libv8_result_text)
            ))),
        }
    }

    /// Copies one of the result's texts.
    fn string(
        &self,
        text: unsafe extern "C" fn(*const ffi::libv8_result, *mut usize) -> *const c_char,
    ) -> String {
        let mut length_bytes = 0;
        // SAFETY: `raw` is live, `length_bytes` is writable, and `text` is one of the two functions of libv8.h
        // with this type, which only read the result.
        let start = unsafe { text(self.raw.as_ptr(), &mut length_bytes) };
        if length_bytes == 0 {
            return String::new();
        }
        // SAFETY: the text lives as long as the result, is `length_bytes` long, and nobody writes to it.
        let bytes = unsafe { std::slice::from_raw_parts(start.cast::<u8>(), length_bytes) };
        // It is UTF-8 by contract. Looking once more is cheap beside having run JavaScript.
        String::from_utf8_lossy(bytes).into_owned()
    }
}

impl Drop for Outcome {
    fn drop(&mut self) {
        // SAFETY: `raw` is owned by `self` alone and not used again.
        unsafe { ffi::libv8_result_free(self.raw.as_ptr()) }
    }
}
