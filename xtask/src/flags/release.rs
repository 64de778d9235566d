//! Flags of the commands that are about releases: `publish` and `lock`.

use std::path::PathBuf;

use clap::Args;

/// `publish`
#[derive(Debug, Args)]
pub struct Publish {
    /// The store: dir:PATH, s3://bucket/prefix, oci://host/name or github:owner/repository
    #[arg(long, value_name = "STORE", required_unless_present = "new_key")]
    pub to: Option<String>,
    /// Name of the release, as in 15.2.124.1-1 [default: the next revision; one that was begun goes on]
    #[arg(long, value_name = "NAME")]
    pub release: Option<String>,
    /// Folder of archives [default: artifacts]
    #[arg(long, value_name = "DIR")]
    pub from: Option<PathBuf>,
    /// Rust target triple, all-linux or all; may be given several times [default: every target that is built]
    #[arg(long = "target", value_name = "TRIPLE")]
    pub targets: Vec<String>,
    /// A variant of targets.toml; may be given several times [default: all]
    #[arg(long = "variant", value_name = "NAME")]
    pub variants: Vec<String>,
    /// Publish without this archive, and say why; may be given several times
    #[arg(long, value_name = "TARGET:VARIANT=REASON")]
    pub absent: Vec<String>,
    /// For how many days the index is good: afterwards lock refuses it
    #[arg(long, value_name = "DAYS", value_parser = parse_days, default_value = "180d")]
    pub expires_in: u64,
    /// A further key that may have signed the store's newest release, beside our own: a public key of minisign, or a file
    /// of such keys; may be given several times
    #[arg(long = "key", value_name = "KEY|FILE")]
    pub keys: Vec<String>,
    /// Verify, decide, show what would be put, and put nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Make a key that signs releases: its secret half in FILE, its public one in FILE.pub; nothing is published
    #[arg(long, value_name = "FILE", conflicts_with_all = ["to", "release", "from", "targets", "variants", "absent", "keys", "dry_run"])]
    pub new_key: Option<PathBuf>,
}

/// `lock`
#[derive(Debug, Args)]
pub struct Lock {
    /// The store, as for publish [default: the folder that the lock file fetches from, if it is one]
    #[arg(long, value_name = "STORE")]
    pub from: Option<String>,
    /// Whom to believe: a public key of minisign, or a file of such keys; may be given several times [default:
    /// crates/libv8/release-keys.pub]
    #[arg(long = "key", value_name = "KEY|FILE")]
    pub keys: Vec<String>,
    /// Where consumers fetch: a URL with {release} and {name} in it [default: the store's own]
    #[arg(long, value_name = "URL")]
    pub origin: Option<String>,
    /// The file to write
    #[arg(long, value_name = "FILE", default_value = "crates/libv8/prebuilt.toml")]
    pub file: PathBuf,
    /// Write nothing; fail if the file is not what would be written
    #[arg(long)]
    pub check: bool,
}

/// `180d`, at most ten years; in seconds.
fn parse_days(text: &str) -> Result<u64, String> {
    let days = text
        .strip_suffix('d')
        .filter(|days| !days.starts_with('+'))
        .and_then(|days| days.parse::<u64>().ok());
    match days {
        Some(days) if (1..=3650).contains(&days) => Ok(days * 24 * 60 * 60),
        _ => Err(format!("{text:?} is no number of days from 1d to 3650d")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days() {
        let check = |text: &str, expected: Option<u64>| assert_eq!(parse_days(text).ok(), expected, "{text}");
        check("1d", Some(86_400));
        check("180d", Some(15_552_000));
        check("3650d", Some(315_360_000));
        for text in ["", "d", "0d", "3651d", "180", "-1d", "+1d", "1h"] {
            check(text, None);
        }
    }
}
