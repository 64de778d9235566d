//! Tells sccache where objects are kept, and keeps what the user's environment says of that away from it.
//!
//! Source: docs/Configuration.md and docs/MultiLevel.md of sccache 0.16.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use super::{Choice, Login, Mode, Store};
use crate::env;

/// How much sccache keeps on disk before it drops what was used longest ago.
const CACHE_SIZE: &str = "10G";

/// Takes all variables away that would send sccache to another cache than the chosen one, or show secrets to compilers.
///
/// All `SCCACHE_*`, because a forgotten one of them (a bucket, a chain, a prefix) changes where objects come from; and
/// AWS's, unless an S3 server is the chosen store (`for_s3`): there they are the credentials, of which no other program has
/// the secret ones.
pub fn clean(command: &mut Command, for_s3: bool) {
    for name in env::names() {
        let is_ours = name == "LIBV8_CACHE" || name.starts_with("LIBV8_DISTRIBUTE");
        let is_away = name.starts_with("SCCACHE_") || is_ours || (name.starts_with("AWS_") && !for_s3);
        if is_away {
            command.env_remove(name);
        }
    }
    if for_s3 {
        command.envs(env::logins().filter(|(name, _)| name.starts_with("AWS_")));
    }
}

/// The variables for a choice, with `local` as the local folder. Some hold passwords: they are for the server alone.
pub fn variables(choice: &Choice, local: &Path) -> Vec<(&'static str, OsString)> {
    let mode = match choice.mode {
        Mode::ReadWrite => "READ_WRITE",
        Mode::ReadOnly => "READ_ONLY",
    };
    let mut all: Vec<(&'static str, OsString)> = vec![
        ("SCCACHE_DIR", choice.folder().unwrap_or(local).into()),
        ("SCCACHE_CACHE_SIZE", CACHE_SIZE.into()),
        ("SCCACHE_LOCAL_RW_MODE", mode.into()),
    ];
    let mut set = |name: &'static str, value: &str| {
        if !value.is_empty() {
            all.push((name, value.into()));
        }
    };
    match &choice.store {
        Store::Local | Store::Folder(_) => {}
        Store::Redis { endpoint, database, prefix, login } => {
            set("SCCACHE_MULTILEVEL_CHAIN", "disk,redis");
            set("SCCACHE_REDIS_ENDPOINT", endpoint);
            set("SCCACHE_REDIS_DB", &database.to_string());
            set("SCCACHE_REDIS_KEY_PREFIX", prefix);
            set("SCCACHE_REDIS_RW_MODE", mode);
            if let Some(Login { user, password }) = login {
                set("SCCACHE_REDIS_USERNAME", user);
                set("SCCACHE_REDIS_PASSWORD", password);
            }
        }
        Store::S3 { bucket, prefix, endpoint, region, is_anonymous } => {
            set("SCCACHE_MULTILEVEL_CHAIN", "disk,s3");
            set("SCCACHE_BUCKET", bucket);
            set("SCCACHE_S3_KEY_PREFIX", prefix);
            set("SCCACHE_ENDPOINT", endpoint.as_deref().unwrap_or_default());
            set("SCCACHE_REGION", region.as_deref().unwrap_or_default());
            set("SCCACHE_S3_RW_MODE", mode);
            if *is_anonymous {
                set("SCCACHE_S3_NO_CREDENTIALS", "true");
            }
        }
        Store::WebDav { endpoint, path, login } => {
            set("SCCACHE_MULTILEVEL_CHAIN", "disk,webdav");
            set("SCCACHE_WEBDAV_ENDPOINT", endpoint);
            set("SCCACHE_WEBDAV_KEY_PREFIX", path);
            set("SCCACHE_WEBDAV_RW_MODE", mode);
            if let Some(Login { user, password }) = login {
                set("SCCACHE_WEBDAV_USERNAME", user);
                set("SCCACHE_WEBDAV_PASSWORD", password);
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caches::address;

    #[test]
    fn stores_in_sccaches_words() {
        let check = |address: &str, mode: Mode, expected: &[&str]| {
            let choice = Choice { store: address::parse(address).unwrap(), mode };
            let all = variables(&choice, Path::new("/local"));
            let lines: Vec<String> =
                all.iter().map(|(name, value)| format!("{name}={}", value.to_string_lossy())).collect();
            // The size is the same everywhere.
            let lines: Vec<&str> = lines
                .iter()
                .map(String::as_str)
                .filter(|line| !line.starts_with("SCCACHE_CACHE_SIZE="))
                .collect();
            assert_eq!(lines, expected, "{address}");
        };
        check(
            "redis://me:pass@host/2?prefix=v8",
            Mode::ReadOnly,
            &[
                "SCCACHE_DIR=/local",
                "SCCACHE_LOCAL_RW_MODE=READ_ONLY",
                "SCCACHE_MULTILEVEL_CHAIN=disk,redis",
                "SCCACHE_REDIS_ENDPOINT=redis://host:6379",
                "SCCACHE_REDIS_DB=2",
                "SCCACHE_REDIS_KEY_PREFIX=v8",
                "SCCACHE_REDIS_RW_MODE=READ_ONLY",
                "SCCACHE_REDIS_USERNAME=me",
                "SCCACHE_REDIS_PASSWORD=pass",
            ],
        );
        check(
            "s3://b/p?endpoint=http://h:1&region=r&anonymous=yes",
            Mode::ReadWrite,
            &[
                "SCCACHE_DIR=/local",
                "SCCACHE_LOCAL_RW_MODE=READ_WRITE",
                "SCCACHE_MULTILEVEL_CHAIN=disk,s3",
                "SCCACHE_BUCKET=b",
                "SCCACHE_S3_KEY_PREFIX=p",
                "SCCACHE_ENDPOINT=http://h:1",
                "SCCACHE_REGION=r",
                "SCCACHE_S3_RW_MODE=READ_WRITE",
                "SCCACHE_S3_NO_CREDENTIALS=true",
            ],
        );
        check(
            "webdav://me:pass@h/a",
            Mode::ReadWrite,
            &[
                "SCCACHE_DIR=/local",
                "SCCACHE_LOCAL_RW_MODE=READ_WRITE",
                "SCCACHE_MULTILEVEL_CHAIN=disk,webdav",
                "SCCACHE_WEBDAV_ENDPOINT=http://h",
                "SCCACHE_WEBDAV_KEY_PREFIX=/a",
                "SCCACHE_WEBDAV_RW_MODE=READ_WRITE",
                "SCCACHE_WEBDAV_USERNAME=me",
                "SCCACHE_WEBDAV_PASSWORD=pass",
            ],
        );
    }
}
