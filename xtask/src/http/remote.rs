//! A file from a server: gone on with after a broken connection, with a sentence for each status.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use reqwest::blocking::{Client, Response};
use reqwest::header::{CONTENT_RANGE, RANGE, RETRY_AFTER};

use super::Request;
use crate::error::{Error, Result};
use crate::signals;

/// How often a connection that breaks is tried again.
const ATTEMPTS: u32 = 5;

/// A connection that brings less for this long is broken.
const STALL: Duration = Duration::from_secs(60);

/// Longest wait that a server may ask for.
const MAX_WAIT_S: u64 = 120;

/// What an attempt came to, if not to the end.
enum Broken {
    /// Another attempt may help, after this many seconds.
    Again(Error, u64),
    /// None will.
    Final(Error),
}

/// As [`super::fetch`], from a server.
pub fn fetch(request: &Request<'_>) -> Result<()> {
    let client = client()?;
    let mut last = None;
    for attempt in 0..ATTEMPTS {
        if signals::stop_wanted() {
            return Err(Error::stopped(format!("interrupted while {} was fetched", request.url)));
        }
        match once(&client, request) {
            Ok(()) => return Ok(()),
            Err(Broken::Final(error)) => return Err(error),
            Err(Broken::Again(error, wait_s)) => {
                last = Some(error);
                if attempt + 1 < ATTEMPTS {
                    wait(Duration::from_secs(wait_s.max(u64::from(attempt))));
                }
            }
        }
    }
    let last = last.expect("the loop above ended with an error");
    Err(last.help("nothing is lost: the same command goes on where it broke"))
}

fn wait(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time && !signals::stop_wanted() {
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn client() -> Result<Client> {
    // A second call finds the provider installed, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Redirects go to https only, once the first address was https: a proxy must not lead downwards.
    let redirects = reqwest::redirect::Policy::custom(|attempt| {
        let was_secure = attempt.previous().first().is_some_and(|url| url.scheme() == "https");
        if attempt.previous().len() > 10 {
            attempt.error("too many redirects")
        } else if was_secure && attempt.url().scheme() != "https" {
            attempt.error("a redirect from https to plain http")
        } else {
            attempt.follow()
        }
    });
    Client::builder()
        .user_agent(concat!("libv8-xtask/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(30))
        // For one whole answer; what is longer is gone on with.
        .timeout(Duration::from_secs(1800))
        .redirect(redirects)
        .build()
        .map_err(|error| Error::failed(format!("cannot set up HTTP: {error}")))
}

fn once(client: &Client, request: &Request<'_>) -> Result<(), Broken> {
    let io = |verb: &'static str| {
        let to = request.to.to_owned();
        move |error: std::io::Error| Broken::Final(Error::io(verb, &to, &error))
    };
    let mut file = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .append(true)
        .open(request.to)
        .map_err(io("open"))?;
    let mut there = file.metadata().map_err(io("read"))?.len();
    if there > request.max_bytes {
        file.set_len(0).map_err(io("shorten"))?;
        there = 0;
    }
    if request.is_exact && there == request.max_bytes {
        return Ok(());
    }
    let mut get = client.get(request.url);
    if there > 0 {
        get = get.header(RANGE, format!("bytes={there}-"));
    }
    let broken = |what: String| Broken::Again(Error::failed(format!("{}: {what}", request.url)), 1);
    let mut answer = get.send().map_err(|error| match error.is_redirect() {
        true => Broken::Final(Error::failed(format!("{}: {}", request.url, causes(&error)))),
        false => broken(causes(&error)),
    })?;
    match answer.status() {
        StatusCode::OK => {
            // It does not know ranges, or this is the first attempt: from the beginning, never appended.
            file.set_len(0).map_err(io("shorten"))?;
            there = 0;
        }
        StatusCode::PARTIAL_CONTENT if starts_at(&answer, there) => {}
        StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
            file.set_len(0).map_err(io("shorten"))?;
            return Err(broken("answers with another part than was asked for".to_owned()));
        }
        status => return Err(refused(request.url, status, &answer)),
    }
    file.seek(std::io::SeekFrom::End(0)).map_err(io("read"))?;
    let mut buffer = vec![0; 1 << 17];
    let start = Instant::now();
    let (mut since, mut brought) = (start, 0u64);
    loop {
        let count = answer.read(&mut buffer).map_err(|error| broken(format!("broken off: {error}")))?;
        if count == 0 {
            break;
        }
        there += count as u64;
        if there > request.max_bytes {
            let what = format!("{} sends more than {} bytes", request.url, request.max_bytes);
            return Err(Broken::Final(Error::failed(what)));
        }
        file.write_all(&buffer[..count]).map_err(io("write"))?;
        brought += count as u64;
        if since.elapsed() > STALL {
            if brought < 4096 {
                return Err(broken(format!("brings {brought} bytes in {} s", STALL.as_secs())));
            }
            (since, brought) = (Instant::now(), 0);
        }
        if signals::stop_wanted() {
            return Err(Broken::Final(Error::stopped(format!(
                "interrupted while {} was fetched",
                request.url
            ))));
        }
    }
    if request.is_exact && there < request.max_bytes {
        return Err(broken(format!("ends after {there} of {} bytes", request.max_bytes)));
    }
    file.sync_all().map_err(io("write"))
}

/// Whether a 206 begins where we go on.
fn starts_at(answer: &Response, there: u64) -> bool {
    let range = answer.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    range.strip_prefix("bytes ").is_some_and(|rest| rest.starts_with(&format!("{there}-")))
}

/// A status that brings no body.
fn refused(url: &str, status: StatusCode, answer: &Response) -> Broken {
    let error = |what: &str| Error::failed(format!("{url}: {status}: {what}"));
    let asked_s = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    match status.as_u16() {
        401 | 403 | 407 => {
            Broken::Final(error("the server does not let us").help("a mirror or a proxy may want a login"))
        }
        404 | 410 => {
            Broken::Final(error("the server does not have it").help("name another --mirror, or none"))
        }
        408 | 429 | 500..=599 => {
            Broken::Again(error("the server is busy or broken"), asked_s.unwrap_or(2).min(MAX_WAIT_S))
        }
        _ => Broken::Final(error("not the file that was asked for")),
    }
}

/// reqwest says the least in front: the whole chain.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests;
