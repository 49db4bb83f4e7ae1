//! TLS as a configuration asks for it: handshakes in memory.

use std::sync::Arc;

use leno_tls::context::{
    Accepting, Certificate, Dialling, NameKind, NameMatcher, Parameters, Peer, Rules, Sessions, Side, Trust, Version,
};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use rustls::{ClientConnection, ServerConnection, pki_types::ServerName};

/// An authority.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), root }
    }

    fn issue(&self, hosts: &[&str], uris: &[&str]) -> Certificate {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "a, b");
        params.distinguished_name.push(DnType::CommonName, "leaf");
        let hosts = hosts.iter().map(|host| SanType::DnsName((*host).try_into().unwrap()));
        let uris = uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap()));
        params.subject_alt_names = hosts.chain(uris).collect();
        let chain = params.signed_by(&key, &self.issuer).unwrap().pem();
        Certificate::from_pem(chain.as_bytes(), key.serialize_pem().as_bytes()).unwrap()
    }

    fn trust(&self) -> Trust {
        self.rules(Rules::default())
    }

    fn rules(&self, rules: Rules) -> Trust {
        let mut trust = Trust::new(rules);
        trust.set_roots(self.root.as_bytes()).unwrap();
        trust
    }
}

fn accepting(certificates: Vec<Certificate>) -> Accepting {
    Accepting {
        certificates,
        trust: None,
        require_certificate: false,
        require_name: false,
        full_scan: false,
        alpn: vec![],
        parameters: Parameters::default_of(Side::Server),
        sessions: Sessions::default(),
    }
}

fn dialling() -> Dialling {
    Dialling {
        certificate: None,
        trust: None,
        verifies_host: false,
        alpn: vec![],
        parameters: Parameters::default_of(Side::Client),
        sessions: 0,
    }
}

/// Whom the server saw, and whom the client saw.
type Seen = (Option<Peer>, Option<Peer>);

/// Shakes hands.
fn handshake(accepting: &Accepting, dialling: &Dialling, name: &str) -> Result<Seen, rustls::Error> {
    let mut server = ServerConnection::new(Arc::new(accepting.config().unwrap())).unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::new(dialling.config().unwrap()), name).unwrap();
    for _ in 0..8 {
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
            server.process_new_packets()?;
        }
        let mut bytes = Vec::new();
        server.write_tls(&mut bytes).unwrap();
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets()?;
        }
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    let peer = |chain: Option<&[_]>| Peer::of(chain.unwrap_or_default()).unwrap();
    Ok((peer(server.peer_certificates()), peer(client.peer_certificates())))
}

#[test]
fn certificates_are_chosen_by_name() {
    let authority = Authority::new();
    let of = |hosts: &[&str]| authority.issue(hosts, &[]);
    let server = accepting(vec![of(&["a.example"]), of(&["b.example", "*.b.example"])]);
    let shown = |name: &str| handshake(&server, &dialling(), name).unwrap().1.unwrap().hosts[0].to_string();
    for (name, expected) in [
        ("a.example", "a.example"),
        ("B.EXAMPLE", "b.example"),
        ("x.b.example", "b.example"),
        ("y.x.b.example", "a.example"),
        ("127.0.0.1", "a.example"),
    ] {
        assert_eq!(shown(name), expected, "{name}");
    }
    let strict = Accepting { require_name: true, ..server.clone() };
    assert!(handshake(&strict, &dialling(), "127.0.0.1").is_err());
    assert!(handshake(&strict, &dialling(), "elsewhere.example").is_ok());
}

