//! Clusters ([`envoy.config.cluster.v3.Cluster`]).
//!
//! [`envoy.config.cluster.v3.Cluster`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/cluster/v3/cluster.proto

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use leno_engine::balance::{Balancing, LocalityRules};
use leno_proto::{
    google::protobuf::UInt32Value,
    v3::cluster::{
        Cluster as Proto,
        cluster::{ClusterDiscoveryType, DiscoveryType, LbConfig, TransportSocketMatch},
    },
};

use leno_xds::ResourceType;

use super::{
    super::{
        Caller, Choice, CircuitBreaker, Cluster, ClusterKind, DialSocket, EndpointSet, HealthChecker, HttpProtocol,
        Keepalive, OriginalDst, OutlierDetector, Registry, Security, TransportMatch, dns::DnsKind,
    },
    breaker,
    check::{Check, at, join},
    dns,
    endpoint::{self, texts},
    health_check, load_balancer, origin, outlier, protocol, source, tls,
};
use crate::connection::service_of;

/// Envoy's default.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) fn convert(check: &mut Check, mut proto: Proto, registry: &mut Registry) -> Option<Cluster> {
    let name: Arc<str> = std::mem::take(&mut proto.name).into();
    let service = service_of(&name).unwrap_or_default().into();
    let connect_timeout = check.duration_or("connect_timeout", proto.connect_timeout.take(), CONNECT_TIMEOUT);
    // Before balancing, of which an original-destination cluster's has a part.
    let kind = kind(check, &name, &mut proto, registry);
    let (balancing, ignores_new) = load_balancer::convert(check, &mut proto);
    let caller = caller(check, &balancing, registry);
    let mut transports: Vec<_> = std::mem::take(&mut proto.transport_socket_matches)
        .into_iter()
        .enumerate()
        .filter_map(|(index, one)| transport(check, &at("", "transport_socket_matches", index), one, registry))
        .collect();
    if let Some(socket) = proto.transport_socket.take()
        && let Some(transport) = tls::upstream(check, "transport_socket", socket, registry)
    {
        transports.push(TransportMatch { name: "default".into(), labels: Vec::new(), transport });
    }
    let mut spoken = protocol::Spoken::default();
    for (key, options) in std::mem::take(&mut proto.typed_extension_protocol_options) {
        spoken = protocol::convert(check, &format!("typed_extension_protocol_options[{key:?}]"), &options);
    }
    let protocol::Spoken { protocol, http, max_requests_per_connection } = spoken;
    let chooses = |one: &TransportMatch| matches!(one.transport.security, Security::Tls(_));
    if protocol == HttpProtocol::Auto && (transports.is_empty() || !transports.iter().all(chooses)) {
        check.wrong("transport_socket", "without ALPN", "TLS, by which endpoints choose (auto_config)");
    }
    let socket = dial_socket(check, &mut proto);
    let thresholds = breaker::convert(check, proto.circuit_breakers.take());
    let outlier = proto.outlier_detection.take().map(|proto| OutlierDetector::new(outlier::convert(check, proto)));
    let health = health_check::convert(check, &name, std::mem::take(&mut proto.health_checks));
    let health = health.map(|checker| HealthChecker { ignores_new, ..checker });
    let origins = origin::convert(check, "metadata", &mut proto.metadata);
    check.rest("", &proto);
    Some(Cluster {
        name,
        service,
        kind: kind?,
        connect_timeout,
        balancing,
        caller,
        transports,
        socket,
        protocol,
        http,
        max_requests_per_connection,
        breaker: CircuitBreaker::new(thresholds),
        outlier,
        health,
        used: AtomicBool::new(false),
        choice: Choice::default(),
        origins,
    })
}

/// Where this process is, and who else makes its requests, where that matters.
fn caller(check: &mut Check, balancing: &Balancing, registry: &mut Registry) -> Caller {
    let here = registry.node.here.clone();
    let LocalityRules::Nearest(_) = balancing.localities else { return Caller { here, cluster: None } };
    let local = registry.node.cluster.clone();
    let own = check.is_for(local.as_deref());
    // A cluster that holds itself would never be dropped; nobody asks the callers for anything near them.
    let cluster = local.filter(|_| !own).map(|name| registry.cluster(&name));
    Caller { here, cluster }
}

