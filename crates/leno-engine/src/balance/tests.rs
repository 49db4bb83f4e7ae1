//! Plans and turns over made-up endpoints.

use std::{collections::HashMap, sync::Arc, time::Duration};

use proptest::prelude::*;
use rand::{SeedableRng as _, rngs::StdRng};

use super::*;

#[derive(Debug)]
struct Server {
    name: String,
    weight: u32,
    active: u32,
    health: TargetHealth,
    priority: u32,
    locality: Locality,
    locality_weight: u32,
    well_since: Duration,
    latency: Latency,
}

impl Target for Server {
    fn weight(&self) -> u32 {
        self.weight
    }

    fn active(&self) -> u32 {
        self.active
    }

    fn health(&self) -> TargetHealth {
        self.health
    }

    fn priority(&self) -> u32 {
        self.priority
    }

    fn locality(&self) -> &Locality {
        &self.locality
    }

    fn locality_weight(&self) -> u32 {
        self.locality_weight
    }

    fn well_since(&self) -> Duration {
        self.well_since
    }

    fn latency(&self) -> &Latency {
        &self.latency
    }

    fn hash_key(&self, _: HashKey) -> String {
        self.name.clone()
    }
}

fn zone(zone: &str) -> Locality {
    Locality { zone: zone.into(), ..Locality::default() }
}

fn server(number: usize, weight: u32) -> Server {
    Server {
        name: format!("10.0.0.{number}:80"),
        weight,
        active: 0,
        health: TargetHealth::Healthy,
        priority: 0,
        locality: Locality::default(),
        locality_weight: 0,
        well_since: Duration::ZERO,
        latency: Latency::default(),
    }
}

fn weighted(weights: &[u32]) -> Vec<Server> {
    weights.iter().enumerate().map(|(number, weight)| server(number, *weight)).collect()
}

fn known<'a>(targets: &'a [Arc<Server>], here: &'a Locality, callers: Option<&'a [Arc<Server>]>) -> Known<'a, Server> {
    Known { targets, overprovisioning: 140, weighted_health: false, here, callers }
}

/// How often each server is chosen of so many times at this moment.
fn spread(balancing: &Balancing, servers: Vec<Server>, times: u32, now: Duration) -> Vec<u32> {
    spread_from(balancing, servers, times, now, &zone("near"), None)
}

fn spread_from(
    balancing: &Balancing,
    servers: Vec<Server>,
    times: u32,
    now: Duration,
    here: &Locality,
    callers: Option<&[Arc<Server>]>,
) -> Vec<u32> {
    let servers: Vec<_> = servers.into_iter().map(Arc::new).collect();
    let plan = Plan::new(balancing, &known(&servers, here, callers), None);
    let (mut turns, mut random) = (Turns::default(), StdRng::seed_from_u64(7));
    let mut hits = vec![0; servers.len()];
    for _ in 0..times {
        let asking = Asking { hash: random.next_u64(), attempt: 0, shares: None, now };
        if let Some(chosen) = turns.choose(&plan, &balancing.policy, &asking, &mut random) {
            hits[servers.iter().position(|server| Arc::ptr_eq(server, chosen)).unwrap()] += 1;
        }
    }
    hits
}

fn by(policy: LoadBalancer) -> Balancing {
    Balancing { policy, ..Balancing::default() }
}

const ROUND_ROBIN: LoadBalancer = LoadBalancer::RoundRobin { slow_start: None };

#[test]
fn equal_servers_get_equal_shares() {
    for policy in [
        LoadBalancer::default(),
        ROUND_ROBIN,
        LoadBalancer::Random,
        LoadBalancer::PeakEwma(PeakEwma::default()),
        LoadBalancer::RingHash(RingSettings::default(), Hashing::default()),
        LoadBalancer::Maglev(TABLE_SIZE, Hashing::default()),
    ] {
        let hits = spread(&by(policy), weighted(&[1; 4]), 10_000, Duration::ZERO);
        assert!(hits.iter().all(|hits| (2000..3000).contains(hits)), "{policy:?}: {hits:?}");
    }
}

