//! The TCP proxy ([`envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy`]).
//!
//! [`envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/network/tcp_proxy/v3/tcp_proxy.proto

use std::time::Duration;

use leno_engine::resilience::Backoff;
use leno_proto::v3::{
    tcp_proxy::{TcpProxy as Proto, tcp_proxy::ClusterSpecifier},
    r#type::hash_policy::PolicySpecifier,
};

use super::{
    super::{Longest, Registry, TcpProxy, WeightedCluster, tcp::IDLE_TIMEOUT},
    access_log,
    check::{Check, at, join},
};

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
    let longest = longest(check, path, &mut proto);
    let attempts = proto.max_connect_attempts.take().map(|attempts| attempts.value);
    if attempts == Some(0) {
        check.wrong(&join(path, "max_connect_attempts"), "0", "at least 1");
    }
    let backoff = proto.backoff_options.take().map(|mut options| {
        let path = join(path, "backoff_options");
        let base = options.base_interval.take();
        let base = check.duration_or(&join(&path, "base_interval"), base, Duration::from_secs(1));
        let max = options.max_interval.take();
        let max = check.duration_or(&join(&path, "max_interval"), max, base.saturating_mul(10));
        check.rest(&path, &options);
        Backoff { base, max }
    });
    let policies = std::mem::take(&mut proto.hash_policy);
    let by_source = policies.into_iter().enumerate().fold(false, |_, (index, policy)| {
        let path = at(path, "hash_policy", index);
        match policy.policy_specifier {
            Some(PolicySpecifier::FilterState(_)) => check.unsupported(&path, "filter_state", "source_ip"),
            Some(PolicySpecifier::SourceIp(_)) if index == 0 => Some(()),
            Some(PolicySpecifier::SourceIp(_)) | None => {
                check.wrong(&path, "another policy", "source_ip, once");
                None
            }
        };
        true
    });
    let access_log = access_log::convert(check, path, std::mem::take(&mut proto.access_log));
    check.rest(path, &proto);
    Some(TcpProxy { stat_prefix, clusters, idle_timeout, longest, attempts, backoff, by_source, access_log })
}

/// How long a connection may live.
fn longest(check: &mut Check, path: &str, proto: &mut Proto) -> Option<Longest> {
    let jitter = proto.max_downstream_connection_duration_jitter_percentage.take().map_or(0.0, |jitter| jitter.value);
    if !(0.0..=100.0).contains(&jitter) {
        let field = join(path, "max_downstream_connection_duration_jitter_percentage");
        check.wrong(&field, jitter.to_string(), "0 to 100");
    }
    let time = proto.max_downstream_connection_duration.take()?;
    let time = check.duration(&join(path, "max_downstream_connection_duration"), &time)?;
    if time.is_zero() {
        check.wrong(&join(path, "max_downstream_connection_duration"), "0s", "at least a millisecond");
    }
    Some(Longest { time, jitter })
}
