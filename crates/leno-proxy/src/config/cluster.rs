//! Clusters: endpoints that are reached alike.

use std::{
    net::SocketAddr,
    num::NonZeroU32,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use leno_engine::{
    balance::{Balancing, LoadBalancer, Locality, Target as _, TargetHealth},
    resilience::outlier::Outcome,
};

use super::{
    CircuitBreaker, DialSocket, Endpoint, EndpointSet, HealthChecker, OutlierDetector, Security, SetRules, Slot,
    Transport, TransportMatch, UpstreamHttp,
    dns::DnsEndpoints,
    hosts::{Choice, Wanted},
};
use crate::{clock, dns, health, worker::Worker};

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
    /// How sockets to its endpoints are opened.
    pub socket: DialSocket,
    /// What HTTP is spoken with its endpoints.
    pub protocol: HttpProtocol,
    /// How it is spoken.
    pub http: UpstreamHttp,
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
    /// The objects that its settings come from, for people.
    pub origins: Box<[Box<str>]>,
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

/// What HTTP is spoken with a cluster's endpoints ([`HttpProtocolOptions`]). Requests in another version are translated.
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
    /// What the endpoint chooses by ALPN (`auto_config`).
    Auto,
}

/// Where a cluster's endpoints come from.
#[derive(Debug)]
pub enum ClusterKind {
    /// They are written in it.
    Static(Arc<EndpointSet>),
    /// A load assignment by name.
    Eds(Arc<Slot<EndpointSet>>),
    /// They are known by name.
    Dns(Box<DnsEndpoints>),
    /// The original destination of each connection.
    OriginalDst(OriginalDst),
}

/// How the endpoint of an original-destination cluster is found ([`OriginalDstLbConfig`]).
///
/// [`OriginalDstLbConfig`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/cluster/v3/cluster.proto#config-cluster-v3-cluster-originaldstlbconfig
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OriginalDst {
    /// The request's header that may name it; `None`: only the connection does.
    pub header: Option<Box<str>>,
    /// The port in place of its own.
    pub port: Option<u16>,
}

impl OriginalDst {
    /// The endpoint, if there is one.
    fn endpoint(&self, mut address: SocketAddr) -> Option<Endpoint> {
        if let Some(port) = self.port {
            address.set_port(port);
        }
        // Who dialled the proxy itself was not on the way to anywhere.
        let known = !address.ip().is_unspecified() && address.port() != 0;
        known.then(|| Endpoint::new(address, 1, Vec::new(), Arc::default()))
    }
}

/// Stands for endpoints whose cluster says nothing of transports.
static PLAIN: Transport = Transport { header: None, security: Security::Plain };

/// How long a request waits for the endpoints of a cluster that has just become known.
pub(crate) const ENDPOINTS: Duration = Duration::from_secs(5);

impl Cluster {
    /// The endpoints of the moment; for an original-destination cluster the one that is meant. Waits for those that are
    /// not known yet; empty when they do not come.
    pub async fn endpoints(&self, original_destination: SocketAddr) -> Arc<EndpointSet> {
        match &self.kind {
            ClusterKind::Static(set) => Arc::clone(set),
            ClusterKind::Eds(slot) => slot.known(ENDPOINTS).await.ok().flatten().unwrap_or_default(),
            ClusterKind::Dns(dns) => dns.slot.known(ENDPOINTS).await.ok().flatten().unwrap_or_default(),
            ClusterKind::OriginalDst(by) => {
                let only = by.endpoint(original_destination).into_iter().collect();
                Arc::new(EndpointSet::new(None, only, SetRules::default()))
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
        if let ClusterKind::OriginalDst(by) = &self.kind {
            let only = by.endpoint(original_destination);
            return only.filter(|only| wanted.may_reach(only.address)).map(Arc::new);
        }
        dns::watch(worker, self);
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
        if let Some(preferred) = wanted.preferred {
            let mut all = set.endpoints.iter();
            let found = all.find(|one| one.address == preferred.address && one.health() != TargetHealth::Unhealthy);
            if found.is_some() || preferred.strict {
                return found.cloned();
            }
        }
        worker.balancers.choose(self, set, wanted)
    }

    /// The endpoints of the moment, without waiting.
    pub(super) fn known_endpoints(&self) -> Option<Arc<EndpointSet>> {
        match &self.kind {
            ClusterKind::Static(set) => Some(Arc::clone(set)),
            ClusterKind::Eds(slot) => slot.get(),
            ClusterKind::Dns(dns) => dns.slot.get(),
            ClusterKind::OriginalDst(_) => None,
        }
    }

    /// Whether it matters how quickly endpoints answer.
    pub(crate) fn goes_by_latency(&self) -> bool {
        matches!(self.balancing.policy, LoadBalancer::PeakEwma(_))
    }

    /// Whether this request is refused to spare the endpoints.
    pub(crate) fn drops(&self) -> bool {
        let dropped = match &self.kind {
            ClusterKind::Static(set) => set.rules.dropped,
            ClusterKind::Eds(slot) => slot.get().and_then(|set| set.rules.dropped),
            ClusterKind::Dns(dns) => dns.rules.dropped,
            ClusterKind::OriginalDst(_) => None,
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

    /// How this endpoint is reached.
    #[must_use]
    pub fn transport(&self, endpoint: &Endpoint) -> &Transport {
        let matches =
            |wanted: &&TransportMatch| wanted.labels.iter().all(|label| endpoint.transport_labels.contains(label));
        self.transports.iter().find(matches).map_or(&PLAIN, |found| &found.transport)
    }
}
