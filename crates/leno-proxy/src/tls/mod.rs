//! TLS on the wire, both ways: the mesh's with both sides verified, and the configuration's own.

pub mod accept;
pub mod connect;
pub mod hello;

use leno_model::SpiffeId;
use leno_tls::TlsError;
use rustls::{CertificateError, CommonState, Error, HandshakeKind};

use crate::{connection::Payload, telemetry::event::HandshakeError};

/// What ALPN says is inside: by the mesh's names and by everybody's.
pub(crate) fn payload(alpn: Option<&[u8]>) -> Option<Payload> {
    match alpn {
        Some(b"h2") => Some(Payload::Http2),
        Some(b"http/1.1" | b"http/1.0") => Some(Payload::Http1),
        _ => [Payload::Http1, Payload::Http2, Payload::Tcp]
            .into_iter()
            .find(|payload| Some(payload.alpn().as_bytes()) == alpn),
    }
}

/// What a handshake came to.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The kind, for the metric.
    pub(crate) kind: HandshakeError,
    /// The words, for the log.
    pub(crate) detail: String,
}

/// Why a handshake failed.
pub(crate) fn failure(error: &std::io::Error) -> Failure {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    let kind = match tls {
        Some(Error::NoCertificatesPresented) => HandshakeError::NoCertificate,
        Some(Error::InvalidCertificate(CertificateError::Other(other))) => match other.0.downcast_ref::<TlsError>() {
            Some(TlsError::UnexpectedServer { .. } | TlsError::Name(_)) => HandshakeError::WrongIdentity,
            _ => HandshakeError::BadCertificate,
        },
        Some(Error::InvalidCertificate(_)) => HandshakeError::BadCertificate,
        Some(Error::AlertReceived(alert)) => match alert {
            rustls::AlertDescription::CertificateRequired => HandshakeError::NoCertificate,
            rustls::AlertDescription::BadCertificate
            | rustls::AlertDescription::UnknownCA
            | rustls::AlertDescription::CertificateExpired
            | rustls::AlertDescription::CertificateUnknown
            | rustls::AlertDescription::CertificateRevoked => HandshakeError::BadCertificate,
            _ => HandshakeError::Protocol,
        },
        Some(_) => HandshakeError::Protocol,
        None => HandshakeError::Io,
    };
    Failure { kind, detail: describe(error, tls) }
}

/// The words for an error: for one of ours its whole chain of causes.
fn describe(error: &std::io::Error, tls: Option<&Error>) -> String {
    let mine = match tls {
        Some(Error::InvalidCertificate(CertificateError::Other(other))) => other.0.downcast_ref::<TlsError>(),
        _ => None,
    };
    let Some(mine) = mine else {
        return error.to_string();
    };
    let mut words = mine.to_string();
    let mut cause = std::error::Error::source(mine);
    while let Some(next) = cause {
        words.push_str(": ");
        words.push_str(&next.to_string());
        cause = next.source();
    }
    words
}

/// Whether a session was resumed: then the peer showed no certificate this time.
pub(crate) fn is_resumed(state: &CommonState) -> bool {
    matches!(state.handshake_kind(), Some(HandshakeKind::Resumed))
}

/// The peer's identity: verified by the handshake, or, in a resumed session, verified again now, because the roots may
/// have changed since it was.
fn peer(
    state: &CommonState,
    verify_again: impl FnOnce(&[rustls::pki_types::CertificateDer<'static>]) -> Result<SpiffeId, TlsError>,
) -> Result<SpiffeId, Failure> {
    let chain = state.peer_certificates().unwrap_or_default();
    let identity = if is_resumed(state) { verify_again(chain) } else { leno_tls::peer_identity(chain) };
    identity.map_err(|error| Failure { kind: kind_of(&error), detail: error.to_string() })
}

/// What is wrong with a peer, for the metric.
fn kind_of(error: &TlsError) -> HandshakeError {
    match error {
        TlsError::NoCertificate => HandshakeError::NoCertificate,
        TlsError::UnexpectedServer { .. } | TlsError::Name(_) => HandshakeError::WrongIdentity,
        TlsError::Key(_)
        | TlsError::Request(_)
        | TlsError::Pem(_)
        | TlsError::Malformed(_)
        | TlsError::KeyMismatch(_)
        | TlsError::UriCount(_)
        | TlsError::Identity(_)
        | TlsError::TrustDomain { .. }
        | TlsError::Chain(_)
        | TlsError::Fingerprint
        | TlsError::Config(_) => HandshakeError::BadCertificate,
    }
}
