//! HTTP filters: what is done with a request between its coming and its routing, and with its answer. In Envoy's words,
//! [HTTP filters] with their configuration, and what a route says instead.
//!
//! ```text
//! request ─► filter ─► filter ─► … ─► route        each may change headers, wait, or answer itself
//! answer  ◄─ filter ◄─ filter ◄─ … ◄─ endpoint     in the other direction
//! ```
//!
//! [HTTP filters]: https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/http_filters

mod access_control;
pub mod authorize;
mod cors;
mod fault;
mod header_mutation;
mod limiter;
mod local_rate_limit;
mod overrides;
pub mod rate_limit;
mod service;
mod stateful_session;
mod token_bucket;

use std::{num::NonZeroU32, sync::Arc};

pub use access_control::AccessControl;
use authorize::{AuthzRoute, AuthzService, ExtAuthz};
pub use cors::{CorsPolicy, Preflight};
pub use fault::{Abort, AbortStatus, ActiveFault, Delay, Fault};
pub use header_mutation::HeaderMutation;
pub use limiter::{Entries, Limiter, Remaining, Taken};
pub use local_rate_limit::{LimitedStatus, LocalRateLimit, RateLimitVerdict};
pub use overrides::{Levels, Override, Overrides};
use rate_limit::{RateLimit, RateLimitRoute};
pub use service::{GrpcService, HttpService};
pub use stateful_session::{Session, SessionState, StatefulSession};
pub use token_bucket::TokenBucket;

use crate::jwt::{JwtAuthn, Provider};

/// A filter of a connection manager.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpFilter {
    /// Its name; routes refer to it.
    pub name: Box<str>,
    /// Whether it does nothing but for routes that say something for it.
    pub disabled: bool,
    /// What it does, where no route says another thing.
    pub config: FilterConfig,
}

/// What a filter does.
#[derive(Clone, Debug, PartialEq)]
pub enum FilterConfig {
    /// Who may ask for what ([`envoy.filters.http.rbac`]).
    ///
    /// [`envoy.filters.http.rbac`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/http/rbac/v3/rbac.proto
    AccessControl(Arc<AccessControl>),
    /// How many bytes a request's body may have ([`envoy.filters.http.buffer`]; nothing is held back, though).
    ///
    /// [`envoy.filters.http.buffer`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/http/buffer/v3/buffer.proto
    Buffer(NonZeroU32),
    /// Cross-origin requests of browsers ([`envoy.filters.http.cors`]); without a policy nothing is done.
    ///
    /// [`envoy.filters.http.cors`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/http/cors/v3/cors.proto
    Cors(Option<Arc<CorsPolicy>>),
    /// Asking a service whether a request may go on ([`envoy.filters.http.ext_authz`]).
    ///
    /// [`envoy.filters.http.ext_authz`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/http/ext_authz/v3/ext_authz.proto
    ExtAuthz(Arc<ExtAuthz>),
    /// What a route says of it.
    ExtAuthzRoute(Arc<AuthzRoute>),
    /// Delays and failures for tests ([`envoy.filters.http.fault`]).
    ///
    /// [`envoy.filters.http.fault`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/http/fault/v3/fault.proto
    Fault(Arc<Fault>),
    /// Changes to headers ([`envoy.filters.http.header_mutation`]).
    ///
    /// [`envoy.filters.http.header_mutation`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/http/header_mutation/v3/header_mutation.proto
    HeaderMutation(Arc<HeaderMutation>),
    /// Tokens that requests must have ([`envoy.filters.http.jwt_authn`]).
    ///
    /// [`envoy.filters.http.jwt_authn`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/http/jwt_authn/v3/config.proto
    JwtAuthn(Arc<JwtAuthn>),
    /// Which of its requirements counts for a route.
    JwtRequirement(Box<str>),
    /// How many requests there may be in a time ([`envoy.filters.http.local_ratelimit`]).
    ///
    /// [`envoy.filters.http.local_ratelimit`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/http/local_ratelimit/v3/local_rate_limit.proto
    LocalRateLimit(Arc<LocalRateLimit>),
    /// Limits that a service keeps ([`envoy.filters.http.ratelimit`]).
    ///
    /// [`envoy.filters.http.ratelimit`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/http/ratelimit/v3/rate_limit.proto
    RateLimit(Arc<RateLimit>),
    /// What a route says of it.
    RateLimitRoute(Arc<RateLimitRoute>),
    /// Sessions that stay with one endpoint ([`envoy.filters.http.stateful_session`]); `None`: there are none.
    ///
    /// [`envoy.filters.http.stateful_session`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/http/stateful_session/v3/stateful_session.proto
    StatefulSession(Option<Arc<StatefulSession>>),
}

impl FilterConfig {
    /// The clusters of the services that it asks.
    pub fn clusters(&self) -> impl Iterator<Item = &str> {
        let one = match self {
            Self::ExtAuthz(authz) => Some(authz.service.cluster()),
            Self::ExtAuthzRoute(route) => route.service.as_ref().map(AuthzService::cluster),
            Self::RateLimit(limit) => Some(&*limit.service.cluster),
            Self::AccessControl(_)
            | Self::Buffer(_)
            | Self::Cors(_)
            | Self::Fault(_)
            | Self::HeaderMutation(_)
            | Self::JwtAuthn(_)
            | Self::JwtRequirement(_)
            | Self::LocalRateLimit(_)
            | Self::RateLimitRoute(_)
            | Self::StatefulSession(_) => None,
        };
        let providers = match self {
            Self::JwtAuthn(authn) => &authn.providers[..],
            _ => &[],
        };
        one.into_iter().chain(providers.iter().filter_map(Provider::cluster))
    }
}
