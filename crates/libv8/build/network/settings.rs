//! How the network is reached, decided from the environment and cargo's configuration without touching it.

use std::path::PathBuf;

use super::cargo_config::CargoConfig;
use crate::env::Network;

/// The decision.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Why no socket may be opened, if so.
    pub offline: Option<&'static str>,
    /// For every host and scheme.
    proxy: Option<String>,
    /// For `https://`.
    https_proxy: Option<String>,
    /// For `http://`.
    http_proxy: Option<String>,
    /// Not for these hosts.
    no_proxy: Vec<String>,
    /// The only certificates to trust, and who says so; else those of the system.
    pub certificates: Option<(PathBuf, &'static str)>,
}

impl Settings {
    /// The environment counts before the files, and what is ours before what is cargo's.
    ///
    /// # Errors
    /// A switch that is neither on nor off.
    pub fn new(network: &Network, config: &CargoConfig) -> Result<Settings, String> {
        let ours = network.offline.as_deref().map(|text| switch("LIBV8_OFFLINE", text)).transpose()?;
        let cargos =
            network.cargo_offline.as_deref().map(|text| switch("CARGO_NET_OFFLINE", text)).transpose()?;
        let offline = match (ours, cargos, config.offline) {
            (Some(true), ..) => Some("LIBV8_OFFLINE is set"),
            (None, Some(true), _) => Some("CARGO_NET_OFFLINE is set"),
            (None, None, Some(true)) => Some("net.offline is set in cargo's configuration"),
            _ => None,
        };
        let certificates = [
            (&network.cargo_cainfo, "CARGO_HTTP_CAINFO"),
            (&config.cainfo, "http.cainfo of cargo's configuration"),
            (&network.cert_file, "SSL_CERT_FILE"),
        ];
        let certificates =
            certificates.into_iter().find_map(|(path, who)| path.clone().map(|path| (path, who)));
        let no_proxy = network.no_proxy.as_deref().unwrap_or_default();
        Ok(Settings {
            offline,
            proxy: network.cargo_proxy.clone().or_else(|| config.proxy.clone()),
            https_proxy: network.https_proxy.clone().or_else(|| network.all_proxy.clone()),
            http_proxy: network.http_proxy.clone().or_else(|| network.all_proxy.clone()),
            no_proxy: no_proxy
                .split([',', ' '])
                .filter(|host| !host.is_empty())
                .map(|host| host.trim_start_matches('*').trim_start_matches('.').to_ascii_lowercase())
                .collect(),
            certificates,
        })
    }

    /// The proxy for a URL's scheme and host (without port), with user and password.
    pub fn proxy(&self, scheme: &str, host: &str) -> Option<&str> {
        let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let is_below = |domain: &String| {
            // `*` became an empty one.
            domain.is_empty()
                || host
                    .strip_suffix(domain.as_str())
                    .is_some_and(|front| front.is_empty() || front.ends_with('.'))
        };
        if self.no_proxy.iter().any(is_below) {
            return None;
        }
        let by_scheme = if scheme == "https" { &self.https_proxy } else { &self.http_proxy };
        self.proxy.as_deref().or(by_scheme.as_deref())
    }
}

/// A URL of a proxy as it may be shown.
pub fn without_password(proxy: &str) -> String {
    match (proxy.split_once("://"), proxy.rsplit_once('@')) {
        (_, None) => proxy.to_owned(),
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        (None, Some((_, host))) => host.to_owned(),
    }
}

fn switch(name: &str, text: &str) -> Result<bool, String> {
    match text {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(format!("{name} is '{text}', neither 1 or true nor 0 or false")),
    }
}
