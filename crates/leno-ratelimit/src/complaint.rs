//! Warnings about what can go wrong with every request, so seldom that the log stays readable.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How many seconds pass between two warnings.
const PAUSE: u64 = 10;

/// When there was a warning, and how many were left out since.
#[derive(Debug, Default)]
pub(crate) struct Complaint {
    last: AtomicU64,
    left_out: AtomicU64,
}

impl Complaint {
    /// Whether there is to be a warning at `now` (seconds since the epoch), and how many were left out before it.
    pub(crate) fn due(&self, now: u64) -> Option<u64> {
        let last = self.last.load(Relaxed);
        if now.abs_diff(last) < PAUSE || self.last.compare_exchange(last, now, Relaxed, Relaxed).is_err() {
            self.left_out.fetch_add(1, Relaxed);
            return None;
        }
        Some(self.left_out.swap(0, Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_warning_stands_for_those_that_were_left_out() {
        let complaint = Complaint::default();
        let due: Vec<_> = [100, 100, 109, 110, 111, 150].map(|now| complaint.due(now)).into();
        assert_eq!(due, [Some(0), None, None, Some(2), None, Some(1)]);
        assert_eq!(complaint.due(30), Some(0), "the clock was set back");
    }
}
