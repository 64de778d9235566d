//! The command lines of `cache` and `ci`, which have subcommands of their own.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Print, parse_duration, parse_size};

/// `cache`
#[derive(Debug, Args)]
#[command(disable_help_subcommand = true)]
pub struct Cache {
    /// What to do with it
    #[command(subcommand)]
    pub command: CacheCommand,
}

/// What `cache` does.
#[derive(Debug, Subcommand)]
pub enum CacheCommand {
    /// Write the objects that one target and variant have used to a file
    Export {
        /// The file; one that is there is replaced
        file: PathBuf,
        /// Whose objects
        #[command(flatten)]
        cell: Cell,
        /// Leave out what was used longest ago, so that the file is no larger: 500M, 2G
        #[arg(long, value_name = "SIZE", value_parser = parse_size)]
        max_size: Option<u64>,
    },
    /// Add the objects of files; all are verified before the first appears, and what is there stays
    Import {
        /// Files that export has written
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Say what is in a file, or in this machine's cache
    Info {
        /// A file that export has written
        file: Option<PathBuf>,
    },
}

/// One target in one variant.
#[derive(Debug, Clone, Args)]
pub struct Cell {
    /// Rust target triple [default: this machine's]
    #[arg(long, value_name = "TRIPLE")]
    pub target: Option<String>,
    /// A variant of targets.toml
    #[arg(long, value_name = "NAME", default_value = "release")]
    pub variant: String,
}

/// `ci`
#[derive(Debug, Args)]
#[command(disable_help_subcommand = true)]
pub struct Ci {
    /// What to do
    #[command(subcommand)]
    pub command: CiCommand,
}

/// What `ci` does.
#[derive(Debug, Subcommand)]
pub enum CiCommand {
    /// Print targets × variants: those that can be built
    Matrix {
        /// How to print them; json is the matrix of a GitHub Actions job
        #[arg(long, value_enum, default_value_t = Print::Json)]
        format: Print,
        /// Also those that are planned only
        #[arg(long)]
        all: bool,
    },
    /// Write .github/workflows from targets.toml and ci/actions.toml
    Workflow {
        /// Write nothing; fail if a file is not what would be written
        #[arg(long)]
        check: bool,
    },
    /// Look at .github/workflows with actionlint and zizmor, both pinned in ci/linters.toml
    Lint,
    /// Fail with exit status 75 unless a folder has the archive of every target and variant that can be built
    Complete {
        /// The folder
        folder: PathBuf,
    },
    /// Play the chain of jobs here: an empty machine for each slice, and one cache file that goes from one to the next
    Simulate(Simulate),
}

/// `ci simulate`
#[derive(Debug, Args)]
pub struct Simulate {
    /// What is built
    #[command(flatten)]
    pub cell: Cell,
    /// How long each machine lives: the --deadline of its build
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub slice: std::time::Duration,
    /// Processes to run at once [default: the number of processors]
    #[arg(long, short, value_name = "N")]
    pub jobs: Option<std::num::NonZeroU32>,
    /// Give every machine this one's downloads, instead of fetching for each slice as a real runner does
    #[arg(long)]
    pub keep_downloads: bool,
    /// Where the machines, the cache file and the archive lie: a new folder, or that of an earlier chain, whose work is then removed
    /// [default: simulate in the cache folder]
    #[arg(long, value_name = "DIR")]
    pub folder: Option<PathBuf>,
}
