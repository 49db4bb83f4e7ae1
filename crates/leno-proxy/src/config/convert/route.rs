//! Route configurations ([`envoy.config.route.v3.RouteConfiguration`]).
//!
//! [`envoy.config.route.v3.RouteConfiguration`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route.proto

use std::{collections::HashSet, sync::Arc};

use leno_engine::{
    fraction::Fraction,
    resilience::RetryPolicy,
    route::{Action, Domain, PathMatch, Route, RouteMatch, RouteTable, VirtualHost},
};
use leno_proto::v3::route::{
    Route as RouteProto, RouteConfiguration, RouteMatch as MatchProto, VirtualHost as HostProto,
    route_match::PathSpecifier,
};

use super::{
    super::{Registry, Routes},
    action,
    check::{Check, at, join},
    filter, fraction,
    header::edits,
    matcher, mirror, origin, rate_limit, retry,
};

pub(super) fn convert(
    check: &mut Check,
    path: &str,
    mut proto: RouteConfiguration,
    registry: &mut Registry,
) -> Option<Routes> {
    let name: Arc<str> = std::mem::take(&mut proto.name).into();
    let request_headers =
        edits(check, path, "request", &mut proto.request_headers_to_add, &mut proto.request_headers_to_remove);
    let response_headers =
        edits(check, path, "response", &mut proto.response_headers_to_add, &mut proto.response_headers_to_remove);
    let ignore_port = std::mem::take(&mut proto.ignore_port_in_host_matching);
    // Clusters are asked for as they are named; whether they are known beforehand is of no matter.
    proto.validate_clusters = None;
    let hosts = std::mem::take(&mut proto.virtual_hosts).into_iter().enumerate();
    let mut taken = HashSet::new();
    let hosts = hosts.map(|(index, proto)| host(check, &at(path, "virtual_hosts", index), proto, &mut taken)).collect();
    let filters = filter::overrides(check, path, &mut proto.typed_per_filter_config);
    let mirrors = mirror::convert(check, path, &mut proto.request_mirror_policies);
    check.rest(path, &proto);
    let table = RouteTable { hosts, request_headers, response_headers, filters, mirrors, ignore_port };
    let clusters = table.clusters().map(|name| (Box::from(name), registry.cluster(name))).collect();
    Some(Routes { name, table, clusters })
}

fn host(check: &mut Check, path: &str, mut proto: HostProto, taken: &mut HashSet<String>) -> VirtualHost {
    let name = std::mem::take(&mut proto.name).into();
    let domains = std::mem::take(&mut proto.domains);
    if domains.is_empty() {
        check.wrong(&join(path, "domains"), "empty", "at least one domain");
    }
    for domain in &domains {
        // Which of two virtual hosts would decide must not hang on their order.
        if domain.is_empty() || !taken.insert(domain.to_ascii_lowercase()) {
            check.wrong(&join(path, "domains"), format!("{domain:?}"), "domains that are named once");
        }
    }
    let domains = domains.iter().map(|domain| Domain::parse(domain)).collect();
    let request_headers =
        edits(check, path, "request", &mut proto.request_headers_to_add, &mut proto.request_headers_to_remove);
    let response_headers =
        edits(check, path, "response", &mut proto.response_headers_to_add, &mut proto.response_headers_to_remove);
    let routes = std::mem::take(&mut proto.routes).into_iter().enumerate();
    let mut routes: Vec<_> =
        routes.filter_map(|(index, proto)| route(check, &at(path, "routes", index), proto)).collect();
    if let Some(policy) = proto.retry_policy.take() {
        let policy = retry::convert(check, &join(path, "retry_policy"), policy);
        retry_by(&mut routes, &Arc::new(policy));
    }
    let filters = filter::overrides(check, path, &mut proto.typed_per_filter_config);
    let rate_limits = rate_limit::rules(check, path, "rate_limits", std::mem::take(&mut proto.rate_limits));
    let mirrors = mirror::convert(check, path, &mut proto.request_mirror_policies);
    check.rest(path, &proto);
    VirtualHost { name, domains, routes, request_headers, response_headers, filters, mirrors, rate_limits }
}

/// Gives a virtual host's policy to its routes that have none of their own.
fn retry_by(routes: &mut [Route], policy: &Arc<RetryPolicy>) {
    for route in routes {
        if let Action::Forward(forward) = &mut route.action {
            forward.retry.get_or_insert_with(|| Arc::clone(policy));
        }
    }
}

fn route(check: &mut Check, path: &str, mut proto: RouteProto) -> Option<Route> {
    let name = std::mem::take(&mut proto.name).into();
    let matches = proto.r#match.take().unwrap_or_default();
    let matches = route_match(check, &join(path, "match"), matches);
    let request_headers =
        edits(check, path, "request", &mut proto.request_headers_to_add, &mut proto.request_headers_to_remove);
    let response_headers =
        edits(check, path, "response", &mut proto.response_headers_to_add, &mut proto.response_headers_to_remove);
    let action = proto.action.take();
    let action = action::convert(check, path, action);
    let filters = filter::overrides(check, path, &mut proto.typed_per_filter_config);
    let origins = origin::convert(check, &join(path, "metadata"), &mut proto.metadata);
    check.rest(path, &proto);
    Some(Route { name, matches: matches?, action: action?, request_headers, response_headers, filters, origins })
}

/// The ways to match a path that there are.
const PATHS: &str = "prefix, path, path_separated_prefix, safe_regex or connect_matcher";

/// Which requests are meant.
pub(super) fn route_match(check: &mut Check, path: &str, mut proto: MatchProto) -> Option<RouteMatch> {
    let path_match = match proto.path_specifier.take() {
        Some(PathSpecifier::Prefix(prefix)) => Some(PathMatch::Prefix(prefix.into())),
        Some(PathSpecifier::Path(exact)) => Some(PathMatch::Exact(exact.into())),
        Some(PathSpecifier::PathSeparatedPrefix(prefix)) => {
            if prefix.ends_with('/') || !prefix.starts_with('/') || prefix.contains(['?', '#']) {
                let expected = "a path from / on, without a / at its end, ? or #";
                check.wrong(&join(path, "path_separated_prefix"), prefix.clone(), expected);
            }
            Some(PathMatch::SeparatedPrefix(prefix.into()))
        }
        Some(PathSpecifier::SafeRegex(regex)) => {
            matcher::regex(check, &join(path, "safe_regex"), &regex).map(PathMatch::Regex)
        }
        Some(PathSpecifier::ConnectMatcher(_)) => Some(PathMatch::Connect),
        Some(PathSpecifier::PathMatchPolicy(_)) => check.unsupported(path, "path_match_policy", PATHS),
        None => {
            check.wrong(path, "no path", PATHS);
            None
        }
    };
    let ignore_case = proto.case_sensitive.take().is_some_and(|sensitive| !sensitive.value);
    let headers = std::mem::take(&mut proto.headers).into_iter().enumerate();
    let headers = headers.filter_map(|(index, one)| matcher::header(check, &at(path, "headers", index), one)).collect();
    let query = std::mem::take(&mut proto.query_parameters).into_iter().enumerate();
    let query =
        query.filter_map(|(index, one)| matcher::query(check, &at(path, "query_parameters", index), one)).collect();
    let grpc = proto.grpc.take().is_some();
    let fraction = proto.runtime_fraction.take();
    let fraction = fraction
        .map(|fraction| fraction::runtime(check, &join(path, "runtime_fraction"), Some(fraction), Fraction::ALL));
    check.rest(path, &proto);
    Some(RouteMatch { path: path_match?, ignore_case, headers, query, grpc, fraction })
}
