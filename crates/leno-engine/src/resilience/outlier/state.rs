//! What is known of one endpoint.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::SeqCst},
    time::Duration,
};

use super::{
    EjectionCause, LocalOrigin, Outcome, OutlierDetection,
    counters::{AnswerStreaks, Streak, Tally},
};

/// The thresholds that an outcome has reached, in the order in which Envoy acts on them. There can be two: an answer of
/// 503 counts as 5xx and as gateway failure.
pub type Reached = [Option<EjectionCause>; 2];

const NOTHING: Reached = [None, None];

/// Moments are kept as nanoseconds, which last for centuries; 0 stands for none.
fn moment(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).max(1)
}

/// What is known of one endpoint. Workers share it; nobody waits for anybody.
#[derive(Debug, Default)]
pub struct OutlierState {
    answers: AnswerStreaks,
    local_streak: Streak,
    pub(super) external: Tally,
    pub(super) local: Tally,
    /// The moment when the ejection ends.
    until: AtomicU64,
    /// The moment when the last ejection ended.
    back_since: AtomicU64,
    multiplier: AtomicU32,
    times: AtomicU32,
}

impl OutlierState {
    /// Counts an outcome; says which thresholds were reached just now. Each is said once, to one caller, who should go
    /// on to [`Ejections::eject`](super::Ejections::eject); after that it has to be reached anew.
    ///
    /// A success costs one read and one addition.
    pub fn record(&self, settings: &OutlierDetection, outcome: Outcome) -> Reached {
        match outcome {
            Outcome::Status(status) => self.answer(settings, status),
            Outcome::LocalOrigin(event) if settings.split_external_local_origin_errors => self.local(settings, event),
            Outcome::LocalOrigin(event) => event.status().map_or(NOTHING, |status| self.answer(settings, status)),
        }
    }

    fn answer(&self, settings: &OutlierDetection, status: u16) -> Reached {
        if !(500..600).contains(&status) {
            self.answers.end();
            self.external.success();
            return NOTHING;
        }
        self.external.failure();
        let (any, gateway) = self.answers.failure(
            matches!(status, 502..=504),
            settings.consecutive_5xx,
            settings.consecutive_gateway_failure,
        );
        [gateway.then_some(EjectionCause::GatewayFailure), any.then_some(EjectionCause::Consecutive5xx)]
    }

    fn local(&self, settings: &OutlierDetection, event: LocalOrigin) -> Reached {
        if event.is_success() {
            self.local_streak.end();
            self.local.success();
            return NOTHING;
        }
        self.local.failure();
        let reached = self.local_streak.failure(settings.consecutive_local_origin_failure);
        [reached.then_some(EjectionCause::LocalOriginFailure), None]
    }

    /// Whether it is to get no requests: one read.
    #[must_use]
    pub fn is_ejected(&self) -> bool {
        self.until.load(Relaxed) != 0
    }

    /// When its ejection will be over, if it is ejected. It comes back with the first sweep after that.
    #[must_use]
    pub fn ejected_until(&self) -> Option<Duration> {
        Some(self.until.load(Relaxed)).filter(|until| *until != 0).map(Duration::from_nanos)
    }

    /// How many times [`OutlierDetection::base_ejection_time`] the last ejection was to last, before the bound; each
    /// interval in good health since makes it one less.
    #[must_use]
    pub fn multiplier(&self) -> u32 {
        self.multiplier.load(Relaxed)
    }

    /// How often it was ejected.
    #[must_use]
    pub fn times_ejected(&self) -> u32 {
        self.times.load(Relaxed)
    }

    /// As [`Self::is_ejected`], in one order with the ejections of all endpoints.
    pub(super) fn is_ejected_in_order(&self) -> bool {
        self.until.load(SeqCst) != 0
    }

    /// The multiplier of an ejection now, and how long it would last without jitter.
    pub(super) fn next_ejection(&self, settings: &OutlierDetection) -> (u32, Duration) {
        let (base, max) = (settings.base_ejection_time, settings.longest_ejection());
        let last = self.multiplier();
        // The number stops where it no longer changes the time.
        let grows = base.saturating_mul(last) < max.saturating_add(base);
        let multiplier = if grows { last.saturating_add(1) } else { last };
        (multiplier, base.saturating_mul(multiplier).min(max))
    }

    /// Ejects it; `false`: it is ejected already. To be followed by [`Self::confirm`] or [`Self::withdraw`].
    pub(super) fn try_eject(&self, until: Duration) -> bool {
        self.until.compare_exchange(0, moment(until), SeqCst, Relaxed).is_ok()
    }

    pub(super) fn confirm(&self, multiplier: u32) {
        self.multiplier.store(multiplier, Relaxed);
        self.times.fetch_add(1, Relaxed);
    }

    /// Takes back an ejection of [`Self::try_eject`], unless somebody else has ended it.
    pub(super) fn withdraw(&self, until: Duration) {
        self.until.compare_exchange(moment(until), 0, SeqCst, Relaxed).ok();
    }

    /// Ends an ejection whose time has passed; `false`: there is none.
    pub(super) fn release_due(&self, now: Duration) -> bool {
        self.release(now, |until| until <= moment(now))
    }

    /// Ends an ejection; `false`: there is none.
    pub(super) fn release_now(&self, now: Duration) -> bool {
        self.release(now, |_| true)
    }

