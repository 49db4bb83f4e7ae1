//! What is said of traffic, in the words of Envoy; and for whom.

use std::{iter::once, sync::Arc, time::Duration};

use leno_compiler::{Client, Kind, Scope, affected, depends_on_caller, resource};
use leno_model::{
    KeyPair, ObjectRef, Protocol, Route, SecretName, Snapshot, locality,
    policy::{
        HeaderMatch, RequestMatch, TextMatch, TrafficSettings,
        traffic::{
            Abort, Algorithm, AltName, ClientCertificate, Condition, ConnectionLimits, CountBy, CountedLimit,
            CountedRate, CountedUnit, Delay, Failure, FailureShare, Fault, GlobalRateLimit, HashBy, HashOn,
            HealthCheck, HttpLimit, HttpRate, LoadBalancer, Mirror, Nearness, OutlierDetection, Probe, RateCounter,
            RateLimit, RateRoute, Retries, RetryLimit, Roots, RoutePolicy, Share, SlowStart, SuccessRate, TcpLimit,
            Timeouts, TlsOrigination, TlsVersion, TlsVersions, UpstreamTls,
        },
    },
    route::{Backend, Rules, StreamRule},
};
use leno_proto::{
    any::unpack,
    v3::{
        cluster::Cluster,
        core::{data_source, transport_socket},
        endpoint::ClusterLoadAssignment,
        route::RouteConfiguration,
        tls,
    },
};

use crate::{
    golden::golden,
    mesh::{account, add_policy, add_service, bookstore, scope},
    route::{forward, prefix, route, rule, to},
};

const SECOND: Duration = Duration::from_secs(1);

fn balancer(algorithm: Algorithm) -> TrafficSettings {
    let balancer = LoadBalancer { algorithm, slow_start: None, nearness: None, panic_threshold: Some(30) };
    TrafficSettings { load_balancer: Some(balancer), ..TrafficSettings::default() }
}

fn hash(by: HashBy) -> HashOn {
    HashOn { by, last: false }
}

fn timeouts(seconds: u64) -> TrafficSettings {
    let request = Some(Duration::from_secs(seconds));
    let timeouts = Timeouts { request, idle: Some(SECOND * 300), connect: Some(SECOND) };
    TrafficSettings { timeouts: Some(timeouts), ..TrafficSettings::default() }
}

fn retries() -> Retries {
    Retries {
        attempts: 3,
        on: vec![Condition::GatewayError, Condition::Reset],
        statuses: vec![429],
        per_try_timeout: Some(SECOND),
        backoff_base: None,
        backoff_max: Some(SECOND),
        limit: RetryLimit::Budget { percent: 25, at_least: 5 },
    }
}

fn fault() -> Fault {
    Fault {
        delay: Some(Delay { duration: SECOND / 5, share: Share(50_000) }),
        abort: Some(Abort { failure: Failure::Http(503), share: Share(1_000) }),
        headers: vec![HeaderMatch { name: "x-test".into(), value: None }],
        max_active: Some(10),
    }
}

/// Everything that can be said of the callers' side.
pub(crate) fn client_settings() -> TrafficSettings {
    TrafficSettings {
        load_balancer: balancer(Algorithm::LeastRequest { choices: 3 }).load_balancer,
        connections: Some(ConnectionLimits {
            max_connections: Some(10),
            max_pending_requests: Some(5),
            max_requests: Some(20),
            max_requests_per_connection: Some(100),
        }),
        outlier_detection: Some(OutlierDetection {
            consecutive_5xx: Some(3),
            consecutive_local_failures: Some(4),
            success_rate: Some(SuccessRate { minimum_hosts: Some(3), ..SuccessRate::default() }),
            failure_share: Some(FailureShare { threshold: Some(50), ..FailureShare::default() }),
            interval: Some(SECOND),
            base_ejection_time: Some(SECOND * 5),
            max_ejection_time: Some(SECOND * 60),
            max_ejection_percent: Some(50),
            ..OutlierDetection::default()
        }),
        health_check: Some(HealthCheck {
            probe: Probe::Http {
                method: "HEAD".into(),
                path: "/healthz".into(),
                host: None,
                expected: once(200..300).collect(),
            },
            interval: SECOND * 2,
            timeout: SECOND / 2,
            unhealthy_threshold: 2,
            healthy_threshold: 1,
        }),
        retries: Some(retries()),
        mirror: Some(Mirror { service: crate::mesh::service_name("warehouse"), port: 80, share: Share(10_000) }),
        fault: Some(fault()),
        ..timeouts(10)
    }
}

