//! The filters that end a chain.

use std::{num::NonZeroU32, time::Duration};

use leno_model::resource_name;
use leno_proto::{
    any,
    google::protobuf::BoolValue,
    v3::{
        buffer::Buffer,
        cors::Cors,
        http_connection_manager::{
            HttpConnectionManager, HttpFilter, Rds,
            http_connection_manager::{CodecType, RouteSpecifier, UpgradeConfig},
        },
        http_inspector::HttpInspector,
        listener,
        route::RouteConfiguration,
        router::Router,
        stateful_session::StatefulSession,
        tcp_proxy::{
            TcpProxy,
            tcp_proxy::{ClusterSpecifier, WeightedCluster, weighted_cluster::ClusterWeight},
        },
        tls_inspector::TlsInspector,
    },
};

use crate::{
    message::{access_log, ads, duration, http_filter, listener_filter, network_filter, uint32},
    route::{cors, session},
    split::Target,
};

/// The protocols that Envoy's HTTP inspector finds out.
pub(super) const SNIFFED_HTTP: [&str; 3] = ["http/1.0", "http/1.1", "h2c"];

pub(super) fn http_inspector() -> listener::ListenerFilter {
    listener_filter("envoy.filters.listener.http_inspector", any::pack(&HttpInspector::default()))
}

pub(super) fn tls_inspector() -> listener::ListenerFilter {
    listener_filter("envoy.filters.listener.tls_inspector", any::pack(&TlsInspector::default()))
}

/// Routes by name.
pub(super) fn rds(route: String) -> RouteSpecifier {
    RouteSpecifier::Rds(Rds { config_source: Some(ads()), route_config_name: route })
}

/// Routes written in the listener.
pub(super) fn inline(routes: RouteConfiguration) -> RouteSpecifier {
    RouteSpecifier::RouteConfig(routes)
}

/// An HTTP connection manager: these filters, then routing.
pub(super) fn http(
    stat_prefix: &str,
    routes: RouteSpecifier,
    filters: impl IntoIterator<Item = HttpFilter>,
    log: bool,
) -> HttpConnectionManager {
    let router = http_filter("envoy.filters.http.router", any::pack(&Router::default()));
    HttpConnectionManager {
        stat_prefix: stat_prefix.to_owned(),
        codec_type: CodecType::Auto.into(),
        http_filters: filters.into_iter().chain([router]).collect(),
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

/// Answers for what pages of other origins may do, where routes say so.
pub(super) fn heed_origins(manager: &mut HttpConnectionManager) {
    manager.http_filters.insert(0, http_filter(cors::FILTER, any::pack(&Cors::default())));
}

/// Keeps sessions with their endpoints, where routes say so.
pub(super) fn keep_sessions(manager: &mut HttpConnectionManager) {
    let before_router = manager.http_filters.len().saturating_sub(1);
    let filter = http_filter(session::FILTER, any::pack(&StatefulSession::default()));
    manager.http_filters.insert(before_router, filter);
}

fn upgrade(name: &str) -> UpgradeConfig {
    UpgradeConfig { upgrade_type: name.to_owned(), ..Default::default() }
}

pub(super) fn http_network_filter(manager: &HttpConnectionManager) -> listener::Filter {
    network_filter("envoy.filters.network.http_connection_manager", any::pack(manager))
}

/// A TCP proxy to where a split says. A split that sends nobody anywhere closes the connection: it goes to the
/// cluster that has no endpoints.
pub(super) fn tcp(stat_prefix: &str, target: &Target<'_>, idle: Option<Duration>, log: bool) -> listener::Filter {
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
        Target::Nowhere(_) | Target::Closed => ClusterSpecifier::Cluster(resource_name::BLACKHOLE.to_owned()),
    };
    let proxy = TcpProxy {
        stat_prefix: stat_prefix.to_owned(),
        idle_timeout: idle.map(duration),
        access_log: access_log(log),
        cluster_specifier: Some(cluster),
        ..Default::default()
    };
    network_filter("envoy.filters.network.tcp_proxy", any::pack(&proxy))
}
