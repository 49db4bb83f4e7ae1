//! What routes do ([`RouteAction`], [`RedirectAction`], [`DirectResponseAction`]).
//!
//! [`RouteAction`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#config-route-v3-routeaction
//! [`RedirectAction`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#config-route-v3-redirectaction
//! [`DirectResponseAction`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#config-route-v3-directresponseaction

use std::time::Duration;

use leno_engine::{
    resilience::{Backoff, RetryOn, RetryPolicy},
    route::{
        Action, ClusterWeight, Clusters, DirectResponse, Forward, HostRewrite, PathRedirect, PathRewrite, Redirect,
    },
};
use leno_proto::v3::{
    core::data_source::Specifier,
    route::{
        DirectResponseAction, RedirectAction, RetryPolicy as RetryProto, RouteAction, WeightedCluster,
        redirect_action::{PathRewriteSpecifier, RedirectResponseCode, SchemeRewriteSpecifier},
        route,
        route_action::{ClusterSpecifier, HostRewriteSpecifier},
    },
};

use super::{
    check::{Check, at, join},
    matcher,
    route::edits,
};

/// Envoy's default.
const TIMEOUT: Duration = Duration::from_secs(15);

pub(super) fn convert(check: &mut Check, path: &str, action: Option<route::Action>) -> Option<Action> {
    match action {
        Some(route::Action::Route(proto)) => forward(check, &join(path, "route"), proto).map(Action::Forward),
        Some(route::Action::Redirect(proto)) => redirect(check, &join(path, "redirect"), proto).map(Action::Redirect),
        Some(route::Action::DirectResponse(proto)) => {
            direct(check, &join(path, "direct_response"), proto).map(Action::DirectResponse)
        }
        Some(route::Action::FilterAction(_) | route::Action::NonForwardingAction(_)) | None => {
            check.wrong(path, "no action", "route, redirect or direct_response");
            None
        }
    }
}

fn forward(check: &mut Check, path: &str, mut proto: RouteAction) -> Option<Forward> {
    let clusters = match proto.cluster_specifier.take() {
        Some(ClusterSpecifier::Cluster(name)) => Some(Clusters::One(name.into())),
        Some(ClusterSpecifier::WeightedClusters(weighted)) => {
            Some(Clusters::Weighted(self::weighted(check, &join(path, "weighted_clusters"), weighted)))
        }
        Some(_) | None => {
            check.wrong(path, "no cluster", "cluster or weighted_clusters");
            None
        }
    };
    let prefix = std::mem::take(&mut proto.prefix_rewrite);
    let path_rewrite = match proto.regex_rewrite.take() {
        Some(rewrite) => {
            let pattern = rewrite.pattern.unwrap_or_default();
            let pattern = matcher::regex(check, &join(path, "regex_rewrite.pattern"), &pattern);
            pattern.map(|pattern| PathRewrite::Regex(pattern, rewrite.substitution.into()))
        }
        None => (!prefix.is_empty()).then(|| PathRewrite::Prefix(prefix.into())),
    };
    let host_rewrite = match proto.host_rewrite_specifier.take() {
        Some(HostRewriteSpecifier::HostRewriteLiteral(host)) => Some(HostRewrite::Literal(host.into())),
        Some(_) => {
            check.wrong(path, "another host rewrite", "host_rewrite_literal");
            None
        }
        None => None,
    };
    let timeout = check.duration_or(&join(path, "timeout"), proto.timeout.take(), TIMEOUT);
    let idle = proto.idle_timeout.take().and_then(|idle| check.duration(&join(path, "idle_timeout"), &idle));
    let retry = proto.retry_policy.take().map(|retry| self::retry(check, &join(path, "retry_policy"), retry));
    check.rest(path, &proto);
    Some(Forward {
        clusters: clusters?,
        path_rewrite,
        host_rewrite,
        timeout: (!timeout.is_zero()).then_some(timeout),
        idle_timeout: idle,
        retry,
    })
}

fn weighted(check: &mut Check, path: &str, mut proto: WeightedCluster) -> Vec<ClusterWeight> {
    let clusters = std::mem::take(&mut proto.clusters).into_iter().enumerate();
    let clusters = clusters
        .map(|(index, mut one)| {
            let path = at(path, "clusters", index);
            let cluster = std::mem::take(&mut one.name).into();
            let weight = one.weight.take().map_or(0, |weight| weight.value);
            let request_headers =
                edits(check, &path, "request", &mut one.request_headers_to_add, &mut one.request_headers_to_remove);
            let response_headers =
                edits(check, &path, "response", &mut one.response_headers_to_add, &mut one.response_headers_to_remove);
            check.rest(&path, &one);
            ClusterWeight { cluster, weight, request_headers, response_headers }
        })
        .collect();
    check.rest(path, &proto);
    clusters
}

