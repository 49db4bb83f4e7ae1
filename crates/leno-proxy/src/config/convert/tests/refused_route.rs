//! Route configurations that are refused.

use leno_model::Invalid;
use leno_proto::v3::{
    core::{DataSource, HeaderValue, HeaderValueOption, data_source::Specifier},
    matcher::{RegexMatchAndSubstitute, RegexMatcher, string_matcher::MatchPattern},
    route::{
        DirectResponseAction, HeaderMatcher, QueryParameterMatcher, RedirectAction, RetryPolicy, Route, RouteAction,
        RouteConfiguration, RouteMatch, VirtualHost, WeightedCluster,
        header_matcher::HeaderMatchSpecifier,
        query_parameter_matcher::QueryParameterMatchSpecifier,
        redirect_action::PathRewriteSpecifier,
        retry_policy::{RateLimitedRetryBackOff, RetryBackOff, RetryHostPredicate},
        route::Action,
        route_action::{ClusterSpecifier, HostRewriteSpecifier, RequestMirrorPolicy},
        route_match::PathSpecifier,
        weighted_cluster::ClusterWeight,
    },
};

use super::{super::super::Registry, refused, sample::*};

const ROUTE: &str = "virtual_hosts[0].routes[0]";

fn take(message: &RouteConfiguration) -> Result<super::super::Routes, Vec<Invalid>> {
    super::super::routes(message, &mut Registry::default())
}

#[track_caller]
fn refused_route(change: impl FnOnce(&mut Route), field: &str, value: &str) {
    let mut message = route(Action::Route(forward()));
    change(&mut message);
    let field = if field.is_empty() { ROUTE.to_owned() } else { format!("{ROUTE}.{field}") };
    refused(take(&routes_of(message)), &field, value);
}

#[track_caller]
fn refused_action(change: impl FnOnce(&mut RouteAction), field: &str, value: &str) {
    let mut message = forward();
    change(&mut message);
    refused_route(
        |route| route.action = Some(Action::Route(message)),
        &format!("route{}{field}", if field.is_empty() { "" } else { "." }),
        value,
    );
}

