//! Private keys and the certificates for them ([X509-SVID]).
//!
//! [X509-SVID]: https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use leno_model::SpiffeId;
use rcgen::KeyPair;
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject as _};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::{TlsError, config, verify};

/// A private key: ECDSA P-256, made in this process, or read from a file that somebody else keeps. It cannot be shown,
/// written or copied; it ends in a [`Credential`].
pub struct PrivateKey(KeyPair);

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(secret)")
    }
}

impl PrivateKey {
    /// A new key.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn generate() -> Result<Self, TlsError> {
        KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map(Self).map_err(TlsError::Key)
    }

    /// A key from PKCS #8 in PEM.
    ///
    /// # Errors
    /// When it is none.
    pub fn from_pem(pem: &str) -> Result<Self, TlsError> {
        KeyPair::from_pem(pem).map(Self).map_err(TlsError::Key)
    }

    pub(crate) fn pair(&self) -> &KeyPair {
        &self.0
    }
}

/// A certificate chain with its private key: what one side of a handshake shows.
#[derive(Clone)]
pub struct Credential {
    certified: Arc<CertifiedKey>,
    leaf: CertificateDer<'static>,
    not_before: SystemTime,
    not_after: SystemTime,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("not_before", &self.not_before)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

impl Credential {
    /// A credential from the key and the chain that a certificate authority answered with (PEM, the leaf first).
    /// Self-signed certificates behind the leaf (the root) are left out of what peers are shown: they have it or do
    /// not trust it.
    ///
    /// # Errors
    /// When the chain is no PEM, is empty, cannot be parsed, or is not for this key.
    pub fn new(key: &PrivateKey, chain_pem: &str) -> Result<Self, TlsError> {
        let certificates: Vec<_> =
            CertificateDer::pem_slice_iter(chain_pem.as_bytes()).collect::<Result<_, _>>().map_err(TlsError::Pem)?;
        let Some((leaf, issuers)) = certificates.split_first() else {
            return Err(TlsError::NoCertificate);
        };
        let (not_before, not_after) = validity(leaf)?;
        let mut chain = vec![leaf.clone()];
        for issuer in issuers {
            if !is_self_issued(issuer)? {
                chain.push(issuer.clone());
            }
        }
        let der = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.0.serialized_der().to_vec()));
        let certified = CertifiedKey::from_der(chain, der, &config::provider()).map_err(TlsError::KeyMismatch)?;
        Ok(Self { certified: Arc::new(certified), leaf: leaf.clone(), not_before, not_after })
    }

    /// The first moment at which it is valid.
    #[must_use]
    pub fn not_before(&self) -> SystemTime {
        self.not_before
    }

    /// The last moment at which it is valid.
    #[must_use]
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// How long it is valid in all.
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        self.not_after.duration_since(self.not_before).unwrap_or_default()
    }

    /// The leaf certificate.
    #[must_use]
    pub fn leaf(&self) -> &CertificateDer<'static> {
        &self.leaf
    }

    pub(crate) fn certified(&self) -> &Arc<CertifiedKey> {
        &self.certified
    }
}

/// A workload's identity document: a [`Credential`] whose leaf names exactly one SPIFFE identity.
#[derive(Clone, Debug)]
pub struct Svid {
    id: SpiffeId,
    credential: Credential,
}

impl Svid {
    /// An SVID from the key and the chain that the certificate authority answered with (PEM, the leaf first).
    ///
    /// # Errors
    /// As [`Credential::new`], and when the leaf does not name exactly one SPIFFE identity.
    pub fn new(key: &PrivateKey, chain_pem: &str) -> Result<Self, TlsError> {
        let credential = Credential::new(key, chain_pem)?;
        let id = verify::peer_identity(std::slice::from_ref(credential.leaf()))?;
        Ok(Self { id, credential })
    }

    /// Who it says its holder is.
    #[must_use]
    pub fn id(&self) -> &SpiffeId {
        &self.id
    }

    /// Certificate and key.
    #[must_use]
    pub fn credential(&self) -> &Credential {
        &self.credential
    }
}

fn parse<'a>(der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, TlsError> {
    X509Certificate::from_der(der)
        .map(|(_, certificate)| certificate)
        .map_err(|error| TlsError::Malformed(error.to_string()))
}

fn is_self_issued(der: &CertificateDer<'_>) -> Result<bool, TlsError> {
    let certificate = parse(der)?;
    Ok(certificate.subject().as_raw() == certificate.issuer().as_raw())
}

/// The validity of a certificate: not before, not after.
///
/// # Errors
/// When the certificate cannot be parsed, or is from before 1970.
pub fn validity(der: &CertificateDer<'_>) -> Result<(SystemTime, SystemTime), TlsError> {
    let certificate = parse(der)?;
    let time = |seconds: i64| {
        let seconds = u64::try_from(seconds).map_err(|_| TlsError::Malformed("validity before 1970".to_owned()))?;
        Ok(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
    };
    let validity = certificate.validity();
    Ok((time(validity.not_before.timestamp())?, time(validity.not_after.timestamp())?))
}
