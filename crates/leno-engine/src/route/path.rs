//! Patterns on paths ([`RouteMatch.path_specifier`]).
//!
//! [`RouteMatch.path_specifier`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#config-route-v3-routematch

use crate::matcher::Pattern;

/// How the path, without its query, must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathMatch {
    /// Beginning with this.
    Prefix(Box<str>),
    /// This.
    Exact(Box<str>),
    /// Fitting this as a whole.
    Regex(Pattern),
    /// This, or beginning with this and a `/`.
    SeparatedPrefix(Box<str>),
    /// None: the request is a `CONNECT`, whose target is a host. No other pattern fits such a request.
    Connect,
}

impl PathMatch {
    /// Whether a path fits. Case does not count when `ignore_case`, except for expressions.
    #[must_use]
    pub fn matches(&self, path: &str, ignore_case: bool) -> bool {
        let same = |one: &[u8], two: &str| {
            if ignore_case { one.eq_ignore_ascii_case(two.as_bytes()) } else { one == two.as_bytes() }
        };
        let bytes = path.as_bytes();
        let starts = |prefix: &str| bytes.get(..prefix.len()).is_some_and(|start| same(start, prefix));
        match self {
            Self::Prefix(prefix) => starts(prefix),
            Self::Exact(exact) => same(bytes, exact),
            Self::Regex(pattern) => pattern.fits(bytes),
            Self::Connect => false,
            Self::SeparatedPrefix(prefix) => starts(prefix) && matches!(bytes.get(prefix.len()), None | Some(b'/')),
        }
    }

    /// How much of a path that fits the pattern itself stands for: what a prefix rewrite replaces.
    #[must_use]
    pub fn matched_len(&self, path: &str) -> usize {
        match self {
            Self::Prefix(prefix) | Self::SeparatedPrefix(prefix) => prefix.len().min(path.len()),
            Self::Exact(_) | Self::Regex(_) | Self::Connect => path.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind() {
        for (pattern, path, expected) in [
            (PathMatch::Prefix("/v2".into()), "/v2example", true),
            (PathMatch::Prefix("/v2".into()), "/V2", false),
            (PathMatch::SeparatedPrefix("/v2".into()), "/v2example", false),
            (PathMatch::SeparatedPrefix("/v2".into()), "/v2/example", true),
            (PathMatch::SeparatedPrefix("/v2".into()), "/v2", true),
            (PathMatch::Exact("/v2".into()), "/v2", true),
            (PathMatch::Exact("/v2".into()), "/v2/", false),
            (PathMatch::Regex(Pattern::new("/v[0-9]").unwrap()), "/v2", true),
            (PathMatch::Regex(Pattern::new("/v[0-9]").unwrap()), "/v22", false),
        ] {
            assert_eq!(pattern.matches(path, false), expected, "{pattern:?} on {path}");
        }
        assert!(PathMatch::Prefix("/v2".into()).matches("/V2x", true));
    }
}
