//! Shares of requests.

use leno_engine::fraction::{Denominator, Fraction};
use leno_proto::v3::{
    core::RuntimeFractionalPercent,
    r#type::{FractionalPercent, fractional_percent::DenominatorType},
};

use super::check::{Check, join};

pub(super) fn convert(check: &mut Check, path: &str, proto: FractionalPercent) -> Fraction {
    let denominator = match DenominatorType::try_from(proto.denominator) {
        Ok(DenominatorType::Hundred) => Denominator::Hundred,
        Ok(DenominatorType::TenThousand) => Denominator::TenThousand,
        Ok(DenominatorType::Million) => Denominator::Million,
        Err(_) => {
            check.wrong(&join(path, "denominator"), proto.denominator.to_string(), "HUNDRED, TEN_THOUSAND or MILLION");
            Denominator::Hundred
        }
    };
    Fraction { numerator: proto.numerator, denominator }
}

/// One that could be changed at run time: there are no layers that would change it (`layered_runtime` is refused), so the
/// default is what counts.
pub(super) fn runtime(
    check: &mut Check,
    path: &str,
    proto: Option<RuntimeFractionalPercent>,
    absent: Fraction,
) -> Fraction {
    let Some(proto) = proto else { return absent };
    match proto.default_value {
        Some(value) => convert(check, &join(path, "default_value"), value),
        None => {
            check.wrong(&join(path, "default_value"), "missing", "a fraction");
            absent
        }
    }
}
