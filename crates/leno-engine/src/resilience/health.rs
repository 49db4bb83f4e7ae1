//! Active health checks: whether an endpoint is well, and when to ask again.
//!
//! How to ask (HTTP, gRPC, TCP) is the caller's; here is what follows from the answers
//! ([`envoy.config.core.v3.HealthCheck`]).
//!
//! [`envoy.config.core.v3.HealthCheck`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/core/v3/health_check.proto

use std::time::Duration;

use rand::{Rng, RngExt as _};

/// Settings of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// How long to wait for an answer.
    pub timeout: Duration,
    /// The time between checks of an endpoint that is well.
    pub interval: Duration,
    /// The first check waits for a time from nothing to this.
    pub initial_jitter: Duration,
    /// A time from nothing to this is added to each wait.
    pub interval_jitter: Duration,
    /// A time from nothing to so many percent of the wait is added to each.
    pub interval_jitter_percent: u32,
    /// So many failures in a row make an endpoint unhealthy; 0 counts as 1. See [`CheckResult`] for those that need no
    /// second.
    pub unhealthy_threshold: u32,
    /// So many passed checks in a row make an unhealthy endpoint healthy; 0 counts as 1. The very first check is enough
    /// by itself.
    pub healthy_threshold: u32,
    /// The time between checks while the cluster has never had traffic.
    pub no_traffic_interval: Duration,
    /// The same for an endpoint that is well; `None`: [`Self::no_traffic_interval`].
    pub no_traffic_healthy_interval: Option<Duration>,
    /// The time after a failed check of an unhealthy endpoint; `None`: [`Self::interval`].
    pub unhealthy_interval: Option<Duration>,
    /// The time after a failed check of an endpoint that is still healthy; `None`: as [`Self::unhealthy_interval`].
    pub unhealthy_edge_interval: Option<Duration>,
    /// The time after a passed check of an endpoint that is still unhealthy; `None`: [`Self::interval`].
    pub healthy_edge_interval: Option<Duration>,
}

impl HealthCheck {
    /// With what has to be said, and Envoy's defaults for the rest.
    #[must_use]
    pub fn new(timeout: Duration, interval: Duration, unhealthy_threshold: u32, healthy_threshold: u32) -> Self {
        Self {
            timeout,
            interval,
            initial_jitter: Duration::ZERO,
            interval_jitter: Duration::ZERO,
            interval_jitter_percent: 0,
            unhealthy_threshold,
            healthy_threshold,
            no_traffic_interval: Duration::from_secs(60),
            no_traffic_healthy_interval: None,
            unhealthy_interval: None,
            unhealthy_edge_interval: None,
            healthy_edge_interval: None,
        }
    }
}

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CheckResult {
    /// The answer is that it is well.
    Passed,
    /// The connection failed or broke, or the answer is a status of `retriable_statuses`: enough of them are a failure.
    Failed,
    /// There was no answer in time: counts like [`Self::Failed`].
    TimedOut,
    /// It says itself that it is not well, which needs no second time: any HTTP status that is neither expected nor
    /// retriable (such as 503), a gRPC status other than `SERVING`, or `x-envoy-immediate-health-check-fail` in the
    /// answer to a request.
    Immediate,
}

/// How an endpoint is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Health {
    /// Nothing is known yet: not for requests.
    #[default]
    Pending,
    /// It is well.
    Healthy,
    /// It is not: not for requests.
    Unhealthy,
}

/// What a check has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// The endpoint is healthy now, and was not, or nothing was known.
    Healthy,
    /// The endpoint is unhealthy now, and was not, or nothing was known.
    Unhealthy,
}

/// What the last check says about when to ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Last {
    passed: bool,
    /// It contradicts what the endpoint is held for, and more of its kind would change that.
    is_edge: bool,
}

/// What active checks know of one endpoint. One task checks an endpoint, and keeps it.
#[derive(Clone, Debug, Default)]
pub struct HealthState {
    health: Health,
    passes: u32,
    failures: u32,
    timed_out: bool,
    last: Option<Last>,
}

