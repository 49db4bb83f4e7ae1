//! A change touches all that it changes: compared with compiling everything for random pairs of meshes.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc, time::Duration};

use leno_compiler::{Affected, Client, Kind, Scope, affected, names, resource};
use leno_model::{
    Endpoint, KeyPair, Locality, MeshConfig, ObjectRef, Protocol, Route, SecretName, Service, ServiceName, ServicePort,
    Snapshot, TrustDomain, Workload, WorkloadName, locality,
    mesh::{DefaultAccess, MtlsMode, OutboundPolicy},
    policy::{
        AccessPolicy, AccessRule, AuthorizerProtocol, EgressPolicy, HttpMatch, TrafficSettings, TrafficSplit,
        access::{AccessAction, AccessTarget},
        authorization::Ports,
        egress::EgressProtocol,
        traffic::{
            Algorithm, ClientCertificate, HashBy, HashOn, LoadBalancer, Nearness, Roots, RoutePolicy, Timeouts,
            UpstreamTls,
        },
    },
    route::{Backend, Rules, Share, StreamRule, TlsRule},
    unit::Weight,
};
use proptest::{collection::vec, option, prelude::*, sample::select};

use crate::{
    mesh::{account, add_policy, bookstore, configure, get, rule, scope, service_name, split},
    policy::{access, authorizer, egress},
    route::{forward, prefix, route, rule as rule_of, to as to_shares},
    traffic::{client_settings, origination, ruled_store, server_settings},
};

type Services = BTreeMap<ServiceName, Arc<Service>>;

const SERVICES: [&str; 3] = ["a", "b", "c"];
const PODS: [&str; 3] = ["p", "q", "r"];
const ACCOUNTS: [&str; 2] = ["x", "y"];
const PORTS: [u16; 2] = [80, 81];
const TARGETS: [u16; 2] = [8080, 8081];

fn service_ip(number: u8) -> IpAddr {
    [10, 96, 0, number].into()
}

fn pod_ip(number: u8) -> IpAddr {
    [10, 244, 0, number].into()
}

fn protocol() -> impl Strategy<Value = Protocol> {
    select(vec![Protocol::Http, Protocol::Http2, Protocol::Tcp, Protocol::Detect, Protocol::Udp])
}

prop_compose! {
    fn endpoint()(
        ip in 0..3_u8, target in select(&TARGETS), ready: bool, meshed: bool,
        pod in option::of(select(&PODS)), sa in option::of(select(&ACCOUNTS)), zone in select(&["", "a", "b"][..]),
    ) -> Endpoint {
        Endpoint {
            address: (pod_ip(ip), target).into(),
            ready,
            workload: pod.map(|pod| WorkloadName::new("shop", pod)),
            service_account: sa.map(account),
            meshed,
            locality: Locality { region: String::new(), zone: zone.into() },
        }
    }
}

prop_compose! {
    fn service()(
        name in select(&SERVICES), ips in vec(0..3_u8, 0..2), protocols in vec(protocol(), 1..=2),
        endpoints in vec((select(&PORTS), vec(endpoint(), 0..3)), 0..3),
        near: bool,
    ) -> Service {
        let port = |(port, protocol): (&u16, &Protocol)| ServicePort { name: String::new(), port: *port, protocol: *protocol };
        Service {
            name: service_name(name),
            cluster_ips: ips.into_iter().map(service_ip).collect(),
            ports: PORTS.iter().zip(&protocols).map(port).collect(),
            endpoints: endpoints.into_iter().collect(),
            nearness: near.then_some(Nearness::SameZone),
        }
    }
}

prop_compose! {
    fn workload()(
        name in select(&PODS), ips in vec(0..3_u8, 0..2), sa in select(&ACCOUNTS), owner in select(&["o", "u"][..]), meshed: bool,
        zone in select(&["a", "b"][..]),
    ) -> Workload {
        Workload {
            name: WorkloadName::new("shop", name),
            addresses: ips.into_iter().map(pod_ip).collect(),
            service_account: account(sa),
            owner: owner.to_owned(),
            labels: [(locality::ZONE_LABEL.to_owned(), zone.to_owned())].into(),
            meshed,
        }
    }
}

