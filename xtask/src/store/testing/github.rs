//! GitHub's releases as their documentation describes them: drafts, assets and their states, pages, uploads to a host of
//! their own, downloads from another, refusals. Faults are asked for by name.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use v8_archive::Sha256;

use super::{Answer, Request, listen, port};

/// What goes wrong once, with the first request that fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// An asset is left in the state `starter`, with a 502.
    Starter,
    /// What was asked is done, and the answer is a 502.
    DoneAnd502,
    /// Nothing is done.
    Refused(Answer),
}

impl PartialEq for Answer {
    fn eq(&self, other: &Answer) -> bool {
        self.status == other.status && self.headers == other.headers && self.body == other.body
    }
}

impl Eq for Answer {}

/// Trouble for requests of this method, whose target contains this.
pub type Rule = (&'static str, &'static str, Trouble);

/// GitHub, with one repository `o/r`.
pub struct GitHub {
    /// Of the interface.
    pub port: u16,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    uploads: u16,
    storage: u16,
    interface: u16,
    page: usize,
    says_digests: bool,
    next_id: u64,
    releases: Vec<Release>,
    newest: Option<u64>,
    troubles: Vec<Rule>,
    log: Vec<String>,
    faults: Vec<String>,
}

struct Release {
    id: u64,
    tag: String,
    is_draft: bool,
    assets: Vec<Asset>,
}

struct Asset {
    id: u64,
    name: String,
    state: &'static str,
    bytes: Vec<u8>,
}

/// The only one that may write, and see drafts.
pub const TOKEN: &str = "ghp_0123456789abcdefSECRET";

impl GitHub {
    /// Lists have so many entries on a page; a server that is older does not say digests.
    pub fn start(page: usize, says_digests: bool) -> GitHub {
        let ((interface, port_of_interface), (uploads, port_of_uploads), (storage, port_of_storage)) =
            (port(), port(), port());
        let state = Arc::new(Mutex::new(State {
            uploads: port_of_uploads,
            storage: port_of_storage,
            interface: port_of_interface,
            page,
            says_digests,
            next_id: 100,
            ..State::default()
        }));
        let on = |listener: TcpListener, answer: fn(&mut State, &Request, bool) -> Answer| {
            let state = Arc::clone(&state);
            listen(listener, move |request| {
                let state = &mut *state.lock().unwrap();
                state.log.push(format!("{} {}", request.method, request.target));
                let with_token = match request.header("authorization") {
                    None => false,
                    Some(value) if value == format!("Bearer {TOKEN}") => true,
                    Some(other) => {
                        // As a careless server would: it repeats what it was sent.
                        let message = format!("Bad credentials: {other}");
                        return Some(json_answer(401, &json!({ "message": message })));
                    }
                };
                Some(answer(state, &request, with_token))
            });
        };
        on(interface, State::interface);
        on(uploads, State::upload);
        on(storage, State::download);
        GitHub { port: port_of_interface, state }
    }

    /// Something goes wrong from now on.
    pub fn trouble(&self, rules: &[Rule]) {
        self.state.lock().unwrap().troubles.extend_from_slice(rules);
    }

    /// Requests so far, and no more: the next call has only later ones.
    pub fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().log)
    }

    /// What a client did that GitHub's documentation forbids, and troubles that nobody has met.
    pub fn faults(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        let unmet = state.troubles.iter().map(|rule| format!("not met: {rule:?}"));
        state.faults.iter().cloned().chain(unmet).collect()
    }

    /// Half an upload of another's.
    pub fn leave_starter(&self, release: &str, name: &str) {
        let mut state = self.state.lock().unwrap();
        let id = state.id();
        let release = state.releases.iter_mut().find(|one| one.tag == release).unwrap();
        release.assets.push(Asset { id, name: name.to_owned(), state: "starter", bytes: Vec::new() });
    }

    /// Releases of this name: number and whether it is a draft.
    pub fn releases(&self, name: &str) -> Vec<(u64, bool)> {
        let state = self.state.lock().unwrap();
        let found = state.releases.iter().filter(|release| release.tag == name);
        found.map(|release| (release.id, release.is_draft)).collect()
    }

    /// Another's release, without anything of ours in it.
    pub fn publish_other(&self, tag: &str, is_draft: bool) {
        let mut state = self.state.lock().unwrap();
        let id = state.id();
        state.releases.push(Release { id, tag: tag.to_owned(), is_draft, assets: Vec::new() });
        if !is_draft {
            state.newest = Some(id);
        }
    }
}

impl State {
    fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn trouble_for(&mut self, request: &Request) -> Option<Trouble> {
        let fits = |(method, part, _): &Rule| *method == request.method && request.target.contains(part);
        let at = self.troubles.iter().position(fits)?;
        Some(self.troubles.remove(at).2)
    }

