//! The table of routes.

use std::sync::Arc;

use super::{Action, HeaderEdits, Mirror, PathMatch};
use crate::{
    filter::{Overrides, rate_limit::RateLimitRule},
    fraction::Fraction,
    matcher::{HeaderMatcher, QueryMatcher},
    request::RequestHead,
};

/// All routes of a connection manager: the host chooses the virtual host, the first route of it that matches decides.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RouteTable {
    /// The virtual hosts.
    pub hosts: Vec<VirtualHost>,
    /// Changes to the headers of every request.
    pub request_headers: HeaderEdits,
    /// Changes to the headers of every answer.
    pub response_headers: HeaderEdits,
    /// What is said for filters.
    pub filters: Overrides,
    /// Who else gets requests, where neither route nor virtual host says it.
    pub mirrors: Vec<Mirror>,
    /// Whether a port in the request's host is passed over when the virtual host is chosen.
    pub ignore_port: bool,
}

/// Routes of some hosts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VirtualHost {
    /// Its name.
    pub name: Box<str>,
    /// The hosts.
    pub domains: Vec<Domain>,
    /// The routes; the first that matches decides.
    pub routes: Vec<Route>,
    /// Changes to the headers of every request.
    pub request_headers: HeaderEdits,
    /// Changes to the headers of every answer.
    pub response_headers: HeaderEdits,
    /// Who else gets requests, where their routes do not say it.
    pub mirrors: Vec<Mirror>,
    /// How requests are counted, where their routes do not say it.
    pub rate_limits: Vec<RateLimitRule>,
    /// What is said for filters.
    pub filters: Overrides,
}

/// Which hosts a virtual host stands for. In order of strength: the longest fits of the strongest kind decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Domain {
    /// This host.
    Exact(Box<str>),
    /// Hosts that end with this (`*.example.com`).
    Suffix(Box<str>),
    /// Hosts that begin with this (`example.*`).
    Prefix(Box<str>),
    /// Every host (`*`).
    Any,
}

/// A route.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Its name; may be empty.
    pub name: Arc<str>,
    /// Which requests it is for.
    pub matches: RouteMatch,
    /// What happens to them.
    pub action: Action,
    /// Changes to the request's headers.
    pub request_headers: HeaderEdits,
    /// Changes to the answer's headers.
    pub response_headers: HeaderEdits,
    /// What is said for filters.
    pub filters: Overrides,
    /// The objects that it was made of, for people.
    pub origins: Box<[Box<str>]>,
}

/// Which requests a route is for: all of it must fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteMatch {
    /// The path.
    pub path: PathMatch,
    /// Whether the path's case does not count.
    pub ignore_case: bool,
    /// The headers.
    pub headers: Vec<HeaderMatcher>,
    /// The query parameters.
    pub query: Vec<QueryMatcher>,
    /// Whether only gRPC requests fit.
    pub grpc: bool,
    /// The share of requests that fits; `None`: all.
    pub fraction: Option<Fraction>,
}

impl Domain {
    /// A domain as Envoy writes it.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let text = text.to_ascii_lowercase();
        match (text.strip_prefix('*'), text.strip_suffix('*')) {
            (Some(""), _) => Self::Any,
            (Some(suffix), _) => Self::Suffix(suffix.into()),
            (None, Some(prefix)) => Self::Prefix(prefix.into()),
            (None, None) => Self::Exact(text.into()),
        }
    }

    /// How well a host (in lower case) fits: the kind's strength, then the length. `None`: not.
    fn rank(&self, host: &str) -> Option<(u8, usize)> {
        match self {
            Self::Exact(exact) => (host == &**exact).then_some((3, exact.len())),
            // The wildcard stands for at least one character.
            Self::Suffix(suffix) => {
                (host.len() > suffix.len() && host.ends_with(&**suffix)).then_some((2, suffix.len()))
            }
            Self::Prefix(prefix) => {
                (host.len() > prefix.len() && host.starts_with(&**prefix)).then_some((1, prefix.len()))
            }
            Self::Any => Some((0, 0)),
        }
    }
}

