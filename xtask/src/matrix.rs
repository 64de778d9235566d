//! Reads `targets.toml`: every decision about targets, variants, sources and tools that is made by hand.

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr as _;

use serde::Deserialize;

use crate::error::{Error, IoContext as _, Kind, Result};
use crate::flags::SourceKind;
use crate::source::{CratePin, Pins, V8Version};
use crate::toolchain::pins::Tools;

/// The whole file; its head documents every key.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Matrix {
    pub v8: V8,
    pub sources: Sources,
    pub variants: BTreeMap<String, Variant>,
    pub targets: BTreeMap<String, Target>,
    pub tools: Tools,
}

/// `[v8]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct V8 {
    pub version: String,
    pub source: SourceKind,
}

/// `[sources]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sources {
    #[serde(rename = "crate")]
    pub registry: RegistrySource,
    #[serde(rename = "depot-tools")]
    pub depot: DepotSource,
    pub node: NodeSource,
}

/// `[sources.node]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeSource {
    pub version: String,
    pub url: String,
    pub sha256: Option<String>,
}

/// `[sources.depot-tools]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DepotSource {
    pub url: String,
    pub revision: String,
    #[serde(default)]
    pub commit: Option<String>,
    pub gcs: String,
    pub cipd_service: String,
    #[serde(default)]
    pub cipd: BTreeMap<String, String>,
}

/// `[sources.crate]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistrySource {
    pub package: String,
    pub version: String,
    pub sha256: String,
    pub icu_data: CratePin,
    #[serde(default)]
    pub others: Vec<OtherVersion>,
}

/// `[[sources.crate.others]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OtherVersion {
    pub v8: String,
    pub version: String,
    pub sha256: String,
    pub icu_data: CratePin,
}

/// `[variants.NAME]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    pub summary: String,
    pub layers: Vec<String>,
    pub features: Vec<String>,
}

/// `[targets.TRIPLE]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    pub state: State,
    #[serde(default)]
    pub reason: Option<String>,
    pub layers: Vec<String>,
    pub libc: Libc,
    pub system_libraries: Vec<String>,
    pub frameworks: Vec<String>,
    pub library: String,
    pub clang_target: String,
    pub sysroot: String,
    pub host: String,
    pub runner: String,
}

/// A target that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// Its triple.
    pub target: String,
    /// Whether it was named itself, and is not only one of `all`.
    pub by_name: bool,
}

/// A name for several targets, and which of them it means.
type Group = (&'static str, fn(&str) -> bool);

/// What `--target` takes beside triples.
const GROUPS: [Group; 2] =
    [("all", |_| true), ("all-linux", |triple| triple.split('-').any(|word| word == "linux"))];

/// How far a target has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Built and linked, and JavaScript ran.
    Run,
    /// It is built; linking and running it is not sure to work, for the row's reason.
    Built,
    /// The plan is whole; building is refused with the row's reason.
    Planned,
}

/// The C library a target's archive needs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Libc {
    pub family: String,
    pub floor: String,
}

impl Target {
    /// Whether build-v8 begins it: such targets are those of CI, and of a release if nobody says otherwise.
    pub fn is_built(&self) -> bool {
        self.state != State::Planned
    }
}

impl Matrix {
    /// Reads and checks `targets.toml` of the repository.
    pub fn load(repository: &Path) -> Result<Matrix> {
        let path = repository.join("targets.toml");
        let text = std::fs::read_to_string(&path).or_io("read", &path)?;
        Matrix::parse(&text).map_err(|error| error.help(format!("see the head of {}", path.display())))
    }

    /// Parses and checks; all faults that are not of syntax are reported together.
    pub fn parse(text: &str) -> Result<Matrix> {
        let matrix: Matrix = toml::from_str(text)
            .map_err(|error| Error::usage(format!("targets.toml: {}", error.to_string().trim_end())))?;
        let mut faults = Vec::new();
        for (triple, target) in &matrix.targets {
            match (target.state, &target.reason) {
                (State::Planned | State::Built, None) => {
                    faults.push(format!("{triple} does not run, and says no reason"))
                }
                (State::Run, Some(_)) => {
                    faults.push(format!("{triple} runs, and still has a reason why not"))
                }
                _ => {}
            }
        }
        if matrix.v8.version.split('.').filter(|part| part.parse::<u32>().is_ok()).count() != 4 {
            faults.push(format!("v8.version is {:?}, not four numbers", matrix.v8.version));
        }
        if faults.is_empty() { Ok(matrix) } else { Err(Error::all(Kind::Usage, "targets.toml", &faults)) }
    }

    /// The pins of the source `crate`.
    pub fn source_pins(&self) -> Result<Pins> {
        let RegistrySource { package, version, sha256, icu_data, .. } = self.sources.registry.clone();
        let v8_version = V8Version::from_str(&self.v8.version).map_err(|error| {
            Error::usage(format!("targets.toml: v8.version {:?}: {error}", self.v8.version))
        })?;
        Ok(Pins { v8: CratePin { package, version, sha256 }, icu_data, v8_version })
    }

    /// The pins of the other versions of that package which are built here.
    pub fn other_pins(&self) -> Result<Vec<Pins>> {
        let pins = |other: &OtherVersion| {
            let OtherVersion { v8, version, sha256, icu_data } = other.clone();
            let v8_version = V8Version::from_str(&v8).map_err(|error| {
                Error::usage(format!("targets.toml: sources.crate.others: v8 {v8:?}: {error}"))
            })?;
            let package = self.sources.registry.package.clone();
            Ok(Pins { v8: CratePin { package, version, sha256 }, icu_data, v8_version })
        };
        self.sources.registry.others.iter().map(pins).collect()
    }

