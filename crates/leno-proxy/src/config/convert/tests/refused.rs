//! Listeners, connection managers, access rules and TLS that are refused.

use leno_model::Invalid;
use leno_proto::{
    any,
    google::protobuf::{Any, Duration, UInt64Value},
    v3::{
        accesslog::{AccessLog, access_log},
        buffer::Buffer,
        cluster::Cluster,
        connection_limit::ConnectionLimit,
        core::{ConfigSource, Http2ProtocolOptions, config_source::ConfigSourceSpecifier},
        file_access_log::FileAccessLog,
        http_connection_manager::{
            HttpConnectionManager, Rds, ScopedRoutes,
            http_connection_manager::{CodecType, RouteSpecifier, UpgradeConfig},
        },
        http_rbac,
        listener::{Filter, FilterChain, FilterChainMatch, Listener, ListenerFilter, listener_filter},
        matcher::string_matcher::MatchPattern,
        network_local_ratelimit::LocalRateLimit,
        network_rbac,
        rbac::{
            Permission, Policy, Principal, Rbac,
            permission::{self, Rule},
            principal::{self, Identifier},
            rbac::Action,
        },
        router::Router,
        tcp_proxy::{TcpProxy, tcp_proxy},
        tls::{CommonTlsContext, TlsParameters, tls_parameters::TlsProtocol},
        tls_inspector::TlsInspector,
        r#type::TokenBucket,
    },
};

use super::{super::super::Registry, refused, sample::*};

const FILTER: &str = "filter_chains[0].filters[0].typed_config";

fn take(message: &Listener) -> Result<super::super::Listener, Vec<Invalid>> {
    super::super::listener(message, &mut Registry::default())
}

#[track_caller]
fn refused_listener(change: impl FnOnce(&mut Listener), field: &str, value: &str) {
    let mut message = listener(vec![filter(&tcp())]);
    change(&mut message);
    refused(take(&message), field, value);
}

#[track_caller]
fn refused_manager(change: impl FnOnce(&mut HttpConnectionManager), field: &str, value: &str) {
    let mut message = manager();
    change(&mut message);
    refused(take(&listener(vec![filter(&message)])), &format!("{FILTER}.{field}"), value);
}

#[track_caller]
fn refused_tcp(change: impl FnOnce(&mut TcpProxy), field: &str, value: &str) {
    let mut message = tcp();
    change(&mut message);
    refused(take(&listener(vec![filter(&message)])), &format!("{FILTER}.{field}"), value);
}

#[track_caller]
fn refused_rules(rules: Option<Rbac>, field: &str, value: &str) {
    let network = network_rbac::Rbac { rules: rules.clone(), ..Default::default() };
    let field = if field.is_empty() { String::new() } else { format!(".{field}") };
    refused(take(&listener(vec![filter(&network), filter(&tcp())])), &format!("{FILTER}.rules{field}"), value);
    let mut http = manager();
    http.http_filters.insert(0, http_filter(&http_rbac::Rbac { rules, ..Default::default() }));
    let field = format!("{FILTER}.http_filters[0].typed_config.rules{field}");
    refused(take(&listener(vec![filter(&http)])), &field, value);
}

#[track_caller]
fn refused_rule(rule: Rule, field: &str, value: &str) {
    let rules = Some(rbac(rule, Identifier::Any(true)));
    let of = r#"policies["p"].permissions[0]"#;
    refused_rules(rules, &if field.is_empty() { of.to_owned() } else { format!("{of}.{field}") }, value);
}

#[track_caller]
fn refused_principal(identifier: Identifier, field: &str, value: &str) {
    let rules = Some(rbac(Rule::Any(true), identifier));
    let of = r#"policies["p"].principals[0]"#;
    refused_rules(rules, &if field.is_empty() { of.to_owned() } else { format!("{of}.{field}") }, value);
}

#[track_caller]
fn refused_tls(change: impl FnOnce(&mut CommonTlsContext), field: &str, value: &str) {
    let mut common = common_tls();
    change(&mut common);
    let mut message = listener(vec![filter(&tcp())]);
    message.filter_chains[0].transport_socket = Some(socket(&downstream_tls(common)));
    let field = format!("filter_chains[0].transport_socket.typed_config.common_tls_context.{field}");
    refused(take(&message), &field, value);
}

