//! From a signing request to a certificate.

use std::time::{Duration, SystemTime};

use leno_model::{SpiffeId, TrustDomain};
use leno_tls::{TlsError, TrustBundle};
use rcgen::{
    CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType, DnValue, ExtendedKeyUsagePurpose,
    IsCa, KeyUsagePurpose, SanType,
};
use rustls_pki_types::{CertificateSigningRequestDer, pem::PemObject as _};
use time::OffsetDateTime;
use x509_parser::{
    certification_request::X509CertificationRequest,
    oid_registry::{OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY},
    prelude::FromDer as _,
    x509::SubjectPublicKeyInfo,
};

use crate::{
    CaError, Root,
    root::{hex, serial},
};

/// The largest request that is read, in bytes; one with a P-256 key has about 500.
const MAX_REQUEST: usize = 16 * 1024;
/// How far a peer's clock may be behind, at most.
const MAX_SKEW: Duration = Duration::from_secs(60);

/// What is wrong with a request for a certificate.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// It is too large.
    #[error("the request has {0} bytes, expected at most {MAX_REQUEST}")]
    Size(usize),
    /// It is no PEM.
    #[error("the request is not PEM (BEGIN CERTIFICATE REQUEST)")]
    Pem(#[source] rustls_pki_types::pem::Error),
    /// It cannot be parsed, or asks for an extension that is not known.
    #[error("the request cannot be parsed")]
    Parse(#[source] rcgen::Error),
    /// Whoever made the request does not have the key.
    #[error("the request is not signed with the key that it names")]
    Signature,
    /// The key is of another kind.
    #[error("the request's key is {0}, expected ECDSA P-256")]
    KeyType(String),
    /// The identity cannot be written into a certificate.
    #[error("the name {0:?} cannot be written into a certificate")]
    Name(String),
    /// The authority itself is at fault.
    #[error(transparent)]
    Authority(#[from] CaError),
}

/// A certificate that was issued.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The leaf and the root, each PEM.
    pub chain: Vec<String>,
    /// The leaf's serial number, hexadecimal.
    pub serial: String,
    /// The last moment at which the leaf is valid.
    pub not_after: SystemTime,
}

impl Issued {
    /// The chain as one text.
    #[must_use]
    pub fn chain_pem(&self) -> String {
        self.chain.concat()
    }
}

/// The authority: the root that signs, and the roots that are trusted beside it.
#[derive(Debug)]
pub struct Authority {
    root: Root,
    /// PEM of further trusted roots; may be empty.
    further_roots: String,
}

impl Authority {
    /// An authority of this root. `further_roots` (PEM) are trusted beside it while one root replaces another.
    #[must_use]
    pub fn new(root: Root, further_roots: impl Into<String>) -> Self {
        Self { root, further_roots: further_roots.into() }
    }

    /// The root that signs.
    #[must_use]
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// All trusted roots, PEM, the signing one first.
    #[must_use]
    pub fn roots_pem(&self) -> String {
        format!("{}{}", self.root.certificate_pem(), self.further_roots)
    }

    /// All trusted roots as the bundle of a trust domain.
    ///
    /// # Errors
    /// When one of the further roots cannot be parsed.
    pub fn bundle(&self, trust_domain: TrustDomain) -> Result<TrustBundle, TlsError> {
        TrustBundle::from_pem(trust_domain, &self.roots_pem())
    }

    /// A workload's certificate for the key of `request` (PEM): exactly one name, the identity, whatever the request
    /// asks for.
    ///
    /// # Errors
    /// What is wrong with the request.
    pub fn issue_workload(
        &self,
        request: &str,
        id: &SpiffeId,
        pod: Option<&str>,
        lifetime: Duration,
        now: SystemTime,
    ) -> Result<Issued, RequestError> {
        let name = id.to_string();
        let uri = name.as_str().try_into().map_err(|_| RequestError::Name(name.clone()))?;
        let usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let request = verified(request)?;
        let mut params = leaf(vec![SanType::URI(uri)], usages);
        if let Some(name) = workload_of(&request, pod) {
            params.distinguished_name.push(DnType::CommonName, name);
        }
        self.issue(request, params, lifetime, now)
    }

    /// A server's certificate for the key of `request` (PEM) with these DNS names: the control plane's own.
    ///
    /// # Errors
    /// What is wrong with the request.
    pub fn issue_server(
        &self,
        request: &str,
        dns_names: &[&str],
        lifetime: Duration,
        now: SystemTime,
    ) -> Result<Issued, RequestError> {
        let name = |name: &&str| {
            let dns = (*name).try_into().map_err(|_| RequestError::Name((*name).to_owned()))?;
            Ok(SanType::DnsName(dns))
        };
        let names = dns_names.iter().map(name).collect::<Result<_, RequestError>>()?;
        let (request, usages) = (verified(request)?, vec![ExtendedKeyUsagePurpose::ServerAuth]);
        self.issue(request, leaf(names, usages), lifetime, now)
    }

    fn issue(
        &self,
        mut request: CertificateSigningRequestParams,
        mut params: CertificateParams,
        lifetime: Duration,
        now: SystemTime,
    ) -> Result<Issued, RequestError> {
        // A short-lived certificate must not spend its life in the past.
        let skew = MAX_SKEW.min(lifetime / 10);
        let not_after = (now + lifetime).min(self.root.not_after());
        let serial = serial();
        params.serial_number = Some(serial.clone());
        params.not_before = OffsetDateTime::from(now - skew);
        params.not_after = OffsetDateTime::from(not_after);
        params.use_authority_key_identifier_extension = true;
        // Whatever the request asked for is gone; only its key stays.
        request.params = params;
        let leaf = request.signed_by(self.root.issuer()).map_err(CaError::Sign)?;
        Ok(Issued {
            chain: vec![leaf.pem(), self.root.certificate_pem().to_owned()],
            serial: hex(&serial.to_bytes()),
            not_after,
        })
    }
}

/// A leaf without a subject.
fn leaf(names: Vec<SanType>, usages: Vec<ExtendedKeyUsagePurpose>) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = names;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = usages;
    params
}

