//! How endpoints are chosen.

use std::time::Duration;

use leno_model::policy::traffic::{
    Algorithm as AlgorithmModel, HashBy, HashOn as HashModel, LoadBalancer as Model, Nearness,
    SlowStart as SlowStartModel,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::syntax::duration;

/// How endpoints are chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancer {
    /// The way; `LeastRequest` when not given.
    pub algorithm: Option<Algorithm>,
    /// Of `LeastRequest`: among how many, drawn by lot, from 2 up; `2` when not given.
    pub choices: Option<u32>,
    /// Of `RingHash`: the fewest entries of the ring, up to 8388608; `1024` when not given.
    pub minimum_ring_size: Option<u32>,
    /// Of `RingHash`: the most entries of the ring, up to 8388608; that many when not given.
    pub maximum_ring_size: Option<u32>,
    /// Of `Maglev`: the entries of the table, a prime number up to 5000011; `65537` when not given.
    pub table_size: Option<u32>,
    /// Of `RingHash` and `Maglev`: what is hashed, all of it together; at least one.
    #[serde(default)]
    pub hash_on: Vec<HashOn>,
    /// Of `PeakEwma`: how long a slow answer counts; `10s` when not given.
    pub decay: Option<String>,
    /// Of `LeastRequest` and `RoundRobin`: how endpoints that are new begin; with their full share when not given.
    pub slow_start: Option<SlowStart>,
    /// Which endpoints are used first, as long as enough of them are well; all alike when not given.
    pub prefer: Option<Prefer>,
    /// Below how many healthy endpoints in a hundred health does not count any more, so that the few are not overrun;
    /// `50` when not given.
    pub panic_threshold: Option<u32>,
}

/// The way in which endpoints are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Algorithm {
    /// The one with the fewest requests under way among some.
    #[default]
    LeastRequest,
    /// One after the other.
    RoundRobin,
    /// Any.
    Random,
    /// Of two, drawn by lot, the one that answers faster: by a moving average of its answers' times and what is under way.
    PeakEwma,
    /// Requests of one hash to one endpoint, by a ring: few move when endpoints come or go.
    RingHash,
    /// Requests of one hash to one endpoint, by a table: faster and more even than a ring, a little more moves.
    Maglev,
}

/// How endpoints that are new begin: with a small share, which grows to the full one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SlowStart {
    /// Until they have their full share.
    pub window: String,
    /// The share that they begin with at least, in hundredths of the full one; `10` when not given.
    pub minimum_percent: Option<u32>,
}

/// Which endpoints are used first. Where clients and endpoints run is what the labels `topology.kubernetes.io/zone` and
/// `topology.kubernetes.io/region` of their pods say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Prefer {
    /// Those of the client's zone, then those of its region, then the others.
    SameZone,
    /// Those of the client's region, then the others.
    SameRegion,
}

impl Prefer {
    /// What it means.
    #[must_use]
    pub fn to_model(self) -> Nearness {
        match self {
            Self::SameZone => Nearness::SameZone,
            Self::SameRegion => Nearness::SameRegion,
        }
    }
}

impl SlowStart {
    /// What it means; `None` when it cannot be read, which reading refuses.
    #[must_use]
    pub fn to_model(&self) -> Option<SlowStartModel> {
        let window = duration::parse(&self.window).filter(|window| *window > Duration::ZERO)?;
        Some(SlowStartModel { window, minimum_percent: self.minimum_percent.unwrap_or(10) })
    }
}

/// One part of what is hashed: exactly one of `header`, `cookie`, `sourceIp` and `queryParameter`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HashOn {
    /// The header of this name.
    pub header: Option<String>,
    /// A cookie.
    pub cookie: Option<Cookie>,
    /// Whether the caller's address is.
    pub source_ip: Option<bool>,
    /// The parameter of the query of this name.
    pub query_parameter: Option<String>,
    /// Whether what follows is left out when this gave something; false when not given.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub last: bool,
}

/// A cookie.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cookie {
    /// Its name.
    pub name: String,
    /// How long one lives that the sidecar makes where a request has none (`0s`: as long as the browser runs); none is made
    /// when not given.
    pub ttl: Option<String>,
    /// The path that such a one is for; any when not given.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
}

impl LoadBalancer {
    /// What it means.
    #[must_use]
    pub fn to_model(&self) -> Model {
        let on = || self.hash_on.iter().filter_map(HashOn::to_model).collect();
        let algorithm = match self.algorithm.unwrap_or_default() {
            Algorithm::LeastRequest => AlgorithmModel::LeastRequest { choices: self.choices.unwrap_or(2) },
            Algorithm::RoundRobin => AlgorithmModel::RoundRobin,
            Algorithm::Random => AlgorithmModel::Random,
            Algorithm::PeakEwma => AlgorithmModel::PeakEwma { decay: self.decay.as_deref().and_then(duration::parse) },
            Algorithm::RingHash => AlgorithmModel::RingHash {
                minimum_size: self.minimum_ring_size,
                maximum_size: self.maximum_ring_size,
                on: on(),
            },
            Algorithm::Maglev => AlgorithmModel::Maglev { table_size: self.table_size, on: on() },
        };
        Model {
            algorithm,
            slow_start: self.slow_start.as_ref().and_then(SlowStart::to_model),
            nearness: self.prefer.map(Prefer::to_model),
            panic_threshold: self.panic_threshold,
        }
    }
}

impl HashOn {
    /// What it means; `None` when nothing is given, which reading refuses.
    #[must_use]
    pub fn to_model(&self) -> Option<HashModel> {
        let header = self.header.as_ref().map(|name| HashBy::Header(name.to_ascii_lowercase()));
        let cookie = || {
            let Cookie { name, ttl, path } = self.cookie.clone()?;
            Some(HashBy::Cookie { name, ttl: ttl.as_deref().and_then(duration::parse), path })
        };
        let source = || self.source_ip.filter(|it| *it).map(|_| HashBy::SourceIp);
        let query = || self.query_parameter.clone().map(HashBy::QueryParameter);
        let by = header.or_else(cookie).or_else(source).or_else(query)?;
        Some(HashModel { by, last: self.last })
    }
}
