//! What the canary's callers saw, and whether that will do. Pure.

use std::{collections::BTreeMap, time::Duration};

use leno_api::runner::Calls;

use super::event::Seen;
use crate::totals::Totals;

/// What the callers' sidecars counted since a moment.
#[derive(Clone, Debug)]
pub(crate) struct Measure {
    /// The last counts of each sidecar; `None` for one that has not answered yet.
    last: BTreeMap<String, Option<Totals>>,
    sum: Totals,
}

impl Measure {
    /// Counts what comes on top of these.
    pub(crate) fn new(first: &Calls) -> Self {
        let totals = |(pod, counts): (&String, &Option<_>)| (pod.clone(), counts.as_ref().map(Totals::from));
        Self { last: first.callers.iter().map(totals).collect(), sum: Totals::default() }
    }

    /// Adds what came on top since the last time.
    pub(crate) fn add(&mut self, calls: &Calls) {
        for (pod, counts) in &calls.callers {
            let Some(now) = counts.as_ref().map(Totals::from) else {
                self.last.entry(pod.clone()).or_default();
                continue;
            };
            match self.last.get(pod) {
                // Its counts may be older than the beginning.
                Some(None) => {}
                // A new pod, and a sidecar that has been started again, began at nothing.
                None => self.sum.add(&now),
                Some(Some(before)) if before.requests() > now.requests() => self.sum.add(&now),
                Some(Some(before)) => self.sum.add(&now.since(before)),
            }
            self.last.insert(pod.clone(), Some(now));
        }
    }

    /// All of it.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts are whole and not negative")]
    pub(crate) fn seen(&self) -> Seen {
        let traffic = self.sum.over(0.0);
        Seen {
            requests: self.sum.requests() as u64,
            failed: self.sum.failed() as u64,
            error_rate: traffic.success_rate.map(|rate| 1.0 - rate),
            p99_ms: traffic.p99_ms,
        }
    }
}

/// What the canary must keep to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The share of requests that may fail, 0 to 1.
    pub(crate) error_rate: f64,
    /// What 99 of 100 requests may take.
    pub(crate) p99: Option<Duration>,
    /// How many requests it takes to judge.
    pub(crate) requests: u64,
}

/// What is to be thought of a canary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It does well.
    Good,
    /// Nobody knows yet.
    TooFew,
    /// It does not, and why.
    Bad(String),
}

impl Limits {
    /// Judges what was seen within a whole interval.
    pub(crate) fn judge(&self, seen: &Seen) -> Verdict {
        if seen.requests < self.requests {
            return Verdict::TooFew;
        }
        if seen.error_rate.is_some_and(|rate| rate > self.error_rate) {
            return Verdict::Bad(self.failures(seen));
        }
        match (self.p99, seen.p99_ms) {
            (Some(most), Some(p99)) if p99 > most.as_secs_f64() * 1000.0 => Verdict::Bad(format!(
                "the 99th percentile of {} requests is {p99:.1} ms, more than {most:?}",
                seen.requests
            )),
            _ => Verdict::Good,
        }
    }

    /// Why the rest of the interval cannot help any more: so many requests have failed that at this pace too many will
    /// have even if all others are good. `part` is how much of the interval is over, 0 to 1.
    pub(crate) fn hopeless(&self, seen: &Seen, part: f64) -> Option<String> {
        #[expect(clippy::cast_precision_loss, reason = "a count of requests")]
        let (requests, failed) = (seen.requests as f64, seen.failed as f64);
        let expected = requests / part.clamp(0.01, 1.0);
        (seen.requests >= self.requests && failed > self.error_rate * expected).then(|| self.failures(seen))
    }

    fn failures(&self, seen: &Seen) -> String {
        let Seen { requests, failed, error_rate, .. } = seen;
        let rate = error_rate.unwrap_or_default() * 100.0;
        // To four digits: what was 7% on the command line is not 7.000000000000001%.
        let most = (self.error_rate * 1e6).round() / 1e4;
        format!("{failed} of {requests} requests failed ({rate:.1}%), more than {most}%")
    }
}

#[cfg(test)]
mod tests {
    use leno_api::runner::{CallCounts, DurationBucket};

    use super::*;

    fn counts(requests: f64, failed: f64) -> Option<CallCounts> {
        let bucket = |at_most, requests| DurationBucket { at_most, requests };
        let durations = vec![bucket(Some(0.1), requests - failed), bucket(Some(0.2), requests), bucket(None, requests)];
        Some(CallCounts { requests, failed, durations })
    }

    fn calls(callers: &[(&str, Option<CallCounts>)]) -> Calls {
        Calls { callers: callers.iter().map(|(pod, counts)| ((*pod).to_owned(), counts.clone())).collect() }
    }

    #[test]
    fn only_what_comes_on_top_counts_whoever_comes_goes_or_restarts() {
        let mut measure =
            Measure::new(&calls(&[("old", counts(100.0, 50.0)), ("deaf", None), ("gone", counts(7.0, 0.0))]));
        measure.add(&calls(&[("old", counts(110.0, 51.0)), ("deaf", counts(1000.0, 0.0)), ("new", counts(5.0, 0.0))]));
        measure.add(&calls(&[("old", counts(2.0, 0.0)), ("deaf", counts(1001.0, 0.0)), ("new", None)]));
        let seen = measure.seen();
        // 10 and, after a restart, 2 of the old one; 1 of the deaf one; 5 of the new one.
        assert_eq!((seen.requests, seen.failed), (18, 1));
    }

    fn seen(requests: u64, failed: u64, p99_ms: f64) -> Seen {
        #[expect(clippy::cast_precision_loss, reason = "a handful")]
        let error_rate = (requests > 0).then(|| failed as f64 / requests as f64);
        Seen { requests, failed, error_rate, p99_ms: Some(p99_ms) }
    }

    const LIMITS: Limits = Limits { error_rate: 0.01, p99: Some(Duration::from_millis(500)), requests: 10 };

    #[test]
    fn limits_decide() {
        assert_eq!(LIMITS.judge(&seen(9, 9, 1.0)), Verdict::TooFew);
        assert_eq!(LIMITS.judge(&seen(100, 1, 500.0)), Verdict::Good);
        let Verdict::Bad(reason) = LIMITS.judge(&seen(100, 2, 1.0)) else { panic!("2% is too much") };
        assert_eq!(reason, "2 of 100 requests failed (2.0%), more than 1%");
        let seven = Limits { error_rate: 0.07, ..LIMITS };
        assert!(matches!(seven.judge(&seen(100, 8, 1.0)), Verdict::Bad(reason) if reason.ends_with("more than 7%")));
        let Verdict::Bad(reason) = LIMITS.judge(&seen(100, 0, 501.0)) else { panic!("501 ms is too much") };
        assert_eq!(reason, "the 99th percentile of 100 requests is 501.0 ms, more than 500ms");
        assert_eq!(Limits { requests: 0, ..LIMITS }.judge(&seen(0, 0, 1.0)), Verdict::Good);
    }

    #[test]
    fn a_canary_that_fails_plainly_is_not_given_the_whole_interval() {
        // 2 of 20 after a tenth: 198 good ones more would be 1%.
        assert_eq!(LIMITS.hopeless(&seen(20, 2, 1.0), 0.1), None);
        assert!(LIMITS.hopeless(&seen(20, 20, 1.0), 0.1).is_some());
        assert_eq!(LIMITS.hopeless(&seen(9, 9, 1.0), 0.1), None, "too few to judge");
    }
}
