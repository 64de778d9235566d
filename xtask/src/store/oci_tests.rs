//! A repository against Debian's registry, through a proxy that breaks what a network and a server can break.
//!
//! `cargo xtask test` says where servers may be fetched to; without that nothing is tested here.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU32, Ordering};

use super::super::testing::{Fault, Proxy, Request, quick};
use super::super::{Store, suite};
use super::*;
use crate::env;
use crate::sccache::real_servers::{Running, Servers};
use crate::toolchain::testing::Folder;

const PASSWORD: &str = "s3cret-of-the-test";
/// Of the user `me`, by bcrypt.
const USERS: &str = "me:$2b$05$abcdefghijklmnopqrstuujsWknM8pfBPdRxoOJt8hu.sWw2vTXTq\n";

struct Registry {
    server: Running,
    servers: &'static Servers,
    folder: Folder,
}

impl Registry {
    /// Nothing if the tests are not to run.
    fn new(with_users: bool) -> Option<Registry> {
        let Some(servers) = env::test_servers() else {
            eprintln!("NOT TESTED: LIBV8_TEST_SERVERS is not set, as cargo xtask test does");
            return None;
        };
        let (servers, folder) = (Servers::in_folder(&servers), Folder::new());
        let users = folder.path().join("users");
        fs::write(&users, USERS).unwrap();
        let server = servers.registry(with_users.then_some(users.as_path()), folder.path());
        Some(Registry { server, servers, folder })
    }

    fn proxy(&self, decide: impl Fn(&Request) -> Fault + Send + Sync + 'static) -> Proxy {
        Proxy::start(self.server.port, decide)
    }

    /// What anybody gets, without our client: the answer's head and body.
    fn get(&self, path: &str) -> (String, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.server.port)).unwrap();
        let accept = "accept: application/vnd.oci.image.manifest.v1+json";
        write!(
            stream,
            "GET /v2/team/libv8/{path} HTTP/1.1\r\nhost: x\r\n{accept}\r\nconnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }
}

fn open(port: u16, login: &Login) -> Store {
    Store::Oci(Oci::with(&format!("127.0.0.1:{port}"), "team/libv8", login.clone(), quick()).unwrap())
}

fn nobody(port: u16) -> Store {
    open(port, &Login::Anonymous)
}

fn put(store: &Store, release: &str, name: &str, bytes: &[u8]) -> Result<Put> {
    let folder = Folder::new();
    let path = folder.path().join("put");
    fs::write(&path, bytes).unwrap();
    store.put(release, name, &path, Sha256::of_file(&path).unwrap())
}

fn pointer(release: &str, number: u64) -> Pointer {
    Pointer::to(release, number, Sha256::of_bytes(release.as_bytes()))
}

#[test]
fn a_registry_is_a_store() {
    let Some(registry) = Registry::new(false) else { return };
    let open = || nobody(registry.server.port);
    suite::run_one_by_one(&open);
    // An upload that has begun, and a blob that no manifest names.
    suite::interrupted_upload(&open, &|_, _| {
        let Store::Oci(oci) = open() else { unreachable!("it was opened as one") };
        let bytes = b"the whole of it";
        let sized = SizedSha256 { size_bytes: bytes.len() as u64, sha256: Sha256::of_bytes(bytes) };
        oci.push_blob("test", sized, || Ok(bytes.as_slice())).unwrap();
        let mut stream = TcpStream::connect(("127.0.0.1", registry.server.port)).unwrap();
        write!(stream, "POST /v2/team/libv8/blobs/uploads/ HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n")
            .unwrap();
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
    });
}

#[test]
fn a_release_is_a_manifest_as_other_tools_pull_it() {
    let Some(registry) = Registry::new(false) else { return };
    let store = nobody(registry.server.port);
    put(&store, "9.0.0.1-1", "index.json", b"{\"an\": \"index\"}").unwrap();
    put(&store, "9.0.0.1-1", "a.tar.zst", b"archive").unwrap();
    assert!(registry.get("manifests/9.0.0.1-1").0.starts_with("HTTP/1.1 404"), "a draft has another name");
    store.commit(&pointer("9.0.0.1-1", 1), None).unwrap();
    let (head, body) = registry.get("manifests/9.0.0.1-1");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert_eq!(registry.get("manifests/latest").1, body);
    let manifest: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(manifest["artifactType"], "application/vnd.libv8.release.v1");
    assert_eq!(manifest["annotations"]["org.opencontainers.image.version"], "9.0.0.1-1");
    let layers: Vec<_> = manifest["layers"].as_array().unwrap().iter().collect();
    let titles: Vec<_> =
        layers.iter().map(|layer| &layer["annotations"]["org.opencontainers.image.title"]).collect();
    assert_eq!(titles, ["a.tar.zst", "index.json"]);
    let (_, blob) = registry.get(&format!("blobs/{}", layers[0]["digest"].as_str().unwrap()));
    assert_eq!(blob, "archive");
    // What is published takes no more files.
    let error = put(&store, "9.0.0.1-1", "b", b"more").unwrap_err().to_string();
    assert!(error.contains("has published release 9.0.0.1-1, without b"), "{error}");
}

