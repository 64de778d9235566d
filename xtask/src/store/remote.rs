//! What the stores behind a network share: secrets, limits, where plain http may be used, and what failed.

use std::error::Error as StdError;
use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::signals;

/// A key, a token, a password: it is shown to its server and nowhere else.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Without the line end of the file it may come from.
    pub fn new(text: &str) -> Secret {
        Secret(text.trim_end_matches(['\r', '\n']).to_owned())
    }

    /// For the client that sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A text of a server or a library as one short line of an error, without the secrets that it may repeat.
pub fn presentable(text: &str, secrets: &[Secret]) -> String {
    let mut text = text.to_owned();
    // A secret of a few letters stands in words too; it is none worth hiding.
    for secret in secrets.iter().filter(|secret| secret.0.len() > 3) {
        text = text.replace(&secret.0, "…");
    }
    // Escape sequences are for terminals, and a page of HTML is for nobody.
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_SAID_CHARS) {
        Some((end, _)) => format!("{} …", &line[..end]),
        None => line,
    }
}

/// Of what a server says when it refuses.
const MAX_SAID_CHARS: usize = 400;

/// An error with all that stands behind it: clients say "error sending request" and keep the reason for themselves.
pub fn whole(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        source = error.source();
    }
    text
}

/// What bounds every operation on a store.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How long a connection may take.
    pub connect: Duration,
    /// How long a request may take beside the time for its bytes.
    pub request: Duration,
    /// The least throughput; slower is as good as nothing.
    pub least_bytes_per_s: u64,
    /// How often a request is sent at most.
    pub attempts: u32,
    /// The first wait between two attempts; each is twice the one before.
    pub wait: Duration,
    /// The longest wait that a server may ask for.
    pub longest_wait: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connect: Duration::from_secs(10),
            request: Duration::from_secs(60),
            least_bytes_per_s: 32 * 1024,
            attempts: 4,
            wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(120),
        }
    }
}

impl Limits {
    /// For a request that carries so many bytes, in either direction.
    pub fn time_for(&self, size_bytes: u64) -> Duration {
        self.request + Duration::from_secs(size_bytes / self.least_bytes_per_s)
    }

    /// Before the attempt with this number, counted from one.
    pub fn wait_before(&self, attempt: u32) -> Duration {
        (self.wait * 2u32.saturating_pow(attempt.saturating_sub(2))).min(self.longest_wait)
    }
}

/// Waits, unless the user wants us to stop.
pub fn wait(time: Duration) -> Result<()> {
    let started = Instant::now();
    while started.elapsed() < time {
        stop_if_wanted()?;
        std::thread::sleep((time - started.elapsed().min(time)).min(POLL));
    }
    Ok(())
}

/// How often long work asks whether to stop.
pub const POLL: Duration = Duration::from_millis(200);

/// What is in a store stays, and the same command goes on from there.
pub fn stop_if_wanted() -> Result<()> {
    if signals::stop_wanted() {
        return Err(Error::stopped("interrupted; what is in the store stays there and is not visible yet")
            .help("the same command goes on"));
    }
    Ok(())
}

/// Whether a host, with or without a port, is this machine: plain http cannot be overheard there.
pub fn is_loopback(host: &str) -> bool {
    let bare = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split_once(':').map_or(host, |(bare, _)| bare),
    };
    bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Refuses to send anything to `url` in the clear, unless it is this machine; `how` says what allows it, if anything.
pub fn check_scheme(url: &str, allow_http: bool, how: Option<&str>) -> Result<()> {
    let host = |rest: &str| rest.split(['/', '?']).next().unwrap_or_default().to_owned();
    if url.strip_prefix("https://").is_some_and(|rest| !host(rest).is_empty()) {
        return Ok(());
    }
    match url.strip_prefix("http://").map(host) {
        Some(host) if allow_http || is_loopback(&host) => Ok(()),
        Some(host) => {
            let error = Error::usage(format!(
                "http://{host} would be sent keys and releases in the clear; only loopback may be plain http"
            ));
            Err(match how {
                Some(how) => error.help(how),
                None => error,
            })
        }
        None => Err(Error::usage(format!("{url:?} is no address that begins with https:// or http://"))),
    }
}

