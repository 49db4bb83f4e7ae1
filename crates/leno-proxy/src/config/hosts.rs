//! The endpoints of a cluster that requests are shared out among, as their health has it at the moment.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, Ordering},
};

use leno_engine::balance::{HealthRules, LoadBalancer, Maglev, Ring, Share, Strength, choose_priority};
use rand::{Rng, RngExt as _};

use super::{Endpoint, EndpointSet};

/// Grows whenever the health of any endpoint changes: what was made of an older one is made anew.
static CHANGES: AtomicU64 = AtomicU64::new(0);

/// Notes that an endpoint is not as healthy as it was, or healthier.
pub(super) fn health_changed() {
    CHANGES.fetch_add(1, Ordering::Relaxed);
}

/// The endpoints that requests are shared out among.
#[derive(Debug)]
pub(super) struct Hosts {
    /// What it was made of.
    set: Arc<EndpointSet>,
    changes: u64,
    shares: Vec<Share>,
    priorities: Vec<Priority>,
}

/// One priority's endpoints: the healthy ones, or all where health does not count.
#[derive(Debug, Default)]
struct Priority {
    endpoints: Vec<Arc<Endpoint>>,
    table: OnceLock<Table>,
}

/// Where hashes lead.
#[derive(Debug)]
enum Table {
    Ring(Ring),
    Maglev(Maglev),
}

impl Hosts {
    /// What requests to this set are shared out among at the moment.
    pub(super) fn new(set: Arc<EndpointSet>, panic_threshold: u32) -> Self {
        // Read first: what changes meanwhile makes it out of date.
        let changes = CHANGES.load(Ordering::Relaxed);
        let count = set.endpoints.iter().map(|endpoint| endpoint.priority as usize + 1).max().unwrap_or_default();
        let mut all = vec![Vec::new(); count];
        for endpoint in &set.endpoints {
            if let Some(priority) = all.get_mut(endpoint.priority as usize) {
                priority.push(Arc::clone(endpoint));
            }
        }
        let healthy = |endpoints: &[Arc<Endpoint>]| endpoints.iter().filter(|endpoint| endpoint.is_healthy()).count();
        let number = |count| u32::try_from(count).unwrap_or(u32::MAX);
        let strengths: Vec<_> = all
            .iter()
            .map(|endpoints| Strength { healthy: number(healthy(endpoints)), total: number(endpoints.len()) })
            .collect();
        let rules = HealthRules { overprovisioning: set.overprovisioning, panic_threshold };
        let shares = rules.shares(&strengths);
        let priorities = all.into_iter().zip(&shares).map(|(mut endpoints, share)| {
            if !share.panic {
                endpoints.retain(|endpoint| endpoint.is_healthy());
            }
            Priority { endpoints, table: OnceLock::new() }
        });
        let priorities = priorities.collect();
        Self { set, changes, shares, priorities }
    }

    /// All endpoints, in whatever health.
    pub(super) fn all(&self) -> &[Arc<Endpoint>] {
        &self.set.endpoints
    }

    /// Whether it is what [`Hosts::new`] would make now.
    pub(super) fn is_current(&self, set: &Arc<EndpointSet>) -> bool {
        Arc::ptr_eq(&self.set, set) && self.changes == CHANGES.load(Ordering::Relaxed)
    }

    /// An endpoint that none of `tried` is.
    pub(super) fn choose(
        &self,
        balancer: &LoadBalancer,
        turn: u64,
        hash: Option<u64>,
        tried: &[std::net::SocketAddr],
    ) -> Option<Arc<Endpoint>> {
        let random = &mut rand::rng();
        let priority = match self.priorities.as_slice() {
            [only] => only,
            priorities => priorities.get(choose_priority(&self.shares, random.random())?)?,
        };
        let is_new = |endpoint: &&Arc<Endpoint>| !tried.contains(&endpoint.address);
        if let Some(targets) =
            priority.table(balancer).map(|table| table.targets(hash.unwrap_or_else(|| random.next_u64())))
        {
            let mut endpoints = targets.filter_map(|number| priority.endpoints.get(number as usize));
            return endpoints.find(is_new).cloned();
        }
        if tried.is_empty() {
            return balancer.choose(&priority.endpoints, turn, random).cloned();
        }
        let left: Vec<_> = priority.endpoints.iter().filter(is_new).collect();
        balancer.choose(&left, turn, random).map(|endpoint| Arc::clone(endpoint))
    }
}