    fn release(&self, now: Duration, is_over: impl Fn(u64) -> bool) -> bool {
        let until = self.until.load(Relaxed);
        if until == 0 || !is_over(until) || self.until.compare_exchange(until, 0, SeqCst, Relaxed).is_err() {
            return false;
        }
        self.back_since.store(moment(now), Relaxed);
        // What went on during the ejection says nothing: without this, few new failures would eject it again.
        self.answers.end();
        self.local_streak.end();
        true
    }

    /// Lowers the multiplier if it has been back for an interval.
    pub(super) fn calm(&self, now: Duration, interval: Duration) {
        let back_since = self.back_since.load(Relaxed);
        if back_since == 0 || self.is_ejected() || now.saturating_sub(Duration::from_nanos(back_since)) < interval {
            return;
        }
        let multiplier = self.multiplier();
        if multiplier != 0 {
            self.multiplier.store(multiplier - 1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use EjectionCause::{Consecutive5xx, GatewayFailure, LocalOriginFailure};

    use super::*;

    fn record(settings: &OutlierDetection, outcomes: &[Outcome]) -> Vec<(usize, EjectionCause)> {
        let state = OutlierState::default();
        let reached = |(turn, outcome): (usize, &Outcome)| {
            state.record(settings, *outcome).into_iter().flatten().map(move |cause| (turn, cause)).collect::<Vec<_>>()
        };
        outcomes.iter().enumerate().flat_map(reached).collect()
    }

    fn statuses(statuses: &[u16]) -> Vec<Outcome> {
        statuses.iter().copied().map(Outcome::Status).collect()
    }

    #[test]
    fn five_answers_of_5xx_in_a_row_are_told_once_and_then_anew() {
        let settings = OutlierDetection::default();
        assert_eq!(record(&settings, &statuses(&[500; 4])), []);
        assert_eq!(record(&settings, &statuses(&[500; 11])), [(4, Consecutive5xx), (9, Consecutive5xx)]);
    }

    #[test]
    fn any_other_answer_ends_the_row() {
        let settings = OutlierDetection::default();
        for status in [100, 200, 302, 404, 499, 600] {
            let outcomes = statuses(&[500, 500, 500, 500, status, 500, 500, 500, 500]);
            assert_eq!(record(&settings, &outcomes), [], "{status}");
        }
    }

    #[test]
    fn an_answer_of_503_can_reach_two_thresholds_at_once() {
        let reached = record(&OutlierDetection::default(), &statuses(&[502, 503, 504, 503, 503]));
        assert_eq!(reached, [(4, GatewayFailure), (4, Consecutive5xx)]);
    }

    #[test]
    fn an_answer_of_500_ends_a_row_of_gateway_failures_only() {
        let reached = record(&OutlierDetection::default(), &statuses(&[503, 503, 503, 503, 500, 503]));
        assert_eq!(reached, [(4, Consecutive5xx)]);
    }

    #[test]
    fn without_the_split_local_failures_count_as_gateway_failures() {
        let failures = [LocalOrigin::ConnectFailed, LocalOrigin::Timeout, LocalOrigin::Reset].map(Outcome::LocalOrigin);
        let outcomes: Vec<_> = failures.into_iter().cycle().take(5).collect();
        assert_eq!(record(&OutlierDetection::default(), &outcomes), [(4, GatewayFailure), (4, Consecutive5xx)]);
    }

    #[test]
    fn without_the_split_a_connection_counts_only_if_nothing_follows() {
        let settings = OutlierDetection::default();
        let with = |event| {
            let mut outcomes = statuses(&[503; 4]);
            outcomes.push(Outcome::LocalOrigin(event));
            outcomes.push(Outcome::Status(503));
            record(&settings, &outcomes)
        };
        assert_eq!(with(LocalOrigin::ConnectSuccess), [(5, GatewayFailure), (5, Consecutive5xx)]);
        assert_eq!(with(LocalOrigin::ConnectSuccessFinal), []);
    }

    #[test]
    fn with_the_split_local_failures_are_counted_apart() {
        let settings = OutlierDetection { split_external_local_origin_errors: true, ..OutlierDetection::default() };
        let mut outcomes = Vec::new();
        for _ in 0..4 {
            outcomes.extend([Outcome::Status(500), Outcome::LocalOrigin(LocalOrigin::Timeout)]);
        }
        assert_eq!(record(&settings, &outcomes), []);
        outcomes.extend([Outcome::LocalOrigin(LocalOrigin::Reset), Outcome::Status(500)]);
        assert_eq!(record(&settings, &outcomes), [(8, LocalOriginFailure), (9, Consecutive5xx)]);
        outcomes.insert(8, Outcome::LocalOrigin(LocalOrigin::ConnectSuccess));
        assert_eq!(record(&settings, &outcomes), [(10, Consecutive5xx)]);
    }

    #[test]
    fn each_origin_has_its_own_tally() {
        let split = OutlierDetection { split_external_local_origin_errors: true, ..OutlierDetection::default() };
        let state = OutlierState::default();
        for outcome in [
            Outcome::Status(200),
            Outcome::Status(404),
            Outcome::Status(500),
            Outcome::LocalOrigin(LocalOrigin::ConnectSuccess),
            Outcome::LocalOrigin(LocalOrigin::Timeout),
        ] {
            state.record(&split, outcome);
        }
        assert_eq!((state.external.take(), state.local.take()), ((2, 1), (1, 1)));
    }
}
