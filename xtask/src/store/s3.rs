//! A bucket of S3 as a store: `<prefix>/<release>/<name>`, and `<prefix>/latest.json`.
//!
//! Files are put on condition that their key is free (`If-None-Match: *`), the pointer on condition that it still is the
//! one that was read (`If-Match`). A server that takes such requests and ignores their conditions is found out before
//! the first commit ([`S3::check_conditions`]).

mod create_only;
mod settings;

use std::fs::File;
use std::io::Read as _;
use std::path::Path as FilePath;
use std::sync::Arc;

use futures_util::TryStreamExt as _;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientOptions, Error as S3Error, GetOptions, MultipartUpload, ObjectStore as _,
    ObjectStoreExt as _, PutMode, PutPayload, RetryConfig, UpdateVersion,
};
use v8_archive::digest::{Hasher, SizedSha256};

use super::pointer::MAX_POINTER_BYTES;
use super::remote::{self, Runner, Secret};
use super::{Listed, POINTER_FILE, Pointer, Put, Receiver, Version, lost_update, other_bytes};
use crate::error::{Error, IoContext as _, Result};

pub use settings::Settings;

/// A bucket and what all keys in it begin with.
pub struct S3 {
    client: Arc<AmazonS3>,
    runner: Runner,
    bucket: String,
    prefix: String,
    settings: Settings,
    secrets: Vec<Secret>,
}

/// What [`S3::check_conditions`] writes.
const CONDITIONS_FILE: &str = ".conditions";
const CONDITIONS_TEXT: &str = "Shows that this server keeps the conditions of conditional requests.\n";

impl S3 {
    /// With the user's settings.
    pub fn open(bucket: &str, prefix: &str) -> Result<S3> {
        S3::with(bucket, prefix, Settings::of_user()?)
    }

    /// Nothing is sent yet.
    pub fn with(bucket: &str, prefix: &str, settings: Settings) -> Result<S3> {
        settings.check()?;
        remote::prepare_tls();
        let limits = &settings.limits;
        let options = ClientOptions::new()
            .with_allow_http(true) // Checked above, more strictly.
            .with_connect_timeout(limits.connect)
            .with_timeout(limits.time_for(settings.part_bytes as u64));
        let retry = RetryConfig {
            backoff: BackoffConfig { init_backoff: limits.wait, max_backoff: limits.wait * 8, base: 2.0 },
            max_retries: limits.attempts.saturating_sub(1) as usize,
            retry_timeout: limits.time_for(settings.part_bytes as u64) * 2,
        };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_region(&settings.region)
            .with_virtual_hosted_style_request(settings.virtual_hosts)
            .with_client_options(options)
            .with_retry(retry)
            .with_http_connector(create_only::Connector);
        if let Some(endpoint) = &settings.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        for (key, value) in &settings.credentials {
            builder = builder.with_config(*key, value.reveal());
        }
        let secrets: Vec<Secret> = settings.credentials.iter().map(|(_, secret)| secret.clone()).collect();
        let client = builder.build().map_err(|error| {
            Error::usage(format!("cannot use S3: {}", remote::presentable(&remote::whole(&error), &secrets)))
        })?;
        let (bucket, prefix) = (bucket.to_owned(), prefix.to_owned());
        Ok(S3 { client: Arc::new(client), runner: Runner::new()?, bucket, prefix, settings, secrets })
    }

    /// See [`Store::latest`](super::Store::latest). The version is the ETag.
    pub fn latest(&self) -> Result<Option<(Pointer, Version)>> {
        let key = self.key(&[POINTER_FILE]);
        let what = format!("cannot read {POINTER_FILE} of {self}");
        let got = self.run(&what, MAX_POINTER_BYTES, async {
            let got = match self.client.get(&key).await {
                Err(S3Error::NotFound { .. }) => return Ok(None),
                got => got?,
            };
            let (etag, size_bytes) = (got.meta.e_tag.clone(), got.meta.size);
            let json = if size_bytes > MAX_POINTER_BYTES { None } else { Some(got.bytes().await?) };
            Ok(Some((json, etag, size_bytes)))
        })?;
        let Some((json, etag, size_bytes)) = got else { return Ok(None) };
        let Some(json) = json else {
            return Err(Error::failed(format!(
                "{POINTER_FILE} of {self} has {size_bytes} bytes, and may have {MAX_POINTER_BYTES}"
            )));
        };
        let etag = etag.ok_or_else(|| Error::failed(format!("{what}: the server gives it no ETag")))?;
        let pointer = Pointer::from_json(&json, &format!("{POINTER_FILE} of {self}"))?;
        Ok(Some((pointer, Version(etag))))
    }

