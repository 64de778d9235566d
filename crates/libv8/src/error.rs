//! How a call into JavaScript can fail.

use std::fmt;

/// Why there is no value.
///
/// The isolate stays usable after each of them, [`Error::OutOfMemory`] with one exception.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// JavaScript threw, a promise was rejected, or the source did not compile.
    Exception {
        /// `String(exception)`: `"TypeError: x is not a function"`.
        message: String,
        /// The exception's `stack`: its message, then a line for each frame, innermost first. Empty if it has
        /// none: what was thrown need not be an `Error`.
        stack: String,
    },
    /// [`TerminateHandle::terminate`](crate::TerminateHandle::terminate) ended the call.
    Terminated,
    /// The heap limit was reached. If more than twice the limit is still referenced, by globals for one, every
    /// further call ends so at once: dropping the isolate is all that helps.
    OutOfMemory,
    /// The call itself was wrong, as the text says: no function of that name, arguments that are no JSON array,
    /// a promise that is still pending, limits no isolate can have.
    Invalid(String),
}

impl fmt::Display for Error {
    /// One line, or as many as the exception's message has; the stack is left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Exception { message, .. } => f.write_str(message),
            Error::Terminated => f.write_str("the script was terminated"),
            Error::OutOfMemory => f.write_str("the script reached the heap limit of its isolate"),
            Error::Invalid(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Error {}