/// Everything that can be said of the servers' side.
pub(crate) fn server_settings() -> TrafficSettings {
    let rate = |requests| HttpRate {
        by: if requests == 100 { vec![] } else { vec![CountBy::Caller, CountBy::Header("x-user".into())] },
        requests,
        per: SECOND,
        burst: 50,
        status: 429,
        headers: vec![("retry-after".into(), "1".into())],
    };
    let buy = RequestMatch {
        path: Some(TextMatch::Prefix("/buy".into())),
        methods: vec!["POST".into()],
        headers: vec![HeaderMatch { name: "x-user".into(), value: Some(TextMatch::Exact("me".into())) }],
    };
    let http = HttpLimit { rate: Some(rate(100)), routes: vec![RateRoute { fits: buy.clone(), rate: rate(1) }] };
    let tcp = TcpLimit { connections: 10, per: SECOND, burst: 5 };
    let counted = |name: &str, fits: RequestMatch, by, rate| CountedLimit { name: name.into(), fits, by, rate };
    let buy_or_sell = RequestMatch { path: Some(TextMatch::Prefix("/buy.now/".into())), ..buy.clone() };
    let minute = CountedRate { requests: 3, unit: CountedUnit::Minute };
    let everything = vec![
        CountBy::Header("x-user".into()),
        CountBy::QueryParameter("kind".into()),
        CountBy::Path,
        CountBy::Method,
        CountBy::RemoteAddress,
        CountBy::Caller,
    ];
    let global = GlobalRateLimit {
        counter: RateCounter::Service { service: crate::mesh::service_name("limits"), port: 8081 },
        domain: "shop".into(),
        limits: vec![
            counted("all", RequestMatch::default(), vec![], Some(minute)),
            counted("buying", buy_or_sell, everything, None),
        ],
        timeout: SECOND / 10,
        closed_on_error: true,
        status: 503,
        headers: vec![("retry-after".into(), "1".into())],
    };
    TrafficSettings {
        rate_limit: Some(RateLimit { http: Some(http), tcp: Some(tcp) }),
        global_rate_limit: Some(global),
        inbound_connections: Some(500),
        ..TrafficSettings::default()
    }
}

#[test]
fn all_that_is_said_of_callers() {
    let mut snapshot = bookstore();
    add_policy(&mut snapshot, "store", None, &[], client_settings());
    golden(
        "traffic-client",
        &snapshot,
        &scope("buyer-1"),
        &[
            (Kind::Listener, "outbound/10.96.0.10:80"),
            (Kind::Route, "outbound/shop/store:80"),
            (Kind::Cluster, "outbound/shop/store:80"),
            (Kind::Cluster, "direct/10.244.0.3:8080"),
        ],
    );
}

#[test]
fn all_that_is_said_of_servers() {
    let mut snapshot = bookstore();
    add_policy(&mut snapshot, "store", None, &[], server_settings());
    golden("traffic-server", &snapshot, &scope("store-v1-1"), &[(Kind::Listener, "inbound")]);
    add_policy(&mut snapshot, "ledger", Some(7000), &[], server_settings());
    golden("traffic-server-bytes", &snapshot, &scope("ledger-1"), &[(Kind::Listener, "inbound")]);
}

