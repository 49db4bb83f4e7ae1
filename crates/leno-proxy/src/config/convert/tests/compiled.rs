//! What the control plane's compiler really emits is taken, and means here what it meant there.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use leno_compiler::{Client, Kind, Scope, resource};
use leno_engine::{
    authorization::{Subject, Verdict},
    filter::{FilterConfig, HttpFilter},
    request::SimpleRequest,
    route::{Action, Clusters},
};
use leno_model::{
    Endpoint, MeshConfig, ObjectRef, Protocol, Service, ServiceAccountName, ServiceName, ServicePort, Snapshot,
    Workload, WorkloadName,
    mesh::{DefaultAccess, MtlsMode, OutboundPolicy},
    policy::{AccessRule, HttpMatch, TrafficSplit, authorization::Ports, traffic_split::Backend},
    unit::Weight,
};
use leno_proto::{any, google::protobuf::Any};

use super::super::{
    super::{
        Cluster, ClusterKind, DownstreamTls, HttpConnectionManager, Listener, Met, Registry, RouteSource, Routes,
        Security, Terminal, TransportProtocol, source::SourceId,
    },
    cluster, endpoints, listener, routes,
};

/// Pods `NAME-1`, one for each service; the last is not in the mesh.
const PODS: [(&str, &str); 4] =
    [("buyer", "10.244.0.2"), ("store", "10.244.0.3"), ("ledger", "10.244.0.4"), ("old", "10.244.0.5")];

/// Service addresses; each leads from port 80 to 8080 of one pod.
const SERVICES: [(&str, &str, Protocol); 4] = [
    ("store", "10.96.0.1", Protocol::Http),
    ("ledger", "10.96.0.2", Protocol::Tcp),
    ("old", "10.96.0.3", Protocol::Detect),
    ("buyer", "10.96.0.4", Protocol::Http2),
];

pub(super) fn account(name: &str) -> ServiceAccountName {
    ServiceAccountName::new("shop", name)
}

fn get(path: &str) -> HttpMatch {
    let headers = vec![("user-agent".to_owned(), ".*".to_owned())];
    HttpMatch { name: "m".into(), path_regex: Some(path.into()), methods: vec!["GET".into(), "HEAD".into()], headers }
}

pub(super) fn mesh(change: impl FnOnce(&mut MeshConfig)) -> Snapshot {
    let mut snapshot = Snapshot::default();
    change(Arc::make_mut(&mut snapshot.mesh));
    for (name, ip) in PODS {
        let workload = Workload {
            name: WorkloadName::new("shop", format!("{name}-1")),
            addresses: vec![ip.parse().unwrap()],
            service_account: account(name),
            owner: name.into(),
            labels: BTreeMap::new(),
            meshed: name != "old",
        };
        snapshot.workloads.insert(workload.name.clone(), Arc::new(workload));
    }
    for (name, ip, protocol) in SERVICES {
        let pod = &snapshot.workloads[&WorkloadName::new("shop", format!("{name}-1"))];
        let endpoint = Endpoint {
            address: (pod.addresses[0], 8080).into(),
            ready: true,
            workload: Some(pod.name.clone()),
            service_account: Some(pod.service_account.clone()),
            meshed: pod.meshed,
            locality: pod.locality(),
        };
        let service = Service {
            name: ServiceName::new("shop", name),
            cluster_ips: vec![ip.parse().unwrap()],
            ports: vec![ServicePort { name: String::new(), port: 80, protocol }],
            nearness: None,
            endpoints: [(80, vec![endpoint])].into(),
        };
        snapshot.services.insert(service.name.clone(), Arc::new(service));
    }
    let rule = |name: &str, destination: &str, http, ports| {
        let origin = ObjectRef::new("TrafficTarget", "shop", name);
        Arc::new(AccessRule { origin, destination: account(destination), sources: vec![account("buyer")], http, ports })
    };
    snapshot.access_rules = vec![
        rule(
            "books",
            "store",
            Some(vec![get("/books"), HttpMatch { methods: vec!["PUT".into()], ..get("/buy/.*") }]),
            None,
        ),
        rule("some", "ledger", None, Some(Ports::Only(vec![8080]))),
        rule("all", "old", Some(vec![HttpMatch::default()]), Some(Ports::All)),
    ];
    let backend = |name: &str, weight| Backend { service: ServiceName::new("shop", name), weight: Weight(weight) };
    let split = |name: &str, root: &str, matches, backends| {
        let origin = ObjectRef::new("TrafficSplit", "shop", name);
        Arc::new(TrafficSplit { origin, root: ServiceName::new("shop", root), backends, matches })
    };
    snapshot.traffic_splits = vec![
        split("canary", "store", vec![], vec![backend("store", 90), backend("buyer", 10)]),
        split("bytes", "ledger", vec![], vec![backend("ledger", 1), backend("old", 2)]),
        split("nowhere", "old", vec![get("/no")], vec![backend("store", 0)]),
    ];
    snapshot
}

