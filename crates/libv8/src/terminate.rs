//! Stopping a script from another thread.

use std::fmt;
use std::ptr::NonNull;

use crate::ffi;

/// Stops the JavaScript of one isolate, from any thread.
///
/// It does not keep the isolate alive, and may outlive it: it then does nothing.
///
/// ```
/// use std::{thread, time::Duration};
///
/// let mut isolate = libv8::Isolate::new()?;
/// let handle = isolate.terminate_handle();
/// let watchdog = thread::spawn(move || {
///     // A call that has not begun yet is not hit: ask until one was.
///     while !handle.terminate() {
///         thread::sleep(Duration::from_millis(1));
///     }
/// });
/// assert_eq!(isolate.eval("for (;;);"), Err(libv8::Error::Terminated));
/// watchdog.join().unwrap();
/// assert_eq!(isolate.eval("1 + 1")?, "2");
/// # Ok::<(), libv8::Error>(())
/// ```
pub struct TerminateHandle {
    raw: NonNull<ffi::libv8_terminator>,
}

// SAFETY: libv8.h: the functions of libv8_terminator "may be called from any thread at any time, also after its
// isolate is gone"; freeing is one of them, so the thread that drops need not be the one that made it.
unsafe impl Send for TerminateHandle {}
// SAFETY: as above: "at any time" includes while another thread is in a call on the same terminator. The
// functions that take `&self` take a const pointer and do not free it.
unsafe impl Sync for TerminateHandle {}

impl TerminateHandle {
    /// The handle of `isolate`.
    ///
    /// # Safety
    /// `isolate` is a live isolate that no other thread frees meanwhile.
    pub(crate) unsafe fn of(isolate: NonNull<ffi::libv8_isolate>) -> TerminateHandle {
        // SAFETY: the caller's promise.
        TerminateHandle::own(unsafe { ffi::libv8_terminator_new(isolate.as_ptr()) })
    }

    /// Ends the call that is under way on the isolate with [`Error::Terminated`](crate::Error::Terminated).
    ///
    /// `false` if none was under way, or the isolate is gone: nothing happens then, and a later call is not hit.
    pub fn terminate(&self) -> bool {
        // SAFETY: `raw` is live until drop; any thread may call this (libv8.h).
        unsafe { ffi::libv8_terminator_terminate(self.raw.as_ptr()) != 0 }
    }

    /// Takes ownership of what libv8_terminator_new or _clone gave.
    fn own(raw: *mut ffi::libv8_terminator) -> TerminateHandle {
        // A few bytes could not be allocated: Rust's own collections end the process here, too.
        TerminateHandle { raw: NonNull::new(raw).expect("libv8 had no memory for a terminator") }
    }
}

impl Clone for TerminateHandle {
    fn clone(&self) -> TerminateHandle {
        // SAFETY: `raw` is live until drop; any thread may call this (libv8.h).
        TerminateHandle::own(unsafe { ffi::libv8_terminator_clone(self.raw.as_ptr()) })
    }
}

impl Drop for TerminateHandle {
    fn drop(&mut self) {
        // SAFETY: `raw` came from _new or _clone, is owned by `self` alone, and is not used again.
        unsafe { ffi::libv8_terminator_free(self.raw.as_ptr()) }
    }
}

impl fmt::Debug for TerminateHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TerminateHandle").finish_non_exhaustive()
    }
}

const _: () = {
    const fn any_thread<T: Send + Sync + Clone + 'static>() {}
    any_thread::<TerminateHandle>();
};
