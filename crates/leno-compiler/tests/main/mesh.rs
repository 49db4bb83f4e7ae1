//! Small meshes, written shortly.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use leno_compiler::{Client, Scope};
use leno_model::{
    Endpoint, MeshConfig, ObjectRef, Protocol, Service, ServiceAccountName, ServiceName, ServicePort, Snapshot,
    Workload, WorkloadName,
    policy::{
        AccessRule, HttpMatch, TrafficPolicy, TrafficSettings, TrafficSplit, authorization::Ports,
        traffic_split::Backend,
    },
    unit::Weight,
};

pub(crate) fn service_name(name: &str) -> ServiceName {
    ServiceName::new("shop", name)
}

pub(crate) fn account(name: &str) -> ServiceAccountName {
    ServiceAccountName::new("shop", name)
}

/// For Leno's proxy beside this pod.
pub(crate) fn scope(pod: &str) -> Scope {
    Scope { workload: WorkloadName::new("shop", pod), client: Client::Leno }
}

/// A meshed pod `NAME-1` of the service account and Deployment `NAME`.
pub(crate) fn add_workload(snapshot: &mut Snapshot, name: &str, ip: &str) {
    let workload = Workload {
        name: WorkloadName::new("shop", format!("{name}-1")),
        addresses: vec![ip.parse().unwrap()],
        service_account: account(name),
        owner: name.to_owned(),
        labels: BTreeMap::new(),
        meshed: true,
    };
    snapshot.workloads.insert(workload.name.clone(), Arc::new(workload));
}

/// A service whose ports (number, target, protocol) lead to the pods of the named workloads.
pub(crate) fn add_service(
    snapshot: &mut Snapshot,
    name: &str,
    ip: &str,
    ports: &[(u16, u16, Protocol)],
    behind: &[&str],
) {
    let endpoint = |target: u16, workload: &&str| {
        let pod = &snapshot.workloads[&WorkloadName::new("shop", format!("{workload}-1"))];
        Endpoint {
            address: (pod.addresses[0], target).into(),
            ready: true,
            workload: Some(pod.name.clone()),
            service_account: Some(pod.service_account.clone()),
            meshed: pod.meshed,
            locality: pod.locality(),
        }
    };
    let endpoints = ports
        .iter()
        .map(|(number, target, _)| (*number, behind.iter().map(|workload| endpoint(*target, workload)).collect()))
        .collect();
    let port = |(port, _, protocol): &(u16, u16, Protocol)| ServicePort {
        name: String::new(),
        port: *port,
        protocol: *protocol,
    };
    let service = Service {
        name: service_name(name),
        cluster_ips: ip.parse::<IpAddr>().into_iter().collect(),
        ports: ports.iter().map(port).collect(),
        endpoints,
        nearness: None,
    };
    snapshot.services.insert(service.name.clone(), Arc::new(service));
}

pub(crate) fn configure(snapshot: &mut Snapshot, change: impl FnOnce(&mut MeshConfig)) {
    change(Arc::make_mut(&mut snapshot.mesh));
}

pub(crate) fn get(path: &str) -> HttpMatch {
    HttpMatch { name: "entry".into(), path_regex: Some(path.to_owned()), methods: vec!["GET".into()], headers: vec![] }
}

pub(crate) fn rule(
    name: &str,
    destination: &str,
    sources: &[&str],
    http: Option<Vec<HttpMatch>>,
    ports: Option<Ports>,
) -> Arc<AccessRule> {
    Arc::new(AccessRule {
        origin: ObjectRef::new("TrafficTarget", "shop", name),
        destination: account(destination),
        sources: sources.iter().map(|name| account(name)).collect(),
        http,
        ports,
    })
}

pub(crate) fn split(name: &str, root: &str, backends: &[(&str, u32)], matches: Vec<HttpMatch>) -> Arc<TrafficSplit> {
    let backend = |(name, weight): &(&str, u32)| Backend { service: service_name(name), weight: Weight(*weight) };
    Arc::new(TrafficSplit {
        origin: ObjectRef::new("TrafficSplit", "shop", name),
        root: service_name(root),
        backends: backends.iter().map(backend).collect(),
        matches,
    })
}

/// Says something of the traffic to a service, before all that was said.
pub(crate) fn add_policy(
    snapshot: &mut Snapshot,
    service: &str,
    port: Option<u16>,
    callers: &[&str],
    settings: TrafficSettings,
) {
    let policies = Arc::make_mut(snapshot.traffic_policies.entry(service_name(service)).or_default());
    let origin = ObjectRef::new("TrafficPolicy", "shop", format!("{service}-{}", policies.len()));
    let callers = callers.iter().map(|name| account(name)).collect();
    policies.insert(0, TrafficPolicy { origin, part: port, callers, settings });
}

/// The bookstore: buyer and thief call the store, of which there are two versions, which call the warehouse, which
/// has a ledger.
pub(crate) fn bookstore() -> Snapshot {
    let mut snapshot = Snapshot::default();
    for (name, ip) in [
        ("buyer", "10.244.0.2"),
        ("store-v1", "10.244.0.3"),
        ("store-v2", "10.244.0.4"),
        ("warehouse", "10.244.0.5"),
        ("ledger", "10.244.0.6"),
    ] {
        add_workload(&mut snapshot, name, ip);
    }
    let http = [(80, 8080, Protocol::Http)];
    for (name, ip, behind) in [
        ("store", "10.96.0.10", &["store-v1", "store-v2"][..]),
        ("store-v1", "10.96.0.11", &["store-v1"]),
        ("store-v2", "10.96.0.12", &["store-v2"]),
    ] {
        add_service(&mut snapshot, name, ip, &http, behind);
    }
    let detect = [(80, 8080, Protocol::Detect)];
    add_service(&mut snapshot, "warehouse", "10.96.0.13", &detect, &["warehouse"]);
    let tcp = [(7000, 7000, Protocol::Tcp)];
    add_service(&mut snapshot, "ledger", "10.96.0.14", &tcp, &["ledger"]);
    demands(&mut snapshot);
    snapshot
}

/// The bookstore's policies.
fn demands(snapshot: &mut Snapshot) {
    let (books, any) = (vec![get("/books"), get("/buy/.*")], vec![HttpMatch::default()]);
    let stores = ["store-v1", "store-v2"];
    let ledger = Ports::Only(vec![7000]);
    snapshot.access_rules = vec![
        rule("buyer-store", "store-v1", &["buyer"], Some(books), None),
        rule("store-warehouse", "warehouse", &stores, Some(any), None),
        rule("warehouse-ledger", "ledger", &["warehouse"], None, Some(ledger)),
    ];
    let shares = [("store-v1", 90), ("store-v2", 10)];
    snapshot.traffic_splits = vec![split("canary", "store", &shares, vec![])];
}
