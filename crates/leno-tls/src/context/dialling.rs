//! The dialling side ([`UpstreamTlsContext`]).
//!
//! [`UpstreamTlsContext`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/transport_sockets/tls/v3/tls.proto#extensions-transport-sockets-tls-v3-upstreamtlscontext

use std::sync::Arc;

use rustls::{
    ClientConfig, SignatureScheme,
    client::{ResolvesClientCert, Resumption},
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::{Certificate, Parameters, Side, Trust, verify::Verifier};
use crate::TlsError;

/// What the dialling side shows and asks for.
#[derive(Clone, Debug)]
pub struct Dialling {
    /// What is shown to a server that asks.
    pub certificate: Option<Certificate>,
    /// Whom to believe; `None`: anybody.
    pub trust: Option<Trust>,
    /// Whether the server must be the host that it is dialled as, in place of the names of `trust`. An address is no host.
    pub verifies_host: bool,
    /// The protocols, most wanted first.
    pub alpn: Vec<String>,
    /// What may be negotiated.
    pub parameters: Parameters,
    /// How many sessions are remembered; 0: none is resumed.
    pub sessions: u32,
}

impl Dialling {
    /// The rustls configuration. The name that a connection is made with is told to the server (SNI), an address is not.
    ///
    /// # Errors
    /// When rustls refuses it.
    pub fn config(&self) -> Result<ClientConfig, TlsError> {
        let builder = ClientConfig::builder_with_provider(self.parameters.provider())
            .with_protocol_versions(self.parameters.versions())
            .map_err(TlsError::Config)?;
        let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(self.verifier()));
        let mut config = match &self.certificate {
            Some(certificate) => builder.with_client_cert_resolver(Arc::new(Only(Arc::clone(certificate.certified())))),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = self.alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        config.resumption = match self.sessions {
            0 => Resumption::disabled(),
            count => Resumption::in_memory_sessions(count as usize),
        };
        Ok(config)
    }

    /// Verifies a server once more: for sessions that were resumed.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn verify(&self, chain: &[CertificateDer<'_>], server: &ServerName<'_>) -> Result<(), TlsError> {
        self.verifier().verify(chain, Some(server), UnixTime::now())
    }

    fn verifier(&self) -> Verifier {
        Verifier {
            trust: self.trust.clone(),
            by_host: self.verifies_host,
            peer: Side::Server,
            mandatory: true,
            provider: self.parameters.provider(),
        }
    }
}

/// The one certificate, whatever the server would like to see.
#[derive(Debug)]
struct Only(Arc<CertifiedKey>);

impl ResolvesClientCert for Only {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}
