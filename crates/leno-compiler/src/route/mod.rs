//! Routes: which cluster a request goes to, and what happens to it before.
//!
//! Gateway API routes say it where one is in force at the service port; else a traffic split; else the service itself is
//! called.

mod action;
pub(crate) mod cors;
mod request;
mod rewrite;
pub(crate) mod session;
pub(crate) mod table;

pub(crate) use action::cluster;
pub(crate) use rewrite::escaped;

use std::collections::HashMap;

use leno_model::{
    ObjectRef, Protocol, Service, Snapshot,
    policy::{
        HttpMatch, TrafficSettings,
        traffic::{HttpLimit, RateRoute},
    },
    resource_name,
    route::handling::Outcome,
};
use leno_proto::v3::route::{
    self, RouteAction, RouteConfiguration, RouteMatch, VirtualHost, WeightedCluster,
    route::Action,
    route_action::ClusterSpecifier,
    route_match::{ConnectMatcher, PathSpecifier},
    weighted_cluster::ClusterWeight,
};

use self::table::{Entry, Plan};
use crate::{
    Client, Scope,
    authorization::headers,
    limit, matcher,
    message::{duration, origins, regex, uint32},
    split::{self, Target},
    traffic::{
        self,
        rule::{OF_RULES, Rule},
    },
};

/// The routes of a service port; `None` when it has none.
pub(crate) fn service_port(
    snapshot: &Snapshot,
    service: &Service,
    port: u16,
    scope: &Scope,
) -> Option<RouteConfiguration> {
    match service.port(port)?.protocol {
        Protocol::Http | Protocol::Http2 | Protocol::Detect => {}
        // A gRPC library may ask for any port by name; what is declared to be bytes has no routes.
        Protocol::Tcp | Protocol::Udp => return None,
    }
    let routes = match table::plan(snapshot, service, port, &scope.workload.namespace) {
        Plan::Requests(entries) => {
            let made = |entry: &Entry<'_>| {
                let rule = Rule::new(snapshot, scope, service, port, (entry.route, entry.rule));
                let mut route = governed(entry, ruled(entry, port, scope.client), &rule, snapshot, scope);
                tell(&mut route, Some(&entry.route.origin), &rule.origins(OF_RULES, traffic::OF_ROUTES));
                route
            };
            entries.iter().map(made).collect()
        }
        Plan::Free => {
            let settings = traffic::settings(snapshot, scope, service, port);
            let policies = traffic::origins(snapshot, scope, &service.name, port, traffic::OF_ROUTES);
            let routes = of_split(snapshot, service, port, scope.client).into_iter();
            let made = |(origin, mut route): (Option<&ObjectRef>, route::Route)| {
                let govern = |action| traffic::route::apply(snapshot, scope, action, &settings);
                forwarding(&mut route).into_iter().for_each(govern);
                tell(&mut route, origin, &policies);
                route
            };
            routes.map(made).collect()
        }
        Plan::Tls(_) | Plan::Streams(..) => return None,
    };
    Some(configuration(&resource_name::service_port(&service.name, port), routes))
}

/// What a rule of a Gateway API route says. What fits no rule is answered with 404, as Envoy does by itself.
fn ruled(entry: &Entry<'_>, port: u16, client: Client) -> route::Route {
    let handling = entry.handling;
    let mut made = route::Route {
        name: entry.name.clone(),
        r#match: Some(request::fits(&entry.fits, entry.grpc, client)),
        action: Some(action::of(&handling.outcome, &entry.fits.path, port)),
        request_headers_to_add: action::headers_to_add(&handling.request_headers),
        request_headers_to_remove: handling.request_headers.remove.clone(),
        response_headers_to_add: action::headers_to_add(&handling.response_headers),
        response_headers_to_remove: handling.response_headers.remove.clone(),
        ..Default::default()
    };
    // gRPC libraries refuse what is said for filters that they do not know; no page calls through one.
    if let Some(cors) = handling.cors.as_ref().filter(|_| client != Client::Grpc) {
        made.typed_per_filter_config.insert(cors::FILTER.to_owned(), cors::of(cors));
    }
    if let Some(session) = entry.session().filter(|_| client != Client::Grpc) {
        made.typed_per_filter_config.insert(session::FILTER.to_owned(), session::of(session));
    }
    made
}

/// A rule's route with what is said of its traffic, and of that to the service, besides; what the rule says itself stays.
fn governed(
    entry: &Entry<'_>,
    mut route: route::Route,
    rule: &Rule<'_>,
    snapshot: &Snapshot,
    scope: &Scope,
) -> route::Route {
    if let (Some(action), Outcome::Forward(own)) = (forwarding(&mut route), &entry.handling.outcome) {
        let (timeout, retries) = (action.timeout, action.retry_policy.take());
        traffic::route::apply(snapshot, scope, action, &rule.settings());
        if own.timeout.is_some() || own.try_timeout.is_some() {
            action.timeout = timeout;
        }
        if own.retry.is_some() {
            action.retry_policy = retries;
        }
        route.typed_per_filter_config.extend(rule.overrides());
    }
    route
}