/// The bookstore with policies of a route of the store, of its rule `buy`, and of the store itself.
pub(crate) fn ruled_store() -> Snapshot {
    let mut snapshot = bookstore();
    add_policy(&mut snapshot, "store", None, &[], client_settings());
    let rule = |name: &str, path: &str| rule(name, vec![prefix(path)], forward(to(&[("store-v1", 1)])));
    let mut store =
        Route::clone(&route("shop", "store", "store", Rules::Http(vec![rule("buy", "/buy"), rule("1", "")])));
    let server = server_settings();
    let limit = |http| RateLimit { http: Some(HttpLimit { rate: http, routes: Vec::new() }), tcp: None };
    let rate = server.rate_limit.and_then(|limit| limit.http?.rate);
    let of_rule = TrafficSettings {
        rate_limit: Some(limit(rate)),
        global_rate_limit: server.global_rate_limit,
        fault: Some(Fault { delay: None, max_active: None, ..fault() }),
        ..TrafficSettings::default()
    };
    let policy = |name: &str, part: Option<&str>, settings| RoutePolicy {
        origin: ObjectRef::new("TrafficPolicy", "shop", name),
        part: part.map(str::to_owned),
        callers: Vec::new(),
        settings,
    };
    let of_route = TrafficSettings { retries: Some(Retries { attempts: 1, ..retries() }), ..timeouts(3) };
    store.policies = vec![policy("buy", Some("buy"), of_rule), policy("store", None, of_route)];
    snapshot.routes = vec![Arc::new(store)];
    snapshot
}

#[test]
fn all_that_is_said_of_routes() {
    let snapshot = ruled_store();
    let wanted = [(Kind::Listener, "outbound/10.96.0.10:80"), (Kind::Route, "outbound/shop/store:80")];
    golden("traffic-route", &snapshot, &scope("buyer-1"), &wanted);
    let grpc = Scope { client: Client::Grpc, ..scope("buyer-1") };
    golden("traffic-route-grpc", &snapshot, &grpc, &[(Kind::Listener, "store.shop:80")]);
}

#[test]
fn connections_of_a_route_are_limited_for_each_caller() {
    let mut snapshot = bookstore();
    add_service(&mut snapshot, "plain", "10.96.0.80", &[(80, 8080, Protocol::Tcp)], &["store-v1"]);
    let backend = Backend::Service(crate::mesh::service_name("plain"), 80);
    let share = leno_model::route::Share { backend, weight: leno_model::unit::Weight(1) };
    let rules = Rules::Tcp(vec![StreamRule { name: "only".into(), shares: vec![share] }]);
    let mut plain = Route::clone(&route("shop", "plain", "plain", rules));
    let settings = TrafficSettings { rate_limit: server_settings().rate_limit, ..timeouts(3) };
    let origin = ObjectRef::new("TrafficPolicy", "shop", "plain");
    plain.policies = vec![RoutePolicy { origin, part: Some("only".into()), callers: Vec::new(), settings }];
    snapshot.routes = vec![Arc::new(plain)];
    golden("traffic-route-bytes", &snapshot, &scope("buyer-1"), &[(Kind::Listener, "outbound/10.96.0.80:80")]);
}

/// A service of which one pod has a sidecar, and what is said of its TLS.
pub(crate) fn protected(tls: UpstreamTls) -> Snapshot {
    let mut snapshot = bookstore();
    let settings = TrafficSettings { tls: Some(tls), ..TrafficSettings::default() };
    add_policy(&mut snapshot, "store", None, &[], settings);
    snapshot
}

pub(crate) fn origination(roots: Roots, client_certificate: Option<ClientCertificate>) -> UpstreamTls {
    UpstreamTls::Simple(TlsOrigination {
        roots,
        server_name: Some("pay.example".into()),
        names: vec![AltName::Dns("pay.example".into()), AltName::Uri("spiffe://pay.example/api".into())],
        versions: TlsVersions::default(),
        client_certificate,
    })
}

#[test]
fn endpoints_have_tls_of_their_own_where_it_is_said() {
    let roots = "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n";
    let shown = ClientCertificate::Secret(SecretName::new("shop", "pay"));
    let snapshot = protected(origination(Roots::Pem(roots.into()), Some(shown)));
    golden("traffic-tls", &snapshot, &scope("buyer-1"), &[(Kind::Cluster, "outbound/shop/store:80")]);
}