impl HealthState {
    /// How the endpoint is.
    #[must_use]
    pub fn health(&self) -> Health {
        self.health
    }

    /// Whether it is unhealthy, and did not answer the last check in time (Envoy's `failed_active_hc` with
    /// `active_hc_timeout`).
    #[must_use]
    pub fn timed_out(&self) -> bool {
        self.timed_out
    }

    /// Counts a check; says what it has changed.
    pub fn observe(&mut self, settings: &HealthCheck, result: CheckResult) -> Option<Change> {
        let before = self.health;
        let passed = match result {
            CheckResult::Passed => {
                self.pass(settings);
                true
            }
            CheckResult::Failed | CheckResult::TimedOut => {
                self.fail(settings, false);
                false
            }
            CheckResult::Immediate => {
                self.fail(settings, true);
                false
            }
        };
        let is_unhealthy = self.health == Health::Unhealthy;
        self.timed_out = is_unhealthy && result == CheckResult::TimedOut;
        self.last = Some(Last { passed, is_edge: passed == is_unhealthy });
        match self.health {
            Health::Healthy if before != Health::Healthy => Some(Change::Healthy),
            Health::Unhealthy if before != Health::Unhealthy => Some(Change::Unhealthy),
            Health::Pending | Health::Healthy | Health::Unhealthy => None,
        }
    }

    fn pass(&mut self, settings: &HealthCheck) {
        self.failures = 0;
        self.passes = self.passes.saturating_add(1);
        match self.health {
            // So that a start is fast.
            Health::Pending => self.health = Health::Healthy,
            Health::Unhealthy if self.passes >= settings.healthy_threshold => self.health = Health::Healthy,
            Health::Healthy | Health::Unhealthy => {}
        }
    }

    fn fail(&mut self, settings: &HealthCheck, at_once: bool) {
        self.passes = 0;
        self.failures = self.failures.saturating_add(1);
        match self.health {
            Health::Pending => self.health = Health::Unhealthy,
            Health::Healthy if at_once || self.failures >= settings.unhealthy_threshold => {
                self.health = Health::Unhealthy;
            }
            Health::Healthy | Health::Unhealthy => {}
        }
    }

    /// How long to wait before the next check; before the first, the jitter alone. `has_traffic` says whether the
    /// cluster ever had a connection.
    ///
    /// Except for a first check without jitter it is at least a millisecond, so that checks cannot spin.
    pub fn next(&self, settings: &HealthCheck, has_traffic: bool, random: &mut impl Rng) -> Duration {
        let least = Duration::from_millis(1);
        let Some(last) = self.last else {
            let jitter = settings.initial_jitter;
            return if jitter.is_zero() { Duration::ZERO } else { below(jitter, random).max(least) };
        };
        let base = last.interval(settings, has_traffic);
        let percent = base.saturating_mul(settings.interval_jitter_percent) / 100;
        let jitter = below(percent, random).saturating_add(below(settings.interval_jitter, random));
        base.saturating_add(jitter).max(least)
    }
}

impl Last {
    /// Envoy's choice among its intervals.
    fn interval(self, settings: &HealthCheck, has_traffic: bool) -> Duration {
        let unhealthy = settings.unhealthy_interval.unwrap_or(settings.interval);
        match (has_traffic, self.passed, self.is_edge) {
            (true, true, false) => settings.interval,
            (true, true, true) => settings.healthy_edge_interval.unwrap_or(settings.interval),
            (true, false, false) => unhealthy,
            (true, false, true) => settings.unhealthy_edge_interval.unwrap_or(unhealthy),
            (false, true, false) => settings.no_traffic_healthy_interval.unwrap_or(settings.no_traffic_interval),
            (false, true, true) | (false, false, _) => settings.no_traffic_interval,
        }
    }
}

/// Anything from nothing to less than the bound; nothing if that is nothing.
fn below(bound: Duration, random: &mut impl Rng) -> Duration {
    let bound = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
    if bound == 0 { Duration::ZERO } else { Duration::from_nanos(random.random_range(0..bound)) }
}

