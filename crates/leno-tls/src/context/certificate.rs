//! Certificates with their keys, as operators keep them.

use std::{fmt, sync::Arc, time::SystemTime};

use rustls::{SignatureAlgorithm, sign::CertifiedKey};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use crate::{Svid, TlsError, config, svid};

/// A certificate chain with its private key, of which only the chain can be seen.
#[derive(Clone)]
pub struct Certificate {
    certified: Arc<CertifiedKey>,
    /// The DNS names that it is for, in lower case; the common name where it has none (as Envoy chooses by).
    names: Vec<Box<str>>,
    /// The first URI of its names: what Envoy calls "by" in `x-forwarded-client-cert`.
    uri: Option<Box<str>>,
    not_after: SystemTime,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("names", &self.names).finish_non_exhaustive()
    }
}

impl PartialEq for Certificate {
    /// The same leaf has the same key.
    fn eq(&self, other: &Self) -> bool {
        self.certified.cert == other.certified.cert
    }
}

impl Certificate {
    /// A certificate from its chain (the leaf first) and key (PKCS #8, PKCS #1 or SEC 1), both in PEM.
    ///
    /// # Errors
    /// When one is no PEM, the chain is empty or cannot be parsed, or the key is another's.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain).collect::<Result<_, _>>().map_err(TlsError::Pem)?;
        let leaf = chain.first().ok_or(TlsError::NoCertificate)?.clone();
        let key = PrivateKeyDer::from_pem_slice(key).map_err(TlsError::Pem)?;
        let (_, not_after) = svid::validity(&leaf)?;
        let (names, uri) = names(&leaf)?;
        let certified = CertifiedKey::from_der(chain, key, &config::provider()).map_err(TlsError::KeyMismatch)?;
        Ok(Self { certified: Arc::new(certified), names, uri, not_after })
    }

    /// The certificate of a workload's own identity.
    ///
    /// # Errors
    /// When it cannot be parsed.
    pub fn of(svid: &Svid) -> Result<Self, TlsError> {
        let credential = svid.credential();
        let (names, uri) = names(credential.leaf())?;
        Ok(Self { certified: Arc::clone(credential.certified()), names, uri, not_after: credential.not_after() })
    }

    /// The last moment at which it is valid.
    #[must_use]
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// The first URI among its names.
    #[must_use]
    pub fn uri(&self) -> Option<&str> {
        self.uri.as_deref()
    }

    pub(super) fn names(&self) -> &[Box<str>] {
        &self.names
    }

    pub(super) fn certified(&self) -> &Arc<CertifiedKey> {
        &self.certified
    }

    /// Whether its key is one of an elliptic curve.
    pub(super) fn is_ecdsa(&self) -> bool {
        self.certified.key.algorithm() == SignatureAlgorithm::ECDSA
    }
}

/// DNS names, and a URI.
type Names = (Vec<Box<str>>, Option<Box<str>>);

/// The DNS names that a leaf is for, and its first URI.
fn names(leaf: &CertificateDer<'_>) -> Result<Names, TlsError> {
    let (_, parsed) = X509Certificate::from_der(leaf).map_err(|error| TlsError::Malformed(error.to_string()))?;
    let alternatives = parsed.subject_alternative_name().ok().flatten();
    let alternatives = alternatives.map(|extension| extension.value.general_names.as_slice()).unwrap_or_default();
    let mut names: Vec<Box<str>> = Vec::new();
    let mut uri = None;
    for name in alternatives {
        match name {
            GeneralName::DNSName(name) => names.push(name.to_ascii_lowercase().into()),
            GeneralName::URI(name) => uri = uri.or(Some((*name).into())),
            _ => {}
        }
    }
    if names.is_empty() {
        let common = parsed.subject().iter_common_name().next().and_then(|name| name.as_str().ok());
        names.extend(common.map(|name| name.to_ascii_lowercase().into()));
    }
    Ok((names, uri))
}
