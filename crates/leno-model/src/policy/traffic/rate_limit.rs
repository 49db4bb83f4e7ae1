//! How much a server takes in a time: at its own sidecar, each instance for itself.

use std::time::Duration;

use super::CountBy;
use crate::policy::RequestMatch;

/// How much a server takes in a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RateLimit {
    /// Of HTTP requests.
    pub http: Option<HttpLimit>,
    /// Of connections of bytes.
    pub tcp: Option<TcpLimit>,
}

/// How many HTTP requests a server takes in a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpLimit {
    /// Of those that fit none of `routes`; as many as come when `None`.
    pub rate: Option<HttpRate>,
    /// Of some requests; the first that fits counts.
    pub routes: Vec<RateRoute>,
}

impl HttpLimit {
    /// Whether callers are counted apart.
    #[must_use]
    pub fn counts_callers(&self) -> bool {
        let rates = self.rate.iter().chain(self.routes.iter().map(|route| &route.rate));
        rates.into_iter().any(|rate| rate.by.contains(&CountBy::Caller))
    }
}

/// Some requests, and how many of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateRoute {
    /// Which.
    pub fits: RequestMatch,
    /// How many.
    pub rate: HttpRate,
}

/// How many requests in a time, and what the others are answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRate {
    /// What is counted apart, all of it together; requests without it count together.
    pub by: Vec<CountBy>,
    /// So many; at least 1.
    pub requests: u32,
    /// In this time; at least 50 ms.
    pub per: Duration,
    /// So many more at once, where earlier ones stayed away.
    pub burst: u32,
    /// What the others are answered: 400 to 599.
    pub status: u16,
    /// Headers of that answer.
    pub headers: Vec<(String, String)>,
}

/// How many connections of bytes a server takes in a time; the others are closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpLimit {
    /// So many; at least 1.
    pub connections: u32,
    /// In this time; at least 50 ms.
    pub per: Duration,
    /// So many more at once, where earlier ones stayed away.
    pub burst: u32,
}
