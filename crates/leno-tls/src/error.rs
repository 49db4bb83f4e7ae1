//! What can be wrong with keys, certificates and peers.

use std::sync::Arc;

use leno_model::{SpiffeId, TrustDomain, identity::IdentityError};
use rustls::{CertificateError, OtherError};

/// What is wrong with a key, a certificate, or a peer.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// No key could be made.
    #[error("making a private key")]
    Key(#[source] rcgen::Error),
    /// No signing request could be made.
    #[error("making a certificate signing request")]
    Request(#[source] rcgen::Error),
    /// A text is not PEM.
    #[error("reading PEM certificates")]
    Pem(#[source] rustls_pki_types::pem::Error),
    /// There is no certificate where at least one is needed.
    #[error("no certificate given")]
    NoCertificate,
    /// A certificate cannot be parsed.
    #[error("certificate cannot be parsed: {0}")]
    Malformed(String),
    /// The certificate is not for the private key, or the key cannot be used.
    #[error("certificate and private key do not fit together")]
    KeyMismatch(#[source] rustls::Error),
    /// A certificate has no URI in its subject alternative names, or more than one ([X.509-SVID 2]).
    ///
    /// [X.509-SVID 2]: https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md#2-spiffe-id
    #[error("certificate has {0} URI names, expected exactly one")]
    UriCount(usize),
    /// The certificate's URI is no identity of ours.
    #[error("certificate names no identity")]
    Identity(#[source] IdentityError),
    /// The peer belongs to another trust domain.
    #[error("peer {found} is not of trust domain {expected}")]
    TrustDomain {
        /// Who it is.
        found: SpiffeId,
        /// The trust domain of the bundle.
        expected: TrustDomain,
    },
    /// The server is none of those that the client wanted to reach.
    #[error("server is {found}, expected {}", one_of(expected))]
    UnexpectedServer {
        /// Who it is.
        found: SpiffeId,
        /// Who it may be.
        expected: Vec<SpiffeId>,
    },
    /// The certificate is expired, not yet valid, or does not chain to the bundle.
    #[error("certificate is not trusted")]
    Chain(#[source] webpki::Error),
    /// None of the peer's names is one that was asked for.
    #[error("none of the names of the certificate is accepted: {}", if .0.is_empty() { "it has none".to_owned() } else { .0.join(", ") })]
    Name(Vec<String>),
    /// The certificate, or its key, is none of those that were asked for.
    #[error("neither the certificate nor its key is one of those that are accepted")]
    Fingerprint,
    /// rustls refuses the configuration.
    #[error("configuring TLS")]
    Config(#[source] rustls::Error),
}

fn one_of(identities: &[SpiffeId]) -> String {
    if identities.is_empty() {
        return "nobody (no identity is known for the destination)".to_owned();
    }
    let names: Vec<_> = identities.iter().map(SpiffeId::to_string).collect();
    names.join(" or ")
}

impl From<TlsError> for rustls::Error {
    /// The error that rustls ends the handshake with; it decides the alert that the peer sees.
    fn from(error: TlsError) -> Self {
        let reason = match &error {
            TlsError::Chain(webpki::Error::CertExpired { time, not_after }) => {
                CertificateError::ExpiredContext { time: *time, not_after: *not_after }
            }
            TlsError::Chain(webpki::Error::CertNotValidYet { time, not_before }) => {
                CertificateError::NotValidYetContext { time: *time, not_before: *not_before }
            }
            // A signature that does not fit is an issuer of the right name and another key: another mesh's root.
            TlsError::Chain(webpki::Error::UnknownIssuer | webpki::Error::InvalidSignatureForPublicKey) => {
                CertificateError::UnknownIssuer
            }
            TlsError::Chain(webpki::Error::CertRevoked) => CertificateError::Revoked,
            TlsError::Malformed(_) => CertificateError::BadEncoding,
            TlsError::Key(_)
            | TlsError::Request(_)
            | TlsError::Pem(_)
            | TlsError::NoCertificate
            | TlsError::KeyMismatch(_)
            | TlsError::UriCount(_)
            | TlsError::Identity(_)
            | TlsError::TrustDomain { .. }
            | TlsError::UnexpectedServer { .. }
            | TlsError::Chain(_)
            | TlsError::Name(_)
            | TlsError::Fingerprint
            | TlsError::Config(_) => CertificateError::Other(OtherError(Arc::new(error))),
        };
        Self::InvalidCertificate(reason)
    }
}

/// Why a handshake failed, for people: rustls' text, or our own where we refused the peer.
#[must_use]
pub fn handshake_reason(error: &rustls::Error) -> String {
    if let rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) = error {
        let mut text = inner.to_string();
        let mut source = inner.source();
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        return text;
    }
    error.to_string()
}
