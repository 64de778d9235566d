//! Flags of `fuzz`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::fuzz::Target;

/// `fuzz`
#[derive(Debug, Args)]
pub struct Fuzz {
    /// The readers [default: all, one after the other]
    #[arg(value_enum, value_name = "TARGET")]
    pub targets: Vec<Target>,
    /// For how long, each: 3s, 10m
    #[arg(long, value_name = "TIME", value_parser = super::parse_duration, default_value = "3s")]
    pub time: Duration,
    /// Another number is another row of inputs [default: made of the commit]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Try this input alone
    #[arg(long, value_name = "FILE")]
    pub input: Option<PathBuf>,
    /// The child that tries them, and its folder
    #[arg(long, value_name = "DIR", hide = true)]
    pub child: Option<PathBuf>,
}
