//! Who a peer is, as its certificate says: for rules, logs and the headers that pass it on.

use rustls::{Tls13CipherSuite, crypto::aws_lc_rs::cipher_suite, crypto::hash::Hash};
use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::{Fingerprint, NameKind, names};
use crate::TlsError;

/// Who a peer is, as its certificate says. Whether that is true is the handshake's matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// Its URIs.
    pub uris: Vec<Box<str>>,
    /// Its hosts.
    pub hosts: Vec<Box<str>>,
    /// The certificate's subject as [RFC 2253] writes it.
    ///
    /// [RFC 2253]: https://www.rfc-editor.org/rfc/rfc2253
    pub subject: Box<str>,
    /// The certificate's SHA-256 sum.
    pub sum: Fingerprint,
    /// The chain as it was shown, the leaf first.
    pub chain: Vec<CertificateDer<'static>>,
}

impl Peer {
    /// The holder of this chain, the leaf first; `None` for an empty one.
    ///
    /// # Errors
    /// When the leaf cannot be parsed.
    pub fn of(chain: &[CertificateDer<'static>]) -> Result<Option<Self>, TlsError> {
        let Some(leaf) = chain.first() else { return Ok(None) };
        let parsed = parse(leaf)?;
        let (mut uris, mut hosts) = (Vec::new(), Vec::new());
        for (kind, name) in names::of_parsed(&parsed) {
            match kind {
                NameKind::Uri => uris.push(name.into()),
                NameKind::Dns => hosts.push(name.into()),
                NameKind::Ip | NameKind::Email => {}
            }
        }
        let subject = subject(&parsed).into();
        Ok(Some(Self { uris, hosts, subject, sum: sum(leaf), chain: chain.to_vec() }))
    }

    /// The leaf in PEM, as it is written in headers: with `%` before what would end a value.
    #[must_use]
    pub fn leaf_text(&self) -> String {
        self.chain.first().map(|leaf| escaped_pem(leaf)).unwrap_or_default()
    }

    /// The chain in PEM, as it is written in headers.
    #[must_use]
    pub fn chain_text(&self) -> String {
        self.chain.iter().map(|certificate| escaped_pem(certificate)).collect()
    }

    /// What rules know it by, as Envoy does: its URIs, else its hosts, else its subject.
    pub fn principals(&self) -> impl Iterator<Item = &str> {
        let subject = [&self.subject];
        let subject = subject.into_iter().filter(|_| self.uris.is_empty() && self.hosts.is_empty());
        let hosts = self.hosts.iter().filter(|_| self.uris.is_empty());
        self.uris.iter().chain(hosts).chain(subject).map(|name| &**name)
    }
}

/// A certificate in PEM, percent-encoded as Envoy does it.
fn escaped_pem(der: &[u8]) -> String {
    let mut text = String::from("-----BEGIN%20CERTIFICATE-----%0A");
    for (at, digit) in base64(der).chars().enumerate() {
        if at > 0 && at % 64 == 0 {
            text.push_str("%0A");
        }
        match digit {
            '+' => text.push_str("%2B"),
            '/' => text.push_str("%2F"),
            '=' => text.push_str("%3D"),
            other => text.push(other),
        }
    }
    text.push_str("%0A-----END%20CERTIFICATE-----%0A");
    text
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for part in bytes.chunks(3) {
        let bits = part.iter().fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte)) << (8 * (3 - part.len()));
        for place in 0..4 {
            let digit = ALPHABET.get((bits >> (18 - 6 * place)) as usize & 63).copied();
            text.push(digit.filter(|_| place <= part.len()).map_or('=', char::from));
        }
    }
    text
}

/// The subject, the last part first.
fn subject(parsed: &X509Certificate<'_>) -> String {
    let part = |part: &x509_parser::x509::AttributeTypeAndValue<'_>| {
        let oid = part.attr_type();
        let registry = x509_parser::objects::oid_registry();
        let name = x509_parser::objects::oid2abbrev(oid, registry);
        let name = name.map_or_else(|_| oid.to_id_string(), str::to_owned);
        format!("{name}={}", escape(part.as_str().unwrap_or_default()))
    };
    let parts: Vec<_> =
        parsed.subject().iter_rdn().map(|rdn| rdn.iter().map(part).collect::<Vec<_>>().join("+")).collect();
    parts.into_iter().rev().collect::<Vec<_>>().join(",")
}

/// Writes a value so that what separates values in it is told from what separates it from others.
fn escape(value: &str) -> String {
    let last = value.chars().count().saturating_sub(1);
    let mut out = String::with_capacity(value.len());
    for (at, character) in value.chars().enumerate() {
        let edge = (at == 0 && matches!(character, ' ' | '#')) || (at == last && character == ' ');
        if edge || matches!(character, ',' | '+' | '"' | '\\' | '<' | '>' | ';') {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

/// The SHA-256 sum of a certificate.
pub(super) fn sum(leaf: &CertificateDer<'_>) -> Fingerprint {
    sha256(leaf)
}

/// The SHA-256 sum of a certificate's public key.
pub(super) fn key_sum(leaf: &CertificateDer<'_>) -> Result<Fingerprint, TlsError> {
    Ok(sha256(parse(leaf)?.tbs_certificate.subject_pki.raw))
}

fn parse<'a>(leaf: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, TlsError> {
    let parsed = X509Certificate::from_der(leaf).map_err(|error| TlsError::Malformed(error.to_string()))?;
    Ok(parsed.1)
}

fn sha256(bytes: &[u8]) -> Fingerprint {
    let mut sum = Fingerprint::default();
    if let Some(Tls13CipherSuite { common, .. }) = cipher_suite::TLS13_AES_128_GCM_SHA256.tls13() {
        let hash: &dyn Hash = common.hash_provider;
        sum.copy_from_slice(hash.hash(bytes).as_ref());
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_sha_256() {
        assert_eq!(sha256(b"abc")[..4], [0xba, 0x78, 0x16, 0xbf]);
    }

    #[test]
    fn certificates_are_written_for_headers() {
        assert_eq!(base64(b"abcd"), "YWJjZA==");
        let text = escaped_pem(&[0xff; 60]);
        assert!(text.starts_with("-----BEGIN%20CERTIFICATE-----%0A%2F%2F") && text.ends_with("%0A"), "{text}");
    }

    #[test]
    fn what_separates_is_escaped() {
        assert_eq!(escape("a, b+c "), r"a\, b\+c\ ");
        assert_eq!(escape("#1"), r"\#1");
    }
}
