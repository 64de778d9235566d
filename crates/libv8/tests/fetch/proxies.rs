//! F16: through proxies, past them, and refused by them.

use crate::case::Case;
use crate::env::Network;
use crate::network::cargo_config::CargoConfig;
use crate::network::settings::Settings;
use crate::proxy::{Kind, Proxy};
use crate::server::Server;

fn settings(network: &Network) -> Settings {
    Settings::new(network, &CargoConfig::default()).unwrap()
}

/// A server, and a case that finds nobody at the URL it is told of but through a proxy that knows the name.
fn through(network: &Network) -> (Case, Server) {
    let mut case = Case::new();
    case.settings = settings(network);
    let server = Server::of(case.bytes.clone());
    (case, server)
}

#[test]
fn f16_an_authenticating_http_proxy() {
    let proxy = Proxy::new(Kind::Connect);
    let network = Network {
        http_proxy: Some(format!("http://me:secret@127.0.0.1:{}", proxy.port)),
        ..Network::default()
    };
    let (case, server) = through(&network);
    case.must(&server.url());
    assert_eq!(proxy.targets(), [format!("127.0.0.1:{}", server.port)]);
    assert!(!case.said().contains("secret"));

    for wrong in ["", "me:wrong@", "%6De:s%65cret2@"] {
        let proxy = Proxy::new(Kind::Connect);
        let http_proxy = Some(format!("http://{wrong}127.0.0.1:{}", proxy.port));
        let (case, server) = through(&Network { http_proxy, ..Network::default() });
        let why = case.misses(&server.url());
        assert!(
            why.contains(&format!("through the proxy http://127.0.0.1:{}: it wants a user", proxy.port)),
            "{why}"
        );
        assert!(!why.contains("wrong") && !why.contains("cret"), "{why}");
        assert_eq!((proxy.targets().len(), server.connections()), (1, 0));
    }
}

#[test]
fn f16_a_socks_proxy() {
    for scheme in ["socks5", "socks5h"] {
        let proxy = Proxy::new(Kind::Socks5);
        let all_proxy = Some(format!("{scheme}://me:secret@127.0.0.1:{}", proxy.port));
        let (case, server) = through(&Network { all_proxy, ..Network::default() });
        case.must(&server.url().replace("127.0.0.1", "localhost"));
        let host = if scheme == "socks5h" { "localhost" } else { "127.0.0.1" };
        assert_eq!(proxy.targets(), [format!("{host}:{}", server.port)]);
    }
    let proxy = Proxy::new(Kind::Socks5);
    let all_proxy = Some(format!("socks5://me:wrong@127.0.0.1:{}", proxy.port));
    let (case, server) = through(&Network { all_proxy, ..Network::default() });
    let why = case.misses(&server.url());
    assert!(why.contains("through the proxy socks5://127.0.0.1") && !why.contains("wrong"), "{why}");
    assert_eq!(server.connections(), 0);
}

#[test]
fn f16_a_proxy_is_not_asked_for_what_no_proxy_names() {
    let proxy = Proxy::new(Kind::Connect);
    let network = Network {
        cargo_proxy: Some(format!("127.0.0.1:{}", proxy.port)),
        no_proxy: Some("example.org,127.0.0.1".into()),
        ..Network::default()
    };
    let (case, server) = through(&network);
    case.must(&server.url());
    assert_eq!((proxy.targets().len(), server.connections()), (0, 1));
}

#[test]
fn f16_which_proxy_for_which_host() {
    let all = Network {
        https_proxy: Some("s".into()),
        http_proxy: Some("p".into()),
        all_proxy: Some("a".into()),
        no_proxy: Some(".Example.org, *.dev,10.0.0.1,::1".into()),
        ..Network::default()
    };
    let check = |network: &Network, scheme: &str, host: &str, expected: Option<&str>| {
        assert_eq!(settings(network).proxy(scheme, host), expected, "{scheme} {host}");
    };
    check(&all, "https", "h", Some("s"));
    check(&all, "http", "h", Some("p"));
    check(&all, "https", "example.org", None);
    check(&all, "https", "a.EXAMPLE.org", None);
    check(&all, "https", "notexample.org", Some("s"));
    check(&all, "https", "example.org.evil.org", Some("s"));
    check(&all, "https", "x.dev", None);
    check(&all, "http", "10.0.0.1", None);
    check(&all, "http", "110.0.0.1", Some("p"));
    check(&all, "http", "[::1]", None);
    let some = Network { all_proxy: Some("a".into()), ..Network::default() };
    check(&some, "https", "h", Some("a"));
    check(&some, "http", "h", Some("a"));
    check(&Network { cargo_proxy: Some("c".into()), ..all.clone() }, "https", "h", Some("c"));
    check(&Network { no_proxy: Some("*".into()), ..all }, "https", "h", None);
}
