//! What happens to a request that a route matches.

use std::{sync::Arc, time::Duration};

use super::{HashPolicy, HeaderEdits, PathMatch};
use crate::{
    balance::Criteria,
    filter::{Overrides, rate_limit::RateLimitRule},
    fraction::Fraction,
    matcher::Pattern,
    request::RequestHead,
    resilience::RetryPolicy,
    split,
};

/// What happens to a request.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "almost every route goes on")]
pub enum Action {
    /// It goes on to a cluster.
    Forward(Forward),
    /// The caller is sent elsewhere.
    Redirect(Redirect),
    /// It is answered here.
    DirectResponse(DirectResponse),
}

/// A request that goes on ([`RouteAction`]).
///
/// [`RouteAction`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#config-route-v3-routeaction
#[derive(Clone, Debug, PartialEq)]
pub struct Forward {
    /// Where to.
    pub clusters: Clusters,
    /// How the path changes.
    pub path_rewrite: Option<PathRewrite>,
    /// How the host changes.
    pub host_rewrite: Option<HostRewrite>,
    /// What is said of upgrades beside the connection manager; `None`: nothing.
    pub upgrades: Option<Arc<[Upgrade]>>,
    /// Whether a host that changed is told in `x-forwarded-host`.
    pub tells_host: bool,
    /// The status where the cluster does not exist.
    pub not_found: u16,
    /// What requests are kept together by.
    pub hash: Vec<HashPolicy>,
    /// How long the answer may take, from the end of the request to its own end; `None`: as long as it likes.
    pub timeout: Option<Duration>,
    /// How long nothing may move; `None`: what the connection manager says.
    pub idle_timeout: Option<Duration>,
    /// How long a request may take with its answer; zero: for ever; `None`: what the connection manager says.
    pub longest: Option<Duration>,
    /// When to try again.
    pub retry: Option<Arc<RetryPolicy>>,
    /// Who else gets them; empty: as the virtual host or the route table says.
    pub mirrors: Box<[Mirror]>,
    /// How requests are counted.
    pub rate_limits: Box<[RateLimitRule]>,
    /// Whether the virtual host's rules count as well.
    pub host_rate_limits: bool,
    /// What must be noted about the endpoint (`metadata_match`).
    pub criteria: Option<Arc<Criteria>>,
}

/// Who gets a request as well; the answer is thrown away ([`RequestMirrorPolicy`]).
///
/// [`RequestMirrorPolicy`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#config-route-v3-routeaction-requestmirrorpolicy
#[derive(Clone, Debug, PartialEq)]
pub struct Mirror {
    /// The cluster.
    pub cluster: Box<str>,
    /// How many requests it gets.
    pub share: Fraction,
    /// The host that it is asked for.
    pub host: MirrorHost,
    /// Changes to the headers, one after the other.
    pub edits: Vec<HeaderEdits>,
}

/// The host that a mirror is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MirrorHost {
    /// The request's, with `-shadow` at the end of the name.
    Marked,
    /// The request's.
    Same,
    /// This.
    Fixed(Box<str>),
}

impl MirrorHost {
    /// The host for a request to this one.
    #[must_use]
    pub fn of(&self, host: &str) -> String {
        match self {
            Self::Same => host.to_owned(),
            Self::Fixed(host) => host.to_string(),
            Self::Marked => match split_port(host) {
                (name, Some(port)) => format!("{name}-shadow:{port}"),
                (_, None) => format!("{host}-shadow"),
            },
        }
    }
}

/// One cluster, or several by weight.
#[derive(Clone, Debug, PartialEq)]
pub enum Clusters {
    /// This one.
    One(Box<str>),
    /// One of these, by weight; header edits of the chosen one come after the route's.
    Weighted(Vec<ClusterWeight>),
}

/// A cluster with its share.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterWeight {
    /// Its name.
    pub cluster: Box<str>,
    /// Its share.
    pub weight: u32,
    /// Changes to the request's headers.
    pub request_headers: HeaderEdits,
    /// Changes to the answer's headers.
    pub response_headers: HeaderEdits,
    /// What is said for filters.
    pub filters: Overrides,
    /// What must be noted about the endpoint, the route's included.
    pub criteria: Option<Arc<Criteria>>,
}

/// A new path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathRewrite {
    /// What the route's pattern stands for is replaced by this.
    Prefix(Box<str>),
    /// Every fit of the expression is replaced by this, where `\1` is the first group.
    Regex(Pattern, Box<str>),
}