/// Chooses the cryptography of TLS for all clients of the tool.
pub fn prepare_tls() {
    // An error says that it has been chosen before, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Runs what an asynchronous client does, on this thread, within a time and until the user wants us to stop.
#[cfg(any(feature = "store-s3", feature = "store-oci"))]
#[derive(Debug)]
pub struct Runner(tokio::runtime::Runtime);

#[cfg(any(feature = "store-s3", feature = "store-oci"))]
impl Runner {
    /// With a thread of nobody's: everything happens in [`Runner::run`].
    pub fn new() -> Result<Runner> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map(Runner).map_err(|error| Error::failed(format!("cannot start a network client: {error}")))
    }

    /// Waits for an answer, also when the user wants us to stop: for cleaning up. `None` if the time is over.
    #[cfg(feature = "store-s3")]
    pub fn run_anyway<T>(&self, time: Duration, work: impl Future<Output = T>) -> Option<T> {
        self.0.block_on(async { tokio::time::timeout(time, work).await.ok() })
    }

    /// Waits for an answer; `None` if the time is over.
    pub fn run<T>(&self, time: Duration, work: impl Future<Output = T>) -> Result<Option<T>> {
        self.0.block_on(async {
            let started = tokio::time::Instant::now();
            let mut work = std::pin::pin!(work);
            loop {
                stop_if_wanted()?;
                if let Ok(done) = tokio::time::timeout(POLL, work.as_mut()).await {
                    return Ok(Some(done));
                }
                if started.elapsed() >= time {
                    return Ok(None);
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        for host in ["localhost", "localhost:5000", "127.0.0.1", "127.9.9.9:1", "[::1]", "[::1]:80", "::1"] {
            let expected = host != "::1";
            assert_eq!(is_loopback(host), expected, "{host}: an address with colons stands in brackets");
        }
        for host in
            ["localhost.example.org", "127.0.0.1.example.org", "10.0.0.1", "", "[::2]:80", "example.org"]
        {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn plain_http_leaves_this_machine_only_when_it_is_asked_to() {
        let check = |url: &str, allow: bool, expected: Option<&str>| {
            let got = check_scheme(url, allow, Some("set X")).map_err(|error| error.to_string());
            match expected {
                None => got.unwrap(),
                Some(part) => assert!(got.clone().unwrap_err().contains(part), "{url}: {got:?}"),
            }
        };
        check("https://example.org", false, None);
        check("http://127.0.0.1:9000/x", false, None);
        check("http://example.org/x", true, None);
        check("http://example.org/x", false, Some("http://example.org would be sent keys"));
        check("http://127.0.0.1@example.org/x", false, Some("in the clear"));
        check("http://example.org", false, Some("help: set X"));
        check("ftp://example.org", true, Some("is no address"));
        check("https://", true, Some("is no address"));
    }

    #[test]
    fn what_a_server_says_is_one_line_without_secrets() {
        let secrets = [Secret::new("geheim-1\n"), Secret::new("a")];
        let check = |text: &str, expected: &str| assert_eq!(presentable(text, &secrets), expected);
        check("no\nkey \u{1b}[31mgeheim-1\u{1b}[0m here", "no key [31m… [0m here");
        check("a banana", "a banana");
        assert_eq!(presentable(&"ä".repeat(1000), &[]).chars().count(), MAX_SAID_CHARS + 2);
        assert_eq!(format!("{:?}", secrets[0]), "Secret(…)");
    }

    #[test]
    fn waits_grow_and_have_an_end() {
        let limits = Limits::default();
        let waits: Vec<u128> = (2..6).map(|attempt| limits.wait_before(attempt).as_millis()).collect();
        assert_eq!(waits, [500, 1000, 2000, 4000]);
        assert_eq!(limits.wait_before(99), limits.longest_wait);
        assert_eq!(limits.time_for(0), limits.request);
        assert_eq!(limits.time_for(32 << 20), limits.request + Duration::from_secs(1024));
    }
}
