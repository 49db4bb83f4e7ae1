//! What one process shows to its peers and believes of them, replaceable while in use.

use std::{fmt, sync::Arc};

use arc_swap::ArcSwap;
use leno_model::SpiffeId;
use rustls::{
    ClientConfig, ServerConfig, SignatureScheme,
    client::{ResolvesClientCert, Resumption},
    crypto::aws_lc_rs::Ticketer,
    server::{ClientHello, ProducesTickets, ResolvesServerCert},
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, UnixTime};

use crate::{Credential, Svid, TlsError, TrustBundle, config, session::Sessions, verify};

/// A workload's SVID and trust bundle. Clones share both; a replacement reaches every configuration made from them at
/// its next handshake and no connection that exists.
///
/// Sessions may be resumed. A resumed handshake shows and verifies no certificate, so whoever accepts or dials must
/// call [`verify_client`](Self::verify_client) or [`verify_server`](Self::verify_server) with the connection's peer
/// certificates when its `handshake_kind` is `Resumed`: a root may have been removed since.
#[derive(Clone)]
pub struct Identity {
    svid: Arc<ArcSwap<Svid>>,
    bundle: Arc<ArcSwap<TrustBundle>>,
    tickets: Arc<dyn ProducesTickets>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Identity").field(self.svid.load().id()).finish()
    }
}

impl Identity {
    /// An identity from its first SVID and bundle.
    ///
    /// # Errors
    /// When the system gives no randomness for ticket keys.
    pub fn new(svid: Svid, bundle: TrustBundle) -> Result<Self, TlsError> {
        Ok(Self {
            svid: Arc::new(ArcSwap::from_pointee(svid)),
            bundle: Arc::new(ArcSwap::from_pointee(bundle)),
            tickets: Ticketer::new().map_err(TlsError::Config)?,
        })
    }

    /// The SVID of the moment.
    #[must_use]
    pub fn svid(&self) -> Arc<Svid> {
        self.svid.load_full()
    }

    /// The bundle of the moment.
    #[must_use]
    pub fn bundle(&self) -> Arc<TrustBundle> {
        self.bundle.load_full()
    }

    /// Shows another SVID from now on.
    pub fn replace_svid(&self, svid: Svid) {
        self.svid.store(Arc::new(svid));
    }

    /// Believes other roots from now on.
    pub fn replace_bundle(&self, bundle: TrustBundle) {
        if **self.bundle.load() != bundle {
            self.bundle.store(Arc::new(bundle));
        }
    }

    /// What an accepting side uses: a client certificate is demanded; `alpn` in order of preference.
    ///
    /// # Errors
    /// When rustls refuses the configuration.
    pub fn server_config(&self, alpn: &[&str]) -> Result<Arc<ServerConfig>, TlsError> {
        let verifier = verify::ClientVerifier { bundle: Arc::clone(&self.bundle), mandatory: true };
        let mut config =
            config::server()?.with_client_cert_verifier(Arc::new(verifier)).with_cert_resolver(self.resolver());
        config.alpn_protocols = config::protocols(alpn);
        config.ticketer = Arc::clone(&self.tickets);
        Ok(Arc::new(config))
    }

    /// What a dialling side uses to reach a server that is one of `expected`; an empty list accepts nobody. `alpn`
    /// names the payload. The server name given to rustls is only the key of its session memory: use the address.
    ///
    /// # Errors
    /// When rustls refuses the configuration.
    pub fn client_config(&self, expected: &[SpiffeId], alpn: &str) -> Result<Arc<ClientConfig>, TlsError> {
        let verifier = verify::ServerVerifier { bundle: Arc::clone(&self.bundle), expected: expected.to_vec() };
        let mut config = config::client()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(self.resolver());
        config.alpn_protocols = config::protocols(&[alpn]);
        config.enable_sni = false;
        let sessions = Sessions::new(Arc::clone(&self.svid), Arc::clone(&self.bundle));
        config.resumption = Resumption::store(Arc::new(sessions));
        Ok(Arc::new(config))
    }

    /// Verifies a client's chain against the bundle of the moment: for resumed connections.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn verify_client(&self, chain: &[CertificateDer<'_>]) -> Result<SpiffeId, TlsError> {
        verify::client(&self.bundle.load(), chain, UnixTime::now())
    }

    /// Verifies a server's chain against the bundle of the moment: for resumed connections.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn verify_server(&self, chain: &[CertificateDer<'_>], expected: &[SpiffeId]) -> Result<SpiffeId, TlsError> {
        verify::server(&self.bundle.load(), chain, expected, UnixTime::now())
    }

    pub(crate) fn resolver(&self) -> Arc<SvidResolver> {
        Arc::new(SvidResolver(Arc::clone(&self.svid)))
    }
}

/// Shows the SVID of the moment.
pub(crate) struct SvidResolver(Arc<ArcSwap<Svid>>);

impl fmt::Debug for SvidResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SvidResolver").field(self.0.load().id()).finish()
    }
}

impl SvidResolver {
    fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(self.0.load().credential().certified())
    }
}

impl ResolvesServerCert for SvidResolver {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.certified())
    }
}

impl ResolvesClientCert for SvidResolver {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.certified())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// What an ordinary server, such as the control plane, shows and believes: a certificate with a DNS name, and the
/// bundle for clients that show an SVID. Clones share both.
#[derive(Clone, Debug)]
pub struct ServerIdentity {
    credential: Arc<ArcSwap<Credential>>,
    bundle: Arc<ArcSwap<TrustBundle>>,
}

impl ServerIdentity {
    /// A server's identity from its first certificate and bundle.
    #[must_use]
    pub fn new(credential: Credential, bundle: TrustBundle) -> Self {
        Self {
            credential: Arc::new(ArcSwap::from_pointee(credential)),
            bundle: Arc::new(ArcSwap::from_pointee(bundle)),
        }
    }

    /// The certificate of the moment.
    #[must_use]
    pub fn credential(&self) -> Arc<Credential> {
        self.credential.load_full()
    }

    /// Shows another certificate from now on.
    pub fn replace_credential(&self, credential: Credential) {
        self.credential.store(Arc::new(credential));
    }

    /// Believes other roots from now on.
    pub fn replace_bundle(&self, bundle: TrustBundle) {
        self.bundle.store(Arc::new(bundle));
    }

    /// What the accepting side uses: a client may show a certificate, and one that it shows must be good.
    ///
    /// # Errors
    /// When rustls refuses the configuration.
    pub fn server_config(&self, alpn: &[&str]) -> Result<Arc<ServerConfig>, TlsError> {
        let verifier = verify::ClientVerifier { bundle: Arc::clone(&self.bundle), mandatory: false };
        let mut config = config::server()?
            .with_client_cert_verifier(Arc::new(verifier))
            .with_cert_resolver(Arc::new(CredentialResolver(Arc::clone(&self.credential))));
        config.alpn_protocols = config::protocols(alpn);
        // Connections are few and long; each shows its certificate anew.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        Ok(Arc::new(config))
    }
}

/// Shows the certificate of the moment.
#[derive(Debug)]
struct CredentialResolver(Arc<ArcSwap<Credential>>);

impl ResolvesServerCert for CredentialResolver {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(self.0.load().certified()))
    }
}
