//! How many requests there may be in a time, counted by this proxy alone.

use std::time::Duration;

use rand::Rng;

use super::TokenBucket;
use crate::{fraction::Fraction, route::HeaderEdits};

/// A limit of requests.
#[derive(Debug, PartialEq)]
pub struct LocalRateLimit {
    /// Names it in telemetry.
    pub stat_prefix: Box<str>,
    /// What refused requests are answered with.
    pub status: LimitedStatus,
    /// The tokens; `None`: nothing is limited.
    pub bucket: Option<TokenBucket>,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateLimitVerdict {
    /// The limit does not count for it.
    Skipped,
    /// It goes on.
    Passed,
    /// It is one too many, but goes on.
    Unenforced,
    /// It is one too many.
    Refused,
}

impl LocalRateLimit {
    /// Takes a token for a request. `now` is counted from any moment, always the same.
    pub fn check(&self, now: Duration, random: &mut impl Rng) -> RateLimitVerdict {
        let Some(bucket) = &self.bucket else { return RateLimitVerdict::Skipped };
        if !self.enabled.hits(random) {
            return RateLimitVerdict::Skipped;
        }
        match bucket.take(now) {
            true => RateLimitVerdict::Passed,
            false if self.enforced.hits(random) => RateLimitVerdict::Refused,
            false => RateLimitVerdict::Unenforced,
        }
    }
}
