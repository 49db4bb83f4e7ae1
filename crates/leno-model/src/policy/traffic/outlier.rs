//! Which endpoints are left out for a while because they fail ([outlier detection]).
//!
//! [outlier detection]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/cluster/v3/outlier_detection.proto

use std::time::Duration;

/// Which endpoints are left out for a while. `None` where a way is not used, or what holds by default does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutlierDetection {
    /// After so many 5xx (and failures to connect) in a row.
    pub consecutive_5xx: Option<u32>,
    /// After so many of 502, 503, 504 (and failures to connect) in a row.
    pub consecutive_gateway_failures: Option<u32>,
    /// After so many failures to connect, or of connections, in a row; these are then not counted as 5xx.
    pub consecutive_local_failures: Option<u32>,
    /// Those that answer with success far less often than the others.
    pub success_rate: Option<SuccessRate>,
    /// Those that fail more often than a threshold.
    pub failure_share: Option<FailureShare>,
    /// How often rates are looked at, and endpoints let back in.
    pub interval: Option<Duration>,
    /// How long an endpoint is left out the first time.
    pub base_ejection_time: Option<Duration>,
    /// How long at most.
    pub max_ejection_time: Option<Duration>,
    /// How many endpoints in a hundred may be left out.
    pub max_ejection_percent: Option<u32>,
}

/// Those that answer with success far less often than the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SuccessRate {
    /// How many endpoints must have enough requests.
    pub minimum_hosts: Option<u32>,
    /// How many requests in an interval are enough.
    pub request_volume: Option<u32>,
    /// How many thousandths of the standard deviation below the mean.
    pub stdev_factor: Option<u32>,
}

/// Those that fail more often than a threshold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FailureShare {
    /// How many requests in a hundred.
    pub threshold: Option<u32>,
    /// How many endpoints must have enough requests.
    pub minimum_hosts: Option<u32>,
    /// How many requests in an interval are enough.
    pub request_volume: Option<u32>,
}