/// A new host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostRewrite {
    /// This.
    Literal(Box<str>),
    /// The value of this header of the request, if it is there.
    Header(Box<str>),
    /// The path, with every fit of the expression replaced by this.
    PathRegex(Pattern, Box<str>),
    /// The name of the endpoint's host, where it has one (`auto_host_rewrite`).
    Endpoint,
}

/// What is said of one kind of upgrade ([`UpgradeConfig`]).
///
/// [`UpgradeConfig`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#config-route-v3-routeaction-upgradeconfig
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// The value of `Upgrade`, in lower case; `connect` for CONNECT.
    pub name: Box<str>,
    /// Whether it is passed on.
    pub enabled: bool,
    /// Whether CONNECT ends here, and the endpoint gets what comes through the tunnel.
    pub terminates: Option<Terminate>,
}

/// How CONNECT ends here ([`ConnectConfig`]).
///
/// [`ConnectConfig`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#config-route-v3-routeaction-upgradeconfig-connectconfig
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terminate {
    /// Whether POST does as well.
    pub post: bool,
}

/// The caller is sent elsewhere ([`RedirectAction`]).
///
/// [`RedirectAction`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#config-route-v3-redirectaction
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
    /// `http` or `https`, when it changes.
    pub scheme: Option<Box<str>>,
    /// The host, when it changes.
    pub host: Option<Box<str>>,
    /// The port, when it changes.
    pub port: Option<u16>,
    /// The path, when it changes.
    pub path: Option<PathRedirect>,
    /// Whether the query is left out.
    pub strip_query: bool,
}

/// A redirect's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathRedirect {
    /// This, query included.
    Full(Box<str>),
    /// The path, rewritten.
    Rewrite(PathRewrite),
}

/// An answer given here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectResponse {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Box<str>,
}

impl Clusters {
    /// The cluster that takes this request; `None` when every weight is 0. `number` is the request's, drawn at random.
    #[must_use]
    pub fn choose(&self, number: u64) -> Option<(&str, Option<&ClusterWeight>)> {
        match self {
            Self::One(name) => Some((name, None)),
            Self::Weighted(clusters) => {
                let chosen = split::choose(clusters, |cluster| cluster.weight, |sum| number % sum)?;
                Some((&chosen.cluster, Some(chosen)))
            }
        }
    }

    /// Those by weight, if they are.
    pub fn weighted(&self) -> impl Iterator<Item = &ClusterWeight> {
        match self {
            Self::One(_) => &[][..],
            Self::Weighted(clusters) => clusters,
        }
        .iter()
    }

    /// Every cluster that may be chosen.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let (one, weighted) = match self {
            Self::One(name) => (Some(&**name), None),
            Self::Weighted(clusters) => (None, Some(clusters)),
        };
        one.into_iter().chain(weighted.into_iter().flatten().map(|cluster| &*cluster.cluster))
    }
}

impl Forward {
    /// A request that goes on to one cluster as it is, for as long as it takes.
    #[must_use]
    pub fn to(cluster: &str) -> Self {
        Self {
            clusters: Clusters::One(cluster.into()),
            path_rewrite: None,
            host_rewrite: None,
            upgrades: None,
            tells_host: false,
            not_found: 503,
            hash: Vec::new(),
            timeout: None,
            idle_timeout: None,
            longest: None,
            retry: None,
            mirrors: Box::default(),
            rate_limits: Box::default(),
            host_rate_limits: false,
            criteria: None,
        }
    }
}

impl HostRewrite {
    /// The new host of a request; `None`: the old one.
    pub fn apply<R: RequestHead>(&self, request: &R) -> Option<Box<str>> {
        match self {
            Self::Literal(host) => Some(host.clone()),
            Self::Header(name) => {
                let value = std::str::from_utf8(request.header(name)?).ok()?;
                (!value.is_empty()).then(|| value.into())
            }
            Self::PathRegex(pattern, substitution) => Some(pattern.replace(request.path(), substitution).into()),
            // Known once the endpoint is.
            Self::Endpoint => None,
        }
    }
}

