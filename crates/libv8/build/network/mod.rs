//! Everything that opens a socket; only with the feature `fetch`.

pub mod answers;
pub mod cargo_config;
pub mod client;
pub mod download;
pub mod settings;
