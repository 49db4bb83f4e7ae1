//! Clusters and endpoints that are refused.

use leno_model::Invalid;
use leno_proto::{
    any,
    v3::{
        cluster::{CircuitBreakers, Cluster, OutlierDetection, circuit_breakers::Thresholds, cluster::*},
        core::{ConfigSource, Http2ProtocolOptions, TransportSocket, config_source::ConfigSourceSpecifier},
        endpoint::{ClusterLoadAssignment, LbEndpoint, cluster_load_assignment::Policy, lb_endpoint::HostIdentifier},
        matcher::string_matcher::MatchPattern,
        tls::{SubjectAltNameMatcher, UpstreamTlsContext},
        r#type::Percent,
        upstream_http::{
            HttpProtocolOptions,
            http_protocol_options::{
                AutoHttpConfig, ExplicitHttpConfig, UpstreamProtocolOptions, UseDownstreamHttpConfig,
            },
        },
    },
};

use super::{super::super::Registry, refused, sample::*};

const ID: &str = "spiffe://cluster.local/ns/shop/sa/cart";

fn take(message: &Cluster) -> Result<super::super::Cluster, Vec<Invalid>> {
    super::super::cluster(message, &mut Registry::default())
}

#[track_caller]
fn refused_cluster(change: impl FnOnce(&mut Cluster), field: &str, value: &str) {
    let mut message = cluster(DiscoveryType::Eds);
    change(&mut message);
    refused(take(&message), field, value);
}

#[track_caller]
fn refused_tls(context: &UpstreamTlsContext, field: &str, value: &str) {
    let field = format!("transport_socket.typed_config{field}");
    refused_cluster(|c| c.transport_socket = Some(socket(context)), &field, value);
}

#[track_caller]
fn refused_set(change: impl FnOnce(&mut ClusterLoadAssignment), field: &str, value: &str) {
    let mut message = assignment(vec![endpoint(socket_address("10.0.0.1", 80))]);
    change(&mut message);
    refused(super::super::endpoints(&message, None), field, value);
    let mut fixed = cluster(DiscoveryType::Static);
    fixed.load_assignment = Some(message);
    refused(take(&fixed), &format!("load_assignment.{field}"), value);
}

#[track_caller]
fn refused_endpoint(change: impl FnOnce(&mut LbEndpoint), field: &str, value: &str) {
    let of = "endpoints[0].lb_endpoints[0]";
    let field = if field.is_empty() { of.to_owned() } else { format!("{of}.{field}") };
    refused_set(|set| change(&mut set.endpoints[0].lb_endpoints[0]), &field, value);
}

#[test]
fn fields_of_clusters() {
    let breakers = |one: Thresholds| {
        move |c: &mut Cluster| {
            c.circuit_breakers = Some(CircuitBreakers { thresholds: vec![one], ..Default::default() });
        }
    };
    let high = Thresholds { priority: 1, ..Default::default() };
    refused_cluster(breakers(high), "circuit_breakers.thresholds[0].priority", "HIGH");
    let pools = Thresholds { max_connection_pools: uint32(3), ..Default::default() };
    refused_cluster(breakers(pools), "circuit_breakers.thresholds[0].max_connection_pools", "3");
    let outliers = |settings: OutlierDetection, field: &str, value: &str| {
        refused_cluster(|c| c.outlier_detection = Some(settings), &format!("outlier_detection.{field}"), value);
    };
    let many = OutlierDetection { max_ejection_percent: uint32(101), ..OutlierDetection::default() };
    outliers(many, "max_ejection_percent", "101");
    outliers(OutlierDetection { interval: seconds(0), ..OutlierDetection::default() }, "interval", "0s");
    let short = OutlierDetection { max_ejection_time: seconds(1), ..OutlierDetection::default() };
    outliers(short, "max_ejection_time", "1s");
    outliers(OutlierDetection { monitors: vec![Default::default()], ..Default::default() }, "monitors", "");
    refused_cluster(|c| c.alt_stat_name = "x".into(), "alt_stat_name", "x");
    refused_cluster(|c| c.connect_timeout = seconds(-1), "connect_timeout", "-1s");
    for policy in [LbPolicy::LoadBalancingPolicyConfig as i32, 77] {
        refused_cluster(|c| c.lb_policy = policy, "lb_policy", &policy.to_string());
    }
    let balanced = |policy: LbPolicy, config: LbConfig, field: &str, value: &str| {
        refused_cluster(|c| (c.lb_policy, c.lb_config) = (policy.into(), Some(config)), field, value);
    };
    let table = LbConfig::MaglevLbConfig(MaglevLbConfig { table_size: uint64(8) });
    balanced(LbPolicy::Maglev, table.clone(), "maglev_lb_config.table_size", "8");
    balanced(LbPolicy::RingHash, table, "lb_config", "8");
    let ring = RingHashLbConfig { minimum_ring_size: uint64(9_000_000), ..RingHashLbConfig::default() };
    balanced(LbPolicy::RingHash, LbConfig::RingHashLbConfig(ring), "ring_hash_lb_config.minimum_ring_size", "9000000");
    let one = LeastRequestLbConfig { choice_count: uint32(1), ..LeastRequestLbConfig::default() };
    let field = "least_request_lb_config.choice_count";
    balanced(LbPolicy::LeastRequest, LbConfig::LeastRequestLbConfig(one), field, "1");
    let panic = CommonLbConfig { healthy_panic_threshold: Some(Percent { value: 101.0 }), ..CommonLbConfig::default() };
    refused_cluster(|c| c.common_lb_config = Some(panic), "common_lb_config.healthy_panic_threshold", "101");
}

