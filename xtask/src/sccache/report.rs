//! How the caches served a build: for its last lines, and for `build.json`.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Counts;

/// Below this share of hits a build says why, if a cache was there.
const LOW_PERCENT: u64 = 50;

/// Fewer compiles than this say nothing about a cache.
const FEW_COMPILES: u64 = 100;

/// Part of `build.json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// Where objects were kept, without passwords.
    pub store: String,
    /// Whether nothing was to be kept.
    pub is_read_only: bool,
    /// Why the shared store was not used, or not to the end.
    pub lost_store: Option<String>,
    /// Whether the server died and compiles went on without it; what it cost is then not known.
    pub lost_server: bool,
    /// Size of the local folder before the build; nothing if it is not known.
    pub local_bytes_before: u64,
    /// What was done.
    pub counts: Counts,
    /// Steps that failed inside sccache and were run once more.
    pub repeated_steps: u32,
    /// Why few compiles were answered, as far as that is known.
    pub low_because: Option<String>,
}

impl Report {
    /// What is worth saying beyond the rate, each a part of a sentence.
    pub fn remarks(&self) -> Vec<String> {
        let counts = &self.counts;
        let mut all = Vec::new();
        let mut say = |count: u64, what: &str| {
            if count > 0 {
                all.push(format!("{count} {what}"));
            }
        };
        say(counts.store_hits, &format!("hits from {}", self.store));
        say(counts.timeouts, "lookups timed out");
        say(counts.read_errors, "cached objects could not be read");
        // What must not be written counts as an error there.
        say(if self.is_read_only { 0 } else { counts.write_errors }, "results could not be kept");
        say(counts.store_write_errors, &format!("results could not be sent to {}", self.store));
        say(counts.not_cacheable.values().sum(), "compiles could not be cached");
        say(u64::from(self.repeated_steps), "steps failed inside sccache and were run again");
        if let Some(why) = &self.lost_store {
            all.push(format!("the shared cache was not used to the end: {why}"));
        }
        if self.lost_server {
            all.push("the cache's server died, and compiles went on without it".to_owned());
        }
        all
    }

    /// Why so few compiles were answered from a cache that was there, as far as that is known.
    pub fn why_low(&self, fills: &[Fill], now: &Fill) -> Option<String> {
        let counts = &self.counts;
        let asked = counts.hits + counts.misses;
        // Behind the local folder there may be a store, whose size nobody tells us.
        let is_there = self.local_bytes_before > 0 || counts.store_hits > 0;
        if asked < FEW_COMPILES || counts.hits * 100 >= LOW_PERCENT * asked || !is_there {
            return None;
        }
        if (counts.timeouts + counts.read_errors) * 2 > counts.misses {
            return Some("most lookups timed out or gave objects that cannot be read".to_owned());
        }
        if let Some(why) = &self.lost_store {
            return Some(format!("the shared cache was not used to the end ({why})"));
        }
        let with_compiler: Vec<&Fill> = fills.iter().filter(|fill| fill.compiler == now.compiler).collect();
        let same = with_compiler.iter().find(|fill| fill.target == now.target && fill.variant == now.variant);
        Some(match same {
            _ if fills.is_empty() => "it is not known what filled the local folder".to_owned(),
            _ if with_compiler.is_empty() => "the local folder was filled with another compiler".to_owned(),
            None => {
                let mut names: Vec<String> =
                    with_compiler.iter().map(|fill| format!("{} {}", fill.target, fill.variant)).collect();
                names.sort();
                names.dedup();
                format!("the local folder was filled for other builds ({})", names.join(", "))
            }
            Some(fill) if fill.build_id != now.build_id => {
                "sources or arguments have changed since the local folder was filled".to_owned()
            }
            Some(_) => {
                "unknown: the same build has filled the local folder; it was perhaps interrupted, or objects \
                        were dropped to keep the folder in its limit"
                    .to_owned()
            }
        })
    }
}

/// A build that has put objects into the local folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fill {
    /// SHA-256 of the compiler, as sccache's keys hold it.
    pub compiler: String,
    /// Target triple.
    pub target: String,
    /// Variant.
    pub variant: String,
    /// Everything that can change an object, and more.
    pub build_id: String,
}

impl Fill {
    /// The file beside a cache folder with the builds that filled it; inside it, sccache would take it for an object.
    fn file(local: &Path) -> PathBuf {
        local.with_extension("json")
    }

