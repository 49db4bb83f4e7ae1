//! The TCP proxy: where bytes go.

use std::{sync::Arc, time::Duration};

use leno_engine::resilience::Backoff;

use super::{Cluster, Slot};

/// Where the bytes of a connection go.
#[derive(Debug)]
pub struct TcpProxy {
    /// Names it in telemetry.
    pub stat_prefix: Arc<str>,
    /// The clusters with their weights; at least one.
    pub clusters: Vec<WeightedCluster>,
    /// How long nothing may move in either direction; zero: for ever. Default one hour (Envoy's).
    pub idle_timeout: Duration,
    /// How long a connection may live; `None`: for ever.
    pub longest: Option<Longest>,
    /// How often an endpoint is tried; `None`: as often as is safe (see `tcp::exchange`).
    pub attempts: Option<u32>,
    /// How long is waited between two tries; `None`: not at all.
    pub backoff: Option<Backoff>,
    /// Whether connections of the same caller's address go to the same endpoint, where the balancer hashes.
    pub by_source: bool,
    /// Whether connections are logged.
    pub access_log: bool,
}

impl TcpProxy {
    /// A proxy to these clusters, with what is usual.
    #[must_use]
    pub fn new(stat_prefix: Arc<str>, clusters: Vec<WeightedCluster>) -> Self {
        let (longest, attempts, backoff) = (None, None, None);
        Self {
            stat_prefix,
            clusters,
            idle_timeout: IDLE_TIMEOUT,
            longest,
            attempts,
            backoff,
            by_source: false,
            access_log: false,
        }
    }
}

/// Envoy's default for the time in which nothing moves.
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(3600);

/// How long a connection may live (`max_downstream_connection_duration`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Longest {
    /// At least so long.
    pub time: Duration,
    /// And anything up to so many per cent more.
    pub jitter: f64,
}

/// A cluster and its share.
#[derive(Clone, Debug)]
pub struct WeightedCluster {
    /// The relative share of new connections; 0 gets none.
    pub weight: u32,
    /// The cluster.
    pub cluster: Arc<Slot<Cluster>>,
}
