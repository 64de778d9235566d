//! A bucket against a real S3 server, through a proxy that breaks what a network and a server can break.
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
use v8_archive::Sha256;

const SECRET: &str = "wJalrXUtnFEMI-K7MDENG-of-the-test";
/// The least that S3 takes for a part that is not the last.
const PART_BYTES: usize = 5 << 20;

/// A server with an empty bucket `libv8`.
struct Amazon {
    server: Running,
    folder: Folder,
}

impl Amazon {
    /// Nothing if the tests are not to run.
    fn new() -> Option<Amazon> {
        let Some(servers) = env::test_servers() else {
            eprintln!("NOT TESTED: LIBV8_TEST_SERVERS is not set, as cargo xtask test does");
            return None;
        };
        let folder = Folder::new();
        let server = Servers::in_folder(&servers).s3(folder.path());
        let amazon = Amazon { server, folder };
        amazon.raw("PUT", "/libv8", b"");
        Some(amazon)
    }

    /// A request without a signature, which this server takes.
    fn raw(&self, method: &str, target: &str, body: &[u8]) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.server.port)).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {target} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
        )
        .unwrap();
        stream.write_all(body).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
        answer
    }

    /// A file in parts of which one is there, as a publisher leaves it that is killed.
    fn leave_parts(&self, key: &str) {
        let answer = self.raw("POST", &format!("/libv8/{key}?uploads"), b"");
        let id = answer.split_once("<UploadId>").unwrap().1.split_once('<').unwrap().0.to_owned();
        self.raw("PUT", &format!("/libv8/{key}?partNumber=1&uploadId={id}"), &[b'x'; 1000]);
    }

    fn proxy(&self, decide: impl Fn(&Request) -> Fault + Send + Sync + 'static) -> Proxy {
        Proxy::start(self.server.port, decide)
    }

    /// A file of several parts.
    fn large_file(&self) -> (std::path::PathBuf, SizedSha256) {
        let path = self.folder.path().join("large");
        let bytes: Vec<u8> =
            (0..3u32 << 20).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        fs::write(&path, bytes).unwrap();
        let sized = Sha256::of_file(&path).unwrap();
        (path, sized)
    }
}

fn settings(port: u16) -> Settings {
    let key = |name: &str| name.parse().unwrap();
    Settings {
        endpoint: Some(format!("http://127.0.0.1:{port}")),
        region: "us-east-1".to_owned(),
        allow_http: false,
        virtual_hosts: false,
        credentials: vec![
            (key("aws_access_key_id"), Secret::new("AKIAOFTHETEST")),
            (key("aws_secret_access_key"), Secret::new(SECRET)),
        ],
        limits: quick(),
        part_bytes: PART_BYTES,
    }
}

fn open(port: u16) -> Store {
    Store::S3(S3::with("libv8", "a/b", settings(port)).unwrap())
}

fn put(store: &Store, release: &str, name: &str, bytes: &[u8]) -> Result<Put> {
    let folder = Folder::new();
    let path = folder.path().join("put");
    fs::write(&path, bytes).unwrap();
    store.put(release, name, &path, Sha256::of_file(&path).unwrap())
}

fn read(store: &Store, release: &str, name: &str) -> Option<SizedSha256> {
    let folder = Folder::new();
    store.read(release, name, &folder.path().join("got"), 1 << 30).unwrap()
}

#[test]
fn a_bucket_is_a_store() {
    let Some(amazon) = Amazon::new() else { return };
    let proxy = amazon.proxy(|_| Fault::None);
    suite::run(&|| open(proxy.port));
    suite::interrupted_upload(&|| open(proxy.port), &|release, name| {
        amazon.leave_parts(&format!("a/b/{release}/{name}"));
    });
    // Without a prefix too, and beside the other.
    let root = Store::S3(S3::with("libv8", "", settings(amazon.server.port)).unwrap());
    assert_eq!(root.latest().unwrap(), None);
    assert_eq!(put(&root, "9.0.0.1-1", "a", b"in the root").unwrap(), Put::Stored);
    assert_eq!(root.list("9.0.0.1-1").unwrap().len(), 1);
    // What signs is not sent, and nothing of it is in an address.
    for request in proxy.seen() {
        let text = format!("{request:?}");
        assert!(!text.contains(SECRET) && !request.target.contains("AKIA"), "{text}");
    }
}

