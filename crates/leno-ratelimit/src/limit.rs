//! Limits: so many hits in a unit of time.

use std::{fmt, str::FromStr};

use leno_proto::envoy::{
    service::ratelimit::v3::rate_limit_response::rate_limit::Unit as ResponseUnit, r#type::v3::RateLimitUnit,
};

/// A unit of time. Windows are aligned to the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// One second.
    Second,
    /// 60 seconds.
    Minute,
    /// 60 minutes.
    Hour,
    /// 24 hours.
    Day,
    /// 7 days.
    Week,
    /// 30 days.
    Month,
    /// 365 days.
    Year,
}

/// Every unit with its name.
const NAMES: [(Unit, &str); 7] = [
    (Unit::Second, "second"),
    (Unit::Minute, "minute"),
    (Unit::Hour, "hour"),
    (Unit::Day, "day"),
    (Unit::Week, "week"),
    (Unit::Month, "month"),
    (Unit::Year, "year"),
];

impl Unit {
    /// How many seconds a window of this unit has.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        const DAY: u64 = 24 * 60 * 60;
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 60 * 60,
            Self::Day => DAY,
            Self::Week => 7 * DAY,
            Self::Month => 30 * DAY,
            Self::Year => 365 * DAY,
        }
    }

    /// The unit of an override that came with a descriptor; `None` where it names none.
    pub(crate) fn of_override(unit: RateLimitUnit) -> Option<Self> {
        match unit {
            RateLimitUnit::Unknown => None,
            RateLimitUnit::Second => Some(Self::Second),
            RateLimitUnit::Minute => Some(Self::Minute),
            RateLimitUnit::Hour => Some(Self::Hour),
            RateLimitUnit::Day => Some(Self::Day),
            RateLimitUnit::Month => Some(Self::Month),
            RateLimitUnit::Year => Some(Self::Year),
        }
    }

    /// The same unit in answers.
    pub(crate) fn of_response(self) -> ResponseUnit {
        match self {
            Self::Second => ResponseUnit::Second,
            Self::Minute => ResponseUnit::Minute,
            Self::Hour => ResponseUnit::Hour,
            Self::Day => ResponseUnit::Day,
            Self::Week => ResponseUnit::Week,
            Self::Month => ResponseUnit::Month,
            Self::Year => ResponseUnit::Year,
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAMES.iter().find(|(unit, _)| unit == self).map_or("", |(_, name)| name))
    }
}

impl FromStr for Unit {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        NAMES.iter().find(|(_, name)| name.eq_ignore_ascii_case(text)).map(|(unit, _)| *unit).ok_or(())
    }
}

/// How much is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// How many hits in one window; 0 allows none.
    pub requests: u32,
    /// How long a window is.
    pub unit: Unit,
    /// What it is called in answers; may be empty.
    pub name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_any_case() {
        for (unit, name) in NAMES {
            assert_eq!(name.to_uppercase().parse(), Ok(unit));
            assert_eq!(unit.to_string(), name);
        }
        assert_eq!("fortnight".parse::<Unit>(), Err(()));
    }
}
