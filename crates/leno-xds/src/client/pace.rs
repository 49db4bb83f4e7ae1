//! How fast requests are sent ([`RateLimitSettings`]).
//!
//! [`RateLimitSettings`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/core/v3/config_source.proto#config-core-v3-ratelimitsettings

use std::time::Duration;

use tokio::time::Instant;

/// A bucket of tokens, one for each request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    most: f64,
    per_second: f64,
    tokens: f64,
    filled: Option<Instant>,
}

impl Pace {
    /// At most so many requests at once, and so many a second in the long run (above 0).
    #[must_use]
    pub fn new(most: u32, per_second: f64) -> Self {
        let most = f64::from(most.max(1));
        Self { most, per_second: per_second.max(f64::MIN_POSITIVE), tokens: most, filled: None }
    }

    /// How long the next request has to wait; it may be sent when this is `None`.
    pub(super) fn wait(&mut self, now: Instant) -> Option<Duration> {
        let filled = self.filled.replace(now).unwrap_or(now);
        let more = now.saturating_duration_since(filled).as_secs_f64() * self.per_second;
        self.tokens = (self.tokens + more).min(self.most);
        let missing = 1.0 - self.tokens;
        // An hour is as good as longer, and always a legal duration.
        (missing > 0.0).then(|| Duration::from_secs_f64((missing / self.per_second).clamp(0.001, 3600.0)))
    }

    /// A request was sent.
    pub(super) fn sent(&mut self) {
        self.tokens -= 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn requests_wait_once_the_burst_is_over() {
        let mut pace = Pace::new(2, 10.0);
        let now = Instant::now();
        for _ in 0..2 {
            assert_eq!(pace.wait(now), None);
            pace.sent();
        }
        assert_eq!(pace.wait(now), Some(Duration::from_millis(100)));
        assert_eq!(pace.wait(now + Duration::from_millis(150)), None);
    }
}