fn redirect(check: &mut Check, path: &str, mut proto: RedirectAction) -> Option<Redirect> {
    let status = match RedirectResponseCode::try_from(std::mem::take(&mut proto.response_code)) {
        Ok(RedirectResponseCode::MovedPermanently) => 301,
        Ok(RedirectResponseCode::Found) => 302,
        Ok(RedirectResponseCode::SeeOther) => 303,
        Ok(RedirectResponseCode::TemporaryRedirect) => 307,
        Ok(RedirectResponseCode::PermanentRedirect) => 308,
        Err(_) => {
            check.wrong(&join(path, "response_code"), "unknown", "one of Envoy's");
            return None;
        }
    };
    let host = std::mem::take(&mut proto.host_redirect);
    let port = match std::mem::take(&mut proto.port_redirect) {
        0 => None,
        port => {
            u16::try_from(port).map_err(|_| check.wrong(&join(path, "port_redirect"), port.to_string(), "a port")).ok()
        }
    };
    let scheme: Option<Box<str>> = match proto.scheme_rewrite_specifier.take() {
        Some(SchemeRewriteSpecifier::HttpsRedirect(true)) => Some("https".into()),
        Some(SchemeRewriteSpecifier::SchemeRedirect(scheme)) => Some(scheme.into()),
        Some(SchemeRewriteSpecifier::HttpsRedirect(false)) | None => None,
    };
    let target = match proto.path_rewrite_specifier.take() {
        Some(PathRewriteSpecifier::PathRedirect(full)) => Some(PathRedirect::Full(full.into())),
        Some(PathRewriteSpecifier::PrefixRewrite(prefix)) => Some(PathRedirect::Prefix(prefix.into())),
        Some(PathRewriteSpecifier::RegexRewrite(_) | PathRewriteSpecifier::PathRewrite(_)) => {
            check.wrong(&join(path, "path_rewrite_specifier"), "another", "path_redirect or prefix_rewrite");
            None
        }
        None => None,
    };
    let strip_query = std::mem::take(&mut proto.strip_query);
    check.rest(path, &proto);
    let host = (!host.is_empty()).then(|| host.into());
    Some(Redirect { status, scheme, host, port, path: target, strip_query })
}

fn direct(check: &mut Check, path: &str, mut proto: DirectResponseAction) -> Option<DirectResponse> {
    let status = u16::try_from(std::mem::take(&mut proto.status)).ok().filter(|status| (200..600).contains(status));
    if status.is_none() {
        check.wrong(&join(path, "status"), "out of range", "200 to 599");
    }
    let body = match proto.body.take().and_then(|body| body.specifier) {
        Some(Specifier::InlineString(text)) => text,
        Some(Specifier::InlineBytes(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
        Some(Specifier::Filename(_) | Specifier::EnvironmentVariable(_)) => {
            check.wrong(&join(path, "body"), "from elsewhere", "inline_string or inline_bytes");
            String::new()
        }
        None => String::new(),
    };
    check.rest(path, &proto);
    Some(DirectResponse { status: status?, body: body.into() })
}

fn retry(check: &mut Check, path: &str, mut proto: RetryProto) -> RetryPolicy {
    let mut on = RetryOn { statuses: Vec::new(), ..RetryOn::default() };
    let codes = std::mem::take(&mut proto.retriable_status_codes);
    for word in std::mem::take(&mut proto.retry_on).split(',').map(str::trim).filter(|word| !word.is_empty()) {
        match word {
            "5xx" => on.server_error = true,
            "gateway-error" => on.gateway_error = true,
            "connect-failure" => on.connect_failure = true,
            "reset" | "reset-before-request" => on.reset = true,
            "refused-stream" => on.refused_stream = true,
            "retriable-4xx" => on.conflict = true,
            "retriable-status-codes" => {
                on.statuses = codes.iter().filter_map(|code| u16::try_from(*code).ok()).collect()
            }
            other => check.wrong(&join(path, "retry_on"), other, "a condition that Leno supports"),
        }
    }
    let retries = proto.num_retries.take().map_or(1, |retries| retries.value);
    let per_try = proto.per_try_timeout.take().and_then(|time| check.duration(&join(path, "per_try_timeout"), &time));
    let mut backoff = Backoff::default();
    if let Some(proto) = proto.retry_back_off.take() {
        backoff.base =
            check.duration_or(&join(path, "retry_back_off.base_interval"), proto.base_interval, backoff.base);
        let max = backoff.base.saturating_mul(10);
        backoff.max = check.duration_or(&join(path, "retry_back_off.max_interval"), proto.max_interval, max);
    }
    check.rest(path, &proto);
    RetryPolicy { on, retries, per_try_timeout: per_try.filter(|time| !time.is_zero()), backoff }
}