#[test]
fn f43_a_publisher_killed_between_its_two_tags_goes_on() {
    let Some(registry) = Registry::new(false) else { return };
    let is_latest =
        |request: &Request| request.method == "PUT" && request.target.ends_with("/manifests/latest");
    let proxy =
        registry.proxy(move |request| if is_latest(request) { Fault::Before(500) } else { Fault::None });
    let store = nobody(proxy.port);
    put(&store, "9.0.0.1-1", "index.json", b"{}").unwrap();
    let error = store.commit(&pointer("9.0.0.1-1", 1), None).unwrap_err().to_string();
    assert!(error.contains("cannot commit release 9.0.0.1-1 to oci://"), "{error}");
    let store = nobody(registry.server.port);
    assert_eq!(store.latest().unwrap(), None);
    let error = store.commit(&pointer("9.0.0.1-1", 2), None).unwrap_err().to_string();
    assert!(error.contains("has published release 9.0.0.1-1 as number 1"), "{error}");
    store.commit(&pointer("9.0.0.1-1", 1), None).unwrap();
    assert_eq!(store.latest().unwrap().unwrap().0, pointer("9.0.0.1-1", 1));
}

#[test]
fn f44_a_tag_that_another_moves_at_the_same_time_is_noticed() {
    let Some(registry) = Registry::new(false) else { return };
    // Another publisher is faster, right when we move the tag.
    let (other, calls) = (nobody(registry.server.port), AtomicU32::new(0));
    put(&other, "9.0.0.1-2", "index.json", b"2").unwrap();
    let proxy = registry.proxy(move |request| {
        let is_release = request.method == "PUT" && request.target.ends_with("/manifests/9.0.0.1-1");
        if is_release && calls.fetch_add(1, Ordering::Relaxed) == 0 {
            other.commit(&pointer("9.0.0.1-2", 1), None).unwrap();
        }
        Fault::None
    });
    let store = nobody(proxy.port);
    put(&store, "9.0.0.1-1", "index.json", b"1").unwrap();
    let error = store.commit(&pointer("9.0.0.1-1", 1), None).unwrap_err().to_string();
    assert!(error.contains("another publisher was faster"), "{error}");
    assert_eq!(store.latest().unwrap().unwrap().0, pointer("9.0.0.1-2", 1));
    // And one who puts other bytes into the same draft.
    let (other, calls) = (nobody(registry.server.port), AtomicU32::new(0));
    let proxy = registry.proxy(move |request| {
        let is_blob = request.method == "PUT" && request.target.contains("/blobs/uploads/");
        if is_blob && calls.fetch_add(1, Ordering::Relaxed) == 0 {
            put(&other, "9.0.0.1-3", "a", b"other").unwrap();
        }
        Fault::None
    });
    let error = put(&nobody(proxy.port), "9.0.0.1-3", "a", b"ours").unwrap_err().to_string();
    assert!(error.contains("next revision"), "{error}");
}

#[test]
fn f47_an_upload_that_breaks_half_way_leaves_nothing() {
    let Some(registry) = Registry::new(false) else { return };
    let is_blob = |request: &Request| {
        request.method == "PUT" && request.target.contains("/blobs/uploads/") && request.body.len() > 1000
    };
    let left = AtomicU32::new(u32::MAX);
    let decide = move |request: &Request, left: &AtomicU32| {
        let cut = is_blob(request)
            && left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok();
        if cut { Fault::HalfTheBody } else { Fault::None }
    };
    let proxy = registry.proxy(move |request| decide(request, &left));
    let error = put(&nobody(proxy.port), "9.0.0.1-1", "a", &[b'x'; 100_000]).unwrap_err().to_string();
    assert!(error.contains("cannot put a into release 9.0.0.1-1 of oci://127.0.0.1"), "{error}");
    assert_eq!(proxy.seen().iter().filter(|request| is_blob(request)).count(), quick().attempts as usize);
    let store = nobody(registry.server.port);
    assert_eq!(store.list("9.0.0.1-1").unwrap(), []);
    // Once is repeated.
    let left = AtomicU32::new(1);
    let proxy = registry.proxy(move |request| decide(request, &left));
    assert_eq!(put(&nobody(proxy.port), "9.0.0.1-1", "a", &[b'x'; 100_000]).unwrap(), Put::Stored);
    assert_eq!(store.list("9.0.0.1-1").unwrap().len(), 1);
}

