//! Who may be ejected.

use std::{sync::Arc, time::Duration};

use rand::{Rng, RngExt as _};

use super::{EjectionCause, OutlierDetection, OutlierState};

/// What has an [`OutlierState`]: an endpoint.
pub trait Watched {
    /// Its state.
    fn outlier(&self) -> &OutlierState;
}

impl Watched for OutlierState {
    fn outlier(&self) -> &OutlierState {
        self
    }
}

impl<T: Watched> Watched for Arc<T> {
    fn outlier(&self) -> &OutlierState {
        T::outlier(self)
    }
}

impl<T: Watched> Watched for &T {
    fn outlier(&self) -> &OutlierState {
        T::outlier(self)
    }
}

/// What was done about an outlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It is ejected for this long.
    Ejected(Duration),
    /// It is left in place: chance, or a setting of 0, says that it is only reported.
    NotEnforced,
    /// It is left in place: as many endpoints are ejected as may be.
    Overflow,
    /// It was ejected before. Envoy does not report such.
    AlreadyEjected,
    /// It is not, or no longer, one of the cluster's endpoints.
    Gone,
}

/// The ejections of a cluster: made from what is at hand, for one decision.
///
/// Nothing is kept beside the endpoints' states, so that endpoints may come and go.
#[derive(Debug)]
pub struct Ejections<'a, T> {
    pub(super) settings: &'a OutlierDetection,
    pub(super) hosts: &'a [T],
}

impl<'a, T: Watched> Ejections<'a, T> {
    /// Of the cluster with these settings and endpoints: all of them, of every priority and in whatever health.
    #[must_use]
    pub fn new(settings: &'a OutlierDetection, hosts: &'a [T]) -> Self {
        Self { settings, hosts }
    }

    /// Ejects an outlier, if that is allowed. For what [`OutlierState::record`] says; several workers may call it at
    /// the same time.
    pub fn eject(&self, state: &OutlierState, cause: EjectionCause, now: Duration, random: &mut impl Rng) -> Verdict {
        if state.is_ejected() {
            return Verdict::AlreadyEjected;
        }
        if !self.hosts.iter().any(|host| std::ptr::eq(host.outlier(), state)) {
            return Verdict::Gone;
        }
        if !self.settings.allows_another(self.ejected(), self.hosts.len()) {
            return Verdict::Overflow;
        }
        if random.random_range(0..100) >= cause.enforcing(self.settings) {
            return Verdict::NotEnforced;
        }
        let (multiplier, bare) = state.next_ejection(self.settings);
        let time = bare.saturating_add(up_to(self.settings.max_ejection_time_jitter, random));
        let until = now.saturating_add(time);
        if !state.try_eject(until) {
            return Verdict::AlreadyEjected;
        }
        // Another worker may have ejected another endpoint since they were counted. Of two that do so, one at least
        // sees both, and takes its own back; if both do, the next failures bring them here again.
        if !self.settings.allows(self.ejected(), self.hosts.len()) {
            state.withdraw(until);
            return Verdict::Overflow;
        }
        state.confirm(multiplier);
        Verdict::Ejected(time)
    }

    /// An endpoint has passed an active health check: says whether that has ended an ejection.
    pub fn passed_health_check(&self, state: &OutlierState, now: Duration) -> bool {
        self.settings.successful_active_health_check_uneject_host && state.release_now(now)
    }

    /// How many endpoints are ejected.
    #[must_use]
    pub fn ejected(&self) -> usize {
        self.hosts.iter().filter(|host| host.outlier().is_ejected_in_order()).count()
    }
}

