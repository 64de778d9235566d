//! Flags of the commands that are about finished archives.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Print;

/// `verify`
#[derive(Debug, Args)]
pub struct Verify {
    /// The archive
    pub file: PathBuf,
    /// How to print the result
    #[arg(long, value_enum, default_value_t = Print::Text)]
    pub format: Print,
    /// Build it again from its descriptor alone, with no compiled object of before, and name the first thing that differs
    #[arg(long)]
    pub rebuild: bool,
    /// How
    #[command(flatten)]
    pub how: Rebuild,
}

/// `verify --rebuild`
#[derive(Debug, Args)]
pub struct Rebuild {
    /// Take compiled objects from the cache: quick, and it then trusts the cache
    #[arg(long, requires = "rebuild")]
    pub with_cache: bool,
    /// A new folder to build in, which stays [default: one in the cache folder, removed if the archive is the same]
    #[arg(long, value_name = "DIR", requires = "rebuild")]
    pub folder: Option<PathBuf>,
    /// Processes to run at once [default: the number of processors]
    #[arg(long, short, value_name = "N", requires = "rebuild")]
    pub jobs: Option<std::num::NonZeroU32>,
    /// Stop cleanly after this time, with exit status 75; the same command goes on: 5h30m, 90m, 45s
    #[arg(long, value_name = "TIME", value_parser = super::parse_duration, requires = "rebuild")]
    pub deadline: Option<std::time::Duration>,
}

/// `link-line`
#[derive(Debug, Args)]
pub struct LinkLine {
    /// The archive, which is unpacked into the cache folder; or the folder of an unpacked one
    #[arg(value_name = "ARCHIVE|FOLDER")]
    pub path: PathBuf,
    /// c for libv8.h, in C or C++; c++ for V8's own headers, with clang
    #[arg(long, value_enum, default_value_t = Language::C)]
    pub language: Language,
}

/// Whose headers a program includes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// `libv8.h`
    C,
    /// V8's own
    #[value(name = "c++")]
    Cxx,
}

/// `smoke`
#[derive(Debug, Args)]
pub struct Smoke {
    /// The archive
    pub file: PathBuf,
    /// A clang of your own, as for build-v8 [env: LIBV8_CLANG]
    #[arg(long, value_name = "DIR")]
    pub clang: Option<PathBuf>,
}

/// `targets`
#[derive(Debug, Args)]
pub struct Targets {
    /// How to print the list
    #[arg(long, value_enum, default_value_t = Print::Text)]
    pub format: Print,
    /// Write down which archives have been verified and have run, and the README's table
    #[arg(long)]
    pub record: bool,
    /// Fail if the README's table is not what the results make it
    #[arg(long, conflicts_with = "record")]
    pub check: bool,
    /// Where archives lie [default: artifacts]
    #[arg(long, value_name = "DIR", requires = "record")]
    pub output: Option<PathBuf>,
}