fn listener_filter(config: Any) -> ListenerFilter {
    let config_type = Some(listener_filter::ConfigType::TypedConfig(config));
    ListenerFilter { name: "x".into(), config_type, ..ListenerFilter::default() }
}

#[test]
fn fields_of_listeners() {
    refused_listener(|l| l.tcp_backlog_size = uint32(7), "tcp_backlog_size", "7");
    refused_listener(|l| l.transparent = bool(true), "transparent", "true");
    refused_listener(|l| l.listener_filters_timeout = seconds(-1), "listener_filters_timeout", "-1s");
    refused_listener(
        |l| l.listener_filters_timeout = seconds(i64::MAX),
        "listener_filters_timeout",
        "9223372036854775807s",
    );
    let unknown = listener_filter(any::pack(&Cluster::default()));
    refused_listener(|l| l.listener_filters = vec![unknown], "listener_filters[0].typed_config", "Cluster");
    refused_listener(|l| l.listener_filters = vec![ListenerFilter::default()], "listener_filters[0]", "");
    let ja3 = listener_filter(any::pack(&TlsInspector { enable_ja3_fingerprinting: bool(true), ..Default::default() }));
    let field = "listener_filters[0].typed_config.enable_ja3_fingerprinting";
    refused_listener(|l| l.listener_filters = vec![ja3], field, "true");
}

#[test]
fn filter_chains() {
    let fits = |fits| move |l: &mut Listener| l.filter_chains[0].filter_chain_match = Some(fits);
    let of = |field: &str| format!("filter_chains[0].filter_chain_match.{field}");
    let server = FilterChainMatch { server_names: vec!["a.example".into()], ..FilterChainMatch::default() };
    refused_listener(fits(server), &of("server_names"), "nobody looks at");
    for name in ["", "*", "*.", "a.*.example", "*a.example", "*.*.example"] {
        let server = FilterChainMatch { server_names: vec![name.into()], ..FilterChainMatch::default() };
        let inspected = |l: &mut Listener| {
            l.listener_filters = vec![listener_filter(any::pack(&TlsInspector::default()))];
            fits(server)(l);
        };
        refused_listener(inspected, &of("server_names[0]"), name);
    }
    let range = leno_proto::v3::core::CidrRange { address_prefix: "x".into(), ..Default::default() };
    let ranges = FilterChainMatch { prefix_ranges: vec![range], ..FilterChainMatch::default() };
    refused_listener(fits(ranges), &of("prefix_ranges[0]"), "x");
    let far = FilterChainMatch { source_ports: vec![65536], ..FilterChainMatch::default() };
    refused_listener(fits(far), &of("source_ports[0]"), "65536");
    let quic = FilterChainMatch { transport_protocol: "quic".into(), ..FilterChainMatch::default() };
    refused_listener(fits(quic), &of("transport_protocol"), "quic");
    for port in [0, 65536] {
        let port_match = FilterChainMatch { destination_port: uint32(port), ..FilterChainMatch::default() };
        refused_listener(fits(port_match), &of("destination_port"), &port.to_string());
    }
    refused_listener(|l| l.filter_chains[0].filters.clear(), "filter_chains[0].filters", "without an end");
    let two = |l: &mut Listener| l.filter_chains[0].filters.push(filter(&tcp()));
    refused_listener(two, "filter_chains[0].filters[1]", "f");
    let timeout = |l: &mut Listener| l.filter_chains[0].transport_socket_connect_timeout = seconds(5);
    refused_listener(timeout, "filter_chains[0].transport_socket_connect_timeout", "5s");
    let default = |l: &mut Listener| l.default_filter_chain = Some(FilterChain::default());
    refused_listener(default, "default_filter_chain.filters", "without an end");
    refused(take(&listener(vec![filter(&Cluster::default())])), FILTER, "envoy.config.cluster.v3.Cluster");
}