/// Anything from nothing to the bound.
fn up_to(bound: Duration, random: &mut impl Rng) -> Duration {
    let bound = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(random.random_range(0..=bound))
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;

    const CAUSE: EjectionCause = EjectionCause::Consecutive5xx;

    fn hosts(count: usize) -> Vec<OutlierState> {
        (0..count).map(|_| OutlierState::default()).collect()
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn no_more_are_ejected_than_the_share_that_may_be() {
        let (settings, hosts, mut random) = (OutlierDetection::default(), hosts(20), StdRng::seed_from_u64(1));
        let ejections = Ejections::new(&settings, &hosts);
        let verdicts: Vec<_> =
            hosts.iter().map(|host| ejections.eject(host, CAUSE, Duration::ZERO, &mut random)).collect();
        assert_eq!(verdicts[..2], [Verdict::Ejected(seconds(30)); 2]);
        assert_eq!(verdicts[2..], [Verdict::Overflow; 18]);
        assert_eq!(ejections.ejected(), 2);
    }

    #[test]
    fn of_few_endpoints_one_is_ejected_only_if_the_settings_say_so() {
        let (settings, hosts, mut random) = (OutlierDetection::default(), hosts(3), StdRng::seed_from_u64(1));
        let verdict = Ejections::new(&settings, &hosts).eject(&hosts[0], CAUSE, Duration::ZERO, &mut random);
        assert_eq!(verdict, Verdict::Overflow);
        let settings = OutlierDetection { always_eject_one_host: true, ..settings };
        let ejections = Ejections::new(&settings, &hosts);
        assert_eq!(ejections.eject(&hosts[0], CAUSE, Duration::ZERO, &mut random), Verdict::Ejected(seconds(30)));
        assert_eq!(ejections.eject(&hosts[1], CAUSE, Duration::ZERO, &mut random), Verdict::Overflow);
    }

    #[test]
    fn an_endpoint_is_ejected_once_and_only_while_it_is_the_clusters() {
        let (settings, hosts, mut random) = (OutlierDetection::default(), hosts(20), StdRng::seed_from_u64(1));
        let ejections = Ejections::new(&settings, &hosts);
        ejections.eject(&hosts[0], CAUSE, Duration::ZERO, &mut random);
        assert_eq!(ejections.eject(&hosts[0], CAUSE, Duration::ZERO, &mut random), Verdict::AlreadyEjected);
        let removed = OutlierState::default();
        assert_eq!(ejections.eject(&removed, CAUSE, Duration::ZERO, &mut random), Verdict::Gone);
        assert!(!removed.is_ejected());
    }

    #[test]
    fn the_enforcing_percentage_is_a_chance() {
        let hosts = hosts(1000);
        let mut random = StdRng::seed_from_u64(1);
        for (percent, expected) in [(0, 0..=0), (30, 250..=350), (100, 1000..=1000), (900, 1000..=1000)] {
            let settings = OutlierDetection {
                enforcing_consecutive_5xx: percent,
                max_ejection_percent: 100,
                ..OutlierDetection::default()
            };
            let ejections = Ejections::new(&settings, &hosts);
            let verdicts = hosts.iter().map(|host| ejections.eject(host, CAUSE, Duration::ZERO, &mut random));
            let ejected = verdicts.filter(|verdict| *verdict != Verdict::NotEnforced).count();
            assert!(expected.contains(&ejected), "{percent}: {ejected}");
            for host in &hosts {
                ejections.passed_health_check(host, seconds(1));
            }
        }
    }

    #[test]
    fn each_ejection_is_longer_than_the_last_up_to_the_bound() {
        let settings = OutlierDetection {
            max_ejection_percent: 100,
            max_ejection_time: Some(seconds(100)),
            ..OutlierDetection::default()
        };
        let (hosts, mut random) = (hosts(1), StdRng::seed_from_u64(1));
        let ejections = Ejections::new(&settings, &hosts);
        for expected in [30, 60, 90, 100, 100, 100] {
            let verdict = ejections.eject(&hosts[0], CAUSE, seconds(5), &mut random);
            assert_eq!(verdict, Verdict::Ejected(seconds(expected)));
            assert_eq!(hosts[0].ejected_until(), Some(seconds(5 + expected)));
            assert!(ejections.passed_health_check(&hosts[0], seconds(6)));
        }
        // 5 * 30 s are more than 100 s + 30 s: it grows no further.
        assert_eq!((hosts[0].multiplier(), hosts[0].times_ejected()), (5, 6));
    }

    #[test]
    fn the_jitter_comes_on_top_of_the_bound() {
        let settings = OutlierDetection {
            max_ejection_percent: 100,
            max_ejection_time: Some(seconds(30)),
            max_ejection_time_jitter: seconds(10),
            ..OutlierDetection::default()
        };
        let (hosts, mut random) = (hosts(200), StdRng::seed_from_u64(1));
        let ejections = Ejections::new(&settings, &hosts);
        for host in &hosts {
            ejections.eject(host, CAUSE, Duration::ZERO, &mut random);
        }
        let untils: Vec<_> = hosts.iter().filter_map(OutlierState::ejected_until).collect();
        assert!(untils.iter().all(|until| (seconds(30)..=seconds(40)).contains(until)));
        assert!(untils.iter().any(|until| *until < seconds(32)) && untils.iter().any(|until| *until > seconds(38)));
    }

    #[test]
    fn a_passed_health_check_ends_an_ejection_unless_the_settings_say_otherwise() {
        let settings = OutlierDetection { max_ejection_percent: 100, ..OutlierDetection::default() };
        let (hosts, mut random) = (hosts(1), StdRng::seed_from_u64(1));
        Ejections::new(&settings, &hosts).eject(&hosts[0], CAUSE, Duration::ZERO, &mut random);
        let deaf = OutlierDetection { successful_active_health_check_uneject_host: false, ..settings.clone() };
        assert!(!Ejections::new(&deaf, &hosts).passed_health_check(&hosts[0], seconds(1)));
        assert!(hosts[0].is_ejected());
        assert!(Ejections::new(&settings, &hosts).passed_health_check(&hosts[0], seconds(1)));
        assert!(!hosts[0].is_ejected());
        assert!(!Ejections::new(&settings, &hosts).passed_health_check(&hosts[0], seconds(2)));
    }

    /// Tries to eject each endpoint once; how many it has.
    fn eject_all(ejections: &Ejections<'_, OutlierState>, first: usize, seed: u64) -> usize {
        let mut random = StdRng::seed_from_u64(seed);
        let turns = ejections.hosts.iter().cycle().skip(first).take(ejections.hosts.len());
        let verdicts = turns.map(|host| ejections.eject(host, CAUSE, Duration::ZERO, &mut random));
        verdicts.filter(|verdict| matches!(verdict, Verdict::Ejected(_))).count()
    }

    #[test]
    fn several_workers_together_eject_no_more_than_the_share_that_may_be() {
        let settings = OutlierDetection { max_ejection_percent: 30, ..OutlierDetection::default() };
        for seed in 0..50 {
            let hosts = hosts(10);
            let ejections = Ejections::new(&settings, &hosts);
            let worker = |first| {
                let ejections = &ejections;
                move || eject_all(ejections, first, seed)
            };
            let sum: usize = std::thread::scope(|scope| {
                [0, 3, 6].map(|first| scope.spawn(worker(first))).map(|worker| worker.join().unwrap()).into_iter().sum()
            });
            assert!(sum <= 3, "{sum}");
            assert_eq!(ejections.ejected(), sum);
        }
    }
}
