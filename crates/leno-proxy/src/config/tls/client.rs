//! The dialling side.

use std::{net::IpAddr, sync::Arc};

use arc_swap::ArcSwapOption;
use leno_tls::context::Dialling;
use rustls::{ClientConfig, pki_types::ServerName};

use super::{
    super::{Secret, Slot, secret::Unusable, transport::transport_id},
    NotReady, TrustSource, same, secrets,
};
use crate::{connection::Payload, dial::Offer};

/// TLS towards an endpoint, as a cluster asks for it.
#[derive(Debug)]
pub struct ClientContext {
    /// All but the secrets.
    settings: Dialling,
    certificate: Option<Arc<Slot<Secret>>>,
    trust: Option<TrustSource>,
    /// The name that is asked for (SNI).
    name: Option<Box<str>>,
    /// Whether the endpoint's own name is asked for, where it has one.
    by_endpoint: bool,
    /// No other in this process has the same.
    id: u64,
    /// Made of the secrets of its moment.
    ready: ArcSwapOption<ReadyClient>,
}

/// What is made of the secrets of a moment.
#[derive(Debug)]
pub struct ReadyClient {
    secrets: Vec<Arc<Secret>>,
    /// What is shown and asked for.
    pub dialling: Dialling,
    /// With the protocols that are configured; without any, by what is spoken.
    configs: [Arc<ClientConfig>; 4],
}

impl ClientContext {
    /// TLS with these settings, whose `certificate` and `trust` come from secrets.
    #[must_use]
    pub fn new(
        settings: Dialling,
        certificate: Option<Arc<Slot<Secret>>>,
        trust: Option<TrustSource>,
        name: Option<Box<str>>,
        by_endpoint: bool,
    ) -> Self {
        let ready = ArcSwapOption::empty();
        Self { settings, certificate, trust, name, by_endpoint, id: transport_id(), ready }
    }

    /// A number that no other settings in this process have; never 0.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The slots that it needs.
    pub fn slots(&self) -> impl Iterator<Item = &Arc<Slot<Secret>>> {
        self.certificate.iter().chain(self.trust.iter().filter_map(|trust| trust.secret.as_ref()))
    }

    /// Whom a handshake with an endpoint asks for; the address, which is not told, where there is no name.
    #[must_use]
    pub fn server(&self, hostname: &str, address: IpAddr) -> ServerName<'static> {
        let own = (self.by_endpoint && !hostname.is_empty()).then_some(hostname);
        let name = own.or(self.name.as_deref()).and_then(|name| ServerName::try_from(name.to_owned()).ok());
        name.unwrap_or_else(|| ServerName::from(address))
    }

    /// What a handshake uses now.
    ///
    /// # Errors
    /// When a secret is missing or rustls refuses one.
    pub fn ready(&self) -> Result<Arc<ReadyClient>, NotReady> {
        let now = secrets(self.slots())?;
        if let Some(ready) = self.ready.load_full().filter(|ready| same(&ready.secrets, &now)) {
            return Ok(ready);
        }
        let ready = Arc::new(self.build(now)?);
        self.ready.store(Some(Arc::clone(&ready)));
        Ok(ready)
    }

    fn build(&self, secrets: Vec<Arc<Secret>>) -> Result<ReadyClient, NotReady> {
        let (certificate, trust) = match &self.certificate {
            Some(slot) => match secrets.first().map(|secret| &**secret) {
                Some(Secret::Certificate(certificate)) => (Some(certificate.clone()), secrets.get(1)),
                Some(Secret::Trust(_)) | None => return Err(Unusable::Kind(Arc::clone(slot.name())).into()),
            },
            None => (None, secrets.first()),
        };
        let trust = self.trust.as_ref().map(|source| source.merged(trust)).transpose()?;
        let dialling = Dialling { certificate, trust, ..self.settings.clone() };
        let config = dialling.config()?;
        let of = |protocols: &[&[u8]]| {
            let mut config = config.clone();
            if config.alpn_protocols.is_empty() {
                config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
            }
            Arc::new(config)
        };
        // The choice is between these, whatever is configured, as with Envoy.
        let mut either = config.clone();
        either.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let configs = [of(&[b"http/1.1"]), of(&[b"h2"]), of(&[]), Arc::new(either)];
        Ok(ReadyClient { secrets, dialling, configs })
    }
}

impl ReadyClient {
    /// The rustls configuration for what is offered.
    #[must_use]
    pub fn config(&self, offer: Offer) -> Arc<ClientConfig> {
        let [http1, http2, tcp, either] = &self.configs;
        Arc::clone(match offer {
            Offer::Only(Payload::Http1) => http1,
            Offer::Only(Payload::Http2) => http2,
            Offer::Only(Payload::Tcp) => tcp,
            Offer::Either => either,
        })
    }
}