    /// See [`Store::read`](super::Store::read).
    pub fn read(
        &self,
        release: &str,
        name: &str,
        to: &FilePath,
        max_bytes: u64,
    ) -> Result<Option<SizedSha256>> {
        let key = self.key(&[release, name]);
        let what = format!("cannot read {name} of release {release} from {self}");
        let receiver = self.fetch(&key, &what, || Receiver::new(to, max_bytes), Receiver::write)?;
        receiver.map(Receiver::finish).transpose()
    }

    /// See [`Store::list`](super::Store::list).
    pub fn list(&self, release: &str) -> Result<Vec<Listed>> {
        let key = self.key(&[release]);
        let what = format!("cannot list release {release} of {self}");
        let found: Vec<_> = self.run(&what, 0, async { self.client.list(Some(&key)).try_collect().await })?;
        let listed = found.into_iter().filter_map(|object| {
            let parts: Vec<_> = object.location.prefix_match(&key)?.collect();
            match parts.as_slice() {
                [name] => Some(Listed { name: name.as_ref().to_owned(), size_bytes: object.size }),
                _ => None,
            }
        });
        Ok(listed.collect())
    }

    /// See [`Store::put`](super::Store::put).
    pub fn put(&self, release: &str, name: &str, from: &FilePath, expected: SizedSha256) -> Result<Put> {
        let key = self.key(&[release, name]);
        let what = format!("cannot put {name} into release {release} of {self}");
        let compare = |there: SizedSha256, put: Put| match there == expected {
            true => Ok(put),
            false => Err(other_bytes(&self.to_string(), release, name, there, expected)),
        };
        if let Some(there) = self.digest_of(&key, &what)? {
            return compare(there, Put::AlreadyThere);
        }
        let result = self.upload(&key, &what, from, expected);
        match result {
            Ok(()) => Ok(Put::Stored),
            // Interrupted, or the source is not what it should be: nothing was to be stored.
            Err(Upload::Ended(error)) => Err(error),
            // Another publisher, or the server has stored it and failed then: what is there decides.
            Err(Upload::Failed(error, is_conflict)) => match self.digest_of(&key, &what)? {
                Some(there) => compare(there, if is_conflict { Put::AlreadyThere } else { Put::Stored }),
                None => Err(error),
            },
        }
    }

    /// See [`Store::commit`](super::Store::commit).
    pub fn commit(&self, pointer: &Pointer, replacing: Option<&Version>) -> Result<()> {
        let there = self.latest()?;
        if there.as_ref().is_some_and(|(there, _)| there == pointer) {
            return Ok(());
        }
        let lost = |there: Option<&(Pointer, Version)>| {
            Err(lost_update(&self.to_string(), pointer, there.map(|(pointer, _)| pointer)))
        };
        if there.as_ref().map(|(_, version)| version) != replacing {
            return lost(there.as_ref());
        }
        self.check_conditions()?;
        let key = self.key(&[POINTER_FILE]);
        let mode = match replacing {
            Some(Version(etag)) => {
                PutMode::Update(UpdateVersion { e_tag: Some(etag.clone()), version: None })
            }
            None => PutMode::Create,
        };
        let written = self.write_small(&key, pointer.to_json(), mode);
        // A lost answer is as good as one; and a server may say yes to two publishers.
        match (self.latest()?, written) {
            (Some((there, _)), _) if there == *pointer => Ok(()),
            (there, Err(error)) if is_conflict(&error) => lost(there.as_ref()),
            (_, Err(error)) => {
                Err(self.error(&format!("cannot commit release {} to {self}", pointer.release), error))
            }
            // Whoever read ours and replaced it has a higher number.
            (Some((there, _)), Ok(_)) if there.number > pointer.number => Ok(()),
            (there, Ok(_)) => lost(there.as_ref()),
        }
    }

