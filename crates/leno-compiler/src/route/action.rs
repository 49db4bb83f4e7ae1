//! What routes do.

use std::time::Duration;

use leno_model::{
    policy::traffic::Share,
    resource_name,
    route::{
        Backend,
        handling::{Forward, HeaderChanges, HttpShare, Mirror, Outcome, Redirect, Retry, Scheme},
        http::PathMatch,
    },
    unit::Weight,
};
use leno_proto::v3::{
    core::{self, HeaderValue, HeaderValueOption, header_value_option::HeaderAppendAction},
    route::{
        DirectResponseAction, RedirectAction, RetryPolicy, RouteAction, WeightedCluster,
        redirect_action::{RedirectResponseCode, SchemeRewriteSpecifier},
        retry_policy::RetryBackOff,
        route::Action,
        route_action::{ClusterNotFoundResponseCode, ClusterSpecifier, HostRewriteSpecifier, RequestMirrorPolicy},
        weighted_cluster::ClusterWeight,
    },
};

use super::rewrite;
use crate::{
    limit,
    message::{duration, uint32},
    traffic,
};

/// How requests that fit this path, to this service port, are answered or passed on.
pub(super) fn of(outcome: &Outcome, path: &PathMatch, port: u16) -> Action {
    match outcome {
        Outcome::Refuse(status, text) => direct(*status, text.clone()),
        Outcome::Redirect(redirect) => Action::Redirect(self::redirect(redirect, path, port)),
        Outcome::Forward(forward) => self::forward(forward, path),
    }
}

/// An answer of the proxy's own.
pub(super) fn direct(status: u16, text: String) -> Action {
    Action::DirectResponse(DirectResponseAction {
        status: status.into(),
        body: Some(core::DataSource {
            specifier: Some(core::data_source::Specifier::InlineString(text)),
            ..Default::default()
        }),
        ..Default::default()
    })
}

fn forward(forward: &Forward, path: &PathMatch) -> Action {
    let shares: Vec<_> = forward.backends.iter().filter(|share| share.weight > Weight(0)).collect();
    let plain = |share: &HttpShare| {
        share.request_headers == HeaderChanges::default() && share.response_headers == HeaderChanges::default()
    };
    let cluster = match shares.as_slice() {
        [] => return direct(500, "no backend of this route takes requests".into()),
        [share] if plain(share) => ClusterSpecifier::Cluster(cluster(&share.backend)),
        shares => ClusterSpecifier::WeightedClusters(WeightedCluster {
            clusters: shares.iter().map(|share| weighted(share)).collect(),
            ..Default::default()
        }),
    };
    let unresolved = shares.iter().any(|share| share.backend == Backend::Unresolved);
    let not_found = if unresolved {
        ClusterNotFoundResponseCode::InternalServerError
    } else {
        ClusterNotFoundResponseCode::ServiceUnavailable
    };
    let mut action = RouteAction {
        cluster_specifier: Some(cluster),
        cluster_not_found_response_code: not_found.into(),
        timeout: Some(duration(timeout(forward))),
        retry_policy: retry(forward),
        host_rewrite_specifier: forward.host.clone().map(HostRewriteSpecifier::HostRewriteLiteral),
        request_mirror_policies: forward.mirrors.iter().map(mirror).collect(),
        ..Default::default()
    };
    match forward.path.as_ref().map(|to| rewrite::of(to, path)) {
        Some(rewrite::Rewrite::Prefix(to)) => action.prefix_rewrite = to,
        Some(rewrite::Rewrite::Regex(to)) => action.regex_rewrite = Some(to),
        Some(rewrite::Rewrite::Full(to)) => action.regex_rewrite = Some(rewrite::whole(&to)),
        Some(rewrite::Rewrite::Nothing) | None => {}
    }
    Action::Route(action)
}

/// The cluster of a backend. The one of those that cannot be resolved is nowhere to be found.
pub(crate) fn cluster(backend: &Backend) -> String {
    match backend {
        Backend::Service(service, port) => resource_name::service_port(service, *port),
        Backend::Unresolved => resource_name::UNRESOLVED.to_owned(),
    }
}

