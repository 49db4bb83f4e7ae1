//! TrafficPolicies.

mod endpoint;
mod global_rate_limit;
mod request;
mod route;
mod tls;

use std::time::Duration;

pub(super) use self::tls::check as tls;
use super::{target, value};
use crate::{
    leno::{
        TrafficPolicy,
        traffic_policy::{Connections, Protocol, Retries, Timeouts, TrafficPolicySpec},
    },
    problem::Problems,
};

pub(super) fn check(policy: &TrafficPolicy, problems: &mut Problems<'_>) {
    let spec = &policy.spec;
    target::targets(&spec.target_refs, problems);
    target::callers(&spec.from, "spec.from", problems);
    if is_empty(spec) {
        let expected = "at least one of protocol, tls, loadBalancer, connections, outlierDetection, healthCheck, retries, \
                        timeouts, mirror, fault, localRateLimit, globalRateLimit, maxInboundConnections";
        problems.add_value("spec", "without a setting", expected, "");
    }
    route::check(spec, problems);
    of_servers(spec, problems);
    for (field, given) in
        [("retries", spec.retries.is_some()), ("mirror", spec.mirror.is_some()), ("fault", spec.fault.is_some())]
    {
        if given && spec.protocol == Some(Protocol::Tcp) {
            problems.add_value(
                &format!("spec.{field}"),
                "given for TCP",
                "none: connections of bytes have no requests",
                "",
            );
        }
    }
    if let Some(tls) = &spec.tls {
        tls::check(tls, problems);
        tls::to_whom(spec, tls, problems);
    }
    if let Some(balancer) = &spec.load_balancer {
        endpoint::load_balancer(balancer, problems);
    }
    if let Some(outlier) = &spec.outlier_detection {
        endpoint::outlier(outlier, problems);
    }
    if let Some(check) = &spec.health_check {
        endpoint::health_check(check, problems);
    }
    limits(spec.connections.as_ref(), spec.retries.as_ref(), spec.timeouts.as_ref(), problems);
    if let Some(mirror) = &spec.mirror {
        request::mirror(mirror, problems);
    }
    if let Some(fault) = &spec.fault {
        request::fault(fault, problems);
    }
    value::number(spec.max_inbound_connections, 1..=u32::MAX, "spec.maxInboundConnections", problems);
    if let Some(limit) = &spec.local_rate_limit {
        request::rate_limit(limit, problems);
    }
    if let Some(limit) = &spec.global_rate_limit {
        global_rate_limit::check(limit, problems);
    }
}

/// What servers do is done to every caller.
fn of_servers(spec: &TrafficPolicySpec, problems: &mut Problems<'_>) {
    // What routes limit is counted at the callers' sidecars.
    if !spec.from.is_empty() && !route::only(spec) {
        let of_server = [
            (spec.protocol.is_some(), "protocol"),
            (spec.local_rate_limit.is_some(), "localRateLimit"),
            (spec.global_rate_limit.is_some(), "globalRateLimit"),
            (spec.max_inbound_connections.is_some(), "maxInboundConnections"),
        ];
        for (_, field) in of_server.into_iter().filter(|(given, _)| *given) {
            let fix = "write it in a policy of its own, without from";
            problems.add_value(
                &format!("spec.{field}"),
                "given together with from",
                "one that holds for every caller",
                fix,
            );
        }
    }
}

/// What other policies may say as well.
pub(super) fn limits(
    connections: Option<&Connections>,
    retries: Option<&Retries>,
    timeouts: Option<&Timeouts>,
    problems: &mut Problems<'_>,
) {
    if let Some(connections) = connections {
        let field = "spec.connections.maxRequestsPerConnection";
        value::number(connections.max_requests_per_connection, 1..=u32::MAX, field, problems);
    }
    if let Some(retries) = retries {
        request::retries(retries, problems);
    }
    if let Some(timeouts) = timeouts {
        self::timeouts(timeouts, problems);
    }
}

fn is_empty(spec: &TrafficPolicySpec) -> bool {
    let bare =
        TrafficPolicySpec { target_refs: spec.target_refs.clone(), from: spec.from.clone(), ..Default::default() };
    *spec == bare
}

fn timeouts(timeouts: &Timeouts, problems: &mut Problems<'_>) {
    if *timeouts == Timeouts::default() {
        problems.add_value("spec.timeouts", "empty", "at least one of request, idle, connect", "");
    }
    value::time(timeouts.request.as_ref(), Duration::ZERO, "spec.timeouts.request", problems);
    value::time(timeouts.idle.as_ref(), Duration::ZERO, "spec.timeouts.idle", problems);
    value::positive_time(timeouts.connect.as_ref(), "spec.timeouts.connect", problems);
}