prop_compose! {
    fn access_rule()(
        name in select(&SERVICES), destination in select(&ACCOUNTS), source in select(&ACCOUNTS),
        http in option::of(Just(vec![HttpMatch::default()])), ports in option::of(Just(Ports::All)),
    ) -> Arc<AccessRule> {
        rule(name, destination, &[source], http, ports)
    }
}

prop_compose! {
    fn traffic_split()(
        name in select(&SERVICES), root in select(&SERVICES), backends in vec((select(&SERVICES), 0..3_u32), 0..3), matches: bool,
    ) -> Arc<TrafficSplit> {
        split(name, root, &backends, if matches { vec![get("/x")] } else { vec![] })
    }
}

prop_compose! {
    fn traffic()(
        service in select(&SERVICES), port in option::of(select(&PORTS)), callers in vec(select(&ACCOUNTS), 0..2),
        seconds in 1..3_u64, section in 0..6_u8,
    ) -> (&'static str, Option<u16>, Vec<&'static str>, TrafficSettings) {
        let client = client_settings();
        let settings = match section {
            0 => TrafficSettings {
                timeouts: Some(Timeouts { idle: Some(Duration::from_secs(seconds)), ..Timeouts::default() }),
                ..TrafficSettings::default()
            },
            1 => TrafficSettings { fault: client.fault, retries: client.retries, ..TrafficSettings::default() },
            2 => server_settings(),
            3 => {
                let shown = ClientCertificate::Secret(SecretName::new("shop", "pay"));
                let tls = origination(Roots::System, (seconds == 1).then_some(shown));
                TrafficSettings { tls: Some(tls), ..TrafficSettings::default() }
            }
            4 => TrafficSettings {
                tls: Some(if seconds == 1 { UpstreamTls::Disable } else { UpstreamTls::Mutual }),
                ..TrafficSettings::default()
            },
            _ => {
                let on = vec![HashOn { by: HashBy::SourceIp, last: seconds == 1 }];
                let algorithm = Algorithm::Maglev { table_size: None, on };
                let nearness = (seconds == 2).then_some(Nearness::SameZone);
                let balancer = LoadBalancer { algorithm, slow_start: None, nearness, panic_threshold: None };
                TrafficSettings { load_balancer: Some(balancer), ..TrafficSettings::default() }
            }
        };
        (service, port, callers, settings)
    }
}

prop_compose! {
    fn access_policy()(name in select(&SERVICES), service in select(&SERVICES), port in option::of(select(&PORTS)), kind in 0..7_u8) -> Arc<AccessPolicy> {
        let target = match kind {
            0 => AccessTarget::Namespace("shop".into()),
            _ => AccessTarget::Service(service_name(service), port),
        };
        let asked = authorizer(AuthorizerProtocol::Grpc { headers: Vec::new() }, kind.into());
        let external = AccessAction::External(Box::new(asked));
        let actions = [AccessAction::Deny, AccessAction::Audit, AccessAction::Allow, external];
        let action = actions[usize::from(kind % 4)].clone();
        let dry_run = kind > 2 && action != AccessAction::Audit;
        access(name, action, dry_run, target)
    }
}

prop_compose! {
    fn egress_policy()(name in select(&SERVICES), account in select(&ACCOUNTS), kind in 0..3_u8) -> Arc<EgressPolicy> {
        match kind {
            0 => egress(name, account, EgressProtocol::Http, &["a.example"]),
            1 => egress(name, account, EgressProtocol::Tls, &["a.example"]),
            _ => egress(name, account, EgressProtocol::Tcp, &[]),
        }
    }
}

