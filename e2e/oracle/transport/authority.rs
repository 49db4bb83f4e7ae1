//! Certificates: one authority, what it issued, and a stranger.

use std::{collections::HashMap, fs, path::Path};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer, KeyIdMethod, KeyPair,
    KeyUsagePurpose, PublicKeyData as _, RevokedCertParams, SanType, SerialNumber,
};
use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
use time::{Duration, OffsetDateTime};

/// The serial number of what is revoked.
const REVOKED: u64 = 13;

/// What stands for sums of certificates and keys in cases: `$HASH(name)` and `$SPKI(name)`.
pub(super) type Sums = HashMap<String, String>;

/// A leaf.
struct Leaf {
    name: &'static str,
    hosts: &'static [&'static str],
    uris: &'static [&'static str],
    /// How many hours ago it began, and how many it lasts.
    hours: (i64, i64),
}

const LEAVES: [Leaf; 8] = [
    Leaf { name: "a", hosts: &["a.example"], uris: &["spiffe://test/front"], hours: (1, 24) },
    Leaf { name: "b", hosts: &["b.example", "*.b.example"], uris: &[], hours: (1, 24) },
    Leaf { name: "a2", hosts: &["a.example"], uris: &[], hours: (1, 24) },
    Leaf {
        name: "backend",
        hosts: &["backend.example", "*.wild.example"],
        uris: &["spiffe://test/backend"],
        hours: (1, 24),
    },
    Leaf { name: "client", hosts: &["client.example"], uris: &["spiffe://test/client"], hours: (1, 24) },
    Leaf { name: "plain", hosts: &[], uris: &[], hours: (1, 24) },
    Leaf { name: "expired", hosts: &["client.example"], uris: &["spiffe://test/client"], hours: (48, 24) },
    Leaf { name: "revoked", hosts: &["client.example"], uris: &["spiffe://test/client"], hours: (1, 24) },
];

/// Writes `ca.pem`, `crl.pem`, `other-ca.pem`, and for each leaf `NAME.pem` and `NAME.key`.
pub(super) fn write(folder: &Path) -> Sums {
    let (issuer, root) = authority("test authority");
    fs::write(folder.join("ca.pem"), root).expect("written");
    let mut sums = Sums::new();
    for leaf in &LEAVES {
        issue(folder, leaf, &issuer, &mut sums);
    }
    fs::write(folder.join("crl.pem"), revocations(&issuer)).expect("written");
    let (other, root) = authority("other authority");
    fs::write(folder.join("other-ca.pem"), root).expect("written");
    let stranger =
        Leaf { name: "stranger", hosts: &["client.example"], uris: &["spiffe://test/client"], hours: (1, 24) };
    issue(folder, &stranger, &other, &mut sums);
    sums
}

fn authority(name: &str) -> (Issuer<'static, KeyPair>, String) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    let root = params.self_signed(&key).expect("a root").pem();
    (Issuer::new(params, key), root)
}

fn issue(folder: &Path, leaf: &Leaf, issuer: &Issuer<'static, KeyPair>, sums: &mut Sums) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Leno, tests");
    params.distinguished_name.push(DnType::CommonName, leaf.name);
    params.serial_number = Some(SerialNumber::from(if leaf.name == "revoked" { REVOKED } else { 1 }));
    let hosts = leaf.hosts.iter().map(|host| SanType::DnsName((*host).try_into().expect("a host")));
    let uris = leaf.uris.iter().map(|uri| SanType::URI((*uri).try_into().expect("a URI")));
    params.subject_alt_names = uris.chain(hosts).collect();
    let (ago, lasts) = leaf.hours;
    params.not_before = OffsetDateTime::now_utc() - Duration::hours(ago);
    params.not_after = params.not_before + Duration::hours(lasts);
    params.use_authority_key_identifier_extension = true;
    let certificate = params.signed_by(&key, issuer).expect("a leaf");
    let name = leaf.name;
    fs::write(folder.join(format!("{name}.pem")), certificate.pem()).expect("written");
    fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).expect("written");
    let hex: String = sha256(certificate.der()).iter().map(|byte| format!("{byte:02x}")).collect();
    sums.insert(format!("$HASH({name})"), hex);
    sums.insert(format!("$SPKI({name})"), base64(&sha256(&key.subject_public_key_info())));
}

fn revocations(issuer: &Issuer<'static, KeyPair>) -> String {
    let now = OffsetDateTime::now_utc();
    let revoked = RevokedCertParams {
        serial_number: SerialNumber::from(REVOKED),
        revocation_time: now - Duration::hours(1),
        reason_code: None,
        invalidity_date: None,
    };
    let params = CertificateRevocationListParams {
        this_update: now - Duration::hours(1),
        next_update: now + Duration::hours(24),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: vec![revoked],
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params.signed_by(issuer).expect("a list").pem().expect("as text")
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    let suite = TLS13_AES_128_GCM_SHA256.tls13().expect("of TLS 1.3");
    suite.common.hash_provider.hash(bytes).as_ref().to_vec()
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for part in bytes.chunks(3) {
        let bits = part.iter().fold(0u32, |bits, byte| (bits << 8) | u32::from(*byte)) << (8 * (3 - part.len()));
        for at in 0..4 {
            let digit = ALPHABET[(bits >> (18 - 6 * at)) as usize & 63];
            text.push(if at > part.len() { '=' } else { char::from(digit) });
        }
    }
    text
}
