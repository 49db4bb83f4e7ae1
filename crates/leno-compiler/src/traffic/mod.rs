//! TrafficPolicies: what they say in the words of clusters, routes and filters.
//!
//! ```text
//! of the callers' sidecars     cluster: balancer, limits, outliers, health checks, share of retries
//!                              routes: timeouts, retries, what is hashed      listener: faults
//! of the servers' sidecars     listener: rate limits, their own and those that a service counts
//! ```

mod balance;
pub(crate) mod cluster;
pub(crate) mod fault;
pub(crate) mod global_rate_limit;
pub(crate) mod rate_limit;
pub(crate) mod route;

use leno_model::{Service, ServiceAccountName, Snapshot, Workload, policy::TrafficSettings};

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

/// The service account that a client calls as.
pub(crate) fn caller<'a>(snapshot: &'a Snapshot, scope: &Scope) -> Option<&'a ServiceAccountName> {
    snapshot.workloads.get(&scope.workload).map(|workload| &workload.service_account)
}
