//! sccache: one server of our own for each build, on a private socket, stopped when the build ends.

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use v8_archive::Sha256;

use crate::error::{Error, IoContext as _, Result};
use crate::{pch, process};

/// How much sccache keeps on disk before it drops what was used longest ago.
const CACHE_SIZE: &str = "10G";

/// The server dies by itself this long after the last compile, should we die without stopping it.
const IDLE_TIMEOUT_S: &str = "60";

/// What the server did, by its own count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Answered from the cache.
    pub hits: u64,
    /// Compiled.
    pub misses: u64,
    /// Compiled, but not kept.
    pub write_errors: u64,
}

/// A running server.
pub struct Server {
    program: PathBuf,
    environment: Vec<(&'static str, std::ffi::OsString)>,
}

impl Server {
    /// Starts a server that keeps objects in `cache`, for a build in `out`.
    pub fn start(program: &Path, cache: &Path, out: &Path, precompile: bool) -> Result<Server> {
        std::fs::create_dir_all(cache).or_io("create", cache)?;
        // A folder below the tree: GN's paths are relative to the build folder, and what is absolute begins with the tree.
        let tree = out.ancestors().nth(2).unwrap_or(out);
        let name =
            Sha256::of_bytes(format!("{} {}", out.display(), std::process::id()).as_bytes()).to_string();
        let mut environment: Vec<(&'static str, std::ffi::OsString)> = vec![
            ("SCCACHE_DIR", cache.into()),
            ("SCCACHE_CACHE_SIZE", CACHE_SIZE.into()),
            ("SCCACHE_BASEDIRS", tree.into()),
            // Manifests of headers and base folders do not go together in 0.16: a hit would be missed.
            ("SCCACHE_DIRECT", "false".into()),
            ("SCCACHE_IDLE_TIMEOUT", IDLE_TIMEOUT_S.into()),
            // A server that dies costs time, never the build: clang is then run without it.
            ("SCCACHE_IGNORE_SERVER_IO_ERROR", "1".into()),
            // An abstract socket: no file to be left behind, and no limit on the length of its folder's path.
            ("SCCACHE_SERVER_UDS", format!("\\x00libv8-{}", &name[..16]).into()),
        ];
        if precompile {
            let own = std::env::current_exe()
                .map_err(|error| Error::failed(format!("cannot find this program: {error}")))?;
            // A copy: cargo may replace the program while ninja runs.
            let shim = out.join(pch::shim::FOLDER).join("shim");
            let partial = shim.with_extension("partial");
            std::fs::copy(&own, &partial).or_io("copy to", &partial)?;
            std::fs::rename(&partial, &shim).or_io("create", &shim)?;
            environment.push(("LIBV8_PCH", shim.into()));
        }
        let server = Server { program: program.to_owned(), environment };
        // The server makes itself a daemon; as its foster parent we learn what it cost, and nothing is left behind.
        process::adopt_orphans();
        process::read(server.command().arg("--start-server"))?;
        Ok(server)
    }

    /// For ninja, and so for every client it starts.
    pub fn environment(&self) -> impl Iterator<Item = (&'static str, &std::ffi::OsStr)> {
        self.environment.iter().map(|(name, value)| (*name, value.as_os_str()))
    }

    /// What the server has done so far; nothing is counted if it does not answer.
    pub fn counts(&self) -> Counts {
        process::read(self.command().args(["--show-stats", "--stats-format=json"]))
            .ok()
            .and_then(|text| parse(&text))
            .unwrap_or_default()
    }

    fn command(&self) -> Command {
        let mut command = process::command(&self.program);
        command.envs(self.environment());
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It ends by itself when it does not hear this.
        let _ = process::read(self.command().arg("--stop-server"));
        process::reap_adopted();
    }
}

/// Counts are kept by language: `{"stats": {"cache_hits": {"counts": {"C/C++": 3}}, …}}`.
fn parse(text: &str) -> Option<Counts> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    let stats = value.get("stats")?;
    let sum = |name: &str| -> Option<u64> {
        Some(
            stats.get(name)?.get("counts")?.as_object()?.values().filter_map(serde_json::Value::as_u64).sum(),
        )
    };
    let write_errors = stats.get("cache_write_errors").and_then(serde_json::Value::as_u64);
    Some(Counts {
        hits: sum("cache_hits")?,
        misses: sum("cache_misses")?,
        write_errors: write_errors.unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_from_the_servers_json() {
        let text = r#"{"stats":{"cache_hits":{"counts":{"C/C++":3,"Assembler":1},"adv_counts":{}},
            "cache_misses":{"counts":{"C/C++":5},"adv_counts":{}},"cache_write_errors":2}}"#;
        assert_eq!(parse(text), Some(Counts { hits: 4, misses: 5, write_errors: 2 }));
        assert_eq!(parse("{}"), None);
        assert_eq!(parse("no json"), None);
    }
}
