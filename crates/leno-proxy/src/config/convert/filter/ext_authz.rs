//! Asking a service ([`envoy.extensions.filters.http.ext_authz.v3.ExtAuthz`]).
//!
//! [`envoy.extensions.filters.http.ext_authz.v3.ExtAuthz`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/http/ext_authz/v3/ext_authz.proto

use std::{num::NonZeroU32, time::Duration};

use leno_engine::{
    filter::{
        FilterConfig, Override,
        authorize::{AuthzPath, AuthzRoute, AuthzService, BodySettings, Context, ExtAuthz, HeaderSelection, HttpAuthz},
    },
    fraction::Fraction,
    matcher::StringMatcher,
};
use leno_proto::v3::{
    core::{GrpcService, RuntimeFeatureFlag},
    ext_authz::{
        AuthorizationResponse, BufferSettings, CheckSettings, ExtAuthz as Proto, ExtAuthzPerRoute, HttpService,
        check_settings::ServiceOverride, ext_authz::Services, ext_authz_per_route,
    },
    matcher::ListStringMatcher,
    r#type::HttpStatus,
};

use super::super::{
    check::{Check, at, join},
    fraction, matcher, metadata, service,
};

/// How long the service may take where nothing is said: Envoy's.
const TIMEOUT: Duration = Duration::from_millis(200);

pub(super) fn convert(check: &mut Check, path: &str, mut proto: Proto) -> Option<FilterConfig> {
    let mut allowed = list(check, &join(path, "allowed_headers"), proto.allowed_headers.take());
    let service = match proto.services.take() {
        Some(Services::GrpcService(proto)) => grpc(check, &join(path, "grpc_service"), proto),
        Some(Services::HttpService(proto)) => http(check, &join(path, "http_service"), proto, &mut allowed),
        None => {
            check.wrong(path, "no service", "grpc_service or http_service");
            None
        }
    };
    service::version(check, path, &mut proto.transport_api_version);
    let body = proto.with_request_body.take();
    let body = body.and_then(|proto| body_settings(check, &join(path, "with_request_body"), proto));
    let disallowed = list(check, &join(path, "disallowed_headers"), proto.disallowed_headers.take());
    let enabled = fraction::runtime(check, &join(path, "filter_enabled"), proto.filter_enabled.take(), Fraction::ALL);
    let matched = proto.filter_enabled_metadata.take();
    let enabled_metadata =
        matched.and_then(|proto| metadata::convert(check, &join(path, "filter_enabled_metadata"), proto));
    let deny_at_disable = flag(check, &join(path, "deny_at_disable"), proto.deny_at_disable.take());
    // There are no such statistics and spans.
    proto.charge_cluster_response_stats = None;
    proto.emit_client_span = None;
    proto.stat_prefix.clear();
    let authz = ExtAuthz {
        service: service?,
        failure_allows: std::mem::take(&mut proto.failure_mode_allow),
        failure_tells: std::mem::take(&mut proto.failure_mode_allow_header_add),
        status_on_error: status(check, &join(path, "status_on_error"), proto.status_on_error.take(), 403),
        body,
        headers: HeaderSelection { allowed, disallowed: disallowed.unwrap_or_default() },
        reroutes: std::mem::take(&mut proto.clear_route_cache),
        validates: std::mem::take(&mut proto.validate_mutations),
        metadata_namespaces: std::mem::take(&mut proto.metadata_context_namespaces)
            .into_iter()
            .map(Into::into)
            .collect(),
        enabled,
        enabled_metadata,
        deny_at_disable,
        tells_server_name: std::mem::take(&mut proto.include_tls_session),
        raw_headers: std::mem::take(&mut proto.encode_raw_headers),
        keeps_metadata: proto.enable_dynamic_metadata_ingestion.take().is_none_or(|it| it.value),
        max_denied_body: NonZeroU32::new(std::mem::take(&mut proto.max_denied_response_body_bytes)),
        // No filter of ours reads the decision that Envoy leaves for others.
        shadow: std::mem::take(&mut proto.shadow_mode),
    };
    check.rest(path, &proto);
    Some(FilterConfig::ExtAuthz(authz.into()))
}

/// What a route says.
pub(super) fn of_route(check: &mut Check, path: &str, proto: ExtAuthzPerRoute) -> Option<Override> {
    match proto.r#override {
        Some(ext_authz_per_route::Override::Disabled(true)) => Some(Override::Disabled),
        Some(ext_authz_per_route::Override::Disabled(false)) => Some(Override::Enabled),
        Some(ext_authz_per_route::Override::CheckSettings(settings)) => {
            let route = check_settings(check, &join(path, "check_settings"), settings)?;
            Some(Override::Config(FilterConfig::ExtAuthzRoute(route.into())))
        }
        None => {
            check.wrong(path, "nothing", "disabled or check_settings");
            None
        }
    }
}

fn check_settings(check: &mut Check, path: &str, mut proto: CheckSettings) -> Option<AuthzRoute> {
    let mut context: Vec<Context> = std::mem::take(&mut proto.context_extensions)
        .into_iter()
        .map(|(key, value)| (key.into(), value.into()))
        .collect();
    context.sort();
    let without = std::mem::take(&mut proto.disable_request_body_buffering);
    let body = match proto.with_request_body.take() {
        Some(_) if without => {
            check.wrong(&join(path, "with_request_body"), "set", "either this or disable_request_body_buffering");
            None
        }
        Some(proto) => Some(Some(body_settings(check, &join(path, "with_request_body"), proto)?)),
        None => without.then_some(None),
    };
    let service = match proto.service_override.take() {
        Some(ServiceOverride::GrpcService(proto)) => Some(grpc(check, &join(path, "grpc_service"), proto)?),
        Some(ServiceOverride::HttpService(proto)) => Some(http(check, &join(path, "http_service"), proto, &mut None)?),
        None => None,
    };
    // There are no such spans.
    proto.emit_client_span = None;
    check.rest(path, &proto);
    Some(AuthzRoute { context, body, service })
}

