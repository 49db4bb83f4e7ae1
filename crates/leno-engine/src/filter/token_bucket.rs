//! Token buckets ([`envoy.type.v3.TokenBucket`]).
//!
//! [`envoy.type.v3.TokenBucket`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/type/v3/token_bucket.proto

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Tokens that come back evenly in time; every request takes one. Shared by all workers, without a lock.
///
/// What is kept is the time at which the bucket was, or would have been, empty; what it has now follows.
#[derive(Debug)]
pub struct TokenBucket {
    /// The most it holds.
    max: f64,
    /// How many come back per second.
    rate: f64,
    /// When it was empty, in seconds, as the bits of an `f64`.
    empty_at: AtomicU64,
}

/// What rounding may take from a whole token.
const ROUNDING: f64 = 1e-6;

impl TokenBucket {
    /// A full bucket of `max` tokens, of which `per_fill` come back in each `interval`.
    #[must_use]
    pub fn new(max: u32, per_fill: u32, interval: Duration) -> Self {
        let rate = f64::from(per_fill) / interval.as_secs_f64().max(1e-9);
        // Empty so long ago that it is full by now.
        Self { max: max.into(), rate, empty_at: AtomicU64::new(f64::NEG_INFINITY.to_bits()) }
    }

    /// A full one that is set up alike.
    #[must_use]
    pub fn fresh(&self) -> Self {
        Self { max: self.max, rate: self.rate, empty_at: AtomicU64::new(f64::NEG_INFINITY.to_bits()) }
    }

    /// How many tokens come back per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// Takes a token, if there is one. `now` is counted from any moment, always the same.
    pub fn take(&self, now: Duration) -> bool {
        self.take_many(1, now)
    }

    /// Takes so many tokens, if there are as many.
    pub fn take_many(&self, count: u64, now: Duration) -> bool {
        let now = now.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "more than a bucket holds is more, however much")]
        let count = count as f64;
        let taken = self.empty_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |empty_at| {
            let tokens = self.tokens(f64::from_bits(empty_at), now);
            (tokens + ROUNDING >= count).then(|| (now - (tokens - count) / self.rate).to_bits())
        });
        taken.is_ok()
    }

    /// How many whole tokens there are.
    #[must_use]
    pub fn remaining(&self, now: Duration) -> u32 {
        let tokens = self.tokens(f64::from_bits(self.empty_at.load(Ordering::Relaxed)), now.as_secs_f64());
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to max, which was a u32")]
        let whole = (tokens + ROUNDING).clamp(0.0, self.max) as u32;
        whole
    }

    /// How long until the next token, if there is none.
    #[must_use]
    pub fn wait(&self, now: Duration) -> Duration {
        let tokens = self.tokens(f64::from_bits(self.empty_at.load(Ordering::Relaxed)), now.as_secs_f64());
        Duration::try_from_secs_f64((1.0 - tokens).max(0.0) / self.rate).unwrap_or(Duration::MAX)
    }

    /// The most it holds.
    #[must_use]
    pub fn limit(&self) -> u32 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was a u32")]
        let max = self.max as u32;
        max
    }

    fn tokens(&self, empty_at: f64, now: f64) -> f64 {
        ((now - empty_at) * self.rate).min(self.max)
    }
}

impl PartialEq for TokenBucket {
    /// Whether they are set up alike, whatever they hold.
    fn eq(&self, other: &Self) -> bool {
        self.max.to_bits() == other.max.to_bits() && self.rate.to_bits() == other.rate.to_bits()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn a_burst_is_let_through_and_then_the_rate() {
        let bucket = TokenBucket::new(3, 1, MS(100));
        let taken = |now| (0..5).filter(|_| bucket.take(MS(now))).count();
        assert_eq!((bucket.limit(), bucket.remaining(MS(1000))), (3, 3));
        assert_eq!(taken(1000), 3);
        assert_eq!(bucket.remaining(MS(1000)), 0);
        assert!((MS(59)..MS(61)).contains(&bucket.wait(MS(1040))));
        assert_eq!(taken(1090), 0);
        assert_eq!(taken(1101), 1);
        assert_eq!(taken(1310), 2);
        assert_eq!(taken(10_000), 3);
        assert_eq!(TokenBucket::new(0, 1, MS(1)).remaining(MS(1)), 0);
        assert!(!TokenBucket::new(0, 1, MS(1)).take(MS(9999)));
    }

    proptest! {
        #[test]
        fn never_more_than_the_burst_and_the_rate(
            max in 0u32..50, per in 1u32..50, steps in prop::collection::vec(0u64..200, 1..200),
        ) {
            let bucket = TokenBucket::new(max, per, MS(1000));
            let (mut now, mut taken) = (0, 0u64);
            for step in steps {
                now += step;
                taken += u64::from(bucket.take(MS(now)));
                prop_assert!(taken * 1000 <= u64::from(max) * 1000 + now * u64::from(per) + 1000);
            }
        }
    }
}
