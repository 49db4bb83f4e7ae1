//! What a TrafficPolicy says of endpoints: how they are chosen, left out, asked.

use std::time::Duration;

use super::value::{header_name, number, positive_time, time};
use crate::{
    leno::traffic_policy::{
        HealthCheck, LoadBalancer, OutlierDetection,
        health_check::HttpCheck,
        load_balancer::{Algorithm, HashOn},
    },
    problem::Problems,
    smi::http_route_group::Method,
};

/// The most entries of a ring: Envoy's.
const RING: u32 = 8 * 1024 * 1024;
/// The most entries of a Maglev table: Envoy's.
const TABLE: u32 = 5_000_011;

pub(super) fn load_balancer(balancer: &LoadBalancer, problems: &mut Problems<'_>) {
    let at = "spec.loadBalancer";
    let algorithm = balancer.algorithm.unwrap_or_default();
    let hashes = matches!(algorithm, Algorithm::RingHash | Algorithm::Maglev);
    let ring = algorithm == Algorithm::RingHash;
    let grows = matches!(algorithm, Algorithm::LeastRequest | Algorithm::RoundRobin);
    for (given, belongs, field, whose) in [
        (balancer.choices.is_some(), algorithm == Algorithm::LeastRequest, "choices", "LeastRequest"),
        (balancer.minimum_ring_size.is_some(), ring, "minimumRingSize", "RingHash"),
        (balancer.maximum_ring_size.is_some(), ring, "maximumRingSize", "RingHash"),
        (balancer.table_size.is_some(), algorithm == Algorithm::Maglev, "tableSize", "Maglev"),
        (!balancer.hash_on.is_empty(), hashes, "hashOn", "RingHash and Maglev"),
        (balancer.decay.is_some(), algorithm == Algorithm::PeakEwma, "decay", "PeakEwma"),
        (balancer.slow_start.is_some(), grows, "slowStart", "LeastRequest and RoundRobin"),
    ] {
        if given && !belongs {
            problems.add(&format!("{at}.{field}"), format!("nothing: it belongs to {whose}"), "");
        }
    }
    number(balancer.choices, 2..=u32::MAX, &format!("{at}.choices"), problems);
    number(balancer.minimum_ring_size, 1..=RING, &format!("{at}.minimumRingSize"), problems);
    number(balancer.maximum_ring_size, 1..=RING, &format!("{at}.maximumRingSize"), problems);
    positive_time(balancer.decay.as_ref(), &format!("{at}.decay"), problems);
    if let Some(slow) = &balancer.slow_start {
        positive_time(Some(&slow.window), &format!("{at}.slowStart.window"), problems);
        number(slow.minimum_percent, 0..=100, &format!("{at}.slowStart.minimumPercent"), problems);
    }
    number(balancer.panic_threshold, 0..=100, &format!("{at}.panicThreshold"), problems);
    if balancer.minimum_ring_size.unwrap_or(1024) > balancer.maximum_ring_size.unwrap_or(RING) {
        problems.add(&format!("{at}.maximumRingSize"), "not below minimumRingSize, which is 1024 when not given", "");
    }
    if balancer.table_size.is_some_and(|size| size > TABLE || !is_prime(size)) {
        problems.add(&format!("{at}.tableSize"), format!("a prime number up to {TABLE}"), "e.g. 65537");
    }
    if hashes && balancer.hash_on.is_empty() {
        let fix = "e.g. [{ sourceIp: true }]; nothing to hash would choose any endpoint";
        problems.add(&format!("{at}.hashOn"), "what is hashed", fix);
    }
    for (index, on) in balancer.hash_on.iter().enumerate() {
        hash_on(on, &format!("{at}.hashOn[{index}]"), problems);
    }
}

fn hash_on(on: &HashOn, at: &str, problems: &mut Problems<'_>) {
    let given = [on.header.is_some(), on.cookie.is_some(), on.source_ip == Some(true), on.query_parameter.is_some()];
    problems.exactly_one(&given, at, "header, cookie, sourceIp (true) and queryParameter");
    if let Some(name) = &on.header {
        header_name(name, &format!("{at}.header"), problems);
    }
    if on.query_parameter.as_ref().is_some_and(String::is_empty) {
        problems.add(&format!("{at}.queryParameter"), "a name", "");
    }
    if let Some(cookie) = &on.cookie {
        header_name(&cookie.name, &format!("{at}.cookie.name"), problems);
        time(cookie.ttl.as_ref(), Duration::ZERO, &format!("{at}.cookie.ttl"), problems);
        if cookie.path.bytes().any(|byte| byte.is_ascii_control() || byte == b';') {
            problems.add(&format!("{at}.cookie.path"), "a path without ; and control characters", "");
        }
        if cookie.ttl.is_none() && !cookie.path.is_empty() {
            problems.add(&format!("{at}.cookie.path"), "nothing, as without ttl no cookie is made", "give a ttl");
        }
    }
}

