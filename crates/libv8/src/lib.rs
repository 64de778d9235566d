#![doc = include_str!("../README.md")]

mod error;
mod ffi;
mod isolate;
mod library;
mod outcome;
#[cfg(feature = "serde")]
mod serde;
mod terminate;

pub use error::Error;
pub use isolate::{Builder, HeapUsage, Isolate};
pub use library::{Feature, V8_VERSION, has_feature, set_flags, version};
pub use terminate::TerminateHandle;
