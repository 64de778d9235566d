//! A pinned file from one server: resumed, repeated within limits, never longer than its pin, right or refused.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use v8_archive::Sha256;
use v8_archive::lock::Pin;

use super::answers::{self, Verdict};
use super::client::{Answer, Client, Patience, Request, SilenceKind};
use crate::fetch::Miss;
use crate::partial::{CHUNK_BYTES, Partial, Refused};
use crate::sources::shown;
use crate::step::{Report, Step};

/// Requests to one server, whatever they bring.
const MAX_REQUESTS: u32 = 30;
/// What a request must bring for the next to count as the first.
const PROGRESS_BYTES: u64 = 256 << 10;

/// A server and what is wanted of it.
pub struct Download<'a> {
    /// Without user and password.
    pub url: &'a str,
    /// `user:password`.
    pub credentials: Option<&'a str>,
    /// What it must be.
    pub pin: &'a Pin,
    /// Where the mark of a partial file's state is kept.
    pub validator: &'a Path,
    /// How to ask.
    pub client: &'a Client<'a>,
    /// How long to wait for what.
    pub patience: &'a Patience,
    /// Who is told.
    pub report: Report<'a>,
}

/// Why a request did not complete the file.
enum Halt {
    /// Ask again, after this long if it is said.
    Again { why: String, wait: Option<Duration>, unreachable: bool },
    /// As for [`Miss`].
    Miss(Miss),
}

impl From<Miss> for Halt {
    fn from(miss: Miss) -> Self {
        Halt::Miss(miss)
    }
}

