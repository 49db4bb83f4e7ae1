//! How endpoints are chosen.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How endpoints are chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadBalancer {
    /// The way.
    pub algorithm: Algorithm,
    /// How endpoints that are new begin; with their full share when `None`.
    pub slow_start: Option<SlowStart>,
    /// Which endpoints are used first; all alike when `None`.
    pub nearness: Option<Nearness>,
    /// Below how many healthy endpoints in a hundred health does not count any more; `None`: what holds by default.
    pub panic_threshold: Option<u32>,
}

/// How endpoints that are new begin: with a small share, which grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlowStart {
    /// Until they have their full share; above zero.
    pub window: Duration,
    /// The share that they begin with at least, in hundredths of the full one: 0 to 100.
    pub minimum_percent: u32,
}

/// Which endpoints are used first, as long as enough of them are well. The others are used when they are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Nearness {
    /// Those of the caller's zone, then those of its region.
    SameZone,
    /// Those of the caller's region.
    SameRegion,
}

/// The way in which endpoints are chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// One after the other.
    RoundRobin,
    /// The one with the fewest requests under way among some.
    LeastRequest {
        /// Among how many; at least 2.
        choices: u32,
    },
    /// Any.
    Random,
    /// Of two the one that answered faster of late.
    PeakEwma {
        /// How long a slow answer counts; `None`: what holds by default.
        decay: Option<Duration>,
    },
    /// Requests of one hash to one endpoint, by a ring.
    RingHash {
        /// The fewest entries of the ring.
        minimum_size: Option<u32>,
        /// The most entries of the ring.
        maximum_size: Option<u32>,
        /// What is hashed.
        on: Vec<HashOn>,
    },
    /// Requests of one hash to one endpoint, by a table.
    Maglev {
        /// How many entries the table has, a prime number.
        table_size: Option<u32>,
        /// What is hashed.
        on: Vec<HashOn>,
    },
}

impl Algorithm {
    /// What is hashed; empty where nothing is.
    #[must_use]
    pub fn hash_on(&self) -> &[HashOn] {
        match self {
            Self::RoundRobin | Self::LeastRequest { .. } | Self::Random | Self::PeakEwma { .. } => &[],
            Self::RingHash { on, .. } | Self::Maglev { on, .. } => on,
        }
    }
}

/// One part of what is hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashOn {
    /// What.
    pub by: HashBy,
    /// Whether what follows is left out when this gave something.
    pub last: bool,
}

/// What of a request is hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashBy {
    /// A header.
    Header(String),
    /// A cookie.
    Cookie {
        /// Its name.
        name: String,
        /// How long one lives that the sidecar makes where a request has none; none is made when `None`.
        ttl: Option<Duration>,
        /// The path that such a one is for; any when empty.
        path: String,
    },
    /// The caller's address.
    SourceIp,
    /// A parameter of the query.
    QueryParameter(String),
}