#[test]
fn where_endpoints_come_from() {
    let logical = Some(ClusterDiscoveryType::Type(DiscoveryType::LogicalDns.into()));
    refused_cluster(|c| c.cluster_discovery_type = logical, "load_assignment", "0 endpoints");
    refused_cluster(|c| c.cluster_discovery_type = Some(ClusterDiscoveryType::Type(99)), "type", "None");
    for kind in [DiscoveryType::Eds, DiscoveryType::OriginalDst] {
        let mut message = cluster(kind);
        message.load_assignment = Some(assignment(vec![]));
        refused(take(&message), "load_assignment", "endpoints");
    }
    for kind in [DiscoveryType::Static, DiscoveryType::OriginalDst] {
        let mut message = cluster(kind);
        message.eds_cluster_config = Some(EdsClusterConfig { service_name: "s".into(), ..Default::default() });
        refused(take(&message), "eds_cluster_config", "s");
    }
    let eds_config = Some(ConfigSource {
        config_source_specifier: Some(ConfigSourceSpecifier::ApiConfigSource(of_nobody())),
        ..ConfigSource::default()
    });
    let eds = EdsClusterConfig { eds_config, ..EdsClusterConfig::default() };
    let field = "eds_cluster_config.eds_config.api_config_source.grpc_services[0].envoy_grpc.cluster_name";
    refused_cluster(|c| c.eds_cluster_config = Some(eds), field, "nobody");
    refused_cluster(|c| c.name.clear(), "name", "empty");
}

#[test]
fn protocols() {
    let refused_options = |options: HttpProtocolOptions, field: &str, value: &str| {
        let change = |c: &mut Cluster| drop(c.typed_extension_protocol_options.insert("x".into(), any::pack(&options)));
        refused_cluster(change, &format!("typed_extension_protocol_options[\"x\"]{field}"), value);
    };
    let of = |options| HttpProtocolOptions { upstream_protocol_options: Some(options), ..Default::default() };
    let explicit = UpstreamProtocolOptions::ExplicitHttpConfig(ExplicitHttpConfig::default());
    refused_options(of(explicit), ".explicit_http_config", "neither");
    let auto = of(UpstreamProtocolOptions::AutoConfig(AutoHttpConfig::default()));
    let change = |c: &mut Cluster| drop(c.typed_extension_protocol_options.insert("x".into(), any::pack(&auto)));
    refused_cluster(change, "transport_socket", "without ALPN");
    let http2 = Http2ProtocolOptions { max_outbound_frames: uint32(1), ..Http2ProtocolOptions::default() };
    let http2_protocol_options = Some(http2);
    let use_downstream = UseDownstreamHttpConfig { http2_protocol_options, ..UseDownstreamHttpConfig::default() };
    let field = ".use_downstream_protocol_config.http2_protocol_options.max_outbound_frames";
    refused_options(of(UpstreamProtocolOptions::UseDownstreamProtocolConfig(use_downstream)), field, "1");
    let other = any::pack(&Cluster::default());
    let change = |c: &mut Cluster| drop(c.typed_extension_protocol_options.insert("x".into(), other));
    refused_cluster(change, "typed_extension_protocol_options[\"x\"]", "Cluster");
}

