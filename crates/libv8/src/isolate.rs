//! The isolate: one JavaScript heap with one context.

use std::fmt;
use std::ptr::NonNull;

use crate::outcome::Outcome;
use crate::{Error, TerminateHandle, ffi};

/// One JavaScript heap with one context: globals stay from call to call.
///
/// It may move from thread to thread (`Send`), and is used by one at a time: every call that runs JavaScript
/// takes `&mut self`, and `&Isolate` cannot be shared (not `Sync`). Dropping it frees its heap.
///
/// ```
/// let mut isolate = libv8::Isolate::new()?;
/// isolate.eval("let n = 20n")?;
/// assert_eq!(isolate.eval("n ** 3n")?, "8000");
/// # Ok::<(), libv8::Error>(())
/// ```
pub struct Isolate {
    raw: NonNull<ffi::libv8_isolate>,
}

// SAFETY: libv8.h: "an isolate may be used from any thread, but from one at a time". It holds no state of the
// thread that made it: each call enters and leaves a v8::Locker and counts its stack limit from its own frame.
// One at a time is what ownership gives, since NonNull keeps `Isolate` from being `Sync`.
unsafe impl Send for Isolate {}

impl Isolate {
    /// An isolate with V8's own limits: [`Isolate::builder`] with nothing set.
    ///
    /// # Errors
    /// As [`Builder::build`].
    pub fn new() -> Result<Isolate, Error> {
        Isolate::builder().build()
    }

    /// Limits for a new isolate.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Runs `source` as a classic script, then microtasks until none is left, and gives `String(value)` of its
    /// completion value; of a promise's, if it is one.
    ///
    /// ```
    /// # let mut isolate = libv8::Isolate::new()?;
    /// assert_eq!(isolate.eval("[1, 2].concat('three')")?, "1,2,three");
    /// assert_eq!(isolate.eval("(async () => await 6 * 7)()")?, "42");
    /// # Ok::<(), libv8::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Exception`] if it throws, rejects or does not compile; [`Error::Terminated`] if it was stopped by
    /// a [`TerminateHandle`]; [`Error::OutOfMemory`] at the heap limit; [`Error::Invalid`] if its value is a
    /// promise that is still pending.
    pub fn eval(&mut self, source: &str) -> Result<String, Error> {
        self.run(source, "", ffi::LIBV8_STRING)
    }

    /// [`eval`](Isolate::eval) of a script that stacks call `name`.
    ///
    /// ```
    /// # let mut isolate = libv8::Isolate::new()?;
    /// let Err(libv8::Error::Exception { stack, .. }) = isolate.eval_named("\nthrow Error('no')", "a.js") else {
    ///     panic!("it did not throw")
    /// };
    /// assert!(stack.contains("a.js:2:7"), "{stack}");
    /// # Ok::<(), libv8::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`eval`](Isolate::eval).
    pub fn eval_named(&mut self, source: &str, name: &str) -> Result<String, Error> {
        self.run(source, name, ffi::LIBV8_STRING)
    }

    /// [`eval`](Isolate::eval), with the value as JSON text: `JSON.stringify(value)`, and `null` for what that
    /// leaves out (`undefined`, functions, symbols).
    ///
    /// ```
    /// # let mut isolate = libv8::Isolate::new()?;
    /// assert_eq!(isolate.eval_json("({ answer: [42, null] })")?, r#"{"answer":[42,null]}"#);
    /// assert_eq!(isolate.eval_json("undefined")?, "null");
    /// # Ok::<(), libv8::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`eval`](Isolate::eval); also [`Error::Exception`] for a value without JSON: a BigInt, a cycle.
    pub fn eval_json(&mut self, source: &str) -> Result<String, Error> {
        self.run(source, "", ffi::LIBV8_JSON)
    }

