//! Clusters ([`envoy.config.cluster.v3.Cluster`]).
//!
//! [`envoy.config.cluster.v3.Cluster`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/cluster/v3/cluster.proto

use std::{
    num::NonZeroU32,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use leno_engine::balance::{Balancing, LocalityRules};
use leno_proto::{
    google::protobuf::Any,
    v3::{
        cluster::{
            Cluster as Proto,
            cluster::{ClusterDiscoveryType, DiscoveryType, TransportSocketMatch},
        },
        upstream_http::{
            HttpProtocolOptions,
            http_protocol_options::{UpstreamProtocolOptions, explicit_http_config::ProtocolConfig},
        },
    },
};

use super::{
    super::{
        Caller, Choice, CircuitBreaker, Cluster, ClusterKind, EndpointSet, HealthChecker, HttpProtocol,
        OutlierDetector, Registry, TransportMatch,
    },
    breaker,
    check::{Check, at, join},
    endpoint::{self, texts},
    health_check, load_balancer, outlier, tls,
};
use crate::connection::service_of;

/// Envoy's default.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) fn convert(check: &mut Check, mut proto: Proto, registry: &mut Registry) -> Option<Cluster> {
    let name: Arc<str> = std::mem::take(&mut proto.name).into();
    let service = service_of(&name).unwrap_or_default().into();
    let connect_timeout = check.duration_or("connect_timeout", proto.connect_timeout.take(), CONNECT_TIMEOUT);
    let (balancing, ignores_new) = load_balancer::convert(check, &mut proto);
    let caller = caller(check, &balancing, registry);
    let kind = kind(check, &name, &mut proto, registry);
    let mut transports: Vec<_> = std::mem::take(&mut proto.transport_socket_matches)
        .into_iter()
        .enumerate()
        .filter_map(|(index, one)| transport(check, &at("", "transport_socket_matches", index), one))
        .collect();
    if let Some(socket) = proto.transport_socket.take()
        && let Some(transport) = tls::upstream(check, "transport_socket", socket)
    {
        transports.push(TransportMatch { name: "default".into(), labels: Vec::new(), transport });
    }
    let (mut protocol, mut max_requests_per_connection) = (HttpProtocol::default(), None);
    for (key, options) in std::mem::take(&mut proto.typed_extension_protocol_options) {
        (protocol, max_requests_per_connection) =
            protocol_options(check, &format!("typed_extension_protocol_options[{key:?}]"), &options);
    }
    let thresholds = breaker::convert(check, proto.circuit_breakers.take());
    let outlier = proto.outlier_detection.take().map(|proto| OutlierDetector::new(outlier::convert(check, proto)));
    let health = health_check::convert(check, &name, std::mem::take(&mut proto.health_checks));
    let health = health.map(|checker| HealthChecker { ignores_new, ..checker });
    check.rest("", &proto);
    Some(Cluster {
        name,
        service,
        kind: kind?,
        connect_timeout,
        balancing,
        caller,
        transports,
        protocol,
        max_requests_per_connection,
        breaker: CircuitBreaker::new(thresholds),
        outlier,
        health,
        used: AtomicBool::new(false),
        choice: Choice::default(),
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
        Some(ClusterDiscoveryType::ClusterType(_)) => {
            return check.unsupported("", "cluster_type", "type");
        }
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
            check.stream("eds_cluster_config.eds_config", config.eds_config);
            let of = if config.service_name.is_empty() { name } else { &config.service_name };
            let of = check.name("name", of.to_owned())?;
            Some(ClusterKind::Eds(registry.endpoints(&of)))
        }
        Some(DiscoveryType::OriginalDst) => Some(ClusterKind::OriginalDst),
        Some(DiscoveryType::StrictDns | DiscoveryType::LogicalDns) | None => {
            check.wrong("type", format!("{discovery:?}"), "STATIC, EDS or ORIGINAL_DST");
            None
        }
    }
}

fn transport(check: &mut Check, path: &str, mut proto: TransportSocketMatch) -> Option<TransportMatch> {
    let name = std::mem::take(&mut proto.name).into();
    let labels = texts(check, &join(path, "match"), &proto.r#match.take().unwrap_or_default());
    let socket = proto.transport_socket.take();
    check.rest(path, &proto);
    let transport = tls::upstream(check, &join(path, "transport_socket"), socket.unwrap_or_default())?;
    Some(TransportMatch { name, labels, transport })
}

/// What is spoken with endpoints, and after how many requests a connection is not used any more.
fn protocol_options(check: &mut Check, path: &str, options: &Any) -> (HttpProtocol, Option<NonZeroU32>) {
    let Some(mut options) = check.unpack::<HttpProtocolOptions>(path, options) else { return Default::default() };
    let mut common = options.common_http_protocol_options.take().unwrap_or_default();
    // Zero is no bound, as in Envoy.
    let max_requests = common.max_requests_per_connection.take().and_then(|max| NonZeroU32::new(max.value));
    check.rest(&join(path, "common_http_protocol_options"), &common);
    let made = match options.upstream_protocol_options.take() {
        Some(UpstreamProtocolOptions::UseDownstreamProtocolConfig(mut config)) => {
            let path = join(path, "use_downstream_protocol_config");
            check.rest(&join(&path, "http_protocol_options"), &config.http_protocol_options.take().unwrap_or_default());
            check.rest(
                &join(&path, "http2_protocol_options"),
                &config.http2_protocol_options.take().unwrap_or_default(),
            );
            check.rest(&path, &config);
            HttpProtocol::AsCaller
        }
        Some(UpstreamProtocolOptions::ExplicitHttpConfig(config)) => {
            explicit(check, &join(path, "explicit_http_config"), config.protocol_config)
        }
        // Refused below by its name, as all that is left.
        other => {
            options.upstream_protocol_options = other;
            HttpProtocol::default()
        }
    };
    check.rest(path, &options);
    (made, max_requests)
}

fn explicit(check: &mut Check, path: &str, config: Option<ProtocolConfig>) -> HttpProtocol {
    match config {
        Some(ProtocolConfig::HttpProtocolOptions(options)) => {
            check.rest(&join(path, "http_protocol_options"), &options);
            HttpProtocol::Http1
        }
        Some(ProtocolConfig::Http2ProtocolOptions(options)) => {
            check.rest(&join(path, "http2_protocol_options"), &options);
            HttpProtocol::Http2
        }
        Some(ProtocolConfig::Http3ProtocolOptions(_)) => {
            let instead = "http_protocol_options or http2_protocol_options";
            check.unsupported(path, "http3_protocol_options", instead).unwrap_or_default()
        }
        None => {
            check.wrong(path, "neither", "http_protocol_options or http2_protocol_options");
            HttpProtocol::default()
        }
    }
}
