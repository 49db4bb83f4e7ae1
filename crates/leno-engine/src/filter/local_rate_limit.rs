//! How many requests there may be in a time, counted by this proxy alone.

use std::{sync::Arc, time::Duration};

use rand::Rng;

use super::{
    Limiter, Remaining, Taken,
    rate_limit::{Descriptor, RateLimitRule, VirtualHostLimits},
};
use crate::{fraction::Fraction, route::HeaderEdits};

/// A limit of requests.
#[derive(Debug, PartialEq)]
pub struct LocalRateLimit {
    /// Names it in telemetry.
    pub stat_prefix: Box<str>,
    /// What refused requests are answered with.
    pub status: LimitedStatus,
    /// The tokens.
    pub limiter: Arc<Limiter>,
    /// Whether each connection has tokens of its own.
    pub by_connection: bool,
    /// Rules of the filter: where there are any, those of routes do not count.
    pub rules: Vec<RateLimitRule>,
    /// Rules of this stage count.
    pub stage: u32,
    /// Whether rules of the virtual host count.
    pub virtual_host: VirtualHostLimits,
    /// For how many requests it is looked at.
    pub enabled: Fraction,
    /// How many of those that are too many are refused.
    pub enforced: Fraction,
    /// Changes to requests that were too many, but not refused.
    pub unenforced_headers: HeaderEdits,
    /// Changes to the answers of refused ones.
    pub response_headers: HeaderEdits,
    /// Whether answers tell the limit in `x-ratelimit-…` ([draft 03]).
    ///
    /// [draft 03]: https://datatracker.ietf.org/doc/html/draft-polli-ratelimit-headers-03
    pub tells: bool,
    /// Whether gRPC callers are told `RESOURCE_EXHAUSTED` instead of `UNAVAILABLE`.
    pub exhausted: bool,
}

/// The status of an answer to a request too many: 429, or a larger one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitedStatus(pub u16);

impl Default for LimitedStatus {
    fn default() -> Self {
        Self(429)
    }
}

/// What a limit says to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RateLimitVerdict {
    /// It goes on; this is told of the limit.
    Passed(Option<Remaining>),
    /// It is one too many, but goes on.
    Unenforced(Option<Remaining>),
    /// It is one too many.
    Refused(Option<Remaining>),
}

impl LocalRateLimit {
    /// Whether it counts for a request.
    pub fn counts(&self, random: &mut impl Rng) -> bool {
        !self.limiter.is_empty() && self.enabled.hits(random)
    }

    /// Takes tokens for a request that it counts for, from its own buckets or those of the connection. `now` is counted
    /// from any moment, always the same.
    pub fn check(
        &self,
        limiter: &Limiter,
        descriptors: &[Descriptor],
        now: Duration,
        random: &mut impl Rng,
    ) -> RateLimitVerdict {
        let Taken { passed, told } = limiter.take(descriptors, now);
        let told = told.filter(|told| told.tells.unwrap_or(self.tells));
        match passed {
            true => RateLimitVerdict::Passed(told),
            false if self.enforced.hits(random) => RateLimitVerdict::Refused(told),
            false => RateLimitVerdict::Unenforced(told),
        }
    }
}
