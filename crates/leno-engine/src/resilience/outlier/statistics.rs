//! Outliers that show only beside the others: how often each endpoint succeeded in an interval.

use super::{EjectionCause, OutlierDetection};

/// Which of an endpoint's tallies is compared.
#[derive(Clone, Copy)]
pub(super) enum Origin {
    External,
    Local,
}

impl Origin {
    fn success_rate(self) -> EjectionCause {
        match self {
            Self::External => EjectionCause::SuccessRate,
            Self::Local => EjectionCause::SuccessRateLocalOrigin,
        }
    }

    fn failure_percentage(self) -> EjectionCause {
        match self {
            Self::External => EjectionCause::FailurePercentage,
            Self::Local => EjectionCause::FailurePercentageLocalOrigin,
        }
    }
}

/// What an endpoint has done in an interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rate {
    /// Which endpoint: its place in the list.
    pub(super) host: usize,
    /// Requests.
    volume: u32,
    /// Percent of them that succeeded.
    success: f64,
}

impl Rate {
    /// `None`: nothing was done.
    pub(super) fn new(host: usize, (successes, failures): (u32, u32)) -> Option<Self> {
        let volume = successes.saturating_add(failures);
        (volume != 0).then(|| Self { host, volume, success: f64::from(successes) * 100.0 / f64::from(volume) })
    }
}

/// The outliers among endpoints, of which `rates` leaves out those that are ejected; those by success rate first.
pub(super) fn outliers(
    settings: &OutlierDetection,
    origin: Origin,
    rates: &[Rate],
) -> impl Iterator<Item = (usize, EjectionCause)> {
    let (low, least) = low_success(settings, rates);
    let by_rate =
        low.into_iter().filter(move |rate| rate.success < least).map(move |rate| (rate, origin.success_rate()));
    let most = f64::from(settings.failure_percentage_threshold);
    let by_percentage =
        enough(rates, settings.failure_percentage_request_volume, settings.failure_percentage_minimum_hosts)
            .into_iter()
            .filter(move |rate| 100.0 - rate.success >= most)
            .map(move |rate| (rate, origin.failure_percentage()));
    by_rate.chain(by_percentage).map(|(rate, cause)| (rate.host, cause))
}

/// Endpoints whose success rates are compared, and the rate below which they are outliers.
fn low_success(settings: &OutlierDetection, rates: &[Rate]) -> (Vec<Rate>, f64) {
    let compared = enough(rates, settings.success_rate_request_volume, settings.success_rate_minimum_hosts);
    let mean = mean(compared.iter().map(|rate| rate.success));
    let variance = self::mean(compared.iter().map(|rate| (rate.success - mean).powi(2)));
    let factor = f64::from(settings.success_rate_stdev_factor) / 1000.0;
    (compared, mean - factor * variance.sqrt())
}

/// Those with enough requests; none when they are too few to compare.
fn enough(rates: &[Rate], volume: u32, minimum: u32) -> Vec<Rate> {
    let compared: Vec<_> = rates.iter().copied().filter(|rate| rate.volume >= volume).collect();
    if compared.len() < usize::try_from(minimum).unwrap_or(usize::MAX) { Vec::new() } else { compared }
}

/// Not a number when there are none: nothing is below that.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(tallies: &[(u32, u32)]) -> Vec<Rate> {
        tallies.iter().enumerate().filter_map(|(host, tally)| Rate::new(host, *tally)).collect()
    }

    fn found(settings: &OutlierDetection, tallies: &[(u32, u32)]) -> Vec<(usize, EjectionCause)> {
        outliers(settings, Origin::External, &rates(tallies)).collect()
    }

    #[test]
    fn a_success_rate_below_the_mean_by_a_multiple_of_the_deviation_is_an_outlier() {
        // Mean 90, deviation 20: 90 - 1.9 * 20 = 52.
        let (_, least) =
            low_success(&OutlierDetection::default(), &rates(&[(50, 50), (100, 0), (100, 0), (100, 0), (100, 0)]));
        assert!((least - 52.0).abs() < 1e-9, "{least}");
        let tallies = [(50, 50), (100, 0), (100, 0), (100, 0), (100, 0)];
        assert_eq!(found(&OutlierDetection::default(), &tallies), [(0, EjectionCause::SuccessRate)]);
        let lenient = OutlierDetection { success_rate_stdev_factor: 2100, ..OutlierDetection::default() };
        assert_eq!(found(&lenient, &tallies), []);
    }

    #[test]
    fn endpoints_that_are_all_alike_are_no_outliers() {
        assert_eq!(found(&OutlierDetection::default(), &[(100, 0); 8]), []);
        assert_eq!(found(&OutlierDetection::default(), &[(30, 70); 8]), []);
    }

    #[test]
    fn success_rates_are_compared_only_of_enough_endpoints_with_enough_requests() {
        let settings = OutlierDetection::default();
        assert_eq!(found(&settings, &[(50, 50), (100, 0), (100, 0), (100, 0)]), []);
        assert_eq!(found(&settings, &[(50, 50), (100, 0), (100, 0), (100, 0), (99, 0)]), []);
        assert_eq!(found(&settings, &[(49, 50), (100, 0), (100, 0), (100, 0), (100, 0), (100, 0)]), []);
    }

    #[test]
    fn a_share_of_failures_that_reaches_the_threshold_is_an_outlier_whatever_the_others_do() {
        let settings = OutlierDetection { success_rate_minimum_hosts: 100, ..OutlierDetection::default() };
        let tallies = [(9, 51), (10, 50), (0, 60), (8, 41), (60, 0)];
        let cause = EjectionCause::FailurePercentage;
        assert_eq!(found(&settings, &tallies), [], "the fourth has too few requests, so that the others are too few");
        let tallies = [(9, 51), (10, 50), (0, 60), (60, 0), (60, 0)];
        assert_eq!(found(&settings, &tallies), [(0, cause), (2, cause)]);
    }

    #[test]
    fn each_origin_has_its_own_causes() {
        let settings = OutlierDetection::default();
        let tallies = [(0, 100), (100, 0), (100, 0), (100, 0), (100, 0)];
        let local: Vec<_> = outliers(&settings, Origin::Local, &rates(&tallies)).collect();
        let causes = [EjectionCause::SuccessRateLocalOrigin, EjectionCause::FailurePercentageLocalOrigin];
        assert_eq!(local, causes.map(|cause| (0, cause)));
    }

    #[test]
    fn nothing_is_compared_when_nothing_was_done() {
        let none = OutlierDetection {
            success_rate_minimum_hosts: 0,
            failure_percentage_minimum_hosts: 0,
            ..OutlierDetection::default()
        };
        assert_eq!(found(&none, &[(0, 0); 5]), []);
        assert_eq!(found(&none, &[]), []);
    }
}
