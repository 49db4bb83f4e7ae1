//! Clusters: endpoints that are reached alike.

use std::{
    net::SocketAddr,
    num::NonZeroU32,
    rc::Rc,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
pub use leno_engine::balance::LoadBalancer;
use leno_engine::resilience::outlier::Outcome;
use leno_model::SpiffeId;
use leno_tls::{Identity, TlsError};

use super::{
    CircuitBreaker, Endpoint, EndpointSet, HealthChecker, OutlierDetector, Slot, endpoint::MatchLabels, hosts::Hosts,
};
use crate::{connection::Payload, health, telemetry::event::Protocol, worker::Worker};

/// Endpoints that are reached alike.
#[derive(Debug)]
pub struct Cluster {
    /// The resource's name; see `leno_model::resource_name`.
    pub name: Arc<str>,
    /// The service behind it as telemetry names it, `namespace/name`; empty when it is none.
    pub service: Arc<str>,
    /// Where its endpoints come from.
    pub kind: ClusterKind,
    /// How long a connection, TLS included, may take to be there.
    pub connect_timeout: Duration,
    /// How an endpoint is chosen.
    pub load_balancer: LoadBalancer,
    /// Below how many per cent of healthy endpoints health does not count any more
    /// (`common_lb_config.healthy_panic_threshold`); default 50.
    pub panic_threshold: u32,
    /// How connections to its endpoints are protected, by endpoint metadata: the first match counts, none is plaintext.
    pub transports: Vec<TransportMatch>,
    /// What HTTP is spoken with its endpoints.
    pub protocol: HttpProtocol,
    /// After how many requests a connection is not used any more; `None`: never.
    pub max_requests_per_connection: Option<NonZeroU32>,
    /// How much may be under way.
    pub breaker: CircuitBreaker,
    /// The watch over its endpoints; `None`: there is none.
    pub outlier: Option<OutlierDetector>,
    /// How its endpoints are asked whether they are well; `None`: they are not.
    pub health: Option<HealthChecker>,
    /// How many endpoints have been chosen; starts at 0.
    pub turns: AtomicU64,
    /// Those that there were to choose from the last time.
    pub choice: Choice,
}

/// The endpoints that a cluster had to choose from the last time; empty at first.
#[derive(Debug, Default)]
pub struct Choice(ArcSwapOption<Hosts>);

/// What HTTP is spoken with a cluster's endpoints ([`HttpProtocolOptions`]). Requests are not translated: one in another
/// protocol is refused.
///
/// [`HttpProtocolOptions`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/upstreams/http/v3/http_protocol_options.proto
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HttpProtocol {
    /// HTTP/1.1: Envoy's default.
    #[default]
    Http1,
    /// HTTP/2.
    Http2,
    /// What the caller speaks (`use_downstream_protocol_config`).
    AsCaller,
}

/// Where a cluster's endpoints come from.
#[derive(Debug)]
pub enum ClusterKind {
    /// They are written in it.
    Static(Arc<EndpointSet>),
    /// A load assignment by name.
    Eds(Arc<Slot<EndpointSet>>),
    /// The original destination of each connection.
    OriginalDst,
}

/// A transport for the endpoints whose metadata matches.
#[derive(Debug)]
pub struct TransportMatch {
    /// Its name.
    pub name: Box<str>,
    /// All of these must be in the endpoint's `envoy.transport_socket_match` metadata; empty: every endpoint.
    pub labels: MatchLabels,
    /// What protects the connection.
    pub transport: Transport,
}

/// What protects a connection to an endpoint.
#[derive(Clone, Debug)]
pub enum Transport {
    /// Nothing.
    Plain,
    /// Mutual TLS between workloads.
    MeshTls(Arc<UpstreamTls>),
}

/// Mutual TLS towards an endpoint.
#[derive(Debug)]
pub struct UpstreamTls {
    /// The identities that are accepted; never empty.
    pub identities: Vec<SpiffeId>,
    /// No other in this process has the same: a pooled connection is used again only under the settings it was made with.
    id: u64,
    /// The rustls configurations by payload, made at the first handshake. They follow rotation by themselves.
    configs: [OnceLock<Arc<rustls::ClientConfig>>; 3],
}

impl UpstreamTls {
    /// TLS towards one of these.
    #[must_use]
    pub fn new(identities: Vec<SpiffeId>) -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let id = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        Self { identities, id, configs: Default::default() }
    }

    /// A number that no other settings in this process have; never 0.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The rustls configuration for a handshake as this workload.
    ///
    /// # Errors
    /// When rustls refuses it.
    pub fn config(&self, identity: &Identity, payload: Payload) -> Result<Arc<rustls::ClientConfig>, TlsError> {
        let [http1, http2, tcp] = &self.configs;
        let place = match payload {
            Payload::Http1 => http1,
            Payload::Http2 => http2,
            Payload::Tcp => tcp,
        };
        if let Some(config) = place.get() {
            return Ok(Arc::clone(config));
        }
        let config = identity.client_config(&self.identities, payload.alpn())?;
        Ok(Arc::clone(place.get_or_init(|| config)))
    }
}

