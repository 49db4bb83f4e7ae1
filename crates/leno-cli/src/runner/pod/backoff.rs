//! How long a container that keeps ending waits before it is started again.

use std::time::Duration;

/// The wait before the second restart; it doubles with each further one.
const FIRST: Duration = Duration::from_secs(1);
/// The longest wait. Kubernetes waits up to five minutes; at a desk a minute is long enough.
const LONGEST: Duration = Duration::from_secs(60);
/// A container that ran this long was well: what comes next is a first restart again.
const WELL: Duration = Duration::from_secs(60);

/// The restarts of one container.
#[derive(Clone, Debug, Default)]
pub(crate) struct Backoff {
    /// How many restarts came in a row, none of them after a long run.
    in_a_row: u32,
}

impl Backoff {
    /// The wait before the next start of a container that has just ended after running for `ran`. The first restart
    /// comes at once, as in Kubernetes.
    pub(crate) fn next(&mut self, ran: Duration) -> Duration {
        if ran >= WELL {
            self.in_a_row = 0;
        }
        let wait = match self.in_a_row {
            0 => Duration::ZERO,
            n => FIRST.saturating_mul(1 << (n - 1).min(16)).min(LONGEST),
        };
        self.in_a_row = self.in_a_row.saturating_add(1);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_minute_and_the_first_restart_is_immediate() {
        let mut backoff = Backoff::default();
        let waits: Vec<u64> = (0..10).map(|_| backoff.next(Duration::ZERO).as_secs()).collect();
        assert_eq!(waits, [0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[test]
    fn a_long_run_starts_the_count_anew() {
        let mut backoff = Backoff::default();
        for _ in 0..5 {
            backoff.next(Duration::ZERO);
        }
        assert_eq!(backoff.next(Duration::from_secs(61)), Duration::ZERO);
        assert_eq!(backoff.next(Duration::ZERO), Duration::from_secs(1));
    }
}