/// The name of what made the workload, as the request says, where that can be so: pods are called after what made them.
fn workload_of(request: &CertificateSigningRequestParams, pod: Option<&str>) -> Option<String> {
    let asked = match request.params.distinguished_name.get(&DnType::CommonName)? {
        DnValue::Utf8String(name) => name.as_str(),
        DnValue::PrintableString(name) => name.as_str(),
        _ => return None,
    };
    let rest = pod?.strip_prefix(asked)?;
    (!asked.is_empty() && (rest.is_empty() || rest.starts_with('-'))).then(|| asked.to_owned())
}

/// The request, once it is known that whoever made it has the key, and that the key is of the kind that we use.
fn verified(pem: &str) -> Result<CertificateSigningRequestParams, RequestError> {
    if pem.len() > MAX_REQUEST {
        return Err(RequestError::Size(pem.len()));
    }
    let der = CertificateSigningRequestDer::from_pem_slice(pem.as_bytes()).map_err(RequestError::Pem)?;
    // rcgen takes the key's kind from the signature's; the two must agree, or the leaf would carry a garbled key.
    let malformed = || RequestError::Parse(rcgen::Error::CouldNotParseCertificationRequest);
    let (_, parsed) = X509CertificationRequest::from_der(&der).map_err(|_| malformed())?;
    p256(&parsed.certification_request_info.subject_pki)?;
    let request = CertificateSigningRequestParams::from_der(&der).map_err(|error| match error {
        rcgen::Error::InvalidCertificationRequestSignature => RequestError::Signature,
        error => RequestError::Parse(error),
    })?;
    if *request.public_key.algorithm() != rcgen::PKCS_ECDSA_P256_SHA256 {
        return Err(RequestError::KeyType("signed with another algorithm than ECDSA with SHA-256".to_owned()));
    }
    Ok(request)
}

fn p256(key: &SubjectPublicKeyInfo<'_>) -> Result<(), RequestError> {
    let algorithm = &key.algorithm;
    let curve = algorithm.parameters.as_ref().and_then(|curve| curve.as_oid().ok());
    if algorithm.algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY && curve == Some(OID_EC_P256) {
        return Ok(());
    }
    let curve = curve.map(|curve| format!(" {curve}")).unwrap_or_default();
    Err(RequestError::KeyType(format!("of type {}{curve}", algorithm.algorithm)))
}
