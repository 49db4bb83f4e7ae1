//! What legal messages become.

use std::time::Duration;

use leno_engine::{
    authorization::Subject,
    balance::{HashFunction, Hashing, LoadBalancer, RingSettings},
    request::SimpleRequest,
    resilience::{Backoff, RetryOn},
    route::{Action as EngineAction, Forward, HeaderAppend, HeaderText, HostRewrite, PathRewrite},
};
use leno_http2::Flood;
use leno_proto::v3::{
    cluster::{
        CircuitBreakers, Cluster, circuit_breakers,
        cluster::{DiscoveryType, LbConfig, LbPolicy, MaglevLbConfig, RingHashLbConfig},
    },
    core::{
        DataSource, HeaderValue, HeaderValueOption, HealthStatus, Http1ProtocolOptions, Http2ProtocolOptions,
        HttpProtocolOptions, KeepaliveSettings, Locality, SchemeHeaderTransformation, data_source::Specifier,
        http_protocol_options::HeadersWithUnderscoresAction,
    },
    endpoint::cluster_load_assignment::Policy,
    http_connection_manager::{
        HttpConnectionManager,
        http_connection_manager::{PathWithEscapedSlashesAction, UpgradeConfig},
    },
    matcher::{PathMatcher, RegexMatcher, path_matcher, string_matcher::MatchPattern},
    network_rbac,
    rbac::{permission, permission::Rule, principal, principal::Identifier, rbac::Action as RbacAction},
    route::{
        DirectResponseAction, RedirectAction, RetryPolicy, RouteAction, retry_policy::RetryBackOff, route::Action,
        route_action::HostRewriteSpecifier, route_match::PathSpecifier,
    },
    r#type::Percent,
    upstream_http::{
        HttpProtocolOptions as UpstreamOptions,
        http_protocol_options::{ExplicitHttpConfig, UpstreamProtocolOptions, explicit_http_config::ProtocolConfig},
    },
};

use super::{
    super::{
        super::{
            ClusterKind, Http2Keepalive, Http2Options, HttpLimits, HttpProtocol, Registry, RetryLimit, SchemeRule,
            Security, Terminal, Thresholds, Underscores,
        },
        cluster, endpoints, listener, routes,
    },
    sample,
    sample::{bool, filter, seconds, uint32, uint64},
};

fn forward_of(action: RouteAction) -> Forward {
    let made = routes(&sample::routes(action), &mut Registry::default()).unwrap();
    let EngineAction::Forward(forward) = &made.table.hosts[0].routes[0].action else { panic!("{made:?}") };
    forward.clone()
}

fn limits_of(manager: &HttpConnectionManager) -> HttpLimits {
    let made = listener(&sample::listener(vec![filter(manager)]), &mut Registry::default()).unwrap();
    let Terminal::Http(manager) = &made.filter_chains[0].terminal else { panic!("{made:?}") };
    manager.limits
}

#[test]
fn times_of_routes_are_envoys() {
    assert_eq!(forward_of(sample::forward()).timeout, Some(Duration::from_secs(15)), "when nothing is said");
    let zero = forward_of(RouteAction { timeout: seconds(0), idle_timeout: seconds(0), ..sample::forward() });
    assert_eq!((zero.timeout, zero.idle_timeout), (None, Some(Duration::ZERO)));
}

#[test]
fn rewrites() {
    let host = Some(HostRewriteSpecifier::HostRewriteLiteral("h".into()));
    let action = RouteAction { prefix_rewrite: "/p".into(), host_rewrite_specifier: host, ..sample::forward() };
    let made = forward_of(action);
    assert_eq!(made.path_rewrite, Some(PathRewrite::Prefix("/p".into())));
    assert_eq!(made.host_rewrite, Some(HostRewrite::Literal("h".into())));
}

