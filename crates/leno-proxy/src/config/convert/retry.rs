//! When requests are sent again ([`envoy.config.route.v3.RetryPolicy`]).
//!
//! [`envoy.config.route.v3.RetryPolicy`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#config-route-v3-retrypolicy

use std::time::Duration;

use leno_engine::{
    matcher::HeaderMatcher,
    resilience::{Backoff, ResetFormat, ResetHeaders, RetryOn, RetryPolicy},
};
use leno_proto::v3::route::{
    HeaderMatcher as HeaderProto, RetryPolicy as Proto,
    retry_policy::{RateLimitedRetryBackOff, ResetHeaderFormat, RetryBackOff},
};

use super::{
    check::{Check, at, join},
    matcher, retry_host,
};

/// Envoy's default of the longest wait that an answer may ask for.
const RESET_MAX: Duration = Duration::from_secs(300);

pub(super) fn convert(check: &mut Check, path: &str, mut proto: Proto) -> RetryPolicy {
    let on = retry_on(check, path, &mut proto);
    let retries = proto.num_retries.take().map_or(1, |retries| retries.value);
    let per_try = proto.per_try_timeout.take().and_then(|time| check.duration(&join(path, "per_try_timeout"), &time));
    let backoff = backoff(check, &join(path, "retry_back_off"), proto.retry_back_off.take());
    let reset = proto.rate_limited_retry_back_off.take();
    let reset_headers = reset.map(|reset| self::reset(check, &join(path, "rate_limited_retry_back_off"), reset));
    let request_headers =
        headers(check, path, "retriable_request_headers", std::mem::take(&mut proto.retriable_request_headers));
    let hosts = retry_host::convert(check, path, &mut proto);
    check.rest(path, &proto);
    RetryPolicy {
        on,
        retries,
        per_try_timeout: per_try.filter(|time| !time.is_zero()),
        backoff,
        reset_headers,
        request_headers,
        hosts,
    }
}

/// After what a request is sent again.
fn retry_on(check: &mut Check, path: &str, proto: &mut Proto) -> RetryOn {
    let mut on = RetryOn::default();
    let mut statuses = Vec::new();
    for (index, code) in std::mem::take(&mut proto.retriable_status_codes).into_iter().enumerate() {
        match u16::try_from(code) {
            Ok(status @ 100..600) => statuses.push(status),
            Ok(_) | Err(_) => check.wrong(&at(path, "retriable_status_codes", index), code.to_string(), "100 to 599"),
        }
    }
    let mut matchers = headers(check, path, "retriable_headers", std::mem::take(&mut proto.retriable_headers));
    for word in std::mem::take(&mut proto.retry_on).split(',').map(str::trim).filter(|word| !word.is_empty()) {
        match word {
            "5xx" => on.server_error = true,
            "gateway-error" => on.gateway_error = true,
            "connect-failure" => on.connect_failure = true,
            "reset" => on.reset = true,
            // Only what cannot have been processed; `reset` would send again what may have been.
            "reset-before-request" => {
                on.refused_stream = true;
                on.connect_failure = true;
            }
            "refused-stream" => on.refused_stream = true,
            "retriable-4xx" => on.conflict = true,
            "envoy-ratelimited" => on.rate_limited = true,
            "retriable-status-codes" => on.statuses = std::mem::take(&mut statuses),
            "retriable-headers" => on.headers = std::mem::take(&mut matchers),
            "cancelled" => on.grpc.push(1),
            "deadline-exceeded" => on.grpc.push(4),
            "resource-exhausted" => on.grpc.push(8),
            "internal" => on.grpc.push(13),
            "unavailable" => on.grpc.push(14),
            other => check.wrong(&join(path, "retry_on"), other, "a condition that Leno supports"),
        }
    }
    let unused = [
        (!statuses.is_empty(), "retriable_status_codes", format!("{statuses:?}"), "retriable-status-codes"),
        (!matchers.is_empty(), "retriable_headers", format!("{} headers", matchers.len()), "retriable-headers"),
    ];
    for (unused, field, value, word) in unused {
        if unused {
            check.wrong(&join(path, field), value, format!("{word} in retry_on too, else they have no effect"));
        }
    }
    on
}

fn headers(check: &mut Check, path: &str, field: &str, protos: Vec<HeaderProto>) -> Vec<HeaderMatcher> {
    let protos = protos.into_iter().enumerate();
    protos.filter_map(|(index, proto)| matcher::header(check, &at(path, field, index), proto)).collect()
}

fn backoff(check: &mut Check, path: &str, proto: Option<RetryBackOff>) -> Backoff {
    let mut backoff = Backoff::default();
    if let Some(proto) = proto {
        backoff.base = check.duration_or(&join(path, "base_interval"), proto.base_interval, backoff.base);
        let max = backoff.base.saturating_mul(10);
        backoff.max = check.duration_or(&join(path, "max_interval"), proto.max_interval, max);
        if backoff.base.is_zero() || backoff.max < backoff.base {
            let value = format!("{:?} to {:?}", backoff.base, backoff.max);
            check.wrong(path, value, "a base_interval above 0 and a max_interval that is not below it");
        }
    }
    backoff
}

fn reset(check: &mut Check, path: &str, proto: RateLimitedRetryBackOff) -> ResetHeaders {
    if proto.reset_headers.is_empty() {
        check.wrong(&join(path, "reset_headers"), "empty", "at least one header");
    }
    let headers = proto.reset_headers.into_iter().enumerate();
    let headers = headers.filter_map(|(index, header)| {
        let path = at(path, "reset_headers", index);
        let format = match ResetHeaderFormat::try_from(header.format) {
            Ok(ResetHeaderFormat::Seconds) => ResetFormat::Seconds,
            Ok(ResetHeaderFormat::UnixTimestamp) => ResetFormat::UnixTime,
            Err(_) => {
                check.wrong(&join(&path, "format"), header.format.to_string(), "SECONDS or UNIX_TIMESTAMP");
                return None;
            }
        };
        let name = check.name(&join(&path, "name"), header.name.to_ascii_lowercase())?;
        Some((name.into(), format))
    });
    let headers = headers.collect();
    ResetHeaders { headers, max: check.duration_or(&join(path, "max_interval"), proto.max_interval, RESET_MAX) }
}