#[test]
fn transports() {
    refused_cluster(|c| c.transport_socket = Some(TransportSocket::default()), "transport_socket", "missing");
    let other = socket(&Cluster::default());
    refused_cluster(|c| c.transport_socket = Some(other), "transport_socket.typed_config", "Cluster");
    let none = TransportSocketMatch { name: "m".into(), ..TransportSocketMatch::default() };
    let field = "transport_socket_matches[0].transport_socket";
    refused_cluster(|c| c.transport_socket_matches = vec![none], field, "missing");
    refused_tls(&UpstreamTlsContext { sni: "a".into(), ..upstream_tls(vec![san(ID)]) }, ".sni", "a");
    let mut silent = upstream_tls(vec![san(ID)]);
    silent.common_tls_context.as_mut().unwrap().alpn_protocols.pop();
    refused_tls(&silent, ".common_tls_context.alpn_protocols", "incomplete");
}

#[test]
fn identities_of_endpoints() {
    refused_tls(&upstream_tls(vec![]), "", "no identity");
    let name = ".common_tls_context.combined_validation_context.default_validation_context\
                .match_typed_subject_alt_names[1]";
    let refused_name = |wrong: SubjectAltNameMatcher, value: &str| {
        refused_tls(&upstream_tls(vec![san(ID), wrong]), name, value);
    };
    refused_name(san("https://a"), "https://a");
    refused_name(
        SubjectAltNameMatcher { matcher: Some(text(MatchPattern::Prefix("spiffe://".into()))), ..san(ID) },
        "Prefix",
    );
    refused_name(SubjectAltNameMatcher { san_type: 2, ..san(ID) }, "type 2");
    refused_name(SubjectAltNameMatcher { oid: "1.2".into(), ..san(ID) }, "Exact");
    let mut loose = san(ID);
    loose.matcher.as_mut().unwrap().ignore_case = true;
    refused_name(loose, "Exact");
}

#[test]
fn load_assignments() {
    let nobody = Policy { overprovisioning_factor: uint32(0), ..Policy::default() };
    refused_set(|s| s.policy = Some(nobody), "policy.overprovisioning_factor", "0");
    let stale = Policy { endpoint_stale_after: seconds(1), ..Policy::default() };
    refused_set(|s| s.policy = Some(stale), "policy.endpoint_stale_after", "1s");
    refused_set(|s| s.endpoints[0].priority = 129, "endpoints[0].priority", "129");
    refused_set(|s| s.endpoints[0].proximity = uint32(2), "endpoints[0].proximity", "2");
}

#[test]
#[expect(deprecated, reason = "Envoy prefers the typed kind, and most configurations have this one")]
fn endpoints_by_name() {
    let dns = |change: fn(&mut Cluster), field: &str, value: &str| {
        let mut message = cluster(DiscoveryType::LogicalDns);
        message.load_assignment = Some(assignment(vec![endpoint(socket_address("cart.example", 80))]));
        assert!(take(&message).is_ok());
        change(&mut message);
        refused(take(&message), field, value);
    };
    dns(|c| c.dns_refresh_rate = seconds(0), "dns_refresh_rate", "0ns");
    dns(|c| c.dns_lookup_family = 9, "dns_lookup_family", "9");
    dns(
        |c| {
            let rate = RefreshRate { base_interval: seconds(2), max_interval: seconds(1) };
            c.dns_failure_refresh_rate = Some(rate);
        },
        "dns_failure_refresh_rate.max_interval",
        "1s",
    );
    dns(
        |c| {
            let twice = ["a.example", "b.example"].map(|name| endpoint(socket_address(name, 80)));
            c.load_assignment = Some(assignment(twice.to_vec()));
        },
        "load_assignment",
        "2 endpoints",
    );
    dns(|c| c.load_assignment = None, "load_assignment", "0 endpoints");
}

#[test]
fn endpoints() {
    refused_endpoint(|e| e.health_status = 99, "health_status", "99");
    refused_endpoint(|e| e.host_identifier = None, "", "no address");
    refused_endpoint(|e| e.host_identifier = Some(HostIdentifier::EndpointName("n".into())), "endpoint_name", "set");
    let address = "endpoint.address.socket_address";
    refused_endpoint(|e| *e = endpoint(socket_address("a.example", 80)), address, "a.example");
    refused_endpoint(|e| *e = endpoint(socket_address("10.0.0.1", 65_536)), address, "10.0.0.1");
    let mut udp = socket_address("10.0.0.1", 80);
    udp.protocol = 1;
    refused_endpoint(|e| *e = endpoint(udp), &format!("{address}.protocol"), "UDP");
    let named = |e: &mut LbEndpoint| {
        let Some(HostIdentifier::Endpoint(host)) = &mut e.host_identifier else { panic!() };
        host.observability_name = "h".into();
    };
    refused_endpoint(named, "endpoint.observability_name", "h");
}
