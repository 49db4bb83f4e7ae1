//! What a TrafficPolicy says of requests: what is sent again, made to fail, limited.

use std::{collections::BTreeMap, time::Duration};

use super::global_rate_limit::counted_by;
use super::value::{header, header_name, header_value, number, positive_time, request, time};
use crate::{
    leno::traffic_policy::{
        Fault, LocalRateLimit, Mirror, Retries,
        rate_limit::{HttpRateLimit, RateLimitRoute},
    },
    meta::IntOrString,
    problem::Problems,
    syntax::{name, percent},
    yaml::node::key_path,
};

/// The shortest time in which tokens come back: Envoy's.
const SHORTEST: Duration = Duration::from_millis(50);

pub(super) fn retries(retries: &Retries, problems: &mut Problems<'_>) {
    let at = "spec.retries";
    if retries.on.is_empty() && retries.status_codes.is_empty() && retries.attempts != Some(0) {
        let fix = "e.g. on: [gateway-error, reset]";
        problems.add_value(at, "without a condition", "at least one of on and statusCodes", fix);
    }
    for (index, status) in retries.status_codes.iter().enumerate() {
        number(Some(*status), 100..=599, &format!("{at}.statusCodes[{index}]"), problems);
    }
    positive_time(retries.per_try_timeout.as_ref(), &format!("{at}.perTryTimeout"), problems);
    if let Some(backoff) = &retries.backoff {
        let base = positive_time(backoff.base.as_ref(), &format!("{at}.backoff.base"), problems);
        let max = positive_time(backoff.max.as_ref(), &format!("{at}.backoff.max"), problems);
        if max.is_some_and(|max| max < base.unwrap_or(Duration::from_millis(25))) {
            problems.add(&format!("{at}.backoff.max"), "not below base, which is 25ms when not given", "");
        }
    }
    if let Some(budget) = &retries.budget {
        number(budget.percent, 0..=100, &format!("{at}.budget.percent"), problems);
        if retries.max_parallel.is_some() {
            problems.add(&format!("{at}.maxParallel"), "nothing, as there is a budget", "keep one of the two");
        }
    }
}

pub(super) fn fault(fault: &Fault, problems: &mut Problems<'_>) {
    let at = "spec.fault";
    if fault.delay.is_none() && fault.abort.is_none() {
        problems.add_value(at, "without a fault", "at least one of delay and abort", "");
    }
    if let Some(delay) = &fault.delay {
        positive_time(Some(&delay.duration), &format!("{at}.delay.duration"), problems);
        share(delay.percent.as_ref(), &format!("{at}.delay.percent"), problems);
    }
    if let Some(abort) = &fault.abort {
        let field = format!("{at}.abort");
        problems.exactly_one(
            &[abort.http_status.is_some(), abort.grpc_status.is_some()],
            &field,
            "httpStatus and grpcStatus",
        );
        number(abort.http_status, 200..=599, &format!("{field}.httpStatus"), problems);
        number(abort.grpc_status, 0..=16, &format!("{field}.grpcStatus"), problems);
        share(abort.percent.as_ref(), &format!("{field}.percent"), problems);
    }
    for (index, one) in fault.headers.iter().enumerate() {
        header(one, &format!("{at}.headers[{index}]"), problems);
    }
}

pub(super) fn mirror(mirror: &Mirror, problems: &mut Problems<'_>) {
    if let Err(rule) = name::dns_label(&mirror.service) {
        problems.add("spec.mirror.service", rule, "");
    }
    number(Some(mirror.port.into()), 1..=65_535, "spec.mirror.port", problems);
    share(mirror.percent.as_ref(), "spec.mirror.percent", problems);
}

fn share(value: Option<&IntOrString>, field: &str, problems: &mut Problems<'_>) {
    if value.is_some_and(|value| percent::parse(value).is_none()) {
        problems.add(field, percent::EXPECTED, "");
    }
}

pub(super) fn rate_limit(limit: &LocalRateLimit, problems: &mut Problems<'_>) {
    let at = "spec.localRateLimit";
    if limit.http.is_none() && limit.tcp.is_none() {
        problems.add_value(at, "without a limit", "at least one of http and tcp", "");
    }
    if let Some(http) = &limit.http {
        self::http(http, &format!("{at}.http"), problems);
    }
    if let Some(tcp) = &limit.tcp {
        number(Some(tcp.connections), 1..=u32::MAX, &format!("{at}.tcp.connections"), problems);
        time(tcp.per.as_ref(), SHORTEST, &format!("{at}.tcp.per"), problems);
    }
}

fn http(http: &HttpRateLimit, at: &str, problems: &mut Problems<'_>) {
    if http.requests.is_none() {
        if http.routes.is_empty() {
            problems.add_value(at, "without a limit", "at least one of requests and routes", "");
        }
        for (given, field) in [
            (http.per.is_some(), "per"),
            (http.burst.is_some(), "burst"),
            (http.response_status.is_some(), "responseStatus"),
            (!http.response_headers.is_empty(), "responseHeaders"),
            (!http.by.is_empty(), "by"),
        ] {
            if given {
                problems.add(&format!("{at}.{field}"), "nothing, as there is no requests beside it", "");
            }
        }
    }
    number(http.requests, 1..=u32::MAX, &format!("{at}.requests"), problems);
    counted_by(&http.by, at, problems);
    time(http.per.as_ref(), SHORTEST, &format!("{at}.per"), problems);
    answer(http.response_status, &http.response_headers, at, problems);
    for (index, one) in http.routes.iter().enumerate() {
        route(one, &format!("{at}.routes[{index}]"), problems);
    }
}

fn route(route: &RateLimitRoute, at: &str, problems: &mut Problems<'_>) {
    request(&route.fits, &format!("{at}.match"), problems);
    number(Some(route.requests), 1..=u32::MAX, &format!("{at}.requests"), problems);
    counted_by(&route.by, at, problems);
    time(route.per.as_ref(), SHORTEST, &format!("{at}.per"), problems);
    answer(route.response_status, &route.response_headers, at, problems);
}

pub(super) fn answer(status: Option<u32>, headers: &BTreeMap<String, String>, at: &str, problems: &mut Problems<'_>) {
    number(status, 400..=599, &format!("{at}.responseStatus"), problems);
    for (name, value) in headers {
        let field = key_path(&format!("{at}.responseHeaders"), name);
        header_name(name, &field, problems);
        header_value(value, &field, problems);
    }
}
