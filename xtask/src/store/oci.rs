//! A registry of containers as a store: a release is a manifest with the release's name as its tag, its files are blobs.
//!
//! A draft has the tag `draft-<release>`. A commit gives the manifest the tag `<release>`, and then `latest`.
//!
//! A registry cannot move a tag on condition that nobody else has moved it. So every move is looked at right before and
//! right after. Two publishers that both look within the same instants can still both be told that all is well: with
//! one release, the later draft wins, and the other publisher's reading back finds it; with two, the later one is the
//! newest, and both are there, whole. Where several publish at once, let one job of CI do it at a time.

mod failure;
mod login;
mod manifest;

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use futures_util::{StreamExt as _, stream};
use oci_client::Reference;
use oci_client::client::{Client, ClientConfig, ClientProtocol};
use oci_client::errors::OciDistributionError;
use oci_client::manifest::{OCI_IMAGE_MEDIA_TYPE, OciDescriptor};
use v8_archive::Sha256;
use v8_archive::digest::SizedSha256;

use super::remote::{self, Limits, Runner, Secret};
use super::{Listed, Pointer, Put, Receiver, Version, lost_update, other_bytes};
use crate::error::{Error, IoContext as _, Result};
use failure::{Failure, is_not_found, is_refused, said};
use manifest::{EMPTY, Release, digest};

pub use login::Login;

/// A repository of a registry.
pub struct Oci {
    client: Client,
    runner: Runner,
    host: String,
    name: String,
    login: Login,
    secrets: Vec<Secret>,
    limits: Limits,
}

/// The tag of the newest release.
const LATEST: &str = "latest";

/// A manifest as it is in the registry.
struct Found {
    release: Release,
    /// Its digest, `sha256:…`.
    digest: String,
}

impl Oci {
    /// With the user's login.
    pub fn open(host: &str, name: &str) -> Result<Oci> {
        Oci::with(host, name, Login::of_user(host)?, Limits::default())
    }

