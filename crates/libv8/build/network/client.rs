//! One request of HTTP, with its redirects: proxies, certificates, credentials, limits of time.

use std::fs;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use ureq::http::{HeaderMap, StatusCode, Uri};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Proxy, Timeout};

use super::answers::judge_proxy;
use super::settings::{Settings, without_password};
use crate::sources::shown;

/// More redirects are a loop, or as bad as one.
const MAX_REDIRECTS: usize = 5;

/// How long things may take. Tests have less patience.
#[derive(Debug, Clone)]
pub struct Patience {
    /// To reach a server: name, proxy, TLS.
    pub connect: Duration,
    /// For its answer to begin, and without any byte.
    pub stall: Duration,
    /// For fewer bytes than [`least_bytes`](Self::least_bytes).
    pub window: Duration,
    /// In each window.
    pub least_bytes: u64,
    /// The wait before the second request; it doubles.
    pub back_off: Duration,
    /// The longest wait a server may ask for.
    pub longest_wait: Duration,
    /// Requests in a row that bring nothing.
    pub requests: u32,
}

impl Default for Patience {
    /// A slow line of 1990 suffices: 20 MB take an hour and a half at the least throughput.
    fn default() -> Self {
        Patience {
            connect: Duration::from_secs(20),
            stall: Duration::from_secs(30),
            window: Duration::from_secs(30),
            least_bytes: 120 << 10,
            back_off: Duration::from_millis(500),
            longest_wait: Duration::from_secs(30),
            requests: 4,
        }
    }
}

/// Settings made ready, once for all requests.
pub struct Client<'a> {
    settings: &'a Settings,
    patience: &'a Patience,
    roots: RootCerts,
}

/// An answer whose body was not read yet.
pub struct Answer {
    /// Of the last server, after redirects.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// The bytes.
    pub body: Box<dyn Read>,
    /// Where it came from, if not from where it was asked.
    pub redirected_to: Option<String>,
}

/// Why there is no answer.
#[derive(Debug)]
pub struct Silence {
    /// The reason.
    pub why: String,
    /// What may be done.
    pub kind: SilenceKind,
}

/// What may be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SilenceKind {
    /// Nobody was reached: this machine may have no network.
    Unreachable,
    /// It may be better the next time.
    Passing,
    /// It will be the same.
    Lasting,
}

/// What to ask for.
pub struct Request<'a> {
    /// Without user and password.
    pub url: &'a str,
    /// `user:password`.
    pub credentials: Option<&'a str>,
    /// The first byte wanted, if not the first of all.
    pub from: Option<u64>,
    /// Only if the file still is what had this mark; the whole file otherwise.
    pub if_range: Option<&'a str>,
}

impl<'a> Client<'a> {
    /// Reads the certificates.
    ///
    /// # Errors
    /// Names their file and who named it.
    pub fn new(settings: &'a Settings, patience: &'a Patience) -> Result<Self, String> {
        // Once for the process; afterwards it says that there is one, which is what we want.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let Some((path, who)) = &settings.certificates else {
            return Ok(Client { settings, patience, roots: RootCerts::PlatformVerifier });
        };
        let fail = |why: String| format!("{who} is {}: {why}", path.display());
        let pem = fs::read(path).map_err(|error| fail(error.to_string()))?;
        let mut certificates = Vec::new();
        for item in parse_pem(&pem) {
            if let PemItem::Certificate(certificate) = item.map_err(|error| fail(error.to_string()))? {
                certificates.push(certificate);
            }
        }
        if certificates.is_empty() {
            return Err(fail("there is no certificate in it".to_owned()));
        }
        Ok(Client { settings, patience, roots: RootCerts::Specific(Arc::new(certificates)) })
    }

    /// Asks, and follows redirects.
    ///
    /// # Errors
    /// [`Silence`]; an answer that refuses is an answer.
    pub fn get(&self, request: &Request<'_>) -> Result<Answer, Silence> {
        let lasting = |why: String| Silence { why, kind: SilenceKind::Lasting };
        let mut url: Uri = request
            .url
            .parse()
            .map_err(|error| lasting(format!("'{}' is no URL: {error}", shown(request.url))))?;
        let first = url.clone();
        let mut followed = 0;
        loop {
            let is_first_host = (url.scheme(), url.authority()) == (first.scheme(), first.authority());
            let credentials = request.credentials.filter(|_| is_first_host);
            let response = self.ask(&url, credentials, request)?;
            let (parts, body) = response.into_parts();
            if !matches!(parts.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
                let redirected_to = (followed > 0).then(|| url.to_string());
                let body = Box::new(body.into_reader());
                return Ok(Answer { status: parts.status, headers: parts.headers, body, redirected_to });
            }
            followed += 1;
            let location = parts.headers.get("location").and_then(|value| value.to_str().ok());
            let location = location.ok_or_else(|| {
                lasting(format!("HTTP {}: a redirect without a place to go to", parts.status.as_u16()))
            })?;
            let next = resolve(&url, location).ok_or_else(|| {
                let location = shown(&without_password(location));
                lasting(format!("redirected to '{}', which is no URL", location.escape_debug()))
            })?;
            if url.scheme_str() == Some("https") && next.scheme_str() != Some("https") {
                return Err(lasting(format!(
                    "redirected from https to {}, where anyone on the way could read and change it",
                    shown(&next.to_string())
                )));
            }
            if followed > MAX_REDIRECTS {
                return Err(lasting(format!(
                    "redirected more than {MAX_REDIRECTS} times, the last time to {}",
                    shown(&next.to_string())
                )));
            }
            url = next;
        }
    }

    fn ask(
        &self,
        url: &Uri,
        credentials: Option<&str>,
        request: &Request<'_>,
    ) -> Result<ureq::http::Response<ureq::Body>, Silence> {
        let scheme = url.scheme_str().unwrap_or_default();
        let proxy = self.settings.proxy(scheme, url.host().unwrap_or_default());
        let through =
            proxy.map(|proxy| format!(" through the proxy {}", without_password(proxy))).unwrap_or_default();
        let proxy = proxy.map(Proxy::new).transpose().map_err(|_| Silence {
            why: format!("the proxy is not [scheme://][user:password@]host[:port]:{through}"),
            kind: SilenceKind::Lasting,
        })?;
        let patience = self.patience;
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(proxy)
            .tls_config(TlsConfig::builder().root_certs(self.roots.clone()).build())
            .user_agent(concat!("libv8/", env!("CARGO_PKG_VERSION")))
            // What is hashed is what lies on the server.
            .accept_encoding("identity")
            .timeout_resolve(Some(patience.connect))
            .timeout_connect(Some(patience.connect))
            .timeout_recv_response(Some(patience.stall))
            .timeout_per_read(Some(patience.stall))
            .timeout_per_write(Some(patience.stall))
            .build();
        let mut builder = Agent::new_with_config(config).get(url.clone());
        if let Some(credentials) = credentials {
            builder = builder.header("Authorization", format!("Basic {}", base64(credentials.as_bytes())));
        }
        if let Some(from) = request.from {
            builder = builder.header("Range", format!("bytes={from}-"));
            if let Some(mark) = request.if_range {
                builder = builder.header("If-Range", mark);
            }
        }
        builder.call().map_err(|error| silence(&error, &through))
    }
}

