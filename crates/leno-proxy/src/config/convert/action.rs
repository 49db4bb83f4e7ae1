//! What routes do ([`RouteAction`], [`RedirectAction`], [`DirectResponseAction`]).
//!
//! [`RouteAction`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#config-route-v3-routeaction
//! [`RedirectAction`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#config-route-v3-redirectaction
//! [`DirectResponseAction`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#config-route-v3-directresponseaction

use std::{sync::Arc, time::Duration};

use leno_engine::{
    balance::Criteria,
    matcher::Pattern,
    route::{
        Action, ClusterWeight, Clusters, DirectResponse, Forward, HostRewrite, PathRedirect, PathRewrite, Redirect,
        Terminate, Upgrade,
    },
};
use leno_proto::v3::{
    matcher::RegexMatchAndSubstitute,
    route::{
        DirectResponseAction, RedirectAction, RouteAction, WeightedCluster,
        redirect_action::{PathRewriteSpecifier, RedirectResponseCode, SchemeRewriteSpecifier},
        route,
        route_action::{ClusterNotFoundResponseCode, ClusterSpecifier, HostRewriteSpecifier, UpgradeConfig},
    },
};

use super::{
    check::{Check, at, join},
    data_source, filter, hash_policy,
    header::edits,
    label, matcher, mirror, rate_limit, retry,
};

/// Envoy's default.
pub(super) const TIMEOUT: Duration = Duration::from_secs(15);

/// The actions that there are.
const ACTIONS: &str = "route, redirect or direct_response";

pub(super) fn convert(check: &mut Check, path: &str, action: Option<route::Action>) -> Option<Action> {
    match action {
        Some(route::Action::Route(proto)) => forward(check, &join(path, "route"), proto).map(Action::Forward),
        Some(route::Action::Redirect(proto)) => redirect(check, &join(path, "redirect"), proto).map(Action::Redirect),
        Some(route::Action::DirectResponse(proto)) => {
            direct(check, &join(path, "direct_response"), proto).map(Action::DirectResponse)
        }
        Some(route::Action::FilterAction(_)) => check.unsupported(path, "filter_action", ACTIONS),
        Some(route::Action::NonForwardingAction(_)) => check.unsupported(path, "non_forwarding_action", ACTIONS),
        None => {
            check.wrong(path, "no action", ACTIONS);
            None
        }
    }
}

fn forward(check: &mut Check, path: &str, mut proto: RouteAction) -> Option<Forward> {
    let criteria = label::criteria(check, &join(path, "metadata_match"), proto.metadata_match.take());
    let clusters = clusters(check, path, &mut proto, criteria.as_ref());
    let prefix = std::mem::take(&mut proto.prefix_rewrite);
    let path_rewrite = match proto.regex_rewrite.take() {
        Some(rewrite) => {
            if !prefix.is_empty() {
                check.wrong(&join(path, "prefix_rewrite"), prefix, "either this or regex_rewrite");
            }
            regex_rewrite(check, &join(path, "regex_rewrite"), rewrite)
        }
        None => (!prefix.is_empty()).then(|| PathRewrite::Prefix(prefix.into())),
    };
    let host_rewrite = host_rewrite(check, path, &mut proto);
    let upgrades = upgrades(check, path, &mut proto);
    let not_found =
        match ClusterNotFoundResponseCode::try_from(std::mem::take(&mut proto.cluster_not_found_response_code)) {
            Ok(ClusterNotFoundResponseCode::ServiceUnavailable) => 503,
            Ok(ClusterNotFoundResponseCode::NotFound) => 404,
            Ok(ClusterNotFoundResponseCode::InternalServerError) => 500,
            Err(_) => {
                check.wrong(&join(path, "cluster_not_found_response_code"), "unknown", "one of Envoy's");
                503
            }
        };
    let hash = std::mem::take(&mut proto.hash_policy).into_iter().enumerate();
    let hash = hash.filter_map(|(index, one)| hash_policy::convert(check, &at(path, "hash_policy", index), one));
    let hash = hash.collect();
    let tells_host = std::mem::take(&mut proto.append_x_forwarded_host);
    let timeout = check.duration_or(&join(path, "timeout"), proto.timeout.take(), TIMEOUT);
    let idle = proto.idle_timeout.take().and_then(|idle| check.duration(&join(path, "idle_timeout"), &idle));
    let longest = longest(check, path, &mut proto);
    let retry =
        proto.retry_policy.take().map(|policy| retry::convert(check, &join(path, "retry_policy"), policy).into());
    let mirrors = mirror::convert(check, path, &mut proto.request_mirror_policies);
    let rate_limits = rate_limit::rules(check, path, "rate_limits", std::mem::take(&mut proto.rate_limits));
    #[expect(deprecated, reason = "older configurations write it")]
    let host_rate_limits = proto.include_vh_rate_limits.take().is_some_and(|it| it.value);
    check.rest(path, &proto);
    Some(Forward {
        clusters: clusters?,
        path_rewrite,
        host_rewrite,
        upgrades,
        tells_host,
        not_found,
        hash,
        timeout: (!timeout.is_zero()).then_some(timeout),
        idle_timeout: idle,
        longest,
        retry,
        mirrors: mirrors.into(),
        rate_limits: rate_limits.into(),
        host_rate_limits,
        criteria,
    })
}

