//! The endpoints of a cluster that requests are shared out among, as their health has it at the moment.
//!
//! ```text
//! Cluster::pick ─► Balancers (a worker's) ─► Hosts (all workers': plans of the cluster and its subsets) ─► an endpoint
//! ```
//!
//! Plans are made anew when the endpoints or anybody's health change; a worker remembers whose turn it is.

mod balancers;
#[cfg(test)]
mod tests;
mod wanted;

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, Ordering},
};

use arc_swap::ArcSwapOption;
use leno_engine::balance::{Balancing, Known, Plan, Subset, SubsetIndex, SubsetRules, Target as _, TargetHealth};

pub use self::{
    balancers::Balancers,
    wanted::{Preferred, Tried, Wanted},
};
use super::{Cluster, Endpoint, EndpointSet, cluster::Caller};

/// Grows whenever the health of any endpoint changes: what was made of an older one is looked at again.
static CHANGES: AtomicU64 = AtomicU64::new(0);

/// Notes that an endpoint is not as healthy as it was, or healthier.
pub(super) fn health_changed() {
    CHANGES.fetch_add(1, Ordering::Relaxed);
}

/// What a cluster had to choose from the last time, for all workers.
#[derive(Debug)]
pub struct Choice {
    hosts: ArcSwapOption<Hosts>,
    /// No other cluster in this process has the same.
    id: u64,
    /// Gone with the cluster.
    alive: Arc<()>,
}

impl Default for Choice {
    fn default() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self { hosts: ArcSwapOption::empty(), id: LAST.fetch_add(1, Ordering::Relaxed), alive: Arc::default() }
    }
}

impl Choice {
    /// The endpoints that there were to choose from the last time; `None`: nobody has chosen yet.
    pub(super) fn endpoints(&self) -> Option<Arc<EndpointSet>> {
        self.hosts.load().as_ref().map(|hosts| Arc::clone(&hosts.set))
    }

    /// What there is to choose from now.
    fn current(&self, cluster: &Cluster, set: Arc<EndpointSet>) -> Arc<Hosts> {
        let callers = callers(&cluster.caller);
        if let Some(hosts) = self.hosts.load().as_ref().filter(|hosts| hosts.is_current(&set, callers.as_ref())) {
            return Arc::clone(hosts);
        }
        let hosts = Arc::new(Hosts::new(set, callers, &cluster.balancing, &cluster.caller));
        self.hosts.store(Some(Arc::clone(&hosts)));
        hosts
    }
}

/// All who make such requests, where that matters.
fn callers(caller: &Caller) -> Option<Arc<EndpointSet>> {
    caller.cluster.as_ref()?.get()?.known_endpoints()
}

/// The endpoints that requests are shared out among.
#[derive(Debug)]
struct Hosts {
    /// What it was made of.
    set: Arc<EndpointSet>,
    callers: Option<Arc<EndpointSet>>,
    health: Vec<TargetHealth>,
    /// The changes that were looked at.
    changes: AtomicU64,
    plan: Plan<Endpoint>,
    subsets: Option<Subsets>,
}

/// Plans of subsets, made when they are first wanted.
#[derive(Debug)]
struct Subsets {
    index: SubsetIndex,
    plans: Vec<OnceLock<Plan<Endpoint>>>,
    any: OnceLock<Plan<Endpoint>>,
    default: OnceLock<Plan<Endpoint>>,
}

impl Hosts {
    fn new(set: Arc<EndpointSet>, callers: Option<Arc<EndpointSet>>, balancing: &Balancing, caller: &Caller) -> Self {
        // Read first: what changes meanwhile makes it out of date.
        let changes = AtomicU64::new(CHANGES.load(Ordering::Relaxed));
        if balancing.policy.slow_start().is_some() {
            set.endpoints.iter().for_each(|endpoint| endpoint.note_well());
        }
        let health = health_of(&set, callers.as_ref()).collect();
        let plan = Plan::new(balancing, &known(&set, callers.as_ref(), caller), None);
        let subsets = balancing.subsets.as_ref().map(|rules| Subsets::new(rules, &set));
        Self { set, callers, health, changes, plan, subsets }
    }

    /// Whether it is what [`Hosts::new`] would make now.
    fn is_current(&self, set: &Arc<EndpointSet>, callers: Option<&Arc<EndpointSet>>) -> bool {
        let same = match (&self.callers, callers) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        };
        if !same || !Arc::ptr_eq(&self.set, set) {
            return false;
        }
        let changes = CHANGES.load(Ordering::Relaxed);
        if self.changes.load(Ordering::Relaxed) == changes {
            return true;
        }
        // Most changes are other clusters'.
        let unchanged = health_of(set, callers).eq(self.health.iter().copied());
        if unchanged {
            self.changes.store(changes, Ordering::Relaxed);
        }
        unchanged
    }

    /// The plan of a subset, if there is anybody in it.
    fn subset(&self, cluster: &Cluster, subset: Subset) -> Option<&Plan<Endpoint>> {
        let subsets = self.subsets.as_ref()?;
        let make = |members: &[usize]| {
            Plan::new(&cluster.balancing, &known(&self.set, self.callers.as_ref(), &cluster.caller), Some(members))
        };
        let endpoints = self.set.endpoints.iter().enumerate();
        Some(match subset {
            Subset::Of(number) => subsets
                .plans
                .get(number)?
                .get_or_init(|| make(subsets.index.members.get(number).map_or(&[][..], Vec::as_slice))),
            Subset::Any => subsets.any.get_or_init(|| make(&endpoints.map(|(number, _)| number).collect::<Vec<_>>())),
            Subset::Default => subsets.default.get_or_init(|| {
                let rules = cluster.balancing.subsets.as_ref();
                let is_in = |endpoint: &Endpoint| {
                    rules.is_some_and(|rules| rules.default.are_in(&endpoint.standing.labels, rules.list_as_any))
                };
                make(&endpoints.filter(|(_, it)| is_in(it)).map(|(number, _)| number).collect::<Vec<_>>())
            }),
        })
    }
}

impl Subsets {
    fn new(rules: &SubsetRules, set: &EndpointSet) -> Self {
        let index = SubsetIndex::new(rules, set.endpoints.iter().map(|endpoint| &endpoint.standing.labels));
        let plans = index.members.iter().map(|_| OnceLock::new()).collect();
        Self { index, plans, any: OnceLock::new(), default: OnceLock::new() }
    }
}

fn known<'a>(set: &'a EndpointSet, callers: Option<&'a Arc<EndpointSet>>, caller: &'a Caller) -> Known<'a, Endpoint> {
    Known {
        targets: &set.endpoints,
        overprovisioning: set.rules.overprovisioning,
        weighted_health: set.rules.weighted_health,
        here: &caller.here,
        callers: callers.map(|callers| callers.endpoints.as_slice()),
    }
}

fn health_of<'a>(
    set: &'a EndpointSet,
    callers: Option<&'a Arc<EndpointSet>>,
) -> impl Iterator<Item = TargetHealth> + 'a {
    let callers = callers.into_iter().flat_map(|callers| &callers.endpoints);
    set.endpoints.iter().chain(callers).map(|endpoint| endpoint.health())
}
