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
    pub healthy: u64,
    /// That are better than none.
    pub degraded: u64,
    /// In all, but for those that do not count yet.
    pub counted: u64,
    /// In all.
    pub total: u64,
}

/// Which endpoints of a priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Availability {
    /// The healthy ones.
    Healthy,
    /// The degraded ones.
    Degraded,
}

/// What a priority gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Share {
    /// The part of all requests that its healthy endpoints get, in per cent.
    pub healthy: u32,
    /// The part that its degraded ones get.
    pub degraded: u32,
    /// Whether health does not count in it.
    pub panic: bool,
}

/// What a priority can take, in per cent of all.
#[derive(Clone, Copy, Debug, Default)]
struct Available {
    healthy: u32,
    degraded: u32,
}

impl HealthRules {
    /// The shares of priorities, the first one the most wanted. They make 100, unless there is no priority at all.
    /// `strengths` counts endpoints, `weights` what they weigh in deciding what a priority can take: the same unless
    /// weights count (`weighted_priority_health`).
    #[must_use]
    pub fn shares(self, strengths: &[Strength], weights: &[Strength]) -> Vec<Share> {
        let available: Vec<_> = weights.iter().map(|strength| self.available(*strength)).collect();
        let sum = sum(&available).min(100);
        let mut shares = vec![Share::default(); strengths.len()];
        if sum > 0 {
            by_health(&mut shares, &available, sum);
        }
        if self.panic_threshold == 0 && sum == 0 {
            // They find nobody there.
            if let Some(first) = shares.first_mut() {
                first.healthy = 100;
            }
            return shares;
        }
        for (share, strength) in shares.iter_mut().zip(strengths) {
            share.panic = sum < 100 && self.panics(*strength);
        }
        if sum == 0 || shares.iter().all(|share| share.panic) {
            by_size(&mut shares, strengths);
        }
        shares
    }

    /// The shares for another attempt, where `tried` says which priorities have been ([`previous_priorities`]). `None`:
    /// nobody is left, as if none had been tried, or at all.
    ///
    /// [`previous_priorities`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/retry/priority/previous_priorities/v3/previous_priorities_config.proto
    #[must_use]
    pub fn shares_without(self, weights: &[Strength], tried: impl Fn(usize) -> bool) -> Option<Vec<Share>> {
        let available = weights
            .iter()
            .enumerate()
            .map(|(number, strength)| if tried(number) { Available::default() } else { self.available(*strength) });
        let available: Vec<_> = available.collect();
        let sum = sum(&available).min(100);
        let mut shares = vec![Share::default(); weights.len()];
        let mut left = 100;
        // More than once only for what rounding left.
        while left > 0 && sum > 0 {
            for (share, available) in shares.iter_mut().zip(&available) {
                let more = part_of(available.healthy, sum).min(left);
                share.healthy += more;
                left -= more;
            }
            for (share, available) in shares.iter_mut().zip(&available) {
                let more = part_of(available.degraded, sum).min(left);
                share.degraded += more;
                left -= more;
            }
        }
        (sum > 0).then_some(shares)
    }

    fn available(self, strength: Strength) -> Available {
        let part = |some: u64| {
            let part = u128::from(self.overprovisioning) * u128::from(some);
            let part = part.checked_div(strength.counted.into()).unwrap_or(0);
            u32::try_from(part.min(100)).unwrap_or(100)
        };
        Available { healthy: part(strength.healthy), degraded: part(strength.degraded) }
    }

    /// Whether so few endpoints are available that health does not count.
    #[must_use]
    pub fn panics(self, strength: Strength) -> bool {
        let threshold = u64::from(self.panic_threshold);
        match strength.counted {
            0 => threshold > 0,
            counted => (strength.healthy + strength.degraded) * 100 < threshold * counted,
        }
    }
}

/// In per cent; at least one for who has anything.
fn part_of(available: u32, sum: u32) -> u32 {
    (available * 100).checked_div(sum).unwrap_or(0).max(u32::from(available > 0))
}

fn sum(available: &[Available]) -> u32 {
    available.iter().map(|available| available.healthy + available.degraded).sum()
}

/// Each takes what it can, the most wanted first, and the healthy endpoints of all before the degraded ones.
fn by_health(shares: &mut [Share], available: &[Available], sum: u32) {
    let mut left = 100;
    for (share, available) in shares.iter_mut().zip(available) {
        share.healthy = (available.healthy * 100 / sum).min(left);
        left -= share.healthy;
    }
    for (share, available) in shares.iter_mut().zip(available) {
        share.degraded = (available.degraded * 100 / sum).min(left);
        left -= share.degraded;
    }
    // What rounding left goes to the first that has anything.
    if let Some(first) = available.iter().position(|available| available.healthy > 0) {
        shares.iter_mut().skip(first).take(1).for_each(|share| share.healthy += left);
    } else if let Some(first) = available.iter().position(|available| available.degraded > 0) {
        shares.iter_mut().skip(first).take(1).for_each(|share| share.degraded += left);
    }
}

