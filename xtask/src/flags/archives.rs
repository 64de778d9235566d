//! Flags of the commands that are about a finished archive.

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
