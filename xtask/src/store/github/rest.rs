//! Requests to GitHub's REST interface: who may see the token, how often and how long is waited, what an answer means.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::blocking::{Body, Client, Response};
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, LINK, LOCATION, RETRY_AFTER,
};
use reqwest::{Method, StatusCode, Url};
use serde_json::Value;

use crate::error::{Error, IoContext as _, Result};
use crate::signals;
use crate::store::remote::{self, Limits, Secret};

/// The interface at one address, with or without a token.
#[derive(Debug)]
pub struct Rest {
    client: Client,
    base: Url,
    token: Option<Secret>,
    pub(super) limits: Limits,
}

/// What is asked.
pub struct Request {
    /// Such as `Method::GET`.
    pub method: Method,
    /// A whole URL, or a path below the interface's address.
    pub url: String,
    /// What is sent.
    pub content: Content,
}

/// What a request carries.
pub enum Content {
    /// Nothing.
    None,
    /// A document.
    Json(Value),
    /// The bytes of a file, which has this length.
    File(PathBuf, u64),
    /// Some bytes.
    Bytes(Vec<u8>),
}

/// Why there is no answer that helps.
#[derive(Debug)]
pub enum Failure {
    /// GitHub refuses, and nothing has happened.
    Refused { status: StatusCode, said: String, codes: Vec<String> },
    /// It may have happened or not: the connection broke, or GitHub failed in the middle.
    Unknown(String),
    /// Not to be asked again, as it stands.
    Final(Error),
}

impl Failure {
    /// As the error of an operation on `what`.
    pub fn into_error(self, what: &str) -> Error {
        match self {
            Failure::Refused { status, said, .. } => {
                let error = Error::failed(format!("{what}: GitHub answered {status}: {said}"));
                match status {
                    StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => error.help(
                        "GITHUB_TOKEN or GH_TOKEN must hold a token that may write contents of this repository",
                    ),
                    _ => error,
                }
            }
            Failure::Unknown(said) => Error::failed(format!("{what}: {said}")),
            Failure::Final(error) => error.about(what),
        }
    }

    /// Whether GitHub says that there is one already.
    pub fn is_already_exists(&self) -> bool {
        matches!(self, Failure::Refused { status: StatusCode::UNPROCESSABLE_ENTITY, codes, .. }
            if codes.iter().any(|code| code == "already_exists"))
    }

    /// Whether GitHub knows no such thing, or shows it to nobody with this token.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Failure::Refused { status: StatusCode::NOT_FOUND, .. })
    }
}

/// An answer read to its end.
pub struct Answer {
    /// A document; null if there is none.
    pub json: Value,
    /// The page after this one.
    pub next: Option<String>,
}

/// A document is pages of a hundred releases at most, each with all its assets.
const MAX_JSON_BYTES: u64 = 64 << 20;