#[test]
fn network_rules_follow_each_other_and_limits_are_whole() {
    let rules = |action: Action| network_rbac::Rbac {
        rules: Some(Rbac { action: action.into(), ..rbac(Rule::Any(true), Identifier::Any(true)) }),
        ..Default::default()
    };
    let guards = |filters: Vec<Filter>| take(&listener(filters)).map(|made| made.filter_chains[0].guards.len());
    let both = vec![filter(&rules(Action::Deny)), filter(&rules(Action::Log)), filter(&tcp())];
    assert_eq!(guards(both).unwrap(), 2);
    let tokens =
        TokenBucket { max_tokens: 1, fill_interval: Some(Duration { seconds: 1, nanos: 0 }), ..Default::default() };
    let rate = LocalRateLimit { stat_prefix: "limit".into(), token_bucket: Some(tokens), ..Default::default() };
    let limit = ConnectionLimit {
        stat_prefix: "limit".into(),
        max_connections: Some(UInt64Value { value: 1 }),
        ..Default::default()
    };
    assert_eq!(guards(vec![filter(&rate), filter(&limit), filter(&tcp())]).unwrap(), 2);
    let wrong = |message: Filter, field: &str, value: &str| {
        refused(take(&listener(vec![message, filter(&tcp())])), &format!("{FILTER}.{field}"), value);
    };
    wrong(filter(&LocalRateLimit { token_bucket: None, ..rate.clone() }), "token_bucket", "missing");
    wrong(filter(&LocalRateLimit { stat_prefix: String::new(), ..rate }), "stat_prefix", "empty");
    wrong(filter(&ConnectionLimit { max_connections: None, ..limit.clone() }), "max_connections", "0");
    wrong(filter(&ConnectionLimit { delay: Some(Duration { seconds: -1, nanos: 0 }), ..limit }), "delay", "-1");
}

#[test]
fn fields_of_connection_managers() {
    refused_manager(|m| m.path_with_escaped_slashes_action = 9, "path_with_escaped_slashes_action", "9");
    refused_manager(|m| m.generate_request_id = bool(false), "generate_request_id", "false");
    refused_manager(|m| m.server_header_transformation = 9, "server_header_transformation", "9");
    refused_manager(|m| m.forward_client_cert_details = 9, "forward_client_cert_details", "9");
    refused_manager(|m| m.proxy_100_continue = true, "proxy_100_continue", "true");
    refused_manager(|m| m.codec_type = CodecType::Http3.into(), "codec_type", "3");
    refused_manager(|m| m.codec_type = 99, "codec_type", "99");
    refused_manager(|m| m.max_request_headers_kb = uint32(0), "max_request_headers_kb", "0");
    refused_manager(|m| m.request_timeout = seconds(-2), "request_timeout", "-2s");
    let none = Http2ProtocolOptions { max_concurrent_streams: uint32(0), ..Http2ProtocolOptions::default() };
    refused_manager(|m| m.http2_protocol_options = Some(none), "http2_protocol_options.max_concurrent_streams", "0");
    let window = Http2ProtocolOptions { initial_stream_window_size: uint32(65534), ..Http2ProtocolOptions::default() };
    let field = "http2_protocol_options.initial_stream_window_size";
    refused_manager(|m| m.http2_protocol_options = Some(window), field, "65534");
    let nameless = |m: &mut HttpConnectionManager| m.upgrade_configs = vec![UpgradeConfig::default()];
    refused_manager(nameless, "upgrade_configs[0].upgrade_type", "empty");
}

#[test]
fn routes_of_connection_managers() {
    let scoped = RouteSpecifier::ScopedRoutes(ScopedRoutes::default());
    refused_manager(|m| m.route_specifier = Some(scoped), "scoped_routes", "set");
    let none = HttpConnectionManager { route_specifier: None, ..manager() };
    refused(take(&listener(vec![filter(&none)])), FILTER, "no routes");
    let rds = |name: &str, source| RouteSpecifier::Rds(Rds { route_config_name: name.into(), config_source: source });
    refused_manager(|m| m.route_specifier = Some(rds("", None)), "rds.route_config_name", "empty");
    let nothing = ConfigSourceSpecifier::ApiConfigSource(of_nobody());
    let source = Some(ConfigSource { config_source_specifier: Some(nothing), ..ConfigSource::default() });
    let unknown = |m: &mut HttpConnectionManager| m.route_specifier = Some(rds("r", source));
    let field = "rds.config_source.api_config_source.grpc_services[0].envoy_grpc.cluster_name";
    refused_manager(unknown, field, "nobody");
}

