//! The TCP proxy: where bytes go.

use std::{sync::Arc, time::Duration};

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
    /// Whether connections are logged.
    pub access_log: bool,
}

/// A cluster and its share.
#[derive(Clone, Debug)]
pub struct WeightedCluster {
    /// The relative share of new connections; 0 gets none.
    pub weight: u32,
    /// The cluster.
    pub cluster: Arc<Slot<Cluster>>,
}
