//! Which resources a change of the mesh can have changed.
//!
//! A change costs work only for what depends on it: the server asks [`Affected::touches`] for each resource that
//! somebody is subscribed to and compiles only those. The answer may be a needless yes and is never a wrong no (a
//! property test compares it with compiling everything).
//!
//! | resource | depends on |
//! |---|---|
//! | Listener `inbound` | mesh settings, the workload, the services that lead to its ports, the rules for its service account, the policies that protect it |
//! | Listener `outbound`, Cluster `egress/…` | mesh settings, egress policies |
//! | Listener `outbound/IP:PORT` | mesh settings, the ports of the service with that address, its routes and the splits of which it is the root, or the workload with that address and the services that lead to its ports |
//! | Listener of a gRPC target | the service's ports and its routes |
//! | RouteConfiguration | trust domain, the service's ports, its routes, the splits of which it is the root, the ports of their backends, the traffic policies of them all |
//! | Cluster `outbound/…` | trust domain, the service's ports, the identities behind it, its traffic policies |
//! | Cluster `direct/…` | trust domain, the workload with that address, the services that lead to its ports, their traffic policies |
//! | listeners | besides: the traffic policies of the services they name |
//! | Secret `client-certificate/…` | its pair, and the traffic policies that name it |
//! | ClusterLoadAssignment | the service, the owners of the workloads behind it, its traffic policies, where the client runs |

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    hash::Hash,
    net::IpAddr,
    sync::Arc,
};

use leno_model::{
    MeshConfig, Protocol, Route, SecretName, Service, ServiceName, Snapshot, Workload, WorkloadName, resource_name,
};

use crate::{Kind, Scope, access::selects, cluster::identities, compile::grpc_target};

/// Which resources a change of the mesh can have changed.
#[derive(Clone, Debug, Default)]
pub struct Affected {
    /// Everything: there was nothing before.
    all: bool,
    mesh: MeshChange,
    /// Workloads whose inbound listener can have changed.
    inbound: HashSet<WorkloadName>,
    /// Addresses (of services and workloads) whose meaning can have changed.
    addresses: HashSet<IpAddr>,
    /// Addresses of workloads that changed themselves.
    workload_addresses: HashSet<IpAddr>,
    /// Services that came, went, or changed their ports or addresses.
    ports: HashSet<ServiceName>,
    /// Services of whose traffic something else is said.
    traffic: HashSet<ServiceName>,
    /// Workloads that are somebody else now, or elsewhere, or were not there: policies for some callers may be for them.
    callers: HashSet<WorkloadName>,
    /// Whether what may be reached outside can have changed.
    egress: bool,
    /// Services whose routes can have changed.
    routes: HashSet<ServiceName>,
    /// Services whose clusters can have changed.
    clusters: HashSet<ServiceName>,
    /// Services whose endpoints can have changed.
    endpoints: HashSet<ServiceName>,
    /// Secrets whose pairs can have changed, or those who may have them.
    secrets: HashSet<SecretName>,
}

/// Which mesh settings changed that resources depend on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct MeshChange {
    /// Those that inbound listeners depend on.
    inbound: bool,
    outbound_policy: bool,
    access_log: bool,
    trust_domain: bool,
}

impl MeshChange {
    fn between(old: &MeshConfig, new: &MeshConfig) -> Self {
        let trust_domain = old.trust_domain != new.trust_domain;
        let access_log = old.access_log != new.access_log;
        Self {
            inbound: trust_domain
                || access_log
                || old.mtls != new.mtls
                || old.default_access != new.default_access
                || old.max_request_bytes != new.max_request_bytes,
            outbound_policy: old.outbound_policy != new.outbound_policy,
            access_log,
            trust_domain,
        }
    }
}

impl Affected {
    /// Everything: for a server that has compiled nothing yet.
    #[must_use]
    pub fn everything() -> Self {
        Self { all: true, ..Self::default() }
    }

