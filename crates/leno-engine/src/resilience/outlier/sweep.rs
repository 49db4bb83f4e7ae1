//! The work of each interval.

use std::time::Duration;

use rand::Rng;

use super::{
    EjectionCause, Ejections, Verdict, Watched,
    statistics::{Origin, Rate, outliers},
};

/// An outlier that a sweep has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detected {
    /// Which endpoint: its place in the list.
    pub host: usize,
    /// Why.
    pub cause: EjectionCause,
    /// What was done about it.
    pub verdict: Verdict,
}

/// What a sweep has done, for logs and metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sweep {
    /// Endpoints whose ejection is over: their places in the list.
    pub returned: Vec<usize>,
    /// Outliers that were found.
    pub detected: Vec<Detected>,
}

impl<T: Watched> Ejections<'_, T> {
    /// The work of an interval: lets those back in whose time has passed, compares how the others did in the interval,
    /// and begins the next. One worker calls it every [`interval`](super::OutlierDetection::interval).
    ///
    /// The steps are in Envoy's order: an endpoint that comes back is compared with the others at once.
    pub fn sweep(&self, now: Duration, random: &mut impl Rng) -> Sweep {
        let states = || self.hosts.iter().map(Watched::outlier).enumerate();
        let returned = states().filter(|(_, state)| state.release_due(now)).map(|(host, _)| host).collect();
        let mut sweep = Sweep { returned, detected: Vec::new() };
        for origin in [Origin::External, Origin::Local] {
            let rates = self.take_rates(origin);
            for (host, cause) in outliers(self.settings, origin, &rates) {
                let verdict = self.hosts.get(host).map(|found| self.eject(found.outlier(), cause, now, random));
                // What the first comparison has ejected is no news to the second.
                let verdict = verdict.filter(|verdict| *verdict != Verdict::AlreadyEjected);
                sweep.detected.extend(verdict.map(|verdict| Detected { host, cause, verdict }));
            }
        }
        states().for_each(|(_, state)| state.calm(now, self.settings.interval));
        sweep
    }

    /// How the endpoints did since the last time; ejected ones are left out, and begin anew all the same.
    fn take_rates(&self, origin: Origin) -> Vec<Rate> {
        let rate = |(host, watched): (usize, &T)| {
            let state = watched.outlier();
            let tally = match origin {
                Origin::External => state.external.take(),
                Origin::Local => state.local.take(),
            };
            if state.is_ejected() { None } else { Rate::new(host, tally) }
        };
        self.hosts.iter().enumerate().filter_map(rate).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;
    use crate::resilience::outlier::{LocalOrigin, Outcome, OutlierDetection, OutlierState};

    fn hosts(count: usize) -> Vec<OutlierState> {
        (0..count).map(|_| OutlierState::default()).collect()
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn random() -> StdRng {
        StdRng::seed_from_u64(1)
    }

    fn answer(host: &OutlierState, status: u16, times: u32) {
        for _ in 0..times {
            host.record(&OutlierDetection::default(), Outcome::Status(status));
        }
    }

    #[test]
    fn an_endpoint_comes_back_with_the_first_sweep_after_its_time() {
        let (settings, hosts) = (OutlierDetection::default(), hosts(10));
        let ejections = Ejections::new(&settings, &hosts);
        let verdict = ejections.eject(&hosts[3], EjectionCause::Consecutive5xx, seconds(5), &mut random());
        assert_eq!(verdict, Verdict::Ejected(seconds(30)));
        for now in [10, 20, 30, 34] {
            assert_eq!(ejections.sweep(seconds(now), &mut random()), Sweep::default());
            assert!(hosts[3].is_ejected());
        }
        assert_eq!(ejections.sweep(seconds(35), &mut random()).returned, [3]);
        assert!(!hosts[3].is_ejected());
        assert!(ejections.sweep(seconds(45), &mut random()).returned.is_empty());
    }

    #[test]
    fn who_comes_back_begins_its_rows_anew() {
        let (settings, hosts) = (OutlierDetection::default(), hosts(10));
        let ejections = Ejections::new(&settings, &hosts);
        ejections.eject(&hosts[0], EjectionCause::Consecutive5xx, seconds(0), &mut random());
        answer(&hosts[0], 503, 4);
        ejections.sweep(seconds(30), &mut random());
        let mut reached = (0..4).map(|_| hosts[0].record(&settings, Outcome::Status(503)));
        assert!(reached.all(|reached| reached == [None, None]));
        assert_ne!(hosts[0].record(&settings, Outcome::Status(503)), [None, None]);
    }

    #[test]
    fn each_interval_in_good_health_takes_one_from_the_multiplier() {
        let (settings, hosts) = (OutlierDetection::default(), hosts(10));
        let ejections = Ejections::new(&settings, &hosts);
        let eject = |now| ejections.eject(&hosts[0], EjectionCause::Consecutive5xx, seconds(now), &mut random());
        assert_eq!(eject(0), Verdict::Ejected(seconds(30)));
        ejections.sweep(seconds(30), &mut random());
        assert_eq!(eject(31), Verdict::Ejected(seconds(60)));
        ejections.sweep(seconds(91), &mut random());
        let after = |now| {
            ejections.sweep(seconds(now), &mut random());
            hosts[0].multiplier()
        };
        assert_eq!([after(95), after(101), after(111), after(121)], [2, 1, 0, 0]);
        assert_eq!(eject(122), Verdict::Ejected(seconds(30)));
        assert_eq!(after(132), 1, "it does not become less during an ejection");
    }

    #[test]
    fn an_endpoint_with_a_low_success_rate_is_ejected() {
        let (settings, hosts) = (OutlierDetection::default(), hosts(10));
        let ejections = Ejections::new(&settings, &hosts);
        hosts.iter().for_each(|host| answer(host, 200, 60));
        hosts.iter().skip(1).for_each(|host| answer(host, 200, 40));
        // Not in a row.
        (0..20).for_each(|_| [500, 200].into_iter().for_each(|status| answer(&hosts[0], status, 1)));
        let sweep = ejections.sweep(seconds(10), &mut random());
        let verdict = Verdict::Ejected(seconds(30));
        assert_eq!(sweep.detected, [Detected { host: 0, cause: EjectionCause::SuccessRate, verdict }]);
        assert!(hosts[0].is_ejected());
    }

    #[test]
    fn the_next_interval_knows_nothing_of_the_last() {
        let (settings, hosts) = (OutlierDetection::default(), hosts(10));
        let ejections = Ejections::new(&settings, &hosts);
        hosts.iter().skip(1).for_each(|host| answer(host, 200, 100));
        answer(&hosts[0], 500, 49);
        assert_eq!(ejections.sweep(seconds(10), &mut random()), Sweep::default());
        hosts.iter().for_each(|host| answer(host, 200, 99));
        assert_eq!(ejections.sweep(seconds(20), &mut random()), Sweep::default());
    }

    #[test]
    fn a_failure_percentage_is_reported_and_ejects_only_when_enforced() {
        let mut settings = OutlierDetection { success_rate_minimum_hosts: 100, ..OutlierDetection::default() };
        for (percent, verdict) in [(0, Verdict::NotEnforced), (100, Verdict::Ejected(seconds(30)))] {
            let hosts = hosts(10);
            settings.enforcing_failure_percentage = percent;
            hosts.iter().skip(1).for_each(|host| answer(host, 200, 50));
            answer(&hosts[0], 500, 50);
            let sweep = Ejections::new(&settings, &hosts).sweep(seconds(10), &mut random());
            assert_eq!(sweep.detected, [Detected { host: 0, cause: EjectionCause::FailurePercentage, verdict }]);
        }
    }

    #[test]
    fn an_endpoint_is_ejected_for_one_cause() {
        let settings = OutlierDetection { enforcing_failure_percentage: 100, ..OutlierDetection::default() };
        let hosts = hosts(10);
        hosts.iter().skip(1).for_each(|host| answer(host, 200, 100));
        answer(&hosts[0], 500, 100);
        let sweep = Ejections::new(&settings, &hosts).sweep(seconds(10), &mut random());
        let causes: Vec<_> = sweep.detected.iter().map(|detected| detected.cause).collect();
        assert_eq!(causes, [EjectionCause::SuccessRate]);
        assert_eq!(hosts[0].times_ejected(), 1);
    }

    #[test]
    fn with_the_split_what_is_of_local_origin_is_compared_apart() {
        let settings = OutlierDetection { split_external_local_origin_errors: true, ..OutlierDetection::default() };
        let hosts = hosts(10);
        for (number, host) in hosts.iter().enumerate() {
            let event = if number == 0 { LocalOrigin::ConnectFailed } else { LocalOrigin::ConnectSuccess };
            for _ in 0..100 {
                host.record(&settings, Outcome::Status(200));
                host.record(&settings, Outcome::LocalOrigin(event));
            }
        }
        let sweep = Ejections::new(&settings, &hosts).sweep(seconds(10), &mut random());
        let causes: Vec<_> = sweep.detected.iter().map(|detected| (detected.host, detected.cause)).collect();
        assert_eq!(causes, [(0, EjectionCause::SuccessRateLocalOrigin)]);
    }

    fn outcome() -> impl Strategy<Value = Outcome> {
        prop_oneof![
            3 => Just(Outcome::Status(503)),
            2 => Just(Outcome::Status(500)),
            2 => Just(Outcome::Status(200)),
            1 => any::<u16>().prop_map(Outcome::Status),
            1 => Just(Outcome::LocalOrigin(LocalOrigin::ConnectSuccess)),
            1 => Just(Outcome::LocalOrigin(LocalOrigin::ConnectSuccessFinal)),
            2 => Just(Outcome::LocalOrigin(LocalOrigin::ConnectFailed)),
            2 => Just(Outcome::LocalOrigin(LocalOrigin::Timeout)),
            2 => Just(Outcome::LocalOrigin(LocalOrigin::Reset)),
        ]
    }

    prop_compose! {
        /// Low thresholds, so that much happens.
        fn settings()(
            thresholds in prop::array::uniform3(0u32..4),
            minimums in prop::array::uniform4(0u32..6),
            enforcing in prop::array::uniform7(0u32..120),
            percents in prop::array::uniform2(0u32..120),
            times in prop::array::uniform3(0u64..100),
            max_ejection_time in prop::option::of(any::<u64>()),
            switches in any::<[bool; 2]>(),
            success_rate_stdev_factor in 0u32..3000,
        ) -> OutlierDetection {
            OutlierDetection {
                consecutive_5xx: thresholds[0],
                consecutive_gateway_failure: thresholds[1],
                consecutive_local_origin_failure: thresholds[2],
                success_rate_minimum_hosts: minimums[0],
                success_rate_request_volume: minimums[1],
                failure_percentage_minimum_hosts: minimums[2],
                failure_percentage_request_volume: minimums[3],
                enforcing_consecutive_5xx: enforcing[0],
                enforcing_success_rate: enforcing[1],
                enforcing_consecutive_gateway_failure: enforcing[2],
                enforcing_consecutive_local_origin_failure: enforcing[3],
                enforcing_local_origin_success_rate: enforcing[4],
                enforcing_failure_percentage: enforcing[5],
                enforcing_failure_percentage_local_origin: enforcing[6],
                max_ejection_percent: percents[0],
                failure_percentage_threshold: percents[1],
                interval: Duration::from_secs(times[0]),
                base_ejection_time: Duration::from_secs(times[1]),
                max_ejection_time_jitter: Duration::from_secs(times[2]),
                max_ejection_time: max_ejection_time.map(Duration::from_nanos),
                always_eject_one_host: switches[0],
                split_external_local_origin_errors: switches[1],
                success_rate_stdev_factor,
                successful_active_health_check_uneject_host: true,
            }
        }
    }

    proptest! {
        #[test]
        fn never_more_are_ejected_than_may_be_and_all_of_them_come_back(
            settings in settings(),
            count in 1usize..12,
            steps in prop::collection::vec((any::<prop::sample::Index>(), outcome(), 0u64..8), 0..300),
            seed in any::<u64>(),
        ) {
            let (hosts, mut random) = (hosts(count), StdRng::seed_from_u64(seed));
            let ejections = Ejections::new(&settings, &hosts);
            let mut now = Duration::ZERO;
            for (index, outcome, wait) in steps {
                now += Duration::from_secs(wait);
                let host = index.get(&hosts);
                for cause in host.record(&settings, outcome).into_iter().flatten() {
                    ejections.eject(host, cause, now, &mut random);
                }
                if wait == 7 {
                    let sweep = ejections.sweep(now, &mut random);
                    prop_assert!(sweep.returned.len() <= count);
                }
                prop_assert!(settings.allows(ejections.ejected(), count), "{} of {count}", ejections.ejected());
            }
            // Who is ejected comes back as soon as it is told, and no sooner.
            while let Some(until) = hosts.iter().filter_map(OutlierState::ejected_until).min() {
                let untils = || hosts.iter().filter_map(OutlierState::ejected_until);
                let due = |now| untils().filter(|until| *until <= now).count();
                if until > now {
                    let early = until - Duration::from_nanos(1);
                    prop_assert_eq!(ejections.sweep(early.max(now), &mut random).returned.len(), due(early.max(now)));
                }
                now = now.max(until);
                let expected = due(now);
                prop_assert_eq!(ejections.sweep(now, &mut random).returned.len(), expected);
            }
        }
    }
}
