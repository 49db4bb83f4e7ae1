//! Where endpoints are, and which place takes a request: by the weights of places ([locality weighted]), or rather the
//! caller's own ([zone aware]).
//!
//! [locality weighted]: https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/locality_weight
//! [zone aware]: https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/zone_aware

use std::fmt;

use rand::{Rng, RngExt as _};

/// A place ([`Locality`](https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/core/v3/base.proto#config-core-v3-locality)).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Locality {
    /// The region; may be empty, as the others.
    pub region: Box<str>,
    /// The zone in the region.
    pub zone: Box<str>,
    /// The part of the zone.
    pub sub_zone: Box<str>,
}

impl fmt::Display for Locality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.region, self.zone, self.sub_zone)
    }
}

/// How places count.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum LocalityRules {
    /// They do not.
    #[default]
    Ignore,
    /// Each gets its weight, less when its endpoints are not well.
    Weighted,
    /// The caller's own place first, as far as that is fair to it.
    Nearest(ZoneRules),
}

/// When a request stays in the caller's place.
#[derive(Clone, Debug, PartialEq)]
pub struct ZoneRules {
    /// The part of requests that this is for, 0 to 1 (`routing_enabled`). Default 1.
    pub enabled: f64,
    /// The fewest healthy endpoints of which this is done (`min_cluster_size`). Default 6.
    pub min_cluster_size: u64,
    /// Whether nobody is asked where too few are well (`fail_traffic_on_panic`).
    pub fail_on_panic: bool,
    /// From how many healthy endpoints on in the caller's place it gets everything (`force_local_zone.min_size`).
    pub force_from: Option<u32>,
    /// Whether endpoints count by their weights (`locality_basis`).
    pub by_weight: bool,
}

impl Default for ZoneRules {
    /// Envoy's.
    fn default() -> Self {
        Self { enabled: 1.0, min_cluster_size: 6, fail_on_panic: false, force_from: None, by_weight: false }
    }
}

/// What a place's weight comes to where `eligible` of its `total` endpoints can take requests.
#[must_use]
pub(super) fn effective_weight(weight: u32, eligible: usize, total: usize, overprovisioning: u32) -> f64 {
    let (Ok(eligible), Ok(total @ 1..)) = (u32::try_from(eligible), u32::try_from(total)) else { return 0.0 };
    let available = f64::from(overprovisioning) / 100.0 * f64::from(eligible) / f64::from(total);
    f64::from(weight) * available.min(1.0)
}

/// What there is in one place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Presence {
    /// Callers, or their weight.
    pub callers: u64,
    /// Healthy endpoints, or their weight.
    pub endpoints: u64,
}

/// Which place takes a request of a caller whose own place is the first one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ZoneRouting {
    /// Its own.
    Direct,
    /// Its own for some, others for the rest.
    Residual {
        /// How many of ten thousand stay.
        stay: u64,
        /// What places can take of the others, each with the sum of those before it.
        left: Box<[u64]>,
    },
}

impl ZoneRouting {
    /// How requests are routed among these places. `has_own`: whether the first one is the caller's. `forced`: whether it
    /// then gets everything.
    #[must_use]
    pub fn new(places: &[Presence], has_own: bool, forced: bool) -> Self {
        let sum = |of: fn(&Presence) -> u64| places.iter().map(of).sum::<u64>();
        let (callers, endpoints) = (sum(|place| place.callers), sum(|place| place.endpoints));
        let part = |of: u64, sum: u64| (of * 10_000).checked_div(sum).unwrap_or(0);
        // A place without endpoints cannot be told from others.
        let parts = |place: &Presence| match place.endpoints {
            0 => (0, 0),
            _ => (part(place.callers, callers), part(place.endpoints, endpoints)),
        };
        let own = places.first().filter(|_| has_own).map(parts);
        if let Some((here, there)) = own
            && (forced || (there > 0 && there >= here))
        {
            return Self::Direct;
        }
        let stay = own.map_or(0, |(here, there)| (there * 10_000).checked_div(here).unwrap_or(0));
        let mut sum = 0;
        let left = places.iter().enumerate().map(|(number, place)| {
            let (here, there) = parts(place);
            if !(has_own && number == 0) {
                sum += there.saturating_sub(here);
            }
            sum
        });
        Self::Residual { stay, left: left.collect() }
    }

    /// The number of the place that takes a request.
    pub fn choose(&self, random: &mut impl Rng) -> usize {
        let Self::Residual { stay, left } = self else { return 0 };
        if random.random_range(0..10_000) < *stay {
            return 0;
        }
        match left.last() {
            None => 0,
            // Only where rounding took everything.
            Some(0) => random.random_range(0..left.len()),
            Some(sum) => {
                let draw = random.random_range(0..*sum);
                left.partition_point(|sum| *sum <= draw)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;

    fn places(counts: &[(u64, u64)]) -> Vec<Presence> {
        counts.iter().map(|(callers, endpoints)| Presence { callers: *callers, endpoints: *endpoints }).collect()
    }

    #[test]
    fn a_request_stays_where_that_is_fair() {
        let routing = |counts: &[(u64, u64)]| ZoneRouting::new(&places(counts), true, false);
        assert_eq!(routing(&[(5, 5), (5, 5)]), ZoneRouting::Direct);
        assert_eq!(routing(&[(1, 2), (3, 2)]), ZoneRouting::Direct);
        // A third of the callers has a tenth of the endpoints.
        let ZoneRouting::Residual { stay, left } = routing(&[(4, 1), (4, 5), (4, 4)]) else { panic!("not direct") };
        assert_eq!((stay, &*left), (3000, &[0, 1667, 2334][..]));
        let ZoneRouting::Residual { stay, .. } = routing(&[(4, 0), (4, 5)]) else { panic!("not direct") };
        assert_eq!(stay, 0);
        assert_eq!(ZoneRouting::new(&places(&[(9, 1), (1, 9)]), true, true), ZoneRouting::Direct);
    }

    #[test]
    fn weights_shrink_with_health() {
        assert_eq!(effective_weight(10, 10, 10, 140), 10.0);
        assert_eq!(effective_weight(10, 8, 10, 140), 10.0);
        assert_eq!(effective_weight(10, 5, 10, 140), 7.0);
        assert_eq!(effective_weight(10, 0, 10, 140) + effective_weight(10, 0, 0, 140), 0.0);
    }

    proptest! {
        #[test]
        fn every_place_gets_what_it_has_left(
            counts in prop::collection::vec((0u64..20, 1u64..20), 2..6), seed in any::<u64>(),
        ) {
            let places = places(&counts);
            let routing = ZoneRouting::new(&places, true, false);
            let random = &mut StdRng::seed_from_u64(seed);
            for _ in 0..50 {
                prop_assert!(routing.choose(random) < places.len());
            }
        }
    }
}
