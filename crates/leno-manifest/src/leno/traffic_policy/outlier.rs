//! Which endpoints are left out for a while.

use leno_model::policy::traffic::{
    FailureShare as FailureModel, OutlierDetection as Model, SuccessRate as SuccessModel,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::syntax::duration;

/// Which endpoints are left out for a while because they fail; each sidecar judges by what it met itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutlierDetection {
    /// After so many 5xx, or failures to connect, in a row; 0 switches it off; `5` when no other way is given.
    #[serde(rename = "consecutive5xx")]
    pub consecutive_5xx: Option<u32>,
    /// After so many of 502, 503, 504, or failures to connect, in a row, from 1 up.
    pub consecutive_gateway_failures: Option<u32>,
    /// After so many failures of connections in a row, from 1 up; these are then no longer counted among 5xx.
    pub consecutive_local_failures: Option<u32>,
    /// Those that answer with success far less often than the others.
    pub success_rate: Option<SuccessRate>,
    /// Those that fail more often than a threshold.
    pub failure_percentage: Option<FailurePercentage>,
    /// How often rates are looked at and endpoints let back in; `10s` when not given.
    pub interval: Option<String>,
    /// How long an endpoint is left out the first time, the second time twice as long and so on; `30s` when not given.
    pub base_ejection_time: Option<String>,
    /// How long at most; `300s`, or the base if that is longer, when not given.
    pub max_ejection_time: Option<String>,
    /// How many endpoints in a hundred may be left out; `10` when not given. One may be in any case.
    pub max_ejection_percent: Option<u32>,
}

/// Those that answer with success far less often than the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SuccessRate {
    /// How many endpoints must have enough requests; `5` when not given.
    pub minimum_hosts: Option<u32>,
    /// How many requests in an interval are enough; `100` when not given.
    pub request_volume: Option<u32>,
    /// How far below the mean, in thousandths of the standard deviation; `1900` when not given.
    pub stdev_factor: Option<u32>,
}

/// Those that fail more often than a threshold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailurePercentage {
    /// How many requests in a hundred; `85` when not given.
    pub threshold: Option<u32>,
    /// How many endpoints must have enough requests; `5` when not given.
    pub minimum_hosts: Option<u32>,
    /// How many requests in an interval are enough; `50` when not given.
    pub request_volume: Option<u32>,
}

impl OutlierDetection {
    /// What it means.
    #[must_use]
    pub fn to_model(&self) -> Model {
        let time = |text: &Option<String>| text.as_deref().and_then(duration::parse);
        let other = self.consecutive_gateway_failures.is_some()
            || self.consecutive_local_failures.is_some()
            || self.success_rate.is_some()
            || self.failure_percentage.is_some();
        let consecutive_5xx = self.consecutive_5xx.or((!other).then_some(5));
        Model {
            consecutive_5xx: consecutive_5xx.filter(|count| *count > 0),
            consecutive_gateway_failures: self.consecutive_gateway_failures,
            consecutive_local_failures: self.consecutive_local_failures,
            success_rate: self.success_rate.map(|it| SuccessModel {
                minimum_hosts: it.minimum_hosts,
                request_volume: it.request_volume,
                stdev_factor: it.stdev_factor,
            }),
            failure_share: self.failure_percentage.map(|it| FailureModel {
                threshold: it.threshold,
                minimum_hosts: it.minimum_hosts,
                request_volume: it.request_volume,
            }),
            interval: time(&self.interval),
            base_ejection_time: time(&self.base_ejection_time),
            max_ejection_time: time(&self.max_ejection_time),
            max_ejection_percent: self.max_ejection_percent,
        }
    }
}