prop_compose! {
    /// A policy of a route, or of its only rule.
    fn route_policy()(
        of_rule: bool, callers in vec(select(&ACCOUNTS), 0..2), seconds in 1..3_u64, section in 0..6_u8,
    ) -> RoutePolicy {
        let (client, server) = (client_settings(), server_settings());
        let settings = match section {
            0 => TrafficSettings {
                timeouts: Some(Timeouts { idle: Some(Duration::from_secs(seconds)), ..Timeouts::default() }),
                ..TrafficSettings::default()
            },
            1 => TrafficSettings { fault: client.fault, retries: client.retries, ..TrafficSettings::default() },
            2 => TrafficSettings { rate_limit: server.rate_limit, ..TrafficSettings::default() },
            // Callers are among what it counts apart.
            _ => TrafficSettings { global_rate_limit: server.global_rate_limit, ..TrafficSettings::default() },
        };
        RoutePolicy {
            origin: ObjectRef::new("TrafficPolicy", "shop", format!("of-route-{section}")),
            part: of_rule.then(|| "0".to_owned()),
            callers: callers.into_iter().map(account).collect(),
            settings,
        }
    }
}

prop_compose! {
    fn gateway_route()(
        name in select(&SERVICES), namespace in select(&["shop", "front"][..]), service in select(&SERVICES),
        port in select(&PORTS), to in select(&SERVICES), kind in select(&[0, 0, 1, 2][..]), policies in vec(route_policy(), 0..4),
    ) -> Arc<Route> {
        let rules = match kind {
            0 => Rules::Http(vec![rule_of("0", vec![prefix("/x")], forward(to_shares(&[(to, 1)])))]),
            1 => Rules::Tcp(vec![StreamRule { name: "0".into(), shares: vec![share(to)] }]),
            _ => Rules::Tls(TlsRule { hostnames: vec![format!("{to}.example")], rule: StreamRule { name: "0".into(), shares: vec![share(to)] } }),
        };
        let mut route = (*route(namespace, name, service, rules)).clone();
        route.parents[0].port = port;
        route.policies = policies;
        Arc::new(route)
    }
}

fn share(to: &str) -> Share {
    Share { backend: Backend::Service(service_name(to), 80), weight: Weight(1) }
}

fn pair(key: &str) -> (SecretName, Arc<KeyPair>) {
    (SecretName::new("shop", "pay"), Arc::new(KeyPair::new("chain".into(), key.into())))
}

prop_compose! {
    fn mesh()(domain: bool, strict: bool, deny: bool, any: bool, access_log: bool) -> MeshConfig {
        MeshConfig {
            trust_domain: if domain { TrustDomain::default() } else { TrustDomain::new("other").unwrap() },
            mtls: if strict { MtlsMode::Strict } else { MtlsMode::Permissive },
            default_access: if deny { DefaultAccess::Deny } else { DefaultAccess::Allow },
            outbound_policy: if any { OutboundPolicy::AllowAny } else { OutboundPolicy::RegistryOnly },
            access_log,
            ..MeshConfig::default()
        }
    }
}

prop_compose! {
    fn snapshot()(
        mesh in mesh(), services in vec(service(), 0..6), workloads in vec(workload(), 0..6),
        access_rules in vec(access_rule(), 0..4), traffic_splits in vec(traffic_split(), 0..3),
        traffic in vec(traffic(), 0..3), access in vec(access_policy(), 0..3), egress in vec(egress_policy(), 0..3),
        routes in vec(gateway_route(), 0..4), key in option::of(select(&["a", "b"][..])),
    ) -> Snapshot {
        let mut snapshot = Snapshot {
            version: 1,
            mesh: Arc::new(mesh),
            services: services.into_iter().map(|service| (service.name.clone(), Arc::new(service))).collect(),
            workloads: workloads.into_iter().map(|workload| (workload.name.clone(), Arc::new(workload))).collect(),
            access_rules,
            traffic_splits,
            access_policies: access,
            egress_policies: egress,
            routes,
            client_certificates: key.map(pair).into_iter().collect(),
            ..Snapshot::default()
        };
        for (service, port, callers, settings) in traffic {
            add_policy(&mut snapshot, service, port, &callers, settings);
        }
        snapshot
    }
}

/// What becomes of a service from one version to the next.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Stays,
    IsReplaced,
    GetsOtherEndpoints,
}