impl RouteTable {
    /// The virtual host and route of a request; `None` when none fits. `number` is the request's, drawn at random.
    pub fn select<R: RequestHead>(&self, request: &R, number: u64) -> Option<(&VirtualHost, &Route)> {
        let host = self.host(request)?;
        let route = host.routes.iter().find(|route| route.matches.fits(request, number))?;
        Some((host, route))
    }

    fn host<R: RequestHead>(&self, request: &R) -> Option<&VirtualHost> {
        // By far the commonest table has one virtual host for every name.
        if let [only] = self.hosts.as_slice()
            && only.domains.contains(&Domain::Any)
        {
            return Some(only);
        }
        let mut name = request.authority().to_ascii_lowercase();
        if self.ignore_port
            && let Some((host, port)) = name.rsplit_once(':')
            && port.bytes().all(|byte| byte.is_ascii_digit())
        {
            name = host.to_owned();
        }
        let rank = |host: &VirtualHost| host.domains.iter().filter_map(|domain| domain.rank(&name)).max();
        self.hosts
            .iter()
            .filter_map(|host| Some((rank(host)?, host)))
            .max_by_key(|(rank, _)| *rank)
            .map(|(_, host)| host)
    }

    /// Every cluster that a route may choose, or whose service a filter asks there.
    pub fn clusters(&self) -> impl Iterator<Item = &str> {
        let routes = || self.hosts.iter().flat_map(|host| &host.routes);
        let forwards = || {
            routes().filter_map(|route| match &route.action {
                Action::Forward(forward) => Some(forward),
                Action::Redirect(_) | Action::DirectResponse(_) => None,
            })
        };
        let weighted = forwards().flat_map(|forward| forward.clusters.weighted()).map(|weighted| &weighted.filters);
        let places = std::iter::once(&self.filters).chain(self.hosts.iter().map(|host| &host.filters));
        let places = places.chain(routes().map(|route| &route.filters)).chain(weighted);
        let mirrors = std::iter::once(&self.mirrors).chain(self.hosts.iter().map(|host| &host.mirrors));
        let mirrors = mirrors.flatten().chain(forwards().flat_map(|forward| &forward.mirrors));
        let named =
            forwards().flat_map(|forward| forward.clusters.names()).chain(mirrors.map(|mirror| &*mirror.cluster));
        named.chain(places.flat_map(Overrides::clusters))
    }
}

impl RouteMatch {
    /// Every request whose path begins with this.
    #[must_use]
    pub fn prefix(prefix: &str) -> Self {
        Self {
            path: PathMatch::Prefix(prefix.into()),
            ignore_case: false,
            headers: vec![],
            query: vec![],
            grpc: false,
            fraction: None,
        }
    }

    /// Whether a request fits; `number` is its own, drawn at random.
    pub fn fits<R: RequestHead>(&self, request: &R, number: u64) -> bool {
        self.fits_path(request)
            && self.fraction.is_none_or(|fraction| fraction.includes(number))
            && self.headers.iter().all(|header| header.matches(request))
            && self.query.iter().all(|query| query.matches(request))
            && (!self.grpc || is_grpc(request))
    }

    fn fits_path<R: RequestHead>(&self, request: &R) -> bool {
        let path = request.path();
        match (&self.path, request.method()) {
            (PathMatch::Connect, method) => method == "CONNECT",
            (_, "CONNECT") if path.is_empty() => false,
            // `OPTIONS *` is about the whole server: only a route for everything fits it.
            (PathMatch::Prefix(prefix), "OPTIONS") if path == "*" => prefix.is_empty() || &**prefix == "/",
            (pattern, _) => pattern.matches(path, self.ignore_case),
        }
    }
}

