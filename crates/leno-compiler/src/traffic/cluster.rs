//! What clusters say: limits, outlier detection, health checks.

use std::ops::Range;

use leno_model::{
    Protocol, ServiceName,
    policy::{
        TrafficSettings,
        traffic::{ConnectionLimits, HealthCheck, OutlierDetection, Probe, RetryLimit},
    },
};
use leno_proto::{
    google::protobuf::BoolValue,
    v3::{
        cluster::{
            Cluster, OutlierDetection as OutlierProto,
            circuit_breakers::{Thresholds, thresholds::RetryBudget},
        },
        core::{
            HealthCheck as CheckProto, RequestMethod,
            health_check::{GrpcHealthCheck, HealthChecker, HttpHealthCheck, Payload, TcpHealthCheck, payload},
        },
        r#type::{CodecClientType, Int64Range, Percent},
    },
};

use super::balance;
use crate::{
    Client,
    cluster::protocol,
    message::{duration, uint32},
};

/// Makes a cluster do what is said of the traffic to it.
pub(crate) fn apply(cluster: &mut Cluster, settings: &TrafficSettings, client: Client) {
    if let Some(balancer) = &settings.load_balancer {
        balance::apply(cluster, balancer, client);
    }
    bound(cluster, settings);
    cluster.outlier_detection = settings.outlier_detection.as_ref().map(outlier);
}

/// Lets a cluster's endpoints be asked whether they are well. `service` is what it leads to.
pub(crate) fn check(cluster: &mut Cluster, settings: &TrafficSettings, service: &ServiceName, protocol: Protocol) {
    let checks = settings.health_check.as_ref().map(|check| health_check(check, service, protocol));
    cluster.health_checks = checks.into_iter().collect();
}

/// The same of a cluster of one endpoint, of which there is nothing to choose.
pub(crate) fn bound(cluster: &mut Cluster, settings: &TrafficSettings) {
    if let Some(connect) = settings.timeouts.and_then(|it| it.connect) {
        cluster.connect_timeout = Some(duration(connect));
    }
    let connections = settings.connections.unwrap_or_default();
    if let Some(max) = connections.max_requests_per_connection {
        cluster.typed_extension_protocol_options = protocol(Some(max));
    }
    let breakers = cluster.circuit_breakers.get_or_insert_default();
    if let Some(thresholds) = breakers.thresholds.first_mut() {
        limits(thresholds, &connections);
        if let Some(retries) = &settings.retries {
            retry_limit(thresholds, retries.limit);
        }
    }
}

fn limits(thresholds: &mut Thresholds, limits: &ConnectionLimits) {
    for (said, field) in [
        (limits.max_connections, &mut thresholds.max_connections),
        (limits.max_pending_requests, &mut thresholds.max_pending_requests),
        (limits.max_requests, &mut thresholds.max_requests),
    ] {
        if let Some(count) = said {
            *field = Some(uint32(count));
        }
    }
}

fn retry_limit(thresholds: &mut Thresholds, limit: RetryLimit) {
    match limit {
        RetryLimit::Count(count) => thresholds.max_retries = Some(uint32(count)),
        RetryLimit::Budget { percent, at_least } => {
            thresholds.retry_budget = Some(RetryBudget {
                budget_percent: Some(Percent { value: percent.into() }),
                min_retry_concurrency: Some(uint32(at_least)),
                ..Default::default()
            });
        }
    }
}

/// What is not said is not done: Envoy would eject by its defaults of each way.
fn outlier(outlier: &OutlierDetection) -> OutlierProto {
    let count = |said: Option<u32>| said.map(uint32);
    let enforced = |said: bool| Some(uint32(if said { 100 } else { 0 }));
    let (rate, share) = (outlier.success_rate, outlier.failure_share);
    OutlierProto {
        consecutive_5xx: count(outlier.consecutive_5xx),
        enforcing_consecutive_5xx: enforced(outlier.consecutive_5xx.is_some()),
        consecutive_gateway_failure: count(outlier.consecutive_gateway_failures),
        enforcing_consecutive_gateway_failure: enforced(outlier.consecutive_gateway_failures.is_some()),
        split_external_local_origin_errors: outlier.consecutive_local_failures.is_some(),
        consecutive_local_origin_failure: count(outlier.consecutive_local_failures),
        enforcing_consecutive_local_origin_failure: enforced(outlier.consecutive_local_failures.is_some()),
        enforcing_local_origin_success_rate: enforced(false),
        success_rate_minimum_hosts: count(rate.and_then(|it| it.minimum_hosts)),
        success_rate_request_volume: count(rate.and_then(|it| it.request_volume)),
        success_rate_stdev_factor: count(rate.and_then(|it| it.stdev_factor)),
        enforcing_success_rate: enforced(rate.is_some()),
        failure_percentage_threshold: count(share.and_then(|it| it.threshold)),
        failure_percentage_minimum_hosts: count(share.and_then(|it| it.minimum_hosts)),
        failure_percentage_request_volume: count(share.and_then(|it| it.request_volume)),
        enforcing_failure_percentage: enforced(share.is_some()),
        interval: outlier.interval.map(duration),
        base_ejection_time: outlier.base_ejection_time.map(duration),
        max_ejection_time: outlier.max_ejection_time.map(duration),
        max_ejection_percent: count(outlier.max_ejection_percent),
        always_eject_one_host: Some(BoolValue { value: true }),
        ..Default::default()
    }
}

fn health_check(check: &HealthCheck, service: &ServiceName, protocol: Protocol) -> CheckProto {
    let host = format!("{}.{}", service.name, service.namespace);
    let checker = match &check.probe {
        Probe::Http { method, path, host: said, expected } => HealthChecker::HttpHealthCheck(HttpHealthCheck {
            host: said.clone().unwrap_or(host),
            path: path.clone(),
            method: RequestMethod::from_str_name(method).unwrap_or(RequestMethod::Get).into(),
            expected_statuses: expected.iter().map(statuses).collect(),
            codec_client_type: codec(protocol).into(),
            ..Default::default()
        }),
        Probe::Grpc { service } => HealthChecker::GrpcHealthCheck(GrpcHealthCheck {
            service_name: service.clone(),
            authority: host,
            ..Default::default()
        }),
        Probe::Tcp { send, receive } => HealthChecker::TcpHealthCheck(TcpHealthCheck {
            send: (!send.is_empty()).then(|| text(send)),
            receive: receive.iter().map(|part| text(part)).collect(),
            ..Default::default()
        }),
    };
    CheckProto {
        timeout: Some(duration(check.timeout)),
        interval: Some(duration(check.interval)),
        unhealthy_threshold: Some(uint32(check.unhealthy_threshold)),
        healthy_threshold: Some(uint32(check.healthy_threshold)),
        // An endpoint that nobody uses is asked as often as the others: it may be used at any time.
        no_traffic_interval: Some(duration(check.interval)),
        health_checker: Some(checker),
        ..Default::default()
    }
}

/// What is asked in: HTTP/2 where nothing else is spoken.
fn codec(protocol: Protocol) -> CodecClientType {
    match protocol {
        Protocol::Http2 => CodecClientType::Http2,
        Protocol::Http | Protocol::Tcp | Protocol::Detect | Protocol::Udp => CodecClientType::Http1,
    }
}

fn statuses(range: &Range<u16>) -> Int64Range {
    Int64Range { start: range.start.into(), end: range.end.into() }
}

/// Envoy writes bytes as hexadecimal digits.
fn text(bytes: &[u8]) -> Payload {
    let digits = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Payload { payload: Some(payload::Payload::Text(digits)) }
}
