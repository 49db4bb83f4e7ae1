//! The accepting side.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use leno_tls::context::{Accepting, Certificate};
use rustls::{ServerConfig, server::ClientHello};

use super::{
    super::{Secret, Slot, secret::Unusable},
    NotReady, TrustSource, same, secrets,
};

/// TLS towards callers, as a listener's chain asks for it.
#[derive(Debug)]
pub struct ServerContext {
    /// All but the secrets.
    settings: Accepting,
    certificates: Vec<Arc<Slot<Secret>>>,
    trust: Option<TrustSource>,
    /// Made of the secrets of its moment.
    ready: ArcSwapOption<ReadyServer>,
}

/// What is made of the secrets of a moment.
#[derive(Debug)]
pub struct ReadyServer {
    secrets: Vec<Arc<Secret>>,
    /// What is shown and asked for.
    pub accepting: Accepting,
    config: Arc<ServerConfig>,
    /// For callers whose protocols are none of ours: as BoringSSL does, the handshake goes on without one.
    without_protocol: Arc<ServerConfig>,
}

impl ServerContext {
    /// TLS with these settings, whose `certificates` and `trust` come from secrets.
    #[must_use]
    pub fn new(settings: Accepting, certificates: Vec<Arc<Slot<Secret>>>, trust: Option<TrustSource>) -> Self {
        Self { settings, certificates, trust, ready: ArcSwapOption::empty() }
    }

    /// The slots that it needs.
    pub fn slots(&self) -> impl Iterator<Item = &Arc<Slot<Secret>>> {
        self.certificates.iter().chain(self.trust.iter().filter_map(|trust| trust.secret.as_ref()))
    }

    /// What a handshake uses now.
    ///
    /// # Errors
    /// When a secret is missing or rustls refuses one.
    pub fn ready(&self) -> Result<Arc<ReadyServer>, NotReady> {
        let now = secrets(self.slots())?;
        if let Some(ready) = self.ready.load_full().filter(|ready| same(&ready.secrets, &now)) {
            return Ok(ready);
        }
        let ready = Arc::new(self.build(now)?);
        self.ready.store(Some(Arc::clone(&ready)));
        Ok(ready)
    }

    fn build(&self, secrets: Vec<Arc<Secret>>) -> Result<ReadyServer, NotReady> {
        let (certificates, trust) =
            secrets.split_at_checked(self.certificates.len()).unwrap_or((secrets.as_slice(), &[]));
        let pairs = certificates.iter().zip(&self.certificates);
        let certificates = pairs.map(|(secret, slot)| certificate(secret, slot)).collect::<Result<_, _>>()?;
        let trust = self.trust.as_ref().map(|source| source.merged(trust.first())).transpose()?;
        let accepting = Accepting { certificates, trust, ..self.settings.clone() };
        let config = accepting.config()?;
        let mut without_protocol = config.clone();
        without_protocol.alpn_protocols.clear();
        Ok(ReadyServer { secrets, accepting, config: Arc::new(config), without_protocol: Arc::new(without_protocol) })
    }
}

fn certificate(secret: &Secret, slot: &Slot<Secret>) -> Result<Certificate, NotReady> {
    match secret {
        Secret::Certificate(certificate) => Ok(certificate.clone()),
        Secret::Trust(_) => Err(Unusable::Kind(Arc::clone(slot.name())).into()),
    }
}

impl ReadyServer {
    /// The rustls configuration for a caller.
    #[must_use]
    pub fn config(&self, hello: &ClientHello<'_>) -> Arc<ServerConfig> {
        let known = |name: &[u8]| self.config.alpn_protocols.iter().any(|protocol| protocol == name);
        let agreed = hello.alpn().is_none_or(|mut offered| offered.any(known));
        Arc::clone(if agreed { &self.config } else { &self.without_protocol })
    }

    /// The first URI of the first certificate: as whom we answer.
    #[must_use]
    pub fn own_uri(&self) -> Option<&str> {
        self.accepting.certificates.first().and_then(Certificate::uri)
    }
}
