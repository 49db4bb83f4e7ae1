//! Shares of requests ([`FractionalPercent`]).
//!
//! [`FractionalPercent`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/type/v3/percent.proto

use rand::{Rng, RngExt as _};

/// A share: `numerator` of `denominator`. More than all is all; none by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Fraction {
    /// How many.
    pub numerator: u32,
    /// Of how many.
    pub denominator: Denominator,
}

/// Of how many a share is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Denominator {
    /// Per cent.
    #[default]
    Hundred,
    /// Of ten thousand.
    TenThousand,
    /// Of a million.
    Million,
}

impl Denominator {
    /// As a number.
    #[must_use]
    pub fn value(self) -> u32 {
        match self {
            Self::Hundred => 100,
            Self::TenThousand => 10_000,
            Self::Million => 1_000_000,
        }
    }
}

impl Fraction {
    /// None.
    pub const NONE: Self = Self { numerator: 0, denominator: Denominator::Hundred };
    /// All.
    pub const ALL: Self = Self { numerator: 100, denominator: Denominator::Hundred };

    /// Whether this one is among them.
    pub fn hits(self, random: &mut impl Rng) -> bool {
        let of = self.denominator.value();
        // Nothing is drawn where there is nothing to decide.
        match self.numerator {
            0 => false,
            numerator if numerator >= of => true,
            numerator => random.random_range(0..of) < numerator,
        }
    }

    /// Whether the one with this number is among them. One request has the same number wherever it is asked, so shares of
    /// several routes are not independent: Envoy's way.
    #[must_use]
    pub fn includes(self, number: u64) -> bool {
        number % u64::from(self.denominator.value()) < u64::from(self.numerator)
    }

    /// The same of fewer: at most `numerator`.
    #[must_use]
    pub fn at_most(self, numerator: u32) -> Self {
        Self { numerator: self.numerator.min(numerator), ..self }
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;

    #[test]
    fn shares_are_kept() {
        let mut random = StdRng::seed_from_u64(1);
        for (numerator, denominator, expected) in [
            (0, Denominator::Hundred, 0..1),
            (100, Denominator::Hundred, 10_000..10_001),
            (700, Denominator::Hundred, 10_000..10_001),
            (25, Denominator::Hundred, 2_350..2_650),
            (100, Denominator::TenThousand, 50..150),
            (500_000, Denominator::Million, 4_800..5_200),
        ] {
            let fraction = Fraction { numerator, denominator };
            let hits = (0..10_000).filter(|_| fraction.hits(&mut random)).count();
            assert!(expected.contains(&hits), "{fraction:?}: {hits}");
        }
    }
}
