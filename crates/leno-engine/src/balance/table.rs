//! Where hashes lead.

use std::sync::Arc;

use super::{HashKey, LoadBalancer, Maglev, Ring, Target, bounded::Bound};

/// Where hashes lead.
#[derive(Debug)]
pub(super) struct Table<T> {
    places: Places,
    targets: Vec<Arc<T>>,
    weights: Vec<f64>,
}

#[derive(Debug)]
enum Places {
    Ring(Ring),
    Maglev(Maglev),
}

impl<T: Target> Table<T> {
    /// The table of endpoints with their parts of all requests; `None` for balancers that do not go by hashes.
    pub(super) fn new(policy: &LoadBalancer, hashed: &[(Arc<T>, f64)]) -> Option<Self> {
        let keys = |key: HashKey| -> Vec<_> {
            hashed.iter().map(|(target, weight)| (target.hash_key(key), *weight)).collect()
        };
        let places = match policy {
            LoadBalancer::RingHash(settings, hashing) => Places::Ring(Ring::new(&keys(hashing.key), *settings)),
            LoadBalancer::Maglev(size, hashing) => Places::Maglev(Maglev::new(&keys(hashing.key), *size)),
            LoadBalancer::LeastRequest { .. }
            | LoadBalancer::RoundRobin { .. }
            | LoadBalancer::Random
            | LoadBalancer::PeakEwma(_) => return None,
        };
        let (targets, weights) = hashed.iter().cloned().unzip();
        Some(Self { places, targets, weights })
    }

    /// The endpoint for a hash. `bound`: how many times the mean an endpoint may have, in per cent.
    pub(super) fn choose(&self, hash: u64, attempt: u32, bound: Option<u32>, order: &mut Vec<u32>) -> Option<&Arc<T>> {
        let first = match &self.places {
            Places::Ring(ring) => ring.target(hash, attempt),
            Places::Maglev(maglev) => maglev.target(hash, attempt),
        }?;
        let chosen = match bound {
            None => first,
            Some(factor) => {
                let active = |number: u32| self.target(number).map_or(0, |target| target.active());
                let all = self.targets.iter().map(|target| target.active()).fold(0, u32::saturating_add);
                Bound { factor, active: all }.choose(first, hash, &self.weights, active, order)
            }
        };
        self.target(chosen)
    }

    /// The next endpoint after that for a hash that will do.
    pub(super) fn next(&self, hash: u64, will_do: impl Fn(&T) -> bool) -> Option<&Arc<T>> {
        let fits = |number: u32| self.target(number).filter(|target| will_do(target));
        match &self.places {
            Places::Ring(ring) => ring.targets(hash).find_map(fits),
            Places::Maglev(maglev) => maglev.targets(hash).find_map(fits),
        }
    }

    fn target(&self, number: u32) -> Option<&Arc<T>> {
        self.targets.get(usize::try_from(number).ok()?)
    }
}
