//! How new endpoints begin: `SlowStartConfig`.

use leno_engine::balance::SlowStart;
use leno_proto::v3::{core::RuntimeDouble, lb_common::SlowStartConfig};

use super::super::check::{Check, join};

pub(super) fn convert(check: &mut Check, path: &str, config: Option<SlowStartConfig>) -> Option<SlowStart> {
    let mut config = config?;
    let window = config.slow_start_window.take().and_then(|it| check.duration(&join(path, "slow_start_window"), &it));
    let aggression = double(config.aggression.take(), 1.0);
    if !(aggression > 0.0 && aggression.is_finite()) {
        check.wrong(&join(path, "aggression.default_value"), aggression.to_string(), "above 0");
    }
    let least = config.min_weight_percent.take().map_or(10.0, |percent| percent.value);
    if !(0.0..=100.0).contains(&least) {
        check.wrong(&join(path, "min_weight_percent"), least.to_string(), "0 to 100");
    }
    check.rest(path, &config);
    // As Envoy, for which there is none without a window.
    let window = window.filter(|window| !window.is_zero())?;
    Some(SlowStart { window, aggression, least: least / 100.0 })
}

/// A number that could be changed at run time: there are no layers that would change it (`layered_runtime` is refused).
pub(super) fn double(proto: Option<RuntimeDouble>, absent: f64) -> f64 {
    proto.map_or(absent, |proto| proto.default_value)
}