    /// [`eval`](Isolate::eval), with the value written out for people: strings quoted, BigInts with their `n`,
    /// arrays and objects with their contents, what is large or deep cut short. It runs none of the value's own
    /// code. The form may change with the archive: do not parse it.
    ///
    /// ```
    /// # let mut isolate = libv8::Isolate::new()?;
    /// assert_eq!(isolate.inspect("2n ** 64n")?, "18446744073709551616n");
    /// # Ok::<(), libv8::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`eval`](Isolate::eval).
    pub fn inspect(&mut self, source: &str) -> Result<String, Error> {
        self.run(source, "", ffi::LIBV8_INSPECT)
    }

    /// Calls a global function and gives its value as JSON text, as [`eval_json`](Isolate::eval_json) does.
    ///
    /// `function` may be a dotted path; `this` is then what stands before the last dot. `arguments_json` is a JSON
    /// array of at most 65,000 elements, or empty for no argument.
    ///
    /// ```
    /// # let mut isolate = libv8::Isolate::new()?;
    /// assert_eq!(isolate.call("Math.max", "[3, 7, 5]")?, "7");
    /// # Ok::<(), libv8::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`eval_json`](Isolate::eval_json); [`Error::Invalid`] also if there is no such function, or
    /// `arguments_json` is no JSON array.
    pub fn call(&mut self, function: &str, arguments_json: &str) -> Result<String, Error> {
        // SAFETY: `raw` is live and `&mut self` keeps every other thread out; pointers and lengths are of str
        // that live through the call; the result is owned here alone.
        let outcome = unsafe {
            Outcome::own(ffi::libv8_call(
                self.raw.as_ptr(),
                function.as_ptr().cast(),
                function.len(),
                arguments_json.as_ptr().cast(),
                arguments_json.len(),
                ffi::LIBV8_JSON,
            ))
        };
        outcome.into_result()
    }

    /// Runs microtasks until none is left. [`eval`](Isolate::eval) and [`call`](Isolate::call) have done so
    /// before they return; some may be left only after [`Error::Terminated`] or [`Error::OutOfMemory`].
    ///
    /// # Errors
    /// These two again.
    pub fn run_microtasks(&mut self) -> Result<(), Error> {
        // SAFETY: `raw` is live and `&mut self` keeps every other thread out; the result is owned here alone.
        let outcome = unsafe { Outcome::own(ffi::libv8_run_microtasks(self.raw.as_ptr())) };
        outcome.into_result().map(drop)
    }

    /// How much of the JavaScript heap is in use, garbage that is not collected yet included.
    ///
    /// ```
    /// let isolate = libv8::Isolate::builder().heap_limit_bytes(64 << 20).build()?;
    /// let heap = isolate.heap_usage();
    /// assert!(0 < heap.used_bytes && heap.used_bytes < heap.limit_bytes);
    /// # Ok::<(), libv8::Error>(())
    /// ```
    pub fn heap_usage(&self) -> HeapUsage {
        let mut usage = HeapUsage { used_bytes: 0, limit_bytes: 0 };
        // SAFETY: `raw` is live, and no other thread has a reference, as `Isolate` is not Sync; both pointers are
        // writable.
        unsafe {
            ffi::libv8_heap_usage(self.raw.as_ptr(), &mut usage.used_bytes, &mut usage.limit_bytes);
        }
        usage
    }

    /// A handle with which another thread can stop this isolate's JavaScript.
    pub fn terminate_handle(&self) -> TerminateHandle {
        // SAFETY: `raw` is live, and `&self` keeps it so through the call.
        unsafe { TerminateHandle::of(self.raw) }
    }

    fn run(&mut self, source: &str, name: &str, format: ffi::libv8_format) -> Result<String, Error> {
        // SAFETY: `raw` is live and `&mut self` keeps every other thread out; pointers and lengths are of str
        // that live through the call; the result is owned here alone.
        let outcome = unsafe {
            Outcome::own(ffi::libv8_eval(
                self.raw.as_ptr(),
                source.as_ptr().cast(),
                source.len(),
                name.as_ptr().cast(),
                name.len(),
                format,
            ))
        };
        outcome.into_result()
    }
}

