//! Limits that a service keeps ([`envoy.extensions.filters.http.ratelimit.v3.RateLimit`]).
//!
//! [`envoy.extensions.filters.http.ratelimit.v3.RateLimit`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/http/ratelimit/v3/rate_limit.proto

use std::time::Duration;

use leno_engine::{
    filter::{
        FilterConfig,
        rate_limit::{RateLimit, RateLimitRoute, VirtualHostLimits},
    },
    fraction::Fraction,
};
use leno_proto::v3::{
    core::HeaderValueOption,
    http_ratelimit::{
        RateLimit as Proto, RateLimitPerRoute,
        rate_limit_per_route::{OverrideOptions, VhRateLimitsOptions},
    },
    ratelimit_service::RateLimitServiceConfig,
};

use super::{
    super::{
        check::{Check, at, join},
        fraction,
        header::{self, Known},
        rate_limit::{self, MAX_STAGE},
        service,
    },
    ext_authz::status,
};

/// How long the service may take where nothing is said: Envoy's.
pub(in super::super) const TIMEOUT: Duration = Duration::from_millis(20);

pub(super) fn convert(check: &mut Check, path: &str, mut proto: Proto) -> Option<FilterConfig> {
    let domain = std::mem::take(&mut proto.domain);
    let domain = check.name(&join(path, "domain"), domain);
    if proto.stage > MAX_STAGE {
        check.wrong(&join(path, "stage"), proto.stage.to_string(), "0 to 10");
    }
    let stage = std::mem::take(&mut proto.stage);
    // No caller is trusted to come from inside, whatever it says.
    let kind = std::mem::take(&mut proto.request_type);
    if !matches!(kind.as_str(), "" | "both" | "external") {
        check.wrong(&join(path, "request_type"), kind, "external or both: to Leno all requests come from outside");
    }
    let timeout = check.duration_or(&join(path, "timeout"), proto.timeout.take(), TIMEOUT);
    let service = service(check, &join(path, "rate_limit_service"), proto.rate_limit_service.take(), timeout);
    let mut share = |field: &str, proto, absent| fraction::runtime(check, &join(path, field), proto, absent);
    let enabled = share("filter_enabled", proto.filter_enabled.take(), Fraction::ALL);
    let enforced = share("filter_enforced", proto.filter_enforced.take(), Fraction::ALL);
    let denies = if std::mem::take(&mut proto.failure_mode_deny) { Fraction::ALL } else { Fraction::NONE };
    let failure_denies = share("failure_mode_deny_percent", proto.failure_mode_deny_percent.take(), denies);
    let status_on_error = status(check, &join(path, "status_on_error"), proto.status_on_error.take(), 500);
    let limited = status(check, &join(path, "rate_limited_status"), proto.rate_limited_status.take(), 429);
    let headers = writes(check, path, "response_headers_to_add", std::mem::take(&mut proto.response_headers_to_add));
    let rules = rate_limit::rules(check, path, "rate_limits", std::mem::take(&mut proto.rate_limits));
    let namespace = std::mem::take(&mut proto.metadata_namespace);
    // There are no statistics under a prefix.
    proto.stat_prefix.clear();
    let limit = RateLimit {
        domain: domain?.into(),
        stage,
        service: service?,
        enabled,
        enforced,
        failure_denies,
        status_on_error,
        // Below 400 a refusal would look like an answer; Envoy takes 429 then.
        status: if limited < 400 { 429 } else { limited },
        response_headers: headers,
        tells: std::mem::take(&mut proto.enable_x_ratelimit_headers) == 1,
        marks: !std::mem::take(&mut proto.disable_x_envoy_ratelimited_header),
        retry_after: std::mem::take(&mut proto.enable_retry_after_header),
        exhausted: std::mem::take(&mut proto.rate_limited_as_resource_exhausted),
        rules,
        metadata_namespace: if namespace.is_empty() { "envoy.filters.http.ratelimit".into() } else { namespace.into() },
    };
    check.rest(path, &proto);
    Some(FilterConfig::RateLimit(limit.into()))
}

/// What a route says.
pub(super) fn of_route(check: &mut Check, path: &str, mut proto: RateLimitPerRoute) -> FilterConfig {
    let virtual_host = match VhRateLimitsOptions::try_from(std::mem::take(&mut proto.vh_rate_limits)) {
        Ok(VhRateLimitsOptions::Override) => VirtualHostLimits::Override,
        Ok(VhRateLimitsOptions::Include) => VirtualHostLimits::Include,
        Ok(VhRateLimitsOptions::Ignore) => VirtualHostLimits::Ignore,
        Err(_) => {
            check.wrong(&join(path, "vh_rate_limits"), "unknown", "OVERRIDE, INCLUDE or IGNORE");
            VirtualHostLimits::Override
        }
    };
    if proto.override_option == OverrideOptions::Default as i32 {
        proto.override_option = 0;
    }
    let rules = rate_limit::rules(check, path, "rate_limits", std::mem::take(&mut proto.rate_limits));
    let domain = std::mem::take(&mut proto.domain);
    check.rest(path, &proto);
    let domain = (!domain.is_empty()).then(|| domain.into());
    FilterConfig::RateLimitRoute(RateLimitRoute { virtual_host, rules, domain }.into())
}

/// Who is asked.
pub(in super::super) fn service(
    check: &mut Check,
    path: &str,
    proto: Option<RateLimitServiceConfig>,
    timeout: Duration,
) -> Option<leno_engine::filter::GrpcService> {
    let Some(mut proto) = proto else {
        check.wrong(path, "missing", "grpc_service");
        return None;
    };
    service::version(check, path, &mut proto.transport_api_version);
    let grpc = proto.grpc_service.take().unwrap_or_default();
    check.rest(path, &proto);
    // The filter's own time counts, whatever the service's is.
    let mut service = service::grpc(check, &join(path, "grpc_service"), grpc, timeout)?;
    service.timeout = (!timeout.is_zero()).then_some(timeout);
    Some(service)
}

fn writes(
    check: &mut Check,
    path: &str,
    field: &str,
    options: Vec<HeaderValueOption>,
) -> Vec<leno_engine::route::HeaderWrite> {
    let options = options.into_iter().enumerate();
    let write = |(index, option)| header::write(check, &at(path, field, index), option, Known::Nothing);
    options.filter_map(write).collect()
}