    /// Whether the resource of this kind and name can have changed for this client.
    #[must_use]
    pub fn touches(&self, scope: &Scope, kind: Kind, name: &str) -> bool {
        if self.all {
            return true;
        }
        let service = || resource_name::parse_service_port(name).map(|(service, _)| service);
        let among = |set: &HashSet<ServiceName>| service().is_some_and(|service| set.contains(&service));
        match kind {
            // The certificate authority says when roots change.
            Kind::Secret => resource_name::parse_client_certificate(name).is_some_and(|it| self.secrets.contains(&it)),
            Kind::Listener => self.touches_listener(scope, name),
            Kind::Route => self.mesh.trust_domain || self.callers.contains(&scope.workload) || among(&self.routes),
            Kind::Endpoint => self.callers.contains(&scope.workload) || among(&self.endpoints),
            Kind::Cluster if self.callers.contains(&scope.workload) => true,
            Kind::Cluster if resource_name::parse_egress(name).is_some() => self.egress,
            Kind::Cluster => match resource_name::parse_direct(name) {
                Some(address) => self.mesh.trust_domain || self.workload_addresses.contains(&address.ip()),
                None => service().is_some_and(|service| self.mesh.trust_domain || self.clusters.contains(&service)),
            },
        }
    }

    fn touches_listener(&self, scope: &Scope, name: &str) -> bool {
        match name {
            resource_name::INBOUND => self.mesh.inbound || self.inbound.contains(&scope.workload),
            resource_name::OUTBOUND => {
                let own = self.callers.contains(&scope.workload);
                self.mesh.outbound_policy || self.mesh.access_log || self.egress || own
            }
            _ => match resource_name::outbound_destination(name) {
                _ if self.callers.contains(&scope.workload) => true,
                Some(original) => self.mesh.access_log || self.addresses.contains(&original.ip()),
                None => grpc_target(name).is_some_and(|(service, _)| {
                    [&self.ports, &self.traffic, &self.routes].into_iter().any(|set| set.contains(&service))
                }),
            },
        }
    }

    /// Whether [`names`](crate::names) can have changed.
    #[must_use]
    pub fn touches_names(&self) -> bool {
        // A workload that becomes somebody else may be let out elsewhere.
        self.all || !self.ports.is_empty() || self.egress || !self.callers.is_empty()
    }

    /// Whether nothing that is compiled can have changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let sets = self.inbound.is_empty()
            && self.addresses.is_empty()
            && self.workload_addresses.is_empty()
            && self.ports.is_empty()
            && self.traffic.is_empty()
            && self.callers.is_empty()
            && self.routes.is_empty()
            && self.clusters.is_empty()
            && self.endpoints.is_empty()
            && self.secrets.is_empty();
        !self.all && !self.egress && self.mesh == MeshChange::default() && sets
    }
}

/// Which resources can differ between two versions of the mesh.
#[must_use]
pub fn affected(old: &Snapshot, new: &Snapshot) -> Affected {
    let mut affected = Affected { mesh: MeshChange::between(&old.mesh, &new.mesh), ..Affected::default() };
    services(&mut affected, old, new);
    traffic(&mut affected, old, new);
    splits(&mut affected, old, new);
    routes(&mut affected, old, new);
    workloads(&mut affected, old, new);
    affected.egress = old.egress_policies != new.egress_policies;
    if affected.egress {
        let policies = old.egress_policies.iter().chain(&new.egress_policies);
        let secrets = policies.filter_map(|policy| policy.settings.tls.as_ref()?.secret());
        affected.secrets.extend(secrets.cloned());
    }
    rules(&mut affected, old, new);
    access(&mut affected, old, new);
    affected
}

/// What differs between two maps: old value, new value.
fn differences<'a, K: Ord, V: PartialEq>(
    old: &'a BTreeMap<K, Arc<V>>,
    new: &'a BTreeMap<K, Arc<V>>,
) -> impl Iterator<Item = (&'a K, Option<&'a V>, Option<&'a V>)> {
    let gone_or_changed = old.iter().filter_map(|(key, was)| match new.get(key) {
        Some(is) if Arc::ptr_eq(was, is) || was == is => None,
        is => Some((key, Some(&**was), is.map(|is| &**is))),
    });
    let come = new.iter().filter(|(key, _)| !old.contains_key(*key));
    gone_or_changed.chain(come.map(|(key, is)| (key, None, Some(&**is))))
}

