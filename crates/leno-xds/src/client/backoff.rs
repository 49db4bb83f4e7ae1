//! How long to wait before the next attempt.

use std::time::Duration;

/// Exponential back-off with full jitter between half of the step and the step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    attempt: u32,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new(Duration::from_millis(100), Duration::from_secs(5))
    }
}

impl Backoff {
    /// Steps from `first`, doubling, up to `longest`.
    #[must_use]
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, attempt: 0 }
    }

    /// The next wait. `random` is from 0 to 1.
    pub fn next(&mut self, random: f64) -> Duration {
        let step = self.first.saturating_mul(2_u32.saturating_pow(self.attempt)).min(self.longest);
        self.attempt = self.attempt.saturating_add(1);
        step.mul_f64(0.5 + 0.5 * random.clamp(0.0, 1.0))
    }

    /// Starts over, after an attempt that led to something.
    pub fn reset(&mut self) {
        self.attempt = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_start_over() {
        let ms = Duration::from_millis;
        let mut backoff = Backoff::new(ms(100), ms(1_000));
        let waits: Vec<_> = (0..6).map(|_| backoff.next(1.0)).collect();
        assert_eq!(waits, [ms(100), ms(200), ms(400), ms(800), ms(1_000), ms(1_000)]);
        for _ in 0..100 {
            assert_eq!(backoff.next(0.0), ms(500));
        }
        backoff.reset();
        assert_eq!(backoff.next(0.0), ms(50));
    }
}
