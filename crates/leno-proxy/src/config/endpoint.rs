//! Endpoints: single addresses.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use leno_engine::{
    balance::{HashKey, HealthRules, Latency, Locality, Target, TargetHealth},
    fraction::Fraction,
    label::{Labels, Value},
    resilience::outlier::OutlierState,
};

use super::hosts;
use crate::clock;

/// Nobody asks whether the endpoint is well.
const UNCHECKED: u8 = 0;
/// It says that it is well.
const WELL: u8 = 1;
/// It does not.
const UNWELL: u8 = 2;
/// It has not been asked yet, and does not count until it was.
const PENDING: u8 = 3;

/// Keys and values that choose an endpoint's transport.
pub type MatchLabels = Vec<(Box<str>, Box<str>)>;

/// The endpoints of a cluster at one version.
#[derive(Debug, Default)]
pub struct EndpointSet {
    /// All of them, as they are listed.
    pub endpoints: Vec<Arc<Endpoint>>,
    /// What is said of all of them together.
    pub rules: SetRules,
}

/// What is said of all endpoints of a set together.
#[derive(Clone, Copy, Debug)]
pub struct SetRules {
    /// By how many per cent the healthy ones are thought to be more than they are (`policy.overprovisioning_factor`).
    pub overprovisioning: u32,
    /// Whether what a priority can take goes by weights (`policy.weighted_priority_health`).
    pub weighted_health: bool,
    /// The share of requests that is refused to spare the endpoints (`policy.drop_overloads`).
    pub dropped: Option<Fraction>,
}

impl Default for SetRules {
    fn default() -> Self {
        let overprovisioning = HealthRules::default().overprovisioning;
        Self { overprovisioning, weighted_health: false, dropped: None }
    }
}

/// What who listed an endpoint thinks of it ([`HealthStatus`]).
///
/// [`HealthStatus`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/core/v3/health_check.proto#enum-config-core-v3-healthstatus
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ListedHealth {
    /// That it is healthy, or nothing.
    #[default]
    Healthy,
    /// That it is better than none.
    Degraded,
    /// That it gets nothing.
    Unhealthy,
}

/// Where an endpoint stands among others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// How far it is from being wanted first; 0 is.
    pub priority: u32,
    /// Where it is.
    pub locality: Locality,
    /// What that place weighs in its priority.
    pub locality_weight: u32,
    /// Whether who listed it thinks that it is healthy.
    pub health: ListedHealth,
    /// The name of its host; may be empty.
    pub hostname: Box<str>,
    /// What is noted about it for balancing (`envoy.lb`).
    pub labels: Labels,
}