impl Drop for Isolate {
    fn drop(&mut self) {
        // SAFETY: `raw` is owned by `self` alone and not used again; `&mut self` says that no thread is in a
        // call on it. A TerminateHandle may be left over: it knows when its isolate is gone.
        unsafe { ffi::libv8_isolate_free(self.raw.as_ptr()) }
    }
}

impl fmt::Debug for Isolate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Isolate").field("heap_usage", &self.heap_usage()).finish_non_exhaustive()
    }
}

/// Bytes of an isolate's JavaScript heap, without the contents of `ArrayBuffer`s and WebAssembly memories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeapUsage {
    /// Bytes in use.
    pub used_bytes: usize,
    /// Bytes at which JavaScript ends with [`Error::OutOfMemory`].
    pub limit_bytes: usize,
}

/// Limits for a new [`Isolate`].
///
/// ```
/// let mut isolate = libv8::Isolate::builder().heap_limit_bytes(32 << 20).build()?;
/// let all = "const a = []; for (;;) a.push(new Array(1000).fill(0));";
/// assert_eq!(isolate.eval(all), Err(libv8::Error::OutOfMemory));
/// # Ok::<(), libv8::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
#[must_use]
pub struct Builder {
    heap_limit_bytes: usize,
    stack_limit_bytes: usize,
}

impl Builder {
    /// Bytes the JavaScript heap may have, at least 4 MiB; the contents of `ArrayBuffer`s and WebAssembly memories
    /// are not of it. 0, and without this: V8's default, which depends on the machine's memory.
    pub fn heap_limit_bytes(mut self, bytes: usize) -> Builder {
        self.heap_limit_bytes = bytes;
        self
    }

    /// Bytes of native stack that JavaScript may use, counted from the frame of each call, at least 32 KiB; more is a
    /// `RangeError`. It is never more than the thread's own stack less 64 KiB. 0, and without this: V8's default,
    /// 984 KiB or what [`set_flags`](crate::set_flags) said with `--stack-size`.
    pub fn stack_limit_bytes(mut self, bytes: usize) -> Builder {
        self.stack_limit_bytes = bytes;
        self
    }

    /// Makes the isolate. The first one of a process also starts V8, which is never stopped.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the limits are impossible, the thread has too little stack left (128 KiB in all is
    /// enough), or the linked library has another version of the C interface than this crate was written for.
    pub fn build(self) -> Result<Isolate, Error> {
        // SAFETY: it takes nothing and returns a constant.
        let interface = unsafe { ffi::libv8_interface_version() };
        if interface != ffi::LIBV8_INTERFACE_VERSION {
            return Err(Error::Invalid(format!(
                "the linked libv8 has version {interface} of the C interface, this crate needs version {}",
                ffi::LIBV8_INTERFACE_VERSION
            )));
        }
        let options = ffi::libv8_options {
            struct_size_bytes: size_of::<ffi::libv8_options>(),
            heap_limit_bytes: self.heap_limit_bytes,
            stack_limit_bytes: self.stack_limit_bytes,
        };
        // SAFETY: `options` is whole, says its own size, and lives through the call.
        let raw = unsafe { ffi::libv8_isolate_new(&options) };
        match NonNull::new(raw) {
            Some(raw) => Ok(Isolate { raw }),
            None => Err(Error::Invalid(format!(
                "no isolate with a heap limit of {} bytes and a stack limit of {} bytes (0: V8's default): \
                 a heap needs 4 MiB and a stack limit 32 KiB, or this thread has too little stack left",
                self.heap_limit_bytes, self.stack_limit_bytes
            ))),
        }
    }
}

const _: () = {
    const fn moves_between_threads<T: Send + 'static>() {}
    moves_between_threads::<Isolate>();

    // Not Sync: were it, `which` would have two impls to choose from, and this would not compile.
    trait Which<Marker> {
        fn which() {}
    }
    struct ForSync;
    impl<T> Which<()> for T {}
    impl<T: Sync> Which<ForSync> for T {}
    let _ = <Isolate as Which<_>>::which;
};
