//! Counters that several workers write to without waiting for each other.
//!
//! Two numbers of 32 bits share an atomic, so that they change together.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

fn pack(low: u32, high: u32) -> u64 {
    u64::from(low) | (u64::from(high) << u32::BITS)
}

fn unpack(both: u64) -> (u32, u32) {
    let half = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).unwrap_or(u32::MAX);
    (half(both), half(both >> u32::BITS))
}

/// One more of a streak; and whether that is enough, after which it starts anew.
fn step(count: u32, threshold: u32) -> (u32, bool) {
    let count = count.saturating_add(1);
    // Not `==`: the settings may have changed since the streak began.
    if threshold != 0 && count >= threshold { (0, true) } else { (count, false) }
}

/// What succeeded and what failed in an interval.
#[derive(Debug, Default)]
pub(super) struct Tally(AtomicU64);

impl Tally {
    pub(super) fn success(&self) {
        self.0.fetch_add(pack(1, 0), Relaxed);
    }

    pub(super) fn failure(&self) {
        self.0.fetch_add(pack(0, 1), Relaxed);
    }

    /// Successes and failures since it was last asked.
    pub(super) fn take(&self) -> (u32, u32) {
        unpack(self.0.swap(0, Relaxed))
    }
}

/// Answers of 5xx in a row, and answers of 502, 503 or 504 in a row.
///
/// Together, so that a success has to look at one number only.
#[derive(Debug, Default)]
pub(super) struct AnswerStreaks(AtomicU64);

impl AnswerStreaks {
    pub(super) fn end(&self) {
        // Reading is cheaper than writing, and nearly always enough.
        if self.0.load(Relaxed) != 0 {
            self.0.store(0, Relaxed);
        }
    }

    /// Counts a failure; says whether the first and the second streak have reached their thresholds. A streak that has
    /// starts anew with the same write, so that one caller alone is told.
    pub(super) fn failure(&self, is_gateway: bool, threshold: u32, gateway_threshold: u32) -> (bool, bool) {
        let after = |both: u64| {
            let (any, gateway) = unpack(both);
            let (any, any_reached) = step(any, threshold);
            let (gateway, gateway_reached) = if is_gateway { step(gateway, gateway_threshold) } else { (0, false) };
            (pack(any, gateway), (any_reached, gateway_reached))
        };
        let mut before = self.0.load(Relaxed);
        loop {
            let (both, reached) = after(before);
            match self.0.compare_exchange_weak(before, both, Relaxed, Relaxed) {
                Ok(_) => return reached,
                Err(now) => before = now,
            }
        }
    }
}

/// Failures in a row.
#[derive(Debug, Default)]
pub(super) struct Streak(AtomicU32);

impl Streak {
    pub(super) fn end(&self) {
        if self.0.load(Relaxed) != 0 {
            self.0.store(0, Relaxed);
        }
    }

    /// Counts a failure; says whether the threshold is reached, after which the streak starts anew.
    pub(super) fn failure(&self, threshold: u32) -> bool {
        let mut before = self.0.load(Relaxed);
        loop {
            let (count, reached) = step(before, threshold);
            match self.0.compare_exchange_weak(before, count, Relaxed, Relaxed) {
                Ok(_) => return reached,
                Err(now) => before = now,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_numbers_share_an_atomic_and_are_taken_together() {
        let tally = Tally::default();
        (0..3).for_each(|_| tally.success());
        (0..2).for_each(|_| tally.failure());
        assert_eq!(tally.take(), (3, 2));
        assert_eq!(tally.take(), (0, 0));
        assert_eq!(unpack(pack(u32::MAX, 7)), (u32::MAX, 7));
    }

    #[test]
    fn of_many_workers_one_alone_is_told_of_each_reaching() {
        let (streaks, streak) = (AnswerStreaks::default(), Streak::default());
        let told = AtomicU32::new(0);
        let fail = || {
            let (any, gateway) = streaks.failure(true, 5, 8);
            told.fetch_add(u32::from(any) + u32::from(gateway) + u32::from(streak.failure(10)), Relaxed);
        };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|_| fail()));
            }
        });
        assert_eq!(told.into_inner(), 4000 / 5 + 4000 / 8 + 4000 / 10);
    }

    #[test]
    fn a_threshold_of_zero_is_never_reached() {
        let streak = Streak::default();
        assert!((0..100).all(|_| !streak.failure(0)));
    }

    #[test]
    fn a_threshold_that_was_lowered_below_the_streak_is_reached_by_the_next_failure() {
        let streak = Streak::default();
        assert!((0..10).all(|_| !streak.failure(100)));
        assert!(streak.failure(3));
        assert!(!streak.failure(3));
    }
}