fn services(affected: &mut Affected, old: &Snapshot, new: &Snapshot) {
    for (name, was, is) in differences(&old.services, &new.services) {
        affected.endpoints.insert(name.clone());
        let both = || was.into_iter().chain(is);
        let reshaped = was.map(Shape::of) != is.map(Shape::of);
        if reshaped {
            affected.ports.insert(name.clone());
            affected.routes.insert(name.clone());
            affected.addresses.extend(both().flat_map(|service| &service.cluster_ips));
        }
        if reshaped || was.map(accounts) != is.map(accounts) {
            affected.clusters.insert(name.clone());
        }
        let (was, is) = (was.map(leads).unwrap_or_default(), is.map(leads).unwrap_or_default());
        for lead in was.symmetric_difference(&is) {
            for snapshot in [old, new] {
                if let Some(workload) = snapshot.workloads.get(lead.workload) {
                    affected.inbound.insert(workload.name.clone());
                    affected.addresses.extend(&workload.addresses);
                    affected.workload_addresses.extend(&workload.addresses);
                }
            }
        }
    }
}

/// What is said of the traffic to a service concerns its clusters and routes, and the workloads behind it.
fn traffic(affected: &mut Affected, old: &Snapshot, new: &Snapshot) {
    let pairs = differences(&old.client_certificates, &new.client_certificates);
    affected.secrets.extend(pairs.map(|(name, _, _)| name.clone()));
    for (name, was, is) in differences(&old.traffic_policies, &new.traffic_policies) {
        let policies = was.into_iter().chain(is).flatten();
        let secrets = policies.filter_map(|policy| policy.settings.tls.as_ref()?.secret());
        affected.secrets.extend(secrets.cloned());
        affected.traffic.insert(name.clone());
        affected.routes.insert(name.clone());
        affected.clusters.insert(name.clone());
        if old.depends_on_place(name) || new.depends_on_place(name) {
            affected.endpoints.insert(name.clone());
        }
        for service in [old, new].into_iter().filter_map(|snapshot| snapshot.services.get(name)) {
            affected.addresses.extend(&service.cluster_ips);
            let endpoints = service.endpoints.values().flatten();
            for workload in endpoints.filter_map(|endpoint| new.workloads.get(endpoint.workload.as_ref()?)) {
                affected.inbound.insert(workload.name.clone());
                affected.addresses.extend(&workload.addresses);
                affected.workload_addresses.extend(&workload.addresses);
            }
        }
    }
}

/// What other resources than endpoints and clusters see of a service.
#[derive(PartialEq)]
struct Shape<'a> {
    ports: &'a [leno_model::ServicePort],
    cluster_ips: &'a [IpAddr],
}

impl<'a> Shape<'a> {
    fn of(service: &'a Service) -> Self {
        Self { ports: &service.ports, cluster_ips: &service.cluster_ips }
    }
}

fn accounts(service: &Service) -> Vec<(u16, Vec<&leno_model::ServiceAccountName>)> {
    let ports = service.endpoints.keys();
    ports.map(|port| (*port, identities(service, *port))).collect()
}

/// One way in which a service leads to a workload.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Lead<'a> {
    workload: &'a WorkloadName,
    target: u16,
    port: u16,
    /// As text, because protocols have no order.
    protocol: &'static str,
}

fn leads(service: &Service) -> BTreeSet<Lead<'_>> {
    let mut leads = BTreeSet::new();
    for (port, endpoints) in &service.endpoints {
        let protocol = match service.port(*port).map(|port| port.protocol) {
            Some(Protocol::Http) => "http",
            Some(Protocol::Http2) => "http2",
            Some(Protocol::Tcp) => "tcp",
            Some(Protocol::Detect) => "detect",
            Some(Protocol::Udp) => "udp",
            None => continue,
        };
        for endpoint in endpoints {
            if let Some(workload) = &endpoint.workload {
                leads.insert(Lead { workload, target: endpoint.address.port(), port: *port, protocol });
            }
        }
    }
    leads
}

fn splits(affected: &mut Affected, old: &Snapshot, new: &Snapshot) {
    let mut roots = changed_groups(&old.traffic_splits, &new.traffic_splits, |split| &split.root);
    for split in old.traffic_splits.iter().chain(&new.traffic_splits) {
        let mut backends = split.backends.iter();
        let of = |service| affected.ports.contains(service) || affected.traffic.contains(service);
        if backends.any(|backend| of(&backend.service)) {
            roots.insert(&split.root);
        }
    }
    for root in roots {
        affected.routes.insert(root.clone());
        for service in [old, new].into_iter().filter_map(|snapshot| snapshot.services.get(root)) {
            affected.addresses.extend(&service.cluster_ips);
        }
    }
}

