//! Which endpoint takes the next request.

mod hash;
mod least_request;
mod maglev;
mod priority;
mod random;
mod ring_hash;
mod round_robin;

pub use hash::hash;
pub use maglev::{MAX_TABLE_SIZE, Maglev, TABLE_SIZE, is_prime};
pub use priority::{HealthRules, Share, Strength, choose as choose_priority};
use rand::Rng;
pub use ring_hash::{HashFunction, Ring, RingSettings};

/// What a balancer needs to know of an endpoint.
pub trait Target {
    /// Its relative share; 0 counts as 1.
    fn weight(&self) -> u32;
    /// Requests and connections that it has under way.
    fn active(&self) -> u32;
}

/// A way to choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LoadBalancer {
    /// The least loaded of some that are drawn at random (Envoy's `LEAST_REQUEST`): the default.
    LeastRequest {
        /// How many are drawn; 2 by default.
        choices: u32,
    },
    /// One after the other (`ROUND_ROBIN`).
    RoundRobin,
    /// At random (`RANDOM`).
    Random,
    /// By the request's hash on a ring (`RING_HASH`).
    RingHash(RingSettings),
    /// By the request's hash in a table of this size (`MAGLEV`).
    Maglev(u32),
}

impl Default for LoadBalancer {
    fn default() -> Self {
        Self::LeastRequest { choices: 2 }
    }
}

impl LoadBalancer {
    /// The chosen one of `targets`; `None` when there is none. Balancers by hash, which [`Ring`] and [`Maglev`] are for,
    /// choose at random here. `turn` counts the choices made before for this cluster.
    pub fn choose<'a, T: Target>(self, targets: &'a [T], turn: u64, random: &mut impl Rng) -> Option<&'a T> {
        match targets {
            [] => None,
            [only] => Some(only),
            _ => match self {
                Self::LeastRequest { choices } => least_request::choose(targets, choices, random),
                Self::RoundRobin => round_robin::choose(targets, turn),
                Self::Random | Self::RingHash(_) | Self::Maglev(_) => random::choose(targets, random),
            },
        }
    }
}

impl<T: Target> Target for std::sync::Arc<T> {
    fn weight(&self) -> u32 {
        T::weight(self)
    }

    fn active(&self) -> u32 {
        T::active(self)
    }
}

impl<T: Target> Target for &T {
    fn weight(&self) -> u32 {
        T::weight(self)
    }

    fn active(&self) -> u32 {
        T::active(self)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;

    struct Server {
        weight: u32,
        active: Cell<u32>,
    }

    impl Target for Server {
        fn weight(&self) -> u32 {
            self.weight
        }

        fn active(&self) -> u32 {
            self.active.get()
        }
    }

    fn servers(weights: &[u32]) -> Vec<Server> {
        weights.iter().map(|weight| Server { weight: *weight, active: Cell::new(0) }).collect()
    }

    fn spread(balancer: LoadBalancer, weights: &[u32], finish: bool) -> Vec<u32> {
        let servers = servers(weights);
        let mut random = StdRng::seed_from_u64(7);
        let mut hits = vec![0; weights.len()];
        for turn in 0..10_000 {
            let chosen = balancer.choose(&servers, turn, &mut random).unwrap();
            let index = servers.iter().position(|server| std::ptr::eq(server, chosen)).unwrap();
            hits[index] += 1;
            if !finish {
                chosen.active.set(chosen.active.get() + 1);
            }
        }
        hits
    }

    #[test]
    fn equal_servers_get_equal_shares() {
        for balancer in [LoadBalancer::default(), LoadBalancer::RoundRobin, LoadBalancer::Random] {
            for hits in spread(balancer, &[1, 1, 1, 1], true) {
                assert!((2200..2800).contains(&hits), "{balancer:?}: {hits}");
            }
        }
    }

    #[test]
    fn weights_are_shares() {
        for balancer in [LoadBalancer::RoundRobin, LoadBalancer::Random] {
            let hits = spread(balancer, &[3, 1], true);
            assert!((7200..7800).contains(&hits[0]), "{balancer:?}: {hits:?}");
        }
        // Least request: load settles where load per weight is equal.
        let hits = spread(LoadBalancer::default(), &[3, 1], false);
        assert!((7200..7800).contains(&hits[0]), "{hits:?}");
    }

    #[test]
    fn a_loaded_server_is_avoided() {
        let servers = servers(&[1, 1, 1]);
        servers[0].active.set(100);
        let mut random = StdRng::seed_from_u64(7);
        for turn in 0..1000 {
            let chosen = LoadBalancer::default().choose(&servers, turn, &mut random).unwrap();
            assert!(!std::ptr::eq(chosen, &servers[0]), "two are compared, so the loaded one never wins");
        }
    }

    #[test]
    fn nobody_is_chosen_from_nobody() {
        let mut random = StdRng::seed_from_u64(7);
        assert!(LoadBalancer::Random.choose::<Server>(&[], 0, &mut random).is_none());
    }
}
