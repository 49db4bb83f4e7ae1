//! Circuit breakers ([`envoy.config.cluster.v3.CircuitBreakers`]).
//!
//! [`envoy.config.cluster.v3.CircuitBreakers`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/cluster/v3/circuit_breaker.proto

use leno_proto::{
    google::protobuf::UInt32Value,
    v3::cluster::{CircuitBreakers, circuit_breakers::thresholds::RetryBudget},
};

use super::{
    super::{RetryLimit, Thresholds},
    check::{Check, at, join},
};

/// The thresholds of requests of the default priority: there are no others.
pub(super) fn convert(check: &mut Check, breakers: Option<CircuitBreakers>) -> Thresholds {
    let mut found = Thresholds::default();
    let Some(mut breakers) = breakers else { return found };
    for (index, mut proto) in std::mem::take(&mut breakers.thresholds).into_iter().enumerate() {
        let path = at("circuit_breakers", "thresholds", index);
        let take = |value: &mut Option<UInt32Value>, to: &mut u32| {
            if let Some(value) = value.take() {
                *to = value.value;
            }
        };
        take(&mut proto.max_connections, &mut found.max_connections);
        take(&mut proto.max_pending_requests, &mut found.max_pending_requests);
        take(&mut proto.max_requests, &mut found.max_requests);
        if let Some(count) = proto.max_retries.take() {
            found.retries = RetryLimit::Count(count.value);
        }
        if let Some(budget) = proto.retry_budget.take() {
            found.retries = budget_of(check, &join(&path, "retry_budget"), budget);
        }
        check.rest(&path, &proto);
    }
    check.rest("circuit_breakers", &breakers);
    found
}

/// The share of requests that may be sent again.
fn budget_of(check: &mut Check, path: &str, mut budget: RetryBudget) -> RetryLimit {
    let percent = budget.budget_percent.take().map_or(20.0, |percent| percent.value);
    let at_least = budget.min_retry_concurrency.take().map_or(3, |count| count.value);
    check.rest(path, &budget);
    if !(0.0..=100.0).contains(&percent) {
        check.wrong(&join(path, "budget_percent"), percent.to_string(), "0 to 100");
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 100,000, checked above")]
    let thousandths = (percent.clamp(0.0, 100.0) * 1000.0).round() as u32;
    RetryLimit::Budget { thousandths, at_least }
}
