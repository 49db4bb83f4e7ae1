//! Certificates: what is in them, and which requests get none.

use std::time::{Duration, SystemTime};

use leno_ca::{Authority, Root, issuer::RequestError};
use leno_model::{SpiffeId, TrustDomain};
use leno_tls::{PrivateKey, Svid, csr};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType};
use rustls_pki_types::{CertificateDer, UnixTime, pem::PemObject as _};
use x509_parser::prelude::{FromDer as _, GeneralName, ParsedExtension, X509Certificate};

const HOUR: Duration = Duration::from_secs(3600);

pub(crate) fn authority() -> Authority {
    Authority::new(Root::generate(&TrustDomain::default(), SystemTime::now()).unwrap(), "")
}

pub(crate) fn id() -> SpiffeId {
    "spiffe://cluster.local/ns/shop/sa/cart".parse().unwrap()
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let san = certificate.subject_alternative_name().unwrap().unwrap();
    assert_eq!(san.critical, certificate.subject().iter().count() == 0);
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::URI(uri) => (*uri).to_owned(),
        GeneralName::DNSName(name) => format!("dns:{name}"),
        other => panic!("{other:?}"),
    };
    san.value.general_names.iter().map(name).collect()
}

#[test]
fn the_root_is_an_authority_over_leaves_alone_and_names_the_trust_domain() {
    let authority = authority();
    let der = CertificateDer::from_pem_slice(authority.roots_pem().as_bytes()).unwrap();
    let (_, root) = X509Certificate::from_der(&der).unwrap();
    assert_eq!(names(&root), ["spiffe://cluster.local"]);
    let constraints = root.basic_constraints().unwrap().unwrap();
    assert!(constraints.critical && constraints.value.ca);
    assert_eq!(constraints.value.path_len_constraint, Some(0));
    let usage = root.key_usage().unwrap().unwrap();
    assert!(usage.critical && usage.value.key_cert_sign() && !usage.value.digital_signature());
    let years = (root.validity().not_after.timestamp() - root.validity().not_before.timestamp()) / (365 * 24 * 3600);
    assert_eq!(years, 10);
}

#[test]
fn a_leaf_has_the_identity_and_nothing_that_the_request_asked_for() {
    let authority = authority();
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let mut greedy = CertificateParams::default();
    greedy.subject_alt_names = vec![
        SanType::URI("spiffe://cluster.local/ns/shop/sa/admin".try_into().unwrap()),
        SanType::DnsName("leno-control".try_into().unwrap()),
    ];
    greedy.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    greedy.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    greedy.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
    let request = greedy.serialize_request(&key).unwrap().pem().unwrap();
    let issued = authority.issue_workload(&request, &id(), None, HOUR, SystemTime::now()).unwrap();
    assert_eq!(issued.chain.len(), 2);
    assert_eq!(issued.chain[1], authority.roots_pem());
    let der = CertificateDer::from_pem_slice(issued.chain[0].as_bytes()).unwrap();
    let (_, leaf) = X509Certificate::from_der(&der).unwrap();
    assert_eq!(names(&leaf), [id().to_string()]);
    assert!(!leaf.is_ca());
    let usage = leaf.key_usage().unwrap().unwrap();
    assert!(usage.value.digital_signature() && !usage.value.key_cert_sign());
    let extended = leaf.extended_key_usage().unwrap().unwrap().value;
    assert!(extended.server_auth && extended.client_auth && !extended.code_signing);
    assert!(
        leaf.extensions().iter().any(|e| matches!(e.parsed_extension(), ParsedExtension::AuthorityKeyIdentifier(_)))
    );
    assert_eq!(leaf.subject().iter().count(), 0);
    assert_eq!(leaf.raw_serial().len(), 16);
    assert_eq!(leaf.public_key().subject_public_key.data, key.public_key_raw());
    assert_eq!(issued.serial.len(), 32);
}

#[test]
fn a_leaf_makes_an_svid_that_the_bundle_verifies() {
    let authority = authority();
    let key = PrivateKey::generate().unwrap();
    let request = csr::workload(&key, &id()).unwrap();
    let issued = authority.issue_workload(&request, &id(), None, HOUR, SystemTime::now()).unwrap();
    let svid = Svid::new(&key, &issued.chain_pem()).unwrap();
    assert_eq!(*svid.id(), id());
    let bundle = authority.bundle(TrustDomain::default()).unwrap();
    let chain = [svid.credential().leaf().clone()];
    assert_eq!(leno_tls::verify::client(&bundle, &chain, UnixTime::now()).unwrap(), id());
    let again = authority.issue_workload(&request, &id(), None, HOUR, SystemTime::now()).unwrap();
    assert_ne!(issued.serial, again.serial);
}

