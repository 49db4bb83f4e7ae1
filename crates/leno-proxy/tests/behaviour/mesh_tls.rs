//! Mesh TLS both ways.

use std::sync::Arc;

use leno_engine::{
    authorization::{Action, Permission, Policy, Principal, Rbac},
    matcher::StringMatcher,
};
use leno_proxy::{connection::Direction, identity::Credentials};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{
    Authority, Sidecar, echo, id, listener, meshed, run, strict_inbound, talk, tcp_chain, tcp_proxy, until,
};

/// Two sidecars and a server behind the second; the port leads to the server through both. The client expects `expected`.
async fn pair(
    client: Arc<Credentials>,
    server: &Authority,
    expected: &[&str],
    rbac: Option<Rbac>,
) -> (Sidecar, Sidecar, std::net::SocketAddr) {
    let application = echo().await;
    let inbound = Sidecar::new(server, "server");
    inbound.set_inbound(strict_inbound(rbac));
    let inbound_port = inbound.open(Direction::Inbound, application).await;
    let outbound = Sidecar::with_credentials(client, "client");
    let service = "10.96.0.1:80".parse().unwrap();
    outbound.set_destination(service, listener(tcp_chain(tcp_proxy(meshed(&[inbound_port], expected)))));
    let port = outbound.open(Direction::Outbound, service).await;
    (outbound, inbound, port)
}

#[test]
fn bytes_pass_through_both_sidecars_with_both_identities_known() {
    run(async {
        let authority = Authority::new();
        let (outbound, inbound, port) = pair(authority.credentials(&id("client")), &authority, &["server"], None).await;
        let bytes: Vec<u8> = (0..4_000_000_u32).map(|n| (n % 253) as u8).collect();
        for _ in 0..3 {
            assert!(talk(port, &bytes).await.unwrap() == bytes);
        }
        until(|| inbound.worker.tasks() == 0).await;
        let totals = inbound.totals();
        let (labels, total) = totals.tcp.iter().next().unwrap();
        assert_eq!((total.opened, total.closed), (3, 3));
        assert!(labels.mtls);
        assert_eq!(&*labels.source.identity, "spiffe://cluster.local/ns/test/sa/client");
        let totals = outbound.totals();
        assert!(totals.tcp.keys().all(|labels| labels.mtls));
        assert_eq!(outbound.handshakes("ok"), 3);
        let resumed: u64 = totals.handshakes.iter().filter(|((_, _, resumed), _)| *resumed).map(|(_, n)| n).sum();
        assert_eq!(resumed, 2, "sessions are resumed: {:?}", totals.handshakes);
    });
}

#[test]
fn a_server_with_another_identity_is_refused() {
    run(async {
        let authority = Authority::new();
        let (outbound, inbound, port) = pair(authority.credentials(&id("client")), &authority, &["other"], None).await;
        assert_eq!(talk(port, b"secret").await.unwrap_or_default(), b"");
        assert_eq!(outbound.handshakes("wrong_identity"), 1);
        assert!(inbound.totals().tcp.is_empty());
    });
}

#[test]
fn a_foreign_authority_is_refused_by_both_sides() {
    run(async {
        let (ours, foreign) = (Authority::new(), Authority::new());
        let (outbound, inbound, port) = pair(foreign.credentials(&id("client")), &ours, &["server"], None).await;
        assert_eq!(talk(port, b"secret").await.unwrap_or_default(), b"");
        assert_eq!(outbound.handshakes("bad_certificate"), 1);
        until(|| inbound.handshakes("bad_certificate") == 1).await;
        // A client that believes our authority, but has a certificate of another.
        let credentials = Credentials::default();
        credentials.install(foreign.svid(&id("client")), ours.bundle(&id("client"))).unwrap();
        let (_outbound, inbound, port) = pair(Arc::new(credentials), &ours, &["server"], None).await;
        assert_eq!(talk(port, b"secret").await.unwrap_or_default(), b"");
        until(|| inbound.handshakes("bad_certificate") == 1).await;
        assert!(inbound.totals().tcp.is_empty());
    });
}

