//! The whole command line: one struct for each subcommand, and nothing about how any of them works.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::distribute::Address;
use crate::env;

mod archives;
mod ci;
mod fuzz;
mod release;
mod roll;
mod source;

pub use archives::{Language, LinkLine, Rebuild, Smoke, Targets, Verify};
pub use ci::{Cache, CacheCommand, Cell, Ci, CiCommand, Simulate};
pub use fuzz::Fuzz;
pub use release::{Lock, Publish};
pub use roll::{Roll, RollFormat};
pub use source::{MirrorKind, Source, SourceKind, Upstream};

/// Builds V8 as a static library, packages it, verifies it, and runs JavaScript with it.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, disable_help_subcommand = true)]
#[command(after_help = after_help())]
pub struct Flags {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands; each has a struct here and a file of its name.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Fetch, patch, configure, compile, package, verify and run V8
    BuildV8(BuildV8),
    /// Show what build-v8 would do: the same value as its --dry-run
    Plan(Plan),
    /// Say what is there, what is missing, and what would be fetched
    Doctor(Doctor),
    /// Fetch and unpack the toolchain alone
    Toolchain(Toolchain),
    /// Fetch and patch V8's tree alone
    Source(Source),
    /// Say what another V8 would break, without compiling it; move to it
    Roll(Roll),
    /// Pack an archive from a finished build
    Package(Package),
    /// Re-open an archive and list all its faults
    Verify(Verify),
    /// Print what a compiler is told in order to use an archive
    LinkLine(LinkLine),
    /// Link programs with an archive and run JavaScript with them
    Smoke(Smoke),
    /// Put a complete, signed release of archives into a store
    Publish(Publish),
    /// Pin a store's newest release in crates/libv8/prebuilt.toml
    Lock(Lock),
    /// Test everything: lints, the tool, and a real V8, built and run
    Test(Test),
    /// List targets and variants, with what each can do today
    Targets(Targets),
    /// Give spoiled input to every reader of what others wrote
    Fuzz(Fuzz),
    /// Show a build as a page: what ran when, what was cached, what was slow
    Report(Report),
    /// Measure builds on this machine, and compare their objects
    Bench(Bench),
    /// Remove what the tool keeps in the cache folder
    Clean(Clean),
    /// Print a completion script for a shell
    Completions(Completions),
    /// Carry compiled objects from one machine to another, as one file
    Cache(Cache),
    /// Write and check what CI runs, and play its chain of jobs here
    Ci(Ci),
}

/// What to build: shared by every command that makes a plan.
#[derive(Debug, Clone, Args)]
pub struct What {
    /// Rust target triple, all-linux or all; may be given several times [default: this machine's]
    #[arg(long = "target", value_name = "TRIPLE")]
    pub targets: Vec<String>,
    /// A variant of targets.toml
    #[arg(long, value_name = "NAME", default_value = "release")]
    pub variant: String,
    /// Where V8's tree comes from [default: v8.source of targets.toml]
    #[arg(long, value_enum)]
    pub source: Option<SourceKind>,
    /// With --source crate: this version of the `v8` package instead of the pinned one: 149.4.0 is of V8 14.9
    #[arg(long, value_name = "VERSION")]
    pub crate_version: Option<String>,
    /// What of that source
    #[command(flatten)]
    pub upstream: Upstream,
    /// Folder of archives
    #[arg(long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Format of the archive
    #[arg(long, value_enum, default_value_t = Format::TarZst)]
    pub archive_format: Format,
    /// A clang of your own: a folder with bin/clang++, bin/ld.lld and bin/llvm-ar [env: LIBV8_CLANG]
    #[arg(long, value_name = "DIR")]
    pub clang: Option<PathBuf>,
}

impl What {
    /// The feature of this tool that fetching its tree needs, if it was compiled without.
    pub fn lacks(&self) -> Option<&'static str> {
        self.upstream.lacks(self.source)
    }

    /// These targets in this variant, and the defaults of everything else.
    pub fn of(targets: Vec<String>, variant: &str) -> What {
        What {
            targets,
            variant: variant.to_owned(),
            source: None,
            crate_version: None,
            upstream: Upstream::default(),
            output: None,
            archive_format: Format::TarZst,
            clang: None,
        }
    }
}

/// Formats of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// The default
    #[value(name = "tar.zst")]
    TarZst,
    /// For systems without zstd
    #[value(name = "tar.gz")]
    TarGz,
    /// Smallest, by an eighth; takes minutes to pack, and libv8 reads it with the feature xz
    #[value(name = "tar.xz")]
    TarXz,
    /// For Windows' own tools
    #[value(name = "zip")]
    Zip,
}

