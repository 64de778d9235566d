//! GitHub Releases as a store: a release is a draft until it is committed, its files are assets.
//!
//! GitHub gives a name to one asset of a release only, so a put cannot overwrite. It cannot publish a release on condition
//! that another still is the newest: [`GitHub::commit`] looks right before and right after. Of two publishers that pass
//! both looks within the same instants, the later one is the newest, and both releases are there, whole.

mod rest;

use std::io::Read as _;
use std::path::Path;

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use v8_archive::Sha256;
use v8_archive::digest::SizedSha256;

use super::pointer::MAX_POINTER_BYTES;
use super::remote::{Limits, Secret};
use super::{Listed, POINTER_FILE, Pointer, Put, Receiver, Version, lost_update, other_bytes};
use crate::env;
use crate::error::{Error, IoContext as _, Result};
use rest::{Content, Failure, Request, Rest};

/// A repository of GitHub, of a GitHub Enterprise server, or of a test.
#[derive(Debug)]
pub struct GitHub {
    rest: Rest,
    owner: String,
    repository: String,
    /// Where browsers and consumers go.
    site: String,
}

/// As much of a release as is needed.
#[derive(Debug, Clone, Deserialize)]
struct Release {
    id: u64,
    tag_name: String,
    draft: bool,
    upload_url: String,
}

/// As much of an asset as is needed.
#[derive(Debug, Clone, Deserialize)]
struct Asset {
    id: u64,
    name: String,
    /// `uploaded`, or what an interrupted upload has left.
    state: String,
    size: u64,
    /// `sha256:…`, where the server is new enough to say it.
    digest: Option<String>,
}

/// More pages than any repository of archives has.
const MAX_PAGES: u32 = 50;

impl GitHub {
    /// With `GITHUB_API_URL`, and the token of `GITHUB_TOKEN` or `GH_TOKEN`, or of the file `GITHUB_TOKEN_FILE` names.
    pub fn open(owner: &str, repository: &str) -> Result<GitHub> {
        let text = |value: Option<std::ffi::OsString>| value.and_then(|value| value.into_string().ok());
        let token = match (text(env::github_token()), env::github_token_file()) {
            (Some(token), None) => Some(Secret::new(&token)),
            (None, Some(file)) => Some(Secret::new(&std::fs::read_to_string(&file).or_io("read", &file)?)),
            (Some(_), Some(_)) => {
                return Err(Error::usage("a token and GITHUB_TOKEN_FILE are both set")
                    .help("unset GITHUB_TOKEN_FILE, or GITHUB_TOKEN and GH_TOKEN"));
            }
            (None, None) => None,
        };
        let base = text(env::github_api_url()).unwrap_or_else(|| "https://api.github.com".to_owned());
        GitHub::at(&base, token, owner, repository, Limits::default())
    }

    /// At this address of the interface.
    pub fn at(
        base: &str,
        token: Option<Secret>,
        owner: &str,
        repository: &str,
        limits: Limits,
    ) -> Result<GitHub> {
        let base = base.trim_end_matches('/');
        let site = match base {
            "https://api.github.com" => "https://github.com",
            // GitHub Enterprise.
            other => other.strip_suffix("/api/v3").unwrap_or(other),
        };
        Ok(GitHub {
            rest: Rest::new(base, token, limits)?,
            owner: owner.to_owned(),
            repository: repository.to_owned(),
            site: site.to_owned(),
        })
    }