#[test]
fn versions_of_tls_are_those_that_are_said() {
    for (lowest, highest) in [(TlsVersion::V1_3, TlsVersion::V1_3), (TlsVersion::V1_2, TlsVersion::V1_2)] {
        let UpstreamTls::Simple(mut simple) = origination(Roots::System, None) else { panic!("it is simple") };
        simple.versions = TlsVersions { lowest, highest };
        let made = cluster(&protected(UpstreamTls::Simple(simple)), &scope("buyer-1"), "outbound/shop/store:80");
        let sockets = made.transport_socket_matches.into_iter().filter_map(|one| one.transport_socket);
        let last = sockets.chain(made.transport_socket).last().unwrap();
        let Some(transport_socket::ConfigType::TypedConfig(config)) = last.config_type else { panic!("no config") };
        let context: tls::UpstreamTlsContext = unpack(&config).unwrap();
        let said = context.common_tls_context.unwrap().tls_params.unwrap();
        let of = |version| match version {
            TlsVersion::V1_2 => tls::tls_parameters::TlsProtocol::TlSv12,
            TlsVersion::V1_3 => tls::tls_parameters::TlsProtocol::TlSv13,
        };
        assert_eq!(
            (said.tls_minimum_protocol_version(), said.tls_maximum_protocol_version()),
            (of(lowest), of(highest))
        );
    }
}

#[test]
fn callers_show_what_is_said_and_a_pair_goes_to_those_alone_who_show_it() {
    let secret = SecretName::new("shop", "pay");
    let name = "client-certificate/shop/pay";
    let mut snapshot = bookstore();
    let tls = origination(Roots::System, Some(ClientCertificate::Secret(secret.clone())));
    let settings = TrafficSettings { tls: Some(tls), ..TrafficSettings::default() };
    add_policy(&mut snapshot, "store", None, &["buyer"], settings);
    assert!(resource(&snapshot, &scope("buyer-1"), Kind::Secret, name).is_none(), "there is none");
    let pair = KeyPair::new("the chain".into(), "the key".into());
    snapshot.client_certificates.insert(secret.clone(), Arc::new(pair));
    let made: tls::Secret = unpack(&resource(&snapshot, &scope("buyer-1"), Kind::Secret, name).unwrap()).unwrap();
    let Some(tls::secret::Type::TlsCertificate(pair)) = made.r#type else { panic!("{made:?}") };
    let inline = |text: &str| Some(data_source::Specifier::InlineString(text.into()));
    assert_eq!(pair.private_key.unwrap().specifier, inline("the key"));
    assert_eq!(pair.certificate_chain.unwrap().specifier, inline("the chain"));
    assert!(snapshot.shows_secret(&account("buyer"), &secret));
    // Who is no longer named is told that it is gone.
    let mut without = snapshot.clone();
    without.traffic_policies.clear();
    assert!(affected(&snapshot, &without).touches(&scope("buyer-1"), Kind::Secret, name));
    assert!(!snapshot.shows_secret(&account("thief"), &secret));
    assert!(!snapshot.shows_secret(&account("buyer"), &SecretName::new("shop", "other")));

    let shown = |snapshot: &Snapshot, scope: &Scope| {
        let made = cluster(snapshot, scope, "outbound/shop/store:80");
        let sockets = made.transport_socket_matches.into_iter().filter_map(|one| one.transport_socket);
        let last = sockets.chain(made.transport_socket).last().unwrap();
        let Some(transport_socket::ConfigType::TypedConfig(config)) = last.config_type else { panic!("no config") };
        let context: tls::UpstreamTlsContext = unpack(&config).unwrap();
        let common = context.common_tls_context.unwrap();
        common.tls_certificate_sds_secret_configs.into_iter().map(|one| one.name).collect::<Vec<_>>()
    };
    assert_eq!(shown(&snapshot, &scope("buyer-1")), [name]);
    let own = protected(origination(Roots::System, Some(ClientCertificate::Identity)));
    assert_eq!(shown(&own, &scope("buyer-1")), ["svid"]);
    let envoy = Scope { client: Client::Envoy, ..scope("buyer-1") };
    assert_eq!(shown(&own, &envoy), [""; 0], "it has no identity, and believes nobody instead");
}

