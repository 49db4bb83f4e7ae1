//! How much all instances of a server take together in a time: a service counts for them.

use std::time::Duration;

use crate::{ServiceName, policy::RequestMatch};

/// How much all instances of a server take together in a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GlobalRateLimit {
    /// Who counts.
    pub counter: RateCounter,
    /// The domain of the limits there.
    pub domain: String,
    /// What is limited; a request has to pass all that fit it.
    pub limits: Vec<CountedLimit>,
    /// How long the service may take.
    pub timeout: Duration,
    /// Whether requests are refused while the service does not answer.
    pub closed_on_error: bool,
    /// What requests over a limit are answered: 400 to 599.
    pub status: u16,
    /// Headers of that answer.
    pub headers: Vec<(String, String)>,
}

/// Who counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RateCounter {
    /// The control plane.
    ControlPlane,
    /// A service that speaks Envoy's rate limit protocol.
    Service {
        /// Its name.
        service: ServiceName,
        /// The number of its port.
        port: u16,
    },
}

impl RateCounter {
    /// The service and its port, where it is one.
    #[must_use]
    pub fn service(&self) -> Option<(&ServiceName, u16)> {
        match self {
            Self::ControlPlane => None,
            Self::Service { service, port } => Some((service, *port)),
        }
    }
}

impl GlobalRateLimit {
    /// Whether callers are counted apart.
    #[must_use]
    pub fn counts_callers(&self) -> bool {
        self.limits.iter().any(|limit| limit.by.contains(&CountBy::Caller))
    }
}

/// One limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountedLimit {
    /// Its name.
    pub name: String,
    /// Of which requests.
    pub fits: RequestMatch,
    /// What is counted apart.
    pub by: Vec<CountBy>,
    /// How much; what the service's own rules say when `None`. The control plane has none.
    pub rate: Option<CountedRate>,
}

/// How many requests in a unit of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountedRate {
    /// So many.
    pub requests: u32,
    /// In this.
    pub unit: CountedUnit,
}

/// A unit of time that a service counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountedUnit {
    /// One second.
    Second,
    /// 60 seconds.
    Minute,
    /// 60 minutes.
    Hour,
    /// 24 hours.
    Day,
}

/// What of a request is counted apart. Requests without it are not limited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CountBy {
    /// The value of a header; its name is in lower case.
    Header(String),
    /// The value of a parameter of the query.
    QueryParameter(String),
    /// The path, with the query.
    Path,
    /// The method.
    Method,
    /// The caller's address.
    RemoteAddress,
    /// The caller's identity.
    Caller,
}
