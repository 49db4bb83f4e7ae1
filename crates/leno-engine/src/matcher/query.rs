//! Patterns on query parameters ([`envoy.config.route.v3.QueryParameterMatcher`]).
//!
//! [`envoy.config.route.v3.QueryParameterMatcher`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#config-route-v3-queryparametermatcher

use super::StringMatcher;
use crate::request::RequestHead;

/// A pattern on one query parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryMatcher {
    /// The parameter's name.
    pub name: Box<str>,
    /// How it must be.
    pub fits: QueryMatch,
}

/// How a query parameter must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueryMatch {
    /// There (`true`) or not (`false`).
    Present(bool),
    /// Its value fits.
    Text(StringMatcher),
}

impl QueryMatcher {
    /// Whether the request fits.
    pub fn matches(&self, request: &impl RequestHead) -> bool {
        let value = request.query(&self.name);
        match &self.fits {
            QueryMatch::Present(present) => value.is_some() == *present,
            QueryMatch::Text(text) => value.is_some_and(|value| text.matches(value.as_bytes())),
        }
    }
}
