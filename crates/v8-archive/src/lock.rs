//! `prebuilt.toml`: which archives of which release are linked, by size and digest; written by `cargo xtask lock`, reviewed
//! and committed like code, read by libv8's build script.
//!
//! It is TOML for people and tools, but read by no TOML parser: only the one canonical form is accepted, key by key in
//! this order, so that two readers cannot disagree and a build script needs no further crate. Comment lines and empty
//! lines may stand anywhere; all else that differs is an error naming file and line. A key given twice is one that is not
//! expected there.

use std::fmt::Write as _;
use std::str::Lines;

use crate::{ArchiveName, Error, Format, Sha256};

/// The format that this crate writes, and the only one it reads.
pub const LOCK_FORMAT: u64 = 1;

/// Longer texts are not looked at, in bytes. An archive takes 400.
const MAX_BYTES: usize = 1 << 20;

/// The whole of `prebuilt.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// The V8 that all archives are of.
    pub v8_version: String,
    /// The release they are part of; `None` while nothing is published.
    pub release: Option<Release>,
    /// The archives, sorted by the text of their names; empty without a release.
    pub archives: Vec<Pin>,
}

/// A published release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// V8's version, `-`, and a revision from 1, as in `15.2.124.1-1`.
    pub name: String,
    /// Grows with each release of a store; at least 1, below 2^63 (TOML's integers).
    pub number: u64,
    /// Digest of its `index.json`, from which this file was made.
    pub index_sha256: Sha256,
    /// Where its files are: a URL with `{name}` or `{sha256}`, and `{release}` if wanted, in their places. `http://`, `https://` or
    /// `file:///`, without a password.
    pub origin: String,
}

/// What an archive must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// Its name.
    pub name: ArchiveName,
    /// Length of the file in bytes.
    pub size_bytes: u64,
    /// Digest of the file.
    pub sha256: Sha256,
    /// Length of what is packed in it (of a tar, the uncompressed stream) in bytes.
    pub unpacked_size_bytes: u64,
    /// Digest of that: what two packings of the same files have in common.
    pub unpacked_sha256: Sha256,
    /// The descriptor's `build_id`.
    pub build_id: Sha256,
}

impl Lock {
    /// That of a V8 of which nothing is published.
    pub fn empty(v8_version: &str) -> Self {
        Lock { v8_version: v8_version.to_owned(), release: None, archives: Vec::new() }
    }

    /// Whether it pins nothing.
    pub fn is_empty(&self) -> bool {
        self.release.is_none()
    }

    /// The pin of an archive in any format, the default format first.
    pub fn pin(&self, stem: &str) -> Option<&Pin> {
        let of = |format| {
            self.archives.iter().find(move |pin| pin.name.format() == format && pin.name.stem() == stem)
        };
        Format::ALL.into_iter().find_map(of)
    }

    /// Reads a `prebuilt.toml`; `origin` is what errors call it.
    ///
    /// # Errors
    /// [`Error::Lock`], with the line, for whatever [`to_text`](Self::to_text) would not write, comments and empty lines aside.
    pub fn parse(text: &str, origin: &str) -> Result<Self, Error> {
        let mut reader = Reader { lines: text.lines(), number: 0, ahead: None, origin };
        if text.len() > MAX_BYTES {
            return Err(reader.fail(format!("{} bytes, the limit is {MAX_BYTES}", text.len())));
        }
        let format = reader.number("format")?;
        if format != LOCK_FORMAT {
            let which = if format > LOCK_FORMAT { "a newer" } else { "an older" };
            return Err(reader.fail(format!(
                "format {format}, but this program reads format {LOCK_FORMAT}\nhelp: use {which} version of the program"
            )));
        }
        if !reader.next_is("release") {
            let v8_version = reader.parsed("v8_version", check_version)?;
            reader.end()?;
            return Ok(Lock::empty(&v8_version));
        }
        let release = reader.string("release")?;
        let number = reader.number("number")?;
        let v8_version = reader.parsed("v8_version", check_version)?;
        check_release(&release, &v8_version).map_err(|why| reader.fail(why))?;
        let index_sha256 = reader.digest("index_sha256")?;
        let origin = reader.parsed("origin", |text| check_origin(text).map(|()| text.to_owned()))?;
        if number == 0 {
            return Err(reader.fail("number is 0, but the first release has 1".to_owned()));
        }
        let mut archives: Vec<Pin> = Vec::new();
        while reader.table()? {
            let pin = reader.pin()?;
            check_next(&v8_version, archives.last(), &pin).map_err(|why| reader.fail(why))?;
            archives.push(pin);
        }
        if archives.is_empty() {
            return Err(reader.fail(format!("release {release} has no [[archive]]")));
        }
        let release = Some(Release { name: release, number, index_sha256, origin });
        Ok(Lock { v8_version, release, archives })
    }