#[test]
fn what_is_said_of_tls_decides_the_transports() {
    let names = |snapshot: &Snapshot| {
        let made = cluster(snapshot, &scope("buyer-1"), "outbound/shop/store:80").transport_socket_matches;
        made.into_iter().map(|one| one.name).collect::<Vec<_>>()
    };
    assert_eq!(names(&bookstore()), ["mesh", "plaintext"]);
    assert_eq!(names(&protected(UpstreamTls::Disable)), ["plaintext"]);
    assert_eq!(names(&protected(UpstreamTls::Mutual)), ["mesh", "none"]);
    assert_eq!(names(&protected(origination(Roots::System, None))), ["mesh", "tls"]);
    let envoy = Scope { client: Client::Envoy, ..scope("buyer-1") };
    let alone = |snapshot: &Snapshot| cluster(snapshot, &envoy, "outbound/shop/store:80").transport_socket.is_some();
    assert!(alone(&protected(origination(Roots::Nobody, None))) && !alone(&bookstore()));
}

#[test]
fn what_is_said_of_a_route_changes_its_services_listener_and_routes() {
    let new = ruled_store();
    let mut old = new.clone();
    let mut without = Route::clone(&old.routes[0]);
    without.policies.clear();
    old.routes = vec![Arc::new(without)];
    let (change, buyer) = (affected(&old, &new), scope("buyer-1"));
    for (kind, name) in [
        (Kind::Listener, "outbound/10.96.0.10:80"),
        (Kind::Listener, "store.shop:80"),
        (Kind::Route, "outbound/shop/store:80"),
    ] {
        assert!(change.touches(&buyer, kind, name), "{name}");
    }
    assert!(!change.touches(&buyer, Kind::Cluster, "outbound/shop/store:80"));
    // The caller is counted by its name.
    assert!(depends_on_caller(&new, Kind::Route, "outbound/shop/store:80"));
    assert!(!depends_on_caller(&old, Kind::Route, "outbound/shop/store:80"));
    // Where endpoints are no route has a say.
    for cluster in ["outbound/shop/store:80", "direct/10.244.0.3:8080"] {
        assert!(!depends_on_caller(&new, Kind::Cluster, cluster), "{cluster}");
    }
}

#[test]
fn a_caller_that_the_mesh_does_not_know_is_counted_as_unknown() {
    let name = "outbound/shop/store:80";
    let told = |pod: &str| {
        let any = resource(&ruled_store(), &scope(pod), Kind::Route, name).unwrap();
        String::from_utf8_lossy(&any.value).into_owned()
    };
    let (known, unknown) = ("spiffe://cluster.local/ns/shop/sa/buyer", "unknown");
    assert!(told("buyer-1").contains(known) && !told("buyer-1").contains(unknown));
    assert!(told("gone-1").contains(unknown), "empty text would be refused by whoever gets it");
}

fn cluster(snapshot: &Snapshot, scope: &Scope, name: &str) -> Cluster {
    unpack(&resource(snapshot, scope, Kind::Cluster, name).unwrap()).unwrap()
}

fn routes(snapshot: &Snapshot, scope: &Scope, name: &str) -> RouteConfiguration {
    unpack(&resource(snapshot, scope, Kind::Route, name).unwrap()).unwrap()
}

#[test]
fn limits_that_name_no_service_are_asked_of_the_control_plane() {
    let mut snapshot = bookstore();
    let mut settings = server_settings();
    settings.global_rate_limit.as_mut().unwrap().counter = RateCounter::ControlPlane;
    add_policy(&mut snapshot, "store", None, &[], settings);
    let any = resource(&snapshot, &scope("store-v1-1"), Kind::Listener, "inbound").unwrap();
    let text = crate::explain::explain(&any);
    assert!(text.contains("cluster_name: \"control-plane\"") && !text.contains("shop/limits"), "{text}");
}

