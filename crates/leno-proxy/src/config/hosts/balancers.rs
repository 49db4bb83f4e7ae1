//! What a worker remembers of the clusters that it chooses endpoints of. No other thread has it, so that nothing is locked.

use std::{
    cell::RefCell,
    collections::HashMap,
    sync::{Arc, Weak},
};

use leno_engine::balance::{Asking, LoadBalancer, Plan, Share, Subset, Target as _, Turns};
use rand::{Rng as _, rngs::ThreadRng};

use super::{Hosts, Wanted};
use crate::{
    clock,
    config::{Cluster, Endpoint, EndpointSet},
};

/// What a worker remembers, by cluster.
#[derive(Debug, Default)]
pub struct Balancers {
    clusters: RefCell<HashMap<u64, Remembered>>,
}

/// What it remembers of one.
#[derive(Debug)]
struct Remembered {
    alive: Weak<()>,
    hosts: Arc<Hosts>,
    turns: Turns,
    /// Those of subsets: of any endpoint, of the default one, and by number.
    of_subsets: Vec<Turns>,
}

impl Balancers {
    /// The endpoint of a cluster, which has these, for a request.
    pub fn choose(&self, cluster: &Cluster, set: Arc<EndpointSet>, wanted: &Wanted<'_>) -> Option<Arc<Endpoint>> {
        let mut clusters = self.clusters.borrow_mut();
        let callers = super::callers(&cluster.caller);
        let choice = &cluster.choice;
        if let Some(known) = clusters.get_mut(&choice.id)
            && known.hosts.is_current(&set, callers.as_ref())
        {
            return known.choose(cluster, wanted);
        }
        let hosts = choice.current(cluster, set);
        let (turns, of_subsets) = Default::default();
        let remembered = Remembered { alive: Arc::downgrade(&choice.alive), hosts, turns, of_subsets };
        let chosen = clusters.entry(choice.id).insert_entry(remembered).get_mut().choose(cluster, wanted);
        // Clusters that went are forgotten when others change.
        clusters.retain(|_, known| known.alive.strong_count() > 0);
        chosen
    }

    /// The endpoints of a cluster, which has these, that a request may get: one alone where its hash leads to it.
    pub(crate) fn candidates(
        &self,
        cluster: &Cluster,
        set: Arc<EndpointSet>,
        wanted: &Wanted<'_>,
    ) -> Vec<Arc<Endpoint>> {
        let policy = &cluster.balancing.policy;
        if policy.is_by_hash() && wanted.hash.is_some() {
            return self.choose(cluster, set, wanted).into_iter().collect();
        }
        let hosts = cluster.choice.current(cluster, set);
        let Some((rules, subsets)) = cluster.balancing.subsets.as_ref().zip(hosts.subsets.as_ref()) else {
            return hosts.plan.candidates().cloned().collect();
        };
        let of_subset = |subset| {
            // As in `Remembered::choose`: of one alone the health does not count.
            if let Subset::Of(number) = subset
                && subsets.index.is_single(number)
            {
                let only = subsets.index.members.get(number)?.first()?;
                return hosts.set.endpoints.get(*only).map(|only| vec![Arc::clone(only)]);
            }
            let candidates: Vec<_> = hosts.subset(cluster, subset)?.candidates().cloned().collect();
            (!candidates.is_empty()).then_some(candidates)
        };
        rules.choose(&subsets.index, wanted.criteria, of_subset).unwrap_or_default()
    }
}

impl Remembered {
    fn choose(&mut self, cluster: &Cluster, wanted: &Wanted<'_>) -> Option<Arc<Endpoint>> {
        let Self { hosts, turns, of_subsets, .. } = self;
        let policy = &cluster.balancing.policy;
        let Some((rules, subsets)) = cluster.balancing.subsets.as_ref().zip(hosts.subsets.as_ref()) else {
            return choose(&hosts.plan, policy, turns, wanted);
        };
        rules.choose(&subsets.index, wanted.criteria, |subset| {
            let (place, single) = match subset {
                Subset::Any => (0, false),
                Subset::Default => (1, false),
                Subset::Of(number) => (number + 2, subsets.index.is_single(number)),
            };
            if single && let Subset::Of(number) = subset {
                let only = subsets.index.members.get(number)?.first()?;
                return hosts.set.endpoints.get(*only).cloned();
            }
            if of_subsets.len() <= place {
                of_subsets.resize_with(place + 1, Turns::default);
            }
            choose(hosts.subset(cluster, subset)?, policy, of_subsets.get_mut(place)?, wanted)
        })
    }
}

/// An endpoint of a plan that the request's retry policy does not want to be another, if one is found soon, and that is
/// not known to be out of reach, if there is one.
fn choose(
    plan: &Plan<Endpoint>,
    policy: &LoadBalancer,
    turns: &mut Turns,
    wanted: &Wanted<'_>,
) -> Option<Arc<Endpoint>> {
    let random = &mut rand::rng();
    let selection = wanted.retrying();
    let shares = selection
        .and_then(|it| it.priorities_after)
        .and_then(|every| plan.shares_after(every.get(), wanted.before().iter().map(|endpoint| endpoint.priority())));
    let mut asking = asking(policy, wanted, shares.as_deref(), random);
    let more = selection.map_or(0, |selection| selection.attempts);
    let mut chosen = turns.choose(plan, policy, &asking, random)?;
    while asking.attempt < more && wanted.rejects(chosen) {
        asking.attempt += 1;
        chosen = turns.choose(plan, policy, &asking, random)?;
    }
    if wanted.may_reach(chosen.address) {
        return Some(Arc::clone(chosen));
    }
    turns.choose_other(plan, policy, &asking, |endpoint| wanted.may_reach(endpoint.address)).cloned()
}

fn asking<'a>(
    policy: &LoadBalancer,
    wanted: &Wanted<'_>,
    shares: Option<&'a [Share]>,
    random: &mut ThreadRng,
) -> Asking<'a> {
    let hash = match wanted.hash {
        Some(hash) => hash,
        None if policy.is_by_hash() => random.next_u64(),
        None => 0,
    };
    let timely = policy.slow_start().is_some() || matches!(policy, LoadBalancer::PeakEwma(_));
    Asking { hash, attempt: 0, shares, now: if timely { clock::now() } else { std::time::Duration::ZERO } }
}