fn is_prime(number: u32) -> bool {
    number > 1 && (2..).take_while(|divisor| divisor * divisor <= number).all(|divisor| !number.is_multiple_of(divisor))
}

pub(super) fn outlier(outlier: &OutlierDetection, problems: &mut Problems<'_>) {
    let at = "spec.outlierDetection";
    let field = |name: &str| format!("{at}.{name}");
    number(outlier.consecutive_gateway_failures, 1..=u32::MAX, &field("consecutiveGatewayFailures"), problems);
    number(outlier.consecutive_local_failures, 1..=u32::MAX, &field("consecutiveLocalFailures"), problems);
    number(outlier.max_ejection_percent, 0..=100, &field("maxEjectionPercent"), problems);
    positive_time(outlier.interval.as_ref(), &field("interval"), problems);
    let base = positive_time(outlier.base_ejection_time.as_ref(), &field("baseEjectionTime"), problems);
    let longest = positive_time(outlier.max_ejection_time.as_ref(), &field("maxEjectionTime"), problems);
    if longest.is_some_and(|longest| longest < base.unwrap_or(Duration::from_secs(30))) {
        problems.add(&field("maxEjectionTime"), "not less than baseEjectionTime, which is 30s when not given", "");
    }
    if let Some(share) = &outlier.failure_percentage {
        number(share.threshold, 0..=100, &field("failurePercentage.threshold"), problems);
    }
    let others = outlier.consecutive_gateway_failures.is_some()
        || outlier.consecutive_local_failures.is_some()
        || outlier.success_rate.is_some()
        || outlier.failure_percentage.is_some();
    if outlier.consecutive_5xx == Some(0) && !others {
        problems.add(&field("consecutive5xx"), "an integer from 1 up, as there is no other way", "");
    }
}

pub(super) fn health_check(check: &HealthCheck, problems: &mut Problems<'_>) {
    let at = "spec.healthCheck";
    let field = |name: &str| format!("{at}.{name}");
    let given = [check.http.is_some(), check.grpc.is_some(), check.tcp.is_some()];
    problems.exactly_one(&given, at, "http, grpc and tcp");
    positive_time(check.interval.as_ref(), &field("interval"), problems);
    positive_time(check.timeout.as_ref(), &field("timeout"), problems);
    number(check.unhealthy_threshold, 1..=u32::MAX, &field("unhealthyThreshold"), problems);
    number(check.healthy_threshold, 1..=u32::MAX, &field("healthyThreshold"), problems);
    if let Some(http) = &check.http {
        http_check(http, &field("http"), problems);
    }
    if let Some(tcp) = &check.tcp {
        if tcp.send.as_ref().is_some_and(String::is_empty) {
            problems.add(&field("tcp.send"), "a text", "leave it out to send nothing");
        }
        for (index, _) in tcp.receive.iter().enumerate().filter(|(_, text)| text.is_empty()) {
            problems.add(&field(&format!("tcp.receive[{index}]")), "a text", "");
        }
    }
}

fn http_check(http: &HttpCheck, at: &str, problems: &mut Problems<'_>) {
    if !http.path.starts_with('/') || !http.path.bytes().all(|byte| matches!(byte, b'!'..=b'~')) {
        problems.add(&format!("{at}.path"), "a path from / on, without blanks", "");
    }
    if http.host.as_ref().is_some_and(|host| host.is_empty() || !host.bytes().all(|it| matches!(it, b'!'..=b'~'))) {
        problems.add(&format!("{at}.host"), "a host's name", "");
    }
    if matches!(http.method, Some(Method::Connect | Method::Any)) {
        problems.add(&format!("{at}.method"), "one method, not CONNECT", "");
    }
    for (index, range) in http.expected_statuses.iter().enumerate() {
        if range.range().is_none() {
            let expected = "a first and a last status, from 100 to 599";
            problems.add(&format!("{at}.expectedStatuses[{index}]"), expected, "");
        }
    }
}