    /// Nothing is sent yet.
    pub fn with(host: &str, name: &str, login: Login, limits: Limits) -> Result<Oci> {
        remote::prepare_tls();
        let config = ClientConfig {
            protocol: if remote::is_loopback(host) { ClientProtocol::Http } else { ClientProtocol::Https },
            // One request for a file: registries differ in what they make of pieces.
            use_monolithic_push: true,
            connect_timeout: Some(limits.connect),
            read_timeout: Some(limits.request),
            user_agent: concat!("libv8-packager/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        };
        let secrets = login.secrets();
        let client = Client::try_from(config).map_err(|error| {
            let said = remote::presentable(&remote::whole(&error), &secrets);
            Error::failed(format!("cannot start a client of registries: {said}"))
        })?;
        let (host, name) = (host.to_owned(), name.to_owned());
        Ok(Oci { client, runner: Runner::new()?, host, name, login, secrets, limits })
    }

    /// See [`Store::latest`](super::Store::latest). The version is the manifest's digest.
    pub fn latest(&self) -> Result<Option<(Pointer, Version)>> {
        let Some(found) = self.find(LATEST)? else { return Ok(None) };
        let pointer = found.release.pointer.ok_or_else(|| {
            Error::failed(format!("{LATEST} of {self} says nothing of which release it is"))
        })?;
        Ok(Some((pointer, Version(found.digest))))
    }

    /// See [`Store::origin`](super::Store::origin): a registry gives a file by its digest. Those that want a token first, from
    /// whoever it is, refuse a consumer's build.
    pub fn origin(&self) -> String {
        let scheme = if remote::is_loopback(&self.host) { "http" } else { "https" };
        format!("{scheme}://{}/v2/{}/blobs/sha256:{{sha256}}", self.host, self.name)
    }

    /// See [`Store::read`](super::Store::read).
    pub fn read(&self, release: &str, name: &str, to: &Path, max_bytes: u64) -> Result<Option<SizedSha256>> {
        let Some(found) = self.newest_of(release)? else { return Ok(None) };
        let Some(file) = found.release.files.get(name) else { return Ok(None) };
        let what = format!("cannot read {name} of release {release} from {self}");
        self.repeated(&what, |_| {
            let mut receiver = Receiver::new(to, max_bytes).map_err(Failure::Own)?;
            let descriptor = OciDescriptor {
                digest: digest(file.sha256),
                size: i64::try_from(file.size_bytes).unwrap_or(i64::MAX),
                ..OciDescriptor::default()
            };
            let image = self.image(LATEST);
            self.timed(file.size_bytes, async {
                let sized = match self.client.pull_blob_stream(&image, &descriptor).await {
                    Ok(sized) => sized,
                    Err(error) => return Ok(Err(error)),
                };
                let mut pieces = sized.stream;
                while let Some(piece) = pieces.next().await {
                    match piece {
                        Ok(piece) => receiver.write(&piece)?,
                        Err(error) => return Ok(Err(OciDistributionError::IoError(error))),
                    }
                }
                Ok(Ok(()))
            })?;
            let got = receiver.finish().map_err(Failure::Own)?;
            match got == *file {
                true => Ok(Some(got)),
                false => Err(Failure::Own(Error::failed(format!(
                    "{what}: the manifest says {} ({} bytes), and {} ({} bytes) came",
                    file.sha256, file.size_bytes, got.sha256, got.size_bytes
                )))),
            }
        })
    }

    /// See [`Store::list`](super::Store::list).
    pub fn list(&self, release: &str) -> Result<Vec<Listed>> {
        let files = self.newest_of(release)?.map(|found| found.release.files).unwrap_or_default();
        let listed = files.into_iter();
        Ok(listed.map(|(name, file)| Listed { name, size_bytes: file.size_bytes }).collect())
    }

    /// See [`Store::put`](super::Store::put).
    pub fn put(&self, release: &str, name: &str, from: &Path, expected: SizedSha256) -> Result<Put> {
        let there = Sha256::of_file(from).map_err(|error| Error::failed(error.to_string()))?;
        if there != expected {
            return Err(super::changed(from, expected, there));
        }
        let compare = |files: &Release, put: Put| match files.files.get(name) {
            Some(there) if *there == expected => Some(Ok(put)),
            Some(there) => Some(Err(other_bytes(&self.to_string(), release, name, *there, expected))),
            None => None,
        };
        if let Some(found) = self.newest_of(release)? {
            if let Some(result) = compare(&found.release, Put::AlreadyThere) {
                return result;
            }
            if found.release.pointer.is_some() {
                return Err(Error::failed(format!("{self} has published release {release}, without {name}"))
                    .help("publish it as the next revision, with --release"));
            }
        }
        let what = format!("cannot put {name} into release {release} of {self}");
        self.push_blob(&what, expected, || File::open(from).or_io("read", from))?;
        self.push_empty(&what)?;
        // As late as possible, since the registry takes whatever comes.
        let draft = draft_tag(release)?;
        let mut files = self.find(&draft)?.map(|found| found.release).unwrap_or_default();
        if let Some(result) = compare(&files, Put::AlreadyThere) {
            return result;
        }
        files.files.insert(name.to_owned(), expected);
        self.push_manifest(&what, &draft, &files)?;
        let after = self.find(&draft)?.map(|found| found.release).unwrap_or_default();
        compare(&after, Put::Stored).unwrap_or_else(|| {
            Err(Error::failed(format!("{what}: another publisher writes the same draft"))
                .help("let one publisher work at a time; the same command goes on"))
        })
    }

    /// See [`Store::commit`](super::Store::commit).
    pub fn commit(&self, pointer: &Pointer, replacing: Option<&Version>) -> Result<()> {
        let name = &pointer.release;
        let what = format!("cannot commit release {name} to {self}");
        let lost = |there: Option<&(Pointer, Version)>| {
            Err(lost_update(&self.to_string(), pointer, there.map(|(pointer, _)| pointer)))
        };
        let there = self.latest()?;
        if there.as_ref().is_some_and(|(there, _)| there == pointer) {
            return Ok(());
        }
        if there.as_ref().map(|(_, version)| version) != replacing {
            return lost(there.as_ref());
        }
        let Some(found) = self.newest_of(name)? else {
            return Err(Error::failed(format!("{what}: nothing has been put into it")));
        };
        let release = Release { files: found.release.files, pointer: Some(pointer.clone()) };
        match &found.release.pointer {
            // The publisher was killed right before the last step.
            Some(there) if there == pointer => {}
            Some(there) => {
                let number = there.number;
                return Err(Error::failed(format!("{self} has published release {name} as number {number}"))
                    .help("publish it as the next revision, with --release"));
            }
            None => self.push_manifest(&what, name, &release)?,
        }
        let there = self.latest()?;
        if there.as_ref().map(|(_, version)| version) != replacing {
            return lost(there.as_ref());
        }
        self.push_manifest(&what, LATEST, &release)?;
        match self.latest()? {
            Some((there, _)) if there == *pointer => Ok(()),
            there => lost(there.as_ref()),
        }
    }

    /// The manifest of a release that is published, or else of its draft.
    fn newest_of(&self, release: &str) -> Result<Option<Found>> {
        match self.find(release)? {
            Some(found) => Ok(Some(found)),
            None => self.find(&draft_tag(release)?),
        }
    }

    fn find(&self, tag: &str) -> Result<Option<Found>> {
        let what = format!("cannot read {tag} of {self}");
        let image = self.image(tag);
        let pulled = self.repeated(&what, |_| {
            let auth = self.login.auth();
            let pulled = self.timed(0, async {
                Ok(self.client.pull_manifest_raw(&image, &auth, &[OCI_IMAGE_MEDIA_TYPE]).await)
            });
            match pulled {
                Err(Failure::Oci(error)) if is_not_found(&error) => Ok(None),
                pulled => pulled.map(Some),
            }
        })?;
        let Some((json, _)) = pulled else { return Ok(None) };
        let release = Release::from_json(&json, &format!("{tag} of {self}"))?;
        Ok(Some(Found { release, digest: digest(Sha256::of_bytes(&json)) }))
    }

    /// Gives a manifest a tag; after an answer that says nothing, what is there decides.
    fn push_manifest(&self, what: &str, tag: &str, release: &Release) -> Result<()> {
        let json = release.to_json();
        let expected = digest(Sha256::of_bytes(&json));
        let image = self.image(tag);
        self.repeated(what, |attempt| {
            if attempt > 1
                && self.find(tag).map_err(Failure::Own)?.is_some_and(|found| found.digest == expected)
            {
                return Ok(());
            }
            let media_type = oci_type();
            self.timed(json.len() as u64, async {
                self.log_in(&image).await?;
                Ok(self.client.push_manifest_raw(&image, json.clone(), media_type).await.map(drop))
            })
        })
    }

    fn push_empty(&self, what: &str) -> Result<()> {
        let empty = SizedSha256 { size_bytes: EMPTY.len() as u64, sha256: Sha256::of_bytes(EMPTY) };
        self.push_blob(what, empty, || Ok(EMPTY))
    }

    /// Uploads bytes that the registry has not. It checks their digest itself before it has them.
    fn push_blob<R: std::io::Read + Send + 'static>(
        &self,
        what: &str,
        expected: SizedSha256,
        open: impl Fn() -> Result<R>,
    ) -> Result<()> {
        let digest = digest(expected.sha256);
        let image = self.image(LATEST);
        self.repeated(what, |_| {
            let reader = open().map_err(Failure::Own)?.take(expected.size_bytes);
            self.timed(expected.size_bytes, async {
                self.log_in(&image).await?;
                // Also after an attempt that failed: it may have been stored all the same.
                match self.client.blob_exists(&image, &digest).await {
                    Ok(false) => {}
                    Ok(true) => return Ok(Ok(())),
                    Err(error) => return Ok(Err(error)),
                }
                let pieces = stream::iter(Pieces(reader));
                let size = Some(expected.size_bytes);
                Ok(self.client.push_blob_stream(&image, pieces, &digest, size).await.map(drop))
            })
        })
    }

    async fn log_in(&self, image: &Reference) -> Result<()> {
        let auth = self.login.auth();
        self.client.store_auth_if_needed(image.resolve_registry(), &auth).await;
        Ok(())
    }

    /// Repeats what a network or a registry in trouble has failed.
    fn repeated<T>(&self, what: &str, work: impl Fn(u32) -> Result<T, Failure>) -> Result<T> {
        let mut attempt = 1;
        loop {
            let failure = match work(attempt) {
                Ok(done) => return Ok(done),
                Err(failure) => failure,
            };
            attempt += 1;
            if attempt > self.limits.attempts || !failure.may_pass() {
                return Err(self.error(what, failure));
            }
            remote::wait(self.limits.wait_before(attempt))?;
        }
    }

    fn timed<T>(
        &self,
        size_bytes: u64,
        work: impl Future<Output = Result<Result<T, OciDistributionError>>>,
    ) -> Result<T, Failure> {
        match self.runner.run(self.limits.time_for(size_bytes), work) {
            Ok(Some(Ok(Ok(done)))) => Ok(done),
            Ok(Some(Ok(Err(error)))) => Err(Failure::Oci(error)),
            Ok(Some(Err(error))) | Err(error) => Err(Failure::Own(error)),
            Ok(None) => Err(Failure::Late),
        }
    }

    fn error(&self, what: &str, failure: Failure) -> Error {
        match failure {
            Failure::Own(error) => error,
            Failure::Late => Error::failed(format!("{what}: no answer in time")),
            Failure::Oci(error) => {
                let is_refused = is_refused(&error);
                let said = remote::presentable(&said(error), &self.secrets);
                let error = Error::failed(format!("{what}: {said}"));
                match is_refused {
                    true => error.help(
                        "set LIBV8_REGISTRY_USER and LIBV8_REGISTRY_PASSWORD, or LIBV8_REGISTRY_TOKEN, or docker login",
                    ),
                    false => error,
                }
            }
        }
    }

    fn image(&self, tag: &str) -> Reference {
        Reference::with_tag(self.host.clone(), self.name.clone(), tag.to_owned())
    }
}

impl std::fmt::Debug for Oci {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Oci({self})")
    }
}

impl std::fmt::Display for Oci {
    /// As `--to` takes it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "oci://{}/{}", self.host, self.name)
    }
}

fn draft_tag(release: &str) -> Result<String> {
    let tag = format!("draft-{release}");
    super::checked(&[&tag])?;
    Ok(tag)
}

fn oci_type() -> http::HeaderValue {
    http::HeaderValue::from_static(OCI_IMAGE_MEDIA_TYPE)
}

/// A reader's bytes as a stream has them.
struct Pieces<R>(R);

impl<R: std::io::Read> Iterator for Pieces<R> {
    type Item = oci_client::errors::Result<bytes::Bytes>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut piece = Vec::new();
        match (&mut self.0).take(1 << 18).read_to_end(&mut piece) {
            Ok(0) => None,
            Ok(_) => Some(Ok(piece.into())),
            Err(error) => Some(Err(error.into())),
        }
    }
}

#[cfg(test)]
#[path = "oci_tests.rs"]
mod tests;
