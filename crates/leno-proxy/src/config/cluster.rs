//! Clusters: endpoints that are reached alike.

use std::{sync::Arc, time::Duration};

use leno_model::SpiffeId;

use super::{Endpoint, EndpointSet, Slot};

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
    /// How connections to its endpoints are protected, by endpoint metadata: the first match counts, none is plaintext.
    pub transports: Vec<TransportMatch>,
    /// The most requests under way, waiting ones included; `None`: Leno's default.
    pub max_requests: Option<u32>,
    /// The most connections to one endpoint; `None`: Leno's default.
    pub max_connections: Option<u32>,
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

/// How an endpoint is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LoadBalancer {
    /// The less loaded of two drawn by lot.
    #[default]
    LeastRequest,
    /// One after the other.
    RoundRobin,
    /// Any.
    Random,
}

/// A transport for the endpoints whose metadata matches.
#[derive(Debug)]
pub struct TransportMatch {
    /// Its name.
    pub name: Box<str>,
    /// All of these must be in the endpoint's `envoy.transport_socket_match` metadata; empty: every endpoint.
    pub labels: Vec<(Box<str>, Box<str>)>,
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamTls {
    /// The identities that are accepted; never empty.
    pub identities: Vec<SpiffeId>,
}

/// Stands for endpoints whose cluster says nothing of transports.
static PLAIN: Transport = Transport::Plain;

impl Cluster {
    /// How this endpoint is reached.
    #[must_use]
    pub fn transport(&self, endpoint: &Endpoint) -> &Transport {
        let matches = |wanted: &&TransportMatch| wanted.labels.iter().all(|label| endpoint.transport_labels.contains(label));
        self.transports.iter().find(matches).map_or(&PLAIN, |found| &found.transport)
    }
}
