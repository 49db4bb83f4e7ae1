//! How much servers take together: a filter of their own sidecars that asks the control plane, or a service ([`ratelimit`]);
//! and how much all callers send together by a rule of a route: a filter of the callers' sidecars.
//!
//! A limit is a descriptor: first its name, `("limit", NAME)`, where the request is one that it is of; then what is counted
//! apart. How much is allowed goes along, unless the service knows it.
//!
//! [`ratelimit`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/http/ratelimit/v3/rate_limit.proto

use leno_model::{
    ObjectRef,
    policy::{
        RequestMatch, TextMatch,
        traffic::{CountBy, CountedLimit, CountedRate, CountedUnit, GlobalRateLimit, RateCounter},
    },
    resource_name,
};
use leno_proto::{
    any,
    google::protobuf::Any,
    v3::{
        core::{ApiVersion, HeaderValue, HeaderValueOption, header_value_option},
        header_mutation::{HeaderMutation, Mutations},
        http_connection_manager::HttpFilter,
        http_ratelimit::{RateLimit as Filter, RateLimitPerRoute},
        mutation_rules::{HeaderMutation as Mutation, header_mutation::Action as Change},
        ratelimit_service::RateLimitServiceConfig,
        route::{
            HeaderMatcher, RateLimit,
            rate_limit::{
                Action, Override,
                action::{
                    ActionSpecifier, GenericKey, HeaderValueMatch, QueryParameters, RemoteAddress, RequestHeaders,
                },
                r#override::{OverrideSpecifier, RateLimitOverride},
            },
        },
        r#type::{HttpStatus, RateLimitUnit},
    },
};

use crate::{
    matcher,
    message::{duration, grpc_service, http_filter},
    route::escaped,
};

/// The header that the caller's identity is told in; what callers say themselves is taken away.
const CALLER: &str = "x-leno-caller";

/// The filter's name.
const FILTER: &str = "envoy.filters.http.ratelimit";

/// Who a request is counted for.
#[derive(Clone, Copy)]
pub(super) enum Who<'a> {
    /// Whom [`CALLER`] names: at the server's sidecar.
    Peer,
    /// This identity: at the caller's own sidecar.
    Itself(&'a str),
}

/// The filter of a server. Where a limit counts callers, [`caller`] comes before it.
pub(crate) fn filter(limit: &GlobalRateLimit) -> HttpFilter {
    let rules = limit.limits.iter().map(|one| counted(one, Who::Peer)).collect();
    http_filter(FILTER, any::pack(&asking(limit, rules)))
}

/// The filter of a caller, which asks about those requests alone whose routes say so ([`of_rule`]). There may be several,
/// one for each policy.
pub(crate) fn filter_of_rules(policy: &ObjectRef, limit: &GlobalRateLimit) -> HttpFilter {
    http_filter(&name(policy), any::pack(&asking(limit, Vec::new())))
}

/// What a route says for [`filter_of_rules`], and that filter's name. `caller` is who sends the requests.
pub(crate) fn of_rule(policy: &ObjectRef, limit: &GlobalRateLimit, caller: &str) -> (String, Any) {
    let rate_limits = limit.limits.iter().map(|one| counted(one, Who::Itself(caller))).collect();
    (name(policy), any::pack(&RateLimitPerRoute { rate_limits, ..Default::default() }))
}

fn name(policy: &ObjectRef) -> String {
    format!("{FILTER}/{}/{}", policy.namespace, policy.name)
}

/// The filter that tells who calls, in a header; what callers say themselves is taken away.
pub(crate) fn caller() -> HttpFilter {
    let identity = HeaderValueOption {
        header: Some(HeaderValue {
            key: CALLER.into(),
            value: "%DOWNSTREAM_PEER_URI_SAN%".into(),
            ..Default::default()
        }),
        append_action: header_value_option::HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
        ..Default::default()
    };
    let changes = [Change::Remove(CALLER.into()), Change::Append(identity)];
    let mutations = Mutations {
        request_mutations: changes.map(|change| Mutation { action: Some(change) }).into(),
        ..Default::default()
    };
    let config = HeaderMutation { mutations: Some(mutations), ..Default::default() };
    http_filter("envoy.filters.http.header_mutation", any::pack(&config))
}