#[test]
fn retries() {
    let policy = RetryPolicy {
        retry_on: "5xx, connect-failure,retriable-status-codes".into(),
        num_retries: uint32(4),
        per_try_timeout: seconds(2),
        retriable_status_codes: vec![429],
        retry_back_off: Some(RetryBackOff { base_interval: seconds(1), max_interval: None }),
        ..RetryPolicy::default()
    };
    let made = forward_of(RouteAction { retry_policy: Some(policy), ..sample::forward() }).retry.unwrap();
    let on = RetryOn { server_error: true, connect_failure: true, statuses: vec![429], ..RetryOn::default() };
    assert_eq!((&made.on, made.retries, made.per_try_timeout), (&on, 4, Some(Duration::from_secs(2))));
    assert_eq!(made.backoff, Backoff { base: Duration::from_secs(1), max: Duration::from_secs(10) });
    let grpc = RetryPolicy { retry_on: "unavailable,internal".into(), ..RetryPolicy::default() };
    let made = forward_of(RouteAction { retry_policy: Some(grpc), ..sample::forward() }).retry.unwrap();
    assert_eq!(made.on, RetryOn { grpc: vec![14, 13], ..RetryOn::default() });
    let before = RetryPolicy { retry_on: "reset-before-request".into(), ..RetryPolicy::default() };
    let made = forward_of(RouteAction { retry_policy: Some(before), ..sample::forward() }).retry.unwrap();
    assert!(!made.on.reset, "what may have been processed is not sent again");
    assert_eq!(made.retries, 1);
}

#[test]
fn redirects_and_direct_responses() {
    let of = |action| {
        let made = routes(&sample::routes_of(sample::route(action)), &mut Registry::default()).unwrap();
        made.table.hosts[0].routes[0].action.clone()
    };
    let redirect =
        RedirectAction { host_redirect: "h".into(), port_redirect: 81, response_code: 3, ..Default::default() };
    let EngineAction::Redirect(made) = of(Action::Redirect(redirect)) else { panic!() };
    assert_eq!((made.status, made.host.as_deref(), made.port), (307, Some("h"), Some(81)));
    let body = Some(DataSource { specifier: Some(Specifier::InlineString("b".into())), ..DataSource::default() });
    let direct = DirectResponseAction { status: 503, body, ..Default::default() };
    let EngineAction::DirectResponse(made) = of(Action::DirectResponse(direct)) else { panic!() };
    assert_eq!((made.status, &*made.body), (503, "b"));
}

#[test]
fn headers_are_written_in_each_of_envoys_ways() {
    let expected =
        [HeaderAppend::Append, HeaderAppend::IfAbsent, HeaderAppend::Overwrite, HeaderAppend::OverwriteIfPresent];
    for (number, append) in (0..).zip(expected) {
        let header = Some(HeaderValue { key: "X-A".into(), value: "v".into(), ..HeaderValue::default() });
        let option = HeaderValueOption { header, append_action: number, ..HeaderValueOption::default() };
        let mut route = sample::route(Action::Route(sample::forward()));
        route.request_headers_to_add = vec![option];
        route.response_headers_to_remove = vec!["X-B".into()];
        let made = routes(&sample::routes_of(route), &mut Registry::default()).unwrap();
        let route = &made.table.hosts[0].routes[0];
        let [write] = route.request_headers.add.as_slice() else { panic!("{route:?}") };
        let expected = ("x-a", &HeaderText::Plain("v".into()), append);
        assert_eq!((&*write.name, &write.value, write.append), expected);
        assert_eq!(route.response_headers.remove, ["x-b".into()]);
    }
}