#[test]
fn balancers_that_hash_have_routes_that_say_of_what() {
    let mut snapshot = bookstore();
    let on = vec![
        hash(HashBy::Header("x-user".into())),
        hash(HashBy::Cookie { name: "session".into(), ttl: Some(SECOND), path: "/".into() }),
        hash(HashBy::SourceIp),
        HashOn { by: HashBy::QueryParameter("user".into()), last: true },
    ];
    // What is said of a backend of a split is known to the routes of its root.
    let ring = Algorithm::RingHash { minimum_size: None, maximum_size: Some(2048), on };
    add_policy(&mut snapshot, "store-v1", None, &[], balancer(ring));
    let maglev = Algorithm::Maglev { table_size: Some(251), on: vec![hash(HashBy::SourceIp)] };
    add_policy(&mut snapshot, "warehouse", None, &[], balancer(maglev));
    golden(
        "traffic-hash",
        &snapshot,
        &scope("buyer-1"),
        &[
            (Kind::Route, "outbound/shop/store:80"),
            (Kind::Cluster, "outbound/shop/store-v1:80"),
            (Kind::Route, "outbound/shop/warehouse:80"),
            (Kind::Cluster, "outbound/shop/warehouse:80"),
        ],
    );
    let grpc = Scope { client: Client::Grpc, ..scope("buyer-1") };
    let policy = |name| cluster(&snapshot, &grpc, name).lb_policy().as_str_name();
    assert_eq!(policy("outbound/shop/warehouse:80"), "RING_HASH", "gRPC libraries have no tables");
}

#[test]
fn the_exacter_policy_wins_section_by_section() {
    let mut snapshot = bookstore();
    add_service(
        &mut snapshot,
        "two",
        "10.96.0.20",
        &[(80, 8080, Protocol::Http), (81, 8081, Protocol::Http)],
        &["ledger"],
    );
    add_policy(&mut snapshot, "two", None, &[], TrafficSettings { retries: Some(retries()), ..timeouts(1) });
    add_policy(&mut snapshot, "two", Some(81), &[], timeouts(2));
    add_policy(&mut snapshot, "two", Some(81), &["buyer"], timeouts(3));
    let seconds = |pod, port| {
        let configuration = routes(&snapshot, &scope(pod), &format!("outbound/shop/two:{port}"));
        let Some(leno_proto::v3::route::route::Action::Route(action)) =
            &configuration.virtual_hosts[0].routes[0].action
        else {
            panic!("a route")
        };
        assert!(action.retry_policy.is_some(), "taken from the policy of all ports");
        action.timeout.unwrap().seconds
    };
    assert_eq!(seconds("buyer-1", 80), 1);
    assert_eq!(seconds("ledger-1", 81), 2);
    assert_eq!(seconds("buyer-1", 81), 3);
}

#[test]
fn only_what_is_said_for_some_callers_depends_on_who_calls() {
    let mut snapshot = bookstore();
    let (route, cluster) = ((Kind::Route, "outbound/shop/store:80"), (Kind::Cluster, "outbound/shop/store:80"));
    let (listener, direct) = ((Kind::Listener, "outbound/10.96.0.10:80"), (Kind::Cluster, "direct/10.244.0.3:8080"));
    let grpc = (Kind::Listener, "store.shop:80");
    let all = [route, cluster, listener, direct, grpc];
    add_policy(&mut snapshot, "store", None, &[], timeouts(1));
    assert!(all.iter().all(|(kind, name)| !depends_on_caller(&snapshot, *kind, name)));
    assert!(depends_on_caller(&snapshot, Kind::Listener, "inbound"));
    add_policy(&mut snapshot, "store", None, &["buyer"], timeouts(2));
    assert!(all.iter().all(|(kind, name)| depends_on_caller(&snapshot, *kind, name)));
    assert!(!depends_on_caller(&snapshot, Kind::Route, "outbound/shop/store-v1:80"));
    // Whoever gets another account is told anew.
    let mut later = snapshot.clone();
    let buyer = later.workloads.get_mut(&scope("buyer-1").workload).unwrap();
    Arc::make_mut(buyer).service_account = account("other");
    let change = affected(&snapshot, &later);
    assert!(all.iter().all(|(kind, name)| change.touches(&scope("buyer-1"), *kind, name)));
}

