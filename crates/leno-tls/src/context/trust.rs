//! Whom to believe ([`CertificateValidationContext`]).
//!
//! [`CertificateValidationContext`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/transport_sockets/tls/v3/common.proto#extensions-transport-sockets-tls-v3-certificatevalidationcontext

use std::sync::Arc;

use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, TrustAnchor, pem::PemObject as _};
use webpki::{CertRevocationList, OwnedCertRevocationList};

use super::NameMatcher;
use crate::TlsError;

/// A SHA-256 sum.
pub type Fingerprint = [u8; 32];

/// Whom to believe. A peer must pass all that is asked for here: its chain, one of the names, one of the sums.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// The roots that a chain must lead to; `None`: chains are not looked at.
    roots: Option<Arc<Roots>>,
    /// What has been taken back; empty: nothing is looked up.
    revoked: Vec<Arc<CertRevocationList<'static>>>,
    /// The rest.
    pub rules: Rules,
}

/// What is asked for besides roots.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Whether only the leaf is looked up there.
    pub leaf_only: Option<bool>,
    /// How many certificates may stand between the leaf and the root.
    pub max_depth: Option<u32>,
    /// One name of the leaf must fit one of these; empty: any.
    pub names: Vec<NameMatcher>,
    /// The sums of certificates that the leaf may be.
    pub certificates: Vec<Fingerprint>,
    /// The sums of public keys that the leaf may have.
    pub keys: Vec<Fingerprint>,
    /// Whether peers that fail are let in all the same (`ACCEPT_UNTRUSTED`).
    pub accept_untrusted: Option<bool>,
}

/// Roots, and as what webpki wants them.
#[derive(Debug)]
pub(super) struct Roots {
    pub(super) certificates: Vec<CertificateDer<'static>>,
    pub(super) anchors: Vec<TrustAnchor<'static>>,
}

impl Trust {
    /// These rules, without roots.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self { roots: None, revoked: Vec::new(), rules }
    }

    /// Believes the roots in a PEM text.
    ///
    /// # Errors
    /// When it is no PEM, or holds no usable certificate.
    pub fn set_roots(&mut self, pem: &[u8]) -> Result<(), TlsError> {
        let certificates: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(TlsError::Pem)?;
        if certificates.is_empty() {
            return Err(TlsError::NoCertificate);
        }
        // The system's bundles may hold one that nothing of today can read: the others count.
        let anchors: Vec<_> = certificates
            .iter()
            .filter_map(|root| webpki::anchor_from_trusted_cert(root).ok().map(|anchor| anchor.to_owned()))
            .collect();
        if anchors.is_empty() {
            return Err(TlsError::Malformed("none of the roots is a certificate".to_owned()));
        }
        self.roots = Some(Arc::new(Roots { certificates, anchors }));
        Ok(())
    }

    /// Looks up certificates in the revocation lists of a PEM text.
    ///
    /// # Errors
    /// When it is no PEM, or holds no usable list.
    pub fn set_revoked(&mut self, pem: &[u8]) -> Result<(), TlsError> {
        let lists = CertificateRevocationListDer::pem_slice_iter(pem).map(|list| {
            let list = list.map_err(TlsError::Pem)?;
            let parsed = OwnedCertRevocationList::from_der(&list);
            parsed.map(|list| Arc::new(list.into())).map_err(|error| TlsError::Malformed(error.to_string()))
        });
        self.revoked = lists.collect::<Result<_, _>>()?;
        if self.revoked.is_empty() { Err(TlsError::NoCertificate) } else { Ok(()) }
    }

    /// Both rules together, as Envoy merges them: `other` counts where it says something, lists are joined.
    #[must_use]
    pub fn merged(&self, other: &Self) -> Self {
        Self {
            roots: other.roots.clone().or_else(|| self.roots.clone()),
            revoked: if other.revoked.is_empty() { self.revoked.clone() } else { other.revoked.clone() },
            rules: self.rules.merged(&other.rules),
        }
    }

    /// Whether anything is asked for.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.roots.is_some() || !self.rules.certificates.is_empty() || !self.rules.keys.is_empty()
    }

    /// Whether chains must lead to roots.
    #[must_use]
    pub fn has_roots(&self) -> bool {
        self.roots.is_some()
    }

    /// Whether certificates are looked up in revocation lists.
    #[must_use]
    pub fn has_revoked(&self) -> bool {
        !self.revoked.is_empty()
    }

    pub(super) fn roots(&self) -> Option<&Roots> {
        self.roots.as_deref()
    }

    pub(super) fn revoked(&self) -> Vec<&CertRevocationList<'static>> {
        self.revoked.iter().map(AsRef::as_ref).collect()
    }
}

impl Rules {
    /// Whether not any certificate will do: names or sums are asked for, and count.
    pub(super) fn are_particular(&self) -> bool {
        let asked = !self.names.is_empty() || !self.certificates.is_empty() || !self.keys.is_empty();
        asked && self.accept_untrusted != Some(true)
    }

    fn merged(&self, other: &Self) -> Self {
        let joined = |one: &[Fingerprint], other: &[Fingerprint]| one.iter().chain(other).copied().collect();
        Self {
            leaf_only: other.leaf_only.or(self.leaf_only),
            max_depth: other.max_depth.or(self.max_depth),
            names: self.names.iter().chain(&other.names).cloned().collect(),
            certificates: joined(&self.certificates, &other.certificates),
            keys: joined(&self.keys, &other.keys),
            accept_untrusted: other.accept_untrusted.or(self.accept_untrusted),
        }
    }
}
