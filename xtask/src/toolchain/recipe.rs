//! The number of the way in which this program puts a toolchain together.

/// Raised with every change to what unpacking and assembling leave on disk, so that a folder made in another way is not taken for the new one.
pub const NUMBER: u32 = 1;
