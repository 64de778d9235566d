//! F17: whose certificates are trusted; and what may not be asked of TLS.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::ServerConfig;

use crate::authority::{Authority, config};
use crate::case::Case;
use crate::env::Network;
use crate::network::cargo_config::CargoConfig;
use crate::network::settings::Settings;
use crate::proxy::{Kind, Proxy};
use crate::server::{Server, answer, whole};

fn trusting(case: &mut Case, path: PathBuf) {
    let network = Network { cargo_cainfo: Some(path), ..Network::default() };
    case.settings = Settings::new(&network, &CargoConfig::default()).unwrap();
}

fn serve(case: &Case, config: Arc<ServerConfig>) -> Server {
    let bytes = case.bytes.clone();
    Server::tls(config, move |request, out| whole(request, &bytes, out))
}

fn url(server: &Server) -> String {
    server.url().replace("http://127.0.0.1", "https://localhost")
}

#[test]
fn f17_a_private_authority_is_trusted_where_it_is_named() {
    let authority = Authority::new();
    let named = |network: fn(PathBuf) -> Network, config: fn(PathBuf) -> CargoConfig| {
        let mut case = Case::new();
        let path = authority.file(&case.work.path);
        case.settings = Settings::new(&network(path.clone()), &config(path)).unwrap();
        let server = serve(&case, authority.server("localhost", |_| {}));
        case.must(&url(&server));
    };
    let nothing = |_| CargoConfig::default();
    named(|path| Network { cargo_cainfo: Some(path), ..Network::default() }, nothing);
    named(|path| Network { cert_file: Some(path), ..Network::default() }, nothing);
    named(|_| Network::default(), |path| CargoConfig { cainfo: Some(path), ..CargoConfig::default() });
    // The environment counts before the file.
    named(
        |path| Network { cargo_cainfo: Some(path), ..Network::default() },
        |_| CargoConfig { cainfo: Some("/nowhere".into()), ..CargoConfig::default() },
    );
}

#[test]
fn f17_certificates_that_are_not_trusted_are_refused_at_once() {
    let authority = Authority::new();
    let check = |config: Arc<ServerConfig>, trusts: bool, expected: &str| {
        let mut case = Case::new();
        if trusts {
            let path = authority.file(&case.work.path);
            trusting(&mut case, path);
        }
        let server = serve(&case, config);
        let why = case.misses(&url(&server));
        assert!(why.contains("its certificate is not trusted") && why.contains(expected), "{why}");
        assert!(why.contains("help: if that server is yours"), "{why}");
        assert_eq!((server.connections(), server.requests().len()), (1, 0), "no second try, no request");
    };
    // The system's authorities do not know ours.
    check(authority.server("localhost", |_| {}), false, "UnknownIssuer");
    check(authority.server("example.org", |_| {}), true, "not valid for name");
    check(
        authority.server("localhost", |params| params.not_after = date_time_ymd(2001, 1, 1)),
        true,
        "expired",
    );
    check(
        authority.server("localhost", |params| params.not_before = date_time_ymd(2099, 1, 1)),
        true,
        "not valid yet",
    );
    check(Authority::new().server("localhost", |_| {}), true, "UnknownIssuer");
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    check(config(own.der().clone(), &key), true, "UnknownIssuer");
}

#[test]
fn f17_a_file_of_certificates_that_cannot_be_used_is_named() {
    let mut case = Case::new();
    let path = case.work.path.join("ca.pem");
    let check = |case: &mut Case, expected: &str| {
        trusting(case, path.clone());
        let Err(crate::fetch::Failure::Stop(why)) = case.obtain("https://localhost:9") else {
            panic!("it stops")
        };
        assert!(why.starts_with(&format!("CARGO_HTTP_CAINFO is {}: ", path.display())), "{why}");
        assert!(why.contains(expected), "{why}");
    };
    check(&mut case, "No such file");
    fs::write(&path, "no certificate").unwrap();
    check(&mut case, "there is no certificate in it");
}

#[test]
fn f15_a_redirect_to_plain_http_is_refused() {
    let authority = Authority::new();
    let mut case = Case::new();
    let path = authority.file(&case.work.path);
    trusting(&mut case, path);
    let plain = Server::of(case.bytes.clone());
    let target = plain.url();
    let server = Server::tls(authority.server("localhost", |_| {}), move |_, out| {
        answer(out, "302 Found", &[("Location", &target), ("Content-Length", "0")], b"")
    });
    let why = case.misses(&url(&server));
    assert!(why.contains("redirected from https to http://127.0.0.1"), "{why}");
    assert_eq!(plain.connections(), 0);
}

#[test]
fn f16_an_authenticating_proxy_with_a_private_authority() {
    for (kind, scheme) in [(Kind::Connect, "http"), (Kind::Socks5, "socks5h")] {
        let (authority, proxy) = (Authority::new(), Proxy::new(kind));
        let mut case = Case::new();
        let network = Network {
            cargo_cainfo: Some(authority.file(&case.work.path)),
            https_proxy: Some(format!("{scheme}://me:secret@127.0.0.1:{}", proxy.port)),
            ..Network::default()
        };
        case.settings = Settings::new(&network, &CargoConfig::default()).unwrap();
        let server = serve(&case, authority.server("localhost", |_| {}));
        case.must(&url(&server));
        assert_eq!(proxy.targets(), [format!("localhost:{}", server.port)], "the proxy looks up the name");
    }
}