/// Where requests go.
fn clusters(
    check: &mut Check,
    path: &str,
    proto: &mut RouteAction,
    criteria: Option<&Arc<Criteria>>,
) -> Option<Clusters> {
    match proto.cluster_specifier.take() {
        Some(ClusterSpecifier::Cluster(name)) => {
            check.name(&join(path, "cluster"), name).map(|name| Clusters::One(name.into()))
        }
        Some(ClusterSpecifier::WeightedClusters(weighted)) => {
            let path = join(path, "weighted_clusters");
            Some(Clusters::Weighted(self::weighted(check, &path, weighted, criteria)))
        }
        None => {
            check.wrong(path, "no cluster", "cluster or weighted_clusters");
            None
        }
        // Refused by its name, as all that is left.
        other => {
            proto.cluster_specifier = other;
            None
        }
    }
}

fn host_rewrite(check: &mut Check, path: &str, proto: &mut RouteAction) -> Option<HostRewrite> {
    match proto.host_rewrite_specifier.take() {
        Some(HostRewriteSpecifier::HostRewriteLiteral(host)) => Some(HostRewrite::Literal(host.into())),
        Some(HostRewriteSpecifier::HostRewriteHeader(name)) => {
            let name = check.name(&join(path, "host_rewrite_header"), name)?;
            Some(HostRewrite::Header(name.to_ascii_lowercase().into()))
        }
        Some(HostRewriteSpecifier::HostRewritePathRegex(rewrite)) => {
            let (pattern, to) = substitution(check, &join(path, "host_rewrite_path_regex"), rewrite)?;
            Some(HostRewrite::PathRegex(pattern, to))
        }
        Some(HostRewriteSpecifier::AutoHostRewrite(auto)) => auto.value.then_some(HostRewrite::Endpoint),
        // Refused by its name, as all that is left.
        other => {
            proto.host_rewrite_specifier = other;
            None
        }
    }
}

/// How long a request may take with its answer.
fn longest(check: &mut Check, path: &str, proto: &mut RouteAction) -> Option<Duration> {
    let mut longest = proto.max_stream_duration.take()?;
    let path = join(path, "max_stream_duration");
    let time = longest.max_stream_duration.take();
    check.rest(&path, &longest);
    time.and_then(|time| check.duration(&join(&path, "max_stream_duration"), &time))
}

/// What is said of upgrades.
fn upgrades(check: &mut Check, path: &str, proto: &mut RouteAction) -> Option<Arc<[Upgrade]>> {
    let all = std::mem::take(&mut proto.upgrade_configs).into_iter().enumerate();
    let all: Vec<_> = all.filter_map(|(index, one)| upgrade(check, &at(path, "upgrade_configs", index), one)).collect();
    (!all.is_empty()).then(|| all.into())
}

/// What is said of one kind of upgrade.
fn upgrade(check: &mut Check, path: &str, mut proto: UpgradeConfig) -> Option<Upgrade> {
    let name = std::mem::take(&mut proto.upgrade_type).to_ascii_lowercase();
    let enabled = proto.enabled.take().is_none_or(|enabled| enabled.value);
    let terminates = proto.connect_config.take().map(|mut config| {
        let post = std::mem::take(&mut config.allow_post);
        check.rest(&join(path, "connect_config"), &config);
        Terminate { post }
    });
    check.rest(path, &proto);
    let name: Box<str> = check.name(&join(path, "upgrade_type"), name)?.into();
    if terminates.is_some() && &*name != "connect" {
        check.wrong(&join(path, "connect_config"), "set", "nothing, but for the upgrade_type CONNECT");
    }
    Some(Upgrade { name, enabled, terminates })
}