#[test]
fn paths() {
    let regex = RegexMatcher { regex: "/v[0-9]".into(), ..RegexMatcher::default() };
    for (specifier, fits, not) in [
        (PathSpecifier::Prefix("/a".into()), "/ab", "/b"),
        (PathSpecifier::Path("/a".into()), "/a?q", "/ab"),
        (PathSpecifier::PathSeparatedPrefix("/a".into()), "/a/b", "/ab"),
        (PathSpecifier::SafeRegex(regex), "/v1", "/v11"),
    ] {
        let mut route = sample::route(Action::Route(sample::forward()));
        route.r#match.as_mut().unwrap().path_specifier = Some(specifier);
        let made = routes(&sample::routes_of(route), &mut Registry::default()).unwrap();
        assert!(made.table.select(&SimpleRequest::new("GET", fits, "h"), 0).is_some(), "{made:?}");
        assert!(made.table.select(&SimpleRequest::new("GET", not, "h"), 0).is_none(), "{made:?}");
    }
}

/// A connection manager that says everything of protocols.
fn protocols() -> HttpConnectionManager {
    HttpConnectionManager {
        stream_idle_timeout: seconds(1),
        request_headers_timeout: seconds(2),
        request_timeout: seconds(3),
        delayed_close_timeout: seconds(10),
        max_request_headers_kb: uint32(4),
        common_http_protocol_options: Some(HttpProtocolOptions {
            idle_timeout: seconds(5),
            max_headers_count: uint32(6),
            max_connection_duration: seconds(7),
            max_stream_duration: seconds(9),
            max_requests_per_connection: uint32(8),
            headers_with_underscores_action: HeadersWithUnderscoresAction::DropHeader.into(),
            ..HttpProtocolOptions::default()
        }),
        http_protocol_options: Some(Http1ProtocolOptions { enable_trailers: true, ..Http1ProtocolOptions::default() }),
        scheme_header_transformation: Some(SchemeHeaderTransformation {
            match_upstream: true,
            ..SchemeHeaderTransformation::default()
        }),
        http2_protocol_options: Some(Http2ProtocolOptions {
            max_concurrent_streams: uint32(7),
            initial_stream_window_size: uint32(70_000),
            initial_connection_window_size: uint32(80_000),
            hpack_table_size: uint32(0),
            allow_connect: true,
            max_outbound_control_frames: uint32(10),
            max_inbound_priority_frames_per_stream: uint32(11),
            max_inbound_window_update_frames_per_data_frame_sent: uint32(12),
            max_consecutive_inbound_frames_with_empty_payload: uint32(13),
            connection_keepalive: Some(KeepaliveSettings {
                interval: seconds(14),
                timeout: seconds(15),
                connection_idle_interval: seconds(16),
                ..KeepaliveSettings::default()
            }),
            override_stream_error_on_invalid_http_message: Some(leno_proto::google::protobuf::BoolValue {
                value: true,
            }),
            ..Http2ProtocolOptions::default()
        }),
        ..sample::manager()
    }
}

#[test]
fn limits_of_connection_managers() {
    assert_eq!(limits_of(&sample::manager()), HttpLimits::default());
    let manager = protocols();
    let expected = HttpLimits {
        stream_idle_timeout: Duration::from_secs(1),
        headers_timeout: Duration::from_secs(2),
        request_timeout: Duration::from_secs(3),
        max_headers_bytes: 4096,
        idle_timeout: Duration::from_secs(5),
        max_headers_count: 6,
        max_connection_duration: Some(Duration::from_secs(7)),
        max_stream_duration: Some(Duration::from_secs(9)),
        max_requests: std::num::NonZeroU32::new(8),
        delayed_close: Duration::from_secs(10),
    };
    assert_eq!(limits_of(&manager), expected);
}