impl Rest {
    /// `base` has no `/` at its end.
    pub fn new(base: &str, token: Option<Secret>, limits: Limits) -> Result<Rest> {
        remote::check_scheme(base, false, None)?;
        remote::prepare_tls();
        let base = Url::parse(base)
            .map_err(|error| Error::usage(format!("GITHUB_API_URL {base:?} is no URL: {error}")))?;
        if token.as_ref().is_some_and(|token| !token.reveal().bytes().all(|c| c.is_ascii_graphic())) {
            return Err(Error::usage("the token of GitHub is not one word of printable ASCII"));
        }
        let client = Client::builder()
            .user_agent(concat!("libv8-packager/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(limits.connect)
            // Each request has its own.
            .timeout(None)
            // Followed by hand, so that the token stays behind.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| Error::failed(format!("cannot start a client of GitHub: {error}")))?;
        Ok(Rest { client, base, token, limits })
    }

    /// Whether there is a token.
    pub fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// Sends a request and reads the answer. What is safe to repeat is repeated after failures of the network and of
    /// GitHub; everything is repeated after a rate limit, which GitHub says before it does anything.
    pub fn ask(&self, request: &Request) -> Result<Answer, Failure> {
        let response = self.send(request, "application/vnd.github+json")?;
        let next = next_page(response.headers());
        let mut bytes = Vec::new();
        let read = response.take(MAX_JSON_BYTES + 1).read_to_end(&mut bytes);
        read.map_err(|error| Failure::Unknown(self.said(&format!("the answer broke off: {error}"))))?;
        if bytes.len() as u64 > MAX_JSON_BYTES {
            return Err(Failure::Final(Error::failed(format!(
                "the answer has more than {MAX_JSON_BYTES} bytes"
            ))));
        }
        let json = match bytes.is_empty() {
            true => Value::Null,
            false => serde_json::from_slice(&bytes)
                .map_err(|error| Failure::Unknown(format!("the answer is not JSON: {error}")))?,
        };
        Ok(Answer { json, next })
    }

    /// The bytes of an asset, wherever GitHub sends us for them; the token does not come along to another host.
    pub fn download(&self, path: &str, size_bytes: u64) -> Result<Response, Failure> {
        let request = Request::get(path);
        let mut response = self.send_sized(&request, "application/octet-stream", size_bytes)?;
        for _ in 0..MAX_REDIRECTS {
            if !response.status().is_redirection() {
                return Ok(response);
            }
            let broken = || Failure::Unknown("GitHub sends us elsewhere without saying where".to_owned());
            let to = response.headers().get(LOCATION).and_then(|to| to.to_str().ok()).ok_or_else(broken)?;
            let to = response.url().join(to).map_err(|_| broken())?;
            remote::check_scheme(to.as_str(), false, None).map_err(Failure::Final)?;
            let request = Request::get(to.as_str());
            response = self.send_sized(&request, "application/octet-stream", size_bytes)?;
        }
        Err(Failure::Unknown(format!("GitHub sends us elsewhere more than {MAX_REDIRECTS} times")))
    }

    fn send(&self, request: &Request, accept: &str) -> Result<Response, Failure> {
        self.send_sized(request, accept, 0)
    }

    fn send_sized(&self, request: &Request, accept: &str, expected_bytes: u64) -> Result<Response, Failure> {
        let is_safe = matches!(request.method, Method::GET | Method::DELETE | Method::PATCH);
        let mut attempt = 1;
        loop {
            let (failure, asked) = match self.send_once(request, accept, expected_bytes) {
                Ok(response) => return Ok(response),
                Err(failure) => failure,
            };
            let may_pass = match asked {
                Some(wait) => wait <= self.limits.longest_wait,
                None => is_safe && matches!(failure, Failure::Unknown(_)),
            };
            if attempt >= self.limits.attempts || !may_pass {
                return Err(failure);
            }
            attempt += 1;
            if let Some(wait) = asked {
                eprintln!("GitHub asks us to wait {} s", wait.as_secs());
            }
            let time = asked.unwrap_or_else(|| self.limits.wait_before(attempt));
            remote::wait(time).map_err(Failure::Final)?;
        }
    }

    /// With a failure comes how long GitHub wants us to wait, if it is a rate limit.
    fn send_once(
        &self,
        request: &Request,
        accept: &str,
        expected_bytes: u64,
    ) -> Result<Response, (Failure, Option<Duration>)> {
        let end = |error: Error| (Failure::Final(error), None);
        remote::stop_if_wanted().map_err(end)?;
        let url = self.url(&request.url).map_err(end)?;
        let mut sent_bytes = 0;
        let with_token = self.may_see_token(&url, request);
        let mut builder = self.client.request(request.method.clone(), url).header(ACCEPT, accept);
        if let Some(token) = self.token.as_ref().filter(|_| with_token) {
            builder = builder.header(AUTHORIZATION, format!("Bearer {}", token.reveal()));
            builder = builder.header("X-GitHub-Api-Version", "2022-11-28");
        }
        builder = match &request.content {
            Content::None => builder,
            Content::Json(json) => builder.header(CONTENT_TYPE, "application/json").body(json.to_string()),
            Content::Bytes(bytes) => {
                builder.header(CONTENT_TYPE, "application/octet-stream").body(bytes.clone())
            }
            Content::File(path, size_bytes) => {
                sent_bytes = *size_bytes;
                let file = File::open(path).or_io("read", path).map_err(end)?;
                builder
                    .header(CONTENT_TYPE, "application/octet-stream")
                    .header(CONTENT_LENGTH, sent_bytes)
                    .body(Body::sized(Stoppable(file.take(sent_bytes)), sent_bytes))
            }
        };
        let response = builder.timeout(self.limits.time_for(sent_bytes.max(expected_bytes))).send();
        let response = match response {
            Ok(response) => response,
            Err(error) => {
                remote::stop_if_wanted().map_err(end)?;
                return Err((Failure::Unknown(self.said(&remote::whole(&error))), None));
            }
        };
        let status = response.status();
        if status.is_success() || status.is_redirection() {
            return Ok(response);
        }
        let wait = rate_limit(status, response.headers());
        let mut text = String::new();
        // What cannot be read of an error is not needed.
        let _ = response.take(64 * 1024).read_to_string(&mut text);
        let json: Value = serde_json::from_str(&text).unwrap_or_default();
        let said = self.said(json["message"].as_str().unwrap_or(&text));
        let codes = json["errors"].as_array().into_iter().flatten();
        let codes = codes.filter_map(|error| Some(error["code"].as_str()?.to_owned())).collect();
        let failure = match wait {
            Some(wait) => Failure::Final(Error::failed(format!(
                "GitHub's rate limit is reached, for another {} s: {said}",
                wait.as_secs()
            ))),
            None if status.is_server_error() => Failure::Unknown(format!("GitHub answered {status}: {said}")),
            None => Failure::Refused { status, said, codes },
        };
        Err((failure, wait))
    }

    fn url(&self, url: &str) -> Result<Url> {
        let whole = match url.starts_with('/') {
            true => format!("{}{url}", self.base.as_str().trim_end_matches('/')),
            false => url.to_owned(),
        };
        remote::check_scheme(&whole, false, None)?;
        Url::parse(&whole).map_err(|error| Error::failed(format!("GitHub names {whole:?}, no URL: {error}")))
    }

    /// The interface itself, and where it tells us to upload to.
    fn may_see_token(&self, url: &Url, request: &Request) -> bool {
        url.origin() == self.base.origin() || request.method == Method::POST
    }

    fn said(&self, text: &str) -> String {
        remote::presentable(text, self.token.as_slice())
    }
}

/// As GitHub does it: one, to its storage.
const MAX_REDIRECTS: u32 = 3;

impl Request {
    /// Asks for something.
    pub fn get(url: &str) -> Request {
        Request { method: Method::GET, url: url.to_owned(), content: Content::None }
    }

    /// Sends a document.
    pub fn json(method: Method, url: &str, json: Value) -> Request {
        Request { method, url: url.to_owned(), content: Content::Json(json) }
    }

    /// Removes something.
    pub fn delete(url: &str) -> Request {
        Request { method: Method::DELETE, url: url.to_owned(), content: Content::None }
    }
}

/// Breaks off when the user wants us to stop.
struct Stoppable<R>(R);

impl<R: Read> Read for Stoppable<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if signals::stop_wanted() {
            return Err(io::Error::other("interrupted"));
        }
        self.0.read(buffer)
    }
}

