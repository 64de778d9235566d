//! The one place that speaks HTTP: a file of known digest comes over it, or is copied from a `file://` mirror.
//!
//! The body is written to a partial file, and goes on there after a broken connection or a killed process. Nothing here
//! trusts a server: whoever calls compares size and digest before the file is used.

#[cfg(feature = "downloads")]
mod remote;

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::error::{Error, IoContext as _, Result};

/// A file to be fetched.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// `https://`, `http://` or `file://`.
    pub url: &'a str,
    /// The partial file; what is there already is gone on from.
    pub to: &'a Path,
    /// More than this is never written.
    pub max_bytes: u64,
    /// Whether the file has exactly that size.
    pub is_exact: bool,
}

/// Fetches into `request.to`; the file there is as long as the server said, and no longer than wanted.
///
/// # Errors
/// Each status with its own sentence; a server that sends too much or, time and again, too little.
pub fn fetch(request: &Request<'_>) -> Result<()> {
    if let Some(path) = request.url.strip_prefix("file://") {
        return copy(request, &PathBuf::from(percent_decoded(path)));
    }
    #[cfg(feature = "downloads")]
    {
        remote::fetch(request)
    }
    #[cfg(not(feature = "downloads"))]
    {
        Err(Error::failed(format!("{} cannot be fetched: the tool is compiled without HTTP", request.url))
            .help("cargo run -p xtask --features downloads -- …   is the tool with it"))
    }
}

fn copy(request: &Request<'_>, from: &Path) -> Result<()> {
    let mut source = File::open(from).or_io("open", from)?.take(request.max_bytes.saturating_add(1));
    let mut file = File::create(request.to).or_io("create", request.to)?;
    let count = std::io::copy(&mut source, &mut file).or_io("copy", from)?;
    if count > request.max_bytes {
        return Err(Error::failed(format!("{} has more than {} bytes", from.display(), request.max_bytes)));
    }
    if request.is_exact && count < request.max_bytes {
        return Err(Error::failed(format!(
            "{} has {count} bytes, not {}",
            from.display(),
            request.max_bytes
        )));
    }
    file.sync_all().or_io("write", request.to)
}

/// `file://` addresses have `%20` for a blank.
fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut done, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let code = text.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (bytes[at], code) {
            (b'%', Some(code)) => {
                done.push(code);
                at += 3;
            }
            (byte, _) => {
                done.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&done).into_owned()
}

#[cfg(test)]
mod tests;