#[cfg(test)]
mod tests {
    use CheckResult::{Failed, Immediate, Passed, TimedOut};
    use proptest::prelude::*;
    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Three failures, two passes, and every interval different.
    fn settings() -> HealthCheck {
        HealthCheck {
            no_traffic_healthy_interval: Some(seconds(50)),
            unhealthy_interval: Some(seconds(20)),
            unhealthy_edge_interval: Some(seconds(21)),
            healthy_edge_interval: Some(seconds(11)),
            ..HealthCheck::new(seconds(1), seconds(10), 3, 2)
        }
    }

    fn after(settings: &HealthCheck, results: &[CheckResult]) -> (HealthState, Option<Change>) {
        let mut state = HealthState::default();
        let change = results.iter().fold(None, |_, result| state.observe(settings, *result));
        (state, change)
    }

    fn wait(settings: &HealthCheck, results: &[CheckResult], has_traffic: bool) -> u64 {
        let (state, _) = after(settings, results);
        state.next(settings, has_traffic, &mut StdRng::seed_from_u64(1)).as_secs()
    }

    #[test]
    fn the_first_check_decides_alone() {
        assert_eq!(HealthState::default().health(), Health::Pending);
        assert_eq!(after(&settings(), &[Passed]).1, Some(Change::Healthy));
        for failure in [Failed, TimedOut, Immediate] {
            assert_eq!(after(&settings(), &[failure]).1, Some(Change::Unhealthy), "{failure:?}");
        }
    }

    #[test]
    fn failures_in_a_row_make_an_endpoint_unhealthy() {
        assert_eq!(after(&settings(), &[Passed, Failed, TimedOut]).1, None);
        assert_eq!(after(&settings(), &[Passed, Failed, TimedOut, Failed]).1, Some(Change::Unhealthy));
        assert_eq!(after(&settings(), &[Passed, Failed, Failed, Passed, Failed, Failed]).0.health(), Health::Healthy);
    }

    #[test]
    fn an_endpoint_that_says_it_is_not_well_is_unhealthy_at_once() {
        assert_eq!(after(&settings(), &[Passed, Immediate]).1, Some(Change::Unhealthy));
        assert_eq!(after(&settings(), &[Passed, Immediate, Immediate]).1, None);
    }

    #[test]
    fn passed_checks_in_a_row_make_an_unhealthy_endpoint_healthy() {
        assert_eq!(after(&settings(), &[Failed, Passed]).1, None);
        assert_eq!(after(&settings(), &[Failed, Passed, Passed]).1, Some(Change::Healthy));
        assert_eq!(after(&settings(), &[Failed, Passed, Failed, Passed]).0.health(), Health::Unhealthy);
        assert_eq!(after(&settings(), &[Passed, Immediate, Passed]).0.health(), Health::Unhealthy);
    }

    #[test]
    fn thresholds_of_zero_count_as_one() {
        let settings = HealthCheck::new(seconds(1), seconds(10), 0, 0);
        assert_eq!(after(&settings, &[Passed, Failed]).1, Some(Change::Unhealthy));
        assert_eq!(after(&settings, &[Passed, Failed, Passed]).1, Some(Change::Healthy));
    }

    #[test]
    fn an_unhealthy_endpoint_is_told_to_have_timed_out_by_its_last_check() {
        let timed_out = |results: &[CheckResult]| after(&settings(), results).0.timed_out();
        assert!(!timed_out(&[Passed, TimedOut]));
        assert!(timed_out(&[Passed, TimedOut, TimedOut, TimedOut]));
        assert!(!timed_out(&[TimedOut, Failed]));
        assert!(timed_out(&[Failed, TimedOut]));
        assert!(!timed_out(&[TimedOut, Passed, Passed]));
    }

    #[test]
    fn with_traffic_each_state_has_its_interval() {
        let cases: [(&[CheckResult], u64); 8] = [
            (&[Passed], 10),
            (&[Passed, Passed], 10),
            (&[Passed, Failed], 21),
            (&[Passed, Failed, Failed, Failed], 20),
            (&[Passed, Immediate], 20),
            (&[Failed, Failed], 20),
            (&[Failed, Passed], 11),
            (&[Failed, Passed, Passed], 10),
        ];
        for (results, expected) in cases {
            assert_eq!(wait(&settings(), results, true), expected, "{results:?}");
        }
    }

