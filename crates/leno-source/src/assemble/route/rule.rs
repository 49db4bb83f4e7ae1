//! Rules of HTTPRoutes and GRPCRoutes.

use leno_manifest::{
    gateway::{
        BackendReference,
        filter::{HttpFilterType, HttpRouteFilter},
        grpc_route::{GrpcFilterType, GrpcRouteFilter, GrpcRouteMatch, GrpcRouteRule},
        http_route::{HttpMethod, HttpRouteMatch, HttpRouteRule, NamedMatch, PathMatchType, ValueMatchType},
    },
    syntax::duration,
};
use leno_model::{
    route::{
        Backend, GrpcMatch, GrpcRule, Handling, HttpRule, RequestMatch,
        handling::{Forward, HttpShare, Outcome, Retry},
        http::{PathMatch, TextMatch},
    },
    unit::Weight,
};

use super::{
    Unresolved,
    backend::{Payload, Resolver},
    filter::{self, Filtered},
    session::{self, Place},
};

/// How often requests are sent again when the number is not given: Envoy's default.
const ATTEMPTS: u32 = 1;

/// A rule's name, or its number.
pub(super) fn name(name: Option<&String>, index: usize) -> String {
    name.cloned().unwrap_or_else(|| index.to_string())
}

pub(super) fn http(rules: &[HttpRouteRule], resolver: &mut Resolver<'_>) -> Vec<HttpRule> {
    if rules.is_empty() {
        let nothing = handling(&Parts { filters: &[], shares: Vec::new() }, Forward::default(), "spec", resolver);
        return vec![HttpRule { name: name(None, 0), matches: vec![RequestMatch::default()], handling: nothing }];
    }
    let mut made = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        let at = format!("spec.rules[{index}]");
        let shares: Vec<PartShare<'_>> =
            rule.backend_refs.iter().map(|it| (&it.backend, it.weight, it.filters.clone())).collect();
        let place = Place { at: &at, rule: &name(rule.name.as_ref(), index) };
        let session = session::of(rule.session_persistence.as_ref(), &shares, &place, resolver);
        let forward = Forward { session, ..times(rule) };
        let handling = handling(&Parts { filters: &rule.filters, shares }, forward, &at, resolver);
        let matches = if rule.matches.is_empty() {
            vec![RequestMatch::default()]
        } else {
            rule.matches.iter().map(request).collect()
        };
        made.push(HttpRule { name: name(rule.name.as_ref(), index), matches, handling });
    }
    made
}

pub(super) fn grpc(rules: &[GrpcRouteRule], resolver: &mut Resolver<'_>) -> Vec<GrpcRule> {
    if rules.is_empty() {
        let nothing = handling(&Parts { filters: &[], shares: Vec::new() }, Forward::default(), "spec", resolver);
        return vec![GrpcRule { name: name(None, 0), matches: vec![GrpcMatch::default()], handling: nothing }];
    }
    let mut made = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        let at = format!("spec.rules[{index}]");
        let filters: Vec<_> = rule.filters.iter().map(as_http).collect();
        let shares = rule.backend_refs.iter();
        let shares: Vec<PartShare<'_>> =
            shares.map(|it| (&it.backend, it.weight, it.filters.iter().map(as_http).collect())).collect();
        let place = Place { at: &at, rule: &name(rule.name.as_ref(), index) };
        let session = session::of(rule.session_persistence.as_ref(), &shares, &place, resolver);
        let forward = Forward { session, ..Forward::default() };
        let handling = handling(&Parts { filters: &filters, shares }, forward, &at, resolver);
        let matches =
            if rule.matches.is_empty() { vec![GrpcMatch::default()] } else { rule.matches.iter().map(call).collect() };
        made.push(GrpcRule { name: name(rule.name.as_ref(), index), matches, handling });
    }
    made
}

/// A backend, its weight, its filters.
pub(super) type PartShare<'a> = (&'a BackendReference, u32, Vec<HttpRouteFilter>);

/// What a rule says of filters and backends.
struct Parts<'a> {
    filters: &'a [HttpRouteFilter],
    shares: Vec<PartShare<'a>>,
}