/// How long a refusal for asking too often says to wait; GitHub has two kinds, and says each in its own way.
fn rate_limit(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.parse::<u64>().ok();
    if !matches!(
        status,
        StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    ) {
        return None;
    }
    if let Some(seconds) = number(RETRY_AFTER.as_str()) {
        return Some(Duration::from_secs(seconds));
    }
    if number("x-ratelimit-remaining") == Some(0) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        // A second more: its clock is not ours.
        return Some(Duration::from_secs(number("x-ratelimit-reset")?.saturating_sub(now) + 1));
    }
    // Without a word of how long, GitHub's documentation asks for a minute.
    (status == StatusCode::TOO_MANY_REQUESTS).then_some(Duration::from_secs(60))
}

/// The `rel="next"` of a `Link` header.
fn next_page(headers: &HeaderMap) -> Option<String> {
    let links = headers.get(LINK)?.to_str().ok()?;
    links.split(',').find_map(|link| {
        let (url, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        parameters.split(';').any(|one| one.trim() == "rel=\"next\"").then(|| url.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, String)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| ((*name).parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn both_kinds_of_rate_limits_say_how_long() {
        let check = |status: u16, pairs: &[(&'static str, String)], expected: Option<u64>| {
            let wait = rate_limit(StatusCode::from_u16(status).unwrap(), &headers(pairs));
            assert_eq!(wait.map(|wait| wait.as_secs()), expected, "{status} {pairs:?}");
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        check(429, &[("retry-after", "7".into())], Some(7));
        check(403, &[("retry-after", "7".into())], Some(7));
        check(503, &[("retry-after", "7".into())], Some(7));
        check(429, &[], Some(60));
        check(403, &[], None);
        check(403, &[("x-ratelimit-remaining", "12".into())], None);
        check(404, &[("retry-after", "7".into())], None);
        let gone = [("x-ratelimit-remaining", "0".into()), ("x-ratelimit-reset", (now - 100).to_string())];
        check(403, &gone, Some(1));
    }

    #[test]
    fn the_next_page_is_found_among_the_links() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(next_page(&headers(&[("link", text.to_owned())])).as_deref(), expected, "{text}");
        };
        check(
            "<https://h/x?page=1>; rel=\"prev\", <https://h/x?page=3>; rel=\"next\"",
            Some("https://h/x?page=3"),
        );
        check("<https://h/x?page=1>; rel=\"prev\"", None);
        check("nonsense", None);
    }
}