    /// `owner/repository`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.owner, self.repository)
    }

    /// See [`Store::latest`](super::Store::latest). The version is the release's number at GitHub.
    pub fn latest(&self) -> Result<Option<(Pointer, Version)>> {
        let Some(release) = self.release(&Request::get(&self.path("/releases/latest")))? else {
            return Ok(None);
        };
        let Some(pointer) = self.pointer(&release)? else {
            return Err(Error::failed(format!(
                "the newest release of {} is {}, which has no {POINTER_FILE}: it is none of this tool's",
                self.name(),
                release.tag_name
            ))
            .help("publish to a repository that has no releases but these"));
        };
        Ok(Some((pointer, Version(release.id.to_string()))))
    }

    /// See [`Store::read`](super::Store::read).
    pub fn read(&self, release: &str, name: &str, to: &Path, max_bytes: u64) -> Result<Option<SizedSha256>> {
        let Some(found) = self.find(release)? else { return Ok(None) };
        let Some(asset) = self.whole_asset(&found, name)? else { return Ok(None) };
        self.download(&asset, to, max_bytes).map(Some)
    }

    /// See [`Store::list`](super::Store::list).
    pub fn list(&self, release: &str) -> Result<Vec<Listed>> {
        let Some(found) = self.find(release)? else { return Ok(Vec::new()) };
        let assets = self.assets(&found)?.into_iter().filter(|asset| asset.is_whole());
        let listed = assets.map(|asset| Listed { name: asset.name, size_bytes: asset.size });
        // Its pointer is no file of a release, here as elsewhere.
        Ok(listed.filter(|listed| listed.name != POINTER_FILE).collect())
    }

    /// See [`Store::put`](super::Store::put).
    pub fn put(&self, release: &str, name: &str, from: &Path, expected: SizedSha256) -> Result<Put> {
        let there = Sha256::of_file(from).map_err(|error| Error::failed(error.to_string()))?;
        if there != expected {
            return Err(super::changed(from, expected, there));
        }
        let draft = match self.find(release)? {
            Some(found) => found,
            None => self.create_draft(release)?,
        };
        let content = || Content::File(from.to_owned(), expected.size_bytes);
        self.upload(&draft, name, content, expected)
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
        let name = &pointer.release;
        let Some(release) = self.find(name)? else {
            return Err(Error::failed(format!(
                "{self} has no draft of release {name}: nothing has been put into it"
            )));
        };
        if !release.draft && self.pointer(&release)?.as_ref() != Some(pointer) {
            return Err(Error::failed(format!("{self} has published another release {name}"))
                .help("publish it as the next revision, with --release"));
        }
        if release.draft {
            self.put_pointer(&release, pointer)?;
            // That took a moment or two.
            let there = self.latest()?;
            if there.as_ref().map(|(_, version)| version) != replacing {
                return lost(there.as_ref());
            }
        }
        let publish = json!({ "draft": false, "prerelease": false, "make_latest": "true", "tag_name": name });
        let url = self.path(&format!("/releases/{}", release.id));
        let published = self.rest.ask(&Request::json(Method::PATCH, &url, publish));
        // Whatever the answer was: what is there now decides.
        match (self.latest()?, published) {
            (Some((there, _)), _) if there == *pointer => Ok(()),
            (_, Err(failure)) => Err(failure.into_error(&format!("cannot publish release {name} of {self}"))),
            (there, Ok(_)) => lost(there.as_ref()),
        }
    }

    /// Of published releases; drafts have none.
    pub fn origin(&self) -> String {
        format!("{}/{}/{}/releases/download/{{release}}/{{name}}", self.site, self.owner, self.repository)
    }

    /// Puts the pointer into a draft, in the place of one that a publisher has left who was then too late.
    fn put_pointer(&self, draft: &Release, pointer: &Pointer) -> Result<()> {
        let json = pointer.to_json();
        let expected =
            SizedSha256 { size_bytes: json.len() as u64, sha256: Sha256::of_bytes(json.as_bytes()) };
        if let Some(old) = self.assets(draft)?.into_iter().find(|asset| asset.name == POINTER_FILE) {
            if old.is_whole() && self.pointer(draft)?.as_ref() == Some(pointer) {
                return Ok(());
            }
            self.delete(&old)?;
        }
        let content = || Content::Bytes(json.clone().into_bytes());
        self.upload(draft, POINTER_FILE, content, expected).map(drop)
    }

    /// Gives a release a file. What an interrupted upload has left of it is removed; after an answer that says nothing,
    /// what is there decides.
    fn upload(
        &self,
        release: &Release,
        name: &str,
        content: impl Fn() -> Content,
        expected: SizedSha256,
    ) -> Result<Put> {
        let what = format!("cannot upload {name} to release {} of {self}", release.tag_name);
        let mut last = None;
        let mut sent = false;
        for attempt in 1..=self.rest.limits.attempts {
            if attempt > 1 {
                super::remote::wait(self.rest.limits.wait_before(attempt))?;
            }
            match self.assets(release)?.into_iter().find(|asset| asset.name == name) {
                Some(asset) if asset.is_whole() => {
                    let there = self.digest_of(&asset)?;
                    return match there == expected {
                        true if sent => Ok(Put::Stored),
                        true => Ok(Put::AlreadyThere),
                        false => {
                            Err(other_bytes(&self.to_string(), &release.tag_name, name, there, expected))
                        }
                    };
                }
                Some(half) => self.delete(&half)?,
                None => {}
            }
            if !release.draft {
                return Err(Error::failed(format!("{what}: it is published, and has no such file")));
            }
            // "https://…/assets{?name,label}".
            let base = release.upload_url.split('{').next().unwrap_or_default();
            let url = format!("{base}?name={name}");
            match self.rest.ask(&Request { method: Method::POST, url, content: content() }) {
                Ok(answer) => {
                    let asset: Asset = parsed(answer.json, &what)?;
                    if asset.name == name && asset.is_whole() && asset.size == expected.size_bytes {
                        return Ok(Put::Stored);
                    }
                    last = Some(Error::failed(format!(
                        "{what}: GitHub has made of it {} with {} bytes, {}",
                        asset.name, asset.size, asset.state
                    )));
                    self.delete(&asset)?;
                }
                // Another publisher, or an attempt of ours whose answer was lost.
                Err(failure) if failure.is_already_exists() => last = Some(failure.into_error(&what)),
                Err(failure @ Failure::Unknown(_)) => {
                    sent = true;
                    last = Some(failure.into_error(&what));
                }
                // The draft was another publisher's twin of one, and is gone.
                Err(failure) => return Err(failure.into_error(&what)),
            }
        }
        Err(last.unwrap_or_else(|| Error::failed(what)))
    }

    /// Creates a draft, unless another publisher does so at the same time: then the older one is everybody's.
    fn create_draft(&self, release: &str) -> Result<Release> {
        if !self.rest.has_token() {
            return Err(Error::usage(format!("{self} is written with a token only"))
                .help("set GITHUB_TOKEN or GH_TOKEN, or GITHUB_TOKEN_FILE to a file that holds it"));
        }
        let what = format!("cannot draft release {release} of {self}");
        let body = json!({
            "tag_name": release, "name": format!("V8 {release}"), "draft": true,
            "body": "Static libraries of V8. `index.json` says what is in this release; `index.json.minisig` signs it.",
        });
        let request = Request::json(Method::POST, &self.path("/releases"), body);
        let created: Option<Release> = match self.rest.ask(&request) {
            Ok(answer) => Some(parsed(answer.json, &what)?),
            // It may be there all the same.
            Err(failure @ Failure::Unknown(_)) => {
                if self.find(release)?.is_none() {
                    return Err(failure.into_error(&what));
                }
                None
            }
            Err(failure) => return Err(failure.into_error(&what)),
        };
        let oldest = self.find(release)?.or_else(|| created.clone());
        let oldest = oldest.ok_or_else(|| Error::failed(format!("{what}: GitHub does not show it")))?;
        if let Some(twin) = created.filter(|created| created.id != oldest.id) {
            let url = self.path(&format!("/releases/{}", twin.id));
            match self.rest.ask(&Request::delete(&url)) {
                Err(failure) if !failure.is_not_found() => return Err(failure.into_error(&what)),
                _ => {}
            }
        }
        Ok(oldest)
    }

    /// The published release of this name, or else its oldest draft.
    fn find(&self, release: &str) -> Result<Option<Release>> {
        let published = self.release(&Request::get(&self.path(&format!("/releases/tags/{release}"))))?;
        if published.is_some() || !self.rest.has_token() {
            return Ok(published);
        }
        // Drafts have no address but their number.
        let all: Vec<Release> = self.all(&self.path("/releases?per_page=100"))?;
        let mut ours: Vec<Release> = all.into_iter().filter(|one| one.tag_name == release).collect();
        ours.sort_by_key(|one| (one.draft, one.id));
        Ok(ours.into_iter().next())
    }

    fn release(&self, request: &Request) -> Result<Option<Release>> {
        match self.rest.ask(request) {
            Ok(answer) => parsed(answer.json, &self.to_string()).map(Some),
            Err(failure) if failure.is_not_found() => Ok(None),
            Err(failure) => Err(failure.into_error(&format!("cannot read releases of {self}"))),
        }
    }

    fn assets(&self, release: &Release) -> Result<Vec<Asset>> {
        self.all(&self.path(&format!("/releases/{}/assets?per_page=100", release.id)))
    }

    fn whole_asset(&self, release: &Release, name: &str) -> Result<Option<Asset>> {
        let mut assets = self.assets(release)?.into_iter();
        Ok(assets.find(|asset| asset.name == name && asset.is_whole()))
    }

    /// All pages of a list.
    fn all<T: for<'a> Deserialize<'a>>(&self, path: &str) -> Result<Vec<T>> {
        let what = format!("cannot list what {self} has");
        let (mut found, mut next) = (Vec::new(), Some(path.to_owned()));
        for _ in 0..MAX_PAGES {
            let Some(url) = next else { return Ok(found) };
            let answer = self.rest.ask(&Request::get(&url)).map_err(|failure| failure.into_error(&what))?;
            found.extend(parsed::<Vec<T>>(answer.json, &what)?);
            next = answer.next;
        }
        Err(Error::failed(format!("{what}: it has more than {MAX_PAGES} pages")))
    }

    fn pointer(&self, release: &Release) -> Result<Option<Pointer>> {
        let Some(asset) = self.whole_asset(release, POINTER_FILE)? else { return Ok(None) };
        let bytes = self.bytes(&asset, MAX_POINTER_BYTES)?;
        let pointer = Pointer::from_json(&bytes, &format!("{POINTER_FILE} of {self}"))?;
        Ok(Some(pointer).filter(|pointer| pointer.release == release.tag_name))
    }

    fn digest_of(&self, asset: &Asset) -> Result<SizedSha256> {
        let said = asset.digest.as_deref().and_then(|digest| digest.strip_prefix("sha256:")?.parse().ok());
        if let Some(sha256) = said {
            return Ok(SizedSha256 { size_bytes: asset.size, sha256 });
        }
        // An older server does not say it.
        let (response, what) = self.response(asset)?;
        Sha256::of_reader(response).map_err(|error| Error::failed(format!("{what}: {error}")))
    }

    fn download(&self, asset: &Asset, to: &Path, max_bytes: u64) -> Result<SizedSha256> {
        let mut attempt = 1;
        loop {
            let mut receiver = Receiver::new(to, max_bytes)?;
            let (mut response, what) = self.response(asset)?;
            let mut chunk = vec![0; 64 * 1024];
            let broken = loop {
                match response.read(&mut chunk) {
                    Ok(0) => break None,
                    Ok(count) => receiver.write(&chunk[..count])?,
                    Err(error) => break Some(error),
                }
                super::remote::stop_if_wanted()?;
            };
            match broken {
                None => return receiver.finish(),
                Some(error) if attempt >= self.rest.limits.attempts => {
                    return Err(Error::failed(format!("{what}: {}", super::remote::whole(&error))));
                }
                Some(_) => attempt += 1,
            }
            super::remote::wait(self.rest.limits.wait_before(attempt))?;
        }
    }

    fn bytes(&self, asset: &Asset, max_bytes: u64) -> Result<Vec<u8>> {
        let (response, what) = self.response(asset)?;
        let mut bytes = Vec::new();
        let read = response.take(max_bytes + 1).read_to_end(&mut bytes);
        read.map_err(|error| Error::failed(format!("{what}: {error}")))?;
        match bytes.len() as u64 > max_bytes {
            true => Err(Error::failed(format!("{what} is longer than the {max_bytes} bytes it may have"))),
            false => Ok(bytes),
        }
    }

    fn response(&self, asset: &Asset) -> Result<(reqwest::blocking::Response, String)> {
        let what = format!("{} of {self}", asset.name);
        let path = self.path(&format!("/releases/assets/{}", asset.id));
        let response = self.rest.download(&path, asset.size);
        Ok((response.map_err(|failure| failure.into_error(&what))?, what))
    }

    fn delete(&self, asset: &Asset) -> Result<()> {
        match self.rest.ask(&Request::delete(&self.path(&format!("/releases/assets/{}", asset.id)))) {
            Err(failure) if !failure.is_not_found() => {
                Err(failure.into_error(&format!("cannot remove what is left of {} from {self}", asset.name)))
            }
            _ => Ok(()),
        }
    }

    fn path(&self, rest: &str) -> String {
        format!("/repos/{}/{}{rest}", self.owner, self.repository)
    }
}

impl std::fmt::Display for GitHub {
    /// As `--to` takes it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "github:{}/{}", self.owner, self.repository)
    }
}

impl Asset {
    fn is_whole(&self) -> bool {
        self.state == "uploaded"
    }
}

fn parsed<T: for<'a> Deserialize<'a>>(json: serde_json::Value, what: &str) -> Result<T> {
    serde_json::from_value(json)
        .map_err(|error| Error::failed(format!("{what}: GitHub's answer is not understood: {error}")))
}

#[cfg(test)]
#[path = "github_tests.rs"]
mod tests;
