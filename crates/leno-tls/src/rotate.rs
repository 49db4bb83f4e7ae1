//! When to renew a certificate.

use std::time::{Duration, SystemTime};

/// The moment to renew a certificate: half its life, moved earlier or later by up to a tenth of its life, so that
/// workloads that started together do not renew together.
///
/// `jitter` is a random number from 0 (early) to 1 (late); values outside count as the nearer end.
#[must_use]
pub fn renew_at(not_before: SystemTime, not_after: SystemTime, jitter: f64) -> SystemTime {
    let life = not_after.duration_since(not_before).unwrap_or_default();
    let jitter = if jitter.is_nan() { 0.5 } else { jitter.clamp(0.0, 1.0) };
    not_before + life.mul_f64(0.4 + 0.2 * jitter)
}

/// How long to wait from `now` until [`renew_at`]; zero when that is past.
#[must_use]
pub fn renew_in(not_before: SystemTime, not_after: SystemTime, now: SystemTime, jitter: f64) -> Duration {
    renew_at(not_before, not_after, jitter).duration_since(now).unwrap_or_default()
}

/// How long to wait before trying again after `failures` failed attempts in a row (1 or more): from 1 s, doubled each
/// time up to a minute, of which a random part (`jitter`, 0 to 1) of half is taken off.
#[must_use]
pub fn retry_in(failures: u32, jitter: f64) -> Duration {
    let exponent = failures.saturating_sub(1).min(6);
    let full = Duration::from_secs(60).min(Duration::from_secs(1_u64 << exponent));
    let jitter = if jitter.is_nan() { 0.5 } else { jitter.clamp(0.0, 1.0) };
    full.mul_f64(1.0 - 0.5 * jitter)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    #[test]
    fn renewal_is_at_half_life_give_or_take_a_tenth() {
        let start = SystemTime::UNIX_EPOCH + DAY;
        let at = |jitter| renew_at(start, start + DAY, jitter).duration_since(start).unwrap();
        assert_eq!(at(0.5).as_secs(), DAY.as_secs() / 2);
        assert_eq!(at(0.0).as_secs(), DAY.as_secs() * 2 / 5);
        assert_eq!(at(1.0).as_secs(), DAY.as_secs() * 3 / 5);
        assert_eq!(at(7.0), at(1.0));
        assert_eq!(at(f64::NAN), at(0.5));
    }

    #[test]
    fn what_is_overdue_is_renewed_at_once() {
        let start = SystemTime::UNIX_EPOCH + DAY;
        assert_eq!(renew_in(start, start + DAY, start + DAY, 0.5), Duration::ZERO);
        assert_eq!(renew_in(start, start, start, 0.5), Duration::ZERO);
    }

    #[test]
    fn retries_slow_down_to_a_minute() {
        assert_eq!(retry_in(1, 0.0), Duration::from_secs(1));
        assert_eq!(retry_in(3, 0.0), Duration::from_secs(4));
        assert_eq!(retry_in(100, 0.0), Duration::from_secs(60));
        assert_eq!(retry_in(100, 1.0), Duration::from_secs(30));
    }
}