fn weighted(share: &HttpShare) -> ClusterWeight {
    ClusterWeight {
        name: cluster(&share.backend),
        weight: Some(uint32(share.weight.0)),
        request_headers_to_add: headers_to_add(&share.request_headers),
        request_headers_to_remove: share.request_headers.remove.clone(),
        response_headers_to_add: headers_to_add(&share.response_headers),
        response_headers_to_remove: share.response_headers.remove.clone(),
        ..Default::default()
    }
}

/// The headers that are written.
pub(super) fn headers_to_add(changes: &HeaderChanges) -> Vec<HeaderValueOption> {
    let option = |(name, value): &(String, String), action: HeaderAppendAction| HeaderValueOption {
        header: Some(HeaderValue {
            key: name.clone(),
            // A value is what it is: `%` would begin something to be filled in.
            value: value.replace('%', "%%"),
            ..Default::default()
        }),
        append_action: action.into(),
        ..Default::default()
    };
    let set = changes.set.iter().map(|header| option(header, HeaderAppendAction::OverwriteIfExistsOrAdd));
    let add = changes.add.iter().map(|header| option(header, HeaderAppendAction::AppendIfExistsOrAdd));
    set.chain(add).collect()
}

/// How long an answer may take. A single try is the whole request: so Leno's own resends, of what cannot have been
/// processed, stay as they are where no policy takes their place.
fn timeout(forward: &Forward) -> Duration {
    let only_try = forward.try_timeout.filter(|_| forward.retry.is_none());
    match (forward.timeout, only_try) {
        (Some(whole), Some(one)) => whole.min(one),
        (Some(time), None) | (None, Some(time)) => time,
        (None, None) => limit::ANSWER,
    }
}

fn retry(forward: &Forward) -> Option<RetryPolicy> {
    let Retry { statuses, attempts, backoff } = forward.retry.as_ref()?;
    let mut on = vec!["connect-failure", "refused-stream", "reset"];
    if !statuses.is_empty() {
        on.push("retriable-status-codes");
    }
    let backoff = backoff.filter(|time| !time.is_zero());
    Some(RetryPolicy {
        retry_on: on.join(","),
        num_retries: Some(uint32(*attempts)),
        per_try_timeout: forward.try_timeout.map(duration),
        retriable_status_codes: statuses.iter().map(|status| (*status).into()).collect(),
        retry_back_off: backoff.map(|time| RetryBackOff { base_interval: Some(duration(time)), ..Default::default() }),
        ..Default::default()
    })
}

fn mirror(mirror: &Mirror) -> RequestMirrorPolicy {
    traffic::route::mirror(cluster(&mirror.backend), Share(mirror.per_million))
}

fn redirect(redirect: &Redirect, path: &PathMatch, called: u16) -> RedirectAction {
    let mut action = RedirectAction {
        host_redirect: redirect.host.clone().unwrap_or_default(),
        port_redirect: port(redirect, called).into(),
        scheme_rewrite_specifier: redirect.scheme.map(|scheme| match scheme {
            Scheme::Http => SchemeRewriteSpecifier::SchemeRedirect("http".into()),
            Scheme::Https => SchemeRewriteSpecifier::HttpsRedirect(true),
        }),
        response_code: match redirect.status {
            301 => RedirectResponseCode::MovedPermanently,
            303 => RedirectResponseCode::SeeOther,
            307 => RedirectResponseCode::TemporaryRedirect,
            308 => RedirectResponseCode::PermanentRedirect,
            _ => RedirectResponseCode::Found,
        }
        .into(),
        ..Default::default()
    };
    if let Some(to) = &redirect.path {
        action.path_rewrite_specifier = rewrite::of(to, path).into_redirect();
    }
    action
}

/// The port that a redirect has to name; 0 where it goes without saying, or stands in the request's host already.
fn port(redirect: &Redirect, called: u16) -> u16 {
    let scheme = redirect.scheme.unwrap_or(Scheme::Http);
    let port = match (redirect.port, redirect.scheme) {
        (Some(port), _) => port,
        (None, Some(scheme)) => scheme.port(),
        (None, None) => called,
    };
    // Envoy takes the port from the request's host, where that stays. It leaves it out itself if it was the usual one.
    let stays = redirect.host.is_none() && redirect.port.is_none();
    let implied =
        if stays { redirect.scheme.is_none() || called == Scheme::Http.port() } else { port == scheme.port() };
    if implied { 0 } else { port }
}
