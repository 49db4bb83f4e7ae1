//! TrafficPolicies: what they say in the words of clusters, routes and filters.
//!
//! ```text
//! of the callers' sidecars     cluster: TLS, balancer, limits, outliers, health checks, share of retries
//!                              routes: timeouts, retries, what is hashed      listener: faults
//! of routes' rules             the same of the rule alone, and limits: in the callers' sidecars
//! of the servers' sidecars     listener: rate limits, their own and those that a service counts
//! ```

mod balance;
pub(crate) mod cluster;
pub(crate) mod fault;
pub(crate) mod global_rate_limit;
pub(crate) mod rate_limit;
pub(crate) mod route;
pub(crate) mod rule;
pub(crate) mod tls;

use leno_model::{ObjectRef, Service, ServiceAccountName, ServiceName, Snapshot, Workload, policy::TrafficSettings};

use crate::{Scope, port::WorkloadPort, port::workload_ports};

/// What holds for the traffic of this client to a service port.
pub(crate) fn settings(snapshot: &Snapshot, scope: &Scope, service: &Service, port: u16) -> TrafficSettings {
    snapshot.traffic(&service.name, port, caller(snapshot, scope))
}

/// What holds for the traffic of this client to a port of a workload, dialled by its own address: what is said of the
/// first service that leads there.
pub(crate) fn of_port(snapshot: &Snapshot, scope: &Scope, workload: &Workload, port: u16) -> TrafficSettings {
    let ports = workload_ports(snapshot, &workload.name);
    let Some((service, number)) = ports.get(&port).map(|port| &port.service) else {
        return TrafficSettings::default();
    };
    snapshot.traffic(service, *number, caller(snapshot, scope))
}

/// How much a port of a workload takes: what is said of the services that lead there, the first by name before others.
pub(crate) fn limits(snapshot: &Snapshot, port: &WorkloadPort) -> TrafficSettings {
    let mut settings = TrafficSettings::default();
    for (service, number) in &port.services {
        settings.fill_from(&snapshot.traffic(service, *number, None));
    }
    settings
}

/// The sections that routes are made of.
pub(crate) const OF_ROUTES: &[&str] = &["retries", "timeouts", "mirror"];
/// The sections that clusters are made of.
pub(crate) const OF_CLUSTERS: &[&str] =
    &["tls", "loadBalancer", "connections", "outlierDetection", "healthCheck", "retries", "timeouts"];
/// The sections that the callers' chains of HTTP are made of.
pub(crate) const OF_REQUESTS: &[&str] = &["fault"];
/// The sections that the callers' chains of bytes are made of.
pub(crate) const OF_BYTES: &[&str] = &["timeouts"];
/// The sections that the servers' chains are made of.
const OF_SERVERS: &[&str] = &["localRateLimit", "globalRateLimit", "maxInboundConnections"];

/// The policies that decide these sections of the traffic of this client to a service port.
pub(crate) fn origins(
    snapshot: &Snapshot,
    scope: &Scope,
    service: &ServiceName,
    port: u16,
    sections: &[&str],
) -> Vec<String> {
    told(snapshot.traffic_origins(service, port, caller(snapshot, scope)), sections)
}

/// The same of a port of a workload, dialled by its own address.
pub(crate) fn origins_of_port(
    snapshot: &Snapshot,
    scope: &Scope,
    workload: &Workload,
    port: u16,
    sections: &[&str],
) -> Vec<String> {
    let ports = workload_ports(snapshot, &workload.name);
    let service = ports.get(&port).map(|port| &port.service);
    service.map(|(service, number)| origins(snapshot, scope, service, *number, sections)).unwrap_or_default()
}

/// The policies that limit how much a port of a workload takes.
pub(crate) fn limit_origins(snapshot: &Snapshot, port: &WorkloadPort) -> Vec<String> {
    let all = port.services.iter().map(|(service, number)| snapshot.traffic_origins(service, *number, None));
    let mut told: Vec<_> = all.flat_map(|origins| told(origins, OF_SERVERS)).collect();
    told.dedup();
    told
}

/// Objects with those of their sections that count.
fn told(origins: Vec<(&ObjectRef, Vec<&'static str>)>, sections: &[&str]) -> Vec<String> {
    let own = origins.into_iter().filter_map(|(origin, said)| {
        let counts: Vec<_> = said.into_iter().filter(|section| sections.contains(section)).collect();
        (!counts.is_empty()).then(|| format!("{origin} ({})", counts.join(", ")))
    });
    own.collect()
}

/// The service account that a client calls as.
pub(crate) fn caller<'a>(snapshot: &'a Snapshot, scope: &Scope) -> Option<&'a ServiceAccountName> {
    snapshot.workloads.get(&scope.workload).map(|workload| &workload.service_account)
}
