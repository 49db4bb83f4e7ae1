//! Verifying peers by the rules of a configuration, in Envoy's order: chain, names, sums.

use std::{cmp::Ordering, sync::Arc};

use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use webpki::{
    CertRevocationList, EndEntityCert, ExpirationPolicy, KeyUsage, RevocationCheckDepth, RevocationOptionsBuilder,
    VerifiedPath,
};

use super::{NameMatcher, Side, Trust, names, peer};
use crate::{TlsError, svid, verify::chain};

/// What a peer is verified by.
#[derive(Debug)]
pub(super) struct Verifier {
    /// The rules; `None`: anybody is believed.
    pub(super) trust: Option<Trust>,
    /// Whether the peer must be the host that it was dialled as, in place of the names of the rules.
    pub(super) by_host: bool,
    /// Which side the peer is.
    pub(super) peer: Side,
    /// Whether a peer without a certificate is turned away.
    pub(super) mandatory: bool,
    pub(super) provider: Arc<CryptoProvider>,
}

impl Verifier {
    /// Whether the holder of this chain (the leaf first) is believed.
    pub(super) fn verify(
        &self,
        chain: &[CertificateDer<'_>],
        server: Option<&ServerName<'_>>,
        now: UnixTime,
    ) -> Result<(), TlsError> {
        let Some(trust) = &self.trust else { return Ok(()) };
        let host = match server {
            Some(ServerName::DnsName(name)) if self.by_host => Some([NameMatcher::host(name.as_ref())]),
            _ => None,
        };
        let names = host.as_ref().map_or(trust.rules.names.as_slice(), |host| host.as_slice());
        let verified = self.chain(trust, chain, now).and_then(|()| leaf(trust, names, chain));
        if trust.rules.accept_untrusted == Some(true) { Ok(()) } else { verified }
    }

    fn chain(&self, trust: &Trust, chain: &[CertificateDer<'_>], now: UnixTime) -> Result<(), TlsError> {
        let Some(roots) = trust.roots() else { return Ok(()) };
        let (leaf, intermediates) = chain.split_first().ok_or(TlsError::NoCertificate)?;
        // One that is trusted itself needs nobody to vouch for it; webpki would want it to be no root.
        if roots.certificates.contains(leaf) && !trust.has_revoked() {
            return in_time(leaf, now);
        }
        let parsed = EndEntityCert::try_from(leaf).map_err(|error| TlsError::Malformed(error.to_string()))?;
        let lists = trust.revoked();
        let lists: Vec<&CertRevocationList<'_>> = lists.into_iter().collect();
        let depth = match trust.rules.leaf_only {
            Some(true) => RevocationCheckDepth::EndEntity,
            Some(false) | None => RevocationCheckDepth::Chain,
        };
        // Without a list there is nothing to look up.
        let revocation = RevocationOptionsBuilder::new(&lists).ok();
        let revocation = revocation
            .map(|options| options.with_depth(depth).with_expiration_policy(ExpirationPolicy::Enforce).build());
        let usage = match self.peer {
            Side::Server => KeyUsage::server_auth(),
            Side::Client => KeyUsage::client_auth(),
        };
        let short = |path: &VerifiedPath<'_>| match trust.rules.max_depth {
            Some(depth) if path.intermediate_certificates().count() > depth as usize => {
                Err(webpki::Error::MaximumPathDepthExceeded)
            }
            Some(_) | None => Ok(()),
        };
        let algorithms = self.algorithms().all;
        let path =
            parsed.verify_for_usage(algorithms, &roots.anchors, intermediates, now, usage, revocation, Some(&short));
        path.map(drop).map_err(TlsError::Chain)
    }

    fn algorithms(&self) -> WebPkiSupportedAlgorithms {
        self.provider.signature_verification_algorithms
    }
}

/// Whether a leaf has one of the names, and one of the sums.
fn leaf(trust: &Trust, matchers: &[NameMatcher], chain: &[CertificateDer<'_>]) -> Result<(), TlsError> {
    let leaf = chain.first().ok_or(TlsError::NoCertificate)?;
    if !matchers.is_empty() {
        let names = names::of(leaf)?;
        if !names.iter().any(|name| matchers.iter().any(|matcher| matcher.matches(name))) {
            let names: Vec<_> = names.into_iter().map(|(_, name)| name).collect();
            return Err(TlsError::Name(names));
        }
    }
    if !trust.rules.certificates.is_empty() || !trust.rules.keys.is_empty() {
        let known = trust.rules.certificates.contains(&peer::sum(leaf))
            || peer::key_sum(leaf).is_ok_and(|sum| trust.rules.keys.contains(&sum));
        if !known {
            return Err(TlsError::Fingerprint);
        }
    }
    Ok(())
}

/// Whether a certificate is valid at this time.
fn in_time(leaf: &CertificateDer<'_>, now: UnixTime) -> Result<(), TlsError> {
    let (from, to) = svid::validity(leaf)?;
    let seconds = |time: std::time::SystemTime| {
        let since = time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        UnixTime::since_unix_epoch(since)
    };
    let (not_before, not_after) = (seconds(from), seconds(to));
    match (now.as_secs().cmp(&not_before.as_secs()), now.as_secs().cmp(&not_after.as_secs())) {
        (Ordering::Less, _) => Err(TlsError::Chain(webpki::Error::CertNotValidYet { time: now, not_before })),
        (_, Ordering::Greater) => Err(TlsError::Chain(webpki::Error::CertExpired { time: now, not_after })),
        _ => Ok(()),
    }
}

impl ClientCertVerifier for Verifier {
    fn offer_client_auth(&self) -> bool {
        self.trust.as_ref().is_some_and(Trust::asks)
    }

    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // Callers have one certificate for us; naming roots would only cost bytes.
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.verify(&chain(end_entity, intermediates), None, now)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms().supported_schemes()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verify(&chain(end_entity, intermediates), Some(server), now)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms().supported_schemes()
    }
}