impl PathRewrite {
    /// The new target (path and query) of a request for `target` that `matched` matched.
    #[must_use]
    pub fn apply(&self, matched: &PathMatch, target: &str) -> String {
        let end = target.find(['?', '#']).unwrap_or(target.len());
        let (path, query) = target.split_at(end);
        let path = match self {
            Self::Prefix(prefix) => {
                let rest = path.get(matched.matched_len(path)..).unwrap_or_default();
                format!("{prefix}{rest}")
            }
            Self::Regex(pattern, substitution) => pattern.replace(path, substitution),
        };
        // A request needs a path.
        if path.is_empty() { format!("/{query}") } else { path + query }
    }
}

impl Redirect {
    /// The `location` of a request for `target` at `authority` that `matched` matched, made over `scheme`.
    #[must_use]
    pub fn location(&self, matched: &PathMatch, scheme: &str, authority: &str, target: &str) -> String {
        let end = target.find(['?', '#']).unwrap_or(target.len());
        let (path, query) = target.split_at(end);
        let query = if self.strip_query { "" } else { query };
        let new_scheme = self.scheme.as_deref().unwrap_or(scheme);
        let (old_host, old_port) = split_port(authority);
        let host = self.host.as_deref().unwrap_or(old_host);
        // A new scheme has its own usual port: the old one is dropped if it was the old scheme's.
        let usual = if scheme == "https" { 443 } else { 80 };
        let kept = old_port.filter(|port| self.host.is_none() && (new_scheme == scheme || *port != usual));
        let port = self.port.or(kept);
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        let path = match &self.path {
            None => format!("{path}{query}"),
            Some(PathRedirect::Full(full)) if full.contains('?') => full.to_string(),
            Some(PathRedirect::Full(full)) => format!("{full}{query}"),
            Some(PathRedirect::Rewrite(rewrite)) => rewrite.apply(matched, path) + query,
        };
        format!("{new_scheme}://{host}{port}{path}")
    }
}

/// Host and port of an authority; the brackets of an IPv6 address stay.
fn split_port(authority: &str) -> (&str, Option<u16>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (authority, None),
        },
        Some(_) | None => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewrites_keep_the_query() {
        let matched = PathMatch::SeparatedPrefix("/old".into());
        let rewrite = |to: &str, target: &str| PathRewrite::Prefix(to.into()).apply(&matched, target);
        assert_eq!(rewrite("/new", "/old/a?b=c"), "/new/a?b=c");
        assert_eq!(rewrite("/new", "/old?b"), "/new?b");
        let regex = PathRewrite::Regex(Pattern::new("/([a-z]+)/").unwrap(), r"/x-\1/".into());
        assert_eq!(regex.apply(&matched, "/one/two?q"), "/x-one/two?q");
    }

    #[test]
    fn mirrors_are_asked_for_a_host_of_their_own() {
        assert_eq!(MirrorHost::Marked.of("a.example"), "a.example-shadow");
        assert_eq!(MirrorHost::Marked.of("a.example:80"), "a.example-shadow:80");
        assert_eq!(MirrorHost::Same.of("a:80"), "a:80");
        assert_eq!(MirrorHost::Fixed("b".into()).of("a:80"), "b");
    }

    #[test]
    fn locations_change_only_what_is_said() {
        let none = Redirect { status: 302, scheme: None, host: None, port: None, path: None, strip_query: false };
        let matched = PathMatch::SeparatedPrefix("/old".into());
        let location = |redirect: &Redirect| redirect.location(&matched, "http", "a.example:8080", "/old/x?q=1");
        assert_eq!(location(&none), "http://a.example:8080/old/x?q=1");
        assert_eq!(location(&Redirect { host: Some("b".into()), ..none.clone() }), "http://b/old/x?q=1");
        assert_eq!(location(&Redirect { port: Some(8083), ..none.clone() }), "http://a.example:8083/old/x?q=1");
        assert_eq!(location(&Redirect { port: Some(80), ..none.clone() }), "http://a.example:80/old/x?q=1");
        let https = Redirect { scheme: Some("https".into()), ..none.clone() };
        assert_eq!(https.location(&matched, "http", "a.example:80", "/old"), "https://a.example/old");
        let path = Redirect {
            path: Some(PathRedirect::Rewrite(PathRewrite::Prefix("/new".into()))),
            strip_query: true,
            ..none.clone()
        };
        assert_eq!(location(&path), "http://a.example:8080/new/x");
        let full = Redirect { path: Some(PathRedirect::Full("/all".into())), ..none };
        assert_eq!(location(&full), "http://a.example:8080/all?q=1");
    }
}
