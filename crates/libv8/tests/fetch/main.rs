//! The build script's way to an archive, on servers and proxies of our own on loopback and small archives. Needs no V8.
//!
//! Tests of `fault-cases.md` carry their numbers.

#![cfg(feature = "fetch")]
#![expect(
    clippy::disallowed_methods,
    reason = "tests start programs, themselves among them, and read what those are told"
)]

#[path = "../support/archives.rs"]
mod archives;
#[path = "../support/authority.rs"]
mod authority;
#[path = "../../build/cache.rs"]
mod cache;
#[allow(dead_code, reason = "the build script reads the environment, tests do not")]
#[path = "../../build/env.rs"]
mod env;
#[path = "../../build/fetch.rs"]
mod fetch;
#[path = "../../build/network/mod.rs"]
mod network;
#[path = "../../build/partial.rs"]
mod partial;
#[path = "../../build/pinned.rs"]
mod pinned;
#[path = "../support/proxy.rs"]
mod proxy;
#[path = "../support/server.rs"]
mod server;
#[path = "../../build/sources.rs"]
mod sources;
#[path = "../../build/step.rs"]
mod step;
#[allow(dead_code, reason = "build_script.rs tests the rest")]
#[path = "../../build/unpacked.rs"]
mod unpacked;

mod case;
mod configuration;
mod download;
mod places;
mod proxies;
mod resume;
mod state;
mod tls;