fn grpc(check: &mut Check, path: &str, proto: GrpcService) -> Option<AuthzService> {
    service::grpc(check, path, proto, TIMEOUT).map(AuthzService::Grpc)
}

fn http(
    check: &mut Check,
    path: &str,
    mut proto: HttpService,
    allowed: &mut Option<Vec<StringMatcher>>,
) -> Option<AuthzService> {
    let Some(uri) = proto.server_uri.take() else {
        check.wrong(&join(path, "server_uri"), "missing", "where the service is");
        return None;
    };
    let service = service::http(check, &join(path, "server_uri"), uri);
    let (prefix, fixed) = (std::mem::take(&mut proto.path_prefix), std::mem::take(&mut proto.path_override));
    for (field, value) in [("path_prefix", &prefix), ("path_override", &fixed)] {
        if !value.is_empty() && (!value.starts_with('/') || value.contains([' ', '\r', '\n'])) {
            check.wrong(&join(path, field), value.clone(), "a path from / on");
        }
    }
    if !prefix.is_empty() && !fixed.is_empty() {
        check.wrong(&join(path, "path_override"), fixed.clone(), "either this or path_prefix");
    }
    let mut question = proto.authorization_request.take().unwrap_or_default();
    let of_question = join(path, "authorization_request");
    #[expect(deprecated, reason = "older configurations write it")]
    let older = question.allowed_headers.take();
    let older = list(check, &join(&of_question, "allowed_headers"), older);
    if let Some(older) = older {
        allowed.get_or_insert_default().extend(older);
    }
    let add = std::mem::take(&mut question.headers_to_add).into_iter().enumerate();
    let add = add
        .filter_map(|(index, one)| service::write(check, &at(&of_question, "headers_to_add", index), &one))
        .collect();
    check.rest(&of_question, &question);
    let mut answer = proto.authorization_response.take().unwrap_or_default();
    let mut lists = answer_lists(check, &join(path, "authorization_response"), &mut answer);
    check.rest(path, &proto);
    let path = if fixed.is_empty() { AuthzPath::Prefixed(prefix.into()) } else { AuthzPath::Fixed(fixed.into()) };
    let mut next = || lists.next().unwrap_or_default();
    Some(AuthzService::Http(Box::new(HttpAuthz {
        service: service?,
        path,
        add,
        upstream: next(),
        upstream_append: next(),
        client: next(),
        client_on_success: next(),
        metadata: next(),
    })))
}

/// Which headers of the service's answer go where.
fn answer_lists(
    check: &mut Check,
    path: &str,
    proto: &mut AuthorizationResponse,
) -> std::array::IntoIter<Vec<StringMatcher>, 5> {
    let lists = [
        ("allowed_upstream_headers", proto.allowed_upstream_headers.take()),
        ("allowed_upstream_headers_to_append", proto.allowed_upstream_headers_to_append.take()),
        ("allowed_client_headers", proto.allowed_client_headers.take()),
        ("allowed_client_headers_on_success", proto.allowed_client_headers_on_success.take()),
        ("dynamic_metadata_from_headers", proto.dynamic_metadata_from_headers.take()),
    ];
    let lists = lists.map(|(field, proto)| list(check, &join(path, field), proto).unwrap_or_default());
    check.rest(path, proto);
    lists.into_iter()
}

fn list(check: &mut Check, path: &str, proto: Option<ListStringMatcher>) -> Option<Vec<StringMatcher>> {
    let patterns = proto?.patterns.into_iter().enumerate();
    Some(patterns.filter_map(|(index, one)| matcher::string(check, &at(path, "patterns", index), one)).collect())
}

fn body_settings(check: &mut Check, path: &str, mut proto: BufferSettings) -> Option<BodySettings> {
    let max_bytes = NonZeroU32::new(std::mem::take(&mut proto.max_request_bytes));
    if max_bytes.is_none() {
        check.wrong(&join(path, "max_request_bytes"), "0", "at least 1");
    }
    let partial = std::mem::take(&mut proto.allow_partial_message);
    let bytes = std::mem::take(&mut proto.pack_as_bytes);
    check.rest(path, &proto);
    Some(BodySettings { max_bytes: max_bytes?, partial, bytes })
}

/// A status; without one this.
pub(super) fn status(check: &mut Check, path: &str, proto: Option<HttpStatus>, absent: u16) -> u16 {
    let Some(proto) = proto else { return absent };
    let legal = u16::try_from(proto.code).ok().filter(|status| (200..600).contains(status));
    if legal.is_none() {
        check.wrong(path, proto.code.to_string(), "200 to 599");
    }
    legal.unwrap_or(absent)
}

/// What could be changed at run time: there is nothing that would change it, so the default is what counts.
fn flag(check: &mut Check, path: &str, proto: Option<RuntimeFeatureFlag>) -> bool {
    let Some(proto) = proto else { return false };
    if proto.default_value.is_none() {
        check.wrong(&join(path, "default_value"), "missing", "true or false");
    }
    proto.default_value.is_some_and(|it| it.value)
}