    /// What the words behind `--target` mean: each target once, where it was named first; groups in the order of triples.
    pub fn choose(&self, words: &[String]) -> Result<Vec<Chosen>> {
        let mut chosen: Vec<Chosen> = Vec::new();
        let mut add =
            |target: &String, by_name: bool| match chosen.iter_mut().find(|there| there.target == *target) {
                Some(there) => there.by_name |= by_name,
                None => chosen.push(Chosen { target: target.clone(), by_name }),
            };
        for word in words {
            if let Some((_, is_of_group)) = GROUPS.iter().find(|(name, _)| name == word) {
                self.targets
                    .keys()
                    .filter(|triple| is_of_group(triple))
                    .for_each(|triple| add(triple, false));
            } else {
                self.target(word)?;
                add(word, true);
            }
        }
        Ok(chosen)
    }

    /// The row of a triple; an unknown one names those there are.
    pub fn target(&self, triple: &str) -> Result<&Target> {
        let known = || GROUPS.iter().map(|(name, _)| *name).chain(self.targets.keys().map(String::as_str));
        self.targets.get(triple).ok_or_else(|| unknown("target", triple, known()))
    }

    /// The row of a variant; an unknown one names those there are.
    pub fn variant(&self, name: &str) -> Result<&Variant> {
        self.variants
            .get(name)
            .ok_or_else(|| unknown("variant", name, self.variants.keys().map(String::as_str)))
    }
}

fn unknown<'a>(what: &str, given: &str, known: impl Iterator<Item = &'a str>) -> Error {
    let known: Vec<&str> = known.collect();
    Error::usage(format!("unknown {what} {given:?}; there are: {}", known.join(", ")))
        .help("cargo xtask targets   lists all of them, with what each can do today")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths;

    fn text() -> String {
        std::fs::read_to_string(paths::repository().join("targets.toml")).unwrap()
    }

    #[test]
    fn the_matrix_is_the_missions() {
        let matrix = Matrix::parse(&text()).unwrap();
        // Windows by two ABIs.
        assert_eq!(matrix.targets.len(), 10);
        for family in ["glibc", "musl", "msvc", "ucrt", "libSystem"] {
            let of_family: Vec<_> =
                matrix.targets.iter().filter(|(_, target)| target.libc.family == family).collect();
            assert_eq!(of_family.len(), 2, "{family}");
            for cpu in ["x86_64", "aarch64"] {
                assert!(of_family.iter().any(|(triple, _)| triple.starts_with(cpu)), "{family} {cpu}");
            }
        }
        assert!(matrix.variants.contains_key("release") && matrix.variants.contains_key("lite"));
    }

    #[test]
    fn a_group_is_its_targets_and_each_target_is_chosen_once() {
        let matrix = Matrix::parse(&text()).unwrap();
        let choose = |words: &[&str]| {
            matrix.choose(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()).unwrap()
        };
        let of_family = |families: &[&str]| -> Vec<Chosen> {
            let rows = matrix.targets.iter().filter(|(_, row)| families.contains(&row.libc.family.as_str()));
            rows.map(|(target, _)| Chosen { target: target.clone(), by_name: false }).collect()
        };
        let all = of_family(&["glibc", "musl", "msvc", "ucrt", "libSystem"]);
        assert_eq!(all.len(), 10);
        assert_eq!(choose(&["all"]), all);
        assert_eq!(choose(&["all-linux"]), of_family(&["glibc", "musl"]));
        assert_eq!(choose(&["all-linux", "all"]).len(), 10);
        assert_eq!(choose(&[]), []);
        let (first, last) = (all[0].target.as_str(), all[9].target.as_str());
        let named = |target: &str| Chosen { target: target.to_owned(), by_name: true };
        assert_eq!(choose(&[last, first, last]), [named(last), named(first)]);
        for words in [["all", last], [last, "all"]] {
            let chosen = choose(&words);
            assert_eq!(chosen.len(), 10);
            assert!(chosen.iter().all(|chosen| chosen.by_name == (chosen.target == last)), "{words:?}");
        }
        let error = matrix.choose(&["all".to_owned(), "all-pdp11".to_owned()]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(
            error.to_string().contains("unknown target \"all-pdp11\"; there are: all, all-linux, "),
            "{error}"
        );
    }

    #[test]
    fn faults_are_refused() {
        let check = |from: &str, to: &str, expected: &str| {
            let changed = text().replacen(from, to, 1);
            assert_ne!(changed, text(), "{from} is not in targets.toml");
            let error = Matrix::parse(&changed).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(expected), "{error}");
        };
        check("\n[v8]\n", "\n[v8]\ncolour = 1\n", "unknown field `colour`");
        check("source = \"crate\"\n", "", "missing field `source`");
        check(
            "source = \"crate\"\n",
            "source = \"git\"\n",
            "unknown variant `git`, expected one of `crate`, `node`, `depot-tools`",
        );
        check("\n[v8]\n", "\n[v8]\nversion = \"1.2.3.4\"\n", "duplicate key");
        check("version = \"15.2.124.1\"", "version = \"15.2\"", "not four numbers");
        check("state = \"run\"", "state = \"planned\"", "does not run, and says no reason");
        check("state = \"run\"", "state = \"works\"", "unknown variant `works`");
    }
}