#[test]
fn a_large_file_goes_in_parts_and_never_over_another() {
    let Some(amazon) = Amazon::new() else { return };
    let (path, sized) = amazon.large_file();
    let proxy = amazon.proxy(|_| Fault::None);
    let store = open(proxy.port);
    assert_eq!(store.put("9.0.0.1-1", "large", &path, sized).unwrap(), Put::Stored);
    let is_part = |request: &&Request| request.method == "PUT" && request.target.contains("partNumber=");
    assert_eq!(proxy.seen().iter().filter(is_part).count(), 3);
    assert_eq!(read(&store, "9.0.0.1-1", "large"), Some(sized));
    assert_eq!(store.put("9.0.0.1-1", "large", &path, sized).unwrap(), Put::AlreadyThere);
    // Somebody else puts it after we have looked: the last part is refused, and the parts are removed.
    let (direct, calls) = (open(amazon.server.port), AtomicU32::new(0));
    let proxy = amazon.proxy(move |request| {
        if request.target.contains("partNumber=2") && calls.fetch_add(1, Ordering::Relaxed) == 0 {
            put(&direct, "9.0.0.1-2", "large", b"faster").unwrap();
        }
        Fault::None
    });
    let error = open(proxy.port).put("9.0.0.1-2", "large", &path, sized).unwrap_err().to_string();
    assert!(error.contains("next revision"), "{error}");
    assert!(
        proxy.seen().iter().any(|request| request.method == "DELETE" && request.target.contains("uploadId="))
    );
    assert_eq!(read(&store, "9.0.0.1-2", "large").unwrap().size_bytes, 6);
    // A source that changes while it is sent.
    let promised = SizedSha256 { sha256: Sha256::of_bytes(b"other"), ..sized };
    let error = store.put("9.0.0.1-3", "large", &path, promised).unwrap_err().to_string();
    assert!(error.contains("changed while it was published"), "{error}");
    assert_eq!(store.list("9.0.0.1-3").unwrap(), []);
}

#[test]
fn f47_an_upload_that_breaks_half_way_leaves_nothing() {
    let Some(amazon) = Amazon::new() else { return };
    let (path, sized) = amazon.large_file();
    let is_cut = |request: &Request| {
        let is_second_part = request.target.contains("partNumber=2");
        request.method == "PUT" && (is_second_part || request.target.ends_with("/small"))
    };
    let proxy = amazon.proxy(move |request| if is_cut(request) { Fault::HalfTheBody } else { Fault::None });
    let store = open(proxy.port);
    for name in ["large", "small"] {
        let error = match name {
            "large" => store.put("9.0.0.1-1", name, &path, sized),
            _ => put(&store, "9.0.0.1-1", name, &[b'x'; 100_000]),
        };
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains(&format!("cannot put {name} into release 9.0.0.1-1 of s3://libv8/a/b")),
            "{error}"
        );
    }
    assert!(
        proxy.seen().iter().any(|request| request.method == "DELETE" && request.target.contains("uploadId="))
    );
    assert_eq!(store.list("9.0.0.1-1").unwrap(), []);
    assert_eq!(read(&store, "9.0.0.1-1", "large"), None);
    // Once is repeated.
    let left = AtomicU32::new(1);
    let proxy = amazon.proxy(move |request| {
        let once = is_cut(request)
            && left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok();
        if once { Fault::HalfTheBody } else { Fault::None }
    });
    assert_eq!(open(proxy.port).put("9.0.0.1-1", "large", &path, sized).unwrap(), Put::Stored);
    assert_eq!(read(&store, "9.0.0.1-1", "large"), Some(sized));
}

