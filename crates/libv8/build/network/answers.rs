//! What a server's answer means: a sentence and a remedy for each status, and which of them may pass.

use std::time::Duration;

use ureq::http::{HeaderMap, StatusCode};

/// What is to be done with an answer that is not the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Ask again, after this long if the server says so.
    Again(Option<Duration>),
    /// Ask someone else.
    Next,
    /// What is here already is no beginning of what is there.
    Restart,
}

/// The sentence and the verdict for a status that is neither 200 nor 206.
pub fn judge(status: StatusCode, headers: &HeaderMap) -> (String, Verdict) {
    let wait =
        headers.get("retry-after").and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    let again = Verdict::Again(wait.map(Duration::from_secs));
    let (sentence, verdict) = match status.as_u16() {
        401 => (
            "it wants a user and a password\nhelp: LIBV8_MIRROR=\"https://user:password@host/folder\"",
            Verdict::Next,
        ),
        403 => (
            "it forbids this; some stores say so of what is not there\n\
             help: check the address, and that user, password or network may read it",
            Verdict::Next,
        ),
        404 => (
            "it has no such file\n\
             help: check the address; a mirror may not have this release yet: compare with its index.html",
            Verdict::Next,
        ),
        407 => (
            "a proxy wants a user and a password\n\
             help: http.proxy = \"http://user:password@host:port\" in cargo's configuration, or CARGO_HTTP_PROXY",
            Verdict::Next,
        ),
        408 => ("it waited too long for us", again),
        410 => (
            "the file was taken away for good\n\
             help: use a newer version of libv8, or a mirror that kept it: LIBV8_MIRROR",
            Verdict::Next,
        ),
        416 => ("it has fewer bytes than are here already", Verdict::Restart),
        429 => (
            "too many requests\nhelp: wait a while; on CI keep LIBV8_CACHE_DIR between jobs, or set up a mirror: LIBV8_MIRROR",
            again,
        ),
        500 => (
            "it has a fault of its own (internal error)\nhelp: try again later, or another mirror: LIBV8_MIRROR",
            again,
        ),
        502 => (
            "the server behind it gave it a bad answer\nhelp: try again later, or another mirror: LIBV8_MIRROR",
            again,
        ),
        503 => (
            "it is overloaded or being maintained\nhelp: try again later, or another mirror: LIBV8_MIRROR",
            again,
        ),
        504 => (
            "the server behind it does not answer\nhelp: try again later, or another mirror: LIBV8_MIRROR",
            again,
        ),
        501 | 505..=599 => {
            ("it has a fault of its own\nhelp: try again later, or another mirror: LIBV8_MIRROR", again)
        }
        _ => ("this is no answer to a request for a file\nhelp: check the address", Verdict::Next),
    };
    (format!("HTTP {}: {sentence}", status.as_u16()), verdict)
}

/// `Content-Range: bytes first-last/total`, as numbers; the total may be unknown.
pub fn content_range(headers: &HeaderMap) -> Option<(u64, u64, Option<u64>)> {
    let text = headers.get("content-range")?.to_str().ok()?.strip_prefix("bytes ")?;
    let (range, total) = text.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let total = if total == "*" { None } else { Some(total.parse().ok()?) };
    Some((first.parse().ok()?, last.parse().ok()?, total))
}

/// The mark of exactly these bytes; a weak one (`W/`) is of something similar.
pub fn strong_mark(headers: &HeaderMap) -> Option<&str> {
    let mark = headers.get("etag")?.to_str().ok()?;
    (mark.starts_with('"') && mark.ends_with('"') && mark.len() > 1).then_some(mark)
}

/// What the bytes were put into on the way, if they were.
pub fn encoding(headers: &HeaderMap) -> Option<&str> {
    let encoding = headers.get("content-encoding")?.to_str().unwrap_or("?");
    Some(encoding).filter(|encoding| !encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity"))
}

/// Whether it says that it is for people.
pub fn is_page(headers: &HeaderMap) -> bool {
    let kind = headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.to_ascii_lowercase().starts_with("text/html")
}