    #[test]
    fn without_traffic_checks_are_rare() {
        let cases: [(&[CheckResult], u64); 5] = [
            (&[Passed], 50),
            (&[Passed, Failed], 60),
            (&[Failed], 60),
            (&[Failed, Passed], 60),
            (&[Failed, Passed, Passed], 50),
        ];
        for (results, expected) in cases {
            assert_eq!(wait(&settings(), results, false), expected, "{results:?}");
        }
    }

    #[test]
    fn intervals_that_are_not_given_follow_the_others() {
        let plain = HealthCheck::new(seconds(1), seconds(10), 3, 2);
        for results in [&[Passed][..], &[Passed, Failed], &[Failed], &[Failed, Passed]] {
            assert_eq!(wait(&plain, results, true), 10, "{results:?}");
            assert_eq!(wait(&plain, results, false), 60, "{results:?}");
        }
        let unhealthy = HealthCheck { unhealthy_interval: Some(seconds(20)), ..plain };
        assert_eq!(wait(&unhealthy, &[Passed, Failed], true), 20);
        assert_eq!(wait(&unhealthy, &[Failed, Passed], true), 10);
    }

    #[test]
    fn the_first_check_waits_for_its_jitter_alone() {
        let mut random = StdRng::seed_from_u64(1);
        let state = HealthState::default();
        assert_eq!(state.next(&settings(), true, &mut random), Duration::ZERO);
        let jittered = HealthCheck { initial_jitter: seconds(5), interval_jitter: seconds(100), ..settings() };
        let waits: Vec<_> = (0..200).map(|_| state.next(&jittered, false, &mut random)).collect();
        assert!(waits.iter().all(|wait| *wait < seconds(5)) && waits.iter().any(|wait| *wait > seconds(4)));
    }

    #[test]
    fn both_jitters_are_added_to_the_interval() {
        let mut random = StdRng::seed_from_u64(1);
        let jittered = HealthCheck { interval_jitter: seconds(2), interval_jitter_percent: 50, ..settings() };
        let (state, _) = after(&jittered, &[Passed]);
        let waits: Vec<_> = (0..500).map(|_| state.next(&jittered, true, &mut random)).collect();
        assert!(waits.iter().all(|wait| (seconds(10)..seconds(17)).contains(wait)));
        assert!(waits.iter().any(|wait| *wait < seconds(11)) && waits.iter().any(|wait| *wait > seconds(16)));
    }

    #[test]
    fn checks_cannot_spin() {
        let settings = HealthCheck::new(seconds(1), Duration::ZERO, 1, 1);
        let (state, _) = after(&settings, &[Passed]);
        let wait = state.next(&settings, true, &mut StdRng::seed_from_u64(1));
        assert_eq!(wait, Duration::from_millis(1));
    }

    proptest! {
        #[test]
        fn what_is_told_is_every_change_of_health(
            results in prop::collection::vec(prop::sample::select(vec![Passed, Failed, TimedOut, Immediate]), 1..60),
            unhealthy_threshold in 0u32..5,
            healthy_threshold in 0u32..5,
            has_traffic in any::<bool>(),
        ) {
            let settings = HealthCheck::new(seconds(1), seconds(1), unhealthy_threshold, healthy_threshold);
            let (mut state, mut random) = (HealthState::default(), StdRng::seed_from_u64(1));
            let mut told = Health::Pending;
            for result in results {
                match state.observe(&settings, result) {
                    Some(Change::Healthy) => told = Health::Healthy,
                    Some(Change::Unhealthy) => told = Health::Unhealthy,
                    None => {}
                }
                prop_assert_eq!(state.health(), told);
                prop_assert!(state.next(&settings, has_traffic, &mut random) >= seconds(1));
            }
        }
    }
}
