//! Control planes that are reached by TLS.

use std::{fs, path::Path};

use e2e::{port, wait};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use serde_json::{Value, json};

use super::{
    Proxy,
    config::{bootstrap, listener, routes, say},
    server::Server,
    snapshot, until_says,
};

/// Who issues certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// One whose root is written to `NAME.pem`.
    fn new(folder: &Path, name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).expect("a root").pem();
        fs::write(folder.join(format!("{name}.pem")), root).expect("written");
        Self { issuer: Issuer::new(params, key) }
    }

    /// Puts a certificate for a host into `FILE.pem` and `FILE.key`, in place of another one.
    fn issue(&self, folder: &Path, file: &str, common_name: &str) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.subject_alt_names = vec![SanType::DnsName(common_name.try_into().expect("a host"))];
        let certificate = params.signed_by(&key, &self.issuer).expect("a leaf");
        for (kind, text) in [("key", key.serialize_pem()), ("pem", certificate.pem())] {
            let fresh = folder.join(format!("{file}.{kind}.new"));
            fs::write(&fresh, text).expect("written");
            fs::rename(&fresh, folder.join(format!("{file}.{kind}"))).expect("renamed");
        }
    }
}

fn file(folder: &Path, name: &str) -> Value {
    json!({ "filename": folder.join(name).display().to_string() })
}

/// A bootstrap whose control plane is reached by TLS: these roots, and this name in its certificate.
fn secured(folder: &Path, ports: (u16, u16), roots: &str, name: &str, certificate: bool) -> Value {
    let (control, admin) = ports;
    let mut made = bootstrap("DELTA_GRPC", control, admin);
    let mut common = json!({
        "alpn_protocols": ["h2"],
        "validation_context": {
            "trusted_ca": file(folder, roots),
            "match_typed_subject_alt_names": [{ "san_type": "DNS", "matcher": { "exact": name } }],
        },
    });
    if certificate {
        common["tls_certificates"] = json!([{
            "certificate_chain": file(folder, "client.pem"),
            "private_key": file(folder, "client.key"),
            "watched_directory": { "path": folder.display().to_string() },
        }]);
    }
    made["static_resources"]["clusters"][0]["transport_socket"] = json!({ "name": "tls", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "sni": "control.example",
        "common_tls_context": common,
    } });
    made
}

/// A server that shows `server.pem`, and with `clients` asks for certificates of this authority.
fn serve(folder: &Path, control: u16, front: u16, text: &str, clients: bool) -> Server {
    let path = |name: &str| folder.join(name).display().to_string();
    let (certificate, key, roots) = (path("server.pem"), path("server.key"), path("ca.pem"));
    let mut flags = vec!["-cert", &certificate, "-key", &key];
    if clients {
        flags.extend(["-clients", &roots]);
    }
    let mut server = Server::start(control, &flags);
    server.set(&snapshot("1", &[], &[], &[listener("front", front, "r")], &[routes("r", &say(text))]));
    server
}

#[test]
#[ignore = "needs xds-server: cargo xtask test"]
fn a_control_plane_is_asked_by_tls() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let authority = Authority::new(folder, "ca");
    Authority::new(folder, "other");
    authority.issue(folder, "server", "control.example");
    let (control, front) = (port::free(), port::free());
    let server = serve(folder, control, front, "by TLS", false);
    // Who is not the one that is meant gets no questions, and the log says why.
    let wrong = [("other.pem", "control.example", "UnknownIssuer"), ("ca.pem", "another.example", "control.example")];
    for (roots, name, expected) in wrong {
        let admin = port::free();
        let proxy = Proxy::leno(&secured(folder, (control, admin), roots, name, false), admin);
        let log = wait::until("it is refused", || proxy.log(), |log| log.contains("no discovery stream"));
        assert!(log.contains(expected) && log.contains(&format!("xds: 127.0.0.1:{control}")), "{log}");
    }
    assert!(server.events().iter().all(|event| event["event"] != "request"), "{:?}", server.events());
    let admin = port::free();
    let proxy = Proxy::leno(&secured(folder, (control, admin), "ca.pem", "control.example", false), admin);
    until_says(front, "by TLS");
    let hello = server.event("a hello", |event| event["event"] == "hello");
    assert_eq!((&hello["name"], &hello["alpn"]), (&json!("control.example"), &json!(["h2"])), "{}", proxy.log());
}

#[test]
#[ignore = "needs xds-server and Envoy: cargo xtask test"]
fn who_asks_shows_the_certificate_of_the_day() {
    let leno = e2e::mesh::leno().display().to_string();
    for program in [&[leno.as_str(), "proxy"][..], &super::envoy()] {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        let authority = Authority::new(folder, "ca");
        authority.issue(folder, "server", "control.example");
        authority.issue(folder, "client", "first.example");
        let (control, admin, front) = (port::free(), port::free(), port::free());
        let server = serve(folder, control, front, "to the first", true);
        let proxy = Proxy::start(program, &secured(folder, (control, admin), "ca.pem", "control.example", true), admin);
        until_says(front, "to the first");
        server.event("the first", |event| event["clients"][0] == "first.example");
        drop(server);
        authority.issue(folder, "client", "second.example");
        authority.issue(folder, "server", "control.example");
        // What was read again is what the next connection shows; a watch has no other sign.
        let is_leno = program[0] == leno;
        if is_leno {
            wait::until("it is read again", || proxy.log(), |log| log.matches("read again").count() > 0);
        }
        let server = serve(folder, control, front, "to the second", true);
        until_says(front, "to the second");
        if is_leno {
            server.event("the second", |event| event["clients"][0] == "second.example");
        }
    }
}

#[test]
#[ignore = "needs xds-server: cargo xtask test"]
fn who_shows_no_certificate_is_told_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let authority = Authority::new(folder, "ca");
    authority.issue(folder, "server", "control.example");
    let (control, admin, front) = (port::free(), port::free(), port::free());
    let _server = serve(folder, control, front, "never", true);
    let proxy = Proxy::leno(&secured(folder, (control, admin), "ca.pem", "control.example", false), admin);
    let told = |log: &String| log.contains("no discovery stream") && log.contains("received fatal alert");
    wait::until("it is refused", || proxy.log(), told);
}
