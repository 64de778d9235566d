//! What a server of sccache says it has done.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// Counts of one server, or of several that served one build after another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Answered from a cache.
    pub hits: u64,
    /// Compiled; the next two say why, the rest was in no cache.
    pub misses: u64,
    /// Compiled because the cache did not answer in time.
    pub timeouts: u64,
    /// Compiled because what the cache had could not be read.
    pub read_errors: u64,
    /// Failed inside sccache.
    pub errors: u64,
    /// Compiled, but not kept in the local folder.
    pub write_errors: u64,
    /// Compiled without looking into a cache, by sccache's reason.
    pub not_cacheable: BTreeMap<String, u64>,
    /// Of the hits, those of the shared store.
    pub store_hits: u64,
    /// Kept in the shared store.
    pub store_writes: u64,
    /// Not kept in the shared store.
    pub store_write_errors: u64,
    /// Results kept in the local folder that the shared store has not been given yet.
    #[serde(skip)]
    pub store_pending: u64,
}

impl Counts {
    /// From `--show-stats --stats-format=json` of 0.16.
    ///
    /// Counts are kept by language: `{"stats": {"cache_hits": {"counts": {"C/C++": 3}}, …}}`.
    pub fn parse(text: &str) -> Option<Counts> {
        let value: serde_json::Value = serde_json::from_str(text).ok()?;
        let stats = value.get("stats")?;
        let sum = |name: &str| -> Option<u64> {
            let counts = stats.get(name)?.get("counts")?.as_object()?;
            Some(counts.values().filter_map(serde_json::Value::as_u64).fold(0, u64::saturating_add))
        };
        let number = |value: &serde_json::Value, name: &str| {
            value.get(name).and_then(serde_json::Value::as_u64).unwrap_or(0)
        };
        let mut counts = Counts {
            hits: sum("cache_hits")?,
            misses: sum("cache_misses")?,
            timeouts: number(stats, "cache_timeouts"),
            read_errors: number(stats, "cache_read_errors"),
            errors: sum("cache_errors").unwrap_or(0),
            write_errors: number(stats, "cache_write_errors"),
            ..Counts::default()
        };
        for (reason, count) in
            stats.get("not_cached").and_then(serde_json::Value::as_object).into_iter().flatten()
        {
            counts.not_cacheable.insert(reason.clone(), count.as_u64().unwrap_or(0));
        }
        // The local folder comes first, the shared store behind it.
        if let Some([local, store]) =
            stats.get("multi_level").and_then(serde_json::Value::as_array).map(Vec::as_slice)
        {
            counts.store_hits = number(store, "hits");
            counts.store_writes = number(store, "writes");
            counts.store_write_errors = number(store, "write_failures");
            let given = counts.store_writes.saturating_add(counts.store_write_errors);
            counts.store_pending = number(local, "writes").saturating_sub(given);
        }
        Some(counts)
    }
}

impl AddAssign<&Counts> for Counts {
    fn add_assign(&mut self, other: &Counts) {
        // What another program says is no reason to overflow.
        let add = |sum: &mut u64, more: u64| *sum = sum.saturating_add(more);
        add(&mut self.hits, other.hits);
        add(&mut self.misses, other.misses);
        add(&mut self.timeouts, other.timeouts);
        add(&mut self.read_errors, other.read_errors);
        add(&mut self.errors, other.errors);
        add(&mut self.write_errors, other.write_errors);
        add(&mut self.store_hits, other.store_hits);
        add(&mut self.store_writes, other.store_writes);
        add(&mut self.store_write_errors, other.store_write_errors);
        self.store_pending = other.store_pending;
        for (reason, count) in &other.not_cacheable {
            add(self.not_cacheable.entry(reason.clone()).or_default(), *count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_from_the_servers_json() {
        let text = r#"{"stats":{"cache_hits":{"counts":{"C/C++":3,"Assembler":1},"adv_counts":{}},
            "cache_misses":{"counts":{"C/C++":5},"adv_counts":{}},"cache_write_errors":2,"cache_timeouts":1,
            "cache_read_errors":2,"cache_errors":{"counts":{"C/C++":1}},"not_cached":{"-E":4},
            "multi_level":[{"hits":1,"writes":5,"write_failures":0},{"hits":3,"writes":2,"write_failures":1}]}}"#;
        let expected = Counts {
            hits: 4,
            misses: 5,
            timeouts: 1,
            read_errors: 2,
            errors: 1,
            write_errors: 2,
            not_cacheable: [("-E".to_owned(), 4)].into(),
            store_hits: 3,
            store_writes: 2,
            store_write_errors: 1,
            store_pending: 2,
        };
        assert_eq!(Counts::parse(text), Some(expected.clone()));
        let mut twice = expected.clone();
        twice += &expected;
        assert_eq!((twice.hits, twice.not_cacheable["-E"]), (8, 8));
        assert_eq!(Counts::parse("{}"), None);
        let huge = text.replacen("\"C/C++\":3", "\"C/C++\":18446744073709551615", 1);
        let huge = huge.replace("\"writes\":2", "\"writes\":18446744073709551615");
        let mut counts = Counts::parse(&huge).unwrap();
        counts += &counts.clone();
        assert_eq!((counts.hits, counts.store_writes), (u64::MAX, u64::MAX));
        assert_eq!(Counts::parse("no json"), None);
    }
}
