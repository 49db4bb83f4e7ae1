//! What a TrafficPolicy may say of routes: what is decided where a rule is chosen, and not of endpoints or servers.

use crate::{
    leno::{target::Carries, traffic_policy::TrafficPolicySpec},
    problem::Problems,
};

/// A field that is given, and whether it means something for routes of requests, and of connections.
struct Field {
    given: bool,
    name: &'static str,
    of_requests: bool,
    of_bytes: bool,
}

/// Whether it speaks of routes alone.
pub(super) fn only(spec: &TrafficPolicySpec) -> bool {
    !spec.target_refs.is_empty() && spec.target_refs.iter().all(|target| target.kind.carries() != Carries::Anything)
}

pub(super) fn check(spec: &TrafficPolicySpec, problems: &mut Problems<'_>) {
    let of = |carries| spec.target_refs.iter().find(|target| target.kind.carries() == carries);
    let (requests, bytes) = (of(Carries::RoutedRequests), of(Carries::RoutedBytes));
    for field in fields(spec).into_iter().filter(|field| field.given) {
        let target = requests.filter(|_| !field.of_requests).or(bytes.filter(|_| !field.of_bytes));
        let Some(target) = target else { continue };
        let (kind, name) = (target.kind.kind().as_str(), &target.name);
        let fix = if field.of_requests {
            "the route is of connections; attach it to a Service, or to a route of requests"
        } else if field.of_bytes {
            "the route is of requests; attach it to a Service, or to a route of connections"
        } else {
            "attach it to a Service, in a policy of its own"
        };
        let expected = format!("nothing, as it means nothing for {kind}s");
        problems.add_value(&format!("spec.{}", field.name), format!("given for the {kind} {name}"), expected, fix);
    }
}

fn fields(spec: &TrafficPolicySpec) -> Vec<Field> {
    let never = |given, name| Field { given, name, of_requests: false, of_bytes: false };
    let requests = |given, name| Field { given, name, of_requests: true, of_bytes: false };
    let bytes = |given, name| Field { given, name, of_requests: false, of_bytes: true };
    let (retries, timeouts) = (spec.retries.as_ref(), spec.timeouts.as_ref());
    let limit = spec.local_rate_limit.as_ref();
    let http = limit.and_then(|limit| limit.http.as_ref());
    vec![
        never(spec.protocol.is_some(), "protocol"),
        never(spec.tls.is_some(), "tls"),
        never(spec.load_balancer.is_some(), "loadBalancer"),
        never(spec.connections.is_some(), "connections"),
        never(spec.outlier_detection.is_some(), "outlierDetection"),
        never(spec.health_check.is_some(), "healthCheck"),
        never(spec.max_inbound_connections.is_some(), "maxInboundConnections"),
        never(retries.is_some_and(|it| it.max_parallel.is_some()), "retries.maxParallel"),
        never(retries.is_some_and(|it| it.budget.is_some()), "retries.budget"),
        never(timeouts.is_some_and(|it| it.connect.is_some()), "timeouts.connect"),
        never(http.is_some_and(|http| !http.routes.is_empty()), "localRateLimit.http.routes"),
        // There each caller's own sidecar counts.
        never(
            http.is_some_and(|http| http.by.iter().any(|by| by.caller == Some(true))),
            "localRateLimit.http.by.caller",
        ),
        never(
            http.is_some_and(|http| http.by.iter().any(|by| by.remote_address == Some(true))),
            "localRateLimit.http.by.remoteAddress",
        ),
        requests(retries.is_some(), "retries"),
        requests(timeouts.is_some_and(|it| it.request.is_some()), "timeouts.request"),
        requests(spec.mirror.is_some(), "mirror"),
        requests(spec.fault.is_some(), "fault"),
        requests(http.is_some(), "localRateLimit.http"),
        requests(spec.global_rate_limit.is_some(), "globalRateLimit"),
        bytes(limit.is_some_and(|limit| limit.tcp.is_some()), "localRateLimit.tcp"),
    ]
}
