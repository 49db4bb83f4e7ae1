//! How long to wait before the next attempt: exponential, with full jitter.

use std::time::Duration;

use rand::{Rng, RngExt as _};

/// Waits that double ([`envoy.config.route.v3.RetryPolicy.RetryBackOff`]).
///
/// [`envoy.config.route.v3.RetryPolicy.RetryBackOff`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#config-route-v3-retrypolicy-retrybackoff
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The bound of the first wait.
    pub base: Duration,
    /// The bound of every wait.
    pub max: Duration,
}

impl Default for Backoff {
    /// Envoy's: 25 ms, and ten times as much.
    fn default() -> Self {
        Self { base: Duration::from_millis(25), max: Duration::from_millis(250) }
    }
}

impl Backoff {
    /// The wait before retry number `retry` (from 0): anything from nothing to the bound, which doubles each time.
    pub fn wait(&self, retry: u32, random: &mut impl Rng) -> Duration {
        let factor = 1u32.checked_shl(retry).unwrap_or(u32::MAX);
        let bound = self.base.saturating_mul(factor).min(self.max);
        bound.mul_f64(random.random_range(0.0..1.0))
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;

    #[test]
    fn waits_grow_up_to_the_bound() {
        let mut random = StdRng::seed_from_u64(1);
        let backoff = Backoff::default();
        for retry in 0..100 {
            let longest = (0..200).map(|_| backoff.wait(retry, &mut random)).max().unwrap();
            let bound = backoff.base.saturating_mul(1 << retry.min(20)).min(backoff.max);
            assert!(longest <= bound && longest > bound / 2, "retry {retry}: {longest:?}, bound {bound:?}");
        }
    }
}