/// The priority of each place, with its zone and how many endpoints it has, as the buyer's sidecar is told.
fn places(snapshot: &Snapshot) -> Vec<(u32, String, usize)> {
    let any = resource(snapshot, &scope("buyer-1"), Kind::Endpoint, "outbound/shop/store:80").unwrap();
    let assignment = unpack::<ClusterLoadAssignment>(&any).unwrap();
    let zone = |it: &leno_proto::v3::endpoint::LocalityLbEndpoints| it.locality.clone().unwrap_or_default().zone;
    assignment.endpoints.iter().map(|it| (it.priority, zone(it), it.lb_endpoints.len())).collect()
}

#[test]
fn the_nearest_endpoints_come_first_where_it_is_said() {
    let mut snapshot = bookstore();
    for (pod, region, zone) in [("buyer-1", "eu", "a"), ("store-v1-1", "eu", "b"), ("store-v2-1", "eu", "a")] {
        let workload = Arc::make_mut(snapshot.workloads.get_mut(&scope(pod).workload).unwrap());
        workload.labels = [(locality::REGION_LABEL, region), (locality::ZONE_LABEL, zone)]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
    }
    let mut service = (*snapshot.services[&crate::mesh::service_name("store")]).clone();
    for endpoint in service.endpoints.values_mut().flatten() {
        endpoint.locality = snapshot.workloads[endpoint.workload.as_ref().unwrap()].locality();
    }
    snapshot.services.insert(service.name.clone(), Arc::new(service.clone()));
    let endpoints = (Kind::Endpoint, "outbound/shop/store:80");
    assert_eq!(places(&snapshot), [(0, String::new(), 2)]);
    assert!(!depends_on_caller(&snapshot, endpoints.0, endpoints.1));
    let prefer = |nearness| {
        let mut settings = balancer(Algorithm::RoundRobin);
        settings.load_balancer.as_mut().unwrap().nearness = Some(nearness);
        settings
    };
    let before = snapshot.clone();
    add_policy(&mut snapshot, "store", None, &[], prefer(Nearness::SameZone));
    assert_eq!(places(&snapshot), [(0, "a".into(), 1), (1, "b".into(), 1)]);
    assert!(depends_on_caller(&snapshot, endpoints.0, endpoints.1));
    assert!(affected(&before, &snapshot).touches(&scope("buyer-1"), endpoints.0, endpoints.1));
    add_policy(&mut snapshot, "store", None, &[], prefer(Nearness::SameRegion));
    assert_eq!(places(&snapshot), [(0, "a".into(), 1), (0, "b".into(), 1)]);
    // The Service itself can say it, too.
    let mut said = before.clone();
    service.nearness = Some(Nearness::SameZone);
    said.services.insert(service.name.clone(), Arc::new(service));
    assert_eq!(places(&said).len(), 2);
}

#[test]
fn new_endpoints_begin_slowly_and_latency_counts_where_it_is_said() {
    let cluster = |settings: TrafficSettings| {
        let mut snapshot = bookstore();
        add_policy(&mut snapshot, "store", None, &[], settings);
        let any = resource(&snapshot, &scope("buyer-1"), Kind::Cluster, "outbound/shop/store:80").unwrap();
        unpack::<Cluster>(&any).unwrap()
    };
    for algorithm in [Algorithm::RoundRobin, Algorithm::LeastRequest { choices: 2 }] {
        let mut settings = balancer(algorithm);
        settings.load_balancer.as_mut().unwrap().slow_start =
            Some(SlowStart { window: SECOND * 30, minimum_percent: 5 });
        let text = format!("{:?}", cluster(settings).lb_config);
        assert!(
            text.contains("slow_start_window: Some(Duration { seconds: 30") && text.contains("value: 5.0"),
            "{text}"
        );
    }
    let cluster = cluster(balancer(Algorithm::PeakEwma { decay: Some(SECOND * 3) }));
    let policies = cluster.load_balancing_policy.unwrap().policies;
    let config = policies[0].typed_extension_config.clone().unwrap().typed_config.unwrap();
    assert_eq!(unpack::<leno_proto::peak_ewma::PeakEwma>(&config).unwrap().decay_time.unwrap().seconds, 3);
    assert!(cluster.common_lb_config.is_some(), "the panic threshold counts all the same");
}