/// One address.
#[derive(Debug)]
pub struct Endpoint {
    /// Where it is.
    pub address: SocketAddr,
    /// Its relative share; at least 1.
    pub weight: u32,
    /// Where it stands among others.
    pub standing: Standing,
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
    /// Since when it has been well, in nanoseconds; 0: nobody has looked.
    well_since: AtomicU64,
    /// How quickly it answers.
    latency: Latency,
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
            standing: Standing::default(),
            transport_labels,
            workload,
            outlier: OutlierState::default(),
            health: HealthEndpoint::default(),
            checked: AtomicU8::new(UNCHECKED),
            active: AtomicU32::new(0),
            well_since: AtomicU64::new(0),
            latency: Latency::default(),
        }
    }

    /// The same endpoint, without load, at another address.
    #[must_use]
    pub fn at(&self, address: SocketAddr) -> Self {
        let (standing, health) = (self.standing.clone(), self.health.clone());
        let new = Self::new(address, self.weight, self.transport_labels.clone(), Arc::clone(&self.workload));
        Self { standing, health, ..new }
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
        self.health() == TargetHealth::Healthy
    }

    /// Whether it is on trial (`canary` in its `envoy.lb` metadata).
    #[must_use]
    pub fn is_canary(&self) -> bool {
        matches!(self.standing.labels.value("canary"), Some(Value::Bool(true)))
    }

    /// From now on it is asked whether it is well, and thought not to be until it says so, or not counted if `ignored`.
    /// `false`: it was before.
    pub(crate) fn begin_checks(&self, ignored: bool) -> bool {
        if self.health.disabled {
            return false;
        }
        let first = if ignored { PENDING } else { UNWELL };
        let begun = self.checked.compare_exchange(UNCHECKED, first, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if begun {
            hosts::health_changed();
        }
        begun
    }

    /// Notes that it was seen to be well, unless it was before: where newcomers begin slowly.
    pub(super) fn note_well(&self) {
        if self.is_healthy() {
            let now = nanos(clock::now()).max(1);
            // Somebody else was first.
            self.well_since.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed).ok();
        }
    }

    /// Notes what a check says.
    pub(crate) fn set_checked(&self, well: bool) {
        self.checked.store(if well { WELL } else { UNWELL }, Ordering::Relaxed);
        if well {
            self.well_since.store(nanos(clock::now()).max(1), Ordering::Relaxed);
        }
        hosts::health_changed();
    }

    /// Whether both are the same endpoint, load aside.
    fn same(&self, other: &Self) -> bool {
        self.address == other.address
            && self.weight == other.weight
            && self.standing == other.standing
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

    fn health(&self) -> TargetHealth {
        let checked = self.checked.load(Ordering::Relaxed);
        if checked == PENDING {
            return TargetHealth::Unknown;
        }
        match self.standing.health {
            _ if checked == UNWELL || self.outlier.is_ejected() => TargetHealth::Unhealthy,
            ListedHealth::Healthy => TargetHealth::Healthy,
            ListedHealth::Degraded => TargetHealth::Degraded,
            ListedHealth::Unhealthy => TargetHealth::Unhealthy,
        }
    }

    fn priority(&self) -> u32 {
        self.standing.priority
    }

    fn locality(&self) -> &Locality {
        &self.standing.locality
    }

    fn locality_weight(&self) -> u32 {
        self.standing.locality_weight
    }

    fn well_since(&self) -> Duration {
        Duration::from_nanos(self.well_since.load(Ordering::Relaxed))
    }

    fn latency(&self) -> &Latency {
        &self.latency
    }

    fn hash_key(&self, key: HashKey) -> String {
        match self.standing.labels.value("hash_key") {
            Some(Value::Text(text)) if !text.is_empty() => text.to_string(),
            _ => match key {
                HashKey::Address => self.address.to_string(),
                HashKey::Hostname => self.standing.hostname.to_string(),
            },
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
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
    /// and pooled connections survive; one that was listed otherwise is no newcomer for that.
    #[must_use]
    pub fn new(previous: Option<&Self>, endpoints: Vec<Endpoint>, rules: SetRules) -> Self {
        let known: HashMap<SocketAddr, &Arc<Endpoint>> =
            previous.iter().flat_map(|set| &set.endpoints).map(|endpoint| (endpoint.address, endpoint)).collect();
        let keep = |endpoint: Endpoint| match known.get(&endpoint.address) {
            Some(old) if old.same(&endpoint) => Arc::clone(old),
            Some(old) => {
                endpoint.well_since.store(old.well_since.load(Ordering::Relaxed), Ordering::Relaxed);
                Arc::new(endpoint)
            }
            None => Arc::new(endpoint),
        };
        let endpoints = endpoints.into_iter().map(keep).collect();
        Self { endpoints, rules }
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
        let before = EndpointSet::new(None, vec![endpoint(1, 1), endpoint(2, 1)], SetRules::default());
        let _active = before.endpoints[0].enter();
        let _other = before.endpoints[1].enter();
        let after = EndpointSet::new(Some(&before), vec![endpoint(2, 5), endpoint(1, 1)], SetRules::default());
        assert_eq!(after.endpoints[1].active(), 1);
        assert_eq!(after.endpoints[0].active(), 0);
    }
}