#[test]
fn f48_what_was_stored_before_the_server_failed_is_found() {
    let Some(amazon) = Amazon::new() else { return };
    let (path, sized) = amazon.large_file();
    // Every answer to what writes is an error, but where the server is asked to refuse.
    let proxy = amazon.proxy(|request| match request.method.as_str() {
        _ if request.target.ends_with("/.conditions") => Fault::None,
        "PUT" if !request.target.contains("partNumber=") => Fault::AfterStored(500),
        "POST" if request.target.contains("uploadId=") => Fault::AfterStored(500),
        _ => Fault::None,
    });
    let store = open(proxy.port);
    put(&store, "9.0.0.1-1", "index.json", b"{}").unwrap();
    store.put("9.0.0.1-1", "large", &path, sized).unwrap();
    assert_eq!(read(&store, "9.0.0.1-1", "large"), Some(sized));
    // Of the pointer too; whoever else has lost that race is told.
    let pointer = Pointer::to("9.0.0.1-1", 1, Sha256::of_bytes(b"{}"));
    store.commit(&pointer, None).unwrap();
    assert_eq!(store.latest().unwrap().unwrap().0, pointer);
    // An error before anything was stored stays one.
    let proxy =
        amazon.proxy(|request| if request.method == "PUT" { Fault::Before(503) } else { Fault::None });
    let error = put(&open(proxy.port), "9.0.0.1-1", "b", b"1").unwrap_err().to_string();
    assert!(error.contains("503") && error.contains("the proxy's own answer"), "{error}");
    let puts = proxy.seen().iter().filter(|request| request.method == "PUT").count();
    assert_eq!(puts, quick().attempts as usize);
}

#[test]
fn f46_a_server_that_ignores_conditions_is_found_out_before_the_first_commit() {
    let Some(amazon) = Amazon::new() else { return };
    let proxy = amazon.proxy(|_| Fault::WithoutConditions);
    let store = open(proxy.port);
    put(&store, "9.0.0.1-1", "index.json", b"{}").unwrap();
    let pointer = Pointer::to("9.0.0.1-1", 1, Sha256::of_bytes(b"{}"));
    let error = store.commit(&pointer, None).unwrap_err().to_string();
    assert!(error.contains("ignores If-Match or If-None-Match"), "{error}");
    assert_eq!(store.latest().unwrap(), None);
    // Behind the other proxy it is one that keeps them.
    open(amazon.server.port).commit(&pointer, None).unwrap();
}

#[test]
fn no_secret_is_in_any_error() {
    let Some(amazon) = Amazon::new() else { return };
    let pointer = Pointer::to("9.0.0.1-1", 1, Sha256::of_bytes(b"{}"));
    let errors_of = |store: &Store| {
        [
            store.latest().map(drop),
            store.list("9.0.0.1-1").map(drop),
            store.read("9.0.0.1-1", "a", &amazon.folder.path().join("got"), 1).map(drop),
            put(store, "9.0.0.1-1", "a", b"1").map(drop),
            store.commit(&pointer, None),
        ]
        .map(Result::unwrap_err)
    };
    let refusing = amazon.proxy(|_| Fault::Before(403));
    let gone = crate::sccache::real_servers::free_port();
    for port in [refusing.port, gone] {
        let store = open(port);
        for error in errors_of(&store) {
            let text = format!("{error} {error:?} {store:?}");
            assert!(text.contains("s3://libv8/a/b"), "{text}");
            assert!(!text.contains(SECRET) && !text.contains("AKIAOFTHETEST"), "{text}");
        }
    }
}

#[test]
fn its_origin_is_where_everybody_would_read() {
    let check = |settings: &dyn Fn(Settings) -> Settings, bucket: &str, prefix: &str, expected: &str| {
        let origin = S3::with(bucket, prefix, settings(settings_of_a_test())).unwrap().origin();
        assert_eq!(origin, format!("{expected}/{{release}}/{{name}}"));
    };
    check(&|settings| settings, "b", "", "http://127.0.0.1:9/b");
    check(&|settings| settings, "b", "p/q", "http://127.0.0.1:9/b/p/q");
    let amazons = |settings| Settings { endpoint: None, region: "eu-central-1".to_owned(), ..settings };
    check(&amazons, "b", "p", "https://b.s3.eu-central-1.amazonaws.com/p");
    check(&amazons, "my.b", "p", "https://s3.eu-central-1.amazonaws.com/my.b/p");
}

fn settings_of_a_test() -> Settings {
    settings(9)
}