#[test]
fn http_filters_end_with_the_router() {
    refused_manager(|m| m.http_filters.clear(), "http_filters", "without a router");
    let twice = |m: &mut HttpConnectionManager| m.http_filters.push(http_filter(&Router::default()));
    refused_manager(twice, "http_filters[1]", "");
    let rules = http_rbac::Rbac { rules: Some(rbac(Rule::Any(true), Identifier::Any(true))), ..Default::default() };
    let after = |m: &mut HttpConnectionManager| m.http_filters.push(http_filter(&rules));
    refused_manager(after, "http_filters[1]", "");
    refused_manager(|m| m.http_filters[0].disabled = true, "http_filters[0].typed_config", "disabled");
    let nothing = |m: &mut HttpConnectionManager| m.http_filters.insert(0, http_filter(&Buffer::default()));
    refused_manager(nothing, "http_filters[0].typed_config.max_request_bytes", "0");
    let none = |m: &mut HttpConnectionManager| m.http_filters.insert(0, http_filter(&http_rbac::Rbac::default()));
    refused_manager(none, "http_filters[0].typed_config.rules", "missing");
    let router = Router { suppress_envoy_headers: true, ..Router::default() };
    let quiet = |m: &mut HttpConnectionManager| m.http_filters = vec![http_filter(&router)];
    refused_manager(quiet, "http_filters[0].typed_config.suppress_envoy_headers", "true");
}

#[test]
fn access_logs() {
    let config_type = Some(access_log::ConfigType::TypedConfig(any::pack(&FileAccessLog::default())));
    let file = AccessLog { config_type, ..AccessLog::default() };
    refused_manager(|m| m.access_log = vec![file], "access_log[0].typed_config", "FileAccessLog");
    refused_tcp(|t| t.access_log = vec![AccessLog::default()], "access_log[0]", "missing");
}

#[test]
fn fields_of_the_tcp_proxy() {
    refused_tcp(|t| t.max_connect_attempts = uint32(0), "max_connect_attempts", "0");
    refused_tcp(|t| t.cluster_specifier = None, "cluster", "missing");
    let of = |name: &str| Some(tcp_proxy::ClusterSpecifier::Cluster(name.into()));
    refused_tcp(|t| t.cluster_specifier = of(""), "cluster", "empty");
    let weighted = |clusters| tcp_proxy::ClusterSpecifier::WeightedClusters(tcp_proxy::WeightedCluster { clusters });
    let nothing = weighted(vec![tcp_proxy::weighted_cluster::ClusterWeight { name: "c".into(), ..Default::default() }]);
    refused_tcp(|t| t.cluster_specifier = Some(nothing), "weighted_clusters", "no weight");
    refused_tcp(|t| t.cluster_specifier = Some(weighted(vec![])), "weighted_clusters", "no weight");
}

