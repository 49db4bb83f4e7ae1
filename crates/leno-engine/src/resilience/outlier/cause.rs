//! Why an endpoint is an outlier.

use super::OutlierDetection;

/// Why an endpoint is an outlier ([ejection algorithm types]).
///
/// [ejection algorithm types]: https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/outlier#detection-types
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EjectionCause {
    /// Too many answers of 5xx in a row.
    Consecutive5xx,
    /// Too many answers of 502, 503 or 504 in a row.
    GatewayFailure,
    /// Its share of successful answers is much lower than that of the others.
    SuccessRate,
    /// Its share of failed answers is too high.
    FailurePercentage,
    /// Too many failures of local origin in a row.
    LocalOriginFailure,
    /// Its share of successes of local origin is much lower than that of the others.
    SuccessRateLocalOrigin,
    /// Its share of failures of local origin is too high.
    FailurePercentageLocalOrigin,
}

impl EjectionCause {
    /// Every one of them.
    pub const ALL: [Self; 7] = [
        Self::Consecutive5xx,
        Self::GatewayFailure,
        Self::SuccessRate,
        Self::FailurePercentage,
        Self::LocalOriginFailure,
        Self::SuccessRateLocalOrigin,
        Self::FailurePercentageLocalOrigin,
    ];

    /// Its name in logs and metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Consecutive5xx => "5xx",
            Self::GatewayFailure => "GatewayFailure",
            Self::SuccessRate => "SuccessRate",
            Self::FailurePercentage => "FailurePercentage",
            Self::LocalOriginFailure => "LocalOriginFailure",
            Self::SuccessRateLocalOrigin => "SuccessRateLocalOrigin",
            Self::FailurePercentageLocalOrigin => "FailurePercentageLocalOrigin",
        }
    }

    /// The chance that an endpoint is ejected for it, in percent.
    #[must_use]
    pub fn enforcing(self, settings: &OutlierDetection) -> u32 {
        match self {
            Self::Consecutive5xx => settings.enforcing_consecutive_5xx,
            Self::GatewayFailure => settings.enforcing_consecutive_gateway_failure,
            Self::SuccessRate => settings.enforcing_success_rate,
            Self::FailurePercentage => settings.enforcing_failure_percentage,
            Self::LocalOriginFailure => settings.enforcing_consecutive_local_origin_failure,
            Self::SuccessRateLocalOrigin => settings.enforcing_local_origin_success_rate,
            Self::FailurePercentageLocalOrigin => settings.enforcing_failure_percentage_local_origin,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_default_gateway_failures_and_failure_percentages_are_only_reported() {
        let settings = OutlierDetection::default();
        let enforced = [
            (EjectionCause::Consecutive5xx, 100),
            (EjectionCause::GatewayFailure, 0),
            (EjectionCause::SuccessRate, 100),
            (EjectionCause::FailurePercentage, 0),
            (EjectionCause::LocalOriginFailure, 100),
            (EjectionCause::SuccessRateLocalOrigin, 100),
            (EjectionCause::FailurePercentageLocalOrigin, 0),
        ];
        for (cause, percent) in enforced {
            assert_eq!(cause.enforcing(&settings), percent, "{}", cause.label());
        }
    }
}
