//! Trust bundles: the roots that peers are verified against.

use leno_model::TrustDomain;
use rustls_pki_types::{CertificateDer, TrustAnchor, pem::PemObject as _};

use crate::TlsError;

/// The roots of one trust domain. Several are trusted while one replaces another.
#[derive(Clone, Debug)]
pub struct TrustBundle {
    trust_domain: TrustDomain,
    roots: Vec<CertificateDer<'static>>,
    anchors: Vec<TrustAnchor<'static>>,
}

impl PartialEq for TrustBundle {
    fn eq(&self, other: &Self) -> bool {
        self.trust_domain == other.trust_domain && self.roots == other.roots
    }
}

impl Eq for TrustBundle {}

impl TrustBundle {
    /// A bundle from its roots; repeated ones count once.
    ///
    /// # Errors
    /// When there is no root, or one cannot be parsed.
    pub fn new(trust_domain: TrustDomain, roots: Vec<CertificateDer<'static>>) -> Result<Self, TlsError> {
        let mut unique: Vec<CertificateDer<'static>> = Vec::with_capacity(roots.len());
        for root in roots {
            if !unique.contains(&root) {
                unique.push(root);
            }
        }
        if unique.is_empty() {
            return Err(TlsError::NoCertificate);
        }
        let anchors = unique
            .iter()
            .map(|root| Ok(webpki::anchor_from_trusted_cert(root)?.to_owned()))
            .collect::<Result<_, webpki::Error>>()
            .map_err(|error| TlsError::Malformed(error.to_string()))?;
        Ok(Self { trust_domain, roots: unique, anchors })
    }

    /// A bundle from PEM text with one or more certificates.
    ///
    /// # Errors
    /// When the text is no PEM, holds no certificate, or one cannot be parsed.
    pub fn from_pem(trust_domain: TrustDomain, pem: &str) -> Result<Self, TlsError> {
        let roots = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().map_err(TlsError::Pem)?;
        Self::new(trust_domain, roots)
    }

    /// The trust domain that the roots vouch for.
    #[must_use]
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// The roots.
    #[must_use]
    pub fn roots(&self) -> &[CertificateDer<'static>] {
        &self.roots
    }

    pub(crate) fn anchors(&self) -> &[TrustAnchor<'static>] {
        &self.anchors
    }
}