/// What happens to the requests of a rule. `forward` has what is said beside filters and backends.
fn handling(parts: &Parts<'_>, mut forward: Forward, at: &str, resolver: &mut Resolver<'_>) -> Handling {
    let Filtered { request_headers, response_headers, cors, redirect, host, path, mirrors, broken } =
        filter::all(parts.filters, &format!("{at}.filters"), resolver);
    for (index, (reference, weight, filters)) in parts.shares.iter().enumerate() {
        let at = format!("{at}.backendRefs[{index}]");
        let filtered = filter::of_backend(filters, &format!("{at}.filters"), resolver);
        let mut backend = resolver.backend(reference, &at, Payload::Requests);
        if filtered.broken {
            backend = Backend::Unresolved;
        }
        forward.backends.push(HttpShare {
            backend,
            weight: Weight(*weight),
            request_headers: filtered.request_headers,
            response_headers: filtered.response_headers,
        });
    }
    let takes = |share: &HttpShare| share.weight > Weight(0) && share.backend != Backend::Unresolved;
    let origin = resolver.manifest.key();
    let outcome = match redirect {
        _ if broken => Outcome::Refuse(500, format!("{origin} names a filter that is not there")),
        Some(redirect) => Outcome::Redirect(redirect),
        None if forward.backends.iter().any(takes) => {
            Outcome::Forward(Box::new(Forward { host, path, mirrors, ..forward }))
        }
        None => Outcome::Refuse(500, format!("{origin} sends these requests to no backend that is there")),
    };
    Handling { request_headers, response_headers, cors, outcome }
}

fn times(rule: &HttpRouteRule) -> Forward {
    let time =
        |text: Option<&String>| text.and_then(|text| duration::parse_gateway(text)).filter(|time| !time.is_zero());
    let times = rule.timeouts.as_ref();
    let retry = rule.retry.as_ref().map(|retry| Retry {
        statuses: retry.codes.clone(),
        attempts: retry.attempts.unwrap_or(ATTEMPTS),
        backoff: time(retry.backoff.as_ref()),
    });
    Forward {
        timeout: times.and_then(|times| time(times.request.as_ref())),
        try_timeout: times.and_then(|times| time(times.backend_request.as_ref())),
        retry,
        ..Forward::default()
    }
}

fn request(one: &HttpRouteMatch) -> RequestMatch {
    let path = match &one.path {
        None => PathMatch::Prefix(String::new()),
        Some(path) => match path.kind {
            PathMatchType::Exact => PathMatch::Exact(path.value.clone()),
            PathMatchType::PathPrefix => PathMatch::Prefix(path.value.trim_end_matches('/').to_owned()),
            PathMatchType::RegularExpression => PathMatch::Regex(path.value.clone()),
        },
    };
    RequestMatch {
        path,
        method: one.method.map(|method: HttpMethod| method.as_str().to_owned()),
        headers: named(&one.headers, true),
        query: named(&one.query_params, false),
    }
}

fn call(one: &GrpcRouteMatch) -> GrpcMatch {
    let method = one.method.as_ref();
    let part = |text: Option<&String>| method.and_then(|method| Some(text_match(method.kind, text?)));
    GrpcMatch {
        service: part(method.and_then(|it| it.service.as_ref())),
        method: part(method.and_then(|it| it.method.as_ref())),
        headers: named(&one.headers, true),
    }
}

/// Of several with one name the first counts; names of headers have no case.
fn named(matches: &[NamedMatch], headers: bool) -> Vec<(String, TextMatch)> {
    let mut made: Vec<(String, TextMatch)> = Vec::new();
    for one in matches {
        let name = if headers { one.name.to_ascii_lowercase() } else { one.name.clone() };
        if !made.iter().any(|(known, _)| *known == name) {
            made.push((name, text_match(one.kind, &one.value)));
        }
    }
    made
}

fn text_match(kind: ValueMatchType, text: &str) -> TextMatch {
    match kind {
        ValueMatchType::Exact => TextMatch::Exact(text.to_owned()),
        ValueMatchType::RegularExpression => TextMatch::Regex(text.to_owned()),
    }
}

/// What is done with a call is done with requests, too.
fn as_http(filter: &GrpcRouteFilter) -> HttpRouteFilter {
    HttpRouteFilter {
        kind: match filter.kind {
            GrpcFilterType::RequestHeaderModifier => HttpFilterType::RequestHeaderModifier,
            GrpcFilterType::ResponseHeaderModifier => HttpFilterType::ResponseHeaderModifier,
            GrpcFilterType::RequestMirror => HttpFilterType::RequestMirror,
            GrpcFilterType::ExtensionRef => HttpFilterType::ExtensionRef,
        },
        request_header_modifier: filter.request_header_modifier.clone(),
        response_header_modifier: filter.response_header_modifier.clone(),
        request_mirror: filter.request_mirror.clone(),
        request_redirect: None,
        url_rewrite: None,
        cors: None,
        external_auth: None,
        extension_ref: filter.extension_ref.clone(),
    }
}

/// A filter that is named and is not there.
pub(super) fn extension(at: &str, resolver: &mut Resolver<'_>) {
    let text = format!("{at} names a filter of another API, and Leno brings none");
    resolver.missing(Unresolved::InvalidKind, text);
}
