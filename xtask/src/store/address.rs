//! What `--to` and `--from` name: `dir:PATH`, `s3://bucket/prefix`, `oci://host/name`, `github:owner/repository`.

use std::path::PathBuf;

use crate::error::{Error, Result};

/// A store's address; nothing is known of whether it exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `dir:PATH`.
    Folder(PathBuf),
    /// `s3://bucket` or `s3://bucket/prefix`; the endpoint and the keys come from the environment.
    S3 {
        /// The bucket.
        bucket: String,
        /// What all keys begin with, without slashes at its ends; may be empty.
        prefix: String,
    },
    /// `oci://host[:port]/name`.
    Oci {
        /// The registry, with a port if it was given.
        host: String,
        /// The repository in it, as in `team/libv8`.
        name: String,
    },
    /// `github:owner/repository`.
    GitHub {
        /// The user or organisation.
        owner: String,
        /// The repository.
        repository: String,
    },
}

impl Address {
    /// Reads an address; no secret can be part of one.
    ///
    /// # Errors
    /// Usage, with what is accepted.
    pub fn parse(text: &str) -> Result<Address> {
        // Somebody may have put a password before the host: the text is not repeated.
        if text.contains('@') {
            return Err(Error::usage(
                "a store's address holds no '@': keys and tokens come from the environment",
            )
            .help("cargo xtask --help   lists the variables"));
        }
        let fail = |why: &str| {
            Error::usage(format!("{text:?} names no store: {why}"))
                .help("give dir:PATH, s3://bucket/prefix, oci://host/name or github:owner/repository")
        };
        if let Some(path) = text.strip_prefix("dir:") {
            return if path.is_empty() {
                Err(fail("the folder is missing"))
            } else {
                Ok(Address::Folder(path.into()))
            };
        }
        if let Some(rest) = text.strip_prefix("s3://") {
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
            if !is_word(bucket, "-.") || bucket.starts_with('.') {
                return Err(fail("a bucket is of a-z 0-9 - ."));
            }
            if !prefix.is_empty() && !prefix.split('/').all(is_part) {
                return Err(fail("a prefix is parts of A-Z a-z 0-9 . _ - joined by '/'"));
            }
            return Ok(Address::S3 { bucket: bucket.to_owned(), prefix: prefix.to_owned() });
        }
        if let Some(rest) = text.strip_prefix("oci://") {
            let (host, name) =
                rest.split_once('/').ok_or_else(|| fail("a repository is missing after the host"))?;
            let (bare, port) = host.split_once(':').map_or((host, None), |(bare, port)| (bare, Some(port)));
            if !is_word(bare, "-.") || port.is_some_and(|port| port.parse::<u16>().is_err()) {
                return Err(fail("the host is not a name with or without a port"));
            }
            // As the distribution specification has it.
            if !name.split('/').all(|part| is_part(part) && !part.bytes().any(|c| c.is_ascii_uppercase())) {
                return Err(fail("a repository is parts of a-z 0-9 . _ - joined by '/'"));
            }
            return Ok(Address::Oci { host: host.to_owned(), name: name.to_owned() });
        }
        if let Some(rest) = text.strip_prefix("github:") {
            return match rest.split_once('/') {
                Some((owner, repository)) if is_part(owner) && is_part(repository) => {
                    Ok(Address::GitHub { owner: owner.to_owned(), repository: repository.to_owned() })
                }
                _ => Err(fail("it is not owner/repository")),
            };
        }
        Err(fail("it begins with none of dir: s3:// oci:// github:"))
    }
}

fn is_word(text: &str, also: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || also.contains(c))
}

fn is_part(text: &str) -> bool {
    is_word(text, ".-_") && !text.starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_kinds() {
        let check =
            |text: &str, expected: Address| assert_eq!(Address::parse(text).unwrap(), expected, "{text}");
        check("dir:/srv/lib v8", Address::Folder("/srv/lib v8".into()));
        check("dir:here", Address::Folder("here".into()));
        let s3 = |bucket: &str, prefix: &str| Address::S3 { bucket: bucket.into(), prefix: prefix.into() };
        check("s3://bucket", s3("bucket", ""));
        check("s3://bucket/", s3("bucket", ""));
        check("s3://my.bucket-1/a/b_c/", s3("my.bucket-1", "a/b_c"));
        let oci = |host: &str, name: &str| Address::Oci { host: host.into(), name: name.into() };
        check("oci://localhost:5000/libv8", oci("localhost:5000", "libv8"));
        check("oci://registry.example.org/team/libv8", oci("registry.example.org", "team/libv8"));
        let (owner, repository) = ("me".to_owned(), "lib.v8".to_owned());
        check("github:me/lib.v8", Address::GitHub { owner, repository });
    }

    #[test]
    fn everything_else_is_refused_with_what_would_be_right() {
        let check = |text: &str, expected: &str| {
            let error = Address::parse(text).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{text}");
            assert!(error.to_string().contains(expected), "{text}: {error}");
        };
        check("", "begins with none of");
        check("/srv/libv8", "begins with none of");
        check("http://host/x", "begins with none of");
        check("dir:", "the folder is missing");
        check("s3://", "a bucket is");
        check("s3://b?x=1", "a bucket is");
        check("s3://b/a//b", "a prefix is");
        check("s3://b/../a", "a prefix is");
        check("oci://host", "a repository is missing");
        check("oci://host:http/x", "the host is not");
        check("oci://host/Name", "a repository is parts");
        check("oci://host/", "a repository is parts");
        check("github:me", "owner/repository");
        check("github:me/a/b", "owner/repository");
    }

    #[test]
    fn a_password_in_an_address_is_not_repeated() {
        let error = Address::parse("oci://me:geheim@host/name").unwrap_err().to_string();
        assert!(error.contains("come from the environment") && !error.contains("geheim"), "{error}");
    }
}
