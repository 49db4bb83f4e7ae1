//! Who a peer is, and whether to believe it.
//!
//! Both sides check the same things: the chain leads to the bundle, the leaf names exactly one SPIFFE identity, and it
//! is of the bundle's trust domain. A client checks besides that the server is one of those it wants to reach. DNS
//! names are never looked at ([X.509-SVID 5.2]).
//!
//! [X.509-SVID 5.2]: https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md#52-leaf-validation

use std::sync::Arc;

use arc_swap::ArcSwap;
use leno_model::SpiffeId;
use rustls::{
    DigitallySignedStruct, DistinguishedName, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use webpki::{EndEntityCert, KeyUsage};

use crate::{TlsError, TrustBundle, config};

/// Who the holder of this chain (the leaf first) says it is. It does **not** verify the chain: for connections whose
/// handshake did.
///
/// # Errors
/// When there is no certificate, it cannot be parsed, or does not name exactly one SPIFFE identity.
pub fn peer_identity(chain: &[CertificateDer<'_>]) -> Result<SpiffeId, TlsError> {
    let leaf = chain.first().ok_or(TlsError::NoCertificate)?;
    identity_of(&parse(leaf)?)
}

/// The name of what made the holder of this chain, where its certificate tells: a word for telemetry, not for
/// decisions.
#[must_use]
pub fn peer_workload(chain: &[CertificateDer<'_>]) -> Option<String> {
    let (_, leaf) = x509_parser::parse_x509_certificate(chain.first()?).ok()?;
    let name = leaf.subject().iter_common_name().next()?;
    name.as_str().ok().map(str::to_owned)
}

/// Verifies a client's chain: to the bundle, at this time, with one identity of the bundle's trust domain.
///
/// # Errors
/// What is wrong with it.
pub fn client(bundle: &TrustBundle, chain: &[CertificateDer<'_>], now: UnixTime) -> Result<SpiffeId, TlsError> {
    verify(bundle, chain, now, KeyUsage::client_auth())
}

/// Verifies a server's chain: as [`client`], and its identity is one of `expected`. Nobody is accepted when that is
/// empty.
///
/// # Errors
/// What is wrong with it.
pub fn server(
    bundle: &TrustBundle,
    chain: &[CertificateDer<'_>],
    expected: &[SpiffeId],
    now: UnixTime,
) -> Result<SpiffeId, TlsError> {
    let found = verify(bundle, chain, now, KeyUsage::server_auth())?;
    if expected.contains(&found) {
        return Ok(found);
    }
    Err(TlsError::UnexpectedServer { found, expected: expected.to_vec() })
}

fn verify(
    bundle: &TrustBundle,
    chain: &[CertificateDer<'_>],
    now: UnixTime,
    usage: KeyUsage,
) -> Result<SpiffeId, TlsError> {
    let (leaf, intermediates) = chain.split_first().ok_or(TlsError::NoCertificate)?;
    let parsed = parse(leaf)?;
    parsed
        .verify_for_usage(algorithms().all, bundle.anchors(), intermediates, now, usage, None, None)
        .map_err(TlsError::Chain)?;
    let found = identity_of(&parsed)?;
    if found.trust_domain != *bundle.trust_domain() {
        return Err(TlsError::TrustDomain { found, expected: bundle.trust_domain().clone() });
    }
    Ok(found)
}

fn parse<'a>(leaf: &'a CertificateDer<'a>) -> Result<EndEntityCert<'a>, TlsError> {
    EndEntityCert::try_from(leaf).map_err(|error| TlsError::Malformed(error.to_string()))
}

fn identity_of(leaf: &EndEntityCert<'_>) -> Result<SpiffeId, TlsError> {
    let mut names = leaf.valid_uri_names();
    let (Some(name), None) = (names.next(), names.next()) else {
        return Err(TlsError::UriCount(leaf.valid_uri_names().count()));
    };
    name.parse().map_err(TlsError::Identity)
}

fn algorithms() -> WebPkiSupportedAlgorithms {
    config::provider().signature_verification_algorithms
}

/// TLS 1.2 is never offered within the mesh; rustls' traits ask all the same.
fn no_tls12() -> rustls::Error {
    rustls::Error::General("TLS 1.2 is not spoken".to_owned())
}

/// The accepting side's verifier. It reads the bundle of the moment.
#[derive(Debug)]
pub(crate) struct ClientVerifier {
    pub(crate) bundle: Arc<ArcSwap<TrustBundle>>,
    /// Whether a client without a certificate is refused.
    pub(crate) mandatory: bool,
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // Mesh clients have one certificate; naming roots would cost bytes in every handshake.
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let chain = chain(end_entity, intermediates);
        client(&self.bundle.load(), &chain, now)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        algorithms().supported_schemes()
    }
}

/// The dialling side's verifier. It reads the bundle of the moment.
#[derive(Debug)]
pub(crate) struct ServerVerifier {
    pub(crate) bundle: Arc<ArcSwap<TrustBundle>>,
    pub(crate) expected: Vec<SpiffeId>,
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain = chain(end_entity, intermediates);
        server(&self.bundle.load(), &chain, &self.expected, now)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        algorithms().supported_schemes()
    }
}

/// A peer's whole chain, the leaf first.
pub(crate) fn chain<'a>(
    end_entity: &CertificateDer<'a>,
    intermediates: &[CertificateDer<'a>],
) -> Vec<CertificateDer<'a>> {
    std::iter::once(end_entity).chain(intermediates).cloned().collect()
}