impl Download<'_> {
    /// Completes `partial`: afterwards its size and digest are the pin's.
    ///
    /// # Errors
    /// [`Miss`]; what came and may be right is kept.
    pub fn run(&self, partial: &mut Partial<'_>) -> Result<(), Miss> {
        let (mut fruitless, mut requests, mut repaired) = (0, 0, false);
        loop {
            let before = partial.have_bytes();
            let halt = if partial.is_full() { Ok(()) } else { self.request(partial) };
            let (why, wait, unreachable) = match halt {
                Ok(()) => {
                    let Some(found) = partial.wrong_digest() else { return Ok(()) };
                    self.forget();
                    if !partial.is_resumed() || repaired {
                        return Err(
                            self.wrong(&format!("it has sha256 {found}, pinned is {}", self.pin.sha256))
                        );
                    }
                    // Pieces of two times do not fit; one answer alone decides who is to blame.
                    repaired = true;
                    partial.restart().map_err(Miss::Disk)?;
                    let why = format!("put together from several answers it has sha256 {found}");
                    (self.report)(&Step::Again { why, wait_ms: 0 });
                    continue;
                }
                Err(Halt::Again { why, wait, unreachable }) => (why, wait, unreachable),
                Err(Halt::Miss(miss)) => return Err(miss),
            };
            requests += 1;
            let is_fruitful = partial.have_bytes() >= before + PROGRESS_BYTES;
            fruitless = if is_fruitful { 0 } else { fruitless + 1 };
            // Who is not there at all is asked once more only: a machine without a network should not be kept waiting.
            let limit = if unreachable { self.patience.requests.min(2) } else { self.patience.requests };
            if fruitless >= limit || requests >= MAX_REQUESTS {
                return Err(Miss::Next { why: format!("{why} ({requests} requests)"), unreachable });
            }
            let wait = wait.unwrap_or(self.patience.back_off * 2u32.pow(fruitless.min(6)));
            if wait > self.patience.longest_wait {
                let why = format!("{why}; it asks to wait {} s", wait.as_secs());
                return Err(Miss::Next { why, unreachable });
            }
            (self.report)(&Step::Again { why, wait_ms: wait.as_millis() });
            thread::sleep(wait);
        }
    }

    /// One request, which completes the file or says why not.
    fn request(&self, partial: &mut Partial<'_>) -> Result<(), Halt> {
        let have = partial.have_bytes();
        let mark = self.mark();
        (self.report)(&Step::Asking { place: shown(self.url), have_bytes: have });
        let request = Request {
            url: self.url,
            credentials: self.credentials,
            from: (have > 0).then_some(have),
            if_range: mark.as_deref(),
        };
        let answer = self.client.get(&request).map_err(|silence| match silence.kind {
            SilenceKind::Lasting => Halt::Miss(Miss::Next { why: silence.why, unreachable: false }),
            kind => {
                Halt::Again { why: silence.why, wait: None, unreachable: kind == SilenceKind::Unreachable }
            }
        })?;
        let headers = &answer.headers;
        match answer.status.as_u16() {
            200 => {
                let length = headers.get("content-length").and_then(|text| text.to_str().ok()?.parse().ok());
                self.check_length(&answer, length)?;
                // Not before: an answer that is another file is no reason to lose what has come of the right one.
                if have > 0 {
                    partial.restart().map_err(Miss::Disk)?;
                }
            }
            206 => match answers::content_range(headers) {
                // The numbers are the server's, and any of them can come.
                Some((first, last, total))
                    if first == have && last.checked_add(1) == Some(self.pin.size_bytes) =>
                {
                    self.check_length(&answer, total)?;
                    partial.resume();
                }
                _ => {
                    // Nothing here tells which bytes these are.
                    partial.restart().map_err(Miss::Disk)?;
                    self.forget();
                    let found =
                        headers.get("content-range").map_or("none".to_owned(), |text| format!("{text:?}"));
                    let why = format!("asked for bytes from {have} on, it answered with the range {found}");
                    return Err(again(why));
                }
            },
            _ => {
                let (why, verdict) = answers::judge(answer.status, headers);
                return Err(match verdict {
                    Verdict::Again(wait) => Halt::Again { why, wait, unreachable: false },
                    Verdict::Next => Halt::Miss(Miss::Next { why, unreachable: false }),
                    Verdict::Restart => {
                        partial.restart().map_err(Miss::Disk)?;
                        self.forget();
                        again(why)
                    }
                });
            }
        }
        self.remember(answers::strong_mark(headers));
        self.receive(answer, partial)
    }

    fn receive(&self, mut answer: Answer, partial: &mut Partial<'_>) -> Result<(), Halt> {
        // A body of stated length, or in chunks, that ends without an error is all there is.
        let is_delimited =
            ["content-length", "transfer-encoding"].iter().any(|name| answer.headers.contains_key(*name));
        let size = self.pin.size_bytes;
        let mut chunk = vec![0; CHUNK_BYTES];
        let (mut window, mut window_bytes) = (Instant::now(), 0u64);
        loop {
            let count = match answer.body.read(&mut chunk) {
                Ok(count) => count,
                Err(error) => {
                    let have = partial.have_bytes();
                    return Err(again(format!("the answer broke off after {have} of {size} bytes: {error}")));
                }
            };
            if count == 0 {
                break;
            }
            let before = partial.have_bytes();
            partial.add(&chunk[..count]).map_err(|refused| match refused {
                Refused::TooMuch => self.wrong(&format!("it sends more than the pinned {size} bytes")),
                Refused::Disk(why) => Miss::Disk(why),
            })?;
            let have = partial.have_bytes();
            if before * 4 / size != have * 4 / size {
                (self.report)(&Step::Received { bytes: have, of_bytes: size });
            }
            window_bytes += count as u64;
            if window.elapsed() >= self.patience.window {
                if window_bytes < self.patience.least_bytes {
                    let seconds = window.elapsed().as_secs_f32();
                    return Err(again(format!("only {window_bytes} bytes in {seconds:.1} s")));
                }
                (window, window_bytes) = (Instant::now(), 0);
            }
        }
        let have = partial.have_bytes();
        if have == size {
            return Ok(());
        }
        if is_delimited {
            return Err(self.wrong(&format!("it ends after {have} bytes, pinned are {size}")).into());
        }
        Err(again(format!("the answer broke off after {have} of {size} bytes")))
    }

    /// Before a byte of it is read.
    fn check_length(&self, answer: &Answer, length: Option<u64>) -> Result<(), Miss> {
        if let Some(encoding) = answers::encoding(&answer.headers) {
            let why = format!(
                "it, or a proxy before it, packs what it sends ({encoding}), though asked not to\n\
                 help: exempt this address from the proxy (NO_PROXY), or from its compression"
            );
            return Err(Miss::Next { why, unreachable: false });
        }
        let size = self.pin.size_bytes;
        let from =
            answer.redirected_to.as_ref().map(|url| format!(" (from {})", shown(url))).unwrap_or_default();
        match length {
            length if length != Some(size) && answers::is_page(&answer.headers) => Err(self.refused(&format!(
                "it is a page for people{from}, not the archive of {size} bytes: of a login, or of a network that \
                 wants you to sign in"
            ))),
            Some(length) if length != size => {
                Err(self.refused(&format!("it has {length} bytes{from}, pinned are {size}")))
            }
            _ => Ok(()),
        }
    }

    /// The wrong file, of which not a byte was taken.
    fn refused(&self, what: &str) -> Miss {
        Miss::Wrong { why: self.not_the_file(what), spoiled: false }
    }

    /// The wrong file, after bytes of it were taken.
    fn wrong(&self, what: &str) -> Miss {
        self.forget();
        Miss::Wrong { why: self.not_the_file(what), spoiled: true }
    }

    /// No reason to look elsewhere: someone has to know.
    fn not_the_file(&self, what: &str) -> String {
        format!(
            "{}: this is not the file that was pinned: {what}\n\
             help: do not use it; tell who runs that server. A mirror of your own must hold the same bytes as the release",
            shown(self.url)
        )
    }

    /// The mark of what is there, if it came from this server.
    fn mark(&self) -> Option<String> {
        let text = fs::read_to_string(self.validator).ok()?;
        let (server, mark) = text.split_once('\n')?;
        (server == self.server()).then(|| mark.to_owned())
    }

    /// Tells servers apart in a cache that others may read: the URL may have a token in it.
    fn server(&self) -> String {
        Sha256::of_bytes(self.url.as_bytes()).to_string()
    }

    /// Without a mark the digest decides alone, so that failing to write or remove it loses time at worst.
    fn remember(&self, mark: Option<&str>) {
        match mark {
            Some(mark) => drop(fs::write(self.validator, format!("{}\n{mark}", self.server()))),
            None => self.forget(),
        }
    }

    fn forget(&self) {
        let _ = fs::remove_file(self.validator);
    }
}

fn again(why: String) -> Halt {
    Halt::Again { why, wait: None, unreachable: false }
}