/// Tells of what a route was made. Policies have no say in what is answered at once.
fn tell(route: &mut route::Route, origin: Option<&ObjectRef>, policies: &[String]) {
    let policies = if forwarding(route).is_some() { policies } else { &[] };
    route.metadata = origins(origin.map(ToString::to_string).into_iter().chain(policies.iter().cloned()));
}

/// Routes with the splits that they come from.
type Told<'a> = Vec<(Option<&'a ObjectRef>, route::Route)>;

fn of_split<'a>(snapshot: &'a Snapshot, service: &Service, port: u16, client: Client) -> Told<'a> {
    let split = split::split(snapshot, service, port);
    let mut routes = Vec::new();
    for branch in &split.branches {
        for fits in branch.matches {
            routes.push((Some(branch.origin), entry(listed(fits), &branch.target)));
        }
    }
    let [all, connect] = everything(&split.rest);
    routes.push((split.rest_origin, all));
    match client {
        Client::Leno | Client::Envoy => routes.push((split.rest_origin, connect)),
        // gRPC libraries refuse routes that have no path.
        Client::Grpc => {}
    }
    routes
}

/// The routes that send everything to one endpoint, for traffic of which these policies say this.
pub(crate) fn to_endpoint(cluster: &str, settings: &TrafficSettings, policies: &[String]) -> RouteConfiguration {
    let mut routes = to_one(cluster, settings);
    routes.iter_mut().for_each(|route| tell(route, None, policies));
    configuration(cluster, routes)
}

/// Routes for everything to one cluster that has nothing to choose from, for traffic of which this is said.
pub(crate) fn to_one(cluster: &str, settings: &TrafficSettings) -> Vec<route::Route> {
    let mut routes = everything(&Target::Cluster(cluster.to_owned()));
    for action in routes.iter_mut().filter_map(forwarding) {
        traffic::route::bound(action, settings);
    }
    routes.into()
}

/// The routes of some hosts.
pub(crate) fn host(name: &str, domains: Vec<String>, routes: Vec<route::Route>) -> VirtualHost {
    VirtualHost { name: name.to_owned(), domains, routes, ..Default::default() }
}

/// The routes of a server's sidecar: everything goes to the application. Of some requests less is taken.
pub(crate) fn to_application(name: &str, limit: Option<&HttpLimit>) -> RouteConfiguration {
    let target = Target::Cluster(resource_name::INBOUND.to_owned());
    let limited = |route: &RateRoute| {
        let limit = traffic::rate_limit::limited(&route.rate, name);
        let said = HashMap::from([(traffic::rate_limit::FILTER.to_owned(), limit)]);
        route::Route { typed_per_filter_config: said, ..entry(matcher::route(&route.fits), &target) }
    };
    let routes = limit.into_iter().flat_map(|limit| &limit.routes).map(limited);
    configuration(name, routes.chain(everything(&target)).collect())
}

fn forwarding(route: &mut route::Route) -> Option<&mut RouteAction> {
    match &mut route.action {
        Some(Action::Route(action)) => Some(action),
        Some(_) | None => None,
    }
}

fn configuration(name: &str, routes: Vec<route::Route>) -> RouteConfiguration {
    RouteConfiguration {
        name: name.to_owned(),
        virtual_hosts: vec![host(name, vec!["*".into()], routes)],
        ..Default::default()
    }
}

/// Routes for everything: `CONNECT` has no path that a prefix could fit.
fn everything(target: &Target<'_>) -> [route::Route; 2] {
    let fits = |path| RouteMatch { path_specifier: Some(path), ..Default::default() };
    let connect = PathSpecifier::ConnectMatcher(ConnectMatcher::default());
    [entry(fits(PathSpecifier::Prefix("/".into())), target), entry(fits(connect), target)]
}

/// A kind of request of SMI.
fn listed(fits: &HttpMatch) -> RouteMatch {
    let path = match &fits.path_regex {
        Some(path) => PathSpecifier::SafeRegex(regex(path)),
        None => PathSpecifier::Prefix("/".into()),
    };
    RouteMatch { path_specifier: Some(path), headers: headers(fits), ..Default::default() }
}

fn entry(fits: RouteMatch, target: &Target<'_>) -> route::Route {
    let action = match target {
        Target::Cluster(name) => forward(ClusterSpecifier::Cluster(name.clone())),
        Target::Weighted(shares) => {
            let weight = |(name, weight): &(String, u32)| ClusterWeight {
                name: name.clone(),
                weight: Some(uint32(*weight)),
                ..Default::default()
            };
            forward(ClusterSpecifier::WeightedClusters(WeightedCluster {
                clusters: shares.iter().map(weight).collect(),
                ..Default::default()
            }))
        }
        Target::Closed => action::direct(500, String::new()),
        Target::Nowhere(split) => {
            let reason = "sends these requests to no backend: none has both this port and a weight";
            action::direct(503, format!("{} {reason}", split.origin))
        }
    };
    route::Route { r#match: Some(fits), action: Some(action), ..Default::default() }
}

fn forward(cluster: ClusterSpecifier) -> Action {
    Action::Route(RouteAction {
        timeout: Some(duration(limit::ANSWER)),
        cluster_specifier: Some(cluster),
        ..Default::default()
    })
}