#[test]
fn rules_that_are_missing_or_shadows() {
    refused_rules(None, "", "missing");
    refused_rules(Some(Rbac { action: 7, ..Rbac::default() }), "action", "");
    for (field, policy) in [
        ("permissions", Policy { principals: vec![principal(Identifier::Any(true))], ..Policy::default() }),
        ("principals", Policy { permissions: vec![permission(Rule::Any(true))], ..Policy::default() }),
    ] {
        let rules = Rbac { policies: [("p".to_owned(), policy)].into(), ..Rbac::default() };
        refused_rules(Some(rules), &format!(r#"policies["p"].{field}"#), "empty");
    }
}

#[test]
fn permissions() {
    refused_rule(Rule::Any(false), "any", "false");
    refused_rule(Rule::DestinationPort(65536), "destination_port", "65536");
    refused_rule(Rule::DestinationPortRange(Default::default()), "destination_port_range", "0 to 0");
    refused_rule(Rule::UrlPath(Default::default()), "url_path", "empty");
    refused_rule(Rule::AndRules(permission::Set { rules: vec![] }), "and_rules.rules", "empty");
    refused_rule(Rule::OrRules(permission::Set { rules: vec![] }), "or_rules.rules", "empty");
    let inner = permission::Set { rules: vec![permission(Rule::Any(true)), Permission { rule: None }] };
    refused_rule(Rule::AndRules(inner), "and_rules.rules[1]", "empty");
    refused_rule(Rule::NotRule(Box::new(permission(Rule::Any(false)))), "not_rule.any", "false");
    refused_rule(Rule::DestinationIp(Default::default()), "destination_ip", "/0");
    let prefix = leno_proto::v3::core::CidrRange { address_prefix: "10.0.0.0".into(), prefix_len: uint32(33) };
    refused_rule(Rule::DestinationIp(prefix), "destination_ip", "10.0.0.0/33");
    let header = |name: &str, pattern| leno_proto::v3::route::HeaderMatcher {
        name: name.into(),
        header_match_specifier: Some(leno_proto::v3::route::header_matcher::HeaderMatchSpecifier::StringMatch(text(
            pattern,
        ))),
        ..Default::default()
    };
    refused_rule(Rule::Header(header("", MatchPattern::Exact("a".into()))), "header.name", "empty");
    refused_rule(Rule::Header(header("a", MatchPattern::Prefix(String::new()))), "header.string_match", "empty");
    let regex = leno_proto::v3::matcher::RegexMatcher { regex: "(".into(), ..Default::default() };
    let field = "header.string_match.safe_regex.regex";
    refused_rule(Rule::Header(header("a", MatchPattern::SafeRegex(regex))), field, "(");
}

#[test]
fn principals() {
    refused_principal(Identifier::Any(false), "any", "false");
    refused_principal(Identifier::RemoteIp(Default::default()), "remote_ip", "/0");
    refused_principal(Identifier::FilterState(Default::default()), "filter_state", "{}");
    refused_principal(Identifier::AndIds(principal::Set { ids: vec![] }), "and_ids.ids", "empty");
    let none = principal::Set { ids: vec![Principal { identifier: None }] };
    refused_principal(Identifier::OrIds(none), "or_ids.ids[0]", "empty");
    let prefix = principal::Authenticated { principal_name: Some(text(MatchPattern::Prefix(String::new()))) };
    refused_principal(Identifier::Authenticated(prefix), "authenticated.principal_name", "empty");
}

#[test]
fn tls_of_listeners() {
    let params = |params| move |c: &mut CommonTlsContext| c.tls_params = Some(params);
    let old = TlsParameters { tls_minimum_protocol_version: TlsProtocol::TlSv12.into(), ..TlsParameters::default() };
    refused_tls(params(old), "tls_params.tls_minimum_protocol_version", "3");
    let suites = TlsParameters { cipher_suites: vec!["AES".into()], ..TlsParameters::default() };
    refused_tls(params(suites), "tls_params.cipher_suites", "AES");
    // The mesh's own secrets are for the mesh's own TLS.
    refused_tls(
        |c| c.tls_certificate_sds_secret_configs[0].name = "other".into(),
        "validation_context_sds_secret_config.name",
        "trust-bundle",
    );
    let nobody = ConfigSourceSpecifier::ApiConfigSource(of_nobody());
    let source = Some(ConfigSource { config_source_specifier: Some(nobody), ..ConfigSource::default() });
    let own = |c: &mut CommonTlsContext| c.tls_certificate_sds_secret_configs[0].sds_config = source;
    refused_tls(own, "tls_certificate_sds_secret_configs[0].sds_config.api_config_source", "");
    refused_tls(|c| c.tls_certificates = vec![Default::default()], "tls_certificates", "");
    refused_tls(|c| c.validation_context_type = None, "validation_context_type", "missing");
}

#[test]
fn listeners_whose_callers_need_no_certificate() {
    for required in [None, bool(false)] {
        let mut context = downstream_tls(common_tls());
        context.require_client_certificate = required;
        let socket = socket(&context);
        let field = "filter_chains[0].transport_socket.typed_config.require_client_certificate";
        refused_listener(|l| l.filter_chains[0].transport_socket = Some(socket), field, "false");
    }
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let mut message = listener(vec![filter(&tcp()), filter(&tcp())]);
    message.transparent = bool(true);
    message.tcp_backlog_size = uint32(1);
    assert_eq!(take(&message).unwrap_err().len(), 3);
}

#[test]
fn long_values_are_cut() {
    let mut message = listener(vec![filter(&tcp())]);
    let long = FilterChainMatch { transport_protocol: "x".repeat(5000), ..FilterChainMatch::default() };
    message.filter_chains[0].filter_chain_match = Some(long);
    let wrong = take(&message);
    assert!(wrong.unwrap_err()[0].to_string().len() < 600);
}