/// Stands for endpoints whose cluster says nothing of transports.
static PLAIN: Transport = Transport::Plain;

/// How long a request waits for the endpoints of a cluster that has just become known.
pub(crate) const ENDPOINTS: Duration = Duration::from_secs(5);

impl Cluster {
    /// The endpoints of the moment; for an original-destination cluster the one that is meant. Waits for those that are
    /// not known yet; empty when they do not come.
    pub async fn endpoints(&self, original_destination: SocketAddr) -> Arc<EndpointSet> {
        match &self.kind {
            ClusterKind::Static(set) => Arc::clone(set),
            ClusterKind::Eds(slot) => slot.known(ENDPOINTS).await.ok().flatten().unwrap_or_default(),
            ClusterKind::OriginalDst => {
                let only = Endpoint::new(original_destination, 1, Vec::new(), Arc::default());
                Arc::new(EndpointSet::new(None, vec![only], 100))
            }
        }
    }

    /// An endpoint for a new connection or request, none of those that were tried. `hash`: what it is kept together with
    /// others by.
    pub async fn pick(
        self: &Arc<Self>,
        worker: &Rc<Worker>,
        original_destination: SocketAddr,
        hash: Option<u64>,
        tried: &[SocketAddr],
    ) -> Option<Arc<Endpoint>> {
        if let ClusterKind::OriginalDst = self.kind {
            let only = || Endpoint::new(original_destination, 1, Vec::new(), Arc::default());
            return (!tried.contains(&original_destination)).then(only).map(Arc::new);
        }
        let set = self.endpoints(original_destination).await;
        if let Some(checker) = &self.health {
            health::watch(worker, self);
            if !*checker.first.borrow() {
                health::asked(checker).await;
            }
        }
        if let Some(outlier) = &self.outlier {
            outlier.sweep(worker, self, &set.endpoints);
        }
        let turn = self.turns.fetch_add(1, Ordering::Relaxed);
        let known = self.choice.0.load();
        if let Some(hosts) = known.as_ref().filter(|hosts| hosts.is_current(&set)) {
            return hosts.choose(&self.load_balancer, turn, hash, tried);
        }
        let hosts = Arc::new(Hosts::new(set, self.panic_threshold));
        self.choice.0.store(Some(Arc::clone(&hosts)));
        hosts.choose(&self.load_balancer, turn, hash, tried)
    }

    /// Notes what came of a request or connection to an endpoint.
    pub(crate) fn report(&self, worker: &Worker, endpoint: &Endpoint, outcome: Outcome) {
        let Some(outlier) = &self.outlier else { return };
        if let Some(hosts) = self.choice.0.load().as_ref() {
            outlier.record(worker, self, hosts.all(), endpoint, outcome);
        }
    }

    /// Lets an endpoint back that passed a check, where that is enough.
    pub(crate) fn passed_check(&self, endpoint: &Endpoint) {
        if let (Some(outlier), Some(hosts)) = (&self.outlier, self.choice.0.load().as_ref()) {
            outlier.passed_check(self, hosts.all(), endpoint);
        }
    }

    /// Whether requests of this protocol can go to its endpoints.
    #[must_use]
    pub fn speaks(&self, protocol: Protocol) -> bool {
        match self.protocol {
            HttpProtocol::AsCaller => true,
            HttpProtocol::Http1 => protocol == Protocol::Http1,
            HttpProtocol::Http2 => matches!(protocol, Protocol::Http2 | Protocol::Grpc),
        }
    }

    /// How this endpoint is reached.
    #[must_use]
    pub fn transport(&self, endpoint: &Endpoint) -> &Transport {
        let matches =
            |wanted: &&TransportMatch| wanted.labels.iter().all(|label| endpoint.transport_labels.contains(label));
        self.transports.iter().find(matches).map_or(&PLAIN, |found| &found.transport)
    }
}