    /// The one text of this value. [`parse`](Self::parse) takes it back if the value keeps the rules stated at its fields.
    pub fn to_text(&self) -> String {
        let mut text =
            format!("# Written by `cargo xtask lock`; review it like code.\nformat = {LOCK_FORMAT}\n");
        let v8_version = format!("v8_version = \"{}\"\n", self.v8_version);
        let Some(Release { name, number, index_sha256, origin }) = &self.release else {
            return text + &v8_version;
        };
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "release = \"{name}\"\nnumber = {number}\n{v8_version}index_sha256 = \"{index_sha256}\"\n\
             origin = \"{origin}\"\n"
        );
        for pin in &self.archives {
            let Pin { name, size_bytes, sha256, unpacked_size_bytes, unpacked_sha256, build_id } = pin;
            let _ = write!(
                text,
                "\n[[archive]]\nname = \"{name}\"\nsize_bytes = {size_bytes}\nsha256 = \"{sha256}\"\n\
                 unpacked_size_bytes = {unpacked_size_bytes}\nunpacked_sha256 = \"{unpacked_sha256}\"\n\
                 build_id = \"{build_id}\"\n"
            );
        }
        text
    }
}

impl Release {
    /// The URL of an archive of this release at its origin.
    pub fn url(&self, pin: &Pin) -> String {
        expand(&self.origin, &self.name, pin)
    }
}

/// Puts a release, and an archive's name and digest, into a URL template. One that names no file, by `{name}` or by
/// `{sha256}`, is a folder's URL in which releases lie as they lie in a store: `<base>/<release>/<name>`.
pub fn expand(template: &str, release: &str, pin: &Pin) -> String {
    let filled = template.replace("{release}", release);
    if !names_a_file(template) {
        return format!("{}/{release}/{}", filled.trim_end_matches('/'), pin.name);
    }
    filled.replace("{name}", &pin.name.to_string()).replace("{sha256}", &pin.sha256.to_string())
}

/// A registry of containers knows files by their digests.
fn names_a_file(template: &str) -> bool {
    template.contains("{name}") || template.contains("{sha256}")
}

/// Whether a template names places only: schemes we can read, no other placeholder, nothing that a line of text or of a
/// log could not hold.
///
/// # Errors
/// The rule that is broken. The text itself is not repeated: it may hold a password.
pub fn check_template(template: &str) -> Result<(), String> {
    let scheme = ["https://", "http://", "file:///"].into_iter().find(|scheme| template.starts_with(scheme));
    let Some(scheme) = scheme else {
        return Err("a URL here begins with https://, http:// or file:///".to_owned());
    };
    if template.len() == scheme.len() && scheme != "file:///" {
        return Err("the URL has no host".to_owned());
    }
    if template.contains(|c: char| c.is_control() || matches!(c, '"' | '\\' | ' ' | '<' | '>')) {
        return Err("the URL has a blank, a quotation mark, a backslash or a control character; write %20 for a blank"
            .to_owned());
    }
    let rest = template.replace("{release}", "").replace("{name}", "").replace("{sha256}", "");
    if rest.contains(['{', '}']) {
        return Err("the URL has a placeholder other than {release}, {name} and {sha256}".to_owned());
    }
    Ok(())
}

/// A committed file is no place for a password.
fn check_origin(origin: &str) -> Result<(), String> {
    check_template(origin).map_err(|why| format!("origin: {why}"))?;
    if !names_a_file(origin) {
        return Err(format!("origin '{origin}' has no {{name}} or {{sha256}}"));
    }
    let authority = origin.split_once("://").map_or("", |(_, rest)| rest.split('/').next().unwrap_or(""));
    if authority.contains('@') {
        return Err("origin has a user or a password before its host".to_owned());
    }
    Ok(())
}