#[test]
fn callers_are_believed_by_their_chain_names_and_sums() {
    let (authority, other) = (Authority::new(), Authority::new());
    let caller = authority.issue(&["client.example"], &["spiffe://test/client"]);
    let server = |trust| Accepting {
        trust: Some(trust),
        require_certificate: true,
        ..accepting(vec![authority.issue(&["a.example"], &[])])
    };
    let as_caller = Dialling { certificate: Some(caller), ..dialling() };
    let stranger = Dialling { certificate: Some(other.issue(&["client.example"], &[])), ..dialling() };
    let (seen, _) = handshake(&server(authority.trust()), &as_caller, "a.example").unwrap();
    let seen = seen.unwrap();
    assert_eq!(seen.principals().collect::<Vec<_>>(), ["spiffe://test/client"]);
    assert_eq!(&*seen.subject, r"CN=leaf,O=a\, b");
    assert!(handshake(&server(authority.trust()), &dialling(), "a.example").is_err());
    assert!(handshake(&server(authority.trust()), &stranger, "a.example").is_err());
    let lax = authority.rules(Rules { accept_untrusted: Some(true), ..Rules::default() });
    assert!(handshake(&server(lax), &stranger, "a.example").is_ok());
    let named = |name: &'static str| {
        let names = vec![NameMatcher::new(NameKind::Uri, move |found| found == name)];
        authority.rules(Rules { names, ..Rules::default() })
    };
    assert!(handshake(&server(named("spiffe://test/client")), &as_caller, "a.example").is_ok());
    assert!(handshake(&server(named("spiffe://test/other")), &as_caller, "a.example").is_err());
    let summed = |sum| Trust::new(Rules { certificates: vec![sum], ..Rules::default() });
    assert!(handshake(&server(summed(seen.sum)), &as_caller, "a.example").is_ok());
    assert!(handshake(&server(summed([0; 32])), &as_caller, "a.example").is_err());
}

#[test]
fn servers_are_the_host_that_is_asked_for() {
    let authority = Authority::new();
    let server = accepting(vec![authority.issue(&["a.example"], &[])]);
    let client = Dialling { trust: Some(authority.trust()), verifies_host: true, ..dialling() };
    assert!(handshake(&server, &client, "a.example").is_ok());
    assert!(handshake(&server, &client, "b.example").is_err());
    assert!(handshake(&server, &client, "127.0.0.1").is_ok(), "an address is no name");
    assert!(handshake(&server, &dialling(), "b.example").is_ok(), "nothing is asked for");
}

#[test]
fn versions_are_those_that_are_asked_for() {
    let authority = Authority::new();
    let of = |min, max| Parameters::new(min, max, &[], &[]);
    let server = |parameters| Accepting { parameters, ..accepting(vec![authority.issue(&["a.example"], &[])]) };
    let old = Dialling { parameters: of(Version::Tls12, Version::Tls12), ..dialling() };
    assert!(handshake(&server(of(Version::Tls12, Version::Tls13)), &old, "a.example").is_ok());
    assert!(handshake(&server(of(Version::Tls13, Version::Tls13)), &old, "a.example").is_err());
    let suite = Parameters::new(Version::Tls12, Version::Tls12, &["ECDHE-RSA-AES128-GCM-SHA256".to_owned()], &[]);
    assert!(handshake(&server(suite), &old, "a.example").is_err(), "a suite for another kind of key");
}

#[test]
fn rules_are_merged_as_envoy_merges_them() {
    let (one, other) = (Authority::new(), Authority::new());
    let own = one.rules(Rules { certificates: vec![[1; 32]], max_depth: Some(3), ..Rules::default() });
    let merged = own.merged(&other.rules(Rules { certificates: vec![[2; 32]], ..Rules::default() }));
    assert_eq!((merged.rules.certificates.len(), merged.rules.max_depth), (2, Some(3)));
    let server = Accepting { trust: Some(other.trust().merged(&Trust::default())), ..accepting(vec![]) };
    assert!(server.trust.is_some_and(|trust| trust.has_roots() && !trust.has_revoked()));
}

#[test]
fn a_key_of_another_is_no_pair() {
    let key = KeyPair::generate().unwrap();
    let chain = CertificateParams::default().self_signed(&key).unwrap().pem();
    let other = KeyPair::generate().unwrap().serialize_pem();
    assert!(Certificate::from_pem(chain.as_bytes(), other.as_bytes()).is_err());
    assert!(Certificate::from_pem(chain.as_bytes(), b"").is_err());
    assert!(Certificate::from_pem(b"", key.serialize_pem().as_bytes()).is_err());
    assert!(
        !format!("{:?}", Certificate::from_pem(chain.as_bytes(), key.serialize_pem().as_bytes()).unwrap())
            .contains("key")
    );
}