#[test]
fn protocols_of_connection_managers() {
    let manager = protocols();
    let made = listener(&sample::listener(vec![filter(&manager)]), &mut Registry::default()).unwrap();
    let Terminal::Http(made) = &made.filter_chains[0].terminal else { panic!("it is HTTP") };
    assert_eq!((made.trailers, made.underscores, made.scheme), (true, Underscores::Drop, SchemeRule::Upstream));
    let flood = Flood {
        max_control_frames: 10,
        max_priority_frames: Some(11),
        max_window_frames: Some(12),
        max_empty_frames: 13,
    };
    let keepalive = Http2Keepalive {
        interval: Some(Duration::from_secs(14)),
        timeout: Duration::from_secs(15),
        jitter: 15.0,
        idle: Some(Duration::from_secs(16)),
    };
    let http2 = Http2Options {
        max_concurrent_streams: 7,
        stream_window: 70_000,
        connection_window: 80_000,
        header_table: 0,
        allow_connect: true,
        keepalive: Some(keepalive),
        flood,
    };
    assert_eq!(made.http2, http2);
}

#[test]
fn rules_for_paths_keep_their_meaning() {
    use leno_engine::normalize::EscapedSlashes;
    let paths = |proto: HttpConnectionManager| {
        let made = listener(&sample::listener(vec![filter(&proto)]), &mut Registry::default()).unwrap();
        let Terminal::Http(manager) = &made.filter_chains[0].terminal else { panic!("{made:?}") };
        manager.paths
    };
    assert_eq!(paths(sample::manager()), Default::default());
    let all = paths(HttpConnectionManager {
        normalize_path: bool(true),
        merge_slashes: true,
        path_with_escaped_slashes_action: PathWithEscapedSlashesAction::UnescapeAndRedirect.into(),
        ..sample::manager()
    });
    assert!(all.normalize && all.merge_slashes && all.escaped_slashes == EscapedSlashes::Redirect, "{all:?}");
}

#[test]
fn thresholds_keep_their_meaning() {
    let made = cluster(&sample::cluster(DiscoveryType::Eds), &mut Registry::default()).unwrap();
    assert_eq!(made.breaker.thresholds(), Thresholds::default());
    let proto = CircuitBreakers {
        thresholds: vec![circuit_breakers::Thresholds {
            max_connections: uint32(1),
            max_pending_requests: uint32(2),
            max_requests: uint32(3),
            max_retries: uint32(4),
            ..Default::default()
        }],
        ..Default::default()
    };
    let made = cluster(
        &Cluster { circuit_breakers: Some(proto), ..sample::cluster(DiscoveryType::Eds) },
        &mut Registry::default(),
    )
    .unwrap();
    let expected =
        Thresholds { max_connections: 1, max_pending_requests: 2, max_requests: 3, retries: RetryLimit::Count(4) };
    assert_eq!(made.breaker.thresholds(), expected);
    let budget = |percent: Option<f64>, at_least: Option<u32>| {
        let budget = circuit_breakers::thresholds::RetryBudget {
            budget_percent: percent.map(|value| Percent { value }),
            min_retry_concurrency: at_least.and_then(uint32),
            ..Default::default()
        };
        let thresholds = vec![circuit_breakers::Thresholds { retry_budget: Some(budget), ..Default::default() }];
        let circuit_breakers = Some(CircuitBreakers { thresholds, ..Default::default() });
        let made = Cluster { circuit_breakers, ..sample::cluster(DiscoveryType::Eds) };
        cluster(&made, &mut Registry::default()).unwrap().breaker.thresholds().retries
    };
    assert_eq!(budget(None, None), RetryLimit::Budget { thousandths: 20_000, at_least: 3 });
    assert_eq!(budget(Some(0.5), Some(7)), RetryLimit::Budget { thousandths: 500, at_least: 7 });
}

#[test]
fn protocols_of_clusters() {
    let made = |proto: &Cluster| cluster(proto, &mut Registry::default()).unwrap().protocol;
    assert_eq!(made(&sample::cluster(DiscoveryType::Eds)), HttpProtocol::Http1);
    let explicit = |config| {
        let config = ExplicitHttpConfig { protocol_config: Some(config) };
        let options = UpstreamOptions {
            upstream_protocol_options: Some(UpstreamProtocolOptions::ExplicitHttpConfig(config)),
            ..Default::default()
        };
        let options = leno_proto::any::pack(&options);
        let typed_extension_protocol_options = [("http".to_owned(), options)].into();
        made(&Cluster { typed_extension_protocol_options, ..sample::cluster(DiscoveryType::Eds) })
    };
    assert_eq!(explicit(ProtocolConfig::HttpProtocolOptions(Default::default())), HttpProtocol::Http1);
    assert_eq!(explicit(ProtocolConfig::Http2ProtocolOptions(Default::default())), HttpProtocol::Http2);
}

