//! The TCP proxy ([`envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy`]).
//!
//! [`envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/network/tcp_proxy/v3/tcp_proxy.proto

use std::time::Duration;

use leno_proto::v3::tcp_proxy::{TcpProxy as Proto, tcp_proxy::ClusterSpecifier};

use super::{
    super::{Registry, TcpProxy, WeightedCluster},
    access_log,
    check::{Check, at, join},
};

/// Envoy's default.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(3600);

pub(super) fn convert(check: &mut Check, path: &str, mut proto: Proto, registry: &mut Registry) -> Option<TcpProxy> {
    let stat_prefix = std::mem::take(&mut proto.stat_prefix).into();
    let clusters = match proto.cluster_specifier.take() {
        Some(ClusterSpecifier::Cluster(name)) => {
            let name = check.name(&join(path, "cluster"), name)?;
            vec![WeightedCluster { weight: 1, cluster: registry.cluster(&name) }]
        }
        Some(ClusterSpecifier::WeightedClusters(weighted)) => {
            if weighted.clusters.iter().all(|cluster| cluster.weight == 0) {
                check.wrong(&join(path, "weighted_clusters"), "no weight at all", "a cluster with a weight above 0");
            }
            let clusters = weighted.clusters.into_iter().enumerate();
            clusters
                .filter_map(|(index, mut cluster)| {
                    let path = at(path, "weighted_clusters.clusters", index);
                    let name = std::mem::take(&mut cluster.name);
                    let weight = std::mem::take(&mut cluster.weight);
                    check.rest(&path, &cluster);
                    let name = check.name(&join(&path, "name"), name)?;
                    Some(WeightedCluster { weight, cluster: registry.cluster(&name) })
                })
                .collect()
        }
        None => {
            check.wrong(&join(path, "cluster"), "missing", "cluster or weighted_clusters");
            return None;
        }
    };
    let idle_timeout = check.duration_or(&join(path, "idle_timeout"), proto.idle_timeout.take(), IDLE_TIMEOUT);
    let access_log = access_log::convert(check, path, std::mem::take(&mut proto.access_log));
    check.rest(path, &proto);
    Some(TcpProxy { stat_prefix, clusters, idle_timeout, access_log })
}
