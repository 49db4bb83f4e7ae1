//! Clusters: endpoints that are reached alike.

use std::{
    net::SocketAddr,
    num::NonZeroU32,
    rc::Rc,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use leno_engine::{
    balance::{Balancing, LoadBalancer, Locality, Target as _},
    resilience::outlier::Outcome,
};
use leno_model::SpiffeId;
use leno_tls::{Identity, TlsError};

use super::{
    CircuitBreaker, Endpoint, EndpointSet, HealthChecker, OutlierDetector, Slot,
    endpoint::MatchLabels,
    hosts::{Choice, Wanted},
};
use crate::{clock, connection::Payload, health, telemetry::event::Protocol, worker::Worker};

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
    pub balancing: Balancing,
    /// Where this process is, and the cluster that it is one of, for balancing by place.
    pub caller: Caller,
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
    /// Whether an endpoint has ever been chosen.
    pub used: AtomicBool,
    /// Those that there were to choose from the last time.
    pub choice: Choice,
}

/// Where requests come from.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    /// This process's place.
    pub here: Locality,
    /// The cluster whose endpoints are all those that make such requests (`cluster_manager.local_cluster_name`), where
    /// requests are kept near.
    pub cluster: Option<Arc<Slot<Cluster>>>,
}

/// What HTTP is spoken with a cluster's endpoints ([`HttpProtocolOptions`]). Requests of HTTP/2 are translated to
/// HTTP/1.1; those of HTTP/1.1 to HTTP/2 are not: they are refused.
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

    /// An endpoint for a new connection or request.
    pub async fn pick(
        self: &Arc<Self>,
        worker: &Rc<Worker>,
        original_destination: SocketAddr,
        wanted: &Wanted<'_>,
    ) -> Option<Arc<Endpoint>> {
        if let ClusterKind::OriginalDst = self.kind {
            let only = || Endpoint::new(original_destination, 1, Vec::new(), Arc::default());
            return wanted.may_reach(original_destination).then(only).map(Arc::new);
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
        // Read first, so that workers do not fight for it.
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
        worker.balancers.choose(self, set, wanted)
    }

    /// The endpoints of the moment, without waiting.
    pub(super) fn known_endpoints(&self) -> Option<Arc<EndpointSet>> {
        match &self.kind {
            ClusterKind::Static(set) => Some(Arc::clone(set)),
            ClusterKind::Eds(slot) => slot.get(),
            ClusterKind::OriginalDst => None,
        }
    }

    /// Whether it matters how quickly endpoints answer.
    pub(crate) fn goes_by_latency(&self) -> bool {
        matches!(self.balancing.policy, LoadBalancer::PeakEwma(_))
    }

    /// Whether this request is refused to spare the endpoints.
    pub(crate) fn drops(&self) -> bool {
        let dropped = match &self.kind {
            ClusterKind::Static(set) => set.dropped,
            ClusterKind::Eds(slot) => slot.get().and_then(|set| set.dropped),
            ClusterKind::OriginalDst => None,
        };
        dropped.is_some_and(|share| share.hits(&mut rand::rng()))
    }

    /// Notes that an answer of an endpoint began.
    pub(crate) fn answered(&self, endpoint: &Endpoint, took: Duration) {
        if let LoadBalancer::PeakEwma(settings) = &self.balancing.policy {
            endpoint.latency().observe(took, clock::now(), settings);
        }
    }

    /// Notes what came of a request or connection to an endpoint.
    pub(crate) fn report(&self, worker: &Worker, endpoint: &Endpoint, outcome: Outcome) {
        let Some(outlier) = &self.outlier else { return };
        if let Some(set) = self.choice.endpoints() {
            outlier.record(worker, self, &set.endpoints, endpoint, outcome);
        }
    }

    /// Lets an endpoint back that passed a check, where that is enough.
    pub(crate) fn passed_check(&self, endpoint: &Endpoint) {
        if let (Some(outlier), Some(set)) = (&self.outlier, self.choice.endpoints()) {
            outlier.passed_check(self, &set.endpoints, endpoint);
        }
    }

    /// Whether requests of this protocol can go to its endpoints. HTTP/2 is translated to HTTP/1.1, but for CONNECT.
    #[must_use]
    pub fn speaks(&self, protocol: Protocol, connect: bool) -> bool {
        match self.protocol {
            HttpProtocol::AsCaller => true,
            HttpProtocol::Http1 => protocol == Protocol::Http1 || !connect,
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