#[test]
fn f48_what_was_stored_before_the_registry_failed_is_found() {
    let Some(registry) = Registry::new(false) else { return };
    let proxy =
        registry.proxy(|request| if request.method == "PUT" { Fault::AfterStored(500) } else { Fault::None });
    let store = nobody(proxy.port);
    assert_eq!(put(&store, "9.0.0.1-1", "index.json", b"{}").unwrap(), Put::Stored);
    store.commit(&pointer("9.0.0.1-1", 1), None).unwrap();
    assert_eq!(nobody(registry.server.port).latest().unwrap().unwrap().0, pointer("9.0.0.1-1", 1));
    // An error before anything was stored stays one, after a few attempts.
    let proxy =
        registry.proxy(|request| if request.method == "PUT" { Fault::Before(503) } else { Fault::None });
    let error = put(&nobody(proxy.port), "9.0.0.1-2", "index.json", b"2").unwrap_err().to_string();
    assert!(error.contains("503"), "{error}");
}

#[test]
fn a_password_or_a_token_opens_a_registry_and_is_never_shown() {
    let Some(registry) = Registry::new(true) else { return };
    let me = |password: &str| Login::Basic("me".to_owned(), Secret::new(password));
    // In front of it, one that wants tokens, and gives them for the password.
    let tokens = registry.servers.nginx(
        &format!(
            "location /v2/ {{\n\
             if ($http_authorization != \"Bearer a-token-of-the-test\") {{\n\
             add_header WWW-Authenticate 'Bearer realm=\"http://$http_host/token\",service=\"test\"' always;\n\
             return 401 '{{\"errors\":[{{\"code\":\"UNAUTHORIZED\",\"message\":\"who are you\"}}]}}';\n}}\n\
             proxy_set_header Authorization \"Basic bWU6czNjcmV0LW9mLXRoZS10ZXN0\";\n\
             proxy_set_header Host $http_host;\nproxy_request_buffering off;\n\
             proxy_pass http://127.0.0.1:{};\n}}\n\
             location /token {{\n\
             if ($http_authorization != \"Basic bWU6czNjcmV0LW9mLXRoZS10ZXN0\") {{ return 401 'you are $http_authorization'; }}\n\
             return 200 '{{\"token\":\"a-token-of-the-test\"}}';\n}}\n",
            registry.server.port
        ),
        registry.folder.path(),
    );
    let right = [
        (registry.server.port, me(PASSWORD), "9.0.0.1-1"),
        (tokens.port, me(PASSWORD), "9.0.0.1-2"),
        (tokens.port, Login::Bearer(Secret::new("a-token-of-the-test")), "9.0.0.1-3"),
    ];
    for (port, login, release) in right {
        let store = open(port, &login);
        assert_eq!(put(&store, release, "index.json", release.as_bytes()).unwrap(), Put::Stored, "{login:?}");
        assert_eq!(store.list(release).unwrap().len(), 1);
    }
    let wrong = "n0t-the-right-one";
    let logins = [me(wrong), Login::Bearer(Secret::new(wrong)), Login::Anonymous];
    let cases = logins.iter().flat_map(|login| [(registry.server.port, login), (tokens.port, login)]);
    for (port, login) in cases {
        let store = open(port, login);
        let errors = [
            store.latest().map(drop),
            store.list("9.0.0.1-1").map(drop),
            put(&store, "9.0.0.1-4", "a", b"1").map(drop),
            store.commit(&pointer("9.0.0.1-4", 1), None),
        ];
        for error in errors.map(Result::unwrap_err) {
            let text = format!("{error} {error:?} {store:?} {login:?}");
            assert!(error.to_string().contains("LIBV8_REGISTRY_PASSWORD"), "{text}");
            for secret in login.secrets() {
                assert!(!text.contains(secret.reveal()), "{text}");
            }
        }
    }
}

#[test]
fn plain_http_is_for_this_machine_only() {
    let oci = Oci::with("registry.example.org:5000", "libv8", Login::Anonymous, quick()).unwrap();
    assert_eq!(oci.to_string(), "oci://registry.example.org:5000/libv8");
    assert!(!remote::is_loopback(&oci.host), "its client speaks https");
}