/// Nothing is known to be well: by the number of endpoints.
fn by_size(shares: &mut [Share], strengths: &[Strength]) {
    let sum: u64 = strengths.iter().map(|strength| strength.total).sum();
    let mut left = 100;
    for (share, strength) in shares.iter_mut().zip(strengths) {
        let load = (strength.total * 100).checked_div(sum).unwrap_or(0);
        share.healthy = u32::try_from(load).unwrap_or(0).min(left);
        share.degraded = 0;
        left -= share.healthy;
    }
    // Load must go somewhere, if nobody is there.
    let first = strengths.iter().position(|strength| strength.total > 0).unwrap_or_default();
    shares.iter_mut().skip(first).take(1).for_each(|share| share.healthy += left);
}

/// The priority that a number falls on, and which endpoints of it; `None` where there is no priority.
#[must_use]
pub fn choose(shares: &[Share], number: u64) -> Option<(usize, Availability)> {
    let mut left = u32::try_from(number % 100).unwrap_or(0);
    let mut falls_on = |load: u32| {
        let hit = left < load;
        left = left.saturating_sub(load);
        hit
    };
    let healthy = shares.iter().position(|share| falls_on(share.healthy));
    let healthy = healthy.map(|priority| (priority, Availability::Healthy));
    healthy.or_else(|| {
        let degraded = shares.iter().position(|share| falls_on(share.degraded));
        degraded.map(|priority| (priority, Availability::Degraded))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shares(rules: HealthRules, counts: &[(u64, u64, u64)]) -> Vec<Share> {
        let strength = |(healthy, degraded, total): &(u64, u64, u64)| Strength {
            healthy: *healthy,
            degraded: *degraded,
            counted: *total,
            total: *total,
        };
        let strengths: Vec<_> = counts.iter().map(strength).collect();
        rules.shares(&strengths, &strengths)
    }

    fn loads(healthy: &[u64]) -> (Vec<u32>, Vec<bool>) {
        let counts: Vec<_> = healthy.iter().map(|healthy| (*healthy, 0, 100)).collect();
        let shares = shares(HealthRules::default(), &counts);
        (shares.iter().map(|share| share.healthy).collect(), shares.iter().map(|share| share.panic).collect())
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
    fn degraded_endpoints_take_what_is_left() {
        let loads = |counts: &[(u64, u64, u64)]| -> Vec<_> {
            let shares = shares(HealthRules::default(), counts);
            shares.iter().map(|share| (share.healthy, share.degraded)).collect()
        };
        assert_eq!(loads(&[(50, 50, 100)]), [(70, 30)]);
        assert_eq!(loads(&[(50, 50, 100), (50, 0, 100)]), [(70, 0), (30, 0)]);
        assert_eq!(loads(&[(0, 100, 100)]), [(0, 100)]);
        assert_eq!(loads(&[(25, 10, 100), (25, 50, 100)]), [(35, 14), (35, 16)]);
    }

    #[test]
    fn below_the_threshold_health_does_not_count() {
        assert_eq!(loads(&[72, 72]).1, [false, false]);
        assert_eq!(loads(&[30, 5]).1, [true, true]);
        assert_eq!(loads(&[30, 60]).1, [false, false], "both together are enough");
        assert_eq!(loads(&[0]), (vec![100], vec![true]));
        let never = HealthRules { panic_threshold: 0, ..HealthRules::default() };
        assert_eq!(shares(never, &[(0, 0, 3)]), [Share { healthy: 100, degraded: 0, panic: false }]);
        assert!(shares(HealthRules::default(), &[(0, 30, 100)])[0].panic);
        assert!(!shares(HealthRules::default(), &[(20, 30, 100)])[0].panic);
    }

    #[test]
    fn priorities_that_were_tried_get_nothing_while_others_can() {
        let strength = |healthy| Strength { healthy, counted: 4, total: 4, ..Strength::default() };
        let all = [strength(4), strength(4), strength(0)];
        let rules = HealthRules::default();
        let loads = |tried: &[usize]| {
            let shares = rules.shares_without(&all, |number| tried.contains(&number))?;
            Some(shares.iter().map(|share| share.healthy).collect::<Vec<_>>())
        };
        assert_eq!(loads(&[0]), Some(vec![0, 100, 0]));
        assert_eq!(loads(&[1]), Some(vec![100, 0, 0]));
        assert_eq!(loads(&[0, 1]), None);
    }

    proptest! {
        #[test]
        fn shares_make_a_hundred(
            counts in prop::collection::vec((0u64..1000, 0u64..1000, 0u64..1000), 0..6), factor in any::<u32>(),
            panic in 0u32..=100, number in any::<u64>(),
        ) {
            let rules = HealthRules { overprovisioning: factor, panic_threshold: panic };
            let counts: Vec<_> = counts.into_iter().map(|(one, two, rest)| (one, two, one + two + rest)).collect();
            let shares = shares(rules, &counts);
            let sum: u32 = shares.iter().map(|share| share.healthy + share.degraded).sum();
            prop_assert_eq!(sum, if counts.is_empty() { 0 } else { 100 });
            prop_assert_eq!(choose(&shares, number).is_some(), !counts.is_empty());
        }
    }
}
