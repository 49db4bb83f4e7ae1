//! Which routes are in force at a service port for a client, and which of their rules a request meets first.
//!
//! Routes of the client's own namespace come before those of the service's, which they replace. Among the rules of all
//! routes the most specific match decides (the [order] of the Gateway API; a regular expression comes after the exact
//! paths and before the prefixes), then the older route, then its name, then the order of its rules.
//!
//! [order]: https://gateway-api.sigs.k8s.io/reference/spec/#httprouterule

use std::cmp::Reverse;

use leno_model::{
    Route, Service, Snapshot,
    route::{
        GrpcMatch, Handling, Outcome, RequestMatch, Rules, StreamRule, TlsRule,
        handling::SessionPersistence,
        http::{PathMatch, TextMatch},
    },
};

/// What routes say of a service port.
pub(crate) enum Plan<'a> {
    /// Nothing.
    Free,
    /// HTTP requests, gRPC calls among them.
    Requests(Vec<Entry<'a>>),
    /// TLS connections by the names that they ask for.
    Tls(Vec<(&'a Route, &'a TlsRule)>),
    /// Connections.
    Streams(&'a Route, &'a StreamRule),
}

/// Some requests and what happens to them.
pub(crate) struct Entry<'a> {
    /// The rule's name, for logs: `namespace/route/rule`.
    pub(crate) name: String,
    /// The route that it is of.
    pub(crate) route: &'a Route,
    /// The rule's own name.
    pub(crate) rule: &'a str,
    pub(crate) fits: RequestMatch,
    /// Whether only gRPC calls are meant.
    pub(crate) grpc: bool,
    pub(crate) handling: &'a Handling,
    specificity: Specificity,
}

impl Entry<'_> {
    /// How its requests are kept together.
    pub(crate) fn session(&self) -> Option<&SessionPersistence> {
        match &self.handling.outcome {
            Outcome::Forward(forward) => forward.session.as_ref(),
            Outcome::Refuse(..) | Outcome::Redirect(_) => None,
        }
    }
}

/// How specific a match is; the greater the more.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Specificity {
    /// The kind of path match.
    path: u8,
    /// Letters of the path, or of the gRPC service and its method.
    letters: (usize, usize),
    method: bool,
    headers: usize,
    query: usize,
}

/// The routes of a service port for the clients of a namespace, in their order.
fn attached<'a>(
    snapshot: &'a Snapshot,
    service: &'a Service,
    port: u16,
    namespace: &'a str,
) -> impl Iterator<Item = &'a Route> {
    let here =
        move |route: &&Route| route.parents.iter().any(|parent| parent.service == service.name && parent.port == port);
    let routes = || snapshot.routes.iter().map(|route| &**route);
    let own = move |route: &Route| route.audience(&service.name) == Some(namespace);
    let has_own = routes().filter(here).any(own);
    let audience = has_own.then_some(namespace);
    routes().filter(here).filter(move |route| route.audience(&service.name) == audience)
}

/// Whether there is any route for the clients of a namespace alone.
pub(crate) fn has_consumers(snapshot: &Snapshot) -> bool {
    let is_one = |route: &Route| route.parents.iter().any(|parent| route.audience(&parent.service).is_some());
    snapshot.routes.iter().any(|route| is_one(route))
}

/// Whether clients of different namespaces are told different things of a service.
pub(crate) fn depends_on_namespace(snapshot: &Snapshot, service: &Service) -> bool {
    let of_service = |route: &Route| route.parents.iter().any(|parent| parent.service == service.name);
    snapshot.routes.iter().any(|route| route.audience(&service.name).is_some() && of_service(route))
}

/// What routes say of a service port to the clients of a namespace.
pub(crate) fn plan<'a>(snapshot: &'a Snapshot, service: &'a Service, port: u16, namespace: &'a str) -> Plan<'a> {
    let (mut entries, mut tls) = (Vec::new(), Vec::new());
    for route in attached(snapshot, service, port, namespace) {
        let name = |rule: &str| format!("{}/{}/{rule}", route.origin.namespace, route.origin.name);
        match &route.rules {
            Rules::Http(rules) => {
                for rule in rules {
                    let entry = |fits: &RequestMatch| Entry {
                        name: name(&rule.name),
                        route,
                        rule: &rule.name,
                        fits: fits.clone(),
                        grpc: false,
                        handling: &rule.handling,
                        specificity: of_request(fits),
                    };
                    entries.extend(rule.matches.iter().map(entry));
                }
            }
            Rules::Grpc(rules) => {
                for rule in rules {
                    let entry = |fits: &GrpcMatch| Entry {
                        name: name(&rule.name),
                        route,
                        rule: &rule.name,
                        fits: as_request(fits),
                        grpc: true,
                        handling: &rule.handling,
                        specificity: of_call(fits),
                    };
                    entries.extend(rule.matches.iter().map(entry));
                }
            }
            Rules::Tls(rule) => tls.push((route, rule)),
            Rules::Tcp(rules) => {
                if let Some(rule) = rules.first() {
                    return Plan::Streams(route, rule);
                }
            }
        }
    }
    if !tls.is_empty() {
        return Plan::Tls(tls);
    }
    if entries.is_empty() {
        return Plan::Free;
    }
    // Stable: of equals the earlier stays before.
    entries.sort_by_key(|entry| Reverse(entry.specificity));
    Plan::Requests(entries)
}

fn of_request(fits: &RequestMatch) -> Specificity {
    let (path, letters) = match &fits.path {
        PathMatch::Exact(path) => (2, path.len()),
        PathMatch::Regex(path) => (1, path.len()),
        PathMatch::Prefix(path) => (0, path.len()),
    };
    Specificity {
        path,
        letters: (letters, 0),
        method: fits.method.is_some(),
        headers: fits.headers.len(),
        query: fits.query.len(),
    }
}

fn of_call(fits: &GrpcMatch) -> Specificity {
    let letters = |text: &Option<TextMatch>| match text {
        Some(TextMatch::Exact(text) | TextMatch::Regex(text)) => text.len(),
        None => 0,
    };
    Specificity {
        path: 0,
        letters: (letters(&fits.service), letters(&fits.method)),
        method: false,
        headers: fits.headers.len(),
        query: 0,
    }
}

/// A call as the request that it is: its path is `/service/method`.
fn as_request(fits: &GrpcMatch) -> RequestMatch {
    let path = match (&fits.service, &fits.method) {
        (None, None) => PathMatch::Prefix(String::new()),
        (Some(TextMatch::Exact(service)), None) => PathMatch::Prefix(format!("/{service}")),
        (Some(TextMatch::Exact(service)), Some(TextMatch::Exact(method))) => {
            PathMatch::Exact(format!("/{service}/{method}"))
        }
        (service, method) => PathMatch::Regex(format!("/{}/{}", pattern(service.as_ref()), pattern(method.as_ref()))),
    };
    RequestMatch { path, headers: fits.headers.clone(), ..RequestMatch::default() }
}

fn pattern(text: Option<&TextMatch>) -> String {
    match text {
        None => "[^/]+".into(),
        // A service's name has dots, and no other letter that means something in a regular expression.
        Some(TextMatch::Exact(text)) => text.replace('.', r"\."),
        Some(TextMatch::Regex(regex)) => format!("(?:{regex})"),
    }
}