fn kind(check: &mut Check, name: &str, proto: &mut Proto, registry: &mut Registry) -> Option<ClusterKind> {
    let discovery = match proto.cluster_discovery_type.take() {
        Some(ClusterDiscoveryType::Type(number)) => DiscoveryType::try_from(number).ok(),
        Some(ClusterDiscoveryType::ClusterType(custom)) => return dns::typed(check, proto, custom),
        None => Some(DiscoveryType::Static),
    };
    match discovery {
        Some(DiscoveryType::Static) => {
            let set = match proto.load_assignment.take() {
                Some(assignment) => endpoint::convert(check, "load_assignment", assignment, None)?,
                None => EndpointSet::default(),
            };
            Some(ClusterKind::Static(Arc::new(set)))
        }
        Some(DiscoveryType::Eds) => {
            let config = proto.eds_cluster_config.take().unwrap_or_default();
            let path = "eds_cluster_config.eds_config";
            let fetch = source::fetch(check, path, config.eds_config, ResourceType::Endpoint, registry);
            let of = if config.service_name.is_empty() { name } else { &config.service_name };
            let of = check.name("name", of.to_owned())?;
            Some(ClusterKind::Eds(registry.endpoints(&of, fetch)))
        }
        Some(DiscoveryType::OriginalDst) => Some(ClusterKind::OriginalDst(original_dst(check, proto))),
        Some(DiscoveryType::StrictDns) => dns::convert(check, proto, DnsKind::Strict),
        Some(DiscoveryType::LogicalDns) => dns::convert(check, proto, DnsKind::Logical),
        None => {
            check.wrong("type", format!("{discovery:?}"), "a type that Envoy has");
            None
        }
    }
}

/// How sockets to endpoints are opened.
fn dial_socket(check: &mut Check, proto: &mut Proto) -> DialSocket {
    let mut socket = DialSocket::default();
    if let Some(mut options) = proto.upstream_connection_options.take() {
        socket.keepalive = options.tcp_keepalive.take().map(|mut proto| {
            let seconds = |value: UInt32Value| Duration::from_secs(value.value.into());
            let keepalive = Keepalive {
                time: proto.keepalive_time.take().map(seconds),
                interval: proto.keepalive_interval.take().map(seconds),
                probes: proto.keepalive_probes.take().map(|probes| probes.value),
            };
            check.rest("upstream_connection_options.tcp_keepalive", &proto);
            keepalive
        });
        check.rest("upstream_connection_options", &options);
    }
    if let Some(mut bind) = proto.upstream_bind_config.take() {
        let path = "upstream_bind_config";
        let address = bind.source_address.take();
        socket.source =
            address.and_then(|address| endpoint::ip_and_port(check, &join(path, "source_address"), address));
        socket.freebind = bind.freebind.take().is_some_and(|it| it.value);
        check.rest(path, &bind);
    }
    socket
}

/// How the endpoint is found.
fn original_dst(check: &mut Check, proto: &mut Proto) -> OriginalDst {
    // Endpoints live as long as what goes to them: there is nothing to clean up.
    if let Some(interval) = proto.cleanup_interval.take() {
        check.duration("cleanup_interval", &interval);
    }
    let mut config = match proto.lb_config.take() {
        Some(LbConfig::OriginalDstLbConfig(config)) => config,
        other => {
            proto.lb_config = other;
            return OriginalDst::default();
        }
    };
    let name = std::mem::take(&mut config.http_header_name).to_ascii_lowercase();
    let name = if name.is_empty() { "x-envoy-original-dst-host" } else { &name };
    let header = std::mem::take(&mut config.use_http_header).then(|| name.into());
    let port = config.upstream_port_override.take().and_then(|port| {
        let made = u16::try_from(port.value).ok();
        if made.is_none() {
            check.wrong("original_dst_lb_config.upstream_port_override", port.value.to_string(), "a port");
        }
        made
    });
    check.rest("original_dst_lb_config", &config);
    OriginalDst { header, port }
}

fn transport(
    check: &mut Check,
    path: &str,
    mut proto: TransportSocketMatch,
    registry: &mut Registry,
) -> Option<TransportMatch> {
    let name = std::mem::take(&mut proto.name).into();
    let labels = texts(check, &join(path, "match"), &proto.r#match.take().unwrap_or_default());
    let socket = proto.transport_socket.take();
    check.rest(path, &proto);
    let transport = tls::upstream(check, &join(path, "transport_socket"), socket.unwrap_or_default(), registry)?;
    Some(TransportMatch { name, labels, transport })
}