/// The services of the next version.
fn next_services(old: &Snapshot, new: &Snapshot, fates: &[Fate]) -> Services {
    let mut services = Services::new();
    for (name, fate) in SERVICES.iter().map(|name| service_name(name)).zip(fates) {
        let (was, is) = (old.services.get(&name), new.services.get(&name));
        let next = match fate {
            Fate::Stays => was.cloned(),
            Fate::IsReplaced => is.cloned(),
            Fate::GetsOtherEndpoints => was.map(|was| {
                let endpoints = is.map_or_else(Default::default, |is| is.endpoints.clone());
                Arc::new(Service { endpoints, ..(**was).clone() })
            }),
        };
        services.extend(next.map(|service| (name, service)));
    }
    services
}

/// Two versions of which the second takes over most parts of the first.
fn versions() -> impl Strategy<Value = (Snapshot, Snapshot)> {
    let fate = select(vec![Fate::Stays, Fate::Stays, Fate::IsReplaced, Fate::GetsOtherEndpoints]);
    let keep = prop::array::uniform8(prop::bool::weighted(0.8));
    let domain = prop::bool::weighted(0.5);
    (snapshot(), snapshot(), keep, domain, prop::array::uniform3(fate)).prop_map(
        |(old, mut new, keep, domain, fates)| {
            new.services = next_services(&old, &new, &fates);
            if keep[0] {
                let trust_domain = if domain { &new } else { &old }.mesh.trust_domain.clone();
                new.mesh = Arc::new(MeshConfig { trust_domain, ..(*old.mesh).clone() });
            }
            if keep[1] {
                new.workloads = old.workloads.clone();
            }
            if keep[2] {
                new.access_rules = old.access_rules.clone();
            }
            if keep[3] {
                new.traffic_splits = old.traffic_splits.clone();
            }
            if keep[4] {
                new.traffic_policies = old.traffic_policies.clone();
            }
            if keep[5] {
                new.access_policies = old.access_policies.clone();
            }
            if keep[6] {
                new.egress_policies = old.egress_policies.clone();
            }
            if keep[7] {
                new.routes = old.routes.clone();
            }
            (old, new)
        },
    )
}

