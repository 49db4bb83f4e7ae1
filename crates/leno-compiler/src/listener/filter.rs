//! The filters that end a chain.

use std::num::NonZeroU32;

use leno_model::resource_name;
use leno_proto::{
    any,
    google::protobuf::{Any, BoolValue},
    v3::{
        accesslog,
        buffer::Buffer,
        http_connection_manager::{
            HttpConnectionManager, HttpFilter, Rds,
            http_connection_manager::{CodecType, RouteSpecifier, UpgradeConfig},
            http_filter,
        },
        http_inspector::HttpInspector,
        listener,
        route::RouteConfiguration,
        router::Router,
        tcp_proxy::{
            TcpProxy,
            tcp_proxy::{ClusterSpecifier, WeightedCluster, weighted_cluster::ClusterWeight},
        },
    },
};

use crate::{
    message::{access_log, ads, listener_filter, network_filter, uint32},
    split::Target,
};

/// The protocols that Envoy's HTTP inspector finds out.
pub(super) const SNIFFED_HTTP: [&str; 3] = ["http/1.0", "http/1.1", "h2c"];

pub(super) fn http_inspector() -> listener::ListenerFilter {
    listener_filter("envoy.filters.listener.http_inspector", any::pack(&HttpInspector::default()))
}

/// Routes by name.
pub(super) fn rds(route: String) -> RouteSpecifier {
    RouteSpecifier::Rds(Rds { config_source: Some(ads()), route_config_name: route })
}

/// Routes written in the listener.
pub(super) fn inline(routes: RouteConfiguration) -> RouteSpecifier {
    RouteSpecifier::RouteConfig(routes)
}

/// An HTTP connection manager: access rules when given, then routing.
pub(super) fn http(stat_prefix: &str, routes: RouteSpecifier, rbac: Option<Any>, log: bool) -> HttpConnectionManager {
    let rbac = rbac.map(|config| http_filter("envoy.filters.http.rbac", config));
    let router = http_filter("envoy.filters.http.router", any::pack(&Router::default()));
    HttpConnectionManager {
        stat_prefix: stat_prefix.to_owned(),
        codec_type: CodecType::Auto.into(),
        http_filters: rbac.into_iter().chain([router]).collect(),
        upgrade_configs: ["websocket", "CONNECT"].map(upgrade).into(),
        normalize_path: Some(BoolValue { value: true }),
        access_log: access_log(log),
        route_specifier: Some(routes),
        ..Default::default()
    }
}

/// Refuses requests with larger bodies. Who may not call is refused before.
pub(super) fn limit_bodies(manager: &mut HttpConnectionManager, bytes: NonZeroU32) {
    let buffer = any::pack(&Buffer { max_request_bytes: Some(uint32(bytes.get())) });
    let before_router = manager.http_filters.len().saturating_sub(1);
    manager.http_filters.insert(before_router, http_filter("envoy.filters.http.buffer", buffer));
}

fn upgrade(name: &str) -> UpgradeConfig {
    UpgradeConfig { upgrade_type: name.to_owned(), ..Default::default() }
}

pub(super) fn http_network_filter(manager: &HttpConnectionManager) -> listener::Filter {
    network_filter("envoy.filters.network.http_connection_manager", any::pack(manager))
}

fn http_filter(name: &str, config: Any) -> HttpFilter {
    HttpFilter {
        name: name.to_owned(),
        config_type: Some(http_filter::ConfigType::TypedConfig(config)),
        ..Default::default()
    }
}

/// A TCP proxy to where a split says. A split that sends nobody anywhere closes the connection: it goes to the
/// cluster that has no endpoints.
pub(super) fn tcp(stat_prefix: &str, target: &Target<'_>, log: bool) -> listener::Filter {
    let cluster = match target {
        Target::Cluster(name) => ClusterSpecifier::Cluster(name.clone()),
        Target::Weighted(shares) => {
            let weight = |(name, weight): &(String, u32)| ClusterWeight {
                name: name.clone(),
                weight: *weight,
                ..Default::default()
            };
            ClusterSpecifier::WeightedClusters(WeightedCluster { clusters: shares.iter().map(weight).collect() })
        }
        Target::Nowhere(_) => ClusterSpecifier::Cluster(resource_name::BLACKHOLE.to_owned()),
    };
    tcp_to(stat_prefix, cluster, access_log(log))
}

fn tcp_to(stat_prefix: &str, cluster: ClusterSpecifier, access_log: Vec<accesslog::AccessLog>) -> listener::Filter {
    let proxy = TcpProxy {
        stat_prefix: stat_prefix.to_owned(),
        access_log,
        cluster_specifier: Some(cluster),
        ..Default::default()
    };
    network_filter("envoy.filters.network.tcp_proxy", any::pack(&proxy))
}
