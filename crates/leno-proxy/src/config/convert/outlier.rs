//! Outlier detection ([`envoy.config.cluster.v3.OutlierDetection`]).
//!
//! [`envoy.config.cluster.v3.OutlierDetection`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/cluster/v3/outlier_detection.proto

use leno_engine::resilience::outlier::OutlierDetection;
use leno_proto::{
    google::protobuf::{Duration, UInt32Value},
    v3::cluster::OutlierDetection as Proto,
};

use super::check::{Check, join};

const PATH: &str = "outlier_detection";

pub(super) fn convert(check: &mut Check, mut proto: Proto) -> OutlierDetection {
    let usual = OutlierDetection::default();
    let count = |value: &mut Option<UInt32Value>, usual: u32| value.take().map_or(usual, |value| value.value);
    let settings = OutlierDetection {
        consecutive_5xx: count(&mut proto.consecutive_5xx, usual.consecutive_5xx),
        interval: time(check, "interval", &mut proto.interval, usual.interval),
        base_ejection_time: time(check, "base_ejection_time", &mut proto.base_ejection_time, usual.base_ejection_time),
        max_ejection_percent: percent(
            check,
            "max_ejection_percent",
            &mut proto.max_ejection_percent,
            usual.max_ejection_percent,
        ),
        always_eject_one_host: proto.always_eject_one_host.take().is_some_and(|it| it.value),
        success_rate_minimum_hosts: count(&mut proto.success_rate_minimum_hosts, usual.success_rate_minimum_hosts),
        success_rate_request_volume: count(&mut proto.success_rate_request_volume, usual.success_rate_request_volume),
        success_rate_stdev_factor: count(&mut proto.success_rate_stdev_factor, usual.success_rate_stdev_factor),
        consecutive_gateway_failure: count(&mut proto.consecutive_gateway_failure, usual.consecutive_gateway_failure),
        split_external_local_origin_errors: std::mem::take(&mut proto.split_external_local_origin_errors),
        consecutive_local_origin_failure: count(
            &mut proto.consecutive_local_origin_failure,
            usual.consecutive_local_origin_failure,
        ),
        failure_percentage_threshold: percent(
            check,
            "failure_percentage_threshold",
            &mut proto.failure_percentage_threshold,
            usual.failure_percentage_threshold,
        ),
        failure_percentage_minimum_hosts: count(
            &mut proto.failure_percentage_minimum_hosts,
            usual.failure_percentage_minimum_hosts,
        ),
        failure_percentage_request_volume: count(
            &mut proto.failure_percentage_request_volume,
            usual.failure_percentage_request_volume,
        ),
        max_ejection_time: proto
            .max_ejection_time
            .take()
            .and_then(|time| check.duration(&join(PATH, "max_ejection_time"), &time)),
        max_ejection_time_jitter: check.duration_or(
            &join(PATH, "max_ejection_time_jitter"),
            proto.max_ejection_time_jitter.take(),
            usual.max_ejection_time_jitter,
        ),
        successful_active_health_check_uneject_host: proto
            .successful_active_health_check_uneject_host
            .take()
            .is_none_or(|it| it.value),
        ..usual
    };
    let settings = enforced(check, &settings, &mut proto);
    if settings.max_ejection_time.is_some_and(|longest| longest < settings.base_ejection_time) {
        let field = join(PATH, "max_ejection_time");
        check.wrong(&field, format!("{:?}", settings.max_ejection_time), "not less than base_ejection_time");
    }
    check.rest(PATH, &proto);
    settings
}

/// How many of the outliers are ejected.
fn enforced(check: &mut Check, usual: &OutlierDetection, proto: &mut Proto) -> OutlierDetection {
    OutlierDetection {
        enforcing_consecutive_5xx: percent(
            check,
            "enforcing_consecutive_5xx",
            &mut proto.enforcing_consecutive_5xx,
            usual.enforcing_consecutive_5xx,
        ),
        enforcing_success_rate: percent(
            check,
            "enforcing_success_rate",
            &mut proto.enforcing_success_rate,
            usual.enforcing_success_rate,
        ),
        enforcing_consecutive_gateway_failure: percent(
            check,
            "enforcing_consecutive_gateway_failure",
            &mut proto.enforcing_consecutive_gateway_failure,
            usual.enforcing_consecutive_gateway_failure,
        ),
        enforcing_consecutive_local_origin_failure: percent(
            check,
            "enforcing_consecutive_local_origin_failure",
            &mut proto.enforcing_consecutive_local_origin_failure,
            usual.enforcing_consecutive_local_origin_failure,
        ),
        enforcing_local_origin_success_rate: percent(
            check,
            "enforcing_local_origin_success_rate",
            &mut proto.enforcing_local_origin_success_rate,
            usual.enforcing_local_origin_success_rate,
        ),
        enforcing_failure_percentage: percent(
            check,
            "enforcing_failure_percentage",
            &mut proto.enforcing_failure_percentage,
            usual.enforcing_failure_percentage,
        ),
        enforcing_failure_percentage_local_origin: percent(
            check,
            "enforcing_failure_percentage_local_origin",
            &mut proto.enforcing_failure_percentage_local_origin,
            usual.enforcing_failure_percentage_local_origin,
        ),
        ..usual.clone()
    }
}

fn percent(check: &mut Check, field: &str, value: &mut Option<UInt32Value>, usual: u32) -> u32 {
    let value = value.take().map_or(usual, |value| value.value);
    if value > 100 {
        check.wrong(&join(PATH, field), value.to_string(), "0 to 100");
    }
    value
}

/// A time above zero.
fn time(
    check: &mut Check,
    field: &str,
    value: &mut Option<Duration>,
    usual: std::time::Duration,
) -> std::time::Duration {
    let time = check.duration_or(&join(PATH, field), value.take(), usual);
    if time.is_zero() {
        check.wrong(&join(PATH, field), "0s", "more than zero");
    }
    time
}