fn compile(snapshot: &Snapshot, pod: &str, kind: Kind, name: &str) -> Option<Any> {
    resource(snapshot, &Scope { workload: WorkloadName::new("shop", pod), client: Client::Leno }, kind, name)
}

pub(super) fn listener_of(snapshot: &Snapshot, pod: &str, name: &str) -> Listener {
    let packed = compile(snapshot, pod, Kind::Listener, name).expect(name);
    listener(&any::unpack(&packed).unwrap(), &mut Registry::default()).expect(name)
}

fn routes_named(snapshot: &Snapshot, name: &str) -> Routes {
    let packed = compile(snapshot, "buyer-1", Kind::Route, name).expect(name);
    routes(&any::unpack(&packed).unwrap(), &mut Registry::default()).expect(name)
}

fn cluster_named(snapshot: &Snapshot, name: &str) -> Cluster {
    let packed = compile(snapshot, "buyer-1", Kind::Cluster, name).expect(name);
    cluster(&any::unpack(&packed).unwrap(), &mut Registry::default()).expect(name)
}

pub(super) fn http(terminal: &Terminal) -> &HttpConnectionManager {
    let Terminal::Http(manager) = terminal else { panic!("{terminal:?}") };
    manager
}

fn clusters_of(table: &Routes, request: &SimpleRequest) -> Option<Clusters> {
    match &table.table.select(request, 0)?.1.action {
        Action::Forward(forward) => Some(forward.clusters.clone()),
        Action::Redirect(_) | Action::DirectResponse(_) => None,
    }
}