/// `build-v8`
#[derive(Debug, Args)]
pub struct BuildV8 {
    /// What to build
    #[command(flatten)]
    pub what: What,
    /// Processes to run at once [default: the number of processors]
    #[arg(long, short, value_name = "N")]
    pub jobs: Option<std::num::NonZeroU32>,
    /// Stop cleanly after this time, with exit status 75; the same command goes on: 5h30m, 90m, 45s
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub deadline: Option<std::time::Duration>,
    /// Compile each file as it stands, without precompiled headers
    #[arg(long)]
    pub no_pch: bool,
    /// Have an sccache-dist cluster compile what is in no cache: sccache-dist=URL of its scheduler
    #[arg(long, value_name = "CLUSTER")]
    pub distribute: Option<Address>,
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `plan`
#[derive(Debug, Args)]
pub struct Plan {
    /// What to plan
    #[command(flatten)]
    pub what: What,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Print::Text)]
    pub format: Print,
    /// Say which layer set each GN argument, and why
    #[arg(long)]
    pub explain: bool,
}

/// For people or for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Print {
    /// For people
    Text,
    /// For programs
    Json,
}

/// `doctor`
#[derive(Debug, Args)]
pub struct Doctor {
    /// What would be built
    #[command(flatten)]
    pub what: What,
}

/// `toolchain`
#[derive(Debug, Args)]
pub struct Toolchain {
    /// What would be built
    #[command(flatten)]
    pub what: What,
}

/// `package`
#[derive(Debug, Args)]
pub struct Package {
    /// What was built
    #[command(flatten)]
    pub what: What,
}

/// `test`
#[derive(Debug, Args)]
pub struct Test {
    /// The variant to build and run
    #[arg(long, value_name = "NAME", default_value = "lite")]
    pub variant: String,
    /// Stop building V8 after this time; the same command goes on
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "68m")]
    pub deadline: std::time::Duration,
    /// Count a build of V8 that the deadline stopped as no failure
    #[arg(long)]
    pub deadline_is_no_failure: bool,
    /// Test without building V8
    #[arg(long)]
    pub no_v8: bool,
    /// Build V8 once more, in another folder and under other conditions: it must give the same archive
    #[arg(long, conflicts_with = "no_v8")]
    pub rebuild: bool,
}

/// Which build: shared by the commands that look at one.
#[derive(Debug, Clone, Args)]
pub struct Which {
    /// Rust target triple [default: this machine's]
    #[arg(long, value_name = "TRIPLE")]
    pub target: Option<String>,
    /// A variant of targets.toml
    #[arg(long, value_name = "NAME", default_value = "release")]
    pub variant: String,
    /// A clang of your own, as for build-v8 [env: LIBV8_CLANG]
    #[arg(long, value_name = "DIR")]
    pub clang: Option<PathBuf>,
}

impl Which {
    /// The same for who makes a plan.
    pub fn what(&self) -> What {
        let targets = self.target.clone().into_iter().collect();
        What { clang: self.clang.clone(), ..What::of(targets, &self.variant) }
    }
}