#[test]
fn validity_starts_a_little_early_and_ends_with_the_root() {
    let authority = authority();
    let key = PrivateKey::generate().unwrap();
    let request = csr::workload(&key, &id()).unwrap();
    let now = SystemTime::now();
    let life = |lifetime| {
        let issued = authority.issue_workload(&request, &id(), None, lifetime, now).unwrap();
        let (from, to) =
            leno_tls::svid::validity(Svid::new(&key, &issued.chain_pem()).unwrap().credential().leaf()).unwrap();
        assert_eq!(issued.not_after.duration_since(to).unwrap().as_secs(), 0);
        (now.duration_since(from).unwrap().as_secs(), to.duration_since(now).map_or(0, |life| life.as_secs() + 1))
    };
    let (early, long) = life(24 * HOUR);
    assert!((60..=61).contains(&early), "{early}");
    assert_eq!(long, 24 * 3600);
    let (early, _) = life(Duration::from_secs(60));
    assert!((6..=7).contains(&early), "{early}");
    let (_, long) = life(100 * 365 * 24 * HOUR);
    assert!(long <= 10 * 365 * 24 * 3600, "{long}");
}

#[test]
fn the_control_planes_certificate_has_its_dns_name() {
    let authority = authority();
    let key = PrivateKey::generate().unwrap();
    let request = csr::server(&key, "leno-control").unwrap();
    let issued = authority.issue_server(&request, &["leno-control", "localhost"], HOUR, SystemTime::now()).unwrap();
    let der = CertificateDer::from_pem_slice(issued.chain[0].as_bytes()).unwrap();
    let (_, leaf) = X509Certificate::from_der(&der).unwrap();
    assert_eq!(names(&leaf), ["dns:leno-control", "dns:localhost"]);
    assert!(!leaf.extended_key_usage().unwrap().unwrap().value.client_auth);
    leno_tls::Credential::new(&key, &issued.chain_pem()).unwrap();
}

#[test]
fn malformed_requests_get_nothing_and_a_reason() {
    let authority = authority();
    let issue = |request: &str| authority.issue_workload(request, &id(), None, HOUR, SystemTime::now()).unwrap_err();
    assert!(matches!(issue(""), RequestError::Pem(_)));
    assert!(matches!(issue(&"x".repeat(20_000)), RequestError::Size(20_000)));
    let garbage = "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n";
    assert!(matches!(issue(garbage), RequestError::Parse(_)));
    for algorithm in [&rcgen::PKCS_ED25519, &rcgen::PKCS_ECDSA_P384_SHA384] {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let request = CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap();
        let error = issue(&request);
        assert!(matches!(error, RequestError::KeyType(_)), "{error}");
    }
}

#[test]
fn a_request_for_somebody_elses_key_gets_nothing() {
    let (mine, theirs) = (PrivateKey::generate().unwrap(), PrivateKey::generate().unwrap());
    let der = |key: &PrivateKey| {
        let pem = csr::workload(key, &id()).unwrap();
        rustls_pki_types::CertificateSigningRequestDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec()
    };
    // The key is the 65 bytes after its BIT STRING header; put theirs into my request.
    let (mut request, other) = (der(&mine), der(&theirs));
    let at = |der: &[u8]| der.windows(4).position(|window| window == [0x03, 0x42, 0x00, 0x04]).unwrap() + 3;
    let (to, from) = (at(&request), at(&other));
    request[to..to + 65].copy_from_slice(&other[from..from + 65]);
    let pem = pem("CERTIFICATE REQUEST", &request);
    let error = authority().issue_workload(&pem, &id(), None, HOUR, SystemTime::now()).unwrap_err();
    assert!(matches!(error, RequestError::Signature), "{error}");
}

/// PEM of these bytes.
fn pem(label: &str, der: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in der.chunks(3) {
        let bytes = [chunk[0], *chunk.get(1).unwrap_or(&0), *chunk.get(2).unwrap_or(&0)];
        let word = u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]);
        for index in 0..4 {
            let sextet = (word >> (18 - 6 * index)) & 63;
            text.push(if index <= chunk.len() { ALPHABET[sextet as usize].into() } else { '=' });
        }
    }
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}