#[test]
fn a_loaded_server_gets_less() {
    let loaded = |weights: &[u32]| {
        let mut servers = weighted(weights);
        servers[0].active = 100;
        servers
    };
    let hits = spread(&by(LoadBalancer::default()), loaded(&[1; 3]), 1000, Duration::ZERO);
    assert_eq!(hits[0], 0, "two are compared, so the loaded one never wins");
    let all = LoadBalancer::LeastRequest { compared: Compared::All, bias: 1.0, slow_start: None };
    assert_eq!(spread(&by(all), loaded(&[1; 3]), 1000, Duration::ZERO)[0], 0);
    // A weight of two, divided by a load of 101.
    let hits = spread(&by(LoadBalancer::default()), loaded(&[2, 1, 1]), 1020, Duration::ZERO);
    assert!((8..13).contains(&hits[0]), "{hits:?}");
    let unbiased = LoadBalancer::LeastRequest { compared: Compared::Some(2), bias: 0.0, slow_start: None };
    assert!(spread(&by(unbiased), loaded(&[2, 1, 1]), 1000, Duration::ZERO)[0].abs_diff(500) <= 4);
}

#[test]
fn a_new_server_begins_slowly() {
    let slow_start = Some(SlowStart { window: Duration::from_secs(100), aggression: 1.0, least: 0.1 });
    for policy in [
        LoadBalancer::RoundRobin { slow_start },
        LoadBalancer::LeastRequest { compared: Compared::Some(2), bias: 1.0, slow_start },
    ] {
        let hits = |now| {
            let mut servers = weighted(&[1, 1]);
            servers[1].well_since = Duration::from_secs(100);
            spread(&by(policy), servers, 1100, Duration::from_secs(now))[1]
        };
        assert!(hits(101).abs_diff(100) <= 2, "{}", hits(101));
        assert!(hits(150).abs_diff(366) <= 2, "{}", hits(150));
        assert!(hits(250).abs_diff(550) <= 60, "{}", hits(250));
    }
}

#[test]
fn a_slow_server_is_avoided_until_that_is_forgotten() {
    let settings = PeakEwma::default();
    let hits = |now| {
        let servers = weighted(&[1; 3]);
        let milliseconds = [10, 10, 200];
        for (server, took) in servers.iter().zip(milliseconds) {
            server.latency.observe(Duration::from_millis(took), Duration::from_secs(1), &settings);
        }
        spread(&by(LoadBalancer::PeakEwma(settings)), servers, 900, Duration::from_secs(now))
    };
    assert_eq!(hits(2)[2], 0);
    let (latency, later) = (Latency::default(), Duration::from_secs(61));
    latency.observe(Duration::from_millis(200), Duration::from_secs(1), &settings);
    assert!(latency.estimate(later, &settings).unwrap() < 11.0);
}

#[test]
fn places_get_their_weights_as_far_as_they_are_well() {
    let servers = || {
        let mut servers = weighted(&[1; 5]);
        for (server, (place, weight)) in servers.iter_mut().zip([("a", 1), ("a", 1), ("b", 3), ("b", 3), ("none", 0)]) {
            (server.locality, server.locality_weight) = (zone(place), weight);
        }
        servers
    };
    let balancing = Balancing { localities: LocalityRules::Weighted, ..by(ROUND_ROBIN) };
    assert!(
        spread(&balancing, servers(), 800, Duration::ZERO)
            .iter()
            .zip([100, 100, 300, 300, 0])
            .all(|(hits, wanted)| hits.abs_diff(wanted) <= 2)
    );
    let mut unwell = servers();
    unwell[2].health = TargetHealth::Unhealthy;
    // Half of the place is well: 3 * 0.7 against 1.
    let hits = spread(&balancing, unwell, 310, Duration::ZERO);
    assert!(hits[3].abs_diff(210) <= 3 && hits[2] == 0, "{hits:?}");
}

#[test]
fn requests_stay_near_as_far_as_that_is_fair() {
    let at = |zones: &[&str]| -> Vec<Server> {
        let mut servers = weighted(&vec![1; zones.len()]);
        servers.iter_mut().zip(zones).for_each(|(server, name)| server.locality = zone(name));
        servers
    };
    let callers: Vec<_> = at(&["near", "near", "far", "far"]).into_iter().map(Arc::new).collect();
    let rules = ZoneRules { min_cluster_size: 2, ..ZoneRules::default() };
    let balancing = Balancing { localities: LocalityRules::Nearest(rules), ..by(ROUND_ROBIN) };
    let hits = |zones: &[&str], here: &str| {
        spread_from(&balancing, at(zones), 1000, Duration::ZERO, &zone(here), Some(&callers))
    };
    assert_eq!(hits(&["near", "far"], "near"), [1000, 0]);
    assert_eq!(hits(&["near", "far"], "far"), [0, 1000]);
    let hits_of_few = hits(&["near", "far", "far", "far"], "near");
    assert!(hits_of_few[0].abs_diff(500) < 60, "a quarter for a half of the callers: {hits_of_few:?}");
    assert_eq!(hits(&["near", "far"], "elsewhere"), [500, 500], "its own place has no callers");
}

