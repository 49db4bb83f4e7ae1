//! What the tries of a probe add up to, and when the next one is due. Pure: time is an argument.
//!
//! ```text
//! unknown ──successThreshold good in a row──► good
//! any     ──failureThreshold bad in a row───► bad
//! ```

use std::time::Duration;

use leno_manifest::core::pod::Probe;

/// The wait between the first tries, before anything is known. Kubernetes tries once a period, which makes a pod that
/// is ready after 30 ms wait for ten seconds; Leno looks more often at first, and does not count the extra failures.
const EAGER: Duration = Duration::from_millis(20);

/// The verdict of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Enough tries in a row were good.
    Good,
    /// Enough tries in a row were bad.
    Bad,
}

/// The count of one probe.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    success_threshold: u32,
    failure_threshold: u32,
    period: Duration,
    good: u32,
    bad: u32,
    verdict: Option<Verdict>,
    /// When the last failure was counted, since the start of the container.
    last_bad: Option<Duration>,
    /// The wait before the next eager try.
    eager: Duration,
}

impl Tally {
    /// An empty count with the thresholds of this probe.
    pub(crate) fn new(probe: &Probe) -> Self {
        Self {
            success_threshold: probe.success_threshold.unwrap_or(1).max(1),
            failure_threshold: probe.failure_threshold.unwrap_or(3).max(1),
            period: Duration::from_secs(probe.period_seconds.unwrap_or(10).max(1).into()),
            good: 0,
            bad: 0,
            verdict: None,
            last_bad: None,
            eager: EAGER,
        }
    }

    /// Counts a try that was made `at` this time since the start of the container. Says the verdict when it changes;
    /// [`Verdict::Bad`] is said again each time that the threshold is reached anew.
    pub(crate) fn count(&mut self, good: bool, at: Duration) -> Option<Verdict> {
        if good {
            self.good = self.good.saturating_add(1);
            self.bad = 0;
            self.last_bad = None;
            let reached = self.good >= self.success_threshold && self.verdict != Some(Verdict::Good);
            return reached.then(|| self.decide(Verdict::Good));
        }
        self.good = 0;
        // The extra tries of the eager time are free; a failure counts once a period.
        let counts = self.last_bad.is_none_or(|last| at >= last + self.period - EAGER);
        if counts {
            self.bad += 1;
            self.last_bad = Some(at);
        }
        let reached = counts && self.bad >= self.failure_threshold;
        reached.then(|| self.decide(Verdict::Bad))
    }

    fn decide(&mut self, verdict: Verdict) -> Verdict {
        self.verdict = Some(verdict);
        self.bad = 0;
        verdict
    }

    /// How long to wait before the next try.
    pub(crate) fn pause(&mut self) -> Duration {
        if self.verdict == Some(Verdict::Good) {
            return self.period;
        }
        let pause = self.eager.min(self.period);
        self.eager = (self.eager * 3 / 2).min(self.period);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(success: u32, failure: u32) -> Tally {
        Tally::new(&Probe {
            success_threshold: Some(success),
            failure_threshold: Some(failure),
            period_seconds: Some(1),
            ..Probe::default()
        })
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn thresholds_decide() {
        let mut tally = tally(2, 3);
        assert_eq!(tally.count(true, SECOND), None);
        assert_eq!(tally.count(false, SECOND * 2), None);
        assert_eq!(tally.count(true, SECOND * 3), None);
        assert_eq!(tally.count(true, SECOND * 4), Some(Verdict::Good));
        assert_eq!(tally.count(true, SECOND * 5), None);
        assert_eq!(tally.count(false, SECOND * 6), None);
        assert_eq!(tally.count(false, SECOND * 7), None);
        assert_eq!(tally.count(false, SECOND * 8), Some(Verdict::Bad));
        assert_eq!(tally.count(true, SECOND * 9), None);
        assert_eq!(tally.count(true, SECOND * 10), Some(Verdict::Good));
    }

    #[test]
    fn eager_failures_are_counted_once_a_period() {
        let mut tally = tally(1, 2);
        for ms in [0, 20, 50, 95, 160, 260, 410, 630, 960] {
            assert_eq!(tally.count(false, Duration::from_millis(ms)), None, "{ms}");
        }
        assert_eq!(tally.count(false, Duration::from_millis(1000)), Some(Verdict::Bad));
    }

    #[test]
    fn tries_come_quickly_until_the_first_success_and_then_once_a_period() {
        let mut tally = tally(1, 3);
        assert_eq!(tally.pause(), EAGER);
        assert!(tally.pause() > EAGER);
        for _ in 0..50 {
            assert!(tally.pause() <= SECOND);
        }
        tally.count(true, SECOND);
        assert_eq!(tally.pause(), SECOND);
    }
}