fn is_grpc<R: RequestHead>(request: &R) -> bool {
    request.header("content-type").is_some_and(|value| {
        value.strip_prefix(b"application/grpc").is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        matcher::{HeaderMatch, QueryMatch, StringMatcher},
        request::SimpleRequest,
        route::Forward,
    };

    fn route(name: &str, matches: RouteMatch) -> Route {
        Route {
            name: name.into(),
            matches,
            action: Action::Forward(Forward::to(name)),
            request_headers: HeaderEdits::default(),
            response_headers: HeaderEdits::default(),
            filters: Overrides::default(),
            origins: Box::default(),
        }
    }

    fn host(domains: &[&str], routes: Vec<Route>) -> VirtualHost {
        let domains: Vec<_> = domains.iter().copied().map(Domain::parse).collect();
        VirtualHost { name: "h".into(), domains, routes, ..VirtualHost::default() }
    }

    fn chosen<'a>(table: &'a RouteTable, request: &SimpleRequest) -> Option<&'a str> {
        table.select(request, 0).map(|(_, route)| &*route.name)
    }

    #[test]
    fn the_strongest_and_longest_domain_decides() {
        let all = |name: &str| vec![route(name, RouteMatch::prefix("/"))];
        let mut table = RouteTable {
            hosts: vec![
                host(&["*"], all("any")),
                host(&["*.example.com"], all("suffix")),
                host(&["*.b.example.com"], all("longer")),
                host(&["www.*"], all("prefix")),
                host(&["www.example.com", "other:81"], all("exact")),
            ],
            ..RouteTable::default()
        };
        for (authority, expected) in [
            ("www.example.com", "exact"),
            ("WWW.example.com", "exact"),
            ("a.example.com", "suffix"),
            ("a.b.example.com", "longer"),
            ("www.other", "prefix"),
            (".example.com", "any"),
            ("", "any"),
            ("other:81", "exact"),
            ("www.example.com:80", "prefix"),
        ] {
            assert_eq!(chosen(&table, &SimpleRequest::new("GET", "/", authority)), Some(expected), "{authority}");
        }
        table.ignore_port = true;
        assert_eq!(chosen(&table, &SimpleRequest::new("GET", "/", "www.example.com:80")), Some("exact"));
        table.hosts.remove(0);
        assert_eq!(chosen(&table, &SimpleRequest::new("GET", "/", "nobody")), None);
    }

    #[test]
    fn the_first_route_that_fits_wholly_decides() {
        let mut header = RouteMatch::prefix("/");
        header.headers.push(HeaderMatcher {
            name: "version".into(),
            fits: HeaderMatch::Text(StringMatcher::exact("two")),
            invert: false,
            missing_as_empty: false,
        });
        let mut query = RouteMatch::prefix("/q");
        query.query.push(QueryMatcher { name: "animal".into(), fits: QueryMatch::Text(StringMatcher::exact("whale")) });
        let mut grpc = RouteMatch::prefix("/");
        grpc.grpc = true;
        let table = RouteTable {
            hosts: vec![host(
                &["*"],
                vec![
                    route("header", header),
                    route("query", query),
                    route("grpc", grpc),
                    route("v1", RouteMatch::prefix("/v1")),
                ],
            )],
            ..RouteTable::default()
        };
        let get = |target: &str| SimpleRequest::new("GET", target, "a");
        assert_eq!(chosen(&table, &get("/v1").with("version", "two")), Some("header"));
        assert_eq!(chosen(&table, &get("/q?animal=whale")), Some("query"));
        assert_eq!(chosen(&table, &get("/q?animal=cat")), None);
        assert_eq!(chosen(&table, &get("/x").with("content-type", "application/grpc+proto")), Some("grpc"));
        assert_eq!(chosen(&table, &get("/x").with("content-type", "application/grpc-web")), None);
        assert_eq!(chosen(&table, &get("/v1/a")), Some("v1"));
        assert_eq!(table.clusters().collect::<Vec<_>>(), ["header", "query", "grpc", "v1"]);
    }

    #[test]
    fn requests_without_a_path_have_routes_of_their_own() {
        let connect = RouteMatch { path: PathMatch::Connect, ..RouteMatch::prefix("") };
        let routes = vec![route("empty", RouteMatch::prefix("/a")), route("all", RouteMatch::prefix("/"))];
        let mut table = RouteTable { hosts: vec![host(&["*"], routes)], ..RouteTable::default() };
        assert_eq!(chosen(&table, &SimpleRequest::new("CONNECT", "", "a:443")), None);
        table.hosts[0].routes.push(route("connect", connect));
        assert_eq!(chosen(&table, &SimpleRequest::new("CONNECT", "", "a:443")), Some("connect"));
        assert_eq!(chosen(&table, &SimpleRequest::new("OPTIONS", "*", "a")), Some("all"));
    }
}