    /// The builds that have filled a folder; none if that is not known.
    pub fn read(local: &Path) -> Vec<Fill> {
        let text = fs::read(Fill::file(local)).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Adds this build. Nothing depends on it but a remark, so it cannot fail.
    pub fn write(&self, local: &Path) {
        const KEPT: usize = 50;
        let mut all = Fill::read(local);
        all.retain(|fill| fill != self);
        all.push(self.clone());
        all.drain(..all.len().saturating_sub(KEPT));
        let file = Fill::file(local);
        let partial = file.with_extension(format!("{}.partial", std::process::id()));
        let text = serde_json::to_vec_pretty(&all).expect("strings only");
        if fs::write(&partial, text).is_ok() {
            let _ = fs::rename(&partial, &file);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(words: &str) -> Fill {
        let words: Vec<&str> = words.split(' ').collect();
        let [compiler, target, variant, build_id] = words[..] else { panic!("four words") };
        let [compiler, target, variant, build_id] = [compiler, target, variant, build_id].map(str::to_owned);
        Fill { compiler, target, variant, build_id }
    }

    #[test]
    fn a_low_rate_is_explained_as_far_as_it_is_known() {
        let check = |hits: u64, local_bytes_before: u64, fills: &[&str], expected: Option<&str>| {
            let counts = Counts { hits, misses: 200 - hits, ..Counts::default() };
            let report = Report { counts, local_bytes_before, ..Report::default() };
            let fills: Vec<Fill> = fills.iter().map(|words| fill(words)).collect();
            let why = report.why_low(&fills, &fill("c t v 1"));
            assert_eq!(why.as_deref(), expected);
        };
        check(100, 9, &[], None);
        check(0, 0, &[], None);
        check(99, 9, &[], Some("it is not known what filled the local folder"));
        check(99, 9, &["d t v 1"], Some("the local folder was filled with another compiler"));
        check(
            0,
            9,
            &["c t w 1", "c s v 1", "d t v 1", "c t w 2"],
            Some("the local folder was filled for other builds (s v, t w)"),
        );
        check(
            0,
            9,
            &["c t v 2"],
            Some("sources or arguments have changed since the local folder was filled"),
        );
        let unknown = "unknown: the same build has filled the local folder; it was perhaps interrupted, or objects \
                       were dropped to keep the folder in its limit";
        check(0, 9, &["c t v 1"], Some(unknown));
    }

    #[test]
    fn faults_come_before_guesses_and_few_compiles_say_nothing() {
        let why = |counts: Counts, lost_store: Option<String>| {
            let report = Report { counts, lost_store, local_bytes_before: 9, ..Report::default() };
            report.why_low(&[], &fill("c t v 1"))
        };
        let counts = Counts { misses: 150, read_errors: 60, timeouts: 40, ..Counts::default() };
        assert_eq!(why(counts, None).unwrap(), "most lookups timed out or gave objects that cannot be read");
        let counts = Counts { misses: 150, ..Counts::default() };
        assert_eq!(
            why(counts, Some("refused".into())).unwrap(),
            "the shared cache was not used to the end (refused)"
        );
        assert_eq!(why(Counts { misses: 99, ..Counts::default() }, None), None);
    }

    #[test]
    fn fills_are_kept_beside_the_folder_once_each_and_not_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let local = folder.path().join("sccache");
        assert_eq!(Fill::read(&local), []);
        for i in 0..60 {
            fill(&format!("c t v {}", i % 55)).write(&local);
        }
        let all = Fill::read(&local);
        assert_eq!((all.len(), all[49].build_id.as_str(), local.exists()), (50, "4", false));
        fs::write(folder.path().join("sccache.json"), "half a fi").unwrap();
        assert_eq!(Fill::read(&local), []);
    }

    #[test]
    fn remarks() {
        let counts = Counts { store_hits: 3, write_errors: 2, store_write_errors: 1, ..Counts::default() };
        let mut report =
            Report { store: "redis://h:1/0".into(), counts, repeated_steps: 1, ..Report::default() };
        assert_eq!(
            report.remarks(),
            [
                "3 hits from redis://h:1/0",
                "2 results could not be kept",
                "1 results could not be sent to redis://h:1/0",
                "1 steps failed inside sccache and were run again"
            ]
        );
        report.is_read_only = true;
        assert_eq!(report.remarks().len(), 3);
    }
}