fn weighted(
    check: &mut Check,
    path: &str,
    mut proto: WeightedCluster,
    of_route: Option<&Arc<Criteria>>,
) -> Vec<ClusterWeight> {
    if proto.clusters.iter().all(|one| one.weight.is_none_or(|weight| weight.value == 0)) {
        check.wrong(&join(path, "clusters"), "no weight at all", "a cluster with a weight above 0");
    }
    let clusters = std::mem::take(&mut proto.clusters).into_iter().enumerate();
    let clusters = clusters
        .filter_map(|(index, mut one)| {
            let path = at(path, "clusters", index);
            let name = std::mem::take(&mut one.name);
            let weight = one.weight.take().map_or(0, |weight| weight.value);
            let request_headers =
                edits(check, &path, "request", &mut one.request_headers_to_add, &mut one.request_headers_to_remove);
            let response_headers =
                edits(check, &path, "response", &mut one.response_headers_to_add, &mut one.response_headers_to_remove);
            let filters = filter::overrides(check, &path, &mut one.typed_per_filter_config);
            let own = label::criteria(check, &join(&path, "metadata_match"), one.metadata_match.take());
            let criteria = match (of_route, own) {
                (Some(route), Some(own)) => Some(Arc::new(route.merged(&own))),
                (route, own) => own.or_else(|| route.cloned()),
            };
            check.rest(&path, &one);
            let cluster = check.name(&join(&path, "name"), name)?.into();
            Some(ClusterWeight { cluster, weight, request_headers, response_headers, filters, criteria })
        })
        .collect();
    check.rest(path, &proto);
    clusters
}

fn regex_rewrite(check: &mut Check, path: &str, proto: RegexMatchAndSubstitute) -> Option<PathRewrite> {
    let (pattern, to) = substitution(check, path, proto)?;
    Some(PathRewrite::Regex(pattern, to))
}

/// An expression, and what takes the place of what fits it.
pub(super) fn substitution(
    check: &mut Check,
    path: &str,
    proto: RegexMatchAndSubstitute,
) -> Option<(Pattern, Box<str>)> {
    let pattern = matcher::regex(check, &join(path, "pattern"), &proto.pattern.unwrap_or_default())?;
    if let Some(unfit) = pattern.unfit(&proto.substitution) {
        let expected = format!("\\0 to \\9 for groups of the pattern, \\\\ for a backslash; it has {unfit}");
        check.wrong(&join(path, "substitution"), proto.substitution, &expected);
        return None;
    }
    Some((pattern, proto.substitution.into()))
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
        Some(PathRewriteSpecifier::PrefixRewrite(prefix)) => {
            Some(PathRedirect::Rewrite(PathRewrite::Prefix(prefix.into())))
        }
        Some(PathRewriteSpecifier::RegexRewrite(rewrite)) => {
            regex_rewrite(check, &join(path, "regex_rewrite"), rewrite).map(PathRedirect::Rewrite)
        }
        // Refused below by its name, as all that is left.
        other => {
            proto.path_rewrite_specifier = other;
            None
        }
    };
    let strip_query = std::mem::take(&mut proto.strip_query);
    check.rest(path, &proto);
    let host = (!host.is_empty()).then(|| host.into());
    Some(Redirect { status, scheme, host, port, path: target, strip_query })
}

fn direct(check: &mut Check, path: &str, mut proto: DirectResponseAction) -> Option<DirectResponse> {
    let number = std::mem::take(&mut proto.status);
    let status = u16::try_from(number).ok().filter(|status| (200..600).contains(status));
    if status.is_none() {
        check.wrong(&join(path, "status"), number.to_string(), "200 to 599");
    }
    let body = proto.body.take().map(|source| data_source::text(check, &join(path, "body"), source));
    check.rest(path, &proto);
    Some(DirectResponse { status: status?, body: body.unwrap_or_default().into() })
}