/// `report`
#[derive(Debug, Args)]
pub struct Report {
    /// The build
    #[command(flatten)]
    pub which: Which,
    /// The page [default: report.html in the build folder]
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `bench`
#[derive(Debug, Args)]
pub struct Bench {
    /// The build
    #[command(flatten)]
    pub which: Which,
    /// Measure this alone; may be given several times [default: all]
    #[arg(long, value_enum)]
    pub only: Vec<Measure>,
    /// Take what the last plain build said of itself, or go on with it if it was stopped; not if this machine has been
    /// started since
    #[arg(long)]
    pub keep_plain: bool,
    /// Processes to run at once [default: the number of processors]
    #[arg(long, short, value_name = "N")]
    pub jobs: Option<std::num::NonZeroU32>,
    /// Compare every object of a plain build with that of one with cache and headers, byte for byte, and measure nothing else
    #[arg(long, conflicts_with = "only")]
    pub objects_identical: bool,
    /// Compare the objects of these two finished folders of ninja's, and build nothing
    #[arg(long, num_args = 2, value_names = ["PLAIN", "OURS"], requires = "objects_identical", conflicts_with = "sample")]
    pub compare: Vec<PathBuf>,
    /// Put what differs on the lists of xtask/src/pch/compared.toml, make it again by them, and compare until all is equal
    #[arg(long, requires = "objects_identical", conflicts_with_all = ["compare", "sample"])]
    pub learn: bool,
    /// Compile N files both ways instead of everything, and compare them; with --objects-identical, compile them plainly
    /// and compare them with those of the finished build
    #[arg(long, value_name = "N", conflicts_with = "only")]
    pub sample: Option<std::num::NonZeroUsize>,
    /// Another text is another choice of files
    #[arg(long, value_name = "TEXT", requires_all = ["sample", "objects_identical"])]
    pub seed: Option<String>,
    /// Have a cluster compile the sample, as for build-v8
    #[arg(long, value_name = "CLUSTER", requires = "sample", conflicts_with = "objects_identical")]
    pub distribute: Option<Address>,
    /// The finished folder that a sample is taken from [default: the build folder of this target and variant]
    #[arg(long, value_name = "DIR", requires = "sample")]
    pub from: Option<PathBuf>,
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Measure {
    /// From nothing: plain ninja against ours
    Cold,
    /// In a fresh folder, with all objects in the cache
    Warm,
    /// Once more, when there is nothing to do
    Noop,
    /// Killed at half of its steps, and run again
    Resume,
}

/// `clean`
#[derive(Debug, Args)]
pub struct Clean {
    /// Also what would have to be fetched again: downloads and the toolchain
    #[arg(long)]
    pub downloads: bool,
    /// Also compiled objects: the next build starts from nothing
    #[arg(long)]
    pub objects: bool,
    /// Show what would be removed, and remove nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `completions`
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// What stands below the options of `--help`: exit statuses, and every environment variable.
fn after_help() -> String {
    let mut text = String::from(
        "Exit status: 0 done; 1 the work failed; 2 the input is wrong; 75 stopped before the end, run again.\n\nEnvironment:",
    );
    for (names, meaning) in env::TABLE {
        text.push_str(&format!("\n  {names}\n          {meaning}"));
    }
    text
}

/// Nobody waits longer, and a moment that is much further away cannot be said.
const LONGEST_S: u64 = 365 * 24 * 3600;

/// `5h30m`, `90m`, `45s`; a number alone is refused, because nobody agrees on its unit.
fn parse_duration(text: &str) -> Result<std::time::Duration, String> {
    let no_time = || format!("{text:?} is no time: write 5h30m, 90m or 45s");
    let mut total_s = 0u64;
    let mut number = String::new();
    for c in text.chars() {
        let unit_s = match c {
            '0'..='9' => {
                number.push(c);
                continue;
            }
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ => return Err(no_time()),
        };
        let count: u64 = number.parse().map_err(|_| no_time())?;
        total_s = count.checked_mul(unit_s).and_then(|s| total_s.checked_add(s)).ok_or_else(no_time)?;
        number.clear();
    }
    if !number.is_empty() || total_s == 0 {
        return Err(no_time());
    }
    if total_s > LONGEST_S {
        return Err(format!("{text:?} is longer than a year, which is {}h", LONGEST_S / 3600));
    }
    Ok(std::time::Duration::from_secs(total_s))
}

/// `500M`, `2G`, `64k`, or bytes: powers of 1024.
fn parse_size(text: &str) -> Result<u64, String> {
    let no_size = || format!("{text:?} is no size: write 500M, 2G or a number of bytes");
    let (number, shift) = match text.char_indices().last().ok_or_else(no_size)? {
        (at, 'k') => (&text[..at], 10),
        (at, 'M') => (&text[..at], 20),
        (at, 'G') => (&text[..at], 30),
        _ => (text, 0),
    };
    // `parse` takes a sign, and a size has none.
    let number: u64 = number.parse().ok().filter(|_| !number.starts_with('+')).ok_or_else(no_size)?;
    number.checked_mul(1 << shift).filter(|size| *size > 0).ok_or_else(no_size)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Flags::command().debug_assert();
    }

    #[test]
    fn times() {
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(parse_duration(text).ok().map(|time| time.as_secs()), expected, "{text}");
        };
        check("5h30m", Some(19_800));
        check("90m", Some(5_400));
        check("45s", Some(45));
        check("90", None);
        check("m", None);
        check("0s", None);
        check("1d", None);
        check("-5m", None);
        check("8760h", Some(31_536_000));
        check("8760h1s", None);
        check("3000000000000000h", None);
        check("99999999999999999999h", None);
    }

    #[test]
    fn sizes() {
        let check = |text: &str, expected: Option<u64>| assert_eq!(parse_size(text).ok(), expected, "{text}");
        check("1", Some(1));
        check("64k", Some(65_536));
        check("500M", Some(500 << 20));
        check("2G", Some(2 << 30));
        check("0", None);
        check("+1", None);
        check("", None);
        check("M", None);
        check("1T", None);
        check("99999999999999G", None);
    }
}
