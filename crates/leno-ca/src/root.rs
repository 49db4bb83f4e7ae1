//! The root: a self-signed certificate and its key.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use leno_model::TrustDomain;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
    SerialNumber,
};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::CaError;

/// How long a root lives.
const LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
/// How far a peer's clock may be behind when a root is new.
const SKEW: Duration = Duration::from_secs(5 * 60);

/// The root of the mesh's trust: ECDSA P-256, it signs leaves and no other authority (path length 0), and names the
/// trust domain ([X509-SVID 3.1]).
///
/// [X509-SVID 3.1]: https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md#31-path-length
pub struct Root {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    not_after: SystemTime,
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Root").field("not_after", &self.not_after).finish_non_exhaustive()
    }
}

impl Root {
    /// A new root.
    ///
    /// # Errors
    /// When the system gives no randomness or signing fails.
    pub fn generate(trust_domain: &TrustDomain, now: SystemTime) -> Result<Self, CaError> {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(CaError::Generate)?;
        let uri = format!("spiffe://{trust_domain}").try_into().map_err(CaError::Generate)?;
        let serial = serial();
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, trust_domain.as_str());
        // Unlike names for unlike keys, so that a verifier that trusts several tries the right one first.
        let name = format!("Leno root {}", hex(&serial.to_bytes()[..4]));
        params.distinguished_name.push(DnType::CommonName, name);
        params.subject_alt_names = vec![SanType::URI(uri)];
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.serial_number = Some(serial);
        params.not_before = OffsetDateTime::from(now - SKEW);
        params.not_after = OffsetDateTime::from(now + LIFETIME);
        let pem = params.self_signed(&key).map_err(CaError::Generate)?.pem();
        Self::from_parts(key, &pem)
    }

    /// A root from the PEM of its certificate and its key (PKCS#8).
    ///
    /// # Errors
    /// When either cannot be read, they do not fit together, or the certificate may not sign others.
    pub fn from_pem(certificate: &str, key: &str) -> Result<Self, CaError> {
        let key = KeyPair::from_pem(key).map_err(CaError::Key)?;
        Self::from_parts(key, certificate)
    }

    fn from_parts(key: KeyPair, pem: &str) -> Result<Self, CaError> {
        let unusable = |reason: &str| CaError::Certificate(reason.to_owned());
        let der =
            CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| CaError::Certificate(error.to_string()))?;
        let (_, parsed) = X509Certificate::from_der(&der).map_err(|error| CaError::Certificate(error.to_string()))?;
        if !parsed.is_ca() {
            return Err(unusable("it is not a certificate authority's (basicConstraints CA:TRUE)"));
        }
        let usage = parsed.key_usage().map_err(|error| CaError::Certificate(error.to_string()))?;
        if usage.is_some_and(|usage| !usage.value.key_cert_sign()) {
            return Err(unusable("its key usage does not include signing certificates"));
        }
        if *parsed.public_key().subject_public_key.data != *key.public_key_raw() {
            return Err(unusable("it is not for root.key"));
        }
        let not_after =
            u64::try_from(parsed.validity().not_after.timestamp()).map_err(|_| unusable("it ended before 1970"))?;
        let issuer = Issuer::from_ca_cert_der(&der, key).map_err(|error| CaError::Certificate(error.to_string()))?;
        Ok(Self { issuer, pem: pem.to_owned(), not_after: SystemTime::UNIX_EPOCH + Duration::from_secs(not_after) })
    }

    /// The certificate, PEM.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.pem
    }

    /// The last moment at which it is valid.
    #[must_use]
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// The key, PEM: for the store alone.
    pub(crate) fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    pub(crate) fn issuer(&self) -> &Issuer<'static, KeyPair> {
        &self.issuer
    }
}

/// A random serial number of 16 bytes, positive and not zero ([RFC 5280 4.1.2.2]).
///
/// [RFC 5280 4.1.2.2]: https://www.rfc-editor.org/rfc/rfc5280#section-4.1.2.2
pub(crate) fn serial() -> SerialNumber {
    let mut bytes: [u8; 16] = rand::random();
    bytes[0] = bytes[0] & 0x7f | 0x40;
    SerialNumber::from_slice(&bytes)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
