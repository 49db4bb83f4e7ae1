//! Which priority takes a request, and whether health counts ([priority levels], [panic threshold]).
//!
//! [priority levels]: https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/priority
//! [panic threshold]: https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/panic_threshold

/// How health counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HealthRules {
    /// How many endpoints may be unhealthy before load goes to the next priority, as the per cent by which the healthy
    /// ones are thought to be more than they are (`overprovisioning_factor`).
    pub overprovisioning: u32,
    /// Below how many per cent of healthy endpoints health does not count any more; 0: it always counts
    /// (`healthy_panic_threshold`).
    pub panic_threshold: u32,
}

impl Default for HealthRules {
    /// Envoy's.
    fn default() -> Self {
        Self { overprovisioning: 140, panic_threshold: 50 }
    }
}

/// How many endpoints a priority has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Strength {
    /// That are healthy.
    pub healthy: u32,
    /// In all.
    pub total: u32,
}

/// What a priority gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Share {
    /// Its part of all requests, in per cent.
    pub load: u32,
    /// Whether health does not count in it.
    pub panic: bool,
}

impl HealthRules {
    /// The shares of priorities, the first one the most wanted. They make 100, unless there is no endpoint at all.
    #[must_use]
    pub fn shares(self, priorities: &[Strength]) -> Vec<Share> {
        let available: Vec<_> = priorities.iter().map(|strength| self.available(*strength)).collect();
        let sum = available.iter().sum::<u32>().min(100);
        let panics = |strength: &Strength| sum < 100 && self.panics(*strength);
        let loads =
            if sum == 0 || priorities.iter().all(panics) { by_size(priorities) } else { by_health(&available, sum) };
        loads.into_iter().zip(priorities).map(|(load, strength)| Share { load, panic: panics(strength) }).collect()
    }

    /// What a priority can take, in per cent of all.
    fn available(self, strength: Strength) -> u32 {
        let Strength { healthy, total } = strength;
        let part = u64::from(self.overprovisioning) * u64::from(healthy);
        part.checked_div(total.into()).map_or(0, |part| u32::try_from(part.min(100)).unwrap_or(100))
    }

    fn panics(self, strength: Strength) -> bool {
        let Strength { healthy, total } = strength;
        u64::from(healthy) * 100 < u64::from(self.panic_threshold) * u64::from(total)
    }
}

/// Each takes what it can, the most wanted first.
fn by_health(available: &[u32], sum: u32) -> Vec<u32> {
    let mut left = 100;
    let mut loads: Vec<_> = available
        .iter()
        .map(|available| {
            let load = (available * 100).checked_div(sum).unwrap_or(0).min(left);
            left -= load;
            load
        })
        .collect();
    // What rounding left goes to the first that has anything.
    if let Some(first) = loads.iter_mut().zip(available).find(|(_, available)| **available > 0) {
        *first.0 += left;
    }
    loads
}

/// Nothing is known to be well: by the number of endpoints.
fn by_size(priorities: &[Strength]) -> Vec<u32> {
    let sum: u64 = priorities.iter().map(|strength| u64::from(strength.total)).sum();
    let mut left = 100;
    let mut loads: Vec<_> = priorities
        .iter()
        .map(|strength| {
            let load = (u64::from(strength.total) * 100).checked_div(sum).unwrap_or(0);
            let load = u32::try_from(load).unwrap_or(0).min(left);
            left -= load;
            load
        })
        .collect();
    if let Some(first) = loads.iter_mut().zip(priorities).find(|(_, strength)| strength.total > 0) {
        *first.0 += left;
    }
    loads
}

/// The priority that a number falls on; `None` where no priority gets anything.
#[must_use]
pub fn choose(shares: &[Share], number: u64) -> Option<usize> {
    let mut left = u32::try_from(number % 100).unwrap_or(0);
    shares.iter().position(|share| {
        let hit = left < share.load;
        left = left.saturating_sub(share.load);
        hit
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn loads(healthy: &[u32]) -> (Vec<u32>, Vec<bool>) {
        let strengths: Vec<_> = healthy.iter().map(|healthy| Strength { healthy: *healthy, total: 100 }).collect();
        let shares = HealthRules::default().shares(&strengths);
        (shares.iter().map(|share| share.load).collect(), shares.iter().map(|share| share.panic).collect())
    }

    /// The tables of Envoy's documentation.
    #[test]
    fn priorities_share_as_envoy_says() {
        for (healthy, expected) in [
            (&[100, 100][..], &[100, 0][..]),
            (&[72, 72], &[100, 0]),
            (&[71, 71], &[99, 1]),
            (&[50, 50], &[70, 30]),
            (&[25, 100], &[35, 65]),
            (&[5, 0, 65], &[8, 0, 92]),
            (&[0, 100], &[0, 100]),
        ] {
            let (loads, _) = loads(healthy);
            // One of a hundred may go either way by rounding.
            assert!(loads.iter().zip(expected).all(|(one, other)| one.abs_diff(*other) <= 1), "{healthy:?}: {loads:?}");
        }
    }

    #[test]
    fn below_the_threshold_health_does_not_count() {
        assert_eq!(loads(&[72, 72]).1, [false, false]);
        assert_eq!(loads(&[30, 5]).1, [true, true]);
        assert_eq!(loads(&[30, 60]).1, [false, false], "both together are enough");
        assert_eq!(loads(&[0]), (vec![100], vec![true]));
        let never = HealthRules { panic_threshold: 0, ..HealthRules::default() };
        assert_eq!(never.shares(&[Strength { healthy: 0, total: 3 }]), [Share { load: 100, panic: false }]);
    }

    proptest! {
        #[test]
        fn shares_make_a_hundred(
            counts in prop::collection::vec((any::<u32>(), any::<u32>()), 0..6), factor in any::<u32>(), panic in 0u32..200,
            number in any::<u64>(),
        ) {
            let rules = HealthRules { overprovisioning: factor, panic_threshold: panic };
            let strengths: Vec<_> =
                counts.into_iter().map(|(one, other)| Strength { healthy: one.min(other), total: one.max(other) }).collect();
            let shares = rules.shares(&strengths);
            let sum: u32 = shares.iter().map(|share| share.load).sum();
            let any = strengths.iter().any(|strength| strength.total > 0);
            prop_assert_eq!(sum, if any { 100 } else { 0 });
            prop_assert_eq!(choose(&shares, number).is_some(), any);
            let of_nothing = strengths.iter().zip(&shares).any(|(strength, share)| strength.total == 0 && share.load > 0);
            prop_assert!(!of_nothing);
        }
    }
}
