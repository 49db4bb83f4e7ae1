//! Limits that a service keeps ([`envoy.extensions.filters.http.ratelimit.v3.RateLimit`]), and what requests are counted
//! by, there and in limits that the proxy keeps itself.
//!
//! ```text
//! route, virtual host, filter ─► RateLimitRule: actions ─► Descriptor ─► service, or a bucket of the proxy's own
//! ```
//!
//! [`envoy.extensions.filters.http.ratelimit.v3.RateLimit`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/http/ratelimit/v3/rate_limit.proto

mod action;
mod answer;
mod rule;

pub use action::{AddressPart, RateLimitAction};
pub use answer::{LimitStatus, RateLimitAnswer, Told, told};
pub use rule::{Descriptor, LimitOverride, LimitUnit, RateLimitFacts, RateLimitRule, VirtualHostLimits, applicable};

use super::GrpcService;
use crate::{
    fraction::Fraction,
    route::{HeaderEdits, HeaderWrite},
};

/// A filter that asks a rate limit service.
#[derive(Clone, Debug, PartialEq)]
pub struct RateLimit {
    /// Whose limits are meant.
    pub domain: Box<str>,
    /// Rules of this stage count.
    pub stage: u32,
    /// Who is asked.
    pub service: GrpcService,
    /// For how many requests it is asked.
    pub enabled: Fraction,
    /// How many of those that are too many are refused.
    pub enforced: Fraction,
    /// How many requests are refused when nobody answers.
    pub failure_denies: Fraction,
    /// The status of those. Default 500.
    pub status_on_error: u16,
    /// The status of requests that are too many. Default 429.
    pub status: u16,
    /// Changes to the answers of refused ones.
    pub response_headers: Vec<HeaderWrite>,
    /// Whether answers tell the limit in `x-ratelimit-…`.
    pub tells: bool,
    /// Whether refused ones carry `x-envoy-ratelimited`.
    pub marks: bool,
    /// Whether refused ones say when to come back (`retry-after`); only with 429.
    pub retry_after: bool,
    /// Whether gRPC callers are told `RESOURCE_EXHAUSTED` instead of `UNAVAILABLE`.
    pub exhausted: bool,
    /// Rules of the filter: where there are any, those of routes do not count.
    pub rules: Vec<RateLimitRule>,
    /// Under which name what the service found out is kept.
    pub metadata_namespace: Box<str>,
}

/// What a route says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RateLimitRoute {
    /// Whether rules of the virtual host count.
    pub virtual_host: VirtualHostLimits,
    /// Rules: where there are any, no others count.
    pub rules: Vec<RateLimitRule>,
    /// Another domain.
    pub domain: Option<Box<str>>,
}

impl RateLimit {
    /// Changes to the answers of refused requests.
    #[must_use]
    pub fn response_edits(&self) -> HeaderEdits {
        HeaderEdits { remove: Vec::new(), add: self.response_headers.clone() }
    }
}
