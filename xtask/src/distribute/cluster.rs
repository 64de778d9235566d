//! The cluster that the user names: its scheduler, and the token that makes us one of its clients.

use std::fmt;
use std::fs;
use std::str::FromStr;

use super::Report;
use crate::env;
use crate::error::{Error, IoContext as _, Result};

/// `sccache-dist=http(s)://host[:port]`, as `--distribute` takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(String);

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Address, String> {
        let url = text.strip_prefix("sccache-dist=").unwrap_or_default();
        let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")).unwrap_or_default();
        let host = rest.strip_suffix('/').unwrap_or(rest);
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
        if host.is_empty() || !host.chars().all(is_plain) {
            return Err(
                "write sccache-dist=http://HOST:PORT, or https; the token is in LIBV8_DISTRIBUTE_TOKEN"
                    .into(),
            );
        }
        Ok(Address(url.trim_end_matches('/').to_owned()))
    }
}

/// What clients show the scheduler; never printed.
#[derive(Clone)]
pub(super) struct Token(pub(super) String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// A cluster that the user named.
#[derive(Debug, Clone)]
pub struct Cluster {
    pub(super) url: String,
    pub(super) token: Token,
}

impl Cluster {
    /// With the token of `LIBV8_DISTRIBUTE_TOKEN`, or of the file that `LIBV8_DISTRIBUTE_TOKEN_FILE` names.
    pub fn of_user(address: &Address) -> Result<Cluster> {
        if !cfg!(target_os = "linux") {
            return Err(Error::usage(
                "--distribute works on Linux only: the compiler that is sent is this machine's",
            ));
        }
        let token = match (env::distribute_token(), env::distribute_token_file()) {
            (Some(token), None) => token.into_string().unwrap_or_default(),
            (None, Some(file)) => fs::read_to_string(&file).or_io("read", &file)?,
            (Some(_), Some(_)) => {
                return Err(Error::usage("LIBV8_DISTRIBUTE_TOKEN and …_TOKEN_FILE are both set"));
            }
            (None, None) => {
                return Err(Error::usage("--distribute needs the token of the cluster's clients").help(
                    "set LIBV8_DISTRIBUTE_TOKEN, or LIBV8_DISTRIBUTE_TOKEN_FILE to a file that holds it",
                ));
            }
        };
        Cluster::new(address, token.trim())
    }

    pub(super) fn new(address: &Address, token: &str) -> Result<Cluster> {
        if token.is_empty() || !token.chars().all(|c| c.is_ascii_graphic()) {
            return Err(Error::usage(
                "the token of the cluster's clients is empty, or no word of printable ASCII",
            ));
        }
        Ok(Cluster { url: address.0.clone(), token: Token(token.to_owned()) })
    }

    /// The report of a build that was made here alone.
    pub fn unused(&self, why: String) -> Report {
        Report { url: self.url.clone(), unused: Some(why), ..Report::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(text.parse::<Address>().ok().map(|address| address.0).as_deref(), expected, "{text}");
        };
        check("sccache-dist=http://10.0.0.1:10600", Some("http://10.0.0.1:10600"));
        check("sccache-dist=https://builds.example/", Some("https://builds.example"));
        check("sccache-dist=http://[::1]:10600", Some("http://[::1]:10600"));
        for bad in [
            "",
            "http://host",
            "sccache-dist=",
            "sccache-dist=host:1",
            "sccache-dist=http://",
            "distcc=http://a",
        ] {
            check(bad, None);
        }
        // A token has no place in it.
        for bad in ["sccache-dist=http://token@host", "sccache-dist=http://host/?token=x"] {
            check(bad, None);
        }
    }

    #[test]
    fn tokens_are_words_and_are_not_printed() {
        let address: Address = "sccache-dist=http://host".parse().unwrap();
        let cluster = Cluster::new(&address, "s3cret").unwrap();
        assert!(!format!("{cluster:?}").contains("s3cret"));
        for bad in ["", "two words", "line\nbreak", "grüße"] {
            assert_eq!(Cluster::new(&address, bad).unwrap_err().exit_code(), 2, "{bad}");
        }
    }
}
