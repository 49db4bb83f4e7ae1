//! All that the mesh knows at one version.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use crate::{
    KeyPair, MeshConfig, ObjectRef, Route, SecretName, Service, ServiceAccountName, ServiceName, Workload,
    WorkloadName,
    policy::{
        AccessPolicy, AccessRule, EgressPolicy, TrafficPolicy, TrafficSettings, TrafficSplit,
        traffic::{Nearness, deciders, merged},
    },
};

/// The mesh at one version: immutable, cheap to clone, the compiler's only input.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Counts up with every change.
    pub version: u64,
    /// Mesh-wide settings.
    pub mesh: Arc<MeshConfig>,
    /// Every service.
    pub services: BTreeMap<ServiceName, Arc<Service>>,
    /// Every workload.
    pub workloads: BTreeMap<WorkloadName, Arc<Workload>>,
    /// Every access rule, in the order of their origins' names.
    pub access_rules: Vec<Arc<AccessRule>>,
    /// Every access policy, in the order of their origins' names.
    pub access_policies: Vec<Arc<AccessPolicy>>,
    /// Every egress policy, in the order of their origins' names.
    pub egress_policies: Vec<Arc<EgressPolicy>>,
    /// Every split, in the order of their roots; of one root those with matches first, then in the order of their
    /// origins' names: the first that fits a request decides. At most one of a root is without matches.
    pub traffic_splits: Vec<Arc<TrafficSplit>>,
    /// Every route in force, the oldest first, then in the order of their origins' names: what several say of the same
    /// requests the first decides. Of all that are attached to a service port for the same clients, none is of another
    /// kind.
    pub routes: Vec<Arc<Route>>,
    /// What is said of the traffic to each service, the most decisive first: the exactest, then the oldest, then in the
    /// order of their origins' names.
    pub traffic_policies: BTreeMap<ServiceName, Arc<Vec<TrafficPolicy>>>,
    /// The pairs of the Secrets that policies name for what callers show of themselves, where they are good.
    pub client_certificates: BTreeMap<SecretName, Arc<KeyPair>>,
}