    /// Where consumers read, if everybody may.
    pub fn origin(&self) -> String {
        let bucket = &self.bucket;
        let root = match (&self.settings.endpoint, self.settings.virtual_hosts) {
            (Some(endpoint), false) => format!("{endpoint}/{bucket}"),
            (Some(endpoint), true) => endpoint.clone(),
            // Amazon's certificate is for one label before `.s3`.
            (None, _) if bucket.contains('.') => {
                format!("https://s3.{}.amazonaws.com/{bucket}", self.settings.region)
            }
            (None, _) => format!("https://{bucket}.s3.{}.amazonaws.com", self.settings.region),
        };
        let prefix = if self.prefix.is_empty() { String::new() } else { format!("/{}", self.prefix) };
        format!("{root}{prefix}/{{release}}/{{name}}")
    }

    /// Whether the server refuses what it should refuse. One that does not would let a publisher overwrite what another
    /// has just published, and tell neither.
    fn check_conditions(&self) -> Result<()> {
        let key = self.key(&[CONDITIONS_FILE]);
        let what = format!("cannot try conditional requests on {self}");
        let stale =
            UpdateVersion { e_tag: Some("\"0123456789abcdef0123456789abcdef\"".to_owned()), version: None };
        // The first one may be free or taken, the second is taken, and the third is not what is there.
        let modes = [(PutMode::Create, false), (PutMode::Create, true), (PutMode::Update(stale), true)];
        for (mode, must_fail) in modes {
            match self.write_small(&key, CONDITIONS_TEXT.to_owned(), mode) {
                Err(error) if is_conflict(&error) => {}
                Err(error) => return Err(self.error(&what, error)),
                Ok(()) if must_fail => {
                    return Err(Error::failed(format!(
                        "the server of {self} ignores If-Match or If-None-Match: of two publishers one would \
                         overwrite the other's release unnoticed; nothing was changed"
                    ))
                    .help(
                        "use a server that keeps conditions, as Amazon's and current versions of others do",
                    ));
                }
                Ok(()) => {}
            }
        }
        Ok(())
    }

    fn write_small(&self, key: &Path, text: String, mode: PutMode) -> Result<(), Failure> {
        self.sent(self.client.put_opts(key, PutPayload::from(text), mode.into()), 0).map(drop)
    }

    /// Uploads a file whose key was free a moment ago; it appears whole or not at all, and only if the key still is free.
    fn upload(&self, key: &Path, what: &str, from: &FilePath, expected: SizedSha256) -> Result<(), Upload> {
        let failed = |failure: Failure| {
            let is_conflict = is_conflict(&failure);
            Upload::Failed(self.error(what, failure), is_conflict)
        };
        let mut file = File::open(from).or_io("read", from).map_err(Upload::Ended)?;
        let mut hasher = Hasher::new();
        let mut next = |hasher: &mut Hasher| {
            let mut part = Vec::new();
            let read = (&mut file).take(self.settings.part_bytes as u64).read_to_end(&mut part);
            read.or_io("read", from).map_err(Upload::Ended)?;
            hasher.update(&part);
            Ok(part)
        };
        let check = |hasher: Hasher| {
            let there = hasher.finish();
            if there == expected { Ok(()) } else { Err(Upload::Ended(super::changed(from, expected, there))) }
        };
        if expected.size_bytes <= self.settings.part_bytes as u64 {
            let (whole, rest) = (next(&mut hasher)?, next(&mut hasher)?);
            // More than promised, if there is a rest.
            drop(rest);
            check(hasher)?;
            let put = self.client.put_opts(key, PutPayload::from(whole), PutMode::Create.into());
            return self.sent(put, expected.size_bytes).map(drop).map_err(failed);
        }
        let mut upload = self.sent(self.client.put_multipart(key), 0).map_err(failed)?;
        let result = (|| {
            let mut sent_bytes = 0;
            while sent_bytes <= expected.size_bytes {
                let part = next(&mut hasher)?;
                if part.is_empty() {
                    break;
                }
                let size_bytes = part.len() as u64;
                sent_bytes += size_bytes;
                self.sent(upload.put_part(PutPayload::from(part)), size_bytes).map_err(failed)?;
            }
            check(hasher)?;
            self.sent(upload.complete(), 0).map(drop).map_err(failed)
        })();
        if result.is_err() {
            self.abort(upload.as_mut());
        }
        result
    }

    /// Parts of an upload that is not completed are visible to nobody, and are paid for.
    fn abort(&self, upload: &mut dyn MultipartUpload) {
        if let Err(failure) = self.sent_anyway(upload.abort()) {
            let error = self.error("the parts of an upload stay on the server", failure);
            eprintln!("{error}\n  a lifecycle rule of the bucket can remove such parts");
        }
    }