proptest! {
    #[test]
    fn turns_go_by_weight(weights in prop::collection::vec(1u32..20, 1..8)) {
        let sum: u32 = weights.iter().sum();
        for policy in [ROUND_ROBIN, LoadBalancer::default()] {
            let alike = weights.windows(2).all(|pair| pair[0] == pair[1]);
            if alike && policy != ROUND_ROBIN {
                continue;
            }
            let hits = spread(&by(policy), weighted(&weights), sum * 3, Duration::ZERO);
            let count = u32::try_from(weights.len()).unwrap();
            for (hits, weight) in hits.iter().zip(&weights) {
                prop_assert!(hits.abs_diff(weight * 3) <= 2 + weight * count / sum, "{hits} of {weight}");
            }
        }
    }

    #[test]
    fn who_goes_moves_only_those_that_it_had(count in 2usize..12, gone in 0usize..12) {
        let gone = gone % count;
        for policy in [
            LoadBalancer::RingHash(RingSettings::default(), Hashing::default()),
            LoadBalancer::Maglev(1009, Hashing::default()),
        ] {
            let all: Vec<_> = weighted(&vec![1; count]).into_iter().map(Arc::new).collect();
            let left: Vec<_> = all.iter().enumerate().filter(|(number, _)| *number != gone).map(|(_, it)| Arc::clone(it)).collect();
            let here = Locality::default();
            let (before, after) = (
                Plan::new(&by(policy), &known(&all, &here, None), None),
                Plan::new(&by(policy), &known(&left, &here, None), None),
            );
            let random = &mut StdRng::seed_from_u64(1);
            let mut moved = HashMap::<bool, u32>::new();
            for hash in (0..500u64).map(|key| hash(&key.to_le_bytes(), 0)) {
                let asking = Asking { hash, attempt: 0, shares: None, now: Duration::ZERO };
                let mut name = |plan: &Plan<Server>| Turns::default().choose(plan, &policy, &asking, random).unwrap().name.clone();
                let (one, other) = (name(&before), name(&after));
                if one != other {
                    *moved.entry(one == all[gone].name).or_default() += 1;
                }
            }
            // A ring moves nobody else, but for its size; a table a few.
            prop_assert!(moved.get(&false).copied().unwrap_or_default() <= 130, "{policy:?}: {moved:?}");
        }
    }

    #[test]
    fn whoever_is_well_is_chosen_and_nobody_else(
        health in prop::collection::vec((0u8..4, 0u32..3), 1..10), seed in any::<u64>(),
    ) {
        let mut servers = weighted(&vec![1; health.len()]);
        for (server, (health, priority)) in servers.iter_mut().zip(health) {
            server.priority = priority;
            server.health = [TargetHealth::Healthy, TargetHealth::Degraded, TargetHealth::Unhealthy, TargetHealth::Unknown]
                [usize::from(health)];
        }
        let servers: Vec<_> = servers.into_iter().map(Arc::new).collect();
        let any = servers.iter().any(|it| matches!(it.health, TargetHealth::Healthy | TargetHealth::Degraded));
        let balancing = Balancing { panic_threshold: 0, ..Balancing::default() };
        let plan = Plan::new(&balancing, &known(&servers, &Locality::default(), None), None);
        let random = &mut StdRng::seed_from_u64(seed);
        let asking = Asking { hash: 0, attempt: 0, shares: None, now: Duration::ZERO };
        let chosen = Turns::default().choose(&plan, &balancing.policy, &asking, random);
        prop_assert_eq!(chosen.is_some(), any);
        let is_well = chosen.is_none_or(|it| matches!(it.health, TargetHealth::Healthy | TargetHealth::Degraded));
        prop_assert!(is_well);
    }
}