#[test]
fn upgrades_that_are_switched_off_are_left_out() {
    let upgrade = |name: &str, enabled| UpgradeConfig { upgrade_type: name.into(), enabled, ..Default::default() };
    let upgrade_configs = vec![upgrade("WebSocket", None), upgrade("CONNECT", bool(false))];
    let manager = HttpConnectionManager { upgrade_configs, ..sample::manager() };
    let made = listener(&sample::listener(vec![filter(&manager)]), &mut Registry::default()).unwrap();
    let Terminal::Http(manager) = &made.filter_chains[0].terminal else { panic!("{made:?}") };
    assert_eq!(manager.upgrades, ["websocket".into()]);
}

#[test]
fn rules_of_connections_keep_their_meaning() {
    let name = sample::text(MatchPattern::Suffix("/sa/good".into()));
    let good = Identifier::Authenticated(principal::Authenticated { principal_name: Some(name) });
    let ports = [80, 81].map(|port| sample::permission(Rule::DestinationPort(port))).to_vec();
    let ports = Rule::OrRules(permission::Set { rules: ports });
    let path = path_matcher::Rule::Path(sample::text(MatchPattern::Prefix("/".into())));
    let path = Rule::UrlPath(PathMatcher { rule: Some(path) });
    let verdict = |rule: Rule, who: Identifier, action: RbacAction, id: &str, port: u16| {
        let rules = leno_proto::v3::rbac::Rbac { action: action.into(), ..sample::rbac(rule, who) };
        let network = network_rbac::Rbac { rules: Some(rules), ..Default::default() };
        let message = sample::listener(vec![filter(&network), filter(&sample::tcp())]);
        let made = listener(&message, &mut Registry::default()).unwrap();
        let destination = std::net::SocketAddr::from(([10, 0, 0, 2], port));
        let names = [id.into()];
        let subject = Subject {
            secure: true,
            names: &names,
            direct: destination,
            source: destination,
            remote: destination,
            destination,
            server_name: "",
            metadata: None,
        };
        sample::access(&made.filter_chains[0]).check_connection(&subject).is_allowed()
    };
    let (allow, deny) = (RbacAction::Allow, RbacAction::Deny);
    for (id, port, allowed) in [("x/sa/good", 80, true), ("x/sa/good", 82, false), ("x/sa/bad", 81, false)] {
        assert_eq!(verdict(ports.clone(), good.clone(), allow, id, port), allowed, "{id} {port}");
        assert_eq!(verdict(ports.clone(), good.clone(), deny, id, port), !allowed, "{id} {port}");
    }
    assert!(!verdict(path, Identifier::Any(true), allow, "x", 80), "bytes have no path");
}

#[test]
fn endpoints_have_the_health_that_is_told() {
    let with = |port, status: HealthStatus| {
        let mut endpoint = sample::endpoint(sample::socket_address("10.0.0.1", port));
        endpoint.health_status = status.into();
        endpoint
    };
    let all = [
        HealthStatus::Unknown,
        HealthStatus::Healthy,
        HealthStatus::Unhealthy,
        HealthStatus::Draining,
        HealthStatus::Timeout,
    ];
    let all = (1..).zip(all).map(|(port, status)| with(port, status)).collect();
    let set = endpoints(&sample::assignment(all), None).unwrap();
    let healthy: Vec<_> = set.endpoints.iter().map(|endpoint| endpoint.is_healthy()).collect();
    assert_eq!(healthy, [true, true, false, false, false]);
}