    fn interface(&mut self, request: &Request, with_token: bool) -> Answer {
        let trouble = self.trouble_for(request);
        if let Some(Trouble::Refused(answer)) = trouble {
            return answer;
        }
        let answer = self.answer(request, with_token);
        match trouble {
            Some(Trouble::DoneAnd502) => Answer::new(502, "<html>Bad Gateway</html>"),
            _ => answer,
        }
    }

    fn answer(&mut self, request: &Request, with_token: bool) -> Answer {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        let Some(path) = path.strip_prefix("/repos/o/r/releases") else { return not_found() };
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        if request.method != "GET" && !with_token {
            return json_answer(401, &json!({ "message": "Requires authentication" }));
        }
        if request.header("user-agent").is_none() {
            self.faults.push(format!("no user agent: {}", request.target));
        }
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let visible = |release: &Release| with_token || !release.is_draft;
        match (request.method.as_str(), parts.as_slice()) {
            ("GET", []) => {
                let shown = self.releases.iter().rev().filter(|release| visible(release));
                let shown = shown.map(|release| self.release_json(release)).collect();
                self.page("", query, shown)
            }
            ("GET", ["latest"]) => {
                let newest = self.releases.iter().find(|release| Some(release.id) == self.newest);
                newest.map_or_else(not_found, |release| json_answer(200, &self.release_json(release)))
            }
            ("GET", ["tags", tag]) => {
                let found = self.releases.iter().find(|release| release.tag == *tag && !release.is_draft);
                found.map_or_else(not_found, |release| json_answer(200, &self.release_json(release)))
            }
            ("POST", []) => self.create(&body),
            ("PATCH", [id]) => self.edit(id, &body),
            ("DELETE", [id]) => {
                let before = self.releases.len();
                self.releases.retain(|release| release.id.to_string() != *id);
                if self.releases.len() == before { not_found() } else { Answer::new(204, "") }
            }
            ("GET", [id, "assets"]) => {
                let found =
                    self.releases.iter().find(|release| release.id.to_string() == *id && visible(release));
                let Some(release) = found else { return not_found() };
                let assets = release.assets.iter().map(|asset| self.asset_json(asset)).collect();
                self.page(path, query, assets)
            }
            ("GET", ["assets", id]) => {
                let mut assets =
                    self.releases.iter().filter(|release| visible(release)).flat_map(|one| &one.assets);
                let Some(asset) = assets.find(|asset| asset.id.to_string() == *id) else {
                    return not_found();
                };
                if request.header("accept") == Some("application/octet-stream") {
                    let to = format!("http://127.0.0.1:{}/blob/{}?sig=x", self.storage, asset.id);
                    return Answer::new(302, "").with("location", to);
                }
                json_answer(200, &self.asset_json(asset))
            }
            ("DELETE", ["assets", id]) => {
                for release in &mut self.releases {
                    let before = release.assets.len();
                    release.assets.retain(|asset| asset.id.to_string() != *id);
                    if release.assets.len() != before {
                        if !release.is_draft {
                            self.faults
                                .push(format!("an asset of the published {} was removed", release.tag));
                        }
                        return Answer::new(204, "");
                    }
                }
                not_found()
            }
            _ => not_found(),
        }
    }

    fn create(&mut self, body: &Value) -> Answer {
        let tag = body["tag_name"].as_str().unwrap().to_owned();
        let is_draft = body["draft"] == true;
        if self.releases.iter().any(|release| release.tag == tag && !release.is_draft) {
            return already_exists("Release", "tag_name");
        }
        let release = Release { id: self.id(), tag, is_draft, assets: Vec::new() };
        let json = self.release_json(&release);
        self.releases.push(release);
        json_answer(201, &json)
    }

    fn edit(&mut self, id: &str, body: &Value) -> Answer {
        let Some(at) = self.releases.iter().position(|release| release.id.to_string() == id) else {
            return not_found();
        };
        let tag = self.releases[at].tag.clone();
        let is_other = |release: &Release| release.tag == tag && !release.is_draft;
        if body["draft"] == false {
            if self.releases.iter().enumerate().any(|(other, release)| other != at && is_other(release)) {
                return already_exists("Release", "tag_name");
            }
            self.releases[at].is_draft = false;
        }
        if body["make_latest"] == "true" {
            self.newest = Some(self.releases[at].id);
        }
        json_answer(200, &self.release_json(&self.releases[at]))
    }