#[test]
fn a_client_without_certificate_is_refused() {
    run(async {
        let authority = Authority::new();
        let inbound = Sidecar::new(&authority, "server");
        inbound.set_inbound(strict_inbound(None));
        let port = inbound.open(Direction::Inbound, echo().await).await;
        let verifier = Arc::new(danger::AnyServer);
        let mut config = rustls::ClientConfig::builder()
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"leno-tcp".to_vec()];
        let stream = TcpStream::connect(port).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let mut stream = connector.connect(ServerName::from(port.ip()), stream).await.unwrap();
        // In TLS 1.3 the client learns of it with its first read.
        drop(stream.write_all(b"hello").await);
        assert!(stream.read(&mut [0; 16]).await.is_err());
        until(|| inbound.handshakes("no_certificate") == 1).await;
        assert!(inbound.totals().tcp.is_empty());
    });
}

#[test]
fn plaintext_is_refused_where_tls_is_demanded() {
    run(async {
        let authority = Authority::new();
        let inbound = Sidecar::new(&authority, "server");
        inbound.set_inbound(strict_inbound(None));
        let port = inbound.open(Direction::Inbound, echo().await).await;
        assert_eq!(talk(port, b"GET / HTTP/1.1\r\n\r\n").await.unwrap_or_default(), b"");
        assert_eq!(inbound.denied("plaintext_refused"), 1);
    });
}

#[test]
fn a_connection_that_no_rule_allows_is_closed() {
    run(async {
        let authority = Authority::new();
        let rules = |account: &str| Rbac {
            action: Action::Allow,
            policies: vec![Policy {
                name: "TrafficTarget test/one".into(),
                permissions: vec![Permission::Any],
                principals: vec![Principal::Authenticated(Some(StringMatcher::exact(&id(account).to_string())))],
            }],
        };
        let credentials = authority.credentials(&id("client"));
        let (_a, inbound, port) = pair(Arc::clone(&credentials), &authority, &["server"], Some(rules("thief"))).await;
        assert_eq!(talk(port, b"hello").await.unwrap_or_default(), b"");
        assert_eq!(inbound.denied("access_denied"), 1);
        let (_a, inbound, port) = pair(credentials, &authority, &["server"], Some(rules("client"))).await;
        assert_eq!(talk(port, b"hello").await.unwrap(), b"hello");
        assert_eq!(inbound.denied("access_denied"), 0);
    });
}

#[test]
fn rotation_drops_no_connection_and_a_removed_root_ends_resumption() {
    run(async {
        let (old, new) = (Authority::new(), Authority::new());
        let client = old.credentials(&id("client"));
        let (_outbound, inbound, port) = pair(Arc::clone(&client), &old, &["server"], None).await;
        let mut open = TcpStream::connect(port).await.unwrap();
        open.write_all(b"before").await.unwrap();
        let mut buffer = [0; 6];
        open.read_exact(&mut buffer).await.unwrap();
        // Both get certificates of the new authority, and trust both.
        let server = &inbound.worker.shared.credentials;
        client.install(new.svid(&id("client")), new.bundle(&id("client"))).unwrap();
        server.install(new.svid(&id("server")), new.bundle(&id("server"))).unwrap();
        assert_eq!(talk(port, b"new").await.unwrap(), b"new");
        open.write_all(b"after!").await.unwrap();
        open.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"after!");
        // The server ceases to trust the new root: not even a resumed session gets in.
        server.install_bundle(old.bundle(&id("server")));
        assert_eq!(talk(port, b"late").await.unwrap_or_default(), b"");
    });
}

mod danger {
    use rustls::{
        DigitallySignedStruct, Error, SignatureScheme,
        client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        pki_types::{CertificateDer, ServerName, UnixTime},
    };

    /// Believes any server.
    #[derive(Debug)]
    pub struct AnyServer;

    impl ServerCertVerifier for AnyServer {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            vec![SignatureScheme::ECDSA_NISTP256_SHA256]
        }
    }
}
