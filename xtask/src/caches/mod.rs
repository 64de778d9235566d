//! Where compiled objects are kept: the local folder, and behind it what `LIBV8_CACHE` names, read strictly.

mod address;
mod environment;

use std::fmt;
use std::path::{Path, PathBuf};

pub use environment::{clean, variables};

use crate::env;
use crate::error::{Error, Result};

/// The forms of `LIBV8_CACHE`, for errors and for people.
const FORMS: &str = "redis://[[user]:password@]host[:port][/database][?prefix=…] (rediss:// with TLS), \
    s3://bucket[/prefix][?endpoint=…&region=…&anonymous=yes] (credentials as AWS's tools take them), \
    webdav://[user:password@]host[:port][/path] (webdavs:// with TLS), file:///absolute/path";

/// What may be done with objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Objects are taken and kept.
    ReadWrite,
    /// Objects are taken, and none is kept anywhere: for jobs whose compiler or sources are not to be trusted.
    ///
    /// sccache 0.16 writes to no level of a chain if one level is read-only, so the local folder is not written either.
    ReadOnly,
}

/// A user's name and password; never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// Empty for redis' default user.
    pub user: String,
    /// In the clear.
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login({:?}, …)", self.user)
    }
}

/// What lies behind the local folder, or in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Store {
    /// Nothing: the local folder alone.
    Local,
    /// A folder in place of the local one.
    Folder(PathBuf),
    /// A redis server.
    Redis {
        /// `redis://host:port`, or `rediss://…`.
        endpoint: String,
        /// Number of the database.
        database: u32,
        /// What all keys begin with; may be empty.
        prefix: String,
        /// Nothing for a server without access control.
        login: Option<Login>,
    },
    /// A bucket of an S3 server.
    S3 {
        /// Its name.
        bucket: String,
        /// What all keys begin with; may be empty.
        prefix: String,
        /// `http(s)://host:port` of a server that is not AWS's.
        endpoint: Option<String>,
        /// Nothing for the one of AWS's own variables and files.
        region: Option<String>,
        /// Whether requests are not signed.
        is_anonymous: bool,
    },
    /// A WebDAV server.
    WebDav {
        /// `http(s)://host:port`.
        endpoint: String,
        /// The folder on it, from `/`.
        path: String,
        /// Nothing for an open server.
        login: Option<Login>,
    },
}

/// Without passwords: for logs, plans and `build.json`.
impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Store::Local => f.write_str("the local folder"),
            Store::Folder(path) => write!(f, "file://{}", path.display()),
            Store::Redis { endpoint, database, .. } => write!(f, "{endpoint}/{database}"),
            Store::S3 { bucket, prefix, endpoint, .. } => {
                write!(f, "s3://{bucket}")?;
                if !prefix.is_empty() {
                    write!(f, "/{prefix}")?;
                }
                endpoint.as_ref().map_or(Ok(()), |endpoint| write!(f, " at {endpoint}"))
            }
            Store::WebDav { endpoint, path, .. } => {
                // Its endpoint is http's.
                write!(f, "{}{path}", endpoint.replacen("http", "webdav", 1))
            }
        }
    }
}

/// What the user chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Behind the local folder, or in its place.
    pub store: Store,
    /// Whether anything is kept.
    pub mode: Mode,
}

/// The local folder alone, taken from and added to.
impl Default for Choice {
    fn default() -> Choice {
        Choice { store: Store::Local, mode: Mode::ReadWrite }
    }
}

impl Choice {
    /// The folder in place of the local one, if the user has named one.
    pub fn folder(&self) -> Option<&Path> {
        match &self.store {
            Store::Folder(folder) => Some(folder),
            Store::Local | Store::Redis { .. } | Store::S3 { .. } | Store::WebDav { .. } => None,
        }
    }

    /// `LIBV8_CACHE` and `LIBV8_CACHE_MODE`. Opens nothing.
    pub fn of_user() -> Result<Choice> {
        let text = |name: &str, value: Option<std::ffi::OsString>| {
            value
                .map(|value| value.into_string().map_err(|_| Error::usage(format!("{name} is not UTF-8"))))
                .transpose()
        };
        let store = text("LIBV8_CACHE", env::cache())?;
        let mode = text("LIBV8_CACHE_MODE", env::cache_mode())?;
        Ok(Choice {
            store: store.map_or(Ok(Store::Local), |text| parse_store(&text))?,
            mode: mode.map_or(Ok(Mode::ReadWrite), |text| parse_mode(&text))?,
        })
    }
}

fn parse_mode(text: &str) -> Result<Mode> {
    match text {
        "read-write" => Ok(Mode::ReadWrite),
        "read-only" => Ok(Mode::ReadOnly),
        _ => Err(Error::usage(format!("LIBV8_CACHE_MODE is {text:?}")).help("read-only or read-write")),
    }
}

/// What the text of `LIBV8_CACHE` means.
pub fn parse_store(text: &str) -> Result<Store> {
    address::parse(text).map_err(|fault| {
        Error::usage(format!("LIBV8_CACHE is {:?}: {fault}", address::without_secrets(text)))
            .help(format!("the forms: {FORMS}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes() {
        assert_eq!(parse_mode("read-only").unwrap(), Mode::ReadOnly);
        assert_eq!(parse_mode("read-write").unwrap(), Mode::ReadWrite);
        let error = parse_mode("ro").unwrap_err();
        assert_eq!(
            (error.exit_code(), error.to_string().lines().next()),
            (2, Some("error: LIBV8_CACHE_MODE is \"ro\""))
        );
    }

    #[test]
    fn a_bad_address_is_told_without_its_password() {
        for bad in [
            "redis://me:s3cret@host:x",
            "mem://me:s3cret@host",
            "redis://host?password=s3cret",
            ":s3cret@host",
        ] {
            let error = parse_store(bad).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            let text = error.to_string();
            assert!(
                text.starts_with("error: LIBV8_CACHE is \"") && text.contains("file:///absolute"),
                "{text}"
            );
            assert!(!text.contains("s3cret"), "{text}");
        }
    }

    #[test]
    fn nothing_that_is_printed_holds_a_password() {
        for good in ["redis://me:s3cret@host/1", "webdav://me:s3cret@host/a"] {
            let store = parse_store(good).unwrap();
            assert!(!format!("{store} {store:?}").contains("s3cret"), "{store:?}");
        }
    }
}