/// Everything that anybody could ask for in these meshes.
fn askable() -> Vec<(Kind, String)> {
    let mut all = vec![
        (Kind::Listener, "inbound".to_owned()),
        (Kind::Listener, "outbound".to_owned()),
        (Kind::Cluster, "inbound".to_owned()),
        (Kind::Cluster, "passthrough".to_owned()),
        (Kind::Secret, "client-certificate/shop/pay".to_owned()),
    ];
    all.extend(SERVICES.map(|name| (Kind::Cluster, format!("egress/shop/{name}"))));
    for ip in (0..3).map(service_ip) {
        all.extend(PORTS.map(|port| (Kind::Listener, format!("outbound/{ip}:{port}"))));
    }
    for ip in (0..3).map(pod_ip) {
        for target in TARGETS {
            all.push((Kind::Listener, format!("outbound/{ip}:{target}")));
            all.push((Kind::Cluster, format!("direct/{ip}:{target}")));
        }
    }
    for service in SERVICES {
        for port in PORTS {
            for kind in [Kind::Route, Kind::Cluster, Kind::Endpoint] {
                all.push((kind, format!("outbound/shop/{service}:{port}")));
            }
            all.push((Kind::Listener, format!("{service}.shop:{port}")));
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn nothing_outside_the_affected_set_changes((old, new) in versions()) {
        let change = affected(&old, &new);
        for (namespace, pod) in PODS.map(|pod| ("shop", pod)).into_iter().chain([("front", "p")]) {
            for client in [Client::Leno, Client::Envoy, Client::Grpc] {
                let scope = Scope { workload: WorkloadName::new(namespace, pod), client };
                for (kind, name) in askable() {
                    let same = resource(&old, &scope, kind, &name) == resource(&new, &scope, kind, &name);
                    prop_assert!(same || change.touches(&scope, kind, &name), "{kind:?} {name} for {scope:?}");
                    prop_assert!(same || !change.is_empty());
                }
                for kind in Kind::ALL {
                    let same = names(&old, &scope, kind) == names(&new, &scope, kind);
                    prop_assert!(same || change.touches_names(), "names of {kind:?}");
                }
            }
        }
    }

    #[test]
    fn equal_meshes_give_equal_bytes_and_affect_nothing(mesh in snapshot()) {
        let again = Snapshot { services: mesh.services.iter().map(|(k, v)| (k.clone(), Arc::new((**v).clone()))).collect(), ..mesh.clone() };
        prop_assert!(affected(&mesh, &again).is_empty());
        for (kind, name) in askable() {
            prop_assert_eq!(resource(&mesh, &scope("p"), kind, &name), resource(&again, &scope("p"), kind, &name));
        }
    }
}

/// What of the askable a change touches in the bookstore.
fn touched(change: &Affected, pod: &str) -> Vec<String> {
    let mut touched = Vec::new();
    for service in ["store", "store-v1", "store-v2", "warehouse"] {
        for kind in [Kind::Route, Kind::Cluster, Kind::Endpoint] {
            let name = format!("outbound/shop/{service}:80");
            if change.touches(&scope(pod), kind, &name) {
                touched.push(format!("{kind:?} {service}"));
            }
        }
    }
    for name in ["inbound", "outbound", "outbound/10.96.0.10:80", "outbound/10.96.0.11:80", "outbound/10.244.0.3:8080"]
    {
        if change.touches(&scope(pod), Kind::Listener, name) {
            touched.push(name.to_owned());
        }
    }
    touched
}

#[test]
fn a_pod_that_gets_ready_touches_endpoints_alone() {
    let old = bookstore();
    let mut new = old.clone();
    let store = new.services.get_mut(&service_name("store-v1")).unwrap();
    Arc::make_mut(store).endpoints.get_mut(&80).unwrap()[0].ready = false;
    assert_eq!(touched(&affected(&old, &new), "store-v1-1"), ["Endpoint store-v1"]);
}

#[test]
fn another_weight_touches_the_roots_routes() {
    let old = bookstore();
    let mut new = old.clone();
    new.traffic_splits = vec![split("canary", "store", &[("store-v1", 0), ("store-v2", 100)], vec![])];
    // The listener too: on a port of bytes it holds the shares.
    assert_eq!(touched(&affected(&old, &new), "buyer-1"), ["Route store", "outbound/10.96.0.10:80"]);
}

#[test]
fn another_route_touches_its_parents_routes_and_listeners() {
    let old = bookstore();
    let mut new = old.clone();
    let rules = Rules::Http(vec![rule_of("0", vec![prefix("/x")], forward(to_shares(&[("store-v2", 1)])))]);
    new.routes = vec![route("front", "r", "store", rules)];
    assert_eq!(touched(&affected(&old, &new), "buyer-1"), ["Route store", "outbound/10.96.0.10:80"]);
}

#[test]
fn another_rule_touches_the_protected_workload_alone() {
    let old = bookstore();
    let mut new = old.clone();
    new.access_rules.push(rule("thief", "store-v1", &["thief"], Some(vec![get("/books")]), None));
    let change = affected(&old, &new);
    assert_eq!(touched(&change, "store-v1-1"), ["inbound"]);
    assert!(touched(&change, "store-v2-1").is_empty());
    assert!(!change.touches_names());
}

#[test]
fn the_access_default_touches_inbound_listeners_alone() {
    let old = bookstore();
    let mut new = old.clone();
    configure(&mut new, |mesh| mesh.default_access = DefaultAccess::Allow);
    assert_eq!(touched(&affected(&old, &new), "buyer-1"), ["inbound"]);
}

#[test]
fn another_trust_domain_touches_routes_that_count_callers() {
    let old = ruled_store();
    let mut new = old.clone();
    configure(&mut new, |mesh| mesh.trust_domain = TrustDomain::new("other").unwrap());
    let routes = |snapshot: &Snapshot| resource(snapshot, &scope("buyer-1"), Kind::Route, "outbound/shop/store:80");
    assert_ne!(routes(&old), routes(&new));
    assert!(affected(&old, &new).touches(&scope("buyer-1"), Kind::Route, "outbound/shop/store:80"));
}

#[test]
fn everything_is_everything() {
    assert_eq!(touched(&Affected::everything(), "buyer-1").len(), 17);
    assert!(Affected::everything().touches(&scope("buyer-1"), Kind::Secret, "trust-bundle"));
    assert!(!Affected::everything().is_empty());
}
