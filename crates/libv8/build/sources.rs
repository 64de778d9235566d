//! Where an archive can be had: what `LIBV8_MIRROR` or the lock's origin says, as places to ask.

use std::path::PathBuf;

use v8_archive::lock::{self, Pin, Release};

/// One place to ask for one file. Its `Display`-like [`label`](Source::label) never has a password or a query in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file of this machine, or of one that is mounted.
    File(PathBuf),
    /// A server.
    Http {
        /// Without user and password.
        url: String,
        /// `user:password`, decoded.
        credentials: Option<String>,
    },
}

impl Source {
    /// What errors call it.
    pub fn label(&self) -> String {
        match self {
            Source::File(path) => path.display().to_string(),
            Source::Http { url, .. } => shown(url),
        }
    }
}

/// A URL of a server as it may stand in a log: behind the `?` are signatures of stores, and tokens of mirrors, by which
/// whoever reads them gets the file.
pub fn shown(url: &str) -> String {
    url.split_once('?').map_or_else(|| url.to_owned(), |(place, _)| format!("{place}?…"))
}

/// The places for `pin`, in the order in which they are asked. A mirror fails closed: with one, the origin is none of them.
///
/// # Errors
/// What is wrong with `LIBV8_MIRROR`. It is not repeated: it may hold a password.
pub fn of(mirror: Option<&str>, release: &Release, pin: &Pin) -> Result<Vec<Source>, String> {
    let Some(mirror) = mirror else {
        return Ok(vec![parse(&release.url(pin)).map_err(|why| format!("the lock's origin: {why}"))?]);
    };
    let mut sources = Vec::new();
    for (number, template) in mirror.split([' ', ',', '\n', '\t']).filter(|part| !part.is_empty()).enumerate()
    {
        let source = lock::check_template(template)
            .and_then(|()| parse(&lock::expand(template, &release.name, pin)))
            .map_err(|why| {
                format!(
                    "LIBV8_MIRROR, mirror {}: {why}\n\
                     help: LIBV8_MIRROR=\"https://host/folder\", or with {{release}} and {{name}} in their places",
                    number + 1
                )
            })?;
        sources.push(source);
    }
    if sources.is_empty() {
        return Err(
            "LIBV8_MIRROR has nothing but separators in it\nhelp: unset it, or name a mirror".to_owned()
        );
    }
    Ok(sources)
}

fn parse(url: &str) -> Result<Source, String> {
    if let Some(path) = url.strip_prefix("file://") {
        // file:///C:/x on Windows.
        let path = if cfg!(windows) { path.trim_start_matches('/') } else { path };
        let path = decode(path).ok_or("the URL has a '%' without two digits after it, or no UTF-8")?;
        if path.contains('\0') {
            return Err("the URL has %00 in it".to_owned());
        }
        return Ok(Source::File(path.into()));
    }
    if !url.is_ascii() {
        return Err("a URL of a server is ASCII; write other characters as %XX".to_owned());
    }
    let (scheme, rest) = url.split_once("://").ok_or("the URL has no ://")?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (credentials, host) = match authority.rsplit_once('@') {
        Some((credentials, host)) => {
            (Some(decode(credentials).ok_or("user or password has a '%' without two digits after it")?), host)
        }
        None => (None, authority),
    };
    if host.is_empty() {
        return Err("the URL has no host".to_owned());
    }
    Ok(Source::Http { url: format!("{scheme}://{host}{path}"), credentials })
}

/// `%20` and the like become what they stand for; `None` if that is malformed or not UTF-8.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
        // `from_str_radix` would take a sign.
        digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(())?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &rest[2..];
    }
    String::from_utf8(bytes).ok()
}