    fn upload(&mut self, request: &Request, with_token: bool) -> Answer {
        if !with_token {
            return json_answer(401, &json!({ "message": "Requires authentication" }));
        }
        let trouble = self.trouble_for(request);
        if let Some(Trouble::Refused(answer)) = trouble {
            return answer;
        }
        if request.header("content-length").is_none() || request.header("content-type").is_none() {
            return json_answer(400, &json!({ "message": "Bad Content-Length or Content-Type" }));
        }
        let Some((path, name)) = request.target.split_once("?name=") else { return not_found() };
        let id = path.trim_start_matches("/repos/o/r/releases/").trim_end_matches("/assets");
        let new = self.id();
        let Some(release) = self.releases.iter_mut().find(|release| release.id.to_string() == id) else {
            return not_found();
        };
        if release.assets.iter().any(|asset| asset.name == name) {
            return already_exists("ReleaseAsset", "name");
        }
        if !release.is_draft {
            self.faults.push(format!("{name} was added to the published {}", release.tag));
        }
        let is_half = trouble == Some(Trouble::Starter);
        let bytes = if is_half { Vec::new() } else { request.body.clone() };
        let state = if is_half { "starter" } else { "uploaded" };
        let asset = Asset { id: new, name: name.to_owned(), state, bytes };
        release.assets.push(asset);
        let asset = self.releases.iter().flat_map(|release| &release.assets).find(|asset| asset.id == new);
        match trouble {
            Some(_) => Answer::new(502, "<html>Bad Gateway</html>"),
            None => json_answer(201, &self.asset_json(asset.unwrap())),
        }
    }

    /// A storage of another company, which knows no token of GitHub's.
    fn download(&mut self, request: &Request, with_token: bool) -> Answer {
        if with_token || request.header("authorization").is_some() {
            self.faults.push(format!("the token came along to {}", request.target));
            return Answer::new(400, "Only one auth mechanism allowed");
        }
        let trouble = self.trouble_for(request);
        if let Some(Trouble::Refused(answer)) = trouble {
            return answer;
        }
        let id = request.target.trim_start_matches("/blob/").trim_end_matches("?sig=x");
        let mut assets = self.releases.iter().flat_map(|release| &release.assets);
        match assets.find(|asset| asset.id.to_string() == id && asset.state == "uploaded") {
            Some(asset) => Answer::new(200, asset.bytes.clone()),
            None => not_found(),
        }
    }

    fn page(&self, path: &str, query: &str, all: Vec<Value>) -> Answer {
        let number = query.split('&').find_map(|pair| pair.strip_prefix("page=")?.parse().ok()).unwrap_or(1);
        let wanted = query.split('&').find_map(|pair| pair.strip_prefix("per_page=")?.parse().ok());
        let size = wanted.unwrap_or(30).min(self.page);
        let shown: Vec<Value> = all.iter().skip((number - 1) * size).take(size).cloned().collect();
        let answer = json_answer(200, &Value::Array(shown));
        if number * size >= all.len() {
            return answer;
        }
        let url = format!("http://127.0.0.1:{}/repos/o/r/releases{path}", self.interface);
        let next = format!("{url}?per_page={size}&page={}", number + 1);
        answer.with("link", format!("<{url}?page=1>; rel=\"first\", <{next}>; rel=\"next\""))
    }

    fn release_json(&self, release: &Release) -> Value {
        let upload = format!("http://127.0.0.1:{}/repos/o/r/releases/{}/assets", self.uploads, release.id);
        json!({
            "id": release.id, "tag_name": release.tag, "draft": release.is_draft, "prerelease": false,
            "upload_url": format!("{upload}{{?name,label}}"),
            // Unfinished ones are not listed here.
            "assets": release.assets.iter().filter(|asset| asset.state == "uploaded")
                .map(|asset| self.asset_json(asset)).collect::<Vec<_>>(),
        })
    }

    fn asset_json(&self, asset: &Asset) -> Value {
        let digest = format!("sha256:{}", Sha256::of_bytes(&asset.bytes));
        let digest = if self.says_digests && asset.state == "uploaded" { json!(digest) } else { Value::Null };
        json!({
            "id": asset.id, "name": asset.name, "state": asset.state, "size": asset.bytes.len(), "digest": digest,
        })
    }
}

/// As the interface answers.
pub fn json_answer(status: u16, json: &Value) -> Answer {
    Answer::new(status, json.to_string()).with("content-type", "application/json; charset=utf-8")
}

fn not_found() -> Answer {
    json_answer(404, &json!({ "message": "Not Found" }))
}

fn already_exists(resource: &str, field: &str) -> Answer {
    let errors = json!([{ "resource": resource, "code": "already_exists", "field": field }]);
    json_answer(422, &json!({ "message": "Validation Failed", "errors": errors }))
}
