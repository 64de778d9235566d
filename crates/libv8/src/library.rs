//! What holds for the whole library: its version, its features, V8's flags.

use std::ffi::CStr;

use crate::{Error, ffi};

/// The version of V8 whose archive this crate links.
///
/// ```
/// assert_eq!(libv8::version(), libv8::V8_VERSION);
/// ```
pub const V8_VERSION: &str = include_str!("../V8_VERSION").trim_ascii();

/// The version that the linked library says it has: `"15.2.124.1"`.
pub fn version() -> &'static str {
    // SAFETY: libv8.h: NUL-terminated and static.
    let version = unsafe { CStr::from_ptr(ffi::libv8_version()) };
    version.to_str().expect("a version is digits and dots")
}

/// Something a V8 has or lacks by how its archive was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Feature {
    /// Compilation to machine code; without it V8 interprets.
    Jit,
    /// The global `WebAssembly`.
    WebAssembly,
    /// The global `Intl`, with the data of all languages.
    Intl,
    /// The heap of a new isolate comes out of a snapshot, which makes it quick to start.
    Snapshot,
    /// V8's sandbox, which confines what a bug in V8 can write to.
    Sandbox,
    /// Pointers of 32 bits in the JavaScript heap: less memory, and at most 4 GiB of it.
    PointerCompression,
}

impl Feature {
    /// Every feature.
    pub const ALL: [Feature; 6] = [
        Feature::Jit,
        Feature::WebAssembly,
        Feature::Intl,
        Feature::Snapshot,
        Feature::Sandbox,
        Feature::PointerCompression,
    ];

    /// The name libv8.h gives it, and `V8.json`.
    fn name(self) -> &'static CStr {
        match self {
            Feature::Jit => c"jit",
            Feature::WebAssembly => c"webassembly",
            Feature::Intl => c"intl",
            Feature::Snapshot => c"snapshot",
            Feature::Sandbox => c"sandbox",
            Feature::PointerCompression => c"pointer_compression",
        }
    }
}

/// Whether the linked V8 has `feature`.
///
/// ```
/// use libv8::{Feature, Isolate, has_feature};
///
/// let global = Isolate::new()?.eval("typeof WebAssembly")?;
/// assert_eq!(has_feature(Feature::WebAssembly), global == "object");
/// # Ok::<(), libv8::Error>(())
/// ```
pub fn has_feature(feature: Feature) -> bool {
    // SAFETY: the name is NUL-terminated and static.
    unsafe { ffi::libv8_has_feature(feature.name().as_ptr()) != 0 }
}

/// Sets V8's command-line flags for the process, before its first isolate.
///
/// ```standalone_crate
/// libv8::set_flags("--stack-size=500 --use-strict")?;
/// let mut isolate = libv8::Isolate::new()?;
/// assert!(isolate.eval("undeclared = 1").is_err());
/// assert!(libv8::set_flags("--no-use-strict").is_err(), "too late");
/// # Ok::<(), libv8::Error>(())
/// ```
///
/// # Errors
/// [`Error::Invalid`] if there was an isolate already: none is taken then. Also if V8 does not know one of the flags or
/// its value: it may have taken the others, since it cannot check without setting.
pub fn set_flags(flags: &str) -> Result<(), Error> {
    // SAFETY: pointer and length are of a str that lives through the call.
    let taken = unsafe { ffi::libv8_set_flags(flags.as_ptr().cast(), flags.len()) };
    if taken == 0 {
        return Err(Error::Invalid(format!(
            "V8 did not take the flags `{flags}`: one is unknown, or an isolate was made already"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names in libv8.h, between "Known names" and the end of that comment.
    #[test]
    fn the_features_are_those_of_the_header() {
        let header = include_str!("../../../embed/libv8.h");
        let (_, names) = header.split_once("Known names").expect("libv8.h lists the names");
        let (names, _) = names.split_once("*/").expect("the comment ends");
        let names: Vec<&str> = names.split('"').skip(1).step_by(2).collect();
        let ours: Vec<&str> = Feature::ALL.iter().map(|f| f.name().to_str().unwrap()).collect();
        assert_eq!(ours, names);
    }
}