/// Routes hold what they lead to, resolved: what becomes of other services changes them.
fn routes(affected: &mut Affected, old: &Snapshot, new: &Snapshot) {
    let (was, is) = (by_service(old), by_service(new));
    let services: HashSet<_> = was.keys().chain(is.keys()).copied().collect();
    // The balancers of what a route leads to have a say in it, too.
    let leads = |routes: Option<&Vec<&Route>>| {
        routes.into_iter().flatten().flat_map(|route| route.services()).any(|name| affected.traffic.contains(name))
    };
    let changed: Vec<_> =
        services.into_iter().filter(|service| was.get(service) != is.get(service) || leads(is.get(service))).collect();
    for service in changed {
        affected.routes.insert(service.clone());
        for service in [old, new].into_iter().filter_map(|snapshot| snapshot.services.get(service)) {
            affected.addresses.extend(&service.cluster_ips);
        }
    }
}

/// The routes of each service, in their order.
fn by_service(snapshot: &Snapshot) -> HashMap<&ServiceName, Vec<&Route>> {
    let mut routes: HashMap<&ServiceName, Vec<&Route>> = HashMap::new();
    for route in &snapshot.routes {
        let services: BTreeSet<_> = route.parents.iter().map(|parent| &parent.service).collect();
        services.into_iter().for_each(|service| routes.entry(service).or_default().push(route));
    }
    routes
}

/// The keys whose items are not the same, in the same order, in both lists.
fn changed_groups<'a, T: PartialEq, K: Hash + Eq>(
    old: &'a [Arc<T>],
    new: &'a [Arc<T>],
    key: impl Fn(&'a T) -> &'a K,
) -> HashSet<&'a K> {
    let (old, new) = (grouped(old, &key), grouped(new, &key));
    let keys = old.keys().chain(new.keys()).copied();
    keys.filter(|key| old.get(key) != new.get(key)).collect()
}

fn grouped<'a, T, K: Hash + Eq>(items: &'a [Arc<T>], key: impl Fn(&'a T) -> &'a K) -> HashMap<&'a K, Vec<&'a T>> {
    let mut groups: HashMap<&K, Vec<&T>> = HashMap::new();
    for item in items {
        groups.entry(key(item)).or_default().push(item);
    }
    groups
}

fn workloads(affected: &mut Affected, old: &Snapshot, new: &Snapshot) {
    let mut renamed: HashSet<&WorkloadName> = HashSet::new();
    for (name, was, is) in differences(&old.workloads, &new.workloads) {
        affected.inbound.insert(name.clone());
        let caller = |workload: &'_ Workload| (workload.service_account.clone(), workload.locality());
        if was.map(caller) != is.map(caller) {
            affected.callers.insert(name.clone());
        }
        for workload in was.into_iter().chain(is) {
            affected.addresses.extend(&workload.addresses);
            affected.workload_addresses.extend(&workload.addresses);
        }
        let owner = |workload: &'_ Workload| workload.owner.clone();
        if was.map(owner) != is.map(owner) {
            renamed.insert(name);
        }
    }
    if renamed.is_empty() {
        return;
    }
    for service in new.services.values() {
        let mut endpoints = service.endpoints.values().flatten();
        let mut behind = |endpoint: &leno_model::Endpoint| {
            endpoint.workload.as_ref().is_some_and(|workload| renamed.contains(workload))
        };
        if endpoints.any(&mut behind) {
            affected.endpoints.insert(service.name.clone());
        }
    }
}

/// A policy concerns the workloads that it protects, or protected.
fn access(affected: &mut Affected, old: &Snapshot, new: &Snapshot) {
    let changed = changed_groups(&old.access_policies, &new.access_policies, |policy| &policy.origin);
    if changed.is_empty() {
        return;
    }
    for snapshot in [old, new] {
        let policies = snapshot.access_policies.iter().filter(|policy| changed.contains(&policy.origin));
        for target in policies.flat_map(|policy| &policy.targets) {
            let protected = new.workloads.values().filter(|workload| selects(snapshot, target, workload));
            affected.inbound.extend(protected.map(|workload| workload.name.clone()));
        }
    }
}

fn rules(affected: &mut Affected, old: &Snapshot, new: &Snapshot) {
    let accounts = changed_groups(&old.access_rules, &new.access_rules, |rule| &rule.destination);
    if accounts.is_empty() {
        return;
    }
    for workload in new.workloads.values() {
        if accounts.contains(&workload.service_account) {
            affected.inbound.insert(workload.name.clone());
        }
    }
}