impl Priority {
    /// Where hashes lead, for balancers that go by them.
    fn table(&self, balancer: &LoadBalancer) -> Option<&Table> {
        let keys = || -> Vec<_> {
            self.endpoints.iter().map(|endpoint| (endpoint.address.to_string(), endpoint.weight)).collect()
        };
        match balancer {
            LoadBalancer::RingHash(settings) => {
                Some(self.table.get_or_init(|| Table::Ring(Ring::new(&keys(), *settings))))
            }
            LoadBalancer::Maglev(size) => Some(self.table.get_or_init(|| Table::Maglev(Maglev::new(&keys(), *size)))),
            LoadBalancer::LeastRequest { .. } | LoadBalancer::RoundRobin | LoadBalancer::Random => None,
        }
    }
}

impl Table {
    fn targets(&self, hash: u64) -> Box<dyn Iterator<Item = u32> + '_> {
        match self {
            Self::Ring(ring) => Box::new(ring.targets(hash)),
            Self::Maglev(maglev) => Box::new(maglev.targets(hash)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, net::SocketAddr};

    use leno_engine::balance::{RingSettings, TABLE_SIZE};

    use super::*;

    fn endpoint(port: u16, priority: u32, healthy: bool) -> Endpoint {
        let mut endpoint = Endpoint::new(SocketAddr::from(([10, 0, 0, 1], port)), 1, vec![], Arc::default());
        (endpoint.priority, endpoint.eds_healthy) = (priority, healthy);
        endpoint
    }

    /// The ports that are chosen for a hundred hashes.
    fn ports(endpoints: Vec<Endpoint>, balancer: &LoadBalancer) -> Vec<u16> {
        let hosts = Hosts::new(Arc::new(EndpointSet::new(None, endpoints, 140)), 50);
        let chosen = (0..200).filter_map(|turn| hosts.choose(balancer, turn, Some(turn << 56), &[]));
        let mut ports: Vec<_> =
            chosen.map(|endpoint| endpoint.address.port()).collect::<HashSet<_>>().into_iter().collect();
        ports.sort_unstable();
        ports
    }

    #[test]
    fn only_the_healthy_of_the_first_priority_are_chosen() {
        for balancer in [
            LoadBalancer::default(),
            LoadBalancer::RoundRobin,
            LoadBalancer::Random,
            LoadBalancer::RingHash(RingSettings::default()),
            LoadBalancer::Maglev(TABLE_SIZE),
        ] {
            let of = |health: [bool; 4]| {
                let all = health.into_iter().zip(1u16..).map(|(healthy, port)| endpoint(port, 0, healthy));
                ports(all.chain([endpoint(9, 1, true)]).collect(), &balancer)
            };
            assert_eq!(of([true; 4]), [1, 2, 3, 4], "{balancer:?}");
            assert_eq!(of([true, true, false, true]), [1, 2, 4], "{balancer:?}");
            assert_eq!(of([true, false, false, false]), [1, 9], "{balancer:?}");
            assert_eq!(of([false; 4]), [9], "{balancer:?}");
            let alone = vec![endpoint(1, 0, false), endpoint(2, 0, false), endpoint(3, 0, true)];
            assert_eq!(ports(alone, &balancer), [1, 2, 3], "so few are healthy that it does not count: {balancer:?}");
            assert_eq!(ports(vec![], &balancer), [0; 0]);
        }
    }

    #[test]
    fn the_same_hash_leads_to_the_same_endpoint_and_then_to_others() {
        let set = EndpointSet::new(None, (1..=3).map(|port| endpoint(port, 0, true)).collect(), 140);
        let hosts = Hosts::new(Arc::new(set), 50);
        for balancer in [LoadBalancer::RingHash(RingSettings::default()), LoadBalancer::Maglev(TABLE_SIZE)] {
            let first = hosts.choose(&balancer, 0, Some(42), &[]).unwrap().address;
            assert_eq!(hosts.choose(&balancer, 1, Some(42), &[]).unwrap().address, first);
            let second = hosts.choose(&balancer, 2, Some(42), &[first]).unwrap().address;
            let third = hosts.choose(&balancer, 3, Some(42), &[first, second]).unwrap().address;
            assert_eq!([first, second, third].into_iter().collect::<HashSet<_>>().len(), 3);
            assert!(hosts.choose(&balancer, 4, Some(42), &[first, second, third]).is_none());
        }
    }
}
