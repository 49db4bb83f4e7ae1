//! The handshake matrix.

use std::{
    io::{Read as _, Write as _},
    sync::Arc,
};

use leno_model::{TrustDomain, resource_name::alpn};
use leno_tls::{Identity, ServerIdentity, TlsError, TrustBundle, config, handshake_reason, peer_identity};
use rustls::{
    CipherSuite, ClientConfig, ClientConnection, HandshakeKind, NamedGroup, ProtocolVersion, ServerConfig,
    ServerConnection,
    client::ResolvesClientCert,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use rustls_pki_types::ServerName;
use time::Duration;

use crate::authority::{Authority, Leaf, id};

const ALL: [&str; 3] = [alpn::HTTP2, alpn::HTTP1, alpn::TCP];

struct Pair {
    client: ClientConnection,
    server: ServerConnection,
}

impl Pair {
    /// Shakes hands; the error of whoever refused.
    fn connect(client: Arc<ClientConfig>, server: Arc<ServerConfig>, name: &str) -> Result<Self, rustls::Error> {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut pair = Self {
            client: ClientConnection::new(client, name).unwrap(),
            server: ServerConnection::new(server).unwrap(),
        };
        // Enough flights for a handshake and its tickets.
        for _ in 0..4 {
            pair.transfer()?;
        }
        assert!(!pair.client.is_handshaking() && !pair.server.is_handshaking());
        Ok(pair)
    }

    fn transfer(&mut self) -> Result<(), rustls::Error> {
        let mut wire = Vec::new();
        while self.client.wants_write() {
            self.client.write_tls(&mut wire).unwrap();
        }
        let mut wire = wire.as_slice();
        while !wire.is_empty() {
            self.server.read_tls(&mut wire).unwrap();
            self.server.process_new_packets()?;
        }
        let mut wire = Vec::new();
        while self.server.wants_write() {
            self.server.write_tls(&mut wire).unwrap();
        }
        let mut wire = wire.as_slice();
        while !wire.is_empty() {
            self.client.read_tls(&mut wire).unwrap();
            self.client.process_new_packets()?;
        }
        Ok(())
    }

    /// Sends a word each way.
    fn talk(&mut self) {
        self.client.writer().write_all(b"ping").unwrap();
        self.server.writer().write_all(b"pong").unwrap();
        self.transfer().unwrap();
        let mut word = [0; 4];
        self.server.reader().read_exact(&mut word).unwrap();
        assert_eq!(&word, b"ping");
        self.client.reader().read_exact(&mut word).unwrap();
        assert_eq!(&word, b"pong");
    }
}

fn connect(client: &Identity, server: &Identity) -> Result<Pair, rustls::Error> {
    let expected = [id("cart")];
    Pair::connect(
        client.client_config(&expected, alpn::HTTP1).unwrap(),
        server.server_config(&ALL).unwrap(),
        "10.244.0.9",
    )
}

fn refused(result: Result<Pair, rustls::Error>, reason: &str) {
    let Err(error) = result else { panic!("the handshake went through") };
    let text = handshake_reason(&error);
    assert!(text.contains(reason), "{text} ({error:?})");
}

#[test]
fn both_sides_learn_who_the_other_is() {
    let authority = Authority::new();
    let mut pair = connect(&authority.identity("buyer"), &authority.identity("cart")).unwrap();
    pair.talk();
    assert_eq!(peer_identity(pair.server.peer_certificates().unwrap()).unwrap(), id("buyer"));
    assert_eq!(peer_identity(pair.client.peer_certificates().unwrap()).unwrap(), id("cart"));
    assert_eq!(pair.server.peer_certificates().unwrap().len(), 1, "the root is not sent");
}

#[test]
fn tls13_with_post_quantum_key_exchange_and_aes_128_is_agreed_on() {
    let authority = Authority::new();
    let pair = connect(&authority.identity("buyer"), &authority.identity("cart")).unwrap();
    assert_eq!(pair.client.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    let group = pair.client.negotiated_key_exchange_group().unwrap();
    assert_eq!(group.name(), NamedGroup::X25519MLKEM768);
    let suite = pair.client.negotiated_cipher_suite().unwrap();
    assert_eq!(suite.suite(), CipherSuite::TLS13_AES_128_GCM_SHA256);
    assert_eq!(pair.server.alpn_protocol(), Some(alpn::HTTP1.as_bytes()));
}

#[test]
fn a_payload_that_the_server_does_not_know_is_refused() {
    let authority = Authority::new();
    let client = authority.identity("buyer").client_config(&[id("cart")], "h2").unwrap();
    let server = authority.identity("cart").server_config(&ALL).unwrap();
    refused(Pair::connect(client, server, "10.0.0.1"), "known protocol");
}

#[test]
fn a_client_of_a_foreign_root_is_refused() {
    let (ours, foreign) = (Authority::new(), Authority::new());
    let client = foreign.identity("buyer");
    client.replace_bundle(ours.bundle());
    refused(connect(&client, &ours.identity("cart")), "UnknownIssuer");
}

#[test]
fn a_server_of_a_foreign_root_is_refused() {
    let (ours, foreign) = (Authority::new(), Authority::new());
    let result = connect(&ours.identity("buyer"), &foreign.identity("cart"));
    refused(result, "UnknownIssuer");
}

#[test]
fn a_client_without_a_certificate_is_refused() {
    let authority = Authority::new();
    let with = authority.identity("buyer").client_config(&[id("cart")], alpn::HTTP1).unwrap();
    let mut without = (*with).clone();
    without.client_auth_cert_resolver = Arc::new(Nothing);
    let server = authority.identity("cart").server_config(&ALL).unwrap();
    refused(Pair::connect(Arc::new(without), server, "10.0.0.1"), "no certificates");
}

#[test]
fn expired_and_not_yet_valid_certificates_are_refused() {
    let authority = Authority::new();
    let text = id("buyer").to_string();
    let mut expired = Leaf::of(&[&text]);
    expired.to = expired.from + Duration::seconds(1);
    let mut future = Leaf::of(&[&text]);
    future.from = future.to - Duration::minutes(1);
    for (leaf, reason) in [(expired, "expired"), (future, "not valid yet")] {
        let client = Identity::new(authority.svid(&leaf), authority.bundle()).unwrap();
        refused(connect(&client, &authority.identity("cart")), reason);
    }
}

#[test]
fn a_server_that_is_somebody_else_is_refused() {
    let authority = Authority::new();
    refused(
        connect(&authority.identity("buyer"), &authority.identity("thief")),
        "server is spiffe://cluster.local/ns/shop/sa/thief, expected spiffe://cluster.local/ns/shop/sa/cart",
    );
}

#[test]
fn any_of_several_expected_servers_is_accepted_and_none_of_none() {
    let authority = Authority::new();
    let (client, server) = (authority.identity("buyer"), authority.identity("cart"));
    let server = server.server_config(&ALL).unwrap();
    let several = client.client_config(&[id("old-cart"), id("cart")], alpn::TCP).unwrap();
    Pair::connect(several, Arc::clone(&server), "10.0.0.1").unwrap();
    let nobody = client.client_config(&[], alpn::TCP).unwrap();
    refused(Pair::connect(nobody, server, "10.0.0.1"), "expected nobody");
}

#[test]
fn certificates_with_other_than_one_identity_are_refused() {
    let authority = Authority::new();
    let bundle = authority.bundle();
    let now = rustls_pki_types::UnixTime::now();
    let (one, two) = (id("buyer").to_string(), id("thief").to_string());
    let verify = |uris: &[&str]| {
        let credential = authority.credential(&Leaf::of(uris));
        leno_tls::verify::client(&bundle, std::slice::from_ref(credential.leaf()), now)
    };
    assert_eq!(verify(&[&one]).unwrap(), id("buyer"));
    assert!(matches!(verify(&[]), Err(TlsError::UriCount(0))));
    assert!(matches!(verify(&[&one, &two]), Err(TlsError::UriCount(2))));
    assert!(matches!(verify(&["https://shop.example/"]), Err(TlsError::Identity(_))));
    assert!(matches!(verify(&["spiffe://elsewhere.example/ns/shop/sa/buyer"]), Err(TlsError::TrustDomain { .. })));
    assert!(matches!(leno_tls::verify::client(&bundle, &[], now), Err(TlsError::NoCertificate)));
}

/// Shows a certificate that `Svid` would not take.
#[derive(Debug)]
struct Shown(Arc<CertifiedKey>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// Shows no certificate.
#[derive(Debug)]
struct Nothing;

impl ResolvesClientCert for Nothing {
    fn resolve(&self, _: &[&[u8]], _: &[rustls::SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

#[test]
fn a_server_with_two_identities_is_refused() {
    let authority = Authority::new();
    let key = rcgen::KeyPair::generate().unwrap();
    let request = rcgen::CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap();
    let leaf = Leaf::of(&[&id("cart").to_string(), &id("other").to_string()]);
    let chain: Vec<_> = rustls_pki_types::pem::PemObject::pem_slice_iter(authority.sign(&request, &leaf).as_bytes())
        .collect::<Result<_, _>>()
        .unwrap();
    let key = rustls_pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let certified = CertifiedKey::from_der(chain, key.into(), &provider).unwrap();
    let mut server = (*authority.identity("cart").server_config(&ALL).unwrap()).clone();
    server.cert_resolver = Arc::new(Shown(Arc::new(certified)));
    let client = authority.identity("buyer").client_config(&[id("cart")], alpn::HTTP1).unwrap();
    refused(Pair::connect(client, Arc::new(server), "10.0.0.1"), "2 URI names");
}

#[test]
fn rotation_keeps_connections_and_reaches_the_next_handshake() {
    let authority = Authority::new();
    let (client, server) = (authority.identity("buyer"), authority.identity("cart"));
    let client_config = client.client_config(&[id("cart")], alpn::HTTP1).unwrap();
    let server_config = server.server_config(&ALL).unwrap();
    let mut before = Pair::connect(Arc::clone(&client_config), Arc::clone(&server_config), "10.0.0.1").unwrap();
    let leaf = |who: &str| Leaf::of(&[&id(who).to_string()]);
    client.replace_svid(authority.svid(&leaf("buyer")));
    server.replace_svid(authority.svid(&leaf("cart")));
    before.talk();
    let mut after = Pair::connect(client_config, server_config, "10.0.0.1").unwrap();
    after.talk();
    assert_ne!(before.client.peer_certificates(), after.client.peer_certificates());
    assert_ne!(before.server.peer_certificates(), after.server.peer_certificates());
}

#[test]
fn two_roots_are_trusted_while_one_replaces_the_other() {
    let (old, new) = (Authority::new(), Authority::new());
    let (client, server) = (old.identity("buyer"), new.identity("cart"));
    let both = TrustBundle::from_pem(
        TrustDomain::default(),
        &format!("{}{}{}", old.root_pem(), new.root_pem(), new.root_pem()),
    )
    .unwrap();
    assert_eq!(both.roots().len(), 2);
    client.replace_bundle(both.clone());
    server.replace_bundle(both);
    let client_config = client.client_config(&[id("cart")], alpn::HTTP1).unwrap();
    let server_config = server.server_config(&ALL).unwrap();
    Pair::connect(Arc::clone(&client_config), Arc::clone(&server_config), "10.0.0.1").unwrap();
    server.replace_bundle(new.bundle());
    refused(Pair::connect(client_config, server_config, "10.0.0.2"), "UnknownIssuer");
}

#[test]
fn a_session_is_resumed_and_its_peer_can_be_checked_again() {
    let authority = Authority::new();
    let (client, server) = (authority.identity("buyer"), authority.identity("cart"));
    let client_config = client.client_config(&[id("cart")], alpn::HTTP1).unwrap();
    let server_config = server.server_config(&ALL).unwrap();
    let connect = || Pair::connect(Arc::clone(&client_config), Arc::clone(&server_config), "10.0.0.1").unwrap();
    assert_eq!(connect().client.handshake_kind(), Some(HandshakeKind::Full));
    let resumed = connect();
    assert_eq!(resumed.server.handshake_kind(), Some(HandshakeKind::Resumed));
    let chain = resumed.server.peer_certificates().unwrap();
    assert_eq!(server.verify_client(chain).unwrap(), id("buyer"));
    let servers = resumed.client.peer_certificates().unwrap();
    assert_eq!(client.verify_server(servers, &[id("cart")]).unwrap(), id("cart"));
    // The root is withdrawn: the ticket is still good, the check is not.
    server.replace_bundle(Authority::new().bundle());
    let resumed = connect();
    assert_eq!(resumed.server.handshake_kind(), Some(HandshakeKind::Resumed));
    assert!(server.verify_client(resumed.server.peer_certificates().unwrap()).is_err());
}

#[test]
fn sessions_are_forgotten_when_the_own_certificate_is_replaced() {
    let authority = Authority::new();
    let (client, server) = (authority.identity("buyer"), authority.identity("cart"));
    let client_config = client.client_config(&[id("cart")], alpn::HTTP1).unwrap();
    let server_config = server.server_config(&ALL).unwrap();
    let connect = || Pair::connect(Arc::clone(&client_config), Arc::clone(&server_config), "10.0.0.1").unwrap();
    connect();
    client.replace_svid(authority.svid(&Leaf::of(&[&id("buyer").to_string()])));
    assert_eq!(connect().client.handshake_kind(), Some(HandshakeKind::Full));
}

#[test]
fn the_control_plane_is_known_by_name_and_takes_clients_with_and_without_certificate() {
    let authority = Authority::new();
    let mut leaf = Leaf::of(&[]);
    leaf.dns = vec!["leno-control".to_owned()];
    let server = ServerIdentity::new(authority.credential(&leaf), authority.bundle());
    let server_config = server.server_config(&["h2"]).unwrap();
    let buyer = authority.identity("buyer");

    let anonymous = config::dns_client(authority.root_pem(), None, &["h2"]).unwrap();
    let mut pair = Pair::connect(anonymous, Arc::clone(&server_config), "leno-control").unwrap();
    pair.talk();
    assert!(pair.server.peer_certificates().is_none());

    let known = config::dns_client(authority.root_pem(), Some(&buyer), &["h2"]).unwrap();
    let pair = Pair::connect(Arc::clone(&known), Arc::clone(&server_config), "leno-control").unwrap();
    assert_eq!(peer_identity(pair.server.peer_certificates().unwrap()).unwrap(), id("buyer"));

    refused(Pair::connect(known, Arc::clone(&server_config), "other-name"), "not valid for name");
    let foreign = Authority::new();
    let stranger = config::dns_client(authority.root_pem(), Some(&foreign.identity("buyer")), &["h2"]).unwrap();
    refused(Pair::connect(stranger, server_config, "leno-control"), "UnknownIssuer");
}

#[test]
fn a_chain_for_another_key_is_no_credential() {
    let authority = Authority::new();
    let (mine, other) = (leno_tls::PrivateKey::generate().unwrap(), leno_tls::PrivateKey::generate().unwrap());
    let request = leno_tls::csr::workload(&other, &id("cart")).unwrap();
    let chain = authority.sign(&request, &Leaf::of(&[&id("cart").to_string()]));
    assert!(matches!(leno_tls::Svid::new(&mine, &chain), Err(TlsError::KeyMismatch(_))));
    assert!(matches!(leno_tls::Svid::new(&mine, ""), Err(TlsError::NoCertificate)));
    assert_eq!(format!("{mine:?}"), "PrivateKey(secret)");
}