/// What a client means by an address that it dials.
#[derive(Clone, Debug, PartialEq)]
pub enum Destination<'a> {
    /// A port of a service, by its virtual address.
    Service(&'a Arc<Service>, u16),
    /// A port of a workload, by its own address (headless services, StatefulSets).
    Workload(&'a Arc<Workload>, u16),
}

impl Snapshot {
    /// What this address means; `None` when the mesh does not know it.
    #[must_use]
    pub fn destination(&self, address: SocketAddr) -> Option<Destination<'_>> {
        let ip = address.ip();
        let by_ip = |service: &&Arc<Service>| service.cluster_ips.contains(&ip);
        if let Some(service) = self.services.values().find(by_ip) {
            return service.port(address.port()).map(|port| Destination::Service(service, port.port));
        }
        self.workload_by_ip(ip).map(|workload| Destination::Workload(workload, address.port()))
    }

    /// The workload with this address.
    #[must_use]
    pub fn workload_by_ip(&self, ip: IpAddr) -> Option<&Arc<Workload>> {
        self.workloads.values().find(|workload| workload.addresses.contains(&ip))
    }

    /// What holds for the traffic of a caller to a service port: of each section what the most decisive policy says that
    /// has it.
    #[must_use]
    pub fn traffic(&self, service: &ServiceName, port: u16, caller: Option<&ServiceAccountName>) -> TrafficSettings {
        merged(self.traffic_words(service, port, caller))
    }

    /// Whose word [`Self::traffic`] is: the policies, each with the sections that it decides.
    #[must_use]
    pub fn traffic_origins(
        &self,
        service: &ServiceName,
        port: u16,
        caller: Option<&ServiceAccountName>,
    ) -> Vec<(&ObjectRef, Vec<&'static str>)> {
        deciders(self.traffic_words(service, port, caller))
    }

    /// Who says what of the traffic of a caller to a service port, the most decisive first.
    pub fn traffic_words(
        &self,
        service: &ServiceName,
        port: u16,
        caller: Option<&ServiceAccountName>,
    ) -> impl Iterator<Item = (&ObjectRef, &TrafficSettings)> + use<'_> {
        let policies = self.traffic_policies.get(service).map(|it| it.as_slice()).unwrap_or_default();
        let concerned = policies.iter().filter(|policy| policy.concerns(&port, caller));
        concerned.map(TrafficPolicy::word).collect::<Vec<_>>().into_iter()
    }

    /// Whether what is said of the traffic to a service depends on who calls; what is said of its routes left out of
    /// account.
    #[must_use]
    pub fn traffic_depends_on_caller(&self, service: &ServiceName) -> bool {
        let policies = self.traffic_policies.get(service);
        policies.is_some_and(|policies| policies.iter().any(|policy| !policy.callers.is_empty()))
    }

    /// Whether where requests to a service go, or what is done with them on the way, depends on who calls.
    #[must_use]
    pub fn routing_depends_on_caller(&self, service: &ServiceName) -> bool {
        self.traffic_depends_on_caller(service) || self.routes_of(service).any(Route::depends_on_caller)
    }

    /// Whether sidecars of this account show the pair of this Secret to some endpoints.
    #[must_use]
    pub fn shows_secret(&self, account: &ServiceAccountName, secret: &SecretName) -> bool {
        fn shown(settings: &TrafficSettings) -> Option<&SecretName> {
            settings.tls.as_ref()?.secret()
        }
        let outside = |policy: &Arc<EgressPolicy>| policy.concerns(account) && shown(&policy.settings) == Some(secret);
        if self.egress_policies.iter().any(outside) {
            return true;
        }
        let named = |policies: &[TrafficPolicy]| policies.iter().any(|policy| shown(&policy.settings) == Some(secret));
        let mut services = self.traffic_policies.iter().filter(|(_, policies)| named(policies));
        services.any(|(name, _)| {
            let ports = self.services.get(name).map(|service| service.ports.as_slice()).unwrap_or_default();
            ports.iter().any(|port| shown(&self.traffic(name, port.port, Some(account))) == Some(secret))
        })
    }

    /// The routes that are attached to a service.
    pub fn routes_of<'a>(&'a self, service: &'a ServiceName) -> impl Iterator<Item = &'a Route> {
        let here = |route: &&Route| route.parents.iter().any(|parent| parent.service == *service);
        self.routes.iter().map(|route| &**route).filter(here)
    }

    /// Which endpoints of a service port this caller uses first.
    #[must_use]
    pub fn nearness(&self, service: &Service, port: u16, caller: Option<&ServiceAccountName>) -> Option<Nearness> {
        let said = self.traffic(&service.name, port, caller).load_balancer.and_then(|balancer| balancer.nearness);
        said.or(service.nearness)
    }

    /// Whether the order in which endpoints of a service are used depends on where the caller runs.
    #[must_use]
    pub fn depends_on_place(&self, service: &ServiceName) -> bool {
        let policies = self.traffic_policies.get(service).map(|it| it.as_slice()).unwrap_or_default();
        let of_policy = |it: &TrafficPolicy| it.settings.load_balancer.as_ref().is_some_and(|it| it.nearness.is_some());
        policies.iter().any(of_policy) || self.services.get(service).is_some_and(|service| service.nearness.is_some())
    }

    /// The service ports that lead to this workload: service, service port, and the workload's own (target) port.
    pub fn ports_of<'a>(
        &'a self,
        workload: &'a WorkloadName,
    ) -> impl Iterator<Item = (&'a Arc<Service>, u16, u16)> + 'a {
        self.services.values().flat_map(move |service| {
            service.endpoints.iter().flat_map(move |(port, endpoints)| {
                endpoints
                    .iter()
                    .filter(move |endpoint| endpoint.workload.as_ref() == Some(workload))
                    .map(move |endpoint| (service, *port, endpoint.address.port()))
            })
        })
    }
}