    fn sent<T>(&self, work: impl Future<Output = Result<T, S3Error>>, size_bytes: u64) -> Result<T, Failure> {
        // The client itself repeats a request a few times.
        match self.runner.run(self.settings.limits.time_for(size_bytes) * 2, work) {
            Ok(Some(Ok(done))) => Ok(done),
            Ok(Some(Err(error))) => Err(Failure::S3(error)),
            Ok(None) => Err(Failure::Late),
            Err(error) => Err(Failure::Own(error)),
        }
    }

    /// Also when the user wants us to stop: cleaning up is part of stopping.
    fn sent_anyway(&self, work: impl Future<Output = Result<(), S3Error>>) -> Result<(), Failure> {
        match self.runner.run_anyway(self.settings.limits.request, work) {
            Some(done) => done.map_err(Failure::S3),
            None => Err(Failure::Late),
        }
    }

    fn digest_of(&self, key: &Path, what: &str) -> Result<Option<SizedSha256>> {
        let start = || Ok(Hasher::new());
        let add = |hasher: &mut Hasher, bytes: &[u8]| {
            hasher.update(bytes);
            Ok(())
        };
        Ok(self.fetch(key, what, start, add)?.map(Hasher::finish))
    }

    /// Gives the bytes of an object to `add`, in pieces that have their time each; nothing if there is no such object.
    fn fetch<T>(
        &self,
        key: &Path,
        what: &str,
        start: impl FnOnce() -> Result<T>,
        mut add: impl FnMut(&mut T, &[u8]) -> Result<()>,
    ) -> Result<Option<T>> {
        let piece_bytes = self.settings.part_bytes as u64;
        let found = self.run(what, 0, async {
            match self.client.head(key).await {
                Err(S3Error::NotFound { .. }) => Ok(None),
                found => found.map(Some),
            }
        })?;
        let Some(object) = found else { return Ok(None) };
        let mut taker = start()?;
        let mut at = 0;
        while at < object.size {
            let end = (at + piece_bytes).min(object.size);
            // Of the same object as the piece before: it never changes, but a server may be lied to.
            let options = GetOptions { if_match: object.e_tag.clone(), ..GetOptions::default() };
            let options = options.with_range(Some(at..end));
            let piece =
                self.run(what, end - at, async { self.client.get_opts(key, options).await?.bytes().await })?;
            if piece.len() as u64 != end - at {
                return Err(Error::failed(format!(
                    "{what}: bytes {at} to {end} were asked for, and {} came",
                    piece.len()
                )));
            }
            add(&mut taker, &piece)?;
            at = end;
        }
        Ok(Some(taker))
    }

    fn run<T>(
        &self,
        what: &str,
        size_bytes: u64,
        work: impl Future<Output = Result<T, S3Error>>,
    ) -> Result<T> {
        self.sent(work, size_bytes).map_err(|failure| self.error(what, failure))
    }

    fn error(&self, what: &str, failure: Failure) -> Error {
        match failure {
            Failure::S3(error) => {
                let said = remote::presentable(&remote::whole(&error), &self.secrets);
                Error::failed(format!("{what}: {said}"))
            }
            Failure::Late => Error::failed(format!("{what}: no answer in time")),
            Failure::Own(error) => error,
        }
    }

    fn key(&self, parts: &[&str]) -> Path {
        let prefix = self.prefix.split('/').filter(|part| !part.is_empty());
        Path::from_iter(prefix.chain(parts.iter().copied()))
    }
}

impl std::fmt::Debug for S3 {
    /// The client's own would show which key it has.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "S3({self})")
    }
}

impl std::fmt::Display for S3 {
    /// As `--to` takes it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "s3://{}", self.bucket)?;
        if self.prefix.is_empty() { Ok(()) } else { write!(f, "/{}", self.prefix) }
    }
}

/// Why a request came to nothing.
#[derive(Debug)]
enum Failure {
    S3(S3Error),
    /// Its time was over.
    Late,
    /// The user wants us to stop.
    Own(Error),
}

/// Why an upload came to nothing.
enum Upload {
    /// By ourselves, with nothing stored.
    Ended(Error),
    /// By the server, or on the way; whether it says that the key is taken.
    Failed(Error, bool),
}

fn is_conflict(failure: &Failure) -> bool {
    matches!(failure, Failure::S3(S3Error::AlreadyExists { .. } | S3Error::Precondition { .. }))
}

#[cfg(test)]
#[path = "s3_tests.rs"]
mod tests;
