//! TLS that is passed on as it is, by the name that the caller asks for.

use std::{
    collections::HashMap,
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::Command,
    sync::Arc,
    thread,
    time::Duration,
};

use e2e::{mesh::leno, port, process::Running};
use serde_json::{Value, json};

/// A server that answers a ClientHello with its own name instead.
fn backend(name: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut piece = [0; 4096];
            // Who goes away is not told.
            if let Ok(1..) = stream.read(&mut piece) {
                stream.write_all(name.as_bytes()).ok();
            }
        }
    });
    port
}

fn file(port: u16, backends: &HashMap<&str, u16>) -> Value {
    let extensions = "type.googleapis.com/envoy.extensions.filters";
    let chain = |cluster: &str, matches: Value| {
        let proxy = json!({
            "@type": format!("{extensions}.network.tcp_proxy.v3.TcpProxy"), "stat_prefix": cluster, "cluster": cluster,
        });
        json!({ "filter_chain_match": matches, "filters": [{ "name": "tcp", "typed_config": proxy }] })
    };
    let clusters: Vec<_> = backends
        .iter()
        .map(|(name, port)| {
            let address = json!({ "socket_address": { "address": "127.0.0.1", "port_value": port } });
            let endpoints = json!([{ "lb_endpoints": [{ "endpoint": { "address": address } }] }]);
            json!({ "name": name, "load_assignment": { "cluster_name": name, "endpoints": endpoints } })
        })
        .collect();
    let inspector = json!({
        "name": "tls",
        "typed_config": { "@type": format!("{extensions}.listener.tls_inspector.v3.TlsInspector") },
    });
    let listener = json!({
        "name": "front",
        "address": { "socket_address": { "address": "127.0.0.1", "port_value": port } },
        "listener_filters": [inspector],
        "filter_chains": [
            chain("exact", json!({ "server_names": ["a.b.example", "other.example"] })),
            chain("long", json!({ "server_names": ["*.b.example"] })),
            chain("short", json!({ "server_names": ["*.example"] })),
            chain("alpn", json!({ "transport_protocol": "tls", "application_protocols": ["h2"] })),
            chain("tls", json!({ "transport_protocol": "tls" })),
            chain("raw", json!({ "transport_protocol": "raw_buffer" })),
        ],
    });
    json!({ "static_resources": { "listeners": [listener], "clusters": clusters } })
}

/// Who answers a caller that asks for this name and offers these protocols.
fn answered(port: u16, name: &str, protocols: &[&str]) -> String {
    let roots = rustls::RootCertStore::empty();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().expect("versions").with_root_certificates(roots);
    let mut config = config.with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    config.enable_sni = !name.is_empty();
    let asked = if name.is_empty() { "nobody.invalid" } else { name };
    let mut client =
        rustls::ClientConnection::new(Arc::new(config), asked.to_owned().try_into().expect("a name")).expect("a hello");
    let mut hello = Vec::new();
    client.write_tls(&mut hello).expect("written");
    exchanged(port, &hello)
}

fn exchanged(port: u16, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    stream.write_all(bytes).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
#[ignore = "needs Envoy: cargo xtask test"]
fn server_names_choose_the_same_chain() {
    let backends: HashMap<_, _> =
        ["exact", "long", "short", "alpn", "tls", "raw"].into_iter().map(|name| (name, backend(name))).collect();
    let folder = tempfile::tempdir().expect("a folder");
    let start = |name: &str, command: &mut Command| {
        let port = port::free();
        let path = folder.path().join(name);
        fs::write(&path, file(port, &backends).to_string()).expect("written");
        (port, Running::start(command.arg("--config-path").arg(path), port))
    };
    let (ours, _leno) = start("leno.json", Command::new(leno()).arg("proxy"));
    let (theirs, _envoy) =
        start("envoy.json", Command::new("envoy").args(["--disable-hot-restart", "--concurrency", "1"]));
    for (name, protocols, expected) in [
        ("a.b.example", &[][..], "exact"),
        ("A.B.Example", &[], "exact"),
        ("other.example", &["h2"], "exact"),
        ("x.b.example", &[], "long"),
        ("x.y.b.example", &[], "long"),
        ("b.example", &[], "short"),
        ("example", &[], "tls"),
        ("elsewhere.test", &["http/1.1"], "tls"),
        ("elsewhere.test", &["http/1.1", "h2"], "alpn"),
        ("", &[], "tls"),
    ] {
        let both = [answered(theirs, name, protocols), answered(ours, name, protocols)];
        assert_eq!(both, [expected, expected], "{name} {protocols:?}: Envoy and Leno");
    }
    assert_eq!([exchanged(theirs, b"hello"), exchanged(ours, b"hello")], ["raw", "raw"]);
}