/// `location` as seen from `base`.
fn resolve(base: &Uri, location: &str) -> Option<Uri> {
    let location = location.split('#').next()?;
    let absolute = if location.starts_with("http://") || location.starts_with("https://") {
        location.to_owned()
    } else if location.starts_with("//") {
        format!("{}:{location}", base.scheme_str()?)
    } else if location.starts_with('/') {
        format!("{}://{}{location}", base.scheme_str()?, base.authority()?)
    } else if location.is_empty() || location.split('/').next()?.contains(':') {
        return None;
    } else {
        let folder = base.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{}://{}{folder}/{location}", base.scheme_str()?, base.authority()?)
    };
    // A password in a redirect is the server's to give, but not ours to print.
    absolute
        .parse::<Uri>()
        .ok()
        .filter(|uri| uri.authority().is_some_and(|authority| !authority.as_str().contains('@')))
}

/// What an error of the client means.
fn silence(error: &ureq::Error, through: &str) -> Silence {
    use std::io::ErrorKind;
    let text = error.to_string();
    let text = text.strip_prefix("io: ").unwrap_or(&text);
    if text.contains("certificate") || text.contains("UnknownIssuer") {
        return Silence {
            why: format!(
                "its certificate is not trusted{through}: {text}\n\
                 help: if that server is yours, or a proxy that looks into TLS, name its authority: CARGO_HTTP_CAINFO=FILE"
            ),
            kind: SilenceKind::Lasting,
        };
    }
    // The client gives the proxy's status in its text only.
    if let ureq::Error::ConnectProxyFailed(said) = error
        && let Some(status) = said.strip_prefix("proxy server responded ").and_then(|rest| rest.get(..3))
        && let Ok(status) = status.parse()
    {
        let (sentence, may_pass) = judge_proxy(status);
        let kind = if may_pass { SilenceKind::Passing } else { SilenceKind::Lasting };
        return Silence { why: format!("no connection{through}: {sentence}"), kind };
    }
    let kind = match error {
        ureq::Error::HostNotFound
        | ureq::Error::ConnectionFailed
        | ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => SilenceKind::Unreachable,
        ureq::Error::Io(error) => match error.kind() {
            ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::UnexpectedEof
            | ErrorKind::BrokenPipe
            | ErrorKind::TimedOut
            | ErrorKind::WouldBlock => SilenceKind::Passing,
            ErrorKind::InvalidData | ErrorKind::InvalidInput => SilenceKind::Lasting,
            // Refused, no route, no such name.
            _ => SilenceKind::Unreachable,
        },
        ureq::Error::Timeout(_) => SilenceKind::Passing,
        _ => SilenceKind::Lasting,
    };
    let why = match error {
        ureq::Error::ConnectProxyFailed(why) => format!("no connection{through}: {why}"),
        ureq::Error::HostNotFound => format!("no connection{through}: its name is not known here"),
        ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
            format!("no connection{through}: no answer in time")
        }
        ureq::Error::Timeout(_) => format!("no answer in time{through}"),
        _ if kind == SilenceKind::Unreachable => format!("no connection{through}: {text}"),
        _ => format!("no answer{through}: {text}"),
    };
    Silence { why, kind }
}

/// As HTTP's Basic authentication wants it (RFC 4648, 4).
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, n| bits << 8 | u32::from(group.get(n).copied().unwrap_or(0)));
        for n in 0..4 {
            let digit = ALPHABET[(bits >> (18 - 6 * n)) as usize & 63];
            text.push(if n <= group.len() { char::from(digit) } else { '=' });
        }
    }
    text
}