#[track_caller]
fn refused_match(change: impl FnOnce(&mut RouteMatch), field: &str, value: &str) {
    let field = if field.is_empty() { "match".to_owned() } else { format!("match.{field}") };
    refused_route(|route| change(route.r#match.as_mut().unwrap()), &field, value);
}

#[track_caller]
fn refused_retry(policy: RetryPolicy, field: &str, value: &str) {
    refused_action(|action| action.retry_policy = Some(policy), &format!("retry_policy.{field}"), value);
}

#[test]
fn fields_of_tables_and_hosts() {
    let table = |change: &dyn Fn(&mut RouteConfiguration)| {
        let mut message = routes(forward());
        change(&mut message);
        take(&message)
    };
    refused(table(&|t| t.internal_only_headers = vec!["x".into()]), "internal_only_headers", "x");
    refused(table(&|t| t.virtual_hosts[0].domains.clear()), "virtual_hosts[0].domains", "empty");
    refused(table(&|t| t.virtual_hosts[0].require_tls = 2), "virtual_hosts[0].require_tls", "ALL");
    refused(
        table(&|t| t.virtual_hosts[0].include_request_attempt_count = true),
        "virtual_hosts[0].include_request_attempt_count",
        "true",
    );
    let again = |t: &mut RouteConfiguration| {
        t.virtual_hosts.push(VirtualHost { domains: vec!["*".into()], ..VirtualHost::default() })
    };
    refused(table(&again), "virtual_hosts[1].domains", "*");
}

#[test]
fn fields_of_routes() {
    refused_route(|r| r.action = None, "", "no action");
    refused_route(|r| r.action = Some(Action::NonForwardingAction(Default::default())), "non_forwarding_action", "set");
    refused_route(|r| r.stat_prefix = "x".into(), "stat_prefix", "x");
    refused_route(
        |r| drop(r.typed_per_filter_config.insert("f".into(), Default::default())),
        r#"typed_per_filter_config["f"]"#,
        "",
    );
}

#[test]
fn matches() {
    refused_match(|m| m.path_specifier = None, "", "no path");
    refused_match(|m| m.runtime_fraction = Some(Default::default()), "runtime_fraction.default_value", "missing");
    for prefix in ["/a/", "a", "/a?b", "/"] {
        let separated = PathSpecifier::PathSeparatedPrefix(prefix.into());
        refused_match(|m| m.path_specifier = Some(separated), "path_separated_prefix", prefix);
    }
    for bad in ["", "(", "(?=x)"] {
        let regex = PathSpecifier::SafeRegex(RegexMatcher { regex: bad.into(), ..RegexMatcher::default() });
        refused_match(|m| m.path_specifier = Some(regex), "safe_regex.regex", bad);
    }
    let suffix = HeaderMatchSpecifier::StringMatch(text(MatchPattern::Suffix(String::new())));
    let header = HeaderMatcher { name: "a".into(), header_match_specifier: Some(suffix), ..HeaderMatcher::default() };
    refused_match(|m| m.headers = vec![header], "headers[0].string_match", "empty");
    let contains = QueryParameterMatchSpecifier::StringMatch(text(MatchPattern::Contains(String::new())));
    let query = QueryParameterMatcher { name: "q".into(), query_parameter_match_specifier: Some(contains) };
    refused_match(|m| m.query_parameters = vec![query], "query_parameters[0].string_match", "empty");
}

#[test]
fn fields_of_route_actions() {
    refused_action(|a| a.cluster_specifier = None, "", "no cluster");
    refused_action(
        |a| a.cluster_specifier = Some(ClusterSpecifier::ClusterHeader("x-to".into())),
        "cluster_header",
        "x-to",
    );
    refused_action(|a| a.cluster_specifier = Some(ClusterSpecifier::Cluster(String::new())), "cluster", "empty");
    refused_action(
        |a| a.host_rewrite_specifier = Some(HostRewriteSpecifier::HostRewriteHeader(String::new())),
        "host_rewrite_header",
        "empty",
    );
    refused_action(|a| a.cluster_not_found_response_code = 9, "cluster_not_found_response_code", "unknown");
    refused_action(|a| a.timeout = seconds(-1), "timeout", "-1s");
    let mirror = |mirror| move |a: &mut RouteAction| a.request_mirror_policies = vec![mirror];
    refused_action(mirror(Default::default()), "request_mirror_policies[0].cluster", "empty");
    let by_header = RequestMirrorPolicy { cluster: "c".into(), cluster_header: "x".into(), ..Default::default() };
    refused_action(mirror(by_header), "request_mirror_policies[0].cluster_header", "x");
    refused_action(|a| a.hash_policy = vec![Default::default()], "hash_policy[0]", "nothing");
    let pattern = Some(RegexMatcher { regex: "a".into(), ..RegexMatcher::default() });
    let both = |a: &mut RouteAction| {
        a.regex_rewrite = Some(RegexMatchAndSubstitute { pattern, substitution: "b".into() });
        a.prefix_rewrite = "/p".into();
    };
    refused_action(both, "prefix_rewrite", "/p");
    refused_action(|a| a.regex_rewrite = Some(Default::default()), "regex_rewrite.pattern.regex", "empty");
}

#[test]
fn weights() {
    let weighted = |clusters: Vec<(&str, u32)>, key: &str| {
        let one = |(name, weight): (&str, u32)| ClusterWeight {
            name: name.into(),
            weight: uint32(weight),
            ..ClusterWeight::default()
        };
        let clusters = clusters.into_iter().map(one).collect();
        let set = WeightedCluster { clusters, runtime_key_prefix: key.into(), ..WeightedCluster::default() };
        move |action: &mut RouteAction| action.cluster_specifier = Some(ClusterSpecifier::WeightedClusters(set))
    };
    refused_action(weighted(vec![], ""), "weighted_clusters.clusters", "no weight");
    refused_action(weighted(vec![("a", 0), ("b", 0)], ""), "weighted_clusters.clusters", "no weight");
    refused_action(weighted(vec![("a", 1), ("", 1)], ""), "weighted_clusters.clusters[1].name", "empty");
    refused_action(weighted(vec![("a", 1)], "k"), "weighted_clusters.runtime_key_prefix", "k");
}

#[test]
fn headers() {
    let add = |key: &str, value: &str| HeaderValueOption {
        header: Some(HeaderValue { key: key.into(), value: value.into(), ..HeaderValue::default() }),
        ..HeaderValueOption::default()
    };
    let refused_add = |option: HeaderValueOption, field: &str, value: &str| {
        let field = format!("request_headers_to_add[0].{field}");
        refused_route(|route| route.request_headers_to_add = vec![option], &field, value);
    };
    for name in ["", ":path", "Host", "a b"] {
        refused_add(add(name, "v"), "header.key", name);
        refused_route(|r| r.response_headers_to_remove = vec![name.into()], "response_headers_to_remove[0]", name);
    }
    refused_add(add("a", "%RESP(x)%"), "header.value", "%RESP(x)%");
    refused_add(add("a", "100%"), "header.value", "100%");
    refused_add(add("a", "%NOTHING%"), "header.value", "%NOTHING%");
    refused_add(add("a", "b\r\nc: d"), "header.value", "control");
    refused_add(HeaderValueOption::default(), "header", "missing");
    refused_add(HeaderValueOption { append_action: 9, ..add("a", "b") }, "append_action", "");
    refused_add(HeaderValueOption { keep_empty_value: true, ..add("a", "b") }, "keep_empty_value", "true");
}

#[test]
fn retries() {
    let on = |on: &str| RetryPolicy { retry_on: on.into(), ..RetryPolicy::default() };
    refused_retry(on("5xx,http3-post-connect-failure"), "retry_on", "http3");
    refused_retry(RetryPolicy { retriable_status_codes: vec![503], ..on("5xx") }, "retriable_status_codes", "503");
    let codes = RetryPolicy { retriable_status_codes: vec![503, 70_000], ..on("retriable-status-codes") };
    refused_retry(codes, "retriable_status_codes[1]", "70000");
    let headers = RetryPolicy { retriable_headers: vec![HeaderMatcher::default()], ..on("retriable-headers") };
    refused_retry(headers, "retriable_headers[0].name", "");
    let predicate = RetryHostPredicate { name: "other".into(), ..Default::default() };
    refused_retry(
        RetryPolicy { retry_host_predicate: vec![predicate], ..on("5xx") },
        "retry_host_predicate[0].typed_config",
        "other",
    );
    let reset = RateLimitedRetryBackOff::default();
    let reset = RetryPolicy { rate_limited_retry_back_off: Some(reset), ..on("5xx") };
    refused_retry(reset, "rate_limited_retry_back_off.reset_headers", "empty");
    for (base, max) in [(seconds(0), None), (seconds(2), seconds(1))] {
        let back_off = Some(RetryBackOff { base_interval: base, max_interval: max });
        refused_retry(RetryPolicy { retry_back_off: back_off, ..on("5xx") }, "retry_back_off", " to ");
    }
}

#[test]
fn redirects_and_direct_responses() {
    let refused_redirect = |redirect: RedirectAction, field: &str, value: &str| {
        refused_route(|route| route.action = Some(Action::Redirect(redirect)), &format!("redirect.{field}"), value);
    };
    refused_redirect(RedirectAction { response_code: 9, ..RedirectAction::default() }, "response_code", "");
    refused_redirect(RedirectAction { port_redirect: 70_000, ..RedirectAction::default() }, "port_redirect", "70000");
    let path = |rewrite| RedirectAction { path_rewrite_specifier: Some(rewrite), ..RedirectAction::default() };
    let regex = |regex: &str, substitution: &str| {
        let pattern = Some(RegexMatcher { regex: regex.into(), ..Default::default() });
        path(PathRewriteSpecifier::RegexRewrite(RegexMatchAndSubstitute { pattern, substitution: substitution.into() }))
    };
    refused_redirect(regex("(", "/"), "regex_rewrite.pattern.regex", "(");
    refused_redirect(regex("(a)", "\\2"), "regex_rewrite.substitution", "\\2");
    refused_redirect(path(PathRewriteSpecifier::PathRewrite("%A%".into())), "path_rewrite", "%A%");
    let refused_direct = |status: u32, specifier: Option<Specifier>, field: &str, value: &str| {
        let body = specifier.map(|specifier| DataSource { specifier: Some(specifier), ..DataSource::default() });
        let direct = Action::DirectResponse(DirectResponseAction { status, body, ..Default::default() });
        refused_route(|route| route.action = Some(direct), &format!("direct_response.{field}"), value);
    };
    refused_direct(100, None, "status", "100");
    refused_direct(65_736, None, "status", "65736");
    refused_direct(200, Some(Specifier::Filename("/etc/passwd".into())), "body.filename", "/etc/passwd");
    refused_direct(200, Some(Specifier::InlineBytes(vec![0xff])), "body", "bytes");
}
