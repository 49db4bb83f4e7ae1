//! Slow start ([`SlowStartConfig`]): an endpoint that is new gets little at first, then more and more.
//!
//! [`SlowStartConfig`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/load_balancing_policies/common/v3/common.proto

use std::time::Duration;

/// How an endpoint that is new, or well again, comes to its whole share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SlowStart {
    /// How long that takes (`slow_start_window`); above 0.
    pub window: Duration,
    /// Above 1 it goes faster at first, below 1 slower (`aggression`); above 0. Default 1: in a straight line.
    pub aggression: f64,
    /// The least part of its weight, 0 to 1 (`min_weight_percent`). Default 0.1.
    pub least: f64,
}

impl SlowStart {
    /// The part of its weight that an endpoint has this long after it became well.
    #[must_use]
    pub fn part(&self, well_for: Duration) -> f64 {
        if well_for >= self.window {
            return 1.0;
        }
        let passed = well_for.max(Duration::from_millis(1)).as_secs_f64() / self.window.as_secs_f64();
        // In the usual case spares the power.
        let part = if self.aggression == 1.0 { passed } else { passed.powf(self.aggression.recip()) };
        part.max(self.least).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_grows_over_the_window() {
        let part = |aggression: f64, seconds| {
            let start = SlowStart { window: Duration::from_secs(10), aggression, least: 0.1 };
            (start.part(Duration::from_secs(seconds)) * 1000.0).round() / 1000.0
        };
        assert_eq!([0, 1, 5, 9, 10, 99].map(|at| part(1.0, at)), [0.1, 0.1, 0.5, 0.9, 1.0, 1.0]);
        assert_eq!([0, 5, 9].map(|at| part(2.0, at)), [0.1, 0.707, 0.949]);
        assert_eq!([0, 5, 9].map(|at| part(0.5, at)), [0.1, 0.25, 0.81]);
    }
}