fn asking(limit: &GlobalRateLimit, rate_limits: Vec<RateLimit>) -> Filter {
    let (cluster_name, authority) = match &limit.counter {
        RateCounter::ControlPlane => (resource_name::CONTROL_PLANE.to_owned(), resource_name::CONTROL_PLANE.to_owned()),
        RateCounter::Service { service, port } => {
            (resource_name::service_port(service, *port), format!("{}.{}", service.name, service.namespace))
        }
    };
    let header = |(key, value): &(String, String)| HeaderValueOption {
        header: Some(HeaderValue { key: key.clone(), value: value.clone(), ..Default::default() }),
        ..Default::default()
    };
    Filter {
        domain: limit.domain.clone(),
        timeout: Some(duration(limit.timeout)),
        failure_mode_deny: limit.closed_on_error,
        rate_limit_service: Some(RateLimitServiceConfig {
            grpc_service: Some(grpc_service(cluster_name, authority, limit.timeout)),
            transport_api_version: ApiVersion::V3.into(),
        }),
        rate_limited_status: Some(HttpStatus { code: limit.status.into() }),
        response_headers_to_add: limit.headers.iter().map(header).collect(),
        rate_limits,
        ..Default::default()
    }
}

fn counted(limit: &CountedLimit, who: Who<'_>) -> RateLimit {
    let specifiers = [named(limit)].into_iter().chain(limit.by.iter().map(|one| by(one, who)));
    RateLimit {
        actions: specifiers.map(|it| Action { action_specifier: Some(it) }).collect(),
        limit: limit.rate.map(rate),
        ..Default::default()
    }
}

/// The limit's name, of requests that it is of; there is no descriptor of others.
fn named(limit: &CountedLimit) -> ActionSpecifier {
    let (key, value) = ("limit".to_owned(), limit.name.clone());
    if limit.fits == RequestMatch::default() {
        generic(&key, &value)
    } else {
        let path = limit.fits.path.as_ref().map(path);
        ActionSpecifier::HeaderValueMatch(HeaderValueMatch {
            descriptor_key: key,
            descriptor_value: value,
            headers: path.into_iter().chain(matcher::headers(&limit.fits)).collect(),
            ..Default::default()
        })
    }
}

fn generic(key: &str, value: &str) -> ActionSpecifier {
    ActionSpecifier::GenericKey(GenericKey {
        descriptor_key: key.to_owned(),
        descriptor_value: value.to_owned(),
        ..Default::default()
    })
}

/// A path in `:path`, which has the query, too.
fn path(fits: &TextMatch) -> HeaderMatcher {
    let regex = match fits {
        TextMatch::Exact(text) => format!(r"{}(\?.*)?", escaped(text)),
        TextMatch::Prefix(text) => format!("{}([/?].*)?", escaped(text.trim_end_matches('/'))),
        TextMatch::Regex(regex) => format!(r"(?:{regex})(\?.*)?"),
    };
    matcher::named(":path", Some(matcher::text(&TextMatch::Regex(regex))))
}

/// What is counted apart, as an entry of a descriptor; of requests without it there is no descriptor.
pub(super) fn by(by: &CountBy, who: Who<'_>) -> ActionSpecifier {
    let header = |name: &str, key: &str| {
        ActionSpecifier::RequestHeaders(RequestHeaders {
            header_name: name.to_owned(),
            descriptor_key: key.to_owned(),
            ..Default::default()
        })
    };
    match by {
        CountBy::Header(name) => header(name, name),
        CountBy::Path => header(":path", "path"),
        CountBy::Method => header(":method", "method"),
        CountBy::Caller => match who {
            Who::Peer => header(CALLER, "caller"),
            Who::Itself(identity) => generic("caller", identity),
        },
        CountBy::RemoteAddress => ActionSpecifier::RemoteAddress(RemoteAddress {}),
        CountBy::QueryParameter(name) => ActionSpecifier::QueryParameters(QueryParameters {
            query_parameter_name: name.clone(),
            descriptor_key: name.clone(),
            ..Default::default()
        }),
    }
}

fn rate(rate: CountedRate) -> Override {
    let unit = match rate.unit {
        CountedUnit::Second => RateLimitUnit::Second,
        CountedUnit::Minute => RateLimitUnit::Minute,
        CountedUnit::Hour => RateLimitUnit::Hour,
        CountedUnit::Day => RateLimitUnit::Day,
    };
    let limit = RateLimitOverride { requests_per_unit: rate.requests, unit: unit.into() };
    Override { override_specifier: Some(OverrideSpecifier::RateLimit(limit)) }
}