/// Whether `release` is a release's name of this V8.
///
/// # Errors
/// The rule that is broken.
pub fn check_release(release: &str, v8_version: &str) -> Result<(), String> {
    let revision = release.strip_prefix(v8_version).and_then(|rest| rest.strip_prefix('-'));
    let is_number = |text: &str| {
        (1..=9).contains(&text.len())
            && !text.starts_with('0')
            && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    if revision.is_some_and(is_number) {
        return Ok(());
    }
    Err(format!("release is '{release}', but a release of V8 {v8_version} is called {v8_version}-1, -2, …"))
}

/// `ArchiveName` knows what a version is.
fn check_version(text: &str) -> Result<String, String> {
    ArchiveName::new(text, "a-b", "c", Format::default())
        .map(|name| name.v8_version().to_owned())
        .map_err(|error| format!("v8_version: {error}"))
}

fn check_next(v8_version: &str, previous: Option<&Pin>, pin: &Pin) -> Result<(), String> {
    let name = &pin.name;
    if name.v8_version() != v8_version {
        return Err(format!("{name} is of V8 {}, but v8_version is {v8_version}", name.v8_version()));
    }
    if let Some(previous) = previous
        && previous.name.to_string() >= name.to_string()
    {
        return Err(format!("{name} stands after {}: archives are sorted, each once", previous.name));
    }
    if pin.size_bytes == 0 || pin.unpacked_size_bytes == 0 {
        return Err(format!("{name} has a size of 0 bytes"));
    }
    Ok(())
}

struct Reader<'a> {
    lines: Lines<'a>,
    /// Of the line read last, from 1.
    number: usize,
    /// A line that was looked at and not taken.
    ahead: Option<&'a str>,
    origin: &'a str,
}

impl<'a> Reader<'a> {
    fn fail(&self, why: String) -> Error {
        Error::Lock { origin: self.origin.to_owned(), line: self.number, why }
    }

    /// The next line that says something.
    fn peek(&mut self) -> Option<&'a str> {
        while self.ahead.is_none() {
            let line = self.lines.next()?;
            self.number += 1;
            self.ahead = Some(line).filter(|line| !line.is_empty() && !line.starts_with('#'));
        }
        self.ahead
    }

    fn take(&mut self) -> Option<&'a str> {
        self.peek()?;
        self.ahead.take()
    }

    fn next_is(&mut self, key: &str) -> bool {
        self.peek().is_some_and(|line| line.split(' ').next() == Some(key))
    }

    /// The text after `key = `.
    fn value(&mut self, key: &str) -> Result<&'a str, Error> {
        let Some(line) = self.take() else {
            return Err(self.fail(format!("the file ends where '{key} = …' is expected")));
        };
        let value = line.strip_prefix(key).and_then(|rest| rest.strip_prefix(" = "));
        value.ok_or_else(|| self.fail(format!("expected '{key} = …', found '{}'", clip(line))))
    }

    /// A number of TOML in its shortest form.
    fn number(&mut self, key: &str) -> Result<u64, Error> {
        let value = self.value(key)?;
        let is_canonical =
            value.bytes().all(|byte| byte.is_ascii_digit()) && (value == "0" || !value.starts_with('0'));
        let number = value.parse().ok().filter(|number| is_canonical && *number <= i64::MAX as u64);
        number.ok_or_else(|| {
            self.fail(format!("{key} is '{}', not a number from 0 to {}", clip(value), i64::MAX))
        })
    }

    /// A string of TOML that needs no escapes.
    fn string(&mut self, key: &str) -> Result<String, Error> {
        let value = self.value(key)?;
        let inner = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let inner = inner.filter(|text| !text.contains(|c: char| c.is_control() || matches!(c, '"' | '\\')));
        inner.map(str::to_owned).ok_or_else(|| {
            self.fail(format!("{key} is {}, not a plain \"text\" without escapes", clip(value)))
        })
    }

    fn parsed<T>(&mut self, key: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Result<T, Error> {
        let text = self.string(key)?;
        parse(&text).map_err(|why| self.fail(why))
    }

    fn digest(&mut self, key: &str) -> Result<Sha256, Error> {
        self.parsed(key, |text| text.parse().map_err(|error| format!("{key}: {error}")))
    }

    /// Whether another archive follows.
    fn table(&mut self) -> Result<bool, Error> {
        match self.take() {
            None => Ok(false),
            Some("[[archive]]") => Ok(true),
            Some(line) => Err(self.fail(format!("expected '[[archive]]', found '{}'", clip(line)))),
        }
    }

    fn pin(&mut self) -> Result<Pin, Error> {
        Ok(Pin {
            name: self.parsed("name", |text| text.parse().map_err(|error: Error| error.to_string()))?,
            size_bytes: self.number("size_bytes")?,
            sha256: self.digest("sha256")?,
            unpacked_size_bytes: self.number("unpacked_size_bytes")?,
            unpacked_sha256: self.digest("unpacked_sha256")?,
            build_id: self.digest("build_id")?,
        })
    }

    fn end(&mut self) -> Result<(), Error> {
        match self.take() {
            None => Ok(()),
            Some(line) => Err(self.fail(format!("expected the end, found '{}'", clip(line)))),
        }
    }
}

/// A foreign line as part of an error: of one line, without control characters, and short.
fn clip(text: &str) -> String {
    let mut clipped: String = text.chars().take(80).flat_map(char::escape_debug).collect();
    if text.chars().nth(80).is_some() {
        clipped.push('…');
    }
    clipped
}