#[test]
fn priorities_and_places_of_endpoints() {
    let mut message = sample::assignment(vec![sample::endpoint(sample::socket_address("10.0.0.1", 80))]);
    message.endpoints[0].priority = 2;
    message.endpoints[0].locality = Some(Locality { zone: "z".into(), ..Locality::default() });
    message.endpoints[0].load_balancing_weight = uint32(7);
    message.policy = Some(Policy { overprovisioning_factor: uint32(200), ..Policy::default() });
    let set = endpoints(&message, None).unwrap();
    let standing = &set.endpoints[0].standing;
    assert_eq!((standing.priority, &*standing.locality.zone, standing.locality_weight), (2, "z", 7));
    assert_eq!(set.rules.overprovisioning, 200);
}

#[test]
fn endpoints_that_did_not_change_are_kept() {
    let message = sample::assignment(vec![sample::endpoint(sample::socket_address("fd00::1", 80))]);
    let before = endpoints(&message, None).unwrap();
    let after = endpoints(&message, Some(&before)).unwrap();
    assert!(std::sync::Arc::ptr_eq(&before.endpoints[0], &after.endpoints[0]));
}

#[test]
fn kinds_and_balancers_of_clusters() {
    let of = |message| cluster(&message, &mut Registry::default()).unwrap();
    for (policy, expected) in [
        (LbPolicy::LeastRequest, LoadBalancer::default()),
        (LbPolicy::RoundRobin, LoadBalancer::RoundRobin { slow_start: None }),
        (LbPolicy::Random, LoadBalancer::Random),
    ] {
        let mut message = sample::cluster(DiscoveryType::Eds);
        message.lb_policy = policy.into();
        assert_eq!(of(message).balancing.policy, expected);
    }
    let ring = RingHashLbConfig { minimum_ring_size: uint64(5), hash_function: 1, ..RingHashLbConfig::default() };
    let settings = RingSettings { min_size: 5, function: HashFunction::Murmur2, ..RingSettings::default() };
    for (policy, config, expected) in [
        (LbPolicy::RingHash, None, LoadBalancer::RingHash(RingSettings::default(), Hashing::default())),
        (
            LbPolicy::RingHash,
            Some(LbConfig::RingHashLbConfig(ring)),
            LoadBalancer::RingHash(settings, Hashing::default()),
        ),
        (LbPolicy::Maglev, None, LoadBalancer::Maglev(65_537, Hashing::default())),
        (
            LbPolicy::Maglev,
            Some(LbConfig::MaglevLbConfig(MaglevLbConfig { table_size: uint64(7) })),
            LoadBalancer::Maglev(7, Hashing::default()),
        ),
    ] {
        let mut message = sample::cluster(DiscoveryType::Eds);
        (message.lb_policy, message.lb_config) = (policy.into(), config);
        let made = of(message);
        assert_eq!((made.balancing.policy, made.balancing.panic_threshold), (expected, 50));
    }
    let eds = of(sample::cluster(DiscoveryType::Eds));
    assert_eq!((&*eds.service, eds.connect_timeout), ("shop/cart", Duration::from_secs(5)));
    assert!(matches!(eds.kind, ClusterKind::Eds(_)) && eds.transports.is_empty());
    assert!(matches!(of(sample::cluster(DiscoveryType::OriginalDst)).kind, ClusterKind::OriginalDst(_)));
    assert!(matches!(of(sample::cluster(DiscoveryType::Static)).kind, ClusterKind::Static(_)));
    let mut tls = sample::cluster(DiscoveryType::Eds);
    let id = "spiffe://cluster.local/ns/shop/sa/cart";
    tls.transport_socket = Some(sample::socket(&sample::upstream_tls(vec![sample::san(id)])));
    assert!(matches!(&of(tls).transports[0].transport.security, Security::MeshTls(tls) if tls.identities.len() == 1));
}
