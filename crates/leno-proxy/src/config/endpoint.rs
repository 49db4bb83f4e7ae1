//! Endpoints: single addresses.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU32, Ordering},
    },
};

use leno_engine::{balance::Target, resilience::outlier::OutlierState};

use super::hosts;

/// Nobody asks whether the endpoint is well.
const UNCHECKED: u8 = 0;
/// It says that it is well.
const WELL: u8 = 1;
/// It does not.
const UNWELL: u8 = 2;

/// Keys and values that choose an endpoint's transport.
pub type MatchLabels = Vec<(Box<str>, Box<str>)>;

/// The endpoints of a cluster at one version.
#[derive(Debug, Default)]
pub struct EndpointSet {
    /// All of them, sorted by address.
    pub endpoints: Vec<Arc<Endpoint>>,
    /// By how many per cent the healthy ones are thought to be more than they are (`policy.overprovisioning_factor`).
    pub overprovisioning: u32,
}

/// One address.
#[derive(Debug)]
pub struct Endpoint {
    /// Where it is.
    pub address: SocketAddr,
    /// Its relative share; at least 1.
    pub weight: u32,
    /// How far it is from being wanted first; 0 is.
    pub priority: u32,
    /// Whether who listed it thinks that it is healthy.
    pub eds_healthy: bool,
    /// The metadata that chooses its transport (`envoy.transport_socket_match`).
    pub transport_labels: MatchLabels,
    /// How it is asked whether it is well.
    pub health: HealthEndpoint,
    /// What health checks say; see [`Endpoint::begin_checks`].
    checked: AtomicU8,
    /// Who it is, for telemetry.
    pub workload: Arc<WorkloadLabels>,
    /// How it does beside the others.
    pub outlier: OutlierState,
    /// Requests and connections under way over all workers; see [`Endpoint::enter`].
    active: AtomicU32,
}

/// How an endpoint is asked whether it is well ([`HealthCheckConfig`]).
///
/// [`HealthCheckConfig`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/endpoint/v3/endpoint_components.proto#config-endpoint-v3-endpoint-healthcheckconfig
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HealthEndpoint {
    /// The port that is asked; `None`: its own.
    pub port: Option<u16>,
    /// The host that is asked for; `None`: the check's.
    pub host: Option<Box<str>>,
    /// Whether it is not asked.
    pub disabled: bool,
}

/// Who is at one end of a connection, as telemetry names it. Empty text where it is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct WorkloadLabels {
    /// The name of what made the instance: a Deployment's, for example.
    pub workload: Box<str>,
    /// The instance.
    pub pod: Box<str>,
    /// Its namespace.
    pub namespace: Box<str>,
    /// Its identity; empty when it has none.
    pub identity: Box<str>,
}

/// One request or connection under way; ends when dropped.
#[derive(Debug)]
pub struct Active(Arc<Endpoint>);

impl Endpoint {
    /// An endpoint without load.
    #[must_use]
    pub fn new(address: SocketAddr, weight: u32, transport_labels: MatchLabels, workload: Arc<WorkloadLabels>) -> Self {
        Self {
            address,
            weight,
            priority: 0,
            eds_healthy: true,
            transport_labels,
            workload,
            outlier: OutlierState::default(),
            health: HealthEndpoint::default(),
            checked: AtomicU8::new(UNCHECKED),
            active: AtomicU32::new(0),
        }
    }

    /// Counts a request or connection until the guard is dropped.
    #[must_use]
    pub fn enter(self: &Arc<Self>) -> Active {
        self.active.fetch_add(1, Ordering::Relaxed);
        Active(Arc::clone(self))
    }

    /// How many requests and connections are under way.
    #[must_use]
    pub fn active(&self) -> u32 {
        self.active.load(Ordering::Relaxed)
    }

    /// Whether it is thought to be well.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.eds_healthy && self.checked.load(Ordering::Relaxed) != UNWELL && !self.outlier.is_ejected()
    }

    /// From now on it is asked whether it is well, and thought not to be until it says so. `false`: it was before.
    pub(crate) fn begin_checks(&self) -> bool {
        if self.health.disabled {
            return false;
        }
        let begun = self.checked.compare_exchange(UNCHECKED, UNWELL, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if begun {
            hosts::health_changed();
        }
        begun
    }

    /// Notes what a check says.
    pub(crate) fn set_checked(&self, well: bool) {
        self.checked.store(if well { WELL } else { UNWELL }, Ordering::Relaxed);
        hosts::health_changed();
    }

    /// Whether both are the same endpoint, load aside.
    fn same(&self, other: &Self) -> bool {
        self.address == other.address
            && self.weight == other.weight
            && self.priority == other.priority
            && self.eds_healthy == other.eds_healthy
            && self.health == other.health
            && self.transport_labels == other.transport_labels
            && self.workload == other.workload
    }
}

impl Target for Endpoint {
    fn weight(&self) -> u32 {
        self.weight
    }

    fn active(&self) -> u32 {
        Self::active(self)
    }
}

impl Active {
    /// The endpoint it counts for.
    #[must_use]
    pub fn endpoint(&self) -> &Arc<Endpoint> {
        &self.0
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}

impl EndpointSet {
    /// The set of these endpoints. Those that were in the previous set unchanged are kept, so that their load counts
    /// and pooled connections survive.
    #[must_use]
    pub fn new(previous: Option<&Self>, endpoints: Vec<Endpoint>, overprovisioning: u32) -> Self {
        let known: HashMap<SocketAddr, &Arc<Endpoint>> =
            previous.iter().flat_map(|set| &set.endpoints).map(|endpoint| (endpoint.address, endpoint)).collect();
        let keep = |endpoint: Endpoint| match known.get(&endpoint.address) {
            Some(old) if old.same(&endpoint) => Arc::clone(old),
            _ => Arc::new(endpoint),
        };
        let mut endpoints: Vec<_> = endpoints.into_iter().map(keep).collect();
        endpoints.sort_by_key(|endpoint| endpoint.address);
        Self { endpoints, overprovisioning }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(port: u16, weight: u32) -> Endpoint {
        Endpoint::new(SocketAddr::from(([10, 0, 0, 1], port)), weight, vec![], Arc::default())
    }

    #[test]
    fn unchanged_endpoints_keep_their_load() {
        let before = EndpointSet::new(None, vec![endpoint(1, 1), endpoint(2, 1)], 140);
        let _active = before.endpoints[0].enter();
        let _other = before.endpoints[1].enter();
        let after = EndpointSet::new(Some(&before), vec![endpoint(2, 5), endpoint(1, 1)], 140);
        assert_eq!(after.endpoints[0].active(), 1);
        assert_eq!(after.endpoints[1].active(), 0);
    }
}
