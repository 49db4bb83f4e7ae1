//! What counts as an outlier, and what is done about it.

use std::time::Duration;

/// The longest ejection, unless the settings say otherwise or the shortest one is longer.
const MAX_EJECTION_TIME: Duration = Duration::from_secs(300);

/// Settings of a cluster ([`envoy.config.cluster.v3.OutlierDetection`]); the default is Envoy's.
///
/// Each `enforcing_` is the chance, in percent, that a detected outlier is ejected: 0 only reports it.
///
/// [`envoy.config.cluster.v3.OutlierDetection`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/cluster/v3/outlier_detection.proto
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutlierDetection {
    /// So many answers of 5xx in a row are too many; 0: no number is.
    pub consecutive_5xx: u32,
    /// The time between two sweeps.
    pub interval: Duration,
    /// How long the first ejection lasts; the second twice as long, and so on.
    pub base_ejection_time: Duration,
    /// The share of the cluster's endpoints, in percent, that may be ejected at once.
    ///
    /// It is never exceeded: one of nine endpoints is 11 %, so that of a cluster of nine none is ejected by the
    /// default of 10, unless [`Self::always_eject_one_host`].
    pub max_ejection_percent: u32,
    /// Whether one endpoint may be ejected whatever [`Self::max_ejection_percent`] says. Off by default, as in Envoy
    /// since the setting exists; older releases behaved as if it were on.
    pub always_eject_one_host: bool,
    /// For [`Self::consecutive_5xx`].
    pub enforcing_consecutive_5xx: u32,
    /// For the success rate of answers.
    pub enforcing_success_rate: u32,
    /// Success rates are compared when at least so many endpoints have had enough requests.
    pub success_rate_minimum_hosts: u32,
    /// An endpoint has had enough for its success rate after so many requests in an interval.
    pub success_rate_request_volume: u32,
    /// A success rate is too low when it is below the mean by more than this many thousandths of the standard
    /// deviation.
    pub success_rate_stdev_factor: u32,
    /// So many answers of 502, 503 or 504 in a row are too many; 0: no number is.
    pub consecutive_gateway_failure: u32,
    /// For [`Self::consecutive_gateway_failure`].
    pub enforcing_consecutive_gateway_failure: u32,
    /// Whether what happens on this side of the connection is counted apart from answers. If not, it counts as an
    /// answer of a status that stands for it.
    pub split_external_local_origin_errors: bool,
    /// So many failures of local origin in a row are too many; 0: no number is. Only with
    /// [`Self::split_external_local_origin_errors`].
    pub consecutive_local_origin_failure: u32,
    /// For [`Self::consecutive_local_origin_failure`].
    pub enforcing_consecutive_local_origin_failure: u32,
    /// For the success rate of what is of local origin.
    pub enforcing_local_origin_success_rate: u32,
    /// An endpoint fails too often when so many percent of its requests fail.
    pub failure_percentage_threshold: u32,
    /// For [`Self::failure_percentage_threshold`] of answers.
    pub enforcing_failure_percentage: u32,
    /// For [`Self::failure_percentage_threshold`] of what is of local origin.
    pub enforcing_failure_percentage_local_origin: u32,
    /// The share of failures is looked at when at least so many endpoints have had enough requests.
    pub failure_percentage_minimum_hosts: u32,
    /// An endpoint has had enough for its share of failures after so many requests in an interval.
    pub failure_percentage_request_volume: u32,
    /// How long an ejection lasts at most, without the jitter. `None`: 300 s, or [`Self::base_ejection_time`] if that
    /// is longer.
    pub max_ejection_time: Option<Duration>,
    /// An ejection is longer by a time from nothing to this, so that endpoints do not all come back at once.
    pub max_ejection_time_jitter: Duration,
    /// Whether an ejected endpoint comes back at once when it passes an active health check.
    pub successful_active_health_check_uneject_host: bool,
}

impl Default for OutlierDetection {
    fn default() -> Self {
        Self {
            consecutive_5xx: 5,
            interval: Duration::from_secs(10),
            base_ejection_time: Duration::from_secs(30),
            max_ejection_percent: 10,
            always_eject_one_host: false,
            enforcing_consecutive_5xx: 100,
            enforcing_success_rate: 100,
            success_rate_minimum_hosts: 5,
            success_rate_request_volume: 100,
            success_rate_stdev_factor: 1900,
            consecutive_gateway_failure: 5,
            enforcing_consecutive_gateway_failure: 0,
            split_external_local_origin_errors: false,
            consecutive_local_origin_failure: 5,
            enforcing_consecutive_local_origin_failure: 100,
            enforcing_local_origin_success_rate: 100,
            failure_percentage_threshold: 85,
            enforcing_failure_percentage: 0,
            enforcing_failure_percentage_local_origin: 0,
            failure_percentage_minimum_hosts: 5,
            failure_percentage_request_volume: 50,
            max_ejection_time: None,
            max_ejection_time_jitter: Duration::ZERO,
            successful_active_health_check_uneject_host: true,
        }
    }
}

impl OutlierDetection {
    /// How long an ejection lasts at most, without the jitter.
    #[must_use]
    pub fn longest_ejection(&self) -> Duration {
        self.max_ejection_time.unwrap_or_else(|| MAX_EJECTION_TIME.max(self.base_ejection_time))
    }

    /// Whether one more of `hosts` endpoints may be ejected, when `ejected` are.
    #[must_use]
    pub fn allows_another(&self, ejected: usize, hosts: usize) -> bool {
        self.allows(ejected.saturating_add(1), hosts)
    }

    /// Whether so many of `hosts` endpoints may be ejected at once.
    pub(super) fn allows(&self, ejected: usize, hosts: usize) -> bool {
        let percent = usize::try_from(self.max_ejection_percent.min(100)).unwrap_or(100);
        ejected.saturating_mul(100) <= hosts.saturating_mul(percent) || (self.always_eject_one_host && ejected <= 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_ejected_endpoints_is_never_exceeded() {
        let settings = OutlierDetection::default();
        assert!(!settings.allows_another(0, 9));
        assert!(settings.allows_another(0, 10));
        assert!(!settings.allows_another(1, 19));
        assert!(settings.allows_another(1, 20));
        let none = OutlierDetection { max_ejection_percent: 0, ..settings.clone() };
        assert!(!none.allows_another(0, 1000));
        let above = OutlierDetection { max_ejection_percent: 400, ..settings };
        assert!(above.allows_another(2, 3) && !above.allows_another(3, 3));
    }

    #[test]
    fn one_endpoint_may_always_be_ejected_if_the_settings_say_so() {
        let settings =
            OutlierDetection { max_ejection_percent: 0, always_eject_one_host: true, ..OutlierDetection::default() };
        assert!(settings.allows_another(0, 1));
        assert!(!settings.allows_another(1, 1000));
    }

    #[test]
    fn the_longest_ejection_is_300_seconds_or_the_shortest_one() {
        let settings = OutlierDetection::default();
        assert_eq!(settings.longest_ejection(), Duration::from_secs(300));
        let long = OutlierDetection { base_ejection_time: Duration::from_secs(400), ..settings.clone() };
        assert_eq!(long.longest_ejection(), Duration::from_secs(400));
        let said = OutlierDetection { max_ejection_time: Some(Duration::from_secs(40)), ..settings };
        assert_eq!(said.longest_ejection(), Duration::from_secs(40));
    }
}