/// A connection to this port.
pub(super) fn met<'a>(port: u16, transport: TransportProtocol, protocols: &'a [&'a str]) -> Met<'a> {
    let address = |port| SocketAddr::from(([10, 0, 0, 1], port));
    let source = address(1);
    Met { destination: address(port), source, direct_source: source, transport, server_name: "", protocols }
}

#[test]
fn everything_is_taken_in_every_mode() {
    for (mtls, access, policy, log) in [
        (MtlsMode::Strict, DefaultAccess::Deny, OutboundPolicy::AllowAny, true),
        (MtlsMode::Strict, DefaultAccess::Allow, OutboundPolicy::RegistryOnly, false),
        (MtlsMode::Permissive, DefaultAccess::Deny, OutboundPolicy::RegistryOnly, true),
        (MtlsMode::Permissive, DefaultAccess::Allow, OutboundPolicy::AllowAny, false),
    ] {
        let snapshot = mesh(|mesh| {
            mesh.mtls = mtls;
            mesh.default_access = access;
            mesh.outbound_policy = policy;
            mesh.access_log = log;
        });
        for (pod, ip) in PODS {
            listener_of(&snapshot, &format!("{pod}-1"), "inbound");
            listener_of(&snapshot, "buyer-1", "outbound");
            listener_of(&snapshot, "buyer-1", &format!("outbound/{ip}:8080"));
            cluster_named(&snapshot, &format!("direct/{ip}:8080"));
        }
        for name in ["inbound", "passthrough", "blackhole"] {
            cluster_named(&snapshot, name);
        }
        for (service, ip, protocol) in SERVICES {
            listener_of(&snapshot, "buyer-1", &format!("outbound/{ip}:80"));
            let name = format!("outbound/shop/{service}:80");
            cluster_named(&snapshot, &name);
            if protocol != Protocol::Tcp {
                routes_named(&snapshot, &name);
            }
            let packed = compile(&snapshot, "buyer-1", Kind::Endpoint, &name).expect(&name);
            let set = endpoints(&any::unpack(&packed).unwrap(), None).expect(&name);
            assert_eq!(set.endpoints.len(), 1, "{name}");
        }
    }
}

#[test]
fn requests_are_shared_out_as_the_split_says() {
    let table = routes_named(&mesh(|_| ()), "outbound/shop/store:80");
    let Some(Clusters::Weighted(shares)) = clusters_of(&table, &SimpleRequest::new("GET", "/", "store")) else {
        panic!("{table:?}")
    };
    let shares: Vec<_> = shares.iter().map(|share| (&*share.cluster, share.weight)).collect();
    assert_eq!(shares, [("outbound/shop/store:80", 90), ("outbound/shop/buyer:80", 10)]);
    assert_eq!(table.clusters.len(), 2, "a handle for each cluster that is named");
    let table = routes_named(&mesh(|_| ()), "outbound/shop/old:80");
    let fits = SimpleRequest::new("HEAD", "/no", "old").with("user-agent", "curl");
    assert_eq!(clusters_of(&table, &fits), None, "answered here");
    for rest in [SimpleRequest::new("POST", "/no", "old"), SimpleRequest::new("GET", "/other", "old")] {
        assert_eq!(clusters_of(&table, &rest), Some(Clusters::One("outbound/shop/old:80".into())));
    }
}

#[test]
fn bytes_are_shared_out_too() {
    let listener = listener_of(&mesh(|_| ()), "buyer-1", "outbound/10.96.0.2:80");
    let chain = listener.choose(&met(80, TransportProtocol::Raw, &[])).unwrap();
    let Terminal::Tcp(proxy) = &chain.terminal else { panic!("{chain:?}") };
    let shares: Vec<_> = proxy.clusters.iter().map(|share| (&**share.cluster.name(), share.weight)).collect();
    assert_eq!(shares, [("outbound/shop/ledger:80", 1), ("outbound/shop/old:80", 2)]);
}

#[test]
fn routes_are_asked_for_by_name() {
    let snapshot = mesh(|_| ());
    let mut registry = Registry::default();
    let packed = compile(&snapshot, "buyer-1", Kind::Listener, "outbound/10.96.0.1:80").unwrap();
    let listener = listener(&any::unpack(&packed).unwrap(), &mut registry).unwrap();
    let chain = listener.choose(&met(80, TransportProtocol::Raw, &[])).unwrap();
    let RouteSource::Named(slot) = &http(&chain.terminal).routes else { panic!("{chain:?}") };
    assert_eq!(&**slot.name(), "outbound/shop/store:80");
    assert!(registry.find_routes(SourceId::COMMON, "outbound/shop/store:80").is_some());
    assert_eq!(http(&chain.terminal).upgrades, ["websocket".into(), "connect".into()]);
    assert!(http(&chain.terminal).access_log);
}

#[test]
fn a_port_whose_protocol_is_found_out_has_two_chains() {
    let listener = listener_of(&mesh(|_| ()), "buyer-1", "outbound/10.96.0.3:80");
    assert!(listener.inspect.http && listener.inspect.continue_on_timeout);
    let of = |protocols: &[&str]| &listener.choose(&met(80, TransportProtocol::Raw, protocols)).unwrap().terminal;
    assert!(matches!(of(&["http/1.1"]), Terminal::Http(_)));
    assert!(matches!(of(&["h2c"]), Terminal::Http(_)));
    assert!(matches!(of(&[]), Terminal::Tcp(_)));
}

#[test]
fn access_rules_decide_on_requests() {
    let inbound = listener_of(&mesh(|_| ()), "store-1", "inbound");
    assert!(inbound.inspect.tls && !inbound.inspect.continue_on_timeout);
    let chain = inbound.choose(&met(8080, TransportProtocol::Tls, &["leno-h2"])).unwrap();
    assert!(matches!(chain.tls.as_deref(), Some(DownstreamTls::Mesh(tls)) if tls.alpn.len() == 3));
    let [HttpFilter { config: FilterConfig::AccessControl(control), .. }] = &http(&chain.terminal).filters[..] else {
        panic!("access rules and nothing else")
    };
    let rbac = control.rules.as_ref().unwrap();
    let (buyer, thief) = ("spiffe://cluster.local/ns/shop/sa/buyer", "spiffe://cluster.local/ns/shop/sa/thief");
    let by = Verdict::Allowed(Some("TrafficTarget shop/books"));
    let no = Verdict::Denied(None);
    for (who, method, path, expected) in [
        (Some(buyer), "GET", "/books?page=2", by),
        (Some(buyer), "HEAD", "/books", by),
        (Some(buyer), "PUT", "/buy/1", by),
        (Some(buyer), "GET", "/buy/1", no),
        (Some(buyer), "GET", "/books/1", no),
        (Some(buyer), "DELETE", "/books", no),
        (Some(thief), "GET", "/books", no),
        (None, "GET", "/books", no),
    ] {
        let request = SimpleRequest::new(method, path, "store").with("user-agent", "x");
        let names: Vec<Box<str>> = who.into_iter().map(Into::into).collect();
        assert_eq!(rbac.check(&subject(&names, 8080), &request), expected, "{who:?} {method} {path}");
    }
    // Nobody sends bytes to a port of HTTP, and nothing comes in plaintext.
    assert!(inbound.choose(&met(8080, TransportProtocol::Tls, &["leno-tcp"])).is_none());
    assert!(inbound.choose(&met(8080, TransportProtocol::Raw, &["http/1.1"])).is_none());
}

#[test]
fn access_rules_decide_on_connections() {
    let inbound = listener_of(&mesh(|_| ()), "ledger-1", "inbound");
    let chain = inbound.choose(&met(8080, TransportProtocol::Tls, &["leno-tcp"])).unwrap();
    let rbac = super::sample::access(chain);
    let buyer = &["spiffe://cluster.local/ns/shop/sa/buyer".into()];
    let store = &["spiffe://cluster.local/ns/shop/sa/store".into()];
    assert!(rbac.check_connection(&subject(buyer, 8080)).is_allowed());
    assert!(!rbac.check_connection(&subject(buyer, 8081)).is_allowed());
    assert!(!rbac.check_connection(&subject(store, 8080)).is_allowed());
    assert!(!rbac.check_connection(&subject(&[], 8080)).is_allowed());
}

#[test]
fn without_rules_in_force_there_are_none() {
    let open = mesh(|mesh| {
        mesh.default_access = DefaultAccess::Allow;
        mesh.mtls = MtlsMode::Permissive;
    });
    let inbound = listener_of(&open, "store-1", "inbound");
    for transport in [TransportProtocol::Tls, TransportProtocol::Raw] {
        let protocols = if transport == TransportProtocol::Tls { ["leno-h2"] } else { ["h2c"] };
        let chain = inbound.choose(&met(8080, transport, &protocols)).unwrap();
        assert!(http(&chain.terminal).filters.is_empty() && chain.guards.is_empty());
        assert_eq!(chain.tls.is_some(), transport == TransportProtocol::Tls);
    }
}

#[test]
fn meshed_endpoints_are_reached_by_mesh_tls_and_others_in_plaintext() {
    let snapshot = mesh(|_| ());
    for (service, meshed) in [("store", true), ("old", false)] {
        let name = format!("outbound/shop/{service}:80");
        let cluster = cluster_named(&snapshot, &name);
        assert!(matches!(&cluster.kind, ClusterKind::Eds(slot) if **slot.name() == *name));
        assert_eq!(&*cluster.service, format!("shop/{service}"));
        let packed = compile(&snapshot, "buyer-1", Kind::Endpoint, &name).unwrap();
        let set = endpoints(&any::unpack(&packed).unwrap(), None).unwrap();
        let endpoint = &set.endpoints[0];
        assert_eq!((&*endpoint.workload.workload, &*endpoint.workload.namespace), (service, "shop"));
        match &cluster.transport(endpoint).security {
            Security::MeshTls(tls) => {
                assert!(meshed, "{name}");
                let ids: Vec<_> = tls.identities.iter().map(ToString::to_string).collect();
                assert_eq!(ids, [format!("spiffe://cluster.local/ns/shop/sa/{service}")]);
            }
            Security::Plain | Security::Tls(_) | Security::Named(_) => assert!(!meshed, "{name}"),
        }
    }
    for name in ["inbound", "passthrough"] {
        assert!(matches!(cluster_named(&snapshot, name).kind, ClusterKind::OriginalDst(_)));
    }
}

#[test]
fn unknown_destinations_follow_the_policy() {
    let any = listener_of(&mesh(|_| ()), "buyer-1", "outbound");
    assert!(any.choose(&met(1, TransportProtocol::Raw, &[])).is_some());
    let only = mesh(|mesh| mesh.outbound_policy = OutboundPolicy::RegistryOnly);
    assert!(listener_of(&only, "buyer-1", "outbound").choose(&met(1, TransportProtocol::Raw, &[])).is_none());
}

pub(super) fn subject(names: &[Box<str>], port: u16) -> Subject<'_> {
    let source = SocketAddr::from(([10, 244, 0, 2], 4000));
    Subject {
        secure: !names.is_empty(),
        names,
        direct: source,
        source,
        remote: source,
        destination: SocketAddr::from(([10, 244, 0, 3], port)),
        server_name: "",
        metadata: None,
    }
}
