//! The command line of `roll`.

use clap::{Args, ValueEnum};

use super::source::parse_mirror;
use super::{MirrorKind, SourceKind, What};

/// `roll`
#[derive(Debug, Args)]
pub struct Roll {
    /// The V8 to go to: a version of the `v8` package (149.4.0), or with --source depot-tools a version, tag or commit
    #[arg(long, value_name = "VERSION")]
    pub to: String,
    /// The V8 to start from, likewise [default: the pinned one]
    #[arg(long, value_name = "VERSION", conflicts_with = "apply")]
    pub from: Option<String>,
    /// Where V8's tree comes from [default: v8.source of targets.toml]
    #[arg(long, value_enum)]
    pub source: Option<SourceKind>,
    /// With --source depot-tools: what is asked in place of upstream's servers, as for build-v8
    #[arg(long = "mirror", value_name = "KIND=URL", value_parser = parse_mirror)]
    pub mirrors: Vec<(MirrorKind, String)>,
    /// The targets to configure; patches are tried for all [default: this machine's]
    #[arg(long = "target", value_name = "TRIPLE")]
    pub targets: Vec<String>,
    /// The variant to configure
    #[arg(long, value_name = "NAME", default_value = "release")]
    pub variant: String,
    /// How to print what was found
    #[arg(long, value_enum, default_value_t = RollFormat::Text)]
    pub format: RollFormat,
    /// End with status 1 if a build would stop somewhere
    #[arg(long)]
    pub check: bool,
    /// Move the pins in targets.toml, and write the new line numbers of patches that only moved
    #[arg(long, conflicts_with = "check")]
    pub apply: bool,
}

/// For whom a report is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RollFormat {
    /// For people
    Text,
    /// For programs
    Json,
    /// For a pull request
    Markdown,
}

impl Roll {
    /// What is asked about the V8 of this version, or about the pinned one; `is_depot` says what a version is of.
    pub fn what(&self, version: Option<&String>, is_depot: bool) -> What {
        let mut what = What { source: self.source, ..What::of(self.targets.clone(), &self.variant) };
        what.upstream.mirrors.clone_from(&self.mirrors);
        if is_depot {
            what.upstream.revision = version.cloned();
        } else {
            what.crate_version = version.cloned();
        }
        what
    }
}
