//! Which endpoint takes the next request.
//!
//! ```text
//! subset ─► priority, by health ─► place, by weight or nearness ─► endpoint, by the policy
//! ```
//!
//! [`Plan`] is what there is to choose from, made anew when endpoints or their health change; [`Turns`] is what a worker
//! remembers between choices.

mod bounded;
mod edf;
mod hash;
mod least_request;
mod locality;
mod maglev;
mod peak_ewma;
mod plan;
mod priority;
mod ring_hash;
mod slow_start;
mod subset;
mod table;
#[cfg(test)]
mod tests;
mod turn;

use std::time::Duration;

pub use hash::hash;
pub use least_request::Compared;
pub use locality::{Locality, LocalityRules, Presence, ZoneRouting, ZoneRules};
pub use maglev::{MAX_TABLE_SIZE, Maglev, TABLE_SIZE, is_prime};
pub use peak_ewma::{Latency, PeakEwma};
pub use plan::{Known, Plan};
pub use priority::{Availability, HealthRules, Share, Strength, choose as choose_priority};
pub use ring_hash::{HashFunction, Ring, RingSettings};
pub use slow_start::SlowStart;
pub use subset::{Criteria, Fallback, Selector, SelectorFallback, Subset, SubsetIndex, SubsetRules};
pub use turn::{Asking, Turns};

/// What a balancer needs to know of an endpoint.
pub trait Target {
    /// Its relative share; 0 counts as 1.
    fn weight(&self) -> u32;
    /// Requests and connections that it has under way.
    fn active(&self) -> u32;
    /// How well it is.
    fn health(&self) -> TargetHealth;
    /// How far it is from being wanted first.
    fn priority(&self) -> u32;
    /// Where it is.
    fn locality(&self) -> &Locality;
    /// What that place weighs in its priority.
    fn locality_weight(&self) -> u32;
    /// Since when it has been well, from any beginning.
    fn well_since(&self) -> Duration;
    /// How quickly it answers.
    fn latency(&self) -> &Latency;
    /// What its place on a ring or in a table is made of.
    fn hash_key(&self, key: HashKey) -> String;
}

/// How well an endpoint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TargetHealth {
    /// It is.
    Healthy,
    /// Not quite: it is asked where the healthy ones are too few.
    Degraded,
    /// It is not.
    Unhealthy,
    /// It was never asked, and does not count until it was (`ignore_new_hosts_until_first_hc`).
    Unknown,
}

/// What an endpoint's place is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HashKey {
    /// Its address.
    #[default]
    Address,
    /// Its host's name.
    Hostname,
}

/// How a balancer goes by hashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Hashing {
    /// What an endpoint's place is made of.
    pub key: HashKey,
    /// How many times the mean an endpoint may have under way, in per cent (`hash_balance_factor`); `None`: any.
    pub bound: Option<u32>,
}

/// A way to choose.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LoadBalancer {
    /// The least loaded (Envoy's `LEAST_REQUEST`): the default.
    LeastRequest {
        /// Of which.
        compared: Compared,
        /// How much load counts where weights differ (`active_request_bias`). Default 1.
        bias: f64,
        /// How new endpoints begin.
        slow_start: Option<SlowStart>,
    },
    /// One after the other (`ROUND_ROBIN`), by weight.
    RoundRobin {
        /// How new endpoints begin.
        slow_start: Option<SlowStart>,
    },
    /// At random (`RANDOM`), whatever the weights.
    Random,
    /// The one that is likely to answer first.
    PeakEwma(PeakEwma),
    /// By the request's hash on a ring (`RING_HASH`).
    RingHash(RingSettings, Hashing),
    /// By the request's hash in a table of this size (`MAGLEV`).
    Maglev(u32, Hashing),
}

impl Default for LoadBalancer {
    fn default() -> Self {
        Self::LeastRequest { compared: Compared::Some(2), bias: 1.0, slow_start: None }
    }
}

impl LoadBalancer {
    /// Whether it goes by hashes.
    #[must_use]
    pub fn is_by_hash(&self) -> bool {
        matches!(self, Self::RingHash(..) | Self::Maglev(..))
    }

    /// How new endpoints begin.
    #[must_use]
    pub fn slow_start(&self) -> Option<SlowStart> {
        match self {
            Self::LeastRequest { slow_start, .. } | Self::RoundRobin { slow_start } => *slow_start,
            Self::Random | Self::PeakEwma(_) | Self::RingHash(..) | Self::Maglev(..) => None,
        }
    }
}

/// All that decides which endpoint of a cluster takes a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Balancing {
    /// The policy.
    pub policy: LoadBalancer,
    /// How places count.
    pub localities: LocalityRules,
    /// Below how many per cent of healthy endpoints health does not count any more
    /// (`common_lb_config.healthy_panic_threshold`); default 50.
    pub panic_threshold: u32,
    /// The subsets; `None`: requests are for all endpoints alike.
    pub subsets: Option<SubsetRules>,
}

impl Default for Balancing {
    fn default() -> Self {
        Self {
            policy: LoadBalancer::default(),
            localities: LocalityRules::Ignore,
            panic_threshold: HealthRules::default().panic_threshold,
            subsets: None,
        }
    }
}
